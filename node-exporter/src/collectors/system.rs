//! The kernel and the operating system as a whole.

pub(super) mod entropy;
pub(super) mod filefd;
pub(super) mod loadavg;
pub(super) mod pressure;
