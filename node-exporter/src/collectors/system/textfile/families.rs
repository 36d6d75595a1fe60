//! A text file as it is kept between scrapes: families with the same labels in every series, in the order of the page.

use common::exposition::{Desc, Kind, Page, ParsedFamily, ParsedSample, parse_leniently, parse_text};

/// Label values of one family, given or filled in; more would be a memory bomb, not a text file.
const MOST_VALUES: usize = 8 << 20;

/// One family of one file.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) name: String,
    /// `None` also for an empty text.
    pub(super) help: Option<String>,
    pub(super) kind: Kind,
    /// Whether a series is given more than once.
    pub(super) repeats: bool,
    /// Label keys of all series, sorted.
    pub(super) keys: Vec<String>,
    /// Label values of all series, one after the other, as many per series as there are keys.
    values: String,
    /// Where each of them ends.
    ends: Vec<u32>,
    numbers: Numbers,
}

#[derive(Debug)]
enum Numbers {
    Plain(Vec<f64>),
    Parts(Vec<Parts>),
}

#[derive(Debug)]
struct Parts {
    points: Vec<(f64, f64)>,
    sum: f64,
    count: f64,
}

/// How much is forgiven.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reading {
    /// A fault costs its line, not the file.
    pub(super) lenient: bool,
    /// A timestamp is no fault; it is left out.
    pub(super) timestamps: bool,
}

/// What a file has to give.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) families: Vec<Family>,
    /// Lines and families that were left out.
    pub(super) dropped: usize,
    /// The first reason why the file is not as it should be.
    pub(super) flaw: Option<String>,
}

/// Reads a text file; fails with the reason why it is refused as a whole.
pub(super) fn parse(text: &[u8], how: Reading) -> Result<Content, String> {
    if how.lenient {
        let (parsed, flaws) = parse_leniently(text, how.timestamps);
        let flaw = flaws.first.map(|first| first.to_string());
        let mut content = Content { families: Vec::new(), dropped: flaws.dropped, flaw };
        for family in parsed.families {
            match Family::new(family) {
                Ok(family) => content.families.push(family),
                Err(reason) => {
                    content.dropped += 1;
                    content.flaw.get_or_insert(reason);
                }
            }
        }
        return Ok(content);
    }
    let parsed = parse_text(text).map_err(|e| e.to_string())?;
    if parsed.has_timestamps && !how.timestamps {
        return Err("expected no timestamps, found some".to_owned());
    }
    let families = parsed.families.into_iter().map(Family::new).collect::<Result<_, _>>()?;
    Ok(Content { families, ..Content::default() })
}

impl Family {
    fn new(parsed: ParsedFamily) -> Result<Self, String> {
        let mut keys: Vec<&str> =
            parsed.samples.iter().flat_map(|sample| &sample.labels).map(|(key, _)| key.as_str()).collect();
        keys.sort_unstable();
        keys.dedup();
        if keys.len().saturating_mul(parsed.samples.len()) > MOST_VALUES {
            return Err(format!(
                "{}: {} labels in {} series are too many",
                parsed.name,
                keys.len(),
                parsed.samples.len()
            ));
        }
        let keys: Vec<String> = keys.into_iter().map(str::to_owned).collect();
        let mut samples: Vec<&ParsedSample> = parsed.samples.iter().collect();
        samples.sort_by(|a, b| values(&keys, a).cmp(values(&keys, b)));

        let same = |pair: &[&ParsedSample]| matches!(pair, [a, b] if values(&keys, a).eq(values(&keys, b)));
        let repeats = samples.windows(2).any(same);
        let (mut text, mut ends) = (String::new(), Vec::with_capacity(keys.len() * samples.len()));
        for value in samples.iter().flat_map(|sample| values(&keys, sample)) {
            text.push_str(value);
            ends.push(u32::try_from(text.len()).map_err(|_| format!("{}: labels are too long", parsed.name))?);
        }
        let numbers = match parsed.kind {
            Kind::Counter | Kind::Gauge | Kind::Untyped => {
                Numbers::Plain(samples.iter().map(|sample| sample.value).collect())
            }
            Kind::Summary | Kind::Histogram => Numbers::Parts(samples.into_iter().map(Parts::new).collect()),
        };
        let help = parsed.help.filter(|help| !help.is_empty());
        Ok(Self { name: parsed.name, help, kind: parsed.kind, repeats, keys, values: text, ends, numbers })
    }

    /// The labels of each series; one that is empty is none.
    pub(super) fn series(&self) -> impl Iterator<Item = Vec<(&str, &str)>> {
        let mut start = 0;
        let values: Vec<&str> = (self.ends.iter())
            .map(|&end| {
                let value = self.values.get(start..end as usize).unwrap_or_default();
                start = end as usize;
                value
            })
            .collect();
        let n_series = match &self.numbers {
            Numbers::Plain(numbers) => numbers.len(),
            Numbers::Parts(series) => series.len(),
        };
        let labels = move |at: usize| {
            let own = values.iter().skip(at * self.keys.len()).take(self.keys.len());
            let labels = self.keys.iter().zip(own).map(|(key, value)| (key.as_str(), *value));
            labels.filter(|(_, value)| !value.is_empty()).collect()
        };
        (0..n_series).map(labels)
    }

    /// Writes all series; `keys` are the family's own.
    pub(super) fn encode(&self, help: &str, keys: &[&str], page: &mut Page) {
        let desc = Desc { name: &self.name, help, kind: self.kind, labels: keys };
        let mut start = 0;
        let mut all = self.ends.iter().map(|&end| {
            let value = self.values.get(start..end as usize).unwrap_or_default();
            start = end as usize;
            value
        });
        let mut values: Vec<&str> = Vec::with_capacity(keys.len());
        match &self.numbers {
            Numbers::Plain(numbers) => {
                for number in numbers {
                    values.clear();
                    values.extend(all.by_ref().take(keys.len()));
                    page.sample(&desc, &values, *number);
                }
            }
            Numbers::Parts(series) => {
                for Parts { points, sum, count } in series {
                    values.clear();
                    values.extend(all.by_ref().take(keys.len()));
                    match self.kind {
                        // A summary counts whole observations; the Go exporter cuts what is written otherwise.
                        Kind::Summary => page.summary(&desc, &values, points, *sum, count.trunc()),
                        _ => page.histogram(&desc, &values, points, *sum, *count),
                    }
                }
            }
        }
    }
}

impl Parts {
    fn new(sample: &ParsedSample) -> Self {
        let mut points = sample.points.clone();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        // Of points given twice the last one counts; the sort kept their order.
        points.reverse();
        points.dedup_by(|a, b| a.0 == b.0);
        points.reverse();
        Self { points, sum: sample.sum, count: sample.count }
    }
}

/// The values of a series for all keys of its family, empty where it lacks one.
fn values<'s>(keys: &'s [String], sample: &'s ParsedSample) -> impl Iterator<Item = &'s str> {
    let mut own = sample.labels.iter().peekable();
    keys.iter().map(move |key| own.next_if(|(own, _)| own == key).map_or("", |(_, value)| value.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page_of(text: &str) -> String {
        let mut page = Page::default();
        for family in parse(text.as_bytes(), Reading::default()).unwrap().families {
            let keys: Vec<&str> = family.keys.iter().map(String::as_str).collect();
            family.encode("", &keys, &mut page);
        }
        page.finish();
        crate::rig::samples_of(&crate::rig::text_of(&page))
    }

    #[test]
    fn labels_are_made_uniform() {
        let text = "x{b=\"2\"} 1\nx{a=\"1\",c=\"3\"} 2\nx 3\nx{b=\"2\",a=\"\"} 4\n";
        let want = "x{a=\"\",b=\"\",c=\"\"} 3\nx{a=\"\",b=\"2\",c=\"\"} 1\nx{a=\"1\",b=\"\",c=\"3\"} 2\n";
        assert_eq!(page_of(text), want);
    }

    #[test]
    fn summaries_and_histograms() {
        let text = "# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"0.5\"} 1\nh_bucket{le=\"1\"} 3\nh_sum 3\n\
            h_count 4\n# TYPE s summary\ns{quantile=\"0.9\"} 2.5\ns{quantile=\"0.5\"} 1\ns_sum 3\ns_count 4.5\n\
            s{quantile=\"0.5\",a=\"b\"} 7\n";
        let want = "h_bucket{le=\"0.5\"} 1\nh_bucket{le=\"1\"} 3\nh_bucket{le=\"+Inf\"} 4\nh_sum 3\nh_count 4\n\
            s{a=\"\",quantile=\"0.5\"} 1\ns{a=\"\",quantile=\"0.9\"} 2.5\ns_sum{a=\"\"} 3\ns_count{a=\"\"} 4\n\
            s{a=\"b\",quantile=\"0.5\"} 7\ns_sum{a=\"b\"} 0\ns_count{a=\"b\"} 0\n";
        assert_eq!(page_of(text), want);
    }

    #[test]
    fn cut_short_and_garbage() {
        let reason = |text: &str| parse(text.as_bytes(), Reading::default()).unwrap_err();
        assert_eq!(reason("x 1"), "line 1: expected a newline after the last line");
        assert_eq!(reason("x 1 1700000000000\n"), "expected no timestamps, found some");
        assert!(reason("\u{1}\n").starts_with("line 1: "));
        assert!(parse(b"", Reading::default()).unwrap().families.is_empty());
        let label = |i: usize| format!("l{i}=\"\",");
        let wide = format!("x{{{}}} 1\n", (0..10_000).map(label).collect::<String>());
        let wide = wide + &"x 1\n".repeat(1000) + "y 1\n";
        assert_eq!(reason(&wide), "x: 10000 labels in 1001 series are too many");
        let content = parse(wide.as_bytes(), Reading { lenient: true, timestamps: false }).unwrap();
        assert_eq!((content.families.len(), content.dropped), (1, 1));
        assert_eq!(content.flaw.as_deref(), Some("x: 10000 labels in 1001 series are too many"));
    }
}
