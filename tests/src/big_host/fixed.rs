//! What a host has once, however large it is: copied from the small machines in node-exporter's fixtures.

use std::fs;
use std::io;
use std::path::Path;

use super::Tree;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../node-exporter/tests/fixtures");

/// Files and folders of `node`, what every server has.
const OF_NODE: &[&str] = &[
    "proc/loadavg",
    "proc/mdstat",
    "proc/meminfo",
    "proc/net/netstat",
    "proc/net/rpc",
    "proc/net/snmp",
    "proc/net/snmp6",
    "proc/net/sockstat",
    "proc/net/sockstat6",
    "proc/net/udp",
    "proc/net/udp6",
    "proc/pressure",
    "proc/sys/fs",
    "proc/sys/kernel",
    "proc/sys/net/netfilter",
    "proc/vmstat",
    "root/etc/os-release",
    "sys/block/md127",
    "sys/devices/system/clocksource",
];

/// Files and folders of `board`, what the hardware of a server tells.
const OF_BOARD: &[&str] = &[
    "sys/class/dmi",
    "sys/class/nvme",
    "sys/class/powercap",
    "sys/class/thermal",
    "sys/class/watchdog",
    "sys/devices/pci0000:40",
    "sys/devices/platform/iTCO_wdt",
    "sys/devices/system/edac",
    "sys/devices/virtual",
];

pub(super) fn write(tree: &Tree) -> io::Result<()> {
    for (machine, paths) in [("node", OF_NODE), ("board", OF_BOARD)] {
        for path in paths {
            let to = tree.root.join(path);
            fs::create_dir_all(to.parent().unwrap_or(&tree.root))?;
            copy(&Path::new(FIXTURES).join(machine).join(path), &to)?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let kind = fs::symlink_metadata(from)?.file_type();
    if kind.is_symlink() {
        return std::os::unix::fs::symlink(fs::read_link(from)?, to);
    }
    if kind.is_file() {
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir(to)?;
    fs::read_dir(from)?.try_for_each(|entry| {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))
    })
}
