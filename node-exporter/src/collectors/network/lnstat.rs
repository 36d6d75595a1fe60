//! Tables of the network stack, by CPU, from the files in `/proc/net/stat`: neighbours, connection tracking, routes.
//!
//! * Source: kernel net/core/neighbour.c, net/netfilter/nf_conntrack_standalone.c and others: a line of names, then a line
//!   of hexadecimal numbers per CPU.
//! * Units: as the kernel counts. All are counters by name and type, as in the Go exporter, though `entries` is the
//!   size of the table at the moment, and the same for all CPUs.
//! * Absent when: no file is there: no samples, no error. The label `cpu` is the place of the line, which is not the
//!   number of the CPU where numbers are left out.
//! * Differs from the Go exporter: a malformed line or file costs itself alone; a column whose name cannot be that of a
//!   metric is left out.

use std::path::Path;

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError, is_absent};
use common::exposition::{Desc, Page};
use common::fields::{Words, lines, parse_hex};
use common::fuzzing::{Parser, eat};

use crate::fs::{Devices, KeptFile, proc_path};
use crate::kernel::MOST_CPUS;
use crate::kernel::cpu_labels::CpuLabels;

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::off("lnstat", "tables of the network stack by CPU, /proc/net/stat", &[], |args| {
        Ok(Box::new(Lnstat { tables: Devices::new(proc_path(args, "net/stat")) }))
    });

struct Lnstat {
    tables: Devices<Table>,
}

/// A file.
struct Table {
    file: KeptFile,
    /// Its line of names, and what was made of it.
    names: Vec<u8>,
    columns: Vec<Option<Family>>,
    rows: Rows,
    labels: CpuLabels,
}

/// The numbers of the lines that are good.
#[derive(Debug, Default)]
struct Rows {
    /// Places of the lines, from 0.
    cpus: Vec<u32>,
    /// As many per line as there are columns.
    cells: Vec<u64>,
}

/// A column that is exported; name and help are built once.
struct Family {
    name: String,
    help: String,
}

impl Collector for Lnstat {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        match self.tables.refresh(|_, _| true, |path, _| Table::new(path)) {
            Ok(tables) => {
                for (subsystem, table) in tables {
                    if let Err(e) = table.update(subsystem, cx, page) {
                        cx.fault(e);
                    }
                }
                Ok(())
            }
            Err(e) if is_absent(&e) => Ok(()),
            Err(e) => Err(CollectError::io(self.tables.path(), e)),
        }
    }
}

impl Table {
    fn new(path: &Path) -> Self {
        Self {
            file: KeptFile::new(path.to_owned()),
            names: Vec::new(),
            columns: Vec::new(),
            rows: Rows::default(),
            labels: CpuLabels::default(),
        }
    }

    fn update(&mut self, subsystem: &[u8], cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let text = self.file.read()?;
        let (_, names) = lines(text).next().unwrap_or_default();
        if names != self.names {
            self.names = names.to_vec();
            self.columns = Words::of(names).map(Family::of).collect();
        }
        let mut bad_fields = Vec::new(); // of a Vec that stays empty: no allocation
        parse(text, self.columns.len(), &mut self.rows, &mut bad_fields);
        for bad in bad_fields {
            cx.fault(bad.in_file(self.file.path()));
        }
        self.labels.update(self.rows.cpus.iter().copied());
        for (at, family) in self.columns.iter().enumerate() {
            let Some(Family { name, help }) = family else { continue };
            let desc = Desc::counter(name, help, &["cpu", "subsystem"]);
            for (cpu, place) in self.labels.iter() {
                if let Some(&n) = self.rows.cells.get(place * self.columns.len() + at) {
                    page.sample(&desc, &[cpu.as_bytes(), subsystem], n as f64);
                }
            }
        }
        Ok(())
    }
}

impl Family {
    fn of(column: &[u8]) -> Option<Self> {
        let is_name = column.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_') && column.len() <= 256;
        let column = is_name.then(|| String::from_utf8_lossy(column))?;
        Some(Self {
            name: format!("node_lnstat_{column}_total"),
            help: format!("Column {column} of the tables in /proc/net/stat."),
        })
    }
}

/// Reads the lines below the names; one that has not a number for each of the `width` columns is left out.
fn parse(text: &[u8], width: usize, rows: &mut Rows, bad_fields: &mut Vec<BadField>) {
    rows.cpus.clear();
    rows.cells.clear();
    for ((number, line), cpu) in lines(text).skip(1).zip(0_u32..).take(MOST_CPUS) {
        let before = rows.cells.len();
        let mut words = Words::new(number, line);
        let bad = loop {
            match words.next().map(|word| (word, parse_hex(word))) {
                Some((_, Some(n))) => rows.cells.push(n),
                Some((word, None)) => break Some(BadField::new(number, "counter", "a hexadecimal number", word)),
                None if rows.cells.len() - before == width => break None,
                None => break Some(BadField::new(number, "counters", "a number for each name", line)),
            }
        };
        match bad {
            None => rows.cpus.push(cpu),
            Some(bad) => {
                rows.cells.truncate(before);
                bad_fields.push(bad);
            }
        }
    }
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser = Parser::new(
    "net/stat",
    |bytes| {
        let columns: Vec<_> = lines(bytes).take(1).flat_map(|(_, names)| Words::of(names)).map(Family::of).collect();
        let (mut rows, mut bad_fields) = (Rows::default(), Vec::new());
        parse(bytes, columns.len(), &mut rows, &mut bad_fields);
        assert_eq!(rows.cells.len(), rows.cpus.len() * columns.len());
        eat((columns.len(), rows, bad_fields));
    },
    b"entries  allocs destroys\n0000000a  00000f01 00000ef7\n0000000a  00000002 00000001\n",
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;
    use crate::testing::check;

    const ARP: (&str, &str) =
        ("proc/net/stat/arp_cache", "entries  allocs\n0000000a  00000f01 \n0000000a  ffffffffffffffff\n");

    #[test]
    fn good() {
        let other = ("proc/net/stat/nf_conntrack", "entries bad-name clashres\r\n1 2 3\r\n4 5 6");
        let want = [
            r#"node_lnstat_allocs_total{cpu="0",subsystem="arp_cache"} 3841"#,
            r#"node_lnstat_allocs_total{cpu="1",subsystem="arp_cache"} 1.8446744073709552e+19"#,
            r#"node_lnstat_clashres_total{cpu="0",subsystem="nf_conntrack"} 3"#,
            r#"node_lnstat_clashres_total{cpu="1",subsystem="nf_conntrack"} 6"#,
            r#"node_lnstat_entries_total{cpu="0",subsystem="arp_cache"} 10"#,
            r#"node_lnstat_entries_total{cpu="0",subsystem="nf_conntrack"} 1"#,
            r#"node_lnstat_entries_total{cpu="1",subsystem="arp_cache"} 10"#,
            r#"node_lnstat_entries_total{cpu="1",subsystem="nf_conntrack"} 4"#,
        ];
        check(&ROW, &[ARP, other], &want, &[]);
        check(&ROW, &[], &[], &[]);
    }

    #[test]
    fn a_bad_line_costs_itself() {
        let text = "a b\n1 2\n3\n4 5 6\n0x1 7\n\n8 9\n";
        let want = [
            r#"node_lnstat_a_total{cpu="0",subsystem="x"} 1"#,
            r#"node_lnstat_a_total{cpu="5",subsystem="x"} 8"#,
            r#"node_lnstat_b_total{cpu="0",subsystem="x"} 2"#,
            r#"node_lnstat_b_total{cpu="5",subsystem="x"} 9"#,
        ];
        let problems = [
            "proc/net/stat/folder: Is a directory (os error 21)",
            "proc/net/stat/x:3: counters: expected a number for each name, found \"3\"",
            "proc/net/stat/x:4: counters: expected a number for each name, found \"4 5 6\"",
            "proc/net/stat/x:5: counter: expected a hexadecimal number, found \"0x1\"",
            "proc/net/stat/x:6: counters: expected a number for each name, found \"\"",
        ];
        let tree = [("proc/net/stat/empty", ""), ("proc/net/stat/folder/", ""), ("proc/net/stat/x", text)];
        check(&ROW, &tree, &want, &problems);
        check(&ROW, &[("proc/net/stat/-> x", "\u{1}\u{2}\n")], &[], &[]);
    }

    #[test]
    fn files_and_columns_come_and_go() {
        let mut rig = Rig::new(&ROW, &[ARP], &[]);
        assert_eq!(rig.samples().lines().count(), 4);
        rig.plant(&[("proc/net/stat/arp_cache", "hits\n1\n"), ("proc/net/stat/ndisc_cache", "hits\n2\n")]);
        let want = "node_lnstat_hits_total{cpu=\"0\",subsystem=\"arp_cache\"} 1\n\
                    node_lnstat_hits_total{cpu=\"0\",subsystem=\"ndisc_cache\"} 2\n";
        assert_eq!(rig.samples(), want);
        rig.remove("proc/net/stat/arp_cache");
        assert_eq!(rig.samples().lines().count(), 1);
        rig.remove("proc/net/stat");
        assert_eq!(rig.samples(), "");
    }
}
