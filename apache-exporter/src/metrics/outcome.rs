//! How the scrape itself went: the only part of the page that is there when httpd did not answer.
//!
//! * `apache_up` is what the caller found; it should be 1 for a status page alone. The Go exporter says 1 for any answer.
//! * `apache_exporter_scrape_failures_total` and `apache_scrape_errors_total` are there from the first scrape on, all
//!   reasons from 0, so that `rate` sees the first failure. The Go exporter shows the first one in failed scrapes only.

use common::exposition::{Desc, Page};
use common::upstream::{Reason, Tally};

use super::{Groups, Part, open, single, value};
use crate::status::NotStatus;

static UP: Desc<'static> = Desc::gauge("apache_up", "Whether httpd answered with its status.", &[]);
static FAILURES: Desc<'static> = Desc::counter(
    "apache_exporter_scrape_failures_total",
    "Scrapes that failed, or that had to leave something out.",
    &[],
);
static ERRORS: Desc<'static> = Desc::counter(
    "apache_scrape_errors_total",
    "Scrapes that failed, or that had to leave something out, by reason.",
    &["reason"],
);
static VALID: Desc<'static> =
    Desc::gauge("apache_scrape_valid", "Whether the answer was a status page with HTTP status 200.", &[]);
static DURATION: Desc<'static> =
    Desc::gauge("apache_scrape_duration_seconds", "Time the exchange with httpd took.", &[]);
static HTTP_STATUS: Desc<'static> =
    Desc::gauge("apache_scrape_http_status_code", "HTTP status of the answer; absent without an answer.", &[]);
static UNPARSED: Desc<'static> =
    Desc::gauge("apache_unparsed_lines", "Lines of the answer that were not understood.", &[]);

pub(super) static OUTCOME: Part =
    Part::of_rows(&[open(&UP, "0 or 1"), open(&FAILURES, "scrapes"), open(&ERRORS, "scrapes")]);

pub(super) static SCRAPE: Part = Part::of_rows(&[
    open(&VALID, "0 or 1"),
    open(&DURATION, "seconds"),
    open(&HTTP_STATUS, "HTTP status"),
    single(&UNPARSED, "lines", &[value(|status| Some(status.unparsed as f64))]),
]);

/// The reason that stands for an answer that is no status.
pub fn reason(answer: &NotStatus) -> Reason {
    match answer {
        NotStatus::CutShort => Reason::Parse,
        NotStatus::Html | NotStatus::Empty | NotStatus::Nginx | NotStatus::Other { .. } => Reason::NotStatusPage,
    }
}

/// Writes what is on every page, whatever came of the scrape; `up` is for an answer that was a status.
pub fn encode_outcome(up: bool, tally: &Tally, page: &mut Page) {
    page.sample::<&str>(&UP, &[], f64::from(u8::from(up)));
    page.sample::<&str>(&FAILURES, &[], tally.total() as f64);
    for (reason, count) in tally.iter() {
        page.sample(&ERRORS, &[reason.as_str()], count as f64);
    }
}

/// The exchange with httpd.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scrape {
    /// The answer was a status with HTTP status 200.
    pub valid: bool,
    /// From the request to the end of the answer or of the attempt.
    pub duration_seconds: f64,
    /// HTTP status, when there was an answer.
    pub http_status: Option<u16>,
}

/// Writes how the exchange went, if the group `scrape` is on; on every page, as [`encode_outcome`].
pub fn encode_scrape(scrape: &Scrape, groups: Groups, page: &mut Page) {
    if !groups.has("metrics.scrape") {
        return;
    }
    page.sample::<&str>(&VALID, &[], f64::from(u8::from(scrape.valid)));
    page.sample::<&str>(&DURATION, &[], scrape.duration_seconds);
    if let Some(code) = scrape.http_status {
        page.sample::<&str>(&HTTP_STATUS, &[], f64::from(code));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_sorted_and_answers_have_one() {
        assert!(Reason::ALL.is_sorted_by(|a, b| a.as_str() < b.as_str()));
        for (body, want) in [
            (&b"<!DOCTYPE html>"[..], "not_status_page"),
            (b"", "not_status_page"),
            (b"Active connections: 1", "not_status_page"),
            (b"pong", "not_status_page"),
            (b"localhost\nServerMPM: event\nTotal", "parse"),
        ] {
            let answer = crate::status::parse(body).unwrap_err();
            assert_eq!(reason(&answer).as_str(), want, "{answer}");
        }
    }
}
