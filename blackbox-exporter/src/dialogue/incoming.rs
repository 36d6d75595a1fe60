//! What the other side said and nobody has taken yet: lines and counted bytes out of one buffer.
//!
//! * A line ends with `\n`; one `\r` before it is left out. At the end of the stream the rest is a line as well, unless it is
//!   empty.
//! * A line has at most 65535 bytes, the limit of the Go exporter. The buffer begins small, and is never larger than that or
//!   than the bytes that a step counts.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes that a line with its end has at most.
const MOST: usize = 64 << 10;
/// Bytes of the buffer at first: enough for the usual banner.
const FIRST: usize = 1 << 10;

/// Why there is no more to take.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The connection broke.
    Broken(io::Error),
    /// A line is too long.
    TooLong,
}

/// The buffer.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    bytes: Vec<u8>,
    /// Bytes that were taken.
    start: usize,
    /// Bytes after those that are known to hold no end of a line.
    searched: usize,
    ended: bool,
}

impl Incoming {
    /// What is there and not taken.
    pub(super) fn rest(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// Takes the next line; `None` at the end of the stream.
    pub(super) async fn line<S: AsyncRead + Unpin>(&mut self, stream: &mut S) -> Result<Option<&[u8]>, Trouble> {
        let (length, taken) = loop {
            let rest = self.rest();
            let new = rest.get(self.searched..).unwrap_or_default();
            if let Some(at) = new.iter().position(|b| *b == b'\n') {
                let length = self.searched + at;
                break (length, length + 1);
            }
            let held = rest.len();
            if self.ended {
                if held == 0 {
                    return Ok(None);
                }
                break (held, held);
            }
            if held >= MOST {
                return Err(Trouble::TooLong);
            }
            self.searched = held;
            self.read(stream, MOST).await.map_err(Trouble::Broken)?;
        };
        let from = self.start;
        self.start += taken;
        self.searched = 0;
        let line = self.bytes.get(from..from + length).unwrap_or_default();
        Ok(Some(line.strip_suffix(b"\r").unwrap_or(line)))
    }

    /// Waits until `count` bytes after the first `skipped` are there, and shows them; `None` when the stream ends before.
    pub(super) async fn counted<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        skipped: usize,
        count: usize,
    ) -> Result<Option<&[u8]>, Trouble> {
        let wanted = skipped.saturating_add(count);
        while self.rest().len() < wanted {
            if self.ended {
                return Ok(None);
            }
            self.read(stream, wanted.max(MOST)).await.map_err(Trouble::Broken)?;
        }
        Ok(self.rest().get(skipped..wanted))
    }

    /// Takes `count` bytes after the first `skipped`, which stay; they have to be there.
    pub(super) fn take(&mut self, skipped: usize, count: usize) {
        if skipped == 0 {
            self.start = (self.start + count).min(self.bytes.len());
        } else {
            let from = (self.start + skipped).min(self.bytes.len());
            self.bytes.drain(from..(from + count).min(self.bytes.len()));
        }
        self.searched = 0;
    }

    /// One read; there is room for at least a byte below `most`, which the caller has seen to.
    async fn read<S: AsyncRead + Unpin>(&mut self, stream: &mut S, most: usize) -> io::Result<()> {
        if self.bytes.len() == self.bytes.capacity() || self.start == self.bytes.len() {
            self.bytes.drain(..self.start);
            self.start = 0;
            let held = self.bytes.len();
            if held == self.bytes.capacity() {
                // Twice as much each time, so that a flood costs few reads.
                let room = held.clamp(FIRST, most.max(FIRST)).min(most.saturating_sub(held)).max(1);
                self.bytes.reserve_exact(room);
            }
        }
        let room = most.saturating_sub(self.rest().len());
        let mut limited = (&mut *stream).take(u64::try_from(room).unwrap_or(u64::MAX));
        match limited.read_buf(&mut self.bytes).await {
            Ok(read) => self.ended |= read == 0,
            // Over TLS: the other side left without saying goodbye, which many do.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => self.ended = true,
            Err(e) => return Err(e),
        }
        Ok(())
    }
}

/// For the table of parsers: lines and counted bytes in turn, by what the bytes themselves say.
pub(crate) fn feed(bytes: &[u8]) {
    let (mut stream, mut incoming) = (bytes, Incoming::default());
    let mut all = std::pin::pin!(async {
        while let Ok(Some(line)) = incoming.line(&mut stream).await {
            let count = line.len();
            let skipped = usize::from(line.first().copied().unwrap_or_default());
            if let Ok(Some(_)) = incoming.counted(&mut stream, skipped, count).await {
                incoming.take(skipped, count);
            }
        }
    });
    // Bytes in memory are always there.
    let _ready = all.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::ReadBuf;

    use super::*;

    /// Hands out one piece per read.
    struct Pieces(VecDeque<Vec<u8>>);

    fn pieces(pieces: &[&[u8]]) -> Pieces {
        Pieces(pieces.iter().map(|piece| piece.to_vec()).collect())
    }

    impl AsyncRead for Pieces {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            if let Some(mut piece) = self.0.pop_front() {
                let rest = piece.split_off(piece.len().min(buf.remaining()));
                buf.put_slice(&piece);
                if !rest.is_empty() {
                    self.0.push_front(rest);
                }
            }
            Poll::Ready(Ok(()))
        }
    }

    async fn lines(from: &[&[u8]]) -> Vec<Vec<u8>> {
        let (mut stream, mut incoming, mut lines) = (pieces(from), Incoming::default(), Vec::new());
        while let Some(line) = incoming.line(&mut stream).await.unwrap() {
            lines.push(line.to_vec());
        }
        lines
    }

    #[tokio::test]
    async fn lines_wherever_they_are_cut() {
        let want: [&[u8]; 5] = [b"one", b"", b"tw\ro\r", b"\0\xff", b"last"];
        for from in [
            &[&b"one\r\n\ntw\ro\r\r\n\0\xff\nlast"[..]][..],
            &[b"o", b"ne\r", b"\n", b"\n", b"tw\ro\r\r\n\0\xff", b"\nla", b"st"],
            &[b"one\n", b"\n", b"tw\ro\r\r\n", b"\0\xff\n", b"last\r"],
        ] {
            assert_eq!(lines(from).await, want);
        }
        assert!(lines(&[]).await.is_empty());
        assert_eq!(lines(&[b"\n"]).await, [b""]);
        assert_eq!(lines(&[b"\r"]).await, [b""]);
    }

    #[tokio::test]
    async fn the_longest_line() {
        for (length, ended, fine) in
            [(65535, true, true), (65535, false, true), (65536, true, false), (70000, false, false)]
        {
            let mut text = vec![b'x'; length];
            text.extend_from_slice(if ended { b"\nnext\n" } else { b"" });
            let mut incoming = Incoming::default();
            let mut stream = pieces(&[b"before\n", &text]);
            assert_eq!(incoming.line(&mut stream).await.unwrap(), Some(&b"before"[..]));
            match incoming.line(&mut stream).await {
                Ok(line) => assert!(fine && line.unwrap().len() == length, "{length}"),
                Err(trouble) => assert!(!fine && matches!(trouble, Trouble::TooLong), "{length}"),
            }
            assert!(incoming.bytes.capacity() <= 2 * MOST, "{}", incoming.bytes.capacity());
        }
    }

    #[tokio::test]
    async fn bytes_are_counted_across_pieces_and_after_lines() {
        let mut stream = pieces(&[b"line\nAB", b"C", b"D\nmore\n", b"E"]);
        let mut incoming = Incoming::default();
        assert_eq!(incoming.line(&mut stream).await.unwrap(), Some(&b"line"[..]));
        assert_eq!(incoming.counted(&mut stream, 0, 4).await.unwrap(), Some(&b"ABCD"[..]));
        incoming.take(0, 4);
        assert_eq!(incoming.counted(&mut stream, 6, 1).await.unwrap(), Some(&b"E"[..]));
        incoming.take(6, 1);
        assert_eq!(incoming.line(&mut stream).await.unwrap(), Some(&b""[..]));
        assert_eq!(incoming.line(&mut stream).await.unwrap(), Some(&b"more"[..]));
        assert_eq!(incoming.counted(&mut stream, 0, 1).await.unwrap(), None);
        assert_eq!(incoming.line(&mut stream).await.unwrap(), None);
    }

    #[tokio::test]
    async fn more_bytes_than_a_line_has() {
        let large = vec![7; 3 * MOST];
        let mut stream = pieces(&[&large, b"rest"]);
        let mut incoming = Incoming::default();
        assert_eq!(incoming.counted(&mut stream, 0, large.len()).await.unwrap(), Some(&large[..]));
        incoming.take(0, large.len());
        assert_eq!(incoming.line(&mut stream).await.unwrap(), Some(&b"rest"[..]));
    }
}
