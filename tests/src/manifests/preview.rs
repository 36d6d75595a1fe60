//! Pictures of the dashboards, drawn from real answers: what a panel shows without a Grafana to show it.
//!
//! The picture has Grafana's grid and each panel's own data, title and limit; it is a likeness, not a rendering by Grafana.

mod chart;
mod svg;
mod value;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::client::percent_encoded;
use crate::manifests::panels::{Kind, Panel, Query, Source, dashboard};
use crate::prometheus::Prometheus;
use svg::Svg;

/// One column of 24, one row of the grid, and the space between panels, in pixels.
const COLUMN: f64 = 50.0;
const ROW: f64 = 30.0;
const GAP: f64 = 6.0;

/// A series: its name in the legend, its labels, and its points as seconds and value.
#[derive(Debug)]
struct Series {
    name: String,
    labels: BTreeMap<String, String>,
    points: Vec<(f64, f64)>,
}

impl Series {
    fn last(&self) -> f64 {
        self.points.last().map_or(f64::NAN, |(_, value)| *value)
    }
}

/// A stretch of time, in seconds of Unix time.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// Its beginning.
    pub start: f64,
    /// Its end.
    pub end: f64,
}

/// Draws a dashboard with what Prometheus answers for the time between `span.start` and `span.end`.
#[track_caller]
pub fn drawn(source: &Source, prometheus: &Prometheus, span: Span) -> String {
    let written = dashboard::file(source);
    let dashboard: Value = serde_json::from_str(&written).expect("the dashboard is JSON");
    let places = dashboard["panels"].as_array().expect("a dashboard has panels");
    let number = |place: &Value, key: &str| place["gridPos"][key].as_f64().expect("a place has numbers");
    let bottom = places.iter().map(|place| number(place, "y") + number(place, "h")).fold(0.0, f64::max);
    let mut svg = Svg::new(24.0 * COLUMN + GAP, (bottom + 1.0) * ROW + GAP);
    svg.text((GAP * 2.0, 20.0), 16.0, "#1f2933", &source.title);
    for place in places {
        let (x, y) = (number(place, "x") * COLUMN + GAP, (number(place, "y") + 1.0) * ROW + GAP);
        let (width, height) = (number(place, "w") * COLUMN - GAP, number(place, "h") * ROW - GAP);
        let panel = source.panels().find(|panel| place["id"] == panel.id);
        let title = place["title"].as_str().unwrap_or_default();
        let Some(panel) = panel else {
            svg.text((x, y + 16.0), 13.0, "#52606d", title);
            continue;
        };
        svg.panel((x, y), (width, height), title);
        let area = svg::Area { x: x + 10.0, y: y + 28.0, width: width - 20.0, height: height - 36.0 };
        content(&mut svg, area, source, panel, prometheus, span);
    }
    svg.finish()
}

fn content(svg: &mut Svg, area: svg::Area, source: &Source, panel: &Panel, prometheus: &Prometheus, span: Span) {
    let over_time = matches!(panel.kind, Kind::Timeseries | Kind::StateTimeline);
    let series: Vec<Series> = panel
        .queries
        .iter()
        .flat_map(|query| {
            if over_time {
                range(source, panel, query, prometheus, span)
            } else {
                now(source, panel, query, prometheus)
            }
        })
        .collect();
    match panel.kind {
        Kind::Text => chart::words(svg, area, panel.text.as_deref().unwrap_or_default()),
        _ if series.is_empty() => svg.text((area.x, area.y + 20.0), 12.0, "#9aa5b1", "No data"),
        Kind::Timeseries => chart::lines(svg, area, panel, &series, span),
        Kind::StateTimeline => chart::states(svg, area, panel, &series, span),
        Kind::Stat | Kind::Gauge => chart::numbers(svg, area, panel, &series),
        Kind::Bargauge => chart::bars(svg, area, panel, &series),
        Kind::Table => chart::table(svg, area, panel, &series),
    }
}

/// The query with everything chosen in the dashboard's variables.
fn asked(source: &Source, panel: &Panel, query: &Query) -> String {
    let matchers = panel.matchers.as_deref().unwrap_or(&source.matchers);
    let asked = crate::manifests::panels::query::with_matchers(&query.expr, matchers);
    source.variables.iter().fold(asked, |asked, variable| asked.replace(&format!("${}", variable.name), ".*"))
}

#[track_caller]
fn range(source: &Source, panel: &Panel, query: &Query, prometheus: &Prometheus, span: Span) -> Vec<Series> {
    let expr = asked(source, panel, query);
    let path =
        format!("/api/v1/query_range?query={}&start={}&end={}&step=3", percent_encoded(&expr), span.start, span.end);
    series(&prometheus.api(&path).unwrap_or_else(|e| panic!("{expr}: {e}")), "values", &query.legend)
}

#[track_caller]
fn now(source: &Source, panel: &Panel, query: &Query, prometheus: &Prometheus) -> Vec<Series> {
    let expr = asked(source, panel, query);
    let path = format!("/api/v1/query?query={}", percent_encoded(&expr));
    series(&prometheus.api(&path).unwrap_or_else(|e| panic!("{expr}: {e}")), "value", &query.legend)
}

fn series(data: &Value, points: &str, legend: &str) -> Vec<Series> {
    // Where this repository lies is nobody's business.
    let here =
        crate::manifests::folder().join("..").canonicalize().expect("the repository exists").display().to_string();
    let point = |pair: &Value| Some((pair[0].as_f64()?, pair[1].as_str()?.parse().ok()?));
    let one = |found: &Value| {
        let labels: BTreeMap<String, String> = found["metric"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.replace(&here, ""))))
            .collect();
        let points = match &found[points] {
            Value::Array(pair) if pair.first().is_some_and(Value::is_number) => {
                point(&found[points]).into_iter().collect()
            }
            Value::Array(pairs) => pairs.iter().filter_map(point).collect(),
            _ => Vec::new(),
        };
        Series { name: named(legend, &labels), labels, points }
    };
    match &data["result"] {
        // A scalar is a pair and no series.
        Value::Array(pair) if data["resultType"] == "scalar" => {
            let points = point(&Value::Array(pair.clone())).into_iter().collect();
            vec![Series { name: legend.to_owned(), labels: BTreeMap::new(), points }]
        }
        Value::Array(found) => found.iter().map(one).collect(),
        _ => Vec::new(),
    }
}

/// A legend with labels for what stands in double braces; all labels when there is none.
fn named(legend: &str, labels: &BTreeMap<String, String>) -> String {
    if legend.is_empty() {
        return labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ");
    }
    let mut text = String::new();
    let mut rest = legend;
    while let Some((before, behind)) = rest.split_once("{{") {
        let (name, after) = behind.split_once("}}").unwrap_or((behind, ""));
        text.push_str(before);
        // Grafana shows nothing for a label that a series lacks.
        text.push_str(labels.get(name.trim()).map_or("", String::as_str));
        rest = after;
    }
    text + rest
}
