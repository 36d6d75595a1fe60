//! An httpd that lies: each line of each answer in turn removed, cut, doubled and replaced. Nothing may panic, the page
//! stays a page, and no series is lost but those the line is about.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop; clippy's own exception does not reach helpers outside #[test]"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use apache_exporter::metrics::{Groups, encode};
use apache_exporter::status;
use common::exposition::{Format, Merge, Page};

/// None of them begins a page of HTML: an answer that begins so is none of ours, whatever follows.
const GARBAGE: &[&[u8]] = &[
    b"",
    b":",
    b": ",
    b"\xff\xfe\x00\x80",
    b"<p>",
    b"No Such Key: 1",
    b"ProxyBalancer[0]Worker[",
    b"Managed",
    b"CacheNothing: 1",
];

/// Families that a line with this key, or one that begins so, can take along.
const ABOUT: &[(&str, &[&str])] = &[
    ("ServerVersion", &["apache_version", "apache_info", "apache_server_info"]),
    ("ServerMPM", &["apache_info", "apache_server_info"]),
    ("Server Built", &["apache_server_build_info"]),
    ("ParentServer", &["apache_generation"]),
    // Without it the uptime of ExtendedStatus serves, if there is one.
    ("ServerUptimeSeconds", &["apache_start_time_seconds"]),
    ("Uptime", &["apache_uptime_seconds_total", "apache_start_time_seconds"]),
    ("Load", &["apache_load"]),
    ("Total Accesses", &["apache_accesses_total"]),
    ("Total kBytes", &["apache_sent_kilobytes_total", "apache_sent_bytes_total"]),
    ("Total Duration", &["apache_duration_ms_total", "apache_request_duration_seconds_total"]),
    ("CPULoad", &["apache_cpuload", "apache_cpu_load_ratio"]),
    ("CPU", &["apache_cpu_time_ms_total", "apache_cpu_seconds_total"]),
    ("BusyWorkers", &["apache_workers", "apache_workers_utilization_ratio"]),
    ("IdleWorkers", &["apache_workers", "apache_workers_utilization_ratio"]),
    ("BusyServers", &["apache_workers", "apache_workers_utilization_ratio"]),
    ("IdleServers", &["apache_workers", "apache_workers_utilization_ratio"]),
    ("GracefulWorkers", &["apache_workers", "apache_workers_utilization_ratio"]),
    ("Processes", &["apache_processes"]),
    ("Stopping", &["apache_processes"]),
    ("Conns", &["apache_connections"]),
    ("Scoreboard", &["apache_scoreboard", "apache_scoreboard_slots"]),
    ("ProxyBalancer", &["apache_proxy_balancer_"]),
    ("TLSSessionCacheStatus", &["apache_tls_session_cache_"]),
    ("ModCacheSocacheStatus", &["apache_cache_socache_"]),
    ("Cache", &["apache_tls_session_cache_", "apache_cache_socache_"]),
    // The line may hold another one, its line feed lost.
    ("Managed", &["apache_md_", "apache_cache_socache_"]),
];

fn about(line: &[u8]) -> &'static [&'static str] {
    ABOUT.iter().find(|(key, _)| line.starts_with(key.as_bytes())).map_or(&[], |(_, families)| families)
}

/// Series and values as the page has them.
type Samples = BTreeMap<String, String>;

fn samples(body: &[u8], page: &mut Page) -> Samples {
    let status = status::parse(body).unwrap();
    page.clear();
    encode(&status, Groups::all(), 1_772_000_000.0, page);
    page.finish();
    let mut text = Vec::new();
    Merge::default().write(&[page], Format::Text, &mut |piece| text.extend_from_slice(piece));
    let text = String::from_utf8(text).unwrap();
    let samples = text.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit_once(' ').unwrap());
    samples.map(|(series, value)| (series.to_owned(), value.to_owned())).collect()
}

/// Series of `lines` that are another value or gone once `bad` stands in place of line `at`, but those it is about.
fn lost(page: &mut Page, good: &Samples, lines: &[&[u8]], at: usize, bad: &[u8]) -> Vec<String> {
    let mut body = lines.iter().take(at).copied().collect::<Vec<_>>().concat();
    body.extend_from_slice(bad);
    body.extend(lines.iter().skip(at + 1).copied().flatten());
    let now = samples(&body, page);
    let families = about(lines.get(at).unwrap());
    let is_about = |series: &str| {
        let name = series.split('{').next().unwrap_or_default();
        families.iter().any(|family| name == *family || family.ends_with('_') && name.starts_with(family))
    };
    let lost = good.iter().filter(|(series, value)| {
        now.get(*series) != Some(value) && !is_about(series) && !series.starts_with("apache_unparsed_lines")
    });
    lost.map(|(series, _)| series.clone()).collect()
}

fn check(name: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(format!("{name}.txt"));
    let body = fs::read(file).unwrap();
    let lines: Vec<&[u8]> = body.split_inclusive(|b| *b == b'\n').collect();
    let mut page = Page::default();
    let good = samples(&body, &mut page);
    let mut lost = |at, bad: &[u8]| lost(&mut page, &good, &lines, at, bad);
    assert!(good.len() > 10, "{good:?}");
    for (at, line) in lines.iter().enumerate() {
        let says = |bad: &[u8]| format!("{name}:{}: {}", at + 1, bad.escape_ascii());
        assert_eq!(lost(at, b""), [""; 0], "{} removed", says(line));
        assert_eq!(lost(at, &line.repeat(2)), [""; 0], "{} doubled", says(line));
        // Each end near the colon, and some of the others.
        let colon = line.iter().position(|b| *b == b':').unwrap_or_default();
        for end in (0..line.len().min(60)).filter(|end| end % 5 == 0 || end.abs_diff(colon) < 3) {
            let bad = [line.get(..end).unwrap(), b"\n"].concat();
            assert_eq!(lost(at, &bad), [""; 0], "{}", says(&bad));
        }
        for garbage in GARBAGE {
            let key = line.split(|b| *b == b':').next().unwrap();
            for bad in [[garbage, &b"\n"[..]].concat(), [key, b": ", garbage, b"\n"].concat()] {
                assert_eq!(lost(at, &bad), [""; 0], "{}", says(&bad));
            }
        }
    }
}

#[test]
fn httpd_2_2() {
    check("httpd-2.2-prefork");
}

#[test]
fn doubled_keys() {
    check("httpd-2.4.41-event");
}

#[test]
fn everything_there_is() {
    check("httpd-2.4.62-event-proxy");
}

#[test]
fn without_extended_status() {
    check("httpd-2.4.62-event-extended-off");
}

#[test]
fn sizes_of_old() {
    check("httpd-2.4.25-event-proxy");
}
