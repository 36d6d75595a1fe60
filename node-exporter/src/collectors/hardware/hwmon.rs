//! Temperatures, fans, voltages, currents, power and energy from the sensor chips in `/sys/class/hwmon`.
//!
//! * Source: kernel Documentation/hwmon/sysfs-interface.rst; attributes of the chip and of the device it belongs to.
//! * Units: files have milli- or micro-units, we export °C, volts, amperes, watts, joules; fans are in turns per minute.
//! * Absent when: there is no `/sys/class/hwmon`: no data. A sensor that cannot be read now has no sample.
//! * Differs from the Go exporter: a chip that does not answer in time costs itself alone, the others do not wait for
//!   it; what a filter leaves out is not even opened; on request a chip is not read at each scrape; `beep_enable` without a value has no sample, where Go shows 0.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::collector::{Collector, Row, Scrape};
use common::crew::Crew;
use common::error::CollectError;
use common::exposition::{Desc, Page};
use common::filter::Filter;
use common::flags::Flag;
use common::fuzzing::{Parser, eat};

use crate::fs::{Attr, Devices, EntryKind, KeptAttr, sys_path};

mod families;
mod file_names;
mod naming;
mod sensors;

use families::Scale;
use file_names::split_name;
use naming::{Naming, base_name, clean, label};
use sensors::{Attribute, Chip};

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row::on("hwmon", "sensor chips, /sys/class/hwmon", FLAGS, |args| {
    let sensors = Filter::from_args(args, SENSOR_INCLUDE, SENSOR_EXCLUDE)?;
    Ok(Box::new(Hwmon {
        entries: Devices::new(sys_path(args, "class/hwmon")),
        order: Vec::new(),
        chips: Filter::from_args(args, CHIP_INCLUDE, CHIP_EXCLUDE)?,
        sensors: Arc::new(Mutex::new(sensors)),
        min_interval: args.duration(MIN_INTERVAL),
        crew: Crew::new("hwmon", PATIENCE, MOST_THREADS),
        next_id: 0,
    }))
});

const CHIP_INCLUDE: &str = "collector.hwmon.chip-include";
const CHIP_EXCLUDE: &str = "collector.hwmon.chip-exclude";
const SENSOR_INCLUDE: &str = "collector.hwmon.sensor-include";
const SENSOR_EXCLUDE: &str = "collector.hwmon.sensor-exclude";

const MIN_INTERVAL: &str = "collector.hwmon.min-interval";

const FLAGS: &[Flag] = &[
    Flag::text(CHIP_INCLUDE, "", "Pattern of the chips to keep, as in the label chip."),
    Flag::text(CHIP_EXCLUDE, "", "Pattern of the chips to leave out; both patterns apply when both are given."),
    Flag::text(SENSOR_INCLUDE, "", "Pattern of the sensors to keep, as chip;sensor."),
    Flag::text(SENSOR_EXCLUDE, "", "Pattern of the sensors to leave out, as chip;sensor; both patterns apply."),
    Flag::duration(MIN_INTERVAL, "0s", "A chip is read again after this time; until then its last values are shown."),
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
    min_interval: Duration,
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
    /// When the chip last began to be read in time.
    read_at: Option<Instant>,
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
        let now = Instant::now();
        let (mut prompt, mut dawdling) = (Vec::new(), Vec::new());
        let (mut n_wanted, mut n_out) = (0_usize, 0_usize);
        for (_, entry) in self.entries.known_mut().iter_mut().filter(|(_, entry)| !entry.label.is_empty()) {
            n_wanted += 1;
            if entry.rests(now, self.min_interval) {
                n_out += 1;
                continue;
            }
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
            let rests = entry.rests(now, self.min_interval);
            match &mut entry.chip {
                Some(chip) if chip.fresh || rests => {
                    if chip.fresh {
                        entry.read_at = Some(now);
                    }
                    chip.fresh = false;
                    entry.was_late = false;
                    encode(&entry.label, &entry.chip_name, chip, page);
                    if let Some(problem) = chip.problem.take() {
                        cx.fault(problem);
                    }
                }
                _ => {
                    entry.was_late = true;
                    cx.fault(CollectError::timed_out(entry.dir.to_string_lossy()));
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
                entry.read_at = None;
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
            read_at: None,
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
        self.read_at = None;
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

    /// Whether the chip is not to be read yet.
    fn rests(&self, now: Instant, min_interval: Duration) -> bool {
        self.chip.is_some() && self.read_at.is_some_and(|at| now.saturating_duration_since(at) < min_interval)
    }

    fn driver_name(&self) -> &[u8] {
        self.seen.as_ref().map_or(&[], |seen| &seen.driver_name)
    }

    fn naming<'e>(&'e self, node: &'e [u8]) -> Naming<'e> {
        Naming { base: &self.base, driver_name: self.driver_name(), node }
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

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser =
    Parser::new("names of hwmon", |bytes| eat((clean(bytes), split_name(bytes).is_some())), b"temp12_crit_alarm");

#[cfg(test)]
mod tests;
