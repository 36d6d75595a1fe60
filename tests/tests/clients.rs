//! The web face before polite, greedy, slow and broken clients.

use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::thread;

use exporter_tests::client::{Request, Response, connect};
use exporter_tests::fixture::Fixture;
use exporter_tests::page::{Page, check_openmetrics, metric};
use exporter_tests::running::Running;
use exporter_tests::tls;
use exporter_tests::tools::tool;
use exporter_tests::wait::until;

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

fn start() -> Running {
    Running::start("node-exporter", &[] as &[&str])
}

/// Text files that make a page of eight megabytes. The kernel keeps at most four for the sender (tcp_wmem) and little
/// for a client that does not read, so the answer cannot have left the program before it is read.
fn big_page() -> Fixture {
    let padding = "x".repeat(1000);
    (0..8).fold(Fixture::new(), |folder, file| {
        let line = |n: usize| format!("big{{file=\"{file}\",n=\"{n:04}\",padding=\"{padding}\"}} 1\n");
        let lines: String = (0..1000).map(line).collect();
        folder.file(format!("big{file}.prom"), format!("# HELP big Big.\n# TYPE big gauge\n{lines}"))
    })
}

/// A scrape whose answer has begun and will not be read further until asked.
fn begun_scrape(address: SocketAddr) -> TcpStream {
    let socket = connect(address).unwrap();
    (&socket).write_all(Request::get("/metrics").text().as_bytes()).unwrap();
    let mut status = [0; 12];
    (&socket).read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    socket
}

fn rest_of(socket: TcpStream) -> Page {
    let answer = b"HTTP/1.1 200".chain(socket);
    Page::checked(&Response::read(&mut BufReader::new(answer), false).unwrap().text())
}

#[test]
fn twenty_scrapes_at_once() {
    let exporter = start();
    let families = |page: &Page| page.family("node_cpu_seconds_total").map(|family| family.samples.len());
    let alone = families(&exporter.scrape());
    assert!(alone.is_some());
    thread::scope(|scope| {
        let scrapes: Vec<_> = (0..20).map(|_| scope.spawn(|| exporter.scrape())).collect();
        for scrape in scrapes {
            let page = scrape.join().unwrap();
            assert_eq!(families(&page), alone);
            page.has(metric("node_scrape_collector_success").label("collector", "meminfo").value(1.0));
        }
    });
}

#[test]
fn a_half_sent_request_holds_nobody_up() {
    let exporter = start();
    let mut half = connect(exporter.address()).unwrap();
    half.write_all(b"GET /metrics HTTP/1.1\r\nHost: expo").unwrap();
    exporter.scrape();
    // Still willing to listen to the rest.
    half.write_all(b"rter\r\nConnection: close\r\n\r\n").unwrap();
    let answer = Response::read(&mut BufReader::new(half), false).unwrap();
    Page::checked(&answer.text());
}

#[test]
fn a_client_that_reads_byte_by_byte() {
    let folder = big_page();
    let exporter = Running::start("node-exporter", &[folder.flag("--collector.textfile.directory", "")]);
    let mut slow = begun_scrape(exporter.address());
    for read in 0..2000 {
        slow.read_exact(&mut [0]).unwrap();
        if read % 500 == 0 {
            exporter.scrape();
        }
    }
    drop(slow);
    exporter.scrape();
}

#[test]
fn a_huge_header_is_refused() {
    let exporter = start();
    let mut socket = connect(exporter.address()).unwrap();
    // Ten megabytes; it may stop reading us long before, upon which writing fails.
    let written = socket.write_all(b"GET /metrics HTTP/1.1\r\nX: ").and_then(|()| {
        let piece = [b'x'; 64 * 1024];
        (0..160).try_for_each(|_| socket.write_all(&piece))
    });
    let mut answer = Vec::new();
    let read = socket.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    // The kernel may reset the connection over what was not read, and the answer with it.
    let reset = |result: &std::io::Result<()>| {
        result.as_ref().is_err_and(|e| matches!(e.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe))
    };
    let refused = answer.starts_with("HTTP/1.1 431 ") || answer.starts_with("HTTP/1.1 400 ");
    let cut_off = answer.is_empty() && (reset(&written) || reset(&read.map(drop)));
    assert!(refused || cut_off, "written {written:?}, answer {answer:?}");
    exporter.scrape();
}

#[test]
fn a_header_somewhat_too_big_is_answered() {
    // Small enough to be in flight whole, so the answer cannot be lost; far more than any scraper sends.
    let answer = Request::get("/metrics").header("X", &"x".repeat(512 * 1024)).send(start().address());
    match answer {
        Ok(answer) => assert!(matches!(answer.status, 400 | 431), "{}", answer.status),
        Err(e) => assert!(matches!(e.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{e}"),
    }
}

#[test]
fn not_http_at_all() {
    let exporter = start();
    for noise in [&b"\x16\x03\x01\x02\x00\x01\x00"[..], b"\0\0\0\0\r\n\r\n", b"GET\r\n\r\n"] {
        let mut socket = connect(exporter.address()).unwrap();
        socket.write_all(noise).unwrap();
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        // A reset is as good an answer as any.
        let _ = socket.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&answer));
    }
    exporter.scrape();
}

#[test]
fn head_has_the_headers_alone() {
    let exporter = start();
    let mut socket = connect(exporter.address()).unwrap();
    socket.write_all(Request::new("HEAD", "/metrics").text().as_bytes()).unwrap();
    let mut reader = BufReader::new(socket);
    let answer = Response::read(&mut reader, true).unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").unwrap().starts_with(TEXT), "{answer:?}");
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty(), "a body after HEAD: {}", String::from_utf8_lossy(&rest));
}

#[test]
fn any_method_gets_the_page() {
    let exporter = start();
    let answer = exporter.ask(&Request::new("POST", "/metrics").header("Content-Length", "0"));
    assert_eq!(answer.status, 200);
    Page::checked(&answer.text()).has(metric("node_load1"));
}

#[test]
fn keep_alive() {
    let exporter = start();
    let mut reader = BufReader::new(connect(exporter.address()).unwrap());
    for _ in 0..3 {
        reader.get_mut().write_all(b"GET /metrics HTTP/1.1\r\nHost: exporter\r\n\r\n").unwrap();
        let answer = Response::read(&mut reader, false).unwrap();
        Page::checked(&answer.text());
    }
}

#[test]
fn unknown_paths() {
    let exporter = start();
    for path in ["/nowhere", "/metrics/", "/metricsx", "/-/", "/%00", "/%6detricsx"] {
        let answer = exporter.get(path);
        assert_eq!((answer.status, answer.text().as_str()), (404, "404 page not found\n"), "{path}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
    }
}

#[test]
fn unclean_paths_are_redirected() {
    let exporter = start();
    for (path, clean) in [
        ("//metrics", "/metrics"),
        ("/./metrics", "/metrics"),
        ("/a/../metrics", "/metrics"),
        ("//metrics?collect[]=cpu", "/metrics?collect[]=cpu"),
    ] {
        let answer = exporter.get(path);
        assert_eq!((answer.status, answer.header("location")), (301, Some(clean)), "{path}");
    }
}

#[test]
fn health_and_readiness() {
    let exporter = start();
    for path in ["/-/healthy", "/-/ready"] {
        assert_eq!(exporter.get(path).status, 200, "{path}");
    }
}

#[test]
fn landing_page() {
    let exporter = Running::start("node-exporter", &["--web.telemetry-path=/numbers"]);
    let answer = exporter.get("/");
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").unwrap().eq_ignore_ascii_case("text/html; charset=utf-8"));
    let page = answer.text();
    for part in ["<title>Node Exporter</title>", "(version=", "href=\"/numbers\""] {
        assert!(page.contains(part), "no {part} in\n{page}");
    }
}

#[test]
fn gzip_when_it_is_wanted() {
    let exporter = start();
    for (accepted, gzip) in [
        (None, false),
        (Some("gzip"), true),
        (Some("gzip, deflate, br"), true),
        (Some("deflate, gzip;q=0.5, zstd"), true),
        (Some("identity;q=0.5, gzip;q=0.8"), true),
        (Some("gzip;q=0.5, identity;q=0.8"), false),
        (Some("gzip, identity"), false),
        (Some("identity, gzip"), false),
        (Some("identity"), false),
        (Some("*"), false),
        (Some("zstd"), false),
        (Some("gzip;q=0"), false),
        (Some("identity;q=0"), false),
        (Some(""), false),
    ] {
        let request = Request::get("/metrics");
        let request = accepted.iter().fold(request, |request, value| request.header("Accept-Encoding", value));
        let answer = exporter.ask(&request);
        assert_eq!((answer.status, answer.is_gzip()), (200, gzip), "{accepted:?}");
        Page::checked(&answer.text()).has(metric("node_load1"));
    }
}

/// What Prometheus 2.42 and 3.5 send.
const PROMETHEUS_2: &str = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
    text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
const PROMETHEUS_3: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
    application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
    text/plain;version=0.0.4;q=0.3,*/*;q=0.2";

#[test]
fn openmetrics_only_for_who_takes_nothing_else() {
    let exporter = start();
    for accept in [None, Some("*/*"), Some("text/html"), Some("text/plain"), Some(PROMETHEUS_2), Some(PROMETHEUS_3)] {
        let request = Request::get("/metrics");
        let answer = exporter.ask(&accept.iter().fold(request, |request, value| request.header("Accept", value)));
        let kind = answer.header("content-type").unwrap();
        let rest = kind.strip_prefix(TEXT);
        assert!(rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("; escaping=")), "{accept:?}: {kind}");
        Page::checked(&answer.text());
    }
    let only = Request::get("/metrics").header("Accept", "application/openmetrics-text;version=1.0.0");
    let answer = exporter.ask(&only);
    let kind = answer.header("content-type").unwrap();
    assert!(kind.starts_with("application/openmetrics-text; version=1.0.0; charset=utf-8"), "{kind}");
    check_openmetrics(&answer.text()).unwrap();
}

/// Collectors that ran for a query.
fn ran(exporter: &Running, query: &str) -> Vec<String> {
    let page = exporter.scrape_path(&format!("/metrics?{query}"));
    page.has(metric("node_exporter_build_info"));
    page.has(metric("process_open_fds"));
    page.all(&metric("node_scrape_collector_success")).iter().map(|s| s.label("collector").to_owned()).collect()
}

#[test]
fn queries_choose_collectors() {
    let exporter = Running::start("node-exporter", &["--no-collector.uname"]);
    let all = ran(&exporter, "");
    let but = |names: &[&str]| all.iter().filter(|name| !names.contains(&name.as_str())).cloned().collect::<Vec<_>>();
    assert!(all.len() > 10 && !all.contains(&"uname".to_owned()), "{all:?}");
    assert_eq!(ran(&exporter, "collect[]=cpu"), ["cpu"]);
    assert_eq!(ran(&exporter, "collect%5B%5D=cpu"), ["cpu"]);
    assert_eq!(ran(&exporter, "collect[]=meminfo&collect[]=cpu&collect[]=cpu"), ["cpu", "meminfo"]);
    assert_eq!(ran(&exporter, "exclude[]=cpu&exclude[]=meminfo"), but(&["cpu", "meminfo"]));
    assert_eq!(ran(&exporter, "exclude[]=nonsense&exclude[]=uname"), all);
    assert_eq!(ran(&exporter, "something=else"), all);
    // The next plain scrape is whole again.
    assert_eq!(ran(&exporter, ""), all);
}

#[test]
fn bad_queries_are_refused() {
    let exporter = Running::start("node-exporter", &["--no-collector.uname"]);
    for (query, end) in [
        ("collect[]=nonsense", "missing collector: nonsense"),
        ("collect[]=cpu&collect[]=nonsense&collect[]=worse", "missing collector: nonsense"),
        ("collect[]=uname", "disabled collector: uname"),
        ("collect[]=", "missing collector: "),
        ("collect[]=cpu&exclude[]=meminfo", ""),
        ("exclude[]=meminfo&collect[]=nonsense", ""),
    ] {
        let answer = exporter.get(&format!("/metrics?{query}"));
        assert_eq!(answer.status, 400, "{query}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"), "{query}");
        let body = answer.text();
        assert!(!body.is_empty() && body.ends_with(end) && !body.ends_with('\n'), "{query}: {body:?}");
    }
    exporter.scrape();
}

#[test]
fn too_many_at_once_are_told_so() {
    let exporter = Running::start("node-exporter", &["--web.max-requests=1"]);
    let body = until("two scrapes meet", || {
        let answers: Vec<Response> = thread::scope(|scope| {
            let asking: Vec<_> = (0..20).map(|_| scope.spawn(|| exporter.get("/metrics"))).collect();
            asking.into_iter().map(|asking| asking.join().unwrap()).collect()
        });
        let (served, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
        assert!(!served.is_empty(), "someone is always served");
        served.iter().for_each(|answer| drop(Page::checked(&answer.text())));
        assert!(refused.iter().all(|answer| answer.status == 503), "{refused:?}");
        refused.first().map(Response::text).ok_or_else(|| "all were served".to_owned())
    });
    assert!(body.contains('1') && body.trim_end().lines().count() == 1, "the limit is named in one line: {body:?}");
    // The slots are free again, and the refusals were counted.
    let counted = metric("promhttp_metric_handler_requests_total").label("code", "503");
    assert!(exporter.scrape().value(counted) >= 1.0);
}

#[test]
fn no_limit_when_it_is_zero() {
    let exporter = Running::start("node-exporter", &["--web.max-requests=0"]);
    thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| exporter.scrape());
        }
    });
    exporter.scrape().has(metric("promhttp_metric_handler_requests_total").label("code", "503").value(0.0));
}

#[test]
fn own_requests_are_counted() {
    let exporter = start();
    let served = |page: &Page| page.value(metric("promhttp_metric_handler_requests_total").label("code", "200"));
    let first = exporter.scrape();
    assert_eq!(served(&first), 0.0);
    assert_eq!(first.value(metric("promhttp_metric_handler_requests_in_flight")), 1.0);
    assert_eq!(served(&exporter.scrape()), 1.0);
}

#[test]
fn sigterm_ends_an_idle_program() {
    let exporter = start();
    exporter.scrape();
    let _idle = connect(exporter.address()).unwrap();
    let (status, log) = exporter.terminate();
    assert!(status.success(), "{status}\n{log}");
}

#[test]
fn sigterm_lets_a_running_scrape_finish() {
    let folder = big_page();
    let exporter = Running::start("node-exporter", &[folder.flag("--collector.textfile.directory", "")]);
    let running = begun_scrape(exporter.address());
    exporter.ask_to_stop();
    exporter.wait_until_deaf();
    let page = rest_of(running);
    assert_eq!(page.family("big").map(|family| family.samples.len()), Some(8000));
    let (status, log) = exporter.wait();
    assert!(status.success(), "{status}\n{log}");
}

#[test]
fn tls_through_curl() {
    let folder = Fixture::new();
    let config = tls::web_config(folder.root());
    let exporter = Running::start("node-exporter", &[format!("--web.config.file={}", config.display())]);
    let curl = |path: &str, password: Option<&str>, more: &[&str]| {
        let mut curl = Command::new(tool("curl"));
        curl.args(["--silent", "--show-error", "--write-out", "%{stderr}%{http_code}"]).args(more);
        curl.arg("--cacert").arg(folder.path("cert.pem"));
        if let Some(password) = password {
            curl.arg("--user").arg(format!("{}:{password}", tls::USER.0));
        }
        let output = curl.arg(format!("https://{}{path}", exporter.address())).output().unwrap();
        let texts = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        (output.status.success(), texts)
    };
    let (_, [page, status]) = curl("/metrics", Some(tls::USER.1), &["--compressed"]);
    assert_eq!(status, "200");
    Page::checked(&page).has(metric("node_load1"));
    for password in [None, Some("wrong"), Some("")] {
        for path in ["/metrics", "/"] {
            assert_eq!(curl(path, password, &[]).1, ["Unauthorized\n", "401"], "{path} {password:?}");
        }
    }
    let (accepted, [_, why]) = curl("/metrics", Some(tls::USER.1), &["--tls-max", "1.1"]);
    assert!(!accepted, "TLS 1.1 was accepted: {why}");
    let plain = Request::get("/metrics").send(exporter.address());
    assert!(!plain.is_ok_and(|answer| answer.status == 200), "plain HTTP on a TLS port");
}
