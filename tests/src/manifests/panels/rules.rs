//! The alerts as Prometheus evaluates them: `prometheus/rules/<dashboard>.yml`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Alert, Panel, RUNBOOKS, Severity, Source};

#[derive(Serialize)]
struct File<'a> {
    groups: Vec<Group<'a>>,
}

#[derive(Serialize)]
struct Group<'a> {
    name: &'a str,
    rules: Vec<Rule<'a>>,
}

#[derive(Serialize)]
struct Rule<'a> {
    alert: &'a str,
    expr: String,
    #[serde(rename = "for")]
    lasting: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_firing_for: Option<&'a str>,
    labels: BTreeMap<&'a str, &'a str>,
    annotations: BTreeMap<&'a str, String>,
}

/// The rule file of a dashboard; `None` when it has no alerts.
#[track_caller]
pub fn file(source: &Source) -> Option<String> {
    let rules: Vec<Rule<'_>> = source.alerts().map(|(panel, alert)| rule(source, panel, alert)).collect();
    if rules.is_empty() {
        return None;
    }
    let file = File { groups: vec![Group { name: &source.dashboard, rules }] };
    let text = serde_saphyr::to_string(&file).expect("strings and lists can be written");
    Some(format!("# Made from panels/{}.yaml; change that and run `make golden`.\n{text}", source.dashboard))
}

fn rule<'a>(source: &'a Source, panel: &'a Panel, alert: &'a Alert) -> Rule<'a> {
    let mut annotations: BTreeMap<&str, String> = written(alert).collect();
    annotations.insert("dashboard_url", dashboard_url(source, panel));
    Rule {
        alert: &alert.name,
        expr: condition(alert, alert.expr(panel)),
        lasting: &alert.lasting,
        keep_firing_for: alert.keep_firing_for.as_deref(),
        labels: labels(alert),
        annotations,
    }
}

/// The labels of a rule.
pub(super) fn labels(alert: &Alert) -> BTreeMap<&str, &str> {
    let further = alert.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    further.chain([("severity", severity(alert.severity))]).collect()
}

/// The annotations of a rule that are the same wherever it is evaluated.
pub(super) fn written(alert: &Alert) -> impl Iterator<Item = (&'static str, String)> {
    let runbook = format!("{RUNBOOKS}{}.md", alert.name);
    let texts = [
        ("summary", Some(alert.summary.clone())),
        ("description", Some(alert.description.clone())),
        ("commands", alert.commands.clone()),
        ("runbook_url", Some(runbook)),
    ];
    texts.into_iter().filter_map(|(name, text)| Some((name, text?.trim().to_owned())))
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::Warning => "warning",
        Severity::Info => "info",
        Severity::None => "none",
    }
}

/// The panel below Grafana's own address.
fn dashboard_url(source: &Source, panel: &Panel) -> String {
    let cluster = if source.has_variable("cluster") { "&var-cluster={{ $labels.cluster }}" } else { "" };
    format!("/d/{}?viewPanel={}{cluster}", source.uid(), panel.id)
}

fn condition(alert: &Alert, expr: &str) -> String {
    let compared = |sign: &str, limit: f64| {
        let expr = if expr.contains('\n') { format!("\n{expr}\n") } else { expr.to_owned() };
        format!("({expr}) {sign} {limit}")
    };
    match (alert.above, alert.below) {
        (Some(limit), _) => compared(">", limit),
        (_, Some(limit)) => compared("<", limit),
        _ => expr.to_owned(),
    }
}
