//! Headers and credentials as the module gives them, those in files included.
//!
//! What cannot be read is left out and logged, as the Go exporter does: the server's answer tells what it thinks of that.

use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use common::watched::read_bounded;

use crate::config::{Given, HeaderValues, HttpClient};
use crate::run::ProbeLog;

/// Bytes of a file with a header or a secret.
const MOST_FILE_BYTES: u64 = 64 << 10;

/// The value of `Authorization`, if the module has one that can be read.
pub(super) fn authorization(client: &HttpClient, log: &mut ProbeLog) -> Option<String> {
    if let Some(auth) = &client.basic_auth {
        let (user, password) = (text(auth.username.as_ref(), log)?, text(auth.password.as_ref(), log)?);
        return Some(format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}"))));
    }
    let auth = client.authorization.as_ref()?;
    Some(format!("{} {}", auth.kind, text(auth.credentials.as_ref(), log)?))
}

/// Headers with their values.
pub(super) fn headers(configured: &[(String, HeaderValues)], log: &mut ProbeLog) -> Vec<(String, Vec<String>)> {
    let all = |values: &HeaderValues, log: &mut ProbeLog| {
        let mut texts = values.values.clone();
        texts.extend(values.secrets.iter().map(|secret| secret.0.clone()));
        texts.extend(values.files.iter().filter_map(|path| file(path, log)));
        texts
    };
    configured.iter().map(|(name, values)| (name.clone(), all(values, log))).collect()
}

fn text(given: Option<&Given>, log: &mut ProbeLog) -> Option<String> {
    match given {
        None => Some(String::new()),
        Some(Given::Inline(secret)) => Some(secret.0.clone()),
        Some(Given::File(path)) => file(path, log),
        Some(Given::Ref(name)) => {
            log.warn("There is no store of secrets", &[("ref", name)]);
            None
        }
    }
}

/// The text of a file, white space around it left out.
fn file(path: &Path, log: &mut ProbeLog) -> Option<String> {
    // What is no regular file could make everybody wait.
    let read = read_bounded(path, MOST_FILE_BYTES)
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "expected text, found other bytes".to_owned()));
    match read {
        Ok(text) => Some(text.trim().to_owned()),
        Err(e) => {
            log.warn("A file with a header cannot be read", &[("file", &path.display()), ("err", &e)]);
            None
        }
    }
}
