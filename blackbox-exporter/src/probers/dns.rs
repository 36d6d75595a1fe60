//! `prober: dns`: one question to a name server, and rules about its answer.
//!
//! * Families: `probe_dns_duration_seconds{phase}`, `probe_dns_answer_rrs`, `probe_dns_authority_rrs`,
//!   `probe_dns_additional_rrs` and `probe_dns_query_succeeded` are on every page, and `probe_dns_serial` when an SOA was asked
//!   for and a well-formed answer came. Seconds and counts; a count is 0 without an answer.
//! * Phases: `resolve` looks up the name of the server, `request` is from writing the query to the answer, or to the moment
//!   that ended the wait; `connect` is the rest of the exchange, a TLS handshake included.
//! * The target is `host`, `host:port` or an IPv6 address; what cannot be split is a host. Port 53, with TLS 853.
//! * [`message`] says when an answer is well-formed, [`rdata`] what the text is that rules match.
//! * Other than with the Go exporter, the deadline covers opening the connection as well, and a datagram with another number
//!   is left unread even when it is malformed. `edns_udp_size` and `retry_truncated_over_tcp` are ours: without them an answer
//!   has 512 bytes at most, and one that was cut is an answer.

mod cursor;
mod edns;
mod exchange;
mod message;
mod name;
mod odd;
mod rcode;
mod rdata;
mod rules;
mod types;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use common::exposition::Desc;
use ring::rand::{SecureRandom, SystemRandom};

use self::exchange::Times;
use self::message::{Message, Query, SOA};
use crate::endpoint;
use crate::module::Module;
use crate::reason::{Failure, Phase, Progress, Reason};
use crate::resolve::{self, resolve};
use crate::run::{Run, within};
use crate::tls;

pub(crate) use rules::Kept;

const DURATION: Desc<'static> =
    Desc::gauge("probe_dns_duration_seconds", "Time that each phase of the DNS exchange took.", &["phase"]);
const ANSWER: Desc<'static> = Desc::gauge("probe_dns_answer_rrs", "Records in the answer section.", &[]);
const AUTHORITY: Desc<'static> = Desc::gauge("probe_dns_authority_rrs", "Records in the authority section.", &[]);
const ADDITIONAL: Desc<'static> =
    Desc::gauge("probe_dns_additional_rrs", "Records in the additional section, the one of EDNS included.", &[]);
const SUCCEEDED: Desc<'static> =
    Desc::gauge("probe_dns_query_succeeded", "Whether a well-formed answer came, whatever it says.", &[]);
const SERIAL: Desc<'static> =
    Desc::gauge("probe_dns_serial", "Serial of the last SOA record in the answer section; 0 without one.", &[]);

/// The families of this prober alone.
pub(super) const FAMILIES: &[Desc<'static>] = &[DURATION, ANSWER, AUTHORITY, ADDITIONAL, SUCCEEDED, SERIAL];

/// Bytes are not what they have to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Malformed;

/// What a probe found out.
#[derive(Default)]
struct Facts {
    resolve: f64,
    began: Option<Instant>,
    /// Those of the last exchange, and the seconds of one before it.
    times: Times,
    earlier: f64,
    records: [u16; 3],
    succeeded: bool,
    serial: Option<u32>,
}

impl Facts {
    /// Puts it on the page.
    fn write(&self, run: &mut Run) {
        let elapsed = |from: Option<Instant>, to: Option<Instant>| {
            from.map_or(0.0, |from| to.unwrap_or_else(Instant::now).saturating_duration_since(from).as_secs_f64())
        };
        let request = self.earlier + elapsed(self.times.asked, self.times.answered);
        let connect = (elapsed(self.began, self.times.answered) - request).max(0.0);
        let page = &mut run.page;
        for (phase, seconds) in [("connect", connect), ("request", request), ("resolve", self.resolve)] {
            page.sample(&DURATION, &[phase], seconds);
        }
        for (desc, records) in [&ANSWER, &AUTHORITY, &ADDITIONAL].into_iter().zip(self.records) {
            page.sample::<&str>(desc, &[], f64::from(records));
        }
        page.sample::<&str>(&SUCCEEDED, &[], f64::from(u8::from(self.succeeded)));
        if let Some(serial) = self.serial {
            page.sample::<&str>(&SERIAL, &[], f64::from(serial));
        }
    }
}

pub(super) async fn probe(module: &Module, run: &mut Run) -> Result<(), Failure> {
    let mut facts = Facts::default();
    let done = ask_and_check(module, run, &mut facts).await;
    facts.write(run);
    done
}

async fn ask_and_check(module: &Module, run: &mut Run, facts: &mut Facts) -> Result<(), Failure> {
    let config = &module.config.dns;
    let stream = match config.transport_protocol.as_str() {
        "" | "udp" => false,
        "tcp" => true,
        other => return Err(Failure::module(format!("transport_protocol: expected udp or tcp, found {other:?}"))),
    };
    let target = run.target.clone();
    let (host, port) = endpoint::split(&target).unwrap_or((&target, if config.dns_over_tls { "853" } else { "53" }));
    let (address, took) = resolve(run, host, &config.ip).await;
    facts.resolve = took;
    let address = address?;
    run.progress.enter(Phase::Setup);
    facts.began = Some(Instant::now());
    if config.dns_over_tls && !stream {
        return Err(Failure::module("dns_over_tls: expected transport_protocol tcp, found udp"));
    }
    let tls = match config.dns_over_tls {
        true => Some(module.tls.client(&config.tls_config, &[])?),
        false => None,
    };
    let server_name = match config.tls_config.server_name.as_str() {
        "" => host,
        name => name,
    };
    let way = Way {
        to: address.with_port(endpoint::port(port)?),
        source: resolve::source(&config.source_ip_address, address)?,
        size: config.edns_udp_size,
        tls: tls.as_deref().map(|client| (client, server_name)),
    };
    let name = name::to_wire(&config.query_name).map_err(|what| Failure::module(format!("query_name: {what}")))?;
    let mut id = [0; 2];
    let no_number = |_| Failure::new(Phase::Setup, Reason::Internal, "no random numbers");
    SystemRandom::new().fill(&mut id).map_err(no_number)?;
    let query = Query {
        name: &name,
        kind: config.query_type.1,
        class: config.query_class.1,
        recursion: config.recursion_desired,
        edns_udp_size: if config.edns_udp_size == 0 { 0 } else { config.edns_udp_size.max(exchange::PLAIN_DATAGRAM) },
    };
    let query = query.message(u16::from_be_bytes(id));

    run.log.debug("Asking", &[("address", &way.to), ("stream", &stream), ("type", &config.query_type.1)]);
    let mut answer = way.ask(&query, stream, run, &mut facts.times).await?;
    let mut parsed = Message::parse(&answer);
    if config.retry_truncated_over_tcp && !stream && parsed.as_ref().is_ok_and(|answer| answer.truncated) {
        run.log.info("The answer was cut, so it is asked for over TCP", &[]);
        let times = std::mem::take(&mut facts.times);
        facts.earlier = times.asked.zip(times.answered).map_or(0.0, |(from, to)| (to - from).as_secs_f64());
        answer = way.ask(&query, true, run, &mut facts.times).await?;
        parsed = Message::parse(&answer);
    }
    run.progress.enter(Phase::Check);
    let message = parsed.map_err(|Malformed| {
        let what = format!("answer: {} bytes that are no well-formed DNS message", answer.len());
        Failure::new(Phase::Transfer, Reason::Protocol, what)
    })?;
    facts.succeeded = true;
    facts.records = message.sections.map(|section| section.records);
    if config.query_type.1 == SOA {
        let [answer, ..] = message.sections;
        let last = message.records(answer).filter(|record| record.kind == SOA).last();
        facts.serial = Some(last.map_or(0, |record| message.serial(&record)));
    }
    check(module, run, &message)
}

/// The response code, then the rules, section by section.
fn check(module: &Module, run: &mut Run, message: &Message<'_>) -> Result<(), Failure> {
    let judged = |reason, what| Err(Failure::new(Phase::Check, reason, what));
    let code = message.rcode;
    let mut valid = code == 0;
    if let Some(names) = &module.config.dns.valid_rcodes {
        valid = false;
        for name in names {
            let Some(number) = rcode::number(name) else {
                return judged(Reason::Module, format!("valid_rcodes: {name:?} is no response code"));
            };
            valid |= number == code;
        }
    }
    run.log.debug("Got an answer", &[("rcode", &rcode::name(code))]);
    if !valid {
        return judged(Reason::Rcode, format!("answer: response code {} is not a valid one", rcode::name(code)));
    }
    let show = run.log.keeps(tracing::Level::DEBUG);
    for (rules, section) in module.dns.sections(&module.config.dns).iter().zip(message.sections) {
        if rules.is_empty() && !show {
            continue;
        }
        let mut records = message.records(section);
        rules.check(section.records, |text| {
            if let Some(record) = records.next() {
                message.write(&record, text);
                if show {
                    let text = String::from_utf8_lossy(text);
                    run.log.debug("Record", &[("section", &rules.name()), ("rr", &text)]);
                }
            }
        })?;
    }
    Ok(())
}

/// How the server is reached.
struct Way<'w> {
    to: SocketAddr,
    source: Option<IpAddr>,
    size: u16,
    tls: Option<(&'w tls::Client, &'w str)>,
}

impl Way<'_> {
    /// Asks within the deadline.
    async fn ask(&self, query: &[u8], stream: bool, run: &Run, times: &mut Times) -> Result<Vec<u8>, Failure> {
        let progress: &Progress = &run.progress;
        within(run.deadline, Arc::clone(&run.progress), async {
            progress.enter(Phase::Connect);
            if !stream {
                run.network.check(self.to.ip(), Some(self.to.port()))?;
                return exchange::datagram(query, self.to, self.source, self.size, progress, times).await;
            }
            let connection = run.network.connect(self.to, self.source).await?;
            match self.tls {
                None => exchange::stream(query, connection, progress, times).await,
                Some((client, name)) => {
                    progress.enter(Phase::Tls);
                    let facts = tls::Facts::default();
                    let connection = Box::pin(client.connect(connection, name, &facts)).await?;
                    exchange::stream(query, connection, progress, times).await
                }
            }
        })
        .await
    }
}

/// Reads any bytes as an answer and writes its records: for fuzzing.
pub(crate) fn feed(bytes: &[u8]) {
    if let Ok(message) = Message::parse(bytes) {
        let mut text = Vec::new();
        for section in message.sections {
            for record in message.records(section) {
                text.clear();
                message.write(&record, &mut text);
                message.serial(&record);
            }
        }
    }
}
