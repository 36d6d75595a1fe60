//! What the rules of these tests do not hold for, and why.

/// Families with a value that no two scrapes share, and those about the scrape itself.
pub(crate) const NOT_OF_THE_HOST: &[&str] =
    &["node_scrape_collector_", "node_textfile_mtime_seconds", "node_time_seconds", "node_time_zone_offset_seconds"];

/// Families whose names the kernel chooses: another word in the file is another family.
pub(crate) const NAMED_BY_THE_HOST: &[&str] =
    &["node_memory_", "node_netstat_", "node_rapl_", "node_vmstat_", "node_zfs_"];

/// Files that are all there is of a collector.
pub(crate) const ALL_THERE_IS: &[(&str, &str)] = &[
    // One text is the whole source.
    ("proc/buddyinfo", "buddyinfo"),
    ("proc/cgroups", "cgroups"),
    ("proc/diskstats", "diskstats"),
    ("proc/drbd", "drbd"),
    ("proc/interrupts", "interrupts"),
    ("proc/loadavg", "loadavg"),
    ("proc/mdstat", "mdadm"),
    ("proc/meminfo", "meminfo"),
    ("proc/net/arp", "arp"),
    ("proc/net/dev", "netdev"),
    ("proc/net/rpc/nfs", "nfs"),
    ("proc/net/rpc/nfsd", "nfsd"),
    ("proc/net/softnet_stat", "softnet"),
    ("proc/net/xfrm_stat", "xfrm"),
    ("proc/schedstat", "schedstat"),
    ("proc/slabinfo", "slabinfo"),
    ("proc/softirqs", "softirqs"),
    ("proc/stat", "stat"),
    ("proc/swaps", "swap"),
    ("proc/sys/fs/file-nr", "filefd"),
    ("proc/sys/kernel/hung_task_detect_count", "kernel_hung"),
    ("proc/vmstat", "vmstat"),
    ("proc/zoneinfo", "zoneinfo"),
    ("root/etc/os-release", "os"),
    // Without it the kernel has no such thing.
    ("proc/net/ip_vs_stats", "ipvs"),
    ("proc/sys/net/netfilter/nf_conntrack_count", "conntrack"),
    // The one lists the mounts, the other has their numbers.
    ("proc/self/mountinfo", "mountstats"),
    ("proc/self/mountstats", "mountstats"),
    // All facts are labels of one series.
    ("virtual/dmi/id/", "dmi"),
    // The tree has one device or file of the kind.
    ("bonding_masters", "bonding"),
    ("bond0/bonding/slaves", "bonding"),
    ("qdisc/results.json", "qdisc"),
    ("0000:04:00.0/uevent", "drm"),
    ("ksm/run", "ksmd"),
    ("supervise/status", "runit"),
    ("wifi/interfaces.json", "wifi"),
];

/// Series that a file is not all of: part of the file's path, beginning of the family.
const SHARED: &[(&str, &str)] = &[
    // Its word is the label of all the others.
    ("/metadata_uuid", "node_btrfs_"),
    // CPUs of one core have one counter, and the first CPU decides whether it is told which are on.
    ("system/cpu/cpu", "node_cpu_core_throttles_total"),
    ("system/cpu/cpu", "node_cpu_online"),
    ("system/cpu/cpu", "node_cpu_package_throttles_total"),
    // The name of a chip decides what it and its siblings are called.
    ("/name", "node_hwmon_"),
    // Kernels that no longer count say 0.
    ("/cache_readaheads", "node_bcache_cache_readaheads_total"),
    // 0 is what an absent one means.
    ("/sriov_", "node_pcidevice_sriov_"),
    // Live paths are not counted when the state of one is not known.
    ("nvme-subsystem/", "node_nvmesubsystem_paths_live"),
];

/// Whether `file` has a part in a series that does not go with it.
pub(crate) fn shared(file: &str, (family, _): &(String, Vec<(String, String)>)) -> bool {
    SHARED.iter().any(|(part, beginning)| file.contains(part) && family.starts_with(beginning))
}

/// Whether a family's name begins with one of these.
pub(crate) fn listed(beginnings: &[&str], family: &str) -> bool {
    beginnings.iter().any(|beginning| family.starts_with(beginning))
}
