//! Allocation, commits and devices of btrfs file systems from `/sys/fs/btrfs`, and from the file systems themselves.
//!
//! * Source: kernel fs/btrfs/sysfs.c; include/uapi/linux/btrfs.h for what a mounted file system tells about its devices.
//! * Units: `size` is in 512-byte sectors and commits take milliseconds; we export bytes and seconds.
//! * Absent when: no btrfs is mounted: no samples, no error. Without a mount that may be opened, devices are those of sysfs,
//!   which lack a UUID, free space and errors. As in the Go exporter, commits are 0 before Linux 6.0, which does not
//!   count them.
//! * Differs from the Go exporter: a file that is missing or malformed costs its own samples; a file system whose UUID was
//!   changed keeps what it tells about its devices; the ratio of a layout that is not known is left out.

use std::path::Path;

use common::collector::{Collector, Row, Scrape};
use common::error::{CollectError, is_absent};
use common::exposition::{Desc, Page};
use common::fields::{Words, lines, parse_u64};
use common::flags::Args;
use common::fuzzing::{Parser, eat};

use crate::fs::{Devices, EntryKind, KeptAttr, KeptFile, sys_path};
use crate::kernel::btrfs::{Device, uuid_text};

mod mounted;

use mounted::Mounted;

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::on("btrfs", "btrfs file systems, /sys/fs/btrfs", &[], |args| Ok(Box::new(Btrfs::new(args))));

const GROUP: &[&str] = &["block_group_type", "mode", "uuid"];
const DEVICE: &[&str] = &["btrfs_dev_uuid", "device", "uuid"];

const INFO: Desc = Desc::gauge("node_btrfs_info", "Always 1; the labels name the file system.", &["label", "uuid"]);
const RESERVE: Desc =
    Desc::gauge("node_btrfs_global_rsv_size_bytes", "Bytes kept back for the file system itself.", &["uuid"]);
const RESERVED: Desc = Desc::gauge(
    "node_btrfs_reserved_bytes",
    "Bytes promised and not written yet, by what they are for.",
    &["block_group_type", "uuid"],
);
const USED: Desc = Desc::gauge("node_btrfs_used_bytes", "Bytes in use, by what they are for and layout.", GROUP);
const SIZE: Desc = Desc::gauge("node_btrfs_size_bytes", "Bytes allocated, by what they are for and layout.", GROUP);
const RATIO: Desc =
    Desc::gauge("node_btrfs_allocation_ratio", "Bytes of the devices that a byte takes in the layout.", GROUP);
const DEVICE_SIZE: Desc = Desc::gauge("node_btrfs_device_size_bytes", DEVICE_SIZE_HELP, DEVICE);
const DEVICE_SIZE_ALONE: Desc = Desc::gauge("node_btrfs_device_size_bytes", DEVICE_SIZE_HELP, &["device", "uuid"]);
const DEVICE_SIZE_HELP: &str = "Size of the device.";
const DEVICE_UNUSED: Desc =
    Desc::gauge("node_btrfs_device_unused_bytes", "Bytes of the device that are not allocated.", DEVICE);
const DEVICE_ERRORS: Desc = Desc::counter(
    "node_btrfs_device_errors_total",
    "Errors of the device since they were reset.",
    &["btrfs_dev_uuid", "device", "type", "uuid"],
);

const MILLISECONDS: f64 = 1000.0;

/// Lines of `commit_stats`, their families, and what the number is divided by.
static COMMITS: [(&str, Desc<'static>, f64); 4] = [
    ("commits", Desc::counter("node_btrfs_commits_total", "Commits.", &["uuid"]), 1.0),
    (
        "last_commit_ms",
        Desc::gauge("node_btrfs_last_commit_seconds", "How long the last commit took.", &["uuid"]),
        MILLISECONDS,
    ),
    (
        "max_commit_ms",
        Desc::gauge("node_btrfs_max_commit_seconds", "How long the longest commit took.", &["uuid"]),
        MILLISECONDS,
    ),
    (
        "total_commit_ms",
        Desc::counter("node_btrfs_commit_seconds_total", "How long all commits took.", &["uuid"]),
        MILLISECONDS,
    ),
];

/// The block layer counts these whatever the device says (kernel: Documentation/block/stat.rst).
const SECTOR_BYTES: f64 = 512.0;

/// What space is for: a directory below `allocation` each.
const TYPES: [&str; 3] = ["data", "metadata", "system"];

/// Kinds of errors, in the order in which the kernel gives their numbers.
const ERRORS: [&str; 5] = ["write", "read", "flush", "corruption", "generation"];

struct Btrfs {
    file_systems: Devices<FileSystem>,
    mounted: Mounted,
}

struct FileSystem {
    metadata_uuid: KeptAttr,
    label: KeptFile,
    reserve: KeptAttr,
    commits: KeptFile,
    groups: [Group; TYPES.len()],
    /// Each with its size.
    devices: Devices<KeptAttr>,
}

struct Group {
    reserved: KeptAttr,
    layouts: Devices<Layout>,
}

struct Layout {
    used: KeptAttr,
    total: KeptAttr,
}

impl Btrfs {
    fn new(args: &Args) -> Self {
        Self { file_systems: Devices::new(sys_path(args, "fs/btrfs")), mounted: Mounted::new(args) }
    }
}

impl Collector for Btrfs {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        // Beside the file systems there are directories of the driver itself.
        let is_file_system = |name: &[u8], kind| kind != EntryKind::File && name.contains(&b'-');
        let file_systems = match self.file_systems.refresh(is_file_system, |path, _| FileSystem::new(path)) {
            Ok(file_systems) => file_systems,
            Err(e) if is_absent(&e) => return Ok(()),
            Err(e) => return Err(CollectError::io(self.file_systems.path(), e)),
        };
        if !file_systems.is_empty() {
            self.mounted.ask();
        }
        for (name, files) in file_systems {
            files.update(name, self.mounted.devices_of(name), cx, page);
        }
        Ok(())
    }
}

impl FileSystem {
    fn new(path: &Path) -> Self {
        let allocation = path.join("allocation");
        Self {
            metadata_uuid: KeptAttr::new(path.join("metadata_uuid")),
            label: KeptFile::new(path.join("label")),
            reserve: KeptAttr::new(allocation.join("global_rsv_size")),
            commits: KeptFile::new(path.join("commit_stats")),
            groups: TYPES.map(|kind| Group {
                reserved: KeptAttr::new(allocation.join(kind).join("bytes_reserved")),
                layouts: Devices::new(allocation.join(kind)),
            }),
            devices: Devices::new(path.join("devices")),
        }
    }

    fn update(&mut self, name: &[u8], mounted: Option<&[Device]>, cx: &mut Scrape, page: &mut Page) {
        let other = self.metadata_uuid.read().ok();
        let uuid = other.as_ref().map(crate::fs::Attr::text).filter(|text| !text.is_empty()).unwrap_or(name);
        if let Some(label) = cx.ok(self.label.read_if_present()).flatten() {
            page.sample(&INFO, &[label.trim_ascii(), uuid], 1.0);
        }
        if let Some(n) = number(&mut self.reserve, cx) {
            page.sample(&RESERVE, &[uuid], n);
        }
        self.commits(uuid, cx, page);
        let n_devices = match self.devices.refresh(|_, _| true, |path, _| KeptAttr::new(path.join("size"))) {
            Ok(devices) => devices.len(),
            Err(e) if is_absent(&e) => 0,
            Err(e) => {
                cx.fault(CollectError::io(self.devices.path(), e));
                0
            }
        };
        for (kind, group) in TYPES.iter().zip(&mut self.groups) {
            group.update(kind.as_bytes(), uuid, n_devices, cx, page);
        }
        if let Some(devices) = mounted {
            return encode_mounted(devices, uuid, page);
        }
        for (device, size) in self.devices.known_mut().iter_mut().take(n_devices) {
            if let Some(sectors) = number(size, cx) {
                page.sample(&DEVICE_SIZE_ALONE, &[device, uuid], sectors * SECTOR_BYTES);
            }
        }
    }

    fn commits(&mut self, uuid: &[u8], cx: &mut Scrape, page: &mut Page) {
        let Some(text) = cx.ok(self.commits.read_if_present()) else { return };
        let Some(text) = text else {
            for (_, desc, _) in &COMMITS {
                page.sample(desc, &[uuid], 0.0);
            }
            return;
        };
        let mut problems = Vec::new();
        for line in commits(text) {
            match line {
                Ok((desc, n)) => page.sample(desc, &[uuid], n),
                Err(bad) => problems.push(bad),
            }
        }
        for bad in problems {
            cx.fault(bad.in_file(self.commits.path()));
        }
    }
}

impl Group {
    fn update(&mut self, kind: &[u8], uuid: &[u8], n_devices: usize, cx: &mut Scrape, page: &mut Page) {
        if let Some(n) = number(&mut self.reserved, cx) {
            page.sample(&RESERVED, &[kind, uuid], n);
        }
        let layout = |path: &Path, _: &[u8]| Layout {
            used: KeptAttr::new(path.join("used_bytes")),
            total: KeptAttr::new(path.join("total_bytes")),
        };
        let layouts = match self.layouts.refresh(|_, kind| kind == EntryKind::Dir, layout) {
            Ok(layouts) => layouts,
            Err(e) if is_absent(&e) => return,
            Err(e) => return cx.fault(CollectError::io(self.layouts.path(), e)),
        };
        for (mode, files) in layouts {
            let values = [kind, mode.as_slice(), uuid];
            if let Some(n) = number(&mut files.used, cx) {
                page.sample(&USED, &values, n);
            }
            if let Some(n) = number(&mut files.total, cx) {
                page.sample(&SIZE, &values, n);
            }
            if let Some(ratio) = ratio(mode, n_devices) {
                page.sample(&RATIO, &values, ratio);
            }
        }
    }
}

fn encode_mounted(devices: &[Device], uuid: &[u8], page: &mut Page) {
    for device in devices {
        let own = uuid_text(&device.uuid);
        let (own, name) = (own.as_bytes(), device.name.as_slice());
        page.sample(&DEVICE_SIZE, &[own, name, uuid], device.bytes as f64);
        page.sample(&DEVICE_UNUSED, &[own, name, uuid], device.bytes.saturating_sub(device.used_bytes) as f64);
        for (kind, n) in ERRORS.iter().zip(device.errors.iter().flatten()) {
            page.sample(&DEVICE_ERRORS, &[own, name, kind.as_bytes(), uuid], *n as f64);
        }
    }
}

/// Bytes that a byte takes on the devices.
fn ratio(mode: &[u8], n_devices: usize) -> Option<f64> {
    let with_parity = |parity: usize| Some(n_devices as f64 / n_devices.checked_sub(parity).filter(|&n| n > 0)? as f64);
    match mode {
        b"single" | b"raid0" => Some(1.0),
        b"dup" | b"raid1" | b"raid10" => Some(2.0),
        b"raid1c3" => Some(3.0),
        b"raid1c4" => Some(4.0),
        b"raid5" => with_parity(1),
        b"raid6" => with_parity(2),
        _ => None,
    }
}

type Line = Result<(&'static Desc<'static>, f64), common::error::BadField>;

fn commits(text: &[u8]) -> impl Iterator<Item = Line> {
    lines(text).filter_map(|(number, line)| {
        let mut words = Words::new(number, line);
        let key = words.next()?;
        let (name, desc, divisor) = COMMITS.iter().find(|(known, ..)| known.as_bytes() == key)?;
        Some(words.u64(name).map(|n| (desc, n as f64 / divisor)))
    })
}

/// The number in a file; nothing when it is not there.
fn number(file: &mut KeptAttr, cx: &mut Scrape) -> Option<f64> {
    match file.read() {
        Ok(text) => cx.ok(text.number(file.path(), "bytes or sectors", parse_u64)).map(|n| n as f64),
        Err(e) if is_absent(&e) => None,
        Err(e) => {
            cx.fault(CollectError::io(file.path(), e));
            None
        }
    }
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser = Parser::new(
    "btrfs commits",
    |bytes| commits(bytes).for_each(eat),
    b"commits 258051\nlast_commit_ms 100\nmax_commit_ms 51462\ntotal_commit_ms 47836090\n",
);

#[cfg(test)]
mod tests;
