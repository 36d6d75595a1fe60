//! The alerts as Grafana evaluates them: `grafana/provisioning/alerting/<dashboard>.yaml`.
//!
//! Spelling and meaning of the keys: Grafana's documentation of file provisioning for alerting. Query A is the panel's
//! query at this moment, C the condition. A rule is tied to its panel twice, by fields and by annotations: the first is
//! what Grafana shows on the panel, the second what links in messages are made of.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::{Alert, GRAFANA_FOLDER, NoAnswer, NoData, Panel, Source, rules};

/// The data source's identity, as `grafana/provisioning/datasources` gives it.
pub const DATASOURCE: &str = "prometheus";

#[derive(Serialize)]
struct File<'a> {
    #[serde(rename = "apiVersion")]
    version: u32,
    groups: [Group<'a>; 1],
}

#[derive(Serialize)]
struct Group<'a> {
    #[serde(rename = "orgId")]
    organisation: u32,
    name: &'a str,
    folder: &'a str,
    interval: &'a str,
    rules: Vec<Rule<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule<'a> {
    uid: String,
    title: &'a str,
    dashboard_uid: String,
    panel_id: u32,
    condition: &'a str,
    #[serde(rename = "for")]
    lasting: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_firing_for: Option<&'a str>,
    no_data_state: &'a str,
    exec_err_state: &'a str,
    labels: BTreeMap<&'a str, &'a str>,
    annotations: BTreeMap<&'a str, String>,
    data: [Plain; 2],
}

/// A JSON value for a serializer of another format, which must not learn how serde_json keeps its numbers.
struct Plain(Value);

impl Serialize for Plain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Value::Null => serializer.serialize_none(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Number(number) => match number.as_i64() {
                Some(whole) => serializer.serialize_i64(whole),
                None => serializer.serialize_f64(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => serializer.serialize_str(text),
            Value::Array(items) => serializer.collect_seq(items.iter().cloned().map(Plain)),
            Value::Object(members) => {
                serializer.collect_map(members.iter().map(|(name, value)| (name, Plain(value.clone()))))
            }
        }
    }
}

/// The provisioning file of a dashboard's rules; `None` when it has none.
#[track_caller]
pub fn file(source: &Source) -> Option<String> {
    let rules: Vec<Rule<'_>> = source.alerts().map(|(panel, alert)| rule(source, panel, alert)).collect();
    if rules.is_empty() {
        return None;
    }
    let group = Group { organisation: 1, name: &source.title, folder: GRAFANA_FOLDER, interval: "1m", rules };
    let text = serde_saphyr::to_string(&File { version: 1, groups: [group] }).expect("maps can be written");
    Some(format!("# Made from panels/{}.yaml; change that and run `make golden`.\n{text}", source.dashboard))
}

fn rule<'a>(source: &'a Source, panel: &'a Panel, alert: &'a Alert) -> Rule<'a> {
    // Prometheus calls the value of a rule `$value`; Grafana has one per query.
    let mut annotations: BTreeMap<&str, String> =
        rules::written(alert).map(|(name, text)| (name, text.replace("$value", "$values.A.Value"))).collect();
    annotations.insert("__dashboardUid__", source.uid());
    annotations.insert("__panelId__", panel.id.to_string());
    Rule {
        uid: format!("exporters-{}", alert.name.to_lowercase()),
        title: &alert.name,
        dashboard_uid: source.uid(),
        panel_id: panel.id,
        condition: "C",
        lasting: &alert.lasting,
        keep_firing_for: alert.keep_firing_for.as_deref(),
        no_data_state: match alert.no_data {
            NoData::Ok => "OK",
            NoData::Alerting => "Alerting",
        },
        // Not `Error`, which makes an alert of its own of each rule, at once and of the rule's severity: a restart of
        // Prometheus would open a hundred in GitLab.
        exec_err_state: match alert.no_answer {
            NoAnswer::Keep => "KeepLast",
            NoAnswer::Alerting => "Alerting",
            NoAnswer::Ok => "OK",
        },
        labels: rules::labels(alert),
        annotations,
        data: [Plain(query(alert.expr(panel))), Plain(condition(alert))],
    }
}

fn query(expr: &str) -> Value {
    json!({
        "refId": "A",
        "datasourceUid": DATASOURCE,
        "relativeTimeRange": {"from": 600, "to": 0},
        "model": {
            "refId": "A",
            "datasource": {"type": "prometheus", "uid": DATASOURCE},
            "expr": expr,
            "instant": true,
            "range": false,
            "intervalMs": 1000,
            "maxDataPoints": 43200,
        },
    })
}

fn condition(alert: &Alert) -> Value {
    let model = match (alert.above, alert.below) {
        (Some(limit), _) => threshold("gt", limit),
        (_, Some(limit)) => threshold("lt", limit),
        // Whatever series the query has is wrong, and its value may well be zero.
        _ => json!({"type": "math", "expression": "is_number($A) || is_inf($A)"}),
    };
    let mut model = model;
    model["refId"] = "C".into();
    model["datasource"] = json!({"type": "__expr__", "uid": "__expr__"});
    json!({
        "refId": "C",
        "datasourceUid": "__expr__",
        "relativeTimeRange": {"from": 600, "to": 0},
        "model": model,
    })
}

fn threshold(sign: &str, limit: f64) -> Value {
    json!({"type": "threshold", "expression": "A", "conditions": [{"evaluator": {"type": sign, "params": [limit]}}]})
}
