use std::io::Write;

use exporter_tests::blackbox::{Blackbox, Probed};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use super::scripted::{Scripted, answer, hello, redirect};

#[track_caller]
fn probe(http: &str, bytes: impl Into<Vec<u8>>) -> Probed {
    let server = Scripted::saying(bytes);
    Blackbox::start(&format!("modules:\n  m:\n    prober: http\n    http: {{{http}}}\n")).probe("m", &server.at("/"))
}

/// Checks success, and the two families about rules; `-` is absent.
#[track_caller]
fn check(http: &str, bytes: impl Into<Vec<u8>>, success: u8, regex: u8, cel: &str) {
    let cel = if cel == "-" { "!probe_failed_due_to_cel".to_owned() } else { format!("probe_failed_due_to_cel {cel}") };
    probe(http, bytes).holds(&[
        &format!("probe_success {success}"),
        &format!("probe_failed_due_to_regex {regex}"),
        &cel,
    ]);
}

#[test]
fn statuses_and_versions() {
    check("valid_status_codes: [404]", answer(404, "", ""), 1, 0, "-");
    check("valid_status_codes: [404]", hello(), 0, 0, "-");
    probe("valid_http_versions: [HTTP/1.1]", "HTTP/1.0 200 OK\r\n\r\n").failed("check", "version");
    probe("valid_status_codes: [404]", hello()).failed("check", "status");
}

#[test]
fn bodies() {
    let odd = answer(200, "", b"\xff\xfe abc \nabc\nline2");
    check("fail_if_body_matches_regexp: [hello]", hello(), 0, 1, "-");
    check("fail_if_body_matches_regexp: [hello]", answer(404, "", "hello"), 0, 0, "-");
    check("fail_if_body_not_matches_regexp: [zzz]", hello(), 0, 1, "-");
    check("fail_if_body_not_matches_regexp: ['abc$']", odd.clone(), 0, 1, "-");
    check("fail_if_body_not_matches_regexp: ['(?m)abc$']", odd, 1, 0, "-");
    probe("fail_if_body_matches_regexp: [hello]", hello()).failed("check", "body_rule");
    // Many bytes are looked at elsewhere, with the same result.
    let mut large = vec![b'x'; 1 << 20];
    large.extend_from_slice(b"needle");
    check("fail_if_body_not_matches_regexp: ['needle$']", answer(200, "", large), 1, 0, "-");
}

#[test]
fn headers() {
    let two = answer(200, "X-A: one\r\nX-A: two\r\nX-Empty:\r\n", "hello");
    let rule = |key: &str, header: &str, regexp: &str, more: &str| {
        format!("{key}: [{{header: {header}, regexp: '{regexp}'{more}}}]")
    };
    let (matches, not) = ("fail_if_header_matches", "fail_if_header_not_matches");
    for (key, header, regexp, more, success) in [
        (matches, "x-a", "two", "", 0),
        (matches, "x-a", "zzz", "", 1),
        (not, "x-a", "two", "", 1),
        (not, "x-a", "zzz", "", 0),
        (matches, "x-none", "x", "", 0),
        (not, "x-none", "x", "", 0),
        (matches, "x-none", "x", ", allow_missing: true", 1),
        (not, "x-none", "x", ", allow_missing: true", 1),
        (not, "x-empty", "^$", "", 1),
    ] {
        check(&rule(key, header, regexp, more), two.clone(), success, 1 - success, "-");
    }
    let both = format!("{}, fail_if_body_matches_regexp: [hello]", rule(not, "x-a", "two", ""));
    check(&both, two.clone(), 0, 1, "-");
    let first = format!("{}, fail_if_body_matches_regexp: [nothing]", rule(not, "x-a", "zzz", ""));
    probe(&first, two).failed("check", "header_rule").holds(&["probe_failed_due_to_regex 1"]);
}

#[test]
fn json() {
    let json = answer(200, "", r#"{"foo":{"bar":"baz","n":5,"l":[1,2,3]}}"#);
    let (matches, not) = ("fail_if_body_json_matches_cel", "fail_if_body_json_not_matches_cel");
    for (key, rule, success) in [
        (matches, "body.foo.bar == 'baz'", 0),
        (matches, "body.foo.bar == 'qux'", 1),
        (not, "body.foo.bar == 'qux'", 0),
        (not, "body.nope == 1", 0),
        (not, "body.foo", 0),
        (not, "body.foo.n == 5", 1),
        (not, "body.foo.n in [5]", 1),
        (not, "body.foo.l == [1, 2, 3]", 1),
        (not, "body.foo.n + 1.0 == 6.0", 1),
        (not, "int(body.foo.n) % 2 == 1", 1),
        (not, "body.foo.n + 1 > 5", 0),
        (not, "body.foo.nope == 1 || true", 1),
    ] {
        let failed = if success == 1 { "0" } else { "1" };
        check(&format!("{key}: \"{rule}\""), json.clone(), success, 0, failed);
    }
    check(&format!("{not}: 'body[1] == 2'"), answer(200, "", "[1,2]"), 1, 0, "0");
    for body in ["hello", "", r#"{"a":1} {"b":2}"#] {
        check(&format!("{not}: 'true'"), answer(200, "", body), 0, 0, "1");
    }
    check(&format!("{not}: 'false'"), answer(404, "", "{}"), 0, 0, "0");
    let both = format!("fail_if_body_not_matches_regexp: [baz], {not}: \"body.foo.bar == 'baz'\"");
    check(&both, json, 1, 0, "0");
}

fn packed<W: Write>(mut encoder: W, bytes: &[u8], finish: impl Fn(W) -> Vec<u8>) -> Vec<u8> {
    encoder.write_all(bytes).unwrap();
    finish(encoder)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    packed(GzEncoder::new(Vec::new(), Compression::best()), bytes, |encoder| encoder.finish().unwrap())
}

#[test]
fn packed_bodies() {
    let text = [b'x'; 1000];
    let gz = gzip(&text);
    let raw = packed(DeflateEncoder::new(Vec::new(), Compression::best()), &text, |encoder| encoder.finish().unwrap());
    let zlib = packed(ZlibEncoder::new(Vec::new(), Compression::best()), &text, |encoder| encoder.finish().unwrap());
    let (cut, twice) = (gz[..gz.len() - 6].to_vec(), [gzip(b"0123456789"), gzip(b"0123456789")].concat());
    for (http, body, success, n) in [
        ("compression: gzip", gz.clone(), 1, 1000),
        ("", gz.clone(), 1, gz.len()),
        ("compression: gzip", b"hello".to_vec(), 0, 0),
        ("compression: gzip", cut, 0, 1000),
        ("compression: gzip", twice, 1, 20),
        ("compression: gzip", Vec::new(), 0, 0),
        ("compression: deflate", raw, 1, 1000),
        ("compression: deflate", zlib, 1, 1000),
        ("compression: zstd", b"hello".to_vec(), 0, 5),
        ("compression: gzip, body_size_limit: 500B", gz.clone(), 0, 500),
    ] {
        probe(http, answer(200, "", &body)).holds(&[
            &format!("probe_success {success}"),
            &format!("probe_http_uncompressed_body_length {n}"),
            &format!("probe_http_content_length {}", body.len()),
            "probe_failed_due_to_regex 0",
        ]);
    }
    probe("compression: gzip", "HTTP/1.1 204 No\r\n\r\n").failed("transfer", "compression");
    probe("compression: zstd", hello()).failed("check", "compression");
}

#[test]
fn size_limits() {
    let (ten, eleven) = (answer(200, "", "0123456789"), answer(200, "", "0123456789a"));
    probe("body_size_limit: 10B", ten).holds(&["probe_success 1", "probe_http_uncompressed_body_length 10"]);
    probe("body_size_limit: 10B", eleven.clone())
        .failed("transfer", "body_size")
        .holds(&["probe_http_uncompressed_body_length 10"]);
    check("body_size_limit: 10B, fail_if_body_matches_regexp: [q]", eleven.clone(), 0, 1, "-");
    check("body_size_limit: 10B, fail_if_body_json_not_matches_cel: 'true'", eleven, 0, 0, "1");
}

#[test]
fn redirects_that_are_not_followed_are_judged() {
    let not_followed = "follow_redirects: false, valid_status_codes: [302]";
    let header = "fail_if_header_not_matches: [{header: Location, regexp: '^/x$'}]";
    check(&format!("{not_followed}, {header}"), redirect(302, "/x"), 1, 0, "-");
    check(&format!("{not_followed}, fail_if_body_matches_regexp: [zzz]"), redirect(302, "/x"), 1, 0, "-");
    check(&format!("{not_followed}, fail_if_body_matches_regexp: [redirect]"), redirect(302, "/x"), 0, 1, "-");
}
