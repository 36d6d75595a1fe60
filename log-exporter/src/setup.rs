//! What the flags say: which logs are followed, by which rules, and the checks that need no node.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::app::{Made, Next};
use common::error::ConfigError;
use common::flags::{Args, Flag};
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::config::{self, Settings};
use crate::exporter::Exporter;
use crate::follower::{Follower, Options};
use crate::sample;
use crate::tree::{Id, is_name};

/// Flags about what is followed.
pub const FLAGS: &[Flag] = &[
    Flag::text("path.pod-logs", "/var/log/pods", "Directory in which the kubelet keeps the logs of pods."),
    Flag::text("config.file", "", "YAML file with the patterns; without one there is the pattern error alone."),
    Flag::switch("config.watch", false, "Follow changes of the configuration file by itself; SIGHUP always does."),
    Flag::text("state.file", "", "File that keeps how far logs were read, for the next start; none if empty."),
    Flag::duration("state.interval", "5s", "How often it is written."),
    Flag::choice(
        "start.at",
        &["end", "beginning"],
        false,
        "end",
        "Where logs begin that are there at the first start.",
    ),
    Flag::duration("read.interval", "1s", "How often files are looked at."),
    Flag::duration("scan.interval", "30s", "How often directories are listed though the kernel told no news of them."),
    Flag::integer("containers.max", "2000", "Most containers that are followed."),
    Flag::duration("containers.grace", "5m", "How long a container that is gone keeps its series."),
    Flag::switch("label.workload", false, "Add a label with the workload, guessed from the name of the pod."),
    Flag::text("self.namespace", "", "Namespace of this program's own pod, which is left out.").env("POD_NAMESPACE"),
    Flag::text("self.pod", "", "Name of this program's own pod, which is left out.").env("POD_NAME"),
];

/// Flags that check and end.
pub const CHECK_FLAGS: &[Flag] = &[
    Flag::switch("check-config", false, "Check the configuration file and end: 0, or 1 with every mistake."),
    Flag::text("test", "", "Configuration file that is tested: a sample from standard input becomes a page."),
    Flag::text("test.as", "default/sample/sample", "Namespace, pod and container that the sample is from."),
];

/// Does what needs no node.
///
/// # Errors
/// Every mistake.
pub fn preset(args: &mut Args) -> Result<Next, Vec<ConfigError>> {
    let mistake = |what: String| vec![ConfigError::new(what)];
    if args.on("check-config") {
        let file = args.text("config.file");
        if file.is_empty() {
            return Err(mistake("--check-config: expected --config.file beside it".to_owned()));
        }
        let n_patterns = config::open(Path::new(file), false)?.current().patterns.list().len();
        return Ok(Next::End(format!("{file}: OK, {n_patterns} patterns\n")));
    }
    if !args.text("test").is_empty() {
        let settings = config::open(Path::new(args.text("test")), false)?.current();
        let settings = Arc::into_inner(settings).unwrap_or_default();
        let who: Vec<&str> = args.text("test.as").split('/').collect();
        let [namespace, pod, container] = who.as_slice() else {
            return Err(mistake("--test.as: expected namespace/pod/container".to_owned()));
        };
        let (id, tells_workload) = (Id::new(namespace, pod, container), args.on("label.workload"));
        let page = sample::page(settings, &id, tells_workload, std::io::stdin().lock());
        let page = page.map_err(|e| mistake(format!("standard input: {e}")))?;
        return Ok(Next::End(String::from_utf8_lossy(&page).into_owned()));
    }
    Ok(Next::Serve)
}

/// Makes what answers.
///
/// # Errors
/// Every mistake in the flags or the file.
pub fn source(args: &Arc<Args>) -> Result<Made, Vec<ConfigError>> {
    let mut mistakes = Vec::new();
    for flag in ["state.interval", "read.interval", "scan.interval"] {
        if args.duration(flag).is_zero() {
            mistakes.push(ConfigError::new(format!("--{flag}: expected more than 0s")));
        }
    }
    let most_containers = usize::try_from(args.integer("containers.max")).ok().filter(|most| *most > 0);
    if most_containers.is_none() {
        mistakes.push(ConfigError::new("--containers.max: expected 1 or more"));
    }
    let own = match (args.text("self.namespace"), args.text("self.pod")) {
        ("", "") => None,
        (namespace, pod) if is_name(namespace) && is_name(pod) => Some((namespace.to_owned(), pod.to_owned())),
        // The environment of some pods has one of them, for other reasons.
        _ if !args.given("self.namespace") && !args.given("self.pod") => None,
        _ => {
            mistakes.push(ConfigError::new("--self.namespace and --self.pod: expected both, and names"));
            None
        }
    };
    let file = match args.text("config.file") {
        "" => None,
        file => config::open(Path::new(file), args.on("config.watch")).map_err(|more| mistakes.extend(more)).ok(),
    };
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let settings = file.as_ref().map_or_else(|| Arc::new(Settings::default()), |file| file.current());
    raise_descriptor_limit();
    let options = Options {
        root: PathBuf::from(args.text("path.pod-logs")),
        state_file: Some(args.text("state.file")).filter(|file| !file.is_empty()).map(PathBuf::from),
        state_interval: args.duration("state.interval"),
        from_beginning: args.text("start.at") == "beginning",
        read_interval: args.duration("read.interval"),
        scan_interval: args.duration("scan.interval"),
        most_containers: most_containers.unwrap_or(usize::MAX),
        grace: args.duration("containers.grace"),
        tells_workload: args.on("label.workload"),
        own,
    };
    let follower = Follower::start(options, settings)
        .map_err(|e| vec![ConfigError::new(format!("cannot start the thread that reads logs: {e}"))])?;
    Ok(Made::from_source(Arc::new(Exporter::new(follower, file))))
}

/// Each log is a file that stays open: as many as the system allows.
fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(e) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!(err = %e, "the limit of open files stays as it is");
    }
}
