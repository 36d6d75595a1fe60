//! What the CPUs did, how often they were slowed down, which are isolated and online; on request what they are.
//!
//! * Source: `/proc/stat`, `/proc/cpuinfo`, `/sys/devices/system/cpu`; kernel Documentation/filesystems/proc.rst and
//!   Documentation/admin-guide/cputopology.rst.
//! * Units: ticks of 1/100 s and MHz in the files, seconds and hertz here. Time in user and nice contains guest time.
//! * Absent when: throttle counters where the hardware has none (only Intel has them); `online` where the first CPU
//!   cannot be switched off; frequencies where cpuinfo has none, cpufreq tells them, or that collector is off.
//! * Counters that go back: idle and iowait are estimates that the kernel puts right later. A time that fell is shown as it
//!   was until it has caught up; when idle fell by 3 s or more, the CPU was off in between and all its times are taken as
//!   they are, and so are those of a CPU that had no line in the last scrape. The Go exporter has the same rule.
//! * Differs from the Go exporter: a bad line costs its own CPU, a part that fails does not end the others; an isolated
//!   set that changes while we run is followed; the clock never shows 0, nor clashes with that of cpufreq.

use std::collections::HashMap;
use std::collections::btree_map::{BTreeMap, Entry};

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError, ConfigError, is_absent};
use common::exposition::{Desc, Page};
use common::fields::{parse_cpu_list, parse_u64};
use common::filter::Filter;
use common::flags::{Args, Flag};

use crate::fs::{KeptAttr, KeptFile, read_attr, sys_path};
use crate::kernel::cpu_dirs::CpuDirs;
use crate::kernel::cpu_labels::CpuLabels;
use crate::kernel::cpuinfo::{self, CpuInfo, Layout};
use crate::kernel::proc_stat::{CpuLine, CpuTimes, cpu_lines, total_line};

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::on("cpu", "time, throttling and state of each CPU, /proc/stat", FLAGS, new);

const PER_CPU: &str = "collector.cpu.per-cpu";
const TOTAL: &str = "collector.cpu.total";

const FLAGS: &[Flag] = &[
    Flag::switch("collector.cpu.guest", true, "Time that CPUs spent in guests, on its own."),
    Flag::switch(PER_CPU, true, "Times of each CPU."),
    Flag::switch(TOTAL, false, "Times of all CPUs together, as families of their own, and how many are on."),
    Flag::switch("collector.cpu.info", false, "What the CPUs are, from /proc/cpuinfo."),
    Flag::text(
        "collector.cpu.info.flags-include",
        "",
        "Pattern for the CPU features to show; switches collector.cpu.info on.",
    ),
    Flag::text(
        "collector.cpu.info.bugs-include",
        "",
        "Pattern for the CPU bugs to show; switches collector.cpu.info on.",
    ),
];

const SECONDS: Desc = Desc::counter("node_cpu_seconds_total", "Seconds the CPU spent in each mode.", &["cpu", "mode"]);
const GUEST: Desc = Desc::counter(
    "node_cpu_guest_seconds_total",
    "Seconds the CPU spent running guests, by the mode they are counted under.",
    &["cpu", "mode"],
);
const TOTAL_SECONDS: Desc =
    Desc::counter("node_cpu_total_seconds_total", "Seconds all CPUs together spent in each mode.", &["mode"]);
const TOTAL_GUEST: Desc = Desc::counter(
    "node_cpu_total_guest_seconds_total",
    "Seconds all CPUs together spent running guests, by the mode they are counted under.",
    &["mode"],
);
const TOTAL_CPUS: Desc = Desc::gauge("node_cpu_total_cpus", "CPUs that are switched on.", &[]);
const CORE_THROTTLES: Desc = Desc::counter(
    "node_cpu_core_throttles_total",
    "Times the core was slowed down because of heat.",
    &["core", "package"],
);
const PACKAGE_THROTTLES: Desc = Desc::counter(
    "node_cpu_package_throttles_total",
    "Times the package was slowed down because of heat.",
    &["package"],
);
const ISOLATED: Desc = Desc::gauge("node_cpu_isolated", "1 for a CPU kept out of general scheduling.", &["cpu"]);
const ONLINE: Desc =
    Desc::gauge("node_cpu_online", "1 for a CPU that is switched on, 0 for one that is not.", &["cpu"]);
const INFO: Desc = Desc::gauge(
    "node_cpu_info",
    "What the CPU is, always 1.",
    &["cachesize", "core", "cpu", "family", "microcode", "model", "model_name", "package", "stepping", "vendor"],
);
const FREQUENCY: Desc =
    Desc::gauge("node_cpu_frequency_hertz", "Clock of the CPU as cpuinfo tells it.", &["core", "cpu", "package"]);
const FLAG_INFO: Desc = Desc::gauge("node_cpu_flag_info", "Features of the first CPU, always 1.", &["flag"]);
const BUG_INFO: Desc = Desc::gauge("node_cpu_bug_info", "Known bugs of the first CPU, always 1.", &["bug"]);

/// Lines that are reported in one scrape, should a file be altogether unreadable.
const MOST_FAULTS: usize = 8;

struct Cpu {
    stat: KeptFile,
    times: Times,
    guest: bool,
    per_cpu: bool,
    /// The times of all CPUs together as they were exported last, if they are wanted.
    total: Option<Option<CpuTimes>>,
    dirs: CpuDirs,
    topology: Topology,
    isolated: KeptFile,
    isolated_labels: CpuLabels,
    info: Option<Info>,
}

fn new(args: &Args) -> Result<Box<dyn Collector>, ConfigError> {
    Ok(Box::new(Cpu {
        stat: KeptFile::of_proc(args, "stat").in_one_piece(),
        times: Times::default(),
        guest: args.on("collector.cpu.guest"),
        per_cpu: args.on(PER_CPU),
        total: args.on(TOTAL).then_some(None),
        dirs: CpuDirs::new(args),
        topology: Topology::default(),
        isolated: KeptFile::new(sys_path(args, "devices/system/cpu/isolated")).in_one_piece(),
        isolated_labels: CpuLabels::default(),
        info: Info::new(args)?,
    }))
}

impl Collector for Cpu {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        if self.dirs.refresh() || self.topology.stale {
            self.topology = Topology::gather(&self.dirs);
        }
        if let Some(info) = &mut self.info {
            let result = info.update(&self.dirs, cx, page);
            cx.ok(result);
        }
        self.update_isolated(cx, page);
        self.topology.update(page);
        self.update_times(cx, page)
    }
}

impl Cpu {
    fn update_isolated(&mut self, cx: &mut Scrape, page: &mut Page) {
        let Some(Some(text)) = cx.ok(self.isolated.read_if_present()) else { return };
        let Some(cpus) = parse_cpu_list(text) else {
            let bad = BadField::new(1, "isolated CPUs", "a list such as 1-3,8", text.trim_ascii());
            return cx.fault(bad.in_file(self.isolated.path()));
        };
        self.isolated_labels.update(cpus.iter().copied());
        for (label, _) in self.isolated_labels.iter() {
            page.sample(&ISOLATED, &[label], 1.0);
        }
    }

    fn update_times(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let bad_lines = self.times.follow(self.stat.read()?);
        for bad in bad_lines {
            cx.fault(bad.in_file(self.stat.path()));
        }
        if self.per_cpu {
            self.encode_each(page);
        }
        let Some(total) = &mut self.total else { return Ok(()) };
        page.sample::<&str>(&TOTAL_CPUS, &[], self.times.kept.len() as f64);
        // The kernel's own sum: it has the time of CPUs that are off as well, and so does not fall when one goes.
        let Some(now) = total_line(self.stat.text()) else { return Ok(()) };
        let now = now.map_err(|bad| bad.in_file(self.stat.path()))?;
        let kept = total.get_or_insert(now);
        advance(kept, &now);
        for (mode, seconds) in modes(kept) {
            page.sample(&TOTAL_SECONDS, &[mode], seconds);
        }
        if self.guest {
            let [.., guest, guest_nice] = *kept;
            page.sample(&TOTAL_GUEST, &["nice"], guest_nice);
            page.sample(&TOTAL_GUEST, &["user"], guest);
        }
        Ok(())
    }

    fn encode_each(&self, page: &mut Page) {
        for (label, times) in self.times.iter() {
            for (mode, seconds) in modes(times) {
                page.sample(&SECONDS, &[label, mode], seconds);
            }
        }
        if self.guest {
            for (label, times) in self.times.iter() {
                let [.., guest, guest_nice] = *times;
                page.sample(&GUEST, &[label, "nice"], guest_nice);
                page.sample(&GUEST, &[label, "user"], guest);
            }
        }
    }
}

/// The modes in the order of the page.
fn modes(times: &CpuTimes) -> [(&'static str, f64); 8] {
    let [user, nice, system, idle, iowait, irq, softirq, steal, _, _] = *times;
    [
        ("idle", idle),
        ("iowait", iowait),
        ("irq", irq),
        ("nice", nice),
        ("softirq", softirq),
        ("steal", steal),
        ("system", system),
        ("user", user),
    ]
}

/// An idle counter that falls by this many seconds belongs to a CPU that was switched off and on again.
const RESTART_SECONDS: f64 = 3.0;

/// The times as they were exported last, because the kernel's own can go back: idle and iowait are estimates that are
/// put right later, and a counter that falls by a tick would look like one that started anew.
#[derive(Default)]
struct Times {
    labels: CpuLabels,
    /// In the order of the file.
    kept: Vec<CpuLine>,
    /// The lines of this scrape; a field only for the sake of its memory.
    now: Vec<CpuLine>,
}

impl Times {
    /// Takes over what has grown; gives the first few lines that are malformed. CPUs without a line are forgotten.
    fn follow(&mut self, stat: &[u8]) -> Vec<BadField> {
        let mut bad_lines = Vec::new();
        self.now.clear();
        for line in cpu_lines(stat) {
            match line {
                Ok(line) => self.now.push(line),
                Err(bad) if bad_lines.len() < MOST_FAULTS => bad_lines.push(bad),
                Err(_) => {}
            }
        }
        if self.labels.update(self.now.iter().map(|line| line.number)) {
            let old: HashMap<u32, CpuTimes> = self.kept.iter().map(|line| (line.number, line.times)).collect();
            self.kept.clone_from(&self.now);
            for line in &mut self.kept {
                line.times = old.get(&line.number).copied().unwrap_or(line.times);
            }
        }
        for (kept, now) in self.kept.iter_mut().zip(&self.now) {
            advance(&mut kept.times, &now.times);
        }
        bad_lines
    }

    /// Label values and times in the order of the page.
    fn iter(&self) -> impl Iterator<Item = (&str, &CpuTimes)> {
        self.labels.iter().filter_map(|(label, place)| Some((label, &self.kept.get(place)?.times)))
    }
}

fn advance(kept: &mut CpuTimes, now: &CpuTimes) {
    let ([.., idle_before, _, _, _, _, _, _], [.., idle_now, _, _, _, _, _, _]) = (*kept, *now);
    if idle_before - idle_now >= RESTART_SECONDS {
        *kept = *now;
    }
    for (kept, now) in kept.iter_mut().zip(now) {
        if *now >= *kept {
            *kept = *now;
        }
    }
}

/// What depends on which CPUs there are and which of them are on: found out anew only when that changes.
#[derive(Default)]
struct Topology {
    /// Core and package, in the order of the page, and the counter.
    core_throttles: Vec<([String; 2], KeptAttr)>,
    package_throttles: Vec<(String, KeptAttr)>,
    online: Vec<(Vec<u8>, f64)>,
    /// A counter could be read once, and now it cannot.
    stale: bool,
}

impl Topology {
    fn gather(dirs: &CpuDirs) -> Self {
        // All CPUs of a core tell the same number; the first that tells one speaks for it.
        let (mut cores, mut packages) = (BTreeMap::new(), BTreeMap::new());
        for label in dirs.labels() {
            let cpu = dirs.path_of(label);
            let number = |rel| read_attr(&cpu.join(rel)).ok().and_then(|text| parse_u64(text.text()));
            let (Some(package), Some(core)) = (number("topology/physical_package_id"), number("topology/core_id"))
            else {
                continue;
            };
            let (core, package) = (core.to_string(), package.to_string());
            if let Entry::Vacant(slot) = cores.entry([core, package.clone()])
                && number("thermal_throttle/core_throttle_count").is_some()
            {
                slot.insert(KeptAttr::new(cpu.join("thermal_throttle/core_throttle_count")));
            }
            if let Entry::Vacant(slot) = packages.entry(package)
                && number("thermal_throttle/package_throttle_count").is_some()
            {
                slot.insert(KeptAttr::new(cpu.join("thermal_throttle/package_throttle_count")));
            }
        }
        Self {
            core_throttles: cores.into_iter().collect(),
            package_throttles: packages.into_iter().collect(),
            online: online(dirs),
            stale: false,
        }
    }

    fn update(&mut self, page: &mut Page) {
        for (labels, count) in &mut self.core_throttles {
            match read_count(count) {
                Some(count) => page.sample(&CORE_THROTTLES, labels, count),
                None => self.stale = true,
            }
        }
        for (package, count) in &mut self.package_throttles {
            match read_count(count) {
                Some(count) => page.sample(&PACKAGE_THROTTLES, &[package], count),
                None => self.stale = true,
            }
        }
        for (label, online) in &self.online {
            page.sample(&ONLINE, &[label], *online);
        }
    }
}

fn read_count(attr: &mut KeptAttr) -> Option<f64> {
    attr.read().ok().and_then(|text| parse_u64(text.text())).map(|count| count as f64)
}

/// Each CPU with 1 when it is on; nothing where the first CPU cannot be switched off.
fn online(dirs: &CpuDirs) -> Vec<(Vec<u8>, f64)> {
    let mut all = Vec::new();
    for label in dirs.labels() {
        match read_attr(&dirs.path_of(label).join("online")) {
            Ok(text) => all.push((label.clone(), if text.text() == b"1" { 1.0 } else { 0.0 })),
            Err(e) if is_absent(&e) && all.is_empty() => break,
            Err(_) => {}
        }
    }
    all
}

/// The part about `/proc/cpuinfo`.
struct Info {
    file: KeptFile,
    /// Whether clocks are wanted: only while cpufreq is, for the sake of compatibility.
    frequency: bool,
    flags: Option<Filter>,
    bugs: Option<Filter>,
}

impl Info {
    /// `None` when it is not wanted.
    fn new(args: &Args) -> Result<Option<Self>, ConfigError> {
        let pattern = |flag: &'static str| match args.text(flag) {
            "" => Ok(None),
            _ => Filter::from_args(args, flag, "").map(Some),
        };
        let flags = pattern("collector.cpu.info.flags-include")?;
        let bugs = pattern("collector.cpu.info.bugs-include")?;
        if !args.on("collector.cpu.info") {
            if flags.is_none() && bugs.is_none() {
                return Ok(None);
            }
            tracing::info!("--collector.cpu.info is on because features or bugs are asked for");
        }
        let frequency = match args.is_on("collector.cpufreq") {
            Some(on) if args.given("collector.cpufreq") => on,
            Some(on) => on && !args.on("collector.disable-defaults"),
            None => true,
        };
        Ok(Some(Self { file: KeptFile::of_proc(args, "cpuinfo"), frequency, flags, bugs }))
    }

    fn update(&mut self, dirs: &CpuDirs, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let text = self.file.read()?;
        let cpus = match cpuinfo::parse(Layout::HERE, text) {
            Ok(cpus) => cpus,
            Err(bad) => return Err(bad.in_file(self.file.path())),
        };
        if let Some(first) = cpus.first() {
            encode_words(&FLAG_INFO, first.flags, &mut self.flags, page);
            encode_words(&BUG_INFO, first.bugs, &mut self.bugs, page);
        }
        let mut cpus: Vec<(String, CpuInfo<'_>)> = cpus.into_iter().map(|cpu| (cpu.number.to_string(), cpu)).collect();
        cpus.sort_unstable_by(|(a_label, a), (b_label, b)| {
            (a.cache_size, a.core, a_label).cmp(&(b.cache_size, b.core, b_label))
        });
        for (label, cpu) in &cpus {
            let values = [
                cpu.cache_size,
                cpu.core,
                label.as_bytes(),
                cpu.family,
                cpu.microcode,
                cpu.model,
                cpu.model_name,
                cpu.package,
                cpu.stepping,
                cpu.vendor,
            ];
            page.sample(&INFO, &values, 1.0);
        }
        // The collector cpufreq has a family of the same name, from a better source.
        if !self.frequency || cpufreq_tells(dirs) {
            return Ok(());
        }
        cpus.sort_unstable_by(|(a_label, a), (b_label, b)| (a.core, a_label).cmp(&(b.core, b_label)));
        let mut bad_clocks = Vec::new();
        for (label, cpu) in &cpus {
            match cpu.hertz() {
                Ok(Some(hertz)) => page.sample(&FREQUENCY, &[cpu.core, label.as_bytes(), cpu.package], hertz),
                Ok(None) => {}
                Err(bad) if bad_clocks.len() < MOST_FAULTS => bad_clocks.push(bad),
                Err(_) => {}
            }
        }
        drop(cpus);
        for bad in bad_clocks {
            cx.fault(bad.in_file(self.file.path()));
        }
        Ok(())
    }
}

/// Whether cpufreq has a clock for us to read, which mostly takes root.
fn cpufreq_tells(dirs: &CpuDirs) -> bool {
    dirs.labels().first().is_some_and(|label| {
        let path = dirs.path_of(label).join("cpufreq/cpuinfo_cur_freq");
        rustix::fs::access(&path, rustix::fs::Access::READ_OK).is_ok()
    })
}

fn encode_words(desc: &Desc<'_>, text: &[u8], filter: &mut Option<Filter>, page: &mut Page) {
    let Some(filter) = filter else { return };
    let words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let mut words: Vec<&[u8]> = words.filter(|word| filter.judges(word)).collect();
    words.sort_unstable();
    words.dedup();
    for word in words {
        page.sample(desc, &[word], 1.0);
    }
}

#[cfg(test)]
mod tests;
