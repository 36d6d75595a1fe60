//! Energy that processor packages, cores and memory have used, from `/sys/class/powercap`.
//!
//! * Source: kernel Documentation/power/powercap/powercap.rst.
//! * Units: file has microjoules, we export joules. The counter starts again at `max_energy_range_uj`.
//! * Absent when: the machine has no such counters, or they are for root only (since Linux 5.10): no data. With
//!   CAP_DAC_READ_SEARCH the exporter may read them.
//! * Differs from the Go exporter: a zone that cannot be read costs itself alone; `max_energy_range_uj` is not read.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use common::collector::{Collector, Row, Scrape};
use common::error::{CollectError, is_denied};
use common::exposition::{Desc, Page};
use common::fields::{parse_i64, parse_u64};
use common::flags::Flag;
use common::fuzzing::{Parser, eat};

use crate::fs::{Attr, Devices, EntryKind, KeptAttr, sys_path};
use crate::kernel::metric_names::sanitize;

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row::on("rapl", "energy counters, /sys/class/powercap", FLAGS, |args| {
    Ok(Box::new(Rapl { zones: Devices::new(sys_path(args, "class/powercap")), one_family: args.on(ZONE_LABEL) }))
});

const ZONE_LABEL: &str = "collector.rapl.enable-zone-label";

const FLAGS: &[Flag] =
    &[Flag::switch(ZONE_LABEL, false, "Show all zones in one family, with the zone in the label rapl_zone.")];

const HELP: &str = "Energy used by the zone in joules; starts again at zero when the counter is full.";
const JOULES: Desc = Desc::counter("node_rapl_joules_total", HELP, &["index", "path", "rapl_zone"]);

struct Rapl {
    zones: Devices<Zone>,
    one_family: bool,
}

struct Zone {
    name_file: KeptAttr,
    energy: KeptAttr,
    path: Vec<u8>,
    /// What the file says; empty for what is not a zone.
    name: Vec<u8>,
    /// The name without its number.
    zone: Vec<u8>,
    index: String,
    family: String,
}

impl Collector for Rapl {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        self.look_around()?;
        let mut denied = false;
        for (_, zone) in self.zones.known_mut().iter_mut().filter(|(_, zone)| !zone.name.is_empty()) {
            let joules = match judge(zone.energy.read(), zone.energy.path()) {
                Verdict::Joules(joules) => joules,
                Verdict::Denied => {
                    denied = true;
                    continue;
                }
                Verdict::Fault(e) => {
                    cx.fault(e);
                    continue;
                }
            };
            let index = zone.index.as_bytes();
            if self.one_family {
                page.sample(&JOULES, &[index, &zone.path, &zone.zone], joules);
            } else {
                page.sample(&Desc::counter(&zone.family, HELP, &["index", "path"]), &[index, &zone.path], joules);
            }
        }
        if denied {
            return Err(CollectError::no_data("energy counters are for root, or with CAP_DAC_READ_SEARCH"));
        }
        Ok(())
    }
}

/// What came of reading a counter.
enum Verdict {
    Joules(f64),
    Denied,
    Fault(CollectError),
}

fn judge(read: io::Result<Attr>, path: &Path) -> Verdict {
    match read {
        Ok(text) => match text.number(path, "energy_uj", parse_u64) {
            Ok(microjoules) => Verdict::Joules(microjoules as f64 / 1_000_000.0),
            Err(fault) => Verdict::Fault(fault),
        },
        Err(e) if is_denied(&e) => Verdict::Denied,
        Err(e) => Verdict::Fault(CollectError::io(path, e)),
    }
}

impl Rapl {
    /// Lists the zones, and numbers them anew when one has come, gone or changed its name.
    fn look_around(&mut self) -> Result<(), CollectError> {
        let count = self.zones.known_mut().len();
        if let Err(e) = self.zones.refresh(|_, kind| kind != EntryKind::File, |path, _| Zone::new(path)) {
            if is_denied(&e) {
                return Err(CollectError::no_data("the energy counters may not be listed"));
            }
            return Err(CollectError::io(self.zones.path(), e).absent_is_no_data("there are no energy counters"));
        }
        let zones = self.zones.known_mut();
        let mut changed = zones.len() != count;
        for (_, zone) in zones.iter_mut() {
            changed |= zone.look();
        }
        if changed {
            number(zones);
        }
        Ok(())
    }
}

/// Gives each zone its index: the number at the end of its name, else how many before it have the same name.
fn number(zones: &mut [(Vec<u8>, Zone)]) {
    let mut seen: Vec<Vec<u8>> = Vec::new();
    for (_, zone) in zones.iter_mut().filter(|(_, zone)| !zone.name.is_empty()) {
        let (base, index) = split_name(&zone.name);
        let index = index.unwrap_or_else(|| seen.iter().filter(|name| **name == zone.name).count() as i64);
        seen.push(zone.name.clone());
        zone.family = format!("node_rapl_{}_joules_total", sanitize(base));
        zone.zone = base.to_vec();
        zone.index = index.to_string();
    }
}

impl Zone {
    fn new(path: &Path) -> Self {
        // As it is written in the label: without doubled slashes that a flag may have brought in.
        let tidy: PathBuf = path.components().collect();
        Self {
            name_file: KeptAttr::new(path.join("name")),
            energy: KeptAttr::new(path.join("energy_uj")),
            path: OsStr::as_bytes(tidy.as_os_str()).to_vec(),
            name: Vec::new(),
            zone: Vec::new(),
            index: String::new(),
            family: String::new(),
        }
    }

    /// Whether the zone has another name than the last time. What has no name is no zone.
    fn look(&mut self) -> bool {
        let read = self.name_file.read();
        let name = read.as_ref().map(|attr| attr.text()).unwrap_or_default();
        let changed = name != self.name;
        if changed {
            self.name = name.to_vec();
        }
        changed
    }
}

/// `package-0` is number 0 of `package`; a name with more than one dash is left whole.
fn split_name(name: &[u8]) -> (&[u8], Option<i64>) {
    let mut parts = name.split(|&b| b == b'-');
    match (parts.next(), parts.next().and_then(parse_i64), parts.next()) {
        (Some(base), Some(index), None) => (base, Some(index)),
        _ => (name, None),
    }
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser =
    Parser::new("names of powercap", |bytes| eat(split_name(bytes)), b"intel-rapl:0:1-package-1");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    #[test]
    fn names_of_zones() {
        assert_eq!(split_name(b"package-0"), (&b"package"[..], Some(0)));
        assert_eq!(split_name(b"core"), (&b"core"[..], None));
        assert_eq!(split_name(b"package-0-die-1"), (&b"package-0-die-1"[..], None));
        assert_eq!(split_name(b"gpu-x"), (&b"gpu-x"[..], None));
    }

    #[test]
    fn root_only_is_no_data_and_anything_else_is_a_fault() {
        let outcome = |errno| judge(Err(io::Error::from_raw_os_error(errno)), Path::new("x"));
        assert!(matches!(outcome(libc::EACCES), Verdict::Denied));
        assert!(matches!(outcome(libc::EPERM), Verdict::Denied));
        for errno in [libc::ENODATA, libc::EIO, libc::EAGAIN, libc::ENOENT] {
            assert!(matches!(outcome(errno), Verdict::Fault(_)), "{errno}");
        }
    }

    const TWO: &[(&str, &str)] = &[
        ("sys/class/powercap/intel-rapl/enabled", "1\n"),
        ("sys/class/powercap/intel-rapl:0/name", "package-0\n"),
        ("sys/class/powercap/intel-rapl:0/energy_uj", "117382514998\n"),
        ("sys/class/powercap/intel-rapl:0:0/name", "core\n"),
        ("sys/class/powercap/intel-rapl:0:0/energy_uj", "1500000\n"),
        ("sys/class/powercap/intel-rapl:1:0/name", "core\n"),
        ("sys/class/powercap/intel-rapl:1:0/energy_uj", "2500000\n"),
    ];

    #[test]
    fn zones_are_numbered_anew_when_one_goes() {
        let mut rig = Rig::new(&ROW, TWO, &[]);
        let package =
            "node_rapl_package_joules_total{index=\"0\",path=\"sys/class/powercap/intel-rapl:0\"} 117382.514998\n";
        let core = |index, zone, joules| {
            format!("node_rapl_core_joules_total{{index=\"{index}\",path=\"sys/class/powercap/{zone}\"}} {joules}\n")
        };
        let both = core(0, "intel-rapl:0:0", "1.5") + &core(1, "intel-rapl:1:0", "2.5");
        assert_eq!(rig.samples(), both + package);
        rig.remove("sys/class/powercap/intel-rapl:0:0");
        assert_eq!(rig.samples(), core(0, "intel-rapl:1:0", "2.5") + package);
        rig.remove("sys/class/powercap");
        assert_eq!(rig.samples(), "! no data: there are no energy counters\n");
    }

    #[test]
    fn all_zones_in_one_family() {
        let samples = Rig::new(&ROW, TWO, &[(ZONE_LABEL, "true")]).samples();
        let first =
            "node_rapl_joules_total{index=\"0\",path=\"sys/class/powercap/intel-rapl:0\",rapl_zone=\"package\"}";
        assert!(samples.starts_with(first), "{samples}");
        assert_eq!(samples.lines().count(), 3);
    }

    #[test]
    fn a_broken_counter_costs_itself_alone() {
        let mut rig = Rig::new(&ROW, TWO, &[]);
        rig.plant(&[("sys/class/powercap/intel-rapl:0/energy_uj", "full\n")]);
        rig.remove("sys/class/powercap/intel-rapl:1:0/energy_uj");
        let samples = rig.samples();
        assert!(samples.starts_with("node_rapl_core_joules_total{index=\"0\""), "{samples}");
        assert!(samples.contains("! sys/class/powercap/intel-rapl:0/energy_uj:1: energy_uj: expected a whole number"));
        assert!(samples.contains("! sys/class/powercap/intel-rapl:1:0/energy_uj: No such file"));
        assert_eq!(samples.lines().count(), 3);
    }
}
