//! Reading the kernel's files: roots, files that stay open, directories that are listed again and again.
//!
//! Opening a file of proc or sysfs costs more than reading it, so files that exist for long are opened once and read
//! with `pread` at 0. A device that went away costs one failed read; its file is then opened anew, in case another
//! device has taken its place.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use common::error::{BadField, CollectError, is_absent, is_denied};
use common::flags::{Args, Flag};
use common::sandbox::Need;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags, RawDir, SeekFrom};
use rustix::io::Errno;

use folder::Way;

pub mod fleeting;
pub mod folder;
pub mod notified;
pub mod plain;

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

/// Of files in sysfs and proc. The kernel holds a page for each that has been read and stays open (its fs/seq_file.c). No
/// figure of the process shows these 16 MB, but the memory limit of a container counts them. A host has some hundred such
/// files; one with more has those beyond opened at each scrape.
const MOST_PAGES: usize = 4096;

/// Descriptors that are held open over scrapes, in all collectors together, and those of them for which the kernel holds a
/// page.
static KEPT: AtomicUsize = AtomicUsize::new(0);
static PAGES: AtomicUsize = AtomicUsize::new(0);

/// An open file that counts against the descriptors the process may keep.
pub(crate) struct Kept {
    fd: OwnedFd,
    has_page: bool,
}

impl Kept {
    /// Half of what the process may open; the other half is for connections and for what is opened in passing. And no more
    /// than [`MOST_PAGES`] of the kernel. Whoever asks for more gets the descriptor back.
    pub(crate) fn new(fd: OwnedFd) -> Result<Self, OwnedFd> {
        use std::sync::OnceLock;
        static MOST: OnceLock<usize> = OnceLock::new();
        let most = *MOST.get_or_init(|| {
            let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(65_536);
            usize::try_from(limit / 2).unwrap_or(usize::MAX)
        });
        let has_page = KEPT.load(Ordering::Relaxed) < most && is_of_kernel(&fd);
        if KEPT.fetch_add(1, Ordering::Relaxed) >= most {
            KEPT.fetch_sub(1, Ordering::Relaxed);
            return Err(fd);
        }
        if has_page && PAGES.fetch_add(1, Ordering::Relaxed) >= MOST_PAGES {
            PAGES.fetch_sub(1, Ordering::Relaxed);
            KEPT.fetch_sub(1, Ordering::Relaxed);
            return Err(fd);
        }
        Ok(Self { fd, has_page })
    }

    /// The descriptor.
    pub(crate) fn fd(&self) -> &OwnedFd {
        &self.fd
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        KEPT.fetch_sub(1, Ordering::Relaxed);
        if self.has_page {
            PAGES.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

const SYSFS_MAGIC: u64 = 0x6265_6572;
pub(crate) const PROC_SUPER_MAGIC: u64 = 0x9fa0;

/// Whether a file is made by the kernel when it is read.
fn is_of_kernel(fd: &OwnedFd) -> bool {
    rustix::fs::fstatfs(fd).is_ok_and(|fs| matches!(fs.f_type as u64, SYSFS_MAGIC | PROC_SUPER_MAGIC))
}

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
        if let Some(Kept { fd, .. }) = &self.fd {
            match pread_pieces(fd, &mut self.text, self.pieces) {
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
        if let Some(Kept { fd, .. }) = &self.fd {
            match pread_attr(fd) {
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
        let Kept { fd, .. } = self.fd.as_ref()?;
        pread_attr(fd).ok()
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

fn pread_attr(fd: &OwnedFd) -> io::Result<Attr> {
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
        if let Some(Kept { fd, .. }) = &self.fd {
            let mut n = 0;
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
            Some(Kept { fd, .. }) => {
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

fn each_entry(fd: &OwnedFd, mut f: impl FnMut(&[u8], EntryKind)) -> io::Result<()> {
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

/// Reads a file that is not expected to exist for long, whole, without keeping it open.
pub fn read_file(path: &Path) -> Result<Vec<u8>, CollectError> {
    let mut text = Vec::new();
    open(path, OFlags::empty()).and_then(|fd| pread_whole(&fd, &mut text)).map_err(|e| CollectError::io(path, e))?;
    Ok(text)
}

/// Opens a directory in passing.
pub fn open_dir(path: &Path) -> io::Result<OwnedFd> {
    open(path, OFlags::DIRECTORY)
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
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert!(read_attr(&path).is_err());
    }
}
