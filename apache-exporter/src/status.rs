//! The machine-readable answer of mod_status, `/server-status?auto`.
//!
//! * Source: httpd 2.2 and 2.4 with any MPM, ExtendedStatus on or off; its imitators, as far as they have its keys.
//! * Lines are `Key: value`; a few have no value. Which ones come depends on version, MPM and modules, and any module can
//!   add more: what is not known is counted and skipped. Of a key that stands twice the last value counts.
//! * Units: those of the source, named in each field.
//! * Absent when: httpd did not say. A figure that is no number costs itself and is named in [`Status::faults`].
//! * Differs from the Go exporter: one bad line costs nothing behind it; lines can have any length; texts are read as
//!   ISO-8859-1, which is what httpd sends, unless they are UTF-8.

mod balancer;
mod cache;
mod md;
mod not_status;
mod number;
mod scoreboard;
mod text;

use std::collections::BTreeMap;

use common::error::BadField;
use common::fields;

pub use balancer::{Balancer, Flag, Worker};
pub use cache::Cache;
pub use md::{Domain, Md};
pub use not_status::NotStatus;
pub use number::Size;
pub use scoreboard::{Scoreboard, State};

use cache::{Caches, Owner};
use number::{Read, Row, fill};
use text::decode;

/// Faults that are kept; more of them say nothing new, and whoever answers decides how many there are.
const FAULTS: usize = 64;

/// What httpd said of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// The description of the server, `Apache/2.4.62 (Debian) OpenSSL/3.0.15`; 2.4.13 and later.
    pub server_version: Option<String>,
    /// The `Server` header of the answer. The parser does not see it: who made the request puts it here.
    pub server_header: Option<String>,
    /// The multi-processing module: `event`, `worker`, `prefork`, ...
    pub mpm: Option<String>,
    /// When the server was compiled, in whatever form.
    pub built: Option<String>,
    /// Times the configuration was read.
    pub config_generation: Option<f64>,
    /// Restarts of the workers.
    pub mpm_generation: Option<f64>,
    /// Seconds since the start, whether ExtendedStatus is on or not; 2.4.13 and later.
    pub server_uptime_seconds: Option<f64>,
    /// Seconds since the start, with ExtendedStatus.
    pub uptime_seconds: Option<f64>,
    /// Load average of the host over a minute.
    pub load1: Option<f64>,
    /// Load average of the host over five minutes.
    pub load5: Option<f64>,
    /// Load average of the host over a quarter of an hour.
    pub load15: Option<f64>,
    /// Requests since the start.
    pub accesses: Option<f64>,
    /// Sent since the start, KiB.
    pub sent_kib: Option<f64>,
    /// Time that requests took since the start, milliseconds; 2.4.35 and later.
    pub duration_ms: Option<f64>,
    /// User time of the workers, seconds.
    pub cpu_user_seconds: Option<f64>,
    /// System time of the workers, seconds.
    pub cpu_system_seconds: Option<f64>,
    /// User time of their children, seconds.
    pub cpu_children_user_seconds: Option<f64>,
    /// System time of their children, seconds.
    pub cpu_children_system_seconds: Option<f64>,
    /// CPU time per time since the start, percent of one CPU; can be infinite.
    pub cpu_load_percent: Option<f64>,
    /// Workers with a request.
    pub busy_workers: Option<f64>,
    /// Workers that finish a last request; 2.4.58 and later.
    pub graceful_workers: Option<f64>,
    /// Workers without a request.
    pub idle_workers: Option<f64>,
    /// Processes; MPM event, 2.4.35 and later.
    pub processes: Option<f64>,
    /// Those that are stopping.
    pub processes_stopping: Option<f64>,
    /// Connections; MPM event, as are the next four.
    pub connections: Option<f64>,
    /// Those that wait for input or output; 2.4.63 and later.
    pub connections_wait_io: Option<f64>,
    /// Those being written to without a worker.
    pub connections_writing: Option<f64>,
    /// Those kept open for a next request.
    pub connections_keep_alive: Option<f64>,
    /// Those being closed.
    pub connections_closing: Option<f64>,
    /// What each slot is doing.
    pub scoreboard: Option<Scoreboard>,
    /// Balancers of mod_proxy by index.
    pub balancers: BTreeMap<u64, Balancer>,
    /// mod_ssl's cache of sessions.
    pub tls_session_cache: Option<Cache>,
    /// mod_cache_socache's cache.
    pub socache: Option<Cache>,
    /// mod_md's certificates.
    pub md: Md,
    /// Whether there were lines that only ExtendedStatus brings.
    pub extended: bool,
    /// Lines that gave nothing: of an unknown form or key, or with a value that is none.
    pub unparsed: u64,
    /// Values that are none, the first 64 of them.
    pub faults: Vec<BadField>,
}

impl Status {
    /// Whether `key` came with a value that is none.
    pub fn is_faulty(&self, key: &str) -> bool {
        self.faults.iter().any(|bad| bad.field == key)
    }
}

const KEYS: &[Row<Status>] = &[
    Row { key: "ParentServerConfigGeneration", read: Read::Count, slot: |status| &mut status.config_generation },
    Row { key: "ParentServerMPMGeneration", read: Read::Count, slot: |status| &mut status.mpm_generation },
    Row { key: "ServerUptimeSeconds", read: Read::Count, slot: |status| &mut status.server_uptime_seconds },
    Row { key: "Load1", read: Read::Real, slot: |status| &mut status.load1 },
    Row { key: "Load5", read: Read::Real, slot: |status| &mut status.load5 },
    Row { key: "Load15", read: Read::Real, slot: |status| &mut status.load15 },
    Row { key: "Total Accesses", read: Read::Count, slot: |status| &mut status.accesses },
    Row { key: "Total kBytes", read: Read::Count, slot: |status| &mut status.sent_kib },
    Row { key: "Total Duration", read: Read::Count, slot: |status| &mut status.duration_ms },
    Row { key: "CPUUser", read: Read::Count, slot: |status| &mut status.cpu_user_seconds },
    Row { key: "CPUSystem", read: Read::Count, slot: |status| &mut status.cpu_system_seconds },
    Row { key: "CPUChildrenUser", read: Read::Count, slot: |status| &mut status.cpu_children_user_seconds },
    Row { key: "CPUChildrenSystem", read: Read::Count, slot: |status| &mut status.cpu_children_system_seconds },
    Row { key: "CPULoad", read: Read::Real, slot: |status| &mut status.cpu_load_percent },
    Row { key: "Uptime", read: Read::Count, slot: |status| &mut status.uptime_seconds },
    Row { key: "BusyWorkers", read: Read::Count, slot: |status| &mut status.busy_workers },
    Row { key: "BusyServers", read: Read::Count, slot: |status| &mut status.busy_workers },
    Row { key: "GracefulWorkers", read: Read::Count, slot: |status| &mut status.graceful_workers },
    Row { key: "IdleWorkers", read: Read::Count, slot: |status| &mut status.idle_workers },
    Row { key: "IdleServers", read: Read::Count, slot: |status| &mut status.idle_workers },
    Row { key: "Processes", read: Read::Count, slot: |status| &mut status.processes },
    Row { key: "Stopping", read: Read::Count, slot: |status| &mut status.processes_stopping },
    Row { key: "ConnsTotal", read: Read::Count, slot: |status| &mut status.connections },
    Row { key: "ConnsAsyncWaitIO", read: Read::Count, slot: |status| &mut status.connections_wait_io },
    Row { key: "ConnsAsyncWriting", read: Read::Count, slot: |status| &mut status.connections_writing },
    Row { key: "ConnsAsyncKeepAlive", read: Read::Count, slot: |status| &mut status.connections_keep_alive },
    Row { key: "ConnsAsyncClosing", read: Read::Count, slot: |status| &mut status.connections_closing },
];

/// Understood, and worth no series: words, local times without a zone, means over the whole life.
const UNUSED: &[&[u8]] =
    &[b"CurrentTime", b"RestartTime", b"ServerUptime", b"ReqPerSec", b"BytesPerSec", b"BytesPerReq", b"DurationPerReq"];

/// Printed with ExtendedStatus alone.
const EXTENDED: &[&[u8]] = &[
    b"Total Accesses",
    b"Total kBytes",
    b"Total Duration",
    b"CPUUser",
    b"CPUSystem",
    b"CPUChildrenUser",
    b"CPUChildrenSystem",
    b"CPULoad",
    b"Uptime",
    b"ReqPerSec",
    b"BytesPerSec",
    b"BytesPerReq",
    b"DurationPerReq",
];

/// One of them is in every answer, whatever the version; `BusyServers` is that of httpd before 2.0.23 and of lighttpd.
const ESSENTIAL: &[&[u8]] = &[b"Scoreboard", b"BusyWorkers", b"BusyServers"];

/// Reads an answer, or says what it is instead.
pub fn parse(body: &[u8]) -> Result<Status, NotStatus> {
    if let Some(other) = NotStatus::at_first_sight(body) {
        return Err(other);
    }
    let mut reader = Reader::default();
    for (number, line) in fields::lines(body) {
        for piece in md::pieces(line.trim_ascii_start()) {
            reader.line(number, piece);
        }
    }
    if !reader.essential {
        return Err(NotStatus::of(body, reader.known));
    }
    reader.status.tls_session_cache = reader.caches.tls;
    reader.status.socache = reader.caches.socache;
    Ok(reader.status)
}

#[derive(Default)]
struct Reader {
    status: Status,
    caches: Caches,
    /// A line came that every answer has.
    essential: bool,
    /// Lines with a key of ours.
    known: usize,
}

impl Reader {
    fn line(&mut self, number: u32, line: &[u8]) {
        // Blanks at the end stay: a size can have one for its unit.
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let plain = line.trim_ascii();
        if plain.is_empty() {
            return;
        }
        if let Some(owner) = Owner::announced(plain) {
            return self.caches.begin(Some(owner));
        }
        if self.caches.is_remark(plain) {
            return;
        }
        let colon = line.iter().position(|b| *b == b':');
        let (key, value) = colon.and_then(|at| line.split_at_checked(at)).unwrap_or((plain, b""));
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let taken = if colon.is_some() { self.take(number, key, value) } else { Ok(false) };
        match taken {
            Ok(true) => self.known += 1,
            // The name the client asked for, bare; its colons are those of an IPv6 address.
            Ok(false) if number == 1 && !plain.contains(&b' ') => {}
            Ok(false) => self.status.unparsed += 1,
            Err(bad) => {
                self.known += 1;
                self.status.unparsed += 1;
                if self.status.faults.len() < FAULTS {
                    self.status.faults.push(bad);
                }
            }
        }
    }

    fn take(&mut self, number: u32, key: &[u8], value: &[u8]) -> Result<bool, BadField> {
        if key.starts_with(b"Cache") {
            return self.caches.take(number, key, value);
        }
        let taken = self.take_plain(number, key, value);
        if taken != Ok(false) {
            self.caches.begin(None);
        }
        taken
    }

    fn take_plain(&mut self, number: u32, key: &[u8], value: &[u8]) -> Result<bool, BadField> {
        let status = &mut self.status;
        if key.starts_with(balancer::PREFIX) {
            return balancer::take(&mut status.balancers, number, key, value);
        }
        if key.starts_with(md::PREFIX) {
            return md::take(&mut status.md, number, key, value);
        }
        self.essential |= ESSENTIAL.contains(&key);
        status.extended |= EXTENDED.contains(&key);
        match key {
            b"ServerVersion" => status.server_version = decode(value),
            b"ServerMPM" => status.mpm = decode(value),
            b"Server Built" => status.built = decode(value),
            b"Scoreboard" => status.scoreboard = Some(Scoreboard::parse(value)),
            key if UNUSED.contains(&key) => {}
            key => return fill(KEYS, status, number, key, value),
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
