//! A Logstash that lies: each member of each answer in turn becomes something else, or goes.
//!
//! Nothing may end the reading of the answer, no series may appear that the table does not promise, and none may go that
//! does not come from that member.

use std::collections::BTreeSet;

use common::exposition::parse_text;
use logstash_exporter::families::{ROWS, Set};
use serde_json::Value;

use super::{ALL, Answers, answers, page, read};

/// What a member may become, as text: the last one is larger than any double.
const LIES: &[&str] =
    &["null", "\"text\"", "\"\"", "[]", "[1,\"x\",{}]", "17", "{}", "{\"text\":[{}]}", "true", "1e999"];

/// The places of all members, as keys and indices.
fn places(value: &Value, at: &[String], found: &mut Vec<Vec<String>>) {
    let mut visit = |key: String, inner: &Value| {
        let place = [at, &[key]].concat();
        found.push(place.clone());
        places(inner, &place, found);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(key, inner)| visit(key.clone(), inner)),
        Value::Array(items) => items.iter().enumerate().for_each(|(n, inner)| visit(n.to_string(), inner)),
        _ => {}
    }
}

/// The document with `lie` at `place`, or nothing there.
fn bent(document: &Value, place: &[String], lie: Option<&str>) -> Vec<u8> {
    const MARK: &str = "here the lie goes";
    let mut document = document.clone();
    let (last, path) = place.split_last().unwrap();
    let pointer: String = path.iter().map(|key| format!("/{}", key.replace('~', "~0").replace('/', "~1"))).collect();
    match (document.pointer_mut(&pointer).unwrap(), lie) {
        (Value::Object(members), Some(_)) => drop(members.insert(last.clone(), MARK.into())),
        (Value::Object(members), None) => drop(members.remove(last)),
        (Value::Array(items), Some(_)) => items[last.parse::<usize>().unwrap()] = MARK.into(),
        (Value::Array(items), None) => drop(items.remove(last.parse().unwrap())),
        _ => unreachable!(),
    }
    let text = serde_json::to_string(&document).unwrap();
    text.replace(&format!("\"{MARK}\""), lie.unwrap_or_default()).into_bytes()
}

/// Series without their values, and how many members were malformed.
fn series(answers: &Answers) -> (BTreeSet<String>, u32) {
    let read = read("x", answers).unwrap();
    let page = page(vec![read.instance], ALL);
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    (lines.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect(), read.malformed)
}

/// Whether the table has a row with the labels of each series.
fn check_promised<'s>(series: impl Iterator<Item = &'s String>) {
    let text: String = series.map(|series| format!("{series} 1\n")).collect();
    for family in parse_text(text.as_bytes()).unwrap().families {
        let rows: Vec<_> = ROWS.iter().filter(|row| row.name == family.name).collect();
        for sample in family.samples {
            let labels: Vec<&str> = sample.labels.iter().map(|(key, _)| key.as_str()).collect();
            let is_promised = rows.iter().any(|row| {
                let more: &[&str] = if row.set == Set::Default { &["hostname", "instance_name"] } else { &[] };
                let mut keys = [row.labels(), more].concat();
                keys.sort_unstable();
                keys == labels
            });
            assert!(is_promised, "{}{labels:?}", family.name);
        }
    }
}

fn check(folder: &str) {
    let good = answers(folder);
    let before = series(&good).0;
    check_promised(before.iter());
    for (file, body) in &good {
        let document: Value = serde_json::from_slice(body).unwrap();
        let mut found = Vec::new();
        places(&document, &[], &mut found);
        for (at, place) in found.iter().enumerate() {
            let mut answers = good.clone();
            answers.insert(file.clone(), bent(&document, place, None));
            let (without, malformed) = series(&answers);
            assert_eq!(malformed, 0, "{folder}/{file} without {place:?}");
            check_promised(without.difference(&before));
            // There are many windows, and they are all alike: one lie each.
            let is_window = place.last().is_some_and(|key| key.starts_with("last_") || key == "lifetime");
            for lie in LIES.iter().enumerate().filter(|(n, _)| !is_window || at % LIES.len() == *n).map(|(_, lie)| lie)
            {
                answers.insert(file.clone(), bent(&document, place, Some(lie)));
                let (now, malformed) = series(&answers);
                check_promised(now.difference(&before));
                // A text in the place of a text is no lie, and a label of other series.
                if malformed == 0 && lie.starts_with('"') {
                    continue;
                }
                // What is lost when the member is not there comes from it.
                let lost: Vec<&String> = before.difference(&now).filter(|lost| without.contains(*lost)).collect();
                assert!(lost.is_empty(), "{folder}/{file} {place:?} as {lie}: {lost:?} went too");
            }
        }
    }
}

#[test]
fn memory() {
    check("7.17");
}

#[test]
fn persisted() {
    check("8.18");
}

#[test]
fn batches() {
    check("9.4");
}

#[test]
fn odd() {
    check("9.2-odd");
}
