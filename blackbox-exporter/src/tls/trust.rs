//! Which certificates are trusted, and which chains lead to them.
//!
//! * Trusted: the module's authorities alone; else the system's: `SSL_CERT_FILE` and the bundle that distributions have,
//!   or, with `SSL_CERT_DIR`, its folders instead of the bundle; else, in an empty container, Mozilla's authorities as
//!   they were when this was built.
//! * A certificate that is itself among the trusted ones needs no chain.
//! * Judged in the order time of the leaf, name, chain; the time of an authority counts as well, as with the Go exporter.
//! * Units: seconds of Unix time.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use common::upstream::tls::{BUNDLES, Pem, built_in_authorities};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::{
    EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter, KeyUsage, VerifiedPath, anchor_from_trusted_cert,
};
use x509_cert::der::DateTime;

use super::certificate::{Fingerprint, Validity, fingerprint};
use crate::reason::Reason;

/// Certificates that are trusted.
#[derive(Debug, Default)]
pub(super) struct Trust {
    anchors: Vec<TrustAnchor<'static>>,
    /// Of each anchor, in the same order; Mozilla's come without.
    times: Vec<Option<Validity>>,
    named: Vec<Fingerprint>,
}

/// Why a certificate is not trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) reason: Reason,
    /// One sentence.
    pub(super) what: String,
}

impl Refused {
    fn new(reason: Reason, what: impl Into<String>) -> Self {
        Self { reason, what: what.into() }
    }
}

impl Trust {
    /// Of the certificates of authorities; those that cannot be read are left out.
    pub(super) fn new(certificates: &[CertificateDer<'_>]) -> Self {
        let mut trust = Self::default();
        trust.add(certificates);
        trust
    }

    fn add(&mut self, certificates: &[CertificateDer<'_>]) {
        for certificate in certificates {
            let Ok(anchor) = anchor_from_trusted_cert(certificate) else { continue };
            self.anchors.push(anchor.to_owned());
            self.times.push(Validity::parse(certificate));
            self.named.push(fingerprint(certificate));
        }
    }

    /// Whether there is nothing that could be trusted.
    pub(super) fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }

    /// The system's: read once, and shared by all modules.
    pub(super) fn of_system() -> Arc<Self> {
        static SYSTEM: OnceLock<Arc<Trust>> = OnceLock::new();
        Arc::clone(SYSTEM.get_or_init(|| {
            let file = std::env::var_os("SSL_CERT_FILE").filter(|file| !file.is_empty()).map(PathBuf::from);
            let folders = std::env::var_os("SSL_CERT_DIR").filter(|folders| !folders.is_empty());
            let mut trust = Self::default();
            if let Some(file) = &file {
                trust.add_file(file);
            }
            match &folders {
                Some(folders) => std::env::split_paths(folders).for_each(|folder| trust.add_folder(&folder)),
                None => {
                    let _found = BUNDLES.iter().any(|bundle| trust.add_file(Path::new(bundle)));
                }
            }
            if trust.is_empty() {
                trust.anchors.extend(built_in_authorities().iter().cloned());
                trust.times.resize(trust.anchors.len(), None);
            }
            Arc::new(trust)
        }))
    }

    /// Adds what a file has; whether that is anything.
    fn add_file(&mut self, file: &Path) -> bool {
        let before = self.anchors.len();
        if let Ok(found) = Pem::read(file).and_then(|pem| pem.certificates()) {
            self.add(&found);
        }
        self.anchors.len() > before
    }

    fn add_folder(&mut self, folder: &Path) {
        for file in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            self.add_file(&file.path());
        }
    }

    /// Judges what a server shows; `name` is checked unless it is `None`. Of all chains that lead to something trusted,
    /// the end of the one that lasts longest; `None` when it has no end that is known.
    ///
    /// # Errors
    /// It is not trusted.
    pub(super) fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: Option<&Expected>,
        now: UnixTime,
        provider: &CryptoProvider,
    ) -> Result<Option<u64>, Refused> {
        let Some(own) = Validity::parse(leaf) else {
            return Err(Refused::new(Reason::CertificateInvalid, "the server's certificate cannot be read"));
        };
        in_time(own, now.as_secs()).map_err(|at| at.refused("the server's certificate"))?;
        let parsed = EndEntityCert::try_from(leaf).map_err(|e| refused(&e))?;
        if let Some(expected) = name {
            expected.check(&parsed)?;
        }
        if self.named.contains(&fingerprint(leaf)) {
            return Ok(Some(own.not_after));
        }
        self.chains(&parsed, others, now, provider.signature_verification_algorithms.all)
    }

    fn chains(
        &self,
        leaf: &EndEntityCert<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
        algorithms: &[&dyn SignatureVerificationAlgorithm],
    ) -> Result<Option<u64>, Refused> {
        // The end of the best chain so far; the outer `None` is that there is none.
        let best: Cell<Option<Option<u64>>> = Cell::new(None);
        let authority: Cell<Option<OutOfTime>> = Cell::new(None);
        let note = |path: &VerifiedPath<'_>| {
            let anchor = self.anchors.iter().position(|anchor| std::ptr::eq(anchor, path.anchor()));
            let time = anchor.and_then(|at| self.times.get(at).copied().flatten());
            let Err(out) = time.map_or(Ok(()), |time| in_time(time, now.as_secs())) else {
                let between = path.intermediate_certificates().filter_map(|own| Validity::parse(&own.der()));
                let leaf = Validity::parse(&path.end_entity().der());
                let end = between.chain(leaf).chain(time).map(|validity| validity.not_after).min();
                best.set(Some(best.get().flatten().max(end)));
                // Not satisfied: the search goes on to the next chain.
                return Err(webpki::Error::UnknownIssuer);
            };
            authority.set(Some(out));
            Err(webpki::Error::UnknownIssuer)
        };
        let found = leaf.verify_for_usage(algorithms, &self.anchors, others, now, Servers, None, Some(&note));
        match (best.get(), found) {
            (Some(end), _) => Ok(end),
            (None, Err(e)) => Err(match authority.get() {
                Some(out) => out.refused("the certificate of an authority"),
                None => refused(&e),
            }),
            // Every chain was turned down above.
            (None, Ok(_)) => Err(refused(&webpki::Error::UnknownIssuer)),
        }
    }
}

/// Why it is not its time.
#[derive(Clone, Copy, Debug)]
enum OutOfTime {
    Early(u64),
    Late(u64),
}

impl OutOfTime {
    fn refused(self, what: &str) -> Refused {
        match self {
            Self::Early(from) => {
                Refused::new(Reason::CertificateNotYetValid, format!("{what} is not valid before {}", date(from)))
            }
            Self::Late(end) => Refused::new(Reason::CertificateExpired, format!("{what} was over at {}", date(end))),
        }
    }
}

fn in_time(validity: Validity, now: u64) -> Result<(), OutOfTime> {
    if now < validity.not_before {
        return Err(OutOfTime::Early(validity.not_before));
    }
    if now > validity.not_after {
        return Err(OutOfTime::Late(validity.not_after));
    }
    Ok(())
}

fn date(seconds: u64) -> String {
    DateTime::from_unix_duration(std::time::Duration::from_secs(seconds))
        .map_or_else(|_| format!("second {seconds} of Unix time"), |date| date.to_string())
}

/// Who the certificate has to be for.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    /// As it was asked for.
    text: String,
    /// The same in a form that a certificate can have; `None` for anything else, which none can be for.
    name: Option<ServerName<'static>>,
}

impl Expected {
    /// A DNS name, or an address, with or without brackets and zone.
    pub(super) fn new(text: &str) -> Self {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        let address = bare.split_once('%').map_or(bare, |(address, _)| address);
        let name = match address.parse::<std::net::IpAddr>() {
            Ok(ip) => Some(ServerName::from(ip)),
            Err(_) => ServerName::try_from(text.to_owned()).ok(),
        };
        Self { text: text.to_owned(), name }
    }

    /// The name to ask for; `None` when it cannot be asked for.
    pub(super) fn name(&self) -> Option<&ServerName<'static>> {
        self.name.as_ref()
    }

    fn check(&self, certificate: &EndEntityCert<'_>) -> Result<(), Refused> {
        let valid = match &self.name {
            Some(name) => certificate.verify_is_valid_for_subject_name(name).is_ok(),
            None => false,
        };
        if valid {
            return Ok(());
        }
        // A certificate can have hundreds.
        let mut names: Vec<_> = certificate.valid_dns_names().take(4).collect();
        if names.len() == 4 {
            names.pop();
            names.push("more");
        }
        let found = if names.is_empty() { "without DNS names".to_owned() } else { format!("for {}", names.join(", ")) };
        Err(Refused::new(
            Reason::CertificateName,
            format!("expected a certificate for {:?}, found one {found}", self.text),
        ))
    }
}

/// What webpki says in our words.
fn refused(e: &webpki::Error) -> Refused {
    use webpki::Error as E;
    match e {
        E::CertExpired { not_after, .. } => {
            OutOfTime::Late(not_after.as_secs()).refused("a certificate between the server's and the authority's")
        }
        E::CertNotValidYet { not_before, .. } => {
            OutOfTime::Early(not_before.as_secs()).refused("a certificate between the server's and the authority's")
        }
        E::UnknownIssuer => Refused::new(
            Reason::CertificateUntrusted,
            "no chain leads from the server's certificate to a trusted authority",
        ),
        E::CaUsedAsEndEntity => Refused::new(
            Reason::CertificateUntrusted,
            "the server shows the certificate of an authority, which is not a trusted one",
        ),
        E::InvalidSignatureForPublicKey => Refused::new(
            Reason::CertificateUntrusted,
            "the signature of an authority under a certificate of the chain is not right",
        ),
        e => Refused::new(Reason::CertificateInvalid, invalid(e)),
    }
}

fn invalid(e: &webpki::Error) -> String {
    use webpki::Error as E;
    match e {
        E::RequiredEkuNotFoundContext(_) | E::EmptyEkuExtension => "a certificate of the chain is not for servers",
        E::UnsupportedCertVersion => "expected certificates of X.509 version 3, found an older one",
        E::EndEntityUsedAsCa => "a certificate of the chain is signed by one that is no authority",
        E::PathLenConstraintViolated => "the chain is longer than one of its authorities allows",
        E::NameConstraintViolation => "an authority of the chain may not speak for this name",
        E::UnsupportedCriticalExtension => "a certificate of the chain has a critical extension that is not known",
        E::UnsupportedSignatureAlgorithmContext(_) | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            "a certificate of the chain is signed in a way that is not trusted, or not any more"
        }
        e => return format!("a certificate of the chain is not right: {e}"),
    }
    .to_owned()
}

/// For servers: certificates that say so, that say for everything, or that do not say (RFC 5280, section 4.2.1.12).
#[derive(Clone, Copy, Debug)]
struct Servers;

impl ExtendedKeyUsageValidator for Servers {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        const ANY: &[usize] = &[2, 5, 29, 37, 0];
        let mut present = Vec::new();
        for purpose in purposes {
            let purpose = purpose?.to_decoded_oid();
            if purpose == KeyUsage::SERVER_AUTH_REPR || purpose == ANY {
                return Ok(());
            }
            present.push(purpose);
        }
        match present.is_empty() {
            true => Ok(()),
            false => Err(webpki::Error::RequiredEkuNotFoundContext(webpki::RequiredEkuNotFoundContext {
                required: KeyUsage::server_auth(),
                present,
            })),
        }
    }
}
