//! A gRPC server that says of its health what a test wants (`grpc.health.v1.Health/Check`).

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use crate::wait::DEADLINE;

/// What the server answers.
#[derive(Clone, Copy, Debug)]
pub enum Says {
    /// A health message with this serving status.
    Health(i32),
    /// This gRPC status and no message.
    Status(u8),
    /// This HTTP status, with a body that is not gRPC's.
    Http(u16),
    /// It resets the stream, as after a fault of its own.
    Reset,
    /// Status 16, and as its message all that it was told.
    Echo,
    /// Nothing, ever.
    Nothing,
}

/// A request that came.
#[derive(Debug)]
pub struct Asked {
    /// Its `:authority`.
    pub authority: String,
    /// Its path.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// The service that was asked about.
    pub service: String,
}

/// A running server; it ends when it is dropped.
#[derive(Debug)]
pub struct Health {
    address: SocketAddr,
    asked: Mutex<Receiver<Asked>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Health {
    /// On a free port of 127.0.0.1, in the clear.
    #[track_caller]
    pub fn start(says: Says) -> Self {
        Self::start_on("127.0.0.1", says, None)
    }

    /// On a free port of `host`; over TLS if there is a configuration for it.
    #[track_caller]
    pub fn start_on(host: &str, says: Says, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = std::net::TcpListener::bind((host, 0)).expect("the host has a free port");
        let address = listener.local_addr().expect("a listener knows its address");
        listener.set_nonblocking(true).expect("sockets can be told not to wait");
        let (tell, asked) = channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, says, tls, tell) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, asked: Mutex::new(asked), stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as a target.
    pub fn target(&self) -> String {
        self.address.to_string()
    }

    /// What the next client asked; waits for it.
    #[track_caller]
    pub fn asked(&self) -> Asked {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.recv_timeout(DEADLINE).expect("a client asked")
    }

    /// Whether nobody has asked since.
    pub fn was_left_alone(&self) -> bool {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).try_recv().is_err()
    }
}

impl Drop for Health {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

async fn accept(listener: std::net::TcpListener, says: Says, tls: Option<Arc<ServerConfig>>, tell: Sender<Asked>) {
    let listener = TcpListener::from_std(listener).expect("a listener for the runtime");
    let tls = tls.map(TlsAcceptor::from);
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, tell) = (tls.clone(), tell.clone());
        tokio::spawn(async move {
            match tls {
                None => serve(stream, says, tell).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, says, tell).await;
                    }
                }
            }
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, says: Says, tell: Sender<Asked>) {
    let answer = service_fn(move |request| {
        let tell = tell.clone();
        async move { answer(request, says, &tell).await }
    });
    // A client that goes away in the middle is what some tests are about.
    drop(http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer).await);
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

async fn answer(request: Request<Incoming>, says: Says, tell: &Sender<Asked>) -> io::Result<Response<Body>> {
    let (head, body) = request.into_parts();
    let message = body.collect().await.map_err(io::Error::other)?.to_bytes();
    // Five bytes before the message, and its one field: a tag, a length, and the text.
    let service = message.get(7..).unwrap_or_default();
    let asked = Asked {
        authority: head.uri.authority().map(ToString::to_string).unwrap_or_default(),
        path: head.uri.path().to_owned(),
        headers: head.headers,
        service: String::from_utf8_lossy(service).into_owned(),
    };
    // The test may be over.
    let heard = HeaderValue::try_from(format!("{:?} {:?}", asked.headers, asked.service));
    drop(tell.send(asked));
    let mut response = Response::new(Empty::new().boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    match says {
        Says::Health(status) => *response.body_mut() = health(status),
        Says::Status(status) => {
            response.headers_mut().insert("grpc-status", HeaderValue::from(u16::from(status)));
        }
        Says::Http(status) => {
            *response.status_mut() = status.try_into().expect("an HTTP status");
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            *response.body_mut() = Full::from("nothing here").boxed_unsync();
        }
        Says::Echo => {
            response.headers_mut().insert("grpc-status", HeaderValue::from_static("16"));
            response.headers_mut().insert("grpc-message", heard.expect("headers that came are text"));
        }
        Says::Reset => return Err(io::Error::other("a fault")),
        Says::Nothing => std::future::pending().await,
    }
    Ok(response)
}

/// A message with the serving status as its field 1, and status 0 after it.
fn health(status: i32) -> Body {
    let mut message = vec![0x08];
    // Negative numbers have ten bytes, as the format wants it.
    let mut rest = i64::from(status).cast_unsigned();
    while rest >= 0x80 {
        message.push(0x80 | u8::try_from(rest & 0x7f).expect("seven bits"));
        rest >>= 7;
    }
    message.push(u8::try_from(rest).expect("seven bits"));
    let mut framed = vec![0, 0, 0, 0, u8::try_from(message.len()).expect("a short message")];
    framed.extend(message);
    let trailers = HeaderMap::from_iter([("grpc-status".parse().expect("a name"), HeaderValue::from_static("0"))]);
    Full::from(framed).with_trailers(async move { Some(Ok(trailers)) }).boxed_unsync()
}
