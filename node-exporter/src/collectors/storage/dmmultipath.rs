//! Multipath devices and their paths from `/sys/block/dm-*`.
//!
//! * Source: kernel Documentation/ABI/testing/sysfs-block-dm; drivers/scsi/scsi_sysfs.c for the states of a path.
//! * Units: `size` is in 512-byte sectors, we export bytes.
//! * Absent when: there is no multipath device: no samples, no error.
//! * Differs from the Go exporter: a file that cannot be read, or a path that leaves during the scrape, costs its own
//!   samples, where either blanks all devices there.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use common::collector::{Collector, Row, Scrape};
use common::error::{CollectError, is_absent};
use common::exposition::{Desc, Page};
use common::fields::parse_u64;

use crate::fs::{Attr, Devices, KeptAttr, sys_path};

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row::on("dmmultipath", "multipath devices, /sys/block/dm-*", &[], |args| {
    let block = sys_path(args, "block");
    Ok(Box::new(Dmmultipath { maps: Devices::new(block.clone()), block }))
});

const LABELS: &[&str] = &["device", "sysfs_name"];

const INFO: Desc = Desc::gauge(
    "node_dmmultipath_device_info",
    "Always 1; the labels give the names of the multipath device.",
    &["device", "sysfs_name", "uuid"],
);
const ACTIVE: Desc =
    Desc::gauge("node_dmmultipath_device_active", "Whether the multipath device is not suspended.", LABELS);
const SIZE: Desc = Desc::gauge("node_dmmultipath_device_size_bytes", "Bytes that the multipath device holds.", LABELS);
const PATHS: Desc = Desc::gauge("node_dmmultipath_device_paths", "Paths of the multipath device.", LABELS);
const PATHS_ACTIVE: Desc =
    Desc::gauge("node_dmmultipath_device_paths_active", "Paths whose device is running or live.", LABELS);
const PATHS_FAILED: Desc =
    Desc::gauge("node_dmmultipath_device_paths_failed", "Paths whose device is in any other state.", LABELS);
const PATH_STATE: Desc = Desc::gauge(
    "node_dmmultipath_path_state",
    "Always 1; the labels give the state that the device of the path is in.",
    &["device", "path", "state"],
);

/// The block layer counts these whatever the device says (kernel: Documentation/block/stat.rst).
const SECTOR_BYTES: f64 = 512.0;

struct Dmmultipath {
    block: PathBuf,
    maps: Devices<Map>,
}

/// A device of the device mapper, of whichever kind.
struct Map {
    uuid: KeptAttr,
    name: KeptAttr,
    suspended: KeptAttr,
    size: KeptAttr,
    /// The devices that it is made of, each with the state of that device.
    paths: Devices<KeptAttr>,
}

impl Collector for Dmmultipath {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        match self.maps.refresh(|name, _| name.starts_with(b"dm-"), |path, _| Map::new(path)) {
            Ok(maps) => {
                for (sysfs_name, map) in maps {
                    map.update(&self.block, sysfs_name, cx, page);
                }
                Ok(())
            }
            Err(e) => Err(CollectError::io(self.maps.path(), e).absent_is_no_data("there are no block devices")),
        }
    }
}

impl Map {
    fn new(path: &Path) -> Self {
        let attr = |name: &str| KeptAttr::new(path.join(name));
        Self {
            uuid: attr("dm/uuid"),
            name: attr("dm/name"),
            suspended: attr("dm/suspended"),
            size: attr("size"),
            paths: Devices::new(path.join("slaves")),
        }
    }

    fn update(&mut self, block: &Path, sysfs_name: &[u8], cx: &mut Scrape, page: &mut Page) {
        let Some(uuid) = text(&mut self.uuid, cx) else { return };
        if !uuid.text().starts_with(b"mpath-") {
            return;
        }
        let Some(name) = text(&mut self.name, cx) else { return };
        let values = [name.text(), sysfs_name];
        page.sample(&INFO, &[name.text(), sysfs_name, uuid.text()], 1.0);
        if let Some(suspended) = cx.ok(self.suspended.number("suspended", parse_u64)) {
            page.sample(&ACTIVE, &values, f64::from(u8::from(suspended != 1)));
        }
        if let Some(sectors) = cx.ok(self.size.number("sectors", parse_u64)) {
            page.sample(&SIZE, &values, sectors as f64 * SECTOR_BYTES);
        }
        let paths = match self
            .paths
            .refresh(|_, _| true, |_, name| KeptAttr::new(block.join(OsStr::from_bytes(name)).join("device/state")))
        {
            Ok(paths) => paths,
            Err(e) if is_absent(&e) => &mut [],
            Err(e) => return cx.fault(CollectError::io(self.paths.path(), e)),
        };
        page.sample(&PATHS, &values, paths.len() as f64);
        let (mut active, mut failed, mut complete) = (0_u32, 0_u32, true);
        for (path, state) in paths {
            match state.read() {
                Ok(state) => {
                    page.sample(&PATH_STATE, &[name.text(), path, state.text()], 1.0);
                    let is_active = matches!(state.text(), b"running" | b"live");
                    *(if is_active { &mut active } else { &mut failed }) += 1;
                }
                Err(e) => {
                    complete = false;
                    cx.fault(CollectError::io(state.path(), e));
                }
            }
        }
        // Counts that lack a path would look like one that is gone.
        if complete {
            page.sample(&PATHS_ACTIVE, &values, f64::from(active));
            page.sample(&PATHS_FAILED, &values, f64::from(failed));
        }
    }
}

/// The text of an attribute; nothing when the device has none or is gone.
fn text(file: &mut KeptAttr, cx: &mut Scrape) -> Option<Attr> {
    match file.read() {
        Ok(text) => Some(text),
        Err(e) if is_absent(&e) => None,
        Err(e) => {
            cx.fault(CollectError::io(file.path(), e));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    const TREE: &[(&str, &str)] = &[
        ("sys/block/dm-0/dm/uuid", "LVM-abc\n"),
        ("sys/block/dm-1/size", "8\n"),
        ("sys/block/dm-3/dm/uuid", "mpath-3600a\n"),
        ("sys/block/dm-3/dm/name", "mpath \"a\"\n"),
        ("sys/block/dm-3/dm/suspended", "0\n"),
        ("sys/block/dm-3/size", "2048\n"),
        ("sys/block/dm-3/slaves/sdb", "-> ../../sdb"),
        ("sys/block/dm-3/slaves/sdc", "-> ../../sdc"),
        ("sys/block/sdb/device/state", "running\n"),
        ("sys/block/sdc/device/state", "offline\n"),
    ];

    #[test]
    fn good() {
        let want = "node_dmmultipath_device_active{device=\"mpath \\\"a\\\"\",sysfs_name=\"dm-3\"} 1\n\
            node_dmmultipath_device_info{device=\"mpath \\\"a\\\"\",sysfs_name=\"dm-3\",uuid=\"mpath-3600a\"} 1\n\
            node_dmmultipath_device_paths{device=\"mpath \\\"a\\\"\",sysfs_name=\"dm-3\"} 2\n\
            node_dmmultipath_device_paths_active{device=\"mpath \\\"a\\\"\",sysfs_name=\"dm-3\"} 1\n\
            node_dmmultipath_device_paths_failed{device=\"mpath \\\"a\\\"\",sysfs_name=\"dm-3\"} 1\n\
            node_dmmultipath_device_size_bytes{device=\"mpath \\\"a\\\"\",sysfs_name=\"dm-3\"} 1.048576e+06\n\
            node_dmmultipath_path_state{device=\"mpath \\\"a\\\"\",path=\"sdb\",state=\"running\"} 1\n\
            node_dmmultipath_path_state{device=\"mpath \\\"a\\\"\",path=\"sdc\",state=\"offline\"} 1\n";
        assert_eq!(Rig::new(&ROW, TREE, &[]).samples(), want);
        assert_eq!(Rig::new(&ROW, &[("sys/block/sda/size", "1")], &[]).samples(), "");
        assert_eq!(Rig::new(&ROW, &[], &[]).samples(), "! no data: there are no block devices\n");
    }

    #[test]
    fn what_left_costs_itself() {
        let mut rig = Rig::new(&ROW, TREE, &[]);
        rig.remove("sys/block/sdc");
        rig.remove("sys/block/dm-3/size");
        rig.plant(&[("sys/block/dm-3/dm/suspended", "maybe"), ("sys/block/dm-3/dm/name", "a")]);
        let want = "node_dmmultipath_device_info{device=\"a\",sysfs_name=\"dm-3\",uuid=\"mpath-3600a\"} 1\n\
            node_dmmultipath_device_paths{device=\"a\",sysfs_name=\"dm-3\"} 2\n\
            node_dmmultipath_path_state{device=\"a\",path=\"sdb\",state=\"running\"} 1\n\
            ! sys/block/dm-3/dm/suspended:1: suspended: expected a whole number, found \"maybe\"\n\
            ! sys/block/dm-3/size: No such file or directory (os error 2)\n\
            ! sys/block/sdc/device/state: No such file or directory (os error 2)\n";
        assert_eq!(rig.samples(), want);
        rig.remove("sys/block/dm-3/slaves");
        rig.plant(&[("sys/block/dm-3/dm/suspended", "1"), ("sys/block/dm-3/size", "0")]);
        assert!(rig.samples().contains("node_dmmultipath_device_paths_failed{device=\"a\",sysfs_name=\"dm-3\"} 0\n"));
    }
}
