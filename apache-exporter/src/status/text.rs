//! Texts of mod_status, which come in ISO-8859-1 by its own word and in UTF-8 from those who configured them so.

/// Each byte its code point, unless the bytes are UTF-8 already; blanks around it are cut. `None` when nothing is left.
pub(super) fn decode(value: &[u8]) -> Option<String> {
    let value = value.trim_ascii();
    if value.is_empty() {
        return None;
    }
    Some(match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => value.iter().copied().map(char::from).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_in_its_own_encoding() {
        for (bytes, want) in [
            (&b" Apache/2.4.62 (Debian) "[..], Some("Apache/2.4.62 (Debian)")),
            (b"caf\xe9", Some("caf\u{e9}")),
            (b"caf\xc3\xa9", Some("caf\u{e9}")),
            (b"\xff\x80", Some("\u{ff}\u{80}")),
            (b" \t", None),
            (b"", None),
        ] {
            assert_eq!(decode(bytes).as_deref(), want, "{bytes:?}");
        }
    }
}
