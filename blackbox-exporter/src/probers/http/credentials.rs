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

/// The bytes of a small file, white space around them left out. A secret need not be UTF-8.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |e: &dyn std::fmt::Display| {
        Failure::new(Phase::Setup, Reason::Module, format!("{}: expected a readable text file: {e}", path.display()))
    };
    // What is no regular file could make everybody wait.
    let bytes = read_bounded(path, MOST_FILE_BYTES).map_err(|e| failed(&e))?;
    Ok(bytes.trim_ascii().to_owned())
}

/// The bytes of something that is given in one of several ways; nothing is none.
pub(super) fn bytes(given: Option<&Given>) -> Result<Vec<u8>, Failure> {
    match given {
        None => Ok(Vec::new()),
        Some(Given::Inline(secret)) => Ok(secret.0.clone().into_bytes()),
        Some(Given::File(path)) => read_file(path),
        Some(Given::Ref(name)) => Err(no_store(name)),
    }
}

/// As [`bytes`], where only text can be used.
pub(super) fn text(given: Option<&Given>) -> Result<String, Failure> {
    String::from_utf8(bytes(given)?).map_err(|_| Failure::module("credentials: expected a file of UTF-8 text"))
}

fn no_store(name: &str) -> Failure {
    Failure::module(format!("expected a secret named {name:?}, found no store of secrets"))
}

/// Whether all that a module names can be had at all: no request is made for one that cannot.
pub(super) fn check(client: &HttpClient) -> Result<(), Failure> {
    let basic = client.basic_auth.iter().flat_map(|auth| [&auth.username, &auth.password]);
    let bearer = client.authorization.iter().map(|auth| &auth.credentials);
    let token = client.oauth2.iter().flat_map(|auth| [&auth.client_secret, &auth.client_certificate_key]);
    for given in basic.chain(bearer).chain(token).flatten() {
        if let Given::Ref(name) = given {
            return Err(no_store(name));
        }
    }
    Ok(())
}

fn basic(user: &[u8], password: &[u8]) -> Vec<u8> {
    format!("Basic {}", BASE64_STANDARD.encode([user, b":", password].concat())).into_bytes()
}

/// An `Authorization`, hidden from whoever prints it.
pub(super) fn value(text: &[u8]) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::from_bytes(text.trim_ascii())
        .map_err(|_| Failure::module("credentials: expected text that a header can hold"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The `Authorization` of `basic_auth` or `authorization`.
pub(super) fn configured(client: &HttpClient) -> Result<Option<HeaderValue>, Failure> {
    if let Some(auth) = &client.basic_auth {
        return value(&basic(&bytes(auth.username.as_ref())?, &bytes(auth.password.as_ref())?)).map(Some);
    }
    if let Some(auth) = &client.authorization {
        return value(&[auth.kind.as_bytes(), b" ", &bytes(auth.credentials.as_ref())?].concat()).map(Some);
    }
    Ok(None)
}

/// The `Authorization` of a URL's user.
pub(super) fn of_url(url: &Url) -> Result<Option<HeaderValue>, Failure> {
    url.user.as_ref().map(|(user, password)| value(&basic(user.as_bytes(), password.0.as_bytes()))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_with_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        for (bytes, want) in [(&b" text \n"[..], &b"text"[..]), (b"", b""), (b"\xff", b"\xff")] {
            std::fs::write(&file, bytes).unwrap();
            assert_eq!(read_file(&file).ok().as_deref(), Some(want), "{bytes:?}");
        }
        // Whoever opens a pipe waits for its other end: what is no regular file is not opened.
        for path in [Path::new("/dev/null"), folder.path(), &folder.path().join("none")] {
            assert_eq!(read_file(path).unwrap_err().reason, Reason::Module, "{}", path.display());
        }
    }
}
