//! The program in as little memory as a sidecar or a crowded node gives it: 16 MiB, with the page of a real machine.

use std::fs;
use std::path::PathBuf;
use std::process;
use std::thread;

use exporter_tests::fixture::Fixture;
use exporter_tests::footprint::Footprint;
use exporter_tests::kept_alive::KeptAlive;
use exporter_tests::page::{Page, metric};
use exporter_tests::running::Running;
use exporter_tests::skip::skip;

const MOST_BYTES: u64 = 16 << 20;
const CLIENTS: usize = 2;
const SCRAPES: usize = 100;
/// Lines of the text file.
const LINES: usize = 16_000;

/// A text file of a megabyte, which makes a page of more.
fn a_megabyte() -> Fixture {
    let lines: String =
        (0..LINES).map(|n| format!("megabyte{{n=\"{n:05}\",padding=\"{}\"}} 1\n", "x".repeat(40))).collect();
    assert!(lines.len() > 1 << 20);
    Fixture::new().file("megabyte.prom", format!("# HELP megabyte A megabyte.\n# TYPE megabyte gauge\n{lines}"))
}

/// Two clients at once, 100 scrapes each, every other one compressed; the last of each is looked at.
fn serves(exporter: &Running, samples: usize) {
    thread::scope(|scope| {
        for first in 0..CLIENTS {
            scope.spawn(move || {
                let mut client = KeptAlive::new(exporter.address()).unwrap();
                for scrape in first..first + SCRAPES {
                    let request = KeptAlive::request("/metrics", scrape % 2 == 0);
                    if let Err(e) = client.ask(&request) {
                        panic!("scrape {scrape}: {e}\n{}", exporter.log());
                    }
                }
                for gzip in [false, true] {
                    let answer = client.answer(&KeptAlive::request("/metrics", gzip)).unwrap();
                    let page = Page::checked(&answer.text());
                    assert_eq!(page.family("megabyte").map_or(0, |family| family.samples.len()), samples);
                    page.has(metric("node_scrape_collector_success").label("collector", "textfile").value(1.0));
                    page.has(metric("node_scrape_collector_success").label("collector", "cpu").value(1.0));
                }
            });
        }
    });
    let log = exporter.log();
    assert!(!log.contains("level=ERROR"), "{log}");
}

/// Starts the program below a wrapper, with text files in a folder or without; what it takes in the end.
fn serves_under(wrapper: &[&str], text_files: Option<&Fixture>) -> Footprint {
    let args: Vec<String> = text_files.iter().map(|folder| folder.flag("--collector.textfile.directory", "")).collect();
    let exporter = Running::start_release_under(wrapper, "node-exporter", &args);
    serves(&exporter, if text_files.is_some() { LINES } else { 0 });
    exporter.footprint()
}

#[test]
fn sixteen_mebibytes_of_data() {
    let limit = format!("--data={MOST_BYTES}");
    for text_files in [None, Some(&a_megabyte())] {
        eprintln!("RLIMIT_DATA: {}", serves_under(&["prlimit", &limit], text_files));
    }
}

/// Here the program itself counts, its 4 MiB in use or not, and the whole stack of each thread.
#[test]
fn sixteen_mebibytes_of_address_space() {
    let limit = format!("--as={MOST_BYTES}");
    eprintln!("RLIMIT_AS: {}", serves_under(&["prlimit", &limit], None));
}

/// A memory cgroup of this test; removed when dropped.
struct Group {
    folder: PathBuf,
}

impl Group {
    /// A group below the root of version 1 or 2, or why there is none.
    fn new() -> Result<Self, String> {
        let name = format!("exporter-tests-{}", process::id());
        let mut reasons = Vec::new();
        for (root, limit) in [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")] {
            let folder = PathBuf::from(root).join(&name);
            if let Err(e) = fs::create_dir(&folder) {
                reasons.push(format!("{}: {e}", folder.display()));
                continue;
            }
            let group = Self { folder };
            match fs::write(group.folder.join(limit), MOST_BYTES.to_string()) {
                Ok(()) => return Ok(group),
                Err(e) => reasons.push(format!("{}: {e}", group.folder.join(limit).display())),
            }
        }
        Err(reasons.join("; "))
    }

    /// The most it ever had, page cache included, where the kernel tells.
    fn peak(&self) -> Option<String> {
        let names = ["memory.max_usage_in_bytes", "memory.peak"];
        names.iter().find_map(|name| fs::read_to_string(self.folder.join(name)).ok())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The last process may be on its way out still; an empty group that stays harms nobody.
        let _ = fs::remove_dir(&self.folder);
    }
}

#[test]
fn a_container_of_sixteen_mebibytes() {
    let test = "a_container_of_sixteen_mebibytes";
    let group = match Group::new() {
        Ok(group) => group,
        Err(e) => return skip(test, &format!("no memory cgroup here: {e}")),
    };
    let procs = group.folder.join("cgroup.procs");
    let enter = format!("echo $$ > {} && exec \"$@\"", procs.display());
    for text_files in [None, Some(&a_megabyte())] {
        let now = serves_under(&["sh", "-c", &enter, "sh"], text_files);
        eprintln!("memory cgroup: {now}; {} bytes at most", group.peak().unwrap_or_default().trim());
    }
}
