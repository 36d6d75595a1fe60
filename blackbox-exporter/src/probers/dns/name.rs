//! Domain names: from wire bytes to the text that rules match, and from a module's text to wire bytes (RFC 1035, 3.1, 4.1.4).
//!
//! In text every label ends with a dot; the root is a dot alone. Bytes that mean something in a zone file have a backslash
//! before them, those outside of printable ASCII are three decimal digits after one. Text to wire is the other way round.

use super::Malformed;

/// Longest name on the wire, its last byte 0 included.
const MOST_BYTES: usize = 255;
/// Most pointers in a name: a name of one-letter labels, each behind a pointer, needs no more. Ends loops.
const MOST_POINTERS: usize = 126;
const LONGEST_LABEL: usize = 63;

/// Walks the name at `at`, hands each label to `label`, and returns where the bytes after the name are.
///
/// # Errors
/// It leaves the message, is too long, or goes in circles.
pub(super) fn walk(message: &[u8], mut at: usize, mut label: impl FnMut(&[u8])) -> Result<usize, Malformed> {
    let mut after = None;
    let (mut bytes, mut pointers) = (1, 0);
    loop {
        let length = *message.get(at).ok_or(Malformed)?;
        let from = at.saturating_add(1);
        match length {
            0 => return Ok(after.unwrap_or(from)),
            1..=0x3f => {
                let end = from.saturating_add(usize::from(length));
                bytes += usize::from(length) + 1;
                if bytes > MOST_BYTES {
                    return Err(Malformed);
                }
                label(message.get(from..end).ok_or(Malformed)?);
                at = end;
            }
            0xc0.. => {
                let low = *message.get(from).ok_or(Malformed)?;
                pointers += 1;
                if pointers > MOST_POINTERS {
                    return Err(Malformed);
                }
                after = after.or(Some(from.saturating_add(1)));
                at = usize::from(u16::from_be_bytes([length & 0x3f, low]));
            }
            _ => return Err(Malformed),
        }
    }
}

/// Writes the name at `at` as text and returns where the bytes after it are.
///
/// # Errors
/// As with [`walk`].
pub(super) fn write(message: &[u8], at: usize, out: &mut Vec<u8>) -> Result<usize, Malformed> {
    let begin = out.len();
    let after = walk(message, at, |label| {
        for byte in label {
            match byte {
                b'.' | b' ' | b'\'' | b'@' | b';' | b'(' | b')' | b'"' | b'\\' => out.extend([b'\\', *byte]),
                b'!'..=b'~' => out.push(*byte),
                byte => push_decimal(out, *byte),
            }
        }
        out.push(b'.');
    })?;
    if out.len() == begin {
        out.push(b'.');
    }
    Ok(after)
}

/// A byte as a backslash and three digits.
pub(super) fn push_decimal(out: &mut Vec<u8>, byte: u8) {
    out.extend([b'\\', b'0' + byte / 100, b'0' + byte / 10 % 10, b'0' + byte % 10]);
}

/// The wire form of a name as a module has it; a dot at its end makes no difference.
///
/// # Errors
/// What is wrong with it.
pub(super) fn to_wire(text: &str) -> Result<Vec<u8>, &'static str> {
    const EMPTY: &str = "an empty label";
    let mut wire = Vec::with_capacity(text.len().min(MOST_BYTES) + 2);
    if !matches!(text, "" | ".") {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let (label, after) = first_label(rest)?;
            if label.is_empty() {
                return Err(EMPTY);
            }
            let length = u8::try_from(label.len()).ok().filter(|length| usize::from(*length) <= LONGEST_LABEL);
            wire.push(length.ok_or("a label of more than 63 bytes")?);
            wire.extend(label);
            if wire.len() >= MOST_BYTES {
                return Err("more than 255 bytes");
            }
            rest = after;
        }
    }
    wire.push(0);
    Ok(wire)
}

/// A label and what follows its dot.
fn first_label(text: &[u8]) -> Result<(Vec<u8>, &[u8]), &'static str> {
    const ESCAPE: &str = "a backslash that nothing follows";
    let mut label = Vec::new();
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'.' => break,
            b'\\' => match rest {
                [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', after @ ..] => {
                    let number = [a, b, c].iter().fold(0_u16, |n, digit| n * 10 + u16::from(**digit - b'0'));
                    label.push(u8::try_from(number).map_err(|_| "a decimal escape above 255")?);
                    rest = after;
                }
                [byte, after @ ..] => {
                    label.push(*byte);
                    rest = after;
                }
                [] => return Err(ESCAPE),
            },
            byte => label.push(*byte),
        }
    }
    Ok((label, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_to_text() {
        let check = |message: &[u8], at: usize, want: Option<(&str, usize)>| {
            let mut out = Vec::new();
            let after = write(message, at, &mut out);
            let got = after.ok().map(|after| (String::from_utf8(out).unwrap(), after));
            assert_eq!(got, want.map(|(text, after)| (text.to_owned(), after)), "{message:?}");
        };
        check(b"\0", 0, Some((".", 1)));
        check(b"\x03www\x02ab\0rest", 0, Some(("www.ab.", 8)));
        check(b"\x02ab\0\x03www\xc0\0rest", 4, Some(("www.ab.", 10)));
        check(b"\x08.\\\x00\xff a'b\0", 0, Some((r"\.\\\000\255\ a\'b.", 10)));
        check(b"\x02a", 0, None);
        check(b"\x01a", 0, None);
        check(b"", 0, None);
        check(b"\xc0", 0, None);
        check(b"\xc0\0", 0, None);
        check(b"\x41a\0", 0, None);
        let mut longest = [[63].as_slice(), &[b'x'; 63]].concat().repeat(3);
        longest.extend([[61].as_slice(), &[b'x'; 61], &[0]].concat());
        assert_eq!(walk(&longest, 0, |_| ()), Ok(255));
        longest.insert(193, b'x');
        longest[192] = 62;
        assert_eq!(walk(&longest, 0, |_| ()), Err(Malformed));
    }

    #[test]
    fn text_to_wire() {
        let check =
            |text: &str, want: Result<&[u8], &str>| assert_eq!(to_wire(text).as_deref(), want.as_deref(), "{text}");
        check(".", Ok(b"\0"));
        check("a.bc", Ok(b"\x01a\x02bc\0"));
        check("a.bc.", Ok(b"\x01a\x02bc\0"));
        check(r"a\.b.\000\255", Ok(b"\x03a.b\x02\0\xff\0"));
        check("ä", Ok("\x02ä\0".as_bytes()));
        check("a..b", Err("an empty label"));
        check("..", Err("an empty label"));
        check(".a", Err("an empty label"));
        check(&"x".repeat(64), Err("a label of more than 63 bytes"));
        check(&"x.".repeat(127), Ok([b"\x01x".repeat(127), vec![0]].concat().as_slice()));
        check(&"x.".repeat(128), Err("more than 255 bytes"));
        check("a\\", Err("a backslash that nothing follows"));
        check(r"a\256", Err("a decimal escape above 255"));
    }
}
