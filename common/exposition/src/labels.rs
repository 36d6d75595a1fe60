//! Label blocks: escaping on the way out, the order of series, and reading a block back.
//!
//! A block is the text between the braces: `cpu="0",mode="idle"`. Values are raw UTF-8 with `\\`, `\"` and `\n`
//! escaped, as the text format has it.

use std::cmp::Ordering;

/// Appends a label value: invalid UTF-8 becomes U+FFFD per run, the three special characters are escaped.
pub(super) fn push_value(out: &mut Vec<u8>, value: &[u8]) {
    if is_plain(value) {
        return out.extend_from_slice(value);
    }
    if value.is_ascii() {
        return push_escaped(out, value);
    }
    let mut last_was_bad = false;
    for chunk in value.utf8_chunks() {
        if !chunk.valid().is_empty() {
            push_escaped(out, chunk.valid().as_bytes());
            last_was_bad = false;
        }
        if !chunk.invalid().is_empty() && !last_was_bad {
            out.extend_from_slice("\u{FFFD}".as_bytes());
            last_was_bad = true;
        }
    }
}

/// Whether a value is ASCII without anything to escape, as nearly all are. Eight bytes at a time: half of the time that
/// writing a page takes would go into looking at them one by one.
fn is_plain(value: &[u8]) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // Whether any byte of the word is `b`, or 0x80 or more: below that, only a byte that is 0 after the exclusive or
    // borrows into its high bit.
    let has = |word: u64, b: u8| {
        let zero = word ^ (ONES * u64::from(b));
        zero.wrapping_sub(ONES) & !zero
    };
    let (words, rest) = value.as_chunks::<8>();
    let odd = words.iter().fold(0, |odd, bytes| {
        let word = u64::from_le_bytes(*bytes);
        odd | word | has(word, b'\\') | has(word, b'"') | has(word, b'\n')
    });
    odd & HIGH == 0 && !rest.iter().any(|&b| b >= 0x80 || matches!(b, b'\\' | b'"' | b'\n'))
}

fn push_escaped(out: &mut Vec<u8>, value: &[u8]) {
    for &b in value {
        match b {
            b'\\' => out.extend_from_slice(br"\\"),
            b'"' => out.extend_from_slice(br#"\""#),
            b'\n' => out.extend_from_slice(br"\n"),
            b => out.push(b),
        }
    }
}

/// The order of two series of one family: fewer labels first, then value by value in the order of the bytes.
pub(super) fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let same = common_prefix(a, b);
    match (a.get(same), b.get(same)) {
        (None, None) => Ordering::Equal,
        (Some(&x), Some(&y)) if plain(x) && plain(y) && inside_value(a, same) => {
            // Only the value at hand differs so far; the number of labels still goes first.
            count(a).cmp(&count(b)).then(x.cmp(&y))
        }
        _ => compare_slowly(a, b),
    }
}

/// As [`compare`], for two blocks known to have the same keys.
pub(super) fn compare_uniform(a: &[u8], b: &[u8]) -> Ordering {
    let same = common_prefix(a, b);
    match (a.get(same), b.get(same)) {
        (None, None) => Ordering::Equal,
        _ if ends_in_escape(a, same) => compare_slowly(a, b),
        (Some(&x), Some(&y)) if plain(x) && plain(y) => x.cmp(&y),
        // One value is the beginning of the other.
        (Some(b'"'), Some(_)) => Ordering::Less,
        (Some(_), Some(b'"')) => Ordering::Greater,
        _ => compare_slowly(a, b),
    }
}

/// How many bytes two blocks begin with alike; in a large family that is most of them.
fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    const STEP: usize = 16;
    let steps = a.chunks_exact(STEP).zip(b.chunks_exact(STEP)).take_while(|(x, y)| x == y).count();
    let (x, y) = (a.get(steps * STEP..).unwrap_or_default(), b.get(steps * STEP..).unwrap_or_default());
    steps * STEP + x.iter().zip(y).take_while(|(x, y)| x == y).count()
}

fn plain(b: u8) -> bool {
    !matches!(b, b'"' | b'\\')
}

fn ends_in_escape(block: &[u8], at: usize) -> bool {
    at > 0 && block.get(at - 1) == Some(&b'\\')
}

/// Whether byte `at` belongs to a value; false when that cannot be told cheaply.
fn inside_value(block: &[u8], at: usize) -> bool {
    let before = block.get(..at).unwrap_or_default();
    !before.contains(&b'\\') && before.iter().filter(|&&b| b == b'"').count() % 2 == 1
}

fn count(block: &[u8]) -> usize {
    values(block).count()
}

fn compare_slowly(a: &[u8], b: &[u8]) -> Ordering {
    count(a).cmp(&count(b)).then_with(|| {
        for (x, y) in values(a).zip(values(b)) {
            match unescape(x).cmp(unescape(y)) {
                Ordering::Equal => {}
                other => return other,
            }
        }
        // Values alike under other names: the names decide, so that only true duplicates are equal.
        a.cmp(b)
    })
}

/// The escaped values of a block, in order.
fn values(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = block;
    std::iter::from_fn(move || {
        let open = rest.iter().position(|&b| b == b'"')?;
        let text = rest.get(open + 1..)?;
        let mut at = 0;
        loop {
            match text.get(at) {
                Some(b'"') => break,
                Some(b'\\') => at += 2,
                Some(_) => at += 1,
                None => return None,
            }
        }
        rest = text.get(at + 1..).unwrap_or_default();
        text.get(..at)
    })
}

fn unescape(value: &[u8]) -> impl Iterator<Item = u8> {
    let mut bytes = value.iter();
    std::iter::from_fn(move || match bytes.next()? {
        b'\\' => bytes.next().map(|&b| if b == b'n' { b'\n' } else { b }),
        &b => Some(b),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(a: &str, b: &str, want: Ordering) {
        assert_eq!(compare(a.as_bytes(), b.as_bytes()), want, "{a} against {b}");
        assert_eq!(compare(b.as_bytes(), a.as_bytes()), want.reverse(), "{b} against {a}");
        if count(a.as_bytes()) == count(b.as_bytes()) {
            assert_eq!(compare_uniform(a.as_bytes(), b.as_bytes()), want, "{a} against {b}, uniform");
        }
    }

    #[test]
    fn order_is_by_count_then_by_value() {
        check(r#"cpu="10""#, r#"cpu="2""#, Ordering::Less);
        check(r#"cpu="2""#, r#"cpu="2",mode="idle""#, Ordering::Less);
        check(r#"a="z""#, r#"a="b",c="d""#, Ordering::Less);
        check(r#"a="x",b="1""#, r#"a="x",b="2""#, Ordering::Less);
        check(r#"a="""#, r#"a="""#, Ordering::Equal);
    }

    #[test]
    fn a_prefix_is_less_whatever_follows() {
        check(r#"a="x""#, r#"a="x y""#, Ordering::Less); // a space is below the closing quote
        check(r#"a="x",b="z""#, r#"a="x!",b="a""#, Ordering::Less);
        check(r#"a="x""#, r#"a="x\n""#, Ordering::Less);
        check(r#"a="x\"y""#, r#"a="x""#, Ordering::Greater);
    }

    #[test]
    fn escapes_compare_as_what_they_stand_for() {
        check(r#"a="\n""#, r#"a=" ""#, Ordering::Less);
        check(r#"a="\\""#, r#"a="Z""#, Ordering::Greater);
        check(r#"a="\"""#, r#"a="!""#, Ordering::Greater);
        check(r#"a="\\n""#, r#"a="\n""#, Ordering::Greater);
    }

    #[test]
    fn hostile_values() {
        let escaped = |value: &[u8]| {
            let mut out = Vec::new();
            push_value(&mut out, value);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(escaped(b"a\"b\\c\nd"), r#"a\"b\\c\nd"#);
        assert_eq!(escaped("snow ☃ 🦀".as_bytes()), "snow ☃ 🦀");
        assert_eq!(escaped(b"a\xff\xfe\xfdb"), "a\u{FFFD}b");
        assert_eq!(escaped(b"\xf0\x9f\xa6"), "\u{FFFD}");
        for length in [1, 7, 8, 9, 17, 24] {
            for at in 0..length {
                for (odd, want) in [
                    (&b"\""[..], "\\\""),
                    (b"\\", "\\\\"),
                    (b"\n", "\\n"),
                    ("é".as_bytes(), "é"),
                    (b"\xff", "\u{FFFD}"),
                    (b"\t", "\t"),
                ] {
                    let value = [&vec![b'x'; at][..], odd, &vec![b'~'; length - at - 1]].concat();
                    let want = format!("{}{want}{}", "x".repeat(at), "~".repeat(length - at - 1));
                    assert_eq!(escaped(&value), want);
                }
            }
        }
    }
}
