//! The parsers of the kernel's texts and messages as a table, for the fuzz target in `fuzz` and for the test below. No
//! program calls any of this.

pub use common::fuzzing::Parser;

/// The parsers of this crate in families, which are the folders they stand in. Each family is a fuzz target.
pub static FAMILIES: &[(&str, &[Parser])] = &[
    ("hardware", HARDWARE),
    ("kernel", KERNEL),
    ("memory", MEMORY),
    ("network", NETWORK),
    ("processor", PROCESSOR),
    ("services", SERVICES),
    ("storage", STORAGE),
    ("system", SYSTEM),
];

/// Sensors, power, buses.
pub static HARDWARE: &[Parser] = &[
    super::hardware::drm::PARSER,
    super::hardware::edac::PARSER,
    super::hardware::hwmon::PARSER,
    super::hardware::pcidevice::NAMES_PARSER,
    super::hardware::pcidevice::PARSER,
    super::hardware::rapl::PARSER,
];

/// What several collectors read.
pub static KERNEL: &[Parser] = &[
    crate::kernel::btrfs::PARSER,
    crate::kernel::cpu_table::PARSER,
    crate::kernel::cpuinfo::PARSER,
    crate::kernel::ethtool::PARSER,
    crate::kernel::metric_names::PARSER,
    crate::kernel::mountinfo::PARSER,
    crate::kernel::netlink::PARSER,
    crate::kernel::proc_stat::CPU_LINES_PARSER,
    crate::kernel::proc_stat::TOTALS_PARSER,
    crate::kernel::rtnl::PARSER,
];

/// Memory and swap.
pub static MEMORY: &[Parser] = &[
    super::memory::buddyinfo::PARSER,
    super::memory::meminfo::PARSER,
    super::memory::meminfo_numa::PARSER,
    super::memory::slabinfo::PARSER,
    super::memory::swap::PARSER,
    super::memory::zoneinfo::PARSER,
];

/// Interfaces, protocols, sockets.
pub static NETWORK: &[Parser] = &[
    super::network::arp::PARSER,
    super::network::conntrack::PARSER,
    super::network::ethtool::PARSER,
    super::network::infiniband::PARSER,
    super::network::ipvs::PARSER,
    super::network::lnstat::PARSER,
    super::network::netdev::PARSER,
    super::network::network_route::PARSER,
    super::network::qdisc::PARSER,
    super::network::sockstat::PARSER,
    super::network::softnet::PARSER,
    super::network::tcpstat::PARSER,
    super::network::udp_queues::PARSER,
    super::network::wifi::PARSER,
    super::network::xfrm::PARSER,
];

/// Processors and schedulers.
pub static PROCESSOR: &[Parser] = &[
    super::processor::cpu_vulnerabilities::PARSER,
    super::processor::cpufreq::PARSER,
    super::processor::perf::PARSER,
    super::processor::schedstat::PARSER,
];

/// Disks and file systems.
pub static STORAGE: &[Parser] = &[
    super::storage::bcache::PARSER,
    super::storage::bcachefs::PARSER,
    super::storage::btrfs::PARSER,
    super::storage::diskstats::PARSER,
    super::storage::diskstats::UDEV_PARSER,
    super::storage::drbd::PARSER,
    super::storage::fibrechannel::PARSER,
    super::storage::mdadm::PARSER,
    super::storage::mountstats::PARSER,
    super::storage::nfs::PARSER,
    super::storage::xfs::PARSER,
    super::storage::zfs::PARSER,
];

/// The machine as a whole.
pub static SYSTEM: &[Parser] = &[
    super::system::cgroups::PARSER,
    super::system::loadavg::PARSER,
    super::system::ntp::PARSER,
    super::system::os::PARSER,
    super::system::pressure::PARSER,
    super::system::processes::PARSER,
    super::system::selinux::PARSER,
    super::system::sysctl::PARSER,
    super::system::textfile::PARSER,
];

/// Daemons, asked over sockets.
pub static SERVICES: &[Parser] = &[
    crate::bus::address::PARSER,
    crate::bus::message::PARSER,
    super::services::runit::PARSER,
    super::services::supervisord::PARSER,
    super::services::systemd::PARSER,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parser_survives_garbage() {
        for (_, parsers) in FAMILIES {
            common::fuzzing::feed_garbage_to_all(parsers);
        }
    }

    #[test]
    fn each_family_is_a_fuzz_target() {
        let manifest = include_str!("../../fuzz/Cargo.toml");
        let targets: Vec<&str> =
            manifest.lines().filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")).collect();
        let want: Vec<String> = FAMILIES.iter().map(|(name, _)| format!("{name}.rs\"")).collect();
        assert_eq!(targets, want);
    }
}
