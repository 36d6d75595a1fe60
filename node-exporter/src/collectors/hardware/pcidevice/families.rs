//! The families of PCI devices, and the files whose numbers they are.

use common::exposition::Desc;

pub(super) const INFO: Desc = Desc::gauge(
    "node_pcidevice_info",
    "Always 1; the labels tell what the device is and where.",
    &[
        "bus",
        "class_id",
        "device",
        "device_id",
        "function",
        "parent_bus",
        "parent_device",
        "parent_function",
        "parent_segment",
        "revision",
        "segment",
        "subsystem_device_id",
        "subsystem_vendor_id",
        "vendor_id",
    ],
);
pub(super) const NAMED_INFO: Desc = Desc {
    labels: &[
        "bus",
        "class_id",
        "class_name",
        "device",
        "device_id",
        "device_name",
        "function",
        "parent_bus",
        "parent_device",
        "parent_function",
        "parent_segment",
        "revision",
        "segment",
        "subsystem_device_id",
        "subsystem_device_name",
        "subsystem_vendor_id",
        "subsystem_vendor_name",
        "vendor_id",
        "vendor_name",
    ],
    ..INFO
};

const LOCATION: &[&str] = &["bus", "device", "function", "segment"];

pub(super) const SPEEDS: [(&str, Desc); 2] = [
    (
        "max_link_speed",
        Desc::gauge(
            "node_pcidevice_max_link_transfers_per_second",
            "Transfers per second that the link of the device could do; -1 when not known.",
            LOCATION,
        ),
    ),
    (
        "current_link_speed",
        Desc::gauge(
            "node_pcidevice_current_link_transfers_per_second",
            "Transfers per second that the link of the device does; -1 when not known.",
            LOCATION,
        ),
    ),
];

/// Files with a number, and what stands for one that is not there.
pub(super) const NUMBERS: [(&str, Desc, f64); 7] = [
    (
        "max_link_width",
        Desc::gauge("node_pcidevice_max_link_width", "Lanes that the device could use; -1 when not known.", LOCATION),
        -1.0,
    ),
    (
        "current_link_width",
        Desc::gauge("node_pcidevice_current_link_width", "Lanes that the device uses; -1 when not known.", LOCATION),
        -1.0,
    ),
    (
        "d3cold_allowed",
        Desc::gauge("node_pcidevice_d3cold_allowed", "Whether the device may be put into D3cold.", LOCATION),
        0.0,
    ),
    (
        "sriov_drivers_autoprobe",
        Desc::gauge(
            "node_pcidevice_sriov_drivers_autoprobe",
            "Whether drivers are looked for when virtual functions are made.",
            LOCATION,
        ),
        0.0,
    ),
    ("sriov_numvfs", Desc::gauge("node_pcidevice_sriov_numvfs", "Virtual functions in use.", LOCATION), 0.0),
    (
        "sriov_totalvfs",
        Desc::gauge("node_pcidevice_sriov_totalvfs", "Virtual functions that the device could have.", LOCATION),
        0.0,
    ),
    (
        "sriov_vf_total_msix",
        Desc::gauge(
            "node_pcidevice_sriov_vf_total_msix",
            "MSI-X vectors for all virtual functions together.",
            LOCATION,
        ),
        0.0,
    ),
];

pub(super) const NUMA_NODE: Desc =
    Desc::gauge("node_pcidevice_numa_node", "NUMA node that the device is near to.", LOCATION);
pub(super) const POWER_STATE: Desc = Desc::gauge(
    "node_pcidevice_power_state",
    "1 for the power state that the device is in, 0 for the others.",
    &["bus", "device", "function", "segment", "state"],
);
/// In the order of the page.
pub(super) const POWER_STATES: [&str; 7] = ["D0", "D1", "D2", "D3cold", "D3hot", "error", "unknown"];
