//! The program's own instruments, from a prometheus-client registry onto a page.
//!
//! prometheus-client 0.25 encodes OpenMetrics text alone, with whole numbers as `3.0` and no choice of order; its
//! text is read back here, so that own instruments and readings stand on one page in either format.

use prometheus_client::registry::Registry;

use super::{Desc, Kind, Page};

/// Copies every instrument of `registry` onto `page`; `text` is a scratch buffer that is kept between scrapes.
///
/// The registry holds counters, gauges and histograms whose label values need no escaping: they are our own words.
pub fn copy_registry(registry: &Registry, text: &mut String, page: &mut Page) {
    text.clear();
    if prometheus_client::encoding::text::encode(text, registry).is_err() {
        tracing::error!("own instruments: prometheus-client could not encode its registry");
        return;
    }
    let mut family = Own::default();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            family.flush(page);
            let (name, help) = rest.split_once(' ').unwrap_or((rest, ""));
            family = Own { name, help, ..Own::default() };
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            family.kind = rest.split_once(' ').map_or("", |(_, kind)| kind);
        } else if !line.starts_with('#') {
            family.line(line, page);
        }
    }
    family.flush(page);
}

/// The family being read, and the histogram that its lines add up to.
#[derive(Default)]
struct Own<'t> {
    name: &'t str,
    help: &'t str,
    kind: &'t str,
    histogram: Option<Histogram<'t>>,
}

#[derive(Default)]
struct Histogram<'t> {
    labels: Vec<(&'t str, &'t str)>,
    buckets: Vec<(f64, f64)>,
    sum: f64,
    count: f64,
}

impl<'t> Own<'t> {
    fn line(&mut self, line: &'t str, page: &mut Page) {
        let Some((series, number)) = line.rsplit_once(' ') else { return };
        let Ok(number) = number.parse::<f64>() else { return };
        let (name, block) = match series.split_once('{') {
            Some((name, block)) => (name, block.trim_end_matches('}')),
            None => (series, ""),
        };
        let mut labels: Vec<(&str, &str)> = block
            .split(',')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key, value.trim_matches('"')))
            .collect();
        labels.sort_unstable();
        if self.kind == "histogram" {
            return self.histogram_line(name, labels, number, page);
        }
        let kind = if self.kind == "counter" { Kind::Counter } else { Kind::Gauge };
        let (keys, values): (Vec<&str>, Vec<&str>) = labels.into_iter().unzip();
        page.sample(&Desc { name, help: self.help, kind, labels: &keys }, &values, number);
    }

    fn histogram_line(&mut self, name: &str, mut labels: Vec<(&'t str, &'t str)>, number: f64, page: &mut Page) {
        let bound = labels.iter().position(|(key, _)| *key == "le").map(|at| labels.remove(at).1);
        if self.histogram.as_ref().is_some_and(|open| open.labels != labels) {
            self.flush(page);
        }
        let open = self.histogram.get_or_insert_with(|| Histogram { labels, ..Histogram::default() });
        match (name.strip_prefix(self.name), bound.and_then(|bound| bound.parse().ok())) {
            (Some("_bucket"), Some(bound)) => open.buckets.push((bound, number)),
            (Some("_sum"), _) => open.sum = number,
            (Some("_count"), _) => open.count = number,
            _ => {}
        }
    }

    fn flush(&mut self, page: &mut Page) {
        if let Some(mut open) = self.histogram.take() {
            open.buckets.retain(|(bound, _)| bound.is_finite());
            let (keys, values): (Vec<&str>, Vec<&str>) = open.labels.into_iter().unzip();
            page.histogram(&Desc::histogram(self.name, self.help, &keys), &values, &open.buckets, open.sum, open.count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, Merge};
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::family::Family;
    use prometheus_client::metrics::gauge::Gauge;
    use prometheus_client::metrics::histogram::Histogram;

    #[test]
    fn every_kind_arrives() {
        let mut registry = Registry::default();
        let requests = Family::<Vec<(String, String)>, Counter>::default();
        requests.get_or_create(&vec![("code".to_owned(), "200".to_owned())]).inc_by(3);
        let (flight, times) = (Gauge::<i64>::default(), Histogram::new([0.5, 1.0]));
        flight.set(2);
        times.observe(0.75);
        registry.register("requests", "Requests", requests);
        registry.register("flight", "In flight", flight);
        registry.register("times_seconds", "Times", times);
        let (mut page, mut text) = (Page::default(), String::new());
        copy_registry(&registry, &mut text, &mut page);
        page.finish();
        let mut out = Vec::new();
        Merge::default().write(&[&page], Format::Text, &mut |piece| out.extend_from_slice(piece));
        let want = "# HELP flight In flight.\n# TYPE flight gauge\nflight 2\n\
            # HELP requests_total Requests.\n# TYPE requests_total counter\nrequests_total{code=\"200\"} 3\n\
            # HELP times_seconds Times.\n# TYPE times_seconds histogram\n\
            times_seconds_bucket{le=\"0.5\"} 0\ntimes_seconds_bucket{le=\"1\"} 1\ntimes_seconds_bucket{le=\"+Inf\"} 1\n\
            times_seconds_sum 0.75\ntimes_seconds_count 1\n";
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }
}
