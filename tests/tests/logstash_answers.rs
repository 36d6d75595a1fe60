//! The logstash exporter before answers that no Logstash should give, and before slow ones.

use exporter_tests::client::Request;
use exporter_tests::fixture::Fixture;
use exporter_tests::logstash::{HEALTH, Logstash, ROOT, STATS, Version};
use exporter_tests::page::{Page, metric};
use exporter_tests::prometheus::check_metrics;
use exporter_tests::running::Running;
use exporter_tests::upstream::{Answer, DeadPort};

fn start(logstash: &Logstash) -> Running {
    Running::start("logstash-exporter", &[format!("--logstash.url={}", logstash.url())])
}

/// A page that promtool agrees with, by someone who waits only a second.
#[track_caller]
fn scrape(exporter: &Running) -> Page {
    let text = exporter.ask(&Request::scrape_within("/metrics", 1.0)).text();
    check_metrics(&text);
    Page::checked(&text)
}

/// The statistics with `from` replaced by bytes.
fn replaced(logstash: &Logstash, from: &str, to: &[u8]) -> Answer {
    let text = logstash.document(STATS).to_string();
    let mut parts = text.split(from);
    let mut body = parts.next().unwrap().as_bytes().to_vec();
    let mut n_replaced = 0;
    for part in parts {
        body.extend_from_slice(to);
        body.extend_from_slice(part.as_bytes());
        n_replaced += 1;
    }
    assert!(n_replaced > 0, "{from} is not in {text}");
    Answer::ok("application/json", body)
}

/// `main` becomes a text that JSON does not allow; it alone is another one then.
#[track_caller]
fn check_text(bytes: &[u8], want: &str) {
    let logstash = Logstash::start(Version::V9_4);
    let exporter = start(&logstash);
    let well = scrape(&exporter);
    logstash.upstream().set_path(STATS, replaced(&logstash, "\"main\"", &[b"\"", bytes, b"\""].concat()));
    let page = scrape(&exporter);
    page.has(metric("logstash_up").value(1.0));
    page.has(metric("logstash_stats_pipeline_events_in").label("pipeline", want).value(1_000_000.0));
    page.has(metric("logstash_stats_pipeline_events_in").label("pipeline", "audit"));
    assert_eq!(page.names(), well.names());
}

#[test]
fn odd_text_costs_itself() {
    check_text(b"a\xffb", "a\u{fffd}b");
    check_text(br"a\ud800b", "a\u{fffd}b");
    check_text(br"\uDE00", "\u{fffd}");
    check_text(br"\ud83e\udd80", "\u{1f980}");
}

#[test]
fn a_byte_order_mark_costs_nothing() {
    let logstash = Logstash::start(Version::V8_19);
    let exporter = start(&logstash);
    let well = scrape(&exporter);
    let body = format!("\u{feff}{}", logstash.document(STATS));
    logstash.upstream().set_path(STATS, Answer::ok("application/json", body));
    assert_eq!(scrape(&exporter).names(), well.names());
}

#[test]
fn what_is_no_answer_is_down_until_it_is_one() {
    let mut logstash = Logstash::start(Version::V9_4);
    let exporter = start(&logstash);
    let well = scrape(&exporter);
    let document = logstash.document(STATS).to_string();
    let utf_16: Vec<u8> = document.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (what, answer) in [
        ("nothing", Answer::ok("application/json", "")),
        ("a list", Answer::ok("application/json", "[]")),
        ("null", Answer::ok("application/json", "null")),
        ("a text", Answer::ok("application/json", "\"text\"")),
        ("garbage behind", Answer::ok("application/json", format!("{document}x"))),
        ("UTF-16", Answer::ok("application/json", utf_16)),
        ("gzip", Answer::ok("application/json", b"\x1f\x8b\x08\0".to_vec()).header("Content-Encoding", "gzip")),
        ("open lists", Answer::ok("application/json", "{\"a\":[".repeat(100_000))),
        ("elsewhere", Answer::redirect("https://127.0.0.1/_node/stats")),
        ("no content", Answer::status(204, "")),
        ("credentials wanted", Answer::status(401, "")),
    ] {
        println!("{what}");
        logstash.upstream().set_path(STATS, answer);
        let page = scrape(&exporter);
        page.has(metric("logstash_up").value(0.0));
        page.has(metric("logstash_info_up").value(1.0));
        // What remains is what was there before, under the labels it had.
        for sample in page.samples().filter(|sample| sample.name.starts_with("logstash_pipeline_")) {
            let labels =
                sample.labels.iter().fold(metric(&sample.name), |metric, (name, value)| metric.label(name, value));
            well.has(labels);
        }
        logstash.heal();
        assert_eq!(scrape(&exporter).names(), well.names());
    }
}

#[test]
fn informational_answers_are_passed_over() {
    let logstash = Logstash::start(Version::V9_4);
    let exporter = start(&logstash);
    let well = scrape(&exporter);
    let body = logstash.document(STATS).to_string();
    let head = "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 200 OK\r\n";
    let raw = format!("{head}Connection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    logstash.upstream().set_path(STATS, Answer::raw(raw));
    assert_eq!(scrape(&exporter).names(), well.names());
}

/// One path is silent: what the others say is shown, and what is remembered.
#[track_caller]
fn check_silent(path: &str, lost: &[&str]) {
    let logstash = Logstash::start(Version::V9_4);
    let exporter = start(&logstash);
    let well = scrape(&exporter);
    logstash.fall_silent(path);
    let page = scrape(&exporter);
    let is_lost = |name: &&str| page.family(name).is_none();
    assert_eq!(well.names().into_iter().filter(is_lost).collect::<Vec<_>>(), lost, "{path}");
}

#[test]
fn one_slow_answer_costs_its_own_series() {
    check_silent(
        ROOT,
        &[
            "logstash_info_build",
            "logstash_info_node",
            "logstash_info_pipeline_batch_delay",
            "logstash_info_pipeline_batch_size",
            "logstash_info_pipeline_workers",
            "logstash_info_status",
            "logstash_node_info",
        ],
    );
    check_silent(
        HEALTH,
        &[
            "logstash_health_status",
            "logstash_pipeline_health_status",
            "logstash_pipeline_last_recovery_timestamp_seconds",
            "logstash_pipeline_recoveries_recent",
            "logstash_pipeline_state",
        ],
    );
}

#[test]
fn instances_stand_in_one_order() {
    let (logstash, dead) = (Logstash::start(Version::V9_4), DeadPort::new());
    let yaml = format!(
        "logstash:\n  instances:\n    - {{url: \"{}\", name: alive}}\n    - {{url: \"http://{}\", name: dead}}\n",
        logstash.url(),
        dead.address()
    );
    let file = Fixture::of(&[("config.yml", &yaml)]);
    let exporter = Running::start("logstash-exporter", &[file.flag("--config", "config.yml")]);
    // By their labels, the first of which is the URL, and not by who answers first.
    let mut instances = [(logstash.url(), "alive"), (format!("http://{}", dead.address()), "dead")];
    instances.sort();
    for _ in 0..3 {
        let page = scrape(&exporter);
        let errors = page.family("logstash_exporter_scrape_errors_total").unwrap();
        let mut names: Vec<&str> = errors.samples.iter().map(|sample| sample.label("instance_name")).collect();
        names.dedup();
        assert_eq!(names, instances.each_ref().map(|(_, name)| *name));
    }
}

#[test]
fn crowds_that_do_not_wait_leave_nothing_behind() {
    let logstash = Logstash::start(Version::V9_4);
    let exporter = start(&logstash);
    scrape(&exporter);
    let (threads, descriptors) = (exporter.threads(), exporter.descriptors());
    for path in [ROOT, STATS, HEALTH] {
        logstash.fall_silent(path);
    }
    std::thread::scope(|scope| {
        for _ in 0..30 {
            scope.spawn(|| {
                let page = exporter.page(&Request::scrape_within("/metrics", 0.2));
                page.has(metric("logstash_up").value(0.0));
            });
        }
    });
    // What was given up is closed, so no more can be open than one scrape keeps.
    logstash.upstream().wait_until_open_at_most(4);
    assert!(exporter.threads() <= threads + 4, "{} threads, {threads} before", exporter.threads());
    let now = exporter.descriptors();
    assert!(now <= descriptors + 8, "{now} descriptors, {descriptors} before");
}
