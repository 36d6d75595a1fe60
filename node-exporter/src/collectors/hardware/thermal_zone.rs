//! Temperatures of thermal zones and states of cooling devices from `/sys/class/thermal`.
//!
//! * Source: kernel Documentation/driver-api/thermal/sysfs-api.rst.
//! * Units: file has millidegrees Celsius, we export degrees; states are steps of the device's own scale.
//! * Absent when: the machine has no thermal zones (most virtual machines): no samples, no error.
//! * Differs from the Go exporter: a zone that cannot be read has no sample, where 1.12 shows 0 °C; a cooling device
//!   that cannot be read costs itself alone.

use std::path::{Path, PathBuf};

use common::collector::{Collector, Row, Scrape};
use common::error::CollectError;
use common::exposition::{Desc, Page};
use common::fields::parse_i64;

use crate::fs::{Attr, Devices, KeptAttr, is_silence, sys_path};

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::on("thermal_zone", "temperatures and cooling, /sys/class/thermal", &[], |args| {
        Ok(Box::new(ThermalZone {
            zones: Devices::new(sys_path(args, "class/thermal")),
            cooling: Devices::new(sys_path(args, "class/thermal")),
        }))
    });

const TEMP: Desc =
    Desc::gauge("node_thermal_zone_temp", "Temperature of the zone in degrees Celsius.", &["type", "zone"]);
const CUR_STATE: Desc =
    Desc::gauge("node_cooling_device_cur_state", "Step at which the device cools now.", &["name", "type"]);
const MAX_STATE: Desc =
    Desc::gauge("node_cooling_device_max_state", "Highest step the device knows.", &["name", "type"]);

struct ThermalZone {
    zones: Devices<Zone>,
    cooling: Devices<Cooling>,
}

struct Zone {
    number: Vec<u8>,
    kind: KeptAttr,
    temp: KeptAttr,
}

struct Cooling {
    number: Vec<u8>,
    kind: KeptAttr,
    cur_state: KeptAttr,
    max_state: KeptAttr,
}

impl Collector for ThermalZone {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let zones = self.zones.refresh(|name, _| is_numbered(name, ZONE), Zone::new);
        for (_, zone) in zones.unwrap_or_default() {
            // Sensors may be switched off with the part they sit in; that is no fault of anyone.
            let (Ok(kind), Ok(temp)) = (zone.kind.read(), zone.temp.read()) else { continue };
            if let Some(millidegrees) = cx.ok(temp.number(zone.temp.path(), "temp", parse_i64)) {
                page.sample(&TEMP, &[kind.text(), &zone.number], millidegrees as f64 / 1000.0);
            }
        }
        let cooling = self.cooling.refresh(|name, _| is_numbered(name, COOLING), Cooling::new);
        for (_, device) in cooling.unwrap_or_default() {
            match device.read() {
                Ok(Some((kind, cur_state, max_state))) => {
                    page.sample(&CUR_STATE, &[&device.number, kind.text()], cur_state);
                    page.sample(&MAX_STATE, &[&device.number, kind.text()], max_state);
                }
                Ok(None) => {}
                Err(e) => cx.fault(e),
            }
        }
        Ok(())
    }
}

const ZONE: &[u8] = b"thermal_zone";
const COOLING: &[u8] = b"cooling_device";

fn is_numbered(name: &[u8], prefix: &[u8]) -> bool {
    name.strip_prefix(prefix).and_then(|rest| rest.first()).is_some_and(u8::is_ascii_digit)
}

impl Zone {
    fn new(path: &Path, name: &[u8]) -> Self {
        let number = name.strip_prefix(ZONE).unwrap_or(name).to_vec();
        Self { number, kind: attr(path, "type"), temp: attr(path, "temp") }
    }
}

fn attr(path: &Path, name: &str) -> KeptAttr {
    KeptAttr::new(PathBuf::from(path).join(name))
}

impl Cooling {
    fn new(path: &Path, name: &[u8]) -> Self {
        let number = name.strip_prefix(COOLING).unwrap_or(name).to_vec();
        Self {
            number,
            kind: attr(path, "type"),
            cur_state: attr(path, "cur_state"),
            max_state: attr(path, "max_state"),
        }
    }

    /// Type, current and highest step; `None` when the device is gone or keeps them to itself.
    fn read(&mut self) -> Result<Option<(Attr, f64, f64)>, CollectError> {
        let read = |attr: &mut KeptAttr| match attr.read() {
            Ok(text) => Ok(Some(text)),
            Err(e) if is_silence(&e) => Ok(None),
            Err(e) => Err(CollectError::io(attr.path(), e)),
        };
        let (Some(kind), Some(max), Some(cur)) =
            (read(&mut self.kind)?, read(&mut self.max_state)?, read(&mut self.cur_state)?)
        else {
            return Ok(None);
        };
        let number = |attr: &KeptAttr, field, text: &Attr| text.number(attr.path(), field, parse_i64).map(|n| n as f64);
        Ok(Some((kind, number(&self.cur_state, "cur_state", &cur)?, number(&self.max_state, "max_state", &max)?)))
    }
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
    fn only_numbered_entries_are_devices() {
        assert!(is_numbered(b"thermal_zone0", ZONE));
        assert!(is_numbered(b"thermal_zone12", ZONE));
        assert!(!is_numbered(b"thermal_zone", ZONE));
        assert!(!is_numbered(b"thermal_zonex", ZONE));
        assert!(!is_numbered(b"cooling_device0", ZONE));
    }
}
