//! Files and directories that are looked at once, by the thousand: those of processes. Nothing is kept open and nothing
//! is allocated; the caller brings the buffer.

use std::io;
use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::{Access, OFlags};

use super::dir::each_entry;
use super::open;

/// Reads the beginning of a file with a single system call, as much as `buffer` has room for.
pub fn read_start<'b>(path: &Path, buffer: &'b mut [u8]) -> io::Result<&'b [u8]> {
    let fd = open(path, OFlags::empty())?;
    let n = rustix::io::pread(fd, &mut *buffer, 0)?;
    Ok(buffer.get(..n).unwrap_or_default())
}

/// Whether there is something at `path`.
pub fn exists(path: &Path) -> bool {
    rustix::fs::access(path, Access::EXISTS).is_ok()
}

/// A directory that is listed once, in the order the kernel has.
pub struct Dir(OwnedFd);

impl Dir {
    /// Opens the directory.
    pub fn open(path: &Path) -> io::Result<Self> {
        open(path, OFlags::DIRECTORY).map(Self)
    }

    /// Calls `f` with the name of each entry but `.` and `..`.
    pub fn each_name(self, mut f: impl FnMut(&[u8])) -> io::Result<()> {
        each_entry(&self.0, |name, _| f(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn beginnings_and_names() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        assert!(!exists(&path) && read_start(&path, &mut [0; 4]).is_err() && Dir::open(&path).is_err());
        fs::write(&path, "abcdef").unwrap();
        assert!(exists(&path) && Dir::open(&path).is_err());
        assert_eq!(read_start(&path, &mut [0; 4]).unwrap(), b"abcd");
        assert_eq!(read_start(&path, &mut [0; 9]).unwrap(), b"abcdef");
        assert!(read_start(dir.path(), &mut [0; 4]).is_err());
        let mut names = Vec::new();
        Dir::open(dir.path()).unwrap().each_name(|name| names.push(name.to_vec())).unwrap();
        assert_eq!(names, [b"x"]);
    }
}
