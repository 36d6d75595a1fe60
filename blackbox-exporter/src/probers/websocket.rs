//! `prober: websocket`: whether a WebSocket can be opened, and the module's script followed over it.
//!
//! * Source: RFC 6455. Target: a `ws://` or `wss://` URL.
//! * Families: those of [`crate::resolve`]; once the target could be split `probe_websocket_status_code`, the HTTP status of the
//!   answer to the upgrade, 0 without one; `probe_websocket_connection_upgraded` and `probe_websocket_failed_due_to_regex`, 0 or
//!   1, the latter for any step that failed; `probe_websocket_duration_seconds{phase}`, seconds: `resolve` with an address,
//!   `connect` with a TCP connection, `processing` (TLS and upgrade) once a connection is attempted, `transfer` once there is a
//!   WebSocket and a script.
//! * A step takes one message, which has to match, and then sends one as text; binary where what is sent is not UTF-8.
//! * Redirects are not followed, no proxy is asked, and of the steps only `expect` and `send` have an effect.
//! * At the end the connection is closed without a farewell.
//!
//! Different from the Go exporter: the deadline ends the script as well, messages are limited to 1 MiB, and the request names
//! this exporter as its user agent.

mod given;
mod target;
mod upgrade;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use common::exposition::{Desc, Page};
use futures_util::{SinkExt, StreamExt};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::upgrade::Upgraded;
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::coop::consume_budget;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use self::target::Target;
use crate::config::QueryResponse;
use crate::module::Module;
use crate::network::Network;
use crate::reason::{Failure, Phase, Progress, Reason};
use crate::resolve::resolve;
use crate::run::{Run, within};
use crate::tls;

const STATUS: Desc<'static> = Desc::gauge(
    "probe_websocket_status_code",
    "HTTP status of the answer to the upgrade, 0 when there was no answer.",
    &[],
);
const UPGRADED: Desc<'static> =
    Desc::gauge("probe_websocket_connection_upgraded", "Whether the connection became a WebSocket.", &[]);
const FAILED: Desc<'static> =
    Desc::gauge("probe_websocket_failed_due_to_regex", "Whether a step of the dialogue failed.", &[]);
const DURATION: Desc<'static> =
    Desc::gauge("probe_websocket_duration_seconds", "Time that a phase of the probe took.", &["phase"]);

/// The families of this prober alone.
pub(super) const FAMILIES: &[Desc<'static>] = &[STATUS, UPGRADED, FAILED, DURATION];

/// Bytes of a message and of each of its frames.
const MOST_MESSAGE: usize = 1 << 20;
/// Bytes of a buffer for frames; larger messages make it grow.
const BUFFER: usize = 4 << 10;
/// Bytes of the answer to the upgrade.
const MOST_ANSWER: usize = 256 << 10;

/// What was found out.
#[derive(Default)]
struct Facts {
    resolve: Option<f64>,
    connect: Option<f64>,
    /// From the attempt to connect until the WebSocket stood, or all came to an end.
    dialed: Option<(Instant, Option<f64>)>,
    transfer: Option<Instant>,
    status: u16,
    upgraded: bool,
    /// Which step it is at, from 1.
    step: usize,
    failed: bool,
}

impl Facts {
    fn write(&self, page: &mut Page) {
        page.sample::<&str>(&STATUS, &[], f64::from(self.status));
        page.sample::<&str>(&UPGRADED, &[], f64::from(u8::from(self.upgraded)));
        page.sample::<&str>(&FAILED, &[], f64::from(u8::from(self.failed)));
        let processing = self.dialed.map(|(from, took)| {
            let took = took.unwrap_or_else(|| from.elapsed().as_secs_f64());
            (took - self.connect.unwrap_or_default()).max(0.0)
        });
        for (phase, took) in [
            ("resolve", self.resolve),
            ("connect", self.connect),
            ("processing", processing),
            ("transfer", self.transfer.map(|from| from.elapsed().as_secs_f64())),
        ] {
            if let Some(took) = took {
                page.sample(&DURATION, &[phase], took);
            }
        }
    }
}

pub(super) async fn probe(module: &Module, run: &mut Run) -> Result<(), Failure> {
    let target = Target::parse(&run.target)?;
    let mut facts = Facts::default();
    let done = open(module, run, &target, &mut facts).await;
    facts.write(&mut run.page);
    done.map_err(|failure| match facts.step {
        0 => failure,
        step => Failure { what: format!("step {step}: {}", failure.what), ..failure },
    })
}

async fn open(module: &Module, run: &mut Run, target: &Target, facts: &mut Facts) -> Result<(), Failure> {
    let config = &module.config.websocket;
    let (address, took) = resolve(run, &target.host, &config.ip).await;
    let address = address?;
    facts.resolve = Some(took);

    let authorization = given::authorization(&config.client, &mut run.log);
    let headers = given::headers(&config.headers, &mut run.log);
    let to = target.port().map(|port| address.with_port(port));
    let progress = Arc::clone(&run.progress);
    let attempt = Attempt { module, target, network: &run.network, progress: &progress, facts };
    within(run.deadline, Arc::clone(&progress), attempt.run(to, authorization, headers)).await
}

/// What can take time once there is an address.
struct Attempt<'a> {
    module: &'a Module,
    target: &'a Target,
    network: &'a Network,
    progress: &'a Progress,
    facts: &'a mut Facts,
}

impl Attempt<'_> {
    async fn run(
        self,
        to: Result<SocketAddr, Failure>,
        authorization: Option<String>,
        headers: Vec<(String, Vec<String>)>,
    ) -> Result<(), Failure> {
        let Self { module, target, network, progress, facts } = self;
        let config = &module.config.websocket;
        let begun = Instant::now();
        facts.dialed = Some((begun, None));
        let to = to?;
        let key = generate_key();
        let authorization = authorization.map(|text| upgrade::value("Authorization", &text)).transpose()?;
        let headers = upgrade::headers(&target.authority, &key, authorization, &headers)?;
        let client = target.is_secure().then(|| module.tls.client(&config.client.tls, &[])).transpose()?;

        progress.enter(Phase::Connect);
        let started = Instant::now();
        let stream = network.connect(to, None).await?;
        facts.connect = Some(started.elapsed().as_secs_f64());
        let upgraded = match &client {
            None => {
                progress.enter(Phase::Request);
                ask(stream, target, headers, &key, &mut facts.status).await?
            }
            Some(client) => {
                progress.enter(Phase::Tls);
                let name = match config.client.tls.server_name.as_str() {
                    "" => target.host.as_str(),
                    name => name,
                };
                // No family tells of it.
                let shown = tls::Facts::default();
                let stream = Box::pin(client.connect(stream, name, &shown)).await?;
                progress.enter(Phase::Request);
                ask(stream, target, headers, &key, &mut facts.status).await?
            }
        };
        facts.upgraded = true;
        facts.dialed = Some((begun, Some(begun.elapsed().as_secs_f64())));
        if config.query_response.is_empty() {
            return Ok(());
        }

        progress.enter(Phase::Dialogue);
        facts.transfer = Some(Instant::now());
        // A step that the deadline ends has failed like any other.
        facts.failed = true;
        converse(&config.query_response, upgraded, &mut facts.step).await?;
        facts.failed = false;
        Ok(())
    }
}

/// Asks for a WebSocket; `status` is that of the answer, whatever it is.
async fn ask<S>(
    stream: S,
    target: &Target,
    headers: HeaderMap,
    key: &str,
    status: &mut u16,
) -> Result<Upgraded, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |e: hyper::Error| {
        let reason = if e.is_parse() { Reason::Protocol } else { Reason::Closed };
        Failure::new(Phase::Request, reason, format!("answer to the upgrade: {e}"))
    };
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(MOST_ANSWER).handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = target.path.clone().into();
    *request.headers_mut() = headers;

    let mut connection = std::pin::pin!(connection.with_upgrades());
    let mut answer = std::pin::pin!(sender.send_request(request));
    let mut is_over = false;
    let mut response = loop {
        tokio::select! {
            biased;
            response = &mut answer => break response.map_err(broken)?,
            // Its end is told to the answer as well.
            _ = &mut connection, if !is_over => is_over = true,
        }
    };
    *status = response.status().as_u16();
    upgrade::accepted(*status, response.headers(), key)?;
    let upgraded = hyper::upgrade::on(&mut response);
    if is_over {
        return upgraded.await.map_err(broken);
    }
    let (upgraded, _) = tokio::join!(upgraded, connection);
    upgraded.map_err(broken)
}

/// Follows the script; `at` is the step that it is at, from 1.
async fn converse(steps: &[QueryResponse], upgraded: Upgraded, at: &mut usize) -> Result<(), Failure> {
    let limits = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(MOST_MESSAGE))
        .max_frame_size(Some(MOST_MESSAGE));
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, Some(limits)).await;
    for step in steps {
        *at += 1;
        follow(step, &mut socket).await?;
    }
    Ok(())
}

type Socket = WebSocketStream<TokioIo<Upgraded>>;

async fn follow(step: &QueryResponse, socket: &mut Socket) -> Result<(), Failure> {
    let mut send = step.send.clone();
    if let Some(expect) = &step.expect {
        let message = receive(socket).await?;
        let Some(captures) = expect.captures(&message) else {
            let what = "expected a message that matches, found another";
            return Err(Failure::new(Phase::Dialogue, Reason::Expect, what));
        };
        send = captures.expand(&send);
    }
    if send.is_empty() {
        return Ok(());
    }
    let message = String::from_utf8(send).map_or_else(|e| Message::binary(e.into_bytes()), Message::text);
    socket.send(message).await.map_err(|e| broken(&e))
}

/// The next message that is one; pings are answered on the way.
async fn receive(socket: &mut Socket) -> Result<Bytes, Failure> {
    let closed =
        || Failure::new(Phase::Dialogue, Reason::Closed, "expected a message, found the end of the connection");
    loop {
        // Messages that are here already are no reason to keep the others waiting.
        consume_budget().await;
        match socket.next().await.ok_or_else(closed)?.map_err(|e| broken(&e))? {
            Message::Text(text) => return Ok(text.into()),
            Message::Binary(bytes) => return Ok(bytes),
            Message::Close(_) => return Err(closed()),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }
}

fn broken(e: &Error) -> Failure {
    let reason = match e {
        Error::Io(_) | Error::ConnectionClosed | Error::AlreadyClosed => Reason::Closed,
        _ => Reason::Protocol,
    };
    Failure::new(Phase::Dialogue, reason, format!("the connection broke: {e}"))
}

/// For the table of parsers: a target.
pub(crate) fn feed(bytes: &[u8]) {
    if let Ok(target) = Target::parse(&String::from_utf8_lossy(bytes)) {
        drop(target.port());
    }
}
