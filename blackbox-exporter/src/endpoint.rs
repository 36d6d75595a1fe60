//! `host:port` as targets have it: the two parts, and the number of a port that is written as a service.
//!
//! * Brackets hold an IPv6 address and are no part of the host; a host with a colon has to have them.
//! * A port is a decimal number, perhaps with a sign and leading zeros, or a service's name in any case: one of `/etc/services`
//!   (read once per process, when a name is first asked for), or one of the short list below where that file is not there.
//! * An empty port is 0, which nobody listens on, as with the Go exporter.

use std::fs::File;
use std::io::Read;
use std::sync::OnceLock;

use crate::reason::Failure;

/// Most of a list of services that is read; the usual one has 13 KiB.
const MOST_SERVICES: u64 = 1 << 20;

/// Names that are known without a list: those of protocols that are probed.
const KNOWN: [(&str, u16); 19] = [
    ("domain", 53),
    ("ftp", 21),
    ("ftps", 990),
    ("gopher", 70),
    ("http", 80),
    ("https", 443),
    ("imap", 143),
    ("imap2", 143),
    ("imaps", 993),
    ("ldap", 389),
    ("ldaps", 636),
    ("mysql", 3306),
    ("pop3", 110),
    ("pop3s", 995),
    ("postgresql", 5432),
    ("smtp", 25),
    ("submissions", 465),
    ("ssh", 22),
    ("telnet", 23),
];

/// Splits `host:port`.
///
/// # Errors
/// There is no port, or colons and brackets are not where they belong.
pub fn split(text: &str) -> Result<(&str, &str), Failure> {
    let wrong = |what: &str| Err(Failure::target(format!("target {text:?}: expected host:port, found {what}")));
    let Some((host, port)) = text.rsplit_once(':') else { return wrong("no colon") };
    let host = match host.strip_prefix('[').map(|host| host.split_once(']')) {
        Some(Some((host, ""))) => host,
        Some(Some(_)) => return wrong("no port after the bracket"),
        Some(None) => return wrong("an opening bracket alone"),
        None if host.contains(':') => return wrong("several colons and no brackets"),
        None => host,
    };
    if host.contains(['[', ']']) || port.contains(['[', ']']) {
        return wrong("a bracket in the middle");
    }
    Ok((host, port))
}

/// The number of a port.
///
/// # Errors
/// It is more than 65535 or less than 0, or no service has that name.
pub fn port(text: &str) -> Result<u16, Failure> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        let digits = match digits.trim_start_matches('0') {
            "" => "0",
            digits => digits,
        };
        let port = digits.parse().ok().filter(|port| *port == 0 || !text.starts_with('-'));
        return port.ok_or_else(|| Failure::target(format!("port {text}: expected a number up to 65535")));
    }
    service(text).ok_or_else(|| Failure::target(format!("port {text:?}: expected a number or a known service")))
}

fn service(name: &str) -> Option<u16> {
    static LIST: OnceLock<String> = OnceLock::new();
    let list = LIST.get_or_init(|| {
        let mut list = Vec::new();
        // Without the file there are still the names above.
        let _ = File::open("/etc/services").and_then(|file| file.take(MOST_SERVICES).read_to_end(&mut list));
        String::from_utf8_lossy(&list).into_owned()
    });
    let known = || KNOWN.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, port)| *port);
    listed(list, name).or_else(known)
}

/// The TCP port of a service in a list like `/etc/services`: `name port/protocol alias…`, and comments after `#`.
fn listed(list: &str, name: &str) -> Option<u16> {
    list.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_ascii_whitespace();
        let (first, place) = (words.next()?, words.next()?);
        let port = place.strip_suffix("/tcp")?.parse().ok()?;
        std::iter::once(first).chain(words).any(|word| word.eq_ignore_ascii_case(name)).then_some(port)
    })
}

/// For the table of parsers.
pub(crate) fn feed(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok((_, number)) = split(&text) {
        drop(port(number));
    }
    listed(&text, "ssh");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports() {
        for (text, want) in [
            ("example.test:80", Some(("example.test", "80"))),
            ("127.0.0.1:ssh", Some(("127.0.0.1", "ssh"))),
            ("[::1]:80", Some(("::1", "80"))),
            ("[fe80::1%lo]:80", Some(("fe80::1%lo", "80"))),
            ("[127.0.0.1]:80", Some(("127.0.0.1", "80"))),
            ("example.test:", Some(("example.test", ""))),
            (":80", Some(("", "80"))),
            ("example.test", None),
            ("", None),
            ("::1:80", None),
            ("[::1]", None),
            ("[::1]x:80", None),
            ("[::1:80", None),
            ("::1]:80", None),
            ("a]:80", None),
            ("a[b:80", None),
            ("a:8]0", None),
            ("[[::1]:80", None),
            ("tcp://127.0.0.1:80", None),
        ] {
            assert_eq!(split(text).ok(), want, "{text}");
        }
    }

    #[test]
    fn ports() {
        for (text, want) in [
            ("80", Some(80)),
            ("", Some(0)),
            ("+80", Some(80)),
            ("00000080", Some(80)),
            ("-0", Some(0)),
            ("-1", None),
            ("65535", Some(65535)),
            ("65536", None),
            ("99999999999999999999", None),
            ("ssh", Some(22)),
            ("SSH", Some(22)),
            ("no-such-service", None),
            ("8 0", None),
        ] {
            assert_eq!(port(text).ok(), want, "{text}");
        }
    }

    #[test]
    fn a_list_of_services() {
        let list =
            "# about\nchat 700/udp\nchat\t701/tcp talk Gossip # chat 9/tcp\nbroken\nworse 70000/tcp\nbad x/tcp\n\0\n";
        for (name, want) in
            [("chat", Some(701)), ("gossip", Some(701)), ("about", None), ("worse", None), ("bad", None)]
        {
            assert_eq!(listed(list, name), want, "{name}");
        }
    }
}
