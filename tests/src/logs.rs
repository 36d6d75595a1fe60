//! Logs of pods as the kubelet keeps them, written by whom the test wants and rotated by the kubelet's own steps; and the log
//! exporter that follows them.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::fixture::Fixture;
use crate::page::{Metric, Page, metric};
use crate::running::Running;
use crate::tools::{run, tool};
use crate::wait::until;

/// A directory of pods' logs, and one for the exporter's own files.
#[derive(Debug)]
pub struct Node {
    folder: Fixture,
}

impl Node {
    /// One without pods.
    #[track_caller]
    pub fn new() -> Self {
        Self { folder: Fixture::new().folder("pods").folder("state") }
    }

    /// The directory of all pods' logs.
    pub fn pods(&self) -> PathBuf {
        self.folder.path("pods")
    }

    /// A file that is no log.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path(name)
    }

    /// A new container, with an empty log.
    #[track_caller]
    pub fn container(&self, namespace: &str, pod: &str, uid: &str, container: &str) -> Log {
        let directory = self.pods().join(format!("{namespace}_{pod}_{uid}")).join(container);
        fs::create_dir_all(&directory).expect("a directory can be made");
        Log::new(directory, namespace, pod, container)
    }

    /// The flags to follow it, all intervals short, and `more`.
    pub fn flags(&self, more: &[&str]) -> Vec<String> {
        let name_of = |flag: &str| flag.split('=').next().unwrap_or_default().to_owned();
        let usual = ["--read.interval=50ms", "--scan.interval=500ms", "--state.interval=100ms"];
        let usual = usual.iter().filter(|flag| !more.iter().any(|given| name_of(given) == name_of(flag)));
        let mut flags = vec![format!("--path.pod-logs={}", self.pods().display())];
        flags.extend(usual.chain(more).map(|flag| (*flag).to_owned()));
        flags
    }

    /// The flag for a position file.
    pub fn state_flag(&self) -> String {
        format!("--state.file={}", self.path("state/positions").display())
    }

    /// An exporter that follows it and has looked at everything once.
    #[track_caller]
    pub fn exporter(&self, more: &[&str]) -> Running {
        let exporter = Running::start("log-exporter", &self.flags(more));
        exporter.scrape();
        exporter
    }
}

impl Default for Node {
    fn default() -> Self {
        Self::new()
    }
}

/// The log of one container, as its runtime and the kubelet see it.
#[derive(Debug)]
pub struct Log {
    directory: PathBuf,
    names: [String; 3],
    restart: u32,
    file: File,
    n_rotations: u32,
}

/// All lines have different times, as those of a runtime do.
static LINES: AtomicU64 = AtomicU64::new(0);

/// The time of the next line.
fn time() -> String {
    let n = LINES.fetch_add(1, Ordering::Relaxed);
    format!("2026-11-22T10:{:02}:{:02}.{:09}Z", n / 60_000 % 60, n / 1000 % 60, n % 1000 * 1_000_000 + n % 999_983)
}

/// One line as a runtime writes it: `tag` is `F`, or `P` for a part.
pub fn line(stream: &str, tag: &str, content: &str) -> String {
    format!("{} {stream} {tag} {content}\n", time())
}

impl Log {
    fn new(directory: PathBuf, namespace: &str, pod: &str, container: &str) -> Self {
        let file = create(&directory.join("0.log"));
        let names = [namespace, pod, container].map(str::to_owned);
        Self { directory, names, restart: 0, file, n_rotations: 0 }
    }

    /// The file that the runtime writes to.
    pub fn path(&self) -> PathBuf {
        self.directory.join(format!("{}.log", self.restart))
    }

    /// Writes a message to the standard output.
    #[track_caller]
    pub fn say(&mut self, content: &str) {
        self.write(line("stdout", "F", content));
    }

    /// Writes bytes as they are.
    #[track_caller]
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.file.write_all(bytes.as_ref()).expect("the log can be written");
    }

    fn rotated(&mut self) -> PathBuf {
        self.n_rotations += 1;
        let (minute, second) = (self.n_rotations / 60, self.n_rotations % 60);
        self.directory.join(format!("{}.log.20261122-10{minute:02}{second:02}", self.restart))
    }

    /// Rotates: packs what was rotated before, keeps three of those, moves the log away, and lets the runtime reopen.
    #[track_caller]
    pub fn rotate(&mut self) {
        let mut old: Vec<PathBuf> = fs::read_dir(&self.directory)
            .expect("the directory is there")
            .map(|entry| entry.expect("it has entries").path())
            .filter(|path| path.to_string_lossy().contains(".log."))
            .collect();
        old.sort();
        let n_too_many = old.len().saturating_sub(3);
        for path in old.drain(..n_too_many) {
            fs::remove_file(path).expect("it can be removed");
        }
        for path in old.iter().filter(|path| path.extension().is_some_and(|end| end != "gz")) {
            let (half, packed) = (format!("{}.tmp", path.display()), format!("{}.gz", path.display()));
            let bytes = run(Command::new(tool("gzip")).arg("-c").arg(path)).stdout;
            fs::write(&half, bytes).expect("it can be written");
            fs::rename(&half, &packed).expect("it can be moved");
            fs::remove_file(path).expect("it can be removed");
        }
        self.rotate_plainly();
    }

    /// The last two steps alone.
    #[track_caller]
    pub fn rotate_plainly(&mut self) {
        let rotated = self.rotated();
        fs::rename(self.path(), rotated).expect("it can be moved");
        self.file = create(&self.path());
    }

    /// Moves the log away, finds that the runtime does not reopen, and moves it back.
    #[track_caller]
    pub fn rotate_in_vain(&mut self) {
        let rotated = self.rotated();
        fs::rename(self.path(), &rotated).expect("it can be moved");
        fs::rename(&rotated, self.path()).expect("it can be moved");
    }

    /// Empties the log, as `copytruncate` of logrotate does.
    #[track_caller]
    pub fn truncate(&mut self) {
        self.file.set_len(0).expect("it can be cut");
    }

    /// The container starts anew in the same pod.
    #[track_caller]
    pub fn restart(&mut self) {
        self.restart += 1;
        self.file = create(&self.path());
    }

    /// The pod goes, its directory with it.
    #[track_caller]
    pub fn remove(self) {
        fs::remove_dir_all(self.directory.parent().expect("it has a pod")).expect("it can be removed");
    }

    /// A matcher for one of its series.
    pub fn metric(&self, name: &str) -> Metric {
        let [namespace, pod, container] = &self.names;
        metric(name).label("namespace", namespace).label("pod", pod).label("container", container)
    }

    /// A matcher for its messages on a stream.
    pub fn messages(&self, stream: &str) -> Metric {
        self.metric("log_messages_total").label("stream", stream)
    }

    /// A matcher for its matches of the pattern `error`.
    pub fn errors(&self) -> Metric {
        self.metric("log_pattern_matches_total").label("pattern", "error")
    }
}

/// For appending, as runtimes open logs.
#[track_caller]
fn create(path: &Path) -> File {
    OpenOptions::new().append(true).create(true).open(path).expect("a log can be made")
}

/// Waits until a series has a value, and gives the page.
#[track_caller]
pub fn wait_for(exporter: &Running, wanted: &Metric, value: f64) -> Page {
    until(&format!("{wanted:?} is {value}"), || {
        let page = exporter.scrape();
        match page.all(wanted).as_slice() {
            [sample] if sample.value == value => Ok(page),
            [sample] if sample.value > value && !sample.name.ends_with("_bytes") => {
                panic!("{wanted:?}: {} is more than {value}", sample.value)
            }
            other => Err(format!("{other:?}\n{}", exporter.log())),
        }
    })
}
