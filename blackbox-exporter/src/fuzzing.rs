//! The parsers of foreign bytes as a table, for the fuzz target in `fuzz` and for the test below. No program calls any of
//! this.

pub use common::fuzzing::Parser;

/// The parsers of this crate.
pub static PARSERS: &[Parser] = &[
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
