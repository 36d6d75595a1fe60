//! Grafana's provisioning files, checked more strictly than Grafana does: it ignores keys that it does not know, and takes
//! references that lead nowhere until an alert wants to use them.
//!
//! Keys and their spelling, which is not uniform: Grafana's documentation of file provisioning, and the settings of its
//! receivers `slack` and `webhook`.

mod keys;

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::manifests;
use crate::manifests::monitoring_server::FOLDER;
use crate::manifests::shape::faults;
use keys::{ALERTING, DATASOURCES, PROVIDERS};

/// All files below `grafana/provisioning`, by the folder they are in.
#[derive(Debug)]
pub struct Provisioning {
    files: Vec<(String, String, Value)>,
}

impl Provisioning {
    /// Reads them.
    #[track_caller]
    pub fn read() -> Self {
        let below = format!("{FOLDER}/grafana/provisioning");
        let read = |path: &std::path::PathBuf| {
            let place = path.strip_prefix(manifests::path(&below)).expect("a file found there").display().to_string();
            let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{place}: {e}"));
            let [document] = <[Value; 1]>::try_from(manifests::documents(&place, &text)).expect("one document");
            let folder = place.split('/').next().unwrap_or_default().to_owned();
            (folder, place, document)
        };
        Self { files: manifests::files(&below, &["yaml", "yml", "json"]).iter().map(read).collect() }
    }

    /// All entries of a list that several files may have.
    pub fn all(&self, folder: &str, list: &str) -> Vec<&Value> {
        let files = self.files.iter().filter(|(own, _, _)| own == folder);
        files.filter_map(|(_, _, document)| document[list].as_array()).flatten().collect()
    }

    /// All alert rules, with the folder they are put into.
    pub fn rules(&self) -> Vec<(&str, &Value)> {
        let groups = self.all("alerting", "groups").into_iter();
        groups
            .flat_map(|group| {
                let folder = group["folder"].as_str().unwrap_or_default();
                group["rules"].as_array().into_iter().flatten().map(move |rule| (folder, rule))
            })
            .collect()
    }

    /// Who is told of an alert with these labels, and the times at which nobody is.
    ///
    /// Grafana's rule: the first route that fits, or all up to it that say `continue`; else the policy's own receiver.
    pub fn told(&self, labels: &[(&str, &str)]) -> Vec<(&str, Vec<&str>)> {
        let fits = |matcher: &Value| {
            let value = labels.iter().find(|(name, _)| matcher[0] == **name).map_or("", |(_, value)| value);
            match matcher[1].as_str().unwrap_or_default() {
                "=" => matcher[2] == value,
                "!=" => matcher[2] != value,
                other => panic!("matchers with {other:?} are not judged here"),
            }
        };
        let mut found = Vec::new();
        for policy in self.all("alerting", "policies") {
            for route in policy["routes"].as_array().into_iter().flatten() {
                if route["object_matchers"].as_array().into_iter().flatten().all(fits) {
                    let muted = route["mute_time_intervals"].as_array().into_iter().flatten().filter_map(Value::as_str);
                    found.push((route["receiver"].as_str().unwrap_or_default(), muted.collect()));
                    if route["continue"] != true {
                        return found;
                    }
                }
            }
            if found.is_empty() {
                found.push((policy["receiver"].as_str().unwrap_or_default(), Vec::new()));
            }
        }
        found
    }

    /// What is wrong with them, one by one and together.
    pub fn faults(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (folder, place, document) in &self.files {
            let shape = match folder.as_str() {
                "datasources" => &DATASOURCES,
                "dashboards" => &PROVIDERS,
                "alerting" => &ALERTING,
                _ => {
                    found.push(format!("{place}: Grafana does not look there"));
                    continue;
                }
            };
            found.extend(faults(place, document, shape));
            if document["apiVersion"] != 1 {
                found.push(format!("{place}: the only version is 1"));
            }
            found.extend(dollars(place, document));
        }
        found.extend(self.twice());
        found.extend(self.dangling());
        found
    }

    /// Names that must be there once and are there twice.
    fn twice(&self) -> Vec<String> {
        let named = |list: &str, key: &str| -> Vec<String> {
            self.all("alerting", list).iter().map(|entry| format!("{list} {}", entry[key])).collect()
        };
        let receivers = self.all("alerting", "contactPoints").into_iter();
        let receivers = receivers.flat_map(|point| point["receivers"].as_array().into_iter().flatten());
        let rules = self.rules();
        let all = [
            named("contactPoints", "name"),
            named("templates", "name"),
            named("muteTimes", "name"),
            named("policies", "orgId"),
            receivers.map(|receiver| format!("receiver {}", receiver["uid"])).collect(),
            rules.iter().map(|(_, rule)| format!("rule {}", rule["uid"])).collect(),
            rules.iter().map(|(folder, rule)| format!("rule {} in {folder}", rule["title"])).collect(),
            rules.iter().map(|(_, rule)| format!("panel {} of {}", rule["panelId"], rule["dashboardUid"])).collect(),
            self.all("datasources", "datasources").iter().map(|source| format!("source {}", source["uid"])).collect(),
            self.all("dashboards", "providers")
                .iter()
                .map(|provider| format!("provider {}", provider["name"]))
                .collect(),
        ];
        let mut seen = BTreeSet::new();
        all.into_iter()
            .flatten()
            .filter(|name| !seen.insert(name.clone()))
            .map(|name| format!("twice: {name}"))
            .collect()
    }

    /// References that lead nowhere.
    fn dangling(&self) -> Vec<String> {
        let names = |folder: &str, list: &str, key: &str| -> BTreeSet<String> {
            let entries = self.all(folder, list).into_iter();
            entries.filter_map(|entry| entry[key].as_str().map(str::to_owned)).collect()
        };
        let points = names("alerting", "contactPoints", "name");
        let times = names("alerting", "muteTimes", "name");
        let sources = names("datasources", "datasources", "uid");
        let mut found = Vec::new();
        let mut want = |place: &str, known: &BTreeSet<String>, name: &Value| {
            if !name.as_str().is_some_and(|name| known.contains(name)) {
                found.push(format!("{place} {name}: there is none of that name"));
            }
        };
        for policy in self.all("alerting", "policies") {
            let routes = policy["routes"].as_array().into_iter().flatten();
            for route in routes.chain([policy]) {
                want("receiver", &points, &route["receiver"]);
                for list in ["mute_time_intervals", "active_time_intervals"] {
                    route[list].as_array().into_iter().flatten().for_each(|name| want("time", &times, name));
                }
            }
        }
        let texts = self.all("alerting", "templates").into_iter().filter_map(|template| template["template"].as_str());
        let defined: BTreeSet<String> = texts.clone().flat_map(|text| quoted_after(text, "{{ define ")).collect();
        let mut used: Vec<String> = texts.flat_map(|text| quoted_after(text, "template ")).collect();
        for point in self.all("alerting", "contactPoints") {
            each_text("", point, &mut |_, text| used.extend(quoted_after(text, "template ")));
        }
        for name in used {
            want("template", &defined, &name.into());
        }
        let expression = BTreeSet::from(["__expr__".to_owned()]);
        for (_, rule) in self.rules() {
            let queries = rule["data"].as_array().into_iter().flatten();
            let refs: BTreeSet<String> =
                queries.clone().filter_map(|query| query["refId"].as_str().map(str::to_owned)).collect();
            want("condition", &refs, &rule["condition"]);
            for query in queries {
                let known = if query["datasourceUid"] == "__expr__" { &expression } else { &sources };
                want("data source", known, &query["datasourceUid"]);
            }
            let dashboard = BTreeSet::from([rule["dashboardUid"].as_str().unwrap_or_default().to_owned()]);
            want("dashboard in annotations", &dashboard, &rule["annotations"]["__dashboardUid__"]);
            let panel = BTreeSet::from([rule["panelId"].to_string()]);
            want("panel in annotations", &panel, &rule["annotations"]["__panelId__"]);
        }
        found
    }
}

/// Dollar signs that Grafana would take for variables of the environment, or would not take although they are meant so.
///
/// It expands all texts but those of rules' queries, templates and times; and of annotations only what has braces.
fn dollars(place: &str, document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    each_text(place, document, &mut |place, text| {
        let raw = [".data[", ".templates[", ".muteTimes["].iter().any(|part| place.contains(part));
        let wrong = if raw {
            text.contains("$__file{") || text.contains("$__env{")
        } else if place.contains(".annotations.") {
            text.contains("${") || text.contains("$__file{") || text.contains("$__env{")
        } else {
            let mut rest = text.replace("$$", "");
            for variable in ["$__file{/", "$__env{"] {
                rest = rest.replace(variable, "");
            }
            rest.contains('$')
        };
        if wrong {
            found.push(format!("{place}: a dollar sign out of place: {text}"));
        }
    });
    found
}

/// The words in quotes that follow another word.
fn quoted_after(text: &str, word: &str) -> Vec<String> {
    let found =
        text.match_indices(word).filter_map(|(at, _)| text[at + word.len()..].strip_prefix('"')?.split('"').next());
    found.map(str::to_owned).collect()
}

fn each_text(place: &str, value: &Value, see: &mut impl FnMut(&str, &str)) {
    match value {
        Value::String(text) => see(place, text),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, item)| each_text(&format!("{place}[{n}]"), item, see));
        }
        Value::Object(map) => map.iter().for_each(|(key, item)| each_text(&format!("{place}.{key}"), item, see)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::keys::ALERTING;
    use super::{Provisioning, dollars, faults};

    #[test]
    fn a_misspelt_key_of_a_contact_point_is_found() {
        let receiver =
            json!({"uid": "a", "type": "slack", "settings": {"url": "u", "title": "t", "text": "x", "colour": "red"}});
        let file = json!({"apiVersion": 1, "contactPoints": [{"name": "a", "receivers": [receiver]}]});
        let found = faults("f", &file, &ALERTING);
        assert_eq!(found, ["f.contactPoints[0].receivers[0].settings: no such key: colour"]);
    }

    #[test]
    fn references_that_lead_nowhere_are_found() {
        let policy =
            json!({"receiver": "a", "group_by": ["x"], "routes": [{"receiver": "b", "mute_time_intervals": ["c"]}]});
        let point = json!({"name": "a", "receivers": [{"settings": {"title": "{{ template \"d\" . }}"}}]});
        let file = json!({"policies": [policy], "contactPoints": [point]});
        let all = Provisioning { files: vec![("alerting".to_owned(), "f".to_owned(), file)] };
        let found = all.dangling();
        let wanted = ["receiver \"b\"", "time \"c\"", "template \"d\""]
            .map(|what| format!("{what}: there is none of that name"));
        assert_eq!(found, wanted);
    }

    #[test]
    fn dollars_are_variables_in_some_places_only() {
        let fine = json!({"contactPoints": [{"settings": {"url": "$__file{/etc/x}", "title": "5 $$"}}],
            "groups": [{"rules": [{"annotations": {"a": "{{ $labels.x }}"}, "data": [{"model": {"expr": "$x"}}]}]}]});
        assert_eq!(dollars("f", &fine), Vec::<String>::new());
        for wrong in [
            json!({"contactPoints": [{"settings": {"text": "{{ $x }}"}}]}),
            json!({"groups": [{"rules": [{"labels": {"a": "{{ $labels.x }}"}}]}]}),
            json!({"groups": [{"rules": [{"annotations": {"a": "${x}"}}]}]}),
            json!({"templates": [{"template": "$__file{/etc/x}"}]}),
        ] {
            assert_eq!(dollars("f", &wrong).len(), 1, "{wrong}");
        }
    }
}
