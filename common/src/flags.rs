//! Flags as data, and their values once parsed.
//!
//! A collector declares its flags beside the code they steer; `cli` turns the rows into a command line, and hands out
//! [`Args`]. Constructors read their values by name; a name that no row declares is a bug that a table test finds.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use crate::error::ConfigError;

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nothing: `--x` switches on, `--no-x` off.
    Switch {
        /// The state without either.
        on: bool,
    },
    /// A text; patterns are checked where they are compiled.
    Text,
    /// A whole number; `4e1` is read as 40, as the Go exporters do.
    Integer,
    /// A duration with units: `1m30s`, `250ms`.
    Duration,
    /// One of a few words; letter case is ignored when `folds`.
    Choice {
        /// The words.
        of: &'static [&'static str],
        /// Whether `INFO` is as good as `info`.
        folds: bool,
    },
}

/// One flag.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// Name without dashes.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// Value when it is not given; empty for none.
    pub default: &'static str,
    /// May be given several times.
    pub repeatable: bool,
    /// Left out of `--help`: kept for old unit files or for tests.
    pub hidden: bool,
    /// Old name of that flag: its value is taken over with a warning.
    pub alias_of: Option<&'static str>,
    /// Environment variable that gives the value when the flag is not typed; one that is empty gives none.
    pub env: Option<&'static str>,
    /// One sentence for `--help`.
    pub help: &'static str,
}

impl Flag {
    const fn new(name: &'static str, takes: Takes, default: &'static str, help: &'static str) -> Self {
        Self { name, takes, default, repeatable: false, hidden: false, alias_of: None, env: None, help }
    }

    /// A switch with a `--no-` form.
    pub const fn switch(name: &'static str, on: bool, help: &'static str) -> Self {
        Self::new(name, Takes::Switch { on }, "", help)
    }

    /// A text.
    pub const fn text(name: &'static str, default: &'static str, help: &'static str) -> Self {
        Self::new(name, Takes::Text, default, help)
    }

    /// A whole number.
    pub const fn integer(name: &'static str, default: &'static str, help: &'static str) -> Self {
        Self::new(name, Takes::Integer, default, help)
    }

    /// A duration.
    pub const fn duration(name: &'static str, default: &'static str, help: &'static str) -> Self {
        Self::new(name, Takes::Duration, default, help)
    }

    /// One of a few words.
    pub const fn choice(
        name: &'static str,
        of: &'static [&'static str],
        folds: bool,
        default: &'static str,
        help: &'static str,
    ) -> Self {
        Self::new(name, Takes::Choice { of, folds }, default, help)
    }

    /// The same flag, allowed several times.
    pub const fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// The same flag, left out of `--help`.
    pub const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    /// The same flag, with the environment variable `name` behind it. A switch takes `true`, `false`, `1` or `0` from it,
    /// a repeatable flag a value per line.
    pub const fn env(mut self, name: &'static str) -> Self {
        self.env = Some(name);
        self
    }

    /// An old name of `target`, left out of `--help`.
    pub const fn alias(name: &'static str, target: &'static str) -> Self {
        let mut flag = Self::new(name, Takes::Text, "", "Old name of another flag.");
        flag.hidden = true;
        flag.alias_of = Some(target);
        flag
    }
}

/// The values of all flags: what was typed, else the defaults.
///
/// Lives as long as the program, so it holds no copies of the defaults.
#[derive(Clone, Debug, Default)]
pub struct Args {
    values: HashMap<&'static str, Value>,
}

#[derive(Clone, Debug)]
struct Value {
    default: &'static str,
    on: bool,
    typed: Option<Vec<String>>,
}

impl Args {
    /// The defaults of `flags`, nothing typed.
    pub fn defaults<'f>(flags: impl IntoIterator<Item = &'f Flag>) -> Self {
        let value = |flag: &Flag| {
            let on = matches!(flag.takes, Takes::Switch { on: true });
            (flag.name, Value { default: flag.default, on, typed: None })
        };
        Self { values: flags.into_iter().map(value).collect() }
    }

    /// Sets a flag as if it had been typed: a switch to `on` or off, any other flag to its values.
    pub fn set(&mut self, name: &'static str, texts: Vec<String>, on: bool) {
        self.values.insert(name, Value { default: "", on, typed: Some(texts) });
    }

    fn value(&self, name: &str) -> Option<&Value> {
        let value = self.values.get(name);
        debug_assert!(value.is_some(), "no row declares --{name}");
        value
    }

    /// Whether the flag, or its `--no-` form, was typed.
    pub fn given(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| value.typed.is_some())
    }

    /// The state of a switch.
    pub fn on(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| value.on)
    }

    /// The state of a switch that another row may declare, or none: `None` when none does.
    pub fn is_on(&self, name: &str) -> Option<bool> {
        self.values.get(name).map(|value| value.on)
    }

    /// The value of a flag that takes one; empty when there is none.
    pub fn text(&self, name: &str) -> &str {
        self.value(name).map_or("", |value| match &value.typed {
            Some(typed) => typed.last().map_or("", String::as_str),
            None => value.default,
        })
    }

    /// The values of a repeatable flag; its default, if there is one, when it was not typed.
    pub fn list(&self, name: &str) -> Vec<String> {
        self.value(name).map_or_else(Vec::new, |value| match &value.typed {
            Some(typed) => typed.clone(),
            None if value.default.is_empty() => Vec::new(),
            None => vec![value.default.to_owned()],
        })
    }

    /// The value of a whole number, checked when the command line was read.
    pub fn integer(&self, name: &str) -> i64 {
        parse_integer(self.text(name)).unwrap_or(0)
    }

    /// The value of a duration, checked when the command line was read.
    pub fn duration(&self, name: &str) -> Duration {
        parse_duration(self.text(name)).unwrap_or_default()
    }
}

/// Checks one typed value against what the flag takes, and gives it in its usual spelling.
pub fn check_value(flag: &Flag, value: &str) -> Result<String, ConfigError> {
    check_value_of(flag, value, &format_args!("--{}", flag.name))
}

/// The same for a value from somewhere else; `place` is what the message begins with.
pub(crate) fn check_value_of(flag: &Flag, value: &str, place: &dyn fmt::Display) -> Result<String, ConfigError> {
    let expected = match flag.takes {
        Takes::Switch { .. } | Takes::Text => return Ok(value.to_owned()),
        Takes::Integer if parse_integer(value).is_some() => return Ok(value.to_owned()),
        Takes::Integer => "a whole number".to_owned(),
        Takes::Duration if parse_duration(value).is_some() => return Ok(value.to_owned()),
        Takes::Duration => "a duration such as 5s, 250ms or 1m30s".to_owned(),
        Takes::Choice { of, folds } => {
            let fits = |word: &&&str| if folds { word.eq_ignore_ascii_case(value) } else { **word == value };
            match of.iter().find(fits) {
                Some(word) => return Ok((*word).to_owned()),
                None => format!("one of {}", of.join(", ")),
            }
        }
    };
    Err(ConfigError::new(format!("{place}: expected {expected}, found {value:?}")))
}

/// A truth value from an environment variable.
pub(crate) fn parse_switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

fn parse_integer(text: &str) -> Option<i64> {
    if let Ok(n) = text.parse() {
        return Some(n);
    }
    let float: f64 = text.parse().ok()?;
    // The Go exporters read whole numbers as floats and cut them.
    (float.is_finite() && float.abs() < 1e15).then_some(float as i64)
}

/// Reads `1h30m`, `5s`, `1.5s`, `250ms`, `10us`, `7ns`, and `0`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut seconds) = (text, 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|&at| at > 0)?;
        let (number, tail) = rest.split_at(digits);
        let unit = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        let scale = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * scale;
        rest = tail;
    }
    if text.is_empty() { None } else { Duration::try_from_secs_f64(seconds).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, want) in [("5s", 5000), ("1m30s", 90_000), ("250ms", 250), ("1.5h", 5_400_000), ("0", 0)] {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(want)), "{text}");
        }
        for bad in ["", "5", "s", "5x", "1m30", "-5s", "5 s"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn values_are_checked_by_kind() {
        let level = Flag::choice("log.level", &["debug", "info"], true, "info", "");
        assert_eq!(check_value(&level, "INFO").unwrap(), "info");
        assert_eq!(
            check_value(&level, "loud").unwrap_err().to_string(),
            "--log.level: expected one of debug, info, found \"loud\""
        );
        assert_eq!(parse_integer("4e1"), Some(40));
        assert!(check_value(&Flag::integer("n", "1", ""), "x").is_err());
    }

    #[test]
    fn defaults_and_given() {
        let flags = [Flag::switch("a", true, ""), Flag::text("b", "x", ""), Flag::text("c", "", "").repeatable()];
        let mut args = Args::defaults(&flags);
        assert!(args.on("a") && !args.given("a"));
        assert_eq!((args.text("b"), args.list("c").len()), ("x", 0));
        args.set("a", vec![], false);
        assert!(!args.on("a") && args.given("a"));
    }
}
