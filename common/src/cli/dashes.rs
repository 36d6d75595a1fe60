//! Flags as older Go programs write them: `-config x`, `-scrape_uri=x`, `-version`, `-watch=false`.
//!
//! Only the word of a known flag of more than one letter gets its second dash, and only a switch loses its `=true` or
//! becomes `--no-`. The value of a flag, everything behind `--`, and words that nobody knows stay as they are; clap says
//! what it thinks of them.

use crate::flags::{Flag, Takes, parse_switch};

/// The words of a command line, the first of them the program's name, with two dashes before each known flag, and with
/// switches in our spelling.
pub(super) fn doubled(line: Vec<String>, flags: &[&'static Flag]) -> Vec<String> {
    let (mut value_follows, mut only_positional) = (false, false);
    let double = |(at, word): (usize, String)| {
        if at == 0 || only_positional || std::mem::take(&mut value_follows) {
            return word;
        }
        only_positional = word == "--";
        let Some((dashes, name, value)) = parts(&word) else { return word };
        match takes_value(name, flags) {
            Some(takes) if dashes == 2 || name.chars().nth(1).is_some() => {
                value_follows = takes && value.is_none();
                if let Some(word) = value.filter(|_| !takes).and_then(|value| switched(name, value, flags)) {
                    return word;
                }
                if dashes == 1 { format!("-{word}") } else { word }
            }
            _ => word,
        }
    };
    line.into_iter().enumerate().map(double).collect()
}

/// How many dashes, the name behind them, and the value joined to it; `None` when the word is no flag.
fn parts(word: &str) -> Option<(usize, &str, Option<&str>)> {
    let (dashes, rest) = match word.strip_prefix("--") {
        Some(rest) => (2, rest),
        None => (1, word.strip_prefix('-')?),
    };
    let (name, value) = rest.split_once('=').map_or((rest, None), |(name, value)| (name, Some(value)));
    (!name.is_empty()).then_some((dashes, name, value))
}

/// A switch with its state joined to it, in our spelling; `None` for anything but a state, or where `no-` has said it
/// already.
fn switched(name: &str, state: &str, flags: &[&'static Flag]) -> Option<String> {
    let is_switch = flags.iter().any(|flag| flag.name == name);
    match (parse_switch(state)?, is_switch) {
        (true, true) => Some(format!("--{name}")),
        (false, true) => Some(format!("--no-{name}")),
        (true, false) if !name.starts_with("no-") => Some(format!("--{name}")),
        _ => None,
    }
}

/// Whether the flag of that name takes a value; `None` when there is no such flag.
fn takes_value(name: &str, flags: &[&'static Flag]) -> Option<bool> {
    if ["help", "help-long", "help-man", "version"].contains(&name) {
        return Some(false);
    }
    let of = |name: &str| flags.iter().find(|flag| flag.name == name).map(|flag| flag.takes);
    let is_switch = |takes| matches!(takes, Takes::Switch { .. });
    let switched_off = || name.strip_prefix("no-").and_then(of).filter(|takes| is_switch(*takes));
    of(name).or_else(switched_off).map(|takes| !is_switch(takes))
}

#[cfg(test)]
mod tests {
    use super::*;

    static FLAGS: &[Flag] = &[
        Flag::text("config", "", ""),
        Flag::switch("watch", false, ""),
        Flag::text("web.listen-address", "", "").repeatable(),
        Flag::text("x", "", ""),
    ];

    #[track_caller]
    fn check(line: &str, want: &str) {
        let flags: Vec<&'static Flag> = FLAGS.iter().collect();
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(doubled(words(&format!("-config {line}")), &flags), words(&format!("-config {want}")));
    }

    #[test]
    fn known_names_get_their_second_dash() {
        check("-config x", "--config x");
        check("-config=x", "--config=x");
        check("-watch -web.listen-address :9198", "--watch --web.listen-address :9198");
        check("-no-watch", "--no-watch");
        check("-help", "--help");
        check("-version -help-long", "--version --help-long");
    }

    #[test]
    fn switches_with_their_state() {
        check("-watch=true --watch=TRUE --watch=1", "--watch --watch --watch");
        check("-watch=false --watch=0", "--no-watch --no-watch");
        check("-version=true --help=true", "--version --help");
        for line in ["--watch=", "--watch=yes", "--no-watch=true", "--config=true", "--x=false", "--config -watch=true"]
        {
            check(line, line);
        }
        check("-version=false -no-watch=false", "--version=false --no-watch=false");
        check("-config -- -watch=false", "--config -- --no-watch");
        check("-- -watch=false", "-- -watch=false");
    }

    #[test]
    fn values_stay() {
        check("-config -watch -watch", "--config -watch --watch");
        check("--config -watch -watch", "--config -watch --watch");
        check("--config=a -watch", "--config=a --watch");
        check("-x -config -config y", "-x --config -config y");
        check("--x -config -config y", "--x -config --config y");
        check("-watch word -config x", "--watch word --config x");
        check("-config -- -watch", "--config -- --watch");
    }

    #[test]
    fn everything_else_stays() {
        for line in ["-h", "-x y", "-", "-=", "--", "-foo", "-conf=x", "-no-config", "---watch", "word", "", "-é"] {
            check(line, line);
        }
        check("-watch -- -watch --watch", "--watch -- -watch --watch");
    }
}
