//! Wireless interfaces, the network each belongs to, and the stations it talks to, from generic netlink (nl80211).
//!
//! * Source: kernel include/uapi/linux/nl80211.h; three questions, the last two for each interface: interfaces, the
//!   results of the last scan (nothing is sent by air for it), stations.
//! * Units: hertz, seconds, bits per second, bytes, packets, dBm. The kernel rounds bit rates to 100 kbit/s and the time
//!   without activity to milliseconds.
//! * Absent when: there is no nl80211 or it may not be asked: no data. What a driver does not tell about a station has
//!   no sample; an interface that belongs to no network has no `node_wifi_station_info`.
//! * Differs from the Go exporter: a signal or counter that a driver does not tell is 0 there; there, an interface that
//!   cannot be asked, or went away meanwhile, costs all those after it; an ad-hoc network is `ad-hoc`, which newer
//!   versions of it show as `unknown`. Byte counters are not negative above 2^63.

use std::io;
use std::path::PathBuf;

use common::collector::{Collector, Row, Scrape};
use common::error::{CollectError, is_absent, is_denied};
use common::exposition::{Desc, Page};
use common::flags::Flag;
use common::fuzzing::{Parser, eat};

use crate::fs::tree_if_given;
use crate::kernel::netlink::text;
use crate::kernel::rtnl::HardwareAddress;

mod nl80211;
mod recorded;

use nl80211::{Ask, Kernel};

const FIXTURES: &str = "collector.wifi.fixtures";

const FLAGS: &[Flag] = &[Flag::text(
    FIXTURES,
    "",
    "Directory with interfaces.json, and bss.json and stationinfo.json in a folder per interface, to show in place of \
     the kernel's answers, for tests.",
)];

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row {
    needs: |args| tree_if_given(args, FIXTURES),
    ..Row::off("wifi", "wireless interfaces and stations, netlink", FLAGS, |args| {
        let source = match args.text(FIXTURES) {
            "" => Source::Kernel(Box::new(Kernel::default())),
            folder => Source::Files(PathBuf::from(folder)),
        };
        Ok(Box::new(Wifi::new(source)))
    })
};

const FREQUENCY: Desc = Desc::gauge(
    "node_wifi_interface_frequency_hertz",
    "Frequency of the interface's channel, in hertz; 0 when it has none.",
    &["device"],
);
const INFO: Desc = Desc::gauge(
    "node_wifi_station_info",
    "Always 1; the labels tell the network that the interface belongs to.",
    &["bssid", "device", "mode", "ssid"],
);

const fn counter(name: &'static str, help: &'static str) -> Desc<'static> {
    Desc::counter(name, help, STATION)
}

const fn gauge(name: &'static str, help: &'static str) -> Desc<'static> {
    Desc::gauge(name, help, STATION)
}

const STATION: &[&str] = &["device", "mac_address"];

/// What there is about a station; places in [`Station::values`].
#[derive(Clone, Copy)]
enum About {
    Connected,
    Inactive,
    ReceiveRate,
    TransmitRate,
    ReceivedBytes,
    TransmittedBytes,
    Signal,
    Retries,
    Failed,
    BeaconLoss,
    TransmittedPackets,
    ReceivedPackets,
}

/// The families about stations, in the order of [`About`].
const FAMILIES: [Desc; 12] = [
    counter("node_wifi_station_connected_seconds_total", "Seconds since the station connected."),
    gauge("node_wifi_station_inactive_seconds", "Seconds since anything was heard of the station or sent to it."),
    gauge("node_wifi_station_receive_bits_per_second", "Rate of the last data received from the station."),
    gauge("node_wifi_station_transmit_bits_per_second", "Rate of the last data sent to the station."),
    counter("node_wifi_station_receive_bytes_total", "Bytes received from the station."),
    counter("node_wifi_station_transmit_bytes_total", "Bytes sent to the station."),
    gauge("node_wifi_station_signal_dbm", "Strength of the last signal received from the station, in dBm."),
    counter("node_wifi_station_transmit_retries_total", "Times that something had to be sent again to the station."),
    counter("node_wifi_station_transmit_failed_total", "Packets that did not reach the station."),
    counter("node_wifi_station_beacon_loss_total", "Times that the beacons of the station stayed away."),
    counter("node_wifi_station_transmitted_packets_total", "Packets sent to the station."),
    counter("node_wifi_station_received_packets_total", "Packets received from the station."),
];

/// A wireless interface.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Interface {
    index: u32,
    /// Up to 15 bytes and a NUL.
    name: [u8; 16],
    megahertz: u32,
}

/// The network that an interface belongs to.
#[derive(Clone, Debug, Default, PartialEq)]
struct Network {
    bssid: HardwareAddress,
    /// What is no UTF-8 is replaced byte by byte, as in the Go exporter.
    ssid: String,
    mode: Mode,
}

/// How an interface belongs to its network.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Mode {
    #[default]
    Client,
    AdHoc,
    Unknown,
}

impl Mode {
    const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::AdHoc => "ad-hoc",
            Self::Unknown => "unknown",
        }
    }
}

/// A station that an interface talks to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Station {
    address: HardwareAddress,
    values: [Option<f64>; FAMILIES.len()],
}

impl Station {
    fn set(&mut self, about: About, value: Option<f64>) {
        if let Some(place) = self.values.get_mut(about as usize) {
            *place = value;
        }
    }
}

/// Replaces each byte that is not part of UTF-8.
fn readable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}

struct Wifi {
    source: Source,
    /// Buffers.
    interfaces: Vec<Interface>,
    networks: Vec<Network>,
    stations: Vec<Station>,
    address: Vec<u8>,
}

enum Source {
    Kernel(Box<dyn Ask>),
    Files(PathBuf),
}

impl Wifi {
    fn new(source: Source) -> Self {
        Self { source, interfaces: Vec::new(), networks: Vec::new(), stations: Vec::new(), address: Vec::new() }
    }
}

impl Collector for Wifi {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        match &mut self.source {
            Source::Kernel(kernel) => {
                let kernel = kernel.as_mut();
                nl80211::interfaces(kernel, &mut self.interfaces).map_err(|e| match e {
                    e if is_absent(&e) => CollectError::no_data("there is no nl80211"),
                    e if is_denied(&e) => CollectError::no_data("nl80211 may not be asked"),
                    e => CollectError::call("wireless interfaces", &e),
                })?;
                for interface in &self.interfaces {
                    let name = text(&interface.name);
                    page.sample(&FREQUENCY, &[name], f64::from(interface.megahertz) * 1e6);
                    let told = nl80211::networks(kernel, interface.index, &mut self.networks);
                    note(told, "network", name, cx)?;
                    // Of the links of a multi-link connection, the first stands for it.
                    if let Some(network) = self.networks.first() {
                        write_network(network, name, &mut self.address, page);
                    }
                    let told = nl80211::stations(kernel, interface.index, &mut self.stations);
                    note(told, "stations", name, cx)?;
                    write_stations(&self.stations, name, &mut self.address, page);
                }
            }
            Source::Files(folder) => {
                for (name, hertz) in recorded::interfaces(folder)? {
                    page.sample(&FREQUENCY, &[name.as_bytes()], hertz);
                    if let Some(network) = cx.ok(recorded::network(folder, &name)).flatten() {
                        write_network(&network, name.as_bytes(), &mut self.address, page);
                    }
                    let stations = cx.ok(recorded::stations(folder, &name)).unwrap_or_default();
                    write_stations(&stations, name.as_bytes(), &mut self.address, page);
                }
            }
        }
        Ok(())
    }
}

/// What an interface does not have is no fault, nor is one that went away meanwhile. A kernel that does not answer is
/// asked no more.
fn note(told: io::Result<()>, what: &str, name: &[u8], cx: &mut Scrape) -> Result<(), CollectError> {
    let Err(e) = told else { return Ok(()) };
    let error = || CollectError::call(format!("{}, {what}", name.escape_ascii()), &e);
    if e.kind() == io::ErrorKind::TimedOut {
        return Err(error());
    }
    if !is_absent(&e) {
        cx.fault(error());
    }
    Ok(())
}

fn write_network(network: &Network, device: &[u8], address: &mut Vec<u8>, page: &mut Page) {
    network.bssid.write(address);
    page.sample(&INFO, &[address, device, network.mode.name().as_bytes(), network.ssid.as_bytes()], 1.0);
}

fn write_stations(stations: &[Station], device: &[u8], address: &mut Vec<u8>, page: &mut Page) {
    for station in stations {
        station.address.write(address);
        for (desc, value) in FAMILIES.iter().zip(station.values) {
            if let Some(value) = value {
                page.sample(desc, &[device, address], value);
            }
        }
    }
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser = Parser::new(
    "nl80211",
    |bytes| {
        eat((nl80211::interface(bytes), nl80211::network(bytes), nl80211::station(bytes)));
        eat((
            recorded::parse_interfaces(bytes).map(|all| all.len()),
            recorded::parse_network(bytes).map(|network| network.ssid.len()),
            recorded::parse_stations(bytes).map(|all| all.len()),
        ));
    },
    b"\x0a\0\x06\0\x02\0\0\0\0\x01\0\0\x34\0\x15\x80\x08\0\x01\0\x90\x01\0\0\x05\0\x07\0\xcc\0\0\0\x0c\0\x17\0\0\0\0\0\x01\0\0\0\x14\0\x08\x80\x06\0\x01\0\x9a\x06\0\0\x08\0\x05\0\x9a\x06\0\0\x24\0\x2f\x80\x0a\0\x01\0\x02\0\0\0\0\x02\0\0\x08\0\x06\0\0\x02\x61\x62\x08\0\x09\0\x01\0\0\0",
);

#[cfg(test)]
mod tests;
