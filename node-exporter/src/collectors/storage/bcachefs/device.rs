//! One device of a file system: the directory `dev-<number>`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use common::collector::Scrape;
use common::exposition::{Desc, Page};
use common::fields::parse_u64;

use super::texts::{self, human};
use super::{each, number};
use crate::fs::{Attr, KeptAttr, KeptFile};

const LABELS: &[&str] = &["device", "uuid"];

const INFO: Desc = Desc::gauge(
    "node_bcachefs_device_info",
    "Always 1; the labels give the label of the device and the states it may be in, the present one in brackets.",
    &["device", "label", "state", "uuid"],
);
const BUCKET_SIZE: Desc =
    Desc::gauge("node_bcachefs_device_bucket_size_bytes", "Size of a bucket of the device.", LABELS);
const BUCKETS: Desc = Desc::gauge("node_bcachefs_device_buckets", "Buckets of the device.", LABELS);
const DURABILITY: Desc =
    Desc::gauge("node_bcachefs_device_durability", "Copies that a copy on this device counts for.", LABELS);
const IO_DONE: Desc = Desc::counter(
    "node_bcachefs_device_io_done_bytes_total",
    "Bytes read and written, by what they were for.",
    &["data_type", "device", "operation", "uuid"],
);
const IO_ERRORS: Desc = Desc::counter(
    "node_bcachefs_device_io_errors_total",
    "Errors of the device since the file system was made.",
    &["device", "type", "uuid"],
);

pub(super) struct Device {
    label: KeptAttr,
    state: KeptAttr,
    bucket_size: KeptAttr,
    buckets: KeptAttr,
    durability: KeptAttr,
    done: KeptFile,
    errors: KeptFile,
}

impl Device {
    pub(super) fn new(path: &Path) -> Self {
        let attr = |name: &str| KeptAttr::new(path.join(name));
        Self {
            label: attr("label"),
            state: attr("state"),
            bucket_size: attr("bucket_size"),
            buckets: attr("nbuckets"),
            durability: attr("durability"),
            done: KeptFile::new(path.join("io_done")),
            errors: KeptFile::new(path.join("io_errors")),
        }
    }

    pub(super) fn update(
        &mut self,
        values @ [device, uuid]: [&[u8]; 2],
        buffer: &mut Vec<u8>,
        cx: &mut Scrape,
        page: &mut Page,
    ) {
        let [label, state] = [&mut self.label, &mut self.state].map(|file| file.read().ok());
        let [label, state] = [&label, &state].map(|text| text.as_ref().map_or(&b""[..], Attr::text));
        page.sample(&INFO, &[device, label, state, uuid], 1.0);
        let whole = |text: &[u8]| parse_u64(text).map(|n| n as f64);
        for (file, desc, parse) in [
            (&mut self.bucket_size, &BUCKET_SIZE, human as fn(&[u8]) -> Option<f64>),
            (&mut self.buckets, &BUCKETS, whole),
            (&mut self.durability, &DURABILITY, whole),
        ] {
            if let Some(n) = number(file, cx, parse) {
                page.sample(desc, &values, n);
            }
        }
        each(&mut self.done, buffer, cx, texts::io_done, |(operation, data_type, n)| {
            page.sample(&IO_DONE, &[data_type, device, operation, uuid], n);
        });
        each(&mut self.errors, buffer, cx, texts::io_errors, |(kind, n)| {
            page.sample(&IO_ERRORS, &[device, kind, uuid], n);
        });
    }
}

/// A name of a directory entry as part of a path.
pub(super) fn os(name: &[u8]) -> &OsStr {
    OsStr::from_bytes(name)
}
