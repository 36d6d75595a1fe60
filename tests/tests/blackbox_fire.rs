//! Two hundred targets that mean harm, at the same time: each probe ends with a reason, the memory stays small, and no
//! descriptor is left behind, not after ten thousand probes either.

use std::fs;
use std::thread;

use exporter_tests::blackbox::{Blackbox, probe_path};
use exporter_tests::client::{Request, Response};
use exporter_tests::hostile::{Does, Hostile};
use exporter_tests::page::{Page, metric};
use exporter_tests::upstream::{Answer, Upstream};
use exporter_tests::wait::until;

const MODULES: &str = r#"
modules:
  http:
    prober: http
  rules:
    prober: http
    http:
      fail_if_body_not_matches_regexp: ["never to be found"]
  gzip:
    prober: http
    http:
      compression: gzip
      fail_if_body_not_matches_regexp: ["never to be found"]
  cel:
    prober: http
    http:
      fail_if_body_json_not_matches_cel: "body.size() == 1"
  tcp:
    prober: tcp
    tcp:
      query_response: [{expect: "^never$"}]
  bytes:
    prober: tcp
    tcp:
      query_response: [{expect_bytes: "never"}]
  tls:
    prober: tcp
    tcp: {tls: true}
  old_tls:
    prober: tcp
    tcp: {tls: true, tls_config: {min_version: TLS10, max_version: TLS11, insecure_skip_verify: true}}
  dns:
    prober: dns
    dns: {query_name: a.example, transport_protocol: tcp}
  dns_udp:
    prober: dns
    dns: {query_name: a.example}
  grpc:
    prober: grpc
    grpc: {}
  websocket:
    prober: websocket
    websocket:
      query_response: [{expect: never}]
"#;

/// Twenty targets of each kind ask for as much as a test may take of two cores.
const ROUNDS: usize = 2;
/// What the program may have in memory at any time, with bodies being kept for the rules of a dozen probes.
const MOST_MEMORY_KB: u64 = 600 << 10;

fn status_kb(pid: u32, key: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
}

/// What the page says about the failure; panics when it says nothing.
fn reason(answer: &Response, what: &str) -> (String, String) {
    assert_eq!(answer.status, 200, "{what}: {}", answer.text());
    let page = Page::checked(&answer.text());
    page.has(metric("probe_success").value(0.0));
    let failures = page.all(&metric("probe_failure_info"));
    let [failure] = failures.as_slice() else { panic!("{what}: no single reason\n{}", answer.text()) };
    (failure.label("phase").to_owned(), failure.label("reason").to_owned())
}

#[test]
fn every_probe_of_a_hostile_target_ends_with_a_reason() {
    let blackbox = Blackbox::start_with(MODULES, &["--log.prober=error"], &[]);
    let address = blackbox.program().address();
    let before = blackbox.program().descriptors();
    let peers: Vec<(Does, Hostile)> = Does::ALL.into_iter().map(|does| (does, Hostile::start(does))).collect();
    let udp = Hostile::start_udp();
    let mut targets = Vec::new();
    for _ in 0..ROUNDS {
        for (does, peer) in &peers {
            for module in ["http", "rules", "gzip", "cel", "tcp", "bytes", "tls", "old_tls", "dns", "grpc", "websocket"]
            {
                let scheme = if module == "websocket" { "ws://" } else { "" };
                targets.push((*does, module, format!("{scheme}{}", peer.address())));
            }
            targets.push((*does, "http", format!("https://{}", peer.address())));
        }
        targets.push((Does::Garbage, "dns_udp", udp.address().to_string()));
    }
    assert!(targets.len() > 200);
    thread::scope(|scope| {
        let probes: Vec<_> = targets
            .iter()
            .map(|(does, module, target)| {
                scope.spawn(move || {
                    let request = Request::scrape_within(&probe_path(module, target, &[]), 2.5);
                    (*does, *module, request.send(address))
                })
            })
            .collect();
        for probe in probes {
            let (does, module, answer) = probe.join().unwrap();
            let what = format!("{module} of one that {does:?}");
            let answer = answer.unwrap_or_else(|e| panic!("{what}: {e}\n{}", blackbox.program().log()));
            // Who does not unpack it has a body of a megabyte, and nothing to complain about.
            if (does, module) == (Does::GzipBomb, "http")
                && Page::checked(&answer.text()).value(metric("probe_http_ssl")) == 0.0
            {
                continue;
            }
            let (phase, reason) = reason(&answer, &what);
            assert!(reason != "internal" && reason != "cancelled", "{what}: {phase} {reason}");
        }
    });
    let most = status_kb(blackbox.program().pid(), "VmHWM:");
    assert!(most < MOST_MEMORY_KB, "{most} kB");
    until("all descriptors are given back", || match blackbox.program().descriptors() {
        now if now <= before + 1 => Ok(()),
        now => Err(format!("{before} before, {now} now")),
    });
}

#[test]
fn ten_thousand_probes_leave_nothing_behind() {
    let blackbox = Blackbox::start_with(MODULES, &["--log.prober=error"], &[]);
    let address = blackbox.program().address();
    let good = Upstream::start(Answer::text("hello"));
    let rude = Upstream::start(Answer::hang_up());
    let targets =
        [("http", good.address()), ("rules", good.address()), ("http", rude.address()), ("tls", rude.address())];
    let rounds = |n: usize| {
        thread::scope(|scope| {
            for (module, target) in targets {
                scope.spawn(move || {
                    for _ in 0..n {
                        let path = probe_path(module, &target.to_string(), &[]);
                        assert_eq!(Request::get(&path).send(address).unwrap().status, 200);
                    }
                });
            }
        });
    };
    rounds(100);
    let (descriptors, threads) = (blackbox.program().descriptors(), blackbox.program().threads());
    let memory = status_kb(blackbox.program().pid(), "VmRSS:");
    rounds(2500);
    until("all descriptors are given back", || match blackbox.program().descriptors() {
        now if now <= descriptors => Ok(()),
        now => Err(format!("{descriptors} before, {now} now")),
    });
    assert_eq!(blackbox.program().threads(), threads);
    let now = status_kb(blackbox.program().pid(), "VmRSS:");
    assert!(now < memory + (8 << 10), "{memory} kB before, {now} kB now");
}
