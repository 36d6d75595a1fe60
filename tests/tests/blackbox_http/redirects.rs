use exporter_tests::blackbox::Blackbox;
use exporter_tests::upstream::{Answer, DeadPort, Upstream};

use super::scripted::{Asked, Scripted, answer, hello, redirect};

fn module(http: &str) -> Blackbox {
    Blackbox::start(&format!(
        "modules: {{m: {{prober: http, timeout: 5s, http: {{preferred_ip_protocol: ip4, {http}}}}}}}"
    ))
}

/// Redirects by path: `/<status>/<where>`, `/chain/<n>`; everything else is `hello`.
fn maze(asked: &Asked) -> Vec<u8> {
    let mut parts = asked.path().trim_start_matches('/').splitn(2, '/');
    match (parts.next().unwrap_or_default(), parts.next().unwrap_or_default()) {
        ("chain", "0") => hello(),
        ("chain", n) => redirect(302, &format!("/chain/{}", n.parse::<u32>().unwrap() - 1)),
        ("loop", _) => redirect(301, "/loop"),
        ("cookie", to) => answer(302, &format!("Set-Cookie: a=1; Path=/\r\nLocation: {to}\r\n"), ""),
        (status, to) if !to.is_empty() => redirect(status.parse().unwrap(), to),
        ("302", _) => answer(302, "", "hello"),
        _ => hello(),
    }
}

#[test]
fn which_are_followed() {
    let server = Scripted::start(maze);
    let exporter = module("");
    for (path, success, status, redirects) in [
        ("/302//", 1, 200, 1),
        ("/chain/10", 1, 200, 10),
        ("/chain/11", 0, 302, 11),
        ("/loop", 0, 301, 11),
        ("/300//", 0, 300, 0),
        ("/305//", 0, 305, 0),
        ("/304//", 0, 304, 0),
        ("/302", 0, 302, 0),
        ("/302/http://[::1", 0, 0, 0),
        ("/302/ftp://127.0.0.1/", 0, 0, 1),
    ] {
        exporter.probe("m", &server.at(path)).holds(&[
            &format!("probe_success {success}"),
            &format!("probe_http_status_code {status}"),
            &format!("probe_http_redirects {redirects}"),
        ]);
    }
    exporter.probe("m", &server.at("/302/ftp://127.0.0.1/")).failed("check", "redirect");
    exporter
        .probe("m", &server.at("/302"))
        .holds(&["probe_http_content_length 5", "probe_http_uncompressed_body_length 5"]);
    server.asked();
    exporter.probe("m", &server.at("/302//")).holds(&["probe_success 1"]);
    let asked = server.asked();
    assert_eq!(asked[1].header("referer"), Some(format!("http://{}", server.at("/302//")).as_str()));

    let refuses = module("follow_redirects: false");
    refuses.probe("m", &server.at("/302//")).failed("check", "status").holds(&[
        "probe_http_status_code 302",
        "probe_http_content_length 11",
        "probe_http_uncompressed_body_length 0",
        "probe_http_redirects 1",
    ]);
}

#[test]
fn each_hop_has_a_connection_of_its_own() {
    let server = Upstream::start(Answer::text("hello"));
    server.set_path("/away", Answer::status(302, "").header("Location", "/"));
    module("").probe("m", &server.url("/away")).holds(&["probe_success 1", "probe_http_redirects 1"]);
    assert_eq!(server.connections(), 2);
}

#[test]
fn methods_and_bodies() {
    let server = Scripted::start(maze);
    let post = "method: POST, body: abc, headers: {Content-Type: x/y}";
    for (http, status, line, body, kind) in [
        (post, 301, "GET /to", "", None),
        (post, 302, "GET /to", "", None),
        (post, 303, "GET /to", "", None),
        (post, 307, "POST /to", "abc", Some("x/y")),
        (post, 308, "POST /to", "abc", Some("x/y")),
        ("method: HEAD", 303, "HEAD /to", "", None),
    ] {
        module(http).probe("m", &server.at(&format!("/{status}//to")));
        let asked = server.asked();
        let last = &asked[1];
        assert_eq!((last.line(), last.body.as_str(), last.header("content-type")), (line, body, kind), "{status}");
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "abc").unwrap();
    module(&format!("method: POST, body_file: {}", file.path().display())).probe("m", &server.at("/307//to")).holds(&[
        "probe_success 0",
        "probe_http_status_code 307",
        "probe_http_redirects 0",
    ]);
}

#[test]
fn a_way_that_ends_nowhere_keeps_what_was_measured() {
    let server = Scripted::start(maze);
    let dead = DeadPort::new();
    let target = server.at(&format!("/302/http://{}/", dead.address()));
    module("").probe("m", &target).failed("connect", "connect_refused").holds(&[
        "probe_http_status_code 0",
        "probe_http_redirects 1",
        "probe_http_duration_seconds{phase=\"connect\"} > 0",
        "probe_http_duration_seconds{phase=\"processing\"} > 0",
        "probe_http_duration_seconds{phase=\"transfer\"} 0",
    ]);
}

#[test]
fn oneself_keeps_cookies_and_credentials() {
    let server = Scripted::start(maze);
    let exporter = module("basic_auth: {username: u, password: p}");
    let port = server.port();
    for (to, sent) in [
        ("/".to_owned(), true),
        (format!("http://localhost:{port}/"), true),
        (format!("http://LOCALHOST:{port}/"), true),
        (format!("http://127.0.0.1:{port}/"), true),
        (format!("//localhost:{port}/"), true),
        (format!("http://127.0.0.2:{port}/"), false),
    ] {
        // Whether 127.0.0.2 answers does not matter: what is asked of 127.0.0.1 does.
        exporter.probe("m", &format!("http://localhost:{port}/cookie/{to}"));
        let asked = server.asked();
        if sent {
            assert_eq!(asked[1].header("cookie"), Some("a=1"), "{to}");
            assert_eq!(asked[1].header("authorization"), Some("Basic dTpw"), "{to}");
        } else {
            assert_eq!(asked.len(), 1, "{to}");
        }
    }
}

#[test]
fn strangers_see_no_credentials() {
    let (server, stranger) = (Scripted::start(maze), Scripted::saying(hello()));
    let to = format!("http://a.localhost:{}/", stranger.port());
    let target = format!("http://127.0.0.1:{}/cookie/{to}", server.port());
    let own = "headers: {Authorization: mine, Cookie: z=9, X-A: b}";
    for http in ["basic_auth: {username: u, password: p}", "authorization: {credentials: c}", own] {
        let exporter = module(http);
        exporter.probe("m", &target).holds(&["probe_success 1", "probe_http_redirects 1"]);
        let asked = stranger.only();
        assert_eq!((asked.header("authorization"), asked.header("cookie")), (None, None), "{http}");
        assert!(server.only().header("authorization").is_some(), "{http}");
        assert_eq!(asked.header("x-a"), (http == own).then_some("b"));
    }
}

#[test]
fn a_host_of_ones_own_is_for_relative_redirects() {
    let server = Scripted::start(maze);
    let exporter = module("headers: {Host: own.test}");
    exporter.probe("m", &server.at("/302//to"));
    assert_eq!(server.asked()[1].header("host"), Some("own.test"));
    exporter.probe("m", &server.at(&format!("/302/http://{}", server.at("/to"))));
    assert_eq!(server.asked()[1].header("host"), Some(server.at("").as_str()));
}
