//! The parsers of foreign bytes as a table, for the fuzz target in `fuzz` and for the test below. No program calls any of
//! this.

pub use common::fuzzing::Parser;

/// The parsers of this crate.
pub static PARSERS: &[Parser] = &[
    Parser::new("request", crate::request::feed, b"module=http_2xx&target=https%3A%2F%2Fa.example%2F&hostname=b"),
    Parser::new("certificate", crate::tls::feed_certificate, b"0\x0c1\x0a0\x08\x06\x03U\x04\x03\x0c\x01a"),
    Parser::new(
        "old handshake",
        crate::tls::feed_handshake,
        b"\x16\x03\x02\x00\x08\x02\x00\x00\x26\x03\x02\x00\x00\x15\x03\x02\x00\x02\x02\x46",
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
