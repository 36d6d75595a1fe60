//! Every query in `manifests/` is asked of a real Prometheus that has scraped our real programs.

use std::collections::BTreeSet;

use exporter_tests::manifests::panels::{self, Kind, Source, dashboard};
use exporter_tests::manifests::site::Site;
use exporter_tests::wait::until;

/// Panels that may have no data on a machine of tests, and why: `dashboard/id`.
const EMPTY: &[(&str, &str)] = &[
    ("node/502", "the disks of an idle machine have nothing to do"),
    ("node/503", "as for reading"),
    ("node/508", "as for reading"),
    ("node/703", "shares of errors are shown for interfaces with traffic, and there may be none but the loopback's"),
    ("node/704", "as for receiving"),
    ("exporters/203", "compares with yesterday"),
    ("hardware/501", "the one mains adapter here has never delivered"),
    ("logstash/204", "compares with yesterday"),
    ("logs/103", "compares with yesterday"),
    ("logs/205", "nobody here has been talking for six hours"),
];

/// Panels that have no data where nobody may ping.
const PINGS: &[&str] = &["probes/403"];

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
    let places: BTreeSet<String> = panels::sources()
        .iter()
        .flat_map(|source| {
            source.panels().map(|panel| format!("{}/{}", source.dashboard, panel.id)).collect::<Vec<_>>()
        })
        .collect();
    let excused: Vec<&str> = EMPTY.iter().map(|(place, _)| *place).collect();
    let excused = if site.may_ping() { excused } else { [&excused, PINGS].concat() };
    for empty in excused.iter().chain(PINGS) {
        assert!(places.contains(*empty), "there is no panel {empty}: take it off the list");
    }
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
            if answers == 0 && !excused.contains(&place.as_str()) {
                silent.push((place, panel.title.clone(), queries));
            }
        }
    }
    // A rate needs two scrapes, a recording rule an evaluation: what is silent now may just be early.
    let mut times = 0;
    until("every panel has an answer", || {
        times += 1;
        site.stir(times);
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
