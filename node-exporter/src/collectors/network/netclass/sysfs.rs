//! The slow way, which always works: every attribute from its file in sysfs.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use common::collector::Scrape;
use common::error::{CollectError, is_denied};
use common::fields::parse_auto;
use common::filter::Filter;

use super::devices::{Devices, set};
use super::{NUMBERS, Number};
use crate::fs::folder::Folder;
use crate::fs::{Attr, EntryKind, KeptDir, is_dir, is_silence};

/// The attributes as files, each opened and read at each scrape, by way of the interface's directory: looking up the
/// whole path, with the link in it, takes longer than opening and reading.
pub(super) struct Files {
    pub(super) dir: KeptDir,
}

impl Files {
    pub(super) fn gather(
        &mut self,
        ignored: &mut Filter,
        devices: &mut Devices,
        cx: &mut Scrape,
    ) -> Result<(), CollectError> {
        let base = self.dir.path().to_owned();
        let entries = self.dir.list().map_err(|e| match is_denied(&e) {
            true => CollectError::no_data("no permission to list network interfaces"),
            false => CollectError::io(&base, e).absent_is_no_data("no network interfaces in sysfs"),
        })?;
        for (name, _) in entries.iter().filter(|(name, kind)| *kind != EntryKind::File && ignored.keeps(name)) {
            let dir = base.join(OsStr::from_bytes(name));
            let folder = match Folder::open(&dir) {
                Ok(folder) => folder,
                // It went away since it was listed, or is no interface.
                Err(e) if is_silence(&e) => continue,
                Err(e) => {
                    cx.fault(CollectError::io(&dir, e));
                    continue;
                }
            };
            let Some(device) = devices.add(name) else { continue };
            let mut any = false;
            for (number, Number { attribute, .. }) in NUMBERS.iter().enumerate() {
                if let Some(text) = read_tolerantly(&folder, &dir, attribute, cx) {
                    any = true;
                    device.put(number, parse_auto(text.text()));
                }
            }
            for (attribute, to) in [
                ("address", &mut device.address),
                ("broadcast", &mut device.broadcast),
                ("duplex", &mut device.duplex),
                ("ifalias", &mut device.alias),
                ("operstate", &mut device.state),
            ] {
                if let Some(text) = read_tolerantly(&folder, &dir, attribute, cx) {
                    any = true;
                    set(to, text.text());
                }
            }
            if !any && !is_dir(&dir) {
                // It went away since it was listed.
                devices.drop_last();
            }
        }
        Ok(())
    }
}

fn read_tolerantly(folder: &Folder, dir: &Path, attribute: &str, cx: &mut Scrape) -> Option<Attr> {
    match folder.read_attr(attribute) {
        Ok(text) => Some(text),
        // A directory of that name is not the attribute.
        Err(e) if is_silence(&e) || e.raw_os_error() == Some(libc::EISDIR) => None,
        Err(e) => {
            cx.fault(CollectError::io(&dir.join(attribute), e));
            None
        }
    }
}
