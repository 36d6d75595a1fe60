//! From blocks of a log file to messages.
//!
//! * A block is some part of a file; what it ends with in the middle of a line is read again with the next one.
//! * Messages that were written in parts are joined for each stream, over the end of a file as well: the runtime rotates between
//!   two parts. The position of such a message is that of its first part, so that a restart reads all of it again.
//! * Bounded: of a message no more than [`MOST_MESSAGE`] bytes are kept, of a line no more than a block. The rest is passed over
//!   and counted.

use std::borrow::Cow;
use std::time::Instant;

use crate::config::Settings;
use crate::record::{self, Record, Stream};
use crate::tally::{Message, Tally};

/// Bytes of a message that are looked at.
pub const MOST_MESSAGE: usize = 256 << 10;

/// A message of which parts are still to come.
#[derive(Debug, Default)]
pub struct Join {
    /// Which one it is, counted from 1; 0 before the first.
    number: u64,
    /// When the last part came; `None` when no message is open.
    since: Option<Instant>,
    time: Vec<u8>,
    content: Vec<u8>,
    is_truncated: bool,
}

impl Join {
    /// Whether the last part of an open message came before `then`.
    pub fn is_open_since(&self, then: Instant) -> bool {
        self.since.is_some_and(|since| since < then)
    }
}

/// The open messages of one run of a container, by stream.
pub type Joins = [Join; Stream::ALL.len()];

/// How far a file was read.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Where the next block begins.
    pub offset: u64,
    /// Records that begin before were counted by an earlier process, by stream.
    pub skip: [u64; Stream::ALL.len()],
    /// Number of a message and where its first part begins in this file, by stream.
    open: [(u64, u64); Stream::ALL.len()],
    /// In the middle of a line that is too long to be held.
    overlong: Option<Overlong>,
}

#[derive(Clone, Copy, Debug)]
struct Overlong {
    stream: Stream,
    is_full: bool,
    is_skipped: bool,
}

impl Progress {
    /// A file that is read from `offset` on.
    pub fn from(offset: u64) -> Self {
        Self { offset, ..Self::default() }
    }

    /// A file that another process read this far, by stream.
    pub fn resumed(positions: [u64; Stream::ALL.len()]) -> Self {
        let offset = positions.iter().copied().min().unwrap_or(0);
        Self { offset, skip: positions, ..Self::default() }
    }

    /// Where each stream has to be taken up by another process, so that no message is lost and none is counted twice.
    pub fn positions(&self, joins: &Joins) -> [u64; Stream::ALL.len()] {
        let mut positions = [self.offset; Stream::ALL.len()];
        let streams = positions.iter_mut().zip(joins).zip(self.open).zip(self.skip);
        for (((position, join), (number, begin)), skip) in streams {
            if join.since.is_some() && number == join.number {
                *position = begin;
            }
            *position = skip.max(*position);
        }
        positions
    }
}

/// What lines are read for.
pub struct Reader<'r> {
    /// The rules.
    pub settings: &'r Settings,
    /// Where is counted.
    pub tally: &'r mut Tally,
    /// The open messages.
    pub joins: &'r mut Joins,
    /// This moment, for open messages.
    pub now: Instant,
    /// This moment in seconds since 1970, for messages without a time.
    pub clock: Option<f64>,
    /// Whether a line without the head of a record is a message of the standard output, as in a sample.
    pub takes_plain_lines: bool,
}

impl Reader<'_> {
    /// Reads a block that begins at the file's offset, and moves that on. `is_all` tells that a line without its newline
    /// will have no more to come, `is_most` that no larger block can be read.
    pub fn take(&mut self, progress: &mut Progress, block: &[u8], is_all: bool, is_most: bool) {
        let may_have_colours = memchr::memchr(0x1b, block).is_some();
        let mut candidate = self.settings.patterns.next_candidate(block, 0).unwrap_or(usize::MAX);
        let (base, mut from) = (progress.offset, 0);
        if let Some(overlong) = progress.overlong {
            let end = memchr::memchr(b'\n', block);
            self.drop_bytes(overlong, end.unwrap_or(block.len()));
            from = end.map_or(block.len(), |end| end + 1);
            if end.is_some() || is_all {
                progress.overlong = None;
                if !overlong.is_skipped && overlong.is_full {
                    self.close(overlong.stream);
                }
            }
        }
        while let Some(rest) = block.get(from..) {
            let Some(length) = memchr::memchr(b'\n', rest) else { break };
            let end = from + length;
            let line = rest.get(..length).unwrap_or_default();
            let is_candidate = candidate < end;
            self.line(progress, base + from as u64, line, is_candidate, may_have_colours);
            from = end + 1;
            if is_candidate {
                candidate = self.settings.patterns.next_candidate(block, from).unwrap_or(usize::MAX);
            }
        }
        progress.offset = base + from as u64;
        let Some(rest) = block.get(from..).filter(|rest| !rest.is_empty()) else { return };
        if is_all {
            self.line(progress, progress.offset, rest, true, true);
            progress.offset += rest.len() as u64;
        } else if is_most && from == 0 {
            self.begin_overlong(progress, rest);
        }
    }

    fn line(&mut self, progress: &mut Progress, at: u64, line: &[u8], is_candidate: bool, may_have_colours: bool) {
        let (record, is_record) = match record::parse_head(line) {
            // The usual one, with nothing copied.
            Some((head, content)) if head.is_full && !self.is_open(head.stream) => {
                if !is_skipped(progress, head.stream, at) {
                    let (stream, time, is_candidate) = (head.stream, head.time, Some(is_candidate));
                    let message = Message { stream, time, content, is_candidate, may_have_colours };
                    self.tally.count(self.settings, self.clock, message);
                }
                return;
            }
            Some((head, content)) => {
                let (time, content) = (Cow::Borrowed(head.time), Cow::Borrowed(content));
                (Record { time, stream: head.stream, is_full: head.is_full, content }, true)
            }
            None => match record::parse(line) {
                Some(record) => (record, true),
                None => (self.plain(line), false),
            },
        };
        if is_skipped(progress, record.stream, at) {
            return;
        }
        if !is_record && !self.takes_plain_lines {
            self.tally.parse_errors += 1;
        }
        self.part(progress, at, &record);
        if record.is_full {
            self.close(record.stream);
        }
    }

    /// A line without a head.
    fn plain<'l>(&self, line: &'l [u8]) -> Record<'l> {
        let stream = if self.takes_plain_lines { Stream::Stdout } else { Stream::Unknown };
        Record { time: Cow::Borrowed(b""), stream, is_full: true, content: Cow::Borrowed(line) }
    }

    fn begin_overlong(&mut self, progress: &mut Progress, head: &[u8]) {
        let at = progress.offset;
        let (record, is_record) = match record::parse_head(head) {
            Some((known, content)) => {
                let (time, content) = (Cow::Borrowed(known.time), Cow::Borrowed(content));
                (Record { time, stream: known.stream, is_full: known.is_full, content }, true)
            }
            None => (self.plain(head), false),
        };
        let (stream, is_full) = (record.stream, record.is_full);
        let is_skipped = is_skipped(progress, stream, at);
        if !is_skipped {
            if !is_record && !self.takes_plain_lines {
                self.tally.parse_errors += 1;
            }
            self.part(progress, at, &record);
        }
        progress.overlong = Some(Overlong { stream, is_full, is_skipped });
        progress.offset += head.len() as u64;
    }

    fn is_open(&self, stream: Stream) -> bool {
        self.joins.get(stream as usize).is_some_and(|join| join.since.is_some())
    }

    /// Adds a part to the open message of its stream, or opens one.
    fn part(&mut self, progress: &mut Progress, at: u64, record: &Record<'_>) {
        let index = record.stream as usize;
        let (Some(join), Some(open)) = (self.joins.get_mut(index), progress.open.get_mut(index)) else { return };
        if join.since.is_none() {
            join.number += 1;
            join.time.clear();
            join.time.extend_from_slice(&record.time);
            join.content.clear();
            join.is_truncated = false;
        }
        if open.0 != join.number {
            *open = (join.number, at);
        }
        join.since = Some(self.now);
        let room = MOST_MESSAGE.saturating_sub(join.content.len());
        let kept = record.content.get(..room).unwrap_or(&record.content);
        join.content.extend_from_slice(kept);
        if kept.len() < record.content.len() {
            join.is_truncated = true;
            self.tally.dropped_bytes += (record.content.len() - kept.len()) as u64;
        }
        if !record.is_full {
            self.tally.partial_lines += 1;
        }
    }

    /// More of a line of which the head is kept already.
    fn drop_bytes(&mut self, overlong: Overlong, count: usize) {
        if overlong.is_skipped {
            return;
        }
        self.tally.dropped_bytes += count as u64;
        if let Some(join) = self.joins.get_mut(overlong.stream as usize) {
            join.is_truncated |= count > 0;
            join.since = Some(self.now);
        }
    }

    /// Counts the open message of a stream, if there is one.
    pub fn close(&mut self, stream: Stream) {
        let Some(join) = self.joins.get_mut(stream as usize) else { return };
        if join.since.take().is_none() {
            return;
        }
        self.tally.truncated += u64::from(join.is_truncated);
        let (time, content) = (join.time.as_slice(), join.content.as_slice());
        let message = Message { stream, time, content, is_candidate: None, may_have_colours: true };
        self.tally.count(self.settings, self.clock, message);
        // A message of many parts is rare, and so is the memory for it needed.
        if join.content.capacity() > 32 << 10 {
            join.content = Vec::new();
        }
    }
}

fn is_skipped(progress: &Progress, stream: Stream, at: u64) -> bool {
    progress.skip.get(stream as usize).is_some_and(|skip| at < *skip)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Id;

    /// A container that is read from a text in blocks.
    struct Case {
        settings: Settings,
        tally: Tally,
        joins: Joins,
        progress: Progress,
        text: Vec<u8>,
    }

    impl Case {
        fn new() -> Self {
            let settings = Settings::default();
            let tally = Tally::new(&settings, &Id::new("n", "p", "c"));
            Self { settings, tally, joins: Joins::default(), progress: Progress::default(), text: Vec::new() }
        }

        fn write(&mut self, rest: &str) -> &mut Self {
            self.text.extend_from_slice(b"2026-11-22T10:00:00.000000001Z ");
            self.text.extend_from_slice(rest.as_bytes());
            self.text.push(b'\n');
            self
        }

        /// Reads what is there in blocks of a length.
        fn read(&mut self, most: usize) -> &mut Self {
            loop {
                let before = self.progress.offset;
                let rest = &self.text[before as usize..];
                let block = &rest[..most.min(rest.len())];
                let mut reader = Reader {
                    settings: &self.settings,
                    tally: &mut self.tally,
                    joins: &mut self.joins,
                    now: Instant::now(),
                    clock: None,
                    takes_plain_lines: false,
                };
                reader.take(&mut self.progress, block, false, block.len() == most);
                if self.progress.offset == before {
                    return self;
                }
            }
        }

        fn counts(&self) -> ([u64; 3], u64) {
            (self.tally.messages, self.tally.matches[0].count)
        }
    }

    #[test]
    fn blocks_of_any_length() {
        for most in 60..200 {
            let mut case = Case::new();
            case.write("stdout F an error").write("stderr F fine").write("stdout F ").write("stdout F error=0");
            assert_eq!(case.read(most).counts(), ([3, 1, 0], 1), "{most}");
            assert_eq!(case.progress.positions(&case.joins), [case.text.len() as u64; 3]);
        }
    }

    #[test]
    fn parts_are_joined_by_stream() {
        let mut case = Case::new();
        case.write("stdout P er").write("stderr P fat").write("stderr F fine").write("stdout P ro");
        assert_eq!(case.read(4096).counts(), ([0, 1, 0], 0));
        let end = case.text.len() as u64;
        assert_eq!(case.progress.positions(&case.joins), [0, end, end]);
        assert_eq!(case.write("stdout F r").read(4096).counts(), ([1, 1, 0], 1));
        let end = case.text.len() as u64;
        assert_eq!((case.progress.positions(&case.joins), case.tally.partial_lines), ([end; 3], 3));
        // Somebody who goes on from the positions before counts what was not complete, and no more.
        let mut after = Case::new();
        (after.text, after.progress) = (case.text.clone(), Progress::resumed([0, 150, 150]));
        after.progress.skip[1] = 1 << 20;
        assert_eq!(after.read(4096).counts(), ([1, 0, 0], 1));
    }

    #[test]
    fn colours_inside_of_what_is_looked_for() {
        let mut case = Case::new();
        case.write("stdout F fine").write("stdout F an er\u{1b}[1mror\u{1b}[0m").write("stdout F fine");
        assert_eq!(case.read(4096).counts(), ([3, 0, 0], 1));
    }

    #[test]
    fn a_line_longer_than_a_block() {
        let mut case = Case::new();
        case.write(&format!("stdout F error {}", "x".repeat(10_000))).write("stdout F error");
        assert_eq!(case.read(256).counts(), ([2, 0, 0], 2));
        assert_eq!(case.tally.truncated, 1);
        assert!(case.tally.dropped_bytes > 9_000, "{}", case.tally.dropped_bytes);
        assert_eq!(case.tally.bytes[0] + case.tally.dropped_bytes, 10_006 + 5);
        // Its end is not there yet: a restart has to read it again.
        let mut case = Case::new();
        case.write("stdout F fine").write(&format!("stderr F {}", "x".repeat(10_000)));
        case.text.pop();
        assert_eq!(case.read(256).counts(), ([1, 0, 0], 0));
        assert_eq!(case.progress.positions(&case.joins)[1], 45);
    }

    #[test]
    fn a_message_of_too_many_parts() {
        let mut case = Case::new();
        case.write("stdout P an error ");
        for _ in 0..40 {
            case.write(&format!("stdout P {}", "x".repeat(16 << 10)));
        }
        assert_eq!(case.write("stdout F y").read(1 << 20).counts(), ([1, 0, 0], 1));
        assert_eq!((case.tally.truncated, case.tally.bytes[0]), (1, MOST_MESSAGE as u64));
        assert_eq!(case.tally.bytes[0] + case.tally.dropped_bytes, 9 + 40 * (16 << 10) + 1);
    }

    #[test]
    fn garbage_is_matched_and_counted() {
        let mut case = Case::new();
        case.text = b"\n\0\0\0 a panic \xff\n2026-11-22 10:00 error\n{\"log\":\n".to_vec();
        assert_eq!(case.read(4096).counts(), ([0, 0, 4], 2));
        assert_eq!(case.tally.parse_errors, 4);
    }

    #[test]
    fn docker() {
        let mut case = Case::new();
        let line =
            |log: &str| format!("{{\"log\":\"{log}\",\"stream\":\"stderr\",\"time\":\"2026-11-22T10:00:00Z\"}}\n");
        case.text = [line("an er"), line(r"ror\n"), line(r"level=debug \u003cfatal\u003e\n")].concat().into_bytes();
        assert_eq!(case.read(4096).counts(), ([0, 2, 0], 2));
        assert_eq!((case.tally.levels[1], case.tally.partial_lines), (1, 1));
    }

    #[test]
    fn what_is_left_at_the_end() {
        let mut case = Case::new();
        case.write("stdout P half an er").write("stdout F ror");
        case.text.pop();
        assert_eq!(case.read(4096).counts(), ([0; 3], 0));
        let block = case.text[case.progress.offset as usize..].to_vec();
        let (settings, tally, joins) = (&case.settings, &mut case.tally, &mut case.joins);
        let mut reader = Reader { settings, tally, joins, now: Instant::now(), clock: None, takes_plain_lines: false };
        reader.take(&mut case.progress, &block, true, false);
        assert_eq!(case.counts(), ([1, 0, 0], 1));
    }
}
