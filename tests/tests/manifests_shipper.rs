//! The overlay that sends the lines themselves: a real rsyslog with the DaemonSet's very configuration, over a tree that is rotated as
//! the kubelet does it, and the receiver of its page at the other end.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;

use exporter_tests::child::Logged;
use exporter_tests::fixture::Fixture;
use exporter_tests::logs::{Log, Node, line};
use exporter_tests::manifests;
use exporter_tests::manifests::kubernetes::Authority;
use exporter_tests::tools::tool;
use exporter_tests::wait::until;

/// Both ends, their files, and the logs between them.
struct Site {
    node: Node,
    files: Fixture,
    port: u16,
}

impl Site {
    fn new() -> Self {
        let authority = Authority::new("logs");
        let mut files = Fixture::new().folder("shipper/state").folder("receiver/state").folder("stored");
        for (end, name) in [("shipper", "log-shipper"), ("receiver", "localhost")] {
            let (certificate, key) = authority.pair(&[name]);
            for (file, content) in [("ca.crt", authority.pem()), ("tls.crt", certificate), ("tls.key", key)] {
                files = files.file(format!("{end}/tls/{file}"), content);
            }
        }
        // Free now, and nobody else's in the moment until it is bound, as a rule; the receiver is started again and again.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let port = listener.local_addr().expect("it has an address").port();
        Self { node: Node::new(), files, port }
    }

    /// Starts an rsyslog with a configuration of the overlay in which paths are this site's.
    #[track_caller]
    fn start(&self, end: &str, configuration: &str, replaced: &[(&str, &str)]) -> Logged {
        let mut text = manifests::text(&format!("overlays/log-shipper/{configuration}"));
        let here = |path: &str| self.files.path(path).display().to_string();
        let (tls, state) = (here(&format!("{end}/tls")), here(&format!("{end}/state")));
        let places = [(format!("/etc/log-{end}/tls"), tls), (format!("/var/lib/log-{end}"), state.clone())];
        let own = replaced.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned()));
        for (from, to) in places.into_iter().chain(own) {
            assert!(text.contains(&from) || from.starts_with("/var/lib"), "{configuration} has no {from}");
            text = text.replace(&from, &to);
        }
        let file = self.files.path(format!("{end}/rsyslog.conf"));
        fs::write(&file, text).expect("the folder is writable");
        let mut command = Command::new(tool("setpriv"));
        command.args(["--pdeathsig", "KILL"]).arg(tool("rsyslogd")).args(["-n", "-iNONE", "-f"]).arg(&file);
        command.envs([("LOG_TARGET", "localhost"), ("NODE_NAME", "node-1"), ("POD_NAMESPACE", "log-shipper")]);
        command.env("LOG_PORT", self.port.to_string());
        Logged::spawn(end, &mut command)
    }

    #[track_caller]
    fn shipper(&self) -> Logged {
        self.start("shipper", "rsyslog.conf", &[("/var/log/pods", &self.node.pods().display().to_string())])
    }

    #[track_caller]
    fn receiver(&self) -> Logged {
        let stored = self.files.path("stored").display().to_string();
        let port = format!("port=\"{}\"", self.port);
        let state = self.files.path("receiver/state").display().to_string();
        let replaced =
            [("/var/log/cluster", stored.as_str()), ("port=\"6514\"", &port), ("/var/spool/rsyslog", &state)];
        self.start("receiver", "receiver.conf", &replaced)
    }

    /// How often each message of a container was stored, without those of the start.
    fn stored(&self, log: &str) -> BTreeMap<String, usize> {
        let text = fs::read_to_string(self.files.path(format!("stored/{log}.log"))).unwrap_or_default();
        let mut found = BTreeMap::new();
        for line in text.lines() {
            let message = line.splitn(4, ' ').nth(3).unwrap_or(line);
            *found.entry(message.to_owned()).or_default() += 1;
        }
        found
    }

    /// Waits until messages `0` to `n` are stored.
    #[track_caller]
    fn wait_for(&self, log: &str, n: usize, ends: &[&Logged]) -> BTreeMap<String, usize> {
        until(&format!("{n} lines of {log}"), || {
            let stored = self.stored(log);
            let missing: Vec<usize> = (0..n).filter(|n| !stored.contains_key(&format!("line {n}"))).take(5).collect();
            let said = || ends.iter().map(|end| end.log()).collect::<String>();
            if missing.is_empty() { Ok(stored) } else { Err(format!("{missing:?} are missing\n{}", said())) }
        })
    }
}

/// Writes the next `count` lines.
fn write(log: &mut Log, n: &mut usize, count: usize) {
    for _ in 0..count {
        log.say(&format!("line {n}"));
        *n += 1;
    }
}

#[test]
fn each_line_arrives_with_its_namespace_pod_and_container() {
    let site = Site::new();
    let mut log = site.node.container("shop", "web-1", "0a", "app");
    let mut own = site.node.container("log-shipper", "log-shipper-x", "0b", "log-shipper");
    own.say("my own");
    let receiver = site.receiver();
    // To connect and say nothing would be an error in its eyes.
    until("the receiver to listen", || {
        let sockets = fs::read_to_string("/proc/net/tcp").expect("there is a list");
        let listening = format!(":{:04X} 00000000:0000 0A", site.port);
        if sockets.contains(&listening) { Ok(()) } else { Err(receiver.log()) }
    });
    let shipper = site.shipper();
    let mut n = 0;
    // It is at work: what is moved away before that, it never sees.
    write(&mut log, &mut n, 1);
    let mut stored = site.wait_for("shop/web-1/app", n, &[&shipper, &receiver]);
    for _ in 0..3 {
        write(&mut log, &mut n, 200);
        log.rotate_plainly();
        write(&mut log, &mut n, 5);
        // As long as the kubelet waits at least between two rotations: what was moved away is read.
        stored = site.wait_for("shop/web-1/app", n, &[&shipper, &receiver]);
    }
    assert!(stored.values().all(|times| *times == 1), "{stored:?}");
    assert_eq!(stored.len(), n);
    // As the runtime wrote it: quotes, bytes that are no ASCII, blanks, parts.
    log.write(line("stderr", "P", "a \"part\" of \\ \u{fc}ber "));
    log.write(line("stderr", "F", "  and its end"));
    let text = until("the last of them", || {
        let text = fs::read_to_string(site.files.path("stored/shop/web-1/app.log")).unwrap_or_default();
        if text.contains("and its end") { Ok(text) } else { Err(text.lines().last().unwrap_or_default().to_owned()) }
    });
    assert!(text.contains(" stderr P a \"part\" of \\ \u{fc}ber \n"), "{text}");
    assert!(text.contains(" stderr F   and its end\n"), "{text}");
    // A pod that comes later, and one container more.
    let mut late = site.node.container("shop", "late", "0c", "sidecar");
    write(&mut late, &mut 0, 10);
    site.wait_for("shop/late/sidecar", 10, &[&shipper, &receiver]);
    assert!(!Path::new(&site.files.path("stored/log-shipper")).exists(), "its own log is not sent");
}

#[test]
fn nothing_is_missing_when_one_end_restarts() {
    let site = Site::new();
    let mut log = site.node.container("shop", "web-1", "0a", "app");
    let mut n = 0;
    let mut receiver = site.receiver();
    let mut shipper = site.shipper();
    write(&mut log, &mut n, 100);
    site.wait_for("shop/web-1/app", n, &[&shipper, &receiver]);
    // The shipper restarts, and lines are written while it is away.
    shipper.ask_to_stop();
    shipper.wait();
    write(&mut log, &mut n, 100);
    shipper = site.shipper();
    let stored = site.wait_for("shop/web-1/app", n, &[&shipper, &receiver]);
    let n_twice = stored.values().filter(|times| **times > 1).count();
    // The server is away.
    receiver.ask_to_stop();
    receiver.wait();
    write(&mut log, &mut n, 300);
    receiver = site.receiver();
    let stored = site.wait_for("shop/web-1/app", n, &[&shipper, &receiver]);
    assert_eq!(stored.len(), n);
    // Twice is what a broken connection had not confirmed, and no more than that.
    assert!(stored.values().filter(|times| **times > 1).count() <= n_twice + 128, "{stored:?}");
}

#[test]
fn who_shows_another_certificate_gets_nothing() {
    let site = Site::new();
    let mut log = site.node.container("shop", "web-1", "0a", "app");
    log.say("line 0");
    // For the right name, but by another authority.
    let stranger = Authority::new("stranger");
    let (certificate, key) = stranger.pair(&["localhost"]);
    let receiver_tls = site.files.path("receiver/tls");
    fs::write(receiver_tls.join("tls.crt"), certificate).expect("the folder is writable");
    fs::write(receiver_tls.join("tls.key"), key).expect("the folder is writable");
    let receiver = site.receiver();
    let shipper = site.shipper();
    shipper.wait_for_line("that it does not trust the server", |line| {
        line.contains("certificate validation failed").then_some(())
    });
    assert_eq!(site.stored("shop/web-1/app"), BTreeMap::new(), "{}", receiver.log());
}
