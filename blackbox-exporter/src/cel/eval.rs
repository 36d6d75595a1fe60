//! Runs a checked expression over a document.
//!
//! What goes wrong is a value of its own kind until it must be told: `&&` and `||` forget it when another term decides. Only the
//! [`Meter`] cannot be talked out of it: it counts steps against the deadline and bounds what is built.

use std::borrow::Cow;
use std::time::Instant;

use super::check::Node;
use super::functions;
use super::json::Json;
use super::parser::Each;
use super::signature::Op;
use super::value::{List, Map, Text, Value};
use crate::regexp::Regexp;

/// How many steps are taken between two looks at the clock.
const STEPS: usize = 4096;

/// How much may be built during one run, in bytes, roughly. Go has no bound but the memory there is.
const ROOM: usize = 64 << 20;

/// Why there is no value.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Part of the language: `&&` and `||` may get over it.
    Error(Cow<'static, str>),
    /// The end of it: too much was built.
    Full,
    /// The end of it: the time was over.
    Late,
}

impl From<&'static str> for Trouble {
    fn from(text: &'static str) -> Self {
        Self::Error(text.into())
    }
}

/// Counts what a run costs.
pub(super) struct Meter {
    deadline: Instant,
    steps: usize,
    room: usize,
}

impl Meter {
    pub(super) fn new(deadline: Instant) -> Self {
        Self { deadline, steps: 0, room: ROOM }
    }

    /// Takes so many steps of about the same small time.
    pub(super) fn step(&mut self, steps: usize) -> Result<(), Trouble> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps < STEPS {
            return Ok(());
        }
        self.steps = 0;
        if Instant::now() >= self.deadline { Err(Trouble::Late) } else { Ok(()) }
    }

    /// Looks at bytes, or makes so many new ones.
    pub(super) fn read(&mut self, bytes: usize) -> Result<(), Trouble> {
        self.step(bytes / 64 + 1)
    }

    pub(super) fn build(&mut self, bytes: usize) -> Result<(), Trouble> {
        self.room = self.room.checked_sub(bytes).ok_or(Trouble::Full)?;
        self.read(bytes)
    }
}

pub(super) struct Run<'a> {
    body: &'a Json,
    /// Of the macros around, the outermost first.
    variables: Vec<Value<'a>>,
    meter: Meter,
}

impl<'a> Run<'a> {
    pub(super) fn new(body: &'a Json, meter: Meter) -> Self {
        Self { body, variables: Vec::new(), meter }
    }

    /// Calls itself for the parts: what needs room of its own is in functions of its own, for the sake of the stack.
    pub(super) fn value(&mut self, node: &'a Node) -> Result<Value<'a>, Trouble> {
        self.meter.step(1)?;
        match node {
            Node::Select(of, field) => self.value(of).and_then(|of| select(&of, field)),
            Node::Has(of, field) => self.value(of).and_then(|of| has(&of, field)),
            Node::Call(Op::Condition, parts) => self.condition(parts),
            Node::Call(op, arguments) => self.call(*op, arguments),
            Node::Matches(text, regexp) => self.value(text).and_then(|text| self.matches(&text, regexp.as_ref())),
            Node::And(terms) => self.decide(terms, false),
            Node::Or(terms) => self.decide(terms, true),
            Node::List(elements) => self.list(elements),
            Node::Map(entries) => self.map(entries),
            Node::Each { what, range, first, second } => self.each(*what, range, first, second.as_deref()),
            leaf => self.leaf(leaf),
        }
    }

    fn leaf(&self, node: &'a Node) -> Result<Value<'a>, Trouble> {
        Ok(match node {
            Node::Bool(value) => Value::Bool(*value),
            Node::Int(value) => Value::Int(*value),
            Node::Uint(value) => Value::Uint(*value),
            Node::Double(value) => Value::Double(*value),
            Node::Text(value) => Value::Text(Text::Borrowed(value)),
            Node::Bytes(value) => Value::Bytes(value.as_slice().into()),
            Node::Type(value) => Value::Type(*value),
            Node::Body => self.body.into(),
            Node::Variable(at) => self.variables.get(*at).cloned().ok_or("variable: expected a value, found none")?,
            _ => Value::Null,
        })
    }

    fn matches(&mut self, text: &Value<'a>, regexp: Option<&Regexp>) -> Result<Value<'a>, Trouble> {
        let Value::Text(text) = text else { return Err(functions::NO_OVERLOAD.into()) };
        let regexp = regexp.ok_or("matches(): expected a regular expression, found another text")?;
        self.meter.step(text.len())?;
        Ok(Value::Bool(regexp.is_match(text.as_bytes())))
    }

    fn list(&mut self, elements: &'a [Node]) -> Result<Value<'a>, Trouble> {
        self.meter.build(size_of::<Value<'_>>() * elements.len())?;
        let mut built = Vec::with_capacity(elements.len());
        for element in elements {
            built.push(self.value(element)?);
        }
        Ok(Value::List(List::Built(built.into())))
    }

    fn condition(&mut self, parts: &'a [Node]) -> Result<Value<'a>, Trouble> {
        let [condition, yes, no] = parts else { return Err(functions::NO_OVERLOAD.into()) };
        match self.value(condition)? {
            Value::Bool(true) => self.value(yes),
            Value::Bool(false) => self.value(no),
            _ => Err(functions::NO_OVERLOAD.into()),
        }
    }

    fn call(&mut self, op: Op, arguments: &'a [Node]) -> Result<Value<'a>, Trouble> {
        match arguments {
            [only] => {
                let only = self.value(only)?;
                functions::one(op, only, &mut self.meter)
            }
            [first, second] => {
                let (first, second) = (self.value(first)?, self.value(second)?);
                functions::two(op, &first, &second, &mut self.meter)
            }
            _ => Err(functions::NO_OVERLOAD.into()),
        }
    }

    /// `||` if `decisive` is true, else `&&`: the first term that is decisive ends it, errors or not.
    fn decide(&mut self, terms: &'a [Node], decisive: bool) -> Result<Value<'a>, Trouble> {
        let mut trouble = None;
        for term in terms {
            match self.value(term) {
                Ok(Value::Bool(value)) if value == decisive => return Ok(Value::Bool(decisive)),
                Ok(Value::Bool(_)) => {}
                Ok(_) => trouble = trouble.or(Some(functions::NO_OVERLOAD.into())),
                Err(Trouble::Error(error)) => trouble = trouble.or(Some(Trouble::Error(error))),
                Err(stop) => return Err(stop),
            }
        }
        trouble.map_or(Ok(Value::Bool(!decisive)), Err)
    }

    fn map(&mut self, entries: &'a [(Node, Node)]) -> Result<Value<'a>, Trouble> {
        let mut built: Vec<(Value<'a>, Value<'a>)> = Vec::new();
        self.meter.build(2 * size_of::<Value<'_>>() * entries.len())?;
        for (key, value) in entries {
            let (key, value) = (self.value(key)?, self.value(value)?);
            self.meter.step(built.len())?;
            // The last of equal keys counts; keys of different types are not equal here.
            built.retain(|(known, _)| !known.same_key(&key));
            built.push((key, value));
        }
        Ok(Value::Map(Map::Built(built.into())))
    }

    fn each(
        &mut self,
        what: Each,
        range: &'a Node,
        first: &'a Node,
        second: Option<&'a Node>,
    ) -> Result<Value<'a>, Trouble> {
        let range = self.value(range)?;
        let length = match &range {
            Value::List(list) => list.len(),
            Value::Map(map) => map.len(),
            _ => return Err("macro: expected a list or a map to go over, found something else".into()),
        };
        let (mut trouble, mut found, mut built) = (None, 0_usize, Vec::new());
        for at in 0..length {
            let element = match &range {
                Value::List(list) => list.get(at),
                Value::Map(map) => map.entry(at).map(|(key, _)| key),
                _ => None,
            };
            let Some(element) = element else { break };
            self.variables.push(element.clone());
            let value = self.value(first);
            let holds = match (&value, what, second) {
                // The one use of the first expression that is no condition.
                (Ok(_), Each::Map, None) => Ok(true),
                (Ok(Value::Bool(holds)), ..) => Ok(*holds),
                (Ok(_), ..) => Err(functions::NO_OVERLOAD.into()),
                (Err(_), ..) => Ok(true),
            };
            let value = match (holds, value, second) {
                (Ok(_), Err(trouble), _) | (Err(trouble), ..) => Err(trouble),
                (Ok(true), Ok(_), Some(second)) => self.value(second).map(|value| (true, value)),
                (Ok(holds), Ok(value), _) => Ok((holds, value)),
            };
            self.variables.pop();
            match (what, value) {
                (Each::All, Ok((false, _))) => return Ok(Value::Bool(false)),
                (Each::Exists, Ok((true, _))) => return Ok(Value::Bool(true)),
                (Each::All | Each::Exists, Ok(_)) => {}
                (Each::All | Each::Exists, Err(Trouble::Error(error))) => {
                    trouble = trouble.or(Some(Trouble::Error(error)))
                }
                (_, Err(trouble)) => return Err(trouble),
                (Each::ExistsOne, Ok((holds, _))) => found += usize::from(holds),
                (Each::Filter, Ok((true, _))) => self.keep(&mut built, element)?,
                (Each::Map, Ok((true, value))) => self.keep(&mut built, value)?,
                (Each::Filter | Each::Map, Ok(_)) => {}
            }
        }
        match (what, trouble) {
            (_, Some(trouble)) => Err(trouble),
            (Each::All, None) => Ok(Value::Bool(true)),
            (Each::Exists, None) => Ok(Value::Bool(false)),
            (Each::ExistsOne, None) => Ok(Value::Bool(found == 1)),
            (Each::Filter | Each::Map, None) => Ok(Value::List(List::Built(built.into()))),
        }
    }

    fn keep(&mut self, built: &mut Vec<Value<'a>>, value: Value<'a>) -> Result<(), Trouble> {
        self.meter.build(size_of::<Value<'_>>())?;
        built.push(value);
        Ok(())
    }
}

fn select<'a>(of: &Value<'a>, field: &'a str) -> Result<Value<'a>, Trouble> {
    let Value::Map(map) = of else { return Err("field: expected a map, found something else".into()) };
    map.field(field).ok_or_else(|| Trouble::Error(format!("expected the key {field}, found none").into()))
}

fn has<'a>(of: &Value<'a>, field: &'a str) -> Result<Value<'a>, Trouble> {
    match of {
        Value::Map(map) => Ok(Value::Bool(map.field(field).is_some())),
        Value::List(_) => Err("has(): expected a map, found a list".into()),
        _ => Ok(Value::Bool(false)),
    }
}
