//! The dashboards: `grafana/dashboards/<dashboard>.json`, in Grafana's classic model (schema 41).

use serde_json::{Value, json};

use super::query::{with_matchers, without_variables};
use super::{Alert, Kind, Panel, Source, Variable};

/// Ids of rows, which no alert links to, begin here.
const ROW_IDS: u32 = 10_000;

/// The dashboard as a JSON text.
#[track_caller]
pub fn file(source: &Source) -> String {
    let dashboard = json!({
        "uid": source.uid(),
        "title": source.title,
        "description": format!("{} Made from panels/{}.yaml.", source.description.trim(), source.dashboard),
        "tags": ["exporters"],
        "schemaVersion": 41,
        "version": 1,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": []},
        "links": [{
            "title": "Exporters", "type": "dashboards", "tags": ["exporters"], "asDropdown": true, "includeVars": true,
            "keepTime": true, "targetBlank": false, "icon": "external link", "tooltip": "", "url": "",
        }],
        "templating": {"list": variables(source)},
        "panels": panels(source),
    });
    let mut text = serde_json::to_string_pretty(&dashboard).expect("a value can be written");
    text.push('\n');
    text
}

fn variables(source: &Source) -> Vec<Value> {
    let datasource = json!({
        "name": "datasource", "type": "datasource", "label": "Data source", "query": "prometheus", "regex": "",
        "refresh": 1, "hide": 0, "current": {}, "options": [], "includeAll": false, "multi": false,
    });
    std::iter::once(datasource).chain(source.variables.iter().map(variable)).collect()
}

fn variable(variable: &Variable) -> Value {
    let current = if variable.all { json!({"text": ["All"], "value": ["$__all"]}) } else { json!({}) };
    let mut written = json!({
        "name": variable.name, "type": "query", "datasource": datasource(), "definition": variable.values,
        "query": {"qryType": 5, "query": variable.values, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
        "refresh": 2, "regex": "", "sort": 1, "hide": 0, "options": [], "includeAll": variable.all, "multi": variable.multi,
        "current": current,
    });
    if variable.all {
        // Also what has no such label.
        written["allValue"] = ".*".into();
    }
    written
}

fn datasource() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

/// Rows and panels with their places: from left to right, and down when a line is full.
fn panels(source: &Source) -> Vec<Value> {
    let (mut written, mut y) = (Vec::new(), 0);
    for (number, row) in (ROW_IDS..).zip(&source.rows) {
        written.push(json!({
            "id": number, "type": "row", "title": row.title, "collapsed": false, "panels": [],
            "gridPos": {"h": 1, "w": 24, "x": 0, "y": y},
        }));
        y += 1;
        let (mut x, mut tallest) = (0, 0);
        for panel in &row.panels {
            let height = panel.height.unwrap_or(if panel.kind == Kind::Stat { 4 } else { 8 });
            if x + panel.width > 24 {
                y += tallest;
                (x, tallest) = (0, 0);
            }
            let mut drawn = drawn(source, panel);
            drawn["gridPos"] = json!({"h": height, "w": panel.width, "x": x, "y": y});
            written.push(drawn);
            x += panel.width;
            tallest = tallest.max(height);
        }
        y += tallest;
    }
    written
}

fn drawn(source: &Source, panel: &Panel) -> Value {
    let mut written = json!({
        "id": panel.id, "type": panel.kind, "title": panel.title, "description": panel.description.trim(),
        "options": options(panel),
    });
    if panel.kind != Kind::Text {
        written["datasource"] = datasource();
        written["targets"] = targets(source, panel).into();
        written["fieldConfig"] = json!({"defaults": field(panel), "overrides": []});
    }
    if panel.kind == Kind::Table {
        // One line per series, all queries side by side.
        written["transformations"] = json!([{"id": "merge", "options": {}}]);
    }
    written
}

/// The queries of a panel with the dashboard's variables in them, and its rule's when that is not among them.
pub fn targets(source: &Source, panel: &Panel) -> Vec<Value> {
    let matchers = panel.matchers.as_deref().unwrap_or(&source.matchers);
    let instant = matches!(panel.kind, Kind::Table | Kind::Bargauge);
    let mut asked: Vec<(String, &str, bool)> = panel
        .queries
        .iter()
        .map(|query| (with_matchers(&query.expr, matchers), query.legend.as_str(), query.instant || instant))
        .collect();
    if let Some(alert) = &panel.alert {
        let rule = with_matchers(alert.expr(panel), "");
        if !asked.iter().any(|(expr, ..)| without_variables(expr) == rule) {
            asked.push((with_matchers(&rule, matchers), "alert", false));
        }
    }
    let letters = 'A'..='Z';
    letters.zip(asked).map(|(letter, (expr, legend, instant))| {
        json!({
            "refId": letter.to_string(), "datasource": datasource(), "editorMode": "code", "expr": expr,
            "legendFormat": if legend.is_empty() { "__auto" } else { legend }, "instant": instant, "range": !instant,
            "format": if panel.kind == Kind::Table { "table" } else { "time_series" },
        })
    }).collect()
}

fn field(panel: &Panel) -> Value {
    let mut field = json!({
        "unit": if panel.unit.is_empty() { "short" } else { &panel.unit },
        "color": {"mode": if panel.kind == Kind::Timeseries { "palette-classic" } else { "thresholds" }},
        "mappings": mappings(panel),
        "thresholds": {"mode": "absolute", "steps": steps(panel.alert.as_ref())},
        "custom": custom(panel),
    });
    if let Some(least) = panel.min {
        field["min"] = least.into();
    }
    if let Some(most) = panel.max {
        field["max"] = most.into();
    }
    if let Some(decimals) = panel.decimals {
        field["decimals"] = decimals.into();
    }
    field
}

fn mappings(panel: &Panel) -> Vec<Value> {
    if panel.mappings.is_empty() {
        return Vec::new();
    }
    let words = panel.mappings.iter().zip(0..);
    let options: serde_json::Map<String, Value> =
        words.map(|((value, word), index)| (value.clone(), json!({"text": word, "index": index}))).collect();
    vec![json!({"type": "value", "options": options})]
}

/// The rule's limit as a line: red is where it fires.
fn steps(alert: Option<&Alert>) -> Value {
    match alert.map(|alert| (alert.above, alert.below)) {
        Some((Some(limit), _)) => json!([{"color": "green", "value": null}, {"color": "red", "value": limit}]),
        Some((_, Some(limit))) => json!([{"color": "red", "value": null}, {"color": "green", "value": limit}]),
        _ => json!([{"color": "green", "value": null}]),
    }
}

fn custom(panel: &Panel) -> Value {
    match panel.kind {
        Kind::Timeseries => {
            let limited = panel.alert.as_ref().is_some_and(|alert| alert.above.or(alert.below).is_some());
            json!({
                "drawStyle": "line", "lineWidth": 1, "fillOpacity": if panel.stack { 30 } else { 8 }, "showPoints": "never",
                "spanNulls": false, "stacking": {"mode": if panel.stack { "normal" } else { "none" }, "group": "A"},
                "thresholdsStyle": {"mode": if limited { "line" } else { "off" }},
            })
        }
        Kind::StateTimeline => json!({"fillOpacity": 70, "lineWidth": 0}),
        _ => json!({}),
    }
}

fn options(panel: &Panel) -> Value {
    let last = json!({"calcs": ["lastNotNull"], "fields": "", "values": false});
    match panel.kind {
        Kind::Timeseries => json!({
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }),
        Kind::Stat => json!({
            "reduceOptions": last, "colorMode": "value", "graphMode": "none", "justifyMode": "auto", "textMode": "auto",
            "orientation": "auto", "wideLayout": true,
        }),
        Kind::Gauge => json!({"reduceOptions": last, "showThresholdLabels": false, "showThresholdMarkers": true}),
        Kind::Bargauge => json!({"reduceOptions": last, "displayMode": "gradient", "orientation": "horizontal"}),
        Kind::Table => {
            json!({"showHeader": true, "cellHeight": "sm", "footer": {"show": false, "reducer": ["sum"], "fields": ""}})
        }
        Kind::StateTimeline => json!({
            "showValue": "auto", "mergeValues": true, "rowHeight": 0.9, "alignValue": "left",
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true},
        }),
        Kind::Text => json!({"mode": "markdown", "content": panel.text.as_deref().unwrap_or_default()}),
    }
}
