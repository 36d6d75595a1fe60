//! The node exporter: hardware and kernel of a Linux node for Prometheus.

use std::process::ExitCode;

fn main() -> ExitCode {
    common::process::raise_descriptor_limit();
    common::app::main(&node_exporter::PROGRAM)
}
