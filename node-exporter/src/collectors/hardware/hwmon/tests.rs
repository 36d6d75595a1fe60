//! Tests of the whole collector, over small trees.

use super::*;
use crate::rig::Rig;

const FAN: &[(&str, &str)] = &[
    ("sys/class/hwmon/hwmon0", "-> ../../devices/platform/hub.0/hwmon/hwmon0"),
    ("sys/devices/platform/hub.0/hwmon/hwmon0/device", "-> ../../../hub.0"),
    ("sys/devices/platform/hub.0/hwmon/hwmon0/name", "hub\n"),
    ("sys/devices/platform/hub.0/hwmon/hwmon0/fan1_input", "1200\n"),
    ("sys/devices/platform/hub.0/hwmon/hwmon0/fan2_input/", ""),
    ("sys/devices/platform/hub.0/hwmon/hwmon0/fan2_label", "\nrear \\ \"left\"  \n"),
];

#[test]
fn no_class_is_no_data_and_no_chip_is_no_sample() {
    assert_eq!(Rig::new(&ROW, &[], &[]).samples(), "! no data: there are no sensor chips\n");
    assert_eq!(Rig::new(&ROW, &[("sys/class/hwmon/", "")], &[]).samples(), "");
    let broken = [("sys/class/hwmon/hwmon0", "-> nowhere"), ("sys/class/hwmon/README", "a file")];
    assert_eq!(Rig::new(&ROW, &broken, &[]).samples(), "");
}

#[test]
fn energy_is_a_counter() {
    let tree =
        [("sys/class/hwmon/hwmon0/name", "amd_energy\n"), ("sys/class/hwmon/hwmon0/energy1_input", "42000000\n")];
    let (page, problems) = crate::testing::page_of(&ROW, &tree, &[]);
    assert!(page.contains("# TYPE node_hwmon_energy_joule_total counter\n"), "{page}");
    assert!(page.contains("node_hwmon_energy_joule_total{chip=\"amd_energy\",sensor=\"energy1\"} 42\n"), "{page}");
    assert!(problems.is_empty(), "{problems:?}");
}

#[test]
fn a_sensor_that_fails_comes_back() {
    let mut rig = Rig::new(&ROW, FAN, &[]);
    let rest = "node_hwmon_chip_names{chip=\"platform_hub_0\",chip_name=\"hub\"} 1\n\
                node_hwmon_fan_rpm{chip=\"platform_hub_0\",sensor=\"fan1\"} 1200\n";
    let label = "node_hwmon_sensor_label{chip=\"platform_hub_0\",\
                 label=\"rear \\\\ \\\"left\\\"  \",sensor=\"fan2\"} 1\n";
    assert_eq!(rig.samples(), format!("{rest}{label}"));
    rig.remove("sys/devices/platform/hub.0/hwmon/hwmon0/fan2_input");
    rig.plant(&[("sys/devices/platform/hub.0/hwmon/hwmon0/fan2_input", "0\n")]);
    let fan2 = "node_hwmon_fan_rpm{chip=\"platform_hub_0\",sensor=\"fan2\"} 0\n";
    assert_eq!(rig.samples(), format!("{rest}{fan2}{label}"));
    rig.plant(&[("sys/devices/platform/hub.0/hwmon/hwmon0/fan1_input", "N/A\n")]);
    assert!(!rig.samples().contains("fan1"), "a value that is no number has no sample");
}

#[test]
fn a_second_chip_of_the_device_renames_the_first() {
    let mut rig = Rig::new(&ROW, FAN, &[]);
    assert!(rig.samples().contains("{chip=\"platform_hub_0\","));
    rig.plant(&[
        ("sys/class/hwmon/hwmon1", "-> ../../devices/platform/hub.0/hwmon/hwmon1"),
        ("sys/devices/platform/hub.0/hwmon/hwmon1/device", "-> ../../../hub.0"),
        ("sys/devices/platform/hub.0/hwmon/hwmon1/name", "pump\n"),
        ("sys/devices/platform/hub.0/hwmon/hwmon1/pwm1", "77\n"),
    ]);
    let both = rig.samples();
    assert!(both.contains("node_hwmon_fan_rpm{chip=\"platform_hub_0_hub\",sensor=\"fan1\"} 1200\n"), "{both}");
    assert!(both.contains("node_hwmon_pwm{chip=\"platform_hub_0_pump\",sensor=\"pwm1\"} 77\n"), "{both}");
    rig.remove("sys/class/hwmon/hwmon1");
    assert!(rig.samples().contains("{chip=\"platform_hub_0\","));
    // Another driver may take the place of the first under the same number.
    rig.remove("sys/class/hwmon/hwmon0");
    rig.plant(&[("sys/class/hwmon/hwmon0", "-> ../../devices/platform/hub.0/hwmon/hwmon1")]);
    let other = rig.samples();
    assert!(other.contains("node_hwmon_pwm{chip=\"platform_hub_0\",sensor=\"pwm1\"} 77\n"), "{other}");
    assert!(!other.contains("fan"), "{other}");
}

#[test]
fn a_chip_that_was_late_comes_back() {
    let rig = Rig::new(&ROW, FAN, &[]);
    let mut args = common::flags::Args::defaults(FLAGS.iter().chain(crate::fs::FLAGS));
    args.set("path.sysfs", vec![rig.root().join("sys").to_str().unwrap().to_owned()], true);
    let mut collector = (ROW.new)(&args).unwrap();
    let mut page = Page::default();
    let mut scrape = |time| {
        page.clear();
        let mut cx = Scrape::new(Instant::now() + time);
        collector.update(&mut cx, &mut page).unwrap();
        (cx.faults().first().map(ToString::to_string), page.samples())
    };
    // With no time at all the chip may or may not make it, but it is never half there.
    match scrape(Duration::ZERO) {
        (None, samples) => assert_eq!(samples, 3),
        (Some(fault), samples) => {
            assert!(fault.ends_with("hwmon0: no answer in time"), "{fault}");
            assert_eq!(samples, 0);
        }
    }
    let back = (0..1000).map(|_| scrape(Duration::from_secs(5))).find(|(fault, _)| fault.is_none());
    assert_eq!(back, Some((None, 3)));
}

#[test]
fn filters_leave_out_chips_and_sensors() {
    let samples = |flags: &[(&'static str, &str)]| Rig::new(&ROW, FAN, flags).samples();
    assert_eq!(samples(&[(CHIP_EXCLUDE, "hub")]), "");
    assert_eq!(samples(&[(CHIP_INCLUDE, "^coretemp$")]), "");
    let name = "node_hwmon_chip_names{chip=\"platform_hub_0\",chip_name=\"hub\"} 1\n";
    assert_eq!(samples(&[(SENSOR_EXCLUDE, "^platform_hub_0;fan")]), name);
    assert!(!samples(&[(SENSOR_INCLUDE, ";fan1$")]).contains("fan2"));
}

#[test]
fn the_file_of_the_device_goes_before_that_of_the_chip() {
    let mut tree = FAN.to_vec();
    tree.push(("sys/devices/platform/hub.0/fan01_input", "900\n"));
    let mut rig = Rig::new(&ROW, &tree, &[]);
    assert!(rig.samples().contains("sensor=\"fan1\"} 900\n"));
    rig.remove("sys/devices/platform/hub.0/fan01_input");
    assert!(rig.samples().contains("sensor=\"fan1\"} 1200\n"));
}

#[test]
fn a_chip_may_be_left_alone_for_a_while() {
    let input = "sys/devices/platform/hub.0/hwmon/hwmon0/fan1_input";
    for (interval, want) in [("0s", 1300), ("1h", 1200)] {
        let mut rig = Rig::new(&ROW, FAN, &[(MIN_INTERVAL, interval)]);
        let first = rig.samples();
        rig.plant(&[(input, "1300\n")]);
        assert_eq!(rig.samples(), first.replace("1200", &want.to_string()));
        rig.remove("sys/class/hwmon/hwmon0");
        assert_eq!(rig.samples(), "");
    }
    // A chip that takes the number of another is read at once.
    let mut rig = Rig::new(&ROW, FAN, &[(MIN_INTERVAL, "1h")]);
    rig.samples();
    rig.plant(&[("sys/devices/platform/hub.0/hwmon/hwmon0/name", "pump\n"), (input, "1300\n")]);
    assert!(rig.samples().contains("sensor=\"fan1\"} 1300\n"));
}

#[test]
fn what_a_filter_leaves_out_is_not_opened() {
    let mut rig = Rig::new(&ROW, FAN, &[(SENSOR_EXCLUDE, ";fan2$")]);
    assert!(!rig.samples().contains("fan2"));
    // Attributes that were read stay open.
    let root = rig.root().canonicalize().unwrap();
    let opened: Vec<std::path::PathBuf> = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|fd| std::fs::read_link(fd.unwrap().path()).ok())
        .filter(|path| path.starts_with(&root))
        .collect();
    assert!(opened.iter().any(|path| path.ends_with("fan1_input")), "{opened:?}");
    assert!(!opened.iter().any(|path| path.ends_with("fan2_label")), "{opened:?}");
}
