//! Tasks that hung, from `/proc/sys/kernel/hung_task_detect_count`.
//!
//! * Source: kernel Documentation/admin-guide/sysctl/kernel.rst, "hung_task_detect_count"; Linux 6.15.
//! * Units: tasks that the kernel found waiting for longer than `hung_task_timeout_secs`; writing 0 starts anew.
//! * Absent when: the kernel is older or does not look for hung tasks: no data.
//! * Differs from the Go exporter: nothing.

use common::collector::{Collector, Row, Scrape};
use common::error::CollectError;
use common::exposition::{Desc, Page};
use common::fields::parse_u64;

use crate::fs::{KeptAttr, proc_path};

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::on("kernel_hung", "tasks that hung, /proc/sys/kernel/hung_task_detect_count", &[], |args| {
        Ok(Box::new(KernelHung { count: KeptAttr::new(proc_path(args, "sys/kernel/hung_task_detect_count")) }))
    });

const TASKS: Desc = Desc::counter("node_kernel_hung_tasks_total", "Tasks that the kernel found hanging.", &[]);

struct KernelHung {
    count: KeptAttr,
}

impl Collector for KernelHung {
    fn update(&mut self, _cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let count = self.count.number("hung tasks", parse_u64);
        let count = count.map_err(|e| e.absent_is_no_data("the kernel does not count hung tasks"))?;
        page.sample::<&str>(&TASKS, &[], count as f64);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check;

    const FILE: &str = "proc/sys/kernel/hung_task_detect_count";

    #[test]
    fn good() {
        check(&ROW, &[(FILE, "7\n")], &["node_kernel_hung_tasks_total 7"], &[]);
        check(&ROW, &[(FILE, "18446744073709551615")], &["node_kernel_hung_tasks_total 1.8446744073709552e+19"], &[]);
        check(&ROW, &[], &[], &["no data: the kernel does not count hung tasks"]);
    }

    #[test]
    fn cut_short_and_garbage() {
        for text in ["", "-1", "18446744073709551616", "7 8"] {
            let problem = format!(
                "proc/sys/kernel/hung_task_detect_count:1: hung tasks: expected a whole number, found {text:?}"
            );
            check(&ROW, &[(FILE, text)], &[], &[&problem]);
        }
        check(
            &ROW,
            &[("proc/sys/kernel/hung_task_detect_count/", "")],
            &[],
            &["proc/sys/kernel/hung_task_detect_count: Is a directory (os error 21)"],
        );
    }
}
