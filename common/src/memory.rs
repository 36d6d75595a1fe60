//! Giving memory back: what only the start needed does not stay with a program that runs for months.
//!
//! glibc would make an arena per thread, each with its own leftovers; the suite's threads take turns and share one. What
//! the command line took is returned to the system before the first scrape.

#![expect(unsafe_code, reason = "mallopt(3) and malloc_trim(3) have no safe wrappers")]

/// From here on a buffer has pages of its own: it grows without being copied, and goes back when it is dropped.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE_BYTES: libc::c_int = 256 << 10;

/// Before any other thread is started: one arena for all of them, and large buffers outside of it.
///
/// Without the second, glibc takes the first large buffer that is dropped as a sign to put all others up to that size
/// into the arena, where a document of 6 MB leaves holes of its size.
pub(crate) fn one_arena() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt takes two numbers and is called before there is a second thread; a refusal changes nothing.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BYTES);
    }
}

/// After the start: returns what it needed and the service does not.
pub(crate) fn settle() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim only returns free memory, under malloc's own lock.
    unsafe {
        libc::malloc_trim(0);
    }
}
