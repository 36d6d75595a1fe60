//! Rules about a JSON body, in the Common Expression Language (CEL) as the Go exporter offers it: one variable `body` of any type,
//! the standard library and the standard macros.
//!
//! An expression is parsed (`parser`), checked against the signatures of the standard library (`check`) and run (`eval`); a
//! body is read by `json`. The language is ours from the first letter: the crate there is parses by recursion without bounds,
//! so a hundred parentheses end the process, and runs without anything that could stop it.
//!
//! Numbers of a body are doubles: they compare with every number, but arithmetic with an int literal fails, as in Go.
//!
//! What differs from Go's implementation, and why:
//! - messages (`google.protobuf.Int64Value{value: 1}`) and their enumerations are unknown names: no body has any;
//! - the functions on time know UTC and offsets (`+02:00`) but no names of zones, for want of their tables;
//! - `double()` reads no hexadecimal numbers;
//! - an expression that the body brings to `matches()` has 1000 bytes at most, and one run builds 64 MB of values at most;
//! - an expression is nested 100 levels deep at most, counting every operator but `&&` and `||`, where Go takes some 200;
//! - the values of a body have 64 MB at most;
//! - a body is nested 500 levels deep at most, where Go takes 10,000.

mod check;
mod convert;
mod eval;
mod functions;
mod json;
mod parser;
mod signature;
mod time;
mod token;
mod types;
mod value;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use self::eval::{Meter, Run, Trouble};
use self::value::Value;

/// A checked expression.
#[derive(Clone)]
pub struct Program {
    source: Arc<str>,
    root: Arc<check::Node>,
}

/// Bytes that the values of a body have at most.
pub const MOST_DOCUMENT_BYTES: usize = 64 << 20;

/// A body that was read as JSON.
#[derive(Debug)]
pub struct Document {
    value: json::Json,
}

impl Document {
    /// Reads one JSON value.
    ///
    /// # Errors
    /// What is wrong, in one sentence.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        Ok(Self { value: json::parse(body, MOST_DOCUMENT_BYTES)? })
    }
}

impl Program {
    /// Parses and checks an expression over the variable `body`.
    ///
    /// # Errors
    /// What is wrong, in one sentence.
    pub fn new(source: &str) -> Result<Self, String> {
        let root = check::check(parser::parse(source)?)?;
        Ok(Self { source: source.into(), root: root.into() })
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Its verdict over a body; `None` when there is none before the deadline.
    ///
    /// Without a macro the time is that of one pass over the body for each of the expression's parts; each macro inside another
    /// multiplies it by the length of a list. The clock is looked at every few thousand steps, so it ends within a millisecond
    /// of the deadline or so, plus the search of one regular expression.
    ///
    /// # Errors
    /// There is none: why, in one sentence.
    pub fn verdict_by(&self, document: &Document, deadline: Instant) -> Result<Option<bool>, String> {
        match Run::new(&document.value, Meter::new(deadline)).value(&self.root) {
            Ok(Value::Bool(verdict)) => Ok(Some(verdict)),
            Ok(_) => Err("expected true or false, found another value".to_owned()),
            Err(Trouble::Error(error)) => Err(error.into_owned()),
            Err(Trouble::Full) => Err("the expression builds more than 64 MB of values".to_owned()),
            Err(Trouble::Late) => Ok(None),
        }
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

/// For the fuzzer: an expression, a line end, a body.
pub(crate) fn feed(bytes: &[u8]) {
    let mut halves = bytes.splitn(2, |byte| *byte == b'\n');
    let source = String::from_utf8_lossy(halves.next().unwrap_or_default());
    let body = halves.next().unwrap_or_default();
    let document = Document::parse(body);
    if let (Ok(program), Ok(document)) = (Program::new(&source), document) {
        drop(program.verdict_by(&document, Instant::now()));
    }
}

#[cfg(test)]
mod tests;
