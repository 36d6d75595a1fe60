//! Looks at the certificates of one handshake: notes them always, and judges them as the module wants it.

use std::fmt;
use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use super::facts::Facts;
use super::trust::{Expected, Trust};

/// What certificates are judged by.
#[derive(Clone)]
pub(super) struct Judge {
    pub(super) trust: Arc<Trust>,
    pub(super) insecure: bool,
    pub(super) provider: Arc<CryptoProvider>,
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judge").field("insecure", &self.insecure).finish_non_exhaustive()
    }
}

impl Judge {
    /// Judges and notes; whether the handshake may go on.
    pub(super) fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        expected: &Expected,
        now: UnixTime,
        facts: &Facts,
    ) -> bool {
        facts.present(leaf, others);
        if self.insecure {
            // Whoever takes any certificate wants to know all the same how long the chain lasts; what is wrong is not said.
            if let Ok(end) = self.trust.judge(leaf, others, None, now, &self.provider) {
                facts.judged(Ok(end));
            }
            return true;
        }
        let judged = self.trust.judge(leaf, others, Some(expected), now, &self.provider);
        let is_trusted = judged.is_ok();
        facts.judged(judged);
        is_trusted
    }
}

/// The judge at one handshake.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) judge: Judge,
    /// `None` takes the name that the library was given.
    pub(super) expected: Option<Expected>,
    pub(super) facts: Facts,
}

impl Verifier {
    /// The proof that the server has the key of its certificate; whoever takes any certificate needs none.
    fn proof(
        &self,
        verify: impl FnOnce(&WebPkiSupportedAlgorithms) -> Result<HandshakeSignatureValid, Error>,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.judge.insecure {
            true => Ok(HandshakeSignatureValid::assertion()),
            false => verify(&self.judge.provider.signature_verification_algorithms),
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let given;
        let expected = match &self.expected {
            Some(expected) => expected,
            None => {
                given = Expected::new(&server_name.to_str());
                &given
            }
        };
        match self.judge.judge(end_entity, intermediates, expected, now, &self.facts) {
            true => Ok(ServerCertVerified::assertion()),
            // The true reason is in the facts; the server learns no more than this.
            false => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.proof(|algorithms| verify_tls12_signature(message, cert, signed, algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.proof(|algorithms| verify_tls13_signature(message, cert, signed, algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.judge.provider.signature_verification_algorithms.supported_schemes();
        if self.judge.insecure {
            // Nothing is verified, so that it need not be possible.
            use SignatureScheme as S;
            schemes.extend([S::ECDSA_NISTP521_SHA512, S::ED448, S::RSA_PKCS1_SHA1, S::ECDSA_SHA1_Legacy]);
        }
        schemes
    }
}

/// Notes that the server asked for a certificate, and shows the one there is.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) inner: Arc<dyn ResolvesClientCert>,
    pub(super) facts: Facts,
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, hints: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.facts.asked_for_client();
        self.inner.resolve(hints, schemes)
    }

    fn has_certs(&self) -> bool {
        self.inner.has_certs()
    }
}
