//! Types as they are known before a program runs.

use std::fmt;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Type {
    /// Known only when it runs: all that comes from the document.
    Dyn,
    /// Of nothing yet, like the elements of an empty list.
    Free,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    Timestamp,
    Duration,
    /// A type as a value.
    Kind,
    List(Box<Type>),
    Map(Box<Type>, Box<Type>),
}

impl Type {
    /// The more general of two types, if one can stand for the other.
    pub(super) fn join(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Free, known) | (known, Self::Free) => Some(known.clone()),
            (Self::Dyn, _) | (_, Self::Dyn) => Some(Self::Dyn),
            (Self::List(a), Self::List(b)) => Some(Self::List(Box::new(a.join(b)?))),
            (Self::Map(a, x), Self::Map(b, y)) => Some(Self::Map(Box::new(a.join(b)?), Box::new(x.join(y)?))),
            // These are messages, and a message may be null.
            (Self::Null, message @ (Self::Timestamp | Self::Duration))
            | (message @ (Self::Timestamp | Self::Duration), Self::Null) => Some(message.clone()),
            (a, b) => (a == b).then(|| a.clone()),
        }
    }

    /// What is of nothing may be anything.
    pub(super) fn known(self) -> Self {
        if self == Self::Free { Self::Dyn } else { self }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dyn | Self::Free => "dyn",
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::Text => "string",
            Self::Bytes => "bytes",
            Self::Timestamp => "timestamp",
            Self::Duration => "duration",
            Self::Kind => "type",
            Self::List(element) => return write!(f, "list({element})"),
            Self::Map(key, value) => return write!(f, "map({key}, {value})"),
        })
    }
}
