//! The gRPC prober: what servers say of their health, what is no answer, and when there is none.

use std::net::TcpListener;

use exporter_tests::blackbox::{Blackbox, Probed};
use exporter_tests::grpc::{Health, Says};
use exporter_tests::page::metric;
use exporter_tests::pki::{Pki, Shows};
use exporter_tests::talker::{Talker, says};
use exporter_tests::upstream::DeadPort;

const MODULES: &str = "modules:
  grpc: {prober: grpc, timeout: 20s, grpc: {}}
  service: {prober: grpc, timeout: 20s, grpc: {service: some.Service}}
  brief: {prober: grpc, timeout: 1s, grpc: {}}
  bare: {prober: grpc}
  upper: {prober: grpc, timeout: 20s, grpc: {metadata: {Tenant: [a]}}}
  metadata: {prober: grpc, timeout: 20s, grpc: {metadata: {tenant: [a, b], user-agent: [x], grpc-foo: [bar]}}}
";
const STATUSES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

/// The status of the RPC, and which serving status was told, if any.
#[track_caller]
fn told(probed: &Probed, code: u8, serving: Option<&str>) {
    probed.holds(&[&format!("probe_grpc_status_code {code}"), "probe_grpc_duration_seconds{phase=\"check\"}"]);
    for status in STATUSES {
        let value = if serving == Some(status) { 1.0 } else { 0.0 };
        probed.page.has(metric("probe_grpc_healthcheck_response").label("serving_status", status).value(value));
    }
    assert_eq!(probed.succeeded(), serving == Some("SERVING"), "{}", probed.samples());
}

#[test]
fn a_service_serves_or_does_not() {
    let blackbox = Blackbox::start(MODULES);
    let serving = Health::start(Says::Health(1));
    let probed = blackbox.probe("grpc", &serving.target());
    told(&probed, 0, Some("SERVING"));
    probed.holds(&["probe_grpc_ssl 0", "probe_ip_protocol 4", "!probe_ssl_earliest_cert_expiry"]);
    let asked = serving.asked();
    assert_eq!((asked.authority, asked.path.as_str()), (serving.target(), "/grpc.health.v1.Health/Check"));
    for (name, value) in [("te", "trailers"), ("content-type", "application/grpc")] {
        assert_eq!(asked.headers[name], value);
    }
    assert_eq!(asked.service, "");
    for (number, name) in [(0, "UNKNOWN"), (2, "NOT_SERVING"), (3, "SERVICE_UNKNOWN")] {
        let server = Health::start(Says::Health(number));
        let probed = blackbox.probe("service", &server.target());
        told(&probed, 0, Some(name));
        probed.failed("check", "not_serving");
        assert_eq!(server.asked().service, "some.Service");
    }
    for number in [9, -1] {
        let probed = blackbox.probe("grpc", &Health::start(Says::Health(number)).target());
        told(&probed, 0, None);
        let other = format!("probe_grpc_healthcheck_response{{serving_status=\"{number}\"}} 1");
        probed.holds(&[&other]).failed("check", "not_serving");
    }
}

#[test]
fn targets_may_look_like_urls() {
    let blackbox = Blackbox::start(MODULES);
    let server = Health::start(Says::Health(1));
    for target in ["http://{}", "https://{}/path?query", "http://user@{}"] {
        told(&blackbox.probe("grpc", &target.replace("{}", &server.target())), 0, Some("SERVING"));
    }
    let probed = blackbox.probe("grpc", "127.0.0.1:ssh");
    probed.failed("setup", "target").holds(&[
        "!probe_ip_protocol",
        "!probe_grpc_healthcheck_response",
        "probe_grpc_duration_seconds{phase=\"resolve\"} 0",
        "!probe_grpc_duration_seconds{phase=\"check\"}",
        "probe_grpc_status_code 0",
        "probe_grpc_ssl 0",
    ]);
    told(&blackbox.probe("grpc", "127.0.0.1:65536"), 14, None);
}

#[test]
fn an_ipv6_address_is_dialed() {
    let server = Health::start_on("::1", Says::Health(1), None);
    let probed = Blackbox::start(MODULES).probe("grpc", &server.target());
    told(&probed, 0, Some("SERVING"));
    probed.holds(&["probe_ip_protocol 6", "probe_ip_addr_hash 1751717746"]);
}

#[test]
fn without_a_section_there_is_no_ipv4() {
    let server = Health::start(Says::Health(1));
    let probed = Blackbox::start(MODULES).probe("bare", &server.target());
    probed.failed("resolve", "resolve").holds(&["probe_ip_protocol 0", "!probe_grpc_healthcheck_response"]);
}

#[test]
fn what_is_no_answer_has_a_status() {
    let blackbox = Blackbox::start(MODULES);
    for (says, code) in [
        (Says::Status(5), 5),
        (Says::Status(12), 12),
        (Says::Status(16), 16),
        (Says::Status(99), 99),
        (Says::Http(404), 12),
        (Says::Http(503), 14),
        (Says::Http(200), 2),
        (Says::Reset, 13),
    ] {
        let probed = blackbox.probe("grpc", &Health::start(says).target());
        told(&probed, code, None);
        probed.failed("request", "grpc_status");
    }
}

#[test]
fn no_connection_is_status_14() {
    let blackbox = Blackbox::start(&format!(
        "{MODULES}  tls: {{prober: grpc, timeout: 20s, grpc: {{tls: true}}}}
  careless: {{prober: grpc, timeout: 20s, grpc: {{tls: true, tls_config: {{insecure_skip_verify: true}}}}}}\n"
    ));
    let probed = blackbox.probe("grpc", &DeadPort::new().address().to_string());
    told(&probed, 14, None);
    probed.failed("connect", "connect_refused");
    told(&blackbox.probe("grpc", &Talker::start([]).target()), 14, None);
    told(&blackbox.probe("grpc", &Talker::start([says("HTTP/1.1 400 Bad Request\r\n\r\n")]).target()), 14, None);
    let clear = Health::start(Says::Health(1));
    let probed = blackbox.probe("tls", &clear.target());
    told(&probed, 14, None);
    probed.holds(&["probe_grpc_ssl 0"]);
    let pki = Pki::new();
    let secure = Health::start_on("127.0.0.1", Says::Health(1), Some(pki.server_config(&Shows::default())));
    told(&blackbox.probe("grpc", &secure.target()), 14, None);
    let probed = blackbox.probe("tls", &secure.target());
    told(&probed, 14, None);
    probed.failed("tls", "certificate_untrusted").holds(&["probe_grpc_ssl 0"]);
    let probed = blackbox.probe("careless", &secure.target());
    told(&probed, 14, None);
    probed.failed("tls", "protocol").holds(&["probe_grpc_ssl 0"]);
}

#[test]
fn over_tls_certificates_are_told_of() {
    let pki = Pki::new();
    let ca = pki.path("root.pem");
    let blackbox = Blackbox::start(&format!(
        "modules:
  tls: {{prober: grpc, timeout: 20s, grpc: {{tls: true, tls_config: {{ca_file: {ca}}}}}}}
  named: {{prober: grpc, timeout: 20s, grpc: {{tls: true, tls_config: {{ca_file: {ca}, server_name: a.example.test}}}}}}
  broken: {{prober: grpc, timeout: 20s, grpc: {{tls: true, tls_config: {{ca_file: {ca}.not}}}}}}\n"
    ));
    let config = pki.server_config(&Shows { alpn: &["h2"], ..Shows::default() });
    let server = Health::start_on("127.0.0.1", Says::Health(1), Some(config.clone()));
    for (module, authority) in [("tls", "127.0.0.1"), ("named", "a.example.test")] {
        let probed = blackbox.probe(module, &server.target());
        told(&probed, 0, Some("SERVING"));
        probed.holds(&[
            "probe_grpc_ssl 1",
            "probe_ssl_last_chain_info{serialnumber=\"ab0cdef012\"} 1",
            "probe_tls_version_info{version=\"TLS 1.3\"} 1",
            "!probe_ssl_last_chain_expiry_timestamp_seconds",
            "!probe_tls_cipher_info",
        ]);
        let expiry = probed.page.value(metric("probe_ssl_earliest_cert_expiry"));
        assert!((expiry - pki.intermediate_not_after()).abs() < 1.0, "{expiry}");
        assert_eq!(server.asked().authority, authority);
    }
    let refusing = Health::start_on("127.0.0.1", Says::Status(5), Some(config));
    let probed = blackbox.probe("tls", &refusing.target());
    told(&probed, 5, None);
    probed.holds(&["probe_grpc_ssl 0", "!probe_ssl_earliest_cert_expiry", "!probe_tls_version_info"]);
    blackbox.probe("broken", &server.target()).failed("setup", "module").holds(&["!probe_ip_protocol"]);
}

#[test]
fn metadata_is_sent_where_it_may_be() {
    let blackbox = Blackbox::start(MODULES);
    let server = Health::start(Says::Health(1));
    told(&blackbox.probe("upper", &server.target()), 13, None);
    assert!(server.was_left_alone());
    told(&blackbox.probe("metadata", &server.target()), 0, Some("SERVING"));
    let headers = server.asked().headers;
    assert_eq!(headers.get_all("tenant").iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(headers["grpc-foo"], "bar");
    assert_ne!(headers["user-agent"], "x");
}

#[test]
fn the_deadline_ends_what_would_not_end() {
    let blackbox = Blackbox::start(MODULES);
    let probed = blackbox.probe("brief", &Health::start(Says::Nothing).target());
    told(&probed, 4, None);
    probed.failed("request", "deadline");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let probed = blackbox.probe("brief", &silent.local_addr().unwrap().to_string());
    probed.failed("request", "deadline").holds(&["probe_grpc_duration_seconds{phase=\"check\"}"]);
}
