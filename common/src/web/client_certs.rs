//! What a client certificate must be: nothing, anything, signed by our authority, named in a list.
//!
//! * Chain checks are rustls' own (webpki); for the modes that do not check the chain, the client still has to prove
//!   that it holds the key of the certificate it shows.
//! * `client_allowed_sans`: exact match with a DNS, e-mail, URI or IP subject alternative name (RFC 5280 4.2.1.6).

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::config::{ClientAuth, TlsSettings};

/// The verifier for these settings; `None` when no certificate is asked for.
///
/// # Errors
/// The authority's certificates cannot be used.
pub(super) fn verifier(
    settings: &TlsSettings,
    authorities: Vec<CertificateDer<'static>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, String> {
    if settings.client_auth == ClientAuth::NoClientCert {
        return Ok(None);
    }
    let chain = if settings.client_auth.verifies() { Some(chain(settings, authorities, provider)?) } else { None };
    Ok(Some(Arc::new(Policy {
        chain,
        required: settings.client_auth.requires(),
        allowed: settings.client_allowed_sans.clone(),
        provider: Arc::clone(provider),
    })))
}

fn chain(
    settings: &TlsSettings,
    authorities: Vec<CertificateDer<'static>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority).map_err(|e| format!("expected certificates of an authority: {e}"))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let builder = if settings.client_auth.requires() { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|e| format!("expected certificates of an authority: {e}"))
}

/// The chain check, when there is one, then the list of names, when there is one.
struct Policy {
    chain: Option<Arc<dyn ClientCertVerifier>>,
    required: bool,
    allowed: Vec<String>,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("required", &self.required)
            .field("allowed", &self.allowed)
            .finish_non_exhaustive()
    }
}

impl ClientCertVerifier for Policy {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.as_ref().map_or(&[], |chain| chain.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if let Some(chain) = &self.chain {
            chain.verify_client_cert(end_entity, intermediates, now)?;
        }
        if !self.allowed.is_empty() && !has_allowed_name(end_entity, &self.allowed) {
            return Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure));
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Whether one of the certificate's names is on the list. A certificate we cannot read has no names.
#[must_use]
pub fn has_allowed_name(certificate: &[u8], allowed: &[String]) -> bool {
    let Ok(certificate) = x509_cert::Certificate::from_der(certificate) else {
        return false;
    };
    let Ok(Some((_critical, names))) = certificate.tbs_certificate.get::<SubjectAltName>() else {
        return false;
    };
    names.0.iter().any(|name| match name {
        GeneralName::DnsName(text) | GeneralName::Rfc822Name(text) | GeneralName::UniformResourceIdentifier(text) => {
            allowed.iter().any(|want| want == text.as_str())
        }
        GeneralName::IpAddress(bytes) => {
            ip(bytes.as_bytes()).is_some_and(|ip| allowed.iter().any(|want| want.parse() == Ok(ip)))
        }
        _ => false,
    })
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes).map(IpAddr::from).or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(names: &[&str]) -> Vec<u8> {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
        params.subject_alt_names = names
            .iter()
            .map(|name| match (name.parse(), name.contains("://"), name.contains('@')) {
                (Ok(ip), ..) => rcgen::SanType::IpAddress(ip),
                (_, true, _) => rcgen::SanType::URI((*name).try_into().unwrap()),
                (_, _, true) => rcgen::SanType::Rfc822Name((*name).try_into().unwrap()),
                _ => rcgen::SanType::DnsName((*name).try_into().unwrap()),
            })
            .collect();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[track_caller]
    fn check(certificate: &[u8], allowed: &str, want: bool) {
        assert_eq!(has_allowed_name(certificate, &[allowed.to_owned()]), want, "{allowed}");
    }

    #[test]
    fn each_kind_of_name() {
        let all = certificate(&["prom.example", "10.0.0.7", "2001:db8::7", "ops@example.org", "spiffe://cluster/prom"]);
        for name in
            ["prom.example", "10.0.0.7", "2001:db8::7", "2001:db8:0::7", "ops@example.org", "spiffe://cluster/prom"]
        {
            check(&all, name, true);
        }
        for name in ["example", "*.example", "Prom.example", "10.0.0.8", "example.org", "spiffe://cluster", ""] {
            check(&all, name, false);
        }
    }

    #[test]
    fn no_names_and_no_certificate() {
        check(&certificate(&[]), "prom.example", false);
        let whole = certificate(&["prom.example"]);
        check(whole.get(..whole.len() / 2).unwrap(), "prom.example", false);
        check(b"garbage", "prom.example", false);
    }
}
