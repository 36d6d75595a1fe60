//! Interrupts that each CPU took, by what caused them, from `/proc/interrupts`.
//!
//! * Source: kernel Documentation/filesystems/proc.rst, "interrupts".
//! * Units: interrupts; the counters are 32 bits wide and wrap.
//! * Absent when: never on Linux. Rows that do not count by CPU (ERR, MIS) are left out.
//! * Differs from the Go exporter: `cpu` is the number of the CPU, where it counts the columns there: another CPU once one
//!   of them is switched off. A malformed row costs itself.

use common::collector::{Collector, Row, Scrape};
use common::error::CollectError;
use common::exposition::{Desc, Page};
use common::fields::{Words, parse_u64};
use common::filter::Filter;
use common::flags::Flag;

use crate::fs::KeptFile;
use crate::kernel::cpu_table::CpuTable;

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::off("interrupts", "interrupts by CPU and cause, /proc/interrupts", FLAGS, |args| {
        Ok(Box::new(Interrupts {
            file: KeptFile::of_proc(args, "interrupts"),
            filter: Filter::from_args(args, "collector.interrupts.name-include", "collector.interrupts.name-exclude")?,
            per_cpu: args.on(PER_CPU),
            total: args.on(TOTAL),
            zeros: args.on("collector.interrupts.include-zeros"),
            table: CpuTable::default(),
        }))
    });

const PER_CPU: &str = "collector.interrupts.per-cpu";
const TOTAL: &str = "collector.interrupts.total";

const FLAGS: &[Flag] = &[
    Flag::text("collector.interrupts.name-include", "", "Pattern for the interrupts to keep: type;info;devices."),
    Flag::text("collector.interrupts.name-exclude", "", "Pattern for the interrupts to leave out: type;info;devices."),
    Flag::switch("collector.interrupts.include-zeros", true, "Interrupts that a CPU never had, too."),
    Flag::switch(PER_CPU, true, "Interrupts of each CPU."),
    Flag::switch(TOTAL, false, "Interrupts of all CPUs together, as a family of their own."),
];

const INTERRUPTS: Desc =
    Desc::counter("node_interrupts_total", "Interrupts that the CPU took.", &["cpu", "devices", "info", "type"]);

const ALL: Desc = Desc::counter(
    "node_interrupts_all_cpus_total",
    "Interrupts that the CPUs which are on took together.",
    &["devices", "info", "type"],
);

struct Interrupts {
    file: KeptFile,
    filter: Filter,
    per_cpu: bool,
    total: bool,
    zeros: bool,
    table: CpuTable<Cause>,
}

/// What a row is about, as label values; the order is that of the labels.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cause {
    devices: Vec<u8>,
    info: Vec<u8>,
    kind: Vec<u8>,
}

impl Collector for Interrupts {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let filter = &self.filter;
        let read = self.table.read(self.file.read()?, |name, text| {
            Cause::of(name, text).filter(|cause| filter.judges(&cause.full_name()))
        });
        let path = self.file.path();
        for bad in read.map_err(|bad| bad.in_file(path))? {
            cx.fault(bad.in_file(path));
        }
        if self.per_cpu {
            for (cpu, cause, count) in self.table.iter() {
                if count > 0 || self.zeros {
                    let values = [cpu.as_bytes(), &cause.devices, &cause.info, &cause.kind];
                    page.sample(&INTERRUPTS, &values, count as f64);
                }
            }
        }
        if self.total {
            for (cause, sum) in self.table.sums() {
                if sum > 0.0 || self.zeros {
                    page.sample(&ALL, &[&cause.devices, &cause.info, &cause.kind], sum);
                }
            }
        }
        Ok(())
    }
}

impl Cause {
    /// A numbered row has the name of the interrupt controller and then that of the devices; any other one a
    /// description.
    fn of(name: &[u8], text: &[u8]) -> Option<Self> {
        let mut words = Words::of(text).peekable();
        words.peek()?;
        let kind = name.to_vec();
        if parse_u64(name).is_none() {
            return Some(Self { devices: Vec::new(), info: joined(words), kind });
        }
        let info = words.next().unwrap_or_default().to_vec();
        Some(Self { devices: joined(words), info, kind })
    }

    fn full_name(&self) -> Vec<u8> {
        [self.kind.as_slice(), &self.info, &self.devices].join(&b';')
    }
}

fn joined<'t>(words: impl Iterator<Item = &'t [u8]>) -> Vec<u8> {
    words.collect::<Vec<_>>().join(&b' ')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::samples_of;
    use crate::testing::page_of;

    const TEXT: &str = "           CPU0       CPU2       \n  9:         45          0  GICv3  25 Level     vgic\n\
                        120:     1 22345  IR-PCI-MSI-0000:00:1f.2  ahci \"x\", y\n NMI:  7  9   Non-maskable   interrupts\n\
                        ERR:          3\n";

    #[test]
    fn good() {
        let (page, problems) = samples_of(&ROW, &[("proc/interrupts", TEXT)], &[]);
        let want = r#"node_interrupts_total{cpu="0",devices="",info="Non-maskable interrupts",type="NMI"} 7
node_interrupts_total{cpu="0",devices="25 Level vgic",info="GICv3",type="9"} 45
node_interrupts_total{cpu="0",devices="ahci \"x\", y",info="IR-PCI-MSI-0000:00:1f.2",type="120"} 1
node_interrupts_total{cpu="2",devices="",info="Non-maskable interrupts",type="NMI"} 9
node_interrupts_total{cpu="2",devices="25 Level vgic",info="GICv3",type="9"} 0
node_interrupts_total{cpu="2",devices="ahci \"x\", y",info="IR-PCI-MSI-0000:00:1f.2",type="120"} 22345
"#;
        assert_eq!((page.as_str(), problems.len()), (want, 0));
        assert_eq!(page_of(&ROW, &[], &[]).1, ["proc/interrupts: No such file or directory (os error 2)"]);
    }

    #[test]
    fn patterns_are_for_the_full_name() {
        let kinds = |flags: &[(&'static str, &str)]| {
            let (page, _) = samples_of(&ROW, &[("proc/interrupts", TEXT)], flags);
            let cpu0 = page.lines().filter(|line| line.contains("cpu=\"0\""));
            cpu0.filter_map(|line| line.split('"').nth_back(1).map(str::to_owned)).collect::<Vec<_>>()
        };
        let (include, exclude) = ("collector.interrupts.name-include", "collector.interrupts.name-exclude");
        assert_eq!(kinds(&[(include, "^9;GICv3;25 Level vgic$")]), ["9"]);
        assert_eq!(kinds(&[(include, ";ahci"), (exclude, "^NMI;")]), ["120"]);
        assert_eq!(kinds(&[(exclude, "^NMI;")]), ["9", "120"]);
        let zeros = [("collector.interrupts.include-zeros", "false")];
        assert_eq!(samples_of(&ROW, &[("proc/interrupts", TEXT)], &zeros).0.lines().count(), 5);
    }

    #[test]
    fn all_cpus_together() {
        let (page, _) = samples_of(&ROW, &[("proc/interrupts", TEXT)], &[(TOTAL, "true"), (PER_CPU, "false")]);
        let want = r#"node_interrupts_all_cpus_total{devices="",info="Non-maskable interrupts",type="NMI"} 16
node_interrupts_all_cpus_total{devices="25 Level vgic",info="GICv3",type="9"} 45
node_interrupts_all_cpus_total{devices="ahci \"x\", y",info="IR-PCI-MSI-0000:00:1f.2",type="120"} 22346
"#;
        assert_eq!(page, want);
        let both = samples_of(&ROW, &[("proc/interrupts", TEXT)], &[(TOTAL, "true")]).0;
        assert_eq!(both.lines().count(), 9);
    }

    #[test]
    fn cut_short_and_garbage() {
        let header = "proc/interrupts:1: header: expected the names of the CPUs, found \"\"";
        assert_eq!(samples_of(&ROW, &[("proc/interrupts", "")], &[]), (String::new(), vec![header.to_owned()]));
        let text = "CPU0\n1: x IO-APIC timer\n2: 7 IO-APIC\n";
        let (page, problems) = samples_of(&ROW, &[("proc/interrupts", text)], &[]);
        assert_eq!(page, "node_interrupts_total{cpu=\"0\",devices=\"\",info=\"IO-APIC\",type=\"2\"} 7\n");
        assert_eq!(problems, ["proc/interrupts:2: count: expected a whole number, found \"x\""]);
    }
}
