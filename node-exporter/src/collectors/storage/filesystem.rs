//! Size and use of mounted file systems from `/proc/1/mountinfo` and statfs(2).
//!
//! * Source: kernel Documentation/filesystems/proc.rst, "mountinfo"; `/proc/self` where there is no process 1.
//! * Units: bytes, from blocks of the file system's own size; inodes.
//! * Absent when: the mount does not answer; then `node_filesystem_device_error` says why.
//! * Differs from the Go exporter: a mount that hangs is waited for half a second, once, and not asked again until it
//!   has answered; `--path.rootfs` is cut from a mount point only where a name ends; a malformed line of mountinfo
//!   costs itself alone, and a line may be of any length; of several mounts with equal labels the first is shown. On
//!   request only the first mount of a file system is shown, and mounts that a container does not see are told.

use std::borrow::Cow;
use std::sync::Arc;

use common::collector::{Collector, Row, Scrape};
use common::error::{CollectError, ConfigError};
use common::exposition::{Desc, Page};
use common::flags::{Args, Flag};
use rustix::io::Errno;

use crate::fs::notified::{Notified, Seen};
use crate::fs::{KeptFile, proc_path};

mod errno_text;
mod mounts;
mod statfs;

use errno_text::errno_text;
use mounts::{Mount, Mounts};
use statfs::{Statfs, Targets, Usage, statfs};

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row::on("filesystem", "mounted file systems, statfs", FLAGS, |args| {
    Ok(Box::new(Filesystem::new(args, Arc::new(statfs))?))
});

const ONE_PER_DEVICE: &str = "collector.filesystem.one-per-device";
const MOUNT_CHECK: &str = "collector.filesystem.mount-check";

const FLAGS: &[Flag] = &[
    Flag::text("collector.filesystem.mount-points-include", "", "Mount points to keep, a regular expression."),
    Flag::text(
        "collector.filesystem.mount-points-exclude",
        "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)",
        "Mount points to leave out, a regular expression.",
    ),
    Flag::alias("collector.filesystem.ignored-mount-points", "collector.filesystem.mount-points-exclude"),
    Flag::text("collector.filesystem.fs-types-include", "", "Types of file systems to keep, a regular expression."),
    Flag::text(
        "collector.filesystem.fs-types-exclude",
        "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|\
         overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs)$",
        "Types of file systems to leave out, a regular expression.",
    ),
    Flag::alias("collector.filesystem.ignored-fs-types", "collector.filesystem.fs-types-exclude"),
    Flag::switch(
        ONE_PER_DEVICE,
        false,
        "Of several mounts of one file system only the first, in the order of mountinfo.",
    ),
    Flag::switch(
        MOUNT_CHECK,
        false,
        "Tells for each mount whether its path leads to it here, or to another file system.",
    ),
    Flag::duration(
        "collector.filesystem.mount-timeout",
        "5s",
        "How long to wait for a mount that hangs, at most half a second.",
    )
    .hidden(),
    Flag::integer(
        "collector.filesystem.stat-workers",
        "4",
        "Mounts asked at the same time; more than one only when some are slow.",
    )
    .hidden(),
];

const LABELS: &[&str] = &["device", "device_error", "fstype", "mountpoint"];

const DEVICE_ERROR: Desc =
    Desc::gauge("node_filesystem_device_error", "Whether the file system could not be asked.", LABELS);
const READONLY: Desc = Desc::gauge("node_filesystem_readonly", "Whether nothing can be written.", LABELS);
const MOUNT_INFO: Desc = Desc::gauge(
    "node_filesystem_mount_info",
    "Device numbers of the mount; always 1.",
    &["device", "major", "minor", "mountpoint"],
);

const MOUNT_MISMATCH: Desc = Desc::gauge(
    "node_filesystem_mount_mismatch",
    "1 if the numbers of the mount are those of another file system, which its path leads to here; else 0.",
    &["device", "fstype", "mountpoint"],
);

/// A family and the field of the answer it shows.
type Field = (Desc<'static>, fn(&Usage) -> f64);

const FIELDS: [Field; 6] = [
    (Desc::gauge("node_filesystem_avail_bytes", "Bytes free for users without privileges.", LABELS), |u| u.avail_bytes),
    (Desc::gauge("node_filesystem_files", "Inodes the file system can hold.", LABELS), |u| u.files),
    (Desc::gauge("node_filesystem_files_free", "Inodes that are free.", LABELS), |u| u.files_free),
    (Desc::gauge("node_filesystem_free_bytes", "Bytes free.", LABELS), |u| u.free_bytes),
    (Desc::gauge("node_filesystem_purgeable_bytes", "Bytes that could be freed; 0 on Linux.", LABELS), |_| 0.0),
    (Desc::gauge("node_filesystem_size_bytes", "Bytes the file system can hold.", LABELS), |u| u.size_bytes),
];

const TIMEOUT: &str = "mountpoint timeout";

struct Filesystem {
    first: Notified,
    fallback: KeptFile,
    /// Whether the mounts are of the second.
    fell_back: bool,
    mounts: Mounts,
    targets: Targets,
    /// Whether a file system said last that it is read-only or not, other than the table of mounts.
    doubted: bool,
}

impl Collector for Filesystem {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let fresh = self.follow(self.doubted)?;
        self.targets.ask(cx.deadline);
        self.doubted = self.disagrees();
        if self.doubted && !fresh {
            self.follow(true)?;
            self.targets.ask(cx.deadline);
        }
        for bad in &self.mounts.faults {
            cx.fault(bad.clone().in_file(if self.fell_back { self.fallback.path() } else { self.first.path() }));
        }
        self.encode(page);
        Ok(())
    }
}

impl Filesystem {
    /// Follows the table of mounts; gives whether it was read for that.
    fn follow(&mut self, doubted: bool) -> Result<bool, CollectError> {
        let seen = self.first.look(doubted)?;
        self.fell_back = seen == Seen::Absent;
        match seen {
            Seen::Same => return Ok(false),
            Seen::Text(table) => self.mounts.follow(table, &mut self.targets),
            Seen::Absent => self.mounts.follow(self.fallback.read()?, &mut self.targets),
        }
        Ok(true)
    }

    /// Whether a file system is read-only where the table of mounts says otherwise, or the other way round.
    fn disagrees(&self) -> bool {
        self.mounts.shown.iter().any(|mount| {
            self.targets
                .answer(mount.target)
                .is_some_and(|answer| answer.is_ok_and(|usage| usage.read_only != mount.read_only))
        })
    }

    fn new(args: &Args, statfs: Arc<Statfs>) -> Result<Self, ConfigError> {
        let wait = args.duration("collector.filesystem.mount-timeout");
        let workers = usize::try_from(args.integer("collector.filesystem.stat-workers")).unwrap_or(1);
        Ok(Self {
            first: Notified::new(proc_path(args, "1/mountinfo")),
            fallback: KeptFile::of_proc(args, "self/mountinfo"),
            mounts: Mounts::new(args)?,
            targets: Targets::new(wait, workers, statfs),
            doubted: false,
            fell_back: false,
        })
    }

    fn encode(&self, page: &mut Page) {
        let all = || self.mounts.shown.iter().map(|mount| (mount, self.targets.answer(mount.target)));
        let error = |answer: Option<Result<Usage, Errno>>| match answer {
            None => Cow::Borrowed(TIMEOUT),
            Some(Ok(_)) => Cow::Borrowed(""),
            Some(Err(errno)) => errno_text(errno),
        };
        for (mount, answer) in all() {
            let failed = !matches!(answer, Some(Ok(_)));
            sample(page, &DEVICE_ERROR, mount, &error(answer), if failed { 1.0 } else { 0.0 });
        }
        for (mount, answer) in all() {
            sample(page, &READONLY, mount, &error(answer), if mount.read_only { 1.0 } else { 0.0 });
        }
        for (family, field) in &FIELDS {
            for (mount, answer) in all() {
                if let Some(Ok(usage)) = answer {
                    sample(page, family, mount, "", field(&usage));
                }
            }
        }
        for mount in &self.mounts.shown {
            if let Some(mismatch) = mount.mismatch {
                let labels = [&mount.device, &mount.fs_type, &mount.point];
                page.sample(&MOUNT_MISMATCH, &labels, f64::from(u8::from(mismatch)));
            }
        }
        for (info, target) in &self.mounts.infos {
            if matches!(self.targets.answer(*target), Some(Ok(_))) {
                page.sample(&MOUNT_INFO, info, 1.0);
            }
        }
    }
}

fn sample(page: &mut Page, family: &Desc<'_>, mount: &Mount, error: &str, value: f64) {
    page.sample(family, &[mount.device.as_slice(), error.as_bytes(), &mount.fs_type, &mount.point], value);
}

#[cfg(test)]
mod tests;
