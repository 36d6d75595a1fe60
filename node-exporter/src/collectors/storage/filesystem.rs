//! Size and use of mounted file systems from `/proc/1/mountinfo` and statfs(2).
//!
//! * Source: kernel Documentation/filesystems/proc.rst, "mountinfo"; `/proc/self` where there is no process 1.
//! * Units: bytes, from blocks of the file system's own size; inodes.
//! * Absent when: the mount does not answer; then `node_filesystem_device_error` says why.
//! * Differs from the Go exporter: a mount that hangs is waited for half a second, once, and not asked again until it
//!   has answered; `--path.rootfs` is cut from a mount point only where a name ends; a malformed line of mountinfo
//!   costs itself alone, and a line may be of any length; of several mounts with equal labels the first is shown.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::collector::{Collector, Row, Scrape};
use common::crew::{Crew, Job};
use common::error::{BadField, CollectError, ConfigError};
use common::exposition::{Desc, Page};
use common::filter::Filter;
use common::flags::{Args, Flag};
use rustix::io::Errno;

use crate::fs::KeptFile;
use crate::kernel::mountinfo;

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row::on("filesystem", "mounted file systems, statfs", FLAGS, |args| {
    Ok(Box::new(Filesystem::new(args, Arc::new(statfs))?))
});

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

/// The longest that one scrape waits for mounts that do not answer.
const MOST_WAIT: Duration = Duration::from_millis(500);
/// What a mount gets that was too late the last time.
const SECOND_CHANCE: Duration = Duration::from_millis(50);
/// Left of the scrape's time for everything that comes after the waiting.
const MARGIN: Duration = Duration::from_millis(250);
/// How long one call may take before another thread goes on with the rest; a healthy one takes microseconds.
const PATIENCE: Duration = Duration::from_millis(10);
/// Threads that may be stuck at the same time; a mount beyond these is reported without being asked.
const MOST_STUCK: usize = 64;

const TIMEOUT: &str = "mountpoint timeout";

struct Filesystem {
    first: KeptFile,
    fallback: KeptFile,
    survey: Survey,
}

/// The mounts that are wanted, and how they are asked.
struct Survey {
    mount_points: Filter,
    fs_types: Filter,
    /// Without a slash at its end; empty for `/`.
    rootfs: Vec<u8>,
    wait: Duration,
    statfs: Arc<Statfs>,
    /// The table of mounts that everything below was made from.
    table: Vec<u8>,
    faults: Vec<BadField>,
    /// What is shown, in the order of the labels.
    mounts: Vec<Mount>,
    /// Labels of `MOUNT_INFO` in their order, each with its position in `targets`.
    infos: Vec<(Info, usize)>,
    targets: Vec<Target>,
    next_id: u64,
    crew: Crew<Call>,
}

/// A mount as it is shown.
struct Mount {
    device: Vec<u8>,
    fs_type: Vec<u8>,
    point: Vec<u8>,
    read_only: bool,
    /// Position in `targets`.
    target: usize,
}

/// The labels of [`MOUNT_INFO`].
type Info = [Vec<u8>; 4];

/// A path that is asked. Several mounts may lie on top of each other; one answer is that of all.
struct Target {
    id: u64,
    path: CString,
    /// `None` while a call is out.
    call: Option<Call>,
    /// What came of this scrape's call; `None` if it is late.
    answer: Option<Result<Usage, Errno>>,
    /// Whether the last call was late.
    late: bool,
}

/// What a file system says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Usage {
    size_bytes: f64,
    free_bytes: f64,
    avail_bytes: f64,
    files: f64,
    files_free: f64,
}

type Statfs = dyn Fn(&CStr) -> Result<Usage, Errno> + Send + Sync;

fn statfs(path: &CStr) -> Result<Usage, Errno> {
    let fs = rustix::fs::statfs(path)?;
    // Each factor becomes a double before they are multiplied.
    let bytes = |blocks| blocks as f64 * fs.f_bsize as f64;
    Ok(Usage {
        size_bytes: bytes(fs.f_blocks),
        free_bytes: bytes(fs.f_bfree),
        avail_bytes: bytes(fs.f_bavail),
        files: fs.f_files as f64,
        files_free: fs.f_ffree as f64,
    })
}

/// One call of statfs, on the way to its thread and back.
struct Call {
    id: u64,
    /// Where the target most likely stands in `targets`.
    at: usize,
    path: CString,
    statfs: Arc<Statfs>,
    answer: Result<Usage, Errno>,
}

impl Job for Call {
    fn run(&mut self) {
        self.answer = (self.statfs)(&self.path);
    }

    fn panicked(&mut self, message: String) {
        tracing::error!("statfs of {:?} panicked: {message}", self.path);
        self.answer = Err(Errno::IO);
    }
}

impl Filesystem {
    fn new(args: &Args, statfs: Arc<Statfs>) -> Result<Self, ConfigError> {
        Ok(Self {
            first: KeptFile::of_proc(args, "1/mountinfo"),
            fallback: KeptFile::of_proc(args, "self/mountinfo"),
            survey: Survey::new(args, statfs)?,
        })
    }
}

impl Survey {
    fn new(args: &Args, statfs: Arc<Statfs>) -> Result<Self, ConfigError> {
        let rootfs = Path::new(args.text("path.rootfs")).as_os_str().as_bytes();
        let kept = rootfs.iter().rposition(|&b| b != b'/').map_or(0, |at| at + 1);
        let workers = usize::try_from(args.integer("collector.filesystem.stat-workers")).unwrap_or(1);
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
            rootfs: rootfs.get(..kept).unwrap_or_default().to_vec(),
            wait: args.duration("collector.filesystem.mount-timeout").min(MOST_WAIT),
            statfs,
            table: Vec::new(),
            faults: Vec::new(),
            mounts: Vec::new(),
            infos: Vec::new(),
            targets: Vec::new(),
            next_id: 0,
            crew: Crew::new("statfs", PATIENCE, MOST_STUCK.max(workers)),
        })
    }

    /// Makes all anew if the table is not the one of the last scrape.
    fn follow(&mut self, table: &[u8]) {
        if self.table == table {
            return;
        }
        self.table.clear();
        self.table.extend_from_slice(table);
        self.faults.clear();
        self.mounts.clear();
        self.infos.clear();
        let mut old: HashMap<CString, Target> =
            self.targets.drain(..).map(|target| (target.path.clone(), target)).collect();
        let mut paths: Vec<(bool, CString)> = Vec::new();
        let mut positions: HashMap<CString, usize> = HashMap::new();
        let (mut seen, mut seen_infos) = (HashSet::new(), HashSet::new());
        for mount in mountinfo::parse(table) {
            let mount = match mount {
                Ok(mount) => mount,
                Err(bad) => {
                    self.faults.push(bad);
                    continue;
                }
            };
            let stripped = strip(mount.point, &self.rootfs);
            let point = mountinfo::unescape(stripped, |byte| matches!(byte, b' ' | b'\t'));
            if !self.mount_points.keeps(&point) || !self.fs_types.keeps(mount.fs_type) {
                continue;
            }
            let path = [&self.rootfs, &*mountinfo::unescape(stripped, |_| true)].concat();
            let Ok(path) = CString::new(path) else { continue };
            let target = *positions.entry(path.clone()).or_insert_with(|| {
                paths.push((is_remote(mount.fs_type), path));
                paths.len() - 1
            });
            let info = [mount.source, mount.major, mount.minor, &point].map(<[u8]>::to_vec);
            if seen_infos.insert(info.clone()) {
                self.infos.push((info, target));
            }
            // The labels must not appear twice; of several mounts that share them the first is shown.
            if !seen.insert((mount.source, mount.fs_type, point.to_vec())) {
                continue;
            }
            self.mounts.push(Mount {
                device: mount.source.to_vec(),
                fs_type: mount.fs_type.to_vec(),
                point: point.into_owned(),
                read_only: mount.is_read_only(),
                target,
            });
        }
        // What may hang is asked last, so that it cannot keep the others waiting.
        let mut order: Vec<usize> = (0..paths.len()).collect();
        order.sort_by_key(|&at| paths.get(at).is_some_and(|(remote, _)| *remote));
        let mut places = vec![0; paths.len()];
        for (place, &at) in order.iter().enumerate() {
            if let Some(slot) = places.get_mut(at) {
                *slot = place;
            }
            let Some((_, path)) = paths.get(at) else { continue };
            let target = old.remove(path).unwrap_or_else(|| {
                self.next_id += 1;
                Target::new(self.next_id, path.clone(), &self.statfs)
            });
            self.targets.push(target);
        }
        // Calls that are out still need a home to come back to, and must not be made a second time.
        self.targets.extend(old.into_values().filter(|target| target.call.is_none()));
        let targets = self.mounts.iter_mut().map(|mount| &mut mount.target);
        for target in targets.chain(self.infos.iter_mut().map(|(_, target)| target)) {
            *target = places.get(*target).copied().unwrap_or_default();
        }
        self.mounts.sort_by(|a, b| (&a.device, &a.fs_type, &a.point).cmp(&(&b.device, &b.fs_type, &b.point)));
        self.infos.sort();
    }

    /// Asks all targets but those whose last call is still out.
    fn ask(&mut self, deadline: Instant) {
        let now = Instant::now();
        for target in &mut self.targets {
            target.answer = None;
        }
        // Nothing to do: this only fetches what has come back since the last scrape.
        let back = self.crew.run([], now);
        for call in back.returned {
            put_back(&mut self.targets, call);
        }
        let until = (now + self.wait).min(deadline.checked_sub(MARGIN).unwrap_or(now)).max(now);
        let mut room = MOST_STUCK.saturating_sub(self.targets.iter().filter(|target| target.call.is_none()).count());
        for late in [false, true] {
            if late && !self.targets.iter().any(|target| target.late && target.call.is_some()) {
                break;
            }
            let until = if late { until.min(Instant::now() + SECOND_CHANCE) } else { until };
            let jobs = self.targets.iter_mut().enumerate().filter(|(_, target)| target.late == late);
            let jobs = jobs.filter_map(|(at, target)| {
                if room == 0 {
                    return None;
                }
                let mut call = target.call.take()?;
                call.at = at;
                Some(call)
            });
            let round = self.crew.run(jobs, until);
            for call in round.done {
                let answer = call.answer;
                if let Some(target) = put_back(&mut self.targets, call) {
                    target.answer = Some(answer);
                    target.late = false;
                }
            }
            for call in round.returned.into_iter().chain(round.skipped) {
                put_back(&mut self.targets, call);
            }
            let out = self.targets.iter().filter(|target| target.call.is_none()).count();
            room = MOST_STUCK.saturating_sub(out);
        }
        for target in &mut self.targets {
            target.late |= target.call.is_none();
        }
    }

    fn encode(&self, page: &mut Page) {
        let all = || self.mounts.iter().map(|mount| (mount, self.targets.get(mount.target).and_then(|t| t.answer)));
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
        for (info, target) in &self.infos {
            if self.targets.get(*target).is_some_and(|target| matches!(target.answer, Some(Ok(_)))) {
                page.sample(&MOUNT_INFO, info, 1.0);
            }
        }
    }
}

impl Collector for Filesystem {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let file = match self.first.read_if_present()? {
            Some(table) => {
                self.survey.follow(table);
                &self.first
            }
            None => {
                self.survey.follow(self.fallback.read()?);
                &self.fallback
            }
        };
        for bad in &self.survey.faults {
            cx.fault(bad.clone().in_file(file.path()));
        }
        self.survey.ask(cx.deadline);
        self.survey.encode(page);
        Ok(())
    }
}

impl Target {
    fn new(id: u64, path: CString, statfs: &Arc<Statfs>) -> Self {
        let call = Call { id, at: 0, path: path.clone(), statfs: Arc::clone(statfs), answer: Err(Errno::IO) };
        Self { id, path, call: Some(call), answer: None, late: false }
    }
}

/// Brings a call home; gives its target, or drops the call if the mount is gone.
fn put_back(targets: &mut [Target], call: Call) -> Option<&mut Target> {
    let at = match targets.get(call.at) {
        Some(target) if target.id == call.id => call.at,
        _ => targets.iter().position(|target| target.id == call.id)?,
    };
    let target = targets.get_mut(at)?;
    target.call = Some(call);
    Some(target)
}

fn sample(page: &mut Page, family: &Desc<'_>, mount: &Mount, error: &str, value: f64) {
    page.sample(family, &[mount.device.as_slice(), error.as_bytes(), &mount.fs_type, &mount.point], value);
}

/// Cuts the root of the host from the start of a path, where a name ends: `/host` cuts `/host/a` but not `/hostile`.
fn strip<'p>(path: &'p [u8], rootfs: &[u8]) -> &'p [u8] {
    match path.strip_prefix(rootfs) {
        Some(b"") => b"/",
        Some(rest) if rest.starts_with(b"/") => rest,
        _ => path,
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

/// What the Go exporter calls an error; others follow the C library, which differs in the first letter.
fn errno_text(errno: Errno) -> Cow<'static, str> {
    let text = match errno {
        Errno::PERM => "operation not permitted",
        Errno::NOENT => "no such file or directory",
        Errno::INTR => "interrupted system call",
        Errno::IO => "input/output error",
        Errno::NXIO => "no such device or address",
        Errno::AGAIN => "resource temporarily unavailable",
        Errno::NOMEM => "cannot allocate memory",
        Errno::ACCESS => "permission denied",
        Errno::FAULT => "bad address",
        Errno::BUSY => "device or resource busy",
        Errno::NODEV => "no such device",
        Errno::NOTDIR => "not a directory",
        Errno::INVAL => "invalid argument",
        Errno::NFILE => "too many open files in system",
        Errno::NAMETOOLONG => "file name too long",
        Errno::NOSYS => "function not implemented",
        Errno::LOOP => "too many levels of symbolic links",
        Errno::NOLINK => "link has been severed",
        Errno::PROTO => "protocol error",
        Errno::OVERFLOW => "value too large for defined data type",
        Errno::OPNOTSUPP => "operation not supported",
        Errno::NETDOWN => "network is down",
        Errno::NETUNREACH => "network is unreachable",
        Errno::CONNABORTED => "software caused connection abort",
        Errno::CONNRESET => "connection reset by peer",
        Errno::NOTCONN => "transport endpoint is not connected",
        Errno::SHUTDOWN => "cannot send after transport endpoint shutdown",
        Errno::TIMEDOUT => "connection timed out",
        Errno::CONNREFUSED => "connection refused",
        Errno::HOSTDOWN => "host is down",
        Errno::HOSTUNREACH => "no route to host",
        Errno::STALE => "stale file handle",
        Errno::UCLEAN => "structure needs cleaning",
        Errno::REMOTEIO => "remote I/O error",
        Errno::NOKEY => "required key not available",
        Errno::KEYEXPIRED => "key has expired",
        Errno::KEYREVOKED => "key has been revoked",
        Errno::KEYREJECTED => "key was rejected by service",
        other => {
            let text = std::io::Error::from(other).to_string();
            let text = text.split(" (os error").next().unwrap_or_default();
            let mut letters = text.chars();
            let first = letters.next().map(|letter| letter.to_ascii_lowercase());
            return Cow::Owned(first.into_iter().chain(letters).collect());
        }
    };
    Cow::Borrowed(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Condvar, Mutex};

    const TABLE: &str = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
        23 22 0:22 / /proc rw - proc proc rw\n\
        24 22 0:23 / /mnt/my\\040disk ro - xfs /dev/sdb rw\n\
        25 22 0:24 / /srv rw - nfs4 server:/export rw\n";

    /// A statfs of which the paths in `stuck` hang until they are taken out.
    #[derive(Default)]
    struct Fake {
        stuck: Mutex<Vec<&'static str>>,
        news: Condvar,
        calls: AtomicUsize,
    }

    impl Fake {
        fn call(&self, path: &CStr) -> Result<Usage, Errno> {
            self.calls.fetch_add(1, Ordering::SeqCst);
            let path = path.to_str().unwrap();
            let stuck = self.stuck.lock().unwrap();
            drop(self.news.wait_while(stuck, |stuck| stuck.iter().any(|s| path.ends_with(s))).unwrap());
            if path.ends_with("denied") {
                return Err(Errno::ACCESS);
            }
            Ok(Usage { size_bytes: 4096.0, free_bytes: 3.0, avail_bytes: 2.0, files: 9.0, files_free: 8.0 })
        }

        fn let_go(&self) {
            self.stuck.lock().unwrap().clear();
            self.news.notify_all();
        }
    }

    struct Rig {
        dir: tempfile::TempDir,
        fake: Arc<Fake>,
        collector: Filesystem,
    }

    impl Rig {
        fn new(table: &str, flags: &[(&'static str, &str)]) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let mut args = Args::defaults(ROW.flags.iter().chain(crate::fs::FLAGS));
            args.set("path.procfs", vec![dir.path().to_str().unwrap().to_owned()], true);
            for (name, value) in flags {
                args.set(name, vec![(*value).to_owned()], true);
            }
            let fake = Arc::new(Fake::default());
            let statfs = Arc::clone(&fake);
            let collector = Filesystem::new(&args, Arc::new(move |path| statfs.call(path))).unwrap();
            let rig = Self { dir, fake, collector };
            rig.write("1/mountinfo", table);
            rig
        }

        fn write(&self, path: &str, text: &str) {
            crate::rig::plant(self.dir.path(), &[(path, text)]);
        }

        /// The samples whose lines hold `wanted`, and the time the scrape took.
        fn scrape(&mut self, wanted: &str) -> (String, Duration) {
            let (mut page, started) = (Page::default(), Instant::now());
            let mut cx = Scrape::new(started + Duration::from_secs(10));
            let result = self.collector.update(&mut cx, &mut page);
            let took = started.elapsed();
            page.finish();
            let mut text = Vec::new();
            common::exposition::Merge::default()
                .write(&[&page], common::exposition::Format::Text, &mut |piece| text.extend_from_slice(piece));
            let mut text = crate::rig::samples_of(&String::from_utf8(text).unwrap());
            let root = format!("{}/", self.dir.path().display());
            for problem in cx.faults().iter().map(ToString::to_string).chain(result.err().map(|e| e.to_string())) {
                text.push_str(&format!("! {}\n", problem.replace(&root, "")));
            }
            assert_eq!(page.duplicates(), [""; 0]);
            (text.lines().filter(|line| line.contains(wanted)).flat_map(|line| [line, "\n"]).collect(), took)
        }

        #[track_caller]
        fn check(&mut self, wanted: &str, want: &str) {
            assert_eq!(self.scrape(wanted).0, want);
        }
    }

    #[track_caller]
    fn check(table: &str, flags: &[(&'static str, &str)], wanted: &str, want: &str) {
        Rig::new(table, flags).check(wanted, want);
    }

    #[test]
    fn good() {
        let labels = r#"{device="/dev/sdb",device_error="",fstype="xfs",mountpoint="/mnt/my disk"}"#;
        let values = [
            ("avail_bytes", "2"),
            ("device_error", "0"),
            ("files", "9"),
            ("files_free", "8"),
            ("free_bytes", "3"),
            ("mount_info", "1"),
            ("purgeable_bytes", "0"),
            ("readonly", "1"),
            ("size_bytes", "4096"),
        ];
        let want: String = values
            .iter()
            .map(|&(name, value)| match name {
                "mount_info" => {
                    let labels = r#"{device="/dev/sdb",major="0",minor="23",mountpoint="/mnt/my disk"}"#;
                    format!("node_filesystem_mount_info{labels} 1\n")
                }
                _ => format!("node_filesystem_{name}{labels} {value}\n"),
            })
            .collect();
        check(TABLE, &[], "/dev/sdb", &want);
    }

    #[test]
    fn filters() {
        let mounts = |flags: &[(&'static str, &str)]| {
            let text = Rig::new(TABLE, flags).scrape("_size_bytes").0;
            let points =
                text.lines().map(|line| line.split("mountpoint=\"").nth(1).unwrap().split('"').next().unwrap());
            points.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(mounts(&[]), "/ /mnt/my disk /srv");
        assert_eq!(mounts(&[("collector.filesystem.mount-points-include", "^/proc")]), "");
        assert_eq!(mounts(&[("collector.filesystem.fs-types-include", "^(proc|xfs)$")]), "/mnt/my disk");
        assert_eq!(mounts(&[("collector.filesystem.fs-types-exclude", "^(ext4|nfs.*)$")]), "/mnt/my disk");
    }

    #[test]
    fn labels_do_not_repeat() {
        let twice = "1 0 0:1 / /a rw - tmpfs t rw\n2 0 0:1 / /a ro - tmpfs t rw\n3 0 0:2 / /a rw - tmpfs t rw\n";
        let info = |minor| {
            format!("node_filesystem_mount_info{{device=\"t\",major=\"0\",minor=\"{minor}\",mountpoint=\"/a\"}} 1\n")
        };
        check(twice, &[], "mount_info", &(info(1) + &info(2)));
        check(
            twice,
            &[],
            "readonly",
            concat!(r#"node_filesystem_readonly{device="t",device_error="",fstype="tmpfs",mountpoint="/a"} 0"#, "\n"),
        );
    }

    #[test]
    fn errors_are_told_in_words() {
        check(
            "1 0 0:1 / /denied rw - tmpfs t rw\n",
            &[],
            "",
            concat!(
                r#"node_filesystem_device_error{device="t",device_error="permission denied",fstype="tmpfs",mountpoint="/denied"} 1"#,
                "\n",
                r#"node_filesystem_readonly{device="t",device_error="permission denied",fstype="tmpfs",mountpoint="/denied"} 0"#,
                "\n",
            ),
        );
        for (errno, want) in [
            (libc::ESTALE, "stale file handle"),
            (libc::ENOTCONN, "transport endpoint is not connected"),
            (libc::EDQUOT, "disk quota exceeded"),
            (libc::ENOMEDIUM, "no medium found"),
        ] {
            assert_eq!(errno_text(Errno::from_raw_os_error(errno)), want);
        }
    }

    #[test]
    fn a_bad_line_costs_itself_at_every_scrape() {
        let mut rig = Rig::new("1 0 0:1 / /a rw - tmpfs t rw\n2 0 x / /b rw - tmpfs t rw\n", &[]);
        for _ in 0..2 {
            rig.check("!", "! 1/mountinfo:2: device number: expected major:minor, found \"x\"\n");
            rig.check(
                "size",
                concat!(
                    r#"node_filesystem_size_bytes{device="t",device_error="",fstype="tmpfs",mountpoint="/a"} 4096"#,
                    "\n"
                ),
            );
        }
    }

    #[test]
    fn the_table_of_process_one_or_our_own() {
        let mut rig = Rig::new("", &[]);
        std::fs::remove_dir_all(rig.dir.path().join("1")).unwrap();
        rig.collector.first = KeptFile::new(rig.dir.path().join("1/mountinfo"));
        rig.check("", "! self/mountinfo: No such file or directory (os error 2)\n");
        rig.write("self/mountinfo", "1 0 0:1 / /a rw - tmpfs t rw\n");
        rig.check("info", "node_filesystem_mount_info{device=\"t\",major=\"0\",minor=\"1\",mountpoint=\"/a\"} 1\n");
    }

    #[test]
    fn the_root_of_the_host_is_cut_where_a_name_ends() {
        for (path, rootfs, want) in [
            ("/host/home", "/host", "/home"),
            ("/host", "/host", "/"),
            ("/hostile", "/host", "/hostile"),
            ("/", "/host", "/"),
            ("/home", "", "/home"),
            ("/", "", "/"),
        ] {
            assert_eq!(strip(path.as_bytes(), rootfs.as_bytes()), want.as_bytes(), "{path}");
        }
        let mut rig = Rig::new("1 0 0:1 / /host/denied\\134x rw - tmpfs t rw\n", &[("path.rootfs", "/host/")]);
        assert_eq!(rig.scrape("mount_info").0.lines().count(), 1);
        assert_eq!(rig.collector.survey.targets[0].path.as_bytes(), br"/host/denied\x", "the path that is asked");
        assert_eq!(rig.collector.survey.mounts[0].point, br"/denied\134x", "the label");
    }

    #[test]
    fn a_stuck_mount_costs_itself_and_recovers() {
        let mut rig = Rig::new(TABLE, &[("collector.filesystem.mount-timeout", "100ms")]);
        let stuck = concat!(
            r#"node_filesystem_device_error{device="server:/export",device_error="mountpoint timeout",fstype="nfs4",mountpoint="/srv"} 1"#,
            "\n"
        );
        rig.fake.stuck.lock().unwrap().push("/srv");
        let (text, took) = rig.scrape("device_error{");
        assert!(text.ends_with(stuck) && text.lines().count() == 3, "{text}");
        assert!(took >= Duration::from_millis(100) && took < Duration::from_secs(5), "{took:?}");
        let calls = rig.fake.calls.load(Ordering::SeqCst);
        for round in 1..=50 {
            let (text, _) = rig.scrape("device_error{");
            assert!(text.ends_with(stuck), "{text}");
            assert_eq!(rig.fake.calls.load(Ordering::SeqCst), calls + round * 2, "the stuck mount is not asked again");
            assert!(rig.collector.survey.crew.threads() <= 2);
        }
        // The table changes while the call is out: still no second one.
        rig.write("1/mountinfo", &format!("{TABLE}26 22 0:30 / /x rw - tmpfs t rw\n"));
        let (text, _) = rig.scrape("device_error{");
        assert!(text.contains(stuck) && text.lines().count() == 4, "{text}");
        assert_eq!(rig.fake.calls.load(Ordering::SeqCst), calls + 50 * 2 + 3);
        // And goes away with the mount itself, and comes back.
        rig.write("1/mountinfo", "26 22 0:30 / /x rw - tmpfs t rw\n");
        assert_eq!(rig.scrape("device_error{").0.lines().count(), 1);
        rig.write("1/mountinfo", TABLE);
        let (text, _) = rig.scrape("device_error{");
        assert!(text.ends_with(stuck), "{text}");
        assert_eq!(rig.fake.calls.load(Ordering::SeqCst), calls + 50 * 2 + 3 + 1 + 2);
        rig.fake.let_go();
        let deadline = Instant::now() + Duration::from_secs(10);
        while rig.scrape("device_error{").0.contains("timeout") {
            assert!(Instant::now() < deadline, "it recovers");
        }
        assert!(!rig.collector.survey.targets.iter().any(|target| target.late));
    }

    #[test]
    fn many_stuck_mounts_do_not_hide_the_local_ones() {
        let remote: String = (0..40).map(|n| format!("{n} 0 0:{n} / /n{n}/gone rw - nfs s:/{n} rw\n")).collect();
        let table = remote + "99 0 8:1 / /local rw - ext4 /dev/sda rw\n";
        let mut rig = Rig::new(&table, &[("collector.filesystem.mount-timeout", "50ms")]);
        rig.fake.stuck.lock().unwrap().push("gone");
        for _ in 0..20 {
            let (text, _) = rig.scrape("size_bytes");
            assert!(text.contains("\"/local\"") && text.lines().count() == 1, "{text}");
            assert!(rig.collector.survey.crew.threads() <= 41);
        }
        rig.fake.let_go();
    }

    #[test]
    fn the_mounts_of_this_machine() {
        let mut args = Args::defaults(ROW.flags.iter().chain(crate::fs::FLAGS));
        args.set("collector.filesystem.fs-types-exclude", vec![String::new()], true);
        args.set("collector.filesystem.mount-points-exclude", vec![String::new()], true);
        let mut collector = (ROW.new)(&args).unwrap();
        let mut page = Page::default();
        let mut cx = Scrape::new(Instant::now() + Duration::from_secs(10));
        collector.update(&mut cx, &mut page).unwrap();
        assert!(page.samples() >= 9 && page.duplicates().is_empty());
    }
}
