//! What a module gives in one of several ways: text in the configuration, or a file.
//!
//! Values are never shown. Files are read when a probe runs, white space around their text is left out; one that is no
//! regular file could make everybody wait, and is refused.

use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use common::watched::read_bounded;

use crate::config::{Given, HttpClient};
use crate::reason::Failure;

/// Bytes of a file with a secret.
const MOST_FILE_BYTES: u64 = 1 << 20;

/// The bytes of a small file, white space around them left out. A secret need not be UTF-8.
///
/// # Errors
/// It cannot be read.
pub fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = read_bounded(path, MOST_FILE_BYTES)
        .map_err(|e| Failure::module(format!("{}: expected a readable text file: {e}", path.display())))?;
    Ok(bytes.trim_ascii().to_owned())
}

/// The bytes of something that is given in one of several ways; nothing is none.
///
/// # Errors
/// It cannot be had.
pub fn bytes(given: Option<&Given>) -> Result<Vec<u8>, Failure> {
    match given {
        None => Ok(Vec::new()),
        Some(Given::Inline(secret)) => Ok(secret.0.clone().into_bytes()),
        Some(Given::File(path)) => read_file(path),
        Some(Given::Ref(name)) => Err(no_store(name)),
    }
}

/// As [`bytes`], where only text can be used.
///
/// # Errors
/// It cannot be had, or is no text.
pub fn text(given: Option<&Given>) -> Result<String, Failure> {
    String::from_utf8(bytes(given)?).map_err(|_| Failure::module("credentials: expected a file of UTF-8 text"))
}

/// The failure of whoever needs a secret by its name.
pub fn no_store(name: &str) -> Failure {
    Failure::module(format!("expected a secret named {name:?}, found no store of secrets"))
}

/// An `Authorization` of a user and a password (RFC 7617).
pub fn basic(user: &[u8], password: &[u8]) -> Vec<u8> {
    format!("Basic {}", BASE64_STANDARD.encode([user, b":", password].concat())).into_bytes()
}

/// The `Authorization` of `basic_auth` or `authorization`, if there is one.
///
/// # Errors
/// A part of it cannot be had.
pub fn authorization(client: &HttpClient) -> Result<Option<Vec<u8>>, Failure> {
    if let Some(auth) = &client.basic_auth {
        return Ok(Some(basic(&bytes(auth.username.as_ref())?, &bytes(auth.password.as_ref())?)));
    }
    let Some(auth) = &client.authorization else { return Ok(None) };
    Ok(Some([auth.kind.as_bytes(), b" ", &bytes(auth.credentials.as_ref())?].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::Reason;

    #[test]
    fn files_with_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        for (bytes, want) in [(&b" text \n"[..], &b"text"[..]), (b"", b""), (b"\xff\n", b"\xff")] {
            std::fs::write(&file, bytes).unwrap();
            assert_eq!(read_file(&file).unwrap(), want, "{bytes:?}");
        }
        // Whoever opens a pipe waits for its other end: what is no regular file is not opened.
        for path in [Path::new("/dev/null"), folder.path(), &folder.path().join("none")] {
            assert_eq!(read_file(path).unwrap_err().reason, Reason::Module, "{}", path.display());
        }
    }
}
