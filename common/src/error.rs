//! What can go wrong, in the words the user reads.
//!
//! Wording: the place first, lower case, no full stop, what was expected and what was found; a cause is printed once.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
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
        /// What was tried, for example a device; empty for the collector as a whole.
        place: String,
        /// What came of it.
        what: String,
        /// What kind of failure that is.
        reason: Reason,
    },
}

/// Why something is not on the page, in a word that alert rules can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The host has nothing of the kind.
    NoData,
    /// The reader lacks a privilege.
    Permission,
    /// What was read makes no sense, or reading failed.
    Error,
    /// No answer in time.
    Timeout,
    /// A bug of ours.
    Panic,
}

impl Reason {
    /// The word, as it stands in labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoData => "no_data",
            Self::Permission => "permission",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::Panic => "panic",
        }
    }
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

    /// Something that is not about a file; the place comes first, as in `eth0: no such device`.
    pub fn failed(message: impl Into<String>) -> Self {
        let message = message.into();
        match message.split_once(": ") {
            Some((place, what)) => Self::at(place, Reason::Error, what),
            None => Self::at("", Reason::Error, message),
        }
    }

    /// Something that is not about a file: where, why and what.
    pub fn at(place: impl Into<String>, reason: Reason, what: impl Into<String>) -> Self {
        Self::Failed { place: place.into(), what: what.into(), reason }
    }

    /// A system call about `place` (a device, a question) was refused or failed.
    pub fn call(place: impl Into<String>, source: &io::Error) -> Self {
        Self::at(place, reason_of(source), source.to_string())
    }

    /// `place`, or the collector as a whole if that is empty, did not answer in time.
    pub fn timed_out(place: impl Into<String>) -> Self {
        Self::at(place, Reason::Timeout, "no answer in time")
    }

    /// The code that reads `place`, or the whole collector if that is empty, panicked.
    pub fn panicked(place: impl Into<String>, message: &str) -> Self {
        Self::at(place, Reason::Panic, format!("panicked: {message}"))
    }

    /// Whether this only says that the host has nothing to report.
    pub fn is_no_data(&self) -> bool {
        matches!(self, Self::NoData { .. })
    }

    /// What kind of failure it is.
    pub fn reason(&self) -> Reason {
        match self {
            Self::NoData { .. } => Reason::NoData,
            Self::Io { source, .. } => reason_of(source),
            Self::Malformed { .. } => Reason::Error,
            Self::Failed { reason, .. } => *reason,
        }
    }

    /// What failed: a file, a device; empty for the collector as a whole.
    pub fn place(&self) -> &[u8] {
        match self {
            Self::NoData { .. } => b"",
            Self::Io { path, .. } | Self::Malformed { path, .. } => path.as_os_str().as_bytes(),
            Self::Failed { place, .. } => place.as_bytes(),
        }
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
            Self::Failed { place, what, .. } if place.is_empty() => f.write_str(what),
            Self::Failed { place, what, .. } => write!(f, "{place}: {what}"),
        }
    }
}

impl std::error::Error for CollectError {}

/// For one failure that several collectors share.
impl Clone for CollectError {
    fn clone(&self) -> Self {
        match self {
            Self::NoData { what } => Self::NoData { what: what.clone() },
            Self::Io { path, source } => {
                let again = || io::Error::new(source.kind(), source.to_string());
                let source = source.raw_os_error().map_or_else(again, io::Error::from_raw_os_error);
                Self::Io { path: path.clone(), source }
            }
            Self::Malformed { path, bad } => Self::Malformed { path: path.clone(), bad: bad.clone() },
            Self::Failed { place, what, reason } => {
                Self::Failed { place: place.clone(), what: what.clone(), reason: *reason }
            }
        }
    }
}

/// Gone since it was listed, or never built into this kernel: a fact, not a fault.
pub fn is_absent(e: &io::Error) -> bool {
    matches!(
        e.raw_os_error(),
        Some(libc::ENOENT | libc::ENOTDIR | libc::ESRCH | libc::ENODEV | libc::ENXIO | libc::EOPNOTSUPP)
    )
}

/// What kind of failure the system's answer is.
pub fn reason_of(e: &io::Error) -> Reason {
    match e.kind() {
        _ if is_denied(e) => Reason::Permission,
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Reason::Timeout,
        _ => Reason::Error,
    }
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

/// Every mistake of a file, a line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes(pub Vec<ConfigError>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, mistake) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            mistake.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_has_a_place_and_a_reason() {
        let denied = CollectError::io(Path::new("/x/y"), io::Error::from_raw_os_error(libc::EACCES));
        assert_eq!((denied.place(), denied.reason()), (b"/x/y".as_slice(), Reason::Permission));
        let failed = CollectError::failed("eth0: gone: for good");
        assert_eq!((failed.place(), failed.reason()), (b"eth0".as_slice(), Reason::Error));
        assert_eq!(failed.to_string(), "eth0: gone: for good");
        for e in [denied, failed, CollectError::timed_out("bus"), CollectError::panicked("", "x")] {
            let again = e.clone();
            assert_eq!((again.to_string(), again.reason()), (e.to_string(), e.reason()));
        }
        assert!(Reason::Panic > Reason::Timeout && Reason::Permission > Reason::NoData, "the worst one is told");
    }

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
