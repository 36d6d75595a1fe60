//! The whole page over each tree in `tests/fixtures`, compared with a committed one.
//!
//! * A tree has `proc`, `sys`, `udev`, `root` and a file `flags`, one flag per line, `{tree}` being its path.
//! * The built program prints the page once; the same collectors, kept for a second scrape, have to print it again.
//! * Under the samples stand the lines the program logged: a fault that a fixture was made to cause belongs there.
//! * `UPDATE_GOLDEN=1` rewrites the pages; the difference is the review.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop; clippy's own exception does not reach helpers outside #[test]"
)]

#[path = "trees/not_from_files.rs"]
mod not_from_files;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, fs};

use common::app;
use common::cli::{self, Parsed};
use common::collector::Row;
use common::exposition::Format;
use common::scrape::{Engine, Request};
use node_exporter::PROGRAM;
use node_exporter::collectors::COLLECTORS;

use crate::not_from_files::NOT_FROM_FILES;

/// Families with a value that no two runs share.
const VOLATILE: &[&str] = &[
    "node_exporter_build_info",
    "node_scrape_collector_duration_seconds",
    "node_textfile_mtime_seconds",
    "node_time_seconds",
    "node_time_zone_offset_seconds",
];

fn rows() -> Vec<&'static Row> {
    COLLECTORS.iter().copied().filter(|row| !NOT_FROM_FILES.contains(&row.name)).collect()
}

fn command_line(tree: &Path) -> Vec<String> {
    let tree_name = tree.to_str().unwrap();
    let mut line: Vec<String> = ["--once", "--web.disable-exporter-metrics", "--collector.disable-defaults"]
        .into_iter()
        .map(str::to_owned)
        .chain(rows().iter().map(|row| format!("--collector.{}", row.name)))
        .collect();
    for (flag, folder) in
        [("path.procfs", "proc"), ("path.sysfs", "sys"), ("path.udev.data", "udev"), ("path.rootfs", "root")]
    {
        line.push(format!("--{flag}={tree_name}/{folder}"));
    }
    let more = fs::read_to_string(tree.join("flags")).unwrap_or_default();
    line.extend(more.lines().map(|flag| flag.replace("{tree}", tree_name)));
    line
}

/// The page and the log of the built program.
fn printed(tree: &Path) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_node-exporter"));
    let output = command.args(command_line(tree)).env("TZ", "UTC").output().unwrap();
    let (page, log) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(!page.is_empty(), "{} printed nothing: {log}", tree.display());
    (page, log)
}

/// The page of the second scrape, which goes by what the first one has kept.
fn scraped_again(tree: &Path) -> String {
    let line = std::iter::once("node-exporter".to_owned()).chain(command_line(tree));
    let parsed = cli::parse(PROGRAM.name, PROGRAM.about, &app::groups(&PROGRAM), line, |_| None);
    let Ok(Parsed::Run { args, .. }) = parsed else { panic!("{}: bad flags", tree.display()) };
    let engine = Engine::new(node_exporter::PREFIX, &rows(), &Arc::new(args)).unwrap_or_else(|e| panic!("{e:?}"));
    let mut page = Vec::new();
    for _ in 0..2 {
        let deadline = Instant::now() + Duration::from_secs(30);
        let request = Request { only: None, deadline, format: Format::Text, gzip: false };
        page = engine.scrape(&request, |_| {}).unwrap().body.into_bytes();
    }
    String::from_utf8(page).unwrap()
}

/// Without what no two runs or two folders share.
fn steady(page: &str, tree: &Path) -> String {
    let kept = |line: &&str| {
        let words = line.strip_prefix("# HELP ").or(line.strip_prefix("# TYPE ")).unwrap_or(line);
        let name = words.split([' ', '{']).next().unwrap_or_default();
        !VOLATILE.contains(&name)
    };
    let text: String = page.lines().filter(kept).flat_map(|line| [line, "\n"]).collect();
    text.replace(&format!("{}/", tree.display()), "/")
}

fn logged(log: &str, tree: &Path) -> String {
    let without_time = |line: &str| line.find("level=").and_then(|at| line.get(at..)).unwrap_or(line).to_owned();
    let without_place = |line: String| {
        let volatile = |word: &&str| word.starts_with("duration_seconds=") || word.starts_with("source=");
        let words = line.split(' ').filter(|word| !volatile(word));
        format!("# {}\n", words.collect::<Vec<_>>().join(" "))
    };
    steady(&log.lines().map(without_time).map(without_place).collect::<String>(), tree)
}

/// The first line that differs, three lines around it, and how to accept it.
#[track_caller]
fn same(file: &Path, want: &str, got: &str) {
    if want == got {
        return;
    }
    let (want, got): (Vec<&str>, Vec<&str>) = (want.lines().collect(), got.lines().collect());
    let at = want.iter().zip(&got).take_while(|(want, got)| want == got).count();
    let around = |lines: &[&str], sign: &str| -> String {
        let lines = lines.iter().skip(at).take(4).map(|line| format!("{sign} {line}\n"));
        lines.collect()
    };
    let before: String = want.iter().take(at).skip(at.saturating_sub(3)).map(|line| format!("  {line}\n")).collect();
    panic!(
        "{}:{}: `make golden` rewrites it, - is the file, + is now\n{before}{}{}",
        file.display(),
        at + 1,
        around(&want, "-"),
        around(&got, "+")
    );
}

fn check(name: &str) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let (tree, file): (PathBuf, PathBuf) =
        (here.join("fixtures").join(name), here.join("golden").join(format!("{name}.prom")));
    let (page, log) = printed(&tree);
    let page = steady(&page, &tree);
    let got = format!("{page}{}", logged(&log, &tree));
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, &got).unwrap();
    }
    same(&file, &fs::read_to_string(&file).unwrap(), &got);
    same(&file, &page, &steady(&scraped_again(&tree), &tree));
}

#[test]
fn every_tree_has_a_test() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let entries = fs::read_dir(here).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir());
    let mut trees: Vec<_> = entries.map(|entry| entry.file_name()).collect();
    trees.sort();
    assert_eq!(trees, ["board", "laptop", "node"]);
}

#[test]
fn server_board() {
    check("board");
}

#[test]
fn laptop() {
    check("laptop");
}

#[test]
fn general_server() {
    check("node");
}
