//! Everything the log exporter is but its `main`.
//!
//! [`tree`] and [`workload`] read names, [`record`] lines, [`level`] levels, [`patterns`] finds what is looked for, [`lines`] makes messages of blocks and
//! [`tally`] counts them; [`config`] reads the configuration file: these are pure. [`state`] is what is known of all containers,
//! [`follower`] the thread that keeps it up to date, with [`tail`] for files, [`watch`] for directories and [`positions`] for the process
//! that comes next. [`families`] is the page, [`exporter`] serves it, [`sample`] makes one of a sample, [`setup`] is what the flags say.

pub mod config;
pub mod exporter;
pub mod families;
pub mod follower;
#[doc(hidden)]
pub mod fuzzing;
pub mod level;
pub mod lines;
pub mod patterns;
pub mod positions;
pub mod record;
pub mod sample;
pub mod setup;
pub mod state;
pub mod tail;
pub mod tally;
pub mod tree;
pub mod watch;
pub mod workload;

use common::app::{self, Program, web_flags};
use common::cli::Group;
use common::flags::Flag;

const PATH_FLAG: &str = "web.telemetry-path";

static WEB: [Flag; app::WEB_FLAGS] = web_flags(":9144", PATH_FLAG, "");

/// The log exporter as the shared life of a program knows it.
pub static PROGRAM: Program = Program {
    name: "log-exporter",
    exporter: "log_exporter",
    title: "Log Exporter",
    about: "Prometheus exporter that counts what the containers of a node log.",
    web_flags: &WEB,
    flags: || vec![Group::new("Logs", setup::FLAGS), Group::new("Checks", setup::CHECK_FLAGS)],
    rows: &[],
    path_flag: PATH_FLAG,
    preset: setup::preset,
    surroundings: |_| Vec::new(),
    needs: None,
    source: setup::source,
};
