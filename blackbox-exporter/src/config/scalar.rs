//! What plain YAML scalars mean to the Go exporter: whole numbers, fractions, durations and sizes.
//!
//! All are pure: a text in, a value or nothing out.

/// What a plain scalar is read as.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Plain {
    /// Nothing, `~`, `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number from -2^63 to 2^64-1.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// A day, perhaps with a time.
    Time,
    /// None of these.
    Text,
}

/// Tells what a plain scalar is (YAML 1.2 core schema, with the octal numbers, underscores and times of YAML 1.1).
pub(super) fn plain(text: &str) -> Plain {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Plain::Null,
        "true" | "True" | "TRUE" => return Plain::Bool(true),
        "false" | "False" | "FALSE" => return Plain::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Plain::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Plain::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Plain::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let numeric = matches!(text.bytes().next(), Some(b'+' | b'-' | b'.' | b'0'..=b'9'));
    if !numeric || text.len() > 400 {
        return Plain::Text;
    }
    if is_time(text) {
        return Plain::Time;
    }
    let text = if text.starts_with('.') { text.to_owned() } else { text.replace('_', "") };
    if let Some(number) = whole(&text) {
        return Plain::Int(number);
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && is_decimal(&text) => Plain::Float(number),
        _ => Plain::Text,
    }
}

fn whole(text: &str) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (digits, radix) = match lower.as_bytes() {
        [b'0', b'x', ..] => (lower.get(2..)?, 16),
        [b'0', b'b', ..] => (lower.get(2..)?, 2),
        [b'0', b'o', ..] => (lower.get(2..)?, 8),
        [b'0', _, ..] => (lower.get(1..)?, 8),
        _ => (lower.as_str(), 10),
    };
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let number = i128::from(u64::from_str_radix(digits, radix).ok()?);
    let number = if negative { -number } else { number };
    (number >= i128::from(i64::MIN)).then_some(number)
}

/// Digits, a point, digits, an exponent: what `f64` would take beyond that is no number here.
fn is_decimal(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'+' | b'-' | b'e' | b'E'))
        && text.bytes().any(|b| b.is_ascii_digit())
}

/// `2006-1-2`, alone or with a time of day after `T`, `t` or a blank.
fn is_time(text: &str) -> bool {
    let (day, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (text.get(..at).unwrap_or(""), text.get(at + 1..)),
        None => (text, None),
    };
    let mut parts = day.split('-');
    let part = |text: Option<&str>, lengths: std::ops::RangeInclusive<usize>, most: u32| {
        text.is_some_and(|text| lengths.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()))
            && text.and_then(|text| text.parse::<u32>().ok()).is_some_and(|number| number <= most)
    };
    part(parts.next(), 4..=4, 9999)
        && part(parts.next(), 1..=2, 12)
        && part(parts.next(), 1..=2, 31)
        && parts.next().is_none()
        && time.is_none_or(|time| {
            let mut parts = time.splitn(3, ':');
            part(parts.next(), 1..=2, 23)
                && part(parts.next(), 1..=2, 59)
                && parts.next().is_some_and(|rest| rest.bytes().next().is_some_and(|b| b.is_ascii_digit()))
        })
}

/// One number with a unit at the start of a text.
struct Amount<'a> {
    /// Whole units.
    whole: u64,
    /// Parts of a unit, from 0 to less than 1.
    part: f64,
    unit: &'a str,
    rest: &'a str,
}

/// Reads `1.5` and what follows it up to the next digit or point.
fn amount(text: &str) -> Option<Amount<'_>> {
    let n_digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, mut rest) = text.split_at_checked(n_digits(text))?;
    let whole = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    let mut part = 0.0;
    let mut seen = !digits.is_empty();
    if let Some(after) = rest.strip_prefix('.') {
        let (digits, after) = after.split_at_checked(n_digits(after))?;
        seen |= !digits.is_empty();
        let digits = digits.get(..digits.len().min(30))?;
        part = if digits.is_empty() { 0.0 } else { format!("0.{digits}").parse().ok()? };
        rest = after;
    }
    if !seen {
        return None;
    }
    let end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at_checked(end)?;
    Some(Amount { whole, part, unit, rest })
}

fn sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// A duration such as `1m30s` or `-1.5ms`, in seconds. At most 2^63 nanoseconds, as the Go exporter has it.
pub(super) fn duration(text: &str) -> Option<f64> {
    let (negative, mut rest) = sign(text);
    if rest == "0" {
        return Some(0.0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let next = amount(rest)?;
        let unit: u64 = match next.unit {
            "ns" => 1,
            "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let nanoseconds = next.whole.checked_mul(unit)?.checked_add((next.part * unit as f64) as u64)?;
        total = total.checked_add(nanoseconds)?;
        rest = next.rest;
    }
    let most = if negative { 1 << 63 } else { i64::MAX as u64 };
    (total <= most).then_some(if negative { -(total as f64) } else { total as f64 } / 1e9)
}

/// Powers of 1024, by the first letters of their units.
const POWERS: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];

/// A size such as `1MB512KB`, in bytes; all units are powers of 1024. A negative one, or one of 2^63-1 and more, is the
/// largest there is, 2^63-2; beyond 2^63 it is none.
pub(super) fn size(text: &str) -> Option<u64> {
    const TOO_MUCH: f64 = (1_u64 << 63) as f64;
    /// Where the Go exporter stops to read digits.
    const MOST_WHOLE: u64 = 9_223_372_036_854_775_800;
    let (negative, mut rest) = sign(text);
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let next = amount(rest).filter(|next| next.whole < MOST_WHOLE)?;
        let power = POWERS.iter().position(|letter| {
            next.unit.strip_prefix(letter).is_some_and(|unit| unit == "B" || (unit == "iB" && !letter.is_empty()))
        })?;
        total += (next.whole as f64 + next.part) * 1024_f64.powi(power as i32);
        rest = next.rest;
    }
    if total > TOO_MUCH {
        return None;
    }
    let unlimited = (negative && total >= 1.0) || total >= TOO_MUCH;
    Some(if unlimited { i64::MAX as u64 - 1 } else { total as u64 })
}

/// A size the way [`size`] reads it, in the largest units that give whole numbers.
pub(super) fn show_size(bytes: u64) -> String {
    let mut shown = String::new();
    for (power, letter) in POWERS.iter().enumerate().rev() {
        let count = (bytes >> (10 * power)) & if power == 6 { u64::MAX } else { 1023 };
        if count > 0 {
            shown.push_str(&format!("{count}{letter}{}B", if power == 0 { "" } else { "i" }));
        }
    }
    if shown.is_empty() { "0B".to_owned() } else { shown }
}

/// A duration the way [`duration`] reads it: `1m30s`, `1.5s`, `20ms`.
pub(super) fn show_duration(seconds: f64) -> String {
    let nanoseconds = (seconds.abs() * 1e9).round() as u64;
    let sign = if seconds < 0.0 { "-" } else { "" };
    let fraction = |unit: u64, name: &str| {
        let digits = format!("{:0width$}", nanoseconds % unit, width = unit.ilog10() as usize);
        let digits = digits.trim_end_matches('0');
        let point = if digits.is_empty() || unit == 1 { String::new() } else { format!(".{digits}") };
        (point, name.to_owned())
    };
    let small = [(1_000, 1, "ns"), (1_000_000, 1_000, "\u{b5}s"), (1_000_000_000, 1_000_000, "ms")];
    if nanoseconds == 0 {
        return "0s".to_owned();
    }
    if let Some((_, unit, name)) = small.iter().find(|(below, ..)| nanoseconds < *below) {
        let (point, name) = fraction(*unit, name);
        return format!("{sign}{}{point}{name}", nanoseconds / unit);
    }
    let whole = nanoseconds / 1_000_000_000;
    let (point, _) = fraction(1_000_000_000, "s");
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    match (hours, minutes) {
        (0, 0) => format!("{sign}{seconds}{point}s"),
        (0, _) => format!("{sign}{minutes}m{seconds}{point}s"),
        _ => format!("{sign}{hours}h{minutes}m{seconds}{point}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars() {
        for (text, want) in [
            ("", Plain::Null),
            ("NULL", Plain::Null),
            ("nULL", Plain::Text),
            ("True", Plain::Bool(true)),
            ("yes", Plain::Text),
            ("12", Plain::Int(12)),
            ("-0x1F", Plain::Int(-31)),
            ("017", Plain::Int(15)),
            ("0o17", Plain::Int(15)),
            ("0b11", Plain::Int(3)),
            ("1_000", Plain::Int(1000)),
            ("18446744073709551615", Plain::Int(18_446_744_073_709_551_615)),
            ("08", Plain::Float(8.0)),
            ("1e3", Plain::Float(1000.0)),
            (".5", Plain::Float(0.5)),
            ("._5", Plain::Text),
            ("1e999", Plain::Text),
            ("inf", Plain::Text),
            ("-", Plain::Text),
            ("+e", Plain::Text),
            ("0x", Plain::Text),
            ("2001-01-01", Plain::Time),
            ("2001-1-1 10:00:00", Plain::Time),
            ("2001-13-01", Plain::Text),
            ("1.2.3.4", Plain::Text),
            ("5s", Plain::Text),
        ] {
            assert_eq!(plain(text), want, "{text}");
        }
    }

    #[test]
    fn durations() {
        for (text, want) in [
            ("0", Some(0.0)),
            ("0s", Some(0.0)),
            ("1.5s", Some(1.5)),
            ("1m30s", Some(90.0)),
            ("-5s", Some(-5.0)),
            ("+1h", Some(3600.0)),
            (".5s", Some(0.5)),
            ("1.s", Some(1.0)),
            ("500ms", Some(0.5)),
            ("7\u{b5}s", Some(7e-6)),
            ("", None),
            ("-", None),
            ("5", None),
            ("1d", None),
            ("1 s", None),
            ("s", None),
            (".s", None),
            ("5S", None),
            ("1s ", None),
            ("2562048h", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(duration(text), want, "{text}");
        }
        for text in ["1m30s", "1.5s", "1h0m0s", "20ms", "1.5ms", "7\u{b5}s", "1ns", "-5s", "10m0s", "0s"] {
            assert_eq!(duration(text).map(show_duration).as_deref(), Some(text));
        }
    }

    #[test]
    fn sizes() {
        let unlimited = Some(9_223_372_036_854_775_806);
        for (text, want) in [
            ("0", Some(0)),
            ("10B", Some(10)),
            ("1MB512KB", Some(1_572_864)),
            ("1.5MiB", Some(1_572_864)),
            ("-1MB", unlimited),
            ("8EB", unlimited),
            ("9EB", None),
            ("9223372036854775799B", unlimited),
            ("9223372036854775800B", None),
            ("1", None),
            ("1K", None),
            ("1mb", None),
            ("1b", None),
            ("1 MB", None),
            ("1iB", None),
            ("", None),
            ("MB", None),
        ] {
            assert_eq!(size(text), want, "{text}");
        }
        for text in ["10B", "1MiB512KiB", "7EiB1023PiB1023TiB1023GiB1023MiB1023KiB1022B"] {
            assert_eq!(size(text).map(show_size).as_deref(), Some(text));
        }
    }
}
