//! Which connections exist, which of them wait for their client, and since when.
//!
//! A connection is *waiting* while no request of it is being answered: between requests, in a handshake, with half a
//! request. It is also waiting while the client does not take the answer: its socket is full, or an HTTP/2 client gives
//! the streams no window. When the house is full, the one that has
//! waited longest goes in favour of the newcomer, so neither idle nor half-open connections lock Prometheus out; only
//! answers in the making are never given up. Answers that are not taken cost memory: of those few are kept.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

type Id = u64;

/// All connections of one server.
#[derive(Default)]
pub(super) struct Connections {
    list: Mutex<List>,
    /// Someone left or began to wait.
    room: Notify,
    /// Most of a crowd has left.
    left: Notify,
}

/// Answers that may wait for their clients at a time. Each is kept in memory as long, and no more are made at a time.
const MOST_BLOCKED: usize = 40;
/// From here on the connections are a crowd, whose memory is worth giving back.
const CROWD: usize = 32;
/// A crowd has left when one in so many is still here.
const MOST_OF: usize = 4;

#[derive(Default)]
struct List {
    next: Id,
    entries: HashMap<Id, Entry>,
    /// Those that wait, the longest first.
    waiting: BTreeSet<(Instant, Id)>,
    /// Those of them that wait with an answer for the client to take.
    blocked: BTreeSet<(Instant, Id)>,
    /// The most there were since a crowd left.
    peak: usize,
}

impl List {
    /// Takes one out, its task for the caller to end; gone from the count at once.
    fn remove(&mut self, id: Id) -> Option<AbortHandle> {
        let entry = self.entries.remove(&id)?;
        self.forget_wait(id, entry.wait);
        entry.task
    }

    fn forget_wait(&mut self, id: Id, wait: Option<Wait>) {
        if let Some(wait) = wait {
            self.waiting.remove(&(wait.since, id));
            self.blocked.remove(&(wait.since, id));
        }
    }

    /// Whether little is left of a crowd; true once for each.
    fn crowd_left(&mut self) -> bool {
        let left = self.peak >= CROWD && self.entries.len() <= self.peak / MOST_OF;
        if left {
            self.peak = self.entries.len();
        }
        left
    }
}

#[derive(Default)]
struct Entry {
    wait: Option<Wait>,
    task: Option<AbortHandle>,
}

/// A connection's wait for its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wait {
    since: Instant,
    /// With an answer that the client does not take.
    blocked: bool,
}

impl Connections {
    /// Registers a newcomer, which waits from now on.
    pub(super) fn enter(self: &Arc<Self>) -> Arc<Slot> {
        let now = Instant::now();
        let mut list = self.list();
        let id = list.next;
        list.next += 1;
        list.entries.insert(id, Entry { wait: Some(Wait { since: now, blocked: false }), task: None });
        list.peak = list.peak.max(list.entries.len());
        list.waiting.insert((now, id));
        let state = SlotState {
            in_flight: 0,
            making: 0,
            served: false,
            multiplexed: false,
            quiet_since: now,
            progress_at: now,
            blocked_since: None,
        };
        Arc::new(Slot { id, house: Arc::clone(self), state: Mutex::new(state) })
    }

    /// Ends the connection that has waited longest; `false` when none waits.
    pub(super) fn evict(&self) -> bool {
        let mut list = self.list();
        while let Some(&(_, id)) = list.waiting.first() {
            // The task itself ends at the next turn of the runtime.
            if let Some(task) = list.remove(id) {
                task.abort();
                return true;
            }
        }
        false
    }

    /// Ends every connection, and says how many there were.
    pub(super) fn evict_all(&self) -> usize {
        let mut list = self.list();
        list.waiting.clear();
        list.blocked.clear();
        let entries = std::mem::take(&mut list.entries);
        entries.values().filter_map(|entry| entry.task.as_ref()).for_each(AbortHandle::abort);
        entries.len()
    }

    pub(super) fn count(&self) -> usize {
        self.list().entries.len()
    }

    /// Resolves when the count fell or a connection began to wait since the last call.
    pub(super) async fn change(&self) {
        self.room.notified().await;
    }

    /// Resolves when most of a crowd has left since the last call.
    pub(super) async fn crowd_left(&self) {
        self.left.notified().await;
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_wait(&self, id: Id, wait: Option<Wait>) {
        let mut list = self.list();
        let Some(entry) = list.entries.get_mut(&id) else {
            return;
        };
        let before = std::mem::replace(&mut entry.wait, wait);
        if before == wait {
            return;
        }
        list.forget_wait(id, before);
        let Some(Wait { since, blocked }) = wait else {
            return;
        };
        list.waiting.insert((since, id));
        if blocked {
            list.blocked.insert((since, id));
        }
        if list.blocked.len() > MOST_BLOCKED
            && let Some(&(_, longest)) = list.blocked.first()
            && let Some(task) = list.remove(longest)
        {
            task.abort();
        }
        drop(list);
        self.room.notify_one();
    }
}

/// One connection's place in the house; dropping it leaves.
pub(super) struct Slot {
    id: Id,
    house: Arc<Connections>,
    state: Mutex<SlotState>,
}

struct SlotState {
    /// Requests whose answers are not finished.
    in_flight: u32,
    /// Those of them whose handlers still run.
    making: u32,
    /// Some answer was finished.
    served: bool,
    /// HTTP/2: an answer can be stuck while the socket is not.
    multiplexed: bool,
    /// The last change while nothing was in flight: accepted, first byte, answer finished.
    quiet_since: Instant,
    /// The last time a handler ended or a piece of an answer was taken.
    progress_at: Instant,
    /// The client takes nothing of what we write.
    blocked_since: Option<Instant>,
}

/// How long a connection may be in each kind of wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// With nothing in flight, before any answer.
    pub(super) first: Duration,
    /// With nothing in flight, after an answer.
    pub(super) quiet: Duration,
    /// With a client that takes nothing.
    pub(super) blocked: Duration,
}

impl Slot {
    /// Tells whose task to end on eviction.
    pub(super) fn runs_in(&self, task: AbortHandle) {
        if let Some(entry) = self.house.list().entries.get_mut(&self.id) {
            entry.task = Some(task);
        }
    }

    /// Bytes of a new request have come.
    pub(super) fn request_begins(&self) {
        let mut state = self.state();
        state.quiet_since = Instant::now();
        self.publish(&state);
    }

    /// A whole request head is here; its answer is finished when the guard is dropped.
    pub(super) fn answering(self: &Arc<Self>) -> Answering {
        let mut state = self.state();
        state.in_flight += 1;
        state.making += 1;
        self.publish(&state);
        Answering { slot: Arc::clone(self), making: true }
    }

    /// What the last write did: the client took something, or nothing.
    pub(super) fn wrote(&self, blocked: bool) {
        let mut state = self.state();
        match (blocked, state.blocked_since) {
            (true, None) => state.blocked_since = Some(Instant::now()),
            (false, Some(_)) => state.blocked_since = None,
            _ => return,
        }
        self.publish(&state);
    }

    /// From now on requests come several at a time.
    pub(super) fn multiplexed(&self) {
        self.state().multiplexed = true;
    }

    /// Whether answers were given and nothing is left to do.
    pub(super) fn is_resting(&self) -> bool {
        let state = self.state();
        state.served && state.in_flight == 0 && state.blocked_since.is_none()
    }

    /// Starts a new round: [`Self::is_resting`] is false until the next answer is finished.
    pub(super) fn new_round(&self) {
        self.state().served = false;
    }

    /// When patience with the client ends; `None` while we are the ones who work.
    pub(super) fn deadline(&self, patience: Patience) -> Option<Instant> {
        let state = self.state();
        if let Some(since) = state.blocked_since {
            return since.checked_add(patience.blocked);
        }
        if let Some(since) = state.stuck_since() {
            return since.checked_add(patience.blocked);
        }
        let limit = if state.served { patience.quiet } else { patience.first };
        (state.in_flight == 0).then(|| state.quiet_since.checked_add(limit)).flatten()
    }

    fn state(&self) -> MutexGuard<'_, SlotState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, state: &SlotState) {
        let wait = match state.blocked_since.or(state.stuck_since()) {
            Some(since) => Some(Wait { since, blocked: true }),
            None => (state.in_flight == 0).then_some(Wait { since: state.quiet_since, blocked: false }),
        };
        self.house.set_wait(self.id, wait);
    }
}

impl SlotState {
    /// Since when every answer waits for the client's window.
    fn stuck_since(&self) -> Option<Instant> {
        (self.multiplexed && self.in_flight > 0 && self.making == 0).then_some(self.progress_at)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut list = self.house.list();
        // The task is the one that drops this.
        let _own = list.remove(self.id);
        let crowd_left = list.crowd_left();
        drop(list);
        self.house.room.notify_one();
        if crowd_left {
            self.house.left.notify_one();
        }
    }
}

/// An answer in the making.
pub(super) struct Answering {
    slot: Arc<Slot>,
    making: bool,
}

impl Answering {
    /// The handler ended, or a piece of the answer was taken.
    pub(super) fn progress(&mut self) {
        let mut state = self.slot.state();
        if std::mem::take(&mut self.making) {
            state.making = state.making.saturating_sub(1);
        } else if !state.multiplexed {
            return;
        }
        state.progress_at = Instant::now();
        self.slot.publish(&state);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.progress();
        let mut state = self.slot.state();
        state.in_flight = state.in_flight.saturating_sub(1);
        state.served = true;
        state.quiet_since = Instant::now();
        self.slot.publish(&state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patience() -> Patience {
        let seconds = Duration::from_secs;
        Patience { first: seconds(10), quiet: seconds(300), blocked: seconds(30) }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_longest_goes_first() {
        let house = Arc::new(Connections::default());
        let idle = || tokio::spawn(std::future::pending::<()>());
        let (one, two, three) = (house.enter(), house.enter(), house.enter());
        let tasks = [idle(), idle(), idle()];
        for (slot, task) in [&one, &two, &three].into_iter().zip(&tasks) {
            slot.runs_in(task.abort_handle());
        }
        let answer = one.answering();
        assert!(house.evict());
        assert_eq!(house.count(), 2);
        drop(answer);
        tokio::time::advance(Duration::from_secs(1)).await;
        three.request_begins();
        assert!(house.evict());
        let [task_one, task_two, task_three] = tasks;
        assert!(task_one.await.unwrap_err().is_cancelled() && task_two.await.unwrap_err().is_cancelled());
        assert!(!task_three.is_finished());
        let _answer = three.answering();
        assert!(!house.evict(), "an answer in the making stays");
        three.wrote(true);
        assert!(house.evict(), "unless the client does not take it");
        drop((one, two));
        assert_eq!(house.count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn of_answers_that_are_not_taken_few_are_kept() {
        let house = Arc::new(Connections::default());
        let slots: Vec<Arc<Slot>> = (0..MOST_BLOCKED + 3).map(|_| house.enter()).collect();
        let idle = |slot: &Arc<Slot>| {
            let task = tokio::spawn(std::future::pending::<()>());
            slot.runs_in(task.abort_handle());
            task
        };
        let tasks: Vec<_> = slots.iter().map(idle).collect();
        for slot in &slots {
            tokio::time::advance(Duration::from_secs(1)).await;
            slot.wrote(true);
        }
        tokio::task::yield_now().await;
        let ended = tasks.iter().filter(|task| task.is_finished()).count();
        assert_eq!((ended, house.count()), (3, MOST_BLOCKED));
        assert!(tasks.iter().take(3).all(|task| task.is_finished()), "those that took nothing for longest");
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_that_left_is_told_once() {
        let house = Arc::new(Connections::default());
        let told = || tokio::time::timeout(Duration::from_secs(1), house.crowd_left());
        drop(house.enter());
        assert!(told().await.is_err(), "one is no crowd");
        let mut crowd: Vec<_> = (0..CROWD).map(|_| house.enter()).collect();
        crowd.truncate(CROWD / 2);
        assert!(told().await.is_err(), "half of it is here");
        crowd.truncate(1);
        assert!(told().await.is_ok());
        drop(crowd);
        assert!(told().await.is_err(), "once");
    }

    #[tokio::test(start_paused = true)]
    async fn deadlines() {
        let house = Arc::new(Connections::default());
        let (slot, start) = (house.enter(), Instant::now());
        let after = |slot: &Slot| slot.deadline(patience()).map(|at| (at - start).as_secs());
        assert_eq!(after(&slot), Some(10));
        let answer = slot.answering();
        assert_eq!(after(&slot), None);
        slot.wrote(true);
        assert_eq!(after(&slot), Some(30));
        slot.wrote(false);
        drop(answer);
        assert!(slot.is_resting());
        assert_eq!(after(&slot), Some(300));
        slot.new_round();
        assert!(!slot.is_resting());
        assert_eq!(after(&slot), Some(10));

        slot.multiplexed();
        let mut answer = slot.answering();
        assert_eq!(after(&slot), None);
        answer.progress();
        assert_eq!(after(&slot), Some(30));
        tokio::time::advance(Duration::from_secs(5)).await;
        answer.progress();
        assert_eq!(after(&slot), Some(35));
        let _second = slot.answering();
        assert_eq!(after(&slot), None);
    }
}
