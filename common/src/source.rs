//! What stands behind the web face: something that answers scrapes, and how it is asked.
//!
//! Node-exporter reads its kernel on a thread ([`Turns`](crate::scrape::Turns)); the exporters that ask another program
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

    /// Reads the configuration again, on SIGHUP. `None` when there is nothing to read; the source logs what came of it.
    fn reload(&self) -> Option<Result<(), String>> {
        None
    }
}
