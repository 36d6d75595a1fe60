//! From the host of a target to the one address that is probed.
//!
//! * One address, one attempt: the first of the preferred family, else, with `ip_protocol_fallback`, the first of the
//!   other one. (The Go exporter takes the last of the other one.)
//! * Literals go through the same choice; an IPv4 address in the form of an IPv6 one counts as IPv4.
//! * `probe_ip_protocol`, `probe_ip_addr_hash` and `probe_dns_lookup_time_seconds` are on the page from the moment a name is
//!   looked up, whatever came of it.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::time::Instant;

use common::exposition::{Desc, Page};
use common::upstream::dial::{self, Families};

use crate::config::IpSelection;
use crate::reason::{Failure, Phase, Reason};
use crate::run::{Run, within};

const PROTOCOL: Desc<'static> =
    Desc::gauge("probe_ip_protocol", "IP version of the address that was probed, 4 or 6; 0 without one.", &[]);
const HASH: Desc<'static> = Desc::gauge(
    "probe_ip_addr_hash",
    "FNV-1a hash of the address that was probed, to see it change; 0 without one.",
    &[],
);
const LOOKUP: Desc<'static> =
    Desc::gauge("probe_dns_lookup_time_seconds", "Time it took to resolve the host of the target.", &[]);

/// The families that every probe of a host has.
pub const FAMILIES: &[Desc<'static>] = &[PROTOCOL, HASH, LOOKUP];

/// An address, and the interface it is on where that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address; IPv4 ones in their own form.
    pub ip: IpAddr,
    /// Number of the interface, for a link-local one with a zone; else 0.
    pub scope: u32,
}

impl Address {
    /// With a port.
    pub fn with_port(self, port: u16) -> SocketAddr {
        match self.ip {
            IpAddr::V6(ip) => SocketAddrV6::new(ip, port, 0, self.scope).into(),
            ip => SocketAddr::new(ip, port),
        }
    }

    /// FNV-1a, 32 bits, over the bytes of the address.
    pub fn hash(self) -> u32 {
        let fnv = |bytes: &[u8]| {
            bytes.iter().fold(0x811c_9dc5_u32, |hash, b| (hash ^ u32::from(*b)).wrapping_mul(0x0100_0193))
        };
        match self.ip {
            IpAddr::V4(ip) => fnv(&ip.octets()),
            IpAddr::V6(ip) => fnv(&ip.octets()),
        }
    }
}

/// Looks up the host of a target within the run's deadline and puts the three series on its page. The second value is the
/// time it took in seconds, for the prober's own phase; it is there as well when nothing was found.
pub async fn resolve(run: &mut Run, host: &str, ip: &IpSelection) -> (Result<Address, Failure>, f64) {
    run.progress.enter(Phase::Resolve);
    let started = Instant::now();
    let found = match literal(host) {
        // Nothing to wait for, with or without time.
        Some(_) => address(host, ip).await,
        None => within(run.deadline, std::sync::Arc::clone(&run.progress), address(host, ip)).await,
    };
    let took = started.elapsed().as_secs_f64();
    write(&mut run.page, found.as_ref().ok().copied(), took);
    if let Ok(address) = &found {
        run.log.debug("Resolved target", &[("ip", &address.ip)]);
    }
    (found, took)
}

fn write(page: &mut Page, address: Option<Address>, took: f64) {
    let protocol = address.map_or(0, |address| if address.ip.is_ipv4() { 4 } else { 6 });
    page.sample::<&str>(&PROTOCOL, &[], f64::from(protocol));
    page.sample::<&str>(&LOOKUP, &[], took);
    page.sample::<&str>(&HASH, &[], address.map_or(0.0, |address| f64::from(address.hash())));
}

/// The address of a host that is probed, for a target or any place it leads to.
///
/// # Errors
/// There is none of that family, or the name is not known.
pub async fn address(host: &str, ip: &IpSelection) -> Result<Address, Failure> {
    let unresolved = |what: String| Failure::new(Phase::Resolve, Reason::Resolve, what);
    if host.is_empty() {
        return Err(unresolved("expected a host, found nothing".to_owned()));
    }
    let found = match literal(host) {
        Some(address) => vec![address],
        None => {
            let families = match (ip.fallback, ip.prefers_ip4()) {
                (true, _) => Families::Both,
                (false, true) => Families::Ip4,
                (false, false) => Families::Ip6,
            };
            let found = dial::resolve_families(host, families).await.map_err(unresolved)?;
            found.into_iter().map(|ip| Address { ip: ip.to_canonical(), scope: 0 }).collect()
        }
    };
    choose(&found, ip).ok_or_else(|| {
        let family = if ip.prefers_ip4() { "IPv4" } else { "IPv6" };
        unresolved(format!("{host} has no {family} address"))
    })
}

fn choose(found: &[Address], ip: &IpSelection) -> Option<Address> {
    let preferred = found.iter().find(|address| address.ip.is_ipv4() == ip.prefers_ip4());
    preferred.or_else(|| found.first().filter(|_| ip.fallback)).copied()
}

/// An IP address as it is written, an IPv6 one perhaps with a zone.
pub fn literal(host: &str) -> Option<Address> {
    let (text, zone) = host.split_once('%').unwrap_or((host, ""));
    let ip: IpAddr = text.parse().ok()?;
    let scope = match (ip, zone) {
        (_, "") if host.len() == text.len() => 0,
        (IpAddr::V6(_), zone) => zone.parse().ok().or_else(|| interface(zone))?,
        _ => return None,
    };
    Some(Address { ip: ip.to_canonical(), scope })
}

/// The number of an interface, from its own file (`/sys/class/net/<name>/ifindex`).
fn interface(name: &str) -> Option<u32> {
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return None;
    }
    std::fs::read_to_string(format!("/sys/class/net/{name}/ifindex")).ok()?.trim().parse().ok()
}

/// The address to probe from, if the module names one (`source_ip_address`).
///
/// # Errors
/// It is none, or not of the family of the target.
pub fn source(text: &str, target: Address) -> Result<Option<IpAddr>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = |what: &str| Failure::module(format!("source_ip_address {text:?}: {what}"));
    let source = text.parse::<IpAddr>().map_err(|_| wrong("expected an IP address"))?.to_canonical();
    if source.is_ipv4() != target.ip.is_ipv4() {
        return Err(wrong("expected an address of the target's family"));
    }
    Ok(Some(source))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Address {
        literal(text).unwrap()
    }

    #[test]
    fn hashes() {
        for (ip, hash) in [
            ("127.0.0.1", 3_668_918_509),
            ("127.0.0.2", 3_618_585_652),
            ("192.0.2.1", 1_969_986_452),
            ("::1", 1_751_717_746),
            ("2001:db8::1", 1_851_458_804),
            ("::ffff:127.0.0.1", 3_668_918_509),
        ] {
            assert_eq!(at(ip).hash(), hash, "{ip}");
        }
    }

    #[test]
    fn the_first_of_the_family_that_is_wanted() {
        let both = [at("::1"), at("::2"), at("127.0.0.2"), at("127.0.0.3")];
        let ip = |preferred: &str, fallback| IpSelection { preferred: preferred.to_owned(), fallback };
        for (found, ip, want) in [
            (&both[..], ip("", true), Some("::1")),
            (&both[..], ip("ip4", true), Some("127.0.0.2")),
            (&both[..], ip("ip5", false), Some("127.0.0.2")),
            (&both[2..], ip("ip6", true), Some("127.0.0.2")),
            (&both[2..], ip("ip6", false), None),
            (&both[..2], ip("ip4", true), Some("::1")),
            (&both[..2], ip("ip4", false), None),
        ] {
            assert_eq!(choose(found, &ip), want.map(at), "{ip:?}");
        }
    }

    #[test]
    fn literals() {
        assert_eq!(at("fe80::1%7").scope, 7);
        assert_eq!(at("::ffff:127.0.0.1").ip, at("127.0.0.1").ip);
        assert_eq!(at("fe80::1%lo").scope, 1);
        for not_one in ["127.1", "2130706433", "0x7f.1", "127.0.0.1.", "127.0.0.1%lo", "::1%", "::1%nope", "[::1]"] {
            assert_eq!(literal(not_one), None, "{not_one}");
        }
    }

    #[test]
    fn sources() {
        for (text, target, want) in [
            ("", "127.0.0.1", Ok(None)),
            ("127.0.0.9", "127.0.0.1", Ok(Some("127.0.0.9"))),
            ("::ffff:127.0.0.9", "127.0.0.1", Ok(Some("127.0.0.9"))),
            ("::1", "::2", Ok(Some("::1"))),
            ("::1", "127.0.0.1", Err(())),
            ("127.0.0.1", "::1", Err(())),
            ("localhost", "127.0.0.1", Err(())),
        ] {
            let target = literal(target).unwrap();
            let want = want.map(|want| want.map(|ip| ip.parse::<IpAddr>().unwrap()));
            assert_eq!(source(text, target).map_err(drop), want, "{text}");
        }
    }
}
