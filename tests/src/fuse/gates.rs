//! What becomes of each call, and those that wait.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use tokio::sync::oneshot;

use super::{Answer, Call};

/// A call at an inode.
pub(super) type At = (u64, Call);

#[derive(Debug, Default)]
pub(super) struct Gates(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    answers: HashMap<At, Answer>,
    calls: HashMap<At, usize>,
    /// By the number of the request. Dropped, it tells the call that it was interrupted.
    waiting: HashMap<u64, (At, oneshot::Sender<()>)>,
}

impl Gates {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, at: At, answer: Answer) {
        let mut state = self.lock();
        state.answers.insert(at, answer);
        if answer != Answer::Never {
            for (_, (_, gate)) in state.waiting.extract_if(|_, (waits_at, _)| *waits_at == at) {
                // The call may have been interrupted a moment ago.
                let _ = gate.send(());
            }
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    pub(super) fn calls(&self, at: At) -> usize {
        self.lock().calls.get(&at).copied().unwrap_or_default()
    }

    pub(super) fn open_all(&self) {
        let mut state = self.lock();
        state.answers.clear();
        state.waiting.clear();
    }

    /// Returns when the call is to be answered with the truth; else its error.
    pub(super) async fn pass(&self, request: u64, at: At) -> Result<(), Errno> {
        let gate = {
            let mut state = self.lock();
            let calls = state.calls.entry(at).or_default();
            *calls += 1;
            let odd = *calls % 2 == 1;
            match state.answers.get(&at) {
                Some(Answer::Refusal(errno)) => return Err(*errno),
                Some(Answer::EveryOther(errno)) if odd => return Err(*errno),
                Some(Answer::Never) => {
                    let (gate, opened) = oneshot::channel();
                    state.waiting.insert(request, (at, gate));
                    opened
                }
                _ => return Ok(()),
            }
        };
        gate.await.map_err(|_| Errno::INTR)
    }

    /// Ends a call that waits. One that is not known has not come yet, or is done: the kernel is to ask again, and does
    /// so only if it has not come.
    pub(super) fn interrupt(&self, request: u64) -> Result<(), Errno> {
        self.lock().waiting.remove(&request).map(drop).ok_or(Errno::AGAIN)
    }
}
