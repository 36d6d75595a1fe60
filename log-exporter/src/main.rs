//! The log exporter: what containers log, counted for Prometheus.

use std::process::ExitCode;

fn main() -> ExitCode {
    common::app::main(&log_exporter::PROGRAM)
}
