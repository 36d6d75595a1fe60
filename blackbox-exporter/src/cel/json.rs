//! JSON text (RFC 8259) as Go reads it into values without types.
//!
//! Every number is a double, rounded correctly; the last of two equal keys wins; a byte that is no UTF-8 and half a surrogate
//! pair are U+FFFD each. A number too big for a double, anything but blanks after the value and nesting over [`MAX_DEPTH`] (Go:
//! 10,000) are refused.

/// How deep lists and maps may be nested.
const MAX_DEPTH: usize = 500;

#[derive(Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(Box<str>),
    List(Box<[Json]>),
    /// In the order of the keys, each once.
    Map(Box<[(Box<str>, Json)]>),
}

/// Reads a text whose values have at most `most_bytes`.
pub(super) fn parse(text: &[u8], most_bytes: usize) -> Result<Json, String> {
    let mut cursor = Cursor { text, at: 0, left: most_bytes };
    let value = cursor.value(0)?;
    cursor.blanks();
    if cursor.peek().is_some() { Err(cursor.expected("the end")) } else { Ok(value) }
}

struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
    /// Bytes that further values may have.
    left: usize,
}

impl Cursor<'_> {
    fn value(&mut self, depth: usize) -> Result<Json, String> {
        self.blanks();
        self.pay(size_of::<Json>())?;
        match self.peek() {
            Some(b'{' | b'[') if depth == MAX_DEPTH => Err(self.expected(&format!("at most {MAX_DEPTH} levels"))),
            Some(b'[') => {
                let mut values = Vec::new();
                self.items(b']', |cursor| {
                    values.push(cursor.value(depth + 1)?);
                    Ok(())
                })?;
                Ok(Json::List(values.into()))
            }
            Some(b'{') => {
                let mut entries = Vec::new();
                self.items(b'}', |cursor| {
                    cursor.blanks();
                    let key = cursor.string()?;
                    cursor.blanks();
                    cursor.expect(b":", "a colon")?;
                    entries.push((key, cursor.value(depth + 1)?));
                    Ok(())
                })?;
                Ok(Json::Map(last_of_each(entries)))
            }
            Some(b'"') => self.string().map(Json::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'n') => self.expect(b"null", "null").map(|()| Json::Null),
            Some(b't') => self.expect(b"true", "true").map(|()| Json::Bool(true)),
            Some(b'f') => self.expect(b"false", "false").map(|()| Json::Bool(false)),
            _ => Err(self.expected("a value")),
        }
    }

    /// What stands between an opening mark and its closing one, at commas.
    fn items(&mut self, close: u8, mut item: impl FnMut(&mut Self) -> Result<(), String>) -> Result<(), String> {
        self.at += 1;
        self.blanks();
        if self.eat(close) {
            return Ok(());
        }
        loop {
            item(self)?;
            self.blanks();
            if self.eat(close) {
                return Ok(());
            }
            self.expect(b",", "a comma or the end of the list or map")?;
        }
    }

    fn string(&mut self) -> Result<Box<str>, String> {
        self.expect(b"\"", "a string")?;
        let mut out = String::new();
        loop {
            let start = self.at;
            while self.peek().is_some_and(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
                self.at += 1;
            }
            for chunk in self.text.get(start..self.at).unwrap_or_default().utf8_chunks() {
                out.push_str(chunk.valid());
                out.extend(std::iter::repeat_n(char::REPLACEMENT_CHARACTER, chunk.invalid().len()));
            }
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    self.pay(size_of::<Box<str>>() + out.len())?;
                    return Ok(out.into());
                }
                Some(b'\\') => {
                    self.at += 1;
                    let character = self.escape().ok_or_else(|| self.expected("an escape"))?;
                    out.push(character);
                }
                _ => return Err(self.expected("the end of a string")),
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += 1;
        Some(match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{C}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.hexadecimal()?;
                let second = self.text.get(self.at..).is_some_and(|rest| rest.starts_with(b"\\u"));
                if (0xD800..0xDC00).contains(&first) && second {
                    let before = self.at;
                    self.at += 2;
                    let second = self.hexadecimal()?;
                    if (0xDC00..0xE000).contains(&second) {
                        return char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00));
                    }
                    self.at = before;
                }
                char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return None,
        })
    }

    fn hexadecimal(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        digits.iter().try_fold(0, |sum, digit| Some(sum * 16 + char::from(*digit).to_digit(16)?))
    }

    fn number(&mut self) -> Result<Json, String> {
        let start = self.at;
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _ = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        let text = self.text.get(start..self.at).and_then(|text| str::from_utf8(text).ok());
        let number = text.and_then(|text| text.parse().ok()).filter(|number: &f64| number.is_finite());
        number.map(Json::Number).ok_or_else(|| self.expected("a number that fits a double"))
    }

    fn digits(&mut self) -> Result<(), String> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err(self.expected("a digit")) } else { Ok(()) }
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn pay(&mut self, bytes: usize) -> Result<(), String> {
        let left = self.left.checked_sub(bytes);
        self.left = left.ok_or_else(|| format!("byte {}: its values need too much memory", self.at))?;
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, bytes: &[u8], what: &str) -> Result<(), String> {
        if !self.text.get(self.at..).is_some_and(|rest| rest.starts_with(bytes)) {
            return Err(self.expected(what));
        }
        self.at += bytes.len();
        Ok(())
    }

    fn expected(&self, what: &str) -> String {
        match self.peek() {
            None => format!("byte {}: expected {what}, found the end", self.at),
            Some(byte) => format!("byte {}: expected {what}, found {:?}", self.at, char::from(byte)),
        }
    }
}

fn last_of_each(mut entries: Vec<(Box<str>, Json)>) -> Box<[(Box<str>, Json)]> {
    // The sort keeps the order of equal keys, and of those the first is kept.
    entries.reverse();
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    entries.dedup_by(|(a, _), (b, _)| a == b);
    entries.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &[u8], expected: Option<Json>) {
        assert_eq!(parse(text, 1 << 20).ok(), expected, "{:?}", parse(text, 1 << 20));
    }

    #[test]
    fn values_are_read() {
        check(b" null\n", Some(Json::Null));
        check(b"-1.5e2", Some(Json::Number(-150.0)));
        check(b"9007199254740993", Some(Json::Number(9_007_199_254_740_992.0)));
        check(b"[]", Some(Json::List([].into())));
        check(b"[true, false]", Some(Json::List([Json::Bool(true), Json::Bool(false)].into())));
        check(br#""a\u00e9\ud83d\ude00\/\n""#, Some(Json::Text("aé😀/\n".into())));
        check(br#""\ud83d\ud83d\ude00\ud83dx""#, Some(Json::Text("\u{FFFD}😀\u{FFFD}x".into())));
        check(b"\"\xff\xe2\x82\"", Some(Json::Text("\u{FFFD}\u{FFFD}\u{FFFD}".into())));
        let map = Json::Map([("a".into(), Json::Number(2.0)), ("b".into(), Json::Null)].into());
        check(br#"{"b":1,"a":1,"b":null,"a":2}"#, Some(map));
    }

    #[test]
    fn what_is_no_single_value_is_refused() {
        for text in [
            "",
            " ",
            "hello",
            "{} {}",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "[1",
            "{\"a\"",
            "{\"a\":",
            "\"a",
            "\"\\",
            "\"\\u00",
            "\"\\x\"",
            "01",
            "1.",
            ".5",
            "-",
            "1e",
            "+1",
            "1e400",
            "nul",
            "\u{FEFF}1",
            "\"\t\"",
            "NaN",
            "[1 2]",
        ] {
            check(text.as_bytes(), None);
        }
        check("[".repeat(100_000).as_bytes(), None);
        check(format!("{}{}", "[".repeat(501), "]".repeat(501)).as_bytes(), None);
        assert!(parse(format!("{}{}", "[".repeat(500), "]".repeat(500)).as_bytes(), 1 << 20).is_ok());
        for (text, bytes) in [("[0,0,0]", 96), ("\"abc\"", 43), ("{\"a\":0}", 65)] {
            assert!(parse(text.as_bytes(), bytes).is_ok(), "{text}");
            assert!(parse(text.as_bytes(), bytes / 2).unwrap_err().contains("memory"), "{text}");
        }
    }
}
