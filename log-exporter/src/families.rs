//! The table of families, and how each is written from the state.

use std::time::{SystemTime, UNIX_EPOCH};

use common::exposition::{Desc, Kind, Page};

use crate::level::Level;
use crate::record::Stream;
use crate::state::{Container, State};
use crate::tally::Tally;
use crate::workload::workload;

/// A family.
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// Counter or gauge.
    pub kind: Kind,
    /// Which series it has.
    pub of: Of,
}

/// Which series a family has, and where their numbers are.
pub enum Of {
    /// One per container and stream; of the unknown stream only what is not 0.
    Stream(fn(&Tally) -> &[u64; Stream::ALL.len()]),
    /// One per container and level.
    Level,
    /// One per container and pattern that is for it: matches.
    Matches,
    /// The same: the last match, once there was one.
    LastMatch,
    /// One per container.
    Container(fn(&Container) -> u64),
    /// One, or none.
    Node(fn(&State) -> Option<f64>),
}

impl Of {
    /// Label keys: the last one only if series tell their workload.
    pub const fn labels(&self) -> &'static [&'static str] {
        match self {
            Self::Stream(_) => &["container", "namespace", "pod", "stream", "workload"],
            Self::Level => &["container", "level", "namespace", "pod", "workload"],
            Self::Matches | Self::LastMatch => &["container", "namespace", "pattern", "pod", "workload"],
            Self::Container(_) => &["container", "namespace", "pod", "workload"],
            Self::Node(_) => &[],
        }
    }
}

const fn counter(name: &'static str, help: &'static str, of: Of) -> Family {
    Family { name, help, kind: Kind::Counter, of }
}

const fn gauge(name: &'static str, help: &'static str, of: Of) -> Family {
    Family { name, help, kind: Kind::Gauge, of }
}

/// All families, the program's own left out.
pub static FAMILIES: &[Family] = &[
    counter(
        "log_messages_total",
        "Messages that the container wrote, parts joined.",
        Of::Stream(|tally| &tally.messages),
    ),
    counter(
        "log_bytes_total",
        "Bytes of these messages, without newlines and what the runtime puts before them.",
        Of::Stream(|tally| &tally.bytes),
    ),
    counter("log_pattern_matches_total", "Messages that a pattern of the configuration matched.", Of::Matches),
    gauge(
        "log_last_match_timestamp_seconds",
        "When the last message was written that the pattern matched; none before the first.",
        Of::LastMatch,
    ),
    counter("log_messages_by_level_total", "Messages by the level they tell in JSON or logfmt.", Of::Level),
    gauge(
        "log_lag_bytes",
        "Bytes in the container's files that were not read yet.",
        Of::Container(|container| container.runs.values().flat_map(|run| &run.tails).map(|tail| tail.lag()).sum()),
    ),
    counter(
        "log_partial_lines_total",
        "Lines that are parts of a longer message.",
        Of::Container(|container| container.tally.partial_lines),
    ),
    counter(
        "log_lines_truncated_total",
        "Messages of which only the head was looked at, because they are too long.",
        Of::Container(|container| container.tally.truncated),
    ),
    counter(
        "log_parse_errors_total",
        "Lines that have the format of no container runtime; they are counted and matched as a whole.",
        Of::Container(|container| container.tally.parse_errors),
    ),
    counter(
        "log_rotations_total",
        "Files that took the name of one that was moved away.",
        Of::Container(|container| container.tally.rotations),
    ),
    counter(
        "log_file_truncations_total",
        "Files that became shorter, or were written anew, under the same name.",
        Of::Container(|container| container.tally.truncations),
    ),
    counter(
        "log_read_errors_total",
        "Files and directories that could not be opened, listed or read.",
        Of::Container(|container| container.tally.read_errors),
    ),
    counter(
        "log_dropped_bytes_total",
        "Bytes that were not looked at: the rest of messages that are too long.",
        Of::Container(|container| container.tally.dropped_bytes),
    ),
    gauge(
        "log_containers",
        "Containers that are followed, or went a moment ago.",
        Of::Node(|state| Some(state.containers.len() as f64)),
    ),
    gauge(
        "log_files_open",
        "Log files that are open.",
        Of::Node(|state| {
            let runs = state.containers.values().flat_map(|container| container.runs.values());
            Some(runs.flat_map(|run| &run.tails).filter(|tail| tail.file.is_some()).count() as f64)
        }),
    ),
    counter(
        "log_containers_refused_total",
        "Containers that are not followed because there are as many as may be.",
        Of::Node(|state| Some(state.refused_total as f64)),
    ),
    gauge(
        "log_discovery_polling",
        "Whether directories are listed all the time because the kernel does not watch them all.",
        Of::Node(|state| Some(f64::from(u8::from(state.polling)))),
    ),
    counter(
        "log_discovery_overflows_total",
        "How often the kernel lost news of directories, after which all of them are listed.",
        Of::Node(|state| Some(state.overflows as f64)),
    ),
    gauge(
        "log_last_pass_timestamp_seconds",
        "When all files were last looked at.",
        Of::Node(|state| state.last_pass.map(seconds)),
    ),
    gauge(
        "log_positions_saved_timestamp_seconds",
        "When the position file was last up to date; none without one.",
        Of::Node(|state| state.positions_saved.map(seconds)),
    ),
    counter(
        "log_positions_write_errors_total",
        "How often the position file could not be written.",
        Of::Node(|state| Some(state.positions_errors as f64)),
    ),
];

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Writes all families to a page.
pub fn encode(state: &State, page: &mut Page) {
    for family in FAMILIES {
        let labels = family.of.labels();
        let n_labels = if state.tells_workload { labels.len() } else { labels.len().saturating_sub(1) };
        let labels = labels.get(..n_labels).unwrap_or(labels);
        let desc = Desc { name: family.name, help: family.help, kind: family.kind, labels };
        if let Of::Node(value) = family.of {
            if let Some(value) = value(state) {
                page.sample::<&str>(&desc, &[], value);
            }
            continue;
        }
        for (id, container) in &state.containers {
            let (namespace, pod, name) = (id.namespace(), id.pod(), id.container());
            let workload = if state.tells_workload { workload(pod) } else { "" };
            let tally = &container.tally;
            let pattern = |at: usize| state.settings.patterns.list().get(at).map_or("", |pattern| &pattern.name);
            let mut sample = |values: &[&str], value: f64| {
                page.sample(&desc, values.get(..n_labels).unwrap_or(values), value);
            };
            match &family.of {
                Of::Stream(counts) => {
                    for (stream, count) in Stream::ALL.into_iter().zip(counts(tally)) {
                        if stream != Stream::Unknown || *count > 0 {
                            sample(&[name, namespace, pod, stream.as_str(), workload], *count as f64);
                        }
                    }
                }
                Of::Level if !state.settings.levels => {}
                Of::Level => {
                    for (level, count) in Level::ALL.into_iter().zip(tally.levels) {
                        sample(&[name, level.as_str(), namespace, pod, workload], count as f64);
                    }
                }
                Of::Matches => {
                    for found in &tally.matches {
                        sample(&[name, namespace, pattern(found.pattern), pod, workload], found.count as f64);
                    }
                }
                Of::LastMatch => {
                    for found in &tally.matches {
                        if let Some(last) = found.last {
                            sample(&[name, namespace, pattern(found.pattern), pod, workload], last);
                        }
                    }
                }
                Of::Container(value) => sample(&[name, namespace, pod, workload], value(container) as f64),
                Of::Node(_) => {}
            }
        }
    }
}
