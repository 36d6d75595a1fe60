//! Collectors of the Go exporter that are not built here yet: their switches and flags, so that the command line of an
//! existing unit file is accepted.
//!
//! A collector that gets built takes its flags along into its own file, and its entry here goes away.

use common::app::Planned;
use common::flags::Flag;

const fn off(name: &'static str, flags: &'static [Flag]) -> Planned {
    Planned { name, on: false, flags }
}

/// All of them, by name.
pub static PLANNED: &[Planned] = &[off("wifi", WIFI)];

const WIFI: &[Flag] = &[Flag::text("collector.wifi.fixtures", "", "Directory with recorded answers, for tests.")];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collectors::COLLECTORS;
    use common::flags::check_value;

    #[test]
    fn names_are_sorted_unique_and_not_built() {
        assert!(PLANNED.is_sorted_by(|a, b| a.name < b.name));
        for planned in PLANNED {
            assert!(COLLECTORS.iter().all(|row| row.name != planned.name), "{} is built", planned.name);
        }
    }

    #[test]
    fn flags_are_unique_and_their_defaults_fit() {
        let mut flags: Vec<&Flag> = PLANNED.iter().flat_map(|planned| planned.flags).collect();
        for flag in &flags {
            assert!(flag.default.is_empty() || check_value(flag, flag.default).is_ok(), "{}", flag.name);
            let target = flag.alias_of.unwrap_or(flag.name);
            assert!(flags.iter().any(|other| other.name == target), "{target} does not exist");
        }
        flags.sort_by_key(|flag| flag.name);
        assert!(flags.is_sorted_by(|a, b| a.name < b.name));
    }
}
