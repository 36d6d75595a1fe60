//! Regular expressions as the Go exporter understands them.

use std::fmt;

/// A compiled expression.
#[derive(Clone)]
pub struct Regexp {
    source: String,
}

/// What an expression captured: whole match, then groups; with the bytes as they came.
#[derive(Debug)]
pub struct Captures {}

impl Regexp {
    /// Compiles Go's syntax.
    ///
    /// # Errors
    /// What is wrong, in one sentence without the expression.
    pub fn new(source: &str) -> Result<Self, String> {
        Ok(Self { source: source.to_owned() })
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it matches anywhere.
    pub fn is_match(&self, _text: &[u8]) -> bool {
        false
    }

    /// The first match, if there is one.
    pub fn captures(&self, _text: &[u8]) -> Option<Captures> {
        None
    }
}

impl Captures {
    /// Fills in a template: `$1`, `${1}`, `$name`, `${name}`, `$$`.
    pub fn expand(&self, _template: &[u8]) -> Vec<u8> {
        Vec::new()
    }
}

impl fmt::Debug for Regexp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}
