//! gzip for a body that is made piece by piece, with a compressor that is kept between answers.

use flate2::{Compress, Compression, FlushCompress, Status};

/// The cheapest level: on metric pages each higher one costs more CPU than the bytes it saves are worth
/// (BENCHMARKS.md has the figures).
const LEVEL: u32 = 1;
/// 32 KiB. A narrower window would save 100 KiB of state, but the compressor moves its whole table each time the window
/// slides: with 8 KiB that took a tenth of the CPU of a scrape.
const WINDOW_BITS: u8 = 15;

/// A compressor and its state of about 300 KiB.
pub struct Gzip {
    stream: Compress,
}

impl Default for Gzip {
    fn default() -> Self {
        Self { stream: Compress::new_gzip(Compression::new(LEVEL), WINDOW_BITS) }
    }
}

impl Gzip {
    /// Adds `piece` to `out`, which holds one compressed body.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        self.drive(piece, FlushCompress::None, out);
    }

    /// Ends the body and makes the compressor ready for the next one.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.drive(&[], FlushCompress::Finish, out);
        self.stream.reset();
    }

    fn drive(&mut self, mut piece: &[u8], flush: FlushCompress, out: &mut Vec<u8>) {
        loop {
            if out.capacity() - out.len() < 4096 {
                out.reserve(out.len().max(16 << 10));
            }
            let before = self.stream.total_in();
            let status = self.stream.compress_vec(piece, out, flush);
            let taken = usize::try_from(self.stream.total_in() - before).unwrap_or(piece.len());
            piece = piece.get(taken..).unwrap_or_default();
            match status {
                Ok(Status::StreamEnd) => return,
                // Room was left in the buffer, so nothing more comes until more goes in.
                Ok(_) if flush == FlushCompress::None && piece.is_empty() => return,
                Ok(_) => {}
                Err(e) => return tracing::error!("gzip: {e}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn bodies_follow_each_other() {
        let mut gzip = Gzip::default();
        for round in 0..3 {
            let (mut out, mut want) = (Vec::new(), String::new());
            for n in 0..5000 {
                let piece = format!("node_{round}_{n} {n}\n");
                gzip.push(piece.as_bytes(), &mut out);
                want.push_str(&piece);
            }
            gzip.finish(&mut out);
            let mut got = String::new();
            flate2::read::GzDecoder::new(&out[..]).read_to_string(&mut got).unwrap();
            assert_eq!(got, want);
        }
    }
}
