//! The cluster's own certificate authority.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivatePkcs8KeyDer;

/// Signs what a server shows.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// A new one.
    #[track_caller]
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, key()).expect("an authority"))
    }

    /// Its certificate.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Certificate and key of a server, in PEM, for names and addresses.
    #[track_caller]
    pub fn pair(&self, names: &[&str]) -> (String, String) {
        let (certificate, key) = self.signed(names);
        (certificate.pem(), key.serialize_pem())
    }

    /// What a TLS server needs to go by names and addresses.
    #[track_caller]
    pub fn server(&self, names: &[&str]) -> Arc<ServerConfig> {
        let (certificate, key) = self.signed(names);
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().expect("the provider has suites for both versions");
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let config = builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key);
        Arc::new(config.expect("the key is the certificate's"))
    }

    fn signed(&self, names: &[&str]) -> (rcgen::Certificate, KeyPair) {
        // It tells addresses from names by itself.
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let key = key();
        let params = CertificateParams::new(names).expect("the names are plain");
        (params.signed_by(&key, &self.0).expect("a certificate"), key)
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}
