//! What chips are called: the label `chip`, unique and the same after each boot, from the device a chip belongs to, its
//! driver and its node; and how a text becomes fit for labels and names.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What the label of a chip is made of.
pub(super) struct Naming<'e> {
    pub(super) base: &'e [u8],
    pub(super) driver_name: &'e [u8],
    /// `hwmonN`.
    pub(super) node: &'e [u8],
}

/// The label `chip`: the base if no other chip has it, else with the driver's name, else with the number of the node.
pub(super) fn label(chip: &Naming<'_>, all: &[Naming<'_>]) -> Vec<u8> {
    let same_base = || all.iter().filter(|other| other.base == chip.base);
    if chip.base.is_empty() || same_base().nth(1).is_none() {
        return chip.base.to_vec();
    }
    let mut suffix = clean(chip.driver_name);
    if suffix.is_empty() || same_base().filter(|other| other.driver_name == chip.driver_name).nth(1).is_some() {
        suffix = clean(chip.node);
    }
    [chip.base, b"_", &suffix].concat()
}

/// `bus_device` from the resolved path of the device, else the driver's name, else the name of the node.
pub(super) fn base_name(device: Option<&Path>, driver_name: &[u8], node: impl FnOnce() -> PathBuf) -> Vec<u8> {
    let last =
        |path: Option<&Path>| path.and_then(Path::file_name).map(|name| clean(name.as_bytes())).unwrap_or_default();
    let (bus, name) = (last(device.and_then(Path::parent)), last(device));
    match (bus.is_empty(), name.is_empty()) {
        (false, false) => [&bus, &b"_"[..], &name].concat(),
        (true, false) => name,
        (_, true) => Some(clean(driver_name)).filter(|name| !name.is_empty()).unwrap_or_else(|| last(Some(&node()))),
    }
}

/// Lower case, with `_` for what is not a letter, a digit, `:` or `_`, and none of it at the ends.
pub(super) fn clean(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            let lower = c.to_lowercase().next().unwrap_or(c);
            let kept = u8::try_from(lower).ok().filter(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b':' | b'_'));
            out.push(kept.unwrap_or(b'_'));
        }
        out.extend(chunk.invalid().iter().map(|_| b'_'));
    }
    let start = out.iter().take_while(|&&b| b == b'_').count();
    out.drain(..start);
    let end = out.iter().rposition(|&b| b != b'_').map_or(0, |last| last + 1);
    out.truncate(end);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cleaned() {
        for (text, want) in [
            ("coretemp.0", "coretemp_0"),
            ("0000:00:18.3", "0000:00:18_3"),
            ("__Fan Hub (front)__\n", "fan_hub__front"),
            ("Gehäuse", "geh_use"),
            ("..", ""),
            ("", ""),
        ] {
            assert_eq!(String::from_utf8(clean(text.as_bytes())).unwrap(), want);
        }
        assert_eq!(clean(b"a\xff\xffb"), b"a__b");
    }

    #[test]
    fn chips_are_named_after_their_device() {
        let check = |device: Option<&str>, driver_name: &str, want: &str| {
            let base = base_name(device.map(Path::new), driver_name.as_bytes(), || PathBuf::from("/sys/x/hwmon7"));
            assert_eq!(String::from_utf8(base).unwrap(), want);
        };
        check(Some("/sys/devices/platform/coretemp.0"), "coretemp", "platform_coretemp_0");
        check(Some("/sys/devices/pci0000:00/0000:00:18.3"), "", "pci0000:00_0000:00:18_3");
        check(Some("/BAT0"), "", "bat0");
        check(None, "Fan Hub", "fan_hub");
        check(Some("/"), "..", "hwmon7");
        check(None, "", "hwmon7");
    }

    #[test]
    fn chips_of_one_device_are_told_apart() {
        let chip = |base, driver_name, node| Naming { base, driver_name, node };
        let all = [
            chip(&b"a"[..], &b"x"[..], &b"hwmon0"[..]),
            chip(b"a", b"Y z", b"hwmon1"),
            chip(b"b", b"x", b"hwmon2"),
            chip(b"c", b"x", b"hwmon3"),
            chip(b"c", b"x", b"hwmon4"),
            chip(b"c", b"..", b"hwmon5"),
            chip(b"", b"", b"hwmon6"),
            chip(b"", b"", b"hwmon7"),
        ];
        let labels: Vec<String> = all.iter().map(|chip| String::from_utf8(label(chip, &all)).unwrap()).collect();
        assert_eq!(labels, ["a_x", "a_y_z", "b", "c_hwmon3", "c_hwmon4", "c_hwmon5", "", ""]);
    }
}
