//! Which devices to keep: an include and an exclude pattern with one meaning everywhere.
//!
//! A name is kept when the exclude pattern does not match and the include pattern, if there is one, does. Patterns
//! are searched for, not anchored. Verdicts are remembered, because the same names come again at each scrape; so the
//! engine is regex-lite, which is slower at matching than regex and takes a tenth of its code and memory. Its classes
//! (`\d`, `\w`, `\b`) are those of ASCII, as in RE2, which the Go exporters use.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use regex_lite::{Regex, RegexBuilder};

use crate::error::ConfigError;
use crate::flags::Args;

/// Names are forgotten all at once when there are more than this; a node has a few hundred.
const MOST_VERDICTS: usize = 4096;

/// A pair of patterns, either of which may be missing.
#[derive(Debug, Default)]
pub struct Filter {
    include: Option<Pattern>,
    exclude: Option<Pattern>,
    /// By the hash of the name, which nobody outside can aim at: the names themselves, of pods that are gone, would be
    /// the larger part of what is kept.
    verdicts: HashMap<u64, bool, BuildHasherDefault<Hashed>>,
    key: RandomState,
}

/// For keys that are hashes already.
#[derive(Debug, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl Filter {
    /// From the values of two flags, an empty one being no pattern; either flag's name may be empty too.
    ///
    /// Fails with the flag's name when a pattern is not a regular expression.
    pub fn from_args(args: &Args, include: &'static str, exclude: &'static str) -> Result<Self, ConfigError> {
        let pattern = |flag: &'static str| if flag.is_empty() { Ok(None) } else { compile(flag, args.text(flag)) };
        Ok(Self { include: pattern(include)?, exclude: pattern(exclude)?, ..Self::default() })
    }

    /// As [`from_args`](Self::from_args), for flags of which only one may be given; an include that is given drops
    /// the default of the exclude.
    ///
    /// Fails naming both flags when both were given and not empty.
    pub fn exclusive(args: &Args, include: &'static str, exclude: &'static str) -> Result<Self, ConfigError> {
        let (included, excluded) = (args.text(include), args.text(exclude));
        if !included.is_empty() && !excluded.is_empty() {
            if args.given(exclude) {
                return Err(ConfigError::new(format!("--{include} and --{exclude}: give one of them, not both")));
            }
            return Ok(Self { include: compile(include, included)?, ..Self::default() });
        }
        Self::from_args(args, include, exclude)
    }

    /// From patterns as they are, an empty one being none; for tests and for patterns that come from elsewhere.
    pub fn new(include: &str, exclude: &str) -> Result<Self, ConfigError> {
        Ok(Self { include: compile("include", include)?, exclude: compile("exclude", exclude)?, ..Self::default() })
    }

    /// Whether `name` is to be kept.
    pub fn keeps(&mut self, name: &[u8]) -> bool {
        if self.include.is_none() && self.exclude.is_none() {
            return true;
        }
        let hash = self.key.hash_one(name);
        if let Some(&verdict) = self.verdicts.get(&hash) {
            return verdict;
        }
        let verdict = self.judges(name);
        if self.verdicts.len() >= MOST_VERDICTS {
            self.verdicts.clear();
        }
        self.verdicts.insert(hash, verdict);
        verdict
    }

    /// As [`keeps`](Self::keeps), without remembering: for callers that keep the verdict with what it is about.
    pub fn judges(&self, name: &[u8]) -> bool {
        !self.exclude.as_ref().is_some_and(|exclude| exclude.is_match(name))
            && self.include.as_ref().is_none_or(|include| include.is_match(name))
    }
}

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Whether the pattern is found in `name`; what is no UTF-8 in it counts as U+FFFD.
    pub fn is_match(&self, name: &[u8]) -> bool {
        self.0.is_match(&String::from_utf8_lossy(name))
    }
}

/// Compiles the pattern given to `flag`; an empty one is none.
pub fn compile(flag: &str, pattern: &str) -> Result<Option<Pattern>, ConfigError> {
    if pattern.is_empty() {
        return Ok(None);
    }
    // A bound on the size, so that no pattern can take the memory of the node; the default patterns need a tenth.
    let compile = |pattern: &str| RegexBuilder::new(pattern).size_limit(1 << 20).build().map(Pattern);
    // A mistake is told about the pattern as it was given.
    compile(&without_captures(pattern))
        .or_else(|_| compile(pattern))
        .map(Some)
        .map_err(|e| ConfigError::new(format!("--{flag}: expected a regular expression, found {pattern:?}: {e}")))
}

/// The pattern with groups that capture nothing. What a group captured is never asked for here, but the engine keeps
/// room for it in every state: a quarter of a megabyte for the default of `--collector.netstat.fields`.
fn without_captures(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let (mut chars, mut depth) = (pattern.chars().peekable(), 0_u32);
    while let Some(c) = chars.next() {
        out.push(c);
        match c {
            '\\' => out.extend(chars.next()),
            '(' if depth == 0 && chars.peek() != Some(&'?') => out.push_str("?:"),
            '[' => {
                depth += 1;
                // A bracket that stands first closes nothing.
                out.extend(chars.next_if_eq(&'^'));
                out.extend(chars.next_if_eq(&']'));
            }
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_patterns_apply() {
        let mut filter = Filter::new("^e", "1$").unwrap();
        assert!(filter.keeps(b"eth0"));
        assert!(!filter.keeps(b"eth1"));
        assert!(!filter.keeps(b"lo"));
        assert!(filter.keeps(b"eth0"), "the remembered verdict is the same");
        assert!(Filter::default().keeps(b"\xff"));
        assert!(Filter::new("^.$", "").unwrap().keeps(b"\xff"));
    }

    #[test]
    fn groups_capture_nothing_and_match_the_same() {
        for (pattern, want) in [
            ("^(a|(b))$", "^(?:a|(?:b))$"),
            (r"\(a\)", r"\(a\)"),
            ("[(]x(?i:y)", "[(]x(?i:y)"),
            ("[](](a)", "[](](?:a)"),
            ("[^](](a)", "[^](](?:a)"),
            ("[[:alpha:](](a)", "[[:alpha:](](?:a)"),
            ("(?P<n>a)(b", "(?P<n>a)(?:b"),
            ("a\\", "a\\"),
        ] {
            assert_eq!(without_captures(pattern), want);
        }
    }

    #[test]
    fn a_bad_pattern_names_its_flag() {
        let e = compile("collector.x.device-include", "a(").unwrap_err().to_string();
        assert!(e.starts_with("--collector.x.device-include: expected a regular expression, found \"a(\": "), "{e}");
    }
}
