//! What the queueing discipline of each interface did, from route netlink.
//!
//! * Source: kernel include/uapi/linux/{rtnetlink,pkt_sched,gen_stats}.h. The root of each interface alone: what it
//!   counts includes its classes.
//! * Units: bytes and packets. Drops, requeues and overlimits have 32 bits in the kernel and start anew; so do packets
//!   before Linux 5.5.
//! * Absent when: an interface has no discipline; a discipline without statistics has no samples.
//! * Differs from the Go exporter: packets go on counting at 2^32 where the kernel tells; the kernels that do not tell
//!   requeues have no such series.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use common::collector::{Collector, Row, Scrape};
use common::error::CollectError;
use common::exposition::{Desc, Page};
use common::filter::Filter;
use common::flags::Flag;
use common::fuzzing::{Parser, eat};

use crate::fs::{read_file, tree_if_given};
use crate::kernel::links::Source;
use crate::kernel::netlink::{Netlink, attributes, text, u32_at, u64_at};

mod recorded;

const INCLUDE: &str = "collector.qdisc.device-include";
const EXCLUDE: &str = "collector.qdisc.device-exclude";
const FIXTURES: &str = "collector.qdisc.fixtures";

const FLAGS: &[Flag] = &[
    Flag::text(INCLUDE, "", "Interfaces to keep, a regular expression; not with device-exclude."),
    Flag::text(EXCLUDE, "", "Interfaces to leave out, a regular expression; not with device-include."),
    Flag::alias("collector.qdisk.device-include", INCLUDE),
    Flag::alias("collector.qdisk.device-exclude", EXCLUDE),
    Flag::text(FIXTURES, "", "Directory with a file results.json to show in place of the kernel's answer, for tests."),
];

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row {
    needs: |args| tree_if_given(args, FIXTURES),
    ..Row::off("qdisc", "queueing disciplines, netlink", FLAGS, |args| {
        let source = match args.text(FIXTURES) {
            "" => From::Kernel { netlink: Netlink::route(), links: Source::shared(), roots: HashMap::new() },
            folder => From::File(PathBuf::from(folder).join("results.json")),
        };
        Ok(Box::new(Qdiscs { filter: Filter::exclusive(args, INCLUDE, EXCLUDE)?, source }))
    })
};

/// A family, and its value if there is one.
type Family = (Desc<'static>, fn(&Qdisc) -> Option<u64>);

const LABELS: &[&str] = &["device", "kind"];

const FAMILIES: [Family; 7] = [
    (Desc::gauge("node_qdisc_backlog", "Bytes that wait to be sent.", LABELS), |q| Some(q.backlog.into())),
    (Desc::counter("node_qdisc_bytes_total", "Bytes sent.", LABELS), |q| Some(q.bytes)),
    (Desc::gauge("node_qdisc_current_queue_length", "Packets that wait to be sent.", LABELS), |q| {
        Some(q.queue_length.into())
    }),
    (Desc::counter("node_qdisc_drops_total", "Packets dropped.", LABELS), |q| Some(q.drops.into())),
    (Desc::counter("node_qdisc_overlimits_total", "Times there was more to send than allowed.", LABELS), |q| {
        Some(q.overlimits.into())
    }),
    (Desc::counter("node_qdisc_packets_total", "Packets sent.", LABELS), |q| Some(q.packets)),
    (
        Desc::counter("node_qdisc_requeues_total", "Packets put back because the device did not take them.", LABELS),
        |q| q.requeues.map(u64::from),
    ),
];

struct Qdiscs {
    filter: Filter,
    source: From,
}

enum From {
    Kernel {
        netlink: Netlink,
        links: Arc<Mutex<Source>>,
        /// By interface number.
        roots: HashMap<u32, Qdisc>,
    },
    File(PathBuf),
}

impl Collector for Qdiscs {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        match &mut self.source {
            From::Kernel { netlink, links, roots } => {
                gather(netlink, roots)?;
                // An interface that went away since is not among the links, and its discipline is gone with it.
                let links = Source::of_scrape(links, cx.deadline)?;
                let kept = links.iter().filter(|link| self.filter.keeps(&link.name));
                for (link, qdisc) in kept.filter_map(|link| Some((link, roots.get(&link.index)?))) {
                    qdisc.write(&link.name, page);
                }
            }
            From::File(path) => {
                for (device, qdisc) in recorded::parse(&read_file(path)?).map_err(|bad| bad.in_file(path))? {
                    if qdisc.is_root() && self.filter.keeps(device.as_bytes()) {
                        qdisc.write(device.as_bytes(), page);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Asks for the roots of all interfaces.
fn gather(netlink: &mut Netlink, roots: &mut HashMap<u32, Qdisc>) -> Result<(), CollectError> {
    for _ in 0..3 {
        roots.clear();
        let interrupted = netlink.dump(libc::RTM_GETQDISC, &[0; HEADER], |message| {
            if message.kind == libc::RTM_NEWQDISC
                && let Some((index, qdisc)) = parse(message.body)
                && qdisc.is_root()
            {
                roots.insert(index, qdisc);
            }
        })?;
        if !interrupted {
            break;
        }
    }
    Ok(())
}

/// A queueing discipline.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Qdisc {
    parent: u32,
    kind: Kind,
    /// Whether the kernel gave numbers at all.
    counted: bool,
    bytes: u64,
    packets: u64,
    drops: u32,
    overlimits: u32,
    requeues: Option<u32>,
    queue_length: u32,
    backlog: u32,
}

/// A name of up to 16 bytes, the most the kernel has.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Kind {
    bytes: [u8; 16],
}

impl Kind {
    fn new(name: &[u8]) -> Self {
        let mut kind = Self::default();
        kind.bytes.iter_mut().zip(name).for_each(|(to, from)| *to = *from);
        kind
    }

    fn text(&self) -> &[u8] {
        text(&self.bytes)
    }
}

impl Qdisc {
    /// Neither below another discipline nor for what comes in.
    fn is_root(&self) -> bool {
        const TC_H_ROOT: u32 = u32::MAX;
        matches!(self.parent, 0 | TC_H_ROOT)
    }

    fn write(&self, device: &[u8], page: &mut Page) {
        if !self.counted {
            return;
        }
        for (desc, value) in &FAMILIES {
            if let Some(n) = value(self) {
                page.sample(desc, &[device, self.kind.text()], n as f64);
            }
        }
    }
}

/// Size of `struct tcmsg`.
const HEADER: usize = 20;

/// Reads a message about a discipline; gives the number of the interface with it.
fn parse(body: &[u8]) -> Option<(u32, Qdisc)> {
    const TCA_KIND: u16 = 1;
    const TCA_STATS: u16 = 3;
    const TCA_STATS2: u16 = 7;
    let mut qdisc = Qdisc { parent: u32_at(body, 12)?, ..Qdisc::default() };
    let mut old = None;
    for (kind, payload) in attributes(body.get(HEADER..)?) {
        match kind {
            TCA_KIND => qdisc.kind = Kind::new(text(payload)),
            TCA_STATS => old = Some(payload),
            TCA_STATS2 => qdisc.counted |= qdisc.read_statistics(payload).is_some(),
            _ => {}
        }
    }
    // The kernel adds the old form to the new one, for programs that do not know it.
    if let (false, Some(payload)) = (qdisc.counted, old) {
        qdisc.counted = qdisc.read_old_statistics(payload).is_some();
    }
    Some((u32_at(body, 4)?, qdisc))
}

impl Qdisc {
    fn read_statistics(&mut self, payload: &[u8]) -> Option<()> {
        const BASIC: u16 = 1;
        const QUEUE: u16 = 3;
        const PACKETS_64: u16 = 8;
        let (mut basic, mut queue, mut packets) = (None, None, None);
        for (kind, payload) in attributes(payload) {
            match kind {
                BASIC => basic = Some((u64_at(payload, 0)?, u32_at(payload, 8)?)),
                QUEUE => queue = payload.first_chunk::<20>(),
                PACKETS_64 => packets = u64_at(payload, 0),
                _ => {}
            }
        }
        let (bytes, packets_32) = basic?;
        self.bytes = bytes;
        self.packets = packets.unwrap_or_else(|| packets_32.into());
        if let Some(queue) = queue {
            self.queue_length = u32_at(queue, 0)?;
            self.backlog = u32_at(queue, 4)?;
            self.drops = u32_at(queue, 8)?;
            self.requeues = u32_at(queue, 12);
            self.overlimits = u32_at(queue, 16)?;
        }
        Some(())
    }

    /// `struct tc_stats`.
    fn read_old_statistics(&mut self, payload: &[u8]) -> Option<()> {
        payload.get(..36)?;
        self.bytes = u64_at(payload, 0)?;
        self.packets = u32_at(payload, 8)?.into();
        self.drops = u32_at(payload, 12)?;
        self.overlimits = u32_at(payload, 16)?;
        self.queue_length = u32_at(payload, 28)?;
        self.backlog = u32_at(payload, 32)?;
        Some(())
    }
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser = Parser::new(
    "qdisc",
    |bytes| eat((parse(bytes), recorded::parse(bytes).map(|all| all.len()))),
    b"\0\0\0\0\x02\0\0\0\0\0\0\0\xff\xff\xff\xff\x02\0\0\0\x09\0\x01\0fifo\0\0\0\0\x34\0\x07\0\x14\0\x01\0\x2a\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x18\0\x03\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05\0\0\0",
);

#[cfg(test)]
mod tests;
