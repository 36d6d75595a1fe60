//! Where an upstream is: `http://user:password@host:port/path?query`, `https://…`, `unix:/socket:/path?query`.
//!
//! * Source: RFC 3986; of a URL only the parts that a request needs are kept.
//! * Credentials are taken out: no message, label or log line shows them.
//! * Differs from Go's URL parser: a host is required, and what cannot be sent in a request line is refused here.

use std::fmt;

/// How to get there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A host, by name or address.
    Host {
        /// A name, an IPv4 address, or an IPv6 address without brackets.
        host: String,
        /// TCP port.
        port: u16,
        /// Whether TLS is spoken.
        tls: bool,
    },
    /// A Unix socket.
    Unix(String),
}

/// A checked address of one resource.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    /// How to get there.
    pub place: Place,
    /// Host and port as written, for the `Host` header.
    pub authority: String,
    /// Path and query, beginning with `/`.
    pub path: String,
    /// User and password, decoded.
    pub credentials: Option<(String, String)>,
    /// The text without credentials.
    shown: String,
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({})", self.shown)
    }
}

impl Url {
    /// Takes a URL apart; `default_path` is the path of one that has none.
    ///
    /// Fails with what was expected; the message holds no credentials.
    pub fn parse(text: &str, default_path: &str) -> Result<Self, String> {
        // Within a URL a quote is a character like others: of a password, for example.
        let quotes = ['"', '\'', '`', '<', '>', '\\'];
        let quoted = text.starts_with(quotes) || text.ends_with(quotes);
        if quoted || text.chars().any(|c| c.is_ascii_control() || c == ' ') {
            return Err(
                "expected a URL without quotes and blanks (did a shell or a service file leave them in?)".to_owned()
            );
        }
        let target = |rest: &str| -> String {
            let rest = rest.split('#').next().unwrap_or_default();
            let path = match rest {
                "" => default_path.to_owned(),
                query if query.starts_with('?') => format!("/{query}"),
                path => path.to_owned(),
            };
            // A request line is ASCII without quotes; anything else is sent as its UTF-8 bytes, escaped.
            path.bytes().fold(String::new(), |mut out, b| {
                match b {
                    b'!'..=b'~' if !matches!(b, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`') => out.push(char::from(b)),
                    b => out.push_str(&format!("%{b:02X}")),
                }
                out
            })
        };
        if let Some(rest) = text.strip_prefix("unix:") {
            let rest = rest.strip_prefix("//").unwrap_or(rest);
            let (socket, path) = rest.split_once(':').unwrap_or((rest, ""));
            if !socket.starts_with('/') || !(path.is_empty() || path.starts_with(['/', '?'])) {
                return Err("expected unix:/path/of/socket or unix:/path/of/socket:/path?query".to_owned());
            }
            return Ok(Self {
                place: Place::Unix(socket.to_owned()),
                authority: "localhost".to_owned(),
                path: target(path),
                credentials: None,
                shown: text.to_owned(),
            });
        }
        let (scheme, rest) =
            text.split_once("://").ok_or("expected a URL that begins with http://, https:// or unix:")?;
        let (tls, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (false, 80),
            "https" => (true, 443),
            _ => return Err("expected a URL that begins with http://, https:// or unix:".to_owned()),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let (credentials, authority) = match authority.rsplit_once('@') {
            Some((user, authority)) => (Some(user), authority),
            None => (None, authority),
        };
        let (host, port) = match authority.strip_prefix('[') {
            Some(v6) => {
                let (host, port) = v6.split_once(']').ok_or("expected a closing bracket behind the IPv6 address")?;
                host.parse::<std::net::Ipv6Addr>().map_err(|_| "expected an IPv6 address in brackets")?;
                (host, if port.is_empty() { None } else { Some(port.strip_prefix(':').unwrap_or("-")) })
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
        if host.is_empty() || !host.chars().all(is_name) {
            return Err("expected a host behind http:// or https://".to_owned());
        }
        let port = match port {
            None | Some("") => default_port,
            Some(port) => port.parse::<u16>().ok().filter(|port| *port > 0).ok_or("expected a port from 1 to 65535")?,
        };
        let credentials = credentials.map(|text| {
            let (user, password) = text.split_once(':').unwrap_or((text, ""));
            (unescape(user), unescape(password))
        });
        let path = target(rest);
        let shown = format!("{scheme}://{authority}{rest}");
        let place = Place::Host { host: host.to_owned(), port, tls };
        Ok(Self { place, authority: authority.to_owned(), path, credentials, shown })
    }

    /// The same place with another path.
    pub fn with_path(&self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self.clone() }
    }
}

/// Percent-decoding as in the user part of a URL, where `+` is no blank.
fn unescape(text: &str) -> String {
    crate::query::decode(&text.replace('+', "%2B"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &str) {
        let got = match Url::parse(text, "/default") {
            Ok(url) => {
                let Url { place, authority, path, credentials, .. } = &url;
                format!("{place:?} {authority} {path} {credentials:?} {url}")
            }
            Err(e) => e,
        };
        let got = got.replace("Host { host: ", "").replace(", port: ", " ").replace(", tls: ", " ").replace(" }", "");
        assert_eq!(got, want, "{text}");
    }

    #[test]
    fn good() {
        check(
            "http://localhost/server-status?auto",
            "\"localhost\" 80 false localhost /server-status?auto None http://localhost/server-status?auto",
        );
        check("HTTPS://h", "\"h\" 443 true h /default None HTTPS://h");
        check("http://h:81?a=1#x", "\"h\" 81 false h:81 /?a=1 None http://h:81?a=1#x");
        check("http://[::1]:99/ä", "\"::1\" 99 false [::1]:99 /%C3%A4 None http://[::1]:99/ä");
        check("http://a%40b:p:w+%21@h:/x", "\"h\" 80 false h: /x Some((\"a@b\", \"p:w+!\")) http://h:/x");
        check("http://u:p'w\"<`@h/x", "\"h\" 80 false h /x Some((\"u\", \"p'w\\\"<`\")) http://h/x");
        check("http://h/a'b|<?c=`d", "\"h\" 80 false h /a'b|%3C?c=%60d None http://h/a'b|<?c=`d");
        check("unix:/run/a.sock", "Unix(\"/run/a.sock\") localhost /default None unix:/run/a.sock");
        check("unix:///run/a.sock:/s?auto", "Unix(\"/run/a.sock\") localhost /s?auto None unix:///run/a.sock:/s?auto");
    }

    #[test]
    fn garbage() {
        let begins = "expected a URL that begins with http://, https:// or unix:";
        for text in ["", "localhost", "localhost:80/x", "ftp://h/", "://h"] {
            check(text, begins);
        }
        for text in ["\"http://h\"", "'http://h", "http://h'", "http://h/a b", "http://h/\n", " http://h"] {
            check(text, "expected a URL without quotes and blanks (did a shell or a service file leave them in?)");
        }
        for text in ["http://", "http:///path", "http://a\"b", "http://user@/x", "http://h{}/"] {
            assert!(Url::parse(text, "/").is_err(), "{text}");
        }
        for text in ["http://h:0", "http://h:65536", "http://h:x", "http://[::1]x", "http://[::1]:-1"] {
            check(text, "expected a port from 1 to 65535");
        }
        check("http://[::g]", "expected an IPv6 address in brackets");
        check("http://[::1", "expected a closing bracket behind the IPv6 address");
        for text in ["unix:relative", "unix:", "unix:/a:b", "unix://host/x"] {
            check(text, "expected unix:/path/of/socket or unix:/path/of/socket:/path?query");
        }
        let leak = Url::parse("http://user:secret@h:x/", "/").unwrap_err();
        assert!(!leak.contains("secret"), "{leak}");
    }
}
