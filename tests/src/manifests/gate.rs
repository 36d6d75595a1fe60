//! The gate of a cluster's Prometheus as the monitoring server sees it: a real nginx with the configuration of `manifests/`,
//! on a free port, before any Prometheus.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use rustix::process::geteuid;

use crate::child::Logged;
use crate::fixture::Fixture;
use crate::manifests;
use crate::manifests::monitoring_server::edited;
use crate::nginx::{ATTEMPTS, launched, listener};

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
            let address = listener().local_addr().expect("a listener knows its address");
            fs::write(folder.path("nginx.conf"), text(&folder, address, prometheus, secrets)).expect("it is writable");
            if let Some(process) = launched(&folder) {
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
