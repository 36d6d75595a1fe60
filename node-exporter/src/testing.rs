//! Running one collector over a small tree, for the tests beside the collectors.

use common::collector::Row;

use crate::rig::Rig;

/// The page of `row` over a tree of (path, content) pairs, and what went wrong, faults first, then the error.
pub(crate) fn page_of(row: &Row, tree: &[(&str, &str)], flags: &[(&'static str, &str)]) -> (String, Vec<String>) {
    Rig::new(row, tree, flags).scrape()
}
