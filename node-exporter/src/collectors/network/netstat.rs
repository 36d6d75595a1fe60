//! Protocol counters from `/proc/net/netstat`, `/proc/net/snmp` and `/proc/net/snmp6`.
//!
//! * Source: kernel Documentation/networking/snmp_counter.rst. The first two files have a line of names and a line of
//!   values per protocol, the third a name and a value per line.
//! * Units: as the kernel counts; the type is untyped, because a few (`CurrEstab`, `Forwarding`) are not counters.
//! * Absent when: `snmp6` is, without IPv6: no samples, no error. The other two are always there.
//! * Differs from the Go exporter: a missing file or a malformed line costs itself alone, and fields that are not
//!   selected are not looked at.

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError};
use common::exposition::{Desc, Page};
use common::fields::{Words, lines, parse_f64};
use common::filter::Filter;
use common::flags::Flag;
use common::process::Octets;

use crate::fs::KeptFile;

const FLAGS: &[Flag] = &[Flag::text(
    "collector.netstat.fields",
    "^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)|TcpExt_(Listen.*|\
     Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)|Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|\
     PassiveOpens|RetransSegs|CurrEstab)|Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$",
    "Fields to export, as a pattern for <protocol>_<name>.",
)];

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::on("netstat", "protocol counters, /proc/net/netstat, snmp and snmp6", FLAGS, |args| {
        let file = |rel| KeptFile::of_proc(args, rel).in_one_piece();
        Ok(Box::new(Netstat {
            fields: Filter::from_args(args, "collector.netstat.fields", "")?,
            tables: [Table::new(file("net/netstat")), Table::new(file("net/snmp"))],
            own: args.text("path.procfs") == "/proc",
            snmp6: List { file: file("net/snmp6"), names: Vec::new() },
        }))
    });

struct Netstat {
    fields: Filter,
    /// Whether the tables are those of the network namespace of this process.
    own: bool,
    tables: [Table; 2],
    snmp6: List,
}

impl Collector for Netstat {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        for table in &mut self.tables {
            let octets = table.gather(&mut self.fields, cx, page);
            if let Some(octets) = octets.filter(|_| self.own) {
                octets.tell();
            }
        }
        self.snmp6.gather(&mut self.fields, cx, page);
        Ok(())
    }
}

/// A field that is exported; name and help of its family are built once.
struct Family {
    name: String,
    help: String,
}

impl Family {
    /// The family of a field; `None` if it is not selected, or its name cannot be that of a metric.
    fn of(protocol: &[u8], field: &[u8], fields: &mut Filter) -> Option<Self> {
        let full = [protocol, b"_", field].concat();
        let is_name = full.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_') && full.len() <= 256;
        if !is_name || !fields.judges(&full) {
            return None;
        }
        let (protocol, field) = (String::from_utf8_lossy(protocol), String::from_utf8_lossy(field));
        Some(Self {
            name: format!("node_netstat_{protocol}_{field}"),
            help: format!("Kernel counter {field} of protocol {protocol}."),
        })
    }

    fn sample(&self, number: u32, found: &[u8], page: &mut Page) -> Result<(), BadField> {
        let value = parse_f64(found).ok_or_else(|| BadField::new(number, "counter", "a number", found))?;
        page.sample::<&str>(&Desc::untyped(&self.name, &self.help, &[]), &[], value);
        Ok(())
    }
}

/// A file of pairs of lines: names, then values.
struct Table {
    file: KeptFile,
    layouts: Vec<Layout>,
}

/// What is exported of a pair of lines, as long as its line of names stays as it is.
struct Layout {
    names: Vec<u8>,
    n_words: usize,
    /// Position among the words, the protocol being 0.
    selected: Vec<(usize, Family)>,
    /// Positions of what [`Octets`] has: received, sent.
    octets: [Option<usize>; 2],
}

impl Layout {
    fn new(names: &[u8], fields: &mut Filter) -> Self {
        let mut words = Words::of(names);
        let protocol = words.next().and_then(|word| word.strip_suffix(b":")).unwrap_or_default();
        let mut n_words = 1;
        let mut selected = Vec::new();
        for (at, field) in (1..).zip(words) {
            n_words += 1;
            if !protocol.is_empty() {
                selected.extend(Family::of(protocol, field, fields).map(|family| (at, family)));
            }
        }
        let at = |name: &[u8]| Words::of(names).position(|word| word == name).filter(|_| protocol == b"IpExt");
        Self { names: names.to_vec(), n_words, selected, octets: [at(b"InOctets"), at(b"OutOctets")] }
    }

    fn encode(&self, number: u32, values: &[u8], cx: &mut Vec<BadField>, page: &mut Page) {
        let mut selected = self.selected.iter();
        let mut next = selected.next();
        let same = Words::of(values).next() == Words::of(&self.names).next();
        if !same || Words::of(values).count() != self.n_words {
            return cx.push(BadField::new(number, "counters", "a value for each name", values));
        }
        for (position, word) in Words::of(values).enumerate() {
            if let Some((at, family)) = next
                && *at == position
            {
                if let Err(bad) = family.sample(number, word, page) {
                    cx.push(bad);
                }
                next = selected.next();
            }
        }
    }

    fn octets(&self, values: &[u8]) -> Option<Octets> {
        let [received, sent] = self.octets.map(|at| parse_f64(Words::of(values).nth(at?)?));
        Some(Octets { received: received?, sent: sent? })
    }
}

impl Table {
    fn new(file: KeptFile) -> Self {
        Self { file, layouts: Vec::new() }
    }

    /// Gives the traffic of the IP layer if this is the table that has it.
    fn gather(&mut self, fields: &mut Filter, cx: &mut Scrape, page: &mut Page) -> Option<Octets> {
        let mut octets = None;
        let text = match self.file.read() {
            Ok(text) => text,
            Err(e) => {
                cx.fault(e);
                return None;
            }
        };
        let mut bad_fields = Vec::new(); // of a Vec that stays empty: no allocation
        let mut all = lines(text);
        let mut n_pairs = 0;
        while let Some((number, names)) = all.next() {
            let values = all.next().map_or(&b""[..], |(_, values)| values);
            let mut fresh = || Layout::new(names, fields);
            match self.layouts.get_mut(n_pairs) {
                Some(layout) if layout.names == names => {}
                Some(layout) => *layout = fresh(),
                None => self.layouts.push(fresh()),
            }
            if let Some(layout) = self.layouts.get(n_pairs) {
                layout.encode(number + 1, values, &mut bad_fields, page);
                octets = octets.or_else(|| layout.octets(values));
            }
            n_pairs += 1;
        }
        drop(all);
        self.layouts.truncate(n_pairs);
        for bad in bad_fields {
            cx.fault(bad.in_file(self.file.path()));
        }
        octets
    }
}

/// A file of lines with a name and a value each.
struct List {
    file: KeptFile,
    /// The names in the order of the file, and their families if they are exported.
    names: Vec<(Vec<u8>, Option<Family>)>,
}

impl List {
    fn gather(&mut self, fields: &mut Filter, cx: &mut Scrape, page: &mut Page) {
        let text = match self.file.read_if_present() {
            Ok(Some(text)) => text,
            Ok(None) => return,
            Err(e) => return cx.fault(e),
        };
        let mut bad_fields = Vec::new(); // of a Vec that stays empty: no allocation
        let mut n_names = 0;
        for (number, line) in lines(text) {
            let mut words = Words::new(number, line);
            let (Some(name), Some(value)) = (words.next(), words.next()) else { continue };
            match self.names.get_mut(n_names) {
                Some((known, _)) if known == name => {}
                // ICMP types turn up as they are first seen: names after the new one are found one step later.
                _ => {
                    let at = self.names.iter().skip(n_names).position(|(known, _)| known == name);
                    match at {
                        Some(at) => drop(self.names.drain(n_names..n_names + at)),
                        None => self.names.insert(n_names, (name.to_vec(), family_of(name, fields))),
                    }
                }
            }
            if let Some((_, Some(family))) = self.names.get(n_names)
                && let Err(bad) = family.sample(number, value, page)
            {
                bad_fields.push(bad);
            }
            n_names += 1;
        }
        self.names.truncate(n_names);
        for bad in bad_fields {
            cx.fault(bad.in_file(self.file.path()));
        }
    }
}

/// `Ip6InOctets` is field `InOctets` of protocol `Ip6`; a name without a 6 is of no protocol.
fn family_of(name: &[u8], fields: &mut Filter) -> Option<Family> {
    let six = name.iter().position(|&b| b == b'6')?;
    let (protocol, field) = name.split_at(six + 1);
    Family::of(protocol, field, fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;
    use crate::samples::samples_of;

    const NETSTAT: (&str, &str) = (
        "proc/net/netstat",
        "TcpExt: SyncookiesSent Other TCPTimeouts\nTcpExt: 1 x 115\nIpExt: InOctets\nIpExt: 6286396970\n",
    );
    const SNMP: (&str, &str) =
        ("proc/net/snmp", "Ip: Forwarding InReceives\nIp: 1 57740232\nTcp: MaxConn InErrs\nTcp: -1 5\n");

    #[test]
    fn good() {
        let tree =
            [NETSTAT, SNMP, ("proc/net/snmp6", "Ip6InOctets\t7\nIp6InReceives 8\nUdpLite6InErrors 9\nodd 1\nx\n")];
        let want = "node_netstat_Ip6_InOctets 7\nnode_netstat_IpExt_InOctets 6.28639697e+09\n\
            node_netstat_Ip_Forwarding 1\nnode_netstat_TcpExt_SyncookiesSent 1\nnode_netstat_TcpExt_TCPTimeouts 115\n\
            node_netstat_Tcp_InErrs 5\nnode_netstat_UdpLite6_InErrors 9\n";
        assert_eq!(samples_of(&ROW, &tree, &[]), (want.to_owned(), vec![]));
        let all = [("collector.netstat.fields", "^Tcp_")];
        assert_eq!(samples_of(&ROW, &tree, &all).0, "node_netstat_Tcp_InErrs 5\nnode_netstat_Tcp_MaxConn -1\n");
    }

    #[test]
    fn a_bad_part_costs_itself() {
        let (page, errors) = samples_of(&ROW, &[("proc/net/netstat", "TcpExt: ListenDrops\nTcpExt: 1\n")], &[]);
        assert_eq!(page, "node_netstat_TcpExt_ListenDrops 1\n");
        assert_eq!(errors, ["proc/net/snmp: No such file or directory (os error 2)"]);

        let bad = "Tcp: InErrs InSegs\nTcp: 5\nUdp: NoPorts InErrors\nUdp: x 2\nIcmp: InMsgs\n";
        let (page, errors) = samples_of(
            &ROW,
            &[("proc/net/snmp", bad), NETSTAT, ("proc/net/snmp6", "Ip6InOctets -x\n")],
            &[("collector.netstat.fields", "^(Tcp|Udp|Ip6|Icmp)_")],
        );
        assert_eq!(page, "node_netstat_Udp_InErrors 2\n");
        let want = [
            "proc/net/snmp:2: counters: expected a value for each name, found \"Tcp: 5\"",
            "proc/net/snmp:4: counter: expected a number, found \"x\"",
            "proc/net/snmp:6: counters: expected a value for each name, found \"\"",
            "proc/net/snmp6:1: counter: expected a number, found \"-x\"",
        ];
        assert_eq!(errors, want);
    }

    #[test]
    fn garbage() {
        let noise = "\u{1}\u{2} x\n\n: a\n: 1\nA{b: c\nA{b: 1\n";
        let tree = [("proc/net/netstat", noise), ("proc/net/snmp", ""), ("proc/net/snmp6", "6 1\n\u{1}6\u{2} 3\n")];
        let (page, _) = samples_of(&ROW, &tree, &[("collector.netstat.fields", "")]);
        assert_eq!(page, "node_netstat_6_ 1\n");
    }

    #[test]
    fn layouts_change() {
        let snmp6 = |text| ("proc/net/snmp6", text);
        let rig = &mut Rig::new(
            &ROW,
            &[NETSTAT, SNMP, snmp6("Ip6a 1\nIp6c 3\nIp6d 4\n")],
            &[("collector.netstat.fields", "^Ip6")],
        );
        let names = |rig: &mut Rig| rig.samples().replace("node_netstat_Ip6_", "").replace('\n', ",");
        assert_eq!(names(rig), "a 1,c 3,d 4,");
        rig.plant(&[snmp6("Ip6a 1\nIp6b 2\nIp6c 3\nIp6d 4\n")]);
        assert_eq!(names(rig), "a 1,b 2,c 3,d 4,");
        rig.plant(&[snmp6("Ip6a 1\nIp6d 4\n")]);
        assert_eq!(names(rig), "a 1,d 4,");
    }
}
