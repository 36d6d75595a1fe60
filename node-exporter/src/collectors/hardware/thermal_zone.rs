//! Temperatures of thermal zones and states of cooling devices from `/sys/class/thermal`.
//!
//! * Source: kernel Documentation/driver-api/thermal/sysfs-api.rst.
//! * Units: file has millidegrees Celsius, we export degrees; states are steps of the device's own scale.
//! * Absent when: the machine has no thermal zones (most virtual machines): no samples, no error.
//! * Differs from the Go exporter: a zone that cannot be read has no sample, where 1.12 shows 0 °C; a cooling device
//!   that cannot be read costs itself alone; one that does not answer within a second is left behind until it has.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::collector::{Collector, Row, Scrape};
use common::crew::{Crew, Job};
use common::error::CollectError;
use common::exposition::{Desc, Page};
use common::fields::parse_i64;

use crate::fs::{Attr, Devices, KeptAttr, is_silence, sys_path};

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::on("thermal_zone", "temperatures and cooling, /sys/class/thermal", &[], |args| {
        Ok(Box::new(ThermalZone {
            devices: Devices::new(sys_path(args, "class/thermal")),
            crew: Crew::new("thermal", PATIENCE, MOST_THREADS),
            next_id: 0,
        }))
    });

/// How long the other devices wait behind a slow one; most answer within microseconds.
const PATIENCE: Duration = Duration::from_millis(20);
/// Devices that may be stuck at the same time.
const MOST_THREADS: usize = 8;
/// The longest that one scrape waits for devices that do not answer.
const MOST_WAIT: Duration = Duration::from_secs(1);
/// What a device gets that was too late the last time.
const SECOND_CHANCE: Duration = Duration::from_millis(50);

const TEMP: Desc =
    Desc::gauge("node_thermal_zone_temp", "Temperature of the zone in degrees Celsius.", &["type", "zone"]);
const CUR_STATE: Desc =
    Desc::gauge("node_cooling_device_cur_state", "Step at which the device cools now.", &["name", "type"]);
const MAX_STATE: Desc =
    Desc::gauge("node_cooling_device_max_state", "Highest step the device knows.", &["name", "type"]);

struct ThermalZone {
    devices: Devices<Slot>,
    crew: Crew<Box<Device>>,
    next_id: u64,
}

/// A device and where its files are read: here, or on a thread that it holds up.
struct Slot {
    id: u64,
    path: PathBuf,
    device: Option<Box<Device>>,
    was_late: bool,
}

/// The files of a device: the job that a slow bus or firmware may hold up.
struct Device {
    id: u64,
    fresh: bool,
    panic: Option<String>,
    number: Vec<u8>,
    kind: KeptAttr,
    files: Files,
}

enum Files {
    Zone { temp: KeptAttr, told: Option<(Attr, Result<f64, CollectError>)> },
    Cooling { cur: KeptAttr, max: KeptAttr, told: Result<Option<(Attr, f64, f64)>, CollectError> },
}

impl Job for Box<Device> {
    fn run(&mut self) {
        self.fresh = true;
        let Device { kind, files, .. } = self.as_mut();
        match files {
            // Sensors may be switched off with the part they sit in; that is no fault of anyone.
            Files::Zone { temp, told } => {
                *told = read_zone(kind, temp).ok();
            }
            Files::Cooling { cur, max, told } => *told = read_cooling(kind, cur, max),
        }
    }

    fn panicked(&mut self, message: String) {
        self.panic = Some(message);
    }
}

impl Collector for ThermalZone {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let Self { devices, next_id, .. } = self;
        let listed = devices.refresh(
            |name, _| is_numbered(name, ZONE) || is_numbered(name, COOLING),
            |path, name| {
                *next_id += 1;
                Slot {
                    id: *next_id,
                    path: path.to_owned(),
                    device: Some(Box::new(Device::new(*next_id, path, name))),
                    was_late: false,
                }
            },
        );
        if listed.is_err() {
            return Ok(());
        }
        self.read(cx.deadline);
        for (_, slot) in self.devices.known_mut() {
            slot.was_late = true;
            let Some(device) = slot.device.as_mut().filter(|device| device.fresh) else {
                cx.fault(CollectError::timed_out(slot.path.to_string_lossy()));
                continue;
            };
            slot.was_late = false;
            device.fresh = false;
            device.tell(cx, page);
        }
        Ok(())
    }
}

impl ThermalZone {
    /// Reads all devices but those that are still out; those that were late the last time come last.
    fn read(&mut self, deadline: Instant) {
        if self.devices.known_mut().is_empty() {
            return;
        }
        let now = Instant::now();
        let until = now + MOST_WAIT.min(deadline.saturating_duration_since(now).mul_f64(0.75));
        for late in [false, true] {
            let until = if late { until.min(Instant::now() + SECOND_CHANCE) } else { until };
            let slots = self.devices.known_mut().iter_mut().filter(|(_, slot)| slot.was_late == late);
            let jobs: Vec<Box<Device>> = slots.filter_map(|(_, slot)| slot.device.take()).collect();
            // Without a job this brings home what was out.
            if late && jobs.is_empty() {
                break;
            }
            let round = self.crew.run(jobs, until);
            for mut device in round.returned {
                // What it told is old; it is asked anew.
                device.fresh = false;
                self.put_back(device);
            }
            for device in round.done.into_iter().chain(round.skipped) {
                self.put_back(device);
            }
        }
    }

    fn put_back(&mut self, device: Box<Device>) {
        // A device that was late may be gone meanwhile; then nobody wants it.
        if let Some((_, slot)) = self.devices.known_mut().iter_mut().find(|(_, slot)| slot.id == device.id) {
            slot.device = Some(device);
        }
    }
}

const ZONE: &[u8] = b"thermal_zone";
const COOLING: &[u8] = b"cooling_device";

fn is_numbered(name: &[u8], prefix: &[u8]) -> bool {
    name.strip_prefix(prefix).and_then(|rest| rest.first()).is_some_and(u8::is_ascii_digit)
}

impl Device {
    fn new(id: u64, path: &Path, name: &[u8]) -> Self {
        let (number, files) = match name.strip_prefix(ZONE) {
            Some(number) => (number, Files::Zone { temp: attr(path, "temp"), told: None }),
            None => {
                let (cur, max) = (attr(path, "cur_state"), attr(path, "max_state"));
                (name.strip_prefix(COOLING).unwrap_or(name), Files::Cooling { cur, max, told: Ok(None) })
            }
        };
        Self { id, fresh: false, panic: None, number: number.to_vec(), kind: attr(path, "type"), files }
    }

    /// Writes what was read.
    fn tell(&mut self, cx: &mut Scrape, page: &mut Page) {
        if let Some(message) = self.panic.take() {
            return cx.fault(CollectError::failed(format!("{}: panicked: {message}", self.kind.path().display())));
        }
        match &mut self.files {
            Files::Zone { told, .. } => match told.take() {
                Some((kind, Ok(degrees))) => page.sample(&TEMP, &[kind.text(), &self.number], degrees),
                Some((_, Err(e))) => cx.fault(e),
                None => {}
            },
            Files::Cooling { told, .. } => match std::mem::replace(told, Ok(None)) {
                Ok(Some((kind, cur, max))) => {
                    page.sample(&CUR_STATE, &[&self.number, kind.text()], cur);
                    page.sample(&MAX_STATE, &[&self.number, kind.text()], max);
                }
                Ok(None) => {}
                Err(e) => cx.fault(e),
            },
        }
    }
}

fn attr(path: &Path, name: &str) -> KeptAttr {
    KeptAttr::new(path.join(name))
}

fn read_zone(kind: &mut KeptAttr, temp: &mut KeptAttr) -> io::Result<(Attr, Result<f64, CollectError>)> {
    let (kind, text) = (kind.read()?, temp.read()?);
    Ok((kind, text.number(temp.path(), "temp", parse_i64).map(|millidegrees| millidegrees as f64 / 1000.0)))
}

/// Type, current and highest step; `None` when the device is gone or keeps them to itself.
fn read_cooling(
    kind: &mut KeptAttr,
    cur: &mut KeptAttr,
    max: &mut KeptAttr,
) -> Result<Option<(Attr, f64, f64)>, CollectError> {
    let read = |attr: &mut KeptAttr| match attr.read() {
        Ok(text) => Ok(Some(text)),
        Err(e) if is_silence(&e) => Ok(None),
        Err(e) => Err(CollectError::io(attr.path(), e)),
    };
    let (Some(kind), Some(max_state), Some(cur_state)) = (read(kind)?, read(max)?, read(cur)?) else {
        return Ok(None);
    };
    let number = |attr: &KeptAttr, field, text: &Attr| text.number(attr.path(), field, parse_i64).map(|n| n as f64);
    Ok(Some((kind, number(cur, "cur_state", &cur_state)?, number(max, "max_state", &max_state)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    #[test]
    fn a_sensor_that_fails_costs_itself_alone() {
        let tree = [
            ("sys/class/thermal/thermal_zone0/type", "x86_pkg_temp\n"),
            ("sys/class/thermal/thermal_zone0/temp/", ""),
            ("sys/class/thermal/thermal_zone1/type", "acpitz\n"),
            ("sys/class/thermal/thermal_zone1/temp", "-3500\n"),
            ("sys/class/thermal/thermal_zone2/type", "acpitz\n"),
            ("sys/class/thermal/thermal_zone2/temp", "hot\n"),
            ("sys/class/thermal/cooling_device0/type", "Processor\n"),
            ("sys/class/thermal/cooling_device0/max_state", "10\n"),
            ("sys/class/thermal/cooling_device1/type", "intel_powerclamp\n"),
            ("sys/class/thermal/cooling_device1/max_state", "100\n"),
            ("sys/class/thermal/cooling_device1/cur_state", "-1\n"),
        ];
        let want = "node_cooling_device_cur_state{name=\"1\",type=\"intel_powerclamp\"} -1\n\
                    node_cooling_device_max_state{name=\"1\",type=\"intel_powerclamp\"} 100\n\
                    node_thermal_zone_temp{type=\"acpitz\",zone=\"1\"} -3.5\n\
                    ! sys/class/thermal/thermal_zone2/temp:1: temp: expected a whole number, found \"hot\"\n";
        let mut rig = Rig::new(&ROW, &tree, &[]);
        assert_eq!(rig.samples(), want);
        rig.remove("sys/class/thermal");
        assert_eq!(rig.samples(), "");
    }

    #[test]
    fn a_device_that_was_late_comes_back() {
        let tree = [
            ("sys/class/thermal/thermal_zone0/type", "acpitz\n"),
            ("sys/class/thermal/thermal_zone0/temp", "1000\n"),
            ("sys/class/thermal/thermal_zone1/type", "acpitz\n"),
            ("sys/class/thermal/thermal_zone1/temp", "2000\n"),
        ];
        let rig = Rig::new(&ROW, &tree, &[]);
        let dir = rig.root().join("sys/class/thermal");
        let mut collector =
            ThermalZone { devices: Devices::new(dir), crew: Crew::new("thermal", PATIENCE, 1), next_id: 0 };
        let mut page = Page::default();
        let mut scrape = |time| {
            page.clear();
            let mut cx = Scrape::new(Instant::now() + time);
            collector.update(&mut cx, &mut page).unwrap();
            (cx.faults().len(), page.samples())
        };
        // With no time at all a zone may or may not make it; each is told of once.
        for _ in 0..20 {
            let (faults, samples) = scrape(Duration::ZERO);
            assert_eq!(faults as u64 + samples, 2);
        }
        assert!((0..1000).any(|_| scrape(Duration::from_secs(5)) == (0, 2)));
    }

    #[test]
    fn only_numbered_entries_are_devices() {
        assert!(is_numbered(b"thermal_zone0", ZONE));
        assert!(is_numbered(b"thermal_zone12", ZONE));
        assert!(!is_numbered(b"thermal_zone", ZONE));
        assert!(!is_numbered(b"thermal_zonex", ZONE));
        assert!(!is_numbered(b"cooling_device0", ZONE));
    }
}
