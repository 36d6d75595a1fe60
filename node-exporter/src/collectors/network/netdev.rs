//! Traffic counters of network interfaces from route netlink, or from `/proc/net/dev` on request.
//!
//! * Source: kernel include/uapi/linux/if_link.h, struct rtnl_link_stats64; net/core/net-procfs.c for the sums.
//! * Units: bytes and packets.
//! * Absent when: a link has no counters; the file knows no packets without handler.
//! * Differs from the Go exporter: a malformed line of the file costs itself alone; `--collector.netdev.label-ifalias`
//!   reads that one attribute and not all of all interfaces.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError, ConfigError};
use common::exposition::{Desc, Page};
use common::fields::{Words, lines};
use common::filter::Filter;
use common::flags::{Args, Flag};
use common::fuzzing::{Parser, eat};

use crate::fs::{Attr, Devices, EntryKind, KeptAttr, KeptFile, sys_path};
use crate::kernel::links::Source;
use crate::kernel::netlink::Netlink;
use crate::kernel::rtnl::{ADDRESS_HEADER, Address, Stats, parse_address};

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::on("netdev", "traffic of network interfaces, netlink", FLAGS, |args| Ok(Box::new(Netdev::new(args)?)));

const FLAGS: &[Flag] = &[
    Flag::text("collector.netdev.device-include", "", "Interfaces to keep, a regular expression."),
    Flag::text("collector.netdev.device-exclude", "", "Interfaces to leave out, a regular expression."),
    Flag::alias("collector.netdev.device-whitelist", "collector.netdev.device-include"),
    Flag::alias("collector.netdev.device-blacklist", "collector.netdev.device-exclude"),
    Flag::switch("collector.netdev.address-info", false, "Add a series for each address of an interface."),
    Flag::switch(
        "collector.netdev.enable-detailed-metrics",
        false,
        "Keep the kernel's counters apart instead of summing them up as in net/dev.",
    ),
    Flag::switch("collector.netdev.netlink", true, "Ask netlink for the counters rather than read net/dev."),
    Flag::switch("collector.netdev.label-ifalias", false, "Add the label ifalias to all series of traffic."),
];

/// A family and how its value comes from the counters of a link.
pub(super) struct Counter {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) of: fn(&Stats) -> u64,
}

const fn counter(name: &'static str, help: &'static str, of: fn(&Stats) -> u64) -> Counter {
    Counter { name, help, of }
}

/// The counters as the kernel has them, in its order.
pub(super) const DETAILED: &[Counter] = &[
    counter("node_network_receive_packets_total", "Packets received.", |s| s[0]),
    counter("node_network_transmit_packets_total", "Packets sent.", |s| s[1]),
    counter("node_network_receive_bytes_total", "Bytes received.", |s| s[2]),
    counter("node_network_transmit_bytes_total", "Bytes sent.", |s| s[3]),
    counter("node_network_receive_errors_total", "Bad packets received.", |s| s[4]),
    counter("node_network_transmit_errors_total", "Packets that could not be sent.", |s| s[5]),
    counter("node_network_receive_dropped_total", "Packets received and dropped.", |s| s[6]),
    counter("node_network_transmit_dropped_total", "Packets dropped on their way out.", |s| s[7]),
    counter("node_network_multicast_total", "Multicast packets received.", |s| s[8]),
    counter("node_network_collisions_total", "Collisions while sending.", |s| s[9]),
    counter("node_network_receive_length_errors_total", "Packets received with a bad length.", |s| s[10]),
    counter("node_network_receive_over_errors_total", "Packets received into a full ring.", |s| s[11]),
    counter("node_network_receive_crc_errors_total", "Packets received with a bad checksum.", |s| s[12]),
    counter("node_network_receive_frame_errors_total", "Packets received badly aligned.", |s| s[13]),
    counter("node_network_receive_fifo_errors_total", "Packets lost in the receive FIFO.", |s| s[14]),
    counter("node_network_receive_missed_errors_total", "Packets the host had no buffer for.", |s| s[15]),
    counter("node_network_transmit_aborted_errors_total", "Packets given up while sending.", |s| s[16]),
    counter("node_network_transmit_carrier_errors_total", "Packets lost with the carrier.", |s| s[17]),
    counter("node_network_transmit_fifo_errors_total", "Packets lost in the transmit FIFO.", |s| s[18]),
    counter("node_network_transmit_heartbeat_errors_total", "Packets sent without a heartbeat.", |s| s[19]),
    counter("node_network_transmit_window_errors_total", "Late collisions while sending.", |s| s[20]),
    counter("node_network_receive_compressed_total", "Compressed packets received.", |s| s[21]),
    counter("node_network_transmit_compressed_total", "Compressed packets sent.", |s| s[22]),
    counter("node_network_receive_nohandler_total", "Packets received that no protocol wanted.", |s| s[23]),
];

/// The counters under the names of the columns of net/dev, summed up as there.
const SUMMED: &[Counter] = &[
    counter("node_network_receive_bytes_total", "Bytes received.", |s| s[2]),
    counter("node_network_receive_compressed_total", "Compressed packets received.", |s| s[21]),
    counter("node_network_receive_drop_total", "Packets received and dropped.", |s| s[6].wrapping_add(s[15])),
    counter("node_network_receive_errs_total", "Bad packets received.", |s| s[4]),
    counter("node_network_receive_fifo_total", "Packets lost in the receive FIFO.", |s| s[14]),
    counter("node_network_receive_frame_total", "Packets received with a bad frame.", |s| {
        s[13].wrapping_add(s[10]).wrapping_add(s[11]).wrapping_add(s[12])
    }),
    counter("node_network_receive_multicast_total", "Multicast packets received.", |s| s[8]),
    counter("node_network_receive_nohandler_total", "Packets received that no protocol wanted.", |s| s[23]),
    counter("node_network_receive_packets_total", "Packets received.", |s| s[0]),
    counter("node_network_transmit_bytes_total", "Bytes sent.", |s| s[3]),
    counter("node_network_transmit_carrier_total", "Packets lost with the carrier.", |s| {
        s[17].wrapping_add(s[16]).wrapping_add(s[19]).wrapping_add(s[20])
    }),
    counter("node_network_transmit_colls_total", "Collisions while sending.", |s| s[9]),
    counter("node_network_transmit_compressed_total", "Compressed packets sent.", |s| s[22]),
    counter("node_network_transmit_drop_total", "Packets dropped on their way out.", |s| s[7]),
    counter("node_network_transmit_errs_total", "Packets that could not be sent.", |s| s[5]),
    counter("node_network_transmit_fifo_total", "Packets lost in the transmit FIFO.", |s| s[18]),
    counter("node_network_transmit_packets_total", "Packets sent.", |s| s[1]),
];

/// A column of net/dev: its family, and its family with the detailed names.
struct Column {
    summed: &'static str,
    detailed: &'static str,
    help: &'static str,
}

const fn column(summed: &'static str, detailed: &'static str, help: &'static str) -> Column {
    Column { summed, detailed, help }
}

const COLUMNS: [Column; 16] = {
    const fn same(name: &'static str, help: &'static str) -> Column {
        column(name, name, help)
    }
    [
        same("node_network_receive_bytes_total", "Bytes received."),
        same("node_network_receive_packets_total", "Packets received."),
        column("node_network_receive_errs_total", "node_network_receive_errors_total", "Bad packets received."),
        column(
            "node_network_receive_drop_total",
            "node_network_receive_dropped_total",
            "Packets received and dropped.",
        ),
        same("node_network_receive_fifo_total", "Packets lost in the receive FIFO."),
        same("node_network_receive_frame_total", "Packets received with a bad frame."),
        same("node_network_receive_compressed_total", "Compressed packets received."),
        same("node_network_receive_multicast_total", "Multicast packets received."),
        same("node_network_transmit_bytes_total", "Bytes sent."),
        same("node_network_transmit_packets_total", "Packets sent."),
        column(
            "node_network_transmit_errs_total",
            "node_network_transmit_errors_total",
            "Packets that could not be sent.",
        ),
        column(
            "node_network_transmit_drop_total",
            "node_network_transmit_dropped_total",
            "Packets dropped on their way out.",
        ),
        same("node_network_transmit_fifo_total", "Packets lost in the transmit FIFO."),
        same("node_network_transmit_colls_total", "Collisions while sending."),
        same("node_network_transmit_carrier_total", "Packets lost with the carrier."),
        same("node_network_transmit_compressed_total", "Compressed packets sent."),
    ]
};

const ADDRESS: Desc = Desc::gauge(
    "node_network_address_info",
    "An address of the interface; always 1.",
    &["address", "device", "netmask", "scope"],
);

const PLAIN: &[&str] = &["device"];
const WITH_ALIAS: &[&str] = &["device", "ifalias"];

struct Netdev {
    filter: Filter,
    detailed: bool,
    file: Option<KeptFile>,
    links: Arc<Mutex<Source>>,
    aliases: Option<Aliases>,
    addresses: Option<Netlink>,
}

impl Netdev {
    fn new(args: &Args) -> Result<Self, ConfigError> {
        Ok(Self {
            filter: Filter::exclusive(args, "collector.netdev.device-include", "collector.netdev.device-exclude")?,
            detailed: args.on("collector.netdev.enable-detailed-metrics"),
            file: (!args.on("collector.netdev.netlink")).then(|| KeptFile::of_proc(args, "net/dev")),
            links: Source::shared(),
            aliases: args.on("collector.netdev.label-ifalias").then(|| Aliases::new(sys_path(args, "class/net"))),
            addresses: args.on("collector.netdev.address-info").then(Netlink::route),
        })
    }
}

impl Collector for Netdev {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        if let Some(aliases) = &mut self.aliases {
            aliases.read(cx);
        }
        match &mut self.file {
            Some(file) => {
                let path = file.path().to_owned();
                let mut devices = Vec::new();
                for device in parse(file.read()?) {
                    match device {
                        Ok((name, counters)) if self.filter.keeps(name) => devices.push((name, counters)),
                        Ok(_) => {}
                        Err(bad) => cx.fault(bad.in_file(&path)),
                    }
                }
                devices.sort_unstable();
                for (at, column) in COLUMNS.iter().enumerate() {
                    let family = if self.detailed { column.detailed } else { column.summed };
                    for (name, counters) in &devices {
                        let value = counters.get(at).copied().unwrap_or_default();
                        sample(page, family, column.help, name, self.aliases.as_ref(), value);
                    }
                }
            }
            None => {
                let links = Source::of_scrape(&self.links, cx.deadline)?;
                let kept: Vec<(&[u8], &Stats)> = links
                    .iter()
                    .filter_map(|link| Some((link.name.as_slice(), link.stats.as_ref()?)))
                    .filter(|(name, _)| self.filter.keeps(name))
                    .collect();
                for counter in if self.detailed { DETAILED } else { SUMMED } {
                    for (name, stats) in &kept {
                        sample(page, counter.name, counter.help, name, self.aliases.as_ref(), (counter.of)(stats));
                    }
                }
            }
        }
        if let Some(netlink) = &mut self.addresses {
            let links = Source::of_scrape(&self.links, cx.deadline)?;
            let names: HashMap<u32, &[u8]> = links
                .iter()
                .map(|link| (link.index, link.name.as_slice()))
                .filter(|(_, name)| self.filter.keeps(name))
                .collect();
            for address in addresses(netlink)? {
                if let Some(name) = names.get(&address.index) {
                    let (ip, prefix) = (address.ip.to_canonical().to_string(), address.prefix.to_string());
                    page.sample(&ADDRESS, &[ip.as_bytes(), name, prefix.as_bytes(), scope(address.ip).as_bytes()], 1.0);
                }
            }
        }
        Ok(())
    }
}

fn sample(page: &mut Page, family: &str, help: &str, device: &[u8], aliases: Option<&Aliases>, value: u64) {
    match aliases.and_then(|aliases| aliases.of(device)) {
        Some(alias) => page.sample(&Desc::counter(family, help, WITH_ALIAS), &[device, alias], value as f64),
        None => page.sample(&Desc::counter(family, help, PLAIN), &[device], value as f64),
    }
}

/// The interfaces and counters of net/dev; its two heading lines have no colon behind a name.
fn parse(text: &[u8]) -> impl Iterator<Item = Result<(&[u8], [u64; 16]), BadField>> {
    lines(text).skip(2).filter(|(_, line)| !line.trim_ascii().is_empty()).map(|(number, line)| {
        // A name may hold a colon, as those of the alias interfaces of old do.
        let Some(colon) = line.iter().rposition(|&b| b == b':') else {
            return Err(BadField::new(number, "interface", "a name and a colon", line));
        };
        let (name, rest) = line.split_at(colon);
        let mut words = Words::new(number, rest.get(1..).unwrap_or_default());
        let mut counters = [0; 16];
        for counter in &mut counters {
            *counter = words.u64("counter")?;
        }
        Ok((name.trim_ascii(), counters))
    })
}

/// The aliases of the interfaces in sysfs.
struct Aliases {
    devices: Devices<(KeptAttr, Option<Attr>)>,
    current: HashMap<Vec<u8>, Attr>,
}

impl Aliases {
    fn new(dir: PathBuf) -> Self {
        Self { devices: Devices::new(dir), current: HashMap::new() }
    }

    fn read(&mut self, cx: &mut Scrape) {
        let dir = self.devices.path().to_owned();
        let make = |path: &Path, _: &[u8]| (KeptAttr::new(path.join("ifalias")), None);
        self.current.clear();
        match self.devices.refresh(|_, kind| kind != EntryKind::File, make) {
            Ok(devices) => {
                for (name, (attr, _)) in devices {
                    if let Ok(alias) = attr.read() {
                        self.current.insert(name.clone(), alias);
                    }
                }
            }
            Err(e) => cx.fault(CollectError::io(&dir, e)),
        }
    }

    fn of(&self, device: &[u8]) -> Option<&[u8]> {
        self.current.get(device).map(Attr::text)
    }
}

/// All addresses of all interfaces.
fn addresses(netlink: &mut Netlink) -> Result<Vec<Address>, CollectError> {
    let mut addresses = Vec::new();
    for _ in 0..3 {
        addresses.clear();
        let interrupted = netlink.dump(libc::RTM_GETADDR, &[0; ADDRESS_HEADER], |message| {
            if message.kind == libc::RTM_NEWADDR {
                addresses.extend(parse_address(message.body));
            }
        })?;
        if !interrupted {
            break;
        }
    }
    Ok(addresses)
}

/// How far an address reaches; addresses of the host itself count as link-local, for compatibility.
fn scope(ip: IpAddr) -> &'static str {
    let (link_local, interface_local, multicast) = match ip {
        IpAddr::V4(ip) => {
            let octets = ip.octets();
            (ip.is_link_local() || octets.starts_with(&[224, 0, 0]), false, ip.is_multicast() || ip.is_broadcast())
        }
        IpAddr::V6(ip) => {
            let multicast_scope = ip.is_multicast().then(|| ip.octets()[1] & 15);
            (ip.is_unicast_link_local() || multicast_scope == Some(2), multicast_scope == Some(1), ip.is_multicast())
        }
    };
    if ip.is_loopback() || link_local {
        "link-local"
    } else if interface_local {
        "interface-local"
    } else if multicast || ip.is_unspecified() {
        ""
    } else {
        "global"
    }
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser =
    Parser::new("net/dev", |bytes| parse(bytes).for_each(eat), b"Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n  eth0:912334455667 712344556    1   12    0     3          0   9123 812334455661 612344551    0    2    0     0       1          0\n");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    const HEADING: &str = "Inter-|   Receive                                                |  Transmit\n \
         face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls \
         carrier compressed\n";

    #[track_caller]
    fn check(table: &str, flags: &[(&'static str, &str)], wanted: &str, want: &str) {
        let mut all = vec![("collector.netdev.netlink", "false")];
        all.extend_from_slice(flags);
        let table = format!("{HEADING}{table}");
        let tree = [("proc/net/dev", table.as_str()), ("sys/class/net/eth0/ifalias", "uplink\n")];
        let text = Rig::new(&ROW, &tree, &all).samples();
        let got: String = text.lines().filter(|l| l.contains(wanted)).flat_map(|l| [l, "\n"]).collect();
        assert_eq!(got, want, "{text}");
    }

    const TABLE: &str = "    lo:  1  2 0 0 0 0 0 0  1 2 0 0 0 0 0 0\neth0:7: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n  \
                         eth0:18446744073709551615 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";

    #[test]
    fn good() {
        check(
            TABLE,
            &[],
            "receive_bytes",
            "node_network_receive_bytes_total{device=\"eth0\"} 1.8446744073709552e+19\n\
             node_network_receive_bytes_total{device=\"eth0:7\"} 1\n\
             node_network_receive_bytes_total{device=\"lo\"} 1\n",
        );
        let dropped = |name| format!("node_network_transmit_{name}_total{{device=\"eth0\"}} 12\n");
        let include = ("collector.netdev.device-include", "^eth0$");
        check(TABLE, &[include], "transmit_drop", &dropped("drop"));
        check(
            TABLE,
            &[include, ("collector.netdev.enable-detailed-metrics", "true")],
            "transmit_drop",
            &dropped("dropped"),
        );
        check(
            TABLE,
            &[("collector.netdev.device-exclude", "^lo$"), ("collector.netdev.label-ifalias", "true")],
            "transmit_colls",
            "node_network_transmit_colls_total{device=\"eth0:7\"} 14\n\
             node_network_transmit_colls_total{device=\"eth0\",ifalias=\"uplink\"} 14\n",
        );
    }

    #[test]
    fn a_bad_line_costs_itself() {
        check(
            "a: 1 2 3\nno colon\nb: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\nc: x\n",
            &[],
            "e",
            &Rig::new(
                &ROW,
                &[("proc/net/dev", &format!("{HEADING}b: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"))],
                &[("collector.netdev.netlink", "false")],
            )
            .samples()
            .lines()
            .map(str::to_owned)
            .chain([
                "! proc/net/dev:3: counter: expected a whole number, found \"\"".to_owned(),
                "! proc/net/dev:4: interface: expected a name and a colon, found \"no colon\"".to_owned(),
                "! proc/net/dev:6: counter: expected a whole number, found \"x\"".to_owned(),
            ])
            .map(|line| line + "\n")
            .collect::<String>(),
        );
    }

    #[test]
    fn sums_mirror_the_file() {
        let stats: Stats = std::array::from_fn(|at| 1 << at);
        let summed = |name: &str| {
            SUMMED.iter().find(|counter| counter.name == format!("node_network_{name}_total")).map(|c| (c.of)(&stats))
        };
        assert_eq!(summed("receive_drop"), Some(1 << 6 | 1 << 15));
        assert_eq!(summed("receive_frame"), Some(1 << 10 | 1 << 11 | 1 << 12 | 1 << 13));
        assert_eq!(summed("transmit_carrier"), Some(1 << 16 | 1 << 17 | 1 << 19 | 1 << 20));
        assert_eq!(DETAILED.iter().map(|counter| (counter.of)(&stats)).sum::<u64>(), (1 << 24) - 1);
    }

    #[test]
    fn scopes() {
        for (ip, want) in [
            ("127.0.0.1", "link-local"),
            ("::1", "link-local"),
            ("169.254.1.2", "link-local"),
            ("fe80::1", "link-local"),
            ("ff02::1", "link-local"),
            ("224.0.0.1", "link-local"),
            ("ff01::1", "interface-local"),
            ("10.0.0.1", "global"),
            ("fd00::1", "global"),
            ("224.0.1.1", ""),
            ("255.255.255.255", ""),
            ("0.0.0.0", ""),
        ] {
            assert_eq!(scope(ip.parse().unwrap()), want, "{ip}");
        }
    }

    #[test]
    fn this_machine_has_a_loopback_interface() {
        let text = Rig::new(&ROW, &[], &[("collector.netdev.address-info", "true")]).samples();
        assert!(text.contains("node_network_receive_packets_total{device=\"lo\"} "), "{text}");
        assert!(!text.contains('!'), "{text}");
    }
}
