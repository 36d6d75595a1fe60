//! The parsers of httpd's answers as a table, for the fuzz target in `fuzz` and for the test below. No program calls any
//! of this.

use common::exposition::{Format, Merge, Page, parse_text};
pub use common::fuzzing::Parser;

use crate::metrics::{self, Groups};
use crate::{status, version};

/// The parsers of this crate.
pub static PARSERS: &[Parser] = &[
    Parser::new("status", page, include_bytes!("../tests/fixtures/httpd-2.4.62-event-proxy.txt")),
    Parser::new("strange status", page, include_bytes!("../tests/fixtures/strange.txt")),
    Parser::new(
        "server version",
        |bytes| common::fuzzing::eat(version::parse(&String::from_utf8_lossy(bytes))),
        b"Apache/2.4.37-dev (Red Hat (a)) (Release 33.jbcs.el7-GA) OpenSSL/1.1.1g mod_wsgi/4.7.1",
    ),
];

/// Whatever httpd says, what is made of it is a page.
fn page(bytes: &[u8]) {
    let Ok(status) = status::parse(bytes) else { return };
    assert!(status.faults.len() <= 64, "faults without bounds");
    let mut page = Page::default();
    metrics::encode(&status, Groups::all(), 1_700_000_000.5, &mut page);
    page.finish();
    let mut text = Vec::new();
    Merge::default().write(&[&page], Format::Text, &mut |piece| text.extend_from_slice(piece));
    assert!(parse_text(&text).is_ok(), "no page: {}", text.escape_ascii());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parser_survives_garbage() {
        for parser in PARSERS {
            println!("{}", parser.name);
            common::fuzzing::feed_garbage(parser);
        }
    }
}
