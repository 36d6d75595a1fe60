//! Where a probe began: what is one host with it, and so may see credentials and cookies.
//!
//! The address that was chosen and the name it was chosen for are one host. (The Go exporter puts the address into the URL,
//! and a redirect to the name is a redirect to a stranger.)

use super::target::Url;
use crate::resolve::{Address, literal};

/// The target of a probe.
#[derive(Debug)]
pub(super) struct Origin {
    name: String,
    port: Option<u16>,
    address: Option<Address>,
    is_literal: bool,
}

impl Origin {
    /// The origin of a probe of `url`, which has that address.
    pub(super) fn new(url: &Url, address: Option<Address>) -> Self {
        let is_literal = literal(&url.host).is_some();
        Self { name: plain(&url.host), port: url.port(), address, is_literal }
    }

    /// Whether a URL is on the very host.
    pub(super) fn is_host_of(&self, url: &Url) -> bool {
        plain(&url.host) == self.name || self.address.is_some() && literal(&url.host) == self.address
    }

    /// Whether a URL has the very host and port.
    pub(super) fn is(&self, url: &Url) -> bool {
        self.is_host_of(url) && url.port() == self.port
    }

    /// Whether a URL is on the host or a sub-domain of it.
    pub(super) fn covers(&self, url: &Url) -> bool {
        let below = plain(&url.host).strip_suffix(&self.name).is_some_and(|head| head.ends_with('.'));
        self.is_host_of(url) || below && !self.is_literal && !self.name.is_empty()
    }

    /// The address of a URL, if it is on the host.
    pub(super) fn address_of(&self, url: &Url) -> Option<Address> {
        self.address.filter(|_| self.is_host_of(url))
    }

    /// The host of a URL as cookies are filed: the host's name, also where the URL has its address.
    pub(super) fn cookie_host(&self, url: &Url) -> String {
        if self.is_host_of(url) { self.name.clone() } else { plain(&url.host) }
    }
}

fn plain(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_address_are_one_host() {
        let url = |text: &str| Url::of_target(text, false).unwrap();
        let origin = Origin::new(&url("http://App.test:81"), literal("192.0.2.1"));
        for (text, same, host, covered) in [
            ("http://app.test:81/x", true, true, true),
            ("http://192.0.2.1:81", true, true, true),
            ("http://app.test.", false, true, true),
            ("https://app.test", false, true, true),
            ("http://sub.app.test:81", false, false, true),
            ("http://myapp.test:81", false, false, false),
            ("http://192.0.2.2:81", false, false, false),
            ("http://test:81", false, false, false),
        ] {
            let url = url(text);
            assert_eq!(
                (origin.is(&url), origin.is_host_of(&url), origin.covers(&url)),
                (same, host, covered),
                "{text}"
            );
        }
        assert_eq!(origin.cookie_host(&url("http://192.0.2.1/")), "app.test");
        let origin = Origin::new(&url("http://192.0.2.1"), literal("192.0.2.1"));
        assert!(!origin.covers(&url("http://9.192.0.2.1")) && !origin.covers(&url("http://x.192.0.2.1")));
    }
}
