//! Temperatures, fans, voltages, currents, power and energy from the sensor chips in `/sys/class/hwmon`.
//!
//! * Source: kernel Documentation/hwmon/sysfs-interface.rst; attributes of the chip and of the device it belongs to.
//! * Units: files have milli- or micro-units, we export °C, volts, amperes, watts, joules; fans are in turns per minute.
//! * Absent when: there is no `/sys/class/hwmon`: no data. A sensor that cannot be read now has no sample.
//! * Differs from the Go exporter: a chip that does not answer in time costs itself alone, the others do not wait for
//!   it; what a filter leaves out is not read; `beep_enable` without a value has no sample, where Go shows 0.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use common::collector::{Collector, Row, Scrape};
use common::crew::{Crew, Job};
use common::error::{CollectError, is_absent};
use common::exposition::{Desc, Kind, Page};
use common::fields::{parse_f64, parse_u64};
use common::filter::Filter;
use common::flags::Flag;
use common::fuzzing::{Parser, eat};

use crate::fs::{Attr, Devices, EntryKind, KeptAttr, KeptDir, sys_path};

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row::on("hwmon", "sensor chips, /sys/class/hwmon", FLAGS, |args| {
    let sensors = Filter::from_args(args, SENSOR_INCLUDE, SENSOR_EXCLUDE)?;
    Ok(Box::new(Hwmon {
        entries: Devices::new(sys_path(args, "class/hwmon")),
        order: Vec::new(),
        chips: Filter::from_args(args, CHIP_INCLUDE, CHIP_EXCLUDE)?,
        sensors: Arc::new(Mutex::new(sensors)),
        crew: Crew::new("hwmon", PATIENCE, MOST_THREADS),
        next_id: 0,
    }))
});

const CHIP_INCLUDE: &str = "collector.hwmon.chip-include";
const CHIP_EXCLUDE: &str = "collector.hwmon.chip-exclude";
const SENSOR_INCLUDE: &str = "collector.hwmon.sensor-include";
const SENSOR_EXCLUDE: &str = "collector.hwmon.sensor-exclude";

const FLAGS: &[Flag] = &[
    Flag::text(CHIP_INCLUDE, "", "Pattern of the chips to keep, as in the label chip."),
    Flag::text(CHIP_EXCLUDE, "", "Pattern of the chips to leave out; both patterns apply when both are given."),
    Flag::text(SENSOR_INCLUDE, "", "Pattern of the sensors to keep, as chip;sensor."),
    Flag::text(SENSOR_EXCLUDE, "", "Pattern of the sensors to leave out, as chip;sensor; both patterns apply."),
];

/// How long the other chips wait behind a slow one. A healthy chip answers within a few milliseconds, a thermometer on
/// a one-wire bus takes 750.
const PATIENCE: Duration = Duration::from_millis(50);
/// So that two dozen one-wire thermometers are through in three seconds.
const MOST_THREADS: usize = 8;
/// What chips get that were too late the last time, so that they do not delay each scrape to its end.
const SECOND_CHANCE: Duration = Duration::from_secs(1);

const CHIP_NAMES: Desc = Desc::gauge(
    "node_hwmon_chip_names",
    "Always 1; the labels give the name that the driver has.",
    &["chip", "chip_name"],
);
const SENSOR_LABEL: Desc = Desc::gauge(
    "node_hwmon_sensor_label",
    "Always 1; the labels give what the driver or the board calls the sensor.",
    &["chip", "label", "sensor"],
);

struct Hwmon {
    entries: Devices<Entry>,
    /// Entries by chip label, so that the page is written in its order.
    order: Vec<usize>,
    chips: Filter,
    sensors: Arc<Mutex<Filter>>,
    crew: Crew<Chip>,
    next_id: u64,
}

/// One `hwmonN`: who it is, and its sensors when they are not being read.
struct Entry {
    dir: PathBuf,
    name: KeptAttr,
    seen: Option<Identity>,
    /// `bus_device`, before collisions are settled; empty for no name at all.
    base: Vec<u8>,
    /// The label `chip_name`.
    chip_name: Vec<u8>,
    /// The label `chip`; empty when the entry is not a chip or is filtered out.
    label: Vec<u8>,
    id: u64,
    chip: Option<Chip>,
    was_late: bool,
}

/// What makes `hwmonN` another chip when it changes.
#[derive(PartialEq, Eq)]
struct Identity {
    target: Option<PathBuf>,
    driver_name: Vec<u8>,
}

impl Collector for Hwmon {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        self.look_around()?;
        let (mut prompt, mut dawdling) = (Vec::new(), Vec::new());
        let (mut n_wanted, mut n_out) = (0_usize, 0_usize);
        for (_, entry) in self.entries.known_mut().iter_mut().filter(|(_, entry)| !entry.label.is_empty()) {
            n_wanted += 1;
            match entry.chip.take() {
                Some(chip) if entry.was_late => dawdling.push(chip),
                Some(chip) => prompt.push(chip),
                None => n_out += 1,
            }
        }
        if n_wanted == 0 {
            return Ok(());
        }
        // What is late has to be left behind early enough for the rest to be written.
        let now = Instant::now();
        let deadline = cx.deadline - cx.deadline.saturating_duration_since(now) / 10;
        let mut fresh = Vec::with_capacity(n_wanted - n_out);
        self.read(prompt, deadline, &mut fresh);
        if !dawdling.is_empty() {
            self.read(dawdling, deadline.min(Instant::now() + SECOND_CHANCE), &mut fresh);
        }
        for chip in fresh {
            self.put_back(chip, true);
        }
        for &at in &self.order {
            let Some((_, entry)) = self.entries.known_mut().get_mut(at) else { continue };
            match &mut entry.chip {
                Some(chip) if chip.fresh => {
                    chip.fresh = false;
                    entry.was_late = false;
                    encode(&entry.label, &entry.chip_name, chip, page);
                    if let Some(problem) = chip.problem.take() {
                        cx.fault(problem);
                    }
                }
                _ => {
                    entry.was_late = true;
                    cx.fault(CollectError::failed(format!("{}: no answer in time", entry.dir.display())));
                }
            }
        }
        Ok(())
    }
}

impl Hwmon {
    /// Lists the chips, and names them anew when one has come, gone or become another.
    fn look_around(&mut self) -> Result<(), CollectError> {
        let count = self.entries.known_mut().len();
        if let Err(e) = self.entries.refresh(|_, kind| kind != EntryKind::File, Entry::new) {
            return Err(CollectError::io(self.entries.path(), e).absent_is_no_data("there are no sensor chips"));
        }
        let entries = self.entries.known_mut();
        let mut changed = entries.len() != count;
        for (_, entry) in entries.iter_mut() {
            changed |= entry.look(&mut self.next_id);
        }
        if changed {
            self.rename();
        }
        Ok(())
    }

    fn rename(&mut self) {
        let entries = self.entries.known_mut();
        let labels: Vec<Vec<u8>> = {
            let chips: Vec<Naming<'_>> = entries.iter().map(|(node, entry)| entry.naming(node)).collect();
            chips.iter().map(|chip| label(chip, &chips)).collect()
        };
        for ((_, entry), mut label) in entries.iter_mut().zip(labels) {
            if !self.chips.keeps(&label) {
                label.clear();
            }
            if entry.label != label {
                // The sensor filter looks at the label too, so everything is matched anew.
                entry.chip = (!label.is_empty()).then(|| Chip::new(&self.sensors, entry, &label));
                entry.label = label;
            }
        }
        self.order =
            (0..entries.len()).filter(|&at| entries.get(at).is_some_and(|(_, e)| !e.label.is_empty())).collect();
        self.order.sort_by(|a, b| {
            let label = |at: &usize| entries.get(*at).map(|(_, entry)| &entry.label);
            label(a).cmp(&label(b))
        });
    }

    /// Reads `chips` and gives those that are done by `deadline`.
    fn read(&mut self, chips: Vec<Chip>, deadline: Instant, fresh: &mut Vec<Chip>) {
        let round = self.crew.run(chips, deadline);
        fresh.extend(round.done);
        // What was read before it was stuck is old; it is read anew at the next scrape.
        for chip in round.returned.into_iter().chain(round.skipped) {
            self.put_back(chip, false);
        }
    }

    fn put_back(&mut self, mut chip: Chip, fresh: bool) {
        chip.fresh = fresh;
        let entries = self.entries.known_mut();
        // A chip that was late may have been unplugged or renamed meanwhile; then nobody wants it.
        if let Some((_, entry)) = entries.iter_mut().find(|(_, entry)| entry.id == chip.id && entry.label == chip.label)
        {
            entry.chip = Some(chip);
        }
    }
}

impl Entry {
    fn new(dir: &Path, _node: &[u8]) -> Self {
        Self {
            dir: dir.to_owned(),
            name: KeptAttr::new(dir.join("name")),
            seen: None,
            base: Vec::new(),
            chip_name: Vec::new(),
            label: Vec::new(),
            id: 0,
            chip: None,
            was_late: false,
        }
    }

    /// Whether this is another chip than the last time.
    fn look(&mut self, next_id: &mut u64) -> bool {
        let driver_name = self.name.read().map(|name| name.text().to_vec()).unwrap_or_default();
        let now = Identity { target: std::fs::read_link(&self.dir).ok(), driver_name };
        if self.seen.as_ref() == Some(&now) {
            return false;
        }
        *next_id += 1;
        self.id = *next_id;
        self.chip = None;
        self.label.clear();
        self.was_late = false;
        self.chip_name = clean(&now.driver_name);
        self.base = if std::fs::metadata(&self.dir).is_ok_and(|meta| meta.is_dir()) {
            base_name(std::fs::canonicalize(self.dir.join("device")).ok().as_deref(), &now.driver_name, || {
                std::fs::canonicalize(&self.dir).unwrap_or_else(|_| self.dir.clone())
            })
        } else {
            Vec::new()
        };
        // A broken link may be mended without its text changing.
        self.seen = (!self.base.is_empty()).then_some(now);
        true
    }

    fn driver_name(&self) -> &[u8] {
        self.seen.as_ref().map_or(&[], |seen| &seen.driver_name)
    }

    fn naming<'e>(&'e self, node: &'e [u8]) -> Naming<'e> {
        Naming { base: &self.base, driver_name: self.driver_name(), node }
    }
}

/// What the label of a chip is made of.
struct Naming<'e> {
    base: &'e [u8],
    driver_name: &'e [u8],
    /// `hwmonN`.
    node: &'e [u8],
}

/// The label `chip`: the base if no other chip has it, else with the driver's name, else with the number of the node.
fn label(chip: &Naming<'_>, all: &[Naming<'_>]) -> Vec<u8> {
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
fn base_name(device: Option<&Path>, driver_name: &[u8], node: impl FnOnce() -> PathBuf) -> Vec<u8> {
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
fn clean(text: &[u8]) -> Vec<u8> {
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

/// A chip and what was read from it: the job that may take long.
struct Chip {
    id: u64,
    label: Vec<u8>,
    own: KeptDir,
    device: KeptDir,
    filter: Arc<Mutex<Filter>>,
    /// By label, in the order of the bytes.
    sensors: Vec<Sensor>,
    problem: Option<CollectError>,
    fresh: bool,
}

struct Sensor {
    /// The label `sensor`: type and number.
    label: Vec<u8>,
    /// The attribute `label`.
    text: Option<Reading>,
    /// The attribute without a property comes first.
    attributes: Vec<Attribute>,
}

struct Attribute {
    reading: Reading,
    family: Family,
}

/// A value and the files it may come from. The device's file goes before the chip's own of the same meaning.
struct Reading {
    files: Vec<KeptAttr>,
    now: Option<Attr>,
}

impl Job for Chip {
    fn run(&mut self) {
        self.problem = None;
        let own = list(&mut self.own, &mut self.problem);
        // Not every chip belongs to a device.
        let device = list(&mut self.device, &mut self.problem);
        if own || device {
            self.match_names();
        }
        for sensor in &mut self.sensors {
            if let Some(text) = &mut sensor.text {
                text.read();
            }
            for attribute in &mut sensor.attributes {
                attribute.reading.read();
            }
        }
    }

    fn panicked(&mut self, message: String) {
        self.sensors.clear();
        self.problem = Some(CollectError::failed(format!("{}: panicked: {message}", self.own.path().display())));
    }
}

impl Chip {
    fn new(filter: &Arc<Mutex<Filter>>, entry: &Entry, label: &[u8]) -> Self {
        Self {
            id: entry.id,
            label: label.to_vec(),
            own: KeptDir::new(entry.dir.clone()),
            device: KeptDir::new(entry.dir.join("device")),
            filter: Arc::clone(filter),
            sensors: Vec::new(),
            problem: None,
            fresh: false,
        }
    }

    /// Makes the sensors from the names in both directories.
    fn match_names(&mut self) {
        let mut found: Vec<(Found<'_>, PathBuf)> = Vec::new();
        for dir in [&self.device, &self.own] {
            // Of two names that mean the same, as `temp1_max` and `temp01_max`, the one further down the list wins.
            for (name, kind) in dir.entries().iter().rev() {
                if *kind != EntryKind::Dir
                    && let Some(attribute) = split_name(name)
                {
                    found.push((attribute, dir.path().join(OsStr::from_bytes(name))));
                }
            }
        }
        // Stable, so that the files of one attribute stay in the order of their precedence.
        found.sort_by(|(a, _), (b, _)| (a.sensor.as_bytes(), a.property).cmp(&(b.sensor.as_bytes(), b.property)));
        let mut filter = self.filter.lock().unwrap_or_else(PoisonError::into_inner);
        self.sensors.clear();
        for sensor in found.chunk_by(|(a, _), (b, _)| a.sensor == b.sensor) {
            let Some((first, _)) = sensor.first() else { continue };
            if filter.keeps(&[self.label.as_slice(), b";", first.sensor.as_bytes()].concat()) {
                self.sensors.extend(Sensor::new(sensor));
            }
        }
    }
}

/// Whether the directory holds other names than before. One that is gone holds none, and that is no problem.
fn list(dir: &mut KeptDir, problem: &mut Option<CollectError>) -> bool {
    let had = !dir.entries().is_empty();
    dir.changed().unwrap_or_else(|e| {
        if !is_absent(&e) {
            *problem = Some(CollectError::io(dir.path(), e));
        }
        had
    })
}

impl Sensor {
    fn new(found: &[(Found<'_>, PathBuf)]) -> Option<Self> {
        let (first, _) = found.first()?;
        let mut sensor = Self { label: first.sensor.as_bytes().to_vec(), text: None, attributes: Vec::new() };
        for files in found.chunk_by(|(a, _), (b, _)| a.property == b.property) {
            let Some((attribute, _)) = files.first() else { continue };
            let files = files.iter().map(|(_, path)| KeptAttr::new(path.clone())).collect();
            let reading = Reading { files, now: None };
            if attribute.property == b"label" {
                sensor.text = Some(reading);
            } else if let Some(family) = Family::new(first.kind, attribute.property) {
                sensor.attributes.push(Attribute { reading, family });
            }
        }
        (sensor.text.is_some() || !sensor.attributes.is_empty()).then_some(sensor)
    }
}

impl Reading {
    fn read(&mut self) {
        self.now = self.files.iter_mut().find_map(|file| settle(file.read()));
    }
}

/// A sensor that is asleep, unplugged, powered down or behind a bus in trouble has nothing to say; the kernel has many
/// words for it, and drivers choose them freely. None of them is a reason to alarm, and none makes a 0.
fn settle(read: io::Result<Attr>) -> Option<Attr> {
    read.ok()
}

/// A name of a file taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Found<'n> {
    kind: SensorKind,
    /// Type and number; 0 for none.
    sensor: String,
    property: &'n [u8],
}

/// The types of sensor the kernel names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SensorKind {
    BeepEnable,
    Cpu,
    Curr,
    Energy,
    Fan,
    Freq,
    Humidity,
    In,
    Intrusion,
    Power,
    Pwm,
    Temp,
    UpdateInterval,
    Vrm,
}

impl SensorKind {
    const ALL: [Self; 14] = [
        Self::BeepEnable,
        Self::Cpu,
        Self::Curr,
        Self::Energy,
        Self::Fan,
        Self::Freq,
        Self::Humidity,
        Self::In,
        Self::Intrusion,
        Self::Power,
        Self::Pwm,
        Self::Temp,
        Self::UpdateInterval,
        Self::Vrm,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::BeepEnable => "beep_enable",
            Self::Cpu => "cpu",
            Self::Curr => "curr",
            Self::Energy => "energy",
            Self::Fan => "fan",
            Self::Freq => "freq",
            Self::Humidity => "humidity",
            Self::In => "in",
            Self::Intrusion => "intrusion",
            Self::Power => "power",
            Self::Pwm => "pwm",
            Self::Temp => "temp",
            Self::UpdateInterval => "update_interval",
            Self::Vrm => "vrm",
        }
    }
}

/// Takes `temp1_crit_alarm` apart: a type without digits, a number that may be missing, and a property after a `_`.
/// `None` if it is not such a name or the type is none we know.
fn split_name(name: &[u8]) -> Option<Found<'_>> {
    let letters = name.iter().take_while(|b| !b.is_ascii_digit()).count();
    let (kind, rest) = name.split_at_checked(letters)?;
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let (number, rest) = rest.split_at_checked(digits)?;
    let (kind, number, property) = match rest {
        [] => (kind, number, rest),
        [b'_', property @ ..] if !property.is_empty() => (kind, number, property),
        // No number then: a property of which the digits are a part, as in `in_voltage0-voltage1_raw`.
        _ => {
            let cut = kind.iter().rposition(|&b| b == b'_')?;
            (name.get(..cut)?, &b""[..], name.get(cut + 1..)?)
        }
    };
    if property.contains(&b'\n') {
        return None;
    }
    let kind = *SensorKind::ALL.iter().find(|known| known.as_str().as_bytes() == kind)?;
    let number = if number.is_empty() { 0 } else { i64::try_from(parse_u64(number)?).ok()? };
    Some(Found { kind, sensor: format!("{}{number}", kind.as_str()), property })
}

/// Where a value goes and what is done to it.
struct Family {
    name: String,
    /// The name when the sensor also has an attribute without a property that can be read.
    beside_bare: Option<String>,
    help: &'static str,
    kind: Kind,
    scale: Scale,
    /// Whether this is the attribute without a property.
    bare: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    One,
    Milli,
    Micro,
    /// 1 for the text `1`, else 0.
    Flag,
    /// Micro, for a sensor that has a label, which takes the place of the type and number.
    Labelled,
}

impl Family {
    /// `None` for attributes that no family shows.
    fn new(kind: SensorKind, property: &[u8]) -> Option<Self> {
        let bare = property.is_empty();
        let whole = |name: &str, help, scale| {
            let name = format!("node_hwmon_{name}");
            bare.then_some(Self { name, beside_bare: None, help, kind: Kind::Gauge, scale, bare })
        };
        match kind {
            SensorKind::BeepEnable => {
                return whole("beep_enabled", "Whether the chip may sound the alarm.", Scale::Flag);
            }
            SensorKind::Vrm => {
                let help = "Version of the voltage regulator module, times ten.";
                return whole("voltage_regulator_version", help, Scale::One);
            }
            SensorKind::UpdateInterval => {
                let help = "Time between two measurements of the chip in seconds.";
                return whole("update_interval_seconds", help, Scale::Milli);
            }
            _ => {}
        }
        let (suffix, help, scale) = suffix(kind, property);
        let name = |property: &[u8]| {
            let mut name = format!("node_hwmon_{}", kind.as_str());
            if !property.is_empty() {
                name.push('_');
                name.push_str(&String::from_utf8_lossy(&clean(property)));
            }
            name.push_str(suffix);
            name
        };
        let is_input = property == b"input";
        Some(Self {
            name: name(if is_input { b"" } else { property }),
            beside_bare: is_input.then(|| name(property)),
            help,
            kind: if suffix == "_joule_total" { Kind::Counter } else { Kind::Gauge },
            scale,
            bare,
        })
    }
}

/// Unit at the end of the name, what the family says, and the scale of the file; the first rule that fits.
fn suffix(kind: SensorKind, property: &[u8]) -> (&'static str, &'static str, Scale) {
    use SensorKind as K;
    match (kind, property) {
        (_, b"fault") => ("", "Whether the chip takes the sensor for broken or missing.", Scale::One),
        (_, b"alarm") => ("", "Whether the chip sees the sensor out of its limits.", Scale::One),
        (_, b"beep") => ("_enabled", "Whether the chip sounds the alarm for the sensor.", Scale::One),
        (K::In | K::Cpu, _) => ("_volts", "Voltage, or a limit or setting of it, in volts.", Scale::Milli),
        (K::Temp, b"type") => ("", "What kind of sensor it is, in the numbers of the kernel.", Scale::One),
        (K::Temp, _) => ("_celsius", "Temperature, or a limit or setting of it, in degrees Celsius.", Scale::Milli),
        (K::Curr, _) => ("_amps", "Current, or a limit or setting of it, in amperes.", Scale::Milli),
        (K::Energy, _) => ("_joule_total", "Energy used since the counter began, in joules.", Scale::Micro),
        (K::Power, b"accuracy") => {
            ("", "Accuracy of the power meter, as the chip gives it, divided by a million.", Scale::Micro)
        }
        (K::Power, b"average_interval" | b"average_interval_min" | b"average_interval_max") => {
            ("_seconds", "Time over which power is averaged, or a limit of it, in seconds.", Scale::Milli)
        }
        (K::Power, _) => ("_watt", "Power, or a limit or setting of it, in watts.", Scale::Micro),
        (K::Humidity, _) => {
            ("", "Relative humidity: the milli-percent of the chip, divided by a million.", Scale::Micro)
        }
        (K::Fan, b"input" | b"min" | b"max" | b"target") => {
            ("_rpm", "Speed of the fan, or a limit or target of it, in turns per minute.", Scale::One)
        }
        (K::Freq, b"input") => ("_freq_mhz", "Clock in megahertz.", Scale::Labelled),
        _ => ("", "A value as the chip gives it.", Scale::One),
    }
}

/// The text without the newlines around it; other white space belongs to it.
fn line(attr: &Attr) -> &[u8] {
    let text = attr.raw();
    let text = text.get(text.iter().take_while(|&&b| b == b'\n').count()..).unwrap_or_default();
    text.get(..text.iter().rposition(|&b| b != b'\n').map_or(0, |last| last + 1)).unwrap_or_default()
}

fn encode(chip: &[u8], chip_name: &[u8], from: &Chip, page: &mut Page) {
    if !chip_name.is_empty() {
        page.sample(&CHIP_NAMES, &[chip, chip_name], 1.0);
    }
    for sensor in &from.sensors {
        let text = sensor.text.as_ref().and_then(|text| text.now.as_ref()).map(line);
        if let Some(text) = text {
            page.sample(&SENSOR_LABEL, &[chip, text, &sensor.label], 1.0);
        }
        let bare = sensor.attributes.iter().any(|attribute| attribute.family.bare && attribute.reading.now.is_some());
        for Attribute { reading, family } in &sensor.attributes {
            let Some(value) = reading.now.as_ref().and_then(|attr| family.scale.apply(line(attr))) else { continue };
            let name = family.beside_bare.as_ref().filter(|_| bare).unwrap_or(&family.name);
            let desc = Desc { name, help: family.help, kind: family.kind, labels: &["chip", "sensor"] };
            match (family.scale, text) {
                (Scale::Labelled, Some(text)) => page.sample(&desc, &[chip, &clean(text)], value),
                (Scale::Labelled, None) => {}
                _ => page.sample(&desc, &[chip, &sensor.label], value),
            }
        }
    }
}

impl Scale {
    /// `None` if the text is not a number.
    fn apply(self, text: &[u8]) -> Option<f64> {
        Some(match self {
            Self::Flag => f64::from(u8::from(text == b"1")),
            Self::One => parse_f64(text)?,
            Self::Milli => parse_f64(text)? * 0.001,
            Self::Micro | Self::Labelled => parse_f64(text)? / 1_000_000.0,
        })
    }
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser =
    Parser::new("names of hwmon", |bytes| eat((clean(bytes), split_name(bytes).is_some())), b"temp12_crit_alarm");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    #[test]
    fn names_are_taken_apart() {
        let check = |name: &str, want: &str| {
            let found = split_name(name.as_bytes());
            let got =
                found.map(|f| format!("{} {} {}", f.kind.as_str(), f.sensor, String::from_utf8_lossy(f.property)));
            assert_eq!(got.as_deref().unwrap_or("-"), want, "{name}");
        };
        check("temp1_crit_alarm", "temp temp1 crit_alarm");
        check("temp01_input", "temp temp1 input");
        check("temp", "temp temp0 ");
        check("fan1", "fan fan1 ");
        check("update_interval", "update_interval update_interval0 ");
        check("beep_enable", "beep_enable beep_enable0 ");
        check("vrm", "vrm vrm0 ");
        check("in_voltage0-voltage1_raw", "in in0 voltage0-voltage1_raw");
        check("fan_12x", "fan fan0 12x");
        for other in [
            "",
            "1",
            "_",
            "temp1_",
            "temp1x",
            "name",
            "uevent",
            "bogus1_input",
            "temp99999999999999999999_input",
            "temp1_a\nb",
        ] {
            check(other, "-");
        }
    }

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

    #[test]
    fn families_follow_the_first_rule_that_fits() {
        let check = |kind, property: &str, want: &str| {
            let family = Family::new(kind, property.as_bytes());
            let got = family.map(|f| format!("{} {} {:?}", f.name, f.kind.as_str(), f.scale));
            assert_eq!(got.as_deref().unwrap_or("-"), want, "{property}");
        };
        use SensorKind as K;
        check(K::Temp, "input", "node_hwmon_temp_celsius gauge Milli");
        check(K::Temp, "crit_alarm", "node_hwmon_temp_crit_alarm_celsius gauge Milli");
        check(K::Temp, "alarm", "node_hwmon_temp_alarm gauge One");
        check(K::Temp, "type", "node_hwmon_temp_type gauge One");
        check(K::Temp, "Emergency", "node_hwmon_temp_emergency_celsius gauge Milli");
        check(K::Fan, "input", "node_hwmon_fan_rpm gauge One");
        check(K::Fan, "min", "node_hwmon_fan_min_rpm gauge One");
        check(K::Fan, "beep", "node_hwmon_fan_beep_enabled gauge One");
        check(K::Fan, "div", "node_hwmon_fan_div gauge One");
        check(K::Fan, "", "node_hwmon_fan gauge One");
        check(K::In, "min_alarm", "node_hwmon_in_min_alarm_volts gauge Milli");
        check(K::Cpu, "vid", "node_hwmon_cpu_vid_volts gauge Milli");
        check(K::Curr, "input", "node_hwmon_curr_amps gauge Milli");
        check(K::Energy, "input", "node_hwmon_energy_joule_total counter Micro");
        check(K::Power, "average", "node_hwmon_power_average_watt gauge Micro");
        check(K::Power, "average_interval_max", "node_hwmon_power_average_interval_max_seconds gauge Milli");
        check(K::Power, "accuracy", "node_hwmon_power_accuracy gauge Micro");
        check(K::Humidity, "input", "node_hwmon_humidity gauge Micro");
        check(K::Freq, "input", "node_hwmon_freq_freq_mhz gauge Labelled");
        check(K::Freq, "max", "node_hwmon_freq_max gauge One");
        check(K::Pwm, "auto_point1_pwm", "node_hwmon_pwm_auto_point1_pwm gauge One");
        check(K::UpdateInterval, "", "node_hwmon_update_interval_seconds gauge Milli");
        check(K::BeepEnable, "", "node_hwmon_beep_enabled gauge Flag");
        check(K::Vrm, "x", "-");
    }

    #[test]
    fn whatever_a_sensor_answers_instead_of_a_value_is_silence() {
        for errno in [libc::EAGAIN, libc::EIO, libc::ENODATA, libc::ETIMEDOUT, libc::EPERM, libc::ENODEV, libc::EISDIR]
        {
            assert!(settle(Err(io::Error::from_raw_os_error(errno))).is_none(), "{errno}");
        }
    }

    const FAN: &[(&str, &str)] = &[
        ("sys/class/hwmon/hwmon0", "-> ../../devices/platform/hub.0/hwmon/hwmon0"),
        ("sys/devices/platform/hub.0/hwmon/hwmon0/device", "-> ../../../hub.0"),
        ("sys/devices/platform/hub.0/hwmon/hwmon0/name", "hub\n"),
        ("sys/devices/platform/hub.0/hwmon/hwmon0/fan1_input", "1200\n"),
        ("sys/devices/platform/hub.0/hwmon/hwmon0/fan2_input/", ""),
        ("sys/devices/platform/hub.0/hwmon/hwmon0/fan2_label", "\nrear \\ \"left\"  \n"),
    ];

    #[test]
    fn no_class_is_no_data_and_no_chip_is_no_sample() {
        assert_eq!(Rig::new(&ROW, &[], &[]).samples(), "! no data: there are no sensor chips\n");
        assert_eq!(Rig::new(&ROW, &[("sys/class/hwmon/", "")], &[]).samples(), "");
        let broken = [("sys/class/hwmon/hwmon0", "-> nowhere"), ("sys/class/hwmon/README", "a file")];
        assert_eq!(Rig::new(&ROW, &broken, &[]).samples(), "");
    }

    #[test]
    fn energy_is_a_counter() {
        let tree =
            [("sys/class/hwmon/hwmon0/name", "amd_energy\n"), ("sys/class/hwmon/hwmon0/energy1_input", "42000000\n")];
        let (page, problems) = crate::testing::page_of(&ROW, &tree, &[]);
        assert!(page.contains("# TYPE node_hwmon_energy_joule_total counter\n"), "{page}");
        assert!(page.contains("node_hwmon_energy_joule_total{chip=\"amd_energy\",sensor=\"energy1\"} 42\n"), "{page}");
        assert!(problems.is_empty(), "{problems:?}");
    }

    #[test]
    fn a_sensor_that_fails_comes_back() {
        let mut rig = Rig::new(&ROW, FAN, &[]);
        let rest = "node_hwmon_chip_names{chip=\"platform_hub_0\",chip_name=\"hub\"} 1\n\
                    node_hwmon_fan_rpm{chip=\"platform_hub_0\",sensor=\"fan1\"} 1200\n";
        let label = "node_hwmon_sensor_label{chip=\"platform_hub_0\",\
                     label=\"rear \\\\ \\\"left\\\"  \",sensor=\"fan2\"} 1\n";
        assert_eq!(rig.samples(), format!("{rest}{label}"));
        rig.remove("sys/devices/platform/hub.0/hwmon/hwmon0/fan2_input");
        rig.plant(&[("sys/devices/platform/hub.0/hwmon/hwmon0/fan2_input", "0\n")]);
        let fan2 = "node_hwmon_fan_rpm{chip=\"platform_hub_0\",sensor=\"fan2\"} 0\n";
        assert_eq!(rig.samples(), format!("{rest}{fan2}{label}"));
        rig.plant(&[("sys/devices/platform/hub.0/hwmon/hwmon0/fan1_input", "N/A\n")]);
        assert!(!rig.samples().contains("fan1"), "a value that is no number has no sample");
    }

    #[test]
    fn a_second_chip_of_the_device_renames_the_first() {
        let mut rig = Rig::new(&ROW, FAN, &[]);
        assert!(rig.samples().contains("{chip=\"platform_hub_0\","));
        rig.plant(&[
            ("sys/class/hwmon/hwmon1", "-> ../../devices/platform/hub.0/hwmon/hwmon1"),
            ("sys/devices/platform/hub.0/hwmon/hwmon1/device", "-> ../../../hub.0"),
            ("sys/devices/platform/hub.0/hwmon/hwmon1/name", "pump\n"),
            ("sys/devices/platform/hub.0/hwmon/hwmon1/pwm1", "77\n"),
        ]);
        let both = rig.samples();
        assert!(both.contains("node_hwmon_fan_rpm{chip=\"platform_hub_0_hub\",sensor=\"fan1\"} 1200\n"), "{both}");
        assert!(both.contains("node_hwmon_pwm{chip=\"platform_hub_0_pump\",sensor=\"pwm1\"} 77\n"), "{both}");
        rig.remove("sys/class/hwmon/hwmon1");
        assert!(rig.samples().contains("{chip=\"platform_hub_0\","));
        // Another driver may take the place of the first under the same number.
        rig.remove("sys/class/hwmon/hwmon0");
        rig.plant(&[("sys/class/hwmon/hwmon0", "-> ../../devices/platform/hub.0/hwmon/hwmon1")]);
        let other = rig.samples();
        assert!(other.contains("node_hwmon_pwm{chip=\"platform_hub_0\",sensor=\"pwm1\"} 77\n"), "{other}");
        assert!(!other.contains("fan"), "{other}");
    }

    #[test]
    fn a_chip_that_was_late_comes_back() {
        let rig = Rig::new(&ROW, FAN, &[]);
        let mut args = common::flags::Args::defaults(FLAGS.iter().chain(crate::fs::FLAGS));
        args.set("path.sysfs", vec![rig.root().join("sys").to_str().unwrap().to_owned()], true);
        let mut collector = (ROW.new)(&args).unwrap();
        let mut page = Page::default();
        let mut scrape = |time| {
            page.clear();
            let mut cx = Scrape::new(Instant::now() + time);
            collector.update(&mut cx, &mut page).unwrap();
            (cx.faults().first().map(ToString::to_string), page.samples())
        };
        // With no time at all the chip may or may not make it, but it is never half there.
        match scrape(Duration::ZERO) {
            (None, samples) => assert_eq!(samples, 3),
            (Some(fault), samples) => {
                assert!(fault.ends_with("hwmon0: no answer in time"), "{fault}");
                assert_eq!(samples, 0);
            }
        }
        let back = (0..1000).map(|_| scrape(Duration::from_secs(5))).find(|(fault, _)| fault.is_none());
        assert_eq!(back, Some((None, 3)));
    }

    #[test]
    fn filters_leave_out_chips_and_sensors() {
        let samples = |flags: &[(&'static str, &str)]| Rig::new(&ROW, FAN, flags).samples();
        assert_eq!(samples(&[(CHIP_EXCLUDE, "hub")]), "");
        assert_eq!(samples(&[(CHIP_INCLUDE, "^coretemp$")]), "");
        let name = "node_hwmon_chip_names{chip=\"platform_hub_0\",chip_name=\"hub\"} 1\n";
        assert_eq!(samples(&[(SENSOR_EXCLUDE, "^platform_hub_0;fan")]), name);
        assert!(!samples(&[(SENSOR_INCLUDE, ";fan1$")]).contains("fan2"));
    }

    #[test]
    fn the_file_of_the_device_goes_before_that_of_the_chip() {
        let mut tree = FAN.to_vec();
        tree.push(("sys/devices/platform/hub.0/fan01_input", "900\n"));
        let mut rig = Rig::new(&ROW, &tree, &[]);
        assert!(rig.samples().contains("sensor=\"fan1\"} 900\n"));
        rig.remove("sys/devices/platform/hub.0/fan01_input");
        assert!(rig.samples().contains("sensor=\"fan1\"} 1200\n"));
    }
}
