//! `tls_config`.

use super::reading::{Entry, Reading};
use super::{Tls, TlsVersion};

const VERSIONS: [(&str, TlsVersion); 4] = [
    ("TLS10", TlsVersion::Tls10),
    ("TLS11", TlsVersion::Tls11),
    ("TLS12", TlsVersion::Tls12),
    ("TLS13", TlsVersion::Tls13),
];

/// The word for a version.
pub(super) fn version_word(version: TlsVersion) -> &'static str {
    VERSIONS.iter().find(|(_, known)| *known == version).map_or("", |(word, _)| word)
}

pub(super) fn read(reading: &mut Reading<'_>, entry: Option<Entry>) -> Tls {
    let Some(mut section) = reading.section(entry) else { return Tls::default() };
    let tls = Tls {
        ca: reading.given(&mut section, "ca", false),
        cert: reading.given(&mut section, "cert", false),
        key: reading.given(&mut section, "key", false),
        server_name: reading.word(section.take("server_name")),
        insecure_skip_verify: reading.flag(section.take("insecure_skip_verify")).unwrap_or(false),
        min_version: reading.pick(section.take("min_version"), &VERSIONS),
        max_version: reading.pick(section.take("max_version"), &VERSIONS),
    };
    match (&tls.cert, &tls.key) {
        (Some(_), None) => reading.mistake(&section.at, "expected a key for the certificate"),
        (None, Some(_)) => reading.mistake(&section.at, "expected a certificate for the key"),
        _ => {}
    }
    section.end(reading);
    tls
}
