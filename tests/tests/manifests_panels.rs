//! Dashboards, alert rules, their tests and their runbooks are made of one source and hang together.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::Path;

use exporter_tests::manifests;
use exporter_tests::manifests::panels::query::without_variables;
use exporter_tests::manifests::panels::{self, Source, dashboard, grafana, rules};
use serde_json::Value;

const SERVER: &str = "monitoring-server";

fn server(relative: &str) -> String {
    format!("{SERVER}/{relative}")
}

/// Everything that is made: path below `manifests/` and content.
fn made(source: &Source) -> Vec<(String, String)> {
    let name = &source.dashboard;
    let mut made = vec![(server(&format!("grafana/dashboards/{name}.json")), dashboard::file(source))];
    made.extend(
        grafana::file(source).map(|text| (server(&format!("grafana/provisioning/alerting/{name}.yaml")), text)),
    );
    made.extend(rules::file(source).map(|text| (server(&format!("prometheus/rules/{name}.yml")), text)));
    made
}

#[test]
fn what_is_made_of_the_panels_is_what_is_committed() {
    for (relative, wanted) in panels::sources().iter().flat_map(made) {
        let path = manifests::path(&relative);
        if env::var_os("UPDATE_GOLDEN").is_some() {
            fs::create_dir_all(path.parent().expect("a file has a folder")).expect("the folder can be made");
            fs::write(&path, &wanted).expect("the file can be written");
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(found == wanted, "{relative} is not what panels/ say: run `make golden` and read the diff");
    }
}

#[test]
fn nothing_is_left_of_a_dashboard_that_is_gone() {
    let wanted: BTreeSet<String> = panels::sources().iter().flat_map(made).map(|(path, _)| path).collect();
    for folder in ["grafana/dashboards", "grafana/provisioning/alerting", "prometheus/rules"] {
        for path in manifests::files(&server(folder), &["json", "yaml", "yml"]) {
            let text = fs::read_to_string(&path).expect("a listed file can be read");
            let relative =
                path.strip_prefix(manifests::folder()).expect("below the folder").to_string_lossy().into_owned();
            let is_made = text.starts_with("# Made from panels/") || relative.ends_with(".json");
            assert!(!is_made || wanted.contains(&relative), "{relative} has no source any more: remove it");
        }
    }
}

#[test]
fn names_of_alerts_and_ids_of_dashboards_are_unique() {
    let mut alerts = BTreeMap::new();
    for source in panels::sources() {
        assert!(source.uid().len() <= 40, "{}: Grafana takes 40 characters", source.uid());
        for (panel, alert) in source.alerts() {
            let place = format!("{} panel {}", source.dashboard, panel.id);
            let other = alerts.insert(alert.name.to_lowercase(), place.clone());
            assert_eq!(other, None, "{} is defined twice, also in {place}", alert.name);
        }
    }
    assert!(alerts.len() > 60, "{} alerts only: are all panels there?", alerts.len());
}

/// A panel's place: the dashboard's uid and the panel's id.
type Place = (String, u64);

/// Each rule in a provisioning file: its panel as fields say, as annotations say, and the expression.
fn provisioned(relative: &str) -> Vec<(Place, Place, String)> {
    let file = manifests::document(relative);
    let groups = file["groups"].as_array().into_iter().flatten();
    let rules = groups.flat_map(|group| group["rules"].as_array().expect("a group has rules"));
    rules
        .map(|rule| {
            let word = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{relative}: {rule:#}")).to_owned();
            let annotations = &rule["annotations"];
            let fields = (word(&rule["dashboardUid"]), rule["panelId"].as_u64().expect("a number"));
            let panel = word(&annotations["__panelId__"]).parse().expect("a number in quotes");
            (fields, (word(&annotations["__dashboardUid__"]), panel), word(&rule["data"][0]["model"]["expr"]))
        })
        .collect()
}

#[test]
fn each_rule_is_tied_to_one_panel_that_asks_the_same() {
    // From the files alone, as Grafana reads them.
    let mut drawn: BTreeMap<Place, Vec<String>> = BTreeMap::new();
    for path in manifests::files(&server("grafana/dashboards"), &["json"]) {
        let dashboard: Value =
            serde_json::from_slice(&fs::read(&path).expect("a listed file can be read")).expect("JSON");
        let uid = dashboard["uid"].as_str().expect("a dashboard has a uid");
        for panel in dashboard["panels"].as_array().expect("a dashboard has panels") {
            let targets = panel["targets"].as_array().into_iter().flatten();
            let asked = targets.map(|target| without_variables(target["expr"].as_str().expect("a query"))).collect();
            let place = (uid.to_owned(), panel["id"].as_u64().expect("a panel has an id"));
            assert!(drawn.insert(place.clone(), asked).is_none(), "{place:?} is there twice");
        }
    }
    let mut taken = BTreeSet::new();
    for path in manifests::files(&server("grafana/provisioning/alerting"), &["yaml"]) {
        let relative = path.strip_prefix(manifests::folder()).expect("below the folder").to_string_lossy().into_owned();
        for (fields, annotations, expr) in provisioned(&relative) {
            assert_eq!(fields, annotations, "{relative}: the two ways to name a panel differ");
            let asked = drawn.get(&fields).unwrap_or_else(|| panic!("{relative}: there is no panel {fields:?}"));
            assert!(
                asked.contains(&without_variables(&expr)),
                "{relative}: {fields:?} does not ask {expr}, but {asked:#?}"
            );
            assert!(taken.insert(fields.clone()), "{relative}: {fields:?} has two rules");
        }
    }
    assert!(!taken.is_empty());
}

#[test]
fn each_alert_has_a_runbook_and_each_runbook_an_alert() {
    let alerts: BTreeSet<String> = panels::sources()
        .iter()
        .flat_map(|source| source.alerts().map(|(_, alert)| alert.name.clone()).collect::<Vec<_>>())
        .collect();
    let pages: BTreeMap<String, String> = manifests::files(&server("runbooks"), &["md"])
        .iter()
        .filter(|path| !path.ends_with("README.md"))
        .map(|path| (stem(path), fs::read_to_string(path).expect("a listed file can be read")))
        .collect();
    assert_eq!(pages.keys().cloned().collect::<BTreeSet<_>>(), alerts, "runbooks (left) and alerts (right)");
    for (name, page) in pages {
        for part in [
            format!("# {name}\n"),
            "## What it means\n".into(),
            "## Look first\n".into(),
            "```".into(),
            "## How it ends\n".into(),
            "## Panel\n".into(),
        ] {
            assert!(page.contains(&part), "runbooks/{name}.md lacks {part:?}");
        }
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().expect("a file has a name").to_string_lossy().into_owned()
}

/// What the unit tests of the rules say of one alert, test by test in the order of time: does it fire?
fn told(alert: &str) -> Vec<Vec<bool>> {
    let mut told = Vec::new();
    for path in manifests::files(&server("prometheus/tests"), &["yml"]) {
        let relative = path.strip_prefix(manifests::folder()).expect("below the folder").to_string_lossy().into_owned();
        let file = manifests::document(&relative);
        for test in file["tests"].as_array().unwrap_or_else(|| panic!("{relative}: no tests")) {
            let cases = test["alert_rule_test"].as_array().into_iter().flatten();
            let mut cases: Vec<(f64, bool)> = cases
                .filter(|case| case["alertname"] == alert)
                .map(|case| {
                    let fires = case["exp_alerts"].as_array().is_some_and(|expected| !expected.is_empty());
                    (seconds(&relative, &case["eval_time"]), fires)
                })
                .collect();
            cases.sort_by(|a, b| a.0.total_cmp(&b.0));
            told.push(cases.into_iter().map(|(_, fires)| fires).collect());
        }
    }
    told
}

/// A Prometheus duration such as `1h30m`.
fn seconds(place: &str, duration: &Value) -> f64 {
    let text = duration.as_str().map_or_else(|| duration.to_string(), str::to_owned);
    let (mut total, mut number, mut unit) = (0.0, String::new(), String::new());
    let worth = |number: &str, unit: &str| {
        let each = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            "" if number == "0" => 0.0,
            other => panic!("{place}: eval_time {text} has the unit {other:?}"),
        };
        number.parse::<f64>().unwrap_or_else(|e| panic!("{place}: eval_time {text}: {e}")) * each
    };
    for letter in text.chars() {
        if letter.is_ascii_digit() && !unit.is_empty() {
            total += worth(&number, &unit);
            (number, unit) = (String::new(), String::new());
        }
        if letter.is_ascii_digit() { number.push(letter) } else { unit.push(letter) }
    }
    total + worth(&number, &unit)
}

#[test]
fn each_alert_is_tested_firing_not_firing_and_resolving() {
    let mut lacking = Vec::new();
    for source in panels::sources() {
        for (_, alert) in source.alerts() {
            let told = told(&alert.name);
            let fires = told.iter().flatten().any(|fires| *fires);
            let silent = told.iter().flatten().any(|fires| !*fires);
            let resolves = told.iter().any(|cases| cases.windows(2).any(|pair| pair == [true, false]));
            // The watchdog always fires; that is all there is to it.
            let always = alert.name == "Watchdog";
            if !(fires && (always || silent && resolves)) {
                lacking.push(format!("{}: fires {fires}, silent {silent}, resolves {resolves}", alert.name));
            }
        }
    }
    assert!(lacking.is_empty(), "{lacking:#?}");
}
