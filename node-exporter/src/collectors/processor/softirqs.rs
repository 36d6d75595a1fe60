//! Soft interrupts that each CPU serviced, by vector, from `/proc/softirqs`.
//!
//! * Source: kernel Documentation/filesystems/proc.rst, "softirqs".
//! * Units: soft interrupts; the counters are 32 bits wide and wrap.
//! * Absent when: never on Linux. The file has a column for every CPU that the machine could have.
//! * Differs from the Go exporter: `cpu` is the number of the CPU, where it counts the columns there; vectors that it does
//!   not know are shown as well; a malformed row costs itself.

use common::collector::{Collector, Row, Scrape};
use common::error::CollectError;
use common::exposition::{Desc, Page};

use crate::fs::KeptFile;
use crate::kernel::cpu_table::CpuTable;

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::off("softirqs", "soft interrupts by CPU and vector, /proc/softirqs", &[], |args| {
        Ok(Box::new(Softirqs { file: KeptFile::of_proc(args, "softirqs"), table: CpuTable::default() }))
    });

const FUNCTIONS: Desc =
    Desc::counter("node_softirqs_functions_total", "Soft interrupts that the CPU serviced.", &["cpu", "type"]);

struct Softirqs {
    file: KeptFile,
    table: CpuTable<Vec<u8>>,
}

impl Collector for Softirqs {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let read = self.table.read(self.file.read()?, |vector, _| (!vector.is_empty()).then(|| vector.to_vec()));
        let path = self.file.path();
        for bad in read.map_err(|bad| bad.in_file(path))? {
            cx.fault(bad.in_file(path));
        }
        for (cpu, vector, count) in self.table.iter() {
            page.sample(&FUNCTIONS, &[cpu.as_bytes(), vector], count as f64);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check;

    #[test]
    fn good() {
        let text = "                    CPU0       CPU3       \n          HI:          7          1\n     NET_TX:  4294967295  0\n";
        check(
            &ROW,
            &[("proc/softirqs", text)],
            &[
                "node_softirqs_functions_total{cpu=\"0\",type=\"HI\"} 7",
                "node_softirqs_functions_total{cpu=\"0\",type=\"NET_TX\"} 4.294967295e+09",
                "node_softirqs_functions_total{cpu=\"3\",type=\"HI\"} 1",
                "node_softirqs_functions_total{cpu=\"3\",type=\"NET_TX\"} 0",
            ],
            &[],
        );
        check(&ROW, &[], &[], &["proc/softirqs: No such file or directory (os error 2)"]);
    }

    #[test]
    fn cut_short_and_garbage() {
        check(
            &ROW,
            &[("proc/softirqs", "\n")],
            &[],
            &["proc/softirqs:1: header: expected the names of the CPUs, found \"\""],
        );
        check(
            &ROW,
            &[("proc/softirqs", "CPU0\nHI: x\n: 4\n\u{1}\nRCU: 5\nSCHED:")],
            &["node_softirqs_functions_total{cpu=\"0\",type=\"RCU\"} 5"],
            &["proc/softirqs:2: count: expected a whole number, found \"x\""],
        );
    }
}
