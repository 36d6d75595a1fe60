//! NVMe subsystems and the controllers that are the paths to them, from `/sys/class/nvme-subsystem`.
//!
//! * Source: kernel drivers/nvme/host/sysfs.c and core.c (`nvme_subsys_iopolicies`, states of a controller).
//! * Units: paths.
//! * Absent when: the machine has no NVMe: no data.
//! * Differs from the Go exporter: a file that cannot be read, or a controller that leaves during the scrape, costs its own
//!   samples, where either blanks all subsystems there.

use std::path::Path;

use common::collector::{Collector, Row, Scrape};
use common::error::CollectError;
use common::exposition::{Desc, Page};

use crate::fs::{Attr, Devices, EntryKind, KeptAttr, is_silence, sys_path};

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::off("nvmesubsystem", "NVMe subsystems and their paths, /sys/class/nvme-subsystem", &[], |args| {
        Ok(Box::new(Nvmesubsystem { subsystems: Devices::new(sys_path(args, "class/nvme-subsystem")) }))
    });

const INFO: Desc = Desc::gauge(
    "node_nvmesubsystem_info",
    "Always 1; the labels give what the subsystem is and how a path is chosen.",
    &["iopolicy", "model", "nqn", "serial", "subsystem"],
);
const NAMESPACE_INFO: Desc = Desc::gauge(
    "node_nvmesubsystem_namespace_info",
    "Always 1; the labels give the device of the namespace.",
    &["device", "subsystem"],
);
const PATHS: Desc = Desc::gauge("node_nvmesubsystem_paths", "Controllers that lead to the subsystem.", &["subsystem"]);
const PATHS_LIVE: Desc = Desc::gauge(
    "node_nvmesubsystem_paths_live",
    "Controllers that lead to the subsystem and are live.",
    &["subsystem"],
);
const PATH_STATE: Desc = Desc::gauge(
    "node_nvmesubsystem_path_state",
    "Whether the controller is in the state.",
    &["controller", "state", "subsystem", "transport"],
);

/// The last one is for what the kernel may call any other state.
const STATES: [&str; 7] = ["connecting", "dead", "deleting", "live", "new", "resetting", "unknown"];

struct Nvmesubsystem {
    subsystems: Devices<Subsystem>,
}

struct Subsystem {
    iopolicy: KeptAttr,
    model: KeptAttr,
    nqn: KeptAttr,
    serial: KeptAttr,
    namespaces: Devices<()>,
    controllers: Devices<Controller>,
}

struct Controller {
    state: KeptAttr,
    transport: KeptAttr,
}

impl Collector for Nvmesubsystem {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let is_subsystem = |name: &[u8], kind| kind != EntryKind::File && name.starts_with(b"nvme-subsys");
        match self.subsystems.refresh(is_subsystem, |path, _| Subsystem::new(path)) {
            Ok(subsystems) => {
                for (subsystem, files) in subsystems {
                    files.update(subsystem, cx, page);
                }
                Ok(())
            }
            Err(e) if is_silence(&e) => Err(CollectError::no_data("there are no NVMe subsystems")),
            Err(e) => Err(CollectError::io(self.subsystems.path(), e)),
        }
    }
}

impl Subsystem {
    fn new(path: &Path) -> Self {
        let attr = |name: &str| KeptAttr::new(path.join(name));
        Self {
            iopolicy: attr("iopolicy"),
            model: attr("model"),
            nqn: attr("subsysnqn"),
            serial: attr("serial"),
            namespaces: Devices::new(path.to_owned()),
            controllers: Devices::new(path.to_owned()),
        }
    }

    fn update(&mut self, subsystem: &[u8], cx: &mut Scrape, page: &mut Page) {
        let read = [&mut self.iopolicy, &mut self.model, &mut self.nqn, &mut self.serial].map(|file| text(file, cx));
        // Kernels without a choice of paths have no policy; a subsystem that went away has nothing.
        if read.iter().any(Option::is_some) {
            let [iopolicy, model, nqn, serial] = read.each_ref().map(|file| file.as_ref().map_or(&b""[..], Attr::text));
            page.sample(&INFO, &[iopolicy, model, nqn, serial, subsystem], 1.0);
        }
        match self.namespaces.refresh(|name, _| is_namespace(name), |_, _| ()) {
            Ok(namespaces) => {
                for (device, ()) in namespaces {
                    page.sample(&NAMESPACE_INFO, &[device, subsystem], 1.0);
                }
            }
            Err(e) if is_silence(&e) => return,
            Err(e) => return cx.fault(CollectError::io(self.namespaces.path(), e)),
        }
        // As listed above; a directory that went away in between has no controllers.
        let controllers = self
            .controllers
            .refresh(|name, _| is_controller(name), |path, _| Controller::new(path))
            .unwrap_or_default();
        page.sample(&PATHS, &[subsystem], controllers.len() as f64);
        let (mut live, mut complete) = (0_u32, true);
        for (controller, files) in controllers {
            match files.state.read() {
                Ok(state) => {
                    live += u32::from(state.text() == b"live");
                    files.encode(controller, subsystem, state.text(), cx, page);
                }
                Err(e) => {
                    complete = false;
                    cx.fault(CollectError::io(files.state.path(), e));
                }
            }
        }
        // A count that lacks a controller would look like a path that is down.
        if complete {
            page.sample(&PATHS_LIVE, &[subsystem], f64::from(live));
        }
    }
}

impl Controller {
    fn new(path: &Path) -> Self {
        Self { state: KeptAttr::new(path.join("state")), transport: KeptAttr::new(path.join("transport")) }
    }

    fn encode(&mut self, controller: &[u8], subsystem: &[u8], state: &[u8], cx: &mut Scrape, page: &mut Page) {
        let transport = text(&mut self.transport, cx);
        let transport = transport.as_ref().map_or(&b""[..], Attr::text);
        let now = known(state);
        for state in STATES {
            let values = [controller, state.as_bytes(), subsystem, transport];
            page.sample(&PATH_STATE, &values, f64::from(u8::from(state == now)));
        }
    }
}

/// The state of the label for a state of the kernel.
fn known(state: &[u8]) -> &'static str {
    match state {
        b"deleting (no IO)" => "deleting",
        _ => STATES.into_iter().find(|known| known.as_bytes() == state).unwrap_or(UNKNOWN),
    }
}

const UNKNOWN: &str = "unknown";

/// What follows `prefix` and at least one digit.
fn after_number<'n>(name: &'n [u8], prefix: &[u8]) -> Option<&'n [u8]> {
    let rest = name.strip_prefix(prefix)?;
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    rest.get(digits..).filter(|_| digits > 0)
}

/// `nvme0`.
fn is_controller(name: &[u8]) -> bool {
    after_number(name, b"nvme") == Some(b"")
}

/// `nvme0n1`; the paths of a shared namespace are called `nvme0c1n1`.
fn is_namespace(name: &[u8]) -> bool {
    after_number(name, b"nvme").and_then(|rest| after_number(rest, b"n")) == Some(b"")
}

/// The text of an attribute; nothing when there is none.
fn text(file: &mut KeptAttr, cx: &mut Scrape) -> Option<Attr> {
    match file.read() {
        Ok(text) => Some(text),
        Err(e) if is_silence(&e) => None,
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

    #[test]
    fn names() {
        for (name, controller, namespace) in [
            ("nvme0", true, false),
            ("nvme12n3", false, true),
            ("nvme0c1n1", false, false),
            ("nvme0n1p1", false, false),
            ("nvme", false, false),
            ("nvme0n", false, false),
            ("subsysnqn", false, false),
        ] {
            assert_eq!(
                (is_controller(name.as_bytes()), is_namespace(name.as_bytes())),
                (controller, namespace),
                "{name}"
            );
        }
        assert_eq!((known(b"deleting (no IO)"), known(b"live"), known(b"")), ("deleting", "live", "unknown"));
    }

    #[test]
    fn what_cannot_be_read_costs_itself() {
        let base = "sys/class/nvme-subsystem/nvme-subsys0";
        let tree: Vec<(String, &str)> = [
            ("model", "Example \"X\"  \n"),
            ("subsysnqn", "nqn.2014-08.org:x\n"),
            ("serial", "S1"),
            ("nvme0n1/size", "8\n"),
            ("nvme0/state", "live\n"),
            ("nvme0/transport", "tcp\n"),
            ("nvme1/state/", ""),
        ]
        .map(|(file, text)| (format!("{base}/{file}"), text))
        .to_vec();
        let tree: Vec<(&str, &str)> = tree.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let subsystem = "subsystem=\"nvme-subsys0\"";
        let state = |state: &str, is: u8| {
            let name = "node_nvmesubsystem_path_state";
            format!("{name}{{controller=\"nvme0\",state=\"{state}\",{subsystem},transport=\"tcp\"}} {is}\n")
        };
        let mut rig = Rig::new(&ROW, &tree, &[]);
        let head = format!(
            "node_nvmesubsystem_info{{iopolicy=\"\",model=\"Example \\\"X\\\"\",nqn=\"nqn.2014-08.org:x\",serial=\"S1\",{subsystem}}} 1\n\
             node_nvmesubsystem_namespace_info{{device=\"nvme0n1\",{subsystem}}} 1\n"
        );
        let states = STATES.map(|name| state(name, u8::from(name == "live"))).concat();
        let want = format!(
            "{head}{states}node_nvmesubsystem_paths{{{subsystem}}} 2\n! {base}/nvme1/state: Is a directory (os error 21)\n"
        );
        assert_eq!(rig.samples(), want);
        rig.remove(&format!("{base}/nvme1"));
        let want = format!(
            "{head}{states}node_nvmesubsystem_paths{{{subsystem}}} 1\nnode_nvmesubsystem_paths_live{{{subsystem}}} 1\n"
        );
        assert_eq!(rig.samples(), want);
        rig.remove("sys/class/nvme-subsystem");
        assert_eq!(rig.samples(), "! no data: there are no NVMe subsystems\n");
    }
}
