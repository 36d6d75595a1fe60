use exporter_tests::blackbox::Blackbox;
use exporter_tests::pki::{Leaf, Pki, Server, Shows};

use super::scripted::{Scripted, hello, redirect};

fn module(pki: &Pki, http: &str, tls: &str) -> Blackbox {
    let ca = pki.path("root.pem");
    let tls = format!("tls_config: {{ca_file: {ca}{tls}}}");
    Blackbox::start(&format!(
        "modules: {{m: {{prober: http, timeout: 5s, http: {{preferred_ip_protocol: ip4, {tls}{http}}}}}}}"
    ))
}

#[test]
fn names_that_are_asked_for() {
    let pki = Pki::new();
    let server = Server::start_http(pki.server_config(&Shows::default()));
    let by_ip = format!("https://{}/", server.address());
    for (http, tls, hostname, sni, success) in [
        ("", "", "", None, 1),
        (", headers: {Host: foo.example.test}", "", "", Some("foo.example.test"), 1),
        ("", "", "foo.example.test", Some("foo.example.test"), 1),
        ("", ", server_name: localhost", "other", Some("localhost"), 1),
        ("", "", "other.test", Some("other.test"), 0),
    ] {
        let exporter = module(&pki, http, tls);
        let parameters = [("hostname", hostname)];
        let parameters = if hostname.is_empty() { &[][..] } else { &parameters[..] };
        exporter.probe_with("m", &by_ip, parameters).holds(&[&format!("probe_success {success}")]);
        assert_eq!(server.hello().server_name.as_deref(), sni, "{http} {tls} {hostname}");
    }
    let with_port = module(&pki, ", headers: {Host: 'foo.example.test:123'}", "");
    with_port.probe("m", &by_ip).failed("tls", "certificate_name");
}

#[test]
fn what_tls_tells() {
    let pki = Pki::new();
    let server = Server::start_http(pki.server_config(&Shows::default()));
    let target = format!("https://localhost:{}/", server.port());
    let until = pki.intermediate_not_after();
    module(&pki, "", "").probe("m", &target).holds(&[
        "probe_success 1",
        "probe_http_ssl 1",
        &format!("probe_ssl_earliest_cert_expiry {until}"),
        &format!("probe_ssl_last_chain_expiry_timestamp_seconds {until}"),
        "probe_ssl_last_chain_info{serialnumber=\"ab0cdef012\"} 1",
        "probe_tls_version_info{version=\"TLS 1.3\"} 1",
        "probe_tls_cipher_info",
        "probe_http_duration_seconds{phase=\"tls\"} > 0",
    ]);
    assert_eq!(server.hello().alpn, ["h2", "http/1.1"]);
    module(&pki, ", enable_http2: false", "").probe("m", &target).holds(&["probe_success 1"]);
    assert!(server.hello().alpn.is_empty());
    let untrusted = Blackbox::start("modules: {m: {prober: http, timeout: 5s, http: {preferred_ip_protocol: ip4}}}");
    untrusted.probe("m", &target).failed("tls", "certificate_untrusted").holds(&[
        "probe_http_ssl 0",
        "probe_http_duration_seconds{phase=\"connect\"} 0",
        "probe_http_duration_seconds{phase=\"tls\"} 0",
    ]);
}

#[test]
fn tls_where_it_must_be_and_where_it_may_not() {
    let pki = Pki::new();
    let server = Server::start_http(pki.server_config(&Shows::default()));
    let plain = Scripted::saying(hello());
    let (secure, plain) = (format!("https://{}/", server.address()), plain.at("/"));
    let dead = exporter_tests::upstream::DeadPort::new();
    let never = module(&pki, ", fail_if_ssl: true", "");
    never.probe("m", &secure).failed("check", "ssl").holds(&["probe_http_status_code 200"]);
    never.probe("m", &plain).holds(&["probe_success 1"]);
    let always = module(&pki, ", fail_if_not_ssl: true", "");
    always.probe("m", &plain).failed("check", "ssl");
    always.probe("m", &secure).holds(&["probe_success 1"]);
    always.probe("m", &dead.address().to_string()).failed("connect", "connect_refused");
}

#[test]
fn settings_that_cannot_be_used_fail_before_anything_is_sent() {
    let server = Scripted::saying(hello());
    for tls in ["ca_file: /does/not/exist", "min_version: TLS13, max_version: TLS12"] {
        let yaml = format!("modules: {{m: {{prober: http, http: {{tls_config: {{{tls}}}}}}}}}");
        Blackbox::start(&yaml).probe("m", &server.at("/")).failed("setup", "module").holds(&[
            "probe_http_duration_seconds{phase=\"resolve\"}",
            "!probe_http_duration_seconds{phase=\"connect\"}",
        ]);
        assert!(server.asked().is_empty());
    }
}

#[test]
fn a_client_certificate_that_is_missed() {
    let pki = Pki::new();
    let server = Server::start_http(pki.server_config(&Shows { asks_for_client: true, ..Shows::default() }));
    let target = format!("https://{}/", server.address());
    module(&pki, "", "").probe("m", &target).failed("request", "client_certificate").holds(&[
        "probe_http_duration_seconds{phase=\"connect\"} > 0",
        "probe_http_duration_seconds{phase=\"tls\"} > 0",
        "probe_http_duration_seconds{phase=\"processing\"} 0",
    ]);
    let name = Leaf::Client.name();
    let own =
        format!(", cert_file: {}, key_file: {}", pki.path(&format!("{name}.pem")), pki.path(&format!("{name}.key")));
    module(&pki, "", &own).probe("m", &target).holds(&["probe_success 1"]);
}

#[test]
fn redirects_into_tls_and_out_of_it() {
    let pki = Pki::new();
    let server = Server::start_http(pki.server_config(&Shows::default()));
    let secure = format!("https://{}/", server.address());
    let plain = Scripted::saying(redirect(302, &secure));
    module(&pki, "", "").probe("m", &plain.at("/")).holds(&[
        "probe_success 1",
        "probe_http_ssl 1",
        "probe_http_redirects 1",
        "probe_http_duration_seconds{phase=\"tls\"} > 0",
        "probe_ssl_earliest_cert_expiry",
    ]);
    let untrusting = Blackbox::start("modules: {m: {prober: http, timeout: 5s, http: {preferred_ip_protocol: ip4}}}");
    untrusting
        .probe("m", &plain.at("/"))
        .failed("tls", "certificate_untrusted")
        .holds(&["probe_http_ssl 0", "probe_http_redirects 1"]);

    let end = Scripted::saying(hello());
    let to = format!("http://{}/", end.address());
    let server = Server::start(pki.server_config(&Shows::default()), move |session| {
        while !session.line()?.is_empty() {}
        session.say(&redirect(302, &to))
    });
    module(&pki, "", "").probe("m", &format!("https://{}/", server.address())).holds(&[
        "probe_success 1",
        "probe_http_ssl 0",
        "!probe_ssl_earliest_cert_expiry",
    ]);
    assert_eq!(end.only().header("referer"), None);
}
