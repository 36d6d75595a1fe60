//! What a document may hold, said by a table: a strict check for files whose own readers ignore what they do not know.

use serde_json::Value;

/// The form of a value.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// Whatever.
    Any,
    /// A text that is not empty.
    Text,
    /// A text that satisfies a rule, and the rule in words.
    Ruled(&'static str, fn(&str) -> bool),
    /// One of these words.
    Word(&'static [&'static str]),
    /// A whole number, not negative.
    Count,
    /// Yes or no.
    Flag,
    /// A list that is not empty, all of one shape.
    List(&'static Shape),
    /// A map with these keys and no others; one that ends in `!` must be there.
    Map(&'static [(&'static str, Shape)]),
    /// A map with any keys, and values of one shape.
    Named(&'static Shape),
    /// One or the other; when it is neither, the first one's faults are told.
    Either(&'static Shape, &'static Shape),
}

/// A duration as Prometheus writes it: `1h30m`, `30s`, `0s`.
pub const DURATION: Shape = Shape::Ruled("a duration as 1h30m", is_duration);

/// What is wrong with a value; each fault begins with where it is.
pub fn faults(place: &str, value: &Value, shape: &Shape) -> Vec<String> {
    let wrong = |wanted: &str| vec![format!("{place}: not {wanted}: {value}")];
    match (shape, value) {
        (Shape::Any, _) | (Shape::Flag, Value::Bool(_)) => Vec::new(),
        (Shape::Text, Value::String(text)) if !text.trim().is_empty() => Vec::new(),
        (Shape::Text, _) => wrong("a text"),
        (Shape::Ruled(_, rule), Value::String(text)) if rule(text) => Vec::new(),
        (Shape::Ruled(words, _), _) => wrong(words),
        (Shape::Word(words), Value::String(text)) if words.contains(&text.as_str()) => Vec::new(),
        (Shape::Word(words), _) => wrong(&format!("one of {words:?}")),
        (Shape::Count, Value::Number(number)) if number.is_u64() => Vec::new(),
        (Shape::Count, _) => wrong("a whole number"),
        (Shape::Flag, _) => wrong("true or false"),
        (Shape::List(inner), Value::Array(items)) if !items.is_empty() => {
            let one = |(n, item)| faults(&format!("{place}[{n}]"), item, inner);
            items.iter().enumerate().flat_map(one).collect()
        }
        (Shape::List(_), _) => wrong("a list"),
        (Shape::Named(inner), Value::Object(map)) => {
            map.iter().flat_map(|(key, item)| faults(&format!("{place}.{key}"), item, inner)).collect()
        }
        (Shape::Map(keys), Value::Object(map)) => {
            let known = |key: &str| keys.iter().find(|(name, _)| name.trim_end_matches('!') == key);
            let there = map.iter().flat_map(|(key, item)| match known(key) {
                Some((_, inner)) => faults(&format!("{place}.{key}"), item, inner),
                None => vec![format!("{place}: no such key: {key}")],
            });
            let wanted = keys.iter().filter_map(|(name, _)| name.strip_suffix('!'));
            let missing =
                wanted.filter(|name| !map.contains_key(*name)).map(|name| format!("{place}: {name} is missing"));
            there.chain(missing).collect()
        }
        (Shape::Named(_) | Shape::Map(_), _) => wrong("a map"),
        (Shape::Either(one, other), _) => {
            let found = faults(place, value, one);
            if found.is_empty() || faults(place, value, other).is_empty() { Vec::new() } else { found }
        }
    }
}

fn is_duration(text: &str) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let unit = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let after = ["ms", "s", "m", "h", "d", "w", "y"].iter().find_map(|name| unit.strip_prefix(name));
        match after {
            Some(after) if unit.len() < rest.len() => rest = after,
            _ => return false,
        }
    }
    !text.is_empty()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{DURATION, Shape, faults};

    const THING: Shape = Shape::Map(&[
        ("name!", Shape::Text),
        ("size", Shape::Count),
        ("kind", Shape::Word(&["a", "b"])),
        ("parts", Shape::List(&Shape::Text)),
        ("labels", Shape::Named(&Shape::Text)),
        ("wait", DURATION),
        ("on", Shape::Either(&Shape::Flag, &Shape::Text)),
    ]);

    #[test]
    fn what_is_right_has_no_faults() {
        let thing = json!({"name": "x", "size": 1, "kind": "a", "parts": ["p"], "labels": {"q": "r"}, "wait": "1h30m", "on": "x"});
        assert_eq!(faults("t", &thing, &THING), Vec::<String>::new());
    }

    #[test]
    fn each_fault_is_told_with_its_place() {
        for (thing, fault) in [
            (json!({}), "t: name is missing"),
            (json!({"name": "x", "colour": 1}), "t: no such key: colour"),
            (json!({"name": ""}), "t.name: not a text: \"\""),
            (json!({"name": "x", "size": -1}), "t.size: not a whole number: -1"),
            (json!({"name": "x", "kind": "c"}), "t.kind: not one of [\"a\", \"b\"]: \"c\""),
            (json!({"name": "x", "parts": []}), "t.parts: not a list: []"),
            (json!({"name": "x", "parts": [1]}), "t.parts[0]: not a text: 1"),
            (json!({"name": "x", "labels": {"q": 1}}), "t.labels.q: not a text: 1"),
            (json!({"name": "x", "wait": "5"}), "t.wait: not a duration as 1h30m: \"5\""),
            (json!({"name": "x", "wait": "m"}), "t.wait: not a duration as 1h30m: \"m\""),
            (json!({"name": "x", "on": 1}), "t.on: not true or false: 1"),
        ] {
            assert_eq!(faults("t", &thing, &THING), [fault]);
        }
    }
}
