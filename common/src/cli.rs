//! The command line: rows of flags become clap arguments, and what was typed becomes [`Args`].
//!
//! As with the Go exporters: `--flag=value` and `--flag value`, `--no-` for switches, a flag that is not repeatable
//! may be typed once, `@file` stands for the lines of a file, and a mistake is one line on standard error that ends
//! with `try --help`, exit status 1.
//!
//! As with older Go programs, one dash is enough before a name of more than one letter: `-config x`, `-version`, and a
//! switch may have its state joined to it: `-watch=false`. A flag that was not typed may have its value in an environment
//! variable.

mod dashes;

use std::fmt::Write as _;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::error::ConfigError;
use crate::flags::{Args, Flag, Takes, check_value, check_value_of, parse_switch};

/// Flags that stand together in `--help`.
pub struct Group<'f> {
    /// Heading, for example `Web`.
    pub heading: String,
    /// The flags, in the order they are shown.
    pub flags: Vec<&'f Flag>,
}

impl<'f> Group<'f> {
    /// Flags under a heading.
    pub fn new(heading: &str, flags: impl IntoIterator<Item = &'f Flag>) -> Self {
        Self { heading: heading.to_owned(), flags: flags.into_iter().collect() }
    }
}

/// What the command line comes to.
pub enum Parsed {
    /// The program is to run; old flag names that were used are in `warnings`.
    Run {
        /// All values.
        args: Args,
        /// Sentences for the log.
        warnings: Vec<String>,
    },
    /// Print this on standard output and end with status 0.
    Help(String),
    /// Print the version block and end with status 0.
    Version,
}

/// The environment of this process, for [`parse`].
pub fn environment(name: &str) -> Option<String> {
    Some(std::env::var_os(name)?.to_string_lossy().into_owned())
}

/// Reads the command line of `program`, the first word of `line` being its own name; `env` knows the environment.
///
/// Fails with every mistake that was found.
pub fn parse(
    program: &'static str,
    about: &'static str,
    groups: &[Group<'static>],
    line: impl IntoIterator<Item = String>,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Parsed, Vec<ConfigError>> {
    let flags: Vec<&'static Flag> = groups.iter().flat_map(|group| group.flags.iter().copied()).collect();
    let line = dashes::doubled(expand_files(line).map_err(|e| vec![e])?, &flags);
    let typed = match command(program, about, groups).try_get_matches_from(line) {
        Ok(matches) if matches.get_flag("version") => return Ok(Parsed::Version),
        Ok(matches) => typed(&flags, &matches),
        Err(e) => {
            return match e.kind() {
                ErrorKind::DisplayHelp => Ok(Parsed::Help(e.to_string())),
                _ => Err(vec![in_our_words(&e)]),
            };
        }
    };
    // clap is done here and its memory free, all of it, before anything is made that stays.
    values(&flags, typed, &env)
}

fn command(program: &'static str, about: &'static str, groups: &[Group<'static>]) -> Command {
    let mut command = Command::new(program)
        .about(about)
        .disable_version_flag(true)
        .disable_help_flag(true)
        .help_template("{about}\n\nUsage: {name} [flags]\n\n{all-args}\n")
        .term_width(120)
        .arg(Arg::new("help").short('h').long("help").action(ArgAction::HelpShort).help("Show the flags."))
        .arg(Arg::new("help-long").long("help-long").action(ArgAction::HelpShort).hide(true))
        .arg(Arg::new("help-man").long("help-man").action(ArgAction::HelpShort).hide(true))
        .arg(Arg::new("version").long("version").action(ArgAction::SetTrue).help("Show which build this is."));
    for group in groups {
        for flag in &group.flags {
            command = command.args(arguments(flag).map(|arg| arg.help_heading(group.heading.clone())));
        }
    }
    command
}

/// One flag is one argument, a switch two of them.
fn arguments(flag: &'static Flag) -> impl Iterator<Item = Arg> {
    let mut help = flag.help.to_owned();
    let arg = Arg::new(flag.name).long(flag.name).hide(flag.hidden);
    let (arg, no) = match flag.takes {
        Takes::Switch { on } => {
            let name: &'static str = no_name(flag.name);
            if on {
                let _infallible = write!(help, " [on; --{name} switches it off]");
            }
            let no = Arg::new(name).long(name).hide(true).action(ArgAction::SetTrue);
            (arg.action(ArgAction::SetTrue), Some(no))
        }
        takes => {
            let value = match takes {
                Takes::Integer => "N",
                Takes::Duration => "DURATION",
                Takes::Choice { .. } => "WORD",
                _ => "VALUE",
            };
            if let Takes::Choice { of, .. } = takes {
                let _infallible = write!(help, " [one of: {}]", of.join(", "));
            }
            if !flag.default.is_empty() {
                let _infallible = write!(help, " [default: {}]", flag.default);
            }
            let action = if flag.repeatable { ArgAction::Append } else { ArgAction::Set };
            (arg.action(action).value_name(value).allow_hyphen_values(true), None)
        }
    };
    if let Some(name) = flag.env {
        let _infallible = write!(help, " [env: {name}]");
    }
    [Some(arg.help(StyledStr::from(help))), no].into_iter().flatten()
}

/// `no-<name>`, made once per switch for the life of the process, which reads its command line once.
fn no_name(name: &'static str) -> &'static str {
    use std::collections::HashMap;
    use std::sync::{LazyLock, Mutex, PoisonError};
    static NAMES: LazyLock<Mutex<HashMap<&'static str, &'static str>>> = LazyLock::new(Mutex::default);
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    names.entry(name).or_insert_with(|| Box::leak(format!("no-{name}").into_boxed_str()))
}

/// What was typed for one flag.
struct Typed {
    flag: &'static Flag,
    /// A switch: typed as it is, typed with `no-`.
    switched: (bool, bool),
    values: Vec<String>,
}

fn typed(flags: &[&'static Flag], matches: &ArgMatches) -> Vec<Typed> {
    let of = |&flag: &&'static Flag| match flag.takes {
        Takes::Switch { .. } => {
            let switched = (matches.get_flag(flag.name), matches.get_flag(no_name(flag.name)));
            (switched != (false, false)).then_some(Typed { flag, switched, values: Vec::new() })
        }
        _ => {
            let values = matches.get_many::<String>(flag.name)?.cloned().collect();
            Some(Typed { flag, switched: (false, false), values })
        }
    };
    flags.iter().filter_map(of).collect()
}

fn values(
    flags: &[&'static Flag],
    all: Vec<Typed>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Parsed, Vec<ConfigError>> {
    let mut args = Args::defaults(flags.iter().copied());
    let (mut mistakes, mut warnings) = (Vec::new(), Vec::new());
    let names: Vec<&str> = all.iter().map(|typed| typed.flag.name).collect();
    for Typed { flag, switched, values } in all {
        if let Takes::Switch { .. } = flag.takes {
            match switched {
                (true, true) => mistakes.push(ConfigError::new(format!("flag '{}' cannot be repeated", flag.name))),
                (on, _) => args.set(flag.name, Vec::new(), on),
            }
            continue;
        }
        let mut good = Vec::new();
        for value in values {
            match check_value(flag, &value) {
                Ok(value) => good.push(value),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        match flag.alias_of {
            Some(target) if names.contains(&target) => {
                mistakes.push(ConfigError::new(format!("--{} and --{target}: give one of them, not both", flag.name)));
            }
            Some(target) => {
                warnings.push(format!("--{} is an old name: use --{target}", flag.name));
                args.set(target, good, true);
            }
            None => args.set(flag.name, good, true),
        }
    }
    for flag in flags.iter().filter(|flag| !names.contains(&flag.name)) {
        // An old name that was typed has set this flag already.
        let Some(variable) = flag.env.filter(|_| !args.given(flag.name)) else { continue };
        let Some(text) = env(variable).filter(|text| !text.is_empty()) else { continue };
        match from_environment(flag, variable, &text) {
            Ok((values, on)) => args.set(flag.name, values, on),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if mistakes.is_empty() { Ok(Parsed::Run { args, warnings }) } else { Err(mistakes) }
}

/// The values of a flag, or the state of a switch, from the text of an environment variable.
fn from_environment(flag: &Flag, variable: &str, text: &str) -> Result<(Vec<String>, bool), ConfigError> {
    let place = format!("environment variable {variable}");
    if let Takes::Switch { .. } = flag.takes {
        let wrong = || ConfigError::new(format!("{place}: expected true or false, found {text:?}"));
        return Ok((Vec::new(), parse_switch(text).ok_or_else(wrong)?));
    }
    let texts = if flag.repeatable { text.lines().filter(|line| !line.is_empty()).collect() } else { vec![text] };
    let values = texts.into_iter().map(|value| check_value_of(flag, value, &place)).collect::<Result<_, _>>()?;
    Ok((values, true))
}

/// Files that name each other go no deeper than this.
const MOST_DEPTH: usize = 8;

/// Replaces each `@file` by the lines of the file, and an `@file` among those likewise; blank lines and lines that begin
/// with `#` are skipped.
fn expand_files(line: impl IntoIterator<Item = String>) -> Result<Vec<String>, ConfigError> {
    let mut words = line.into_iter();
    let mut expanded: Vec<String> = words.next().into_iter().collect();
    let mut only_positional = false;
    for word in words {
        expand_word(word, 0, &mut only_positional, &mut expanded)?;
    }
    Ok(expanded)
}

fn expand_word(
    word: String,
    depth: usize,
    only_positional: &mut bool,
    expanded: &mut Vec<String>,
) -> Result<(), ConfigError> {
    *only_positional |= word == "--";
    let Some(path) = word.strip_prefix('@').filter(|_| !*only_positional) else {
        expanded.push(word);
        return Ok(());
    };
    if depth == MOST_DEPTH {
        return Err(ConfigError::new(format!("@{path}: expected at most {MOST_DEPTH} files that name one another")));
    }
    let text = std::fs::read_to_string(path).map_err(|e| ConfigError::new(format!("@{path}: {e}")))?;
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines.map(str::to_owned).try_for_each(|line| expand_word(line, depth + 1, only_positional, expanded))
}

/// clap's finding in the words that users of the Go exporters search for.
fn in_our_words(e: &clap::Error) -> ConfigError {
    let text = |kind| match e.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    };
    let arg = text(ContextKind::InvalidArg);
    let flag = arg.split([' ', '=']).next().unwrap_or_default();
    let suggestion = match text(ContextKind::SuggestedArg) {
        name if name.is_empty() => String::new(),
        name => format!(" (is it {name}?)"),
    };
    ConfigError::new(match e.kind() {
        ErrorKind::UnknownArgument if arg.starts_with("--") => format!("unknown long flag '{flag}'{suggestion}"),
        ErrorKind::UnknownArgument if arg.starts_with('-') => format!("unknown short flag '{flag}'"),
        ErrorKind::UnknownArgument => format!("unexpected {arg}"),
        ErrorKind::ArgumentConflict => format!("flag '{}' cannot be repeated", flag.trim_start_matches('-')),
        ErrorKind::TooManyValues => {
            format!(
                "{flag}: expected true, false or nothing behind a switch, found {:?}",
                text(ContextKind::InvalidValue)
            )
        }
        ErrorKind::InvalidValue | ErrorKind::WrongNumberOfValues | ErrorKind::TooFewValues => {
            format!("expected argument for flag '{flag}'")
        }
        ErrorKind::InvalidUtf8 => "expected UTF-8 on the command line".to_owned(),
        _ => e.to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    static FLAGS: &[Flag] = &[
        Flag::switch("collector.a", true, "A."),
        Flag::text("collector.a.exclude", "^x$", "Which not."),
        Flag::alias("collector.a.ignored", "collector.a.exclude"),
        Flag::text("dir", "", "Where.").repeatable(),
        Flag::duration("wait", "5s", "How long.").env("WAIT"),
        Flag::text("address", ":1", "Where to.").repeatable().env("ADDRESSES"),
        Flag::alias("host", "address"),
        Flag::switch("watch", false, "Whether.").env("WATCH"),
    ];

    fn run(words: &[&str]) -> Result<(Args, Vec<String>), String> {
        run_in(&[], words)
    }

    fn run_in(env: &[(&str, &str)], words: &[&str]) -> Result<(Args, Vec<String>), String> {
        let env = |name: &str| env.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
        let group = Group { heading: "All".to_owned(), flags: FLAGS.iter().collect() };
        let line = std::iter::once("x").chain(words.iter().copied()).map(str::to_owned);
        match parse("x", "About.", &[group], line, env) {
            Ok(Parsed::Run { args, warnings }) => Ok((args, warnings)),
            Ok(Parsed::Help(text)) => Err(text),
            Ok(Parsed::Version) => Err("version".to_owned()),
            Err(mistakes) => Err(mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
        }
    }

    #[track_caller]
    fn refused(words: &[&str], want: &str) {
        assert_eq!(run(words).err().as_deref(), Some(want), "{words:?}");
    }

    #[test]
    fn values_in_both_spellings() {
        let (args, _) = run(&["--no-collector.a", "--dir", "-x", "--dir=b", "--wait=1m"]).unwrap();
        assert!(!args.on("collector.a"));
        assert_eq!(args.list("dir"), ["-x", "b"]);
        assert_eq!((args.text("collector.a.exclude"), args.duration("wait").as_secs()), ("^x$", 60));
    }

    #[test]
    fn mistakes() {
        refused(&["--foo"], "unknown long flag '--foo'");
        refused(&["--foo=1"], "unknown long flag '--foo'");
        refused(&["-x"], "unknown short flag '-x'");
        refused(&["word"], "unexpected word");
        refused(&["--collector.a", "--collector.a"], "flag 'collector.a' cannot be repeated");
        refused(&["--collector.a", "--no-collector.a"], "flag 'collector.a' cannot be repeated");
        refused(&["--wait", "1s", "--wait", "2s"], "flag 'wait' cannot be repeated");
        let want = "expected true, false or nothing behind a switch, found";
        refused(&["--collector.a=on"], &format!("--collector.a: {want} \"on\""));
        refused(&["-no-collector.a=true"], &format!("--no-collector.a: {want} \"true\""));
        refused(&["--collector.a=true", "--collector.a=false"], "flag 'collector.a' cannot be repeated");
        refused(&["--wait"], "expected argument for flag '--wait'");
        refused(&["--wait=soon"], "--wait: expected a duration such as 5s, 250ms or 1m30s, found \"soon\"");
        refused(
            &["--collector.a.exclude=a", "--collector.a.ignored=b"],
            "--collector.a.ignored and --collector.a.exclude: give one of them, not both",
        );
    }

    #[test]
    fn one_dash() {
        let (args, _) = run(&["-no-collector.a", "-dir", "-wait", "-wait=1m", "-watch"]).unwrap();
        assert!(!args.on("collector.a") && args.on("watch"));
        assert_eq!((args.text("dir"), args.duration("wait").as_secs()), ("-wait", 60));
        assert_eq!(run(&["-version"]).unwrap_err(), "version");
        assert!(run(&["-help"]).unwrap_err().contains("--wait"));
        refused(&["-wait", "soon"], "--wait: expected a duration such as 5s, 250ms or 1m30s, found \"soon\"");
        refused(&["-wai=1s"], "unknown short flag '-w'");
    }

    #[test]
    fn a_switch_with_its_state() {
        let (args, _) = run(&["--collector.a=false", "-watch=true"]).unwrap();
        assert!(!args.on("collector.a") && args.given("collector.a") && args.on("watch"));
        let (args, _) = run_in(&[("WATCH", "true")], &["-watch=0"]).unwrap();
        assert!(!args.on("watch") && args.given("watch"));
        assert_eq!(run(&["-version=true"]).unwrap_err(), "version");
    }

    #[test]
    fn the_environment_speaks_for_what_was_not_typed() {
        let env = [("WAIT", "7s"), ("ADDRESSES", "a\n\nb\n"), ("WATCH", "TRUE")];
        let (args, _) = run_in(&env, &[]).unwrap();
        assert_eq!((args.duration("wait").as_secs(), args.list("address")), (7, vec!["a".to_owned(), "b".to_owned()]));
        assert!(args.on("watch") && args.given("watch"));
        let (args, _) = run_in(&env, &["--wait=1s", "--host=c", "--no-watch"]).unwrap();
        assert_eq!((args.duration("wait").as_secs(), args.text("address"), args.on("watch")), (1, "c", false));
        let (args, _) = run_in(&[("WAIT", ""), ("WATCH", "0")], &[]).unwrap();
        assert_eq!((args.duration("wait").as_secs(), args.given("wait"), args.on("watch")), (5, false, false));
        let mistakes = run_in(&[("WAIT", "soon"), ("WATCH", "si")], &[]).err().unwrap();
        assert_eq!(
            mistakes,
            "environment variable WAIT: expected a duration such as 5s, 250ms or 1m30s, found \"soon\"; \
             environment variable WATCH: expected true or false, found \"si\""
        );
        assert!(run(&["--help"]).unwrap_err().contains("[default: 5s] [env: WAIT]"));
    }

    #[test]
    fn an_old_name_is_taken_over_with_a_warning() {
        let (args, warnings) = run(&["--collector.a.ignored=b"]).unwrap();
        assert_eq!((args.text("collector.a.exclude"), warnings.len()), ("b", 1));
    }

    #[test]
    fn help_and_version_come_first() {
        assert_eq!(run(&["--version"]).unwrap_err(), "version");
        for word in ["-h", "--help", "--help-long", "--help-man"] {
            let help = run(&[word]).unwrap_err();
            assert!(help.contains("--collector.a.exclude") && !help.contains("--collector.a.ignored"), "{help}");
            assert!(help.contains("[default: 5s]") && help.contains("All:"), "{help}");
        }
    }

    #[test]
    fn arguments_from_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("flags");
        std::fs::write(&path, "# comment\n\n--dir\na b\n--wait=2s\n").unwrap();
        let (args, _) = run(&[&format!("@{}", path.display())]).unwrap();
        assert_eq!((args.text("dir"), args.duration("wait").as_secs()), ("a b", 2));
        assert!(run(&["@/does/not/exist"]).err().unwrap().starts_with("@/does/not/exist: "));
        let outer = dir.path().join("outer");
        std::fs::write(&outer, format!("--no-collector.a\r\n@{}\r\n", path.display())).unwrap();
        let (args, _) = run(&[&format!("@{}", outer.display())]).unwrap();
        assert!(args.text("dir") == "a b" && !args.on("collector.a"), "a file may name another");
        std::fs::write(&outer, format!("@{0}\n@{0}\n", outer.display())).unwrap();
        let message = run(&[&format!("@{}", outer.display())]).err().unwrap();
        assert!(message.ends_with("expected at most 8 files that name one another"), "{message}");
    }
}
