//! What is served where.
//!
//! * `/probe`, `/metrics`, `/config`, `/logs`, `/-/healthy`, `/-/ready`, `/-/reload`; every other path is the landing page, and one
//!   with `//` or `..` is sent to its clean form.
//! * All of it stands under a prefix, if there is one: what is outside is not found, but for `/`, which leads inside.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_TYPE, LOCATION, VARY};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::any;
use common::exposition::Format;
use common::http::{Service, clean_path, metrics_route, text};
use common::negotiate::{self, TIMEOUT_HEADER};
use common::source::Source;
use tower::{ServiceExt, service_fn};

use crate::exporter::{Exporter, ProbeRequest};
use crate::landing;
use crate::request::first;

/// Where everything stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// `/`, or a path between slashes.
    path: String,
    /// Where `/` leads when it is outside.
    entrance: String,
}

impl Prefix {
    /// From `--web.route-prefix`, if it was given, and `--web.external-url`.
    ///
    /// # Errors
    /// The URL is none, with what was expected.
    pub fn new(route_prefix: Option<&str>, external_url: &str) -> Result<Self, String> {
        let wrong = || format!("expected a URL such as http://probes.example/blackbox, found {external_url:?}");
        if external_url.starts_with(['"', '\'']) || external_url.ends_with(['"', '\'']) {
            return Err(format!("{}, with quotes around it", wrong()));
        }
        let external: Uri = match external_url {
            "" => Uri::from_static("/"),
            // Without a scheme it is host and path.
            url if !url.contains("://") && !url.starts_with('/') => {
                format!("http://{url}").parse().map_err(|_| wrong())?
            }
            url => url.parse().map_err(|_| wrong())?,
        };
        let bare = |path: &str| path.trim_matches('/').to_owned();
        let path = match bare(route_prefix.unwrap_or(external.path())).as_str() {
            "" => "/".to_owned(),
            path => format!("/{path}/"),
        };
        let entrance = match external_url {
            "" => path.clone(),
            url => url.trim_end_matches('/').to_owned(),
        };
        Ok(Self { path, entrance })
    }

    /// Puts `inner` under the prefix.
    fn around(self, inner: Router) -> Router {
        if self.path == "/" {
            return inner;
        }
        let prefix = Arc::new(self);
        Router::new().fallback_service(service_fn(move |mut request: Request| {
            let (prefix, inner) = (Arc::clone(&prefix), inner.clone());
            async move {
                let path = request.uri().path();
                let moved = |status: StatusCode, to: &str| match HeaderValue::try_from(to) {
                    Ok(to) => (status, [(LOCATION, to)]).into_response(),
                    Err(_) => status.into_response(),
                };
                let Some(rest) = path.strip_prefix(prefix.path.as_str()) else {
                    return Ok::<_, Infallible>(match path {
                        "/" => moved(StatusCode::FOUND, &prefix.entrance),
                        path if format!("{path}/") == prefix.path => moved(StatusCode::MOVED_PERMANENTLY, &prefix.path),
                        path if clean_path(path) != path => moved(StatusCode::MOVED_PERMANENTLY, &clean_path(path)),
                        _ => text(StatusCode::NOT_FOUND, "404 page not found\n".to_owned()),
                    });
                };
                let query = request.uri().query().map_or(String::new(), |query| format!("?{query}"));
                match format!("/{rest}{query}").parse() {
                    Ok(uri) => *request.uri_mut() = uri,
                    Err(_) => return Ok(StatusCode::BAD_REQUEST.into_response()),
                }
                inner.oneshot(request).await
            }
        }))
    }
}

/// All routes.
pub fn router(exporter: Arc<Exporter>, service: &Arc<Service>, prefix: Prefix) -> Router {
    let own = Router::new()
        .route("/probe", any(probe))
        .route("/logs", any(logs))
        .route("/config", any(config))
        .route("/-/healthy", any(async || text(StatusCode::OK, "Healthy".to_owned())))
        .route("/-/ready", any(async || text(StatusCode::OK, "Ready".to_owned())))
        .route("/-/reload", any(reload))
        .fallback(other)
        .with_state(exporter);
    prefix.around(own.merge(metrics_route(service)))
}

async fn probe(State(exporter): State<Arc<Exporter>>, uri: Uri, headers: HeaderMap) -> Response {
    let query = uri.query().unwrap_or_default();
    let timeout = match headers.get(TIMEOUT_HEADER).map(HeaderValue::to_str) {
        Some(Ok(text)) => Some(text),
        // No number, whatever it is.
        Some(Err(_)) => Some("?"),
        None => None,
    };
    let (query, timeout) = (query.to_owned(), timeout.map(str::to_owned));
    let (gzip, content_type) = (negotiate::gzip(&headers), negotiate::content_type(&headers, Format::Text));
    // They share the buffer of the connection, which then serves for the next read.
    drop((uri, headers));
    let record = match exporter.probe(ProbeRequest { query: &query, timeout: timeout.as_deref() }).await {
        Ok(record) => record,
        Err(refusal) => return text(refusal.status, refusal.reason),
    };
    if first(&query, "debug").as_deref() == Some("true") {
        return ([(CONTENT_TYPE, HeaderValue::from_static("text/plain"))], record.debug_text()).into_response();
    }
    let mut response = if gzip {
        let packed = exporter.packed(&record.page);
        ([(CONTENT_ENCODING, HeaderValue::from_static("gzip"))], packed).into_response()
    } else {
        record.page.clone().into_response()
    };
    let out = response.headers_mut();
    // OpenMetrics is not offered here, as the Go exporter does not: a probe's page is as old as its answer.
    if let Ok(value) = HeaderValue::try_from(content_type) {
        out.insert(CONTENT_TYPE, value);
    }
    out.insert(VARY, HeaderValue::from_name(ACCEPT_ENCODING));
    response
}

async fn logs(State(exporter): State<Arc<Exporter>>, uri: Uri) -> Response {
    let query = uri.query().unwrap_or_default();
    let of = |key: &str| first(query, key).filter(|value| !value.is_empty());
    let (id, target, module) = (of("id").and_then(|id| id.parse().ok()), of("target"), of("module"));
    let bad = |what: &str| text(StatusCode::BAD_REQUEST, format!("{what}\n"));
    let found = match (id, target) {
        (Some(_), Some(_)) => return bad("give the id or the target of a probe, not both"),
        (Some(_), None) if module.is_some() => return bad("a module goes with a target, not with an id"),
        (Some(id), None) => exporter.history().by_id(id),
        (None, Some(target)) => exporter.history().newest_of(&target, module.as_deref()),
        (None, None) => return bad("give the id of a probe, from 0, or its target"),
    };
    match found {
        Some(record) => ([(CONTENT_TYPE, HeaderValue::from_static("text/plain"))], record.debug_text()).into_response(),
        None => text(StatusCode::NOT_FOUND, "no such probe is kept\n".to_owned()),
    }
}

async fn config(State(exporter): State<Arc<Exporter>>) -> Response {
    let shown = exporter.settings().current().shown.clone();
    ([(CONTENT_TYPE, HeaderValue::from_static("text/plain"))], shown).into_response()
}

async fn reload(State(exporter): State<Arc<Exporter>>, method: Method) -> Response {
    if method != Method::POST {
        let told = text(StatusCode::METHOD_NOT_ALLOWED, "this takes a POST\n".to_owned());
        return ([(ALLOW, HeaderValue::from_static("POST"))], told).into_response();
    }
    match exporter.reload() {
        Some(Err(what)) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("failed to reload config: {what}\n")),
        _ => StatusCode::OK.into_response(),
    }
}

async fn other(State(exporter): State<Arc<Exporter>>, uri: Uri) -> Response {
    let clean = clean_path(uri.path());
    if clean == uri.path() {
        return Html(landing::html(&exporter)).into_response();
    }
    let query = uri.query().map_or(String::new(), |query| format!("?{query}"));
    match HeaderValue::try_from(format!("{clean}{query}")) {
        Ok(to) => (StatusCode::MOVED_PERMANENTLY, [(LOCATION, to)]).into_response(),
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        for (route, url, path, entrance) in [
            (None, "", "/", "/"),
            (None, "http://ex", "/", "http://ex"),
            (None, "http://ex/foo/", "/foo/", "http://ex/foo"),
            (Some("/"), "http://ex/foo/", "/", "http://ex/foo"),
            (Some("a/b"), "", "/a/b/", "/a/b/"),
            (Some("//a//"), "http://ex:9115/", "/a/", "http://ex:9115"),
            (None, "ex/foo", "/foo/", "ex/foo"),
        ] {
            let want = Prefix { path: path.to_owned(), entrance: entrance.to_owned() };
            assert_eq!(Prefix::new(route, url), Ok(want), "{route:?} {url}");
        }
        for bad in ["\"http://ex/\"", "'x", "http://a b/", "http://[::1"] {
            assert!(Prefix::new(None, bad).is_err(), "{bad}");
        }
    }
}
