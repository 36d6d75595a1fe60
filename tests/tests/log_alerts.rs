//! A real Prometheus tells of an error in the logs, of the container that wrote it, and when it is over.

use exporter_tests::fixture::Fixture;
use exporter_tests::logs::{Node, wait_for};
use exporter_tests::prometheus::Prometheus;
use exporter_tests::wait::until;
use serde_json::Value;

const RULES: &str = "
groups:
- name: logs
  interval: 1s
  rules:
  - alert: ErrorInLogs
    expr: sum by (namespace, pod, container, pattern) (increase(log_pattern_matches_total[10s])) > 0
";

/// The target has labels of the same names, as those that discovery brings: the exporter's are the ones that count.
fn config(target: std::net::SocketAddr) -> String {
    format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\nrule_files: [rules.yml]\n\
         scrape_configs:\n- job_name: logs\n  honor_labels: true\n  static_configs:\n  - targets: ['{target}']\n    \
         labels: {{namespace: monitoring, pod: log-exporter-x, container: log-exporter}}\n"
    )
}

fn alerts(prometheus: &Prometheus) -> Result<Vec<Value>, String> {
    let alerts = prometheus.api("/api/v1/alerts")?;
    alerts["alerts"].as_array().cloned().ok_or_else(|| alerts.to_string())
}

#[test]
fn an_error_fires_names_its_container_and_resolves() {
    let node = Node::new();
    let exporter = node.exporter(&[]);
    let mut bad = node.container("shop", "web-1", "0a", "app");
    let mut good = node.container("shop", "batch-1", "0b", "job");
    wait_for(&exporter, &bad.errors(), 0.0);
    wait_for(&exporter, &good.errors(), 0.0);
    let folder = Fixture::new().file("prometheus.yml", config(exporter.address())).file("rules.yml", RULES);
    let prometheus = Prometheus::configured(folder, vec![("logs".to_owned(), 1)]);
    prometheus.wait_until_up();
    // The zeros are there first: an increase is one from them.
    prometheus.wait_until("log_pattern_matches_total == 0", |found| found.len() == 2);
    assert_eq!(alerts(&prometheus).unwrap(), Vec::<Value>::new());

    good.say("done, 0 errors");
    wait_for(&exporter, &good.messages("stdout"), 1.0);
    bad.say("java.io.IOException: error while writing");
    let fired = until("the alert to fire", || match alerts(&prometheus)?.as_slice() {
        [] => Err(prometheus.log()),
        fired => Ok(fired.to_vec()),
    });
    assert_eq!(fired.len(), 1, "{fired:?}");
    assert_eq!(fired[0]["state"], "firing");
    for (label, value) in [("namespace", "shop"), ("pod", "web-1"), ("container", "app"), ("pattern", "error")] {
        assert_eq!(fired[0]["labels"][label], value, "{fired:?}");
    }
    prometheus.wait_until("log_messages_total{pod=\"batch-1\",stream=\"stdout\"} == 1", |found| found.len() == 1);

    until("the alert to resolve", || match alerts(&prometheus)?.as_slice() {
        [] => Ok(()),
        fired => Err(format!("{fired:?}")),
    });
    prometheus.wait_until("log_pattern_matches_total{pod=\"web-1\"} == 1", |found| found.len() == 1);
    assert!(prometheus.query("ALERTS{pod=\"batch-1\"}").unwrap().is_empty());
    prometheus.has_no_complaints();
}
