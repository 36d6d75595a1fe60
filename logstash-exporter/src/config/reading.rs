//! From YAML nodes to values: every mistake is kept with its place, and reading goes on.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use common::error::ConfigError;
use common::flags::parse_duration;
use common::yaml::{Node, Value, YamlError};

/// Reads a whole file of a bounded size; fails with what is wrong, without the file's name.
pub type ReadFile<'a> = dyn FnMut(&Path, u64) -> Result<Vec<u8>, String> + 'a;

/// A key with the keys above it, and its line.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) key: String,
    /// Line number from 1.
    pub(super) line: u64,
}

/// A key's value, not looked at yet.
pub(super) struct Entry {
    pub(super) at: Place,
    pub(super) node: Node,
}

/// A text that is there and not empty.
pub(super) struct Text {
    pub(super) at: Place,
    pub(super) value: String,
}

/// Where mistakes and warnings go.
pub(super) struct Reading<'a> {
    file: &'a Path,
    read: &'a mut ReadFile<'a>,
    pub(super) mistakes: Vec<ConfigError>,
    pub(super) warnings: Vec<String>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(file: &'a Path, read: &'a mut ReadFile<'a>) -> Self {
        Self { file, read, mistakes: Vec::new(), warnings: Vec::new() }
    }

    fn sentence(&self, at: &Place, what: &dyn fmt::Display) -> String {
        let key = if at.key.is_empty() { String::new() } else { format!(" {}:", at.key) };
        format!("{}:{}:{key} {what}", self.file.display(), at.line)
    }

    pub(super) fn mistake(&mut self, at: &Place, what: impl fmt::Display) {
        let sentence = self.sentence(at, &what);
        self.mistakes.push(ConfigError::new(sentence));
    }

    pub(super) fn warn(&mut self, at: &Place, what: impl fmt::Display) {
        let sentence = self.sentence(at, &what);
        self.warnings.push(sentence);
    }

    /// The value, or a mistake at its place. The library's messages hold no value.
    fn good<T>(&mut self, at: &Place, result: Result<T, YamlError>) -> Option<T> {
        result.map_err(|e| self.mistake(at, e.what)).ok()
    }

    /// Keys and values; `None` for nothing, which is the same as a key that is not there.
    pub(super) fn section(&mut self, entry: Option<Entry>) -> Option<Section> {
        self.item(entry.filter(|entry| !matches!(entry.node.value, Value::Null))?)
    }

    /// Keys and values; nothing has none.
    pub(super) fn item(&mut self, entry: Entry) -> Option<Section> {
        let Entry { at, node } = entry;
        let entries = node.into_map(&at.key);
        Some(Section { entries: self.good(&at, entries)?, at })
    }

    pub(super) fn list(&mut self, entry: Option<Entry>) -> Vec<Entry> {
        let Some(Entry { at, node }) = entry else { return Vec::new() };
        let list = node.into_list(&at.key);
        let numbered =
            |(n, node): (usize, Node)| Entry { at: Place { key: format!("{}[{n}]", at.key), line: node.line }, node };
        self.good(&at, list).unwrap_or_default().into_iter().enumerate().map(numbered).collect()
    }

    /// A text; an empty one is none, as everywhere in the reference's configuration.
    pub(super) fn text(&mut self, entry: Option<Entry>) -> Option<Text> {
        let Entry { at, node } = entry?;
        let text = node.into_text(&at.key);
        let value = self.good(&at, text).flatten().filter(|text| !text.is_empty())?;
        Some(Text { at, value })
    }

    pub(super) fn switch(&mut self, entry: Option<Entry>) -> Option<bool> {
        let Entry { at, node } = entry?;
        let on = node.into_bool(&at.key);
        self.good(&at, on).flatten()
    }

    /// A whole number up to `most`; 0 is none.
    pub(super) fn number(&mut self, entry: Option<Entry>, most: u32) -> Option<u32> {
        let Entry { at, node } = entry?;
        let number = node.into_u32(&at.key);
        let number = self.good(&at, number).flatten().filter(|number| *number > 0)?;
        if number > most {
            self.mistake(&at, format_args!("expected at most {most}, found {number}"));
            return None;
        }
        Some(number)
    }

    pub(super) fn duration(&mut self, entry: Option<Entry>) -> Option<Duration> {
        let Text { at, value } = self.text(entry)?;
        let duration = parse_duration(&value).filter(|duration| !duration.is_zero());
        if duration.is_none() {
            self.mistake(&at, format_args!("expected a duration such as 2s or 500ms, found {value:?}"));
        }
        duration
    }

    /// One of a few words.
    pub(super) fn pick<T: Copy>(&mut self, entry: Option<Entry>, words: &[(&str, T)]) -> Option<(Place, T)> {
        let Text { at, value } = self.text(entry)?;
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == value) {
            return Some((at, *meaning));
        }
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        self.mistake(&at, format_args!("expected one of {}, found {value:?}", words.join(", ")));
        None
    }

    /// What is in the file that a key names, once `check` has agreed.
    pub(super) fn file<T>(
        &mut self,
        name: &Text,
        most_bytes: u64,
        check: impl FnOnce(Vec<u8>) -> Result<T, String>,
    ) -> Option<T> {
        let result = (self.read)(Path::new(&name.value), most_bytes).and_then(check);
        result.map_err(|what| self.mistake(&name.at, format_args!("{}: {what}", name.value))).ok()
    }
}

/// Keys and values of which one after the other is taken; what is left at the end is unknown.
pub(super) struct Section {
    pub(super) at: Place,
    entries: Vec<(String, u64, Node)>,
}

impl Section {
    /// The whole document.
    pub(super) fn whole(reading: &mut Reading<'_>, node: Node) -> Self {
        let at = Place { key: String::new(), line: node.line };
        let entries = node.into_map("");
        Self { entries: reading.good(&at, entries).unwrap_or_default(), at }
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Entry> {
        let at = self.entries.iter().position(|(known, ..)| known == key)?;
        let (key, line, node) = self.entries.remove(at);
        Some(Entry { at: Place { key: below(&self.at, &key), line }, node })
    }

    /// The rest, whatever the keys are, in the order of the file.
    pub(super) fn into_entries(self) -> impl Iterator<Item = (String, Entry)> {
        let Self { at, entries } = self;
        entries.into_iter().map(move |(key, line, node)| {
            let at = Place { key: below(&at, &key), line };
            (key, Entry { at, node })
        })
    }

    /// The reference passes over keys it does not know, and its users' files hold some: one warning each.
    pub(super) fn end(self, reading: &mut Reading<'_>) {
        for (_, entry) in self.into_entries() {
            reading.warn(&entry.at, "unknown key, of no effect");
        }
    }
}

/// A key may hold anything when it is quoted, and a message is one line. In `{password:x}`, where a space is missing, the
/// secret is part of the key, so what follows a colon is left out.
fn below(section: &Place, key: &str) -> String {
    let (name, rest) = key.split_once(':').map_or((key, ""), |(name, _)| (name, ":…"));
    let dot = if section.key.is_empty() { "" } else { "." };
    format!("{}{dot}{}{rest}", section.key, name.escape_debug())
}
