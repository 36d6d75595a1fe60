//! `dns`.
//!
//! * Source of the numbers: IANA, "Domain Name System (DNS) Parameters"; the set is the one the Go exporter knows.

use super::reading::{Entry, Reading};
use super::{Dns, RecordRules, dialogue, tls};

const CLASSES: [(&str, u16); 6] = [("IN", 1), ("CS", 2), ("CH", 3), ("HS", 4), ("NONE", 254), ("ANY", 255)];

#[rustfmt::skip]
const TYPES: [(&str, u16); 88] = [
    ("None", 0), ("A", 1), ("NS", 2), ("MD", 3), ("MF", 4), ("CNAME", 5), ("SOA", 6), ("MB", 7), ("MG", 8),
    ("MR", 9), ("NULL", 10), ("PTR", 12), ("HINFO", 13), ("MINFO", 14), ("MX", 15), ("TXT", 16), ("RP", 17),
    ("AFSDB", 18), ("X25", 19), ("ISDN", 20), ("RT", 21), ("NSAP-PTR", 23), ("SIG", 24), ("KEY", 25), ("PX", 26),
    ("GPOS", 27), ("AAAA", 28), ("LOC", 29), ("NXT", 30), ("EID", 31), ("NIMLOC", 32), ("SRV", 33), ("ATMA", 34),
    ("NAPTR", 35), ("KX", 36), ("CERT", 37), ("DNAME", 39), ("OPT", 41), ("APL", 42), ("DS", 43), ("SSHFP", 44),
    ("IPSECKEY", 45), ("RRSIG", 46), ("NSEC", 47), ("DNSKEY", 48), ("DHCID", 49), ("NSEC3", 50), ("NSEC3PARAM", 51),
    ("TLSA", 52), ("SMIMEA", 53), ("HIP", 55), ("NINFO", 56), ("RKEY", 57), ("TALINK", 58), ("CDS", 59),
    ("CDNSKEY", 60), ("OPENPGPKEY", 61), ("CSYNC", 62), ("ZONEMD", 63), ("SVCB", 64), ("HTTPS", 65), ("SPF", 99),
    ("UINFO", 100), ("UID", 101), ("GID", 102), ("UNSPEC", 103), ("NID", 104), ("L32", 105), ("L64", 106),
    ("LP", 107), ("EUI48", 108), ("EUI64", 109), ("NXNAME", 128), ("TKEY", 249), ("TSIG", 250), ("IXFR", 251),
    ("AXFR", 252), ("MAILB", 253), ("MAILA", 254), ("ANY", 255), ("URI", 256), ("CAA", 257), ("AVC", 258),
    ("AMTRELAY", 260), ("RESINFO", 261), ("TA", 32768), ("DLV", 32769), ("Reserved", 65535),
];

pub(super) fn read(reading: &mut Reading<'_>, entry: Option<Entry>) -> Dns {
    let Some(mut section) = reading.section(entry) else { return Dns::default() };
    let edns = section.take("edns_udp_size");
    let edns_at = edns.as_ref().map(|entry| entry.at.clone());
    let dns = Dns {
        ip: dialogue::ip(reading, &mut section),
        source_ip_address: reading.word(section.take("source_ip_address")),
        transport_protocol: reading.word(section.take("transport_protocol")),
        dns_over_tls: reading.flag(section.take("dns_over_tls")).unwrap_or(false),
        tls_config: tls::read(reading, section.take("tls_config")),
        query_name: reading.word(section.take("query_name")),
        query_type: number(
            reading,
            section.take("query_type"),
            &TYPES,
            255,
            "an upper-case record type such as A, AAAA, MX",
        ),
        query_class: number(reading, section.take("query_class"), &CLASSES, 1, "one of IN, CS, CH, HS, NONE, ANY"),
        recursion_desired: reading.flag(section.take("recursion_desired")).unwrap_or(true),
        valid_rcodes: valid_rcodes(reading, section.take("valid_rcodes")),
        validate_answer: rules(reading, section.take("validate_answer_rrs")),
        validate_authority: rules(reading, section.take("validate_authority_rrs")),
        validate_additional: rules(reading, section.take("validate_additional_rrs")),
        edns_udp_size: reading.int_within(edns, 0..=65_535).and_then(|size| u16::try_from(size).ok()).unwrap_or(0),
        retry_truncated_over_tcp: reading.flag(section.take("retry_truncated_over_tcp")).unwrap_or(false),
    };
    if let Some(at) = edns_at
        && (1..512).contains(&dns.edns_udp_size)
    {
        reading.mistake(&at, "expected 0 or 512 to 65535");
    }
    if dns.query_name.is_empty() {
        reading.mistake(&section.at, "expected query_name");
    }
    section.end(reading);
    dns
}

/// A word and its number; an empty one is `default`.
fn number(
    reading: &mut Reading<'_>,
    entry: Option<Entry>,
    words: &[(&str, u16)],
    default: u16,
    what: &str,
) -> (String, u16) {
    let at = entry.as_ref().map(|entry| entry.at.clone());
    let word = reading.word(entry);
    let known = words.iter().find(|(known, _)| *known == word).map(|(_, number)| *number);
    if let (None, Some(at), false) = (known, at, word.is_empty()) {
        reading.mistake(&at, format_args!("expected {what}"));
    }
    (word, known.unwrap_or(default))
}

fn valid_rcodes(reading: &mut Reading<'_>, entry: Option<Entry>) -> Option<Vec<String>> {
    let list = reading.list(entry)?;
    Some(list.into_iter().filter_map(|entry| reading.text(Some(entry))).collect())
}

fn rules(reading: &mut Reading<'_>, entry: Option<Entry>) -> RecordRules {
    let Some(mut section) = reading.section(entry) else { return RecordRules::default() };
    let rules = RecordRules {
        matches: reading.texts(section.take("fail_if_matches_regexp")),
        all_match: reading.texts(section.take("fail_if_all_match_regexp")),
        not_matches: reading.texts(section.take("fail_if_not_matches_regexp")),
        none_matches: reading.texts(section.take("fail_if_none_matches_regexp")),
    };
    section.end(reading);
    rules
}
