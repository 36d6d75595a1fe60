//! The tables of metrics and flags in the README are made from the code.

use apache_exporter::PROGRAM;
use apache_exporter::metrics::families;
use common::readme::{check, flags, shared_flags};

#[test]
fn the_readme_lists_the_metrics_and_the_flags() {
    let rows = families().map(|(group, family)| {
        let group = group.map_or("always".to_owned(), |group| format!("`--{}`", group.flag.name));
        let labels = family.labels().to_string().replace('|', "\\|");
        let about = family.desc.help.trim_end_matches('.');
        let (name, kind) = (family.desc.name, family.desc.kind.as_str());
        format!("| `{name}` | {kind} | {labels} | {} | {group} | {about} |\n", family.unit)
    });
    let head = "| metric | type | labels | unit | shown | what |\n|---|---|---|---|---|---|\n";
    check(env!("CARGO_MANIFEST_DIR"), "apache metrics", &format!("{head}{}", rows.collect::<String>())).unwrap();
    check(env!("CARGO_MANIFEST_DIR"), "apache flags", &flags(&PROGRAM)).unwrap();
    check(env!("CARGO_MANIFEST_DIR"), "shared flags", &shared_flags(&PROGRAM)).unwrap();
}
