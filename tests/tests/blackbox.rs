//! The blackbox exporter's own face: what a request may say, how long a probe has, what is kept and shown, reloads.

use std::fs;
use std::net::TcpListener;

use exporter_tests::blackbox::{Blackbox, probe_path};
use exporter_tests::client::Request;
use exporter_tests::page::metric;
use exporter_tests::running::run_to_end;
use exporter_tests::upstream::{Answer, DeadPort, Upstream};
use exporter_tests::wait::until;

const MODULES: &str = "
modules:
  tcp:
    prober: tcp
  brief:
    prober: tcp
    timeout: 1s
  http:
    prober: http
    http: {preferred_ip_protocol: ip4}
  own_host:
    prober: http
    http: {headers: {hOst: a.example}}
  odd:
    prober: carrier_pigeon
  waits:
    prober: tcp
    timeout: 2s
    tcp:
      query_response: [{expect: never}]
";

/// Something that listens, and its address as a target.
fn listening() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap().to_string();
    (listener, target)
}

#[test]
fn a_request_that_makes_no_sense_is_told_why_in_the_order_of_the_checks() {
    let blackbox = Blackbox::start(MODULES);
    let (_listener, target) = listening();
    let check = |request: Request, status: u16, begins: &str| {
        let answer = blackbox.ask(&request);
        assert_eq!(answer.status, status, "{request:?}: {}", answer.text());
        assert!(answer.text().starts_with(begins) && answer.text().ends_with('\n'), "{}", answer.text());
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    };
    let timeout = |request: Request, value: &str| request.header("X-Prometheus-Scrape-Timeout-Seconds", value);
    check(Request::get("/probe?module=nope&target=x"), 400, "Unknown module \"nope\"");
    check(Request::get("/probe?target=x"), 400, "Unknown module \"http_2xx\"");
    check(Request::get("/probe?module=&target=x"), 400, "Unknown module \"http_2xx\"");
    check(timeout(Request::get("/probe?module=nope"), "abc"), 400, "Unknown module");
    check(timeout(Request::get("/probe?module=tcp"), "abc"), 500, "Failed to parse timeout from Prometheus header: ");
    for query in ["module=tcp", "module=tcp&target=", "module=tcp&target=%zz", "module=tcp&target=a;b"] {
        check(Request::get(&format!("/probe?{query}")), 400, "Target parameter is missing");
    }
    check(Request::new("POST", "/probe?module=tcp").header("Content-Length", "0"), 400, "Target parameter is missing");
    check(Request::get("/probe?module=odd&target=x"), 400, "Unknown prober \"carrier_pigeon\"");
    let both = Request::get("/probe?module=own_host&target=127.0.0.1:1&hostname=b.example");
    check(both, 400, "the module asks for host \"a.example\"");
    let same = Request::get("/probe?module=own_host&target=127.0.0.1:1&hostname=a.example");
    assert_eq!(blackbox.ask(&same).status, 200);
    // The first of two counts, and any method will do.
    let first =
        Request::new("PUT", &format!("/probe?module=tcp&module=nope&target={target}")).header("Content-Length", "0");
    assert_eq!(blackbox.ask(&first).status, 200);
    blackbox.program().scrape().has(metric("blackbox_module_unknown_total").value(4.0));
}

#[test]
fn the_time_limit_is_the_clients_less_the_offset_and_at_most_the_modules() {
    let (_listener, target) = listening();
    let check = |blackbox: &Blackbox, module: &str, header: Option<&str>, want: f64| {
        let mut request = Request::get(&probe_path(module, &target, &[]));
        if let Some(seconds) = header {
            request = request.header("X-Prometheus-Scrape-Timeout-Seconds", seconds);
        }
        let page = blackbox.program().page(&request);
        assert_eq!(page.value(metric("probe_timeout_seconds")), want, "{module} {header:?}");
        page
    };
    let blackbox = Blackbox::start(MODULES);
    check(&blackbox, "tcp", None, 119.5).has(metric("probe_success").value(1.0));
    check(&blackbox, "tcp", Some("0"), 119.5);
    check(&blackbox, "tcp", Some("5"), 4.5);
    check(&blackbox, "brief", Some("5"), 1.0);
    check(&blackbox, "brief", Some("0.3"), 1.0);
    check(&blackbox, "brief", Some("0.5"), 0.0).has(metric("probe_success").value(0.0));
    let page = check(&blackbox, "waits", Some("0.75"), 0.25);
    page.has(metric("probe_failure_info").label("phase", "dialogue").label("reason", "deadline"));
    check(&Blackbox::start_with(MODULES, &["--timeout-offset=-2"], &[]), "tcp", Some("3"), 5.0);
}

#[test]
fn formats_are_the_classic_text_and_gzip_when_it_is_asked_for() {
    let blackbox = Blackbox::start(MODULES);
    let (_listener, target) = listening();
    let probe = Request::get(&probe_path("tcp", &target, &[]));
    let answer = blackbox.ask(&probe.clone().header("Accept", "application/openmetrics-text; version=1.0.0"));
    let kind = answer.header("content-type").unwrap();
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8; escaping=underscores");
    let answer = blackbox.ask(&probe.header("Accept-Encoding", "gzip"));
    assert!(answer.is_gzip() && answer.text().contains("\nprobe_success 1\n"), "{}", answer.text());
}

#[test]
fn the_debug_page_has_log_metrics_and_module_and_so_have_the_logs() {
    let blackbox = Blackbox::start(MODULES);
    let (_listener, target) = listening();
    let parts = |text: &str| {
        let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("no {what}:\n{text}"));
        let places = [
            at("Logs for the probe:\n"),
            at("\n\n\nMetrics that would have been returned:\n"),
            at("\nprobe_success "),
            at("\n\n\nModule configuration:\nprober: tcp\n"),
        ];
        assert!(places.is_sorted() && places[0] == 0, "{text}");
    };
    let shown = blackbox.debug("tcp", &target);
    parts(&shown);
    assert!(!shown.contains("level=ERROR"), "{shown}");
    // The metrics are those of any other answer.
    let names = |text: &str| {
        let line = |line: &str| line.split_once(' ').map(|(name, _)| name.to_owned());
        let of_metrics =
            text.lines().skip_while(|line| !line.starts_with("# HELP")).take_while(|line| !line.is_empty());
        of_metrics.filter(|line| !line.starts_with('#')).filter_map(line).collect::<Vec<_>>()
    };
    let normal = blackbox.probe("tcp", &target).text;
    assert_eq!(names(&shown), names(&normal), "{shown}");
    assert!(names(&normal).contains(&"probe_success".to_owned()), "{normal}");
    // Only "true" is it.
    assert!(blackbox.probe_with("tcp", &target, &[("debug", "True")]).succeeded());
    let nobody = DeadPort::new();
    let nobody = nobody.address().to_string();
    let shown = blackbox.debug("tcp", &nobody);
    parts(&shown);
    let line = shown.lines().nth(1).unwrap();
    for word in ["level=ERROR", "source=", "module=tcp", &format!("target={nobody}"), "reason=connect_refused"] {
        assert!(line.contains(word), "{line}");
    }
    // The same line goes to standard error, which is read by another thread.
    blackbox.program().wait_for_line(line, |logged| (logged == line).then_some(()));

    let logs = |query: &str| blackbox.ask(&Request::get(&format!("/logs{query}")));
    let by_id = logs("?id=3");
    assert_eq!((by_id.status, by_id.header("content-type"), by_id.text()), (200, Some("text/plain"), shown));
    assert_eq!(logs(&format!("?target={nobody}")).text(), by_id.text());
    assert_eq!(logs(&format!("?target={nobody}&module=tcp")).status, 200);
    for (query, status) in [
        ("", 400),
        ("?id=1&target=x", 400),
        ("?id=1&module=m", 400),
        ("?id=x", 400),
        ("?id=-1", 400),
        ("?module=tcp", 400),
        ("?id=99999", 404),
        ("?target=none", 404),
        (&format!("?target={nobody}&module=http"), 404),
    ] {
        assert_eq!(logs(query).status, status, "{query}");
    }
    let debug = Blackbox::start_with(MODULES, &["--log.prober=debug", "--log.format=json"], &[]);
    let shown = debug.debug("brief", &target);
    assert!(shown.contains("\"timeout_seconds\":\"1\"") && shown.contains("\"duration_seconds\":"), "{shown}");
}

#[test]
fn the_landing_page_has_the_recent_probes_and_the_failures_that_fell_out_of_them() {
    let blackbox = Blackbox::start_with(MODULES, &["--history.limit=3"], &[]);
    let (_listener, good) = listening();
    let nobody = DeadPort::new();
    for _ in 0..8 {
        blackbox.probe("tcp", &nobody.address().to_string());
    }
    for _ in 0..5 {
        blackbox.probe("tcp", &good);
    }
    let page = blackbox.ask(&Request::get("/"));
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    let links: Vec<String> =
        page.text().split("logs?id=").skip(1).map(|rest| rest[..rest.find('"').unwrap()].to_owned()).collect();
    assert_eq!(links, ["12", "11", "10", "7", "6", "5"]);
    for word in
        ["<title>Blackbox Exporter</title>", "probe?target=prometheus.io&amp;module=http_2xx", "debug=true", "<form"]
    {
        assert!(page.text().contains(word), "no {word}");
    }
    assert_eq!(blackbox.ask(&Request::get("/any/path/")).text(), page.text());
    blackbox.probe("tcp", "<script>alert(1)</script>");
    let page = blackbox.ask(&Request::get("/")).text();
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script>"), "{page}");

    let none = Blackbox::start_with(MODULES, &["--history.limit=0"], &[]);
    none.probe("tcp", &good);
    assert_eq!(none.ask(&Request::get("/logs?id=0")).status, 404);
}

#[test]
fn a_client_that_goes_away_ends_its_probe_which_is_kept_as_a_failure() {
    let blackbox = Blackbox::start(MODULES);
    let silent = Upstream::start(Answer::silence());
    let (listener, mute) = listening();
    for (module, target) in [("http", silent.address().to_string()), ("waits", mute)] {
        let request = Request::get(&probe_path(module, &target, &[]));
        let mut client = std::net::TcpStream::connect(blackbox.program().address()).unwrap();
        std::io::Write::write_all(&mut client, request.text().as_bytes()).unwrap();
        match module {
            "http" => silent.wait_for_requests("/", 1),
            _ => drop(listener.accept().unwrap()),
        }
        drop(client);
        let shown = until("the probe is kept", || {
            let answer = blackbox.ask(&Request::get(&format!("/logs?target={target}")));
            if answer.status == 200 { Ok(answer.text()) } else { Err(answer.text()) }
        });
        assert!(shown.contains("probe_success 0\n"), "{shown}");
    }
    silent.wait_until_open_at_most(0);
}

#[test]
fn a_reload_keeps_the_old_configuration_until_the_new_one_is_good() {
    let blackbox = Blackbox::start(MODULES);
    let (_listener, target) = listening();
    let reload = || {
        let answer = blackbox.ask(&Request::new("POST", "/-/reload").header("Content-Length", "0"));
        (answer.status, answer.text())
    };
    let successful = || blackbox.program().scrape().value(metric("blackbox_exporter_config_last_reload_successful"));
    assert_eq!(blackbox.ask(&Request::get("/-/reload")).status, 405);
    let loaded =
        || blackbox.program().scrape().value(metric("blackbox_exporter_config_last_reload_success_timestamp_seconds"));
    let first = loaded();
    // Nothing has changed, and it counts all the same.
    assert_eq!(reload(), (200, String::new()));
    let second = loaded();
    assert!(second > first, "{first} {second}");
    fs::write(blackbox.config_file(), "modules:\n  tcp:\n    prober: tcp\n    tcp:\n      tsl: true\n").unwrap();
    let (status, said) = reload();
    assert_eq!(status, 500);
    for word in ["failed to reload config: ", "blackbox.yml:5:", "tsl"] {
        assert!(said.contains(word), "{said}");
    }
    assert_eq!((successful(), loaded()), (0.0, second));
    assert!(blackbox.probe("tcp", &target).succeeded());
    fs::remove_file(blackbox.config_file()).unwrap();
    assert_eq!(reload().0, 500);
    fs::write(blackbox.config_file(), MODULES).unwrap();
    assert_eq!((reload().0, successful()), (200, 1.0));
    fs::write(blackbox.config_file(), "modules: {other: {prober: tcp}}").unwrap();
    blackbox.program().hang_up();
    until("SIGHUP is heard", || match blackbox.ask(&Request::get(&probe_path("other", &target, &[]))).status {
        200 => Ok(()),
        status => Err(status.to_string()),
    });
    assert!(blackbox.ask(&Request::get("/config")).text().contains("other:"));
}

#[test]
fn a_changed_file_is_found_by_itself() {
    let flags = ["--config.enable-auto-reload", "--config.auto-reload-interval=1"];
    let blackbox = Blackbox::start_with("modules: {}", &flags, &[]);
    fs::write(blackbox.config_file(), MODULES).unwrap();
    let (_listener, target) = listening();
    until("the module is there", || match blackbox.ask(&Request::get(&probe_path("tcp", &target, &[]))).status {
        200 => Ok(()),
        status => Err(status.to_string()),
    });
}

#[test]
fn everything_stands_under_the_prefix() {
    let check = |flags: &[&str], cases: &[(&str, u16, &str)]| {
        let blackbox = Blackbox::start_with(MODULES, flags, &[]);
        for (path, status, location) in cases {
            let answer = blackbox.ask(&Request::get(path));
            assert_eq!(
                (answer.status, answer.header("location").unwrap_or_default()),
                (*status, *location),
                "{flags:?} {path}"
            );
        }
    };
    let external = "--web.external-url=http://ex.example/foo/";
    check(
        &[external],
        &[
            ("/", 302, "http://ex.example/foo"),
            ("/metrics", 404, ""),
            ("/foo", 301, "/foo/"),
            ("/foo/metrics", 200, ""),
            ("/foo/-/healthy", 200, ""),
            ("/foo/anything", 200, ""),
            ("/foobar", 404, ""),
        ],
    );
    check(&[external, "--web.route-prefix=/"], &[("/metrics", 200, ""), ("/", 200, "")]);
    check(
        &[],
        &[
            ("//metrics", 301, "/metrics"),
            ("/a/../metrics", 301, "/metrics"),
            ("/-/ready", 200, ""),
            ("/probe/", 200, ""),
        ],
    );
}

#[test]
fn one_probe_too_many_is_refused_and_told_so() {
    let blackbox = Blackbox::start_with(MODULES, &["--probe.max-concurrent=1"], &[]);
    let silent = Upstream::start(Answer::silence());
    let address = blackbox.program().address();
    let path = probe_path("http", &silent.address().to_string(), &[]);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| Request::scrape_within(&path, 2.0).send(address));
        silent.wait_for_requests("/", 1);
        let second = blackbox.ask(&Request::get(&path));
        assert_eq!(second.status, 503);
        assert!(second.text().contains("--probe.max-concurrent"), "{}", second.text());
        assert_eq!(first.join().unwrap().unwrap().status, 200);
    });
    let page = blackbox.program().scrape();
    page.has(metric("blackbox_exporter_probes_refused_total").value(1.0));
    page.has(metric("blackbox_exporter_probes_running").value(0.0));
}

#[test]
fn only_allowed_networks_and_ports_are_probed() {
    let (_listener, target) = listening();
    let port = target.rsplit(':').next().unwrap().to_owned();
    for (flags, reason) in [
        (vec!["--probe.allow-network=10.0.0.0/8".to_owned()], Some("forbidden")),
        (vec!["--probe.allow-network=127.0.0.1".to_owned()], None),
        (vec!["--probe.deny-network=127.0.0.0/8".to_owned()], Some("forbidden")),
        (vec!["--probe.allow-port=1".to_owned()], Some("forbidden")),
        (vec![format!("--probe.allow-port=1-{port}")], None),
        (vec![format!("--probe.deny-port={port}")], Some("forbidden")),
    ] {
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let probed = Blackbox::start_with(MODULES, &flags, &[]).probe("tcp", &target);
        match reason {
            Some(reason) => drop(probed.failed("connect", reason)),
            None => assert!(probed.succeeded(), "{flags:?}\n{}", probed.samples()),
        }
    }
}

#[test]
fn a_configuration_is_checked_without_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let check = |text: Option<&str>, code: i32, words: &[&str]| {
        let file = folder.path().join("b.yml");
        match text {
            Some(text) => fs::write(&file, text).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        let end = run_to_end("blackbox-exporter", &["--config.check", &format!("--config.file={}", file.display())]);
        assert_eq!(end.status.code(), Some(code), "{text:?}: {}{}", end.stdout, end.stderr);
        for word in words {
            assert!(end.stdout.contains(word) || end.stderr.contains(word), "{word}: {}{}", end.stdout, end.stderr);
        }
    };
    check(Some(MODULES), 0, &["b.yml: fine, 6 modules"]);
    check(Some("modules:\n  a: {prober: tcp, x: 1}\n  b: {prober: http, timeout: 5}\n"), 1, &["b.yml:2:", "b.yml:3:"]);
    check(None, 1, &["b.yml"]);
}

#[test]
fn a_start_that_cannot_succeed_says_why() {
    for (flag, words) in [
        ("--history.limit=-1", "--history.limit: expected 0 or more"),
        ("--timeout-offset=x", "--timeout-offset: expected a number"),
        ("--web.external-url='http://x'", "--web.external-url: expected a URL"),
        ("--probe.deny-network=10/8", "--probe.deny-network: expected a network"),
        ("--probe.allow-port=9-1", "--probe.allow-port: expected a port"),
        ("--config.auto-reload-interval=30s", "--config.auto-reload-interval: expected a whole number"),
        ("--config.file=/does/not/exist", "/does/not/exist"),
    ] {
        let end = run_to_end("blackbox-exporter", &[flag]);
        assert_eq!(end.status.code(), Some(1), "{flag}");
        assert!(end.stderr.contains(words), "{flag}: {}", end.stderr);
    }
    let end = run_to_end("blackbox-exporter", &["--version"]);
    assert!(end.stdout.starts_with("blackbox_exporter, version "), "{}", end.stdout);
}

#[test]
fn ports_that_do_not_answer_and_addresses_that_nothing_leads_to() {
    // A queue of one that is full: further attempts to connect are left without an answer.
    let flags = rustix::net::SocketFlags::CLOEXEC;
    let socket =
        rustix::net::socket_with(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, flags, None);
    let socket = socket.unwrap();
    rustix::net::bind(&socket, &std::net::SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    rustix::net::listen(&socket, 0).unwrap();
    let address = std::net::SocketAddr::try_from(rustix::net::getsockname(&socket).unwrap()).unwrap();
    let waiting = std::net::TcpStream::connect(address).unwrap();
    let blackbox = Blackbox::start(MODULES);
    blackbox
        .probe("brief", &address.to_string())
        .failed("connect", "connect_timeout")
        .holds(&["!probe_failed_due_to_regex", "probe_ip_protocol 4"]);
    drop(waiting);
    // A network that no host may have.
    blackbox.probe("brief", "255.255.255.255:9").failed("connect", "unreachable");
}
