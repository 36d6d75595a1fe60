//! The blackbox exporter: HTTP, TCP, ICMP, DNS, gRPC and WebSocket probes from where the users are, for Prometheus.

use std::process::ExitCode;

fn main() -> ExitCode {
    common::app::main(&blackbox_exporter::PROGRAM)
}
