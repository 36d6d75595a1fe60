//! The local time zone as the C library knows it: localtime_r(3). It is looked up once in the life of a process.

use std::ffi::CStr;
use std::mem::MaybeUninit;

/// Seconds east of UTC at a point in time, and the zone's abbreviation at that time; `None` if the year is out of
/// range.
#[expect(unsafe_code, reason = "localtime_r has no safe wrapper")]
pub(crate) fn zone_at(seconds: i64) -> Option<(i64, Vec<u8>)> {
    let time: libc::time_t = seconds;
    let mut parts = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are valid for the call, and the result is looked at only where it was filled in. The zone
    // is read from the environment, which this program never changes after its start. The abbreviation is a C string
    // that the library keeps; it is copied before anyone could ask the library for another zone.
    unsafe {
        if libc::localtime_r(&raw const time, parts.as_mut_ptr()).is_null() {
            return None;
        }
        let parts = parts.assume_init();
        let name = if parts.tm_zone.is_null() { c"" } else { CStr::from_ptr(parts.tm_zone) };
        Some((parts.tm_gmtoff, name.to_bytes().to_vec()))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_zone_has_a_name() {
        let (offset, name) = super::zone_at(1_700_000_000).unwrap();
        assert!(offset.abs() <= 86_400);
        assert!(!name.is_empty());
    }
}
