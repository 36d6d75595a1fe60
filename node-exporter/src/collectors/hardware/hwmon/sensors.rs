//! The sensors of one chip, from the files of the chip and of its device, and the reading of them: the job that a slow bus
//! may hold up.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use common::crew::Job;
use common::error::{CollectError, is_absent};
use common::filter::Filter;

use super::Entry;
use super::families::Family;
use super::file_names::{Found, split_name};
use crate::fs::folder::Way;
use crate::fs::{Attr, EntryKind, KeptAttr, KeptDir};

/// A chip and what was read from it: the job that may take long.
pub(super) struct Chip {
    pub(super) id: u64,
    pub(super) label: Vec<u8>,
    own: KeptDir,
    device: KeptDir,
    filter: Arc<Mutex<Filter>>,
    /// By label, in the order of the bytes.
    pub(super) sensors: Vec<Sensor>,
    pub(super) problem: Option<CollectError>,
    pub(super) fresh: bool,
}

pub(super) struct Sensor {
    /// The label `sensor`: type and number.
    pub(super) label: Vec<u8>,
    /// The attribute `label`.
    pub(super) text: Option<Reading>,
    /// The attribute without a property comes first.
    pub(super) attributes: Vec<Attribute>,
}

pub(super) struct Attribute {
    pub(super) reading: Reading,
    pub(super) family: Family,
}

/// A value and the files it may come from. The device's file goes before the chip's own of the same meaning.
pub(super) struct Reading {
    files: Vec<KeptAttr>,
    pub(super) now: Option<Attr>,
}

impl Job for Chip {
    fn run(&mut self) {
        self.problem = None;
        let own = list(&mut self.own, &mut self.problem);
        // Not every chip belongs to a device.
        let device = list(&mut self.device, &mut self.problem);
        if own || device {
            self.match_names();
        }
        let mut way = Way::default();
        for sensor in &mut self.sensors {
            if let Some(text) = &mut sensor.text {
                text.read(&mut way);
            }
            for attribute in &mut sensor.attributes {
                attribute.reading.read(&mut way);
            }
        }
    }

    fn panicked(&mut self, message: String) {
        self.sensors.clear();
        self.problem = Some(CollectError::panicked(self.own.path().to_string_lossy(), &message));
    }
}

impl Chip {
    pub(super) fn new(filter: &Arc<Mutex<Filter>>, entry: &Entry, label: &[u8]) -> Self {
        Self {
            id: entry.id,
            label: label.to_vec(),
            own: KeptDir::new(entry.dir.clone()),
            device: KeptDir::new(entry.dir.join("device")),
            filter: Arc::clone(filter),
            sensors: Vec::new(),
            problem: None,
            fresh: false,
        }
    }

    /// Makes the sensors from the names in both directories.
    fn match_names(&mut self) {
        let mut found: Vec<(Found<'_>, PathBuf)> = Vec::new();
        for dir in [&self.device, &self.own] {
            // Of two names that mean the same, as `temp1_max` and `temp01_max`, the one further down the list wins.
            for (name, kind) in dir.entries().iter().rev() {
                if *kind != EntryKind::Dir
                    && let Some(attribute) = split_name(name)
                {
                    found.push((attribute, dir.path().join(OsStr::from_bytes(name))));
                }
            }
        }
        // Stable, so that the files of one attribute stay in the order of their precedence.
        found.sort_by(|(a, _), (b, _)| (a.sensor.as_bytes(), a.property).cmp(&(b.sensor.as_bytes(), b.property)));
        let mut filter = self.filter.lock().unwrap_or_else(PoisonError::into_inner);
        self.sensors.clear();
        for sensor in found.chunk_by(|(a, _), (b, _)| a.sensor == b.sensor) {
            let Some((first, _)) = sensor.first() else { continue };
            if filter.keeps(&[self.label.as_slice(), b";", first.sensor.as_bytes()].concat()) {
                self.sensors.extend(Sensor::new(sensor));
            }
        }
    }
}

/// Whether the directory holds other names than before. One that is gone holds none, and that is no problem.
fn list(dir: &mut KeptDir, problem: &mut Option<CollectError>) -> bool {
    let had = !dir.entries().is_empty();
    dir.changed().unwrap_or_else(|e| {
        if !is_absent(&e) {
            *problem = Some(CollectError::io(dir.path(), e));
        }
        had
    })
}

impl Sensor {
    fn new(found: &[(Found<'_>, PathBuf)]) -> Option<Self> {
        let (first, _) = found.first()?;
        let mut sensor = Self { label: first.sensor.as_bytes().to_vec(), text: None, attributes: Vec::new() };
        for files in found.chunk_by(|(a, _), (b, _)| a.property == b.property) {
            let Some((attribute, _)) = files.first() else { continue };
            let files = files.iter().map(|(_, path)| KeptAttr::new(path.clone())).collect();
            let reading = Reading { files, now: None };
            if attribute.property == b"label" {
                sensor.text = Some(reading);
            } else if let Some(family) = Family::new(first.kind, attribute.property) {
                sensor.attributes.push(Attribute { reading, family });
            }
        }
        (sensor.text.is_some() || !sensor.attributes.is_empty()).then_some(sensor)
    }
}

impl Reading {
    fn read(&mut self, way: &mut Way) {
        self.now = self.files.iter_mut().find_map(|file| settle(file.read_by(way)));
    }
}

/// A sensor that is asleep, unplugged, powered down or behind a bus in trouble has nothing to say; the kernel has many
/// words for it, and drivers choose them freely. None of them is a reason to alarm, and none makes a 0.
fn settle(read: io::Result<Attr>) -> Option<Attr> {
    read.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_sensor_answers_instead_of_a_value_is_silence() {
        for errno in [libc::EAGAIN, libc::EIO, libc::ENODATA, libc::ETIMEDOUT, libc::EPERM, libc::ENODEV, libc::EISDIR]
        {
            assert!(settle(Err(io::Error::from_raw_os_error(errno))).is_none(), "{errno}");
        }
    }
}
