//! Rules about a JSON body, in the Common Expression Language.

use std::fmt;

/// A checked expression.
#[derive(Clone)]
pub struct Program {
    source: String,
}

/// A body that was read as JSON.
#[derive(Debug)]
pub struct Document {}

impl Document {
    /// Reads one JSON value.
    ///
    /// # Errors
    /// What is wrong, in one sentence.
    pub fn parse(_body: &[u8]) -> Result<Self, String> {
        Err("not built".to_owned())
    }
}

impl Program {
    /// Parses and checks an expression over the variable `body`.
    ///
    /// # Errors
    /// What is wrong, in one sentence.
    pub fn new(source: &str) -> Result<Self, String> {
        Ok(Self { source: source.to_owned() })
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Its verdict over a body.
    ///
    /// # Errors
    /// There is none: why, in one sentence.
    pub fn verdict(&self, _document: &Document) -> Result<bool, String> {
        Err("not built".to_owned())
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}
