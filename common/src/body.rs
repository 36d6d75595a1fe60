//! The body of an answer, and how a large one is kept small.
//!
//! A page of 40 MB for a client that cannot take gzip is held compressed and inflated piece by piece while it is sent,
//! at the pace of the client.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use flate2::{Decompress, FlushDecompress, Status};
use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};

use crate::gzip::Gzip;

/// A plain body beyond this is held compressed.
const MOST_PLAIN_BYTES: usize = 1 << 20;
/// What is inflated in one go.
const PIECE_BYTES: usize = 32 << 10;

/// A finished body.
#[derive(Debug)]
pub enum Body {
    /// As it is sent, compressed or not.
    Whole(Vec<u8>),
    /// To be inflated while it is sent.
    Packed {
        /// gzip.
        packed: Vec<u8>,
        /// Bytes it inflates to.
        plain_bytes: u64,
    },
}

impl Body {
    /// The bytes to send, all at once.
    pub fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Whole(bytes) => bytes,
            packed @ Self::Packed { .. } => {
                let mut bytes = Vec::new();
                let mut pieces = Pieces::new(packed);
                while let Some(piece) = pieces.next() {
                    bytes.extend_from_slice(&piece);
                }
                bytes
            }
        }
    }
}

/// Collects the pieces of a body.
pub(crate) struct Collect<'g> {
    gzip: &'g mut Gzip,
    out: Vec<u8>,
    /// Whether `out` is compressed.
    packing: bool,
    /// Whether the client wants it that way.
    wanted: bool,
    plain_bytes: u64,
}

impl<'g> Collect<'g> {
    /// A body of about `expected` bytes, compressed if that is `wanted`.
    pub(crate) fn new(gzip: &'g mut Gzip, wanted: bool, expected: usize) -> Self {
        // A body that is going to be packed anyway needs no room for its plain form.
        let capacity = if wanted { expected } else { expected.min(MOST_PLAIN_BYTES) };
        Self { gzip, out: Vec::with_capacity(capacity), packing: wanted, wanted, plain_bytes: 0 }
    }

    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.plain_bytes += piece.len() as u64;
        if !self.packing && self.out.len() + piece.len() > MOST_PLAIN_BYTES {
            let plain = std::mem::take(&mut self.out);
            self.packing = true;
            self.gzip.push(&plain, &mut self.out);
        }
        if self.packing {
            self.gzip.push(piece, &mut self.out);
        } else {
            self.out.extend_from_slice(piece);
        }
    }

    pub(crate) fn finish(mut self) -> Body {
        if self.packing {
            self.gzip.finish(&mut self.out);
        }
        match self.packing && !self.wanted {
            true => Body::Packed { packed: self.out, plain_bytes: self.plain_bytes },
            false => Body::Whole(self.out),
        }
    }
}

/// A body on its way to a client.
pub(crate) struct Pieces {
    source: Vec<u8>,
    at: usize,
    left: u64,
    /// `None` when the bytes go out as they are.
    inflate: Option<Decompress>,
}

impl Pieces {
    pub(crate) fn new(body: Body) -> Self {
        match body {
            Body::Whole(source) => Self { at: 0, left: source.len() as u64, inflate: None, source },
            // gzip with the largest window.
            Body::Packed { packed, plain_bytes } => {
                Self { source: packed, at: 0, left: plain_bytes, inflate: Some(Decompress::new_gzip(15)) }
            }
        }
    }

    fn next(&mut self) -> Option<Bytes> {
        if self.left == 0 {
            return None;
        }
        let Some(inflate) = &mut self.inflate else {
            self.left = 0;
            return Some(Bytes::from(std::mem::take(&mut self.source)));
        };
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        while piece.len() < PIECE_BYTES {
            let before = inflate.total_in();
            let rest = self.source.get(self.at..).unwrap_or_default();
            let status = inflate.decompress_vec(rest, &mut piece, FlushDecompress::None);
            self.at += usize::try_from(inflate.total_in() - before).unwrap_or(rest.len());
            match status {
                Ok(Status::Ok) if !rest.is_empty() => {}
                _ => break,
            }
        }
        self.left = self.left.saturating_sub(piece.len() as u64);
        // We made the stream ourselves; should it end early after all, the connection is closed short of its length.
        (!piece.is_empty()).then(|| Bytes::from(piece))
    }
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.get_mut().next().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn collect(gzip: &mut Gzip, wanted: bool, lines: usize) -> (Body, String) {
        let mut collect = Collect::new(gzip, wanted, 100);
        let mut want = String::new();
        for n in 0..lines {
            let line = format!("metric_{n}{{a=\"b\"}} {n}\n");
            collect.push(line.as_bytes());
            want.push_str(&line);
        }
        (collect.finish(), want)
    }

    #[test]
    fn small_ones_are_sent_as_they_are_and_large_ones_inflated_on_the_way() {
        let mut gzip = Gzip::default();
        for (wanted, lines, packed) in
            [(false, 10, false), (false, 100_000, true), (true, 100_000, false), (false, 3, false)]
        {
            let (body, want) = collect(&mut gzip, wanted, lines);
            assert_eq!(matches!(body, Body::Packed { .. }), packed, "{lines}");
            let pieces = Pieces::new(body);
            if !wanted {
                assert_eq!(pieces.size_hint().exact(), Some(want.len() as u64));
            }
            let mut got = Vec::new();
            let mut pieces = pieces;
            while let Some(piece) = pieces.next() {
                assert!(!packed || piece.len() <= PIECE_BYTES);
                got.extend_from_slice(&piece);
            }
            let mut text = String::new();
            if wanted {
                flate2::read::GzDecoder::new(&got[..]).read_to_string(&mut text).unwrap();
            } else {
                text = String::from_utf8(got).unwrap();
            }
            assert!(text == want, "{lines} lines");
        }
    }
}
