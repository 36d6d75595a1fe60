//! The blackbox exporter: HTTP, TCP, ICMP, DNS and gRPC probes from where the users are, for Prometheus. Not built yet: it says so and ends.

use std::process::ExitCode;

fn main() -> ExitCode {
    common::app::not_built_yet("blackbox", "HTTP, TCP, ICMP, DNS and gRPC probes from where the users are")
}
