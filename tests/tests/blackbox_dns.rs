//! DNS probes: what is asked, which answers count, and the rules about records; with a server of ours and a real one.

use std::fmt::Write as _;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;

use exporter_tests::blackbox::Blackbox;
use exporter_tests::child::Logged;
use exporter_tests::dns::{ANSWER, Answer, NameServer, TRUNCATED, Via, a, record, soa};
use exporter_tests::tls;
use exporter_tests::tools::tool;

/// Starts the exporter with modules for `prober: dns`: a name, and the section without its braces. They ask for A records of
/// `multi.example.com` unless they say otherwise.
#[track_caller]
fn exporter(modules: &[(&str, &str)]) -> Blackbox {
    let mut yaml = "modules:\n".to_owned();
    for (name, section) in modules {
        let asked = if section.contains("query_name") { "" } else { "query_name: multi.example.com, " };
        let kind = if section.contains("query_type") { "" } else { "query_type: A, " };
        let timeout = if name.starts_with("waits") { "1s" } else { "20s" };
        writeln!(yaml, "  {name}: {{prober: dns, timeout: {timeout}, dns: {{{asked}{kind}{section}}}}}").unwrap();
    }
    Blackbox::start(&yaml)
}

fn two_addresses() -> NameServer {
    NameServer::fixed(Answer::of(vec![a([127, 0, 0, 1]), a([127, 0, 0, 2])]))
}

#[test]
fn one_question_is_asked_and_its_answer_counted() {
    let blackbox = exporter(&[("a", ""), ("quiet", "recursion_desired: false"), ("tcp", "transport_protocol: tcp")]);
    let server = NameServer::fixed(Answer {
        flags: ANSWER,
        sections: [vec![a([127, 0, 0, 1])], vec![soa(1)], vec![b"\0\0\x29\x02\0\0\0\0\0\0\0".to_vec()]],
    });
    for (module, via) in [("a", Via::Udp), ("quiet", Via::Udp), ("tcp", Via::Tcp)] {
        blackbox.probe(module, &server.target()).holds(&[
            "probe_success 1",
            "probe_dns_query_succeeded 1",
            "probe_dns_answer_rrs 1",
            "probe_dns_authority_rrs 1",
            "probe_dns_additional_rrs 1",
            "probe_dns_duration_seconds{phase=\"resolve\"}",
            "probe_dns_duration_seconds{phase=\"connect\"}",
            "probe_dns_duration_seconds{phase=\"request\"} > 0",
            "probe_ip_protocol 4",
            "!probe_dns_serial",
            "!probe_ssl_earliest_cert_expiry",
        ]);
        assert_eq!(server.heard().last().map(|(via, _)| *via), Some(via));
    }
    let flags: Vec<u8> = server.heard().iter().map(|(_, query)| query[2]).collect();
    assert_eq!(flags, [1, 0, 1], "only the RD bit, where it is wanted");
    for (_, query) in server.heard() {
        assert_eq!(query[3..12], [0, 0, 1, 0, 0, 0, 0, 0, 0], "one question and nothing else");
        assert_eq!(query[12..], *b"\x05multi\x07example\x03com\0\0\x01\0\x01");
    }
}

#[test]
fn without_a_section_everything_about_the_root_is_asked() {
    let server = NameServer::fixed(Answer::code(0));
    Blackbox::start("modules: {dns: {prober: dns}}").probe("dns", &server.target()).holds(&["probe_success 1"]);
    assert_eq!(server.heard()[0].1[12..], *b"\0\0\xff\0\x01");
}

#[test]
fn response_codes() {
    let blackbox = exporter(&[
        ("plain", ""),
        ("missing", "valid_rcodes: [NXDOMAIN, NOERROR]"),
        ("none", "valid_rcodes: []"),
        ("foo", "valid_rcodes: [FOO]"),
    ]);
    for (code, module, reason) in [
        (0, "plain", None),
        (3, "plain", Some("rcode")),
        (3, "missing", None),
        (2, "plain", Some("rcode")),
        (5, "plain", Some("rcode")),
        (15, "plain", Some("rcode")),
        (0, "none", Some("rcode")),
        (0, "foo", Some("module")),
    ] {
        let server = NameServer::fixed(Answer::code(code));
        let probed = blackbox.probe(module, &server.target());
        probed.holds(&["probe_dns_query_succeeded 1", "probe_dns_answer_rrs 0"]);
        match reason {
            None => assert!(probed.succeeded(), "{code} {module}"),
            Some(reason) => drop(probed.failed("check", reason)),
        }
    }
}

#[test]
fn what_is_no_answer() {
    let blackbox = exporter(&[("waits", ""), ("a", ""), ("waits_tcp", "transport_protocol: tcp")]);
    let no_answer = ["probe_success 0", "probe_dns_query_succeeded 0", "probe_dns_answer_rrs 0"];
    let other_number = |query: &[u8], _| {
        let mut answer = Answer::of(vec![a([127, 0, 0, 1])]).to(query);
        answer[0] ^= 1;
        vec![answer]
    };
    let server = NameServer::start(other_number);
    blackbox.probe("waits", &server.target()).holds(&no_answer).failed("request", "deadline");
    blackbox.probe("waits_tcp", &server.target()).holds(&no_answer).failed("transfer", "protocol");
    let server = NameServer::start(|_, _| Vec::new());
    blackbox.probe("waits", &server.target()).holds(&no_answer).failed("request", "deadline");
    let server = NameServer::start(|_, _| vec![b"abc".to_vec()]);
    blackbox.probe("a", &server.target()).holds(&no_answer).failed("transfer", "protocol");
    // More than a plain datagram holds.
    let server = NameServer::fixed(Answer::of(vec![a([127, 0, 0, 1]); 60]));
    blackbox.probe("a", &server.target()).holds(&no_answer).failed("transfer", "protocol");
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    blackbox.probe("a", &closed.to_string()).holds(&no_answer).failed("connect", "connect_refused");
}

#[test]
fn answers_that_are_odd_and_count() {
    let blackbox = exporter(&[("a", "")]);
    type Reply = fn(&[u8]) -> Vec<u8>;
    let odd: [Reply; 4] = [
        |query| Answer { flags: 0x0180, ..Answer::of(vec![a([127, 0, 0, 1])]) }.to(query),
        |query| [&query[..2], b"\x81\x80\0\x01\0\0\0\0\0\0\x05other\0\0\x01\0\x01"].concat(),
        |query| [&query[..2], b"\x81\x80\0\0\0\0\0\0\0\0"].concat(),
        |query| Answer { flags: ANSWER | TRUNCATED, ..Answer::default() }.to(query),
    ];
    for answer in odd {
        let server = NameServer::start(move |query, _| vec![answer(query)]);
        blackbox.probe("a", &server.target()).holds(&["probe_success 1", "probe_dns_query_succeeded 1"]);
        assert_eq!(server.heard().len(), 1, "nothing is asked again");
    }
    // What has another number is left unread until the answer comes.
    let server = NameServer::start(|query, _| {
        let answer = Answer::of(vec![a([127, 0, 0, 1])]).to(query);
        let mut other = answer.clone();
        other[1] ^= 1;
        vec![other, answer]
    });
    blackbox.probe("a", &server.target()).holds(&["probe_success 1", "probe_dns_answer_rrs 1"]);
}

#[test]
fn the_serial_is_that_of_the_last_soa() {
    let blackbox = exporter(&[("soa", "query_type: SOA"), ("any", "query_type: ANY")]);
    for (records, serial) in [
        (vec![soa(2_024_010_101)], "2024010101"),
        (vec![soa(11), soa(22)], "22"),
        (vec![record(5, b"\0"), soa(77)], "77"),
        (vec![], "0"),
    ] {
        let server = NameServer::fixed(Answer::of(records));
        blackbox.probe("soa", &server.target()).holds(&[&format!("probe_dns_serial {serial}")]);
        blackbox.probe("any", &server.target()).holds(&["probe_success 1", "!probe_dns_serial"]);
    }
}

#[test]
fn rules_about_records() {
    let rule = |key: &str, patterns: &str| format!("validate_answer_rrs: {{{key}: [{patterns}]}}");
    let (matches, all) = ("fail_if_matches_regexp", "fail_if_all_match_regexp");
    let (not, none) = ("fail_if_not_matches_regexp", "fail_if_none_matches_regexp");
    let whole = r#""^multi.example.com.\t300\tIN\tA\t127.0.0.[12]$""#;
    // Key, patterns, and whether the probe succeeds with two records and with none.
    let table = [
        (matches, "'127.0.0.2'", false, true),
        (matches, "'9.9'", true, true),
        (matches, "'('", false, true),
        (all, "'127.0.0.1'", false, true),
        (all, "'127.0.0'", true, true),
        (not, "'127.0.0.1'", false, false),
        (not, "'127.0.0'", true, false),
        (not, whole, true, false),
        (none, "'9\\.9'", false, false),
        (none, "'9\\.9', '127.0.0.1'", true, false),
    ];
    let names: Vec<String> = (0..table.len()).map(|at| format!("m{at}")).collect();
    let rules: Vec<String> = table.iter().map(|(key, patterns, ..)| rule(key, patterns)).collect();
    let modules: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(rules.iter().map(String::as_str)).collect();
    let blackbox = exporter(&modules);
    let (two, empty) = (two_addresses(), NameServer::fixed(Answer::code(0)));
    for (name, (key, patterns, with_two, with_none)) in names.iter().zip(table) {
        for (server, want) in [(&two, with_two), (&empty, with_none)] {
            let probed = blackbox.probe(name, &server.target());
            probed.holds(&["probe_dns_query_succeeded 1"]);
            assert_eq!(probed.succeeded(), want, "{key} {patterns}\n{}", probed.samples());
        }
    }
}

#[test]
fn names_that_cannot_be_asked_for() {
    let long = format!("query_name: {}.example", "x".repeat(64));
    let blackbox = exporter(&[("long", &long), ("empty", "query_name: a..b")]);
    let server = two_addresses();
    for module in ["long", "empty"] {
        blackbox.probe(module, &server.target()).failed("setup", "module");
    }
    assert!(server.heard().is_empty());
}

#[test]
fn targets_and_transports() {
    let blackbox = exporter(&[
        ("a", ""),
        ("tls_udp", "dns_over_tls: true"),
        ("sctp", "transport_protocol: sctp"),
        ("source", "source_ip_address: '::1'"),
    ]);
    let base = ["probe_success 0", "probe_dns_query_succeeded 0", "probe_dns_duration_seconds{phase=\"connect\"}"];
    blackbox.probe("tls_udp", "127.0.0.1").holds(&base).holds(&["probe_ip_protocol 4"]).failed("setup", "module");
    blackbox.probe("sctp", "127.0.0.1").holds(&base).holds(&["!probe_ip_protocol"]).failed("setup", "module");
    blackbox.probe("source", "127.0.0.1").holds(&base).failed("setup", "module");
    blackbox.probe("a", "[::1]").holds(&base).failed("resolve", "resolve");
    blackbox.probe("a", "::1").holds(&["probe_ip_protocol 6"]);
}

#[test]
fn larger_answers_where_the_module_asks_for_them() {
    let blackbox = exporter(&[("edns", "edns_udp_size: 1232"), ("again", "retry_truncated_over_tcp: true")]);
    let server = NameServer::start(|query, via| {
        let large = query.ends_with(b"\0\0\x29\x04\xd0\0\0\0\0\0\0") || via == Via::Tcp;
        let cut = Answer { flags: ANSWER | TRUNCATED, ..Answer::default() };
        vec![if large { Answer::of(vec![a([127, 0, 0, 1]); 60]) } else { cut }.to(query)]
    });
    for module in ["edns", "again"] {
        blackbox.probe(module, &server.target()).holds(&["probe_success 1", "probe_dns_answer_rrs 60"]);
    }
    let ways: Vec<Via> = server.heard().iter().map(|(via, _)| *via).collect();
    assert_eq!(ways, [Via::Udp, Via::Udp, Via::Tcp]);
}

/// Starts unbound with a few records and the certificate of a folder; where it listens for UDP and TCP, and where for TLS.
fn unbound(folder: &Path) -> (Logged, u16, u16) {
    let place = folder.display();
    let records: String = (1..=60).map(|n| format!(" local-data: \"many.example. 300 IN A 192.0.2.{n}\"\n")).collect();
    // A port that was free may be taken before unbound has it: every query of the tests beside this one takes one.
    for _ in 0..10 {
        let (plain, secure) = {
            let held = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
            (held[0].local_addr().unwrap().port(), held[1].local_addr().unwrap().port())
        };
        let conf = format!(
            "server:\n directory: \"{place}\"\n chroot: \"\"\n username: \"\"\n pidfile: \"\"\n use-syslog: no\n do-daemonize: no\n \
             verbosity: 1\n num-threads: 1\n interface: 127.0.0.1@{plain}\n interface: 127.0.0.1@{secure}\n tls-port: {secure}\n \
             tls-service-key: \"{place}/key.pem\"\n tls-service-pem: \"{place}/cert.pem\"\n do-not-query-localhost: no\n \
             local-zone: \"example.\" static\n local-data: \"mail.example. 300 IN MX 10 mx.mail.example.\"\n \
             local-data: 'say.example. 300 IN TXT \"hello\" \"world\"'\n{records}remote-control:\n control-enable: no\n"
        );
        let file = folder.join("unbound.conf");
        std::fs::write(&file, conf).unwrap();
        let server = Logged::spawn("unbound", Command::new(tool("unbound")).args(["-d", "-c"]).arg(&file));
        let started = server.wait_for_line("that it started or cannot", |line| {
            let taken = line.contains("Address already in use").then_some(false);
            line.contains("start of service").then_some(true).or(taken)
        });
        if started {
            return (server, plain, secure);
        }
    }
    panic!("unbound: no ports stayed free");
}

#[test]
fn a_real_server_over_udp_tcp_and_tls() {
    let folder = tempfile::tempdir().unwrap();
    tls::certificate(folder.path());
    let (_server, plain, secure) = unbound(folder.path());
    let place = folder.path().display();
    // The name localhost has an address of each family, and unbound listens on one.
    let tls = "dns_over_tls: true, transport_protocol: tcp, preferred_ip_protocol: ip4";
    let ca = format!("tls_config: {{ca_file: '{place}/cert.pem'}}, {tls}");
    let mx = r#"query_name: mail.example, query_type: MX, validate_answer_rrs: {fail_if_not_matches_regexp: ["^mail.example.\t300\tIN\tMX\t10 mx.mail.example.$"]}"#;
    let blackbox = exporter(&[
        ("mx", mx),
        ("mx_tcp", &format!("{mx}, transport_protocol: tcp")),
        ("mx_tls", &format!("{mx}, {ca}")),
        ("untrusted", &format!("{mx}, {tls}")),
        ("many", "query_name: many.example"),
        ("edns", "query_name: many.example, edns_udp_size: 1232"),
        ("again", "query_name: many.example, retry_truncated_over_tcp: true"),
        ("missing", "query_name: none.example, valid_rcodes: [NXDOMAIN]"),
    ]);
    let (plain, secure) = (format!("127.0.0.1:{plain}"), format!("localhost:{secure}"));
    let one = ["probe_success 1", "probe_dns_answer_rrs 1", "!probe_ssl_earliest_cert_expiry"];
    blackbox.probe("mx", &plain).holds(&one);
    blackbox.probe("mx_tcp", &plain).holds(&one);
    blackbox.probe("mx_tls", &secure).holds(&one);
    blackbox.probe("untrusted", &secure).holds(&["probe_success 0", "probe_dns_query_succeeded 0"]);
    blackbox.probe("missing", &plain).holds(&["probe_success 1"]);
    blackbox.probe("edns", &plain).holds(&["probe_success 1", "probe_dns_answer_rrs 60"]);
    blackbox.probe("again", &plain).holds(&["probe_success 1", "probe_dns_answer_rrs 60"]);
    let few = blackbox.probe("many", &plain);
    few.holds(&["probe_dns_query_succeeded 1"]);
    assert!(!few.text.contains("probe_dns_answer_rrs 60"), "cut to what a datagram holds");
}

#[test]
fn ports_that_go_without_saying() {
    let dns = |more: &str| format!("{{prober: dns, timeout: 20s, dns: {{query_name: x, query_type: A{more}}}}}");
    let modules = format!(
        "modules:\n  udp: {}\n  tcp: {}\n  tls: {}\n",
        dns(""),
        dns(", transport_protocol: tcp"),
        dns(", transport_protocol: tcp, dns_over_tls: true")
    );
    // Only what would have gone to this port is refused, whoever listens there.
    for (port, modules_of_it, others) in [("53", &["udp", "tcp"][..], &["tls"][..]), ("853", &["tls"], &["udp", "tcp"])]
    {
        let blackbox = Blackbox::start_with(&modules, &[&format!("--probe.deny-port={port}")], &[]);
        for target in ["127.0.0.1", "::1"] {
            for module in modules_of_it {
                blackbox.probe(module, target).failed("connect", "forbidden");
            }
            for module in others {
                blackbox.probe(module, target).holds(&["!probe_failure_info{reason=\"forbidden\"}"]);
            }
        }
    }
}
