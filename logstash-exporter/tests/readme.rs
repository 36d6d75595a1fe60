//! The tables of metrics and flags in the README are made from the code.

use common::readme::{check, flags};
use logstash_exporter::PROGRAM;
use logstash_exporter::families::ROWS;

#[test]
fn the_readme_lists_the_metrics_and_the_flags() {
    let rows = ROWS.iter().map(|row| {
        let labels = row.labels().iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(" ");
        let (set, kind, help) = (row.set.as_str(), row.kind.as_str(), row.help.replace('|', "\\|"));
        format!("| `{}` | {kind} | {labels} | {set} | {help} |\n", row.name)
    });
    let head = "| metric | type | labels | set | what |\n|---|---|---|---|---|\n";
    check(env!("CARGO_MANIFEST_DIR"), "logstash metrics", &format!("{head}{}", rows.collect::<String>())).unwrap();
    check(env!("CARGO_MANIFEST_DIR"), "logstash flags", &flags(&PROGRAM)).unwrap();
}
