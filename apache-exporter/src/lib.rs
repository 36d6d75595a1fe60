//! Everything the apache exporter is but its `main`.
//!
//! [`status`] reads the answer of mod_status, [`version`] the server's description in it, [`metrics`] writes the page.
//! All three are pure: bytes in, samples out.

#[doc(hidden)]
pub mod fuzzing;
pub mod metrics;
pub mod status;
pub mod version;
