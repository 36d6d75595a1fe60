//! Finds the first of many texts, ASCII letters in any case, and looks at few of the bytes.
//!
//! Of each text the first so many bytes count, as many as the shortest has: the window. Wherever a text stands, one of any
//! `stride` consecutive places begins with a few bytes, a gram, that are somewhere in a window; so it is enough to look at every
//! `stride`th place, whether its gram is one of those (the idea of Wu and Manber, TR-94-17, University of Arizona, without steps that depend
//! on the one before: the processor looks at many places at a time).

/// Texts to find.
pub(super) struct Finder {
    groups: Vec<Group>,
}

/// Texts of similar length: one short text would make the strides short for all.
struct Group {
    /// Bytes of a gram, 2 or 3.
    gram: usize,
    /// Places from one that is looked at to the next.
    stride: usize,
    /// By hash of a gram: bit `k` is set when it stands `k` bytes behind the begin of a text.
    places: Box<[u8; SLOTS]>,
    /// The texts in lower case, by their first byte.
    texts: Vec<Box<[u8]>>,
}

const SLOTS: usize = 1 << 12;
/// From this length on a text is a long one.
const LONG: usize = 4;
/// Places are the bits of a byte.
const MOST_STRIDE: usize = 8;
/// Places that are looked at together.
const TOGETHER: usize = 8;

impl Finder {
    /// Finds `texts`, each of at least two bytes; shorter ones are passed over.
    pub(super) fn new<'t>(texts: impl IntoIterator<Item = &'t [u8]>) -> Self {
        let (mut short, mut long) = (Vec::new(), Vec::new());
        for text in texts {
            let text = text.to_ascii_lowercase().into_boxed_slice();
            match text.len() {
                0 | 1 => {}
                length if length < LONG => short.push(text),
                _ => long.push(text),
            }
        }
        Self {
            groups: [(short, 2), (long, 3)].into_iter().filter_map(|(texts, gram)| Group::new(texts, gram)).collect(),
        }
    }

    /// Where, at `from` or after it, the first of the texts begins.
    #[inline]
    pub(super) fn find(&self, text: &[u8], from: usize) -> Option<usize> {
        self.groups.iter().filter_map(|group| group.find(text, from)).min()
    }
}

/// The slot of a gram, which is the first bytes of `bytes`: letters have the same in any case, and some others share it.
#[inline]
fn slot(bytes: [u8; 4], gram: usize) -> usize {
    let mask = if gram == 2 { 0xffff } else { 0xff_ffff };
    let folded = (u32::from_le_bytes(bytes) | 0x2020_2020) & mask;
    (folded.wrapping_mul(0x9e37_79b1) >> 20) as usize
}

impl Group {
    fn new(mut texts: Vec<Box<[u8]>>, gram: usize) -> Option<Self> {
        texts.sort();
        texts.dedup();
        let window = texts.iter().map(|text| text.len()).min()?;
        let stride = (window - gram + 1).min(MOST_STRIDE);
        let mut places = Box::new([0; SLOTS]);
        for text in &texts {
            for (at, bytes) in text.windows(gram).take(stride).enumerate() {
                if let Some(place) = places.get_mut(slot(padded(bytes), gram)) {
                    *place |= 1 << at;
                }
            }
        }
        Some(Self { gram, stride, places, texts })
    }

    #[inline]
    fn place(&self, bytes: [u8; 4]) -> u8 {
        self.places.get(slot(bytes, self.gram)).copied().unwrap_or(0)
    }

    fn find(&self, text: &[u8], from: usize) -> Option<usize> {
        let mut at = from + self.stride - 1;
        let together = self.stride * TOGETHER;
        loop {
            // Mostly none of them is it.
            while let Some(stretch) = text.get(at..at + together + 4) {
                let mut any = 0;
                for n in 0..TOGETHER {
                    let bytes = stretch.get(n * self.stride..).and_then(<[u8]>::first_chunk).copied();
                    any |= self.place(bytes.unwrap_or_default());
                }
                if any != 0 {
                    break;
                }
                at += together;
            }
            for _ in 0..TOGETHER {
                let rest = text.get(at..).filter(|rest| rest.len() >= self.gram)?;
                let place = self.place(padded(rest));
                if place != 0
                    && let Some(begin) = self.begins(text, from, at, place)
                {
                    return Some(begin);
                }
                at += self.stride;
            }
        }
    }

    /// The first of the texts that stand around a gram at `at`.
    #[cold]
    fn begins(&self, text: &[u8], from: usize, at: usize, place: u8) -> Option<usize> {
        let begins = (0..self.stride).rev().filter(|back| place >> back & 1 == 1);
        begins.filter_map(|back| at.checked_sub(back).filter(|begin| *begin >= from)).find(|begin| {
            let rest = text.get(*begin..).unwrap_or_default();
            let Some(first) = rest.first().map(u8::to_ascii_lowercase) else { return false };
            let known = self.texts.partition_point(|wanted| wanted.first() < Some(&first));
            let mut same = self.texts.iter().skip(known).take_while(|wanted| wanted.first() == Some(&first));
            same.any(|wanted| rest.get(..wanted.len()).is_some_and(|found| found.eq_ignore_ascii_case(wanted)))
        })
    }
}

/// The first four bytes, with zeros for those that are not there.
fn padded(bytes: &[u8]) -> [u8; 4] {
    let mut four = [0; 4];
    for (to, from) in four.iter_mut().zip(bytes) {
        *to = *from;
    }
    four
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
