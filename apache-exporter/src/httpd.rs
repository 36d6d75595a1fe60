//! One httpd: asked for its status, judged, remembered only as far as counters and the log need it.
//!
//! * One GET per scrape over one kept connection; redirects are not followed.
//! * A status is an answer 200 that [`status::parse`] takes; everything else is a failure with a [`Reason`].
//! * Nothing of an answer outlives its page, so nothing stale is ever served.
//! * Differs from the Go exporter: `apache_up` is 0 for everything that is no status, and a scrape ends in time.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use common::exposition::Page;
use common::source::Standing;
use common::upstream::{Failure, Fetched, Reason, Tally, TlsOptions, Upstream, Url};
use hyper::header::HeaderMap;

use crate::metrics::{self, Groups, Scrape, StartTime};
use crate::status::{self, Status};

/// The largest status seen in the wild is a tenth of this.
const MOST_BYTES: usize = 4 << 20;
/// One is enough: an httpd with the prefork module gives a whole process to each.
const KEPT_CONNECTIONS: usize = 1;

/// One server and what is known of it across scrapes.
pub struct Httpd {
    upstream: Upstream,
    memory: Mutex<Memory>,
}

struct Memory {
    tally: Tally,
    start: StartTime,
    standing: Standing,
    /// Whether the log has been told that ExtendedStatus is off.
    told_not_extended: bool,
}

/// What came of one scrape, not yet read.
pub struct Visit {
    fetched: Result<Fetched, Failure>,
    took: Duration,
}

impl Httpd {
    /// A server; nothing is opened yet.
    ///
    /// Fails when the URL's credentials or a header cannot be sent, with one sentence.
    pub fn new(url: Url, headers: HeaderMap, options: &TlsOptions) -> Result<Self, String> {
        let standing = Standing::new(url.to_string());
        let upstream = Upstream::new(url, headers, options, KEPT_CONNECTIONS, MOST_BYTES)?;
        let memory =
            Memory { tally: Tally::default(), start: StartTime::default(), standing, told_not_extended: false };
        Ok(Self { upstream, memory: Mutex::new(memory) })
    }

    /// How it fared last.
    pub fn standing(&self) -> Standing {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).standing.clone()
    }

    /// Asks for the status, once.
    pub async fn visit(&self, deadline: Instant) -> Visit {
        let started = Instant::now();
        let fetched = self.upstream.get(&self.upstream.url().path, deadline).await;
        Visit { fetched, took: started.elapsed() }
    }

    /// Reads what came of a visit, counts and logs it, and writes it to a page; gives whether it was a status.
    pub fn encode(&self, visit: Visit, groups: Groups, page: &mut Page) -> bool {
        let http_status = visit.fetched.as_ref().ok().map(|fetched| fetched.status.as_u16());
        let result = judge(visit.fetched);
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let trouble = match &result {
            Ok(status) => status.faults.first().map(|fault| (Reason::Parse, format!("line {fault}"))),
            Err(trouble) => Some(trouble.clone()),
        };
        if let Some((reason, _)) = &trouble {
            memory.tally.count(*reason);
        }
        memory.standing.note(visit.took, trouble);
        metrics::encode_outcome(result.is_ok(), &memory.tally, page);
        let scrape = Scrape { valid: result.is_ok(), duration_seconds: visit.took.as_secs_f64(), http_status };
        metrics::encode_scrape(&scrape, groups, page);
        let Ok(status) = &result else { return false };
        if !status.extended && !std::mem::replace(&mut memory.told_not_extended, true) {
            tracing::info!(
                target = memory.standing.name,
                "ExtendedStatus is off: httpd tells nothing about accesses, traffic, CPU time and uptime"
            );
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let now = memory.start.steady(status, now);
        metrics::encode(status, groups, now, page);
        true
    }
}

impl Visit {
    /// Bytes there are to read.
    pub fn bytes(&self) -> usize {
        self.fetched.as_ref().map_or(0, |fetched| fetched.body.len())
    }
}

/// Tells a status from everything else.
fn judge(fetched: Result<Fetched, Failure>) -> Result<Status, (Reason, String)> {
    let fetched = fetched.map_err(|failure| (failure.kind.into(), failure.what))?;
    if fetched.status != hyper::StatusCode::OK {
        let mut what = format!("expected HTTP status 200, found {}", fetched.status);
        let location = fetched.header("location");
        if !location.is_empty() {
            what.push_str(&format!(" to {location:?}: redirects are not followed"));
        }
        return Err((Reason::HttpStatus, what));
    }
    let mut status = status::parse(&fetched.body).map_err(|other| (metrics::reason(&other), other.to_string()))?;
    let server = fetched.header("server");
    status.server_header = (!server.is_empty()).then(|| server.to_owned());
    Ok(status)
}
