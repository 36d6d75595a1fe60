//! Counters of the memory management from `/proc/vmstat`, those that a pattern chooses.
//!
//! * Source: the list `vmstat_text` in the kernel's mm/vmstat.c; every kernel has other fields.
//! * Units: events or pages, as the name of the field says; the Go exporter calls all of them untyped.
//! * Absent when: the kernel does not count this; never as a whole.
//! * Differs from the Go exporter: a malformed line costs its own sample, and nothing if it is not chosen.

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError};
use common::exposition::{Desc, Page, is_metric_name};
use common::fields::{Words, lines};
use common::filter::Filter;
use common::flags::Flag;

use crate::fs::KeptFile;

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::on("vmstat", "counters of memory management, /proc/vmstat", FLAGS, |args| {
        Ok(Box::new(Vmstat {
            file: KeptFile::of_proc(args, "vmstat"),
            filter: Filter::from_args(args, "collector.vmstat.fields", "")?,
            fields: Vec::new(),
        }))
    });

const FLAGS: &[Flag] =
    &[Flag::text("collector.vmstat.fields", "^(oom_kill|pgpg|pswp|pg.*fault).*", "Pattern for the fields to show.")];

struct Vmstat {
    file: KeptFile,
    filter: Filter,
    /// The lines of the file, whose names stay the same as long as the kernel does.
    fields: Vec<Field>,
}

struct Field {
    key: Vec<u8>,
    /// Name and help text of the family; `None` for a field that is not exported.
    family: Option<(String, String)>,
}

/// A kernel has about 200.
const MOST_FIELDS: usize = 4096;

impl Collector for Vmstat {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let text = self.file.read()?;
        let mut bad_lines = Vec::new();
        for (at, (number, line)) in lines(text).take(MOST_FIELDS).enumerate() {
            let mut words = Words::new(number, line);
            let key = words.next().unwrap_or_default();
            if self.fields.get(at).is_none_or(|field| field.key != key) {
                self.fields.truncate(at);
                self.fields.push(Field::new(key, &mut self.filter));
            }
            let Some((name, help)) = self.fields.get(at).and_then(|field| field.family.as_ref()) else { continue };
            match words.f64("value") {
                Ok(value) => page.sample::<&str>(&Desc::untyped(name, help, &[]), &[], value),
                Err(bad) => bad_lines.push(bad),
            }
        }
        for bad in bad_lines {
            cx.fault(BadField::in_file(bad, self.file.path()));
        }
        Ok(())
    }
}

impl Field {
    fn new(key: &[u8], filter: &mut Filter) -> Self {
        let name = std::str::from_utf8(key).ok().filter(|name| !name.is_empty() && filter.judges(name.as_bytes()));
        let family = name
            .map(|name| (format!("node_vmstat_{name}"), format!("Field {name} of /proc/vmstat.")))
            .filter(|(name, _)| is_metric_name(name));
        Self { key: key.to_vec(), family }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::page_of;

    #[track_caller]
    fn check(text: &str, flags: &[(&'static str, &str)], want: &[&str], want_faults: &[&str]) {
        let (page, faults) = page_of(&ROW, &[("proc/vmstat", text)], flags);
        assert_eq!(page.lines().filter(|line| !line.starts_with("# H")).collect::<Vec<_>>(), want);
        assert_eq!(faults, want_faults);
    }

    #[test]
    fn good() {
        let text = "nr_free_pages 5\npgpgin 7344136\npgfault 2320168809\nthp_fault_alloc 1\noom_kill 0\n";
        check(
            text,
            &[],
            &[
                "# TYPE node_vmstat_oom_kill untyped",
                "node_vmstat_oom_kill 0",
                "# TYPE node_vmstat_pgfault untyped",
                "node_vmstat_pgfault 2.320168809e+09",
                "# TYPE node_vmstat_pgpgin untyped",
                "node_vmstat_pgpgin 7.344136e+06",
            ],
            &[],
        );
        check(
            text,
            &[("collector.vmstat.fields", "thp")],
            &["# TYPE node_vmstat_thp_fault_alloc untyped", "node_vmstat_thp_fault_alloc 1"],
            &[],
        );
    }

    #[test]
    fn cut_short() {
        let bad = "proc/vmstat:2: value: expected a number, found \"\"";
        check("pgpgin 1\npgpgout", &[], &["# TYPE node_vmstat_pgpgin untyped", "node_vmstat_pgpgin 1"], &[bad]);
        assert_eq!(page_of(&ROW, &[], &[]).1, ["proc/vmstat: No such file or directory (os error 2)"]);
    }

    #[test]
    fn garbage() {
        let bad = "proc/vmstat:4: value: expected a number, found \"x\"";
        let want = ["# TYPE node_vmstat_pgpgin untyped", "node_vmstat_pgpgin 2"];
        check("\n\u{1}\nother x\npgfault x\npgpg-in 1\npgpgin 2\n", &[], &want, &[bad]);
    }
}
