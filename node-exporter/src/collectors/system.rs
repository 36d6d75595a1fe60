//! The kernel and the operating system as a whole.

pub(super) mod loadavg;
