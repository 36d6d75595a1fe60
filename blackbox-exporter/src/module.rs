//! A module as it is kept in memory: its configuration, and what is made of it once and used by every probe.

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
}
