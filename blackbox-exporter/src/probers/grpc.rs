//! `prober: grpc`: what a server says of its health, by `grpc.health.v1.Health/Check`.
//!
//! * Target: `host[:port]`, port 80 unless said otherwise, over TLS 443. `http://`, `https://`, a user and a path may be there
//!   and mean nothing.
//! * Families: those of [`crate::resolve`]; `probe_grpc_duration_seconds{phase}`, seconds, `resolve` always (0 without an
//!   address), `check` (connection, TLS and RPC) once a connection is attempted; `probe_grpc_status_code`, the number of the
//!   RPC's status, 0 also when there was none; `probe_grpc_ssl`, 1 when a health message came over TLS;
//!   `probe_grpc_healthcheck_response{serving_status}` once a connection is attempted, 1 for what was answered; the TLS
//!   families but the last chain and the cipher, with a health message or after a handshake that failed.
//! * It succeeds when the RPC's status is 0 and the service serves.
//!
//! Different from the Go exporter:
//! * The connection goes to the address that was chosen and whose hash is on the page. (Go looks the name up again, connects to
//!   any address of it, and to none when the target is an IPv6 address.)
//! * The deadline ends everything: an RPC with status 4, an attempt to connect with status 14. (Go waits for 20 s for a
//!   server that is silent, and without an end for an answer.)
//! * Certificates are on the page as well when the handshake failed because of them.

mod health;
mod metadata;
mod target;

use std::sync::Arc;
use std::time::Instant;

use common::exposition::{Desc, Page};
use hyper::http::uri::Uri;
use tonic::metadata::{MetadataMap, MetadataValue};

use self::health::Refused;
use self::metadata::metadata;
use self::target::Target;
use crate::config;
use crate::module::Module;
use crate::reason::{Failure, Phase, Reason};
use crate::resolve::resolve;
use crate::run::{Run, within};
use crate::tls;

const DURATION: Desc<'static> =
    Desc::gauge("probe_grpc_duration_seconds", "Time that a phase of the health check took.", &["phase"]);
const SSL: Desc<'static> = Desc::gauge("probe_grpc_ssl", "Whether the health message came over TLS.", &[]);
const STATUS: Desc<'static> =
    Desc::gauge("probe_grpc_status_code", "Status of the RPC, 0 for OK and also when there was none.", &[]);
const SERVING: Desc<'static> = Desc::gauge(
    "probe_grpc_healthcheck_response",
    "What the server said of the service's health, 1 for the status it gave.",
    &["serving_status"],
);

/// The families of TLS that it has.
pub(super) const TLS: tls::With = tls::With { last_chain: false, cipher: false };

/// The families of this prober alone.
pub(super) const FAMILIES: &[Desc<'static>] = &[DURATION, SSL, STATUS, SERVING];

/// Statuses of an RPC that this side concludes, by the names of gRPC.
const DEADLINE_EXCEEDED: u32 = 4;
const INTERNAL: u32 = 13;
const UNAVAILABLE: u32 = 14;

/// Statuses of a service, by their number.
const SERVING_STATUSES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
const IS_SERVING: i32 = 1;

/// Most characters of a message of the server that are taken; whoever shows it shows less, without what is secret.
const MOST_TAKEN: usize = 4 << 10;

const USER_AGENT: &str = concat!("Blackbox-Exporter/", env!("CARGO_PKG_VERSION"));

/// What was found out.
#[derive(Default)]
struct Facts {
    resolve: f64,
    check: Option<f64>,
    /// Status of the RPC; while it is under way the one it has if it ends there.
    code: u32,
    serving: Option<i32>,
    over_tls: bool,
    shaking_hands: bool,
    tls: tls::Facts,
}

impl Facts {
    fn write(&self, page: &mut Page) {
        page.sample(&DURATION, &["resolve"], self.resolve);
        if let Some(check) = self.check {
            page.sample(&DURATION, &["check"], check);
            for (status, name) in (0_i32..).zip(SERVING_STATUSES) {
                page.sample(&SERVING, &[name], f64::from(u8::from(self.serving == Some(status))));
            }
            if let Some(status) = self.serving.filter(|status| name(*status).is_none()) {
                page.sample(&SERVING, &[status.to_string()], 1.0);
            }
        }
        page.sample::<&str>(&SSL, &[], f64::from(u8::from(self.serving.is_some() && self.over_tls)));
        page.sample::<&str>(&STATUS, &[], f64::from(self.code));
        if self.serving.is_some() || self.shaking_hands {
            self.tls.write(page, TLS);
        }
    }
}

pub(super) async fn probe(module: &Module, run: &mut Run) -> Result<(), Failure> {
    let mut facts = Facts::default();
    let done = check(module, run, &mut facts).await;
    facts.write(&mut run.page);
    done
}

async fn check(module: &Module, run: &mut Run, facts: &mut Facts) -> Result<(), Failure> {
    let grpc = &module.config.grpc;
    let target = Target::parse(&run.target)?;
    let client = grpc.tls.then(|| module.tls.client(&grpc.tls_config, &[b"h2"])).transpose()?;
    let (address, took) = resolve(run, &target.host, &grpc.ip).await;
    let address = address?;
    facts.resolve = took;

    let started = Instant::now();
    facts.code = UNAVAILABLE;
    let (network, progress) = (Arc::clone(&run.network), Arc::clone(&run.progress));
    let work = async {
        let port = target.port.unwrap_or(if grpc.tls { 443 } else { 80 });
        let number = u16::try_from(port);
        let number = number.map_err(|_| Failure::target(format!("port {port}: expected a number up to 65535")))?;
        let metadata = request_metadata(grpc).inspect_err(|_| facts.code = INTERNAL)?;
        let server_name = match grpc.tls_config.server_name.as_str() {
            "" => target.host.as_str(),
            name => name,
        };
        let origin = match grpc.tls {
            true => origin("https", &Target::bracketed(server_name))?,
            false => origin("http", &format!("{}:{port}", Target::bracketed(&target.host)))?,
        };
        progress.enter(Phase::Connect);
        let stream = network.connect(address.with_port(number), None).await?;
        let served = match client {
            None => {
                progress.enter(Phase::Request);
                facts.code = DEADLINE_EXCEEDED;
                health::check(stream, origin, &grpc.service, metadata).await
            }
            Some(client) => {
                progress.enter(Phase::Tls);
                facts.shaking_hands = true;
                let stream = Box::pin(client.connect(stream, server_name, &facts.tls)).await?;
                // Servers that say nothing of HTTP/2 are none that clients of gRPC can talk to.
                if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
                    let what = "expected a server that agrees on HTTP/2 (ALPN h2), found one that does not";
                    return Err(Failure::new(Phase::Tls, Reason::Protocol, what));
                }
                facts.shaking_hands = false;
                facts.over_tls = true;
                progress.enter(Phase::Request);
                facts.code = DEADLINE_EXCEEDED;
                health::check(stream, origin, &grpc.service, metadata).await
            }
        };
        facts.code = served.as_ref().err().map_or(0, |refused| refused.code);
        let served = served.map_err(|found| refused(&found))?;
        facts.serving = Some(served);
        match name(served) {
            _ if served == IS_SERVING => Ok(()),
            Some(name) => Err(not_serving(name)),
            None => Err(not_serving(&served.to_string())),
        }
    };
    let done = within(run.deadline, Arc::clone(&run.progress), work).await;
    facts.check = Some(started.elapsed().as_secs_f64());
    done
}

/// The module's metadata, and who asks.
fn request_metadata(grpc: &config::Grpc) -> Result<MetadataMap, Failure> {
    let mut metadata = metadata(&grpc.metadata).map_err(Failure::module)?;
    metadata.insert("user-agent", MetadataValue::from_static(USER_AGENT));
    Ok(metadata)
}

fn origin(scheme: &str, authority: &str) -> Result<Uri, Failure> {
    let origin = Uri::builder().scheme(scheme).authority(authority).path_and_query("/").build();
    origin.map_err(|_| Failure::target(format!("{authority:?} cannot be the authority of a request")))
}

/// The word for a serving status, if there is one.
fn name(status: i32) -> Option<&'static str> {
    usize::try_from(status).ok().and_then(|status| SERVING_STATUSES.get(status)).copied()
}

fn not_serving(status: &str) -> Failure {
    Failure::new(Phase::Check, Reason::NotServing, format!("serving status: expected SERVING, found {status}"))
}

fn refused(refused: &Refused) -> Failure {
    let message: String = refused.status.message().chars().take(MOST_TAKEN).collect();
    let what = format!("status of the RPC: expected 0 (OK), found {}: {message:?}", refused.code);
    Failure::new(Phase::Request, Reason::GrpcStatus, what)
}

/// For the table of parsers: a target.
pub(crate) fn feed(bytes: &[u8]) {
    if let Ok(target) = Target::parse(&String::from_utf8_lossy(bytes)) {
        drop(origin("http", &Target::bracketed(&target.host)));
    }
}
