use super::*;

#[track_caller]
fn read(text: &str) -> Settings {
    parse(text, "b.yml").unwrap_or_else(|mistakes| panic!("{text}\n{mistakes}"))
}

/// A module with one section, in flow style.
#[track_caller]
fn module(body: &str) -> Module {
    let mut settings = read(&format!("modules: {{a: {{{body}}}}}"));
    settings.modules.remove("a").expect("the module is there")
}

#[test]
fn whole_files_that_are_good() {
    for (text, names) in [
        ("modules:", &[][..]),
        ("{}", &[]),
        ("~", &[]),
        ("modules: {}\n--- {junk: [\n", &[]),
        ("\u{feff}modules:\r\n  a:\r\n    prober: http\r\n", &["a"]),
        ("{\"modules\": {\"a\": {\"prober\": \"http\"}}}", &["a"]),
        ("modules: {'': {prober: tcp}, 5: , true: {}}", &["", "5", "true"]),
        ("modules:\n  a: &a {prober: http, timeout: 5s}\n  b: {<<: *a, timeout: 6s}\n", &["a", "b"]),
        ("modules: {a: {http: {headers: {<<: {a: b}}}}}", &["a"]),
        ("modules: {~: {prober: http}}", &[]),
    ] {
        let found: Vec<String> = read(text).modules.into_keys().collect();
        assert_eq!(found, names, "{text}");
    }
}

#[test]
fn sections_that_are_good() {
    for body in [
        "timeout: 1.5s",
        "timeout: -5s",
        "timeout: '0'",
        "http: , dns: ",
        "http: {preferred_ip_protocol: ip5, compression: zstd, method: 5, body_size_limit: -1MB}",
        "http: {valid_status_codes: [200.5, 0x1f, 017, ~, 1_000]}",
        "http: {fail_if_ssl: Yes, fail_if_not_ssl: 'off', follow_redirects: TRUE}",
        "http: {fail_if_body_matches_regexp: ['']}",
        "http: {basic_auth: {}}",
        "http: {basic_auth: {password: p}, bearer_token: ''}",
        "http: {authorization: {}}",
        "http: {oauth2: {client_id: a, token_url: ':', grant_type: foo, client_certificate_key: a, client_certificate_key_file: b}}",
        "http: {proxy_url: '', no_proxy: x}",
        "http: {proxy_url: '', proxy_from_environment: true}",
        "http: {proxy_from_environment: true, proxy_connect_header: {A: [x]}}",
        "http: {proxy_connect_header: {}}",
        "http: {http_headers: {X-Foo: {values: [a, ~], secrets: , files: [/f]}, y: }}",
        "http: {enable_http3: true, enable_http2: false, valid_http_versions: [HTTP/3.0, HTTP/1.0]}",
        "http: {fail_if_header_matches: [{header: A, regexp: b, allow_missing: on}, ~]}",
        "http: {tls_config: {min_version: TLS13, max_version: TLS10, ca_file: /none}}",
        "http: {tls_config: {cert: a, key_ref: b, ca: '', ca_ref: c}}",
        "http: {fail_if_body_json_matches_cel: 1 + 1}",
        "tcp: {source_ip_address: foo, query_response: [{}, ~, {expect: a, expect_bytes: ''}, {labels: [{}]}]}",
        "unix: {query_response: [{expect_bytes: !!binary /wAB}], tls: y}",
        "dns: {query_name: x, query_type: 'NULL', query_class: CH, valid_rcodes: [FOO], dns_over_tls: true}",
        "dns: {query_name: x, query_type: NULL, transport_protocol: sctp, validate_answer_rrs: {fail_if_matches_regexp: ['[']}}",
        "dns: {query_name: x, edns_udp_size: 512, retry_truncated_over_tcp: true}",
        "icmp: {payload_size: -1, ttl: 0}",
        "icmp: {packets: 100, packet_interval: 1ms, max_loss_ratio: 1}",
        "grpc: {metadata: {A: [x], b: }}",
        "websocket: {headers: {Authorization: {values: [x]}}, http_config: {bearer_token: x}, query_response: [{send: x}]}",
        "prober: foo",
    ] {
        module(body);
    }
}

#[test]
fn sections_that_are_bad() {
    for body in [
        "foo: 1",
        "Prober: http",
        "timeout: 5",
        "timeout: 0",
        "timeout: 1d",
        "timeout: ''",
        "prober: [http]",
        "http: []",
        "http: {valid_status_codes: 200}",
        "http: {valid_status_codes: ['200']}",
        "http: {valid_http_versions: HTTP/1.1}",
        "http: {valid_http_versions: [HTTP/3.0]}",
        "http: {fail_if_ssl: 'true'}",
        "http: {fail_if_ssl: 1}",
        "http: {http_client_config: {}}",
        "http: {fail_if_body_matches_regexp: x}",
        "http: {fail_if_body_matches_regexp: [':[']}",
        "http: {fail_if_body_matches_regexp: ['(?=a)', 'a{1001}']}",
        "http: {fail_if_header_matches: [{header: A}]}",
        "http: {fail_if_header_matches: [{regexp: a}]}",
        "http: {headers: {A: [x]}}",
        "http: {enable_http3: true}",
        "http: {enable_http3: true, enable_http2: false, valid_http_versions: [HTTP/1.1]}",
        "http: {body: a, body_file: b}",
        "http: {compression: gzip, headers: {aCCEPT-eNCODING: deflate}}",
        "http: {body_size_limit: 1}",
        "http: {body_size_limit: 9EB}",
        "http: {http_headers: {hOST: }}",
        "http: {http_headers: {A: x}}",
        "http: {basic_auth: {}, authorization: {}}",
        "http: {basic_auth: {}, bearer_token: x}",
        "http: {bearer_token: x, bearer_token_file: y}",
        "http: {basic_auth: {username: a, username_file: b}}",
        "http: {authorization: {type: ' Basic '}}",
        "http: {oauth2: {client_id: a}}",
        "http: {oauth2: {token_url: a}}",
        "http: {oauth2: {client_id: a, token_url: b, no_proxy: x}}",
        "http: {oauth2: {client_id: a, token_url: b, claims: {c: .nan}}}",
        "http: {proxy_url: '127.0.0.1:3128'}",
        "http: {no_proxy: x}",
        "http: {proxy_from_environment: true, proxy_url: x}",
        "http: {proxy_from_environment: true, proxy_url: '', no_proxy: x}",
        "http: {proxy_url: '', proxy_connect_header: {A: [x]}}",
        "http: {tls_config: {cert: a}}",
        "http: {tls_config: {key: a}}",
        "http: {tls_config: {ca: a, ca_file: b}}",
        "http: {tls_config: {min_version: TLS1.2}}",
        "http: {tls_config: {min_version: ''}}",
        "http: {tls_config: {cipher_suites: []}}",
        "tcp: {query_response: [{expect: '', expect_bytes: b}]}",
        "tcp: {query_response: [{send: !!binary /wA}]}",
        "unix: {preferred_ip_protocol: ip4}",
        "dns: {}",
        "dns: {query_name: x, query_type: a}",
        "dns: {query_name: x, query_type: TYPE65}",
        "dns: {query_name: x, query_class: in}",
        "dns: {query_name: x, edns_udp_size: 511}",
        "dns: {query_name: x, edns_udp_size: 65536}",
        "icmp: {ttl: -1}",
        "icmp: {ttl: 256}",
        "icmp: {packets: 0}",
        "icmp: {packets: 101}",
        "icmp: {packet_interval: 0s}",
        "icmp: {max_loss_ratio: 1.1}",
        "grpc: {metadata: {a: b}}",
        "websocket: {headers: {A: x}}",
    ] {
        let text = format!("modules: {{a: {{{body}}}}}");
        assert!(parse(&text, "b.yml").is_err(), "{text}");
    }
}

#[test]
fn every_mistake_has_its_place_and_shows_no_secret() {
    for (text, want) in [
        ("", "b.yml:1: expected modules, found nothing"),
        ("modules: {a: {prober: !!binary x}}", "b.yml:1: expected base64 after !!binary"),
        ("modules: []", "b.yml:1: modules: expected keys and values"),
        (
            "x: 1\nmodules: {a: }\nModules: {}\n",
            "b.yml:1: x: expected a known key\nb.yml:3: Modules: expected a known key",
        ),
        (
            "modules:\n  a:\n    prober: http\n    prober: tcp\n    timeout: 5\n    http:\n      tls_config:\n        min_version: \
             tls\n        cipher_suites: []\n    tcp:\n      query_response:\n      - send: x\n      - {recieve: y}\n  a: {}\n",
            "b.yml:4: key prober is given twice\n\
             b.yml:5: modules.a.timeout: expected a duration such as 5s, 1m30s or 500ms\n\
             b.yml:8: modules.a.http.tls_config.min_version: expected one of TLS10, TLS11, TLS12, TLS13, found \"tls\"\n\
             b.yml:9: modules.a.http.tls_config.cipher_suites: expected a known key\n\
             b.yml:13: modules.a.tcp.query_response[1].recieve: expected a known key\n\
             b.yml:14: key a is given twice",
        ),
        (
            "modules:\n  a:\n    http: {basic_auth: {password:hunter2}, bearer_token: [hunter2]}\n",
            "b.yml:3: modules.a.http.basic_auth.password:…: expected a known key\n\
             b.yml:3: modules.a.http.bearer_token: expected text",
        ),
        (
            "modules: {a: {http: {proxy_url: 'http://u:hunter2@h:x'}}}",
            "b.yml:1: modules.a.http.proxy_url: expected a URL, found a port that is no number",
        ),
    ] {
        let found = parse(text, "b.yml").err().unwrap_or_default();
        assert_eq!(found, want, "{text}");
    }
}

#[test]
fn worth_a_line_in_the_log() {
    let settings = read(
        "modules:\n  a:\n  b: {}\n  c: {prober: gopher}\n  d: {prober: http, http: {no_follow_redirects: no, \
         follow_redirects: no}}\n  e: {prober: http, http: {enable_http3: true, enable_http2: false}}\n",
    );
    assert_eq!(
        settings.warnings,
        [
            "b.yml:2: modules.a: there is no prober, the module cannot be used",
            "b.yml:3: modules.b: there is no prober, the module cannot be used",
            "b.yml:4: modules.c: expected a prober that is one of dns, grpc, http, icmp, tcp, unix, websocket, found gopher: \
             it cannot be used",
            "b.yml:5: modules.d.http.no_follow_redirects: an old key, follow_redirects has taken its place",
            "b.yml:6: modules.e.http: HTTP/3 is in use, targets with http:// are probed as https://",
        ]
    );
    assert!(settings.modules["d"].http.client.follow_redirects);
}

#[test]
fn what_keys_come_to() {
    let http = module("http: {bearer_token: t, http_headers: {x-b: {values: [1]}, X-A: }, body_size_limit: 1KB}").http;
    assert_eq!(http.client.authorization.map(|a| (a.kind, a.credentials.is_some())), Some(("Bearer".to_owned(), true)));
    let names: Vec<_> = http.client.http_headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((names, http.body_size_limit), (vec!["X-A", "x-b"], 1024));

    let tcp = module("tcp: {query_response: [{send: !!binary /wAB, expect_bytes: 5, labels: [{name: a}]}]}").tcp;
    let step = &tcp.query_response[0];
    assert_eq!((step.send.as_slice(), step.expect_bytes.as_slice()), (&b"\xff\x00\x01"[..], &b"5"[..]));
    assert_eq!(step.labels, Some(vec![("a".to_owned(), String::new())]));

    let dns = module("dns: {query_name: x, query_type: HTTPS, valid_rcodes: []}").dns;
    assert_eq!((dns.query_type, dns.query_class.1), (("HTTPS".to_owned(), 65), 1));
    assert_eq!(dns.valid_rcodes, Some(Vec::new()));

    assert!(!module("prober: grpc").grpc.ip.fallback && module("grpc: {}").grpc.ip.fallback);
    let claims = "claims: {a: 5, b: [x, {c: ~}], d: 2001-02-03, e: '5', f: 18446744073709551615}";
    let oauth2 =
        module(&format!("http: {{oauth2: {{client_id: a, token_url: b, {claims}}}}}")).http.client.oauth2.unwrap();
    let claims = serde_json::to_string(&oauth2.claims).unwrap();
    let want = r#"[["a",5],["b",["x",{"c":null}]],["d","2001-02-03T00:00:00Z"],["e","5"],["f",18446744073709551615]]"#;
    assert_eq!(claims, want);
}

const FULL: &str = "
modules:
  web10: {}
  web2:
    prober: http
    timeout: 90s
    http:
      valid_status_codes: [200, 0x12e]
      headers: {Accept: '*/*', X-Api-Key: hunter2, Cookie: hunter2, Host: a, N: ~}
      fail_if_body_matches_regexp: ['\\d+', '']
      body: |
        hunter2
      compression: gzip
      body_size_limit: 1.5MB
      basic_auth: {username: u, password: hunter2}
      proxy_url: http://u:hunter2@proxy:3128
      proxy_connect_header: {A: [hunter2]}
      http_headers: {B: {values: [v], secrets: [hunter2]}, Auth-Token: {values: [hunter2]}}
      tls_config: {ca: hunter2, cert_file: /c, key: hunter2}
  tcp:
    prober: tcp
    tcp:
      query_response:
      - {expect: '^a', send: hunter2, labels: [{name: n, value: $1}]}
      - expect_bytes: !!binary /wAB
      - starttls: true
    dns: {query_name: x, valid_rcodes: []}
    grpc: {metadata: {a: [hunter2]}, ip_protocol_fallback: no}
    icmp: {packets: 3, packet_interval: 20ms, max_loss_ratio: 0.5}
  none:
";

#[test]
fn what_is_in_force_is_shown_without_secrets() {
    let settings = read(FULL);
    let shown = show_settings(&settings);
    assert!(!shown.contains("hunter2"), "{shown}");
    let web2 = "\
prober: http
timeout: 1m30s
http:
  valid_status_codes:
  - 200
  - 302
  ip_protocol_fallback: true
  headers:
    Accept: '*/*'
    Cookie: <secret>
    Host: a
    \"N\": \"\"
    X-Api-Key: <secret>
  fail_if_body_matches_regexp:
  - \\d+
  - \"\"
  body: <secret>
  basic_auth:
    username: u
    password: <secret>
  tls_config:
    ca: <secret>
    key: <secret>
    cert_file: /c
    insecure_skip_verify: false
  follow_redirects: true
  enable_http2: true
  proxy_url: http://u:xxxxx@proxy:3128
  proxy_connect_header:
    A:
    - <secret>
  http_headers:
    Auth-Token:
      values:
      - <secret>
    B:
      values:
      - v
      secrets:
      - <secret>
  compression: gzip
  body_size_limit: 1MiB512KiB
tcp:
  ip_protocol_fallback: true
icmp:
  ip_protocol_fallback: true
  ttl: 64
dns:
  ip_protocol_fallback: true
  recursion_desired: true
";
    assert_eq!(show_module(&settings.modules["web2"], Indent::Two), web2);
    let tcp = "\
prober: tcp
http:
    ip_protocol_fallback: true
    follow_redirects: true
    enable_http2: true
tcp:
    ip_protocol_fallback: true
    query_response:
        - expect: ^a
          labels:
            - name: \"n\"
              value: $1
          send: <secret>
        - expect_bytes: !!binary /wAB
        - starttls: true
icmp:
    ip_protocol_fallback: true
    ttl: 64
    packets: 3
    packet_interval: 20ms
    max_loss_ratio: 0.5
dns:
    ip_protocol_fallback: true
    query_name: x
    recursion_desired: true
    valid_rcodes: []
grpc:
    metadata:
        a:
            - <secret>
";
    assert_eq!(show_module(&settings.modules["tcp"], Indent::Four), tcp);
    let names: Vec<&str> =
        shown.lines().filter(|line| line.starts_with("    ") && !line.starts_with("     ")).map(str::trim).collect();
    assert_eq!(names, ["none: {}", "tcp:", "web2:", "web10:"]);
    assert_eq!(show_settings(&read("{}")), "modules: {}\n");
}

#[test]
fn large_files_load_and_hostile_ones_end() {
    let section =
        "    prober: http\n    timeout: 5s\n    http:\n      headers: {A: b}\n      valid_status_codes: [200, 204]\n";
    let many: String = (0..2_000).map(|n| format!("  module{n}:\n{section}")).collect();
    assert_eq!(read(&format!("modules:\n{many}")).modules.len(), 2_000);

    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, of) in [("b", "a"), ("c", "b"), ("d", "c"), ("e", "d"), ("f", "e"), ("g", "f")] {
        bomb.push_str(&format!("{name}: &{name} [{}]\n", vec![format!("*{of}"); 10].join(", ")));
    }
    let wide = format!("a: &a {}\nb: [{}]\n", "x".repeat(500_000), "*a, ".repeat(50_000));
    let keys: String = (0..70_000).map(|n| format!("k{n}:\n")).collect();
    let same = "k: 1\n".repeat(60_000);
    let inside: String = (0..50_000).map(|n| format!("    k{n}: {{}}\n")).collect();
    let empty: String = (0..20_000).map(|n| format!("  m{n}:\n")).collect();
    let regexps: String = (0..6_000).map(|n| format!("a{n},")).collect();
    let regexps = format!("modules: {{a: {{http: {{fail_if_body_matches_regexp: [{regexps}]}}}}}}");
    let empty = format!("modules:\n{empty}");
    for text in [
        bomb,
        wide,
        empty,
        regexps,
        keys,
        same,
        format!("modules:\n  {}:\n{inside}", "n".repeat(100_000)),
        "[".repeat(100_000),
    ] {
        let mistakes = parse(&text, "b.yml").err().unwrap_or_default();
        assert!(!mistakes.is_empty() && mistakes.len() < 1 << 20);
    }
}
