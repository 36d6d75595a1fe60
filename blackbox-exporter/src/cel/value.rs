//! Values while a program runs. Those of the document and of the program's literals are borrowed; the rest is counted.

use std::cmp::Ordering;
use std::ops::Deref;
use std::rc::Rc;

use super::json::Json;
use super::time::Timestamp;

#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Text<'a>),
    Bytes(Rc<[u8]>),
    List(List<'a>),
    Map(Map<'a>),
    Timestamp(Timestamp),
    /// Nanoseconds.
    Duration(i64),
    Type(TypeName),
}

/// What `type()` tells apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum TypeName {
    Null,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    List,
    Map,
    Timestamp,
    Duration,
    Type,
}

#[derive(Clone, Debug)]
pub(super) enum Text<'a> {
    Borrowed(&'a str),
    Built(Rc<str>),
}

#[derive(Clone, Debug)]
pub(super) enum List<'a> {
    Borrowed(&'a [Json]),
    Built(Rc<[Value<'a>]>),
}

#[derive(Clone, Debug)]
pub(super) enum Map<'a> {
    Borrowed(&'a [(Box<str>, Json)]),
    /// Written in the program, so short.
    Built(Rc<[(Value<'a>, Value<'a>)]>),
}

impl<'a> From<&'a Json> for Value<'a> {
    fn from(json: &'a Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(bool) => Self::Bool(*bool),
            Json::Number(number) => Self::Double(*number),
            Json::Text(text) => Self::Text(Text::Borrowed(text)),
            Json::List(list) => Self::List(List::Borrowed(list)),
            Json::Map(map) => Self::Map(Map::Borrowed(map)),
        }
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(Text::Built(text.into()))
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Built(text) => text,
        }
    }
}

impl<'a> List<'a> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Borrowed(list) => list.len(),
            Self::Built(list) => list.len(),
        }
    }

    pub(super) fn get(&self, index: usize) -> Option<Value<'a>> {
        match self {
            Self::Borrowed(list) => list.get(index).map(Value::from),
            Self::Built(list) => list.get(index).cloned(),
        }
    }
}

impl<'a> Map<'a> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Borrowed(map) => map.len(),
            Self::Built(map) => map.len(),
        }
    }

    /// The key and the value at a place.
    pub(super) fn entry(&self, index: usize) -> Option<(Value<'a>, Value<'a>)> {
        match self {
            Self::Borrowed(map) => {
                map.get(index).map(|(key, value)| (Value::Text(Text::Borrowed(key)), Value::from(value)))
            }
            Self::Built(map) => map.get(index).cloned(),
        }
    }

    /// A number finds a key of its own type, or else a whole one of another.
    pub(super) fn get(&self, key: &Value<'a>) -> Option<Value<'a>> {
        match self {
            Self::Borrowed(map) => {
                let Value::Text(key) = key else { return None };
                let at = map.binary_search_by(|(known, _)| (**known).cmp(key)).ok()?;
                map.get(at).map(|(_, value)| Value::from(value))
            }
            Self::Built(map) => {
                let exact = map.iter().find(|(known, _)| known.same_key(key));
                let other = || map.iter().find(|(known, _)| known.whole().is_some() && known.equals_simply(key));
                exact.or_else(other).map(|(_, value)| value.clone())
            }
        }
    }

    /// The value of a field.
    pub(super) fn field(&self, name: &'a str) -> Option<Value<'a>> {
        self.get(&Value::Text(Text::Borrowed(name)))
    }
}

impl<'a> Value<'a> {
    pub(super) fn type_name(&self) -> TypeName {
        match self {
            Self::Null => TypeName::Null,
            Self::Bool(_) => TypeName::Bool,
            Self::Int(_) => TypeName::Int,
            Self::Uint(_) => TypeName::Uint,
            Self::Double(_) => TypeName::Double,
            Self::Text(_) => TypeName::Text,
            Self::Bytes(_) => TypeName::Bytes,
            Self::List(_) => TypeName::List,
            Self::Map(_) => TypeName::Map,
            Self::Timestamp(_) => TypeName::Timestamp,
            Self::Duration(_) => TypeName::Duration,
            Self::Type(_) => TypeName::Type,
        }
    }

    /// Whether two values are one key of a map written in the program.
    pub(super) fn same_key(&self, other: &Self) -> bool {
        self.type_name() == other.type_name() && self.equals_simply(other)
    }

    /// Whether two values that hold no others are equal; values of different types are not, but for numbers.
    pub(super) fn equals_simply(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Type(a), Self::Type(b)) => a == b,
            _ => self.compare(other).is_some_and(|order| order == Some(Ordering::Equal)),
        }
    }

    /// The order of two values: none if their types have no order, and none inside if one is not a number.
    pub(super) fn compare(&self, other: &Self) -> Option<Option<Ordering>> {
        Some(match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Text(a), Self::Text(b)) => Some((**a).cmp(&**b)),
            (Self::Bytes(a), Self::Bytes(b)) => Some(a.cmp(b)),
            (Self::Timestamp(a), Self::Timestamp(b)) => Some(a.order(*b)),
            (Self::Duration(a), Self::Duration(b)) => Some(a.cmp(b)),
            (Self::Double(a), Self::Double(b)) => a.partial_cmp(b),
            (Self::Double(a), b) => whole(a, b.whole()?),
            (a, Self::Double(b)) => whole(b, a.whole()?).map(Ordering::reverse),
            (a, b) => Some(a.whole()?.cmp(&b.whole()?)),
        })
    }

    fn whole(&self) -> Option<i128> {
        match self {
            Self::Int(number) => Some(i128::from(*number)),
            Self::Uint(number) => Some(i128::from(*number)),
            _ => None,
        }
    }
}

/// The order of a double and a whole number, which is rounded to a double for it.
#[expect(clippy::cast_precision_loss, reason = "so does Go")]
fn whole(double: &f64, whole: i128) -> Option<Ordering> {
    double.partial_cmp(&(whole as f64))
}
