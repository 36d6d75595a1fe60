//! A file system that never answers costs its own numbers and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use exporter_tests::fixture::Fixture;
use exporter_tests::fuse::{BLOCK_BYTES, BLOCKS, StuckMount};
use exporter_tests::namespace;
use exporter_tests::page::{Metric, Page, metric};
use exporter_tests::running::Running;
use exporter_tests::skip::skip;
use exporter_tests::wait::until;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

const TIMED_OUT: &str = "mountpoint timeout";

/// Two mounts in this test's own namespace: one that is stuck, one in memory.
struct Mounts {
    // Fields are dropped in this order: the mounts are gone before their folder is removed.
    stuck: StuckMount,
    _memory: Memory,
    folder: Fixture,
}

struct Memory(PathBuf);

impl Memory {
    fn mount(target: PathBuf) -> Self {
        mount("memory", &target, "tmpfs", MountFlags::NODEV, c"size=1m").unwrap();
        Self(target)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // The namespace would take it, but not the folder below it.
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}

impl Mounts {
    fn new(test: &str) -> Option<Self> {
        let folder = Fixture::new().folder("memory").folder("stuck");
        match StuckMount::new(&folder.path("stuck")) {
            Ok(stuck) => Some(Self { stuck, _memory: Memory::mount(folder.path("memory")), folder }),
            Err(e) => {
                skip(test, &format!("no FUSE mount here: {e}"));
                None
            }
        }
    }

    fn on(&self, name: &str, place: &str) -> Metric {
        metric(name).label("mountpoint", &self.folder.path(place).display().to_string())
    }

    fn timed_out(&self) -> Metric {
        self.on("node_filesystem_device_error", "stuck").label("device_error", TIMED_OUT).value(1.0)
    }
}

/// Collectors that delivered.
fn succeeded(page: &Page) -> BTreeSet<String> {
    let samples = page.all(&metric("node_scrape_collector_success").value(1.0));
    samples.iter().map(|sample| sample.label("collector").to_owned()).collect()
}

/// Places whose size is known.
fn sized(page: &Page) -> BTreeSet<String> {
    page.all(&metric("node_filesystem_size_bytes")).iter().map(|sample| sample.label("mountpoint").to_owned()).collect()
}

#[test]
fn stuck_mount_costs_only_its_own_numbers() {
    let test = "stuck_mount_costs_only_its_own_numbers";
    if !namespace::entered(test) {
        return;
    }
    let Some(mounts) = Mounts::new(test) else {
        return;
    };
    let size = f64::from(BLOCK_BYTES) * BLOCKS as f64;
    mounts.stuck.release();
    let exporter = Running::start("node-exporter", &[] as &[&str]);

    let healthy = exporter.scrape();
    healthy.has(mounts.on("node_filesystem_size_bytes", "stuck").value(size));
    healthy.has(mounts.on("node_filesystem_size_bytes", "memory").value(1048576.0));

    mounts.stuck.hold();
    let stuck = exporter.scrape();
    assert_eq!(mounts.stuck.waiting(), 1, "one call hangs, no more");
    stuck.has(mounts.timed_out());
    stuck.lacks(mounts.on("node_filesystem_size_bytes", "stuck"));
    let mut others = sized(&healthy);
    others.remove(&mounts.folder.path("stuck").display().to_string());
    assert_eq!(sized(&stuck), others, "the other file systems are complete");
    assert_eq!(succeeded(&stuck), succeeded(&healthy), "the other collectors are complete");

    // The first scrape left a thread with the mount; the next one needs another to go on with.
    exporter.scrape().has(mounts.timed_out());
    let (threads, descriptors) = (exporter.threads(), exporter.descriptors());
    for _ in 0..50 {
        exporter.scrape().has(mounts.timed_out());
        assert_eq!(mounts.stuck.waiting(), 1, "no second call for a mount that is stuck");
    }
    // A connection just closed is still counted for a moment; what leaks stays.
    until("50 scrapes have left nothing behind", || {
        let now = (exporter.threads(), exporter.descriptors());
        let back = now.0 <= threads && now.1 <= descriptors;
        if back { Ok(()) } else { Err(format!("{now:?} threads and descriptors, before {threads}, {descriptors}")) }
    });

    mounts.stuck.release();
    until("the released mount is healthy", || {
        let page = exporter.scrape();
        let healthy = mounts.on("node_filesystem_size_bytes", "stuck").value(size);
        let left = page.all(&mounts.on("node_filesystem_device_error", "stuck").value(1.0)).len();
        if page.all(&healthy).len() == 1 && left == 0 { Ok(()) } else { Err(format!("{left} errors")) }
    });
}

#[test]
fn stop_with_a_stuck_mount() {
    let test = "stop_with_a_stuck_mount";
    if !namespace::entered(test) {
        return;
    }
    let Some(mounts) = Mounts::new(test) else {
        return;
    };
    let exporter = Running::start("node-exporter", &[] as &[&str]);
    exporter.scrape().has(mounts.timed_out());
    assert_eq!(mounts.stuck.waiting(), 1);
    let (status, log) = exporter.terminate();
    assert!(status.success(), "{status}\n{log}");
}

/// The mount itself, without a program: a test of stuck mounts that never get stuck would pass for nothing.
#[test]
fn the_mount_is_stuck_until_released() {
    let test = "the_mount_is_stuck_until_released";
    if !namespace::entered(test) {
        return;
    }
    let Some(mounts) = Mounts::new(test) else {
        return;
    };
    assert!(fs::read_dir(mounts.folder.path("stuck")).is_ok_and(|entries| entries.count() == 0));
    let place = mounts.folder.path("stuck");
    let asking = std::thread::spawn(move || rustix::fs::statfs(&place).map(|stat| stat.f_blocks));
    until("the call has reached the mount", || if mounts.stuck.waiting() == 1 { Ok(()) } else { Err(String::new()) });
    assert!(!asking.is_finished());
    mounts.stuck.release();
    assert_eq!(asking.join().unwrap().unwrap(), BLOCKS);
}
