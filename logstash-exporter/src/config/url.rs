//! The base URL of a Logstash, taken apart. Pure.
//!
//! `http` or `https`, a host, and maybe a port and a path in front of the API's own. What stands before an `@` are
//! credentials; they are taken out, so that neither a label nor a message shows them.

use std::net::Ipv6Addr;

use super::Credentials;

/// A checked URL, free of credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// As it was written, without credentials: the label `hostname`.
    pub text: String,
    /// Whether the connection is TLS.
    pub https: bool,
    /// Host name or address, an IPv6 address without its brackets.
    pub host: String,
    /// Port; 80 or 443 when none was written.
    pub port: u16,
    /// Host and port as they were written, for the `Host` header.
    pub authority: String,
    /// What stands before the API's own paths: empty, or beginning with a slash and ending without.
    pub prefix: String,
}

impl Url {
    /// Takes a URL apart, and the credentials that stood in it. Messages hold no part that may be a secret.
    ///
    /// # Errors
    /// What was expected, and what was found where that is no secret.
    pub fn parse(text: &str) -> Result<(Self, Option<Credentials>), String> {
        let usual = "expected a URL such as http://localhost:9600";
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("{usual}, found characters that are not of a URL"));
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(|| format!("{usual}, found no http:// or https://"))?;
        let https = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(format!("{usual}, found a scheme that is neither http nor https")),
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (user, authority) = authority.rsplit_once('@').map_or(("", authority), |(user, host)| (user, host));
        if path.contains(['?', '#']) {
            return Err(format!("{usual}, found a query or a fragment"));
        }
        if path.contains(['"', '<', '>', '\\', '^', '`', '{', '|', '}']) || decode(path).is_none() {
            return Err(format!("{usual}, found a malformed path"));
        }
        let (host, port) = host_and_port(authority, if https { 443 } else { 80 })
            .ok_or_else(|| format!("{usual}, found a malformed host or port"))?;
        let credentials = credentials(user).ok_or_else(|| format!("{usual}, found malformed credentials"))?;
        let url = Self {
            text: format!("{scheme}://{authority}{path}"),
            https,
            host: host.to_owned(),
            port,
            authority: authority.to_owned(),
            prefix: path.trim_end_matches('/').to_owned(),
        };
        Ok((url, credentials))
    }
}

fn host_and_port(authority: &str, usual: u16) -> Option<(&str, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, if port.is_empty() { "" } else { port.strip_prefix(':')? })
        }
        None => {
            let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
            // Container networks have names with underscores.
            let is_of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            if host.is_empty() || !host.bytes().all(is_of_a_name) {
                return None;
            }
            (host, port)
        }
    };
    if port.is_empty() {
        return Some((host, usual));
    }
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|port| digits && *port > 0)?;
    Some((host, port))
}

/// `user:password`, each percent-encoded; an empty text is none.
fn credentials(user: &str) -> Option<Option<Credentials>> {
    if user.is_empty() {
        return Some(None);
    }
    let (username, password) = user.split_once(':').unwrap_or((user, ""));
    Some(Some(Credentials { username: decode(username)?, password: decode(password)?.into() }))
}

/// Undoes percent-encoding (RFC 3986 section 2.1); the result has to be UTF-8.
fn decode(text: &str) -> Option<String> {
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => u8::try_from(digit(rest.next())? * 16 + digit(rest.next())?).ok()?,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &str) {
        let got = Url::parse(text).map_or_else(
            |e| e.strip_prefix("expected a URL such as http://localhost:9600, found ").unwrap().to_owned(),
            |(url, credentials)| {
                let Url { text, https, host, port, authority, prefix } = url;
                let scheme = if https { "https" } else { "http" };
                let user = credentials.map_or(String::new(), |c| format!(" {}:{}", c.username, c.password.text()));
                format!("{text} = {scheme} {host} {port} {authority} {prefix:?}{user}")
            },
        );
        assert_eq!(got, want);
    }

    #[test]
    fn good() {
        check("http://localhost:9600", r#"http://localhost:9600 = http localhost 9600 localhost:9600 """#);
        check("HTTPS://a.b/", r#"HTTPS://a.b/ = https a.b 443 a.b """#);
        check("http://a_b:/p/q/", r#"http://a_b:/p/q/ = http a_b 80 a_b: "/p/q""#);
        check("http://[::1]:9600/x", r#"http://[::1]:9600/x = http ::1 9600 [::1]:9600 "/x""#);
        check("https://[fe80::1]", r#"https://[fe80::1] = https fe80::1 443 [fe80::1] """#);
        check("http://10.0.0.7:1/%7Ea@b", r#"http://10.0.0.7:1/%7Ea@b = http 10.0.0.7 1 10.0.0.7:1 "/%7Ea@b""#);
    }

    #[test]
    fn credentials_are_taken_out() {
        check("http://u:p@h:1/x", r#"http://h:1/x = http h 1 h:1 "/x" u:p"#);
        check("http://u@h", r#"http://h = http h 80 h "" u:"#);
        check("http://u%40x:p%3A%2f:q@h", r#"http://h = http h 80 h "" u@x:p:/:q"#);
        check("http://u:p@q@h", r#"http://h = http h 80 h "" u:p@q"#);
        check("http://@h", r#"http://h = http h 80 h """#);
        check("http://u:%zz@h", "malformed credentials");
        check("http://u:%ff@h", "malformed credentials");
        assert!(!format!("{:?}", Url::parse("http://bob:hunter2@h").unwrap()).contains("hunter2"));
    }

    #[test]
    fn bad() {
        for text in ["", "localhost:9600", "http:/localhost"] {
            check(text, "no http:// or https://");
        }
        for text in ["ftp://h", "://h"] {
            check(text, "a scheme that is neither http nor https");
        }
        for host in ["", ":9600", "/x", "h:0", "h:65536", "h:+1", "h:x", "[::1", "[::1]9600", "[x]", "::1", "a%41"] {
            check(&format!("http://{host}"), "a malformed host or port");
        }
        check("http://h?x", "a query or a fragment");
        check("http://h/x#y", "a query or a fragment");
        check("http://h/%2", "a malformed path");
        check("http://h/{x}", "a malformed path");
        check("http://h/ä", "characters that are not of a URL");
        check("http://a b", "characters that are not of a URL");
    }
}
