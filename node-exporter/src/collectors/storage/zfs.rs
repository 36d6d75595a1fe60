//! What the ZFS module, its pools and its data sets count, from `/proc/spl/kstat/zfs`.
//!
//! * Source: OpenZFS module/os/linux/spl/spl-kstat.c; what is counted is told in the sources of each part, for example
//!   include/sys/arc_impl.h.
//! * Units: as the module counts: bytes, operations, times the cache was asked. Counters and gauges are not told apart.
//! * Absent when: the module is not loaded: no data. Which statistics there are depends on its version; pools have `io`
//!   before OpenZFS 2 alone.
//! * Differs from the Go exporter: a line that is malformed costs its own sample, a file its own, where either ends the
//!   collector; a pool that is exported during the scrape is no error; a state that is not known is left out.

use std::path::Path;

use common::collector::{Collector, Row, Scrape};
use common::error::{CollectError, is_absent};
use common::exposition::{Desc, Page};
use common::flags::Args;

use crate::fs::{Devices, EntryKind, KeptAttr, KeptFile, proc_path};

mod kstat;

use kstat::Names;
pub(in crate::collectors) use kstat::PARSER;

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::on("zfs", "ZFS, /proc/spl/kstat/zfs", &[], |args| Ok(Box::new(Zfs::new(args))));

/// A file of the module, what the names of its families begin with, and their help.
type Part = (&'static str, &'static str, &'static str);

#[rustfmt::skip] // One file, one line: this is a table.
const PARTS: [Part; 11] = [
    ("abdstats", "node_zfs_abd_", "As ZFS counts its buffers; see zfs abdstats."),
    ("arcstats", "node_zfs_arc_", "As ZFS counts in its cache of blocks; see zfs arcstats."),
    ("dbufstats", "node_zfs_dbuf_", "As ZFS counts in its cache of unpacked blocks; see zfs dbufstats."),
    ("dmu_tx", "node_zfs_dmu_tx_", "As ZFS counts its transactions; see zfs dmu_tx."),
    ("dnodestats", "node_zfs_dnode_", "As ZFS counts its objects in memory; see zfs dnodestats."),
    ("fm", "node_zfs_fm_", "As ZFS counts its reports of faults; see zfs fm."),
    ("vdev_cache_stats", "node_zfs_vdev_cache_", "As ZFS counts in its caches of devices; see zfs vdev_cache_stats."),
    ("vdev_mirror_stats", "node_zfs_vdev_mirror_", "As ZFS counts its choices among mirrors; see zfs vdev_mirror_stats."),
    ("xuio_stats", "node_zfs_xuio_", "As ZFS counts buffers lent to others; see zfs xuio_stats."),
    ("zfetchstats", "node_zfs_zfetch_", "As ZFS counts reading ahead; see zfs zfetchstats."),
    ("zil", "node_zfs_zil_", "As ZFS counts in its log of intents; see zfs zil."),
];

const POOL_HELP: &str = "As ZFS counts reads and writes of the pool; see zfs io.";
const DATASET_HELP: &str = "As ZFS counts for the data set; see zfs objset.";
const STATE: Desc = Desc::gauge("node_zfs_zpool_state", "Whether the pool is in the state.", &["state", "zpool"]);
const STATES: [&str; 7] = ["degraded", "faulted", "offline", "online", "removed", "suspended", "unavail"];

struct Zfs {
    parts: Vec<(KeptFile, &'static str, Names)>,
    pools: Devices<Pool>,
    /// Names of the families of pools, and of data sets.
    pool_names: Names,
    dataset_names: Names,
    text: Vec<u8>,
}

struct Pool {
    state: KeptAttr,
    io: KeptFile,
    datasets: Devices<KeptFile>,
}

impl Zfs {
    fn new(args: &Args) -> Self {
        let base = proc_path(args, "spl/kstat/zfs");
        let part = |(file, prefix, help): Part| (KeptFile::new(base.join(file)), help, Names::new(prefix));
        Self {
            parts: PARTS.into_iter().map(part).collect(),
            pools: Devices::new(base.clone()),
            pool_names: Names::new("node_zfs_zpool_"),
            dataset_names: Names::new("node_zfs_zpool_dataset_"),
            text: Vec::new(),
        }
    }
}

impl Collector for Zfs {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let pools = match self.pools.refresh(|_, kind| kind != EntryKind::File, |path, _| Pool::new(path)) {
            Ok(pools) => pools,
            Err(e) => return Err(CollectError::io(self.pools.path(), e).absent_is_no_data("ZFS is not loaded")),
        };
        for (file, help, names) in &mut self.parts {
            if let Some(text) = cx.ok(file.read_into(&mut self.text)).flatten() {
                encode(text, file.path(), names, help, (&[], &[]), cx, page);
            }
        }
        for (pool, files) in pools {
            files.update(pool, (&mut self.pool_names, &mut self.dataset_names), &mut self.text, cx, page);
        }
        Ok(())
    }
}

/// Keys and values of labels.
type Labels<'l> = (&'static [&'static str], &'l [&'l [u8]]);

/// Writes the statistics of one file.
fn encode(
    text: &[u8],
    path: &Path,
    names: &mut Names,
    help: &str,
    (keys, values): Labels<'_>,
    cx: &mut Scrape,
    page: &mut Page,
) {
    let rows = match kstat::named(text) {
        Ok(rows) => rows,
        Err(bad) => return cx.fault(bad.in_file(path)),
    };
    for (at, row) in rows.enumerate() {
        match row {
            Ok((name, n)) => page.sample(&Desc::untyped(names.family(at, name), help, keys), values, n),
            Err(bad) => cx.fault(bad.in_file(path)),
        }
    }
}

impl Pool {
    fn new(path: &Path) -> Self {
        Self {
            state: KeptAttr::new(path.join("state")),
            io: KeptFile::new(path.join("io")),
            datasets: Devices::new(path.to_owned()),
        }
    }

    fn update(
        &mut self,
        pool: &[u8],
        (pool_names, dataset_names): (&mut Names, &mut Names),
        buffer: &mut Vec<u8>,
        cx: &mut Scrape,
        page: &mut Page,
    ) {
        match self.state.read() {
            Ok(text) => {
                let now = |state: &str| state.as_bytes().eq_ignore_ascii_case(text.text());
                if STATES.iter().any(|state| now(state)) {
                    for state in STATES {
                        page.sample(&STATE, &[state.as_bytes(), pool], f64::from(u8::from(now(state))));
                    }
                }
            }
            Err(e) if is_absent(&e) => {}
            Err(e) => cx.fault(CollectError::io(self.state.path(), e)),
        }
        if let Some(text) = cx.ok(self.io.read_into(buffer)).flatten() {
            match kstat::columns(text) {
                Ok(columns) => {
                    for (at, (name, n)) in columns.enumerate() {
                        let family = pool_names.family(at, name);
                        page.sample(&Desc::untyped(family, POOL_HELP, &["zpool"]), &[pool], n);
                    }
                }
                Err(bad) => cx.fault(bad.in_file(self.io.path())),
            }
        }
        let is_dataset = |name: &[u8], _| name.starts_with(b"objset-");
        let datasets = match self.datasets.refresh(is_dataset, |path, _| KeptFile::new(path.to_owned())) {
            Ok(datasets) => datasets,
            Err(e) if is_absent(&e) => return,
            Err(e) => return cx.fault(CollectError::io(self.datasets.path(), e)),
        };
        for (_, file) in datasets {
            let Some(text) = cx.ok(file.read_into(buffer)).flatten() else { continue };
            match kstat::text_of(text, b"dataset_name") {
                Ok(Some(dataset)) => {
                    let labels = (&["dataset", "zpool"][..], &[dataset, pool][..]);
                    encode(text, file.path(), dataset_names, DATASET_HELP, labels, cx, page);
                }
                // Nothing tells whose numbers these are.
                Ok(None) => {}
                Err(bad) => cx.fault(bad.in_file(file.path())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    #[test]
    fn good() {
        let base = "proc/spl/kstat/zfs";
        let objset = |name: &str| format!("41 1 0x01\nname type data\ndataset_name 7 {name}\nwrites 4 2\nnread 4 9\n");
        let tree: Vec<(String, String)> = vec![
            ("arcstats".to_owned(), "9 1 0x01\nname type data\nhits 4 7\nmemory-available 3 -1\n".to_owned()),
            ("dbgmsg".to_owned(), "timestamp message\n".to_owned()),
            ("tank/state".to_owned(), "DEGRADED\n".to_owned()),
            ("tank/objset-0x36".to_owned(), objset("tank/a \"b\"")),
            ("tank/objset-0x80".to_owned(), objset("tank")),
            ("tank/txgs".to_owned(), "x".to_owned()),
            ("old/io".to_owned(), "1 3 0x00\nnread nwritten\n5 6\n".to_owned()),
            ("old/state".to_owned(), "SOMEHOW\n".to_owned()),
        ];
        let tree: Vec<(String, String)> =
            tree.into_iter().map(|(path, text)| (format!("{base}/{path}"), text)).collect();
        let tree: Vec<(&str, &str)> = tree.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let state = |state: &str, is: u8| format!("node_zfs_zpool_state{{state=\"{state}\",zpool=\"tank\"}} {is}\n");
        let want = [
            "node_zfs_arc_hits 7\nnode_zfs_arc_memory_available -1\n".to_owned(),
            "node_zfs_zpool_dataset_nread{dataset=\"tank\",zpool=\"tank\"} 9\n".to_owned(),
            "node_zfs_zpool_dataset_nread{dataset=\"tank/a \\\"b\\\"\",zpool=\"tank\"} 9\n".to_owned(),
            "node_zfs_zpool_dataset_writes{dataset=\"tank\",zpool=\"tank\"} 2\n".to_owned(),
            "node_zfs_zpool_dataset_writes{dataset=\"tank/a \\\"b\\\"\",zpool=\"tank\"} 2\n".to_owned(),
            "node_zfs_zpool_nread{zpool=\"old\"} 5\nnode_zfs_zpool_nwritten{zpool=\"old\"} 6\n".to_owned(),
            STATES.map(|name| state(name, u8::from(name == "degraded"))).concat(),
        ];
        let mut rig = Rig::new(&ROW, &tree, &[]);
        assert_eq!(rig.samples(), want.concat());
        rig.remove("proc/spl/kstat/zfs/tank");
        assert_eq!(rig.samples().lines().count(), 4);
        rig.remove("proc/spl/kstat/zfs");
        assert_eq!(rig.samples(), "! no data: ZFS is not loaded\n");
    }

    #[test]
    fn a_bad_file_costs_itself() {
        let tree = [
            ("proc/spl/kstat/zfs/arcstats", "9 1 0x01\nname type data\nhits 4 many\nmisses 4 1"),
            ("proc/spl/kstat/zfs/zil", "9 1 0x01\n"),
            ("proc/spl/kstat/zfs/fm/", ""),
            ("proc/spl/kstat/zfs/tank/io", "nread\n"),
            ("proc/spl/kstat/zfs/tank/objset-1", ""),
            ("proc/spl/kstat/zfs/tank/objset-2", "name type data\nwrites 4 2\n"),
            ("proc/spl/kstat/zfs/tank/state/", ""),
        ];
        let want = "node_zfs_arc_misses 1\n\
            ! proc/spl/kstat/zfs/arcstats:3: value: expected a whole number without sign, found \"many\"\n\
            ! proc/spl/kstat/zfs/fm: Is a directory (os error 21)\n\
            ! proc/spl/kstat/zfs/zil:1: header: expected name type data, found \"9 1 0x01\"\n\
            ! proc/spl/kstat/zfs/tank/state: Is a directory (os error 21)\n\
            ! proc/spl/kstat/zfs/tank/io:1: value: expected a whole number, found \"\"\n\
            ! proc/spl/kstat/zfs/tank/objset-1:1: header: expected name type data, found \"\"\n";
        assert_eq!(Rig::new(&ROW, &tree, &[]).samples(), want);
    }
}
