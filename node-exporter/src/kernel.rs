//! What several collectors share about the kernel's files: their parsers, and sets that are followed over scrapes.

pub(crate) mod cpu_dirs;
pub(crate) mod cpu_labels;
pub(crate) mod cpuinfo;
pub(crate) mod proc_stat;
