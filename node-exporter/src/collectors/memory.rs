//! Memory, paging and swap.

pub(super) mod buddyinfo;
pub(super) mod meminfo;
pub(super) mod swap;
pub(super) mod vmstat;
