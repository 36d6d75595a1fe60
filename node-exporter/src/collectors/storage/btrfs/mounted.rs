//! What the mounted file systems tell about their devices.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use common::flags::Args;

use crate::fs::{KeptFile, open_dir};
use crate::kernel::btrfs::{self, Device, Uuid, uuid_text};
use crate::kernel::mountinfo;

/// The table of mounts, and the file systems that answered in this scrape.
pub(super) struct Mounted {
    tables: [KeptFile; 2],
    /// Without a slash at its end; empty for `/`.
    rootfs: Vec<u8>,
    answers: Vec<(Uuid, Vec<Device>)>,
}

impl Mounted {
    pub(super) fn new(args: &Args) -> Self {
        let rootfs = Path::new(args.text("path.rootfs")).as_os_str().as_bytes();
        let kept = rootfs.iter().rposition(|&b| b != b'/').map_or(0, |at| at + 1);
        Self {
            tables: [KeptFile::of_proc(args, "1/mountinfo"), KeptFile::of_proc(args, "self/mountinfo")],
            rootfs: rootfs.get(..kept).unwrap_or_default().to_vec(),
            answers: Vec::new(),
        }
    }

    /// Asks each file system once. What cannot be opened or does not answer is left out: it takes privileges.
    pub(super) fn ask(&mut self) {
        self.answers.clear();
        let Some(table) = self.tables.iter_mut().find_map(|table| table.read().ok()) else { return };
        let mut asked = HashSet::new();
        for mount in mountinfo::parse(table).flatten().filter(|mount| mount.fs_type == b"btrfs") {
            if asked.contains(mount.source) {
                continue;
            }
            let stripped = mountinfo::strip(mount.point, &self.rootfs);
            let path = [&self.rootfs, &*mountinfo::unescape(stripped, |_| true)].concat();
            // Opened anew each time, because an open directory would keep the file system from being unmounted.
            let Ok(dir) = open_dir(Path::new(OsStr::from_bytes(&path))) else { continue };
            let Ok(id) = btrfs::identity(&dir) else { continue };
            asked.insert(mount.source);
            if self.answers.iter().any(|(known, _)| *known == id) {
                continue;
            }
            if let Ok(devices) = btrfs::devices(&dir) {
                self.answers.push((id, devices));
            }
        }
    }

    /// The devices of the file system whose directory in sysfs is called `name`, if it answered.
    pub(super) fn devices_of(&self, name: &[u8]) -> Option<&[Device]> {
        let (_, devices) = self.answers.iter().find(|(id, _)| uuid_text(id).as_bytes().eq_ignore_ascii_case(name))?;
        Some(devices)
    }
}
