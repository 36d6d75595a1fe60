//! The unix prober: paths and abstract names, dialogues, and TLS over a socket that has no host name.

use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use exporter_tests::blackbox::Blackbox;
use exporter_tests::pki::{Pki, Shows};
use exporter_tests::talker::{Does, Talker, says};

const PONG: &str = "modules:
  unix: {prober: unix, timeout: 20s, unix: {query_response: [{send: PING}, {expect: ^PONG}]}}
";
const CONNECTED: [&str; 4] =
    ["probe_success 1", "probe_failed_due_to_regex 0", "probe_failed_due_to_bytes 0", "!probe_ip_protocol"];
const NOT_CONNECTED: [&str; 4] =
    ["probe_success 0", "!probe_failed_due_to_regex", "!probe_failed_due_to_bytes", "!probe_ip_protocol"];

#[test]
fn sockets_are_paths_or_abstract_names() {
    let blackbox = Blackbox::start(PONG);
    let path = blackbox.folder().join("talker");
    let script = [Does::Hears, says("PONG\n"), Does::Listens];
    let talker = Talker::start_unix(&path, script.clone());
    blackbox.probe("unix", path.to_str().unwrap()).holds(&CONNECTED).holds(&["!probe_dns_lookup_time_seconds"]);
    assert_eq!(talker.heard().bytes, b"PING\n");

    let name = format!("exporter-tests-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _talker = Talker::serve_unix(UnixListener::bind_addr(&address).unwrap(), script.to_vec());
    blackbox.probe("unix", &format!("@{name}")).holds(&CONNECTED);
}

#[test]
fn what_is_no_socket_is_not_connected_to() {
    let blackbox = Blackbox::start(PONG);
    let file = blackbox.folder().join("file");
    fs::write(&file, "").unwrap();
    let url = format!("unix://{}", file.display());
    let long = "x".repeat(200);
    for target in ["/no/such/socket", file.to_str().unwrap(), &url, "@exporter-tests-nobody", &long] {
        blackbox.probe("unix", target).holds(&NOT_CONNECTED);
    }
    let allowing = Blackbox::start_with(PONG, &["--probe.allow-network=127.0.0.0/8"], &[]);
    allowing.probe("unix", "/no/such/socket").holds(&NOT_CONNECTED).failed("connect", "forbidden");
}

#[test]
fn tls_needs_a_name_or_trust() {
    let pki = Pki::new();
    let ca = pki.path("root.pem");
    let blackbox = Blackbox::start(&format!(
        "modules:
  nameless: {{prober: unix, timeout: 20s, unix: {{tls: true, tls_config: {{ca_file: {ca}}}}}}}
  named: {{prober: unix, timeout: 20s, unix: {{tls: true, tls_config: {{ca_file: {ca}, server_name: localhost}}}}}}
  trusting: {{prober: unix, timeout: 20s, unix: {{tls: true, tls_config: {{insecure_skip_verify: true}}}}}}\n"
    ));
    let path = blackbox.folder().join("talker");
    let _talker = Talker::start_unix(&path, [Does::Secures(pki.server_config(&Shows::default())), Does::Listens]);
    let path = path.to_str().unwrap();
    blackbox.probe("nameless", path).holds(&NOT_CONNECTED).failed("tls", "certificate_name");
    for module in ["named", "trusting"] {
        blackbox.probe(module, path).holds(&CONNECTED).holds(&[
            "probe_ssl_earliest_cert_expiry > 0",
            "probe_ssl_last_chain_info",
            "probe_tls_version_info",
            "!probe_tls_cipher_info",
        ]);
    }
}
