//! Answers from files in the form that the Go exporter's tests have them. JSON is YAML; the names of members may be in
//! any case; numbers that are not there are 0, times are in nanoseconds, addresses in base64.

use std::path::Path;

use common::error::{BadField, CollectError};
use common::yaml::{self, Node, Value};

use super::{About, Mode, Network, Station, readable};
use crate::fs::read_file;
use crate::kernel::rtnl::HardwareAddress;

/// Names of the interfaces that have one, with their frequencies in hertz.
pub(super) fn interfaces(folder: &Path) -> Result<Vec<(String, f64)>, CollectError> {
    let path = folder.join("interfaces.json");
    parse_interfaces(&read_file(&path)?).map_err(|bad| bad.in_file(&path))
}

/// The network of an interface, if one was recorded.
pub(super) fn network(folder: &Path, interface: &str) -> Result<Option<Network>, CollectError> {
    optional(&folder.join(interface).join("bss.json"), parse_network)
}

/// The stations of an interface, none if none were recorded.
pub(super) fn stations(folder: &Path, interface: &str) -> Result<Vec<Station>, CollectError> {
    Ok(optional(&folder.join(interface).join("stationinfo.json"), parse_stations)?.unwrap_or_default())
}

fn optional<T>(path: &Path, parse: fn(&[u8]) -> Result<T, BadField>) -> Result<Option<T>, CollectError> {
    match read_file(path).map_err(|e| e.absent_is_no_data("not recorded")) {
        Ok(text) => parse(&text).map(Some).map_err(|bad| bad.in_file(path)),
        Err(e) if e.is_no_data() => Ok(None),
        Err(e) => Err(e),
    }
}

/// Reads interfaces.json.
pub(super) fn parse_interfaces(text: &[u8]) -> Result<Vec<(String, f64)>, BadField> {
    let mut all = Vec::new();
    for node in list(text)? {
        let (mut name, mut megahertz) = (String::new(), 0.0);
        for (key, line, value) in members(node)? {
            match key.as_str() {
                "name" => name = scalar(value, line)?,
                "frequency" => megahertz = number(value, line)? as f64,
                _ => {}
            }
        }
        if !name.is_empty() {
            all.push((name, megahertz * 1e6));
        }
    }
    Ok(all)
}

/// Reads bss.json.
pub(super) fn parse_network(text: &[u8]) -> Result<Network, BadField> {
    let mut network = Network::default();
    for (key, line, value) in members(root(text)?)? {
        match key.as_str() {
            "ssid" => network.ssid = scalar(value, line)?,
            "bssid" => network.bssid = address(value, line)?,
            "status" => network.mode = mode(number(value, line)?),
            _ => {}
        }
    }
    Ok(network)
}

/// The numbers of the Go exporter's recordings, of which 2 is "not associated", are not those of the kernel.
const fn mode(status: i64) -> Mode {
    match status {
        0 | 1 => Mode::Client,
        3 => Mode::AdHoc,
        _ => Mode::Unknown,
    }
}

/// Reads stationinfo.json.
pub(super) fn parse_stations(text: &[u8]) -> Result<Vec<Station>, BadField> {
    list(text)?.into_iter().filter(|node| !matches!(node.value, Value::Null)).map(station).collect()
}

fn station(node: Node) -> Result<Station, BadField> {
    let mut station = Station::default();
    station.values.fill(Some(0.0));
    for (key, line, value) in members(node)? {
        let about = match key.as_str() {
            "hardwareaddr" => {
                station.address = address(value, line)?;
                continue;
            }
            "connected" => About::Connected,
            "inactive" => About::Inactive,
            "receivebitrate" => About::ReceiveRate,
            "transmitbitrate" => About::TransmitRate,
            "receivedbytes" => About::ReceivedBytes,
            "transmittedbytes" => About::TransmittedBytes,
            "signal" => About::Signal,
            "transmitretries" => About::Retries,
            "transmitfailed" => About::Failed,
            "beaconloss" => About::BeaconLoss,
            "transmittedpackets" => About::TransmittedPackets,
            "receivedpackets" => About::ReceivedPackets,
            _ => continue,
        };
        let number = number(value, line)?;
        let value = match about {
            About::Connected | About::Inactive => seconds(number),
            _ => number as f64,
        };
        station.set(about, Some(value));
    }
    Ok(station)
}

/// Whole seconds and the rest apart, so that neither loses digits.
fn seconds(nanoseconds: i64) -> f64 {
    const SECOND: i64 = 1_000_000_000;
    (nanoseconds / SECOND) as f64 + (nanoseconds % SECOND) as f64 / 1e9
}

fn bad(line: u64, field: &'static str, expected: &'static str) -> BadField {
    BadField::new(u32::try_from(line).unwrap_or(0), field, expected, b"")
}

fn root(text: &[u8]) -> Result<Node, BadField> {
    // Nothing at all is YAML, but no JSON.
    if text.trim_ascii().is_empty() {
        return Err(bad(1, "text", "JSON"));
    }
    yaml::parse(&readable(text)).map_err(|e| bad(e.line, "text", "JSON"))
}

fn list(text: &[u8]) -> Result<Vec<Node>, BadField> {
    root(text)?.into_list("").map_err(|e| bad(e.line, "text", "a list"))
}

/// Members of an object that have a value, their names in lower case.
fn members(node: Node) -> Result<impl Iterator<Item = (String, u64, Node)>, BadField> {
    let all = match node.value {
        Value::Null => Vec::new(),
        _ => node.into_map("").map_err(|e| bad(e.line, "text", "an object"))?,
    };
    let kept = all.into_iter().filter(|(_, _, value)| !matches!(value.value, Value::Null));
    Ok(kept.map(|(key, line, value)| (key.to_ascii_lowercase(), line, value)))
}

fn scalar(node: Node, line: u64) -> Result<String, BadField> {
    match node.value {
        Value::Scalar(text, true) => Ok(text),
        _ => Err(bad(line, "member", "a text")),
    }
}

fn number(node: Node, line: u64) -> Result<i64, BadField> {
    match node.value {
        Value::Scalar(text, false) => text.parse().map_err(|_| bad(line, "member", "a whole number")),
        _ => Err(bad(line, "member", "a whole number")),
    }
}

fn address(node: Node, line: u64) -> Result<HardwareAddress, BadField> {
    let text = scalar(node, line)?;
    let bytes = decode(text.as_bytes()).ok_or_else(|| bad(line, "address", "base64"))?;
    Ok(HardwareAddress::new(&bytes))
}

/// Base64 with padding. An address has four letters for each three bytes, so this is not worth a library here.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (quads, rest) = text.as_chunks::<4>();
    for (at, quad) in quads.iter().enumerate() {
        let padding = quad.iter().rev().take_while(|letter| **letter == b'=').count();
        if padding > 2 || (padding > 0 && at + 1 < quads.len()) {
            return None;
        }
        let mut bits = 0;
        for letter in quad.iter().take(4 - padding) {
            bits = bits << 6 | sextet(*letter)?;
        }
        bits <<= 6 * padding;
        bytes.extend(bits.to_be_bytes().into_iter().skip(1).take(3 - padding));
    }
    rest.is_empty().then_some(bytes)
}

fn sextet(letter: u8) -> Option<u32> {
    Some(match letter {
        b'A'..=b'Z' => u32::from(letter - b'A'),
        b'a'..=b'z' => u32::from(letter - b'a') + 26,
        b'0'..=b'9' => u32::from(letter - b'0') + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}
