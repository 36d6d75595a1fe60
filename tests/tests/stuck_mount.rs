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
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, unmount};

const TIMED_OUT: &str = "mountpoint timeout";
/// What Prometheus waits for a page, in seconds.
const WAITS: f64 = 4.0;

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
    exporter.wait_until_at_most(threads, descriptors);

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

/// Stuck mounts in a row, and one in memory.
struct Row {
    // As in `Mounts`.
    stuck: Vec<StuckMount>,
    _memory: Memory,
    folder: Fixture,
}

impl Row {
    fn new(test: &str, length: usize) -> Option<Self> {
        let folder = (0..length).fold(Fixture::new().folder("memory"), |folder, n| folder.folder(format!("stuck{n}")));
        let stuck = (0..length).map(|n| StuckMount::new(&folder.path(format!("stuck{n}")))).collect();
        match stuck {
            Ok(stuck) => Some(Self { stuck, _memory: Memory::mount(folder.path("memory")), folder }),
            Err(e) => {
                let e: std::io::Error = e;
                skip(test, &format!("no FUSE mount here: {e}"));
                None
            }
        }
    }

    fn on(&self, name: &str, n: usize) -> Metric {
        metric(name).label("mountpoint", &self.folder.path(format!("stuck{n}")).display().to_string())
    }

    /// Each of the mounts is sized or late, as `late` says, and no call is made a second time.
    #[track_caller]
    fn check(&self, late: &[bool], page: &Page) {
        page.has(metric("node_filesystem_size_bytes").value(1048576.0));
        for (n, (late, mount)) in late.iter().zip(&self.stuck).enumerate() {
            let (timed_out, sized) = (
                page.all(&self.on("node_filesystem_device_error", n).label("device_error", TIMED_OUT).value(1.0)).len(),
                page.all(&self.on("node_filesystem_size_bytes", n)).len(),
            );
            let wanted = if *late { (1, 0, 1) } else { (0, 1, 0) };
            assert_eq!((timed_out, sized, mount.waiting()), wanted, "late, sized and waiting at {n}");
        }
    }
}

#[test]
fn five_stuck_mounts_of_which_some_come_back() {
    let test = "five_stuck_mounts_of_which_some_come_back";
    if !namespace::entered(test) {
        return;
    }
    let Some(row) = Row::new(test, 5) else {
        return;
    };
    let exporter = Running::start("node-exporter", &[] as &[&str]);
    let all = [true; 5];
    row.check(&all, &exporter.scrape_in_time("/metrics", WAITS));
    row.check(&all, &exporter.scrape_in_time("/metrics", WAITS));
    let (threads, descriptors) = (exporter.threads(), exporter.descriptors());
    for _ in 0..50 {
        row.check(&all, &exporter.scrape_in_time("/metrics", WAITS));
    }
    exporter.wait_until_at_most(threads, descriptors);

    row.stuck[2].release();
    let late = [true, true, false, true, true];
    until("the released mount is healthy", || {
        let page = exporter.scrape_in_time("/metrics", WAITS);
        let sized = page.all(&row.on("node_filesystem_size_bytes", 2)).len();
        if sized == 1 { Ok(()) } else { Err(exporter.log()) }
    });
    for _ in 0..5 {
        row.check(&late, &exporter.scrape_in_time("/metrics", WAITS));
    }
    exporter.wait_until_at_most(threads - 1, descriptors);
    // It may get stuck once more.
    row.stuck[2].hold();
    for _ in 0..3 {
        row.check(&all, &exporter.scrape_in_time("/metrics", WAITS));
    }
    let (status, log) = exporter.terminate();
    assert!(status.success(), "{status}\n{log}");
    assert!(row.stuck.iter().all(|mount| mount.waiting() == 0), "the calls ended with the program");
}

/// The same mount point several times: a path leads to the upper mount alone, whose numbers each is shown with.
#[test]
fn mounts_that_lie_on_each_other() {
    let test = "mounts_that_lie_on_each_other";
    if !namespace::entered(test) {
        return;
    }
    let Some(mounts) = Mounts::new(test) else {
        return;
    };
    let twice = Fixture::new().folder("twice");
    let _lower = Memory::mount(twice.path("twice"));
    mount("upper", twice.path("twice"), "tmpfs", MountFlags::NODEV, c"size=2m").unwrap();
    let _upper = Memory(twice.path("twice"));
    mount("upper", twice.path("twice"), "tmpfs", MountFlags::NODEV, c"size=3m").unwrap();
    let _top = Memory(twice.path("twice"));
    // A stuck mount with another on it, which answers; and one on a mount that answers.
    mount("lid", mounts.folder.path("stuck"), "tmpfs", MountFlags::NODEV, c"size=4m").unwrap();
    let lid = Memory(mounts.folder.path("stuck"));
    let over = StuckMount::new(&mounts.folder.path("memory")).unwrap();

    let exporter = Running::start("node-exporter", &[] as &[&str]);
    let size = |device: &str, place: &str| {
        metric("node_filesystem_size_bytes").label("device", device).label("mountpoint", place)
    };
    let place = twice.path("twice").display().to_string();
    for _ in 0..5 {
        let page = exporter.scrape_in_time("/metrics", WAITS);
        assert_eq!(page.value(size("memory", &place)), 3.0 * 1048576.0);
        assert_eq!(page.value(size("upper", &place)), 3.0 * 1048576.0, "once");
        for device in ["stuck", "lid"] {
            let covered = mounts.on("node_filesystem_size_bytes", "stuck").label("device", device);
            assert_eq!(page.value(covered), 4.0 * 1048576.0);
        }
        assert_eq!(mounts.stuck.waiting(), 0, "nobody reaches what lies below");
        for device in ["memory", "stuck"] {
            let late = mounts.on("node_filesystem_device_error", "memory").label("device", device);
            page.has(late.label("device_error", TIMED_OUT).value(1.0));
        }
        assert_eq!(over.waiting(), 1, "one call for both");
    }
    over.release();
    // What lay below comes to light.
    drop(lid);
    until("the lower mount is asked and the upper one answers", || {
        let page = exporter.scrape_in_time("/metrics", WAITS);
        page.lacks(size("lid", &mounts.folder.path("stuck").display().to_string()));
        let well = page.all(&mounts.on("node_filesystem_size_bytes", "memory")).len() == 2;
        let late = page.all(&mounts.timed_out()).len() == 1;
        if well && late && mounts.stuck.waiting() == 1 { Ok(()) } else { Err(exporter.log()) }
    });
    let (status, log) = exporter.terminate();
    assert!(status.success(), "{status}\n{log}");
}

#[test]
fn thousands_of_mounts_and_a_stuck_one_among_them() {
    const MANY: usize = 5000;
    let test = "thousands_of_mounts_and_a_stuck_one_among_them";
    if !namespace::entered(test) {
        return;
    }
    let Some(mounts) = Mounts::new(test) else {
        return;
    };
    // The folders of the mounts stand in memory, too, and the namespace takes all of them at once.
    let many = mounts.folder.path("memory");
    let size = c"size=1m,nr_inodes=10000";
    mount("many", &many, "tmpfs", MountFlags::NODEV, size).unwrap();
    let _many = Memory(many.clone());
    for n in 0..MANY {
        let place = many.join(n.to_string());
        fs::create_dir(&place).unwrap();
        mount_bind(&many, &place).unwrap();
    }
    let exporter = Running::start("node-exporter", &["--collector.disable-defaults", "--collector.filesystem"]);
    let among = format!("{}/", many.display());
    let check = |page: &Page| {
        let sized = page.all(&metric("node_filesystem_size_bytes").value(1048576.0));
        let there = sized.iter().filter(|sample| sample.label("mountpoint").starts_with(&among)).count();
        assert_eq!(there, MANY, "all of them, in one scrape");
        page.has(metric("node_scrape_collector_success").label("collector", "filesystem").value(1.0));
    };
    mounts.stuck.release();
    let page = exporter.scrape_in_time("/metrics", 20.0);
    check(&page);
    page.has(mounts.on("node_filesystem_size_bytes", "stuck"));
    mounts.stuck.hold();
    for _ in 0..3 {
        let page = exporter.scrape_in_time("/metrics", 20.0);
        check(&page);
        page.has(mounts.timed_out());
        assert_eq!(mounts.stuck.waiting(), 1);
    }
}
