//! Load balancing in the kernel: totals of all services, and connections of each backend, from `/proc/net/ip_vs_stats`
//! and `/proc/net/ip_vs`.
//!
//! * Source: kernel net/netfilter/ipvs/ip_vs_ctl.c, ip_vs_stats_show and ip_vs_info_seq_show. Numbers of the first file,
//!   addresses and ports of the second are hexadecimal.
//! * Units: connections, packets, bytes.
//! * Absent when: ip_vs is not loaded: no data.
//! * Differs from the Go exporter: a malformed line costs its backend, or the backends of its service, not all of them;
//!   services of SCTP are services, whose backends the Go exporter adds to those of the service above.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError, ConfigError};
use common::exposition::{Desc, Page};
use common::fields::{Words, lines, parse_hex, parse_u64};
use common::flags::{Args, Flag};
use common::fuzzing::{Parser, eat};

use crate::fs::KeptFile;

const LABELS_FLAG: &str = "collector.ipvs.backend-labels";

const FLAGS: &[Flag] = &[Flag::text(
    LABELS_FLAG,
    "local_address,local_port,remote_address,remote_port,proto,local_mark",
    "Labels of the backend series, separated by commas; series that differ in others alone are added up.",
)];

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::on("ipvs", "load balancing in the kernel, /proc/net/ip_vs and ip_vs_stats", FLAGS, |args| {
        Ok(Box::new(Ipvs {
            stats: KeptFile::of_proc(args, "net/ip_vs_stats"),
            table: KeptFile::of_proc(args, "net/ip_vs"),
            labels: labels(args)?,
            backends: Backends::default(),
        }))
    });

/// Columns of the totals, in their order.
const TOTALS: [Desc; 5] = [
    Desc::counter("node_ipvs_connections_total", "Connections made through the load balancer.", &[]),
    Desc::counter("node_ipvs_incoming_packets_total", "Packets from clients to backends.", &[]),
    Desc::counter("node_ipvs_outgoing_packets_total", "Packets from backends to clients.", &[]),
    Desc::counter("node_ipvs_incoming_bytes_total", "Bytes from clients to backends.", &[]),
    Desc::counter("node_ipvs_outgoing_bytes_total", "Bytes from backends to clients.", &[]),
];

/// Columns of a backend, in their order; the flag says which labels they have.
const COLUMNS: [Desc; 3] = [
    Desc::gauge("node_ipvs_backend_weight", "Weight that the scheduler gives the backend.", &[]),
    Desc::gauge("node_ipvs_backend_connections_active", "Connections of the backend that are established.", &[]),
    Desc::gauge("node_ipvs_backend_connections_inactive", "Connections of the backend in any other state.", &[]),
];

/// The labels a backend can have, in their order on the page.
const LABELS: [(&str, Label); 6] = [
    ("local_address", |it, out| it.service.local.push_ip(out)),
    ("local_mark", |it, out| out.extend_from_slice(it.service.mark)),
    ("local_port", |it, out| it.service.local.push_port(out)),
    ("proto", |it, out| out.extend_from_slice(it.service.protocol)),
    ("remote_address", |it, out| it.remote.push_ip(out)),
    ("remote_port", |it, out| it.remote.push_port(out)),
];

/// Appends the value.
type Label = fn(&Backend<'_>, &mut Vec<u8>);

struct Ipvs {
    stats: KeptFile,
    table: KeptFile,
    /// Those of [`LABELS`] that were asked for.
    labels: Vec<(&'static str, Label)>,
    backends: Backends,
}

fn labels(args: &Args) -> Result<Vec<(&'static str, Label)>, ConfigError> {
    let asked: Vec<&str> = args.text(LABELS_FLAG).split(',').filter(|name| !name.is_empty()).collect();
    let known: Vec<&str> = LABELS.iter().map(|(name, _)| *name).collect();
    match asked.iter().find(|name| !known.contains(name)) {
        Some(name) => {
            let known = known.join(", ");
            Err(ConfigError::new(format!("--{LABELS_FLAG}: expected some of {known}, found {name:?}")))
        }
        None => Ok(LABELS.into_iter().filter(|(name, _)| asked.contains(name)).collect()),
    }
}

impl Collector for Ipvs {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let totals = match self.stats.read().map_err(|e| e.absent_is_no_data("ip_vs is not loaded")) {
            Ok(text) => parse_totals(text).map_err(|bad| bad.in_file(self.stats.path())),
            Err(e) if e.is_no_data() => return Err(e),
            Err(e) => Err(e),
        };
        if let Some(totals) = cx.ok(totals) {
            for (desc, total) in TOTALS.iter().zip(totals) {
                page.sample::<&str>(desc, &[], total as f64);
            }
        }
        self.backends.clear();
        let mut bad_fields = Vec::new(); // of a Vec that stays empty: no allocation
        for backend in parse_backends(self.table.read()?) {
            match backend {
                Ok(backend) => self.backends.add(&backend, &self.labels),
                Err(bad) => bad_fields.push(bad),
            }
        }
        for bad in bad_fields {
            cx.fault(bad.in_file(self.table.path()));
        }
        self.backends.write(&self.labels, page);
        Ok(())
    }
}

/// The sums of backends that have the same values in the labels that were asked for.
#[derive(Default)]
struct Backends {
    /// Label values, each with a NUL behind it; no value has one in it.
    text: Vec<u8>,
    /// Where the values of one series stand in `text`, and its figures.
    series: Vec<(std::ops::Range<usize>, [f64; 3])>,
}

impl Backends {
    fn clear(&mut self) {
        self.text.clear();
        self.series.clear();
    }

    fn add(&mut self, backend: &Backend<'_>, labels: &[(&str, Label)]) {
        let start = self.text.len();
        for (_, push) in labels {
            push(backend, &mut self.text);
            self.text.push(0);
        }
        self.series.push((start..self.text.len(), backend.figures.map(|n| n as f64)));
    }

    fn write(&mut self, labels: &[(&'static str, Label)], page: &mut Page) {
        let Self { text, series } = self;
        let values = |range: &std::ops::Range<usize>| text.get(range.clone()).unwrap_or_default();
        series.sort_unstable_by(|(a, _), (b, _)| values(a).cmp(values(b)));
        series.dedup_by(|(range, figures), (kept, sums)| {
            let same = values(range) == values(kept);
            if same {
                sums.iter_mut().zip(figures).for_each(|(sum, n)| *sum += *n);
            }
            same
        });
        let mut keys = [""; LABELS.len()];
        keys.iter_mut().zip(labels).for_each(|(key, (name, _))| *key = name);
        let keys = keys.get(..labels.len()).unwrap_or_default();
        for (at, column) in COLUMNS.iter().enumerate() {
            let desc = Desc { labels: keys, ..*column };
            for (range, figures) in series.iter() {
                let mut row = [&b""[..]; LABELS.len()];
                row.iter_mut().zip(values(range).split(|&b| b == 0)).for_each(|(slot, value)| *slot = value);
                let row = row.get(..labels.len()).unwrap_or_default();
                page.sample(&desc, row, figures.get(at).copied().unwrap_or_default());
            }
        }
    }
}

/// The third line; what follows it are rates.
fn parse_totals(text: &[u8]) -> Result<[u64; 5], BadField> {
    let bad = |found: &[u8]| BadField::new(3, "totals", "five hexadecimal numbers", found);
    let mut all = lines(text);
    let line = all.nth(2).map_or(&b""[..], |(_, line)| line);
    // A line that is the last one may have been cut anywhere.
    if all.next().is_none() {
        return Err(bad(line));
    }
    let mut words = Words::new(3, line);
    let mut totals = [0; 5];
    for total in &mut totals {
        *total = words.next().and_then(parse_hex).ok_or_else(|| bad(line))?;
    }
    if words.next().is_some() { Err(bad(line)) } else { Ok(totals) }
}

/// One end of a connection; that of a service for marked packets is none.
#[derive(Clone, Copy, Debug, PartialEq)]
struct End {
    ip: Option<IpAddr>,
    port: u16,
}

impl End {
    fn push_ip(self, out: &mut Vec<u8>) {
        if let Some(ip) = self.ip {
            let _ = write!(out, "{ip}");
        }
    }

    fn push_port(self, out: &mut Vec<u8>) {
        out.extend_from_slice(itoa::Buffer::new().format(self.port).as_bytes());
    }

    /// `0A000001:0050`, or `[2001:0db8:0000:0000:0000:0000:0000:0001]:0050` with all digits.
    fn parse(text: &[u8]) -> Option<Self> {
        let (ip, port) = text.split_at_checked(text.len().checked_sub(5)?)?;
        let port = u16::try_from(parse_hex(port.strip_prefix(b":")?)?).ok()?;
        let ip = match ip {
            [b'[', ip @ .., b']'] if ip.len() == 39 => {
                IpAddr::from(std::str::from_utf8(ip).ok()?.parse::<Ipv6Addr>().ok()?)
            }
            ip if ip.len() == 8 => IpAddr::from(Ipv4Addr::from(u32::try_from(parse_hex(ip)?).ok()?)),
            _ => return None,
        };
        Some(Self { ip: Some(ip.to_canonical()), port })
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Service<'t> {
    protocol: &'t [u8],
    local: End,
    /// Of the packets, as the file has it; empty for a service with an address.
    mark: &'t [u8],
}

#[derive(Debug, PartialEq)]
struct Backend<'t> {
    service: Service<'t>,
    remote: End,
    /// Weight, active and inactive connections.
    figures: [u64; 3],
}

/// The backends in the order of the file. Those of a service that cannot be read are left out with it.
fn parse_backends(text: &[u8]) -> impl Iterator<Item = Result<Backend<'_>, BadField>> {
    let mut service = None;
    lines(text).filter_map(move |(number, line)| {
        let mut words = Words::new(number, line);
        let (first, second) = (words.next()?, words.next().unwrap_or_default());
        match first {
            b"IP" | b"Prot" => None,
            b"->" if second == b"RemoteAddress:Port" => None,
            b"->" => parse_backend(service?, number, second, words).map(Some).transpose(),
            protocol => {
                let parsed = parse_service(protocol, number, second);
                service = parsed.as_ref().ok().copied();
                parsed.err().map(Err)
            }
        }
    })
}

fn parse_service<'t>(protocol: &'t [u8], number: u32, local: &'t [u8]) -> Result<Service<'t>, BadField> {
    if !protocol.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(BadField::new(number, "protocol", "a name", protocol));
    }
    if protocol == b"FWM" {
        return match parse_hex(local) {
            Some(_) => Ok(Service { protocol, local: End { ip: None, port: 0 }, mark: local }),
            None => Err(BadField::new(number, "mark", "a hexadecimal number", local)),
        };
    }
    match End::parse(local) {
        Some(local) => Ok(Service { protocol, local, mark: b"" }),
        None => Err(BadField::new(number, "local address", "address:port in hexadecimal", local)),
    }
}

fn parse_backend<'t>(
    service: Service<'t>,
    number: u32,
    remote: &[u8],
    mut words: Words<'_>,
) -> Result<Backend<'t>, BadField> {
    let end = End::parse(remote);
    let remote = end.ok_or_else(|| BadField::new(number, "remote address", "address:port in hexadecimal", remote))?;
    let _forward = words.word("forward")?;
    let mut figures = [0; 3];
    for (figure, name) in figures.iter_mut().zip(["weight", "active connections", "inactive connections"]) {
        let word = words.next().unwrap_or_default();
        *figure = parse_u64(word).ok_or_else(|| BadField::new(number, name, "a whole number", word))?;
    }
    Ok(Backend { service, remote, figures })
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser = Parser::new(
    "ip_vs",
    |bytes| {
        eat(parse_totals(bytes));
        let mut backends = Backends::default();
        parse_backends(bytes).flatten().for_each(|backend| backends.add(&backend, &LABELS));
        backends.write(&LABELS, &mut Page::default());
    },
    b"IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\nTCP  0A000001:0050 rr  \n  -> 0A000102:1F90      Masq    1      12         4         \nUDP  [2001:0db8:0000:0000:0000:0000:0000:0001]:0035 rr\n  -> [2001:0db8:0000:0000:0000:0000:0000:0002]:0035      Route   1      0          3         \nFWM  0000000A rr \n  -> 0A000103:0000      Route   2      5          0         \n",
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    const STATS: &str = "   Total Incoming Outgoing         Incoming         Outgoing\n   \
        Conns  Packets  Packets            Bytes            Bytes\n\
        \u{20}    1F4     3E8        0 FFFFFFFFFFFFFFFF                A\n\n";
    const HEAD: &str = "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n  \
        -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n";

    const TOTALS: &str = "node_ipvs_connections_total 500\nnode_ipvs_incoming_bytes_total 1.8446744073709552e+19\n\
        node_ipvs_incoming_packets_total 1000\nnode_ipvs_outgoing_bytes_total 10\nnode_ipvs_outgoing_packets_total 0\n";

    #[track_caller]
    fn check(table: &str, flags: &[(&'static str, &str)], want: &str) {
        let table = format!("{HEAD}{table}");
        let tree = [("proc/net/ip_vs_stats", STATS), ("proc/net/ip_vs", table.as_str())];
        let samples = Rig::new(&ROW, &tree, flags).samples();
        let backends = samples.lines().filter(|line| !TOTALS.contains(line));
        let backends: Vec<String> = backends.map(|line| line.replace("node_ipvs_backend_", "")).collect();
        assert_eq!(backends, want.lines().collect::<Vec<_>>());
        assert!(samples.contains(TOTALS), "{samples}");
    }

    const TABLE: &str = "TCP  0A000001:0050 rr  \n  -> 0A000102:1F90      Masq    1      12         4         \n  \
        -> 0A000103:1F90      Masq    3      100        40\r\n\
        SCTP [2001:0DB8:0000:0000:0000:0000:0000:0001]:0035 wlc persistent 3\n  \
        -> [0000:0000:0000:0000:0000:FFFF:0A00:0001]:0035      Route   1      0          5         \n\
        FWM  0000000A rr \n  -> 0A000103:0000      Route   2      7          0";

    #[test]
    fn services_and_backends() {
        let labels = |local: &str, mark: &str, port: u16, proto: &str, remote: &str, remote_port: u16| {
            format!(
                "local_address=\"{local}\",local_mark=\"{mark}\",local_port=\"{port}\",proto=\"{proto}\",\
                 remote_address=\"{remote}\",remote_port=\"{remote_port}\""
            )
        };
        let series = [
            (labels("", "0000000A", 0, "FWM", "10.0.1.3", 0), [7, 0, 2]),
            (labels("10.0.0.1", "", 80, "TCP", "10.0.1.2", 8080), [12, 4, 1]),
            (labels("10.0.0.1", "", 80, "TCP", "10.0.1.3", 8080), [100, 40, 3]),
            (labels("2001:db8::1", "", 53, "SCTP", "10.0.0.1", 53), [0, 5, 1]),
        ];
        let mut want = String::new();
        for (at, name) in ["connections_active", "connections_inactive", "weight"].into_iter().enumerate() {
            for (labels, figures) in &series {
                want.push_str(&format!("{name}{{{labels}}} {}\n", figures[at]));
            }
        }
        check(TABLE, &[], &want);
    }

    #[test]
    fn labels_that_are_left_out_add_up() {
        let want = "connections_active{proto=\"FWM\"} 7\nconnections_active{proto=\"SCTP\"} 0\n\
            connections_active{proto=\"TCP\"} 112\nconnections_inactive{proto=\"FWM\"} 0\n\
            connections_inactive{proto=\"SCTP\"} 5\nconnections_inactive{proto=\"TCP\"} 44\n\
            weight{proto=\"FWM\"} 2\nweight{proto=\"SCTP\"} 1\nweight{proto=\"TCP\"} 4\n";
        check(TABLE, &[(LABELS_FLAG, ",proto,,proto")], want);
        check(TABLE, &[(LABELS_FLAG, "")], "connections_active 119\nconnections_inactive 49\nweight 7\n");
        let mut args = Args::defaults(FLAGS.iter().chain(crate::fs::FLAGS));
        args.set(LABELS_FLAG, vec!["proto,vip".to_owned()], false);
        let e = (ROW.new)(&args).err().unwrap().to_string();
        assert!(e.starts_with("--collector.ipvs.backend-labels: expected some of ") && e.ends_with("\"vip\""), "{e}");
    }

    #[test]
    fn a_bad_line_costs_what_hangs_on_it() {
        let table = "TCP  0A000001:0050 rr\n  -> 0A000102:1F90 Masq 1 12\n  -> 0A0001022:1F90 Masq 1 2 3\n  \
            -> 0A000103:1F90 Masq -1 2 3\n  -> 0A000104:1F90 Masq 1 2 3\nUDP  :0050 rr\n  -> 0A000105:1F90 Masq 1 2 3\n\
            FWM\n  -> 0A000106:1F90 Masq 1 2 3\nT\u{1} x\n";
        let want = "connections_active 2\nconnections_inactive 3\nweight 1\n\
            ! proc/net/ip_vs:5: inactive connections: expected a whole number, found \"\"\n\
            ! proc/net/ip_vs:6: remote address: expected address:port in hexadecimal, found \"0A0001022:1F90\"\n\
            ! proc/net/ip_vs:7: weight: expected a whole number, found \"-1\"\n\
            ! proc/net/ip_vs:9: local address: expected address:port in hexadecimal, found \":0050\"\n\
            ! proc/net/ip_vs:11: mark: expected a hexadecimal number, found \"\"\n\
            ! proc/net/ip_vs:13: protocol: expected a name, found \"T\\u{1}\"\n";
        check(table, &[(LABELS_FLAG, "")], want);
        check("  -> 0A000102:1F90 Masq 1 2 3\n\n\n", &[], "");
    }

    #[test]
    fn files_are_missing_or_cut_short() {
        let mut rig = Rig::new(&ROW, &[], &[]);
        assert_eq!(rig.samples(), "! no data: ip_vs is not loaded\n");
        rig.plant(&[("proc/net/ip_vs_stats", STATS)]);
        let missing = "! proc/net/ip_vs: No such file or directory (os error 2)\n";
        assert_eq!(rig.samples(), format!("{TOTALS}{missing}"));
        let table = format!("{HEAD}{TABLE}");
        let mut rig = Rig::new(&ROW, &[("proc/net/ip_vs_stats/", ""), ("proc/net/ip_vs", &table)], &[]);
        let samples = rig.samples();
        assert!(samples.contains("! proc/net/ip_vs_stats: Is a directory (os error 21)\n"), "{samples}");
        assert_eq!(samples.lines().count(), 4 * 3 + 1, "the backends are in the other file");
        for end in 0..STATS.len() - 1 {
            assert!(parse_totals(&STATS.as_bytes()[..end]).is_err(), "{end}");
        }
        for bad in ["\n\n1 2 3 4\n\n", "\n\n1 2 3 4 5 6\n\n", "\n\n1 2 3 4 G\n\n", "\n\n-1 2 3 4 5\n\n"] {
            assert!(parse_totals(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
