//! One question and the answer to it: over UDP, TCP (RFC 7766) or TLS (RFC 7858).
//!
//! Over UDP, what has another number is not the answer and is left unread; over a stream it is a mistake of the server.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UdpSocket;

use super::message;
use crate::network::connect_failure;
use crate::reason::{Failure, Phase, Progress, Reason};

/// What a datagram may hold when nobody agreed on more (RFC 1035, 4.2.1).
pub(super) const PLAIN_DATAGRAM: u16 = 512;
const HEADER: usize = 12;

/// How far an exchange has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    /// When the query was written.
    pub(super) asked: Option<Instant>,
    /// When the answer was there.
    pub(super) answered: Option<Instant>,
}

fn not_an_answer(what: impl std::fmt::Display) -> Failure {
    Failure::new(Phase::Transfer, Reason::Protocol, format!("answer: {what}"))
}

/// Asks with a datagram. `size` is the most bytes that are taken of one; the rest of a longer one is lost.
///
/// # Errors
/// The network says no.
pub(super) async fn datagram(
    query: &[u8],
    to: SocketAddr,
    source: Option<IpAddr>,
    size: u16,
    progress: &Progress,
    times: &mut Times,
) -> Result<Vec<u8>, Failure> {
    progress.enter(Phase::Connect);
    let failed = |e| connect_failure(&to, &e);
    let any = if to.is_ipv4() { IpAddr::from([0_u8; 4]) } else { IpAddr::from([0_u8; 16]) };
    let socket = UdpSocket::bind(SocketAddr::new(source.unwrap_or(any), 0)).await.map_err(failed)?;
    socket.connect(to).await.map_err(failed)?;
    progress.enter(Phase::Request);
    times.asked = Some(Instant::now());
    socket.send(query).await.map_err(failed)?;
    let mut answer = vec![0; usize::from(size.max(PLAIN_DATAGRAM))];
    loop {
        let length = socket.recv(&mut answer).await.map_err(failed)?;
        let datagram = answer.get(..length).unwrap_or_default();
        match message::id(datagram) {
            None => {
                times.answered = Some(Instant::now());
                return Err(not_an_answer(format_args!("expected a DNS message, found {length} bytes")));
            }
            id if id == message::id(query) => {
                times.answered = Some(Instant::now());
                answer.truncate(length);
                return Ok(answer);
            }
            Some(_) => {}
        }
    }
}

/// Asks over a stream that is there already.
///
/// # Errors
/// The stream ends or breaks too early, or answers something else.
pub(super) async fn stream<S>(
    query: &[u8],
    mut stream: S,
    progress: &Progress,
    times: &mut Times,
) -> Result<Vec<u8>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let closed = |e| Failure::new(progress.phase(), Reason::Closed, format!("connection: {e}"));
    progress.enter(Phase::Request);
    times.asked = Some(Instant::now());
    let length = u16::try_from(query.len()).map_err(not_an_answer)?;
    stream.write_all(&[&length.to_be_bytes(), query].concat()).await.map_err(closed)?;
    stream.flush().await.map_err(closed)?;
    let length = usize::from(stream.read_u16().await.map_err(closed)?);
    progress.enter(Phase::Transfer);
    let mut answer = Vec::with_capacity(length.min(4096));
    // Room is made for what has come, not for what was announced.
    while answer.len() < length {
        let mut rest = (&mut stream).take(length.saturating_sub(answer.len()) as u64);
        if rest.read_buf(&mut answer).await.map_err(closed)? == 0 {
            let what = format!("answer: expected {length} bytes, found {}", answer.len());
            return Err(Failure::new(Phase::Transfer, Reason::Closed, what));
        }
    }
    times.answered = Some(Instant::now());
    if length < HEADER {
        return Err(not_an_answer(format_args!("expected a DNS message, found {length} bytes")));
    }
    if message::id(&answer) != message::id(query) {
        return Err(not_an_answer("expected the number of the query, found another one"));
    }
    Ok(answer)
}
