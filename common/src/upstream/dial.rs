//! From a host name to a connected socket.
//!
//! * Names: IP literals, `/etc/hosts`, `localhost`, then DNS. A static glibc cannot load the modules behind
//!   getaddrinfo, so it is never called.
//! * Several addresses are tried one after the other, each with its share of the time that is left.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::dns;
use crate::hosts;

/// Which addresses are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Families {
    /// IPv4 alone.
    Ip4,
    /// IPv6 alone.
    Ip6,
    /// Any.
    Both,
}

impl Families {
    /// Whether an address is one of them; an IPv4 one in the form of an IPv6 one counts as IPv4.
    pub fn contain(self, ip: &IpAddr) -> bool {
        match self {
            Self::Ip4 => ip.to_canonical().is_ipv4(),
            Self::Ip6 => ip.to_canonical().is_ipv6(),
            Self::Both => true,
        }
    }
}

/// The addresses of a host, in the order in which they should be tried; never empty.
///
/// Fails with one sentence.
pub async fn resolve(host: &str) -> Result<Vec<IpAddr>, String> {
    resolve_families(host, Families::Both).await
}

/// As [`resolve`], for the families that are wanted; others are not asked for.
///
/// Fails with one sentence.
pub async fn resolve_families(host: &str, families: Families) -> Result<Vec<IpAddr>, String> {
    let known = match host.parse() {
        Ok(ip) => vec![ip],
        Err(_) => known(host),
    };
    if known.is_empty() {
        return dns::lookup(host, families).await;
    }
    let wanted: Vec<IpAddr> = known.into_iter().filter(|ip| families.contain(ip)).collect();
    if wanted.is_empty() {
        return Err(format!("no address for {host}: none of that family"));
    }
    Ok(wanted)
}

/// What is known without asking anybody.
fn known(host: &str) -> Vec<IpAddr> {
    // A name that ends with a dot is written without one there.
    let known = hosts::addresses(host.strip_suffix('.').unwrap_or(host));
    if !known.is_empty() {
        return known;
    }
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    match name == "localhost" || name.ends_with(".localhost") {
        true => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        false => Vec::new(),
    }
}

/// A connection to the first of `addresses` that takes one.
///
/// Fails with the error of the last one that was tried.
pub async fn connect(addresses: &[IpAddr], port: u16, deadline: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for (tried, ip) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let address = SocketAddr::new(*ip, port);
        match timeout_at(Instant::now() + left / share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // A request is one write; waiting to fill a packet only delays it.
                let _best_effort = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(e)) => last = io::Error::new(e.kind(), format!("{address}: {e}")),
            Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, format!("{address}: no answer")),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn literals_and_localhost_need_nobody() {
        assert_eq!(resolve("127.0.0.9").await, Ok(vec!["127.0.0.9".parse().unwrap()]));
        assert_eq!(resolve("::1").await, Ok(vec!["::1".parse().unwrap()]));
        assert!(resolve("LocalHost").await.unwrap().contains(&Ipv4Addr::LOCALHOST.into()));
        assert_eq!(resolve("a.localhost.").await.unwrap().len(), 2);
        assert_eq!(resolve_families("a.localhost", Families::Ip6).await, Ok(vec![Ipv6Addr::LOCALHOST.into()]));
        assert!(resolve_families("::ffff:127.0.0.1", Families::Ip6).await.is_err());
    }

    #[tokio::test]
    async fn the_next_address_is_tried() {
        // Bound to one address only, so that its neighbour refuses.
        let listener = tokio::net::TcpListener::bind("127.0.0.2:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let addresses = ["127.0.0.3".parse().unwrap(), "127.0.0.2".parse().unwrap()];
        let deadline = Instant::now() + Duration::from_secs(60);
        assert_eq!(connect(&addresses, port, deadline).await.unwrap().peer_addr().unwrap().ip(), addresses[1]);
        let refused = connect(&addresses[..1], port, deadline).await.unwrap_err();
        assert!(refused.to_string().starts_with("127.0.0.3:"), "{refused}");
    }
}
