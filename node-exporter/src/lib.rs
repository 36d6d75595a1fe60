//! Everything the node exporter is but its `main`.

pub mod collectors;
pub mod fs;
