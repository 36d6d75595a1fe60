//! log-exporter and what happens to the files while it does not run.

use std::fs;

use exporter_tests::logs::{Log, Node, line, wait_for};
use exporter_tests::page::{Page, metric};
use exporter_tests::running::Running;
use exporter_tests::wait::until;

/// Waits until a page has all that was written, so that what comes after it belongs to the next process.
fn page_of_all(exporter: &Running, log: &Log) -> Page {
    let last_pass = metric("log_last_pass_timestamp_seconds");
    let mut before = exporter.scrape();
    until("all is read", || {
        let page = exporter.scrape();
        // One whole look after the page before, which found nothing more.
        let is_settled = before.value(log.messages("stdout")) == page.value(log.messages("stdout"))
            && page.value(&last_pass) > before.value(&last_pass)
            && page.value(log.metric("log_lag_bytes")) == 0.0;
        if is_settled {
            return Ok(page);
        }
        before = page;
        Err("there is more".to_owned())
    })
}

fn write(log: &mut Log, n_lines: u32) {
    for n in 0..n_lines {
        log.say(if n % 10 == 0 { "an error" } else { "fine" });
    }
}

#[test]
fn stops_with_a_rotation_before_and_after() {
    let node = Node::new();
    let state = node.state_flag();
    let mut log = node.container("shop", "web-1", "0a", "app");
    let (mut n_messages, mut n_errors) = (0.0, 0.0);
    for round in 0..6 {
        let exporter = node.exporter(&[&state, "--start.at=beginning"]);
        write(&mut log, 100);
        log.rotate();
        write(&mut log, 100);
        // Only some of what was written is on the page: the rest is for the next.
        let page = exporter.scrape();
        n_messages += page.value(log.messages("stdout"));
        n_errors += page.value(log.errors());
        write(&mut log, 10);
        let (status, said) = exporter.terminate();
        assert!(status.success(), "{said}");
        // One rotation while it is away: the file before is still plain text.
        if round % 2 == 1 {
            log.rotate_plainly();
        }
        write(&mut log, 10);
    }
    let exporter = node.exporter(&[&state, "--start.at=beginning"]);
    let page = page_of_all(&exporter, &log);
    n_messages += page.value(log.messages("stdout"));
    n_errors += page.value(log.errors());
    assert_eq!((n_messages, n_errors), (6.0 * 220.0, 6.0 * 22.0));
}

#[test]
fn kills_with_a_rotation_while_nobody_looks() {
    let node = Node::new();
    let state = node.state_flag();
    let mut log = node.container("shop", "web-1", "0a", "app");
    let (mut n_counted, mut n_written) = (0.0, 0.0);
    const ROUNDS: u32 = 5;
    for round in 0..ROUNDS {
        let exporter = node.exporter(&[&state, "--start.at=beginning"]);
        write(&mut log, 200);
        n_written += 200.0;
        n_counted += page_of_all(&exporter, &log).value(log.messages("stdout"));
        drop(exporter); // with SIGKILL
        if round % 2 == 0 {
            log.rotate_plainly();
        }
        write(&mut log, 20);
        n_written += 20.0;
    }
    let exporter = node.exporter(&[&state, "--start.at=beginning"]);
    n_counted += page_of_all(&exporter, &log).value(log.messages("stdout"));
    assert!(n_counted >= n_written, "{n_counted} of {n_written}");
    // A save was due every 100 ms: no more than what one process read is counted again, by the next.
    assert!(n_counted <= n_written + f64::from(ROUNDS) * 220.0, "{n_counted} of {n_written}");
}

#[test]
fn pods_that_are_new_when_it_comes_back() {
    let node = Node::new();
    let state = node.state_flag();
    let mut known = node.container("shop", "web-1", "0a", "app");
    known.say("an error that nobody saw");
    let exporter = node.exporter(&[&state]);
    known.say("an error");
    wait_for(&exporter, &known.errors(), 1.0);
    assert!(exporter.terminate().0.success());
    let mut new = node.container("shop", "web-2", "0b", "app");
    new.say("an error");
    // The same name, another pod: not the one that the file tells of.
    let mut again = node.container("shop", "web-1", "0c", "app");
    again.say("an error");
    let exporter = node.exporter(&[&state]);
    wait_for(&exporter, &new.errors(), 1.0);
    wait_for(&exporter, &known.errors(), 1.0).has(known.messages("stdout").value(1.0));
}

#[test]
fn a_container_that_restarts_while_nobody_looks() {
    let node = Node::new();
    let state = node.state_flag();
    let mut log = node.container("shop", "web-1", "0a", "app");
    let exporter = node.exporter(&[&state]);
    log.say("an error");
    log.write(line("stdout", "P", "a last er"));
    wait_for(&exporter, &log.errors(), 1.0);
    assert!(exporter.terminate().0.success());
    log.write(line("stdout", "F", "ror"));
    log.restart();
    log.say("an error");
    let exporter = node.exporter(&[&state]);
    wait_for(&exporter, &log.errors(), 2.0).has(log.messages("stdout").value(2.0));
}

#[test]
fn a_position_file_that_is_cut_short() {
    let node = Node::new();
    let (state, file) = (node.state_flag(), node.path("state/positions"));
    let mut log = node.container("shop", "web-1", "0a", "app");
    let exporter = node.exporter(&[&state]);
    log.say("an error");
    wait_for(&exporter, &log.errors(), 1.0);
    assert!(exporter.terminate().0.success());
    let whole = fs::read(&file).unwrap();
    for length in [1, whole.len() / 2, whole.len() - 2] {
        fs::write(&file, &whole[..length]).unwrap();
        let exporter = node.exporter(&[&state]);
        exporter.logs("positions cannot be read");
        // As at the first start: from the end.
        log.say("an error");
        wait_for(&exporter, &log.errors(), 1.0).has(metric("log_positions_write_errors_total").value(0.0));
        assert!(exporter.terminate().0.success());
        // It is whole again for the next.
        assert!(fs::read_to_string(&file).unwrap().ends_with("}\n"));
    }
}

#[test]
fn one_that_was_never_scraped() {
    let node = Node::new();
    let state = node.state_flag();
    let mut log = node.container("shop", "web-1", "0a", "app");
    assert!(node.exporter(&[&state]).terminate().0.success());
    for _ in 0..3 {
        log.say("an error");
        let exporter = Running::start("log-exporter", &node.flags(&[&state]));
        exporter.wait_for_line("`Listening on`", |line| line.contains("Listening on").then_some(()));
        assert!(exporter.terminate().0.success());
    }
    let exporter = node.exporter(&[&state]);
    wait_for(&exporter, &log.errors(), 3.0);
}
