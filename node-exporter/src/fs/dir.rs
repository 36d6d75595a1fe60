//! Directories that are listed again and again, and the devices they have.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{OFlags, RawDir, SeekFrom};

use super::kept::Kept;
use super::open;

/// What a directory entry is, as far as the file system tells at no cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Link,
    /// Anything else, or not known.
    Other,
}

/// A directory that is listed at each scrape.
pub struct KeptDir {
    path: PathBuf,
    fd: Option<Kept>,
    entries: Vec<(Vec<u8>, EntryKind)>,
    /// What [`changed`](Self::changed) saw last.
    print: Option<u64>,
}

impl KeptDir {
    /// A directory that is opened at its first listing.
    pub fn new(path: PathBuf) -> Self {
        Self { path, fd: None, entries: Vec::new(), print: None }
    }

    /// Where the directory is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the directory holds other entries than when this was last asked; [`entries`](Self::entries) then has
    /// them. Nothing is copied or sorted as long as nothing changes. An error forgets what was seen.
    pub fn changed(&mut self) -> io::Result<bool> {
        let print = match self.fingerprint() {
            Ok(print) => print,
            Err(e) => {
                self.fd = None;
                self.print = None;
                self.entries.clear();
                return Err(e);
            }
        };
        if self.print == Some(print) {
            return Ok(false);
        }
        self.print = None;
        self.list()?;
        self.print = Some(print);
        Ok(true)
    }

    /// The entries of the last listing, sorted by name.
    pub fn entries(&self) -> &[(Vec<u8>, EntryKind)] {
        &self.entries
    }

    fn fingerprint(&mut self) -> io::Result<u64> {
        if let Some(kept) = &self.fd {
            let (fd, mut n) = (kept.fd(), 0);
            let print = rustix::fs::seek(fd, SeekFrom::Start(0))
                .map_err(io::Error::from)
                .and_then(|_| fingerprint_entries(fd, &mut n));
            // As in `list`: the descriptor of a directory that was removed gives an empty listing or none.
            match print {
                Ok(print) if n > 0 || leads_to(&self.path, fd) => return Ok(print),
                _ => self.fd = None,
            }
        }
        let fd = open(&self.path, OFlags::DIRECTORY)?;
        let print = fingerprint_entries(&fd, &mut 0)?;
        self.fd = Kept::new(fd).ok();
        Ok(print)
    }

    /// Lists the directory, sorted by name, without `.` and `..`; the entries live until the next listing.
    pub fn list(&mut self) -> io::Result<&[(Vec<u8>, EntryKind)]> {
        let kept = match &self.fd {
            // The descriptor of a directory that was removed gives an empty listing or none; then it is opened anew.
            Some(kept) => {
                let fd = kept.fd();
                rustix::fs::seek(fd, SeekFrom::Start(0)).is_ok()
                    && list_entries(fd, &mut self.entries).is_ok()
                    && (!self.entries.is_empty() || leads_to(&self.path, fd))
            }
            None => false,
        };
        if !kept {
            self.fd = None;
            self.entries.clear();
            let fd = open(&self.path, OFlags::DIRECTORY)?;
            list_entries(&fd, &mut self.entries)?;
            self.fd = Kept::new(fd).ok();
        }
        Ok(&self.entries)
    }
}

/// Whether `path` still leads to the directory that is open.
fn leads_to(path: &Path, fd: &OwnedFd) -> bool {
    let is =
        |found: &rustix::fs::Stat, open: &rustix::fs::Stat| (found.st_dev, found.st_ino) == (open.st_dev, open.st_ino);
    rustix::fs::stat(path).is_ok_and(|found| rustix::fs::fstat(fd).is_ok_and(|open| is(&found, &open)))
}

/// Lists a directory once, sorted by name.
pub fn list_dir(path: &Path) -> io::Result<Vec<(Vec<u8>, EntryKind)>> {
    let mut entries = Vec::new();
    list_entries(&open(path, OFlags::DIRECTORY)?, &mut entries)?;
    Ok(entries)
}

pub(super) fn each_entry(fd: &OwnedFd, mut f: impl FnMut(&[u8], EntryKind)) -> io::Result<()> {
    let mut buffer = [MaybeUninit::<u8>::uninit(); 8192];
    let mut dir = RawDir::new(fd, &mut buffer);
    while let Some(entry) = dir.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        let kind = match entry.file_type() {
            rustix::fs::FileType::RegularFile => EntryKind::File,
            rustix::fs::FileType::Directory => EntryKind::Dir,
            rustix::fs::FileType::Symlink => EntryKind::Link,
            _ => EntryKind::Other,
        };
        f(name, kind);
    }
    Ok(())
}

/// A number that differs, for all that matters, when the names, kinds or their order do; counts the entries in `n`.
fn fingerprint_entries(fd: &OwnedFd, n: &mut usize) -> io::Result<u64> {
    let mut hasher = DefaultHasher::new();
    each_entry(fd, |name, kind| {
        *n += 1;
        (name, kind).hash(&mut hasher);
    })?;
    Ok(hasher.finish())
}

fn list_entries(fd: &OwnedFd, entries: &mut Vec<(Vec<u8>, EntryKind)>) -> io::Result<()> {
    let mut n = 0;
    each_entry(fd, |name, kind| {
        match entries.get_mut(n) {
            Some(slot) => {
                slot.0.clear();
                slot.0.extend_from_slice(name);
                slot.1 = kind;
            }
            None => entries.push((name.to_vec(), kind)),
        }
        n += 1;
    })?;
    entries.truncate(n);
    entries.sort_unstable();
    Ok(())
}

/// The devices below a class directory, each with what its collector keeps for it.
pub struct Devices<T> {
    dir: KeptDir,
    known: Vec<(Vec<u8>, T)>,
}

impl<T> Devices<T> {
    /// The devices below `dir`, listed at each [`refresh`](Self::refresh).
    pub fn new(dir: PathBuf) -> Self {
        Self { dir: KeptDir::new(dir), known: Vec::new() }
    }

    /// Where the devices are.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The devices of the last [`refresh`](Self::refresh), sorted by name.
    pub fn known_mut(&mut self) -> &mut [(Vec<u8>, T)] {
        &mut self.known
    }

    /// Lists the directory again: what is gone is dropped, what is new and fits `wanted` is made with `make` from its
    /// path and name. Gives all devices, sorted by name.
    pub fn refresh(
        &mut self,
        mut wanted: impl FnMut(&[u8], EntryKind) -> bool,
        mut make: impl FnMut(&Path, &[u8]) -> T,
    ) -> io::Result<&mut [(Vec<u8>, T)]> {
        self.dir.list()?;
        let (base, entries) = (self.dir.path(), self.dir.entries());
        let names = || entries.iter().filter(|(name, _)| !name.is_empty());
        let mut same = self.known.iter().map(|(name, _)| name);
        let mut now = names().filter(|(name, kind)| wanted(name, *kind)).map(|(name, _)| name);
        // Mostly nothing changed, and that is all there is to find out.
        let changed = loop {
            match (same.next(), now.next()) {
                (None, None) => break false,
                (Some(a), Some(b)) if a == b => {}
                _ => break true,
            }
        };
        drop(now);
        if changed {
            let mut old: std::collections::HashMap<Vec<u8>, T> = std::mem::take(&mut self.known).into_iter().collect();
            self.known = names()
                .filter(|(name, kind)| wanted(name, *kind))
                .map(|(name, _)| {
                    let state =
                        old.remove(name).unwrap_or_else(|| make(&base.join(std::ffi::OsStr::from_bytes(name)), name));
                    (name.clone(), state)
                })
                .collect();
        }
        Ok(&mut self.known)
    }
}

/// Opens a directory in passing.
pub fn open_dir(path: &Path) -> io::Result<OwnedFd> {
    open(path, OFlags::DIRECTORY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn devices_come_and_go() {
        let dir = tempfile::tempdir().unwrap();
        let mut made = 0;
        let mut devices: Devices<usize> = Devices::new(dir.path().to_owned());
        let mut names = |devices: &mut Devices<usize>| {
            let list = devices.refresh(
                |name, kind| name.starts_with(b"d") && kind == EntryKind::Dir,
                |path, name| {
                    assert!(path.ends_with(std::ffi::OsStr::from_bytes(name)));
                    made += 1;
                    made
                },
            );
            list.unwrap().iter().map(|(name, n)| format!("{}{n}", String::from_utf8_lossy(name))).collect::<Vec<_>>()
        };
        assert!(names(&mut devices).is_empty());
        for name in ["d2", "d1", "e1"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        fs::write(dir.path().join("d3"), "").unwrap();
        assert_eq!(names(&mut devices), ["d11", "d22"]);
        fs::remove_dir(dir.path().join("d1")).unwrap();
        fs::create_dir(dir.path().join("d0")).unwrap();
        assert_eq!(names(&mut devices), ["d03", "d22"]);
        fs::remove_dir_all(dir.path()).unwrap();
        assert!(devices.refresh(|_, _| true, |_, _| 0).is_err());
    }

    #[test]
    fn an_empty_directory_stays_open_and_its_replacement_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("d");
        fs::create_dir(&path).unwrap();
        let mut kept = KeptDir::new(path.clone());
        for _ in 0..2 {
            assert!(kept.list().unwrap().is_empty());
        }
        // What was open is moved away, not freed: its successor cannot have the same number.
        fs::rename(&path, dir.path().join("old")).unwrap();
        assert!(kept.list().is_err());
        fs::create_dir(&path).unwrap();
        fs::write(path.join("a"), "").unwrap();
        assert_eq!(kept.list().unwrap(), [(b"a".to_vec(), EntryKind::File)]);
        fs::remove_file(path.join("a")).unwrap();
        assert!(kept.list().unwrap().is_empty());
        fs::rename(&path, dir.path().join("older")).unwrap();
        fs::create_dir(&path).unwrap();
        fs::write(path.join("b"), "").unwrap();
        assert_eq!(kept.list().unwrap(), [(b"b".to_vec(), EntryKind::File)]);
    }

    #[test]
    fn a_changed_directory_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let mut kept = KeptDir::new(dir.path().join("d"));
        assert!(kept.changed().is_err());
        fs::create_dir(dir.path().join("d")).unwrap();
        assert!(kept.changed().unwrap());
        assert!(!kept.changed().unwrap());
        fs::write(dir.path().join("d/b"), "").unwrap();
        fs::write(dir.path().join("d/a"), "").unwrap();
        assert!(kept.changed().unwrap());
        assert!(!kept.changed().unwrap());
        assert_eq!(kept.entries(), [(b"a".to_vec(), EntryKind::File), (b"b".to_vec(), EntryKind::File)]);
        fs::remove_dir_all(dir.path().join("d")).unwrap();
        assert!(kept.changed().is_err());
        assert!(kept.entries().is_empty());
        fs::create_dir(dir.path().join("d")).unwrap();
        fs::write(dir.path().join("d/a"), "").unwrap();
        assert!(kept.changed().unwrap(), "an error in between forgets");
    }
}
