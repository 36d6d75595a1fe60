//! Start-up: flags, messages, exit codes, logs, and the single page of `--once`.

use std::net::TcpListener;

use exporter_tests::fixture::Fixture;
use exporter_tests::log_line::{field, fields};
use exporter_tests::page::{Page, metric};
use exporter_tests::running::{Ended, Running, run_to_end};

fn run(args: &[&str]) -> Ended {
    run_to_end("node-exporter", args)
}

/// The start fails with code 1 and one message that holds all `words`.
#[track_caller]
fn refused(args: &[&str], words: &[&str]) {
    let Ended { status, stdout, stderr } = run(args);
    assert_eq!(status.code(), Some(1), "{args:?}\n{stderr}");
    assert_eq!(stdout, "", "{args:?}: nothing belongs on stdout");
    assert!(!stderr.contains("panicked") && !stderr.contains("RUST_BACKTRACE"), "{stderr}");
    // A collector may remark on something this machine lacks; that is not the reason for the end.
    let is_message =
        |line: &&str| line.contains("error: ") || (line.contains("level=ERROR") && field(line, "collector").is_none());
    let messages: Vec<&str> = stderr.lines().filter(is_message).collect();
    let [message] = messages.as_slice() else { panic!("{args:?}: wanted one message, got\n{stderr}") };
    for word in words {
        assert!(message.contains(word), "{args:?}: the message lacks {word:?}:\n{message}");
    }
}

#[test]
fn unknown_long_flag() {
    refused(&["--collector.cpus"], &["unknown long flag '--collector.cpus'"]);
}

#[test]
fn unknown_short_flag() {
    refused(&["-x"], &["-x"]);
}

#[test]
fn positional_argument() {
    refused(&["up"], &["unexpected up"]);
}

#[test]
fn a_flag_given_twice() {
    refused(&["--path.procfs=/proc", "--path.procfs", "/proc"], &["flag 'path.procfs' cannot be repeated"]);
    refused(&["--collector.cpu", "--no-collector.cpu"], &["flag 'collector.cpu' cannot be repeated"]);
}

#[test]
fn a_switch_takes_no_other_value_than_true_and_false() {
    refused(&["--collector.cpu=maybe"], &["collector.cpu", "maybe", "true, false"]);
}

#[test]
fn bad_regular_expression() {
    refused(&["--collector.filesystem.fs-types-exclude=^(ext4"], &["collector.filesystem.fs-types-exclude", "^(ext4"]);
}

#[test]
fn bad_duration() {
    refused(&["--collector.filesystem.mount-timeout=5parsecs"], &["5parsecs"]);
}

#[test]
fn bad_log_level_and_format() {
    refused(&["--log.level=loud"], &["--log.level", "debug, info, warn, error", "\"loud\""]);
    refused(&["--log.format=xml"], &["--log.format", "logfmt, json", "\"xml\""]);
}

#[test]
fn include_and_exclude_together() {
    refused(
        &["--collector.filesystem.mount-points-include=^/a", "--collector.filesystem.mount-points-exclude=^/b"],
        &["collector.filesystem.mount-points-include", "collector.filesystem.mount-points-exclude"],
    );
}

#[test]
fn missing_procfs() {
    refused(&["--path.procfs=/nowhere/proc"], &["/nowhere/proc"]);
}

#[test]
fn port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refused(&[&format!("--web.listen-address={address}")], &[&address]);
}

#[test]
fn bad_listen_address() {
    refused(&["--web.listen-address=127.0.0.1:port"], &["127.0.0.1:port"]);
}

#[test]
fn broken_web_config() {
    let folder = Fixture::of(&[
        ("unknown-key.yml", "tls_server_confg: {}\n"),
        ("no-such-file.yml", "tls_server_config:\n  cert_file: absent.pem\n  key_file: absent.key\n"),
        ("not-a-hash.yml", "basic_auth_users:\n  me: plain-text-password\n"),
        ("not-yaml.yml", "basic_auth_users: [\n"),
    ]);
    let refused = |file: &str, word: &str| refused(&[&folder.flag("--web.config.file", file)], &[word]);
    refused("unknown-key.yml", "tls_server_confg");
    refused("no-such-file.yml", "absent.pem");
    refused("not-a-hash.yml", "me");
    refused("not-yaml.yml", "not-yaml.yml");
    refused("missing.yml", "missing.yml");
}

#[test]
fn a_secret_is_not_repeated_in_a_message() {
    let folder = Fixture::of(&[("web.yml", "basic_auth_users:\n  me: plain-text-password\n")]);
    let ended = run(&[&folder.flag("--web.config.file", "web.yml")]);
    assert_eq!(ended.status.code(), Some(1));
    assert!(!ended.stderr.contains("plain-text-password"), "{}", ended.stderr);
}

#[test]
fn version() {
    let Ended { status, stdout, stderr } = run(&["--version"]);
    assert!(status.success(), "{stderr}");
    let first = stdout.lines().next().unwrap_or_default();
    assert!(first.starts_with("node_exporter, version "), "{stdout}");
    assert!(first.contains("(branch: ") && first.contains("revision: "), "{stdout}");
    assert!(stdout.contains("\n  platform:"), "{stdout}");
}

#[test]
fn help() {
    for flag in ["--help", "-h"] {
        let Ended { status, stdout, stderr } = run(&[flag]);
        assert!(status.success(), "{stderr}");
        for named in ["--web.listen-address", "collector.cpu", "--path.procfs", "--once"] {
            assert!(stdout.contains(named), "{flag} does not name {named}:\n{stdout}");
        }
    }
}

#[test]
fn values_with_and_without_the_equals_sign() {
    for args in [&["--web.telemetry-path=/numbers"] as &[&str], &["--web.telemetry-path", "/numbers"]] {
        let exporter = Running::start("node-exporter", args);
        exporter.scrape_path("/numbers").has(metric("node_load1"));
        assert_eq!(exporter.get("/metrics").status, 404);
    }
}

#[test]
fn switches_choose_collectors() {
    let exporter = Running::start("node-exporter", &["--collector.disable-defaults", "--collector.loadavg"]);
    let page = exporter.scrape();
    let ran = page.all(&metric("node_scrape_collector_success"));
    let ran: Vec<&str> = ran.iter().map(|sample| sample.label("collector")).collect();
    assert_eq!(ran, ["loadavg"]);

    let page = Running::start("node-exporter", &["--no-collector.loadavg"]).scrape();
    page.lacks(metric("node_load1"));
    page.has(metric("node_scrape_collector_success").label("collector", "cpu").value(1.0));
}

#[test]
fn logs_in_json() {
    let exporter = Running::start("node-exporter", &["--log.format=json"]);
    let (_, log) = exporter.terminate();
    assert!(log.lines().count() > 1, "{log}");
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        for key in ["time", "level", "source", "msg"] {
            assert!(line[key].is_string(), "no {key}: {line}");
        }
    }
}

#[test]
fn logs_in_logfmt() {
    let exporter = Running::start("node-exporter", &[] as &[&str]);
    let (_, log) = exporter.terminate();
    for line in log.lines() {
        let fields = fields(line);
        let keys: Vec<&str> = fields.iter().map(|(key, _)| key.as_str()).take(4).collect();
        assert_eq!(keys, ["time", "level", "source", "msg"], "{line}");
    }
}

#[test]
fn log_level_error_is_silent_about_a_good_start_and_end() {
    // Without a listening line to wait for, the program is one that ends by itself.
    let ended = run(&["--log.level=error", "--collector.disable-defaults", "--collector.loadavg", "--once"]);
    assert!(ended.status.success());
    assert_eq!(ended.stderr, "");
}

#[test]
fn once_prints_the_page() {
    // Two collectors that work on every machine: with all of them the exit code would be the machine's.
    let args = ["--collector.disable-defaults", "--collector.loadavg", "--collector.stat", "--once"];
    let Ended { status, stdout, stderr } = run(&args);
    assert!(status.success(), "{stderr}");
    let page = Page::checked(&stdout);
    page.has(metric("node_load1"));
    page.has(metric("node_scrape_collector_success").label("collector", "loadavg").value(1.0));
}

#[test]
fn once_tells_of_a_failed_collector() {
    let proc = Fixture::of(&[("loadavg", "0.21 0.37 0.39 1/719 9\n"), ("meminfo", "MemTotal: many kB\n")]);
    let args = [
        proc.flag("--path.procfs", ""),
        "--collector.disable-defaults".to_owned(),
        "--collector.loadavg".to_owned(),
        "--collector.meminfo".to_owned(),
        "--once".to_owned(),
    ];
    let Ended { status, stdout, stderr } = run_to_end("node-exporter", &args);
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("meminfo"), "{stderr}");
    let page = Page::checked(&stdout);
    page.has(metric("node_load1").value(0.21));
    page.has(metric("node_scrape_collector_success").label("collector", "loadavg").value(1.0));
    page.has(metric("node_scrape_collector_success").label("collector", "meminfo").value(0.0));
    // The same tree without the broken file's collector is fine, so the code speaks of that file.
    let fine = run_to_end("node-exporter", &[&args[0], &args[1], &args[2], &args[4]]);
    assert!(fine.status.success(), "{}", fine.stderr);
}

#[test]
fn own_metrics_can_be_left_out() {
    let own = |page: &Page| {
        let is_own = |name: &&str| name.starts_with("process_") || name.starts_with("promhttp_");
        page.names().into_iter().filter(is_own).map(str::to_owned).collect::<Vec<_>>()
    };
    let with = own(&Running::start("node-exporter", &[] as &[&str]).scrape());
    for name in ["process_resident_memory_bytes", "process_open_fds", "promhttp_metric_handler_requests_total"] {
        assert!(with.iter().any(|found| found == name), "no {name} in {with:?}");
    }
    let page = Running::start("node-exporter", &["--web.disable-exporter-metrics"]).scrape();
    assert_eq!(own(&page), [""; 0]);
    page.has(metric("node_exporter_build_info").value(1.0));
}
