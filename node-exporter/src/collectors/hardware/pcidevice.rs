//! PCI devices, their links, their power states and their virtual functions, from `/sys/bus/pci/devices`.
//!
//! * Source: kernel Documentation/ABI/testing/sysfs-bus-pci; names from the list of the PCI ID Repository.
//! * Units: link speeds are in GT/s and exported in transfers per second.
//! * Absent when: the machine has no PCI bus: no data. As in the Go exporter, what a device does not have is -1 for its
//!   link and 0 for power and virtual functions; only the NUMA node and the power state are left out.
//! * Differs from the Go exporter: a file that is missing or malformed costs its own series, not every device; speeds
//!   without the word `PCIe`, as older kernels write them, are understood; a parent that is neither a PCI device nor
//!   a root bus is `*` like a root bus; the list of names is looked for below the root of the host as well, and read
//!   again when a device comes.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError};
use common::exposition::Page;
use common::fields::{Words, parse_auto, parse_f64, parse_i64, parse_u64};
use common::flags::{Args, Flag};
use common::fuzzing::{Parser, eat};
use common::sandbox::Need;

use crate::fs::{Attr, Devices, EntryKind, KeptAttr, is_silence, read_attr, read_file, read_link, sys_path};

mod families;
mod names;
mod place;

use families::{INFO, NAMED_INFO, NUMA_NODE, NUMBERS, POWER_STATE, POWER_STATES, SPEEDS};
use names::Names;
use place::{Place, is_place};

const NAMES: &str = "collector.pcidevice.names";
const IDS_FILE: &str = "collector.pcidevice.idsfile";

const FLAGS: &[Flag] = &[
    Flag::text(IDS_FILE, "", "List of PCI names; empty for where distributions put it."),
    Flag::switch(NAMES, false, "Names from the list of PCI names as labels."),
];

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row {
    needs: |args| if args.on(NAMES) { lists(args).into_iter().map(Need::File).collect() } else { Vec::new() },
    ..Row::off("pcidevice", "PCI devices, their links and power states, /sys/bus/pci/devices", FLAGS, |args| {
        let lists = args.on(NAMES).then(|| lists(args));
        Ok(Box::new(PciDevices { devices: Devices::new(sys_path(args, "bus/pci/devices")), lists }))
    })
};

struct PciDevices {
    devices: Devices<Device>,
    /// Where the names may be; `None` when nobody wants them.
    lists: Option<Vec<PathBuf>>,
}

struct Device {
    place: Place,
    parent: Place,
    /// Stands for all that tells the make of the device.
    class: KeptAttr,
    /// What the files said, as numbers and as label values.
    ids: Option<(Ids, [String; 6])>,
    /// `None` until they were looked up.
    names: Option<Names>,
    speeds: [KeptAttr; SPEEDS.len()],
    numbers: [KeptAttr; NUMBERS.len()],
    power_state: KeptAttr,
    numa_node: KeptAttr,
}

/// What tells the make of a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ids {
    class: u32,
    vendor: u32,
    device: u32,
    subsystem_vendor: u32,
    subsystem_device: u32,
    revision: u32,
}

/// Beside `class`.
const ID_FILES: [&str; 5] = ["vendor", "device", "subsystem_vendor", "subsystem_device", "revision"];

/// Files that distributions have; those of the host first.
fn lists(args: &Args) -> Vec<PathBuf> {
    match args.text(IDS_FILE) {
        "" => ["usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids"]
            .iter()
            .flat_map(|file| [Path::new(args.text("path.rootfs")).join(file), Path::new("/").join(file)])
            .collect(),
        file => vec![PathBuf::from(file)],
    }
}

impl Collector for PciDevices {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let is_device = |name: &[u8], kind| kind != EntryKind::File && is_place(name);
        if let Err(e) = self.devices.refresh(is_device, Device::new) {
            return Err(CollectError::io(self.devices.path(), e).absent_is_no_data("there is no PCI bus"));
        }
        let devices = self.devices.known_mut();
        for (_, device) in devices.iter_mut() {
            device.identify(cx);
        }
        if let Some(lists) = &self.lists {
            look_up(lists, devices);
        }
        for (_, device) in devices {
            device.update(cx, page);
        }
        Ok(())
    }
}

/// Finds the names of devices that have none yet.
fn look_up(lists: &[PathBuf], devices: &mut [(Vec<u8>, Device)]) {
    let unnamed = devices.iter_mut().filter_map(|(_, device)| match (&device.ids, &device.names) {
        (Some((ids, _)), None) => Some((*ids, device)),
        _ => None,
    });
    let (ids, devices): (Vec<Ids>, Vec<&mut Device>) = unnamed.unzip();
    if ids.is_empty() {
        return;
    }
    // The list is long and needed this once.
    let text = lists.iter().find_map(|list| read_file(list).ok()).unwrap_or_else(|| {
        tracing::debug!("no list of PCI names: numbers stand in for them");
        Vec::new()
    });
    for (device, names) in devices.into_iter().zip(names::resolve(&text, &ids)) {
        device.names = Some(names);
    }
}

impl Device {
    fn new(path: &Path, name: &[u8]) -> Self {
        let attr = |file: &str| KeptAttr::new(path.join(file));
        let target = read_link(path).unwrap_or_default();
        let above = target.parent().and_then(Path::file_name).map(OsStr::as_bytes);
        Self {
            place: Place::parse(name).unwrap_or_default(),
            parent: above.and_then(Place::parse).unwrap_or_default(),
            class: attr("class"),
            ids: None,
            names: None,
            speeds: SPEEDS.map(|(file, _)| attr(file)),
            numbers: NUMBERS.map(|(file, ..)| attr(file)),
            power_state: attr("power_state"),
            numa_node: attr("numa_node"),
        }
    }

    /// Follows what the device is: another may have been put into the same slot.
    fn identify(&mut self, cx: &mut Scrape) {
        // What tells the make of a device never changes: as long as one file is still of the same device, the others are
        // left alone and need not be kept open.
        if let (Some((ids, _)), Some(class)) = (&self.ids, self.class.reread())
            && parse_id(class.text()) == Some(ids.class)
        {
            return;
        }
        let class = cx.ok(self.class.number("identification", parse_id));
        let [vendor, device, subsystem_vendor, subsystem_device, revision] = ID_FILES.map(|file| {
            let path = self.class.path().with_file_name(file);
            let text = read_attr(&path).map_err(|e| CollectError::io(&path, e));
            cx.ok(text.and_then(|text| text.number(&path, "identification", parse_id)))
        });
        let all = || {
            Some(Ids {
                class: class?,
                vendor: vendor?,
                device: device?,
                subsystem_vendor: subsystem_vendor?,
                subsystem_device: subsystem_device?,
                revision: revision?,
            })
        };
        let ids = all();
        if ids != self.ids.as_ref().map(|(ids, _)| *ids) {
            self.ids = ids.map(|ids| (ids, ids.labels()));
            self.names = None;
        }
    }

    fn update(&mut self, cx: &mut Scrape, page: &mut Page) {
        if let Some((_, ids)) = &self.ids {
            write_info(&self.place, &self.parent, ids, self.names.as_ref(), page);
        }
        let place = self.place.labels();
        for ((_, desc), file) in SPEEDS.iter().zip(&mut self.speeds) {
            match read(file, "speed in GT/s", parse_speed) {
                Ok(speed) => page.sample(desc, &place, speed.unwrap_or(-1.0)),
                Err(e) => cx.fault(e),
            }
        }
        for ((_, desc, missing), file) in NUMBERS.iter().zip(&mut self.numbers) {
            match read(file, "number", parse_u64) {
                Ok(n) => page.sample(desc, &place, n.map_or(*missing, |n| n as f64)),
                Err(e) => cx.fault(e),
            }
        }
        match read(&mut self.numa_node, "number of a node", parse_i64) {
            Ok(Some(node)) if node >= 0 => page.sample(&NUMA_NODE, &place, node as f64),
            Ok(_) => {}
            Err(e) => cx.fault(e),
        }
        match self.power_state.read() {
            Ok(state) if !state.text().is_empty() => {
                let [bus, device, function, segment] = place;
                for known in POWER_STATES {
                    let is = f64::from(u8::from(state.text() == known.as_bytes()));
                    page.sample(&POWER_STATE, &[bus, device, function, segment, known], is);
                }
            }
            Err(e) if !is_silence(&e) => cx.fault(CollectError::io(self.power_state.path(), e)),
            _ => {}
        }
    }
}

fn write_info(place: &Place, parent: &Place, ids: &[String; 6], names: Option<&Names>, page: &mut Page) {
    let [bus, device, function, segment] = place.labels();
    let [parent_bus, parent_device, parent_function, parent_segment] = parent.labels();
    let [class_id, vendor_id, device_id, subvendor_id, subdevice_id, revision] = ids.each_ref().map(String::as_str);
    let Some(names) = names else {
        let values = [
            bus,
            class_id,
            device,
            device_id,
            function,
            parent_bus,
            parent_device,
            parent_function,
            parent_segment,
            revision,
            segment,
            subdevice_id,
            subvendor_id,
            vendor_id,
        ];
        return page.sample(&INFO, &values, 1.0);
    };
    let values = [
        bus,
        class_id,
        &names.class,
        device,
        device_id,
        &names.device,
        function,
        parent_bus,
        parent_device,
        parent_function,
        parent_segment,
        revision,
        segment,
        subdevice_id,
        &names.subsystem_device,
        subvendor_id,
        &names.subsystem_vendor,
        vendor_id,
        &names.vendor,
    ];
    page.sample(&NAMED_INFO, &values, 1.0);
}

impl Ids {
    fn labels(self) -> [String; 6] {
        let [vendor, device, subsystem_vendor, subsystem_device] =
            [self.vendor, self.device, self.subsystem_vendor, self.subsystem_device].map(|id| format!("{id:#06x}"));
        let (class, revision) = (format!("{:#08x}", self.class), format!("{:#04x}", self.revision));
        [class, vendor, device, subsystem_vendor, subsystem_device, revision]
    }
}

fn parse_id(text: &[u8]) -> Option<u32> {
    u32::try_from(parse_auto(text)?).ok()
}

/// `8.0 GT/s PCIe` in transfers per second.
fn parse_speed(text: &[u8]) -> Option<f64> {
    let mut words = Words::of(text);
    let speed = parse_f64(words.next()?).filter(|speed| speed.is_finite() && *speed >= 0.0)?;
    let unit = (words.next()?, words.next(), words.next());
    matches!(unit, (b"GT/s", Some(b"PCIe") | None, None)).then_some(speed * 1e9)
}

/// What is in a file; `None` when the device has no such thing or does not tell.
fn read<T>(
    file: &mut KeptAttr,
    field: &'static str,
    parse: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<Option<T>, CollectError> {
    let attr: Attr = match file.read() {
        Ok(attr) => attr,
        Err(e) if is_silence(&e) => return Ok(None),
        Err(e) => return Err(CollectError::io(file.path(), e)),
    };
    let text = attr.text();
    if text.is_empty() || text.starts_with(b"Unknown") {
        return Ok(None);
    }
    match parse(text) {
        Some(value) => Ok(Some(value)),
        None => Err(BadField::new(1, field, "a number", text).in_file(file.path())),
    }
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser = Parser::new(
    "PCI device",
    |bytes| eat((Place::parse(bytes), parse_id(bytes), parse_speed(bytes))),
    b"8.0 GT/s PCIe",
);

/// For the fuzzer.
pub(in crate::collectors) const NAMES_PARSER: Parser = names::PARSER;

#[cfg(test)]
mod tests;
