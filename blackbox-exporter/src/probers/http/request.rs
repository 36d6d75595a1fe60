//! What is sent: request line, headers, body.
//!
//! * By default Host, User-Agent, and on HTTP/1 `Connection: close`; nothing else comes of itself.
//! * `headers` set a header, `http_headers` add to it; `Host`, `User-Agent`, `Content-Length`, `Transfer-Encoding` and
//!   `Trailer` have their own rules.
//! * Go's choice between two spellings of one header is random; here the last one of the file counts.

use std::convert::Infallible;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use common::watched::read_bounded;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri, Version};

use super::target::Url;
use crate::config;
use crate::reason::{Failure, Phase, Reason};

/// How the exporter calls itself.
pub(super) fn user_agent() -> &'static str {
    concat!("Blackbox-Exporter/", env!("CARGO_PKG_VERSION"))
}

/// The body of a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Payload {
    bytes: Bytes,
    /// Whether it is sent in chunks, and only once: it came from a file.
    chunked: bool,
    sent: bool,
}

impl Payload {
    /// A body with a length.
    pub(super) fn sized(bytes: Bytes) -> Self {
        Self { bytes, chunked: false, sent: false }
    }

    /// A body in chunks.
    pub(super) fn chunked(bytes: Bytes) -> Self {
        Self { bytes, chunked: true, sent: false }
    }

    /// Its bytes.
    pub(super) fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// Whether a redirect can be given the body again.
    pub(super) fn is_repeatable(&self) -> bool {
        !self.chunked
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.sent || self.bytes.is_empty() {
            return Poll::Ready(None);
        }
        self.sent = true;
        Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.bytes)))))
    }

    fn is_end_stream(&self) -> bool {
        !self.chunked && self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if self.chunked { SizeHint::default() } else { SizeHint::with_exact(self.bytes.len() as u64) }
    }
}

/// Bytes of a `body_file`.
const MOST_FILE_BYTES: u64 = 64 << 20;

/// Reads a `body_file`.
pub(super) async fn body_file(path: &Path) -> Result<Payload, Failure> {
    let path = path.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        // What is no regular file could keep the thread for ever.
        read_bounded(&path, MOST_FILE_BYTES).map_err(|e| format!("body_file {}: {e}", path.display()))
    });
    let bytes =
        read.await.unwrap_or_else(|_| Err("body_file: could not be read".to_owned())).map_err(Failure::module)?;
    Ok(Payload::chunked(bytes.into()))
}

/// The headers of a module, as far as they do not depend on the round trip.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) body: Payload,
}

/// The method of a module.
pub(super) fn method(text: &str) -> Result<Method, Failure> {
    let text = if text.is_empty() { "GET" } else { text };
    Method::from_bytes(text.as_bytes())
        .map_err(|_| Failure::module("method: expected a word of letters, found characters that no method has"))
}

fn unsendable(name: &str) -> Failure {
    Failure::new(Phase::Setup, Reason::Module, format!("headers: {name:?} or its value cannot be sent"))
}

/// A header as it is sent, white space around it left out.
pub(super) fn field(name: &str, value: &[u8]) -> Result<(HeaderName, HeaderValue), Failure> {
    let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unsendable(name))?;
    if value.iter().any(|b| matches!(b, b'\r' | b'\n')) {
        return Err(unsendable(name));
    }
    let value = HeaderValue::from_bytes(value.trim_ascii()).map_err(|_| unsendable(name))?;
    Ok((key, value))
}

/// The `Host` of a module's `headers`.
pub(super) fn host_override(headers: &[(String, String)]) -> Option<&str> {
    headers.iter().rev().find(|(name, _)| name.eq_ignore_ascii_case("host")).map(|(_, value)| value.as_str())
}

/// Headers that every round trip has; files are read.
pub(super) fn headers(http: &config::Http) -> Result<HeaderMap, Failure> {
    let mut map = HeaderMap::new();
    map.insert(header::USER_AGENT, HeaderValue::from_static(user_agent()));
    for (name, value) in &http.headers {
        let own_rules = ["host", "content-length", "transfer-encoding", "trailer"];
        if own_rules.iter().any(|rule| name.eq_ignore_ascii_case(rule)) {
            continue;
        }
        let is_empty = value.is_empty();
        let (key, value) = field(name, value.as_bytes())?;
        if key == header::USER_AGENT && is_empty {
            map.remove(key);
            continue;
        }
        map.insert(key, value);
    }
    // They belong to a client that HTTP/3 has no use for.
    let further = if http.enable_http3 { &[] } else { http.client.http_headers.as_slice() };
    for (name, values) in further {
        let secrets = values.secrets.iter().map(|secret| secret.0.as_str());
        for value in values.values.iter().map(String::as_str).chain(secrets) {
            let (key, value) = field(name, value.as_bytes())?;
            map.append(key, value);
        }
        for path in &values.files {
            let text = crate::given::read_file(path)?;
            let (key, mut value) = field(name, &text)?;
            value.set_sensitive(true);
            map.append(key, value);
        }
    }
    Ok(map)
}

/// How a request is written on its connection.
pub(super) struct Form<'a> {
    pub(super) url: &'a Url,
    /// What the `Host` header says.
    pub(super) host: &'a str,
    pub(super) http2: bool,
    /// `Proxy-Authorization`, for a proxy that takes the request itself; `Some(None)` for one without user.
    pub(super) through: Option<Option<String>>,
}

impl Template {
    /// The request of one round trip.
    pub(super) fn request(&self, form: &Form<'_>) -> Result<Request<Payload>, Failure> {
        let whole = form.http2 || form.through.is_some();
        let uri = if whole {
            format!("{}://{}{}", form.url.scheme(), form.host, form.url.path).parse::<Uri>()
        } else {
            form.url.path.parse::<Uri>()
        };
        let uri = uri.map_err(|_| Failure::target("expected a URL that a request line can hold"))?;
        let mut request = Request::new(self.body.clone());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        let mut headers = self.headers.clone();
        if form.http2 {
            *request.version_mut() = Version::HTTP_2;
            for name in ["connection", "keep-alive", "proxy-connection", "upgrade"] {
                headers.remove(name);
            }
        } else {
            headers.insert(header::HOST, field("Host", form.host.as_bytes())?.1);
            headers.append(header::CONNECTION, HeaderValue::from_static("close"));
            if self.body.chunked && !self.body.bytes.is_empty() {
                // Unless it is told, hyper leaves out what a GET or a HEAD has in chunks.
                headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
        }
        if let Some(Some(authorization)) = &form.through {
            headers.insert(header::PROXY_AUTHORIZATION, field("Proxy-Authorization", authorization.as_bytes())?.1);
        }
        let announces = matches!(self.method.as_str(), "POST" | "PUT" | "PATCH");
        if let Some(length) = self.body.size_hint().exact().filter(|length| *length > 0 || announces) {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        *request.headers_mut() = headers;
        Ok(request)
    }
}
