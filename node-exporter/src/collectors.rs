//! The table of collectors. A collector is a file in the folder of its subject and a row below; everything else
//! (switches, help, defaults, landing page, tests) is computed from the rows.

use common::collector::Row;

#[doc(hidden)]
pub mod fuzzing;
mod hardware;
mod memory;
mod network;
mod processor;
mod storage;
mod system;

/// All collectors, by name.
pub static COLLECTORS: &[&Row] = &[
    &network::arp::ROW,
    &network::bonding::ROW,
    &network::conntrack::ROW,
    &processor::cpu::ROW,
    &processor::cpufreq::ROW,
    &storage::diskstats::ROW,
    &hardware::dmi::ROW,
    &hardware::drm::ROW,
    &hardware::edac::ROW,
    &system::entropy::ROW,
    &network::ethtool::ROW,
    &system::filefd::ROW,
    &storage::filesystem::ROW,
    &hardware::hwmon::ROW,
    &network::infiniband::ROW,
    &network::ipvs::ROW,
    &network::lnstat::ROW,
    &system::loadavg::ROW,
    &storage::mdadm::ROW,
    &memory::meminfo::ROW,
    &network::netclass::ROW,
    &network::netdev::ROW,
    &network::netstat::ROW,
    &network::network_route::ROW,
    &storage::nvme::ROW,
    &system::os::ROW,
    &hardware::pcidevice::ROW,
    &hardware::powersupplyclass::ROW,
    &system::pressure::ROW,
    &network::qdisc::ROW,
    &hardware::rapl::ROW,
    &processor::schedstat::ROW,
    &system::selinux::ROW,
    &network::sockstat::ROW,
    &network::softnet::ROW,
    &processor::stat::ROW,
    &network::tcpstat::ROW,
    &system::textfile::ROW,
    &hardware::thermal_zone::ROW,
    &system::time::ROW,
    &system::timex::ROW,
    &network::udp_queues::ROW,
    &system::uname::ROW,
    &memory::vmstat::ROW,
    &hardware::watchdog::ROW,
    &network::xfrm::ROW,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_unique() {
        assert!(COLLECTORS.is_sorted_by(|a, b| a.name < b.name));
    }
}
