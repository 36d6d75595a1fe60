//! Properties of network interfaces as `/sys/class/net` shows them.
//!
//! * Source: kernel Documentation/ABI/testing/sysfs-class-net. Reading 25 files for each of a thousand interfaces takes
//!   most of a second and, again and again, the kernel's network lock; so where sysfs shows the network namespace this
//!   program is in, one netlink dump gives what it can, and only the rest is read from files, once if it never changes.
//! * Units: speed in bytes per second, file has megabits.
//! * Absent when: the interface is down (carrier, dormant, speed, duplex), has no such property, or hides it.
//! * Differs from the Go exporter: an interface that goes away meanwhile costs itself alone; a number that is none is
//!   left out, where that shows 0.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use common::collector::{Collector, Row, Scrape};
use common::error::{CollectError, ConfigError, is_absent, is_denied};
use common::exposition::{Desc, Page};
use common::fields::parse_auto;
use common::filter::Filter;
use common::flags::{Args, Flag};

use super::netdev::DETAILED;
use crate::fs::{EntryKind, KeptAttr, KeptDir, is_dir, list_dir, read_attr, sys_path};
use crate::kernel::ethtool::{Ethtool, LinkMode};
use crate::kernel::links::{Links, Source};
use crate::kernel::rtnl::{HardwareAddress, Link};

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

/// What one interface shows.
#[derive(Default)]
struct Device {
    name: Vec<u8>,
    numbers: [Option<i64>; NUMBERS.len()],
    address: Vec<u8>,
    broadcast: Vec<u8>,
    duplex: Vec<u8>,
    alias: Vec<u8>,
    state: Vec<u8>,
}

impl Device {
    fn reset(&mut self, name: &[u8]) {
        let Self { name: old, numbers, address, broadcast, duplex, alias, state } = self;
        set(old, name);
        *numbers = Default::default();
        for text in [address, broadcast, duplex, alias, state] {
            text.clear();
        }
    }

    fn put(&mut self, number: usize, value: Option<i64>) {
        if let Some(slot) = self.numbers.get_mut(number) {
            *slot = value;
        }
    }

    fn get(&self, number: usize) -> Option<i64> {
        *self.numbers.get(number)?
    }

    fn admin_state(&self) -> &'static [u8] {
        match self.get(FLAG_BITS) {
            Some(flags) if flags & i64::from(libc::IFF_UP) != 0 => b"up",
            Some(_) => b"down",
            None => b"unknown",
        }
    }
}

fn set(to: &mut Vec<u8>, from: &[u8]) {
    to.clear();
    to.extend_from_slice(from);
}

/// Interfaces of this scrape; buffers are used again.
#[derive(Default)]
struct Devices {
    all: Vec<Device>,
    n: usize,
    /// Order of the series of [`INFO`], whose first label is the address.
    by_address: Vec<usize>,
}

impl Devices {
    fn clear(&mut self) {
        self.n = 0;
    }

    /// The next interface, empty but for its name.
    fn add(&mut self, name: &[u8]) -> Option<&mut Device> {
        if self.n == self.all.len() {
            self.all.push(Device::default());
        }
        self.n += 1;
        let device = self.all.get_mut(self.n - 1)?;
        device.reset(name);
        Some(device)
    }

    fn encode(&mut self, netlink: bool, ignore_invalid_speed: bool, page: &mut Page) {
        self.all.truncate(self.n);
        for (number, Number { family, .. }) in NUMBERS.iter().enumerate() {
            for device in &self.all {
                let Some(value) = device.get(number) else { continue };
                let value = match number {
                    SPEED if ignore_invalid_speed && value < 0 => continue,
                    // Whole megabits to bytes, in whole numbers.
                    SPEED => value.wrapping_mul(1000 * 1000) / 8,
                    _ => value,
                };
                page.sample(family, &[&device.name], value as f64);
            }
        }
        for device in &self.all {
            page.sample(&UP, &[&device.name], if device.state == b"up" { 1.0 } else { 0.0 });
        }
        let key = |&at: &usize| {
            let device = self.all.get(at)?;
            let admin_state: &[u8] = if netlink { b"" } else { device.admin_state() };
            Some((device.address.as_slice(), admin_state, device.broadcast.as_slice(), device.name.as_slice()))
        };
        if self.by_address.len() != self.all.len() {
            self.by_address.clear();
            self.by_address.extend(0..self.all.len());
        }
        if !self.by_address.is_sorted_by_key(key) {
            self.by_address.sort_by(|a, b| key(a).cmp(&key(b)));
        }
        for device in self.by_address.iter().filter_map(|&at| self.all.get(at)) {
            let Device { name, address, broadcast, duplex, alias, state, .. } = device;
            if netlink {
                page.sample(&INFO_NETLINK, &[address, broadcast, name, duplex, alias, state], 1.0);
            } else {
                page.sample(
                    &INFO,
                    &[address, device.admin_state(), broadcast, name, duplex, alias.as_slice(), state],
                    1.0,
                );
            }
        }
    }
}

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

/// The attributes as files, each opened and read at each scrape.
struct Files {
    dir: KeptDir,
}

impl Files {
    fn gather(&mut self, ignored: &mut Filter, devices: &mut Devices, cx: &mut Scrape) -> Result<(), CollectError> {
        let base = self.dir.path().to_owned();
        let entries = self.dir.list().map_err(|e| match is_denied(&e) {
            true => CollectError::no_data("no permission to list network interfaces"),
            false => CollectError::io(&base, e).absent_is_no_data("no network interfaces in sysfs"),
        })?;
        for (name, _) in entries.iter().filter(|(name, kind)| *kind != EntryKind::File && ignored.keeps(name)) {
            let dir = base.join(OsStr::from_bytes(name));
            let Some(device) = devices.add(name) else { continue };
            let mut any = false;
            for (number, Number { attribute, .. }) in NUMBERS.iter().enumerate() {
                if let Some(text) = read_tolerantly(&dir, attribute, cx) {
                    any = true;
                    device.put(number, parse_auto(text.text()));
                }
            }
            for (attribute, to) in [
                ("address", &mut device.address),
                ("broadcast", &mut device.broadcast),
                ("duplex", &mut device.duplex),
                ("ifalias", &mut device.alias),
                ("operstate", &mut device.state),
            ] {
                if let Some(text) = read_tolerantly(&dir, attribute, cx) {
                    any = true;
                    set(to, text.text());
                }
            }
            if !any && !is_dir(&dir) {
                // It went away since it was listed.
                devices.n -= 1;
            }
        }
        Ok(())
    }
}

fn read_tolerantly(dir: &Path, attribute: &str, cx: &mut Scrape) -> Option<crate::fs::Attr> {
    let path = dir.join(attribute);
    match read_attr(&path) {
        Ok(text) => Some(text),
        // A directory of that name is not the attribute.
        Err(e) if is_silence(&e) || e.raw_os_error() == Some(libc::EISDIR) => None,
        Err(e) => {
            cx.fault(CollectError::io(&path, e));
            None
        }
    }
}

/// How the kernel says that an interface has no such property, has it not now, or is gone.
fn is_silence(e: &io::Error) -> bool {
    is_absent(e) || is_denied(e) || e.raw_os_error() == Some(libc::EINVAL)
}

/// The same from a netlink dump, and from the few files for which there is no attribute.
struct Wire {
    dir: PathBuf,
    source: Arc<Mutex<Source>>,
    /// The links that `slots` are of; 0 before the first.
    epoch: u64,
    /// One per link, in the order of the links.
    slots: Vec<Slot>,
    /// The next slot whose files are read again.
    next: usize,
    distrust: Option<Distrust>,
}

/// Links that sysfs does not show: it belongs to another network namespace.
struct Distrust {
    epoch: u64,
    /// Scrapes until the next comparison.
    wait: u32,
}

const DISTRUST_SCRAPES: u32 = 20;

/// What is kept for a link.
struct Slot {
    name: Vec<u8>,
    index: u32,
    /// Whether the interface is wanted.
    kept: bool,
    dir: PathBuf,
    /// The address at the time `fixed` was read: how an address came about changes with it.
    address: HardwareAddress,
    fixed: Option<[Option<i64>; 3]>,
    mode: Mode,
    /// Only where netlink does not tell who wants all multicast.
    flags: Option<KeptAttr>,
}

const FIXED: [usize; 3] = [ADDRESS_ASSIGN_TYPE, DEVICE_ID, NAME_ASSIGN_TYPE];

/// Speed and duplex.
enum Mode {
    /// Of a kind for which they never change while the interface is up; flags and carrier changes when they were read.
    Steady {
        seen: Option<(u32, Option<u32>)>,
        speed: Option<i64>,
        duplex: Vec<u8>,
    },
    Live {
        speed: KeptAttr,
        duplex: KeptAttr,
    },
}

/// Kinds of virtual interfaces that have a speed made up by their driver, or none (kernel: drivers/net/veth.c,
/// veth_get_link_ksettings, and the others by their lack of that function). A bridge or a bond takes that of its ports,
/// a VLAN or macvlan that of the interface below; these are asked each time.
const STEADY_KINDS: [&[u8]; 16] = [
    b"veth",
    b"dummy",
    b"ifb",
    b"wireguard",
    b"nlmon",
    b"geneve",
    b"gre",
    b"gretap",
    b"ip6gre",
    b"sit",
    b"ipip",
    b"ip6tnl",
    b"vti",
    b"vti6",
    b"vcan",
    b"vrf",
];
const ARPHRD_LOOPBACK: u16 = 772;

const SYSFS_MAGIC: u64 = 0x6265_6572;

/// Names of the operational states, by number (kernel: net/core/net-sysfs.c).
const STATES: [&[u8]; 7] = [b"unknown", b"notpresent", b"down", b"lowerlayerdown", b"testing", b"dormant", b"up"];

impl Wire {
    fn new(dir: PathBuf) -> Self {
        Self { dir, source: Source::shared(), epoch: 0, slots: Vec::new(), next: 0, distrust: None }
    }

    /// The links, if they are what sysfs shows.
    fn trusted(&mut self, ignored: &mut Filter, deadline: Instant) -> Option<Arc<Links>> {
        if self.epoch == 0 && !is_sysfs(&self.dir) {
            return None;
        }
        let mut links = Source::of_scrape(&self.source, deadline).ok()?;
        // An interface may have come or gone between dump and listing; then both are made again.
        for attempt in 0..3 {
            if attempt > 0 {
                links = Source::of_now(&self.source, deadline).ok()?;
            }
            if links.epoch() == self.epoch {
                return Some(links);
            }
            if let Some(distrust) = &mut self.distrust
                && distrust.epoch == links.epoch()
                && distrust.wait > 0
            {
                distrust.wait -= 1;
                return None;
            }
            if self.follow(&links, ignored, true) {
                self.distrust = None;
                return Some(links);
            }
        }
        self.distrust = Some(Distrust { epoch: links.epoch(), wait: DISTRUST_SCRAPES });
        None
    }

    /// Makes the slots fit the links. When `compare`, gives whether sysfs shows the same interfaces, and leaves all as
    /// it is when it does not.
    fn follow(&mut self, links: &Links, ignored: &mut Filter, compare: bool) -> bool {
        if compare {
            let Ok(entries) = list_dir(&self.dir) else { return false };
            let shown = entries.iter().filter(|(_, kind)| *kind != EntryKind::File).map(|(name, _)| name.as_slice());
            if !shown.eq(links.iter().map(|link| link.name.as_slice())) {
                return false;
            }
        }
        // Both are sorted by name.
        let mut old = std::mem::take(&mut self.slots).into_iter().peekable();
        let mut agree = true;
        for link in links.iter() {
            while old.next_if(|slot| slot.name < link.name).is_some() {}
            let known = old.next_if(|slot| slot.name == link.name && slot.index == link.index);
            let slot = known.unwrap_or_else(|| {
                let slot = Slot::new(&self.dir, link, ignored.keeps(&link.name));
                agree &= !compare || slot.shows(link);
                slot
            });
            self.slots.push(slot);
        }
        if agree {
            self.epoch = links.epoch();
        } else {
            // Whatever was read may be of somebody else's interfaces.
            self.slots.clear();
            self.epoch = 0;
        }
        agree
    }

    /// Reads the files of one link anew at each scrape, so that nothing can stay wrong for ever.
    fn doubt_one(&mut self) {
        self.next = if self.next < self.slots.len() { self.next } else { 0 };
        if let Some(slot) = self.slots.get_mut(self.next) {
            slot.fixed = None;
            if let Mode::Steady { seen, .. } = &mut slot.mode {
                *seen = None;
            }
        }
        self.next += 1;
    }

    /// What sysfs would show.
    fn gather(&mut self, links: &Links, devices: &mut Devices) {
        self.doubt_one();
        for (slot, link) in self.slots.iter_mut().zip(links.iter()).filter(|(slot, _)| slot.kept) {
            let Some(device) = devices.add(&link.name) else { continue };
            slot.fill_fixed(link, device);
            fill(link, device);
            // The kernel prints these as signed numbers.
            device.put(FLAG_BITS, slot.administrative_flags(link).map(i64::from));
            device.put(IFACE_LINK, Some(i64::from(link.lower.unwrap_or(link.index).cast_signed())));
            let state = link.operational_state.and_then(|state| STATES.get(usize::from(state)));
            set(&mut device.state, state.copied().unwrap_or_default());
            let alias = link.alias.get(..crate::fs::ATTR_BYTES).unwrap_or(&link.alias);
            set(&mut device.alias, alias.trim_ascii());
            // Those sysfs shows only while the interface is up.
            if link.flags & IFF_UP != 0 {
                device.put(CARRIER, link.carrier.map(i64::from));
                device.put(DORMANT, Some(i64::from(link.flags & IFF_DORMANT != 0)));
                slot.fill_mode(link, device);
            }
        }
    }

    /// What the Go exporter shows with `--collector.netclass.netlink`.
    fn gather_netlink(&mut self, links: &Links, modes: &[LinkMode], devices: &mut Devices) {
        self.doubt_one();
        for (slot, link) in self.slots.iter_mut().zip(links.iter()).filter(|(slot, _)| slot.kept) {
            let Some(device) = devices.add(&link.name) else { continue };
            slot.fill_fixed(link, device);
            fill(link, device);
            device.put(FLAG_BITS, Some(i64::from(link.flags)));
            device.put(IFACE_LINK, Some(i64::from(link.lower.filter(|&lower| lower > 0).unwrap_or(link.index))));
            device.put(CARRIER, link.carrier.map(i64::from));
            device.put(DORMANT, link.mode.map(i64::from));
            let state = link.operational_state.and_then(|state| STATES.get(usize::from(state)));
            set(&mut device.state, state.copied().unwrap_or_default());
            set(&mut device.alias, &link.alias);
            if let Some(mode) =
                modes.binary_search_by_key(&link.index, |mode| mode.index).ok().and_then(|at| modes.get(at))
            {
                device.put(SPEED, mode.speed.map(i64::from));
                set(
                    &mut device.duplex,
                    match mode.duplex {
                        Some(0) => b"Half",
                        Some(1) => b"Full",
                        Some(_) => b"Unknown",
                        None => b"",
                    },
                );
            }
        }
    }

    /// Further names and traffic, of which only netlink tells.
    fn encode_extras(&self, links: &Links, with_stats: bool, page: &mut Page) {
        let kept = || self.slots.iter().zip(links.iter()).filter(|(slot, _)| slot.kept).map(|(_, link)| link);
        for link in kept() {
            for name in &link.alternative_names {
                page.sample(&ALTNAMES, &[name, &link.name], 1.0);
            }
        }
        if with_stats {
            for counter in DETAILED {
                let family = Desc::gauge(counter.name, counter.help, DEVICE);
                for (link, stats) in kept().filter_map(|link| Some((link, link.stats.as_ref()?))) {
                    page.sample(&family, &[&link.name], (counter.of)(stats) as f64);
                }
            }
        }
    }
}

const IFF_UP: u32 = libc::IFF_UP as u32;
const IFF_PROMISC: u32 = libc::IFF_PROMISC as u32;
const IFF_ALLMULTI: u32 = libc::IFF_ALLMULTI as u32;
const IFF_DORMANT: u32 = libc::IFF_DORMANT as u32;
/// Bits that netlink makes up from the state of the link; sysfs shows those that are kept.
const IFF_OF_STATE: u32 = libc::IFF_RUNNING as u32 | libc::IFF_LOWER_UP as u32 | IFF_DORMANT;

/// What is the same in both flavours.
fn fill(link: &Link, device: &mut Device) {
    let signed = |n: Option<u32>| n.map(|n| i64::from(n.cast_signed()));
    device.put(CARRIER_CHANGES, signed(link.carrier_changes));
    device.put(CARRIER_DOWN, signed(link.carrier_downs));
    device.put(CARRIER_UP, signed(link.carrier_ups));
    device.put(IFACE_ID, signed(Some(link.index)));
    device.put(IFACE_LINK_MODE, link.mode.map(i64::from));
    device.put(MTU, signed(link.mtu));
    device.put(GROUP, signed(link.group));
    device.put(PROTOCOL_TYPE, Some(i64::from(link.hardware)));
    device.put(QUEUE_LENGTH, signed(link.queue_length));
    link.address.write(&mut device.address);
    link.broadcast.write(&mut device.broadcast);
}

fn is_sysfs(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|fs| fs.f_type as u64 == SYSFS_MAGIC)
}

fn number(dir: &Path, attribute: &str) -> Option<i64> {
    parse_auto(read_attr(&dir.join(attribute)).ok()?.text())
}

impl Slot {
    fn new(base: &Path, link: &Link, kept: bool) -> Self {
        let dir = base.join(OsStr::from_bytes(&link.name));
        let steady = STEADY_KINDS.contains(&link.kind.as_slice()) || link.hardware == ARPHRD_LOOPBACK;
        let mode = if steady {
            Mode::Steady { seen: None, speed: None, duplex: Vec::new() }
        } else {
            Mode::Live { speed: KeptAttr::new(dir.join("speed")), duplex: KeptAttr::new(dir.join("duplex")) }
        };
        Self {
            name: link.name.clone(),
            index: link.index,
            kept,
            dir,
            address: link.address,
            fixed: None,
            mode,
            flags: None,
        }
    }

    /// Whether the directory in sysfs is that of the link and not of one of the same name in another namespace.
    fn shows(&self, link: &Link) -> bool {
        let mut address = Vec::new();
        link.address.write(&mut address);
        number(&self.dir, "ifindex") == Some(i64::from(link.index))
            && read_attr(&self.dir.join("address")).is_ok_and(|text| text.text() == address)
    }

    fn fill_fixed(&mut self, link: &Link, device: &mut Device) {
        if self.address != link.address {
            self.address = link.address;
            self.fixed = None;
        }
        let fixed = self.fixed.get_or_insert_with(|| {
            FIXED.map(|at| NUMBERS.get(at).and_then(|known| number(&self.dir, known.attribute)))
        });
        for (at, value) in FIXED.into_iter().zip(fixed) {
            device.put(at, *value);
        }
    }

    fn fill_mode(&mut self, link: &Link, device: &mut Device) {
        match &mut self.mode {
            Mode::Steady { seen, speed, duplex } => {
                let now = Some((link.flags, link.carrier_changes));
                if *seen != now {
                    *seen = now;
                    *speed = number(&self.dir, "speed");
                    duplex.clear();
                    if let Ok(text) = read_attr(&self.dir.join("duplex")) {
                        duplex.extend_from_slice(text.text());
                    }
                }
                device.put(SPEED, *speed);
                set(&mut device.duplex, duplex);
            }
            Mode::Live { speed, duplex } => {
                device.put(SPEED, speed.read().ok().and_then(|text| parse_auto(text.text())));
                if let Ok(text) = duplex.read() {
                    set(&mut device.duplex, text.text());
                }
            }
        }
    }

    /// The flags as the interface has them. Netlink shows promiscuity and all-multicast only if the user asked for it,
    /// but counts who did: a bridge does so for its ports.
    fn administrative_flags(&mut self, link: &Link) -> Option<u32> {
        let Some(all_multicast) = link.all_multicast else {
            // Linux before 6.0.
            let flags = self.flags.get_or_insert_with(|| KeptAttr::new(self.dir.join("flags"))).read().ok()?;
            return u32::try_from(parse_auto(flags.text())?).ok();
        };
        let mut flags = link.flags & !(IFF_OF_STATE | IFF_PROMISC | IFF_ALLMULTI);
        if link.promiscuous.is_some_and(|n| n > 0) {
            flags |= IFF_PROMISC;
        }
        if all_multicast > 0 {
            flags |= IFF_ALLMULTI;
        }
        Some(flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    const TREE: &[(&str, &str)] = &[
        ("sys/class/net/bonding_masters", "bond0\n"),
        ("sys/class/net/eth0/operstate", "up\n"),
        ("sys/class/net/eth0/address", "02:00:00:00:00:01\n"),
        ("sys/class/net/eth0/duplex", "full\n"),
        ("sys/class/net/eth0/flags", "0x1303\n"),
        ("sys/class/net/eth0/dev_id", "0x20\n"),
        ("sys/class/net/eth0/speed", "1000\n"),
        ("sys/class/net/eth0/mtu", "1500\n"),
        ("sys/class/net/eth0/carrier_changes", "2\n"),
        ("sys/class/net/wlan0/operstate", "down\n"),
        ("sys/class/net/wlan0/speed", "-1\n"),
        ("sys/class/net/wlan0/flags", "0x1002\n"),
        ("sys/class/net/wlan0/ifalias", ""),
        ("sys/class/net/wlan0/mtu", "many\n"),
        ("sys/class/net/wlan0/carrier/", ""),
    ];

    #[track_caller]
    fn check(tree: &[(&str, &str)], flags: &[(&'static str, &str)], want: &str) {
        assert_eq!(Rig::new(&ROW, tree, flags).samples(), want);
    }

    #[test]
    fn good() {
        let eth0 = "node_network_carrier_changes_total{device=\"eth0\"} 2\n\
            node_network_device_id{device=\"eth0\"} 32\n\
            node_network_flags{device=\"eth0\"} 4867\n";
        let info = "node_network_info{address=\"02:00:00:00:00:01\",adminstate=\"up\",broadcast=\"\",device=\"eth0\",\
            duplex=\"full\",ifalias=\"\",operstate=\"up\"} 1\n";
        let wlan = "node_network_info{address=\"\",adminstate=\"down\",broadcast=\"\",device=\"wlan0\",duplex=\"\",\
            ifalias=\"\",operstate=\"down\"} 1\n";
        let mtu = "node_network_mtu_bytes{device=\"eth0\"} 1500\n";
        let speed = "node_network_speed_bytes{device=\"eth0\"} 1.25e+08\n";
        check(
            TREE,
            &[],
            &[
                eth0,
                "node_network_flags{device=\"wlan0\"} 4098\n",
                wlan,
                info,
                mtu,
                speed,
                "node_network_speed_bytes{device=\"wlan0\"} -125000\n",
                "node_network_up{device=\"eth0\"} 1\nnode_network_up{device=\"wlan0\"} 0\n",
            ]
            .concat(),
        );
        check(
            TREE,
            &[("collector.netclass.ignored-devices", "^wlan"), ("collector.netclass.ignore-invalid-speed", "true")],
            &[eth0, info, mtu, speed, "node_network_up{device=\"eth0\"} 1\n"].concat(),
        );
    }

    #[test]
    fn an_unknown_administrative_state() {
        check(
            &[("sys/class/net/x/operstate", "unknown\n")],
            &[],
            "node_network_info{address=\"\",adminstate=\"unknown\",broadcast=\"\",device=\"x\",duplex=\"\",ifalias=\"\",\
             operstate=\"unknown\"} 1\nnode_network_up{device=\"x\"} 0\n",
        );
    }

    #[test]
    fn nothing_there() {
        check(&[], &[], "! no data: no network interfaces in sysfs\n");
        check(&[("sys/class/net/", "")], &[], "");
        let gone = Rig::new(&ROW, &[("sys/class/net/eth0", "-> nowhere")], &[]).samples();
        assert_eq!(gone, "");
    }

    fn link(all_multicast: Option<u32>) -> Link {
        Link { name: b"x".to_vec(), index: 9, flags: 0x1_1043, promiscuous: Some(1), all_multicast, ..Link::default() }
    }

    #[test]
    fn flags_are_those_of_sysfs() {
        let dir = tempfile::tempdir().unwrap();
        let mut slot = Slot::new(dir.path(), &link(None), true);
        assert_eq!(slot.administrative_flags(&link(Some(0))), Some(0x1103));
        assert_eq!(slot.administrative_flags(&link(Some(2))), Some(0x1303));
        assert_eq!(slot.administrative_flags(&link(None)), None);
        std::fs::create_dir(dir.path().join("x")).unwrap();
        std::fs::write(dir.path().join("x/flags"), "0x1203\n").unwrap();
        assert_eq!(slot.administrative_flags(&link(None)), Some(0x1203), "before Linux 6.0 the file tells");
    }

    #[test]
    fn the_link_is_told_from_its_namesake() {
        let dir = tempfile::tempdir().unwrap();
        crate::rig::plant(dir.path(), &[("x/ifindex", "9\n"), ("x/address", "\n")]);
        let mut namesake = link(None);
        assert!(Slot::new(dir.path(), &namesake, true).shows(&namesake));
        namesake.address = HardwareAddress::new(&[2, 0, 0, 0, 0, 1]);
        assert!(!Slot::new(dir.path(), &namesake, true).shows(&namesake));
        namesake = Link { index: 8, ..link(None) };
        assert!(!Slot::new(dir.path(), &namesake, true).shows(&namesake));
    }

    /// The two ways to the same page: over this machine's own sysfs, once from files alone.
    #[test]
    fn netlink_and_files_agree() {
        let dir = Path::new("/sys/class/net");
        let (mut ignored, mut cx) = (Filter::default(), Scrape::new(Instant::now()));
        let mut wire = Wire::new(dir.to_owned());
        let Some(links) = wire.trusted(&mut ignored, cx.deadline) else {
            return; // A sandbox whose sysfs shows another namespace.
        };
        let (mut fast, mut slow) = (Devices::default(), Devices::default());
        wire.gather(&links, &mut fast);
        Files { dir: KeptDir::new(dir.to_owned()) }.gather(&mut ignored, &mut slow, &mut cx).unwrap();
        let text = |devices: &mut Devices| {
            let mut page = Page::default();
            devices.encode(false, false, &mut page);
            page.finish();
            let mut text = Vec::new();
            common::exposition::Merge::default()
                .write(&[&page], common::exposition::Format::Text, &mut |piece| text.extend_from_slice(piece));
            String::from_utf8(text).unwrap()
        };
        assert_eq!(text(&mut fast), text(&mut slow));
    }
}
