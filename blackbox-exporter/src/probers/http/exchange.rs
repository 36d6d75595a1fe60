//! One round trip: a connection, a request, the head of the answer; then its body, piece by piece.
//!
//! * HTTP/1.0, 1.1 (RFC 9112) and, where TLS agreed on it, 2 (RFC 9113). The connection is worked here, in the task of the
//!   probe: whoever drops the answer closes it.
//! * Interim answers are skipped. The head may have 10 MiB; buffers begin with 8 KiB.
//! * What Go takes and this does not: a status line with `HTTP/1.2` or a status below 100, an empty
//!   `Content-Length`, more than 400 headers. The other way round, an empty line before the status line does no harm here.

use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Context;
use std::time::Instant;

use hyper::body::{Body as _, Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::{HeaderMap, Method, Response, Version, header};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;

use super::dial::Opened;
use super::http3;
use super::request::{Form, Payload, Template};
use super::stream::{FirstByte, Timed};
use super::target::Url;
use super::tunnel;
use crate::reason::{Failure, Phase, Progress, Reason};
use crate::tls;

/// Bytes of the head of an answer.
const MOST_HEAD_BYTES: usize = 10 << 20;
/// Headers of an answer.
const MOST_HEADERS: usize = 400;
/// What a peer may send ahead over HTTP/2.
const WINDOW_BYTES: u32 = 256 << 10;

/// The head of an answer.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) version: Version,
    pub(super) headers: HeaderMap,
    /// Declared length of the body.
    pub(super) length: Option<u64>,
}

/// The body of an answer, and the connection it comes over.
pub(super) enum Body {
    /// It comes over a connection.
    Wire(Box<(Incoming, Driver)>),
    /// It comes over QUIC.
    Quic(Box<http3::Answer>),
    /// It is here already.
    #[cfg(test)]
    Whole(Bytes),
}

type Working = Pin<Box<dyn Future<Output = Result<(), hyper::Error>> + Send>>;

/// Does the work of a connection whenever its probe waits for it.
pub(super) struct Driver {
    working: Option<Working>,
    /// What HTTP/2 does beside it.
    tasks: Tasks,
}

impl Driver {
    fn poll(&mut self, cx: &mut Context<'_>) {
        if let Some(working) = &mut self.working
            && working.as_mut().poll(cx).is_ready()
        {
            self.working = None;
        }
    }

    async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        poll_fn(|cx| {
            self.poll(cx);
            work.as_mut().poll(cx)
        })
        .await
    }
}

/// Tasks that end with their owner.
#[derive(Clone, Default)]
struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, work: F) {
        if let Ok(mut tasks) = self.0.lock() {
            tasks.spawn(work);
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Ok(mut tasks) = self.tasks.0.lock() {
            tasks.abort_all();
        }
    }
}

impl Body {
    /// The next bytes; `None` is the end.
    pub(super) async fn piece(&mut self) -> Option<Result<Bytes, Failure>> {
        let (incoming, driver) = match self {
            #[cfg(test)]
            Self::Whole(bytes) if bytes.is_empty() => return None,
            #[cfg(test)]
            Self::Whole(bytes) => return Some(Ok(std::mem::take(bytes))),
            Self::Quic(answer) => return answer.piece().await,
            Self::Wire(wire) => &mut **wire,
        };
        loop {
            let frame = poll_fn(|cx| {
                driver.poll(cx);
                Pin::new(&mut *incoming).poll_frame(cx)
            });
            match frame.await? {
                Ok(frame) => match frame.into_data() {
                    Ok(bytes) => return Some(Ok(bytes)),
                    // Trailers.
                    Err(_) => continue,
                },
                Err(e) => return Some(Err(in_body(&e))),
            }
        }
    }
}

/// Sends a request over an open connection and waits for the head of the answer.
pub(super) async fn exchange(
    opened: Opened,
    template: &Template,
    url: &Url,
    host: &str,
    first: &FirstByte,
    progress: &Progress,
) -> Result<(Head, Body), Failure> {
    progress.enter(Phase::Request);
    let through = opened.through.as_ref().map(tunnel::authorization);
    let request = template.request(&Form { url, host, http2: opened.http2, through })?;
    let is_head = request.method() == Method::HEAD;
    let tasks = Tasks::default();
    let (response, driver) = if opened.http2 {
        let mut builder = http2::Builder::new(tasks.clone());
        builder
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .max_header_list_size(u32::try_from(MOST_HEAD_BYTES).unwrap_or(u32::MAX));
        let shaking = Box::pin(builder.handshake(TokioIo::new(opened.stream)));
        let (mut sender, working) = shaking.await.map_err(|e| in_head(&e))?;
        let mut driver = Driver { working: Some(Box::pin(working)), tasks };
        let response = driver.during(sender.send_request(request)).await;
        // The first bytes of the connection are its settings: the answer begins with its head.
        first.get_or_init(Instant::now);
        (response, driver)
    } else {
        let stream = TokioIo::new(Timed::new(opened.stream, Arc::clone(first)));
        let mut builder = http1::Builder::new();
        builder
            .title_case_headers(true)
            .max_headers(MOST_HEADERS)
            .max_buf_size(MOST_HEAD_BYTES)
            .allow_obsolete_multiline_headers_in_responses(true)
            .ignore_invalid_headers_in_responses(true);
        let (mut sender, working) = builder.handshake::<_, Payload>(stream).await.map_err(|e| in_head(&e))?;
        let mut driver = Driver { working: Some(Box::pin(working)), tasks };
        let response = driver.during(sender.send_request(request)).await;
        (response, driver)
    };
    let response = response.map_err(|e| in_head(&e))?;
    let wrong = |what| Err(Failure::new(Phase::Request, Reason::Protocol, what));
    if response.version() == Version::HTTP_11 && is_encoded(response.headers()) {
        return wrong("answer: expected no Transfer-Encoding but chunked, found another one");
    }
    // The answer to a HEAD has no body whose length would have been looked at already.
    if is_head && !has_one_length(response.headers()) {
        return wrong("answer: expected one Content-Length, found something else");
    }
    Ok(split(response, driver, is_head))
}

/// Whether a body is encoded in a way that nobody asked for: it could not be told where it ends.
fn is_encoded(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(header::TRANSFER_ENCODING).iter();
    encodings.any(|encoding| !encoding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"))
}

/// Whether all that is said about the length is the same number.
fn has_one_length(headers: &HeaderMap) -> bool {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else { return true };
    declared_length(headers).is_some() && lengths.all(|length| length == first)
}

fn split(response: Response<Incoming>, driver: Driver, is_head: bool) -> (Head, Body) {
    let (parts, incoming) = response.into_parts();
    let status = parts.status.as_u16();
    let declared = declared_length(&parts.headers);
    let length = match status {
        _ if is_head => declared,
        101 | 204 | 304 => Some(0),
        _ => incoming.size_hint().exact(),
    };
    let head = Head { status, version: parts.version, headers: parts.headers, length };
    (head, Body::Wire(Box::new((incoming, driver))))
}

/// The same over QUIC.
pub(super) async fn exchange_quic(
    peer: http3::Peer<'_>,
    template: &Template,
    url: &Url,
    host: &str,
    times: &http3::Times,
    progress: &Progress,
) -> Result<(Head, Body), Failure> {
    // As with HTTP/2, no header speaks of connections.
    let request = template.request(&Form { url, host, http2: true, through: None })?;
    let is_head = request.method() == Method::HEAD;
    let (response, answer) = http3::exchange(peer, request.map(Payload::into_bytes), times, progress).await?;
    let (parts, ()) = response.into_parts();
    let status = parts.status.as_u16();
    let declared = declared_length(&parts.headers);
    let length = if matches!(status, 101 | 204 | 304) && !is_head { Some(0) } else { declared };
    let head = Head { status, version: Version::HTTP_3, headers: parts.headers, length };
    Ok((head, Body::Quic(Box::new(answer))))
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// What an error before the answer means.
fn in_head(e: &hyper::Error) -> Failure {
    let at = |reason, what: &str| Failure::new(Phase::Request, reason, what);
    if e.is_parse_too_large() {
        return at(Reason::Protocol, "answer: expected a head of at most 10 MiB and 400 headers, found a larger one");
    }
    if e.is_parse() {
        return at(Reason::Protocol, "answer: expected HTTP, found something else");
    }
    if e.is_user() {
        return at(Reason::Module, "request: it cannot be sent as it is configured");
    }
    if cause(e).is_some() {
        return tls::read_failure(e, Phase::Request);
    }
    if e.is_incomplete_message() || e.is_canceled() || e.is_closed() {
        return at(Reason::Closed, "answer: expected HTTP, found the end of the connection");
    }
    Failure::new(Phase::Request, Reason::Protocol, format!("answer: {e}"))
}

/// What an error in a body means.
fn in_body(e: &hyper::Error) -> Failure {
    if cause(e).is_some_and(|e| e.kind() == io::ErrorKind::InvalidInput) {
        return Failure::new(Phase::Transfer, Reason::Protocol, "body: expected chunks, found something else");
    }
    if cause(e).is_some_and(|e| e.kind() != io::ErrorKind::UnexpectedEof) {
        return tls::read_failure(e, Phase::Transfer);
    }
    if e.is_incomplete_message() || e.is_body_write_aborted() || cause(e).is_some() {
        return Failure::new(Phase::Transfer, Reason::CutShort, "body: it ended before its length");
    }
    Failure::new(Phase::Transfer, Reason::Protocol, format!("body: {e}"))
}

/// The error of the connection beneath one of HTTP.
fn cause(e: &hyper::Error) -> Option<&io::Error> {
    let mut source = e.source();
    while let Some(e) = source {
        if let Some(e) = e.downcast_ref::<io::Error>() {
            return Some(e);
        }
        source = e.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full};
    use hyper::Request;
    use hyper::server::conn::http2 as server;
    use hyper::service::service_fn;

    use super::*;

    fn template(method: Method, body: &'static str) -> Template {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONNECTION, header::HeaderValue::from_static("x"));
        Template { method, headers, body: Payload::sized(Bytes::from_static(body.as_bytes())) }
    }

    async fn rest(body: &mut Body) -> Result<usize, Reason> {
        let mut n = 0;
        while let Some(piece) = body.piece().await {
            n += piece.map_err(|failure| failure.reason)?.len();
        }
        Ok(n)
    }

    #[tokio::test]
    async fn http2() {
        let (ours, theirs) = tokio::io::duplex(4 << 10);
        let serving = tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| async move {
                let (parts, body) = request.into_parts();
                assert_eq!(parts.uri.to_string(), "https://own.test/x?y");
                assert!(parts.headers.get(header::HOST).is_none() && parts.headers.get(header::CONNECTION).is_none());
                let n = body.collect().await.map_or(0, |body| body.to_bytes().len());
                Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from(vec![b'x'; n * 100_000]))))
            });
            server::Builder::new(Tasks::default()).serve_connection(TokioIo::new(theirs), service).await
        });
        let opened = Opened { stream: Box::new(ours), http2: true, through: None, tls: true };
        let url = Url::of_target("https://h/x?y", false).unwrap();
        let (first, progress) = (FirstByte::default(), Progress::default());
        let template = template(Method::POST, "abc");
        let (head, mut body) = exchange(opened, &template, &url, "own.test", &first, &progress).await.unwrap();
        assert_eq!((head.status, head.version, head.length), (200, Version::HTTP_2, Some(300_000)));
        assert!(first.get().is_some());
        assert_eq!(rest(&mut body).await, Ok(300_000));
        drop(body);
        drop(serving.await);
    }

    #[tokio::test]
    async fn http1() {
        for (bytes, want) in [
            (&b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"[..], Ok((200, Some(5), Ok(5)))),
            (b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nB : c\r\n\r\nhello", Ok((200, None, Ok(5)))),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", Ok((200, Some(9), Err(Reason::CutShort)))),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Ok((200, None, Err(Reason::Protocol)))),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", Err(Reason::Protocol)),
            (b"HTTP/1.2 200 OK\r\n\r\n", Err(Reason::Protocol)),
            (b"", Err(Reason::Closed)),
            (b"HTTP/1.1 200 OK\r\nA: b", Err(Reason::Closed)),
        ] {
            let (ours, mut theirs) = tokio::io::duplex(64 << 10);
            tokio::io::AsyncWriteExt::write_all(&mut theirs, bytes).await.unwrap();
            tokio::io::AsyncWriteExt::shutdown(&mut theirs).await.unwrap();
            let opened = Opened { stream: Box::new(ours), http2: false, through: None, tls: false };
            let url = Url::of_target("http://h/", false).unwrap();
            let (first, progress) = (FirstByte::default(), Progress::default());
            let template = template(Method::GET, "");
            let got = match exchange(opened, &template, &url, "h", &first, &progress).await {
                Ok((head, mut body)) => Ok((head.status, head.length, rest(&mut body).await)),
                Err(failure) => Err(failure.reason),
            };
            assert_eq!(got, want, "{}", String::from_utf8_lossy(bytes));
        }
    }
}
