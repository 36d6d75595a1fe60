//! The table of probers: a row per value of `prober`.

pub(crate) mod dns;
pub(crate) mod grpc;
pub(crate) mod http;
pub mod icmp;
mod tcp;
mod unix;
pub(crate) mod websocket;

use std::pin::Pin;

use common::exposition::Desc;

use crate::module::Module;
use crate::reason::Failure;
use crate::run::Run;
use crate::{dialogue, resolve, tls};

/// A probe that runs.
pub type Probing<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;

/// One prober.
#[derive(Debug)]
pub struct Prober {
    /// Value of `prober`.
    pub name: &'static str,
    /// What it may have on its page, beside what every probe has.
    pub families: &'static [&'static [Desc<'static>]],
    /// What it has of TLS.
    pub tls: Option<tls::With>,
    /// Probes; ends by the deadline of the run. What it finds is on the page of the run, whatever came of it.
    pub probe: for<'a> fn(&'a Module, &'a mut Run) -> Probing<'a>,
}

/// All of them, by name.
pub static PROBERS: [Prober; 7] = [
    Prober {
        name: "dns",
        families: &[dns::FAMILIES, resolve::FAMILIES],
        tls: None,
        probe: |module, run| Box::pin(dns::probe(module, run)),
    },
    Prober {
        name: "grpc",
        families: &[grpc::FAMILIES, resolve::FAMILIES],
        tls: Some(grpc::TLS),
        probe: |module, run| Box::pin(grpc::probe(module, run)),
    },
    Prober {
        name: "http",
        families: &[http::FAMILIES, resolve::FAMILIES],
        tls: Some(http::TLS),
        probe: |module, run| Box::pin(http::probe(module, run)),
    },
    Prober {
        name: "icmp",
        families: &[icmp::FAMILIES, resolve::FAMILIES],
        tls: None,
        probe: |module, run| Box::pin(icmp::probe(module, run)),
    },
    Prober {
        name: "tcp",
        families: &[dialogue::FAMILIES, resolve::FAMILIES],
        tls: Some(dialogue::TLS),
        probe: |module, run| Box::pin(tcp::probe(module, run)),
    },
    Prober {
        name: "unix",
        families: &[dialogue::FAMILIES],
        tls: Some(dialogue::TLS),
        probe: |module, run| Box::pin(unix::probe(module, run)),
    },
    Prober {
        name: "websocket",
        families: &[websocket::FAMILIES, resolve::FAMILIES],
        tls: None,
        probe: |module, run| Box::pin(websocket::probe(module, run)),
    },
];
