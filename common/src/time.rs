//! Times as other programs write them, to seconds since 1970.
//!
//! * Source: ISO 8601 in its extended form with `Z` or an offset (RFC 3339), with any number of digits of a second: the times of
//!   Logstash, and of container runtimes before each line of a log.
//! * Units: seconds since 1970-01-01 UTC; a double holds about a quarter of a microsecond of today's.

/// Reads `2026-06-16T09:25:11.004118207Z` or `2026-06-15T02:00:04+00:00`; `None` when it is anything else.
pub fn parse_time(text: &str) -> Option<f64> {
    let (date, rest) = text.split_at_checked(10)?;
    let (clock, rest) = rest.strip_prefix(['T', 't', ' '])?.split_at_checked(8)?;
    let [year, month, day] = parts(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = parts(clock, ':', [2, 2, 2])?;
    let fraction_len = rest.strip_prefix('.').map_or(0, |rest| 1 + digits_at_start(rest));
    let (fraction, zone) = rest.split_at_checked(fraction_len)?;
    // Second 60 is a leap second, which counts as the first of the next minute.
    let is_valid = (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60
        && fraction_len != 1;
    if !is_valid {
        return None;
    }
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset(zone)?;
    let fraction = if fraction.is_empty() { 0.0 } else { format!("0{fraction}").parse().ok()? };
    Some(seconds as f64 + fraction)
}

fn digits_at_start(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// Three numbers of so many digits each.
fn parts(text: &str, separator: char, digits: [usize; 3]) -> Option<[i64; 3]> {
    let mut numbers = [0; 3];
    let mut words = text.split(separator);
    for (number, digits) in numbers.iter_mut().zip(digits) {
        *number = whole(words.next()?, digits)?;
    }
    words.next().is_none().then_some(numbers)
}

fn whole(text: &str, digits: usize) -> Option<i64> {
    (text.len() == digits && digits_at_start(text) == digits).then(|| text.parse().ok()).flatten()
}

/// Seconds that a clock with this zone is ahead: `Z`, `+02:00`, `-0330`.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let (sign, digits) = zone.split_at_checked(1)?;
    let (hours, minutes) = digits.split_at_checked(2)?;
    let (hours, minutes) = (whole(hours, 2)?, whole(minutes.strip_prefix(':').unwrap_or(minutes), 2)?);
    let ahead = hours * 3600 + minutes * 60;
    match sign {
        _ if hours > 23 || minutes > 59 => None,
        "+" => Some(ahead),
        "-" => Some(-ahead),
        _ => None,
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(is_leap(year)),
        _ => 31,
    }
}

fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let leap_days = |years: i64| years.div_euclid(4) - years.div_euclid(100) + years.div_euclid(400);
    let before_year = (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969);
    before_year + (1..month).map(|month| days_in(year, month)).sum::<i64>() + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: Option<f64>) {
        assert_eq!(parse_time(text), want, "{text}");
    }

    #[test]
    fn what_programs_write() {
        check("1970-01-01T00:00:00Z", Some(0.0));
        check("2000-02-29T12:00:00.000Z", Some(951_825_600.0));
        check("2025-11-22T08:35:19.774Z", Some(1_763_800_519.774));
        check("2025-11-22T08:35:19.774403100Z", Some(1_763_800_519.774_403));
        check("2026-06-16T09:25:11.004118207Z", Some(1_781_601_911.004_118_2));
        check("2026-06-15T02:00:04+00:00", Some(1_781_488_804.0));
        check("2026-06-15T04:00:04.5+02:00", Some(1_781_488_804.5));
        check("2026-06-14T22:30:04-0330", Some(1_781_488_804.0));
    }

    #[test]
    fn far_away() {
        check("1969-12-31T23:59:59.5Z", Some(-0.5));
        check("1900-03-01T00:00:00Z", Some(-2_203_891_200.0));
        check("9999-12-31T23:59:60Z", Some(253_402_300_800.0));
        check("0000-01-01T00:00:00Z", Some(-62_167_219_200.0));
    }

    #[test]
    fn cut_short() {
        let good = "2026-06-15T04:00:04.5+02:00";
        for len in 0..good.len() {
            check(&good[..len], None);
        }
    }

    #[test]
    fn garbage() {
        for text in [
            "yesterday",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-06-15T24:00:00Z",
            "2026-06-15T02:60:00Z",
            "2026-06-15T02:00:04.Z",
            "2026-06-15T02:00:04+24:00",
            "2026-06-15T02:00:04*02:00",
            "2026-06-15T02:00:04Zulu",
            "+026-06-15T02:00:04Z",
            "2026-06-15T02-00-04Z",
            "二〇二六年六月十五日",
            "2026-06-15Tüü:00Z",
        ] {
            check(text, None);
        }
    }
}
