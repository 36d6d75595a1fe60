//! Finds the first of many texts, ASCII letters in any case, and passes over most bytes without looking at them.
//!
//! Wu and Manber's way (TR-94-17, University of Arizona): of each text the first so many bytes count, as many as the shortest has.
//! The two bytes at the end of a window of that length say by how much it can move on before a text could end there.
//! Lines of logs rarely hold what is looked for, so it mostly moves by the whole window.

/// Texts to find.
pub(super) struct Finder {
    groups: Vec<Group>,
}

/// Texts of similar length: one short text would make the steps short for all.
struct Group {
    /// Bytes that count of each text, at least 2.
    window: usize,
    /// By two bytes, how far the window can move; 0 where a text may end.
    steps: Box<[u8; 1 << 16]>,
    /// The last two bytes of a window, folded, and the text.
    ends: Vec<(u16, Box<[u8]>)>,
}

/// From this length on a text is a long one.
const LONG: usize = 4;

impl Finder {
    /// Finds `texts`, each of at least two bytes; shorter ones are passed over.
    pub(super) fn new<'t>(texts: impl IntoIterator<Item = &'t [u8]>) -> Self {
        let (mut short, mut long) = (Vec::new(), Vec::new());
        for text in texts {
            match text.len() {
                0 | 1 => {}
                2 | 3 => short.push(text.to_ascii_lowercase()),
                _ => long.push(text.to_ascii_lowercase()),
            }
        }
        debug_assert!(long.iter().all(|text| text.len() >= LONG));
        Self { groups: [short, long].into_iter().filter_map(Group::new).collect() }
    }

    /// Where, at `from` or after it, the first of the texts begins.
    #[inline]
    pub(super) fn find(&self, text: &[u8], from: usize) -> Option<usize> {
        self.groups.iter().filter_map(|group| group.find(text, from)).min()
    }
}

impl Group {
    fn new(mut texts: Vec<Vec<u8>>) -> Option<Self> {
        texts.sort();
        texts.dedup();
        let window = texts.iter().map(Vec::len).min()?.min(usize::from(u8::MAX));
        let far = u8::try_from(window - 1).unwrap_or(u8::MAX);
        let mut steps: Box<[u8; 1 << 16]> = vec![far; 1 << 16].into_boxed_slice().try_into().ok()?;
        let mut ends = Vec::with_capacity(texts.len());
        for text in texts {
            let head = text.get(..window)?;
            for (at, pair) in head.windows(2).enumerate() {
                let step = u8::try_from(window - 2 - at).unwrap_or(u8::MAX);
                let [first, second] = *pair else { continue };
                for first in [first, first.to_ascii_uppercase()] {
                    for second in [second, second.to_ascii_uppercase()] {
                        if let Some(known) = steps.get_mut(usize::from(u16::from_be_bytes([first, second]))) {
                            *known = step.min(*known);
                        }
                    }
                }
            }
            let [.., first, second] = *head else { continue };
            ends.push((u16::from_be_bytes([first, second]), text.into_boxed_slice()));
        }
        ends.sort();
        Some(Self { window, steps, ends })
    }

    #[inline]
    fn find(&self, text: &[u8], from: usize) -> Option<usize> {
        let mut at = from + self.window - 2;
        while let Some([first, second]) = text.get(at..).and_then(<[u8]>::first_chunk::<2>) {
            let pair = usize::from(u16::from_be_bytes([*first, *second]));
            match self.steps.get(pair) {
                Some(0) => {
                    let begin = at + 2 - self.window;
                    if self.is_at(text, begin, *first, *second) {
                        return Some(begin);
                    }
                    at += 1;
                }
                Some(step) => at += usize::from(*step),
                None => return None,
            }
        }
        None
    }

    /// Whether one of the texts stands at `begin`, where a window ends with these two bytes.
    #[cold]
    fn is_at(&self, text: &[u8], begin: usize, first: u8, second: u8) -> bool {
        let end = u16::from_be_bytes([first.to_ascii_lowercase(), second.to_ascii_lowercase()]);
        let from = self.ends.partition_point(|(known, _)| *known < end);
        let same = self.ends.get(from..).unwrap_or_default().iter().take_while(|(known, _)| *known == end);
        same.into_iter().any(|(_, wanted)| {
            text.get(begin..begin + wanted.len()).is_some_and(|found| found.eq_ignore_ascii_case(wanted))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(texts: &[&str], text: &[u8]) -> Vec<usize> {
        let finder = Finder::new(texts.iter().map(|text| text.as_bytes()));
        let (mut found, mut from) = (Vec::new(), 0);
        while let Some(at) = finder.find(text, from) {
            found.push(at);
            from = at + 1;
        }
        found
    }

    #[test]
    fn first_of_several() {
        assert_eq!(finds(&["error", "fatal", "exception"], b"an Error, a FATAL exceptio, an eXception"), [3, 12, 31]);
        assert_eq!(finds(&["aa"], b"aAaa"), [0, 1, 2]);
        assert_eq!(finds(&["ab", "xyzzy"], b"xyzzyab xyzz ab"), [0, 5, 13]);
        assert_eq!(finds(&["x", ""], b"xxx"), [0; 0]);
        assert_eq!(finds(&[], b"xxx"), [0; 0]);
        assert_eq!(finds(&["abc"], b"ab"), [0; 0]);
        assert_eq!(finds(&["abc"], b""), [0; 0]);
        assert_eq!(finds(&["\u{fc}ber"], "\u{fc}BER, Über".as_bytes()), [0]);
        let long = "x".repeat(300);
        assert_eq!(finds(&[&long], long.as_bytes()), [0]);
        assert_eq!(finds(&[&long], &long.as_bytes()[1..]), [0; 0]);
    }

    /// Against the plain way, over texts of few letters, where everything nearly matches.
    #[test]
    fn as_the_plain_way() {
        let mut state = 7_u64;
        let mut letter = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            b"abAB"[(state >> 61) as usize & 3]
        };
        for round in 0..400 {
            let texts: Vec<Vec<u8>> =
                (0..round % 5 + 1).map(|n| (0..2 + (n + round) % 7).map(|_| letter()).collect()).collect();
            let text: Vec<u8> = (0..200).map(|_| letter()).collect();
            let finder = Finder::new(texts.iter().map(Vec::as_slice));
            for from in 0..text.len() {
                let stands = |at: &usize| {
                    texts.iter().any(|wanted| {
                        text.get(*at..*at + wanted.len()).is_some_and(|found| found.eq_ignore_ascii_case(wanted))
                    })
                };
                assert_eq!(finder.find(&text, from), (from..text.len()).find(stands), "{texts:?} from {from}");
            }
        }
    }
}
