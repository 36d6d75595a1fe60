//! A distinguished name as one line of text.
//!
//! * Source: X.501 names of RFC 5280, section 4.1.2.4; the signs of RFC 4514, with the order of the Go exporter: common
//!   types first, each in its place whatever the certificate's order, then all others backwards, by their numbers.
//! * Several values of a common type are joined with `+`; of CN and SERIALNUMBER the last is taken.

use std::fmt::Write as _;

use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::Any;
use x509_cert::der::{Encode as _, Tag, Tagged as _};
use x509_cert::name::Name;

use super::certificate::hex;

/// Last number of an attribute's identifier below 2.5.4, its name, and whether there can only be one; in order.
const COMMON: [(u32, &str, bool); 9] = [
    (5, "SERIALNUMBER", true),
    (3, "CN", true),
    (11, "OU", false),
    (10, "O", false),
    (17, "POSTALCODE", false),
    (9, "STREET", false),
    (7, "L", false),
    (8, "ST", false),
    (6, "C", false),
];

/// The text; empty for an empty name.
pub(super) fn text(name: &Name) -> String {
    let attributes = || name.0.iter().flat_map(|relative| relative.0.iter());
    let mut text = String::new();
    for (number, kind, single) in COMMON {
        let values = || attributes().filter(|attribute| common(attribute) == Some(number));
        if single {
            let last = values().next_back().map(|attribute| value(&attribute.value)).filter(|value| !value.is_empty());
            push(&mut text, ',', kind, last);
        } else {
            for (at, attribute) in values().enumerate() {
                push(&mut text, if at == 0 { ',' } else { '+' }, kind, Some(value(&attribute.value)));
            }
        }
    }
    let others: Vec<_> = attributes().filter(|attribute| common(attribute).is_none()).collect();
    for attribute in others.into_iter().rev() {
        push(&mut text, ',', &attribute.oid.to_string(), Some(value(&attribute.value)));
    }
    text
}

/// Which of the common types it is.
fn common(attribute: &AttributeTypeAndValue) -> Option<u32> {
    let mut arcs = attribute.oid.arcs();
    let (parent, number) = ([arcs.next()?, arcs.next()?, arcs.next()?], arcs.next()?);
    let known = parent == [2, 5, 4] && arcs.next().is_none() && COMMON.iter().any(|(known, ..)| *known == number);
    known.then_some(number)
}

/// A value as text: in Unicode whatever it was in; what is no text in hexadecimal DER.
fn value(value: &Any) -> String {
    let bytes = value.value();
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::NumericString => {
            String::from_utf8_lossy(bytes).into_owned()
        }
        // Said to be T.61, and Latin-1 in truth.
        Tag::TeletexString => bytes.iter().copied().map(char::from).collect(),
        Tag::BmpString => {
            let units = bytes.chunks_exact(2).filter_map(|pair| Some(u16::from_be_bytes(pair.try_into().ok()?)));
            char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
        _ => format!("#{}", hex(&value.to_der().unwrap_or_default())),
    }
}

fn push(text: &mut String, separator: char, kind: &str, value: Option<String>) {
    let Some(value) = value else { return };
    if !text.is_empty() {
        text.push(separator);
    }
    // Writing to a string cannot fail.
    let _ = write!(text, "{kind}=");
    let last = value.len().saturating_sub(1);
    for (at, c) in value.char_indices() {
        let escaped = match c {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => true,
            ' ' => at == 0 || at == last,
            '#' => at == 0,
            _ => false,
        };
        if escaped {
            text.push('\\');
        }
        text.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use x509_cert::der::Decode as _;

    /// DER of a name of attributes, each a relative name of its own.
    fn der(attributes: &[(&[u8], u8, &[u8])]) -> Vec<u8> {
        let wrap = |tag: u8, content: Vec<u8>| [vec![tag, u8::try_from(content.len()).unwrap()], content].concat();
        let relative = |(oid, tag, value): &(&[u8], u8, &[u8])| {
            let pair = [wrap(0x06, oid.to_vec()), wrap(*tag, value.to_vec())].concat();
            wrap(0x31, wrap(0x30, pair))
        };
        wrap(0x30, attributes.iter().flat_map(relative).collect())
    }

    #[track_caller]
    fn check(attributes: &[(&[u8], u8, &[u8])], want: &str) {
        assert_eq!(text(&Name::from_der(&der(attributes)).unwrap()), want);
    }

    const C: &[u8] = &[0x55, 4, 6];
    const CN: &[u8] = &[0x55, 4, 3];
    const OU: &[u8] = &[0x55, 4, 11];
    const MAIL: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1];
    const GIVEN: &[u8] = &[0x55, 4, 42];

    #[test]
    fn order_is_by_type() {
        check(&[], "");
        check(&[(C, 0x13, b"NL"), (CN, 0x0c, b"x")], "CN=x,C=NL");
        check(&[(OU, 0x0c, b"a"), (C, 0x13, b"NL"), (OU, 0x0c, b"b"), (CN, 0x0c, b"x")], "CN=x,OU=a+OU=b,C=NL");
        check(&[(CN, 0x0c, b"x"), (CN, 0x0c, b"y")], "CN=y");
        check(&[(CN, 0x0c, b"x"), (CN, 0x0c, b"")], "");
        let others = [(MAIL, 0x16, &b"m@x.test"[..]), (GIVEN, 0x0c, b"Jo"), (CN, 0x0c, b"x")];
        check(&others, "CN=x,2.5.4.42=Jo,1.2.840.113549.1.9.1=m@x.test");
    }

    #[test]
    fn signs() {
        for (value, want) in [
            (&b"a,b+c"[..], r"CN=a\,b\+c"),
            (br#""x"\<y>;"#, r#"CN=\"x\"\\\<y\>\;"#),
            (b"#a#", r"CN=\#a#"),
            (b" a b ", r"CN=\ a b\ "),
            (b"a=b", "CN=a=b"),
            ("ä ".as_bytes(), r"CN=ä\ "),
            (b"\xff", "CN=\u{fffd}"),
        ] {
            check(&[(CN, 0x0c, value)], want);
        }
    }

    #[test]
    fn encodings() {
        check(&[(CN, 0x14, b"\xe4")], "CN=ä");
        check(&[(CN, 0x1e, &[0, 0xe4, 0x20, 0xac])], "CN=ä€");
        check(&[(CN, 0x1e, &[0xd8, 0])], "CN=\u{fffd}");
        check(&[(CN, 0x02, &[5])], r"CN=\#020105");
    }
}
