//! Sockets that can ping. A datagram socket needs no privilege where the group of this process is in
//! `net.ipv4.ping_group_range`; a raw one needs `CAP_NET_RAW`, and is needed for DF.

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::echo::Kernel;
use super::os;
use crate::reason::{Failure, Phase, Reason};

/// TTL of packets with DF when the module leaves it to the system, as with the Go exporter.
const TTL: u8 = 64;

/// Which ping this process can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ability {
    /// Over IPv4 without privilege.
    pub datagram_v4: bool,
    /// Over IPv6 without privilege.
    pub datagram_v6: bool,
    /// Over raw sockets.
    pub raw: bool,
}

impl Ability {
    /// One sentence for the log.
    pub fn sentence(self) -> &'static str {
        match (self.datagram_v4 || self.datagram_v6, self.raw) {
            (true, true) => "ICMP probes use datagram sockets, and raw ones where dont_fragment is set",
            (true, false) => "ICMP probes use datagram sockets; dont_fragment needs CAP_NET_RAW, which is missing",
            (false, true) => "ICMP probes use raw sockets",
            (false, false) => {
                "ICMP probes fail: they need a group in net.ipv4.ping_group_range or CAP_NET_RAW, and there is neither"
            }
        }
    }
}

/// Which ping this process can do: tries each kind of socket.
pub fn ability() -> Ability {
    let can = |domain, kind, protocol| Socket::new(domain, kind, Some(protocol)).is_ok();
    Ability {
        datagram_v4: can(Domain::IPV4, Type::DGRAM, Protocol::ICMPV4),
        datagram_v6: can(Domain::IPV6, Type::DGRAM, Protocol::ICMPV6),
        raw: can(Domain::IPV4, Type::RAW, Protocol::ICMPV4),
    }
}

/// What a module wants of a socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// Where packets go.
    pub(super) to: SocketAddr,
    /// Own address.
    pub(super) source: Option<IpAddr>,
    /// DF; IPv6 routers never fragment.
    pub(super) dont_fragment: bool,
    /// TTL or hop limit, 0 for that of the system.
    pub(super) ttl: u8,
}

/// A socket for one probe.
#[derive(Debug)]
pub(super) struct Pinger {
    /// To the runtime, one socket for datagrams is like another.
    socket: UdpSocket,
    to: SockAddr,
    ip: IpAddr,
    /// What the kernel does for it.
    pub(super) kernel: Kernel,
}

impl Pinger {
    /// Opens it.
    ///
    /// # Errors
    /// This process may not, or the own address is none of this machine.
    pub(super) fn open(wanted: &Wanted) -> Result<Self, Failure> {
        let ip = wanted.to.ip();
        let (domain, protocol) =
            if ip.is_ipv4() { (Domain::IPV4, Protocol::ICMPV4) } else { (Domain::IPV6, Protocol::ICMPV6) };
        let open = |kind: Type| Socket::new(domain, kind.nonblocking(), Some(protocol));
        let dont_fragment = wanted.dont_fragment && ip.is_ipv4();
        let datagram = if dont_fragment { None } else { open(Type::DGRAM).ok() };
        let numbers = datagram.is_some();
        let socket = match datagram {
            Some(socket) => socket,
            None => open(Type::RAW).map_err(|e| refused(dont_fragment, &e))?,
        };
        let kernel = Kernel { numbers, raw_ip4: ip.is_ipv4() && !numbers };
        let prepared = prepare(&socket, wanted, kernel).and_then(|()| UdpSocket::from_std(socket.into()));
        let failed = |e| Failure::new(Phase::Setup, Reason::Unreachable, format!("socket to ping {ip}: {e}"));
        Ok(Self { socket: prepared.map_err(failed)?, to: wanted.to.into(), ip, kernel })
    }

    /// Sends one packet.
    ///
    /// # Errors
    /// The network says no.
    pub(super) async fn send(&self, message: &[u8]) -> Result<(), Failure> {
        let send = || SockRef::from(&self.socket).send_to(message, &self.to);
        let sent = self.socket.async_io(Interest::WRITABLE, send).await;
        sent.map(|_| ()).map_err(|e: io::Error| {
            let reason = match e.kind() {
                io::ErrorKind::PermissionDenied => Reason::Permission,
                _ => Reason::Unreachable,
            };
            Failure::new(Phase::Request, reason, format!("packet of {} bytes to {}: {e}", message.len(), self.ip))
        })
    }

    /// Waits for a packet from where packets go: its length in `buffer`, and its TTL if it came beside the packet.
    ///
    /// # Errors
    /// The socket is broken.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> Result<(usize, Option<u8>), Failure> {
        let broken = |e| Failure::new(Phase::Request, Reason::Unreachable, format!("replies of {}: {e}", self.ip));
        loop {
            let receive = || os::receive(&SockRef::from(&self.socket), buffer, &self.to);
            match self.socket.async_io(Interest::READABLE, receive).await {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(broken(e)),
                Ok(packet) => {
                    let from = packet.from.as_socket().map(|from| from.ip());
                    if from == Some(self.ip) {
                        return Ok((packet.length, packet.ttl));
                    }
                }
            }
        }
    }
}

fn prepare(socket: &Socket, wanted: &Wanted, kernel: Kernel) -> io::Result<()> {
    if wanted.to.is_ipv4() {
        if wanted.dont_fragment {
            os::dont_fragment(socket)?;
            socket.set_ttl_v4(u32::from(if wanted.ttl == 0 { TTL } else { wanted.ttl }))?;
        } else if wanted.ttl > 0 {
            socket.set_ttl_v4(u32::from(wanted.ttl))?;
        }
        if !kernel.raw_ip4 {
            os::ask_for_ttl(socket)?;
        }
    } else {
        if wanted.ttl > 0 {
            socket.set_unicast_hops_v6(u32::from(wanted.ttl))?;
        }
        socket.set_recv_hoplimit_v6(true)?;
    }
    match wanted.source {
        Some(source) => socket.bind(&SocketAddr::new(source, 0).into()),
        None => Ok(()),
    }
}

fn refused(dont_fragment: bool, e: &io::Error) -> Failure {
    let reason = match e.kind() {
        io::ErrorKind::PermissionDenied => Reason::Permission,
        _ => Reason::Unreachable,
    };
    let needs = match (reason, dont_fragment) {
        (Reason::Permission, true) => "dont_fragment needs CAP_NET_RAW",
        (Reason::Permission, false) => "it needs a group in net.ipv4.ping_group_range, or CAP_NET_RAW",
        _ => "no socket of either kind",
    };
    Failure::new(Phase::Setup, reason, format!("socket to ping with: {needs}: {e}"))
}
