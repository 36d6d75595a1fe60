//! The fast way, where sysfs shows the network namespace this program is in: one netlink dump for all interfaces, and the
//! files of [`Slot`] for what netlink does not tell.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use common::exposition::{Desc, Page};
use common::filter::Filter;

use super::super::netdev::DETAILED;
use super::devices::{Device, Devices, set};
use super::slot::{IFF_DORMANT, IFF_UP, Slot};
use super::{
    ALTNAMES, CARRIER, CARRIER_CHANGES, CARRIER_DOWN, CARRIER_UP, DEVICE, DORMANT, FLAG_BITS, GROUP, IFACE_ID,
    IFACE_LINK, IFACE_LINK_MODE, MTU, PROTOCOL_TYPE, QUEUE_LENGTH, SPEED,
};
use crate::fs::kept::SYSFS_MAGIC;
use crate::fs::{EntryKind, list_dir};
use crate::kernel::ethtool::LinkMode;
use crate::kernel::links::{Links, Source};
use crate::kernel::rtnl::Link;

/// What the files would show, from a netlink dump and from the few files for which there is no attribute.
pub(super) struct Wire {
    dir: PathBuf,
    pub(super) source: Arc<Mutex<Source>>,
    /// The links that `slots` are of; 0 before the first.
    pub(super) epoch: u64,
    /// One per link, in the order of the links.
    slots: Vec<Slot>,
    /// Scrapes since the files of the first slot were read again.
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
/// From one link whose files are read anew to the next: opening three files is dear.
const SCRAPES_PER_DOUBT: usize = 4;

/// Names of the operational states, by number (kernel: net/core/net-sysfs.c).
const STATES: [&[u8]; 7] = [b"unknown", b"notpresent", b"down", b"lowerlayerdown", b"testing", b"dormant", b"up"];

impl Wire {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, source: Source::shared(), epoch: 0, slots: Vec::new(), next: 0, distrust: None }
    }

    /// The links, if they are what sysfs shows.
    pub(super) fn trusted(&mut self, ignored: &mut Filter, deadline: Instant) -> Option<Arc<Links>> {
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
    pub(super) fn follow(&mut self, links: &Links, ignored: &mut Filter, compare: bool) -> bool {
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

    /// Has the files of one link read anew at every few scrapes, so that nothing can stay wrong for ever.
    fn doubt_one(&mut self) {
        self.next = if self.next < self.slots.len() * SCRAPES_PER_DOUBT { self.next } else { 0 };
        if self.next.is_multiple_of(SCRAPES_PER_DOUBT)
            && let Some(slot) = self.slots.get_mut(self.next / SCRAPES_PER_DOUBT)
        {
            slot.doubt();
        }
        self.next += 1;
    }

    /// What sysfs would show.
    pub(super) fn gather(&mut self, links: &Links, devices: &mut Devices) {
        self.doubt_one();
        for (slot, link) in self.slots.iter_mut().zip(links.iter()).filter(|(slot, _)| slot.kept) {
            let Some(device) = devices.add(&link.name) else { continue };
            slot.fill_fixed(link, device);
            fill(link, device);
            // The kernel prints these as signed numbers.
            device.put(FLAG_BITS, slot.administrative_flags(link).map(i64::from));
            device.put(IFACE_LINK, Some(i64::from(link.lower.unwrap_or(link.index).cast_signed())));
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
    pub(super) fn gather_netlink(&mut self, links: &Links, modes: &[LinkMode], devices: &mut Devices) {
        self.doubt_one();
        for (slot, link) in self.slots.iter_mut().zip(links.iter()).filter(|(slot, _)| slot.kept) {
            let Some(device) = devices.add(&link.name) else { continue };
            slot.fill_fixed(link, device);
            fill(link, device);
            device.put(FLAG_BITS, Some(i64::from(link.flags)));
            device.put(IFACE_LINK, Some(i64::from(link.lower.filter(|&lower| lower > 0).unwrap_or(link.index))));
            device.put(CARRIER, link.carrier.map(i64::from));
            device.put(DORMANT, link.mode.map(i64::from));
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
    pub(super) fn encode_extras(&self, links: &Links, with_stats: bool, page: &mut Page) {
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
    let state = link.operational_state.and_then(|state| STATES.get(usize::from(state)));
    set(&mut device.state, state.copied().unwrap_or_default());
}

fn is_sysfs(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|fs| fs.f_type as u64 == SYSFS_MAGIC)
}
