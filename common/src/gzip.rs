//! gzip for a body that is made piece by piece, with a compressor that is kept between answers; and the way back, for
//! upstreams that compress without being asked to.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// The cheapest level: on metric pages each higher one costs more CPU than the bytes it saves are worth
/// (BENCHMARKS.md has the figures).
const LEVEL: u32 = 1;
/// 32 KiB. A narrower window would save 100 KiB of state, but the compressor moves its whole table each time the window
/// slides: with 8 KiB that took a tenth of the CPU of a scrape.
const WINDOW_BITS: u8 = 15;

/// Small pieces are collected to this size: each call of the compressor sets up anew what it needs for long runs.
const STAGE_BYTES: usize = 8128;
/// After so many stages the compressor forgets what it has seen and begins at the start of its window. Otherwise it would
/// have to move the window and every entry of its tables, which on a page of 2 MB took a fifth of the CPU of a scrape;
/// what is lost by it are matches across this point, a hundredth of the compression. The window is twice as large as
/// `WINDOW_BITS` says, less 262 bytes.
const STAGES_PER_WINDOW: u32 = 8;

/// A compressor and its state of about 300 KiB.
pub struct Gzip {
    stream: Compress,
    /// What waits for its compression.
    stage: Vec<u8>,
    /// Stages that are in the window.
    stages: u32,
}

impl Default for Gzip {
    fn default() -> Self {
        let stream = Compress::new_gzip(Compression::new(LEVEL), WINDOW_BITS);
        Self { stream, stage: Vec::with_capacity(STAGE_BYTES), stages: 0 }
    }
}

impl Gzip {
    /// Adds `piece` to `out`, which holds one compressed body.
    pub fn push(&mut self, mut piece: &[u8], out: &mut Vec<u8>) {
        loop {
            let (fits, rest) = piece.split_at_checked(STAGE_BYTES - self.stage.len()).unwrap_or((piece, b""));
            self.stage.extend_from_slice(fits);
            if rest.is_empty() {
                return;
            }
            piece = rest;
            self.stages += 1;
            if self.stages == STAGES_PER_WINDOW {
                self.stages = 0;
                self.drive_stage(FlushCompress::Full, out);
            } else {
                self.drive_stage(FlushCompress::None, out);
            }
        }
    }

    /// Ends the body and makes the compressor ready for the next one.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.drive_stage(FlushCompress::Finish, out);
        self.stream.reset();
        self.stages = 0;
    }

    fn drive_stage(&mut self, flush: FlushCompress, out: &mut Vec<u8>) {
        let mut piece = self.stage.as_slice();
        loop {
            if out.capacity() - out.len() < 4096 {
                out.reserve(out.len().max(16 << 10));
            }
            let before = self.stream.total_in();
            let status = self.stream.compress_vec(piece, out, flush);
            let taken = usize::try_from(self.stream.total_in() - before).unwrap_or(piece.len());
            piece = piece.get(taken..).unwrap_or_default();
            match status {
                Ok(Status::StreamEnd) => break,
                // Room was left in the buffer, so nothing more comes until more goes in.
                Ok(_) if flush != FlushCompress::Finish && piece.is_empty() && out.len() < out.capacity() => break,
                Ok(_) => {}
                Err(e) => {
                    tracing::error!("gzip: {e}");
                    break;
                }
            }
        }
        self.stage.clear();
    }
}

/// Why a body could not be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packed {
    /// It is no gzip, or its end is missing.
    Broken,
    /// There is more in it than is wanted.
    TooLarge,
}

/// What a compressed body holds, if that is no more than `most` bytes.
pub fn unpack(packed: &[u8], most: usize) -> Result<Vec<u8>, Packed> {
    let mut stream = Decompress::new_gzip(WINDOW_BITS);
    let mut out = Vec::new();
    loop {
        let room = most.saturating_sub(out.len()).min(out.len().max(16 << 10));
        // One more than is allowed, to notice it.
        out.reserve_exact(room + 1);
        let (taken, had) = (usize::try_from(stream.total_in()).unwrap_or(usize::MAX), out.len());
        let rest = packed.get(taken..).unwrap_or_default();
        let status = stream.decompress_vec(rest, &mut out, FlushDecompress::None).map_err(|_| Packed::Broken)?;
        if out.len() > most {
            return Err(Packed::TooLarge);
        }
        match status {
            Status::StreamEnd => return Ok(out),
            // Neither bytes in nor bytes out: the end is missing.
            _ if out.len() == had && usize::try_from(stream.total_in()).is_ok_and(|now| now == taken) => {
                return Err(Packed::Broken);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    /// The window never has to move: matches reach back as far as they may, and what is long is still small.
    #[test]
    fn long_bodies_are_compressed_window_by_window() {
        let line = |n: u32| format!("node_network_receive_bytes_total{{device=\"veth{n}\"}} {}\n", n * 7919 % 100_000);
        let body: String = (0..40_000).map(line).collect();
        let mut whole = Vec::with_capacity(body.len());
        let mut plain = Compress::new_gzip(Compression::new(LEVEL), WINDOW_BITS);
        plain.compress_vec(body.as_bytes(), &mut whole, FlushCompress::Finish).unwrap();
        let (mut gzip, mut out) = (Gzip::default(), Vec::new());
        for piece in [1, 100, 8127, 8128, 8129, 100_000, 3_000_000] {
            out.clear();
            body.as_bytes().chunks(piece).for_each(|piece| gzip.push(piece, &mut out));
            gzip.finish(&mut out);
            assert!(unpack(&out, body.len()).unwrap() == body.as_bytes(), "{piece}");
            assert!(out.len() < whole.len() + whole.len() / 50, "{piece}: {}, in one go {}", out.len(), whole.len());
        }
    }

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
    #[track_caller]
    fn packed(body: &[u8]) -> Vec<u8> {
        let (mut gzip, mut out) = (Gzip::default(), Vec::new());
        gzip.push(body, &mut out);
        gzip.finish(&mut out);
        out
    }

    #[test]
    fn there_and_back() {
        for len in [0, 1, 16 << 10, (16 << 10) + 1, 200_000] {
            let body: Vec<u8> = (0..len).map(|n: u32| (n % 251) as u8).collect();
            assert_eq!(unpack(&packed(&body), body.len()), Ok(body.clone()), "{len}");
            if let Some(less) = body.len().checked_sub(1) {
                assert_eq!(unpack(&packed(&body), less), Err(Packed::TooLarge), "{len}");
            }
        }
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        assert_eq!(unpack(&packed(&vec![b'_'; 50 << 20]), 1 << 20), Err(Packed::TooLarge));
    }

    #[test]
    fn cut_short_and_garbage() {
        let whole = packed(b"Scoreboard: _\n");
        for end in 0..whole.len() {
            assert_eq!(unpack(&whole[..end], 1000), Err(Packed::Broken), "{end}");
        }
        for garbage in [&b"Scoreboard: _\n"[..], &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xff, 0xff], &[0; 100]] {
            assert_eq!(unpack(garbage, 1000), Err(Packed::Broken));
        }
    }
}
