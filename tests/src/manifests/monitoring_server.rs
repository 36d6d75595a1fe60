//! The files of the monitoring server as they lie on it, in folders of a test.
//!
//! What a test changes in them it names as text that must be there, so that a change of the files cannot turn a test into
//! one that checks nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::fixture::Fixture;
use crate::manifests;
use crate::tools::tool;

/// Its folder below `manifests/`.
pub const FOLDER: &str = "monitoring-server";

/// What makes intervals short enough to wait for; see [`edited`].
pub const QUICK: &[(&str, &str)] = &[
    ("scrape_interval: 30s", "scrape_interval: 1s"),
    ("scrape_timeout: 10s", "scrape_timeout: 1s"),
    ("evaluation_interval: 30s", "evaluation_interval: 1s"),
    ("scrape_timeout: 25s", "scrape_timeout: 1s"),
];

/// The path of one of its files.
pub fn path(relative: &str) -> PathBuf {
    manifests::path(FOLDER).join(relative)
}

/// The text of one of its files.
#[track_caller]
pub fn text(relative: &str) -> String {
    manifests::text(&format!("{FOLDER}/{relative}"))
}

/// A text with changes; panics when one of the texts to change isn't there.
#[track_caller]
pub fn edited(text: &str, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "nothing reads {from:?} in:\n{text}");
        text.replace(from, to)
    })
}

/// The folder that is `/etc/prometheus` on the server, with these targets; secrets are there, and made up.
#[track_caller]
pub fn etc_prometheus(targets: &str, changes: &[(&str, &str)]) -> Fixture {
    let config = edited(&manifests::for_this_prometheus(&text("prometheus/prometheus.yml")), changes);
    let rules = manifests::files(&format!("{FOLDER}/prometheus/rules"), &["yml"]);
    let folder = Fixture::new()
        .file("prometheus.yml", config)
        .file("targets.yml", targets)
        .file("secrets/federation-ca.crt", "")
        .file("secrets/federation-password", "made up")
        .folder("rules");
    rules.iter().fold(folder, |folder, rule| {
        let name = rule.file_name().expect("a file has a name");
        folder.file(Path::new("rules").join(name), fs::read(rule).expect("a rule file can be read"))
    })
}

/// A copy of what `credentials.sh` works on, to run it in.
#[derive(Debug)]
pub struct Credentials {
    copy: Fixture,
}

impl Default for Credentials {
    fn default() -> Self {
        Self::new()
    }
}

impl Credentials {
    /// The script, and nothing made yet.
    #[track_caller]
    pub fn new() -> Self {
        let script = Path::new(FOLDER).join("credentials.sh");
        let copy = Fixture::new().file(&script, text("credentials.sh")).mode(&script, 0o755).folder("overlays/cluster");
        Self { copy }
    }

    /// Runs it.
    #[track_caller]
    pub fn make(&self, names: &[&str]) -> Output {
        let script = self.copy.path(FOLDER).join("credentials.sh");
        // By its interpreter: a program just written may not be started while another thread forks.
        Command::new("sh").arg(script).args(names).output().expect("there is a shell")
    }

    /// A file of the cluster's half.
    pub fn cluster(&self, name: &str) -> PathBuf {
        self.copy.path("overlays/cluster/prometheus/secrets").join(name)
    }

    /// A file of the server's half.
    pub fn server(&self, name: &str) -> PathBuf {
        self.copy.path(FOLDER).join("secrets").join(name)
    }

    /// An OpenSSL that knows where the files are.
    #[track_caller]
    pub fn openssl(&self, arguments: &[&str]) -> Command {
        let mut openssl = Command::new(tool("openssl"));
        openssl.args(arguments).current_dir(self.copy.root());
        openssl
    }
}
