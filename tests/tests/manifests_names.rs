//! Every metric and every flag of ours that is named in `manifests/` is one that our programs have.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use exporter_tests::manifests;
use exporter_tests::manifests::site::Site;
use exporter_tests::running::run_to_end;
use serde_json::Value;

/// Our programs.
const PROGRAMS: [&str; 5] =
    ["node-exporter", "blackbox-exporter", "apache-exporter", "logstash-exporter", "log-exporter"];

/// Prefixes of names that only our programs export.
const OURS: [&str; 6] = ["node_", "apache_", "logstash_", "log_", "probe_", "blackbox_"];

/// Words that begin like a metric and are none: programs of others, and labels.
const NO_METRICS: &[&str] =
    &["node_exporter", "blackbox_exporter", "apache_exporter", "logstash_exporter", "log_config_module", "probe_type"];

/// Every word of a text that may be the name of a metric of ours, patterns of names left out.
fn names(text: &str) -> BTreeSet<String> {
    let part_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut found = BTreeSet::new();
    let mut rest = text;
    while let Some(start) = rest.find(part_of_name) {
        let before = rest[..start].chars().next_back();
        let word = &rest[start..];
        let end = word.find(|c| !part_of_name(c)).unwrap_or(word.len());
        let (word, behind) = word.split_at(end);
        rest = behind;
        let ours = OURS.iter().any(|prefix| word.starts_with(prefix)) && !word.contains(':');
        let pattern =
            behind.starts_with(['.', '(', '[', '*']) && !behind.starts_with(". ") && !behind.starts_with(".\n");
        let selector = behind.starts_with("[") && behind[1..].starts_with(|c: char| c.is_ascii_digit());
        let label = matches!(before, Some('.' | '$' | '/' | '-'));
        if ours && !label && (!pattern || selector) && !word.ends_with('_') {
            found.insert(word.to_owned());
        }
    }
    found
}

/// All metrics that our programs have: those of running ones, and those of machines and servers in golden pages.
fn exported(site: &Site) -> BTreeSet<String> {
    let root = manifests::folder().join("..");
    let mut pages = site.own_pages();
    for folder in ["node-exporter/tests/golden", "apache-exporter/tests/golden", "logstash-exporter/tests/golden"] {
        for entry in fs::read_dir(root.join(folder)).unwrap_or_else(|e| panic!("{folder}: {e}")) {
            pages.push_str(&fs::read_to_string(entry.expect("listed").path()).expect("a page"));
        }
    }
    let mut known: BTreeSet<String> = pages
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .flat_map(|(name, kind)| {
            let series: &[&str] = match kind {
                "histogram" => &["_bucket", "_sum", "_count"],
                "summary" => &["", "_sum", "_count"],
                _ => &[""],
            };
            series.iter().map(move |suffix| format!("{name}{suffix}"))
        })
        .collect();
    // The table of the prober's metrics is made from the code.
    let readme = fs::read_to_string(root.join("README.md")).expect("there is a README");
    known.extend(readme.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned())));
    known
}

#[test]
fn every_metric_that_is_named_exists() {
    let known = exported(&Site::start());
    let mut unknown = Vec::new();
    for path in manifests::files("", &["yaml", "yml", "json", "md", "conf", "service"]) {
        let text = fs::read_to_string(&path).expect("a listed file can be read");
        let strangers =
            names(&text).into_iter().filter(|name| !known.contains(name) && !NO_METRICS.contains(&name.as_str()));
        unknown.extend(strangers.map(|name| format!("{name} in {}", relative(&path))));
    }
    assert!(unknown.is_empty(), "our programs have no such metrics: {unknown:#?}");
}

fn relative(path: &Path) -> String {
    path.strip_prefix(manifests::folder()).expect("below the folder").display().to_string()
}

/// The flags of each of our programs, without their dashes.
fn flags() -> BTreeMap<&'static str, BTreeSet<String>> {
    let flags_of = |program| {
        let help = run_to_end(program, &["--help"]).stdout;
        let lines = help.lines().map(str::trim_start);
        let lines = lines.map(|line| line.strip_prefix("-h, ").unwrap_or(line).to_owned());
        lines.filter_map(|line| Some(line.strip_prefix("--")?.split([' ', '=']).next()?.to_owned())).collect()
    };
    PROGRAMS.map(|program| (program, flags_of(program))).into()
}

/// A flag as it is called in `--help`.
fn flag(word: &str) -> Option<&str> {
    word.strip_prefix("--")?.split(['=', ' ']).next()
}

/// Every container in a document: the last part of its image's name, and its arguments.
fn containers(document: &Value, found: &mut Vec<(String, Vec<String>)>) {
    match document {
        Value::Object(members) => {
            if let Some(image) = members.get("image").and_then(Value::as_str) {
                let name = image.rsplit('/').next().unwrap_or_default().split([':', '@']).next().unwrap_or_default();
                let lists =
                    ["args", "command", "entrypoint"].into_iter().filter_map(|key| members.get(key)?.as_array());
                let words = lists.flatten().filter_map(|word| Some(word.as_str()?.to_owned()));
                found.push((name.to_owned(), words.collect()));
            }
            members.values().for_each(|member| containers(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| containers(item, found)),
        _ => {}
    }
}

/// The words of what a unit starts, each with the program it is an argument of.
fn started(unit: &str) -> Vec<(String, Vec<String>)> {
    let joined = unit.replace("\\\n", " ");
    let starts = joined.lines().filter_map(|line| line.strip_prefix("ExecStart="));
    starts
        .filter_map(|line| {
            let mut words = line.split_whitespace().map(str::to_owned);
            let program = words.next()?.rsplit('/').next()?.to_owned();
            Some((program, words.collect()))
        })
        .collect()
}

#[test]
fn every_flag_that_our_programs_are_given_exists() {
    let known = flags();
    let (mut checked, mut unknown) = (BTreeSet::new(), Vec::new());
    for path in manifests::files("", &["yaml", "yml", "service"]) {
        let text = fs::read_to_string(&path).expect("a listed file can be read");
        let mut found = Vec::new();
        if path.extension().is_some_and(|extension| extension == "service") {
            found = started(&text);
        } else {
            for document in manifests::documents(&path.to_string_lossy(), &text) {
                containers(&document, &mut found);
            }
        }
        for (program, words) in found {
            let Some(flags) = known.get(program.as_str()) else { continue };
            for flag in words.iter().filter_map(|word| flag(word)) {
                checked.insert(program.clone());
                if !flags.contains(flag) && !flag.strip_prefix("no-").is_some_and(|flag| flags.contains(flag)) {
                    unknown.push(format!("{program} --{flag} in {}", relative(&path)));
                }
            }
        }
    }
    assert!(unknown.is_empty(), "our programs have no such flags: {unknown:#?}");
    assert_eq!(checked.len(), PROGRAMS.len(), "flags were found of {checked:?} only: are the rest started anywhere?");
}
