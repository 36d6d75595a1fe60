//! The parsers of httpd's answers as a table, for the fuzz target in `fuzz` and for the test below. No program calls any
//! of this.

use common::exposition::{Format, Merge, Page, parse_text};
pub use common::fuzzing::Parser;

use crate::metrics::{self, Groups};
use crate::{status, version};

/// The parsers of this crate.
pub static PARSERS: &[Parser] = &[
    Parser::new("status", page, STATUS),
    Parser::new(
        "server version",
        |bytes| common::fuzzing::eat(version::parse(&String::from_utf8_lossy(bytes))),
        b"Apache/2.4.37-dev (Red Hat (a)) (Release 33.jbcs.el7-GA) OpenSSL/1.1.1g mod_wsgi/4.7.1",
    ),
];

/// A little of everything; the tests of this crate have whole answers.
const STATUS: &[u8] = b"host\r\nServerVersion: Apache/2.4.62 (Caf\xe9) OpenSSL/3.0.15\nServerMPM: event\n\
    ServerUptimeSeconds: 94\nLoad1: -1.00\nTotal Accesses: 18\nCPUUser: .04\nCPULoad: 1e-05\nBusyWorkers: 1\n\
    Scoreboard: _W.?\nProxyBalancer[0]Name: balancer://a\nProxyBalancer[0]Worker[1]Name: http://b\n\
    ProxyBalancer[0]Worker[1]Status: Init Ok \nProxyBalancer[0]Worker[1]Busy: 0\nProxyBalancer[0]Worker[1]Sent: 5.4M\n\
    ProxyBalancer[0]Worker[1]Rcvd: 12K\nTLSSessionCacheStatus\nCacheType: SHMCB\nCacheUsage: 7%\n\
    ManagedCertificatesOK: 1ManagedDomain[0]Domain: a.example\nManagedDomain[0]Status: good: x\n\
    ModCacheSocacheStatus\nCache:: Gets: 1, Sets: 2\nCacheCurrentEntries: 3\n";

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
        common::fuzzing::feed_garbage_to_all(PARSERS);
    }
}
