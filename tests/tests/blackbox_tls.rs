//! TLS as the blackbox exporter sees it: certificates, names, versions, and what goes wrong.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::net::{TcpListener, UdpSocket};
use std::process::{Child, ChildStdout, Command, Stdio};

use exporter_tests::blackbox::{Blackbox, Probed, probe_path};
use exporter_tests::client::Request;
use exporter_tests::http3::Http3;
use exporter_tests::page::metric;
use exporter_tests::pki::{Hello, Leaf, Pki, Server, Session, Shows};
use exporter_tests::tls;
use exporter_tests::tools::{run, tool};
use rustls::SupportedProtocolVersion;

static ONLY_12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
static ONLY_13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// A module of each name, all for IPv4; `settings` is what stands in `tls_config`, `more` what stands beside it.
fn modules(pki: &Pki, table: &[(&str, &str, &str)]) -> String {
    let mut yaml = "modules:\n".to_owned();
    for (name, settings, more) in table {
        let settings = settings.replace("ROOT", &pki.path("root.pem")).replace("FOLDER", &pki.path(""));
        yaml += &format!(
            "  {name}:\n    prober: http\n    timeout: 20s\n    http:\n      preferred_ip_protocol: ip4\n      \
             tls_config: {{{settings}}}\n{more}"
        );
    }
    yaml
}

const TRUSTING: (&str, &str, &str) = ("trusting", "ca_file: ROOT", "");
const INSECURE: (&str, &str, &str) = ("insecure", "insecure_skip_verify: true", "");
const BOTH: (&str, &str, &str) = ("both", "insecure_skip_verify: true, ca_file: ROOT", "");

fn start(pki: &Pki, table: &[(&str, &str, &str)]) -> Blackbox {
    Blackbox::start(&modules(pki, table))
}

fn https(server: &Server) -> String {
    format!("https://localhost:{}/", server.port())
}

/// Checks the two times of the page; `None` is that the family is not there.
#[track_caller]
fn ends(probed: &Probed, earliest: f64, last_chain: Option<f64>) {
    let value = |name: &str| probed.page.all(&metric(name)).first().map(|sample| sample.value);
    let found = (
        value("probe_ssl_earliest_cert_expiry"),
        value("probe_ssl_last_chain_expiry_timestamp_seconds"),
        probed.page.all(&metric("probe_ssl_last_chain_info")).len(),
    );
    assert_eq!(found, (Some(earliest), last_chain, 1), "{}", probed.samples());
}

#[test]
fn a_chain_tells_when_it_is_over() {
    let pki = Pki::new();
    let blackbox = start(&pki, &[TRUSTING, INSECURE, BOTH]);
    let (leaf, intermediate) = (pki.not_after(Leaf::Good), pki.intermediate_not_after());
    // What is sent, by whom it is probed, the end of the first certificate and that of the chain.
    for (n_certificates, module, earliest, last_chain) in [
        (2, "trusting", intermediate, Some(intermediate)),
        (3, "trusting", intermediate, Some(intermediate)),
        (2, "insecure", intermediate, None),
        (1, "insecure", leaf, None),
        // The Go exporter has the year 1 here.
        (2, "both", intermediate, Some(intermediate)),
    ] {
        let server = Server::start_http(pki.server_config(&Shows { n_certificates, ..Shows::default() }));
        let probed = blackbox.probe(module, &https(&server));
        ends(&probed, earliest, last_chain);
        probed.holds(&[
            "probe_success 1",
            "probe_http_ssl 1",
            r#"probe_tls_version_info{version="TLS 1.3"} 1"#,
            r#"probe_tls_cipher_info{cipher="TLS_AES_128_GCM_SHA256"} 1"#,
            "!probe_failure_info",
        ]);
        let info = probed.page.all(&metric("probe_ssl_last_chain_info"));
        let labels = ["serialnumber", "subject", "issuer"].map(|name| info[0].label(name));
        assert_eq!(labels, ["ab0cdef012", "CN=localhost", "CN=Intermediate,O=Test"]);
        assert_eq!(info[0].label("subjectalternative"), "localhost,*.example.test");
        assert_eq!(info[0].label("fingerprint_sha256").len(), 64);
    }
}

/// Certificates that are the reason of the failure are on the page; the Go exporter shows none of them.
#[test]
fn a_certificate_that_is_not_taken_is_named_and_shown() {
    let pki = Pki::new();
    let blackbox = start(&pki, &[TRUSTING, INSECURE]);
    for (leaf, n_certificates, reason, earliest) in [
        (Leaf::Good, 1, "certificate_untrusted", pki.not_after(Leaf::Good)),
        (Leaf::Expired, 2, "certificate_expired", pki.not_after(Leaf::Expired)),
        (Leaf::NotYetValid, 2, "certificate_not_yet_valid", pki.intermediate_not_after()),
        (Leaf::OtherName, 2, "certificate_name", pki.intermediate_not_after()),
        (Leaf::NoSan, 2, "certificate_name", pki.intermediate_not_after()),
        (Leaf::SelfSigned, 1, "certificate_untrusted", pki.not_after(Leaf::SelfSigned)),
    ] {
        let server = Server::start_http(pki.server_config(&Shows { leaf, n_certificates, ..Shows::default() }));
        let probed = blackbox.probe("trusting", &https(&server));
        probed.failed("tls", reason).holds(&[
            "probe_http_status_code 0",
            r#"probe_http_duration_seconds{phase="tls"} 0"#,
            "!probe_tls_version_info",
        ]);
        ends(&probed, earliest, None);
        let probed = blackbox.probe("insecure", &https(&server));
        probed.holds(&["probe_success 1", r#"probe_tls_version_info{version="TLS 1.3"} 1"#]);
        ends(&probed, earliest, None);
    }
}

#[test]
fn versions_are_those_that_both_sides_allow() {
    let pki = Pki::new();
    let blackbox = start(
        &pki,
        &[
            TRUSTING,
            ("new", "ca_file: ROOT, min_version: TLS13", ""),
            ("backwards", "ca_file: ROOT, min_version: TLS13, max_version: TLS12", ""),
        ],
    );
    let old = Shows { versions: ONLY_12, ..Shows::default() };
    let server = Server::start_http(pki.server_config(&old));
    blackbox.probe("trusting", &https(&server)).holds(&[
        "probe_success 1",
        r#"probe_tls_version_info{version="TLS 1.2"} 1"#,
        r#"probe_tls_cipher_info{cipher="TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"} 1"#,
    ]);
    blackbox.probe("new", &https(&server)).failed("tls", "tls_handshake").holds(&["!probe_tls_version_info"]);
    blackbox.probe("backwards", &https(&server)).failed("setup", "module").holds(&[
        r#"probe_http_duration_seconds{phase="resolve"}"#,
        r#"!probe_http_duration_seconds{phase="connect"}"#,
    ]);
}

/// `openssl s_server` with a certificate for localhost in a folder.
struct OldServer {
    process: Child,
    port: u16,
    // Kept open, so that what it says later does not stop it.
    _said: BufReader<ChildStdout>,
    folder: tempfile::TempDir,
}

impl OldServer {
    fn start(version: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        tls::certificate(folder.path());
        let mut process = Command::new(tool("openssl"))
            .current_dir(folder.path())
            .args(["s_server", version, "-cipher", "ALL:@SECLEVEL=0", "-accept", "127.0.0.1:0", "-www"])
            .args(["-cert", "cert.pem", "-key", "key.pem"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("ACCEPT") {
            line.clear();
            assert_ne!(said.read_line(&mut line).unwrap(), 0, "openssl s_server says where it listens");
        }
        let port = line.trim().rsplit(':').next().unwrap().parse().unwrap();
        Self { process, port, _said: said, folder }
    }
}

impl Drop for OldServer {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[test]
fn old_versions_show_their_certificates_and_no_more() {
    for (flag, version) in [("-tls1_1", "TLS 1.1"), ("-tls1", "TLS 1.0")] {
        let server = OldServer::start(flag);
        let ca = server.folder.path().join("cert.pem").display().to_string();
        let yaml = "modules:\n  default: {prober: http, http: {preferred_ip_protocol: ip4, tls_config: {ca_file: CA}}}\n  \
                    old: {prober: http, http: {preferred_ip_protocol: ip4, tls_config: {ca_file: CA, min_version: TLS10}}}\n  \
                    handshake: {prober: tcp, tcp: {preferred_ip_protocol: ip4, tls: true, tls_config: {ca_file: CA, min_version: TLS10}}}\n  \
                    stranger: {prober: tcp, tcp: {preferred_ip_protocol: ip4, tls: true, tls_config: {min_version: TLS10}}}\n";
        let blackbox = Blackbox::start(&yaml.replace("CA", &ca));
        let (url, place) = (format!("https://localhost:{}", server.port), format!("localhost:{}", server.port));
        let shown = format!("probe_tls_version_info{{version=\"{version}\"}} 1");
        blackbox.probe("default", &url).failed("tls", "tls_handshake").holds(&["!probe_ssl_last_chain_info"]);
        let probed = blackbox.probe("old", &url);
        probed.failed("tls", "tls_version").holds(&[&shown, "probe_ssl_last_chain_info", "probe_tls_cipher_info"]);
        let last_chain = "probe_ssl_last_chain_expiry_timestamp_seconds > 0";
        blackbox.probe("handshake", &place).holds(&["probe_success 1", &shown, last_chain]);
        let probed = blackbox.probe("stranger", &place);
        probed.failed("tls", "certificate_untrusted").holds(&[&shown, "probe_ssl_last_chain_info"]);
    }
}

#[test]
fn files_that_cannot_be_used_fail_the_probe_and_are_read_again() {
    let pki = Pki::new();
    let settings = "ca_file: FOLDERlate.pem";
    let blackbox = start(
        &pki,
        &[
            ("late", settings, ""),
            ("stranger", "ca_file: ROOT, cert_file: FOLDERclient.pem, key_file: FOLDERgood.key", ""),
            ("store", "ca_ref: x", ""),
        ],
    );
    let server = Server::start_http(pki.server_config(&Shows::default()));
    for module in ["late", "stranger", "store"] {
        blackbox.probe(module, &https(&server)).failed("setup", "module").holds(&[
            r#"probe_http_duration_seconds{phase="resolve"}"#,
            r#"!probe_http_duration_seconds{phase="connect"}"#,
        ]);
    }
    fs::copy(pki.path("root.pem"), pki.path("late.pem")).unwrap();
    blackbox.probe("late", &https(&server)).holds(&["probe_success 1"]);
}

#[test]
fn the_server_may_want_a_certificate() {
    let pki = Pki::new();
    let blackbox = start(
        &pki,
        &[TRUSTING, ("known", "ca_file: ROOT, cert_file: FOLDERclient.pem, key_file: FOLDERclient.key", "")],
    );
    for (versions, phase, asked) in [
        // The server's refusal comes after the handshake.
        (ONLY_13, "request", true),
        (ONLY_12, "tls", false),
    ] {
        let shows = Shows { versions, asks_for_client: true, ..Shows::default() };
        let server = Server::start(pki.server_config(&shows), |session: &mut Session| {
            assert_eq!(session.n_client_certificates(), 2);
            session.answer("hello")
        });
        blackbox.probe("known", &https(&server)).holds(&["probe_success 1"]);
        let probed = blackbox.probe("trusting", &https(&server));
        probed.failed(phase, "client_certificate").holds(&["probe_ssl_last_chain_info"]);
        if asked {
            probed.holds(&[
                r#"probe_http_duration_seconds{phase="connect"} > 0"#,
                r#"probe_http_duration_seconds{phase="tls"} > 0"#,
                r#"probe_http_duration_seconds{phase="processing"} 0"#,
            ]);
        }
    }
}

#[test]
fn the_name_that_is_asked_for_and_checked() {
    let pki = Pki::new();
    let header = |value: &str| format!("      headers: {{Host: \"{value}\"}}\n");
    let (named, ported) = (header("foo.example.test"), header("foo.example.test:123"));
    let blackbox = start(
        &pki,
        &[
            TRUSTING,
            ("named", "ca_file: ROOT", &named),
            ("ported", "ca_file: ROOT", &ported),
            ("fixed", "ca_file: ROOT, server_name: localhost", ""),
        ],
    );
    let server = Server::start(pki.server_config(&Shows::default()), |session| {
        let mut host = String::new();
        loop {
            let line = session.line()?;
            match line.split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("host") => host = value.to_owned(),
                None if line.is_empty() => break,
                _ => {}
            }
        }
        session.say(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", host.len()).as_bytes())?;
        session.say(host.as_bytes())
    });
    let by_address = format!("https://127.0.0.1:{}/", server.port());
    let place = |name: &str| format!("{name}:{}", server.port());
    // The `Host` that arrives is seen by its length.
    for (module, hostname, target, server_name, host) in [
        ("trusting", None, https(&server), Some("localhost"), place("localhost")),
        ("trusting", None, by_address.clone(), None, place("127.0.0.1")),
        ("named", None, by_address.clone(), Some("foo.example.test"), "foo.example.test".to_owned()),
        ("fixed", Some("other"), by_address.clone(), Some("localhost"), "other".to_owned()),
        ("trusting", Some("b.example.test"), by_address.clone(), Some("b.example.test"), "b.example.test".to_owned()),
    ] {
        let parameters: Vec<_> = hostname.map(|hostname| ("hostname", hostname)).into_iter().collect();
        let probed = blackbox.probe_with(module, &target, &parameters);
        probed.holds(&["probe_success 1", &format!("probe_http_content_length {}", host.len())]);
        let Hello { server_name: asked, .. } = server.hello();
        assert_eq!(asked.as_deref(), server_name, "{module} {target}");
    }
    let probed = blackbox.probe("ported", &by_address);
    probed.failed("tls", "certificate_name").holds(&["probe_ssl_last_chain_info"]);
}

#[test]
fn where_tls_must_be_and_where_it_must_not() {
    let pki = Pki::new();
    let blackbox = start(
        &pki,
        &[
            ("never", "ca_file: ROOT", "      fail_if_ssl: true\n"),
            ("always", "ca_file: ROOT", "      fail_if_not_ssl: true\n"),
        ],
    );
    let server = Server::start_http(pki.server_config(&Shows::default()));
    blackbox.probe("never", &https(&server)).failed("check", "ssl").holds(&["probe_http_ssl 1"]);
    blackbox.probe("always", &https(&server)).holds(&["probe_success 1"]);
}

#[test]
fn protocols_are_offered_when_http2_is_on() {
    let pki = Pki::new();
    let blackbox = start(&pki, &[TRUSTING, ("old", "ca_file: ROOT", "      enable_http2: false\n")]);
    let shows = Shows { alpn: &["h2", "http/1.1"], ..Shows::default() };
    let server = Server::start(pki.server_config(&shows), answer_http2);
    blackbox.probe("trusting", &https(&server)).holds(&["probe_success 1", "probe_http_version 2"]);
    assert_eq!(server.hello().alpn, ["h2", "http/1.1"]);
    let server = Server::start_http(pki.server_config(&shows));
    blackbox.probe("old", &https(&server)).holds(&["probe_success 1", "probe_http_version 1.1"]);
    assert_eq!(server.hello().alpn, Vec::<String>::new());
}

/// Status 200 and no body for the first request of a connection (RFC 9113).
fn answer_http2(session: &mut Session) -> io::Result<()> {
    const HEADERS: u8 = 1;
    const SETTINGS: u8 = 4;
    session.read_exact(&mut [0; b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len()])?;
    session.say(&[0, 0, 0, SETTINGS, 0, 0, 0, 0, 0])?;
    loop {
        let mut header = [0; 9];
        session.read_exact(&mut header)?;
        let [a, b, c, kind, flags, ..] = header;
        io::copy(&mut session.take(u64::from(u32::from_be_bytes([0, a, b, c]))), &mut io::sink())?;
        match kind {
            SETTINGS if flags == 0 => session.say(&[0, 0, 0, SETTINGS, 1, 0, 0, 0, 0])?,
            // Headers and the stream end; 0x88 is `:status: 200`.
            HEADERS => return session.say(&[0, 0, 1, HEADERS, 5, 0, 0, 0, 1, 0x88]),
            _ => {}
        }
    }
}

#[test]
fn silence_in_the_handshake_ends_with_the_time() {
    let pki = Pki::new();
    let blackbox = start(&pki, &[TRUSTING]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("https://{}", listener.local_addr().unwrap());
    let answer = blackbox
        .ask(&Request::get(&probe_path("trusting", &target, &[])).header("X-Prometheus-Scrape-Timeout-Seconds", "1"));
    assert!(answer.text().contains(r#"probe_failure_info{phase="tls",reason="deadline"} 1"#), "{}", answer.text());
}

#[test]
fn odd_certificates_have_their_labels() {
    let subject = r#"/C=US/ST=Some, State/L=Town/street=Way 1/postalCode=1234/O=A\+B "Corp"; <x>\\y=z#/OU=#Unit1/OU=Unit2/CN=first/CN=localhost/serialNumber=sn7/GN=Jo/DC=test/emailAddress=me@x.y"#;
    let text = r#"SERIALNUMBER=sn7,CN=localhost,OU=\#Unit1+OU=Unit2,O=A\+B \"Corp\"\; \<x\>\\y=z#,POSTALCODE=1234,STREET=Way 1,L=Town,ST=Some\, State,C=US,1.2.840.113549.1.9.1=me@x.y,0.9.2342.19200300.100.1.25=test,2.5.4.42=Jo"#;
    let blackbox = Blackbox::start(
        "modules: {any: {prober: tcp, tcp: {preferred_ip_protocol: ip4, tls: true, tls_config: {insecure_skip_verify: true}}}}",
    );
    for (serial, hex, subject, text) in [
        ("10", "0a", subject, text),
        ("0x0800", "0800", "/CN=x", "CN=x"),
        ("0xab0cdef012", "ab0cdef012", "/CN=x", "CN=x"),
        ("0", "", "/", ""),
    ] {
        let folder = tempfile::tempdir().unwrap();
        run(Command::new(tool("openssl"))
            .current_dir(folder.path())
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
            .args(["-keyout", "key.pem", "-out", "cert.pem", "-subj", subject, "-set_serial", serial])
            .args(["-addext", "subjectAltName=DNS:b.test,IP:127.0.0.1,email:a@b.test,DNS:a.test"]));
        let server = Server::start(tls::server_config(folder.path()), |_| Ok(()));
        let probed = blackbox.probe("any", &format!("localhost:{}", server.port()));
        probed.holds(&["probe_success 1", "!probe_tls_cipher_info"]);
        let info = probed.page.all(&metric("probe_ssl_last_chain_info"));
        let labels = ["serialnumber", "subject", "issuer", "subjectalternative"].map(|name| info[0].label(name));
        assert_eq!(labels, [hex, text, text, "b.test,a.test"]);
    }
}

#[test]
fn tls_under_a_dialogue() {
    let pki = Pki::new();
    let yaml = "modules:\n  tls: {prober: tcp, tcp: {preferred_ip_protocol: ip4, tls: true, tls_config: {ca_file: ROOT}}}\n  \
                talk: {prober: tcp, timeout: 2s, tcp: {preferred_ip_protocol: ip4, tls: true, tls_config: {ca_file: ROOT}, query_response: [{expect: hello}]}}\n";
    let blackbox = Blackbox::start(&yaml.replace("ROOT", &pki.path("root.pem")));
    let server = Server::start(pki.server_config(&Shows::default()), |session| {
        session.say(b"welcome\n")?;
        // Until the client has gone.
        session.line().map(drop)
    });
    let place = format!("localhost:{}", server.port());
    let families = [
        "probe_ssl_earliest_cert_expiry",
        "probe_ssl_last_chain_expiry_timestamp_seconds",
        "probe_ssl_last_chain_info",
        r#"probe_tls_version_info{version="TLS 1.3"} 1"#,
    ];
    blackbox.probe("tls", &place).holds(&families).holds(&["probe_success 1", "!probe_tls_cipher_info"]);
    assert_eq!(server.hello().server_name.as_deref(), Some("localhost"));
    let by_address = format!("127.0.0.1:{}", server.port());
    blackbox.probe_with("tls", &by_address, &[("hostname", "foo.example.test")]).holds(&["probe_success 1"]);
    assert_eq!(server.hello().server_name.as_deref(), Some("foo.example.test"));
    let probed = blackbox.probe("talk", &place);
    probed.holds(&families).holds(&["probe_success 0", "probe_failed_due_to_regex 0"]);

    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = plain.local_addr().unwrap().to_string();
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = plain.accept().unwrap();
        io::Write::write_all(&mut stream, b"220 welcome\r\n").unwrap();
        // Until the client has gone.
        drop(io::copy(&mut stream, &mut io::sink()));
    });
    blackbox
        .probe("tls", &target)
        .failed("tls", "tls_handshake")
        .holds(&["!probe_failed_due_to_regex", "!probe_ssl_last_chain_info"]);
    answering.join().unwrap();
}

#[test]
fn http3_is_probed_as_http_is() {
    let pki = Pki::new();
    let table = [TRUSTING, INSECURE]
        .map(|(name, settings, _)| (name, settings, "      enable_http2: false\n      enable_http3: true\n"));
    let blackbox = start(&pki, &table);
    let serve = |leaf| {
        let shows = Shows { leaf, versions: ONLY_13, alpn: &["h3"], ..Shows::default() };
        Http3::start(pki.server_config(&shows), "hello")
    };
    let (good, expired) = (serve(Leaf::Good), serve(Leaf::Expired));
    // The scheme is corrected, or added.
    for scheme in ["https://", "http://", ""] {
        let probed = blackbox.probe("trusting", &format!("{scheme}localhost:{}/", good.port()));
        probed.holds(&[
            "probe_success 1",
            "probe_http_version 3",
            "probe_http_status_code 200",
            "probe_http_uncompressed_body_length 5",
            "probe_http_ssl 1",
            r#"probe_tls_version_info{version="TLS 1.3"} 1"#,
            r#"probe_tls_cipher_info{cipher="TLS_AES_128_GCM_SHA256"} 1"#,
        ]);
        ends(&probed, pki.intermediate_not_after(), Some(pki.intermediate_not_after()));
    }
    let target = format!("https://localhost:{}/", expired.port());
    let probed = blackbox.probe("trusting", &target);
    probed.failed("tls", "certificate_expired");
    ends(&probed, pki.not_after(Leaf::Expired), None);
    blackbox.probe("insecure", &target).holds(&["probe_success 1", "probe_http_version 3"]);

    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let path = probe_path("trusting", &format!("https://{}/", silent.local_addr().unwrap()), &[]);
    let probed = blackbox.ask(&Request::scrape_within(&path, 1.0)).text();
    for line in ["probe_success 0", "probe_http_status_code 0", "probe_http_version 0"] {
        assert!(probed.contains(&format!("\n{line}\n")), "{probed}");
    }
    assert!(probed.contains("reason=\"connect_timeout\"} 1"), "{probed}");
}
