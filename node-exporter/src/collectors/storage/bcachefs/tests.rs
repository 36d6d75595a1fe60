//! Tests of the collector.

use super::*;
use crate::rig::Rig;

const FS: &str = "sys/fs/bcachefs/ab-1";

#[test]
fn what_cannot_be_read_costs_itself() {
    let tree: Vec<(String, &str)> = [
        ("btree_cache_size", "2k\n"),
        ("compression_stats/", ""),
        ("counters/copygc", "since mount: 1\nsince filesystem creation: 5\n"),
        ("counters/bad", "since mount: 1\n"),
        ("counters/dir/", ""),
        ("dev-0/label", "hdd.\"a\"\n"),
        ("dev-0/nbuckets", "7\n"),
        ("dev-0/durability", "one\n"),
        ("dev-0/io_done", "read:\nuser : 9\n"),
        ("dev-0/io_errors", "IO errors since filesystem creation\n  read:    0\n"),
        ("options", "x"),
    ]
    .map(|(path, text)| (format!("{FS}/{path}"), text))
    .to_vec();
    let tree: Vec<(&str, &str)> = tree.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    let mut rig = Rig::new(&ROW, &tree, &[]);
    let want = format!(
        "node_bcachefs_btree_cache_size_bytes{{uuid=\"ab-1\"}} 2048\n\
         node_bcachefs_copygc_total{{uuid=\"ab-1\"}} 5\n\
         node_bcachefs_device_buckets{{device=\"0\",uuid=\"ab-1\"}} 7\n\
         node_bcachefs_device_info{{device=\"0\",label=\"hdd.\\\"a\\\"\",state=\"\",uuid=\"ab-1\"}} 1\n\
         node_bcachefs_device_io_done_bytes_total{{data_type=\"user\",device=\"0\",operation=\"read\",uuid=\"ab-1\"}} 9\n\
         node_bcachefs_device_io_errors_total{{device=\"0\",type=\"read\",uuid=\"ab-1\"}} 0\n\
         node_bcachefs_info{{uuid=\"ab-1\"}} 1\n\
         ! {FS}/compression_stats: Is a directory (os error 21)\n\
         ! {FS}/counters/bad:1: since filesystem creation: expected a number, found \"\"\n\
         ! {FS}/dev-0/durability:1: bytes or buckets: expected a whole number, found \"one\"\n"
    );
    assert_eq!(rig.samples(), want);
    rig.remove(&format!("{FS}/counters"));
    rig.remove(&format!("{FS}/dev-0"));
    assert!(!rig.samples().contains("copygc"));
    rig.remove(FS);
    assert_eq!(rig.samples(), "! no data: no bcachefs is mounted\n");
    rig.remove("sys/fs/bcachefs");
    assert_eq!(rig.samples(), "! no data: no bcachefs is mounted\n");
}
