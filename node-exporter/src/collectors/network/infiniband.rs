//! InfiniBand and RoCE adapters, their ports and counters, from `/sys/class/infiniband`.
//!
//! * Source: kernel Documentation/ABI/stable/sysfs-class-infiniband.
//! * Units: data is counted in words of four bytes and exported in bytes; `rate` is in Gb/s (10^9 bits) and exported in
//!   bytes per second; `lifespan` is in milliseconds and exported in whole seconds, as by the Go exporter.
//! * Absent when: the machine has no such adapter: no data. Counters are a port's own: a driver that has not one of
//!   them has no file, or says so in it.
//! * Differs from the Go exporter: a file that is missing or no number costs itself alone, not every adapter; bytes of
//!   data do not start anew at 2^64 but at 2^66.

use std::path::Path;

use common::collector::{Collector, Row, Scrape};
use common::error::{CollectError, is_absent};
use common::exposition::{Desc, Page};
use common::fields::{Words, parse_auto, parse_hex, parse_u64};
use common::filter::Filter;
use common::flags::Flag;
use common::fuzzing::{Parser, eat};

use crate::fs::{Attr, Devices, EntryKind, KeptAttr, KeptDir, is_silence, read_optional, sys_path};

mod counters;

use counters::{DIRECTORIES, Unit};

const INCLUDE: &str = "collector.infiniband.device-include";
const EXCLUDE: &str = "collector.infiniband.device-exclude";

const FLAGS: &[Flag] = &[
    Flag::text(INCLUDE, "", "Adapters to keep, a regular expression."),
    Flag::text(EXCLUDE, "", "Adapters to leave out, a regular expression."),
];

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::on("infiniband", "InfiniBand and RoCE adapters, /sys/class/infiniband", FLAGS, |args| {
        Ok(Box::new(Infiniband {
            filter: Filter::from_args(args, INCLUDE, EXCLUDE)?,
            adapters: Devices::new(sys_path(args, "class/infiniband")),
        }))
    });

const INFO: Desc = Desc::gauge(
    "node_infiniband_info",
    "Always 1; the labels tell what the adapter is and what firmware it runs.",
    &["board_id", "device", "firmware_version", "hca_type"],
);
const STATE: Desc = Desc::gauge(
    "node_infiniband_state_id",
    "Logical state of the port: 0 no change, 1 down, 2 init, 3 armed, 4 active, 5 active with deferred changes.",
    &["device", "port"],
);
const PHYSICAL_STATE: Desc = Desc::gauge(
    "node_infiniband_physical_state_id",
    "Physical state of the port: 0 no change, 1 sleep, 2 polling, 3 disabled, 4 training, 5 up, 6 recovering, 7 test.",
    &["device", "port"],
);
const RATE: Desc =
    Desc::gauge("node_infiniband_rate_bytes_per_second", "Bytes per second that the link is for.", &["device", "port"]);

struct Infiniband {
    filter: Filter,
    adapters: Devices<Adapter>,
}

struct Adapter {
    board_id: KeptAttr,
    fw_ver: KeptAttr,
    hca_type: KeptAttr,
    ports: Devices<Port>,
}

struct Port {
    state: KeptAttr,
    phys_state: KeptAttr,
    rate: KeptAttr,
    directories: [Directory; 3],
}

struct Directory {
    dir: KeptDir,
    rows: &'static [counters::Row],
    files: Vec<(&'static counters::Row, KeptAttr)>,
}

impl Collector for Infiniband {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let filter = &mut self.filter;
        let wanted = |name: &[u8], kind| kind != EntryKind::File && filter.keeps(name);
        if let Err(e) = self.adapters.refresh(wanted, Adapter::new) {
            return Err(CollectError::io(self.adapters.path(), e).absent_is_no_data("there is no InfiniBand adapter"));
        }
        for (device, adapter) in self.adapters.known_mut() {
            adapter.update(device, cx, page);
        }
        Ok(())
    }
}

impl Adapter {
    fn new(path: &Path, _name: &[u8]) -> Self {
        let attr = |name: &str| KeptAttr::new(path.join(name));
        Self {
            board_id: attr("board_id"),
            fw_ver: attr("fw_ver"),
            hca_type: attr("hca_type"),
            ports: Devices::new(path.join("ports")),
        }
    }

    fn update(&mut self, device: &[u8], cx: &mut Scrape, page: &mut Page) {
        let is_port = |name: &[u8], kind| kind != EntryKind::File && parse_u64(name).is_some();
        match self.ports.refresh(is_port, Port::new) {
            Ok(ports) => {
                for (name, port) in ports {
                    port.update(device, name, cx, page);
                }
            }
            Err(e) => cx.fault(CollectError::io(self.ports.path(), e)),
        }
        let fw_ver = self.fw_ver.read().map_err(|e| CollectError::io(self.fw_ver.path(), e));
        let Some(fw_ver) = cx.ok(fw_ver) else { return };
        // Not every driver has these two.
        let [board_id, hca_type] =
            [&mut self.board_id, &mut self.hca_type].map(|file| read_optional(file, |e| cx.fault(e)));
        let [board_id, hca_type] = [&board_id, &hca_type].map(|text| text.as_ref().map_or(&b""[..], Attr::text));
        page.sample(&INFO, &[board_id, device, fw_ver.text(), hca_type], 1.0);
    }
}

impl Port {
    fn new(path: &Path, _name: &[u8]) -> Self {
        let attr = |name: &str| KeptAttr::new(path.join(name));
        let directory = |(name, rows)| Directory { dir: KeptDir::new(path.join(name)), rows, files: Vec::new() };
        Self {
            state: attr("state"),
            phys_state: attr("phys_state"),
            rate: attr("rate"),
            directories: DIRECTORIES.map(directory),
        }
    }

    fn update(&mut self, device: &[u8], port: &[u8], cx: &mut Scrape, page: &mut Page) {
        let labels = [device, port];
        if let Some(id) = cx.ok(self.state.number("number of a state", parse_state)) {
            page.sample(&STATE, &labels, id as f64);
        }
        if let Some(id) = cx.ok(self.phys_state.number("number of a state", parse_state)) {
            page.sample(&PHYSICAL_STATE, &labels, id as f64);
        }
        if let Some(rate) = cx.ok(self.rate.number("rate in Gb/s", parse_rate)) {
            page.sample(&RATE, &labels, rate);
        }
        for directory in &mut self.directories {
            directory.update(&labels, cx, page);
        }
    }
}

impl Directory {
    fn update(&mut self, labels: &[&[u8]; 2], cx: &mut Scrape, page: &mut Page) {
        match self.dir.changed() {
            Ok(true) => {
                let known = |(name, _): &(Vec<u8>, EntryKind)| {
                    let row = self.rows.iter().find(|row| row.file.as_bytes() == name)?;
                    Some((row, KeptAttr::new(self.dir.path().join(row.file))))
                };
                self.files = self.dir.entries().iter().filter_map(known).collect();
            }
            Ok(false) => {}
            Err(e) => {
                self.files.clear();
                if !is_absent(&e) {
                    cx.fault(CollectError::io(self.dir.path(), e));
                }
            }
        }
        for (row, file) in &mut self.files {
            match read(file) {
                Ok(Some(n)) => page.sample(&row.desc, labels, row.unit.of(n)),
                Ok(None) => {}
                Err(e) => cx.fault(e),
            }
        }
    }
}

/// The number in a file; `None` when the adapter does not count this.
fn read(file: &mut KeptAttr) -> Result<Option<u64>, CollectError> {
    match file.read() {
        Ok(text) if is_not_counted(text.text()) => Ok(None),
        Ok(text) => text.number(file.path(), "counter", parse_counter).map(Some),
        Err(e) if is_silence(&e) => Ok(None),
        Err(e) => Err(CollectError::io(file.path(), e)),
    }
}

/// What drivers without a performance management agent say.
fn is_not_counted(text: &[u8]) -> bool {
    text.windows(b"N/A (no PMA)".len()).any(|part| part == b"N/A (no PMA)")
}

/// A number without sign whose base its prefix tells.
fn parse_counter(text: &[u8]) -> Option<u64> {
    match text {
        [b'0', b'x' | b'X', digits @ ..] => parse_hex(digits),
        [b'0', _, ..] => parse_auto(text).and_then(|n| u64::try_from(n).ok()),
        _ => parse_u64(text),
    }
}

/// The number in `4: ACTIVE`.
fn parse_state(text: &[u8]) -> Option<u64> {
    let colon = text.iter().position(|&b| b == b':')?;
    parse_u64(text.get(..colon)?.trim_ascii())
}

/// `100 Gb/sec (4X EDR)` in bytes per second. Rates such as 2.5 are exact in single precision, in which the Go exporter
/// reads them.
fn parse_rate(text: &[u8]) -> Option<f64> {
    const BYTES_PER_GIGABIT: f64 = 125_000_000.0;
    let gigabits: f32 = std::str::from_utf8(Words::of(text).next()?).ok()?.parse().ok()?;
    let known = gigabits.is_finite() && gigabits >= 0.0;
    known.then(|| (f64::from(gigabits) * BYTES_PER_GIGABIT).trunc())
}

impl Unit {
    fn of(self, n: u64) -> f64 {
        match self {
            Self::One => n as f64,
            Self::Words => n as f64 * 4.0,
            Self::Milliseconds => (n / 1000) as f64,
        }
    }
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser = Parser::new(
    "infiniband",
    |bytes| eat((is_not_counted(bytes), parse_counter(bytes), parse_state(bytes), parse_rate(bytes))),
    b"100 Gb/sec (4X EDR)",
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    const PORT: &str = "sys/class/infiniband/mlx5_0/ports/1";

    #[test]
    fn texts_of_the_kernel() {
        for (text, want) in [
            ("0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("0xffffffffffffffff", Some(u64::MAX)),
            ("010", Some(8)),
            ("", None),
            ("-1", None),
            ("max", None),
            ("18446744073709551616", None),
        ] {
            assert_eq!(parse_counter(text.as_bytes()), want, "{text}");
        }
        for (text, want) in [("4: ACTIVE", Some(4)), ("5: LinkUp", Some(5)), ("4", None), (": x", None), ("", None)] {
            assert_eq!(parse_state(text.as_bytes()), want, "{text}");
        }
        for (text, want) in [
            ("100 Gb/sec (4X EDR)", Some(12_500_000_000.0)),
            ("2.5 Gb/sec (1X SDR)", Some(312_500_000.0)),
            ("56", Some(7_000_000_000.0)),
            ("", None),
            ("-1 Gb/sec", None),
            ("inf Gb/sec", None),
            ("NaN", None),
            ("fast", None),
        ] {
            assert_eq!(parse_rate(text.as_bytes()), want, "{text}");
        }
        assert!(is_not_counted(b"N/A (no PMA)") && !is_not_counted(b"N/A") && !is_not_counted(b""));
    }

    fn plant(rig: &Rig, files: &[(&str, &str)]) {
        for (file, text) in files {
            rig.plant(&[(&format!("{PORT}/{file}"), text)]);
        }
    }

    #[test]
    fn a_bad_file_costs_itself_alone() {
        let mut rig = Rig::new(&ROW, &[("sys/class/infiniband/mlx5_0/fw_ver", "16.35.1012")], &[]);
        rig.plant(&[("sys/class/infiniband/rxe0/ports/", ""), ("sys/class/infiniband/mlx5_0/board_id/", "")]);
        plant(
            &rig,
            &[
                ("state", "4: ACTIVE\r\n"),
                ("phys_state", "LinkUp\n"),
                ("counters/port_rcv_data", "9223372036854775808\n"),
                ("counters/port_xmit_data", "many\n"),
                ("counters/symbol_error", "N/A (no PMA)\n"),
                ("counters/link_downed/", ""),
                ("counters/of_tomorrow", "1\n"),
                ("hw_counters/lifespan", "1999\n"),
            ],
        );
        let want = "node_infiniband_info{board_id=\"\",device=\"mlx5_0\",firmware_version=\"16.35.1012\",hca_type=\"\"} 1\n\
                    node_infiniband_lifespan_seconds{device=\"mlx5_0\",port=\"1\"} 1\n\
                    node_infiniband_port_data_received_bytes_total{device=\"mlx5_0\",port=\"1\"} 3.6893488147419103e+19\n\
                    node_infiniband_state_id{device=\"mlx5_0\",port=\"1\"} 4\n\
                    ! PORT/phys_state:1: number of a state: expected a whole number, found \"LinkUp\"\n\
                    ! PORT/rate: No such file or directory (os error 2)\n\
                    ! PORT/counters/link_downed: Is a directory (os error 21)\n\
                    ! PORT/counters/port_xmit_data:1: counter: expected a whole number, found \"many\"\n\
                    ! sys/class/infiniband/mlx5_0/board_id: Is a directory (os error 21)\n\
                    ! sys/class/infiniband/rxe0/fw_ver: No such file or directory (os error 2)\n";
        assert_eq!(rig.samples(), want.replace("PORT", PORT));
    }

    #[test]
    fn adapters_ports_and_counters_come_and_go() {
        let mut rig = Rig::new(&ROW, &[], &[(EXCLUDE, "^rxe")]);
        assert_eq!(rig.samples(), "! no data: there is no InfiniBand adapter\n");
        rig.plant(&[("sys/class/infiniband/", "")]);
        assert_eq!(rig.samples(), "");
        rig.plant(&[("sys/class/infiniband/rxe0/fw_ver", ""), ("sys/class/infiniband/mlx5_0/fw_ver", "")]);
        plant(&rig, &[("state", "1: DOWN"), ("phys_state", "3: Disabled"), ("rate", "10 Gb/sec (4X)")]);
        rig.plant(&[("sys/class/infiniband/mlx5_0/ports/current/", "")]);
        assert_eq!(rig.samples().lines().count(), 4);
        plant(&rig, &[("counters/link_downed", "3\n")]);
        assert!(rig.samples().contains("node_infiniband_link_downed_total{device=\"mlx5_0\",port=\"1\"} 3\n"));
        rig.remove(&format!("{PORT}/counters"));
        assert_eq!(rig.samples().lines().count(), 4);
        rig.remove("sys/class/infiniband/mlx5_0");
        assert_eq!(rig.samples(), "");
    }
}
