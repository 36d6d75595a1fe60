//! What the "Apache Full" dashboard draws is on the page of an httpd that has it all.

use exporter_tests::httpd::{Httpd, Mpm, Options};
use exporter_tests::page::metric;
use exporter_tests::running::Running;

/// A label that a panel selects or shows, and the values it selects; none where it takes all.
type Label = (&'static str, &'static [&'static str]);

/// The families and their labels.
const DRAWN: [(&str, &[Label]); 19] = [
    ("apache_accesses_total", &[]),
    ("apache_connections", &[("state", &["closing", "keepalive", "total", "writing"])]),
    ("apache_cpu_time_ms_total", &[("type", &["system", "user"])]),
    ("apache_cpuload", &[]),
    ("apache_duration_ms_total", &[]),
    ("apache_generation", &[("type", &["config", "mpm"])]),
    ("apache_info", &[("version", &[])]),
    // The panel asks for 1, 5 and 15, which no version of the Go exporter has, so it is empty beside that one too.
    ("apache_load", &[("interval", &["15min", "1min", "5min"])]),
    ("apache_processes", &[("state", &["all", "stopping"])]),
    ("apache_proxy_balancer_accesses_total", &[("balancer", &[]), ("worker", &[])]),
    ("apache_proxy_balancer_busy", &[("balancer", &[]), ("worker", &[])]),
    ("apache_proxy_balancer_request_kbytes_total", &[("balancer", &[]), ("worker", &[])]),
    ("apache_proxy_balancer_response_kbytes_total", &[("balancer", &[]), ("worker", &[])]),
    ("apache_proxy_balancer_status", &[("balancer", &[]), ("status", &[]), ("worker", &[])]),
    ("apache_scoreboard", &[("state", &[])]),
    ("apache_sent_kilobytes_total", &[]),
    ("apache_up", &[]),
    ("apache_uptime_seconds_total", &[]),
    ("apache_workers", &[("state", &[])]),
];

#[test]
fn everything_drawn_is_on_the_page() {
    let httpd = Httpd::start(Mpm::Event, &Options::default().balancer(2));
    httpd.load(10, 2);
    let exporter = Running::start("apache-exporter", &[format!("--scrape_uri={}", httpd.status_url())]);
    let page = exporter.scrape();
    for (name, labels) in DRAWN {
        let family = page.family(name).unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(family.kind, if name.ends_with("_total") { "counter" } else { "gauge" }, "{name}");
        let all = page.all(&metric(name));
        assert!(!all.is_empty(), "{name} has no series");
        for (label, values) in labels {
            assert!(all.iter().all(|sample| !sample.label(label).is_empty()), "{name}: a series without {label}");
            for value in *values {
                page.has(metric(name).label(label, value));
            }
        }
    }
}
