//! Reads text format 0.0.4, as strictly as the Go parser does: one fault makes the whole text invalid. On request a fault
//! costs its line alone.
//!
//! * Source: <https://prometheus.io/docs/instrumenting/exposition_formats/#text-format-details>.
//! * Names follow the classic rules; comments other than HELP and TYPE are skipped, `# EOF` and `# UNIT` among them.

use std::collections::HashMap;
use std::fmt;

use super::Kind;

/// A text that was understood whole; families in the order of their first line.
#[derive(Debug, Default, PartialEq)]
pub struct ParsedText {
    /// Families that have at least one sample.
    pub families: Vec<ParsedFamily>,
    /// Whether any sample carries a timestamp.
    pub has_timestamps: bool,
}

/// One family of a [`ParsedText`].
#[derive(Debug, PartialEq)]
pub struct ParsedFamily {
    /// Name as in the TYPE line, or that of the samples when there is none.
    pub name: String,
    /// Text of the HELP line, if there is one.
    pub help: Option<String>,
    /// Type; [`Kind::Untyped`] without a TYPE line.
    pub kind: Kind,
    /// Series in the order of the text.
    pub samples: Vec<ParsedSample>,
}

/// One series: a number, or the parts of a summary or histogram gathered over its lines.
#[derive(Debug, Default, PartialEq)]
pub struct ParsedSample {
    /// Labels sorted by key, without `quantile` and `le`.
    pub labels: Vec<(String, String)>,
    /// The number of a counter, gauge or untyped series.
    pub value: f64,
    /// Rank or upper bound and value, in the order of the text.
    pub points: Vec<(f64, f64)>,
    /// `_sum` of a summary or histogram; 0 when absent.
    pub sum: f64,
    /// `_count` of a summary or histogram; 0 when absent.
    pub count: f64,
}

/// Where and why a text is invalid.
#[derive(Debug, PartialEq)]
pub struct TextError {
    /// Line number from 1.
    pub line: usize,
    /// What was expected or found.
    pub reason: String,
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

impl std::error::Error for TextError {}

/// Whether `name` follows the classic rule for metric names, `[a-zA-Z_:][a-zA-Z0-9_:]*`.
pub fn is_metric_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b':'))
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':'))
}

fn is_label_name(name: &str) -> bool {
    is_metric_name(name) && !name.contains(':')
}

/// Reads a whole text; fails with the first line that is not as the format wants it.
pub fn parse_text(text: &[u8]) -> Result<ParsedText, TextError> {
    let mut reader = Reader::default();
    for (number, line) in text.split_inclusive(|&b| b == b'\n').enumerate() {
        let number = number + 1;
        let fail = |reason: String| TextError { line: number, reason };
        let line = line.strip_suffix(b"\n").ok_or_else(|| fail("expected a newline after the last line".to_owned()))?;
        let line = std::str::from_utf8(line).map_err(|_| fail("expected UTF-8".to_owned()))?;
        reader.line(line).map_err(fail)?;
    }
    reader.parsed.families.retain(|family| !family.samples.is_empty());
    Ok(reader.parsed)
}

/// What [`parse_leniently`] could not take as it stands.
#[derive(Debug, Default, PartialEq)]
pub struct Flaws {
    /// Lines that were left out.
    pub dropped: usize,
    /// The first thing that is not as the format wants it: a line that was left out, or a spelling that was let pass.
    pub first: Option<TextError>,
}

impl Flaws {
    fn note(&mut self, line: usize, reason: &str) {
        self.first.get_or_insert_with(|| TextError { line, reason: reason.to_owned() });
    }
}

/// Reads what can be read: a line that is not as the format wants it is left out, and so is one with a timestamp unless
/// `timestamps` are let pass. A byte order mark, lines that end as on Windows and a last line without an end are let pass.
pub fn parse_leniently(text: &[u8], timestamps: bool) -> (ParsedText, Flaws) {
    let (mut reader, mut flaws) = (Reader { refuses_timestamps: !timestamps, ..Reader::default() }, Flaws::default());
    let marked = text.strip_prefix(b"\xef\xbb\xbf");
    if marked.is_some() {
        flaws.note(1, "expected no byte order mark");
    }
    for (number, line) in marked.unwrap_or(text).split_inclusive(|&b| b == b'\n').enumerate() {
        let number = number + 1;
        let ended = line.strip_suffix(b"\n");
        let line = ended.unwrap_or(line);
        let unix = line.strip_suffix(b"\r");
        let line = unix.unwrap_or(line);
        let read = match std::str::from_utf8(line) {
            Ok(line) => reader.line(line),
            Err(_) => Err("expected UTF-8".to_owned()),
        };
        if let Err(reason) = read {
            flaws.dropped += 1;
            flaws.note(number, &reason);
        } else if ended.is_none() {
            flaws.note(number, "expected a newline after the last line");
        } else if unix.is_some() {
            flaws.note(number, "expected no carriage return before the end of the line");
        }
    }
    reader.parsed.families.retain(|family| !family.samples.is_empty());
    (reader.parsed, flaws)
}

#[derive(Default)]
struct Reader {
    /// A sample with a timestamp is a fault.
    refuses_timestamps: bool,
    parsed: ParsedText,
    families: HashMap<String, usize>,
    /// Families that a TYPE line named already.
    typed: Vec<bool>,
    /// Summaries and histograms: labels to position, per family.
    series: HashMap<(usize, Vec<(String, String)>), usize>,
}

/// Cuts the next word of a line; words are separated by blanks and tabs.
fn word<'t>(rest: &mut &'t str) -> &'t str {
    let trimmed = rest.trim_start_matches([' ', '\t']);
    let end = trimmed.find([' ', '\t']).unwrap_or(trimmed.len());
    let (word, tail) = trimmed.split_at(end);
    *rest = tail.trim_start_matches([' ', '\t']);
    word
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let line = line.trim_start_matches([' ', '\t']);
        if line.is_empty() {
            return Ok(());
        }
        match line.strip_prefix('#') {
            Some(comment) => self.comment(comment),
            None => self.sample(line),
        }
    }

    fn comment(&mut self, mut rest: &str) -> Result<(), String> {
        let keyword = word(&mut rest);
        if !matches!(keyword, "HELP" | "TYPE") {
            return Ok(());
        }
        let name = word(&mut rest);
        if name.is_empty() {
            return Ok(());
        }
        if !is_metric_name(name) {
            return Err(format!("expected a metric name after {keyword}, found {name:?}"));
        }
        let at = self.own_family(name);
        let Some(family) = self.parsed.families.get_mut(at) else { return Ok(()) };
        if keyword == "HELP" {
            if family.help.is_some() {
                return Err(format!("second HELP line for {name}"));
            }
            family.help = Some(unescape(rest, false)?);
            return Ok(());
        }
        let kind = rest.trim_end_matches([' ', '\t']);
        if kind.is_empty() {
            return Ok(());
        }
        let typed = self.typed.get_mut(at).map(|typed| std::mem::replace(typed, true));
        if typed == Some(true) || !family.samples.is_empty() {
            return Err(format!("second TYPE line for {name}, or TYPE after its samples"));
        }
        family.kind = match kind.to_ascii_lowercase().as_str() {
            "counter" => Kind::Counter,
            "gauge" => Kind::Gauge,
            "untyped" => Kind::Untyped,
            "summary" => Kind::Summary,
            "histogram" => Kind::Histogram,
            _ => return Err(format!("expected counter, gauge, untyped, summary or histogram, found {kind:?}")),
        };
        Ok(())
    }

    /// The family of exactly this name.
    fn own_family(&mut self, name: &str) -> usize {
        if let Some(&at) = self.families.get(name) {
            return at;
        }
        let at = self.parsed.families.len();
        self.parsed.families.push(ParsedFamily {
            name: name.to_owned(),
            help: None,
            kind: Kind::Untyped,
            samples: Vec::new(),
        });
        self.typed.push(false);
        self.families.insert(name.to_owned(), at);
        at
    }

    /// The family a sample belongs to, and the suffix that makes it a part of a summary or histogram.
    fn family_of<'n>(&mut self, name: &'n str) -> (usize, &'n str) {
        if self.families.contains_key(name) {
            return (self.own_family(name), "");
        }
        for suffix in ["_sum", "_count", "_bucket"] {
            let Some(&at) = name.strip_suffix(suffix).and_then(|base| self.families.get(base)) else { continue };
            match self.parsed.families.get(at).map(|family| family.kind) {
                Some(Kind::Histogram) => return (at, &name[name.len() - suffix.len()..]),
                Some(Kind::Summary) if suffix != "_bucket" => return (at, &name[name.len() - suffix.len()..]),
                _ => {}
            }
        }
        (self.own_family(name), "")
    }

    fn sample(&mut self, line: &str) -> Result<(), String> {
        let end = line.find(['{', ' ', '\t']).unwrap_or(line.len());
        let (name, mut rest) = line.split_at(end);
        if !is_metric_name(name) {
            return Err(format!("expected a metric name, found {name:?}"));
        }
        rest = rest.trim_start_matches([' ', '\t']);
        let mut labels = Vec::new();
        if let Some(block) = rest.strip_prefix('{') {
            rest = read_labels(block, &mut labels)?;
        }
        let number = word(&mut rest);
        let value = read_number(number).ok_or_else(|| format!("expected a number for {name}, found {number:?}"))?;
        let timestamp = word(&mut rest);
        if !timestamp.is_empty() {
            timestamp
                .parse::<i64>()
                .map_err(|_| format!("expected a timestamp in milliseconds, found {timestamp:?}"))?;
            if self.refuses_timestamps {
                return Err("expected no timestamp".to_owned());
            }
            self.parsed.has_timestamps = true;
        }
        if !rest.is_empty() {
            return Err(format!("expected the end of the line, found {rest:?}"));
        }
        self.store(name, labels, value)
    }

    fn store(&mut self, name: &str, mut labels: Vec<(String, String)>, value: f64) -> Result<(), String> {
        let (at, suffix) = self.family_of(name);
        let Some(family) = self.parsed.families.get_mut(at) else { return Ok(()) };
        let extra = match family.kind {
            Kind::Summary => "quantile",
            Kind::Histogram => "le",
            _ => {
                labels.sort_unstable();
                unique(&labels)?;
                family.samples.push(ParsedSample { labels, value, ..ParsedSample::default() });
                return Ok(());
            }
        };
        let point = match labels.iter().position(|(key, _)| key == extra) {
            Some(at) => {
                let (_, bound) = labels.remove(at);
                Some(read_number(&bound).ok_or_else(|| format!("expected a number for {extra}, found {bound:?}"))?)
            }
            None => None,
        };
        labels.sort_unstable();
        unique(&labels)?;
        let place = *self.series.entry((at, labels)).or_insert_with_key(|(_, labels)| {
            family.samples.push(ParsedSample { labels: labels.clone(), ..ParsedSample::default() });
            family.samples.len() - 1
        });
        let Some(sample) = family.samples.get_mut(place) else { return Ok(()) };
        match (suffix, point) {
            ("_sum", _) => sample.sum = value,
            ("_count", _) => sample.count = value,
            (_, Some(point)) => sample.points.push((point, value)),
            (_, None) => {}
        }
        Ok(())
    }
}

fn unique(labels: &[(String, String)]) -> Result<(), String> {
    match labels.windows(2).find(|pair| matches!(pair, [a, b] if a.0 == b.0)) {
        Some([(key, _), ..]) => Err(format!("label {key} given twice")),
        _ => Ok(()),
    }
}

/// Reads `key="value",…}` and gives what follows the brace.
fn read_labels<'t>(mut rest: &'t str, labels: &mut Vec<(String, String)>) -> Result<&'t str, String> {
    let blanks = [' ', '\t'];
    loop {
        rest = rest.trim_start_matches(blanks);
        if let Some(rest) = rest.strip_prefix('}') {
            return Ok(rest.trim_start_matches(blanks));
        }
        let (key, tail) = rest.split_once('=').ok_or("expected '=' after a label name")?;
        let key = key.trim_end_matches(blanks);
        if !is_label_name(key) || key == "__name__" {
            return Err(format!("expected a label name, found {key:?}"));
        }
        let tail = tail.trim_start_matches(blanks).strip_prefix('"').ok_or("expected '\"' before a label value")?;
        let end = closing_quote(tail).ok_or("expected '\"' after a label value")?;
        let (value, tail) = tail.split_at(end);
        labels.push((key.to_owned(), unescape(value, true)?));
        rest = tail.get(1..).unwrap_or_default().trim_start_matches(blanks);
        match rest.strip_prefix(',') {
            Some(tail) => rest = tail,
            None if rest.starts_with('}') => {}
            None => return Err(format!("expected ',' or '}}' after label {key}")),
        }
    }
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|b| {
        let closes = b == b'"' && !escaped;
        escaped = b == b'\\' && !escaped;
        closes
    })
}

fn unescape(text: &str, quotes: bool) -> Result<String, String> {
    if !text.contains('\\') {
        return Ok(text.to_owned());
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('\\')) => out.push('\\'),
            ('\\', Some('n')) => out.push('\n'),
            ('\\', Some('"')) if quotes => out.push('"'),
            ('\\', other) => return Err(format!("invalid escape \\{}", other.map_or(String::new(), String::from))),
            (c, _) => out.push(c),
        }
    }
    Ok(out)
}

/// A decimal or exponent number, or NaN and infinity in any case; no hexadecimal, no underscores.
fn read_number(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']);
    if unsigned.is_some_and(|rest| rest.eq_ignore_ascii_case("nan")) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn families(text: &str) -> Vec<ParsedFamily> {
        parse_text(text.as_bytes()).unwrap().families
    }

    #[track_caller]
    fn refused(text: &str) -> String {
        parse_text(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn good() {
        let got = families(
            "# a comment\n\n  # HELP x A \\\\ help.\n#TYPE x Gauge\nx{b=\"2\", a=\"\\\"q\\\"\\n\" ,} 1.5e3\nx 0\ny +Inf\nz nan\n",
        );
        let labels = vec![("a".to_owned(), "\"q\"\n".to_owned()), ("b".to_owned(), "2".to_owned())];
        assert_eq!(got[0].help.as_deref(), Some("A \\ help."));
        assert_eq!(got[0].kind, Kind::Gauge);
        assert_eq!(got[0].samples[0], ParsedSample { labels, value: 1500.0, ..ParsedSample::default() });
        assert_eq!(got[0].samples[1].labels, vec![]);
        assert_eq!((got[1].kind, got[1].samples[0].value), (Kind::Untyped, f64::INFINITY));
        assert!(got[2].samples[0].value.is_nan());
    }

    #[test]
    fn parts_are_gathered() {
        let got = families(
            "# TYPE s summary\ns{quantile=\"0.5\",a=\"b\"} 1\ns_sum{a=\"b\"} 9\ns_count{a=\"b\"} 3\n\
             # TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 4\nh_sum 3\nh_count 4\nlone_sum 1\n",
        );
        assert_eq!(got[0].samples.len(), 1);
        assert_eq!((got[0].samples[0].points.clone(), got[0].samples[0].sum), (vec![(0.5, 1.0)], 9.0));
        assert_eq!(got[1].samples[0].points, vec![(1.0, 2.0), (f64::INFINITY, 4.0)]);
        assert_eq!((got[1].samples[0].sum, got[1].samples[0].count), (3.0, 4.0));
        assert_eq!(got[2].name, "lone_sum");
    }

    #[test]
    fn cut_short_and_garbage() {
        assert_eq!(refused("x 1\ny 2"), "line 2: expected a newline after the last line");
        assert_eq!(refused("x 1\r\n"), "line 1: expected a number for x, found \"1\\r\"");
        assert_eq!(refused("x\n"), "line 1: expected a number for x, found \"\"");
        assert_eq!(refused("x{a=\"b} 1\n"), "line 1: expected '\"' after a label value");
        assert_eq!(refused("x{a=\"b\"\n"), "line 1: expected ',' or '}' after label a");
        assert_eq!(refused("x{=\"b\"} 1\n"), "line 1: expected a label name, found \"\"");
        assert_eq!(refused("x{a=\"1\",a=\"2\"} 1\n"), "line 1: label a given twice");
        assert_eq!(refused("1x 1\n"), "line 1: expected a metric name, found \"1x\"");
        assert_eq!(refused("x 0x10\n"), "line 1: expected a number for x, found \"0x10\"");
        assert_eq!(refused("x 1_000\n"), "line 1: expected a number for x, found \"1_000\"");
        assert_eq!(refused("x 1 2 3\n"), "line 1: expected the end of the line, found \"3\"");
        assert!(refused("# TYPE x enum\n").contains("expected counter"));
        assert!(refused("x 1\n# TYPE x gauge\n").contains("second TYPE"));
        assert!(refused("# HELP x a\n# HELP x a\n").contains("second HELP"));
        assert_eq!(parse_text(b"x{a=\"\xff\"} 1\n").unwrap_err().reason, "expected UTF-8");
        assert_eq!(parse_text(b"\x00\x01\n").unwrap_err().line, 1);
    }

    #[test]
    fn a_fault_costs_its_line() {
        let text = b"\xef\xbb\xbf# HELP x A.\r\nx 1\r\nx{a=\"1\"} one\nx{a=\"\xff\"} 1\n# TYPE x gauge\ny 1 99\n\nx{a=\"2\"} 2";
        let (parsed, flaws) = parse_leniently(text, false);
        assert_eq!((parsed.families.len(), parsed.families[0].help.as_deref()), (1, Some("A.")));
        assert_eq!(parsed.families[0].samples.iter().map(|sample| sample.value).collect::<Vec<_>>(), [1.0, 2.0]);
        assert_eq!((flaws.dropped, flaws.first.unwrap().reason.as_str()), (4, "expected no byte order mark"));
        let (parsed, flaws) = parse_leniently(b"y 1 99\nx", true);
        assert_eq!((parsed.families.len(), parsed.families[0].samples[0].value), (1, 1.0));
        assert_eq!(flaws.first.unwrap().to_string(), "line 2: expected a number for x, found \"\"");
        for (text, want) in [
            (&b"x 1"[..], Some("line 1: expected a newline after the last line")),
            (b"x 1\r\n", Some("line 1: expected no carriage return before the end of the line")),
            (b"x 1\n", None),
            (b"", None),
        ] {
            let (_, flaws) = parse_leniently(text, false);
            assert_eq!((flaws.dropped, flaws.first.map(|first| first.to_string()).as_deref()), (0, want));
        }
    }

    #[test]
    fn timestamps_are_seen() {
        assert!(parse_text(b"x 1 1700000000000\n").unwrap().has_timestamps);
        assert!(!parse_text(b"").unwrap().has_timestamps);
    }
}
