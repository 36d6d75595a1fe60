//! Places of PCI devices: segment, bus, device and function.

use common::fields::parse_hex;

/// Where a device is.
#[derive(Debug, PartialEq)]
pub(super) struct Place {
    segment: String,
    bus: String,
    device: String,
    function: String,
}

impl Default for Place {
    /// That of a root bus.
    fn default() -> Self {
        let star = || "*".to_owned();
        Self { segment: star(), bus: star(), device: star(), function: star() }
    }
}

impl Place {
    /// `0000:5e:00.1`, all hexadecimal.
    pub(super) fn parse(name: &[u8]) -> Option<Self> {
        let [segment, bus, device, function] = numbers(name)?;
        Some(Self {
            segment: format!("{segment:04x}"),
            bus: format!("{bus:02x}"),
            device: format!("{device:02x}"),
            function: format!("{function:x}"),
        })
    }

    /// In the order of the page.
    pub(super) fn labels(&self) -> [&str; 4] {
        [&self.bus, &self.device, &self.function, &self.segment]
    }
}

/// Whether a name is that of a place. Asked for each name at each scrape, so nothing is made of it.
pub(super) fn is_place(name: &[u8]) -> bool {
    numbers(name).is_some()
}

fn numbers(name: &[u8]) -> Option<[u32; 4]> {
    let mut parts = name.split(|b| matches!(b, b':' | b'.'));
    let mut numbers = [0; 4];
    for number in &mut numbers {
        *number = u32::try_from(parse_hex(parts.next()?)?).ok()?;
    }
    let whole = parts.next().is_none() && name.iter().rev().find(|b| !b.is_ascii_hexdigit()) == Some(&b'.');
    whole.then_some(numbers)
}
