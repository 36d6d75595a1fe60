//! The configuration of log-exporter, its checks, and what happens when it changes.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use exporter_tests::client::Request;
use exporter_tests::fixture::Fixture;
use exporter_tests::logs::{Node, wait_for};
use exporter_tests::page::{Page, metric};
use exporter_tests::running::{Running, program, run_to_end};

#[test]
fn mistakes_name_their_place() {
    let files = Fixture::new()
        .file("p.yml", "patterns:\n- name: a\n  regex: 'x('\n- nam: b\n")
        .file("ok.yml", "patterns: []\n");
    let flag = files.flag("--config.file", "p.yml");
    for more in [&["--check-config"][..], &[]] {
        let ended = run_to_end("log-exporter", &[&[flag.as_str()], more].concat());
        assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
        let lines: Vec<&str> = ended.stderr.lines().collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].contains("p.yml:3: patterns[0].regex: unclosed group"), "{lines:?}");
        assert!(lines[1].contains("p.yml:4: patterns[1].nam: unknown key, expected one of name, "), "{lines:?}");
    }
    let ended = run_to_end("log-exporter", &["--check-config", &files.flag("--config.file", "ok.yml")]);
    assert_eq!((ended.status.code(), ended.stdout.ends_with("ok.yml: OK, 0 patterns\n")), (Some(0), true));
    for (flags, want) in [
        (&["--check-config"][..], "--check-config: expected --config.file beside it"),
        (&["--config.file=/absent.yml"], "/absent.yml: No such file"),
        (&["--start.at=middle"], "start.at"),
        (&["--containers.max=0"], "--containers.max: expected 1 or more"),
        (&["--read.interval=0s"], "--read.interval: expected more than 0s"),
        (&["--self.pod=x"], "--self.namespace and --self.pod: expected both"),
        (&["--test=/absent.yml"], "/absent.yml: No such file"),
    ] {
        let ended = run_to_end("log-exporter", flags);
        assert_eq!((ended.status.code(), ended.stderr.contains(want)), (Some(1), true), "{}", ended.stderr);
    }
}

/// The page of a sample.
fn test(config: &str, flags: &[&str], sample: &str) -> Page {
    let files = Fixture::new().file("p.yml", config);
    let mut command = Command::new(program("log-exporter"));
    command.arg(files.flag("--test", "p.yml")).args(flags).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(sample.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    Page::checked(&String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_sample_becomes_a_page() {
    let config = "patterns:\n- {name: a, literal: error}\n- {name: b, literal: error, pods: [web-*]}\n";
    let page = test(config, &[], "an error\nfine\n");
    page.has(metric("log_pattern_matches_total").label("pattern", "a").label("pod", "sample").value(1.0));
    page.lacks(metric("log_pattern_matches_total").label("pattern", "b"));
    let records = "2026-11-22T10:00:00Z stderr P an er\n2026-11-22T10:00:00Z stderr F ror\n";
    let page = test(config, &["--test.as=shop/web-1/app", "--label.workload"], records);
    page.has(metric("log_pattern_matches_total").label("pattern", "b").label("namespace", "shop").value(1.0));
    page.has(metric("log_messages_total").label("stream", "stderr").label("workload", "web").value(1.0));
}

#[test]
fn patterns_change_while_it_runs() {
    let node = Node::new();
    let config = node.path("patterns.yml");
    let flag = format!("--config.file={}", config.display());
    fs::write(&config, "patterns: [{name: a, literal: error}, {name: b, literal: fine}]\n").unwrap();
    let exporter = node.exporter(&[&flag]);
    let mut log = node.container("shop", "web-1", "0a", "app");
    log.say("an error");
    let matches = |pattern: &str| metric("log_pattern_matches_total").label("pattern", pattern);
    wait_for(&exporter, &matches("a"), 1.0).has(matches("b").value(0.0));
    // A broken one changes nothing.
    fs::write(&config, "patterns: [{name: a}]\n").unwrap();
    let answer = exporter.ask(&Request::new("POST", "/-/reload"));
    assert_eq!(answer.status, 500, "{}", answer.text());
    assert!(answer.text().contains("patterns[0]: expected regex or literal"), "{}", answer.text());
    let page = exporter.scrape();
    page.has(metric("log_exporter_config_last_reload_successful").value(0.0));
    page.has(matches("a").value(1.0));
    // One goes, one stays, one comes.
    fs::write(&config, "levels: false\npatterns: [{name: a, literal: error}, {name: c, literal: fine}]\n").unwrap();
    assert_eq!(exporter.ask(&Request::new("POST", "/-/reload")).status, 200);
    let page = exporter.scrape();
    page.has(metric("log_exporter_config_last_reload_successful").value(1.0));
    page.has(matches("a").value(1.0));
    page.has(matches("c").value(0.0));
    page.lacks(matches("b"));
    page.lacks(metric("log_messages_by_level_total"));
    log.say("fine");
    wait_for(&exporter, &matches("c"), 1.0);
    // A container that is to be ignored goes at once.
    fs::write(&config, "ignore: {pods: [web-*]}\n").unwrap();
    exporter.hang_up();
    exporter_tests::wait::until("its series to go", || {
        let page = exporter.scrape();
        if page.all(&matches("error")).is_empty() { Ok(()) } else { Err("still there".to_owned()) }
    });
    exporter.scrape().has(metric("log_containers").value(0.0));
    // When it is wanted again, what it wrote before and meanwhile is no news.
    log.say("an error");
    log.rotate_plainly();
    log.say("an error");
    fs::write(&config, "levels: false\n").unwrap();
    exporter.hang_up();
    wait_for(&exporter, &log.errors(), 0.0);
    log.say("an error");
    let page = wait_for(&exporter, &log.errors(), 1.0);
    page.has(log.messages("stdout").value(1.0));
    page.has(log.metric("log_rotations_total").value(0.0));
}

#[test]
fn a_container_that_is_wanted_after_a_restart() {
    let node = Node::new();
    let config = node.path("patterns.yml");
    let flags = [format!("--config.file={}", config.display()), node.state_flag()];
    let flags = flags.each_ref().map(String::as_str);
    let mut ignored = node.container("shop", "web-1", "0a", "app");
    ignored.say("an error");
    fs::write(&config, "ignore: {pods: [web-*]}\n").unwrap();
    // The second process knows of it from the first alone.
    for _ in 0..2 {
        let exporter = node.exporter(&flags);
        exporter.scrape().has(metric("log_containers").value(0.0));
        ignored.say("an error");
        assert!(exporter.terminate().0.success());
    }
    // What was written while nobody wanted to read it is no news, what a new one wrote meanwhile is.
    let mut new = node.container("shop", "web-2", "0b", "app");
    new.say("an error");
    fs::write(&config, "levels: false\n").unwrap();
    let exporter = node.exporter(&flags);
    wait_for(&exporter, &new.errors(), 1.0).has(ignored.errors().value(0.0));
    ignored.say("an error");
    wait_for(&exporter, &ignored.errors(), 1.0).has(ignored.messages("stdout").value(1.0));
}

#[test]
fn a_file_that_is_watched() {
    let node = Node::new();
    let config = node.path("patterns.yml");
    fs::write(&config, "patterns: []\n").unwrap();
    let exporter = node.exporter(&["--config.watch", &format!("--config.file={}", config.display())]);
    let log = node.container("shop", "web-1", "0a", "app");
    wait_for(&exporter, &log.messages("stdout"), 0.0).lacks(log.errors());
    fs::write(&config, "patterns: [{name: error, literal: error}]\n").unwrap();
    exporter.scrape().has(log.errors().value(0.0));
}

#[test]
fn one_page_and_the_end() {
    let node = Node::new();
    let mut log = node.container("shop", "web-1", "0a", "app");
    log.say("an error");
    let ended = run_to_end("log-exporter", &[node.flags(&["--once", "--start.at=beginning"])].concat());
    assert!(ended.status.success(), "{}", ended.stderr);
    Page::checked(&ended.stdout).has(log.errors().value(1.0));
    let ended = run_to_end("log-exporter", &[node.flags(&["--once", "--label.workload"])].concat());
    let page = Page::checked(&ended.stdout);
    page.has(log.errors().label("workload", "web").value(0.0));
    page.has(log.metric("log_lag_bytes").label("workload", "web"));
    page.has(log.messages("stderr").label("workload", "web"));
    page.has(metric("log_containers").value(1.0));
    let without_file = Running::start("log-exporter", &node.flags(&[]));
    assert!(!without_file.log().contains("Running as root"), "{}", without_file.log());
    let answer = without_file.ask(&Request::new("POST", "/-/reload"));
    assert_eq!((answer.status, answer.text().as_str()), (200, "there is no configuration file to read again\n"));
}

#[test]
fn a_broken_file_at_a_hangup_changes_nothing() {
    let node = Node::new();
    let config = node.path("patterns.yml");
    fs::write(&config, "patterns: [{name: a, literal: error}]\n").unwrap();
    let exporter = node.exporter(&[&format!("--config.file={}", config.display())]);
    let mut log = node.container("shop", "web-1", "0a", "app");
    let matches = log.metric("log_pattern_matches_total").label("pattern", "a");
    wait_for(&exporter, &matches, 0.0);
    fs::write(&config, "patterns: [{name: b, literal: error, sream: stderr}]\n").unwrap();
    exporter.hang_up();
    exporter.logs("patterns[0].sream: unknown key");
    let successful = metric("log_exporter_config_last_reload_successful");
    let page = exporter.scrape();
    page.has(successful.value(0.0));
    page.has(matches.clone().value(0.0));
    log.say("an error");
    wait_for(&exporter, &matches, 1.0).lacks(metric("log_pattern_matches_total").label("pattern", "b"));
    // What is missing altogether is a mistake as well.
    fs::remove_file(&config).unwrap();
    exporter.hang_up();
    exporter.logs("No such file");
    exporter.scrape().has(matches.value(1.0));
}
