//! Tests of the whole collector, over a statfs that hangs when told to.

use std::ffi::CStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use super::*;

const TABLE: &str = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
    23 22 0:22 / /proc rw - proc proc rw\n\
    24 22 0:23 / /mnt/my\\040disk ro - xfs /dev/sdb rw\n\
    25 22 0:24 / /srv rw - nfs4 server:/export rw\n";

/// A statfs of which the paths in `stuck` hang until they are taken out.
#[derive(Default)]
struct Fake {
    stuck: Mutex<Vec<&'static str>>,
    news: Condvar,
    calls: AtomicUsize,
}

impl Fake {
    fn call(&self, path: &CStr) -> Result<Usage, Errno> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let path = path.to_str().unwrap();
        let stuck = self.stuck.lock().unwrap();
        drop(self.news.wait_while(stuck, |stuck| stuck.iter().any(|s| path.ends_with(s))).unwrap());
        if path.ends_with("denied") {
            return Err(Errno::ACCESS);
        }
        Ok(Usage {
            size_bytes: 4096.0,
            free_bytes: 3.0,
            avail_bytes: 2.0,
            files: 9.0,
            files_free: 8.0,
            read_only: false,
        })
    }

    fn let_go(&self) {
        self.stuck.lock().unwrap().clear();
        self.news.notify_all();
    }
}

struct Rig {
    dir: tempfile::TempDir,
    fake: Arc<Fake>,
    collector: Filesystem,
}

impl Rig {
    fn new(table: &str, flags: &[(&'static str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut args = Args::defaults(ROW.flags.iter().chain(crate::fs::FLAGS));
        args.set("path.procfs", vec![dir.path().to_str().unwrap().to_owned()], true);
        for (name, value) in flags {
            args.set(name, vec![(*value).to_owned()], true);
        }
        let fake = Arc::new(Fake::default());
        let statfs = Arc::clone(&fake);
        let collector = Filesystem::new(&args, Arc::new(move |path| statfs.call(path))).unwrap();
        let rig = Self { dir, fake, collector };
        rig.write("1/mountinfo", table);
        rig
    }

    fn write(&self, path: &str, text: &str) {
        crate::rig::plant(self.dir.path(), &[(path, text)]);
    }

    /// The samples whose lines hold `wanted`, and the time the scrape took.
    fn scrape(&mut self, wanted: &str) -> (String, Duration) {
        let (mut page, started) = (Page::default(), Instant::now());
        let mut cx = Scrape::new(started + Duration::from_secs(10));
        let result = self.collector.update(&mut cx, &mut page);
        let took = started.elapsed();
        page.finish();
        let mut text = crate::rig::samples_of(&crate::rig::text_of(&page));
        let root = format!("{}/", self.dir.path().display());
        for problem in cx.faults().iter().map(ToString::to_string).chain(result.err().map(|e| e.to_string())) {
            text.push_str(&format!("! {}\n", problem.replace(&root, "")));
        }
        assert_eq!(page.duplicates(), [""; 0]);
        (text.lines().filter(|line| line.contains(wanted)).flat_map(|line| [line, "\n"]).collect(), took)
    }

    #[track_caller]
    fn check(&mut self, wanted: &str, want: &str) {
        assert_eq!(self.scrape(wanted).0, want);
    }
}

#[track_caller]
fn check(table: &str, flags: &[(&'static str, &str)], wanted: &str, want: &str) {
    Rig::new(table, flags).check(wanted, want);
}

#[test]
fn good() {
    let labels = r#"{device="/dev/sdb",device_error="",fstype="xfs",mountpoint="/mnt/my disk"}"#;
    let values = [
        ("avail_bytes", "2"),
        ("device_error", "0"),
        ("files", "9"),
        ("files_free", "8"),
        ("free_bytes", "3"),
        ("mount_info", "1"),
        ("purgeable_bytes", "0"),
        ("readonly", "1"),
        ("size_bytes", "4096"),
    ];
    let want: String = values
        .iter()
        .map(|&(name, value)| match name {
            "mount_info" => {
                let labels = r#"{device="/dev/sdb",major="0",minor="23",mountpoint="/mnt/my disk"}"#;
                format!("node_filesystem_mount_info{labels} 1\n")
            }
            _ => format!("node_filesystem_{name}{labels} {value}\n"),
        })
        .collect();
    check(TABLE, &[], "/dev/sdb", &want);
}

#[test]
fn filters() {
    let mounts = |flags: &[(&'static str, &str)]| {
        let text = Rig::new(TABLE, flags).scrape("_size_bytes").0;
        let points = text.lines().map(|line| line.split("mountpoint=\"").nth(1).unwrap().split('"').next().unwrap());
        points.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(mounts(&[]), "/ /mnt/my disk /srv");
    assert_eq!(mounts(&[("collector.filesystem.mount-points-include", "^/proc")]), "");
    assert_eq!(mounts(&[("collector.filesystem.fs-types-include", "^(proc|xfs)$")]), "/mnt/my disk");
    assert_eq!(mounts(&[("collector.filesystem.fs-types-exclude", "^(ext4|nfs.*)$")]), "/mnt/my disk");
}

#[test]
fn labels_do_not_repeat() {
    let twice = "1 0 0:1 / /a rw - tmpfs t rw\n2 0 0:1 / /a ro - tmpfs t rw\n3 0 0:2 / /a rw - tmpfs t rw\n";
    let info = |minor| {
        format!("node_filesystem_mount_info{{device=\"t\",major=\"0\",minor=\"{minor}\",mountpoint=\"/a\"}} 1\n")
    };
    check(twice, &[], "mount_info", &(info(1) + &info(2)));
    check(
        twice,
        &[],
        "readonly",
        concat!(r#"node_filesystem_readonly{device="t",device_error="",fstype="tmpfs",mountpoint="/a"} 0"#, "\n"),
    );
}

#[test]
fn errors_are_told_in_words() {
    check(
        "1 0 0:1 / /denied rw - tmpfs t rw\n",
        &[],
        "",
        concat!(
            r#"node_filesystem_device_error{device="t",device_error="permission denied",fstype="tmpfs",mountpoint="/denied"} 1"#,
            "\n",
            r#"node_filesystem_readonly{device="t",device_error="permission denied",fstype="tmpfs",mountpoint="/denied"} 0"#,
            "\n",
        ),
    );
}

#[test]
fn a_bad_line_costs_itself_at_every_scrape() {
    let mut rig = Rig::new("1 0 0:1 / /a rw - tmpfs t rw\n2 0 x / /b rw - tmpfs t rw\n", &[]);
    for _ in 0..2 {
        rig.check("!", "! 1/mountinfo:2: device number: expected major:minor, found \"x\"\n");
        rig.check(
            "size",
            concat!(
                r#"node_filesystem_size_bytes{device="t",device_error="",fstype="tmpfs",mountpoint="/a"} 4096"#,
                "\n"
            ),
        );
    }
}

#[test]
fn the_table_of_process_one_or_our_own() {
    let mut rig = Rig::new("", &[]);
    std::fs::remove_dir_all(rig.dir.path().join("1")).unwrap();
    rig.collector.first = crate::fs::notified::Notified::new(rig.dir.path().join("1/mountinfo"));
    rig.check("", "! self/mountinfo: No such file or directory (os error 2)\n");
    rig.write("self/mountinfo", "1 0 0:1 / /a rw - tmpfs t rw\n");
    rig.check("info", "node_filesystem_mount_info{device=\"t\",major=\"0\",minor=\"1\",mountpoint=\"/a\"} 1\n");
}

#[test]
fn the_root_of_the_host_is_asked_but_not_shown() {
    let mut rig = Rig::new("1 0 0:1 / /host/denied\\134x rw - tmpfs t rw\n", &[("path.rootfs", "/host/")]);
    assert_eq!(rig.scrape("mount_info").0.lines().count(), 1);
    assert_eq!(rig.collector.targets.all[0].path.to_bytes(), br"/host/denied\x", "the path that is asked");
    assert_eq!(rig.collector.mounts.shown[0].point, br"/denied\134x", "the label");
}

#[test]
fn a_stuck_mount_costs_itself_and_recovers() {
    let mut rig = Rig::new(TABLE, &[("collector.filesystem.mount-timeout", "100ms")]);
    let stuck = concat!(
        r#"node_filesystem_device_error{device="server:/export",device_error="mountpoint timeout",fstype="nfs4",mountpoint="/srv"} 1"#,
        "\n"
    );
    rig.fake.stuck.lock().unwrap().push("/srv");
    let (text, took) = rig.scrape("device_error{");
    assert!(text.ends_with(stuck) && text.lines().count() == 3, "{text}");
    assert!(took >= Duration::from_millis(100) && took < Duration::from_secs(5), "{took:?}");
    let calls = rig.fake.calls.load(Ordering::SeqCst);
    for round in 1..=50 {
        let (text, _) = rig.scrape("device_error{");
        assert!(text.ends_with(stuck), "{text}");
        assert_eq!(rig.fake.calls.load(Ordering::SeqCst), calls + round * 2, "the stuck mount is not asked again");
        assert!(rig.collector.targets.crew.threads() <= 2);
    }
    // The table changes while the call is out: still no second one.
    rig.write("1/mountinfo", &format!("{TABLE}26 22 0:30 / /x rw - tmpfs t rw\n"));
    let (text, _) = rig.scrape("device_error{");
    assert!(text.contains(stuck) && text.lines().count() == 4, "{text}");
    assert_eq!(rig.fake.calls.load(Ordering::SeqCst), calls + 50 * 2 + 3);
    // And goes away with the mount itself, and comes back.
    rig.write("1/mountinfo", "26 22 0:30 / /x rw - tmpfs t rw\n");
    assert_eq!(rig.scrape("device_error{").0.lines().count(), 1);
    rig.write("1/mountinfo", TABLE);
    let (text, _) = rig.scrape("device_error{");
    assert!(text.ends_with(stuck), "{text}");
    assert_eq!(rig.fake.calls.load(Ordering::SeqCst), calls + 50 * 2 + 3 + 1 + 2);
    rig.fake.let_go();
    let deadline = Instant::now() + Duration::from_secs(10);
    while rig.scrape("device_error{").0.contains("timeout") {
        assert!(Instant::now() < deadline, "it recovers");
    }
    assert!(!rig.collector.targets.all.iter().any(|target| target.late));
}

#[test]
fn many_stuck_mounts_do_not_hide_the_local_ones() {
    let remote: String = (0..40).map(|n| format!("{n} 0 0:{n} / /n{n}/gone rw - nfs s:/{n} rw\n")).collect();
    let table = remote + "99 0 8:1 / /local rw - ext4 /dev/sda rw\n";
    let mut rig = Rig::new(&table, &[("collector.filesystem.mount-timeout", "50ms")]);
    rig.fake.stuck.lock().unwrap().push("gone");
    for _ in 0..20 {
        let (text, _) = rig.scrape("size_bytes");
        assert!(text.contains("\"/local\"") && text.lines().count() == 1, "{text}");
        assert!(rig.collector.targets.crew.threads() <= 41);
    }
    rig.fake.let_go();
}

#[test]
fn the_mounts_of_this_machine() {
    let mut args = Args::defaults(ROW.flags.iter().chain(crate::fs::FLAGS));
    args.set("collector.filesystem.fs-types-exclude", vec![String::new()], true);
    args.set("collector.filesystem.mount-points-exclude", vec![String::new()], true);
    let mut collector = (ROW.new)(&args).unwrap();
    let mut page = Page::default();
    let mut cx = Scrape::new(Instant::now() + Duration::from_secs(10));
    collector.update(&mut cx, &mut page).unwrap();
    assert!(page.samples() >= 9 && page.duplicates().is_empty());
}

#[test]
fn only_the_first_mount_of_a_device_may_be_shown() {
    let table = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n23 22 8:1 /x /bind rw - ext4 /dev/sda1 rw\n\
        24 22 8:1 / /proc rw - ext4 /dev/sda1 rw\n25 22 0:30 / /pool rw - btrfs /dev/sdb rw\n\
        26 22 0:30 /sub /pool/sub rw - btrfs /dev/sdb rw\n";
    let points = |flags: &[(&'static str, &str)], family: &str| {
        let (lines, _) = Rig::new(table, flags).scrape(&format!("{family}{{"));
        let point = |line: &str| line.split("mountpoint=\"").nth(1)?.split('"').next().map(str::to_owned);
        lines.lines().filter_map(point).collect::<Vec<_>>()
    };
    assert_eq!(points(&[], "node_filesystem_size_bytes"), ["/", "/bind", "/pool", "/pool/sub"]);
    for family in ["node_filesystem_size_bytes", "node_filesystem_device_error", "node_filesystem_mount_info"] {
        assert_eq!(points(&[(ONE_PER_DEVICE, "true")], family), ["/", "/pool"], "{family}");
    }
}

#[test]
fn mounts_that_are_not_seen_here_are_told() {
    let table = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n24 22 8:17 / /mnt/new rw - xfs /dev/sdb1 rw\n";
    let here = "90 1 0:50 / / rw - overlay overlay rw\n91 90 8:1 / /host rw - ext4 /dev/sda1 rw\n";
    let flags = [(MOUNT_CHECK, "true"), ("path.rootfs", "/host")];
    let mut rig = Rig::new(table, &flags);
    rig.write("self/mountinfo", here);
    rig.collector.mounts.own = Some(KeptFile::new(rig.dir.path().join("self/mountinfo")));
    let (told, _) = rig.scrape("mismatch");
    let family = "node_filesystem_mount_mismatch";
    let root = format!("{family}{{device=\"/dev/sda1\",fstype=\"ext4\",mountpoint=\"/\"}} 0\n");
    let new = format!("{family}{{device=\"/dev/sdb1\",fstype=\"xfs\",mountpoint=\"/mnt/new\"}}");
    assert_eq!(told, format!("{root}{new} 1\n"));
    // The host's table changes with its mounts, and with propagation so does the one here.
    rig.write("self/mountinfo", &format!("{here}92 91 8:17 / /host/mnt/new rw - xfs /dev/sdb1 rw\n"));
    rig.write("1/mountinfo", &format!("{table}25 22 8:33 / /mnt/more rw - xfs /dev/sdc1 rw\n"));
    assert!(rig.scrape("mismatch").0.contains(&format!("{new} 0\n")));
    assert_eq!(Rig::new(table, &[]).scrape("mismatch").0, "");
}
