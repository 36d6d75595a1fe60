//! Files that are read again when they change: their stamps, and a reader that remembers what it read.
//!
//! * A file is asked for with one `stat`, about a microsecond; it has changed when device, inode, size, mtime or ctime
//!   have.
//! * A file that was changed less than two seconds before it was read is young: its stamp is too coarse to show a second
//!   change right behind the first, so it is worth another look.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Time stamps of files move in steps of up to 10 ms on Linux and 2 s on the coarsest file system in use.
const STAMP_STEP: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let about = fs::metadata(path).ok()?;
        Some(Self {
            device: about.dev(),
            inode: about.ino(),
            size: about.size(),
            modified: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
        })
    }

    fn is_young(&self, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let changed = u64::try_from(self.changed.0).unwrap_or(0);
        now.abs_diff(changed) <= STAMP_STEP.as_secs()
    }
}

/// Files and how they looked when they were noted; a file that is not there looks like nothing.
#[derive(Debug, Default)]
pub struct Stamps {
    files: Vec<(PathBuf, Option<Stamp>)>,
    young: bool,
}

impl Stamps {
    /// Notes how a file looks. To be done before it is read: what changes in between is seen the next time.
    pub fn note(&mut self, path: &Path) {
        let stamp = Stamp::of(path);
        self.young |= stamp.is_some_and(|stamp| stamp.is_young(SystemTime::now()));
        self.files.push((path.into(), stamp));
    }

    /// Whether a file looks different now.
    #[must_use]
    pub fn have_changed(&self) -> bool {
        self.files.iter().any(|(path, stamp)| Stamp::of(path) != *stamp)
    }

    /// Whether a file was young when it was noted.
    #[must_use]
    pub fn are_young(&self) -> bool {
        self.young
    }

    /// The files, in the order they were noted.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|(path, _)| path.as_path())
    }
}

/// Reads files and remembers which, how they looked and a digest of what was in them, but nothing of the text itself,
/// which may hold secrets.
#[derive(Default)]
pub struct Files {
    stamps: Stamps,
    most_bytes: Vec<u64>,
    hasher: DefaultHasher,
}

impl Files {
    /// A whole file, as [`read_bounded`] does.
    ///
    /// # Errors
    /// What is wrong with the file, without its name.
    pub fn read(&mut self, path: &Path, most_bytes: u64) -> Result<Vec<u8>, String> {
        self.stamps.note(path);
        self.most_bytes.push(most_bytes);
        let bytes = read_bounded(path, most_bytes);
        (path, &bytes).hash(&mut self.hasher);
        bytes
    }

    /// Whether there is a reason to look again.
    pub(super) fn are_stale(&self) -> bool {
        self.stamps.are_young() || self.stamps.have_changed()
    }

    /// The same files as they are now.
    pub(super) fn again(&self) -> Self {
        let mut files = Self::default();
        for (path, most_bytes) in self.stamps.paths().zip(&self.most_bytes) {
            // What is wrong with a file is part of its digest; whoever wants the text asks for it again.
            let _digested = files.read(path, *most_bytes);
        }
        files
    }

    /// Whether both found the same in the same files.
    pub(super) fn hold_the_same(&self, other: &Self) -> bool {
        self.hasher.finish() == other.hasher.finish()
    }
}

/// A whole regular file of bounded size: a pipe or a device named by mistake must not hang or fill the process.
///
/// # Errors
/// What is wrong with the file, without its name.
pub fn read_bounded(path: &Path, most_bytes: u64) -> Result<Vec<u8>, String> {
    let about = fs::metadata(path).map_err(|e| e.to_string())?;
    if !about.is_file() {
        return Err("expected a regular file".into());
    }
    let too_large = |size: u64| Err(format!("expected at most {most_bytes} bytes, found {size}"));
    if about.len() > most_bytes {
        return too_large(about.len());
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|e| e.to_string())?;
    file.take(most_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    // It may have grown since, and files of the kernel say they are empty.
    if bytes.len() as u64 > most_bytes { too_large(bytes.len() as u64) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        fs::write(&file, "12345").unwrap();
        assert_eq!(read_bounded(&file, 5).unwrap(), b"12345");
        assert_eq!(read_bounded(&file, 4).unwrap_err(), "expected at most 4 bytes, found 5");
        assert_eq!(read_bounded(folder.path(), 9).unwrap_err(), "expected a regular file");
        assert_eq!(read_bounded(Path::new("/proc/self/status"), 9).unwrap_err(), "expected at most 9 bytes, found 10");
        assert!(read_bounded(&folder.path().join("none"), 9).unwrap_err().starts_with("No such file"));
    }

    #[test]
    fn a_stamp_ages() {
        let stamp = Stamp { device: 1, inode: 1, size: 1, modified: (0, 0), changed: (1000, 0) };
        for (now, young) in [(997, false), (998, true), (1000, true), (1002, true), (1003, false)] {
            assert_eq!(stamp.is_young(UNIX_EPOCH + Duration::from_secs(now)), young, "{now}");
        }
    }

    #[test]
    fn changes_are_seen_and_content_is_compared() {
        let folder = tempfile::tempdir().unwrap();
        let (file, missing) = (folder.path().join("f"), folder.path().join("g"));
        fs::write(&file, "a").unwrap();
        let mut files = Files::default();
        assert!(files.read(&file, 9).is_ok() && files.read(&missing, 9).is_err());
        assert!(files.are_stale(), "just written");
        assert!(!files.stamps.have_changed() && files.hold_the_same(&files.again()));
        fs::write(&missing, "").unwrap();
        assert!(files.stamps.have_changed() && !files.hold_the_same(&files.again()));
        let files = files.again();
        fs::write(folder.path().join("new"), "a").unwrap();
        fs::rename(folder.path().join("new"), &file).unwrap();
        assert!(files.stamps.have_changed() && files.hold_the_same(&files.again()), "another file, the same text");
    }
}
