//! Tests of the whole collector, over small trees.

use super::*;
use crate::testing::page_of;

fn stat(tree: &str) -> String {
    page_of(&ROW, &[("proc/stat", tree)], &[]).0
}

#[test]
fn times_in_the_order_of_the_page() {
    let page = stat("cpu 1 2\ncpu2 1 2 3 4 5 6 7 8 9 10\ncpu10 100\n");
    let values: Vec<&str> = page.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        values,
        [
            r#"node_cpu_guest_seconds_total{cpu="10",mode="nice"} 0"#,
            r#"node_cpu_guest_seconds_total{cpu="10",mode="user"} 0"#,
            r#"node_cpu_guest_seconds_total{cpu="2",mode="nice"} 0.1"#,
            r#"node_cpu_guest_seconds_total{cpu="2",mode="user"} 0.09"#,
            r#"node_cpu_seconds_total{cpu="10",mode="idle"} 0"#,
            r#"node_cpu_seconds_total{cpu="10",mode="iowait"} 0"#,
            r#"node_cpu_seconds_total{cpu="10",mode="irq"} 0"#,
            r#"node_cpu_seconds_total{cpu="10",mode="nice"} 0"#,
            r#"node_cpu_seconds_total{cpu="10",mode="softirq"} 0"#,
            r#"node_cpu_seconds_total{cpu="10",mode="steal"} 0"#,
            r#"node_cpu_seconds_total{cpu="10",mode="system"} 0"#,
            r#"node_cpu_seconds_total{cpu="10",mode="user"} 1"#,
            r#"node_cpu_seconds_total{cpu="2",mode="idle"} 0.04"#,
            r#"node_cpu_seconds_total{cpu="2",mode="iowait"} 0.05"#,
            r#"node_cpu_seconds_total{cpu="2",mode="irq"} 0.06"#,
            r#"node_cpu_seconds_total{cpu="2",mode="nice"} 0.02"#,
            r#"node_cpu_seconds_total{cpu="2",mode="softirq"} 0.07"#,
            r#"node_cpu_seconds_total{cpu="2",mode="steal"} 0.08"#,
            r#"node_cpu_seconds_total{cpu="2",mode="system"} 0.03"#,
            r#"node_cpu_seconds_total{cpu="2",mode="user"} 0.01"#,
        ]
    );
}

#[track_caller]
fn follow(times: &mut Times, stat: &str, want: &str) {
    assert!(times.follow(stat.as_bytes()).is_empty());
    let show = |(label, [user, _, _, idle, ..]): (&str, &CpuTimes)| format!("{label}: {user} {idle}");
    assert_eq!(times.iter().map(show).collect::<Vec<_>>().join(", "), want);
}

#[test]
fn counters_do_not_go_back() {
    let mut times = Times::default();
    follow(&mut times, "cpu0 100 0 0 1000\ncpu1 200 0 0 2000\n", "0: 1 10, 1: 2 20");
    follow(&mut times, "cpu0 110 0 0 990\ncpu1 190 0 0 1701\n", "0: 1.1 10, 1: 2 20");
    // Idle fell by 3 s or more: another life of the CPU.
    follow(&mut times, "cpu0 110 0 0 1001\ncpu1 1 0 0 1700\n", "0: 1.1 10.01, 1: 0.01 17");
}

#[test]
fn a_cpu_that_was_gone_starts_anew() {
    let mut times = Times::default();
    follow(&mut times, "cpu0 100 0 0 100\ncpu1 200 0 0 200\n", "0: 1 1, 1: 2 2");
    follow(&mut times, "cpu0 99 0 0 100\n", "0: 1 1");
    follow(&mut times, "cpu0 99 0 0 100\ncpu1 150 0 0 150\n", "0: 1 1, 1: 1.5 1.5");
    follow(&mut times, "cpu0 99 0 0 100\ncpu3 150 0 0 150\n", "0: 1 1, 3: 1.5 1.5");
    follow(&mut times, "cpu0 99 0 0 100\ncpu1 140 0 0 150\n", "0: 1 1, 1: 1.4 1.5");
}

#[test]
fn a_sleep_of_the_machine_is_a_new_life_or_none() {
    let mut times = Times::default();
    follow(&mut times, "cpu0 100 0 0 100000\ncpu1 200 0 0 100000\n", "0: 1 1000, 1: 2 1000");
    // While it slept, all CPUs but the first were off, and some kernels begin their idle time anew.
    follow(&mut times, "cpu0 101 0 0 100001\ncpu1 201 0 0 5\n", "0: 1.01 1000.01, 1: 2.01 0.05");
    follow(&mut times, "cpu0 101 0 0 99990\ncpu1 201 0 0 6\n", "0: 1.01 1000.01, 1: 2.01 0.06");
    // Others count on.
    follow(&mut times, "cpu0 102 0 0 100002\ncpu1 202 0 0 7\n", "0: 1.02 1000.02, 1: 2.02 0.07");
}

#[test]
fn all_cpus_together() {
    let flags = [(TOTAL, "true"), (PER_CPU, "false")];
    let mut rig = crate::rig::Rig::new(&ROW, &[("proc/stat", "cpu 100 0 0 1000\ncpu0 1\ncpu3 2\n")], &flags);
    let total = |rig: &mut crate::rig::Rig| {
        let samples = rig.samples();
        assert!(!samples.contains("cpu=\"") && samples.contains("node_cpu_total_cpus 2\n"), "{samples}");
        assert!(samples.contains("node_cpu_total_guest_seconds_total{mode=\"user\"} 0\n"), "{samples}");
        let of = |line: &str| Some(line.strip_prefix("node_cpu_total_seconds_total{mode=\"")?.replace("\"}", ""));
        samples.lines().filter_map(of).filter(|mode| !mode.ends_with(" 0")).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(total(&mut rig), "idle 10, user 1");
    rig.plant(&[("proc/stat", "cpu 101 0 0 990\ncpu0 1\ncpu3 2\n")]);
    assert_eq!(total(&mut rig), "idle 10, user 1.01");
    rig.plant(&[("proc/stat", "cpu 101 x\ncpu0 1\ncpu3 2\n")]);
    let bad = "! proc/stat:1: nice: expected a number, found \"x\"";
    assert_eq!(rig.samples(), format!("node_cpu_total_cpus 2\n{bad}\n"));
}

#[test]
fn a_bad_line_costs_its_cpu() {
    let (page, faults) = page_of(&ROW, &[("proc/stat", "cpu0 x\ncpu1 1\n")], &[("collector.cpu.guest", "false")]);
    assert!(!page.contains(r#"cpu="0""#) && page.contains(r#"cpu="1""#), "{page}");
    assert!(!page.contains("guest"), "{page}");
    assert_eq!(faults.len(), 1);
    assert!(faults[0].ends_with("/stat:1: user: expected a number, found \"x\""), "{}", faults[0]);
}

#[test]
fn without_stat_the_rest_is_there() {
    let (page, faults) = page_of(&ROW, &[("sys/devices/system/cpu/isolated", "2,10\n")], &[]);
    let at = |label: &str| page.find(&format!("node_cpu_isolated{{cpu=\"{label}\"}} 1\n"));
    assert!(at("10").is_some() && at("10") < at("2"), "{page}");
    assert_eq!(faults.len(), 1);
    let (_, faults) = page_of(&ROW, &[("proc/stat", ""), ("sys/devices/system/cpu/isolated", "2-")], &[]);
    assert!(faults[0].ends_with("isolated:1: isolated CPUs: expected a list such as 1-3,8, found \"2-\""));
}

#[test]
fn topology() {
    let (page, faults) = page_of(
        &ROW,
        &[
            ("proc/stat", ""),
            ("sys/devices/system/cpu/cpu0/online", "1\n"),
            ("sys/devices/system/cpu/cpu0/topology/core_id", "7\n"),
            ("sys/devices/system/cpu/cpu0/topology/physical_package_id", "0\n"),
            ("sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count", "x\n"),
            ("sys/devices/system/cpu/cpu1/online", "0\n"),
            ("sys/devices/system/cpu/cpu1/topology/core_id", "7\n"),
            ("sys/devices/system/cpu/cpu1/topology/physical_package_id", "0\n"),
            ("sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count", "5\n"),
            ("sys/devices/system/cpu/cpu1/thermal_throttle/package_throttle_count", "6\n"),
            ("sys/devices/system/cpu/cpu10/online", "1\n"),
            ("sys/devices/system/cpu/cpu10/topology/core_id", "-1\n"),
            ("sys/devices/system/cpu/cpu10/topology/physical_package_id", "1\n"),
            ("sys/devices/system/cpu/cpu10/thermal_throttle/core_throttle_count", "9\n"),
            ("sys/devices/system/cpu/cpu2/topology/core_id", "1\n"),
        ],
        &[],
    );
    let values: Vec<&str> = page.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        values,
        [
            r#"node_cpu_core_throttles_total{core="7",package="0"} 5"#,
            r#"node_cpu_online{cpu="0"} 1"#,
            r#"node_cpu_online{cpu="1"} 0"#,
            r#"node_cpu_online{cpu="10"} 1"#,
            r#"node_cpu_package_throttles_total{package="0"} 6"#,
        ]
    );
    assert!(faults.is_empty(), "{faults:?}");
}

#[test]
fn nothing_about_online_where_the_first_cpu_is_always_on() {
    let tree = [("proc/stat", ""), ("sys/devices/system/cpu/cpu0/x", ""), ("sys/devices/system/cpu/cpu1/online", "1")];
    assert_eq!(page_of(&ROW, &tree, &[]), (String::new(), vec![]));
}

#[cfg(target_arch = "x86_64")]
#[test]
fn info() {
    let cpuinfo = "processor\t: 0\nmodel name\t: A \"1\"\ncpu MHz\t\t: 800.5\ncore id\t\t: 0\n\
                   flags\t\t: sse aes fpu aes\nbugs\t\t: mds l1tf\n\n\
                   processor\t: 1\ncpu MHz\t\t: quick\ncore id\t\t: 1\n";
    let tree = [("proc/stat", ""), ("proc/cpuinfo", cpuinfo), ("sys/devices/system/cpu/cpu0/cpufreq/x", "")];
    let flags = [("collector.cpu.info.flags-include", "e"), ("collector.cpu.info.bugs-include", "^m")];
    let (page, faults) = page_of(&ROW, &tree, &flags);
    let values: Vec<&str> = page.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        values,
        [
            r#"node_cpu_bug_info{bug="mds"} 1"#,
            r#"node_cpu_flag_info{flag="aes"} 1"#,
            r#"node_cpu_flag_info{flag="sse"} 1"#,
            r#"node_cpu_frequency_hertz{core="0",cpu="0",package=""} 8.005e+08"#,
            concat!(
                r#"node_cpu_info{cachesize="",core="0",cpu="0",family="",microcode="",model="","#,
                r#"model_name="A \"1\"",package="",stepping="",vendor=""} 1"#
            ),
            concat!(
                r#"node_cpu_info{cachesize="",core="1",cpu="1",family="",microcode="",model="","#,
                r#"model_name="",package="",stepping="",vendor=""} 1"#
            ),
        ]
    );
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].ends_with("cpuinfo:8: clock: expected a number, found \"quick\""), "{}", faults[0]);
    let with_cpufreq = [tree[0], tree[1], ("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_cur_freq", "1\n")];
    let (page, _) = page_of(&ROW, &with_cpufreq, &flags);
    assert!(!page.contains("node_cpu_frequency_hertz"), "{page}");
    let (page, _) = page_of(&ROW, &tree, &[("collector.cpu.info", "true")]);
    assert!(page.contains("node_cpu_info") && !page.contains("flag_info") && !page.contains("bug_info"), "{page}");
}
