//! A mounted file system whose `statfs` does not return until it is told to.
//!
//! Speaks the kernel's FUSE protocol on /dev/fuse (Linux include/uapi/linux/fuse.h, version 7.31): enough for a
//! root directory with nothing in it. To be mounted in a [`crate::namespace`] only.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

/// The mount; answers everything but `statfs`, which waits while held. Unmounted when dropped.
#[derive(Debug)]
pub struct StuckMount {
    target: PathBuf,
    control: Option<UnixStream>,
    server: Option<JoinHandle<()>>,
    waiting: Arc<AtomicUsize>,
}

impl StuckMount {
    /// Mounts on an existing directory, held from the start.
    ///
    /// # Errors
    ///
    /// When there is no /dev/fuse or mounting is not permitted.
    pub fn new(target: &Path) -> io::Result<Self> {
        let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).map_err(io::Error::other)?;
        let device = OpenOptions::new().read(true).write(true).custom_flags(nonblocking).open("/dev/fuse")?;
        // Owned by root of this namespace; a directory.
        let options = format!("fd={},rootmode=40755,user_id=0,group_id=0", device.as_raw_fd());
        let options = CString::new(options)?;
        mount("stuck", target, "fuse", MountFlags::NODEV | MountFlags::NOSUID, options.as_c_str())?;
        let (control, commands) = UnixStream::pair()?;
        let waiting = Arc::new(AtomicUsize::new(0));
        let server = Server { device, commands, held: Vec::new(), hold: true, waiting: Arc::clone(&waiting) };
        let server = thread::spawn(move || server.serve());
        Ok(Self { target: target.to_owned(), control: Some(control), server: Some(server), waiting })
    }

    /// How many `statfs` calls are waiting for an answer now.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// Lets the waiting `statfs` calls return, and all later ones.
    pub fn release(&self) {
        self.tell(b'r');
    }

    /// Holds `statfs` calls from now on.
    pub fn hold(&self) {
        self.tell(b'h');
    }

    fn tell(&self, command: u8) {
        let mut control = self.control.as_ref().expect("the control socket lives until drop");
        control.write_all(&[command]).expect("the server thread listens");
        // Its echo says that the command is in force.
        control.read_exact(&mut [0]).expect("the server thread answers");
    }
}

impl Drop for StuckMount {
    fn drop(&mut self) {
        // The server ends with its control socket and closes the device, upon which the kernel fails every waiting
        // call. A failure here leaves nothing behind: the namespace takes the mount with it.
        drop(self.control.take());
        let _ = self.server.take().map(JoinHandle::join);
        let _ = unmount(&self.target, UnmountFlags::DETACH);
    }
}

struct Server {
    device: File,
    commands: UnixStream,
    held: Vec<u64>,
    hold: bool,
    waiting: Arc<AtomicUsize>,
}

// Operation codes.
const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const STATFS: u32 = 17;
const RELEASEDIR: u32 = 29;
const INIT: u32 = 26;
const OPENDIR: u32 = 27;
const READDIR: u32 = 28;
const INTERRUPT: u32 = 36;
const BATCH_FORGET: u32 = 42;

/// Length of the header before each request: len, opcode, unique, nodeid, uid, gid, pid, padding.
const REQUEST_HEADER: usize = 40;
/// The kernel insists on room for a whole request.
const BUFFER: usize = 128 * 1024 + 4096;

impl Server {
    fn serve(mut self) {
        let mut buffer = vec![0; BUFFER];
        loop {
            let mut ready = [PollFd::new(&self.device, PollFlags::IN), PollFd::new(&self.commands, PollFlags::IN)];
            if poll(&mut ready, None).is_err_and(|e| e != Errno::INTR) {
                return;
            }
            let [device, commands] = ready.map(|fd| fd.revents());
            if !commands.is_empty() && !self.obey() {
                return;
            }
            if !device.is_empty() {
                match self.device.read(&mut buffer) {
                    Ok(length) => self.answer(&buffer[..length]),
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock || e.kind() == io::ErrorKind::Interrupted => {}
                    // A request that was withdrawn while we read it.
                    Err(e) if e.raw_os_error() == Some(Errno::NOENT.raw_os_error()) => {}
                    Err(_) => return, // unmounted
                }
            }
        }
    }

    /// Takes one command; false at the end of them.
    fn obey(&mut self) -> bool {
        let mut command = [0];
        if self.commands.read_exact(&mut command).is_err() {
            return false;
        }
        self.hold = command == *b"h";
        if !self.hold {
            for unique in std::mem::take(&mut self.held) {
                self.reply(unique, &statfs());
            }
            self.count();
        }
        self.commands.write_all(&command).is_ok()
    }

    fn answer(&mut self, request: &[u8]) {
        if request.len() < REQUEST_HEADER {
            return;
        }
        let opcode = u32::from_ne_bytes(number(request, 4));
        let unique = u64::from_ne_bytes(number(request, 8));
        match opcode {
            INIT => self.reply(unique, &init()),
            GETATTR => self.reply(unique, &attributes()),
            STATFS if self.hold => {
                self.held.push(unique);
                self.count();
            }
            STATFS => self.reply(unique, &statfs()),
            OPENDIR => self.reply(unique, &[0; 16]),
            READDIR | RELEASEDIR => self.reply(unique, &[]),
            LOOKUP => self.refuse(unique, Errno::NOENT),
            FORGET | BATCH_FORGET => {}
            // Comes when the caller is being killed. Nothing else is let go: a call that could not even be killed
            // would keep the program under test, and so the test, from ever ending.
            INTERRUPT if request.len() >= REQUEST_HEADER + 8 => {
                let interrupted = u64::from_ne_bytes(number(request, REQUEST_HEADER));
                if let Some(at) = self.held.iter().position(|unique| *unique == interrupted) {
                    self.held.swap_remove(at);
                    self.refuse(interrupted, Errno::INTR);
                    self.count();
                }
            }
            _ => self.refuse(unique, Errno::NOSYS),
        }
    }

    fn count(&self) {
        self.waiting.store(self.held.len(), Ordering::SeqCst);
    }

    fn reply(&mut self, unique: u64, body: &[u8]) {
        self.send(unique, 0, body);
    }

    fn refuse(&mut self, unique: u64, errno: Errno) {
        self.send(unique, -errno.raw_os_error(), &[]);
    }

    fn send(&mut self, unique: u64, error: i32, body: &[u8]) {
        let length = u32::try_from(16 + body.len()).unwrap_or(u32::MAX);
        let header = [&length.to_ne_bytes()[..], &error.to_ne_bytes(), &unique.to_ne_bytes()].concat();
        // The caller may be gone by now; the kernel then refuses the answer.
        let _ = self.device.write(&[&header, body].concat());
    }
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("the length was checked")
}

/// `fuse_init_out`: version 7.31 and no features.
fn init() -> Vec<u8> {
    let mut out = Vec::new();
    for word in [7_u32, 31, 0, 0] {
        out.extend(word.to_ne_bytes()); // major, minor, max_readahead, flags
    }
    for half in [16_u16, 12] {
        out.extend(half.to_ne_bytes()); // max_background, congestion_threshold
    }
    for word in [4096_u32, 1] {
        out.extend(word.to_ne_bytes()); // max_write, time_gran
    }
    out.resize(64, 0);
    out
}

/// `fuse_attr_out`: an empty directory owned by root.
fn attributes() -> Vec<u8> {
    let mut out = vec![0; 16]; // valid for no time
    out.extend(1_u64.to_ne_bytes()); // ino
    out.resize(16 + 60, 0); // size, blocks, three times
    for word in [0o040_755_u32, 2, 0, 0, 0, 4096, 0] {
        out.extend(word.to_ne_bytes()); // mode, nlink, uid, gid, rdev, blksize, flags
    }
    out
}

/// Blocks of the file system once it answers, of [`BLOCK_BYTES`] each.
pub const BLOCKS: u64 = 1000;
/// Size of a block.
pub const BLOCK_BYTES: u32 = 4096;

/// `fuse_statfs_out`.
fn statfs() -> Vec<u8> {
    let mut out = Vec::new();
    for count in [BLOCKS, 600, 500, 100, 90] {
        out.extend(count.to_ne_bytes()); // blocks, bfree, bavail, files, ffree
    }
    for word in [BLOCK_BYTES, 255, BLOCK_BYTES] {
        out.extend(word.to_ne_bytes()); // bsize, namelen, frsize
    }
    out.resize(80, 0);
    out
}
