//! What a real Prometheus makes of the node exporter.

use std::fs;
use std::path::Path;

use exporter_tests::fixture::Fixture;
use exporter_tests::page::Page;
use exporter_tests::prometheus::{Job, Prometheus, check_config, check_metrics, write_config};
use exporter_tests::running::Running;
use exporter_tests::tls;

/// Samples of a bare machine's default collectors; far below any real one, far above a broken page.
const FEW_SAMPLES: f64 = 100.0;

fn proc_file(path: &str) -> String {
    fs::read_to_string(Path::new("/proc").join(path)).unwrap()
}

/// The number in the first line that starts with `key`.
fn proc_number(path: &str, key: &str) -> f64 {
    let text = proc_file(path);
    let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[track_caller]
fn check_job(prometheus: &Prometheus, job: &str) {
    let scraped = prometheus.value(&format!("scrape_samples_scraped{{job={job:?}}}"));
    assert!(scraped > FEW_SAMPLES, "{job}: only {scraped} samples");
    // One query, so that both numbers are of the same scrape.
    let lost =
        format!("scrape_samples_scraped{{job={job:?}}} - on(job) scrape_samples_post_metric_relabeling{{job={job:?}}}");
    assert_eq!(prometheus.value(&lost), 0.0, "{job}: samples were dropped on the way into the storage");
}

#[test]
fn two_servers_scrape_plain_http_and_store_what_the_kernel_says() {
    let exporter = Running::start("node-exporter", &[] as &[&str]);
    let servers = [(); 2].map(|()| Prometheus::start(&[Job::new("node", exporter.address())]));
    for prometheus in &servers {
        prometheus.wait_until_up();
        check_job(prometheus, "node");
        let value = |query: &str| prometheus.value(query);
        assert_eq!(value("node_memory_MemTotal_bytes"), proc_number("meminfo", "MemTotal:") * 1024.0);
        // The kernel computes it from two clocks, so it may differ by a second from one reading to the next.
        let boot = value("node_boot_time_seconds") - proc_number("stat", "btime ");
        assert!(boot.abs() <= 1.0, "boot time differs by {boot} s");
        let cpus = proc_file("stat").lines().filter(|line| line.starts_with("cpu")).count() - 1;
        assert_eq!(value("count(node_cpu_seconds_total{mode=\"idle\"})"), cpus as f64);
        let uname = prometheus.wait_until("node_uname_info", |found| found.len() == 1);
        assert_eq!(uname[0].0["release"], proc_file("sys/kernel/osrelease").trim_end());
        assert_eq!(value("min(node_scrape_collector_success{collector=~\"cpu|loadavg|meminfo|stat|uname\"})"), 1.0);
        // Several scrapes, so that a series which moves between them would be noticed.
        prometheus.wait_until("count_over_time(up[1m])", |found| found.len() == 1 && found[0].1 >= 3.0);
        prometheus.has_no_complaints();
    }
    let (status, log) = exporter.terminate();
    assert!(status.success(), "{status}\n{log}");
}

#[test]
fn tls_with_basic_auth() {
    let folder = Fixture::new();
    let config = tls::web_config(folder.root());
    let exporter = Running::start("node-exporter", &[format!("--web.config.file={}", config.display())]);
    let secure = Job::new("secure", exporter.address()).over_tls(&folder.path("cert.pem"), tls::USER);
    let intruder =
        Job::new("intruder", exporter.address()).over_tls(&folder.path("cert.pem"), (tls::USER.0, "not the password"));
    let file = folder.path("prometheus.yml");
    write_config(&file, std::slice::from_ref(&secure));
    check_config(&file);

    let prometheus = Prometheus::start(&[secure]);
    prometheus.wait_until_up();
    check_job(&prometheus, "secure");
    prometheus.has_no_complaints();

    let prometheus = Prometheus::start(&[intruder]);
    prometheus.wait_until("up", |found| found.len() == 1 && found[0].1 == 0.0);
    assert_eq!(prometheus.value("scrape_samples_scraped"), 0.0);
    let (_, log) = exporter.terminate();
    assert!(!log.contains(tls::USER.1) && !log.contains("not the password"), "a password in the log:\n{log}");
}

#[test]
fn promtool_reads_the_whole_page() {
    let exporter = Running::start("node-exporter", &[] as &[&str]);
    let page = exporter.get("/metrics").text();
    Page::checked(&page);
    check_metrics(&page);
    // The check itself: the same page with one broken line.
    let broken = std::panic::catch_unwind(|| check_metrics(&format!("{page}node_broken{{x=1}} 2\n")));
    assert!(broken.is_err(), "the check accepts anything");
}
