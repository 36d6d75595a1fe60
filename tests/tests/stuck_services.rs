//! Services that take a connection and never say a word: each costs its own collector, and not for longer than it may.

use std::io::Write;
use std::net::UdpSocket;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use exporter_tests::child::Logged;
use exporter_tests::client::{Request, connect};
use exporter_tests::fixture::Fixture;
use exporter_tests::page::{Metric, Page, metric};
use exporter_tests::running::Running;
use exporter_tests::skip::skip;
use exporter_tests::tools::installed;
use exporter_tests::upstream::{Answer, Upstream};
use exporter_tests::wait::until;

/// What Prometheus waits for a page, in seconds; it may take half of that.
const WAITS: f64 = 0.6;

fn success(collector: &str, value: f64) -> Metric {
    metric("node_scrape_collector_success").label("collector", collector).value(value)
}

fn reason(collector: &str, reason: &str) -> Metric {
    metric("node_scrape_collector_reason").label("collector", collector).label("reason", reason).value(1.0)
}

fn start(collector: &str, flags: &[String], environment: &[(&str, &std::ffi::OsStr)]) -> Running {
    let mut args = vec!["--collector.disable-defaults".to_owned(), "--collector.loadavg".to_owned()];
    args.push(format!("--collector.{collector}"));
    args.extend_from_slice(flags);
    Running::start_with("node-exporter", &args, environment)
}

/// Scrapes while the service of a collector is silent: nothing else is missing, and nothing grows.
#[track_caller]
fn silent(exporter: &Running, collector: &str, place: &str) {
    let check = |page: &Page| {
        page.has(success(collector, 0.0));
        page.has(reason(collector, "timeout"));
        page.has(success("loadavg", 1.0));
        page.has(metric("node_load1"));
    };
    check(&exporter.scrape_in_time("/metrics", WAITS * 8.0));
    check(&exporter.scrape_in_time("/metrics", WAITS));
    let (threads, descriptors) = (exporter.threads(), exporter.descriptors());
    for _ in 0..50 {
        check(&exporter.scrape_in_time("/metrics", WAITS));
    }
    exporter.wait_until_at_most(threads, descriptors);
    exporter.wait_for_line("what is silent", |line| {
        (line.contains("collector failed") && line.contains(collector) && line.contains(place)).then_some(())
    });
}

#[track_caller]
fn until_well(exporter: &Running, collector: &str) -> Page {
    until("the service to be heard", || {
        let page = exporter.scrape_in_time("/metrics", WAITS * 8.0);
        if page.all(&success(collector, 1.0)).len() == 1 { Ok(page) } else { Err(exporter.log()) }
    })
}

/// Stops the program in the midst of a scrape that waits for the service.
#[track_caller]
fn stop(exporter: Running) {
    let mut asking = connect(exporter.address()).unwrap();
    asking.write_all(Request::scrape_within("/metrics", WAITS * 8.0).text().as_bytes()).unwrap();
    let (status, log) = exporter.terminate();
    assert!(status.success(), "{status}\n{log}");
}

/// An NTP server that can be told to be silent.
struct Clock {
    port: u16,
    speaks: Arc<AtomicBool>,
}

impl Clock {
    fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let speaks = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&speaks);
        // Ends with the process.
        thread::spawn(move || {
            let mut question = [0; 48];
            while let Ok((_, from)) = socket.recv_from(&mut question) {
                if told.load(Ordering::SeqCst) {
                    // Gone by now, perhaps.
                    let _ = socket.send_to(&Self::answer(&question), from);
                }
            }
        });
        Self { port, speaks }
    }

    /// Version 4, a server of stratum 1, whose clock stands.
    fn answer(question: &[u8; 48]) -> [u8; 48] {
        let mut answer = [0; 48];
        answer[0] = 4 << 3 | 4;
        answer[1] = 1;
        answer[24..32].copy_from_slice(&question[40..48]);
        for time in [16, 32, 40] {
            answer[time..time + 4].copy_from_slice(&4_000_000_000_u32.to_be_bytes());
        }
        answer
    }
}

#[test]
fn a_clock_that_never_answers() {
    let clock = Clock::start();
    let port = format!("--collector.ntp.server-port={}", clock.port);
    let exporter = start("ntp", &["--collector.ntp.server=127.0.0.1".to_owned(), port], &[]);
    silent(&exporter, "ntp", "127.0.0.1");
    clock.speaks.store(true, Ordering::SeqCst);
    until_well(&exporter, "ntp").has(metric("node_ntp_stratum").value(1.0));
    clock.speaks.store(false, Ordering::SeqCst);
    stop(exporter);
}

#[test]
fn a_supervisord_that_never_answers() {
    let supervisord = Upstream::start(Answer::silence());
    let exporter = start("supervisord", &[format!("--collector.supervisord.url={}", supervisord.url("/RPC2"))], &[]);
    silent(&exporter, "supervisord", &supervisord.url("/RPC2"));
    supervisord.wait_until_open_at_most(1);
    let nothing_runs = "<?xml version='1.0'?><methodResponse><params><param><value><array><data></data></array></value>\
                        </param></params></methodResponse>";
    supervisord.set(Answer::ok("text/xml", nothing_runs));
    until_well(&exporter, "supervisord");
    supervisord.set(Answer::silence());
    stop(exporter);
}

/// Takes connections and says nothing, until it is dropped.
struct SilentBus(Arc<AtomicBool>, std::path::PathBuf);

impl SilentBus {
    fn start(place: &Path) -> Self {
        let listener = UnixListener::bind(place).unwrap();
        let stopped = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stopped);
        thread::spawn(move || {
            let mut held = Vec::new();
            while let Ok((connection, _)) = listener.accept() {
                if told.load(Ordering::SeqCst) {
                    break;
                }
                held.push(connection);
            }
        });
        Self(stopped, place.to_owned())
    }
}

impl Drop for SilentBus {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
        // Wakes it; it may have ended already.
        let _ = std::os::unix::net::UnixStream::connect(&self.1);
        let _ = std::fs::remove_file(&self.1);
    }
}

#[test]
fn a_bus_that_never_answers() {
    let test = "a_bus_that_never_answers";
    if rustix::process::geteuid().is_root() && Path::new("/run/systemd/private").exists() {
        return skip(test, "root asks systemd itself when the bus is silent");
    }
    let folder = Fixture::new();
    let place = folder.path("bus");
    let bus = SilentBus::start(&place);
    let address = format!("unix:path={}", place.display());
    let exporter = start("systemd", &[], &[("DBUS_SYSTEM_BUS_ADDRESS", address.as_ref())]);
    silent(&exporter, "systemd", &address);
    drop(bus);
    let Some(daemon) = installed("dbus-daemon") else {
        return skip(test, "what comes after: no dbus-daemon");
    };
    let config = format!(
        "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" \
         \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\"><busconfig><type>system</type>\
         <listen>{address}</listen><auth>EXTERNAL</auth><policy context=\"default\"><allow user=\"*\"/>\
         <allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/></policy></busconfig>"
    );
    std::fs::write(folder.path("bus.conf"), config).unwrap();
    let mut command = Command::new(daemon);
    command.arg("--config-file").arg(folder.path("bus.conf")).args(["--nofork", "--nopidfile", "--nosyslog"]);
    let _daemon = Logged::spawn("dbus-daemon", command.stdin(Stdio::null()));
    // A bus that speaks, and says that there is no systemd: it is heard, and told with its words.
    until("the bus to be heard", || {
        let page = exporter.scrape_in_time("/metrics", WAITS * 8.0);
        page.has(success("systemd", 0.0));
        let heard = exporter.log().contains("org.freedesktop.DBus.Error");
        if heard && page.all(&reason("systemd", "timeout")).is_empty() { Ok(()) } else { Err(exporter.log()) }
    });
    stop(exporter);
}
