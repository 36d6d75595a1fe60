//! What a running program takes from the machine.

use std::fmt::{self, Display};
use std::fs;

/// Memory, threads and descriptors of a process at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footprint {
    /// Memory in RAM, in KiB (VmRSS).
    pub resident_kib: u64,
    /// Memory in RAM that no file backs, in KiB (RssAnon): what a leak would show in.
    pub anonymous_kib: u64,
    /// Address space, in KiB (VmSize).
    pub virtual_kib: u64,
    /// Private memory that could be written, in KiB (VmData): what RLIMIT_DATA counts.
    pub data_kib: u64,
    /// Threads.
    pub threads: usize,
    /// Open file descriptors.
    pub descriptors: usize,
}

impl Footprint {
    /// The memory of a process; panics when it is gone.
    #[track_caller]
    pub(crate) fn of(pid: u32) -> Self {
        let path = format!("/proc/{pid}/status");
        let status = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
            number.unwrap_or_else(|| panic!("no {name} in {path}:\n{status}"))
        };
        Self {
            resident_kib: kib("VmRSS"),
            anonymous_kib: kib("RssAnon"),
            virtual_kib: kib("VmSize"),
            data_kib: kib("VmData"),
            threads: 0,
            descriptors: 0,
        }
    }
}

impl Display for Footprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resident_kib, anonymous_kib, virtual_kib, data_kib, threads, descriptors } = self;
        write!(
            f,
            "{resident_kib} KiB resident ({anonymous_kib} KiB anonymous), {virtual_kib} KiB virtual, {data_kib} KiB \
             data, {threads} threads, {descriptors} descriptors"
        )
    }
}
