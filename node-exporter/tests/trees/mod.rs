//! The recorded trees as the tests that spoil them use them: copied, and scraped with every collector there is.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::exposition::{Format, ParsedText, parse_text};
use common::scrape::{Engine, Request};
use common::{app, cli};
use node_exporter::PROGRAM;

/// Where the tree `name` is recorded.
pub(crate) fn recorded(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Copies `from`, links as links; gives the files of the copy.
pub(crate) fn copy(from: &Path, to: &Path, files: &mut Vec<PathBuf>) {
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

/// All collectors over `tree`, with the flags it asks for.
pub(crate) fn engine(tree: &Path) -> Engine {
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

/// Scrapes: what was printed, which has to be a page, while no collector may have panicked.
pub(crate) fn scrape(engine: &Engine, only: Option<Vec<usize>>, what: &dyn std::fmt::Display) -> ParsedText {
    let deadline = Instant::now() + Duration::from_secs(60);
    let request = Request { only, deadline, format: Format::Text, gzip: false };
    let body = engine.scrape(&request, |_| {}).unwrap().body.into_bytes();
    for standing in engine.standings() {
        let complaint = standing.complaint.unwrap_or_default();
        assert!(!complaint.starts_with("panicked"), "{what}: {}: {complaint}", standing.name);
    }
    parse_text(&body).unwrap_or_else(|e| panic!("{what}: no page any more: {e}"))
}
