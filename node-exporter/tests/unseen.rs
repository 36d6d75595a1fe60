//! Hosts nobody has seen: the recorded trees with one file or folder changed at random, by fixed seeds.
//!
//! What a file or folder answers for is found out by taking it away: the series that go with it, and those whose value
//! changes. Whatever else stands in its place may then
//! * panic no collector and leave no page that cannot be read;
//! * take only series that go with it, and change only values that change with it;
//! * bring series of no family and no label names that the good trees lack, but in [`NAMED_BY_THE_HOST`]; a number in
//!   place of a number brings none at all, unless it is part of a label.
//!
//! Which files are all that a collector has is written down in [`ALL_THERE_IS`]; any other file takes no collector
//! along, and no file more than the folder it is in.
//!
//! A failure tells how to repeat it alone.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop; clippy's own exception does not reach helpers outside #[test]"
)]

#[path = "unseen/mutation.rs"]
mod mutation;
#[path = "trees/not_from_files.rs"]
mod not_from_files;
#[path = "unseen/tables.rs"]
mod tables;
mod trees;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::exposition::ParsedText;
use common::fuzzing::Dice;
use node_exporter::PROGRAM;
use tempfile::TempDir;

use crate::mutation::{Mutation, Spoilt};
use crate::not_from_files::NOT_FROM_FILES;
use crate::tables::{ALL_THERE_IS, NAMED_BY_THE_HOST, NOT_OF_THE_HOST, listed, shared};
use crate::trees::{copy, engine, recorded, scrape};

const TREES: &[&str] = &["board", "laptop", "node"];

/// Mutations per tree.
const ROUNDS: u64 = 160;

/// Family, labels.
type Series = (String, Vec<(String, String)>);

/// A page as series and their values.
type Seen = BTreeMap<Series, String>;

fn seen(page: ParsedText) -> Seen {
    let mut seen = Seen::new();
    for family in page.families {
        if listed(NOT_OF_THE_HOST, &family.name) {
            continue;
        }
        for sample in family.samples {
            let value = format!("{} {:?} {} {}", sample.value, sample.points, sample.sum, sample.count);
            seen.insert((family.name.clone(), sample.labels), value);
        }
    }
    seen
}

/// The collectors that read a tree, by their places.
fn of_files() -> Option<Vec<usize>> {
    let rows = PROGRAM.rows.iter().enumerate();
    Some(rows.filter(|(_, row)| !NOT_FROM_FILES.contains(&row.name)).map(|(at, _)| at).collect())
}

/// Families with the names of their labels.
fn shapes<'s>(series: impl IntoIterator<Item = &'s Series>) -> BTreeSet<String> {
    let shape = |(family, labels): &Series| {
        let names: Vec<&str> = labels.iter().map(|(name, _)| name.as_str()).collect();
        format!("{family}{{{}}}", names.join(","))
    };
    series.into_iter().map(shape).collect()
}

/// What goes and what changes when a file or folder is taken away.
#[derive(Default)]
struct Stake {
    gone: BTreeSet<Series>,
    changed: BTreeSet<Series>,
}

impl Stake {
    fn between(good: &Seen, without: &Seen) -> Self {
        let mut stake = Self::default();
        for (series, value) in good {
            match without.get(series) {
                None => drop(stake.gone.insert(series.clone())),
                Some(other) if other != value => drop(stake.changed.insert(series.clone())),
                Some(_) => {}
            }
        }
        stake
    }
}

/// A collector and what it tells of the good tree.
struct Collector {
    place: usize,
    name: &'static str,
    series: BTreeSet<Series>,
}

/// A copy of a recorded tree, and what it is like while nothing is wrong.
struct Tree {
    name: &'static str,
    dir: TempDir,
    /// Files, then folders.
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
    good: Seen,
    promised: BTreeSet<String>,
    stakes: BTreeMap<PathBuf, Stake>,
    failures: Vec<String>,
}

impl Tree {
    fn new(name: &'static str) -> Self {
        let (dir, mut files) = (tempfile::tempdir().unwrap(), Vec::new());
        let root = dir.path().join("tree");
        copy(&recorded(name), &root, &mut files);
        files.retain(|file| !file.ends_with("flags"));
        let folders: BTreeSet<PathBuf> = files
            .iter()
            .flat_map(|file| file.ancestors().skip(1))
            // The mount points themselves, and what every collector of a kind shares, say nothing about one device.
            .filter(|folder| folder.strip_prefix(&root).is_ok_and(|below| below.components().count() > 2))
            .map(Path::to_owned)
            .collect();
        let good = seen(scrape(&engine(&root), of_files(), &"the good tree"));
        let all = TREES.iter().map(|tree| seen(scrape(&engine(&recorded(tree)), of_files(), &tree)));
        let promised = all.flat_map(|seen| shapes(seen.keys())).collect();
        let (stakes, failures) = (BTreeMap::new(), Vec::new());
        Self { name, dir, files, folders: folders.into_iter().collect(), good, promised, stakes, failures }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("tree")
    }

    fn stash(&self) -> PathBuf {
        self.dir.path().join("stash")
    }

    /// The part of a path that has a meaning.
    fn short(&self, path: &Path) -> String {
        path.strip_prefix(self.root()).unwrap().display().to_string()
    }

    /// A scrape by a process that has seen nothing before.
    fn look(&self, what: &dyn std::fmt::Display) -> Seen {
        seen(scrape(&engine(&self.root()), of_files(), what))
    }

    fn learn(&mut self, path: &Path) {
        if self.stakes.contains_key(path) {
            return;
        }
        let stash = self.stash();
        let spoilt = Spoilt::removed(path, &stash);
        let without = self.look(&format_args!("{} is gone", path.display()));
        spoilt.restore();
        self.stakes.insert(path.to_owned(), Stake::between(&self.good, &without));
    }

    fn complain(&mut self, path: &Path, what: &str) {
        let line = format!("{}: {}: {what}", self.name, self.short(path));
        self.failures.push(line);
    }

    /// One mutation, by number.
    fn round(&mut self, number: u64) {
        let mut dice = Dice::new(number);
        let stash = self.stash();
        let of_folder = dice.below(5) == 0;
        let among = if of_folder { &self.folders } else { &self.files };
        let path = among.get(dice.below(among.len())).unwrap().clone();
        self.learn(&path);
        let (spoilt, mutation) =
            if of_folder { Spoilt::folder(&path, &stash, &mut dice) } else { Spoilt::file(&path, &stash, &mut dice) };
        let what = format!("{mutation}\n    {}", self.again(&number.to_string()));
        let got = self.look(&format_args!("{}: {what}", path.display()));
        spoilt.restore();
        for complaint in self.judge(&path, &mutation, &got) {
            self.complain(&path, &format!("{complaint} by {what}"));
        }
    }

    /// Whether the good trees have series like this one. What is known of a device decides which labels its line of
    /// facts has.
    fn promises(&self, series: &Series) -> bool {
        let facts = |shape: &String| shape.strip_prefix(&series.0).is_some_and(|rest| rest.starts_with('{'));
        shapes([series]).is_subset(&self.promised) || series.0.ends_with("_info") && self.promised.iter().any(facts)
    }

    fn judge(&self, path: &Path, mutation: &Mutation, got: &Seen) -> Vec<String> {
        let mut complaints = Vec::new();
        let stake = self.stakes.get(path).unwrap();
        let Stake { gone, changed } = Stake::between(&self.good, got);
        let short = self.short(path);
        let mut add = |what: &str, all: Vec<&Series>| {
            if let Some((family, labels)) = all.first() {
                complaints.push(format!("{} {what}: {family}{labels:?}", all.len()));
            }
        };
        let new: Vec<&Series> = got.keys().filter(|series| !self.good.contains_key(*series)).collect();
        // A device's line of facts is another series when one of the facts is another.
        let reworded = |series: &Series| series.0.ends_with("_info") && new.iter().any(|new| new.0 == series.0);
        let stranger = |series: &&Series| {
            !reworded(series)
                && !stake.gone.contains(*series)
                && !stake.changed.contains(*series)
                && !shared(&short, series)
        };
        add("lost for nothing", gone.iter().filter(stranger).collect());
        add("changed for nothing", changed.iter().filter(stranger).collect());
        let strange = |series: &&Series| {
            !listed(NAMED_BY_THE_HOST, &series.0)
                && !short.starts_with("textfile")
                && !shared(&short, series)
                && !self.promises(series)
        };
        add("of an unknown kind", new.iter().copied().filter(strange).collect());
        if let Mutation::Number(told) = mutation {
            let number = told.rsplit(' ').next().unwrap().trim_start_matches(['+', '-', '0']);
            let unlike = |series: &&Series| {
                !listed(NAMED_BY_THE_HOST, &series.0)
                    && !number.is_empty()
                    && !reworded(series)
                    && !shared(&short, series)
                    && !series.1.iter().any(|(_, value)| value.contains(number))
            };
            add("out of nothing", new.iter().copied().filter(unlike).collect());
        }
        complaints
    }

    /// What goes with each file: no more than with its folder, and a whole collector only where that is written down. A
    /// folder in place of the file, the error that every file can have, takes no more than that.
    fn boundaries(&mut self) {
        let collectors = self.collectors();
        let stash = self.stash();
        for path in self.files.clone() {
            self.learn(&path);
            let short = self.short(&path);
            let Stake { gone, changed } = self.stakes.get(&path).unwrap();
            let gone: BTreeSet<Series> = gone.iter().filter(|series| !shared(&short, series)).cloned().collect();
            let whose: Vec<&Collector> = collectors
                .iter()
                .filter(|collector| gone.union(changed).any(|series| collector.series.contains(series)))
                .collect();
            if whose.is_empty() {
                continue;
            }
            let mut complaints = Vec::new();
            for collector in &whose {
                let told = |(file, name): &(&str, &str)| *name == collector.name && short.contains(file);
                if !ALL_THERE_IS.iter().any(told) && collector.series.is_subset(&gone) {
                    complaints.push(format!("its removal takes all of {}", collector.name));
                }
            }
            let (spoilt, mutation) = Spoilt::by_folder(&path, &stash);
            let places = whose.iter().map(|collector| collector.place).collect();
            let mut got = seen(scrape(&engine(&self.root()), Some(places), &path.display()));
            spoilt.restore();
            let others = |series: &Series| !whose.iter().any(|collector| collector.series.contains(series));
            got.extend(
                self.good.iter().filter(|(series, _)| others(series)).map(|(s, value)| (s.clone(), value.clone())),
            );
            complaints.extend(self.judge(&path, &mutation, &got).iter().map(|said| format!("{said} by {mutation}")));
            let folder = path.parent().unwrap().to_owned();
            if !gone.is_empty() && self.folders.contains(&folder) {
                self.learn(&folder);
                if let Some((family, labels)) = gone.difference(&self.stakes.get(&folder).unwrap().gone).next() {
                    let what = format!("its removal takes {family}{labels:?}, which that of its folder does not");
                    complaints.push(what);
                }
            }
            for complaint in complaints {
                self.complain(&path, &format!("{complaint}\n    {}", self.again("files")));
            }
        }
    }

    /// The collectors that have something to tell, with their series.
    fn collectors(&self) -> Vec<Collector> {
        let engine = engine(&self.root());
        let alone = |place: usize| {
            let series = seen(scrape(&engine, Some(vec![place]), &"the good tree")).into_keys().collect();
            Some(Collector { place, name: PROGRAM.rows.get(place)?.name, series })
        };
        let all = of_files().into_iter().flatten().filter_map(alone);
        all.filter(|collector| !collector.series.is_empty()).collect()
    }

    /// How to repeat a part of this.
    fn again(&self, part: &str) -> String {
        format!("UNSEEN={}:{part} cargo test -p node-exporter --test unseen -- {}", self.name, self.name)
    }

    /// Scrapes, by a process that keeps its files and by new ones, while files and folders come and go.
    fn in_motion(&mut self, number: u64) {
        let mut dice = Dice::new(number);
        let mut paths = BTreeSet::new();
        for n in 0..12 {
            let among = if n % 3 == 0 { &self.folders } else { &self.files };
            paths.insert(among.get(dice.below(among.len())).unwrap().clone());
        }
        let mut gone = BTreeSet::new();
        for path in &paths {
            self.learn(path);
            gone.extend(self.stakes.get(path).unwrap().gone.iter().cloned());
        }
        let (kept, stash, done) = (engine(&self.root()), self.stash(), AtomicBool::new(false));
        let pages = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    for path in &paths {
                        let spoilt = Spoilt::removed(path, &stash);
                        std::thread::sleep(Duration::from_micros(300));
                        spoilt.restore();
                        std::thread::sleep(Duration::from_micros(100));
                    }
                }
            });
            let pages: Vec<_> = (0..6)
                .map(|n| {
                    let what = format_args!("{paths:?} come and go");
                    if n % 2 == 0 { seen(scrape(&kept, of_files(), &what)) } else { self.look(&what) }
                })
                .collect();
            done.store(true, Ordering::Relaxed);
            pages
        });
        for page in &pages {
            let lost = Stake::between(&self.good, page).gone;
            let spared = |series: &Series| paths.iter().any(|path| shared(&self.short(path), series));
            let more = lost.difference(&gone).find(|series| !spared(series));
            let strange = page.keys().find(|series| !self.promises(series) && !spared(series));
            let complaints: Vec<String> =
                more.into_iter().chain(strange).map(|(family, labels)| format!("{family}{labels:?}")).collect();
            for complaint in complaints {
                let what =
                    format!("{complaint} by {paths:?} that come and go\n    {}", self.again(&format!("m{number}")));
                self.failures.push(format!("{}: {what}", self.name));
            }
        }
        if self.look(&"the tree at rest") != self.good {
            self.failures.push(format!("{}: not as before after {paths:?} came and went", self.name));
        }
    }

    #[track_caller]
    fn end(self) {
        let mut text = String::new();
        for failure in self.failures.iter().take(200) {
            write!(text, "\n{failure}").unwrap();
        }
        assert!(self.failures.is_empty(), "{} failures:{text}", self.failures.len());
    }
}

fn check(name: &'static str) {
    let mut tree = Tree::new(name);
    if let Ok(only) = env::var("UNSEEN") {
        match only.split_once(':') {
            Some((of, "files")) if of == name => tree.boundaries(),
            Some((of, number)) if of == name => match number.strip_prefix('m') {
                Some(number) => tree.in_motion(number.parse().unwrap()),
                None => tree.round(number.parse().unwrap()),
            },
            _ => {}
        }
        return tree.end();
    }
    tree.boundaries();
    for number in 0..ROUNDS {
        tree.round(number);
    }
    for number in 0..5 {
        tree.in_motion(number);
    }
    tree.end();
}

#[test]
fn board() {
    check("board");
}

#[test]
fn laptop() {
    check("laptop");
}

#[test]
fn node() {
    check("node");
}
