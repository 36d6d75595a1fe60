//! The web face: sockets, TLS, passwords and the server loop, the same for every exporter.
//!
//! From the socket to the handler:
//!
//! * [`listen`]: `--web.listen-address` values to bound sockets; [`systemd`] takes them from the service manager.
//! * [`config`]: the `--web.config.file` format, parsed and checked, no I/O beyond reading the file.
//! * [`tls`] and [`client_certs`]: checked settings to a rustls server configuration.
//! * [`auth`]: basic auth against bcrypt hashes without letting a stranger spend our CPU.
//! * [`reload`]: the file as it is on disk right now, for every request and handshake.
//! * `gate`: what happens to one request before and after the handler.
//! * `connections` and `wire`: which connections exist, which are waiting and for how long.
//! * [`mod@serve`]: the accept loop and the life of one connection.
//!
//! Nothing here knows a metric. Handlers are an [`axum::Router`] given by the program.

pub mod auth;
pub mod client_certs;
pub mod config;
mod connections;
mod gate;
pub mod listen;
pub mod reload;
pub mod serve;
pub mod systemd;
pub mod tls;
mod wire;

pub use listen::{Bound, ListenError, bind};
pub use reload::WebConfigFile;
pub use serve::{Limits, serve};
