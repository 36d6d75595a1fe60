//! What stands before a cluster's Prometheus, as far as the monitoring server can tell: a real nginx that shows the
//! certificate, wants the password, and hands on what is asked for.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

use rustix::process::geteuid;

use crate::child::Logged;
use crate::fixture::Fixture;
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

fn text(folder: &Fixture, address: SocketAddr, prometheus: SocketAddr, secrets: &Path) -> String {
    let (place, secrets) = (folder.root().display(), secrets.display());
    // Otherwise it becomes somebody who may not read the folder of the test.
    let user = if geteuid().is_root() { "user root root;\n" } else { "" };
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary: String = temporary.map(|kind| format!("{kind}_temp_path {place}/{kind};\n")).concat();
    format!(
        "daemon off;\nmaster_process off;\npid {place}/nginx.pid;\nerror_log stderr notice;\n{user}events {{}}\nhttp {{\n\
         access_log off;\n{temporary}server {{\nlisten {address} ssl;\nssl_certificate {secrets}/tls.crt;\n\
         ssl_certificate_key {secrets}/tls.key;\nlarge_client_header_buffers 4 32k;\n\
         location = /federate {{ auth_basic gate; auth_basic_user_file {secrets}/htpasswd;\n\
         proxy_pass http://{prometheus}; proxy_set_header Authorization \"\"; }}\nlocation / {{ return 404; }}\n}} }}\n"
    )
}
