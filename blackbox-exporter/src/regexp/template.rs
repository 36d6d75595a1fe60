//! Templates as Go's `Regexp.Expand` fills them in.
//!
//! A name is the longest run of letters, digits and `_`, in any script; all digits without a leading zero make a number. A group
//! that does not exist or did not match is empty. A `$` that no name follows, or a `${` that does not end, is text.

use std::sync::LazyLock;

use super::Captures;

/// Numbers from here on are names, as in Go.
const TOO_BIG: usize = 100_000_000;

/// Letters and digits beyond ASCII.
static LETTER_OR_DIGIT: LazyLock<Option<regex::Regex>> = LazyLock::new(|| regex::Regex::new(r"^[\pL\p{Nd}]").ok());

pub(super) fn expand(template: &[u8], captures: &Captures) -> Vec<u8> {
    let mut out = Vec::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.iter().position(|byte| *byte == b'$') {
        let (before, after) = rest.split_at(at);
        out.extend_from_slice(before);
        let after = after.get(1..).unwrap_or_default();
        rest = if let Some(after) = after.strip_prefix(b"$") {
            out.push(b'$');
            after
        } else if let Some((name, after)) = name(after) {
            let value = number(name).map_or_else(|| captures.named(name), |number| captures.numbered(number));
            out.extend_from_slice(value.unwrap_or_default());
            after
        } else {
            out.push(b'$');
            after
        };
    }
    out.extend_from_slice(rest);
    out
}

/// The name a reference starts with, and what comes after it.
fn name(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (text, braces) = text.strip_prefix(b"{").map_or((text, false), |text| (text, true));
    let mut end = 0;
    while let Some(rest) = text.get(end..)
        && let Some(length) = part_of_name(rest)
    {
        end += length;
    }
    if end == 0 {
        return None;
    }
    let (name, rest) = text.split_at_checked(end)?;
    Some((name, if braces { rest.strip_prefix(b"}")? } else { rest }))
}

/// How many bytes the first character takes, if it can be in a name.
fn part_of_name(text: &[u8]) -> Option<usize> {
    let first = *text.first()?;
    if first.is_ascii() {
        return (first.is_ascii_alphanumeric() || first == b'_').then_some(1);
    }
    let character = text.get(..4).unwrap_or(text).utf8_chunks().next()?.valid().chars().next()?;
    let mut buffer = [0; 4];
    LETTER_OR_DIGIT.as_ref()?.is_match(character.encode_utf8(&mut buffer)).then_some(character.len_utf8())
}

fn number(name: &[u8]) -> Option<usize> {
    if name.len() > 1 && name.first() == Some(&b'0') {
        return None;
    }
    name.iter().try_fold(0, |number, byte| {
        (byte.is_ascii_digit() && number < TOO_BIG).then(|| number * 10 + usize::from(byte - b'0'))
    })
}
