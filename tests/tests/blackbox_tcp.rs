//! The TCP prober: what it takes for a target, and what it makes of dialogues, in the clear and over TLS.

use exporter_tests::blackbox::{Blackbox, Probed};
use exporter_tests::page::metric;
use exporter_tests::pki::{Leaf, Pki, Shows};
use exporter_tests::talker::{Does, Talker, says};
use exporter_tests::upstream::DeadPort;

/// A module of the TCP prober with a time of half a second, for those that have to run into it.
fn module(name: &str, tcp: &str) -> String {
    format!("  {name}: {{prober: tcp, timeout: 500ms, tcp: {tcp}}}\n")
}

/// Modules with a script each, and 20 seconds.
fn scripts(scripts: &[(&str, &str)]) -> String {
    let line = |(name, script): &(&str, &str)| {
        format!("  {name}: {{prober: tcp, timeout: 20s, tcp: {{query_response: {script}}}}}\n")
    };
    format!("modules:\n{}", scripts.iter().map(line).collect::<String>())
}

const CONNECTED: [&str; 3] = ["probe_success 1", "probe_failed_due_to_regex 0", "probe_failed_due_to_bytes 0"];
const NOT_CONNECTED: [&str; 3] = ["probe_success 0", "!probe_failed_due_to_regex", "!probe_failed_due_to_bytes"];

#[track_caller]
fn families(probed: &Probed, regex: u8, bytes: u8) {
    probed.holds(&[
        &format!("probe_failed_due_to_regex {regex}"),
        &format!("probe_failed_due_to_bytes {bytes}"),
        "probe_ip_protocol 4",
    ]);
}

#[test]
fn a_connection_is_all_that_is_probed_without_a_script() {
    let blackbox = Blackbox::start("modules:\n  tcp: {prober: tcp}\n");
    let talker = Talker::start([Does::Listens]);
    let probed = blackbox.probe("tcp", &talker.target());
    probed.holds(&CONNECTED).holds(&["probe_ip_protocol 4", "probe_ip_addr_hash 3668918509", "!probe_expect_info"]);
    assert!(talker.heard().bytes.is_empty());
    let closed = DeadPort::new();
    let probed = blackbox.probe("tcp", &closed.address().to_string());
    probed.holds(&NOT_CONNECTED).holds(&["probe_ip_protocol 4"]).failed("connect", "connect_refused");
}

#[test]
fn targets_are_hosts_with_ports() {
    let blackbox = Blackbox::start("modules:\n  tcp: {prober: tcp}\n");
    for target in ["127.0.0.1", "::1:80", "tcp://127.0.0.1:80", "[::1]", "[::1]x:80", "127.0.0.1]:80"] {
        let probed = blackbox.probe("tcp", target);
        probed.holds(&NOT_CONNECTED).holds(&["!probe_ip_protocol"]).failed("setup", "target");
    }
    for target in ["127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:no-such-service"] {
        let probed = blackbox.probe("tcp", target);
        probed.holds(&NOT_CONNECTED).holds(&["probe_ip_protocol 4"]).failed("setup", "target");
    }
    blackbox.probe("tcp", "127.0.0.1:").holds(&NOT_CONNECTED).failed("connect", "connect_refused");
    blackbox.probe("tcp", ":80").holds(&["probe_ip_protocol 0"]).failed("resolve", "resolve");
    let talker = Talker::start([]);
    blackbox.probe("tcp", &format!("[127.0.0.1]:0{}", talker.port())).holds(&CONNECTED);
}

#[test]
fn what_a_line_told_is_sent_and_shown() {
    let blackbox = Blackbox::start(&scripts(&[
        (
            "ssh",
            r#"[{expect: '^SSH-2.0-([^ -]+)(?: (.*))?$', send: 'got ${1} $2', labels: [
                {name: v, value: '${1}'}, {name: c, value: 'x${2}y'}, {name: n, value: '$nope-$1a-$$-$'}]}]"#,
        ),
        (
            "irc",
            "[{send: NICK probe}, {send: USER probe}, {expect: '^PING (\\S+)', send: 'PONG ${1}'}, {expect: ' 001 '}]",
        ),
        ("bare", "[{expect: ., labels: []}]"),
        (
            "twice",
            "[{expect: (.), labels: [{name: a, value: $1}, {name: b, value: $1}]},
                    {expect: (.), labels: [{name: b, value: $1}, {name: c, value: $1}]}]",
        ),
        ("odd", "[{expect: (.*), labels: [{name: a-b, value: $1}, {name: a_b, value: $1}]}]"),
    ]));
    let talker = Talker::start([says("SSH-2.0-OpenSSH_9.9 Some-1\r\n"), Does::Listens]);
    let probed = blackbox.probe("ssh", &talker.target());
    probed.holds(&CONNECTED).page.has(
        metric("probe_expect_info").label("v", "OpenSSH_9.9").label("c", "xSome-1y").label("n", "--$-$").value(1.0),
    );
    assert_eq!(talker.heard().bytes, b"got OpenSSH_9.9 Some-1\n");

    let script =
        [Does::Hears, Does::Hears, says("PING :a1b2\r\n"), Does::Hears, says(":irc 001 probe\r\n"), Does::Listens];
    let talker = Talker::start(script);
    blackbox.probe("irc", &talker.target()).holds(&CONNECTED).holds(&["!probe_expect_info"]);
    assert_eq!(talker.heard().bytes, b"NICK probe\nUSER probe\nPONG :a1b2\n");

    let talker = Talker::start([says("1\n2\n"), Does::Listens]);
    let probed = blackbox.probe("bare", &talker.target());
    assert!(probed.text.contains("\nprobe_expect_info 1\n"), "{}", probed.samples());
    let probed = blackbox.probe("twice", &talker.target());
    assert!(probed.text.contains("\nprobe_expect_info{a=\"1\",b=\"2\",c=\"2\"} 1\n"), "{}", probed.samples());
    let talker = Talker::start([says(b"x\xff\xfey\n"), Does::Listens]);
    let probed = blackbox.probe("odd", &talker.target());
    assert!(probed.text.contains("\nprobe_expect_info{a_b=\"x\u{FFFD}y\"} 1\n"), "{}", probed.samples());
}

#[test]
fn lines_have_an_end_and_a_longest_one() {
    let blackbox = Blackbox::start(
        &(scripts(&[
            ("ab", "[{expect: ab}]"),
            ("none", "[{expect: ^$}]"),
            ("x", "[{expect: ^x}]"),
            ("after", "[{expect: after}]"),
            ("two", "[{expect: ok}, {expect: ok}]"),
        ]) + &module("brief", "{query_response: [{expect: ab}]}")
            + &module("three", "{query_response: [{expect: ok}, {expect: ok}, {expect: ok}]}")),
    );
    let probe = |module: &str, script: &[Does]| blackbox.probe(module, &Talker::start(script).target());
    let line = |length: usize| says([vec![b'x'; length], b"\n".to_vec()].concat());
    let five = || says("a\nok 1\nb\nok 2\nc\n");
    probe("ab", &[says("xab")]).holds(&CONNECTED);
    families(probe("brief", &[says("xab"), Does::Listens]).failed("dialogue", "deadline"), 0, 0);
    families(probe("none", &[]).failed("dialogue", "closed"), 1, 0);
    families(probe("ab", &[says("x\ny\n")]).failed("dialogue", "expect"), 1, 0);
    families(probe("ab", &[says("x\n"), Does::Waits, Does::Resets]).failed("dialogue", "closed"), 0, 0);
    probe("x", &[line(65_000), Does::Listens]).holds(&CONNECTED);
    families(probe("x", &[line(70_000), Does::Listens]).failed("dialogue", "protocol"), 0, 0);
    probe("two", &[five(), Does::Listens]).holds(&CONNECTED);
    families(probe("three", &[five(), Does::Listens]).failed("dialogue", "deadline"), 0, 0);
    for module in ["none", "after"] {
        probe(module, &[says("\n\nafter\n"), Does::Listens]).holds(&CONNECTED);
    }
}

#[test]
fn bytes_are_those_expected_however_they_come() {
    let blackbox = Blackbox::start(
        &(scripts(&[
            ("four", "[{expect_bytes: ABCD}]"),
            ("halves", "[{expect_bytes: AB}, {expect_bytes: CD}]"),
            ("banner", "[{expect: banner}, {expect_bytes: RAWB}]"),
            ("later", "[{expect: ^220}, {send: x}, {expect_bytes: RAWB}]"),
            ("binary", "[{send: !!binary AAECAwQFBgc=}]"),
        ]) + &module("brief", "{query_response: [{expect_bytes: ABCD}]}")),
    );
    let probe = |module: &str, script: &[Does]| blackbox.probe(module, &Talker::start(script).target());
    for module in ["four", "halves"] {
        probe(module, &[says("AB"), Does::Waits, says("CD"), Does::Listens]).holds(&CONNECTED);
    }
    families(probe("four", &[says("ABXD"), Does::Listens]).failed("dialogue", "expect_bytes"), 0, 1);
    families(probe("four", &[says("AB")]).failed("dialogue", "closed"), 0, 0);
    families(probe("brief", &[says("AB"), Does::Listens]).failed("dialogue", "deadline"), 0, 0);
    probe("banner", &[says("banner line\nRAWB"), Does::Listens]).holds(&CONNECTED);
    probe("banner", &[says("banner line\n"), Does::Waits, says("RAWB"), Does::Listens]).holds(&CONNECTED);
    probe("later", &[says("220-a\n220 b\n"), Does::Hears, says("RAWB"), Does::Listens]).holds(&CONNECTED);

    let talker = Talker::start([Does::Listens]);
    blackbox.probe("binary", &talker.target()).holds(&CONNECTED);
    assert_eq!(talker.heard().bytes, [0, 1, 2, 3, 4, 5, 6, 7, b'\n']);
}

#[test]
fn a_source_address_is_the_one_that_is_seen() {
    let blackbox = Blackbox::start(
        "modules:
  own: {prober: tcp, tcp: {source_ip_address: 127.0.0.9}}
  text: {prober: tcp, tcp: {source_ip_address: foo}}
  family: {prober: tcp, tcp: {source_ip_address: '::1'}}\n",
    );
    let talker = Talker::start([Does::Listens]);
    blackbox.probe("own", &talker.target()).holds(&CONNECTED);
    assert_eq!(talker.heard().from.unwrap().ip().to_string(), "127.0.0.9");
    for module in ["text", "family"] {
        let probed = blackbox.probe(module, &talker.target());
        probed.holds(&NOT_CONNECTED).holds(&["probe_ip_protocol 4"]).failed("setup", "module");
    }
}

const TLS_FAMILIES: [&str; 5] = [
    "probe_ssl_earliest_cert_expiry > 0",
    "probe_ssl_last_chain_expiry_timestamp_seconds > 0",
    "probe_ssl_last_chain_info{serialnumber=\"ab0cdef012\"} 1",
    "probe_tls_version_info{version=\"TLS 1.3\"} 1",
    "!probe_tls_cipher_info",
];

#[test]
fn tls_comes_first_or_when_the_script_says() {
    let pki = Pki::new();
    let ca = pki.path("root.pem");
    let smtp = "[{expect: '^220 '}, {send: \"EHLO probe\\r\"}, {expect: '^250[ -]STARTTLS'}, {send: \"STARTTLS\\r\"},
        {expect: '^220'}, {starttls: true}, {send: \"EHLO probe\\r\"}, {expect: '^250[ -]AUTH'}, {send: \"QUIT\\r\"}]";
    let database = "[{send: !!binary AAAACATSFi8=}, {expect_bytes: S}, {starttls: true}]";
    let all = |tcp: &str| format!("{{prober: tcp, timeout: 20s, tcp: {{ip_protocol_fallback: true, {tcp}}}}}");
    let trusting = format!("tls_config: {{ca_file: {ca}}}");
    let named = format!("tls_config: {{ca_file: {ca}, server_name: localhost}}");
    let blackbox = Blackbox::start(&format!(
        "modules:\n  tls: {}\n  smtp: {}\n  untrusting: {}\n  database: {}\n  named: {}\n{}",
        all(&format!("tls: true, {trusting}")),
        all(&format!("query_response: {smtp}, {trusting}")),
        all(&format!("query_response: {smtp}")),
        all(&format!("query_response: {database}, {trusting}")),
        all(&format!("tls: true, {named}")),
        module("banner", &format!("{{tls: true, {trusting}, query_response: [{{expect: nope}}]}}")),
    ));
    let config = pki.server_config(&Shows::default());

    let talker = Talker::start([Does::Secures(config.clone()), says("hello\n"), Does::Listens]);
    let probed = blackbox.probe("tls", &talker.target());
    probed.holds(&CONNECTED).holds(&TLS_FAMILIES);
    let expiry = probed.page.value(metric("probe_ssl_earliest_cert_expiry"));
    assert!((expiry - pki.intermediate_not_after()).abs() < 1.0, "{expiry}");
    families(blackbox.probe("banner", &talker.target()).holds(&TLS_FAMILIES).failed("dialogue", "deadline"), 0, 0);

    let server = exporter_tests::pki::Server::start(config.clone(), |_| Ok(()));
    let target = format!("127.0.0.1:{}", server.port());
    for (module, hostname, name) in [("tls", "foo.example.test", "foo.example.test"), ("named", "x.test", "localhost")]
    {
        blackbox.probe_with(module, &target, &[("hostname", hostname)]).holds(&CONNECTED);
        assert_eq!(server.hello().server_name.as_deref(), Some(name));
    }
    let probed = blackbox.probe_with("tls", &target, &[("hostname", "other.test")]);
    probed.holds(&NOT_CONNECTED).failed("tls", "certificate_name");
    let other = exporter_tests::pki::Server::start(
        pki.server_config(&Shows { leaf: Leaf::Expired, ..Shows::default() }),
        |_| Ok(()),
    );
    blackbox.probe("tls", &other.address().to_string()).failed("tls", "certificate_expired");

    let mail = Talker::start([
        says("220 mail\r\n"),
        Does::Hears,
        says("250-mail\r\n250-STARTTLS\r\n250 8BITMIME\r\n"),
        Does::Hears,
        says("220 go on\r\n"),
        Does::Secures(config.clone()),
        Does::Hears,
        says("250-mail\r\n250 AUTH PLAIN\r\n"),
        Does::Listens,
    ]);
    blackbox.probe("smtp", &mail.target()).holds(&CONNECTED).holds(&TLS_FAMILIES);
    assert_eq!(mail.heard().bytes, b"EHLO probe\r\nSTARTTLS\r\nEHLO probe\r\nQUIT\r\n");
    families(blackbox.probe("untrusting", &mail.target()).failed("tls", "certificate_untrusted"), 0, 0);

    let says_yes = Talker::start([Does::Hears, says("S"), Does::Secures(config), Does::Listens]);
    blackbox.probe("database", &says_yes.target()).holds(&CONNECTED).holds(&TLS_FAMILIES);
    let says_no = Talker::start([Does::Hears, says("N"), Does::Listens]);
    let probed = blackbox.probe("database", &says_no.target());
    families(probed.holds(&["!probe_ssl_earliest_cert_expiry"]).failed("dialogue", "expect_bytes"), 0, 1);
    let clear = Talker::start([says("hello\n"), Does::Listens]);
    blackbox.probe("tls", &clear.target()).holds(&NOT_CONNECTED).failed("tls", "tls_handshake");
}
