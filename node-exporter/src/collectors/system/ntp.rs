//! The clock compared with an NTP server's, one SNTP question per scrape.
//!
//! * Source: RFC 5905, sections 7.3 and 8; RFC 4330 for what a client with a single packet can tell.
//! * Units: seconds; the packet has them in fixed point of 32 or 16 bits behind the point.
//! * Absent when: there is no answer within a second, or one that is not to our question: a failure.
//! * Differs from the Go exporter: a packet without a time of reference is 0, where it is 2036 there; an answer that does not tell when the question came is none; a time to live that does not exist is refused
//!   at the start; a name is tried with all of its addresses.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use common::collector::{Collector, Row, Scrape};
use common::error::{CollectError, ConfigError};
use common::exposition::{Desc, Page};
use common::flags::{Args, Flag};
use common::upstream::{blocking, dns};
use rustix::net::sockopt::{set_ip_ttl, set_ipv6_unicast_hops};

use crate::collectors::warn_deprecated;

mod packet;

pub(in crate::collectors) use packet::PARSER;
use packet::{Answer, Outcome, Timestamp};

const SERVER: &str = "collector.ntp.server";
const PORT: &str = "collector.ntp.server-port";
const VERSION: &str = "collector.ntp.protocol-version";
const IS_LOCAL: &str = "collector.ntp.server-is-local";
const TTL: &str = "collector.ntp.ip-ttl";
const MAX_DISTANCE: &str = "collector.ntp.max-distance";
const TOLERANCE: &str = "collector.ntp.local-offset-tolerance";

const FLAGS: &[Flag] = &[
    Flag::text(SERVER, "127.0.0.1", "Server to ask."),
    Flag::integer(PORT, "123", "UDP port of the server."),
    Flag::integer(VERSION, "4", "Version of the protocol: 2, 3 or 4."),
    Flag::switch(IS_LOCAL, false, "Takes a server for local whose address is no loopback."),
    Flag::integer(TTL, "1", "Hops the question may take; 0 for as many as the system allows."),
    Flag::duration(MAX_DISTANCE, "3.46608s", "Largest distance from the root that is believed."),
    Flag::duration(TOLERANCE, "1ms", "Largest offset of the own clock that is believed."),
];

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row {
    needs: |args| match args.text(SERVER).parse::<IpAddr>() {
        Ok(_) => Vec::new(),
        Err(_) => dns::needs(),
    },
    ..Row::off("ntp", "the clock compared with an NTP server's, SNTP (deprecated)", FLAGS, |args| {
        let ntp = Ntp::new(args)?;
        warn_deprecated("ntp");
        Ok(Box::new(ntp))
    })
};

const fn gauge(name: &'static str, help: &'static str) -> Desc<'static> {
    Desc::gauge(name, help, &[])
}

const STRATUM: Desc = gauge("node_ntp_stratum", "Servers between this one and a reference clock, plus one.");
const LEAP: Desc =
    gauge("node_ntp_leap", "Leap second at the end of the day: 0 none, 1 one more, 2 one less, 3 not synchronized.");
const RTT: Desc = gauge("node_ntp_rtt_seconds", "Time the question and the answer were under way.");
const OFFSET: Desc = gauge("node_ntp_offset_seconds", "Time the server's clock is ahead of this one.");
const REFERENCE: Desc =
    gauge("node_ntp_reference_timestamp_seconds", "When the server's clock was set last; 0 for never.");
const ROOT_DELAY: Desc = gauge("node_ntp_root_delay_seconds", "Time to the reference clock and back.");
const ROOT_DISPERSION: Desc =
    gauge("node_ntp_root_dispersion_seconds", "Largest error relative to the reference clock.");
const SANITY: Desc = gauge("node_ntp_sanity", "1 if the server's answer makes sense and both clocks agree, else 0.");

/// For an answer from this very host, or from the next.
const PATIENCE: Duration = Duration::from_secs(1);
const DAY: i64 = 86_400;

struct Ntp {
    host: String,
    port: u16,
    version: u8,
    hops: u8,
    max_distance: f64,
    tolerance: f64,
    /// The midnight of the last leap second that was announced, in seconds since 1970.
    leap_midnight: Option<i64>,
}

impl Ntp {
    fn new(args: &Args) -> Result<Self, ConfigError> {
        let bad = |flag: &str, want: &str| {
            Err(ConfigError::new(format!("--{flag}: expected {want}, found {:?}", args.text(flag))))
        };
        let host = args.text(SERVER);
        let local = host.parse().is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback());
        if host.is_empty() || !(local || args.on(IS_LOCAL)) {
            return bad(SERVER, &format!("the address of a loopback interface, or --{IS_LOCAL}"));
        }
        let Some(port) = u16::try_from(args.integer(PORT)).ok().filter(|port| *port > 0) else {
            return bad(PORT, "a port from 1 to 65535");
        };
        let Some(version) = u8::try_from(args.integer(VERSION)).ok().filter(|it| (2..=4).contains(it)) else {
            return bad(VERSION, "2, 3 or 4");
        };
        let Ok(hops) = u8::try_from(args.integer(TTL)) else {
            return bad(TTL, "a number from 0 to 255");
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).to_owned();
        let (max_distance, tolerance) =
            (args.duration(MAX_DISTANCE).as_secs_f64(), args.duration(TOLERANCE).as_secs_f64());
        Ok(Self { host, port, version, hops, max_distance, tolerance, leap_midnight: None })
    }

    fn addresses(&self, deadline: Instant) -> Result<Vec<IpAddr>, String> {
        if let Ok(ip) = self.host.parse() {
            return Ok(vec![ip]);
        }
        blocking::resolve(&self.host, deadline)
    }

    /// Puts the question to one address.
    fn ask(&self, ip: IpAddr, patience: Duration) -> io::Result<Outcome> {
        let socket = self.socket(ip)?;
        // Whoever sees the question learns nothing of this clock, and whoever does not cannot answer.
        let cookie = RandomState::new().build_hasher().finish();
        let question = packet::question(self.version, cookie);
        let until = Instant::now() + patience;
        let sent = now();
        socket.send(&question)?;
        let mut bytes = [0; 512];
        let n = loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let what = format!("no answer within {:.1} s", patience.as_secs_f64());
                return Err(io::Error::new(io::ErrorKind::TimedOut, what));
            }
            match socket.set_read_timeout(Some(left)).and_then(|()| socket.recv(&mut bytes)) {
                Ok(n) => break n,
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(e) => return Err(e),
            }
        };
        let received = now();
        let answer = packet::parse(bytes.get(..n).unwrap_or_default(), cookie).map_err(io::Error::other)?;
        Ok(answer.outcome(sent, received))
    }

    fn socket(&self, ip: IpAddr) -> io::Result<UdpSocket> {
        let any: IpAddr = if ip.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
        match self.hops {
            0 => {}
            hops if ip.is_ipv4() => set_ip_ttl(&socket, hops.into())?,
            hops => set_ipv6_unicast_hops(&socket, Some(hops))?,
        }
        // From then on nobody else is heard, and a closed port is told at once.
        socket.connect(SocketAddr::new(ip, self.port))?;
        Ok(socket)
    }

    /// Whether the answer can be believed, and both clocks agree.
    fn is_sane(&mut self, answer: &Answer, outcome: &Outcome) -> bool {
        let time = answer.transmitted.unix_seconds();
        if matches!(answer.leap, 1 | 2) {
            // The announcement ends with the day, and the clocks of servers that smear the second do not agree until later.
            self.leap_midnight = Some(time - time.rem_euclid(DAY) + DAY);
        }
        let near_leap = self.leap_midnight.is_some_and(|midnight| (midnight - DAY..midnight + DAY).contains(&time));
        let tolerance = if near_leap { self.tolerance + 1.0 } else { self.tolerance };
        answer.is_valid() && outcome.root_distance <= self.max_distance && outcome.least_error <= tolerance
    }
}

impl Collector for Ntp {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let start = Instant::now();
        let patience = PATIENCE.min(cx.deadline.saturating_duration_since(start) / 2);
        let failed = |e: io::Error| CollectError::call(format!("NTP server {}, port {}", self.host, self.port), &e);
        let addresses = self.addresses(start + patience).map_err(io::Error::other).map_err(failed)?;
        let mut found = Err(io::Error::other("no address"));
        for (tried, ip) in addresses.iter().enumerate() {
            let share = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
            found = self.ask(*ip, patience.saturating_sub(start.elapsed()) / share);
            if found.is_ok() {
                break;
            }
        }
        let outcome = found.map_err(failed)?;
        let answer = &outcome.answer;
        let sane = self.is_sane(answer, &outcome);
        for (desc, value) in [
            (&STRATUM, f64::from(answer.stratum)),
            (&LEAP, f64::from(answer.leap)),
            (&RTT, outcome.round_trip),
            (&OFFSET, outcome.offset),
            (&REFERENCE, answer.reference.unix()),
            (&ROOT_DELAY, answer.root_delay),
            (&ROOT_DISPERSION, answer.root_dispersion),
            (&SANITY, f64::from(u8::from(sane))),
        ] {
            page.sample::<&str>(desc, &[], value);
        }
        Ok(())
    }
}

fn now() -> Timestamp {
    Timestamp::of(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

#[cfg(test)]
mod tests;
