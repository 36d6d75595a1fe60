//! What a module says about who it is: `basic_auth`, `authorization`, and the user of a URL.
//!
//! Values are never shown. Files are read when a probe runs, white space around their text is left out.

use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use common::watched::read_bounded;
use hyper::header::HeaderValue;

use super::target::Url;
use crate::config::{Given, HttpClient};
use crate::reason::{Failure, Phase, Reason};

/// Bytes of a file with a secret.
const MOST_FILE_BYTES: u64 = 1 << 20;

/// The text of a small file, white space around it left out.
pub(super) fn read_file(path: &Path) -> Result<String, Failure> {
    let failed = |e: &dyn std::fmt::Display| {
        Failure::new(Phase::Setup, Reason::Module, format!("{}: expected a readable text file: {e}", path.display()))
    };
    // What is no regular file could make everybody wait.
    let bytes = read_bounded(path, MOST_FILE_BYTES).map_err(|e| failed(&e))?;
    let text = String::from_utf8(bytes).map_err(|_| failed(&"it is not UTF-8"))?;
    Ok(text.trim().to_owned())
}

/// The text of something that is given in one of several ways; nothing is an empty text.
pub(super) fn text(given: Option<&Given>) -> Result<String, Failure> {
    match given {
        None => Ok(String::new()),
        Some(Given::Inline(secret)) => Ok(secret.0.clone()),
        Some(Given::File(path)) => read_file(path),
        Some(Given::Ref(name)) => {
            Err(Failure::module(format!("expected a secret named {name:?}, found no store of secrets")))
        }
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

/// An `Authorization`, hidden from whoever prints it.
pub(super) fn value(text: &str) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::from_bytes(text.trim().as_bytes())
        .map_err(|_| Failure::module("credentials: expected text that a header can hold"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The `Authorization` of `basic_auth` or `authorization`.
pub(super) fn configured(client: &HttpClient) -> Result<Option<HeaderValue>, Failure> {
    if let Some(auth) = &client.basic_auth {
        return value(&basic(&text(auth.username.as_ref())?, &text(auth.password.as_ref())?)).map(Some);
    }
    if let Some(auth) = &client.authorization {
        return value(&format!("{} {}", auth.kind, text(auth.credentials.as_ref())?)).map(Some);
    }
    Ok(None)
}

/// The `Authorization` of a URL's user.
pub(super) fn of_url(url: &Url) -> Result<Option<HeaderValue>, Failure> {
    url.user.as_ref().map(|(user, password)| value(&basic(user, &password.0))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_with_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        for (bytes, want) in [(&b" text \n"[..], Some("text")), (b"", Some("")), (b"\xff", None)] {
            std::fs::write(&file, bytes).unwrap();
            assert_eq!(read_file(&file).ok().as_deref(), want, "{bytes:?}");
        }
        // Whoever opens a pipe waits for its other end: what is no regular file is not opened.
        for path in [Path::new("/dev/null"), folder.path(), &folder.path().join("none")] {
            assert_eq!(read_file(path).unwrap_err().reason, Reason::Module, "{}", path.display());
        }
    }
}
