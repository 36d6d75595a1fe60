//! The table of metrics in the README is made from the rows.

use std::path::Path;
use std::{env, fs};

use logstash_exporter::families::ROWS;

const BEGIN: &str = "<!-- logstash metrics: this table is made from the code; `make golden` rewrites it -->\n";
const END: &str = "<!-- end of logstash metrics -->";

#[test]
fn the_readme_lists_the_metrics() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(&file).unwrap();
    let (before, rest) = readme.split_once(BEGIN).unwrap();
    let (table, after) = rest.split_once(END).unwrap();
    let rows = ROWS.iter().map(|row| {
        let labels = row.labels().iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(" ");
        let (set, kind, help) = (row.set.as_str(), row.kind.as_str(), row.help.replace('|', "\\|"));
        format!("| `{}` | {kind} | {labels} | {set} | {help} |\n", row.name)
    });
    let want =
        format!("\n| metric | type | labels | set | what |\n|---|---|---|---|---|\n{}\n", rows.collect::<String>());
    if env::var_os("UPDATE_GOLDEN").is_some() {
        return fs::write(&file, format!("{before}{BEGIN}{want}{END}{after}")).unwrap();
    }
    assert_eq!(table, want, "`make golden` rewrites it");
}
