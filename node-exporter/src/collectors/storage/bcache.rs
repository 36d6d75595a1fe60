//! Block cache sets, their backing devices and their caches from `/sys/fs/bcache`.
//!
//! * Source: kernel Documentation/admin-guide/bcache.rst; drivers/md/bcache/sysfs.c (`bch_hprint` for numbers such as `1.5G`).
//! * Units: bytes, sectors, seconds, percent. As in the Go exporter, `btree_read_average_duration_us` is taken for
//!   nanoseconds, and a digit after the dot counts as 100 of 1024: `1.5k` is 1524.
//! * Absent when: there is no cache set: no samples, no error. Which files there are depends on the version of the kernel.
//! * Differs from the Go exporter: a file that is missing or malformed costs its own samples; it is shown as 0 or blanks all
//!   sets there.

use std::path::Path;

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError, is_absent};
use common::exposition::{Desc, Page};
use common::fields::{Words, lines, parse_f64, parse_u64};
use common::flags::Flag;
use common::fuzzing::{Parser, eat};

use crate::fs::{Devices, EntryKind, KeptAttr, KeptFile, sys_path};

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row::on("bcache", "block caches, /sys/fs/bcache", FLAGS, |args| {
    let priorities = args.on("collector.bcache.priorityStats");
    Ok(Box::new(Bcache { sets: Devices::new(sys_path(args, "fs/bcache")), priorities }))
});

const FLAGS: &[Flag] =
    &[Flag::switch("collector.bcache.priorityStats", false, "Priority statistics, from a file that is slow to read.")];

/// A file below the directory, its family, and what the number is multiplied with.
type Figure = (&'static str, Desc<'static>, f64);

const fn figure(file: &'static str, desc: Desc<'static>) -> Figure {
    (file, desc, 1.0)
}

const SET: &[&str] = &["uuid"];
const BACKING: &[&str] = &["backing_device", "uuid"];
const CACHE: &[&str] = &["cache_device", "uuid"];

#[rustfmt::skip] // One file, one line: this is a table.
static OF_SET: [Figure; 10] = [
    figure("average_key_size", Desc::gauge("node_bcache_average_key_size_sectors", "Sectors that a key of the tree stands for, on average.", SET)),
    figure("btree_cache_size", Desc::gauge("node_bcache_btree_cache_size_bytes", "Memory that holds nodes of the tree.", SET)),
    figure("cache_available_percent", Desc::gauge("node_bcache_cache_available_percent", "Part of the cache without data that still has to be written, in percent.", SET)),
    figure("congested", Desc::gauge("node_bcache_congested", "How far the caches are behind; 0 when they are not congested.", SET)),
    figure("root_usage_percent", Desc::gauge("node_bcache_root_usage_percent", "Part of the root of the tree that is in use, in percent.", SET)),
    figure("tree_depth", Desc::gauge("node_bcache_tree_depth", "Levels of the tree below its root.", SET)),
    figure("internal/active_journal_entries", Desc::gauge("node_bcache_active_journal_entries", "Entries of the journal that are newer than the tree.", SET)),
    figure("internal/btree_nodes", Desc::gauge("node_bcache_btree_nodes", "Nodes of the tree.", SET)),
    ("internal/btree_read_average_duration_us", Desc::gauge("node_bcache_btree_read_average_duration_seconds", "Average time of reading a node of the tree, a thousandth of it for a mistake that is kept.", SET), 1e-9),
    figure("internal/cache_read_races", Desc::counter("node_bcache_cache_read_races_total", "Reads from the cache that had to be repeated, because the bucket was used anew.", SET)),
];

#[rustfmt::skip] // One file, one line: this is a table.
static OF_BACKING: [Figure; 8] = [
    figure("dirty_data", Desc::gauge("node_bcache_dirty_data_bytes", "Data in the cache that still has to be written.", BACKING)),
    figure("stats_total/bypassed", Desc::counter("node_bcache_bypassed_bytes_total", "Bytes that went past the cache.", BACKING)),
    figure("stats_total/cache_bypass_hits", Desc::counter("node_bcache_cache_bypass_hits_total", "Requests past the cache that it had data for.", BACKING)),
    figure("stats_total/cache_bypass_misses", Desc::counter("node_bcache_cache_bypass_misses_total", "Requests past the cache that it had no data for.", BACKING)),
    figure("stats_total/cache_hits", Desc::counter("node_bcache_cache_hits_total", "Requests that the cache had data for.", BACKING)),
    figure("stats_total/cache_miss_collisions", Desc::counter("node_bcache_cache_miss_collisions_total", "Misses whose data someone else had put into the cache meanwhile.", BACKING)),
    figure("stats_total/cache_misses", Desc::counter("node_bcache_cache_misses_total", "Requests that the cache had no data for.", BACKING)),
    figure(READAHEADS, Desc::counter("node_bcache_cache_readaheads_total", "Times that more was read than asked for, for the cache.", BACKING)),
];

/// Newer kernels do not have it, so the family is shown only when something was counted.
const READAHEADS: &str = "stats_total/cache_readaheads";

#[rustfmt::skip] // One file, one line: this is a table.
static OF_CACHE: [Figure; 3] = [
    figure("io_errors", Desc::gauge("node_bcache_io_errors", "Errors of the cache device, which are forgotten with time.", CACHE)),
    figure("metadata_written", Desc::counter("node_bcache_metadata_written_bytes_total", "Bytes written other than data.", CACHE)),
    figure("written", Desc::counter("node_bcache_written_bytes_total", "Bytes of data written to the cache.", CACHE)),
];

/// Lines of `writeback_rate_debug`.
#[rustfmt::skip] // One line, one line: this is a table.
static RATES: [(&str, Desc<'static>); 5] = [
    ("change:", Desc::gauge("node_bcache_writeback_change", "Change of the rate at the last step, in bytes per second.", BACKING)),
    ("integral:", Desc::gauge("node_bcache_writeback_rate_integral_term", "Part of the rate for how long there has been too much to write.", BACKING)),
    ("proportional:", Desc::gauge("node_bcache_writeback_rate_proportional_term", "Part of the rate for how much too much there is to write.", BACKING)),
    ("rate:", Desc::gauge("node_bcache_writeback_rate", "Bytes per second that are written from cache to device.", BACKING)),
    ("target:", Desc::gauge("node_bcache_dirty_target_bytes", "Data in the cache that may wait to be written.", BACKING)),
];

/// Lines of `priority_stats`.
#[rustfmt::skip] // One line, one line: this is a table.
static PRIORITIES: [(&str, Desc<'static>); 2] = [
    ("Metadata:", Desc::gauge("node_bcache_priority_stats_metadata_percent", "Part of the cache that holds other than data, in percent.", CACHE)),
    ("Unused:", Desc::gauge("node_bcache_priority_stats_unused_percent", "Part of the cache that holds nothing, in percent.", CACHE)),
];

struct Bcache {
    sets: Devices<Set>,
    priorities: bool,
}

struct Set {
    figures: [KeptAttr; OF_SET.len()],
    backing: Devices<Backing>,
    caches: Devices<Cache>,
}

struct Backing {
    figures: [KeptAttr; OF_BACKING.len()],
    rates: KeptFile,
}

struct Cache {
    figures: [KeptAttr; OF_CACHE.len()],
    priorities: KeptAttr,
}

impl Collector for Bcache {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let is_set = |name: &[u8], kind| kind != EntryKind::File && name.contains(&b'-');
        match self.sets.refresh(is_set, |path, _| Set::new(path)) {
            Ok(sets) => {
                for (uuid, set) in sets {
                    set.update(uuid, self.priorities, cx, page);
                }
                Ok(())
            }
            Err(e) if is_absent(&e) => Ok(()),
            Err(e) => Err(CollectError::io(self.sets.path(), e)),
        }
    }
}

fn attributes<const N: usize>(path: &Path, figures: &[Figure; N]) -> [KeptAttr; N] {
    figures.each_ref().map(|(file, ..)| KeptAttr::new(path.join(file)))
}

/// `bdev0` and the like, by what comes before the number.
fn is_numbered(name: &[u8], kind: EntryKind, prefix: &[u8]) -> bool {
    let number = name.strip_prefix(prefix).and_then(<[u8]>::first);
    kind != EntryKind::File && number.is_some_and(u8::is_ascii_digit)
}

impl Set {
    fn new(path: &Path) -> Self {
        Self {
            figures: attributes(path, &OF_SET),
            backing: Devices::new(path.to_owned()),
            caches: Devices::new(path.to_owned()),
        }
    }

    fn update(&mut self, uuid: &[u8], priorities: bool, cx: &mut Scrape, page: &mut Page) {
        encode(&mut self.figures, &OF_SET, &[uuid], cx, page);
        let make = |path: &Path, _: &[u8]| Backing {
            figures: attributes(path, &OF_BACKING),
            rates: KeptFile::new(path.join("writeback_rate_debug")),
        };
        match self.backing.refresh(|name, kind| is_numbered(name, kind, b"bdev"), make) {
            Ok(devices) => {
                for (device, files) in devices {
                    let values = [device.as_slice(), uuid];
                    encode(&mut files.figures, &OF_BACKING, &values, cx, page);
                    if let Some(text) = cx.ok(files.rates.read_if_present()).flatten() {
                        let bad = encode_lines(text, &RATES, b"/sec", &values, page);
                        bad.into_iter().for_each(|bad| cx.fault(bad.in_file(files.rates.path())));
                    }
                }
            }
            Err(e) if is_absent(&e) => return,
            Err(e) => cx.fault(CollectError::io(self.backing.path(), e)),
        }
        let make = |path: &Path, _: &[u8]| Cache {
            figures: attributes(path, &OF_CACHE),
            priorities: KeptAttr::new(path.join("priority_stats")),
        };
        // A failure was told about above.
        for (device, files) in
            self.caches.refresh(|name, kind| is_numbered(name, kind, b"cache"), make).unwrap_or_default()
        {
            let values = [device.as_slice(), uuid];
            encode(&mut files.figures, &OF_CACHE, &values, cx, page);
            if !priorities {
                continue;
            }
            // One read: the kernel sorts all buckets for each, and the lines we want stand in front.
            match files.priorities.read() {
                Ok(text) => {
                    let bad = encode_lines(text.raw(), &PRIORITIES, b"%", &values, page);
                    bad.into_iter().for_each(|bad| cx.fault(bad.in_file(files.priorities.path())));
                }
                Err(e) if is_absent(&e) => {}
                Err(e) => cx.fault(CollectError::io(files.priorities.path(), e)),
            }
        }
    }
}

fn encode(files: &mut [KeptAttr], figures: &[Figure], values: &[&[u8]], cx: &mut Scrape, page: &mut Page) {
    for (file, (name, desc, factor)) in files.iter_mut().zip(figures) {
        match file.read() {
            Ok(text) => {
                let Some(n) = cx.ok(text.number(file.path(), "number", human)) else { continue };
                if n != 0.0 || *name != READAHEADS {
                    page.sample(desc, values, n * factor);
                }
            }
            Err(e) if is_absent(&e) => {}
            Err(e) => cx.fault(CollectError::io(file.path(), e)),
        }
    }
}

/// Writes the lines that are in the table; gives what was wrong with others of them.
fn encode_lines(
    text: &[u8],
    table: &'static [(&'static str, Desc<'static>)],
    unit: &[u8],
    values: &[&[u8]],
    page: &mut Page,
) -> Vec<BadField> {
    let mut problems = Vec::new();
    for line in parse_lines(text, table, unit) {
        match line {
            Ok((desc, n)) => page.sample(desc, values, n),
            Err(bad) => problems.push(bad),
        }
    }
    problems
}

type Line = Result<(&'static Desc<'static>, f64), BadField>;

/// The lines that begin with a word of the table and end with a number, with or without the unit.
fn parse_lines(
    text: &[u8],
    table: &'static [(&'static str, Desc<'static>)],
    unit: &[u8],
) -> impl Iterator<Item = Line> {
    lines(text).filter_map(move |(number, line)| {
        let mut words = Words::new(number, line);
        let key = words.next()?;
        let (key, desc) = table.iter().find(|(known, _)| known.as_bytes() == key)?;
        let word = words.last().unwrap_or_default();
        let n = human(word.strip_suffix(unit).unwrap_or(word));
        Some(n.map(|n| (desc, n)).ok_or_else(|| BadField::new(number, key.trim_end_matches(':'), "a number", word)))
    })
}

/// A number as the kernel prints it for people: `-`, digits, a fraction, and a letter for the power of 1024.
fn human(text: &[u8]) -> Option<f64> {
    let (sign, text) = match text.strip_prefix(b"-") {
        Some(rest) => (-1.0, rest),
        None => (1.0, text),
    };
    if !text.first()?.is_ascii_digit() {
        return None;
    }
    let (last, digits) = text.split_last()?;
    if last.is_ascii_digit() {
        return parse_f64(text).filter(|n| n.is_finite()).map(|n| sign * n.trunc());
    }
    let power = b"kMGTPEZY".iter().zip(1..).find_map(|(letter, power)| (letter == last).then_some(power))?;
    let mut parts = digits.splitn(2, |&b| b == b'.');
    let mut mantissa = parse_u64(parts.next()?)? as f64;
    if let Some(fraction) = parts.next() {
        mantissa += parse_u64(fraction)? as f64 / 10.24;
    }
    // Whole numbers are what is kept.
    Some(sign * (mantissa * 1024_f64.powi(power)).trunc())
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser = Parser::new(
    "bcache",
    |bytes| {
        eat(human(bytes));
        parse_lines(bytes, &RATES, b"/sec").for_each(eat);
        parse_lines(bytes, &PRIORITIES, b"%").for_each(eat);
    },
    b"rate:\t\t1.1M/sec\ndirty:\t\t20.4G\ntarget:\t\t20.4G\nproportional:\t-427.5k\nintegral:\t0\nchange:\t\t-321.5k/sec\nnext io:\t17ms\n\
      Unused:\t\t99%\nMetadata:\t0%\n",
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    #[test]
    fn numbers_for_people() {
        for (text, want) in [
            ("0", 0.0),
            ("546", 546.0),
            ("18446744073709551615", 18_446_744_073_709_551_615.0),
            ("1k", 1024.0),
            ("1.5k", 1524.0),
            ("1.1M", 1_150_976.0),
            ("20.4G", 21_894_266_880.0),
            ("-427.5k", -437_748.0),
            ("1.5", 1.0),
            ("2E", 2_305_843_009_213_693_952.0),
        ] {
            assert_eq!(human(text.as_bytes()), Some(want), "{text}");
        }
        for bad in ["", "-", "k", "1.5x", "1.k", "--1", "1.-5k", "inf", "nan", "+1", "0x10", "1 k"] {
            assert_eq!(human(bad.as_bytes()), None, "{bad}");
        }
    }

    const SET: &str = "sys/fs/bcache/5a2c-11";

    fn tree(files: &[(&str, &'static str)]) -> Vec<(String, &'static str)> {
        files.iter().map(|(path, text)| (format!("{SET}/{path}"), *text)).collect()
    }

    #[track_caller]
    fn check(files: &[(&str, &'static str)], flags: &[(&'static str, &str)], want: &str) {
        let tree = tree(files);
        let tree: Vec<(&str, &str)> = tree.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        assert_eq!(Rig::new(&ROW, &tree, flags).samples(), want);
    }

    #[test]
    fn good() {
        assert_eq!(Rig::new(&ROW, &[], &[]).samples(), "");
        assert_eq!(Rig::new(&ROW, &[("sys/fs/bcache/register", "")], &[]).samples(), "");
        let files = [
            ("tree_depth", "1\n"),
            ("internal/btree_read_average_duration_us", "1305\n"),
            ("bdev0/dirty_data", "1.0k\n"),
            ("bdev0/writeback_rate_debug", "rate:\t\t4.0k/sec\ndirty:\t\t?\nchange:\t\t-1/sec\nnext io:\t7ms"),
            ("bdev0/stats_total/cache_hits", "9"),
            ("bdev0/stats_total/cache_readaheads", "0\n"),
            ("bdev1/stats_total/cache_readaheads", "3\n"),
            ("bdevx/dirty_data", "1\n"),
            ("cache0/io_errors", "2\n"),
            ("cache0/priority_stats", "Unused:\t\t99%\nMetadata:\t1%\nAverage:\t10473\n"),
        ];
        let want = "node_bcache_btree_read_average_duration_seconds{uuid=\"5a2c-11\"} 1.305e-06\n\
            node_bcache_cache_hits_total{backing_device=\"bdev0\",uuid=\"5a2c-11\"} 9\n\
            node_bcache_cache_readaheads_total{backing_device=\"bdev1\",uuid=\"5a2c-11\"} 3\n\
            node_bcache_dirty_data_bytes{backing_device=\"bdev0\",uuid=\"5a2c-11\"} 1024\n\
            node_bcache_io_errors{cache_device=\"cache0\",uuid=\"5a2c-11\"} 2\n";
        let rates = "node_bcache_tree_depth{uuid=\"5a2c-11\"} 1\n\
            node_bcache_writeback_change{backing_device=\"bdev0\",uuid=\"5a2c-11\"} -1\n\
            node_bcache_writeback_rate{backing_device=\"bdev0\",uuid=\"5a2c-11\"} 4096\n";
        check(&files, &[], &format!("{want}{rates}"));
        let priorities = "node_bcache_priority_stats_metadata_percent{cache_device=\"cache0\",uuid=\"5a2c-11\"} 1\n\
            node_bcache_priority_stats_unused_percent{cache_device=\"cache0\",uuid=\"5a2c-11\"} 99\n";
        check(&files, &[("collector.bcache.priorityStats", "true")], &format!("{want}{priorities}{rates}"));
    }

    #[test]
    fn cut_short_and_garbage() {
        let files = [
            ("tree_depth", ""),
            ("congested", "3.5Q\n"),
            ("btree_cache_size/", ""),
            ("bdev0/writeback_rate_debug", "rate:\nchange: x/sec\ntarget:\t1.5"),
            ("cache0/written", "7\n"),
        ];
        let want = format!(
            "node_bcache_dirty_target_bytes{{backing_device=\"bdev0\",uuid=\"5a2c-11\"}} 1\n\
             node_bcache_written_bytes_total{{cache_device=\"cache0\",uuid=\"5a2c-11\"}} 7\n\
             ! {SET}/btree_cache_size: Is a directory (os error 21)\n\
             ! {SET}/congested:1: number: expected a whole number, found \"3.5Q\"\n\
             ! {SET}/tree_depth:1: number: expected a whole number, found \"\"\n\
             ! {SET}/bdev0/writeback_rate_debug:1: rate: expected a number, found \"\"\n\
             ! {SET}/bdev0/writeback_rate_debug:2: change: expected a number, found \"x/sec\"\n"
        );
        check(&files, &[], &want);
    }
}
