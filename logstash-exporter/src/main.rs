//! The logstash exporter: the node statistics of a Logstash, for Prometheus. Not built yet: it says so and ends.

use std::process::ExitCode;

fn main() -> ExitCode {
    common::app::not_built_yet("logstash", "the node statistics of a Logstash")
}
