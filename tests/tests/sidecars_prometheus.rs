//! What a real Prometheus sees through a sidecar while its neighbour comes and goes.

use exporter_tests::httpd::{Httpd, Mpm, Options};
use exporter_tests::logstash::{Logstash, Version};
use exporter_tests::prometheus::{Job, Prometheus};
use exporter_tests::running::Running;
use exporter_tests::upstream::DeadPort;

/// Waits until the single series has the value.
#[track_caller]
fn becomes(prometheus: &Prometheus, query: &str, value: f64) {
    prometheus.wait_until(query, |found| matches!(found.as_slice(), [(_, found)] if *found == value));
}

/// Waits until no series is current any more.
#[track_caller]
fn vanishes(prometheus: &Prometheus, query: &str) {
    prometheus.wait_until(query, Vec::is_empty);
}

#[test]
fn httpd_comes_and_goes() {
    let mut httpd = Httpd::start(Mpm::Event, &Options::default());
    httpd.stop();
    // The sidecar is there first.
    let exporter = Running::start("apache-exporter", &[format!("--scrape_uri={}", httpd.status_url())]);
    let prometheus = Prometheus::start(&[Job::new("apache", exporter.address())]);
    prometheus.wait_until_up();
    becomes(&prometheus, "apache_up", 0.0);
    vanishes(&prometheus, "apache_accesses_total");
    for round in 0..2 {
        httpd.start_again();
        becomes(&prometheus, "apache_up", 1.0);
        httpd.load(20, 2);
        prometheus.wait_until("apache_accesses_total", |found| found.len() == 1 && found[0].1 >= 20.0);
        becomes(&prometheus, "count(apache_scoreboard)", 11.0);
        httpd.stop();
        becomes(&prometheus, "apache_up", 0.0);
        vanishes(&prometheus, "apache_accesses_total");
        // Down is a figure of a scrape that worked.
        becomes(&prometheus, "min_over_time(up{job=\"apache\"}[1m])", 1.0);
        let failures = "apache_exporter_scrape_failures_total";
        prometheus.wait_until(failures, |found| found.len() == 1 && found[0].1 > f64::from(round));
    }
    becomes(&prometheus, "count(apache_scrape_errors_total)", 6.0);
    prometheus.has_no_complaints();
    let (status, log) = exporter.terminate();
    assert!(status.success(), "{status}\n{log}");
}

#[test]
fn logstash_comes_and_goes() {
    let dead = DeadPort::new();
    let address = dead.address();
    // The sidecar is there first.
    let exporter = Running::start("logstash-exporter", &[format!("--logstash.url=http://{address}")]);
    let prometheus = Prometheus::start(&[Job::new("logstash", exporter.address())]);
    prometheus.wait_until_up();
    becomes(&prometheus, "logstash_up", 0.0);
    becomes(&prometheus, "logstash_info_up", 0.0);
    vanishes(&prometheus, "logstash_stats_events_in");
    drop(dead);
    for version in [Version::V8_19, Version::V9_4] {
        let logstash = Logstash::start_on(address, version);
        becomes(&prometheus, "logstash_up", 1.0);
        becomes(&prometheus, "logstash_info_up", 1.0);
        let query = format!("logstash_info_node{{version={:?}}}", version.as_str());
        becomes(&prometheus, &format!("count({query})"), 1.0);
        becomes(&prometheus, "count(logstash_stats_pipeline_events_in)", 2.0);
        drop(logstash);
        becomes(&prometheus, "logstash_up", 0.0);
        vanishes(&prometheus, "logstash_stats_events_in");
        vanishes(&prometheus, &query);
        becomes(&prometheus, "min_over_time(up{job=\"logstash\"}[1m])", 1.0);
    }
    prometheus.has_no_complaints();
    let (status, log) = exporter.terminate();
    assert!(status.success(), "{status}\n{log}");
}
