//! Interfaces as a node of a cluster has them, one half of a pair for each pod, with a neighbour each.

use std::fmt::Write;
use std::io;

use super::{Counts, Numbers, Tree};

pub(super) fn write(tree: &Tree, counts: &Counts) -> io::Result<()> {
    let mut traffic = "Inter-|   Receive                                                |  Transmit\n \
                       face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo \
                       colls carrier compressed\n"
        .to_owned();
    let mut neighbours = "IP address       HW type     Flags       HW address            Mask     Device\n".to_owned();
    write_interface(tree, "lo", 1, &[("address", &"00:00:00:00:00:00"), ("type", &772), ("flags", &"0x9")])?;
    put(&mut traffic, format_args!("    lo: 81234455 412344 0 0 0 0 0 0 81234455 412344 0 0 0 0 0 0\n"));
    for at in 0..counts.nics {
        let (mut numbers, index) = (Numbers::new(at), at + 2);
        let name = format!("veth{:08x}", numbers.below(1 << 32));
        let hardware = format!("02:42:{:02x}:{:02x}:{:02x}:{:02x}", at >> 24, at >> 16 & 255, at >> 8 & 255, at & 255);
        write_interface(
            tree,
            &name,
            index,
            &[
                ("address", &hardware),
                ("type", &1),
                ("flags", &"0x1303"),
                ("speed", &10_000),
                ("duplex", &"full"),
                ("name_assign_type", &3),
            ],
        )?;
        let (received, sent) = (numbers.row(2, 900_000_000_000), numbers.row(2, 900_000_000_000));
        put(&mut traffic, format_args!("{name:>6}: {received} 0 12 0 0 0 0 {sent} 0 0 0 0 0 0\n"));
        let ip = format!("10.{}.{}.{}", 8 + (at >> 16), at >> 8 & 255, at & 255);
        put(&mut neighbours, format_args!("{ip:<16} 0x1         0x2         {hardware}     *        {name}\n"));
    }
    tree.file("proc/net/dev", traffic)?;
    tree.file("proc/net/arp", neighbours)
}

fn write_interface(tree: &Tree, name: &str, index: usize, more: &[(&str, &dyn std::fmt::Display)]) -> io::Result<()> {
    let device = format!("sys/devices/virtual/net/{name}");
    tree.link(&format!("sys/class/net/{name}"), &format!("../../devices/virtual/net/{name}"))?;
    tree.attributes(
        &device,
        &[
            ("addr_assign_type", &0),
            ("addr_len", &6),
            ("broadcast", &"ff:ff:ff:ff:ff:ff"),
            ("carrier", &1),
            ("carrier_changes", &2),
            ("carrier_down_count", &1),
            ("carrier_up_count", &1),
            ("dev_id", &"0x0"),
            ("dev_port", &0),
            ("dormant", &0),
            ("ifalias", &""),
            ("ifindex", &index),
            ("iflink", &index),
            ("link_mode", &0),
            ("mtu", &1_450),
            ("netdev_group", &0),
            ("operstate", &"up"),
            ("tx_queue_len", &1_000),
        ],
    )?;
    tree.attributes(&device, more)
}

fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("a string takes everything");
}
