//! Free blocks of memory by size, from `/proc/buddyinfo`: how fragmented memory is.
//!
//! * Source: kernel Documentation/filesystems/proc.rst, "buddyinfo".
//! * Units: blocks; a block of size (the kernel calls it order) n is 2^n pages.
//! * Absent when: never on Linux.
//! * Differs from the Go exporter: a malformed line costs its own zone, a malformed count itself, and zones may have
//!   different numbers of sizes.

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError};
use common::exposition::{Desc, Page};
use common::fields::{Words, lines, parse_u64};
use common::fuzzing::{Parser, eat};

use crate::fs::KeptFile;

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::off("buddyinfo", "free blocks of memory by size, /proc/buddyinfo", &[], |args| {
        Ok(Box::new(Buddyinfo { file: KeptFile::of_proc(args, "buddyinfo") }))
    });

const BLOCKS: Desc = Desc::gauge(
    "node_buddyinfo_blocks",
    "Free blocks of 2^size pages in the zone of the node.",
    &["node", "size", "zone"],
);

struct Buddyinfo {
    file: KeptFile,
}

impl Collector for Buddyinfo {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let mut bad_fields = Vec::new();
        let mut buffer = itoa::Buffer::new();
        for zone in zones(self.file.read()?) {
            match zone {
                Ok(Zone { number, node, name, counts }) => {
                    for (size, count) in counts.enumerate() {
                        match parse_u64(count) {
                            Some(n) => page.sample(&BLOCKS, &[node, buffer.format(size).as_bytes(), name], n as f64),
                            None => bad_fields.push(BadField::new(number, "free blocks", "a whole number", count)),
                        }
                    }
                }
                Err(bad) => bad_fields.push(bad),
            }
            bad_fields.truncate(MOST_FAULTS);
        }
        for bad in bad_fields {
            cx.fault(bad.in_file(self.file.path()));
        }
        Ok(())
    }
}

/// Fields that are reported in one scrape, should the file be altogether unreadable.
const MOST_FAULTS: usize = 8;

#[derive(Debug)]
struct Zone<'t> {
    /// Number of the line.
    number: u32,
    node: &'t [u8],
    name: &'t [u8],
    /// Free blocks by size, from 0.
    counts: Words<'t>,
}

/// The zones in the order of the file.
///
/// ```text
/// Node 0, zone   Normal   4381   1093    185   1530    567    102      4      0      0      0      0
/// ```
fn zones(text: &[u8]) -> impl Iterator<Item = Result<Zone<'_>, BadField>> {
    lines(text).filter(|(_, line)| !line.trim_ascii().is_empty()).map(|(number, line)| {
        let mut words = Words::new(number, line);
        let mut word = |field| words.word(field).map(|word| word.strip_suffix(b",").unwrap_or(word));
        word("Node")?;
        let node = word("number of the node")?;
        word("zone")?;
        let name = word("name of the zone")?;
        Ok(Zone { number, node, name, counts: words })
    })
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser = Parser::new(
    "buddyinfo",
    |bytes| zones(bytes).flatten().for_each(|zone| zone.counts.map(parse_u64).for_each(eat)),
    b"Node 0, zone      DMA      1      0      1      0      2      1      1      0      1      1      3 \nNode 1, zone   Normal   4381   1093    185   1530\n",
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check;

    #[test]
    fn good() {
        let text = "Node 0, zone      DMA      1      2 \nNode 0, zone   Device\nNode 10, zone   Normal 4381 1093 18446744073709551615";
        check(
            &ROW,
            &[("proc/buddyinfo", text)],
            &[
                "node_buddyinfo_blocks{node=\"0\",size=\"0\",zone=\"DMA\"} 1",
                "node_buddyinfo_blocks{node=\"0\",size=\"1\",zone=\"DMA\"} 2",
                "node_buddyinfo_blocks{node=\"10\",size=\"0\",zone=\"Normal\"} 4381",
                "node_buddyinfo_blocks{node=\"10\",size=\"1\",zone=\"Normal\"} 1093",
                "node_buddyinfo_blocks{node=\"10\",size=\"2\",zone=\"Normal\"} 1.8446744073709552e+19",
            ],
            &[],
        );
        check(&ROW, &[], &[], &["proc/buddyinfo: No such file or directory (os error 2)"]);
    }

    #[test]
    fn cut_short_and_garbage() {
        check(
            &ROW,
            &[("proc/buddyinfo", "Node 0, zone\n\u{1}\nNode 0, zone DMA 1 -2 x 4\r\n\n")],
            &[
                "node_buddyinfo_blocks{node=\"0\",size=\"0\",zone=\"DMA\"} 1",
                "node_buddyinfo_blocks{node=\"0\",size=\"3\",zone=\"DMA\"} 4",
            ],
            &[
                "proc/buddyinfo:1: name of the zone: expected a word, found \"\"",
                "proc/buddyinfo:2: number of the node: expected a word, found \"\"",
                "proc/buddyinfo:3: free blocks: expected a whole number, found \"-2\"",
                "proc/buddyinfo:3: free blocks: expected a whole number, found \"x\"",
            ],
        );
        check(&ROW, &[("proc/buddyinfo", "")], &[], &[]);
    }
}
