//! The web configuration as it is right now.
//!
//! * It comes from the `--web.config.file`, or from a program that has settings of its own.
//! * Checked per request and per handshake: one `stat` per file named (the configuration, certificate, key, client
//!   authority); what changed, or was young, is read again ([`Stamps`]).
//! * A state that is unreadable or invalid serves nobody: requests get 500, handshakes fail, and the log says why once
//!   per change. The next good state heals it.
//! * Fixed at start: TLS on or off, HTTP/2, the rate limit.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ServerConfig;
use tokio::time::Instant;

use super::auth::Checker;
use super::config::{self, PemSource, RateLimit, TlsSettings, WebConfig, WebConfigError};
use super::tls;
use crate::sandbox::Need;
use crate::watched::{MOST_CONFIG_BYTES, Stamps, read_bounded};

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

#[derive(Debug)]
struct State {
    stamps: Stamps,
    /// What a program gave; `None` for what the file says.
    given: Option<WebConfig>,
    live: Option<Arc<Live>>,
    /// The last complaint, so that it is not repeated.
    complaint: Option<String>,
}

impl WebConfigFile {
    /// Reads and checks the file and everything it names, and logs its warnings.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Self::start(path, None)
    }

    /// Takes settings from a program; the files they name are read now, and again when they change. `place` is where the
    /// settings come from, for messages.
    ///
    /// # Errors
    /// The first mistake in the files, with its place.
    pub fn from_settings(place: &Path, settings: WebConfig) -> Result<Self, OpenError> {
        Self::start(place, Some(settings))
    }

    fn start(path: &Path, given: Option<WebConfig>) -> Result<Self, OpenError> {
        let checker = Checker::new().map_err(|_| OpenError::NoRandom)?;
        let (stamps, result) = read(path, given.as_ref(), None, &Stamps::default());
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
            state: Mutex::new(State { stamps, given, live: Some(Arc::new(live)), complaint: None }),
        })
    }

    /// Puts other settings in the place of those that a program gave; what is fixed at start stays.
    pub fn replace_settings(&self, settings: WebConfig) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.given = Some(settings);
        self.reread(&mut state, true);
    }

    /// The present state of the files, from memory when nothing changed.
    ///
    /// # Errors
    /// The files are unreadable or invalid.
    pub fn current(&self) -> Result<Arc<Live>, Broken> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = state.stamps.have_changed();
        if changed || state.stamps.are_young() {
            self.reread(&mut state, changed);
        }
        state.live.clone().ok_or(Broken)
    }

    fn reread(&self, state: &mut State, changed: bool) {
        let (stamps, result) = read(&self.path, state.given.as_ref(), Some(self.with_tls), &state.stamps);
        state.stamps = stamps;
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

    /// What reading it again needs: the directories of all its files, as files are replaced by renaming, and those that
    /// links lead to.
    pub(crate) fn needs(&self) -> Vec<Need> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let files = state.stamps.paths().map(Path::to_owned);
        let files = files.flat_map(|file| std::fs::canonicalize(&file).into_iter().chain([file]).collect::<Vec<_>>());
        files.filter_map(|file| Some(Need::Tree(file.parent()?.to_owned()))).collect()
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
fn read(
    path: &Path,
    given: Option<&WebConfig>,
    with_tls: Option<bool>,
    known: &Stamps,
) -> (Stamps, Result<Live, WebConfigError>) {
    let mut stamps = Stamps::default();
    let checked = match given {
        Some(config) => Ok(config.clone()),
        None => {
            stamps.note(path);
            config_text(path).and_then(|text| config::parse(path, &text))
        }
    };
    let mut config = match checked {
        Ok(config) => config,
        Err(e) => {
            known.paths().filter(|file| *file != path).for_each(|file| stamps.note(file));
            return (stamps, Err(e));
        }
    };
    if let Some(settings) = &config.tls {
        files(settings).for_each(|file| stamps.note(file));
    }
    if with_tls == Some(false) && config.tls.is_some() {
        config.warnings.push("TLS cannot be switched on while running, restart for it".into());
    }
    let result = match (&config.tls, with_tls) {
        (None, Some(true)) => Err(whole_file(path, "TLS cannot be switched off while running")),
        (_, Some(false)) | (None, None) => Ok(None),
        (Some(settings), _) => tls::build(path, settings, config.http2).map(Some),
    };
    (stamps, result.map(|tls| Live { config, tls }))
}

fn config_text(path: &Path) -> Result<String, WebConfigError> {
    let bytes = read_bounded(path, MOST_CONFIG_BYTES).map_err(|what| whole_file(path, &what))?;
    String::from_utf8(bytes).map_err(|_| whole_file(path, "expected UTF-8 text"))
}

fn whole_file(path: &Path, what: &str) -> WebConfigError {
    WebConfigError { file: path.into(), line: None, key: String::new(), what: what.into() }
}

fn files(settings: &TlsSettings) -> impl Iterator<Item = &Path> {
    [Some(&settings.cert), Some(&settings.key), settings.client_ca.as_ref()].into_iter().flatten().filter_map(|pem| {
        match &pem.source {
            PemSource::File(path) => Some(path.as_path()),
            PemSource::Inline(_) => None,
        }
    })
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
    use std::fs;
    use std::time::Duration;

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
    #[test]
    fn follows_what_a_program_gives() {
        let given = |value: &'static str| {
            let mut config = WebConfig::default();
            config.headers.insert("x-frame-options", value.parse().unwrap());
            config
        };
        let web = WebConfigFile::from_settings(Path::new("/etc/x.yml"), given("deny")).unwrap();
        let present = || web.current().map(|live| live.config.headers.get("x-frame-options").cloned().unwrap());
        assert_eq!((present().unwrap(), web.with_tls()), ("deny".parse().unwrap(), false));
        web.replace_settings(given("sameorigin"));
        assert_eq!(present().unwrap(), "sameorigin");
    }

    #[test]
    fn files_of_given_settings_are_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("a.crt"), folder.path().join("a.key"));
        let write = || {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            fs::write(&cert, made.cert.pem()).unwrap();
            fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        };
        let text = format!("tls_server_config: {{cert_file: {}, key_file: {}}}", cert.display(), key.display());
        let settings = config::parse(Path::new("/etc/x.yml"), &text).unwrap();
        let e = WebConfigFile::from_settings(Path::new("/etc/x.yml"), settings.clone()).unwrap_err().to_string();
        assert!(e.starts_with("/etc/x.yml:1: tls_server_config.cert_file: ") && e.contains("No such file"), "{e}");
        write();
        let web = WebConfigFile::from_settings(Path::new("/etc/x.yml"), settings).unwrap();
        let first = web.current().unwrap().tls.clone().unwrap();
        write();
        let second = web.current().unwrap().tls.clone().unwrap();
        assert!(web.with_tls() && !Arc::ptr_eq(&first, &second));
        fs::write(&key, "nonsense").unwrap();
        assert!(matches!(web.current(), Err(Broken)));
        write();
        assert!(web.current().is_ok());
    }
}
