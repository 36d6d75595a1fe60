//! Which proxy a request goes through, if any.
//!
//! * `proxy_url` alone: every request. With `no_proxy`, or from the environment: loopback and what `no_proxy` lists go
//!   directly.
//! * Entries of `no_proxy`: `*`, names (their sub-domains as well), addresses, networks, each but a network with an
//!   optional port.
//! * A proxy over TLS that takes the request itself is what the TLS families tell of.
//! * Differs from the Go exporter: names in `no_proxy` match the name of the target although it was resolved; a proxy over
//!   TLS is asked for by its own name, not by that of the target.

use std::net::IpAddr;

use ipnet::IpNet;

use super::target::Url;
use crate::config;
use crate::resolve::literal;

/// How to speak to a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// HTTP; over TLS if the URL is `https`.
    Http,
    /// SOCKS version 5.
    Socks,
}

/// A proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proxy {
    /// How to speak to it.
    pub(super) kind: Kind,
    /// Where it is, and who one says to be there.
    pub(super) url: Url,
    /// Its port.
    pub(super) port: u16,
}

/// The environment as far as proxies go; a parameter of its own so that tests need not change the real one.
type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The proxy for a request; `chosen` is the address of the host where it is known.
///
/// # Errors
/// The proxy's URL cannot be used; one sentence, which shows nothing of it.
pub(super) fn choose(config: &config::Proxy, url: &Url, chosen: Option<IpAddr>) -> Result<Option<Proxy>, String> {
    choose_with(config, url, chosen, &|name| std::env::var(name).ok())
}

fn choose_with(
    config: &config::Proxy,
    url: &Url,
    chosen: Option<IpAddr>,
    environment: Environment<'_>,
) -> Result<Option<Proxy>, String> {
    let variable = |upper: &str, lower: &str| {
        environment(upper).filter(|v| !v.is_empty()).or_else(|| environment(lower)).unwrap_or_default()
    };
    if config.from_environment {
        let value = if url.tls { variable("HTTPS_PROXY", "https_proxy") } else { variable("HTTP_PROXY", "http_proxy") };
        if value.is_empty() || goes_directly(&variable("NO_PROXY", "no_proxy"), url, chosen) {
            return Ok(None);
        }
        let value = if value.contains("://") { value } else { format!("http://{value}") };
        return parse(&value).map(Some).map_err(|e| format!("proxy of the environment: {e}"));
    }
    let Some(proxy) = config.url.as_ref().map(|url| url.0.as_str()).filter(|url| !url.is_empty()) else {
        return Ok(None);
    };
    if !config.no_proxy.is_empty() && goes_directly(&config.no_proxy, url, chosen) {
        return Ok(None);
    }
    parse(proxy).map(Some).map_err(|e| format!("proxy_url: {e}"))
}

/// Whether there may be a proxy at all, so that it can be left to it to resolve names.
pub(super) fn is_configured(config: &config::Proxy) -> bool {
    config.url.is_some() || config.from_environment
}

fn parse(text: &str) -> Result<Proxy, &'static str> {
    let (scheme, rest) = text.split_once("://").ok_or("expected a URL with a scheme")?;
    let (kind, like, default_port) = match scheme.to_ascii_lowercase().as_str() {
        "http" => (Kind::Http, "http", 80),
        "https" => (Kind::Http, "https", 443),
        "socks5" | "socks5h" => (Kind::Socks, "http", 1080),
        _ => return Err("expected http, https, socks5 or socks5h"),
    };
    let url = Url::absolute(&format!("{like}://{rest}"))?;
    let port = if url.has_port() { url.port().ok_or("expected a port up to 65535")? } else { default_port };
    Ok(Proxy { kind, url, port })
}

/// Whether a request leaves the proxy aside.
fn goes_directly(no_proxy: &str, url: &Url, chosen: Option<IpAddr>) -> bool {
    let host = url.host.trim_end_matches('.').to_ascii_lowercase();
    let ip = literal(&url.host).map(|address| address.ip).or(chosen);
    if host == "localhost" || ip.is_some_and(|ip| ip.is_loopback()) {
        return true;
    }
    let entries = no_proxy.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    entries.map(str::to_ascii_lowercase).any(|entry| matches(&entry, &host, ip, url.port()))
}

fn matches(entry: &str, host: &str, ip: Option<IpAddr>, port: Option<u16>) -> bool {
    if entry == "*" {
        return true;
    }
    if let Ok(net) = entry.parse::<IpNet>() {
        return ip.is_some_and(|ip| net.contains(&ip));
    }
    if let Ok(address) = entry.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return ip == Some(address.to_canonical());
    }
    let (name, wanted) = match entry.rsplit_once(':') {
        Some((name, digits)) => match digits.parse::<u16>() {
            Ok(wanted) => (name, Some(wanted)),
            Err(_) => return false,
        },
        None => (entry, None),
    };
    if wanted.is_some() && wanted != port {
        return false;
    }
    if let Ok(address) = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return ip == Some(address.to_canonical());
    }
    // `*.x` and `.x` are sub-domains of x alone, `x` is x as well.
    let name = name.strip_prefix('*').unwrap_or(name);
    match name.strip_prefix('.') {
        Some(_) => host.ends_with(name),
        None => host == name || host.strip_suffix(name).is_some_and(|head| head.ends_with('.')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn url(text: &str) -> Url {
        Url::of_target(text, false).unwrap()
    }

    #[test]
    fn without_a_proxy() {
        for no_proxy in [
            "*",
            "example.org",
            "org",
            ".example.org",
            "*.example.org",
            "x, a.example.org:80",
            "192.0.2.9",
            "192.0.2.0/24",
            "192.0.2.9:80",
            "A.Example.ORG",
        ] {
            assert!(goes_directly(no_proxy, &url("a.example.org"), "192.0.2.9".parse().ok()), "{no_proxy}");
        }
        for no_proxy in
            ["", "b.example.org", ".a.example.org", "ple.org", "a.example.org:81", "192.0.2.8", "::1", "a:b"]
        {
            assert!(!goes_directly(no_proxy, &url("a.example.org"), "192.0.2.9".parse().ok()), "{no_proxy}");
        }
        assert!(goes_directly("", &url("localhost"), None) && goes_directly("", &url("[::1]:99"), None));
        assert!(goes_directly("", &url("h"), "127.0.0.7".parse().ok()));
    }

    #[test]
    fn the_environment() {
        let config = config::Proxy { from_environment: true, ..config::Proxy::default() };
        let environment = |name: &str| match name {
            "http_proxy" => Some("u:p@proxy:3128".to_owned()),
            "HTTPS_PROXY" => Some("socks5h://[::1]".to_owned()),
            "NO_PROXY" => Some("inside".to_owned()),
            _ => None,
        };
        let get = |text: &str| choose_with(&config, &url(text), None, &environment).unwrap();
        let proxy = get("http://outside").unwrap();
        assert_eq!((proxy.kind, proxy.url.host.as_str(), proxy.port), (Kind::Http, "proxy", 3128));
        let proxy = get("https://outside").unwrap();
        assert_eq!((proxy.kind, proxy.url.host.as_str(), proxy.port), (Kind::Socks, "::1", 1080));
        assert_eq!(get("http://inside"), None);
    }

    #[test]
    fn a_proxy_alone_is_for_everything() {
        let config = |text: &str| config::Proxy { url: Some(Secret(text.to_owned())), ..config::Proxy::default() };
        let get = |text: &str| choose(&config(text), &url("http://127.0.0.1"), None);
        assert_eq!(get("https://p").unwrap().unwrap().port, 443);
        assert_eq!(get("").unwrap(), None);
        for broken in ["foo", "ftp://p", "http://p:x"] {
            assert!(get(broken).unwrap_err().starts_with("proxy_url: "), "{broken}");
        }
    }
}
