//! A real nginx: Debian's program with a configuration of ours, on free ports, as whoever runs the test.
//!
//! In the clear: `/index.html` is `<p>Hello.</p>`, `/gzip/large.txt` are 1000 bytes, sent gzipped to who takes that, `/secure`
//! leads to TLS, `/locked/index.html` wants credentials. The same, on a port for each certificate, with TLS and HTTP/2.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;

use rustix::process::geteuid;

use crate::child::Logged;
use crate::fixture::Fixture;
use crate::tools::tool;

/// A free port may be taken before nginx binds it, so there are several attempts; each further one is unlikelier.
pub(crate) const ATTEMPTS: usize = 10;

/// A started nginx; killed when dropped.
#[derive(Debug)]
pub struct Nginx {
    plain: SocketAddr,
    secure: Vec<SocketAddr>,
    // Dropped in this order: it ends before its folder goes.
    process: Logged,
    folder: Fixture,
}

impl Nginx {
    /// Starts one that lets `credentials` (a name and a password without white space) into `/locked/`, and shows each pair of
    /// certificate and key on a port of its own. `/secure` leads to the first of them.
    #[track_caller]
    pub fn start(credentials: (&str, &str), certificates: &[(String, String)]) -> Self {
        let (user, password) = credentials;
        let folder = Fixture::new()
            .file("pages/index.html", "<p>Hello.</p>\n")
            .file("pages/locked/index.html", "<p>Secret.</p>\n")
            .file("pages/gzip/large.txt", [b'x'; 1000])
            .file("passwords", format!("{user}:{{PLAIN}}{password}\n"));
        for _ in 0..ATTEMPTS {
            // All are held until all are known, so that no two are the same.
            let held: Vec<TcpListener> = (0..=certificates.len()).map(|_| listener()).collect();
            let mut ports = held.iter().map(|held| held.local_addr().expect("a listener knows its address"));
            let plain = ports.next().expect("there is one more than certificates");
            let secure: Vec<SocketAddr> = ports.collect();
            drop(held);
            let text = text(&folder, plain, &secure, certificates);
            fs::write(folder.path("nginx.conf"), text).expect("the folder is writable");
            if let Some(process) = launched(&folder) {
                return Self { plain, secure, process, folder };
            }
        }
        panic!("nginx: no ports stayed free in {ATTEMPTS} attempts");
    }

    /// Where it listens in the clear.
    pub fn plain(&self) -> SocketAddr {
        self.plain
    }

    /// Where it shows the certificates, in their order.
    pub fn secure(&self) -> &[SocketAddr] {
        &self.secure
    }

    /// Its pages are in `pages` of it.
    pub fn folder(&self) -> &Fixture {
        &self.folder
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        self.process.log()
    }
}

/// Starts one process of nginx with the `nginx.conf` of a folder, which is to have `daemon off`, `master_process off` and the
/// log level `notice`, and waits until it listens; `None` when somebody has one of its ports.
#[track_caller]
pub(crate) fn launched(folder: &Fixture) -> Option<Logged> {
    // What is killed with the test must not leave it behind: there is but one process, and it goes with its parent.
    let mut command = Command::new(tool("setpriv"));
    command.args(["--pdeathsig", "KILL"]).arg(tool("nginx")).args(["-e", "stderr", "-c"]);
    let process = Logged::spawn("nginx", command.arg(folder.path("nginx.conf")).arg("-p").arg(folder.root()));
    let listens = process.wait_for_line("that it listens or cannot", |line| {
        // Said once all sockets are bound.
        (line.contains("OS: ").then_some(true)).or(line.contains("Address already in use").then_some(false))
    });
    listens.then_some(process)
}

pub(crate) fn listener() -> TcpListener {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    bound.unwrap_or_else(|e: io::Error| panic!("127.0.0.1 has no free port: {e}"))
}

fn text(folder: &Fixture, plain: SocketAddr, secure: &[SocketAddr], certificates: &[(String, String)]) -> String {
    let place = folder.root().display();
    // Otherwise it becomes somebody who may not read the folder of the test.
    let user = if geteuid().is_root() { "user root root;\n" } else { "" };
    let mut text = format!(
        "daemon off;\nmaster_process off;\npid {place}/nginx.pid;\nerror_log stderr notice;\n{user}events {{}}\nhttp {{\n\
         access_log off;\nroot {place}/pages;\ngzip_types text/plain;\n\
         types {{ text/html html; text/plain txt; }}\nssl_protocols TLSv1.2 TLSv1.3;\n"
    );
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        text += &format!("{kind}_temp_path {place}/{kind};\n");
    }
    let to = secure.first().map_or(String::new(), |secure| {
        format!("location = /secure {{ return 301 https://localhost:{}/index.html; }}\n", secure.port())
    });
    let special = format!(
        "location /gzip/ {{ gzip on; }}\nlocation /locked/ {{ auth_basic test; auth_basic_user_file {place}/passwords; }}\n"
    );
    text += &format!("server {{ listen {plain};\n{to}{special}}}\n");
    for (secure, (certificate, key)) in secure.iter().zip(certificates) {
        text += &format!(
            "server {{ listen {secure} ssl http2;\nssl_certificate {certificate};\nssl_certificate_key {key};\n{special}}}\n"
        );
    }
    text + "}\n"
}
