//! What a text must hold so that a regular expression can match it: one of a set of texts, in any case.
//!
//! Searching for texts is many times faster than running expressions, so lines without any of them are never shown to one.

use regex_syntax::hir::{Class, Hir, HirKind};

/// More alternatives are as good as none.
const MOST: usize = 64;

/// Texts of which each match holds at least one, in ASCII lower case; `None` when nothing can be said.
pub(super) fn texts(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    let texts = needed(hir)?;
    // A single byte is everywhere.
    texts.iter().all(|text| text.len() >= 2).then_some(texts)
}

/// The shortest text decides how good a set is.
fn worth(texts: &[Vec<u8>]) -> usize {
    texts.iter().map(Vec::len).min().unwrap_or(0)
}

fn needed(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    if let Some(texts) = exact(hir) {
        return Some(texts).filter(|texts| worth(texts) > 0);
    }
    match hir.kind() {
        HirKind::Capture(capture) => needed(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => needed(&repetition.sub),
        HirKind::Alternation(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(needed(part)?);
            }
            (all.len() <= MOST).then_some(all)
        }
        HirKind::Concat(parts) => {
            let mut best: Option<Vec<Vec<u8>>> = None;
            let mut offer = |texts: Option<Vec<Vec<u8>>>| {
                if let Some(texts) = texts.filter(|texts| worth(texts) > best.as_deref().map_or(0, worth)) {
                    best = Some(texts);
                }
            };
            // Neighbours that are known exactly are known exactly together.
            let mut run = vec![Vec::new()];
            for part in parts {
                match exact(part).and_then(|texts| product(&run, &texts)) {
                    Some(longer) => run = longer,
                    None => {
                        offer(Some(std::mem::replace(&mut run, exact(part).unwrap_or_else(|| vec![Vec::new()]))));
                        offer(needed(part));
                    }
                }
            }
            offer(Some(run));
            best
        }
        _ => None,
    }
}

/// All texts that an expression matches, when they are few.
fn exact(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Some(vec![Vec::new()]),
        HirKind::Literal(literal) => Some(vec![literal.0.to_ascii_lowercase()]),
        HirKind::Class(class) => {
            let mut texts: Vec<Vec<u8>> = match class {
                Class::Bytes(class) => {
                    let bytes = class.ranges().iter().flat_map(|range| range.start()..=range.end());
                    bytes.take(MOST).map(|byte| vec![byte.to_ascii_lowercase()]).collect()
                }
                Class::Unicode(class) => {
                    let chars = class.ranges().iter().flat_map(|range| range.start()..=range.end());
                    chars.take(MOST).map(|c| c.to_ascii_lowercase().to_string().into_bytes()).collect()
                }
            };
            if texts.len() == MOST {
                return None;
            }
            texts.sort();
            texts.dedup();
            (texts.len() <= 4).then_some(texts)
        }
        HirKind::Capture(capture) => exact(&capture.sub),
        HirKind::Concat(parts) => {
            let mut all = vec![Vec::new()];
            for part in parts {
                all = product(&all, &exact(part)?)?;
            }
            Some(all)
        }
        HirKind::Alternation(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(exact(part)?);
            }
            (all.len() <= MOST).then_some(all)
        }
        HirKind::Repetition(_) => None,
    }
}

fn product(heads: &[Vec<u8>], tails: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    let joined = || heads.iter().flat_map(|head| tails.iter().map(|tail| [head.as_slice(), tail].concat()));
    (heads.len() * tails.len() <= MOST && !tails.is_empty()).then(|| joined().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(regex: &str, ignore_case: bool) -> Option<Vec<String>> {
        let hir = super::super::syntax(ignore_case).parse(regex).unwrap();
        let mut texts: Vec<String> = texts(&hir)?.into_iter().map(|text| String::from_utf8(text).unwrap()).collect();
        texts.sort();
        Some(texts)
    }

    #[test]
    fn what_a_match_holds() {
        let some = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(r"\b(error|fatal|panic|exception)\b", true), some(&["error", "exception", "fatal", "panic"]));
        assert_eq!(of("OutOfMemory", false), some(&["outofmemory"]));
        assert_eq!(of(r"status=(5\d\d)", false), some(&["status="]));
        assert_eq!(of(r"GET /\w+ 50[234]", false), some(&["get /"]));
        assert_eq!(of(r"\d+ retries (left|gone)", false), some(&[" retries gone", " retries left"]));
        assert_eq!(of(r"(ab)+c{2,}", false), some(&["ab"]));
        assert_eq!(of("connection (refused|reset)?", false), some(&["connection "]));
        assert_eq!(of(r"[Ff]ailed", false), some(&["failed"]));
        for nothing in [r"\d+", "a*", "x|error", ".*", "", "^$", "(error)?", "[a-z]{5}"] {
            assert_eq!(of(nothing, false), None, "{nothing}");
        }
    }
}
