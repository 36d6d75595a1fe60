//! What a handshake told, and the families that show it.
//!
//! * `probe_ssl_earliest_cert_expiry`, `probe_ssl_last_chain_expiry_timestamp_seconds`, `probe_ssl_last_chain_info`,
//!   `probe_tls_version_info`, `probe_tls_cipher_info`.
//! * Units: seconds of Unix time.
//! * Absent when: the server showed no certificate; version and cipher when there was no agreement; the end of the chain
//!   when none is trusted.
//! * Differs from the Go exporter: the certificates are shown as well when they are the reason of the failure, and with
//!   `insecure_skip_verify` the chain is tried all the same: its end is that of a chain that is trusted, or absent,
//!   never the year 1.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use common::exposition::{Desc, Page};
use rustls::pki_types::CertificateDer;
use rustls::{CipherSuite, ProtocolVersion};

use super::certificate::{Labels, Validity};
use super::trust::Refused;
use crate::reason::{Failure, Phase};

const EARLIEST: Desc<'static> = Desc::gauge(
    "probe_ssl_earliest_cert_expiry",
    "When the first of the certificates that the server sent is over, in seconds of Unix time.",
    &[],
);
const LAST_CHAIN: Desc<'static> = Desc::gauge(
    "probe_ssl_last_chain_expiry_timestamp_seconds",
    "When the last of the trusted chains is over, in seconds of Unix time.",
    &[],
);
const INFO: Desc<'static> = Desc::gauge(
    "probe_ssl_last_chain_info",
    "The server's own certificate.",
    &["fingerprint_sha256", "issuer", "serialnumber", "subject", "subjectalternative"],
);
const VERSION: Desc<'static> =
    Desc::gauge("probe_tls_version_info", "The version of TLS that was agreed on.", &["version"]);
const CIPHER: Desc<'static> =
    Desc::gauge("probe_tls_cipher_info", "The cipher suite that was agreed on, by its name at IANA.", &["cipher"]);

/// What a handshake told. Shared with the handshake, so that it is there as well when the probe was stopped in the middle.
#[derive(Clone, Debug, Default)]
pub struct Facts(Arc<Mutex<Told>>);

/// Which of the TLS families a prober has.
#[derive(Clone, Copy, Debug)]
pub struct With {
    /// `probe_ssl_last_chain_expiry_timestamp_seconds`.
    pub last_chain: bool,
    /// `probe_tls_cipher_info`.
    pub cipher: bool,
}

impl With {
    /// The families.
    pub fn families(self) -> impl Iterator<Item = Desc<'static>> {
        let last_chain = Some(LAST_CHAIN).filter(|_| self.last_chain);
        let cipher = Some(CIPHER).filter(|_| self.cipher);
        [Some(EARLIEST), last_chain, Some(INFO), Some(VERSION), cipher].into_iter().flatten()
    }
}

#[derive(Debug, Default)]
struct Told {
    leaf: Option<CertificateDer<'static>>,
    earliest: Option<u64>,
    last_chain: Option<u64>,
    refused: Option<Refused>,
    asked_for_client: bool,
    agreed: Option<(ProtocolVersion, CipherSuite)>,
}

impl Facts {
    /// Puts it on the page; nothing as long as the server showed no certificate.
    pub fn write(&self, page: &mut Page, with: With) {
        let told = self.told();
        let Some(leaf) = &told.leaf else { return };
        if let Some(earliest) = told.earliest {
            page.sample::<&str>(&EARLIEST, &[], earliest as f64);
        }
        if with.last_chain
            && let Some(last_chain) = told.last_chain
        {
            page.sample::<&str>(&LAST_CHAIN, &[], last_chain as f64);
        }
        if let Some(labels) = Labels::parse(leaf) {
            let Labels { fingerprint, issuer, serial, subject, names } = &labels;
            page.sample(&INFO, &[fingerprint, issuer, serial, subject, names], 1.0);
        }
        if let Some((version, cipher)) = told.agreed {
            page.sample(&VERSION, &[version_name(version)], 1.0);
            if with.cipher {
                page.sample(&CIPHER, &[cipher_name(cipher).as_ref()], 1.0);
            }
        }
    }

    /// Whether the server showed a certificate.
    pub fn has_certificate(&self) -> bool {
        self.told().leaf.is_some()
    }

    /// The version that was agreed on, as the Go exporter says it.
    pub fn version(&self) -> Option<&'static str> {
        self.told().agreed.map(|(version, _)| version_name(version))
    }

    /// Forgets everything: another handshake begins.
    pub(super) fn clear(&self) {
        *self.told() = Told::default();
    }

    /// Notes what the server shows.
    pub(super) fn present(&self, leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>]) {
        let ends = std::iter::once(leaf).chain(others).filter_map(|der| Validity::parse(der));
        let earliest = ends.map(|validity| validity.not_after).min();
        let mut told = self.told();
        (told.leaf, told.earliest) = (Some(leaf.clone().into_owned()), earliest);
    }

    /// Notes what came of the judgement.
    pub(super) fn judged(&self, judged: Result<Option<u64>, Refused>) {
        let mut told = self.told();
        match judged {
            Ok(last_chain) => told.last_chain = last_chain,
            Err(refused) => told.refused = Some(refused),
        }
    }

    /// Notes that the server wants a certificate.
    pub(super) fn asked_for_client(&self) {
        self.told().asked_for_client = true;
    }

    /// Notes what was agreed on.
    pub(super) fn agreed(&self, version: ProtocolVersion, cipher: CipherSuite) {
        self.told().agreed = Some((version, cipher));
    }

    /// Why the certificate was not taken, when it was not.
    pub fn failure(&self) -> Option<Failure> {
        let refused = self.told().refused.clone()?;
        Some(Failure::new(Phase::Tls, refused.reason, refused.what))
    }

    /// Whether the server wanted a certificate.
    pub(super) fn was_asked_for_client(&self) -> bool {
        self.told().asked_for_client
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As the Go exporter says it.
fn version_name(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_0 => "TLS 1.0",
        ProtocolVersion::TLSv1_1 => "TLS 1.1",
        ProtocolVersion::TLSv1_2 => "TLS 1.2",
        ProtocolVersion::TLSv1_3 => "TLS 1.3",
        _ => "unknown",
    }
}

/// As IANA's registry has it; a number when it has none.
fn cipher_name(cipher: CipherSuite) -> Cow<'static, str> {
    match cipher.as_str() {
        // The library's own names for those of TLS 1.3.
        Some(name) => match name.strip_prefix("TLS13_") {
            Some(rest) => format!("TLS_{rest}").into(),
            None => name.into(),
        },
        None => format!("0x{:04X}", u16::from(cipher)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(version_name(ProtocolVersion::TLSv1_1), "TLS 1.1");
        assert_eq!(version_name(ProtocolVersion::Unknown(0x0399)), "unknown");
        for (number, want) in [
            (0x1302, "TLS_AES_256_GCM_SHA384"),
            (0xc02c, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
            (0xcca9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
            (0xc014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"),
            (0x002f, "TLS_RSA_WITH_AES_128_CBC_SHA"),
            (0xfafb, "0xFAFB"),
        ] {
            assert_eq!(cipher_name(CipherSuite::from(number)), want);
        }
    }
}
