//! Memory, paging and swap.

pub(super) mod meminfo;
pub(super) mod vmstat;
