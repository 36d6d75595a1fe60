//! Attributes of sysfs: one short line each, which the kernel makes anew at each read.

use std::io;
use std::path::{Path, PathBuf};

use common::error::{BadField, CollectError, is_absent, is_denied};
use rustix::fd::OwnedFd;
use rustix::fs::OFlags;

use super::folder::Way;
use super::kept::Kept;
use super::open;

/// Longest attribute that is read; a longer one is cut, as the Go exporter cuts it.
pub const ATTR_BYTES: usize = 128;

/// The text of one attribute, white space around it cut.
#[derive(Clone, Copy)]
pub struct Attr {
    bytes: [u8; ATTR_BYTES],
    n: usize,
    start: usize,
    end: usize,
}

impl Attr {
    fn new(bytes: [u8; ATTR_BYTES], n: usize) -> Self {
        let text = bytes.get(..n).unwrap_or(&bytes);
        let end = text.trim_ascii_end().len();
        let start = end - text.trim_ascii().len();
        Self { bytes, n, start, end }
    }

    /// Everything that was read, white space included.
    pub fn raw(&self) -> &[u8] {
        self.bytes.get(..self.n).unwrap_or(&self.bytes)
    }

    /// The text.
    pub fn text(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// The text as a number of what `field` names, or what is wrong with the file at `path`, which this was read from.
    pub fn number<T>(
        &self,
        path: &Path,
        field: &'static str,
        parse: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<T, CollectError> {
        let text = self.text();
        parse(text).ok_or_else(|| BadField::new(1, field, "a whole number", text).in_file(path))
    }
}

impl AsRef<[u8]> for Attr {
    fn as_ref(&self) -> &[u8] {
        self.text()
    }
}

/// A sysfs attribute that stays open: one line that the kernel makes anew at each read.
pub struct KeptAttr {
    path: PathBuf,
    fd: Option<Kept>,
}

impl KeptAttr {
    /// An attribute that is opened at its first read.
    pub fn new(path: PathBuf) -> Self {
        Self { path, fd: None }
    }

    /// Where the attribute is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the attribute with a single system call: a driver may block or fail at a second one.
    pub fn read(&mut self) -> io::Result<Attr> {
        self.read_opening(|path| open(path, OFlags::empty()))
    }

    /// As [`read`](Self::read), one of many in the same directory: where more attributes are read than are kept open, the
    /// path of each need not be looked up as a whole.
    pub fn read_by(&mut self, way: &mut Way) -> io::Result<Attr> {
        self.read_opening(|path| way.open(path))
    }

    fn read_opening(&mut self, open: impl FnOnce(&Path) -> io::Result<OwnedFd>) -> io::Result<Attr> {
        if let Some(kept) = &self.fd {
            match pread_attr(kept.fd()) {
                // Only a device that is gone makes the descriptor useless; a sensor that cannot answer now may later.
                Err(e) if is_absent(&e) => self.fd = None,
                other => return other,
            }
        }
        let fd = open(&self.path)?;
        let attr = pread_attr(&fd)?;
        self.fd = Kept::new(fd).ok();
        Ok(attr)
    }

    /// Reads the attribute of the same device as last time; `None` when that is gone, or was not kept open.
    pub fn reread(&self) -> Option<Attr> {
        pread_attr(self.fd.as_ref()?.fd()).ok()
    }

    /// Reads the attribute and gives its number, as [`Attr::number`].
    pub fn number<T>(
        &mut self,
        field: &'static str,
        parse: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<T, CollectError> {
        let attr = self.read().map_err(|e| CollectError::io(&self.path, e))?;
        attr.number(&self.path, field, parse)
    }
}

pub(super) fn pread_attr(fd: &OwnedFd) -> io::Result<Attr> {
    let mut bytes = [0_u8; ATTR_BYTES];
    let n = rustix::io::pread(fd, &mut bytes, 0)?;
    Ok(Attr::new(bytes, n))
}

/// How the kernel says that a device has no such attribute, has it not now, keeps it to itself, or is gone.
pub fn is_silence(e: &io::Error) -> bool {
    is_absent(e) || is_denied(e) || e.raw_os_error() == Some(libc::EINVAL)
}

/// Reads an attribute that a device may lack; a failure that is not silence goes to `fault`.
pub fn read_optional(file: &mut KeptAttr, fault: impl FnOnce(CollectError)) -> Option<Attr> {
    match file.read() {
        Ok(text) => Some(text),
        Err(e) => {
            if !is_silence(&e) {
                fault(CollectError::io(file.path(), e));
            }
            None
        }
    }
}

/// Reads an attribute once, without keeping it open.
pub fn read_attr(path: &Path) -> io::Result<Attr> {
    pread_attr(&open(path, OFlags::empty())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn an_attribute_is_trimmed_and_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("name");
        let mut attr = KeptAttr::new(path.clone());
        assert!(is_absent(&attr.read().err().unwrap()));
        fs::write(&path, " coretemp \n").unwrap();
        assert_eq!(attr.read().unwrap().text(), b"coretemp");
        fs::write(&path, "y".repeat(500)).unwrap();
        assert_eq!(attr.read().unwrap().text().len(), ATTR_BYTES);
        assert!(read_attr(dir.path()).is_err(), "a directory in place of a file");
    }

    /// A process stands in for the device: its files fail with ESRCH once it is gone, as those of a device do with
    /// ENODEV.
    #[test]
    fn an_attribute_whose_device_is_gone_is_opened_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("name");
        let mut device = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        std::os::unix::fs::symlink(format!("/proc/{}/comm", device.id()), &path).unwrap();
        let mut attr = KeptAttr::new(path.clone());
        assert!(!attr.read().unwrap().text().is_empty());
        fs::remove_file(&path).unwrap();
        fs::write(&path, "another").unwrap();
        device.kill().unwrap();
        device.wait().unwrap();
        assert_eq!(attr.read().unwrap().text(), b"another");
    }

    #[test]
    fn a_named_pipe_does_not_block() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        assert!(read_attr(&path).is_err());
    }
}
