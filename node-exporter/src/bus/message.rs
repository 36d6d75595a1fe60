//! Messages of D-Bus: ours are written here, those of others are read by zbus.
//!
//! Source: the D-Bus specification, "Message Protocol". Only zbus' wire format is in the program; its connections would
//! bring threads of their own, and 64 calls in flight on one socket need none.

use std::fmt;
use std::marker::PhantomData;

use common::fuzzing::Parser;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use zbus::wire::serialized::{Context, Data};
use zbus::wire::{DynamicType, Endian, Signature, Type};

/// What comes first in each message: byte order, kind, flags, version, lengths.
pub(super) const PREFIX: usize = 16;
/// The largest message that is read; the specification allows twice as much, and ten thousand units are 3 MB.
const MOST: usize = 64 << 20;

const METHOD_CALL: u8 = 1;
pub(super) const METHOD_RETURN: u8 = 2;
pub(super) const ERROR: u8 = 3;

/// A scrape starts no service that is not there.
const NO_AUTO_START: u8 = 2;

/// A call of a method whose arguments are strings, if it has any.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'c> {
    /// The name of the service; empty when there is no bus between.
    pub(crate) destination: &'c str,
    /// The object.
    pub(crate) path: &'c str,
    /// The interface of the method.
    pub(crate) interface: &'c str,
    /// The method.
    pub(crate) member: &'c str,
    /// Its arguments.
    pub(crate) texts: &'c [&'c str],
}

impl Call<'_> {
    /// Appends the message; little endian, which every peer has to read.
    pub(super) fn write(&self, serial: u32, out: &mut Vec<u8>) {
        let start = out.len();
        let mut out = Writer { out, start };
        out.out.extend_from_slice(&[b'l', METHOD_CALL, NO_AUTO_START, 1]);
        let body_length = out.number(0);
        out.number(serial);
        let fields_length = out.number(0);
        let fields = out.out.len();
        out.field(1, b'o', self.path);
        out.field(2, b's', self.interface);
        out.field(3, b's', self.member);
        if !self.destination.is_empty() {
            out.field(6, b's', self.destination);
        }
        if let Some(signature) = "ssss".get(..self.texts.len()).filter(|signature| !signature.is_empty()) {
            out.field(8, b'g', signature);
        }
        out.set(fields_length, out.out.len() - fields);
        out.pad(8);
        let body = out.out.len();
        for text in self.texts {
            out.text(text);
        }
        out.set(body_length, out.out.len() - body);
    }
}

struct Writer<'o> {
    out: &'o mut Vec<u8>,
    /// Where the message begins, from which all alignment counts.
    start: usize,
}

impl Writer<'_> {
    fn pad(&mut self, to: usize) {
        while !(self.out.len() - self.start).is_multiple_of(to) {
            self.out.push(0);
        }
    }

    /// Appends a number, gives its place.
    fn number(&mut self, n: u32) -> usize {
        self.pad(4);
        self.out.extend_from_slice(&n.to_le_bytes());
        self.out.len() - 4
    }

    fn set(&mut self, at: usize, n: usize) {
        if let Some(place) = self.out.get_mut(at..at + 4) {
            place.copy_from_slice(&u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes());
        }
    }

    fn text(&mut self, text: &str) {
        self.number(u32::try_from(text.len()).unwrap_or(u32::MAX));
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(0);
    }

    fn field(&mut self, code: u8, kind: u8, text: &str) {
        self.pad(8);
        self.out.extend_from_slice(&[code, 1, kind, 0]);
        if kind == b'g' {
            self.out.push(text.len() as u8);
            self.out.extend_from_slice(text.as_bytes());
            self.out.push(0);
        } else {
            self.text(text);
        }
    }
}

/// The length of the message that begins with `bytes`; `None` when more is needed to know.
pub(super) fn length(bytes: &[u8]) -> Result<Option<usize>, String> {
    let Some(&prefix) = bytes.first_chunk::<PREFIX>() else { return Ok(None) };
    let [order, _, _, version, a, b, c, d, _, _, _, _, e, f, g, h] = prefix;
    let number: fn([u8; 4]) -> u32 = match order {
        b'l' => u32::from_le_bytes,
        b'B' => u32::from_be_bytes,
        other => return Err(format!("expected a byte order, found {other:#04x}")),
    };
    if version != 1 {
        return Err(format!("expected version 1, found {version}"));
    }
    let (body, fields) = (number([a, b, c, d]) as usize, number([e, f, g, h]) as usize);
    match (PREFIX + fields).next_multiple_of(8) + body {
        length if length <= MOST => Ok(Some(length)),
        length => Err(format!("expected at most {MOST} bytes, found a message of {length}")),
    }
}

/// A whole message, which [`length`] has found.
pub(super) fn data(bytes: &[u8]) -> Data<'_, 'static> {
    let order = if bytes.first() == Some(&b'B') { Endian::Big } else { Endian::Little };
    Data::new(bytes, Context::new(order, 0))
}

/// What a message says of itself.
#[derive(Debug)]
pub(super) struct Header<'m> {
    pub(super) kind: u8,
    /// The serial of the call that is answered; no call has 0.
    pub(super) reply_to: u32,
    error: &'m str,
    signature: &'m str,
    body_at: usize,
}

impl<'m> Header<'m> {
    pub(super) fn read(data: &'m Data<'_, 'static>) -> Result<Self, String> {
        const FIELD: &Signature = &Signature::static_structure(&[&Signature::U8, &Signature::Variant]);
        const FIELDS: &Signature = &Signature::static_array(FIELD);
        const HEADER: &Signature = &Signature::static_structure(&[
            &Signature::U8,
            &Signature::U8,
            &Signature::U8,
            &Signature::U8,
            &Signature::U32,
            &Signature::U32,
            FIELDS,
        ]);
        type Parts<'m> = (u8, u8, u8, u8, u32, u32, Fields<'m>);
        let (parts, end) = data.deserialize_for_signature::<_, Parts<'m>>(HEADER).map_err(|e| e.to_string())?;
        let (_, kind, _, _, _, _, fields) = parts;
        let body_at = end.next_multiple_of(8);
        Ok(Self { kind, reply_to: fields.reply_to, error: fields.error, signature: fields.signature, body_at })
    }

    /// What the message carries.
    pub(super) fn body(&self, data: &Data<'m, 'static>) -> Result<Body<'m>, String> {
        if self.body_at > data.bytes().len() {
            return Err("expected a body".to_owned());
        }
        Ok(Body { data: data.slice(self.body_at..), signature: self.signature })
    }

    /// Why a call was not answered.
    pub(super) fn refusal<'r>(&self, body: &'r Body<'_>) -> Refusal<'r>
    where
        'm: 'r,
    {
        Refusal { name: self.error, text: body.text().unwrap_or_default() }
    }
}

#[derive(Default)]
struct Fields<'m> {
    reply_to: u32,
    error: &'m str,
    signature: &'m str,
}

impl<'m> Deserialize<'m> for Fields<'m> {
    fn deserialize<D: Deserializer<'m>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fill;
        impl<'m> Visitor<'m> for Fill {
            type Value = Fields<'m>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("fields of a header")
            }

            fn visit_seq<A: SeqAccess<'m>>(self, mut rows: A) -> Result<Fields<'m>, A::Error> {
                let mut fields = Fields::default();
                while let Some(field) = rows.next_element::<(u8, Value<'m>)>()? {
                    match field {
                        (4, Value::Text(text)) => fields.error = text,
                        (5, Value::Number(n)) => fields.reply_to = u32::try_from(n).unwrap_or_default(),
                        (8, Value::Text(text)) => fields.signature = text,
                        _ => {}
                    }
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_seq(Fill)
    }
}

/// What an answer carries.
pub(crate) struct Body<'m> {
    data: Data<'m, 'static>,
    signature: &'m str,
}

impl Body<'_> {
    /// The value of a property.
    pub(crate) fn value(&self) -> Result<Value<'_>, String> {
        self.expect("v")?;
        let value = self.data.deserialize_for_signature(&Signature::Variant);
        value.map(|(value, _)| value).map_err(|e| e.to_string())
    }

    /// Hands out the rows of a list of structures; those before one that is malformed have been handed out.
    pub(crate) fn rows<'b, R: Deserialize<'b> + Type>(&'b self, each: impl FnMut(R)) -> Result<(), String> {
        let expected = <[R]>::SIGNATURE;
        if *expected != self.signature {
            return Err(format!("expected {expected}, found {:?}", self.signature));
        }
        self.data.deserialize_with_seed(Rows { each, row: PhantomData }).map(drop).map_err(|e| e.to_string())
    }

    /// The text that begins it: of an error, the message.
    fn text(&self) -> Option<&str> {
        self.signature.starts_with('s').then_some(())?;
        self.data.deserialize_for_signature(&Signature::Str).ok().map(|(text, _)| text)
    }

    fn expect(&self, expected: &str) -> Result<(), String> {
        if self.signature == expected {
            return Ok(());
        }
        Err(format!("expected {expected}, found {:?}", self.signature))
    }
}

struct Rows<R, F> {
    each: F,
    row: PhantomData<R>,
}

impl<R: Type, F> DynamicType for Rows<R, F> {
    fn signature(&self) -> Signature {
        <[R]>::SIGNATURE.clone()
    }
}

impl<'b, R: Deserialize<'b>, F: FnMut(R)> DeserializeSeed<'b> for Rows<R, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'b>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'b, R: Deserialize<'b>, F: FnMut(R)> Visitor<'b> for Rows<R, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'b>>(mut self, mut rows: A) -> Result<(), A::Error> {
        while let Some(row) = rows.next_element()? {
            (self.each)(row);
        }
        Ok(())
    }
}

/// What is in a variant, as far as anybody here asks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'m> {
    /// A string, an object's path or a signature.
    Text(&'m str),
    /// A whole number that is not negative.
    Number(u64),
    /// A truth value.
    Bool(bool),
    /// Anything else.
    Other,
}

impl<'m> Deserialize<'m> for Value<'m> {
    fn deserialize<D: Deserializer<'m>>(deserializer: D) -> Result<Self, D::Error> {
        struct Outer;
        impl<'m> Visitor<'m> for Outer {
            type Value = Value<'m>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a variant")
            }

            /// A variant is a sequence of its signature and its value.
            fn visit_seq<A: SeqAccess<'m>>(self, mut parts: A) -> Result<Value<'m>, A::Error> {
                parts.next_element::<&str>()?;
                Ok(parts.next_element::<Inner<'m>>()?.map_or(Value::Other, |inner| inner.0))
            }
        }
        deserializer.deserialize_seq(Outer)
    }
}

struct Inner<'m>(Value<'m>);

impl<'m> Deserialize<'m> for Inner<'m> {
    fn deserialize<D: Deserializer<'m>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'m> Visitor<'m> for Any {
            type Value = Inner<'m>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_bool<E>(self, value: bool) -> Result<Inner<'m>, E> {
                Ok(Inner(Value::Bool(value)))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Inner<'m>, E> {
                Ok(Inner(Value::Number(value)))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Inner<'m>, E> {
                Ok(Inner(u64::try_from(value).map_or(Value::Other, Value::Number)))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Inner<'m>, E> {
                Ok(Inner(Value::Other))
            }

            fn visit_unit<E>(self) -> Result<Inner<'m>, E> {
                Ok(Inner(Value::Other))
            }

            fn visit_borrowed_str<E>(self, value: &'m str) -> Result<Inner<'m>, E> {
                Ok(Inner(Value::Text(value)))
            }

            fn visit_seq<A: SeqAccess<'m>>(self, mut parts: A) -> Result<Inner<'m>, A::Error> {
                while parts.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Inner(Value::Other))
            }

            fn visit_map<A: MapAccess<'m>>(self, mut parts: A) -> Result<Inner<'m>, A::Error> {
                while parts.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Inner(Value::Other))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// A call that was answered with an error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusal<'m> {
    name: &'m str,
    text: &'m str,
}

impl Refusal<'_> {
    /// Whether the object or the property is not there, which nobody need be told: units come and go, and older managers
    /// know fewer properties.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(
            self.name,
            "org.freedesktop.DBus.Error.UnknownObject"
                | "org.freedesktop.DBus.Error.UnknownInterface"
                | "org.freedesktop.DBus.Error.UnknownProperty"
                | "org.freedesktop.DBus.Error.UnknownMethod"
                | "org.freedesktop.systemd1.NoSuchUnit"
                | "org.freedesktop.login1.NoSuchSession"
        )
    }
}

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.text)
    }
}

/// For the fuzzer.
pub(crate) const PARSER: Parser = Parser::new("D-Bus message", feed, GOOD);

fn feed(bytes: &[u8]) {
    let Ok(Some(whole)) = length(bytes) else { return };
    let Some(bytes) = bytes.get(..whole) else { return };
    let data = data(bytes);
    let Ok(header) = Header::read(&data) else { return };
    let Ok(body) = header.body(&data) else { return };
    let _ = std::hint::black_box((body.value().is_ok(), header.refusal(&body).to_string()));
    let _ = body.rows(|row: (&str, &str, u64)| {
        std::hint::black_box(row);
    });
    // Whatever it says of itself, the bytes are fed to each reader.
    for signature in ["v", "s", "a(sst)"] {
        let body = Body { data: body.data.clone(), signature };
        let _ = std::hint::black_box((body.value().is_ok(), body.text().is_some()));
        let _ = body.rows(|row: (&str, &str, u64)| {
            std::hint::black_box(row);
        });
    }
}

/// The answer to a call with the serial 7: the text `simple` in a variant.
const GOOD: &[u8] =
    b"l\x02\x01\x01\x0f\0\0\0\x03\0\0\0\x0f\0\0\0\x05\x01u\0\x07\0\0\0\x08\x01g\0\x01v\0\0\x01s\0\0\x06\0\0\0simple\0";
