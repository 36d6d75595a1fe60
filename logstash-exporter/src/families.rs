//! The table of what is told about a Logstash, and how each row becomes series.
//!
//! * Sets: what the maintained Go exporter shows (`logstash_info_*`, `logstash_stats_*`); what the one of 2018 showed and
//!   many dashboards still ask for (`logstash_node_*`); and what neither of them has.
//! * Labels: the first set always says which Logstash (`hostname`, `instance_name`); the others only when there are several.
//! * Absent when: the answer it comes from, or the member, is. A Logstash that is down has `logstash_info_up` 0 and
//!   `logstash_up` 0 and nothing else but the state of its endpoints.
//! * Differs from the Go exporters: what is absent or null is no series, where they show 0. The word `NaN` is absent, where
//!   it costs them the whole answer. `logstash_stats_pipeline_reloads_last_*_timestamp` has the value 1, but no timestamp
//!   of its own, which Prometheus refuses once it is old; the time is in `logstash_pipeline_reloads_last_*_timestamp_seconds`.
//!   `logstash_node_mem_pool_peak_*` is of the pool that its label names, not always of the old one.

mod convert;
mod default_node;
mod default_pipeline;
mod extra_node;
mod extra_pipeline;
mod extra_plugin;
mod legacy;
mod lines;
mod source;

use std::ops::Range;
use std::sync::LazyLock;

use common::exposition::{Desc, Families, FamilyOut, Kind};

use crate::api::{Health, HotThreads, Installed, Node, Root, Stats};
use lines::{Lines, PluginTexts};
use source::Source;

/// What one Logstash answered.
#[derive(Debug, Default)]
pub struct Instance<'a> {
    /// Label `hostname`: the configured URL.
    pub hostname: &'a str,
    /// Label `instance_name`: the configured name.
    pub instance_name: &'a str,
    /// What was asked, and how it went.
    pub endpoints: Vec<Endpoint<'a>>,
    /// The answer to `GET /`; without it `logstash_info_up` is 0.
    pub root: Option<Root<'a>>,
    /// The answer to `GET /_node`.
    pub node: Option<Node<'a>>,
    /// The answer to `GET /_node/plugins`.
    pub plugins: Option<Installed<'a>>,
    /// The answer to `GET /_node/stats`; without it `logstash_up` is 0.
    pub stats: Option<Stats<'a>>,
    /// The answer to `GET /_health_report`.
    pub health: Option<Health<'a>>,
    /// The answer to `GET /_node/hot_threads`.
    pub hot_threads: Option<HotThreads<'a>>,
}

/// One of the questions put to a Logstash.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint<'a> {
    /// Label `endpoint`: `root`, `node`, `node_stats`, `health_report`, `plugins`, `hot_threads`.
    pub name: &'a str,
    /// Whether an answer came that could be read.
    pub up: bool,
    /// Seconds from the question to the last byte; `None` when no answer came.
    pub seconds: Option<f64>,
}

/// Which rows of the table are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// The names of the maintained Go exporter.
    pub default_set: bool,
    /// The names of the exporter of 2018.
    pub legacy: bool,
    /// `logstash_plugin_package_info`, which has a series per installed plugin.
    pub package_info: bool,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { default_set: true, legacy: false, package_info: false }
    }
}

/// The part of the table that a row belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// The names of the maintained Go exporter.
    Default,
    /// The names of the exporter of 2018.
    Legacy,
    /// What neither has.
    Extra,
    /// As [`Set::Extra`], when asked for.
    Packages,
}

impl Set {
    /// A word for the documentation.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Legacy => "legacy",
            Self::Extra => "always",
            Self::Packages => "on request",
        }
    }

    const fn is_in(self, wanted: Wanted) -> bool {
        match self {
            Self::Default => wanted.default_set,
            Self::Legacy => wanted.legacy,
            Self::Extra => true,
            Self::Packages => wanted.package_info,
        }
    }
}

/// A row of the table.
pub struct Row {
    /// Name of the family.
    pub name: &'static str,
    /// One sentence about it.
    pub help: &'static str,
    /// What it measures.
    pub kind: Kind,
    /// The part of the table it belongs to.
    pub set: Set,
    source: Source,
}

impl Row {
    const fn gauge(set: Set, name: &'static str, help: &'static str, source: Source) -> Self {
        Self { name, help, kind: Kind::Gauge, set, source }
    }

    const fn counter(set: Set, name: &'static str, help: &'static str, source: Source) -> Self {
        Self { name, help, kind: Kind::Counter, set, source }
    }

    /// The labels of its series, sorted, without those that say which Logstash.
    pub fn labels(&self) -> &'static [&'static str] {
        self.source.labels()
    }
}

/// All rows, by name; two sets may describe one name, and then agree on its type.
pub static ROWS: LazyLock<Vec<&'static Row>> = LazyLock::new(|| {
    let tables = [
        default_node::ROWS,
        default_pipeline::ROWS,
        legacy::ROWS,
        extra_node::ROWS,
        extra_pipeline::ROWS,
        extra_plugin::ROWS,
    ];
    let mut rows: Vec<&Row> = tables.into_iter().flatten().collect();
    rows.sort_by_key(|row| row.name);
    rows
});

/// What all Logstashes answered, as families that are written one after the other.
pub struct Snapshot<'a> {
    /// In the order of their labels.
    instances: Vec<Instance<'a>>,
    /// Of each instance.
    plugin_texts: Vec<PluginTexts>,
    rows: Vec<&'static Row>,
    /// The rows of each family.
    families: Vec<Range<usize>>,
}

impl<'a> Snapshot<'a> {
    /// Of two instances with the same labels the first one stays.
    pub fn new(mut instances: Vec<Instance<'a>>, wanted: Wanted) -> Self {
        instances.sort_by_key(|instance| (instance.hostname, instance.instance_name));
        instances.dedup_by_key(|instance| (instance.hostname, instance.instance_name));
        let rows: Vec<&Row> = ROWS.iter().copied().filter(|row| row.set.is_in(wanted)).collect();
        let mut families = Vec::new();
        let mut start = 0;
        for same in rows.chunk_by(|a, b| a.name == b.name) {
            families.push(start..start + same.len());
            start += same.len();
        }
        let plugin_texts = instances.iter().map(PluginTexts::of).collect();
        Self { instances, plugin_texts, rows, families }
    }

    fn rows(&self, index: usize) -> &[&'static Row] {
        self.families.get(index).and_then(|range| self.rows.get(range.clone())).unwrap_or_default()
    }
}

impl Families for Snapshot<'_> {
    fn count(&self) -> usize {
        self.families.len()
    }

    fn desc(&self, index: usize) -> Desc<'_> {
        let (name, help, kind) =
            self.rows(index).first().map_or(("", "", Kind::Gauge), |row| (row.name, row.help, row.kind));
        Desc { name, help, kind, labels: &[] }
    }

    fn write(&self, index: usize, out: &mut FamilyOut<'_>) {
        for row in self.rows(index) {
            let says_which = row.set == Set::Default || self.instances.len() > 1;
            let Some(first) = self.plugin_texts.first() else { return };
            let mut lines = Lines::new(row.labels(), says_which, first, out);
            for (instance, plugin_texts) in self.instances.iter().zip(&self.plugin_texts) {
                lines.of(instance.hostname, instance.instance_name, plugin_texts);
                row.source.write(instance, &mut lines);
            }
        }
    }
}
