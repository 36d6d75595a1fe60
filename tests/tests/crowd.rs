//! Many clients at once, in a hurry, gone in the middle, or there to stay: Prometheus is served all the same.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use exporter_tests::client::{Request, connect};
use exporter_tests::fixture::Fixture;
use exporter_tests::fuse::StuckMount;
use exporter_tests::namespace;
use exporter_tests::page::{Page, metric};
use exporter_tests::rude;
use exporter_tests::running::Running;
use exporter_tests::skip::skip;
use exporter_tests::wait::until;

/// Text files that make a page of two megabytes.
fn two_megabytes() -> Fixture {
    let padding = "x".repeat(1000);
    let lines: String = (0..2000).map(|n| format!("big{{n=\"{n:04}\",padding=\"{padding}\"}} 1\n")).collect();
    Fixture::new().file("big.prom", format!("# HELP big Big.\n# TYPE big gauge\n{lines}"))
}

/// Collectors that delivered.
fn succeeded(page: &Page) -> BTreeSet<String> {
    let samples = page.all(&metric("node_scrape_collector_success").value(1.0));
    samples.iter().map(|sample| sample.label("collector").to_owned()).collect()
}

/// What an impatient client waits, in seconds.
const IMPATIENT: f64 = 0.2;
/// With a busy machine between the two; less than any other time limit of a scrape.
const IN_TIME: Duration = Duration::from_secs(4);

/// Fifty at once: each has its page or hears in time that there is none.
fn fifty_impatient(exporter: &Running) {
    thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                let started = Instant::now();
                let answer = exporter.ask(&Request::scrape_within("/metrics", IMPATIENT));
                let (text, took) = (answer.text(), started.elapsed());
                match answer.status {
                    200 => drop(Page::checked(&text)),
                    503 => assert!(text.contains("scrapes"), "it says why: {text:?}"),
                    other => panic!("{other}: {text}"),
                }
                assert!(took < IN_TIME, "{}: {took:?}", answer.status);
            });
        }
    });
}

#[test]
fn fifty_impatient_scrapes() {
    let exporter = Running::start("node-exporter", &[] as &[&str]);
    let whole = succeeded(&exporter.scrape());
    fifty_impatient(&exporter);
    assert_eq!(succeeded(&exporter.scrape()), whole);
}

#[test]
fn fifty_impatient_scrapes_with_a_stuck_mount() {
    let test = "fifty_impatient_scrapes_with_a_stuck_mount";
    if !namespace::entered(test) {
        return;
    }
    let folder = Fixture::new().folder("stuck");
    let stuck = match StuckMount::new(&folder.path("stuck")) {
        Ok(stuck) => stuck,
        Err(e) => return skip(test, &format!("no FUSE mount here: {e}")),
    };
    stuck.release();
    let exporter = Running::start("node-exporter", &[] as &[&str]);
    let whole = succeeded(&exporter.scrape());
    stuck.hold();
    for _ in 0..2 {
        fifty_impatient(&exporter);
        let page = exporter.scrape();
        assert_eq!(stuck.waiting(), 1, "one call hangs, no more");
        assert_eq!(succeeded(&page), whole);
        let place = folder.path("stuck").display().to_string();
        page.has(metric("node_filesystem_device_error").label("mountpoint", &place).value(1.0));
    }
}

/// Ways to leave in the middle.
const WAYS: [fn(TcpStream); 4] = [
    // Before the scrape has begun, or in it.
    drop,
    |socket| rude::reset(socket).unwrap(),
    // In the middle of an answer of two megabytes.
    |socket| drop(begun(socket)),
    |socket| rude::reset(begun(socket)).unwrap(),
];

fn begun(mut socket: TcpStream) -> TcpStream {
    let mut status = [0; 12];
    socket.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    socket
}

#[test]
fn five_hundred_clients_that_leave_in_the_middle() {
    let folder = two_megabytes();
    let exporter = Running::start("node-exporter", &[folder.flag("--collector.textfile.directory", "")]);
    let whole = succeeded(&exporter.scrape());
    let (threads, descriptors) = (exporter.threads(), exporter.descriptors());
    let request = Request::get("/metrics?collect[]=textfile&collect[]=meminfo").text();
    let leave = |client: usize| {
        let mut socket = connect(exporter.address()).unwrap();
        socket.write_all(request.as_bytes()).unwrap();
        WAYS[client % WAYS.len()](socket);
    };
    (0..500).for_each(leave);
    exporter.wait_until_at_most(threads, descriptors);
    let page = exporter.scrape();
    assert_eq!(succeeded(&page), whole);
    assert_eq!(page.family("big").map(|family| family.samples.len()), Some(2000));
    let log = exporter.log();
    assert!(!log.contains("level=ERROR"), "{log}");
}

/// Connections that are opened and left.
const HERD: u64 = 10_000;
/// What the test and its neighbours in this process need themselves.
const OWN_DESCRIPTORS: u64 = 500;
/// Connections the program holds at a time where it may open any number of files.
const MOST_HELD: usize = 1024;
/// What may stay in memory once they are gone: lists keep their length. While they are there it is twice as much.
const SLACK_KIB: u64 = 1024;

#[test]
fn ten_thousand_idle_connections() {
    let test = "ten_thousand_idle_connections";
    let herd = rude::raise_descriptor_limit().saturating_sub(OWN_DESCRIPTORS).min(HERD);
    if herd < HERD {
        skip(test, &format!("{} of {HERD} connections: the limit of descriptors is low", HERD - herd));
    }
    let exporter = Running::start_release("node-exporter", &[] as &[&str]);
    let whole = succeeded(&exporter.scrape());
    let before = exporter.footprint();
    let mut figures = vec![format!("before: {before}")];
    for _ in 0..3 {
        let sources = (0..herd).map(|n| Ipv4Addr::new(127, 0, 0, 2 + (n / 2_000) as u8));
        let idle: Vec<TcpStream> =
            sources.map(|source| rude::connect_from(source, exporter.address()).unwrap()).collect();
        for _ in 0..3 {
            assert_eq!(succeeded(&exporter.scrape()), whole);
        }
        let with = exporter.footprint();
        assert!(with.descriptors <= before.descriptors + MOST_HELD, "{with}");
        drop(idle);
        exporter.wait_until_at_most(before.threads, before.descriptors);
        let after = until("the memory is back", || {
            let now = exporter.footprint();
            let back = now.anonymous_kib <= before.anonymous_kib + SLACK_KIB;
            if back { Ok(now) } else { Err(format!("{now}\n{}", figures.join("\n"))) }
        });
        figures.push(format!("{herd} open: {with}\nclosed: {after}"));
        assert_eq!(succeeded(&exporter.scrape()), whole);
    }
    eprintln!("{}", figures.join("\n"));
}

#[test]
fn idle_connections_where_descriptors_are_few() {
    for most in [64, 256, 1024] {
        let limit = format!("--nofile={most}:{most}");
        let exporter = Running::start_under(&["prlimit", &limit], "node-exporter", &[] as &[&str]);
        let whole = succeeded(&exporter.scrape());
        assert!(whole.len() > 10, "{most}: {whole:?}");
        let idle: Vec<TcpStream> = (0..most).map(|_| connect(exporter.address()).unwrap()).collect();
        for _ in 0..3 {
            assert_eq!(succeeded(&exporter.scrape()), whole, "{most}\n{}", exporter.log());
        }
        drop(idle);
        assert_eq!(succeeded(&exporter.scrape()), whole, "{most}\n{}", exporter.log());
        let log = exporter.log();
        assert!(!log.contains("level=ERROR"), "{most}: {log}");
    }
}

/// Clients that begin to read a page and stop.
const STOPPED: usize = 10;

#[test]
fn readers_that_stop_are_cut_off() {
    let folder = two_megabytes();
    let exporter = Running::start("node-exporter", &[folder.flag("--collector.textfile.directory", "")]);
    let page_kib = u64::try_from(exporter.get("/metrics").body.len()).unwrap() >> 10;
    assert!(page_kib > 1900, "{page_kib}");
    exporter.scrape();
    let before = exporter.footprint();
    let stopped: Vec<TcpStream> = (0..STOPPED)
        .map(|_| {
            let mut socket = rude::connect_narrow(exporter.address()).unwrap();
            socket.write_all(Request::get("/metrics").text().as_bytes()).unwrap();
            begun(socket)
        })
        .collect();
    // All of them are in the middle: others are served, and none of them was, or is, sent away before its time.
    for _ in 0..3 {
        exporter.scrape();
    }
    let with = exporter.footprint();
    assert!(with.descriptors >= before.descriptors + STOPPED, "{with}");
    // A page that waits is kept compressed.
    let kept_kib = with.anonymous_kib.saturating_sub(before.anonymous_kib);
    assert!(kept_kib <= page_kib * STOPPED as u64 / 4, "{with}\nbefore: {before}");
    eprintln!("before: {before}\n{STOPPED} readers of {page_kib} KiB: {with}");
    exporter.wait_until_at_most(before.threads, before.descriptors);
    drop(stopped);
    exporter.scrape();
}
