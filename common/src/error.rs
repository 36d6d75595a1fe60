//! What can go wrong, in the words the user reads.
//!
//! Wording: the place first, lower case, no full stop, what was expected and what was found; a cause is printed once.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// One field of a foreign text that is not what its format says. Parsers know no path; the caller adds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadField {
    /// Line number from 1.
    pub line: u32,
    /// What the field is, in the words of its format.
    pub field: &'static str,
    /// What would have been right.
    pub expected: &'static str,
    /// The start of what was there.
    pub found: String,
}

impl BadField {
    /// A field that should have been `expected`; keeps at most the first 40 bytes of what was found.
    pub fn new(line: u32, field: &'static str, expected: &'static str, found: &[u8]) -> Self {
        let found = String::from_utf8_lossy(found.get(..40).unwrap_or(found)).into_owned();
        Self { line, field, expected, found }
    }

    /// Adds the file.
    pub fn in_file(self, path: &Path) -> CollectError {
        CollectError::Malformed { path: path.to_owned(), bad: self }
    }
}

impl fmt::Display for BadField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: expected {}, found {:?}", self.line, self.field, self.expected, self.found)
    }
}

/// Why a collector, or one device within it, has no samples in this scrape.
#[derive(Debug)]
pub enum CollectError {
    /// The host has nothing of this kind: a fact, logged at debug level.
    NoData {
        /// What is not there, for example `bonding is not loaded`.
        what: Cow<'static, str>,
    },
    /// A file could not be opened or read.
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A file is not as its format says.
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where in it, and what was expected.
        bad: BadField,
    },
    /// Anything else: a system call, a netlink answer, a deadline.
    Failed {
        /// What was tried and what came of it.
        what: String,
    },
}

impl CollectError {
    /// The host has nothing of this kind.
    pub const fn no_data(what: &'static str) -> Self {
        Self::NoData { what: Cow::Borrowed(what) }
    }

    /// A file could not be read.
    pub fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    /// Something that is not about a file.
    pub fn failed(what: impl Into<String>) -> Self {
        Self::Failed { what: what.into() }
    }

    /// Whether this only says that the host has nothing to report.
    pub fn is_no_data(&self) -> bool {
        matches!(self, Self::NoData { .. })
    }

    /// Turns "the file is not there" into [`CollectError::NoData`]; everything else stays.
    pub fn absent_is_no_data(self, what: &'static str) -> Self {
        match self {
            Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => Self::no_data(what),
            other => other,
        }
    }
}

impl fmt::Display for CollectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoData { what } => f.write_str(what),
            Self::Io { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Malformed { path, bad } => write!(f, "{}:{bad}", path.display()),
            Self::Failed { what } => f.write_str(what),
        }
    }
}

impl std::error::Error for CollectError {}

/// Gone since it was listed, or never built into this kernel: a fact, not a fault.
pub fn is_absent(e: &io::Error) -> bool {
    matches!(
        e.raw_os_error(),
        Some(libc::ENOENT | libc::ENOTDIR | libc::ESRCH | libc::ENODEV | libc::ENXIO | libc::EOPNOTSUPP)
    )
}

/// The reader lacks a privilege.
pub fn is_denied(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::EPERM | libc::EACCES))
}

/// A start that cannot succeed: which flag, file or section, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    message: String,
}

impl ConfigError {
    /// One clear sentence that begins with the place.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_place() {
        let bad = BadField::new(4, "receive bytes", "a whole number", b"12x");
        assert_eq!(
            bad.in_file(Path::new("/proc/net/dev")).to_string(),
            "/proc/net/dev:4: receive bytes: expected a whole number, found \"12x\""
        );
        let missing = CollectError::io(Path::new("/proc/x"), io::Error::from_raw_os_error(libc::ENOENT));
        assert_eq!(missing.to_string(), "/proc/x: No such file or directory (os error 2)");
        assert!(missing.absent_is_no_data("no x here").is_no_data());
    }
}
