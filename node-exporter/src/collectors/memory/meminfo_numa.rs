//! How the memory of each NUMA node is used, from `/sys/devices/system/node/node<N>`.
//!
//! * Source: kernel Documentation/filesystems/proc.rst, "meminfo", for `meminfo`; Documentation/admin-guide/numastat.rst
//!   for `numastat`.
//! * Units: `meminfo` has KiB with the unit `kB`, we export bytes; huge pages and allocations are counted in pages.
//! * Absent when: the kernel is built without NUMA: no samples, no error. Which fields there are depends on version and
//!   configuration of the kernel.
//! * Differs from the Go exporter: a malformed line costs its own sample, an unreadable file its own node.

use std::path::Path;

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError, is_absent};
use common::exposition::{Desc, Kind, Page, is_metric_name};
use common::fields::{Words, lines};
use common::fuzzing::{Parser, eat};

use crate::fs::{Devices, EntryKind, KeptFile, sys_path};

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::off("meminfo_numa", "use of memory by NUMA node, /sys/devices/system/node", &[], |args| {
        Ok(Box::new(MeminfoNuma {
            nodes: Devices::new(sys_path(args, "devices/system/node")),
            meminfo: Families::new(Kind::Gauge),
            numastat: Families::new(Kind::Counter),
        }))
    });

struct MeminfoNuma {
    nodes: Devices<Node>,
    meminfo: Families,
    numastat: Families,
}

struct Node {
    meminfo: KeptFile,
    numastat: KeptFile,
}

impl Collector for MeminfoNuma {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let is_node = |name: &[u8], kind| kind != EntryKind::File && node_number(name).is_some();
        let nodes = match self.nodes.refresh(is_node, Node::new) {
            Ok(nodes) => nodes,
            Err(e) if is_absent(&e) => return Ok(()),
            Err(e) => return Err(CollectError::io(self.nodes.path(), e)),
        };
        for (name, Node { meminfo, numastat }) in nodes {
            let node = node_number(name).unwrap_or_default();
            self.meminfo.sample(meminfo, meminfo_line, node, cx, page);
            self.numastat.sample(numastat, numastat_line, node, cx, page);
        }
        Ok(())
    }
}

impl Node {
    fn new(path: &Path, _name: &[u8]) -> Self {
        Self { meminfo: KeptFile::new(path.join("meminfo")), numastat: KeptFile::new(path.join("numastat")) }
    }
}

/// The digits of `node12`.
fn node_number(name: &[u8]) -> Option<&[u8]> {
    name.strip_prefix(b"node").filter(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
}

/// The families of the lines of a file, which are the same for all nodes of a machine.
struct Families {
    kind: Kind,
    known: Vec<Family>,
}

struct Family {
    key: Vec<u8>,
    /// Name and help text; `None` for a key that cannot be part of the name of a metric.
    shown: Option<(String, String)>,
}

/// A kernel has about 50.
const MOST_LINES: usize = 1024;
/// Lines of one file that are reported in one scrape.
const MOST_FAULTS: usize = 8;

impl Families {
    fn new(kind: Kind) -> Self {
        Self { kind, known: Vec::new() }
    }

    /// Writes the samples of the file of one node; `parse` gives the key and the value of a line.
    fn sample(&mut self, file: &mut KeptFile, parse: ParseLine, node: &[u8], cx: &mut Scrape, page: &mut Page) {
        let text = match file.read() {
            Ok(text) => text,
            Err(e) => return cx.fault(e),
        };
        let mut bad_lines = Vec::new();
        let mut at = 0;
        for (number, line) in lines(text).filter(|(_, line)| !line.trim_ascii().is_empty()).take(MOST_LINES) {
            let (key, value) = match parse(number, line) {
                Ok(reading) => reading,
                Err(bad) => {
                    bad_lines.push(bad);
                    bad_lines.truncate(MOST_FAULTS);
                    continue;
                }
            };
            if self.known.get(at).is_none_or(|family| family.key != key) {
                self.known.truncate(at);
                self.known.push(Family::new(key, self.kind));
            }
            if let Some((name, help)) = self.known.get(at).and_then(|family| family.shown.as_ref()) {
                page.sample(&Desc { name, help, kind: self.kind, labels: &["node"] }, &[node], value);
            }
            at += 1;
        }
        for bad in bad_lines {
            cx.fault(bad.in_file(file.path()));
        }
    }
}

impl Family {
    /// `Active(anon)` is `Active_anon` in the name.
    fn new(key: &[u8], kind: Kind) -> Self {
        let shown = std::str::from_utf8(key).ok().map(|key| {
            let field = key.replace('(', "_").replace(')', "");
            let help = format!("Field {key} of the node's memory.");
            match kind {
                Kind::Counter => (format!("node_memory_numa_{field}_total"), help),
                _ => (format!("node_memory_numa_{field}"), help),
            }
        });
        Self { key: key.to_vec(), shown: shown.filter(|(name, _)| !key.is_empty() && is_metric_name(name)) }
    }
}

type ParseLine = fn(u32, &[u8]) -> Result<(&[u8], f64), BadField>;

const BYTES_PER_KB: f64 = 1024.0;

/// `Node 0 Active(anon):     707915 kB`, or a number of pages without unit.
fn meminfo_line(number: u32, line: &[u8]) -> Result<(&[u8], f64), BadField> {
    let mut words = Words::new(number, line);
    words.word("Node")?;
    words.word("number of the node")?;
    let key = words.word("field")?;
    let value = words.u64("value")? as f64;
    let value = match words.rest() {
        b"" => value,
        b"kB" => value * BYTES_PER_KB,
        unit => return Err(BadField::new(number, "value", "the unit kB or none", unit)),
    };
    Ok((key.strip_suffix(b":").unwrap_or(key), value))
}

/// `numa_hit 193460335812`, in pages.
fn numastat_line(number: u32, line: &[u8]) -> Result<(&[u8], f64), BadField> {
    let mut words = Words::new(number, line);
    Ok((words.word("field")?, words.u64("value")? as f64))
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser = Parser::new(
    "meminfo and numastat of a node",
    |bytes| {
        for (number, line) in lines(bytes) {
            eat((meminfo_line(number, line), numastat_line(number, line)));
        }
    },
    b"Node 0 MemTotal:       134182340 kB\nNode 0 Active(anon):     707915 kB\nNode 0 HugePages_Total:     0\nnuma_hit 193460335812\n",
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;
    use crate::testing::{check, page_of};

    const TREE: &[(&str, &str)] = &[
        (
            "sys/devices/system/node/node0/meminfo",
            "Node 0 MemTotal:       16 kB\nNode 0 Active(anon):     2 kB\nNode 0 HugePages_Total:     3\n",
        ),
        ("sys/devices/system/node/node0/numastat", "numa_hit 18446744073709551615\nother_node 5\n"),
        ("sys/devices/system/node/node10/meminfo", "\nNode 10 MemTotal: 17 kB\r\n"),
        ("sys/devices/system/node/node10/numastat", "numa_hit 1"),
        ("sys/devices/system/node/node2", "a file"),
        ("sys/devices/system/node/power/x", ""),
        ("sys/devices/system/node/nodes/meminfo", "x"),
    ];
    const WANT: &[&str] = &[
        "node_memory_numa_Active_anon{node=\"0\"} 2048",
        "node_memory_numa_HugePages_Total{node=\"0\"} 3",
        "node_memory_numa_MemTotal{node=\"0\"} 16384",
        "node_memory_numa_MemTotal{node=\"10\"} 17408",
        "node_memory_numa_numa_hit_total{node=\"0\"} 1.8446744073709552e+19",
        "node_memory_numa_numa_hit_total{node=\"10\"} 1",
        "node_memory_numa_other_node_total{node=\"0\"} 5",
    ];

    #[test]
    fn good() {
        check(&ROW, TREE, WANT, &[]);
        check(&ROW, &[], &[], &[]);
        let (page, _) = page_of(&ROW, TREE, &[]);
        assert!(page.contains("# TYPE node_memory_numa_MemTotal gauge\n"), "{page}");
        assert!(page.contains("# TYPE node_memory_numa_numa_hit_total counter\n"), "{page}");
    }

    #[test]
    fn nodes_come_and_go() {
        let mut rig = Rig::new(&ROW, TREE, &[]);
        let all = WANT.join("\n") + "\n";
        assert_eq!(rig.samples(), all);
        assert_eq!(rig.samples(), all);
        rig.remove("sys/devices/system/node/node10");
        assert_eq!(rig.samples().lines().filter(|line| line.contains("\"10\"")).count(), 0);
        rig.remove("sys/devices/system/node");
        assert_eq!(rig.samples(), "");
    }

    #[test]
    fn cut_short_and_garbage() {
        check(
            &ROW,
            &[
                (
                    "sys/devices/system/node/node0/meminfo",
                    "Node 0\nNode 0 a: -1 kB\nNode 0 b: 1 MB\nNode 0 c\"}: 1 kB\nNode 0 d: 1 kB\nNode 0 : 4",
                ),
                ("sys/devices/system/node/node0/numastat", "x\n\u{1} 2\n"),
                ("sys/devices/system/node/node1/meminfo/", ""),
            ],
            &["node_memory_numa_d{node=\"0\"} 1024"],
            &[
                "sys/devices/system/node/node0/meminfo:1: field: expected a word, found \"\"",
                "sys/devices/system/node/node0/meminfo:2: value: expected a whole number, found \"-1\"",
                "sys/devices/system/node/node0/meminfo:3: value: expected the unit kB or none, found \"MB\"",
                "sys/devices/system/node/node0/numastat:1: value: expected a whole number, found \"\"",
                "sys/devices/system/node/node1/meminfo: Is a directory (os error 21)",
                "sys/devices/system/node/node1/numastat: No such file or directory (os error 2)",
            ],
        );
    }
}
