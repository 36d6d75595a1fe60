//! Runs a test once more in mount and process namespaces of its own.
//!
//! A mount that never answers would stop every `df` on the machine; in a namespace only the test and its children
//! see it, and it vanishes with them however they end. In the new process namespace the test is process 1, so
//! `/proc/1/mountinfo`, where exporters look, shows its mounts. An ordinary user becomes root of a user namespace.

use std::env;
use std::process::Command;

use crate::skip::skip;
use crate::tools::tool;

/// Tells the inner run that it is one.
const INSIDE: &str = "EXPORTER_TESTS_INSIDE_NAMESPACE";

/// Returns true inside the namespaces. Outside it runs the named test inside them, panics when that fails, and
/// returns false; where the machine does not permit namespaces it prints so and returns false, too.
#[track_caller]
pub fn entered(test: &str) -> bool {
    enter(test, &[])
}

/// As [`entered`], with a network of its own as well, of which nothing is up but what the test brings up.
#[track_caller]
pub fn entered_alone(test: &str) -> bool {
    enter(test, &["--net"])
}

/// As [`entered_alone`], with a host name of its own as well: what containers see of their host is then the test's.
#[track_caller]
pub fn entered_as_machine(test: &str) -> bool {
    enter(test, &["--net", "--uts"])
}

#[track_caller]
fn enter(test: &str, further: &[&str]) -> bool {
    if env::var_os(INSIDE).is_some() {
        return true;
    }
    let unshare = || {
        let mut unshare = unshare();
        unshare.args(further);
        unshare
    };
    let probe = unshare().arg("true").output().expect("unshare starts");
    if !probe.status.success() {
        skip(test, &format!("no namespaces here: {}", String::from_utf8_lossy(&probe.stderr).trim()));
        return false;
    }
    let inner = unshare()
        .arg(env::current_exe().expect("a test knows its own path"))
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare starts");
    let said = format!("{}{}", String::from_utf8_lossy(&inner.stdout), String::from_utf8_lossy(&inner.stderr));
    assert!(inner.status.success(), "inside the namespaces:\n{said}");
    assert!(said.contains("1 passed"), "no test is named {test}:\n{said}");
    if let Some((_, reason)) = said.lines().find_map(|line| line.split_once("... skipped: ")) {
        skip(test, reason);
    }
    false
}

fn unshare() -> Command {
    let mut unshare = Command::new(tool("unshare"));
    unshare.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    if !rustix::process::geteuid().is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    unshare
}
