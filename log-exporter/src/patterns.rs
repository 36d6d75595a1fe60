//! What is looked for in messages: patterns, each with a name that becomes the label `pattern`.
//!
//! * Bytes, not text: expressions are matched without Unicode, `\w` and `\b` are ASCII, ignoring case is ASCII; `(?u:...)` switches it on for
//!   a part. Linear time; the compiled size is bounded.
//! * Colours (ECMA-48 control sequences) are taken out of a message before it is looked at: the letter at their end would stick to
//!   the word behind it.
//! * Cost: what a match must hold is searched for in whole blocks of many lines; only lines that hold it are shown to an
//!   expression.

mod finder;
mod required;

use std::borrow::Cow;

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::{Parser, ParserBuilder};

use crate::record::Stream;
use finder::Finder;

/// Memory that one compiled expression may take, in bytes.
const MOST_COMPILED: usize = 4 << 20;

/// One pattern, checked.
pub struct Pattern {
    /// Value of the label `pattern`.
    pub name: String,
    /// What has to be there.
    pub expression: Expression,
    /// What must not be there.
    pub exclude: Option<Regex>,
    /// The only stream that counts.
    pub stream: Option<Stream>,
    /// Whether lines of stack traces are looked at as well.
    pub continuations: bool,
    /// Which containers it is for.
    pub selector: Selector,
}

/// A regular expression, and the texts of which one is in each match.
pub struct Expression {
    regex: Regex,
    texts: Option<Vec<Vec<u8>>>,
}

impl Expression {
    /// Compiles a regular expression.
    ///
    /// # Errors
    /// What is wrong with it, in one line.
    pub fn new(regex: &str, ignore_case: bool) -> Result<Self, String> {
        let hir = syntax(ignore_case).parse(regex).map_err(|e| one_line(&e.to_string()))?;
        Ok(Self { regex: compile(regex, ignore_case)?, texts: required::texts(&hir) })
    }

    /// Any of `texts`, to the letter.
    ///
    /// # Errors
    /// They are too many to be compiled.
    pub fn of_texts(texts: &[String], ignore_case: bool) -> Result<Self, String> {
        let regex = texts.iter().map(|text| regex_syntax::escape(text)).collect::<Vec<_>>().join("|");
        let required = texts.iter().map(|text| text.to_ascii_lowercase().into_bytes()).collect::<Vec<_>>();
        let searched = required.iter().all(|text| text.len() >= 2).then_some(required);
        Ok(Self { regex: compile(&regex, ignore_case)?, texts: searched })
    }
}

/// Compiles what is matched without a search before it.
///
/// # Errors
/// What is wrong with it, in one line.
pub fn compile(regex: &str, ignore_case: bool) -> Result<Regex, String> {
    let mut builder = RegexBuilder::new(regex);
    builder.unicode(false).case_insensitive(ignore_case).size_limit(MOST_COMPILED);
    builder.build().map_err(|e| one_line(&e.to_string()))
}

fn syntax(ignore_case: bool) -> Parser {
    ParserBuilder::new().unicode(false).utf8(false).case_insensitive(ignore_case).build()
}

/// The library draws the expression with a mark below it; the last line has the reason.
fn one_line(what: &str) -> String {
    let reason = what.lines().last().unwrap_or_default().trim();
    reason.strip_prefix("error: ").unwrap_or(reason).to_owned()
}

/// Which containers are meant: those that match one name of each list that is not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// Globs for namespaces.
    pub namespaces: Vec<String>,
    /// Globs for pods.
    pub pods: Vec<String>,
    /// Globs for containers.
    pub containers: Vec<String>,
}

impl Selector {
    fn lists<'s>(&'s self, of: [&'s str; 3]) -> impl Iterator<Item = (&'s [String], &'s str)> {
        [self.namespaces.as_slice(), &self.pods, &self.containers].into_iter().zip(of)
    }

    /// Whether namespace, pod and container match a name of each list that is not empty.
    pub fn selects(&self, namespace: &str, pod: &str, container: &str) -> bool {
        let mut lists = self.lists([namespace, pod, container]);
        lists.all(|(globs, name)| globs.is_empty() || globs.iter().any(|glob| is_like(glob, name)))
    }

    /// Whether any of them matches a name of its list.
    pub fn names_any(&self, namespace: &str, pod: &str, container: &str) -> bool {
        self.lists([namespace, pod, container]).any(|(globs, name)| globs.iter().any(|glob| is_like(glob, name)))
    }
}

/// Whether a name is like a glob: `*` is any text, `?` any character.
fn is_like(glob: &str, name: &str) -> bool {
    let (glob, name) = (glob.as_bytes(), name.as_bytes());
    let (mut g, mut n) = (0, 0);
    // Where to go on when what follows the last star does not fit.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match glob.get(g) {
            Some(b'*') => {
                star = Some((g + 1, n));
                g += 1;
            }
            Some(byte) if *byte == b'?' || Some(byte) == name.get(n) => (g, n) = (g + 1, n + 1),
            _ => match star {
                Some((after, from)) => {
                    star = Some((after, from + 1));
                    (g, n) = (after, from + 1);
                }
                None => return false,
            },
        }
    }
    glob.get(g..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

/// All patterns of a configuration.
pub struct Patterns {
    list: Vec<Pattern>,
    finder: Finder,
    /// Those without a text to search for, by position.
    unsearched: Vec<usize>,
}

impl Patterns {
    /// Patterns with different names.
    pub fn new(list: Vec<Pattern>) -> Self {
        let texts = list.iter().filter_map(|pattern| pattern.expression.texts.as_ref()).flatten();
        let finder = Finder::new(texts.map(Vec::as_slice));
        let unsearched = list.iter().enumerate().filter(|(_, pattern)| pattern.expression.texts.is_none());
        let unsearched = unsearched.map(|(at, _)| at).collect();
        Self { finder, unsearched, list }
    }

    /// The patterns, in the order of the configuration.
    pub fn list(&self) -> &[Pattern] {
        &self.list
    }

    /// Where, at `from` or after it, something stands that a pattern looks for. Lines before it match none of those that can
    /// be searched for.
    #[inline]
    pub fn next_candidate(&self, block: &[u8], from: usize) -> Option<usize> {
        self.finder.find(block, from)
    }

    /// Tells the positions of all patterns that match a message, which is [without colours](without_colours). `selected` are the
    /// positions of those that are for its container; `is_candidate` is whether [`next_candidate`](Self::next_candidate)
    /// found something in it, if that is known.
    pub fn matches(
        &self,
        message: &[u8],
        stream: Stream,
        selected: &[usize],
        is_candidate: Option<bool>,
        mut found: impl FnMut(usize),
    ) {
        let is_candidate = is_candidate.unwrap_or_else(|| self.finder.find(message, 0).is_some());
        if !is_candidate && self.unsearched.is_empty() {
            return;
        }
        let is_continuation = is_continuation(message);
        for at in selected {
            let Some(pattern) = self.list.get(*at) else { continue };
            if (!is_candidate && pattern.expression.texts.is_some())
                || pattern.stream.is_some_and(|only| only != stream)
                || (is_continuation && !pattern.continuations)
            {
                continue;
            }
            if pattern.expression.regex.is_match(message)
                && !pattern.exclude.as_ref().is_some_and(|exclude| exclude.is_match(message))
            {
                found(*at);
            }
        }
    }
}

/// Whether a line goes on with a stack trace: it begins with blanks, `at `, `Caused by:` or `...`.
pub fn is_continuation(message: &[u8]) -> bool {
    match message.first() {
        Some(b' ' | b'\t') => true,
        Some(b'a') => message.starts_with(b"at "),
        Some(b'C') => message.starts_with(b"Caused by:"),
        Some(b'.') => message.starts_with(b"..."),
        _ => false,
    }
}

/// The message without control sequences: `ESC [`, parameters, and a letter.
pub fn without_colours(message: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr(0x1b, message) else { return Cow::Borrowed(message) };
    let (head, mut rest) = message.split_at(first);
    let mut plain = head.to_vec();
    while let Some(at) = memchr::memchr(0x1b, rest) {
        let (before, sequence) = rest.split_at(at);
        plain.extend_from_slice(before);
        let length = match sequence.get(1) {
            // Parameters and intermediate bytes, then the final one.
            Some(b'[') => {
                let inner = sequence.get(2..).unwrap_or_default();
                let length = inner.iter().take_while(|byte| (0x20..0x40).contains(*byte)).count();
                2 + length + usize::from(inner.get(length).is_some_and(|byte| (0x40..0x7f).contains(byte)))
            }
            _ => 1,
        };
        rest = sequence.get(length..).unwrap_or_default();
    }
    plain.extend_from_slice(rest);
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(name: &str, regex: &str) -> Pattern {
        Pattern {
            name: name.to_owned(),
            expression: Expression::new(regex, true).unwrap(),
            exclude: None,
            stream: None,
            continuations: false,
            selector: Selector::default(),
        }
    }

    fn matching(patterns: &Patterns, message: &str) -> Vec<usize> {
        let selected: Vec<usize> = (0..patterns.list().len()).collect();
        let mut found = Vec::new();
        patterns.matches(&without_colours(message.as_bytes()), Stream::Stdout, &selected, None, |at| found.push(at));
        found
    }

    #[test]
    fn names_and_rules() {
        let mut error = pattern("error", r"\b(error|fatal)\b");
        error.exclude = Some(compile(r"\b0 errors\b|error=0", true).unwrap());
        let digits = pattern("digits", r"\d{5}");
        let mut trace = pattern("trace", "exception");
        trace.continuations = true;
        let mut stderr = pattern("stderr", "error");
        stderr.stream = Some(Stream::Stderr);
        let patterns = Patterns::new(vec![error, digits, trace, stderr]);
        assert_eq!(matching(&patterns, "an Error, 12345"), [0, 1]);
        assert_eq!(matching(&patterns, "error=0"), [0; 0]);
        assert_eq!(matching(&patterns, "errors"), [0; 0]);
        assert_eq!(matching(&patterns, "Caused by: Exception, fatal"), [2]);
        assert_eq!(matching(&patterns, "\u{1b}[31mERROR\u{1b}[0m x"), [0]);
        assert_eq!(matching(&patterns, "\u{1b}[31m  an error"), [0; 0]);
        assert_eq!(matching(&patterns, ""), [0; 0]);
    }

    #[test]
    fn texts_to_the_letter() {
        let mut literal = pattern("x", "x");
        literal.expression = Expression::of_texts(&["a.b".to_owned(), "(c)".to_owned()], false).unwrap();
        let patterns = Patterns::new(vec![literal]);
        for (message, want) in [("xa.bx", 1), ("axb", 0), ("A.B", 0), ("(c)", 1)] {
            assert_eq!(matching(&patterns, message).len(), want, "{message}");
        }
    }

    #[test]
    fn mistakes_are_one_line() {
        assert_eq!(Expression::new("a(", false).err().unwrap(), "unclosed group");
        assert!(Expression::new("(a{1000}){1000}", false).is_err());
    }

    #[test]
    fn globs() {
        for (glob, name, want) in [
            ("shop-*", "shop-1", true),
            ("shop-*", "shop-", true),
            ("shop-*", "shop", false),
            ("*", "", true),
            ("*-a*b", "x-ab-ab", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("abc", "abcd", false),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(is_like(glob, name), want, "{glob} {name}");
        }
        let selector =
            Selector { namespaces: vec!["a".into(), "b*".into()], pods: vec!["p".into()], ..Selector::default() };
        assert!(selector.selects("bb", "p", "x"));
        assert!(!selector.selects("bb", "q", "x"));
        assert!(selector.names_any("a", "q", "x") && !selector.names_any("c", "q", "x"));
    }

    #[test]
    fn colours() {
        let plain = |text: &str| String::from_utf8(without_colours(text.as_bytes()).into_owned()).unwrap();
        assert_eq!(plain("\u{1b}[1;31mred\u{1b}[0m\u{1b}"), "red");
        assert_eq!(plain("a\u{1b}[12"), "a");
        assert_eq!(plain("a\u{1b}[\u{7f}b"), "a\u{7f}b");
        assert_eq!(plain("a\u{1b}Mb"), "aMb");
    }
}
