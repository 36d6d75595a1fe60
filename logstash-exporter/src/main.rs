//! The logstash exporter: the monitoring API of Logstash, for Prometheus.

use std::process::ExitCode;

fn main() -> ExitCode {
    common::app::main(&logstash_exporter::PROGRAM)
}
