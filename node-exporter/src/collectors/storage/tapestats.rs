//! Tape drives from `/sys/class/scsi_tape`.
//!
//! * Source: kernel Documentation/scsi/st.rst, "sysfs and statistics for the tape driver".
//! * Units: files have bytes and nanoseconds, we export bytes and seconds.
//! * Absent when: the tape driver is not loaded: no data. Only `st0`, not `nst0`, `st0a` and so on, which are the same drive.
//! * Differs from the Go exporter: a file that is missing is not shown as 0, and one that is no number costs itself; that
//!   ends the program there.

use common::collector::{Collector, Row, Scrape};
use common::error::{CollectError, is_absent};
use common::exposition::{Desc, Page};
use common::fields::parse_u64;
use common::filter::Filter;
use common::flags::Flag;

use crate::fs::{Devices, KeptAttr, sys_path};

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row::on("tapestats", "tape drives, /sys/class/scsi_tape", FLAGS, |args| {
    Ok(Box::new(Tapestats {
        filter: Filter::from_args(args, "", "collector.tapestats.ignored-devices")?,
        drives: Devices::new(sys_path(args, "class/scsi_tape")),
    }))
});

const FLAGS: &[Flag] =
    &[Flag::text("collector.tapestats.ignored-devices", "^$", "Pattern for the tape drives to leave out.")];

const NANOSECONDS: f64 = 1e-9;

/// A file below `stats`, its family, and what the number is multiplied with.
type Figure = (&'static str, Desc<'static>, f64);

const fn counter(file: &'static str, name: &'static str, factor: f64, help: &'static str) -> Figure {
    (file, Desc::counter(name, help, &["device"]), factor)
}

static FIGURES: [Figure; 10] = [
    ("in_flight", Desc::gauge("node_tape_io_now", "Operations that the drive is busy with.", &["device"]), 1.0),
    counter("io_ns", "node_tape_io_time_seconds_total", NANOSECONDS, "Seconds that operations of any kind took."),
    counter("other_cnt", "node_tape_io_others_total", 1.0, "Operations other than reads and writes."),
    counter("read_byte_cnt", "node_tape_read_bytes_total", 1.0, "Bytes read from tape."),
    counter("read_cnt", "node_tape_reads_completed_total", 1.0, "Reads that were completed."),
    counter("read_ns", "node_tape_read_time_seconds_total", NANOSECONDS, "Seconds that reads took."),
    counter("resid_cnt", "node_tape_residual_total", 1.0, "Reads and writes that moved less than was asked for."),
    counter("write_byte_cnt", "node_tape_written_bytes_total", 1.0, "Bytes written to tape."),
    counter("write_cnt", "node_tape_writes_completed_total", 1.0, "Writes that were completed."),
    counter("write_ns", "node_tape_write_time_seconds_total", NANOSECONDS, "Seconds that writes took."),
];

struct Tapestats {
    filter: Filter,
    drives: Devices<[KeptAttr; FIGURES.len()]>,
}

impl Collector for Tapestats {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let filter = &mut self.filter;
        let drives = self.drives.refresh(
            |name, _| is_drive(name) && filter.keeps(name),
            |path, _| FIGURES.each_ref().map(|(file, ..)| KeptAttr::new(path.join("stats").join(file))),
        );
        if let Err(e) = drives {
            return Err(CollectError::io(self.drives.path(), e).absent_is_no_data("there are no tape drives"));
        }
        for (device, files) in self.drives.known_mut() {
            for (file, (_, desc, factor)) in files.iter_mut().zip(&FIGURES) {
                match file.read() {
                    Ok(text) => {
                        if let Some(n) = cx.ok(text.number(file.path(), "operations, bytes or nanoseconds", parse_u64))
                        {
                            page.sample(desc, &[&device], n as f64 * factor);
                        }
                    }
                    Err(e) if is_absent(&e) => {}
                    Err(e) => cx.fault(CollectError::io(file.path(), e)),
                }
            }
        }
        Ok(())
    }
}

/// `st` and digits: the one of the device's names that has neither a mode nor the promise not to rewind.
fn is_drive(name: &[u8]) -> bool {
    name.strip_prefix(b"st").is_some_and(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    #[test]
    fn names_of_drives() {
        for name in ["st0", "st12"] {
            assert!(is_drive(name.as_bytes()), "{name}");
        }
        for name in ["", "st", "nst0", "st0a", "st0m", "xst0"] {
            assert!(!is_drive(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn a_bad_file_costs_itself() {
        let tree = [
            ("sys/class/scsi_tape/st0/stats/in_flight", "1\n"),
            ("sys/class/scsi_tape/st0/stats/io_ns", "9247011087720\n"),
            ("sys/class/scsi_tape/st0/stats/read_cnt", "many\n"),
            ("sys/class/scsi_tape/st0/stats/read_byte_cnt", "18446744073709551615\n"),
            ("sys/class/scsi_tape/st0/stats/resid_cnt/", ""),
            ("sys/class/scsi_tape/nst0/stats/in_flight", "1\n"),
            ("sys/class/scsi_tape/st1/stats/in_flight", "2"),
        ];
        let want = "node_tape_io_now{device=\"st0\"} 1\n\
                    node_tape_io_now{device=\"st1\"} 2\n\
                    node_tape_io_time_seconds_total{device=\"st0\"} 9247.01108772\n\
                    node_tape_read_bytes_total{device=\"st0\"} 1.8446744073709552e+19\n\
                    ! sys/class/scsi_tape/st0/stats/read_cnt:1: operations, bytes or nanoseconds: expected a whole number, found \"many\"\n\
                    ! sys/class/scsi_tape/st0/stats/resid_cnt: Is a directory (os error 21)\n";
        let mut rig = Rig::new(&ROW, &tree, &[]);
        assert_eq!(rig.samples(), want);
        rig.remove("sys/class/scsi_tape/st0");
        assert_eq!(rig.samples(), "node_tape_io_now{device=\"st1\"} 2\n");
        rig.remove("sys/class/scsi_tape");
        assert_eq!(rig.samples(), "! no data: there are no tape drives\n");
    }

    #[test]
    fn drives_can_be_left_out() {
        let tree = [("sys/class/scsi_tape/st0/stats/in_flight", "1"), ("sys/class/scsi_tape/st1/stats/in_flight", "1")];
        let mut rig = Rig::new(&ROW, &tree, &[("collector.tapestats.ignored-devices", "^st1$")]);
        assert_eq!(rig.samples(), "node_tape_io_now{device=\"st0\"} 1\n");
    }
}
