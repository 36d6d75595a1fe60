//! The kernel's clock discipline: adjtimex(2), read only.

use std::io;
use std::mem::MaybeUninit;

/// Asks the kernel how it steers the clock: the state of the clock (`TIME_OK` …) and all parameters.
#[expect(unsafe_code, reason = "adjtimex has no safe wrapper")]
pub(crate) fn read() -> io::Result<(i32, libc::timex)> {
    let mut timex = MaybeUninit::<libc::timex>::zeroed();
    // SAFETY: the pointer is valid for reads and writes of a whole timex during the call, and all of its bytes are
    // zero, so that `modes` asks for no change.
    let state = unsafe { libc::adjtimex(timex.as_mut_ptr()) };
    if state < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: every field is an integer, for which the zeroes above are valid as is whatever the kernel wrote.
    Ok((state, unsafe { timex.assume_init() }))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_second_has_as_many_ticks_as_it_should() {
        // Some sandboxes forbid the call.
        if let Ok((state, timex)) = super::read() {
            assert!((libc::TIME_OK..=libc::TIME_ERROR).contains(&state));
            assert!((9_000..=11_000).contains(&timex.tick), "microseconds per tick: {}", timex.tick);
        }
    }
}
