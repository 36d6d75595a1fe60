//! A configuration as a tree of YAML values, and the tree as text.
//!
//! * The layout is that of the Go exporter: keys as given, lists below their keys, one item per line.
//! * Texts that another reader might take for something else are quoted: numbers, truth values of any YAML version, nulls.

use std::fmt::Write as _;

use super::super::scalar::{self, Plain};
use super::Indent;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// A text, quoted where it must be.
    Text(String),
    /// A number, a truth value, a null: never quoted.
    Bare(String),
    List(Vec<Value>),
    Map(Fields),
}

/// Keys and values in the order they are shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fields(pub(super) Vec<(String, Value)>);

impl Fields {
    /// A value, whatever it is.
    pub(super) fn always(&mut self, key: &str, value: Value) {
        self.0.push((key.to_owned(), value));
    }

    /// A text, unless it is empty.
    pub(super) fn text(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.always(key, Value::Text(text.to_owned()));
        }
    }

    /// Says that there is something, but not what, unless there is nothing.
    pub(super) fn hidden(&mut self, key: &str, is_there: bool) {
        if is_there {
            self.always(key, secret());
        }
    }

    /// What a writer made of it, unless it is empty.
    pub(super) fn bare(&mut self, key: &str, shown: Option<String>) {
        if let Some(shown) = shown {
            self.always(key, Value::Bare(shown));
        }
    }

    /// A number, unless it is zero.
    pub(super) fn number(&mut self, key: &str, number: i64) {
        self.bare(key, (number != 0).then(|| number.to_string()));
    }

    /// `true`, unless it is not.
    pub(super) fn flag(&mut self, key: &str, flag: bool) {
        self.bare(key, flag.then(|| "true".to_owned()));
    }

    /// A list, unless it is empty.
    pub(super) fn list(&mut self, key: &str, list: impl IntoIterator<Item = Value>) {
        let list: Vec<Value> = list.into_iter().collect();
        if !list.is_empty() {
            self.always(key, Value::List(list));
        }
    }

    /// A list of texts, unless it is empty.
    pub(super) fn texts(&mut self, key: &str, texts: &[String]) {
        self.list(key, texts.iter().map(|text| Value::Text(text.clone())));
    }

    /// Keys and values, unless there are none.
    pub(super) fn fields(&mut self, key: &str, fields: Fields) {
        if !fields.0.is_empty() {
            self.always(key, Value::Map(fields));
        }
    }

    /// Sorts the keys for people: signs before letters, digits as numbers.
    pub(super) fn sorted(mut self) -> Self {
        self.0.sort_by_cached_key(|(key, _)| natural(key));
        self
    }
}

/// What stands for a value that nobody may see.
pub(super) fn secret() -> Value {
    Value::Text("<secret>".to_owned())
}

/// A key in parts that sort: signs, then numbers by their value, then letters.
fn natural(key: &str) -> Vec<(u8, u64, char)> {
    let mut parts = Vec::new();
    let mut chars = key.chars().peekable();
    while let Some(c) = chars.next() {
        let Some(digit) = c.to_digit(10) else {
            parts.push((if c.is_alphabetic() { 2 } else { 0 }, 0, c));
            continue;
        };
        let mut number = u64::from(digit);
        while let Some(digit) = chars.next_if(char::is_ascii_digit).and_then(|c| c.to_digit(10)) {
            number = number.saturating_mul(10).saturating_add(u64::from(digit));
        }
        parts.push((1, number, '0'));
    }
    parts
}

/// The tree as text.
pub(super) fn write(fields: &Fields, indent: Indent) -> String {
    let mut writer = Writer { out: String::new(), indent };
    if fields.0.is_empty() {
        writer.out.push_str("{}\n");
    } else {
        writer.map(fields, Columns { keys: 0, below: writer.step() }, false);
    }
    writer.out
}

/// Where keys stand, and what is below them.
#[derive(Clone, Copy)]
struct Columns {
    keys: usize,
    below: usize,
}

struct Writer {
    out: String,
    indent: Indent,
}

impl Writer {
    fn step(&self) -> usize {
        match self.indent {
            Indent::Two => 2,
            Indent::Four => 4,
        }
    }

    fn blanks(&mut self, n: usize) {
        self.out.extend(std::iter::repeat_n(' ', n));
    }

    /// `follows` a dash, so that the first key is in place already.
    fn map(&mut self, fields: &Fields, columns: Columns, follows: bool) {
        for (n, (key, value)) in fields.0.iter().enumerate() {
            if n > 0 || !follows {
                self.blanks(columns.keys);
            }
            let key = if key == "<<" { "\"<<\"".to_owned() } else { scalar_text(key) };
            self.out.push_str(&key);
            self.out.push(':');
            match value {
                Value::Map(fields) if !fields.0.is_empty() => {
                    self.out.push('\n');
                    self.map(fields, Columns { keys: columns.below, below: columns.below + self.step() }, false);
                }
                Value::List(list) if !list.is_empty() => {
                    self.out.push('\n');
                    let dash = if self.indent == Indent::Two { columns.keys } else { columns.below };
                    self.list(list, dash, false);
                }
                value => {
                    self.out.push(' ');
                    self.leaf(value, columns.below);
                }
            }
        }
    }

    fn list(&mut self, list: &[Value], dash: usize, follows: bool) {
        for (n, value) in list.iter().enumerate() {
            if n > 0 || !follows {
                self.blanks(dash);
            }
            self.out.push_str("- ");
            match value {
                Value::Map(fields) if !fields.0.is_empty() => {
                    self.map(fields, Columns { keys: dash + 2, below: dash + 4 }, true);
                }
                Value::List(list) if !list.is_empty() => self.list(list, dash + 2, true),
                value => self.leaf(value, dash + self.step()),
            }
        }
    }

    fn leaf(&mut self, value: &Value, below: usize) {
        match value {
            Value::Bare(text) => self.out.push_str(text),
            Value::Text(text) if is_block(text) => {
                let body = text.strip_suffix('\n');
                self.out.push_str(match body {
                    None => "|-",
                    Some(body) if body.ends_with('\n') => "|+",
                    Some(_) => "|",
                });
                for line in body.unwrap_or(text).split('\n') {
                    self.out.push('\n');
                    if !line.is_empty() {
                        self.blanks(below);
                        self.out.push_str(line);
                    }
                }
            }
            Value::Text(text) => {
                let text = scalar_text(text);
                self.out.push_str(&text);
            }
            Value::List(_) => self.out.push_str("[]"),
            Value::Map(_) => self.out.push_str("{}"),
        }
        self.out.push('\n');
    }
}

/// Whether a text of several lines can stand as it is below a `|`.
fn is_block(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\n', '\t'])
        && !text.contains(" \n")
        && !text.ends_with(' ')
        && text.chars().all(|c| matches!(c, '\n' | '\t') || !needs_escape(c))
}

fn needs_escape(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
        || c > '\u{ffff}'
}

/// A text of one line: plain, or in quotes where it has to be.
fn scalar_text(text: &str) -> String {
    if text.chars().any(needs_escape) {
        return escaped(text);
    }
    if scalar::plain(text) != Plain::Text || is_old_word(text) || is_base_60(text) {
        return format!("\"{text}\"");
    }
    if is_plain(text) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "''"))
}

/// Truth values of YAML 1.1.
fn is_old_word(text: &str) -> bool {
    ["y", "n", "yes", "no", "on", "off", "true", "false", "null"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Numbers of YAML 1.1 such as `1:30`.
fn is_base_60(text: &str) -> bool {
    text.contains(':')
        && text.bytes().all(|b| b.is_ascii_digit() || b":._+-".contains(&b))
        && text.bytes().next().is_some_and(|b| b != b':')
}

fn is_plain(text: &str) -> bool {
    let mut chars = text.chars();
    let first_is_good = match chars.next() {
        None => false,
        Some('-' | '?' | ':') => chars.next().is_some_and(|c| c != ' '),
        Some(first) => !"#,[]{}&*!|>'\"%@` ".contains(first),
    };
    first_is_good
        && !text.starts_with("---")
        && !text.starts_with("...")
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
}

fn escaped(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0' => out.push_str("\\0"),
            c if needs_escape(c) => {
                let code = u32::from(c);
                // Writing to a string cannot fail.
                let _ = match code {
                    0..=0xff => write!(out, "\\x{code:02X}"),
                    0x100..=0xffff => write!(out, "\\u{code:04X}"),
                    _ => write!(out, "\\U{code:08X}"),
                };
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use common::yaml::{self, Node};

    use super::*;

    fn back(node: Node) -> Value {
        match node.value {
            yaml::Value::Null => Value::Bare("null".to_owned()),
            yaml::Value::Scalar(text, false) if scalar::plain(&text) != Plain::Text => Value::Bare(text),
            yaml::Value::Scalar(text, _) => Value::Text(text),
            yaml::Value::Binary(_) => panic!("there are no binary texts"),
            yaml::Value::List(list) => Value::List(list.into_iter().map(back).collect()),
            yaml::Value::Map(map) => {
                Value::Map(Fields(map.into_iter().map(|(key, _, node)| (key, back(node))).collect()))
            }
        }
    }

    #[track_caller]
    fn check(value: &Value) {
        let fields = Fields(vec![("key".to_owned(), value.clone()), ("last".to_owned(), Value::Bare("1".to_owned()))]);
        for indent in [Indent::Two, Indent::Four] {
            let text = write(&fields, indent);
            let read = yaml::parse(&text).map(back);
            assert!(read.as_ref().is_ok_and(|read| *read == Value::Map(fields.clone())), "{text}\n{read:?}");
        }
    }

    #[test]
    fn every_text_is_read_back() {
        let pieces = [
            "", "a", " ", "\n", ":", "#", "-", "?", "'", "\"", "\\", "\t", "\r", "1", ".", "~", "<<", "{", "]", ",",
            "&", "*", "!", "|", ">", "%", "@", "`", "=", "é", "\u{a0}", "\u{85}", "\u{2028}", "😀", "\0", "\u{7f}",
            "yes", "null",
        ];
        for a in pieces {
            for b in pieces {
                for c in ["", " ", "\n", "\n\n", "a", "\na", ":", "\n a", "\n\n\nb\n"] {
                    let text = Value::Text(format!("{a}{b}{c}"));
                    check(&text);
                    check(&Value::List(vec![text.clone(), text.clone()]));
                    check(&Value::Map(Fields(vec![(format!("{a}{b}{c}"), text)])));
                }
            }
        }
    }

    #[test]
    fn nested() {
        let leaf = Value::Text("a\nb".to_owned());
        let map = Value::Map(Fields(vec![
            ("k".to_owned(), leaf.clone()),
            ("l".to_owned(), Value::List(vec![leaf.clone(), leaf.clone()])),
            ("e".to_owned(), Value::List(Vec::new())),
            ("m".to_owned(), Value::Map(Fields(vec![("n".to_owned(), leaf)]))),
            ("f".to_owned(), Value::Map(Fields::default())),
        ]));
        check(&map);
        check(&Value::List(vec![map.clone(), Value::List(vec![map.clone(), map.clone()]), map]));
    }

    #[test]
    fn keys_sort_for_people() {
        let mut keys = ["host10", "host2", "a_b", "aa", "b", "1", "_"];
        keys.sort_by_key(|key| natural(key));
        assert_eq!(keys, ["_", "1", "a_b", "aa", "b", "host2", "host10"]);
    }
}
