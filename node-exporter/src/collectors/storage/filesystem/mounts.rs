//! Which mounts are shown, under which labels, and the paths at which they are asked: the table of mounts, filtered, made
//! anew when it has changed.

use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use common::error::{BadField, ConfigError};
use common::filter::Filter;
use common::flags::Args;

use super::statfs::Targets;
use super::{MOUNT_CHECK, ONE_PER_DEVICE};
use crate::fs::KeptFile;
use crate::kernel::mountinfo::{self, Tree};

/// The mounts that are wanted.
pub(super) struct Mounts {
    mount_points: Filter,
    fs_types: Filter,
    /// Without a slash at its end; empty for `/`.
    rootfs: Vec<u8>,
    /// Only the first mount of a device is wanted.
    one_per_device: bool,
    /// The table of mounts of this process, if it is wanted to check where paths lead here.
    pub(super) own: Option<KeptFile>,
    /// The table of mounts that everything below was made from.
    table: Vec<u8>,
    pub(super) faults: Vec<BadField>,
    /// What is shown, in the order of the labels.
    pub(super) shown: Vec<Mount>,
    /// Labels of [`MOUNT_INFO`](super::MOUNT_INFO) in their order, each with the position of its target.
    pub(super) infos: Vec<(Info, usize)>,
}

/// A mount as it is shown.
pub(super) struct Mount {
    pub(super) device: Vec<u8>,
    pub(super) fs_type: Vec<u8>,
    pub(super) point: Vec<u8>,
    pub(super) read_only: bool,
    /// Whether its path leads to another device here; `None` if nobody wants to know.
    pub(super) mismatch: Option<bool>,
    /// Position in [`Targets`].
    pub(super) target: usize,
}

impl Mount {
    fn labels(&self) -> [&[u8]; 3] {
        [&self.device, &self.fs_type, &self.point]
    }
}

/// The labels of [`MOUNT_INFO`](super::MOUNT_INFO).
pub(super) type Info = [Vec<u8>; 4];

impl Mounts {
    pub(super) fn new(args: &Args) -> Result<Self, ConfigError> {
        let rootfs = Path::new(args.text("path.rootfs")).as_os_str().as_bytes();
        let kept = rootfs.iter().rposition(|&b| b != b'/').map_or(0, |at| at + 1);
        Ok(Self {
            mount_points: Filter::exclusive(
                args,
                "collector.filesystem.mount-points-include",
                "collector.filesystem.mount-points-exclude",
            )?,
            fs_types: Filter::exclusive(
                args,
                "collector.filesystem.fs-types-include",
                "collector.filesystem.fs-types-exclude",
            )?,
            one_per_device: args.on(ONE_PER_DEVICE),
            own: args.on(MOUNT_CHECK).then(|| KeptFile::new("/proc/self/mountinfo".into())),
            rootfs: rootfs.get(..kept).unwrap_or_default().to_vec(),
            table: Vec::new(),
            faults: Vec::new(),
            shown: Vec::new(),
            infos: Vec::new(),
        })
    }

    /// Makes all anew if the table is not the one of the last scrape.
    pub(super) fn follow(&mut self, table: &[u8], targets: &mut Targets) {
        if self.table == table {
            return;
        }
        self.table.clear();
        self.table.extend_from_slice(table);
        self.faults.clear();
        self.shown.clear();
        self.infos.clear();
        let own = self.own.as_mut().and_then(|own| own.read().ok()).map(Tree::new);
        let (one_per_device, mut seen_devices) = (self.one_per_device, HashSet::new());
        let mut paths: Vec<(bool, Arc<CStr>)> = Vec::new();
        let mut positions: HashMap<Arc<CStr>, usize> = HashMap::new();
        for mount in mountinfo::parse(table) {
            let mount = match mount {
                Ok(mount) => mount,
                Err(bad) => {
                    self.faults.push(bad);
                    continue;
                }
            };
            let stripped = mountinfo::strip(mount.point, &self.rootfs);
            let point = mountinfo::unescape(stripped, |byte| matches!(byte, b' ' | b'\t'));
            if !self.mount_points.keeps(&point) || !self.fs_types.keeps(mount.fs_type) {
                continue;
            }
            if one_per_device && !seen_devices.insert((mount.major, mount.minor)) {
                continue;
            }
            let path = [&self.rootfs, &*mountinfo::unescape(stripped, |_| true)].concat();
            let Ok(path) = CString::new(path).map(Arc::<CStr>::from) else { continue };
            let leads_to = own.as_ref().and_then(|own| own.device_of(path.to_bytes()));
            let mismatch = leads_to.map(|device| device != (mount.major, mount.minor));
            let target = *positions.entry(Arc::clone(&path)).or_insert_with(|| {
                paths.push((is_remote(mount.fs_type), path));
                paths.len() - 1
            });
            self.infos.push(([mount.source, mount.major, mount.minor, &point].map(<[u8]>::to_vec), target));
            self.shown.push(Mount {
                device: mount.source.to_vec(),
                fs_type: mount.fs_type.to_vec(),
                point: point.into_owned(),
                read_only: mount.is_read_only(),
                mismatch,
                target,
            });
        }
        let places = targets.replace(&paths);
        let targets = self.shown.iter_mut().map(|mount| &mut mount.target);
        for target in targets.chain(self.infos.iter_mut().map(|(_, target)| target)) {
            *target = places.get(*target).copied().unwrap_or_default();
        }
        // The labels must not appear twice; of several mounts that share them the first is shown, as the sorting keeps
        // the order of what is equal.
        self.shown.sort_by(|a, b| a.labels().cmp(&b.labels()));
        self.shown.dedup_by(|next, first| next.labels() == first.labels());
        self.infos.sort_by(|(a, _), (b, _)| a.cmp(b));
        self.infos.dedup_by(|(next, _), (first, _)| next == first);
    }
}

/// Whether an answer may have to come over a network or from another process.
fn is_remote(fs_type: &[u8]) -> bool {
    const REMOTE: [&[u8]; 14] = [
        b"nfs",
        b"nfs4",
        b"cifs",
        b"smb3",
        b"smbfs",
        b"ceph",
        b"glusterfs",
        b"lustre",
        b"9p",
        b"afs",
        b"gfs2",
        b"ocfs2",
        b"beegfs",
        b"gpfs",
    ];
    fs_type.starts_with(b"fuse") || REMOTE.contains(&fs_type)
}
