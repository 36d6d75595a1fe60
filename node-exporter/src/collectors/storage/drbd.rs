//! Mirrored block devices from `/proc/drbd`.
//!
//! * Source: kernel drivers/block/drbd/drbd_proc.c; DRBD 8. Version 9 has only its version there.
//! * Units: the file has KiB, we export bytes. As in the Go exporter, `node_drbd_network_received_bytes_total` is in KiB.
//! * Absent when: the driver is not loaded: no data.
//! * Differs from the Go exporter: a word that is malformed costs its own sample, where it ends the collector or the
//!   program.

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError};
use common::exposition::{Desc, Page};
use common::fields::{Words, lines, parse_f64, parse_u64};
use common::fuzzing::{Parser, eat};

use crate::fs::KeptFile;

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row::off("drbd", "mirrored block devices, /proc/drbd", &[], |args| {
    Ok(Box::new(Drbd { file: KeptFile::of_proc(args, "drbd") }))
});

const DEVICE: &[&str] = &["device"];

/// The kernel counts sectors and prints them halved.
const KIB: f64 = 1024.0;

/// A key, its family, and what the number is multiplied with.
type Figure = (&'static str, Desc<'static>, f64);

#[rustfmt::skip] // One key, one line: this is a table.
static FIGURES: [Figure; 12] = [
    ("ns", Desc::counter("node_drbd_network_sent_bytes_total", "Bytes sent to the other node.", DEVICE), KIB),
    ("nr", Desc::counter("node_drbd_network_received_bytes_total", "Received from the other node, in KiB in spite of the name.", DEVICE), 1.0),
    ("dw", Desc::counter("node_drbd_disk_written_bytes_total", "Bytes written to the disk of this node.", DEVICE), KIB),
    ("dr", Desc::counter("node_drbd_disk_read_bytes_total", "Bytes read from the disk of this node.", DEVICE), KIB),
    ("al", Desc::counter("node_drbd_activitylog_writes_total", "Writes to the log of active extents.", DEVICE), 1.0),
    ("bm", Desc::counter("node_drbd_bitmap_writes_total", "Writes to the bitmap of what is out of sync.", DEVICE), 1.0),
    ("lo", Desc::gauge("node_drbd_local_pending", "Requests that the disk of this node has not answered.", DEVICE), 1.0),
    ("pe", Desc::gauge("node_drbd_remote_pending", "Requests that the other node has not answered.", DEVICE), 1.0),
    ("ua", Desc::gauge("node_drbd_remote_unacknowledged", "Requests of the other node that are not answered.", DEVICE), 1.0),
    ("ap", Desc::gauge("node_drbd_application_pending", "Requests of the block layer that are not answered.", DEVICE), 1.0),
    ("ep", Desc::gauge("node_drbd_epochs", "Epochs of writes on the way.", DEVICE), 1.0),
    ("oos", Desc::gauge("node_drbd_out_of_sync_bytes", "Bytes that differ between the nodes.", DEVICE), KIB),
];

const CONNECTED: Desc = Desc::gauge("node_drbd_connected", "Whether the other node is connected.", DEVICE);
const PRIMARY: Desc =
    Desc::gauge("node_drbd_node_role_is_primary", "Whether the node may use the device.", &["device", "node"]);
const UP_TO_DATE: Desc = Desc::gauge(
    "node_drbd_disk_state_is_up_to_date",
    "Whether the disk of the node has the latest data.",
    &["device", "node"],
);

struct Drbd {
    file: KeptFile,
}

impl Collector for Drbd {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let Some(text) = self.file.read_if_present()? else {
            return Err(CollectError::no_data("DRBD is not loaded"));
        };
        let mut problems = Vec::new();
        let mut device = b"unknown".to_vec();
        for fact in parse(text) {
            match fact {
                Ok(Fact::Device(number)) => {
                    device.truncate(0);
                    device.extend_from_slice(b"drbd");
                    device.extend_from_slice(number);
                }
                Ok(fact) => encode(&fact, &device, page),
                Err(bad) => problems.push(bad),
            }
        }
        for bad in problems {
            cx.fault(bad.in_file(self.file.path()));
        }
        Ok(())
    }
}

fn encode(fact: &Fact<'_>, device: &[u8], page: &mut Page) {
    let pair = |page: &mut Page, desc: &Desc<'_>, nodes: &[bool; 2]| {
        for (node, is) in [&b"local"[..], b"remote"].into_iter().zip(nodes) {
            page.sample(desc, &[device, node], f64::from(u8::from(*is)));
        }
    };
    match fact {
        Fact::Device(_) => {}
        Fact::Figure(desc, n) => page.sample(desc, &[device], *n),
        Fact::Connected(is) => page.sample(&CONNECTED, &[device], f64::from(u8::from(*is))),
        Fact::Primary(nodes) => pair(page, &PRIMARY, nodes),
        Fact::UpToDate(nodes) => pair(page, &UP_TO_DATE, nodes),
    }
}

/// What a word tells: of which device the following ones are, or something about that device.
enum Fact<'t> {
    Device(&'t [u8]),
    Figure(&'static Desc<'static>, f64),
    Connected(bool),
    /// Of this node and of the other.
    Primary([bool; 2]),
    UpToDate([bool; 2]),
}

/// The words that tell something, in the order of the file.
///
/// ```text
///  0: cs:Connected ro:Primary/Secondary ds:UpToDate/UpToDate C r-----
///     ns:1612 nr:0 dw:1612 dr:2200 al:9 bm:4 lo:0 pe:0 ua:0 ap:0 ep:1 wo:f oos:0
/// ```
fn parse(text: &[u8]) -> impl Iterator<Item = Result<Fact<'_>, BadField>> {
    lines(text).flat_map(|(number, line)| Words::of(line).filter_map(move |word| fact(number, word).transpose()))
}

fn fact(number: u32, word: &[u8]) -> Result<Option<Fact<'_>>, BadField> {
    let mut parts = word.split(|&b| b == b':');
    let (Some(key), Some(value), None) = (parts.next(), parts.next(), parts.next()) else { return Ok(None) };
    if let Some((name, desc, factor)) = FIGURES.iter().find(|(name, ..)| name.as_bytes() == key) {
        let n = parse_f64(value).ok_or_else(|| BadField::new(number, name, "a number", value))?;
        return Ok(Some(Fact::Figure(desc, n * factor)));
    }
    let pair = |field: &'static str, good: &[u8]| {
        let mut nodes = value.split(|&b| b == b'/');
        match (nodes.next(), nodes.next()) {
            (Some(local), Some(remote)) => Ok([local == good, remote == good]),
            _ => Err(BadField::new(number, field, "local/remote", value)),
        }
    };
    Ok(Some(match key {
        b"cs" => Fact::Connected(value == b"Connected"),
        b"ro" => Fact::Primary(pair("ro", b"Primary")?),
        b"ds" => Fact::UpToDate(pair("ds", b"UpToDate")?),
        _ if value.is_empty() && parse_u64(key).is_some() => Fact::Device(key),
        _ => return Ok(None),
    }))
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser = Parser::new(
    "drbd",
    |bytes| parse(bytes).for_each(eat),
    b"version: 8.4.11 (api:1/proto:86-101)\n 0: cs:Connected ro:Primary/Secondary ds:UpToDate/Inconsistent C r-----\n    ns:1612 nr:0 dw:1612 dr:2200 oos:12\n",
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::samples_of;

    #[track_caller]
    fn check(text: &str, want: &str, problems: &[&str]) {
        let (page, found) = samples_of(&ROW, &[("proc/drbd", text)], &[]);
        assert_eq!(page, want);
        assert_eq!(found, problems);
    }

    #[test]
    fn good() {
        check(
            "version: 8.4.11 (api:1/proto:86-101)\nsrcversion: 1A9F\n\n 0: cs:Unconfigured\n\n\
             12: cs:Connected ro:Secondary/Primary ds:UpToDate/DUnknown C r-----\n    ns:2 nr:3 wo:f oos:1e3 ??:4",
            "node_drbd_connected{device=\"drbd0\"} 0\n\
             node_drbd_connected{device=\"drbd12\"} 1\n\
             node_drbd_disk_state_is_up_to_date{device=\"drbd12\",node=\"local\"} 1\n\
             node_drbd_disk_state_is_up_to_date{device=\"drbd12\",node=\"remote\"} 0\n\
             node_drbd_network_received_bytes_total{device=\"drbd12\"} 3\n\
             node_drbd_network_sent_bytes_total{device=\"drbd12\"} 2048\n\
             node_drbd_node_role_is_primary{device=\"drbd12\",node=\"local\"} 0\n\
             node_drbd_node_role_is_primary{device=\"drbd12\",node=\"remote\"} 1\n\
             node_drbd_out_of_sync_bytes{device=\"drbd12\"} 1.024e+06\n",
            &[],
        );
        assert_eq!(samples_of(&ROW, &[], &[]).1, ["no data: DRBD is not loaded"]);
    }

    #[test]
    fn cut_short() {
        check("", "", &[]);
        check("dw:1", "node_drbd_disk_written_bytes_total{device=\"unknown\"} 1024\n", &[]);
        check("1: ro:Prim", "", &["proc/drbd:1: ro: expected local/remote, found \"Prim\""]);
    }

    #[test]
    fn garbage() {
        check(
            "1: ns:x ds:\u{1} al:\n2: al:7 : :: a:b:c\n",
            "node_drbd_activitylog_writes_total{device=\"drbd2\"} 7\n",
            &[
                "proc/drbd:1: ns: expected a number, found \"x\"",
                "proc/drbd:1: ds: expected local/remote, found \"\\u{1}\"",
                "proc/drbd:1: al: expected a number, found \"\"",
            ],
        );
    }
}
