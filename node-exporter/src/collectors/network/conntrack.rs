//! Connection tracking: entries, their limit, and what came of packets.
//!
//! * Source: `/proc/sys/net/netfilter/nf_conntrack_{count,max}`, kernel
//!   Documentation/networking/nf_conntrack-sysctl.rst; `/proc/net/stat/nf_conntrack`, a line of hexadecimal counters
//!   per CPU.
//! * Units: entries and packets.
//! * Absent when: nf_conntrack is not loaded, or (only the counters) built without its proc files: no data.
//! * Differs from the Go exporter: a malformed file costs itself alone. The counters are gauges there, and so here.

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError, is_absent};
use common::exposition::{Desc, Page};
use common::fields::{Words, lines, parse_u64};
use common::fuzzing::{Parser, eat};

use crate::fs::{KeptAttr, KeptFile, proc_path};

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::on("conntrack", "connection tracking, /proc/sys/net/netfilter and /proc/net/stat", &[], |args| {
        Ok(Box::new(Conntrack {
            count: KeptAttr::new(proc_path(args, "sys/net/netfilter/nf_conntrack_count")),
            max: KeptAttr::new(proc_path(args, "sys/net/netfilter/nf_conntrack_max")),
            stat: KeptFile::of_proc(args, "net/stat/nf_conntrack"),
        }))
    });

const ENTRIES: Desc = Desc::gauge("node_nf_conntrack_entries", "Connections that are tracked now.", &[]);
const LIMIT: Desc = Desc::gauge("node_nf_conntrack_entries_limit", "Connections that can be tracked at most.", &[]);
const FOUND: Desc = Desc::gauge("node_nf_conntrack_stat_found", "Lookups that found their entry.", &[]);
const INVALID: Desc = Desc::gauge("node_nf_conntrack_stat_invalid", "Packets that cannot be tracked.", &[]);
const IGNORE: Desc = Desc::gauge("node_nf_conntrack_stat_ignore", "Packets that are tracked already.", &[]);
const INSERT: Desc = Desc::gauge("node_nf_conntrack_stat_insert", "Entries put into the table.", &[]);
const INSERT_FAILED: Desc =
    Desc::gauge("node_nf_conntrack_stat_insert_failed", "Entries that were not put in, being there already.", &[]);
const DROP: Desc = Desc::gauge("node_nf_conntrack_stat_drop", "Packets dropped because tracking failed.", &[]);
const EARLY_DROP: Desc =
    Desc::gauge("node_nf_conntrack_stat_early_drop", "Entries dropped to make room for new ones.", &[]);
const SEARCH_RESTART: Desc = Desc::gauge(
    "node_nf_conntrack_stat_search_restart",
    "Lookups started anew because the table was resized meanwhile.",
    &[],
);

struct Conntrack {
    count: KeptAttr,
    max: KeptAttr,
    stat: KeptFile,
}

impl Collector for Conntrack {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        for (desc, file) in [(&ENTRIES, &mut self.count), (&LIMIT, &mut self.max)] {
            match file.read() {
                Ok(text) => {
                    if let Some(n) = cx.ok(text.number(file.path(), "entries", parse_u64)) {
                        page.sample::<&str>(desc, &[], n as f64);
                    }
                }
                Err(e) if is_absent(&e) => return Err(CollectError::no_data("connections are not tracked")),
                Err(e) => cx.fault(CollectError::io(file.path(), e)),
            }
        }
        let parsed = match self.stat.read_if_present()? {
            Some(text) => parse(text),
            None => return Err(CollectError::no_data("this kernel has no /proc/net/stat/nf_conntrack")),
        };
        if let Some(stat) = parsed.map_err(|bad| bad.in_file(self.stat.path()))? {
            for (desc, n) in [
                (&FOUND, stat.found),
                (&INVALID, stat.invalid),
                (&IGNORE, stat.ignore),
                (&INSERT, stat.insert),
                (&INSERT_FAILED, stat.insert_failed),
                (&DROP, stat.drop),
                (&EARLY_DROP, stat.early_drop),
                (&SEARCH_RESTART, stat.search_restart),
            ] {
                page.sample::<&str>(desc, &[], n as f64);
            }
        }
        Ok(())
    }
}

#[derive(Debug, Default, PartialEq)]
struct Stat {
    found: u64,
    invalid: u64,
    ignore: u64,
    insert: u64,
    insert_failed: u64,
    drop: u64,
    early_drop: u64,
    search_restart: u64,
}

/// The sums over all CPUs; `None` when the file has no line of a CPU.
fn parse(text: &[u8]) -> Result<Option<Stat>, BadField> {
    let mut sums: Option<Stat> = None;
    for (number, line) in lines(text).skip(1) {
        // The last column came later than the rest.
        let mut columns = [0_u64; 17];
        let n = Words::new(number, line).count();
        if !matches!(n, 16 | 17) {
            return Err(BadField::new(number, "columns", "16 or 17 hexadecimal numbers", line));
        }
        let mut words = Words::new(number, line);
        for column in columns.iter_mut().take(n) {
            *column = words.hex("counter")?;
        }
        let sum = sums.get_or_insert_default();
        let [_, _, found, _, invalid, ignore, _, _, insert, insert_failed, drop, early_drop, _, _, _, _, restart] =
            columns;
        for (total, n) in [
            (&mut sum.found, found),
            (&mut sum.invalid, invalid),
            (&mut sum.ignore, ignore),
            (&mut sum.insert, insert),
            (&mut sum.insert_failed, insert_failed),
            (&mut sum.drop, drop),
            (&mut sum.early_drop, early_drop),
            (&mut sum.search_restart, restart),
        ] {
            *total = total.wrapping_add(n);
        }
    }
    Ok(sums)
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser =
    Parser::new("nf_conntrack", |bytes| eat(parse(bytes)), b"entries  searched found new invalid ignore delete delete_list insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete search_restart\n0000019c  00000000 00000001 00000000 000001a0 00000000 00000000 00000000 00000000 00000001 00000001 00000000 00000003  00000000 00000000 00000000 00000001\n");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::samples_of;

    const COUNT: (&str, &str) = ("proc/sys/net/netfilter/nf_conntrack_count", "123\n");
    const MAX: (&str, &str) = ("proc/sys/net/netfilter/nf_conntrack_max", "65536\n");
    const STAT: &str = "proc/net/stat/nf_conntrack";
    const HEAD: &str = "entries  searched found new invalid ignore delete delete_list insert insert_failed drop \
        early_drop icmp_error  expect_new expect_create expect_delete search_restart\n";

    fn cpu(from: u32, n: u32) -> String {
        (from..from + n).map(|i| format!("{i:08x} ")).collect::<String>() + "\n"
    }

    #[test]
    fn good() {
        let stat = format!("{HEAD}{}{}", cpu(0, 17), cpu(0x10, 16));
        let (page, errors) = samples_of(&ROW, &[COUNT, MAX, (STAT, &stat)], &[]);
        let want = "node_nf_conntrack_entries 123\nnode_nf_conntrack_entries_limit 65536\n\
            node_nf_conntrack_stat_drop 36\nnode_nf_conntrack_stat_early_drop 38\nnode_nf_conntrack_stat_found 20\n\
            node_nf_conntrack_stat_ignore 26\nnode_nf_conntrack_stat_insert 32\n\
            node_nf_conntrack_stat_insert_failed 34\nnode_nf_conntrack_stat_invalid 24\n\
            node_nf_conntrack_stat_search_restart 16\n";
        assert_eq!((page.as_str(), errors), (want, vec![]));
    }

    #[test]
    fn what_is_missing_costs_what_comes_after() {
        let limits = "node_nf_conntrack_entries 123\nnode_nf_conntrack_entries_limit 65536\n";
        let (page, errors) = samples_of(&ROW, &[COUNT, MAX], &[]);
        assert_eq!(page, limits);
        assert_eq!(errors, ["no data: this kernel has no /proc/net/stat/nf_conntrack"]);
        let (page, errors) = samples_of(&ROW, &[MAX], &[]);
        assert_eq!((page.as_str(), errors.len()), ("", 1));
        assert_eq!(samples_of(&ROW, &[COUNT, MAX, (STAT, HEAD)], &[]), (limits.to_owned(), vec![]));
    }

    #[test]
    fn cut_short_and_garbage() {
        let error = |text: &str| parse(text.as_bytes()).unwrap_err().to_string();
        let expected = "columns: expected 16 or 17 hexadecimal numbers, found";
        assert_eq!(error("head\n1 2 3"), format!("2: {expected} \"1 2 3\""));
        assert!(error(&format!("head\n{}", cpu(0, 18))).starts_with(&format!("2: {expected}")));
        let garbage = cpu(0, 17).replace("00000003", "xyz");
        assert_eq!(error(&format!("head\n{garbage}")), "2: counter: expected a hexadecimal number, found \"xyz\"");
        assert_eq!(parse(b""), Ok(None));
        let bad = ("proc/sys/net/netfilter/nf_conntrack_count", "many\n");
        let (page, errors) = samples_of(&ROW, &[bad, MAX, (STAT, HEAD)], &[]);
        assert_eq!(page, "node_nf_conntrack_entries_limit 65536\n");
        assert!(errors[0].ends_with("nf_conntrack_count:1: entries: expected a whole number, found \"many\""));
    }
}
