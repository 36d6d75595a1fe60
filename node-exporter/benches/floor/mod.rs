//! The floor below a scrape: the system calls it makes for its data, and nothing else.
//!
//! strace watches one scrape of this very process, so the list is what the scrape did and not what somebody thinks it does.
//! The same calls are then made again, with the same arguments, into one buffer that nobody looks at.

mod record;

use std::collections::BTreeMap;
use std::ffi::CString;
use std::mem::MaybeUninit;

use rustix::fd::OwnedFd;
use rustix::fs::{Access, AtFlags, Mode, OFlags, RawDir, SeekFrom};
use rustix::net::{RecvFlags, SendFlags};

pub(crate) use record::record;

/// One call; descriptors are positions in [`Floor::open`].
pub(crate) enum Call {
    /// `openat` below a directory if it was, with where its descriptor goes to when it gave one.
    Open(Option<usize>, CString, OFlags, Option<usize>),
    /// `close`.
    Close(usize),
    /// `pread` of so many bytes at an offset.
    Read(usize, usize, u64),
    /// `lseek` to the start.
    Rewind(usize),
    /// `getdents` into so many bytes.
    List(usize, usize),
    /// `statfs`.
    Statfs(CString),
    /// `stat`, below a directory if it was.
    Stat(Option<usize>, CString),
    /// `readlink`.
    Link(CString),
    /// `access`.
    Access(CString),
    /// `send`.
    Send(usize, Vec<u8>),
    /// `recv` of at most so many bytes.
    Receive(usize, usize),
    /// `uname`.
    Uname,
    /// `adjtimex` that changes nothing.
    Adjtimex,
    /// `getrlimit`.
    Limit,
}

/// What a scrape asks the kernel.
#[derive(Default)]
pub(crate) struct Floor {
    calls: Vec<Call>,
    open: Vec<Option<OwnedFd>>,
    buffer: Vec<u8>,
    /// How often each call is made, by its name.
    pub(crate) counts: BTreeMap<String, usize>,
    /// How many of them succeeded.
    pub(crate) succeeded: usize,
    /// Calls the scrape made that are not made again here, neither for data nor for its own threads and memory.
    pub(crate) missing: BTreeMap<String, usize>,
}

impl Floor {
    /// Makes all calls once; gives how many succeeded. What fails is made as well: most of a scrape's `open` calls do.
    pub(crate) fn replay(&mut self) -> usize {
        let Self { calls, open, buffer, .. } = self;
        calls.iter().filter(|call| make(call, open, buffer).is_ok()).count()
    }
}

fn make(call: &Call, open: &mut [Option<OwnedFd>], buffer: &mut [u8]) -> rustix::io::Result<()> {
    let at = |fd: &usize| open[*fd].as_ref().ok_or(rustix::io::Errno::BADF);
    match call {
        Call::Open(below, path, flags, to) => {
            let fd = match below {
                Some(below) => rustix::fs::openat(at(below)?, path, *flags, Mode::empty())?,
                None => rustix::fs::open(path, *flags, Mode::empty())?,
            };
            if let Some(to) = to {
                open[*to] = Some(fd);
            }
        }
        Call::Close(fd) => drop(open[*fd].take()),
        Call::Read(fd, bytes, offset) => {
            let _ = rustix::io::pread(at(fd)?, &mut buffer[..*bytes], *offset)?;
        }
        Call::Rewind(fd) => {
            let _ = rustix::fs::seek(at(fd)?, SeekFrom::Start(0))?;
        }
        Call::List(fd, bytes) => {
            let mut entries = [MaybeUninit::uninit(); record::MOST_LISTED];
            // The first entry costs one call, and no other is looked at.
            RawDir::new(at(fd)?, &mut entries[..*bytes]).next().transpose()?;
        }
        Call::Statfs(path) => {
            let _ = rustix::fs::statfs(path)?;
        }
        Call::Stat(below, path) => {
            let _ = match below {
                Some(below) => rustix::fs::statat(at(below)?, path, AtFlags::empty())?,
                None => rustix::fs::stat(path)?,
            };
        }
        Call::Access(path) => rustix::fs::access(path, Access::EXISTS)?,
        Call::Link(path) => drop(rustix::fs::readlink(path, Vec::new())?),
        Call::Send(fd, bytes) => {
            let _ = rustix::net::send(at(fd)?, bytes, SendFlags::empty())?;
        }
        // An answer that became shorter meanwhile is not waited for.
        Call::Receive(fd, bytes) => {
            let _ = rustix::net::recv(at(fd)?, &mut buffer[..*bytes], RecvFlags::TRUNC | RecvFlags::DONTWAIT)?;
        }
        Call::Uname => drop(rustix::system::uname()),
        Call::Adjtimex => adjtimex(),
        Call::Limit => {
            let _ = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        }
    }
    Ok(())
}

#[expect(unsafe_code, reason = "no library wraps it")]
fn adjtimex() {
    // SAFETY: all fields are numbers, for which zero is a value.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes to what it is given and to nothing else; modes of 0 changes nothing.
    unsafe { libc::adjtimex(&raw mut timex) };
}
