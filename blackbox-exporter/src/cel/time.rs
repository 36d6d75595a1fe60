//! Points in time (RFC 3339) and durations (as Go writes them: `1h30m`, `1.5s`), without any table of time zones.

use std::cmp::Ordering;

/// The years 1 to 9999.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

const DAY: i64 = 86_400;

#[derive(Clone, Copy, Debug)]
pub(super) struct Timestamp {
    /// Since 1970-01-01T00:00:00Z.
    seconds: i64,
    nanos: i64,
    /// Seconds that the clocks it was read from are ahead: it is shown with them, and is the same without.
    offset: i64,
}

/// A day and a time of it, counted as people do.
pub(super) struct Civil {
    pub(super) year: i64,
    /// From 1.
    pub(super) month: i64,
    /// From 1.
    pub(super) day: i64,
    /// From 0.
    pub(super) day_of_year: i64,
    /// From 0, which is Sunday.
    pub(super) weekday: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    pub(super) millisecond: i64,
}

impl Timestamp {
    pub(super) fn from_seconds(seconds: i64) -> Option<Self> {
        SECONDS.contains(&seconds).then_some(Self { seconds, nanos: 0, offset: 0 })
    }

    pub(super) fn seconds(self) -> i64 {
        self.seconds
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
        let mut number = |length: usize, mark: &str| -> Option<i64> {
            let (digits, after) = rest.split_at_checked(length)?;
            rest = after.strip_prefix(mark)?;
            whole(digits)
        };
        let (year, month, day) = (number(4, "-")?, number(2, "-")?, number(2, "T")?);
        let (hour, minute, second) = (number(2, ":")?, number(2, ":")?, number(2, "")?);
        let mut nanos = 0;
        if let Some(after) = rest.strip_prefix('.') {
            let length = after.bytes().take_while(u8::is_ascii_digit).count();
            let (digits, after) = after.split_at_checked(length)?;
            nanos = whole(format!("{digits:0<9}").get(..9).filter(|_| length > 0)?)?;
            rest = after;
        }
        let offset = if rest == "Z" { 0 } else { offset(rest)? };
        let length = match month {
            2 => 28 + i64::from(leap(year)),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let good = (1..=12).contains(&month) && (1..=length).contains(&day) && hour < 24 && minute < 60 && second < 60;
        let seconds = days(year, month, day) * DAY + hour * 3600 + minute * 60 + second - offset;
        (good && SECONDS.contains(&seconds)).then_some(Self { seconds, nanos, offset })
    }

    /// Later by so many nanoseconds.
    pub(super) fn plus(self, nanos: i64) -> Option<Self> {
        let sum = self.nanos + nanos.rem_euclid(1_000_000_000);
        let seconds = self.seconds + nanos.div_euclid(1_000_000_000) + sum / 1_000_000_000;
        SECONDS.contains(&seconds).then_some(Self { seconds, nanos: sum % 1_000_000_000, ..self })
    }

    /// The nanoseconds since `earlier`.
    pub(super) fn since(self, earlier: Self) -> Option<i64> {
        (self.seconds - earlier.seconds).checked_mul(1_000_000_000)?.checked_add(self.nanos - earlier.nanos)
    }

    /// As it is where clocks are `offset` seconds ahead.
    pub(super) fn civil(self, offset: i64) -> Civil {
        let local = self.seconds + offset;
        let (day_number, second) = (local.div_euclid(DAY), local.rem_euclid(DAY));
        let (year, month, day) = common::log::date_of(day_number);
        Civil {
            year,
            month,
            day,
            day_of_year: day_number - days(year, 1, 1),
            // 1970 began on a Thursday.
            weekday: (day_number + 4).rem_euclid(7),
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
            millisecond: self.nanos / 1_000_000,
        }
    }

    pub(super) fn order(self, other: Self) -> Ordering {
        (self.seconds, self.nanos).cmp(&(other.seconds, other.nanos))
    }

    /// RFC 3339, with as many digits of the second as it takes.
    pub(super) fn show(self) -> String {
        let Civil { year, month, day, hour, minute, second, .. } = self.civil(self.offset);
        let ahead = self.offset.abs();
        let zone = match self.offset {
            0 => "Z".to_owned(),
            offset => format!("{}{:02}:{:02}", if offset < 0 { '-' } else { '+' }, ahead / 3600, ahead / 60 % 60),
        };
        let fraction = format!(".{:09}", self.nanos);
        let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}{zone}")
    }
}

/// The seconds that clocks are ahead in `zone`: UTC or hours and minutes, as loosely as Go reads them.
pub(super) fn zone(zone: &str) -> Option<i64> {
    if matches!(zone, "" | "UTC" | "GMT") {
        return Some(0);
    }
    let (hours, minutes) = zone.strip_prefix(['+', '-']).unwrap_or(zone).split_once(':')?;
    let (hours, minutes) = (hours.parse::<u8>().ok()?, minutes.parse::<u8>().ok()?);
    let seconds = i64::from(hours) * 3600 + i64::from(minutes) * 60;
    (hours < 24 && minutes < 60).then_some(if zone.starts_with('-') { -seconds } else { seconds })
}

/// `±hh:mm` in seconds.
fn offset(text: &str) -> Option<i64> {
    let (sign, rest) = text.split_at_checked(1)?;
    let (hours, minutes) = rest.split_once(':').filter(|(hours, minutes)| hours.len() == 2 && minutes.len() == 2)?;
    let (hours, minutes) = (whole(hours)?, whole(minutes)?);
    let seconds = Some(hours * 3600 + minutes * 60).filter(|_| hours < 24 && minutes < 60)?;
    match sign {
        "+" => Some(seconds),
        "-" => Some(-seconds),
        _ => None,
    }
}

/// A duration in nanoseconds.
pub(super) fn duration(text: &str) -> Option<i64> {
    let (mut rest, negative) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (rest, text.starts_with('-')),
        None => (text, false),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut total: i128 = 0;
    loop {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (digits, after) = rest.split_at_checked(number)?;
        let (unit, after) = after.split_at(after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len()));
        let unit: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (before, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if (before.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return None;
        }
        // More digits than these are less than a nanosecond of any unit.
        let fraction = fraction.get(..fraction.len().min(15))?;
        let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let number =
            |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<i64>().ok().map(i128::from) };
        total = total.checked_add(number(before)? * unit + number(fraction)? * unit / scale)?;
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

fn whole(digits: &str) -> Option<i64> {
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

fn leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days since 1970-01-01.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_in_time_are_read_and_shown() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some("1970-01-01T00:00:00Z")),
            ("2024-02-29T23:59:59.120+02:00", Some("2024-02-29T23:59:59.12+02:00")),
            ("0001-01-01T00:00:00Z", Some("0001-01-01T00:00:00Z")),
            ("9999-12-31T23:59:59.999999999Z", Some("9999-12-31T23:59:59.999999999Z")),
            ("2023-02-29T00:00:00Z", None),
            ("2023-13-01T00:00:00Z", None),
            ("2023-01-01T24:00:00Z", None),
            ("2023-01-01 00:00:00Z", None),
            ("2023-01-01T00:00:00", None),
            ("2023-01-01T00:00:00.Z", None),
            ("2023-01-01", None),
            ("+023-01-01T00:00:00Z", None),
            ("é023-01-01T00:00:00Z", None),
            ("", None),
        ] {
            assert_eq!(Timestamp::parse(text).map(Timestamp::show).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn the_calendar_is_right_at_the_ends_of_years() {
        let civil = Timestamp::parse("2024-12-31T00:00:00Z").unwrap().civil(0);
        assert_eq!((civil.day_of_year, civil.weekday, civil.month, civil.day), (365, 2, 12, 31));
        let civil = Timestamp::parse("2024-12-31T23:30:00Z").unwrap().civil(3600);
        assert_eq!((civil.year, civil.day_of_year, civil.hour, civil.minute), (2025, 0, 0, 30));
    }

    #[test]
    fn durations_are_read() {
        for (text, expected) in [
            ("1s", Some(1_000_000_000)),
            ("1h30m", Some(5_400_000_000_000)),
            ("-1.5ms", Some(-1_500_000)),
            ("1.0000000000000000001s", Some(1_000_000_000)),
            (".5s", Some(500_000_000)),
            ("0", Some(0)),
            ("1", None),
            ("", None),
            (".s", None),
            ("1.2.3s", None),
            ("1d", None),
            ("99999999999h", None),
        ] {
            assert_eq!(duration(text), expected, "{text}");
        }
    }
}
