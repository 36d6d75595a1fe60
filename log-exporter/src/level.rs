//! The level that a message says it has, in JSON and in logfmt, as one of a closed set.
//!
//! * JSON: the first of `level`, `severity`, `lvl`, `log.level`, `loglevel` among the members of the outermost object, or `level` in a
//!   member `log`; a text, or a number as pino and bunyan write it (10 for trace to 60 for fatal).
//! * logfmt: the first pair of such a key: `level=info`, `level="info"`.
//! * Bounded: a value longer than any word of the set is unknown, however long it is, and nothing is copied.

/// How grave a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Finer than debug.
    Trace = 0,
    /// For those who look for a mistake.
    Debug = 1,
    /// The normal course of things; notices as well.
    Info = 2,
    /// Warnings.
    Warn = 3,
    /// Errors.
    Error = 4,
    /// What the program did not survive, and all that syslog has above errors.
    Fatal = 5,
    /// It says none, or none that is known.
    Unknown = 6,
}

impl Level {
    /// All of them, each at its own number.
    pub const ALL: [Self; 7] =
        [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal, Self::Unknown];

    /// Value of the label `level`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
            Self::Unknown => "unknown",
        }
    }

    /// The level that a word stands for, in any case.
    fn of_word(word: &[u8]) -> Self {
        const WORDS: &[(&str, Level)] = &[
            ("info", Level::Info),
            ("error", Level::Error),
            ("warn", Level::Warn),
            ("warning", Level::Warn),
            ("debug", Level::Debug),
            ("trace", Level::Trace),
            ("fatal", Level::Fatal),
            ("information", Level::Info),
            ("notice", Level::Info),
            ("err", Level::Error),
            ("severe", Level::Error),
            ("critical", Level::Fatal),
            ("crit", Level::Fatal),
            ("panic", Level::Fatal),
            ("dpanic", Level::Fatal),
            ("alert", Level::Fatal),
            ("emerg", Level::Fatal),
            ("emergency", Level::Fatal),
            ("dbug", Level::Debug),
            ("verbose", Level::Debug),
            ("finest", Level::Trace),
            ("10", Level::Trace),
            ("20", Level::Debug),
            ("30", Level::Info),
            ("40", Level::Warn),
            ("50", Level::Error),
            ("60", Level::Fatal),
        ];
        let known = WORDS.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(word));
        known.map_or(Self::Unknown, |(_, level)| *level)
    }
}

/// Whether a member or pair of this name is the level.
fn is_level(key: &[u8]) -> bool {
    matches!(key, b"level" | b"severity" | b"lvl" | b"log.level" | b"loglevel")
}

/// The level of a message.
pub fn of(message: &[u8]) -> Level {
    match message.iter().position(|byte| !byte.is_ascii_whitespace()) {
        Some(at) if message.get(at) == Some(&b'{') => {
            of_object(&mut Cursor { text: message.get(at..).unwrap_or_default() }).unwrap_or(Level::Unknown)
        }
        Some(_) => of_logfmt(message),
        None => Level::Unknown,
    }
}

fn of_logfmt(message: &[u8]) -> Level {
    for at in memchr::memchr_iter(b'=', message) {
        let (before, after) = (message.get(..at).unwrap_or_default(), message.get(at + 1..).unwrap_or_default());
        // The last letter of each key that counts.
        if !matches!(before.last(), Some(b'l' | b'y')) {
            continue;
        }
        let from = before.iter().rev().take(16).position(|byte| byte.is_ascii_whitespace());
        let key = match from {
            Some(length) => before.get(at - length..).unwrap_or_default(),
            None => before,
        };
        if is_level(key) {
            let word = after.strip_prefix(b"\"").unwrap_or(after);
            let end = word.iter().take(16).position(|byte| !byte.is_ascii_alphanumeric());
            return match end {
                Some(end) => Level::of_word(word.get(..end).unwrap_or_default()),
                None if word.len() < 16 => Level::of_word(word),
                None => Level::Unknown,
            };
        }
    }
    Level::Unknown
}

/// What is left of a JSON text.
struct Cursor<'t> {
    text: &'t [u8],
}

impl<'t> Cursor<'t> {
    fn skip_blanks(&mut self) {
        let blanks = self.text.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.text = self.text.get(blanks..).unwrap_or_default();
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        self.skip_blanks();
        self.text = self.text.strip_prefix(&[byte])?;
        Some(())
    }

    /// A text, as it is written between its quotes.
    fn string(&mut self) -> Option<&'t [u8]> {
        self.take(b'"')?;
        let text = self.text;
        let mut at = 0;
        loop {
            at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
            if text.get(at) == Some(&b'"') {
                self.text = text.get(at + 1..)?;
                return text.get(..at);
            }
            at += 2;
        }
    }

    /// Passes over a value, whatever it is. Depth is counted, not recursed into.
    fn skip_value(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            self.skip_blanks();
            match self.text.first()? {
                b'"' => {
                    self.string()?;
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.text = self.text.get(1..)?;
                    continue;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.text = self.text.get(1..)?;
                }
                b',' | b':' if depth > 0 => {
                    self.text = self.text.get(1..)?;
                    continue;
                }
                _ => drop(self.scalar()?),
            }
            if depth == 0 {
                return Some(());
            }
        }
    }

    /// A number or a word.
    fn scalar(&mut self) -> Option<&'t [u8]> {
        let length = self.text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count();
        let scalar = self.text.get(..length).filter(|scalar| !scalar.is_empty())?;
        self.text = self.text.get(length..)?;
        Some(scalar)
    }

    /// The word of a level.
    fn level(&mut self) -> Option<Level> {
        self.skip_blanks();
        match self.text.first()? {
            b'"' => Some(Level::of_word(self.string()?)),
            b'{' | b'[' => None,
            _ => Some(Level::of_word(self.scalar()?)),
        }
    }
}

/// The level among the members of an object that begins here.
fn of_object(cursor: &mut Cursor<'_>) -> Option<Level> {
    cursor.take(b'{')?;
    loop {
        let key = cursor.string()?;
        cursor.take(b':')?;
        if is_level(key) {
            return cursor.level();
        }
        cursor.skip_blanks();
        if key == b"log" && cursor.text.first() == Some(&b'{') {
            let mut inner = Cursor { text: cursor.text };
            inner.take(b'{')?;
            // The level comes first where it is written so; what stands deeper is nobody's convention.
            if inner.string() == Some(b"level") && inner.take(b':').is_some() {
                return inner.level();
            }
        }
        cursor.skip_value()?;
        cursor.take(b',')?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(message: &str) -> &'static str {
        of(message.as_bytes()).as_str()
    }

    #[test]
    fn json() {
        assert_eq!(level(r#"{"level":"info","msg":"x"}"#), "info");
        assert_eq!(level(r#"  { "ts" : 1.5e3 , "a": [1,{"level":"debug"}], "severity" : "WARNING" }"#), "warn");
        assert_eq!(level(r#"{"msg":"say \"level\":\"error\" \\","lvl":"Trace"}"#), "trace");
        assert_eq!(level(r#"{"log.level":"ERR","x":null}"#), "error");
        assert_eq!(level(r#"{"@timestamp":"t","log":{"level":"fatal","logger":"x"}}"#), "fatal");
        assert_eq!(level(r#"{"log":{"logger":"x"},"level":"debug"}"#), "debug");
        assert_eq!(level(r#"{"level":50,"time":1}"#), "error");
        assert_eq!(level(r#"{"level":55}"#), "unknown");
        assert_eq!(level(r#"{"nested":{"level":"error"}}"#), "unknown");
        assert_eq!(level(r#"{"msg":"level=error"}"#), "unknown");
        assert_eq!(level(r#"{"level":{"name":"error"}}"#), "unknown");
    }

    #[test]
    fn logfmt() {
        assert_eq!(level("ts=1 level=info msg=\"x y\""), "info");
        assert_eq!(level("level=\"error\" x"), "error");
        assert_eq!(level("lvl=dbug"), "debug");
        assert_eq!(level("a sentence with severity=critical."), "fatal");
        assert_eq!(level("sublevel=error"), "unknown");
        assert_eq!(level("errors=0 loglevel=warn"), "warn");
        assert_eq!(level("url=/x?level=error"), "unknown");
        assert_eq!(level("plain error"), "unknown");
        assert_eq!(level(""), "unknown");
    }

    #[test]
    fn cut_short_and_garbage() {
        let text = r#"{"a":[1,"b",{"c":null}],"log":{"x":1},"level":"info"}"#;
        for end in 0..text.len() - 1 {
            assert_eq!(level(&text[..end]), "unknown", "{end}");
        }
        for text in ["{", "{]", "{\"a\"}", "{\"a\":}", "{\"a\":]", "{\"a\":1 2}", "{\"\\", "level=", "=", "{{{{{{{{"] {
            assert_eq!(level(text), "unknown", "{text}");
        }
        let deep = format!("{{\"a\":{}", "[".repeat(1 << 20));
        assert_eq!(level(&deep), "unknown");
        let long = format!("{{\"level\":\"{}\"}}", "error".repeat(1 << 20));
        assert_eq!(level(&long), "unknown");
        assert_eq!(level(&format!("level={}", "e".repeat(1 << 20))), "unknown");
    }
}
