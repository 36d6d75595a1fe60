//! From a line in a log to an alert: a real Prometheus over the real exporter, by the rules of the monitoring server.

use exporter_tests::fixture::Fixture;
use exporter_tests::logs::Node;
use exporter_tests::manifests;
use exporter_tests::prometheus::Prometheus;
use exporter_tests::wait::until;
use serde_json::Value;

/// The alerts `LogErrors` of a Prometheus that fire: labels and annotations.
fn firing(prometheus: &Prometheus) -> Vec<Value> {
    let alerts = prometheus.api("/api/v1/alerts").expect("there are alerts");
    let alerts = alerts["alerts"].as_array().expect("a list").iter();
    alerts.filter(|alert| alert["labels"]["alertname"] == "LogErrors" && alert["state"] == "firing").cloned().collect()
}

#[test]
fn an_error_is_an_alert_that_names_its_container_and_ends() {
    let node = Node::new();
    let exporter = node.exporter(&[&node.state_flag()]);
    let mut bad = node.container("shop", "basket-0", "0a", "app");
    let mut good = node.container("shop", "catalog-0", "0b", "app");
    let mut late = node.container("shop", "job-0", "0c", "app");
    // The rules as they are, but for the time they look back.
    let rules = manifests::text("monitoring-server/prometheus/rules/logs.yml");
    assert!(rules.contains("(increase(log_pattern_matches_total[10m]))) > 0"), "{rules}");
    let rules = rules.replace("[10m]", "[10s]");
    let config = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s, external_labels: {{cluster: test}}}}\nrule_files: [logs.yml]\n\
         scrape_configs:\n- job_name: log-exporter\n  honor_labels: true\n  static_configs: [{{targets: ['{}'], labels: {{node: n1, \
         cluster: test}}}}]\n",
        exporter.address()
    );
    let files = Fixture::of(&[("prometheus.yml", config.as_str()), ("logs.yml", rules.as_str())]);
    let prometheus = Prometheus::configured(files, vec![("log-exporter".to_owned(), 1)]);
    // Its zeros are there before its first error.
    prometheus.wait_until("log_pattern_matches_total{pattern='error'} == 0", |found| found.len() == 3);
    good.say("finished with 0 errors");
    good.say("level=info errors=0");
    bad.say("an error, the first");
    let alert = until("the alert to fire", || firing(&prometheus).pop().ok_or_else(|| prometheus.log()));
    let labels = ["cluster", "namespace", "pod", "container", "pattern", "severity"].map(|name| &alert["labels"][name]);
    assert_eq!(labels, ["test", "shop", "basket-0", "app", "error", "warning"]);
    assert_eq!(alert["annotations"]["commands"], "kubectl -n shop logs basket-0 -c app --since=10m");
    assert_eq!(firing(&prometheus).len(), 1);
    prometheus.wait_until("sum(log_messages_total{pod='catalog-0'}) == 2", |found| found.len() == 1);
    until("the alert to end", || {
        let left = firing(&prometheus);
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
    // Another one, of another pod: one alert each.
    late.say("panic: out of luck");
    let alert = until("the alert to fire", || firing(&prometheus).pop().ok_or_else(|| prometheus.log()));
    assert_eq!(alert["labels"]["pod"], "job-0");
    prometheus.has_no_complaints();
}
