//! What is known of all containers: their counts, their files, how far these were read.
//!
//! Nothing here reads a file or a directory: what was found is told, and what is to be done follows from it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::config::Settings;
use crate::lines::{Joins, Progress, Reader};
use crate::positions::{Saved, SavedContainer, SavedFile};
use crate::record::Stream;
use crate::tail::{Key, Print, Tail};
use crate::tally::Tally;
use crate::tree::Id;

/// How long nothing may happen to a file that was moved away, or whose container runs no more, before it is closed: the kubelet
/// looks at the sizes every ten seconds, and takes a name back when the runtime does not reopen its file.
pub const QUIET: Duration = Duration::from_secs(30);
/// The same for a file that has no name any more.
pub const QUIET_WITHOUT_NAME: Duration = Duration::from_secs(5);
/// How long the rest of a message is waited for.
pub const MESSAGE_PATIENCE: Duration = Duration::from_secs(30);

/// A run of a container: the pod it was in, and how often it was restarted there.
pub type RunKey = (Arc<str>, u32);

/// All containers.
pub struct State {
    /// The rules.
    pub settings: Arc<Settings>,
    /// Whether series tell the workload that their pod may belong to.
    pub tells_workload: bool,
    /// The containers, those that went a moment ago among them.
    pub containers: BTreeMap<Id, Container>,
    /// Most containers there may be.
    pub most_containers: usize,
    /// Directories of containers that are not to be read, below that of all pods.
    pub ignored: BTreeSet<String>,
    /// Directories of containers that were too many.
    pub refused: HashSet<PathBuf>,
    /// How many there have been.
    pub refused_total: u64,
    /// How often news from the kernel were lost.
    pub overflows: u64,
    /// Why directories are listed all the time, if they are.
    pub polling: bool,
    /// When all files were last looked at.
    pub last_pass: Option<SystemTime>,
    /// When positions were last saved.
    pub positions_saved: Option<SystemTime>,
    /// How often they could not be.
    pub positions_errors: u64,
}

/// One container.
#[derive(Debug)]
pub struct Container {
    /// What was counted.
    pub tally: Tally,
    /// Its runs, one after the other.
    pub runs: BTreeMap<RunKey, Run>,
    /// Pods with a directory for it.
    pub listed: BTreeSet<Arc<str>>,
    /// Since when there is nothing left of it.
    pub gone_since: Option<Instant>,
}

/// One run of a container.
#[derive(Debug, Default)]
pub struct Run {
    /// Messages of which parts are to come.
    pub joins: Joins,
    /// Its files, the oldest first.
    pub tails: Vec<Tail>,
}

impl Run {
    /// The file of that number.
    pub fn tail(&mut self, key: Key) -> Option<&mut Tail> {
        self.tails.iter_mut().find(|tail| tail.key == key)
    }
}

/// A log file that a directory has, in the order of the kubelet: the oldest first.
pub struct Listed {
    /// How often the container was restarted before.
    pub restart: u32,
    /// Whether the runtime writes to it.
    pub is_live: bool,
    /// Its name.
    pub path: PathBuf,
    /// Which file it is.
    pub key: Key,
    /// Its length.
    pub size: u64,
    /// Open, and what it begins with, when it was not known or was at rest.
    pub opened: Option<(Arc<File>, Print)>,
    /// Where to begin when nothing else is known about it.
    pub begin: u64,
}

/// What was found in the directory of one container.
pub struct Listing<'l> {
    /// Its pod.
    pub uid: &'l Arc<str>,
    /// The files, the oldest first.
    pub files: Vec<Listed>,
    /// What an earlier process knew of it.
    pub saved: Option<&'l SavedContainer>,
    /// Whether it may have been so for long: nothing happened just now.
    pub is_first: bool,
}

impl State {
    /// No containers.
    pub fn new(settings: Arc<Settings>, most_containers: usize) -> Self {
        Self {
            settings,
            tells_workload: false,
            containers: BTreeMap::new(),
            most_containers,
            ignored: BTreeSet::new(),
            refused: HashSet::new(),
            refused_total: 0,
            overflows: 0,
            polling: false,
            last_pass: None,
            positions_saved: None,
            positions_errors: 0,
        }
    }

    /// The container, with zeros when it is new; `None` when there are too many.
    pub fn admit(&mut self, id: &Id, directory: &std::path::Path) -> Option<&mut Container> {
        if !self.containers.contains_key(id) {
            if self.containers.len() >= self.most_containers {
                if self.refused.insert(directory.to_owned()) {
                    self.refused_total += 1;
                }
                return None;
            }
            let container = Container {
                tally: Tally::new(&self.settings, id),
                runs: BTreeMap::new(),
                listed: BTreeSet::new(),
                gone_since: None,
            };
            self.containers.insert(id.clone(), container);
        }
        self.refused.remove(directory);
        self.containers.get_mut(id)
    }

    /// The run of a container.
    pub fn run(&mut self, id: &Id, run: &RunKey) -> Option<(&mut Run, &mut Tally, &Settings)> {
        let container = self.containers.get_mut(id)?;
        Some((container.runs.get_mut(run)?, &mut container.tally, &self.settings))
    }

    /// Puts other rules in force. Containers that are to be ignored now are forgotten.
    pub fn follow(&mut self, settings: Arc<Settings>) {
        self.containers.retain(|id, _| !settings.ignore.names_any(id.namespace(), id.pod(), id.container()));
        for (id, container) in &mut self.containers {
            container.tally.follow(&self.settings, &settings, id);
        }
        self.settings = settings;
    }

    /// The directory of a container is gone: its files can be read to their ends, if they are open.
    pub fn unlist(&mut self, id: &Id, uid: &str, now: Instant) {
        let Some(container) = self.containers.get_mut(id) else { return };
        container.listed.remove(uid);
        for (_, run) in container.runs.iter_mut().filter(|((of, _), _)| &**of == uid) {
            for tail in &mut run.tails {
                if std::mem::replace(&mut tail.is_listed, false) {
                    tail.news_at = now;
                }
            }
        }
    }

    /// Forgets files that are done, runs without files, and containers that are gone for long.
    pub fn tidy(&mut self, now: Instant, clock: Option<f64>, grace: Duration) {
        let settings = &self.settings;
        self.containers.retain(|_, container| {
            let Container { tally, runs, listed, gone_since } = container;
            for run in runs.values_mut() {
                run.tails.retain(|tail| tail.is_listed || tail.file.is_some());
                let late = now.checked_sub(MESSAGE_PATIENCE);
                for (at, stream) in Stream::ALL.into_iter().enumerate() {
                    let is_late = |late| run.joins.get(at).is_some_and(|join| join.is_open_since(late));
                    if run.tails.is_empty() || late.is_some_and(is_late) {
                        reader(settings, tally, &mut run.joins, now, clock).close(stream);
                    }
                }
            }
            runs.retain(|_, run| !run.tails.is_empty());
            if !listed.is_empty() || !runs.is_empty() {
                *gone_since = None;
                return true;
            }
            now.duration_since(*gone_since.get_or_insert(now)) < grace
        });
    }

    /// All that was counted so far is on a page: an earlier place needs no reading again.
    pub fn mark_shown(&mut self) {
        for run in self.containers.values_mut().flat_map(|container| container.runs.values_mut()) {
            for tail in &mut run.tails {
                tail.shown = tail.progress.positions(&run.joins);
            }
        }
    }

    /// What the next process has to know.
    pub fn saved(&self) -> Saved {
        let mut saved = Saved { ignored: self.ignored.clone(), ..Saved::default() };
        for (id, container) in &self.containers {
            let matches = container.tally.matches.iter().filter_map(|found| {
                let pattern = self.settings.patterns.list().get(found.pattern)?;
                Some((pattern.name.clone(), found.last?))
            });
            let last_matches: Vec<(String, f64)> = matches.collect();
            for uid in &container.listed {
                let entry = SavedContainer { last_matches: last_matches.clone(), files: Vec::new() };
                saved.containers.insert(directory(id, uid), entry);
            }
            for ((uid, _), run) in &container.runs {
                let Some(entry) = saved.containers.get_mut(&directory(id, uid)) else { continue };
                entry.files.extend(run.tails.iter().map(|tail| SavedFile {
                    key: tail.key,
                    print: tail.print,
                    positions: tail.shown,
                }));
            }
        }
        saved
    }
}

/// The directory of a container, below that of all pods.
pub fn directory(id: &Id, uid: &str) -> String {
    format!("{}_{}_{uid}/{}", id.namespace(), id.pod(), id.container())
}

/// What lines are read for, in a state.
pub fn reader<'r>(
    settings: &'r Settings,
    tally: &'r mut Tally,
    joins: &'r mut Joins,
    now: Instant,
    clock: Option<f64>,
) -> Reader<'r> {
    Reader { settings, tally, joins, now, clock, takes_plain_lines: false }
}

impl Container {
    /// Takes over when patterns matched last, from an earlier process.
    pub fn restore(&mut self, settings: &Settings, saved: &SavedContainer) {
        for found in &mut self.tally.matches {
            let name = settings.patterns.list().get(found.pattern).map(|pattern| pattern.name.as_str());
            let last = saved.last_matches.iter().find(|(known, _)| Some(known.as_str()) == name);
            found.last = found.last.or(last.map(|(_, seconds)| *seconds));
        }
    }

    /// Takes note of what a directory has.
    pub fn apply(&mut self, listing: Listing<'_>, now: Instant) {
        let Listing { uid, files, saved, is_first } = listing;
        self.listed.insert(Arc::clone(uid));
        self.gone_since = None;
        let mut before: BTreeMap<Key, Tail> = BTreeMap::new();
        for (_, run) in self.runs.iter_mut().filter(|((of, _), _)| of == uid) {
            before.extend(run.tails.drain(..).map(|tail| (tail.key, tail)));
        }
        for file in files {
            let known = before.remove(&file.key);
            let run = self.runs.entry((Arc::clone(uid), file.restart)).or_default();
            let tail = match known {
                Some(tail) if is_same(&tail, &file) => again(tail, file, now),
                _ => {
                    // It took the name of one before it.
                    let took_name = !run.tails.is_empty() || before.values().any(|tail| is_of(tail, &file));
                    self.tally.rotations += u64::from(file.is_live && took_name && !is_first);
                    let saved = saved.and_then(|saved| position(saved, &file));
                    match appeared(file, saved, now) {
                        Some(tail) => tail,
                        None => continue,
                    }
                }
            };
            run.tails.push(tail);
        }
        // What has no name any more comes before what has one.
        for (_, mut tail) in before {
            if std::mem::replace(&mut tail.is_listed, false) {
                tail.news_at = now;
            }
            let restart = tail.path.file_name().and_then(|name| crate::tree::log_name(name.to_str()?));
            let run = (Arc::clone(uid), restart.map_or(0, |name| name.restart));
            self.runs.entry(run).or_default().tails.insert(0, tail);
        }
    }
}

/// Whether a file had the name that another one has now.
fn is_of(tail: &Tail, file: &Listed) -> bool {
    tail.is_live && tail.path == file.path
}

/// Whether the file that has a known number is the known file.
fn is_same(tail: &Tail, file: &Listed) -> bool {
    match &file.opened {
        // One that is open cannot have lost its number.
        _ if tail.file.is_some() => true,
        Some((opened, _)) => tail.print.is_of(opened).unwrap_or(false) && file.size >= tail.progress.offset,
        None => true,
    }
}

/// A known file under the name it has now.
fn again(mut tail: Tail, file: Listed, now: Instant) -> Tail {
    if tail.path != file.path || !tail.is_listed || tail.is_live != file.is_live {
        tail.news_at = now;
    }
    if tail.file.is_none()
        && let Some((opened, _)) = file.opened
    {
        tail.file = Some(opened);
        tail.news_at = now;
    }
    tail.path = file.path;
    tail.is_live = file.is_live;
    tail.is_listed = true;
    tail
}

/// Where an earlier process left a file, if that is this one.
fn position(saved: &SavedContainer, file: &Listed) -> Option<[u64; 3]> {
    let (opened, _) = file.opened.as_ref()?;
    let known = saved.files.iter().find(|known| known.key == file.key)?;
    let is_same = known.print.is_of(opened).unwrap_or(false);
    let most = known.positions.iter().max().copied().unwrap_or(0);
    (is_same && most <= file.size).then_some(known.positions)
}

/// A file that was not known.
fn appeared(file: Listed, saved: Option<[u64; 3]>, now: Instant) -> Option<Tail> {
    let (opened, print) = file.opened?;
    let progress = saved.map_or_else(|| Progress::from(file.begin), Progress::resumed);
    let shown = progress.positions(&Joins::default());
    Some(Tail {
        key: file.key,
        path: file.path,
        file: Some(opened),
        print,
        progress,
        read_to: 0,
        size: file.size,
        is_live: file.is_live,
        is_listed: true,
        news_at: now,
        shown,
    })
}
