//! How memory is used, from `/proc/meminfo`.
//!
//! * Source: kernel Documentation/filesystems/proc.rst, "meminfo".
//! * Units: the file has KiB with the unit `kB`, we export bytes; huge pages are counted in pages.
//! * Absent when: a field is not in the file, which depends on version and configuration of the kernel.
//! * Differs from the Go exporter: a malformed line costs its own sample, and nothing where the field is not
//!   exported. On request fields that it does not know are shown by the same rule.

use std::collections::HashMap;

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError};
use common::exposition::{Desc, Page};
use common::fields::{Words, lines};
use common::flags::Flag;
use common::fuzzing::{Parser, eat};

use crate::fs::KeptFile;

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row::on("meminfo", "use of memory, /proc/meminfo", FLAGS, |args| {
    let others = args.on(ALL_FIELDS).then(HashMap::new);
    Ok(Box::new(Meminfo { file: KeptFile::of_proc(args, "meminfo").in_one_piece(), others }))
});

const ALL_FIELDS: &str = "collector.meminfo.all-fields";

const FLAGS: &[Flag] = &[Flag::switch(
    ALL_FIELDS,
    false,
    "Fields that the Go exporter does not know, too, such as those of newer kernels.",
)];

/// A field in the kernel's words and its family.
struct Field {
    key: &'static str,
    desc: Desc<'static>,
}

const fn field(key: &'static str, name: &'static str, help: &'static str) -> Field {
    Field { key, desc: Desc::gauge(name, help, &[]) }
}

/// The fields that are exported, sorted by the kernel's name.
///
/// The family is `node_memory_<name>_bytes`, `_x` for `(x)`, and without `_bytes` for what is counted in pages.
#[rustfmt::skip] // One field, one line: this is a table.
static FIELDS: &[Field] = &[
    field("Active", "node_memory_Active_bytes", "Memory used lately, reclaimed last."),
    field("Active(anon)", "node_memory_Active_anon_bytes", "Memory used lately that no file backs."),
    field("Active(file)", "node_memory_Active_file_bytes", "Memory used lately that files back."),
    field("AnonHugePages", "node_memory_AnonHugePages_bytes", "Huge pages mapped by processes that no file backs."),
    field("AnonPages", "node_memory_AnonPages_bytes", "Memory mapped by processes that no file backs."),
    field("Bounce", "node_memory_Bounce_bytes", "Buffers for devices that cannot reach all memory."),
    field("Buffers", "node_memory_Buffers_bytes", "Short-lived storage of raw disk blocks."),
    field("Cached", "node_memory_Cached_bytes", "Page cache of files, without swap cache."),
    field("CmaFree", "node_memory_CmaFree_bytes", "Free memory of the contiguous allocator."),
    field("CmaTotal", "node_memory_CmaTotal_bytes", "Memory set aside for the contiguous allocator."),
    field("CommitLimit", "node_memory_CommitLimit_bytes", "Memory that may be promised under strict overcommit."),
    field("Committed_AS", "node_memory_Committed_AS_bytes", "Memory promised to processes, used or not."),
    field("DirectMap1G", "node_memory_DirectMap1G_bytes", "Memory the kernel maps in pages of 1 GiB."),
    field("DirectMap2M", "node_memory_DirectMap2M_bytes", "Memory the kernel maps in pages of 2 MiB."),
    field("DirectMap4k", "node_memory_DirectMap4k_bytes", "Memory the kernel maps in pages of 4 KiB."),
    field("Dirty", "node_memory_Dirty_bytes", "Memory that waits to be written to disk."),
    field("HardwareCorrupted", "node_memory_HardwareCorrupted_bytes", "Memory taken out of use because it is broken."),
    field("HugePages_Free", "node_memory_HugePages_Free", "Huge pages of the pool that are free, in pages."),
    field("HugePages_Rsvd", "node_memory_HugePages_Rsvd", "Huge pages of the pool that are promised, in pages."),
    field("HugePages_Surp", "node_memory_HugePages_Surp", "Huge pages beyond the size of the pool, in pages."),
    field("HugePages_Total", "node_memory_HugePages_Total", "Size of the pool of huge pages, in pages."),
    field("Hugepagesize", "node_memory_Hugepagesize_bytes", "Size of one huge page by default."),
    field("Inactive", "node_memory_Inactive_bytes", "Memory not used lately, reclaimed first."),
    field("Inactive(anon)", "node_memory_Inactive_anon_bytes", "Memory not used lately that no file backs."),
    field("Inactive(file)", "node_memory_Inactive_file_bytes", "Memory not used lately that files back."),
    field("KernelStack", "node_memory_KernelStack_bytes", "Stacks of tasks within the kernel."),
    field("Mapped", "node_memory_Mapped_bytes", "Files mapped by processes."),
    field("MemAvailable", "node_memory_MemAvailable_bytes", "Estimate of what programs can have without swapping."),
    field("MemFree", "node_memory_MemFree_bytes", "Memory that nothing uses."),
    field("MemTotal", "node_memory_MemTotal_bytes", "Memory the kernel can use."),
    field("Mlocked", "node_memory_Mlocked_bytes", "Memory locked by programs."),
    field("NFS_Unstable", "node_memory_NFS_Unstable_bytes", "Memory sent to an NFS server that has not stored it yet."),
    field("PageTables", "node_memory_PageTables_bytes", "Page tables of processes."),
    field("Percpu", "node_memory_Percpu_bytes", "Memory of which each CPU has its own copy."),
    field("SReclaimable", "node_memory_SReclaimable_bytes", "Slab memory that can be given back."),
    field("SUnreclaim", "node_memory_SUnreclaim_bytes", "Slab memory that cannot be given back."),
    field("Shmem", "node_memory_Shmem_bytes", "Shared memory and tmpfs."),
    field("ShmemHugePages", "node_memory_ShmemHugePages_bytes", "Shared memory and tmpfs in huge pages."),
    field("ShmemPmdMapped", "node_memory_ShmemPmdMapped_bytes", "Shared memory that processes map in huge pages."),
    field("Slab", "node_memory_Slab_bytes", "Data structures of the kernel."),
    field("SwapCached", "node_memory_SwapCached_bytes", "Memory that is in swap as well."),
    field("SwapFree", "node_memory_SwapFree_bytes", "Swap that nothing uses."),
    field("SwapTotal", "node_memory_SwapTotal_bytes", "Size of all swap."),
    field("Unevictable", "node_memory_Unevictable_bytes", "Memory that cannot be reclaimed."),
    field("VmallocChunk", "node_memory_VmallocChunk_bytes", "Largest free piece of the vmalloc area."),
    field("VmallocTotal", "node_memory_VmallocTotal_bytes", "Size of the vmalloc area."),
    field("VmallocUsed", "node_memory_VmallocUsed_bytes", "Used part of the vmalloc area."),
    field("Writeback", "node_memory_Writeback_bytes", "Memory that is being written to disk."),
    field("WritebackTmp", "node_memory_WritebackTmp_bytes", "Memory that FUSE uses to write back."),
    field("Zswap", "node_memory_Zswap_bytes", "Memory that holds compressed swap."),
    field("Zswapped", "node_memory_Zswapped_bytes", "Memory that was compressed into zswap."),
];

/// Other fields than these are not remembered, should the file be none of the kernel's.
const MOST_OTHERS: usize = 256;

struct Meminfo {
    file: KeptFile,
    /// Names of families by the field, for fields that are not in the table; `None` if those are not wanted.
    others: Option<HashMap<Vec<u8>, String>>,
}

impl Collector for Meminfo {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let mut bad_lines = Vec::new();
        for reading in readings(self.file.read()?) {
            match reading {
                Ok((field, value)) => page.sample::<&str>(&field.desc, &[], value),
                Err(bad) if bad_lines.len() < FIELDS.len() => bad_lines.push(bad),
                Err(_) => {}
            }
        }
        for bad in bad_lines {
            cx.fault(bad.in_file(self.file.path()));
        }
        if let Some(names) = &mut self.others {
            for (key, is_bytes, value) in other_readings(self.file.text()) {
                if !names.contains_key(key) && names.len() < MOST_OTHERS {
                    names.insert(key.to_vec(), family_name(key, is_bytes));
                }
                let Some(name) = names.get(key) else { continue };
                page.sample::<&str>(
                    &Desc::gauge(name, "A field of meminfo that has no help text here.", &[]),
                    &[],
                    value,
                );
            }
        }
        Ok(())
    }
}

/// The fields that are not in the table and have a number: name, whether it is in bytes, value.
fn other_readings(text: &[u8]) -> impl Iterator<Item = (&[u8], bool, f64)> {
    lines(text).filter_map(|(number, line)| {
        let colon = line.iter().position(|&b| b == b':')?;
        let (key, rest) = (line.get(..colon)?, line.get(colon + 1..)?);
        let is_name = key.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'(' | b')'));
        if key.is_empty() || !is_name || FIELDS.binary_search_by(|field| field.key.as_bytes().cmp(key)).is_ok() {
            return None;
        }
        Some((key, rest.trim_ascii_end().ends_with(b"kB"), value(number, "value", rest).ok()?))
    })
}

/// As in the table.
fn family_name(key: &[u8], is_bytes: bool) -> String {
    let key = String::from_utf8_lossy(key).replace('(', "_").replace(')', "");
    format!("node_memory_{key}{}", if is_bytes { "_bytes" } else { "" })
}

const BYTES_PER_KB: f64 = 1024.0;

/// The lines of the fields we export, in the order of the file.
fn readings(text: &[u8]) -> impl Iterator<Item = Result<(&'static Field, f64), BadField>> {
    lines(text).filter_map(|(number, line)| {
        let colon = line.iter().position(|&b| b == b':')?;
        let (key, rest) = (line.get(..colon)?, line.get(colon + 1..)?);
        let at = FIELDS.binary_search_by(|field| field.key.as_bytes().cmp(key)).ok()?;
        let field = FIELDS.get(at)?;
        Some(value(number, field.key, rest).map(|value| (field, value)))
    })
}

fn value(number: u32, key: &'static str, rest: &[u8]) -> Result<f64, BadField> {
    let mut words = Words::new(number, rest);
    let value = words.u64(key)? as f64;
    match words.rest() {
        b"" => Ok(value),
        b"kB" => Ok(value * BYTES_PER_KB),
        unit => Err(BadField::new(number, key, "the unit kB or none", unit)),
    }
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser =
    Parser::new("meminfo", |bytes| {
    readings(bytes).for_each(eat);
    other_readings(bytes).for_each(eat);
}, b"MemTotal:       16314312 kB\nActive(anon):    4012331 kB\nHugePages_Total:      16\nHugepagesize:       2048 kB\n");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::page_of;

    #[test]
    fn fields_are_sorted_and_families_follow_the_rule() {
        assert!(FIELDS.is_sorted_by(|a, b| a.key < b.key));
        for field in FIELDS {
            let name = field.key.replace('(', "_").replace(')', "");
            let unit = if name.starts_with("HugePages_") { "" } else { "_bytes" };
            assert_eq!(field.desc.name, format!("node_memory_{name}{unit}"));
        }
    }

    #[track_caller]
    fn check(text: &str, want: &[&str], want_faults: &[&str]) {
        let (page, faults) = page_of(&ROW, &[("proc/meminfo", text)], &[]);
        assert_eq!(page.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>(), want);
        assert_eq!(faults, want_faults);
    }

    #[test]
    fn good() {
        check(
            "MemTotal:       16000 kB\nActive(anon):        3 kB\nSecPageTables:  1 kB\nHugePages_Total:       7\n\
             VmallocTotal:   34359738367 kB\n",
            &[
                "node_memory_Active_anon_bytes 3072",
                "node_memory_HugePages_Total 7",
                "node_memory_MemTotal_bytes 1.6384e+07",
                "node_memory_VmallocTotal_bytes 3.5184372087808e+13",
            ],
            &[],
        );
    }

    #[test]
    fn fields_of_newer_kernels() {
        let text = "MemFree: 1 kB\nNewPages(anon):   7 kB\nNewCount: 3\nnew field: 1 kB\nNewWord: x kB\n: 1\nEnd: 1";
        let mut rig = crate::rig::Rig::new(&ROW, &[("proc/meminfo", text)], &[(ALL_FIELDS, "true")]);
        let want = "node_memory_End 1\nnode_memory_MemFree_bytes 1024\nnode_memory_NewCount 3\n\
                    node_memory_NewPages_anon_bytes 7168\n";
        assert_eq!(rig.samples(), want);
        assert_eq!(rig.samples(), want);
        check(text, &["node_memory_MemFree_bytes 1024"], &[]);
    }

    #[test]
    fn cut_short() {
        check(
            "MemFree: 1 kB\nMemTotal:",
            &["node_memory_MemFree_bytes 1024"],
            &["proc/meminfo:2: MemTotal: expected a whole number, found \"\""],
        );
        assert_eq!(page_of(&ROW, &[], &[]).1, ["proc/meminfo: No such file or directory (os error 2)"]);
    }

    #[test]
    fn garbage() {
        check(
            "x\nUnknown: y z\nMemFree: -1 kB\nCached: 1 MB\nSlab: 1 kB kB\n\nDirty: 2 kB\n",
            &["node_memory_Dirty_bytes 2048"],
            &[
                "proc/meminfo:3: MemFree: expected a whole number, found \"-1\"",
                "proc/meminfo:4: Cached: expected the unit kB or none, found \"MB\"",
                "proc/meminfo:5: Slab: expected the unit kB or none, found \"kB kB\"",
            ],
        );
    }
}
