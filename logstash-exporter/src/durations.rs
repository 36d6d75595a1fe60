//! How long answers took lately: `logstash_exporter_scrape_duration_seconds`, as the exporter of 2018 has it.
//!
//! * Collectors are called `node` (`/_node/stats`) and `info` (who this is); results `success` and `error`.
//! * Quantiles are over the last 128 answers, sum and count over all. Nothing before the first answer of a kind.
//! * Differs from that exporter: what failed is an error, and is not called a success.

use std::collections::VecDeque;

use common::exposition::{Desc, Page};

/// At a scrape every few seconds, about the ten minutes that Go's summaries look back.
const MOST_KEPT: usize = 128;
const QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];
const DURATION: Desc = Desc::summary(
    "logstash_exporter_scrape_duration_seconds",
    "How long the answers of Logstash took.",
    &["collector", "result"],
);

/// One kind of answers, by collector and result.
#[derive(Debug, Default)]
struct Kind {
    labels: [&'static str; 2],
    kept: VecDeque<f64>,
    sum: f64,
    count: u64,
}

/// All that was seen so far.
#[derive(Debug, Default)]
pub struct Durations {
    kinds: Vec<Kind>,
}

impl Durations {
    /// Notes an answer, or the time until it was clear that there is none.
    pub fn observe(&mut self, collector: &'static str, is_good: bool, seconds: f64) {
        let labels = [collector, if is_good { "success" } else { "error" }];
        let at = self.kinds.iter().position(|kind| kind.labels == labels).unwrap_or_else(|| {
            self.kinds.push(Kind { labels, ..Kind::default() });
            self.kinds.len() - 1
        });
        let Some(kind) = self.kinds.get_mut(at) else { return };
        if kind.kept.len() == MOST_KEPT {
            kind.kept.pop_front();
        }
        kind.kept.push_back(seconds);
        kind.sum += seconds;
        kind.count += 1;
    }

    /// Writes the summaries.
    pub fn encode(&self, page: &mut Page) {
        for kind in &self.kinds {
            let mut sorted: Vec<f64> = kind.kept.iter().copied().collect();
            sorted.sort_by(f64::total_cmp);
            // The smallest that at least this share of the values does not exceed.
            let value = |quantile: f64| {
                let rank = (quantile * sorted.len() as f64).ceil() as usize;
                sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
            };
            page.summary(&DURATION, &kind.labels, &QUANTILES.map(|q| (q, value(q))), kind.sum, kind.count as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::exposition::Format;
    use common::render::Renderer;

    fn text(durations: &Durations) -> String {
        let mut page = Page::default();
        durations.encode(&mut page);
        page.finish();
        let (body, _) = Renderer::default().body(&[&page], None, Format::Text, false);
        String::from_utf8(body.into_bytes()).unwrap()
    }

    #[test]
    fn quantiles_look_back_and_sums_do_not() {
        let mut durations = Durations::default();
        assert_eq!(text(&durations), "");
        durations.observe("info", false, 0.25);
        for n in 1..=300 {
            durations.observe("node", true, f64::from(n));
        }
        let text = text(&durations);
        for line in [
            r#"logstash_exporter_scrape_duration_seconds{collector="info",result="error",quantile="0.5"} 0.25"#,
            r#"logstash_exporter_scrape_duration_seconds_count{collector="info",result="error"} 1"#,
            // The last 128 are 173 to 300.
            r#"logstash_exporter_scrape_duration_seconds{collector="node",result="success",quantile="0.5"} 236"#,
            r#"logstash_exporter_scrape_duration_seconds{collector="node",result="success",quantile="0.99"} 299"#,
            r#"logstash_exporter_scrape_duration_seconds_sum{collector="node",result="success"} 45150"#,
            r#"logstash_exporter_scrape_duration_seconds_count{collector="node",result="success"} 300"#,
        ] {
            assert!(text.lines().any(|have| have == line), "{line} in\n{text}");
        }
    }
}
