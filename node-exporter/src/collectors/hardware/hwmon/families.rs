//! The family each property of a sensor belongs to: name, help, and what makes the number in the file one in its unit.

use common::exposition::Kind;
use common::fields::parse_f64;

use super::file_names::SensorKind;
use super::naming::clean;

/// Where a value goes and what is done to it.
pub(super) struct Family {
    pub(super) name: String,
    /// The name when the sensor also has an attribute without a property that can be read.
    pub(super) beside_bare: Option<String>,
    pub(super) help: &'static str,
    pub(super) kind: Kind,
    pub(super) scale: Scale,
    /// Whether this is the attribute without a property.
    pub(super) bare: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
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
    pub(super) fn new(kind: SensorKind, property: &[u8]) -> Option<Self> {
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

impl Scale {
    /// `None` if the text is not a number.
    pub(super) fn apply(self, text: &[u8]) -> Option<f64> {
        Some(match self {
            Self::Flag => f64::from(u8::from(text == b"1")),
            Self::One => parse_f64(text)?,
            Self::Milli => parse_f64(text)? * 0.001,
            Self::Micro | Self::Labelled => parse_f64(text)? / 1_000_000.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
