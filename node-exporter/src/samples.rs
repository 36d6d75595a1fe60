//! As `testing`, for tests that look at samples alone.

use common::collector::Row;

use crate::rig;
use crate::testing::page_of;

/// The samples of `row` over a tree of (path, content) pairs, without comments, and what went wrong.
pub(crate) fn samples_of(row: &Row, tree: &[(&str, &str)], flags: &[(&'static str, &str)]) -> (String, Vec<String>) {
    let (page, errors) = page_of(row, tree, flags);
    (rig::samples_of(&page), errors)
}
