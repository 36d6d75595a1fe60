//! Shell patterns for directories: `*`, `?`, `[a-z]`, `[^a-z]` and a backslash before a character meant as it is.
//! A star also matches names that begin with a dot; nothing matches a slash.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::fs::list_dir;

/// Directories more than this are not looked at; a pattern that has so many matches is a mistake.
const MOST_PATHS: usize = 4096;

/// The paths that match a pattern, sorted; a pattern that matches nothing, or is none, stands for itself.
pub(super) fn expand(pattern: &str) -> Vec<PathBuf> {
    if !is_pattern(pattern) {
        return vec![pattern.into()];
    }
    let found = matching(pattern).unwrap_or_default();
    if found.is_empty() { vec![pattern.into()] } else { found }
}

/// The directory that all matches are below: what stands before the first part that is a pattern. A pattern that matches
/// nothing stands for itself, and is below it as well.
pub(super) fn fixed_part(pattern: &str) -> PathBuf {
    let start = if pattern.starts_with('/') { "/" } else { "" };
    let parts = pattern.split('/').filter(|part| !part.is_empty());
    [start].into_iter().chain(parts.take_while(|part| !is_pattern(part))).collect()
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '\\'])
}

/// `None` if the pattern is malformed.
fn matching(pattern: &str) -> Option<Vec<PathBuf>> {
    let start = if pattern.starts_with('/') { "/" } else { "" };
    let mut paths = vec![PathBuf::from(start)];
    let mut parts = Vec::new();
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        parts.push((part, if is_pattern(part) { Some(compile(part)?) } else { None }));
    }
    for (part, compiled) in parts {
        let Some(tokens) = compiled else {
            paths.iter_mut().for_each(|path| path.push(part));
            continue;
        };
        let mut found = Vec::new();
        for path in &paths {
            let dir = if path.as_os_str().is_empty() { Path::new(".") } else { path };
            for (name, _) in list_dir(dir).unwrap_or_default() {
                if found.len() < MOST_PATHS && matches(&tokens, &name) {
                    found.push(path.join(OsStr::from_bytes(&name)));
                }
            }
        }
        paths = found;
    }
    paths.retain(|path| path.symlink_metadata().is_ok());
    Some(paths)
}

#[derive(Debug, PartialEq)]
enum Token {
    /// Any text.
    Star,
    /// Any character.
    Any,
    /// This character.
    Char(char),
    /// A character in one of these ranges, or in none of them.
    Class { negated: bool, ranges: Vec<(char, char)> },
}

/// The tokens of a pattern without slashes; `None` if it is malformed.
fn compile(pattern: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        tokens.push(match c {
            '*' => Token::Star,
            '?' => Token::Any,
            '\\' => Token::Char(rest.next()?),
            '[' => class(&mut rest)?,
            c => Token::Char(c),
        });
    }
    Some(tokens)
}

/// Reads a class up to its closing bracket.
fn class(rest: &mut std::str::Chars<'_>) -> Option<Token> {
    let negated = rest.as_str().starts_with('^');
    if negated {
        rest.next();
    }
    let mut ranges = Vec::new();
    loop {
        let first = match rest.next()? {
            ']' if !ranges.is_empty() => return Some(Token::Class { negated, ranges }),
            ']' | '-' => return None,
            '\\' => rest.next()?,
            c => c,
        };
        if !rest.as_str().starts_with('-') {
            ranges.push((first, first));
            continue;
        }
        rest.next();
        let last = match rest.next()? {
            ']' | '-' => return None,
            '\\' => rest.next()?,
            c => c,
        };
        ranges.push((first, last));
    }
}

/// Whether the tokens match a whole name. A mismatch goes back to the last star only, which is enough.
fn matches(tokens: &[Token], name: &[u8]) -> bool {
    let (mut pattern, mut text) = (tokens, name);
    let mut retry: Option<(&[Token], &[u8])> = None;
    loop {
        if let [Token::Star, after @ ..] = pattern {
            pattern = after;
            retry = Some((after, text));
            continue;
        }
        let next = first_char(text);
        match (pattern, next) {
            ([], None) => return true,
            ([token, after @ ..], Some((c, tail))) if token.fits(c) => (pattern, text) = (after, tail),
            _ => {
                let Some((after, from)) = retry else { return false };
                let Some((_, tail)) = first_char(from) else { return false };
                (pattern, text, retry) = (after, tail, Some((after, tail)));
            }
        }
    }
}

impl Token {
    fn fits(&self, c: char) -> bool {
        match self {
            Self::Star => false,
            Self::Any => true,
            Self::Char(own) => *own == c,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&c)) != *negated
            }
        }
    }
}

/// Cuts the first character; a byte that is not UTF-8 counts as one character.
fn first_char(text: &[u8]) -> Option<(char, &[u8])> {
    let (_, after_byte) = text.split_first()?;
    let chunk = text.utf8_chunks().next()?;
    match chunk.valid().chars().next() {
        Some(c) => Some((c, text.get(c.len_utf8()..)?)),
        None => Some((char::REPLACEMENT_CHARACTER, after_byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, name: &str, want: bool) {
        assert_eq!(matches(&compile(pattern).unwrap(), name.as_bytes()), want, "{pattern} {name}");
    }

    #[test]
    fn names() {
        check("*", "", true);
        check("*", ".hidden", true);
        check("a*c*e", "abcde", true);
        check("a*c*e", "abcdef", false);
        check("*ab", "aab", true);
        check("?x", "éx", true);
        check("?", "", false);
        check("[a-c][^a-c]", "bd", true);
        check("[a-c][^a-c]", "bb", false);
        check("\\*[\\]]", "*]", true);
        check("a**b", "ab", true);
        check(&"a*".repeat(30), &"a".repeat(200), true);
        check(&("a*".repeat(30) + "b"), &"a".repeat(200), false);
        assert!(matches(&[Token::Any, Token::Char('x')], b"\xffx"));
    }

    #[test]
    fn malformed() {
        for bad in ["[", "[]", "[a", "[a-", "[a-]", "[-a]", "[]a]", "\\", "[^]", "[\\"] {
            assert_eq!(compile(bad), None, "{bad}");
        }
    }

    #[test]
    fn all_matches_are_below_the_fixed_part() {
        for (pattern, want) in [
            ("/var/lib/*/metrics", "/var/lib"),
            ("/var/lib/node", "/var/lib/node"),
            ("/*", "/"),
            ("/a//b[0-9]/c", "/a"),
            ("metrics/?", "metrics"),
            ("*", ""),
        ] {
            assert_eq!(fixed_part(pattern), Path::new(want), "{pattern}");
        }
    }

    #[test]
    fn paths() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b/x", "a/x", "a/y", "c", "[z"] {
            std::fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        let expand = |pattern: &str| {
            let found = expand(&format!("{}/{pattern}", dir.path().display()));
            let names = found.iter().map(|path| path.strip_prefix(dir.path()).unwrap().to_str().unwrap().to_owned());
            names.collect::<Vec<_>>().join(",")
        };
        assert_eq!(expand("[ab]/x"), "a/x,b/x");
        assert_eq!(expand("*/y"), "a/y");
        assert_eq!(expand("*//y/"), "a/y");
        assert_eq!(expand("?"), "a,b,c");
        assert_eq!(expand("nope"), "nope");
        assert_eq!(expand("nope*"), "nope*");
        assert_eq!(expand("[z"), "[z");
    }
}
