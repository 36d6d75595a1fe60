//! NVMe controllers and their namespaces from `/sys/class/nvme`.
//!
//! * Source: kernel drivers/nvme/host/sysfs.c; Documentation/ABI/stable/sysfs-block for `size`.
//! * Units: `size` is in 512-byte sectors and `nuse` in logical blocks; we export bytes. As in the Go exporter, size
//!   and capacity are `size` times the logical block size, which is too much for a namespace with 4 KiB blocks.
//! * Absent when: the machine has no such class: no data.
//! * Differs from the Go exporter: a file that is missing or is no number costs its own series, not every device, and
//!   is not shown as 0.

use std::path::Path;

use common::collector::{Collector, Row, Scrape};
use common::error::{CollectError, is_absent};
use common::exposition::{Desc, Page};
use common::fields::parse_u64;

use crate::fs::{Attr, Devices, EntryKind, KeptAttr, sys_path};

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row::on("nvme", "NVMe controllers, /sys/class/nvme", &[], |args| {
    Ok(Box::new(Nvme { controllers: Devices::new(sys_path(args, "class/nvme")) }))
});

const INFO: Desc = Desc::gauge(
    "node_nvme_info",
    "Always 1; the labels give what the controller is and the state it is in.",
    &["cntlid", "device", "firmware_revision", "model", "serial", "state"],
);
const NAMESPACE_INFO: Desc = Desc::gauge(
    "node_nvme_namespace_info",
    "Always 1; the labels give the state of the path to the namespace.",
    &["ana_state", "device", "nsid"],
);
const CAPACITY: Desc =
    Desc::gauge("node_nvme_namespace_capacity_bytes", "Bytes that the namespace can hold.", &["device", "nsid"]);
const SIZE: Desc =
    Desc::gauge("node_nvme_namespace_size_bytes", "Bytes that the namespace spans.", &["device", "nsid"]);
const USED: Desc =
    Desc::gauge("node_nvme_namespace_used_bytes", "Bytes of the namespace that are allocated.", &["device", "nsid"]);
const BLOCK_SIZE: Desc = Desc::gauge(
    "node_nvme_namespace_logical_block_size_bytes",
    "Bytes in one logical block of the namespace.",
    &["device", "nsid"],
);

struct Nvme {
    controllers: Devices<Controller>,
}

struct Controller {
    cntlid: KeptAttr,
    firmware_rev: KeptAttr,
    model: KeptAttr,
    serial: KeptAttr,
    state: KeptAttr,
    namespaces: Devices<Namespace>,
}

struct Namespace {
    nsid: Vec<u8>,
    ana_state: KeptAttr,
    size: KeptAttr,
    nuse: KeptAttr,
    block_size: KeptAttr,
}

impl Collector for Nvme {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        if let Err(e) = self.controllers.refresh(|_, kind| kind != EntryKind::File, Controller::new) {
            return Err(CollectError::io(self.controllers.path(), e).absent_is_no_data("there are no NVMe controllers"));
        }
        for (device, controller) in self.controllers.known_mut() {
            controller.update(device, cx, page);
        }
        Ok(())
    }
}

impl Controller {
    fn new(path: &Path, _name: &[u8]) -> Self {
        let attr = |name: &str| KeptAttr::new(path.join(name));
        Self {
            cntlid: attr("cntlid"),
            firmware_rev: attr("firmware_rev"),
            model: attr("model"),
            serial: attr("serial"),
            state: attr("state"),
            namespaces: Devices::new(path.to_owned()),
        }
    }

    fn update(&mut self, device: &[u8], cx: &mut Scrape, page: &mut Page) {
        let is_namespace = |name: &[u8], kind| kind != EntryKind::File && nsid(name).is_some();
        match self.namespaces.refresh(is_namespace, Namespace::new) {
            Ok(namespaces) => {
                for (_, namespace) in namespaces {
                    namespace.update(device, cx, page);
                }
            }
            // Gone since it was listed.
            Err(e) if is_absent(&e) => return,
            Err(e) => cx.fault(CollectError::io(self.namespaces.path(), e)),
        }
        let read = [&mut self.cntlid, &mut self.firmware_rev, &mut self.model, &mut self.serial, &mut self.state]
            .map(|file| text(file, cx));
        if let [Some(cntlid), Some(firmware), Some(model), Some(serial), Some(state)] = &read {
            let [cntlid, firmware, model, serial, state] = [cntlid, firmware, model, serial, state].map(Attr::text);
            page.sample(&INFO, &[cntlid, device, firmware, model, serial, state], 1.0);
        }
    }
}

impl Namespace {
    fn new(path: &Path, name: &[u8]) -> Self {
        let attr = |name: &str| KeptAttr::new(path.join(name));
        Self {
            nsid: nsid(name).unwrap_or_default().to_vec(),
            ana_state: attr("ana_state"),
            size: attr("size"),
            nuse: attr("nuse"),
            block_size: attr("queue/logical_block_size"),
        }
    }

    fn update(&mut self, device: &[u8], cx: &mut Scrape, page: &mut Page) {
        let nsid = self.nsid.as_slice();
        let ana_state = self.ana_state.read().ok();
        let ana_state = ana_state.as_ref().map_or(&b"unknown"[..], Attr::text);
        page.sample(&NAMESPACE_INFO, &[ana_state, device, nsid], 1.0);
        let (size, nuse) = (number(&mut self.size, cx), number(&mut self.nuse, cx));
        let Some(block_size) = number(&mut self.block_size, cx) else { return };
        page.sample(&BLOCK_SIZE, &[device, nsid], block_size);
        if let Some(size) = size {
            page.sample(&CAPACITY, &[device, nsid], size * block_size);
            page.sample(&SIZE, &[device, nsid], size * block_size);
        }
        if let Some(nuse) = nuse {
            page.sample(&USED, &[device, nsid], nuse * block_size);
        }
    }
}

/// The number of the namespace in `nvme0n1`; the paths of a shared namespace are called `nvme0c1n1` and are not shown.
fn nsid(name: &[u8]) -> Option<&[u8]> {
    let digits = |text: &[u8]| text.iter().take_while(|b| b.is_ascii_digit()).count();
    let start = name.windows(4).position(|word| word == b"nvme")?;
    let rest = name.get(start + 4..)?;
    let rest = rest.get(digits(rest)..).filter(|tail| tail.len() < rest.len())?.strip_prefix(b"n")?;
    rest.get(..digits(rest)).filter(|nsid| !nsid.is_empty())
}

fn text(file: &mut KeptAttr, cx: &mut Scrape) -> Option<Attr> {
    let text = file.read().map_err(|e| CollectError::io(file.path(), e));
    cx.ok(text)
}

fn number(file: &mut KeptAttr, cx: &mut Scrape) -> Option<f64> {
    cx.ok(file.number("number of blocks or bytes", parse_u64)).map(|n| n as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    #[test]
    fn names_of_namespaces() {
        for (name, want) in [("nvme0n1", "1"), ("nvme10n12", "12"), ("nvme0n1p1", "1")] {
            assert_eq!(nsid(name.as_bytes()), Some(want.as_bytes()), "{name}");
        }
        for name in ["", "nvme", "nvme0", "nvme0n", "nvmen1", "nvme0c1n1", "ng0n1", "hwmon1"] {
            assert_eq!(nsid(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn a_missing_file_costs_its_own_series() {
        let tree = [
            ("sys/class/nvme/nvme0/cntlid", "1\n"),
            ("sys/class/nvme/nvme0/model", "Example 970  \n"),
            ("sys/class/nvme/nvme0/serial", "S1\n"),
            ("sys/class/nvme/nvme0/state", "live\n"),
            ("sys/class/nvme/nvme0/nvme0n1/size", "8\n"),
            ("sys/class/nvme/nvme0/nvme0n1/nuse", "?\n"),
            ("sys/class/nvme/nvme0/nvme0n1/queue/logical_block_size", "512\n"),
        ];
        let mut rig = Rig::new(&ROW, &tree, &[]);
        let want = "node_nvme_namespace_capacity_bytes{device=\"nvme0\",nsid=\"1\"} 4096\n\
                    node_nvme_namespace_info{ana_state=\"unknown\",device=\"nvme0\",nsid=\"1\"} 1\n\
                    node_nvme_namespace_logical_block_size_bytes{device=\"nvme0\",nsid=\"1\"} 512\n\
                    node_nvme_namespace_size_bytes{device=\"nvme0\",nsid=\"1\"} 4096\n\
                    ! sys/class/nvme/nvme0/nvme0n1/nuse:1: number of blocks or bytes: expected a whole number, found \"?\"\n\
                    ! sys/class/nvme/nvme0/firmware_rev: No such file or directory (os error 2)\n";
        assert_eq!(rig.samples(), want);
        rig.plant(&[("sys/class/nvme/nvme0/firmware_rev", "2B2Q\n")]);
        let info = "node_nvme_info{cntlid=\"1\",device=\"nvme0\",firmware_revision=\"2B2Q\",model=\"Example 970\",serial=\"S1\",state=\"live\"} 1\n";
        assert!(rig.samples().starts_with(info));
        rig.remove("sys/class/nvme/nvme0");
        assert_eq!(rig.samples(), "");
        rig.remove("sys/class/nvme");
        assert_eq!(rig.samples(), "! no data: there are no NVMe controllers\n");
    }
}
