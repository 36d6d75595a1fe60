//! Headers and credentials as the module gives them, those in files included.
//!
//! What cannot be had is left out and logged, as the Go exporter does: the server's answer tells what it thinks of that.

use std::path::Path;

use crate::config::{HeaderValues, HttpClient};
use crate::given::{self, read_file};
use crate::reason::Failure;
use crate::run::ProbeLog;

/// The value of `Authorization`, if the module has one that can be read.
pub(super) fn authorization(client: &HttpClient, log: &mut ProbeLog) -> Option<String> {
    let text = had(given::authorization(client), log).flatten()?;
    had(as_text(text), log)
}

/// Headers with their values.
pub(super) fn headers(configured: &[(String, HeaderValues)], log: &mut ProbeLog) -> Vec<(String, Vec<String>)> {
    let all = |values: &HeaderValues, log: &mut ProbeLog| {
        let mut texts = values.values.clone();
        texts.extend(values.secrets.iter().map(|secret| secret.0.clone()));
        texts.extend(values.files.iter().filter_map(|path| had(file(path), log)));
        texts
    };
    configured.iter().map(|(name, values)| (name.clone(), all(values, log))).collect()
}

fn file(path: &Path) -> Result<String, Failure> {
    read_file(path).and_then(as_text)
}

fn as_text(bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|_| Failure::module("headers: expected text, found other bytes"))
}

fn had<T>(what: Result<T, Failure>, log: &mut ProbeLog) -> Option<T> {
    what.map_err(|e| log.warn("A header is left out", &[("err", &e)])).ok()
}
