//! Ports of Fibre Channel adapters from `/sys/class/fc_host`.
//!
//! * Source: kernel drivers/scsi/scsi_transport_fc.c; struct `fc_host_statistics` in include/scsi/scsi_transport_fc.h.
//! * Units: frames, words, seconds and events, in hexadecimal; 2^64-1 is what a driver does not count.
//! * Absent when: the machine has no such adapter: no data.
//! * Differs from the Go exporter: a counter that a driver does not have is left out, which ends the program there; a file
//!   that is no number costs itself alone.

use std::path::Path;

use common::collector::{Collector, Row, Scrape};
use common::error::CollectError;
use common::exposition::{Desc, Page};
use common::fields::{parse_hex, parse_u64};
use common::fuzzing::{Parser, eat};

use crate::fs::{Attr, Devices, EntryKind, KeptAttr, is_silence, sys_path};

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::on("fibrechannel", "Fibre Channel ports, /sys/class/fc_host", &[], |args| {
        Ok(Box::new(Fibrechannel { ports: Devices::new(sys_path(args, "class/fc_host")) }))
    });

const INFO: Desc = Desc::gauge(
    "node_fibrechannel_info",
    "Always 1; the labels give what the port is, where it is attached and the state it is in.",
    &[
        "dev_loss_tmo",
        "fabric_name",
        "fc_host",
        "port_id",
        "port_name",
        "port_state",
        "port_type",
        "speed",
        "supported_classes",
        "supported_speeds",
        "symbolic_name",
    ],
);

/// The files of the labels other than the port's own name, in their order.
const LABELS: [&str; 10] = [
    "dev_loss_tmo",
    "fabric_name",
    "port_id",
    "port_name",
    "port_state",
    "port_type",
    "speed",
    "supported_classes",
    "supported_speeds",
    "symbolic_name",
];

const fn counter(file: &'static str, name: &'static str, help: &'static str) -> (&'static str, Desc<'static>) {
    (file, Desc::counter(name, help, &["fc_host"]))
}

/// Files below `statistics` and their families.
#[rustfmt::skip] // One counter, one line: this is a table.
static COUNTERS: [(&str, Desc<'static>); 14] = [
    counter("dumped_frames", "node_fibrechannel_dumped_frames_total", "Frames that the port threw away."),
    counter("error_frames", "node_fibrechannel_error_frames_total", "Frames that arrived with an error."),
    counter("fcp_packet_aborts", "node_fibrechannel_fcp_packet_aborts_total", "SCSI exchanges that were given up."),
    counter("invalid_crc_count", "node_fibrechannel_invalid_crc_total", "Frames with a wrong checksum."),
    counter("invalid_tx_word_count", "node_fibrechannel_invalid_tx_words_total", "Transmission words that were not valid."),
    counter("link_failure_count", "node_fibrechannel_link_failure_total", "Times that the link failed."),
    counter("loss_of_signal_count", "node_fibrechannel_loss_of_signal_total", "Times that there was no signal."),
    counter("loss_of_sync_count", "node_fibrechannel_loss_of_sync_total", "Times that synchronisation was lost."),
    counter("nos_count", "node_fibrechannel_nos_total", "Not-operational sequences on the link."),
    counter("rx_frames", "node_fibrechannel_rx_frames_total", "Frames received."),
    counter("rx_words", "node_fibrechannel_rx_words_total", "Words received."),
    counter("seconds_since_last_reset", "node_fibrechannel_seconds_since_last_reset_total", "Seconds since the counters were reset."),
    counter("tx_frames", "node_fibrechannel_tx_frames_total", "Frames sent."),
    counter("tx_words", "node_fibrechannel_tx_words_total", "Words sent."),
];

struct Fibrechannel {
    ports: Devices<Port>,
}

struct Port {
    labels: [KeptAttr; LABELS.len()],
    counters: [KeptAttr; COUNTERS.len()],
}

impl Collector for Fibrechannel {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        if let Err(e) = self.ports.refresh(|_, kind| kind != EntryKind::File, |path, _| Port::new(path)) {
            let e = CollectError::io(self.ports.path(), e);
            return Err(e.absent_is_no_data("there are no Fibre Channel adapters"));
        }
        for (host, port) in self.ports.known_mut() {
            port.update(host, cx, page);
        }
        Ok(())
    }
}

impl Port {
    fn new(path: &Path) -> Self {
        Self {
            labels: LABELS.map(|file| KeptAttr::new(path.join(file))),
            counters: COUNTERS.each_ref().map(|(file, _)| KeptAttr::new(path.join("statistics").join(file))),
        }
    }

    fn update(&mut self, host: &[u8], cx: &mut Scrape, page: &mut Page) {
        let labels = self.labels.each_mut().map(|file| match file.read() {
            Ok(text) => Some(text),
            Err(e) => {
                // What a driver does not tell is an empty label.
                if !is_silence(&e) {
                    cx.fault(CollectError::io(file.path(), e));
                }
                None
            }
        });
        // A port that went away since it was listed tells nothing.
        if labels.iter().all(Option::is_none) {
            return;
        }
        let [dev_loss_tmo, fabric, id, name, state, kind, speed, classes, speeds, symbolic] =
            labels.each_ref().map(|label| label.as_ref().map_or(&b""[..], Attr::text));
        let [fabric, id, name] = [fabric, id, name].map(without_prefix);
        let values: [&[u8]; 11] = [dev_loss_tmo, fabric, host, id, name, state, kind, speed, classes, speeds, symbolic];
        page.sample(&INFO, &values, 1.0);
        for (file, (_, desc)) in self.counters.iter_mut().zip(&COUNTERS) {
            match file.read() {
                Ok(text) => {
                    let n = cx.ok(text.number(file.path(), "frames, words, seconds or events", number));
                    if let Some(n) = n.filter(|&n| n != u64::MAX) {
                        page.sample(desc, &[host], n as f64);
                    }
                }
                Err(e) if is_silence(&e) => {}
                Err(e) => cx.fault(CollectError::io(file.path(), e)),
            }
        }
    }
}

fn without_prefix(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"0x").unwrap_or(text)
}

fn number(text: &[u8]) -> Option<u64> {
    match text.strip_prefix(b"0x").or(text.strip_prefix(b"0X")) {
        Some(digits) => parse_hex(digits),
        None => parse_u64(text),
    }
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser =
    Parser::new("fibre channel counter", |bytes| eat((number(bytes), without_prefix(bytes))), b"0x1f4000b8");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    #[test]
    fn numbers() {
        for (text, want) in [("0x0", 0), ("0x1F", 31), ("12", 12), ("0xffffffffffffffff", u64::MAX)] {
            assert_eq!(number(text.as_bytes()), Some(want), "{text}");
        }
        for bad in ["", "0x", "0x+1", "-1", "1f", "0x10000000000000000", "0xg"] {
            assert_eq!(number(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn what_a_driver_does_not_count_is_left_out() {
        let tree = [
            ("sys/class/fc_host/host3/port_id", "0x010300\n"),
            ("sys/class/fc_host/host3/port_name", "0x21000024ff7e3c0a\n"),
            ("sys/class/fc_host/host3/port_state", "Online\n"),
            ("sys/class/fc_host/host3/symbolic_name", " \"a\\b\" \n"),
            ("sys/class/fc_host/host3/speed/", ""),
            ("sys/class/fc_host/host3/statistics/rx_frames", "0x3e8\n"),
            ("sys/class/fc_host/host3/statistics/tx_frames", "0xffffffffffffffff\n"),
            ("sys/class/fc_host/host3/statistics/nos_count", "none\n"),
        ];
        let want = "node_fibrechannel_info{dev_loss_tmo=\"\",fabric_name=\"\",fc_host=\"host3\",port_id=\"010300\",\
                    port_name=\"21000024ff7e3c0a\",port_state=\"Online\",port_type=\"\",speed=\"\",supported_classes=\"\",\
                    supported_speeds=\"\",symbolic_name=\"\\\"a\\\\b\\\"\"} 1\n\
                    node_fibrechannel_rx_frames_total{fc_host=\"host3\"} 1000\n\
                    ! sys/class/fc_host/host3/speed: Is a directory (os error 21)\n\
                    ! sys/class/fc_host/host3/statistics/nos_count:1: frames, words, seconds or events: expected a whole number, found \"none\"\n";
        let mut rig = Rig::new(&ROW, &tree, &[]);
        assert_eq!(rig.samples(), want);
        rig.remove("sys/class/fc_host");
        assert_eq!(rig.samples(), "! no data: there are no Fibre Channel adapters\n");
    }
}
