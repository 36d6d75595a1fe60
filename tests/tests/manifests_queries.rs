//! Every query in `manifests/` is asked of a real Prometheus that has scraped our real programs, and every name in them
//! is one that our programs have.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use exporter_tests::manifests;
use exporter_tests::panels::{self, Kind, Source, dashboard};
use exporter_tests::site::Site;
use exporter_tests::wait::until;

/// Panels that have no data on a machine of tests, and why. `dashboard/id`.
const EMPTY: &[(&str, &str)] = &[];

/// The query that Grafana sends when everything is chosen in each of a dashboard's variables.
fn everything(source: &Source, query: &str) -> String {
    source
        .variables
        .iter()
        .fold(query.to_owned(), |query, variable| query.replace(&format!("${}", variable.name), ".*"))
}

#[test]
fn every_panel_has_an_answer() {
    let site = Site::start();
    let mut silent = Vec::new();
    for source in panels::sources() {
        for panel in source.panels().filter(|panel| panel.kind != Kind::Text) {
            let place = format!("{}/{}", source.dashboard, panel.id);
            let queries: Vec<String> = dashboard::targets(&source, panel)
                .iter()
                .map(|target| everything(&source, target["expr"].as_str().expect("a query")))
                .collect();
            let mut answers = 0;
            for query in &queries {
                // An error is a failure whether there is data or not.
                let found = site.prometheus.query(query).unwrap_or_else(|e| panic!("{place}: {query}\n{e}"));
                answers += usize::from(!found.is_empty());
            }
            if EMPTY.iter().any(|(empty, _)| *empty == place) {
                assert_eq!(answers, 0, "{place} has data: take it off the list of empty panels");
            } else if answers == 0 {
                silent.push((place, panel.title.clone(), queries));
            }
        }
    }
    // A rate needs two scrapes, a recording rule an evaluation: what is silent now may just be early.
    until("every panel has an answer", || {
        silent.retain(|(.., queries)| {
            queries.iter().all(|query| site.prometheus.query(query).is_ok_and(|found| found.is_empty()))
        });
        if silent.is_empty() { Ok(()) } else { Err(format!("{silent:#?}")) }
    });
    // Rules are loaded, evaluated and free of errors.
    until("every rule was evaluated", || {
        let groups = site.prometheus.api("/api/v1/rules")?;
        let rules: Vec<_> = groups["groups"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default())
            .collect();
        let broken: Vec<_> = rules.iter().filter(|rule| rule["health"] != "ok").collect();
        if !rules.is_empty() && broken.is_empty() { Ok(()) } else { Err(format!("{broken:#?}")) }
    });
}

/// Prefixes of names that only our programs export.
const OURS: [&str; 5] = ["node_", "apache_", "logstash_", "probe_", "blackbox_"];

/// Words that begin like a metric and are none: programs of others, and labels.
const NO_METRICS: &[&str] = &["node_exporter", "blackbox_exporter", "apache_exporter", "logstash_exporter"];

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
