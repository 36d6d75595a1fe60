//! Settings for QUIC, which says less about its handshakes than TLS over TCP: the cipher suite is known by the length of
//! the secrets.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::crypto::CryptoProvider;
use rustls::{CipherSuite, ClientConfig, KeyLog, ProtocolVersion};

use super::facts::Facts;
use super::verifier::{Shown, Verifier};
use crate::reason::Failure;

/// As `other`, for one handshake over QUIC.
pub(super) fn config(other: &ClientConfig, verifier: Arc<Verifier>, facts: &Facts) -> Result<ClientConfig, Failure> {
    let shown = Shown { inner: Arc::clone(&other.client_auth_cert_resolver), facts: facts.clone() };
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| Failure::module(format!("tls_config: {e}")))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(Arc::new(shown));
    config.alpn_protocols.clone_from(&other.alpn_protocols);
    config.resumption = rustls::client::Resumption::disabled();
    config.key_log = Arc::new(Suite(facts.clone()));
    Ok(config)
}

/// Two suites, whose secrets are of different lengths. The third would be told from none of them, and every server has the
/// one with AES-128 (RFC 8446, section 9.1).
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| {
        let mut provider = CryptoProvider::clone(&super::provider());
        provider.cipher_suites.retain(|suite| {
            matches!(suite.suite(), CipherSuite::TLS13_AES_128_GCM_SHA256 | CipherSuite::TLS13_AES_256_GCM_SHA384)
        });
        Arc::new(provider)
    }))
}

/// Hears of the secrets of a handshake and keeps none of them.
struct Suite(Facts);

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Suite")
    }
}

/// The first secret after the handshake.
const LABEL: &str = "CLIENT_TRAFFIC_SECRET_0";

impl KeyLog for Suite {
    fn log(&self, label: &str, _client_random: &[u8], secret: &[u8]) {
        let suite = match (label, secret.len()) {
            (LABEL, 32) => CipherSuite::TLS13_AES_128_GCM_SHA256,
            (LABEL, 48) => CipherSuite::TLS13_AES_256_GCM_SHA384,
            _ => return,
        };
        self.0.agreed(ProtocolVersion::TLSv1_3, suite);
    }

    fn will_log(&self, label: &str) -> bool {
        label == LABEL
    }
}
