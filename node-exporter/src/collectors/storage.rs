//! Disks, arrays and file systems.

pub(super) mod filesystem;
