//! `prober: unix`: whether a stream socket of this host can be connected to, TLS agreed on, and the module's script followed.
//!
//! * Target: the path of the socket, as it is; a leading `@` is a name of the abstract namespace. A path of the file system
//!   is relative to the working directory.
//! * Families: those of [`crate::dialogue`]; there is no address and no name to look up.
//! * Where there is a list of what may be probed (`--probe.allow-*`), no unix socket is on it.
//! * TLS asks for the module's `server_name`, else for the path itself, as the Go exporter does: no certificate has such a
//!   name, so that a `server_name` is needed wherever certificates are checked.

use tokio::net::UnixStream;

use crate::dialogue::{self, Script};
use crate::module::Module;
use crate::network::connect_failure;
use crate::reason::{Failure, Phase, Reason};
use crate::run::Run;

pub(super) async fn probe(module: &Module, run: &mut Run) -> Result<(), Failure> {
    let unix = &module.config.unix;
    let target = run.target.clone();
    if run.network.policy().has_allow_list() {
        return Err(Failure::new(Phase::Connect, Reason::Forbidden, "probing unix sockets is not allowed here"));
    }
    let script = Script {
        module,
        steps: &unix.query_response,
        tls: unix.tls,
        tls_config: &unix.tls_config,
        server_name: &target,
    };
    // A NUL instead of the `@` is what the system wants.
    let path = target.strip_prefix('@').map_or_else(|| target.clone(), |name| format!("\0{name}"));
    let connect = || {
        let (path, shown) = (path.clone(), target.clone());
        async move { UnixStream::connect(path).await.map_err(|e| connect_failure(&shown, &e)) }
    };
    dialogue::hold(run, script, connect).await
}
