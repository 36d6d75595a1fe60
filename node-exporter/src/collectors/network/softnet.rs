//! Packets that each CPU took from the network cards, from `/proc/net/softnet_stat`.
//!
//! * Source: `softnet_seq_show` in the kernel's net/core/net-procfs.c; one line per CPU that is on, hexadecimal.
//! * Units: packets and events; the counters are 32 bits wide and wrap.
//! * Absent when: never on Linux.
//! * Differs from the Go exporter: a malformed line costs its own CPU. As there, columns that an old kernel does not
//!   have are 0.

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError};
use common::exposition::{Desc, Page};
use common::fields::{Words, lines, parse_hex};
use common::fuzzing::{Parser, eat};

use crate::fs::KeptFile;
use crate::kernel::MOST_CPUS;
use crate::kernel::cpu_labels::CpuLabels;

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::on("softnet", "packets taken from network cards, /proc/net/softnet_stat", &[], |args| {
        let file = KeptFile::of_proc(args, "net/softnet_stat");
        Ok(Box::new(Softnet { file, cpus: Vec::new(), labels: CpuLabels::default() }))
    });

/// Families and their columns, in the order of the page.
const FAMILIES: [(usize, Desc); 7] = [
    (11, Desc::gauge("node_softnet_backlog_len", "Packets that wait to be processed.", &["cpu"])),
    (8, Desc::counter("node_softnet_cpu_collision_total", "Times a transmission found the device taken.", &["cpu"])),
    (1, Desc::counter("node_softnet_dropped_total", "Packets dropped because the backlog was full.", &["cpu"])),
    (10, Desc::counter("node_softnet_flow_limit_count_total", "Packets dropped to rein in a large flow.", &["cpu"])),
    (0, Desc::counter("node_softnet_processed_total", "Packets processed.", &["cpu"])),
    (9, Desc::counter("node_softnet_received_rps_total", "Times another CPU asked for packets to be taken.", &["cpu"])),
    (2, Desc::counter("node_softnet_times_squeezed_total", "Times work was left over when the time was up.", &["cpu"])),
];

/// Every kernel has at least these columns.
const FEWEST_COLUMNS: usize = 9;
/// Linux 5.10 added the length of the backlog and the number of the CPU.
const BACKLOG: usize = 11;
const CPU: usize = 12;
const COLUMNS: usize = 13;

/// Lines that are reported in one scrape, should the file be altogether unreadable.
const MOST_FAULTS: usize = 8;

struct Softnet {
    file: KeptFile,
    cpus: Vec<Cpu>,
    labels: CpuLabels,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Cpu {
    number: u32,
    columns: [u32; COLUMNS],
}

impl Collector for Softnet {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let mut bad_lines = Vec::new();
        self.cpus.clear();
        for cpu in cpus(self.file.read()?) {
            match cpu {
                Ok(cpu) => self.cpus.push(cpu),
                Err(bad) if bad_lines.len() < MOST_FAULTS => bad_lines.push(bad),
                Err(_) => {}
            }
        }
        for bad in bad_lines {
            cx.fault(bad.in_file(self.file.path()));
        }
        self.labels.update(self.cpus.iter().map(|cpu| cpu.number));
        for (column, desc) in &FAMILIES {
            for (label, place) in self.labels.iter() {
                if let Some(value) = self.cpus.get(place).and_then(|cpu| cpu.columns.get(*column)) {
                    page.sample(desc, &[label], f64::from(*value));
                }
            }
        }
        Ok(())
    }
}

/// The CPUs in the order of the file.
fn cpus(text: &[u8]) -> impl Iterator<Item = Result<Cpu, BadField>> {
    lines(text).take(MOST_CPUS).map(|(number, line)| parse_cpu(number, line))
}

fn parse_cpu(line_number: u32, line: &[u8]) -> Result<Cpu, BadField> {
    let mut columns = [0; COLUMNS];
    let mut n_columns = 0;
    for (slot, word) in columns.iter_mut().zip(Words::new(line_number, line)) {
        let value = parse_hex(word).and_then(|value| u32::try_from(value).ok());
        *slot = value.ok_or_else(|| BadField::new(line_number, "column", "a hexadecimal number of 32 bits", word))?;
        n_columns += 1;
    }
    if n_columns < FEWEST_COLUMNS {
        return Err(BadField::new(line_number, "columns", "at least 9", line));
    }
    // Without its number, the place of the line stands for the CPU; and without it, the column before is another.
    let mut number = line_number - 1;
    if n_columns > CPU {
        number = columns[CPU];
    } else {
        columns[BACKLOG] = 0;
    }
    Ok(Cpu { number, columns })
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser =
    Parser::new("softnet_stat", |bytes| cpus(bytes).for_each(eat), b"001a2b3c 00000001 00000002 00000000 00000000 00000000 00000000 00000000 00000000 00000005 00000001 00000000 00000001 00000000 00000000\n00000001 00000000 00000000\n");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::page_of;

    #[track_caller]
    fn check(text: &str, want: &[&str]) {
        let show = |cpu: Result<Cpu, BadField>| match cpu {
            Ok(cpu) => format!("{}: {:?}", cpu.number, cpu.columns),
            Err(bad) => bad.to_string(),
        };
        assert_eq!(cpus(text.as_bytes()).map(show).collect::<Vec<_>>(), want);
    }

    #[test]
    fn layouts_of_three_kernels() {
        check(
            "1 2 3 0 0 0 0 0 4\n1 2 3 0 0 0 0 0 4 5 6 7\n0000000a 2 3 0 0 0 0 0 4 5 6 7 00000010 8 9\n",
            &[
                "0: [1, 2, 3, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0]",
                "1: [1, 2, 3, 0, 0, 0, 0, 0, 4, 5, 6, 0, 0]",
                "16: [10, 2, 3, 0, 0, 0, 0, 0, 4, 5, 6, 7, 16]",
            ],
        );
    }

    #[test]
    fn cut_short_and_garbage() {
        check("", &[]);
        check(
            "1 2 3\nx\nfffffffff 0 0 0 0 0 0 0 0\n0 0 0 0 0 0 0 0 0",
            &[
                "1: columns: expected at least 9, found \"1 2 3\"",
                "2: column: expected a hexadecimal number of 32 bits, found \"x\"",
                "3: column: expected a hexadecimal number of 32 bits, found \"fffffffff\"",
                "3: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]",
            ],
        );
    }

    #[test]
    fn page() {
        let text = "1 2 3 0 0 0 0 0 4 5 6 7 2\n11 0 0 0 0 0 0 0 0 0 0 0 a\nx\n";
        let (page, faults) = page_of(&ROW, &[("proc/net/softnet_stat", text)], &[]);
        let values: Vec<&str> = page.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            values,
            [
                r#"node_softnet_backlog_len{cpu="10"} 0"#,
                r#"node_softnet_backlog_len{cpu="2"} 7"#,
                r#"node_softnet_cpu_collision_total{cpu="10"} 0"#,
                r#"node_softnet_cpu_collision_total{cpu="2"} 4"#,
                r#"node_softnet_dropped_total{cpu="10"} 0"#,
                r#"node_softnet_dropped_total{cpu="2"} 2"#,
                r#"node_softnet_flow_limit_count_total{cpu="10"} 0"#,
                r#"node_softnet_flow_limit_count_total{cpu="2"} 6"#,
                r#"node_softnet_processed_total{cpu="10"} 17"#,
                r#"node_softnet_processed_total{cpu="2"} 1"#,
                r#"node_softnet_received_rps_total{cpu="10"} 0"#,
                r#"node_softnet_received_rps_total{cpu="2"} 5"#,
                r#"node_softnet_times_squeezed_total{cpu="10"} 0"#,
                r#"node_softnet_times_squeezed_total{cpu="2"} 3"#,
            ]
        );
        assert_eq!(faults, ["proc/net/softnet_stat:3: column: expected a hexadecimal number of 32 bits, found \"x\""]);
        assert_eq!(page_of(&ROW, &[], &[]).1, ["proc/net/softnet_stat: No such file or directory (os error 2)"]);
    }
}
