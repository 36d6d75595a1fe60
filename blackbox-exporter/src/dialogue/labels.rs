//! `probe_expect_info`: what the lines of a dialogue told.
//!
//! * One series for the whole dialogue, with the labels of all steps; of two with one name the later value is taken. (The
//!   Go exporter gives no answer to the request when two steps have labels, or two labels one name.)
//! * What no label name may hold becomes `_`. A name that is empty, or begins with the two underscores that Prometheus keeps
//!   for itself, is left out. (The Go exporter gives no answer for either.)
//! * Values are UTF-8: other bytes become U+FFFD. (The Go exporter gives no answer.)

use std::collections::BTreeMap;

use common::exposition::{Desc, Page};

/// The family, whose labels the module names.
pub(super) const FAMILY: Desc<'static> =
    Desc::gauge("probe_expect_info", "What the lines that were expected told, by the labels of the module.", &[]);

/// Labels so far.
#[derive(Debug, Default)]
pub(super) struct Labels(BTreeMap<String, Vec<u8>>);

impl Labels {
    /// Adds one, or takes the place of one with that name.
    pub(super) fn add(&mut self, name: &str, value: Vec<u8>) {
        if let Some(name) = legal(name) {
            self.0.insert(name, value);
        }
    }

    pub(super) fn write(&self, page: &mut Page) {
        let (names, values): (Vec<&str>, Vec<&[u8]>) =
            self.0.iter().map(|(name, value)| (name.as_str(), value.as_slice())).unzip();
        page.sample(&Desc { labels: &names, ..FAMILY }, &values, 1.0);
    }
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`, as near to `name` as can be.
fn legal(name: &str) -> Option<String> {
    if name.is_empty() || name.starts_with("__") {
        return None;
    }
    let at = |(at, c): (usize, char)| match c {
        '0'..='9' if at == 0 => '_',
        c if c.is_ascii_alphanumeric() => c,
        _ => '_',
    };
    Some(name.chars().enumerate().map(at).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, want) in [
            ("version", Some("version")),
            ("_v2", Some("_v2")),
            ("a-b", Some("a_b")),
            ("a:b", Some("a_b")),
            ("2nd", Some("_nd")),
            ("é x", Some("__x")),
            ("x é", Some("x__")),
            ("", None),
            ("__name__", None),
        ] {
            assert_eq!(legal(name).as_deref(), want, "{name}");
        }
    }

    #[test]
    fn the_last_value_of_a_name() {
        let mut labels = Labels::default();
        for (name, value) in [("b", "1"), ("a-b", "2"), ("a_b", "3"), ("", "4"), ("b", "5")] {
            labels.add(name, value.into());
        }
        let mut page = Page::default();
        labels.write(&mut page);
        assert_eq!(page.samples(), 1);
        let labels: Vec<_> = labels.0.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        assert_eq!(labels, [("a_b", &b"3"[..]), ("b", b"5")]);
    }

    #[test]
    fn no_labels_are_a_series_too() {
        let mut page = Page::default();
        Labels::default().write(&mut page);
        assert_eq!(page.samples(), 1);
    }
}
