//! The apache exporter: the status page of an Apache httpd, for Prometheus.

use std::process::ExitCode;

fn main() -> ExitCode {
    common::app::main(&apache_exporter::PROGRAM)
}
