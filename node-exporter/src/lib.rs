//! Everything the node exporter is but its `main`.
//!
//! [`collectors`] is the table, one file per collector below it; [`fs`] reads the kernel's files for them, and
//! `bus` asks services.

mod bus;
pub mod collectors;
pub mod fs;
mod kernel;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod samples;
mod surroundings;
#[cfg(test)]
mod testing;

#[doc(hidden)]
pub use collectors::fuzzing;
use std::sync::Arc;

use common::app::{self, Made, Program, web_flags};
use common::cli::Group;
use common::error::ConfigError;
use common::flags::{Args, Flag};
use common::sandbox;

static WEB: [Flag; app::WEB_FLAGS] = web_flags(":9100", "web.telemetry-path", "");

/// Begins the names of the series about collectors.
pub const PREFIX: &str = "node";

/// The node exporter as the shared life of a program knows it.
pub static PROGRAM: Program = Program {
    name: "node-exporter",
    exporter: "node_exporter",
    title: "Node Exporter",
    about: "Prometheus exporter for hardware and kernel of a Linux node.",
    web_flags: &WEB,
    flags: || vec![Group::new("Paths", fs::FLAGS), Group::new("Sandbox", sandbox::FLAGS)],
    rows: collectors::COLLECTORS,
    path_flag: "web.telemetry-path",
    preset: app::NO_PRESET,
    surroundings: |args| surroundings::warnings(args, std::path::Path::new("/proc")),
    needs: Some(fs::needs),
    source,
};

fn source(args: &Arc<Args>) -> Result<Made, Vec<ConfigError>> {
    let mut mistakes = check(args);
    match app::collectors(PREFIX, collectors::COLLECTORS, args) {
        Ok(made) if mistakes.is_empty() => Ok(made),
        Ok(_) => Err(mistakes),
        Err(more) => {
            mistakes.extend(more);
            Err(mistakes)
        }
    }
}

/// The host's trees must be there.
fn check(args: &Args) -> Vec<ConfigError> {
    let missing = |flag: &&str| !fs::is_dir(std::path::Path::new(args.text(flag)));
    let message = |flag: &str| format!("--{flag}: expected a directory, found {:?}", args.text(flag));
    ["path.procfs", "path.sysfs"]
        .iter()
        .filter(|flag| missing(flag))
        .map(|flag| ConfigError::new(message(flag)))
        .collect()
}
