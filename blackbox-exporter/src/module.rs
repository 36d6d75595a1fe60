//! A module as it is kept in memory: its configuration, and what is made of it once and used by every probe.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use crate::config::{self, Indent, show_module};
use crate::probers::{PROBERS, Prober, dns};
use crate::tls;
use crate::veil::Veil;

/// A module. Probes that run keep the one they began with when the configuration changes.
#[derive(Debug)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// What the file says.
    pub config: config::Module,
    /// TLS towards the target, whichever section of the configuration it comes from.
    pub tls: tls::Kept,
    /// TLS towards the OAuth2 token server.
    pub token_tls: tls::Kept,
    /// Patterns of `prober: dns`.
    pub(crate) dns: dns::Kept,
    /// TLS towards proxies: the target's settings without its ALPN.
    pub proxy_tls: tls::Kept,
    /// TLS towards proxies on the way to the OAuth2 token server.
    pub token_proxy_tls: tls::Kept,
    /// Over what nobody may see of it.
    pub veil: Arc<Veil>,
    shown: OnceLock<String>,
}

impl Module {
    /// A module that has not probed yet.
    pub fn new(name: &str, config: config::Module) -> Self {
        Self {
            name: name.to_owned(),
            veil: Arc::new(Veil::of(&config)),
            config,
            tls: tls::Kept::default(),
            token_tls: tls::Kept::default(),
            dns: dns::Kept::default(),
            proxy_tls: tls::Kept::default(),
            token_proxy_tls: tls::Kept::default(),
            shown: OnceLock::new(),
        }
    }

    /// What probes for it; `None` when nobody knows that prober.
    pub fn prober(&self) -> Option<&'static Prober> {
        PROBERS.iter().find(|prober| prober.name == self.config.prober)
    }

    /// The configuration as YAML, secrets hidden.
    pub fn shown(&self) -> &str {
        self.shown.get_or_init(|| show_module(&self.config, Indent::Two))
    }

    /// As [`Module::shown`], with what the `hostname` of a request makes of it.
    pub fn shown_with(&self, hostname: Option<&str>) -> Cow<'_, str> {
        let Some(hostname) = hostname.filter(|hostname| !hostname.is_empty()) else {
            return Cow::Borrowed(self.shown());
        };
        let mut config = self.config.clone();
        match config.prober.as_str() {
            "http" => {
                config.http.headers.retain(|(name, _)| name != "Host");
                config.http.headers.push(("Host".to_owned(), hostname.to_owned()));
            }
            "tcp" if config.tcp.tls_config.server_name.is_empty() => {
                hostname.clone_into(&mut config.tcp.tls_config.server_name);
            }
            _ => return Cow::Borrowed(self.shown()),
        }
        Cow::Owned(show_module(&config, Indent::Two))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostname_is_shown_where_it_counts() {
        let check = |prober: &str, set: fn(&mut config::Module), want: &str| {
            let mut config = config::Module { prober: prober.to_owned(), ..config::Module::default() };
            set(&mut config);
            let module = Module::new("m", config);
            let (plain, named) = (module.shown(), module.shown_with(Some("h.test")));
            let added: String = named.lines().filter(|line| !plain.contains(line)).map(str::trim).collect();
            assert_eq!(added, want, "{prober}");
            assert_eq!(module.shown_with(Some("")), plain);
            assert_eq!(module.shown_with(None), plain);
        };
        check("http", |_| {}, "headers:Host: h.test");
        check("http", |config| config.http.headers = vec![("Host".to_owned(), "h.test".to_owned())], "");
        check("tcp", |_| {}, "tls_config:server_name: h.testinsecure_skip_verify: false");
        check("tcp", |config| config.tcp.tls_config.server_name = "own".to_owned(), "");
        check("icmp", |_| {}, "");
    }
}
