//! What is served where: the metrics, the landing page and the health of the program.
//!
//! * `<telemetry path>`: the metrics.
//! * `/probe`: the metrics of a target, where the program knows targets.
//! * `/`: the landing page, unless the telemetry path is `/`.
//! * `/-/healthy`, `/-/ready`: 200, without running a scrape.
//! * What the program adds.
//! * Everything else: 404; a path with `//` or `/./` is sent to its clean form.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, LOCATION, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::any;
use tokio::sync::Semaphore;

use crate::body::Pieces;
use crate::instruments::Instruments;
use crate::landing::Landing;
use crate::negotiate;
use crate::source::{Asked, Endpoint, Own, Source};

/// A program's metrics and what is needed to serve them.
pub struct Service {
    /// Heading of the landing page.
    pub title: &'static str,
    /// One sentence below it.
    pub about: &'static str,
    /// Path of the metrics, beginning with `/`.
    pub metrics_path: String,
    /// What answers.
    pub source: Arc<dyn Source>,
    /// What the program says about itself.
    pub own: Arc<Own>,
    /// Scrapes that may be answered at a time; `None` for any number.
    pub slots: Option<Semaphore>,
    /// What `slots` began with, for the message.
    pub most_requests: usize,
    /// Kept back from the client's time limit, so that the answer still arrives.
    pub timeout_offset: Duration,
    /// Time limit of a client that does not tell one.
    pub default_timeout: Duration,
}

/// The routes of a program.
pub fn router(service: &Arc<Service>) -> Router {
    let path = service.metrics_path.clone();
    let mut router = Router::new().route("/-/healthy", any(health)).route("/-/ready", any(health));
    if path != "/" {
        router = router.route("/", any(landing));
    }
    if let Some(probe) = service.source.probe_path().filter(|probe| *probe != path) {
        router = router.route(probe, any(probe_page));
    }
    let further = Arc::clone(&service.source).routes();
    router.route(&path, any(metrics_page)).with_state(Arc::clone(service)).merge(further).fallback(lost)
}

/// The route of the metrics alone, for a program that arranges the others itself.
pub fn metrics_route(service: &Arc<Service>) -> Router {
    Router::new().route(&service.metrics_path, any(metrics_page)).with_state(Arc::clone(service))
}

async fn health(State(service): State<Arc<Service>>) -> Response {
    text(StatusCode::OK, format!("{} is healthy.\n", service.title))
}

async fn landing(State(service): State<Arc<Service>>) -> Html<String> {
    let standings = service.source.standings();
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
pub fn clean_path(path: &str) -> String {
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

/// An answer for people, in plain text.
pub fn text(status: StatusCode, body: String) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff")),
    ];
    (status, headers, body).into_response()
}

async fn metrics_page(State(service): State<Arc<Service>>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    page(&service, Endpoint::Metrics, &method, &uri, &headers).await
}

async fn probe_page(State(service): State<Arc<Service>>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    page(&service, Endpoint::Probe, &method, &uri, &headers).await
}

async fn page(service: &Service, endpoint: Endpoint, method: &Method, uri: &Uri, headers: &HeaderMap) -> Response {
    let started = Instant::now();
    let instruments = service.own.instruments.as_ref();
    let answered = |status: StatusCode| {
        if let Some(instruments) = instruments {
            instruments.answered(status.as_u16());
        }
    };
    let _slot = match service.slots.as_ref().map(Semaphore::try_acquire) {
        Some(Err(_)) => {
            let most = service.most_requests;
            answered(StatusCode::SERVICE_UNAVAILABLE);
            return text(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("{most} scrapes are being answered already, the most that --web.max-requests allows"),
            );
        }
        slot => slot,
    };
    let limit = negotiate::time_limit(headers, service.timeout_offset, service.default_timeout);
    let format = negotiate::format(headers);
    let gzip = negotiate::gzip(headers);
    let query = uri.query().unwrap_or_default().to_owned();
    let asked = Asked { endpoint, query, deadline: started + limit, format, gzip, is_seen: *method != Method::HEAD };
    let _in_flight = instruments.map(Instruments::begin);
    let answer = match Arc::clone(&service.source).answer(asked, Arc::clone(&service.own)).await {
        Ok(answer) => answer,
        Err(refusal) => {
            answered(refusal.status);
            return text(refusal.status, refusal.reason);
        }
    };
    if let Some(instruments) = instruments {
        instruments.scraped(started.elapsed());
        if answer.refused {
            instruments.left_out();
        }
    }
    answered(StatusCode::OK);
    let mut response = Response::new(axum::body::Body::new(Pieces::new(answer.body)));
    let out = response.headers_mut();
    if let Ok(value) = HeaderValue::try_from(negotiate::content_type(headers, format)) {
        out.insert(CONTENT_TYPE, value);
    }
    out.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if gzip {
        out.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

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
