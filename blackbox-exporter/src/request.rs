//! What a request to `/probe` says: its query and its time limit.
//!
//! * The first value of a repeated parameter counts. A pair with a `;`, or with an escape that is none, is lost, as the Go
//!   exporter's library has it. Values are decoded once.
//! * The time limit is that of `X-Prometheus-Scrape-Timeout-Seconds` less `--timeout-offset`, and at most the module's.

/// What stands in for a header that is not there.
const USUAL_SECONDS: f64 = 120.0;

/// The first value of a parameter; `None` when it is not there.
pub fn first(query: &str, key: &str) -> Option<String> {
    query.split('&').filter(|pair| !pair.is_empty() && !pair.contains(';')).find_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        // Both have to be well-formed before the pair counts.
        let (name, value) = (decode(name)?, decode(value)?);
        (name == key).then_some(value)
    })
}

/// Percent-decoding; `None` when an escape is none.
fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        match b {
            b'+' => out.push(b' '),
            b'%' => out.push((digit()? * 16 + digit()?) as u8),
            b => out.push(b),
        }
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}

/// Seconds that a probe has: `header` is what Prometheus says, `offset` is kept back, `module` is the module's own limit
/// with 0 for none. May be 0 or less, in which case there is no time for anything.
///
/// # Errors
/// The header is no number.
pub fn time_limit(header: Option<&str>, offset: f64, module: f64) -> Result<f64, String> {
    let told = match header.map(str::trim).filter(|text| !text.is_empty()) {
        None => 0.0,
        Some(text) => number(text).ok_or_else(|| format!("expected a number, found {text:?}"))?,
    };
    let scrape = if told == 0.0 { USUAL_SECONDS } else { told } - offset;
    let limit = if (module > 0.0 && module < scrape) || scrape < 0.0 { module } else { scrape };
    // Neither can be waited for, and a probe without an end would be worse than one without time.
    Ok(if limit.is_finite() { limit } else { 0.0 })
}

/// A number as Go reads it: decimal, or hexadecimal with a binary exponent.
fn number(text: &str) -> Option<f64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) else {
        // "nan" has no sign there, which makes no difference to what comes of it.
        let number = digits.parse::<f64>().ok()?;
        // Too large is not the same as without end.
        return (number.is_finite() || !digits.starts_with(|c: char| c.is_ascii_digit())).then_some(sign * number);
    };
    let (mantissa, exponent) = hex.split_once(['p', 'P'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.len() + fraction.len() == 0 || exponent.is_empty() {
        return None;
    }
    let mut value = 0.0;
    for c in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(c.to_digit(16)?);
    }
    let shift = exponent.parse::<i32>().ok()?.checked_sub(i32::try_from(fraction.len()).ok()?.checked_mul(4)?)?;
    Some(sign * value * f64::from(shift).exp2())
}

/// For the fuzzer: everything here that reads foreign bytes.
pub(crate) fn feed(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    drop(first(&text, "target"));
    drop(time_limit(Some(&text), 0.5, 1.0));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_well_formed_value_counts() {
        for (query, want) in [
            ("target=a&target=b", Some("a")),
            ("&&target=a%3A1%2Fx+y", Some("a:1/x y")),
            ("target=%zz&target=b", Some("b")),
            ("target=%4", None),
            ("target=a;module=b", None),
            ("t%61rget=a", Some("a")),
            ("target", Some("")),
            ("Target=a", None),
            ("target=a=b", Some("a=b")),
            ("target=a%253A1", Some("a%3A1")),
            ("target=%ff", Some("\u{FFFD}")),
        ] {
            assert_eq!(first(query, "target").as_deref(), want, "{query}");
        }
    }

    #[test]
    fn time_limits() {
        for (header, offset, module, want) in [
            (None, 0.5, 0.0, 119.5),
            (Some(""), 0.5, 0.0, 119.5),
            (Some("0"), 0.5, 0.0, 119.5),
            (Some("5"), 0.5, 0.0, 4.5),
            (Some(" 5 "), 0.5, 1.0, 1.0),
            (Some("0.5"), 0.5, 0.0, 0.0),
            (Some("0.5"), 0.5, 1.0, 0.0),
            (Some("0.3"), 0.5, 1.0, 1.0),
            (Some("0.3"), 0.5, 0.0, 0.0),
            (Some("0.3"), 0.5, -5.0, -5.0),
            (Some("5"), 0.5, -5.0, 4.5),
            (Some("3"), -2.0, 0.0, 5.0),
            (Some("1e1"), 0.5, 0.0, 9.5),
            (Some("0x1p4"), 0.5, 0.0, 15.5),
            (Some("0x.8p5"), 0.5, 0.0, 15.5),
            (Some("inf"), 0.5, 0.0, 0.0),
            (Some("inf"), 0.5, 3.0, 3.0),
            (Some("nan"), 0.5, 3.0, 0.0),
        ] {
            assert_eq!(time_limit(header, offset, module), Ok(want), "{header:?} {offset} {module}");
        }
        for bad in ["abc", "5s", "--5", "0x1", "0xp1", "0x1p", "1_0", "1e400"] {
            assert!(time_limit(Some(bad), 0.5, 0.0).is_err(), "{bad}");
        }
    }
}
