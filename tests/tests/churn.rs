//! Interfaces, mounts and processes that come and go while the machine is being scraped.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use exporter_tests::fixture::Fixture;
use exporter_tests::kept_alive::KeptAlive;
use exporter_tests::namespace;
use exporter_tests::page::{Page, metric};
use exporter_tests::running::Running;
use exporter_tests::skip::skip;
use exporter_tests::tools::{run, tool};
use exporter_tests::wait::until;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

const SCRAPES: usize = 2_000;
/// By then every collector has met things that vanish.
const WARM: usize = 400;
/// What one page may be larger than another.
const SLACK_KIB: u64 = 512;

/// How the names of interfaces begin.
const LINK: &str = "churn";

/// Names are never used twice: what the program keeps of each would pile up.
struct Churn {
    over: AtomicBool,
    links: AtomicU32,
    mounts: AtomicU32,
    processes: AtomicU32,
}

impl Churn {
    /// Does something again and again until it is over, counts, and says how often that was.
    fn repeat(&self, count: &AtomicU32, mut step: impl FnMut(u32)) -> u32 {
        loop {
            step(count.fetch_add(1, Ordering::SeqCst));
            if self.over.load(Ordering::SeqCst) {
                return count.load(Ordering::SeqCst);
            }
        }
    }

    /// Pairs of interfaces: new ones are made and the last ones removed by one `ip` each time.
    fn links(&self) {
        let pairs = |round: u32| (0..4).map(move |n| format!("{LINK}{round}x{n}"));
        let make = |round: u32| -> String {
            let up = |name: &str| format!("link set {name} up\n");
            let pair = |name: String| {
                format!("link add {name} type veth peer name {name}p\n{}{}", up(&name), up(&format!("{name}p")))
            };
            pairs(round).map(pair).collect()
        };
        let remove = |round: u32| -> String { pairs(round).map(|name| format!("link del {name}\n")).collect() };
        let rounds = self.repeat(&self.links, |round| {
            let last = round.checked_sub(1).map(remove).unwrap_or_default();
            ip(&format!("{}{last}", make(round)));
        });
        ip(&remove(rounds - 1));
    }

    /// File systems in memory: a new one is made and one made before removed.
    fn mounts(&self, below: &Path) {
        let place = |round: u32| below.join(round.to_string());
        let remove = |round: u32| {
            // Busy while its size is being asked for.
            unmount(place(round), UnmountFlags::DETACH).unwrap();
            fs::remove_dir(place(round)).unwrap();
        };
        let rounds = self.repeat(&self.mounts, |round| {
            fs::create_dir(place(round)).unwrap();
            mount("memory", place(round), "tmpfs", MountFlags::NODEV, c"size=64k").unwrap();
            round.checked_sub(1).map(remove);
        });
        remove(rounds - 1);
    }

    /// Processes that end at once.
    fn processes(&self) {
        self.repeat(&self.processes, |_| drop(run(&mut Command::new(tool("true")))));
    }
}

fn ip(batch: &str) {
    let mut ip = Command::new(tool("ip"));
    let mut ip = ip.args(["-batch", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    ip.stdin.take().unwrap().write_all(batch.as_bytes()).unwrap();
    let ended = ip.wait_with_output().unwrap();
    assert!(ended.status.success(), "{batch}{}", String::from_utf8_lossy(&ended.stderr));
}

fn veth_exists() -> bool {
    let mut ip = Command::new(tool("ip"));
    let made = ip.args(["link", "add", "probe", "type", "veth", "peer", "name", "probep"]).output().unwrap();
    made.status.success() && Command::new(tool("ip")).args(["link", "del", "probe"]).output().unwrap().status.success()
}

/// Collectors without success, and everything a collector could not read.
fn faults(page: &Page) -> BTreeSet<String> {
    let failed = page.all(&metric("node_scrape_collector_success").value(0.0));
    let faults = page.all(&metric("node_scrape_collector_faults"));
    failed.iter().chain(&faults).map(ToString::to_string).collect()
}

/// Whether a page shows something of which a label begins so.
fn shows(page: &Page, family: &str, label: &str, start: &str) -> bool {
    page.family(family).is_some_and(|family| family.samples.iter().any(|sample| sample.label(label).starts_with(start)))
}

#[test]
fn things_that_come_and_go() {
    let test = "things_that_come_and_go";
    if !namespace::entered_alone(test) {
        return;
    }
    if !veth_exists() {
        return skip(test, "no veth interfaces here");
    }
    ip("link set lo up\n");
    // What there is shows the network it was mounted in.
    let interfaces = match mount("sysfs", "/sys", "sysfs", MountFlags::RDONLY, None) {
        Ok(()) => "node_network_up",
        Err(e) => {
            skip(test, &format!("interfaces in /sys: {e}"));
            "node_network_receive_bytes_total"
        }
    };
    let folder = Fixture::new();
    let below = folder.root().display().to_string();
    let exporter = Running::start_release("node-exporter", &[] as &[&str]);
    let mut client = KeptAlive::new(exporter.address()).unwrap();
    let request = KeptAlive::request("/metrics", false);
    let mut scrape = || Page::checked(&client.answer(&request).unwrap().text());
    let quiet = faults(&scrape());
    let before = exporter.descriptors();
    let churn = Churn { over: false.into(), links: 0.into(), mounts: 0.into(), processes: 0.into() };
    let (mut first, mut with_links, mut with_mounts) = (None, 0, 0);
    thread::scope(|scope| {
        scope.spawn(|| churn.links());
        scope.spawn(|| churn.mounts(folder.root()));
        scope.spawn(|| churn.processes());
        // Whatever happens, the threads end.
        let _over = Over(&churn.over);
        for n in 1..=SCRAPES {
            let page = scrape();
            // What has vanished is no fault, and costs nobody else's samples.
            assert_eq!(faults(&page), quiet, "scrape {n}\n{}", exporter.log());
            with_links += u32::from(shows(&page, interfaces, "device", LINK));
            with_mounts += u32::from(shows(&page, "node_filesystem_size_bytes", "mountpoint", &below));
            if n == WARM {
                first = Some(exporter.footprint());
            }
        }
    });
    let first = first.unwrap();
    // A file that vanished under the last of these scrapes is open again only after the next.
    let descriptors = before.max(first.descriptors);
    let last = until("nothing is left behind", || {
        let page = scrape();
        let now = exporter.footprint();
        let flat = now.threads <= first.threads
            && now.descriptors <= descriptors
            && now.anonymous_kib <= first.anonymous_kib + SLACK_KIB;
        if flat && faults(&page) == quiet {
            Ok(now)
        } else {
            Err(format!("{now}, first {first}, before that {before} descriptors"))
        }
    });
    let [links, mounts, processes] = [&churn.links, &churn.mounts, &churn.processes].map(|n| n.load(Ordering::SeqCst));
    eprintln!("{links} rounds of interfaces, {mounts} mounts, {processes} processes in {SCRAPES} scrapes");
    eprintln!("{with_links} pages with such interfaces, {with_mounts} with such mounts");
    eprintln!("after {WARM} scrapes: {first}\nat the end: {last}");
    assert!(with_links > 0 && with_mounts > 0 && processes > 0, "they met");
    assert!(!exporter.log().contains("level=ERROR"), "{}", exporter.log());
}

struct Over<'c>(&'c AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
