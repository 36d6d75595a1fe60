//! Everything the logstash exporter is but its `main`.
//!
//! [`api`] reads the answers of a Logstash, [`families`] is the table of what is made of them; [`config`] reads the
//! configuration file. All of it is pure.

pub mod api;
pub mod config;
pub mod families;
#[doc(hidden)]
pub mod fuzzing;
