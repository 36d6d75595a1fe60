//! The system clock, the local time zone, and the clock sources the kernel knows.
//!
//! * Source: the system clock; `TZ` or `/etc/localtime`; `/sys/devices/system/clocksource/clocksource*`, kernel
//!   Documentation/ABI/testing/sysfs-devices-system-clocksource.
//! * Units: seconds since 1970, seconds east of UTC.
//! * Absent when: the kernel lists no clock sources: those samples are missing, no error.
//! * Differs from the Go exporter: a clock source that cannot be read costs itself alone; `TZ` may also hold a rule
//!   such as `CET-1CEST`.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use common::collector::{Collector, Row, Scrape};
use common::error::CollectError;
use common::exposition::{Desc, Page};
use common::fields::Words;
use common::sandbox::Need;

use crate::fs::{Devices, KeptAttr, sys_path};
use crate::kernel;

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row {
    needs: |_| needs(std::env::var("TZ").ok().as_deref()),
    ..Row::on("time", "system clock, time zone and clock sources", &[], |args| {
        let zone_is_known = std::env::var("TZ").map_or(true, |tz| names_a_zone(&tz, &|path| path.is_file()));
        Ok(Box::new(Time { zone_is_known, sources: Devices::new(sys_path(args, "devices/system/clocksource")) }))
    })
};

const ZONES: &str = "/usr/share/zoneinfo";

/// What the C library reads for the local time.
fn needs(tz: Option<&str>) -> Vec<Need> {
    let own = tz.map(|tz| tz.strip_prefix(':').unwrap_or(tz)).filter(|tz| tz.starts_with('/'));
    let files = ["/etc/localtime"].into_iter().chain(own).map(|file| Need::File(file.into()));
    [Need::Tree(ZONES.into())].into_iter().chain(files).collect()
}

const SECONDS: Desc = Desc::gauge("node_time_seconds", "System clock in seconds since 1970.", &[]);
const ZONE_OFFSET: Desc =
    Desc::gauge("node_time_zone_offset_seconds", "Local time minus UTC, by abbreviation of the zone.", &["time_zone"]);
const AVAILABLE: Desc = Desc::gauge(
    "node_time_clocksource_available_info",
    "Clock sources the kernel could use.",
    &["clocksource", "device"],
);
const CURRENT: Desc =
    Desc::gauge("node_time_clocksource_current_info", "Clock source the kernel uses.", &["clocksource", "device"]);

struct Time {
    /// Whether the C library makes sense of `TZ`; it would take the name of a missing zone for an abbreviation.
    zone_is_known: bool,
    sources: Devices<Source>,
}

struct Source {
    available: KeptAttr,
    current: KeptAttr,
}

impl Collector for Time {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        page.sample::<&str>(&SECONDS, &[], now.as_nanos() as f64 / 1e9);
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let local = if self.zone_is_known { kernel::localtime::zone_at(seconds) } else { None };
        let (offset, zone) = local.unwrap_or((0, b"UTC".to_vec()));
        page.sample(&ZONE_OFFSET, &[zone], offset as f64);

        let sources = self.sources.refresh(|name, _| is_source(name), Source::new);
        for (at, (_, source)) in sources.unwrap_or_default().iter_mut().enumerate() {
            let mut number = itoa::Buffer::new();
            let device = number.format(at).as_bytes();
            for (desc, file) in [(&AVAILABLE, &mut source.available), (&CURRENT, &mut source.current)] {
                match file.read() {
                    Ok(text) => {
                        for name in Words::of(text.text()) {
                            page.sample(desc, &[name, device], 1.0);
                        }
                    }
                    Err(e) => cx.fault(CollectError::io(file.path(), e)),
                }
            }
        }
        Ok(())
    }
}

impl Source {
    fn new(path: &Path, _name: &[u8]) -> Self {
        Self {
            available: KeptAttr::new(path.join("available_clocksource")),
            current: KeptAttr::new(path.join("current_clocksource")),
        }
    }
}

fn is_source(name: &[u8]) -> bool {
    name.strip_prefix(b"clocksource").and_then(|rest| rest.first()).is_some_and(u8::is_ascii_digit)
}

/// Whether `TZ` names a zone that is installed, or is a rule of its own (which has a number in it).
fn names_a_zone(tz: &str, is_file: &dyn Fn(&Path) -> bool) -> bool {
    let name = tz.strip_prefix(':').unwrap_or(tz);
    let rule = name.split(',').next().unwrap_or_default();
    name.is_empty()
        || is_file(&Path::new(ZONES).join(name))
        || (rule.contains(|c: char| c.is_ascii_digit()) && !rule.contains(['/', '_']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::samples_of;

    const TREE: &[(&str, &str)] = &[
        ("sys/devices/system/clocksource/clocksource10/available_clocksource", "hpet\n"),
        ("sys/devices/system/clocksource/clocksource10/current_clocksource", "hpet\n"),
        ("sys/devices/system/clocksource/clocksource0/available_clocksource", "tsc acpi_pm \n"),
        ("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n"),
        ("sys/devices/system/clocksource/power/control", "auto\n"),
    ];

    fn sources(page: &str) -> Vec<&str> {
        page.lines().filter_map(|line| line.strip_prefix("node_time_clocksource_")).collect()
    }

    #[test]
    fn good() {
        let (page, errors) = samples_of(&ROW, TREE, &[]);
        let want = [
            r#"available_info{clocksource="acpi_pm",device="0"} 1"#,
            r#"available_info{clocksource="hpet",device="1"} 1"#,
            r#"available_info{clocksource="tsc",device="0"} 1"#,
            r#"current_info{clocksource="hpet",device="1"} 1"#,
            r#"current_info{clocksource="tsc",device="0"} 1"#,
        ];
        assert_eq!((sources(&page), errors), (want.to_vec(), vec![]));
        assert!(page.contains("\nnode_time_seconds ") && page.contains("\nnode_time_zone_offset_seconds{"), "{page}");
    }

    #[test]
    fn a_missing_file_costs_itself() {
        let (page, errors) = samples_of(&ROW, TREE.get(1..4).unwrap(), &[]);
        assert_eq!(sources(&page).len(), 4);
        assert_eq!(errors.len(), 1);
        assert!(errors[0].contains("clocksource10/available_clocksource: No such file"), "{errors:?}");
        assert_eq!(samples_of(&ROW, &[], &[]).1, Vec::<String>::new());
    }

    #[test]
    fn zones_that_are_not_there() {
        let installed = |path: &Path| path == Path::new("/usr/share/zoneinfo/Europe/Berlin");
        for known in ["", ":", "Europe/Berlin", ":Europe/Berlin", "CET-1CEST,M3.5.0/2,M10.5.0/3", "UTC0"] {
            assert!(names_a_zone(known, &installed), "{known}");
        }
        for unknown in ["Foo", "Foo/Bar", "Etc/GMT+5"] {
            assert!(!names_a_zone(unknown, &installed), "{unknown}");
        }
    }
}
