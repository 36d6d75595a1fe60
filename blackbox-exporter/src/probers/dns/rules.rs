//! `validate_answer_rrs` and its sisters: patterns against the text of each record of a section.
//!
//! * Patterns are compiled when a record meets them first, and kept with the module; a broken one fails the probe then.
//! * `fail_if_all_match_regexp` fails unless every pattern matches every record. That is the contrary of its name, and what
//!   the Go exporter does.

use std::sync::OnceLock;

use crate::config::{Dns, RecordRules};
use crate::reason::{Failure, Phase, Reason};
use crate::regexp::Regexp;

/// The compiled patterns of a module.
#[derive(Debug, Default)]
pub(crate) struct Kept(OnceLock<[Section; 3]>);

impl Kept {
    /// Those for answer, authority and additional.
    pub(super) fn sections(&self, dns: &Dns) -> &[Section; 3] {
        self.0.get_or_init(|| {
            [
                Section::new("answer", &dns.validate_answer),
                Section::new("authority", &dns.validate_authority),
                Section::new("additional", &dns.validate_additional),
            ]
        })
    }
}

/// A pattern, compiled once it was needed.
#[derive(Debug)]
struct Pattern {
    source: String,
    compiled: OnceLock<Result<Regexp, String>>,
}

/// The rules for one section.
#[derive(Debug)]
pub(super) struct Section {
    name: &'static str,
    matches: Vec<Pattern>,
    all_match: Vec<Pattern>,
    not_matches: Vec<Pattern>,
    none_matches: Vec<Pattern>,
}

impl Section {
    fn new(name: &'static str, rules: &RecordRules) -> Self {
        let patterns = |sources: &[String]| {
            let pattern = |source: &String| Pattern { source: source.clone(), compiled: OnceLock::new() };
            sources.iter().map(pattern).collect()
        };
        Self {
            name,
            matches: patterns(&rules.matches),
            all_match: patterns(&rules.all_match),
            not_matches: patterns(&rules.not_matches),
            none_matches: patterns(&rules.none_matches),
        }
    }

    /// What the section is called.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Whether there is no rule.
    pub(super) fn is_empty(&self) -> bool {
        [&self.matches, &self.all_match, &self.not_matches, &self.none_matches].iter().all(|list| list.is_empty())
    }

    /// Checks the records of a section: their number, and `write`, which puts the next one into a buffer.
    ///
    /// # Errors
    /// A rule is broken, or a pattern is.
    pub(super) fn check(&self, records: u16, mut write: impl FnMut(&mut Vec<u8>)) -> Result<(), Failure> {
        if records == 0 && !(self.not_matches.is_empty() && self.none_matches.is_empty()) {
            return Err(self.broken("expected a record, found none"));
        }
        let (mut all, mut some) = (true, false);
        let mut text = Vec::new();
        for at in 1..=records {
            text.clear();
            write(&mut text);
            for pattern in &self.matches {
                if self.is_match(pattern, &text)? {
                    let source = &pattern.source;
                    return Err(self.broken(format_args!("record {at} matches {source:?}, which it may not")));
                }
            }
            for pattern in &self.all_match {
                all &= self.is_match(pattern, &text)?;
            }
            for pattern in &self.not_matches {
                if !self.is_match(pattern, &text)? {
                    return Err(self.broken(format_args!("record {at} does not match {:?}", pattern.source)));
                }
            }
            for pattern in &self.none_matches {
                some = some || self.is_match(pattern, &text)?;
            }
        }
        if !all {
            return Err(self.broken("not every record matches each pattern of fail_if_all_match_regexp"));
        }
        if !some && !self.none_matches.is_empty() {
            return Err(self.broken("no record matches a pattern of fail_if_none_matches_regexp"));
        }
        Ok(())
    }

    fn is_match(&self, pattern: &Pattern, text: &[u8]) -> Result<bool, Failure> {
        match pattern.compiled.get_or_init(|| Regexp::new(&pattern.source)) {
            Ok(regexp) => Ok(regexp.is_match(text)),
            Err(e) => {
                let what = format!("rules for {} records: pattern {:?}: {e}", self.name, pattern.source);
                Err(Failure::new(Phase::Check, Reason::Module, what))
            }
        }
    }

    fn broken(&self, what: impl std::fmt::Display) -> Failure {
        Failure::new(Phase::Check, Reason::RecordRule, format!("{} section: {what}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        let check = |key: &str, patterns: &[&str], records: &[&str], want: Option<Reason>| {
            let list: Vec<String> = patterns.iter().map(ToString::to_string).collect();
            let mut rules = RecordRules::default();
            match key {
                "matches" => rules.matches = list,
                "all" => rules.all_match = list,
                "not" => rules.not_matches = list,
                _ => rules.none_matches = list,
            }
            let section = Section::new("answer", &rules);
            let mut rest = records.iter();
            let count = u16::try_from(records.len()).unwrap();
            let got = section.check(count, |text| text.extend(rest.next().unwrap().as_bytes()));
            assert_eq!(got.err().map(|failure| failure.reason), want, "{key} {patterns:?} {records:?}");
        };
        let two = ["a.\t1\tIN\tA\t127.0.0.1", "a.\t1\tIN\tA\t127.0.0.2"];
        let broken = Some(Reason::RecordRule);
        check("matches", &[r"127\.0\.0\.2"], &two, broken);
        check("matches", &["9", "8"], &two, None);
        check("matches", &["9"], &[], None);
        check("all", &[r"127\.0\.0\.1"], &two, broken);
        check("all", &["127", "IN"], &two, None);
        check("all", &["127"], &[], None);
        check("not", &[r"127\.0\.0\.1"], &two, broken);
        check("not", &["127", "^a"], &two, None);
        check("not", &["127"], &[], broken);
        check("none", &["9"], &two, broken);
        check("none", &["9", r"\.2$"], &two, None);
        check("none", &["127"], &[], broken);
        for key in ["matches", "all", "not", "none"] {
            check(key, &["("], &two, Some(Reason::Module));
        }
        check("matches", &["("], &[], None);
        check("none", &["127", "("], &two[..1], None);
    }
}
