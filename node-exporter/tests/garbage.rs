//! A machine that lies: each file of the tree `node` in turn cut, grown and scrambled between scrapes of one process.
//! No collector may panic, and what it prints stays a page.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop; clippy's own exception does not reach helpers outside #[test]"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::exposition::{Format, parse_text};
use common::fuzzing::mutants;
use common::scrape::{Engine, Request};
use common::{app, cli};
use node_exporter::PROGRAM;

/// Copies `from`, links as links; gives the files.
fn copy(from: &Path, to: &Path, files: &mut Vec<PathBuf>) {
    fs::create_dir_all(to).unwrap();
    let mut entries: Vec<_> = fs::read_dir(from).unwrap().map(Result::unwrap).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (kind, to) = (entry.file_type().unwrap(), to.join(entry.file_name()));
        if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path()).unwrap(), to).unwrap();
        } else if kind.is_dir() {
            copy(&entry.path(), &to, files);
        } else {
            fs::copy(entry.path(), &to).unwrap();
            files.push(to);
        }
    }
}

fn engine(tree: &Path) -> Engine {
    let tree_name = tree.to_str().unwrap();
    let mut line = vec!["node-exporter".to_owned()];
    for (flag, folder) in
        [("path.procfs", "proc"), ("path.sysfs", "sys"), ("path.udev.data", "udev"), ("path.rootfs", "root")]
    {
        line.push(format!("--{flag}={tree_name}/{folder}"));
    }
    line.extend(PROGRAM.rows.iter().map(|row| format!("--collector.{}", row.name)));
    let more = fs::read_to_string(tree.join("flags")).unwrap();
    line.extend(more.lines().map(|flag| flag.replace("{tree}", tree_name)));
    let parsed = cli::parse(PROGRAM.name, PROGRAM.about, &app::groups(&PROGRAM), line, |_| None);
    let Ok(cli::Parsed::Run { args, .. }) = parsed else { panic!("bad flags") };
    Engine::new(node_exporter::PREFIX, PROGRAM.rows, &Arc::new(args)).unwrap_or_else(|e| panic!("{e:?}"))
}

fn check(engine: &Engine, what: &dyn std::fmt::Display) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let request = Request { only: None, deadline, format: Format::Text, gzip: false };
    let body = engine.scrape(&request, |_| {}).unwrap().body.into_bytes();
    if let Err(e) = parse_text(&body) {
        panic!("{what}: no page any more: {e}");
    }
    for standing in engine.standings() {
        let complaint = standing.complaint.unwrap_or_default();
        assert!(!complaint.starts_with("panicked"), "{what}: {}: {complaint}", standing.name);
    }
}

#[test]
fn no_file_can_bring_down_a_collector() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/node");
    let (dir, mut files) = (tempfile::tempdir().unwrap(), Vec::new());
    copy(&here, dir.path(), &mut files);
    let engine = engine(dir.path());
    check(&engine, &"the good tree");
    for file in files {
        let good = fs::read(&file).unwrap();
        // Texts of many lines have more to get wrong than an attribute.
        let rounds = if good.len() > 64 { 8 } else { 2 };
        for bad in mutants(&good, rounds) {
            fs::write(&file, &bad).unwrap();
            check(&engine, &format_args!("{}: {}", file.display(), bad.escape_ascii()));
        }
        fs::remove_file(&file).unwrap();
        check(&engine, &format_args!("{} is gone", file.display()));
        fs::write(&file, good).unwrap();
    }
}
