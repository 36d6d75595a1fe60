//! What others wrote into `*.prom` files, and how well that could be read.
//!
//! * Source: the directories of `--collector.textfile.directory`, which may be patterns; text format 0.0.4.
//! * Units: those of the files; times of modification in whole seconds since 1970.
//! * Absent when: no directory is given: `node_textfile_scrape_error` alone.
//! * Differs from the Go exporter: a file is read again only when it changed, and a fault of its is logged once; a
//!   named pipe does not stop the scrape; what does not answer in time costs itself alone; files above 32 MiB are
//!   refused; a directory that is given twice counts once; histograms may count fractions; `node_textfile_file_error`
//!   names the file that is to blame. On request a bad line costs itself alone, timestamps are let pass, and a file that
//!   nobody writes any more is left out.

use std::collections::btree_map::{BTreeMap, Entry as Slot};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use common::collector::{Collector, Row, Scrape};
use common::error::CollectError;
use common::exposition::{Desc, Page};
use common::flags::{Args, Flag};
use common::fuzzing::{Parser, eat};
use common::sandbox::Need;

use crate::fs::plain::Stamp;

mod families;
mod files;
mod glob;

use families::{Family, Reading};
use files::{File, Files};

const DIRECTORY: &str = "collector.textfile.directory";
const LENIENT: &str = "collector.textfile.lenient";
const IGNORE_TIMESTAMPS: &str = "collector.textfile.ignore-timestamps";
const MAX_AGE: &str = "collector.textfile.max-age";

const FLAGS: &[Flag] = &[
    Flag::text(DIRECTORY, "", "Directory of *.prom files to export, or a pattern such as /var/lib/*/metrics.")
        .repeatable(),
    Flag::switch(LENIENT, false, "A bad line of a text file costs itself, not the file; the file still counts as bad."),
    Flag::switch(IGNORE_TIMESTAMPS, false, "Text files may have timestamps; the samples are exported without them."),
    Flag::duration(MAX_AGE, "0s", "Leaves out text files that were not written for so long; 0s for none."),
];

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row {
    yields: true,
    needs: |args| given(args).map(|directory| Need::TreeToCome(glob::fixed_part(&directory))).collect(),
    ..Row::on("textfile", "metrics that others write into *.prom files", FLAGS, |args| {
        Ok(Box::new(Textfile::new(args)))
    })
};

const MTIME: Desc =
    Desc::gauge("node_textfile_mtime_seconds", "When a text file that could be read was written.", &["file"]);
const SCRAPE_ERROR: Desc =
    Desc::gauge("node_textfile_scrape_error", "1 if a text file or directory could not be used, else 0.", &[]);

const FILE_ERROR: Desc = Desc::gauge(
    "node_textfile_file_error",
    "1 if the text file could not be read, was refused, or lost a line, a family or a series; else 0.",
    &["file"],
);
const DROPPED: Desc =
    Desc::gauge("node_textfile_file_dropped_lines", "Lines of the text file that were left out.", &["file"]);
const STALE: Desc =
    Desc::gauge("node_textfile_file_stale", "1 if the text file is left out because of its age, else 0.", &["file"]);

const MOST_BYTES: u64 = 32 << 20;

struct Textfile {
    how: Reading,
    /// `None` for any age.
    max_age: Option<Duration>,
    files: Files,
    /// How each file fared in this scrape.
    states: Vec<State>,
    plan: Plan,
    /// What was logged already and is still true.
    logged: Complaints,
}

/// What is wrong, and with which state of a file.
type Complaints = BTreeSet<(String, Option<Stamp>)>;

/// What came of one file.
#[derive(Default)]
struct State {
    /// `None` if the file could not be read or was refused.
    stamp: Option<Stamp>,
    flawed: bool,
    dropped: usize,
    stale: bool,
}

/// An empty value says that there is no directory.
fn given(args: &Args) -> impl Iterator<Item = String> + use<> {
    args.list(DIRECTORY).into_iter().filter(|directory| !directory.is_empty())
}

impl Textfile {
    fn new(args: &Args) -> Self {
        let how = Reading { lenient: args.on(LENIENT), timestamps: args.on(IGNORE_TIMESTAMPS) };
        Self {
            how,
            max_age: Some(args.duration(MAX_AGE)).filter(|age| !age.is_zero()),
            files: Files::new(given(args).collect(), how),
            states: Vec::new(),
            plan: Plan::default(),
            logged: Complaints::new(),
        }
    }

    /// Reads what is new, and gives what is wrong besides the plan.
    fn refresh(&mut self, deadline: Instant) -> Complaints {
        let mut complaints = Complaints::new();
        complaints.extend(self.files.list(deadline).into_iter().map(|complaint| (complaint, None)));
        let changed = self.files.read(deadline);
        // Written before this, a file is left out.
        let since = self.max_age.map(|age| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from(now.saturating_sub(age).as_secs()).unwrap_or(i64::MAX)
        });
        let mut good = Vec::new();
        self.states.clear();
        for (at, file) in self.files.all().iter().enumerate() {
            let mut state = State::default();
            let complaint = match file.outcome() {
                Ok((stamp, Ok(content))) => {
                    let stale = since.is_some_and(|since| stamp.modified < since);
                    state = State { stamp: Some(stamp), flawed: false, dropped: content.dropped, stale };
                    if !stale {
                        good.push((at, stamp));
                    }
                    content.flaw.clone().map(|flaw| (flaw, Some(stamp)))
                }
                Ok((stamp, Err(reason))) => Some((reason.clone(), Some(stamp))),
                Err(e) => Some((e.to_owned(), None)),
            };
            if let Some((reason, stamp)) = complaint {
                state.flawed = true;
                let and_more = if state.dropped > 1 { " and more" } else { "" };
                complaints.insert((format!("{}: {reason}{and_more}", file.path().display()), stamp));
            }
            self.states.push(state);
        }
        if changed || good != self.plan.good {
            self.plan = Plan::new(self.files.all(), good);
        }
        complaints
    }

    /// What is to be said about each file.
    fn report(&self, page: &mut Page) {
        for (at, (file, state)) in self.files.all().iter().zip(&self.states).enumerate() {
            let label = [file.path().as_os_str().as_bytes()];
            let flag = |is: bool| f64::from(u8::from(is));
            page.sample(&FILE_ERROR, &label, flag(state.flawed || self.plan.losers.contains(&at)));
            let Some(stamp) = state.stamp else { continue };
            page.sample(&MTIME, &label, stamp.modified as f64);
            if self.how.lenient {
                page.sample(&DROPPED, &label, state.dropped as f64);
            }
            if self.max_age.is_some() {
                page.sample(&STALE, &label, flag(state.stale));
            }
        }
    }
}

impl Collector for Textfile {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let mut complaints = self.refresh(cx.deadline);
        let error = !complaints.is_empty() || self.plan.error;
        page.sample::<&str>(&SCRAPE_ERROR, &[], if error { 1.0 } else { 0.0 });
        self.report(page);
        self.plan.encode(self.files.all(), page);

        complaints.extend(self.plan.complaints.iter().cloned());
        for (file, state) in self.files.all().iter().zip(&self.states).filter(|(_, state)| state.stale) {
            complaints.insert((format!("{}: left out because of its age", file.path().display()), state.stamp));
        }
        for (complaint, _) in complaints.difference(&self.logged) {
            tracing::error!("textfile: {complaint}");
        }
        self.logged = complaints;
        Ok(())
    }
}

/// The path without empty parts, `.` and `..`, by its letters alone: it is a label that has to stay the same.
fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(cleaned.components().next_back(), Some(Component::Normal(_))) => {
                cleaned.pop();
            }
            Component::ParentDir if cleaned.has_root() => {}
            part => cleaned.push(part),
        }
    }
    cleaned
}

/// Which families of which files are exported, and how they are described; made anew when a file changed.
#[derive(Default)]
struct Plan {
    /// Files that were read, and the states they were in.
    good: Vec<(usize, Stamp)>,
    entries: Vec<Entry>,
    complaints: Complaints,
    /// Whether a complaint counts as an error of the scrape.
    error: bool,
    /// Files that lost a family or a series to another, or a series to themselves.
    losers: BTreeSet<usize>,
}

/// A family of a file, by their positions.
struct Entry {
    file: usize,
    family: usize,
    help: String,
}

impl Plan {
    fn new(files: &[File], good: Vec<(usize, Stamp)>) -> Self {
        let mut plan = Self { good, ..Self::default() };
        let good: Vec<(usize, Stamp, &File, &[Family])> = plan
            .good
            .iter()
            .filter_map(|&(at, stamp)| {
                let file = files.get(at)?;
                let families = file.made()?;
                Some((at, stamp, file, families.as_ref().ok()?.families.as_slice()))
            })
            .collect();
        // Where each name comes from, and from how many files.
        let mut paths: HashMap<&str, (String, usize)> = HashMap::new();
        for (_, _, file, families) in &good {
            for family in *families {
                let (paths, count) = paths.entry(&family.name).or_default();
                *count += 1;
                let separator = if paths.is_empty() { "" } else { ", " };
                *paths = format!("{paths}{separator}{}", file.path().display());
            }
        }
        // The first help text that a file gives for a name, and the first description that is exported.
        let mut given: HashMap<&str, &str> = HashMap::new();
        let mut first: BTreeMap<&str, (String, &Family)> = BTreeMap::new();
        // The series of the names that several files have.
        let mut series: HashMap<&str, HashSet<Vec<(&str, &str)>>> = HashMap::new();
        for (file, stamp, path, families) in
            good.iter().map(|(at, stamp, file, families)| (at, stamp, file.path(), families))
        {
            for (at, family) in families.iter().enumerate() {
                let mut complain = |what: &str| {
                    plan.complaints.insert((format!("{}: {}: {what}", path.display(), family.name), Some(*stamp)));
                    plan.losers.insert(*file);
                };
                if let Some(help) = &family.help
                    && *given.entry(&family.name).or_insert(help) != help
                {
                    complain("left out: another file has another help text");
                    plan.error = true;
                    continue;
                }
                let help = family.help.clone().unwrap_or_else(|| {
                    format!(
                        "From {}.",
                        paths.get(family.name.as_str()).map_or("a text file", |(paths, _)| paths.as_str())
                    )
                });
                match first.entry(&family.name) {
                    Slot::Occupied(taken) if taken.get().1.kind != family.kind => {
                        complain("left out: another file has another type");
                        continue;
                    }
                    Slot::Occupied(taken) if taken.get().0 != help => {
                        complain("left out: only one of the files has a help text");
                        continue;
                    }
                    Slot::Occupied(_) => {}
                    Slot::Vacant(slot) => drop(slot.insert((help.clone(), family))),
                }
                let mut clashes = family.repeats;
                if let Some((_, 2..)) = paths.get(family.name.as_str()) {
                    let taken = series.entry(&family.name).or_default();
                    for own in family.series() {
                        clashes |= !taken.insert(own);
                    }
                }
                if clashes {
                    plan.losers.insert(*file);
                }
                plan.entries.push(Entry { file: *file, family: at, help });
            }
        }
        plan
    }

    fn encode(&self, files: &[File], page: &mut Page) {
        let families = self.entries.iter().filter_map(|entry| {
            let families = files.get(entry.file)?.made()?;
            Some((families.as_ref().ok()?.families.get(entry.family)?, entry.help.as_str()))
        });
        // All keys in one place: a page takes keys at the same address for the same keys.
        let keys: Vec<&str> = families.clone().flat_map(|(family, _)| &family.keys).map(String::as_str).collect();
        let mut rest = keys.as_slice();
        for (family, help) in families {
            let Some((own, after)) = rest.split_at_checked(family.keys.len()) else { return };
            family.encode(help, own, page);
            rest = after;
        }
    }
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser =
    Parser::new("text files", |bytes| {
    for lenient in [false, true] {
        eat(families::parse(bytes, Reading { lenient, timestamps: lenient }));
    }
}, b"# HELP x A.\n# TYPE x histogram\nx_bucket{a=\"1\",le=\"1\"} 2\nx_bucket{a=\"1\",le=\"+Inf\"} 4\nx_sum{a=\"1\"} 3\nx_count{a=\"1\"} 4\ny{b=\"\"} 1\ny{a=\"\"} NaN\n# TYPE s summary\ns{quantile=\"0.5\"} 1\n");

#[cfg(test)]
mod tests;
