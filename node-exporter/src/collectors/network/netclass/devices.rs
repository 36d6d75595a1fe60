//! What the interfaces show, whichever way it was found out, and how it is written to the page.

use common::exposition::Page;

use super::{FLAG_BITS, INFO, INFO_NETLINK, NUMBERS, Number, SPEED, UP};

/// What one interface shows.
#[derive(Default)]
pub(super) struct Device {
    pub(super) name: Vec<u8>,
    numbers: [Option<i64>; NUMBERS.len()],
    pub(super) address: Vec<u8>,
    pub(super) broadcast: Vec<u8>,
    pub(super) duplex: Vec<u8>,
    pub(super) alias: Vec<u8>,
    pub(super) state: Vec<u8>,
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

    pub(super) fn put(&mut self, number: usize, value: Option<i64>) {
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

pub(super) fn set(to: &mut Vec<u8>, from: &[u8]) {
    to.clear();
    to.extend_from_slice(from);
}

/// Interfaces of this scrape; buffers are used again.
#[derive(Default)]
pub(super) struct Devices {
    all: Vec<Device>,
    n: usize,
    /// Order of the series of [`INFO`], whose first label is the address.
    by_address: Vec<usize>,
}

impl Devices {
    pub(super) fn clear(&mut self) {
        self.n = 0;
    }

    /// The next interface, empty but for its name.
    pub(super) fn add(&mut self, name: &[u8]) -> Option<&mut Device> {
        if self.n == self.all.len() {
            self.all.push(Device::default());
        }
        self.n += 1;
        let device = self.all.get_mut(self.n - 1)?;
        device.reset(name);
        Some(device)
    }

    /// Takes back the last one added.
    pub(super) fn drop_last(&mut self) {
        self.n = self.n.saturating_sub(1);
    }

    pub(super) fn encode(&mut self, netlink: bool, ignore_invalid_speed: bool, page: &mut Page) {
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
