//! `prober: tcp`: whether a TCP connection can be opened, TLS agreed on, and the module's script followed.
//!
//! * Target: `host:port`, the port a number or a service's name; an IPv6 address in brackets.
//! * Families: those of [`crate::resolve`] once the target could be split, and those of [`crate::dialogue`].
//! * TLS asks for the module's `server_name`, else for the request's `hostname`, else for the host of the target.

use std::sync::Arc;

use crate::dialogue::{self, Script};
use crate::endpoint;
use crate::module::Module;
use crate::reason::Failure;
use crate::resolve::{self, resolve};
use crate::run::Run;

pub(super) async fn probe(module: &Module, run: &mut Run) -> Result<(), Failure> {
    let tcp = &module.config.tcp;
    let target = run.target.clone();
    let (host, port) = endpoint::split(&target)?;
    let address = resolve(run, host, &tcp.ip).await.0?;
    let to = address.with_port(endpoint::port(port)?);
    let source = resolve::source(&tcp.source_ip_address, address)?;

    let hostname = run.hostname.clone();
    let script = Script {
        module,
        steps: &tcp.query_response,
        tls: tcp.tls,
        tls_config: &tcp.tls_config,
        server_name: hostname.as_deref().unwrap_or(host),
    };
    let network = Arc::clone(&run.network);
    let connect = || {
        let network = Arc::clone(&network);
        async move { network.connect(to, source).await }
    };
    dialogue::hold(run, script, connect).await
}
