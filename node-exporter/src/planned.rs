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
pub static PLANNED: &[Planned] = &[
    off("logind", &[]),
    off("ntp", NTP),
    off("perf", PERF),
    off("runit", RUNIT),
    off("supervisord", SUPERVISORD),
    off("systemd", SYSTEMD),
];

const NTP: &[Flag] = &[
    Flag::text("collector.ntp.server", "127.0.0.1", "Server to ask."),
    Flag::integer("collector.ntp.server-port", "123", "UDP port of the server."),
    Flag::integer("collector.ntp.protocol-version", "4", "Version of the protocol: 2, 3 or 4."),
    Flag::switch("collector.ntp.server-is-local", false, "Takes a server for local whose address is no loopback."),
    Flag::integer("collector.ntp.ip-ttl", "1", "Hops the question may take."),
    Flag::duration("collector.ntp.max-distance", "3.46608s", "Largest distance from the root that is believed."),
    Flag::duration("collector.ntp.local-offset-tolerance", "1ms", "Largest offset of the own clock that is believed."),
];

const PERF: &[Flag] = &[
    Flag::text("collector.perf.cpus", "", "CPUs to watch: numbers, a-b or a-b:stride; empty for all."),
    Flag::text("collector.perf.tracepoint", "", "Tracepoint to count, as subsystem:event. Repeatable.").repeatable(),
    Flag::switch("collector.perf.disable-hardware-profilers", false, "Leaves the hardware events alone."),
    Flag::text("collector.perf.hardware-profilers", "", "Hardware event to count, for all when none. Repeatable.")
        .repeatable(),
    Flag::switch("collector.perf.disable-software-profilers", false, "Leaves the software events alone."),
    Flag::text("collector.perf.software-profilers", "", "Software event to count, for all when none. Repeatable.")
        .repeatable(),
    Flag::switch("collector.perf.disable-cache-profilers", false, "Leaves the cache events alone."),
    Flag::text("collector.perf.cache-profilers", "", "Cache event to count, for all when none. Repeatable.")
        .repeatable(),
];

const RUNIT: &[Flag] = &[Flag::text("collector.runit.servicedir", "/etc/service", "Where the services of runit are.")];

const SUPERVISORD: &[Flag] =
    &[Flag::text("collector.supervisord.url", "http://localhost:9001/RPC2", "Where supervisord answers XML-RPC.")];

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
