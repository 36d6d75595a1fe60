//! Rights given away at the start: what a program does not need it cannot be made to do.
//!
//! * Landlock (kernel Documentation/userspace-api/landlock.rst; Linux 5.13, ABI 1): files are read below the trees that
//!   are needed and nowhere else; nothing is written, created, executed, and no device is steered (ABI 5). TCP ports are
//!   bound and connected to when they are needed (ABI 4); signals go to nobody else (ABI 6), nor do connections to abstract
//!   Unix sockets, unless they are needed.
//! * What Landlock looks up at each file that is opened is kept small: reading is no matter of it where everything may be
//!   read, and cutting files off none where the filter refuses that.
//! * A seccomp filter (kernel Documentation/userspace-api/seccomp_filter.rst) refuses system calls that no exporter makes.
//! * `no_new_privs`, which both ask for: no program that is executed could gain rights.
//! * Best effort: what a kernel or a container does not offer is left out, and the log says so.
//!
//! The rules are the `landlock` crate's, which knows what each kernel can do and costs 13 KB. The filter is our own: the
//! `seccompiler` crate refuses everything with the same error, while the C library wants another one for `clone3`, and lets
//! kernels before 5.16 slow down each branch of a process that has a filter.
//!
//! What is needed is told as data ([`Need`]) by those who need it.

mod filter;
mod rules;

use std::path::PathBuf;

use crate::flags::Flag;

/// Something that a program does besides reading what is open already and asking the kernel over netlink or UDP.
///
/// Files and directories are what counts, not their names: what later takes the place of one is out of reach, unless it is
/// below a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// Reads files and lists directories below this one.
    Tree(PathBuf),
    /// The same below one that may only come later: until then it is a matter of the nearest directory above it, unless that
    /// is `/`, which is too much to give for it.
    TreeToCome(PathBuf),
    /// Reads this very file.
    File(PathBuf),
    /// Looks at other processes, in the proc file system that is mounted here.
    Processes(PathBuf),
    /// Binds a TCP port; 0 for one that the kernel chooses.
    Bind(u16),
    /// Connects to a TCP port, of whatever host.
    Connect(u16),
    /// Connects to an abstract Unix socket of another process.
    AbstractSockets,
    /// Opens performance counters.
    PerfEvents,
}

/// The switch.
pub const FLAG: &str = "sandbox";

/// The flags of a program that has a sandbox.
pub const FLAGS: &[Flag] =
    &[Flag::switch(FLAG, true, "Gives away all rights that are not needed, as far as the kernel offers it.")];

/// What came of it.
#[derive(Debug)]
pub struct InForce {
    /// The Landlock ABI whose rules hold, or why none do.
    landlock: Result<u32, String>,
    /// The trees and files that can be read, when Landlock is in force.
    readable: Vec<PathBuf>,
    /// Whether the filter holds, or why not.
    seccomp: Result<(), String>,
    /// Whether nothing that is executed could gain rights, or why not.
    no_new_privs: Result<(), String>,
}

/// Gives the rights away for this thread and all that it starts: to be called before there is another one.
pub fn enter(needs: &[Need]) -> InForce {
    let no_new_privs = rustix::thread::set_no_new_privs(true).map_err(|e| e.to_string());
    let readable = rules::readable(needs);
    let seccomp = filter::enter(needs);
    let landlock = rules::enter(needs, &readable, seccomp.is_ok());
    InForce { landlock, readable, seccomp, no_new_privs }
}

impl InForce {
    /// The Landlock ABI whose rules are in force.
    pub fn landlock_abi(&self) -> Option<u32> {
        self.landlock.as_ref().ok().copied()
    }

    /// Whether the filter of system calls is in force.
    pub fn has_filter(&self) -> bool {
        self.seccomp.is_ok()
    }

    /// One line for the log.
    pub fn log(&self) {
        let say = |result: &Result<(), String>| match result {
            Ok(()) => "on".to_owned(),
            Err(why) => format!("off: {why}"),
        };
        let (landlock, readable) = match &self.landlock {
            Ok(abi) => {
                let shown = self.readable.iter().map(|path| path.display().to_string());
                (format!("on: ABI {abi}"), shown.collect::<Vec<_>>().join(","))
            }
            Err(why) => (format!("off: {why}"), "whatever the user may read".to_owned()),
        };
        tracing::info!(
            landlock,
            readable,
            seccomp = say(&self.seccomp),
            no_new_privs = say(&self.no_new_privs),
            "Sandbox"
        );
    }
}
