//! Hosts with as many devices as were asked for, through the program: none is missing, none is there twice.

use std::collections::HashMap;

use exporter_tests::big_host::{Counts, flags, temporary};
use exporter_tests::client::Request;
use exporter_tests::page::{Page, metric};
use exporter_tests::running::Running;

/// Collectors that such a host has nothing for.
const NO_DATA: &[&str] = &[
    "bcachefs",
    "bonding",
    "fibrechannel",
    "hwmon",
    "infiniband",
    "ipvs",
    "powersupplyclass",
    // Of the machine itself, not of the files.
    "selinux",
    "tapestats",
    "zfs",
];

#[test]
fn a_small_host_has_exactly_its_devices() {
    let counts = Counts { cpus: 6, disks: 3, chips: 2, mounts: 7, nics: 4 };
    let (_host, program) = host(&counts);
    let text = scrape(&program);
    let page = Page::checked(&text);
    complete(&text, &counts);
    page.has(metric("node_cpu_core_throttles_total").label("core", "1").label("package", "0"));
    page.has(metric("node_disk_info").label("device", "sdc").label("serial", "E0000002").label("rotational", "1"));
    page.has(metric("node_hwmon_sensor_label").label("chip", "platform_nct6798_657").label("label", "FAN 4"));
    page.has(metric("node_filesystem_mount_info").label("device", "/dev/sdb").label("mountpoint", "/srv/disk1"));
    page.has(metric("node_network_info").label("address", "02:42:00:00:00:03").label("duplex", "full"));
    page.has(metric("node_network_speed_bytes").value(1.25e9));
}

/// Twice, because the second scrape goes by what the first one has kept.
#[test]
fn a_large_host_is_told_completely() {
    let (_host, program) = host(&Counts::LARGE);
    for _ in 0..2 {
        complete(&scrape(&program), &Counts::LARGE);
    }
}

#[test]
fn a_host_without_devices_is_one() {
    let counts = Counts { cpus: 1, ..Counts::devices(0) };
    let (_host, program) = host(&counts);
    complete(&scrape(&program), &counts);
}

fn host(counts: &Counts) -> (tempfile::TempDir, Running) {
    let folder = temporary(counts).unwrap();
    let mut args = flags(folder.path());
    args.push("--web.disable-exporter-metrics".to_owned());
    (folder, Running::start("node-exporter", &args))
}

fn scrape(program: &Running) -> String {
    // The machine may have much else to do.
    let request = Request::scrape_within("/metrics", 55.0);
    let answer = program.ask(&request);
    assert_eq!(answer.status, 200, "{}", program.log());
    answer.text()
}

/// Each family has as many series as there are devices, and no collector has anything to complain about.
#[track_caller]
fn complete(text: &str, counts: &Counts) {
    let mut series: HashMap<&str, usize> = HashMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        *series.entry(line.split(['{', ' ']).next().unwrap_or_default()).or_default() += 1;
    }
    let Counts { cpus, disks, chips, mounts, nics } = *counts;
    let interfaces = nics + 1;
    for (family, want) in [
        ("node_cpu_core_throttles_total", cpus.div_ceil(2)),
        ("node_cpu_guest_seconds_total", 2 * cpus),
        ("node_cpu_online", cpus),
        ("node_cpu_package_throttles_total", cpus.div_ceil(2).min(2)),
        ("node_cpu_scaling_frequency_hertz", cpus),
        ("node_cpu_scaling_governor", 6 * cpus),
        ("node_cpu_seconds_total", 8 * cpus),
        ("node_schedstat_running_seconds_total", cpus),
        ("node_softnet_processed_total", cpus),
        ("node_disk_ata_rotation_rate_rpm", disks),
        ("node_disk_filesystem_info", disks),
        ("node_disk_flush_requests_total", disks),
        ("node_disk_info", disks),
        ("node_disk_reads_completed_total", disks),
        ("node_xfs_read_calls_total", disks),
        ("node_hwmon_chip_names", chips),
        ("node_hwmon_fan_min_rpm", 4 * chips),
        ("node_hwmon_fan_rpm", 4 * chips),
        ("node_hwmon_in_volts", 8 * chips),
        ("node_hwmon_sensor_label", 18 * chips),
        ("node_hwmon_temp_celsius", 6 * chips),
        ("node_hwmon_temp_crit_celsius", 6 * chips),
        ("node_filesystem_device_error", mounts),
        ("node_filesystem_mount_info", mounts),
        ("node_filesystem_readonly", mounts),
        ("node_filesystem_size_bytes", mounts),
        ("node_arp_entries", nics),
        ("node_network_carrier", interfaces),
        ("node_network_info", interfaces),
        ("node_network_mtu_bytes", interfaces),
        ("node_network_receive_bytes_total", interfaces),
        ("node_network_speed_bytes", nics),
        ("node_network_up", interfaces),
        ("node_scrape_collector_faults", 0),
    ] {
        assert_eq!(series.get(family).copied().unwrap_or_default(), want, "series of {family}");
    }
    for line in text.lines().filter(|line| line.starts_with("node_scrape_collector_reason{")) {
        let known = NO_DATA.iter().any(|name| line.contains(&format!("collector=\"{name}\",reason=\"no_data\"")));
        assert!(line.contains("reason=\"ok\"") || known, "{line}");
    }
    let failed = |line: &&str| line.starts_with("node_filesystem_device_error{") && !line.ends_with(" 0");
    assert_eq!(text.lines().find(failed), None);
}
