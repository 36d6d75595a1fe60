//! Memory, paging and swap.
