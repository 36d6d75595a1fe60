//! Targets of the WebSocket prober: URLs.

use hyper::http::uri::{PathAndQuery, Uri};

use crate::reason::Failure;

/// A URL, split; whether it can be dialed is known by [`Target::port`].
#[derive(Debug)]
pub(super) struct Target {
    /// Name or address, without brackets.
    pub(super) host: String,
    /// Host and port, as they are written.
    pub(super) authority: String,
    /// What is asked for.
    pub(super) path: PathAndQuery,
    scheme: String,
    port: Option<u16>,
    has_user: bool,
}

impl Target {
    /// Reads a target.
    ///
    /// # Errors
    /// It is no URL with a scheme and a host.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        // The text may hold a password, and is not shown.
        let wrong = |what: &str| Failure::target(format!("target: expected a ws:// or wss:// URL, found {what}"));
        if text.split_once("://").is_none_or(|(scheme, _)| scheme.is_empty()) {
            return Err(wrong("none"));
        }
        // A zone is written with `%25` in a URL, and a blank in a path gets along.
        let uri: Uri = text.replace(' ', "%20").parse().map_err(|e| wrong(&format!("another text ({e})")))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(wrong("none")) };
        let (user, place) = match authority.as_str().rsplit_once('@') {
            Some((_, place)) => (true, place),
            None => (false, authority.as_str()),
        };
        let host = authority.host();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = place.strip_prefix(authority.host()).and_then(|rest| rest.strip_prefix(':')).unwrap_or_default();
        let port = match port {
            "" => None,
            port => Some(port.parse().map_err(|_| wrong("a port that is no number up to 65535"))?),
        };
        Ok(Self {
            host: host.replacen("%25", "%", 1),
            authority: place.to_owned(),
            path: uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")),
            scheme: scheme.to_ascii_lowercase(),
            port,
            has_user: user,
        })
    }

    /// Whether it is `wss`.
    pub(super) fn is_secure(&self) -> bool {
        self.scheme == "wss"
    }

    /// The port.
    ///
    /// # Errors
    /// Nobody can connect to such a URL.
    pub(super) fn port(&self) -> Result<u16, Failure> {
        if self.has_user {
            return Err(Failure::target("target: expected no user in the URL, found one"));
        }
        let usual = match self.scheme.as_str() {
            "ws" => 80,
            "wss" => 443,
            scheme => return Err(Failure::target(format!("target: expected ws:// or wss://, found {scheme}://"))),
        };
        Ok(self.port.unwrap_or(usual))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        for (text, want) in [
            ("ws://localhost", Some(("localhost", "localhost", Some(80), "/"))),
            ("wss://localhost/a?b=c#d", Some(("localhost", "localhost", Some(443), "/a?b=c"))),
            ("WS://localhost:8080/a b", Some(("localhost", "localhost:8080", Some(8080), "/a%20b"))),
            ("ws://[::1]:1/x", Some(("::1", "[::1]:1", Some(1), "/x"))),
            ("ws://[::1]/x", Some(("::1", "[::1]", Some(80), "/x"))),
            ("ws://127.0.0.1:/", Some(("127.0.0.1", "127.0.0.1:", Some(80), "/"))),
            ("http://localhost:1/", Some(("localhost", "localhost:1", None, "/"))),
            ("ws://user:word@localhost/", Some(("localhost", "localhost", None, "/"))),
            ("localhost:80", None),
            ("127.0.0.1:80", None),
            ("ws://localhost:x/", None),
            ("ws://localhost:65536/", None),
            ("ws://", None),
            ("://localhost", None),
            ("", None),
        ] {
            let found = Target::parse(text).ok();
            let found = found
                .as_ref()
                .map(|found| (found.host.as_str(), found.authority.as_str(), found.port().ok(), found.path.as_str()));
            assert_eq!(found, want, "{text}");
        }
        assert!(!Target::parse("ws://user:hidden@localhost:x/").unwrap_err().what.contains("hidden"));
    }
}
