//! Unpacks a body piece by piece: gzip of one or more members (RFC 1952), deflate with and without the zlib frame
//! (RFC 1951, RFC 1950), brotli (RFC 7932).
//!
//! * Packed bytes are fed as they come; unpacked ones are read in pieces as small as the reader wants, so that a small
//!   body which becomes a huge one costs neither memory nor a turn of the others.
//! * Differs from Go: zlib is taken as deflate, too, since that is what servers send.

use std::io::{self, BufRead, Read};

use brotli_decompressor::Decompressor;
use flate2::bufread::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use hyper::body::Bytes;

/// What was fed and not read yet.
#[derive(Debug, Default)]
struct Feed {
    piece: Bytes,
    ended: bool,
}

impl BufRead for Feed {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.piece.is_empty() && !self.ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(&self.piece)
    }

    fn consume(&mut self, n: usize) {
        let n = n.min(self.piece.len());
        let _read = self.piece.split_to(n);
    }
}

impl Read for Feed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(out)?;
        self.consume(n);
        Ok(n)
    }
}

/// A body that is being unpacked.
pub(super) struct Decoder(Kind);

enum Kind {
    Gzip(Box<MultiGzDecoder<Feed>>),
    Deflate(Box<Deflate>),
    Brotli(Box<Decompressor<Feed>>),
}

struct Deflate {
    feed: Feed,
    /// The first two bytes decide which frame it is.
    head: Vec<u8>,
    state: Option<Decompress>,
    over: bool,
}

/// Brotli's reader keeps that much of its input.
const BROTLI_INPUT_BYTES: usize = 4 << 10;

impl Decoder {
    /// The decoder of a `compression`, which is not case-sensitive; `None` for one that nobody knows.
    pub(super) fn new(compression: &str) -> Option<Self> {
        let feed = Feed::default();
        let kind = match compression.to_ascii_lowercase().as_str() {
            "gzip" => Kind::Gzip(Box::new(MultiGzDecoder::new(feed))),
            "deflate" => Kind::Deflate(Box::new(Deflate { feed, head: Vec::new(), state: None, over: false })),
            "br" => Kind::Brotli(Box::new(Decompressor::new(feed, BROTLI_INPUT_BYTES))),
            _ => return None,
        };
        Some(Self(kind))
    }

    fn input(&mut self) -> &mut Feed {
        match &mut self.0 {
            Kind::Gzip(gzip) => gzip.get_mut(),
            Kind::Deflate(deflate) => &mut deflate.feed,
            Kind::Brotli(brotli) => brotli.get_mut(),
        }
    }

    /// Gives it the next packed bytes; to be called when [`Self::read`] has none left.
    pub(super) fn feed(&mut self, piece: Bytes) {
        self.input().piece = piece;
    }

    /// Says that there are no more packed bytes.
    pub(super) fn end(&mut self) {
        self.input().ended = true;
    }

    /// Whether the header of the format was read; formats without one have begun from the start.
    pub(super) fn has_begun(&self) -> bool {
        match &self.0 {
            Kind::Gzip(gzip) => gzip.header().is_some(),
            Kind::Deflate(_) | Kind::Brotli(_) => true,
        }
    }

    /// Unpacks some bytes; 0 is the end.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when it wants to be fed, otherwise what is wrong with the bytes.
    pub(super) fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Kind::Gzip(gzip) => gzip.read(out),
            Kind::Deflate(deflate) => deflate.read(out),
            Kind::Brotli(brotli) => brotli.read(out),
        }
    }
}

impl Deflate {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let broken = |_| io::Error::from(io::ErrorKind::InvalidData);
        while self.state.is_none() {
            if self.head.len() < 2 && !self.feed.fill_buf()?.is_empty() {
                let mut byte = [0];
                let n = self.feed.read(&mut byte)?;
                self.head.extend(byte.iter().take(n));
                continue;
            }
            self.state = Some(Decompress::new(is_zlib(&self.head)));
            // Back in front of the rest: once per body.
            let mut piece = std::mem::take(&mut self.head);
            piece.extend_from_slice(&self.feed.piece);
            self.feed.piece = piece.into();
        }
        let Some(state) = &mut self.state else { return Ok(0) };
        while !self.over {
            let ended = self.feed.ended;
            let input = self.feed.fill_buf()?;
            let (fed, before_in, before_out) = (input.len(), state.total_in(), state.total_out());
            let status = state.decompress(input, out, FlushDecompress::None).map_err(broken)?;
            let (taken, given) = (state.total_in() - before_in, state.total_out() - before_out);
            self.feed.consume(usize::try_from(taken).unwrap_or(fed));
            self.over = matches!(status, Status::StreamEnd);
            if given > 0 {
                return Ok(usize::try_from(given).unwrap_or(out.len()).min(out.len()));
            }
            if !self.over && taken == 0 && (fed > 0 || ended) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(0)
    }
}

/// Whether two bytes begin a zlib frame. Raw deflate that begins so would be a stored block whose padding is not zero.
fn is_zlib(head: &[u8]) -> bool {
    match head {
        [method, flags, ..] => {
            method & 0x0f == 8 && method >> 4 <= 7 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    /// Unpacks `packed`, fed in pieces of `size`; an error as its kind, behind the bytes before it.
    fn unpack(compression: &str, packed: &[u8], size: usize) -> (Vec<u8>, Option<io::ErrorKind>) {
        let mut decoder = Decoder::new(compression).unwrap();
        let mut pieces = packed.chunks(size);
        let (mut all, mut out) = (Vec::new(), [0; 300]);
        loop {
            match decoder.read(&mut out) {
                Ok(0) => return (all, None),
                Ok(n) => all.extend_from_slice(&out[..n]),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => match pieces.next() {
                    Some(piece) => decoder.feed(Bytes::copy_from_slice(piece)),
                    None => decoder.end(),
                },
                Err(e) => return (all, Some(e.kind())),
            }
        }
    }

    fn text() -> Vec<u8> {
        (0..4000_u32).flat_map(|n| n.wrapping_mul(n).to_string().into_bytes()).collect()
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(text: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn deflate(text: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// `hello` in an uncompressed meta-block of brotli, and its last, empty one.
    const BROTLI_HELLO: &[u8] = &[0x0b, 0x02, 0x80, b'h', b'e', b'l', b'l', b'o', 0x03];

    #[test]
    fn whole_bodies_in_pieces_of_any_size() {
        let text = text();
        for size in [1, 2, 7, 4096, 1 << 20] {
            for (compression, packed) in
                [("gzip", gzip(&text)), ("GZIP", gzip(&text)), ("deflate", deflate(&text)), ("deflate", zlib(&text))]
            {
                assert_eq!(unpack(compression, &packed, size), (text.clone(), None), "{compression} by {size}");
            }
            assert_eq!(unpack("br", BROTLI_HELLO, size), (b"hello".to_vec(), None), "br by {size}");
            assert_eq!(unpack("gzip", &[gzip(b"one"), gzip(b"two")].concat(), size), (b"onetwo".to_vec(), None));
        }
    }

    #[test]
    fn a_body_cut_short_is_an_error_behind_what_came() {
        let text = text();
        for (compression, packed) in [("gzip", gzip(&text)), ("deflate", deflate(&text)), ("deflate", zlib(&text))] {
            for cut in [1, 6, 100] {
                let (all, error) = unpack(compression, &packed[..packed.len() - cut], 1000);
                assert!(text.starts_with(&all));
                assert!(error.is_some() || compression == "deflate" && all == text, "{compression} cut by {cut}");
            }
            assert!(unpack(compression, b"", 1).1.is_some(), "{compression}");
        }
        assert!(unpack("br", &BROTLI_HELLO[..6], 1).1.is_some());
        assert!(unpack("br", b"", 1).1.is_some());
        assert_eq!(unpack("gzip", &gzip(b"x")[..15], 3).1, Some(io::ErrorKind::UnexpectedEof));
    }

    #[test]
    fn garbage() {
        for compression in ["gzip", "deflate", "br"] {
            let (_, error) = unpack(compression, b"hello, this is nothing that was packed \xff\xff\xff", 5);
            assert!(error.is_some(), "{compression}");
        }
        let mut decoder = Decoder::new("gzip").unwrap();
        decoder.feed(Bytes::from_static(b"hello, not gzip"));
        assert!(decoder.read(&mut [0; 10]).is_err());
        assert!(!decoder.has_begun());
        assert!(Decoder::new("zstd").is_none() && Decoder::new("identity").is_none());
    }
}
