//! Everything the apache exporter is but its `main`.
//!
//! [`status`] reads the answer of mod_status, [`version`] the server's description in it, [`metrics`] writes the page.
//! All three are pure: bytes in, samples out. [`httpd`] asks one server, [`exporter`] answers Prometheus with it.

pub mod exporter;
#[doc(hidden)]
pub mod fuzzing;
pub mod httpd;
pub mod metrics;
pub mod status;
pub mod version;

use std::sync::Arc;

use common::app::{self, Made, Program, web_flags};
use common::cli::Group;
use common::flags::Flag;

const PATH_FLAG: &str = "telemetry.endpoint";

static WEB: [Flag; app::WEB_FLAGS] = web_flags(":9117", PATH_FLAG, "METRICS_ENDPOINT");

/// The apache exporter as the shared life of a program knows it.
pub static PROGRAM: Program = Program {
    name: "apache-exporter",
    exporter: "apache_exporter",
    title: "Apache Exporter",
    about: "Prometheus exporter for the status page of an Apache httpd.",
    web_flags: &WEB,
    flags: || {
        let further = metrics::GROUPS.iter().map(|group| &group.flag);
        vec![Group::new("Apache", exporter::FLAGS), Group::new("Further metrics", further)]
    },
    rows: &[],
    path_flag: PATH_FLAG,
    preset: app::NO_PRESET,
    surroundings: |_| Vec::new(),
    needs: None,
    source: |args| Ok(Made::from_source(Arc::new(exporter::Exporter::new(args)?))),
};
