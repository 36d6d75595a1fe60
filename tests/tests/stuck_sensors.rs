//! Sensors that are slow, silent or broken, and files of the kernel that hang: each costs its own samples.

use exporter_tests::fixture::Fixture;
use exporter_tests::fuse::{Answer, Call, Mounted, Tree};
use exporter_tests::namespace;
use exporter_tests::page::{Metric, Page, metric};
use exporter_tests::running::Running;
use exporter_tests::skip::skip;
use exporter_tests::wait::until;
use rustix::io::Errno;

/// What Prometheus waits for a page, in seconds.
const WAITS: f64 = 4.0;

/// A tree of a kernel in this test's own namespace.
struct Kernel {
    // Fields are dropped in this order: the mount is gone before its folder is removed.
    files: Mounted,
    folder: Fixture,
}

impl Kernel {
    fn new(test: &str, files: &[(&str, &str)]) -> Option<Self> {
        let folder = Fixture::new().folder("tree");
        match Mounted::new("kernel", Tree::new().files(files), &folder.path("tree")) {
            Ok(files) => Some(Self { files, folder }),
            Err(e) => {
                skip(test, &format!("no FUSE mount here: {e}"));
                None
            }
        }
    }

    /// Starts the program with these collectors alone; `flag` says what the tree is.
    fn exporter(&self, flag: &str, collectors: &[&str]) -> Running {
        let mut args = vec!["--collector.disable-defaults".to_owned(), self.folder.flag(flag, "tree")];
        args.extend(collectors.iter().map(|collector| format!("--collector.{collector}")));
        Running::start("node-exporter", &args)
    }

    fn place(&self, path: &str) -> String {
        self.folder.path("tree").join(path).display().to_string()
    }

    fn wait_for_calls(&self, waiting: usize) {
        until("the calls to hang", || match self.files.waiting() {
            n if n == waiting => Ok(()),
            n => Err(format!("{n} hang, wanted {waiting}")),
        });
    }
}

fn success(collector: &str, value: f64) -> Metric {
    metric("node_scrape_collector_success").label("collector", collector).value(value)
}

fn reason(collector: &str, reason: &str) -> Metric {
    metric("node_scrape_collector_reason").label("collector", collector).label("reason", reason).value(1.0)
}

fn fault(collector: &str, place: &str, reason: &str) -> Metric {
    metric("node_scrape_collector_faults").label("collector", collector).label("place", place).label("reason", reason)
}

/// The temperature of a chip, which is called as its driver is.
fn celsius(chip: &str) -> Metric {
    metric("node_hwmon_temp_celsius").label("chip", chip)
}

const CHIPS: &[(&str, &str)] = &[
    ("class/hwmon/hwmon0/name", "first\n"),
    ("class/hwmon/hwmon0/temp1_input", "20000\n"),
    ("class/hwmon/hwmon1/name", "second\n"),
    ("class/hwmon/hwmon1/temp1_input", "30000\n"),
    ("class/hwmon/hwmon2/name", "third\n"),
    ("class/hwmon/hwmon2/temp1_input", "40000\n"),
    ("class/hwmon/hwmon2/temp2_input", "45000\n"),
];
const SECOND: &str = "class/hwmon/hwmon1/temp1_input";
const THIRD: &str = "class/hwmon/hwmon2/temp1_input";

#[test]
fn a_chip_that_never_answers_costs_itself() {
    let test = "a_chip_that_never_answers_costs_itself";
    if !namespace::entered(test) {
        return;
    }
    let Some(kernel) = Kernel::new(test, CHIPS) else { return };
    kernel.files.set(SECOND, Call::Read, Answer::Never);
    let exporter = kernel.exporter("--path.sysfs", &["hwmon", "loadavg"]);
    let chip = kernel.place("class/hwmon/hwmon1");
    let check = |page: &Page| {
        page.has(celsius("first").value(20.0));
        page.has(celsius("third").label("sensor", "temp1").value(40.0));
        page.has(celsius("third").label("sensor", "temp2").value(45.0));
        page.lacks(celsius("second"));
        page.has(success("hwmon", 0.0));
        page.has(reason("hwmon", "timeout"));
        page.has(fault("hwmon", &chip, "timeout").value(1.0));
        assert_eq!(page.all(&metric("node_scrape_collector_faults")).len(), 1);
        page.has(success("loadavg", 1.0));
        page.has(metric("node_load1"));
        assert_eq!(kernel.files.waiting(), 1, "one call hangs, and never a second");
    };
    check(&exporter.scrape_in_time("/metrics", WAITS));
    check(&exporter.scrape_in_time("/metrics", WAITS));
    let (threads, descriptors) = (exporter.threads(), exporter.descriptors());
    for _ in 0..50 {
        check(&exporter.scrape_in_time("/metrics", WAITS));
    }
    exporter.wait_until_at_most(threads, descriptors);
    assert_eq!(kernel.files.calls(SECOND, Call::Read), 1);
    let told = exporter.log().lines().filter(|line| line.contains(&chip) && line.contains("no answer in time")).count();
    assert_eq!(told, 1, "told once, not at each scrape:\n{}", exporter.log());

    kernel.files.set(SECOND, Call::Read, Answer::Truth);
    until("the chip to be well again", || {
        let page = exporter.scrape_in_time("/metrics", WAITS);
        let well = page.all(&success("hwmon", 1.0)).len() == 1 && page.all(&celsius("second").value(30.0)).len() == 1;
        if well { Ok(()) } else { Err("it is not".to_owned()) }
    });
    exporter.wait_for_line("that the collector is well", |line| line.contains("collector is well again").then_some(()));

    kernel.files.set(THIRD, Call::Read, Answer::Never);
    exporter.scrape_in_time("/metrics", WAITS).lacks(celsius("third"));
    assert_eq!(kernel.files.waiting(), 1);
    let (status, log) = exporter.terminate();
    assert!(status.success(), "{status}\n{log}");
}

#[test]
fn an_attribute_that_takes_long_is_waited_for() {
    let test = "an_attribute_that_takes_long_is_waited_for";
    if !namespace::entered(test) {
        return;
    }
    let Some(kernel) = Kernel::new(test, CHIPS) else { return };
    let exporter = kernel.exporter("--path.sysfs", &["hwmon"]);
    kernel.files.set(SECOND, Call::Read, Answer::Never);
    std::thread::scope(|scope| {
        let page = scope.spawn(|| exporter.scrape_in_time("/metrics", 40.0));
        kernel.wait_for_calls(1);
        // Nobody waits behind it.
        until("the other chips to be read", || match kernel.files.calls(THIRD, Call::Read) {
            0 => Err("not yet".to_owned()),
            _ => Ok(()),
        });
        assert!(!page.is_finished(), "it is waited for");
        kernel.files.set(SECOND, Call::Read, Answer::Truth);
        let page = page.join().unwrap();
        page.has(celsius("first").value(20.0));
        page.has(celsius("second").value(30.0));
        page.has(celsius("third").label("sensor", "temp1").value(40.0));
        page.has(success("hwmon", 1.0));
        page.has(reason("hwmon", "ok"));
    });
}

#[test]
fn a_sensor_that_fails_is_silent() {
    let test = "a_sensor_that_fails_is_silent";
    if !namespace::entered(test) {
        return;
    }
    let files = [
        CHIPS,
        &[
            ("class/hwmon/hwmon3/name", "asleep\n"),
            ("class/hwmon/hwmon3/temp1_input", "1\n"),
            ("class/hwmon/hwmon3/temp2_input", "2\n"),
            ("class/hwmon/hwmon3/temp3_input", "50000\n"),
            ("class/hwmon/hwmon4/name", "garbage\n"),
            ("class/hwmon/hwmon4/temp1_input", "\u{0}\u{1}hot\n"),
            ("class/hwmon/hwmon4/temp2_input", ""),
            ("class/hwmon/hwmon4/temp3_input", "60000\n"),
        ],
    ];
    let Some(kernel) = Kernel::new(test, &files.concat()) else { return };
    kernel.files.set(THIRD, Call::Read, Answer::EveryOther(Errno::IO));
    kernel.files.set("class/hwmon/hwmon3/temp1_input", Call::Read, Answer::Refusal(Errno::NXIO));
    kernel.files.set("class/hwmon/hwmon3/temp2_input", Call::Read, Answer::Refusal(Errno::NODATA));
    let exporter = kernel.exporter("--path.sysfs", &["hwmon"]);
    let (mut silent, mut spoke) = (0, 0);
    for _ in 0..10 {
        let page = exporter.scrape_in_time("/metrics", WAITS);
        page.has(celsius("first").value(20.0));
        page.has(celsius("second").value(30.0));
        page.has(celsius("third").label("sensor", "temp2").value(45.0));
        match page.all(&celsius("third").label("sensor", "temp1")).as_slice() {
            [] => silent += 1,
            [sample] if sample.value == 40.0 => spoke += 1,
            other => panic!("{other:?}"),
        }
        // What cannot be read now is absent and never 0.
        for chip in ["asleep", "garbage"] {
            assert_eq!(page.all(&celsius(chip)).len(), 1, "{chip}");
        }
        page.has(celsius("asleep").label("sensor", "temp3").value(50.0));
        page.has(celsius("garbage").label("sensor", "temp3").value(60.0));
        page.has(success("hwmon", 1.0));
    }
    assert_eq!((silent, spoke), (5, 5), "each other scrape");
}

/// Collectors that read their files themselves: one that hangs is late, and so is a second, and nobody else.
#[test]
fn collectors_that_hang_cost_themselves() {
    let test = "collectors_that_hang_cost_themselves";
    if !namespace::entered(test) {
        return;
    }
    let files = [
        ("loadavg", "0.50 0.25 0.10 1/100 4242\n"),
        ("meminfo", "MemTotal: 1024 kB\nMemFree: 512 kB\n"),
        ("vmstat", "pgfault 7\n"),
        ("stat", "cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\nctxt 5\nbtime 6\nprocesses 7\n"),
        ("sys/kernel/random/entropy_avail", "256\n"),
        ("sys/kernel/random/poolsize", "256\n"),
    ];
    let Some(kernel) = Kernel::new(test, &files) else { return };
    let collectors = ["loadavg", "meminfo", "vmstat", "stat", "entropy"];
    let exporter = kernel.exporter("--path.procfs", &collectors);
    for collector in collectors {
        exporter.scrape_in_time("/metrics", WAITS).has(success(collector, 1.0));
    }
    let check = |stuck: &[&str], page: &Page| {
        for collector in collectors {
            let is_stuck = stuck.contains(&collector);
            page.has(success(collector, if is_stuck { 0.0 } else { 1.0 }));
            page.has(reason(collector, if is_stuck { "timeout" } else { "ok" }));
        }
        assert_eq!(kernel.files.waiting(), stuck.len(), "one call hangs of each");
    };
    kernel.files.set("loadavg", Call::Read, Answer::Never);
    for _ in 0..5 {
        let page = exporter.scrape_in_time("/metrics", WAITS);
        check(&["loadavg"], &page);
        page.lacks(metric("node_load1"));
        page.has(metric("node_memory_MemTotal_bytes").value(1_048_576.0));
    }
    kernel.files.set("vmstat", Call::Read, Answer::Never);
    for _ in 0..2 {
        check(&["loadavg", "vmstat"], &exporter.scrape_in_time("/metrics", WAITS));
    }
    let (threads, descriptors) = (exporter.threads(), exporter.descriptors());
    for _ in 0..50 {
        let page = exporter.scrape_in_time("/metrics", WAITS);
        check(&["loadavg", "vmstat"], &page);
        page.has(metric("node_entropy_available_bits").value(256.0));
    }
    exporter.wait_until_at_most(threads, descriptors);
    for collector in ["loadavg", "vmstat"] {
        exporter.wait_for_line("who is late", |line| {
            (line.contains("no answer before the deadline") && line.contains(collector)).then_some(())
        });
    }
    kernel.files.set("loadavg", Call::Read, Answer::Truth);
    until("the first to be well again", || {
        let page = exporter.scrape_in_time("/metrics", WAITS);
        page.has(success("vmstat", 0.0));
        let well =
            page.all(&success("loadavg", 1.0)).len() == 1 && page.all(&metric("node_load1").value(0.5)).len() == 1;
        if well { Ok(()) } else { Err("it is not".to_owned()) }
    });
    check(&["vmstat"], &exporter.scrape_in_time("/metrics", WAITS));
    let (status, log) = exporter.terminate();
    assert!(status.success(), "{status}\n{log}");
}

/// Zones and power supplies stand in directories of sysfs, as chips do.
#[test]
fn a_zone_that_hangs_costs_itself() {
    let test = "a_zone_that_hangs_costs_itself";
    if !namespace::entered(test) {
        return;
    }
    let files = [
        ("class/thermal/thermal_zone0/type", "acpi\n"),
        ("class/thermal/thermal_zone0/temp", "20000\n"),
        ("class/thermal/thermal_zone1/type", "acpi\n"),
        ("class/thermal/thermal_zone1/temp", "30000\n"),
        ("class/power_supply/AC/type", "Mains\n"),
        ("class/power_supply/AC/online", "1\n"),
    ];
    let Some(kernel) = Kernel::new(test, &files) else { return };
    let exporter = kernel.exporter("--path.sysfs", &["thermal_zone", "powersupplyclass"]);
    let healthy = exporter.scrape_in_time("/metrics", WAITS);
    healthy.has(success("thermal_zone", 1.0));
    healthy.has(success("powersupplyclass", 1.0));
    kernel.files.set("class/thermal/thermal_zone0/temp", Call::Read, Answer::Never);
    for _ in 0..5 {
        let page = exporter.scrape_in_time("/metrics", WAITS);
        page.has(metric("node_thermal_zone_temp").label("zone", "1").value(30.0));
        page.lacks(metric("node_thermal_zone_temp").label("zone", "0"));
        page.has(success("thermal_zone", 0.0));
        page.has(reason("thermal_zone", "timeout"));
        page.has(fault("thermal_zone", &kernel.place("class/thermal/thermal_zone0"), "timeout").value(1.0));
        page.has(success("powersupplyclass", 1.0));
    }
    kernel.files.set("class/power_supply/AC/online", Call::Read, Answer::Never);
    for _ in 0..5 {
        let page = exporter.scrape_in_time("/metrics", WAITS);
        page.has(metric("node_thermal_zone_temp").label("zone", "1").value(30.0));
        page.has(success("powersupplyclass", 0.0));
        page.has(reason("powersupplyclass", "timeout"));
        assert_eq!(kernel.files.waiting(), 2);
    }
    for (path, collector) in
        [("class/thermal/thermal_zone0/temp", "thermal_zone"), ("class/power_supply/AC/online", "powersupplyclass")]
    {
        kernel.files.set(path, Call::Read, Answer::Truth);
        until("it to be well again", || {
            let page = exporter.scrape_in_time("/metrics", WAITS);
            let well = page.all(&success(collector, 1.0)).len() == 1;
            if well { Ok(()) } else { Err(collector.to_owned()) }
        });
    }
}
