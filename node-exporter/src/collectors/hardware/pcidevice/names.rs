//! Names of PCI devices from the list of the PCI ID Repository, `pci.ids`.
//!
//! Source: the description in the list itself. Vendors, below each its devices, below each its subsystems, indented by
//! tabs; then, after `C`, classes with subclasses and programming interfaces.

use common::fields::{lines, parse_hex};
use common::fuzzing::{Parser, eat};

use super::Ids;

/// What a device is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) class: String,
    pub(super) vendor: String,
    pub(super) device: String,
    pub(super) subsystem_vendor: String,
    pub(super) subsystem_device: String,
}

impl Names {
    /// Numbers in place of names.
    fn numbers(ids: &Ids) -> Self {
        Self {
            class: format!("Unknown class ({:06x})", ids.class),
            vendor: format!("{:04x}", ids.vendor),
            device: format!("{:04x}", ids.device),
            subsystem_vendor: format!("{:04x}", ids.subsystem_vendor),
            subsystem_device: format!("{:04x}", ids.subsystem_device),
        }
    }
}

/// Where in the list a line stands.
#[derive(Clone, Copy)]
enum Section {
    Nowhere,
    Vendor { vendor: u32, device: Option<u32> },
    Class { class: u32, subclass: Option<u32> },
}

/// The names of `devices`, in their order; numbers for those that the list does not have.
pub(super) fn resolve(list: &[u8], devices: &[Ids]) -> Vec<Names> {
    let mut all: Vec<(&Ids, Names)> = devices.iter().map(|ids| (ids, Names::numbers(ids))).collect();
    let mut section = Section::Nowhere;
    let mut vendor_wanted = false;
    for (_, line) in lines(list) {
        let text = line.trim_ascii_start();
        if text.is_empty() || text.starts_with(b"#") {
            continue;
        }
        let depth = line.iter().take_while(|&&b| b == b'\t').count();
        match (depth, &mut section) {
            (0, section) => {
                (*section, vendor_wanted) = (Section::Nowhere, false);
                if let Some((class, name)) = text.strip_prefix(b"C ").and_then(|text| entry(text, 2)) {
                    *section = Section::Class { class, subclass: None };
                    name_class(&mut all, |ids| ids.class >> 16 == class, name);
                } else if let Some((vendor, name)) = entry(text, 4) {
                    *section = Section::Vendor { vendor, device: None };
                    for (ids, names) in &mut all {
                        if ids.vendor == vendor {
                            vendor_wanted = true;
                            names.vendor = owned(name);
                        }
                        if ids.subsystem_vendor == vendor {
                            names.subsystem_vendor = owned(name);
                        }
                    }
                }
            }
            (1, Section::Vendor { vendor, device }) if vendor_wanted => {
                let Some((number, name)) = entry(text, 4) else { continue };
                *device = None;
                for (ids, names) in &mut all {
                    if (ids.vendor, ids.device) == (*vendor, number) {
                        *device = Some(number);
                        names.device = owned(name);
                    }
                }
            }
            (2, Section::Vendor { vendor, device: Some(device) }) => {
                let Some((subvendor, rest)) = entry(text, 4) else { continue };
                let Some((subdevice, name)) = entry(rest, 4) else { continue };
                let it = (*vendor, *device, subvendor, subdevice);
                for (ids, names) in &mut all {
                    if (ids.vendor, ids.device, ids.subsystem_vendor, ids.subsystem_device) == it {
                        names.subsystem_device = owned(name);
                    }
                }
            }
            (1, Section::Class { class, subclass }) => {
                let Some((number, name)) = entry(text, 2) else { continue };
                let number = *class << 8 | number;
                *subclass = Some(number);
                name_class(&mut all, |ids| ids.class >> 8 == number, name);
            }
            (2, Section::Class { subclass: Some(subclass), .. }) => {
                let Some((number, name)) = entry(text, 2) else { continue };
                let number = *subclass << 8 | number;
                name_class(&mut all, |ids| ids.class == number, name);
            }
            _ => {}
        }
    }
    all.into_iter().map(|(_, names)| names).collect()
}

/// What is more exact comes later in the list, and stays.
fn name_class(all: &mut [(&Ids, Names)], is: impl Fn(&Ids) -> bool, name: &[u8]) {
    for (_, names) in all.iter_mut().filter(|(ids, _)| is(ids)) {
        names.class = owned(name);
    }
}

/// A number of so many hexadecimal digits, and what follows it.
fn entry(text: &[u8], digits: usize) -> Option<(u32, &[u8])> {
    let (number, rest) = text.split_at_checked(digits)?;
    let number = u32::try_from(parse_hex(number)?).ok()?;
    rest.first()?.is_ascii_whitespace().then(|| (number, rest.trim_ascii()))
}

fn owned(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

/// For the fuzzer.
pub(super) const PARSER: Parser = Parser::new(
    "pci.ids",
    |bytes| {
        let ids = Ids { class: 0x010802, vendor: 0x1234, device: 0x11, subsystem_vendor: 0x1234, ..Ids::default() };
        eat(resolve(bytes, &[ids, Ids::default()]));
    },
    b"# List\n1234  Vendor\n\t0011  Device\n\t\t1234 0000  Subsystem\n\nC 01  Storage\n\t08  Non-volatile\n\t\t02  NVMe\n",
);

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "#\n# a list\n\n1aaa  First & Co.\n\t0001  One\n\t\t1bbb 0a0b  One of the second\n\t0002  Two\n\
        1bbb  Second\r\n\t0001  Another one\r\n\nffff  Illegal Vendor ID\nC 01  Storage\n\t06  SATA\n\t\t01  AHCI\n\t08  Flash\nC 02  Network\n";

    #[track_caller]
    fn check(ids: [u32; 5], want: [&str; 5]) {
        let [class, vendor, device, subsystem_vendor, subsystem_device] = ids;
        let ids = Ids { class, vendor, device, subsystem_vendor, subsystem_device, revision: 0 };
        let [class, vendor, device, subsystem_vendor, subsystem_device] = want.map(str::to_owned);
        let want = Names { class, vendor, device, subsystem_vendor, subsystem_device };
        assert_eq!(resolve(LIST.as_bytes(), &[Ids::default(), ids])[1], want);
    }

    #[test]
    fn names_and_numbers() {
        let one = ["AHCI", "First & Co.", "One", "Second", "One of the second"];
        check([0x010601, 0x1aaa, 1, 0x1bbb, 0x0a0b], one);
        check([0x010602, 0x1bbb, 1, 0x1aaa, 0], ["SATA", "Second", "Another one", "First & Co.", "0000"]);
        check([0x010900, 0x1aaa, 2, 0x1bbb, 0x0a0b], ["Storage", "First & Co.", "Two", "Second", "0a0b"]);
        check([0x020000, 0x1aaa, 3, 0, 0], ["Network", "First & Co.", "0003", "0000", "0000"]);
        check([0xffff00, 2, 3, 4, 5], ["Unknown class (ffff00)", "0002", "0003", "0004", "0005"]);
    }

    #[test]
    fn cut_short_and_garbage() {
        for end in 0..LIST.len() {
            resolve(&LIST.as_bytes()[..end], &[Ids::default()]);
        }
        let garbage = b"\t0001 x\n\t\t1 2\nC\nC 0\nC zz  x\n1aaa\n12345 x\n\xff\n";
        assert_eq!(resolve(garbage, &[Ids::default()]), [Names::numbers(&Ids::default())]);
        assert_eq!(resolve(LIST.as_bytes(), &[]), []);
    }
}
