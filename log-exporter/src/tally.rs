//! What is counted about one container.

use std::borrow::Cow;

use crate::config::Settings;
use crate::level::{self, Level};
use crate::patterns::without_colours;
use crate::record::Stream;
use crate::tree::Id;

/// Counts since the first sight of a container; a restart of it changes none of them.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Messages, by stream.
    pub messages: [u64; Stream::ALL.len()],
    /// Bytes of messages, by stream: what the program wrote, without newlines and what the runtime writes before it.
    pub bytes: [u64; Stream::ALL.len()],
    /// Messages, by level.
    pub levels: [u64; Level::ALL.len()],
    /// One for each pattern that is for this container, in the order of the patterns.
    pub matches: Vec<Match>,
    /// Records that are parts of a message.
    pub partial_lines: u64,
    /// Messages of which only the head was looked at.
    pub truncated: u64,
    /// Lines without the head of a record.
    pub parse_errors: u64,
    /// Files that took the name of one that was moved away.
    pub rotations: u64,
    /// Files that became shorter.
    pub truncations: u64,
    /// Files and directories that could not be opened or read.
    pub read_errors: u64,
    /// Bytes that were in the files and not looked at.
    pub dropped_bytes: u64,
    /// Positions of the patterns that are for this container.
    selected: Vec<usize>,
}

/// What one pattern found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Match {
    /// Position of the pattern.
    pub pattern: usize,
    /// Messages that matched.
    pub count: u64,
    /// When the last one of them was written, in seconds since 1970.
    pub last: Option<f64>,
}

/// A message, whole or its head.
#[derive(Clone, Copy, Debug)]
pub struct Message<'m> {
    /// Where the program wrote it.
    pub stream: Stream,
    /// When, in seconds since 1970, worked out only if somebody wants to know.
    pub time: &'m [u8],
    /// What it wrote.
    pub content: &'m [u8],
    /// Whether a search found something that a pattern looks for; `None` when nobody searched.
    pub is_candidate: Option<bool>,
    /// Whether control sequences may be in it.
    pub may_have_colours: bool,
}

impl Tally {
    /// Zeros for a container.
    pub fn new(settings: &Settings, id: &Id) -> Self {
        let mut tally = Self::default();
        tally.select(settings, id, |_| Match::default());
        tally
    }

    /// Goes on under other settings: patterns are the same when their names are.
    pub fn follow(&mut self, before: &Settings, settings: &Settings, id: &Id) {
        let known: Vec<(&str, Match)> = std::mem::take(&mut self.matches)
            .into_iter()
            .filter_map(|found| Some((before.patterns.list().get(found.pattern)?.name.as_str(), found)))
            .collect();
        self.select(settings, id, |name| {
            known.iter().find(|(known, _)| *known == name).map(|(_, found)| found.clone()).unwrap_or_default()
        });
    }

    fn select(&mut self, settings: &Settings, id: &Id, known: impl Fn(&str) -> Match) {
        let patterns = settings.patterns.list().iter().enumerate();
        let selected =
            patterns.filter(|(_, pattern)| pattern.selector.selects(id.namespace(), id.pod(), id.container()));
        self.matches = selected.map(|(at, pattern)| Match { pattern: at, ..known(&pattern.name) }).collect();
        self.selected = self.matches.iter().map(|found| found.pattern).collect();
    }

    /// Counts a message; `now` is its time when it has none of its own.
    #[inline]
    pub fn count(&mut self, settings: &Settings, now: Option<f64>, message: Message<'_>) {
        let Message { stream, time, content, is_candidate, may_have_colours } = message;
        if let Some(messages) = self.messages.get_mut(stream as usize) {
            *messages += 1;
        }
        if let Some(bytes) = self.bytes.get_mut(stream as usize) {
            *bytes += content.len() as u64;
        }
        let plain = if may_have_colours { without_colours(content) } else { Cow::Borrowed(content) };
        // Whoever searched met the colours, which may stand in the middle of what is looked for.
        let is_candidate = is_candidate.filter(|_| matches!(plain, Cow::Borrowed(_)));
        if settings.levels
            && let Some(messages) = self.levels.get_mut(level::of(&plain) as usize)
        {
            *messages += 1;
        }
        let matches = &mut self.matches;
        settings.patterns.matches(&plain, stream, &self.selected, is_candidate, |pattern| {
            if let Some(found) = matches.iter_mut().find(|found| found.pattern == pattern) {
                found.count += 1;
                if let Some(seconds) = crate::record::seconds_of(time).or(now) {
                    found.last = Some(found.last.map_or(seconds, |last| last.max(seconds)));
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn settings(text: &str) -> Settings {
        crate::config::parse(Path::new("p"), text).ok().unwrap()
    }

    fn message(content: &str) -> Message<'_> {
        let time = b"2026-11-22T10:00:00Z".as_slice();
        let content = content.as_bytes();
        Message { stream: Stream::Stderr, time, content, is_candidate: None, may_have_colours: true }
    }

    #[test]
    fn counts() {
        let settings = Settings::default();
        let mut tally = Tally::new(&settings, &Id::new("n", "p", "c"));
        assert_eq!(tally.matches, [Match::default()]);
        tally.count(&settings, None, message("level=\u{1b}[31merror\u{1b}[0m x"));
        tally.count(&settings, None, message("fine"));
        assert_eq!((tally.messages, tally.bytes[1]), ([0, 2, 0], 26));
        assert_eq!(tally.levels, [0, 0, 0, 0, 1, 0, 1]);
        assert_eq!(tally.matches, [Match { pattern: 0, count: 1, last: Some(1_795_341_600.0) }]);
    }

    #[test]
    fn patterns_come_and_go() {
        let id = Id::new("n", "p", "c");
        let before = settings("patterns: [{name: a, literal: error}, {name: b, literal: error}]");
        let mut tally = Tally::new(&before, &id);
        tally.count(&before, None, message("error"));
        let after =
            settings("patterns: [{name: c, literal: x}, {name: b, literal: y}, {name: d, literal: x, pods: q}]");
        tally.follow(&before, &after, &id);
        let counts: Vec<_> = tally.matches.iter().map(|found| (found.pattern, found.count)).collect();
        assert_eq!(counts, [(0, 0), (1, 1)]);
    }
}
