//! A strict reader of the text format, and matchers for its samples.

use std::fmt::{self, Display};

mod parse;

pub use parse::check_openmetrics;

/// A page in the text format 0.0.4 that passed every check.
#[derive(Debug)]
pub struct Page {
    /// The families in the page's order.
    pub families: Vec<Family>,
}

/// One family.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// The name after HELP and TYPE.
    pub name: String,
    /// The help text, unescaped.
    pub help: String,
    /// counter, gauge, untyped, summary or histogram.
    pub kind: String,
    /// The samples in the page's order.
    pub samples: Vec<Sample>,
}

/// Names and values, in the page's order.
pub type Labels = Vec<(String, String)>;

/// One sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The name, with its suffix where the family is a histogram or summary.
    pub name: String,
    /// The labels in the page's order, unescaped.
    pub labels: Labels,
    /// The value.
    pub value: f64,
    /// The value as printed.
    pub raw: String,
}

/// What a sample should look like; labels not named may have any value.
#[derive(Debug, Clone)]
pub struct Metric {
    name: String,
    labels: Labels,
    value: Option<f64>,
}

/// Starts a matcher.
pub fn metric(name: &str) -> Metric {
    Metric { name: name.to_owned(), labels: Vec::new(), value: None }
}

impl Metric {
    /// Wants this label with this value.
    #[must_use]
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Wants exactly this value (NaN matches NaN).
    #[must_use]
    pub fn value(mut self, value: f64) -> Self {
        self.value = Some(value);
        self
    }

    fn matches(&self, sample: &Sample) -> bool {
        let same = |want: f64| want == sample.value || (want.is_nan() && sample.value.is_nan());
        self.name == sample.name && self.shared_labels(sample) == self.labels.len() && self.value.is_none_or(same)
    }

    fn shared_labels(&self, sample: &Sample) -> usize {
        self.labels.iter().filter(|label| sample.labels.contains(label)).count()
    }

    /// How near a sample is: its name first, then its labels.
    fn nearness(&self, sample: &Sample) -> (usize, usize) {
        let pairs = self.name.bytes().zip(sample.name.bytes());
        let common = pairs.take_while(|(a, b)| a == b).count();
        let exact = if self.name == sample.name { usize::MAX } else { common };
        (exact, self.shared_labels(sample))
    }
}

impl Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_series(f, &self.name, &self.labels)?;
        self.value.map_or(Ok(()), |value| write!(f, " {value}"))
    }
}

impl Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_series(f, &self.name, &self.labels)?;
        write!(f, " {}", self.raw)
    }
}

fn write_series(f: &mut fmt::Formatter<'_>, name: &str, labels: &[(String, String)]) -> fmt::Result {
    let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    if labels.is_empty() { f.write_str(name) } else { write!(f, "{name}{{{}}}", labels.join(",")) }
}

impl Sample {
    /// The value of a label; empty when there is none, as Prometheus sees it.
    pub fn label(&self, name: &str) -> &str {
        self.labels.iter().find(|(label, _)| label == name).map_or("", |(_, value)| value)
    }
}

impl Page {
    /// Parses a page; the error names the line and what is wrong with it.
    ///
    /// # Errors
    ///
    /// On any departure from the format or from the order the suite promises.
    pub fn parse(text: &str) -> Result<Self, String> {
        parse::page(text)
    }

    /// As [`Page::parse`], panicking on a bad page.
    #[track_caller]
    pub fn checked(text: &str) -> Self {
        Self::parse(text).unwrap_or_else(|e| panic!("not a proper page: {e}"))
    }

    /// All samples.
    pub fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.families.iter().flat_map(|family| &family.samples)
    }

    /// A family by its name.
    pub fn family(&self, name: &str) -> Option<&Family> {
        self.families.iter().find(|family| family.name == name)
    }

    /// The samples that match.
    pub fn all(&self, wanted: &Metric) -> Vec<&Sample> {
        self.samples().filter(|sample| wanted.matches(sample)).collect()
    }

    /// Panics, showing the nearest lines, unless some sample matches.
    #[track_caller]
    pub fn has(&self, wanted: impl std::borrow::Borrow<Metric>) {
        let wanted = wanted.borrow();
        assert!(!self.all(wanted).is_empty(), "the page has no {wanted}\n{}", self.nearest(wanted));
    }

    /// Panics, showing them, when some sample matches.
    #[track_caller]
    pub fn lacks(&self, unwanted: impl std::borrow::Borrow<Metric>) {
        let unwanted = unwanted.borrow();
        let found: Vec<String> = self.all(unwanted).iter().map(ToString::to_string).collect();
        assert!(found.is_empty(), "the page should not have {unwanted}:\n  {}", found.join("\n  "));
    }

    /// The value of the only sample that matches; panics when there is none or more.
    #[track_caller]
    pub fn value(&self, wanted: impl std::borrow::Borrow<Metric>) -> f64 {
        let wanted = wanted.borrow();
        match self.all(wanted).as_slice() {
            [only] => only.value,
            found => panic!("{} samples match {wanted}, wanted one\n{}", found.len(), self.nearest(wanted)),
        }
    }

    /// Names of the families, in order.
    pub fn names(&self) -> Vec<&str> {
        self.families.iter().map(|family| family.name.as_str()).collect()
    }

    fn nearest(&self, wanted: &Metric) -> String {
        let mut samples: Vec<&Sample> = self.samples().collect();
        samples.sort_by_key(|sample| std::cmp::Reverse(wanted.nearness(sample)));
        let lines: Vec<String> = samples.iter().take(8).map(|sample| format!("  {sample}")).collect();
        format!("nearest lines:\n{}", lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    const PAGE: &str = "\
# HELP a_total An a.
# TYPE a_total counter
a_total{x=\"1\"} 1
a_total{x=\"2\"} NaN
# HELP b A b.
# TYPE b gauge
b 2.5
";

    #[test]
    fn matches_by_name_label_and_value() {
        let page = Page::checked(PAGE);
        page.has(metric("a_total").label("x", "1").value(1.0));
        page.has(metric("a_total").value(f64::NAN));
        page.lacks(metric("a_total").label("x", "3"));
        page.lacks(metric("b").value(2.0));
        assert_eq!(page.value(metric("b")), 2.5);
    }

    #[test]
    fn a_failure_shows_the_nearest_line_first() {
        let shown = catch_unwind(|| Page::checked(PAGE).has(metric("a_total").label("x", "2").value(7.0))).unwrap_err();
        let shown = shown.downcast_ref::<String>().unwrap();
        assert!(shown.contains("nearest lines:\n  a_total{x=\"2\"} NaN\n"), "{shown}");
    }
}
