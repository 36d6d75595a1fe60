//! A page of a sample that somebody has in a file, so that patterns are tested where they are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Instant;

use common::exposition::{Format, Merge, Page};

use crate::config::Settings;
use crate::families::{self, FAMILIES, Of};
use crate::lines::{Joins, Progress, Reader};
use crate::record::{self, Stream};
use crate::state::{Container, State};
use crate::tally::Tally;
use crate::tree::Id;

/// Reads a sample to its end and gives the page of one container that wrote it. It may be a log file as the kubelet keeps them, or
/// plain lines, which are messages of the standard output; its first line decides. `tells_workload` adds that label.
///
/// # Errors
/// Those of the sample.
pub fn page(settings: Settings, id: &Id, tells_workload: bool, mut sample: impl Read) -> io::Result<Vec<u8>> {
    let (mut tally, mut joins, mut progress) = (Tally::new(&settings, id), Joins::default(), Progress::default());
    let mut buffer = vec![0; 256 << 10];
    let (mut held, mut takes_plain_lines) = (0, None);
    loop {
        let length = sample.read(buffer.get_mut(held..).unwrap_or_default())?;
        let block = buffer.get(..held + length).unwrap_or_default();
        let is_all = length == 0;
        if !is_all && block.len() < buffer.len() && memchr::memrchr(b'\n', block).is_none() {
            held = block.len();
            continue;
        }
        let is_plain = *takes_plain_lines.get_or_insert_with(|| {
            let first = block.split(|byte| *byte == b'\n').next().unwrap_or_default();
            record::parse(first).is_none()
        });
        let now = Instant::now();
        let mut reader = Reader {
            settings: &settings,
            tally: &mut tally,
            joins: &mut joins,
            now,
            clock: None,
            takes_plain_lines: is_plain,
        };
        let before = progress.offset;
        reader.take(&mut progress, block, is_all, block.len() == buffer.len());
        if is_all {
            Stream::ALL.into_iter().for_each(|stream| reader.close(stream));
            break;
        }
        let taken = usize::try_from(progress.offset - before).unwrap_or(block.len()).min(block.len());
        held = block.len() - taken;
        buffer.copy_within(taken..taken + held, 0);
    }
    let container = Container { tally, runs: BTreeMap::new(), listed: BTreeSet::new(), gone_since: None };
    let mut state = State::new(Arc::new(settings), 1);
    state.tells_workload = tells_workload;
    state.containers.insert(id.clone(), container);
    let hides = |name: &str| {
        name == "log_lag_bytes" || FAMILIES.iter().any(|family| family.name == name && matches!(family.of, Of::Node(_)))
    };
    let mut page = Page::default().hiding(Some(Arc::new(hides)));
    families::encode(&state, &mut page);
    page.finish();
    let mut text = Vec::new();
    Merge::default().write(&[&page], Format::Text, &mut |piece| text.extend_from_slice(piece));
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time.
    struct Slow<'t>(&'t [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.0.len().min(7).min(buffer.len());
            buffer[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }

    fn sample(text: &str) -> String {
        let id = Id::new("n", "p", "c");
        String::from_utf8(page(Settings::default(), &id, false, Slow(text.as_bytes())).unwrap()).unwrap()
    }

    #[test]
    fn plain_lines_and_records() {
        let labels = "container=\"c\",namespace=\"n\",pattern=\"error\",pod=\"p\"";
        let plain = sample("an error\nfine\n\nlevel=info fatal");
        assert!(plain.contains(&format!("\nlog_pattern_matches_total{{{labels}}} 2\n")), "{plain}");
        assert!(
            plain.contains("stream=\"stdout\"} 4\n")
                && plain.contains("log_parse_errors_total{container=\"c\",namespace=\"n\",pod=\"p\"} 0\n")
        );
        assert!(!plain.contains("log_lag_bytes") && !plain.contains("log_files_open"), "{plain}");
        let records = sample("2026-11-22T10:00:00Z stderr P an err\n2026-11-22T10:00:01Z stderr F or\nno record");
        assert!(records.contains(&format!("\nlog_pattern_matches_total{{{labels}}} 1\n")), "{records}");
        assert!(records.contains("log_parse_errors_total{container=\"c\",namespace=\"n\",pod=\"p\"} 1\n"), "{records}");
        assert!(sample("").contains(&format!("\nlog_pattern_matches_total{{{labels}}} 0\n")));
    }
}
