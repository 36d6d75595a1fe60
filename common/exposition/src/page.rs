//! One collector's part of the page: a buffer per family, filled anew at each scrape and kept in between.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering as Atomic};

use super::labels;
use super::number::push_number;

/// What a family measures; the words are those of the TYPE line in text format 0.0.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, but for a restart of what it counts.
    Counter,
    /// Goes up and down.
    Gauge,
    /// The source does not say which.
    Untyped,
    /// Quantiles, a sum and a count.
    Summary,
    /// Cumulative buckets, a sum and a count.
    Histogram,
}

impl Kind {
    /// The word in the TYPE line of text format 0.0.4.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Untyped => "untyped",
            Self::Summary => "summary",
            Self::Histogram => "histogram",
        }
    }
}

/// A family's description: a constant beside the code that fills it, or built on the spot for names the kernel gives.
///
/// `labels` are the keys in byte order; the values of a sample follow them one to one.
#[derive(Clone, Copy, Debug)]
pub struct Desc<'a> {
    /// Family name, `[a-zA-Z_:][a-zA-Z0-9_:]*`, with its unit and, for counters, `_total`.
    pub name: &'a str,
    /// One sentence for the HELP line.
    pub help: &'a str,
    /// What the family measures.
    pub kind: Kind,
    /// Label keys, sorted by byte.
    pub labels: &'a [&'a str],
}

impl<'a> Desc<'a> {
    /// A family whose values only grow.
    pub const fn counter(name: &'a str, help: &'a str, labels: &'a [&'a str]) -> Self {
        Self { name, help, kind: Kind::Counter, labels }
    }

    /// A family whose values go up and down.
    pub const fn gauge(name: &'a str, help: &'a str, labels: &'a [&'a str]) -> Self {
        Self { name, help, kind: Kind::Gauge, labels }
    }

    /// A family of which the source does not say what it is.
    pub const fn untyped(name: &'a str, help: &'a str, labels: &'a [&'a str]) -> Self {
        Self { name, help, kind: Kind::Untyped, labels }
    }

    /// A family of cumulative buckets, for [`Page::histogram`].
    pub const fn histogram(name: &'a str, help: &'a str, labels: &'a [&'a str]) -> Self {
        Self { name, help, kind: Kind::Histogram, labels }
    }

    /// A family of quantiles, for [`Page::summary`].
    pub const fn summary(name: &'a str, help: &'a str, labels: &'a [&'a str]) -> Self {
        Self { name, help, kind: Kind::Summary, labels }
    }
}

/// Where one series stands in its family's buffer: all of its lines, and the label block of the first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) block: (usize, usize),
}

impl Span {
    pub(super) fn block(self, text: &[u8]) -> &[u8] {
        text.get(self.block.0..self.block.1).unwrap_or_default()
    }

    pub(super) fn lines(self, text: &[u8]) -> &[u8] {
        text.get(self.start..self.end).unwrap_or_default()
    }
}

/// A family's lines of this scrape.
pub(super) struct Family {
    pub(super) name: String,
    pub(super) help: String,
    pub(super) kind: Kind,
    /// The HELP and TYPE lines of text format 0.0.4, made once.
    pub(super) header: Vec<u8>,
    pub(super) text: Vec<u8>,
    /// Address and length of the keys that every sample so far came with; `None` once they differed.
    keys: Option<(usize, usize)>,
    pub(super) last: Span,
    pub(super) unsorted: bool,
    /// Nobody wants it: it is known by name only, so that the question is asked once.
    hidden: bool,
    /// Series of several lines (summaries and histograms) note where each stands; plain samples are one line each.
    spans: Vec<Span>,
    /// How the series had to be put in order the last time: mostly they are written in the same disorder again.
    order: Vec<u32>,
}

impl Family {
    pub(super) fn new(desc: &Desc<'_>) -> Self {
        let mut header = Vec::with_capacity(desc.name.len() * 2 + desc.help.len() + 32);
        header.extend_from_slice(b"# HELP ");
        header.extend_from_slice(desc.name.as_bytes());
        header.push(b' ');
        push_help(&mut header, desc.help);
        header.extend_from_slice(b"\n# TYPE ");
        header.extend_from_slice(desc.name.as_bytes());
        header.push(b' ');
        header.extend_from_slice(desc.kind.as_str().as_bytes());
        header.push(b'\n');
        Self {
            name: desc.name.to_owned(),
            help: desc.help.to_owned(),
            kind: desc.kind,
            header,
            text: Vec::new(),
            keys: None,
            last: Span::default(),
            unsorted: false,
            hidden: false,
            spans: Vec::new(),
            order: Vec::new(),
        }
    }

    fn hidden(desc: &Desc<'_>) -> Self {
        let nothing = Desc { help: "", ..*desc };
        Self { hidden: true, header: Vec::new(), ..Self::new(&nothing) }
    }

    fn clear(&mut self) {
        self.text.clear();
        self.keys = None;
        self.last = Span::default();
        self.unsorted = false;
        self.spans.clear();
    }

    /// Accepts the lines from `span.start` to the end of the buffer, or takes them back as a duplicate.
    ///
    /// Fails with the label block of the duplicate.
    pub(super) fn close(&mut self, mut span: Span, keys: (usize, usize)) -> Result<(), String> {
        span.end = self.text.len();
        let first = span.start == 0;
        let uniform = first || self.keys == Some(keys);
        if !first {
            let (before, now) = (self.last.block(&self.text), span.block(&self.text));
            let order = if uniform { labels::compare_uniform(before, now) } else { labels::compare(before, now) };
            match order {
                Ordering::Less => {}
                Ordering::Equal => {
                    let block = String::from_utf8_lossy(now).into_owned();
                    self.text.truncate(span.start);
                    return Err(block);
                }
                Ordering::Greater => self.unsorted = true,
            }
        }
        self.keys = uniform.then_some(keys);
        self.last = span;
        if matches!(self.kind, Kind::Summary | Kind::Histogram) {
            self.spans.push(span);
        }
        Ok(())
    }

    /// Forgets all lines but the last one, which the next one is compared with; gives how long that is.
    pub(super) fn forget_all_but_last(&mut self) -> usize {
        self.text.drain(..self.last.start);
        let moved = |at: usize| at - self.last.start;
        self.last =
            Span { start: 0, end: moved(self.last.end), block: (moved(self.last.block.0), moved(self.last.block.1)) };
        self.text.len()
    }

    /// The series in the order they were written.
    pub(super) fn spans(&self) -> Vec<Span> {
        if matches!(self.kind, Kind::Summary | Kind::Histogram) {
            return self.spans.clone();
        }
        let mut spans = Vec::new();
        let mut start = 0;
        for line in self.text.split_inclusive(|&b| b == b'\n') {
            // A plain sample is `name{block} number` or `name number`; the number holds no brace.
            let open = start + self.name.len();
            let block = match (line.get(self.name.len()), line.iter().rposition(|&b| b == b'}')) {
                (Some(b'{'), Some(close)) => (open + 1, start + close),
                _ => (open, open),
            };
            spans.push(Span { start, end: start + line.len(), block });
            start += line.len();
        }
        spans
    }

    /// Puts the series in order; gives the label blocks of duplicates, which are left out.
    pub(super) fn sort(&mut self) -> Vec<String> {
        let spans = self.spans();
        let text = std::mem::take(&mut self.text);
        let compare = if self.keys.is_some() { labels::compare_uniform } else { labels::compare };
        let block = |at: u32| spans.get(at as usize).map(|span| span.block(&text)).unwrap_or_default();
        if !is_permutation_to_order(&self.order, spans.len(), |a, b| compare(block(a), block(b)) == Ordering::Less) {
            self.order.clear();
            self.order.extend((0_u32..).take(spans.len()));
            self.order.sort_by(|&a, &b| compare(block(a), block(b)));
        }
        let mut duplicates = Vec::new();
        let mut sorted: Vec<u8> = Vec::with_capacity(text.capacity());
        let mut last: Option<Span> = None;
        self.spans.clear();
        for span in self.order.iter().filter_map(|&at| spans.get(at as usize).copied()) {
            if last.is_some_and(|last| last.block(&text) == span.block(&text)) {
                duplicates.push(String::from_utf8_lossy(span.block(&text)).into_owned());
                continue;
            }
            if matches!(self.kind, Kind::Summary | Kind::Histogram) {
                let (start, moved) = (sorted.len(), |at: usize| at - span.start + sorted.len());
                self.spans.push(Span {
                    start,
                    end: moved(span.end),
                    block: (moved(span.block.0), moved(span.block.1)),
                });
            }
            sorted.extend_from_slice(span.lines(&text));
            last = Some(span);
        }
        self.text = sorted;
        self.unsorted = false;
        duplicates
    }
}

/// Whether `order` names each of `n` series once and in strict order. Strictly rising means that none is named twice.
fn is_permutation_to_order(order: &[u32], n: usize, is_less: impl Fn(u32, u32) -> bool) -> bool {
    order.len() == n && order.iter().zip(order.iter().skip(1)).all(|(&a, &b)| is_less(a, b))
}

/// HELP text in format 0.0.4: backslash and newline are escaped, everything else stands as it is.
fn push_help(out: &mut Vec<u8>, help: &str) {
    for b in help.bytes() {
        match b {
            b'\\' => out.extend_from_slice(br"\\"),
            b'\n' => out.extend_from_slice(br"\n"),
            b => out.push(b),
        }
    }
}

/// Tells by its name whether a family is to be left out.
pub type Hides = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// Families that are left out and remembered as such; only a text file that changes its names all the time has more.
const MOST_HIDDEN: usize = 4096;

/// Identifies pages across scrapes, so that a merge can keep its order.
static NEXT_ID: AtomicU64 = AtomicU64::new(0);

/// One collector's samples of one scrape.
///
/// Families appear in the order they were first written and are sorted when pages are merged; within a family the
/// series are sorted here. A series that is there already is dropped and reported by [`Page::duplicates`].
pub struct Page {
    pub(super) id: u64,
    /// Changes whenever a family is added or removed.
    pub(super) generation: u64,
    pub(super) families: Vec<Family>,
    index: HashMap<String, usize>,
    /// The family written last; the next sample is mostly of this one or of the next.
    cursor: usize,
    samples: u64,
    duplicates: Vec<String>,
    /// Families of one name in two pages with different help or type: the page with the higher rank yields.
    pub(super) rank: u8,
    hides: Option<Hides>,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            id: NEXT_ID.fetch_add(1, Atomic::Relaxed),
            generation: 0,
            families: Vec::new(),
            index: HashMap::new(),
            cursor: 0,
            samples: 0,
            duplicates: Vec::new(),
            rank: 0,
            hides: None,
        }
    }
}

impl Page {
    /// A page whose families yield to those of other pages when both describe a name differently.
    pub fn yielding() -> Self {
        Self { rank: 1, ..Self::default() }
    }

    /// The same page, without the families for which `hides` holds: what is written to them goes nowhere.
    #[must_use]
    pub fn hiding(mut self, hides: Option<Hides>) -> Self {
        self.hides = hides;
        self
    }

    /// An empty page that yields and hides as this one does.
    #[must_use]
    pub fn anew(&self) -> Self {
        Self { rank: self.rank, ..Self::default() }.hiding(self.hides.clone())
    }

    /// Starts a new scrape. Buffers are kept; families that nobody writes any more are forgotten in time.
    pub fn clear(&mut self) {
        let hidden = self.families.iter().filter(|family| family.hidden).count();
        let unused = self.families.iter().filter(|family| family.text.is_empty()).count() - hidden;
        if (unused > 64 && unused * 2 > self.families.len() - hidden) || hidden > MOST_HIDDEN {
            let keeps_hidden = hidden <= MOST_HIDDEN;
            self.families.retain(|family| !family.text.is_empty() || (family.hidden && keeps_hidden));
            self.index = self.families.iter().enumerate().map(|(at, family)| (family.name.clone(), at)).collect();
            self.generation += 1;
        }
        for family in &mut self.families {
            family.clear();
        }
        self.cursor = 0;
        self.samples = 0;
        self.duplicates.clear();
    }

    /// Writes one sample; `values` follow the keys of `desc` one to one.
    pub fn sample<V: AsRef<[u8]>>(&mut self, desc: &Desc<'_>, values: &[V], value: f64) {
        debug_assert_eq!(desc.labels.len(), values.len(), "{}", desc.name);
        let Some(family) = self.family(desc) else { return };
        let mut span = Span { start: family.text.len(), ..Span::default() };
        span.block = push_series(&mut family.text, desc.name, "", desc.labels, values, None);
        family.text.push(b' ');
        push_number(&mut family.text, value);
        family.text.push(b'\n');
        self.settle(desc, span);
    }

    /// Writes one histogram: `buckets` are upper bounds and cumulative counts in rising order; the bucket of +Inf is
    /// added from `count` when it is not there.
    pub fn histogram<V: AsRef<[u8]>>(
        &mut self,
        desc: &Desc<'_>,
        values: &[V],
        buckets: &[(f64, f64)],
        sum: f64,
        count: f64,
    ) {
        let Some(family) = self.family(desc) else { return };
        let mut span = Span { start: family.text.len(), ..Span::default() };
        let infinite = buckets.last().is_some_and(|(bound, _)| *bound == f64::INFINITY);
        let last = (!infinite).then_some((f64::INFINITY, count));
        for (bound, n) in buckets.iter().copied().chain(last) {
            push_series(&mut family.text, desc.name, "_bucket", desc.labels, values, Some(("le", bound)));
            family.text.push(b' ');
            push_number(&mut family.text, n);
            family.text.push(b'\n');
        }
        span.block = push_sum_and_count(&mut family.text, desc, values, sum, count);
        self.settle(desc, span);
    }

    /// Writes one summary: `quantiles` are ranks from 0 to 1 and their values, in rising order.
    pub fn summary<V: AsRef<[u8]>>(
        &mut self,
        desc: &Desc<'_>,
        values: &[V],
        quantiles: &[(f64, f64)],
        sum: f64,
        count: f64,
    ) {
        let Some(family) = self.family(desc) else { return };
        let mut span = Span { start: family.text.len(), ..Span::default() };
        for &(rank, value) in quantiles {
            push_series(&mut family.text, desc.name, "", desc.labels, values, Some(("quantile", rank)));
            family.text.push(b' ');
            push_number(&mut family.text, value);
            family.text.push(b'\n');
        }
        span.block = push_sum_and_count(&mut family.text, desc, values, sum, count);
        self.settle(desc, span);
    }

    /// Puts every family in order. The last step of a collector; merging takes finished pages.
    pub fn finish(&mut self) {
        for family in &mut self.families {
            if family.unsorted {
                for block in family.sort() {
                    self.samples -= 1;
                    self.duplicates.push(format!("{}{{{block}}}", family.name));
                }
            }
        }
    }

    /// Series written since the last [`clear`](Self::clear); a histogram or summary counts as one.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Series that were dropped because the page held them already, as `name{labels}`.
    pub fn duplicates(&self) -> &[String] {
        &self.duplicates
    }

    /// The family of `desc`, made on first sight; `None` if it is left out or its name is taken by another type.
    fn family(&mut self, desc: &Desc<'_>) -> Option<&mut Family> {
        let is = |at: usize| self.families.get(at).is_some_and(|family| family.name == desc.name);
        let at = if is(self.cursor) {
            self.cursor
        } else if is(self.cursor + 1) {
            self.cursor + 1
        } else if let Some(&at) = self.index.get(desc.name) {
            at
        } else {
            let at = self.families.len();
            let hidden = self.hides.as_ref().is_some_and(|hides| hides(desc.name));
            self.families.push(if hidden { Family::hidden(desc) } else { Family::new(desc) });
            self.index.insert(desc.name.to_owned(), at);
            self.generation += 1;
            at
        };
        self.cursor = at;
        let family = self.families.get_mut(at).filter(|family| !family.hidden)?;
        if family.kind != desc.kind || (family.text.is_empty() && family.help != desc.help) {
            if !family.text.is_empty() {
                self.duplicates.push(format!("{}: {} and {}", desc.name, family.kind.as_str(), desc.kind.as_str()));
                return None;
            }
            // The family was described otherwise in an earlier scrape, as a text file may.
            *family = Family::new(desc);
            self.generation += 1;
        }
        Some(family)
    }

    fn settle(&mut self, desc: &Desc<'_>, span: Span) {
        let Some(family) = self.families.get_mut(self.cursor) else { return };
        match family.close(span, (desc.labels.as_ptr().addr(), desc.labels.len())) {
            Ok(()) => self.samples += 1,
            Err(block) => self.duplicates.push(format!("{}{{{block}}}", desc.name)),
        }
    }
}

/// Writes `name<suffix>{keys and values, extra}`; gives where the label block (without the extra label) stands.
pub(super) fn push_series<V: AsRef<[u8]>>(
    out: &mut Vec<u8>,
    name: &str,
    suffix: &str,
    keys: &[&str],
    values: &[V],
    extra: Option<(&str, f64)>,
) -> (usize, usize) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(suffix.as_bytes());
    if keys.is_empty() && extra.is_none() {
        return (out.len(), out.len());
    }
    out.push(b'{');
    let start = out.len();
    for (at, (key, value)) in keys.iter().zip(values).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(b"=\"");
        labels::push_value(out, value.as_ref());
        out.push(b'"');
    }
    let end = out.len();
    if let Some((key, number)) = extra {
        if end > start {
            out.push(b',');
        }
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(b"=\"");
        push_number(out, number);
        out.push(b'"');
    }
    out.push(b'}');
    (start, end)
}

fn push_sum_and_count<V: AsRef<[u8]>>(
    out: &mut Vec<u8>,
    desc: &Desc<'_>,
    values: &[V],
    sum: f64,
    count: f64,
) -> (usize, usize) {
    let block = push_series(out, desc.name, "_sum", desc.labels, values, None);
    out.push(b' ');
    push_number(out, sum);
    out.push(b'\n');
    push_series(out, desc.name, "_count", desc.labels, values, None);
    out.push(b' ');
    push_number(out, count);
    out.push(b'\n');
    block
}
