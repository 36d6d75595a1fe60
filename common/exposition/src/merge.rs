//! Joins the pages of one scrape: families by name, each once, in either text format.

use std::collections::BTreeSet;

use super::families::{Families, FamilyOut, write_family};
use super::labels;
use super::page::{Desc, Family, Kind, Page};

/// The format a client asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `text/plain; version=0.0.4`
    Text,
    /// `application/openmetrics-text; version=1.0.0`
    OpenMetrics,
}

/// Joins pages; keeps the order of the families from scrape to scrape, because it hardly ever changes.
#[derive(Default)]
pub struct Merge {
    /// Page and family, by family name; of one name the page that goes first comes first.
    order: Vec<(usize, usize)>,
    /// The pages and generations `order` was made for.
    made_for: Vec<(u64, u64)>,
}

impl Merge {
    /// Writes the pages to `sink` piece by piece, and gives what had to be left out: a series that two pages have, or
    /// a family that two pages describe differently, one line each.
    ///
    /// Every page must be [finished](Page::finish).
    pub fn write(&mut self, pages: &[&Page], format: Format, sink: &mut dyn FnMut(&[u8])) -> Vec<String> {
        self.write_with(pages, &NoFamilies, format, sink)
    }

    /// As [`write`](Self::write), with families that are on no page in between; a page's family of the same name is
    /// left out.
    pub fn write_with(
        &mut self,
        pages: &[&Page],
        families: &dyn Families,
        format: Format,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Vec<String> {
        self.arrange(pages);
        let mut refused = Vec::new();
        let mut header = Vec::new();
        let (mut at, mut next) = (0, 0);
        let mut scratch = Vec::new();
        while let Some(first) = family_at(pages, self.order.get(at)) {
            let same =
                self.order.get(at..).unwrap_or_default().iter().take_while(|&&place| {
                    family_at(pages, Some(&place)).is_some_and(|family| family.name == first.name)
                });
            let n_same = same.count().max(1);
            let mut twins = self
                .order
                .get(at..at + n_same)
                .unwrap_or_default()
                .iter()
                .filter_map(|place| family_at(pages, Some(place)).filter(|family| !family.text.is_empty()));
            at += n_same;
            let Some(family) = twins.next() else { continue };
            let mut is_there = false;
            while next < families.count() && families.desc(next).name <= family.name.as_str() {
                is_there = families.desc(next).name == family.name;
                write_family(families, next, format, &mut scratch, sink, &mut refused);
                next += 1;
            }
            if is_there {
                refused.push(format!("{}: described twice", family.name));
                continue;
            }
            match format {
                Format::Text => sink(&family.header),
                Format::OpenMetrics => {
                    header.clear();
                    push_openmetrics_header(&mut header, family);
                    sink(&header);
                }
            }
            let twins: Vec<&Family> = twins.collect(); // of a Vec that stays empty: no allocation
            if twins.is_empty() {
                sink(&family.text);
            } else {
                sink(&join(family, &twins, &mut refused));
            }
        }
        for index in next..families.count() {
            write_family(families, index, format, &mut scratch, sink, &mut refused);
        }
        if format == Format::OpenMetrics {
            sink(b"# EOF\n");
        }
        refused
    }

    fn arrange(&mut self, pages: &[&Page]) {
        let now = pages.iter().map(|page| (page.id, page.generation));
        if now.clone().eq(self.made_for.iter().copied()) {
            return;
        }
        self.made_for.clear();
        self.made_for.extend(now);
        self.order.clear();
        for (p, page) in pages.iter().enumerate() {
            self.order.extend((0..page.families.len()).map(|f| (p, f)));
        }
        self.order.sort_by_key(|&(p, f)| {
            let page = pages.get(p);
            let name = page.and_then(|page| page.families.get(f)).map_or("", |family| family.name.as_str());
            (name, page.map_or(0, |page| page.rank), p)
        });
    }
}

/// The usual case: everything is on pages.
struct NoFamilies;

impl Families for NoFamilies {
    fn count(&self) -> usize {
        0
    }

    fn desc(&self, _: usize) -> Desc<'_> {
        Desc::untyped("", "", &[])
    }

    fn write(&self, _: usize, _: &mut FamilyOut<'_>) {}
}

fn family_at<'p>(pages: &[&'p Page], place: Option<&(usize, usize)>) -> Option<&'p Family> {
    let &(p, f) = place?;
    pages.get(p)?.families.get(f)
}

/// The series of one family from several pages, in order; what clashes is left out and named.
fn join(first: &Family, twins: &[&Family], refused: &mut Vec<String>) -> Vec<u8> {
    let mut all: Vec<(&[u8], &[u8])> = Vec::new();
    for family in std::iter::once(&first).chain(twins) {
        if family.kind != first.kind || family.help != first.help {
            refused.push(format!("{}: described twice, with another help text or type", family.name));
            continue;
        }
        all.extend(family.spans().iter().map(|span| (span.block(&family.text), span.lines(&family.text))));
    }
    all.sort_by(|a, b| labels::compare(a.0, b.0));
    let mut seen = BTreeSet::new();
    let mut text = Vec::new();
    for (block, lines) in all {
        if seen.insert(block) {
            text.extend_from_slice(lines);
        } else {
            refused.push(format!("{}{{{}}}", first.name, String::from_utf8_lossy(block)));
        }
    }
    text
}

/// OpenMetrics names a counter's family without `_total`, and calls a counter without that suffix `unknown`.
pub(super) fn push_openmetrics_header(out: &mut Vec<u8>, family: &Family) {
    let (name, word) = match family.kind {
        Kind::Counter => match family.name.strip_suffix("_total") {
            Some(name) => (name, "counter"),
            None => (family.name.as_str(), "unknown"),
        },
        Kind::Untyped => (family.name.as_str(), "unknown"),
        kind => (family.name.as_str(), kind.as_str()),
    };
    out.extend_from_slice(b"# HELP ");
    out.extend_from_slice(name.as_bytes());
    out.push(b' ');
    for b in family.help.bytes() {
        match b {
            b'\\' => out.extend_from_slice(br"\\"),
            b'"' => out.extend_from_slice(br#"\""#),
            b'\n' => out.extend_from_slice(br"\n"),
            b => out.push(b),
        }
    }
    out.extend_from_slice(b"\n# TYPE ");
    out.extend_from_slice(name.as_bytes());
    out.push(b' ');
    out.extend_from_slice(word.as_bytes());
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOAD: Desc = Desc::gauge("node_load1", "Load.", &[]);
    const CPU: Desc = Desc::counter("node_cpu_seconds_total", "Time.", &["cpu", "mode"]);

    fn text(pages: &mut [Page], format: Format) -> (String, Vec<String>) {
        pages.iter_mut().for_each(Page::finish);
        let mut out = Vec::new();
        let refused = Merge::default()
            .write(&pages.iter().collect::<Vec<_>>(), format, &mut |piece| out.extend_from_slice(piece));
        (String::from_utf8(out).unwrap(), refused)
    }

    #[test]
    fn families_by_name_and_series_by_label() {
        let mut page = Page::default();
        page.sample::<&str>(&LOAD, &[], 0.5);
        for (cpu, mode) in [("10", "idle"), ("2", "user"), ("10", "b"), ("2", "idle")] {
            page.sample(&CPU, &[cpu, mode], 1e6);
        }
        let want = "# HELP node_cpu_seconds_total Time.\n# TYPE node_cpu_seconds_total counter\n\
            node_cpu_seconds_total{cpu=\"10\",mode=\"b\"} 1e+06\n\
            node_cpu_seconds_total{cpu=\"10\",mode=\"idle\"} 1e+06\n\
            node_cpu_seconds_total{cpu=\"2\",mode=\"idle\"} 1e+06\n\
            node_cpu_seconds_total{cpu=\"2\",mode=\"user\"} 1e+06\n\
            # HELP node_load1 Load.\n# TYPE node_load1 gauge\nnode_load1 0.5\n";
        assert_eq!(text(&mut [page], Format::Text), (want.to_owned(), vec![]));
    }

    #[test]
    fn a_remembered_order_serves_only_what_it_fits() {
        let mut kept = Page::default();
        for cpus in [
            &["9", "1", "5"][..],
            &["9", "1", "5"],
            &["8", "0", "4"],
            &["1", "9", "5"],
            &["5", "1", "5"],
            &["7", "3"],
            &["2"],
        ] {
            let mut fresh = Page::default();
            kept.clear();
            for page in [&mut kept, &mut fresh] {
                for cpu in cpus {
                    page.sample(&CPU, &[*cpu, "idle"], 1.0);
                }
                page.finish();
            }
            assert_eq!(kept.duplicates(), fresh.duplicates(), "{cpus:?}");
            let lines = |page: &Page| page.families.iter().flat_map(|family| family.text.clone()).collect::<Vec<_>>();
            assert_eq!(lines(&kept), lines(&fresh), "{cpus:?}");
        }
    }

    #[test]
    fn hidden_families_are_nowhere_and_asked_about_once() {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicUsize, Ordering};
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let mut page = Page::default().hiding(Some(Arc::new(move |name: &str| {
            counter.fetch_add(1, Ordering::Relaxed);
            name != LOAD.name
        })));
        for _ in 0..3 {
            page.clear();
            page.sample(&CPU, &["0", "idle"], 1.0);
            page.sample(&CPU, &["0", "idle"], 1.0);
            page.sample::<&str>(&Desc { help: "Other.", ..LOAD }, &[], 0.5);
            page.sample::<&str>(&Desc::gauge(CPU.name, "", &[]), &[], 0.5);
            assert_eq!((page.samples(), page.duplicates().len()), (1, 0));
        }
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        for n in 0..10_000 {
            page.sample::<&str>(&Desc::gauge(&format!("x{n}"), "", &[]), &[], 0.5);
        }
        page.clear();
        page.sample::<&str>(&LOAD, &[], 0.5);
        assert!(page.families.len() < 10, "names that change all the time are forgotten");
        let want = "# HELP node_load1 Load.\n# TYPE node_load1 gauge\nnode_load1 0.5\n";
        assert_eq!(text(&mut [page], Format::Text), (want.to_owned(), vec![]));
    }

    #[test]
    fn openmetrics_says_it_its_own_way() {
        let mut page = Page::default();
        page.sample(&CPU, &["0", "idle"], 1.0);
        page.sample::<&str>(&Desc::untyped("node_vmstat_x", "A \"b\" \\.", &[]), &[], 2.0);
        page.sample::<&str>(&Desc::counter("odd", "Odd.", &[]), &[], 3.0);
        let want = "# HELP node_cpu_seconds Time.\n# TYPE node_cpu_seconds counter\n\
            node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} 1\n\
            # HELP node_vmstat_x A \\\"b\\\" \\\\.\n# TYPE node_vmstat_x unknown\nnode_vmstat_x 2\n\
            # HELP odd Odd.\n# TYPE odd unknown\nodd 3\n# EOF\n";
        assert_eq!(text(&mut [page], Format::OpenMetrics).0, want);
    }

    #[test]
    fn duplicates_are_dropped_and_named() {
        let mut page = Page::default();
        page.sample(&CPU, &["1", "idle"], 1.0);
        page.sample(&CPU, &["1", "idle"], 2.0);
        page.sample(&CPU, &["0", "idle"], 3.0);
        page.sample(&CPU, &["1", "idle"], 4.0);
        page.finish();
        assert_eq!(page.samples(), 2);
        let name = "node_cpu_seconds_total{cpu=\"1\",mode=\"idle\"}".to_owned();
        assert_eq!(page.duplicates(), [name.clone(), name]);
        let (page, _) = text(&mut [page], Format::Text);
        assert!(
            page.ends_with("{cpu=\"0\",mode=\"idle\"} 3\nnode_cpu_seconds_total{cpu=\"1\",mode=\"idle\"} 1\n"),
            "{page}"
        );
    }

    #[test]
    fn two_pages_share_a_family() {
        let (mut a, mut b) = (Page::yielding(), Page::default());
        a.sample(&CPU, &["0", "user"], 1.0);
        a.sample(&Desc::gauge("node_load1", "Another help.", &["a"]), &["b"], 9.0);
        b.sample(&CPU, &["0", "idle"], 2.0);
        b.sample(&CPU, &["0", "user"], 3.0);
        b.sample::<&str>(&LOAD, &[], 4.0);
        let (page, refused) = text(&mut [a, b], Format::Text);
        assert!(page.contains("mode=\"idle\"} 2\nnode_cpu_seconds_total{cpu=\"0\",mode=\"user\"} 3\n"), "{page}");
        assert!(page.ends_with("# HELP node_load1 Load.\n# TYPE node_load1 gauge\nnode_load1 4\n"), "{page}");
        assert_eq!(refused.len(), 2, "{refused:?}");
    }

    #[test]
    fn histograms_and_summaries_stay_whole_when_sorted() {
        let mut page = Page::default();
        let histogram = Desc::histogram("h", "H.", &["code"]);
        page.histogram(&histogram, &["500"], &[(0.5, 1.0), (1.0, 2.0)], 3.5, 4.0);
        page.histogram(&histogram, &["200"], &[(f64::INFINITY, 7.0)], 1.0, 7.0);
        page.summary::<&str>(&Desc::summary("s", "S.", &[]), &[], &[(0.99, 2.0)], 5.0, 6.0);
        let want = "# HELP h H.\n# TYPE h histogram\n\
            h_bucket{code=\"200\",le=\"+Inf\"} 7\nh_sum{code=\"200\"} 1\nh_count{code=\"200\"} 7\n\
            h_bucket{code=\"500\",le=\"0.5\"} 1\nh_bucket{code=\"500\",le=\"1\"} 2\nh_bucket{code=\"500\",le=\"+Inf\"} 4\n\
            h_sum{code=\"500\"} 3.5\nh_count{code=\"500\"} 4\n\
            # HELP s S.\n# TYPE s summary\ns{quantile=\"0.99\"} 2\ns_sum 5\ns_count 6\n";
        assert_eq!(text(&mut [page], Format::Text), (want.to_owned(), vec![]));
    }

    #[test]
    fn a_kept_page_starts_anew_and_changes_its_mind() {
        let mut page = Page::default();
        page.sample::<&str>(&Desc::gauge("x", "Was a gauge.", &[]), &[], 1.0);
        page.clear();
        page.sample::<&str>(&Desc::counter("x", "Is a counter.", &[]), &[], 2.0);
        page.sample::<&str>(&Desc::gauge("x", "Is a counter.", &[]), &[], 3.0);
        assert_eq!(page.duplicates().len(), 1);
        assert_eq!(text(&mut [page], Format::Text).0, "# HELP x Is a counter.\n# TYPE x counter\nx 2\n");
    }
}
