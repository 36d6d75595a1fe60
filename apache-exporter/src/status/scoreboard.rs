//! The scoreboard: one character for each slot a worker can have.
//!
//! * Source: the `Scoreboard` line. httpd 2.4 leaves out slots above the configured maximum, 2.2 prints those of the
//!   hard limit; the line can hold tens of thousands of characters.
//! * Differs from the Go exporter: a line of any length is read.

/// What a slot is doing, in the order of [`State::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Its character.
    pub sign: u8,
    /// The label value.
    pub name: &'static str,
}

impl State {
    /// The eleven states there are.
    pub const ALL: [Self; 11] = [
        Self::new(b'C', "closing"),
        Self::new(b'D', "dns"),
        Self::new(b'G', "graceful_stop"),
        Self::new(b'_', "idle"),
        Self::new(b'I', "idle_cleanup"),
        Self::new(b'K', "keepalive"),
        Self::new(b'L', "logging"),
        Self::new(b'.', "open_slot"),
        Self::new(b'R', "read"),
        Self::new(b'W', "reply"),
        Self::new(b'S', "startup"),
    ];

    const fn new(sign: u8, name: &'static str) -> Self {
        Self { sign, name }
    }
}

/// How many slots show each character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scoreboard {
    counts: Box<[u64; 256]>,
}

impl Scoreboard {
    pub(super) fn parse(value: &[u8]) -> Self {
        let mut counts = Box::new([0_u64; 256]);
        for sign in value.trim_ascii() {
            if let Some(count) = counts.get_mut(usize::from(*sign)) {
                *count += 1;
            }
        }
        Self { counts }
    }

    /// Slots that show `sign`.
    pub fn count(&self, sign: u8) -> u64 {
        self.counts.get(usize::from(sign)).copied().unwrap_or_default()
    }

    /// Slots in all.
    pub fn slots(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Characters that stand for no state we know, each with its number of slots; at most 245.
    pub fn strangers(&self) -> impl Iterator<Item = (char, u64)> {
        let is_known = |sign: &u8| State::ALL.iter().any(|state| state.sign == *sign);
        let unknown = (0..=u8::MAX).filter(move |sign| !is_known(sign));
        unknown.map(|sign| (char::from(sign), self.count(sign))).filter(|(_, n)| *n > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &[u8], slots: u64, counts: &[(u8, u64)], strangers: &[(char, u64)]) {
        let board = Scoreboard::parse(value);
        assert_eq!(board.slots(), slots);
        for (sign, count) in counts {
            assert_eq!(board.count(*sign), *count, "{}", sign.escape_ascii());
        }
        assert_eq!(board.strangers().collect::<Vec<_>>(), strangers);
    }

    #[test]
    fn characters_are_counted() {
        check(b"__WK..S_ ", 8, &[(b'_', 3), (b'W', 1), (b'.', 2), (b'S', 1), (b'L', 0)], &[]);
        check(b"", 0, &[(b'_', 0)], &[]);
        check(b"_?\xe9?x", 5, &[(b'_', 1)], &[('?', 2), ('x', 1), ('\u{e9}', 1)]);
        check(&[b'.'; 200_000], 200_000, &[(b'.', 200_000)], &[]);
    }
}
