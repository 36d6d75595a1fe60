//! The apache exporter before what is no status page: it says so once, in figures and in its log, and recovers.

use std::thread;

use exporter_tests::client::Request;
use exporter_tests::httpd::STATUS_PAGE;
use exporter_tests::log_line::field;
use exporter_tests::page::{Page, metric};
use exporter_tests::running::Running;
use exporter_tests::upstream::{Answer, Latch, Upstream};

const STATUS: &str = "/server-status";
const PATH_AND_QUERY: &str = "/server-status?auto";

/// Why a scrape can fail, all of them from 0 on every page.
const REASONS: [&str; 6] = ["connect", "http_status", "not_status_page", "parse", "timeout", "tls"];

/// Families of the exporter itself, which a failed scrape has too.
const OWN: [&str; 3] = ["apache_exporter_scrape_failures_total", "apache_scrape_errors_total", "apache_up"];

fn start(upstream: &Upstream) -> Running {
    Running::start("apache-exporter", &[format!("--scrape_uri={}", upstream.url(PATH_AND_QUERY))])
}

/// One second is more than any answer here takes, but for those that never come.
#[track_caller]
fn scrape(exporter: &Running) -> Page {
    exporter.page(&Request::scrape_within("/metrics", 1.0))
}

fn errors(page: &Page) -> [f64; REASONS.len()] {
    REASONS.map(|reason| page.value(metric("apache_scrape_errors_total").label("reason", reason)))
}

fn failures(page: &Page) -> f64 {
    page.value(metric("apache_exporter_scrape_failures_total"))
}

/// Names of what was read from httpd.
fn foreign(page: &Page) -> Vec<&str> {
    let is_foreign = |name: &&str| name.starts_with("apache_") && !name.starts_with("apache_exporter_");
    page.names().into_iter().filter(is_foreign).filter(|name| !OWN.contains(name)).collect()
}

/// The page is one of a scrape that failed for `reason`, as the first since `before`.
#[track_caller]
fn failed_once(exporter: &Running, before: &Page, page: &Page, reason: &str) {
    page.has(metric("apache_up").value(0.0));
    let raised: Vec<(&str, f64)> = errors(page)
        .iter()
        .zip(errors(before))
        .zip(REASONS)
        .filter_map(|((now, before), reason)| (*now != before).then_some((reason, now - before)))
        .collect();
    assert_eq!(raised, [(reason, 1.0)], "{}", exporter.log());
    assert_eq!(failures(page) - failures(before), 1.0);
    assert_eq!(foreign(page), [""; 0], "stale series");
    exporter.wait_for_line(&format!("that warns of {reason}"), |line| {
        let warns = matches!(field(line, "level")?.as_str(), "WARN" | "ERROR");
        (warns && field(line, "reason")? == reason).then_some(())
    });
}

/// From well to `answer`, seen as a failure for `reason`, and back to well.
#[track_caller]
fn check(answer: Answer, reason: &str) {
    let upstream = Upstream::start(Answer::text(STATUS_PAGE));
    let exporter = start(&upstream);
    let well = scrape(&exporter);
    well.has(metric("apache_up").value(1.0));
    assert_eq!((errors(&well), failures(&well)), ([0.0; REASONS.len()], 0.0));
    upstream.set(answer);
    let ill = scrape(&exporter);
    failed_once(&exporter, &well, &ill, reason);
    upstream.set(Answer::text(STATUS_PAGE));
    let healed = scrape(&exporter);
    healed.has(metric("apache_up").value(1.0));
    assert_eq!(foreign(&healed), foreign(&well));
    assert_eq!((errors(&healed), failures(&healed)), (errors(&ill), failures(&ill)));
}

const HTML: &str = "<!DOCTYPE HTML>\n<html><head><title>Apache Status</title></head><body>\n\
    <dl><dt>Total accesses: 7 - Total Traffic: 8 kB</dt></dl></body></html>\n";

#[test]
fn other_statuses() {
    for status in [401, 403, 404, 500, 503] {
        check(Answer::status(status, HTML).header("Content-Type", "text/html"), "http_status");
    }
}

#[test]
fn a_status_page_under_an_error_status() {
    check(Answer::status(500, STATUS_PAGE), "http_status");
}

#[test]
fn redirects() {
    check(Answer::redirect("/login"), "http_status");
    check(Answer::redirect(PATH_AND_QUERY), "http_status");
}

#[test]
fn html() {
    check(Answer::ok("text/html; charset=ISO-8859-1", HTML), "not_status_page");
}

#[test]
fn the_status_of_another_server() {
    let text = "Active connections: 1 \nserver accepts handled requests\n 7 7 9 \nReading: 0 Writing: 1 Waiting: 0 \n";
    check(Answer::text(text), "not_status_page");
}

#[test]
fn nothing() {
    check(Answer::text(""), "not_status_page");
}

#[test]
fn cut_short() {
    for sent in [0, STATUS_PAGE.len() / 2, STATUS_PAGE.len() - 1] {
        check(Answer::text(STATUS_PAGE).cut_short(sent), "connect");
    }
    check(Answer::text(STATUS_PAGE).chunks_end_early(100, 300), "connect");
}

#[test]
fn endless() {
    check(Answer::text(STATUS_PAGE).dripping(), "timeout");
    check(Answer::text("x".repeat(100_000)).flooding(), "not_status_page");
}

#[test]
fn stalled() {
    check(Answer::silence(), "timeout");
    check(Answer::text(STATUS_PAGE).silent_after(0), "timeout");
    check(Answer::text(STATUS_PAGE).silent_after(500), "timeout");
}

#[test]
fn not_http() {
    check(Answer::raw("SSH-2.0-OpenSSH_10.0\r\n"), "parse");
    check(Answer::raw(vec![0; 1000]), "parse");
}

#[test]
fn closed_at_once() {
    check(Answer::hang_up(), "connect");
}

#[test]
fn a_dead_port() {
    let upstream = Upstream::start(Answer::text(STATUS_PAGE));
    let (address, exporter) = (upstream.address(), start(&upstream));
    let well = scrape(&exporter);
    well.has(metric("apache_up").value(1.0));
    drop(upstream);
    let ill = scrape(&exporter);
    failed_once(&exporter, &well, &ill, "connect");
    let _upstream = Upstream::start_on(address, Answer::text(STATUS_PAGE));
    let healed = scrape(&exporter);
    healed.has(metric("apache_up").value(1.0));
    assert_eq!(foreign(&healed), foreign(&well));
}

#[test]
fn chunked_is_fine() {
    let upstream = Upstream::start(Answer::text(STATUS_PAGE).chunked(7));
    scrape(&start(&upstream)).has(metric("apache_accesses_total").value(1234.0));
}

#[test]
fn a_stalled_scrape_holds_nobody_up() {
    let latch = Latch::new();
    let upstream = Upstream::start(Answer::text(STATUS_PAGE).gated(&latch));
    let exporter = start(&upstream);
    thread::scope(|scope| {
        let stalled = scope.spawn(|| exporter.page(&Request::scrape_within("/metrics", 50.0)));
        upstream.wait_for_requests(STATUS, 1);
        upstream.set(Answer::text(STATUS_PAGE));
        scrape(&exporter).has(metric("apache_up").value(1.0));
        assert!(!stalled.is_finished());
        latch.open();
        stalled.join().unwrap().has(metric("apache_up").value(1.0));
    });
}

#[test]
fn many_stalled_scrapes_leave_nothing_behind() {
    let upstream = Upstream::start(Answer::text(STATUS_PAGE));
    let exporter = start(&upstream);
    scrape(&exporter);
    let threads = exporter.threads();
    upstream.set(Answer::silence());
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| scrape(&exporter).has(metric("apache_up").value(0.0)));
        }
    });
    upstream.wait_until_open_at_most(0);
    upstream.set(Answer::text(STATUS_PAGE));
    scrape(&exporter).has(metric("apache_up").value(1.0));
    assert!(exporter.threads() <= threads, "{} threads instead of {threads}", exporter.threads());
}
