//! bcachefs file systems and their devices from `/sys/fs/bcachefs`.
//!
//! * Source: bcachefs fs/bcachefs/sysfs.c; `prt_human_readable_u64` for numbers such as `1.5G`.
//! * Units: bytes, buckets, and events as the file system counts them since it was made.
//! * Absent when: no bcachefs is mounted: no data. Which counters there are depends on its version.
//! * Differs from the Go exporter: a line or a file that is missing or malformed costs its own samples; it is shown as 0 or
//!   blanks all file systems there.

use std::path::Path;

use common::collector::{Collector, Row, Scrape};
use common::error::{CollectError, is_absent};
use common::exposition::{Desc, Page};

use crate::fs::{Attr, Devices, EntryKind, KeptAttr, KeptDir, KeptFile, sys_path};

mod device;
mod texts;

use device::Device;
pub(in crate::collectors) use texts::PARSER;
use texts::{human, name_of_counter};

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::on("bcachefs", "bcachefs file systems, /sys/fs/bcachefs", &[], |args| {
        let file_systems = Devices::new(sys_path(args, "fs/bcachefs"));
        Ok(Box::new(Bcachefs { file_systems, text: Vec::new() }))
    });

const UUID: &[&str] = &["uuid"];

const INFO: Desc = Desc::gauge("node_bcachefs_info", "Always 1; the label names the file system.", UUID);
const CACHE_SIZE: Desc =
    Desc::gauge("node_bcachefs_btree_cache_size_bytes", "Memory that holds nodes of the trees.", UUID);
const COMPRESSED: Desc = Desc::gauge(
    "node_bcachefs_compression_compressed_bytes",
    "Bytes that the data takes, by what it was compressed with.",
    &["algorithm", "uuid"],
);
const UNCOMPRESSED: Desc = Desc::gauge(
    "node_bcachefs_compression_uncompressed_bytes",
    "Bytes of the data before it was compressed.",
    &["algorithm", "uuid"],
);
const ERRORS: Desc = Desc::counter(
    "node_bcachefs_errors_total",
    "Errors in the structures of the file system that were found.",
    &["error_type", "uuid"],
);
const WRITES: Desc =
    Desc::counter("node_bcachefs_btree_writes_total", "Writes of tree nodes, by their reason.", &["type", "uuid"]);
const WRITE_SIZE: Desc = Desc::gauge(
    "node_bcachefs_btree_write_average_size_bytes",
    "Average size of writes of tree nodes, by their reason.",
    &["type", "uuid"],
);
const COUNTER_HELP: &str = "As bcachefs counts since the file system was made.";

struct Bcachefs {
    file_systems: Devices<FileSystem>,
    text: Vec<u8>,
}

struct FileSystem {
    cache_size: KeptAttr,
    compression: KeptFile,
    errors: KeptFile,
    writes: KeptFile,
    counter_dir: KeptDir,
    counters: Vec<Counter>,
    devices: Devices<Device>,
}

/// A file below `counters` and the name of its family.
struct Counter {
    file: KeptAttr,
    family: String,
}

impl Collector for Bcachefs {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let none = "no bcachefs is mounted";
        match self.file_systems.refresh(|_, kind| kind != EntryKind::File, |path, _| FileSystem::new(path)) {
            Ok([]) => return Err(CollectError::no_data(none)),
            Ok(_) => {}
            Err(e) => return Err(CollectError::io(self.file_systems.path(), e).absent_is_no_data(none)),
        }
        for (uuid, files) in self.file_systems.known_mut() {
            files.update(uuid, &mut self.text, cx, page);
        }
        Ok(())
    }
}

impl FileSystem {
    fn new(path: &Path) -> Self {
        Self {
            cache_size: KeptAttr::new(path.join("btree_cache_size")),
            compression: KeptFile::new(path.join("compression_stats")),
            errors: KeptFile::new(path.join("errors")),
            writes: KeptFile::new(path.join("btree_write_stats")),
            counter_dir: KeptDir::new(path.join("counters")),
            counters: Vec::new(),
            devices: Devices::new(path.to_owned()),
        }
    }

    fn update(&mut self, uuid: &[u8], buffer: &mut Vec<u8>, cx: &mut Scrape, page: &mut Page) {
        page.sample(&INFO, &[uuid], 1.0);
        if let Some(n) = number(&mut self.cache_size, cx, human) {
            page.sample(&CACHE_SIZE, &[uuid], n);
        }
        each(&mut self.compression, buffer, cx, texts::compression, |(algorithm, compressed, uncompressed)| {
            page.sample(&COMPRESSED, &[algorithm, uuid], compressed);
            page.sample(&UNCOMPRESSED, &[algorithm, uuid], uncompressed);
        });
        each(&mut self.errors, buffer, cx, texts::errors, |(kind, n)| page.sample(&ERRORS, &[kind, uuid], n));
        each(&mut self.writes, buffer, cx, texts::writes, |(kind, n, bytes)| {
            page.sample(&WRITES, &[kind, uuid], n);
            page.sample(&WRITE_SIZE, &[kind, uuid], bytes);
        });
        self.update_counters(uuid, cx, page);
        let is_device = |name: &[u8], kind| kind != EntryKind::File && name.starts_with(b"dev-");
        match self.devices.refresh(is_device, |path, _| Device::new(path)) {
            Ok(devices) => {
                for (name, device) in devices {
                    let name = name.strip_prefix(b"dev-").unwrap_or(name);
                    device.update([name, uuid], buffer, cx, page);
                }
            }
            Err(e) if is_absent(&e) => {}
            Err(e) => cx.fault(CollectError::io(self.devices.path(), e)),
        }
    }

    fn update_counters(&mut self, uuid: &[u8], cx: &mut Scrape, page: &mut Page) {
        match self.counter_dir.changed() {
            Ok(false) => {}
            Ok(true) => {
                let dir = self.counter_dir.path();
                let files = self.counter_dir.entries().iter().filter(|(_, kind)| *kind != EntryKind::Dir);
                let counter = |(name, _): &(Vec<u8>, EntryKind)| Counter {
                    file: KeptAttr::new(dir.join(device::os(name))),
                    family: name_of_counter(name),
                };
                self.counters = files.map(counter).collect();
            }
            Err(e) => {
                self.counters.clear();
                if !is_absent(&e) {
                    cx.fault(CollectError::io(self.counter_dir.path(), e));
                }
            }
        }
        for Counter { file, family } in &mut self.counters {
            let text = match file.read() {
                Ok(text) => text,
                Err(e) if is_absent(&e) => continue,
                Err(e) => {
                    cx.fault(CollectError::io(file.path(), e));
                    continue;
                }
            };
            match texts::since_creation(text.raw()) {
                Ok(n) => page.sample(&Desc::counter(family, COUNTER_HELP, UUID), &[uuid], n),
                Err(bad) => cx.fault(bad.in_file(file.path())),
            }
        }
    }
}

/// The text of an attribute; nothing when it is not there.
fn text(file: &mut KeptAttr, cx: &mut Scrape) -> Option<Attr> {
    match file.read() {
        Ok(text) => Some(text),
        Err(e) if is_absent(&e) => None,
        Err(e) => {
            cx.fault(CollectError::io(file.path(), e));
            None
        }
    }
}

/// The number in an attribute; nothing when it is not there.
fn number(file: &mut KeptAttr, cx: &mut Scrape, parse: fn(&[u8]) -> Option<f64>) -> Option<f64> {
    let text = text(file, cx)?;
    cx.ok(text.number(file.path(), "bytes or buckets", parse))
}

/// Hands the rows of a file to `encode`, and what is wrong with others of them to the scrape.
fn each<'b, T, I>(
    file: &mut KeptFile,
    buffer: &'b mut Vec<u8>,
    cx: &mut Scrape,
    parse: fn(&'b [u8]) -> I,
    mut encode: impl FnMut(T),
) where
    I: Iterator<Item = Result<T, common::error::BadField>>,
{
    let Some(text) = cx.ok(file.read_into(buffer)).flatten() else { return };
    for row in parse(text) {
        match row {
            Ok(row) => encode(row),
            Err(bad) => cx.fault(bad.in_file(file.path())),
        }
    }
}

#[cfg(test)]
mod tests;
