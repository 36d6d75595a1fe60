//! Properties of network interfaces as `/sys/class/net` shows them.
//!
//! * Source: kernel Documentation/ABI/testing/sysfs-class-net. Reading 25 files for each of a thousand interfaces takes
//!   most of a second and, again and again, the kernel's network lock; so where sysfs shows the network namespace this
//!   program is in, one netlink dump gives what it can, and only the rest is read from files, once if it never changes.
//! * Units: speed in bytes per second, file has megabits.
//! * Absent when: the interface is down (carrier, dormant, speed, duplex), has no such property, or hides it.
//! * Differs from the Go exporter: an interface that goes away meanwhile costs itself alone; a number that is none is
//!   left out, where that shows 0.

use common::collector::{Collector, Row, Scrape};
use common::error::{CollectError, ConfigError};
use common::exposition::{Desc, Page};
use common::filter::Filter;
use common::flags::{Args, Flag};

use crate::fs::{KeptDir, sys_path};
use crate::kernel::ethtool::{Ethtool, LinkMode};
use crate::kernel::links::Source;

mod devices;
mod netlink;
mod slot;
mod sysfs;

use devices::Devices;
use netlink::Wire;
use sysfs::Files;

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::on("netclass", "network interfaces, /sys/class/net", FLAGS, |args| Ok(Box::new(Netclass::new(args)?)));

const FLAGS: &[Flag] = &[
    Flag::text("collector.netclass.ignored-devices", "^$", "Interfaces to leave out, a regular expression."),
    Flag::switch("collector.netclass.ignore-invalid-speed", false, "Leave out the speed where the kernel has -1."),
    Flag::switch("collector.netclass.netlink", false, "Show what netlink says, which differs a little from sysfs."),
    Flag::switch("collector.netclass_rtnl.with-stats", false, "With netlink, show traffic as well, as gauges."),
];

/// A number and the attribute it stands in.
struct Number {
    attribute: &'static str,
    family: Desc<'static>,
}

const DEVICE: &[&str] = &["device"];

const fn gauge(attribute: &'static str, name: &'static str, help: &'static str) -> Number {
    Number { attribute, family: Desc::gauge(name, help, DEVICE) }
}

const fn counter(attribute: &'static str, name: &'static str, help: &'static str) -> Number {
    Number { attribute, family: Desc::counter(name, help, DEVICE) }
}

const ADDRESS_ASSIGN_TYPE: usize = 0;
const CARRIER: usize = 1;
const CARRIER_CHANGES: usize = 2;
const CARRIER_DOWN: usize = 3;
const CARRIER_UP: usize = 4;
const DEVICE_ID: usize = 5;
const DORMANT: usize = 6;
const FLAG_BITS: usize = 7;
const IFACE_ID: usize = 8;
const IFACE_LINK: usize = 9;
const IFACE_LINK_MODE: usize = 10;
const MTU: usize = 11;
const NAME_ASSIGN_TYPE: usize = 12;
const GROUP: usize = 13;
const PROTOCOL_TYPE: usize = 14;
const SPEED: usize = 15;
const QUEUE_LENGTH: usize = 16;

/// In the order of the positions above.
const NUMBERS: [Number; 17] = [
    gauge("addr_assign_type", "node_network_address_assign_type", "How the hardware address came about."),
    gauge("carrier", "node_network_carrier", "Whether there is a carrier."),
    counter("carrier_changes", "node_network_carrier_changes_total", "Times the carrier came or went."),
    counter("carrier_down_count", "node_network_carrier_down_changes_total", "Times the carrier went."),
    counter("carrier_up_count", "node_network_carrier_up_changes_total", "Times the carrier came."),
    gauge("dev_id", "node_network_device_id", "Number that tells interfaces of one device apart."),
    gauge("dormant", "node_network_dormant", "Whether the interface waits for something before it can be used."),
    gauge("flags", "node_network_flags", "IFF flag bits."),
    gauge("ifindex", "node_network_iface_id", "Number of the interface."),
    gauge("iflink", "node_network_iface_link", "Number of the interface this one sits on."),
    gauge("link_mode", "node_network_iface_link_mode", "Who decides about the operational state."),
    gauge("mtu", "node_network_mtu_bytes", "Largest packet."),
    gauge("name_assign_type", "node_network_name_assign_type", "How the name came about."),
    gauge("netdev_group", "node_network_net_dev_group", "Group the administrator put the interface in."),
    gauge("type", "node_network_protocol_type", "ARPHRD type of the hardware."),
    gauge("speed", "node_network_speed_bytes", "Speed of the link in bytes per second."),
    gauge("tx_queue_len", "node_network_transmit_queue_length", "Packets the transmit queue can hold."),
];

const UP: Desc = Desc::gauge("node_network_up", "Whether the operational state is up.", DEVICE);
const INFO_HELP: &str = "Properties of the interface that are text; always 1.";
const INFO: Desc = Desc::gauge(
    "node_network_info",
    INFO_HELP,
    &["address", "adminstate", "broadcast", "device", "duplex", "ifalias", "operstate"],
);
const INFO_NETLINK: Desc =
    Desc::gauge("node_network_info", INFO_HELP, &["address", "broadcast", "device", "duplex", "ifalias", "operstate"]);
const ALTNAMES: Desc =
    Desc::gauge("node_network_altnames_info", "A further name of the interface; always 1.", &["altname", "device"]);

struct Netclass {
    ignored: Filter,
    ignore_invalid_speed: bool,
    /// The netlink flavour, asked for by a flag.
    netlink: Option<Ethtool>,
    with_stats: bool,
    devices: Devices,
    files: Files,
    wire: Wire,
    modes: Vec<LinkMode>,
}

impl Netclass {
    fn new(args: &Args) -> Result<Self, ConfigError> {
        let dir = sys_path(args, "class/net");
        Ok(Self {
            ignored: Filter::from_args(args, "", "collector.netclass.ignored-devices")?,
            ignore_invalid_speed: args.on("collector.netclass.ignore-invalid-speed"),
            netlink: args.on("collector.netclass.netlink").then(Ethtool::default),
            with_stats: args.on("collector.netclass_rtnl.with-stats"),
            devices: Devices::default(),
            files: Files { dir: KeptDir::new(dir.clone()) },
            wire: Wire::new(dir),
            modes: Vec::new(),
        })
    }
}

impl Collector for Netclass {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        self.devices.clear();
        if let Some(ethtool) = &mut self.netlink {
            match ethtool.link_modes(&mut self.modes) {
                Ok(Some(())) => {}
                Ok(None) => tracing::debug!("the kernel has no ethtool netlink: no speed, no duplex"),
                Err(e) => cx.fault(e),
            }
            let links = Source::of_scrape(&self.wire.source, cx.deadline)?;
            if self.wire.epoch != links.epoch() {
                self.wire.follow(&links, &mut self.ignored, false);
            }
            self.wire.gather_netlink(&links, &self.modes, &mut self.devices);
            self.devices.encode(true, self.ignore_invalid_speed, page);
            self.wire.encode_extras(&links, self.with_stats, page);
            return Ok(());
        }
        match self.wire.trusted(&mut self.ignored, cx.deadline) {
            Some(links) => self.wire.gather(&links, &mut self.devices),
            None => self.files.gather(&mut self.ignored, &mut self.devices, cx)?,
        }
        self.devices.encode(false, self.ignore_invalid_speed, page);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
