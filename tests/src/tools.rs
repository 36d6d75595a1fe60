//! Peers that Debian packages bring.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Output};

/// Program and the Debian package it comes with.
const PACKAGES: &[(&str, &str)] = &[
    ("amtool", "prometheus-alertmanager"),
    ("apache2", "apache2"),
    ("buildah", "buildah"),
    ("catatonit", "catatonit"),
    ("crun", "crun"),
    ("curl", "curl"),
    ("htpasswd", "apache2-utils"),
    ("ip", "iproute2"),
    ("ldd", "libc-bin"),
    ("nginx", "nginx"),
    ("openssl", "openssl"),
    ("podman", "podman"),
    ("prlimit", "util-linux"),
    ("prometheus", "prometheus"),
    ("prometheus-alertmanager", "prometheus-alertmanager"),
    ("promtool", "prometheus"),
    ("setpriv", "util-linux"),
    ("supervisord", "supervisor"),
    ("systemd-analyze", "systemd"),
    ("unbound", "unbound"),
    ("unshare", "util-linux"),
    ("valgrind", "valgrind"),
];

/// Where a Debian daemon may be that a user's PATH lacks.
const ALSO: &str = "/usr/sbin";

/// The path of a peer; panics with the name of its Debian package when it is missing.
#[track_caller]
pub fn tool(name: &str) -> PathBuf {
    installed(name).unwrap_or_else(|| {
        let row = PACKAGES.iter().find(|(program, _)| *program == name);
        let package = row.map_or("a package not listed here", |(_, package)| package);
        panic!("`{name}` is missing: run `make deps`, or install Debian's `{package}`")
    })
}

/// The path of a peer, if it is there.
pub fn installed(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain([PathBuf::from(ALSO)]);
    folders.map(|folder| folder.join(name)).find(|candidate| candidate.is_file())
}

/// Runs a peer to its end; panics with its output when it fails.
#[track_caller]
pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
