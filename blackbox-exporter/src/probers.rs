//! The table of probers: a row per value of `prober`.

pub(crate) mod dns;
pub(crate) mod grpc;
pub(crate) mod http;
pub mod icmp;
mod tcp;
mod unix;
pub(crate) mod websocket;

use std::pin::Pin;

use crate::module::Module;
use crate::reason::Failure;
use crate::run::Run;

/// A probe that runs.
pub type Probing<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;

/// One prober.
#[derive(Debug)]
pub struct Prober {
    /// Value of `prober`.
    pub name: &'static str,
    /// Probes; ends by the deadline of the run. What it finds is on the page of the run, whatever came of it.
    pub probe: for<'a> fn(&'a Module, &'a mut Run) -> Probing<'a>,
}

/// All of them, by name.
pub static PROBERS: [Prober; 7] = [
    Prober { name: "dns", probe: |module, run| Box::pin(dns::probe(module, run)) },
    Prober { name: "grpc", probe: |module, run| Box::pin(grpc::probe(module, run)) },
    Prober { name: "http", probe: |module, run| Box::pin(http::probe(module, run)) },
    Prober { name: "icmp", probe: |module, run| Box::pin(icmp::probe(module, run)) },
    Prober { name: "tcp", probe: |module, run| Box::pin(tcp::probe(module, run)) },
    Prober { name: "unix", probe: |module, run| Box::pin(unix::probe(module, run)) },
    Prober { name: "websocket", probe: |module, run| Box::pin(websocket::probe(module, run)) },
];
