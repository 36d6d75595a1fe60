//! The tables of metrics and flags in the README are made from the code.

use common::readme::{check, flags};
use log_exporter::PROGRAM;
use log_exporter::families::FAMILIES;

#[test]
fn the_readme_lists_the_metrics_and_the_flags() {
    let rows = FAMILIES.iter().map(|family| {
        // The one that a flag adds has its place in the text.
        let labels = family.of.labels().iter().filter(|label| **label != "workload");
        let labels = labels.map(|label| format!("`{label}`")).collect::<Vec<_>>().join(" ");
        format!("| `{}` | {} | {labels} | {} |\n", family.name, family.kind.as_str(), family.help.replace('|', "\\|"))
    });
    let head = "| metric | type | labels | what |\n|---|---|---|---|\n";
    check(env!("CARGO_MANIFEST_DIR"), "log metrics", &format!("{head}{}", rows.collect::<String>())).unwrap();
    check(env!("CARGO_MANIFEST_DIR"), "log flags", &flags(&PROGRAM)).unwrap();
}
