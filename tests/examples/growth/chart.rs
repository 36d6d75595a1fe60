//! Two plots side by side as SVG, both axes logarithmic, in colours that follow the reader's scheme.

use std::fmt::Write;

/// One plot.
pub(crate) struct Panel {
    pub(crate) title: &'static str,
    pub(crate) curves: Vec<Curve>,
}

/// What one program costs, over the number of devices.
pub(crate) struct Curve {
    pub(crate) name: &'static str,
    pub(crate) points: Vec<(f64, f64)>,
    /// The value at the last point, as it is to be read.
    pub(crate) last: String,
}

const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 64.0;
const TOP: f64 = 56.0;
/// Between the plots, and room for the values at the last points.
const GAP: f64 = 136.0;
const BELOW: f64 = 56.0;
const CLASSES: [&str; 2] = ["ours", "other"];

const STYLE: &str = "
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 14px }
.grid { stroke: #d1d9e0; stroke-width: 1 }
.line { fill: none; stroke-width: 2.5 }
.ours { stroke: #0969da; fill: #0969da }
.other { stroke: #bc4c00; fill: #bc4c00 }
text.ours, text.other { stroke: none }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .grid { stroke: #3d444d }
  .ours { stroke: #58a6ff; fill: #58a6ff }
  .other { stroke: #f0883e; fill: #f0883e }
}
.line.ours, .line.other { fill: none }
";

/// The picture.
pub(crate) fn drawn(panels: &[Panel]) -> String {
    let (width, height) = (LEFT + panels.len() as f64 * (WIDTH + GAP) - LEFT / 2.0, TOP + HEIGHT + BELOW);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\" aria-label=\"Cost of a scrape over the number of devices\">\n\
         <style>{STYLE}</style>\n"
    );
    for (at, panel) in panels.iter().enumerate() {
        put(&mut svg, format_args!("<g transform=\"translate({}, {TOP})\">\n", LEFT + at as f64 * (WIDTH + GAP)));
        draw(&mut svg, panel);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw(svg: &mut String, panel: &Panel) {
    let all = || panel.curves.iter().flat_map(|curve| &curve.points);
    let (across, up) = (Axis::over(all().map(|point| point.0), WIDTH), Axis::over(all().map(|point| point.1), HEIGHT));
    let from_top = |value: f64| HEIGHT - up.place(value);
    put(svg, format_args!("<text class=\"title\" x=\"0\" y=\"-36\">{}</text>\n", panel.title));
    for decade in up.decades() {
        let y = from_top(decade);
        put(svg, format_args!("<line class=\"grid\" x1=\"0\" y1=\"{y:.1}\" x2=\"{WIDTH}\" y2=\"{y:.1}\"/>\n"));
        put(svg, format_args!("<text x=\"-8\" y=\"{:.1}\" text-anchor=\"end\">{decade}</text>\n", y + 4.0));
    }
    for decade in across.decades() {
        let x = across.place(decade);
        put(svg, format_args!("<line class=\"grid\" x1=\"{x:.1}\" y1=\"0\" x2=\"{x:.1}\" y2=\"{HEIGHT}\"/>\n"));
        put(svg, format_args!("<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{decade}</text>\n", HEIGHT + 20.0));
    }
    let middle = WIDTH / 2.0;
    let below = HEIGHT + 42.0;
    put(svg, format_args!("<text x=\"{middle}\" y=\"{below}\" text-anchor=\"middle\">devices of each kind</text>\n"));
    let mut key = 0.0;
    for (curve, class) in panel.curves.iter().zip(CLASSES) {
        let places: Vec<(f64, f64)> = curve.points.iter().map(|&(x, y)| (across.place(x), from_top(y))).collect();
        let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        put(svg, format_args!("<polyline class=\"line {class}\" points=\"{}\"/>\n", path.join(" ")));
        for (x, y) in &places {
            put(svg, format_args!("<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>\n"));
        }
        if let Some((x, y)) = places.last() {
            put(
                svg,
                format_args!(
                    "<text class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\n",
                    x + 10.0,
                    y + 4.0,
                    curve.last
                ),
            );
        }
        put(svg, format_args!("<circle class=\"{class}\" cx=\"{}\" cy=\"-17\" r=\"4\"/>\n", key + 4.0));
        put(svg, format_args!("<text class=\"{class}\" x=\"{}\" y=\"-13\">{}</text>\n", key + 14.0, curve.name));
        key += 150.0;
    }
}

/// A logarithmic axis from a power of ten to another.
struct Axis {
    first: i32,
    last: i32,
    length: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64> + Clone, length: f64) -> Self {
        let low = values.clone().fold(f64::INFINITY, f64::min);
        let high = values.fold(f64::NEG_INFINITY, f64::max);
        let first = low.log10().floor() as i32;
        Self { first, last: (high.log10().ceil() as i32).max(first + 1), length }
    }

    fn place(&self, value: f64) -> f64 {
        (value.log10() - f64::from(self.first)) / f64::from(self.last - self.first) * self.length
    }

    fn decades(&self) -> impl Iterator<Item = f64> {
        (self.first..=self.last).map(|power| 10_f64.powi(power))
    }
}

fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("a string takes everything");
}
