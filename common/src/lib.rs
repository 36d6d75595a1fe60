//! What all exporters of the suite share. Each module's header says what it is for.

pub mod build_info;
pub mod collector;
pub mod crew;
pub mod error;
pub mod exposition;
pub mod fields;
pub mod filter;
pub mod flags;
pub mod gzip;
pub mod host;
pub mod log;
pub mod process;
pub mod scrape;
