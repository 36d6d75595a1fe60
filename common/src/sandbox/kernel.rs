//! The system calls behind the sandbox, which no library in use here wraps.
//!
//! The `landlock` and `seccompiler` crates do: they bring builders, error types and generic filters of which a program
//! that says one thing once has no use.

#![expect(unsafe_code, reason = "landlock(7) and seccomp(2) have no safe wrappers in libc or rustix")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `struct landlock_ruleset_attr` (kernel: include/uapi/linux/landlock.h). Older kernels know less of it, and take the rest
/// when it is zero.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Handled {
    pub(super) files: u64,
    pub(super) net: u64,
    pub(super) scoped: u64,
}

/// `struct landlock_path_beneath_attr`.
#[repr(C, packed)]
struct PathBeneath {
    allowed: u64,
    parent: i32,
}

/// `struct landlock_net_port_attr`.
#[repr(C)]
struct NetPort {
    allowed: u64,
    port: u64,
}

const RULE_PATH_BENEATH: libc::c_int = 1;
const RULE_NET_PORT: libc::c_int = 2;
const CREATE_RULESET_VERSION: libc::c_uint = 1;

fn checked(returned: libc::c_long) -> io::Result<libc::c_long> {
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(returned) }
}

/// The Landlock ABI of this kernel.
pub(super) fn landlock_abi() -> io::Result<u32> {
    // SAFETY: asked for its version, the call takes no attributes and touches no memory.
    let abi = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<Handled>(), 0_usize, CREATE_RULESET_VERSION)
    };
    checked(abi).map(|abi| u32::try_from(abi).unwrap_or(u32::MAX))
}

/// Rules in the making.
pub(super) struct Ruleset(OwnedFd);

impl Ruleset {
    /// What is handled is forbidden unless a rule allows it.
    pub(super) fn new(handled: &Handled) -> io::Result<Self> {
        // SAFETY: the kernel reads as many bytes as it is told the attributes have.
        let fd = checked(unsafe {
            libc::syscall(
                libc::SYS_landlock_create_ruleset,
                std::ptr::from_ref(handled),
                size_of::<Handled>(),
                0 as libc::c_uint,
            )
        })?;
        let fd = i32::try_from(fd).map_err(io::Error::other)?;
        // SAFETY: the kernel has just made this descriptor, and nobody else has it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Allows `allowed` for a file, or a directory and all below it.
    pub(super) fn allow_below(&self, parent: BorrowedFd<'_>, allowed: u64) -> io::Result<()> {
        let rule = PathBeneath { allowed, parent: parent.as_raw_fd() };
        // SAFETY: the kernel reads a rule of this type, whose descriptor outlives the call.
        unsafe { self.add(RULE_PATH_BENEATH, std::ptr::from_ref(&rule).cast()) }
    }

    /// Allows `allowed` for a TCP port.
    pub(super) fn allow_port(&self, port: u16, allowed: u64) -> io::Result<()> {
        let rule = NetPort { allowed, port: port.into() };
        // SAFETY: the kernel reads a rule of this type.
        unsafe { self.add(RULE_NET_PORT, std::ptr::from_ref(&rule).cast()) }
    }

    /// # Safety
    /// `rule` points to a rule of the type `kind`.
    unsafe fn add(&self, kind: libc::c_int, rule: *const libc::c_void) -> io::Result<()> {
        // SAFETY: as the caller promises; the kernel keeps no pointer.
        let added =
            unsafe { libc::syscall(libc::SYS_landlock_add_rule, self.0.as_raw_fd(), kind, rule, 0 as libc::c_uint) };
        checked(added).map(drop)
    }

    /// Puts the rules in force for this thread and those it will start.
    pub(super) fn restrict_self(self) -> io::Result<()> {
        // SAFETY: the call takes a descriptor and flags.
        let done = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, self.0.as_raw_fd(), 0 as libc::c_uint) };
        checked(done).map(drop)
    }
}

/// Puts a filter of system calls in force for this thread and those it will start.
pub(super) fn set_filter(program: &[libc::sock_filter]) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    // Kernels before 5.16 take a filter for a sign of foreign code and slow down every branch of the process.
    let flags = libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    // SAFETY: the kernel copies `len` instructions from the slice, which lives until then, and writes nothing there.
    let set =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, std::ptr::from_ref(&program)) };
    checked(set).map(drop)
}
