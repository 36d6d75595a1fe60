//! The parsers of the kernel's texts and messages as a table, for the fuzz target in `fuzz` and for the test below. No
//! program calls any of this.

pub use common::fuzzing::Parser;

/// The parsers of this crate.
pub static PARSERS: &[Parser] = &[
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
    super::hardware::drm::PARSER,
    super::hardware::edac::PARSER,
    super::hardware::hwmon::PARSER,
    super::hardware::pcidevice::NAMES_PARSER,
    super::hardware::pcidevice::PARSER,
    super::hardware::rapl::PARSER,
    super::memory::buddyinfo::PARSER,
    super::memory::meminfo::PARSER,
    super::memory::meminfo_numa::PARSER,
    super::memory::slabinfo::PARSER,
    super::memory::swap::PARSER,
    super::memory::zoneinfo::PARSER,
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
    super::processor::cpu_vulnerabilities::PARSER,
    super::processor::cpufreq::PARSER,
    super::processor::schedstat::PARSER,
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
    super::system::cgroups::PARSER,
    super::system::loadavg::PARSER,
    super::system::os::PARSER,
    super::system::pressure::PARSER,
    super::system::processes::PARSER,
    super::system::selinux::PARSER,
    super::system::sysctl::PARSER,
    super::system::textfile::PARSER,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parser_survives_garbage() {
        common::fuzzing::feed_garbage_to_all(PARSERS);
    }
}
