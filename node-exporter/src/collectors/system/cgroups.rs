//! Controllers of control groups from `/proc/cgroups`.
//!
//! * Source: cgroups(7), "/proc/cgroups".
//! * Units: groups; `enabled` is 0 or 1.
//! * Absent when: the kernel is built without control groups, or without their first version: no data.
//! * Differs from the Go exporter: a malformed line costs its own controller.

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError};
use common::exposition::{Desc, Page};
use common::fields::{Words, lines};
use common::fuzzing::{Parser, eat};

use crate::fs::KeptFile;

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::off("cgroups", "controllers of control groups, /proc/cgroups", &[], |args| {
        Ok(Box::new(Cgroups { file: KeptFile::of_proc(args, "cgroups") }))
    });

const CGROUPS: Desc =
    Desc::gauge("node_cgroups_cgroups", "Control groups that the controller works for.", &["subsys_name"]);
const ENABLED: Desc = Desc::gauge("node_cgroups_enabled", "Whether the controller is switched on.", &["subsys_name"]);

struct Cgroups {
    file: KeptFile,
}

impl Collector for Cgroups {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let Some(text) = self.file.read_if_present()? else {
            return Err(CollectError::no_data("the kernel has no /proc/cgroups"));
        };
        let mut bad_lines = Vec::new();
        for controller in controllers(text) {
            match controller {
                Ok(Controller { name, n_groups, enabled }) => {
                    page.sample(&CGROUPS, &[name], n_groups);
                    page.sample(&ENABLED, &[name], enabled);
                }
                Err(bad) if bad_lines.len() < MOST_FAULTS => bad_lines.push(bad),
                Err(_) => {}
            }
        }
        for bad in bad_lines {
            cx.fault(bad.in_file(self.file.path()));
        }
        Ok(())
    }
}

/// Linux has some fifteen controllers.
const MOST_FAULTS: usize = 16;

#[derive(Debug)]
struct Controller<'t> {
    name: &'t [u8],
    n_groups: f64,
    enabled: f64,
}

fn controllers(text: &[u8]) -> impl Iterator<Item = Result<Controller<'_>, BadField>> {
    lines(text)
        .filter(|(_, line)| !line.starts_with(b"#") && !line.trim_ascii().is_empty())
        .map(|(number, line)| parse_controller(number, line))
}

fn parse_controller(number: u32, line: &[u8]) -> Result<Controller<'_>, BadField> {
    let mut words = Words::new(number, line);
    let name = words.word("name")?;
    words.word("hierarchy")?;
    let n_groups = words.u64("number of groups")? as f64;
    let enabled = words.u64("enabled")? as f64;
    Ok(Controller { name, n_groups, enabled })
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser = Parser::new(
    "cgroups",
    |bytes| controllers(bytes).for_each(eat),
    b"#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpuset\t0\t214\t1\nmemory\t0\t214\t0\n",
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check;

    #[test]
    fn good() {
        let text = "#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t0\t214\t0\ncpu\t3\t9\t1";
        check(
            &ROW,
            &[("proc/cgroups", text)],
            &[
                "node_cgroups_cgroups{subsys_name=\"cpu\"} 9",
                "node_cgroups_cgroups{subsys_name=\"memory\"} 214",
                "node_cgroups_enabled{subsys_name=\"cpu\"} 1",
                "node_cgroups_enabled{subsys_name=\"memory\"} 0",
            ],
            &[],
        );
        check(&ROW, &[], &[], &["no data: the kernel has no /proc/cgroups"]);
        check(&ROW, &[("proc/cgroups", "")], &[], &[]);
    }

    #[test]
    fn cut_short_and_garbage() {
        check(
            &ROW,
            &[("proc/cgroups", "cpu 1 2\nmemory\n\u{1} 0 x 1\n\npids x 3 1\r\n")],
            &["node_cgroups_cgroups{subsys_name=\"pids\"} 3", "node_cgroups_enabled{subsys_name=\"pids\"} 1"],
            &[
                "proc/cgroups:1: enabled: expected a whole number, found \"\"",
                "proc/cgroups:2: hierarchy: expected a word, found \"\"",
                "proc/cgroups:3: number of groups: expected a whole number, found \"x\"",
            ],
        );
    }
}
