//! The page: families, samples and the two text formats Prometheus reads.
//!
//! * Formats: text 0.0.4 (<https://prometheus.io/docs/instrumenting/exposition_formats/>) and OpenMetrics 1.0
//!   (<https://prometheus.io/docs/specs/om/open_metrics_spec/>).
//! * A collector writes into a [`Page`] of its own; [`Merge`] joins the pages of one scrape.
//! * This crate is the only place that knows how a sample looks. It is one of its own because it is compiled for speed, and
//!   the rest of what the programs share for size.
//! * Cost: a sample is written once, into the buffer of its family; nothing is allocated once the buffers have grown.

mod families;
mod labels;
mod merge;
mod number;
mod page;
mod parse;
mod registry;

pub use families::{Families, FamilyOut, push_label};
pub use merge::{Format, Merge};
pub use number::push_number;
pub use page::{Desc, Hides, Kind, Page};
pub use parse::{
    Flaws, ParsedFamily, ParsedSample, ParsedText, TextError, is_metric_name, parse_leniently, parse_text,
};
pub use registry::copy_registry;
