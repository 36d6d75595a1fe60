//! The bytes of one connection, whatever the socket family, with an eye on whether the client takes what we write.

use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::body::Bytes;
use socket2::Socket;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::connections::Slot;
use super::listen::Listener;

/// Bytes read in one go while waiting for a request: most requests are smaller.
const FIRST_READ_BYTES: usize = 1024;

/// A listening socket the runtime watches.
pub(super) enum Door {
    Tcp(TcpListener),
    Unix(UnixListener),
    Vsock(AsyncFd<Socket>),
}

impl Door {
    pub(super) fn open(listener: Listener) -> io::Result<Self> {
        Ok(match listener {
            Listener::Tcp(listener) => Self::Tcp(TcpListener::from_std(listener)?),
            Listener::Unix(listener) => Self::Unix(UnixListener::from_std(listener)?),
            Listener::Vsock(socket) => Self::Vsock(watch(socket)?),
        })
    }

    pub(super) async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // An answer is one or two writes; waiting to fill a packet only delays it. The client may be gone already.
                let _best_effort = stream.set_nodelay(true);
                Ok(Stream::Tcp(stream))
            }
            Self::Unix(listener) => Ok(Stream::Unix(listener.accept().await?.0)),
            Self::Vsock(socket) => {
                let (stream, _) = socket.async_io(tokio::io::Interest::READABLE, Socket::accept).await?;
                stream.set_nonblocking(true)?;
                Ok(Stream::Vsock(watch(stream)?))
            }
        }
    }
}

#[expect(unsafe_code, reason = "tokio offers no safe way to watch a socket of a family it does not know")]
fn watch(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    // SAFETY: a `Socket` owns its descriptor, which stays open and the same until the `AsyncFd` that owns it is
    // dropped; nothing here replaces the socket inside or takes its descriptor out.
    Ok(unsafe { AsyncFd::register(socket) }?)
}

/// An accepted socket.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Vsock(AsyncFd<Socket>),
}

impl Stream {
    /// Whether the first byte is a capital letter, as in `GET`; a TLS record starts with 22. Takes nothing.
    pub(super) async fn starts_with_letter(&self) -> io::Result<bool> {
        let Self::Tcp(stream) = self else {
            return Ok(false);
        };
        let mut first = [0];
        let n = stream.peek(&mut first).await?;
        let [first] = first;
        Ok(n == 1 && first.is_ascii_uppercase())
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Vsock(socket) => loop {
                let mut guard = ready!(socket.poll_read_ready(cx))?;
                if let Ok(read) = guard.try_io(|socket| socket.get_ref().read(buf.initialize_unfilled())) {
                    return Poll::Ready(read.map(|n| buf.advance(n)));
                }
            },
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Vsock(socket) => loop {
                let mut guard = ready!(socket.poll_write_ready(cx))?;
                if let Ok(written) = guard.try_io(|socket| socket.get_ref().write(bytes)) {
                    return Poll::Ready(written);
                }
            },
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Vsock(socket) => loop {
                let mut guard = ready!(socket.poll_write_ready(cx))?;
                if let Ok(written) = guard.try_io(|socket| socket.get_ref().write_vectored(slices)) {
                    return Poll::Ready(written);
                }
            },
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Vsock(socket) => Poll::Ready(socket.get_ref().shutdown(std::net::Shutdown::Write)),
        }
    }
}

/// A stream that can hold bytes read early and reports each write to the connection's slot.
pub(super) struct Wire<S> {
    stream: S,
    early: Bytes,
    slot: Arc<Slot>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(super) fn new(stream: S, slot: Arc<Slot>) -> Self {
        Self { stream, early: Bytes::new(), slot }
    }

    /// Gives bytes back that were read but not used.
    pub(super) fn put_back(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            let rest = std::mem::take(&mut self.early);
            self.early = if rest.is_empty() { bytes } else { [bytes, rest].concat().into() };
        }
    }

    /// Waits until there is something to read, in a buffer that exists only then; `false` at the end of the stream.
    pub(super) async fn wait_for_bytes(&mut self) -> io::Result<bool> {
        if !self.early.is_empty() {
            return Ok(true);
        }
        std::future::poll_fn(|cx| {
            let mut space = [0_u8; FIRST_READ_BYTES];
            let mut buf = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf))?;
            self.early = Bytes::copy_from_slice(buf.filled());
            Poll::Ready(Ok(!self.early.is_empty()))
        })
        .await
    }

    /// Says goodbye, as far as that goes without waiting: with TLS a close notification.
    pub(super) async fn close(mut self) {
        std::future::poll_fn(|cx| {
            let _without_waiting = Pin::new(&mut self.stream).poll_shutdown(cx);
            Poll::Ready(())
        })
        .await;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.early.is_empty() {
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        }
        let n = buf.remaining().min(this.early.len());
        buf.put_slice(&this.early.split_to(n));
        if this.early.is_empty() {
            this.early = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.slot.wrote(written.is_pending());
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.slot.wrote(written.is_pending());
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.slot.wrote(flushed.is_pending());
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.slot.wrote(closed.is_pending());
        closed
    }
}
