//! The parsers of foreign bytes as a table, for the fuzz target in `fuzz` and for the test below. No program calls any of
//! this.

pub use common::fuzzing::Parser;

/// The parsers of this crate.
pub static PARSERS: &[Parser] = &[
    Parser::new("request", crate::request::feed, b"module=http_2xx&target=https%3A%2F%2Fa.example%2F&hostname=b"),
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
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parser_survives_garbage() {
        common::fuzzing::feed_garbage_to_all(PARSERS);
    }
}
