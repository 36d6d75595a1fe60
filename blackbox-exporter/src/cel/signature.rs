//! What there is to call: CEL's standard library by names, styles and types, as the Go exporter offers it, without the conversion
//! between messages.

use Shape::{A, B, Bool, Bytes, Double, Duration, Dyn, Int, ListA, MapAB, Text, Timestamp, Type as Kind, Uint};

use super::types::Type;

/// The type of an argument or a result; `A` and `B` stand for any, the same wherever they stand in one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    Timestamp,
    Duration,
    Type,
    Dyn,
    A,
    B,
    ListA,
    MapAB,
}

/// What a call does; what it does depends on the values, so several rows share one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Op {
    Condition,
    Not,
    Negate,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Index,
    In,
    Size,
    ToBool,
    ToBytes,
    ToDouble,
    ToDuration,
    ToDyn,
    ToInt,
    ToText,
    ToTimestamp,
    ToUint,
    TypeOf,
    Contains,
    EndsWith,
    StartsWith,
    Matches,
    FullYear,
    Month,
    DayOfYear,
    DayOfMonth,
    Date,
    DayOfWeek,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

/// How something is called.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Style {
    Global,
    Member,
    Both,
}

use Style::{Both, Global, Member};

struct Row {
    op: Op,
    name: &'static str,
    style: Style,
    /// One list of types for each overload, the result last.
    overloads: &'static [&'static [Shape]],
}

const fn row(op: Op, name: &'static str, style: Style, overloads: &'static [&'static [Shape]]) -> Row {
    Row { op, name, style, overloads }
}

const ORDER: &[&[Shape]] = &[
    &[Bool, Bool, Bool],
    &[Int, Int, Bool],
    &[Uint, Uint, Bool],
    &[Double, Double, Bool],
    &[Text, Text, Bool],
    &[Bytes, Bytes, Bool],
    &[Timestamp, Timestamp, Bool],
    &[Duration, Duration, Bool],
];

const OF_DATE: &[&[Shape]] = &[&[Timestamp, Int], &[Timestamp, Text, Int]];
const OF_TIME: &[&[Shape]] = &[&[Timestamp, Int], &[Timestamp, Text, Int], &[Duration, Int]];

const TABLE: &[Row] = &[
    row(Op::Condition, "_?_:_", Global, &[&[Bool, A, A, A]]),
    row(Op::Not, "!_", Global, &[&[Bool, Bool]]),
    row(Op::Negate, "-_", Global, &[&[Int, Int], &[Double, Double]]),
    row(Op::Equal, "_==_", Global, &[&[A, A, Bool]]),
    row(Op::Unequal, "_!=_", Global, &[&[A, A, Bool]]),
    row(Op::Less, "_<_", Global, ORDER),
    row(Op::LessOrEqual, "_<=_", Global, ORDER),
    row(Op::Greater, "_>_", Global, ORDER),
    row(Op::GreaterOrEqual, "_>=_", Global, ORDER),
    row(
        Op::Add,
        "_+_",
        Global,
        &[
            &[Int, Int, Int],
            &[Uint, Uint, Uint],
            &[Double, Double, Double],
            &[Text, Text, Text],
            &[Bytes, Bytes, Bytes],
            &[ListA, ListA, ListA],
            &[Duration, Duration, Duration],
            &[Duration, Timestamp, Timestamp],
            &[Timestamp, Duration, Timestamp],
        ],
    ),
    row(
        Op::Subtract,
        "_-_",
        Global,
        &[
            &[Int, Int, Int],
            &[Uint, Uint, Uint],
            &[Double, Double, Double],
            &[Duration, Duration, Duration],
            &[Timestamp, Duration, Timestamp],
            &[Timestamp, Timestamp, Duration],
        ],
    ),
    row(Op::Multiply, "_*_", Global, &[&[Int, Int, Int], &[Uint, Uint, Uint], &[Double, Double, Double]]),
    row(Op::Divide, "_/_", Global, &[&[Int, Int, Int], &[Uint, Uint, Uint], &[Double, Double, Double]]),
    row(Op::Remainder, "_%_", Global, &[&[Int, Int, Int], &[Uint, Uint, Uint]]),
    row(Op::Index, "_[_]", Global, &[&[ListA, Int, A], &[MapAB, A, B]]),
    row(Op::In, "@in", Global, &[&[A, ListA, Bool], &[A, MapAB, Bool]]),
    row(Op::Size, "size", Both, &[&[Text, Int], &[Bytes, Int], &[ListA, Int], &[MapAB, Int]]),
    row(Op::ToBool, "bool", Global, &[&[Bool, Bool], &[Text, Bool]]),
    row(Op::ToBytes, "bytes", Global, &[&[Bytes, Bytes], &[Text, Bytes]]),
    row(Op::ToDouble, "double", Global, &[&[Double, Double], &[Int, Double], &[Uint, Double], &[Text, Double]]),
    row(Op::ToDuration, "duration", Global, &[&[Duration, Duration], &[Text, Duration]]),
    row(Op::ToDyn, "dyn", Global, &[&[A, Dyn]]),
    row(
        Op::ToInt,
        "int",
        Global,
        &[&[Int, Int], &[Uint, Int], &[Double, Int], &[Text, Int], &[Timestamp, Int], &[Duration, Int]],
    ),
    row(
        Op::ToText,
        "string",
        Global,
        &[
            &[Text, Text],
            &[Bool, Text],
            &[Bytes, Text],
            &[Double, Text],
            &[Int, Text],
            &[Uint, Text],
            &[Timestamp, Text],
            &[Duration, Text],
        ],
    ),
    row(Op::ToTimestamp, "timestamp", Global, &[&[Timestamp, Timestamp], &[Int, Timestamp], &[Text, Timestamp]]),
    row(Op::ToUint, "uint", Global, &[&[Uint, Uint], &[Int, Uint], &[Double, Uint], &[Text, Uint]]),
    row(Op::TypeOf, "type", Global, &[&[A, Kind]]),
    row(Op::Contains, "contains", Member, &[&[Text, Text, Bool]]),
    row(Op::EndsWith, "endsWith", Member, &[&[Text, Text, Bool]]),
    row(Op::StartsWith, "startsWith", Member, &[&[Text, Text, Bool]]),
    row(Op::Matches, "matches", Both, &[&[Text, Text, Bool]]),
    row(Op::FullYear, "getFullYear", Member, OF_DATE),
    row(Op::Month, "getMonth", Member, OF_DATE),
    row(Op::DayOfYear, "getDayOfYear", Member, OF_DATE),
    row(Op::DayOfMonth, "getDayOfMonth", Member, OF_DATE),
    row(Op::Date, "getDate", Member, OF_DATE),
    row(Op::DayOfWeek, "getDayOfWeek", Member, OF_DATE),
    row(Op::Hours, "getHours", Member, OF_TIME),
    row(Op::Minutes, "getMinutes", Member, OF_TIME),
    row(Op::Seconds, "getSeconds", Member, OF_TIME),
    row(Op::Milliseconds, "getMilliseconds", Member, OF_TIME),
];

/// What a call on such arguments does, and the type of its result: any, if several overloads fit and do not agree.
pub(super) fn resolve(name: &str, member: bool, arguments: &[Type]) -> Result<(Op, Type), String> {
    let style = if member { Member } else { Global };
    let rows = || TABLE.iter().filter(|row| row.name == name);
    if rows().next().is_none() {
        return Err(format!("{name}(): expected a function of the standard library, found none of this name"));
    }
    let mut found: Option<(Op, Type)> = None;
    for row in rows().filter(|row| row.style == style || row.style == Both) {
        for overload in row.overloads {
            let Some(result) = fits(overload, arguments) else { continue };
            found = Some(match found {
                Some((op, known)) if known != result => (op, Type::Dyn),
                _ => (row.op, result),
            });
        }
    }
    found.ok_or_else(|| {
        let arguments: Vec<String> = arguments.iter().map(Type::to_string).collect();
        format!("{name}: expected types it is defined for, found {}", arguments.join(", "))
    })
}

/// The result of an overload, if it takes such arguments.
fn fits(overload: &[Shape], arguments: &[Type]) -> Option<Type> {
    let (result, shapes) = overload.split_last().filter(|(_, shapes)| shapes.len() == arguments.len())?;
    let mut bound = Bound { a: Type::Free, b: Type::Free };
    shapes.iter().zip(arguments).all(|(shape, argument)| bound.takes(*shape, argument)).then(|| match result {
        A => bound.a.known(),
        B => bound.b.known(),
        ListA => Type::List(Box::new(bound.a)),
        other => plain(*other),
    })
}

struct Bound {
    a: Type,
    b: Type,
}

impl Bound {
    fn takes(&mut self, shape: Shape, argument: &Type) -> bool {
        match (shape, argument) {
            (A, argument) => bind(&mut self.a, argument),
            (B, argument) => bind(&mut self.b, argument),
            (ListA, Type::List(element)) => bind(&mut self.a, element),
            (MapAB, Type::Map(key, value)) => bind(&mut self.a, key) && bind(&mut self.b, value),
            (ListA | MapAB, Type::Dyn | Type::Free) | (Dyn, _) => true,
            (ListA | MapAB, _) => false,
            (shape, argument) => plain(shape).join(argument).is_some(),
        }
    }
}

fn bind(bound: &mut Type, argument: &Type) -> bool {
    bound.join(argument).map(|joined| *bound = joined).is_some()
}

fn plain(shape: Shape) -> Type {
    match shape {
        Bool => Type::Bool,
        Int => Type::Int,
        Uint => Type::Uint,
        Double => Type::Double,
        Text => Type::Text,
        Bytes => Type::Bytes,
        Timestamp => Type::Timestamp,
        Duration => Type::Duration,
        Kind => Type::Kind,
        Dyn | A | B | ListA | MapAB => Type::Dyn,
    }
}
