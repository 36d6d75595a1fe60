//! Waiting for a condition under a deadline that only a broken program reaches.

use std::thread;
use std::time::{Duration, Instant};

/// Long enough for a busy two-core machine; no test asserts that anything is faster.
pub const DEADLINE: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(50);

/// Asks again and again until the answer is `Ok`; at the deadline it panics with the last `Err`.
#[track_caller]
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let started = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(last) if started.elapsed() > DEADLINE => {
                panic!("waited {DEADLINE:?} until {what}; last: {last}")
            }
            Err(_) => thread::sleep(PAUSE),
        }
    }
}
