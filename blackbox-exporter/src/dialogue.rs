//! A connection that is talked over by the module's script (`query_response`): what the tcp and the unix prober share.
//!
//! * Families: `probe_failed_due_to_regex` and `probe_failed_due_to_bytes` (0 or 1) once the connection, and TLS where it
//!   comes first, stands; `probe_expect_info` once a line matched a step that has `labels`; the TLS families but the cipher
//!   once there was a handshake.
//! * `probe_failed_due_to_regex` is 1 only when the other side closed the connection before a line matched,
//!   `probe_failed_due_to_bytes` only when as many bytes came as were expected, and other ones. A step that is still waiting
//!   at the deadline, or whose connection breaks, leaves both at 0.
//! * What is sent has a newline after it, as modules made for the Go exporter rely on, binary texts included.
//! * Without a script nothing is sent or read: the connection is all that is probed.
//!
//! Different from the Go exporter, and no probe that succeeds there fails here:
//! * `expect_bytes` waits until all bytes are there. (Go takes what the first read gives: the network decides.)
//! * `expect_bytes` sees what came together with the line before it. Where that does not match, the bytes that come after
//!   it may match as well, which is all that Go looks at.
//! * Several steps with labels make one series with the labels of all, the later of two values; names and values that
//!   Prometheus could not read are made readable. (Go gives no answer to the request.)

mod incoming;
mod labels;
pub(crate) use incoming::feed;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use common::exposition::{Desc, Page};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::task::coop::consume_budget;
use tracing::Level;

use self::incoming::{Incoming, Trouble};
use self::labels::Labels;
use crate::config::{self, QueryResponse};
use crate::module::Module;
use crate::reason::{Failure, Phase, Progress, Reason};
use crate::run::{ProbeLog, Run, within};
use crate::tls;

const REGEX: Desc<'static> = Desc::gauge(
    "probe_failed_due_to_regex",
    "Whether the probe failed because the connection ended before a line matched.",
    &[],
);
const BYTES: Desc<'static> =
    Desc::gauge("probe_failed_due_to_bytes", "Whether the probe failed because other bytes came than expected.", &[]);

/// The families of TLS that it has.
pub const TLS: tls::With = tls::With { last_chain: true, cipher: false };

/// The families of a dialogue.
pub const FAMILIES: &[Desc<'static>] = &[REGEX, BYTES, labels::FAMILY];

/// Most characters of a line that are logged.
const MOST_LOGGED: usize = 256;

/// What is talked over: a socket, or TLS over one.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// What a module says about a dialogue.
pub struct Script<'m> {
    /// The module, for its kept TLS settings.
    pub module: &'m Module,
    /// The steps.
    pub steps: &'m [QueryResponse],
    /// Whether TLS comes first.
    pub tls: bool,
    /// For TLS, whenever it comes.
    pub tls_config: &'m config::Tls,
    /// What the server of TLS is called unless the module says so.
    pub server_name: &'m str,
}

/// What was found out.
#[derive(Default)]
struct Facts {
    /// Which step it is at, from 1.
    step: usize,
    /// The connection stands, and TLS where it comes first.
    connected: bool,
    regex: bool,
    bytes: bool,
    labels: Option<Labels>,
    tls: tls::Facts,
}

impl Facts {
    fn write(&self, page: &mut Page) {
        self.tls.write(page, TLS);
        if self.connected {
            page.sample::<&str>(&REGEX, &[], f64::from(u8::from(self.regex)));
            page.sample::<&str>(&BYTES, &[], f64::from(u8::from(self.bytes)));
        }
        if let Some(labels) = &self.labels {
            labels.write(page);
        }
    }
}

/// Opens a connection by `connect` and follows the script, until it ends or the run is over; what it found is on the page.
/// A server that speaks only an old version of TLS is connected to twice.
///
/// # Errors
/// The connection cannot be opened, there is no TLS, or the other side does not keep to the script.
pub async fn hold<C, W, S>(run: &mut Run, script: Script<'_>, connect: C) -> Result<(), Failure>
where
    C: Fn() -> W,
    W: Future<Output = Result<S, Failure>>,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut facts = Facts::default();
    let progress = Arc::clone(&run.progress);
    let talk = Talk { script: &script, facts: &mut facts, log: &mut run.log, progress: &progress };
    let done = within(run.deadline, Arc::clone(&progress), talk.whole(connect)).await;
    facts.write(&mut run.page);
    done.map_err(|failure| match facts.step {
        0 => failure,
        step => Failure { what: format!("step {step}: {}", failure.what), ..failure },
    })
}

struct Talk<'t, 'm> {
    script: &'t Script<'m>,
    facts: &'t mut Facts,
    log: &'t mut ProbeLog,
    progress: &'t Progress,
}

impl Talk<'_, '_> {
    async fn whole<C, W, S>(mut self, connect: C) -> Result<(), Failure>
    where
        C: Fn() -> W,
        W: Future<Output = Result<S, Failure>>,
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // Files that the module names are looked at before anybody is bothered.
        let client = self.script.tls.then(|| self.client()).transpose()?;
        self.progress.enter(Phase::Connect);
        let stream = connect().await?;
        let mut stream: Box<dyn Stream> = match client {
            None => Box::new(stream),
            Some(client) => {
                self.progress.enter(Phase::Tls);
                // A probe without TLS does not carry the room for it.
                match Box::pin(client.connect_any(stream, self.server_name(), &self.facts.tls, connect)).await? {
                    Some(stream) => Box::new(stream),
                    None if self.script.steps.is_empty() => {
                        self.facts.connected = true;
                        return Ok(());
                    }
                    None => return Err(tls::too_old(&self.facts.tls)),
                }
            }
        };
        self.facts.connected = true;
        self.progress.enter(Phase::Dialogue);

        let mut incoming = Incoming::default();
        for (at, step) in self.script.steps.iter().enumerate() {
            self.facts.step = at + 1;
            self.step(step, &mut stream, &mut incoming).await?;
            if step.starttls {
                // What came in the clear is not to be taken for something that came over TLS.
                incoming = Incoming::default();
                let client = self.client()?;
                self.progress.enter(Phase::Tls);
                stream = Box::new(Box::pin(client.connect(stream, self.server_name(), &self.facts.tls)).await?);
                self.progress.enter(Phase::Dialogue);
            }
        }
        // TLS says goodbye, if it can without waiting.
        std::future::poll_fn(|cx| {
            let _ = Pin::new(&mut stream).poll_shutdown(cx);
            Poll::Ready(())
        })
        .await;
        Ok(())
    }

    fn client(&self) -> Result<Arc<tls::Client>, Failure> {
        self.script.module.tls.client(self.script.tls_config, &[])
    }

    fn server_name(&self) -> &str {
        match self.script.tls_config.server_name.as_str() {
            "" => self.script.server_name,
            name => name,
        }
    }

    async fn step(
        &mut self,
        step: &QueryResponse,
        stream: &mut Box<dyn Stream>,
        incoming: &mut Incoming,
    ) -> Result<(), Failure> {
        let mut send = None;
        if let Some(expect) = &step.expect {
            let mut lines = 0_u64;
            let captures = loop {
                let Some(line) = incoming.line(stream).await.map_err(trouble)? else {
                    self.facts.regex = true;
                    return Err(unmatched(lines));
                };
                lines += 1;
                // Lines that are here already are no reason to keep the others waiting.
                consume_budget().await;
                let captures = expect.captures(line);
                if self.log.keeps(Level::DEBUG) {
                    // What is secret must be found before it is cut.
                    let shown: String =
                        self.log.shown(&String::from_utf8_lossy(line)).chars().take(MOST_LOGGED).collect();
                    self.log.debug("Read a line", &[("line", &shown), ("matches", &captures.is_some())]);
                }
                if let Some(captures) = captures {
                    break captures;
                }
            };
            if let Some(templates) = &step.labels {
                let labels = self.facts.labels.get_or_insert_default();
                for (name, template) in templates {
                    labels.add(name, captures.expand(template.as_bytes()));
                }
            }
            send = Some(captures.expand(&step.send));
        }
        if !step.expect_bytes.is_empty() {
            self.expect_bytes(&step.expect_bytes, stream, incoming).await?;
        }
        let mut send = send.unwrap_or_else(|| step.send.clone());
        if !send.is_empty() {
            self.log.debug("Sending", &[("bytes", &send.len())]);
            send.push(b'\n');
            stream.write_all(&send).await.map_err(broken)?;
            stream.flush().await.map_err(broken)?;
        }
        Ok(())
    }

    async fn expect_bytes<S: AsyncRead + Unpin>(
        &mut self,
        expected: &[u8],
        stream: &mut S,
        incoming: &mut Incoming,
    ) -> Result<(), Failure> {
        let before = incoming.rest().len();
        let count = expected.len();
        for skipped in [0, before] {
            let found = incoming.counted(stream, skipped, count).await.map_err(trouble)?;
            let Some(found) = found else { break };
            if found == expected {
                self.facts.bytes = false;
                incoming.take(skipped, count);
                return Ok(());
            }
            self.facts.bytes = true;
            if before == 0 {
                break;
            }
        }
        let what = if self.facts.bytes { "other ones" } else { "the end of the connection before them" };
        let reason = if self.facts.bytes { Reason::ExpectBytes } else { Reason::Closed };
        Err(Failure::new(Phase::Dialogue, reason, format!("expected {count} certain bytes, found {what}")))
    }
}

fn unmatched(lines: u64) -> Failure {
    let (reason, found) = match lines {
        0 => (Reason::Closed, "the connection closed before a line came".to_owned()),
        1 => (Reason::Expect, "another line and the end of the connection".to_owned()),
        lines => (Reason::Expect, format!("{lines} other lines and the end of the connection")),
    };
    Failure::new(Phase::Dialogue, reason, format!("expected a line that matches, found {found}"))
}

fn trouble(trouble: Trouble) -> Failure {
    match trouble {
        Trouble::Broken(e) => broken(e),
        Trouble::TooLong => Failure::new(
            Phase::Dialogue,
            Reason::Protocol,
            "expected a line that matches, found one of more than 65535 bytes",
        ),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn broken(e: io::Error) -> Failure {
    tls::read_failure(&e, Phase::Dialogue)
}

#[cfg(test)]
mod tests;
