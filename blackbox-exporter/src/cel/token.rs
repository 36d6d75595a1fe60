//! The words of the language: source text in, tokens out.
//!
//! Literals are read here, with their escapes; a sign belongs to the parser.

/// As much as Go's implementation reads, in characters.
const MAX_LENGTH: usize = 100_000;

/// Marks that are more than one character come before their beginnings.
const MARKS: &[&str] = &[
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "?", ":", "+", "-", "*", "/", "%", ".", ",", "(", ")", "[", "]",
    "{", "}",
];

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Mark(&'static str),
    /// A word, also a reserved one.
    Word(String),
    /// A field name in backticks.
    Quoted(String),
    /// Without its sign, so up to 2⁶³ may be good.
    Int(u64),
    Uint(u64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    End,
}

pub(super) fn tokens(source: &str) -> Result<Vec<Token>, String> {
    if source.chars().count() > MAX_LENGTH {
        return Err(format!("expected at most {MAX_LENGTH} characters, found more"));
    }
    let (mut tokens, mut rest) = (Vec::new(), source);
    loop {
        rest = rest.trim_start_matches(['\t', ' ', '\r', '\n', '\u{C}']);
        if let Some(comment) = rest.strip_prefix("//") {
            rest = comment.trim_start_matches(|c| c != '\n');
            continue;
        }
        let Some(first) = rest.chars().next() else { break };
        let (token, after) = token(first, rest)?;
        tokens.push(token);
        rest = after;
    }
    tokens.push(Token::End);
    Ok(tokens)
}

fn token(first: char, text: &str) -> Result<(Token, &str), String> {
    let point = text.strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    if first.is_ascii_digit() || point {
        return number(text);
    }
    if let Some(quoted) = quoted(text) {
        return quoted;
    }
    if first.is_ascii_alphabetic() || first == '_' {
        let (word, rest) = split(text, |c| c.is_ascii_alphanumeric() || c == '_');
        return Ok((Token::Word(word.to_owned()), rest));
    }
    if let Some(rest) = text.strip_prefix('`') {
        let (name, rest) = split(rest, |c| c.is_ascii_alphanumeric() || "_.-/ ".contains(c));
        let rest =
            rest.strip_prefix('`').filter(|_| !name.is_empty()).ok_or("expected a name in backticks, found another")?;
        return Ok((Token::Quoted(name.to_owned()), rest));
    }
    let known = MARKS.iter().find_map(|mark| Some((Token::Mark(mark), text.strip_prefix(mark)?)));
    known.ok_or_else(|| format!("expected a word, a literal or an operator, found {first:?}"))
}

fn split(text: &str, part: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !part(c)).unwrap_or(text.len()))
}

fn digits(text: &str) -> (&str, &str) {
    split(text, |c| c.is_ascii_digit())
}

fn number(text: &str) -> Result<(Token, &str), String> {
    const RANGE: &str = "expected a number that fits 64 bits, found a bigger one";
    let (radix, (whole, rest)) = match text.strip_prefix("0x").map(|hex| split(hex, |c| c.is_ascii_hexdigit())) {
        Some((hex, rest)) if !hex.is_empty() => (16, (hex, rest)),
        _ => (10, digits(text)),
    };
    if radix == 10 {
        let mut end = rest;
        if let Some((fraction, rest)) = rest.strip_prefix('.').map(digits)
            && !fraction.is_empty()
        {
            end = rest;
        }
        if let Some(exponent) = end.strip_prefix(['e', 'E']) {
            let (exponent, rest) = digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent));
            end = if exponent.is_empty() { end } else { rest };
        }
        if end.len() < rest.len() {
            let double = text.get(..text.len() - end.len()).and_then(|text| text.parse().ok());
            return Ok((Token::Double(double.filter(|double: &f64| double.is_finite()).ok_or(RANGE)?), end));
        }
    }
    let number = u64::from_str_radix(whole, radix).map_err(|_| RANGE)?;
    Ok(rest.strip_prefix(['u', 'U']).map_or((Token::Int(number), rest), |rest| (Token::Uint(number), rest)))
}

/// A string or bytes, if one begins here.
fn quoted(text: &str) -> Option<Result<(Token, &str), String>> {
    let (bytes, rest) = text.strip_prefix(['b', 'B']).map_or((false, text), |rest| (true, rest));
    let (raw, rest) = rest.strip_prefix(['r', 'R']).map_or((false, rest), |rest| (true, rest));
    let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| rest.starts_with(quote))?;
    let rest = rest.get(quote.len()..)?;
    Some(literal(rest, quote, raw, bytes))
}

fn literal<'a>(text: &'a str, quote: &str, raw: bool, bytes: bool) -> Result<(Token, &'a str), String> {
    let (mut out, mut rest) = (Vec::new(), text);
    loop {
        if let Some(rest) = rest.strip_prefix(quote) {
            if bytes {
                return Ok((Token::Bytes(out), rest));
            }
            let text = String::from_utf8(out).map_err(|_| "string: expected characters, found bytes")?;
            return Ok((Token::Text(text), rest));
        }
        let mut characters = rest.chars();
        let found = characters.next().ok_or("string: expected its closing quote, found the end")?;
        rest = characters.as_str();
        let mut push = |character: char| out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        match found {
            '\n' | '\r' if quote.len() == 1 => {
                return Err("string: expected its closing quote, found a line end".to_owned());
            }
            '\r' => {
                // Every kind of line end is one newline.
                rest = rest.strip_prefix('\n').unwrap_or(rest);
                push('\n');
            }
            '\\' if !raw => {
                let (value, wide, after) = escape(rest).ok_or("string: expected an escape, found an unknown one")?;
                rest = after;
                match u8::try_from(value) {
                    Ok(byte) if bytes && !wide => out.push(byte),
                    _ if bytes && wide => return Err("bytes: expected no escapes of characters, found one".to_owned()),
                    _ => push(char::from_u32(value).ok_or("string: expected an escape of a character, found another")?),
                }
            }
            other => push(other),
        }
    }
}

/// What an escape stands for, whether it names a character rather than a byte, and what follows it.
fn escape(text: &str) -> Option<(u32, bool, &str)> {
    let mut characters = text.chars();
    let first = characters.next()?;
    let rest = characters.as_str();
    let simple = match first {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0C,
        'n' => 0x0A,
        'r' => 0x0D,
        't' => 0x09,
        'v' => 0x0B,
        '\\' | '?' | '"' | '\'' | '`' => u32::from(first),
        'x' | 'X' => return hexadecimal(rest, 2, false),
        'u' => return hexadecimal(rest, 4, true),
        'U' => return hexadecimal(rest, 8, true),
        '0'..='3' => {
            let octal = text.get(..3).filter(|octal| octal.bytes().all(|byte| matches!(byte, b'0'..=b'7')))?;
            return Some((u32::from_str_radix(octal, 8).ok()?, false, text.get(3..)?));
        }
        _ => return None,
    };
    Some((simple, false, rest))
}

fn hexadecimal(text: &str, length: usize, wide: bool) -> Option<(u32, bool, &str)> {
    let digits = text.get(..length).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    Some((u32::from_str_radix(digits, 16).ok()?, wide, text.get(length..)?))
}
