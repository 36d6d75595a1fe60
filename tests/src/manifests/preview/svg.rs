//! The few shapes the pictures are made of.

use std::fmt::Write as _;

/// A picture while it is drawn.
#[derive(Debug)]
pub(super) struct Svg {
    text: String,
}

/// A rectangle, in pixels from the picture's upper left corner.
#[derive(Debug, Clone, Copy)]
pub(super) struct Area {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Svg {
    pub(super) fn new(width: f64, height: f64) -> Self {
        let text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"Inter, Helvetica, Arial, sans-serif\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#f0f2f5\"/>\n"
        );
        Self { text }
    }

    /// The box of a panel with its title.
    pub(super) fn panel(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), title: &str) {
        self.add(format_args!(
            "<rect x=\"{x:.0}\" y=\"{y:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" rx=\"3\" fill=\"#fff\" stroke=\"#d5dae1\"/>"
        ));
        let fits = cut(title, width - 16.0, 12.0);
        self.add(format_args!(
            "<text x=\"{:.0}\" y=\"{:.0}\" font-size=\"12\" font-weight=\"600\" fill=\"#1f2933\">{}</text>",
            x + 8.0,
            y + 17.0,
            escaped(&fits)
        ));
    }

    /// Words whose lower left corner is at a place.
    pub(super) fn text(&mut self, (x, y): (f64, f64), size: f64, color: &str, words: &str) {
        self.add(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size:.0}\" fill=\"{color}\">{}</text>",
            escaped(words)
        ));
    }

    /// Words that end at a place.
    pub(super) fn text_before(&mut self, (x, y): (f64, f64), size: f64, color: &str, words: &str) {
        self.add(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size:.0}\" fill=\"{color}\" text-anchor=\"end\">{}</text>",
            escaped(words)
        ));
    }

    /// A filled rectangle.
    pub(super) fn fill(&mut self, area: Area, color: &str) {
        let Area { x, y, width, height } = area;
        self.add(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{color}\"/>"
        ));
    }

    /// A line through points; `style` are further attributes.
    pub(super) fn line(&mut self, points: &[(f64, f64)], color: &str, style: &str) {
        let mut path = String::new();
        for (x, y) in points {
            // A string can always be written to.
            let _ = write!(path, "{x:.0},{y:.0} ");
        }
        let path = path.trim_end();
        self.add(format_args!("<polyline points=\"{path}\" fill=\"none\" stroke=\"{color}\" {style}/>"));
    }

    pub(super) fn finish(mut self) -> String {
        self.text.push_str("</svg>\n");
        self.text
    }

    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        let _ = writeln!(self.text, "{element}");
    }
}

/// As many words as have room, by a letter's usual width.
pub(super) fn cut(words: &str, width: f64, size: f64) -> String {
    let mut letters = words.chars();
    let mut room = width / (size * 0.56);
    let mut fits = String::new();
    while room >= 1.0 {
        let Some(letter) = letters.next() else { return fits };
        fits.push(letter);
        room -= 1.0;
    }
    if letters.next().is_some() {
        fits.pop();
        fits.push('…');
    }
    fits
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
