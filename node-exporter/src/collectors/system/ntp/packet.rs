//! Packets of NTP and what the four times of a question and its answer tell (RFC 5905, section 8).

use std::time::Duration;

use common::fuzzing::{Parser, eat};

/// Seconds from 1900 to 1970.
const UNIX_EPOCH: u32 = 2_208_988_800;
const ONE_SECOND: f64 = 4_294_967_296.0;
const PACKET_BYTES: usize = 48;
const CLIENT: u8 = 3;
const SERVER: u8 = 4;

/// Largest distance of a server from the root that makes sense, in seconds.
const MAX_DISPERSION: f64 = 16.0;
/// A clock that was not set for longer than the longest interval between two polls, in seconds, is no source.
const MAX_AGE: f64 = 131_072.0;
const UNSYNCHRONIZED_LEAP: u8 = 3;
const UNSYNCHRONIZED_STRATUM: u8 = 16;

/// Seconds since 1900, 32 bits, and as many behind the point; begins anew in 2036.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Timestamp(u64);

impl Timestamp {
    /// So long after 1970.
    pub(super) fn of(unix: Duration) -> Self {
        let seconds = unix.as_secs().wrapping_add(u64::from(UNIX_EPOCH));
        let parts = (u64::from(unix.subsec_nanos()) << 32) / 1_000_000_000;
        Self((seconds << 32) | parts)
    }

    /// Seconds since `earlier`, from 68 years before it to 68 after it.
    pub(super) fn since(self, earlier: Self) -> f64 {
        self.0.wrapping_sub(earlier.0).cast_signed() as f64 / ONE_SECOND
    }

    /// Whole seconds since 1970. What would be before it is after 2036.
    pub(super) fn unix_seconds(self) -> i64 {
        i64::from(((self.0 >> 32) as u32).wrapping_sub(UNIX_EPOCH))
    }

    /// Seconds since 1970, 0 for a time that was never set.
    pub(super) fn unix(self) -> f64 {
        if self.0 == 0 {
            return 0.0;
        }
        self.unix_seconds() as f64 + (self.0 & u64::from(u32::MAX)) as f64 / ONE_SECOND
    }
}

/// The question: who asks, and a number that the answer has to repeat.
pub(super) fn question(version: u8, cookie: u64) -> [u8; PACKET_BYTES] {
    let mut bytes = [0; PACKET_BYTES];
    bytes[0] = (version << 3) | CLIENT;
    if let Some((_, last)) = bytes.split_last_chunk_mut() {
        *last = cookie.to_be_bytes();
    }
    bytes
}

/// What a server tells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) leap: u8,
    pub(super) stratum: u8,
    pub(super) root_delay: f64,
    pub(super) root_dispersion: f64,
    /// When its clock was set last.
    pub(super) reference: Timestamp,
    /// When the question came.
    pub(super) received: Timestamp,
    /// When the answer went.
    pub(super) transmitted: Timestamp,
}

/// An answer, or why it is none to the question with this cookie.
pub(super) fn parse(bytes: &[u8], cookie: u64) -> Result<Answer, &'static str> {
    let mut words = bytes.chunks_exact(4).map(|word| word.iter().fold(0_u32, |n, b| (n << 8) | u32::from(*b)));
    let mut word = || words.next().ok_or("an answer that is cut short");
    let head = word()?;
    let [flags, stratum, _, _] = head.to_be_bytes();
    let short = |word: u32| f64::from(word) / 65_536.0;
    let (root_delay, root_dispersion, _source) = (short(word()?), short(word()?), word()?);
    let mut long = || Ok::<u64, &'static str>((u64::from(word()?) << 32) | u64::from(word()?));
    let (reference, origin, received, transmitted) = (long()?, long()?, long()?, long()?);
    if flags & 7 != SERVER {
        return Err("an answer that no server gives");
    }
    if origin != cookie {
        return Err("an answer to another question");
    }
    if transmitted == 0 || received == 0 {
        return Err("an answer without a time");
    }
    if transmitted.wrapping_sub(received).cast_signed() < 0 {
        return Err("an answer from before its question");
    }
    let [reference, received, transmitted] = [reference, received, transmitted].map(Timestamp);
    Ok(Answer { leap: flags >> 6, stratum, root_delay, root_dispersion, reference, received, transmitted })
}

/// An answer and what it tells of the two clocks, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Outcome {
    pub(super) answer: Answer,
    /// Time under way.
    pub(super) round_trip: f64,
    /// Of the server's clock against ours.
    pub(super) offset: f64,
    /// By how much the clocks differ at least: nothing comes before it was sent.
    pub(super) least_error: f64,
    /// Largest error relative to the reference clock.
    pub(super) root_distance: f64,
}

impl Answer {
    /// What the times of our own clock make of it.
    pub(super) fn outcome(self, sent: Timestamp, arrived: Timestamp) -> Outcome {
        let there = self.received.since(sent);
        let back = self.transmitted.since(arrived);
        let round_trip = (arrived.since(sent) - self.transmitted.since(self.received)).max(0.0);
        Outcome {
            answer: self,
            round_trip,
            offset: f64::midpoint(there, back),
            least_error: back.max(-there).max(0.0),
            root_distance: (round_trip + self.root_delay) / 2.0 + self.root_dispersion,
        }
    }

    /// Whether the server claims to know the time, and does not contradict itself.
    pub(super) fn is_valid(&self) -> bool {
        let age = self.transmitted.since(self.reference);
        // Stratum 0 is a kiss of death: the server wants to be left alone.
        (1..UNSYNCHRONIZED_STRATUM).contains(&self.stratum)
            && self.leap != UNSYNCHRONIZED_LEAP
            && (0.0..=MAX_AGE).contains(&age)
            && self.root_delay / 2.0 + self.root_dispersion <= MAX_DISPERSION
    }
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser = Parser::new(
    "NTP answer",
    |bytes| {
        let cookie = bytes.get(24..32).map_or(0, |cookie| cookie.iter().fold(0, |n, b| (n << 8) | u64::from(*b)));
        eat(parse(bytes, cookie).map(|answer| (answer.is_valid(), answer.outcome(answer.reference, answer.received))));
    },
    b"\x24\x02\x06\xec\x00\x00\x80\x00\x00\x00\x40\x00\x7f\x00\x00\x01\xe8\xfe\x22\x00\x00\x00\x00\x00cookies!\
      \xe8\xfe\x22\x3c\x80\x00\x00\x00\xe8\xfe\x22\x3c\xc0\x00\x00\x00",
);

#[cfg(test)]
mod tests {
    use super::*;

    const COOKIE: u64 = u64::from_be_bytes(*b"cookies!");

    #[test]
    fn good() {
        let answer = parse(PARSER.good, COOKIE).unwrap();
        assert_eq!((answer.leap, answer.stratum, answer.root_delay, answer.root_dispersion), (0, 2, 0.5, 0.25));
        assert_eq!(answer.transmitted.since(answer.reference), 60.75);
        assert!(answer.is_valid());
        // Longer ones have fields that nobody asked for.
        assert_eq!(parse(&[PARSER.good, b"more than that"].concat(), COOKIE), Ok(answer));
        let time = |at: f64| Timestamp((at * ONE_SECOND) as u64);
        let shifted = Answer { received: time(20.25), transmitted: time(20.5), ..answer };
        let outcome = shifted.outcome(time(10.0), time(10.75));
        assert_eq!((outcome.round_trip, outcome.offset, outcome.least_error), (0.5, 10.0, 9.75));
        assert_eq!(outcome.root_distance, 0.75);
        let behind = shifted.outcome(time(30.0), time(30.25));
        assert_eq!((behind.round_trip, behind.least_error), (0.0, 9.75));
    }

    #[test]
    fn cut_short_and_garbage() {
        for end in 0..PACKET_BYTES {
            assert_eq!(parse(&PARSER.good[..end], COOKIE), Err("an answer that is cut short"), "{end}");
        }
        let with = |at: usize, new: &[u8]| {
            let mut bytes = PARSER.good.to_vec();
            bytes[at..at + new.len()].copy_from_slice(new);
            parse(&bytes, COOKIE)
        };
        assert_eq!(with(0, b"\x23"), Err("an answer that no server gives"));
        assert_eq!(with(24, b"x"), Err("an answer to another question"));
        assert_eq!(with(40, &[0; 8]), Err("an answer without a time"));
        assert_eq!(with(32, &[0; 8]), Err("an answer without a time"));
        assert_eq!(with(40, b"\xe8\xfe\x22\x3c\x70"), Err("an answer from before its question"));
        assert!(parse(&[0xff; PACKET_BYTES], COOKIE).is_err());
        for (at, new) in [
            (0, &b"\xe4"[..]),
            (1, b"\0"),
            (1, b"\x10"),
            (4, b"\0\x20"),
            (8, b"\0\x10"),
            (16, b"\xe8\xfe\x22\x3d"),
            (16, b"\xe8\xfc\x22\x3c"),
        ] {
            assert!(!with(at, new).unwrap().is_valid(), "{at} {new:?}");
        }
    }

    #[test]
    fn times() {
        assert_eq!(Timestamp::default().unix(), 0.0);
        assert_eq!(Timestamp::of(Duration::from_millis(1_700_000_000_500)).unix(), 1_700_000_000.5);
        // Beyond 2036.
        let late = Timestamp::of(Duration::from_secs(2_100_000_000));
        assert_eq!((late.unix(), late.unix_seconds()), (2_100_000_000.0, 2_100_000_000));
        assert_eq!(late.since(Timestamp::of(Duration::from_secs(2_000_000_000))), 100_000_000.0);
        assert_eq!(question(3, COOKIE)[..2], [0x1b, 0]);
        assert_eq!(question(3, COOKIE)[40..], *b"cookies!");
    }
}
