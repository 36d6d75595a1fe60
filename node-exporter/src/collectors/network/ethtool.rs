//! Link modes, driver and the driver's own statistics of each network interface, from the SIOCETHTOOL ioctl.
//!
//! * Source: kernel include/uapi/linux/ethtool.h; the statistics are those of `ethtool -S`.
//! * Units: speeds are in megabits per second and exported in bytes per second; statistics are as the driver counts, and
//!   untyped, because nothing tells which of them only grow.
//! * Absent when: a driver does not answer such a question, as that of the loopback interface.
//! * Differs from the Go exporter: an interface that cannot be asked for another reason than that counts as a failure;
//!   the help of a statistic names its family and not one of the drivers' names for it, of which there may be several.

use std::collections::HashMap;
use std::io;

use common::collector::{Collector, Row, Scrape};
use common::error::{CollectError, is_denied};
use common::exposition::{Desc, Page};
use common::filter::Filter;
use common::flags::Flag;
use common::fuzzing::Parser;

use crate::fs::{Devices, EntryKind, is_silence, sys_path};
use crate::kernel::ethtool_ioctl::{Ethtool, NAME_BYTES, Settings};
use crate::kernel::netlink::text;

mod modes;
mod names;

use modes::{ASYMMETRIC_PAUSE, AUTONEGOTIATION, PAUSE, PORTS, SPEEDS};

const INCLUDE: &str = "collector.ethtool.device-include";
const EXCLUDE: &str = "collector.ethtool.device-exclude";
const STATISTICS: &str = "collector.ethtool.metrics-include";

const FLAGS: &[Flag] = &[
    Flag::text(INCLUDE, "", "Interfaces to keep, a regular expression."),
    Flag::text(EXCLUDE, "", "Interfaces to leave out, a regular expression."),
    Flag::text(STATISTICS, ".*", "Statistics to keep, a regular expression for the driver's names."),
];

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::off("ethtool", "link modes, drivers and their statistics, ethtool ioctl", FLAGS, |args| {
        Ok(Box::new(Interfaces {
            interfaces: Devices::new(sys_path(args, "class/net")),
            devices: Filter::from_args(args, INCLUDE, EXCLUDE)?,
            statistics: Filter::from_args(args, STATISTICS, "")?,
            ethtool: None,
        }))
    });

const PORT: Desc = Desc::gauge(
    "node_network_supported_port_info",
    "Always 1; the labels tell the connectors that the interface can have.",
    &["device", "type"],
);
const SUPPORTED_SPEED: Desc = Desc::gauge(
    "node_network_supported_speed_bytes",
    "Bytes per second in each mode that the interface can do.",
    &["device", "duplex", "mode"],
);
const ADVERTISED_SPEED: Desc = Desc::gauge(
    "node_network_advertised_speed_bytes",
    "Bytes per second in each mode that the interface offers its peer.",
    &["device", "duplex", "mode"],
);

/// Bits with families of their own: whether the interface can do it, and whether it offers that.
const ABILITIES: [(u32, Desc, Desc); 3] = [
    (
        AUTONEGOTIATION,
        gauge("node_network_autonegotiate_supported", "Whether the interface can negotiate."),
        gauge("node_network_autonegotiate_advertised", "Whether the interface offers to negotiate."),
    ),
    (
        PAUSE,
        gauge("node_network_pause_supported", "Whether the interface can send and heed pause frames."),
        gauge("node_network_pause_advertised", "Whether the interface offers to send and heed pause frames."),
    ),
    (
        ASYMMETRIC_PAUSE,
        gauge("node_network_asymmetricpause_supported", "Whether the interface can do pause frames one way."),
        gauge("node_network_asymmetricpause_advertised", "Whether the interface offers pause frames one way."),
    ),
];
const AUTONEGOTIATE: Desc = gauge("node_network_autonegotiate", "Whether the interface negotiates.");
const INFO: Desc = Desc::gauge(
    "node_ethtool_info",
    "Always 1; the labels tell driver and device of the interface.",
    &["bus_info", "device", "driver", "expansion_rom_version", "firmware_version", "version"],
);

const fn gauge(name: &'static str, help: &'static str) -> Desc<'static> {
    Desc::gauge(name, help, &["device"])
}

struct Interfaces {
    interfaces: Devices<Statistics>,
    devices: Filter,
    statistics: Filter,
    ethtool: Option<Ethtool>,
}

impl Collector for Interfaces {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let devices = &mut self.devices;
        let wanted = |name: &[u8], kind| kind != EntryKind::File && devices.keeps(name);
        if let Err(e) = self.interfaces.refresh(wanted, |_, _| Statistics::default()) {
            if is_denied(&e) {
                return Err(CollectError::no_data("the interfaces may not be listed"));
            }
            return Err(CollectError::io(self.interfaces.path(), e).absent_is_no_data("there are no interfaces"));
        }
        let ethtool = match self.ethtool.take() {
            Some(ethtool) => ethtool,
            None => Ethtool::new().map_err(|e| CollectError::call("socket to ask for interfaces", &e))?,
        };
        let ethtool = self.ethtool.insert(ethtool);
        for (name, statistics) in self.interfaces.known_mut() {
            let told = ethtool.settings(name).map(|settings| write_settings(name, settings, page));
            note(told, "link modes", name, cx);
            let told = ethtool.driver(name).map(|it| {
                page.sample(&INFO, &[it.bus, name, it.name, it.rom, it.firmware, it.version], 1.0);
            });
            note(told, "driver", name, cx);
            let told = ethtool.statistics(name, &mut statistics.fresh, &mut statistics.numbers);
            let told = told.map(|()| statistics.write(name, &self.statistics, page));
            note(told, "statistics", name, cx);
        }
        Ok(())
    }
}

/// What a driver does not have is no fault.
fn note(told: io::Result<()>, what: &str, name: &[u8], cx: &mut Scrape) {
    if let Err(e) = told
        && !is_silence(&e)
    {
        cx.fault(CollectError::call(format!("{}, {what}", name.escape_ascii()), &e));
    }
}

fn write_settings(name: &[u8], settings: Settings, page: &mut Page) {
    let has = |mask: u32, bit: u32| mask >> bit & 1 == 1;
    let value = |mask, bit| f64::from(u8::from(has(mask, bit)));
    for (_, port) in PORTS.iter().filter(|(bit, _)| has(settings.supported, *bit)) {
        page.sample(&PORT, &[name, port.as_bytes()], 1.0);
    }
    for (desc, mask) in [(&SUPPORTED_SPEED, settings.supported), (&ADVERTISED_SPEED, settings.advertised)] {
        const BYTES_PER_MEGABIT: f64 = 125_000.0;
        for speed in SPEEDS.iter().filter(|speed| has(mask, speed.bit)) {
            let labels = [name, speed.duplex.as_bytes(), speed.mode.as_bytes()];
            page.sample(desc, &labels, f64::from(speed.megabits) * BYTES_PER_MEGABIT);
        }
    }
    for (bit, supported, advertised) in &ABILITIES {
        page.sample(supported, &[name], value(settings.supported, *bit));
        page.sample(advertised, &[name], value(settings.advertised, *bit));
    }
    page.sample(&AUTONEGOTIATE, &[name], settings.autonegotiation.into());
}

/// What an interface counts.
#[derive(Default)]
struct Statistics {
    /// The driver's names as they are now, and as they were when the families were made.
    fresh: Vec<u8>,
    names: Vec<u8>,
    numbers: Vec<u64>,
    /// One for each name; `None` for what is not exported.
    families: Vec<Option<Family>>,
}

/// Name and help of a family, built once.
struct Family {
    name: String,
    help: String,
}

impl Statistics {
    fn write(&mut self, device: &[u8], wanted: &Filter, page: &mut Page) {
        if self.fresh != self.names {
            self.names.clone_from(&self.fresh);
            self.families = families(&self.names, wanted);
        }
        for (family, n) in self.families.iter().zip(&self.numbers) {
            if let Some(Family { name, help }) = family {
                page.sample(&Desc::untyped(name, help, &["device"]), &[device], *n as f64);
            }
        }
    }
}

/// A family for each name; none for those that share one with another, since nobody knows which of them is meant.
fn families(names: &[u8], wanted: &Filter) -> Vec<Option<Family>> {
    let family = |name: &[u8]| {
        let sanitized = names::sanitize(text(name));
        let kept = !sanitized.is_empty() && wanted.judges(sanitized.as_bytes());
        // A family of that name is about the driver.
        Some(names::family(&sanitized)).filter(|family| kept && family != "info")
    };
    let all: Vec<Option<String>> = names.chunks(NAME_BYTES).map(family).collect();
    let mut uses: HashMap<&str, u32> = HashMap::new();
    all.iter().flatten().for_each(|family| *uses.entry(family).or_default() += 1);
    let single = |family: &Option<String>| {
        let family = family.as_ref().filter(|family| uses.get(family.as_str()) == Some(&1))?;
        Some(Family { name: format!("node_ethtool_{family}"), help: format!("Statistic {family} of the driver.") })
    };
    all.iter().map(single).collect()
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser = names::PARSER;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::{Rig, samples_of, text_of};

    fn padded(names: &[&str]) -> Vec<u8> {
        let pad = |name: &&str| {
            let mut bytes = name.as_bytes().to_vec();
            bytes.resize(NAME_BYTES, 0);
            bytes
        };
        names.iter().flat_map(pad).collect()
    }

    #[test]
    fn statistics() {
        let wanted = Filter::new("", "^secret").unwrap();
        let fresh = padded(&["rx_bytes", "tx queue", "tx-queue", "secret_1", "info", "", "Alpha[0]"]);
        let mut it = Statistics { fresh, numbers: vec![u64::MAX, 2, 3, 4, 5, 6, 7], ..Statistics::default() };
        let mut page = Page::default();
        it.write(b"eth0", &wanted, &mut page);
        it.fresh = padded(&["beta"]);
        it.numbers.truncate(1);
        it.write(b"eth1", &wanted, &mut page);
        page.finish();
        let want = "node_ethtool_alpha_0_{device=\"eth0\"} 7\nnode_ethtool_beta{device=\"eth1\"} 1.8446744073709552e+19\n\
                    node_ethtool_received_bytes_total{device=\"eth0\"} 1.8446744073709552e+19\n";
        assert_eq!(samples_of(&text_of(&page)), want);
        assert!(families(&[b'x'; 33], &wanted).len() == 2, "cut short");
    }

    #[test]
    fn settings() {
        let mut page = Page::default();
        let supported = 1 << 7 | 1 << 6 | 1 << 5 | 1 << 4 | 1 << 13;
        write_settings(b"eth0", Settings { supported, advertised: 1 << 5, autonegotiation: 1 }, &mut page);
        page.finish();
        let want = r#"node_network_advertised_speed_bytes{device="eth0",duplex="full",mode="1000baseT"} 1.25e+08
node_network_asymmetricpause_advertised{device="eth0"} 0
node_network_asymmetricpause_supported{device="eth0"} 0
node_network_autonegotiate{device="eth0"} 1
node_network_autonegotiate_advertised{device="eth0"} 0
node_network_autonegotiate_supported{device="eth0"} 1
node_network_pause_advertised{device="eth0"} 0
node_network_pause_supported{device="eth0"} 1
node_network_supported_port_info{device="eth0",type="TP"} 1
node_network_supported_speed_bytes{device="eth0",duplex="full",mode="1000baseT"} 1.25e+08
node_network_supported_speed_bytes{device="eth0",duplex="half",mode="1000baseT"} 1.25e+08
"#;
        assert_eq!(samples_of(&text_of(&page)), want);
    }

    #[test]
    fn interfaces_that_are_not_there() {
        let mut rig = Rig::new(&ROW, &[], &[(EXCLUDE, "^no")]);
        assert_eq!(rig.samples(), "! no data: there are no interfaces\n");
        rig.plant(&[
            ("sys/class/net/gone0/", ""),
            ("sys/class/net/not-here/", ""),
            ("sys/class/net/bonding_masters", ""),
        ]);
        assert_eq!(rig.samples(), "", "the kernel knows none of that name");
    }
}
