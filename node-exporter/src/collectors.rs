//! The table of collectors. A collector is a file in the folder of its subject and a row below; everything else
//! (switches, help, defaults, landing page, tests) is computed from the rows.

use common::collector::Row;

mod hardware;
mod memory;
mod network;
mod processor;
mod storage;
mod system;

/// All collectors, by name.
pub static COLLECTORS: &[&Row] = &[
    &network::arp::ROW,
    &storage::filesystem::ROW,
    &system::loadavg::ROW,
    &network::netclass::ROW,
    &network::netdev::ROW,
    &hardware::thermal_zone::ROW,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_unique() {
        assert!(COLLECTORS.is_sorted_by(|a, b| a.name < b.name));
    }
}
