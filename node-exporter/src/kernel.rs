//! What several collectors share about the kernel: parsers of its files, sets that are followed over scrapes, netlink,
//! and the system calls that have no safe wrapper elsewhere.

pub(crate) mod btrfs;
pub(crate) mod cpu_dirs;
pub(crate) mod cpu_labels;
pub(crate) mod cpu_table;
pub(crate) mod cpuinfo;
pub(crate) mod ethtool;
pub(crate) mod ethtool_ioctl;
pub(crate) mod genl;
pub(crate) mod links;
pub(crate) mod localtime;
pub(crate) mod metric_names;
pub(crate) mod mountinfo;
pub(crate) mod netlink;
pub(crate) mod perf_event;
pub(crate) mod proc_stat;
pub(crate) mod rtnl;
pub(crate) mod sunrpc;
pub(crate) mod timex;

/// No file has more CPUs than this; Linux itself stops at 8,192. What comes after is not looked at.
pub(crate) const MOST_CPUS: usize = 65_536;
