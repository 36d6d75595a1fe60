//! What a real Prometheus sees through the blackbox exporter, with the relabelling of every guide.

use exporter_tests::blackbox::Blackbox;
use exporter_tests::prometheus::{Job, Prometheus};
use exporter_tests::upstream::{Answer, DeadPort, Upstream};

const MODULES: &str = "
modules:
  http_2xx:
    prober: http
  tcp_connect:
    prober: tcp
";

#[test]
fn three_targets_are_probed_and_each_is_an_instance() {
    let blackbox = Blackbox::start(MODULES);
    let (good, bad, nobody) =
        (Upstream::start(Answer::text("hello")), Upstream::start(Answer::status(503, "")), DeadPort::new());
    let (well, ill) = (good.url("/"), bad.url("/"));
    let dead = format!("http://{}/", nobody.address());
    let prober = blackbox.program().address();
    let (open, closed) = (good.address().to_string(), nobody.address().to_string());
    let prometheus = Prometheus::start(&[
        Job::new("blackbox-exporter", prober),
        Job::probing("web", prober, "http_2xx", &[&well, &ill, &dead]),
        Job::probing("port", prober, "tcp_connect", &[&open, &closed]),
    ]);
    prometheus.wait_until_up();
    let check = |query: &str, want: &[(&str, &str, f64)]| {
        prometheus.wait_until(query, |found| {
            found.len() == want.len()
                && want.iter().all(|(label, text, value)| {
                    found
                        .iter()
                        .any(|(labels, found)| labels.get(*label).map(String::as_str) == Some(text) && found == value)
                })
        });
    };
    check("probe_success{job=\"web\"}", &[("instance", &well, 1.0), ("instance", &ill, 0.0), ("instance", &dead, 0.0)]);
    check("probe_http_status_code", &[("instance", &well, 200.0), ("instance", &ill, 503.0), ("instance", &dead, 0.0)]);
    check("probe_success{job=\"port\"}", &[("instance", &open, 1.0), ("instance", &closed, 0.0)]);
    // What an alert is written on: the cause.
    let why = "count by (reason) (probe_failure_info{job=\"web\"})";
    check(why, &[("reason", "status", 1.0), ("reason", "connect_refused", 1.0)]);
    prometheus.wait_until("count(probe_http_duration_seconds)", |found| matches!(found.as_slice(), [(_, 15.0)]));
    prometheus.has_no_complaints();
    let log = blackbox.program().log();
    assert!(log.contains("reason=status") && log.contains("reason=connect_refused"), "{log}");
}
