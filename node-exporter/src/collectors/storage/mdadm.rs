//! State of software RAID arrays from `/proc/mdstat` and `/sys/block/md*/md`.
//!
//! * Source: kernel drivers/md/md.c (`md_seq_show`); Documentation/admin-guide/md.rst.
//! * Units: blocks of 1 KiB; disks.
//! * Absent when: the RAID driver is not loaded (no `/proc/mdstat`): no data.
//! * Differs from the Go exporter: an array that is not understood costs itself alone, and what is understood of it is
//!   shown; of sysfs only the files of the two families are needed.

use std::path::Path;

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError, is_absent};
use common::exposition::{Desc, Page};
use common::fields::{Words, lines, parse_i64, parse_u64};
use common::fuzzing::{Parser, eat};

use crate::fs::{Devices, EntryKind, KeptAttr, KeptFile, sys_path};

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row::on("mdadm", "software RAID, /proc/mdstat", &[], |args| {
    Ok(Box::new(Mdadm { mdstat: KeptFile::of_proc(args, "mdstat"), arrays: Devices::new(sys_path(args, "block")) }))
});

const DISKS_REQUIRED: Desc =
    Desc::gauge("node_md_disks_required", "Disks that the array has when it is complete.", &["device"]);
const DISKS: Desc = Desc::gauge("node_md_disks", "Disks of the array by what they do.", &["device", "state"]);
const STATE: Desc = Desc::gauge("node_md_state", "Whether the array is in the state.", &["device", "state"]);
const BLOCKS: Desc = Desc::gauge("node_md_blocks", "Size of the array in blocks of 1 KiB.", &["device"]);
const BLOCKS_SYNCED: Desc = Desc::gauge(
    "node_md_blocks_synced",
    "Blocks of 1 KiB that are in sync, or that the running pass is through with.",
    &["device"],
);
const RAID_DISKS: Desc =
    Desc::gauge("node_md_raid_disks", "Disks that the array is made of, without spares.", &["device"]);
const DEGRADED: Desc = Desc::gauge("node_md_degraded", "Disks that the array lacks.", &["device"]);

/// Lines that are reported in one scrape: some kernels have another table altogether in this place.
const MOST_FAULTS: usize = 8;

struct Mdadm {
    mdstat: KeptFile,
    arrays: Devices<Kept>,
}

/// The files of one array in sysfs.
struct Kept {
    level: KeptAttr,
    raid_disks: KeptAttr,
    degraded: KeptAttr,
}

impl Collector for Mdadm {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let Some(text) = self.mdstat.read_if_present()? else {
            return Err(CollectError::no_data("software RAID is not loaded"));
        };
        let mut bad = Vec::new();
        for (array, problem) in parse(text) {
            if let Some(array) = array {
                encode(&array, page);
            }
            bad.extend(problem.filter(|_| bad.len() < MOST_FAULTS));
        }
        for bad in bad {
            cx.fault(bad.in_file(self.mdstat.path()));
        }
        let is_array = |name: &[u8], kind| kind != EntryKind::File && name.starts_with(b"md");
        match self.arrays.refresh(is_array, |path, _| Kept::new(path)) {
            Ok(arrays) => {
                for (device, array) in arrays {
                    array.update(device, cx, page);
                }
                Ok(())
            }
            Err(e) if is_absent(&e) => Ok(()),
            Err(e) => Err(CollectError::io(self.arrays.path(), e)),
        }
    }
}

impl Kept {
    fn new(path: &Path) -> Self {
        let attr = |name: &str| KeptAttr::new(path.join("md").join(name));
        Self { level: attr("level"), raid_disks: attr("raid_disks"), degraded: attr("degraded") }
    }

    fn update(&mut self, device: &[u8], cx: &mut Scrape, page: &mut Page) {
        let level = match self.level.read() {
            Ok(level) => level,
            // A partition table's `md127p1` has no such directory, and arrays may be stopped at any time.
            Err(e) if is_absent(&e) => return,
            Err(e) => return cx.fault(CollectError::io(self.level.path(), e)),
        };
        if !matches!(level.text(), b"" | b"container" | b"imsm" | b"ddf") {
            // `11 (10)` while the number changes: the new one counts.
            let number = |text: &[u8]| match text {
                b"" => Some(None),
                text => parse_i64(text.split(|&b| b == b' ').next()?).map(Some),
            };
            if let Some(Some(n)) = cx.ok(self.raid_disks.number("raid_disks", number)) {
                page.sample(&RAID_DISKS, &[device], n as f64);
            }
        }
        // Levels without redundancy cannot lack a disk and still run.
        let degraded = match level.text() {
            b"raid1" | b"raid4" | b"raid5" | b"raid6" | b"raid10" => cx.ok(self.degraded.number("degraded", parse_u64)),
            _ => Some(0),
        };
        if let Some(n) = degraded {
            page.sample(&DEGRADED, &[device], n as f64);
        }
    }
}

fn encode(array: &Array<'_>, page: &mut Page) {
    let device = array.device;
    let [active, failed, spare] = [&b"active"[..], b"failed", b"spare"];
    if let Some((required, up)) = array.disks {
        page.sample(&DISKS_REQUIRED, &[device], required as f64);
        page.sample(&DISKS, &[device, active], up as f64);
    }
    page.sample(&DISKS, &[device, failed], array.failed as f64);
    page.sample(&DISKS, &[device, spare], array.spare as f64);
    for state in ["active", "check", "inactive", "recovering", "resync"] {
        // The kernel's words for the two are longer than the label's.
        let word = match state {
            "check" => "checking",
            "resync" => "resyncing",
            word => word,
        };
        let is = array.state == word.as_bytes();
        page.sample(&STATE, &[device, state.as_bytes()], f64::from(u8::from(is)));
    }
    page.sample(&BLOCKS, &[device], array.blocks as f64);
    if let Some(synced) = array.synced {
        page.sample(&BLOCKS_SYNCED, &[device], synced as f64);
    }
}

/// One array of `/proc/mdstat`.
#[derive(Debug, PartialEq, Eq)]
struct Array<'t> {
    device: &'t [u8],
    /// The word of the kernel, or what the array is busy with: recovering, reshaping, checking, resyncing.
    state: &'t [u8],
    /// Disks it should have and disks that are up.
    disks: Option<(i64, i64)>,
    failed: usize,
    spare: usize,
    blocks: i64,
    synced: Option<i64>,
}

/// The arrays, each with what was not understood of it; `None` for an array of which nothing useful is left.
///
/// ```text
/// md0 : active raid1 sdb1[1] sda1[0](F)
///       523968 blocks super 1.2 [2/1] [_U]
///       [==>..................]  recovery = 12.6% (37043392/292945152) finish=127.5min speed=33440K/sec
/// ```
fn parse(text: &[u8]) -> Vec<(Option<Array<'_>>, Option<BadField>)> {
    let mut arrays = Vec::new();
    let mut rest = lines(text).peekable();
    while let Some((number, line)) = rest.next() {
        if !is_device_line(line) {
            continue;
        }
        // What belongs to the array is indented; at most the first three lines matter.
        let mut details: [(u32, &[u8]); 3] = [(number, b""); 3];
        for slot in &mut details {
            match rest.next_if(|(_, line)| line.starts_with(b" ") || line.starts_with(b"\t")) {
                Some(detail) => *slot = detail,
                None => break,
            }
        }
        arrays.push(match parse_array((number, line), details) {
            Ok((array, problem)) => (Some(array), problem),
            Err(problem) => (None, Some(problem)),
        });
    }
    arrays
}

fn is_device_line(line: &[u8]) -> bool {
    !line.trim_ascii().is_empty()
        && !line.starts_with(b" ")
        && !line.starts_with(b"\t")
        && !line.starts_with(b"unused")
        && !line.starts_with(b"Personalities")
}

fn parse_array<'t>(
    (number, line): (u32, &'t [u8]),
    [status, second, third]: [(u32, &'t [u8]); 3],
) -> Result<(Array<'t>, Option<BadField>), BadField> {
    let mut words = Words::new(number, line);
    let device = words.word("device")?;
    let _colon = words.word("colon")?;
    let mut state = words.word("state")?;
    let blocks = Words::new(status.0, status.1).next().and_then(parse_i64);
    let blocks = blocks.ok_or_else(|| BadField::new(status.0, "size", "a whole number", status.1.trim_ascii()))?;
    let mut problem = None;
    let disks = if contains(line, b"raid0") || contains(line, b"linear") {
        let n = line.iter().filter(|&&b| b == b'[').count() as i64;
        Some((n, n))
    } else if contains(line, b"inactive") {
        Some((0, 0))
    } else {
        let disks = disks_up(status.1);
        if disks.is_none() {
            problem = Some(BadField::new(status.0, "disks", "[n/m] [UU]", status.1.trim_ascii()));
        }
        disks
    };
    let (at, sync) = if contains(second.1, b"bitmap") { third } else { second };
    let busy = [
        (&b"recovery"[..], &b"recovering"[..]),
        (b"reshape", b"reshaping"),
        (b"check", b"checking"),
        (b"resync", b"resyncing"),
    ];
    let mut synced = Some(blocks);
    if let Some((_, doing)) = busy.iter().find(|(word, _)| contains(sync, word)) {
        state = doing;
        synced = if contains(sync, b"PENDING") || contains(sync, b"DELAYED") { Some(0) } else { blocks_done(sync) };
        if synced.is_none() {
            problem = problem.or_else(|| Some(BadField::new(at, "progress", "(n/m)", sync.trim_ascii())));
        }
    }
    let (failed, spare) = (count(line, b"(F)"), count(line, b"(S)"));
    Ok((Array { device, state, disks, failed, spare, blocks, synced }, problem))
}

fn contains(line: &[u8], word: &[u8]) -> bool {
    line.windows(word.len()).any(|part| part == word)
}

fn count(line: &[u8], word: &[u8]) -> usize {
    line.windows(word.len()).filter(|part| *part == word).count()
}

/// n and m of the last `[n/m] [UU_]` after the word `blocks`.
fn disks_up(line: &[u8]) -> Option<(i64, i64)> {
    let start = line.windows(7).position(|part| part == b"blocks ")? + 7;
    let line = line.get(start..)?;
    (0..line.len()).rev().filter(|&at| line.get(at) == Some(&b'[')).find_map(|at| {
        let rest = line.get(at + 1..)?;
        let close = rest.iter().position(|&b| b == b']')?;
        let (pair, tail) = rest.split_at_checked(close)?;
        let letters = tail.strip_prefix(b"] [")?;
        let n_letters = letters.iter().take_while(|b| matches!(b, b'U' | b'_')).count();
        (n_letters > 0 && letters.get(n_letters) == Some(&b']')).then_some(())?;
        pair_of(pair)
    })
}

/// a of `(a/b)`.
fn blocks_done(line: &[u8]) -> Option<i64> {
    let mut parts = line.split(|&b| b == b'(').skip(1);
    parts.find_map(|part| pair_of(part.split(|&b| b == b')').next()?)).map(|(done, _)| done)
}

fn pair_of(text: &[u8]) -> Option<(i64, i64)> {
    let mut ends = text.split(|&b| b == b'/');
    let pair = (whole(ends.next()?)?, whole(ends.next()?)?);
    ends.next().is_none().then_some(pair)
}

fn whole(text: &[u8]) -> Option<i64> {
    i64::try_from(parse_u64(text)?).ok()
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser =
    Parser::new("mdstat", |bytes| parse(bytes).into_iter().for_each(eat), b"Personalities : [raid1] [raid6]\nmd127 : active (auto-read-only) raid1 sdc1[1](S) sdb1[0](F)\n      976630464 blocks super 1.2 [2/1] [_U]\n      [=>...................]  recovery =  8.5% (83123456/976630464) finish=71.2min speed=209123K/sec\n      bitmap: 1/8 pages [4KB], 65536KB chunk\n\nmd0 : inactive sdd[0]\n      1024 blocks\n        resync=DELAYED\nunused devices: <none>\n");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    #[track_caller]
    fn check(text: &str, want: &[&str]) {
        let show = |(array, problem): (Option<Array<'_>>, Option<BadField>)| {
            let array = array.map(|a| {
                let text = |bytes| String::from_utf8_lossy(bytes);
                format!(
                    "{} {} {:?} F{} S{} {} {:?}",
                    text(a.device),
                    text(a.state),
                    a.disks,
                    a.failed,
                    a.spare,
                    a.blocks,
                    a.synced
                )
            });
            array.into_iter().chain(problem.map(|bad| bad.to_string())).collect::<Vec<_>>().join(" ! ")
        };
        assert_eq!(parse(text.as_bytes()).into_iter().map(show).collect::<Vec<_>>(), want);
    }

    #[test]
    fn good() {
        check(
            "Personalities : [raid1] [raid0]\n\
             md0 : active raid1 sdb1[1](F) sda1[0] sdc1[2](S)\n      523968 blocks super 1.2 [2/1] [U_]\n      \n\
             md1 : active raid0 sda2[0] sdb2[1]\n      99 blocks 64k chunks\n\n\
             md127 : inactive sds[1](S) sdt[0](S)\n      5552 blocks super external:imsm\n       \n\
             unused devices: <none>\n",
            &[
                "md0 active Some((2, 1)) F1 S1 523968 Some(523968)",
                "md1 active Some((2, 2)) F0 S0 99 Some(99)",
                "md127 inactive Some((0, 0)) F0 S2 5552 Some(5552)",
            ],
        );
    }

    #[test]
    fn busy() {
        let sync = |line: &str| format!("md0 : active raid1 a[0] b[1]\n   9 blocks [2/2] [UU]\n{line}\n");
        check(
            &sync("   recovery = 12.6% (3/9) finish=1.5min speed=3K/sec"),
            &["md0 recovering Some((2, 2)) F0 S0 9 Some(3)"],
        );
        check(&sync("   bitmap: 0/30\n   check = 1.0% (4/9)"), &["md0 checking Some((2, 2)) F0 S0 9 Some(4)"]);
        check(&sync("   resync=DELAYED"), &["md0 resyncing Some((2, 2)) F0 S0 9 Some(0)"]);
        check(&sync("   reshape = 7% (5/9)"), &["md0 reshaping Some((2, 2)) F0 S0 9 Some(5)"]);
        check(
            &sync("   resync=REMOTE"),
            &["md0 resyncing Some((2, 2)) F0 S0 9 None ! 3: progress: expected (n/m), found \"resync=REMOTE\""],
        );
    }

    #[test]
    fn cut_short() {
        check("md0 : active raid1 a[0]", &["1: size: expected a whole number, found \"\""]);
        check("md0 :", &["1: state: expected a word, found \"\""]);
        check("", &[]);
    }

    #[test]
    fn garbage_costs_one_array() {
        check(
            "md0 : active raid1 a[0]\n   many blocks [1/1] [U]\nmd1 : active raid1 b[0]\n   7 blocks [1/x] [U]\n\
             md2 : active raid1 c[0]\n   8 blocks [1/1] [U]\n\u{1}\u{2}\n",
            &[
                "2: size: expected a whole number, found \"many blocks [1/1] [U]\"",
                "md1 active None F0 S0 7 Some(7) ! 4: disks: expected [n/m] [UU], found \"7 blocks [1/x] [U]\"",
                "md2 active Some((1, 1)) F0 S0 8 Some(8)",
                "7: colon: expected a word, found \"\"",
            ],
        );
    }

    #[test]
    fn arrays_of_all_kinds_and_tables_of_others() {
        check(
            "Personalities : [raid1]\n\
             md126 : active (auto-read-only) raid1 sda[1] sdb[0]\n      9 blocks super external:/md127/0 [2/2] [UU]\n\
             md127 : inactive sda[1](S) sdb[0](S)\n      10402 blocks super external:imsm\n       \n\
             md5 : broken raid0 sdc[0]\n      7 blocks super 1.2 512k chunks\n\
             md6 : active raid6 a[0] b[1](J) c[2](W)(R)\n   5 blocks super 1.2 level 6, 64k chunk, algorithm 2 [2/1] [_U]\n\
             unused devices: <none>\n",
            &[
                "md126 active Some((2, 2)) F0 S0 9 Some(9)",
                "md127 inactive Some((0, 0)) F0 S2 10402 Some(10402)",
                "md5 broken Some((1, 1)) F0 S0 7 Some(7)",
                "md6 active Some((2, 1)) F0 S0 5 Some(5)",
            ],
        );
        let other: String = (0..1000).map(|n| format!("diskNumber.{n}=0\n")).collect();
        let samples = Rig::new(&ROW, &[("proc/mdstat", &other), ("sys/block/md1/md/level", "raid0\n")], &[]).samples();
        assert_eq!(samples.lines().filter(|line| line.starts_with('!')).count(), MOST_FAULTS + 1, "{samples}");
        assert!(samples.starts_with("node_md_degraded{device=\"md1\"} 0\n"), "{samples}");
    }

    #[test]
    fn sysfs_part() {
        let tree = [
            ("proc/mdstat", "Personalities :\n"),
            ("sys/block/md0/md/level", "raid5\n"),
            ("sys/block/md0/md/raid_disks", "5 (4)\n"),
            ("sys/block/md0/md/degraded", "1\n"),
            ("sys/block/md1/md/level", "raid1\n"),
            ("sys/block/md1/md/raid_disks", "\n"),
            ("sys/block/md2/md/level", "raid0\n"),
            ("sys/block/md2/md/raid_disks", "2\n"),
            ("sys/block/md127/md/level", "container\n"),
            ("sys/block/md127p1/size", "1\n"),
        ];
        let want = "node_md_degraded{device=\"md0\"} 1\n\
                    node_md_degraded{device=\"md127\"} 0\n\
                    node_md_degraded{device=\"md2\"} 0\n\
                    node_md_raid_disks{device=\"md0\"} 5\n\
                    node_md_raid_disks{device=\"md2\"} 2\n\
                    ! sys/block/md1/md/degraded: No such file or directory (os error 2)\n";
        assert_eq!(Rig::new(&ROW, &tree, &[]).samples(), want);
        assert_eq!(Rig::new(&ROW, &[], &[]).samples(), "! no data: software RAID is not loaded\n");
    }
}
