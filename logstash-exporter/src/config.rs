//! The configuration file of the maintained Logstash exporter: YAML text to checked settings.
//!
//! * Sections: `logstash` (what is asked), `server` (our own web face), `logging`; `kubernetes` belongs to a program that
//!   this one is not, and is passed over with a warning.
//! * Read at load, and again when one of them changes: the file, CA, certificate and key files of the instances, password
//!   files, the users file. The server's own certificate and key are the web face's business, for every handshake.
//! * File names are relative to the working directory, as in the Go exporter.
//! * Secrets appear in no message, no Debug output and no label.
//! * Differs from the Go exporter: a key it would pass over in silence is a warning; every mistake is told at once; a CA or
//!   password file that cannot be read is one (there: no TLS settings and no credentials); a password file loses the
//!   newline at its end; two instances with the same labels are one (there: no page at all); credentials in a URL are used
//!   and left out of the labels; `cipher_suites`, `curve_preferences` and `max_connections` do what they say; a
//!   `client_ca_file` without a `client_auth_type` that asks for certificates is a mistake.
//! * Ours: `timeout`, `tls_config.cert_file`, `.key_file` and `.min_version` of an instance; `logstash.timeout` as another
//!   name of `httpTimeout`.

mod instances;
mod reading;
mod server;

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::error::{ConfigError, Mistakes};
use common::upstream::{TlsOptions, Url};
use common::watched::Watched;
use common::web::Limits;
use common::web::config::WebConfig;
use common::yaml;

use reading::{Reading, Section};

pub use instances::{base as base_url, usual_name};
pub use reading::ReadFile;

/// What the file says, every rule checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What is asked, at least one.
    pub instances: Vec<Instance>,
    /// Our own web face.
    pub server: Server,
    /// What is logged.
    pub logging: Logging,
    /// What works but not as written, a sentence each that begins with file and line.
    pub warnings: Vec<String>,
}

/// One Logstash.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// The label `instance_name`.
    pub name: String,
    /// Where it is, the path being what stands before the API's own; its text is the label `hostname`.
    pub url: Url,
    /// The most that all requests of one scrape may take together.
    pub timeout: Duration,
    /// How TLS is spoken, when the URL asks for it.
    pub tls: TlsOptions,
    /// What is sent as basic auth.
    pub credentials: Option<Credentials>,
}

/// User and password of basic auth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user, without a colon.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// A text that no message shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text, for whom it is meant.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Our own web face. Address and limits are fixed at start, as TLS on or off is.
#[derive(Clone, Debug)]
pub struct Server {
    /// `host:port` or `:port`, as `--web.listen-address` takes it.
    pub listen: String,
    /// TLS and users.
    pub web: WebConfig,
    /// For the head of a request.
    pub read_timeout: Option<Duration>,
    /// For a client that takes nothing of its answer.
    pub write_timeout: Option<Duration>,
    /// Connections at one time.
    pub max_connections: Option<usize>,
}

impl Server {
    /// The web face's limits, with those that the file sets.
    pub fn limits(&self) -> Limits {
        let usual = Limits::default();
        Limits {
            connections: self.max_connections.unwrap_or(usual.connections),
            header_read: self.read_timeout.unwrap_or(usual.header_read),
            write_stall: self.write_timeout.unwrap_or(usual.write_stall),
            ..usual
        }
    }
}

/// What is logged, in the words of the flags; `None` where the file says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Logging {
    /// The value of `--log.level`.
    pub level: Option<&'static str>,
    /// The value of `--log.format`.
    pub format: Option<&'static str>,
}

/// Opens the configuration file; `automatic` is whether a change of it, or of a file it names, is followed by itself.
///
/// The log is set up with what the file says, so the warnings of the first reading are left to the caller; those of later
/// ones are logged here.
///
/// # Errors
/// Every mistake.
pub fn open(path: &Path, automatic: bool) -> Result<Watched<Settings>, Vec<ConfigError>> {
    let started = AtomicBool::new(false);
    let watched = Watched::open_with_files(path, move |text, path, files| {
        let settings = parse(path, text, &mut |path, most_bytes| files.read(path, most_bytes))?;
        if started.swap(true, Ordering::Relaxed) {
            settings.log_warnings();
        }
        Ok::<_, Mistakes>(settings)
    })?;
    Ok(watched.automatic(automatic))
}

impl Settings {
    /// Sends the warnings to the log.
    pub fn log_warnings(&self) {
        for warning in &self.warnings {
            tracing::warn!("{warning}");
        }
    }
}

/// Checks the text of a configuration file; `file` gives messages a place, `read` gets the files it names.
///
/// # Errors
/// Every mistake.
pub fn parse(file: &Path, text: &str, read: &mut ReadFile<'_>) -> Result<Settings, Mistakes> {
    let root = yaml::parse(text).map_err(|e| {
        let key = if e.key.is_empty() { String::new() } else { format!(" {}:", e.key.escape_debug()) };
        Mistakes(vec![ConfigError::new(format!("{}:{}:{key} {}", file.display(), e.line, e.what))])
    })?;
    let mut reading = Reading::new(file, read);
    let mut root = Section::whole(&mut reading, root);
    let instances = instances::resolve(&mut reading, root.take("logstash"));
    let server = server::resolve(&mut reading, root.take("server"));
    let logging = logging(&mut reading, root.take("logging"));
    // What the controller does with its keys is nothing to this program; a file that switches it off loses nothing.
    if let Some(mut kubernetes) = reading.section(root.take("kubernetes"))
        && reading.switch(kubernetes.take("enabled")) != Some(false)
    {
        reading.warn(&kubernetes.at, "the controller that discovers instances is not part of this program");
    }
    root.end(&mut reading);
    match reading.mistakes.is_empty() {
        true => Ok(Settings { instances, server, logging, warnings: reading.warnings }),
        false => Err(Mistakes(reading.mistakes)),
    }
}

fn logging(reading: &mut Reading<'_>, entry: Option<reading::Entry>) -> Logging {
    let Some(mut section) = reading.section(entry) else { return Logging::default() };
    let levels = [("debug", "debug"), ("info", "info"), ("warn", "warn"), ("error", "error")];
    let level = reading.pick(section.take("level"), &levels).map(|(_, level)| level);
    let format =
        reading.pick(section.take("format"), &[("text", "logfmt"), ("json", "json")]).map(|(_, format)| format);
    section.end(reading);
    Logging { level, format }
}

#[cfg(test)]
mod tests;
