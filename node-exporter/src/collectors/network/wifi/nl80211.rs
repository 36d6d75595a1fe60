//! Questions to nl80211 and what the answers say. Attributes of unknown type are skipped; one that is too short counts
//! as absent.

use std::io;

use super::{About, Interface, Mode, Network, Station, readable};
use crate::kernel::genl::{GENL_HEADER, find_family};
use crate::kernel::netlink::{Netlink, attributes, push_attribute, text, u16_at, u32_at, u64_at};
use crate::kernel::rtnl::HardwareAddress;

pub(super) const GET_INTERFACE: u8 = 5;
pub(super) const GET_STATION: u8 = 17;
pub(super) const GET_SCAN: u8 = 32;

const ATTR_IFINDEX: u16 = 3;
const ATTR_IFNAME: u16 = 4;
const ATTR_MAC: u16 = 6;
const ATTR_STA_INFO: u16 = 21;
const ATTR_WIPHY_FREQ: u16 = 38;
const ATTR_BSS: u16 = 47;

/// Whoever answers: the kernel, or a test.
pub(super) trait Ask: Send {
    /// Asks for all there is, of the interface with that number or of all, and hands over the attributes of each
    /// answer. Gives whether the set changed meanwhile.
    fn dump(&mut self, command: u8, index: Option<u32>, each: &mut dyn FnMut(&[u8])) -> io::Result<bool>;
}

/// The kernel.
pub(super) struct Kernel {
    netlink: Netlink,
    family: Option<u16>,
    request: Vec<u8>,
}

impl Default for Kernel {
    fn default() -> Self {
        Self { netlink: Netlink::generic(), family: None, request: Vec::new() }
    }
}

impl Ask for Kernel {
    fn dump(&mut self, command: u8, index: Option<u32>, each: &mut dyn FnMut(&[u8])) -> io::Result<bool> {
        let kept = self.family.is_some();
        match self.try_dump(command, index, each) {
            // The module may have been loaded anew, with another number.
            Err(e) if kept && e.raw_os_error() == Some(libc::ENOENT) => {
                self.family = None;
                self.try_dump(command, index, each)
            }
            told => told,
        }
    }
}

impl Kernel {
    fn try_dump(&mut self, command: u8, index: Option<u32>, each: &mut dyn FnMut(&[u8])) -> io::Result<bool> {
        let family = match self.family {
            Some(family) => family,
            None => *self.family.insert(find_family(&mut self.netlink, b"nl80211\0")?),
        };
        self.request.clear();
        self.request.extend_from_slice(&[command, 1, 0, 0]);
        if let Some(index) = index {
            push_attribute(&mut self.request, ATTR_IFINDEX, &index.to_ne_bytes());
        }
        self.netlink.try_dump(family, &self.request, |message| {
            if message.kind == family {
                each(message.body.get(GENL_HEADER..).unwrap_or_default());
            }
        })
    }
}

/// All wireless interfaces that have a name.
pub(super) fn interfaces(ask: &mut dyn Ask, all: &mut Vec<Interface>) -> io::Result<()> {
    gather(ask, GET_INTERFACE, None, all, interface)
}

/// The networks that an interface belongs to.
pub(super) fn networks(ask: &mut dyn Ask, index: u32, all: &mut Vec<Network>) -> io::Result<()> {
    gather(ask, GET_SCAN, Some(index), all, network)
}

/// The stations that an interface talks to.
pub(super) fn stations(ask: &mut dyn Ask, index: u32, all: &mut Vec<Station>) -> io::Result<()> {
    gather(ask, GET_STATION, Some(index), all, station)
}

/// Asks anew when the set changed meanwhile, but not for ever: where stations come and go all the time, the last answer
/// has to do. What was told before a failure stays.
fn gather<T>(
    ask: &mut dyn Ask,
    command: u8,
    index: Option<u32>,
    all: &mut Vec<T>,
    parse: fn(&[u8]) -> Option<T>,
) -> io::Result<()> {
    for _ in 0..3 {
        all.clear();
        if !ask.dump(command, index, &mut |body| all.extend(parse(body)))? {
            break;
        }
    }
    Ok(())
}

/// Reads a message about an interface; one without a name or number, as a P2P device, is none.
pub(super) fn interface(body: &[u8]) -> Option<Interface> {
    let mut interface = Interface::default();
    for (kind, payload) in attributes(body) {
        match kind {
            ATTR_IFINDEX => interface.index = u32_at(payload, 0)?,
            ATTR_IFNAME => {
                interface.name = [0; 16];
                // The last byte stays a NUL.
                interface.name.iter_mut().zip(text(payload)).take(15).for_each(|(to, from)| *to = *from);
            }
            ATTR_WIPHY_FREQ => interface.megahertz = u32_at(payload, 0).unwrap_or(0),
            _ => {}
        }
    }
    (interface.index != 0 && !text(&interface.name).is_empty()).then_some(interface)
}

/// Reads a result of a scan, if it is about a network that the interface belongs to.
pub(super) fn network(body: &[u8]) -> Option<Network> {
    const BSSID: u16 = 1;
    const INFORMATION_ELEMENTS: u16 = 6;
    const STATUS: u16 = 9;
    let (_, bss) = attributes(body).find(|(kind, _)| *kind == ATTR_BSS)?;
    let (mut bssid, mut elements, mut status) = (HardwareAddress::default(), &[][..], None);
    for (kind, payload) in attributes(bss) {
        match kind {
            BSSID => bssid = HardwareAddress::new(payload),
            INFORMATION_ELEMENTS => elements = payload,
            STATUS => status = u32_at(payload, 0),
            _ => {}
        }
    }
    // Most results have no status, and their texts are not looked at.
    let mode = match status? {
        // Authenticated, associated.
        0 | 1 => Mode::Client,
        2 => Mode::AdHoc,
        _ => Mode::Unknown,
    };
    Some(Network { mode, bssid, ssid: readable(ssid(elements)) })
}

/// The name among the information elements of a network: each is a type, a length and so many bytes. What is cut short
/// ends them.
fn ssid(mut elements: &[u8]) -> &[u8] {
    const SSID: u8 = 0;
    while let [kind, length, rest @ ..] = elements {
        let Some((payload, rest)) = rest.split_at_checked(usize::from(*length)) else { break };
        if *kind == SSID {
            return payload;
        }
        elements = rest;
    }
    &[]
}

/// Reads a message about a station.
pub(super) fn station(body: &[u8]) -> Option<Station> {
    let mut station = Station::default();
    let (mut addressed, mut told) = (false, None);
    for (kind, payload) in attributes(body) {
        match kind {
            ATTR_MAC => {
                station.address = HardwareAddress::new(payload);
                addressed = !payload.is_empty();
            }
            ATTR_STA_INFO => told = Some(payload),
            _ => {}
        }
    }
    station.read(told?);
    addressed.then_some(station)
}

impl Station {
    /// Reads what is known about a station; the numbers are those of `enum nl80211_sta_info`.
    fn read(&mut self, told: &[u8]) {
        let (mut received, mut sent) = (Bytes::default(), Bytes::default());
        for (kind, payload) in attributes(told) {
            let number = u32_at(payload, 0).map(f64::from);
            match kind {
                1 => self.set(About::Inactive, number.map(|milliseconds| milliseconds / 1e3)),
                2 => received.narrow = u32_at(payload, 0),
                3 => sent.narrow = u32_at(payload, 0),
                7 => self.set(About::Signal, payload.first().map(|dbm| f64::from(dbm.cast_signed()))),
                8 => self.set(About::TransmitRate, rate(payload)),
                9 => self.set(About::ReceivedPackets, number),
                10 => self.set(About::TransmittedPackets, number),
                11 => self.set(About::Retries, number),
                12 => self.set(About::Failed, number),
                14 => self.set(About::ReceiveRate, rate(payload)),
                16 => self.set(About::Connected, number),
                18 => self.set(About::BeaconLoss, number),
                23 => received.wide = u64_at(payload, 0),
                24 => sent.wide = u64_at(payload, 0),
                _ => {}
            }
        }
        self.set(About::ReceivedBytes, received.value());
        self.set(About::TransmittedBytes, sent.value());
    }
}

/// A counter that the kernel tells twice, with 32 bits for old programs.
#[derive(Default)]
struct Bytes {
    narrow: Option<u32>,
    wide: Option<u64>,
}

impl Bytes {
    fn value(&self) -> Option<f64> {
        self.wide.or(self.narrow.map(u64::from)).map(|n| n as f64)
    }
}

/// Bits per second. The kernel tells it twice, too; 16 bits end at 6.5 Gbit/s.
fn rate(told: &[u8]) -> Option<f64> {
    const RATE: u16 = 1;
    const RATE_32: u16 = 5;
    let (mut narrow, mut wide) = (None, None);
    for (kind, payload) in attributes(told) {
        match kind {
            RATE => narrow = u16_at(payload, 0),
            RATE_32 => wide = u32_at(payload, 0),
            _ => {}
        }
    }
    wide.or(narrow.map(u32::from)).map(|n| f64::from(n) * 1e5)
}
