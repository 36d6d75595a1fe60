//! Links, neighbours and addresses as route netlink describes them: bytes in, values out.
//!
//! The layouts are those of kernel include/uapi/linux/{rtnetlink,if_link,if_addr,neighbour}.h. Attributes of unknown
//! type are skipped; one that is too short counts as absent.

use common::fuzzing::{Parser, eat};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::netlink::{attributes, text, u16_at, u32_at, u64_at};

/// Size of the fixed part of a link message, and of a request for links.
pub(crate) const LINK_HEADER: usize = 16;
/// Size of the fixed part of a neighbour message.
pub(crate) const NEIGHBOUR_HEADER: usize = 12;
/// Size of the fixed part of an address message.
pub(crate) const ADDRESS_HEADER: usize = 8;

/// What the fields of [`Stats`] are, in their order.
pub(crate) const STATS_FIELDS: usize = 24;

/// The first 24 counters of `struct rtnl_link_stats64`, in its order.
pub(crate) type Stats = [u64; STATS_FIELDS];

/// What a link is up to. The name is a byte string: the kernel allows all but white space, `/` and `:`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Link {
    /// Number of the interface.
    pub(crate) index: u32,
    /// Its name.
    pub(crate) name: Vec<u8>,
    /// ARPHRD type.
    pub(crate) hardware: u16,
    /// IFF flags as `dev_get_flags` gives them: what the user set and what the link is.
    pub(crate) flags: u32,
    /// Hardware address.
    pub(crate) address: HardwareAddress,
    /// Hardware broadcast address.
    pub(crate) broadcast: HardwareAddress,
    /// Text the administrator gave it; empty for none.
    pub(crate) alias: Vec<u8>,
    /// Kind of virtual device such as `veth`; empty for none.
    pub(crate) kind: Vec<u8>,
    /// Further names.
    pub(crate) alternative_names: Vec<Vec<u8>>,
    /// Largest packet.
    pub(crate) mtu: Option<u32>,
    /// Interface this one sits on, when that is not itself.
    pub(crate) lower: Option<u32>,
    /// Length of the transmit queue.
    pub(crate) queue_length: Option<u32>,
    /// RFC 2863 state.
    pub(crate) operational_state: Option<u8>,
    /// Policy of the state.
    pub(crate) mode: Option<u8>,
    /// Group number.
    pub(crate) group: Option<u32>,
    /// How many want to receive everything.
    pub(crate) promiscuous: Option<u32>,
    /// How many want to receive all multicast; Linux 6.0.
    pub(crate) all_multicast: Option<u32>,
    /// Whether there is a carrier.
    pub(crate) carrier: Option<u8>,
    /// How often the carrier came or went.
    pub(crate) carrier_changes: Option<u32>,
    /// How often it came; Linux 4.16.
    pub(crate) carrier_ups: Option<u32>,
    /// How often it went; Linux 4.16.
    pub(crate) carrier_downs: Option<u32>,
    /// Traffic counters.
    pub(crate) stats: Option<Stats>,
}

/// A hardware address of up to 32 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HardwareAddress {
    bytes: [u8; 32],
    length: u8,
}

impl HardwareAddress {
    /// From bytes, of which the first 32 count.
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let mut address = Self::default();
        for (to, from) in address.bytes.iter_mut().zip(bytes) {
            *to = *from;
        }
        address.length = bytes.len().min(32) as u8;
        address
    }

    /// Writes it as sysfs does: lower case, colons between; nothing for an empty one.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        out.clear();
        for (at, byte) in self.bytes.iter().take(usize::from(self.length)).enumerate() {
            if at > 0 {
                out.push(b':');
            }
            out.extend([byte >> 4, byte & 15].into_iter().filter_map(|digit| HEX.get(usize::from(digit))));
        }
    }
}

/// A request for all links: counters of the links themselves, but neither virtual functions nor IPv6 statistics.
pub(crate) fn links_request(filter: Option<u32>) -> Vec<u8> {
    let mut request = vec![0; LINK_HEADER];
    if let Some(filter) = filter {
        super::netlink::push_attribute(&mut request, IFLA_EXT_MASK, &filter.to_ne_bytes());
    }
    request
}

/// Leaves out the statistics of the address families (not those of the link), which are a third of a link's message
/// and have to be summed up over all CPUs; Linux 4.4. Older kernels ignore it.
pub(crate) const SKIP_FAMILY_STATS: u32 = 1 << 3;

const IFLA_ADDRESS: u16 = 1;
const IFLA_BROADCAST: u16 = 2;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_STATS: u16 = 7;
const IFLA_TXQLEN: u16 = 13;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_LINKMODE: u16 = 17;
const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_STATS64: u16 = 23;
const IFLA_GROUP: u16 = 27;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_PROMISCUITY: u16 = 30;
const IFLA_CARRIER: u16 = 33;
const IFLA_CARRIER_CHANGES: u16 = 35;
const IFLA_CARRIER_UP_COUNT: u16 = 47;
const IFLA_CARRIER_DOWN_COUNT: u16 = 48;
const IFLA_PROP_LIST: u16 = 52;
const IFLA_ALT_IFNAME: u16 = 53;
const IFLA_ALLMULTI: u16 = 61;

const IFLA_INFO_KIND: u16 = 1;

impl Link {
    /// Reads a link message over this one, whose buffers are used again. Gives whether index or name are new.
    ///
    /// `None` when the message is no link: too short, or without a name.
    pub(crate) fn parse(&mut self, body: &[u8]) -> Option<bool> {
        let mut link = Self {
            hardware: u16_at(body, 2)?,
            index: u32_at(body, 4)?,
            flags: u32_at(body, 8)?,
            name: std::mem::take(&mut self.name),
            alias: std::mem::take(&mut self.alias),
            kind: std::mem::take(&mut self.kind),
            ..Self::default()
        };
        link.alias.clear();
        link.kind.clear();
        let (mut named, mut new) = (false, link.index != self.index);
        let (mut wide, mut narrow) = (None, None);
        for (kind, payload) in attributes(body.get(LINK_HEADER..)?) {
            let number = || u32_at(payload, 0);
            let byte = || payload.first().copied();
            match kind {
                IFLA_IFNAME => {
                    let name = text(payload);
                    named = !name.is_empty();
                    if link.name != name {
                        link.name.clear();
                        link.name.extend_from_slice(name);
                        new = true;
                    }
                }
                IFLA_ADDRESS => link.address = HardwareAddress::new(payload),
                IFLA_BROADCAST => link.broadcast = HardwareAddress::new(payload),
                IFLA_IFALIAS => link.alias.extend_from_slice(text(payload)),
                IFLA_LINKINFO => {
                    let kind = attributes(payload).find(|(kind, _)| *kind == IFLA_INFO_KIND);
                    link.kind.extend_from_slice(kind.map_or(&[], |(_, payload)| text(payload)));
                }
                IFLA_PROP_LIST => link.alternative_names.extend(
                    attributes(payload)
                        .filter(|(kind, _)| *kind == IFLA_ALT_IFNAME)
                        .map(|(_, payload)| text(payload).to_vec()),
                ),
                IFLA_MTU => link.mtu = number(),
                IFLA_LINK => link.lower = number(),
                IFLA_TXQLEN => link.queue_length = number(),
                IFLA_GROUP => link.group = number(),
                IFLA_PROMISCUITY => link.promiscuous = number(),
                IFLA_ALLMULTI => link.all_multicast = number(),
                IFLA_CARRIER_CHANGES => link.carrier_changes = number(),
                IFLA_CARRIER_UP_COUNT => link.carrier_ups = number(),
                IFLA_CARRIER_DOWN_COUNT => link.carrier_downs = number(),
                IFLA_OPERSTATE => link.operational_state = byte(),
                IFLA_LINKMODE => link.mode = byte(),
                IFLA_CARRIER => link.carrier = byte(),
                IFLA_STATS64 => wide = stats(|at| u64_at(payload, at * 8)),
                IFLA_STATS => narrow = stats(|at| u32_at(payload, at * 4).map(u64::from)),
                _ => {}
            }
        }
        link.stats = wide.or(narrow);
        *self = link;
        named.then_some(new)
    }
}

/// The counters, of which the last came with Linux 4.6 and is zero before.
fn stats(number: impl Fn(usize) -> Option<u64>) -> Option<Stats> {
    let mut stats = [0; STATS_FIELDS];
    for (at, field) in stats.iter_mut().enumerate() {
        match number(at) {
            Some(n) => *field = n,
            None if at + 1 == STATS_FIELDS => {}
            None => return None,
        }
    }
    Some(stats)
}

/// An entry of the neighbour table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Neighbour {
    /// The interface it is reached through.
    pub(crate) index: u32,
    /// NUD state bits.
    pub(crate) state: u16,
}

/// Reads a neighbour message.
pub(crate) fn parse_neighbour(body: &[u8]) -> Option<Neighbour> {
    body.get(..NEIGHBOUR_HEADER)?;
    Some(Neighbour { index: u32_at(body, 4)?, state: u16_at(body, 8)? })
}

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// The interface.
    pub(crate) index: u32,
    /// The address; on a point-to-point link that of this end.
    pub(crate) ip: IpAddr,
    /// Length of the network's prefix.
    pub(crate) prefix: u8,
}

/// Reads an address message; `None` for families other than IPv4 and IPv6.
pub(crate) fn parse_address(body: &[u8]) -> Option<Address> {
    const IFA_ADDRESS: u16 = 1;
    const IFA_LOCAL: u16 = 2;
    let (family, prefix) = (i32::from(*body.first()?), *body.get(1)?);
    let (mut address, mut local) = (None, None);
    for (kind, payload) in attributes(body.get(ADDRESS_HEADER..)?) {
        let ip = || match family {
            libc::AF_INET => Some(IpAddr::from(Ipv4Addr::from(*payload.first_chunk::<4>()?))),
            libc::AF_INET6 => Some(IpAddr::from(Ipv6Addr::from(*payload.first_chunk::<16>()?))),
            _ => None,
        };
        match kind {
            IFA_ADDRESS => address = ip(),
            IFA_LOCAL => local = ip(),
            _ => {}
        }
    }
    Some(Address { index: u32_at(body, 4)?, ip: local.or(address)?, prefix })
}

/// For the fuzzer.
pub(crate) const PARSER: Parser =
    Parser::new("rtnl", |bytes| {
        let mut link = Link::default();
        // Over the same buffers twice, as it is used.
        eat((link.parse(bytes), link.parse(bytes), parse_neighbour(bytes), parse_address(bytes)));
    }, b"\0\0\x01\0\x02\0\0\0\x43\x10\x01\0\0\0\0\0\x09\0\x03\0eth0\0\0\0\0\x0a\0\x01\0\x02\0\0\0\0\x01\0\0\x08\0\x04\0\xdc\x05\0\0\x0c\0\x34\x80\x08\0\x35\0alt\0\x10\0\x12\0\x09\0\x01\0vlan\0\0\0\0");

#[cfg(test)]
mod tests {
    use super::super::netlink::push_attribute;
    use super::*;

    fn veth() -> Vec<u8> {
        let mut body = vec![0, 0, 1, 0];
        body.extend_from_slice(&3_u32.to_ne_bytes());
        body.extend_from_slice(&0x11043_u32.to_ne_bytes());
        body.extend_from_slice(&[0; 4]);
        push_attribute(&mut body, IFLA_IFNAME, b"veth0\0");
        push_attribute(&mut body, IFLA_ADDRESS, &[0x02, 0, 0, 0xab, 0, 1]);
        push_attribute(&mut body, IFLA_MTU, &1400_u32.to_ne_bytes());
        push_attribute(&mut body, IFLA_OPERSTATE, &[6]);
        push_attribute(&mut body, 999, b"whatever");
        let mut info = Vec::new();
        push_attribute(&mut info, IFLA_INFO_KIND, b"veth\0");
        push_attribute(&mut body, IFLA_LINKINFO | 0x8000, &info);
        let mut names = Vec::new();
        push_attribute(&mut names, IFLA_ALT_IFNAME, b"second\0");
        push_attribute(&mut body, IFLA_PROP_LIST, &names);
        push_attribute(&mut body, IFLA_STATS, &[0; 96]);
        let counters: Vec<u8> = (1..26_u64).flat_map(u64::to_ne_bytes).collect();
        push_attribute(&mut body, IFLA_STATS64, &counters);
        body
    }

    #[test]
    fn a_link() {
        let mut link = Link::default();
        assert_eq!(link.parse(&veth()), Some(true));
        assert_eq!(link.parse(&veth()), Some(false));
        let want = Link {
            index: 3,
            name: b"veth0".to_vec(),
            hardware: 1,
            flags: 0x11043,
            address: HardwareAddress::new(&[0x02, 0, 0, 0xab, 0, 1]),
            kind: b"veth".to_vec(),
            alternative_names: vec![b"second".to_vec()],
            mtu: Some(1400),
            operational_state: Some(6),
            stats: Some(std::array::from_fn(|at| at as u64 + 1)),
            ..Link::default()
        };
        assert_eq!(link, want);
        let mut text = Vec::new();
        link.address.write(&mut text);
        assert_eq!(text, b"02:00:00:ab:00:01");
        link.broadcast.write(&mut text);
        assert_eq!(text, b"");
    }

    #[test]
    fn cut_short_and_garbage() {
        let whole = veth();
        for end in 0..whole.len() {
            // Whatever was left out is absent; without a name it is no link.
            let mut link = Link::default();
            let parsed = link.parse(&whole[..end]);
            assert_eq!(parsed.is_some(), end >= 16 + 10, "{end}");
            assert!(link.stats.is_none_or(|stats| stats == [0; STATS_FIELDS]), "{end}: the narrow ones at most");
        }
        assert_eq!(Link::default().parse(&[0xff; 300]), None);
        for end in 0..NEIGHBOUR_HEADER {
            assert_eq!(parse_neighbour(&[0; NEIGHBOUR_HEADER][..end]), None);
        }
        assert_eq!(parse_address(&[0xff; 64]), None);
    }

    #[test]
    fn counters_of_old_kernels() {
        let mut body = vec![0; 16];
        push_attribute(&mut body, IFLA_IFNAME, b"a\0");
        push_attribute(&mut body, IFLA_STATS, &7_u32.to_ne_bytes().repeat(23));
        let mut link = Link::default();
        link.parse(&body);
        let stats = link.stats.unwrap();
        assert_eq!((stats[0], stats[22], stats[23]), (7, 7, 0));
    }

    #[test]
    fn neighbours_and_addresses() {
        let mut body = vec![2, 0, 0, 0, 4, 0, 0, 0, 0x40, 0, 0, 0];
        assert_eq!(parse_neighbour(&body), Some(Neighbour { index: 4, state: 0x40 }));
        body = vec![2, 24, 0, 0, 5, 0, 0, 0];
        push_attribute(&mut body, 1, &[10, 0, 0, 1]);
        assert_eq!(parse_address(&body).unwrap().ip.to_string(), "10.0.0.1");
        push_attribute(&mut body, 2, &[10, 0, 0, 2]);
        let address = parse_address(&body).unwrap();
        assert_eq!((address.index, address.ip.to_string(), address.prefix), (5, "10.0.0.2".to_owned(), 24));
        let mut body = vec![10, 64, 0, 0, 5, 0, 0, 0];
        push_attribute(&mut body, 1, &[0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(parse_address(&body).unwrap().ip.to_string(), "fe80::1");
    }
}
