//! What the bits of link modes stand for: kernel include/uapi/linux/ethtool.h, ETHTOOL_LINK_MODE_*.

/// Connectors.
pub(super) const PORTS: [(u32, &str); 6] =
    [(7, "TP"), (8, "AUI"), (9, "MII"), (10, "FIBRE"), (11, "BNC"), (16, "Backplane")];

pub(super) const AUTONEGOTIATION: u32 = 6;
pub(super) const PAUSE: u32 = 13;
pub(super) const ASYMMETRIC_PAUSE: u32 = 14;

/// A speed, and how it comes about.
pub(super) struct Speed {
    pub(super) bit: u32,
    pub(super) megabits: u32,
    pub(super) duplex: &'static str,
    pub(super) mode: &'static str,
}

const fn half(bit: u32, megabits: u32, mode: &'static str) -> Speed {
    Speed { bit, megabits, duplex: "half", mode }
}

const fn full(bit: u32, megabits: u32, mode: &'static str) -> Speed {
    Speed { bit, megabits, duplex: "full", mode }
}

/// Those below bit 32, more do not fit into the answer; full duplex first, as on the page.
pub(super) const SPEEDS: &[Speed] = &[
    full(5, 1_000, "1000baseT"),
    full(17, 1_000, "1000baseKX"),
    full(3, 100, "100baseT"),
    full(1, 10, "10baseT"),
    full(18, 10_000, "10000baseKX4"),
    full(19, 10_000, "10000baseKR"),
    full(20, 10_000, "10000baseR_FEC"),
    full(12, 10_000, "10000baseT"),
    full(15, 2_500, "2500baseT"),
    full(21, 20_000, "20000baseMLD2"),
    full(22, 20_000, "20000baseKR2"),
    full(23, 40_000, "40000baseKR4"),
    full(24, 40_000, "40000baseCR4"),
    full(25, 40_000, "40000baseSR4"),
    full(26, 40_000, "40000baseLR4"),
    full(27, 56_000, "56000baseKR4"),
    full(28, 56_000, "56000baseCR4"),
    full(29, 56_000, "56000baseSR4"),
    full(30, 56_000, "56000baseLR4"),
    full(31, 25_000, "25000baseCR"),
    half(4, 1_000, "1000baseT"),
    half(2, 100, "100baseT"),
    half(0, 10, "10baseT"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bit_stands_for_one_thing() {
        let mut bits: Vec<u32> = SPEEDS.iter().map(|speed| speed.bit).chain(PORTS.map(|(bit, _)| bit)).collect();
        bits.extend([AUTONEGOTIATION, PAUSE, ASYMMETRIC_PAUSE]);
        bits.sort_unstable();
        assert!(bits.is_sorted_by(|a, b| a < b) && bits.iter().all(|bit| *bit < 32));
        assert!(SPEEDS.iter().all(|speed| speed.mode.starts_with(&format!("{}base", speed.megabits))));
    }
}
