//! The blackbox exporter with a configuration of a test, and what its probes came to.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::client::{Request, Response, percent_encoded};
use crate::page::{Metric, Page, metric};
use crate::running::Running;

const NAME: &str = "blackbox-exporter";

/// A running blackbox exporter; killed when dropped.
#[derive(Debug)]
pub struct Blackbox {
    program: Running,
    folder: TempDir,
}

/// What one probe came to.
#[derive(Debug)]
pub struct Probed {
    /// Its page.
    pub page: Page,
    /// The page as it was sent.
    pub text: String,
}

impl Blackbox {
    /// Starts it with a configuration: the whole text of a `blackbox.yml`.
    #[track_caller]
    pub fn start(yaml: &str) -> Self {
        Self::start_with(yaml, &[], &[])
    }

    /// As [`Blackbox::start`], with further flags and environment variables.
    #[track_caller]
    pub fn start_with(yaml: &str, flags: &[&str], environment: &[(&str, &OsStr)]) -> Self {
        Self::run(yaml, flags, |args| Running::start_with(NAME, args, environment))
    }

    /// As [`Blackbox::start`], by way of another program: `wrapper` and its arguments come first.
    #[track_caller]
    pub fn start_under(wrapper: &[&str], yaml: &str) -> Self {
        Self::run(yaml, &[], |args| Running::start_under(wrapper, NAME, args))
    }

    #[track_caller]
    fn run(yaml: &str, flags: &[&str], start: impl FnOnce(&[String]) -> Running) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("blackbox.yml");
        fs::write(&file, yaml).expect("the folder is writable");
        let mut args = vec![format!("--config.file={}", file.display())];
        args.extend(flags.iter().map(ToString::to_string));
        Self { program: start(&args), folder }
    }

    /// The program.
    pub fn program(&self) -> &Running {
        &self.program
    }

    /// A folder for this test, in which `blackbox.yml` is.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.folder.path().join("blackbox.yml")
    }

    /// Probes with 120 s to do it, less the usual half second; the module may say less.
    #[track_caller]
    pub fn probe(&self, module: &str, target: &str) -> Probed {
        self.probe_with(module, target, &[])
    }

    /// As [`Blackbox::probe`], with further parameters.
    #[track_caller]
    pub fn probe_with(&self, module: &str, target: &str, parameters: &[(&str, &str)]) -> Probed {
        let answer = self.ask(&Request::get(&probe_path(module, target, parameters)));
        let text = answer.text();
        assert_eq!(answer.status, 200, "{module} {target}: {text}\n{}", self.program.log());
        Probed { page: Page::checked(&text), text }
    }

    /// The answer to any request.
    #[track_caller]
    pub fn ask(&self, request: &Request) -> Response {
        self.program.ask(request)
    }

    /// The answer to `debug=true`.
    #[track_caller]
    pub fn debug(&self, module: &str, target: &str) -> String {
        let answer = self.ask(&Request::get(&probe_path(module, target, &[("debug", "true")])));
        assert_eq!(answer.status, 200, "{module} {target}: {}", answer.text());
        answer.text()
    }
}

/// Path and query of a probe.
pub fn probe_path(module: &str, target: &str, parameters: &[(&str, &str)]) -> String {
    let mut path = format!("/probe?module={}&target={}", percent_encoded(module), percent_encoded(target));
    for (key, value) in parameters {
        let _infallible = write!(path, "&{key}={}", percent_encoded(value));
    }
    path
}

impl Probed {
    /// Checks a list of expectations, all at once, and shows the page when one is not met:
    ///
    /// * `name 5`: a series without labels has this value;
    /// * `name{key="value",…} 5`: some series with these labels has it;
    /// * `name{…}` or `name`: there is such a series;
    /// * `name > 0`: it has a value above that;
    /// * `!name` or `!name{…}`: there is none.
    #[track_caller]
    pub fn holds(&self, expected: &[&str]) -> &Self {
        let wrong: Vec<&str> = expected.iter().copied().filter(|line| !self.meets(line)).collect();
        assert!(wrong.is_empty(), "not so: {wrong:#?}\n{}", self.samples());
        self
    }

    /// Whether this process may do at all what was to be done, as pings and raw sockets are not for everybody.
    pub fn was_permitted(&self) -> bool {
        !self.text.contains("reason=\"permission\"")
    }

    /// Whether the probe succeeded.
    pub fn succeeded(&self) -> bool {
        self.meets("probe_success 1")
    }

    /// Checks that it failed, where, and for which reason.
    #[track_caller]
    pub fn failed(&self, phase: &str, reason: &str) -> &Self {
        let why = format!("probe_failure_info{{phase=\"{phase}\",reason=\"{reason}\"}} 1");
        self.holds(&["probe_success 0", &why])
    }

    fn meets(&self, line: &str) -> bool {
        if let Some(unwanted) = line.strip_prefix('!') {
            return self.page.all(&series(unwanted)).is_empty();
        }
        if let Some((name, least)) = line.split_once(" > ") {
            let least: f64 = least.parse().expect("a number after >");
            return self.page.all(&series(name)).iter().any(|sample| sample.value > least);
        }
        let end = line.rfind('}').map_or(0, |at| at + 1);
        let (name, value) = match line[end..].split_once(' ') {
            Some((rest, value)) => (format!("{}{rest}", &line[..end]), Some(value.parse().expect("a number"))),
            None => (line.to_owned(), None),
        };
        let wanted = series(&name);
        !self.page.all(&value.map_or(wanted.clone(), |value| wanted.value(value))).is_empty()
    }

    /// The samples, one per line, without help.
    pub fn samples(&self) -> String {
        self.text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("  {line}\n")).collect()
    }
}

/// `name` or `name{key="value",…}`; values have no quotes, commas or braces in them.
fn series(text: &str) -> Metric {
    let (name, labels) = text.split_once('{').unwrap_or((text, ""));
    labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty()).fold(metric(name), |wanted, label| {
        let (key, value) = label.split_once('=').expect("key=\"value\"");
        wanted.label(key, value.trim_matches('"'))
    })
}
