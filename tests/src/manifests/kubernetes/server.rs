//! HTTP/1.1 on any number of addresses, in the clear or over TLS, with answers that may go on for ever.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};

use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsAcceptor;

use crate::wait::until;

/// What is answered: a status, a content type and a body.
#[derive(Debug)]
pub(super) struct Reply(pub(super) u16, pub(super) &'static str, pub(super) Said);

/// A body: whole at once, or pieces until the sender is dropped.
#[derive(Debug)]
pub(super) enum Said {
    Whole(Option<Bytes>),
    Pieces(mpsc::UnboundedReceiver<Bytes>),
}

impl Said {
    pub(super) fn text(text: impl Into<Bytes>) -> Self {
        Self::Whole(Some(text.into()))
    }
}

impl Body for Said {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match &mut *self {
            Self::Whole(text) => Poll::Ready(text.take()),
            Self::Pieces(pieces) => pieces.poll_recv(context),
        };
        next.map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// What answers a request.
pub(super) type Handler = Arc<dyn Fn(&Request<Incoming>) -> Reply + Send + Sync>;

/// A listening server; it ends, and its connections with it, when dropped.
pub(super) struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on an address, over TLS if there is a configuration for it; waits for the address to be free.
    #[track_caller]
    pub(super) fn start(address: SocketAddr, tls: Option<Arc<ServerConfig>>, handler: Handler) -> Self {
        let bind = || std::net::TcpListener::bind(address).map_err(|e| e.to_string());
        let listener = until(&format!("{address} can be listened on"), bind);
        listener.set_nonblocking(true).expect("sockets can be told not to wait");
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, tls, handler) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

async fn accept(listener: std::net::TcpListener, tls: Option<Arc<ServerConfig>>, handler: Handler) {
    let listener = TcpListener::from_std(listener).expect("a listener for the runtime");
    let tls = tls.map(TlsAcceptor::from);
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, handler) = (tls.clone(), Arc::clone(&handler));
        tokio::spawn(async move {
            match tls {
                None => serve(stream, handler).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, handler).await;
                    }
                }
            }
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, handler: Handler) {
    let service = service_fn(|request: Request<Incoming>| {
        let Reply(status, content_type, said) = handler(&request);
        let response = Response::builder().status(status).header("content-type", content_type).body(said);
        async move { Ok::<_, Infallible>(response.expect("status and type are proper")) }
    });
    // A client that goes in the middle of a watch is an ordinary one.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
