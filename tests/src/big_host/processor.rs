//! CPUs: times, scheduler, network backlog, clocks, topology, throttling.

use std::fmt::Write;
use std::io;

use super::{Numbers, Tree};

const BASE: &str = "sys/devices/system/cpu";

pub(super) fn write(tree: &Tree, cpus: usize) -> io::Result<()> {
    tree.file("proc/stat", stat(cpus))?;
    tree.file("proc/schedstat", schedstat(cpus))?;
    tree.file("proc/net/softnet_stat", softnet(cpus))?;
    tree.file("proc/net/stat/nf_conntrack", conntrack(cpus))?;
    let all = list(cpus);
    tree.attributes(
        BASE,
        &[("possible", &all), ("present", &all), ("online", &all), ("offline", &""), ("isolated", &"")],
    )?;
    (0..cpus).try_for_each(|cpu| write_folder(tree, cpu, cpus))
}

fn list(cpus: usize) -> String {
    if cpus > 1 { format!("0-{}", cpus - 1) } else { "0".to_owned() }
}

/// As the kernel numbers them: first one thread of each core, package after package, then their siblings.
fn place(cpu: usize, cpus: usize) -> (usize, usize) {
    let cores = cpus.div_ceil(2);
    let per_package = cores.div_ceil(2);
    let core = cpu % cores;
    (core / per_package, core % per_package)
}

fn write_folder(tree: &Tree, cpu: usize, cpus: usize) -> io::Result<()> {
    let mut numbers = Numbers::new(cpu);
    let (package, core) = place(cpu, cpus);
    let own = format!("{BASE}/cpu{cpu}");
    tree.attributes(&own, &[("online", &1)])?;
    tree.link(&format!("{own}/cpufreq"), &format!("../cpufreq/policy{cpu}"))?;
    tree.attributes(&format!("{own}/topology"), &[("physical_package_id", &package), ("core_id", &core)])?;
    let throttle = |of: usize| Numbers::new(of).below(500);
    tree.attributes(
        &format!("{own}/thermal_throttle"),
        &[("core_throttle_count", &throttle(core)), ("package_throttle_count", &throttle(package))],
    )?;
    tree.attributes(
        &format!("{BASE}/cpufreq/policy{cpu}"),
        &[
            ("affected_cpus", &cpu),
            ("cpuinfo_max_freq", &3_900_000),
            ("cpuinfo_min_freq", &800_000),
            ("cpuinfo_transition_latency", &20_000),
            ("related_cpus", &cpu),
            ("scaling_available_governors", &"conservative ondemand userspace powersave performance schedutil "),
            ("scaling_cur_freq", &(800_000 + numbers.below(3_100_000))),
            ("scaling_driver", &"intel_cpufreq"),
            ("scaling_governor", &"schedutil"),
            ("scaling_max_freq", &3_900_000),
            ("scaling_min_freq", &800_000),
            ("scaling_setspeed", &"<unsupported>"),
        ],
    )
}

fn stat(cpus: usize) -> String {
    let mut numbers = Numbers::new(cpus);
    let mut sum = [0_u64; 10];
    let mut lines = String::new();
    for cpu in 0..cpus {
        let most = [900_000_000, 90_000, 200_000_000, 4_000_000_000, 9_000_000, 1, 4_000_000, 90_000, 9_000_000, 1_000];
        let times = most.map(|most| numbers.below(most));
        sum.iter_mut().zip(times).for_each(|(sum, time)| *sum += time);
        put(&mut lines, format_args!("cpu{cpu} {}\n", joined(&times)));
    }
    let interrupts = numbers.row(24 + 8 * cpus, 100_000_000);
    format!(
        "cpu  {}\n{lines}intr 912344556712 {interrupts}\nctxt 1938475610233\nbtime 1755000000\nprocesses 48291345\n\
         procs_running 41\nprocs_blocked 3\nsoftirq 401234561233 {}\n",
        joined(&sum),
        numbers.row(10, 40_000_000_000),
    )
}

/// Three domains per CPU, as on a host with sibling threads, shared caches and two packages.
fn schedstat(cpus: usize) -> String {
    let mut numbers = Numbers::new(cpus);
    let mut text = "version 17\ntimestamp 4313445566\n".to_owned();
    let mask = vec!["ffffffff"; cpus.div_ceil(32)].join(",");
    for cpu in 0..cpus {
        let ran = numbers.row(3, 1_000_000_000_000_000);
        put(&mut text, format_args!("cpu{cpu} 0 0 0 0 {} {ran}\n", numbers.row(2, 1_000_000_000)));
        for (level, name) in ["SMT", "MC", "NUMA"].into_iter().enumerate() {
            put(&mut text, format_args!("domain{level} {name} {mask} {}\n", numbers.row(45, 10_000_000)));
        }
    }
    text
}

fn softnet(cpus: usize) -> String {
    let mut numbers = Numbers::new(cpus);
    let mut text = String::new();
    for cpu in 0..cpus {
        let (packets, squeezed) = (numbers.below(1 << 32), numbers.below(1 << 16));
        put(&mut text, format_args!("{packets:08x} 00000000 {squeezed:08x}"));
        text.push_str(&" 00000000".repeat(9));
        put(&mut text, format_args!(" {cpu:08x} 00000000 00000000\n"));
    }
    text
}

fn conntrack(cpus: usize) -> String {
    let mut numbers = Numbers::new(cpus);
    let mut text =
        "entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop \
                    icmp_error  expect_new expect_create expect_delete search_restart\n"
            .to_owned();
    for _ in 0..cpus {
        let columns: Vec<String> = (0..16).map(|_| format!("{:08x}", numbers.below(1 << 16))).collect();
        put(&mut text, format_args!("0000019c  {}\n", columns.join(" ")));
    }
    text
}

fn joined(numbers: &[u64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
    numbers.join(" ")
}

fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("a string takes everything");
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn siblings_share_a_core() {
        let places: HashSet<_> = (0..512).map(|cpu| place(cpu, 512)).collect();
        assert_eq!(places.len(), 256);
        assert_eq!(place(0, 512), place(256, 512));
        assert_eq!(place(128, 512), (1, 0));
        assert_eq!(place(0, 1), (0, 0));
    }
}
