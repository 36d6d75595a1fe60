//! Asking the file systems: calls of statfs(2) on threads of their own, none of which a mount that hangs can keep from
//! the others, and none of which is made again before it has come back.

use std::collections::HashMap;
use std::ffi::CStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::crew::{Crew, Job};
use rustix::io::Errno;

/// The longest that one scrape waits for mounts that do not answer, from the last answer on: where there are thousands, or
/// a container has little of a CPU, all answers together may take longer.
const MOST_WAIT: Duration = Duration::from_millis(500);
/// What a mount gets that was too late the last time.
const SECOND_CHANCE: Duration = Duration::from_millis(50);
/// Left of the scrape's time for everything that comes after the waiting.
const MARGIN: Duration = Duration::from_millis(250);
/// How long one call may take before another thread goes on with the rest; a healthy one takes microseconds.
const PATIENCE: Duration = Duration::from_millis(10);
/// Threads that may be stuck at the same time; a mount beyond these is reported without being asked.
const MOST_STUCK: usize = 64;

/// The paths that are asked, and who asks them.
pub(super) struct Targets {
    pub(super) all: Vec<Target>,
    next_id: u64,
    wait: Duration,
    statfs: Arc<Statfs>,
    pub(super) crew: Crew<Call>,
}

/// A path that is asked. Several mounts may lie on top of each other; one answer is that of all.
pub(super) struct Target {
    id: u64,
    pub(super) path: Arc<CStr>,
    /// `None` while a call is out.
    call: Option<Call>,
    /// What came of this scrape's call; `None` if it is late.
    answer: Option<Result<Usage, Errno>>,
    /// Whether the last call was late.
    pub(super) late: bool,
}

/// What a file system says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Usage {
    pub(super) size_bytes: f64,
    pub(super) free_bytes: f64,
    pub(super) avail_bytes: f64,
    pub(super) files: f64,
    pub(super) files_free: f64,
    /// Whether nothing can be written, because of the mount or of the file system.
    pub(super) read_only: bool,
}

pub(super) type Statfs = dyn Fn(&CStr) -> Result<Usage, Errno> + Send + Sync;

/// A flag of statfs(2).
const ST_RDONLY: i64 = 1;

pub(super) fn statfs(path: &CStr) -> Result<Usage, Errno> {
    let fs = rustix::fs::statfs(path)?;
    // Each factor becomes a double before they are multiplied.
    let bytes = |blocks| blocks as f64 * fs.f_bsize as f64;
    Ok(Usage {
        size_bytes: bytes(fs.f_blocks),
        free_bytes: bytes(fs.f_bfree),
        avail_bytes: bytes(fs.f_bavail),
        files: fs.f_files as f64,
        files_free: fs.f_ffree as f64,
        read_only: fs.f_flags & ST_RDONLY != 0,
    })
}

/// One call of statfs, on the way to its thread and back.
pub(super) struct Call {
    id: u64,
    /// Where the target most likely stands in [`Targets`].
    at: usize,
    path: Arc<CStr>,
    statfs: Arc<Statfs>,
    answer: Result<Usage, Errno>,
}

impl Job for Call {
    fn run(&mut self) {
        self.answer = (self.statfs)(&self.path);
    }

    fn panicked(&mut self, message: String) {
        tracing::error!("statfs of {:?} panicked: {message}", self.path);
        self.answer = Err(Errno::IO);
    }
}

impl Targets {
    pub(super) fn new(wait: Duration, workers: usize, statfs: Arc<Statfs>) -> Self {
        let crew = Crew::new("statfs", PATIENCE, MOST_STUCK.max(workers));
        Self { all: Vec::new(), next_id: 0, wait: wait.min(MOST_WAIT), statfs, crew }
    }

    /// What came of this scrape's call to the target at `at`; `None` if it is late.
    pub(super) fn answer(&self, at: usize) -> Option<Result<Usage, Errno>> {
        self.all.get(at)?.answer
    }

    /// Takes these paths, each with whether it may hang, in the place of those before, and keeps what is known of those
    /// that stay. Gives where each now stands.
    pub(super) fn replace(&mut self, paths: &[(bool, Arc<CStr>)]) -> Vec<usize> {
        let mut old: HashMap<Arc<CStr>, Target> =
            self.all.drain(..).map(|target| (Arc::clone(&target.path), target)).collect();
        // What may hang is asked last, so that it cannot keep the others waiting.
        let mut order: Vec<usize> = (0..paths.len()).collect();
        order.sort_by_key(|&at| paths.get(at).is_some_and(|(remote, _)| *remote));
        let mut places = vec![0; paths.len()];
        for (place, &at) in order.iter().enumerate() {
            if let Some(slot) = places.get_mut(at) {
                *slot = place;
            }
            let Some((_, path)) = paths.get(at) else { continue };
            let target = old.remove(path).unwrap_or_else(|| {
                self.next_id += 1;
                Target::new(self.next_id, path, &self.statfs)
            });
            self.all.push(target);
        }
        // Calls that are out still need a home to come back to, and must not be made a second time.
        self.all.extend(old.into_values().filter(|target| target.call.is_none()));
        places
    }

    /// Asks all targets but those whose last call is still out.
    pub(super) fn ask(&mut self, deadline: Instant) {
        let now = Instant::now();
        for target in &mut self.all {
            target.answer = None;
        }
        // Nothing to do: this only fetches what has come back since the last scrape.
        let back = self.crew.run([], now);
        for call in back.returned {
            put_back(&mut self.all, call);
        }
        let until = deadline.checked_sub(MARGIN).unwrap_or(now).max(now);
        let mut room = MOST_STUCK.saturating_sub(self.all.iter().filter(|target| target.call.is_none()).count());
        for late in [false, true] {
            if late && !self.all.iter().any(|target| target.late && target.call.is_some()) {
                break;
            }
            let until = if late { until.min(Instant::now() + SECOND_CHANCE) } else { until };
            let jobs = self.all.iter_mut().enumerate().filter(|(_, target)| target.late == late);
            let jobs = jobs.filter_map(|(at, target)| {
                if room == 0 {
                    return None;
                }
                let mut call = target.call.take()?;
                call.at = at;
                Some(call)
            });
            let round = self.crew.run_while_some_end(jobs, self.wait, until);
            for call in round.done {
                let answer = call.answer;
                if let Some(target) = put_back(&mut self.all, call) {
                    target.answer = Some(answer);
                    target.late = false;
                }
            }
            for call in round.returned.into_iter().chain(round.skipped) {
                put_back(&mut self.all, call);
            }
            let out = self.all.iter().filter(|target| target.call.is_none()).count();
            room = MOST_STUCK.saturating_sub(out);
        }
        for target in &mut self.all {
            target.late |= target.call.is_none();
        }
    }
}

impl Target {
    fn new(id: u64, path: &Arc<CStr>, statfs: &Arc<Statfs>) -> Self {
        let path = Arc::clone(path);
        let call = Call { id, at: 0, path: Arc::clone(&path), statfs: Arc::clone(statfs), answer: Err(Errno::IO) };
        Self { id, path, call: Some(call), answer: None, late: false }
    }
}

/// Brings a call home; gives its target, or drops the call if the mount is gone.
fn put_back(targets: &mut [Target], call: Call) -> Option<&mut Target> {
    let at = match targets.get(call.at) {
        Some(target) if target.id == call.id => call.at,
        _ => targets.iter().position(|target| target.id == call.id)?,
    };
    let target = targets.get_mut(at)?;
    target.call = Some(call);
    Some(target)
}
