//! The source of dashboards and alert rules: `manifests/monitoring-server/panels`, a file per dashboard.
//!
//! Whoever changes a panel or a threshold changes it there. Three things are made of each file, and nothing else holds a
//! query: the dashboard ([`dashboard`]), Grafana's alert rules ([`grafana`]) and the same rules for Prometheus
//! ([`rules`]). An alert is part of its panel, so that a rule without a panel, or with two, cannot be written down.

pub mod dashboard;
pub mod grafana;
pub mod query;
pub mod rules;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::manifests;

/// The folder of the sources, below `manifests/`.
pub const FOLDER: &str = "monitoring-server/panels";

/// Where a runbook is found once the repository is published; the name of the alert and `.md` follow.
pub const RUNBOOKS: &str = "https://github.com/example/exporters/blob/main/manifests/monitoring-server/runbooks/";

/// Grafana's folder for all dashboards and their rules.
pub const GRAFANA_FOLDER: &str = "Exporters";

/// One dashboard.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The name of the file without its extension.
    pub dashboard: String,
    /// What people call it.
    pub title: String,
    /// One sentence.
    pub description: String,
    /// Label matchers that every selector of a panel gets, with the dashboard's variables in them.
    #[serde(default)]
    pub matchers: String,
    /// The dashboard's variables besides the data source.
    #[serde(default)]
    pub variables: Vec<Variable>,
    /// Panels under headings.
    pub rows: Vec<Row>,
}

/// A choice at the top of a dashboard.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// The name that queries use behind a dollar.
    pub name: String,
    /// What there is to choose from: `label_values(metric, label)`.
    pub values: String,
    /// Whether everything can be chosen at once; true unless said otherwise.
    #[serde(default = "yes")]
    pub all: bool,
    /// Whether several can be chosen; true unless said otherwise.
    #[serde(default = "yes")]
    pub multi: bool,
}

/// A heading and what stands under it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The heading.
    pub title: String,
    /// In the order of reading.
    pub panels: Vec<Panel>,
}

/// A panel.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Panel {
    /// Stable: alerts link to it.
    pub id: u32,
    /// What it shows.
    pub title: String,
    /// How it is drawn.
    #[serde(default, rename = "type")]
    pub kind: Kind,
    /// Columns of 24.
    pub width: u32,
    /// Rows of the grid; what is usual for its kind unless said otherwise.
    pub height: Option<u32>,
    /// Grafana's name of the unit.
    #[serde(default)]
    pub unit: String,
    /// What normal looks like.
    #[serde(default)]
    pub description: String,
    /// Instead of the dashboard's.
    pub matchers: Option<String>,
    /// Least value of the axis.
    pub min: Option<f64>,
    /// Greatest value of the axis.
    pub max: Option<f64>,
    /// Whether series are put on top of each other.
    #[serde(default)]
    pub stack: bool,
    /// Digits behind the point.
    pub decimals: Option<u32>,
    /// Words for values.
    #[serde(default)]
    pub mappings: BTreeMap<String, String>,
    /// What is asked.
    #[serde(default)]
    pub queries: Vec<Query>,
    /// Markdown, for panels of words.
    pub text: Option<String>,
    /// The rule that belongs to this panel.
    pub alert: Option<Alert>,
}

/// How a panel is drawn; the names are Grafana's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Lines over time.
    #[default]
    Timeseries,
    /// A number.
    Stat,
    /// A number on a dial.
    Gauge,
    /// Bars, one per series.
    Bargauge,
    /// Labels and numbers.
    Table,
    /// States over time.
    StateTimeline,
    /// Words.
    Text,
}

/// One query of a panel.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// PromQL, without the dashboard's variables.
    pub expr: String,
    /// The name of a series, with its labels in double braces.
    #[serde(default)]
    pub legend: String,
    /// Only the newest value.
    #[serde(default)]
    pub instant: bool,
}

/// The rule of a panel.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// Its name everywhere: rule, runbook, tests.
    pub name: String,
    /// Who has to act, and when.
    pub severity: Severity,
    /// How long the condition must hold, as a Prometheus duration.
    #[serde(rename = "for")]
    pub lasting: String,
    /// How long it goes on after the condition has ended.
    pub keep_firing_for: Option<String>,
    /// The first query of the panel, unless said otherwise.
    pub expr: Option<String>,
    /// Fires above this value.
    pub above: Option<f64>,
    /// Fires below this value.
    pub below: Option<f64>,
    /// What it means that there is no series.
    #[serde(default)]
    pub no_data: NoData,
    /// What Grafana takes it for that Prometheus does not answer.
    #[serde(default)]
    pub no_answer: NoAnswer,
    /// One line that names the thing, as a template.
    pub summary: String,
    /// What it means for users, as a template.
    pub description: String,
    /// What to run first, as a template.
    pub commands: Option<String>,
    /// Further labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// Who has to act on an alert, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Somebody, now.
    Critical,
    /// Somebody, today.
    Warning,
    /// Nobody: it is drawn and not sent.
    Info,
    /// It always fires, and whoever waits for it notices when it stops.
    None,
}

/// What it means that a rule's query has no answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NoData {
    /// Nothing.
    #[default]
    Ok,
    /// Something that must exist is gone.
    Alerting,
}

/// What it means that Prometheus does not answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NoAnswer {
    /// Nothing for this rule: it stays as it is. One rule tells of it, and not all of them.
    #[default]
    Keep,
    /// This is the rule that tells of it.
    Alerting,
    /// The alert ends, for one whose end is what people wait for.
    Ok,
}

fn yes() -> bool {
    true
}

impl Source {
    /// Reads a source; `place` is named when it is none.
    #[track_caller]
    pub fn read(place: &str, text: &str) -> Self {
        let source: Self = serde_saphyr::from_str(text).unwrap_or_else(|e| panic!("{place}: {e}"));
        source.check(place);
        source
    }

    /// The identity of the dashboard in Grafana.
    pub fn uid(&self) -> String {
        format!("exporters-{}", self.dashboard)
    }

    /// All panels.
    pub fn panels(&self) -> impl Iterator<Item = &Panel> {
        self.rows.iter().flat_map(|row| &row.panels)
    }

    /// Panels with a rule, and the rule.
    pub fn alerts(&self) -> impl Iterator<Item = (&Panel, &Alert)> {
        self.panels().filter_map(|panel| Some((panel, panel.alert.as_ref()?)))
    }

    /// Whether the dashboard has this variable.
    pub fn has_variable(&self, name: &str) -> bool {
        self.variables.iter().any(|variable| variable.name == name)
    }

    #[track_caller]
    fn check(&self, place: &str) {
        assert!(place.ends_with(&format!("{}.yaml", self.dashboard)), "{place}: is named {}", self.dashboard);
        let mut ids = Vec::new();
        for panel in self.panels() {
            let place = format!("{place}: panel {} `{}`", panel.id, panel.title);
            assert!(!ids.contains(&panel.id), "{place}: the id is taken");
            ids.push(panel.id);
            assert!((1..=24).contains(&panel.width), "{place}: width {} of 24", panel.width);
            assert_eq!(
                panel.kind == Kind::Text,
                panel.text.is_some(),
                "{place}: text is for panels of words, and they need it"
            );
            assert_eq!(panel.kind == Kind::Text, panel.queries.is_empty(), "{place}: queries are for all other panels");
            let Some(alert) = &panel.alert else { continue };
            assert!(panel.kind == Kind::Timeseries, "{place}: Grafana draws the state of a rule on time series only");
            assert!(alert.above.is_none() || alert.below.is_none(), "{place}: above or below, not both");
            let inside = alert.above.is_none() && alert.below.is_none();
            assert!(
                !inside || alert.no_data == NoData::Ok,
                "{place}: an expression of only what is wrong is empty when all is well"
            );
            assert!(alert.name.chars().all(char::is_alphanumeric), "{place}: the name of an alert is one word");
            assert!(!alert.labels.values().any(|value| value.contains('$')), "{place}: labels are no templates");
            assert!(!alert.labels.contains_key("severity"), "{place}: severity has a key of its own");
        }
    }
}

impl Alert {
    /// The query: its own, or the first of the panel.
    pub fn expr<'a>(&'a self, panel: &'a Panel) -> &'a str {
        let first = || panel.queries.first().map_or("", |query| query.expr.trim());
        self.expr.as_deref().map_or_else(first, str::trim)
    }
}

/// All sources, in the order of their names.
#[track_caller]
pub fn sources() -> Vec<Source> {
    let files = manifests::files(FOLDER, &["yaml"]);
    let read = |path: &std::path::PathBuf| {
        let text = std::fs::read_to_string(path).expect("a listed file can be read");
        Source::read(&path.to_string_lossy(), &text)
    };
    files.iter().map(read).collect()
}
