//! The table of collectors in the README is made from the rows.

use common::readme::check;
use node_exporter::collectors::COLLECTORS;

#[test]
fn the_readme_lists_the_collectors() {
    let rows = COLLECTORS.iter().map(|row| {
        let default = if row.on { "on" } else { "off" };
        format!("| `{}` | {default} | {} |\n", row.name, row.about.replace('|', "\\|"))
    });
    let table = format!("| collector | by default | what |\n|---|---|---|\n{}", rows.collect::<String>());
    check(env!("CARGO_MANIFEST_DIR"), "collectors", &table).unwrap();
}
