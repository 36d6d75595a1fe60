//! A crew works off jobs that may never come back, without anyone waiting for those.
//!
//! One thread does all the work as long as nothing gets stuck. When a job takes longer than the crew's patience,
//! another thread takes over what is left, and when the deadline passes, the caller goes on without the late job. A
//! stuck job keeps its thread until the kernel lets it go; since a late job is not handed out a second time, there are
//! never more threads than jobs, and none too many once the jobs return.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Something a crew can do.
pub trait Job: Send + 'static {
    /// Does the work; what comes of it stays in the job.
    fn run(&mut self);

    /// Told instead of ending the process when [`run`](Self::run) panicked.
    fn panicked(&mut self, message: String);
}

/// What came of one round.
#[derive(Debug)]
pub struct Round<J> {
    /// Jobs of this round that ran.
    pub done: Vec<J>,
    /// Jobs of earlier rounds that have come back since; they may be handed out again.
    pub returned: Vec<J>,
    /// Jobs of this round that no thread had time for.
    pub skipped: Vec<J>,
}

/// A set of threads that shrinks to one when nothing is stuck.
pub struct Crew<J: Job> {
    shared: Arc<Shared<J>>,
    name: &'static str,
    patience: Duration,
    most_threads: usize,
    round: u64,
}

struct Shared<J> {
    state: Mutex<State<J>>,
    work: Condvar,
    news: Condvar,
}

struct State<J> {
    round: u64,
    queue: VecDeque<J>,
    done: Vec<(u64, J)>,
    /// Jobs of the current round that are neither done nor taken back.
    left: usize,
    idle: usize,
    threads: usize,
    /// The system gave no thread the last time.
    refused: bool,
    closed: bool,
}

impl<J> Shared<J> {
    fn lock(&self) -> MutexGuard<'_, State<J>> {
        // No code that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J: Job> Crew<J> {
    /// A crew whose threads are called `name`; it starts them when there is work, at most `most_threads` of them.
    pub fn new(name: &'static str, patience: Duration, most_threads: usize) -> Self {
        let state = State {
            round: 0,
            queue: VecDeque::new(),
            done: Vec::new(),
            left: 0,
            idle: 0,
            threads: 0,
            refused: false,
            closed: false,
        };
        let shared = Shared { state: Mutex::new(state), work: Condvar::new(), news: Condvar::new() };
        Self { shared: Arc::new(shared), name, patience, most_threads, round: 0 }
    }

    /// Runs `jobs` and gives back what is done by `deadline`; what is not comes back in a later round.
    pub fn run(&mut self, jobs: impl IntoIterator<Item = J>, deadline: Instant) -> Round<J> {
        self.run_while_some_end(jobs, Duration::MAX, deadline)
    }

    /// As [`run`](Self::run), but gives up as soon as no job has ended for as long as `silence`. Many jobs on a slow
    /// machine may take longer than that all together, and none of them is stuck.
    pub fn run_while_some_end(
        &mut self,
        jobs: impl IntoIterator<Item = J>,
        silence: Duration,
        deadline: Instant,
    ) -> Round<J> {
        self.round += 1;
        let mut state = self.shared.lock();
        state.round = self.round;
        state.queue.extend(jobs);
        state.left = state.queue.len();
        if state.left > 0 {
            state = self.wake(state);
        }
        let mut some_ended = Instant::now();
        while state.left > 0 {
            let now = Instant::now();
            let until = some_ended.checked_add(silence).map_or(deadline, |until| until.min(deadline));
            // Without a thread nobody will ever bring news.
            if now >= until || (state.threads == 0 && state.refused) {
                break;
            }
            let before = state.left;
            let wait = self.patience.min(until - now);
            state = self.shared.news.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
            if state.left < before {
                some_ended = Instant::now();
            } else if !state.queue.is_empty() && state.idle == 0 {
                state = self.wake(state);
            }
        }
        let skipped: Vec<J> = state.queue.drain(..).collect();
        state.left = 0;
        let done = std::mem::take(&mut state.done);
        drop(state);
        let mut round = Round { done: Vec::with_capacity(done.len()), returned: Vec::new(), skipped };
        for (of, job) in done {
            if of == self.round { round.done.push(job) } else { round.returned.push(job) }
        }
        round
    }

    /// Threads that exist now, stuck ones included.
    pub fn threads(&self) -> usize {
        self.shared.lock().threads
    }

    /// Wakes an idle thread, or starts one.
    fn wake<'s>(&'s self, mut state: MutexGuard<'s, State<J>>) -> MutexGuard<'s, State<J>> {
        if state.idle > 0 {
            self.shared.work.notify_one();
            return state;
        }
        if state.threads >= self.most_threads {
            return state;
        }
        state.threads += 1;
        drop(state);
        let shared = Arc::clone(&self.shared);
        // The stack holds one collector's call chain and the 8 KiB buffers of a directory listing.
        let builder = std::thread::Builder::new().name(self.name.to_owned()).stack_size(256 << 10);
        let started = builder.spawn(move || work(&shared));
        let mut state = self.shared.lock();
        let refused_before = std::mem::replace(&mut state.refused, started.is_err());
        if let Err(e) = started {
            state.threads -= 1;
            // Once is enough: it is tried again at every turn.
            if !refused_before {
                tracing::error!("no thread for {}: {e}", self.name);
            }
        }
        state
    }
}

impl<J: Job> Drop for Crew<J> {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.work.notify_all();
    }
}

fn work<J: Job>(shared: &Shared<J>) {
    let mut state = shared.lock();
    loop {
        if let Some(mut job) = state.queue.pop_front() {
            let round = state.round;
            drop(state);
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| job.run())) {
                job.panicked(panic_message(panic.as_ref()));
            }
            state = shared.lock();
            state.done.push((round, job));
            if round == state.round && state.left > 0 {
                state.left -= 1;
                if state.left == 0 {
                    shared.news.notify_one();
                }
            }
        } else if state.closed || state.idle > 0 {
            // One idle thread is enough; the others came in for somebody who was stuck.
            break;
        } else {
            state.idle += 1;
            state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }
    state.threads -= 1;
}

/// The text a panic was raised with.
pub fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, channel};

    enum Task {
        Number(u32, Option<String>),
        Slow,
        /// Returns when the other end speaks or goes away.
        Stuck(Receiver<()>),
    }

    impl Job for Task {
        fn run(&mut self) {
            match self {
                Self::Number(13, _) => panic!("thirteen"),
                Self::Number(n, _) => *n += 1,
                Self::Slow => std::thread::sleep(Duration::from_millis(20)),
                Self::Stuck(gate) => drop(gate.recv()),
            }
        }
        fn panicked(&mut self, message: String) {
            if let Self::Number(_, told) = self {
                *told = Some(message);
            }
        }
    }

    fn far() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn one_thread_does_it_all_and_a_panic_is_told() {
        let mut crew = Crew::new("test", Duration::from_secs(60), 8);
        for _ in 0..3 {
            let round = crew.run((11..16).map(|n| Task::Number(n, None)), far());
            let mut got = Vec::new();
            for task in round.done {
                if let Task::Number(n, told) = task {
                    got.push((n, told));
                }
            }
            got.sort();
            let thirteen = (13, Some("thirteen".to_owned()));
            assert_eq!(got, [(12, None), (13, None), thirteen, (15, None), (16, None)]);
            assert_eq!(crew.threads(), 1);
        }
    }

    #[test]
    fn a_stuck_job_costs_itself_alone() {
        let (open, gate) = channel();
        let mut crew = Crew::new("test", Duration::from_millis(1), 8);
        let jobs = std::iter::once(Task::Stuck(gate)).chain((0..5).map(|n| Task::Number(n, None)));
        let round = crew.run(jobs, Instant::now() + Duration::from_millis(200));
        assert_eq!((round.done.len(), round.skipped.len()), (5, 0));
        for _ in 0..20 {
            let round = crew.run((0..5).map(|n| Task::Number(n, None)), far());
            assert_eq!((round.done.len(), round.returned.len()), (5, 0));
            assert_eq!(crew.threads(), 2);
        }
        drop(open);
        // The stuck job comes back in one of the next rounds, and its thread is not needed any more.
        let mut returned = 0;
        while returned == 0 {
            returned += crew.run([Task::Number(0, None)], far()).returned.len();
        }
        while crew.threads() > 1 {
            std::thread::yield_now();
        }
    }

    #[test]
    fn many_that_are_slow_are_not_taken_for_stuck_ones() {
        let silence = Duration::from_millis(500);
        let mut crew = Crew::new("test", Duration::from_secs(60), 1);
        let round = crew.run_while_some_end((0..40).map(|_| Task::Slow), silence, far());
        assert_eq!((round.done.len(), round.skipped.len()), (40, 0));
        let (open, gate) = channel();
        let round = crew.run_while_some_end([Task::Stuck(gate), Task::Slow], silence, far());
        assert_eq!((round.done.len(), round.skipped.len()), (0, 1));
        drop(open);
    }

    #[test]
    fn threads_are_bounded() {
        let (open, gates): (Vec<_>, Vec<_>) = (0..4).map(|_| channel::<()>()).unzip();
        let mut crew = Crew::new("test", Duration::from_millis(1), 2);
        let round = crew.run(gates.into_iter().map(Task::Stuck), Instant::now() + Duration::from_millis(100));
        assert_eq!((round.done.len(), round.skipped.len(), crew.threads()), (0, 2, 2));
        drop(open);
    }

    #[test]
    fn nothing_to_do_is_done_at_once() {
        let mut crew: Crew<Task> = Crew::new("test", Duration::from_secs(60), 1);
        assert_eq!(crew.run([], far()).done.len(), 0);
        assert_eq!(crew.threads(), 0);
    }
}
