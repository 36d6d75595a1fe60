//! What holds for every page and for the table.

use std::collections::{BTreeMap, BTreeSet};

use common::exposition::{is_metric_name, parse_text};
use logstash_exporter::api::{self, Window};
use logstash_exporter::families::{Instance, ROWS, Set, Wanted};

use super::{ALL, Answers, answers, folders, page, read};

#[test]
fn rows_are_well_formed() {
    for row in ROWS.iter() {
        assert!(is_metric_name(row.name) && row.name.starts_with("logstash_"), "{}", row.name);
        assert!(row.help.ends_with('.') && !row.help.contains('\n'), "{}: {}", row.name, row.help);
        assert!(row.labels().is_sorted(), "{}: {:?}", row.name, row.labels());
    }
    for pair in ROWS.windows(2) {
        let [a, b] = pair else { unreachable!() };
        assert!(a.name < b.name || a.kind == b.kind && a.help == b.help && a.set != b.set, "{}", a.name);
    }
    assert!(Window::ALL.is_sorted_by_key(|window| window.as_str()));
}

#[test]
fn sets_can_be_left_out() {
    let answers = answers("9.4");
    let names = |wanted| {
        let page = page(vec![read("x", &answers).unwrap().instance], wanted);
        let names = page.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next().map(str::to_owned));
        names.collect::<Vec<_>>()
    };
    let of = |set: Set| ROWS.iter().filter(|row| row.set == set).map(|row| row.name).collect::<Vec<_>>();
    let neither = names(Wanted { default_set: false, legacy: false, package_info: false });
    assert!(neither.iter().all(|name| of(Set::Extra).contains(&name.as_str())), "{neither:?}");
    let legacy = names(Wanted { default_set: false, legacy: true, package_info: false });
    assert!(legacy.contains(&"logstash_info_node".to_owned()) && !legacy.contains(&"logstash_info_up".to_owned()));
    assert!(names(ALL).contains(&"logstash_plugin_package_info".to_owned()));
    assert!(!names(Wanted::default()).contains(&"logstash_plugin_package_info".to_owned()));
}

/// Together the fixtures show every row but those of the exporter itself.
#[test]
fn every_row_is_shown() {
    let mut shown = BTreeMap::new();
    for folder in folders() {
        let answers = answers(&folder);
        let page = page(vec![read("x", &answers).unwrap().instance], ALL);
        for family in parse_text(page.as_bytes()).unwrap().families {
            *shown.entry(family.name).or_insert(0) += family.samples.len();
        }
    }
    let missing: Vec<&str> = ROWS.iter().map(|row| row.name).filter(|name| !shown.contains_key(*name)).collect();
    assert_eq!(missing, ["logstash_exporter_endpoint_duration_seconds", "logstash_exporter_endpoint_up"]);
}

/// What an answer alone knew is gone without it, and nothing else is there under other labels.
#[test]
fn a_missing_answer_makes_no_new_series() {
    let series = |answers: &Answers| -> BTreeSet<String> {
        let page = page(vec![read("x", answers).unwrap().instance], ALL);
        let lines = page.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
    };
    for folder in folders() {
        let all = answers(&folder);
        let well = series(&all);
        for missing in all.keys() {
            let mut answers = all.clone();
            answers.remove(missing);
            let got = series(&answers);
            let new: Vec<&String> = got.difference(&well).collect();
            assert!(new.is_empty() && got.len() < well.len(), "{folder} without {missing}: {new:#?}");
        }
    }
}

/// The fixtures hold nothing malformed; one plugin of `9.2-odd` is there twice.
#[test]
fn good_answers_have_no_faults() {
    for folder in folders() {
        let answers = answers(&folder);
        let read = read("x", &answers).unwrap();
        assert_eq!((read.malformed, read.doubles), (0, u32::from(folder == "9.2-odd")), "{folder}");
    }
}

#[test]
fn one_that_is_down() {
    let down = Instance { hostname: "http://c:9600", instance_name: "c", ..Instance::default() };
    let page = page(vec![down], Wanted::default());
    let samples: Vec<&str> = page.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(samples, ["logstash_info_up{hostname=\"http://c:9600\",instance_name=\"c\"} 0", "logstash_up 0"]);
}

#[test]
fn cut_short_is_an_error() {
    for folder in folders() {
        for (name, body) in answers(&folder) {
            let text = String::from_utf8(body).unwrap().trim_end().to_owned();
            for len in (0..text.len()).step_by(97).chain([text.len() - 1]) {
                let cut = [(name.clone(), text.as_bytes()[..len].to_vec())].into();
                assert!(read("x", &cut).is_err(), "{folder}/{name} up to {len}");
            }
        }
    }
}

#[track_caller]
fn check_error(body: impl AsRef<[u8]>, want: &str) {
    let body = body.as_ref();
    let got = api::parse_node_stats(body).map(|_| ()).map_err(|e| e.to_string());
    assert_eq!(got, Err(want.to_owned()), "{}", body.escape_ascii());
}

#[test]
fn errors_say_where() {
    check_error("", "1:0: end of text while parsing a value");
    check_error("  \n", "2:0: end of text while parsing a value");
    check_error("{\"jvm\":{\n\"threads\":", "2:10: end of text while parsing a value");
    check_error("<html>", "1:1: expected value");
    check_error("{} {}", "1:4: trailing characters");
    check_error("[{}]", "1:0: invalid type: sequence, expected an object");
    check_error("null", "1:4: invalid type: null, expected an object");
    check_error("{\"jvm\":".repeat(3), "1:21: end of text while parsing a value");
    check_error(b"{\"jvm\":\n{\"\xff\":1}}", "2:3: expected UTF-8, found something else");
    check_error(r#"{"\ud800":1}"#, "1:9: unexpected end of hex escape");
}

#[test]
fn nests_without_end_are_skipped_where_nobody_looks() {
    let deep = 100_000;
    let nest = format!("{}{}", "[".repeat(deep), "]".repeat(deep));
    let body = format!("{{\"odd\":{nest},\"events\":{{\"in\":{nest},\"out\":7}}}}");
    let stats = api::parse_node_stats(body.as_bytes()).unwrap();
    assert_eq!(stats.malformed, 1);
    assert_eq!(stats.document.record.number(api::StatsNumber::EventsOut), Some(7.0));
    let body = format!("{{\"events\":{nest}}}");
    assert_eq!(api::parse_node_stats(body.as_bytes()).unwrap().malformed, 1);
}

/// What serde_json calls a number among its own is a key like any other when it stands in an answer.
#[test]
fn a_key_of_the_libraries_own() {
    let body = r#"{"events":{"$serde_json::private::Number":"7","in":1},"reloads":{"failures":2}}"#;
    let stats = api::parse_node_stats(body.as_bytes()).unwrap();
    assert_eq!((stats.malformed, stats.document.record.number(api::StatsNumber::ReloadFailures)), (1, Some(2.0)));
}
