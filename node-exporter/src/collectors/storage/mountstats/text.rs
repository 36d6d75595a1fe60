//! The text of `/proc/self/mountstats`: a line per mount, and below those of NFS what the client counts for them.
//!
//! Nothing is kept of a mount but where its lines are, however many there may be.

use common::error::BadField;
use common::fields::{Words, lines};
use common::fuzzing::{Parser, eat};

/// An NFS mount and the lines below it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mount<'t> {
    /// Server and path.
    pub(super) export: &'t [u8],
    pub(super) point: &'t [u8],
    /// The number of the line it begins with.
    number: u32,
    body: &'t [u8],
}

/// The NFS mounts, in the order of the file.
///
/// ```text
/// device server:/path mounted on /mnt with fstype nfs4 statvers=1.1
///         age:    13968
///         xprt:   tcp 832 0 1 0 11 6428 6428 0 12154 0 24 26 5726
/// ```
pub(super) fn mounts(text: &[u8]) -> impl Iterator<Item = Mount<'_>> {
    let (mut rest, mut number) = (text, 0_u32);
    std::iter::from_fn(move || {
        loop {
            let (head, below) = cut_line(rest)?;
            number = number.wrapping_add(1);
            rest = below;
            let Some((export, point)) = nfs(head) else { continue };
            let mut end = below;
            while let Some((line, after)) = cut_line(end) {
                if line.starts_with(b"device ") {
                    break;
                }
                end = after;
            }
            let body = below.get(..below.len() - end.len()).unwrap_or_default();
            let mount = Mount { export, point, number, body };
            number = number.wrapping_add(body.iter().filter(|&&b| b == b'\n').count() as u32);
            rest = end;
            return Some(mount);
        }
    })
}

/// The first line without its newline, and what follows.
fn cut_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if text.is_empty() {
        return None;
    }
    let end = text.iter().position(|&b| b == b'\n').unwrap_or(text.len());
    Some((text.get(..end)?, text.get(end + 1..).unwrap_or_default()))
}

/// Export and mount point, when the line is of an NFS mount.
fn nfs(head: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut words = Words::of(head);
    let mut next = || words.next();
    let (device, export, mounted, on, point) = (next()?, next()?, next()?, next()?, next()?);
    let (with, fstype, kind) = (next()?, next()?, next()?);
    let is_mount = [device, mounted, on, with, fstype] == [&b"device"[..], b"mounted", b"on", b"with", b"fstype"];
    (is_mount && matches!(kind, b"nfs" | b"nfs4")).then_some((export, point))
}

/// What the client counts for one connection to the server.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Transport {
    pub(super) binds: f64,
    pub(super) connects: f64,
    pub(super) idle_seconds: f64,
    pub(super) sends: f64,
    pub(super) receives: f64,
    pub(super) bad_ids: f64,
    pub(super) backlog: f64,
    /// Most slots, and what was waiting to be sent and to be answered; not for every protocol and version.
    pub(super) slots: Option<[f64; 3]>,
}

/// A procedure and its numbers: calls, transmissions, timeouts, bytes sent and received, and milliseconds waited, on the
/// way and in all.
pub(super) type Operation<'t> = (&'t [u8], [f64; 8]);

impl<'t> Mount<'t> {
    fn lines(&self) -> impl Iterator<Item = (u32, &'t [u8])> + use<'t> {
        let first = self.number;
        lines(self.body).map(move |(number, line)| (first.wrapping_add(number), line))
    }

    /// The words after `key`, of each line that begins with it. They stand before the procedures.
    fn facts(&self, key: &'static [u8]) -> impl Iterator<Item = (u32, Words<'t>)> + use<'t> {
        let before = self.lines().take_while(|(_, line)| !is_operations(line));
        before.filter_map(move |(number, line)| {
            let mut words = Words::new(number, line);
            (words.next() == Some(key)).then_some((number, words))
        })
    }

    /// The numbers of the line that begins with `key`.
    pub(super) fn numbers<const N: usize>(&self, key: &'static str) -> Option<Result<[f64; N], BadField>> {
        let (_, mut words) = self.facts(key.as_bytes()).next()?;
        let mut numbers = [0.0; N];
        for number in &mut numbers {
            match words.u64(key.trim_end_matches(':')) {
                Ok(n) => *number = n as f64,
                Err(bad) => return Some(Err(bad)),
            }
        }
        Some(Ok(numbers))
    }

    /// The protocols of the connections that are known, in their order.
    pub(super) fn protocols(&self) -> impl Iterator<Item = &'t [u8]> + use<'t> {
        self.facts(b"xprt:")
            .filter_map(|(_, mut words)| words.next().filter(|protocol| is_connected(protocol).is_some()))
    }

    /// The connections, in their order.
    pub(super) fn transports(&self) -> impl Iterator<Item = Result<Transport, BadField>> + use<'t> {
        self.facts(b"xprt:").map(|(number, words)| transport(number, words))
    }

    /// The procedures, in their order.
    pub(super) fn operations(&self) -> impl Iterator<Item = Result<Operation<'t>, BadField>> + use<'t> {
        let below = self.lines().skip_while(|(_, line)| !is_operations(line)).skip(1);
        below.take_while(|(_, line)| !line.trim_ascii().is_empty()).filter_map(|(number, line)| {
            let mut words = Words::new(number, line);
            let name = words.next()?.strip_suffix(b":")?;
            Some(operation(words).map(|numbers| (name, numbers)))
        })
    }
}

fn is_operations(line: &[u8]) -> bool {
    line.trim_ascii_start().starts_with(b"per-op")
}

fn operation(mut words: Words<'_>) -> Result<[f64; 8], BadField> {
    let mut numbers = [0.0; 8];
    for (at, number) in numbers.iter_mut().enumerate() {
        let n = words.u64("statistic of a procedure")?;
        *number = if at < 5 { n as f64 } else { time(n) };
    }
    Ok(numbers)
}

/// A time as the Go exporter reads it: kernels let some run below 0, where they become very large.
fn time(n: u64) -> f64 {
    (n % (1 << 53)) as f64
}

/// Whether the protocol connects to the server; `None` for one that is not known.
fn is_connected(protocol: &[u8]) -> Option<bool> {
    match protocol {
        b"tcp" | b"rdma" => Some(true),
        b"udp" => Some(false),
        _ => None,
    }
}

fn transport(number: u32, mut words: Words<'_>) -> Result<Transport, BadField> {
    const FIELD: &str = "statistic of a connection";
    let protocol = words.word("protocol")?;
    let Some(connected) = is_connected(protocol) else {
        return Err(BadField::new(number, "protocol", "tcp, udp or rdma", protocol));
    };
    let _port = words.u64(FIELD)?;
    let binds = words.u64(FIELD)? as f64;
    let mut transport = Transport { binds, ..Transport::default() };
    if connected {
        transport.connects = words.u64(FIELD)? as f64;
        let _connecting = words.u64(FIELD)?;
        transport.idle_seconds = time(words.u64(FIELD)?);
    }
    transport.sends = words.u64(FIELD)? as f64;
    transport.receives = words.u64(FIELD)? as f64;
    transport.bad_ids = words.u64(FIELD)? as f64;
    let _requests = words.u64(FIELD)?;
    transport.backlog = words.u64(FIELD)? as f64;
    // What follows for RDMA is something else.
    if protocol != b"rdma" && !words.rest().is_empty() {
        transport.slots = Some([words.u64(FIELD)? as f64, words.u64(FIELD)? as f64, words.u64(FIELD)? as f64]);
    }
    Ok(transport)
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser = Parser::new(
    "mountstats",
    |bytes| {
        for mount in mounts(bytes) {
            eat((mount.numbers::<1>("age:"), mount.numbers::<27>("events:"), mount.protocols().count()));
            mount.transports().for_each(eat);
            mount.operations().for_each(eat);
        }
    },
    b"device rootfs mounted on / with fstype rootfs\ndevice nas:/srv mounted on /mnt with fstype nfs4 statvers=1.1\n\tage:\t13968\n\
      \txprt:\ttcp 832 0 1 0 11 6428 6428 0 12154 0 24 26 5726\n\txprt:\tudp 832 0 6428 6428 0 12154 0 24 26 5726\n\
      \tper-op statistics\n\t        READ: 1298 1298 0 207680 1210292152 6 79386 79407 0\n\n\
      device nas:/b mounted on /b with fstype nfs statvers=1.0\n\txprt:\trdma 0 0 5 0 -4 3 2 1 0 0 9 9 9\n",
);

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &[u8] = b"no device mounted on /x with fstype x\ndevice proc mounted on /proc with fstype proc\n\
        device a:/b mounted on /m\\040n with fstype nfs4 statvers=1.1\n\tage:\t9\n\tbytes:\t1 2 3 4 5 6 7 8\n\
        \txprt:\ttcp 1 2 3 4 9007199254740997 6 7 8 9 10 11 12 13\n\txprt:\trdma 1 2 3 4 5 6 7 8 9 10 11 12\n\
        \tper-op statistics\n\t  NULL: 1 2 3 4 5 6 7 18446744073709551615 9\n\tWRITE: 1 2\n\n\
        device c:/d mounted on /c with fstype nfs\n\txprt: udp 1 2 3 4 5 6 7\n\txprt: local 1\n";

    #[test]
    fn good() {
        let [first, second] = mounts(GOOD).collect::<Vec<_>>().try_into().unwrap();
        let Mount { export, point, .. } = first;
        assert_eq!((export, point), (&b"a:/b"[..], &b"/m\\040n"[..]));
        assert_eq!(first.numbers::<1>("age:"), Some(Ok([9.0])));
        assert_eq!(first.numbers::<8>("bytes:"), Some(Ok([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0])));
        assert_eq!(first.numbers::<27>("events:"), None);
        assert_eq!(first.protocols().collect::<Vec<_>>(), [&b"tcp"[..], b"rdma"]);
        let shared = Transport {
            binds: 2.0,
            connects: 3.0,
            idle_seconds: 5.0,
            sends: 6.0,
            receives: 7.0,
            bad_ids: 8.0,
            backlog: 10.0,
            slots: None,
        };
        let slots = Some([11.0, 12.0, 13.0]);
        assert_eq!(first.transports().collect::<Vec<_>>(), [Ok(Transport { slots, ..shared }), Ok(shared)]);
        let operations: Vec<_> = first.operations().map(|row| row.map_err(|bad| bad.to_string())).collect();
        let bad = "10: statistic of a procedure: expected a whole number, found \"\"".to_owned();
        let null = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 9_007_199_254_740_991.0];
        assert_eq!(operations, [Ok((&b"NULL"[..], null)), Err(bad)]);
        let udp =
            Transport { binds: 2.0, sends: 3.0, receives: 4.0, bad_ids: 5.0, backlog: 7.0, ..Transport::default() };
        let bad = "14: protocol: expected tcp, udp or rdma, found \"local\"".to_owned();
        let transports: Vec<_> = second.transports().map(|row| row.map_err(|bad| bad.to_string())).collect();
        assert_eq!(transports, [Ok(udp), Err(bad)]);
        assert_eq!(second.operations().count(), 0);
    }

    #[test]
    fn cut_short() {
        for end in 0..GOOD.len() {
            for mount in mounts(GOOD.get(..end).unwrap()) {
                assert!(mount.protocols().count() <= 2);
                assert!(mount.operations().count() <= 2);
            }
        }
        assert_eq!(mounts(b"device a mounted on /b with fstype").count(), 0);
    }

    #[test]
    fn garbage() {
        let text = b"device a:/b mounted on /b with fstype nfs\nage: x\nxprt:\nxprt: tcp -1\nbytes: 1 2\nper-op\nREAD 1 2 3\n\xff: y\n";
        let mount = mounts(text).next().unwrap();
        let bad = mount.numbers::<1>("age:").unwrap().unwrap_err().to_string();
        assert_eq!(bad, "2: age: expected a whole number, found \"x\"");
        let transports: Vec<_> = mount.transports().map(|row| row.unwrap_err().to_string()).collect();
        let want = [
            "3: protocol: expected a word, found \"\"",
            "4: statistic of a connection: expected a whole number, found \"-1\"",
        ];
        assert_eq!(transports, want);
        assert!(mount.numbers::<8>("bytes:").unwrap().is_err());
        let operations: Vec<_> = mount.operations().map(|row| row.unwrap_err().to_string()).collect();
        assert_eq!(operations, ["8: statistic of a procedure: expected a whole number, found \"y\""]);
    }
}
