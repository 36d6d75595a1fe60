//! Response codes (RFC 6895, 2.3) by the names that `valid_rcodes` knows, which are those of the Go exporter.

const NAMES: [(&str, u16); 21] = [
    ("NOERROR", 0),
    ("FORMERR", 1),
    ("SERVFAIL", 2),
    ("NXDOMAIN", 3),
    ("NOTIMP", 4),
    ("NOTIMPL", 4),
    ("REFUSED", 5),
    ("YXDOMAIN", 6),
    ("YXRRSET", 7),
    ("NXRRSET", 8),
    ("NOTAUTH", 9),
    ("NOTZONE", 10),
    ("DSOTYPENI", 11),
    ("BADSIG", 16),
    ("BADKEY", 17),
    ("BADTIME", 18),
    ("BADMODE", 19),
    ("BADNAME", 20),
    ("BADALG", 21),
    ("BADTRUNC", 22),
    ("BADCOOKIE", 23),
];

/// The code of a name.
pub(super) fn number(name: &str) -> Option<u16> {
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

/// The name of a code; a number when it has none. In an answer that nobody signed, 16 is about EDNS.
pub(super) fn name(number: u16) -> String {
    let known = NAMES.iter().find(|(_, known)| *known == number).map(|(name, _)| *name);
    match (number, known) {
        (16, _) => "BADVERS".to_owned(),
        (_, Some(name)) => name.to_owned(),
        (number, None) => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        for (text, code, back) in [
            ("NOERROR", 0, "NOERROR"),
            ("NOTIMPL", 4, "NOTIMP"),
            ("BADSIG", 16, "BADVERS"),
            ("BADCOOKIE", 23, "BADCOOKIE"),
        ] {
            assert_eq!(number(text), Some(code));
            assert_eq!(name(code), back);
        }
        assert_eq!((number("BADVERS"), number("noerror"), number("")), (None, None, None));
        assert_eq!(name(4095), "4095");
    }
}
