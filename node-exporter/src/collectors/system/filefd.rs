//! Open files of the whole system from `/proc/sys/fs/file-nr`.
//!
//! * Source: kernel Documentation/admin-guide/sysctl/fs.rst, "file-max & file-nr".
//! * Units: open file descriptions.
//! * Absent when: never on Linux.
//! * Differs from the Go exporter: each of the two numbers fails alone.

use common::collector::{Collector, Row, Scrape};
use common::error::CollectError;
use common::exposition::{Desc, Page};
use common::fields::Words;

use crate::fs::{KeptAttr, proc_path};

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row::on("filefd", "open files, /proc/sys/fs/file-nr", &[], |args| {
    Ok(Box::new(Filefd { file: KeptAttr::new(proc_path(args, "sys/fs/file-nr")) }))
});

const ALLOCATED: Desc = Desc::gauge("node_filefd_allocated", "Files that are open.", &[]);
const MAXIMUM: Desc = Desc::gauge("node_filefd_maximum", "Files that may be open at a time.", &[]);

struct Filefd {
    file: KeptAttr,
}

impl Collector for Filefd {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let text = self.file.read().map_err(|e| CollectError::io(self.file.path(), e))?;
        let mut words = Words::of(text.text());
        let allocated = words.f64("allocated");
        // The second number counts files that are allocated and unused: always 0 since Linux 2.6.
        let maximum = words.word("unused").and_then(|_| words.f64("maximum"));
        for (desc, number) in [(&ALLOCATED, allocated), (&MAXIMUM, maximum)] {
            if let Some(number) = cx.ok(number.map_err(|bad| bad.in_file(self.file.path()))) {
                page.sample::<&str>(desc, &[], number);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::page_of;

    #[track_caller]
    fn check(text: &str, want: &[&str], want_faults: &[&str]) {
        let (page, faults) = page_of(&ROW, &[("proc/sys/fs/file-nr", text)], &[]);
        assert_eq!(page.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>(), want);
        assert_eq!(faults, want_faults);
    }

    #[test]
    fn good() {
        check(
            "1024\t0\t9223372036854775807\n",
            &["node_filefd_allocated 1024", "node_filefd_maximum 9.223372036854776e+18"],
            &[],
        );
    }

    #[test]
    fn cut_short() {
        check(
            "1024\t",
            &["node_filefd_allocated 1024"],
            &["proc/sys/fs/file-nr:1: unused: expected a word, found \"\""],
        );
        assert_eq!(page_of(&ROW, &[], &[]).1, ["proc/sys/fs/file-nr: No such file or directory (os error 2)"]);
    }

    #[test]
    fn garbage() {
        check(
            "x\t0\ty\n",
            &[],
            &[
                "proc/sys/fs/file-nr:1: allocated: expected a number, found \"x\"",
                "proc/sys/fs/file-nr:1: maximum: expected a number, found \"y\"",
            ],
        );
    }
}
