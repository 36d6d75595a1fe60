//! Batteries, mains adapters and UPSs from `/sys/class/power_supply`.
//!
//! * Source: kernel Documentation/ABI/testing/sysfs-class-power.
//! * Units: files have microvolts, microamperes, microwatts, micro-hours and tenths of a degree; we export volts,
//!   amperes, watts, watt-hours, ampere-hours and degrees Celsius.
//! * Absent when: there is no such class: no data. A machine without supplies has no samples and no error.
//! * Differs from the Go exporter: an attribute that cannot be read or is no number costs itself, not every supply;
//!   ignored supplies are not read; files that no family shows are not read.

use std::io;
use std::path::Path;
use std::sync::Arc;

use common::collector::{Collector, Row, Scrape};
use common::error::{CollectError, is_absent};
use common::exposition::{Desc, Page};
use common::fields::parse_auto;
use common::filter::Filter;
use common::flags::Flag;

use super::attributes::Attributes;
use crate::fs::{Attr, Devices, EntryKind, sys_path};

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::on("powersupplyclass", "batteries and adapters, /sys/class/power_supply", FLAGS, |args| {
        Ok(Box::new(PowerSupplies {
            supplies: Devices::new(sys_path(args, "class/power_supply")),
            ignored: Filter::from_args(args, "", IGNORED)?,
        }))
    });

const IGNORED: &str = "collector.powersupply.ignored-supplies";

const FLAGS: &[Flag] = &[Flag::text(IGNORED, "^$", "Pattern of the power supplies to leave out.")];

const INFO: &str = "node_power_supply_info";
const INFO_HELP: &str = "Always 1; the labels give what kind of supply it is and the state it is in.";

struct PowerSupplies {
    supplies: Devices<Supply>,
    ignored: Filter,
}

struct Supply {
    name: Arc<[u8]>,
    attributes: Attributes<Attribute>,
    /// Keys and values of the info series; only what is not empty is a label, and the keys of each supply stand in a
    /// place of their own.
    keys: Vec<&'static str>,
    values: Vec<Value>,
}

enum Value {
    Name(Arc<[u8]>),
    Text(Attr),
}

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Name(name) => name,
            Self::Text(attr) => attr.text(),
        }
    }
}

/// One file and the family it fills.
struct Attribute {
    file: &'static str,
    shows: Shows,
}

enum Shows {
    /// A label of the info series, of the name of the file.
    Label,
    /// A number, divided by so much.
    Number(Desc<'static>, f64),
}

impl Collector for PowerSupplies {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let Self { supplies, ignored } = self;
        let wanted = |name: &[u8], kind| kind != EntryKind::File && ignored.keeps(name);
        if let Err(e) = supplies.refresh(wanted, Supply::new) {
            return Err(CollectError::io(supplies.path(), e).absent_is_no_data("there is no class of power supplies"));
        }
        for (_, supply) in supplies.known_mut() {
            supply.update(cx, page);
        }
        Ok(())
    }
}

impl Supply {
    fn new(path: &Path, name: &[u8]) -> Self {
        Self { name: name.into(), attributes: Attributes::new(path), keys: Vec::new(), values: Vec::new() }
    }

    fn update(&mut self, cx: &mut Scrape, page: &mut Page) {
        self.keys.clear();
        self.values.clear();
        let attributes = match self.attributes.refresh(ATTRIBUTES, |row| row.file) {
            Ok(attributes) => attributes,
            // Unplugged since it was listed.
            Err(e) if is_absent(&e) => return,
            Err(e) => return cx.fault(CollectError::call(self.name.escape_ascii().to_string(), &e)),
        };
        for (row, file) in attributes {
            let attr = match decide(file.read()) {
                Ok(Some(attr)) => attr,
                Ok(None) => continue,
                Err(e) => {
                    cx.fault(CollectError::io(file.path(), e));
                    continue;
                }
            };
            match &row.shows {
                Shows::Label if attr.text().is_empty() => {}
                Shows::Label => {
                    self.keys.push(row.file);
                    self.values.push(Value::Text(attr));
                }
                Shows::Number(desc, divisor) => {
                    if let Some(number) = cx.ok(attr.number(file.path(), row.file, parse_auto)) {
                        page.sample(desc, &[&self.name], number as f64 / divisor);
                    }
                }
            }
        }
        let at = self.keys.partition_point(|&key| key < "power_supply");
        self.keys.insert(at, "power_supply");
        self.values.insert(at, Value::Name(Arc::clone(&self.name)));
        page.sample(&Desc::gauge(INFO, INFO_HELP, &self.keys), &self.values, 1.0);
    }
}

/// What becomes of an attribute: its text, nothing because the firmware does not have it (any more, or at this moment),
/// or a fault. The kernel's own power_supply_show_property takes the same words for no error.
fn decide(read: io::Result<Attr>) -> io::Result<Option<Attr>> {
    match read {
        Ok(attr) => Ok(Some(attr)),
        Err(e) if is_absent(&e) || matches!(e.raw_os_error(), Some(libc::ENODATA | libc::EAGAIN)) => Ok(None),
        Err(e) => Err(e),
    }
}

const fn label(file: &'static str) -> Attribute {
    Attribute { file, shows: Shows::Label }
}

const fn number(file: &'static str, divisor: f64, name: &'static str, help: &'static str) -> Attribute {
    Attribute { file, shows: Shows::Number(Desc::gauge(name, help, &["power_supply"]), divisor) }
}

const MICRO: f64 = 1e6;

/// Labels in the order of the bytes.
const ATTRIBUTES: &[Attribute] = &[
    label("capacity_level"),
    label("charge_type"),
    label("health"),
    label("manufacturer"),
    label("model_name"),
    label("scope"),
    label("serial_number"),
    label("status"),
    label("technology"),
    label("type"),
    label("usb_type"),
    number("authentic", 1.0, "node_power_supply_authentic", "Whether the battery takes itself for a genuine part."),
    number("calibrate", 1.0, "node_power_supply_calibrate", "Whether the battery is being calibrated."),
    number("capacity", 1.0, "node_power_supply_capacity", "Charge in percent of the last full charge."),
    number(
        "capacity_alert_max",
        1.0,
        "node_power_supply_capacity_alert_max",
        "Charge in percent above which the supply raises an alarm.",
    ),
    number(
        "capacity_alert_min",
        1.0,
        "node_power_supply_capacity_alert_min",
        "Charge in percent below which the supply raises an alarm.",
    ),
    number("cycle_count", 1.0, "node_power_supply_cyclecount", "Full charges and discharges of the battery so far."),
    number(
        "online",
        1.0,
        "node_power_supply_online",
        "Whether the supply delivers: 0 no, 1 at a fixed, 2 at a programmable voltage.",
    ),
    number("present", 1.0, "node_power_supply_present", "Whether the battery is in its place."),
    number(
        "time_to_empty_now",
        1.0,
        "node_power_supply_time_to_empty_seconds",
        "Seconds until the battery is empty at the present load.",
    ),
    number(
        "time_to_full_now",
        1.0,
        "node_power_supply_time_to_full_seconds",
        "Seconds until the battery is full at the present rate.",
    ),
    number("current_boot", MICRO, "node_power_supply_current_boot", "Current in amperes when the system was started."),
    number("current_max", MICRO, "node_power_supply_current_max", "Highest current in amperes the supply can deliver."),
    number("current_now", MICRO, "node_power_supply_current_ampere", "Current in amperes that flows now."),
    number(
        "energy_empty",
        MICRO,
        "node_power_supply_energy_empty",
        "Energy in watt-hours at which the battery last counted as empty.",
    ),
    number(
        "energy_empty_design",
        MICRO,
        "node_power_supply_energy_empty_design",
        "Energy in watt-hours at which the battery counts as empty by design.",
    ),
    number("energy_full", MICRO, "node_power_supply_energy_full", "Energy in watt-hours at the last full charge."),
    number(
        "energy_full_design",
        MICRO,
        "node_power_supply_energy_full_design",
        "Energy in watt-hours of a full charge by design.",
    ),
    number(
        "energy_now",
        MICRO,
        "node_power_supply_energy_watthour",
        "Energy in watt-hours that the battery holds now.",
    ),
    number("voltage_boot", MICRO, "node_power_supply_voltage_boot", "Voltage in volts when the system was started."),
    number(
        "voltage_max",
        MICRO,
        "node_power_supply_voltage_max",
        "Highest voltage in volts that was measured or is allowed.",
    ),
    number("voltage_max_design", MICRO, "node_power_supply_voltage_max_design", "Highest voltage in volts by design."),
    number(
        "voltage_min",
        MICRO,
        "node_power_supply_voltage_min",
        "Lowest voltage in volts that was measured or is allowed.",
    ),
    number("voltage_min_design", MICRO, "node_power_supply_voltage_min_design", "Lowest voltage in volts by design."),
    number("voltage_now", MICRO, "node_power_supply_voltage_volt", "Voltage in volts now."),
    number("voltage_ocv", MICRO, "node_power_supply_voltage_ocv", "Voltage in volts without load."),
    number(
        "charge_control_limit",
        MICRO,
        "node_power_supply_charge_control_limit",
        "Charge limit that is set, as the driver gives it, divided by a million.",
    ),
    number(
        "charge_control_limit_max",
        MICRO,
        "node_power_supply_charge_control_limit_max",
        "Highest charge limit that can be set, as the driver gives it, divided by a million.",
    ),
    number(
        "charge_counter",
        MICRO,
        "node_power_supply_charge_counter",
        "Charge in ampere-hours that has flowed since the counter began.",
    ),
    number(
        "charge_empty",
        MICRO,
        "node_power_supply_charge_empty",
        "Charge in ampere-hours at which the battery last counted as empty.",
    ),
    number(
        "charge_empty_design",
        MICRO,
        "node_power_supply_charge_empty_design",
        "Charge in ampere-hours at which the battery counts as empty by design.",
    ),
    number("charge_full", MICRO, "node_power_supply_charge_full", "Charge in ampere-hours at the last full charge."),
    number(
        "charge_full_design",
        MICRO,
        "node_power_supply_charge_full_design",
        "Charge in ampere-hours of a full charge by design.",
    ),
    number(
        "charge_now",
        MICRO,
        "node_power_supply_charge_ampere",
        "Charge in ampere-hours that the battery holds now.",
    ),
    number(
        "charge_term_current",
        MICRO,
        "node_power_supply_charge_term_current",
        "Current in amperes below which charging ends.",
    ),
    number(
        "constant_charge_current",
        MICRO,
        "node_power_supply_constant_charge_current",
        "Current in amperes at which the charger is set to charge.",
    ),
    number(
        "constant_charge_current_max",
        MICRO,
        "node_power_supply_constant_charge_current_max",
        "Highest current in amperes at which the charger can charge.",
    ),
    number(
        "constant_charge_voltage",
        MICRO,
        "node_power_supply_constant_charge_voltage",
        "Voltage in volts at which the charger is set to charge.",
    ),
    number(
        "constant_charge_voltage_max",
        MICRO,
        "node_power_supply_constant_charge_voltage_max",
        "Highest voltage in volts at which the charger can charge.",
    ),
    number(
        "precharge_current",
        MICRO,
        "node_power_supply_precharge_current",
        "Current in amperes with which an empty battery is first charged.",
    ),
    number(
        "input_current_limit",
        MICRO,
        "node_power_supply_input_current_limit",
        "Current in amperes that the supply may draw.",
    ),
    number("power_now", MICRO, "node_power_supply_power_watt", "Power in watts that flows now."),
    number("temp", 10.0, "node_power_supply_temp_celsius", "Temperature in degrees Celsius."),
    number(
        "temp_alert_max",
        10.0,
        "node_power_supply_temp_alert_max_celsius",
        "Temperature in degrees Celsius above which the supply raises an alarm.",
    ),
    number(
        "temp_alert_min",
        10.0,
        "node_power_supply_temp_alert_min_celsius",
        "Temperature in degrees Celsius below which the supply raises an alarm.",
    ),
    number(
        "temp_ambient",
        10.0,
        "node_power_supply_temp_ambient_celsius",
        "Temperature around the supply in degrees Celsius.",
    ),
    number(
        "temp_ambient_max",
        10.0,
        "node_power_supply_temp_ambient_max_celsius",
        "Temperature around the supply in degrees Celsius above which it raises an alarm.",
    ),
    number(
        "temp_ambient_min",
        10.0,
        "node_power_supply_temp_ambient_min_celsius",
        "Temperature around the supply in degrees Celsius below which it raises an alarm.",
    ),
    number(
        "temp_max",
        10.0,
        "node_power_supply_temp_max_celsius",
        "Highest temperature in degrees Celsius at which the supply may work.",
    ),
    number(
        "temp_min",
        10.0,
        "node_power_supply_temp_min_celsius",
        "Lowest temperature in degrees Celsius at which the supply may work.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    #[test]
    fn what_firmware_lacks_is_absent_and_what_it_fails_at_is_a_fault() {
        let outcome = |errno| decide(Err(io::Error::from_raw_os_error(errno))).map(|attr| attr.is_some());
        for errno in [libc::ENOENT, libc::ENODEV, libc::EOPNOTSUPP, libc::ENODATA, libc::EAGAIN] {
            assert!(!outcome(errno).unwrap(), "{errno}");
        }
        for errno in [libc::EINVAL, libc::EIO, libc::ETIMEDOUT, libc::EPERM] {
            assert!(outcome(errno).is_err(), "{errno}");
        }
    }

    #[test]
    fn a_bad_attribute_costs_itself_alone() {
        let tree = [
            ("sys/class/power_supply/BAT0/capacity", "75\n"),
            ("sys/class/power_supply/BAT0/voltage_now", "twelve\n"),
            ("sys/class/power_supply/BAT0/current_now", "-450000\n"),
            ("sys/class/power_supply/BAT0/temp", "315\n"),
            ("sys/class/power_supply/BAT0/status", "\n"),
            ("sys/class/power_supply/BAT0/type", "Battery\n"),
            ("sys/class/power_supply/BAT0/online/", ""),
            ("sys/class/power_supply/BAT0/no_such_attribute", "x"),
        ];
        let want = "node_power_supply_capacity{power_supply=\"BAT0\"} 75\n\
                    node_power_supply_current_ampere{power_supply=\"BAT0\"} -0.45\n\
                    node_power_supply_info{power_supply=\"BAT0\",type=\"Battery\"} 1\n\
                    node_power_supply_temp_celsius{power_supply=\"BAT0\"} 31.5\n\
                    ! sys/class/power_supply/BAT0/voltage_now:1: voltage_now: expected a whole number, found \"twelve\"\n";
        assert_eq!(Rig::new(&ROW, &tree, &[]).samples(), want);
    }

    #[test]
    fn supplies_come_and_go_and_may_be_ignored() {
        let tree = [("sys/class/power_supply/AC/online", "1\n"), ("sys/class/power_supply/hid/online", "0\n")];
        let mut rig = Rig::new(&ROW, &tree, &[(IGNORED, "^hid")]);
        let ac = "node_power_supply_info{power_supply=\"AC\"} 1\nnode_power_supply_online{power_supply=\"AC\"} 1\n";
        assert_eq!(rig.samples(), ac);
        rig.remove("sys/class/power_supply/AC/online");
        assert_eq!(rig.samples(), "node_power_supply_info{power_supply=\"AC\"} 1\n");
        rig.plant(&[("sys/class/power_supply/AC/online", "1\n")]);
        assert_eq!(rig.samples(), ac);
        rig.remove("sys/class/power_supply/AC");
        assert_eq!(rig.samples(), "");
        rig.remove("sys/class/power_supply");
        assert_eq!(rig.samples(), "! no data: there is no class of power supplies\n");
    }

    #[test]
    fn labels_stand_in_the_order_of_the_bytes() {
        let labels = ATTRIBUTES.iter().filter(|row| matches!(row.shows, Shows::Label)).map(|row| row.file);
        assert!(labels.is_sorted());
    }
}
