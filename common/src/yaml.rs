//! YAML as a tree of nodes that know their lines, for configuration files.
//!
//! The text is parsed by granit-parser, the parser below serde-saphyr. The step from events to settings is made by hand
//! here and in `web/config/wire.rs`: serde's derived code for the same would be 450 KB of each exporter, and most of
//! what stays in memory of a small static program is its code.
//!
//! * Bounded: depth, number of nodes (aliases count with all they stand for), one document.
//! * No message holds a value: the one in the wrong place may be a key or a hash.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle};

/// Nothing a person writes by hand comes near; aliases of aliases do at once.
const MOST_NODES: usize = 10_000;
/// Levels of nesting.
const MOST_LEVELS: usize = 32;

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
    /// Any other scalar, as it was written; `true` when it was quoted or a block.
    Scalar(String, bool),
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

/// A list or map that is not finished yet.
struct Open {
    line: u64,
    anchor: usize,
    /// The key that waits for its value, in a map.
    key: Option<(String, u64)>,
    value: Value,
}

/// Parses a text of one document; an empty text is a null.
pub fn parse(text: &str) -> Result<Node, YamlError> {
    let mut tree = Tree::default();
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
            Event::Scalar(text, style, anchor, _) => {
                let plain = matches!(style, ScalarStyle::Plain);
                let value = match &*text {
                    "" | "~" | "null" | "Null" | "NULL" if plain => Value::Null,
                    text => Value::Scalar(text.to_owned(), !plain),
                };
                tree.close(Node { line, value }, anchor, 1)?;
            }
            Event::SequenceStart(_, anchor, _) => tree.open(line, anchor, Value::List(Vec::new()))?,
            Event::MappingStart(_, anchor, _) => tree.open(line, anchor, Value::Map(Vec::new()))?,
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = tree.stack.pop() {
                    let value = match open.value {
                        Value::Map(map) => Value::Map(merged(map)?),
                        other => other,
                    };
                    tree.close(Node { line: open.line, value }, open.anchor, 1)?;
                }
            }
            Event::Alias(id) => match tree.anchors.get(&id).cloned() {
                Some((node, size)) => tree.close(Node { line, ..node }, 0, size)?,
                None => return Err(YamlError::new(line, "", "an alias stands before its anchor")),
            },
            _ => {}
        }
    }
    Ok(tree.root.unwrap_or(Node { line: 1, value: Value::Null }))
}

/// The parser's remarks name characters and rules, but may quote a name; what stands in quotes is left out.
fn without_values(remark: &str) -> String {
    remark.split(['"', '`']).step_by(2).collect::<Vec<_>>().join("…")
}

/// The key `<<` stands for the keys of another map, or of several, those that are not there already (YAML 1.1, and the Go
/// exporters).
fn merged(mut map: Vec<(String, u64, Node)>) -> Result<Vec<(String, u64, Node)>, YamlError> {
    let Some(at) = map.iter().position(|(key, ..)| key == "<<") else { return Ok(map) };
    let (key, line, node) = map.remove(at);
    let sources = match node.value {
        Value::List(list) => list,
        value => vec![Node { line: node.line, value }],
    };
    for source in sources {
        let Value::Map(source) = source.value else {
            return Err(YamlError::new(line, &key, "expected keys and values, or a list of such"));
        };
        for entry in source {
            if map.iter().all(|(known, ..)| *known != entry.0) {
                map.push(entry);
            }
        }
    }
    Ok(map)
}

#[derive(Default)]
struct Tree {
    stack: Vec<Open>,
    root: Option<Node>,
    /// Finished nodes that have a name, and how many nodes each is.
    anchors: HashMap<usize, (Node, usize)>,
    n_nodes: usize,
}

impl Tree {
    fn open(&mut self, line: u64, anchor: usize, value: Value) -> Result<(), YamlError> {
        if self.stack.len() >= MOST_LEVELS {
            return Err(YamlError::new(line, "", format!("expected at most {MOST_LEVELS} levels")));
        }
        if let Some(Open { value: Value::Map(_), key: None, .. }) = self.stack.last() {
            return Err(YamlError::new(line, "", "expected a plain key"));
        }
        self.stack.push(Open { line, anchor, key: None, value });
        Ok(())
    }

    /// Puts a finished node where it belongs; it stands for `size` nodes.
    fn close(&mut self, node: Node, anchor: usize, size: usize) -> Result<(), YamlError> {
        self.n_nodes += size;
        if self.n_nodes > MOST_NODES {
            return Err(YamlError::new(node.line, "", format!("expected at most {MOST_NODES} values")));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), count(&node)));
        }
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match (&mut open.value, open.key.take()) {
            (Value::List(list), _) => list.push(node),
            (Value::Map(map), Some((key, line))) => map.push((key, line, node)),
            (Value::Map(map), None) => match node.value {
                Value::Scalar(key, _) if map.iter().any(|(known, ..)| *known == key) => {
                    return Err(YamlError::new(node.line, &key, format!("key {key:?} is given twice")));
                }
                Value::Scalar(key, _) => open.key = Some((key, node.line)),
                _ => return Err(YamlError::new(node.line, "", "expected a plain key")),
            },
            _ => {}
        }
        Ok(())
    }
}

fn count(node: &Node) -> usize {
    1 + match &node.value {
        Value::List(list) => list.iter().map(count).sum(),
        Value::Map(map) => map.iter().map(|(.., node)| count(node)).sum(),
        _ => 0,
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
