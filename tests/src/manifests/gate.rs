//! The gate of a cluster's Prometheus as the monitoring server sees it: a real nginx with the configuration of `manifests/`,
//! on a free port, before any Prometheus.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

use rustix::process::geteuid;

use crate::child::Logged;
use crate::fixture::Fixture;
use crate::manifests;
use crate::manifests::monitoring_server::edited;
use crate::tools::tool;

/// A free port may be taken before nginx binds it, so there are several attempts; each further one is unlikelier.
const ATTEMPTS: usize = 10;

/// A started gate; killed when dropped.
#[derive(Debug)]
pub struct Gate {
    address: SocketAddr,
    // Dropped in this order: it ends before its folder goes.
    process: Logged,
    _folder: Fixture,
}

impl Gate {
    /// Starts one before `prometheus`, with `tls.crt`, `tls.key` and `htpasswd` of a folder.
    #[track_caller]
    pub fn start(prometheus: SocketAddr, secrets: &Path) -> Self {
        let folder = Fixture::new();
        for _ in 0..ATTEMPTS {
            let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("127.0.0.1 has a free port");
            let address = held.local_addr().expect("a listener knows its address");
            drop(held);
            fs::write(folder.path("nginx.conf"), text(&folder, address, prometheus, secrets)).expect("it is writable");
            // What is killed with the test must not leave it behind: there is but one process, and it goes with its parent.
            let mut command = Command::new(tool("setpriv"));
            command.args(["--pdeathsig", "KILL"]).arg(tool("nginx")).args(["-e", "stderr", "-c"]);
            let process = Logged::spawn("nginx", command.arg(folder.path("nginx.conf")).arg("-p").arg(folder.root()));
            let listens = process.wait_for_line("that it listens or cannot", |line| {
                // Said once all sockets are bound.
                (line.contains("OS: ").then_some(true)).or(line.contains("Address already in use").then_some(false))
            });
            if listens {
                return Self { address, process, _folder: folder };
            }
        }
        panic!("nginx: no port stayed free in {ATTEMPTS} attempts");
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        self.process.log()
    }
}

/// The gate's own configuration, with this machine's places for the container's.
#[track_caller]
fn text(folder: &Fixture, address: SocketAddr, prometheus: SocketAddr, secrets: &Path) -> String {
    // Otherwise it becomes somebody who may not read the folder of the test.
    let user = if geteuid().is_root() { "user root root;" } else { "" };
    edited(
        &manifests::text("base/prometheus/nginx.conf"),
        &[
            // First, as the other places are below /tmp themselves.
            ("/tmp/", &format!("{}/", folder.root().display())),
            ("worker_processes 1;", &format!("daemon off;\nmaster_process off;\n{user}")),
            // With the line by which one sees that it listens.
            ("error_log stderr warn;", "error_log stderr notice;"),
            ("/etc/gate-secret", &secrets.display().to_string()),
            ("127.0.0.1:9090", &prometheus.to_string()),
            ("listen 9443 ssl;", &format!("listen {address} ssl;")),
            ("listen [::]:9443 ssl;", ""),
        ],
    )
}
