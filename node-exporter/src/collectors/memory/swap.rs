//! Swap areas from `/proc/swaps`.
//!
//! * Source: `swap_show` in the kernel's mm/swapfile.c.
//! * Units: the file has KiB, we export bytes; the priority is a plain number, below 0 when the kernel chose it.
//! * Absent when: nothing is used for swap: no samples, no error; or the kernel is built without swap: no data.
//! * Differs from the Go exporter: a malformed line costs its own area. As there, `device` is what the file has: white
//!   space and backslashes in names are octal.

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError};
use common::exposition::{Desc, Page};
use common::fields::{Words, lines, parse_i64};
use common::fuzzing::{Parser, eat};

use crate::fs::KeptFile;

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row::off("swap", "swap areas, /proc/swaps", &[], |args| {
    Ok(Box::new(Swap { file: KeptFile::of_proc(args, "swaps") }))
});

const SIZE: Desc = Desc::gauge("node_swap_size_bytes", "Bytes that the swap area can hold.", &["device", "swap_type"]);
const USED: Desc = Desc::gauge("node_swap_used_bytes", "Bytes of the swap area in use.", &["device", "swap_type"]);
const PRIORITY: Desc = Desc::gauge(
    "node_swap_priority",
    "Priority of the swap area; the highest is filled first.",
    &["device", "swap_type"],
);

struct Swap {
    file: KeptFile,
}

impl Collector for Swap {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let Some(text) = self.file.read_if_present()? else {
            return Err(CollectError::no_data("the kernel has no swap"));
        };
        let mut bad_lines = Vec::new();
        for area in areas(text) {
            match area {
                Ok(area) => {
                    let values = [area.device, area.kind];
                    page.sample(&SIZE, &values, area.size_bytes);
                    page.sample(&USED, &values, area.used_bytes);
                    page.sample(&PRIORITY, &values, area.priority);
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

/// A kernel has room for some thirty areas.
const MOST_FAULTS: usize = 32;
const BYTES_PER_KB: f64 = 1024.0;

#[derive(Debug)]
struct Area<'t> {
    device: &'t [u8],
    kind: &'t [u8],
    size_bytes: f64,
    used_bytes: f64,
    priority: f64,
}

fn areas(text: &[u8]) -> impl Iterator<Item = Result<Area<'_>, BadField>> {
    lines(text).skip(1).filter(|(_, line)| !line.trim_ascii().is_empty()).map(|(number, line)| parse_area(number, line))
}

fn parse_area(number: u32, line: &[u8]) -> Result<Area<'_>, BadField> {
    let mut words = Words::new(number, line);
    let device = words.word("device")?;
    let kind = words.word("type")?;
    let size_bytes = words.u64("size")? as f64 * BYTES_PER_KB;
    let used_bytes = words.u64("used")? as f64 * BYTES_PER_KB;
    let priority = words.word("priority")?;
    let priority = parse_i64(priority).ok_or_else(|| BadField::new(number, "priority", "a whole number", priority))?;
    Ok(Area { device, kind, size_bytes, used_bytes, priority: priority as f64 })
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser = Parser::new(
    "swaps",
    |bytes| areas(bytes).for_each(eat),
    b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/dev/dm-1                               partition\t8388604\t\t76\t\t-2\n/swap\\040file                           file\t\t1048572\t\t0\t\t100\n",
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check;

    #[test]
    fn good() {
        let text = "Filename\tType\tSize\tUsed\tPriority\n/dev/dm-1    partition\t8388604\t76\t-2\n\
                    /swap\\040file    file\t18446744073709551615\t0\t32767\r\n";
        check(
            &ROW,
            &[("proc/swaps", text)],
            &[
                "node_swap_priority{device=\"/dev/dm-1\",swap_type=\"partition\"} -2",
                "node_swap_priority{device=\"/swap\\\\040file\",swap_type=\"file\"} 32767",
                "node_swap_size_bytes{device=\"/dev/dm-1\",swap_type=\"partition\"} 8.589930496e+09",
                "node_swap_size_bytes{device=\"/swap\\\\040file\",swap_type=\"file\"} 1.888946593147858e+22",
                "node_swap_used_bytes{device=\"/dev/dm-1\",swap_type=\"partition\"} 77824",
                "node_swap_used_bytes{device=\"/swap\\\\040file\",swap_type=\"file\"} 0",
            ],
            &[],
        );
        check(&ROW, &[("proc/swaps", "Filename Type Size Used Priority\n")], &[], &[]);
        check(&ROW, &[], &[], &["no data: the kernel has no swap"]);
    }

    #[test]
    fn cut_short_and_garbage() {
        let text = "Filename\n/a file 1 2\n/b file -1 2 3\n/c file 1 2 x\n\u{1}\n/d file 1 2 3";
        check(
            &ROW,
            &[("proc/swaps", text)],
            &[
                "node_swap_priority{device=\"/d\",swap_type=\"file\"} 3",
                "node_swap_size_bytes{device=\"/d\",swap_type=\"file\"} 1024",
                "node_swap_used_bytes{device=\"/d\",swap_type=\"file\"} 2048",
            ],
            &[
                "proc/swaps:2: priority: expected a word, found \"\"",
                "proc/swaps:3: size: expected a whole number, found \"-1\"",
                "proc/swaps:4: priority: expected a whole number, found \"x\"",
                "proc/swaps:5: type: expected a word, found \"\"",
            ],
        );
        check(&ROW, &[("proc/swaps", "")], &[], &[]);
    }
}
