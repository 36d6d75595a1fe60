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
use common::error::{BadField, CollectError, is_absent};
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
    let text = text(file, cx)?;
    let number = parse_u64(text.text()).map(|n| n as f64);
    if number.is_none() {
        cx.fault(BadField::new(1, "number of blocks or bytes", "a whole number", text.text()).in_file(file.path()));
    }
    number
}
