//! The system call that puts a filter in force.

#![expect(unsafe_code, reason = "seccomp(2) has no safe wrapper in libc or rustix")]

use std::io;

/// Puts a filter in force for this thread and those it will start.
pub(super) fn set_filter(program: &[libc::sock_filter]) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    // Kernels before 5.16 take a filter for a sign of foreign code and slow down every branch of the process.
    let flags = libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    // SAFETY: the kernel copies `len` instructions from the slice, which lives until then, and writes nothing there.
    let set =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, std::ptr::from_ref(&program)) };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
