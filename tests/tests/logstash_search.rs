//! A Logstash that is not on its usual port: the program looks for it when nobody said where it is.
//!
//! The ports are fixed, so this needs them free; it says so where they are not.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use exporter_tests::client::Request;
use exporter_tests::logstash::{Logstash, Version};
use exporter_tests::page::{Page, metric};
use exporter_tests::running::Running;
use exporter_tests::skip::skip;
use exporter_tests::upstream::{Answer, Upstream};

/// The usual port, one with another program, and one that Logstash takes when others are taken.
const PORTS: [u16; 3] = [9600, 9601, 9603];

fn at(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn scrape(exporter: &Running) -> Page {
    exporter.page(&Request::scrape_within("/metrics", 5.0))
}

fn is_shown(page: &Page, port: u16) {
    let (url, name) = (format!("http://localhost:{port}"), format!("http_localhost_{port}"));
    page.has(metric("logstash_up").value(1.0));
    page.has(metric("logstash_info_up").label("hostname", &url).label("instance_name", &name).value(1.0));
}

#[test]
fn found_behind_another_program() {
    if let Some(taken) = PORTS.into_iter().find(|port| TcpListener::bind(at(*port)).is_err()) {
        return skip("found_behind_another_program", &format!("port {taken} is taken"));
    }
    let other = Upstream::start_on(at(9601), Answer::ok("text/html", "<html></html>"));
    let logstash = Logstash::start_on(at(9603), Version::V9_4);
    let exporter = Running::start::<&str>("logstash-exporter", &[]);
    is_shown(&scrape(&exporter), 9603);
    let asked = other.requests();
    // Once found it is not looked for again.
    is_shown(&scrape(&exporter), 9603);
    assert_eq!((other.requests(), logstash.upstream().requests_for("/_node")), (asked, 1));
    drop(logstash);

    // Who said where it is wants to know that it is not there.
    let logstash = Logstash::start_on(at(9603), Version::V9_4);
    let told = Running::start("logstash-exporter", &["--logstash.url=http://localhost:9600"]);
    scrape(&told).has(metric("logstash_up").value(0.0));
    let alone = Running::start("logstash-exporter", &["--no-logstash.find-port"]);
    scrape(&alone).has(metric("logstash_up").value(0.0));
    assert_eq!(logstash.upstream().requests(), 0);
    // A password is not shown to whoever listens.
    let asked = other.requests();
    let secretive = ["--logstash.username=watch", "--logstash.password=open sesame"];
    let secretive = Running::start("logstash-exporter", &secretive);
    scrape(&secretive).has(metric("logstash_up").value(0.0));
    assert_eq!((logstash.upstream().requests(), other.requests()), (0, asked));
    // A name that somebody chose stays.
    let named = Running::start("logstash-exporter", &["--logstash.name=mine"]);
    let page = scrape(&named);
    page.has(metric("logstash_info_up").label("instance_name", "mine").value(1.0));
    page.has(metric("logstash_info_up").label("hostname", "http://localhost:9603"));
}
