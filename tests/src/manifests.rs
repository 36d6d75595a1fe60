//! The files under `manifests/`: where they are, what they parse to, and what runs them.
//!
//! * This file finds and parses them, and leaves out what an older Prometheus must not see.
//! * [`kustomize`] renders what is applied to a cluster, [`rendering`] is what came of it, [`kubernetes_schema`] tells whether
//!   an API server would take it. [`kubernetes`] is a stand-in for the cluster in which Prometheus finds what to scrape, and
//!   [`podman`] runs pods and images for real.
//! * [`panels`] are what dashboards and alerts are made of, [`site`] is a whole site on one machine to ask their queries of, and
//!   [`preview`] draws the answers.
//! * [`monitoring_server`] lays out the files of the monitoring server, [`gate`] and [`alertmanager`] stand around it, [`units`]
//!   asks systemd about units; [`shape`], [`provisioning`] and [`compose`] are strict where the readers of its files are not.

pub mod alertmanager;
pub mod compose;
pub mod gate;
pub mod kubernetes;
pub mod kubernetes_schema;
pub mod kustomize;
pub mod monitoring_server;
pub mod panels;
pub mod podman;
pub mod preview;
pub mod provisioning;
pub mod rendering;
pub mod shape;
pub mod site;
pub mod units;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::tools::{run, tool};

/// Keys of Prometheus' configuration that came after Debian 12's release of it, and the release that brought each.
///
/// They are whole lines `key: value` in our files, so that leaving out the line leaves out the key.
const YOUNG_KEYS: &[(&str, (u32, u32))] = &[
    ("fallback_scrape_protocol", (3, 0)),
    ("keep_dropped_targets", (2, 47)),
    ("sample_age_limit", (2, 50)),
    ("track_timestamps_staleness", (2, 48)),
];

/// The folder `manifests` of the repository.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests").canonicalize().expect("manifests/ exists")
}

/// The path of a file below `manifests/`.
pub fn path(relative: &str) -> PathBuf {
    folder().join(relative)
}

/// The text of a file below `manifests/`.
#[track_caller]
pub fn text(relative: &str) -> String {
    let path = path(relative);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// All files below `manifests/<folder>` whose name ends in one of `extensions`, sorted.
#[track_caller]
pub fn files(below: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = all_files(&path(below));
    found.retain(|path| path.extension().and_then(|own| own.to_str()).is_some_and(|own| extensions.contains(&own)));
    found
}

/// All files below any folder, sorted.
#[track_caller]
pub fn all_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(folder, &mut found);
    found.sort();
    found
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.expect("a folder can be listed").path();
        if path.is_dir() { walk(&path, found) } else { found.push(path) }
    }
}

/// The documents of a YAML text, empty ones left out; `place` is named when it is no YAML.
#[track_caller]
pub fn documents(place: &str, text: &str) -> Vec<Value> {
    let parsed: Result<Vec<Value>, _> = serde_saphyr::from_multiple(text);
    parsed.unwrap_or_else(|e| panic!("{place}: {e}")).into_iter().filter(|document| !document.is_null()).collect()
}

/// The single document of a YAML file below `manifests/`.
#[track_caller]
pub fn document(relative: &str) -> Value {
    let found = documents(relative, &text(relative));
    let [one] = <[Value; 1]>::try_from(found).unwrap_or_else(|all| panic!("{relative}: {} documents", all.len()));
    one
}

/// A configuration as the installed Prometheus reads it: without the lines of keys that came after its release.
#[track_caller]
pub fn for_this_prometheus(text: &str) -> String {
    for_version(text, prometheus_version())
}

/// The same for the installed promtool, which may be of another release.
#[track_caller]
pub fn for_this_promtool(text: &str) -> String {
    for_version(text, version_of("promtool"))
}

fn for_version(text: &str, version: (u32, u32)) -> String {
    let young = |line: &str| {
        let key = line.trim_start().trim_start_matches("- ").split(':').next().unwrap_or_default();
        YOUNG_KEYS.iter().any(|(young, since)| *young == key && version < *since)
    };
    text.lines().filter(|line| !young(line)).flat_map(|line| [line, "\n"]).collect()
}

/// Major and minor version of the installed Prometheus.
#[track_caller]
pub fn prometheus_version() -> (u32, u32) {
    version_of("prometheus")
}

/// Major and minor version of a program of the Prometheus project.
#[track_caller]
pub fn version_of(program: &str) -> (u32, u32) {
    let output = run(Command::new(tool(program)).arg("--version"));
    // 2.42 says it on standard output, others on standard error.
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let version = said.split_whitespace().skip_while(|word| *word != "version").nth(1).unwrap_or_default();
    let mut parts = version.split('.').map(|part| part.parse().ok());
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(major), Some(minor)) => (major, minor),
        _ => panic!("{program} --version says {said:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{documents, for_this_prometheus, prometheus_version};

    #[test]
    fn a_young_key_is_left_out_for_an_old_prometheus() {
        let text = "scrape_configs:\n  - job_name: a\n    track_timestamps_staleness: true\n";
        let seen = for_this_prometheus(text);
        assert_eq!(seen.contains("track_timestamps_staleness"), prometheus_version() >= (2, 48));
        assert!(seen.contains("  - job_name: a\n"));
    }

    #[test]
    fn empty_documents_are_none() {
        assert_eq!(documents("inline", "---\na: 1\n---\n---\nb: 2\n").len(), 2);
    }
}
