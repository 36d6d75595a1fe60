//! Who made the machine, its board and its firmware, from `/sys/class/dmi/id`.
//!
//! * Source: kernel Documentation/ABI/testing/sysfs-class-dmi (drivers/firmware/dmi-id.c).
//! * Units: none; texts as the maker wrote them.
//! * Absent when: the machine has no DMI (most virtual machines and ARM boards): no data. Serial numbers and the UUID
//!   are for root only; without them their labels are left out.
//! * Differs from the Go exporter: a text that cannot be read costs its label, not the start of the program.

use std::io;
use std::path::{Path, PathBuf};

use common::collector::{Collector, Row, Scrape};
use common::error::CollectError;
use common::exposition::{Desc, Page};

use crate::fs::{EntryKind, list_dir, read_attr, sys_path};

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row::on("dmi", "maker and firmware, /sys/class/dmi", &[], |args| {
    Ok(Box::new(Dmi { dir: sys_path(args, "class/dmi/id"), facts: None }))
});

const INFO: &str = "node_dmi_info";
const INFO_HELP: &str =
    "Always 1; the labels give who made the machine, its parts and its firmware, as far as they may be read.";

/// Labels in the order of the bytes, each of the name of its file but for the last.
const LABELS: &[&str] = &[
    "bios_date",
    "bios_release",
    "bios_vendor",
    "bios_version",
    "board_asset_tag",
    "board_name",
    "board_serial",
    "board_vendor",
    "board_version",
    "chassis_asset_tag",
    "chassis_serial",
    "chassis_vendor",
    "chassis_version",
    "product_family",
    "product_name",
    "product_serial",
    "product_sku",
    "product_uuid",
    "product_version",
    "system_vendor",
];

struct Dmi {
    dir: PathBuf,
    /// Read once: they do not change while the machine runs.
    facts: Option<Facts>,
}

#[derive(Default)]
struct Facts {
    keys: Vec<&'static str>,
    values: Vec<Vec<u8>>,
}

impl Collector for Dmi {
    fn update(&mut self, _cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let facts = match &mut self.facts {
            Some(facts) => facts,
            none => none.insert(gather(&self.dir).map_err(|e| {
                CollectError::io(&self.dir, e).absent_is_no_data("the firmware tells nothing about the machine")
            })?),
        };
        page.sample(&Desc::gauge(INFO, INFO_HELP, &facts.keys), &facts.values, 1.0);
        Ok(())
    }
}

fn gather(dir: &Path) -> io::Result<Facts> {
    let entries = list_dir(dir)?;
    let mut facts = Facts::default();
    for &label in LABELS {
        let file = if label == "system_vendor" { "sys_vendor" } else { label };
        let is_file = |(name, kind): &(Vec<u8>, EntryKind)| {
            name == file.as_bytes() && matches!(kind, EntryKind::File | EntryKind::Other)
        };
        if !entries.iter().any(is_file) {
            continue;
        }
        if let Ok(text) = read_attr(&dir.join(file)) {
            facts.keys.push(label);
            facts.values.push(text.text().to_vec());
        }
    }
    Ok(facts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    #[test]
    fn only_what_can_be_read_is_a_label() {
        let tree = [
            ("sys/class/dmi/id/sys_vendor", "Example \"Co\"\n"),
            ("sys/class/dmi/id/bios_vendor", "\n"),
            ("sys/class/dmi/id/product_uuid/", ""),
            ("sys/class/dmi/id/chassis_type", "10\n"),
            ("sys/class/dmi/id/modalias", "dmi:x\n"),
        ];
        let mut rig = Rig::new(&ROW, &tree, &[]);
        let want = "node_dmi_info{bios_vendor=\"\",system_vendor=\"Example \\\"Co\\\"\"} 1\n";
        assert_eq!(rig.samples(), want);
        rig.remove("sys/class/dmi");
        assert_eq!(rig.samples(), want, "read once");
        let none = Rig::new(&ROW, &[], &[]).samples();
        assert_eq!(none, "! no data: the firmware tells nothing about the machine\n");
    }
}
