//! The standard library on values. The types were checked only as far as they were known, so each function sees to its own.

use std::cmp::Ordering;

use super::convert::convert;
use super::eval::{Meter, Trouble};
use super::signature::Op;
use super::time::{self, Timestamp};
use super::value::{List, Text, Value};
use crate::regexp::Regexp;

/// What the language calls a function that does not exist for such values.
pub(super) const NO_OVERLOAD: &str = "no such overload";

const OVERFLOW: &str = "expected a result that fits its type, found a bigger one";

const NO_ELEMENT: &str = "expected an element that exists, found none";

/// The longest regular expression that a document may bring, in bytes: unlike those of the program it is compiled at every use.
const MAX_PATTERN: usize = 1000;

type Outcome<'a> = Result<Value<'a>, Trouble>;

pub(super) fn one<'a>(op: Op, value: Value<'a>, meter: &mut Meter) -> Outcome<'a> {
    Ok(match (op, value) {
        (Op::Not, Value::Bool(value)) => Value::Bool(!value),
        (Op::Negate, Value::Int(value)) => Value::Int(value.checked_neg().ok_or(OVERFLOW)?),
        (Op::Negate, Value::Double(value)) => Value::Double(-value),
        (Op::Size, value) => return size(&value, meter),
        (Op::TypeOf, value) => Value::Type(value.type_name()),
        (Op::ToDyn, value) => value,
        (Op::Hours, Value::Duration(nanos)) => Value::Int(nanos / 3_600_000_000_000),
        (Op::Minutes, Value::Duration(nanos)) => Value::Int(nanos / 60_000_000_000),
        (Op::Seconds, Value::Duration(nanos)) => Value::Int(nanos / 1_000_000_000),
        (Op::Milliseconds, Value::Duration(nanos)) => Value::Int(nanos / 1_000_000),
        (op, Value::Timestamp(timestamp)) if is_part(op) => Value::Int(part(op, timestamp, 0)),
        (op, value) => return convert(op, value, meter),
    })
}

pub(super) fn two<'a>(op: Op, left: &Value<'a>, right: &Value<'a>, meter: &mut Meter) -> Outcome<'a> {
    match op {
        Op::Equal => Ok(Value::Bool(equal(left, right, meter)?)),
        Op::Unequal => Ok(Value::Bool(!equal(left, right, meter)?)),
        Op::Less => Ok(Value::Bool(order(left, right, meter)?.is_some_and(Ordering::is_lt))),
        Op::LessOrEqual => Ok(Value::Bool(order(left, right, meter)?.is_some_and(Ordering::is_le))),
        Op::Greater => Ok(Value::Bool(order(left, right, meter)?.is_some_and(Ordering::is_gt))),
        Op::GreaterOrEqual => Ok(Value::Bool(order(left, right, meter)?.is_some_and(Ordering::is_ge))),
        Op::Add => add(left, right, meter),
        Op::Subtract | Op::Multiply | Op::Divide | Op::Remainder => arithmetic(op, left, right),
        Op::Index => index(left, right, meter),
        Op::In => is_in(left, right, meter),
        Op::Contains | Op::StartsWith | Op::EndsWith | Op::Matches => on_text(op, left, right, meter),
        op => match (left, right) {
            (Value::Timestamp(timestamp), Value::Text(zone)) if is_part(op) => {
                let zone = time::zone(zone).ok_or("time zone: expected UTC or hours and minutes, found another")?;
                Ok(Value::Int(part(op, *timestamp, zone)))
            }
            _ => Err(NO_OVERLOAD.into()),
        },
    }
}

fn size<'a>(value: &Value<'a>, meter: &mut Meter) -> Outcome<'a> {
    let size = match value {
        Value::Text(text) => {
            meter.read(text.len())?;
            text.chars().count()
        }
        Value::Bytes(bytes) => bytes.len(),
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        _ => return Err(NO_OVERLOAD.into()),
    };
    Ok(Value::Int(i64::try_from(size).unwrap_or(i64::MAX)))
}

/// Values of different types are not equal, but for numbers; lists and maps are as their elements.
pub(super) fn equal<'a>(left: &Value<'a>, right: &Value<'a>, meter: &mut Meter) -> Result<bool, Trouble> {
    meter.step(1)?;
    match (left, right) {
        (Value::List(left), Value::List(right)) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            for at in 0..left.len() {
                match (left.get(at), right.get(at)) {
                    (Some(left), Some(right)) if equal(&left, &right, meter)? => {}
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }
        (Value::Map(left), Value::Map(right)) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            for at in 0..left.len() {
                let Some((key, value)) = left.entry(at) else { return Ok(false) };
                meter.step(8)?;
                match right.get(&key) {
                    Some(other) if equal(&value, &other, meter)? => {}
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }
        (Value::Text(left), Value::Text(right)) => {
            meter.read(left.len().min(right.len()))?;
            Ok(**left == **right)
        }
        (left, right) => Ok(left.equals_simply(right)),
    }
}

/// The order of two values; there is none with something that is not a number.
fn order(left: &Value<'_>, right: &Value<'_>, meter: &mut Meter) -> Result<Option<Ordering>, Trouble> {
    if let (Value::Text(left), Value::Text(right)) = (left, right) {
        meter.read(left.len().min(right.len()))?;
    }
    left.compare(right).ok_or_else(|| NO_OVERLOAD.into())
}

fn add<'a>(left: &Value<'a>, right: &Value<'a>, meter: &mut Meter) -> Outcome<'a> {
    Ok(match (left, right) {
        (Value::Text(left), Value::Text(right)) => {
            meter.build(left.len() + right.len())?;
            Value::from([&**left, &**right].concat())
        }
        (Value::Bytes(left), Value::Bytes(right)) => {
            meter.build(left.len() + right.len())?;
            Value::Bytes([&**left, &**right].concat().into())
        }
        (Value::List(left), Value::List(right)) => {
            meter.build((left.len() + right.len()) * size_of::<Value<'_>>())?;
            let elements = |list: &List<'a>| (0..list.len()).map_while(|at| list.get(at)).collect::<Vec<_>>();
            Value::List(List::Built([elements(left), elements(right)].concat().into()))
        }
        (Value::Duration(left), Value::Duration(right)) => Value::Duration(left.checked_add(*right).ok_or(OVERFLOW)?),
        (Value::Timestamp(point), Value::Duration(nanos)) | (Value::Duration(nanos), Value::Timestamp(point)) => {
            Value::Timestamp(point.plus(*nanos).ok_or(OVERFLOW)?)
        }
        _ => return arithmetic(Op::Add, left, right),
    })
}

/// Whole numbers of either sign have the same rules, and no trait in common.
macro_rules! whole {
    ($op:expr, $left:expr, $right:expr) => {
        match $op {
            Op::Divide | Op::Remainder if *$right == 0 => Err("expected a divisor, found zero"),
            Op::Add => $left.checked_add(*$right).ok_or(OVERFLOW),
            Op::Subtract => $left.checked_sub(*$right).ok_or(OVERFLOW),
            Op::Multiply => $left.checked_mul(*$right).ok_or(OVERFLOW),
            Op::Divide => $left.checked_div(*$right).ok_or(OVERFLOW),
            _ => $left.checked_rem(*$right).ok_or(OVERFLOW),
        }
    };
}

/// Only numbers of one type go together.
fn arithmetic<'a>(op: Op, left: &Value<'a>, right: &Value<'a>) -> Outcome<'a> {
    Ok(match (left, right) {
        (Value::Int(left), Value::Int(right)) => Value::Int(whole!(op, left, right)?),
        (Value::Uint(left), Value::Uint(right)) => Value::Uint(whole!(op, left, right)?),
        (Value::Double(left), Value::Double(right)) => Value::Double(match op {
            Op::Add => left + right,
            Op::Subtract => left - right,
            Op::Multiply => left * right,
            Op::Divide => left / right,
            _ => return Err(NO_OVERLOAD.into()),
        }),
        (Value::Duration(left), Value::Duration(right)) if op == Op::Subtract => {
            Value::Duration(left.checked_sub(*right).ok_or(OVERFLOW)?)
        }
        (Value::Timestamp(left), Value::Timestamp(right)) if op == Op::Subtract => {
            Value::Duration(left.since(*right).ok_or(OVERFLOW)?)
        }
        (Value::Timestamp(left), Value::Duration(right)) if op == Op::Subtract => {
            let earlier = right.checked_neg().and_then(|nanos| left.plus(nanos));
            Value::Timestamp(earlier.ok_or(OVERFLOW)?)
        }
        _ => return Err(NO_OVERLOAD.into()),
    })
}

fn index<'a>(of: &Value<'a>, index: &Value<'a>, meter: &mut Meter) -> Outcome<'a> {
    match of {
        Value::Map(map) => {
            meter.step(8)?;
            map.get(index).ok_or_else(|| NO_ELEMENT.into())
        }
        Value::List(list) => {
            let at = match index {
                Value::Int(at) => usize::try_from(*at).ok(),
                Value::Uint(at) => usize::try_from(*at).ok(),
                Value::Double(at) => place(*at),
                _ => return Err(NO_OVERLOAD.into()),
            };
            at.and_then(|at| list.get(at)).ok_or_else(|| NO_ELEMENT.into())
        }
        _ => Err(NO_OVERLOAD.into()),
    }
}

/// A place in a list: JSON has no other numbers than doubles.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole and in range")]
fn place(at: f64) -> Option<usize> {
    ((0.0..=f64::from(u32::MAX)).contains(&at) && at.fract() == 0.0).then_some(at as usize)
}

fn is_in<'a>(value: &Value<'a>, of: &Value<'a>, meter: &mut Meter) -> Outcome<'a> {
    match of {
        Value::List(list) => {
            for element in (0..list.len()).map_while(|at| list.get(at)) {
                if equal(value, &element, meter)? {
                    return Ok(Value::Bool(true));
                }
            }
            Ok(Value::Bool(false))
        }
        Value::Map(map) => {
            meter.step(8)?;
            Ok(Value::Bool(map.get(value).is_some()))
        }
        _ => Err(NO_OVERLOAD.into()),
    }
}

fn on_text<'a>(op: Op, text: &Value<'a>, other: &Value<'a>, meter: &mut Meter) -> Outcome<'a> {
    let (Value::Text(text), Value::Text(other)) = (text, other) else { return Err(NO_OVERLOAD.into()) };
    meter.read(text.len() + other.len())?;
    Ok(Value::Bool(match op {
        Op::Contains => text.contains(&**other),
        Op::StartsWith => text.starts_with(&**other),
        Op::EndsWith => text.ends_with(&**other),
        _ => matches(text, other, meter)?,
    }))
}

fn matches(text: &Text<'_>, pattern: &str, meter: &mut Meter) -> Result<bool, Trouble> {
    if pattern.len() > MAX_PATTERN {
        return Err("matches(): expected a regular expression of at most 1000 bytes, found a longer one".into());
    }
    // A class of many characters compiles to a hundred kilobytes.
    meter.step(pattern.len() * 1000)?;
    let regexp = Regexp::small(pattern).map_err(|_| "matches(): expected a regular expression, found another text")?;
    meter.step(text.len())?;
    Ok(regexp.is_match(text.as_bytes()))
}

fn is_part(op: Op) -> bool {
    matches!(
        op,
        Op::FullYear
            | Op::Month
            | Op::DayOfYear
            | Op::DayOfMonth
            | Op::Date
            | Op::DayOfWeek
            | Op::Hours
            | Op::Minutes
            | Op::Seconds
            | Op::Milliseconds
    )
}

/// A part of a point in time; all but the year and `getDate()` count from 0.
fn part(op: Op, timestamp: Timestamp, zone: i64) -> i64 {
    let civil = timestamp.civil(zone);
    match op {
        Op::FullYear => civil.year,
        Op::Month => civil.month - 1,
        Op::DayOfYear => civil.day_of_year,
        Op::DayOfMonth => civil.day - 1,
        Op::Date => civil.day,
        Op::DayOfWeek => civil.weekday,
        Op::Hours => civil.hour,
        Op::Minutes => civil.minute,
        Op::Seconds => civil.second,
        _ => civil.millisecond,
    }
}
