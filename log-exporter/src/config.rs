//! The configuration file: YAML text to checked settings.
//!
//! Keys: `levels` (whether messages are counted by level; on), `ignore` (containers that are not read: `namespaces`, `pods`,
//! `containers`, any of which is enough), `patterns`: a list of `name`, `regex` or `literal` (one text or several), `ignore_case`,
//! `exclude`, `namespaces`, `pods`, `containers` (globs, each list that is there has to match), `stream`, `continuations`. A
//! key that is not among them is a mistake, and all mistakes are told at once.

use std::fmt;
use std::path::Path;

use common::error::{ConfigError, Mistakes};
use common::watched::Watched;
use common::yaml::{self, Node, Value};

use crate::patterns::{Expression, Pattern, Patterns, Selector, compile};
use crate::record::Stream;

/// What counts as an error when no file says otherwise, in any case.
pub const ERROR: &str = r"\b(error|fatal|panic|exception)\b";
/// What looks like one and is none.
pub const NO_ERROR: &str = r"\b(0 errors|no error|errors?[=:]\s*0)\b";

/// More patterns would be a series each for every container.
const MOST_PATTERNS: usize = 200;

/// What the file says, every rule checked.
pub struct Settings {
    /// Whether messages are counted by level.
    pub levels: bool,
    /// Containers that are not read at all: any match is enough.
    pub ignore: Selector,
    /// What is looked for.
    pub patterns: Patterns,
}

impl Default for Settings {
    /// The pattern `error` alone.
    fn default() -> Self {
        let pattern = || -> Result<Pattern, String> {
            Ok(Pattern {
                name: "error".to_owned(),
                expression: Expression::new(ERROR, true)?,
                exclude: Some(compile(NO_ERROR, true)?),
                stream: None,
                continuations: false,
                selector: Selector::default(),
            })
        };
        // A test compiles them.
        let patterns = Patterns::new(pattern().into_iter().collect());
        Self { levels: true, ignore: Selector::default(), patterns }
    }
}

/// Opens the configuration file; `automatic` is whether a change of it is followed by itself.
///
/// # Errors
/// Every mistake.
pub fn open(path: &Path, automatic: bool) -> Result<Watched<Settings>, Vec<ConfigError>> {
    Ok(Watched::open(path, |text, path| parse(path, text))?.automatic(automatic))
}

/// Checks the text of a configuration file; `file` gives messages a place.
///
/// # Errors
/// Every mistake.
pub fn parse(file: &Path, text: &str) -> Result<Settings, Mistakes> {
    let mut reading = Reading { file, mistakes: Vec::new() };
    let mut settings = Settings { levels: true, ..Settings::default() };
    match yaml::parse(text) {
        Err(e) => reading.mistake(&e.key, e.line, &e.what),
        Ok(root) if matches!(root.value, Value::Null) => {
            reading.mistake("", root.line, "expected patterns, found nothing");
        }
        Ok(root) => {
            let mut patterns = None;
            for (key, line, node) in reading.map("", root) {
                match key.as_str() {
                    "levels" => settings.levels = reading.switch("levels", node).unwrap_or(true),
                    "ignore" => settings.ignore = ignore(&mut reading, node),
                    "patterns" => patterns = Some(self::patterns(&mut reading, node)),
                    _ => reading.unknown("", &key, line, "levels, ignore, patterns"),
                }
            }
            if let Some(patterns) = patterns {
                settings.patterns = Patterns::new(patterns);
            }
        }
    }
    if reading.mistakes.is_empty() { Ok(settings) } else { Err(Mistakes(reading.mistakes)) }
}

fn ignore(reading: &mut Reading<'_>, node: Node) -> Selector {
    let mut selector = Selector::default();
    for (key, line, node) in reading.map("ignore", node) {
        let place = format!("ignore.{key}");
        match key.as_str() {
            "namespaces" => selector.namespaces = reading.texts(&place, node),
            "pods" => selector.pods = reading.texts(&place, node),
            "containers" => selector.containers = reading.texts(&place, node),
            _ => reading.unknown("ignore.", &key, line, "namespaces, pods, containers"),
        }
    }
    selector
}

fn patterns(reading: &mut Reading<'_>, node: Node) -> Vec<Pattern> {
    let (mut made, mut names) = (Vec::new(), Vec::new());
    for (at, node) in reading.list("patterns", node).into_iter().enumerate() {
        if at == MOST_PATTERNS {
            reading.mistake("patterns", node.line, format_args!("expected at most {MOST_PATTERNS}"));
            break;
        }
        let (place, line) = (format!("patterns[{at}]"), node.line);
        let Some(pattern) = pattern(reading, &place, node) else { continue };
        if names.contains(&pattern.name) {
            let what = format!("expected another name than those before, found {:?}", pattern.name);
            reading.mistake(&format!("{place}.name"), line, what);
        }
        names.push(pattern.name.clone());
        made.push(pattern);
    }
    made
}

const PATTERN_KEYS: &str =
    "name, regex, literal, ignore_case, exclude, namespaces, pods, containers, stream, continuations";

fn pattern(reading: &mut Reading<'_>, place: &str, node: Node) -> Option<Pattern> {
    let (line, n_mistakes) = (node.line, reading.mistakes.len());
    let (mut name, mut regex, mut literal, mut exclude, mut stream) = (None, None, None, None, None);
    let (mut ignore_case, mut continuations, mut selector) = (false, false, Selector::default());
    for (key, line, node) in reading.map(place, node) {
        let place = format!("{place}.{key}");
        match key.as_str() {
            "name" => name = reading.text(&place, node).map(|text| (line, text)),
            "regex" => regex = reading.text(&place, node).map(|text| (line, text)),
            "literal" => literal = Some((line, reading.texts(&place, node))),
            "ignore_case" => ignore_case = reading.switch(&place, node).unwrap_or(false),
            "exclude" => exclude = reading.text(&place, node).map(|text| (line, text)),
            "namespaces" => selector.namespaces = reading.texts(&place, node),
            "pods" => selector.pods = reading.texts(&place, node),
            "containers" => selector.containers = reading.texts(&place, node),
            "continuations" => continuations = reading.switch(&place, node).unwrap_or(false),
            "stream" => {
                let text = reading.text(&place, node);
                stream = text.as_deref().and_then(|text| Stream::of(text.as_bytes()));
                if let (Some(text), None) = (text, stream) {
                    reading.mistake(&place, line, format_args!("expected stdout or stderr, found {text:?}"));
                }
            }
            _ => reading.unknown(&place[..place.len() - key.len()], &key, line, PATTERN_KEYS),
        }
    }
    let broken = reading.mistakes.len() > n_mistakes;
    match &name {
        None if !broken => reading.mistake(&format!("{place}.name"), line, "expected a name, found nothing"),
        Some((line, name)) if name.len() > 100 || name.chars().any(char::is_control) => {
            reading.mistake(&format!("{place}.name"), *line, "expected at most 100 bytes without control characters");
        }
        _ => {}
    }
    let expression = match (regex, literal) {
        (Some((line, regex)), None) => {
            reading.good(&format!("{place}.regex"), line, Expression::new(&regex, ignore_case))
        }
        (None, Some((line, texts))) if !texts.is_empty() => {
            reading.good(&format!("{place}.literal"), line, Expression::of_texts(&texts, ignore_case))
        }
        (Some(_), Some(_)) => {
            reading.mistake(place, line, "expected regex or literal, found both");
            None
        }
        _ => {
            if !broken {
                reading.mistake(place, line, "expected regex or literal, found neither");
            }
            None
        }
    };
    let exclude = match exclude {
        Some((line, regex)) => Some(reading.good(&format!("{place}.exclude"), line, compile(&regex, ignore_case))?),
        None => None,
    };
    Some(Pattern { name: name?.1, expression: expression?, exclude, stream, continuations, selector })
}

/// Where mistakes go.
struct Reading<'f> {
    file: &'f Path,
    mistakes: Vec<ConfigError>,
}

impl Reading<'_> {
    fn mistake(&mut self, key: &str, line: u64, what: impl fmt::Display) {
        let key = if key.is_empty() { String::new() } else { format!(" {}:", key.escape_debug()) };
        self.mistakes.push(ConfigError::new(format!("{}:{line}:{key} {what}", self.file.display())));
    }

    fn unknown(&mut self, section: &str, key: &str, line: u64, known: &str) {
        self.mistake(&format!("{section}{key}"), line, format_args!("unknown key, expected one of {known}"));
    }

    fn good<T>(&mut self, key: &str, line: u64, result: Result<T, impl fmt::Display>) -> Option<T> {
        result.map_err(|e| self.mistake(key, line, e)).ok()
    }

    fn map(&mut self, key: &str, node: Node) -> Vec<(String, u64, Node)> {
        let line = node.line;
        let map = node.into_map(key).map_err(|e| e.what);
        self.good(key, line, map).unwrap_or_default()
    }

    fn list(&mut self, key: &str, node: Node) -> Vec<Node> {
        let line = node.line;
        let list = node.into_list(key).map_err(|e| e.what);
        self.good(key, line, list).unwrap_or_default()
    }

    fn switch(&mut self, key: &str, node: Node) -> Option<bool> {
        let line = node.line;
        let switch = node.into_bool(key).map_err(|e| e.what);
        self.good(key, line, switch).flatten()
    }

    /// A text that is not empty.
    fn text(&mut self, key: &str, node: Node) -> Option<String> {
        let line = node.line;
        let text = node.into_text(key).map_err(|e| e.what);
        let text = self.good(key, line, text)?.filter(|text| !text.is_empty());
        if text.is_none() {
            self.mistake(key, line, "expected a text, found nothing");
        }
        text
    }

    /// One text or a list of them.
    fn texts(&mut self, key: &str, node: Node) -> Vec<String> {
        let list = match node.value {
            Value::List(list) => list,
            value => vec![Node { line: node.line, value }],
        };
        list.into_iter().filter_map(|node| self.text(key, node)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> Vec<String> {
        let parsed = parse(Path::new("p.yml"), text);
        parsed.err().map(|e| e.0.iter().map(ToString::to_string).collect()).unwrap_or_default()
    }

    #[test]
    fn all_keys() {
        let text = "levels: false\nignore:\n  namespaces: [kube-*]\npatterns:\n- name: a\n  regex: 'x+y'\n  exclude: z\n  \
                    stream: stderr\n  continuations: true\n  pods: p\n- {name: b, literal: [b c, d], ignore_case: true}\n";
        let settings = parse(Path::new("p.yml"), text).ok().unwrap();
        assert!(!settings.levels);
        assert_eq!(settings.ignore.namespaces, ["kube-*"]);
        let [a, b] = settings.patterns.list() else { panic!() };
        assert_eq!((a.name.as_str(), a.stream, a.continuations), ("a", Some(Stream::Stderr), true));
        assert_eq!((a.selector.pods.as_slice(), b.name.as_str()), (["p".to_owned()].as_slice(), "b"));
        assert_eq!(Settings::default().patterns.list().len(), 1);
        assert_eq!(parse(Path::new("p.yml"), "levels: true").ok().unwrap().patterns.list().len(), 1);
        assert_eq!(parse(Path::new("p.yml"), "patterns: []").ok().unwrap().patterns.list().len(), 0);
    }

    #[test]
    fn mistakes_have_a_place() {
        assert_eq!(mistakes(""), ["p.yml:1: expected patterns, found nothing"]);
        assert_eq!(
            mistakes("pattern: []"),
            ["p.yml:1: pattern: unknown key, expected one of levels, ignore, patterns"]
        );
        let text = "patterns:\n- regex: 'a('\n- name: b\n  regexp: x\n- name: c\n- name: d\n  regex: x\n  literal: y\n\
                    - name: e\n  literal: x\n  stream: both\n- {name: f, literal: x}\n- {name: f, literal: x}\n- {name: g, literal: ''}\n";
        let got = mistakes(text);
        let want = [
            "p.yml:2: patterns[0].name: expected a name, found nothing",
            "p.yml:2: patterns[0].regex: unclosed group",
            "p.yml:4: patterns[1].regexp: unknown key, expected one of name, regex",
            "p.yml:5: patterns[2]: expected regex or literal, found neither",
            "p.yml:6: patterns[3]: expected regex or literal, found both",
            "p.yml:11: patterns[4].stream: expected stdout or stderr, found \"both\"",
            "p.yml:13: patterns[6].name: expected another name than those before, found \"f\"",
            "p.yml:14: patterns[7].literal: expected a text, found nothing",
        ];
        assert_eq!(got.len(), want.len(), "{got:#?}");
        for (got, want) in got.iter().zip(want) {
            assert!(got.starts_with(want), "{got}\n{want}");
        }
        assert!(mistakes("patterns: [}")[0].starts_with("p.yml:1: expected valid YAML"));
    }
}
