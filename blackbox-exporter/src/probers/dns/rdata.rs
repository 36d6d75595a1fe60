//! A record as one line of text: `owner TAB ttl TAB class TAB type TAB data`, the form zone files have (RFC 1035, 5.1, and the
//! RFC of each type), in the spelling of the Go exporter, since rules match this text.
//!
//! * Most types are a row of [`TYPES`]: fields, a blank between each two. The others are in [`super::odd`] and [`super::edns`].
//! * A type without a row is `CLASS<n> TAB TYPE<n> TAB \# <bytes> <hex>` (RFC 3597).
//! * Data may end between two fields: what is missing is 0 or empty. In the middle of a field it may not.
//! * Text is bytes: a few options of EDNS come as they are.

use std::io::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::cursor::Cursor;
use super::message::Record;
use super::{Malformed, edns, name, odd};

/// Most bytes of text of one record: a chain of pointers can make a few bytes long.
const MOST_TEXT: usize = 1 << 20;

/// One part of a record's data.
#[derive(Clone, Copy)]
pub(super) enum Field {
    U8,
    U16,
    U32,
    /// Seconds since 1970 as `YYYYMMDDHHMMSS`: 4 bytes.
    Time,
    /// The same: 6 bytes.
    LongTime,
    Name,
    /// A string with its length before it, in quotes.
    Quoted,
    /// The same without quotes.
    Bare,
    /// Such strings in quotes, up to the end.
    QuotedList,
    /// All that is left, in quotes.
    QuotedRest,
    Base64Rest,
    HexRest,
    UpperHexRest,
    /// Hex with its length, a byte, before it, which is not shown; `-` when empty.
    Salt,
    /// Base 32 with its length, a byte, before it, which is not shown.
    Hash,
    /// Length in two bytes, and hex.
    Sized,
    SizedUpper,
    Ip4,
    Ip6,
    /// Eight bytes as four groups of hex.
    Groups,
    UpperGroups,
    /// So many bytes of hex with dashes between.
    Dashes(usize),
    TypeName,
    CertificateType,
    Algorithm,
    /// The types that a bitmap has.
    Types,
}

/// What a type's data is made of.
#[derive(Clone, Copy)]
pub(super) enum Data {
    /// A row of fields.
    Fields(&'static [Field]),
    /// Nothing may be there.
    Nothing,
    /// Something of its own.
    Own(fn(&mut Cursor<'_>, &mut Vec<u8>) -> Result<(), Malformed>),
    /// Bytes as they are.
    Raw,
    /// The type is a name alone.
    Unknown,
}

use Field::*;

const NAME: Data = Data::Fields(&[Name]);
const TWO_NAMES: Data = Data::Fields(&[Name, Name]);
const PREFERENCE: Data = Data::Fields(&[U16, Name]);
const STRINGS: Data = Data::Fields(&[QuotedList]);
const KEY: Data = Data::Fields(&[U16, U8, U8, Base64Rest]);
const DIGEST: Data = Data::Fields(&[U16, U8, U8, UpperHexRest]);
const SIGNATURE: Data = Data::Fields(&[TypeName, U8, U8, U32, Time, Time, U16, Name, Base64Rest]);
const ASSOCIATION: Data = Data::Fields(&[U8, U8, U8, HexRest]);
const NEXT: Data = Data::Fields(&[Name, Types]);

const OPT: u16 = 41;
const TKEY: u16 = 249;
const TSIG: u16 = 250;

/// Types by number.
static TYPES: &[(u16, &str, Data)] = &[
    (0, "None", Data::Unknown),
    (1, "A", Data::Fields(&[Ip4])),
    (2, "NS", NAME),
    (3, "MD", NAME),
    (4, "MF", NAME),
    (5, "CNAME", NAME),
    (6, "SOA", Data::Fields(&[Name, Name, U32, U32, U32, U32, U32])),
    (7, "MB", NAME),
    (8, "MG", NAME),
    (9, "MR", NAME),
    (10, "NULL", Data::Raw),
    (12, "PTR", NAME),
    (13, "HINFO", Data::Fields(&[Quoted, Quoted])),
    (14, "MINFO", TWO_NAMES),
    (15, "MX", PREFERENCE),
    (16, "TXT", STRINGS),
    (17, "RP", TWO_NAMES),
    (18, "AFSDB", PREFERENCE),
    (19, "X25", Data::Fields(&[Bare])),
    (20, "ISDN", Data::Fields(&[Quoted, Quoted])),
    (21, "RT", PREFERENCE),
    (23, "NSAP-PTR", NAME),
    (24, "SIG", SIGNATURE),
    (25, "KEY", KEY),
    (26, "PX", Data::Fields(&[U16, Name, Name])),
    (27, "GPOS", Data::Fields(&[Bare, Bare, Bare])),
    (28, "AAAA", Data::Fields(&[Ip6])),
    (29, "LOC", Data::Own(odd::location)),
    (30, "NXT", NEXT),
    (31, "EID", Data::Fields(&[UpperHexRest])),
    (32, "NIMLOC", Data::Fields(&[UpperHexRest])),
    (33, "SRV", Data::Fields(&[U16, U16, U16, Name])),
    (34, "ATMA", Data::Unknown),
    (35, "NAPTR", Data::Fields(&[U16, U16, Quoted, Quoted, Quoted, Name])),
    (36, "KX", PREFERENCE),
    (37, "CERT", Data::Fields(&[CertificateType, U16, Algorithm, Base64Rest])),
    (39, "DNAME", NAME),
    (41, "OPT", Data::Own(edns::options)),
    (42, "APL", Data::Own(odd::prefixes)),
    (43, "DS", DIGEST),
    (44, "SSHFP", Data::Fields(&[U8, U8, UpperHexRest])),
    (45, "IPSECKEY", Data::Own(odd::ipsec_key)),
    (46, "RRSIG", SIGNATURE),
    (47, "NSEC", NEXT),
    (48, "DNSKEY", KEY),
    (49, "DHCID", Data::Fields(&[Base64Rest])),
    (50, "NSEC3", Data::Fields(&[U8, U8, U16, Salt, Hash, Types])),
    (51, "NSEC3PARAM", Data::Fields(&[U8, U8, U16, Salt])),
    (52, "TLSA", ASSOCIATION),
    (53, "SMIMEA", ASSOCIATION),
    (55, "HIP", Data::Own(odd::host_identity)),
    (56, "NINFO", STRINGS),
    (57, "RKEY", KEY),
    (58, "TALINK", TWO_NAMES),
    (59, "CDS", DIGEST),
    (60, "CDNSKEY", KEY),
    (61, "OPENPGPKEY", Data::Fields(&[Base64Rest])),
    (62, "CSYNC", Data::Fields(&[U32, U16, Types])),
    (63, "ZONEMD", Data::Fields(&[U32, U8, U8, HexRest])),
    (64, "SVCB", Data::Own(odd::service)),
    (65, "HTTPS", Data::Own(odd::service)),
    (99, "SPF", STRINGS),
    (100, "UINFO", Data::Fields(&[Quoted])),
    (101, "UID", Data::Fields(&[U32])),
    (102, "GID", Data::Fields(&[U32])),
    (103, "UNSPEC", Data::Unknown),
    (104, "NID", Data::Fields(&[U16, Groups])),
    (105, "L32", Data::Own(odd::locator)),
    (106, "L64", Data::Fields(&[U16, UpperGroups])),
    (107, "LP", PREFERENCE),
    (108, "EUI48", Data::Fields(&[Dashes(6)])),
    (109, "EUI64", Data::Fields(&[Dashes(8)])),
    (128, "NXNAME", Data::Nothing),
    (249, "TKEY", Data::Fields(&[Name, Time, Time, U16, U16, Sized, Sized])),
    (250, "TSIG", Data::Fields(&[Name, LongTime, U16, SizedUpper, U16, U16, Sized])),
    (251, "IXFR", Data::Unknown),
    (252, "AXFR", Data::Unknown),
    (253, "MAILB", Data::Unknown),
    (254, "MAILA", Data::Unknown),
    (255, "ANY", Data::Nothing),
    (256, "URI", Data::Fields(&[U16, U16, QuotedRest])),
    (257, "CAA", Data::Fields(&[U8, Bare, QuotedRest])),
    (258, "AVC", STRINGS),
    (260, "AMTRELAY", Data::Own(odd::relay)),
    (261, "RESINFO", STRINGS),
    (32768, "TA", DIGEST),
    (32769, "DLV", DIGEST),
    (65535, "Reserved", Data::Unknown),
];

fn row(kind: u16) -> Option<&'static (u16, &'static str, Data)> {
    let at = TYPES.binary_search_by_key(&kind, |row| row.0).ok()?;
    TYPES.get(at)
}

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
        QuotedRest => quote(out, cursor.rest()),
        Base64Rest => base64(out, cursor.rest()),
        HexRest => hex(out, cursor.rest()),
        UpperHexRest => upper_hex(out, cursor.rest()),
        Salt => {
            let length = cursor.u8()?;
            match cursor.sized(usize::from(length))? {
                [] => out.push(b'-'),
                salt => upper_hex(out, salt),
            }
        }
        Hash => {
            let length = cursor.u8()?;
            base32(out, cursor.sized(usize::from(length))?);
        }
        Sized | SizedUpper => {
            let length = cursor.u16()?;
            text(out, format_args!("{length} "));
            let bytes = cursor.sized(usize::from(length))?;
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
    text(
        out,
        format_args!("{year:04}{month:02}{day:02}{:02}{:02}{:02}", time / 3600, time / 60 % 60, time % 60),
    );
}

#[cfg(test)]
mod tests;
