//! The gate before Prometheus: a real nginx with our configuration, at the paths that its container has.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::rbac::items;
use crate::child::Logged;
use crate::manifests;
use crate::tools::tool;

/// What is `/etc` for it: below the tmpfs that the test has on `/run`.
const ETC: &str = "/run/gate-etc";

/// A running nginx on port 9443 of this network; killed when dropped.
#[derive(Debug)]
pub struct Gate(Logged);

impl Gate {
    /// Starts it as the StatefulSet does, with a Secret of certificate, key and password file.
    #[track_caller]
    pub fn start(secret: &[(&str, &str)]) -> Self {
        for folder in ["gate", "gate-secret"] {
            fs::create_dir_all(Path::new(ETC).join(folder)).expect("/run is ours");
        }
        // It looks up its user there, which matters to root alone.
        for file in ["passwd", "group"] {
            fs::copy(Path::new("/etc").join(file), Path::new(ETC).join(file)).expect("there are users");
        }
        fs::write(Path::new(ETC).join("gate/nginx.conf"), manifests::text("base/prometheus/nginx.conf")).expect("ours");
        Self::set_secret(secret);
        let mut command = Command::new(tool("unshare"));
        let inside = "set -e; mount --bind $0 /etc; mount -t tmpfs -o size=16m tmpfs /tmp; exec \"$@\" 1>&2";
        command.args(["--mount", "sh", "-c", inside, ETC]).arg(tool("nginx")).args(["-e", "stderr"]).args(args());
        let nginx = Logged::spawn("gate", &mut command);
        Self(nginx)
    }

    /// Replaces files of its Secret, as kubelet does when the Secret changes.
    #[track_caller]
    pub fn set_secret(secret: &[(&str, &str)]) {
        for (name, content) in secret {
            fs::write(Path::new(ETC).join("gate-secret").join(name), content).expect("/run is ours");
        }
    }

    /// What it logged so far, visits among it.
    pub fn log(&self) -> String {
        self.0.log()
    }
}

/// The container's, after the name of the program.
#[track_caller]
fn args() -> Vec<String> {
    let stateful_set = manifests::document("base/prometheus/statefulset.yaml");
    let containers = &stateful_set["spec"]["template"]["spec"]["containers"];
    let gate = items(containers).find(|container| container["name"] == "gate").expect("there is a gate");
    let mut command = items(&gate["command"]).filter_map(Value::as_str);
    assert_eq!(command.next(), Some("nginx"));
    // In the container it is nobody from the start; here it would become nobody and could not read what is root's.
    command.map(|arg| arg.replace("daemon off;", "daemon off; user root;")).collect()
}
