//! `process_*`: what this process takes from the machine, as the Prometheus client libraries name it.
//!
//! * Source: `/proc/self/{stat,fd,net/netstat}` of the machine it runs on, whatever `--path.procfs` says, and
//!   getrlimit(2); proc(5).
//! * Units: bytes, seconds, descriptors.
//! * Absent when: a file cannot be read: that series alone.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::exposition::{Desc, Page};
use crate::sandbox::Need;

const CPU: Desc = Desc::counter("process_cpu_seconds_total", "CPU time of this process, user and system.", &[]);
const RESIDENT: Desc = Desc::gauge("process_resident_memory_bytes", "Memory of this process that is in RAM.", &[]);
const VIRTUAL: Desc = Desc::gauge("process_virtual_memory_bytes", "Address space of this process.", &[]);
const STARTED: Desc = Desc::gauge("process_start_time_seconds", "When this process started, since 1970.", &[]);
const MAX_VIRTUAL: Desc = Desc::gauge("process_virtual_memory_max_bytes", "Address space this process may have.", &[]);
const MAX_FDS: Desc = Desc::gauge("process_max_fds", "Files this process may have open.", &[]);
const OPEN_FDS: Desc = Desc::gauge("process_open_fds", "Files this process has open.", &[]);
const RECEIVED: Desc =
    Desc::counter("process_network_receive_bytes_total", "Bytes received in this network namespace.", &[]);
const SENT: Desc = Desc::counter("process_network_transmit_bytes_total", "Bytes sent in this network namespace.", &[]);

/// Lets the process open as many files as the system allows it, as the Go runtime does.
pub fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // A refusal leaves the limit as it was: fewer files stay open, fewer connections are had at a time.
        let _refused = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
}

/// How many connections leave enough descriptors for the work: half of them may be held open over scrapes, and what is
/// left of the other half is for files opened in passing. Clients that fill the house must not cost samples.
pub(crate) fn connection_room() -> usize {
    room_within(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
}

/// Listeners, the log, signals, the runtime and the files of [`Process`].
const STANDING_DESCRIPTORS: u64 = 32;

fn room_within(limit: u64) -> usize {
    usize::try_from(limit.saturating_sub(STANDING_DESCRIPTORS) / 4).unwrap_or(usize::MAX).max(1)
}

/// What a program reads of the machine it runs on, whatever `--path.*` says: its own figures, the number of CPUs it may
/// use, and what the landing page tells.
pub(crate) fn needs() -> Vec<Need> {
    let files = ["/etc/os-release", "/usr/lib/os-release"].map(|file| Need::File(file.into()));
    [Need::Tree("/proc".into()), Need::Tree("/sys".into())].into_iter().chain(files).collect()
}

/// Both files are smaller; what a later kernel adds at the end is not needed.
const READ_BYTES: usize = 16 << 10;

/// The files, opened once, and what they are read into.
#[derive(Debug)]
pub struct Process {
    stat: Option<File>,
    netstat: Option<File>,
    buffer: Vec<u8>,
}

impl Default for Process {
    fn default() -> Self {
        let open = |path| File::open(path).ok();
        Self { stat: open("/proc/self/stat"), netstat: open("/proc/self/net/netstat"), buffer: Vec::new() }
    }
}

/// The kernel's clock ticks in `/proc/<pid>/stat`, 100 per second on every Linux that runs Rust (proc(5), USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;

pub(crate) struct Stat {
    cpu_seconds: f64,
    started_seconds: f64,
    virtual_bytes: f64,
    resident_bytes: f64,
}

/// Reads the fields behind the command's name, which may hold anything, brackets and blanks included.
pub(crate) fn parse_stat(text: &str, page_bytes: f64) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // proc(5) counts from 1 with the pid; `rest` begins with field 3.
    let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
    Some(Stat {
        cpu_seconds: (field(14)? + field(15)?) / TICKS_PER_SECOND,
        started_seconds: field(22)? / TICKS_PER_SECOND,
        virtual_bytes: field(23)?,
        resident_bytes: field(24)? * page_bytes,
    })
}

/// Bytes that came in and went out on the IP layer of this network namespace.
pub(crate) fn parse_netstat(text: &str) -> Option<Octets> {
    let mut lines = text.lines().filter(|line| line.starts_with("IpExt:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let of = |wanted: &str| {
        let at = names.split(' ').position(|name| name == wanted)?;
        values.split(' ').nth(at)?.parse().ok()
    };
    Some(Octets { received: of("InOctets")?, sent: of("OutOctets")? })
}

/// Traffic of the IP layer of this network namespace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Octets {
    /// Bytes that came in.
    pub received: f64,
    /// Bytes that went out.
    pub sent: f64,
}

/// What a collector has read a moment ago, for the next page.
static OCTETS: Mutex<Option<(Instant, Octets)>> = Mutex::new(None);

impl Octets {
    /// For a collector that has just read `/proc/net/netstat` of this process: the kernel adds up hundreds of counters
    /// of all CPUs for each reader, so that the next page does without a second reading.
    pub fn tell(self) {
        *OCTETS.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), self));
    }

    /// What was told, once, unless that was for another scrape.
    fn told() -> Option<Self> {
        let (when, octets) = OCTETS.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        (when.elapsed() < Duration::from_secs(1)).then_some(octets)
    }
}

/// When the machine booted, in seconds since 1970. Read once: it moves only when somebody sets the clock, and the Go
/// client library keeps it, too.
fn boot_time() -> Option<f64> {
    static BOOT: OnceLock<Option<f64>> = OnceLock::new();
    *BOOT.get_or_init(read_boot_time)
}

fn read_boot_time() -> Option<f64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

fn open_fds() -> Option<f64> {
    // Since Linux 6.2 the size of the directory is the number of descriptors; before, it is 0.
    let counted = fs::metadata("/proc/self/fd").ok()?.len();
    if counted > 0 { Some(counted as f64) } else { Some(fs::read_dir("/proc/self/fd").ok()?.count() as f64) }
}

/// One read is the whole file: the kernel makes these texts in one go.
fn read<'b>(file: &Option<File>, buffer: &'b mut Vec<u8>) -> Option<&'b str> {
    buffer.resize(READ_BYTES, 0);
    let n = file.as_ref()?.read_at(buffer, 0).ok()?;
    std::str::from_utf8(buffer.get(..n)?).ok()
}

impl Process {
    /// Adds the series to a page.
    pub fn encode(&mut self, page: &mut Page) {
        let mut add = |desc: &Desc<'_>, value: f64| page.sample::<&str>(desc, &[], value);
        let page_bytes = rustix::param::page_size() as f64;
        if let Some(stat) = read(&self.stat, &mut self.buffer).and_then(|text| parse_stat(text, page_bytes)) {
            add(&CPU, stat.cpu_seconds);
            add(&RESIDENT, stat.resident_bytes);
            add(&VIRTUAL, stat.virtual_bytes);
            if let Some(boot) = boot_time() {
                add(&STARTED, boot + stat.started_seconds);
            }
        }
        let limit = |resource| getrlimit(resource).current.map_or(u64::MAX as f64, |limit| limit as f64);
        add(&MAX_VIRTUAL, limit(Resource::As));
        add(&MAX_FDS, limit(Resource::Nofile));
        if let Some(open) = open_fds() {
            add(&OPEN_FDS, open);
        }
        let read = || read(&self.netstat, &mut self.buffer).and_then(parse_netstat);
        if let Some(octets) = Octets::told().or_else(read) {
            add(&RECEIVED, octets.received);
            add(&SENT, octets.sent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_the_work() {
        assert_eq!([0, 32, 64, 256, 1024].map(room_within), [1, 1, 8, 56, 248]);
        assert!(room_within(1 << 20) > 1024 && room_within(u64::MAX) > 1024);
    }

    #[test]
    fn stat_with_a_hostile_name() {
        let text = "12 (a) R (b c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 1 0 1000 4096000 25 18446744073709551615";
        let stat = parse_stat(text, 4096.0).unwrap();
        assert_eq!((stat.cpu_seconds, stat.started_seconds), (2.0, 10.0));
        assert_eq!((stat.virtual_bytes, stat.resident_bytes), (4_096_000.0, 102_400.0));
    }

    #[test]
    fn stat_cut_short_and_garbage() {
        assert!(parse_stat("12 (a) S 1 2 3", 4096.0).is_none());
        assert!(parse_stat("", 4096.0).is_none());
        assert!(parse_stat(") x y z", 4096.0).is_none());
    }

    #[test]
    fn netstat() {
        let text = "TcpExt: A B\nTcpExt: 1 2\nIpExt: InNoRoutes InOctets OutOctets\nIpExt: 0 12 34\n";
        assert_eq!(parse_netstat(text), Some(Octets { received: 12.0, sent: 34.0 }));
        assert_eq!(parse_netstat("IpExt: InOctets OutOctets\nIpExt: 12\n"), None);
        assert_eq!(parse_netstat("\u{0}"), None);
    }
}
