//! The numbers of mod_status: whole ones, C's `%g` as the Apache runtime prints it, percentages, sizes.
//!
//! * Source: apr_snprintf leaves out the zero before the point (`.04`), writes `1e-05`, `inf` and `nan`; sizes are
//!   `12K` since httpd 2.4.35, and before that four columns with a blank in place of `K` for plain bytes (`973 `).
//! * Units: a size becomes KiB, the unit mod_status has everywhere else; a percentage becomes a ratio.

use common::error::BadField;
use common::fields::parse_f64;

/// An amount of data; mod_status counts in KiB.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size {
    /// The amount in units of 1024 bytes.
    pub kib: f64,
    /// Written in the notation before httpd 2.4.35, which keeps three digits at most: no base for a rate.
    pub rounded: bool,
}

/// How a number is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Read {
    /// Never negative, never infinite.
    Count,
    /// Any number, `inf` and `nan` among them.
    Real,
    /// A whole number and a percent sign; gives a ratio.
    Percent,
}

impl Read {
    fn number(self, text: &[u8]) -> Option<f64> {
        match self {
            Self::Count => parse_count(text),
            Self::Real => parse_f64(text),
            Self::Percent => parse_count(text.strip_suffix(b"%").unwrap_or(text).trim_ascii_end()).map(|n| n / 100.0),
        }
    }

    const fn expected(self) -> &'static str {
        match self {
            Self::Count => "a number from 0",
            Self::Real => "a number",
            Self::Percent => "a percentage",
        }
    }
}

/// One key whose value is a number, and where that goes.
pub(super) struct Row<T: 'static> {
    pub(super) key: &'static str,
    pub(super) read: Read,
    pub(super) slot: fn(&mut T) -> &mut Option<f64>,
}

/// Puts `value` where the row of `key` says; `false` when there is no such row. A value that is no number leaves an
/// earlier one alone.
pub(super) fn fill<T>(rows: &[Row<T>], target: &mut T, line: u32, key: &[u8], value: &[u8]) -> Result<bool, BadField> {
    let Some(row) = rows.iter().find(|row| row.key.as_bytes() == key) else { return Ok(false) };
    let value = value.trim_ascii();
    let number = row.read.number(value).ok_or_else(|| BadField::new(line, row.key, row.read.expected(), value))?;
    *(row.slot)(target) = Some(number);
    Ok(true)
}

/// A number that counts something. Any size: what is beyond 2^53 loses its last digits, as in every sample.
pub(super) fn parse_count(text: &[u8]) -> Option<f64> {
    // Adding 0 makes a plain zero of -0.
    parse_f64(text).filter(|n| n.is_finite() && *n >= 0.0).map(|n| n + 0.0)
}

/// A size as the balancers print it; `text` with its blanks, since the last of them can be the unit.
pub(super) fn parse_size(text: &[u8]) -> Option<Size> {
    let (unit, digits) = text.split_last()?;
    let (factor, digits, older) = match unit.to_ascii_uppercase() {
        b'K' => (1.0, digits, false),
        b'M' => (1024.0, digits, true),
        b'G' => (1024.0 * 1024.0, digits, true),
        b'T' => (1024.0 * 1024.0 * 1024.0, digits, true),
        b'P' => (1024.0 * 1024.0 * 1024.0 * 1024.0, digits, true),
        b'E' => (1024.0 * 1024.0 * 1024.0 * 1024.0 * 1024.0, digits, true),
        b' ' => (1.0 / 1024.0, digits, true),
        // No httpd writes this; the Go exporter takes it for KiB.
        _ => (1.0, text, false),
    };
    let number = digits.trim_ascii();
    let rounded = older || digits.starts_with(b" ") || number.contains(&b'.');
    parse_count(number).map(|n| Size { kib: n * factor, rounded })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T: std::fmt::Debug>(parse: fn(&[u8]) -> T, cases: &[(&str, &str)]) {
        for (text, want) in cases {
            assert_eq!(format!("{:?}", parse(text.as_bytes())), *want, "{text:?}");
        }
    }

    #[test]
    fn counts() {
        check(
            parse_count,
            &[
                ("0", "Some(0.0)"),
                ("-0", "Some(0.0)"),
                (".0406386", "Some(0.0406386)"),
                ("1e-05", "Some(1e-5)"),
                ("1.2e+06", "Some(1200000.0)"),
                ("18446744073709551616", "Some(1.8446744073709552e19)"),
            ],
        );
        for bad in ["", ".", "-1", "inf", "nan", "1e999", "12x", "1 2", "n/a", "0x10", "1_000"] {
            check(parse_count, &[(bad, "None")]);
        }
    }

    #[test]
    fn reals() {
        check(
            |text| Read::Real.number(text),
            &[("-1.00", "Some(-1.0)"), ("inf", "Some(inf)"), ("nan", "Some(NaN)"), ("", "None"), ("1,5", "None")],
        );
    }

    #[test]
    fn percentages() {
        check(
            |text| Read::Percent.number(text),
            &[("12%", "Some(0.12)"), ("0%", "Some(0.0)"), ("7", "Some(0.07)"), ("%", "None"), ("-1%", "None")],
        );
    }

    #[test]
    fn sizes() {
        let size = |kib: &str, rounded: bool| format!("Some(Size {{ kib: {kib}, rounded: {rounded} }})");
        for (text, want) in [
            ("0K", size("0.0", false)),
            ("123456789K", size("123456789.0", false)),
            ("12k", size("12.0", false)),
            ("12", size("12.0", false)),
            ("  0 ", size("0.0", true)),
            ("512 ", size("0.5", true)),
            (" 12K", size("12.0", true)),
            ("5.4M", size("5529.6", true)),
            ("1.5G", size("1572864.0", true)),
            ("  2T", size("2147483648.0", true)),
            ("  1P", size("1099511627776.0", true)),
            ("  1E", size("1125899906842624.0", true)),
        ] {
            check(parse_size, &[(text, &want)]);
        }
        for bad in ["", " ", "K", "  - ", "5.4.M", "MM", "-1K", "infK", "1Y"] {
            check(parse_size, &[(bad, "None")]);
        }
    }
}
