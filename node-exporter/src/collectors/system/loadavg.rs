//! Load averages from `/proc/loadavg`.
//!
//! * Source: kernel Documentation/filesystems/proc.rst, "loadavg".
//! * Units: tasks, averaged over 1, 5 and 15 minutes.
//! * Absent when: never on Linux.
//! * Differs from the Go exporter: nothing.

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError};
use common::exposition::{Desc, Page};
use common::fields::Words;
use common::fuzzing::{Parser, eat};

use crate::fs::KeptFile;

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row::on("loadavg", "load averages, /proc/loadavg", &[], |args| {
    Ok(Box::new(Loadavg { file: KeptFile::of_proc(args, "loadavg").in_one_piece() }))
});

const LOAD1: Desc = Desc::gauge("node_load1", "Tasks running or waiting, averaged over one minute.", &[]);
const LOAD5: Desc = Desc::gauge("node_load5", "Tasks running or waiting, averaged over five minutes.", &[]);
const LOAD15: Desc = Desc::gauge("node_load15", "Tasks running or waiting, averaged over fifteen minutes.", &[]);

struct Loadavg {
    file: KeptFile,
}

impl Collector for Loadavg {
    fn update(&mut self, _cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let parsed = parse(self.file.read()?);
        let load = parsed.map_err(|bad| bad.in_file(self.file.path()))?;
        page.sample::<&str>(&LOAD1, &[], load.one);
        page.sample::<&str>(&LOAD5, &[], load.five);
        page.sample::<&str>(&LOAD15, &[], load.fifteen);
        Ok(())
    }
}

#[derive(Debug)]
struct Load {
    one: f64,
    five: f64,
    fifteen: f64,
}

fn parse(text: &[u8]) -> Result<Load, BadField> {
    let mut words = Words::of(text);
    Ok(Load { one: words.f64("load1")?, five: words.f64("load5")?, fifteen: words.f64("load15")? })
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser =
    Parser::new("loadavg", |bytes| eat(parse(bytes)), b"0.21 0.37 0.39 1/719 19737\n");

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &str) {
        let got = parse(text.as_bytes()).map_err(|bad| bad.to_string());
        assert_eq!(format!("{got:?}"), want);
    }

    #[test]
    fn good() {
        check("0.21 0.37 0.39 1/719 19737\n", "Ok(Load { one: 0.21, five: 0.37, fifteen: 0.39 })");
    }

    #[test]
    fn cut_short() {
        check("0.21 0.37\n", r#"Err("1: load15: expected a number, found \"\"")"#);
    }

    #[test]
    fn garbage() {
        check("\u{1}\u{2} x y", r#"Err("1: load1: expected a number, found \"\\u{1}\\u{2}\"")"#);
    }
}
