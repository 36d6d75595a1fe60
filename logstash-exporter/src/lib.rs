//! Everything the logstash exporter is but its `main`.
//!
//! [`api`] reads the answers of a Logstash, [`families`] is the table of what is made of them.

pub mod api;
pub mod families;
#[doc(hidden)]
pub mod fuzzing;
