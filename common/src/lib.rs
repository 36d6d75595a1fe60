//! What all exporters of the suite share. Each module's header says what it is for.
//!
//! Dependencies point downward: errors and fields at the bottom, then the page, the scrape, the command line, the web
//! face, and the life of a program on top.

pub mod app;
pub mod body;
pub mod build_info;
pub mod cli;
pub mod collector;
pub mod crew;
pub mod error;
pub mod fields;
pub mod filter;
pub mod flags;
#[doc(hidden)]
pub mod fuzzing;
pub mod gzip;
pub mod host;
pub mod hosts;
pub mod http;
pub mod instruments;
pub mod landing;
pub mod log;
pub mod memory;
pub mod negotiate;
pub mod process;
pub mod query;
#[doc(hidden)]
pub mod readme;
pub mod render;
pub mod sandbox;
pub mod scrape;
pub mod source;
pub mod time;
pub mod turns;
pub mod upstream;
pub mod watched;
pub mod web;
pub mod yaml;

pub use exposition;
