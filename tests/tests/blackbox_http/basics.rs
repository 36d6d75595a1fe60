use exporter_tests::blackbox::{Blackbox, Probed};
use exporter_tests::upstream::DeadPort;

use super::scripted::{Scripted, Then, answer, hello};

/// Probes a server that always says `bytes`, with a module of these settings.
#[track_caller]
fn probe(http: &str, bytes: impl Into<Vec<u8>>) -> Probed {
    let server = Scripted::saying(bytes);
    module(http).probe("m", &server.at("/"))
}

fn module(http: &str) -> Blackbox {
    Blackbox::start(&format!("modules: {{m: {{prober: http, timeout: 5s, http: {{{http}}}}}}}"))
}

#[test]
fn a_page_that_is_there() {
    let server = Scripted::saying(hello());
    let exporter = module("");
    exporter.probe("m", &server.at("")).holds(&[
        "probe_success 1",
        "probe_http_status_code 200",
        "probe_http_content_length 5",
        "probe_http_uncompressed_body_length 5",
        "probe_http_redirects 0",
        "probe_http_ssl 0",
        "probe_http_version 1.1",
        "probe_failed_due_to_regex 0",
        "probe_ip_protocol 4",
        "probe_http_duration_seconds{phase=\"resolve\"}",
        "probe_http_duration_seconds{phase=\"connect\"} > 0",
        "probe_http_duration_seconds{phase=\"tls\"} 0",
        "probe_http_duration_seconds{phase=\"processing\"} > 0",
        "probe_http_duration_seconds{phase=\"transfer\"} > 0",
        "!probe_failed_due_to_cel",
        "!probe_http_last_modified_timestamp_seconds",
        "!probe_ssl_earliest_cert_expiry",
        "!probe_failure_info",
    ]);
    let asked = server.only();
    assert_eq!(asked.line(), "GET /");
    assert_eq!(asked.header("host"), Some(server.at("").as_str()));
    assert!(asked.header("user-agent").unwrap().starts_with("Blackbox-Exporter/"));
    assert_eq!(asked.header("connection"), Some("close"));
    assert_eq!(asked.head.lines().count(), 4, "{}", asked.head);
    assert!(asked.head.contains("\r\nUser-Agent: "), "names are written as usual: {}", asked.head);
}

#[test]
fn lengths_and_statuses() {
    let ok = "HTTP/1.1 200 OK\r\n";
    for (bytes, want) in [
        (
            format!("{ok}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"),
            ["1", "200", "-1", "11", "1.1"],
        ),
        (format!("{ok}\r\nuntil the end."), ["1", "200", "-1", "14", "1.1"]),
        ("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc".to_owned(), ["1", "200", "3", "3", "1"]),
        ("HTTP/1.1 204 No\r\n\r\n".to_owned(), ["1", "204", "0", "0", "1.1"]),
        ("HTTP/1.1 304 No\r\n\r\n".to_owned(), ["0", "304", "0", "0", "1.1"]),
        (format!("{ok}Content-Length: 100\r\n\r\nhello"), ["0", "200", "100", "5", "1.1"]),
        (format!("HTTP/1.1 100 C\r\n\r\n{}", String::from_utf8(hello()).unwrap()), ["1", "200", "5", "5", "1.1"]),
        (format!("HTTP/1.1 103 E\r\nLink: x\r\n\r\n{ok}\r\n"), ["1", "200", "-1", "0", "1.1"]),
        ("HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n".to_owned(), ["0", "101", "0", "0", "1.1"]),
        (format!("{ok}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"), ["1", "200", "5", "5", "1.1"]),
        (format!("{ok}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"), ["0", "0", "0", "0", "0"]),
        (format!("{ok}Content-Length: five\r\n\r\nhello"), ["0", "0", "0", "0", "0"]),
        ("HTTP/1.1 200 OK\nContent-Length: 5\n\nhello".to_owned(), ["1", "200", "5", "5", "1.1"]),
        ("HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello".to_owned(), ["1", "200", "5", "5", "1.1"]),
        ("HTTP/2 200 OK\r\n\r\n".to_owned(), ["0", "0", "0", "0", "0"]),
        ("HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno".to_owned(), ["0", "404", "2", "2", "1.1"]),
    ] {
        let [success, status, length, body, version] = want;
        probe("", bytes).holds(&[
            &format!("probe_success {success}"),
            &format!("probe_http_status_code {status}"),
            &format!("probe_http_content_length {length}"),
            &format!("probe_http_uncompressed_body_length {body}"),
            &format!("probe_http_version {version}"),
        ]);
    }
}

#[test]
fn numbers_are_written_as_go_writes_them() {
    for (size, text) in [(999_999, "999999"), (1_000_000, "1e+06"), (1_234_567, "1.234567e+06")] {
        let probed = probe("", answer(200, "", vec![b'x'; size]));
        assert!(probed.text.contains(&format!("\nprobe_http_content_length {text}\n")), "{}", probed.samples());
    }
}

#[test]
fn no_answer_and_why() {
    probe("", "").failed("request", "closed").holds(&[
        "probe_http_status_code 0",
        "probe_http_duration_seconds{phase=\"connect\"} > 0",
        "probe_http_duration_seconds{phase=\"processing\"} 0",
    ]);
    probe("", "GARBAGE").holds(&[
        "probe_success 0",
        "probe_http_status_code 0",
        "probe_http_duration_seconds{phase=\"processing\"} > 0",
        "probe_http_duration_seconds{phase=\"transfer\"} 0",
    ]);
    probe("", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello").failed("transfer", "cut_short");
    let mut large = b"HTTP/1.1 200 OK\r\nX-A: ".to_vec();
    large.resize(11 << 20, b'a');
    probe("", large).failed("request", "protocol").holds(&["probe_http_status_code 0"]);

    let dead = DeadPort::new();
    module("").probe("m", &dead.address().to_string()).failed("connect", "connect_refused").holds(&[
        "probe_http_status_code 0",
        "probe_http_duration_seconds{phase=\"connect\"} 0",
        "probe_http_duration_seconds{phase=\"tls\"} 0",
        "probe_http_duration_seconds{phase=\"processing\"} 0",
        "probe_http_duration_seconds{phase=\"transfer\"} 0",
    ]);
}

#[test]
fn targets_that_are_none() {
    let exporter = module("");
    for target in [
        "http://127.0.0.1:abc/",
        "http://a b/",
        "http://[::1",
        "http://127.0.0.1/%zz",
        "http://127.0.0.1%3A80/",
        "http://[127.0.0.1]/",
    ] {
        exporter.probe("m", target).failed("setup", "target").holds(&[
            "probe_http_status_code 0",
            "!probe_ip_protocol",
            "!probe_ip_addr_hash",
            "!probe_dns_lookup_time_seconds",
            "!probe_http_duration_seconds",
        ]);
    }
    exporter.probe("m", "http://").failed("resolve", "resolve").holds(&[
        "probe_ip_protocol 0",
        "probe_ip_addr_hash 0",
        "probe_dns_lookup_time_seconds",
        "probe_http_duration_seconds{phase=\"resolve\"}",
        "!probe_http_duration_seconds{phase=\"connect\"}",
    ]);
}

#[test]
fn a_name_that_nobody_knows() {
    module("").probe("m", "http://does-not-exist.invalid:1/").holds(&[
        "probe_success 0",
        "probe_failure_info{phase=\"resolve\"} 1",
        "probe_http_status_code 0",
        "probe_ip_protocol 0",
        "probe_ip_addr_hash 0",
        "probe_dns_lookup_time_seconds > 0",
        "probe_http_duration_seconds{phase=\"resolve\"} > 0",
        "!probe_http_duration_seconds{phase=\"connect\"}",
        "!probe_http_duration_seconds{phase=\"tls\"}",
        "!probe_http_duration_seconds{phase=\"processing\"}",
        "!probe_http_duration_seconds{phase=\"transfer\"}",
    ]);
}

#[test]
fn http2_in_the_clear_is_not_spoken() {
    let server = exporter_tests::grpc::Health::start(exporter_tests::grpc::Says::Http(200));
    module("").probe("m", &format!("http://{}/", server.target())).holds(&[
        "probe_success 0",
        "probe_http_status_code 0",
        "probe_http_version 0",
        "probe_http_duration_seconds{phase=\"connect\"} > 0",
    ]);
    assert!(server.was_left_alone());
}

#[test]
fn the_deadline_leaves_what_was_measured() {
    let yaml = "modules: {m: {prober: http, timeout: 1s}, r: {prober: http, timeout: 1s, http: {fail_if_body_matches_regexp: [x]}}}";
    let exporter = Blackbox::start(yaml);
    let server = Scripted::start_then(|asked| match asked.path() {
        "/half" => (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello".to_vec(), Then::Silence),
        _ => (Vec::new(), Then::Silence),
    });
    exporter.probe("m", &server.at("/half")).failed("transfer", "deadline").holds(&[
        "probe_http_status_code 200",
        "probe_http_uncompressed_body_length 5",
        "probe_failed_due_to_regex 0",
        "probe_http_duration_seconds{phase=\"transfer\"} > 0.5",
        "probe_duration_seconds > 0.9",
    ]);
    exporter.probe("r", &server.at("/half")).failed("transfer", "deadline").holds(&["probe_failed_due_to_regex 1"]);
    exporter.probe("m", &server.at("/never")).failed("request", "deadline").holds(&[
        "probe_http_status_code 0",
        "probe_http_version 0",
        "probe_http_content_length 0",
        "probe_http_duration_seconds{phase=\"connect\"} > 0",
        "probe_http_duration_seconds{phase=\"processing\"} 0",
    ]);
}

#[test]
fn last_modified() {
    let at = |date: &str| probe("", answer(200, &format!("Last-Modified: {date}\r\n"), ""));
    for date in ["Wed, 21 Oct 2015 07:28:00 GMT", "Wednesday, 21-Oct-15 07:28:00 GMT", "Wed Oct 21 07:28:00 2015"] {
        at(date).holds(&["probe_http_last_modified_timestamp_seconds 1445412480"]);
    }
    for date in ["yesterday", "Wed, 21 Oct 2015 07:28:00 +0200"] {
        at(date).holds(&["probe_success 1", "!probe_http_last_modified_timestamp_seconds"]);
    }
}

#[test]
fn what_is_sent_for_a_target() {
    let server = Scripted::saying(hello());
    let exporter = module("");
    for (target, line, authorization) in [
        (server.at("/x?a=b&c=%20d#frag"), "GET /x?a=b&c=%20d", None),
        (format!("HTTP://{}", server.at("/a b/%2F/..")), "GET /a%20b/%2F/..", None),
        (format!("us:pw@{}", server.at("")), "GET /", Some("Basic dXM6cHc=")),
    ] {
        exporter.probe("m", &target).holds(&["probe_success 1"]);
        let asked = server.only();
        assert_eq!((asked.line(), asked.header("authorization")), (line, authorization), "{target}");
    }
}

/// What a module of these settings sends.
#[track_caller]
fn sent(http: &str) -> super::scripted::Asked {
    let server = Scripted::saying(hello());
    module(http).probe("m", &server.at("")).holds(&["probe_success 1"]);
    server.only()
}

#[test]
fn methods_bodies_and_headers() {
    let asked = sent("method: POST, body: abc=def");
    assert_eq!((asked.line(), asked.header("content-length"), asked.body.as_str()), ("POST /", Some("7"), "abc=def"));
    assert_eq!(sent("method: POST").header("content-length"), Some("0"));
    assert_eq!(sent("method: get").line(), "get /");
    assert_eq!(sent("headers: {User-Agent: my ua}").header("user-agent"), Some("my ua"));
    assert_eq!(sent("headers: {user-agent: ''}").header("user-agent"), None);
    assert_eq!(sent("authorization: {}").header("authorization"), Some("Bearer"));
    assert_eq!(sent("compression: identity").header("accept-encoding"), None);
    let asked = sent("headers: {Connection: keep-alive, Content-Length: '7'}");
    assert_eq!(asked.all("connection"), ["keep-alive", "close"]);
    assert_eq!(asked.header("content-length"), None);

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("text");
    std::fs::write(&file, " from a file \n").unwrap();
    let file = file.display();
    let asked = sent(&format!("method: POST, body_file: {file}"));
    assert_eq!((asked.header("transfer-encoding"), asked.header("content-length")), (Some("chunked"), None));
    assert!(asked.body.contains(" from a file "), "{}", asked.body);
    let asked = sent(&format!("body_file: {file}"));
    assert_eq!((asked.line(), asked.header("transfer-encoding")), ("GET /", Some("chunked")));
    assert!(asked.body.contains(" from a file "), "{}", asked.body);
    let asked = sent("headers: {Authorization: ''}, bearer_token: t");
    assert_eq!(asked.header("authorization"), Some("Bearer t"));
    let asked = sent("headers: {Authorization: own, Trailer: x}, bearer_token_file: /does/not/exist");
    assert_eq!((asked.header("authorization"), asked.header("trailer")), (Some("own"), None));
    let further = format!("X-A: {{values: [v1, v2], secrets: [s], files: [{file}]}}");
    let asked = sent(&format!("headers: {{X-A: h}}, http_headers: {{{further}}}"));
    assert_eq!(asked.all("x-a"), ["h", "v1", "v2", "s", "from a file"]);
    let asked = sent(&format!("basic_auth: {{username: u, password_file: {file}}}"));
    assert_eq!(asked.header("authorization"), Some("Basic dTpmcm9tIGEgZmlsZQ=="));
}

#[test]
fn what_cannot_be_sent() {
    let server = Scripted::saying(hello());
    for (http, phases) in [
        ("body_file: /does/not/exist", false),
        ("method: 'FOO BAR'", false),
        ("headers: {'a b': x}", true),
        ("headers: {X-A: \"x\\ny\"}", true),
        ("basic_auth: {username: u, password_file: /does/not/exist}", true),
    ] {
        let probed = module(http).probe("m", &server.at(""));
        probed.failed("setup", "module").holds(&[
            "probe_http_status_code 0",
            "probe_http_duration_seconds{phase=\"resolve\"}",
            if phases {
                "probe_http_duration_seconds{phase=\"connect\"} 0"
            } else {
                "!probe_http_duration_seconds{phase=\"connect\"}"
            },
        ]);
        assert!(server.asked().is_empty(), "{http}");
    }
}

#[test]
fn heads_alone() {
    probe("method: HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").holds(&[
        "probe_success 1",
        "probe_http_content_length 5",
        "probe_http_uncompressed_body_length 0",
    ]);
    probe("method: HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        .holds(&["probe_http_content_length -1"]);
}
