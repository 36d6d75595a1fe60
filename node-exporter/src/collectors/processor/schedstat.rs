//! Time tasks ran and waited on each CPU, from `/proc/schedstat`.
//!
//! * Source: kernel Documentation/scheduler/sched-stats.rst, seventh to ninth number of a CPU's line.
//! * Units: files have nanoseconds, we export seconds.
//! * Absent when: the kernel is built without CONFIG_SCHEDSTATS: no data.
//! * Differs from the Go exporter: nothing.

use common::collector::{Collector, Row, Scrape};
use common::error::CollectError;
use common::exposition::{Desc, Page};
use common::fields::{Words, lines, parse_u64};
use common::fuzzing::{Parser, eat};

use crate::fs::KeptFile;
use crate::kernel::MOST_CPUS;
use crate::kernel::cpu_labels::CpuLabels;

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::on("schedstat", "time tasks ran and waited for a CPU, /proc/schedstat", &[], |args| {
        let file = KeptFile::of_proc(args, "schedstat");
        Ok(Box::new(Schedstat { file, cpus: Vec::new(), labels: CpuLabels::default() }))
    });

const RUNNING: Desc =
    Desc::counter("node_schedstat_running_seconds_total", "Seconds that tasks ran on the CPU.", &["cpu"]);
const WAITING: Desc =
    Desc::counter("node_schedstat_waiting_seconds_total", "Seconds that tasks waited to run on the CPU.", &["cpu"]);
const TIMESLICES: Desc = Desc::counter("node_schedstat_timeslices_total", "Time slices run on the CPU.", &["cpu"]);

struct Schedstat {
    file: KeptFile,
    cpus: Vec<Cpu>,
    labels: CpuLabels,
}

impl Collector for Schedstat {
    fn update(&mut self, _cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let text = self.file.read().map_err(|e| e.absent_is_no_data("the kernel keeps no scheduler statistics"))?;
        self.cpus.clear();
        self.cpus.extend(cpus(text));
        self.labels.update(self.cpus.iter().map(|cpu| cpu.number));
        for (desc, figure) in FAMILIES {
            for (label, place) in self.labels.iter() {
                if let Some(cpu) = self.cpus.get(place) {
                    page.sample(desc, &[label], figure(cpu));
                }
            }
        }
        Ok(())
    }
}

type Family = (&'static Desc<'static>, fn(&Cpu) -> f64);
const FAMILIES: [Family; 3] =
    [(&RUNNING, |cpu| cpu.running_seconds), (&WAITING, |cpu| cpu.waiting_seconds), (&TIMESLICES, |cpu| cpu.timeslices)];

#[derive(Debug, PartialEq)]
struct Cpu {
    number: u32,
    running_seconds: f64,
    waiting_seconds: f64,
    timeslices: f64,
}

const NANOSECONDS: f64 = 1e9;

/// The CPUs in the order of the file; lines that are not of the known form are skipped.
fn cpus(text: &[u8]) -> impl Iterator<Item = Cpu> {
    lines(text).filter(|(_, line)| line.starts_with(b"cpu")).filter_map(|(_, line)| parse_cpu(line)).take(MOST_CPUS)
}

fn parse_cpu(line: &[u8]) -> Option<Cpu> {
    let mut words = Words::of(line);
    let number = u32::try_from(parse_u64(words.next()?.strip_prefix(b"cpu")?)?).ok()?;
    let mut numbers = words.map(parse_u64);
    for _ in 0..6 {
        numbers.next()??;
    }
    let mut next = || Some(numbers.next()?? as f64);
    Some(Cpu {
        number,
        running_seconds: next()? / NANOSECONDS,
        waiting_seconds: next()? / NANOSECONDS,
        timeslices: next()?,
    })
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser =
    Parser::new("schedstat", |bytes| cpus(bytes).for_each(eat), b"version 17\ntimestamp 4\ncpu0 0 0 0 0 0 0 982341234567 12345678901 40123456\ndomain0 f 0 0\ncpu1 0 0 0 0 0 0 1 2 3\n");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::page_of;

    #[test]
    fn good() {
        let text = "version 15\ntimestamp 1\ncpu0 1 0 3 4 5 6 1500000000 250000000 9\ndomain0 0,3 1 2\n\
                    cpu11 1 0 3 4 5 6 7 8 9 10\ncpu2 0 0 0 0 0 0 1000000000 0 3\n";
        let (page, faults) = page_of(&ROW, &[("proc/schedstat", text)], &[]);
        let values: Vec<&str> = page.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            values,
            [
                r#"node_schedstat_running_seconds_total{cpu="0"} 1.5"#,
                r#"node_schedstat_running_seconds_total{cpu="11"} 7e-09"#,
                r#"node_schedstat_running_seconds_total{cpu="2"} 1"#,
                r#"node_schedstat_timeslices_total{cpu="0"} 9"#,
                r#"node_schedstat_timeslices_total{cpu="11"} 9"#,
                r#"node_schedstat_timeslices_total{cpu="2"} 3"#,
                r#"node_schedstat_waiting_seconds_total{cpu="0"} 0.25"#,
                r#"node_schedstat_waiting_seconds_total{cpu="11"} 8e-09"#,
                r#"node_schedstat_waiting_seconds_total{cpu="2"} 0"#,
            ]
        );
        assert!(faults.is_empty());
    }

    #[test]
    fn cut_short() {
        assert_eq!(cpus(b"cpu0 1 2 3 4 5 6 7 8").count(), 0);
        assert_eq!(cpus(b"").count(), 0);
        assert_eq!(page_of(&ROW, &[], &[]).1, ["no data: the kernel keeps no scheduler statistics"]);
    }

    #[test]
    fn garbage() {
        assert_eq!(
            cpus(b"cpu 1 2 3 4 5 6 7 8 9\ncpux 1\ncpu1 a 2 3 4 5 6 7 8 9\ncpu2 1 2 3 4 5 6 7 8 -9\n\xff").count(),
            0
        );
    }
}
