//! Which address of a name is probed, with a file of hosts of this test's own.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::mpsc::channel;

use exporter_tests::blackbox::Blackbox;
use exporter_tests::namespace;
use exporter_tests::skip::skip;
use exporter_tests::upstream::{Answer, Upstream};
use rustix::mount::mount_bind;

const HOSTS: &str = "127.0.0.1 localhost
::1 dual.test
127.0.0.2 dual.test
127.0.0.3 dual.test
127.0.0.2 four.test
127.0.0.3 four.test
127.0.0.4 four.test
::1 six.test
::2 six.test
";
const MODULES: &str = "
modules:
  default: {prober: tcp, timeout: 20s}
  four: {prober: tcp, timeout: 20s, tcp: {preferred_ip_protocol: ip4}}
  four_alone: {prober: tcp, timeout: 20s, tcp: {preferred_ip_protocol: ip4, ip_protocol_fallback: false}}
  six_alone: {prober: tcp, timeout: 20s, tcp: {preferred_ip_protocol: ip6, ip_protocol_fallback: false}}
  web: {prober: http, timeout: 20s, http: {preferred_ip_protocol: ip4}}
";

/// Whether this is the namespace where names are those of [`HOSTS`].
fn entered(test: &str) -> bool {
    if !namespace::entered(test) {
        return false;
    }
    let hosts = tempfile::NamedTempFile::new().unwrap();
    fs::write(hosts.path(), HOSTS).unwrap();
    if let Err(e) = mount_bind(hosts.path(), "/etc/hosts") {
        skip(test, &format!("/etc/hosts cannot be covered: {e}"));
        return false;
    }
    true
}

#[test]
fn the_first_address_of_the_family_that_is_wanted() {
    if !entered("the_first_address_of_the_family_that_is_wanted") {
        return;
    }
    let blackbox = Blackbox::start(MODULES);
    let (v6, v4, v4_first) = (1_751_717_746_u32, 3_618_585_652, 3_668_918_509);
    for (module, host, protocol, hash) in [
        ("default", "dual.test", 6, v6),
        ("four", "dual.test", 4, v4),
        ("four_alone", "dual.test", 4, v4),
        ("six_alone", "dual.test", 6, v6),
        // The Go exporter takes the last of the family that is not wanted.
        ("default", "four.test", 4, v4),
        ("four", "four.test", 4, v4),
        ("four_alone", "four.test", 4, v4),
        ("six_alone", "four.test", 0, 0),
        ("default", "six.test", 6, v6),
        ("four", "six.test", 6, v6),
        ("four_alone", "six.test", 0, 0),
        ("default", "[::ffff:127.0.0.1]", 4, v4_first),
        ("six_alone", "[::ffff:127.0.0.1]", 0, 0),
        ("default", "127.0.0.1", 4, v4_first),
        ("six_alone", "127.0.0.1", 0, 0),
        ("four_alone", "[::1]", 0, 0),
        ("default", "[::1]", 6, v6),
    ] {
        let probed = blackbox.probe(module, &format!("{host}:1"));
        probed.holds(&[
            "probe_success 0",
            &format!("probe_ip_protocol {protocol}"),
            &format!("probe_ip_addr_hash {hash}"),
            "probe_dns_lookup_time_seconds",
        ]);
        if protocol == 0 {
            probed.failed("resolve", "resolve");
        }
    }
}

/// The Go exporter forgets on a redirect which family is wanted.
#[test]
fn redirects_keep_to_the_family() {
    if !entered("redirects_keep_to_the_family") {
        return;
    }
    let end = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), 0)).unwrap();
    let port = end.local_addr().unwrap().port();
    // Who asked for IPv6 would find somebody, too.
    let other = TcpListener::bind(("::1", port)).unwrap();
    let (told, came) = channel();
    for (listener, name) in [(end, "IPv4"), (other, "IPv6")] {
        let told = told.clone();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            told.send(name).unwrap();
            std::io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
            // Until the client has gone.
            drop(std::io::copy(&mut stream, &mut std::io::sink()));
        });
    }
    let to = format!("http://dual.test:{port}/");
    let start = Upstream::start(Answer::status(302, "").header("Location", &to));
    let probed = Blackbox::start(MODULES).probe("web", &format!("http://localhost:{}/", start.address().port()));
    probed.holds(&["probe_success 1", "probe_http_redirects 1"]);
    assert_eq!(came.recv().unwrap(), "IPv4");
}
