//! TLS towards upstreams: which authorities are trusted, which certificate is shown.
//!
//! * Trusted: the given authority; else the system's bundle, where `SSL_CERT_FILE` says or where Linux distributions
//!   put it; else, in an empty container, Mozilla's authorities as they were when this was built.
//! * TLS 1.2 and 1.3, ring.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, TrustAnchor, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::Decode;

/// Where distributions keep the bundle of trusted authorities.
pub const BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Where the bundle may be; what the environment says goes first.
pub(super) fn bundles() -> impl Iterator<Item = PathBuf> {
    std::env::var_os("SSL_CERT_FILE").map(PathBuf::from).into_iter().chain(BUNDLES.iter().map(PathBuf::from))
}

/// Mozilla's authorities as they were when this was built.
pub fn built_in_authorities() -> &'static [TrustAnchor<'static>] {
    webpki_roots::TLS_SERVER_ROOTS
}

/// A bundle is some hundred KiB.
const MOST_BYTES: u64 = 16 << 20;

/// PEM text and the file it comes from.
#[derive(Clone, PartialEq, Eq)]
pub struct Pem {
    /// The file.
    pub path: PathBuf,
    /// What was in it.
    pub text: Vec<u8>,
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pem").field(&self.path).finish()
    }
}

impl Pem {
    /// Reads a file.
    ///
    /// Fails with one sentence that names it.
    pub fn read(path: &Path) -> Result<Self, String> {
        let size = std::fs::metadata(path).map_err(|e| format!("{}: {e}", path.display()))?.len();
        if size > MOST_BYTES {
            return Err(format!("{}: expected a PEM file, found {size} bytes", path.display()));
        }
        let text = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Self { path: path.to_owned(), text })
    }

    /// The certificates in it.
    ///
    /// # Errors
    /// There is none.
    pub fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        let found: Vec<_> = CertificateDer::pem_slice_iter(&self.text).filter_map(Result::ok).collect();
        match found.is_empty() {
            true => Err(format!("{}: expected PEM certificates, found none", self.path.display())),
            false => Ok(found),
        }
    }
}

/// What a user may say about TLS towards an upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// The only authorities to trust; `None` is the system's list.
    pub ca: Option<Pem>,
    /// What is shown when the server asks for a certificate: chain and private key.
    pub identity: Option<(Pem, Pem)>,
    /// The name that is asked for and looked for in the certificate; `None` is the host of the URL.
    pub server_name: Option<String>,
    /// Whether any certificate will do.
    pub insecure: bool,
    /// Whether TLS 1.2 is refused.
    pub tls13_only: bool,
}

impl TlsOptions {
    /// Reads the files and makes the settings for connections.
    ///
    /// Fails with one sentence that names the file.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions: &[&rustls::SupportedProtocolVersion] = match self.tls13_only {
            true => &[&rustls::version::TLS13],
            false => &[&rustls::version::TLS13, &rustls::version::TLS12],
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .map_err(|e| format!("no TLS: {e}"))?
            .dangerous();
        let verifier: Arc<dyn ServerCertVerifier> = match self.insecure {
            true => Arc::new(Trust::Any(provider)),
            false => {
                let (roots, named) = self.roots()?;
                let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
                    .build()
                    .map_err(|e| format!("expected certificates of authorities: {e}"))?;
                Arc::new(Trust::Of { chain, named })
            }
        };
        let builder = builder.with_custom_certificate_verifier(verifier);
        let config = match &self.identity {
            Some((cert, key)) => {
                let private = PrivateKeyDer::from_pem_slice(&key.text)
                    .map_err(|_| format!("{}: expected a PEM private key without a password", key.path.display()))?;
                builder
                    .with_client_auth_cert(cert.certificates()?, private)
                    .map_err(|e| format!("{}: {e}", cert.path.display()))?
            }
            None => builder.with_no_client_auth(),
        };
        Ok(Arc::new(config))
    }

    /// What is trusted: as authorities, and, by their fingerprints, as themselves.
    fn roots(&self) -> Result<(RootCertStore, Vec<Fingerprint>), String> {
        let mut roots = RootCertStore::empty();
        if let Some(ca) = &self.ca {
            let certificates = ca.certificates()?;
            let named = certificates.iter().map(fingerprint).collect();
            let (good, _) = roots.add_parsable_certificates(certificates);
            return match good {
                0 => Err(format!("{}: expected certificates that can be trusted, found none", ca.path.display())),
                _ => Ok((roots, named)),
            };
        }
        for bundle in bundles() {
            if let Ok(found) = Pem::read(&bundle).and_then(|pem| pem.certificates()) {
                let named = found.iter().map(fingerprint).collect();
                roots.add_parsable_certificates(found);
                if !roots.is_empty() {
                    return Ok((roots, named));
                }
            }
        }
        roots.extend(built_in_authorities().iter().cloned());
        Ok((roots, Vec::new()))
    }
}

/// SHA-256 of a certificate; a bundle has hundreds of them, and they are not needed in full.
type Fingerprint = [u8; SHA256_OUTPUT_LEN];

fn fingerprint(cert: &CertificateDer<'_>) -> Fingerprint {
    // As long as SHA-256 makes it, always.
    Fingerprint::try_from(digest(&SHA256, cert).as_ref()).unwrap_or_default()
}

/// Whose certificates are taken.
#[derive(Debug)]
enum Trust {
    /// Everybody's, proof of the key or not: what `--insecure` asks for. Whoever sits in between could show one of their
    /// own, so that a proof would prove nothing; and webpki, which would check it, reads no X.509 version 1, which
    /// `openssl x509 -req` still makes.
    Any(Arc<CryptoProvider>),
    /// What an authority signed, and the certificates of the bundle themselves: a self-signed one is often an
    /// authority by its own account (`openssl req -x509` makes it so), which webpki refuses as a server's.
    Of { chain: Arc<WebPkiServerVerifier>, named: Vec<Fingerprint> },
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self {
            Self::Any(_) => Ok(ServerCertVerified::assertion()),
            Self::Of { named, .. } if named.contains(&fingerprint(end_entity)) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                is_valid_at(end_entity, now).map(|()| ServerCertVerified::assertion())
            }
            Self::Of { chain, .. } => {
                chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self {
            Self::Any(_) => Ok(HandshakeSignatureValid::assertion()),
            Self::Of { chain, .. } => chain.verify_tls12_signature(message, cert, signed),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self {
            Self::Any(_) => Ok(HandshakeSignatureValid::assertion()),
            Self::Of { chain, .. } => chain.verify_tls13_signature(message, cert, signed),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        match self {
            Self::Any(provider) => provider.signature_verification_algorithms.supported_schemes(),
            Self::Of { chain, .. } => chain.supported_verify_schemes(),
        }
    }
}

/// RFC 5280, section 4.1.2.5.
fn is_valid_at(cert: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let parsed = Certificate::from_der(cert).map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
    let validity = parsed.tbs_certificate.validity;
    let now = now.as_secs();
    if now < validity.not_before.to_unix_duration().as_secs() {
        return Err(Error::InvalidCertificate(CertificateError::NotValidYet));
    }
    if now > validity.not_after.to_unix_duration().as_secs() {
        return Err(Error::InvalidCertificate(CertificateError::Expired));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};
    use std::time::Duration;

    #[test]
    fn a_certificate_that_is_trusted_as_itself_has_its_time_and_its_name() {
        let mut params = CertificateParams::new(vec!["host.example".to_owned()]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let ca = Pem { path: "ca.pem".into(), text: made.pem().into_bytes() };
        let (roots, named) = TlsOptions { ca: Some(ca), ..TlsOptions::default() }.roots().unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let trust = Trust::Of { chain, named };
        let verdict = |name: &str, year: u64| {
            let name = ServerName::try_from(name.to_owned()).unwrap();
            // The middle of the year, leap days aside.
            let now = UnixTime::since_unix_epoch(Duration::from_secs((year - 1970) * 31_557_600 + 15_000_000));
            trust.verify_server_cert(made.der(), &[], &name, &[], now).map(drop).map_err(|e| e.to_string())
        };
        assert_eq!(verdict("host.example", 2020), Ok(()));
        for (name, year, word) in [
            ("host.example", 2019, "NotValidYet"),
            ("host.example", 2021, "Expired"),
            ("other.example", 2020, "not valid for name"),
        ] {
            let refused = verdict(name, year).unwrap_err();
            assert!(refused.contains(word), "{name} in {year}: {refused}");
        }
    }
}
