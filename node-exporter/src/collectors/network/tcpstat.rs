//! TCP sockets by state, and what waits in their queues, from netlink (sock_diag).
//!
//! * Source: kernel include/uapi/linux/inet_diag.h; IPv4 and IPv6 together, of the network namespace of the exporter.
//! * Units: sockets; bytes under `rx_queued_bytes` and `tx_queued_bytes`, to which listening sockets add, as in the Go
//!   exporter, the connections that wait to be accepted and the number of those that may.
//! * Absent when: the kernel has no tcp_diag, or a seccomp filter forbids it: an error. A state that no socket is in has
//!   no series, as in the Go exporter, and without a single socket there is none at all.
//! * Differs from the Go exporter: the details of each connection are not asked for, which is most of the work.

use std::path::PathBuf;

use common::collector::{Collector, Row, Scrape};
use common::error::CollectError;
use common::exposition::{Desc, Page};
use common::fuzzing::{Parser, eat};

use crate::fs::proc_path;
use crate::kernel::netlink::{Message, Netlink, u32_at};

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row::off("tcpstat", "TCP sockets by state, netlink", &[], |args| {
    Ok(Box::new(Tcpstat { netlink: Netlink::sock_diag(), tcp6: proc_path(args, "net/tcp6") }))
});

const STATES: Desc = Desc::gauge(
    "node_tcp_connection_states",
    "TCP sockets in each state, and bytes in the queues of all of them.",
    &["state"],
);

/// The states in the order of the page, with the kernel's numbers (include/net/tcp_states.h).
const NAMES: [(&str, u8); 11] = [
    ("close", 7),
    ("close_wait", 8),
    ("closing", 11),
    ("established", 1),
    ("fin_wait1", 4),
    ("fin_wait2", 5),
    ("last_ack", 9),
    ("listen", 10),
    ("syn_recv", 3),
    ("syn_sent", 2),
    ("time_wait", 6),
];

struct Tcpstat {
    netlink: Netlink,
    /// Is there when the kernel speaks IPv6.
    tcp6: PathBuf,
}

impl Collector for Tcpstat {
    fn update(&mut self, _cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let mut sums = Sums::default();
        let families = if self.tcp6.exists() { &[libc::AF_INET, libc::AF_INET6][..] } else { &[libc::AF_INET] };
        for &family in families {
            self.netlink.dump(SOCK_DIAG_BY_FAMILY, &request(family), |message| sums.add(message))?;
        }
        sums.write(page);
        Ok(())
    }
}

const SOCK_DIAG_BY_FAMILY: u16 = 20;

/// `struct inet_diag_req_v2`: all TCP sockets of a family, without details.
fn request(family: i32) -> [u8; 56] {
    /// A bit for each state; the highest is that of `closing`.
    const ALL_STATES: u32 = 0xfff;
    let mut request = [0; 56];
    let head = [family as u8, libc::IPPROTO_TCP as u8, 0, 0];
    for (to, from) in request.iter_mut().zip(head.into_iter().chain(ALL_STATES.to_ne_bytes())) {
        *to = from;
    }
    request
}

#[derive(Debug, Default, PartialEq)]
struct Sums {
    states: [u64; NAMES.len()],
    unknown: u64,
    received: u64,
    sent: u64,
}

impl Sums {
    fn add(&mut self, message: Message<'_>) {
        if message.kind == SOCK_DIAG_BY_FAMILY
            && let Some(socket) = parse(message.body)
        {
            self.count(socket);
        }
    }

    fn count(&mut self, socket: Socket) {
        let named = self.states.iter_mut().zip(NAMES).find(|(_, (_, number))| *number == socket.state);
        *named.map_or(&mut self.unknown, |(count, _)| count) += 1;
        self.received += u64::from(socket.received);
        self.sent += u64::from(socket.sent);
    }

    fn write(&self, page: &mut Page) {
        let add = |name: &str, n: u64, page: &mut Page| page.sample(&STATES, &[name], n as f64);
        let any = self.unknown > 0 || self.states.iter().any(|count| *count > 0);
        for ((name, _), count) in NAMES.iter().zip(self.states) {
            if *name == "syn_recv" && any {
                add("rx_queued_bytes", self.received, page);
            }
            if count > 0 {
                add(name, count, page);
            }
        }
        if any {
            add("tx_queued_bytes", self.sent, page);
        }
        if self.unknown > 0 {
            add("unknown", self.unknown, page);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Socket {
    state: u8,
    /// Bytes in the queues.
    received: u32,
    sent: u32,
}

/// Reads `struct inet_diag_msg`.
fn parse(body: &[u8]) -> Option<Socket> {
    const LENGTH: usize = 72;
    body.get(..LENGTH)?;
    Some(Socket { state: *body.get(1)?, received: u32_at(body, 56)?, sent: u32_at(body, 60)? })
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser = Parser::new(
    "sock_diag",
    |bytes| eat(parse(bytes)),
    b"\x02\x0a\0\0\0\x50\0\0\x7f\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02\0\0\0\0\x10\0\0\0\0\0\0\x39\x30\0\0",
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::{Rig, samples_of, text_of};

    fn message(state: u8, received: u32, sent: u32) -> Vec<u8> {
        let mut body = vec![2, state, 0, 0];
        body.extend_from_slice(&[0xff; 52]);
        body.extend_from_slice(&received.to_ne_bytes());
        body.extend_from_slice(&sent.to_ne_bytes());
        body.extend_from_slice(&[0; 8]);
        body
    }

    #[test]
    fn sockets() {
        let body = message(1, 7, u32::MAX);
        assert_eq!(parse(&body), Some(Socket { state: 1, received: 7, sent: u32::MAX }));
        assert_eq!(parse(&[&body[..], &[1, 2, 3]].concat()), parse(&body), "attributes follow");
        for end in 0..body.len() {
            assert_eq!(parse(&body[..end]), None, "{end}");
        }
        assert_eq!(parse(&[0xff; 80]).map(|socket| socket.state), Some(0xff));
    }

    #[test]
    fn sums() {
        let mut sums = Sums::default();
        for (state, received, sent) in
            [(1, 1, u32::MAX), (1, 0, u32::MAX), (10, 2, 0), (6, 0, 0), (12, 0, 0), (0, 0, 0)]
        {
            sums.count(parse(&message(state, received, sent)).unwrap());
        }
        let mut page = Page::default();
        sums.write(&mut page);
        page.finish();
        let lines = [
            "established 2",
            "listen 1",
            "rx_queued_bytes 3",
            "time_wait 1",
            "tx_queued_bytes 8.58993459e+09",
            "unknown 2",
        ];
        let want = lines.map(|line| {
            let (state, n) = line.split_once(' ').unwrap();
            format!("node_tcp_connection_states{{state=\"{state}\"}} {n}\n")
        });
        assert_eq!(samples_of(&text_of(&page)), want.concat());
        let mut page = Page::default();
        Sums::default().write(&mut page);
        page.finish();
        assert_eq!(text_of(&page), "", "no socket at all");
    }

    #[test]
    fn the_sockets_of_this_machine() {
        let listen = |rig: &mut Rig| {
            let samples = rig.samples();
            let line =
                samples.lines().find_map(|line| line.strip_prefix("node_tcp_connection_states{state=\"listen\"} "));
            line.unwrap_or_else(|| panic!("{samples}")).parse::<u32>().unwrap()
        };
        let _v4 = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut v4 = Rig::new(&ROW, &[], &[]);
        assert!(listen(&mut v4) >= 1);
        let mut both = Rig::new(&ROW, &[("proc/net/tcp6", "")], &[]);
        let Ok(_v6) = std::net::TcpListener::bind("[::1]:0") else { return };
        assert!(listen(&mut both) >= 2);
        assert!(listen(&mut both) >= 2, "the socket is kept");
    }
}
