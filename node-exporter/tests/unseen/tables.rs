//! What the rules of these tests do not hold for, and why.

/// Families about the running kernel, whatever tree is read.
pub(crate) const FROM_THE_KERNEL: &[&str] = &[
    "node_ethtool_",
    "node_filesystem_",
    "node_network_route",
    "node_scrape_collector_",
    "node_selinux_",
    "node_tcp_",
    "node_timex_",
    "node_uname_",
];

/// Families with a value that no two scrapes share.
pub(crate) const NOT_OF_THE_HOST: &[&str] =
    &["node_textfile_mtime_seconds", "node_time_seconds", "node_time_zone_offset_seconds"];

/// Families whose names the kernel chooses: another word in the file is another family.
pub(crate) const NAMED_BY_THE_HOST: &[&str] = &["node_memory_", "node_netstat_", "node_vmstat_", "node_zfs_"];

/// Files that are all there is of a collector.
pub(crate) const ALL_THERE_IS: &[(&str, &str)] = &[];

/// Values that several files make together: part of the file's path, beginning of the family.
pub(crate) const SHARED: &[(&str, &str)] = &[];

/// Whether a family's name begins with one of these.
pub(crate) fn listed(beginnings: &[&str], family: &str) -> bool {
    beginnings.iter().any(|beginning| family.starts_with(beginning))
}
