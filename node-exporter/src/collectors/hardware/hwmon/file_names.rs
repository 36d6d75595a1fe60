//! The names of the files of a chip, such as `temp1_crit_alarm`: type of sensor, number, property.

use common::fields::parse_u64;

/// A name of a file taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found<'n> {
    pub(super) kind: SensorKind,
    /// Type and number; 0 for none.
    pub(super) sensor: String,
    pub(super) property: &'n [u8],
}

/// The types of sensor the kernel names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SensorKind {
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

    pub(super) const fn as_str(self) -> &'static str {
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
pub(super) fn split_name(name: &[u8]) -> Option<Found<'_>> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
