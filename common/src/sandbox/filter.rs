//! The system calls that are refused, as a classic BPF program.
//!
//! * A list of what is refused, not of what is allowed: the latter breaks with every C library, kernel and collector.
//! * Refused means EPERM, never a signal: a mistake in this list costs a sample.
//! * Cheap, because the kernel (5.11) finds out once which calls the program allows whatever their arguments are, and does
//!   not run it for them.
//! * x86-64 and aarch64; elsewhere there is none.

use super::Need;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod kernel;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod program;

/// Puts the filter in force, or says why there is none.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) fn enter(needs: &[Need]) -> Result<(), String> {
    let program = program::of(needs.contains(&Need::PerfEvents));
    kernel::set_filter(&program).map_err(|e| match e.raw_os_error() {
        Some(libc::ENOSYS | libc::EINVAL) => "this kernel has no seccomp filters".to_owned(),
        _ => e.to_string(),
    })
}

/// There is none for this architecture.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) fn enter(_needs: &[Need]) -> Result<(), String> {
    Err("there is no filter for this architecture".to_owned())
}
