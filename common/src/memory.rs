//! Giving memory back: what only the start needed does not stay with a program that runs for months.
//!
//! glibc would make an arena per thread, each with its own leftovers; the suite's threads take turns and share one. What
//! the command line took is returned to the system before the first scrape.

#![expect(unsafe_code, reason = "mallopt(3), malloc_trim(3) and the linker's symbols have no safe wrappers")]

/// Most code that the kernel maps for the sake of one function.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const PIECE_BYTES: usize = 32 << 10;

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

/// At the start: cuts the mapping of code and constants into pieces.
///
/// Whatever is used of a file, the kernel maps the rest of that page cache folio along, which since Linux 6.18 are up to
/// 2 MB, but never more than the mapping. Neighbours that differ in a mark stay apart; that for core dumps means nothing
/// here, as code does not go into them. What is never used then is not held, and can be reclaimed.
pub(crate) fn cut_code() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let (start, length) = code();
        for offset in (0..length).step_by(2 * PIECE_BYTES) {
            let piece = start.wrapping_add(offset).cast_mut();
            // SAFETY: the piece is in the program's own code, where nothing but the mark for core dumps changes; a refusal
            // changes nothing at all.
            unsafe {
                libc::madvise(piece.cast(), PIECE_BYTES.min(length - offset), libc::MADV_DONTDUMP);
            }
        }
    }
}

/// Returns free memory to the system, after a large document or a crowd of clients: it came in small blocks, which would
/// stay with the process.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim only returns free memory, under malloc's own lock.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// After the start: returns what it needed and the service does not.
///
/// That is free memory, and the code: what of it is used again comes back from the page cache with the next scrape, and what
/// the start alone has used (command line, sandbox) does not.
pub(crate) fn settle() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        give_back();
        let (start, length) = code();
        // SAFETY: of code, which is never written to, nothing is lost that is not in the file.
        unsafe {
            libc::madvise(start.cast_mut().cast(), length, libc::MADV_DONTNEED);
        }
    }
}

/// Where the code of the program begins, on a page, and how long it is.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn code() -> (*const u8, usize) {
    unsafe extern "C" {
        static __executable_start: u8;
        static etext: u8;
    }
    let (start, end) = (&raw const __executable_start, &raw const etext);
    (start, end.addr().saturating_sub(start.addr()))
}
