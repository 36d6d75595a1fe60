//! Watchdog timers from `/sys/class/watchdog`.
//!
//! * Source: kernel Documentation/ABI/testing/sysfs-class-watchdog.
//! * Units: seconds; `bootstatus` and `fw_version` as the driver gives them.
//! * Absent when: there is no such class, or it may not be listed: no data.
//! * Differs from the Go exporter: an attribute that cannot be read or is no number costs itself, not every watchdog;
//!   one that the driver does not support (EOPNOTSUPP) is absent.

use std::path::Path;
use std::sync::Arc;

use common::collector::{Collector, Row, Scrape};
use common::error::{CollectError, is_absent, is_denied};
use common::exposition::{Desc, Page};
use common::fields::parse_auto;

use super::attributes::Attributes;
use crate::fs::{Devices, EntryKind, sys_path};

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row::on("watchdog", "watchdog timers, /sys/class/watchdog", &[], |args| {
    Ok(Box::new(Watchdogs { devices: Devices::new(sys_path(args, "class/watchdog")) }))
});

const INFO: Desc = Desc::gauge(
    "node_watchdog_info",
    "Always 1; the labels give the driver's name for the watchdog, its options and its state.",
    &["identity", "name", "options", "pretimeout_governor", "state", "status"],
);

struct Watchdogs {
    devices: Devices<Watchdog>,
}

struct Watchdog {
    name: Arc<[u8]>,
    attributes: Attributes<Attribute>,
}

struct Attribute {
    file: &'static str,
    shows: Shows,
}

enum Shows {
    /// The label of the info series that stands at this place.
    Label(usize),
    Number(Desc<'static>),
}

impl Collector for Watchdogs {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        if let Err(e) = self.devices.refresh(|_, kind| kind != EntryKind::File, Watchdog::new) {
            if is_denied(&e) {
                return Err(CollectError::no_data("the watchdogs may not be listed"));
            }
            return Err(CollectError::io(self.devices.path(), e).absent_is_no_data("there is no class of watchdogs"));
        }
        for (_, watchdog) in self.devices.known_mut() {
            watchdog.update(cx, page);
        }
        Ok(())
    }
}

impl Watchdog {
    fn new(path: &Path, name: &[u8]) -> Self {
        Self { name: name.into(), attributes: Attributes::new(path) }
    }

    fn update(&mut self, cx: &mut Scrape, page: &mut Page) {
        let attributes = match self.attributes.refresh(ATTRIBUTES, |row| row.file) {
            Ok(attributes) => attributes,
            Err(e) if is_absent(&e) => return,
            Err(e) => return cx.fault(CollectError::call(self.name.escape_ascii().to_string(), &e)),
        };
        // An absent file is an empty label.
        let mut texts = [const { None }; 6];
        for (row, file) in attributes {
            let attr = match file.read() {
                Ok(attr) => attr,
                Err(e) if is_absent(&e) => continue,
                Err(e) => {
                    cx.fault(CollectError::io(file.path(), e));
                    continue;
                }
            };
            match &row.shows {
                Shows::Label(at) => {
                    if let Some(slot) = texts.get_mut(*at) {
                        *slot = Some(attr);
                    }
                }
                Shows::Number(desc) => {
                    if let Some(number) = cx.ok(attr.number(file.path(), row.file, parse_auto)) {
                        page.sample(desc, &[&self.name], number as f64);
                    }
                }
            }
        }
        let mut values = texts.each_ref().map(|attr| attr.as_ref().map_or(&b""[..], |attr| attr.text()));
        values[NAME] = &self.name;
        page.sample(&INFO, &values, 1.0);
    }
}

/// Where the name stands among the labels of the info series.
const NAME: usize = 1;

const fn label(file: &'static str, at: usize) -> Attribute {
    Attribute { file, shows: Shows::Label(at) }
}

const fn number(file: &'static str, name: &'static str, help: &'static str) -> Attribute {
    Attribute { file, shows: Shows::Number(Desc::gauge(name, help, &["name"])) }
}

const ATTRIBUTES: &[Attribute] = &[
    label("identity", 0),
    label("options", 2),
    label("pretimeout_governor", 3),
    label("state", 4),
    label("status", 5),
    number("access_cs0", "node_watchdog_access_cs0", "Whether the system was started from the other flash chip."),
    number("bootstatus", "node_watchdog_bootstatus", "Why the system was started, as bits that the driver sets."),
    number("fw_version", "node_watchdog_fw_version", "Version of the firmware of the watchdog."),
    number("nowayout", "node_watchdog_nowayout", "Whether the watchdog cannot be stopped once it runs."),
    number("pretimeout", "node_watchdog_pretimeout_seconds", "Seconds before the timeout at which the watchdog warns."),
    number("timeleft", "node_watchdog_timeleft_seconds", "Seconds until the watchdog restarts the system."),
    number(
        "timeout",
        "node_watchdog_timeout_seconds",
        "Seconds without a sign of life after which it restarts the system.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    #[test]
    fn absent_files_are_empty_labels_and_no_samples() {
        let tree = [
            ("sys/class/watchdog/watchdog0/identity", "iTCO_wdt\n"),
            ("sys/class/watchdog/watchdog0/options", "0x8180\n"),
            ("sys/class/watchdog/watchdog0/bootstatus", "0x20\n"),
            ("sys/class/watchdog/watchdog0/timeout", "soon\n"),
        ];
        let want = "node_watchdog_bootstatus{name=\"watchdog0\"} 32\n\
                    node_watchdog_info{identity=\"iTCO_wdt\",name=\"watchdog0\",options=\"0x8180\",\
                    pretimeout_governor=\"\",state=\"\",status=\"\"} 1\n\
                    ! sys/class/watchdog/watchdog0/timeout:1: timeout: expected a whole number, found \"soon\"\n";
        assert_eq!(Rig::new(&ROW, &tree, &[]).samples(), want);
        assert_eq!(Rig::new(&ROW, &[], &[]).samples(), "! no data: there is no class of watchdogs\n");
    }
}
