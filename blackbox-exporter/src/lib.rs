//! Everything the blackbox exporter is but its `main`.
//!
//! [`config`] reads `blackbox.yml`; [`probers`] is the table of probers, a file each; a [`run`] is one probe while it runs.
//! What several probers share: [`endpoint`] splits `host:port`, [`resolve`] chooses the address, [`network`] opens connections where that is allowed, [`tls`]
//! shakes hands and tells about certificates, [`dialogue`] talks by a script, [`reason`] says why a probe failed, [`regexp`] and [`cel`] are the two languages
//! of rules. [`exporter`] answers Prometheus.

pub mod cel;
pub mod config;
pub mod dialogue;
pub mod endpoint;
pub mod exporter;
pub mod module;
pub mod network;
pub mod probers;
pub mod reason;
pub mod regexp;
pub mod resolve;
pub mod run;
pub mod tls;
