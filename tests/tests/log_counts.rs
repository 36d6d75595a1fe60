//! log-exporter counts every kind of line, exactly.

use std::fs;
use std::os::unix::fs::symlink;

use exporter_tests::logs::{Node, line, wait_for};
use exporter_tests::page::metric;
use exporter_tests::prometheus::check_metrics;

#[test]
fn zeros_come_first() {
    let node = Node::new();
    let exporter = node.exporter(&[]);
    let mut log = node.container("shop", "web-1", "0a", "app");
    let page = wait_for(&exporter, &log.errors(), 0.0);
    for stream in ["stdout", "stderr"] {
        page.has(log.messages(stream).value(0.0));
        page.has(log.metric("log_bytes_total").label("stream", stream).value(0.0));
    }
    for level in ["trace", "debug", "info", "warn", "error", "fatal", "unknown"] {
        page.has(log.metric("log_messages_by_level_total").label("level", level).value(0.0));
    }
    page.lacks(log.messages("unknown"));
    page.lacks(log.metric("log_last_match_timestamp_seconds"));
    for name in ["lag_bytes", "partial_lines_total", "parse_errors_total", "rotations_total", "read_errors_total"] {
        page.has(log.metric(&format!("log_{name}")).value(0.0));
    }
    page.has(metric("log_containers").value(1.0));
    // A quiet container keeps them.
    log.say("an error");
    let page = wait_for(&exporter, &log.errors(), 1.0);
    page.has(log.messages("stderr").value(0.0));
    check_metrics(&exporter.get("/metrics").text());
}

#[test]
fn every_kind_of_line() {
    let node = Node::new();
    let config = node.path("patterns.yml");
    let text = "patterns:\n- {name: error, regex: '\\b(error|panic)\\b', ignore_case: true, exclude: '\\b0 errors|error=0'}\n\
                - {name: oom, literal: OutOfMemory}\n- {name: digits, regex: '\\d{7}'}\n\
                - {name: loud, literal: error, stream: stderr}\n- {name: trace, regex: 'at com\\.', continuations: true}\n\
                - {name: elsewhere, literal: error, namespaces: [x*]}\n- {name: here, literal: error, pods: ['web-?'], containers: [a*]}\n";
    fs::write(&config, text).unwrap();
    let exporter = node.exporter(&[&format!("--config.file={}", config.display())]);
    let mut log = node.container("shop", "web-1", "0a", "app");
    for content in [
        "an Error",
        "error=0",
        "terror",
        "",
        "java.lang.OutOfMemoryError: panic",
        "\tat com.example.error(Main.java)",
        "at com.example.Main",
        "Caused by: error",
        "... 12 more error",
        "order 1234567",
        "{\"level\":\"warn\",\"msg\":\"x\"}",
        "ts=1 level=error msg=\"no error=0\"",
        "\u{1b}[31mERROR\u{1b}[0m level=info",
        "{\"level\":\"fatal\"",
    ] {
        log.say(content);
    }
    log.write(line("stderr", "F", "error on stderr"));
    log.write(line("stdout", "P", "half an er"));
    log.write(line("stderr", "P", "pan"));
    log.write(line("stderr", "F", "ic"));
    log.write(line("stdout", "P", "ro"));
    log.write(line("stdout", "F", "r"));
    log.write("no record, but an error\n");
    let page = wait_for(&exporter, &log.messages("stdout"), 15.0);
    page.has(log.messages("stderr").value(2.0));
    page.has(log.messages("unknown").value(1.0));
    page.has(log.metric("log_parse_errors_total").value(1.0));
    page.has(log.metric("log_partial_lines_total").value(3.0));
    let matches = |pattern: &str| log.metric("log_pattern_matches_total").label("pattern", pattern);
    // Error, OutOfMemory's panic, coloured, stderr, the joined ones of both streams, and the line that is no record.
    page.has(matches("error").value(7.0));
    page.has(matches("oom").value(1.0));
    page.has(matches("digits").value(1.0));
    page.has(matches("loud").value(1.0));
    page.has(matches("trace").value(2.0));
    page.lacks(matches("elsewhere"));
    // Those in small letters that begin no continuation: error=0, terror, two of logfmt, stderr, joined, no record.
    page.has(matches("here").value(6.0));
    let levels = |level: &str| log.metric("log_messages_by_level_total").label("level", level);
    page.has(levels("warn").value(1.0));
    page.has(levels("error").value(1.0));
    page.has(levels("info").value(1.0));
    page.has(levels("fatal").value(1.0));
    page.has(levels("unknown").value(14.0));
}

#[test]
fn the_last_match_has_the_time_of_its_line() {
    let node = Node::new();
    let exporter = node.exporter(&[]);
    let mut log = node.container("shop", "web-1", "0a", "app");
    log.write("2026-11-22T10:00:00.25+01:00 stdout F an error\n2026-11-22T09:00:01Z stdout F fine\n");
    let page = wait_for(&exporter, &log.messages("stdout"), 2.0);
    page.has(log.metric("log_last_match_timestamp_seconds").value(1_795_338_000.25));
}

#[test]
fn logs_of_docker() {
    let node = Node::new();
    let exporter = node.exporter(&[]);
    let real = node.path("state/abc-json.log");
    let entry =
        |log: &str| format!("{{\"log\":\"{log}\",\"stream\":\"stderr\",\"time\":\"2026-11-22T10:00:00.5Z\"}}\n");
    fs::write(&real, [entry("an er"), entry(r"ror\n"), entry(r"a \u003cpanic\u003e\n"), entry(r"fine\n")].concat())
        .unwrap();
    let log = node.container("shop", "web-1", "0a", "app");
    fs::remove_file(log.path()).unwrap();
    symlink(&real, log.path()).unwrap();
    let page = wait_for(&exporter, &log.messages("stderr"), 3.0);
    page.has(log.errors().value(2.0));
    page.has(log.metric("log_parse_errors_total").value(0.0));
}

#[test]
fn a_message_that_never_ends() {
    let node = Node::new();
    let exporter = node.exporter(&[]);
    let mut log = node.container("shop", "web-1", "0a", "app");
    log.write(line("stdout", "P", "an error without an end"));
    wait_for(&exporter, &log.metric("log_partial_lines_total"), 1.0).has(log.errors().value(0.0));
    // The container is gone, and what it wrote is all there is.
    let (errors, messages) = (log.errors(), log.messages("stdout"));
    log.remove();
    wait_for(&exporter, &errors, 1.0).has(messages.value(1.0));
}

#[test]
fn its_own_pod_is_left_out() {
    let node = Node::new();
    let mut own = node.container("log-exporter", "log-exporter-x", "0a", "log-exporter");
    let exporter =
        node.exporter(&["--self.namespace=log-exporter", "--self.pod=log-exporter-x", "--start.at=beginning"]);
    own.say("an error");
    let mut other = node.container("log-exporter", "log-exporter-y", "0b", "log-exporter");
    other.say("an error");
    wait_for(&exporter, &other.errors(), 1.0).lacks(own.errors());
}
