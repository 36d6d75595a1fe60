//! Everything the node exporter is but its `main`.

pub mod collectors;
pub mod fs;

#[cfg(test)]
pub(crate) mod rig;
#[cfg(test)]
pub(crate) mod testing;
