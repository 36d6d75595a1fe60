//! The blackbox exporter: HTTP, TCP, ICMP, DNS and gRPC probes from where the users are, for Prometheus. Not built yet: it says so and ends.

use std::io::Write as _;
use std::process::ExitCode;

use common::build_info;

fn main() -> ExitCode {
    if std::env::args().any(|word| word == "--version") {
        let text = build_info::version_text("blackbox_exporter", &common::host::Host::read().line());
        return match std::io::stdout().lock().write_all(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    let _reader_gone = writeln!(
        std::io::stderr().lock(),
        "blackbox-exporter: error: not part of version {} yet; it will export HTTP, TCP, ICMP, DNS and gRPC probes from where the users are",
        build_info::VERSION
    );
    ExitCode::FAILURE
}
