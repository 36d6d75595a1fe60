//! `prober: icmp`: echo requests, and the replies to them.
//!
//! * Families: `probe_icmp_duration_seconds{phase}` with `resolve`, `setup` (socket and packet) and `rtt` (from sending to the
//!   reply; with several packets their mean; 0 without a reply) is on every page, `probe_icmp_reply_hop_limit` (TTL or hop
//!   limit of the last reply) when a reply came.
//! * With `packets` above 1, which is ours, also `probe_icmp_packets_sent`, `probe_icmp_packets_received`,
//!   `probe_icmp_loss_ratio` and, with a reply, `probe_icmp_rtt_seconds{stat}` and, with two, `probe_icmp_jitter_seconds`. A
//!   packet that is not answered when the deadline comes is lost; so many may be lost as `max_loss_ratio` says.
//! * The target is a host name or a bare address. `echo` says what a reply is: all else, an "unreachable" too, is not seen,
//!   so that the probe ends by the deadline, as with the Go exporter.
//! * Other than there, a negative `payload_size` is a failed probe, and the deadline covers sending as well.

mod echo;
mod os;
mod socket;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use common::exposition::{Desc, Page};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::time::{Instant, timeout_at};

use self::echo::Echo;
use self::socket::{Pinger, Wanted};
use crate::config::Icmp;
use crate::module::Module;
use crate::reason::{Failure, Phase, Progress, Reason};
use crate::resolve::{self, resolve};
use crate::run::{Run, within};

pub(crate) use echo::feed;
pub use socket::{Ability, ability};

const DURATION: Desc<'static> =
    Desc::gauge("probe_icmp_duration_seconds", "Time that each phase of the ping took.", &["phase"]);
const HOP_LIMIT: Desc<'static> =
    Desc::gauge("probe_icmp_reply_hop_limit", "TTL or hop limit that the reply arrived with.", &[]);
const SENT: Desc<'static> = Desc::gauge("probe_icmp_packets_sent", "Echo requests that were sent.", &[]);
const RECEIVED: Desc<'static> =
    Desc::gauge("probe_icmp_packets_received", "Echo requests that were answered in time.", &[]);
const LOSS: Desc<'static> =
    Desc::gauge("probe_icmp_loss_ratio", "Share of the echo requests that were not answered in time.", &[]);
const RTT: Desc<'static> =
    Desc::gauge("probe_icmp_rtt_seconds", "Shortest, mean and longest time from a request to its reply.", &["stat"]);
const JITTER: Desc<'static> =
    Desc::gauge("probe_icmp_jitter_seconds", "Mean difference between the round trips of successive packets.", &[]);

/// The families of this prober alone.
pub(super) const FAMILIES: &[Desc<'static>] = &[DURATION, HOP_LIMIT, SENT, RECEIVED, LOSS, RTT, JITTER];

/// What a probe found out.
#[derive(Default)]
struct Facts {
    resolve: f64,
    setup: f64,
    hop_limit: Option<u8>,
    /// When each packet was sent, and how long its reply took.
    packets: Vec<(Instant, Option<Duration>)>,
}

impl Facts {
    /// Seconds of the round trips, in the order of the packets.
    fn rtts(&self) -> impl Iterator<Item = f64> + Clone {
        self.packets.iter().filter_map(|(_, rtt)| rtt.map(|rtt| rtt.as_secs_f64()))
    }

    fn received(&self) -> usize {
        self.rtts().count()
    }

    /// The share of lost packets; all of none.
    fn loss(&self) -> f64 {
        match self.packets.len() {
            0 => 1.0,
            sent => (sent - self.received()) as f64 / sent as f64,
        }
    }

    fn mean(&self) -> f64 {
        self.rtts().sum::<f64>() / self.received().max(1) as f64
    }

    /// Puts it on the page.
    fn write(&self, page: &mut Page, several: bool) {
        for (phase, seconds) in [("resolve", self.resolve), ("rtt", self.mean()), ("setup", self.setup)] {
            page.sample(&DURATION, &[phase], seconds);
        }
        if let Some(hop_limit) = self.hop_limit {
            page.sample::<&str>(&HOP_LIMIT, &[], f64::from(hop_limit));
        }
        if !several {
            return;
        }
        let received = self.received();
        page.sample::<&str>(&SENT, &[], self.packets.len() as f64);
        page.sample::<&str>(&RECEIVED, &[], received as f64);
        page.sample::<&str>(&LOSS, &[], self.loss());
        if received > 0 {
            let (least, most) = self.rtts().fold((f64::MAX, 0.0_f64), |(a, b), rtt| (a.min(rtt), b.max(rtt)));
            for (stat, seconds) in [("max", most), ("mean", self.mean()), ("min", least)] {
                page.sample(&RTT, &[stat], seconds);
            }
        }
        if received > 1 {
            let differences = self.rtts().zip(self.rtts().skip(1)).map(|(a, b)| (b - a).abs());
            page.sample::<&str>(&JITTER, &[], differences.sum::<f64>() / (received - 1) as f64);
        }
    }
}

pub(super) async fn probe(module: &Module, run: &mut Run) -> Result<(), Failure> {
    let config = &module.config.icmp;
    let mut facts = Facts::default();
    let done = ping(config, run, &mut facts).await;
    let several = config.packets > 1;
    facts.write(&mut run.page, several);
    match done {
        Err(failure) if several && failure.reason == Reason::Deadline && !facts.packets.is_empty() => {
            if facts.loss() <= config.max_loss_ratio {
                return Ok(());
            }
            let (sent, received) = (facts.packets.len(), facts.received());
            let what = format!("packets: {received} of {sent} were answered, which is less than the module asks for");
            Err(Failure::new(Phase::Request, Reason::PacketLoss, what))
        }
        done => done,
    }
}

async fn ping(config: &Icmp, run: &mut Run, facts: &mut Facts) -> Result<(), Failure> {
    let target = run.target.clone();
    let (address, took) = resolve(run, &target, &config.ip).await;
    if address.is_ok() {
        facts.resolve = took;
    }
    let address = address?;
    run.progress.enter(Phase::Setup);
    let began = Instant::now();
    run.network.check(address.ip, None)?;
    let wanted = Wanted {
        to: address.with_port(0),
        source: resolve::source(&config.source_ip_address, address)?,
        dont_fragment: config.dont_fragment,
        ttl: config.ttl,
    };
    let payload = usize::try_from(config.payload_size).ok().filter(|size| *size <= echo::MOST_PAYLOAD);
    let payload = payload.ok_or_else(|| {
        let (most, found) = (echo::MOST_PAYLOAD, config.payload_size);
        Failure::module(format!("payload_size: expected 0 to {most} bytes, found {found}"))
    })?;
    let pinger = Pinger::open(&wanted)?;
    let packets = config.packets.max(1);
    let echo = Echo::new(address.ip, random()?, next_sequence(packets)?, payload, pinger.kernel);
    facts.setup = began.elapsed().as_secs_f64();
    run.log.debug("Pinging", &[("ip", &address.ip), ("bytes", &echo.len()), ("raw", &!pinger.kernel.numbers)]);
    let interval = Duration::try_from_secs_f64(config.packet_interval).unwrap_or_default();
    let progress = Arc::clone(&run.progress);
    within(run.deadline, Arc::clone(&run.progress), exchange(&pinger, echo, packets, interval, &progress, facts)).await
}

/// Sends so many packets and waits for the reply to each.
async fn exchange(
    pinger: &Pinger,
    mut echo: Echo,
    packets: u16,
    interval: Duration,
    progress: &Progress,
    facts: &mut Facts,
) -> Result<(), Failure> {
    progress.enter(Phase::Request);
    // One byte more than a reply has, so that a longer message is not taken for one.
    let mut buffer = vec![0; echo.len() + 1 + if pinger.kernel.raw_ip4 { MOST_IP4_HEADER } else { 0 }];
    let mut due = Instant::now();
    let (mut sent, mut received) = (0, 0);
    while sent < packets || received < sent {
        if sent < packets && Instant::now() >= due {
            facts.packets.push((Instant::now(), None));
            pinger.send(echo.request(sent)).await?;
            sent += 1;
            due += interval;
            continue;
        }
        let (length, beside) = if sent < packets {
            match timeout_at(due, pinger.receive(&mut buffer)).await {
                Ok(packet) => packet?,
                Err(_due) => continue,
            }
        } else {
            pinger.receive(&mut buffer).await?
        };
        let arrived = Instant::now();
        let Some((at, within)) = echo.answers(buffer.get(..length).unwrap_or_default()) else { continue };
        if let Some((left, rtt @ None)) = facts.packets.get_mut(usize::from(at)) {
            *rtt = Some(arrived.saturating_duration_since(*left));
            facts.hop_limit = within.or(beside);
            received += 1;
        }
    }
    Ok(())
}

/// Most bytes of an IPv4 header (RFC 791, 3.1).
const MOST_IP4_HEADER: usize = 60;

fn random() -> Result<u16, Failure> {
    let mut number = [0; 2];
    let none = |_| Failure::new(Phase::Setup, Reason::Internal, "no random numbers");
    SystemRandom::new().fill(&mut number).map_err(none)?;
    Ok(u16::from_ne_bytes(number))
}

/// The first of so many sequence numbers: they count through all probes of the process, from anywhere on.
fn next_sequence(packets: u16) -> Result<u16, Failure> {
    /// The next one, above it a bit that says that it was begun.
    static NEXT: AtomicU32 = AtomicU32::new(0);
    const BEGUN: u32 = 1 << 16;
    if NEXT.load(Ordering::Relaxed) == 0 {
        let first = BEGUN | u32::from(random()?);
        // Another probe may have been faster, which is as good.
        let _ = NEXT.compare_exchange(0, first, Ordering::Relaxed, Ordering::Relaxed);
    }
    let advance = |next: u32| Some(BEGUN | (next.wrapping_add(u32::from(packets)) & 0xffff));
    let next = NEXT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, advance).unwrap_or_default();
    Ok(u16::try_from(next & 0xffff).unwrap_or_default())
}
