//! Neighbours per interface from route netlink, or from `/proc/net/arp` on request.
//!
//! * Source: kernel include/uapi/linux/neighbour.h; Documentation/filesystems/proc.rst, "arp".
//! * Units: entries; netlink leaves out those that need no resolving, the file has no others.
//! * Absent when: an interface has no entry.
//! * Differs from the Go exporter: a malformed line of the file costs itself alone.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError};
use common::exposition::{Desc, Page};
use common::fields::{Words, lines, parse_auto};
use common::filter::Filter;
use common::flags::Flag;
use common::fuzzing::{Parser, eat};

use crate::fs::KeptFile;
use crate::kernel::links::Source;
use crate::kernel::netlink::Netlink;
use crate::kernel::rtnl::{NEIGHBOUR_HEADER, parse_neighbour};

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row::on("arp", "IPv4 neighbours per interface, netlink", FLAGS, |args| {
    let table = if args.on("collector.arp.netlink") {
        Table::Netlink { netlink: Netlink::route(), links: Source::shared(), entries: HashMap::new() }
    } else {
        Table::File(KeptFile::of_proc(args, "net/arp"))
    };
    let filter = Filter::from_args(args, "collector.arp.device-include", "collector.arp.device-exclude")?;
    Ok(Box::new(Arp { filter, table }))
});

const FLAGS: &[Flag] = &[
    Flag::text("collector.arp.device-include", "", "Interfaces to keep, a regular expression."),
    Flag::text("collector.arp.device-exclude", "", "Interfaces to leave out, a regular expression."),
    Flag::switch("collector.arp.netlink", true, "Ask netlink for the neighbours rather than read net/arp."),
];

const ENTRIES: Desc = Desc::gauge("node_arp_entries", "Entries of the IPv4 neighbour table.", &["device"]);

struct Arp {
    filter: Filter,
    table: Table,
}

enum Table {
    Netlink {
        netlink: Netlink,
        links: Arc<Mutex<Source>>,
        /// Entries by interface number.
        entries: HashMap<u32, u64>,
    },
    File(KeptFile),
}

impl Collector for Arp {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        match &mut self.table {
            Table::Netlink { netlink, links, entries } => {
                gather(netlink, entries)?;
                if entries.is_empty() {
                    return Ok(());
                }
                // An interface that went away since is not among the links, and its neighbours are gone with it.
                for link in Source::of_scrape(links, cx.deadline)?.iter() {
                    if let Some(&n) = entries.get(&link.index)
                        && self.filter.keeps(&link.name)
                    {
                        page.sample(&ENTRIES, &[&link.name], n as f64);
                    }
                }
            }
            Table::File(file) => {
                let path = file.path().to_owned();
                let mut entries: BTreeMap<&[u8], u64> = BTreeMap::new();
                for device in parse(file.read()?) {
                    match device {
                        Ok(device) => *entries.entry(device).or_default() += 1,
                        Err(bad) => cx.fault(bad.in_file(&path)),
                    }
                }
                for (device, n) in entries {
                    if self.filter.keeps(device) {
                        page.sample(&ENTRIES, &[device], n as f64);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Counts the IPv4 neighbours of each interface number.
fn gather(netlink: &mut Netlink, entries: &mut HashMap<u32, u64>) -> Result<(), CollectError> {
    /// Broadcast, multicast and the like: nothing was resolved.
    const NUD_NOARP: u16 = 0x40;
    let mut request = [0; NEIGHBOUR_HEADER];
    if let Some(family) = request.first_mut() {
        *family = libc::AF_INET as u8;
    }
    for _ in 0..3 {
        entries.clear();
        let interrupted = netlink.dump(libc::RTM_GETNEIGH, &request, |message| {
            if message.kind == libc::RTM_NEWNEIGH
                && let Some(neighbour) = parse_neighbour(message.body)
                && neighbour.state & NUD_NOARP == 0
            {
                *entries.entry(neighbour.index).or_default() += 1;
            }
        })?;
        if !interrupted {
            break;
        }
    }
    Ok(())
}

/// The interface of each entry of the file.
fn parse(text: &[u8]) -> impl Iterator<Item = Result<&[u8], BadField>> {
    const HEADER_WORDS: usize = 9;
    lines(text).filter_map(|(number, line)| {
        let n = Words::new(number, line).count();
        (n > 0 && n != HEADER_WORDS).then(|| {
            let mut words = Words::new(number, line);
            let _address = words.word("address")?;
            let _hardware = words.word("hardware type")?;
            let flags = words.word("flags")?;
            if parse_auto(flags).is_none_or(|flags| u8::try_from(flags).is_err()) {
                return Err(BadField::new(number, "flags", "a number of one byte", flags));
            }
            let mac = words.word("hardware address")?;
            if !is_hardware_address(mac) {
                return Err(BadField::new(number, "hardware address", "bytes in hexadecimal", mac));
            }
            let _mask = words.word("mask")?;
            let device = words.word("device")?;
            match words.next() {
                Some(more) => Err(BadField::new(number, "entry", "six words", more)),
                None => Ok(device),
            }
        })
    })
}

/// Pairs of hexadecimal digits with colons or dashes between.
fn is_hardware_address(text: &[u8]) -> bool {
    text.split(|b| matches!(b, b':' | b'-')).all(|part| part.len() == 2 && part.iter().all(u8::is_ascii_hexdigit))
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser =
    Parser::new("arp", |bytes| parse(bytes).for_each(eat), b"IP address       HW type     Flags       HW address            Mask     Device\n192.0.2.1        0x1         0x2         02:00:00:00:00:01     *        bond0\n");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    const HEADER: &str = "IP address       HW type     Flags       HW address            Mask     Device\n";

    #[track_caller]
    fn check(table: &str, flags: &[(&'static str, &str)], want: &str) {
        let mut all = vec![("collector.arp.netlink", "false")];
        all.extend_from_slice(flags);
        let table = format!("{HEADER}{table}");
        assert_eq!(Rig::new(&ROW, &[("proc/net/arp", &table)], &all).samples(), want);
    }

    #[test]
    fn good() {
        let table = "10.0.0.1 0x1 0x2 02:00:00:00:00:01 * eth0\n10.0.0.2 0x1 0x0 00:00:00:00:00:00 * eth0\n\
                     10.0.1.1 0x1 0x2 02:00:00:00:00:02 * br-1\n";
        check(table, &[], "node_arp_entries{device=\"br-1\"} 1\nnode_arp_entries{device=\"eth0\"} 2\n");
        check(table, &[("collector.arp.device-exclude", "^br")], "node_arp_entries{device=\"eth0\"} 2\n");
        check("", &[], "");
    }

    #[test]
    fn a_bad_line_costs_itself() {
        check(
            "10.0.0.1 0x1 0x2 02:00:00:00:00:01 * eth0\n10.0.0.2 0x1 0x2 02:00\n1 2 3 02:0g * x\n1 2 999 02:00 * x\n",
            &[],
            "node_arp_entries{device=\"eth0\"} 1\n\
             ! proc/net/arp:3: mask: expected a word, found \"\"\n\
             ! proc/net/arp:4: hardware address: expected bytes in hexadecimal, found \"02:0g\"\n\
             ! proc/net/arp:5: flags: expected a number of one byte, found \"999\"\n",
        );
    }

    #[test]
    fn no_file_is_an_error() {
        let text = Rig::new(&ROW, &[], &[("collector.arp.netlink", "false")]).samples();
        assert_eq!(text, "! proc/net/arp: No such file or directory (os error 2)\n");
    }

    #[test]
    fn the_neighbours_of_this_machine() {
        let (mut netlink, mut entries) = (Netlink::route(), HashMap::new());
        gather(&mut netlink, &mut entries).unwrap();
        assert!(!entries.contains_key(&1), "the loopback interface resolves nothing");
    }
}
