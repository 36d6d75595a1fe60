//! Asking another program over HTTP: one request under a deadline, with a cap on what comes back.
//!
//! * Connections are kept and used again; how many, the caller says. A kept one that turns out to be closed before a
//!   byte of the answer came is replaced once, anything else is the answer: nothing is asked twice.
//! * No compression is asked for, which spares both sides its work; gzip is taken from those who compress all the same.
//! * Redirects are not followed: an exporter asks one place.
//! * [`Kind`] says where it went wrong, for metrics; [`Failure`] says what, for people.

pub mod blocking;
pub mod dial;
pub mod dns;
pub mod reason;
pub mod tls;
pub mod url;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::time::timeout_at;
use tokio_rustls::TlsConnector;

use crate::gzip::{self, Packed};
use crate::sandbox::Need;

pub use reason::{Reason, Tally};
pub use tls::{Pem, TlsOptions};
pub use url::{Place, Url};

/// Bytes read in one go at most; documents of some MB should not take a thousand reads.
const MOST_READ_BYTES: usize = 128 << 10;
/// Lines of a head; hyper stops at a hundred unless told, and proxies can add more than that.
const MOST_HEADERS: usize = 512;
/// Room for the body before the first byte has come, whatever the header promises.
const MOST_RESERVED_BYTES: usize = 1 << 20;

/// Where it went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The name has no address.
    Resolve,
    /// Nobody listens, or the connection was closed before anything came.
    Connect,
    /// No TLS, or a certificate that is not trusted.
    Tls,
    /// The deadline passed.
    Timeout,
    /// What came back is not HTTP, or compressed in a way that cannot be undone.
    Protocol,
    /// The body ended before its announced length.
    CutShort,
    /// The body is larger than anything useful.
    TooLarge,
}

/// What asking there needs.
pub fn needs(url: &Url) -> Vec<Need> {
    let Place::Host { host, port, tls } = &url.place else { return Vec::new() };
    let mut needs = vec![Need::Connect(*port)];
    if host.parse::<std::net::IpAddr>().is_err() {
        needs.extend(dns::needs());
    }
    if *tls {
        needs.extend(tls::bundles().map(Need::File));
    }
    needs
}

/// Why there is no answer.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Where it went wrong.
    pub kind: Kind,
    /// One sentence for people.
    pub what: String,
}

impl Failure {
    fn new(kind: Kind, what: impl fmt::Display) -> Self {
        Self { kind, what: what.to_string() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// An answer, whatever its status.
#[derive(Debug)]
pub struct Fetched {
    /// Status of the answer.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Fetched {
    /// A header as text, empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// One place that is asked again and again.
pub struct Upstream {
    url: Url,
    headers: HeaderMap,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    kept: Mutex<Vec<SendRequest<Full<Bytes>>>>,
    most_kept: usize,
    most_bytes: usize,
}

impl Upstream {
    /// A place and how to ask there; nothing is opened yet. `headers` go with every request, a `Host` among them in
    /// place of the URL's own; credentials of the URL are sent unless there is an `Authorization` header. At most
    /// `most_kept` connections stay open between requests, and at most `most_bytes` are taken of a body.
    ///
    /// Fails when a TLS file cannot be used, with a sentence that names it.
    pub fn new(
        url: Url,
        mut headers: HeaderMap,
        options: &TlsOptions,
        most_kept: usize,
        most_bytes: usize,
    ) -> Result<Self, String> {
        let tls = match &url.place {
            Place::Host { host, tls: true, .. } => Some(Self::tls(options, host)?),
            _ => None,
        };
        if !headers.contains_key(HOST) {
            let host =
                HeaderValue::try_from(url.authority.as_str()).map_err(|_| "expected a host in ASCII".to_owned())?;
            headers.insert(HOST, host);
        }
        if let Some((user, password)) = &url.credentials
            && !headers.contains_key(AUTHORIZATION)
        {
            headers.insert(AUTHORIZATION, basic(user, password)?);
        }
        Ok(Self { url, headers, tls, kept: Mutex::default(), most_kept, most_bytes })
    }

    fn tls(options: &TlsOptions, host: &str) -> Result<(TlsConnector, ServerName<'static>), String> {
        let config: Arc<ClientConfig> = options.client_config()?;
        let name = options.server_name.as_deref().unwrap_or(host).to_owned();
        let shown = name.clone();
        let name = ServerName::try_from(name)
            .map_err(|_| format!("expected a DNS name or an address for TLS, found {shown:?}"))?;
        Ok((TlsConnector::from(config), name))
    }

    /// The place.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Asks for `path`, with the whole answer there by `deadline`.
    pub async fn get(&self, path: &str, deadline: Instant) -> Result<Fetched, Failure> {
        self.ask(path, None, deadline).await
    }

    /// As [`get`](Self::get), with a question in the body. It may be put twice, when a kept connection turns out to be
    /// closed: only for questions that change nothing.
    pub async fn post(&self, path: &str, body: &'static [u8], deadline: Instant) -> Result<Fetched, Failure> {
        self.ask(path, Some(body), deadline).await
    }

    async fn ask(&self, path: &str, body: Option<&'static [u8]>, deadline: Instant) -> Result<Fetched, Failure> {
        let started = Instant::now();
        let mut stage = "while connecting";
        let deadline = tokio::time::Instant::from_std(deadline);
        let outcome = timeout_at(deadline, self.ask_in_stages(path, body, deadline, &mut stage)).await;
        outcome.unwrap_or_else(|_| {
            let took = Seconds(started.elapsed());
            Err(Failure::new(Kind::Timeout, format!("no answer within {took}: stopped {stage}")))
        })
    }

    async fn ask_in_stages(
        &self,
        path: &str,
        body: Option<&'static [u8]>,
        deadline: tokio::time::Instant,
        stage: &mut &'static str,
    ) -> Result<Fetched, Failure> {
        if let Some(mut sender) = self.take_kept()
            && sender.ready().await.is_ok()
        {
            *stage = "while waiting for the answer";
            match sender.send_request(self.request(path, body)?).await {
                Ok(answer) => return self.receive(answer, sender, stage).await,
                // Closed by the other side since it was last used, before it saw this request.
                Err(e) if e.is_canceled() || e.is_closed() || e.is_incomplete_message() || is_reset(&e) => {}
                Err(e) => return Err(no_answer(&e)),
            }
        }
        *stage = "while connecting";
        let mut sender = self.open(deadline, stage).await?;
        *stage = "while waiting for the answer";
        let answer = sender.send_request(self.request(path, body)?).await.map_err(|e| no_answer(&e))?;
        self.receive(answer, sender, stage).await
    }

    fn take_kept(&self) -> Option<SendRequest<Full<Bytes>>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|sender| !sender.is_closed());
        kept.pop()
    }

    fn request(&self, path: &str, body: Option<&'static [u8]>) -> Result<Request<Full<Bytes>>, Failure> {
        let mut request = Request::new(Full::new(Bytes::from_static(body.unwrap_or_default())));
        if body.is_some() {
            *request.method_mut() = Method::POST;
        }
        *request.uri_mut() = path.parse().map_err(|e| Failure::new(Kind::Protocol, format!("{path}: {e}")))?;
        *request.headers_mut() = self.headers.clone();
        Ok(request)
    }

    async fn open(
        &self,
        deadline: tokio::time::Instant,
        stage: &mut &'static str,
    ) -> Result<SendRequest<Full<Bytes>>, Failure> {
        let (host, port) = match &self.url.place {
            Place::Unix(path) => {
                let stream = UnixStream::connect(path).await;
                return shake(stream.map_err(|e| Failure::new(Kind::Connect, format!("{path}: {e}")))?).await;
            }
            Place::Host { host, port, .. } => (host, *port),
        };
        let addresses = dial::resolve(host).await.map_err(|what| Failure::new(Kind::Resolve, what))?;
        let stream = dial::connect(&addresses, port, deadline).await.map_err(|e| match e.kind() {
            std::io::ErrorKind::TimedOut => Failure::new(Kind::Timeout, e),
            _ => Failure::new(Kind::Connect, e),
        })?;
        let Some((connector, name)) = &self.tls else {
            return shake(stream).await;
        };
        *stage = "in the TLS handshake";
        let stream = connector.connect(name.clone(), stream).await;
        shake(stream.map_err(|e| Failure::new(Kind::Tls, format!("TLS: {e}")))?).await
    }

    async fn receive(
        &self,
        answer: Response<hyper::body::Incoming>,
        sender: SendRequest<Full<Bytes>>,
        stage: &mut &'static str,
    ) -> Result<Fetched, Failure> {
        *stage = "in the middle of the body";
        let (head, mut body) = answer.into_parts();
        let length = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if length.is_some_and(|length: usize| length > self.most_bytes) {
            return Err(self.too_large());
        }
        let mut bytes = Vec::with_capacity(length.unwrap_or(0).min(MOST_RESERVED_BYTES));
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|e| {
                Failure::new(
                    Kind::CutShort,
                    format!("the answer ended after {} bytes of its body: {}", bytes.len(), root(&e)),
                )
            })?;
            let Ok(piece) = frame.into_data() else { continue };
            if bytes.len() + piece.len() > self.most_bytes {
                return Err(self.too_large());
            }
            bytes.extend_from_slice(&piece);
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if !sender.is_closed() && kept.len() < self.most_kept {
            kept.push(sender);
        }
        drop(kept);
        // What an error page says is its status.
        let body = if head.status.is_success() { self.unpacked(&head.headers, bytes)? } else { bytes };
        Ok(Fetched { status: head.status, headers: head.headers, body })
    }

    /// The body as it was before it was compressed.
    fn unpacked(&self, headers: &HeaderMap, body: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let encoding = headers.get(CONTENT_ENCODING).map_or(&b""[..], |value| value.as_bytes()).trim_ascii();
        if encoding.is_empty() || encoding.eq_ignore_ascii_case(b"identity") || body.is_empty() {
            return Ok(body);
        }
        if !(encoding.eq_ignore_ascii_case(b"gzip") || encoding.eq_ignore_ascii_case(b"x-gzip")) {
            let found = String::from_utf8_lossy(encoding);
            return Err(Failure::new(Kind::Protocol, format!("expected an answer not compressed, found {found:?}")));
        }
        gzip::unpack(&body, self.most_bytes).map_err(|e| match e {
            Packed::TooLarge => self.too_large(),
            Packed::Broken => Failure::new(Kind::Protocol, "expected gzip, found something else"),
        })
    }

    fn too_large(&self) -> Failure {
        Failure::new(Kind::TooLarge, format!("the answer has more than {} bytes", self.most_bytes))
    }
}

/// The headers of a question in XML.
pub fn xml_headers() -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("text/xml"))])
}

/// The value of an `Authorization` header (RFC 7617).
pub fn basic(user: &str, password: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
        .map_err(|_| "expected credentials that fit into a header".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

/// Begins HTTP/1.1 on a connection, which is then worked on beside everything else.
async fn shake<S>(stream: S) -> Result<SendRequest<Full<Bytes>>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(MOST_READ_BYTES)
        .max_headers(MOST_HEADERS)
        .ignore_invalid_headers_in_responses(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|e| no_answer(&e))?;
    // Ends with the sender or with the other side; what went wrong is told where the answer is awaited.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

fn no_answer(e: &hyper::Error) -> Failure {
    match e {
        e if e.is_parse() => Failure::new(Kind::Protocol, format!("expected HTTP, found something else: {}", root(e))),
        e if e.is_incomplete_message() => Failure::new(Kind::Connect, "the connection was closed instead of an answer"),
        e => Failure::new(Kind::Connect, format!("no answer: {}", root(e))),
    }
}

fn is_reset(e: &hyper::Error) -> bool {
    use std::error::Error as _;
    let cause = e.source().and_then(|cause| cause.downcast_ref::<std::io::Error>());
    cause.is_some_and(|e| matches!(e.kind(), std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe))
}

/// The last cause: what the others wrap.
fn root(e: &hyper::Error) -> String {
    let mut cause: &dyn std::error::Error = e;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// A duration as people write it.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} s", self.0.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    const FAR: Duration = Duration::from_secs(60);

    /// Listens, and lets `script` talk on each connection in turn, with the number of the connection.
    async fn serve<F, T>(script: F) -> Upstream
    where
        F: Fn(usize, TcpStream) -> T + Send + Sync + 'static,
        T: Future<Output = ()> + Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://u:p@{}/x", listener.local_addr().unwrap());
        tokio::spawn(async move {
            for n in 0.. {
                script(n, listener.accept().await.unwrap().0).await;
            }
        });
        let url = Url::parse(&url, "/").unwrap();
        Upstream::new(url, HeaderMap::new(), &TlsOptions::default(), 1, 1000).unwrap()
    }

    /// Reads one request; gives its text, empty when the client has closed.
    async fn request(stream: &mut TcpStream) -> String {
        let mut text = String::new();
        while !text.ends_with("\r\n\r\n") {
            let mut byte = [0];
            if stream.read(&mut byte).await.unwrap_or(0) == 0 {
                break;
            }
            text.push(char::from(byte[0]));
        }
        text
    }

    async fn get(upstream: &Upstream) -> Result<String, Kind> {
        let fetched = upstream.get("/x?auto", Instant::now() + FAR).await;
        fetched.map(|f| String::from_utf8(f.body).unwrap()).map_err(|e| e.kind)
    }

    #[tokio::test]
    async fn a_connection_is_kept_and_replaced_when_it_was_closed() {
        // Three answers on the first connection, which is then closed; more on the second.
        let upstream = serve(|n, mut stream| async move {
            for round in 0.. {
                let asked = request(&mut stream).await;
                if asked.is_empty() || (n == 0 && round == 3) {
                    return; // closed without an answer, at the fourth request of the first connection
                }
                assert!(asked.starts_with("GET /x?auto HTTP/1.1\r\n"), "{asked}");
                assert!(asked.contains("authorization: Basic dTpw\r\n"), "{asked}");
                let body = format!("{n}.{round}");
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        })
        .await;
        for want in ["0.0", "0.1", "0.2", "1.0", "1.1"] {
            assert_eq!(get(&upstream).await, Ok(want.to_owned()));
        }
    }

    #[tokio::test]
    async fn everything_else_is_asked_once_and_told_apart() {
        for (answer, want) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort", Err(Kind::CutShort)),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", Err(Kind::CutShort)),
            ("HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n", Err(Kind::TooLarge)),
            ("HTTP/1.1 200 OK\r\n\r\nuntil the end", Ok("until the end".to_owned())),
            ("SSH-2.0-OpenSSH_9.2\r\n", Err(Kind::Protocol)),
            ("HTTP/1.1 200 OK\r\ncontent-encoding: br\r\n\r\n\x0b", Err(Kind::Protocol)),
            ("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\nplain", Err(Kind::Protocol)),
            ("HTTP/1.1 404 OK\r\ncontent-encoding: gzip\r\n\r\nplain", Ok("plain".to_owned())),
            ("HTTP/1.1 200 OK\r\ncontent-encoding: identity\r\n\r\nplain", Ok("plain".to_owned())),
            ("HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\n\r\nlast", Ok("last".to_owned())),
            ("HTTP/1.0 200 OK\r\n\r\nold", Ok("old".to_owned())),
            ("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", Err(Kind::Protocol)),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx: y\r\n\r\n", Ok("a".to_owned())),
            ("", Err(Kind::Connect)),
        ] {
            let upstream = serve(move |n, mut stream| async move {
                assert_eq!(n, 0, "asked twice");
                request(&mut stream).await;
                stream.write_all(answer.as_bytes()).await.unwrap();
            })
            .await;
            assert_eq!(get(&upstream).await, want, "{answer}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(1001));
        let upstream = serve(move |_, mut stream| {
            let endless = endless.clone();
            async move {
                request(&mut stream).await;
                stream.write_all(endless.as_bytes()).await.unwrap();
            }
        })
        .await;
        assert_eq!(get(&upstream).await, Err(Kind::TooLarge));
    }

    #[tokio::test]
    async fn many_headers_and_gzip_nobody_asked_for() {
        let upstream = serve(|_, mut stream| async move {
            assert!(!request(&mut stream).await.contains("accept-encoding"));
            let mut body = Vec::new();
            let mut gzip = gzip::Gzip::default();
            gzip.push(b"small", &mut body);
            gzip.finish(&mut body);
            let more: String = (0..MOST_HEADERS - 2).map(|n| format!("x-{n}: y\r\n")).collect();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n{more}\r\n");
            stream.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
        })
        .await;
        assert_eq!(get(&upstream).await, Ok("small".to_owned()));
    }

    #[tokio::test]
    async fn the_deadline_says_where_it_stopped() {
        let upstream = serve(|n, mut stream| async move {
            request(&mut stream).await;
            if n == 1 {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort").await.unwrap();
            }
            // Held open until the client goes.
            request(&mut stream).await;
        })
        .await;
        for want in ["stopped while waiting for the answer", "stopped in the middle of the body"] {
            let late = upstream.get("/", Instant::now() + Duration::from_secs(1)).await.unwrap_err();
            assert_eq!(late.kind, Kind::Timeout);
            assert!(late.what.ends_with(want), "{late}");
        }
        drop(upstream);
    }

    #[tokio::test]
    async fn nobody_there() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap()), "/").unwrap();
        drop(listener);
        let upstream = Upstream::new(url, HeaderMap::new(), &TlsOptions::default(), 1, 1000).unwrap();
        assert_eq!(get(&upstream).await, Err(Kind::Connect));
        let url = Url::parse("unix:/nowhere/to/be/found", "/").unwrap();
        let upstream = Upstream::new(url, HeaderMap::new(), &TlsOptions::default(), 1, 1000).unwrap();
        assert_eq!(get(&upstream).await, Err(Kind::Connect));
    }
}
