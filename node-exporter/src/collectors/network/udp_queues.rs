//! Bytes waiting in the queues of all UDP sockets, from `/proc/net/udp` and `/proc/net/udp6`.
//!
//! * Source: kernel Documentation/networking/proc_net_tcp.rst (the columns are the same), net/ipv4/udp.c.
//! * Units: bytes.
//! * Absent when: the kernel lacks UDP or IPv6 (no such file): no data if both are missing.
//! * Differs from the Go exporter: a malformed line costs the sums of its file, not those of the other.

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError};
use common::exposition::{Desc, Page};
use common::fields::{Words, lines, parse_hex};
use common::fuzzing::{Parser, eat};

use crate::fs::KeptFile;

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::on("udp_queues", "bytes queued in UDP sockets, /proc/net/udp and udp6", &[], |args| {
        let file = |rel| KeptFile::of_proc(args, rel).in_lines(LONGEST_LINE);
        Ok(Box::new(UdpQueues { files: [("v4", file("net/udp")), ("v6", file("net/udp6"))] }))
    });

const QUEUES: Desc =
    Desc::gauge("node_udp_queues", "Bytes waiting in the queues of all UDP sockets.", &["ip", "queue"]);

/// The kernel pads IPv4's to 127 bytes; IPv6's have some 60 more.
const LONGEST_LINE: usize = 256;

struct UdpQueues {
    files: [(&'static str, KeptFile); 2],
}

impl Collector for UdpQueues {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let mut none = true;
        for (ip, file) in &mut self.files {
            let parsed = match file.read_if_present() {
                Ok(Some(text)) => parse(text),
                Ok(None) => continue,
                Err(e) => {
                    none = false;
                    cx.fault(e);
                    continue;
                }
            };
            none = false;
            if let Some(queues) = cx.ok(parsed.map_err(|bad| bad.in_file(file.path()))) {
                page.sample(&QUEUES, &[*ip, "rx"], queues.rx as f64);
                page.sample(&QUEUES, &[*ip, "tx"], queues.tx as f64);
            }
        }
        if none { Err(CollectError::no_data("this kernel has neither udp nor udp6")) } else { Ok(()) }
    }
}

#[derive(Debug, Default, PartialEq)]
struct Queues {
    tx: u64,
    rx: u64,
}

/// Columns the kernel has printed since 2.6.27; the first five are those that are read.
const COLUMNS: usize = 13;

fn parse(text: &[u8]) -> Result<Queues, BadField> {
    let mut sums = Queues::default();
    for (number, line) in lines(text).skip(1) {
        let mut words = Words::new(number, line);
        let queues = words.nth(4).unwrap_or_default();
        let bad = || BadField::new(number, "tx_queue:rx_queue", "two hexadecimal numbers", queues);
        let colon = queues.iter().position(|&b| b == b':').ok_or_else(bad)?;
        let (tx, rx) = queues.split_at(colon);
        let tx = parse_hex(tx).ok_or_else(bad)?;
        let rx = rx.strip_prefix(b":").and_then(parse_hex).ok_or_else(bad)?;
        if words.count() < COLUMNS - 5 {
            return Err(BadField::new(number, "columns", "13 words", line));
        }
        sums.tx = sums.tx.wrapping_add(tx);
        sums.rx = sums.rx.wrapping_add(rx);
    }
    Ok(sums)
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser =
    Parser::new("udp", |bytes| eat(parse(bytes)), b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt\n  611: 0100007F:0143 00000000:0000 07 00000010:00000A00 00:00000000 00000000   101        0 19002 2 0000000000000000 7\n");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::samples_of;

    const HEAD: &str = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout \
        inode ref pointer drops            \n";

    fn socket(queues: &str) -> String {
        format!(
            "  411: 0100007F:0143 00000000:0000 07 {queues} 00:00000000 00000000     0        0 8081 2 \
             0000000000000000 0         \n"
        )
    }

    #[test]
    fn good() {
        let v4 = format!("{HEAD}{}{}", socket("00000010:00000100"), socket("00000001:00000002"));
        let want = |ip: &str, rx: u32, tx: u32| {
            format!(
                "node_udp_queues{{ip=\"{ip}\",queue=\"rx\"}} {rx}\nnode_udp_queues{{ip=\"{ip}\",queue=\"tx\"}} {tx}\n"
            )
        };
        assert_eq!(samples_of(&ROW, &[("proc/net/udp", &v4)], &[]), (want("v4", 258, 17), vec![]));
        let both = [("proc/net/udp", HEAD), ("proc/net/udp6", &v4)];
        assert_eq!(samples_of(&ROW, &both, &[]), (want("v4", 0, 0) + &want("v6", 258, 17), vec![]));
        assert_eq!(samples_of(&ROW, &[], &[]).1, ["no data: this kernel has neither udp nor udp6"]);
    }

    #[test]
    fn a_bad_file_costs_itself() {
        let bad = format!("{HEAD}{}", socket("00000010"));
        let (page, errors) = samples_of(&ROW, &[("proc/net/udp", &bad), ("proc/net/udp6", HEAD)], &[]);
        assert_eq!(page.lines().count(), 2);
        assert!(errors[0].ends_with("2: tx_queue:rx_queue: expected two hexadecimal numbers, found \"00000010\""));
    }

    #[test]
    fn cut_short_and_garbage() {
        let whole = socket("00000010:00000100");
        assert_eq!(parse(b""), Ok(Queues::default()));
        assert!(parse(format!("{HEAD}{}", &whole[..60]).as_bytes()).unwrap_err().to_string().starts_with("2: columns"));
        assert!(parse(format!("{HEAD}{}", &whole[..40]).as_bytes()).is_err());
        assert!(parse(b"\n\xff\x00 : : : :\n").is_err());
        assert!(parse(b"\n\n").is_err());
    }
}
