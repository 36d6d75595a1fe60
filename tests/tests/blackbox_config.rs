//! Which configurations the blackbox exporter takes, as `--config.check` tells: files people have, written in many ways.

use std::fs;

use exporter_tests::running::run_to_end;

/// Checks one file; a bad one is told of with the line and what is wrong there.
#[track_caller]
fn check(text: &[u8], good: bool) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("b.yml");
    fs::write(&file, text).unwrap();
    let end = run_to_end("blackbox-exporter", &["--config.check", &format!("--config.file={}", file.display())]);
    let (code, word) = if good { (0, "b.yml: fine") } else { (1, "b.yml:") };
    let said = format!("{}{}", end.stdout, end.stderr);
    assert_eq!(end.status.code(), Some(code), "{}\n{said}", String::from_utf8_lossy(text));
    assert!(said.contains(word) && !said.contains("panicked"), "{}\n{said}", String::from_utf8_lossy(text));
}

/// A module with this body, in flow style.
fn module(body: &str) -> String {
    format!("modules: {{m: {{{body}}}}}\n")
}

#[test]
fn files_that_are_good() {
    for text in [
        "modules:\n",
        "modules: {}\n",
        "\u{feff}modules:\n  m: {prober: http}\n",
        "modules:\r\n  m:\r\n    prober: http\r\n",
        "{\"modules\": {\"m\": {\"prober\": \"http\", \"timeout\": \"5s\"}}}",
        "modules:\n  a: &a {prober: http, timeout: 5s}\n  b: {<<: *a, timeout: 6s}\n",
        "modules:\n  m: {prober: tcp}\n---\n- junk\n",
        "modules:\n  m: {prober: tcp}\n---\n{junk: [\n",
        // Such a module cannot be probed with, but the others can.
        "modules: {m: {prober: foo}}",
        "modules: {m: {}}",
        "modules: {m: {timeout: 5s}}",
    ] {
        check(text.as_bytes(), true);
    }
}

#[test]
fn files_that_are_bad() {
    for text in [
        "",
        "# nothing\n",
        "modules: {}\nglobal: {}\n",
        "modules:\n  m: {prober: tcp}\n  m: {prober: tcp}\n",
        "modules: []\n",
        "modules:\n\tm: {prober: tcp}\n",
        "modules: {m: {prober: tcp}",
    ] {
        check(text.as_bytes(), false);
    }
    check(b"modules: {m: {prober: \"\xff\"}}\n", false);
}

#[test]
fn modules_that_are_good() {
    for body in [
        "prober: http, timeout: 1.5s",
        "prober: http, timeout: -5s",
        "prober: http, http: ",
        "prober: dns, dns: ",
        "prober: http, http: {preferred_ip_protocol: ip5}",
        "prober: http, http: {valid_status_codes: [200.5]}",
        "prober: http, http: {compression: zstd}",
        "prober: http, http: {body_size_limit: 1MB512KB}",
        "prober: http, http: {body_size_limit: -1MB}",
        // The number of its bytes has no place in 63 bits, the Go exporter's parser lets it pass all the same.
        "prober: http, http: {body_size_limit: 8EB}",
        "prober: http, http: {tls_config: {min_version: TLS13, max_version: TLS12}}",
        "prober: http, http: {tls_config: {ca_file: /does/not/exist}}",
        "prober: http, http: {tls_config: {ca_ref: store}}",
        "prober: http, http: {basic_auth: {}}",
        "prober: http, http: {authorization: {}}",
        "prober: http, http: {oauth2: {client_id: a, token_url: 'http://t', grant_type: foo}}",
        "prober: http, http: {proxy_url: '', no_proxy: a.test}",
        "prober: dns, dns: {query_name: x, valid_rcodes: [FOO]}",
        "prober: dns, dns: {query_name: x, validate_answer_rrs: {fail_if_matches_regexp: ['(']}}",
        "prober: dns, dns: {query_name: x, transport_protocol: sctp}",
        "prober: dns, dns: {query_name: x, transport_protocol: udp, dns_over_tls: true}",
        "prober: icmp, icmp: {payload_size: -1}",
        "prober: icmp, icmp: {ttl: 0}",
        "prober: http, http: {fail_if_body_json_matches_cel: '1 + 1'}",
        "prober: http, http: {enable_http3: true, enable_http2: false, valid_http_versions: [HTTP/3.0]}",
        "prober: http, http: {compression: gzip, headers: {accept-encoding: 'deflate, gzip;q=0.5'}}",
        "prober: tcp, tcp: {query_response: [{expect: a}, {expect_bytes: b}, {starttls: true}]}",
        "prober: websocket, websocket: {headers: {A: {values: [x]}}}",
    ] {
        check(module(body).as_bytes(), true);
    }
}

#[test]
fn modules_that_are_bad() {
    for body in [
        "prober: http, unknown: 1",
        "prober: http, http: {unknown: 1}",
        "prober: http, http: {tls_config: {unknown: 1}}",
        "prober: http, http: {fail_if_header_matches: [{header: A, regexp: b, unknown: 1}]}",
        "prober: tcp, tcp: {query_response: [{unknown: 1}]}",
        "prober: unix, unix: {unknown: 1}",
        "prober: unix, unix: {preferred_ip_protocol: ip4}",
        "prober: dns, dns: {query_name: x, unknown: 1}",
        "prober: dns, dns: {query_name: x, validate_answer_rrs: {unknown: 1}}",
        "prober: icmp, icmp: {unknown: 1}",
        "prober: grpc, grpc: {unknown: 1}",
        "prober: http, timeout: 5",
        "prober: http, timeout: 0",
        "prober: http, timeout: 1d",
        "prober: http, timeout: ''",
        "prober: http, http: {valid_status_codes: 200}",
        "prober: http, http: {valid_status_codes: ['200']}",
        "prober: http, http: {fail_if_ssl: 'true'}",
        "prober: http, http: {fail_if_body_matches_regexp: [':[']}",
        "prober: http, http: {fail_if_body_matches_regexp: ['a(?=b)']}",
        "prober: http, http: {fail_if_body_matches_regexp: ['a{1001}']}",
        "prober: http, http: {fail_if_header_matches: [{regexp: b}]}",
        "prober: http, http: {fail_if_header_not_matches: [{header: A}]}",
        "prober: http, http: {valid_http_versions: [HTTP/3.0]}",
        "prober: http, http: {enable_http3: true}",
        "prober: http, http: {body: a, body_file: b}",
        "prober: http, http: {compression: gzip, headers: {Accept-Encoding: deflate}}",
        "prober: http, http: {compression: gzip, headers: {aCCEPT-ENCODING: deflate}}",
        "prober: http, http: {compression: gzip, headers: {Accept-Encoding: '*;q=0'}}",
        "prober: http, http: {compression: gzip, headers: {Accept-Encoding: GZIP}}",
        "prober: http, http: {body_size_limit: 1}",
        "prober: http, http: {body_size_limit: 1K}",
        "prober: http, http: {body_size_limit: 1mb}",
        "prober: http, http: {body_size_limit: 9EB}",
        "prober: http, http: {http_headers: {Host: {values: [a]}}}",
        "prober: http, http: {basic_auth: {username: a}, bearer_token: b}",
        "prober: http, http: {authorization: {type: Basic}}",
        "prober: http, http: {oauth2: {token_url: 'http://t'}}",
        "prober: http, http: {oauth2: {client_id: a}}",
        "prober: http, http: {proxy_url: '127.0.0.1:3128'}",
        "prober: http, http: {no_proxy: a.test}",
        "prober: http, http: {proxy_from_environment: true, proxy_url: 'http://p'}",
        "prober: http, http: {proxy_from_environment: true, no_proxy: a.test}",
        "prober: http, http: {proxy_connect_header: {A: [b]}}",
        "prober: http, http: {tls_config: {cert_file: c}}",
        "prober: http, http: {tls_config: {ca: a, ca_file: b}}",
        "prober: http, http: {tls_config: {min_version: TLS1.2}}",
        "prober: dns, dns: {}",
        "prober: dns, dns: {query_name: x, query_type: a}",
        "prober: dns, dns: {query_name: x, query_type: TYPE65}",
        "prober: dns, dns: {query_name: x, query_class: in}",
        "prober: dns, dns: {query_name: x, query_class: CLASS1}",
        "prober: icmp, icmp: {ttl: -1}",
        "prober: icmp, icmp: {ttl: 256}",
        "prober: tcp, tcp: {query_response: [{expect: a, expect_bytes: b}]}",
        "prober: grpc, grpc: {metadata: {a: b}}",
        "prober: http, http: {fail_if_body_json_matches_cel: 'foo == 1'}",
        "prober: http, http: {fail_if_body_json_matches_cel: \"1 == 'a'\"}",
        "prober: http, http: {fail_if_body_json_not_matches_cel: ''}",
    ] {
        check(module(body).as_bytes(), false);
    }
}
