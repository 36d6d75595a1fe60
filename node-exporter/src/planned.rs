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
pub static PLANNED: &[Planned] = &[off("logind", &[]), off("systemd", SYSTEMD), off("wifi", WIFI)];

const SYSTEMD: &[Flag] = &[
    Flag::text("collector.systemd.unit-include", ".+", "Pattern for the units to keep; the whole name has to fit."),
    Flag::text(
        "collector.systemd.unit-exclude",
        r".+\.(automount|device|mount|scope|slice)",
        "Pattern for the units to leave out; the whole name has to fit.",
    ),
    Flag::alias("collector.systemd.unit-whitelist", "collector.systemd.unit-include"),
    Flag::alias("collector.systemd.unit-blacklist", "collector.systemd.unit-exclude"),
    Flag::switch("collector.systemd.private", false, "Asks the manager itself instead of the bus; takes root.")
        .hidden(),
    Flag::switch("collector.systemd.enable-task-metrics", false, "Tasks of each unit."),
    Flag::switch("collector.systemd.enable-restarts-metrics", false, "Restarts of each service."),
    Flag::switch("collector.systemd.enable-start-time-metrics", false, "When each unit was started."),
];

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
