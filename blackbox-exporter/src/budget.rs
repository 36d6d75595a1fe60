//! How much of what peers send is kept by all probes together.
//!
//! * A probe alone has its own limits; a peer behind many targets could have them all at the same time. What is kept for
//!   rules, and what a CEL rule makes of it, is booked here first; who finds no room fails, with a reason that says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::reason::{Failure, Phase, Reason};

/// Bytes that all probes together may keep.
const MOST_BYTES: usize = 256 << 20;

/// What is left.
#[derive(Debug)]
pub struct Budget(AtomicUsize);

impl Default for Budget {
    fn default() -> Self {
        Self(AtomicUsize::new(MOST_BYTES))
    }
}

/// Bytes that are booked; given back when dropped.
#[derive(Debug)]
pub struct Held {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Held {
    /// Nothing yet.
    pub fn nothing(budget: &Arc<Budget>) -> Self {
        Self { budget: Arc::clone(budget), bytes: 0 }
    }

    /// Books further bytes.
    ///
    /// # Errors
    /// All probes together keep too much already.
    pub fn book(&mut self, bytes: usize) -> Result<(), Failure> {
        let booked = self.budget.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        booked.map_err(|_| {
            let what = format!(
                "body: expected room for it, found all probes together keeping {} MiB for their rules",
                MOST_BYTES >> 20
            );
            Failure::new(Phase::Transfer, Reason::BodySize, what)
        })?;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.0.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_booked_comes_back() {
        let budget = Arc::<Budget>::default();
        let mut first = Held::nothing(&budget);
        let mut second = Held::nothing(&budget);
        assert!(first.book(MOST_BYTES - 5).is_ok());
        assert_eq!(second.book(6).unwrap_err().reason, Reason::BodySize);
        assert!(second.book(5).is_ok() && second.book(1).is_err());
        drop(first);
        assert!(second.book(MOST_BYTES - 5).is_ok());
    }
}
