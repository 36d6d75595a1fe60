//! Words, lines and numbers of a foreign text, as bytes: the kernel promises no UTF-8.
//!
//! Parsers walk these cursors and name the field they wanted; nothing here allocates unless something is wrong.

use crate::error::BadField;

/// The lines of a text with their numbers from 1; a last line without a newline counts, an empty rest does not.
pub fn lines(text: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    text.split_inclusive(|&b| b == b'\n')
        .zip(1_u32..)
        .map(|(line, number)| (number, line.strip_suffix(b"\n").unwrap_or(line)))
}

/// A cursor over the white-space separated words of one line.
#[derive(Clone, Debug)]
pub struct Words<'t> {
    rest: &'t [u8],
    line: u32,
}

impl<'t> Words<'t> {
    /// The words of `line`, whose number is `number`.
    pub fn new(number: u32, line: &'t [u8]) -> Self {
        Self { rest: line, line: number }
    }

    /// The words of a text of one line.
    pub fn of(text: &'t [u8]) -> Self {
        Self::new(1, text)
    }

    /// The rest of the line, white space around it cut.
    pub fn rest(&self) -> &'t [u8] {
        self.rest.trim_ascii()
    }

    /// The next word, or a complaint that `field` is not there.
    pub fn word(&mut self, field: &'static str) -> Result<&'t [u8], BadField> {
        self.next().ok_or_else(|| BadField::new(self.line, field, "a word", b""))
    }

    /// The next word as a whole number without sign.
    pub fn u64(&mut self, field: &'static str) -> Result<u64, BadField> {
        let word = self.next().unwrap_or_default();
        parse_u64(word).ok_or_else(|| BadField::new(self.line, field, "a whole number", word))
    }

    /// The next word as a number.
    pub fn f64(&mut self, field: &'static str) -> Result<f64, BadField> {
        let word = self.next().unwrap_or_default();
        parse_f64(word).ok_or_else(|| BadField::new(self.line, field, "a number", word))
    }

    /// The next word as a hexadecimal number without prefix.
    pub fn hex(&mut self, field: &'static str) -> Result<u64, BadField> {
        let word = self.next().unwrap_or_default();
        parse_hex(word).ok_or_else(|| BadField::new(self.line, field, "a hexadecimal number", word))
    }
}

impl<'t> Iterator for Words<'t> {
    type Item = &'t [u8];

    fn next(&mut self) -> Option<&'t [u8]> {
        let text = self.rest.trim_ascii_start();
        if text.is_empty() {
            self.rest = text;
            return None;
        }
        let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        self.rest = rest;
        Some(word)
    }
}

/// Decimal digits only: no sign, no blanks; `None` above 2^64-1.
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |n, &b| {
        let digit = b.wrapping_sub(b'0');
        if digit > 9 { None } else { n.checked_mul(10)?.checked_add(u64::from(digit)) }
    })
}

/// Decimal digits with an optional sign.
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A decimal or exponent number, or NaN and infinity in any case.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    // Below 2^53 the conversion is exact, and most numbers are whole.
    if text.len() <= 15
        && let Some(n) = parse_u64(text)
    {
        return Some(n as f64);
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Hexadecimal digits without prefix.
pub fn parse_hex(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.starts_with(b"+") {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()
}

/// A signed number whose base its prefix tells, as C and Go read it: `0x` hexadecimal, `0b` binary, `0o` or a leading
/// zero octal, else decimal.
pub fn parse_auto(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let (base, digits) = match digits {
        [b'0', b'x' | b'X', rest @ ..] => (16, rest),
        [b'0', b'b' | b'B', rest @ ..] => (2, rest),
        [b'0', b'o' | b'O', rest @ ..] => (8, rest),
        [b'0', rest @ ..] if !rest.is_empty() => (8, rest),
        plain => (10, plain),
    };
    if digits.starts_with(b"+") || digits.starts_with(b"-") {
        return None;
    }
    let magnitude = i128::from(u64::from_str_radix(std::str::from_utf8(digits).ok()?, base).ok()?);
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}

/// A list of CPU numbers such as `0-3,8`, as sysfs prints it (kernel: Documentation/admin-guide/cputopology.rst).
///
/// `None` if it is not such a list, or names more than 65,536 CPUs. An empty text is an empty list.
pub fn parse_cpu_list(text: &[u8]) -> Option<Vec<u32>> {
    let mut cpus = Vec::new();
    for part in text.trim_ascii().split(|&b| b == b',').filter(|part| !part.is_empty()) {
        let mut ends = part.splitn(2, |&b| b == b'-');
        let first = u32::try_from(parse_u64(ends.next()?)?).ok()?;
        let last = match ends.next() {
            Some(last) => u32::try_from(parse_u64(last)?).ok()?,
            None => first,
        };
        if last < first || cpus.len() + (last - first) as usize >= 65_536 {
            return None;
        }
        cpus.extend(first..=last);
    }
    Some(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers() {
        let mut words = Words::new(7, b"  eth0:\t12 0.5 ff x");
        assert_eq!(words.word("device"), Ok(&b"eth0:"[..]));
        assert_eq!(words.u64("packets"), Ok(12));
        assert_eq!(words.f64("load"), Ok(0.5));
        assert_eq!(words.hex("queue"), Ok(255));
        let bad = words.u64("errors").unwrap_err();
        assert_eq!(bad.to_string(), "7: errors: expected a whole number, found \"x\"");
        assert_eq!(words.u64("drops").unwrap_err().to_string(), "7: drops: expected a whole number, found \"\"");
    }

    #[test]
    fn lines_are_numbered() {
        let all: Vec<_> = lines(b"a\n\nb").collect();
        assert_eq!(all, [(1, &b"a"[..]), (2, &b""[..]), (3, &b"b"[..])]);
        assert_eq!(lines(b"").count(), 0);
    }

    #[test]
    fn whole_numbers() {
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
        for bad in [&b""[..], b"18446744073709551616", b"-1", b"+1", b"1 ", b"0x1"] {
            assert_eq!(parse_u64(bad), None);
        }
        assert_eq!(parse_f64(b"1e3"), Some(1000.0));
        assert_eq!(parse_f64(b"12345678901234567"), Some(12_345_678_901_234_567.0));
    }

    #[test]
    fn numbers_that_tell_their_base() {
        for (text, want) in
            [("0x1003", 0x1003), ("010", 8), ("0b11", 3), ("-5", -5), ("0", 0), ("4294967295", 4_294_967_295)]
        {
            assert_eq!(parse_auto(text.as_bytes()), Some(want), "{text}");
        }
        for bad in ["", "-", "0x", "08", "9x", "--1", "99999999999999999999"] {
            assert_eq!(parse_auto(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn cpu_lists() {
        assert_eq!(parse_cpu_list(b"0-2,5\n"), Some(vec![0, 1, 2, 5]));
        assert_eq!(parse_cpu_list(b"\n"), Some(vec![]));
        for bad in [&b"2-1"[..], b"a", b"0-4294967295", b"1-"] {
            assert_eq!(parse_cpu_list(bad), None);
        }
    }
}
