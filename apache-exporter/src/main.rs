//! The apache exporter: the status page of an Apache httpd, for Prometheus. Not built yet: it says so and ends.

use std::io::Write as _;
use std::process::ExitCode;

use common::build_info;

fn main() -> ExitCode {
    if std::env::args().any(|word| word == "--version") {
        let text = build_info::version_text("apache_exporter", &common::host::Host::read().line());
        return match std::io::stdout().lock().write_all(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    let _reader_gone = writeln!(
        std::io::stderr().lock(),
        "apache-exporter: error: not part of version {} yet; it will export the status page of an Apache httpd",
        build_info::VERSION
    );
    ExitCode::FAILURE
}
