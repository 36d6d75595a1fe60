//! What strace saw of a scrape, made into calls.

use std::collections::HashMap;
use std::ffi::CString;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::{fs, process};

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType, netlink};
use rustix::process::{PTracer, Pid, Signal};

use super::{Call, Floor};

/// The largest buffer that directories are listed into.
pub(super) const MOST_LISTED: usize = 32 << 10;

/// Calls of the threads, the allocator and this bench: none of them asks the kernel for data.
const OURS: &[&str] = &[
    "brk",
    "clone3",
    "exit",
    "futex",
    "kill",
    "madvise",
    "mmap",
    "mprotect",
    "munmap",
    "poll",
    "prctl",
    "read",
    "restart_syscall",
    "rseq",
    "rt_sigprocmask",
    "sched_getaffinity",
    "sched_yield",
    "set_robust_list",
    "sigaltstack",
    "tgkill",
    "write",
];

/// Runs `scrape` under the eyes of strace. Fails when strace is not there or may not look at this process.
pub(crate) fn record(scrape: impl FnOnce()) -> io::Result<Floor> {
    let folder = tempfile::tempdir()?;
    rustix::process::set_ptracer(PTracer::Any).or_else(|e| match e {
        // Without Yama anybody may look who may at all.
        rustix::io::Errno::INVAL => Ok(()),
        e => Err(e),
    })?;
    // A file per thread: calls that overlap are not cut in two. Bytes that are sent are shown below their call.
    let mut strace = Command::new("strace")
        .args(["-ff", "-yy", "-s", "0", "-e", "write=all", "-o"])
        .arg(folder.path().join("thread"))
        .args(["-p", &process::id().to_string()])
        .stderr(Stdio::piped())
        .spawn()?;
    let mut said = BufReader::new(strace.stderr.take().into_iter().next().ok_or(io::ErrorKind::BrokenPipe)?);
    let mut line = String::new();
    while !line.contains(" attached") {
        line.clear();
        if said.read_line(&mut line)? == 0 {
            return Err(io::Error::other("strace may not look at this process"));
        }
    }
    scrape();
    rustix::process::kill_process(Pid::from_child(&strace), Signal::INT)?;
    strace.wait()?;
    let mut recorded = Recorded::default();
    for thread in fs::read_dir(folder.path())? {
        recorded.thread(&fs::read_to_string(thread?.path())?);
    }
    let longest = |call: &Call| match call {
        Call::Read(_, bytes, _) | Call::Receive(_, bytes) => *bytes,
        _ => 0,
    };
    recorded.floor.buffer = vec![0; recorded.floor.calls.iter().map(longest).max().unwrap_or(0)];
    Ok(recorded.floor)
}

#[derive(Default)]
struct Recorded {
    floor: Floor,
    /// Where each descriptor of the recorded scrape is in [`Floor::open`].
    places: HashMap<u32, usize>,
}

impl Recorded {
    fn thread(&mut self, lines: &str) {
        let mut lines = lines.lines().peekable();
        while let Some(line) = lines.next() {
            let mut sent = Vec::new();
            while let Some(dump) = lines.next_if(|line| line.starts_with(" | ")) {
                sent.extend(bytes(dump));
            }
            let Some((name, rest)) = line.split_once('(') else { continue };
            if OURS.contains(&name) {
                continue;
            }
            let (args, result) = rest.rsplit_once(" = ").unwrap_or_default();
            let counts = match self.call(name, args, result, sent) {
                Some(call) => {
                    self.floor.calls.push(call);
                    self.floor.succeeded += usize::from(!result.starts_with("-1"));
                    &mut self.floor.counts
                }
                None => &mut self.floor.missing,
            };
            *counts.entry(name.to_owned()).or_default() += 1;
        }
    }

    fn call(&mut self, name: &str, args: &str, result: &str, sent: Vec<u8>) -> Option<Call> {
        let args = args.trim_end().strip_suffix(')')?;
        let mut from_the_end = args.rsplit(", ");
        let mut number = |at: usize| from_the_end.nth(at)?.parse::<usize>().ok();
        let path = || CString::new(args.split('"').nth(1)?).ok();
        Some(match name {
            "open" | "openat" => {
                let directory = if args.contains("O_DIRECTORY") { OFlags::DIRECTORY } else { OFlags::empty() };
                let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | directory;
                let (path, below) = (path()?, self.kept(args));
                Call::Open(below, path, flags, descriptor(result).map(|(fd, _)| self.place(fd)))
            }
            "close" => Call::Close(self.kept(args)?),
            "pread64" => {
                let offset = number(0)? as u64;
                Call::Read(self.kept(args)?, number(0)?, offset)
            }
            "lseek" if args.ends_with(", 0, SEEK_SET") => Call::Rewind(self.kept(args)?),
            "getdents64" => Call::List(self.kept(args)?, number(0)?.min(MOST_LISTED)),
            "statfs" => Call::Statfs(path()?),
            "newfstatat" | "stat" | "statx" => {
                let path = path()?;
                Call::Stat(self.kept(args), path)
            }
            "access" | "faccessat" => Call::Access(path()?),
            "readlink" | "readlinkat" => Call::Link(path()?),
            "sendto" => Call::Send(self.kept(args)?, sent),
            // The address comes last, its length before it, and flags before that.
            "recvfrom" => Call::Receive(self.kept(args)?, number(3)?),
            "uname" => Call::Uname,
            "adjtimex" | "clock_adjtime" => Call::Adjtimex,
            "prlimit64" => Call::Limit,
            _ => return None,
        })
    }

    fn place(&mut self, fd: u32) -> usize {
        let open = &mut self.floor.open;
        *self.places.entry(fd).or_insert_with(|| {
            open.push(None);
            open.len() - 1
        })
    }

    /// The place of a descriptor; one that was open before the scrape is opened once more.
    fn kept(&mut self, args: &str) -> Option<usize> {
        let (fd, what) = descriptor(args)?;
        if !self.places.contains_key(&fd) {
            let opened = again(what)?;
            let place = self.place(fd);
            self.floor.open[place] = Some(opened);
        }
        self.places.get(&fd).copied()
    }
}

/// `14</proc/stat>`: the number and what it stands for.
fn descriptor(text: &str) -> Option<(u32, &str)> {
    let (number, what) = text.split_once('<')?;
    Some((number.parse().ok()?, what.split_once('>')?.0))
}

fn again(what: &str) -> Option<OwnedFd> {
    let protocol = match what.strip_prefix("NETLINK:[").and_then(|what| what.split(':').next()) {
        // The first of all, and the default.
        Some("ROUTE") => None,
        Some("GENERIC") => Some(netlink::GENERIC),
        Some("SOCK_DIAG") => Some(netlink::SOCK_DIAG),
        Some(_) => return None,
        None if Path::new(what).is_absolute() => {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
            return rustix::fs::open(what, flags, Mode::empty()).ok();
        }
        None => return None,
    };
    rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol).ok()
}

/// The bytes in ` | 00000  1c 00 00 00 1e 00 01 03  05 00 00 00 00 00 00 00  ................ |`.
fn bytes(dump: &str) -> Vec<u8> {
    // Sixteen bytes in two halves, from the tenth column on; the same as text follows.
    let columns = dump.get(10..59).unwrap_or_default();
    columns.split_whitespace().filter_map(|byte| u8::from_str_radix(byte, 16).ok()).collect()
}
