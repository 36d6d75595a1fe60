//! A record as one line of text: `owner TAB ttl TAB class TAB type TAB data`, the form zone files have (RFC 1035, 5.1, and the
//! RFC of each type), in the spelling of the Go exporter, since rules match this text.
//!
//! * Most types are a row of fields in [`super::types`], a blank between each two. The others are in [`super::odd`] and
//!   [`super::edns`].
//! * A type without a row is `CLASS<n> TAB TYPE<n> TAB \# <bytes> <hex>` (RFC 3597).
//! * Data may end between two fields: what is missing is 0 or empty. In the middle of a field it may not.
//! * Text is bytes: a few options of EDNS come as they are.

use std::io::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::cursor::Cursor;
use super::message::Record;
use super::types::Field::*;
use super::types::{Data, Field, row};
use super::{Malformed, edns, name};

/// Most bytes of text of one record: a chain of pointers can make a few bytes long.
const MOST_TEXT: usize = 1 << 20;

const OPT: u16 = 41;
const TKEY: u16 = 249;
const TSIG: u16 = 250;

/// Writes a record as text.
///
/// # Errors
/// Its data is not that of its type.
pub(super) fn write(message: &[u8], record: &Record, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut cursor = Cursor::new(message, record.rdata.clone());
    let row = row(record.kind).filter(|row| !matches!(row.2, Data::Unknown));
    let Some((kind, type_name, data)) = row else {
        name::write(message, record.name, out)?;
        let class = record.class;
        let rdata = cursor.rest();
        text(out, format_args!("\t{}\tCLASS{class}\tTYPE{}\t\\# {} ", record.ttl, record.kind, rdata.len()));
        hex(out, rdata);
        return Ok(());
    };
    match *kind {
        OPT => edns::head(record, out),
        kind => {
            out.extend_from_slice(match (kind, data) {
                (TSIG, _) => b"\n;; TSIG PSEUDOSECTION:\n; ".as_slice(),
                (TKEY, _) | (_, Data::Raw) => b";",
                _ => b"",
            });
            name::write(message, record.name, out)?;
            text(out, format_args!("\t{}\t", record.ttl));
            push_class(out, record.class);
            text(out, format_args!("\t{type_name}\t"));
            if matches!(kind, TSIG | TKEY) {
                out.push(b' ');
            }
        }
    }
    match data {
        Data::Fields(fields) => fields_of(fields, &mut cursor, out)?,
        Data::Own(write) => write(&mut cursor, out)?,
        Data::Raw => out.extend_from_slice(cursor.rest()),
        Data::Nothing | Data::Unknown => {}
    }
    if cursor.is_done() { Ok(()) } else { Err(Malformed) }
}

/// Writes fields with a blank between each two. Addresses that are not there are nothing, and a bitmap brings its own
/// blanks.
pub(super) fn fields_of(fields: &[Field], cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), Malformed> {
    for (at, field) in fields.iter().enumerate() {
        if at > 0 && !matches!(field, Types) {
            out.push(b' ');
        }
        write_field(*field, cursor, out)?;
        if out.len() > MOST_TEXT {
            return Err(Malformed);
        }
    }
    Ok(())
}

fn write_field(field: Field, cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), Malformed> {
    match field {
        U8 => text(out, format_args!("{}", cursor.u8()?)),
        U16 => text(out, format_args!("{}", cursor.u16()?)),
        U32 => text(out, format_args!("{}", cursor.u32()?)),
        Time => push_time(out, u64::from(cursor.u32()?)),
        LongTime => push_time(out, cursor.number(6)?),
        Name => cursor.name(out)?,
        Quoted => quote(out, cursor.string()?),
        Bare => escape(out, cursor.string()?),
        QuotedList => {
            for at in 0.. {
                if cursor.is_done() {
                    break;
                }
                if at > 0 {
                    out.push(b' ');
                }
                quote(out, cursor.string()?);
            }
        }
        QuotedRest => {
            out.push(b'"');
            value(out, cursor.rest());
            out.push(b'"');
        }
        Base64Rest => base64(out, cursor.rest()),
        HexRest => hex(out, cursor.rest()),
        UpperHexRest => upper_hex(out, cursor.rest()),
        Salt => {
            let length = cursor.u8()?;
            match cursor.counted(usize::from(length))? {
                [] => out.push(b'-'),
                salt => upper_hex(out, salt),
            }
        }
        Hash => {
            let length = cursor.u8()?;
            base32(out, cursor.counted(usize::from(length))?);
        }
        Sized | SizedUpper => {
            let length = cursor.u16()?;
            text(out, format_args!("{length} "));
            let bytes = cursor.counted(usize::from(length))?;
            if matches!(field, Sized) { hex(out, bytes) } else { upper_hex(out, bytes) }
        }
        Ip4 => {
            if let Some(ip) = cursor.array::<4>()? {
                text(out, format_args!("{}", Ipv4Addr::from(ip)));
            }
        }
        Ip6 => {
            if let Some(ip) = cursor.array::<16>()? {
                text(out, format_args!("{}", Ipv6Addr::from(ip)));
            }
        }
        Groups | UpperGroups => {
            for (at, group) in cursor.number(8)?.to_be_bytes().chunks(2).enumerate() {
                if at > 0 {
                    out.push(b':');
                }
                if matches!(field, Groups) { hex(out, group) } else { upper_hex(out, group) }
            }
        }
        Dashes(size) => {
            let bytes = cursor.number(size)?.to_be_bytes();
            for (at, byte) in bytes.iter().skip(bytes.len().saturating_sub(size)).enumerate() {
                if at > 0 {
                    out.push(b'-');
                }
                hex(out, &[*byte]);
            }
        }
        TypeName => push_type(out, cursor.u16()?),
        CertificateType => match cursor.u16()? {
            kind @ 1..=8 => out.extend_from_slice(word(CERTIFICATES, usize::from(kind) - 1)),
            253 => out.extend_from_slice(b"URI"),
            254 => out.extend_from_slice(b"OID"),
            kind => text(out, format_args!("{kind}")),
        },
        Algorithm => push_algorithm(out, cursor.u8()?),
        Types => types(cursor, out)?,
    }
    Ok(())
}

/// Bitmaps of types (RFC 4034, 4.1.2): windows of 256, in order, none empty.
fn types(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut last = None;
    while !cursor.is_done() {
        let [window, length] = cursor.array()?.ok_or(Malformed)?;
        if last.is_some_and(|last| window <= last) || !(1..=32).contains(&length) {
            return Err(Malformed);
        }
        last = Some(window);
        for (octet, bits) in (0_u16..).zip(cursor.sized(usize::from(length))?) {
            for bit in (0..8).filter(|bit| bits & (0x80 >> bit) != 0) {
                out.push(b' ');
                push_type(out, u16::from(window) << 8 | octet << 3 | bit);
            }
        }
    }
    Ok(())
}

/// Certificate types from 1 on (RFC 4398, 2.1).
const CERTIFICATES: &[&str] = &["PKIX", "SPKI", "PGP", "IPIX", "ISPKI", "IPGP", "ACPKIX", "IACPKIX"];

fn word(words: &[&'static str], at: usize) -> &'static [u8] {
    words.get(at).map_or(b"", |word| word.as_bytes())
}

/// A DNSSEC algorithm (RFC 8624, 3.1), a number when it has no name.
pub(super) fn push_algorithm(out: &mut Vec<u8>, algorithm: u8) {
    let name = match algorithm {
        1 => "RSAMD5",
        2 => "DH",
        3 => "DSA",
        5 => "RSASHA1",
        6 => "DSA-NSEC3-SHA1",
        7 => "RSASHA1-NSEC3-SHA1",
        8 => "RSASHA256",
        10 => "RSASHA512",
        12 => "ECC-GOST",
        13 => "ECDSAP256SHA256",
        14 => "ECDSAP384SHA384",
        15 => "ED25519",
        16 => "ED448",
        252 => "INDIRECT",
        253 => "PRIVATEDNS",
        254 => "PRIVATEOID",
        _ => return text(out, format_args!("{algorithm}")),
    };
    out.extend_from_slice(name.as_bytes());
}

fn push_type(out: &mut Vec<u8>, kind: u16) {
    match row(kind) {
        Some((_, name, _)) => out.extend_from_slice(name.as_bytes()),
        None => text(out, format_args!("TYPE{kind}")),
    }
}

/// ANY is a type as well, so that class is a number.
fn push_class(out: &mut Vec<u8>, class: u16) {
    match class {
        1 => out.extend_from_slice(b"IN"),
        2 => out.extend_from_slice(b"CS"),
        3 => out.extend_from_slice(b"CH"),
        4 => out.extend_from_slice(b"HS"),
        254 => out.extend_from_slice(b"NONE"),
        class => text(out, format_args!("CLASS{class}")),
    }
}

/// Writes text; writing to memory does not fail.
pub(super) fn text(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

/// A string without quotes around it.
pub(super) fn escape(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', *byte]),
            b' '..=b'~' => out.push(*byte),
            byte => name::push_decimal(out, *byte),
        }
    }
}

fn quote(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    escape(out, bytes);
    out.push(b'"');
}

/// The value of a URI or a CAA record. It has no escapes, and yet the Go exporter reads a backslash as one, but for the one
/// before a dot; rules are written for what it shows.
fn value(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut rest = bytes;
    while let Some((byte, after)) = rest.split_first() {
        rest = match (byte, after) {
            (b'\\', [b'.', after @ ..]) => {
                out.extend_from_slice(b"\\.");
                after
            }
            (b'\\', [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', after @ ..]) => {
                let byte = [a, b, c].iter().fold(0_u8, |n, digit| n.wrapping_mul(10).wrapping_add(**digit - b'0'));
                escape(out, &[byte]);
                after
            }
            (b'\\', [byte, after @ ..]) => {
                escape(out, &[*byte]);
                after
            }
            (b'\\', []) => &[],
            (byte, after) => {
                escape(out, &[*byte]);
                after
            }
        };
    }
}

pub(super) fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    push_digits(out, bytes, b"0123456789abcdef");
}

pub(super) fn upper_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    push_digits(out, bytes, b"0123456789ABCDEF");
}

fn push_digits(out: &mut Vec<u8>, bytes: &[u8], digits: &[u8; 16]) {
    for byte in bytes {
        let digit = |at: u8| digits.get(usize::from(at)).copied().unwrap_or_default();
        out.extend([digit(byte >> 4), digit(byte & 0xf)]);
    }
}

pub(super) fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
}

/// Base 32 of hashes (RFC 4648, 7), without padding.
fn base32(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHIJKLMNOPQRSTUV";
    for group in bytes.chunks(5) {
        let bits = group.iter().chain([0; 4].iter()).take(5).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        for digit in (0..8_u32).take((group.len() * 8).div_ceil(5)) {
            let at = (bits >> (35 - digit * 5)) & 0x1f;
            out.extend(usize::try_from(at).ok().and_then(|at| DIGITS.get(at)));
        }
    }
}

/// `YYYYMMDDHHMMSS`, of a year that may have more digits.
fn push_time(out: &mut Vec<u8>, seconds: u64) {
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    // Days since 1 March of year 0, in eras of 400 years; years begin in March, so that a leap day is their last.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    let year = era * 400 + year;
    text(out, format_args!("{year:04}{month:02}{day:02}{:02}{:02}{:02}", time / 3600, time / 60 % 60, time % 60));
}

#[cfg(test)]
mod tests;
