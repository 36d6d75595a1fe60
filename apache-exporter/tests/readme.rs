//! The table of metrics in the README is made from the rows.

use std::path::Path;
use std::{env, fs};

use apache_exporter::metrics::families;

const BEGIN: &str = "<!-- apache metrics: this table is made from the code; `make golden` rewrites it -->\n";
const END: &str = "<!-- end of apache metrics -->";

#[test]
fn the_readme_lists_the_metrics() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(&file).unwrap();
    let (before, rest) = readme.split_once(BEGIN).unwrap();
    let (table, after) = rest.split_once(END).unwrap();
    let rows = families().map(|(group, family)| {
        let group = group.map_or("always".to_owned(), |group| format!("`--{}`", group.flag.name));
        let labels = family.labels().to_string().replace('|', "\\|");
        let about = family.desc.help.trim_end_matches('.');
        let (name, kind) = (family.desc.name, family.desc.kind.as_str());
        format!("| `{name}` | {kind} | {labels} | {} | {group} | {about} |\n", family.unit)
    });
    let head = "| metric | type | labels | unit | group | what |\n|---|---|---|---|---|---|\n";
    let want = format!("\n{head}{}\n", rows.collect::<String>());
    if env::var_os("UPDATE_GOLDEN").is_some() {
        return fs::write(&file, format!("{before}{BEGIN}{want}{END}{after}")).unwrap();
    }
    assert_eq!(table, want, "`make golden` rewrites it");
}
