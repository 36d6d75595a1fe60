use super::*;
use crate::rig::Rig;

const NVME: &str = "sys/devices/pci0000:5d/0000:5d:02.0/0000:5e:00.1";

fn rig(flags: &[(&'static str, &str)]) -> Rig {
    let rig = Rig::new(&ROW, &[], flags);
    rig.plant(&[("sys/bus/pci/devices/0000:5e:00.1", "-> ../../../devices/pci0000:5d/0000:5d:02.0/0000:5e:00.1")]);
    plant(&rig, "class", "0x010802\n");
    let ids = ["0x1aaa\n", "0x0001\n", "0x1bbb\n", "0x0a0b", "0xf1\n"];
    for (file, text) in ID_FILES.iter().zip(ids) {
        plant(&rig, file, text);
    }
    rig
}

fn plant(rig: &Rig, file: &str, text: &str) {
    rig.plant(&[(&format!("{NVME}/{file}"), text)]);
}

#[test]
fn texts_of_the_kernel() {
    for (text, want) in [
        ("8.0 GT/s PCIe", Some(8e9)),
        ("2.5 GT/s", Some(2.5e9)),
        ("64.0 GT/s PCIe", Some(64e9)),
        ("8.0", None),
        ("8.0 GT/s PCI", None),
        ("8.0 GT/s PCIe x4", None),
        ("-1 GT/s", None),
        ("NaN GT/s", None),
        ("", None),
    ] {
        assert_eq!(parse_speed(text.as_bytes()), want, "{text}");
    }
    let place = |name: &str| Place::parse(name.as_bytes()).map(|place| place.labels().join(" "));
    assert_eq!(place("0000:5e:00.1"), Some("5e 00 1 0000".to_owned()));
    assert_eq!(place("10000:E1:1f.7"), Some("e1 1f 7 10000".to_owned()));
    for bad in
        ["", "pci0000:00", "0000:00:00", "0000:00:00:0", "0000.00.00.0.0", "0000:00:+0.0", "0000:00:00.0.1", "::."]
    {
        assert_eq!(place(bad), None, "{bad}");
    }
    assert_eq!([parse_id(b"0x060400"), parse_id(b"-1"), parse_id(b"0x100000000")], [Some(0x060400), None, None]);
}

const INFO_LINE: &str = "node_pcidevice_info{bus=\"5e\",class_id=\"0x010802\",device=\"00\",device_id=\"0x0001\",function=\"1\",\
    parent_bus=\"5d\",parent_device=\"02\",parent_function=\"0\",parent_segment=\"0000\",revision=\"0xf1\",segment=\"0000\",\
    subsystem_device_id=\"0x0a0b\",subsystem_vendor_id=\"0x1bbb\",vendor_id=\"0x1aaa\"} 1";

#[test]
fn a_device() {
    let mut rig = rig(&[]);
    let place = "{bus=\"5e\",device=\"00\",function=\"1\",segment=\"0000\"}";
    let missing: Vec<String> = [
        "node_pcidevice_current_link_transfers_per_second# -1",
        "node_pcidevice_current_link_width# -1",
        "node_pcidevice_d3cold_allowed# 0",
        INFO_LINE,
        "node_pcidevice_max_link_transfers_per_second# -1",
        "node_pcidevice_max_link_width# -1",
        "node_pcidevice_sriov_drivers_autoprobe# 0",
        "node_pcidevice_sriov_numvfs# 0",
        "node_pcidevice_sriov_totalvfs# 0",
        "node_pcidevice_sriov_vf_total_msix# 0",
    ]
    .map(|line| line.replace('#', place))
    .to_vec();
    assert_eq!(rig.samples().lines().collect::<Vec<_>>(), missing);
    for (file, text) in [
        ("max_link_speed", "16.0 GT/s PCIe\n"),
        ("current_link_speed", "Unknown\n"),
        ("max_link_width", "4\n"),
        ("current_link_width", "\n"),
        ("numa_node", "1\n"),
        ("power_state", "D3hot\n"),
        ("sriov_numvfs", "18446744073709551615"),
    ] {
        plant(&rig, file, text);
    }
    let samples = rig.samples();
    for line in [
        "node_pcidevice_max_link_transfers_per_second# 1.6e+10\n",
        "node_pcidevice_current_link_transfers_per_second# -1\n",
        "node_pcidevice_max_link_width# 4\n",
        "node_pcidevice_current_link_width# -1\n",
        "node_pcidevice_numa_node# 1\n",
        "node_pcidevice_sriov_numvfs# 1.8446744073709552e+19\n",
    ] {
        assert!(samples.contains(&line.replace('#', place)), "{line}{samples}");
    }
    assert_eq!(samples.lines().filter(|line| line.contains("power_state")).count(), 7);
    assert!(samples.contains("segment=\"0000\",state=\"D3hot\"} 1\n") && samples.contains("state=\"D0\"} 0\n"));
    plant(&rig, "numa_node", "-1\n");
    plant(&rig, "power_state", "\n");
    let samples = rig.samples();
    assert!(!samples.contains("numa_node") && !samples.contains("power_state"), "{samples}");
}

#[test]
fn a_bad_file_costs_itself() {
    let mut rig = rig(&[]);
    plant(&rig, "vendor", "?\n");
    plant(&rig, "max_link_speed", "fast\n");
    plant(&rig, "sriov_totalvfs", "-1\n");
    plant(&rig, "numa_node/", "");
    plant(&rig, "power_state/", "");
    rig.plant(&[("sys/bus/pci/devices/readme", "x"), ("sys/bus/pci/devices/odd/", "")]);
    let samples = rig.samples();
    let problems: Vec<&str> = samples.lines().filter(|line| line.starts_with('!')).collect();
    let want = [
        "! DEVICE/vendor:1: identification: expected a whole number, found \"?\"",
        "! DEVICE/max_link_speed:1: speed in GT/s: expected a number, found \"fast\"",
        "! DEVICE/sriov_totalvfs:1: number: expected a number, found \"-1\"",
        "! DEVICE/numa_node: Is a directory (os error 21)",
        "! DEVICE/power_state: Is a directory (os error 21)",
    ];
    assert_eq!(problems, want.map(|line| line.replace("DEVICE", "sys/bus/pci/devices/0000:5e:00.1")));
    assert!(!samples.contains("pcidevice_info") && !samples.contains("max_link_transfers"));
    assert_eq!(samples.lines().count(), 12, "{samples}");
}

#[test]
fn names_follow_the_device() {
    let mut rig = rig(&[(NAMES, "true")]);
    let names = "class_name=\"Unknown class (010802)\",device=\"00\",device_id=\"0x0001\",device_name=\"0001\"";
    let samples = rig.samples();
    assert!(samples.contains(names) || Path::new("/usr/share/misc/pci.ids").exists(), "{samples}");
    rig.plant(&[("root/usr/share/misc/pci.ids", "1ccc  Third \"Ltd\"\n\t0001  Newer\n")]);
    assert_eq!(rig.samples(), samples, "the list is read when a device comes");
    plant(&rig, "vendor", "0x1ccc");
    assert_eq!(rig.samples(), samples, "the same device: its class was kept open");
    plant(&rig, "class", "0x010801");
    let samples = rig.samples();
    assert!(
        samples.contains("device_name=\"Newer\"") && samples.contains("vendor_name=\"Third \\\"Ltd\\\"\"} 1"),
        "{samples}"
    );
}

#[test]
fn devices_come_and_go() {
    let mut rig = rig(&[]);
    assert!(rig.samples().contains(INFO_LINE));
    rig.plant(&[("sys/bus/pci/devices/0001:00:00.0", "-> ../../../devices/platform/pcie/0001:00:00.0")]);
    rig.plant(&[("sys/devices/platform/pcie/0001:00:00.0/class", "0x060000")]);
    let samples = rig.samples();
    assert!(
        samples.contains("node_pcidevice_d3cold_allowed{bus=\"00\",device=\"00\",function=\"0\",segment=\"0001\"} 0\n")
    );
    rig.remove("sys/bus/pci/devices/0001:00:00.0");
    assert!(!rig.samples().contains("0001\"} 0\n"));
    rig.remove("sys/bus");
    assert_eq!(rig.samples(), "! no data: there is no PCI bus\n");
}
