//! Merging of equal pages (KSM) from `/sys/kernel/mm/ksm`.
//!
//! * Source: kernel Documentation/admin-guide/mm/ksm.rst.
//! * Units: pages and bytes as the files have them; the pause is in milliseconds there, we export seconds.
//! * Absent when: the kernel is built without, or is too old for one of the files: no samples, no error.
//! * Differs from the Go exporter: a malformed file costs itself.

use common::collector::{Collector, Row, Scrape};
use common::error::{CollectError, is_absent};
use common::exposition::{Desc, Page};
use common::fields::{parse_i64, parse_u64};

use crate::fs::{KeptAttr, sys_path};

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::off("ksmd", "merging of equal pages, /sys/kernel/mm/ksm", &[], |args| {
        let dir = sys_path(args, "kernel/mm/ksm");
        Ok(Box::new(Ksmd { files: FILES.each_ref().map(|file| KeptAttr::new(dir.join(file.name))) }))
    });

/// A file, its family, and how many of its units make one of ours.
struct File {
    name: &'static str,
    desc: Desc<'static>,
    per_unit: f64,
}

const fn file(name: &'static str, desc: Desc<'static>) -> File {
    File { name, desc, per_unit: 1.0 }
}

const MILLISECONDS: f64 = 1000.0;

static FILES: [File; 9] = [
    file("full_scans", Desc::counter("node_ksmd_full_scans_total", "Times all mergeable memory was scanned.", &[])),
    file(
        "merge_across_nodes",
        Desc::gauge("node_ksmd_merge_across_nodes", "Whether pages of different NUMA nodes are merged.", &[]),
    ),
    file("pages_shared", Desc::gauge("node_ksmd_pages_shared", "Pages that stand for several equal ones.", &[])),
    file("pages_sharing", Desc::gauge("node_ksmd_pages_sharing", "Places that share them: what is saved.", &[])),
    file("pages_to_scan", Desc::gauge("node_ksmd_pages_to_scan", "Pages to scan between two pauses.", &[])),
    file("pages_unshared", Desc::gauge("node_ksmd_pages_unshared", "Pages that no other one was equal to.", &[])),
    file("pages_volatile", Desc::gauge("node_ksmd_pages_volatile", "Pages that change too fast to be merged.", &[])),
    file("run", Desc::gauge("node_ksmd_run", "What is done: 0 nothing, 1 merging, 2 taking apart.", &[])),
    File {
        name: "sleep_millisecs",
        desc: Desc::gauge("node_ksmd_sleep_seconds", "Seconds of a pause between two scans.", &[]),
        per_unit: MILLISECONDS,
    },
];

struct Ksmd {
    files: [KeptAttr; FILES.len()],
}

impl Collector for Ksmd {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        for (attr, file) in self.files.iter_mut().zip(&FILES) {
            let text = match attr.read() {
                Ok(text) => text,
                Err(e) if is_absent(&e) => continue,
                Err(e) => {
                    cx.fault(CollectError::io(attr.path(), e));
                    continue;
                }
            };
            if let Some(n) = cx.ok(text.number(attr.path(), "number of pages or the like", number)) {
                page.sample::<&str>(&file.desc, &[], n / file.per_unit);
            }
        }
        Ok(())
    }
}

/// A whole number of either sign; those above 2^63 are counters.
fn number(text: &[u8]) -> Option<f64> {
    parse_i64(text).map(|n| n as f64).or_else(|| parse_u64(text).map(|n| n as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check;

    #[test]
    fn good() {
        check(
            &ROW,
            &[
                ("sys/kernel/mm/ksm/full_scans", "18446744073709551615\n"),
                ("sys/kernel/mm/ksm/sleep_millisecs", "20"),
                ("sys/kernel/mm/ksm/run", "2\n"),
                ("sys/kernel/mm/ksm/max_page_sharing", "256\n"),
            ],
            &["node_ksmd_full_scans_total 1.8446744073709552e+19", "node_ksmd_run 2", "node_ksmd_sleep_seconds 0.02"],
            &[],
        );
        check(&ROW, &[], &[], &[]);
    }

    #[test]
    fn cut_short_and_garbage() {
        check(
            &ROW,
            &[
                ("sys/kernel/mm/ksm/full_scans", ""),
                ("sys/kernel/mm/ksm/pages_shared/", ""),
                ("sys/kernel/mm/ksm/pages_sharing", "0x1\n"),
                ("sys/kernel/mm/ksm/run", "1\n"),
            ],
            &["node_ksmd_run 1"],
            &[
                "sys/kernel/mm/ksm/full_scans:1: number of pages or the like: expected a whole number, found \"\"",
                "sys/kernel/mm/ksm/pages_shared: Is a directory (os error 21)",
                "sys/kernel/mm/ksm/pages_sharing:1: number of pages or the like: expected a whole number, found \"0x1\"",
            ],
        );
    }
}
