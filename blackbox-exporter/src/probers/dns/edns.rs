//! The OPT record (RFC 6891) as text: a pseudo-section, a line per option.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::cursor::Cursor;
use super::message::Record;
use super::rdata::{hex, push_algorithm, text, upper_hex};
use super::{Malformed, name};

/// What stands before the options: version, flags, size of datagrams.
pub(super) fn head(record: &Record, out: &mut Vec<u8>) {
    let (version, flags, udp) = ((record.ttl >> 16) & 0xff, record.ttl & 0xffff, record.class);
    text(out, format_args!("\n;; OPT PSEUDOSECTION:\n; EDNS: version {version}; flags:"));
    for (bit, flag) in [(0x8000, " do"), (0x4000, " co")] {
        out.extend_from_slice(if flags & bit == 0 { "" } else { flag }.as_bytes());
    }
    out.push(b';');
    if flags & 0x3fff != 0 {
        text(out, format_args!(" MBZ: 0x{:04x},", flags & 0x3fff));
    }
    text(out, format_args!(" udp: {udp}"));
}

/// The options.
pub(super) fn options(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), Malformed> {
    while !cursor.is_done() {
        let [c1, c2, l1, l2] = cursor.array()?.ok_or(Malformed)?;
        let value = cursor.sized(usize::from(u16::from_be_bytes([l1, l2])))?;
        option(u16::from_be_bytes([c1, c2]), value, out)?;
    }
    Ok(())
}

fn number16(value: &[u8]) -> Result<(u16, &[u8]), Malformed> {
    let (bytes, rest) = value.split_first_chunk().ok_or(Malformed)?;
    Ok((u16::from_be_bytes(*bytes), rest))
}

fn number32(value: &[u8]) -> Result<(u32, &[u8]), Malformed> {
    let (bytes, rest) = value.split_first_chunk().ok_or(Malformed)?;
    Ok((u32::from_be_bytes(*bytes), rest))
}

fn option(code: u16, value: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    out.extend_from_slice(b"\n; ");
    match code {
        1 => {
            let (version, rest) = number16(value)?;
            let (opcode, rest) = number16(rest)?;
            let (error, rest) = number16(rest)?;
            let (id, rest) = rest.split_first_chunk().ok_or(Malformed)?;
            let (lease, _) = number32(rest)?;
            let id = u64::from_be_bytes(*id);
            text(out, format_args!("LONG LIVED QUERIES: {version} {opcode} {error} {id} {lease}"));
        }
        2 => {
            let (lease, rest) = number32(value)?;
            let key_lease = match rest {
                [] => 0,
                [a, b, c, d] => u32::from_be_bytes([*a, *b, *c, *d]),
                _ => return Err(Malformed),
            };
            text(out, format_args!("UPDATE LEASE: {lease} {key_lease}"));
        }
        3 => {
            out.extend_from_slice(b"NSID: ");
            hex(out, value);
            out.extend_from_slice(b"  ");
            for byte in value {
                text(out, format_args!("({})", char::from(*byte)));
            }
        }
        4 => {
            out.extend_from_slice(b"ESU: ");
            out.extend_from_slice(value);
        }
        5 => {
            out.extend_from_slice(b"DNSSEC ALGORITHM UNDERSTOOD: ");
            for algorithm in value {
                out.push(b' ');
                push_algorithm(out, *algorithm);
            }
        }
        6 => hashes("DS HASH UNDERSTOOD: ", value, out),
        7 => hashes("NSEC3 HASH UNDERSTOOD: ", value, out),
        8 => subnet(value, out)?,
        9 if value.is_empty() => out.extend_from_slice(b"EXPIRE: "),
        9 => text(out, format_args!("EXPIRE: {}", number32(value)?.0)),
        10 => {
            out.extend_from_slice(b"COOKIE: ");
            hex(out, value);
        }
        11 => match *value {
            [] => out.extend_from_slice(b"KEEPALIVE: use tcp keep-alive, timeout omitted"),
            [high, low] => {
                // Units of 100 ms.
                let timeout = u32::from(u16::from_be_bytes([high, low])) * 100;
                text(out, format_args!("KEEPALIVE: use tcp keep-alive, timeout {timeout}ms"));
            }
            _ => return Err(Malformed),
        },
        12 => {
            out.extend_from_slice(b"PADDING: ");
            upper_hex(out, value);
        }
        15 => {
            let (code, words) = number16(value)?;
            text(out, format_args!("EDE: {code}"));
            if let Some(meaning) = ERRORS.get(usize::from(code)) {
                text(out, format_args!(" ({meaning})"));
            }
            out.extend_from_slice(b": (");
            out.extend_from_slice(words);
            out.push(b')');
        }
        18 => {
            out.extend_from_slice(b"REPORT-CHANNEL: ");
            name::write(value, 0, out)?;
        }
        19 => {
            // Labels and type, then the version (RFC 9660, 2).
            let [_, _, version @ ..] = value else { return Err(Malformed) };
            out.extend_from_slice(b"ZONEVERSION: ");
            out.extend_from_slice(version);
        }
        code => {
            text(out, format_args!("LOCAL OPT: {code}:0x"));
            hex(out, value);
        }
    }
    Ok(())
}

/// Numbers of hashes (RFC 6975).
fn hashes(head: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(head.as_bytes());
    for hash in value {
        match hash {
            1 => out.extend_from_slice(b" SHA1"),
            2 => out.extend_from_slice(b" SHA256"),
            3 => out.extend_from_slice(b" GOST94"),
            4 => out.extend_from_slice(b" SHA384"),
            5 => out.extend_from_slice(b" SHA512"),
            hash => text(out, format_args!(" {hash}")),
        }
    }
}

/// The network of the one who asked (RFC 7871, 6).
fn subnet(value: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    fn first<const N: usize>(address: &[u8]) -> [u8; N] {
        let mut whole = [0; N];
        whole.iter_mut().zip(address).for_each(|(to, from)| *to = *from);
        whole
    }
    let (family, rest) = number16(value)?;
    let ([source, scope], address) = rest.split_first_chunk().ok_or(Malformed)?;
    let most = match family {
        0 => 0,
        1 => 32,
        2 => 128,
        _ => return Err(Malformed),
    };
    if *source > most || (family > 0 && *scope > most) {
        return Err(Malformed);
    }
    let address = match family {
        0 => Ipv4Addr::UNSPECIFIED.into(),
        1 => IpAddr::from(first::<4>(address)),
        _ => Ipv6Addr::from(first::<16>(address)).to_canonical(),
    };
    match address {
        IpAddr::V4(ip) => text(out, format_args!("SUBNET: {ip}/{source}/{scope}")),
        IpAddr::V6(ip) => text(out, format_args!("SUBNET: [{ip}]/{source}/{scope}")),
    }
    Ok(())
}

/// Extended errors by number (RFC 8914, 4, and the IANA registry of them).
const ERRORS: &[&str] = &[
    "Other",
    "Unsupported DNSKEY Algorithm",
    "Unsupported DS Digest Type",
    "Stale Answer",
    "Forged Answer",
    "DNSSEC Indeterminate",
    "DNSSEC Bogus",
    "Signature Expired",
    "Signature Not Yet Valid",
    "DNSKEY Missing",
    "RRSIGs Missing",
    "No Zone Key Bit Set",
    "NSEC Missing",
    "Cached Error",
    "Not Ready",
    "Blocked",
    "Censored",
    "Filtered",
    "Prohibited",
    "Stale NXDOMAIN Answer",
    "Not Authoritative",
    "Not Supported",
    "No Reachable Authority",
    "Network Error",
    "Invalid Data",
    "Signature Expired Before Valid",
    "Too Early",
    "Unsupported NSEC3 Iterations Value",
    "Unable To Conform To Policy",
    "Synthesized",
    "Invalid Query Type",
];
