//! Names of families from the names that drivers give their statistics.

use common::fuzzing::{Parser, eat};

/// Statistics that many drivers have, and their families.
const COMMON: [(&str, &str); 7] = [
    ("rx_bytes", "received_bytes_total"),
    ("rx_dropped", "received_dropped_total"),
    ("rx_errors", "received_errors_total"),
    ("rx_packets", "received_packets_total"),
    ("tx_bytes", "transmitted_bytes_total"),
    ("tx_errors", "transmitted_errors_total"),
    ("tx_packets", "transmitted_packets_total"),
];

/// With an underscore for whatever cannot stand in the name of a metric and the underscores around it.
pub(super) fn sanitize(name: &[u8]) -> String {
    let is_fine = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((&b, tail)) = rest.split_first() {
        if b.is_ascii_alphanumeric() {
            out.push(char::from(b));
            rest = tail;
            continue;
        }
        // Underscores, then perhaps something else and underscores again.
        let end = rest.iter().position(u8::is_ascii_alphanumeric).unwrap_or(rest.len());
        let (gap, tail) = rest.split_at(end);
        if gap.iter().all(|&b| is_fine(b)) {
            out.extend(gap.iter().map(|&b| char::from(b)));
        } else {
            out.push_str(&gap_of(gap));
        }
        rest = tail;
    }
    out
}

/// A stretch without letters and digits: each run of foreign bytes takes the underscores around it along.
fn gap_of(gap: &[u8]) -> String {
    let runs = gap.split(|&b| b == b'_').filter(|run| !run.is_empty()).count();
    "_".repeat(runs)
}

/// The end of the family's name; empty when nothing is left.
pub(super) fn family(sanitized: &str) -> String {
    if let Some((_, family)) = COMMON.iter().find(|(statistic, _)| *statistic == sanitized) {
        return (*family).to_owned();
    }
    let lower = sanitized.to_ascii_lowercase();
    let mut out = String::with_capacity(lower.len() + 16);
    // Of two equal ones in a row the second stays: the first has taken the underscore between them.
    let mut replaced = "";
    for (at, word) in lower.trim_start_matches('_').split('_').enumerate() {
        if at > 0 {
            out.push('_');
        }
        let new = match word {
            "rx" if replaced != "rx" => Some("received"),
            "tx" if replaced != "tx" => Some("transmitted"),
            _ => None,
        };
        replaced = new.map_or("", |_| word);
        out.push_str(new.unwrap_or(word));
    }
    out
}

/// For the fuzzer.
pub(super) const PARSER: Parser = Parser::new(
    "names of ethtool",
    |bytes| {
        let sanitized = sanitize(bytes);
        assert!(sanitized.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
        eat(family(&sanitized));
    },
    b"rx_queue[0].tx.bytes",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, clean, want) in [
            ("rx_bytes", "rx_bytes", "received_bytes_total"),
            ("tx_dropped", "tx_dropped", "transmitted_dropped"),
            ("rx-0.bytes", "rx_0_bytes", "received_0_bytes"),
            ("[3]: tx_ucast_packets", "_3_tx_ucast_packets", "3_transmitted_ucast_packets"),
            ("a._b", "a_b", "a_b"),
            ("a__b", "a__b", "a__b"),
            ("a_. _:_b", "a__b", "a__b"),
            ("rx_rx", "rx_rx", "received_rx"),
            ("rx_rx_rx", "rx_rx_rx", "received_rx_received"),
            ("rx_tx_rx", "rx_tx_rx", "received_transmitted_received"),
            ("Port.RX", "Port_RX", "port_received"),
            ("prx_txx", "prx_txx", "prx_txx"),
            ("..", "_", ""),
            ("", "", ""),
        ] {
            assert_eq!(sanitize(name.as_bytes()), clean, "{name}");
            assert_eq!(family(clean), want, "{name}");
        }
        assert_eq!(sanitize(b"\xff\xfe"), "_");
    }
}
