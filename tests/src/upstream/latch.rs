//! A door that is shut until a test opens it: order without sleeping.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::wait::DEADLINE;

/// Shut when new; once open it stays open. Clones are the same door.
#[derive(Debug, Clone, Default)]
pub struct Latch {
    door: Arc<(Mutex<bool>, Condvar)>,
}

impl Latch {
    /// A shut one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets everybody through, now and later.
    pub fn open(&self) {
        let (open, changed) = &*self.door;
        *open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }

    /// Blocks until it is open, at most until the deadline of a test: a forgotten latch leaves no thread behind.
    pub fn wait(&self) {
        let (open, changed) = &*self.door;
        let open = open.lock().unwrap_or_else(PoisonError::into_inner);
        // Which of the two it was makes no difference to a door.
        drop(changed.wait_timeout_while(open, DEADLINE, |open| !*open));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn holds_until_it_is_opened() {
        let (latch, (passed, passes)) = (Latch::new(), mpsc::channel());
        let waiting = latch.clone();
        let waiter = thread::spawn(move || {
            waiting.wait();
            passed.send(()).unwrap();
        });
        assert!(passes.try_recv().is_err(), "went through a shut door");
        latch.open();
        passes.recv_timeout(DEADLINE).unwrap();
        waiter.join().unwrap();
        latch.wait();
    }
}
