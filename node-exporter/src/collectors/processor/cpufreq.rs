//! Clocks and governors of the CPUs from `/sys/devices/system/cpu/cpu<N>/cpufreq`.
//!
//! * Source: kernel Documentation/admin-guide/pm/cpufreq.rst.
//! * Units: files have kHz, we export hertz.
//! * Absent when: no cpufreq driver (most virtual machines): no samples, no error. `cpuinfo_cur_freq` is for root only.
//! * Differs from the Go exporter: a file that fails costs its own sample and a CPU that does not answer in time costs
//!   itself, where the Go exporter has no samples at all; files that nothing is exported from are not read.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::collector::{Collector, Row, Scrape};
use common::crew::{Crew, Job};
use common::error::{BadField, CollectError, Reason, is_absent, is_denied};
use common::exposition::{Desc, Page};
use common::fields::{parse_cpu_list, parse_u64};
use common::fuzzing::{Parser, eat};

use crate::fs::folder::Way;
use crate::fs::{Attr, KeptAttr, KeptDir, is_dir};
use crate::kernel::cpu_dirs::CpuDirs;

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::on("cpufreq", "clocks and governors, /sys/devices/system/cpu/cpu*/cpufreq", &[], |args| {
        let dirs = CpuDirs::new(args);
        Ok(Box::new(Cpufreq {
            policies: KeptDir::new(dirs.path().join("cpufreq")),
            dirs,
            chunks: Vec::new(),
            generation: 0,
            crew: Crew::new("cpufreq", PATIENCE, MOST_CHUNKS),
        }))
    });

const GOVERNOR: Desc = Desc::gauge(
    "node_cpu_scaling_governor",
    "1 for the governor at work, 0 for the others there are.",
    &["cpu", "governor"],
);

/// Families and the files they come from.
const CLOCKS: [(&str, Desc); 7] = [
    (
        "cpuinfo_cur_freq",
        Desc::gauge("node_cpu_frequency_hertz", "Clock of the CPU as the hardware tells it.", &["cpu"]),
    ),
    (
        "cpuinfo_avg_freq",
        Desc::gauge("node_cpu_frequency_avg_hertz", "Clock of the CPU, averaged by the hardware.", &["cpu"]),
    ),
    ("cpuinfo_min_freq", Desc::gauge("node_cpu_frequency_min_hertz", "Lowest clock the CPU can have.", &["cpu"])),
    ("cpuinfo_max_freq", Desc::gauge("node_cpu_frequency_max_hertz", "Highest clock the CPU can have.", &["cpu"])),
    (
        "scaling_cur_freq",
        Desc::gauge("node_cpu_scaling_frequency_hertz", "Clock the driver has asked for or seen last.", &["cpu"]),
    ),
    (
        "scaling_min_freq",
        Desc::gauge("node_cpu_scaling_frequency_min_hertz", "Lowest clock that is allowed now.", &["cpu"]),
    ),
    (
        "scaling_max_freq",
        Desc::gauge("node_cpu_scaling_frequency_max_hertz", "Highest clock that is allowed now.", &["cpu"]),
    ),
];

const HERTZ_PER_KHZ: f64 = 1000.0;

/// Some drivers measure a clock for 10 to 50 ms at each read: after this time another thread helps.
const PATIENCE: Duration = Duration::from_millis(2);
/// The CPUs are read in so many portions; a machine with slow reads needs as many threads, any other needs one.
const MOST_CHUNKS: usize = 32;

struct Cpufreq {
    dirs: CpuDirs,
    policies: KeptDir,
    /// All CPUs in the order of the page; `None` while a portion is out with a read that does not end.
    chunks: Vec<Option<Box<Chunk>>>,
    generation: u64,
    crew: Crew<Box<Chunk>>,
}

/// CPUs that are read one after the other.
struct Chunk {
    place: usize,
    /// Which set of CPUs this was made for.
    generation: u64,
    fresh: bool,
    panic: Option<String>,
    cpus: Vec<Cpu>,
}

struct Cpu {
    label: Vec<u8>,
    dir: PathBuf,
    clocks: [KeptAttr; CLOCKS.len()],
    governor: KeptAttr,
    available: KeptAttr,
    reading: Reading,
}

/// What one CPU told in this scrape.
#[derive(Default)]
struct Reading {
    hertz: [Option<f64>; CLOCKS.len()],
    /// The governor at work, and those there are.
    governors: Option<(Attr, Attr)>,
    faults: Vec<CollectError>,
}

impl Collector for Cpufreq {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        self.arrange(cx)?;
        if self.dirs.labels().is_empty() {
            return Err(CollectError::failed(format!("{}: no CPU has a directory there", self.dirs.path().display())));
        }
        // Where the kernel has this directory, it is empty as long as there is no driver.
        if self.policies.list().is_ok_and(|entries| !entries.iter().any(|(name, _)| name.starts_with(b"policy"))) {
            return Ok(());
        }
        self.gather(cx);
        self.encode(cx, page);
        Ok(())
    }
}

impl Cpufreq {
    /// Makes the portions anew when other CPUs are to be read.
    fn arrange(&mut self, cx: &mut Scrape) -> Result<(), CollectError> {
        let changed = self.dirs.refresh();
        let none = self.dirs.labels().is_empty();
        let offline = match self.dirs.offline() {
            Ok(offline) => offline,
            Err(e) if none => return Err(e),
            // A CPU that is off then costs a few failed reads, not the clocks of all others.
            Err(e) => {
                cx.fault(e);
                &[]
            }
        };
        let offline_cpus = parse_cpu_list(offline);
        if offline_cpus.is_none() {
            let bad = BadField::new(1, "CPUs that are off", "a list such as 1-3,8", offline.trim_ascii());
            cx.fault(bad.in_file(&self.dirs.path().join("offline")));
        }
        let offline_cpus = offline_cpus.unwrap_or_default();
        if !changed && self.generation > 0 {
            return Ok(());
        }
        self.generation += 1;
        let is_off = |label: &&Vec<u8>| {
            parse_u64(label).and_then(|n| u32::try_from(n).ok()).is_some_and(|n| offline_cpus.contains(&n))
        };
        let labels: Vec<&Vec<u8>> = self.dirs.labels().iter().filter(|label| !is_off(label)).collect();
        let per_chunk = labels.len().div_ceil(MOST_CHUNKS).max(1);
        let cpu = |label: &&Vec<u8>| Cpu::new(label, self.dirs.path_of(label).join("cpufreq"));
        // Each portion is a list of its own: one list that is split again and again leaves the room of all in each part.
        let portions = labels.chunks(per_chunk).map(|labels| labels.iter().map(cpu).collect());
        let generation = self.generation;
        self.chunks = portions
            .enumerate()
            .map(|(place, cpus)| Some(Box::new(Chunk { place, generation, fresh: false, panic: None, cpus })))
            .collect();
        Ok(())
    }

    /// Lets the crew read all portions that are at hand.
    fn gather(&mut self, cx: &Scrape) {
        for chunk in self.chunks.iter_mut().flatten() {
            chunk.fresh = false;
        }
        let now = Instant::now();
        let deadline = now + cx.deadline.saturating_duration_since(now).mul_f64(0.75);
        let round = self.crew.run(self.chunks.iter_mut().filter_map(Option::take), deadline);
        for mut chunk in round.returned {
            chunk.fresh = false;
            self.put_back(chunk);
        }
        for chunk in round.done.into_iter().chain(round.skipped) {
            self.put_back(chunk);
        }
    }

    fn put_back(&mut self, chunk: Box<Chunk>) {
        if chunk.generation == self.generation
            && let Some(slot) = self.chunks.get_mut(chunk.place)
        {
            *slot = Some(chunk);
        }
    }

    fn encode(&mut self, cx: &mut Scrape, page: &mut Page) {
        let mut n_late = 0;
        for chunk in &mut self.chunks {
            match chunk {
                Some(chunk) if chunk.fresh => {
                    if let Some(message) = chunk.panic.take() {
                        cx.fault(CollectError::panicked("", &message));
                    }
                    chunk.cpus.iter_mut().flat_map(|cpu| cpu.reading.faults.drain(..)).for_each(|e| cx.fault(e));
                }
                _ => n_late += 1,
            }
        }
        if n_late > 0 {
            let of = self.chunks.len();
            let what = format!("{n_late} of {of} groups of CPUs did not tell their clocks in time");
            cx.fault(CollectError::at("", Reason::Timeout, what));
        }
        let cpus = || self.chunks.iter().flatten().filter(|chunk| chunk.fresh).flat_map(|chunk| &chunk.cpus);
        for (at, (_, desc)) in CLOCKS.iter().enumerate() {
            for cpu in cpus() {
                if let Some(Some(hertz)) = cpu.reading.hertz.get(at) {
                    page.sample(desc, &[&cpu.label], *hertz);
                }
            }
        }
        for cpu in cpus() {
            let Some((governor, available)) = &cpu.reading.governors else { continue };
            for name in sorted_words(available.text()) {
                let at_work = if name == governor.text() { 1.0 } else { 0.0 };
                page.sample(&GOVERNOR, &[cpu.label.as_slice(), name], at_work);
            }
        }
    }
}

/// The words of a short text in their order, each once; nothing is allocated.
fn sorted_words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let after = move |last: Option<&[u8]>| {
        let words = text.split(|&b| b == b' ').filter(|word| !word.is_empty());
        words.filter(|word| last.is_none_or(|last| *word > last)).min()
    };
    std::iter::successors(after(None), move |last| after(Some(last)))
}

impl Job for Box<Chunk> {
    fn run(&mut self) {
        self.fresh = true;
        for cpu in &mut self.cpus {
            cpu.reading = Reading::default();
        }
        for cpu in &mut self.cpus {
            cpu.read();
        }
    }

    fn panicked(&mut self, message: String) {
        self.panic = Some(message);
    }
}

impl Cpu {
    fn new(label: &[u8], dir: PathBuf) -> Self {
        let attr = |name: &str| KeptAttr::new(dir.join(name));
        Self {
            label: label.to_vec(),
            clocks: CLOCKS.map(|(file, _)| attr(file)),
            governor: attr("scaling_governor"),
            available: attr("scaling_available_governors"),
            reading: Reading::default(),
            dir,
        }
    }

    fn read(&mut self) {
        let mut way = Way::default();
        let governor = self.governor.read_by(&mut way);
        if governor.as_ref().is_err_and(is_absent) && !is_dir(&self.dir) {
            return;
        }
        let reading = &mut self.reading;
        for (hertz, attr) in reading.hertz.iter_mut().zip(&mut self.clocks) {
            match attr.read_by(&mut way) {
                Ok(text) => match parse_u64(text.text()) {
                    Some(khz) => *hertz = Some(khz as f64 * HERTZ_PER_KHZ),
                    None => reading.faults.push(bad_clock(attr.path(), &text)),
                },
                Err(e) if is_absent(&e) || is_denied(&e) => {}
                Err(e) => reading.faults.push(CollectError::io(attr.path(), e)),
            }
        }
        match (governor, self.available.read_by(&mut way)) {
            (Ok(governor), Ok(available)) => {
                reading.governors = (!governor.text().is_empty()).then_some((governor, available));
            }
            (Err(e), _) => reading.faults.push(CollectError::io(self.governor.path(), e)),
            (_, Err(e)) => reading.faults.push(CollectError::io(self.available.path(), e)),
        }
    }
}

fn bad_clock(path: &Path, found: &Attr) -> CollectError {
    BadField::new(1, "clock", "a whole number of kHz", found.text()).in_file(path)
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser =
    Parser::new("governors", |bytes| sorted_words(bytes).for_each(eat), b"performance powersave  schedutil\n");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{check, page_of};

    const OFFLINE: (&str, &str) = ("sys/devices/system/cpu/offline", "\n");

    #[test]
    fn clocks_and_governors_of_each_cpu() {
        check(
            &ROW,
            &[
                ("sys/devices/system/cpu/offline", "3\n"),
                ("sys/devices/system/cpu/cpu10/cpufreq/scaling_cur_freq", "1200000\n"),
                ("sys/devices/system/cpu/cpu10/cpufreq/scaling_governor", "schedutil\n"),
                ("sys/devices/system/cpu/cpu10/cpufreq/scaling_available_governors", "schedutil performance \n"),
                ("sys/devices/system/cpu/cpu2/cpufreq/cpuinfo_max_freq", "3000000\n"),
                ("sys/devices/system/cpu/cpu2/cpufreq/scaling_governor", "\n"),
                ("sys/devices/system/cpu/cpu2/cpufreq/scaling_available_governors", "performance\n"),
                ("sys/devices/system/cpu/cpu3/cpufreq/scaling_cur_freq", "1\n"),
                ("sys/devices/system/cpu/cpu4/topology/core_id", "1\n"),
            ],
            &[
                r#"node_cpu_frequency_max_hertz{cpu="2"} 3e+09"#,
                r#"node_cpu_scaling_frequency_hertz{cpu="10"} 1.2e+09"#,
                r#"node_cpu_scaling_governor{cpu="10",governor="performance"} 0"#,
                r#"node_cpu_scaling_governor{cpu="10",governor="schedutil"} 1"#,
            ],
            &[],
        );
    }

    #[test]
    fn a_bad_file_costs_its_sample() {
        check(
            &ROW,
            &[
                OFFLINE,
                ("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_cur_freq", "<unknown>\n"),
                ("sys/devices/system/cpu/cpu0/cpufreq/scaling_min_freq", ""),
                ("sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq", "5\n"),
                ("sys/devices/system/cpu/cpu0/cpufreq/scaling_available_governors", "performance\n"),
            ],
            &[r#"node_cpu_scaling_frequency_max_hertz{cpu="0"} 5000"#],
            &[
                "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_cur_freq:1: clock: expected a whole number of kHz, \
                 found \"<unknown>\"",
                "sys/devices/system/cpu/cpu0/cpufreq/scaling_min_freq:1: clock: expected a whole number of kHz, \
                 found \"\"",
                "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor: No such file or directory (os error 2)",
            ],
        );
    }

    #[test]
    fn without_a_driver_there_is_nothing() {
        check(&ROW, &[OFFLINE, ("sys/devices/system/cpu/cpu0/topology/core_id", "0\n")], &[], &[]);
        let unused = ("sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq", "5\n");
        check(&ROW, &[OFFLINE, unused, ("sys/devices/system/cpu/cpufreq/boost", "1\n")], &[], &[]);
    }

    #[test]
    fn lists_that_are_missing_or_broken() {
        check(
            &ROW,
            &[
                ("sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "7"),
                ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "a\n"),
                ("sys/devices/system/cpu/cpu0/cpufreq/scaling_available_governors", "a\n"),
            ],
            &[
                r#"node_cpu_scaling_frequency_hertz{cpu="0"} 7000"#,
                r#"node_cpu_scaling_governor{cpu="0",governor="a"} 1"#,
            ],
            &["sys/devices/system/cpu/offline: No such file or directory (os error 2)"],
        );
        check(&ROW, &[OFFLINE], &[], &["sys/devices/system/cpu: no CPU has a directory there"]);
        check(
            &ROW,
            &[
                ("sys/devices/system/cpu/offline", "x\n"),
                ("sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq", "5\n"),
                ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "a\n"),
                ("sys/devices/system/cpu/cpu0/cpufreq/scaling_available_governors", "a\n"),
            ],
            &[
                r#"node_cpu_scaling_frequency_max_hertz{cpu="0"} 5000"#,
                r#"node_cpu_scaling_governor{cpu="0",governor="a"} 1"#,
            ],
            &["sys/devices/system/cpu/offline:1: CPUs that are off: expected a list such as 1-3,8, found \"x\""],
        );
    }

    #[test]
    fn many_cpus_stay_in_order() {
        let files: Vec<String> =
            (0..100).map(|cpu| format!("sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq")).collect();
        let governors = files.iter().map(|file| file.replace("cur_freq", "governor")).collect::<Vec<_>>();
        let available = files.iter().map(|file| file.replace("cur_freq", "available_governors")).collect::<Vec<_>>();
        let mut tree = vec![OFFLINE];
        for file in &files {
            tree.push((file, "7\n"));
        }
        for file in governors.iter().chain(&available) {
            tree.push((file, "x\n"));
        }
        let (page, faults) = page_of(&ROW, &tree, &[]);
        assert!(faults.is_empty(), "{faults:?}");
        let mut labels: Vec<String> = (0..100).map(|cpu| cpu.to_string()).collect();
        labels.sort();
        let want: Vec<String> = labels
            .iter()
            .map(|cpu| format!("node_cpu_scaling_frequency_hertz{{cpu=\"{cpu}\"}} 7000"))
            .chain(labels.iter().map(|cpu| format!("node_cpu_scaling_governor{{cpu=\"{cpu}\",governor=\"x\"}} 1")))
            .collect();
        assert_eq!(page.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>(), want);
    }
}
