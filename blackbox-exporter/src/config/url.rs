//! Whether a text is a URL as far as a configuration can tell, and how one is shown.
//!
//! * Source: RFC 3986, with the leniency of the Go exporter: without a scheme anything is a path, and queries are not
//!   looked at.

use std::net::Ipv6Addr;

/// Says what is wrong with a URL, if anything is.
pub(super) fn check(url: &str) -> Result<(), &'static str> {
    let (url, fragment) = url.split_once('#').unwrap_or((url, ""));
    if url.bytes().any(|b| b.is_ascii_control()) || !escapes_are_good(fragment, |_| true) {
        return Err("a control character or a broken % escape");
    }
    let (scheme, rest) = split_scheme(url)?;
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    if !rest.starts_with('/') {
        if scheme {
            return Ok(()); // opaque, as in mailto:somebody
        }
        let first = rest.split('/').next().unwrap_or("");
        if first.contains(':') {
            return Err("a colon before the first slash, but no scheme");
        }
    }
    let mut path = rest;
    if let Some(after) = rest.strip_prefix("//")
        && (scheme || !after.starts_with('/'))
    {
        let end = after.find('/').unwrap_or(after.len());
        let (authority, after) = after.split_at_checked(end).unwrap_or((after, ""));
        check_authority(authority)?;
        path = after;
    }
    if escapes_are_good(path, |_| true) { Ok(()) } else { Err("a broken % escape") }
}

/// Whether there is a scheme, and what follows it.
fn split_scheme(url: &str) -> Result<(bool, &str), &'static str> {
    for (at, b) in url.bytes().enumerate() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return Err("nothing before the colon"),
            b':' => return Ok((true, url.get(at + 1..).unwrap_or(""))),
            _ => break,
        }
    }
    Ok((false, url))
}

fn check_authority(authority: &str) -> Result<(), &'static str> {
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    let for_user = |b: u8| b.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&b);
    if let Some(user) = user
        && !(user.bytes().all(for_user) && escapes_are_good(user, |_| true))
    {
        return Err("a user or password with characters that have to be escaped");
    }
    let port = match host.strip_prefix('[') {
        Some(literal) => {
            let (address, port) = literal.rsplit_once(']').ok_or("a [ without its ]")?;
            let (address, zone) = address.split_once("%25").unwrap_or((address, "any"));
            if address.parse::<Ipv6Addr>().is_err() || zone.is_empty() || !escapes_are_good(zone, |_| true) {
                return Err("no IPv6 address between [ and ]");
            }
            port
        }
        None => {
            let for_host = |b: u8| !b.is_ascii() || b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:]<>\"%".contains(&b);
            if !host.bytes().all(for_host) || !escapes_are_good(host, |byte| !byte.is_ascii()) {
                return Err("a character that is not for host names");
            }
            host.rfind(':').and_then(|at| host.get(at..)).unwrap_or("")
        }
    };
    let digits = port.strip_prefix(':').unwrap_or(if port.is_empty() { "" } else { "x" });
    if digits.bytes().all(|b| b.is_ascii_digit()) { Ok(()) } else { Err("a port that is no number") }
}

/// Whether each `%` has two hexadecimal digits that make a byte which is `allowed`.
fn escapes_are_good(text: &str, allowed: impl Fn(u8) -> bool) -> bool {
    text.split('%').skip(1).all(|after| {
        let digits = after.get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).is_some_and(&allowed)
    })
}

/// A URL as [`without_password`] shows it, without the values of a query whose names speak of credentials.
pub(super) fn without_secrets(url: &str) -> String {
    let url = without_password(url);
    let Some((place, query)) = url.split_once('?') else { return url };
    let shown: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if super::is_credential(name) => format!("{name}=xxxxx"),
            _ => pair.to_owned(),
        })
        .collect();
    format!("{place}?{}", shown.join("&"))
}

/// A URL without its password; without the user, too, when that is all there is: it may be a token.
pub(super) fn without_password(url: &str) -> String {
    let Some(start) = url.find("//").map(|at| at + 2) else {
        return if url.contains('@') { "<secret>".to_owned() } else { url.to_owned() };
    };
    let (scheme, rest) = url.split_at_checked(start).unwrap_or((url, ""));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
    match authority.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((user, _)) => format!("{scheme}{user}:xxxxx@{host}{path}"),
            None => format!("{scheme}xxxxx@{host}{path}"),
        },
        // A password with a slash in it makes a path.
        None if path.contains('@') => "<secret>".to_owned(),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_and_bad() {
        for good in [
            "",
            "foo",
            "a b",
            "http://proxy:3128",
            "socks5h://u:p%20w@h:1",
            "//h",
            "///h:p",
            "a:b",
            "a/b:c",
            "*",
            "?",
            "#",
            "http:",
            "http:///x",
            "http://[::1]:80/",
            "http://[fe80::1%25eth0]",
            "http://h/?%zz",
            "http://h_x",
            "http://h:",
            "http://a%C3%A9",
            "http://:80",
            "mailto:x y",
            "http://u@@h",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "127.0.0.1:3128",
            ":foo",
            "1:foo",
            "[::1]:80",
            "a_b:c",
            "%zz",
            "http://h/%",
            "http://h/#%zz",
            "http://a b",
            "http://a:x",
            "http://a:-1",
            "http://[::1",
            "http://[::1]x",
            "http://[::1]:x",
            "http://[1.2.3.4]",
            "http://[v1.x]",
            "http://[::1%25]",
            "http://u ser@h",
            "http://u%ser@h",
            "http://a%41b",
            "http://h^x",
            "http://a[b]",
            "http://h\n",
            "//h:p",
            "http://é%4",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        for (url, want) in [
            ("http://user:pw@proxy:3128/x", "http://user:xxxxx@proxy:3128/x"),
            ("http://token@proxy", "http://xxxxx@proxy"),
            ("http://u:p@w@proxy", "http://u:xxxxx@proxy"),
            ("//u:p@h", "//u:xxxxx@h"),
            ("http://h/x", "http://h/x"),
            ("u:p@h", "<secret>"),
            ("http://u:p/w@h", "<secret>"),
            ("", ""),
        ] {
            assert_eq!(without_password(url), want);
        }
    }

    #[test]
    fn queries_may_hold_secrets() {
        for (url, want) in [
            ("http://u:p@h/?a=b&client_secret=s&key", "http://u:xxxxx@h/?a=b&client_secret=xxxxx&key"),
            ("http://h/x", "http://h/x"),
        ] {
            assert_eq!(without_secrets(url), want);
        }
    }
}
