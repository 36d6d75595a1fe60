//! The text files, and the listing and reading of them on threads of their own: a directory or a file on a mount that
//! hangs costs itself alone, and is not asked for again before that has come to an end.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::crew::{Crew, Job};
use common::memory;

use super::families::{self, Content, Reading};
use super::{MOST_BYTES, clean, glob};
use crate::fs::list_dir;
use crate::fs::plain::{Stamp, Watched};

/// How long the other files wait behind a slow one; one on a disk that is awake takes microseconds.
const PATIENCE: Duration = Duration::from_millis(50);
/// Files and directories that may be stuck at the same time; those beyond are late without being asked for.
const MOST_THREADS: usize = 16;
/// What those get that were too late the last time, so that they do not delay each scrape to its end.
const SECOND_CHANCE: Duration = Duration::from_secs(1);

/// Reading a file this large takes several times its size, in small blocks.
const LARGE_BYTES: usize = 256 << 10;

/// What is said of files and directories that hang.
const LATE: &str = "no answer in time";

/// What was made of a file, or why it is refused.
pub(super) type Made = Result<Content, String>;

/// All files, in the order in which their families count.
pub(super) struct Files {
    folders: Vec<Folder>,
    all: Vec<File>,
    how: Reading,
    crew: Crew<Errand>,
    next_id: u64,
}

/// A directory or a pattern for some, with the files that were in it when it answered last.
struct Folder {
    name: String,
    paths: Vec<PathBuf>,
    /// `None` while it is being listed.
    lister: Option<Box<Lister>>,
    /// Whether it was not listed in time in the last scrape.
    late: bool,
}

/// The listing of a directory, which may never end.
struct Lister {
    at: usize,
    name: String,
    paths: Vec<PathBuf>,
    complaints: Vec<String>,
    /// Whether that is of this scrape.
    fresh: bool,
}

/// What may never end.
enum Errand {
    List(Box<Lister>),
    Read(Box<Reader>),
}

/// A file, with what was made of it when it is not being read.
pub(super) struct File {
    path: PathBuf,
    id: u64,
    /// `None` while it is being read.
    reader: Option<Box<Reader>>,
    /// Whether its directory answers; else it is not read.
    listed: bool,
    /// Whether it was not read in time in the last scrape.
    late: bool,
}

/// The reading of a file, which may never end.
struct Reader {
    id: u64,
    /// Where the file stands in [`Files`], unless others have come or gone.
    at: usize,
    file: Watched<Made>,
    how: Reading,
    changed: bool,
    read: Result<Stamp, String>,
    /// Whether that is of this scrape.
    fresh: bool,
}

impl Job for Errand {
    fn run(&mut self) {
        match self {
            Self::List(lister) => (lister.paths, lister.complaints) = list(&lister.name),
            Self::Read(reader) => reader.run(),
        }
    }

    fn panicked(&mut self, message: String) {
        let what = format!("panicked: {message}");
        match self {
            Self::List(lister) => (lister.paths, lister.complaints) = (Vec::new(), vec![what]),
            Self::Read(reader) => (reader.changed, reader.read) = (true, Err(what)),
        }
    }
}

impl Reader {
    fn run(&mut self) {
        let (how, mut changed) = (self.how, false);
        let read = self.file.refresh(|text| {
            changed = true;
            let content = families::parse(text, how);
            if text.len() > LARGE_BYTES {
                memory::give_back();
            }
            content
        });
        self.read = read.map(|(stamp, _)| stamp).map_err(|e| e.to_string());
        self.changed = changed;
    }
}

/// The `*.prom` files of a directory, or of all that fit a pattern, and what is wrong with these.
fn list(name: &str) -> (Vec<PathBuf>, Vec<String>) {
    let (mut paths, mut complaints) = (Vec::new(), Vec::new());
    for directory in glob::expand(name) {
        let cleaned = clean(&directory);
        match list_dir(&directory) {
            Ok(entries) => {
                let names = entries.iter().map(|(name, _)| name).filter(|name| name.ends_with(b".prom"));
                paths.extend(names.map(|name| cleaned.join(OsStr::from_bytes(name))));
            }
            Err(e) => complaints.push(format!("{}: {e}", directory.display())),
        }
    }
    (paths, complaints)
}

impl Files {
    /// The files of these directories, of which nothing is known yet.
    pub(super) fn new(directories: Vec<String>, how: Reading) -> Self {
        let folder = |name: String| {
            let lister = Lister { at: 0, name: name.clone(), paths: Vec::new(), complaints: Vec::new(), fresh: false };
            Folder { name, paths: Vec::new(), lister: Some(Box::new(lister)), late: false }
        };
        let folders = directories.into_iter().map(folder).collect();
        Self { folders, all: Vec::new(), how, crew: Crew::new("textfile", PATIENCE, MOST_THREADS), next_id: 0 }
    }

    pub(super) fn all(&self) -> &[File] {
        &self.all
    }

    /// Lists the directories, and keeps what is known of the files that stay; gives what is wrong. Files in a directory
    /// that does not answer stay.
    pub(super) fn list(&mut self, deadline: Instant) -> Vec<String> {
        let now = Instant::now();
        // The other half is for reading.
        let deadline = now + deadline.saturating_duration_since(now) / 2;
        for lister in self.folders.iter_mut().filter_map(|folder| folder.lister.as_mut()) {
            lister.fresh = false;
        }
        for late in [false, true] {
            let folders = self.folders.iter_mut().enumerate().filter(|(_, folder)| folder.late == late);
            let errands = folders.filter_map(|(at, folder)| {
                let mut lister = folder.lister.take()?;
                lister.at = at;
                Some(Errand::List(lister))
            });
            let errands = errands.collect();
            self.run(errands, late, deadline);
        }
        let mut complaints = Vec::new();
        for folder in &mut self.folders {
            folder.late = true;
            match folder.lister.as_mut().filter(|lister| lister.fresh) {
                Some(lister) => {
                    folder.late = false;
                    folder.paths = std::mem::take(&mut lister.paths);
                    complaints.append(&mut lister.complaints);
                }
                None => complaints.push(format!("{}: {LATE}", folder.name)),
            }
        }
        self.follow();
        complaints
    }

    /// Takes the files of the directories, each once, in the place of those before.
    fn follow(&mut self) {
        let paths = || self.folders.iter().flat_map(|folder| folder.paths.iter().map(|path| (path, !folder.late)));
        if paths().map(|(path, _)| path).eq(self.all.iter().map(|file| &file.path)) {
            for (file, (_, listed)) in self.all.iter_mut().zip(paths()) {
                file.listed = listed;
            }
            return;
        }
        let mut known: HashMap<PathBuf, File> = self.all.drain(..).map(|file| (file.path.clone(), file)).collect();
        let mut seen = HashSet::new();
        for (path, listed) in paths().filter(|(path, _)| seen.insert(path.as_path())) {
            let mut file = known.remove(path).unwrap_or_else(|| {
                self.next_id += 1;
                File::new(path.clone(), self.next_id, self.how)
            });
            file.listed = listed;
            self.all.push(file);
        }
    }

    /// Reads what is new; whether anything was.
    pub(super) fn read(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        // What is late has to be left behind early enough for the rest to be written.
        let deadline = deadline.checked_sub(left / 10).unwrap_or(deadline);
        for reader in self.all.iter_mut().filter_map(|file| file.reader.as_mut()) {
            reader.fresh = false;
        }
        for late in [false, true] {
            let files = self.all.iter_mut().enumerate().filter(|(_, file)| file.late == late && file.listed);
            let errands = files.filter_map(|(at, file)| file.hand_out(at)).collect();
            self.run(errands, late, deadline);
        }
        let mut changed = false;
        for file in &mut self.all {
            let fresh = file.reader.as_ref().filter(|reader| reader.fresh);
            changed |= fresh.is_some_and(|reader| reader.changed);
            file.late = fresh.is_none();
        }
        changed
    }

    /// Runs errands until the deadline; those that were late the last time do not get all of it.
    fn run(&mut self, errands: Vec<Errand>, late: bool, deadline: Instant) {
        if late && errands.is_empty() {
            return;
        }
        let until = if late { deadline.min(Instant::now() + SECOND_CHANCE) } else { deadline };
        let round = self.crew.run(errands, until);
        for errand in round.done {
            self.put_back(errand, true);
        }
        for errand in round.returned.into_iter().chain(round.skipped) {
            self.put_back(errand, false);
        }
    }

    /// Brings an errand home, or drops it if nobody wants the file any more.
    fn put_back(&mut self, errand: Errand, fresh: bool) {
        match errand {
            Errand::List(mut lister) => {
                lister.fresh = fresh;
                if let Some(folder) = self.folders.get_mut(lister.at) {
                    folder.lister = Some(lister);
                }
            }
            Errand::Read(mut reader) => {
                reader.fresh = fresh;
                let at = match self.all.get(reader.at) {
                    Some(file) if file.id == reader.id => Some(reader.at),
                    _ => self.all.iter().position(|file| file.id == reader.id),
                };
                if let Some(file) = at.and_then(|at| self.all.get_mut(at)) {
                    file.reader = Some(reader);
                }
            }
        }
    }
}

impl File {
    fn new(path: PathBuf, id: u64, how: Reading) -> Self {
        let file = Watched::new(path.clone(), MOST_BYTES);
        let reader = Reader { id, at: 0, file, how, changed: false, read: Err(String::new()), fresh: false };
        Self { path, id, reader: Some(Box::new(reader)), listed: true, late: false }
    }

    fn hand_out(&mut self, at: usize) -> Option<Errand> {
        let mut reader = self.reader.take()?;
        reader.at = at;
        Some(Errand::Read(reader))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What came of the last reading: the state the file was in and what was made of it, or why there is none.
    pub(super) fn outcome(&self) -> Result<(Stamp, &Made), &str> {
        let Some(reader) = self.reader.as_ref().filter(|_| !self.late) else { return Err(LATE) };
        match (&reader.read, reader.file.made()) {
            (Ok(_), Some(made)) => Ok(made),
            (Err(e), _) => Err(e),
            (Ok(_), None) => Err("not read"),
        }
    }

    /// What was made of the file when it was read last.
    pub(super) fn made(&self) -> Option<&Made> {
        self.reader.as_ref()?.file.made().map(|(_, made)| made)
    }
}
