//! Values: a text, a number, a time, from the JSON that stands in their place.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::record::Kind;
use common::time::parse_time;

/// A text, empty for null; `None` for anything else.
pub(super) fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    let json = raw.get();
    let quoted = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match quoted {
        Some(plain) if !plain.contains('\\') => Some(Cow::Borrowed(plain)),
        Some(_) => serde_json::from_str(json).ok().map(Cow::Owned),
        None => (json == "null").then_some(Cow::Borrowed("")),
    }
}

/// A boolean as text, empty for null; `None` for anything else.
pub(super) fn flag_text(raw: &RawValue) -> Option<Cow<'_, str>> {
    match raw.get() {
        flag @ ("true" | "false") => Some(Cow::Borrowed(flag)),
        json => (json == "null").then_some(Cow::Borrowed("")),
    }
}

/// A number, NaN for what is absent; `None` for what has no such type.
pub(super) fn number(kind: Kind, raw: &RawValue) -> Option<f64> {
    let json = raw.get();
    let absent = (json == "null").then_some(f64::NAN);
    match kind {
        Kind::Number => plain_number(json).or(absent),
        Kind::Rate => plain_number(json).or(match json {
            "\"Infinity\"" => Some(f64::INFINITY),
            "\"-Infinity\"" => Some(f64::NEG_INFINITY),
            "\"NaN\"" => Some(f64::NAN),
            _ => absent,
        }),
        Kind::Time if absent.is_some() => absent,
        Kind::Time => parse_time(&text(raw)?),
        Kind::Flag => match json {
            "true" => Some(1.0),
            "false" => Some(0.0),
            _ => absent,
        },
        Kind::Fault if absent.is_some() => Some(0.0),
        Kind::Fault => json.starts_with(['{', '"']).then_some(1.0),
        Kind::FaultText if absent.is_some() => absent,
        Kind::FaultText => text(raw).map(|text| f64::from(text != "no errors")),
        Kind::Text | Kind::FlagText | Kind::Raw => None,
    }
}

/// What no double holds is as good as garbage.
fn plain_number(json: &str) -> Option<f64> {
    if !json.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return None;
    }
    short_number(json).or_else(|| json.parse().ok().filter(|value: &f64| value.is_finite()))
}

/// Most numbers have up to 15 digits and no exponent: the digits and the power of ten are exact then, so that their
/// quotient is what the slow way gives.
fn short_number(json: &str) -> Option<f64> {
    const POWERS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let (mut digits, mut n_decimals, mut has_point) = (0_u64, 0, false);
    for b in json.get(..json.len().min(17))?.bytes() {
        match b {
            b'0'..=b'9' => {
                digits = digits * 10 + u64::from(b - b'0');
                n_decimals += usize::from(has_point);
            }
            b'.' => has_point = true,
            _ => return None,
        }
    }
    (json.len() <= 15 + usize::from(has_point)).then(|| Some(digits as f64 / POWERS.get(n_decimals)?)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, want: Option<f64>) {
        let raw: Box<RawValue> = serde_json::from_str(json).unwrap();
        assert_eq!(number(Kind::Rate, &raw), want, "{json}");
    }

    #[test]
    fn numbers() {
        check("0", Some(0.0));
        check("481.5", Some(481.5));
        check("-0.9659", Some(-0.9659));
        check("2.278E-5", Some(2.278e-5));
        check("0.30000000000000004", Some(0.300_000_000_000_000_04));
        check("999999999999999", Some(999_999_999_999_999.0));
        check("99999999999999.9", Some(99_999_999_999_999.9));
        check("0.00000000000001", Some(1e-14));
        check("9007199254740993", Some(9_007_199_254_740_992.0));
        check("18446744073709551615", Some(18_446_744_073_709_551_615.0));
        check("-9223372036854775808", Some(-9_223_372_036_854_775_808.0));
        check("\"Infinity\"", Some(f64::INFINITY));
        check("\"-Infinity\"", Some(f64::NEG_INFINITY));
    }

    #[test]
    fn no_numbers() {
        for json in ["1e999", "-1e999", "\"12\"", "\"infinity\"", "true", "[1]", "{\"a\":1}", "\"\""] {
            check(json, None);
        }
    }

    #[test]
    fn short_numbers_are_exact() {
        for whole in (0..1_000_000_000_000_u64).step_by(7_919_777_777) {
            for point in 1..12 {
                let mut text = format!("{whole:012}");
                text.insert(point, '.');
                let text =
                    text.trim_start_matches('0').replacen('.', if text.starts_with("0.") { "0." } else { "." }, 1);
                assert_eq!(short_number(&text), text.parse().ok(), "{text}");
            }
        }
    }
}
