//! One probe while it runs: what it was asked, how long it may take, what it has found out so far.

use std::borrow::Cow;
use std::fmt::Display;
use std::panic::Location;
use std::sync::Arc;

use common::exposition::Page;
use common::log::{self, Layout};
use tokio::time::Instant;
use tracing::Level;

use crate::network::Network;
use crate::reason::{Failure, Phase, Progress, Reason};
use crate::veil::{Veil, shown_target};

/// A probe that runs. A prober reads the first fields, and writes what it finds to the page: also what it had found when
/// the deadline stopped it.
pub struct Run {
    /// What is probed, as the request names it.
    pub target: String,
    /// The request's `hostname`, if it has one that is not empty.
    pub hostname: Option<String>,
    /// When the probe has to be over.
    pub deadline: Instant,
    /// Samples, but for `probe_success`, `probe_duration_seconds` and `probe_failure_info`, which come of themselves.
    pub page: Page,
    /// The probe's own log.
    pub log: ProbeLog,
    /// Where the probe is.
    pub progress: Arc<Progress>,
    /// The way out.
    pub network: Arc<Network>,
}

/// Runs `work` until it ends or the deadline passes. A prober calls this once around everything that can take time, keeps
/// what it measures outside of `work`, and writes it to the page afterwards, whatever came of it.
///
/// # Errors
/// The failure of `work`, or that the deadline ended it, and where it was.
pub async fn within<T, F>(deadline: Instant, progress: Arc<Progress>, work: F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    // A timer that is over already lets the work have one go, in which a connection on this machine may succeed.
    let over = deadline <= Instant::now();
    let done = if over { None } else { tokio::time::timeout_at(deadline, work).await.ok() };
    done.unwrap_or_else(|| {
        let phase = progress.phase();
        Err(match phase {
            Phase::Connect => {
                Failure::new(phase, Reason::ConnectTimeout, "no answer to the attempt to connect in time")
            }
            phase => Failure::new(phase, Reason::Deadline, "the time was over"),
        })
    })
}

/// What a probe has to say to people: on standard error, and kept for `debug=true` and `/logs`.
#[derive(Debug)]
pub struct ProbeLog {
    layout: Layout,
    most: Level,
    module: String,
    target: String,
    /// Secrets of the module, and those of this probe alone.
    veils: (Arc<Veil>, Veil),
    lines: String,
}

/// Fields of a line.
pub type LogFields<'a> = &'a [(&'a str, &'a dyn Display)];

/// Bytes of a probe's log that are kept: a peer decides how many lines there are.
const MOST_LOG_BYTES: usize = 64 << 10;
/// Characters of one field that are shown: a peer decides how long some are.
const MOST_FIELD_CHARS: usize = 1 << 10;

impl ProbeLog {
    /// A log for lines at least as severe as `most`. A password in the target is not shown.
    pub fn new(layout: Layout, most: Level, module: &str, target: &str) -> Self {
        let (shown, password) = shown_target(target);
        let mut veils = (Arc::default(), Veil::default());
        veils.1.add(&password);
        let target = cut(shown).into_owned();
        Self { layout, most, module: module.to_owned(), target, veils, lines: String::new() }
    }

    /// The same log, which shows nothing that is under `veil`.
    #[must_use]
    pub fn under(self, veil: Arc<Veil>) -> Self {
        Self { veils: (veil, self.veils.1), ..self }
    }

    /// Further secrets, of this probe alone.
    pub fn veil(&mut self) -> &mut Veil {
        &mut self.veils.1
    }

    /// A text as it may be shown: without secrets, and not too long.
    pub fn shown(&self, text: &str) -> String {
        // A secret must not be cut before it is found: only what may be shown after all is looked at.
        let text = cut_to(Cow::Borrowed(text), 16 * MOST_FIELD_CHARS);
        cut(Cow::Borrowed(&self.veils.1.cover(&self.veils.0.cover(&text)))).into_owned()
    }

    /// Whether lines of a level are kept: for those that are dear to make.
    pub fn keeps(&self, level: Level) -> bool {
        level <= self.most
    }

    /// What a developer wants to see.
    #[track_caller]
    pub fn debug(&mut self, what: &str, fields: LogFields<'_>) {
        self.line(Level::DEBUG, Location::caller(), what, fields);
    }

    /// What a user may want to see.
    #[track_caller]
    pub fn info(&mut self, what: &str, fields: LogFields<'_>) {
        self.line(Level::INFO, Location::caller(), what, fields);
    }

    /// What is odd, and did no harm.
    #[track_caller]
    pub fn warn(&mut self, what: &str, fields: LogFields<'_>) {
        self.line(Level::WARN, Location::caller(), what, fields);
    }

    /// Why the probe failed: one line, which [`crate::exporter`] writes.
    #[track_caller]
    pub fn error(&mut self, what: &str, fields: LogFields<'_>) {
        self.line(Level::ERROR, Location::caller(), what, fields);
    }

    fn line(&mut self, level: Level, caller: &Location<'_>, what: &str, fields: LogFields<'_>) {
        if !self.keeps(level) || self.lines.len() > MOST_LOG_BYTES {
            return;
        }
        let own: [(&str, &dyn Display); 2] = [("module", &self.module), ("target", &self.target)];
        let shown: Vec<_> = fields.iter().map(|(key, value)| (*key, self.shown(&value.to_string()))).collect();
        let shown: Vec<(&str, &dyn Display)> = shown.iter().map(|(key, value)| (*key, value as &dyn Display)).collect();
        let line = self.layout.line(level, caller, what, own.iter().chain(&shown));
        log::write(&line);
        self.lines.push_str(&line);
    }

    /// All lines so far.
    pub fn into_lines(self) -> String {
        self.lines
    }
}

fn cut(text: Cow<'_, str>) -> Cow<'_, str> {
    cut_to(text, MOST_FIELD_CHARS)
}

/// The first `most` characters of a text, and a mark where there are more.
fn cut_to(text: Cow<'_, str>, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((at, _)) => Cow::Owned(format!("{}…", text.get(..at).unwrap_or_default())),
        None => text,
    }
}
