//! Follows the log files: the thread that lists directories, reads what is new, and saves how far it came.
//!
//! * Files are looked at once per interval and read in turns, so that one container that shouts does not keep the others waiting.
//!   Nothing is read, listed or written while the state is locked: a page is made at any time, whatever the disk does.
//! * Directories are watched, and listed again now and then whatever the kernel told: watches run out, news get lost.
//! * A file is held from the moment it is seen, so it can be read when its pod is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use common::crew::panic_message;
use tokio::sync::watch;

use crate::config::Settings;
use crate::lines::Progress;
use crate::positions::{self, Saved};
use crate::record::Stream;
use crate::state::{Listed, Listing, QUIET, QUIET_WITHOUT_NAME, RunKey, State, directory, reader};
use crate::tail::{self, Key, Print, Tail};
use crate::tree::{self, Id, Rotated};
use crate::watch::Watches;

/// Bytes read at a time: what a line may have.
const BLOCK: usize = 256 << 10;
/// Blocks of one container before it is the turn of the next.
const BLOCKS_PER_TURN: usize = 4;

/// What the flags say.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory of all pods.
    pub root: PathBuf,
    /// Where positions are saved.
    pub state_file: Option<PathBuf>,
    /// How often.
    pub state_interval: Duration,
    /// Whether files that are there at the first start are read from their beginning.
    pub from_beginning: bool,
    /// How often files are looked at.
    pub read_interval: Duration,
    /// How often directories are listed though nothing was told about them.
    pub scan_interval: Duration,
    /// Most containers.
    pub most_containers: usize,
    /// How long a container that is gone is shown.
    pub grace: Duration,
    /// Whether series tell the workload that their pod may belong to.
    pub tells_workload: bool,
    /// Namespace and pod of this very program.
    pub own: Option<(String, String)>,
}

/// The thread and what it shares.
pub struct Follower {
    options: Options,
    state: Mutex<State>,
    /// Held while waiting for the state: who makes pages comes in between two blocks.
    door: Mutex<()>,
    /// The text that was saved last.
    saving: Mutex<Vec<u8>>,
    rescan: AtomicBool,
    /// Whether a page was served since positions were saved.
    seen: AtomicBool,
    ready: watch::Sender<bool>,
}

impl Follower {
    /// Starts to follow; `settings` are the rules.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(options: Options, settings: Arc<Settings>) -> io::Result<Arc<Self>> {
        let mut state = State::new(settings, options.most_containers);
        state.tells_workload = options.tells_workload;
        let follower = Arc::new(Self {
            options,
            state: Mutex::new(state),
            door: Mutex::new(()),
            saving: Mutex::default(),
            rescan: AtomicBool::new(false),
            seen: AtomicBool::new(false),
            ready: watch::Sender::new(false),
        });
        let weak = Arc::downgrade(&follower);
        let mut work = Work::new(&follower);
        thread::Builder::new().name("follow".to_owned()).stack_size(512 << 10).spawn(move || {
            while let Some(follower) = weak.upgrade() {
                let wait = work.round(&follower);
                drop(follower);
                work.watches.wait(wait);
            }
        })?;
        Ok(follower)
    }

    /// Becomes true once all files were looked at for the first time.
    pub fn ready(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }

    /// The state, for a page: before whoever reads files.
    pub fn state(&self) -> MutexGuard<'_, State> {
        let _door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, for whoever reads files: after those who make pages.
    fn reading(&self) -> MutexGuard<'_, State> {
        drop(self.door.lock().unwrap_or_else(PoisonError::into_inner));
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page was served: positions are worth saving.
    pub fn was_seen(&self) {
        self.seen.store(true, Ordering::Relaxed);
    }

    /// Puts other rules in force.
    pub fn follow(&self, settings: Arc<Settings>) {
        self.state().follow(settings);
        self.rescan.store(true, Ordering::Relaxed);
    }

    /// Saves positions, if there is a file for them and they changed; tells whether it wrote.
    pub fn save(&self) -> bool {
        let Some(path) = &self.options.state_file else { return false };
        // Nothing is known yet: what was saved is better.
        if !*self.ready.borrow() {
            return false;
        }
        let mut last = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        let text = positions::text(&self.state().saved());
        let is_news = *last != text || !path.exists();
        let stored = if is_news { positions::store(path, &text) } else { Ok(()) };
        let mut state = self.state();
        match stored {
            Ok(()) => {
                state.positions_saved = Some(SystemTime::now());
                *last = text;
            }
            Err(e) => {
                state.positions_errors += 1;
                if state.positions_errors.is_power_of_two() {
                    tracing::error!(file = %path.display(), err = %e, "positions could not be saved");
                }
            }
        }
        is_news
    }

    /// Whether a container is to be read.
    fn wants(&self, settings: &Settings, id: &Id) -> bool {
        let is_own =
            self.options.own.as_ref().is_some_and(|(namespace, pod)| id.namespace() == namespace && id.pod() == pod);
        !is_own && !settings.ignore.names_any(id.namespace(), id.pod(), id.container())
    }
}

/// What the thread alone knows.
struct Work {
    watches: Watches,
    buffer: Box<[u8]>,
    /// Directories of pods, and those of their containers.
    pods: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
    /// What an earlier process knew, until all directories were listed once.
    saved: Option<Saved>,
    /// Whether there was a position file.
    had_saved: bool,
    is_first_scan: bool,
    /// Which directory the root was.
    root: Option<Key>,
    next_scan: Instant,
    next_read: Instant,
    next_save: Instant,
    /// Before that, positions were written just now.
    may_save: Instant,
    was_polling: bool,
    /// Containers with more than was read of them in their last turn.
    backlog: Vec<Id>,
}

impl Work {
    fn new(follower: &Follower) -> Self {
        let mut saved = match follower.options.state_file.as_deref().map(positions::load) {
            None | Some(Ok(None)) => None,
            Some(Ok(Some(saved))) => Some(saved),
            Some(Err(e)) => {
                let file = follower.options.state_file.as_deref().unwrap_or(Path::new(""));
                tracing::error!(file = %file.display(), err = %e, "positions cannot be read, files are read as at the first start");
                None
            }
        };
        if let Some(saved) = &mut saved {
            follower.reading().ignored = std::mem::take(&mut saved.ignored);
        }
        let now = Instant::now();
        Self {
            watches: Watches::new(),
            buffer: vec![0; BLOCK].into_boxed_slice(),
            pods: BTreeMap::new(),
            had_saved: saved.is_some(),
            saved,
            is_first_scan: true,
            root: None,
            next_scan: now,
            next_read: now,
            next_save: now + follower.options.state_interval,
            may_save: now,
            was_polling: false,
            backlog: Vec::new(),
        }
    }

    /// Does all that is due, and tells how long nothing will be.
    fn round(&mut self, follower: &Follower) -> Duration {
        let options = &follower.options;
        self.hear(follower);
        let now = Instant::now();
        // The one directory without which there is no news at all.
        if now >= self.next_read && key_of(&options.root) != self.root {
            self.next_scan = now;
        }
        if now >= self.next_scan || follower.rescan.swap(false, Ordering::Relaxed) {
            self.scan(follower);
            let took = now.elapsed();
            let interval = match self.watches.lacking() {
                // All the time, but for no more than a twentieth of it.
                Some(_) => options.read_interval.max(took * 20),
                None => options.scan_interval,
            };
            self.next_scan = Instant::now() + interval;
        }
        if now >= self.next_read {
            self.next_read = now + options.read_interval;
            self.read(follower, true);
            let _was_ready = follower.ready.send_replace(true);
        } else if !self.backlog.is_empty() {
            self.read(follower, false);
        }
        // Soon after a page, as that is what moves positions, but not more often than the flag says.
        let is_seen = now >= self.may_save && follower.seen.swap(false, Ordering::Relaxed);
        if is_seen || now >= self.next_save {
            let wrote = follower.save();
            self.next_save = Instant::now() + options.state_interval;
            if wrote {
                self.may_save = self.next_save;
            }
        }
        if !self.backlog.is_empty() {
            return Duration::ZERO;
        }
        let next = self.next_scan.min(self.next_read).min(self.next_save);
        next.saturating_duration_since(Instant::now())
    }

    /// Lists the directories that the kernel has news of.
    fn hear(&mut self, follower: &Follower) {
        let news = self.watches.news();
        if news.overflowed {
            follower.reading().overflows += 1;
            self.next_scan = Instant::now();
            return;
        }
        let root = &follower.options.root;
        for directory in news.changed {
            if directory == *root {
                self.list_root(follower, false);
            } else if directory.parent() == Some(root) {
                self.list_pod(follower, &directory, false);
            } else if let Some((pod, _)) = self.pods.get_key_value(directory.parent().unwrap_or(root)) {
                let pod = pod.clone();
                self.list_container(follower, &pod, &directory);
            }
        }
    }

    /// Lists all directories.
    fn scan(&mut self, follower: &Follower) {
        self.watches.try_again();
        self.list_root(follower, true);
        let ignored = follower.reading().ignored.clone();
        for gone in ignored.iter().filter(|path| !follower.options.root.join(path).exists()) {
            follower.reading().ignored.remove(gone);
        }
        if std::mem::take(&mut self.is_first_scan) {
            self.saved = None;
        }
        let lacking = self.watches.lacking();
        follower.reading().polling = lacking.is_some();
        if lacking.is_some() != std::mem::replace(&mut self.was_polling, lacking.is_some()) {
            match lacking {
                Some(e) => tracing::warn!(
                    err = %e,
                    "directories cannot be watched and are listed all the time: fs.inotify.max_user_watches and \
                     max_user_instances say how many can"
                ),
                None => tracing::info!("all directories are watched again"),
            }
        }
    }

    fn list_root(&mut self, follower: &Follower, thoroughly: bool) {
        let root = follower.options.root.clone();
        let key = key_of(&root);
        if key != self.root {
            // Another one has the name, or none: nothing below it is what it was.
            if !self.is_first_scan {
                tracing::info!(directory = %root.display(), is_there = key.is_some(), "the directory of the pods' logs changed");
            }
            self.watches.remove(&root);
            self.root = key;
        }
        if key.is_none() && self.is_first_scan {
            tracing::warn!(directory = %root.display(), "there is no directory of pods' logs yet, it is waited for");
        }
        self.watches.add(&root);
        let Some(found) = directories(&root).unwrap_or_else(|e| {
            tracing::error!(directory = %root.display(), err = %e, "cannot be listed");
            None
        }) else {
            return;
        };
        let gone: Vec<PathBuf> = self.pods.keys().filter(|pod| !found.contains(*pod)).cloned().collect();
        for pod in gone {
            self.list_pod(follower, &pod, thoroughly);
            if fs::symlink_metadata(&pod).is_err() {
                self.pods.remove(&pod);
            }
        }
        for pod in found {
            if thoroughly || !self.pods.contains_key(&pod) {
                self.list_pod(follower, &pod, thoroughly);
            }
        }
    }

    fn list_pod(&mut self, follower: &Follower, pod: &Path, thoroughly: bool) {
        if pod.file_name().and_then(|name| tree::pod_name(name.to_str()?)).is_none() {
            return;
        }
        self.watches.add(pod);
        // A directory that cannot be listed is one without containers, as one that is gone is.
        let found = directories(pod).ok().flatten().unwrap_or_default();
        let known = self.pods.entry(pod.to_owned()).or_default().clone();
        for container in known.difference(&found).chain(found.difference(&known)) {
            self.list_container(follower, pod, container);
        }
        if thoroughly {
            for container in known.intersection(&found) {
                self.list_container(follower, pod, container);
            }
        }
    }

    fn list_container(&mut self, follower: &Follower, pod: &Path, path: &Path) {
        let pod_name = pod.file_name().and_then(|name| tree::pod_name(name.to_str()?));
        let name = path.file_name().and_then(|name| name.to_str()).filter(|name| tree::is_name(name));
        let (Some(pod_name), Some(name)) = (pod_name, name) else { return };
        let (id, uid) = (Id::new(pod_name.namespace, pod_name.pod, name), Arc::from(pod_name.uid));
        let settings = Arc::clone(&follower.reading().settings);
        if !follower.wants(&settings, &id) {
            follower.reading().ignored.insert(directory(&id, &uid));
            return;
        }
        self.watches.add(path);
        let names = match names(path) {
            Ok(Some(names)) => names,
            Ok(None) => {
                if let Some(known) = self.pods.get_mut(pod) {
                    known.remove(path);
                }
                let mut state = follower.reading();
                state.refused.remove(path);
                state.unlist(&id, &uid, Instant::now());
                return;
            }
            Err(e) => {
                let mut state = follower.reading();
                let _too_many = state.admit(&id, path).map(|container| {
                    container.tally.read_errors += 1;
                    container.listed.insert(Arc::clone(&uid));
                });
                tracing::warn!(directory = %path.display(), err = %e, "cannot be listed");
                return;
            }
        };
        self.pods.entry(pod.to_owned()).or_default().insert(path.to_owned());
        // What was written while nobody wanted to read it is no news.
        let (known, was_ignored) = {
            let mut state = follower.reading();
            let was_ignored = state.ignored.contains(&directory(&id, &uid));
            let Some(container) = state.admit(&id, path) else { return };
            container.listed.insert(Arc::clone(&uid));
            let runs = container.runs.iter().filter(|((of, _), _)| *of == uid);
            let tails = runs.flat_map(|(_, run)| &run.tails);
            let known: BTreeMap<Key, Known> = tails.map(|tail| (tail.key, Known::of(tail))).collect();
            (known, was_ignored)
        };
        let saved = self.saved.as_ref().and_then(|saved| saved.containers.get(&directory(&id, &uid)));
        let is_old = self.is_first_scan && !self.had_saved || was_ignored;
        let from_end = is_old && !follower.options.from_beginning;
        let (mut files, mut n_errors) = (Vec::new(), 0);
        for (restart, is_live, file) in names {
            match look(&file, &known, &mut self.buffer, from_end) {
                Ok(Some(found)) => files.push(Listed { restart, is_live, ..found }),
                Ok(None) => {}
                Err(e) => {
                    n_errors += 1;
                    tracing::warn!(file = %file.display(), err = %e, "cannot be opened");
                }
            }
        }
        let now = Instant::now();
        let mut state = follower.reading();
        let Some(container) = state.admit(&id, path) else { return };
        container.tally.read_errors += n_errors;
        if let Some(saved) = saved {
            container.restore(&settings, saved);
        }
        container.apply(Listing { uid: &uid, files, saved, is_first: self.is_first_scan || was_ignored }, now);
        state.ignored.remove(&directory(&id, &uid));
    }

    /// Looks at all files, or at those that had more than was read of them last.
    fn read(&mut self, follower: &Follower, is_full: bool) {
        let ids: Vec<Id> = match is_full {
            true => follower.reading().containers.keys().cloned().collect(),
            false => std::mem::take(&mut self.backlog),
        };
        self.backlog.clear();
        for id in ids {
            let had_more = self.turn(follower, &id);
            if had_more {
                self.backlog.push(id);
                // A pod may come and go while another one shouts.
                self.hear(follower);
            }
        }
        if is_full {
            let mut state = follower.reading();
            state.tidy(Instant::now(), clock(), follower.options.grace);
            state.last_pass = Some(SystemTime::now());
        }
    }

    /// Reads some of what one container wrote; tells whether there is more.
    fn turn(&mut self, follower: &Follower, id: &Id) -> bool {
        let files: Vec<(RunKey, Key, Arc<File>)> = {
            let state = follower.reading();
            let runs = state.containers.get(id).into_iter().flat_map(|container| &container.runs);
            let tails = runs.flat_map(|(run, of)| of.tails.iter().map(move |tail| (run, tail)));
            tails.filter_map(|(run, tail)| Some((run.clone(), tail.key, Arc::clone(tail.file.as_ref()?)))).collect()
        };
        let mut n_blocks = BLOCKS_PER_TURN;
        for (run, key, file) in files {
            match self.advance(follower, id, (&run, key, &file), &mut n_blocks) {
                Ok(true) => return true,
                Ok(false) => {}
                Err(e) => {
                    tracing::warn!(
                        namespace = id.namespace(),
                        pod = id.pod(),
                        container = id.container(),
                        err = %e,
                        "cannot be read"
                    );
                    if let Some((_, tally, _)) = follower.reading().run(id, &run) {
                        tally.read_errors += 1;
                    }
                }
            }
        }
        false
    }

    /// Reads what is new in a file; tells whether it stopped before the end.
    fn advance(
        &mut self,
        follower: &Follower,
        id: &Id,
        (run_key, key, file): (&RunKey, Key, &File),
        n_blocks: &mut usize,
    ) -> io::Result<bool> {
        let meta = file.metadata()?;
        let now = Instant::now();
        let (print, is_done) = {
            let mut state = follower.reading();
            let Some(container) = state.containers.get_mut(id) else { return Ok(false) };
            let newer = (Arc::clone(&run_key.0), run_key.1.saturating_add(1))..=(Arc::clone(&run_key.0), u32::MAX);
            let is_over = container.runs.range(newer).next().is_some();
            let Some(tail) = container.runs.get_mut(run_key).and_then(|run| run.tail(key)) else { return Ok(false) };
            if tail.size != meta.len() {
                (tail.size, tail.news_at) = (meta.len(), now);
            }
            let has_name = meta.nlink() > 0;
            tail.is_listed &= has_name;
            let quiet = now.duration_since(tail.news_at);
            let is_done = match tail.is_listed {
                true => (!tail.is_live || is_over) && quiet >= QUIET,
                false => quiet >= if has_name { QUIET } else { QUIET_WITHOUT_NAME },
            };
            if meta.len() == tail.read_to && !is_done {
                return Ok(false);
            }
            (tail.print, is_done)
        };
        let is_other = meta.len() < print.length || !print.is_of(file)?;
        let print = if is_other || print.is_short() { Print::read(file)? } else { print };
        let mut offset = {
            let mut state = follower.reading();
            let Some((run, tally, _)) = state.run(id, run_key) else { return Ok(false) };
            let Some(tail) = run.tail(key) else { return Ok(false) };
            tail.print = print;
            if is_other || meta.len() < tail.read_to {
                tally.truncations += 1;
                (tail.progress, tail.read_to, tail.shown) = (Progress::default(), 0, [0; 3]);
            }
            tail.progress.offset
        };
        loop {
            let length = file.read_at(&mut self.buffer, offset)?;
            let block = self.buffer.get(..length).unwrap_or_default();
            let is_end = length < BLOCK;
            let mut state = follower.reading();
            let Some((run, tally, settings)) = state.run(id, run_key) else { return Ok(false) };
            let Some(at) = run.tails.iter().position(|tail| tail.key == key) else { return Ok(false) };
            let is_last = run.tails.iter().enumerate().all(|(other, tail)| other == at || tail.file.is_none());
            let Some(tail) = run.tails.get_mut(at) else { return Ok(false) };
            let mut lines = reader(settings, tally, &mut run.joins, now, clock());
            let taken = catch_unwind(AssertUnwindSafe(|| {
                lines.take(&mut tail.progress, block, is_done && is_end, !is_end);
            }));
            if let Err(panic) = taken {
                tracing::error!(err = panic_message(panic.as_ref()), "a block of a log is passed over");
                tally.read_errors += 1;
                tally.dropped_bytes += length as u64;
                tail.progress = Progress::from(offset + length as u64);
            }
            tail.read_to = offset + length as u64;
            offset = tail.progress.offset;
            if is_end {
                if is_done {
                    tail.file = None;
                    if is_last {
                        let mut lines = reader(settings, tally, &mut run.joins, now, clock());
                        Stream::ALL.into_iter().for_each(|stream| lines.close(stream));
                    }
                }
                return Ok(false);
            }
            *n_blocks = n_blocks.saturating_sub(1);
            if *n_blocks == 0 {
                return Ok(true);
            }
        }
    }
}

/// What is known of a file before its directory is listed again.
struct Known {
    is_open: bool,
    size: u64,
    path: PathBuf,
}

impl Known {
    fn of(tail: &Tail) -> Self {
        Self { is_open: tail.file.is_some(), size: tail.size, path: tail.path.clone() }
    }
}

/// Which directory has a name.
fn key_of(directory: &Path) -> Option<Key> {
    fs::metadata(directory).ok().filter(fs::Metadata::is_dir).map(|meta| Key::of(&meta))
}

/// Seconds since 1970.
fn clock() -> Option<f64> {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs_f64())
}

/// The directories in a directory; `None` when there is no such directory.
fn directories(path: &Path) -> io::Result<Option<BTreeSet<PathBuf>>> {
    let entries = match fs::read_dir(path) {
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
        entries => entries?,
    };
    let mut found = BTreeSet::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.insert(entry.path());
        }
    }
    Ok(Some(found))
}

/// The log files in a directory, the oldest first: restarts before, whether the runtime writes to it, path. `None` when there is no
/// such directory.
fn names(path: &Path) -> io::Result<Option<Vec<(u32, bool, PathBuf)>>> {
    let entries = match fs::read_dir(path) {
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
        entries => entries?,
    };
    let mut found: Vec<String> = Vec::new();
    for entry in entries {
        found.extend(entry?.file_name().into_string().ok().filter(|name| tree::log_name(name).is_some()));
    }
    let mut files: Vec<_> = found.iter().filter_map(|name| Some((tree::log_name(name)?, name))).collect();
    files.sort();
    let files = files.into_iter().map(|(name, text)| (name.restart, name.rotated == Rotated::No, path.join(text)));
    Ok(Some(files.collect()))
}

/// Which file has a name, opened if that is new. `None` when none has it any more, or it is no file; a link to nothing is an error.
fn look(path: &Path, known: &BTreeMap<Key, Known>, buffer: &mut [u8], from_end: bool) -> io::Result<Option<Listed>> {
    let gone = |e: io::Error| match e.kind() {
        // Docker's files are elsewhere, where this program may have no access.
        io::ErrorKind::NotFound if fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink()) => {
            Err(io::Error::other("it is a link, and what it leads to is not there"))
        }
        io::ErrorKind::NotFound => Ok(None),
        _ => Err(e),
    };
    let meta = match fs::metadata(path) {
        Ok(meta) if meta.is_file() => meta,
        Ok(_) => return Ok(None),
        Err(e) => return gone(e),
    };
    let (key, size) = (Key::of(&meta), meta.len());
    let listed = Listed { restart: 0, is_live: true, path: path.to_owned(), key, size, opened: None, begin: 0 };
    if known.get(&key).is_some_and(|known| known.is_open || known.size == size && known.path == path) {
        return Ok(Some(listed));
    }
    let (file, meta) = match tail::open(path) {
        Ok(opened) => opened,
        Err(e) => return gone(e),
    };
    let (key, size) = (Key::of(&meta), meta.len());
    let print = Print::read(&file)?;
    let begin = if from_end { last_line(&file, size, buffer)? } else { 0 };
    Ok(Some(Listed { key, size, opened: Some((Arc::new(file), print)), begin, ..listed }))
}

/// Where the line begins that has no end yet; the end of the file when it would be too long.
fn last_line(file: &File, size: u64, buffer: &mut [u8]) -> io::Result<u64> {
    let from = size.saturating_sub(buffer.len() as u64);
    let length = file.read_at(buffer, from)?;
    let end = memchr::memrchr(b'\n', buffer.get(..length).unwrap_or_default());
    Ok(match end {
        Some(end) => from + end as u64 + 1,
        None if from == 0 => 0,
        None => size,
    })
}
