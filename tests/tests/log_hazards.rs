//! log-exporter and what nobody expects in a directory of logs: hostile lines and names, a crowd, one that shouts, a kernel that gives no
//! watches. Each costs at most its own sample.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use exporter_tests::logs::{Node, line, wait_for};
use exporter_tests::namespace::entered;
use exporter_tests::page::metric;
use exporter_tests::prometheus::check_metrics;
use exporter_tests::tools::{run, tool};
use exporter_tests::wait::until;

const MIB: u64 = 1 << 20;

#[test]
fn lines_without_an_end() {
    let node = Node::new();
    let exporter = node.exporter(&[]);
    let mut log = node.container("shop", "web-1", "0a", "app");
    log.write("2026-11-22T10:00:00Z stdout F an error ");
    let mebibyte = vec![b'x'; 1 << 20];
    for _ in 0..100 {
        log.write(&mebibyte);
    }
    log.write("\n");
    log.say("fine");
    let page = wait_for(&exporter, &log.messages("stdout"), 2.0);
    page.has(log.errors().value(1.0));
    page.has(log.metric("log_lines_truncated_total").value(1.0));
    let bytes = page.value(log.metric("log_bytes_total").label("stream", "stdout"));
    let dropped = page.value(log.metric("log_dropped_bytes_total"));
    assert_eq!(bytes + dropped, (100 * MIB + 9 + 4) as f64);
    // A message in endless parts, and a line in no format at all.
    for _ in 0..2000 {
        log.write(line("stderr", "P", &"y".repeat(16 << 10)));
    }
    log.write(line("stderr", "F", "z"));
    log.write(vec![0; 3 << 20]);
    log.write("\n");
    let page = wait_for(&exporter, &log.messages("unknown"), 1.0);
    page.has(log.messages("stderr").value(1.0));
    page.has(log.metric("log_lines_truncated_total").value(3.0));
    page.has(log.metric("log_parse_errors_total").value(1.0));
    assert!(exporter.peak_memory() < 40 * MIB, "{}", exporter.peak_memory());
}

#[test]
fn bytes_that_are_no_text() {
    let node = Node::new();
    let exporter = node.exporter(&[]);
    let mut log = node.container("shop", "web-1", "0a", "app");
    let mut write = |bytes: &[u8]| log.write([b"2026-11-22T10:00:00Z stdout F ", bytes, b"\n"].concat());
    write(b"\0\0 error \0");
    write(b"\xff\xfe error \x80");
    write("\u{1b}[1;31mERROR\u{1b}[0m".as_bytes());
    write(format!("{{\"level\":\"{}\",\"error\":1}}", "error".repeat(2 << 20)).as_bytes());
    write(format!("level={}", "e".repeat(1 << 20)).as_bytes());
    write("{\"a\":".repeat(40_000).as_bytes());
    let page = wait_for(&exporter, &log.messages("stdout"), 6.0);
    page.has(log.errors().value(3.0));
    page.has(log.metric("log_messages_by_level_total").label("level", "unknown").value(6.0));
    assert!(exporter.peak_memory() < 40 * MIB, "{}", exporter.peak_memory());
}

#[test]
fn names_and_files_that_are_none() {
    let node = Node::new();
    let (pods, good) = (node.pods(), node.container("shop", "web-1", "0a", "app"));
    for name in ["nothing", "a_b", "a_b\n_c", "a_\"b\"_c", "a_b_c_d", "..._..._", "lost+found"] {
        fs::create_dir_all(pods.join(name).join("app")).unwrap();
        fs::write(pods.join(name).join("app/0.log"), line("stdout", "F", "an error")).unwrap();
    }
    fs::write(pods.join("file_file_file"), "x").unwrap();
    symlink(&pods, pods.join("shop_loop_0a")).unwrap();
    let odd = pods.join("shop_odd_0a");
    fs::create_dir_all(odd.join("dir/0.log")).unwrap();
    fs::create_dir_all(odd.join("new\nline")).unwrap();
    for folder in ["fifo", "dangling", "loop", "device", "others"] {
        fs::create_dir_all(odd.join(folder)).unwrap();
    }
    run(Command::new("mkfifo").arg(odd.join("fifo/0.log")));
    symlink("/nowhere", odd.join("dangling/0.log")).unwrap();
    symlink("0.log", odd.join("loop/0.log")).unwrap();
    symlink("/dev/zero", odd.join("device/0.log")).unwrap();
    for name in ["0.log.gz", "0.log.20261122-100000.gz", "0.log.20261122-100000.tmp", "x.log", "-1.log", "01.log"] {
        fs::write(odd.join("others").join(name), line("stdout", "F", "an error")).unwrap();
    }
    let exporter = node.exporter(&["--start.at=beginning"]);
    let mut good = good;
    good.say("an error");
    let page = wait_for(&exporter, &good.errors(), 1.0);
    for sample in page.all(&metric("log_pattern_matches_total")) {
        assert_eq!(sample.value, f64::from(u8::from(sample.label("pod") == "web-1")), "{sample:?}");
        assert!(["web-1", "odd"].contains(&sample.label("pod")), "{sample:?}");
    }
    page.has(metric("log_files_open").value(1.0));
    for (container, is_error) in [("dangling", true), ("loop", true), ("device", false), ("others", false)] {
        let n_errors = page.value(metric("log_read_errors_total").label("container", container));
        assert_eq!(n_errors > 0.0, is_error, "{container}: {n_errors}");
    }
    check_metrics(&exporter.get("/metrics").text());
}

#[test]
fn a_thousand_containers() {
    let node = Node::new();
    let mut logs: Vec<_> = (0..1000).map(|n| node.container("shop", &format!("web-{n}"), "0a", "app")).collect();
    let exporter = node.exporter(&["--read.interval=200ms", "--scan.interval=30s"]);
    for log in &mut logs {
        log.say("an error");
    }
    let page = until("all of them to be counted", || {
        let page = exporter.scrape();
        let errors = page.all(&metric("log_pattern_matches_total").value(1.0)).len();
        if errors == 1000 { Ok(page) } else { Err(format!("{errors}")) }
    });
    page.has(metric("log_containers").value(1000.0));
    page.has(metric("log_files_open").value(1000.0));
    page.has(metric("log_containers_refused_total").value(0.0));
    assert!(exporter.peak_memory() < 60 * MIB, "{}", exporter.peak_memory());
}

#[test]
fn more_than_may_be() {
    let node = Node::new();
    let mut logs: Vec<_> = (0..5).map(|n| node.container("shop", &format!("web-{n}"), "0a", "app")).collect();
    let exporter = node.exporter(&["--containers.max=3", "--containers.grace=1ms"]);
    let page = wait_for(&exporter, &metric("log_containers_refused_total"), 2.0);
    page.has(metric("log_containers").value(3.0));
    // One goes, and there is room for another.
    logs.remove(0).remove();
    until("another one to be followed", || {
        let page = exporter.scrape();
        let pods = page.all(&metric("log_pattern_matches_total")).iter().any(|sample| sample.label("pod") == "web-3");
        if pods { Ok(()) } else { Err("not yet".to_owned()) }
    });
}

#[test]
fn one_that_shouts() {
    let node = Node::new();
    let exporter = node.exporter(&[]);
    let mut loud = node.container("shop", "loud", "0a", "app");
    let mut quiet = node.container("shop", "quiet", "0a", "app");
    let (loud_messages, quiet_errors) = (loud.messages("stdout"), quiet.errors());
    let stop = Arc::new(AtomicBool::new(false));
    let shouting = thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            let text: String = (0..2000).map(|_| line("stdout", "F", &"loud ".repeat(40))).collect();
            let mut n_lines = 0;
            while !stop.load(Ordering::Relaxed) {
                loud.write(&text);
                n_lines += 2000;
                // The disk of the machine is not what is tested.
                if n_lines % 400_000 == 0 {
                    loud.rotate_plainly();
                    loud.truncate();
                }
                if n_lines > 2_000_000 {
                    thread::yield_now();
                    break;
                }
            }
            n_lines
        }
    });
    for n in 1..=5 {
        quiet.say("an error");
        wait_for(&exporter, &quiet_errors, f64::from(n));
        let late = node.container("shop", &format!("late-{n}"), "0a", "app");
        wait_for(&exporter, &late.errors(), 0.0);
    }
    stop.store(true, Ordering::Relaxed);
    let n_lines = shouting.join().unwrap();
    wait_for(&exporter, &loud_messages, f64::from(n_lines));
    assert!(exporter.peak_memory() < 40 * MIB, "{}", exporter.peak_memory());
}

#[test]
fn a_kernel_without_watches() {
    if !entered("a_kernel_without_watches") {
        return;
    }
    // The limits of a user namespace are its own: those of the machine are not touched.
    for (name, number) in [("max_inotify_watches", "4"), ("max_inotify_instances", "0")] {
        let node = Node::new();
        let mut first = node.container("shop", "web-1", "0a", "app");
        let limit = format!("echo {number} > /proc/sys/user/{name} && exec \"$@\"");
        let shell = tool("sh").display().to_string();
        let wrapper = [
            "unshare",
            "--user",
            "--map-root-user",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            &shell,
            "-c",
            &limit,
            "sh",
        ];
        let probe = Command::new(wrapper[0]).args(&wrapper[1..]).arg("true").output().unwrap();
        if !probe.status.success() {
            exporter_tests::skip::skip("a_kernel_without_watches", &String::from_utf8_lossy(&probe.stderr));
            return;
        }
        let others: Vec<_> = (0..4).map(|n| node.container("shop", &format!("other-{n}"), "0a", "app")).collect();
        let flags = node.flags(&["--scan.interval=1h"]);
        let exporter = exporter_tests::running::Running::start_under(&wrapper, "log-exporter", &flags);
        first.say("an error");
        until("polling to be told", || {
            let page = exporter.scrape();
            if page.value(metric("log_discovery_polling")) == 1.0 { Ok(()) } else { Err(exporter.log()) }
        });
        let mut late = node.container("shop", "late", "0a", "app");
        late.say("an error");
        wait_for(&exporter, &late.errors(), 1.0).has(others[0].errors().value(0.0));
        exporter.logs("fs.inotify.max_user_watches");
    }
}

#[test]
fn news_that_are_lost() {
    let node = Node::new();
    let crowded = node.container("shop", "crowded", "0a", "app");
    let exporter = node.exporter(&["--scan.interval=1h"]);
    wait_for(&exporter, &crowded.messages("stdout"), 0.0).has(metric("log_discovery_overflows_total").value(0.0));
    let signal = |name: &str| run(Command::new("kill").args([name, &exporter.pid().to_string()]));
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let limit: usize = limit.trim().parse().unwrap();
    // While it cannot listen, more happens than the kernel keeps; what happens last is lost.
    signal("-STOP");
    let folder = crowded.path().parent().unwrap().to_owned();
    for n in 0..limit {
        let name = folder.join(format!("{n}.tmp"));
        fs::write(&name, "").unwrap();
        fs::remove_file(name).unwrap();
    }
    let mut late = node.container("shop", "late", "0a", "app");
    signal("-CONT");
    late.say("an error");
    let page = wait_for(&exporter, &late.errors(), 1.0);
    assert!(page.value(metric("log_discovery_overflows_total")) > 0.0);
}

#[test]
fn files_that_may_not_be_read() {
    let node = Node::new();
    let mut log = node.container("shop", "web-1", "0a", "app");
    let closed = node.container("shop", "closed", "0a", "app");
    fs::set_permissions(closed.path(), std::os::unix::fs::PermissionsExt::from_mode(0o0)).unwrap();
    let mode = |path: &std::path::Path| fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755));
    for path in [node.path("."), node.pods()] {
        mode(&path).unwrap();
    }
    let program = exporter_tests::running::program("log-exporter");
    let wrapper = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let is_reachable =
        Command::new(wrapper[0]).args(&wrapper[1..]).args([program.as_os_str(), "--version".as_ref()]).output();
    if !is_reachable.is_ok_and(|output| output.status.success()) {
        exporter_tests::skip::skip(
            "files_that_may_not_be_read",
            "nobody cannot reach the program, or this is not root",
        );
        return;
    }
    let exporter = exporter_tests::running::Running::start_under(&wrapper, "log-exporter", &node.flags(&[]));
    exporter.scrape();
    log.say("an error");
    let page = wait_for(&exporter, &log.errors(), 1.0);
    assert!(page.value(closed.metric("log_read_errors_total")) > 0.0);
    page.has(closed.errors().value(0.0));
}

#[test]
fn what_is_written_while_the_page_is_made() {
    let node = Node::new();
    let exporter = node.exporter(&[]);
    let mut log = node.container("shop", "web-1", "0a", "app");
    let mut file = fs::OpenOptions::new().append(true).open(log.path()).unwrap();
    for n in 0..300 {
        file.write_all(line("stdout", "F", "an error").as_bytes()).unwrap();
        log.say("fine");
        if n % 10 == 0 {
            let page = exporter.scrape();
            // A line is counted in all its series or in none.
            let levels: f64 = page.all(&metric("log_messages_by_level_total")).iter().map(|sample| sample.value).sum();
            let messages: f64 = page.all(&metric("log_messages_total")).iter().map(|sample| sample.value).sum();
            assert_eq!(levels, messages);
        }
    }
    wait_for(&exporter, &log.messages("stdout"), 600.0).has(log.errors().value(300.0));
}
