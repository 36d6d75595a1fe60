//! Processes of supervisord and their states, from its XML-RPC interface.
//!
//! * Source: supervisord's documentation, "XML-RPC API", supervisor.getAllProcessInfo; states are those of "Subprocess States".
//! * Units: seconds since 1970 for the start; `start` is exported while the process is up.
//! * Absent when: supervisord does not answer: a failure.
//! * Asked with the project's client (`common::upstream`): its deadlines, caps, names, sockets and TLS are tried ones, and
//!   a client of our own would save little, since hyper and rustls are in the program for its own page.
//! * Differs from the Go exporter: a deadline, and an end to how long an answer may be; a path other than `/RPC2` of a
//!   Unix socket can be told (`unix:/socket:/path`), and a URL without a path asks for `/RPC2`. A process whose
//!   state is not told costs itself.

use std::time::{Duration, Instant};

use common::collector::{Collector, Row, Scrape};
use common::error::{CollectError, ConfigError, Reason};
use common::exposition::{Desc, Page};
use common::flags::Flag;
use common::fuzzing::{Parser, eat};
use common::upstream::{self, Kind, TlsOptions, Upstream, Url, blocking, xml_headers};

use crate::collectors::warn_deprecated;

mod answer;

const URL: &str = "collector.supervisord.url";

const FLAGS: &[Flag] =
    &[Flag::text(URL, "http://localhost:9001/RPC2", "Where supervisord answers XML-RPC.").env("SUPERVISORD_URL")];

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row {
    needs: |args| Url::parse(args.text(URL), "/RPC2").map_or_else(|_| Vec::new(), |url| upstream::needs(&url)),
    ..Row::off("supervisord", "processes of supervisord, its XML-RPC interface (deprecated)", FLAGS, |args| {
        let mistake = |e: String| ConfigError::new(format!("--{URL}: {e}"));
        let url = Url::parse(args.text(URL), "/RPC2").map_err(mistake)?;
        let upstream = Upstream::new(url, xml_headers(), &TlsOptions::default(), 0, MOST_BYTES).map_err(mistake)?;
        warn_deprecated("supervisord");
        Ok(Box::new(Supervisord { upstream }))
    })
};

const LABELS: &[&str] = &["group", "name"];
const UP: Desc =
    Desc::gauge("node_supervisord_up", "1 if the process starts, runs or is being stopped, else 0.", LABELS);
const STATE: Desc = Desc::gauge(
    "node_supervisord_state",
    "State of the process: 0 stopped, 10 starting, 20 running, 30 backing off, 40 stopping, 100 exited, 200 fatal, 1000 \
     unknown.",
    LABELS,
);
const EXIT_STATUS: Desc =
    Desc::gauge("node_supervisord_exit_status", "Exit status when the process ended last.", LABELS);
const START: Desc = Desc::counter("node_supervisord_start_time_seconds", "When the process was started.", LABELS);

const QUESTION: &[u8] =
    b"<?xml version=\"1.0\"?><methodCall><methodName>supervisor.getAllProcessInfo</methodName><params/></methodCall>";
/// Ten thousand processes.
const MOST_BYTES: usize = 16 << 20;
/// It answers from memory; longer than this it is stuck.
const PATIENCE: Duration = Duration::from_secs(2);

struct Supervisord {
    upstream: Upstream,
}

impl Collector for Supervisord {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let url = self.upstream.url();
        let failed = |what: &dyn std::fmt::Display| CollectError::failed(format!("{url}: {what}"));
        let now = Instant::now();
        let patience = PATIENCE.min(cx.deadline.saturating_duration_since(now) / 2);
        let asked = blocking::post(&self.upstream, &url.path, QUESTION, now + patience);
        let fetched = asked.map_err(|e| match e.kind {
            Kind::Timeout => CollectError::at(url.to_string(), Reason::Timeout, e.to_string()),
            _ => failed(&e),
        })?;
        if !fetched.status.is_success() {
            return Err(failed(&format_args!("HTTP status {}", fetched.status)));
        }
        for process in answer::parse(&fetched.body).map_err(|bad| failed(&bad))? {
            let labels = [process.group.as_bytes(), process.name.as_bytes()];
            let (Some(state), false) = (process.state, process.name.is_empty()) else {
                cx.fault(failed(&format_args!("{}:{}: expected name and state", process.group, process.name)));
                continue;
            };
            page.sample(&STATE, &labels, state as f64);
            page.sample(&UP, &labels, f64::from(u8::from(process.is_up())));
            if let Some(status) = process.exit_status {
                page.sample(&EXIT_STATUS, &labels, status as f64);
            }
            if let Some(start) = process.start.filter(|_| process.is_up()) {
                page.sample(&START, &labels, start as f64);
            }
        }
        Ok(())
    }
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser = Parser::new(
    "answer of supervisord",
    |bytes| eat(answer::parse(bytes)),
    b"<?xml version='1.0'?><methodResponse><params><param><value><array><data><value><struct><member><name>name</name>\
      <value><string>a&amp;&#x41;</string></value></member><member><name>state</name><value><int>20</int></value></member>\
      </struct></value></data></array></value></param></params></methodResponse>",
);

#[cfg(test)]
mod tests;
