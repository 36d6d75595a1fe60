//! What a probe takes, from the request to the finished page, against peers in a thread of this process.
//!
//! The peers' own time is in it: compare a run with another run, not with the clock of a program alone.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a bench stops when it cannot go on, and prints"
)]

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use std::thread;

use blackbox_exporter::exporter::{Exporter, Loaded, Options, ProbeRequest};
use blackbox_exporter::network::Network;
use common::log::Layout;
use common::watched::Watched;
use criterion::Criterion;
use tokio::runtime::Runtime;
use tracing::Level;

const MODULES: &str = "
modules:
  tcp: {prober: tcp}
  http: {prober: http}
  rules:
    prober: http
    http:
      fail_if_body_not_matches_regexp: ['hel+o']
      fail_if_header_not_matches: [{header: content-length, regexp: '^[0-9]+$'}]
  dns: {prober: dns, dns: {query_name: a.example, query_type: A}}
  icmp: {prober: icmp}
";

fn exporter() -> Arc<Exporter> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("blackbox.yml");
    std::fs::write(&file, MODULES).unwrap();
    let settings = Watched::open(&file, |text, _| Loaded::parse(text, "blackbox.yml")).unwrap();
    let options = Options {
        timeout_offset: 0.5,
        most_probes: 100,
        history_limit: 100,
        log_level: Level::ERROR,
        layout: Layout::default(),
    };
    Arc::new(Exporter::new(settings, Network::default(), options))
}

/// An HTTP server that reads once and answers once.
fn http() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut asked = [0; 4096];
        while let Ok((mut stream, _)) = listener.accept() {
            if stream.read(&mut asked).is_ok_and(|n| n > 0) {
                let _gone = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
            }
        }
    });
    address
}

/// A DNS server that answers every question with one address.
fn dns() -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut message = [0; 512];
        while let Ok((n, from)) = socket.recv_from(&mut message) {
            let mut answer = message[..n].to_vec();
            answer[2..8].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1]);
            answer.extend_from_slice(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x7f\x00\x00\x01");
            let _gone = socket.send_to(&answer, from);
        }
    });
    address
}

fn main() {
    let runtime: Runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let exporter = exporter();
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("probe");
    let (http, dns) = (http(), dns());
    for (module, target) in
        [("tcp", &*http), ("http", &*http), ("rules", &*http), ("dns", &*dns), ("icmp", "127.0.0.1")]
    {
        let query = format!("module={module}&target={target}");
        let probe = || runtime.block_on(exporter.probe(ProbeRequest { query: &query, timeout: Some("5") })).unwrap();
        if let Some(failure) = &probe().failure {
            println!("{module}: left out, {failure}");
            continue;
        }
        group.bench_function(module, |bencher| bencher.iter(probe));
    }
    group.finish();
    criterion.final_summary();
}
