//! Caches of the kernel's own objects from `/proc/slabinfo`.
//!
//! * Source: slabinfo(5), version 2.1 of the file.
//! * Units: objects, pages and bytes.
//! * Absent when: the reader is not root (an error, because it can be helped), or the kernel is built without.
//! * Differs from the Go exporter: a malformed line costs its own cache, and names may hold blanks.

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError};
use common::exposition::{Desc, Page};
use common::fields::{lines, parse_u64};
use common::filter::Filter;
use common::flags::Flag;
use common::fuzzing::{Parser, eat};

use crate::fs::KeptFile;

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::off("slabinfo", "caches of kernel objects, /proc/slabinfo", FLAGS, |args| {
        Ok(Box::new(Slabinfo {
            file: KeptFile::of_proc(args, "slabinfo"),
            filter: Filter::from_args(args, "collector.slabinfo.slabs-include", "collector.slabinfo.slabs-exclude")?,
            slabs: Vec::new(),
            order: Vec::new(),
        }))
    });

const FLAGS: &[Flag] = &[
    Flag::text("collector.slabinfo.slabs-include", ".*", "Pattern for the slabs to keep."),
    Flag::text("collector.slabinfo.slabs-exclude", "", "Pattern for the slabs to leave out."),
];

const N_COLUMNS: usize = 5;

/// Families in the order of the columns.
const FAMILIES: [Desc; N_COLUMNS] = [
    Desc::gauge("node_slabinfo_active_objects", "Objects of the slab cache in use.", &["slab"]),
    Desc::gauge("node_slabinfo_objects", "Objects that the slab cache has room for.", &["slab"]),
    Desc::gauge("node_slabinfo_object_size_bytes", "Bytes in one object of the slab cache.", &["slab"]),
    Desc::gauge("node_slabinfo_objects_per_slab", "Objects in one slab of the cache.", &["slab"]),
    Desc::gauge("node_slabinfo_pages_per_slab", "Pages in one slab of the cache.", &["slab"]),
];

struct Slabinfo {
    file: KeptFile,
    filter: Filter,
    /// The lines of the file; caches seldom come and go.
    slabs: Vec<Slab>,
    /// Places of the caches that are kept, in the order of their names: the file has the newest first.
    order: Vec<usize>,
}

struct Slab {
    name: Vec<u8>,
    columns: [u64; N_COLUMNS],
}

/// Lines that are reported in one scrape, should the file be altogether unreadable.
const MOST_FAULTS: usize = 8;

impl Collector for Slabinfo {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let mut bad_lines = Vec::new();
        let (mut at, mut changed) = (0, false);
        for line in slabs(self.file.read()?) {
            match line {
                Ok((name, columns)) => {
                    match self.slabs.get_mut(at) {
                        Some(slab) if slab.name == name => slab.columns = columns,
                        _ => {
                            changed = true;
                            self.slabs.truncate(at);
                            self.slabs.push(Slab { name: name.to_vec(), columns });
                        }
                    }
                    at += 1;
                }
                Err(bad) if bad_lines.len() < MOST_FAULTS => bad_lines.push(bad),
                Err(_) => {}
            }
        }
        if changed || at < self.slabs.len() {
            self.slabs.truncate(at);
            self.sort();
        }
        for bad in bad_lines {
            cx.fault(bad.in_file(self.file.path()));
        }
        for (column, desc) in FAMILIES.iter().enumerate() {
            for slab in self.order.iter().filter_map(|&place| self.slabs.get(place)) {
                if let Some(&n) = slab.columns.get(column) {
                    page.sample(desc, &[&slab.name], n as f64);
                }
            }
        }
        Ok(())
    }
}

impl Slabinfo {
    fn sort(&mut self) {
        let name = |place: usize| self.slabs.get(place).map_or(&b""[..], |slab| &slab.name);
        self.order.clear();
        self.order.extend((0..self.slabs.len()).filter(|&place| self.filter.judges(name(place))));
        self.order.sort_by_key(|&place| name(place));
    }
}

/// What comes behind the columns.
const TUNABLES: &[u8] = b" : tunables";

/// The caches in the order of the file.
///
/// ```text
/// slabinfo - version: 2.1
/// # name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables …
/// tw_sock_TCP          704    864    256   32    2 : tunables    0    0    0 : slabdata     27     27      0
/// ```
fn slabs(text: &[u8]) -> impl Iterator<Item = Result<(&[u8], [u64; N_COLUMNS]), BadField>> {
    lines(text)
        .filter(|(_, line)| {
            !line.starts_with(b"slabinfo - ") && !line.starts_with(b"# name") && !line.trim_ascii().is_empty()
        })
        .map(|(number, line)| parse_slab(number, line))
}

/// Reads from the columns backwards, since a name may be of several words.
fn parse_slab(number: u32, line: &[u8]) -> Result<(&[u8], [u64; N_COLUMNS]), BadField> {
    let end = line.windows(TUNABLES.len()).position(|part| part == TUNABLES);
    let mut rest = end
        .and_then(|end| line.get(..end))
        .ok_or_else(|| BadField::new(number, "columns", "tunables behind them", line))?;
    let mut columns = [0; N_COLUMNS];
    for column in columns.iter_mut().rev() {
        rest = rest.trim_ascii_end();
        let start = rest.iter().rposition(u8::is_ascii_whitespace).map_or(0, |blank| blank + 1);
        let (head, word) = rest.split_at_checked(start).unwrap_or_default();
        *column = parse_u64(word).ok_or_else(|| BadField::new(number, "column", "a whole number", word))?;
        rest = head;
    }
    match rest.trim_ascii() {
        b"" => Err(BadField::new(number, "name", "a word", b"")),
        name => Ok((name, columns)),
    }
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser = Parser::new(
    "slabinfo",
    |bytes| slabs(bytes).for_each(eat),
    b"slabinfo - version: 2.1\n# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>\ntw_sock_TCP          704    864    256   32    2 : tunables    0    0    0 : slabdata     27     27      0\n",
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;
    use crate::samples::samples_of;
    use crate::testing::check;

    const TEXT: &str = "slabinfo - version: 2.1\n# name   <active_objs> : tunables <limit> : slabdata\n\
        kmalloc-8k  132  148   8192    4    8 : tunables    0    0    0 : slabdata     37     37      0\n\
        my own cache  1  18446744073709551615  64 64  1 : tunables 0 0 0 : slabdata 1 1 0\n\
        dentry 7 8 192 21 1 : tunables 0 0 0 : slabdata 1 1 0";

    #[test]
    fn good() {
        let (page, problems) = samples_of(&ROW, &[("proc/slabinfo", TEXT)], &[]);
        let want = "node_slabinfo_active_objects{slab=\"dentry\"} 7\n\
            node_slabinfo_active_objects{slab=\"kmalloc-8k\"} 132\n\
            node_slabinfo_active_objects{slab=\"my own cache\"} 1\n\
            node_slabinfo_object_size_bytes{slab=\"dentry\"} 192\n\
            node_slabinfo_object_size_bytes{slab=\"kmalloc-8k\"} 8192\n\
            node_slabinfo_object_size_bytes{slab=\"my own cache\"} 64\n\
            node_slabinfo_objects{slab=\"dentry\"} 8\n\
            node_slabinfo_objects{slab=\"kmalloc-8k\"} 148\n\
            node_slabinfo_objects{slab=\"my own cache\"} 1.8446744073709552e+19\n\
            node_slabinfo_objects_per_slab{slab=\"dentry\"} 21\n\
            node_slabinfo_objects_per_slab{slab=\"kmalloc-8k\"} 4\n\
            node_slabinfo_objects_per_slab{slab=\"my own cache\"} 64\n\
            node_slabinfo_pages_per_slab{slab=\"dentry\"} 1\n\
            node_slabinfo_pages_per_slab{slab=\"kmalloc-8k\"} 8\n\
            node_slabinfo_pages_per_slab{slab=\"my own cache\"} 1\n";
        assert_eq!((page.as_str(), problems.len()), (want, 0));
        check(&ROW, &[], &[], &["proc/slabinfo: No such file or directory (os error 2)"]);
    }

    #[test]
    fn patterns_and_caches_that_come_and_go() {
        let flags = [("collector.slabinfo.slabs-include", "^k|^d"), ("collector.slabinfo.slabs-exclude", "8k$")];
        let mut rig = Rig::new(&ROW, &[("proc/slabinfo", TEXT)], &flags);
        let active = |rig: &mut Rig| rig.samples().lines().take(2).collect::<Vec<_>>().join(" ");
        let rest = " node_slabinfo_object_size_bytes{slab=\"dentry\"} 192";
        assert_eq!(active(&mut rig), format!("node_slabinfo_active_objects{{slab=\"dentry\"}} 7{rest}"));
        rig.plant(&[("proc/slabinfo", &TEXT.replace("dentry 7", "dentry 9"))]);
        assert_eq!(active(&mut rig), format!("node_slabinfo_active_objects{{slab=\"dentry\"}} 9{rest}"));
        rig.plant(&[("proc/slabinfo", &TEXT.replace("my own cache", "kcache"))]);
        let want = "node_slabinfo_active_objects{slab=\"dentry\"} 7 node_slabinfo_active_objects{slab=\"kcache\"} 1";
        assert_eq!(active(&mut rig), want);
        rig.plant(&[("proc/slabinfo", "slabinfo - version: 2.1\n")]);
        assert_eq!(active(&mut rig), "");
    }

    #[test]
    fn cut_short_and_garbage() {
        let text = "slabinfo - version: 2.1\na 1 2 3\nb 1 2 3 4 : tunables\n1 2 3 4 5 : tunables 0\n\u{1}\n\
                    c 1 -2 3 4 5 : tunables 0 0\nd 1 2 3 4 5 : tunables\r\n";
        check(
            &ROW,
            &[("proc/slabinfo", text)],
            &[
                "node_slabinfo_active_objects{slab=\"d\"} 1",
                "node_slabinfo_object_size_bytes{slab=\"d\"} 3",
                "node_slabinfo_objects{slab=\"d\"} 2",
                "node_slabinfo_objects_per_slab{slab=\"d\"} 4",
                "node_slabinfo_pages_per_slab{slab=\"d\"} 5",
            ],
            &[
                "proc/slabinfo:2: columns: expected tunables behind them, found \"a 1 2 3\"",
                "proc/slabinfo:3: column: expected a whole number, found \"b\"",
                "proc/slabinfo:4: name: expected a word, found \"\"",
                "proc/slabinfo:5: columns: expected tunables behind them, found \"\\u{1}\"",
                "proc/slabinfo:6: column: expected a whole number, found \"-2\"",
            ],
        );
    }
}
