//! Files that people and packages write: os-release, text files. They are read again only when they changed.
//!
//! Nothing here waits: what is not a regular file is refused before it is opened, and once more after, in case it was
//! replaced in between.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{FileType, OFlags, Stat};

use super::{open, pread_whole};

/// How often a file is read that is being written at the same time.
const MOST_TRIES: usize = 3;

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    device: u64,
    inode: u64,
    bytes: i64,
    /// When the content changed last, in whole seconds since 1970.
    pub modified: i64,
    modified_nanos: u64,
    /// A copy that keeps the time of modification still gets a new time of change.
    changed: i64,
    changed_nanos: u64,
}

impl Stamp {
    fn of(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            bytes: stat.st_size,
            modified: stat.st_mtime,
            modified_nanos: stat.st_mtime_nsec,
            changed: stat.st_ctime,
            changed_nanos: stat.st_ctime_nsec,
        }
    }

    /// Whether any later write is sure to leave another stamp: the clocks of file systems are coarse. The time of
    /// modification does not count, anyone can set it.
    fn is_settled(self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        i64::try_from(now).is_ok_and(|now| now - self.changed > 2)
    }
}

/// A file and what was made of its content.
pub struct Watched<T> {
    path: PathBuf,
    most_bytes: u64,
    made: Option<(Stamp, T)>,
    settled: bool,
}

impl<T> Watched<T> {
    /// A file that is not read when it is longer than `most_bytes`.
    pub fn new(path: PathBuf, most_bytes: u64) -> Self {
        Self { path, most_bytes, made: None, settled: false }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What `make` made of the content; it is called again when the file changed.
    pub fn refresh(&mut self, make: impl FnOnce(&[u8]) -> T) -> io::Result<(Stamp, &T)> {
        let stamp = checked(&rustix::fs::stat(&self.path)?, self.most_bytes)?;
        let known = self.settled && self.made.as_ref().is_some_and(|(made_of, _)| *made_of == stamp);
        if !known {
            self.made = None;
            let fd = open(&self.path, OFlags::empty())?;
            let mut stamp = checked(&rustix::fs::fstat(&fd)?, self.most_bytes)?;
            let mut text = Vec::with_capacity(usize::try_from(stamp.bytes).unwrap_or(0) + 1024);
            for _ in 0..MOST_TRIES {
                pread_whole(&fd, &mut text)?;
                let after = checked(&rustix::fs::fstat(&fd)?, self.most_bytes)?;
                if after == stamp {
                    break;
                }
                // Written while it was read: half of what was read may be old.
                stamp = after;
            }
            self.settled = stamp.is_settled();
            self.made = Some((stamp, make(&text)));
        }
        match &self.made {
            Some((stamp, made)) => Ok((*stamp, made)),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// What was made of the file when it was read last.
    pub fn made(&self) -> Option<(Stamp, &T)> {
        self.made.as_ref().map(|(stamp, made)| (*stamp, made))
    }
}

fn checked(stat: &Stat, most_bytes: u64) -> io::Result<Stamp> {
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(io::Error::other("expected a regular file"));
    }
    if u64::try_from(stat.st_size).is_ok_and(|bytes| bytes > most_bytes) {
        return Err(io::Error::other(format!("expected at most {most_bytes} bytes, found {}", stat.st_size)));
    }
    Ok(Stamp::of(stat))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File, FileTimes};
    use std::time::Duration;

    #[test]
    fn a_file_that_is_being_written_holds_up_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        fs::write(&path, "").unwrap();
        let mut file = Watched::new(path.clone(), 1 << 20);
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0_u32.. {
                    fs::write(&path, n.to_string().repeat(5000)).unwrap();
                    if stop.load(std::sync::atomic::Ordering::Relaxed) {
                        break;
                    }
                }
            });
            for _ in 0..200 {
                file.refresh(|text| !text.is_empty()).unwrap();
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        let last = fs::read(&path).unwrap();
        assert!(file.refresh(|text| *text == last[..]).unwrap().1);
    }

    #[test]
    fn a_file_is_read_again_when_it_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let mut reads = 0;
        let mut file = Watched::new(path.clone(), 10);
        let mut read = |file: &mut Watched<usize>| {
            let length = |text: &[u8]| {
                reads += 1;
                text.len()
            };
            file.refresh(length).map(|(stamp, n)| (stamp.modified, *n)).map_err(|e| e.to_string())
        };
        assert!(read(&mut file).is_err());
        fs::write(&path, "abc").unwrap();
        let old = FileTimes::new().set_modified(UNIX_EPOCH + Duration::from_secs(5));
        File::options().append(true).open(&path).unwrap().set_times(old).unwrap();
        assert_eq!(read(&mut file), Ok((5, 3)));
        file.settled = true;
        assert_eq!(read(&mut file), Ok((5, 3)));
        fs::write(&path, "abcd").unwrap();
        assert_eq!(read(&mut file).unwrap().1, 4);
        assert_eq!(read(&mut file).unwrap().1, 4, "just written: read again, it may change within the same tick");
        fs::write(&path, "x".repeat(11)).unwrap();
        assert_eq!(read(&mut file).unwrap_err(), "expected at most 10 bytes, found 11");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert_eq!(read(&mut file).unwrap_err(), "expected a regular file");
        assert_eq!(reads, 3);
    }
}
