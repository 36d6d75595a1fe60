//! A configuration file that can be read again while the program runs.
//!
//! * By force ([`Watched::reload`], for SIGHUP or a POST), or by itself when the file, or one that was read on its
//!   behalf, holds something else than before ([`Watched::check`], when it was switched on).
//! * A broken new state changes nothing: the value before stays in force. The log has every mistake, once per change,
//!   and the page says so (`<prefix>_config_last_reload_successful`).
//! * Bounded: a configuration is at most 1 MiB, and a regular file.

mod files;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

pub use files::{Files, Stamps, read_bounded};

use crate::error::ConfigError;
use crate::exposition::{Desc, Page};

/// A configuration is a few KiB; one made by a program some hundred.
pub const MOST_CONFIG_BYTES: u64 = 1 << 20;

type Parse<T> = dyn Fn(&str, &Path, &mut Files) -> Result<T, String> + Send + Sync;

/// A checked configuration and the file it comes from.
pub struct Watched<T> {
    path: PathBuf,
    parse: Box<Parse<T>>,
    automatic: bool,
    /// What was read last, good or bad. Held while reading, so that two requests do not read at once.
    files: Mutex<Files>,
    state: Mutex<State<T>>,
}

struct State<T> {
    value: Arc<T>,
    outcome: Outcome,
}

/// How the last reading went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Whether what was read last is in force.
    pub last_reload_successful: bool,
    /// When the value in force was read.
    pub last_success: SystemTime,
}

impl<T: 'static> Watched<T> {
    /// Reads the file with `parse`, which gets its text and, for messages, its path. An error's text has a line per
    /// mistake, each beginning with its place.
    ///
    /// # Errors
    /// Every mistake.
    pub fn open<E: fmt::Display>(
        path: &Path,
        parse: impl Fn(&str, &Path) -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<Self, Vec<ConfigError>> {
        Self::open_with_files(path, move |text, path, _| parse(text, path))
    }

    /// The same for a file that names others: `parse` reads them through [`Files`], and a change of one of them is a
    /// change of the configuration.
    ///
    /// # Errors
    /// Every mistake.
    pub fn open_with_files<E: fmt::Display>(
        path: &Path,
        parse: impl Fn(&str, &Path, &mut Files) -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<Self, Vec<ConfigError>> {
        let parse: Box<Parse<T>> =
            Box::new(move |text, path, files| parse(text, path, files).map_err(|e| e.to_string()));
        let (files, result) = read(path, &parse);
        let value = Arc::new(result.map_err(|mistakes| mistakes.lines().map(ConfigError::new).collect::<Vec<_>>())?);
        let outcome = Outcome { last_reload_successful: true, last_success: SystemTime::now() };
        Ok(Self {
            path: path.into(),
            parse,
            automatic: false,
            files: Mutex::new(files),
            state: Mutex::new(State { value, outcome }),
        })
    }

    /// The same configuration, with [`check`](Self::check) switched on or off; it begins switched off.
    #[must_use]
    pub fn automatic(mut self, on: bool) -> Self {
        self.automatic = on;
        self
    }

    /// What is in force.
    pub fn current(&self) -> Arc<T> {
        Arc::clone(&self.state().value)
    }

    /// How the last reading went.
    pub fn outcome(&self) -> Outcome {
        self.state().outcome
    }

    /// Reads the file again, changed or not.
    ///
    /// # Errors
    /// A line per mistake; they are in the log as well, and the value before stays in force.
    pub fn reload(&self) -> Result<(), String> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        self.reread(&mut files)
    }

    /// Reads the file again if it, or one it names, changed since; nothing while that is switched off. Costs a `stat` per
    /// file when nothing did.
    pub fn check(&self) {
        if !self.automatic {
            return;
        }
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if !files.are_stale() {
            return;
        }
        let now = files.again();
        if now.hold_the_same(&files) {
            *files = now;
            return;
        }
        // What it says is in the log, and in the state.
        let _logged = self.reread(&mut files);
    }

    fn reread(&self, files: &mut Files) -> Result<(), String> {
        let (read_now, result) = read(&self.path, &self.parse);
        *files = read_now;
        let file = self.path.display();
        match result {
            Ok(value) => {
                let outcome = Outcome { last_reload_successful: true, last_success: SystemTime::now() };
                *self.state() = State { value: Arc::new(value), outcome };
                tracing::info!(%file, "Configuration read again");
                Ok(())
            }
            Err(mistakes) => {
                self.state().outcome.last_reload_successful = false;
                for mistake in mistakes.lines() {
                    tracing::error!(%file, err = mistake, "Configuration is broken, the one before stays in force");
                }
                Err(mistakes)
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes `<prefix>_config_last_reload_successful` and `<prefix>_config_last_reload_success_timestamp_seconds`.
    pub fn encode(&self, prefix: &str, page: &mut Page) {
        let Outcome { last_reload_successful, last_success } = self.outcome();
        let name = format!("{prefix}_config_last_reload_successful");
        let help = "Whether the configuration that was read last is in force.";
        page.sample::<&str>(&Desc::gauge(&name, help, &[]), &[], f64::from(u8::from(last_reload_successful)));
        let name = format!("{prefix}_config_last_reload_success_timestamp_seconds");
        let help = "When the configuration in force was read.";
        let since_epoch = last_success.duration_since(UNIX_EPOCH).unwrap_or_default();
        page.sample::<&str>(&Desc::gauge(&name, help, &[]), &[], since_epoch.as_secs_f64());
    }
}

impl<T: 'static> fmt::Debug for Watched<T> {
    /// Without the value, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("path", &self.path).field("outcome", &self.outcome()).finish_non_exhaustive()
    }
}

fn read<T: 'static>(path: &Path, parse: &Parse<T>) -> (Files, Result<T, String>) {
    let mut files = Files::default();
    let text = files
        .read(path, MOST_CONFIG_BYTES)
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "expected UTF-8 text".to_owned()));
    let result = match text {
        // Some editors begin every file with a byte order mark.
        Ok(text) => parse(text.strip_prefix('\u{feff}').unwrap_or(&text), path, &mut files),
        Err(what) => Err(format!("{}: {what}", path.display())),
    };
    (files, result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::{Format, Merge};
    use std::fs;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A file that is opened, changed and looked at; its value is its number.
    struct Case {
        folder: tempfile::TempDir,
        watched: Watched<i32>,
        n_parsed: Arc<AtomicUsize>,
    }

    impl Case {
        fn open(text: &str) -> Result<Self, String> {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("c.yml");
            fs::write(&file, text).unwrap();
            let n_parsed = Arc::new(AtomicUsize::new(0));
            let counter = Arc::clone(&n_parsed);
            let watched = Watched::open_with_files(&file, move |text, path, files| {
                counter.fetch_add(1, Ordering::Relaxed);
                let number =
                    |text: &str| text.trim().parse().map_err(|_| "c.yml:1: expected a number\nc.yml:2: x".to_owned());
                match text.strip_prefix('@') {
                    None => number(text),
                    Some(name) => {
                        let bytes = files.read(&path.with_file_name(name), 10)?;
                        number(&String::from_utf8_lossy(&bytes))
                    }
                }
            });
            let watched = watched.map_err(|e| e.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
            Ok(Self { folder, watched: watched.automatic(true), n_parsed })
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.folder.path().join(name), text).unwrap();
        }

        /// What is in force after a look, whether that is what was read last, and how often it was parsed so far.
        #[track_caller]
        fn check(&self, value: i32, successful: bool, n_parsed: usize) {
            for _ in 0..3 {
                self.watched.check();
            }
            let outcome = self.watched.outcome();
            let got = (*self.watched.current(), outcome.last_reload_successful, self.n_parsed.load(Ordering::Relaxed));
            assert_eq!(got, (value, successful, n_parsed));
        }
    }

    #[test]
    fn follows_the_file_and_keeps_what_was_good() {
        let case = Case::open("1").unwrap();
        case.check(1, true, 1);
        case.write("c.yml", "2");
        case.check(2, true, 2);
        case.write("c.yml", "x");
        case.check(2, false, 3);
        fs::remove_file(case.folder.path().join("c.yml")).unwrap();
        case.check(2, false, 3);
        case.write("c.yml", "2");
        case.check(2, true, 4);
        case.write("c.yml", "\u{feff}3");
        case.check(3, true, 5);
        case.write("c.yml", "\u{feff}3");
        case.check(3, true, 5);
    }

    #[test]
    fn follows_what_the_file_names() {
        let case = Case::open("1").unwrap();
        case.write("c.yml", "@other");
        case.check(1, false, 2);
        case.write("other", "5");
        case.check(5, true, 3);
        case.write("other", "12345678901");
        case.check(5, false, 4);
        case.write("other", "6");
        case.check(6, true, 5);
    }

    #[test]
    fn by_force_alone() {
        let mut case = Case::open("1").unwrap();
        case.watched = case.watched.automatic(false);
        let first = case.watched.outcome();
        case.write("c.yml", "2");
        case.check(1, true, 1);
        assert_eq!(case.watched.reload(), Ok(()));
        case.check(2, true, 2);
        assert!(case.watched.outcome().last_success >= first.last_success);
        let good = case.watched.outcome();
        case.write("c.yml", "x");
        assert_eq!(case.watched.reload().unwrap_err(), "c.yml:1: expected a number\nc.yml:2: x");
        case.check(2, false, 3);
        assert_eq!(case.watched.outcome(), Outcome { last_reload_successful: false, ..good });
    }

    #[test]
    fn a_start_has_every_mistake() {
        assert_eq!(Case::open("x").err().unwrap(), "c.yml:1: expected a number; c.yml:2: x");
        let opened = |path: &Path| Watched::open(path, |_, _| Ok::<_, String>(())).unwrap_err()[0].to_string();
        assert!(opened(Path::new("/does/not/exist.yml")).starts_with("/does/not/exist.yml: No such file"));
        assert_eq!(opened(Path::new("/")), "/: expected a regular file");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bytes");
        fs::write(&file, b"\xff\xfe\x00x").unwrap();
        assert!(opened(&file).ends_with("bytes: expected UTF-8 text"));
    }

    #[test]
    fn on_the_page() {
        let case = Case::open("1").unwrap();
        case.write("c.yml", "x");
        case.check(1, false, 2);
        let mut page = Page::default();
        case.watched.encode("x", &mut page);
        page.finish();
        let mut text = Vec::new();
        Merge::default().write(&[&page], Format::Text, &mut |piece| text.extend_from_slice(piece));
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("\nx_config_last_reload_successful 0\n"), "{text}");
        assert!(text.contains("# TYPE x_config_last_reload_success_timestamp_seconds gauge\n"), "{text}");
        let time = case.watched.outcome().last_success.duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let printed =
            text.lines().find_map(|line| line.strip_prefix("x_config_last_reload_success_timestamp_seconds "));
        assert_eq!(printed.unwrap().parse(), Ok(time));
    }
}
