//! What stands behind the web face: something that answers scrapes, and how it is asked.
//!
//! Node-exporter reads its kernel on a thread ([`Turns`](crate::turns::Turns)); the exporters that ask another program
//! over the network await its answer on the runtime. The web face cannot tell which it serves.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use hyper::StatusCode;

use crate::body::Body;
use crate::build_info;
use crate::exposition::{Format, Page};
use crate::instruments::Instruments;
use crate::upstream::Reason;

/// Which page is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// The program's own page.
    Metrics,
    /// The page of a target that the query names.
    Probe,
}

/// A scrape, as the web face understood it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Which page.
    pub endpoint: Endpoint,
    /// The query, still encoded; [`crate::query`] takes it apart.
    pub query: String,
    /// When the answer has to be on its way.
    pub deadline: Instant,
    /// The text format.
    pub format: Format,
    /// Whether to compress the body.
    pub gzip: bool,
    /// Whether whoever asks gets to see the page: with HEAD nobody does.
    pub is_seen: bool,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The page, compressed if that was wanted.
    pub body: Body,
    /// Whether a series or a family had to be left out.
    pub refused: bool,
    /// Whether everything that was asked had something to say or nothing to complain about.
    pub complete: bool,
}

/// No page, and why.
#[derive(Debug)]
pub struct Refusal {
    /// The status of the answer.
    pub status: StatusCode,
    /// One line for the client.
    pub reason: String,
}

impl Refusal {
    /// The request makes no sense.
    pub fn bad_request(reason: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, reason: reason.into() }
    }
}

/// An answer to come.
pub type Answering = Pin<Box<dyn Future<Output = Result<Answer, Refusal>> + Send>>;

/// How a part (a collector, an upstream) fared the last time.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Name of the part.
    pub name: String,
    /// Time it took; `None` before its first run.
    pub took: Option<Duration>,
    /// What it had to complain about; `None` when all was well.
    pub complaint: Option<String>,
    /// Whether the complaint is only that there is nothing of this kind.
    pub no_data: bool,
}

impl Standing {
    /// A part that was not asked yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), took: None, complaint: None, no_data: false }
    }

    /// Notes how an upstream fared, and logs it when that is another story than the last time.
    pub fn note(&mut self, took: Duration, trouble: Option<(Reason, String)>) {
        let (target, duration_seconds) = (self.name.as_str(), took.as_secs_f64());
        let complaint = trouble.as_ref().map(|(reason, what)| format!("{}: {what}", reason.as_str()));
        match &trouble {
            None if self.complaint.is_some() => tracing::info!(target, duration_seconds, "upstream is well again"),
            None => tracing::debug!(target, duration_seconds, "upstream answered"),
            // The time it took, or the number of bytes, may differ each time; the story is the same.
            Some((reason, what)) if self.complaint.as_deref().is_some_and(|last| same_story(last, reason.as_str())) => {
                tracing::debug!(
                    target,
                    reason = reason.as_str(),
                    err = what,
                    duration_seconds,
                    "upstream failed again"
                );
            }
            Some((reason, what)) => {
                tracing::error!(target, reason = reason.as_str(), err = what, duration_seconds, "upstream failed");
            }
        }
        self.took = Some(took);
        self.complaint = complaint;
        self.no_data = false;
    }
}

/// Whether a complaint is about the same reason.
fn same_story(complaint: &str, reason: &str) -> bool {
    complaint.strip_prefix(reason).is_some_and(|rest| rest.starts_with(':'))
}

/// What a program says about itself on every page of its own.
pub struct Own {
    /// Name in `<exporter>_build_info`.
    pub exporter: &'static str,
    /// Own instruments; `None` with `--web.disable-exporter-metrics`.
    pub instruments: Option<Instruments>,
}

impl Own {
    /// Adds it to a page.
    pub fn encode(&self, page: &mut Page) {
        build_info::encode(self.exporter, page);
        if let Some(instruments) = &self.instruments {
            instruments.encode(page);
        }
    }
}

/// Answers beyond this are read on a thread that may block: the others go on being served meanwhile.
const MOST_INLINE_BYTES: usize = 256 << 10;

/// Runs `work`, which has `bytes` to read: here when they are few, on a thread that may block when they are many.
pub async fn inline_or_blocking<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    if bytes <= MOST_INLINE_BYTES {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|e| {
        tracing::error!(err = %e, "a page could not be made");
        Refusal { status: StatusCode::INTERNAL_SERVER_ERROR, reason: "the scrape failed, the log says why".to_owned() }
    })
}

/// Something that answers scrapes.
pub trait Source: Send + Sync {
    /// Makes a page; `own` is for the page of the program itself.
    fn answer(self: Arc<Self>, asked: Asked, own: Arc<Own>) -> Answering;

    /// How the parts fared last, for the landing page and the log.
    fn standings(&self) -> Vec<Standing>;

    /// Where [`Endpoint::Probe`] is served; nowhere unless this says so.
    fn probe_path(&self) -> Option<&'static str> {
        None
    }

    /// Further routes of this program.
    fn routes(self: Arc<Self>) -> Router {
        Router::new()
    }

    /// Whether root is whom it is made for, as what it reads is root's alone. Others warn when root starts them.
    fn is_for_root(&self) -> bool {
        false
    }

    /// Reads the configuration again, on SIGHUP. `None` when there is nothing to read; the source logs what came of it.
    fn reload(&self) -> Option<Result<(), String>> {
        None
    }

    /// Called once nobody can ask any more, before the program ends.
    fn end(&self) {}
}
