//! Tests of the collector.

use super::*;
use crate::rig::Rig;

const FS: &str = "sys/fs/btrfs/ab-1";

fn rig(files: &[(&str, &str)]) -> Rig {
    let tree: Vec<(String, &str)> = files.iter().map(|(path, text)| (format!("{FS}/{path}"), *text)).collect();
    let tree: Vec<(&str, &str)> = tree.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    Rig::new(&ROW, &tree, &[])
}

#[test]
fn good() {
    let mut rig = rig(&[
        ("label", "two \"words\"\n"),
        ("metadata_uuid", "cd-2\n"),
        ("commit_stats", "commits 9\nlast_commit_ms 100\nmax_commit_ms 51462\ntotal_commit_ms 0\nnew_ms x\n"),
        ("allocation/global_rsv_size", "5\n"),
        ("allocation/data/bytes_reserved", "18446744073709551615\n"),
        ("allocation/data/raid5/used_bytes", "7\n"),
        ("allocation/data/raid5/total_bytes", "8\n"),
        ("allocation/data/raid99/total_bytes", "9\n"),
        ("allocation/data/flags", "1\n"),
        ("devices/sda/size", "2\n"),
        ("devices/sdb/size", "2\n"),
        ("devices/sdc/dev", "8:1\n"),
    ]);
    let want = "node_btrfs_allocation_ratio{block_group_type=\"data\",mode=\"raid5\",uuid=\"cd-2\"} 1.5\n\
        node_btrfs_commit_seconds_total{uuid=\"cd-2\"} 0\n\
        node_btrfs_commits_total{uuid=\"cd-2\"} 9\n\
        node_btrfs_device_size_bytes{device=\"sda\",uuid=\"cd-2\"} 1024\n\
        node_btrfs_device_size_bytes{device=\"sdb\",uuid=\"cd-2\"} 1024\n\
        node_btrfs_global_rsv_size_bytes{uuid=\"cd-2\"} 5\n\
        node_btrfs_info{label=\"two \\\"words\\\"\",uuid=\"cd-2\"} 1\n\
        node_btrfs_last_commit_seconds{uuid=\"cd-2\"} 0.1\n\
        node_btrfs_max_commit_seconds{uuid=\"cd-2\"} 51.462\n\
        node_btrfs_reserved_bytes{block_group_type=\"data\",uuid=\"cd-2\"} 1.8446744073709552e+19\n\
        node_btrfs_size_bytes{block_group_type=\"data\",mode=\"raid5\",uuid=\"cd-2\"} 8\n\
        node_btrfs_size_bytes{block_group_type=\"data\",mode=\"raid99\",uuid=\"cd-2\"} 9\n\
        node_btrfs_used_bytes{block_group_type=\"data\",mode=\"raid5\",uuid=\"cd-2\"} 7\n";
    assert_eq!(rig.samples(), want);
    rig.remove(FS);
    assert_eq!(rig.samples(), "");
    rig.remove("sys/fs/btrfs");
    assert_eq!(rig.samples(), "");
}

#[test]
fn cut_short_and_garbage() {
    let mut rig = rig(&[
        ("commit_stats", "commits\nlast_commit_ms -1\nmax_commit_ms 5"),
        ("allocation/global_rsv_size", "\n"),
        ("allocation/data/single/used_bytes/", ""),
        ("allocation/data/single/total_bytes", "max\n"),
        ("allocation/metadata", "a file\n"),
        ("metadata_uuid", "\n"),
        ("devices/sda/size", "0x10"),
    ]);
    let want = format!(
        "node_btrfs_allocation_ratio{{block_group_type=\"data\",mode=\"single\",uuid=\"ab-1\"}} 1\n\
         node_btrfs_max_commit_seconds{{uuid=\"ab-1\"}} 0.005\n\
         ! {FS}/allocation/global_rsv_size:1: bytes or sectors: expected a whole number, found \"\"\n\
         ! {FS}/commit_stats:1: commits: expected a whole number, found \"\"\n\
         ! {FS}/commit_stats:2: last_commit_ms: expected a whole number, found \"-1\"\n\
         ! {FS}/allocation/data/single/used_bytes: Is a directory (os error 21)\n\
         ! {FS}/allocation/data/single/total_bytes:1: bytes or sectors: expected a whole number, found \"max\"\n\
         ! {FS}/devices/sda/size:1: bytes or sectors: expected a whole number, found \"0x10\"\n"
    );
    assert_eq!(rig.samples(), want);
}

#[test]
fn kernels_that_count_no_commits() {
    let page = rig(&[("label", "\n")]).samples();
    assert!(page.contains("node_btrfs_commits_total{uuid=\"ab-1\"} 0\n"), "{page}");
    assert!(page.contains("node_btrfs_info{label=\"\",uuid=\"ab-1\"} 1\n"), "{page}");
}

#[test]
fn ratios_of_layouts() {
    for (mode, n, want) in [
        ("single", 1, Some(1.0)),
        ("dup", 1, Some(2.0)),
        ("raid1c4", 4, Some(4.0)),
        ("raid5", 4, Some(4.0 / 3.0)),
        ("raid6", 4, Some(2.0)),
        ("raid5", 1, None),
        ("raid6", 0, None),
        ("", 2, None),
    ] {
        assert_eq!(ratio(mode.as_bytes(), n), want, "{mode}");
    }
}

#[test]
fn devices_that_the_file_system_tells() {
    let mut page = Page::default();
    let device = |errors| Device { uuid: [0xab; 16], name: b"sda".to_vec(), bytes: 100, used_bytes: 130, errors };
    encode_mounted(&[device(Some([1, 2, 3, 4, u64::MAX]))], b"u", &mut page);
    encode_mounted(&[device(None)], b"v", &mut page);
    page.finish();
    let id = "abababab-abab-abab-abab-abababababab";
    let error = |kind, n: &str| {
        format!(
            "node_btrfs_device_errors_total{{btrfs_dev_uuid=\"{id}\",device=\"sda\",type=\"{kind}\",uuid=\"u\"}} {n}\n"
        )
    };
    let size = |family, uuid, n| format!("{family}{{btrfs_dev_uuid=\"{id}\",device=\"sda\",uuid=\"{uuid}\"}} {n}\n");
    let want = [
        error("corruption", "4"),
        error("flush", "3"),
        error("generation", "1.8446744073709552e+19"),
        error("read", "2"),
        error("write", "1"),
        size("node_btrfs_device_size_bytes", "u", 100),
        size("node_btrfs_device_size_bytes", "v", 100),
        size("node_btrfs_device_unused_bytes", "u", 0),
        size("node_btrfs_device_unused_bytes", "v", 0),
    ];
    assert_eq!(crate::rig::samples_of(&crate::rig::text_of(&page)), want.concat());
}
