//! Reads the body of the last answer: unpacked, counted, limited, and kept when a rule wants to see it.
//!
//! * Without rules bytes are counted and dropped. With rules at most 32 MiB are kept, and [`crate::budget`] has the last word.
//! * `body_size_limit` is about unpacked bytes; the declared length is not compared with it.
//! * An endless body takes turns with the other probes.

use std::io;
use std::sync::Arc;

use tokio::task::coop::consume_budget;

use super::decoder::Decoder;
use super::exchange::Body;
use crate::budget::{Budget, Held};
use crate::reason::{Failure, Phase, Reason};

/// What a rule can see of a body.
const MOST_KEPT_BYTES: usize = 32 << 20;
/// What is unpacked at a time.
const PIECE_BYTES: usize = 16 << 10;

/// What is done with a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan<'a> {
    /// `compression`, empty for none.
    pub(super) compression: &'a str,
    /// Most unpacked bytes; 0 is any number.
    pub(super) limit: u64,
    /// Where room for it is booked, if a rule wants to see it.
    pub(super) keep: Option<&'a Arc<Budget>>,
}

/// A body that was kept.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) bytes: Vec<u8>,
    /// The room that it has.
    pub(super) held: Option<Held>,
}

impl Kept {
    /// Adds bytes. Room is booked for what the vector takes, which is more than what is in it.
    fn push(&mut self, bytes: &[u8], budget: &Arc<Budget>) -> Result<(), Failure> {
        let (before, needed) = (self.bytes.capacity(), self.bytes.len() + bytes.len());
        if needed > before {
            let room = needed.max(2 * before).min(MOST_KEPT_BYTES.max(needed));
            self.held.get_or_insert_with(|| Held::nothing(budget)).book(room - before)?;
            self.bytes.reserve_exact(room - self.bytes.len());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

/// Why a body could not be read.
#[derive(Debug)]
pub(super) struct Unread {
    /// Whether not even its unpacking could begin.
    pub(super) at_start: bool,
    pub(super) failure: Failure,
}

/// What a body becomes.
struct Sink<'a> {
    plan: Plan<'a>,
    kept: Kept,
    count: &'a mut u64,
}

impl Sink<'_> {
    fn take(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let too_large = |what: String| Failure::new(Phase::Transfer, Reason::BodySize, what);
        let room = if self.plan.limit == 0 { u64::MAX } else { self.plan.limit.saturating_sub(*self.count) };
        let fits = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        *self.count += fits as u64;
        if fits < bytes.len() {
            return Err(too_large(format!("body: expected at most {} bytes (body_size_limit)", self.plan.limit)));
        }
        if let Some(budget) = self.plan.keep {
            if self.kept.bytes.len() + bytes.len() > MOST_KEPT_BYTES {
                return Err(too_large(
                    "body: rules see at most 32 MiB of it; body_size_limit sets a lower limit".to_owned(),
                ));
            }
            self.kept.push(bytes, budget)?;
        }
        Ok(())
    }
}

/// Reads a body to its end; `count` has the unpacked bytes so far. Gives the bytes if they are to be kept.
pub(super) async fn read(body: &mut Body, plan: Plan<'_>, count: &mut u64) -> Result<Kept, Unread> {
    let mut sink = Sink { plan, kept: Kept::default(), count };
    if matches!(plan.compression.to_ascii_lowercase().as_str(), "" | "identity") {
        return match plain(body, &mut sink).await {
            Ok(()) => Ok(sink.kept),
            Err(failure) => Err(Unread { at_start: false, failure }),
        };
    }
    let Some(mut decoder) = Decoder::new(plan.compression) else {
        sink.plan.keep = None;
        let drained = plain(body, &mut sink).await;
        let what = format!("compression: expected gzip, deflate, br or identity, found {:?}", plan.compression);
        let unknown = Failure::new(Phase::Check, Reason::Compression, what);
        return Err(Unread { at_start: true, failure: drained.err().unwrap_or(unknown) });
    };
    let mut out = vec![0; PIECE_BYTES];
    match unpack(body, &mut decoder, &mut out, &mut sink).await {
        Ok(()) => Ok(sink.kept),
        Err(failure) => Err(Unread { at_start: !decoder.has_begun(), failure }),
    }
}

async fn plain(body: &mut Body, sink: &mut Sink<'_>) -> Result<(), Failure> {
    while let Some(piece) = body.piece().await {
        sink.take(&piece?)?;
        consume_budget().await;
    }
    Ok(())
}

async fn unpack(body: &mut Body, decoder: &mut Decoder, out: &mut [u8], sink: &mut Sink<'_>) -> Result<(), Failure> {
    loop {
        match decoder.read(out) {
            Ok(0) => return Ok(()),
            Ok(n) => sink.take(out.get(..n).unwrap_or_default())?,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => match body.piece().await {
                Some(piece) => decoder.feed(piece?),
                None => decoder.end(),
            },
            Err(e) => {
                let what = match e.kind() {
                    io::ErrorKind::UnexpectedEof => "it is packed, and ended too early",
                    _ => "it is not packed as compression says",
                };
                return Err(Failure::new(Phase::Transfer, Reason::Compression, format!("body: {what}")));
            }
        }
        consume_budget().await;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use hyper::body::Bytes;

    use super::*;

    fn whole(bytes: Bytes) -> Body {
        Body::Whole(bytes)
    }

    async fn check(bytes: &[u8], plan: Plan<'_>, count: u64, reason: Option<Reason>) {
        let mut counted = 0;
        let read = read(&mut whole(Bytes::copy_from_slice(bytes)), plan, &mut counted).await;
        assert_eq!((counted, read.err().map(|unread| unread.failure.reason)), (count, reason), "{plan:?}");
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[tokio::test]
    async fn limits_and_lengths() {
        let budget = Arc::default();
        let plan = |compression, limit| Plan { compression, limit, keep: Some(&budget) };
        check(b"0123456789", plan("", 10), 10, None).await;
        check(b"0123456789a", plan("", 10), 10, Some(Reason::BodySize)).await;
        check(b"0123456789a", plan("Identity", 0), 11, None).await;
        check(b"hello", plan("zstd", 0), 5, Some(Reason::Compression)).await;
        let packed = gzip(&[b'x'; 1000]);
        check(&packed, plan("gzip", 0), 1000, None).await;
        check(&packed, plan("gzip", 1000), 1000, None).await;
        check(&packed, plan("gzip", 500), 500, Some(Reason::BodySize)).await;
        check(&packed[..packed.len() - 6], plan("gzip", 0), 1000, Some(Reason::Compression)).await;
        check(b"", plan("gzip", 0), 0, Some(Reason::Compression)).await;
    }

    #[tokio::test]
    async fn a_bomb_is_counted_or_refused() {
        let bomb = gzip(&vec![0; MOST_KEPT_BYTES + 1]);
        let budget = Arc::default();
        let plan = |keep| Plan { compression: "gzip", limit: 0, keep };
        check(&bomb, plan(None), MOST_KEPT_BYTES as u64 + 1, None).await;
        let mut count = 0;
        let unread = read(&mut whole(bomb.into()), plan(Some(&budget)), &mut count).await.unwrap_err();
        assert_eq!((unread.failure.reason, unread.at_start), (Reason::BodySize, false));
        assert!(unread.failure.what.contains("body_size_limit"), "{}", unread.failure);
    }
    #[tokio::test]
    async fn all_probes_together_keep_so_much() {
        let budget = Arc::<Budget>::default();
        let mut others = Held::nothing(&budget);
        while others.book(1 << 20).is_ok() {}
        let plan = Plan { compression: "", limit: 0, keep: Some(&budget) };
        let unread = read(&mut whole(vec![0; 2 << 20].into()), plan, &mut 0).await.unwrap_err();
        assert_eq!(unread.failure.reason, Reason::BodySize);
        drop(others);
        let kept = read(&mut whole(vec![0; 2 << 20].into()), plan, &mut 0).await.unwrap();
        assert_eq!((kept.bytes.len(), kept.bytes.capacity()), (2 << 20, 2 << 20));
    }
}
