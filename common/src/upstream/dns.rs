//! A stub resolver: the addresses of a name, asked of the servers in `/etc/resolv.conf`.
//!
//! * Source: RFC 1035 and 3596 for the messages, resolv.conf(5) for servers, search list and `ndots`.
//! * A and AAAA are asked at once, over UDP, over TCP when the answer does not fit. Servers are asked in turn, each for what
//!   is not known yet: addresses of one family count, whatever is wrong with the other one.
//! * Nothing is remembered, and the file is read each time: a kept connection needs no name, and a Pod's search list or
//!   servers may change.
//! * Why not a library: hickory adds 960 KB to each exporter, domain 500 KB, and most of the memory of a small program
//!   is its code. What they can do beyond this (caches, DNSSEC, DNS over TLS) a client of one address has no use for.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::dial::Families;
use crate::hosts;
use crate::sandbox::Need;

const CONFIG: &str = "/etc/resolv.conf";
const PORT: u16 = 53;
/// What an answer over UDP may have at most; larger ones come truncated and are asked for over TCP.
const MOST_UDP_BYTES: usize = 4096;
/// As the C library: at most this many servers and names of the search list.
const MOST_SERVERS: usize = 3;
const MOST_SEARCHED: usize = 32;

const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
const CLASS_IN: u16 = 1;
const NO_SUCH_NAME: u8 = 3;

/// What looking a name up needs; the file is often a link to one that is replaced by renaming.
pub fn needs() -> Vec<Need> {
    let target = fs::canonicalize(CONFIG).ok().filter(|target| target != Path::new(CONFIG));
    let folder = target.and_then(|target| Some(Need::Tree(target.parent()?.to_owned())));
    [Need::File(CONFIG.into()), Need::File(hosts::FILE.into()), Need::Connect(PORT)].into_iter().chain(folder).collect()
}

/// What `/etc/resolv.conf` says.
#[derive(Debug, PartialEq, Eq)]
struct Config {
    servers: Vec<SocketAddr>,
    search: Vec<String>,
    ndots: usize,
    timeout: Duration,
    attempts: u32,
}

impl Config {
    fn read() -> Self {
        // No file is the local server, as for the C library.
        Self::parse(&String::from_utf8_lossy(&fs::read(CONFIG).unwrap_or_default()))
    }

    fn parse(text: &str) -> Self {
        let mut config =
            Self { servers: Vec::new(), search: Vec::new(), ndots: 1, timeout: Duration::from_secs(5), attempts: 2 };
        for line in text.lines() {
            let mut words = line.split(['#', ';']).next().unwrap_or_default().split_ascii_whitespace();
            match words.next() {
                Some("nameserver") => {
                    // A zone behind an IPv6 address cannot be expressed without its number: such a server is left out.
                    let server = words.next().and_then(|word| word.parse::<IpAddr>().ok());
                    config.servers.extend(server.map(|ip| SocketAddr::new(ip, PORT)));
                }
                Some("search") => config.search = words.take(MOST_SEARCHED).map(str::to_owned).collect(),
                Some("domain") => config.search = words.take(1).map(str::to_owned).collect(),
                Some("options") => words.for_each(|option| match option.split_once(':') {
                    Some(("ndots", n)) => config.ndots = n.parse().unwrap_or(1).min(15),
                    Some(("timeout", n)) => config.timeout = Duration::from_secs(n.parse().unwrap_or(5).clamp(1, 30)),
                    Some(("attempts", n)) => config.attempts = n.parse().unwrap_or(2).clamp(1, 5),
                    _ => {}
                }),
                _ => {}
            }
        }
        config.servers.truncate(MOST_SERVERS);
        if config.servers.is_empty() {
            config.servers.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT));
        }
        config
    }

    /// The full names to ask for, in order.
    fn names(&self, host: &str) -> Vec<String> {
        if let Some(full) = host.strip_suffix('.') {
            return vec![full.to_owned()];
        }
        let searched = self.search.iter().map(|domain| format!("{host}.{}", domain.trim_matches('.')));
        let as_it_is = std::iter::once(host.to_owned());
        match host.matches('.').count() >= self.ndots {
            true => as_it_is.chain(searched).collect(),
            false => searched.chain(as_it_is).collect(),
        }
    }
}

/// What one message says.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// The addresses, perhaps none.
    Addresses(Vec<IpAddr>),
    /// There is no such name.
    NoSuchName,
    /// It did not fit.
    Truncated,
    /// The server cannot or will not tell: its response code.
    Refused(u8),
}

/// The addresses of a name, IPv4 first.
///
/// Fails with one sentence.
pub async fn lookup(host: &str, families: Families) -> Result<Vec<IpAddr>, String> {
    lookup_with(&Config::read(), host, families).await
}

async fn lookup_with(config: &Config, host: &str, families: Families) -> Result<Vec<IpAddr>, String> {
    let mut trouble = None;
    for name in config.names(host) {
        match ask_servers(config, &name, families).await {
            Ok(addresses) if addresses.is_empty() => {}
            Ok(addresses) => return Ok(addresses),
            Err(e) => trouble = trouble.or(Some(e)),
        }
    }
    Err(match trouble {
        Some(e) => format!("no address for {host}: {e}"),
        None => format!("no address for {host}: there is no such name"),
    })
}

async fn ask_servers(config: &Config, name: &str, families: Families) -> Result<Vec<IpAddr>, String> {
    let mut last = "no server".to_owned();
    let mut open = match families {
        Families::Ip4 => vec![TYPE_A],
        Families::Ip6 => vec![TYPE_AAAA],
        Families::Both => vec![TYPE_A, TYPE_AAAA],
    };
    let mut found = Vec::new();
    let turns = (0..config.attempts).flat_map(|_| &config.servers);
    for server in turns {
        match timeout(config.timeout, ask(*server, name, &mut open, &mut found)).await {
            Ok(Ok(())) => {}
            Ok(Err(e)) => last = format!("{server}: {e}"),
            Err(_) => last = format!("{server}: no answer"),
        }
        if open.is_empty() {
            break;
        }
    }
    if found.is_empty() && !open.is_empty() {
        return Err(last);
    }
    found.sort_by_key(IpAddr::is_ipv6); // stable: the server's order otherwise
    Ok(found)
}

/// Asks one server for addresses of the kinds that are `open`; those it answers are so no longer.
async fn ask(server: SocketAddr, name: &str, open: &mut Vec<u16>, found: &mut Vec<IpAddr>) -> io::Result<()> {
    let socket = UdpSocket::bind(match server {
        SocketAddr::V4(_) => SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0),
        SocketAddr::V6(_) => SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0),
    })
    .await?;
    // Takes answers of that server only.
    socket.connect(server).await?;
    let mut waiting = Vec::with_capacity(open.len());
    for kind in open.iter() {
        let mut id = [0; 2];
        SystemRandom::new().fill(&mut id).map_err(|_| io::Error::other("no random numbers"))?;
        waiting.push((u16::from_be_bytes(id), *kind));
    }
    for (id, kind) in &waiting {
        socket.send(&question(*id, *kind, name)?).await?;
    }
    let mut refused = None;
    let mut buffer = vec![0; MOST_UDP_BYTES];
    while !waiting.is_empty() {
        let n = socket.recv(&mut buffer).await?;
        let message = buffer.get(..n).unwrap_or_default();
        let Some(at) = waiting.iter().position(|(id, kind)| parse(message, *id, *kind).is_some()) else {
            continue; // Not an answer to what was asked.
        };
        let (id, kind) = waiting.swap_remove(at);
        let mut answer = parse(message, id, kind);
        if answer == Some(Answer::Truncated) {
            answer = ask_over_tcp(server, id, kind, name).await?;
        }
        match answer {
            Some(Answer::Addresses(addresses)) => found.extend(addresses),
            Some(Answer::NoSuchName) => {}
            Some(Answer::Refused(code)) => {
                refused = Some(io::Error::other(format!("response code {code}")));
                continue;
            }
            Some(Answer::Truncated) | None => return Err(io::Error::other("an answer that makes no sense")),
        }
        open.retain(|other| *other != kind);
    }
    refused.map_or(Ok(()), Err)
}

async fn ask_over_tcp(server: SocketAddr, id: u16, kind: u16, name: &str) -> io::Result<Option<Answer>> {
    let mut stream = TcpStream::connect(server).await?;
    let question = question(id, kind, name)?;
    let length = u16::try_from(question.len()).unwrap_or(u16::MAX);
    stream.write_all(&[&length.to_be_bytes()[..], &question].concat()).await?;
    let mut message = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut message).await?;
    Ok(parse(&message, id, kind))
}

/// A query for one name, recursion desired (RFC 1035, section 4.1).
fn question(id: u16, kind: u16, name: &str) -> io::Result<Vec<u8>> {
    let mut message = Vec::with_capacity(name.len() + 18);
    for word in [id, 0x0100, 1, 0, 0, 0] {
        message.extend_from_slice(&word.to_be_bytes());
    }
    for label in name.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|n| (1..=63).contains(n) && label.is_ascii());
        let length = length.ok_or_else(|| io::Error::other(format!("{name} is not a name DNS knows")))?;
        message.push(length);
        message.extend_from_slice(label.as_bytes());
    }
    if message.len() > 12 + 254 {
        return Err(io::Error::other("the name is longer than DNS allows"));
    }
    message.push(0);
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&CLASS_IN.to_be_bytes());
    Ok(message)
}

/// Reads an answer; `None` when it is no answer to question `id` of this `kind`, or cut short.
fn parse(message: &[u8], id: u16, kind: u16) -> Option<Answer> {
    let word = |at: usize| Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]));
    let flags = word(2)?;
    if word(0)? != id || flags & 0x8000 == 0 {
        return None;
    }
    let mut at = 12;
    for _ in 0..word(4)? {
        at = skip_name(message, at)?;
        if word(at)? != kind {
            return None;
        }
        at += 4;
    }
    match (flags & 0x000F) as u8 {
        0 => {}
        NO_SUCH_NAME => return Some(Answer::NoSuchName),
        code => return Some(Answer::Refused(code)),
    }
    if flags & 0x0200 != 0 {
        return Some(Answer::Truncated);
    }
    let mut found = Vec::new();
    for _ in 0..word(6)? {
        at = skip_name(message, at)?;
        let (this, class, length) = (word(at)?, word(at + 2)?, usize::from(word(at + 8)?));
        let data = message.get(at + 10..at + 10 + length)?;
        at += 10 + length;
        if class != CLASS_IN || this != kind {
            continue; // the alias on the way to the address
        }
        match this {
            TYPE_A => found.push(IpAddr::from(<[u8; 4]>::try_from(data).ok()?)),
            TYPE_AAAA => found.push(IpAddr::from(<[u8; 16]>::try_from(data).ok()?)),
            _ => {}
        }
    }
    Some(Answer::Addresses(found))
}

/// Where a name that begins at `at` ends: at its empty label, or behind the pointer to the rest.
fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            pointer if pointer >= 0xC0 => return Some(at + 2),
            length => at += 1 + usize::from(length),
        }
    }
}

/// For the fuzzer: everything here that reads foreign bytes.
pub(crate) fn feed(bytes: &[u8]) {
    let id = u16::from_be_bytes([bytes.first().copied().unwrap_or(0), bytes.get(1).copied().unwrap_or(0)]);
    for kind in [TYPE_A, TYPE_AAAA] {
        drop(parse(bytes, id, kind));
    }
    let config = Config::parse(&String::from_utf8_lossy(bytes));
    drop(config.names("host"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_read_as_the_c_library_does() {
        let text = "# x\nnameserver 10.0.0.1 ; x\nnameserver ::1\nnameserver fe80::1%eth0\nnameserver bad\n\
            search a.example. b.example\noptions ndots:2 timeout:99 attempts:0 rotate\n";
        let config = Config::parse(text);
        assert_eq!(config.servers, ["10.0.0.1:53".parse().unwrap(), "[::1]:53".parse().unwrap()]);
        assert_eq!((config.ndots, config.timeout.as_secs(), config.attempts), (2, 30, 1));
        assert_eq!(config.names("h.x"), ["h.x.a.example", "h.x.b.example", "h.x"]);
        assert_eq!(config.names("h.x.y"), ["h.x.y", "h.x.y.a.example", "h.x.y.b.example"]);
        assert_eq!(config.names("h."), ["h"]);
        let none = Config::parse("");
        assert_eq!(none.servers, ["127.0.0.1:53".parse().unwrap()]);
        assert_eq!(none.names("h"), ["h"]);
    }

    /// An answer to `question`: the records as they are, each behind a pointer to the name that was asked for.
    fn answer(question: &[u8], flags: u16, records: &[(u16, &[u8])]) -> Vec<u8> {
        let mut message = question.to_vec();
        message[2..4].copy_from_slice(&flags.to_be_bytes());
        message[6..8].copy_from_slice(&(records.len() as u16).to_be_bytes());
        for (kind, data) in records {
            message.extend_from_slice(&[0xC0, 12]);
            message.extend_from_slice(&kind.to_be_bytes());
            message.extend_from_slice(&[0, 1, 0, 0, 0, 60]);
            message.extend_from_slice(&(data.len() as u16).to_be_bytes());
            message.extend_from_slice(data);
        }
        message
    }

    #[test]
    fn messages() {
        let asked = question(7, TYPE_A, "web.example").unwrap();
        assert_eq!(asked[12..], *b"\x03web\x07example\0\0\x01\0\x01");
        let good = answer(&asked, 0x8180, &[(5, b"\x01x\0"), (TYPE_A, &[10, 0, 0, 1]), (TYPE_A, &[10, 0, 0, 2])]);
        let want = Some(Answer::Addresses(vec!["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()]));
        assert_eq!(parse(&good, 7, TYPE_A), want);
        assert_eq!(parse(&good, 8, TYPE_A), None, "another question");
        assert_eq!(parse(&good, 7, TYPE_AAAA), None, "another kind");
        assert_eq!(parse(&answer(&asked, 0x8183, &[]), 7, TYPE_A), Some(Answer::NoSuchName));
        assert_eq!(parse(&answer(&asked, 0x8182, &[]), 7, TYPE_A), Some(Answer::Refused(2)));
        assert_eq!(parse(&answer(&asked, 0x8380, &[]), 7, TYPE_A), Some(Answer::Truncated));
        assert_eq!(parse(&answer(&asked, 0x8180, &[(TYPE_A, &[1, 2, 3])]), 7, TYPE_A), None, "a short address");
        for n in 0..good.len() {
            assert_eq!(parse(&good[..n], 7, TYPE_A), None, "{n} bytes");
        }
    }

    #[test]
    fn names_that_cannot_be_asked_for() {
        for name in ["", "a..b", "ä", &"x".repeat(64), &["x".repeat(60).as_str(); 5].join(".")] {
            assert!(question(1, TYPE_A, name).is_err(), "{name}");
        }
    }

    /// A server with a name whose IPv4 addresses do not fit into a datagram, and two with trouble about IPv6.
    async fn serve() -> SocketAddr {
        let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        let udp = UdpSocket::bind(address).await.unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            loop {
                let (n, from) = udp.recv_from(&mut buffer).await.unwrap();
                let asked = &buffer[..n];
                let is = |name: &[u8]| {
                    asked[12..].starts_with(name) && asked[12 + name.len()..].starts_with(b"\x07example\0")
                };
                let reply = match (is(b"\x03web") || is(b"\x04half") || is(b"\x04none"), asked[n - 3]) {
                    (false, _) => answer(asked, 0x8183, &[]),
                    (true, 1) if is(b"\x03web") => answer(asked, 0x8380, &[]),
                    (true, 1) => answer(asked, 0x8180, &[(TYPE_A, &[10, 0, 0, 2])]),
                    (true, _) if is(b"\x04half") => answer(asked, 0x8182, &[]),
                    (true, _) if is(b"\x04none") => answer(asked, 0x8183, &[]),
                    (true, _) => answer(asked, 0x8180, &[(TYPE_AAAA, &Ipv6Addr::LOCALHOST.octets())]),
                };
                udp.send_to(b"noise", from).await.unwrap();
                udp.send_to(&reply, from).await.unwrap();
            }
        });
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = tcp.accept().await.unwrap();
                let mut asked = vec![0; usize::from(stream.read_u16().await.unwrap())];
                stream.read_exact(&mut asked).await.unwrap();
                let reply = answer(&asked, 0x8180, &[(TYPE_A, &[10, 0, 0, 1])]);
                stream.write_u16(reply.len() as u16).await.unwrap();
                stream.write_all(&reply).await.unwrap();
            }
        });
        address
    }

    #[tokio::test]
    async fn a_server_is_asked() {
        let mut config = Config::parse("search example\noptions attempts:1");
        // Nobody listens at the first one.
        config.servers = vec!["127.0.0.1:9".parse().unwrap(), serve().await];
        let want = vec!["10.0.0.1".parse().unwrap(), Ipv6Addr::LOCALHOST.into()];
        assert_eq!(lookup_with(&config, "web", Families::Both).await, Ok(want.clone()));
        assert_eq!(lookup_with(&config, "web.example.", Families::Both).await, Ok(want));
        let ip6 = lookup_with(&config, "web", Families::Ip6).await;
        assert_eq!(ip6, Ok(vec![Ipv6Addr::LOCALHOST.into()]));
        for name in ["half", "none"] {
            let found = lookup_with(&config, name, Families::Both).await;
            assert_eq!(found, Ok(vec!["10.0.0.2".parse().unwrap()]), "{name}");
            assert!(lookup_with(&config, name, Families::Ip6).await.is_err(), "{name}");
        }
        let unknown = lookup_with(&config, "nope", Families::Both).await.unwrap_err();
        assert_eq!(unknown, "no address for nope: there is no such name");
        config.servers.truncate(1);
        let refused = lookup_with(&config, "web", Families::Both).await.unwrap_err();
        assert!(refused.starts_with("no address for web: 127.0.0.1:9: "), "{refused}");
    }
}
