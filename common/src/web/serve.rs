//! The server: accept loops, and the life of a connection from the first byte to the last.
//!
//! * Between two HTTP/1.1 requests a connection is a socket and one small task: hyper's parser and its buffers
//!   (16 KiB) are built when bytes arrive and taken down when the answer is out.
//! * Every wait for a client has an end ([`Limits`]), and when all places are taken the longest wait ends early.
//! * HTTP/2 exists over TLS only, chosen by ALPN.
//! * Nothing that happens to one connection ends the program: accept errors are survived, panics are caught.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::memory;
use crate::process::connection_room;

use super::connections::{Connections, Patience, Slot};
use super::gate::{Face, Gate};
use super::listen::Bound;
use super::reload::WebConfigFile;
use super::wire::{Door, Stream, Wire};

/// Linux reports some troubles (no descriptors, no memory) at every call until they pass; asking again at once would
/// only burn the CPU that could end them.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// By then the tasks of those who left are gone, too.
const TIDY_PAUSE: Duration = Duration::from_secs(1);

/// hyper refuses a smaller buffer.
const LEAST_BUFFER_BYTES: usize = 8192;

/// hyper's own number of headers, which it keeps on the stack; any other costs an allocation per request.
const HYPER_HEADERS: usize = 100;

/// What a client may take: room and time.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at one time; fewer where the process may not open many files.
    pub connections: usize,
    /// From the first byte of a request (or from the connection, before the first request) to the end of its head.
    pub header_read: Duration,
    /// Bytes of a request head; more is answered with 431.
    pub header_bytes: usize,
    /// Header lines of a request; more is answered with 431.
    pub headers: usize,
    /// Bytes of a request body; more is answered with 413. No exporter reads one.
    pub body_bytes: usize,
    /// Between two requests.
    pub idle: Duration,
    /// Without the client taking a byte of the answer; for HTTP/2 also without the answer's body giving one.
    pub write_stall: Duration,
    /// A whole TLS handshake.
    pub handshake: Duration,
    /// HTTP/2 requests at one time on one connection.
    pub streams: u32,
    /// For requests in the making when the program is told to stop.
    pub drain: Duration,
}

impl Default for Limits {
    /// Prometheus scrapes every 15 to 60 s over one connection and gives up after 10 s by default.
    fn default() -> Self {
        Self {
            connections: 1024,
            header_read: Duration::from_secs(10),
            header_bytes: 64 << 10,
            headers: HYPER_HEADERS,
            body_bytes: 1 << 20,
            idle: Duration::from_secs(300),
            write_stall: Duration::from_secs(30),
            handshake: Duration::from_secs(10),
            streams: 32,
            drain: Duration::from_secs(10),
        }
    }
}

/// Serves the router on all listeners until `stop` resolves, then lets running requests finish.
///
/// Logs `Listening on` with `address` (as configured) and `local` (as bound) per listener, then whether TLS is on.
/// `web` is the `--web.config.file`, already checked; `None` is plain HTTP for everyone. Needs a tokio runtime with I/O
/// and time; built for the current-thread one.
///
/// # Errors
/// The runtime cannot watch a listener.
pub async fn serve(
    listeners: Vec<Bound>,
    router: Router,
    web: Option<Arc<WebConfigFile>>,
    limits: Limits,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let (stopping, stopped) = watch::channel(false);
    let limits = Limits { connections: limits.connections.min(connection_room()), ..limits };
    let face = Arc::new(Face { router, web, body_bytes: limits.body_bytes });
    let server = Arc::new(Server { face, limits, house: Arc::default(), stopped });
    let mut accepting = JoinSet::new();
    accepting.spawn(tidy_up(Arc::clone(&server.house)));
    for Bound { address, local, listener } in listeners {
        let door = Door::open(listener)?;
        tracing::info!(address, local, "Listening on");
        match &server.face.web {
            Some(web) if web.with_tls() => {
                tracing::info!(http2 = web.http2(), address, "TLS is enabled.")
            }
            _ => tracing::info!(http2 = false, address, "TLS is disabled."),
        }
        accepting.spawn(Arc::clone(&server).accept_all(door, address));
    }

    stop.await;
    accepting.shutdown().await;
    stopping.send_replace(true);
    let empty = async {
        while server.house.count() > 0 {
            server.house.change().await;
        }
    };
    if timeout(server.limits.drain, empty).await.is_err() {
        let connections = server.house.evict_all();
        tracing::warn!(connections, "Stopping with unfinished requests");
    }
    Ok(())
}

/// Gives back what a crowd of clients took: it comes in blocks too small for the allocator to return by itself.
async fn tidy_up(house: Arc<Connections>) {
    loop {
        house.crowd_left().await;
        sleep(TIDY_PAUSE).await;
        memory::give_back();
    }
}

struct Server {
    face: Arc<Face>,
    limits: Limits,
    house: Arc<Connections>,
    stopped: watch::Receiver<bool>,
}

impl Server {
    async fn accept_all(self: Arc<Self>, door: Door, address: String) {
        // The last call failed; the trouble was logged.
        let (mut in_trouble, mut warned) = (false, false);
        loop {
            let stream = match door.accept().await {
                Ok(stream) => stream,
                // The client gave up before we came to it.
                Err(e) if is_of_the_client(&e) => continue,
                Err(e) => {
                    // An evicted connection gives its descriptor back at the next turn of the runtime. Where that
                    // does not help, the trouble is not ours to end, and only time does.
                    if !in_trouble && self.house.evict() {
                        in_trouble = true;
                        yield_now().await;
                        continue;
                    }
                    if !warned {
                        tracing::error!(address, err = %e, "Cannot accept connections, trying on");
                    }
                    (in_trouble, warned) = (true, true);
                    self.house.evict();
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            if !in_trouble {
                warned = false;
            }
            in_trouble = false;
            while self.house.count() >= self.limits.connections.max(1) {
                if !self.house.evict() {
                    self.house.change().await;
                }
            }
            let (server, slot) = (Arc::clone(&self), self.house.enter());
            let task = match self.face.web.as_ref().filter(|web| web.with_tls()) {
                Some(web) => tokio::spawn(server.tls(Arc::clone(web), stream, Arc::clone(&slot))),
                None => tokio::spawn(server.plain(stream, Arc::clone(&slot))),
            };
            slot.runs_in(task.abort_handle());
        }
    }

    async fn plain(self: Arc<Self>, stream: Stream, slot: Arc<Slot>) {
        self.http1(Wire::new(stream, Arc::clone(&slot)), &slot).await;
    }

    async fn tls(self: Arc<Self>, web: Arc<WebConfigFile>, stream: Stream, slot: Arc<Slot>) {
        // Broken files: the log has said so, the client sees the connection close.
        let Some(config) = web.current().ok().and_then(|live| live.tls.clone()) else {
            return;
        };
        let Some(stream) = Box::pin(self.handshake(config, stream)).await else {
            return;
        };
        let chose_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let wire = Wire::new(stream, Arc::clone(&slot));
        if chose_http2 {
            Box::pin(self.http2(wire, &slot)).await;
        } else {
            self.http1(wire, &slot).await;
        }
    }

    /// The session is boxed: it has more than a KiB, and each move of it would make that room in the task again.
    async fn handshake(&self, config: Arc<ServerConfig>, mut stream: Stream) -> Option<Box<TlsStream<Stream>>> {
        let accept = async {
            if stream.starts_with_letter().await? {
                explain_tls(&mut stream).await;
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the client speaks plain HTTP"));
            }
            TlsAcceptor::from(config).accept(stream).await
        };
        tokio::select! {
            done = timeout(self.limits.handshake, accept) => match done {
                Ok(Ok(stream)) => return Some(Box::new(stream)),
                Ok(Err(e)) => tracing::debug!(err = %e, "TLS handshake failed"),
                Err(_) => tracing::debug!("TLS handshake took too long"),
            },
            () = self.stop() => {}
        }
        None
    }

    /// Requests one after the other, with nothing but the socket kept between them.
    async fn http1<S: Socketlike>(&self, mut wire: Wire<S>, slot: &Arc<Slot>) {
        loop {
            let quiet = Patience { quiet: self.limits.idle, ..self.patience() };
            let until = slot.deadline(quiet).unwrap_or_else(|| Instant::now() + self.limits.idle);
            let arrived = tokio::select! {
                // What has come counts, even when the time is up as well.
                biased;
                arrived = wire.wait_for_bytes() => arrived.unwrap_or(false),
                () = sleep_until(until) => false,
                () = self.stop() => false,
            };
            if !arrived {
                return wire.close().await;
            }
            slot.request_begins();
            match Box::pin(self.http1_round(wire, slot)).await {
                Some(back) => wire = back,
                None => return,
            }
        }
    }

    /// Hands the connection to hyper until it has nothing to do; `None` when it was closed.
    async fn http1_round<S: Socketlike>(&self, wire: Wire<S>, slot: &Arc<Slot>) -> Option<Wire<S>> {
        let mut builder = http1::Builder::new();
        builder
            .header_read_timeout(None)
            .max_header_size(self.limits.header_bytes)
            .max_buf_size(self.limits.header_bytes.max(LEAST_BUFFER_BYTES));
        if self.limits.headers != HYPER_HEADERS {
            builder.max_headers(self.limits.headers);
        }
        slot.new_round();
        let mut connection = builder.serve_connection(TokioIo::new(wire), self.gate(slot));
        // Within a round every quiet moment is a half-sent head.
        let patience = Patience { quiet: self.limits.header_read, ..self.patience() };
        if !self.drive(&mut connection, slot, patience, true).await {
            return None;
        }
        let parts = connection.into_parts();
        let mut wire = parts.io.into_inner();
        wire.put_back(parts.read_buf);
        Some(wire)
    }

    async fn http2<S: Socketlike>(&self, wire: Wire<S>, slot: &Arc<Slot>) {
        slot.multiplexed();
        let header_bytes = u32::try_from(self.limits.header_bytes).unwrap_or(u32::MAX);
        let mut connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.limits.streams)
            .max_header_list_size(header_bytes)
            // Requests have no bodies worth a window, and answers wait in the page, not here.
            .initial_stream_window_size(64 << 10)
            .initial_connection_window_size(64 << 10)
            .max_send_buf_size(64 << 10)
            .serve_connection(TokioIo::new(wire), self.gate(slot));
        let patience = Patience { quiet: self.limits.idle, ..self.patience() };
        self.drive(&mut connection, slot, patience, false).await;
    }

    /// Polls a connection until it ends, or its client's time is up, or, when it `rests`, until it has nothing to do,
    /// which is `true`.
    async fn drive<C: Gentle + Unpin>(&self, connection: &mut C, slot: &Slot, patience: Patience, rests: bool) -> bool {
        let mut stop = pin!(self.stop());
        let mut told = false;
        let mut alarm = pin!(sleep(patience.quiet));
        std::future::poll_fn(|cx| {
            if !told && stop.as_mut().poll(cx).is_ready() {
                told = true;
                Pin::new(&mut *connection).finish();
            }
            if Pin::new(&mut *connection).poll(cx).is_ready() {
                return Poll::Ready(false);
            }
            if rests && !told && slot.is_resting() {
                return Poll::Ready(true);
            }
            loop {
                let (now, due) = (Instant::now(), slot.deadline(patience));
                if due.is_some_and(|due| due <= now) {
                    tracing::debug!("Closing a connection whose client is too slow");
                    return Poll::Ready(false);
                }
                // Without a deadline this looks again later: an HTTP/2 answer may end in another task.
                let wake = due.unwrap_or(now + patience.quiet);
                if wake < alarm.deadline() || alarm.is_elapsed() {
                    alarm.as_mut().reset(wake);
                }
                if alarm.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    fn gate(&self, slot: &Arc<Slot>) -> Gate {
        Gate { face: Arc::clone(&self.face), slot: Arc::clone(slot) }
    }

    fn patience(&self) -> Patience {
        let Limits { header_read, write_stall, idle, .. } = self.limits;
        Patience { first: header_read, quiet: idle, blocked: write_stall }
    }

    /// Resolves when the program was told to stop.
    async fn stop(&self) {
        // The sender lives as long as `serve`; without it there is nothing left to serve either.
        let mut stopped = self.stopped.clone();
        let _either = stopped.wait_for(|stopped| *stopped).await.is_ok();
    }
}

/// What a connection is made of, plain or TLS.
trait Socketlike: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Socketlike for S {}

/// A connection that can be asked to end after its running requests.
trait Gentle: Future {
    fn finish(self: Pin<&mut Self>);
}

impl<S: Socketlike> Gentle for http1::Connection<TokioIo<Wire<S>>, Gate> {
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<S: Socketlike> Gentle for http2::Connection<TokioIo<Wire<S>>, Gate, TokioExecutor> {
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Tells a client that spoke plain HTTP to a TLS port what is wrong, in a language it understands.
async fn explain_tls(stream: &mut Stream) {
    let answer =
        b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nThis port speaks HTTPS.\n";
    // The client may be gone; there is nobody else to tell.
    let _best_effort = stream.write_all(answer).await;
}

/// Errors of accept(2) that belong to the connection which was to be accepted, not to us.
fn is_of_the_client(e: &io::Error) -> bool {
    let passed_on = [
        libc::ECONNABORTED,
        libc::ECONNRESET,
        libc::ECONNREFUSED,
        libc::EINTR,
        libc::EPROTO,
        libc::ENOPROTOOPT,
        libc::EOPNOTSUPP,
        libc::ENETDOWN,
        libc::ENETUNREACH,
        libc::EHOSTDOWN,
        libc::EHOSTUNREACH,
        libc::ETIMEDOUT,
    ];
    e.raw_os_error().is_some_and(|code| passed_on.contains(&code))
}
