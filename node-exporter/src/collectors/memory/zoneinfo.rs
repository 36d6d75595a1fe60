//! How the memory of each zone is used, from `/proc/zoneinfo`.
//!
//! * Source: kernel Documentation/filesystems/proc.rst, "zoneinfo"; the names are in mm/vmstat.c.
//! * Units: pages, but for stacks of tasks and huge pages; allocations are counted in pages.
//! * Absent when: never on Linux; which fields a zone has depends on version and configuration of the kernel.
//! * Differs from the Go exporter: a malformed field costs itself, where it becomes 0 there. As there, what is counted for
//!   the whole node is shown with its first zone, where the file has it.

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError};
use common::exposition::{Desc, Page};
use common::fields::{Words, lines, parse_i64, parse_u64};
use common::fuzzing::{Parser, eat};

use crate::fs::KeptFile;

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row::off("zoneinfo", "use of memory by zone, /proc/zoneinfo", &[], |args| {
    let file = KeptFile::of_proc(args, "zoneinfo");
    Ok(Box::new(Zoneinfo { file, zones: Vec::new(), n_zones: 0, order: Vec::new(), protection: Vec::new() }))
});

/// A field in the kernel's words and its family.
struct Field {
    key: &'static str,
    desc: Desc<'static>,
}

const LABELS: &[&str] = &["node", "zone"];

const fn gauge(key: &'static str, name: &'static str, help: &'static str) -> Field {
    Field { key, desc: Desc::gauge(name, help, LABELS) }
}

const fn counter(key: &'static str, name: &'static str, help: &'static str) -> Field {
    Field { key, desc: Desc::counter(name, help, LABELS) }
}

const N_FIELDS: usize = 34;

/// The fields that are exported, sorted by the kernel's name.
#[rustfmt::skip] // One field, one line: this is a table.
static FIELDS: [Field; N_FIELDS] = [
    gauge("high", "node_zoneinfo_high_pages", "Free pages above which reclaim rests."),
    gauge("low", "node_zoneinfo_low_pages", "Free pages below which reclaim begins in the background."),
    gauge("managed", "node_zoneinfo_managed_pages", "Pages of the zone that the allocator hands out."),
    gauge("min", "node_zoneinfo_min_pages", "Free pages below which only urgent allocations succeed."),
    gauge("nr_active_anon", "node_zoneinfo_nr_active_anon_pages", "Pages used lately that no file backs."),
    gauge("nr_active_file", "node_zoneinfo_nr_active_file_pages", "Pages used lately that files back."),
    gauge("nr_anon_pages", "node_zoneinfo_nr_anon_pages", "Pages mapped by processes that no file backs."),
    gauge("nr_anon_transparent_hugepages", "node_zoneinfo_nr_anon_transparent_hugepages", "Huge pages mapped by processes that no file backs."),
    counter("nr_dirtied", "node_zoneinfo_nr_dirtied_total", "Pages that had to be written since the start."),
    gauge("nr_dirty", "node_zoneinfo_nr_dirty_pages", "Pages that wait to be written to disk."),
    gauge("nr_file_pages", "node_zoneinfo_nr_file_pages", "Pages that hold files."),
    gauge("nr_free_pages", "node_zoneinfo_nr_free_pages", "Pages that nothing uses."),
    gauge("nr_inactive_anon", "node_zoneinfo_nr_inactive_anon_pages", "Pages not used lately that no file backs."),
    gauge("nr_inactive_file", "node_zoneinfo_nr_inactive_file_pages", "Pages not used lately that files back."),
    gauge("nr_isolated_anon", "node_zoneinfo_nr_isolated_anon_pages", "Pages without file that are about to be moved or reclaimed."),
    gauge("nr_isolated_file", "node_zoneinfo_nr_isolated_file_pages", "Pages with file that are about to be moved or reclaimed."),
    gauge("nr_kernel_stack", "node_zoneinfo_nr_kernel_stacks", "Stacks of tasks within the kernel, in KiB since Linux 4.8."),
    gauge("nr_mapped", "node_zoneinfo_nr_mapped_pages", "Pages of files that processes map."),
    gauge("nr_mlock_stack", "node_zoneinfo_nr_mlock_stack_pages", "Pages of stacks that programs locked."),
    gauge("nr_shmem", "node_zoneinfo_nr_shmem_pages", "Pages of shared memory and tmpfs."),
    gauge("nr_slab_reclaimable", "node_zoneinfo_nr_slab_reclaimable_pages", "Pages of kernel objects that can be given back."),
    gauge("nr_slab_unreclaimable", "node_zoneinfo_nr_slab_unreclaimable_pages", "Pages of kernel objects that cannot be given back."),
    gauge("nr_unevictable", "node_zoneinfo_nr_unevictable_pages", "Pages that cannot be reclaimed."),
    gauge("nr_writeback", "node_zoneinfo_nr_writeback_pages", "Pages that are being written to disk."),
    counter("nr_written", "node_zoneinfo_nr_written_total", "Pages written to disk since the start."),
    counter("numa_foreign", "node_zoneinfo_numa_foreign_total", "Pages meant for this zone that another node had to give."),
    counter("numa_hit", "node_zoneinfo_numa_hit_total", "Pages given that were meant to come from here."),
    counter("numa_interleave", "node_zoneinfo_numa_interleave_total", "Pages given that were to be spread over nodes."),
    counter("numa_local", "node_zoneinfo_numa_local_total", "Pages given to processes on the same node."),
    counter("numa_miss", "node_zoneinfo_numa_miss_total", "Pages given that were meant to come from another node."),
    counter("numa_other", "node_zoneinfo_numa_other_total", "Pages given to processes on another node."),
    gauge("present", "node_zoneinfo_present_pages", "Pages of the zone that are there."),
    gauge("scanned", "node_zoneinfo_scanned_pages", "Pages looked at since reclaim last freed one."),
    gauge("spanned", "node_zoneinfo_spanned_pages", "Pages of the zone, holes included."),
];

/// Entries of a list of protections that are shown; Linux has six kinds of zones.
const MOST_PROTECTIONS: usize = 16;

struct Zoneinfo {
    file: KeptFile,
    /// The zones of the last reading, and buffers of earlier ones.
    zones: Vec<Zone>,
    n_zones: usize,
    /// Places of the zones, in the order of their names.
    order: Vec<usize>,
    /// Name and help text of the families of the protections, as many as were ever needed.
    protection: Vec<(String, String)>,
}

struct Zone {
    node: Vec<u8>,
    name: Vec<u8>,
    values: [Option<f64>; N_FIELDS],
    protection: [Option<f64>; MOST_PROTECTIONS],
}

/// Lines that are reported in one scrape, should the file be altogether unreadable.
const MOST_FAULTS: usize = 8;

impl Collector for Zoneinfo {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        for bad in self.read()? {
            cx.fault(bad.in_file(self.file.path()));
        }
        let zones = || self.order.iter().filter_map(|&place| self.zones.get(place));
        for (at, field) in FIELDS.iter().enumerate() {
            for zone in zones() {
                if let Some(Some(value)) = zone.values.get(at) {
                    page.sample(&field.desc, &[&zone.node, &zone.name], *value);
                }
            }
        }
        for (at, (name, help)) in self.protection.iter().enumerate() {
            let desc = Desc::gauge(name, help, LABELS);
            for zone in zones() {
                if let Some(Some(value)) = zone.protection.get(at) {
                    page.sample(&desc, &[&zone.node, &zone.name], *value);
                }
            }
        }
        Ok(())
    }
}

impl Zoneinfo {
    /// Fills the zones; gives what is malformed.
    fn read(&mut self) -> Result<Vec<BadField>, CollectError> {
        let mut bad_fields = Vec::new();
        let (mut n_zones, mut changed) = (0, false);
        let (zones, protection) = (&mut self.zones, &mut self.protection);
        parse(self.file.read()?, |reading| match reading {
            Ok(Reading::Zone { node, name }) => {
                if zones.len() == n_zones {
                    zones.push(Zone::new());
                }
                if let Some(zone) = zones.get_mut(n_zones) {
                    changed |= zone.begin(node, name);
                }
                n_zones += 1;
            }
            Ok(Reading::Field(at, value)) => {
                let zone = zones.get_mut(..n_zones).and_then(<[Zone]>::last_mut);
                if let Some(slot) = zone.and_then(|zone| zone.values.get_mut(at)) {
                    *slot = Some(value);
                }
            }
            Ok(Reading::Protection(at, value)) => {
                let zone = zones.get_mut(..n_zones).and_then(<[Zone]>::last_mut);
                if let Some(slot) = zone.and_then(|zone| zone.protection.get_mut(at)) {
                    *slot = Some(value);
                    protection.extend((protection.len()..=at).map(protection_family));
                }
            }
            Err(bad) if bad_fields.len() < MOST_FAULTS => bad_fields.push(bad),
            Err(_) => {}
        });
        if changed || self.n_zones != n_zones {
            self.n_zones = n_zones;
            self.order.clear();
            self.order.extend(0..n_zones);
            self.order.sort_by_key(|&place| self.zones.get(place).map(|zone| (&zone.node, &zone.name)));
        }
        Ok(bad_fields)
    }
}

impl Zone {
    fn new() -> Self {
        let (values, protection) = ([None; N_FIELDS], [None; MOST_PROTECTIONS]);
        Self { node: Vec::new(), name: Vec::new(), values, protection }
    }

    /// Forgets its values; tells whether it is another zone than before.
    fn begin(&mut self, node: &[u8], name: &[u8]) -> bool {
        self.values = [None; N_FIELDS];
        self.protection = [None; MOST_PROTECTIONS];
        if self.node == node && self.name == name {
            return false;
        }
        self.node = node.to_vec();
        self.name = name.to_vec();
        true
    }
}

fn protection_family(at: usize) -> (String, String) {
    let help = format!("Pages kept from allocations that could also be served by zone {at} of the node.");
    (format!("node_zoneinfo_protection_{at}"), help)
}

/// Something that a line says.
#[derive(Debug)]
enum Reading<'t> {
    /// What follows is about this zone.
    Zone { node: &'t [u8], name: &'t [u8] },
    /// Place of the field in the table, and its value.
    Field(usize, f64),
    /// Place in the list of protections, and the value.
    Protection(usize, f64),
}

/// Hands the readings to `each`, in the order of the file.
///
/// ```text
/// Node 0, zone      DMA
///   per-node stats
///       nr_inactive_anon 95612
///   pages free     2949
///         min      8
///         protection: (0, 2039, 31932, 31932, 31932)
///       nr_free_pages 2949
///   pagesets
///     cpu: 0
///               high:  0
/// ```
fn parse<'t>(text: &'t [u8], mut each: impl FnMut(Result<Reading<'t>, BadField>)) {
    for (number, line) in lines(text) {
        let mut words = Words::new(number, line);
        match words.next() {
            Some(b"Node") => each(zone(words)),
            Some(b"protection:") => {
                let list = words.rest();
                let list = list.strip_prefix(b"(").and_then(|list| list.strip_suffix(b")")).unwrap_or(list);
                for (at, word) in list.split(|&b| b == b',').enumerate().take(MOST_PROTECTIONS) {
                    each(value(number, "protection", word.trim_ascii()).map(|n| Reading::Protection(at, n)));
                }
            }
            Some(key) => {
                let found = FIELDS.binary_search_by(|field| field.key.as_bytes().cmp(key));
                if let Some((at, field)) = found.ok().and_then(|at| Some((at, FIELDS.get(at)?))) {
                    let word = words.next().unwrap_or_default();
                    each(value(number, field.key, word).map(|n| Reading::Field(at, n)));
                }
            }
            None => {}
        }
    }
}

fn zone(mut words: Words<'_>) -> Result<Reading<'_>, BadField> {
    let node = words.word("number of the node")?;
    let node = node.strip_suffix(b",").unwrap_or(node);
    words.word("zone")?;
    Ok(Reading::Zone { node, name: words.word("name of the zone")? })
}

/// A gauge may be below 0 for a moment, a counter above 2^63.
fn value(number: u32, key: &'static str, word: &[u8]) -> Result<f64, BadField> {
    let value = parse_i64(word).map(|n| n as f64).or_else(|| parse_u64(word).map(|n| n as f64));
    value.ok_or_else(|| BadField::new(number, key, "a whole number", word))
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser = Parser::new(
    "zoneinfo",
    |bytes| parse(bytes, eat),
    b"Node 0, zone      DMA\n  per-node stats\n      nr_inactive_anon 95612\n  pages free     2949\n        min      8\n        high     14\n        protection: (0, 2039, 31932)\n      nr_free_pages 2949\n  pagesets\n    cpu: 0\n              high:  0\n",
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;
    use crate::testing::check;

    const TEXT: &str = "Node 0, zone   Normal\n  per-node stats\n      nr_dirtied 18446744073709551615\n  pages free     9\n\
        \x20       min      8\n        protection: (0, 2039)\n      nr_free_pages 9\n  pagesets\n    cpu: 0\n\
        \x20             min:  1\nNode 0, zone  Movable\n        min      0\n        protection: (7)\r\n";
    const WANT: &[&str] = &[
        "node_zoneinfo_min_pages{node=\"0\",zone=\"Movable\"} 0",
        "node_zoneinfo_min_pages{node=\"0\",zone=\"Normal\"} 8",
        "node_zoneinfo_nr_dirtied_total{node=\"0\",zone=\"Normal\"} 1.8446744073709552e+19",
        "node_zoneinfo_nr_free_pages{node=\"0\",zone=\"Normal\"} 9",
        "node_zoneinfo_protection_0{node=\"0\",zone=\"Movable\"} 7",
        "node_zoneinfo_protection_0{node=\"0\",zone=\"Normal\"} 0",
        "node_zoneinfo_protection_1{node=\"0\",zone=\"Normal\"} 2039",
    ];

    #[test]
    fn fields_are_sorted_and_families_follow_the_rule() {
        assert!(FIELDS.is_sorted_by(|a, b| a.key < b.key));
        for field in &FIELDS {
            let rest = field.desc.name.strip_prefix("node_zoneinfo_").and_then(|name| name.strip_prefix(field.key));
            assert!(matches!(rest, Some("" | "s" | "_pages" | "_total")), "{}", field.desc.name);
            assert_eq!(rest == Some("_total"), field.desc.kind == common::exposition::Kind::Counter);
        }
    }

    #[test]
    fn good() {
        check(&ROW, &[("proc/zoneinfo", TEXT)], WANT, &[]);
        check(&ROW, &[], &[], &["proc/zoneinfo: No such file or directory (os error 2)"]);
    }

    #[test]
    fn zones_change() {
        let mut rig = Rig::new(&ROW, &[("proc/zoneinfo", TEXT)], &[]);
        let all = WANT.join("\n") + "\n";
        assert_eq!(rig.samples(), all);
        assert_eq!(rig.samples(), all);
        rig.plant(&[("proc/zoneinfo", "Node 10, zone DMA\n low -1\n low 2\n")]);
        assert_eq!(rig.samples(), "node_zoneinfo_low_pages{node=\"10\",zone=\"DMA\"} 2\n");
        rig.plant(&[("proc/zoneinfo", "")]);
        assert_eq!(rig.samples(), "");
        rig.plant(&[("proc/zoneinfo", TEXT)]);
        assert_eq!(rig.samples(), all);
    }

    #[test]
    fn cut_short_and_garbage() {
        check(
            &ROW,
            &[(
                "proc/zoneinfo",
                "min 5\nNode 0, zone\n\u{1} 2\nNode 1, zone x\"y\nmin x\nlow\nprotection: (1, x\nhigh -5",
            )],
            &["node_zoneinfo_high_pages{node=\"1\",zone=\"x\\\"y\"} -5"],
            &[
                "proc/zoneinfo:2: name of the zone: expected a word, found \"\"",
                "proc/zoneinfo:5: min: expected a whole number, found \"x\"",
                "proc/zoneinfo:6: low: expected a whole number, found \"\"",
                "proc/zoneinfo:7: protection: expected a whole number, found \"(1\"",
                "proc/zoneinfo:7: protection: expected a whole number, found \"x\"",
            ],
        );
    }
}
