//! Running one collector over a small tree, for the tests beside the collectors.

use common::collector::Row;

use crate::rig::{Rig, samples_of};

/// The page of `row` over a tree of (path, content) pairs, and what went wrong, faults first, then the error.
pub(crate) fn page_of(row: &Row, tree: &[(&str, &str)], flags: &[(&'static str, &str)]) -> (String, Vec<String>) {
    Rig::new(row, tree, flags).scrape()
}

/// Asserts that `row` over a tree of (path, content) pairs has these samples and that this went wrong.
#[track_caller]
pub(crate) fn check(row: &Row, tree: &[(&str, &str)], want: &[&str], want_problems: &[&str]) {
    let (page, problems) = page_of(row, tree, &[]);
    assert_eq!(samples_of(&page).lines().collect::<Vec<_>>(), want);
    assert_eq!(problems, want_problems);
}
