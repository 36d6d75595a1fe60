//! Events of hardware, kernel and caches on each CPU, and tracepoints that flags name, from perf_event_open(2).
//!
//! * Source: perf_event_open(2); numbers of tracepoints are in `events/<subsystem>/<event>/id` of tracefs.
//! * Units: events since the first scrape, or since the CPU came back; each event has a counter of its own per CPU, as in
//!   the Go exporter. What the hardware has counters for only in turns is not scaled up, because an estimate can
//!   fall; an event whose turn has not come yet is left out.
//! * Absent when: a CPU has no counter for an event; in a virtual machine that is mostly true for hardware and caches.
//! * Differs from the Go exporter: all CPUs that are online now are counted, not as many as this process may use, and
//!   counters of a CPU that comes back are opened anew. What is not permitted is a failure that says what would be needed,
//!   and a tracepoint that does not exist costs itself, where it has no samples or does not start.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError, ConfigError, Reason, is_absent, is_denied};
use common::exposition::{Desc, Page};
use common::fields::{parse_cpu_list, parse_u64};
use common::flags::{Args, Flag};
use common::fuzzing::{Parser, eat};
use common::sandbox::Need;

use crate::fs::{KeptFile, read_attr, sys_path};
use crate::kernel::MOST_CPUS;
use crate::kernel::cpu_labels::CpuLabels;
use crate::kernel::perf_event::{Counter, Event};

mod events;

use events::{CACHE_EVENTS, HARDWARE_EVENTS, Named, SOFTWARE_EVENTS, TRACEPOINT};

const CPUS: &str = "collector.perf.cpus";
const TRACEPOINTS: &str = "collector.perf.tracepoint";
const NO_HARDWARE: &str = "collector.perf.disable-hardware-profilers";
const HARDWARE: &str = "collector.perf.hardware-profilers";
const NO_SOFTWARE: &str = "collector.perf.disable-software-profilers";
const SOFTWARE: &str = "collector.perf.software-profilers";
const NO_CACHE: &str = "collector.perf.disable-cache-profilers";
const CACHE: &str = "collector.perf.cache-profilers";

const FLAGS: &[Flag] = &[
    Flag::text(CPUS, "", "CPUs to watch: numbers, a-b or a-b:stride; empty for all."),
    Flag::text(TRACEPOINTS, "", "Tracepoint to count, as subsystem:event. Repeatable.").repeatable(),
    Flag::switch(NO_HARDWARE, false, "Leaves the hardware events alone."),
    Flag::text(HARDWARE, "", "Hardware event to count, for all when none. Repeatable.").repeatable(),
    Flag::switch(NO_SOFTWARE, false, "Leaves the software events alone."),
    Flag::text(SOFTWARE, "", "Software event to count, for all when none. Repeatable.").repeatable(),
    Flag::switch(NO_CACHE, false, "Leaves the cache events alone."),
    Flag::text(CACHE, "", "Cache event to count, for all when none. Repeatable.").repeatable(),
];

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row {
    needs: |_| vec![Need::PerfEvents],
    ..Row::off("perf", "events of hardware, kernel and caches on each CPU, perf_event_open(2)", FLAGS, |args| {
        let wanted = match args.text(CPUS) {
            "" => None,
            text => Some(parse_cpus(text.as_bytes()).ok_or_else(|| {
                ConfigError::new(format!("--{CPUS}: expected numbers, a-b or a-b:stride, found {text:?}"))
            })?),
        };
        let mut watches = Vec::new();
        for (off, names, known) in [
            (NO_HARDWARE, HARDWARE, HARDWARE_EVENTS),
            (NO_SOFTWARE, SOFTWARE, SOFTWARE_EVENTS),
            (NO_CACHE, CACHE, CACHE_EVENTS),
        ] {
            if !args.on(off) {
                watches.extend(chosen(known, names, &args.list(names)).map(Watch::of));
            }
        }
        let mut tracepoints = args.list(TRACEPOINTS);
        tracepoints.sort();
        tracepoints.dedup();
        for name in tracepoints {
            watches.push(Watch::tracepoint(args, &name)?);
        }
        Ok(Box::new(Perf {
            online: KeptFile::new(sys_path(args, "devices/system/cpu/online")),
            wanted,
            watches,
            cpus: Vec::new(),
            labels: CpuLabels::default(),
            before: None,
        }))
    })
};

/// The events a flag names, or all of them when it names none.
fn chosen<'n>(
    known: &'static [Named],
    flag: &str,
    names: &'n [String],
) -> impl Iterator<Item = &'static Named> + use<'n> {
    for name in names.iter().filter(|name| known.iter().all(|it| it.profiler != **name)) {
        tracing::warn!("perf: --{flag}: there is no event {name:?}");
    }
    known.iter().filter(|it| names.is_empty() || names.iter().any(|name| it.profiler == name))
}

/// An event that is watched on all CPUs.
struct Watch {
    family: Cow<'static, str>,
    help: Cow<'static, str>,
    event: Option<Event>,
    /// Where the number of a tracepoint may be.
    ids: [PathBuf; 2],
}

impl Watch {
    fn of(named: &'static Named) -> Self {
        let (family, help) = (Cow::Borrowed(named.family), Cow::Borrowed(named.help));
        Self { family, help, event: Some(named.event), ids: Default::default() }
    }

    fn tracepoint(args: &Args, name: &str) -> Result<Self, ConfigError> {
        let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        match name.split_once(':') {
            Some((subsystem, event)) if is_word(subsystem) && is_word(event) => Ok(Self {
                family: format!("node_perf_{subsystem}_{event}").into(),
                help: format!("Times that the tracepoint {subsystem}:{event} was passed.").into(),
                event: None,
                ids: ["kernel/tracing", "kernel/debug/tracing"]
                    .map(|root| sys_path(args, root).join("events").join(subsystem).join(event).join("id")),
            }),
            _ => Err(ConfigError::new(format!("--{TRACEPOINTS}: expected subsystem:event, found {name:?}"))),
        }
    }

    /// The event; that of a tracepoint has to be asked for once.
    fn event(&mut self) -> Result<Event, CollectError> {
        if let Some(event) = self.event {
            return Ok(event);
        }
        let [first, second] = &self.ids;
        let (path, id) = match read_attr(first) {
            Err(e) if is_absent(&e) => match read_attr(second) {
                Err(other) if is_absent(&other) => (first, Err(e)),
                read => (second, read),
            },
            read => (first, read),
        };
        let id = id.map_err(|e| CollectError::io(path, e))?;
        let config = id.number(path, "number of the tracepoint", parse_u64)?;
        Ok(*self.event.insert(Event { kind: TRACEPOINT, config }))
    }
}

struct Perf {
    online: KeptFile,
    /// Sorted.
    wanted: Option<Vec<u32>>,
    watches: Vec<Watch>,
    cpus: Vec<Cpu>,
    labels: CpuLabels,
    before: Option<Instant>,
}

struct Cpu {
    number: u32,
    /// As many as there are watches.
    slots: Vec<Slot>,
}

/// What an event has on a CPU.
enum Slot {
    Closed,
    Unsupported,
    Open { counter: Counter, enabled: u64 },
}

impl Collector for Perf {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        self.follow_cpus()?;
        let rested = self.before.replace(Instant::now()).is_some_and(|before| before.elapsed() > LEAST_REST);
        let mut denied: Option<(&str, io::Error)> = None;
        for (at, watch) in self.watches.iter_mut().enumerate() {
            let Some(event) = cx.ok(watch.event()) else { continue };
            let desc = Desc::counter(&watch.family, &watch.help, &["cpu"]);
            let mut failed = None;
            for (label, place) in self.labels.iter() {
                let Some(cpu) = self.cpus.get_mut(place) else { continue };
                let Some(slot) = cpu.slots.get_mut(at) else { continue };
                match slot.count(event, cpu.number, rested) {
                    Ok(Some(count)) => page.sample(&desc, &[label], count as f64),
                    Ok(None) => {}
                    Err(e) if is_denied(&e) => {
                        denied.get_or_insert((&watch.family, e));
                        break;
                    }
                    Err(e) => {
                        failed.get_or_insert((label, e));
                    }
                }
            }
            if let Some((label, e)) = failed {
                cx.fault(CollectError::call(format!("{} on CPU {label}", watch.family), &e));
            }
        }
        match denied {
            Some((first, e)) => {
                let what = format!(
                    "perf_event_open: {e}: CAP_PERFMON is needed, or a kernel.perf_event_paranoid of 0 or less, \
                 for tracepoints of -1"
                );
                Err(CollectError::at(first, Reason::Permission, what))
            }
            None => Ok(()),
        }
    }
}

/// The clock of the counters may be a coarse one: standing still means something only after this.
const LEAST_REST: Duration = Duration::from_millis(500);

impl Perf {
    /// Keeps what is there of the CPUs that are still online, and makes room for new ones.
    fn follow_cpus(&mut self) -> Result<(), CollectError> {
        let text = self.online.read()?;
        let online = parse_cpu_list(text).ok_or_else(|| BadField::new(1, "CPUs", "a list of CPUs", text));
        let mut online = online.map_err(|bad| bad.in_file(self.online.path()))?;
        online.retain(|cpu| self.wanted.as_ref().is_none_or(|wanted| wanted.binary_search(cpu).is_ok()));
        if self.labels.update(online.iter().copied()) {
            let mut before = std::mem::take(&mut self.cpus);
            let watches = self.watches.len();
            self.cpus.extend(online.into_iter().map(
                |number| match before.iter().position(|cpu| cpu.number == number) {
                    Some(at) => before.swap_remove(at),
                    None => Cpu { number, slots: (0..watches).map(|_| Slot::Closed).collect() },
                },
            ));
        }
        Ok(())
    }
}

impl Slot {
    /// Events so far, if they are counted; `rested` tells that the last scrape was a while ago.
    fn count(&mut self, event: Event, cpu: u32, rested: bool) -> io::Result<Option<u64>> {
        if let Self::Open { counter, enabled } = self {
            match counter.read() {
                Ok(reading) if !rested || reading.enabled > *enabled => {
                    *enabled = reading.enabled;
                    return Ok((reading.running > 0).then_some(reading.value));
                }
                // The CPU was away in between: this counter never counts again.
                _ => *self = Self::Closed,
            }
        }
        if matches!(self, Self::Unsupported) {
            return Ok(None);
        }
        match Counter::open(event, cpu) {
            Ok(counter) => {
                let reading = counter.read()?;
                *self = Self::Open { counter, enabled: reading.enabled };
                Ok((reading.running > 0).then_some(reading.value))
            }
            // The CPU is on its way in or out.
            Err(e) if e.raw_os_error() == Some(libc::ENODEV) => Ok(None),
            Err(e) if is_absent(&e) || e.raw_os_error() == Some(libc::EINVAL) => {
                *self = Self::Unsupported;
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }
}

/// Numbers, `a-b` and `a-b:stride`, separated by commas; sorted, each once.
fn parse_cpus(text: &[u8]) -> Option<Vec<u32>> {
    let number = |text: &[u8]| u32::try_from(parse_u64(text)?).ok().filter(|n| (*n as usize) < MOST_CPUS);
    let mut cpus = Vec::new();
    for part in text.split(|&b| b == b',').take(MOST_CPUS) {
        let (first, rest) = match part.iter().position(|&b| b == b'-') {
            Some(at) => (part.get(..at)?, part.get(at + 1..)),
            None => (part, None),
        };
        let first = number(first)?;
        let Some(rest) = rest else {
            cpus.push(first);
            continue;
        };
        let (last, stride) = match rest.iter().position(|&b| b == b':') {
            Some(at) => (rest.get(..at)?, number(rest.get(at + 1..)?).filter(|stride| *stride > 0)?),
            None => (rest, 1),
        };
        cpus.extend((first..=number(last)?).step_by(stride as usize));
        cpus.sort_unstable();
        cpus.dedup();
    }
    cpus.sort_unstable();
    cpus.dedup();
    Some(cpus)
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser =
    Parser::new("CPUs to watch", |bytes| eat(parse_cpus(bytes)), b"0-3,8,16-31:2");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    const ONLINE: &str = "sys/devices/system/cpu/online";
    const FAULTS_ALONE: [(&str, &str); 4] =
        [(NO_HARDWARE, "true"), (NO_CACHE, "true"), (SOFTWARE, "PageFault"), (CPUS, "0-1000:500")];

    /// Whether this process may count at all; sandboxes often forbid it.
    fn permitted() -> bool {
        Counter::open(Event { kind: 1, config: 2 }, 0).is_ok()
    }

    #[test]
    fn cpus_are_followed() {
        let mut rig = Rig::new(&ROW, &[(ONLINE, "0\n")], &FAULTS_ALONE);
        let first = rig.samples();
        if !permitted() {
            assert!(first.starts_with("! node_perf_page_faults_total: perf_event_open: "), "{first}");
            return;
        }
        assert!(first.starts_with("node_perf_page_faults_total{cpu=\"0\"} "), "{first}");
        assert_eq!(first.lines().count(), 1, "{first}");
        // In the list of CPUs, and not there yet as far as the kernel goes.
        rig.plant(&[(ONLINE, "1,1000\n")]);
        assert_eq!(rig.samples(), "");
        rig.plant(&[(ONLINE, "0-2,1000\n")]);
        let again = rig.samples();
        assert!(again.starts_with("node_perf_page_faults_total{cpu=\"0\"} "), "{again}");
        rig.plant(&[(ONLINE, "no list\n")]);
        assert_eq!(
            rig.samples(),
            "! sys/devices/system/cpu/online:1: CPUs: expected a list of CPUs, found \"no list\\n\"\n"
        );
    }

    #[test]
    fn a_counter_that_stands_still_is_opened_anew() {
        let (event, mut slot) = (Event { kind: 1, config: 2 }, Slot::Closed);
        if !permitted() {
            return;
        }
        assert!(slot.count(event, 0, false).is_ok());
        if let Slot::Open { enabled, .. } = &mut slot {
            *enabled = u64::MAX;
        }
        assert!(slot.count(event, 0, true).is_ok());
        assert!(matches!(slot, Slot::Open { enabled, .. } if enabled < u64::MAX));
    }

    #[test]
    fn a_tracepoint_costs_itself() {
        let flags = [FAULTS_ALONE[0], FAULTS_ALONE[1], (NO_SOFTWARE, "true"), (TRACEPOINTS, "sched:sched_switch")];
        let mut rig = Rig::new(&ROW, &[(ONLINE, "0\n")], &flags);
        let missing = "! sys/kernel/tracing/events/sched/sched_switch/id: No such file or directory (os error 2)\n";
        assert_eq!(rig.samples(), missing);
        rig.plant(&[("sys/kernel/debug/tracing/events/sched/sched_switch/id", "x\n")]);
        assert!(rig.samples().contains("number of the tracepoint: expected a whole number, found \"x\""));
        rig.plant(&[("sys/kernel/debug/tracing/events/sched/sched_switch/id", "4294967295\n")]);
        // A number that no tracepoint has.
        let unknown = rig.samples();
        assert!(unknown.is_empty() || !permitted(), "{unknown}");
    }

    #[test]
    fn flags_are_checked() {
        let refused = |flag: &'static str, value: &str| {
            let mut args = Args::defaults(FLAGS.iter().chain(crate::fs::FLAGS));
            args.set(flag, vec![value.to_owned()], true);
            (ROW.new)(&args).err().map(|e| e.to_string())
        };
        assert_eq!(refused(TRACEPOINTS, "sched:sched_switch"), None);
        assert_eq!(refused(CPUS, "0-7:2,9"), None);
        for bad in ["sched", "a:b:c", ":b", "a:", "../a:b"] {
            let want = format!("--collector.perf.tracepoint: expected subsystem:event, found {bad:?}");
            assert_eq!(refused(TRACEPOINTS, bad), Some(want));
        }
        let want = "--collector.perf.cpus: expected numbers, a-b or a-b:stride, found \"x\"".to_owned();
        assert_eq!(refused(CPUS, "x"), Some(want));
    }

    #[test]
    fn lists_of_cpus() {
        for (text, want) in [("3", vec![3]), ("2,0-1,1", vec![0, 1, 2]), ("0-7:3", vec![0, 3, 6]), ("1-0", vec![])] {
            assert_eq!(parse_cpus(text.as_bytes()), Some(want), "{text}");
        }
        for bad in ["", "x", "0-", "-1", "0-1:0", "0-1:", "0:2", "1,", " 1", "70000", "0-99999999999"] {
            assert_eq!(parse_cpus(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn names_are_unique() {
        let all = || [HARDWARE_EVENTS, SOFTWARE_EVENTS, CACHE_EVENTS].into_iter().flatten();
        assert_eq!(all().count(), 30);
        for (at, named) in all().enumerate() {
            let same = |other: &&Named| other.family == named.family || other.event == named.event;
            assert_eq!(all().skip(at + 1).filter(same).count(), 0, "{}", named.profiler);
        }
        let wanted = ["BPUReadMiss".to_owned(), "nonsense".to_owned()];
        let chosen: Vec<&str> = chosen(CACHE_EVENTS, CACHE, &wanted).map(|it| it.profiler).collect();
        assert_eq!(chosen, ["BPUReadMiss"]);
    }
}
