//! Which build this is: version, revision, compiler, platform.

use crate::exposition::{Desc, Page};

/// Version of the suite.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Commit, if whoever built it said so (`make release` does).
pub const REVISION: &str = match option_env!("EXPORTER_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};
/// Branch, if whoever built it said so.
pub const BRANCH: &str = match option_env!("EXPORTER_BRANCH") {
    Some(branch) => branch,
    None => "unknown",
};
/// The compiler, where Go programs name theirs.
pub const COMPILER: &str = concat!("rust", env!("CARGO_PKG_RUST_VERSION"));

/// The architecture in the words of the Go toolchain, which dashboards know.
pub const fn arch() -> &'static str {
    match std::env::consts::ARCH.as_bytes() {
        b"x86_64" => "amd64",
        b"aarch64" => "arm64",
        b"x86" => "386",
        _ => std::env::consts::ARCH,
    }
}

/// Writes `<exporter>_build_info`, with the labels of the Go programs.
pub fn encode(exporter: &str, page: &mut Page) {
    let name = format!("{exporter}_build_info");
    let labels = ["branch", "goarch", "goos", "goversion", "revision", "tags", "version"];
    let desc = Desc::gauge(&name, "Always 1; the labels tell which build of the exporter this is.", &labels);
    page.sample(&desc, &[BRANCH, arch(), std::env::consts::OS, COMPILER, REVISION, "", VERSION], 1.0);
}

/// The block that `--version` prints; `host` is a line about this machine.
pub fn version_text(exporter: &str, host: &str) -> String {
    format!(
        "{exporter}, version {VERSION} (branch: {BRANCH}, revision: {REVISION})\n  compiler:   {COMPILER}\n  platform:   \
         {}/{}\n  tags:       \n  host:       {host}\n",
        std::env::consts::OS,
        arch(),
    )
}
