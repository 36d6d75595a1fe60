//! Counters of events on one CPU, whatever runs there: perf_event_open(2), counting alone.
//!
//! Layout: `struct perf_event_attr` of kernel include/uapi/linux/perf_event.h in its first version, 64 bytes. A crate that
//! wraps the whole of it brings mappings, samples and builders; of the call, this is all that is needed.

use std::io;

use rustix::fd::{FromRawFd, OwnedFd};

use super::netlink::u64_at;
use crate::fs::kept::Kept;

/// What is counted: `type` and `config` of the attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Which part of the kernel counts.
    pub(crate) kind: u32,
    /// What it counts.
    pub(crate) config: u64,
}

/// A count and for how long it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Events so far.
    pub(crate) value: u64,
    /// Nanoseconds since the counter was opened; stands still from when the CPU was taken away.
    pub(crate) enabled: u64,
    /// Nanoseconds of these in which the hardware had room for the counter.
    pub(crate) running: u64,
}

/// An open counter.
pub(crate) struct Counter(Kept);

const ATTRIBUTE_BYTES: u32 = 64;
/// PERF_FORMAT_TOTAL_TIME_ENABLED and PERF_FORMAT_TOTAL_TIME_RUNNING.
const READ_FORMAT: u64 = 1 | 2;
/// PERF_FLAG_FD_CLOEXEC.
const CLOSE_ON_EXEC: libc::c_long = 8;
/// Bit fields begin at the other end on machines of the other byte order.
const EXCLUDE_HYPERVISOR: u64 = if cfg!(target_endian = "little") { 1 << 6 } else { 1 << 57 };

impl Counter {
    /// Counts an event on a CPU from now on.
    pub(crate) fn open(event: Event, cpu: u32) -> io::Result<Self> {
        let cpu = i32::try_from(cpu).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?;
        let fd = open(event, cpu)?;
        Kept::new(fd).map(Self).map_err(|_| io::Error::from_raw_os_error(libc::EMFILE))
    }

    /// What was counted.
    pub(crate) fn read(&self) -> io::Result<Reading> {
        let mut bytes = [0; 24];
        let n = rustix::io::read(self.0.fd(), &mut bytes)?;
        parse(bytes.get(..n).unwrap_or_default()).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// `struct read_format`.
fn parse(bytes: &[u8]) -> Option<Reading> {
    Some(Reading { value: u64_at(bytes, 0)?, enabled: u64_at(bytes, 8)?, running: u64_at(bytes, 16)? })
}

#[expect(unsafe_code, reason = "perf_event_open has no safe wrapper")]
fn open(event: Event, cpu: i32) -> io::Result<OwnedFd> {
    let [k0, k1, k2, k3] = event.kind.to_ne_bytes();
    let [s0, s1, s2, s3] = ATTRIBUTE_BYTES.to_ne_bytes();
    let head = u64::from_ne_bytes([k0, k1, k2, k3, s0, s1, s2, s3]);
    let attributes: [u64; 8] = [head, event.config, 0, 0, READ_FORMAT, EXCLUDE_HYPERVISOR, 0, 0];
    let all_processes: libc::c_long = -1;
    let no_group: libc::c_long = -1;
    // SAFETY: the call reads as many bytes as the attributes say they have, which is all of the array, and keeps no
    // pointer. The other arguments are numbers, each as wide as a register.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            attributes.as_ptr(),
            all_processes,
            libc::c_long::from(cpu),
            no_group,
            CLOSE_ON_EXEC,
        )
    };
    match i32::try_from(fd) {
        // SAFETY: the kernel has just made this descriptor, so nobody else owns it.
        Ok(fd @ 0..) => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Faults of pages, which every kernel counts.
    const PAGE_FAULTS: Event = Event { kind: 1, config: 2 };

    #[test]
    fn page_faults_are_counted() {
        // Some sandboxes forbid the call.
        if let Ok(counter) = Counter::open(PAGE_FAULTS, 0) {
            let first = counter.read().unwrap();
            let second = counter.read().unwrap();
            assert!(second.value >= first.value && second.enabled > first.enabled, "{first:?} {second:?}");
            assert!(second.running > 0);
        }
    }

    #[test]
    fn what_is_not_there_is_refused() {
        for (event, cpu) in [(PAGE_FAULTS, 100_000), (PAGE_FAULTS, u32::MAX), (Event { kind: 1, config: 1 << 40 }, 0)] {
            assert!(Counter::open(event, cpu).is_err());
        }
        assert_eq!(parse(&[0; 23]), None);
        assert_eq!(parse(&[1; 24]).unwrap().enabled, 0x0101_0101_0101_0101);
    }
}
