//! Judges an answer by the rules of its module.

use std::time::{Duration, Instant};

use hyper::{HeaderMap, Version};

use super::body::Kept;
use crate::cel::{self, Document, Program};
use crate::config::{HeaderRule, Http};
use crate::reason::{Failure, Phase, Reason};
use crate::regexp::Regexp;

fn failed(reason: Reason, what: impl std::fmt::Display) -> Failure {
    Failure::new(Phase::Check, reason, what)
}

/// The version as a number, and as text.
pub(super) fn version(version: Version) -> (f64, &'static str) {
    match version {
        Version::HTTP_10 => (1.0, "HTTP/1.0"),
        Version::HTTP_2 => (2.0, "HTTP/2.0"),
        Version::HTTP_3 => (3.0, "HTTP/3.0"),
        _ => (1.1, "HTTP/1.1"),
    }
}

/// Status.
pub(super) fn status(http: &Http, status: u16) -> Result<(), Failure> {
    let valid = &http.valid_status_codes;
    if valid.contains(&i64::from(status)) || valid.is_empty() && (200..300).contains(&status) {
        return Ok(());
    }
    let wanted = if valid.is_empty() {
        "200 to 299".to_owned()
    } else {
        valid.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")
    };
    Err(failed(Reason::Status, format!("status: expected {wanted}, found {status}")))
}

/// Version.
pub(super) fn versions(http: &Http, found: &str) -> Result<(), Failure> {
    let valid = &http.valid_http_versions;
    if valid.is_empty() || valid.iter().any(|version| version == found) {
        return Ok(());
    }
    Err(failed(Reason::Version, format!("version: expected {}, found {found}", valid.join(", "))))
}

/// TLS or none.
pub(super) fn ssl(http: &Http, tls: bool) -> Result<(), Failure> {
    match tls {
        true if http.fail_if_ssl => Err(failed(Reason::Ssl, "connection: expected no TLS, found it")),
        false if http.fail_if_not_ssl => Err(failed(Reason::Ssl, "connection: expected TLS, found none")),
        _ => Ok(()),
    }
}

/// Headers.
pub(super) fn headers(http: &Http, headers: &HeaderMap) -> Result<(), Failure> {
    for (rules, wanted) in [(&http.fail_if_header_matches, false), (&http.fail_if_header_not_matches, true)] {
        for rule in rules {
            header(rule, wanted, headers)?;
        }
    }
    Ok(())
}

fn header(rule: &HeaderRule, wanted: bool, headers: &HeaderMap) -> Result<(), Failure> {
    let mut values = headers.get_all(rule.header.as_str()).iter().peekable();
    if values.peek().is_none() {
        if rule.allow_missing {
            return Ok(());
        }
        return Err(failed(Reason::HeaderRule, format!("header {}: expected it, found none", rule.header)));
    }
    if values.any(|value| rule.regexp.is_match(value.as_bytes())) == wanted {
        return Ok(());
    }
    let wanted = if wanted { "a" } else { "no" };
    Err(failed(Reason::HeaderRule, format!("header {}: expected {wanted} match of {:?}", rule.header, rule.regexp)))
}

/// Rules about a body, of their own so that they can be looked at on another thread.
#[derive(Clone, Debug)]
pub(super) struct BodyRules {
    matches: Vec<Regexp>,
    not_matches: Vec<Regexp>,
    cel_matches: Option<Program>,
    cel_not_matches: Option<Program>,
}

impl BodyRules {
    /// The rules of a module; `None` when there are none.
    pub(super) fn of(http: &Http) -> Option<Self> {
        let rules = Self {
            matches: http.fail_if_body_matches.clone(),
            not_matches: http.fail_if_body_not_matches.clone(),
            cel_matches: http.fail_if_body_json_matches_cel.clone(),
            cel_not_matches: http.fail_if_body_json_not_matches_cel.clone(),
        };
        (rules.has_regexps() || rules.has_cel()).then_some(rules)
    }

    /// Whether there are regular expressions.
    pub(super) fn has_regexps(&self) -> bool {
        !self.matches.is_empty() || !self.not_matches.is_empty()
    }

    fn has_cel(&self) -> bool {
        self.cel_matches.is_some() || self.cel_not_matches.is_some()
    }

    /// The regular expressions over a body, then CEL; `None` when that takes longer than to `patience`.
    fn judge(&self, body: &[u8], patience: Instant) -> Option<Result<(), Failure>> {
        match self.verdict(body, patience) {
            Ok(true) => Some(Ok(())),
            Ok(false) => None,
            Err(failure) => Some(Err(failure)),
        }
    }

    /// Whether there was time to come to a verdict, which then is a good one.
    fn verdict(&self, body: &[u8], patience: Instant) -> Result<bool, Failure> {
        let rule = |what: String| failed(Reason::BodyRule, what);
        if let Some(regexp) = self.matches.iter().find(|regexp| regexp.is_match(body)) {
            return Err(rule(format!("body: expected no match of {regexp:?}")));
        }
        if let Some(regexp) = self.not_matches.iter().find(|regexp| !regexp.is_match(body)) {
            return Err(rule(format!("body: expected a match of {regexp:?}")));
        }
        if !self.has_cel() {
            return Ok(true);
        }
        let rule = |what: String| failed(Reason::CelRule, what);
        let document = Document::parse(body).map_err(|e| rule(format!("body: expected JSON: {e}")))?;
        for (program, wanted) in [(&self.cel_matches, false), (&self.cel_not_matches, true)] {
            let Some(program) = program else { continue };
            let verdict = program.verdict_by(&document, patience);
            let verdict = verdict.map_err(|e| rule(format!("body: {}: {e}", program.source())))?;
            let Some(verdict) = verdict else { return Ok(false) };
            if verdict != wanted {
                return Err(rule(format!("body: expected {} to be {wanted}, found {verdict}", program.source())));
            }
        }
        Ok(true)
    }
}

/// Bodies beyond this are judged on a thread that may block: the other probes go on meanwhile.
const MOST_INLINE_BYTES: usize = 256 << 10;

/// An expression has so long before it is moved to such a thread as well: how long it takes only running it tells.
const MOST_INLINE_TIME: Duration = Duration::from_millis(2);

/// What CEL needs for the values of a body, as a multiple of its length, up to what a document may have.
const VALUES_PER_BODY: usize = 4;

/// Judges a body, here or on a thread of its own.
pub(super) async fn body(rules: BodyRules, mut body: Kept, deadline: Instant) -> Result<(), Failure> {
    if let (true, Some(held)) = (rules.has_cel(), &mut body.held) {
        held.book(body.bytes.len().saturating_mul(VALUES_PER_BODY).min(cel::MOST_DOCUMENT_BYTES))?;
    }
    if body.bytes.len() <= MOST_INLINE_BYTES
        && let Some(judged) = rules.judge(&body.bytes, deadline.min(Instant::now() + MOST_INLINE_TIME))
    {
        return judged;
    }
    let judged = tokio::task::spawn_blocking(move || rules.judge(&body.bytes, deadline)).await;
    judged
        .unwrap_or_else(|_| Some(Err(failed(Reason::Internal, "body: its rules could not be looked at"))))
        .unwrap_or_else(|| Err(failed(Reason::Deadline, "body: a CEL rule took until the time was over")))
}
