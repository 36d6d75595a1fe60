//! Regular expressions as the Go exporter understands them: the syntax of Go's `regexp/syntax` (RE2), the engine of the `regex` crate.
//!
//! An expression is read by `syntax` and written out again for the engine, so what is accepted is what Go accepts: octal
//! escapes, `\Q…\E`, a `{` that opens no repetition, brackets and `&&` inside a class as plain characters, one group name used
//! twice; and what Go refuses is refused: look-around, `(?x)`, `a**`, `\C`, more than 1000 repetitions. `\d \s \w \b` know ASCII
//! only. Text is searched as Go does: a byte that is no UTF-8 counts as one U+FFFD; captures give the bytes as they came.
//!
//! What differs from Go, and why: the tables of characters are those of Unicode 16, so the four scripts of Unicode 17 are names
//! that match nothing; and an expression is refused when its compiled form is bigger than `MAX_COMPILED`.

mod class;
mod syntax;
mod template;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// The most a compiled expression may take, in bytes: `[\pL]{1000}` needs a sixth of it.
const MAX_COMPILED: usize = 64 << 20;

/// Nesting up to which an expression is compiled where it is asked for: the engine goes down recursively.
const SHALLOW: u32 = 30;

/// Stack for compiling the others: five times what the deepest needs without optimisation.
const DEEP_STACK: usize = 64 << 20;

/// A compiled expression.
#[derive(Clone)]
pub struct Regexp {
    source: Arc<str>,
    /// Shared: a copy of its own would begin without what the engine has worked out while it searched.
    engine: Arc<regex::Regex>,
    /// What each group is called, without group 0; here rather than in the engine, which wants every name once.
    names: Arc<[Option<Box<str>>]>,
}

/// What an expression captured: whole match, then groups; with the bytes as they came.
#[derive(Debug)]
pub struct Captures {
    groups: Vec<Option<Box<[u8]>>>,
    names: Arc<[Option<Box<str>>]>,
}

impl Regexp {
    /// Compiles Go's syntax.
    ///
    /// # Errors
    /// What is wrong, in one sentence without the expression.
    pub fn new(source: &str) -> Result<Self, String> {
        Self::within(source, MAX_COMPILED)
    }

    /// Compiles an expression that a stranger sent.
    ///
    /// # Errors
    /// As [`Regexp::new`], and when its compiled form is bigger than a megabyte.
    pub(crate) fn small(source: &str) -> Result<Self, String> {
        Self::within(source, 1 << 20)
    }

    fn within(source: &str, limit: usize) -> Result<Self, String> {
        let translated = syntax::translate(source)?;
        let engine = if translated.nesting <= SHALLOW {
            compile(&translated.pattern, limit)?
        } else {
            std::thread::scope(|scope| {
                let deep = std::thread::Builder::new().stack_size(DEEP_STACK);
                let compiling = deep.spawn_scoped(scope, || compile(&translated.pattern, limit));
                let compiling =
                    compiling.map_err(|error| format!("expected a thread to compile on, found none: {error}"))?;
                compiling
                    .join()
                    .map_err(|_| "expected an expression the engine can run, found one it fails on".to_owned())?
            })?
        };
        Ok(Self { source: source.into(), engine: engine.into(), names: translated.names.into() })
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it matches anywhere.
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.engine.is_match(&readable(text))
    }

    /// The first match, if there is one.
    pub fn captures(&self, text: &[u8]) -> Option<Captures> {
        let readable = readable(text);
        let found = self.engine.captures(&readable)?;
        let original = |at: usize| match readable {
            Cow::Borrowed(_) => at,
            Cow::Owned(_) => original_offset(text, at),
        };
        let groups = found
            .iter()
            .map(|group| group.and_then(|m| text.get(original(m.start())..original(m.end()))).map(Into::into))
            .collect();
        Some(Captures { groups, names: Arc::clone(&self.names) })
    }
}

impl Captures {
    /// Fills in a template: `$1`, `${1}`, `$name`, `${name}`, `$$`.
    pub fn expand(&self, template: &[u8]) -> Vec<u8> {
        template::expand(template, self)
    }

    /// What group `number` matched; 0 is the whole match.
    fn numbered(&self, number: usize) -> Option<&[u8]> {
        self.groups.get(number)?.as_deref()
    }

    /// What the first group of this name that matched, matched.
    fn named(&self, name: &[u8]) -> Option<&[u8]> {
        let groups = self.groups.iter().skip(1).zip(&*self.names);
        groups
            .filter(|(_, known)| known.as_deref().is_some_and(|known| known.as_bytes() == name))
            .find_map(|(g, _)| g.as_deref())
    }
}

impl fmt::Debug for Regexp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

fn compile(pattern: &str, limit: usize) -> Result<regex::Regex, String> {
    let mut builder = regex::RegexBuilder::new(pattern);
    builder.size_limit(limit).nest_limit(syntax::ENGINE_NESTING).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(limit) => format!("expected at most {limit} bytes when compiled, found more"),
        _ => "expected an expression the engine can run, found one it refuses".to_owned(),
    })
}

/// Each byte that is no UTF-8 as one U+FFFD; copied only if there is one. The standard library's lossy reading is no help: it
/// draws the bytes of one broken character together.
fn readable(text: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(text) {
        return Cow::Borrowed(text);
    }
    let mut copy = String::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        copy.push_str(chunk.valid());
        copy.extend(std::iter::repeat_n(char::REPLACEMENT_CHARACTER, chunk.invalid().len()));
    }
    Cow::Owned(copy)
}

/// Where offset `at` of the readable copy lies in the original.
fn original_offset(text: &[u8], at: usize) -> usize {
    let width = char::REPLACEMENT_CHARACTER.len_utf8();
    let (mut original, mut copied) = (0, 0);
    for chunk in text.utf8_chunks() {
        let (valid, broken) = (chunk.valid().len(), chunk.invalid().len());
        if at <= copied + valid {
            return original + (at - copied);
        }
        if at <= copied + valid + broken * width {
            return original + valid + (at - copied - valid) / width;
        }
        original += valid + broken;
        copied += valid + broken * width;
    }
    original
}

/// For the fuzzer: an expression, a line end, a text; the text serves as template too.
pub(crate) fn feed(bytes: &[u8]) {
    let mut halves = bytes.splitn(2, |byte| *byte == b'\n');
    let source = String::from_utf8_lossy(halves.next().unwrap_or_default());
    let text = halves.next().unwrap_or_default();
    let Ok(regexp) = Regexp::new(&source) else { return };
    let captures = regexp.captures(text);
    assert_eq!(regexp.is_match(text), captures.is_some(), "one way of searching finds what the other does not");
    if let Some(captures) = captures {
        drop(captures.expand(text));
    }
}

#[cfg(test)]
mod tests;
