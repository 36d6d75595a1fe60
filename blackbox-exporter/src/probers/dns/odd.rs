//! Types whose data is more than a row of fields: LOC, APL, IPSECKEY, AMTRELAY, HIP, L32, and SVCB with HTTPS.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::cursor::Cursor;
use super::rdata::{base64, fields_of, hex, text};
use super::types::Field;
use super::{Malformed, name};

/// LOC (RFC 1876, 2): latitude, longitude, altitude, size and precisions.
pub(super) fn location(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let _version = cursor.u8()?;
    let sizes = [cursor.u8()?, cursor.u8()?, cursor.u8()?];
    degrees(out, cursor.u32()?, "N", "S");
    degrees(out, cursor.u32()?, "E", "W");
    // Centimetres from 100 km below the reference.
    let altitude = cursor.u32()?;
    let decimals = if altitude % 100 == 0 { 0 } else { 2 };
    text(out, format_args!("{:.decimals$}m", f64::from(altitude) / 100.0 - 100_000.0));
    for size in sizes {
        // A digit and a power of ten, in centimetres.
        let (digit, power) = (u16::from(size >> 4), usize::from(size & 0xf));
        match power {
            0 => text(out, format_args!(" 0.{digit:02}m")),
            1 => text(out, format_args!(" 0.{:02}m", digit * 10)),
            power => text(out, format_args!(" {digit}{:0<zeros$}m", "", zeros = power - 2)),
        }
    }
    Ok(())
}

/// Thousandths of a second of arc, the middle being 2^31.
fn degrees(out: &mut Vec<u8>, angle: u32, above: &str, below: &str) {
    const MIDDLE: u32 = 1 << 31;
    let side = if angle > MIDDLE { above } else { below };
    let angle = angle.abs_diff(MIDDLE);
    let (hours, minutes) = (angle / 3_600_000, angle / 60_000 % 60);
    let (seconds, thousandths) = (angle / 1000 % 60, angle % 1000);
    text(out, format_args!("{hours:02} {minutes:02} {seconds}.{thousandths:03} {side} "));
}

/// APL (RFC 3123, 4): networks, perhaps negated.
pub(super) fn prefixes(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut separator = "";
    while !cursor.is_done() {
        let [high, low, prefix, length] = cursor.array()?.ok_or(Malformed)?;
        let family = u16::from_be_bytes([high, low]);
        let negated = if length & 0x80 == 0 { "" } else { "!" };
        let address = cursor.sized(usize::from(length & 0x7f))?;
        if address.last() == Some(&0) {
            return Err(Malformed);
        }
        let address = match family {
            1 if prefix <= 32 => IpAddr::from(padded::<4>(address)?),
            2 if prefix <= 128 => IpAddr::from(padded::<16>(address)?),
            _ => return Err(Malformed),
        };
        text(out, format_args!("{separator}{negated}{family}:{address}/{prefix}"));
        separator = " ";
    }
    Ok(())
}

/// An address whose last bytes, zeros, may have been left out.
fn padded<const N: usize>(address: &[u8]) -> Result<[u8; N], Malformed> {
    let mut whole = [0; N];
    whole.get_mut(..address.len()).ok_or(Malformed)?.copy_from_slice(address);
    Ok(whole)
}

/// IPSECKEY (RFC 4025, 2).
pub(super) fn ipsec_key(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let (precedence, kind, algorithm) = (cursor.u8()?, cursor.u8()?, cursor.u8()?);
    text(out, format_args!("{precedence} {kind} {algorithm} "));
    gateway(kind, cursor, out)?;
    out.push(b' ');
    base64(out, cursor.rest());
    Ok(())
}

/// AMTRELAY (RFC 8777, 4). (The Go exporter does not read a relay when the discovery bit is set.)
pub(super) fn relay(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let (precedence, kind) = (cursor.u8()?, cursor.u8()?);
    text(out, format_args!("{precedence} {} {} ", kind >> 7, kind & 0x7f));
    gateway(kind & 0x7f, cursor, out)
}

/// An address, a name, or nothing, which is a dot.
fn gateway(kind: u8, cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), Malformed> {
    if cursor.is_done() {
        out.push(b'.');
        return Ok(());
    }
    match kind {
        1 => fields_of(&[Field::Ip4], cursor, out),
        2 => fields_of(&[Field::Ip6], cursor, out),
        3 => cursor.name(out),
        _ => {
            out.push(b'.');
            Ok(())
        }
    }
}

/// HIP (RFC 8005, 5): identity, key and the names of rendezvous servers.
pub(super) fn host_identity(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let (identity, algorithm, key) = (cursor.u8()?, cursor.u8()?, cursor.u16()?);
    text(out, format_args!("{algorithm} "));
    hex(out, cursor.counted(usize::from(identity))?);
    out.push(b' ');
    base64(out, cursor.counted(usize::from(key))?);
    while !cursor.is_done() {
        out.push(b' ');
        fields_of(&[Field::Name], cursor, out)?;
    }
    Ok(())
}

/// L32 (RFC 6742, 2.2).
pub(super) fn locator(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), Malformed> {
    text(out, format_args!("{}", cursor.u16()?));
    if let Some(ip) = cursor.array::<4>()? {
        text(out, format_args!(" {}", Ipv4Addr::from(ip)));
    }
    Ok(())
}

/// SVCB and HTTPS (RFC 9460, 2.2): priority, target, and parameters in order of their keys.
pub(super) fn service(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), Malformed> {
    fields_of(&[Field::U16, Field::Name], cursor, out)?;
    let mut last = None;
    while !cursor.is_done() {
        let [k1, k2, l1, l2] = cursor.array()?.ok_or(Malformed)?;
        let key = u16::from_be_bytes([k1, k2]);
        let value = cursor.sized(usize::from(u16::from_be_bytes([l1, l2])))?;
        if last.is_some_and(|last| key <= last) || key == u16::MAX {
            return Err(Malformed);
        }
        last = Some(key);
        out.push(b' ');
        push_key(out, key);
        out.extend_from_slice(b"=\"");
        parameter(key, value, out)?;
        out.push(b'"');
    }
    Ok(())
}

/// Names of parameters by number (RFC 9460, 14.3.2, RFC 9461, RFC 9540).
const KEYS: &[&str] =
    &["mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath", "ohttp"];

fn push_key(out: &mut Vec<u8>, key: u16) {
    match KEYS.get(usize::from(key)) {
        Some(name) => out.extend_from_slice(name.as_bytes()),
        None => text(out, format_args!("key{key}")),
    }
}

/// The value of a parameter, without its quotes.
fn parameter(key: u16, value: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let list = |size: usize| value.chunks(size).map(|item| (item.as_ptr() != value.as_ptr(), item));
    match key {
        0 if value.len().is_multiple_of(2) => {
            for (further, key) in list(2) {
                out.extend(further.then_some(b','));
                push_key(out, key.first_chunk().copied().map_or(0, u16::from_be_bytes));
            }
        }
        1 => alpn(value, out)?,
        2 | 8 if value.is_empty() => {}
        3 => match *value {
            [high, low] => text(out, format_args!("{}", u16::from_be_bytes([high, low]))),
            _ => return Err(Malformed),
        },
        4 if !value.is_empty() && value.len().is_multiple_of(4) => {
            for (further, ip) in list(4) {
                out.extend(further.then_some(b','));
                text(out, format_args!("{}", Ipv4Addr::from(padded::<4>(ip)?)));
            }
        }
        5 => base64(out, value),
        6 if !value.is_empty() && value.len().is_multiple_of(16) => {
            for (further, ip) in list(16) {
                let ip = Ipv6Addr::from(padded::<16>(ip)?);
                if ip.to_ipv4_mapped().is_some() {
                    return Err(Malformed);
                }
                out.extend(further.then_some(b','));
                text(out, format_args!("{ip}"));
            }
        }
        0 | 2 | 4 | 6 | 8 => return Err(Malformed),
        _ => value.iter().for_each(|byte| push_value(out, *byte)),
    }
    Ok(())
}

fn push_value(out: &mut Vec<u8>, byte: u8) {
    match byte {
        b'"' | b';' | b' ' | b'\\' => out.extend([b'\\', byte]),
        b'!'..=b'~' => out.push(byte),
        byte => name::push_decimal(out, byte),
    }
}

/// Protocols, a length before each; commas and backslashes in them are escaped twice (RFC 9460, A.1).
fn alpn(mut value: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut further = false;
    while let Some((length, rest)) = value.split_first() {
        let (protocol, rest) = rest.split_at_checked(usize::from(*length)).ok_or(Malformed)?;
        out.extend(further.then_some(b','));
        for byte in protocol {
            match byte {
                b',' => out.extend_from_slice(br"\\\044"),
                b'\\' => out.extend_from_slice(br"\\\092"),
                byte => push_value(out, *byte),
            }
        }
        (further, value) = (true, rest);
    }
    Ok(())
}
