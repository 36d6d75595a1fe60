//! Numbers as the Go client library prints them, so that a plain `diff` of two pages shows only what moves.
//!
//! The digits are the shortest that read back as the same double; the exponent form is used below 1e-4 and from
//! 1e6 on, with a sign and at least two digits.

/// Doubles hold every whole number up to here, so the digits of the integer are the shortest ones.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Appends `value` in the text format's notation: `21`, `0.1`, `1e+06`, `1.234e-05`, `NaN`, `+Inf`, `-Inf`.
pub fn push_number(out: &mut Vec<u8>, value: f64) {
    if value == 0.0 {
        return out.push(b'0'); // also for -0.0
    }
    if !value.is_finite() {
        return out.extend_from_slice(if value.is_nan() {
            b"NaN"
        } else if value > 0.0 {
            b"+Inf"
        } else {
            b"-Inf"
        });
    }
    if value < 0.0 {
        out.push(b'-');
    }
    let magnitude = value.abs();
    if magnitude < EXACT && magnitude.trunc() == magnitude {
        let mut buffer = itoa::Buffer::new();
        // Whole and below 2^53: the conversion is exact.
        let digits = buffer.format(magnitude as u64).as_bytes();
        if digits.len() <= 6 {
            out.extend_from_slice(digits);
        } else {
            push_exponent(out, digits, digits.len() as i32 - 1);
        }
        return;
    }
    let mut buffer = zmij::Buffer::new();
    let printed = buffer.format_finite(magnitude).as_bytes();
    push_shortest(out, printed);
}

/// Rewrites `123.45`, `0.001`, `1.5e-7` or `1e300` into the notation above.
fn push_shortest(out: &mut Vec<u8>, printed: &[u8]) {
    let (mantissa, exponent) = match printed.iter().position(|&b| b == b'e') {
        Some(e) => (printed.get(..e).unwrap_or(printed), exponent_of(printed.get(e + 1..).unwrap_or_default())),
        None => (printed, 0),
    };
    let mut digits = [0_u8; 40];
    let (mut len, mut point, mut seen_point) = (0, 0_i32, false);
    for &b in mantissa {
        if b == b'.' {
            seen_point = true;
            continue;
        }
        if len == 0 && b == b'0' {
            // A leading zero before the point is no digit; one behind it moves the exponent.
            point -= i32::from(seen_point);
            continue;
        }
        if let Some(slot) = digits.get_mut(len) {
            *slot = b;
            len += 1;
            point += i32::from(!seen_point);
        }
    }
    let digits = digits.get(..len).unwrap_or_default();
    let scale = point - 1 + exponent; // value = d.ddd × 10^scale
    if !(-4..6).contains(&scale) {
        return push_exponent(out, digits, scale);
    }
    let digits = trim_zeros(digits);
    if scale < 0 {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', (-scale - 1) as usize));
        return out.extend_from_slice(digits);
    }
    let whole = scale as usize + 1;
    match digits.split_at_checked(whole) {
        Some((whole, fraction)) => {
            out.extend_from_slice(whole);
            if !fraction.is_empty() {
                out.push(b'.');
                out.extend_from_slice(fraction);
            }
        }
        None => {
            out.extend_from_slice(digits);
            out.extend(std::iter::repeat_n(b'0', whole - digits.len()));
        }
    }
}

/// `d.ddde±xx` from all digits of the number and the exponent of the first.
fn push_exponent(out: &mut Vec<u8>, digits: &[u8], scale: i32) {
    let digits = trim_zeros(digits);
    if let Some((first, rest)) = digits.split_first() {
        out.push(*first);
        if !rest.is_empty() {
            out.push(b'.');
            out.extend_from_slice(rest);
        }
    }
    out.extend_from_slice(if scale < 0 { b"e-" } else { b"e+" });
    let scale = scale.unsigned_abs();
    if scale < 10 {
        out.push(b'0');
    }
    out.extend_from_slice(itoa::Buffer::new().format(scale).as_bytes());
}

fn trim_zeros(digits: &[u8]) -> &[u8] {
    let end = digits.iter().rposition(|&b| b != b'0').map_or(0, |last| last + 1);
    digits.get(..end).unwrap_or(digits)
}

fn exponent_of(text: &[u8]) -> i32 {
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let value = digits.iter().fold(0_i32, |n, b| n.saturating_mul(10).saturating_add(i32::from(b.wrapping_sub(b'0'))));
    if negative { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: f64, want: &str) {
        let mut out = Vec::new();
        push_number(&mut out, value);
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }

    #[test]
    fn plain() {
        for (value, want) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-1.0, "-1"),
            (21.0, "21"),
            (1.5, "1.5"),
            (0.1, "0.1"),
            (100_000.0, "100000"),
            (100_000.5, "100000.5"),
            (999_999.0, "999999"),
            (999_999.9, "999999.9"),
            (123_456.789, "123456.789"),
            (0.0001, "0.0001"),
            (-273.15, "-273.15"),
            (20.0 + 1.0 / 3.0, "20.333333333333332"),
        ] {
            check(value, want);
        }
    }

    #[test]
    fn with_exponent() {
        for (value, want) in [
            (1_000_000.0, "1e+06"),
            (1_000_001.0, "1.000001e+06"),
            (1_234_567.0, "1.234567e+06"),
            (-1_234_567.0, "-1.234567e+06"),
            (12_345_678.9, "1.23456789e+07"),
            (2_097_152.0, "2.097152e+06"),
            (1_073_741_824.0, "1.073741824e+09"),
            (107_374_182_400.0, "1.073741824e+11"),
            (0.000_012_34, "1.234e-05"),
            (1e-10, "1e-10"),
            (1e20, "1e+20"),
            (1e21, "1e+21"),
            (3e300, "3e+300"),
            (18_446_744_073_709_551_615_u64 as f64, "1.8446744073709552e+19"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
        ] {
            check(value, want);
        }
    }

    #[test]
    fn not_finite() {
        check(f64::NAN, "NaN");
        check(f64::INFINITY, "+Inf");
        check(f64::NEG_INFINITY, "-Inf");
    }

    #[test]
    fn every_number_reads_back() {
        // A fixed walk over bit patterns; each must survive printing.
        let mut bits = 0x9E37_79B9_7F4A_7C15_u64;
        for _ in 0..20_000 {
            bits ^= bits << 13;
            bits ^= bits >> 7;
            bits ^= bits << 17;
            let value = f64::from_bits(bits);
            if value.is_finite() {
                let mut out = Vec::new();
                push_number(&mut out, value);
                let text = String::from_utf8(out).unwrap();
                assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits(), "{text}");
            }
        }
    }
}
