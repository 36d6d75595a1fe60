//! What XFS file systems did, from `/sys/fs/xfs/<device>/stats/stats`.
//!
//! * Source: kernel fs/xfs/xfs_stats.c; what the numbers mean from the runtime statistics of xfs.org.
//! * Units: operations, extents, blocks, inodes.
//! * Absent when: no XFS is mounted: no samples, no error. A line that the kernel does not write has no samples.
//! * Differs from the Go exporter: a line that is malformed costs its own samples, and nothing where it is not exported;
//!   either blanks all file systems there. As there, `node_xfs_vnode_active_total` goes up and down.

use std::path::Path;

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError, is_absent};
use common::exposition::{Desc, Page};
use common::fields::{Words, lines};
use common::fuzzing::{Parser, eat};

use crate::fs::{Devices, EntryKind, KeptFile, sys_path};

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row::on("xfs", "XFS file systems, /sys/fs/xfs/*/stats", &[], |args| {
    Ok(Box::new(Xfs { file_systems: Devices::new(sys_path(args, "fs/xfs")), text: Vec::new() }))
});

const fn counter(name: &'static str, help: &'static str) -> Desc<'static> {
    Desc::counter(name, help, &["device"])
}

/// The lines that are exported and the families of their numbers, in the order of the file; a line may go on.
#[rustfmt::skip] // One number, one line: this is a table.
static LINES: &[(&str, &[Desc<'static>])] = &[
    ("extent_alloc", &[
        counter("node_xfs_extent_allocation_extents_allocated_total", "Extents that were allocated."),
        counter("node_xfs_extent_allocation_blocks_allocated_total", "Blocks that were allocated."),
        counter("node_xfs_extent_allocation_extents_freed_total", "Extents that were freed."),
        counter("node_xfs_extent_allocation_blocks_freed_total", "Blocks that were freed."),
    ]),
    ("abt", &[
        counter("node_xfs_allocation_btree_lookups_total", "Lookups in the trees of free space."),
        counter("node_xfs_allocation_btree_compares_total", "Comparisons in the trees of free space."),
        counter("node_xfs_allocation_btree_records_inserted_total", "Records put into the trees of free space."),
        counter("node_xfs_allocation_btree_records_deleted_total", "Records taken out of the trees of free space."),
    ]),
    ("blk_map", &[
        counter("node_xfs_block_mapping_reads_total", "Mappings of blocks for reading."),
        counter("node_xfs_block_mapping_writes_total", "Mappings of blocks for writing."),
        counter("node_xfs_block_mapping_unmaps_total", "Mappings of blocks that were removed."),
        counter("node_xfs_block_mapping_extent_list_insertions_total", "Extents put into the lists of files."),
        counter("node_xfs_block_mapping_extent_list_deletions_total", "Extents taken out of the lists of files."),
        counter("node_xfs_block_mapping_extent_list_lookups_total", "Lookups in the extent lists of files."),
        counter("node_xfs_block_mapping_extent_list_compares_total", "Comparisons in the extent lists of files."),
    ]),
    ("bmbt", &[
        counter("node_xfs_block_map_btree_lookups_total", "Lookups in the trees of mapped blocks."),
        counter("node_xfs_block_map_btree_compares_total", "Comparisons in the trees of mapped blocks."),
        counter("node_xfs_block_map_btree_records_inserted_total", "Records put into the trees of mapped blocks."),
        counter("node_xfs_block_map_btree_records_deleted_total", "Records taken out of the trees of mapped blocks."),
    ]),
    ("dir", &[
        counter("node_xfs_directory_operation_lookup_total", "Names looked up that the cache of names did not have."),
        counter("node_xfs_directory_operation_create_total", "Entries put into directories."),
        counter("node_xfs_directory_operation_remove_total", "Entries taken out of directories."),
        counter("node_xfs_directory_operation_getdents_total", "Readings of directories."),
    ]),
    ("ig", &[
        counter("node_xfs_inode_operation_attempts_total", "Inodes looked for in the cache of inodes."),
        counter("node_xfs_inode_operation_found_total", "Inodes that the cache had."),
        counter("node_xfs_inode_operation_recycled_total", "Inodes that the cache had, but was about to give up."),
        counter("node_xfs_inode_operation_missed_total", "Inodes that the cache did not have."),
        counter("node_xfs_inode_operation_duplicates_total", "Inodes that someone else put into the cache meanwhile."),
        counter("node_xfs_inode_operation_reclaims_total", "Inodes that the cache gave up."),
        counter("node_xfs_inode_operation_attribute_changes_total", "Changes to the attributes of inodes."),
    ]),
    ("rw", &[
        counter("node_xfs_write_calls_total", "Calls of write."),
        counter("node_xfs_read_calls_total", "Calls of read."),
    ]),
    ("vnodes", &[
        counter("node_xfs_vnode_active_total", "Inodes that are in use or cached; goes up and down."),
        counter("node_xfs_vnode_allocate_total", "Inodes allocated in memory."),
        counter("node_xfs_vnode_get_total", "References taken by a lookup."),
        counter("node_xfs_vnode_hold_total", "References taken to an inode in use."),
        counter("node_xfs_vnode_release_total", "References given back."),
        counter("node_xfs_vnode_reclaim_total", "Inodes given up in memory."),
        counter("node_xfs_vnode_remove_total", "Inodes whose last reference was given back."),
    ]),
];

struct Xfs {
    file_systems: Devices<KeptFile>,
    text: Vec<u8>,
}

impl Collector for Xfs {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let stats = |path: &Path, _: &[u8]| KeptFile::new(path.join("stats/stats"));
        if let Err(e) = self.file_systems.refresh(|_, kind| kind != EntryKind::File, stats) {
            return if is_absent(&e) { Ok(()) } else { Err(CollectError::io(self.file_systems.path(), e)) };
        }
        for (device, file) in self.file_systems.known_mut() {
            let text = match file.read_into(&mut self.text) {
                Ok(Some(text)) => text,
                // Beside the file systems there are directories of the driver itself.
                Ok(None) => continue,
                Err(e) => {
                    cx.fault(e);
                    continue;
                }
            };
            for line in parse(text) {
                match line {
                    Ok((families, numbers)) => {
                        for (desc, n) in families.iter().zip(numbers) {
                            page.sample(desc, &[&device], n as f64);
                        }
                    }
                    Err(bad) => cx.fault(bad.in_file(file.path())),
                }
            }
        }
        Ok(())
    }
}

/// No line that is exported has more numbers.
const MOST_NUMBERS: usize = 7;

type Numbers = [u64; MOST_NUMBERS];

/// The lines that are exported, in the order of the file, with as many numbers as there are families.
fn parse(text: &[u8]) -> impl Iterator<Item = Result<(&'static [Desc<'static>], Numbers), BadField>> {
    lines(text).filter_map(|(number, line)| {
        let mut words = Words::new(number, line);
        let key = words.next()?;
        let (_, families) = LINES.iter().find(|(known, _)| known.as_bytes() == key)?;
        let mut numbers = Numbers::default();
        for n in numbers.iter_mut().take(families.len()) {
            match words.u64("statistic") {
                Ok(found) => *n = found,
                Err(bad) => return Some(Err(bad)),
            }
        }
        Some(Ok((*families, numbers)))
    })
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser = Parser::new(
    "xfs statistics",
    |bytes| parse(bytes).for_each(eat),
    b"extent_alloc 4 900 1 8\nabt 0 0 0 0\ndir 3 2 1 52\nrw 28 12\nvnodes 4 0 0 0 1 1 1 0\nxpc 3571712 3568056 0\n",
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    #[test]
    fn no_line_is_longer_than_there_is_room() {
        assert!(LINES.iter().all(|(_, families)| families.len() <= MOST_NUMBERS));
    }

    #[test]
    fn good() {
        let tree = [
            ("sys/fs/xfs/dm-0/stats/stats", "rw 28 18446744073709551615\ntrans 4 40 0\nqm x\nxpc 1 2 3"),
            ("sys/fs/xfs/sda1/stats/stats", "rw 1 2 3\r\n"),
            ("sys/fs/xfs/stats/stats", "rw 9 9\n"),
            ("sys/fs/xfs/debug/", ""),
        ];
        let want = "node_xfs_read_calls_total{device=\"dm-0\"} 1.8446744073709552e+19\n\
                    node_xfs_read_calls_total{device=\"sda1\"} 2\n\
                    node_xfs_write_calls_total{device=\"dm-0\"} 28\n\
                    node_xfs_write_calls_total{device=\"sda1\"} 1\n";
        let mut rig = Rig::new(&ROW, &tree, &[]);
        assert_eq!(rig.samples(), want);
        rig.remove("sys/fs/xfs/dm-0");
        assert_eq!(rig.samples().lines().count(), 2);
        rig.remove("sys/fs/xfs");
        assert_eq!(rig.samples(), "");
    }

    #[test]
    fn cut_short_and_garbage() {
        let tree = [
            ("sys/fs/xfs/a/stats/stats", "abt 1 2 3\nrw 1 -2\n\n\u{1}\nrw 3 4\nvnodes"),
            ("sys/fs/xfs/b/stats/stats/", ""),
        ];
        let want = "node_xfs_read_calls_total{device=\"a\"} 4\n\
                    node_xfs_write_calls_total{device=\"a\"} 3\n\
                    ! sys/fs/xfs/a/stats/stats:1: statistic: expected a whole number, found \"\"\n\
                    ! sys/fs/xfs/a/stats/stats:2: statistic: expected a whole number, found \"-2\"\n\
                    ! sys/fs/xfs/a/stats/stats:6: statistic: expected a whole number, found \"\"\n\
                    ! sys/fs/xfs/b/stats/stats: Is a directory (os error 21)\n";
        assert_eq!(Rig::new(&ROW, &tree, &[]).samples(), want);
    }
}
