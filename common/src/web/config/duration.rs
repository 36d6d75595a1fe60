//! Durations as Go writes them: `300ms`, `1.5h`, `1m30s`; a bare `0` needs no unit.

use std::time::Duration;

/// Seconds per unit. Longer names first where one is the start of another.
const UNITS: &[(&str, f64)] =
    &[("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("μs", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

/// `None` when the text is no duration, negative, or longer than a Duration holds.
pub(super) fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut total) = (text, Duration::ZERO);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let seconds = UNITS.iter().find(|(name, _)| *name == unit)?.1;
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        total = total.checked_add(part)?;
        rest = tail;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: Option<u64>) {
        assert_eq!(parse(text).map(|d| d.as_millis() as u64), want, "{text}");
    }

    #[test]
    fn good() {
        check("0", Some(0));
        check("0s", Some(0));
        check("300ms", Some(300));
        check("1.5h", Some(5_400_000));
        check("1m30s", Some(90_000));
        check("2000us", Some(2));
    }

    #[test]
    fn bad() {
        for text in ["", "5", "s", "1m30", "-1s", "1 s", "1d", "1..5s", "1e400s", "999999999999999999999h"] {
            check(text, None);
        }
    }
}
