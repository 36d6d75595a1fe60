//! `prober: tcp`: whether a TCP connection can be opened, TLS agreed on, and the module's script followed.
//!
//! * Target: `host:port`, the port a number or a service's name; an IPv6 address in brackets.
//! * Families: those of [`crate::resolve`] once the target could be split, and those of [`crate::dialogue`].
//! * TLS asks for the module's `server_name`, else for the request's `hostname`, else for the host of the target.

use std::net::IpAddr;
use std::sync::Arc;

use crate::dialogue::{self, Script};
use crate::endpoint;
use crate::module::Module;
use crate::reason::Failure;
use crate::resolve::{Address, resolve};
use crate::run::Run;

pub(super) async fn probe(module: &Module, run: &mut Run) -> Result<(), Failure> {
    let tcp = &module.config.tcp;
    let target = run.target.clone();
    let (host, port) = endpoint::split(&target)?;
    let address = resolve(run, host, &tcp.ip).await.0?;
    let to = address.with_port(endpoint::port(port)?);
    let source = source(&tcp.source_ip_address, address)?;

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

/// The address to connect from, if the module names one.
fn source(text: &str, target: Address) -> Result<Option<IpAddr>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = |what: &str| Failure::module(format!("source_ip_address {text:?}: {what}"));
    let source = text.parse::<IpAddr>().map_err(|_| wrong("expected an IP address"))?.to_canonical();
    if source.is_ipv4() != target.ip.is_ipv4() {
        return Err(wrong("expected an address of the target's family"));
    }
    Ok(Some(source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources() {
        for (text, target, want) in [
            ("", "127.0.0.1", Ok(None)),
            ("127.0.0.9", "127.0.0.1", Ok(Some("127.0.0.9"))),
            ("::ffff:127.0.0.9", "127.0.0.1", Ok(Some("127.0.0.9"))),
            ("::1", "::2", Ok(Some("::1"))),
            ("::1", "127.0.0.1", Err(())),
            ("127.0.0.1", "::1", Err(())),
            ("localhost", "127.0.0.1", Err(())),
        ] {
            let target = crate::resolve::literal(target).unwrap();
            let want = want.map(|want| want.map(|ip| ip.parse::<IpAddr>().unwrap()));
            assert_eq!(source(text, target).map_err(drop), want, "{text}");
        }
    }
}
