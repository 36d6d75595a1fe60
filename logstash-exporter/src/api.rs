//! The answers of Logstash's monitoring API, read from their bytes.
//!
//! * Source: `GET /`, `/_node`, `/_node/plugins`, `/_node/stats`, `/_health_report`, `/_node/hot_threads` of Logstash 7.17
//!   to 9.x. A file per answer below this one; a list of paths in it is all there is to know about the answer's shape.
//! * Units: those of the API; times are seconds since 1970.
//! * Absent when: a member is not there, null, the word `NaN`, or not of the type it should be. The last is counted as
//!   malformed and costs that member alone, whatever stands there instead.
//! * Fails when: the bytes are no UTF-8 or no JSON object, or a key has an escape that stands for no character;
//!   [`mended`] sees to it that odd text is none of these. Members nobody asked for are skipped, whatever they hold and
//!   however deep they nest.
//! * Strings are borrowed from the answer's bytes unless they hold escapes.
//! * Differs from the Go exporter: there one unexpected type costs the whole answer, and absent reads as 0.

mod health_report;
mod hot_threads;
mod installed;
mod leaf;
mod mend;
mod node;
mod node_stats;
mod pipeline;
mod plugin;
mod reader;
mod record;
mod root;

use std::fmt;

pub use common::time::parse_time;
pub use health_report::{
    Health, HealthNumber, HealthShape, HealthText, Impact, PipelineHealth, PipelineHealthShape, PipelineHealthText,
};
pub use hot_threads::{HotThread, HotThreads};
pub use installed::{Installed, Package};
pub use node::{
    Node, NodeNumber, NodePipeline, NodePipelineNumber, NodePipelineShape, NodePipelineText, NodeShape, NodeText,
};
pub use node_stats::{
    Database, DatabaseNumber, DatabaseShape, DatabaseText, Stats, StatsFlow, StatsNumber, StatsShape,
};
pub use pipeline::{Pipeline, PipelineFlow, PipelineNumber, PipelineShape, PipelineText};
pub use plugin::{Extra, ExtraKind, Plugin, PluginFlow, PluginKind, PluginNumber, PluginShape, PluginText, Plugins};
pub use record::{Record, Shape, Window};
pub use root::{Root, RootNumber, RootShape, RootText};

/// An answer, and what was wrong with it.
#[derive(Debug)]
pub struct Parsed<T> {
    /// What the answer says.
    pub document: T,
    /// Members that were there with a type they cannot have.
    pub malformed: u32,
    /// Pipelines, plugins and the like that were there twice; the first one stays.
    pub doubles: u32,
}

/// The bytes are no answer of Logstash: which place is the first that cannot be read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadDocument {
    /// Line number from 1.
    pub line: usize,
    /// Byte of that line, from 1.
    pub column: usize,
    /// What was wrong.
    pub what: String,
}

impl fmt::Display for BadDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.what)
    }
}

impl std::error::Error for BadDocument {}

/// The body of an answer with U+FFFD in the place of what is no text.
pub fn mended(body: Vec<u8>) -> Vec<u8> {
    mend::mended(body)
}

/// Reads the answer to `GET /`.
pub fn parse_root(body: &[u8]) -> Result<Parsed<Root<'_>>, BadDocument> {
    root::parse(body)
}

/// Reads the answer to `GET /_node`.
pub fn parse_node(body: &[u8]) -> Result<Parsed<Node<'_>>, BadDocument> {
    node::parse(body)
}

/// Reads the answer to `GET /_node/plugins`.
pub fn parse_plugins(body: &[u8]) -> Result<Parsed<Installed<'_>>, BadDocument> {
    installed::parse(body)
}

/// Reads the answer to `GET /_node/stats`.
pub fn parse_node_stats(body: &[u8]) -> Result<Parsed<Stats<'_>>, BadDocument> {
    node_stats::parse(body)
}

/// Reads the answer to `GET /_health_report`.
pub fn parse_health_report(body: &[u8]) -> Result<Parsed<Health<'_>>, BadDocument> {
    health_report::parse(body)
}

/// Reads the answer to `GET /_node/hot_threads`.
pub fn parse_hot_threads(body: &[u8]) -> Result<Parsed<HotThreads<'_>>, BadDocument> {
    hot_threads::parse(body)
}
