//! `prober: http`: a request, and what comes of it.
//!
//! * Source: HTTP/1.0, 1.1 and 2 over TCP and TLS, HTTP/3 over QUIC; a new connection for each round trip.
//! * Families: `probe_http_*`, `probe_failed_due_to_regex`; `probe_failed_due_to_cel` where there are CEL rules; those of
//!   TLS where a server showed a certificate. Phases other than `resolve` are absent when no request was about to be sent.
//! * Order of judgement: status, headers, body, version, TLS; the first failure is the one that is told.
//! * Differs from the Go exporter: the name of a target stays in its URL, so that cookies and credentials survive a redirect
//!   to oneself; the preferred family counts on every hop; the body is read once for all rules, also that of a redirect
//!   which is not followed; nothing outlives the deadline.

mod body;
mod checks;
mod cookies;
mod credentials;
mod date;
mod decoder;
mod dial;
mod exchange;
mod facts;
pub(crate) mod feeding;
mod http3;
mod journey;
mod oauth2;
mod origin;
mod proxy;
mod redirects;
mod request;
mod stream;
mod target;
mod tunnel;

use std::sync::Arc;
use std::time::Instant;

use self::checks::BodyRules;
use self::exchange::{Body, Head};
use self::facts::Facts;
pub(super) use self::facts::{FAMILIES, TLS};
use self::journey::{End, Journey};
use self::request::Template;
use self::target::Url;
use crate::budget::Budget;
use crate::config::Http;
use crate::module::Module;
use crate::reason::{Failure, Phase, Reason};
use crate::resolve;
use crate::run::{ProbeLog, Run, within};

pub(super) async fn probe(module: &Module, run: &mut Run) -> Result<(), Failure> {
    let http = &module.config.http;
    let mut facts = Facts::default();
    let outcome = measure(module, run, &mut facts).await;
    let has_cel = http.fail_if_body_json_matches_cel.is_some() || http.fail_if_body_json_not_matches_cel.is_some();
    facts.write(&mut run.page, has_cel);
    outcome
}

async fn measure(module: &Module, run: &mut Run, facts: &mut Facts) -> Result<(), Failure> {
    let http = &module.config.http;
    let url = Url::of_target(&run.target, http.enable_http3).map_err(|e| Failure::target(format!("target: {e}")))?;
    let address = if http.skip_resolve_phase_with_proxy && proxy::is_configured(&http.client.proxy) {
        None
    } else {
        let (found, took) = resolve::resolve(run, &url.host, &http.ip).await;
        facts.resolve = Some(took);
        Some(found?)
    };
    let deadline = run.deadline;
    let progress = Arc::clone(&run.progress);
    progress.enter(Phase::Setup);
    let Run { log, network, hostname, .. } = run;
    let place = journey::Place { network, progress: &progress, hostname: hostname.as_deref() };
    let work = work(module, place, log, url, address, facts, deadline.into_std());
    let outcome = within(deadline, Arc::clone(&progress), work).await;
    if outcome.as_ref().is_err_and(|failure| failure.reason == Reason::Deadline) {
        // The request that there was no time for was about to be sent all the same.
        facts.sent = true;
    }
    outcome
}

async fn work(
    module: &Module,
    place: journey::Place<'_>,
    log: &mut ProbeLog,
    url: Url,
    address: Option<resolve::Address>,
    facts: &mut Facts,
    deadline: Instant,
) -> Result<(), Failure> {
    let http = &module.config.http;
    let body = match &http.body_file {
        Some(path) => request::body_file(path).await?,
        None => request::Payload::sized(http.body.clone().into()),
    };
    let method = request::method(&http.method)?;
    let mut journey = Journey::new(module, place, url, address)?;
    facts.sent = true;
    let template = Template { method, headers: request::headers(http)?, body };
    for value in template.headers.values().filter(|value| value.is_sensitive()) {
        log.veil().add(&String::from_utf8_lossy(value.as_bytes()));
    }
    let End { mut head, mut body, refused } = journey.travel(template, log, facts).await?;
    judge(http, deadline, place, &mut head, &mut body, refused, facts).await
}

/// Judges the last answer. All of it is looked at, whatever fails, for what there is to measure; the first failure counts.
async fn judge(
    http: &Http,
    deadline: Instant,
    place: journey::Place<'_>,
    head: &mut Head,
    body: &mut Body,
    refused: bool,
    facts: &mut Facts,
) -> Result<(), Failure> {
    let mut verdict = checks::status(http, head.status);
    let has_header_rules = !http.fail_if_header_matches.is_empty() || !http.fail_if_header_not_matches.is_empty();
    if verdict.is_ok() && has_header_rules {
        verdict = checks::headers(http, &head.headers);
        facts.regex = verdict.is_err();
    }
    let rules = BodyRules::of(http).filter(|_| verdict.is_ok());
    // The body of a redirect that is not followed says nothing, unless somebody asks.
    if !refused || rules.is_some() {
        place.progress.enter(Phase::Transfer);
        let judged = read_and_judge(http, deadline, rules, (body, &place.network.budget), facts).await;
        verdict = verdict.and(judged);
    }
    facts.ended = Some(Instant::now());
    let (_, version) = checks::version(head.version);
    verdict.and_then(|()| checks::versions(http, version)).and_then(|()| checks::ssl(http, facts.seen.tls))
}

async fn read_and_judge(
    http: &Http,
    deadline: Instant,
    rules: Option<BodyRules>,
    (body, budget): (&mut Body, &Arc<Budget>),
    facts: &mut Facts,
) -> Result<(), Failure> {
    let keep = rules.as_ref().map(|_| budget);
    let plan = body::Plan { compression: &http.compression, limit: http.body_size_limit, keep };
    // Until the rules have seen the body they have failed, also when the deadline ends the reading.
    let blame = |facts: &mut Facts, failed: bool| match &rules {
        Some(rules) if rules.has_regexps() => facts.regex = failed,
        Some(_) => facts.cel = failed,
        None => {}
    };
    blame(facts, true);
    let read = body::read(body, plan, &mut facts.seen.body).await;
    let kept = match read {
        Ok(kept) => kept,
        Err(unread) => {
            blame(facts, !unread.at_start);
            return Err(unread.failure);
        }
    };
    blame(facts, false);
    let Some(rules) = rules else { return Ok(()) };
    let judged = checks::body(rules, kept, deadline).await;
    if let Err(failure) = &judged {
        facts.regex = failure.reason == Reason::BodyRule;
        facts.cel = failure.reason == Reason::CelRule;
    }
    judged
}
