//! Several files of one directory, each opened in passing: the way to the directory is looked up once for all of them.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::OFlags;

use super::attr::{Attr, pread_attr};
use super::{open, open_at};

/// A directory that is open for nothing but looking up what is below.
pub struct Folder(OwnedFd);

impl Folder {
    /// Opens it; it need not be readable.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(open(path, OFlags::DIRECTORY | OFlags::PATH)?))
    }

    /// As [`read_attr`](super::read_attr), of the attribute `name` in here.
    pub fn read_attr(&self, name: &str) -> io::Result<Attr> {
        pread_attr(&open_at(&self.0, name, OFlags::empty())?)
    }
}

/// The directory in which a file was opened last, for those after it that are in there as well.
#[derive(Default)]
pub struct Way(Option<(Vec<u8>, Folder)>);

impl Way {
    /// Opens the file at `path` for reading.
    pub(super) fn open(&mut self, path: &Path) -> io::Result<OwnedFd> {
        let bytes = path.as_os_str().as_bytes();
        let Some((dir, name)) = bytes.iter().rposition(|&b| b == b'/').and_then(|at| bytes.split_at_checked(at + 1))
        else {
            return open(path, OFlags::empty());
        };
        let folder = match self.0.take() {
            Some((known, folder)) if known == dir => (known, folder),
            _ => (dir.to_vec(), Folder::open(Path::new(OsStr::from_bytes(dir)))?),
        };
        let (_, Folder(fd)) = self.0.insert(folder);
        open_at(fd, name, OFlags::empty())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use common::error::is_absent;

    use super::*;
    use crate::fs::KeptAttr;

    #[test]
    fn files_of_two_directories_by_turns() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("b")).unwrap();
        for name in ["one", "two", "b/one"] {
            fs::write(path(name), name).unwrap();
        }
        let mut way = Way::default();
        for name in ["one", "two", "b/one", "one", "none", "none/one", "b/one"] {
            let text = KeptAttr::new(path(name)).read_by(&mut way).map(|text| text.text().to_vec());
            assert_eq!(text.ok(), fs::read(path(name)).ok(), "{name}");
        }
    }

    #[test]
    fn attributes_of_one_directory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("eth0");
        assert!(is_absent(&Folder::open(&path).err().unwrap()));
        fs::create_dir(&path).unwrap();
        fs::write(path.join("mtu"), "1500\n").unwrap();
        let folder = Folder::open(&path).unwrap();
        assert_eq!(folder.read_attr("mtu").unwrap().text(), b"1500");
        assert!(is_absent(&folder.read_attr("speed").err().unwrap()));
        fs::remove_dir_all(&path).unwrap();
        fs::create_dir(&path).unwrap();
        fs::write(path.join("mtu"), "9000\n").unwrap();
        assert!(is_absent(&folder.read_attr("mtu").err().unwrap()), "another of that name is another directory");
    }
}
