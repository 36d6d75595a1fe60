//! The table of collectors in the README is made from the rows.

use std::path::Path;
use std::{env, fs};

use node_exporter::collectors::COLLECTORS;

const BEGIN: &str = "<!-- collectors: this table is made from the code; `make golden` rewrites it -->\n";
const END: &str = "<!-- end of collectors -->";

#[test]
fn the_readme_lists_the_collectors() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(&file).unwrap();
    let (before, rest) = readme.split_once(BEGIN).unwrap();
    let (table, after) = rest.split_once(END).unwrap();
    let rows = COLLECTORS.iter().map(|row| {
        let default = if row.on { "on" } else { "off" };
        format!("| `{}` | {default} | {} |\n", row.name, row.about.replace('|', "\\|"))
    });
    let want = format!("\n| collector | by default | what |\n|---|---|---|\n{}\n", rows.collect::<String>());
    if env::var_os("UPDATE_GOLDEN").is_some() {
        return fs::write(&file, format!("{before}{BEGIN}{want}{END}{after}")).unwrap();
    }
    assert_eq!(table, want, "`make golden` rewrites it");
}
