//! From YAML nodes to values: every mistake is kept with its place, and reading goes on.

use std::collections::HashMap;
use std::fmt;

use common::yaml::{Node, Value};

use super::scalar::{self, Plain};
use super::{Given, Secret};
use crate::regexp::Regexp;

/// Mistakes that are shown; a hostile file has one per byte or two.
const MOST_MISTAKES: usize = 1_000;
/// Different regular expressions in a file: each may take a megabyte.
const MOST_REGEXPS: usize = 5_000;
/// Characters of a key in a message.
const MOST_KEY_CHARS: usize = 64;

/// A key with the keys above it, and its line.
#[derive(Clone)]
pub(super) struct Place {
    key: String,
    /// Line number from 1.
    line: u64,
}

impl Place {
    /// The whole file.
    pub(super) fn whole(line: u64) -> Self {
        Self { key: String::new(), line }
    }
}

/// A key's value, not looked at yet.
pub(super) struct Entry {
    pub(super) at: Place,
    pub(super) node: Node,
}

/// Where mistakes and warnings go.
pub(super) struct Reading<'a> {
    file: &'a str,
    mistakes: Vec<(u64, String)>,
    warnings: Vec<String>,
    n_mistakes: usize,
    /// Those of many modules are often the same, and are kept once.
    regexps: HashMap<String, Regexp>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(file: &'a str) -> Self {
        Self { file, mistakes: Vec::new(), warnings: Vec::new(), n_mistakes: 0, regexps: HashMap::new() }
    }

    fn sentence(&self, at: &Place, what: impl fmt::Display) -> String {
        let key = if at.key.is_empty() { String::new() } else { format!(" {}:", at.key) };
        format!("{}:{}:{key} {what}", self.file, at.line)
    }

    pub(super) fn mistake(&mut self, at: &Place, what: impl fmt::Display) {
        self.n_mistakes += 1;
        if self.n_mistakes <= MOST_MISTAKES {
            let sentence = self.sentence(at, what);
            self.mistakes.push((at.line, sentence));
        }
    }

    pub(super) fn warn(&mut self, at: &Place, what: impl fmt::Display) {
        let sentence = self.sentence(at, what);
        self.warnings.push(sentence);
    }

    /// The warnings, or all mistakes by line.
    pub(super) fn end(mut self) -> Result<Vec<String>, String> {
        if self.mistakes.is_empty() {
            return Ok(self.warnings);
        }
        self.mistakes.sort_by_key(|(line, _)| *line);
        let mut lines: Vec<String> = self.mistakes.into_iter().map(|(_, sentence)| sentence).collect();
        if self.n_mistakes > MOST_MISTAKES {
            lines.push(format!("{}: {} more mistakes", self.file, self.n_mistakes - MOST_MISTAKES));
        }
        Err(lines.join("\n"))
    }

    /// Keys and values; `None` for nothing, which is the same as a key that is not there.
    pub(super) fn section(&mut self, entry: Option<Entry>) -> Option<Section> {
        let Entry { at, node } = entry?;
        match node.value {
            Value::Null => None,
            Value::Map(entries) => Some(Section { at, entries }),
            _ => {
                self.mistake(&at, "expected keys and values");
                None
            }
        }
    }

    /// Names and their values, in the order of the file.
    pub(super) fn pairs(&mut self, entry: Option<Entry>) -> Vec<(String, Entry)> {
        self.section(entry).map(Section::into_entries).unwrap_or_default()
    }

    /// The items of a list but for nulls, which count as not there; `None` when the whole list is null.
    pub(super) fn list(&mut self, entry: Option<Entry>) -> Option<Vec<Entry>> {
        let Entry { at, node } = entry?;
        match node.value {
            Value::Null => None,
            Value::List(list) => Some(
                list.into_iter()
                    .enumerate()
                    .filter(|(_, node)| !matches!(node.value, Value::Null))
                    .map(|(n, node)| Entry { at: Place { key: format!("{}[{n}]", at.key), line: node.line }, node })
                    .collect(),
            ),
            _ => {
                self.mistake(&at, "expected a list");
                None
            }
        }
    }

    /// What each item of a list is read as; those that cannot be are left out.
    pub(super) fn each<T>(
        &mut self,
        entry: Option<Entry>,
        read: impl Fn(&mut Self, Option<Entry>) -> Option<T>,
    ) -> Vec<T> {
        let list = self.list(entry).unwrap_or_default();
        list.into_iter().filter_map(|entry| read(self, Some(entry))).collect()
    }

    /// A text; `None` for nothing.
    pub(super) fn text(&mut self, entry: Option<Entry>) -> Option<String> {
        let Entry { at, node } = entry?;
        match node.value {
            Value::Null => None,
            Value::Scalar(text, _) => Some(text),
            Value::Binary(bytes) => {
                let text = String::from_utf8(bytes);
                text.map_err(|_| self.mistake(&at, "expected UTF-8 after !!binary")).ok()
            }
            _ => {
                self.mistake(&at, "expected text");
                None
            }
        }
    }

    /// A text, empty for nothing.
    pub(super) fn word(&mut self, entry: Option<Entry>) -> String {
        self.text(entry).unwrap_or_default()
    }

    /// Texts of a list.
    pub(super) fn texts(&mut self, entry: Option<Entry>) -> Vec<String> {
        self.each(entry, Self::text)
    }

    /// Names and texts; nothing is an empty text.
    pub(super) fn named_texts(&mut self, entry: Option<Entry>) -> Vec<(String, String)> {
        let pairs = self.pairs(entry);
        pairs.into_iter().map(|(name, entry)| (name, self.word(Some(entry)))).collect()
    }

    /// Any bytes, empty for nothing.
    pub(super) fn bytes(&mut self, entry: Option<Entry>) -> Vec<u8> {
        match entry {
            Some(Entry { node: Node { value: Value::Binary(bytes), .. }, .. }) => bytes,
            entry => self.word(entry).into_bytes(),
        }
    }

    /// A truth value; `None` for nothing. The words of YAML 1.1 count with quotes, too.
    pub(super) fn flag(&mut self, entry: Option<Entry>) -> Option<bool> {
        let Entry { at, node } = entry?;
        let value = match &node.value {
            Value::Null => return None,
            Value::Scalar(text, quoted) => match (text.as_str(), quoted) {
                ("true" | "True" | "TRUE", false) => Some(true),
                ("false" | "False" | "FALSE", false) => Some(false),
                ("y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON", _) => Some(true),
                ("n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF", _) => Some(false),
                _ => None,
            },
            _ => None,
        };
        if value.is_none() {
            self.mistake(&at, "expected true or false");
        }
        value
    }

    /// A plain number; `None` for nothing.
    fn plain(&mut self, entry: Option<Entry>, what: &str) -> Option<(Place, Plain)> {
        let Entry { at, node } = entry?;
        let value = match &node.value {
            Value::Null => return None,
            Value::Scalar(text, false) => scalar::plain(text),
            _ => Plain::Text,
        };
        if !matches!(value, Plain::Int(_) | Plain::Float(_)) {
            self.mistake(&at, what);
            return None;
        }
        Some((at, value))
    }

    /// A whole number; what is behind the point of any other is cut off.
    pub(super) fn int(&mut self, entry: Option<Entry>) -> Option<i64> {
        let what = "expected a whole number";
        let (at, value) = self.plain(entry, what)?;
        let number = match value {
            Plain::Int(number) => i64::try_from(number).ok(),
            Plain::Float(number) => (number <= i64::MAX as f64).then_some(number as i64),
            _ => None,
        };
        if number.is_none() {
            self.mistake(&at, what);
        }
        number
    }

    /// A whole number within bounds.
    pub(super) fn int_within(&mut self, entry: Option<Entry>, bounds: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let at = entry.as_ref()?.at.clone();
        let number = self.int(entry)?;
        if !bounds.contains(&number) {
            self.mistake(&at, format_args!("expected {} to {}, found {number}", bounds.start(), bounds.end()));
            return None;
        }
        Some(number)
    }

    /// A share from 0 to 1.
    pub(super) fn share(&mut self, entry: Option<Entry>) -> Option<f64> {
        let what = "expected a number from 0 to 1";
        let (at, value) = self.plain(entry, what)?;
        let number = match value {
            Plain::Int(number) => number as f64,
            Plain::Float(number) => number,
            _ => return None,
        };
        if !(0.0..=1.0).contains(&number) {
            self.mistake(&at, what);
            return None;
        }
        Some(number)
    }

    /// A duration in seconds.
    pub(super) fn duration(&mut self, entry: Option<Entry>) -> Option<f64> {
        let Entry { at, node } = entry?;
        let seconds = match &node.value {
            Value::Null => return None,
            // A bare number is no duration, not even 0.
            Value::Scalar(text, quoted) if *quoted || scalar::plain(text) == Plain::Text => scalar::duration(text),
            _ => None,
        };
        if seconds.is_none() {
            self.mistake(&at, "expected a duration such as 5s, 1m30s or 500ms");
        }
        seconds
    }

    /// A compiled expression.
    pub(super) fn regexp(&mut self, entry: Option<Entry>) -> Option<Regexp> {
        let at = entry.as_ref()?.at.clone();
        let source = self.text(entry)?;
        if let Some(known) = self.regexps.get(&source) {
            return Some(known.clone());
        }
        if self.regexps.len() >= MOST_REGEXPS {
            self.mistake(&at, format_args!("expected at most {MOST_REGEXPS} different regular expressions"));
            return None;
        }
        match Regexp::new(&source) {
            Ok(regexp) => {
                self.regexps.insert(source, regexp.clone());
                Some(regexp)
            }
            Err(what) => {
                self.mistake(&at, format_args!("expected a regular expression: {what}"));
                None
            }
        }
    }

    /// One of few words.
    pub(super) fn pick<T: Copy>(&mut self, entry: Option<Entry>, words: &[(&str, T)]) -> Option<T> {
        let at = entry.as_ref()?.at.clone();
        let text = self.text(entry)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.mistake(&at, format_args!("expected one of {}, found {:?}", words.join(", "), cut(&text)));
        }
        found
    }

    /// What `name`, `name_file` or `name_ref` says; an empty text says nothing. Several are a mistake, but where `lenient`.
    pub(super) fn given(&mut self, section: &mut Section, name: &str, lenient: bool) -> Option<Given> {
        let full = |text: &String| !text.is_empty();
        let inline = self.text(section.take(name)).filter(full);
        let file = self.text(section.take(&format!("{name}_file"))).filter(full);
        let reference = self.text(section.take(&format!("{name}_ref"))).filter(full);
        if [&inline, &file, &reference].into_iter().flatten().count() > 1 && !lenient {
            self.mistake(&section.at, format_args!("expected at most one of {name}, {name}_file and {name}_ref"));
        }
        let inline = inline.map(|text| Given::Inline(Secret(text)));
        inline.or(file.map(|path| Given::File(path.into()))).or(reference.map(Given::Ref))
    }
}

/// Keys and values of which one after the other is taken; what is left at the end is unknown.
pub(super) struct Section {
    pub(super) at: Place,
    entries: Vec<(String, u64, Node)>,
}

impl Section {
    pub(super) fn take(&mut self, key: &str) -> Option<Entry> {
        let at = self.entries.iter().position(|(known, ..)| known == key)?;
        let (key, line, node) = self.entries.remove(at);
        Some(Entry { at: self.place(&key, line), node })
    }

    /// Where a key of this section is.
    fn place(&self, key: &str, line: u64) -> Place {
        let dot = if self.at.key.is_empty() { "" } else { "." };
        Place { key: format!("{}{dot}{}", self.at.key, cut(key)), line }
    }

    fn into_entries(self) -> Vec<(String, Entry)> {
        let entries = self.entries;
        let above = Self { at: self.at, entries: Vec::new() };
        entries
            .into_iter()
            .map(|(key, line, node)| {
                let at = above.place(&key, line);
                (key, Entry { at, node })
            })
            .collect()
    }

    /// What was not taken is unknown.
    pub(super) fn end(self, reading: &mut Reading<'_>) {
        for (key, line, _) in &self.entries {
            if reading.n_mistakes >= MOST_MISTAKES {
                reading.n_mistakes += 1;
                continue;
            }
            // In `{password:x}`, where a blank is missing, the secret is part of the key.
            let name = match key.split_once(':') {
                Some((name, _)) => format!("{}:…", cut(name)),
                None => cut(key),
            };
            let dot = if self.at.key.is_empty() { "" } else { "." };
            let at = Place { key: format!("{}{dot}{name}", self.at.key), line: *line };
            reading.mistake(&at, "expected a known key");
        }
    }
}

/// A text of the file on one line of a message.
pub(super) fn cut(text: &str) -> String {
    let mut shown: String = text.chars().take(MOST_KEY_CHARS).flat_map(char::escape_debug).collect();
    if text.chars().nth(MOST_KEY_CHARS).is_some() {
        shown.push('…');
    }
    shown
}
