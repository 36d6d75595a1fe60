//! The apache exporter: the status page of an Apache httpd, for Prometheus. Not built yet: it says so and ends.

use std::process::ExitCode;

fn main() -> ExitCode {
    common::app::not_built_yet("apache", "the status page of an Apache httpd")
}
