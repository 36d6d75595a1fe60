//! The web configuration as it is on disk right now.
//!
//! * Checked per request and per handshake: one `stat` per file named (the configuration, certificate, key, client
//!   authority), about a microsecond each; files are read again only when device, inode, size, mtime or ctime changed.
//! * A file changed less than two seconds before it was read is read again once more: its time stamp is too coarse to
//!   show a second change right behind the first.
//! * A state that is unreadable or invalid serves nobody: requests get 500, handshakes fail, and the log says why once
//!   per change. The next good state heals it.
//! * Fixed at start: TLS on or off, HTTP/2, the rate limit.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::ServerConfig;
use tokio::time::Instant;

use super::auth::Checker;
use super::config::{self, PemSource, RateLimit, TlsSettings, WebConfig, WebConfigError};
use super::tls;

/// A configuration is a few KiB, with inline keys some more.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// Time stamps of files move in steps of up to 10 ms on Linux and 2 s on the coarsest file system in use.
const STAMP_STEP: Duration = Duration::from_secs(2);

/// The holder: opened once, asked for every request.
#[derive(Debug)]
pub struct WebConfigFile {
    path: PathBuf,
    with_tls: bool,
    http2: bool,
    checker: Checker,
    bucket: Option<Mutex<Bucket>>,
    state: Mutex<State>,
}

/// One good state of the files.
#[derive(Debug)]
pub struct Live {
    /// What the configuration says.
    pub config: WebConfig,
    /// Ready for handshakes; `None` when the program serves plain HTTP.
    pub tls: Option<Arc<ServerConfig>>,
}

/// The files are in a bad state; the log has said how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken;

/// Files and their stamps; a file that is not there has none.
type Watched = Vec<(PathBuf, Option<Stamp>)>;

#[derive(Debug)]
struct State {
    watched: Watched,
    /// No stamp was young when its file was read.
    settled: bool,
    live: Option<Arc<Live>>,
    /// The last complaint, so that it is not repeated.
    complaint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let about = fs::metadata(path).ok()?;
        Some(Self {
            device: about.dev(),
            inode: about.ino(),
            size: about.size(),
            modified: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
        })
    }

    fn is_young(&self, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let changed = u64::try_from(self.changed.0).unwrap_or(0);
        now.abs_diff(changed) <= STAMP_STEP.as_secs()
    }
}

impl WebConfigFile {
    /// Reads and checks the file and everything it names, and logs its warnings.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let checker = Checker::new().map_err(|_| OpenError::NoRandom)?;
        let (watched, result) = read(path, None, Vec::new());
        let live = result.map_err(OpenError::Config)?;
        for warning in &live.config.warnings {
            tracing::warn!(file = %path.display(), "{warning}");
        }
        let bucket = live.config.rate_limit.map(|limit| Mutex::new(Bucket::new(limit, Instant::now())));
        Ok(Self {
            path: path.into(),
            with_tls: live.tls.is_some(),
            http2: live.tls.is_some() && live.config.http2,
            checker,
            bucket,
            state: Mutex::new(State {
                settled: settled(&watched),
                watched,
                live: Some(Arc::new(live)),
                complaint: None,
            }),
        })
    }

    /// The present state of the files, from memory when nothing changed.
    ///
    /// # Errors
    /// The files are unreadable or invalid.
    pub fn current(&self) -> Result<Arc<Live>, Broken> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = state.watched.iter().any(|(path, stamp)| Stamp::of(path) != *stamp);
        if changed || !state.settled {
            self.reread(&mut state, changed);
        }
        state.live.clone().ok_or(Broken)
    }

    fn reread(&self, state: &mut State, changed: bool) {
        let known = state.watched.iter().map(|(path, _)| path.clone()).collect();
        let (watched, result) = read(&self.path, Some(self.with_tls), known);
        state.settled = settled(&watched);
        state.watched = watched;
        let file = self.path.display();
        match result {
            Ok(live) => {
                if changed || state.live.is_none() {
                    for warning in &live.config.warnings {
                        tracing::warn!(%file, "{warning}");
                    }
                    tracing::info!(%file, "Web configuration read again");
                }
                state.live = Some(Arc::new(live));
                state.complaint = None;
            }
            Err(e) => {
                let complaint = e.to_string();
                if changed || state.complaint.as_ref() != Some(&complaint) {
                    tracing::error!(%file, err = %complaint, "Web configuration is broken, nobody is served until it is repaired");
                }
                state.live = None;
                state.complaint = Some(complaint);
            }
        }
    }

    /// Whether connections speak TLS; decided at start.
    #[must_use]
    pub fn with_tls(&self) -> bool {
        self.with_tls
    }

    /// Whether TLS clients may choose HTTP/2; decided at start.
    #[must_use]
    pub fn http2(&self) -> bool {
        self.http2
    }

    /// The password checker, which outlives every state of the file.
    #[must_use]
    pub fn checker(&self) -> &Checker {
        &self.checker
    }

    /// Takes one request out of the rate limit; `false` when none is left.
    #[must_use]
    pub fn take_request(&self) -> bool {
        let Some(bucket) = &self.bucket else {
            return true;
        };
        bucket.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now())
    }
}

/// Why the program cannot start with this file.
#[derive(Debug)]
pub enum OpenError {
    /// A mistake in the configuration or in a file it names.
    Config(WebConfigError),
    /// The system gave no random bytes for the password checker.
    NoRandom,
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Config(e) => e.fmt(f),
            Self::NoRandom => f.write_str("web configuration: the system gives no random bytes"),
        }
    }
}

impl std::error::Error for OpenError {}

/// The files of one state with their stamps, taken before the reading, and the state or its mistake. `with_tls` is what
/// was decided at start; `known` are the files of the state before, to be watched while the file is broken.
fn read(path: &Path, with_tls: Option<bool>, known: Vec<PathBuf>) -> (Watched, Result<Live, WebConfigError>) {
    let stamped = |path: PathBuf| {
        let stamp = Stamp::of(&path);
        (path, stamp)
    };
    let mut watched = vec![stamped(path.into())];
    let checked = config_text(path).and_then(|text| config::parse(path, &text));
    let mut config = match checked {
        Ok(config) => config,
        Err(e) => {
            watched.extend(known.into_iter().filter(|file| file != path).map(stamped));
            return (watched, Err(e));
        }
    };
    if let Some(settings) = &config.tls {
        watched.extend(files(settings).into_iter().map(stamped));
    }
    if with_tls == Some(false) && config.tls.is_some() {
        config.warnings.push("TLS cannot be switched on while running, restart for it".into());
    }
    let result = match (&config.tls, with_tls) {
        (None, Some(true)) => Err(whole_file(path, "TLS cannot be switched off while running")),
        (_, Some(false)) | (None, None) => Ok(None),
        (Some(settings), _) => tls::build(path, settings, config.http2).map(Some),
    };
    (watched, result.map(|tls| Live { config, tls }))
}

fn config_text(path: &Path) -> Result<String, WebConfigError> {
    let bytes = tls::read_bounded(path, MAX_CONFIG_BYTES).map_err(|what| whole_file(path, &what))?;
    String::from_utf8(bytes).map_err(|_| whole_file(path, "expected UTF-8 text"))
}

fn whole_file(path: &Path, what: &str) -> WebConfigError {
    WebConfigError { file: path.into(), line: None, key: String::new(), what: what.into() }
}

fn files(settings: &TlsSettings) -> Vec<PathBuf> {
    [Some(&settings.cert), Some(&settings.key), settings.client_ca.as_ref()]
        .into_iter()
        .flatten()
        .filter_map(|pem| match &pem.source {
            PemSource::File(path) => Some(path.clone()),
            PemSource::Inline(_) => None,
        })
        .collect()
}

fn settled(watched: &[(PathBuf, Option<Stamp>)]) -> bool {
    let now = SystemTime::now();
    !watched.iter().any(|(_, stamp)| stamp.is_some_and(|stamp| stamp.is_young(now)))
}

/// Allowed requests: full at start, one more per interval.
#[derive(Debug)]
struct Bucket {
    limit: RateLimit,
    stored: u32,
    /// The next one is earned one interval after this.
    since: Instant,
}

impl Bucket {
    fn new(limit: RateLimit, now: Instant) -> Self {
        Self { limit, stored: limit.burst, since: now }
    }

    fn take(&mut self, now: Instant) -> bool {
        let RateLimit { interval, burst } = self.limit;
        let passed = now.saturating_duration_since(self.since).as_nanos();
        let earned = passed.checked_div(interval.as_nanos()).unwrap_or(0);
        let missing = burst.saturating_sub(self.stored);
        match u32::try_from(earned) {
            Ok(earned) if earned < missing => {
                self.stored += earned;
                self.since += interval * earned;
            }
            _ => {
                self.stored = burst;
                self.since = now;
            }
        }
        let allowed = self.stored > 0;
        self.stored = self.stored.saturating_sub(1);
        allowed
    }
}

impl From<OpenError> for io::Error {
    fn from(e: OpenError) -> Self {
        Self::new(io::ErrorKind::InvalidInput, e)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_holds_a_burst_and_refills() {
        let start = Instant::now();
        let mut bucket = Bucket::new(RateLimit { interval: Duration::from_secs(10), burst: 2 }, start);
        let mut take = |seconds| bucket.take(start + Duration::from_secs(seconds));
        assert_eq!([take(0), take(0), take(0)], [true, true, false]);
        assert_eq!([take(9), take(10), take(10)], [false, true, false]);
        assert_eq!([take(1000), take(1000), take(1000)], [true, true, false]);
    }

    #[test]
    fn a_missing_and_a_strange_file() {
        let folder = tempfile::tempdir().unwrap();
        let e = WebConfigFile::open(&folder.path().join("web.yml")).unwrap_err().to_string();
        assert!(e.ends_with("web.yml: No such file or directory (os error 2)"), "{e}");
        let e = WebConfigFile::open(folder.path()).unwrap_err().to_string();
        assert!(e.ends_with("expected a regular file"), "{e}");
        let file = folder.path().join("bytes");
        fs::write(&file, b"\xff\xfe\x00x").unwrap();
        assert!(WebConfigFile::open(&file).unwrap_err().to_string().ends_with("expected UTF-8 text"));
    }

    #[test]
    fn follows_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("web.yml");
        let header = |value: &str| format!("http_server_config:\n  headers:\n    X-Frame-Options: {value}\n");
        fs::write(&file, header("deny")).unwrap();
        let web = WebConfigFile::open(&file).unwrap();
        let present = || web.current().map(|live| live.config.headers.get("x-frame-options").cloned().unwrap());
        assert_eq!(present().unwrap(), "deny");
        fs::write(&file, header("sameorigin")).unwrap();
        assert_eq!(present().unwrap(), "sameorigin");
        fs::write(&file, header("nonsense")).unwrap();
        assert_eq!(present(), Err(Broken));
        fs::remove_file(&file).unwrap();
        assert_eq!(present(), Err(Broken));
        fs::write(&file, header("deny")).unwrap();
        assert_eq!(present().unwrap(), "deny");
    }
}
