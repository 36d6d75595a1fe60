//! Sockets in use, from `/proc/net/sockstat` and `/proc/net/sockstat6`.
//!
//! * Source: kernel net/ipv4/proc.c, `sockstat_seq_show`; a line per protocol.
//! * Units: sockets; `mem` counts pages (exported again in bytes), `memory` bytes.
//! * Absent when: the kernel lacks IPv4 or IPv6 (no such file): no samples, no error.
//! * Differs from the Go exporter: a malformed line costs its protocol alone; `inuse` and the sockets in use are left
//!   out, not 0, when the file does not have them.

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError};
use common::exposition::{Desc, Page};
use common::fields::{Words, lines, parse_i64};
use common::fuzzing::{Parser, eat};

use crate::fs::KeptFile;

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::on("sockstat", "sockets in use, /proc/net/sockstat and sockstat6", &[], |args| {
        let file = |rel| KeptFile::of_proc(args, rel).in_one_piece();
        Ok(Box::new(Sockstat {
            v4: file("net/sockstat"),
            v6: file("net/sockstat6"),
            page_bytes: rustix::param::page_size() as f64,
            names: Names::default(),
        }))
    });

const USED: Desc = Desc::gauge("node_sockstat_sockets_used", "Sockets in use, of all protocols.", &[]);

/// Keys that are exported, as the file has them, and what they count.
const KEYS: &[(&[u8], &str)] = &[
    (b"inuse", "Sockets in use"),
    (b"orphan", "Sockets no process holds any more"),
    (b"tw", "Sockets in TIME_WAIT"),
    (b"alloc", "Sockets that are allocated"),
    (b"mem", "Pages of memory that sockets take"),
    (b"memory", "Bytes of memory that fragments take"),
];

struct Sockstat {
    v4: KeptFile,
    v6: KeptFile,
    page_bytes: f64,
    names: Names,
}

impl Collector for Sockstat {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        for (file, has_total) in [(&mut self.v4, true), (&mut self.v6, false)] {
            let text = match file.read_if_present() {
                Ok(Some(text)) => text,
                Ok(None) => continue,
                Err(e) => {
                    cx.fault(e);
                    continue;
                }
            };
            let mut bad_lines = Vec::new(); // of a Vec that stays empty: no allocation
            for (number, line) in lines(text) {
                match parse(number, line) {
                    Ok(protocol) if protocol.name == b"sockets" => {
                        if let Some(used) = protocol.used.filter(|_| has_total) {
                            page.sample::<&str>(&USED, &[], used as f64);
                        }
                    }
                    Ok(protocol) => self.names.encode(&protocol, self.page_bytes, page),
                    Err(bad) => bad_lines.push(bad),
                }
            }
            for bad in bad_lines {
                cx.fault(bad.in_file(file.path()));
            }
        }
        Ok(())
    }
}

/// One line: the protocol, and the values of [`KEYS`].
#[derive(Debug, Default, PartialEq)]
struct Protocol<'t> {
    name: &'t [u8],
    used: Option<i64>,
    values: [Option<i64>; KEYS.len()],
}

fn parse(number: u32, line: &[u8]) -> Result<Protocol<'_>, BadField> {
    let mut words = Words::new(number, line);
    let head = words.word("protocol")?;
    let name = head.strip_suffix(b":").filter(|name| is_name(name));
    let name = name.ok_or_else(|| BadField::new(number, "protocol", "a name and a colon", head))?;
    let mut protocol = Protocol { name, ..Protocol::default() };
    loop {
        let Some(key) = words.next() else { return Ok(protocol) };
        let found = words.next().unwrap_or_default();
        let value = parse_i64(found).ok_or_else(|| BadField::new(number, "sockets", "a whole number", found))?;
        if key == b"used" {
            protocol.used = Some(value);
        }
        let known = KEYS.iter().zip(&mut protocol.values).find(|((known, _), _)| *known == key);
        if let Some((_, slot)) = known {
            *slot = Some(value);
        }
    }
}

/// Whether a protocol can be part of a metric's name.
fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.len() <= 32 && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

/// The families of the protocols seen so far, so that their names are built once.
#[derive(Default)]
struct Names(Vec<Families>);

/// Kernels know ten protocols; more than this come from a file that is none of theirs.
const MOST_PROTOCOLS: usize = 64;

struct Families {
    protocol: Vec<u8>,
    /// Name and help by [`KEYS`], and last that of `mem` in bytes.
    families: Vec<(String, String)>,
}

impl Names {
    fn encode(&mut self, protocol: &Protocol<'_>, page_bytes: f64, page: &mut Page) {
        let at = match self.0.iter().position(|known| known.protocol == protocol.name) {
            Some(at) => at,
            None if self.0.len() >= MOST_PROTOCOLS => return,
            None => {
                self.0.push(Families::new(protocol.name));
                self.0.len() - 1
            }
        };
        let Some(Families { families, .. }) = self.0.get(at) else { return };
        let bytes = KEYS.iter().position(|(key, _)| *key == b"mem").and_then(|mem| *protocol.values.get(mem)?);
        let values = protocol.values.iter().map(|value| value.map(|n| n as f64));
        let values = values.chain([bytes.map(|pages| pages as f64 * page_bytes)]);
        for ((name, help), value) in families.iter().zip(values) {
            if let Some(value) = value {
                page.sample::<&str>(&Desc::gauge(name, help, &[]), &[], value);
            }
        }
    }
}

impl Families {
    fn new(protocol: &[u8]) -> Self {
        let name = String::from_utf8_lossy(protocol);
        let family = |key: &[u8], what: &str| {
            let key = String::from_utf8_lossy(key);
            (format!("node_sockstat_{name}_{key}"), format!("{what}, protocol {name}."))
        };
        let mut families: Vec<_> = KEYS.iter().map(|(key, what)| family(key, what)).collect();
        families.push(family(b"mem_bytes", "Bytes of memory that sockets take"));
        Self { protocol: protocol.to_vec(), families }
    }
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser = Parser::new(
    "sockstat",
    |bytes| lines(bytes).for_each(|(number, line)| eat(parse(number, line))),
    b"sockets: used 412\nTCP: inuse 91 orphan 0 tw 12 alloc 120 mem 33\nFRAG6: inuse 0 memory 0\n",
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::samples_of;

    #[test]
    fn good() {
        let tree = [
            (
                "proc/net/sockstat",
                "sockets: used 229\nTCP: inuse 4 orphan 0 tw 4 alloc 17 mem 3 new 9\nFRAG: inuse 0 memory 5\n",
            ),
            ("proc/net/sockstat6", "TCP6: inuse 17\n"),
        ];
        let want = format!(
            "node_sockstat_FRAG_inuse 0\nnode_sockstat_FRAG_memory 5\nnode_sockstat_TCP6_inuse 17\n\
             node_sockstat_TCP_alloc 17\nnode_sockstat_TCP_inuse 4\nnode_sockstat_TCP_mem 3\n\
             node_sockstat_TCP_mem_bytes {}\nnode_sockstat_TCP_orphan 0\nnode_sockstat_TCP_tw 4\n\
             node_sockstat_sockets_used 229\n",
            3 * rustix::param::page_size()
        );
        assert_eq!(samples_of(&ROW, &tree, &[]), (want, vec![]));
        assert_eq!(samples_of(&ROW, &[], &[]), (String::new(), vec![]));
    }

    #[test]
    fn a_bad_line_costs_itself() {
        let text = "sockets: used x\nUDP: inuse 1 mem\nTCP inuse 4\n\nRAW: inuse 3";
        let (page, errors) = samples_of(&ROW, &[("proc/net/sockstat", text)], &[]);
        assert_eq!(page, "node_sockstat_RAW_inuse 3\n");
        let want = [
            "proc/net/sockstat:1: sockets: expected a whole number, found \"x\"",
            "proc/net/sockstat:2: sockets: expected a whole number, found \"\"",
            "proc/net/sockstat:3: protocol: expected a name and a colon, found \"TCP\"",
            "proc/net/sockstat:4: protocol: expected a word, found \"\"",
        ];
        assert_eq!(errors, want);
    }

    #[test]
    fn garbage() {
        for bad in [&b"\xff\xfe: inuse 1"[..], b":", b"TCP: inuse 99999999999999999999", b"a{b=\"c\"}: inuse 1"] {
            assert!(parse(1, bad).is_err(), "{bad:?}");
        }
    }
}
