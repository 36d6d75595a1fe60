//! Everything the blackbox exporter is but its `main`.
//!
//! [`config`] reads `blackbox.yml`; [`probers`] is the table of probers, a file each; a [`run`] is one probe while it runs.
//! What several probers share: [`endpoint`] splits `host:port`, [`resolve`] chooses the address, [`network`] opens
//! connections where that is allowed, [`tls`] shakes hands and tells about certificates, [`dialogue`] talks by a script,
//! [`given`] reads what a module has in files, [`reason`] says why a probe failed, [`regexp`] and [`cel`] are the two
//! languages of rules, [`budget`] bounds what all probes keep together, and [`veil`] hides secrets. [`exporter`] answers
//! Prometheus with them; [`routes`] says what is served where.

pub mod budget;
pub mod cel;
pub mod config;
pub mod dialogue;
pub mod endpoint;
pub mod exporter;
#[doc(hidden)]
pub mod fuzzing;
pub mod given;
pub mod history;
pub mod landing;
pub mod module;
pub mod network;
pub mod probers;
pub mod reason;
pub mod regexp;
pub mod request;
pub mod resolve;
pub mod routes;
pub mod run;
pub mod setup;
pub mod tls;
pub mod veil;

use common::app::{self, Program, web_flags};
use common::cli::Group;
use common::flags::Flag;

const PATH_FLAG: &str = "web.telemetry-path";

static WEB: [Flag; app::WEB_FLAGS] = web_flags(":9115", PATH_FLAG, "");

/// The blackbox exporter as the shared life of a program knows it.
pub static PROGRAM: Program = Program {
    name: "blackbox-exporter",
    exporter: "blackbox_exporter",
    title: "Blackbox Exporter",
    about: "Prometheus exporter that probes HTTP, TCP, ICMP, DNS, gRPC and WebSocket from where the users are.",
    web_flags: &WEB,
    flags: || vec![Group::new("Blackbox", setup::FLAGS), Group::new("Limits of probing", setup::LIMIT_FLAGS)],
    rows: &[],
    path_flag: PATH_FLAG,
    preset: setup::preset,
    surroundings: |_| Vec::new(),
    needs: None,
    source: setup::source,
};
