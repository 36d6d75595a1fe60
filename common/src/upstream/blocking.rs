//! The same for callers with a thread that may block: each call has a runtime of its own, which ends with it.
//!
//! Making one takes less time than the question, and nothing of it stays open in between.

use std::io;
use std::net::IpAddr;
use std::time::Instant;

use tokio::runtime::Builder;

use super::{Failure, Fetched, Kind, Upstream, dial};

/// As [`Upstream::post`]. An upstream that is asked in this way cannot keep connections.
///
/// Must not be called where futures run.
pub fn post(upstream: &Upstream, path: &str, body: &'static [u8], deadline: Instant) -> Result<Fetched, Failure> {
    let asked = block_on(upstream.post(path, body, deadline));
    asked.map_err(|e| Failure::new(Kind::Connect, e)).and_then(|found| found)
}

/// As [`dial::resolve`], by `deadline`.
///
/// Must not be called where futures run. Fails with one sentence.
pub fn resolve(host: &str, deadline: Instant) -> Result<Vec<IpAddr>, String> {
    let late = |_| Err(format!("no address for {host} in time"));
    let asked = async { tokio::time::timeout_at(deadline.into(), dial::resolve(host)).await.unwrap_or_else(late) };
    block_on(asked).map_err(|e| e.to_string()).and_then(|found| found)
}

fn block_on<F: Future>(work: F) -> io::Result<F::Output> {
    Ok(Builder::new_current_thread().enable_all().build()?.block_on(work))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn names_without_a_runtime() {
        let deadline = Instant::now() + Duration::from_secs(60);
        assert_eq!(resolve("127.0.0.7", deadline), Ok(vec!["127.0.0.7".parse().unwrap()]));
        assert!(resolve("localhost", deadline).unwrap().iter().all(IpAddr::is_loopback));
    }
}
