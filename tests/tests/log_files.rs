//! log-exporter counts every line once, whatever is done to the files and whoever is restarted.

use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::process::Command;

use exporter_tests::client::Request;
use exporter_tests::logs::{Node, line, wait_for};
use exporter_tests::namespace::entered;
use exporter_tests::page::{Page, metric};
use exporter_tests::running::Running;
use exporter_tests::tools::run;
use exporter_tests::wait::until;

#[test]
fn rotations() {
    let node = Node::new();
    let exporter = node.exporter(&[]);
    let mut log = node.container("shop", "web-1", "0a", "app");
    let mut n_lines = 0;
    for round in 0..12 {
        for n in 0..500 {
            log.say(if n % 100 == 0 { "an error" } else { "all is well" });
            n_lines += 1;
        }
        // A line in two halves, written while the file is read.
        let whole = line("stdout", "F", "one more");
        log.write(&whole[..40]);
        wait_for(&exporter, &log.messages("stdout"), f64::from(n_lines));
        log.write(&whole[40..]);
        n_lines += 1;
        log.write(line("stderr", "P", "a message over the end of a file, an er"));
        if round % 4 == 3 {
            log.rotate_in_vain()
        } else {
            log.rotate()
        }
        log.write(line("stderr", "F", "ror"));
    }
    let page = wait_for(&exporter, &log.messages("stdout"), f64::from(n_lines));
    let page = if page.value(log.messages("stderr")) < 12.0 {
        wait_for(&exporter, &log.messages("stderr"), 12.0)
    } else {
        page
    };
    page.has(log.errors().value(12.0 * 5.0 + 12.0));
    page.has(log.metric("log_rotations_total").value(9.0));
    page.has(log.metric("log_parse_errors_total").value(0.0));
    page.has(log.metric("log_read_errors_total").value(0.0));
    page.has(log.metric("log_lag_bytes").value(0.0));
}

#[test]
fn copies_and_cuts() {
    let node = Node::new();
    let exporter = node.exporter(&[]);
    let mut log = node.container("shop", "web-1", "0a", "app");
    log.say("an error, and some more text so that it is longer than what comes next");
    wait_for(&exporter, &log.errors(), 1.0);
    log.truncate();
    log.say("panic");
    let page = wait_for(&exporter, &log.errors(), 2.0);
    page.has(log.metric("log_file_truncations_total").value(1.0));
    // Longer than before at the next look: known by its first bytes.
    wait_for(&exporter, &log.metric("log_lag_bytes"), 0.0);
    let text =
        [line("stdout", "F", "an error"), line("stdout", "F", "an error"), line("stdout", "F", "fatal")].concat();
    fs::write(log.path(), text).unwrap();
    until("all three", || {
        let value = exporter.scrape().value(log.errors());
        if value == 5.0 { Ok(()) } else { Err(value.to_string()) }
    });
}

#[test]
fn restarts_of_a_container_and_pods_of_the_same_name() {
    let node = Node::new();
    let exporter = node.exporter(&["--containers.grace=1h"]);
    let mut log = node.container("shop", "db-0", "0a", "app");
    log.say("an error");
    log.write(line("stderr", "P", "unfinished"));
    wait_for(&exporter, &log.errors(), 1.0);
    for _ in 0..3 {
        log.restart();
        log.say("an error");
    }
    wait_for(&exporter, &log.errors(), 4.0);
    let errors = log.errors();
    log.remove();
    let mut again = node.container("shop", "db-0", "0b", "app");
    again.say("an error");
    let page = wait_for(&exporter, &errors, 5.0);
    assert_eq!(page.all(&errors).len(), 1);
    page.has(metric("log_containers").value(1.0));
    // The part that was never finished counts once its file is done.
    wait_for(&exporter, &again.messages("stderr"), 1.0);
}

#[test]
fn pods_that_live_for_a_moment() {
    let node = Node::new();
    let exporter = node.exporter(&["--containers.grace=1h"]);
    for n in 0..20 {
        let mut log = node.container("shop", &format!("job-{n}"), "0a", "app");
        log.say("an error");
        let errors = log.errors();
        // It is seen while it is there, and what it says last is read when it is not.
        wait_for(&exporter, &errors, 1.0);
        log.say("a last error");
        log.write(line("stdout", "F", "panic without newline").trim_end());
        log.remove();
    }
    for n in 0..20 {
        let errors = metric("log_pattern_matches_total").label("pod", &format!("job-{n}"));
        wait_for(&exporter, &errors, 3.0);
    }
}

#[test]
fn series_go_with_their_container_and_never_for_silence() {
    let node = Node::new();
    let exporter = node.exporter(&["--containers.grace=1s"]);
    let mut log = node.container("shop", "web-1", "0a", "app");
    let quiet = node.container("shop", "quiet", "0a", "app");
    log.say("an error");
    wait_for(&exporter, &log.errors(), 1.0).has(quiet.errors().value(0.0));
    let errors = log.errors();
    log.remove();
    let page = until("its series to go", || {
        let page = exporter.scrape();
        if page.all(&errors).is_empty() { Ok(page) } else { Err("still there".to_owned()) }
    });
    page.has(quiet.errors().value(0.0));
    page.has(metric("log_files_open").value(1.0));
}

#[test]
fn where_logs_begin() {
    let node = Node::new();
    let mut log = node.container("shop", "web-1", "0a", "app");
    log.say("an old error");
    log.write("2026-11-22T10:00:00Z stdout F half an");
    let exporter = node.exporter(&[]);
    log.write(" error\n");
    wait_for(&exporter, &log.errors(), 1.0);
    drop(exporter);
    let exporter = node.exporter(&["--start.at=beginning"]);
    wait_for(&exporter, &log.errors(), 2.0);
}

#[test]
fn a_root_that_appears_later() {
    let node = Node::new();
    fs::remove_dir(node.pods()).unwrap();
    let exporter = node.exporter(&["--scan.interval=1h"]);
    for round in 0..2 {
        let mut log = node.container("shop", &format!("web-{round}"), "0a", "app");
        log.say("an error");
        wait_for(&exporter, &log.errors(), 1.0);
        let mut later = node.container("shop", &format!("later-{round}"), "0a", "app");
        later.say("an error");
        wait_for(&exporter, &later.errors(), 1.0);
        fs::remove_dir_all(node.pods()).unwrap();
        until("that it is gone is seen", || {
            let page = exporter.scrape();
            page.value(metric("log_last_pass_timestamp_seconds"));
            if exporter.log().matches("is_there=false").count() > round { Ok(()) } else { Err(exporter.log()) }
        });
    }
}

/// What the pages of several processes come to, each read last before its end.
#[derive(Default)]
struct Sum {
    errors: f64,
    messages: f64,
}

impl Sum {
    fn add(&mut self, page: &Page) {
        self.errors += page.value(metric("log_pattern_matches_total"));
        self.messages += page.value(metric("log_messages_total").label("stream", "stdout"));
    }
}

/// Waits until nothing is left to read and gives the page.
fn page_of_all(exporter: &Running) -> Page {
    until("all is read", || {
        let before = exporter.scrape();
        let page = exporter.scrape();
        let same = before.value(metric("log_messages_total").label("stream", "stdout"))
            == page.value(metric("log_messages_total").label("stream", "stdout"));
        let looked = page.value(metric("log_last_pass_timestamp_seconds"))
            > before.value(metric("log_last_pass_timestamp_seconds"));
        if same && looked && page.value(metric("log_lag_bytes")) == 0.0 { Ok(page) } else { Err("more".to_owned()) }
    })
}

#[test]
fn stops_in_order_lose_nothing_and_count_nothing_twice() {
    let node = Node::new();
    let state = node.state_flag();
    let mut log = node.container("shop", "web-1", "0a", "app");
    log.say("an error before the first start");
    let (mut sum, mut n_errors, mut n_messages) = (Sum::default(), 0.0, 0.0);
    for round in 0..6 {
        let exporter = node.exporter(&[&state]);
        for n in 0..200 {
            log.say(if n % 10 == 0 { "an error" } else { "fine" });
        }
        (n_errors, n_messages) = (n_errors + 20.0, n_messages + 200.0);
        log.write(line("stdout", "P", "the beginning of an er"));
        if round % 2 == 0 {
            page_of_all(&exporter);
        }
        log.write(line("stderr", "F", "something else"));
        log.write(line("stdout", "F", "ror"));
        log.say("counted, and perhaps on no page");
        (n_errors, n_messages) = (n_errors + 1.0, n_messages + 2.0);
        sum.add(&exporter.scrape());
        log.say("counted, perhaps, and on no page");
        n_messages += 1.0;
        if round == 1 {
            log.rotate();
        }
        let (status, said) = exporter.terminate();
        assert!(status.success(), "{said}");
        if round == 3 {
            log.rotate_plainly();
            log.say("while nobody looked: an error");
            (n_errors, n_messages) = (n_errors + 1.0, n_messages + 1.0);
        }
    }
    let exporter = node.exporter(&[&state]);
    sum.add(&page_of_all(&exporter));
    assert_eq!((sum.errors, sum.messages), (n_errors, n_messages));
}

#[test]
fn after_a_kill_nothing_is_missing_and_little_is_counted_twice() {
    let node = Node::new();
    let state = node.state_flag();
    let mut log = node.container("shop", "web-1", "0a", "app");
    let mut sum = Sum::default();
    let mut n_errors = 0.0;
    for round in 0..4 {
        let exporter = node.exporter(&[&state]);
        for _ in 0..50 {
            log.say("an error");
            n_errors += 1.0;
        }
        let saved = metric("log_positions_saved_timestamp_seconds");
        let page = page_of_all(&exporter);
        // All of it is on that page; a save after it makes the kill as good as a stop.
        if round % 2 == 0 {
            let then = page.value(&saved);
            until("positions are saved again", || {
                let now = exporter.scrape().value(&saved);
                if now > then + 0.25 { Ok(()) } else { Err(now.to_string()) }
            });
        }
        sum.add(&page);
        drop(exporter); // with SIGKILL
    }
    let exporter = node.exporter(&[&state]);
    sum.add(&page_of_all(&exporter));
    assert!(sum.errors >= n_errors, "{} of {n_errors}", sum.errors);
    // Two kills came right after a page.
    assert!(sum.errors <= n_errors + 2.0 * 50.0, "{} of {n_errors}", sum.errors);
}

#[test]
fn a_page_that_nobody_sees_moves_no_position() {
    let node = Node::new();
    let state = node.state_flag();
    let mut log = node.container("shop", "web-1", "0a", "app");
    let exporter = node.exporter(&[&state]);
    log.say("an error");
    until("it to be read", || {
        let page = exporter.ask(&Request::new("HEAD", "/metrics"));
        assert_eq!((page.status, page.text().as_str()), (200, ""));
        let saved = fs::read_to_string(node.path("state/positions")).unwrap_or_default();
        // The last match is in the file, the position is not.
        if saved.contains("last_matches\":{\"error") { Ok(()) } else { Err(saved) }
    });
    exporter.terminate();
    wait_for(&node.exporter(&[&state]), &log.errors(), 1.0);
}

#[test]
fn the_last_match_outlives_the_process() {
    let node = Node::new();
    let state = node.state_flag();
    let mut log = node.container("shop", "web-1", "0a", "app");
    let exporter = node.exporter(&[&state]);
    log.say("an error");
    let last = wait_for(&exporter, &log.errors(), 1.0).value(log.metric("log_last_match_timestamp_seconds"));
    exporter.terminate();
    let page = node.exporter(&[&state]).scrape();
    page.has(log.metric("log_last_match_timestamp_seconds").value(last));
    page.has(log.errors().value(0.0));
}

#[test]
fn a_number_that_another_file_gets() {
    let node = Node::new();
    let state = node.state_flag();
    let mut log = node.container("shop", "web-1", "0a", "app");
    let exporter = node.exporter(&[&state]);
    log.say("an error");
    wait_for(&exporter, &log.errors(), 1.0);
    exporter.terminate();
    // The same inode and as long as before, but another file.
    let text = line("stdout", "F", "an error");
    fs::write(log.path(), text).unwrap();
    let exporter = node.exporter(&[&state]);
    wait_for(&exporter, &log.errors(), 1.0);
}

#[test]
fn position_files_that_cannot_be() {
    let node = Node::new();
    let mut log = node.container("shop", "web-1", "0a", "app");
    let file = node.path("state/positions");
    for text in ["", "{", "{\"version\":1}", "\0\0\0", "[]"] {
        fs::write(&file, text).unwrap();
        let exporter = node.exporter(&[&node.state_flag()]);
        log.say("an error");
        wait_for(&exporter, &log.errors(), 1.0);
        exporter.logs("positions cannot be read");
        let (status, _) = exporter.terminate();
        assert!(status.success());
        assert!(fs::read_to_string(&file).unwrap().contains("shop_web-1_0a/app"));
    }
    // Nowhere to write: a directory in its place, a device, and where nobody can make files.
    for place in [&node.pods().display().to_string(), "/dev/full", "/proc/positions"] {
        let exporter = node.exporter(&[&format!("--state.file={place}")]);
        log.say("an error");
        wait_for(&exporter, &log.errors(), 1.0);
        wait_for_write_errors(&exporter);
        exporter.scrape().lacks(metric("log_positions_saved_timestamp_seconds"));
    }
    assert!(fs::metadata("/dev/full").unwrap().file_type().is_char_device());
}

fn wait_for_write_errors(exporter: &Running) {
    until("failures to be counted", || {
        let n_errors = exporter.scrape().value(metric("log_positions_write_errors_total"));
        if n_errors > 1.0 { Ok(()) } else { Err(exporter.log()) }
    });
}

#[test]
fn a_full_disk_under_the_position_file() {
    if !entered("a_full_disk_under_the_position_file") {
        return;
    }
    let node = Node::new();
    let place = node.path("state");
    let mount = |options: &str| {
        run(Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&place));
    };
    mount("size=64k");
    let mut log = node.container("shop", "web-1", "0a", "app");
    let exporter = node.exporter(&[&node.state_flag()]);
    log.say("an error");
    wait_for(&exporter, &log.errors(), 1.0);
    let saved = until("positions to be saved", || {
        exporter.scrape();
        let text = fs::read_to_string(place.join("positions")).map_err(|e| e.to_string())?;
        if text.contains("last_matches\":{\"error") { Ok(text) } else { Err(text) }
    });
    let _full = fs::write(place.join("filler"), vec![0; 1 << 20]);
    log.say("an error");
    wait_for(&exporter, &log.errors(), 2.0);
    wait_for_write_errors(&exporter);
    // What was there is still there, and nothing half beside it.
    assert_eq!(fs::read_to_string(place.join("positions")).unwrap(), saved);
    assert!(!place.join("positions.new").exists());
    fs::remove_file(place.join("filler")).unwrap();
    until("positions to be saved again", || {
        exporter.scrape();
        let text = fs::read_to_string(place.join("positions")).unwrap();
        if text == saved { Err(text) } else { Ok(()) }
    });
}
