//! Interrupts, context switches, forks and waiting tasks from `/proc/stat`.
//!
//! * Source: kernel Documentation/filesystems/proc.rst, "Miscellaneous kernel statistics in /proc/stat".
//! * Units: events, tasks; seconds since the epoch for the start of the system.
//! * Absent when: never on Linux.
//! * Differs from the Go exporter: a line that is missing has no sample, where that shows 0; a malformed one costs
//!   itself, and the lines of the CPUs are none of this collector's business.

use common::collector::{Collector, Row, Scrape};
use common::error::CollectError;
use common::exposition::{Desc, Page};
use common::flags::Flag;

use crate::fs::KeptFile;
use crate::kernel::proc_stat::{self, Reading, VECTORS};

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::on("stat", "interrupts, context switches and tasks, /proc/stat", FLAGS, |args| {
        Ok(Box::new(Stat {
            file: KeptFile::of_proc(args, "stat").in_one_piece(),
            softirq: args.on("collector.stat.softirq"),
        }))
    });

const FLAGS: &[Flag] = &[Flag::switch("collector.stat.softirq", false, "Soft interrupts by vector.")];

const INTERRUPTS: Desc = Desc::counter("node_intr_total", "Interrupts serviced.", &[]);
const CONTEXT_SWITCHES: Desc = Desc::counter("node_context_switches_total", "Context switches on all CPUs.", &[]);
const FORKS: Desc = Desc::counter("node_forks_total", "Processes and threads created.", &[]);
const BOOT_TIME: Desc =
    Desc::gauge("node_boot_time_seconds", "When the system was started, in seconds since 1970.", &[]);
const RUNNING: Desc = Desc::gauge("node_procs_running", "Tasks that run or could run.", &[]);
const BLOCKED: Desc = Desc::gauge("node_procs_blocked", "Tasks that wait for I/O to complete.", &[]);
const SOFTIRQS: Desc = Desc::counter("node_softirqs_total", "Soft interrupts serviced.", &["vector"]);

struct Stat {
    file: KeptFile,
    softirq: bool,
}

impl Collector for Stat {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let totals = proc_stat::totals(self.file.read()?);
        let path = self.file.path();
        let mut known = |reading: Reading<f64>| cx.ok(reading?.map_err(|bad| bad.in_file(path)));
        for (desc, reading) in [
            (&INTERRUPTS, totals.interrupts),
            (&CONTEXT_SWITCHES, totals.context_switches),
            (&FORKS, totals.forks),
            (&BOOT_TIME, totals.boot_time),
            (&RUNNING, totals.running),
            (&BLOCKED, totals.blocked),
        ] {
            if let Some(value) = known(reading) {
                page.sample::<&str>(desc, &[], value);
            }
        }
        if self.softirq
            && let Some(counts) = totals.softirqs
            && let Some(counts) = cx.ok(counts.map_err(|bad| bad.in_file(path)))
        {
            let mut vectors: [(&str, f64); VECTORS.len()] = Default::default();
            for (slot, vector) in vectors.iter_mut().zip(VECTORS.into_iter().zip(counts)) {
                *slot = vector;
            }
            vectors.sort_unstable_by_key(|(vector, _)| *vector);
            for (vector, count) in vectors {
                page.sample(&SOFTIRQS, &[vector], count);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::page_of;

    #[track_caller]
    fn check(stat: &str, want: &[&str], want_faults: &[&str]) {
        let (page, faults) = page_of(&ROW, &[("proc/stat", stat)], &[("collector.stat.softirq", "true")]);
        assert_eq!(page.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>(), want);
        assert_eq!(faults, want_faults);
    }

    #[test]
    fn good() {
        check(
            "cpu 1 x\nintr 10 1 2 3\nctxt 20\nbtime 1700000000\nprocesses 30\nprocs_running 4\nprocs_blocked 5\n\
             softirq 55 1 2 3 4 5 6 7 8 9 10\n",
            &[
                "node_boot_time_seconds 1.7e+09",
                "node_context_switches_total 20",
                "node_forks_total 30",
                "node_intr_total 10",
                "node_procs_blocked 5",
                "node_procs_running 4",
                r#"node_softirqs_total{vector="block"} 5"#,
                r#"node_softirqs_total{vector="block_iopoll"} 6"#,
                r#"node_softirqs_total{vector="hi"} 1"#,
                r#"node_softirqs_total{vector="hrtimer"} 9"#,
                r#"node_softirqs_total{vector="net_rx"} 4"#,
                r#"node_softirqs_total{vector="net_tx"} 3"#,
                r#"node_softirqs_total{vector="rcu"} 10"#,
                r#"node_softirqs_total{vector="sched"} 8"#,
                r#"node_softirqs_total{vector="tasklet"} 7"#,
                r#"node_softirqs_total{vector="timer"} 2"#,
            ],
            &[],
        );
    }

    #[test]
    fn cut_short() {
        check("intr 10 1 2\nctx", &["node_intr_total 10"], &[]);
        let (_, faults) = page_of(&ROW, &[], &[]);
        assert_eq!(faults, ["proc/stat: No such file or directory (os error 2)"]);
    }

    #[test]
    fn garbage() {
        check(
            "intr x\nctxt 2\nsoftirq 1 2 3\n",
            &["node_context_switches_total 2"],
            &[
                "proc/stat:1: interrupts: expected a whole number, found \"x\"",
                "proc/stat:3: net_tx: expected a whole number, found \"\"",
            ],
        );
    }

    #[test]
    fn soft_interrupts_only_on_request() {
        let (page, faults) = page_of(&ROW, &[("proc/stat", "softirq 1\nprocesses 2\n")], &[]);
        assert!(page.ends_with("node_forks_total 2\n") && !page.contains("softirq"), "{page}");
        assert!(faults.is_empty());
    }
}
