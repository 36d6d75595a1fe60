//! Conversions between types, and how values look as text: as Go writes them.

use super::eval::{Meter, Trouble};
use super::functions::NO_OVERLOAD;
use super::signature::Op;
use super::time::{self, Timestamp};
use super::value::Value;

const RANGE: &str = "conversion: expected a number in range, found another";

const TEXT: &str = "conversion: expected a text of that type, found another";

pub(super) fn convert<'a>(op: Op, value: Value<'a>, meter: &mut Meter) -> Result<Value<'a>, Trouble> {
    if let Value::Text(text) = &value {
        meter.read(text.len())?;
    }
    Ok(match (op, value) {
        (Op::ToBool, value @ Value::Bool(_))
        | (Op::ToBytes, value @ Value::Bytes(_))
        | (Op::ToDouble, value @ Value::Double(_))
        | (Op::ToDuration, value @ Value::Duration(_))
        | (Op::ToInt, value @ Value::Int(_))
        | (Op::ToText, value @ Value::Text(_))
        | (Op::ToTimestamp, value @ Value::Timestamp(_))
        | (Op::ToUint, value @ Value::Uint(_)) => value,
        (Op::ToBool, Value::Text(text)) => Value::Bool(truth(&text).ok_or(TEXT)?),
        (Op::ToBytes, Value::Text(text)) => {
            meter.build(text.len())?;
            Value::Bytes(text.as_bytes().into())
        }
        (Op::ToDouble, Value::Int(number)) => Value::Double(rounded(i128::from(number))),
        (Op::ToDouble, Value::Uint(number)) => Value::Double(rounded(i128::from(number))),
        (Op::ToDouble, Value::Text(text)) => Value::Double(double(&text).ok_or(TEXT)?),
        (Op::ToDuration, Value::Text(text)) => Value::Duration(time::duration(&text).ok_or(TEXT)?),
        (Op::ToInt, Value::Uint(number)) => Value::Int(i64::try_from(number).map_err(|_| RANGE)?),
        (Op::ToInt, Value::Double(number)) => Value::Int(truncated(number).ok_or(RANGE)?),
        (Op::ToInt, Value::Text(text)) => Value::Int(text.parse().map_err(|_| TEXT)?),
        (Op::ToInt, Value::Timestamp(point)) => Value::Int(point.seconds()),
        (Op::ToInt, Value::Duration(nanos)) => Value::Int(nanos),
        (Op::ToUint, Value::Int(number)) => Value::Uint(u64::try_from(number).map_err(|_| RANGE)?),
        (Op::ToUint, Value::Double(number)) => Value::Uint(truncated_unsigned(number).ok_or(RANGE)?),
        // The standard library would take a plus.
        (Op::ToUint, Value::Text(text)) => {
            Value::Uint(text.parse().ok().filter(|_| !text.starts_with('+')).ok_or(TEXT)?)
        }
        (Op::ToText, Value::Bool(value)) => value.to_string().into(),
        (Op::ToText, Value::Int(number)) => number.to_string().into(),
        (Op::ToText, Value::Uint(number)) => number.to_string().into(),
        (Op::ToText, Value::Double(number)) => show(number).into(),
        (Op::ToText, Value::Timestamp(point)) => point.show().into(),
        (Op::ToText, Value::Duration(nanos)) => format!("{}s", rounded(i128::from(nanos)) / 1e9).into(),
        (Op::ToText, Value::Bytes(bytes)) => {
            meter.build(bytes.len())?;
            str::from_utf8(&bytes).map_err(|_| TEXT)?.to_owned().into()
        }
        (Op::ToTimestamp, Value::Int(seconds)) => Value::Timestamp(Timestamp::from_seconds(seconds).ok_or(RANGE)?),
        (Op::ToTimestamp, Value::Text(text)) => Value::Timestamp(Timestamp::parse(&text).ok_or(TEXT)?),
        _ => return Err(NO_OVERLOAD.into()),
    })
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// A number as Go's `strconv` reads it, but for hexadecimal ones.
fn double(text: &str) -> Option<f64> {
    let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let bytes = text.as_bytes();
    let between = |at: usize| at > 0 && digit(bytes.get(at - 1)) && digit(bytes.get(at + 1));
    if text.match_indices('_').any(|(at, _)| !between(at)) {
        return None;
    }
    let number: f64 = text.replace('_', "").parse().ok()?;
    // Out of range is an error, an infinity that is written is not; what is no number has no sign.
    let written = !bytes.iter().any(u8::is_ascii_digit);
    let signed = number.is_nan() && text.starts_with(['+', '-']);
    ((number.is_finite() || written) && !signed).then_some(number)
}

/// A number as Go writes it: the fewest digits that give it back, with an exponent if it is big or small.
fn show(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return number.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

#[expect(clippy::cast_precision_loss, reason = "a double is asked for")]
fn rounded(number: i128) -> f64 {
    number as f64
}

#[expect(clippy::cast_possible_truncation, reason = "it is in range, and the fraction is not asked for")]
fn truncated(number: f64) -> Option<i64> {
    let limit = rounded(i128::from(i64::MAX));
    (number > -limit && number < limit).then_some(number as i64)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "as above")]
fn truncated_unsigned(number: f64) -> Option<u64> {
    (number >= 0.0 && number < rounded(i128::from(u64::MAX))).then_some(number as u64)
}
