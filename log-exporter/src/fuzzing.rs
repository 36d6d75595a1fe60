//! The parsers as a table, for the fuzz target in `fuzz` and for the test below. No program calls any of this.

use std::path::Path;
use std::time::Instant;

pub use common::fuzzing::Parser;
use common::fuzzing::eat;

use crate::config::{self, Settings};
use crate::lines::{Joins, Progress, Reader};
use crate::tally::Tally;
use crate::tree::Id;
use crate::workload::workload;
use crate::{level, patterns, positions, record, tree};

/// The parsers of this crate.
pub static PARSERS: &[Parser] = &[
    Parser::new(
        "record",
        |bytes| eat(record::parse(bytes).map(|record| record.seconds())),
        b"2026-11-22T10:00:00.123456789Z stdout F a message",
    ),
    Parser::new(
        "docker record",
        |bytes| eat(record::parse(bytes)),
        br#"{"log":"a \u003cmessage\u003e\n","stream":"stderr","time":"2026-11-22T10:00:00.123456789Z"}"#,
    ),
    Parser::new(
        "level",
        |bytes| eat(level::of(bytes)),
        br#"{"ts":1.5,"a":[1,{"b":null}],"msg":"x \"y\"","log":{"level":"info"},"level":"error"}"#,
    ),
    Parser::new("logfmt", |bytes| eat(level::of(bytes)), b"ts=1 level=\"warn\" msg=\"x y\" severity=error"),
    Parser::new("lines", lines, b"2026-11-22T10:00:00Z stdout P an er\n2026-11-22T10:00:00Z stdout F ror\nx\n{\"log\":1}\n"),
    Parser::new("colours", |bytes| eat(patterns::without_colours(bytes).len()), b"\x1b[1;31mred\x1b[0m plain \x1b["),
    Parser::new("positions", |bytes| eat(positions::parse(bytes)), br#"{"version":1,"containers":{"a_b_c/d":{"last_matches":
        {"error":1.5},"files":[{"device":1,"inode":2,"begins_length":3,"begins_hash":4,"positions":[5,6,7]}]}}}"#),
    Parser::new("config", |bytes| eat(config::parse(Path::new("c"), &String::from_utf8_lossy(bytes)).is_ok()),
        b"levels: true\nignore: {pods: [a*]}\npatterns:\n- {name: a, regex: 'x|(y z)+', exclude: q, stream: stderr}\n- {name: b, literal: [c, d]}\n"),
    Parser::new("names", |bytes| {
        let text = String::from_utf8_lossy(bytes);
        eat((tree::pod_name(&text), tree::log_name(&text)));
    }, b"kube-system_etcd-n1_0123-4567"),
    Parser::new("workload", |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let owner = workload(&text);
        assert!(text.starts_with(owner) && owner.is_empty() == text.is_empty());
    }, b"shop-web-5c689d88bb-qwz5k"),
];

/// Blocks of a file, of a length that the bytes decide.
fn lines(bytes: &[u8]) {
    let (settings, mut joins, mut progress) = (Settings::default(), Joins::default(), Progress::default());
    let mut tally = Tally::new(&settings, &Id::new("n", "p", "c"));
    let most = 32 + usize::from(bytes.first().copied().unwrap_or(0));
    while let Some(rest) = bytes.get(usize::try_from(progress.offset).unwrap_or(usize::MAX)..) {
        let block = rest.get(..most).unwrap_or(rest);
        let is_all = block.len() < most;
        let before = progress.offset;
        let mut reader = Reader {
            settings: &settings,
            tally: &mut tally,
            joins: &mut joins,
            now: Instant::now(),
            clock: None,
            takes_plain_lines: false,
        };
        reader.take(&mut progress, block, is_all, !is_all);
        if is_all || progress.offset == before {
            break;
        }
    }
    let n_messages: u64 = tally.messages.iter().sum();
    assert!(n_messages <= bytes.iter().filter(|byte| **byte == b'\n').count() as u64 + 1);
    assert!(tally.matches.iter().all(|found| found.count <= n_messages));
    assert!(tally.bytes.iter().sum::<u64>() + tally.dropped_bytes <= bytes.len() as u64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parser_survives_garbage() {
        common::fuzzing::feed_garbage_to_all(PARSERS);
    }
}
