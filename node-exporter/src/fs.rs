//! Reading the kernel's files: where the trees are, and texts, attributes and directories that stay open over scrapes.
//!
//! Opening a file of proc or sysfs costs more than reading it, so files that exist for long are opened once and read
//! with `pread` at 0. A device that went away costs one failed read; its file is then opened anew, in case another
//! device has taken its place.

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use common::error::{CollectError, is_absent};
use common::flags::{Args, Flag};
use common::sandbox::Need;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use kept::Kept;

mod attr;
mod dir;
pub mod fleeting;
pub mod folder;
pub(crate) mod kept;
pub mod notified;
pub mod plain;

pub use attr::{ATTR_BYTES, Attr, KeptAttr, is_silence, read_attr, read_optional};
pub use dir::{Devices, EntryKind, KeptDir, list_dir, open_dir};

/// Where the host's trees are mounted.
pub const FLAGS: &[Flag] = &[
    Flag::text("path.procfs", "/proc", "Where the proc file system of the host is mounted."),
    Flag::text("path.sysfs", "/sys", "Where the sys file system of the host is mounted."),
    Flag::text("path.rootfs", "/", "Where the root of the host is mounted, for mount points and os-release."),
    Flag::text("path.udev.data", "/run/udev/data", "Where the udev database of the host is."),
];

/// The host's trees are read, and its processes are looked at.
pub fn needs(args: &Args) -> Vec<Need> {
    let tree = |flag: &Flag| Need::Tree(args.text(flag.name).into());
    FLAGS.iter().map(tree).chain([Need::Processes(args.text("path.procfs").into())]).collect()
}

/// The tree that a flag names, if it names one.
pub(crate) fn tree_if_given(args: &Args, flag: &str) -> Vec<Need> {
    Some(args.text(flag)).filter(|path| !path.is_empty()).map(|path| Need::Tree(path.into())).into_iter().collect()
}

/// `<path.procfs>/<rel>`.
pub fn proc_path(args: &Args, rel: &str) -> PathBuf {
    Path::new(args.text("path.procfs")).join(rel)
}

/// `<path.sysfs>/<rel>`.
pub fn sys_path(args: &Args, rel: &str) -> PathBuf {
    Path::new(args.text("path.sysfs")).join(rel)
}

/// No file of proc is longer than this on any host; a longer one is refused.
const MOST_BYTES: usize = 32 << 20;

fn open(path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    open_at(rustix::fs::CWD, path, flags)
}

fn open_at(dir: impl AsFd, path: impl rustix::path::Arg, flags: OFlags) -> io::Result<OwnedFd> {
    // Without O_NONBLOCK a named pipe in place of a file would wait for a writer for ever.
    Ok(rustix::fs::openat(dir, path, flags | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty())?)
}

/// A file of proc that is read whole at each scrape.
pub struct KeptFile {
    path: PathBuf,
    fd: Option<Kept>,
    text: Vec<u8>,
    pieces: Pieces,
}

/// How the kernel makes the text of a file, by which a short read may be known to be the last one.
#[derive(Clone, Copy)]
enum Pieces {
    /// In whatever pieces: only a read of nothing is the end.
    Any,
    /// In lines of at most this many bytes, as many as fit into a page.
    Lines(usize),
    /// All of it in one piece, however long.
    One,
}

/// The least size of a page, and of what the kernel collects lines in (`seq_read_iter` in its fs/seq_file.c).
const PAGE_BYTES: usize = 4096;

impl Pieces {
    /// Whether a first read of `n` bytes that left `room` was the last one.
    fn are_all(self, n: usize, room: usize) -> bool {
        match self {
            Self::Any => false,
            Self::Lines(longest) => room > longest && n + longest < PAGE_BYTES,
            Self::One => room > 0,
        }
    }

    /// Room that a read has to leave for [`are_all`](Self::are_all).
    fn least_room(self) -> usize {
        match self {
            Self::Any | Self::One => 64,
            Self::Lines(longest) => longest + 64,
        }
    }
}

impl KeptFile {
    /// A file that is opened at its first read.
    pub fn new(path: PathBuf) -> Self {
        Self { path, fd: None, text: Vec::new(), pieces: Pieces::Any }
    }

    /// The kernel makes the text in one piece (`single_open`): a read that leaves room is the last one.
    #[must_use]
    pub fn in_one_piece(mut self) -> Self {
        self.pieces = Pieces::One;
        self
    }

    /// The kernel makes the text line by line, none longer than `longest` bytes: a read that leaves room for another
    /// line, here and in a page, is the last one. For tables that the kernel walks once more to find their end.
    #[must_use]
    pub fn in_lines(mut self, longest: usize) -> Self {
        self.pieces = Pieces::Lines(longest);
        self
    }

    /// `<path.procfs>/<rel>`.
    pub fn of_proc(args: &Args, rel: &str) -> Self {
        Self::new(proc_path(args, rel))
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was read last.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Reads the whole file; the text lives until the next read.
    pub fn read(&mut self) -> Result<&[u8], CollectError> {
        match self.fill() {
            Ok(()) => Ok(&self.text),
            Err(e) => Err(CollectError::io(&self.path, e)),
        }
    }

    /// As [`read`](Self::read); `None` when the kernel has no such file.
    pub fn read_if_present(&mut self) -> Result<Option<&[u8]>, CollectError> {
        match self.fill() {
            Ok(()) => Ok(Some(&self.text)),
            Err(e) if is_absent(&e) => Ok(None),
            Err(e) => Err(CollectError::io(&self.path, e)),
        }
    }

    /// As [`read_if_present`](Self::read_if_present), into a buffer that the files of many devices share.
    pub fn read_into<'b>(&mut self, text: &'b mut Vec<u8>) -> Result<Option<&'b [u8]>, CollectError> {
        std::mem::swap(&mut self.text, text);
        let filled = self.fill();
        std::mem::swap(&mut self.text, text);
        match filled {
            Ok(()) => Ok(Some(text)),
            Err(e) if is_absent(&e) => Ok(None),
            Err(e) => Err(CollectError::io(&self.path, e)),
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        if let Some(kept) = &self.fd {
            match pread_pieces(kept.fd(), &mut self.text, self.pieces) {
                Ok(()) => return Ok(()),
                Err(_) => self.fd = None,
            }
        }
        let fd = open(&self.path, OFlags::empty())?;
        pread_pieces(&fd, &mut self.text, self.pieces)?;
        self.fd = Kept::new(fd).ok();
        Ok(())
    }
}

fn pread_whole(fd: &OwnedFd, text: &mut Vec<u8>) -> io::Result<()> {
    pread_pieces(fd, text, Pieces::Any)
}

fn pread_pieces(fd: &OwnedFd, text: &mut Vec<u8>, pieces: Pieces) -> io::Result<()> {
    text.clear();
    loop {
        if text.capacity() - text.len() < pieces.least_room() {
            // From small to twice as much: each file has its size on a host, so this ends after the first scrape.
            text.reserve_exact(text.len().max(256));
        }
        let (at, room) = (text.len(), text.capacity() - text.len());
        match rustix::io::pread(fd, rustix::buffer::spare_capacity(text), at as u64) {
            // In general only a read of 0 is the end: the kernel returns short reads to keep lines whole.
            Ok(0) => return Ok(()),
            Ok(n) if at == 0 && pieces.are_all(n, room - n) => return Ok(()),
            // Half a table would be wrong sums.
            Ok(_) if text.len() >= MOST_BYTES => return Err(Errno::FBIG.into()),
            Ok(_) => {}
            Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

/// Reads a file that is not expected to exist for long, whole, without keeping it open.
pub fn read_file(path: &Path) -> Result<Vec<u8>, CollectError> {
    let mut text = Vec::new();
    open(path, OFlags::empty()).and_then(|fd| pread_whole(&fd, &mut text)).map_err(|e| CollectError::io(path, e))?;
    Ok(text)
}

/// Where a symbolic link leads to, as it stands there.
pub fn read_link(path: &Path) -> io::Result<PathBuf> {
    let target = rustix::fs::readlink(path, Vec::new())?;
    Ok(PathBuf::from(std::ffi::OsStr::from_bytes(target.as_bytes())))
}

/// Whether `path` is a directory that can be looked up.
pub fn is_dir(path: &Path) -> bool {
    File::open(path).and_then(|file| file.metadata()).is_ok_and(|meta| meta.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_kept_file_follows_its_content_and_its_replacement() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stat");
        let mut file = KeptFile::new(path.clone());
        assert!(file.read_if_present().unwrap().is_none());
        assert!(matches!(file.read(), Err(CollectError::Io { .. })));
        fs::write(&path, "one").unwrap();
        assert_eq!(file.read().unwrap(), b"one");
        fs::write(&path, "x".repeat(20_000)).unwrap();
        assert_eq!(file.read().unwrap().len(), 20_000);
        let mut shared = b"of another file".to_vec();
        assert_eq!(file.read_into(&mut shared).unwrap().unwrap().len(), 20_000);
        assert!(KeptFile::new(dir.path().join("none")).read_into(&mut shared).unwrap().is_none());
    }

    #[test]
    fn the_end_of_a_text_is_known_by_how_the_kernel_makes_it() {
        assert!(!Pieces::Any.are_all(1, 1000));
        assert!(Pieces::One.are_all(5000, 1) && !Pieces::One.are_all(5000, 0));
        let lines = Pieces::Lines(256);
        assert!(lines.are_all(128, 300), "another line would have fitted");
        assert!(!lines.are_all(128, 200), "not into the buffer");
        assert!(!lines.are_all(3900, 1000), "not into a page");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        for len in [0, 1, 63, 64, 191, 192, 255, 256, 257, 4000, 5000, 100_000] {
            let text: Vec<u8> = (0..len).map(|n| (n % 251) as u8).collect();
            fs::write(&path, &text).unwrap();
            for mut file in [
                KeptFile::new(path.clone()),
                KeptFile::new(path.clone()).in_one_piece(),
                KeptFile::new(path.clone()).in_lines(256),
            ] {
                for _ in 0..2 {
                    assert!(file.read().unwrap() == text, "{len}");
                }
            }
        }
    }
}
