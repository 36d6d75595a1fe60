//! Names of the kernel's things as parts of metric names.

use common::fuzzing::{Parser, eat};

/// Puts one `_` in the place of each run that may not stand in a metric name, together with the `_` on both its sides.
pub(crate) fn sanitize(name: &[u8]) -> String {
    let leading = |text: &[u8], is: fn(&u8) -> bool| text.iter().take_while(|&b| is(b)).count();
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while !rest.is_empty() {
        let before = leading(rest, |&b| b == b'_');
        let tail = rest.get(before..).unwrap_or_default();
        let foreign = leading(tail, |&b| b != b'_' && !b.is_ascii_alphanumeric());
        let tail = tail.get(foreign..).unwrap_or_default();
        if foreign > 0 {
            out.push('_');
            rest = tail.get(leading(tail, |&b| b == b'_')..).unwrap_or_default();
        } else {
            out.extend(std::iter::repeat_n('_', before));
            let own = leading(tail, u8::is_ascii_alphanumeric);
            let (own, behind) = tail.split_at_checked(own).unwrap_or((tail, b""));
            out.extend(own.iter().map(|&b| char::from(b)));
            rest = behind;
        }
    }
    out
}

/// For the fuzzer.
pub(crate) const PARSER: Parser = Parser::new("parts of metric names", |bytes| eat(sanitize(bytes)), b"_a-.-b__0.c_");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_become_one() {
        for (name, want) in [
            ("core", "core"),
            ("a.b", "a_b"),
            ("a._b", "a_b"),
            ("a__b", "a__b"),
            ("_a-.-b_", "_a_b_"),
            ("a._.b", "a__b"),
            ("", ""),
        ] {
            assert_eq!(sanitize(name.as_bytes()), want, "{name}");
        }
        assert_eq!(sanitize(b"\xff\xfe"), "_");
    }
}
