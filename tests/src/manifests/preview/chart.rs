//! What is inside a panel's box, by its kind.

use super::svg::{Area, Svg, cut};
use super::value::written;
use super::{Series, Span};
use crate::manifests::panels::Panel;

const COLORS: [&str; 8] = ["#2f6fd0", "#d9822b", "#2c9e61", "#b94a9a", "#8a6d3b", "#c0392b", "#16828c", "#6b5fb5"];
const GOOD: &str = "#2c9e61";
const BAD: &str = "#c0392b";
const DIM: &str = "#7b8794";

/// As many series are named as have room, and this many are drawn.
const SERIES: usize = 40;

/// A likeness of a graph: axis, limit, lines, legend.
pub(super) fn lines(svg: &mut Svg, area: Area, panel: &Panel, series: &[Series], span: Span) {
    let named = series.len().min(6);
    let legend = 14.0 * (named as f64 / 2.0).ceil();
    let graph =
        Area { x: area.x + 52.0, width: area.width - 52.0, height: (area.height - legend - 6.0).max(20.0), ..area };
    let stacked = stacked(panel, series);
    let limit = panel.alert.as_ref().and_then(|alert| alert.above.or(alert.below));
    let values = stacked.iter().flatten().map(|(_, value)| *value).filter(|value| value.is_finite());
    let (mut low, mut high) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if !low.is_finite() {
        (low, high) = (0.0, 1.0);
    }
    // A limit that is near is shown; one far off would make a line of everything else.
    if let Some(limit) = limit.filter(|limit| (low - high.abs()..=high.abs() * 3.0 + 1.0).contains(limit)) {
        (low, high) = (low.min(limit), high.max(limit));
    }
    low = panel.min.unwrap_or(low.min(0.0));
    high = panel.max.unwrap_or(high);
    if high <= low {
        high = low + 1.0;
    }
    let x = |time: f64| graph.x + (time - span.start) / (span.end - span.start) * graph.width;
    let y = |value: f64| graph.y + graph.height - (value.clamp(low, high) - low) / (high - low) * graph.height;
    for step in 0..=2 {
        let value = low + (high - low) * f64::from(step) / 2.0;
        svg.line(&[(graph.x, y(value)), (graph.x + graph.width, y(value))], "#e4e7eb", "");
        svg.text_before((graph.x - 6.0, y(value) + 4.0), 10.0, DIM, &written(value, &panel.unit));
    }
    if let Some(limit) = limit.filter(|limit| (low..=high).contains(limit)) {
        svg.line(&[(graph.x, y(limit)), (graph.x + graph.width, y(limit))], BAD, "stroke-dasharray=\"5 3\"");
    }
    for (points, color) in stacked.iter().take(SERIES).zip(COLORS.iter().cycle()) {
        let line: Vec<(f64, f64)> =
            points.iter().filter(|(_, value)| value.is_finite()).map(|(time, value)| (x(*time), y(*value))).collect();
        svg.line(&line, color, "stroke-width=\"1.5\"");
    }
    let half = area.width / 2.0;
    for (number, (one, color)) in series.iter().zip(COLORS).take(named).enumerate() {
        let left = area.x + half * (number % 2) as f64;
        let bottom = area.y + area.height - legend + 14.0 * (number / 2) as f64 + 11.0;
        svg.fill(Area { x: left, y: bottom - 7.0, width: 10.0, height: 3.0 }, color);
        let more = if number + 1 == named && series.len() > named {
            format!(" (+{})", series.len() - named)
        } else {
            String::new()
        };
        let words =
            format!("{}{more}", cut(&one.name, half - 24.0 - 40.0 * f64::from(u8::from(!more.is_empty())), 10.0));
        svg.text((left + 14.0, bottom), 10.0, "#3e4c59", &words);
    }
}

/// The points of each series, on top of those before it when the panel stacks them.
fn stacked(panel: &Panel, series: &[Series]) -> Vec<Vec<(f64, f64)>> {
    let mut below = std::collections::BTreeMap::<u64, f64>::new();
    let mut raised = |time: f64, value: f64| {
        if !panel.stack || !value.is_finite() {
            return value;
        }
        let sum = below.entry(time.to_bits()).or_default();
        *sum += value;
        *sum
    };
    series.iter().map(|one| one.points.iter().map(|(time, value)| (*time, raised(*time, *value))).collect()).collect()
}

/// Bands of colour, a line per series.
pub(super) fn states(svg: &mut Svg, area: Area, panel: &Panel, series: &[Series], span: Span) {
    let shown = series.len().min((area.height / 16.0) as usize).max(1);
    let height = (area.height / shown as f64).min(28.0);
    let left = area.width * 0.35;
    let graph = area.width - left;
    for (number, one) in series.iter().take(shown).enumerate() {
        let y = area.y + height * number as f64;
        svg.text((area.x, y + height * 0.65), 10.0, "#3e4c59", &cut(&one.name, left - 8.0, 10.0));
        for (time, value) in &one.points {
            let x = area.x + left + (time - span.start) / (span.end - span.start) * graph;
            let color = if *value == 0.0 {
                BAD
            } else if *value == 1.0 {
                GOOD
            } else {
                COLORS[0]
            };
            let width = 3.0 / (span.end - span.start) * graph + 0.5;
            svg.fill(Area { x, y: y + 2.0, width: width.min(area.x + area.width - x), height: height - 4.0 }, color);
        }
        let first = one.points.first().map_or(span.start, |(time, _)| *time);
        let x = area.x + left + (first - span.start) / (span.end - span.start) * graph;
        svg.text((x + 4.0, y + height * 0.65), 10.0, "#fff", &worded(panel, one.last()));
    }
}

/// The newest values, as large as there is room.
pub(super) fn numbers(svg: &mut Svg, area: Area, panel: &Panel, series: &[Series]) {
    let shown = series.len().min(4);
    let width = area.width / shown as f64;
    let size = (area.height * 0.45).min(width / 6.0).clamp(11.0, 30.0);
    for (number, one) in series.iter().take(shown).enumerate() {
        let x = area.x + width * number as f64;
        let words = if one.points.is_empty() { one.name.clone() } else { worded(panel, one.last()) };
        svg.text((x, area.y + area.height * 0.55), size, COLORS[0], &cut(&words, width, size));
        let name = if series.len() > shown && number + 1 == shown {
            format!("{} (+{})", one.name, series.len() - shown)
        } else {
            one.name.clone()
        };
        svg.text((x, area.y + area.height - 2.0), 10.0, DIM, &cut(&name, width - 4.0, 10.0));
    }
}

/// A bar per series.
pub(super) fn bars(svg: &mut Svg, area: Area, panel: &Panel, series: &[Series]) {
    let shown = series.len().min((area.height / 18.0) as usize).max(1);
    let most = panel
        .max
        .unwrap_or_else(|| series.iter().map(Series::last).filter(|value| value.is_finite()).fold(0.0, f64::max));
    for (number, one) in series.iter().take(shown).enumerate() {
        let y = area.y + 18.0 * number as f64;
        svg.text((area.x, y + 12.0), 10.0, "#3e4c59", &cut(&one.name, area.width * 0.45, 10.0));
        let share = if most > 0.0 { (one.last() / most).clamp(0.0, 1.0) } else { 0.0 };
        svg.fill(
            Area { x: area.x + area.width * 0.48, y: y + 3.0, width: area.width * 0.34 * share, height: 11.0 },
            GOOD,
        );
        svg.text_before((area.x + area.width, y + 12.0), 10.0, "#1f2933", &worded(panel, one.last()));
    }
}

/// A line per series: labels, then the value.
pub(super) fn table(svg: &mut Svg, area: Area, panel: &Panel, series: &[Series]) {
    let shown = series.len().min((area.height / 17.0) as usize).max(1);
    for (number, one) in series.iter().take(shown).enumerate() {
        let y = area.y + 17.0 * number as f64 + 12.0;
        let skipped = ["cluster", "job", "__name__", "app", "namespace"];
        let labels = one.labels.iter().filter(|(name, _)| !skipped.contains(&name.as_str()));
        let words: Vec<String> = labels.map(|(name, value)| format!("{name}: {value}")).collect();
        svg.text((area.x, y), 10.0, "#3e4c59", &cut(&words.join("   "), area.width * 0.85, 10.0));
        svg.text_before((area.x + area.width, y), 10.0, "#1f2933", &worded(panel, one.last()));
        svg.line(&[(area.x, y + 4.0), (area.x + area.width, y + 4.0)], "#e4e7eb", "");
    }
}

/// Markdown, as it is.
pub(super) fn words(svg: &mut Svg, area: Area, text: &str) {
    let mut y = area.y + 12.0;
    for line in text.lines() {
        let mut rest: Vec<&str> = line.split(' ').collect();
        while !rest.is_empty() && y < area.y + area.height {
            let mut taken = rest.len();
            while taken > 1 && rest[..taken].join(" ").chars().count() as f64 * 6.2 > area.width {
                taken -= 1;
            }
            svg.text((area.x, y), 11.0, "#3e4c59", &rest[..taken].join(" "));
            rest.drain(..taken);
            y += 15.0;
        }
    }
}

/// A value in the panel's words, or with its unit.
fn worded(panel: &Panel, value: f64) -> String {
    panel.mappings.get(&value.to_string()).cloned().unwrap_or_else(|| written(value, &panel.unit))
}
