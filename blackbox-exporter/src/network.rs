//! The way out: which addresses and ports may be probed at all, and the connections that are opened.
//!
//! * Every prober opens its sockets here or asks [`Network::check`] first: after names are resolved, and again for each
//!   redirect, proxy and token server.
//! * Without `--probe.allow-*` and `--probe.deny-*` everything is allowed, as with the Go exporter.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::exposition::{Desc, Page};
use ipnet::IpNet;
use tokio::net::{TcpSocket, TcpStream};

use crate::budget::Budget;
use crate::reason::{Failure, Phase, Reason};

/// Networks and ports that may or may not be probed.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Networks that may be probed; empty for all.
    pub allow_networks: Vec<IpNet>,
    /// Networks that may not, though they be within one of the others.
    pub deny_networks: Vec<IpNet>,
    /// Ports that may be probed, as ranges; empty for all.
    pub allow_ports: Vec<(u16, u16)>,
    /// Ports that may not.
    pub deny_ports: Vec<(u16, u16)>,
}

impl Policy {
    /// Whether a probe may go there; ICMP has no port.
    pub fn allows(&self, ip: IpAddr, port: Option<u16>) -> bool {
        // An IPv4 address in the form of an IPv6 one is the same place.
        let ip = ip.to_canonical();
        let among = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&ip));
        let port_among = |ranges: &[(u16, u16)]| {
            port.is_some_and(|port| ranges.iter().any(|(first, last)| (*first..=*last).contains(&port)))
        };
        (self.allow_networks.is_empty() || among(&self.allow_networks))
            && !among(&self.deny_networks)
            && (self.allow_ports.is_empty() || port.is_none() || port_among(&self.allow_ports))
            && !port_among(&self.deny_ports)
    }

    /// Whether there are no lists at all.
    pub fn allows_all(&self) -> bool {
        !self.has_allow_list() && self.deny_networks.is_empty() && self.deny_ports.is_empty()
    }

    /// Whether there is a list of what may be probed, which no unix socket is on.
    pub fn has_allow_list(&self) -> bool {
        !self.allow_networks.is_empty() || !self.allow_ports.is_empty()
    }
}

/// How many connections HTTP probes opened, and what came of it; the names of the Go exporter's HTTP library.
#[derive(Debug, Default)]
pub struct Dialed {
    /// Attempts.
    pub attempted: AtomicU64,
    /// Those that succeeded.
    pub established: AtomicU64,
    /// Those that were closed again.
    pub closed: AtomicU64,
    /// Those that nobody listened for.
    pub refused: AtomicU64,
    /// Those whose name has no address.
    pub resolution: AtomicU64,
    /// Those that the deadline ended.
    pub timeout: AtomicU64,
    /// Those that failed in another way.
    pub unknown: AtomicU64,
}

const ATTEMPTED: Desc<'static> = Desc::counter(
    "net_conntrack_dialer_conn_attempted_total",
    "Connections that HTTP probes tried to open.",
    &["dialer_name"],
);
const ESTABLISHED: Desc<'static> = Desc::counter(
    "net_conntrack_dialer_conn_established_total",
    "Connections that HTTP probes opened.",
    &["dialer_name"],
);
const CLOSED: Desc<'static> = Desc::counter(
    "net_conntrack_dialer_conn_closed_total",
    "Connections that HTTP probes closed again.",
    &["dialer_name"],
);
const FAILED: Desc<'static> = Desc::counter(
    "net_conntrack_dialer_conn_failed_total",
    "Connections that HTTP probes could not open, by reason.",
    &["dialer_name", "reason"],
);

/// What the program says about connections of HTTP probes, on its own page.
pub const FAMILIES: &[Desc<'static>] = &[ATTEMPTED, ESTABLISHED, CLOSED, FAILED];
const DIALER: &str = "http_probe";

impl Dialed {
    /// Puts the counters on the page of the program, from the first HTTP probe on.
    pub fn encode(&self, page: &mut Page) {
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
        if number(&self.attempted) == 0.0 {
            return;
        }
        page.sample(&ATTEMPTED, &[DIALER], number(&self.attempted));
        page.sample(&ESTABLISHED, &[DIALER], number(&self.established));
        page.sample(&CLOSED, &[DIALER], number(&self.closed));
        for (reason, counter) in [
            ("refused", &self.refused),
            ("resolution", &self.resolution),
            ("timeout", &self.timeout),
            ("unknown", &self.unknown),
        ] {
            page.sample(&FAILED, &[DIALER, reason], number(counter));
        }
    }
}

/// The way out.
#[derive(Debug, Default)]
pub struct Network {
    policy: Policy,
    /// Connections of HTTP probes.
    pub dialed: Dialed,
    /// What all probes together may keep.
    pub budget: Arc<Budget>,
}

impl Network {
    /// A way out for what `policy` allows.
    pub fn new(policy: Policy) -> Self {
        Self { policy, ..Self::default() }
    }

    /// What is allowed.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Fails unless a probe may go to `ip` and, where there is one, `port`.
    ///
    /// # Errors
    /// It is forbidden.
    pub fn check(&self, ip: IpAddr, port: Option<u16>) -> Result<(), Failure> {
        if self.policy.allows(ip, port) {
            return Ok(());
        }
        let place = port.map_or_else(|| ip.to_string(), |port| SocketAddr::new(ip, port).to_string());
        Err(Failure::new(Phase::Connect, Reason::Forbidden, format!("probing {place} is not allowed here")))
    }

    /// Opens a TCP connection, from `source` if there is one.
    ///
    /// # Errors
    /// It is forbidden, or the network says no. There is no time limit: the caller's deadline is one.
    pub async fn connect(&self, to: SocketAddr, source: Option<IpAddr>) -> Result<TcpStream, Failure> {
        self.check(to.ip(), Some(to.port()))?;
        let connect = async {
            let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            if let Some(source) = source {
                socket.bind(SocketAddr::new(source, 0))?;
            }
            let stream = socket.connect(to).await?;
            // A probe is a few small writes, each waited for.
            stream.set_nodelay(true)?;
            io::Result::Ok(stream)
        };
        connect.await.map_err(|e| connect_failure(&to, &e))
    }

    /// As [`Self::connect`] for an HTTP probe: counted.
    ///
    /// # Errors
    /// As there.
    pub async fn connect_http(&self, to: SocketAddr) -> Result<TcpStream, Failure> {
        // Counted as ended by the deadline unless something else is known before.
        struct Attempt<'d>(&'d Dialed, Option<&'d AtomicU64>);
        impl Drop for Attempt<'_> {
            fn drop(&mut self) {
                self.1.unwrap_or(&self.0.timeout).fetch_add(1, Ordering::Relaxed);
            }
        }
        self.dialed.attempted.fetch_add(1, Ordering::Relaxed);
        let mut attempt = Attempt(&self.dialed, None);
        let connected = self.connect(to, None).await;
        attempt.1 = Some(match &connected {
            Ok(_) => &self.dialed.established,
            Err(failure) if failure.reason == Reason::ConnectRefused => &self.dialed.refused,
            Err(_) => &self.dialed.unknown,
        });
        connected
    }
}

/// What a failed attempt to reach `place` means.
pub fn connect_failure(place: &dyn std::fmt::Display, e: &io::Error) -> Failure {
    let reason = match e.kind() {
        io::ErrorKind::ConnectionRefused => Reason::ConnectRefused,
        io::ErrorKind::TimedOut => Reason::ConnectTimeout,
        io::ErrorKind::PermissionDenied => Reason::Permission,
        _ => Reason::Unreachable,
    };
    Failure::new(Phase::Connect, reason, format!("{place}: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let nets = |list: &[&str]| list.iter().map(|net| net.parse().unwrap()).collect::<Vec<IpNet>>();
        let policy = Policy {
            allow_networks: nets(&["10.0.0.0/8", "fd00::/8"]),
            deny_networks: nets(&["10.9.0.0/16"]),
            allow_ports: vec![(80, 80), (8000, 8999)],
            deny_ports: vec![(8080, 8080)],
        };
        for (ip, port, want) in [
            ("10.1.2.3", Some(80), true),
            ("::ffff:10.1.2.3", Some(80), true),
            ("10.1.2.3", Some(81), false),
            ("10.1.2.3", Some(8080), false),
            ("10.1.2.3", Some(8081), true),
            ("10.1.2.3", None, true),
            ("10.9.2.3", Some(80), false),
            ("::ffff:10.9.2.3", Some(80), false),
            ("11.1.2.3", Some(80), false),
            ("fd00::1", Some(8000), true),
            ("::1", Some(80), false),
        ] {
            assert_eq!(policy.allows(ip.parse().unwrap(), port), want, "{ip} {port:?}");
        }
        assert!(Policy::default().allows("::1".parse().unwrap(), Some(1)));
        let deny = Policy { deny_ports: vec![(25, 25)], ..Policy::default() };
        assert!(deny.allows("::1".parse().unwrap(), None) && !deny.allows("::1".parse().unwrap(), Some(25)));
    }
}
