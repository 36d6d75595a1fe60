//! The text files, and the reading of them on threads of their own: a file on a mount that hangs costs itself alone, and
//! is not asked for again before that has come to an end.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::crew::{Crew, Job};

use super::MOST_BYTES;
use super::families::{self, Content, Reading};
use crate::fs::plain::{Stamp, Watched};

/// How long the other files wait behind a slow one; one on a disk that is awake takes microseconds.
const PATIENCE: Duration = Duration::from_millis(50);
/// Files that may be stuck at the same time; those beyond are late without being read.
const MOST_THREADS: usize = 16;
/// What files get that were too late the last time, so that they do not delay each scrape to its end.
const SECOND_CHANCE: Duration = Duration::from_secs(1);

/// What was made of a file, or why it is refused.
pub(super) type Made = Result<Content, String>;

/// All files, in the order in which their families count.
pub(super) struct Files {
    all: Vec<File>,
    how: Reading,
    crew: Crew<Box<Reader>>,
    next_id: u64,
}

/// A file, with what was made of it when it is not being read.
pub(super) struct File {
    path: PathBuf,
    id: u64,
    reader: Option<Box<Reader>>,
    /// Whether it was not read in time in the last scrape.
    late: bool,
}

/// The reading of a file: the job that may never end.
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

impl Job for Box<Reader> {
    fn run(&mut self) {
        let (how, mut changed) = (self.how, false);
        let read = self.file.refresh(|text| {
            changed = true;
            families::parse(text, how)
        });
        self.read = read.map(|(stamp, _)| stamp).map_err(|e| e.to_string());
        self.changed = changed;
    }

    fn panicked(&mut self, message: String) {
        self.changed = true;
        self.read = Err(format!("panicked: {message}"));
    }
}

impl Files {
    pub(super) fn new(how: Reading) -> Self {
        Self { all: Vec::new(), how, crew: Crew::new("textfile", PATIENCE, MOST_THREADS), next_id: 0 }
    }

    pub(super) fn all(&self) -> &[File] {
        &self.all
    }

    /// Takes these paths in the place of those before, and keeps what is known of the files that stay.
    pub(super) fn follow(&mut self, paths: Vec<PathBuf>) {
        if self.all.iter().map(File::path).eq(paths.iter().map(PathBuf::as_path)) {
            return;
        }
        let mut known: HashMap<PathBuf, File> = self.all.drain(..).map(|file| (file.path.clone(), file)).collect();
        for path in paths {
            let file = known.remove(&path).unwrap_or_else(|| {
                self.next_id += 1;
                File::new(path, self.next_id, self.how)
            });
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
            let until = if late { deadline.min(Instant::now() + SECOND_CHANCE) } else { deadline };
            let jobs = self.all.iter_mut().enumerate().filter(|(_, file)| file.late == late);
            let jobs: Vec<Box<Reader>> = jobs.filter_map(|(at, file)| file.hand_out(at)).collect();
            if late && jobs.is_empty() {
                continue;
            }
            let round = self.crew.run(jobs, until);
            for reader in round.done {
                self.put_back(reader, true);
            }
            for reader in round.returned.into_iter().chain(round.skipped) {
                self.put_back(reader, false);
            }
        }
        let mut changed = false;
        for file in &mut self.all {
            let fresh = file.reader.as_ref().filter(|reader| reader.fresh);
            changed |= fresh.is_some_and(|reader| reader.changed);
            file.late = fresh.is_none();
        }
        changed
    }

    /// Brings a reader home, or drops it if nobody wants the file any more.
    fn put_back(&mut self, mut reader: Box<Reader>, fresh: bool) {
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

impl File {
    fn new(path: PathBuf, id: u64, how: Reading) -> Self {
        let file = Watched::new(path.clone(), MOST_BYTES);
        let reader = Reader { id, at: 0, file, how, changed: false, read: Err(String::new()), fresh: false };
        Self { path, id, reader: Some(Box::new(reader)), late: false }
    }

    fn hand_out(&mut self, at: usize) -> Option<Box<Reader>> {
        let mut reader = self.reader.take()?;
        reader.at = at;
        Some(reader)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What came of the last reading: the state the file was in and what was made of it, or why there is none.
    pub(super) fn outcome(&self) -> Result<(Stamp, &Made), &str> {
        let Some(reader) = self.reader.as_ref().filter(|_| !self.late) else { return Err("no answer in time") };
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
