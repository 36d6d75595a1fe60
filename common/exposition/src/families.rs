//! Families that are written straight to the body, one after the other, by something that holds numbers and no page.
//!
//! For documents of which a page would be many times the size: the text of a family goes on to the body in chunks, so
//! that no more than a chunk is held.

use super::labels;
use super::merge::{Format, push_openmetrics_header};
use super::number::push_number;
use super::page::{Desc, Family, Span, push_series};

/// Text held back before it goes on to the body, while the series come in order.
const CHUNK_BYTES: usize = 32 << 10;

/// A source of whole families.
pub trait Families {
    /// How many there are; they are numbered in byte order of their names.
    fn count(&self) -> usize;

    /// Name, help and type of one. Its label keys come with each sample.
    fn desc(&self, index: usize) -> Desc<'_>;

    /// Writes the series of one; none at all when there is nothing to say.
    ///
    /// Series in the order of their label values are passed on as they come; others are held until the family ends and
    /// sorted then. A large family should come in order, and should not hold a series twice.
    fn write(&self, index: usize, out: &mut FamilyOut<'_>);
}

/// Appends one label to a block, with a comma when it is not the first.
pub fn push_label(block: &mut Vec<u8>, key: &str, value: &str) {
    if !block.is_empty() {
        block.push(b',');
    }
    block.extend_from_slice(key.as_bytes());
    block.extend_from_slice(b"=\"");
    labels::push_value(block, value.as_bytes());
    block.push(b'"');
}

/// Takes the series of one family.
pub struct FamilyOut<'s> {
    family: Family,
    /// Bytes at the front of the family's text that went on already: its last line, which the next is compared with.
    sent: usize,
    /// The keys of the last sample, and how often they changed.
    keys: (Vec<&'static str>, usize),
    begun: bool,
    format: Format,
    sink: &'s mut dyn FnMut(&[u8]),
    refused: &'s mut Vec<String>,
}

impl FamilyOut<'_> {
    /// Writes one sample; `keys` are label names in byte order, `values` follow them one to one. A series that the
    /// family has already is dropped and reported.
    pub fn sample<V: AsRef<[u8]>>(&mut self, keys: &[&'static str], values: &[V], value: f64) {
        debug_assert_eq!(keys.len(), values.len(), "{}", self.family.name);
        debug_assert!(keys.is_sorted(), "{}: {keys:?}", self.family.name);
        if self.keys.0 != keys {
            self.keys = (keys.to_vec(), self.keys.1 + 1);
        }
        let mut span = Span { start: self.family.text.len(), ..Span::default() };
        span.block = push_series(&mut self.family.text, &self.family.name, "", keys, values, None);
        self.close(span, value);
    }

    /// Writes one sample whose labels are texts already: `pieces` one after the other are the block between the braces, as
    /// [`push_label`] makes it, for `keys`. For labels that many families share.
    pub fn sample_of_text(&mut self, keys: &[&'static str], pieces: &[&[u8]], value: f64) {
        if self.keys.0 != keys {
            self.keys = (keys.to_vec(), self.keys.1 + 1);
        }
        let text = &mut self.family.text;
        let start = text.len();
        text.extend_from_slice(self.family.name.as_bytes());
        text.push(b'{');
        let block = text.len();
        pieces.iter().for_each(|piece| text.extend_from_slice(piece));
        let block = (block, text.len());
        text.push(b'}');
        self.close(Span { start, block, ..Span::default() }, value);
    }

    /// Writes samples that differ in the value of their last label alone, which `last` gives with each number; `values`
    /// are those of all labels, the last one being anything.
    pub fn samples<'v>(
        &mut self,
        keys: &[&'static str],
        values: &mut [&'v str],
        last: impl IntoIterator<Item = (&'v str, f64)>,
    ) {
        // Length of the text before the last value, in the line written last; a line refused as a double looks the same.
        let mut head = None;
        for (word, value) in last {
            if let Some(length) = head {
                let (start, from) = (self.family.text.len(), self.family.last.start);
                self.family.text.extend_from_within(from..from + length);
                labels::push_value(&mut self.family.text, word.as_bytes());
                self.family.text.push(b'"');
                let block = (start + self.family.name.len() + 1, self.family.text.len());
                self.family.text.push(b'}');
                self.close(Span { start, block, ..Span::default() }, value);
                continue;
            }
            if let Some(slot) = values.last_mut() {
                *slot = word;
            }
            self.sample(keys, values, value);
            let line = self.family.last;
            // Inside a value no quote stands behind anything but a backslash.
            let opens = line.block(&self.family.text).windows(2).rposition(|pair| pair == b"=\"");
            head = opens.map(|at| line.block.0 + at + 2 - line.start);
        }
    }

    /// Ends the line that begins at `span.start` with its number.
    fn close(&mut self, span: Span, value: f64) {
        self.family.text.push(b' ');
        push_number(&mut self.family.text, value);
        self.family.text.push(b'\n');
        if let Err(block) = self.family.close(span, (self.keys.1, self.keys.0.len())) {
            self.refused.push(format!("{}{{{block}}}", self.family.name));
        }
        if self.family.text.len() >= CHUNK_BYTES && !self.family.unsorted {
            self.pass_on();
            self.sent = self.family.forget_all_but_last();
        }
    }

    fn pass_on(&mut self) {
        let text = self.family.text.get(self.sent..).unwrap_or_default();
        if text.is_empty() {
            return;
        }
        if !std::mem::replace(&mut self.begun, true) {
            match self.format {
                Format::Text => (self.sink)(&self.family.header),
                Format::OpenMetrics => {
                    let mut header = Vec::new();
                    push_openmetrics_header(&mut header, &self.family);
                    (self.sink)(&header);
                }
            }
        }
        (self.sink)(text);
    }
}

/// Writes one of `families`; `scratch` is a buffer that is kept from one to the next.
pub(super) fn write_family(
    families: &dyn Families,
    index: usize,
    format: Format,
    scratch: &mut Vec<u8>,
    sink: &mut dyn FnMut(&[u8]),
    refused: &mut Vec<String>,
) {
    let mut family = Family::new(&families.desc(index));
    family.text = std::mem::take(scratch);
    let mut out = FamilyOut { family, sent: 0, keys: (Vec::new(), 0), begun: false, format, sink, refused };
    families.write(index, &mut out);
    if out.family.unsorted {
        out.family.text.drain(..out.sent);
        out.sent = 0;
        for block in out.family.sort() {
            out.refused.push(format!("{}{{{block}}}", out.family.name));
        }
    }
    out.pass_on();
    *scratch = out.family.text;
    scratch.clear();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Merge, Page};

    /// Families of `x{n}` and `n` series each, in order or not.
    struct Numbers(Vec<(&'static str, Vec<u32>)>);

    impl Families for Numbers {
        fn count(&self) -> usize {
            self.0.len()
        }

        fn desc(&self, index: usize) -> Desc<'_> {
            Desc::counter(self.0[index].0, "Numbers.", &[])
        }

        fn write(&self, index: usize, out: &mut FamilyOut<'_>) {
            for n in &self.0[index].1 {
                out.sample(&["n"], &[format!("{n:06}")], f64::from(*n));
            }
        }
    }

    fn text(numbers: Vec<(&'static str, Vec<u32>)>, page: &Page, format: Format) -> (String, Vec<String>, usize) {
        let (mut out, mut longest) = (Vec::new(), 0);
        let refused = Merge::default().write_with(&[page], &Numbers(numbers), format, &mut |piece| {
            longest = longest.max(piece.len());
            out.extend_from_slice(piece);
        });
        (String::from_utf8(out).unwrap(), refused, longest)
    }

    #[test]
    fn families_stand_between_those_of_pages() {
        let mut page = Page::default();
        page.sample::<&str>(&Desc::gauge("b", "B.", &[]), &[], 1.0);
        page.sample::<&str>(&Desc::gauge("d", "D.", &[]), &[], 2.0);
        page.finish();
        let numbers =
            vec![("a_total", vec![1]), ("c_total", vec![2, 1, 2]), ("d", vec![3]), ("e", vec![]), ("f", vec![4])];
        let (got, refused, _) = text(numbers.clone(), &page, Format::Text);
        let want = "# HELP a_total Numbers.\n# TYPE a_total counter\na_total{n=\"000001\"} 1\n\
            # HELP b B.\n# TYPE b gauge\nb 1\n\
            # HELP c_total Numbers.\n# TYPE c_total counter\nc_total{n=\"000001\"} 1\nc_total{n=\"000002\"} 2\n\
            # HELP d Numbers.\n# TYPE d counter\nd{n=\"000003\"} 3\n\
            # HELP f Numbers.\n# TYPE f counter\nf{n=\"000004\"} 4\n";
        assert_eq!(got, want);
        assert_eq!(refused, ["c_total{n=\"000002\"}", "d: described twice"]);
        let (got, ..) = text(numbers, &page, Format::OpenMetrics);
        assert!(got.starts_with("# HELP a Numbers.\n# TYPE a counter\na_total{n=\"000001\"} 1\n"), "{got}");
        assert!(got.ends_with("# TYPE f unknown\nf{n=\"000004\"} 4\n# EOF\n"), "{got}");
    }

    /// One family of windows: sample by sample, many at once, or from texts.
    #[derive(Clone, Copy)]
    enum How {
        Each,
        Many,
        Text,
    }

    struct Windows(How, Vec<(&'static str, Vec<&'static str>)>);

    impl Families for Windows {
        fn count(&self) -> usize {
            1
        }

        fn desc(&self, _: usize) -> Desc<'_> {
            Desc::gauge("w", "W.", &[])
        }

        fn write(&self, _: usize, out: &mut FamilyOut<'_>) {
            for (id, windows) in &self.1 {
                let keys = &["id", "window"];
                match self.0 {
                    How::Many => out.samples(keys, &mut [id, ""], windows.iter().map(|window| (*window, 1.0))),
                    How::Each => windows.iter().for_each(|window| out.sample(keys, &[*id, window], 1.0)),
                    How::Text => windows.iter().for_each(|window| {
                        let (mut one, mut two) = (Vec::new(), b"x".to_vec());
                        push_label(&mut one, "id", id);
                        push_label(&mut two, "window", window);
                        out.sample_of_text(keys, &[&one, &two[1..]], 1.0);
                    }),
                }
            }
        }
    }

    #[test]
    fn many_at_once_are_as_one_by_one() {
        let ids = [
            ("a=\"", vec!["1", "2", "2", "3"]),
            ("b\\\n", vec!["\"=\"", "x"]),
            ("b\\\n", vec!["\"=\"", "y"]),
            ("c", vec![]),
            ("a", vec!["late"]),
        ];
        let of = |how| {
            let (mut out, page) = (Vec::new(), Page::default());
            let windows = Windows(how, ids.to_vec());
            let refused = Merge::default().write_with(&[&page], &windows, Format::Text, &mut |piece| {
                out.extend_from_slice(piece);
            });
            (String::from_utf8(out).unwrap(), refused)
        };
        assert_eq!(of(How::Many), of(How::Each));
        assert_eq!(of(How::Text), of(How::Each));
        assert_eq!(of(How::Each).1.len(), 2, "{:?}", of(How::Each));
    }

    #[test]
    fn a_large_family_goes_on_in_chunks() {
        let numbers: Vec<u32> = (0..20_000).collect();
        let lines: String = numbers.iter().map(|n| format!("x{{n=\"{n:06}\"}} {}\n", Number(*n))).collect();
        let (got, refused, longest) = text(vec![("x", numbers.clone())], &Page::default(), Format::Text);
        assert!(got == format!("# HELP x Numbers.\n# TYPE x counter\n{lines}"));
        assert_eq!(refused, [""; 0]);
        assert!(longest < CHUNK_BYTES + 100, "{longest}");
        // Order broken in the middle, and the last line twice: what was not passed on is sorted.
        let mut mixed = numbers;
        mixed.swap(10_000, 10_001);
        mixed.push(19_999);
        let (got, refused, _) = text(vec![("x", mixed)], &Page::default(), Format::Text);
        assert!(got == format!("# HELP x Numbers.\n# TYPE x counter\n{lines}"));
        assert_eq!(refused, ["x{n=\"019999\"}"]);
    }

    /// A number as the page prints it.
    struct Number(u32);

    impl std::fmt::Display for Number {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            let mut text = Vec::new();
            push_number(&mut text, f64::from(self.0));
            f.write_str(&String::from_utf8_lossy(&text))
        }
    }
}
