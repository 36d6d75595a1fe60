//! Everything the logstash exporter is but its `main`.
//!
//! [`api`] reads the answers of a Logstash, [`families`] is the table of what is made of them; [`config`] reads the
//! configuration file: these are pure. [`instance`] asks one Logstash, [`exporter`] answers Prometheus with all of them,
//! [`setup`] is what the flags and the file say.

pub mod api;
pub mod config;
pub mod durations;
pub mod exporter;
pub mod families;
#[doc(hidden)]
pub mod fuzzing;
pub mod instance;
pub mod setup;

use common::app::{self, Program, web_flags};
use common::cli::Group;
use common::flags::Flag;

const PATH_FLAG: &str = "web.telemetry-path";

static WEB: [Flag; app::WEB_FLAGS] = web_flags(":9198", PATH_FLAG, "");

/// The logstash exporter as the shared life of a program knows it.
pub static PROGRAM: Program = Program {
    name: "logstash-exporter",
    exporter: "logstash_exporter",
    title: "Logstash Exporter",
    about: "Prometheus exporter for the monitoring API of Logstash.",
    web_flags: &WEB,
    flags: || vec![Group::new("Logstash", setup::FLAGS), Group::new("Metrics", setup::METRICS_FLAGS)],
    rows: &[],
    path_flag: PATH_FLAG,
    preset: setup::preset,
    surroundings: |_| Vec::new(),
    needs: None,
    source: setup::source,
};
