//! YAML as a tree of nodes that know their lines, for configuration files.
//!
//! The text is parsed by granit-parser, the parser below serde-saphyr. The step from events to settings is made by hand
//! here and in `web/config/wire.rs`: serde's derived code for the same would be 450 KB of each exporter, and most of
//! what stays in memory of a small static program is its code.
//!
//! * Bounded: depth, number of nodes and bytes of text (aliases count with all they stand for), one document.
//! * No message holds a value: the one in the wrong place may be a key or a hash.

use std::collections::{HashMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use granit_parser::{Event, Parser, ScalarStyle, Tag};

/// Nothing a person writes by hand comes near; aliases of aliases do at once.
const MOST_NODES: usize = 10_000;
/// Levels of nesting.
const MOST_LEVELS: usize = 32;
/// Bytes of all texts: a long one may have many aliases.
const MOST_BYTES: usize = 16 << 20;

/// One node and the line it begins on, from 1.
#[derive(Clone)]
pub struct Node {
    /// Line number from 1.
    pub line: u64,
    /// What is there.
    pub value: Value,
}

/// What a node is. There is no `Debug`, so that no value reaches a log by accident.
#[derive(Clone)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// Any other scalar, as it was written; `true` when it was quoted, a block, or tagged as text.
    Scalar(String, bool),
    /// A scalar tagged `!!binary`, decoded.
    Binary(Vec<u8>),
    /// A list.
    List(Vec<Node>),
    /// Keys with their lines, and their values, in the order of the text; no key is there twice.
    Map(Vec<(String, u64, Node)>),
}

/// A mistake and its line, 0 when the whole text is meant.
#[derive(Debug, PartialEq)]
pub struct YamlError {
    /// Line number from 1.
    pub line: u64,
    /// The key it is about; empty for none.
    pub key: String,
    /// What was expected.
    pub what: String,
}

impl YamlError {
    /// A mistake at `line` about `key`.
    pub fn new(line: u64, key: &str, what: impl Into<String>) -> Self {
        Self { line, key: key.to_owned(), what: what.into() }
    }
}

/// The first document of a text.
pub struct First {
    /// What it holds; `None` when there is no document, or one without a value.
    pub root: Option<Node>,
    /// Keys that are given twice; the first value is kept.
    pub twice: Vec<YamlError>,
}

/// Parses a text of one document; an empty text is a null.
pub fn parse(text: &str) -> Result<Node, YamlError> {
    let tree = read(text, Tree { most_nodes: MOST_NODES, ..Tree::default() })?;
    Ok(tree.root.unwrap_or(Node { line: 1, value: Value::Null }))
}

/// Parses the first document of a text as the Go exporters with strict settings do: what follows it is not looked at,
/// values of null keys are passed over, and keys that are given twice are told about all at once.
pub fn parse_first(text: &str, most_nodes: usize) -> Result<First, YamlError> {
    let tree = read(text, Tree { most_nodes, first: true, ..Tree::default() })?;
    Ok(First { root: tree.root, twice: tree.twice })
}

fn read(text: &str, mut tree: Tree) -> Result<Tree, YamlError> {
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|e| {
            YamlError::new(e.marker().line() as u64, "", format!("expected valid YAML: {}", without_values(&e.info())))
        })?;
        let line = span.start.line() as u64;
        match event {
            Event::DocumentStart(..) => {
                documents += 1;
                if documents > 1 {
                    return Err(YamlError::new(line, "", "expected one YAML document, found several"));
                }
            }
            Event::DocumentEnd if tree.first => break,
            Event::Scalar(text, style, anchor, tag) => {
                if tree.first && tree.stack.is_empty() && text.is_empty() && style == ScalarStyle::Plain {
                    continue; // a document without a value
                }
                let plain = matches!(style, ScalarStyle::Plain);
                let merge = plain && tag.is_none() && text == "<<";
                tree.scalar(Node { line, value: scalar(line, &text, plain, tag.as_deref())? }, anchor, merge)?;
            }
            Event::SequenceStart(_, anchor, _) => tree.open(line, anchor, Value::List(Vec::new()))?,
            Event::MappingStart(_, anchor, _) => tree.open(line, anchor, Value::Map(Vec::new()))?,
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(mut open) = tree.stack.pop() {
                    if let Value::Map(map) = &mut open.value {
                        tree.drop_repeated(map)?;
                        open.merges.into_iter().try_for_each(|(line, from)| merge(map, line, from))?;
                    }
                    tree.close(Node { line: open.line, value: open.value }, open.anchor)?;
                }
            }
            Event::Alias(id) => tree.alias(line, id)?,
            _ => {}
        }
    }
    Ok(tree)
}

/// A scalar by its tag, or by its look when it has none that is known.
fn scalar(line: u64, text: &str, plain: bool, tag: Option<&Tag>) -> Result<Value, YamlError> {
    let standard = tag.filter(|tag| tag.handle() == "tag:yaml.org,2002:").map(Tag::suffix);
    let plain = match standard {
        Some("str") => return Ok(Value::Scalar(text.to_owned(), true)),
        Some("binary") => {
            let text: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
            let bytes = STANDARD.decode(text).map(Value::Binary);
            return bytes.map_err(|_| YamlError::new(line, "", "expected base64 after !!binary"));
        }
        Some("null") if !matches!(text, "" | "~" | "null" | "Null" | "NULL") => {
            return Err(YamlError::new(line, "", "expected nothing after !!null"));
        }
        Some(kind) if !looks_like(kind, text) => {
            return Err(YamlError::new(line, "", format!("expected what !!{kind} stands for")));
        }
        Some(_) => true,
        // Under a tag of somebody else a scalar is a text.
        None => plain && tag.is_none_or(|tag| tag.suffix().is_empty() && tag.handle() == "!"),
    };
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" if plain => Value::Null,
        text => Value::Scalar(text.to_owned(), !plain),
    })
}

/// Whether a text can be what its tag says; what exactly it is, its reader finds out.
fn looks_like(kind: &str, text: &str) -> bool {
    let starts_as_number = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'));
    match kind {
        "bool" => matches!(text.to_ascii_lowercase().as_str(), "true" | "false"),
        "int" | "float" => starts_as_number,
        "timestamp" => starts_as_number && text.get(1..).is_some_and(|rest| rest.contains('-')),
        _ => true,
    }
}

/// The parser's remarks name characters and rules, but may quote a name; what stands in quotes is left out.
fn without_values(remark: &str) -> String {
    remark.split(['"', '`']).step_by(2).collect::<Vec<_>>().join("…")
}

/// The key `<<` stands for the keys of another map, or of several, those that are not there already (YAML 1.1, and the Go
/// exporters).
fn merge(map: &mut Vec<(String, u64, Node)>, line: u64, from: Node) -> Result<(), YamlError> {
    let sources = match from.value {
        Value::List(list) => list,
        value => vec![Node { line: from.line, value }],
    };
    let mut known: HashSet<String> = map.iter().map(|(key, ..)| key.clone()).collect();
    for source in sources {
        let Value::Map(source) = source.value else {
            return Err(YamlError::new(line, "<<", "expected keys and values, or a list of such"));
        };
        map.extend(source.into_iter().filter(|(key, ..)| known.insert(key.clone())));
    }
    Ok(())
}

/// A key that waits for its value.
enum Key {
    Text(String, u64),
    /// `<<`
    Merge(u64),
    /// A null key, of no effect.
    Nothing,
}

/// A list or map that is not finished yet.
struct Open {
    line: u64,
    anchor: usize,
    /// In a map.
    key: Option<Key>,
    value: Value,
    /// Lines and values of `<<`.
    merges: Vec<(u64, Node)>,
}

#[derive(Default)]
struct Tree {
    most_nodes: usize,
    /// Whether the first document alone is read.
    first: bool,
    stack: Vec<Open>,
    root: Option<Node>,
    twice: Vec<YamlError>,
    /// Finished nodes that have a name, and how many nodes and bytes of text each is.
    anchors: HashMap<usize, (Node, (usize, usize))>,
    n_nodes: usize,
    n_bytes: usize,
}

impl Tree {
    fn open(&mut self, line: u64, anchor: usize, value: Value) -> Result<(), YamlError> {
        if self.stack.len() >= MOST_LEVELS {
            return Err(YamlError::new(line, "", format!("expected at most {MOST_LEVELS} levels")));
        }
        if let Some(Open { value: Value::Map(_), key: None, .. }) = self.stack.last() {
            return Err(YamlError::new(line, "", "expected a plain key"));
        }
        self.charge(line, (1, 0))?;
        self.stack.push(Open { line, anchor, key: None, value, merges: Vec::new() });
        Ok(())
    }

    /// Counts nodes and bytes of text before there is memory taken for them.
    fn charge(&mut self, line: u64, (nodes, bytes): (usize, usize)) -> Result<(), YamlError> {
        self.n_nodes += nodes;
        self.n_bytes += bytes;
        if self.n_nodes > self.most_nodes {
            return Err(YamlError::new(line, "", format!("expected at most {} values", self.most_nodes)));
        }
        if self.n_bytes > MOST_BYTES {
            return Err(YamlError::new(line, "", format!("expected at most {MOST_BYTES} bytes of values")));
        }
        Ok(())
    }

    fn scalar(&mut self, node: Node, anchor: usize, merge: bool) -> Result<(), YamlError> {
        self.charge(node.line, size(&node))?;
        match self.stack.last_mut() {
            Some(Open { value: Value::Map(_), key: key @ None, .. }) if merge => *key = Some(Key::Merge(node.line)),
            _ => return self.close(node, anchor),
        }
        Ok(())
    }

    fn alias(&mut self, line: u64, id: usize) -> Result<(), YamlError> {
        let Some((_, size)) = self.anchors.get(&id) else {
            return Err(YamlError::new(line, "", "an alias stands before its anchor"));
        };
        self.charge(line, *size)?;
        let Some((node, _)) = self.anchors.get(&id).cloned() else { return Ok(()) };
        if let Some(Open { key: Some(Key::Merge(_)), .. }) = self.stack.last()
            && matches!(node.value, Value::List(_))
        {
            return Err(YamlError::new(line, "<<", "expected keys and values, or a list of such"));
        }
        self.close(Node { line, ..node }, 0)
    }

    /// Puts a finished node where it belongs.
    fn close(&mut self, node: Node, anchor: usize) -> Result<(), YamlError> {
        if anchor > 0 {
            let size = size(&node);
            self.charge(node.line, size)?;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match (&mut open.value, open.key.take()) {
            (Value::List(list), _) => list.push(node),
            (Value::Map(map), Some(Key::Text(key, line))) => map.push((key, line, node)),
            (_, Some(Key::Merge(line))) => open.merges.push((line, node)),
            (_, Some(Key::Nothing)) => {}
            (Value::Map(_), None) => match node.value {
                Value::Scalar(key, _) => open.key = Some(Key::Text(key, node.line)),
                Value::Null if self.first => open.key = Some(Key::Nothing),
                _ => return Err(YamlError::new(node.line, "", "expected a plain key")),
            },
            _ => {}
        }
        if let [_, (line, _), ..] = open.merges.as_slice() {
            return Err(YamlError::new(*line, "<<", "key \"<<\" is given twice"));
        }
        Ok(())
    }

    /// Keys that are there already go.
    fn drop_repeated(&mut self, map: &mut Vec<(String, u64, Node)>) -> Result<(), YamlError> {
        let mut known = HashSet::with_capacity(map.len());
        let repeated: Vec<bool> = map.iter().map(|(key, ..)| !known.insert(key.as_str())).collect();
        if !repeated.contains(&true) {
            return Ok(());
        }
        let mut twice = Vec::new();
        let mut is_repeated = repeated.into_iter();
        map.retain(|(key, line, _)| {
            let repeated = is_repeated.next() == Some(true);
            if repeated {
                twice.push(YamlError::new(*line, key, format!("key {key:?} is given twice")));
            }
            !repeated
        });
        match twice.pop() {
            Some(last) if !self.first => return Err(if twice.is_empty() { last } else { twice.swap_remove(0) }),
            last => self.twice.extend(twice.into_iter().chain(last)),
        }
        Ok(())
    }
}

/// How many nodes and how many bytes of text.
fn size(node: &Node) -> (usize, usize) {
    let add = |a: (usize, usize), b: (usize, usize)| (a.0 + b.0, a.1 + b.1);
    match &node.value {
        Value::Null => (1, 0),
        Value::Scalar(text, _) => (1, text.len()),
        Value::Binary(bytes) => (1, bytes.len()),
        Value::List(list) => list.iter().map(size).fold((1, 0), add),
        Value::Map(map) => map.iter().map(|(key, _, node)| add((1, key.len()), size(node))).fold((1, 0), add),
    }
}

impl Node {
    /// Keys and values; an empty node has none. `key` is what the node is the value of.
    pub fn into_map(self, key: &str) -> Result<Vec<(String, u64, Node)>, YamlError> {
        match self.value {
            Value::Map(map) => Ok(map),
            Value::Null => Ok(Vec::new()),
            _ => Err(YamlError::new(self.line, key, "expected keys and values")),
        }
    }

    /// A list; an empty node has no items.
    pub fn into_list(self, key: &str) -> Result<Vec<Node>, YamlError> {
        match self.value {
            Value::List(list) => Ok(list),
            Value::Null => Ok(Vec::new()),
            _ => Err(YamlError::new(self.line, key, "expected a list")),
        }
    }

    /// A text, as it was written; `None` for nothing.
    pub fn into_text(self, key: &str) -> Result<Option<String>, YamlError> {
        match self.value {
            Value::Scalar(text, _) => Ok(Some(text)),
            Value::Null => Ok(None),
            _ => Err(YamlError::new(self.line, key, "expected text")),
        }
    }

    /// A truth value in any of the spellings of YAML 1.1, which the Go exporters take; `None` for nothing.
    pub fn into_bool(self, key: &str) -> Result<Option<bool>, YamlError> {
        let (line, wrong) = (self.line, "expected true or false");
        match &self.value {
            Value::Null => Ok(None),
            Value::Scalar(text, false) => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "y" => Ok(Some(true)),
                "false" | "no" | "off" | "n" => Ok(Some(false)),
                _ => Err(YamlError::new(line, key, wrong)),
            },
            _ => Err(YamlError::new(line, key, wrong)),
        }
    }

    /// A whole number from 0 to 2^32-1; `None` for nothing.
    pub fn into_u32(self, key: &str) -> Result<Option<u32>, YamlError> {
        match &self.value {
            Value::Null => Ok(None),
            Value::Scalar(text, false) if text.parse::<u32>().is_ok() => Ok(text.parse().ok()),
            _ => Err(YamlError::new(self.line, key, "expected a whole number, 0 or more")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(node: &Node) -> String {
        match &node.value {
            Value::Null => format!("{}:null", node.line),
            Value::Scalar(text, quoted) => format!("{}:{text:?}{}", node.line, if *quoted { "q" } else { "" }),
            Value::Binary(bytes) => format!("{}:{bytes:?}", node.line),
            Value::List(list) => format!("{}:[{}]", node.line, list.iter().map(show).collect::<Vec<_>>().join(" ")),
            Value::Map(map) => {
                let pairs: Vec<_> =
                    map.iter().map(|(key, line, node)| format!("{line}:{key}={}", show(node))).collect();
                format!("{}:{{{}}}", node.line, pairs.join(" "))
            }
        }
    }

    #[track_caller]
    fn check(text: &str, want: &str) {
        let got = parse(text).map_or_else(|e| format!("{}: {} {}", e.line, e.key, e.what), |node| show(&node));
        assert_eq!(got, want);
    }

    #[test]
    fn good() {
        check("", "1:null");
        check("# nothing\n", "1:null");
        check("a: 1\nb: 'x'\nc:\n- ~\n- |\n  t\n", "1:{1:a=1:\"1\" 2:b=2:\"x\"q 3:c=4:[4:null 6:\"t\\n\"q]}");
        check("a: &n {k: v}\nb: *n\n", "1:{1:a=1:{1:k=1:\"v\"} 2:b=2:{1:k=1:\"v\"}}");
    }

    #[test]
    fn merge_keys() {
        let base = "a: &n {k: v, l: w}\n";
        let a = "1:a=1:{1:k=1:\"v\" 1:l=1:\"w\"}";
        check(&format!("{base}b: {{<<: *n, l: x}}\n"), &format!("1:{{{a} 2:b=2:{{2:l=2:\"x\" 1:k=1:\"v\"}}}}"));
        check(
            &format!("{base}b:\n  <<: [*n, {{k: y, m: z}}]\n"),
            &format!("1:{{{a} 2:b=3:{{1:k=1:\"v\" 1:l=1:\"w\" 3:m=3:\"z\"}}}}"),
        );
        for bad in ["<<: x", "<<: [x]", "<<: ~", "<<: [[]]"] {
            check(bad, "1: << expected keys and values, or a list of such");
        }
    }

    #[test]
    fn mistakes_have_a_line() {
        check("a: 1\na: 2\n", "2: a key \"a\" is given twice");
        check("a: 1\n---\nb: 1\n", "2:  expected one YAML document, found several");
        check("[a]: 1\n", "1:  expected a plain key");
        assert!(
            parse("a: [1\n").is_err() && parse("a: \"x").is_err() && parse("\u{0}").is_err() && parse("a: *n").is_err()
        );
    }

    #[test]
    fn bounds() {
        check(&("[".repeat(40) + &"]".repeat(40)), "1:  expected at most 32 levels");
        let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (name, of) in [("b", "a"), ("c", "b"), ("d", "c"), ("e", "d")] {
            bomb.push_str(&format!("{name}: &{name} [{}]\n", vec![format!("*{of}"); 10].join(", ")));
        }
        assert!(parse(&bomb).is_err_and(|e| e.what.contains("at most 10000")));
    }

    #[test]
    fn kinds() {
        let of = |text: &str| parse(text).unwrap_or_else(|e| panic!("{e:?}"));
        assert_eq!(of("Yes").into_bool("k"), Ok(Some(true)));
        assert_eq!(of("'yes'").into_bool("k"), Err(YamlError::new(1, "k", "expected true or false")));
        assert_eq!(of("7").into_u32("k"), Ok(Some(7)));
        assert!(of("-1").into_u32("k").is_err() && of("[]").into_text("k").is_err() && of("x").into_list("k").is_err());
        assert!(of("").into_map("k").is_ok_and(|map| map.is_empty()));
    }
}
