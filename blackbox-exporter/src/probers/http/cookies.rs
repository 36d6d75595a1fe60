//! The cookies of one probe (RFC 6265): set by its answers, sent with its later round trips, forgotten at its end.
//!
//! * A cookie for a whole domain is taken from a host within it, and never for a public suffix.
//! * At most 200 cookies and 64 KiB of them are kept: a peer decides how many there are.
//! * `Secure` ones go over TLS, and to loopback addresses.

use std::time::{SystemTime, UNIX_EPOCH};

use hyper::HeaderMap;
use hyper::header;

use super::date;
use super::target::Url;
use crate::resolve::literal;

const MOST_COOKIES: usize = 200;
const MOST_BYTES: usize = 64 << 10;

/// Cookies.
#[derive(Debug, Default)]
pub(super) struct Jar {
    cookies: Vec<Cookie>,
    bytes: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Cookie {
    name: String,
    /// As it is sent: in quotes where it came in quotes, or cannot do without.
    value: String,
    domain: String,
    /// Whether sub-domains get it as well.
    whole_domain: bool,
    path: String,
    secure: bool,
    /// Seconds since 1970; `None` lives as long as the probe.
    expires: Option<i64>,
}

impl Jar {
    /// Keeps what an answer sets; `host` is the host of `url` as cookies are filed.
    pub(super) fn store(&mut self, headers: &HeaderMap, url: &Url, host: &str) {
        let now = now();
        for value in headers.get_all(header::SET_COOKIE) {
            let Ok(text) = value.to_str() else { continue };
            let Some(cookie) = parse(text, host, &url.path, now) else { continue };
            let same = |other: &Cookie| {
                (&other.name, &other.domain, &other.path) == (&cookie.name, &cookie.domain, &cookie.path)
            };
            let at = self.cookies.iter().position(same);
            if cookie.expires.is_some_and(|expires| expires <= now) {
                self.cookies.retain(|other| !same(other));
                continue;
            }
            self.bytes += cookie.name.len() + cookie.value.len();
            if self.bytes > MOST_BYTES {
                return;
            }
            if let Some(old) = at.and_then(|at| self.cookies.get_mut(at)) {
                *old = cookie;
            } else if self.cookies.len() < MOST_COOKIES {
                self.cookies.push(cookie);
            }
        }
    }

    /// What a request to `url` says, if there is something; longer paths come first.
    pub(super) fn header(&self, url: &Url, host: &str) -> Option<String> {
        let path = url.path.split('?').next().unwrap_or_default();
        let safe = url.tls || host == "localhost" || literal(host).is_some_and(|address| address.ip.is_loopback());
        let mut sent: Vec<&Cookie> = self
            .cookies
            .iter()
            .filter(|cookie| host == cookie.domain || cookie.whole_domain && is_below(host, &cookie.domain))
            .filter(|cookie| covers(&cookie.path, path) && (safe || !cookie.secure))
            .filter(|cookie| cookie.expires.is_none_or(|expires| expires > now()))
            .collect();
        sent.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<String> = sent.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or(0)
}

fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|head| head.ends_with('.')) && literal(host).is_none()
}

/// Whether a cookie's path covers that of a request (RFC 6265, section 5.1.4).
fn covers(cookie: &str, request: &str) -> bool {
    request.strip_prefix(cookie).is_some_and(|rest| rest.is_empty() || cookie.ends_with('/') || rest.starts_with('/'))
}

/// Reads a `Set-Cookie`; `None` when it is none, or not for this host.
fn parse(text: &str, host: &str, request_path: &str, now: i64) -> Option<Cookie> {
    let mut parts = text.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic() && !b"\"(),/:<=>?@[\\]{}".contains(&b)) {
        return None;
    }
    let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    let is_quoted = bare.is_some() || value.contains([' ', ',']);
    let value = bare.unwrap_or(value);
    if !value.bytes().all(|b| (b' '..=b'~').contains(&b) && !b"\";\\".contains(&b)) {
        return None;
    }
    let mut cookie = Cookie {
        name: name.to_owned(),
        value: if is_quoted { format!("\"{value}\"") } else { value.to_owned() },
        domain: host.to_owned(),
        whole_domain: false,
        path: default_path(request_path),
        secure: false,
        expires: None,
    };
    let mut by_age = false;
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let value = value.trim();
        match key.trim().to_ascii_lowercase().as_str() {
            "secure" => cookie.secure = true,
            "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
            "max-age" => {
                if let Ok(age) = value.parse::<i64>() {
                    cookie.expires = Some(if age <= 0 { 0 } else { now.saturating_add(age) });
                    by_age = true;
                }
            }
            "expires" if !by_age => cookie.expires = date::parse(value),
            "domain" if !value.is_empty() => {
                let domain = value.strip_prefix('.').unwrap_or(value).to_ascii_lowercase();
                cookie.whole_domain = is_domain_of(&domain, host)?;
                if cookie.whole_domain {
                    cookie.domain = domain;
                }
            }
            _ => {}
        }
    }
    Some(cookie)
}

/// Whether a cookie of `host` may be for all of `domain`; `Some(false)` is for the host alone, `None` for nobody.
fn is_domain_of(domain: &str, host: &str) -> Option<bool> {
    if literal(host).is_some() || psl::suffix_str(domain).is_none_or(|suffix| suffix == domain) {
        // An address, or a public suffix, may be named by itself alone.
        return (domain == host).then_some(false);
    }
    (domain == host || is_below(host, domain)).then_some(true)
}

fn default_path(request_path: &str) -> String {
    let path = request_path.split('?').next().unwrap_or_default();
    match path.rfind('/') {
        Some(at) if at > 0 => path.get(..at).unwrap_or("/").to_owned(),
        _ => "/".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[track_caller]
    fn check(set: &[&str], at: &str, to: &str, want: Option<&str>) {
        let url = |text: &str| Url::of_target(text, false).unwrap();
        let mut headers = HeaderMap::new();
        for set in set {
            headers.append(header::SET_COOKIE, HeaderValue::from_str(set).unwrap());
        }
        let mut jar = Jar::default();
        jar.store(&headers, &url(at), &url(at).host);
        assert_eq!(jar.header(&url(to), &url(to).host).as_deref(), want, "{set:?} {at} {to}");
    }

    #[test]
    fn hosts() {
        check(&["a=1"], "http://app.test/", "http://app.test/x", Some("a=1"));
        check(&["a=1"], "http://app.test/", "https://app.test:99/x", Some("a=1"));
        check(&["a=1"], "http://app.test/", "http://sub.app.test/", None);
        check(&["a=1; Domain=.APP.test"], "http://app.test/", "http://sub.app.test/", Some("a=1"));
        check(&["a=1; domain=app.test"], "http://sub.app.test/", "http://app.test/", Some("a=1"));
        check(&["a=1; domain=b.test"], "http://app.test/", "http://b.test/", None);
        check(&["a=1; domain=co.uk"], "http://x.co.uk/", "http://x.co.uk/", None);
        check(&["a=1; domain=x.co.uk"], "http://y.x.co.uk/", "http://x.co.uk/", Some("a=1"));
        check(&["a=1; domain=127.0.0.1"], "http://127.0.0.1/", "http://127.0.0.1/", Some("a=1"));
        check(&["a=1; domain=0.0.1"], "http://127.0.0.1/", "http://127.0.0.1/", None);
    }

    #[test]
    fn paths_and_times() {
        check(&["a=1", "b=2; path=/x/y"], "http://h/x/", "http://h/x/y/z?q", Some("b=2; a=1"));
        check(&["a=1"], "http://h/x/y", "http://h/xy", None);
        check(&["a=1; path=x"], "http://h/x/y", "http://h/x/", Some("a=1"));
        check(&["a=1; max-age=0"], "http://h/", "http://h/", None);
        check(&["a=1", "a=2; max-age=-1"], "http://h/", "http://h/", None);
        check(
            &["a=1; max-age=99", "b=2; expires=Thu, 01 Jan 1970 00:00:09 GMT"],
            "http://h/",
            "http://h/",
            Some("a=1"),
        );
        check(&["a=1; expires=Thu, 01 Jan 1970 00:00:09 GMT; max-age=9"], "http://h/", "http://h/", Some("a=1"));
        check(&["a=1; secure"], "https://h/", "http://h/", None);
        check(&["a=1; secure"], "http://127.0.0.1/", "http://127.0.0.1/", Some("a=1"));
        check(&["a=1", "a=2"], "http://h/", "http://h/", Some("a=2"));
        check(&["", "=x", "a b=c", ";", "q"], "http://h/", "http://h/", None);
        check(
            &["a=\"x\"", "b=x y", "c=x,y", "d="],
            "http://h/",
            "http://h/",
            Some("a=\"x\"; b=\"x y\"; c=\"x,y\"; d="),
        );
        check(&["a=\"x", "b=x\\y", "c=x\"y", "d=\""], "http://h/", "http://h/", None);
    }

    #[test]
    fn a_peer_cannot_fill_the_memory() {
        let mut headers = HeaderMap::new();
        for n in 0..1000 {
            headers.append(header::SET_COOKIE, HeaderValue::from_str(&format!("c{n}={}", "x".repeat(200))).unwrap());
        }
        let (mut jar, url) = (Jar::default(), Url::of_target("h", false).unwrap());
        jar.store(&headers, &url, "h");
        assert!(jar.cookies.len() <= MOST_COOKIES && jar.bytes < 2 * MOST_BYTES);
    }
}
