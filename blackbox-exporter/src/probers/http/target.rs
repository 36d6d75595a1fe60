//! The URL of a target, and those that redirects lead to.
//!
//! * Source: RFC 3986, read as leniently as Go reads it: paths and queries are sent as they were written, and only what
//!   cannot stand in a request line is escaped.
//! * User and password are taken out: neither `Display` nor any message shows them.
//! * Differs from Go: an escaped character stays escaped where another one of the path has to be escaped.

use std::fmt;
use std::net::Ipv6Addr;

use crate::config::Secret;

/// A checked `http://` or `https://` URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    /// Whether it is `https`.
    pub(super) tls: bool,
    /// User and password, decoded.
    pub(super) user: Option<(String, Secret)>,
    /// A name, or an address without brackets, an IPv6 one perhaps with a zone.
    pub(super) host: String,
    /// Digits, if any were written.
    port: Option<String>,
    /// Path and query, beginning with `/`.
    pub(super) path: String,
}

/// Why a `Location` leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Astray {
    /// It is no URL; what was expected.
    Broken(&'static str),
    /// It is neither `http` nor `https`.
    Scheme,
}

/// Bytes of a `Location` that is followed.
const MOST_LOCATION_BYTES: usize = 64 << 10;

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme(), self.authority(), self.path)
    }
}

impl Url {
    /// The URL that a target means: `http://` is put in front of what has no scheme; HTTP/3 turns it into `https://`.
    ///
    /// # Errors
    /// What was expected; shows nothing of the target.
    pub(super) fn of_target(target: &str, http3: bool) -> Result<Self, &'static str> {
        let (tls, rest) = match (strip_scheme(target, "http://"), strip_scheme(target, "https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            (None, None) => (false, target),
        };
        Self::behind_scheme(tls || http3, rest)
    }

    /// A URL that has to name its scheme.
    ///
    /// # Errors
    /// What was expected.
    pub(super) fn absolute(text: &str) -> Result<Self, &'static str> {
        match (strip_scheme(text, "http://"), strip_scheme(text, "https://")) {
            (Some(rest), _) => Self::behind_scheme(false, rest),
            (_, Some(rest)) => Self::behind_scheme(true, rest),
            (None, None) => Err("expected a URL that begins with http:// or https://"),
        }
    }

    fn behind_scheme(tls: bool, rest: &str) -> Result<Self, &'static str> {
        if rest.bytes().any(|b| b.is_ascii_control()) {
            return Err("expected a URL without control characters");
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(credentials(user)?), host),
            None => (None, authority),
        };
        let (host, port) = host_and_port(host)?;
        Ok(Self { tls, user, host, port, path: request_path(path)? })
    }

    /// The URL that a `Location` means here; `true` beside it when the `Location` names a scheme itself.
    ///
    /// # Errors
    /// It leads nowhere.
    pub(super) fn join(&self, location: &str) -> Result<(Self, bool), Astray> {
        // A peer may send megabytes, which no request line can hold.
        if location.len() > MOST_LOCATION_BYTES {
            return Err(Astray::Broken("expected a URL of at most 64 KiB"));
        }
        let location = location.split('#').next().unwrap_or_default();
        let relative = |path: String| -> Result<(Self, bool), Astray> {
            let path = request_path(&without_dots(&path)).map_err(Astray::Broken)?;
            Ok((Self { path, ..self.clone() }, false))
        };
        let own_path = self.path.split('?').next().unwrap_or_default();
        if let Some(scheme) = scheme(location)? {
            if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
                return Err(Astray::Scheme);
            }
            let mut url = Self::absolute(location).map_err(Astray::Broken)?;
            url.path = without_dots(&url.path);
            return Ok((url, true));
        }
        if let Some(rest) = location.strip_prefix("//") {
            let mut url = Self::behind_scheme(self.tls, rest).map_err(Astray::Broken)?;
            url.path = without_dots(&url.path);
            return Ok((url, false));
        }
        match location.chars().next() {
            None => Ok((self.clone(), false)),
            Some('/') => relative(location.to_owned()),
            Some('?') => relative(format!("{own_path}{location}")),
            Some(_) => {
                let folder = own_path.rfind('/').and_then(|at| own_path.get(..=at)).unwrap_or("/");
                relative(format!("{folder}{location}"))
            }
        }
    }

    /// As it is displayed, without what the query says.
    pub(super) fn without_query(&self) -> String {
        let (path, mark) = self.path.split_once('?').map_or((self.path.as_str(), ""), |(path, _)| (path, "?…"));
        format!("{}://{}{path}{mark}", self.scheme(), self.authority())
    }

    /// `http` or `https`.
    pub(super) fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    /// The port to connect to; `None` when its number is none of a port.
    pub(super) fn port(&self) -> Option<u16> {
        match &self.port {
            Some(port) => port.parse().ok(),
            None => Some(if self.tls { 443 } else { 80 }),
        }
    }

    /// Whether a port was written.
    pub(super) fn has_port(&self) -> bool {
        self.port.is_some()
    }

    /// Host and port as written: what the `Host` header says. A zone matters on this machine alone.
    pub(super) fn authority(&self) -> String {
        let (host, v6) = (self.host.split('%').next().unwrap_or_default(), self.host.contains(':'));
        let (open, close) = if v6 { ("[", "]") } else { ("", "") };
        match &self.port {
            Some(port) => format!("{open}{host}{close}:{port}"),
            None => format!("{open}{host}{close}"),
        }
    }

    /// Host and port, always with a port: what a proxy is asked for.
    pub(super) fn host_with_port(host: &str, port: u16) -> String {
        let host = host.split('%').next().unwrap_or_default();
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

/// What follows a scheme, which may be written in any case.
fn strip_scheme<'t>(text: &'t str, scheme: &str) -> Option<&'t str> {
    let (head, rest) = text.split_at_checked(scheme.len())?;
    head.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// The scheme of a reference, if it has one.
fn scheme(location: &str) -> Result<Option<&str>, Astray> {
    let head = location.split(['/', '?']).next().unwrap_or_default();
    let Some((scheme, _)) = head.split_once(':') else { return Ok(None) };
    let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    if scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(letters) {
        return Ok(Some(scheme));
    }
    Err(Astray::Broken("expected no colon in the first part of a path"))
}

fn credentials(user: &str) -> Result<(String, Secret), &'static str> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    if !user.chars().all(fine) {
        return Err("expected user and password without other characters than letters, digits and escapes");
    }
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    Ok((unescape(user)?, Secret(unescape(password)?)))
}

fn host_and_port(text: &str) -> Result<(String, Option<String>), &'static str> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.rsplit_once(']').ok_or("expected a closing bracket behind the IPv6 address")?;
            let (ip, zone) = host.split_once("%25").unwrap_or((host, ""));
            if ip.parse::<Ipv6Addr>().is_err() || host.ends_with("%25") {
                return Err("expected an IPv6 address in brackets");
            }
            (if zone.is_empty() { ip.to_owned() } else { format!("{ip}%{}", unescape(zone)?) }, port)
        }
        None => {
            // The last colon, so that an IPv6 address may lack the brackets it should have.
            let (host, port) = text.split_at(text.rfind(':').unwrap_or(text.len()));
            (unescape_host(host)?, port)
        }
    };
    let port = match port.strip_prefix(':') {
        Some("") => None,
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.to_owned()),
        None if port.is_empty() => None,
        _ => return Err("expected a number as port"),
    };
    let fine = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:%".contains(c);
    if !host.chars().all(fine) {
        return Err("expected a host without blanks and other such characters");
    }
    Ok((host, port))
}

/// A path and query as a request line can have it.
fn request_path(text: &str) -> Result<String, &'static str> {
    let (path, query) = text.split_at(text.find('?').unwrap_or(text.len()));
    unescape(path)?;
    let mut out = String::with_capacity(text.len() + 1);
    if !path.starts_with('/') {
        out.push('/');
    }
    let in_path = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@[]/%".contains(&b);
    let in_query = |b: u8| b.is_ascii_graphic() && !b"\"<>".contains(&b);
    escape(&mut out, path, in_path);
    escape(&mut out, query, in_query);
    Ok(out)
}

fn escape(out: &mut String, text: &str, fine: impl Fn(u8) -> bool) {
    for b in text.bytes() {
        if fine(b) {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
}

/// As [`unescape`]; a host has no reason to escape ASCII, and a name in disguise is none (RFC 3986, section 3.2.2, has escapes
/// for other scripts), but for the percent sign itself.
fn unescape_host(host: &str) -> Result<String, &'static str> {
    let disguised = |behind: &str| !behind.starts_with("25") && behind.starts_with(|c: char| ('0'..='7').contains(&c));
    match host.split('%').skip(1).any(disguised) {
        true => Err("expected a host without escaped letters, digits and signs"),
        false => unescape(host),
    }
}

/// Percent-decoding, where `+` is no blank.
fn unescape(text: &str) -> Result<String, &'static str> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&b, behind)) = rest.split_first() {
        rest = behind;
        if b != b'%' {
            out.push(b);
            continue;
        }
        let digit = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16));
        let (Some(high), Some(low)) = (digit(rest.first()), digit(rest.get(1))) else {
            return Err("expected two hexadecimal digits behind each % of the URL");
        };
        out.push(u8::try_from(high * 16 + low).unwrap_or_default());
        rest = rest.get(2..).unwrap_or_default();
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// A path and query without `.` and `..` (RFC 3986, section 5.2.4).
fn without_dots(text: &str) -> String {
    let (path, query) = text.split_at(text.find('?').unwrap_or(text.len()));
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.trim_start_matches('/').split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}{query}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(target: &str, want: &str) {
        let got = match Url::of_target(target, false) {
            Ok(url) => {
                let user =
                    url.user.as_ref().map_or_else(String::new, |(user, password)| format!("{user}:{}@ ", password.0));
                format!("{user}{} {} {} {}", url.scheme(), url.host, url.port().unwrap_or(0), url.path)
            }
            Err(e) => e.to_owned(),
        };
        assert_eq!(got, want, "{target}");
    }

    #[test]
    fn targets() {
        check("h", "http h 80 /");
        check("HTTP://h:/x", "http h 80 /x");
        check("https://h?a=b&c=%20d#frag", "https h 443 /?a=b&c=%20d");
        check("h/a b/%2F/../+?x=a b<\u{e4}", "http h 80 /a%20b/%2F/../+?x=a%20b%3C%C3%A4");
        check("us%40:p%3aw@h:81", "us@:p:w@ http h 81 /");
        check("[::1]:99/", "http ::1 99 /");
        check("http://[fe80::1%25eth0]/", "http fe80::1%eth0 80 /");
        check("http://::1:99/", "http ::1 99 /");
        check("h%C3%A4.test:1", "http h\u{e4}.test 1 /");
        check("a%25", "http a% 80 /");
        check("h:99999", "http h 0 /");
        check("ftp://h/", "http ftp 80 //h/");
        check("h:abc", "expected a number as port");
        check("a b", "expected a host without blanks and other such characters");
        check("http://[::1", "expected a closing bracket behind the IPv6 address");
        for none in ["", "1.2.3.4", "h", "::1%lo", "::1%25", "::1%3a", "%3a:1", "::1]", "12345::"] {
            check(&format!("http://[{none}]:1/"), "expected an IPv6 address in brackets");
        }
        for disguised in ["127.0.0.1%3A80", "%31", "%6cocalhost", "a%25b%41"] {
            check(disguised, "expected a host without escaped letters, digits and signs");
        }
        check("h/%zz", "expected two hexadecimal digits behind each % of the URL");
        check("h/%", "expected two hexadecimal digits behind each % of the URL");
        check("h/\n", "expected a URL without control characters");
        check("", "http  80 /");
    }

    #[test]
    fn http3_is_tls() {
        assert!(Url::of_target("http://h", true).unwrap().tls);
        assert!(Url::of_target("h", true).unwrap().tls);
    }

    #[test]
    fn nobody_sees_a_password() {
        let url = Url::of_target("http://u:pass@[::1]:80/x", false).unwrap();
        assert_eq!(url.to_string(), "http://[::1]:80/x");
        assert!(!format!("{url:?}").contains("pass"));
    }

    #[test]
    fn references() {
        let base = Url::of_target("http://u:p@h:81/a/b?q", false).unwrap();
        for (location, want) in [
            ("", "http://h:81/a/b?q"),
            ("#x", "http://h:81/a/b?q"),
            ("/", "http://h:81/"),
            ("/c/./d/../e?z#f", "http://h:81/c/e?z"),
            ("c", "http://h:81/a/c"),
            ("../../..", "http://h:81/"),
            ("./", "http://h:81/a/"),
            ("?z", "http://h:81/a/b?z"),
            ("//o/x", "http://o/x"),
            ("HTTPS://o:1/x/../y", "https://o:1/y"),
            ("/a b", "http://h:81/a%20b"),
        ] {
            let (url, _) = base.join(location).unwrap();
            assert_eq!(url.to_string(), want, "{location}");
        }
        assert_eq!(base.join("/x").unwrap().0.user, base.user);
        assert_eq!(base.join("http://h:81/x").unwrap().0.user, None);
        assert_eq!(base.join("ftp://o/"), Err(Astray::Scheme));
        let long = "x".repeat(MOST_LOCATION_BYTES + 1);
        for broken in ["http://[::1", "1a:b", "/%x", "http:o", long.as_str()] {
            assert!(matches!(base.join(broken), Err(Astray::Broken(_))), "{broken}");
        }
    }
}
