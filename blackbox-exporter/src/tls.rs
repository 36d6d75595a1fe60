//! TLS towards a target, and what it tells: version, cipher, certificates, and whether they are trusted.
//!
//! * TLS 1.2 and 1.3 by rustls; of 1.0 and 1.1 the first half of the handshake ([`Client::connect_any`]).
//! * Every probe is a full handshake: nothing of an earlier one is used again.
//! * The name is asked for (SNI) and looked for in the certificate; addresses are only looked for. A name that no
//!   certificate can have is not asked for, and no certificate is taken for it.
//! * Files are read when the module is first used, and again after one of them has changed.
//! * Differs from the Go exporter: no suites with CBC or without forward secrecy, no certificates with keys on P-521 or
//!   Ed448 but with `insecure_skip_verify`; a name that cannot be asked for is left out instead of sent as it is.

mod certificate;
mod facts;
mod failure;
mod legacy;
mod name;
mod quic;
mod trust;
mod verifier;

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use common::watched::{Stamps, read_bounded};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::config::{self, Given, TlsVersion};
use crate::reason::{Failure, Phase, Reason};

pub(crate) use certificate::feed as feed_certificate;
pub(crate) use legacy::feed as feed_handshake;

pub use facts::{Facts, With};
pub use failure::{alert_failure, read_failure};

use trust::{Expected, Trust};
use verifier::{Judge, Shown, Verifier};

/// A bundle of all authorities is some hundred KiB.
const MOST_PEM_BYTES: u64 = 16 << 20;

/// Settings for handshakes, made once for a module and again when a file that it names has changed.
#[derive(Debug, Default)]
pub struct Kept(Mutex<Option<(Stamps, Arc<Client>)>>);

impl Kept {
    /// The settings of a module; reads its files when that is needed. A module always asks with the same `alpn`.
    ///
    /// # Errors
    /// A file cannot be used, or no version is left.
    pub fn client(&self, config: &config::Tls, alpn: &[&[u8]]) -> Result<Arc<Client>, Failure> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((stamps, client)) = kept.as_ref()
            && !stamps.are_young()
            && !stamps.have_changed()
        {
            return Ok(Arc::clone(client));
        }
        let mut stamps = Stamps::default();
        let client = Arc::new(Client::new(config, alpn, &mut stamps)?);
        *kept = Some((stamps, Arc::clone(&client)));
        Ok(client)
    }
}

/// Settings for handshakes.
#[derive(Debug)]
pub struct Client {
    /// For TLS 1.2 and 1.3, where one of them is allowed.
    modern: Option<ClientConfig>,
    /// Which of TLS 1.0 and 1.1 are allowed: the oldest and the newest.
    old: Option<(TlsVersion, TlsVersion)>,
    has_tls13: bool,
    judge: Judge,
}

impl Client {
    fn new(config: &config::Tls, alpn: &[&[u8]], stamps: &mut Stamps) -> Result<Self, Failure> {
        let first = config.min_version.unwrap_or(TlsVersion::Tls12);
        let last = config.max_version.unwrap_or(TlsVersion::Tls13);
        if first > last {
            return Err(Failure::module(
                "tls_config: expected a min_version that is at most the max_version, found a newer one",
            ));
        }
        let provider = provider();
        let trust = match &config.ca {
            Some(given) => {
                let found: Vec<_> =
                    CertificateDer::pem_slice_iter(&text("ca", given, stamps)?).filter_map(Result::ok).collect();
                let trust = Trust::new(&found);
                if trust.is_empty() {
                    return Err(Failure::module(format!(
                        "{}: expected PEM certificates, found none",
                        place("ca", given)
                    )));
                }
                Arc::new(trust)
            }
            None => Trust::of_system(),
        };
        let judge = Judge { trust, insecure: config.insecure_skip_verify, provider };
        let versions: Vec<&SupportedProtocolVersion> =
            [(TlsVersion::Tls13, &rustls::version::TLS13), (TlsVersion::Tls12, &rustls::version::TLS12)]
                .into_iter()
                .filter(|(version, _)| (first..=last).contains(version))
                .map(|(_, known)| known)
                .collect();
        // Read also when only the old versions are allowed: a file that is missing is a mistake all the same.
        let identity = identity(config, stamps)?;
        let modern = match versions.is_empty() {
            true => None,
            false => Some(modern(&judge, &versions, identity, alpn)?),
        };
        let old = (first < TlsVersion::Tls12).then(|| (first, last.min(TlsVersion::Tls11)));
        Ok(Self { modern, old, has_tls13: last >= TlsVersion::Tls13, judge })
    }

    /// Shakes hands. `name` is a DNS name or an address, for SNI and for the check.
    ///
    /// # Errors
    /// No agreement, or a certificate that is not trusted; `facts` has what was seen.
    pub async fn connect<S>(&self, stream: S, name: &str, facts: &Facts) -> Result<TlsStream<S>, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        facts.clear();
        let Some(config) = &self.modern else {
            return Err(Failure::new(
                Phase::Tls,
                Reason::TlsVersion,
                "the module allows only TLS 1.0 and 1.1, over which no more than the handshake can be probed",
            ));
        };
        let expected = Expected::new(name);
        // An address is never asked for, so that it stands for a name that cannot be asked for.
        let asked =
            expected.name().cloned().unwrap_or_else(|| ServerName::from(std::net::IpAddr::from(Ipv4Addr::UNSPECIFIED)));
        let config = self.config(config, Some(expected), facts);
        let connected = TlsConnector::from(Arc::new(config)).connect(asked, stream).await;
        let stream = connected.map_err(|e| failure::handshake_failure(&e, facts))?;
        let (_, connection) = stream.get_ref();
        if let (Some(version), Some(suite)) = (connection.protocol_version(), connection.negotiated_cipher_suite()) {
            facts.agreed(version, suite.suite());
        }
        Ok(stream)
    }

    /// As [`Self::connect`], and when the module allows TLS 1.0 or 1.1 and the server speaks nothing newer, once more with
    /// those on a connection that `again` opens. `None` is that the server agreed to one of them and that its certificate
    /// is in order; nothing can be exchanged over it, and [`too_old`] is the failure for whoever needs that.
    ///
    /// # Errors
    /// As there, and those of `again`.
    pub async fn connect_any<S, F, W>(
        &self,
        stream: S,
        name: &str,
        facts: &Facts,
        again: F,
    ) -> Result<Option<TlsStream<S>>, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
        F: FnOnce() -> W,
        W: Future<Output = Result<S, Failure>>,
    {
        let Some((first, last)) = self.old else {
            return self.connect(stream, name, facts).await.map(Some);
        };
        let (mut stream, modern) = match self.modern.is_some() {
            false => (stream, None),
            true => match self.connect(stream, name, facts).await {
                Ok(stream) => return Ok(Some(stream)),
                Err(failure)
                    if facts.has_certificate() || !matches!(failure.reason, Reason::TlsHandshake | Reason::Closed) =>
                {
                    return Err(failure);
                }
                Err(failure) => (again().await?, Some(failure)),
            },
        };
        facts.clear();
        let expected = Expected::new(name);
        let hello = match legacy::hello(&mut stream, &expected, (first, last)).await {
            Ok(hello) => hello,
            // It is not about age: what was said at first counts.
            Err(failure) => return Err(modern.unwrap_or(failure)),
        };
        facts.agreed(hello.version, hello.cipher);
        if let Some((leaf, others)) = hello.chain.split_first()
            && self.judge.judge(leaf, others, &expected, UnixTime::now(), facts)
        {
            return Ok(None);
        }
        let refused = facts.failure();
        Err(refused
            .unwrap_or_else(|| Failure::new(Phase::Tls, Reason::TlsHandshake, "the server shows no certificate")))
    }

    /// The same settings for QUIC. The name to check is the one that the library is given; see [`server_name`].
    ///
    /// # Errors
    /// TLS 1.3 is not allowed.
    pub fn for_quic(&self, facts: &Facts) -> Result<Arc<ClientConfig>, Failure> {
        facts.clear();
        match &self.modern {
            Some(config) if self.has_tls13 => quic::config(config, self.verifier(None, facts), facts).map(Arc::new),
            _ => Err(Failure::module(
                "tls_config: expected a max_version of TLS13, which QUIC needs, found an older one",
            )),
        }
    }

    fn verifier(&self, expected: Option<Expected>, facts: &Facts) -> Arc<Verifier> {
        Arc::new(Verifier { judge: self.judge.clone(), expected, facts: facts.clone() })
    }

    fn config(&self, config: &ClientConfig, expected: Option<Expected>, facts: &Facts) -> ClientConfig {
        let mut config = config.clone();
        config.dangerous().set_certificate_verifier(self.verifier(expected, facts));
        let inner = Arc::clone(&config.client_auth_cert_resolver);
        config.client_auth_cert_resolver = Arc::new(Shown { inner, facts: facts.clone() });
        config
    }
}

/// A name in the form that TLS libraries take: addresses without brackets and zone.
pub fn server_name(name: &str) -> String {
    Expected::new(name).name().map_or_else(|| name.to_owned(), |name| name.to_str().into_owned())
}

/// The failure of a probe that would have to exchange something with a server that speaks only TLS 1.0 or 1.1.
pub fn too_old(facts: &Facts) -> Failure {
    let version = facts.version().unwrap_or("an old version of TLS");
    Failure::new(
        Phase::Tls,
        Reason::TlsVersion,
        format!("the server picked {version}, over which no more than the handshake can be probed"),
    )
}

/// Made once: it is the same for everybody.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| {
        use rustls::crypto::ring::cipher_suite::*;
        // The order in which the Go exporter asks for them where the CPU knows AES: a server that leaves the choice to the
        // client picks the same one for both.
        let cipher_suites = vec![
            TLS13_AES_128_GCM_SHA256,
            TLS13_AES_256_GCM_SHA384,
            TLS13_CHACHA20_POLY1305_SHA256,
            TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        ];
        Arc::new(CryptoProvider { cipher_suites, ..rustls::crypto::ring::default_provider() })
    }))
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn identity(config: &config::Tls, stamps: &mut Stamps) -> Result<Option<Identity>, Failure> {
    let (Some(cert), Some(key)) = (&config.cert, &config.key) else { return Ok(None) };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&text("cert", cert, stamps)?).filter_map(Result::ok).collect();
    if chain.is_empty() {
        return Err(Failure::module(format!("{}: expected PEM certificates, found none", place("cert", cert))));
    }
    let private = PrivateKeyDer::from_pem_slice(&text("key", key, stamps)?).map_err(|_| {
        Failure::module(format!("{}: expected a PEM private key without a password", place("key", key)))
    })?;
    Ok(Some((chain, private)))
}

fn modern(
    judge: &Judge,
    versions: &[&'static SupportedProtocolVersion],
    identity: Option<Identity>,
    alpn: &[&[u8]],
) -> Result<ClientConfig, Failure> {
    // Takes the place of the one that each handshake has of its own.
    let verifier = Verifier { judge: judge.clone(), expected: None, facts: Facts::default() };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&judge.provider))
        .with_protocol_versions(versions)
        .map_err(|e| Failure::module(format!("tls_config: {e}")))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match identity {
        Some((chain, key)) => builder
            .with_client_auth_cert(chain, key)
            .map_err(|e| Failure::module(format!("tls_config: cert and key do not go together: {e}")))?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// What a setting holds; `key` is its name without an ending.
fn text(key: &str, given: &Given, stamps: &mut Stamps) -> Result<Vec<u8>, Failure> {
    match given {
        Given::Inline(secret) => Ok(secret.0.clone().into_bytes()),
        Given::File(path) => {
            stamps.note(path);
            read_bounded(Path::new(path), MOST_PEM_BYTES)
                .map_err(|e| Failure::module(format!("{}: {e}", place(key, given))))
        }
        Given::Ref(_) => Err(Failure::module(format!("{}: there is no store of secrets", place(key, given)))),
    }
}

/// Where a setting is, for messages; shows no inline text.
fn place(key: &str, given: &Given) -> String {
    match given {
        Given::Inline(_) => format!("tls_config.{key}"),
        Given::File(path) => format!("tls_config.{key}_file: {}", path.display()),
        Given::Ref(name) => format!("tls_config.{key}_ref: {name}"),
    }
}

#[cfg(test)]
mod tests;
