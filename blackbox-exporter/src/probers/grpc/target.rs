//! Targets of the gRPC prober: `host[:port]`, perhaps written as a URL whose scheme, user and path mean nothing.

use crate::reason::Failure;
use crate::resolve::literal;

/// A target.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Name or address, without brackets.
    pub(super) host: String,
    /// Port, which may be larger than there are: the Go exporter notices only when it connects.
    pub(super) port: Option<u64>,
}

impl Target {
    /// Reads a target.
    ///
    /// # Errors
    /// It cannot be an authority of a URL.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = |what: &str| Failure::target(format!("target {text:?}: expected host[:port], found {what}"));
        let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")).unwrap_or(text);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
        if place
            .bytes()
            .any(|b| b <= b' ' || matches!(b, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}'))
        {
            return Err(wrong("a character that no host has"));
        }
        let (host, port) = match place.strip_prefix('[') {
            Some(inside) => inside.split_once(']').ok_or_else(|| wrong("an opening bracket alone"))?,
            // An address that needs brackets and has none can only be an address.
            None if literal(place).is_some() => (place, ""),
            None => place.split_at(place.rfind(':').unwrap_or(place.len())),
        };
        let port = match port.strip_prefix(':').unwrap_or(port) {
            "" => None,
            _ if !port.starts_with(':') => return Err(wrong("something after the bracket")),
            digits if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().unwrap_or(u64::MAX)),
            _ => return Err(wrong("a port that is no number")),
        };
        // A zone is written with `%25` in a URL, and with `%` elsewhere.
        Ok(Self { host: host.replacen("%25", "%", 1), port })
    }

    /// The host as an authority has it.
    pub(super) fn bracketed(host: &str) -> String {
        if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        for (text, want) in [
            ("localhost", Some(("localhost", None))),
            ("localhost:50051", Some(("localhost", Some(50051)))),
            ("127.0.0.1:", Some(("127.0.0.1", None))),
            ("127.0.0.1:99999", Some(("127.0.0.1", Some(99999)))),
            ("127.0.0.1:99999999999999999999", Some(("127.0.0.1", Some(u64::MAX)))),
            ("[::1]:1", Some(("::1", Some(1)))),
            ("[::1]", Some(("::1", None))),
            ("::1", Some(("::1", None))),
            ("[fe80::1%25lo]:1", Some(("fe80::1%lo", Some(1)))),
            ("http://localhost:1", Some(("localhost", Some(1)))),
            ("https://user:word@localhost:1/path?query", Some(("localhost", Some(1)))),
            ("ftp://localhost:1", Some(("ftp", None))),
            (":1", Some(("", Some(1)))),
            ("localhost:ssh", None),
            ("local host:1", None),
            ("[::1", None),
            ("[::1]1", None),
            ("[::1]:-1", None),
        ] {
            let found = Target::parse(text).ok();
            assert_eq!(found.as_ref().map(|target| (target.host.as_str(), target.port)), want, "{text}");
        }
    }
}
