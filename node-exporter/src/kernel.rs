//! What several collectors share about the kernel's files: their parsers, and sets that are followed over scrapes.

pub(crate) mod cpu_dirs;
pub(crate) mod cpu_labels;
pub(crate) mod cpuinfo;
pub(crate) mod proc_stat;

/// No file has more CPUs than this; Linux itself stops at 8,192. What comes after is not looked at.
pub(crate) const MOST_CPUS: usize = 65_536;
