//! A real Apache httpd: Debian's program with a configuration of ours, on a free port, as whoever runs the test.
//!
//! Its status page is `/server-status`. It is killed with all its children when dropped, and asked to stop when the
//! thread that started it ends in any other way.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;

use bcrypt::Version;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::client::{Request, percent_encoded};
use crate::fixture::Fixture;
use crate::tls;
use crate::tools::tool;
use crate::upstream::{Answer, DeadPort, Upstream};
use crate::wait::until;

mod config;
mod status;

use config::Place;
pub use config::{Mpm, Options};
pub use status::STATUS_PAGE;

/// A free port may be taken before httpd binds it, so there are several attempts; each further one is unlikelier.
const ATTEMPTS: usize = 10;

/// What httpd logs each time it is ready, also after a graceful restart.
const READY: &str = "resuming normal operations";

/// A started httpd.
#[derive(Debug)]
pub struct Httpd {
    folder: Fixture,
    plain: SocketAddr,
    secure: Option<SocketAddr>,
    credentials: Option<(String, String)>,
    running: Option<Child>,
    // The members of its balancer.
    _backends: (Vec<Upstream>, DeadPort),
}

/// How an attempt to start ended.
enum Start {
    Ready(Child),
    PortTaken,
}

impl Httpd {
    /// Starts one and waits until it answers.
    #[track_caller]
    pub fn start(mpm: Mpm, options: &Options) -> Self {
        let dead = DeadPort::new();
        let living = options.backends.saturating_sub(1);
        let living: Vec<Upstream> = (0..living).map(|n| Upstream::start(Answer::text(format!("{n}\n")))).collect();
        let mut backends: Vec<SocketAddr> = living.iter().map(Upstream::address).collect();
        if options.backends > 0 {
            backends.push(dead.address());
        }
        let mut httpd = Self {
            folder: folder(options),
            plain: free_address(),
            secure: None,
            credentials: options.credentials.clone(),
            running: None,
            _backends: (living, dead),
        };
        for _ in 0..ATTEMPTS {
            httpd.plain = free_address();
            httpd.secure = options.tls.then(free_address);
            let place =
                Place { folder: httpd.folder.root(), plain: httpd.plain, secure: httpd.secure, backends: &backends };
            let text = config::text(mpm, options, &place);
            fs::write(httpd.folder.path("httpd.conf"), text).expect("the folder is writable");
            if let Start::Ready(child) = httpd.launch() {
                httpd.running = Some(child);
                return httpd;
            }
        }
        panic!("httpd: no port stayed free in {ATTEMPTS} attempts\n{}", httpd.log());
    }

    /// Starts it again, on the same port, and waits until it answers; does nothing while it runs.
    #[track_caller]
    pub fn start_again(&mut self) {
        if self.running.is_none() {
            let launch = || match self.launch() {
                Start::Ready(child) => Ok(child),
                Start::PortTaken => Err(format!("{} is taken\n{}", self.plain, self.log())),
            };
            self.running = Some(until("httpd has its port again", launch));
        }
    }

    /// Stops it with all its children; the port refuses connections afterwards.
    #[track_caller]
    pub fn stop(&mut self) {
        let Some(mut child) = self.running.take() else { return };
        // The first process ends last, and closes the port by ending.
        kill_process(Pid::from_child(&child), Signal::TERM).expect("httpd has not been waited for");
        let log = || self.log();
        until("httpd has stopped", || match child.try_wait() {
            Ok(Some(_)) => Ok(()),
            other => Err(format!("{other:?}\n{}", log())),
        });
    }

    /// Restarts it gracefully and waits until the new generation serves.
    #[track_caller]
    pub fn restart_gracefully(&self) {
        let ready = || self.log().matches(READY).count();
        let before = ready();
        let child = self.running.as_ref().expect("only a running httpd can be restarted");
        kill_process(Pid::from_child(child), Signal::USR1).expect("httpd has not been waited for");
        until("httpd has restarted", || if ready() > before { Ok(()) } else { Err(self.log()) });
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.plain
    }

    /// Its port with TLS.
    #[track_caller]
    pub fn secure_address(&self) -> SocketAddr {
        self.secure.expect("an option asks for TLS")
    }

    /// The URL of its machine-readable status page, with credentials where it wants some.
    pub fn status_url(&self) -> String {
        self.url("http", self.plain)
    }

    /// The same over TLS.
    #[track_caller]
    pub fn tls_status_url(&self) -> String {
        self.url("https", self.secure_address())
    }

    fn url(&self, scheme: &str, at: SocketAddr) -> String {
        let credentials = self.credentials.as_ref().map(|(user, password)| {
            let [user, password] = [user, password].map(|text| percent_encoded(text));
            format!("{user}:{password}@")
        });
        format!("{scheme}://{}{at}/server-status?auto", credentials.unwrap_or_default())
    }

    /// Asks for a page, or through the balancer where there is one, as often as `requests` says, on as many connections
    /// at once as `concurrency` says.
    #[track_caller]
    pub fn load(&self, requests: usize, concurrency: usize) {
        let path = if self._backends.0.is_empty() { "/index.html" } else { "/app/" };
        thread::scope(|scope| {
            for client in 0..concurrency {
                // The remainder goes to the first ones.
                let mine = (requests + concurrency - 1 - client) / concurrency;
                scope.spawn(move || {
                    for _ in 0..mine {
                        let answer = Request::get(path).send(self.plain);
                        let answer = answer.unwrap_or_else(|e| panic!("{path}: {e}\n{}", self.log()));
                        assert_eq!(answer.status, 200, "{path}: {}\n{}", answer.text(), self.log());
                    }
                });
            }
        });
    }

    /// The status page as httpd prints it, for comparison with what an exporter makes of it.
    #[track_caller]
    pub fn status(&self) -> String {
        let request = Request::get("/server-status?auto");
        let request = self.credentials.iter().fold(request, |request, (user, word)| request.basic(user, word));
        let answer = request.send(self.plain).unwrap_or_else(|e| panic!("status: {e}\n{}", self.log()));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text()
    }

    /// The folder, for its certificate.
    pub fn folder(&self) -> &Fixture {
        &self.folder
    }

    /// What it wrote to its logs so far.
    pub fn log(&self) -> String {
        let read = |file| fs::read(self.folder.path(file)).unwrap_or_default();
        let texts = ["stderr.log", "error.log"].map(|file| String::from_utf8_lossy(&read(file)).into_owned());
        texts.concat()
    }

    #[track_caller]
    fn launch(&self) -> Start {
        for file in ["stderr.log", "error.log"] {
            fs::write(self.folder.path(file), "").expect("the folder is writable");
        }
        let stderr = fs::File::options().append(true).open(self.folder.path("stderr.log"));
        // A group of its own, to be killed as one, would outlive a test run that is interrupted; this signal does not
        // let it. TERM rather than KILL, so that httpd takes its children along.
        let mut command = Command::new(tool("setpriv"));
        command.args(["--pdeathsig", "TERM"]).arg(tool("apache2"));
        command.args(["-D", "FOREGROUND", "-d"]).arg(self.folder.root());
        command.arg("-f").arg(self.folder.path("httpd.conf"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr.expect("the file was just written"));
        let mut child = command.process_group(0).spawn().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
        until("httpd answers", || {
            if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
                let log = self.log();
                assert!(log.contains("Address already in use"), "httpd: {status}\n{log}");
                return Ok(false);
            }
            // Whoever took its port in between does not know the page.
            match Request::get("/whoami").send(self.plain) {
                Ok(answer) if answer.body == self.token().as_bytes() => Ok(true),
                other => Err(format!("{other:?}\n{}", self.log())),
            }
        })
        .then_some(())
        .map_or(Start::PortTaken, |()| Start::Ready(child))
    }

    fn token(&self) -> String {
        token(&self.folder)
    }
}

impl Drop for Httpd {
    fn drop(&mut self) {
        if let Some(mut child) = self.running.take() {
            // Both fail only for one that is gone already.
            let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
            let _ = child.wait();
        }
    }
}

/// What no other httpd on this machine says.
fn token(folder: &Fixture) -> String {
    folder.root().display().to_string()
}

/// What it reads and writes, readable for the user its children become.
fn folder(options: &Options) -> Fixture {
    let folder = Fixture::new().file("pages/index.html", "<p>Hello.</p>\n").mode("", 0o755);
    let whoami = token(&folder);
    let folder = folder.file("pages/whoami", whoami).file("pages/gzip/large.txt", [b'x'; 1000]);
    match (options.tls, options.old_certificate) {
        (false, _) => {}
        (true, false) => tls::certificate(folder.root()),
        (true, true) => tls::certificate_of_version_1(folder.root()),
    }
    match &options.credentials {
        Some((user, password)) => {
            // The least cost: what is tested is the check, not how long it takes. httpd knows bcrypt as 2y.
            let hash = bcrypt::hash_with_result(password, 4).expect("bcrypt hashes any password");
            folder.file("passwords", format!("{user}:{}\n", hash.format_for_version(Version::TwoY)))
        }
        None => folder,
    }
}

fn free_address() -> SocketAddr {
    let bound = TcpListener::bind("127.0.0.1:0").and_then(|listener: TcpListener| listener.local_addr());
    bound.unwrap_or_else(|e: io::Error| panic!("127.0.0.1 has no free port: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value of a key of the status page.
    fn key(status: &str, key: &str) -> Option<String> {
        status.lines().find_map(|line| Some(line.strip_prefix(key)?.strip_prefix(": ")?.to_owned()))
    }

    #[test]
    fn each_mpm_under_load() {
        for mpm in Mpm::ALL {
            let httpd = Httpd::start(mpm, &Options::default());
            httpd.load(25, 4);
            let status = httpd.status();
            assert_eq!(key(&status, "ServerMPM").as_deref(), Some(mpm.as_str()), "{status}");
            let accesses: u64 = key(&status, "Total Accesses").unwrap().parse().unwrap();
            assert!(accesses >= 25, "{status}");
        }
    }

    #[test]
    fn options_are_obeyed() {
        let options = Options::default().without_extended_status().balancer(3).tls().basic_auth("me", "a: b");
        let httpd = Httpd::start(Mpm::Event, &options.server_tokens("Prod").force_type("text/x-status"));
        httpd.load(12, 3);
        let status = httpd.status();
        assert_eq!(key(&status, "Total Accesses"), None, "{status}");
        assert_eq!(key(&status, "ProxyBalancer[0]Name").as_deref(), Some("balancer://app"), "{status}");
        let worker = |n: usize| key(&status, &format!("ProxyBalancer[0]Worker[{n}]Status")).unwrap();
        assert_eq!([0, 1, 2].map(|n| worker(n).trim().to_owned()), ["Init Ok", "Init Ok", "Init Err"]);
        assert!(status.contains("\nTLSSessionCacheStatus\n"), "{status}");
        let refused = Request::get("/server-status?auto").send(httpd.address()).unwrap();
        assert_eq!(refused.status, 401);
    }

    #[test]
    fn restarts_stops_and_starts() {
        let generation = |httpd: &Httpd| {
            key(&httpd.status(), "ParentServerMPMGeneration").and_then(|value| value.parse::<u32>().ok())
        };
        let mut httpd = Httpd::start(Mpm::Worker, &Options::default());
        assert_eq!(generation(&httpd), Some(0));
        httpd.restart_gracefully();
        until("the new generation answers", || match generation(&httpd) {
            Some(1) => Ok(()),
            other => Err(format!("{other:?}")),
        });
        httpd.stop();
        let refused = Request::get("/").send(httpd.address()).map(|_| ()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        httpd.start_again();
        assert_eq!(generation(&httpd), Some(0));
    }

    #[test]
    fn nothing_is_left_behind() {
        let httpd = Httpd::start(Mpm::Prefork, &Options::default());
        let group = httpd.running.as_ref().map(Pid::from_child).unwrap();
        drop(httpd);
        // A killed child of the first process is a zombie until process 1 has waited for it.
        until("the group is gone", || match rustix::process::test_kill_process_group(group) {
            Err(rustix::io::Errno::SRCH) => Ok(()),
            other => Err(format!("{other:?}")),
        });
    }
}
