//! Everything the node exporter is but its `main`.

pub mod collectors;
pub mod fs;
pub mod kernel;
#[cfg(test)]
pub mod testing;
