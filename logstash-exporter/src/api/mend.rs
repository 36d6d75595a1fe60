//! Text that JSON does not allow, made into text that it does: one odd id is not to cost a whole answer.
//!
//! * Source: ids, names and paths that users chose, in an encoding other than UTF-8, or cut in the middle of a character
//!   that JSON writes as two escapes.
//! * Bytes that are no UTF-8, and escapes that stand for half a character, become U+FFFD; a byte order mark goes.
//! * What cannot be an answer, as it does not begin like one, stays as it is.

use memchr::memchr;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// `\u` and four digits.
const ESCAPE_BYTES: usize = 6;

/// The body of an answer, ready to be read.
pub(super) fn mended(mut body: Vec<u8>) -> Vec<u8> {
    if body.starts_with(BYTE_ORDER_MARK) {
        body.drain(..BYTE_ORDER_MARK.len());
    }
    if body.iter().find(|b| !b.is_ascii_whitespace()) != Some(&b'{') {
        return body;
    }
    if std::str::from_utf8(&body).is_err() {
        body = String::from_utf8_lossy(&body).into_owned().into_bytes();
    }
    join_halves(&mut body);
    body
}

/// Replaces the escapes of half a character, which are as long as that of U+FFFD.
fn join_halves(text: &mut [u8]) {
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| memchr(b'\\', rest)) {
        at += found;
        let Some(unit) = unit(text, at) else {
            // The character behind it may be a backslash that begins nothing.
            at += 2;
            continue;
        };
        match unit {
            0xd800..=0xdbff if unit_is_second(text, at + ESCAPE_BYTES) => at += ESCAPE_BYTES,
            0xd800..=0xdfff => text.iter_mut().skip(at + 2).zip(b"fffd").for_each(|(digit, new)| *digit = *new),
            _ => {}
        }
        at += ESCAPE_BYTES;
    }
}

/// The UTF-16 code unit of the escape that begins at `at`.
fn unit(text: &[u8], at: usize) -> Option<u32> {
    let digits = text.get(at..at + ESCAPE_BYTES)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
}

fn unit_is_second(text: &[u8], at: usize) -> bool {
    matches!(unit(text, at), Some(0xdc00..=0xdfff))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: impl AsRef<[u8]>, want: &str) {
        let got = mended(body.as_ref().to_vec());
        assert_eq!(String::from_utf8_lossy(&got), want);
        assert_eq!(mended(got.clone()), got, "a second time");
    }

    #[test]
    fn good_text_stays() {
        for text in ["{}", "", " \n", "{\"a\":\"\u{1f980} Gr\u{f6}\u{df}e\"}", r#"{"\u00e9\\":"\ud83e\udd80\n"}"#] {
            check(text, text);
        }
    }

    #[test]
    fn other_bytes_cost_themselves() {
        check(b"{\"a\xff\":\"\xe4\xb8\"}", "{\"a\u{fffd}\":\"\u{fffd}\"}");
        check(b"\xef\xbb\xbf {\"a\":1}", " {\"a\":1}");
        // As Java's \"modified UTF-8\" writes what is beyond the first plane.
        check(b"{\"\xed\xa0\xbe\"}", "{\"\u{fffd}\u{fffd}\u{fffd}\"}");
    }

    #[test]
    fn half_characters_cost_themselves() {
        check(r#"{"\ud83e":"\uDD80"}"#, r#"{"\ufffd":"\ufffd"}"#);
        check(r#"{"\ud83e\ud83e\udd80\udd80"}"#, r#"{"\ufffd\ud83e\udd80\ufffd"}"#);
        check(r#"{"\uD83Ex\udd80"}"#, r#"{"\ufffdx\ufffd"}"#);
        check(r#"{"\ud83e\n"}"#, r#"{"\ufffd\n"}"#);
    }

    #[test]
    fn a_backslash_is_no_escape() {
        for text in
            [r#"{"\\ud83e":"\\\\udd80"}"#, r#"{"C:\\u":1}"#, r#"{"\u12"#, r#"{"\ud83"#, r#"{"\u+83e"}"#, r#"{"\"#]
        {
            check(text, text);
        }
        check(r#"{"\\\ud83e"}"#, r#"{"\\\ufffd"}"#);
        check(r#"{"\ud83e"#, r#"{"\ufffd"#);
    }

    #[test]
    fn what_is_no_answer_stays() {
        for bytes in [&b"\xff\xfe{\0"[..], b"\x1f\x8b\x08", b"<html>\xff", b"[\"\\ud83e\"]", b""] {
            assert_eq!(mended(bytes.to_vec()), bytes);
        }
    }
}
