//! A machine that lies: each file of the tree `node` in turn cut, grown and scrambled between scrapes of one process.
//! No collector may panic, and what it prints stays a page.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop; clippy's own exception does not reach helpers outside #[test]"
)]

mod trees;

use std::fs;

use common::fuzzing::mutants;

use crate::trees::{copy, engine, recorded, scrape};

#[test]
fn no_file_can_bring_down_a_collector() {
    let (dir, mut files) = (tempfile::tempdir().unwrap(), Vec::new());
    copy(&recorded("node"), dir.path(), &mut files);
    let engine = engine(dir.path());
    scrape(&engine, None, &"the good tree");
    for file in files {
        let good = fs::read(&file).unwrap();
        // Texts of many lines have more to get wrong than an attribute.
        let rounds = if good.len() > 64 { 8 } else { 2 };
        for bad in mutants(&good, rounds) {
            fs::write(&file, &bad).unwrap();
            scrape(&engine, None, &format_args!("{}: {}", file.display(), bad.escape_ascii()));
        }
        fs::remove_file(&file).unwrap();
        scrape(&engine, None, &format_args!("{} is gone", file.display()));
        fs::write(&file, good).unwrap();
    }
}
