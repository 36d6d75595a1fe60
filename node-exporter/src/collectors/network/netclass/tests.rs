//! Tests of the whole collector: over small trees, and over this machine both ways.

use std::path::Path;
use std::time::Instant;

use super::*;
use crate::rig::{Rig, text_of};

const TREE: &[(&str, &str)] = &[
    ("sys/class/net/bonding_masters", "bond0\n"),
    ("sys/class/net/eth0/operstate", "up\n"),
    ("sys/class/net/eth0/address", "02:00:00:00:00:01\n"),
    ("sys/class/net/eth0/duplex", "full\n"),
    ("sys/class/net/eth0/flags", "0x1303\n"),
    ("sys/class/net/eth0/dev_id", "0x20\n"),
    ("sys/class/net/eth0/speed", "1000\n"),
    ("sys/class/net/eth0/mtu", "1500\n"),
    ("sys/class/net/eth0/carrier_changes", "2\n"),
    ("sys/class/net/wlan0/operstate", "down\n"),
    ("sys/class/net/wlan0/speed", "-1\n"),
    ("sys/class/net/wlan0/flags", "0x1002\n"),
    ("sys/class/net/wlan0/ifalias", ""),
    ("sys/class/net/wlan0/mtu", "many\n"),
    ("sys/class/net/wlan0/carrier/", ""),
];

#[track_caller]
fn check(tree: &[(&str, &str)], flags: &[(&'static str, &str)], want: &str) {
    assert_eq!(Rig::new(&ROW, tree, flags).samples(), want);
}

#[test]
fn good() {
    let eth0 = "node_network_carrier_changes_total{device=\"eth0\"} 2\n\
        node_network_device_id{device=\"eth0\"} 32\n\
        node_network_flags{device=\"eth0\"} 4867\n";
    let info = "node_network_info{address=\"02:00:00:00:00:01\",adminstate=\"up\",broadcast=\"\",device=\"eth0\",\
        duplex=\"full\",ifalias=\"\",operstate=\"up\"} 1\n";
    let wlan = "node_network_info{address=\"\",adminstate=\"down\",broadcast=\"\",device=\"wlan0\",duplex=\"\",\
        ifalias=\"\",operstate=\"down\"} 1\n";
    let mtu = "node_network_mtu_bytes{device=\"eth0\"} 1500\n";
    let speed = "node_network_speed_bytes{device=\"eth0\"} 1.25e+08\n";
    check(
        TREE,
        &[],
        &[
            eth0,
            "node_network_flags{device=\"wlan0\"} 4098\n",
            wlan,
            info,
            mtu,
            speed,
            "node_network_speed_bytes{device=\"wlan0\"} -125000\n",
            "node_network_up{device=\"eth0\"} 1\nnode_network_up{device=\"wlan0\"} 0\n",
        ]
        .concat(),
    );
    check(
        TREE,
        &[("collector.netclass.ignored-devices", "^wlan"), ("collector.netclass.ignore-invalid-speed", "true")],
        &[eth0, info, mtu, speed, "node_network_up{device=\"eth0\"} 1\n"].concat(),
    );
}

#[test]
fn an_unknown_administrative_state() {
    check(
        &[("sys/class/net/x/operstate", "unknown\n")],
        &[],
        "node_network_info{address=\"\",adminstate=\"unknown\",broadcast=\"\",device=\"x\",duplex=\"\",ifalias=\"\",\
         operstate=\"unknown\"} 1\nnode_network_up{device=\"x\"} 0\n",
    );
}

#[test]
fn nothing_there() {
    check(&[], &[], "! no data: no network interfaces in sysfs\n");
    check(&[("sys/class/net/", "")], &[], "");
    let gone = Rig::new(&ROW, &[("sys/class/net/eth0", "-> nowhere")], &[]).samples();
    assert_eq!(gone, "");
}

/// The two ways to the same page: over this machine's own sysfs, once from files alone.
#[test]
fn netlink_and_files_agree() {
    let dir = Path::new("/sys/class/net");
    let (mut ignored, mut cx) = (Filter::default(), Scrape::new(Instant::now()));
    let mut wire = Wire::new(dir.to_owned());
    let Some(links) = wire.trusted(&mut ignored, cx.deadline) else {
        return; // A sandbox whose sysfs shows another namespace.
    };
    let (mut fast, mut slow) = (Devices::default(), Devices::default());
    wire.gather(&links, &mut fast);
    Files { dir: KeptDir::new(dir.to_owned()) }.gather(&mut ignored, &mut slow, &mut cx).unwrap();
    let text = |devices: &mut Devices| {
        let mut page = Page::default();
        devices.encode(false, false, &mut page);
        page.finish();
        text_of(&page)
    };
    assert_eq!(text(&mut fast), text(&mut slow));
}
