//! The parsers of foreign bytes as a table, for the fuzz target in `fuzz` and for the test below. No program calls any of
//! this.

pub use common::fuzzing::Parser;

use crate::probers::http::feeding;

/// The parsers of this crate.
pub static PARSERS: &[Parser] = &[
    Parser::new(
        "CEL",
        crate::cel::feed,
        b"body.a.exists(x, x.b in [1, 2.5] && x.c.matches('^a')) || size(body['d']) > 0u\n{\"a\":[{\"b\":1,\"c\":\"abc\"}],\"d\":{}}",
    ),
    Parser::new("regexp", crate::regexp::feed, b"(?i)^a+?[^\\d[:alpha:]\\p{Greek}]{1,3}(?P<n>\\Qx*\\E|$)\nab1$1${n}"),
    Parser::new(
        "configuration",
        crate::config::feed,
        b"modules:\n  a: &a\n    prober: http\n    timeout: 1m30s\n    http:\n      valid_status_codes: [200, 0x1f, 2.5]\n      \
          headers: {Accept-Encoding: \"gzip;q=0.5, *\", n: ~}\n      compression: gzip\n      body_size_limit: 1.5MB3KiB\n      \
          body: |+\n        a\n\n      proxy_url: http://u:p%20w@[::1]:3128/\n      no_follow_redirects: no\n      \
          oauth2: {client_id: i, token_url: //u:p@t, claims: {a10: [1e3, {b: 2001-01-01}]}}\n  b:\n    <<: *a\n    tcp:\n      \
          query_response: [{expect: \"^a\", send: !!binary /wAB}, {expect_bytes: !!binary /wAB, labels: [{name: x}]}]\n    \
          dns: {query_name: e, query_type: MX}\n    icmp: {ttl: 5, packet_interval: 20ms, max_loss_ratio: 0.5}\n",
    ),
    Parser::new("dialogue", crate::dialogue::feed, b"220 ready\r\n\x04ABCDEFGH250-a\n250 b\r\n"),
    Parser::new("endpoint", crate::endpoint::feed, b"[fe80::1%lo]:ssh"),
    Parser::new("certificate", crate::tls::feed_certificate, b"0\x0c1\x0a0\x08\x06\x03U\x04\x03\x0c\x01a"),
    Parser::new(
        "old handshake",
        crate::tls::feed_handshake,
        b"\x16\x03\x02\x00\x08\x02\x00\x00\x26\x03\x02\x00\x00\x15\x03\x02\x00\x02\x02\x46",
    ),
    Parser::new(
        "dns",
        crate::probers::dns::feed,
        b"\x12\x34\x81\x80\0\x01\0\x02\0\0\0\x01\x01a\x04test\0\0\xff\0\x01\xc0\x0c\0\x10\0\x01\0\0\0\x3c\0\x03\x02hi\xc0\x0c\0\x40\0\x01\0\0\0\x3c\0\x0a\0\x01\0\0\x01\0\x03\x02h2\0\0\x29\x02\0\0\0\0\0\0\0",
    ),
    Parser::new("icmp", crate::probers::icmp::feed, b"\0\0\0\0\0\x01\0\x01Prometheus Blackbox Exporter"),
    Parser::new(
        "URLs",
        feeding::urls,
        b"u:p%20w@[::1]:80/a/b?c#d\n../e?f\n//h.test:8/../g\nhttps://[fe80::1%25lo]/ \xc3\xa4\n?q\nftp://x",
    ),
    Parser::new(
        "cookies",
        feeding::cookies,
        b"a=b; Domain=.example.test; Path=/x; Secure; Max-Age=60\nc=\"d\"; Expires=Sun, 06-Nov-94 08:49:37 GMT; Path=x",
    ),
    Parser::new("CONNECT", feeding::connect, b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"),
    Parser::new("token", feeding::token, b"application/json\n{\"access_token\":\"t\",\"token_type\":\"bearer\"}"),
    Parser::new(
        "proxies",
        feeding::proxies,
        b"http://a.test:81/\n.b.test, 10.0.0.0/8, [::1]:80, a.test:*, *\nsocks5h://u:p%40@[::1]:1080",
    ),
    Parser::new("body", feeding::body, b"\x01\x03\x78\x9c\xcb\x48\xcd\xc9\xc9\x07\x00\x06\x2c\x02\x15"),
    Parser::new("gRPC target", crate::probers::grpc::feed, b"https://u@[::1]:8443/x"),
    Parser::new("WebSocket target", crate::probers::websocket::feed, b"wss://u:p@[fe80::1%25lo]:1/a b?c#d"),
    Parser::new("secrets", crate::veil::feed, b"http://user:pass/word\"@a.test/user:pass/word@b"),
    Parser::new("request", crate::request::feed, b"module=http_2xx&target=https%3A%2F%2Fa.example%2F&hostname=b"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parser_survives_garbage() {
        common::fuzzing::feed_garbage_to_all(PARSERS);
    }
}
