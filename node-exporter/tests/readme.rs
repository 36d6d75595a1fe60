//! The tables in the README are made from the rows and from the headers of the collectors' files.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

use std::fs;
use std::path::{Path, PathBuf};

use common::collector::Row;
use common::readme::check;
use node_exporter::collectors::COLLECTORS;

/// The flags of a row, short where they begin as its switch does.
fn flags(row: &Row) -> String {
    let begin = format!("collector.{}.", row.name);
    let flags = row.flags.iter().filter(|flag| !flag.hidden).map(|flag| match flag.name.strip_prefix(&begin) {
        Some(short) => format!("`{short}`"),
        None => format!("`--{}`", flag.name),
    });
    flags.collect::<Vec<_>>().join(", ")
}

// One test: both rewrite the same file.
#[test]
fn the_readme_has_what_the_code_says() {
    the_readme_lists_the_collectors();
    the_readme_says_what_differs();
}

fn the_readme_lists_the_collectors() {
    let rows = COLLECTORS.iter().map(|row| {
        let default = if row.on { "on" } else { "off" };
        format!("| `{}` | {default} | {} | {} |\n", row.name, row.about.replace('|', "\\|"), flags(row))
    });
    let head = "| collector | by default | what it reads | flags, after `--collector.<name>.` |\n|---|---|---|---|\n";
    check(env!("CARGO_MANIFEST_DIR"), "collectors", &format!("{head}{}", rows.collect::<String>())).unwrap();
}

const DIFFERS: &str = "//! * Differs from the Go exporter: ";

/// The file of a collector, whatever its subject.
fn file_of(row: &Row) -> PathBuf {
    let collectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/collectors");
    let folders = fs::read_dir(collectors).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<PathBuf> =
        folders.map(|folder| folder.join(format!("{}.rs", row.name))).filter(|file| file.exists()).collect();
    match files.as_slice() {
        [file] => file.clone(),
        other => panic!("{}: {other:?}", row.name),
    }
}

/// What its header says about the Go exporter, on one line.
fn difference(row: &Row) -> String {
    let file = file_of(row);
    let text = fs::read_to_string(&file).unwrap();
    let mut lines = text.lines().skip_while(|line| !line.starts_with(DIFFERS));
    let Some(first) = lines.next() else { panic!("{}: a header says what differs", file.display()) };
    let rest = lines.map_while(|line| line.strip_prefix("//!   "));
    let begin = first.strip_prefix(DIFFERS).unwrap_or_default();
    std::iter::once(begin).chain(rest).collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn the_readme_says_what_differs() {
    let rows = COLLECTORS.iter().map(|row| (row.name, difference(row))).filter(|(_, what)| what != "nothing.");
    let rows: String = rows.map(|(name, what)| format!("| `{name}` | {what} |\n")).collect();
    let head = "| collector | what is different |\n|---|---|\n";
    check(env!("CARGO_MANIFEST_DIR"), "differences", &format!("{head}{rows}")).unwrap();
}
