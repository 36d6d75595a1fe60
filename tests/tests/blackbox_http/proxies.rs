use std::ffi::OsStr;

use exporter_tests::blackbox::Blackbox;
use exporter_tests::pki::{Pki, Server, Shows};
use exporter_tests::upstream::DeadPort;

use super::scripted::{Scripted, Then, answer, hello};

fn module(http: &str) -> Blackbox {
    Blackbox::start(&format!(
        "modules: {{m: {{prober: http, timeout: 1s, http: {{preferred_ip_protocol: ip4, {http}}}}}}}"
    ))
}

#[test]
fn a_proxy_gets_the_whole_url() {
    let proxy = Scripted::saying(hello());
    let exporter = module(&format!("proxy_url: 'http://u:p@{}'", proxy.address()));
    exporter.probe("m", "http://localhost:9/x?y").holds(&["probe_success 1", "probe_ip_protocol 4"]);
    let asked = proxy.only();
    assert_eq!(asked.line(), "GET http://localhost:9/x?y");
    assert_eq!(asked.header("host"), Some("localhost:9"));
    assert_eq!(asked.header("proxy-authorization"), Some("Basic dTpw"));

    exporter.probe("m", "http://does-not-exist.invalid/").failed("resolve", "resolve");
    assert!(proxy.asked().is_empty());
}

#[test]
fn a_proxy_may_resolve_names() {
    let proxy = Scripted::start(|asked| match asked.line().starts_with("CONNECT ") {
        true => answer(403, "", ""),
        false => hello(),
    });
    let exporter = module(&format!("proxy_url: 'http://{}', skip_resolve_phase_with_proxy: true", proxy.address()));
    exporter.probe("m", "does-not-exist.invalid").holds(&[
        "probe_success 1",
        "!probe_ip_protocol",
        "!probe_ip_addr_hash",
        "!probe_dns_lookup_time_seconds",
        "!probe_http_duration_seconds{phase=\"resolve\"}",
        "probe_http_duration_seconds{phase=\"connect\"} > 0",
    ]);
    assert_eq!(proxy.only().line(), "GET http://does-not-exist.invalid/");
    // A tunnel is asked for by name as well.
    exporter.probe("m", "https://does-not-exist.invalid/").failed("proxy", "proxy").holds(&[
        "!probe_ip_protocol",
        "!probe_dns_lookup_time_seconds",
        "!probe_http_duration_seconds{phase=\"resolve\"}",
    ]);
    assert_eq!(proxy.only().line(), "CONNECT does-not-exist.invalid:443");
    let server = Scripted::saying(hello());
    module("skip_resolve_phase_with_proxy: true")
        .probe("m", &server.at(""))
        .holds(&["probe_success 1", "probe_ip_protocol 4"]);
}

#[test]
fn some_targets_need_no_proxy() {
    let (proxy, server) = (Scripted::saying(hello()), Scripted::saying(hello()));
    let target = format!("localhost:{}", server.port());
    for no_proxy in ["127.0.0.1", "localhost", "127.0.0.0/8", "example.test"] {
        module(&format!("proxy_url: 'http://{}', no_proxy: '{no_proxy}'", proxy.address()))
            .probe("m", &target)
            .holds(&["probe_success 1"]);
        // Loopback addresses never do, once anything is said about it.
        assert_eq!((proxy.asked().len(), server.asked().len()), (0, 1), "{no_proxy}");
    }
    let address = format!("http://{}", proxy.address());
    let yaml = "modules: {m: {prober: http, timeout: 1s, http: {proxy_from_environment: true, skip_resolve_phase_with_proxy: true}}}";
    let exporter = Blackbox::start_with(
        yaml,
        &[],
        &[("HTTP_PROXY", OsStr::new(&address)), ("NO_PROXY", OsStr::new("inside.test"))],
    );
    exporter.probe("m", &server.at("")).holds(&["probe_success 1"]);
    assert_eq!((proxy.asked().len(), server.asked().len()), (0, 1));
    exporter.probe("m", "outside.test").holds(&["probe_success 1"]);
    assert_eq!(proxy.asked().len(), 1);
}

#[test]
fn proxies_that_refuse() {
    let dead = DeadPort::new();
    module(&format!("proxy_url: 'http://{}'", dead.address()))
        .probe("m", "http://127.0.0.1:9/")
        .failed("connect", "connect_refused")
        .holds(&["probe_http_status_code 0", "probe_http_duration_seconds{phase=\"connect\"} 0"]);
    let proxy = Scripted::saying(answer(403, "", "no"));
    let headers = "proxy_connect_header: {X-P: [a, b]}";
    let exporter = module(&format!("proxy_url: 'http://u:p@{}', {headers}, headers: {{X-A: c}}", proxy.address()));
    exporter.probe("m", "https://localhost:9/").failed("proxy", "proxy").holds(&["probe_http_status_code 0"]);
    let asked = proxy.only();
    assert_eq!((asked.line(), asked.all("x-p"), asked.header("x-a")), ("CONNECT 127.0.0.1:9", vec!["a", "b"], None));
    assert_eq!(asked.header("proxy-authorization"), Some("Basic dTpw"));
    exporter.probe("m", "http://localhost:9/").failed("check", "status");
    assert!(proxy.only().all("x-p").is_empty());
}

/// Copies bytes both ways.
fn join(a: &std::net::TcpStream, b: &std::net::TcpStream) {
    let (mut from, mut to) = (a.try_clone().unwrap(), b.try_clone().unwrap());
    std::thread::spawn(move || drop(std::io::copy(&mut from, &mut to)));
    let (mut from, mut to) = (b.try_clone().unwrap(), a.try_clone().unwrap());
    drop(std::io::copy(&mut from, &mut to));
}

#[test]
fn tunnels() {
    use std::io::{Read, Write};
    let pki = Pki::new();
    let server = Server::start_http(pki.server_config(&Shows::default()));
    let address = server.address();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut first = [0];
            stream.peek(&mut first).unwrap();
            if first[0] == 5 {
                // Version 5, no user; then CONNECT to an IPv4 address.
                let mut greeting = [0; 3];
                stream.read_exact(&mut greeting).unwrap();
                stream.write_all(&[5, 0]).unwrap();
                let mut request = [0; 4];
                stream.read_exact(&mut request).unwrap();
                let rest = if request[3] == 1 { 6 } else { panic!("{request:?}") };
                stream.read_exact(&mut [0; 6][..rest]).unwrap();
                stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
            } else {
                let asked = super::scripted::read(&mut stream).unwrap();
                assert_eq!(asked.line(), format!("CONNECT 127.0.0.1:{}", address.port()));
                stream.write_all(b"HTTP/1.1 200 Go\r\n\r\n").unwrap();
            }
            join(&stream, &std::net::TcpStream::connect(address).unwrap());
        }
    });
    for scheme in ["http", "socks5", "socks5h"] {
        let tls = format!("tls_config: {{ca_file: {}}}", pki.path("root.pem"));
        module(&format!("proxy_url: '{scheme}://{proxy}', {tls}"))
            .probe("m", &format!("https://localhost:{}/", address.port()))
            .holds(&["probe_success 1", "probe_http_ssl 1", "probe_ssl_earliest_cert_expiry"]);
    }
}

#[test]
fn tokens() {
    let server = Scripted::saying(hello());
    let token = Scripted::saying(answer(
        200,
        "Content-Type: application/json\r\n",
        r#"{"access_token":"t0","token_type":"bearer"}"#,
    ));
    let oauth2 = |address: &std::net::SocketAddr, more: &str| {
        module(&format!(
            "oauth2: {{client_id: 'c d', client_secret: s, token_url: 'http://{address}/token', scopes: [a, b]{more}}}"
        ))
    };
    oauth2(&token.address(), ", endpoint_params: {x: 'y z'}").probe("m", &server.at("")).holds(&["probe_success 1"]);
    let asked = token.only();
    assert_eq!((asked.line(), asked.header("authorization")), ("POST /token", Some("Basic YytkOnM=")));
    assert_eq!(asked.body, "grant_type=client_credentials&scope=a+b&x=y+z");
    assert!(asked.header("user-agent").unwrap().starts_with("Blackbox-Exporter/"));
    assert_eq!(server.only().header("authorization"), Some("Bearer t0"));

    let client = format!("client_id: c, client_secret: s, token_url: 'http://{}/token'", token.address());
    module(&format!("headers: {{Authorization: own}}, oauth2: {{{client}}}")).probe("m", &server.at(""));
    let sent = server.only();
    assert!(sent.header("authorization").is_some_and(|value| value.starts_with("Bearer t")), "{}", sent.head);

    let refuses = Scripted::saying(answer(401, "", "no"));
    oauth2(&refuses.address(), "")
        .probe("m", &server.at(""))
        .failed("token", "token")
        .holds(&["probe_http_status_code 0"]);
    let asked = refuses.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!((asked[0].body.contains("client_id"), asked[1].header("authorization")), (false, None));
    assert!(asked[1].body.ends_with("&client_id=c+d&client_secret=s"), "{}", asked[1].body);

    let silent = Scripted::start_then(|_| (Vec::new(), Then::Silence));
    oauth2(&silent.address(), "").probe("m", &server.at("")).failed("token", "deadline");
    oauth2(&token.address(), ", endpoint_params: {scope: z}").probe("m", &server.at("")).failed("token", "token");
    assert!(server.asked().is_empty());
}
