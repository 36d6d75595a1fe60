//! log-exporter counts every line once while the kubelet rotates what somebody writes at the same time.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use exporter_tests::logs::{Node, line, wait_for};
use exporter_tests::page::metric;
use exporter_tests::wait::until;

#[test]
fn rotations_while_lines_are_written() {
    let node = Node::new();
    let exporter = node.exporter(&[]);
    let mut log = node.container("shop", "web-1", "0a", "app");
    wait_for(&exporter, &metric("log_files_open"), 1.0);
    let stop = Arc::new(AtomicBool::new(false));
    // A second writer that is slow to reopen: it holds on to a file that was moved away, as the runtime may for a moment.
    let slow = thread::spawn({
        let (stop, path) = (Arc::clone(&stop), log.path());
        move || {
            let mut n_lines = 0_u32;
            while !stop.load(Ordering::Relaxed) {
                let Ok(mut file) = OpenOptions::new().append(true).open(&path) else { continue };
                for n in 0..50 {
                    let content = if n % 25 == 0 { "an error" } else { "all is well" };
                    file.write_all(line("stderr", "F", content).as_bytes()).unwrap();
                    n_lines += 1;
                }
                thread::yield_now();
                if n_lines >= 50_000 {
                    break;
                }
            }
            n_lines
        }
    });
    for round in 1..=15 {
        for n in 0..400 {
            log.say(if n % 100 == 0 { "an error" } else { "all is well" });
        }
        log.rotate();
        // The kubelet's rotations are seconds apart, so that what is packed next has been seen.
        wait_for(&exporter, &log.metric("log_rotations_total"), f64::from(round));
    }
    stop.store(true, Ordering::Relaxed);
    let n_slow = slow.join().unwrap();
    wait_for(&exporter, &log.messages("stdout"), 15.0 * 400.0);
    let page = wait_for(&exporter, &log.messages("stderr"), f64::from(n_slow));
    page.has(log.errors().value(15.0 * 4.0 + f64::from(n_slow) / 25.0));
    for name in ["log_parse_errors_total", "log_read_errors_total", "log_file_truncations_total", "log_lag_bytes"] {
        page.has(log.metric(name).value(0.0));
    }
}

#[test]
fn a_name_that_is_taken_back() {
    let node = Node::new();
    let exporter = node.exporter(&[]);
    let mut log = node.container("shop", "web-1", "0a", "app");
    for round in 0..5 {
        log.say("an error before");
        wait_for(&exporter, &log.errors(), f64::from(2 * round + 1));
        let (path, moved) = (log.path(), log.path().with_file_name(format!("0.log.20261122-09000{round}")));
        fs::rename(&path, &moved).unwrap();
        // Written, and read, while it has the other name.
        log.say("an error between");
        wait_for(&exporter, &log.errors(), f64::from(2 * round + 2));
        fs::rename(&moved, &path).unwrap();
    }
    log.say("fine");
    let page = wait_for(&exporter, &log.messages("stdout"), 11.0);
    page.has(log.errors().value(10.0));
    page.has(log.metric("log_rotations_total").value(0.0));
    page.has(metric("log_files_open").value(1.0));
}

#[test]
fn files_that_docker_rotates_behind_their_link() {
    let node = Node::new();
    let exporter = node.exporter(&[]);
    let real = node.path("state/abc-json.log");
    let entry = |log: &str| {
        format!("{{\"log\":\"{log}\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-22T10:00:00.123456789Z\"}}\n")
    };
    fs::write(&real, entry("an error")).unwrap();
    let log = node.container("shop", "web-1", "0a", "app");
    fs::remove_file(log.path()).unwrap();
    symlink(&real, log.path()).unwrap();
    wait_for(&exporter, &log.errors(), 1.0);
    for round in 1..=3 {
        let mut last = OpenOptions::new().append(true).open(&real).unwrap();
        // The link stays as it is: nothing happens in the directory that is watched.
        fs::rename(&real, node.path(&format!("state/abc-json.log.{round}"))).unwrap();
        fs::write(&real, entry(&format!("error {round}"))).unwrap();
        last.write_all(entry("a panic at the end of the old one").as_bytes()).unwrap();
        wait_for(&exporter, &log.errors(), f64::from(1 + 2 * round));
    }
    exporter.scrape().has(log.metric("log_rotations_total").value(3.0));
}

#[test]
fn a_directory_of_pods_behind_a_link() {
    let node = Node::new();
    let link = node.path("link");
    symlink(node.pods(), &link).unwrap();
    let flags = [format!("--path.pod-logs={}/", link.display()), "--read.interval=50ms".to_owned()];
    let exporter = exporter_tests::running::Running::start("log-exporter", &flags);
    exporter.scrape();
    let mut log = node.container("shop", "web-1", "0a", "app");
    log.say("an error");
    wait_for(&exporter, &log.errors(), 1.0);
    log.rotate();
    log.say("an error");
    wait_for(&exporter, &log.errors(), 2.0);
}

#[test]
fn silence_between_two_rotations() {
    let node = Node::new();
    let exporter = node.exporter(&["--containers.grace=1s"]);
    let mut log = node.container("shop", "web-1", "0a", "app");
    // A file that is moved before anybody saw it under its first name is no rotation that could be seen.
    wait_for(&exporter, &metric("log_files_open"), 1.0);
    for round in 1..=6 {
        log.rotate();
        wait_for(&exporter, &log.metric("log_rotations_total"), f64::from(round));
    }
    log.say("an error");
    wait_for(&exporter, &log.errors(), 1.0);
    let open = metric("log_files_open");
    until("no more files to be open than have a name or may be written to", || {
        let n_open = exporter.scrape().value(&open);
        if n_open <= 5.0 { Ok(()) } else { Err(n_open.to_string()) }
    });
}
