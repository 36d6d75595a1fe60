//! The parsers of foreign bytes as a table, for the fuzz target in `fuzz` and for the test below. No program calls any of
//! this.

pub use common::fuzzing::Parser;

/// The parsers of this crate.
pub static PARSERS: &[Parser] =
    &[Parser::new("request", crate::request::feed, b"module=http_2xx&target=https%3A%2F%2Fa.example%2F&hostname=b")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parser_survives_garbage() {
        common::fuzzing::feed_garbage_to_all(PARSERS);
    }
}
