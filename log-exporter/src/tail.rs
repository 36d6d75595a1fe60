//! One log file: which one it is, whatever its name, and how far it was read.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rustix::fs::OFlags;

use crate::lines::Progress;

/// Device and inode: the same file under any name, until it is gone and another one gets its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The device.
    pub dev: u64,
    /// The inode.
    pub ino: u64,
}

impl Key {
    /// Which file it is.
    pub fn of(meta: &Metadata) -> Self {
        Self { dev: meta.dev(), ino: meta.ino() }
    }
}

/// Bytes at the beginning of a file that tell it from another one: the first line's time has nanoseconds.
const PRINT_BYTES: usize = 128;

/// What a file begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Print {
    /// How many bytes.
    pub length: u64,
    /// FNV-1a of them.
    pub hash: u64,
}

impl Print {
    /// Of the first bytes of a file, as many as there are.
    pub fn of(bytes: &[u8]) -> Self {
        let bytes = bytes.get(..PRINT_BYTES).unwrap_or(bytes);
        let hash = bytes
            .iter()
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        Self { length: bytes.len() as u64, hash }
    }

    /// Reads it.
    ///
    /// # Errors
    /// Those of the file.
    pub fn read(file: &File) -> io::Result<Self> {
        let mut bytes = [0; PRINT_BYTES];
        let length = file.read_at(&mut bytes, 0)?;
        Ok(Self::of(bytes.get(..length).unwrap_or_default()))
    }

    /// Whether a file still begins with this.
    ///
    /// # Errors
    /// Those of the file.
    pub fn is_of(self, file: &File) -> io::Result<bool> {
        let mut bytes = [0; PRINT_BYTES];
        let most = usize::try_from(self.length).unwrap_or(PRINT_BYTES).min(PRINT_BYTES);
        let (wanted, _) = bytes.split_at_mut(most);
        let length = file.read_at(wanted, 0)?;
        Ok(Self::of(wanted.get(..length).unwrap_or_default()) == self)
    }

    /// Whether more bytes would make it better.
    pub fn is_short(self) -> bool {
        self.length < PRINT_BYTES as u64
    }
}

/// Opens a log file. Never waits: what is no regular file is refused, and a fifo's other end is not waited for.
///
/// # Errors
/// Those of the system, and that it is no regular file.
pub fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let meta = file.metadata()?;
    if meta.is_file() { Ok((file, meta)) } else { Err(io::Error::other("expected a regular file")) }
}

/// A file that is followed.
#[derive(Debug)]
pub struct Tail {
    /// Which file.
    pub key: Key,
    /// Its name, when it was seen last.
    pub path: PathBuf,
    /// `None` while nothing is expected of it.
    pub file: Option<Arc<File>>,
    /// What it begins with.
    pub print: Print,
    /// How far it was read.
    pub progress: Progress,
    /// Up to where it was read, the line that has no end yet included.
    pub read_to: u64,
    /// Its length, when it was looked at last.
    pub size: u64,
    /// Whether its name is the one that the runtime writes to.
    pub is_live: bool,
    /// Whether the directory had a name for it when it was listed last.
    pub is_listed: bool,
    /// When something new was last seen in it, or about its name.
    pub news_at: Instant,
    /// Positions when a page was served last.
    pub shown: [u64; 3],
}

impl Tail {
    /// Bytes that are there and not read.
    pub fn lag(&self) -> u64 {
        self.size.saturating_sub(self.progress.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_is_known_by_what_it_begins_with() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0.log");
        fs::write(&path, "2026").unwrap();
        let (file, meta) = open(&path).unwrap();
        assert_eq!(Key::of(&meta), Key::of(&fs::metadata(&path).unwrap()));
        let print = Print::read(&file).unwrap();
        assert!(print.is_short() && print.is_of(&file).unwrap());
        fs::write(&path, "2026-11-22").unwrap();
        assert!(print.is_of(&file).unwrap());
        fs::write(&path, "2025-11-22").unwrap();
        assert!(!print.is_of(&file).unwrap());
        fs::write(&path, "20").unwrap();
        assert!(!print.is_of(&file).unwrap());
        fs::write(&path, vec![b'x'; 1000]).unwrap();
        let print = Print::read(&file).unwrap();
        assert!(!print.is_short() && print.is_of(&file).unwrap());
    }

    #[test]
    fn only_files_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        assert!(open(folder.path()).is_err());
        assert!(open(&folder.path().join("absent")).is_err());
        let fifo = folder.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert_eq!(open(&fifo).unwrap_err().to_string(), "expected a regular file");
    }
}
