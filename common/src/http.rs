//! What is served where: the metrics, the landing page and the health of the program.
//!
//! * `<telemetry path>`: the metrics, `collect[]` and `exclude[]` choose collectors.
//! * `/`: the landing page, unless the telemetry path is `/`.
//! * `/-/healthy`, `/-/ready`: 200, without running a scrape.
//! * Everything else: 404; a path with `//` or `/./` is sent to its clean form.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, LOCATION, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::any;
use tokio::sync::{Semaphore, oneshot};

use crate::crew::panic_message;
use crate::exposition::Page;
use crate::instruments::Instruments;
use crate::landing::Landing;
use crate::scrape::{Answer, Engine, Request};
use crate::{build_info, negotiate};

/// A program's metrics and what is needed to serve them.
pub struct Service {
    /// Heading of the landing page.
    pub title: &'static str,
    /// One sentence below it.
    pub about: &'static str,
    /// Name in `<exporter>_build_info`.
    pub exporter: &'static str,
    /// Path of the metrics, beginning with `/`.
    pub metrics_path: String,
    /// The collectors that run.
    pub engine: Engine,
    /// Names of the collectors that are built but switched off, to tell them from names nobody knows.
    pub switched_off: Vec<&'static str>,
    /// Own instruments; `None` with `--web.disable-exporter-metrics`.
    pub instruments: Option<Instruments>,
    /// Scrapes that may be answered at a time; `None` for any number.
    pub slots: Option<Semaphore>,
    /// What `slots` began with, for the message.
    pub most_requests: usize,
    /// Kept back from the client's time limit, so that the answer still arrives.
    pub timeout_offset: Duration,
    /// Time limit of a client that does not tell one.
    pub default_timeout: Duration,
}

/// A scrape that waits for its turn on the thread that reads the kernel.
struct Turn {
    request: Request,
    answer: oneshot::Sender<Option<Answer>>,
}

/// What the routes share.
#[derive(Clone)]
struct Shared {
    service: Arc<Service>,
    turns: mpsc::Sender<Turn>,
}

/// The routes of a program, and the one thread on which its scrapes take turns; it ends with the routes.
///
/// Fails when the system gives no thread.
pub fn router(service: Arc<Service>) -> io::Result<Router> {
    let (turns, queue) = mpsc::channel::<Turn>();
    let worker = Arc::clone(&service);
    // The stack holds the join of the pages and the compressor's call chain.
    thread::Builder::new().name("scrape".to_owned()).stack_size(512 << 10).spawn(move || work(&worker, &queue))?;
    Ok(routes(Shared { service, turns }))
}

/// Answers scrapes until nobody can ask any more.
fn work(service: &Service, queue: &mpsc::Receiver<Turn>) {
    for Turn { request, answer } in queue {
        // Nobody waits for the answer of a client that has gone.
        if answer.is_closed() {
            continue;
        }
        let page = catch_unwind(AssertUnwindSafe(|| service.engine.scrape(&request, |page| service.own_series(page))));
        match page {
            Ok(page) => drop(answer.send(page)),
            Err(panic) => tracing::error!(err = panic_message(panic.as_ref()), "a scrape panicked"),
        }
    }
}

fn routes(shared: Shared) -> Router {
    let service = Arc::clone(&shared.service);
    let path = service.metrics_path.clone();
    let mut router = Router::new().route("/-/healthy", any(health)).route("/-/ready", any(health));
    if path != "/" {
        router = router.route("/", any(landing));
    }
    router.route(&path, any(metrics)).fallback(any(lost)).with_state(shared)
}

async fn health(State(Shared { service, .. }): State<Shared>) -> Response {
    text(StatusCode::OK, format!("{} is healthy.\n", service.title))
}

async fn landing(State(Shared { service, .. }): State<Shared>) -> Html<String> {
    let standings = service.engine.standings();
    let landing = Landing {
        title: service.title,
        about: service.about,
        metrics_path: &service.metrics_path,
        standings: &standings,
    };
    Html(landing.html())
}

async fn lost(uri: Uri) -> Response {
    let clean = clean_path(uri.path());
    if clean != uri.path() {
        let query = uri.query().map_or(String::new(), |query| format!("?{query}"));
        if let Ok(location) = HeaderValue::try_from(format!("{clean}{query}")) {
            return (StatusCode::MOVED_PERMANENTLY, [(LOCATION, location)]).into_response();
        }
    }
    text(StatusCode::NOT_FOUND, "404 page not found\n".to_owned())
}

/// The path without empty and `.` parts, `..` resolved; a slash at the end stays.
pub(crate) fn clean_path(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let mut clean = format!("/{}", parts.join("/"));
    if path.ends_with('/') && clean.len() > 1 {
        clean.push('/');
    }
    clean
}

fn text(status: StatusCode, body: String) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff")),
    ];
    (status, headers, body).into_response()
}

async fn metrics(State(Shared { service, turns }): State<Shared>, uri: Uri, headers: HeaderMap) -> Response {
    let started = Instant::now();
    let only = match select(uri.query().unwrap_or_default(), service.engine.names(), &service.switched_off) {
        Ok(only) => only,
        Err(reason) => {
            tracing::warn!(err = reason, "bad choice of collectors");
            return text(StatusCode::BAD_REQUEST, reason);
        }
    };
    let _slot = match service.slots.as_ref().map(Semaphore::try_acquire) {
        Some(Err(_)) => {
            let most = service.most_requests;
            answered(&service, StatusCode::SERVICE_UNAVAILABLE);
            return text(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("{most} scrapes are being answered already, the most that --web.max-requests allows"),
            );
        }
        slot => slot,
    };
    let limit = negotiate::time_limit(&headers, service.timeout_offset, service.default_timeout);
    let format = negotiate::format(&headers);
    let gzip = negotiate::gzip(&headers);
    let request = Request { only, deadline: started + limit, format, gzip };
    let _in_flight = service.instruments.as_ref().map(Instruments::begin);
    // The kernel is read on a thread of its own; this one goes on serving.
    let (answer, page) = oneshot::channel();
    let _ended_with_the_program = turns.send(Turn { request, answer }).is_err();
    let answer = match page.await {
        Ok(Some(answer)) => answer,
        Ok(None) => {
            answered(&service, StatusCode::SERVICE_UNAVAILABLE);
            return text(StatusCode::SERVICE_UNAVAILABLE, "earlier scrapes took all the time this one had".to_owned());
        }
        Err(_) => {
            answered(&service, StatusCode::INTERNAL_SERVER_ERROR);
            return text(StatusCode::INTERNAL_SERVER_ERROR, "the scrape failed, the log says why".to_owned());
        }
    };
    if let Some(instruments) = &service.instruments {
        instruments.scraped(started.elapsed());
        if answer.refused {
            instruments.left_out();
        }
    }
    answered(&service, StatusCode::OK);
    let mut response = answer.body.into_response();
    let out = response.headers_mut();
    if let Ok(value) = HeaderValue::try_from(negotiate::content_type(&headers, format)) {
        out.insert(CONTENT_TYPE, value);
    }
    out.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if gzip {
        out.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

fn answered(service: &Service, status: StatusCode) {
    if let Some(instruments) = &service.instruments {
        instruments.answered(status.as_u16());
    }
}

impl Service {
    /// Adds what the program says about itself.
    pub fn own_series(&self, page: &mut Page) {
        build_info::encode(self.exporter, page);
        if let Some(instruments) = &self.instruments {
            instruments.encode(page);
        }
    }
}

/// The collectors a query asks for, by position; `None` for all of them.
///
/// `collect[]` names those to run, `exclude[]` those to leave out; names that do not run here are an error in the
/// first and nothing in the second. Excluding every collector is as good as no choice.
pub(crate) fn select(query: &str, names: &[&'static str], off: &[&'static str]) -> Result<Option<Vec<usize>>, String> {
    let (mut collect, mut exclude) = (Vec::new(), Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        match decode(key).as_str() {
            "collect[]" => collect.push(decode(value)),
            "exclude[]" => exclude.push(decode(value)),
            _ => {}
        }
    }
    if !collect.is_empty() && !exclude.is_empty() {
        return Err("collect[] and exclude[] cannot be combined: give one of them".to_owned());
    }
    if !collect.is_empty() {
        let position = |name: &String| {
            let at = names.iter().position(|known| known == name);
            let why = if off.iter().any(|known| known == name) { "disabled" } else { "missing" };
            at.ok_or_else(|| format!("collect[]: {why} collector: {name}"))
        };
        return collect.iter().map(position).collect::<Result<_, _>>().map(Some);
    }
    let left: Vec<usize> = (0..names.len())
        .filter(|&at| names.get(at).is_some_and(|name| !exclude.iter().any(|excluded| excluded == name)))
        .collect();
    Ok((!exclude.is_empty() && !left.is_empty()).then_some(left))
}

/// Percent-decoding of one part of a query; what is not an escape stays as it is.
fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        let hex = |b: Option<u8>| char::from(b?).to_digit(16);
        match b {
            b'+' => out.push(b' '),
            b'%' => {
                let ahead = bytes.clone();
                match (hex(bytes.next()), hex(bytes.next())) {
                    (Some(high), Some(low)) => out.push((high * 16 + low) as u8),
                    _ => {
                        out.push(b);
                        bytes = ahead;
                    }
                }
            }
            b => out.push(b),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collectors_are_chosen_as_in_the_go_exporter() {
        let names = ["cpu", "stat", "time"];
        let of = |query: &str| select(query, &names, &["perf"]);
        assert_eq!(of(""), Ok(None));
        assert_eq!(of("x=y&name[]=z"), Ok(None));
        assert_eq!(of("collect[]=time&collect%5B%5D=cpu"), Ok(Some(vec![2, 0])));
        assert_eq!(of("exclude[]=stat&exclude[]=nope"), Ok(Some(vec![0, 2])));
        assert_eq!(of("exclude[]=cpu&exclude[]=stat&exclude[]=time"), Ok(None));
        assert_eq!(of("collect[]=x&collect[]=y"), Err("collect[]: missing collector: x".to_owned()));
        assert_eq!(of("collect[]=perf"), Err("collect[]: disabled collector: perf".to_owned()));
        assert_eq!(of("collect[]="), Err("collect[]: missing collector: ".to_owned()));
        assert!(of("collect[]=nope&exclude[]=cpu").unwrap_err().contains("combined"));
    }

    #[test]
    fn queries_are_decoded() {
        assert_eq!(decode("a%5b+%2"), "a[ %2");
        assert_eq!(decode("%zz%41"), "%zzA");
        assert_eq!(decode("%ff"), "\u{FFFD}");
    }

    #[test]
    fn paths_are_cleaned() {
        for (path, want) in [
            ("//metrics", "/metrics"),
            ("/./metrics", "/metrics"),
            ("/a/../b/", "/b/"),
            ("/", "/"),
            ("/..", "/"),
            ("/x/", "/x/"),
        ] {
            assert_eq!(clean_path(path), want);
        }
    }
}
