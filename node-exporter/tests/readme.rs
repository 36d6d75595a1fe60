//! The table of collectors in the README is made from the rows.

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

#[test]
fn the_readme_lists_the_collectors() {
    let rows = COLLECTORS.iter().map(|row| {
        let default = if row.on { "on" } else { "off" };
        format!("| `{}` | {default} | {} | {} |\n", row.name, row.about.replace('|', "\\|"), flags(row))
    });
    let head = "| collector | by default | what it reads | flags, after `--collector.<name>.` |\n|---|---|---|---|\n";
    check(env!("CARGO_MANIFEST_DIR"), "collectors", &format!("{head}{}", rows.collect::<String>())).unwrap();
}
