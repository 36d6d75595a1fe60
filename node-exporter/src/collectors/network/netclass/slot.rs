//! What is kept of one link between scrapes: the values from its files that netlink does not tell, each read as seldom as
//! it can change.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use common::fields::parse_auto;

use super::devices::{Device, set};
use super::{ADDRESS_ASSIGN_TYPE, DEVICE_ID, NAME_ASSIGN_TYPE, NUMBERS, SPEED};
use crate::fs::{KeptAttr, read_attr};
use crate::kernel::rtnl::{HardwareAddress, Link};

/// What is kept for a link.
pub(super) struct Slot {
    pub(super) name: Vec<u8>,
    pub(super) index: u32,
    /// Whether the interface is wanted.
    pub(super) kept: bool,
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

pub(super) const IFF_UP: u32 = libc::IFF_UP as u32;
const IFF_PROMISC: u32 = libc::IFF_PROMISC as u32;
const IFF_ALLMULTI: u32 = libc::IFF_ALLMULTI as u32;
pub(super) const IFF_DORMANT: u32 = libc::IFF_DORMANT as u32;
/// Bits that netlink makes up from the state of the link; sysfs shows those that are kept.
const IFF_OF_STATE: u32 = libc::IFF_RUNNING as u32 | libc::IFF_LOWER_UP as u32 | IFF_DORMANT;

fn number(dir: &Path, attribute: &str) -> Option<i64> {
    parse_auto(read_attr(&dir.join(attribute)).ok()?.text())
}

impl Slot {
    pub(super) fn new(base: &Path, link: &Link, kept: bool) -> Self {
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
    pub(super) fn shows(&self, link: &Link) -> bool {
        let mut address = Vec::new();
        link.address.write(&mut address);
        number(&self.dir, "ifindex") == Some(i64::from(link.index))
            && read_attr(&self.dir.join("address")).is_ok_and(|text| text.text() == address)
    }

    /// Has everything that is kept read again.
    pub(super) fn doubt(&mut self) {
        self.fixed = None;
        if let Mode::Steady { seen, .. } = &mut self.mode {
            *seen = None;
        }
    }

    pub(super) fn fill_fixed(&mut self, link: &Link, device: &mut Device) {
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

    pub(super) fn fill_mode(&mut self, link: &Link, device: &mut Device) {
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
    pub(super) fn administrative_flags(&mut self, link: &Link) -> Option<u32> {
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
}
