//! Connections as the exchange sees them: any stack of TCP, TLS and tunnels, with a watch on the first byte.

use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::network::Network;

/// What requests can be sent over.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

/// Any connection.
pub(super) type Stream = Box<dyn Duplex>;

/// When the first byte came.
pub(super) type FirstByte = Arc<OnceLock<Instant>>;

/// A TCP connection that is counted when it goes.
pub(super) struct Counted {
    stream: TcpStream,
    network: Arc<Network>,
}

impl Counted {
    pub(super) fn new(stream: TcpStream, network: Arc<Network>) -> Self {
        Self { stream, network }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.network.dialed.closed.fetch_add(1, Ordering::Relaxed);
    }
}

/// A connection that notes when the first byte came, and is read only after something was written: some servers answer
/// before they are asked, and the HTTP library takes that for a fault.
pub(super) struct Timed<S> {
    stream: S,
    first: FirstByte,
    written: bool,
    reader: Option<Waker>,
}

impl<S> Timed<S> {
    pub(super) fn new(stream: S, first: FirstByte) -> Self {
        Self { stream, first, written: false, reader: None }
    }
}

/// Bytes that one read may fill: a reader that doubles its buffer whenever a read filled it stays small.
const MOST_PER_READ: usize = 32 << 10;

impl<S: AsyncRead + Unpin> AsyncRead for Timed<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.written {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let polled = if buf.remaining() <= MOST_PER_READ {
            Pin::new(&mut self.stream).poll_read(cx, buf)
        } else {
            let mut part = ReadBuf::new(buf.initialize_unfilled_to(MOST_PER_READ));
            let polled = Pin::new(&mut self.stream).poll_read(cx, &mut part);
            let n = part.filled().len();
            buf.advance(n);
            polled
        };
        if buf.filled().len() > before {
            self.first.get_or_init(Instant::now);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Timed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        if !self.written && polled.is_ready() {
            self.written = true;
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
