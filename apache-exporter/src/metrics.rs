//! The page: what httpd said, as samples.
//!
//! * The families of [`DEFAULT`] are those of the Go exporter, with its names, labels and units, and the outcome of the
//!   scrape. [`GROUPS`] are more, each switched on by a flag.
//! * Everything is rows: a family with its series, each with where its value comes from. What needs a loop (balancers,
//!   texts as labels) is written by the `rest` of its part. The flags, the README and the tests are made of the rows.
//! * Absent when: the answer lacks the key. The exceptions are the Go exporter's: `apache_cpuload` is 0 without one,
//!   `apache_info` says `UNKNOWN`.
//! * Differs from the Go exporter: nothing outlives the answer it came from, so no value is stale.

mod balancers;
mod base_units;
mod caches;
mod md;
mod outcome;
mod server;
mod start_time;
mod workers;

use std::fmt;

use common::exposition::{Desc, Page};
use common::flags::Flag;

pub use outcome::{Scrape, encode_outcome, encode_scrape, reason};
pub use start_time::StartTime;

use crate::status::Status;

/// A family, or the series that a group adds to one.
pub struct Family {
    /// Name, help, type and label keys.
    pub desc: &'static Desc<'static>,
    /// What its values count, in the words of the README.
    pub unit: &'static str,
    /// The series that are always the same; a family with labels from the answer has none, or has more than these.
    pub series: &'static [Series],
}

impl Family {
    /// Its labels for the README: the values where they are fixed.
    pub fn labels(&self) -> impl fmt::Display {
        let fixed = self.desc.labels.iter().enumerate().map(|(at, key)| {
            let mut values: Vec<&str> = Vec::new();
            for value in self.series.iter().filter_map(|series| series.values.get(at)) {
                if !values.contains(value) {
                    values.push(value);
                }
            }
            if values.is_empty() { (*key).to_owned() } else { format!("{key}={}", values.join("|")) }
        });
        fixed.collect::<Vec<_>>().join(", ")
    }
}

/// One series of a family.
pub struct Series {
    /// Label values, one for each key of the family.
    pub values: &'static [&'static str],
    /// Its value, or nothing when httpd did not say.
    pub read: fn(&Status) -> Option<f64>,
}

/// A family of one series without labels.
const fn single(desc: &'static Desc<'static>, unit: &'static str, series: &'static [Series; 1]) -> Family {
    Family { desc, unit, series }
}

/// A family of several series.
const fn several(desc: &'static Desc<'static>, unit: &'static str, series: &'static [Series]) -> Family {
    Family { desc, unit, series }
}

/// A family whose labels come from the answer.
const fn open(desc: &'static Desc<'static>, unit: &'static str) -> Family {
    Family { desc, unit, series: &[] }
}

const fn value(read: fn(&Status) -> Option<f64>) -> Series {
    Series { values: &[], read }
}

const fn labelled(values: &'static [&'static str], read: fn(&Status) -> Option<f64>) -> Series {
    Series { values, read }
}

/// Families that belong together.
pub struct Part {
    /// The families.
    pub families: &'static [Family],
    /// Writes what the rows cannot say; the second argument is the time, seconds since the epoch.
    rest: fn(&Status, f64, &mut Page),
}

impl Part {
    const fn of_rows(families: &'static [Family]) -> Self {
        Self { families, rest: |_, _, _| {} }
    }

    fn encode(&self, status: &Status, now: f64, page: &mut Page) {
        for family in self.families {
            for series in family.series {
                if let Some(value) = (series.read)(status) {
                    page.sample(family.desc, series.values, value);
                }
            }
        }
        (self.rest)(status, now, page);
    }
}

/// Families that a flag switches on.
pub struct Group {
    /// The switch that adds it, `--metrics.<name>`.
    pub flag: Flag,
    /// What it adds.
    pub parts: &'static [&'static Part],
}

impl Group {
    /// Its families; those that stand on every page as well get more series from it.
    pub fn families(&self) -> impl Iterator<Item = &'static Family> {
        self.parts.iter().flat_map(|part| part.families)
    }
}

/// What is on every page.
pub static DEFAULT: &[&Part] = &[&outcome::OUTCOME, &server::SERVER, &workers::WORKERS, &balancers::BALANCERS];

/// What can be switched on, by name.
pub static GROUPS: &[Group] = &[
    Group {
        flag: Flag::switch(
            "metrics.balancer",
            false,
            "State of balancer workers: usable, each flag, how many of each balancer are usable.",
        ),
        parts: &[&balancers::STATES],
    },
    Group {
        flag: Flag::switch(
            "metrics.base-units",
            false,
            "The figures of the default metrics in seconds, bytes and ratios, and the time of the start.",
        ),
        parts: &[&base_units::BASE_UNITS, &balancers::BYTES],
    },
    Group {
        flag: Flag::switch(
            "metrics.capacity",
            false,
            "Slots of the scoreboard, the share of workers in use, and whether ExtendedStatus is on.",
        ),
        parts: &[&workers::CAPACITY],
    },
    Group {
        flag: Flag::switch(
            "metrics.connections",
            false,
            "Adds the state wait_io to apache_connections (httpd 2.4.63 and later).",
        ),
        parts: &[&workers::WAITING_CONNECTIONS],
    },
    Group {
        flag: Flag::switch("metrics.md", false, "Certificates and staplings that mod_md manages."),
        parts: &[&md::MD],
    },
    Group {
        flag: Flag::switch(
            "metrics.scrape",
            false,
            "How the exchange with httpd went: time, HTTP status, validity, lines not understood.",
        ),
        parts: &[&outcome::SCRAPE],
    },
    Group {
        flag: Flag::switch(
            "metrics.server-info",
            false,
            "Product, version, platform, OpenSSL and build of the server as labels.",
        ),
        parts: &[&server::INFO],
    },
    Group {
        flag: Flag::switch("metrics.socache", false, "The shared object cache of mod_cache_socache."),
        parts: &[&caches::SOCACHE],
    },
    Group {
        flag: Flag::switch("metrics.tls-session-cache", false, "The TLS session cache of mod_ssl."),
        parts: &[&caches::TLS_SESSION_CACHE],
    },
    Group {
        flag: Flag::switch(
            "metrics.worker-states",
            false,
            "Adds the state graceful to apache_workers (httpd 2.4.58 and later).",
        ),
        parts: &[&workers::GRACEFUL_WORKERS],
    },
];

/// Which groups are on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Groups(u16);

impl Groups {
    /// None: the page of the Go exporter.
    pub const NONE: Self = Self(0);

    /// Those that `is_on` says.
    pub fn choose(mut is_on: impl FnMut(&Group) -> bool) -> Self {
        Self(GROUPS.iter().rev().fold(0, |bits, group| bits << 1 | u16::from(is_on(group))))
    }

    /// All of them.
    pub fn all() -> Self {
        Self::choose(|_| true)
    }

    /// Those that are on.
    pub fn iter(self) -> impl Iterator<Item = &'static Group> {
        GROUPS.iter().enumerate().filter(move |(at, _)| self.0 >> at & 1 == 1).map(|(_, group)| group)
    }

    /// Whether the group of this flag is on.
    pub fn has(self, flag: &str) -> bool {
        self.iter().any(|group| group.flag.name == flag)
    }
}

/// Every family with the group it belongs to; `None` is for those of every page.
pub fn families() -> impl Iterator<Item = (Option<&'static Group>, &'static Family)> {
    let default = DEFAULT.iter().flat_map(|part| part.families).map(|family| (None, family));
    default.chain(GROUPS.iter().flat_map(|group| group.families().map(move |family| (Some(group), family))))
}

/// Writes what httpd said; `now` is the time in seconds since the epoch.
///
/// A series that stands twice in the answer (a worker listed twice in its balancer) is written once: the page keeps the
/// first.
pub fn encode(status: &Status, groups: Groups, now: f64, page: &mut Page) {
    for part in DEFAULT.iter().chain(groups.iter().flat_map(|group| group.parts)) {
        part.encode(status, now, page);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_sorted_and_chosen_one_by_one() {
        assert!(GROUPS.is_sorted_by(|a, b| a.flag.name < b.flag.name));
        assert!(GROUPS.len() <= 16, "Groups has a bit for each");
        let names = |groups: Groups| groups.iter().map(|group| group.flag.name).collect::<Vec<_>>();
        assert_eq!(names(Groups::NONE), [""; 0]);
        assert_eq!(names(Groups::all()).len(), GROUPS.len());
        for group in GROUPS {
            let only = Groups::choose(|other| other.flag.name == group.flag.name);
            assert_eq!(names(only), [group.flag.name]);
            assert!(only.has(group.flag.name) && !Groups::NONE.has(group.flag.name));
        }
    }

    #[test]
    fn families_keep_the_rules_of_names() {
        for (group, family) in families() {
            let desc = family.desc;
            assert!(desc.name.starts_with("apache_"), "{}", desc.name);
            assert!(desc.labels.is_sorted(), "{}: {:?}", desc.name, desc.labels);
            assert!(desc.help.ends_with('.') && !desc.help.contains('\n'), "{}: {}", desc.name, desc.help);
            assert_eq!(desc.kind == common::exposition::Kind::Counter, desc.name.ends_with("_total"), "{}", desc.name);
            for series in family.series {
                assert_eq!(series.values.len(), desc.labels.len(), "{}", desc.name);
            }
            assert!(group.is_none_or(|group| group.flag.help.ends_with('.')), "{}", desc.name);
        }
    }
}
