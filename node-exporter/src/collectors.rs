//! The table of collectors. A collector is a file in the folder of its subject and a row below; everything else
//! (switches, help, defaults, landing page, tests) is computed from the rows.

use common::collector::Row;

#[doc(hidden)]
pub mod fuzzing;
mod hardware;
mod memory;
mod network;
mod processor;
mod services;
mod storage;
mod system;

/// All collectors, by name.
pub static COLLECTORS: &[&Row] = &[
    &network::arp::ROW,
    &storage::bcache::ROW,
    &storage::bcachefs::ROW,
    &network::bonding::ROW,
    &storage::btrfs::ROW,
    &memory::buddyinfo::ROW,
    &system::cgroups::ROW,
    &network::conntrack::ROW,
    &processor::cpu::ROW,
    &processor::cpu_vulnerabilities::ROW,
    &processor::cpufreq::ROW,
    &storage::diskstats::ROW,
    &hardware::dmi::ROW,
    &storage::dmmultipath::ROW,
    &storage::drbd::ROW,
    &hardware::drm::ROW,
    &hardware::edac::ROW,
    &system::entropy::ROW,
    &network::ethtool::ROW,
    &storage::fibrechannel::ROW,
    &system::filefd::ROW,
    &storage::filesystem::ROW,
    &hardware::hwmon::ROW,
    &network::infiniband::ROW,
    &processor::interrupts::ROW,
    &network::ipvs::ROW,
    &system::kernel_hung::ROW,
    &memory::ksmd::ROW,
    &network::lnstat::ROW,
    &system::loadavg::ROW,
    &services::logind::ROW,
    &storage::mdadm::ROW,
    &memory::meminfo::ROW,
    &memory::meminfo_numa::ROW,
    &storage::mountstats::ROW,
    &network::netclass::ROW,
    &network::netdev::ROW,
    &network::netstat::ROW,
    &network::network_route::ROW,
    &storage::nfs::ROW,
    &storage::nfsd::ROW,
    &system::ntp::ROW,
    &storage::nvme::ROW,
    &storage::nvmesubsystem::ROW,
    &system::os::ROW,
    &hardware::pcidevice::ROW,
    &processor::perf::ROW,
    &hardware::powersupplyclass::ROW,
    &system::pressure::ROW,
    &system::processes::ROW,
    &network::qdisc::ROW,
    &hardware::rapl::ROW,
    &services::runit::ROW,
    &processor::schedstat::ROW,
    &system::selinux::ROW,
    &memory::slabinfo::ROW,
    &network::sockstat::ROW,
    &processor::softirqs::ROW,
    &network::softnet::ROW,
    &processor::stat::ROW,
    &services::supervisord::ROW,
    &memory::swap::ROW,
    &system::sysctl::ROW,
    &services::systemd::ROW,
    &storage::tapestats::ROW,
    &network::tcpstat::ROW,
    &system::textfile::ROW,
    &hardware::thermal_zone::ROW,
    &system::time::ROW,
    &system::timex::ROW,
    &network::udp_queues::ROW,
    &system::uname::ROW,
    &memory::vmstat::ROW,
    &hardware::watchdog::ROW,
    &network::wifi::ROW,
    &network::xfrm::ROW,
    &storage::xfs::ROW,
    &storage::zfs::ROW,
    &memory::zoneinfo::ROW,
];

/// One line at the start for a collector that its users should not count on.
fn warn_deprecated(name: &'static str) {
    tracing::warn!(name, "this collector is deprecated: the Go exporter is going to drop it");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_unique() {
        assert!(COLLECTORS.is_sorted_by(|a, b| a.name < b.name));
    }
}
