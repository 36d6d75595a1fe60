//! Routes to networks and hosts, one series each, from route netlink.
//!
//! * Source: kernel include/uapi/linux/rtnetlink.h. IPv4 and IPv6, all tables; unicast routes alone.
//! * Units: routes; a route over several next hops counts once for each.
//! * Absent when: there is no route.
//! * Differs from the Go exporter: routes that differ in their table alone, which is no label, are one series without a
//!   complaint; the number of routes counts both, as there.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::sync::{Arc, Mutex};

use common::collector::{Collector, Row, Scrape};
use common::error::CollectError;
use common::exposition::{Desc, Page};
use common::fuzzing::{Parser, eat};

use crate::kernel::links::Source;
use crate::kernel::netlink::{Netlink, attributes, u16_at, u32_at};

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row::off("network_route", "routes, netlink", &[], |_| {
    Ok(Box::new(NetworkRoute {
        netlink: Netlink::route(),
        links: Source::shared(),
        hops: Vec::new(),
        table: Table::default(),
    }))
});

const LABELS: usize = 7;
const INFO: Desc = Desc::gauge(
    "node_network_route_info",
    "Always 1; the labels tell where the route leads, and who made it.",
    &["dest", "device", "gw", "priority", "proto", "src", "weight"],
);
const ROUTES: Desc = Desc::gauge("node_network_routes", "Routes over the interface.", &["device"]);

struct NetworkRoute {
    netlink: Netlink,
    links: Arc<Mutex<Source>>,
    hops: Vec<(Route, Hop)>,
    table: Table,
}

impl Collector for NetworkRoute {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        gather(&mut self.netlink, &mut self.hops)?;
        // A route over an interface that came since has no name for it, as one over none at all.
        let links = Source::of_scrape(&self.links, cx.deadline)?;
        let mut names: Vec<(u32, &[u8])> = links.iter().map(|link| (link.index, link.name.as_slice())).collect();
        names.sort_unstable();
        self.table.clear();
        for (route, hop) in &self.hops {
            let at = names.binary_search_by_key(&hop.index, |(index, _)| *index);
            let device = at.ok().and_then(|at| names.get(at)).map_or(&b""[..], |(_, name)| name);
            self.table.add(route, hop, device);
        }
        self.table.write(page);
        Ok(())
    }
}

/// Asks for the unicast routes of all tables.
fn gather(netlink: &mut Netlink, hops: &mut Vec<(Route, Hop)>) -> Result<(), CollectError> {
    for _ in 0..3 {
        hops.clear();
        let interrupted = netlink.dump(libc::RTM_GETROUTE, &[0; HEADER], |message| {
            if message.kind == libc::RTM_NEWROUTE {
                parse(message.body, |route, hop| hops.push((route, hop)));
            }
        })?;
        if !interrupted {
            break;
        }
    }
    Ok(())
}

/// What the next hops of a route have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Route {
    destination: Option<IpAddr>,
    prefix: u8,
    protocol: u8,
    priority: u32,
    source: Option<IpAddr>,
}

/// A next hop.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Hop {
    /// Number of the interface, 0 for none.
    index: u32,
    gateway: Option<IpAddr>,
    /// Among those of the route; `None` when it is the only one.
    weight: Option<u16>,
}

/// Size of `struct rtmsg`.
const HEADER: usize = 12;
const RTA_GATEWAY: u16 = 5;

/// Reads a route and hands over each of its next hops.
fn parse(body: &[u8], mut each: impl FnMut(Route, Hop)) -> Option<()> {
    const RTN_UNICAST: u8 = 1;
    const RTA_DST: u16 = 1;
    const RTA_OIF: u16 = 4;
    const RTA_PRIORITY: u16 = 6;
    const RTA_PREFSRC: u16 = 7;
    const RTA_MULTIPATH: u16 = 9;
    let payload = body.get(HEADER..)?;
    let family = i32::from(*body.first()?);
    if *body.get(7)? != RTN_UNICAST || !matches!(family, libc::AF_INET | libc::AF_INET6) {
        return None;
    }
    let mut route = Route { prefix: *body.get(1)?, protocol: *body.get(5)?, ..Route::default() };
    let (mut hop, mut several) = (Hop::default(), None);
    for (kind, payload) in attributes(payload) {
        match kind {
            RTA_DST => route.destination = ip(family, payload),
            RTA_PREFSRC => route.source = ip(family, payload),
            RTA_PRIORITY => route.priority = u32_at(payload, 0)?,
            RTA_OIF => hop.index = u32_at(payload, 0)?,
            RTA_GATEWAY => hop.gateway = ip(family, payload),
            RTA_MULTIPATH => several = Some(payload),
            _ => {}
        }
    }
    match several {
        None => each(route, hop),
        Some(payload) => next_hops(family, payload).for_each(|hop| each(route, hop)),
    }
    Some(())
}

/// The next hops of a route that has several: each a `struct rtnexthop` and its attributes.
fn next_hops(family: i32, mut bytes: &[u8]) -> impl Iterator<Item = Hop> {
    const HOP_HEADER: usize = 8;
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let gateway = attributes(bytes.get(HOP_HEADER..length)?).find(|(kind, _)| *kind == RTA_GATEWAY);
        let hop = Hop {
            index: u32_at(bytes, 4)?,
            gateway: gateway.and_then(|(_, payload)| ip(family, payload)),
            weight: Some(u16::from(*bytes.get(3)?) + 1),
        };
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(hop)
    })
}

fn ip(family: i32, payload: &[u8]) -> Option<IpAddr> {
    match family {
        libc::AF_INET => Some(IpAddr::from(Ipv4Addr::from(*payload.first_chunk::<4>()?))),
        _ => Some(IpAddr::from(Ipv6Addr::from(*payload.first_chunk::<16>()?))),
    }
}

/// The name of a routing protocol, RTPROT_* of the kernel.
fn protocol_name(number: u8) -> &'static str {
    match number {
        0 => "unspec",
        1 => "redirect",
        2 => "kernel",
        3 => "boot",
        4 => "static",
        8 => "gated",
        9 => "ra",
        10 => "mrt",
        11 => "zebra",
        12 => "bird",
        13 => "dnrouted",
        14 => "xorp",
        15 => "ntk",
        16 => "dhcp",
        17 => "mrouted",
        42 => "babel",
        186 => "bgp",
        187 => "isis",
        188 => "ospf",
        189 => "rip",
        192 => "eigrp",
        _ => "unknown",
    }
}

/// Series in the order of the page.
#[derive(Default)]
struct Table {
    /// Label values, each with a NUL behind it; no value has one in it.
    text: Vec<u8>,
    /// Where those of a series stand in `text`, and the device among them.
    series: Vec<(Range<usize>, Range<usize>)>,
}

impl Table {
    fn clear(&mut self) {
        self.text.clear();
        self.series.clear();
    }

    fn add(&mut self, route: &Route, hop: &Hop, device: &[u8]) {
        let text = &mut self.text;
        let start = text.len();
        // Writing to a vector does not fail.
        let _ = match route.destination {
            Some(ip) if route.prefix > 0 => write!(text, "{ip}/{}", route.prefix),
            None if route.prefix > 0 => write!(text, "/{}", route.prefix),
            _ => write!(text, "default"),
        };
        text.push(0);
        let device_start = text.len();
        text.extend_from_slice(device);
        let device = device_start..text.len();
        text.push(0);
        if let Some(ip) = hop.gateway {
            let _ = write!(text, "{ip}");
        }
        let _ = write!(text, "\0{}\0{}\0", route.priority, protocol_name(route.protocol));
        if let Some(ip) = route.source {
            let _ = write!(text, "{ip}");
        }
        text.push(0);
        if let Some(weight) = hop.weight {
            let _ = write!(text, "{weight}");
        }
        text.push(0);
        self.series.push((start..text.len(), device));
    }

    fn write(&mut self, page: &mut Page) {
        let Self { text, series } = self;
        let of = |range: &Range<usize>| text.get(range.clone()).unwrap_or_default();
        series.sort_unstable_by(|(_, a), (_, b)| of(a).cmp(of(b)));
        for routes in series.chunk_by(|(_, a), (_, b)| of(a) == of(b)) {
            if let Some((_, device)) = routes.first() {
                page.sample(&ROUTES, &[of(device)], routes.len() as f64);
            }
        }
        series.sort_unstable_by(|(a, _), (b, _)| of(a).cmp(of(b)));
        series.dedup_by(|(a, _), (b, _)| of(a) == of(b));
        for (range, _) in series.iter() {
            let mut values = [&b""[..]; LABELS];
            values.iter_mut().zip(of(range).split(|&b| b == 0)).for_each(|(slot, value)| *slot = value);
            page.sample(&INFO, &values, 1.0);
        }
    }
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser = Parser::new(
    "route",
    |bytes| {
        let mut table = Table::default();
        eat(parse(bytes, |route, hop| table.add(&route, &hop, b"eth0")));
        table.write(&mut Page::default());
    },
    b"\x02\x18\0\0\xfe\x03\0\x01\0\0\0\0\x08\0\x01\0\x0a\0\0\0\x08\0\x06\0\x64\0\0\0\x24\0\x09\0\x10\0\0\0\x02\0\0\0\x08\0\x05\0\x0a\0\0\x01\x10\0\0\x01\x03\0\0\0\x08\0\x05\0\x0a\0\0\x02",
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::netlink::push_attribute;
    use crate::rig::{Rig, samples_of, text_of};

    fn header(family: i32, prefix: u8, protocol: u8, kind: u8) -> Vec<u8> {
        vec![family as u8, prefix, 0, 0, 254, protocol, 0, kind, 0, 0, 0, 0]
    }

    fn plain() -> Vec<u8> {
        let mut body = header(libc::AF_INET, 0, 16, 1);
        push_attribute(&mut body, 15, &254_u32.to_ne_bytes());
        push_attribute(&mut body, 6, &1024_u32.to_ne_bytes());
        push_attribute(&mut body, 7, &[10, 0, 0, 5]);
        push_attribute(&mut body, 5, &[10, 0, 0, 1]);
        push_attribute(&mut body, 4, &2_u32.to_ne_bytes());
        body
    }

    fn several() -> Vec<u8> {
        let mut body = header(libc::AF_INET6, 48, 186, 1);
        push_attribute(&mut body, 1, &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let mut hops = Vec::new();
        for (index, weight) in [(2_u8, 0_u8), (3, 255)] {
            hops.extend_from_slice(&28_u16.to_ne_bytes());
            hops.extend_from_slice(&[0, weight]);
            hops.extend_from_slice(&u32::from(index).to_ne_bytes());
            let gateway = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, index];
            push_attribute(&mut hops, RTA_GATEWAY, &gateway);
        }
        push_attribute(&mut body, 9, &hops);
        body
    }

    fn read(body: &[u8]) -> Vec<(Route, Hop)> {
        let mut all = Vec::new();
        parse(body, |route, hop| all.push((route, hop)));
        all
    }

    #[test]
    fn routes() {
        let mut table = Table::default();
        let bodies = [plain(), several(), plain(), header(libc::AF_INET, 8, 77, 1), header(libc::AF_INET, 8, 2, 3)];
        for (route, hop) in bodies.iter().flat_map(|body| read(body)) {
            let device: &[u8] = if hop.index == 2 { b"eth\"0" } else { b"" };
            table.add(&route, &hop, device);
        }
        let mut page = Page::default();
        table.write(&mut page);
        page.finish();
        assert!(page.duplicates().is_empty());
        let want = r#"node_network_route_info{dest="/8",device="",gw="",priority="0",proto="unknown",src="",weight=""} 1
node_network_route_info{dest="2001:db8::/48",device="",gw="fe80::3",priority="0",proto="bgp",src="",weight="256"} 1
node_network_route_info{dest="2001:db8::/48",device="eth\"0",gw="fe80::2",priority="0",proto="bgp",src="",weight="1"} 1
node_network_route_info{dest="default",device="eth\"0",gw="10.0.0.1",priority="1024",proto="dhcp",src="10.0.0.5",weight=""} 1
node_network_routes{device=""} 2
node_network_routes{device="eth\"0"} 3
"#;
        assert_eq!(samples_of(&text_of(&page)), want);
    }

    #[test]
    fn cut_short_and_garbage() {
        for whole in [plain(), several()] {
            for end in 0..whole.len() {
                let hops = read(&whole[..end]);
                assert!(hops.len() <= 1, "{end}");
                assert_eq!(hops.is_empty(), end < HEADER, "{end}");
            }
        }
        assert_eq!(read(&[0xff; 64]), []);
        assert_eq!(next_hops(libc::AF_INET, &[0; 16]).count(), 0, "shorter than its own header");
        for other in [header(libc::AF_BRIDGE, 0, 0, 1), header(libc::AF_INET, 0, 0, 2)] {
            assert_eq!(read(&other), []);
        }
    }

    #[test]
    fn the_routes_of_this_machine() {
        let mut rig = Rig::new(&ROW, &[], &[]);
        let samples = rig.samples();
        assert!(samples.lines().all(|line| line.starts_with("node_network_route")), "{samples}");
        assert_eq!(rig.samples(), samples);
    }
}
