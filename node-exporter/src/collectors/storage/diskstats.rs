//! Reads, writes and time of block devices from `/proc/diskstats`, and what udev knows about them.
//!
//! * Source: kernel Documentation/admin-guide/iostats.rst; `<path.udev.data>/b<major>:<minor>`.
//! * Units: file has 512-byte sectors and milliseconds, we export bytes and seconds; discards stay in sectors.
//! * Absent when: never on Linux; discards before 4.18, flushes before 5.5.
//! * Differs from the Go exporter: a line that is not understood costs itself alone; of a device with a `/` in its name
//!   the label rotational is right.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError, is_absent};
use common::exposition::{Desc, Page};
use common::fields::{Words, lines, parse_f64};
use common::filter::Filter;
use common::flags::Flag;
use common::fuzzing::{Parser, eat};

use crate::fs::{KeptAttr, KeptFile, read_file, sys_path};

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row::on("diskstats", "block devices, /proc/diskstats", FLAGS, |args| {
    Ok(Box::new(Diskstats {
        file: KeptFile::of_proc(args, "diskstats"),
        block: sys_path(args, "block"),
        udev: PathBuf::from(args.text("path.udev.data")),
        filter: Filter::exclusive(args, INCLUDE, EXCLUDE)?,
        disks: HashMap::new(),
        lines: Vec::new(),
        round: 0,
    }))
});

const INCLUDE: &str = "collector.diskstats.device-include";
const EXCLUDE: &str = "collector.diskstats.device-exclude";

const FLAGS: &[Flag] = &[
    Flag::text(INCLUDE, "", "Pattern of the block devices to keep; not together with device-exclude."),
    Flag::text(
        EXCLUDE,
        r"^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$",
        "Pattern of the block devices to leave out; not together with device-include.",
    ),
    Flag::alias("collector.diskstats.ignored-devices", EXCLUDE),
];

/// The block layer counts 512-byte sectors whatever the device says (kernel: Documentation/block/stat.rst).
const SECTOR_BYTES: f64 = 512.0;
/// Multiplied, not divided by 1000: the last digit differs.
const MILLISECOND: f64 = 0.001;

/// The numbers of a line, in its order, and what each is multiplied by.
const COUNTERS: [(Desc, f64); 17] = [
    (Desc::counter("node_disk_reads_completed_total", "Reads that are done.", DEVICE), 1.0),
    (Desc::counter("node_disk_reads_merged_total", "Reads that were joined to another.", DEVICE), 1.0),
    (Desc::counter("node_disk_read_bytes_total", "Bytes read from the device.", DEVICE), SECTOR_BYTES),
    (Desc::counter("node_disk_read_time_seconds_total", "Seconds that reads have taken.", DEVICE), MILLISECOND),
    (Desc::counter("node_disk_writes_completed_total", "Writes that are done.", DEVICE), 1.0),
    (Desc::counter("node_disk_writes_merged_total", "Writes that were joined to another.", DEVICE), 1.0),
    (Desc::counter("node_disk_written_bytes_total", "Bytes written to the device.", DEVICE), SECTOR_BYTES),
    (Desc::counter("node_disk_write_time_seconds_total", "Seconds that writes have taken.", DEVICE), MILLISECOND),
    (Desc::gauge("node_disk_io_now", "Reads and writes in flight.", DEVICE), 1.0),
    (Desc::counter("node_disk_io_time_seconds_total", "Seconds in which the device was busy.", DEVICE), MILLISECOND),
    (
        Desc::counter(
            "node_disk_io_time_weighted_seconds_total",
            "Seconds in which the device was busy, times the requests in flight.",
            DEVICE,
        ),
        MILLISECOND,
    ),
    (Desc::counter("node_disk_discards_completed_total", "Discards that are done.", DEVICE), 1.0),
    (Desc::counter("node_disk_discards_merged_total", "Discards that were joined to another.", DEVICE), 1.0),
    (Desc::counter("node_disk_discarded_sectors_total", "Sectors of 512 bytes that were discarded.", DEVICE), 1.0),
    (Desc::counter("node_disk_discard_time_seconds_total", "Seconds that discards have taken.", DEVICE), MILLISECOND),
    (Desc::counter("node_disk_flush_requests_total", "Flushes that are done.", DEVICE), 1.0),
    (
        Desc::counter("node_disk_flush_requests_time_seconds_total", "Seconds that flushes have taken.", DEVICE),
        MILLISECOND,
    ),
];

const DEVICE: &[&str] = &["device"];

const INFO: Desc = Desc::gauge(
    "node_disk_info",
    "Always 1; the labels give what udev knows about the device.",
    &["device", "major", "minor", "model", "path", "revision", "rotational", "serial", "wwn"],
);
const FILESYSTEM_INFO: Desc = Desc::gauge(
    "node_disk_filesystem_info",
    "Always 1; the labels give what is stored on the device.",
    &["device", "type", "usage", "uuid", "version"],
);
const DEVICE_MAPPER_INFO: Desc = Desc::gauge(
    "node_disk_device_mapper_info",
    "Always 1; the labels give what the device mapper calls the device.",
    &["device", "lv_layer", "lv_name", "name", "uuid", "vg_name"],
);
const ATA_WRITE_CACHE: Desc =
    Desc::gauge("node_disk_ata_write_cache", "Whether the ATA disk has a write cache.", DEVICE);
const ATA_WRITE_CACHE_ENABLED: Desc =
    Desc::gauge("node_disk_ata_write_cache_enabled", "Whether the write cache of the ATA disk is in use.", DEVICE);
const ATA_ROTATION_RATE: Desc = Desc::gauge(
    "node_disk_ata_rotation_rate_rpm",
    "Turns per minute of the ATA disk; 0 for one that does not turn.",
    DEVICE,
);

struct Diskstats {
    file: KeptFile,
    block: PathBuf,
    udev: PathBuf,
    filter: Filter,
    disks: HashMap<Vec<u8>, Disk>,
    /// The lines of this scrape, by device; kept for their memory.
    lines: Vec<Line>,
    /// Scrapes so far, to see which devices are gone.
    round: u64,
}

/// What is kept of a device.
struct Disk {
    major: Vec<u8>,
    minor: Vec<u8>,
    /// `None` for what has no queue of its own, as partitions.
    rotational: Option<KeptAttr>,
    udev_file: PathBuf,
    stamp: Option<Stamp>,
    facts: Facts,
    round: u64,
}

/// What changes when udev writes its file anew.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: i64,
    seconds: i64,
    nanoseconds: i64,
}

/// One line: where in the text the words of the device stand, and its numbers.
struct Line {
    major: (usize, usize),
    minor: (usize, usize),
    name: (usize, usize),
    numbers: [u64; 17],
    n_numbers: usize,
}

impl Collector for Diskstats {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        self.round += 1;
        let mut bad = Vec::new();
        let text = self.file.read()?;
        self.lines.clear();
        for (number, line) in lines(text) {
            match parse(number, line) {
                Ok(Some(parsed)) if self.filter.keeps(parsed.name) => self.lines.push(parsed.within(text)),
                Ok(_) => {}
                Err(e) => bad.push(e),
            }
        }
        let word = |(start, end): (usize, usize)| text.get(start..end).unwrap_or_default();
        self.lines.sort_unstable_by(|a, b| word(a.name).cmp(word(b.name)));
        for (at, (desc, factor)) in COUNTERS.iter().enumerate() {
            for line in &self.lines {
                if let Some(&number) = line.numbers.get(..line.n_numbers).and_then(|numbers| numbers.get(at)) {
                    page.sample(desc, &[word(line.name)], number as f64 * factor);
                }
            }
        }
        for line in &self.lines {
            let (name, major, minor) = (word(line.name), word(line.major), word(line.minor));
            let known = self.disks.get_mut(name).filter(|disk| disk.major == major && disk.minor == minor);
            let disk = match known {
                Some(disk) => disk,
                None => {
                    let disk = Disk::new(name, major, minor, &self.block, &self.udev);
                    self.disks.entry(name.to_vec()).insert_entry(disk).into_mut()
                }
            };
            disk.round = self.round;
            disk.update(name, page);
        }
        if self.disks.len() > self.lines.len() {
            self.disks.retain(|_, disk| disk.round == self.round);
        }
        for bad in bad {
            cx.fault(bad.in_file(self.file.path()));
        }
        Ok(())
    }
}

impl Disk {
    fn new(name: &[u8], major: &[u8], minor: &[u8], block: &Path, udev: &Path) -> Self {
        // sysfs has `!` where a device has `/` in its name.
        let dir: Vec<u8> = name.iter().map(|&b| if b == b'/' { b'!' } else { b }).collect();
        let rotational = block.join(std::ffi::OsStr::from_bytes(&dir)).join("queue/rotational");
        let udev_file = [b"b", major, b":", minor].concat();
        Self {
            major: major.to_vec(),
            minor: minor.to_vec(),
            rotational: Some(KeptAttr::new(rotational)),
            udev_file: udev.join(std::ffi::OsStr::from_bytes(&udev_file)),
            stamp: None,
            facts: Facts::default(),
            round: 0,
        }
    }

    fn update(&mut self, name: &[u8], page: &mut Page) {
        self.ask_udev();
        let rotational = self.is_rotational();
        let Self { major, minor, facts, .. } = self;
        let turns: &[u8] = if rotational { b"1" } else { b"0" };
        page.sample(
            &INFO,
            &[name, major, minor, &facts.model, &facts.path, &facts.revision, turns, &facts.serial, &facts.wwn],
            1.0,
        );
        if let Some([kind, usage, uuid, version]) = &facts.filesystem {
            page.sample(&FILESYSTEM_INFO, &[name, kind, usage, uuid, version], 1.0);
        }
        if let Some([lv_layer, lv_name, dm_name, uuid, vg_name]) = &facts.device_mapper {
            page.sample(&DEVICE_MAPPER_INFO, &[name, lv_layer, lv_name, dm_name, uuid, vg_name], 1.0);
        }
        let ata = [
            (&ATA_WRITE_CACHE, facts.ata_write_cache),
            (&ATA_WRITE_CACHE_ENABLED, facts.ata_write_cache_enabled),
            (&ATA_ROTATION_RATE, facts.ata_rotation_rate),
        ];
        for (desc, value) in ata {
            if let Some(value) = value {
                page.sample(desc, &[name], value);
            }
        }
    }

    fn is_rotational(&mut self) -> bool {
        let Some(file) = &mut self.rotational else { return false };
        match file.read() {
            Ok(text) => text.text() == b"1",
            Err(e) => {
                if is_absent(&e) {
                    self.rotational = None;
                }
                false
            }
        }
    }

    /// Reads the device's file when it is another than the last time.
    fn ask_udev(&mut self) {
        let stamp = rustix::fs::stat(&self.udev_file).ok().map(|stat| Stamp {
            inode: stat.st_ino,
            size: stat.st_size,
            seconds: stat.st_mtime,
            nanoseconds: i64::try_from(stat.st_mtime_nsec).unwrap_or(0),
        });
        if stamp == self.stamp {
            return;
        }
        // Without the file, or without the right to read it, there are no facts, and that is no fault.
        self.facts = match stamp.map(|_| read_file(&self.udev_file)) {
            Some(Ok(text)) => parse_udev(&text),
            _ => Facts::default(),
        };
        self.stamp = stamp;
    }
}

/// A line with its words.
#[derive(Debug, PartialEq, Eq)]
struct Parsed<'t> {
    major: &'t [u8],
    minor: &'t [u8],
    name: &'t [u8],
    numbers: [u64; 17],
    n_numbers: usize,
}

impl Parsed<'_> {
    /// Where the words stand in `text`, of which they are a part.
    fn within(&self, text: &[u8]) -> Line {
        let place = |word: &[u8]| {
            let start = word.as_ptr().addr().saturating_sub(text.as_ptr().addr());
            (start, start + word.len())
        };
        let Self { major, minor, name, numbers, n_numbers } = *self;
        Line { major: place(major), minor: place(minor), name: place(name), numbers, n_numbers }
    }
}

/// One line; `None` if it is too short to be a device.
fn parse(number: u32, line: &[u8]) -> Result<Option<Parsed<'_>>, BadField> {
    let mut words = Words::new(number, line);
    if words.clone().nth(13).is_none() {
        return Ok(None);
    }
    let (major, minor, name) = (words.word("major number")?, words.word("minor number")?, words.word("device")?);
    let mut parsed = Parsed { major, minor, name, numbers: [0; 17], n_numbers: 0 };
    for slot in &mut parsed.numbers {
        if words.rest().is_empty() {
            break;
        }
        *slot = words.u64("counter")?;
        parsed.n_numbers += 1;
    }
    Ok(Some(parsed))
}

/// What udev knows about a device, in the form in which it is shown.
#[derive(Debug, Default, PartialEq)]
struct Facts {
    model: Vec<u8>,
    path: Vec<u8>,
    revision: Vec<u8>,
    serial: Vec<u8>,
    wwn: Vec<u8>,
    /// Type, usage, UUID, version.
    filesystem: Option<[Vec<u8>; 4]>,
    /// Layer, logical volume, name, UUID, volume group.
    device_mapper: Option<[Vec<u8>; 5]>,
    ata_write_cache: Option<f64>,
    ata_write_cache_enabled: Option<f64>,
    ata_rotation_rate: Option<f64>,
}

/// The properties of a device: lines `E:KEY=value`, the last of a key counts, a carriage return at the end does not.
fn parse_udev(text: &[u8]) -> Facts {
    let get = |key: &[u8]| {
        let value = |(_, line): (u32, &'_ [u8])| -> Option<Vec<u8>> {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            Some(line.strip_prefix(b"E:")?.strip_prefix(key)?.strip_prefix(b"=")?.to_vec())
        };
        lines(text).filter_map(value).last().unwrap_or_default()
    };
    let first = |keys: [&[u8]; 3]| keys.into_iter().map(get).find(|value| !value.is_empty()).unwrap_or_default();
    let ata = !get(b"ID_ATA").is_empty();
    let number = |key: &[u8]| if ata { parse_f64(&get(key)) } else { None };
    let if_named = |key: &[u8]| Some(get(key)).filter(|value| !value.is_empty());
    Facts {
        model: get(b"ID_MODEL"),
        path: get(b"ID_PATH"),
        revision: get(b"ID_REVISION"),
        serial: first([b"SCSI_IDENT_SERIAL", b"ID_SERIAL_SHORT", b"ID_SERIAL"]),
        wwn: get(b"ID_WWN"),
        filesystem: if_named(b"ID_FS_TYPE")
            .map(|kind| [kind, get(b"ID_FS_USAGE"), get(b"ID_FS_UUID"), get(b"ID_FS_VERSION")]),
        device_mapper: if_named(b"DM_NAME")
            .map(|name| [get(b"DM_LV_LAYER"), get(b"DM_LV_NAME"), name, get(b"DM_UUID"), get(b"DM_VG_NAME")]),
        ata_write_cache: number(b"ID_ATA_WRITE_CACHE"),
        ata_write_cache_enabled: number(b"ID_ATA_WRITE_CACHE_ENABLED"),
        ata_rotation_rate: number(b"ID_ATA_ROTATION_RATE_RPM"),
    }
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser =
    Parser::new("diskstats", |bytes| lines(bytes).for_each(|(number, line)| eat(parse(number, line).is_ok())), b"   8       0 sda 412345 1203 33123456 190233 9123456 812344 312344556 4512345 0 3912344 4902345 12 0 4096 3 812345 199767\n   7 0 loop0 11 0 26 4 0 0 0 0 0 8 4\n");

/// For the fuzzer.
pub(in crate::collectors) const UDEV_PARSER: Parser =
    Parser::new("udev", |bytes| eat(parse_udev(bytes)), b"S:disk/by-id/x\nE:ID_ATA=1\nE:ID_MODEL=EXAMPLE\nE:ID_SERIAL_SHORT=S1\nE:ID_ATA_ROTATION_RATE_RPM=7200\nE:DM_NAME=vg0-root\nE:ID_FS_USAGE=filesystem\n");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    #[track_caller]
    fn check(line: &str, want: &str) {
        let got = parse(1, line.as_bytes()).map_err(|bad| bad.to_string()).map(|parsed| {
            parsed.map(|p| (String::from_utf8_lossy(p.name).into_owned(), p.numbers[..p.n_numbers].to_vec()))
        });
        assert_eq!(format!("{got:?}"), want);
    }

    #[test]
    fn good() {
        check("   8  0 sda 1 2 3 4 5 6 7 8 9 10 11\n", "Ok(Some((\"sda\", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])))");
        let newer = "8 0 sda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18";
        check(newer, "Ok(Some((\"sda\", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17])))");
    }

    #[test]
    fn cut_short() {
        check("8 0 sda 1 2 3 4 5 6 7 8 9 10", "Ok(None)");
        check("", "Ok(None)");
    }

    #[test]
    fn garbage() {
        check("8 0 sda 1 2 3 x 5 6 7 8 9 10 11", r#"Err("1: counter: expected a whole number, found \"x\"")"#);
        check("8 0 sda 1 2 3 -4 5 6 7 8 9 10 11", r#"Err("1: counter: expected a whole number, found \"-4\"")"#);
    }

    #[test]
    fn properties() {
        let facts = parse_udev(
            b"S:x\nE:ID_MODEL=A=B\nE:ID_SERIAL=long\nE:ID_SERIAL_SHORT=s\nE:ID_ATA=1\nE:ID_ATA_WRITE_CACHE=1\n\
              E:ID_ATA_ROTATION_RATE_RPM=fast\nE:ID_MODEL_ENC=no\nE:\nE:=\nE:ID_FS_TYPE=\nG:ID_WWN=no",
        );
        let want =
            Facts { model: b"A=B".to_vec(), serial: b"s".to_vec(), ata_write_cache: Some(1.0), ..Facts::default() };
        assert_eq!(facts, want);
        assert_eq!(parse_udev(b"E:ID_ATA_WRITE_CACHE=1\n\xff\xfe"), Facts::default());
        assert_eq!(parse_udev(b"E:ID_MODEL=A\r\nE:ID_ATA=1\r\n").model, b"A", "lines that end as those of DOS");
    }

    const SDA: &str = "8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n";

    fn info(samples: &str) -> &str {
        samples.lines().find(|line| line.starts_with("node_disk_info")).unwrap_or_default()
    }

    #[test]
    fn facts_are_read_again_when_udev_writes_them() {
        let mut rig = Rig::new(&ROW, &[("proc/diskstats", SDA)], &[]);
        let want = |model: &str, turns: u8| {
            format!(
                "node_disk_info{{device=\"sda\",major=\"8\",minor=\"0\",model=\"{model}\",path=\"\",revision=\"\",\
                 rotational=\"{turns}\",serial=\"\",wwn=\"\"}} 1"
            )
        };
        assert_eq!(info(&rig.samples()), want("", 0));
        rig.plant(&[("udev/b8:0", "E:ID_MODEL=one\n")]);
        assert_eq!(info(&rig.samples()), want("one", 0));
        rig.plant(&[("udev/b8:0", "E:ID_MODEL=another\n")]);
        assert_eq!(info(&rig.samples()), want("another", 0));
        // Another disk of that name, with a number of its own.
        rig.plant(&[
            ("proc/diskstats", &SDA.replace("8 0 sda", "8 16 sda")),
            ("udev/b8:16", "E:ID_MODEL=new\n"),
            ("sys/block/sda/queue/rotational", "1\n"),
        ]);
        assert_eq!(info(&rig.samples()), want("new", 1).replace("minor=\"0\"", "minor=\"16\""));
        rig.plant(&[("proc/diskstats", "")]);
        assert_eq!(rig.samples(), "");
    }

    #[test]
    fn a_bad_line_costs_itself_and_filters_apply() {
        let text = format!("{SDA}8 16 sdb 1 2 3 x 5 6 7 8 9 10 11\n{}", SDA.replace("sda", "sda1"));
        let samples = Rig::new(&ROW, &[("proc/diskstats", &text)], &[]).samples();
        assert!(samples.ends_with("\n! proc/diskstats:2: counter: expected a whole number, found \"x\"\n"));
        assert!(samples.contains("node_disk_read_bytes_total{device=\"sda\"} 1536\n"));
        assert!(samples.contains("node_disk_read_time_seconds_total{device=\"sda\"} 0.004\n"));
        assert!(!samples.contains("sda1"));
        let only = Rig::new(&ROW, &[("proc/diskstats", &text)], &[(INCLUDE, "^sda1$")]).samples();
        assert!(only.contains("device=\"sda1\"") && !only.contains("device=\"sda\""));
    }

    #[test]
    fn no_file_is_an_error() {
        assert_eq!(Rig::new(&ROW, &[], &[]).samples(), "! proc/diskstats: No such file or directory (os error 2)\n");
    }
}
