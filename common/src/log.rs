//! Log lines on standard error, in the layout and with the field names of the Prometheus exporters.
//!
//! logfmt: `time=2026-11-22T10:23:51.338Z level=INFO source=app.rs:12 msg="Listening on" address=:9100`;
//! JSON: one object per line with the same keys. A reader that went away costs its lines and nothing else.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing::field::{Field, Visit};
use tracing::span;
use tracing::{Event, Level, Metadata, Subscriber};

use crate::flags::{Args, Flag};

/// The flags of the Prometheus exporters.
pub const FLAGS: &[Flag] = &[
    Flag::choice("log.level", &["debug", "info", "warn", "error"], true, "info", "Least severe level that is logged."),
    Flag::choice("log.format", &["logfmt", "json"], false, "logfmt", "Layout of a log line."),
];

/// Sends everything that is logged from here on to standard error, as the flags say.
pub fn init(args: &Args) {
    let most = match args.text("log.level") {
        "debug" => Level::DEBUG,
        "warn" => Level::WARN,
        "error" => Level::ERROR,
        _ => Level::INFO,
    };
    let json = args.text("log.format") == "json";
    // A second call, as tests make it, changes nothing.
    let _already_set = tracing::subscriber::set_global_default(Log { most, json });
}

/// A subscriber for events alone; the suite has no spans.
struct Log {
    most: Level,
    json: bool,
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.most
    }

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        Some(self.most.into())
    }

    fn event(&self, event: &Event<'_>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        write(&line(event, now, self.json));
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

fn line(event: &Event<'_>, now: Duration, json: bool) -> String {
    let meta = event.metadata();
    let mut fields = Fields { json, message: String::new(), rest: String::new() };
    event.record(&mut fields);
    assemble(*meta.level(), meta.file().unwrap_or("unknown"), meta.line().unwrap_or(0), now, &fields)
}

fn assemble(level: Level, file: &str, number: u32, now: Duration, fields: &Fields) -> String {
    let json = fields.json;
    let source = format!("{}:{number}", file.rsplit(['/', '\\']).next().unwrap_or(file));
    let mut line = String::with_capacity(128);
    let digits = if json { 9 } else { 3 };
    let (time, level) = (timestamp(now, digits), level.as_str());
    for (at, (key, value)) in
        [("time", &*time), ("level", level), ("source", &*source), ("msg", &*fields.message)].into_iter().enumerate()
    {
        match (json, at) {
            (true, 0) => line.push('{'),
            (true, _) => line.push(','),
            (false, 0) => {}
            (false, _) => line.push(' '),
        }
        push_pair(&mut line, key, value, json);
    }
    line.push_str(&fields.rest);
    line.push_str(if json { "}\n" } else { "\n" });
    line
}

/// Writes a finished line to standard error, where all others go.
pub fn write(line: &str) {
    let _reader_gone = std::io::stderr().lock().write_all(line.as_bytes());
}

/// The layout of a line that is kept as well as written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Layout {
    json: bool,
}

impl Layout {
    /// As `--log.format` says.
    pub fn of(args: &Args) -> Self {
        Self { json: args.text("log.format") == "json" }
    }

    /// A line with its end, as the program's own lines look.
    pub fn line<'f>(
        self,
        level: Level,
        from: &std::panic::Location<'_>,
        message: &str,
        own: impl IntoIterator<Item = &'f (&'f str, &'f dyn fmt::Display)>,
    ) -> String {
        let mut fields = Fields { json: self.json, message: message.to_owned(), rest: String::new() };
        for (key, value) in own {
            fields.pair(key, &value.to_string());
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        assemble(level, from.file(), from.line(), now, &fields)
    }
}

struct Fields {
    json: bool,
    message: String,
    rest: String,
}

impl Fields {
    fn text(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message.push_str(value),
            name => self.pair(name, value),
        }
    }

    fn pair(&mut self, key: &str, value: &str) {
        self.rest.push(if self.json { ',' } else { ' ' });
        push_pair(&mut self.rest, key, value, self.json);
    }

    /// Numbers and truth values stand without quotes in JSON.
    fn bare(&mut self, field: &Field, value: impl fmt::Display) {
        if self.json {
            let _infallible = write!(self.rest, ",\"{}\":{value}", field.name());
        } else {
            self.text(field, &value.to_string());
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, &format!("{value:?}"));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.bare(field, value);
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.bare(field, value);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.bare(field, value);
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() { self.bare(field, value) } else { self.text(field, &value.to_string()) }
    }
}

fn push_pair(out: &mut String, key: &str, value: &str, json: bool) {
    if json {
        push_quoted(out, key);
        out.push(':');
        return push_quoted(out, value);
    }
    out.push_str(key);
    out.push('=');
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '"' && c != '=' && c != '\\';
    if !value.is_empty() && value.chars().all(plain) { out.push_str(value) } else { push_quoted(out, value) }
}

/// A JSON string; logfmt readers take the same escapes.
fn push_quoted(out: &mut String, value: &str) {
    out.push('"');
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _infallible = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// UTC in RFC 3339, to the second.
pub fn time_of(at: SystemTime) -> String {
    timestamp(at.duration_since(UNIX_EPOCH).unwrap_or_default(), 0)
}

/// Year, month and day, both from 1, of a day in the proleptic Gregorian calendar; `days` are counted from 1970-01-01.
pub fn date_of(days: i64) -> (i64, i64, i64) {
    // With years that begin in March leap days come last; 400 years are 146,097 days.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// UTC in RFC 3339 with `digits` behind the second.
fn timestamp(since_epoch: Duration, digits: usize) -> String {
    let seconds = since_epoch.as_secs();
    let of_day = seconds % 86_400;
    let (year, month, day) = date_of((seconds / 86_400) as i64);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let nanos = format!("{:09}", since_epoch.subsec_nanos());
    let fraction = nanos.get(..digits).filter(|digits| !digits.is_empty());
    let fraction = fraction.map_or_else(String::new, |digits| format!(".{digits}"));
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[test]
    fn dates() {
        for (seconds, want) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_709_164_799, "2024-02-28T23:59:59.000Z"),
            (1_709_164_800, "2024-02-29T00:00:00.000Z"),
            (4_102_444_800, "2100-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(timestamp(Duration::from_secs(seconds), 3), want);
        }
        assert_eq!(timestamp(Duration::new(1, 5), 9), "1970-01-01T00:00:01.000000005Z");
    }

    /// Collects lines instead of printing them.
    struct Keep(Log, Arc<Mutex<Vec<String>>>);

    impl Subscriber for Keep {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            self.0.enabled(metadata)
        }
        fn event(&self, event: &Event<'_>) {
            self.1.lock().unwrap().push(line(event, Duration::ZERO, self.0.json));
        }
        fn new_span(&self, s: &span::Attributes<'_>) -> span::Id {
            self.0.new_span(s)
        }
        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }

    #[track_caller]
    fn check(json: bool, want: &[&str]) {
        let lines = Arc::new(Mutex::new(Vec::new()));
        tracing::subscriber::with_default(Keep(Log { most: Level::INFO, json }, Arc::clone(&lines)), || {
            tracing::info!(address = ":9100", tls = false, "Listening on");
            tracing::debug!("not this");
            tracing::warn!(err = "a \"b\"\nc", n = 2_u64, "x");
        });
        let lines = lines.lock().unwrap();
        assert_eq!(lines.len(), want.len());
        for (line, want) in lines.iter().zip(want) {
            let source = line.find("log.rs:").unwrap();
            let end = source + line[source..].find([' ', '"']).unwrap();
            assert_eq!(format!("{}{}", &line[..source], &line[end..]), *want);
        }
    }

    #[test]
    fn logfmt() {
        check(
            false,
            &[
                "time=1970-01-01T00:00:00.000Z level=INFO source= msg=\"Listening on\" address=:9100 tls=false\n",
                "time=1970-01-01T00:00:00.000Z level=WARN source= msg=x err=\"a \\\"b\\\"\\nc\" n=2\n",
            ],
        );
    }

    #[test]
    fn json() {
        check(
            true,
            &[
                "{\"time\":\"1970-01-01T00:00:00.000000000Z\",\"level\":\"INFO\",\"source\":\"\",\"msg\":\"Listening on\",\"address\":\":9100\",\"tls\":false}\n",
                "{\"time\":\"1970-01-01T00:00:00.000000000Z\",\"level\":\"WARN\",\"source\":\"\",\"msg\":\"x\",\"err\":\"a \\\"b\\\"\\nc\",\"n\":2}\n",
            ],
        );
    }
}
