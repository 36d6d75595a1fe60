//! Checked TLS settings to a rustls server configuration (ring provider).
//!
//! * Reads the PEM texts, inline or from files, and says what was wrong with which file.
//! * Every build is complete: session cache and client policy start fresh, so a rotation leaves nothing behind.
//! * Differs from the Go exporters: see [`super::config`].

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};

use super::client_certs;
use super::config::{Curve, Pem, PemSource, TlsSettings, WebConfigError};
use crate::watched::read_bounded;

/// A PEM file is a few KiB; a CA bundle some hundred.
pub const MAX_PEM_BYTES: u64 = 4 << 20;

/// Builds the configuration for one state of the files.
///
/// # Errors
/// A file that cannot be read or holds something else, a key that does not belong to the certificate. `file` is the
/// configuration file, for the message.
pub fn build(file: &Path, settings: &TlsSettings, http2: bool) -> Result<Arc<ServerConfig>, WebConfigError> {
    let mistake =
        |pem: &Pem, what: String| WebConfigError { file: file.into(), line: Some(pem.line), key: pem.key.into(), what };
    let chain = certificates(&settings.cert).map_err(|what| mistake(&settings.cert, what))?;
    let key = private_key(&settings.key).map_err(|what| mistake(&settings.key, what))?;
    let provider = Arc::new(provider(settings));
    let roots = settings
        .client_ca
        .as_ref()
        .map(|ca| certificates(ca).map_err(|what| mistake(ca, what)))
        .transpose()?
        .unwrap_or_default();
    let client_mistake = |what: String| mistake(settings.client_ca.as_ref().unwrap_or(&settings.cert), what);
    let verifier = client_certs::verifier(settings, roots, &provider).map_err(client_mistake)?;

    let mut versions = Vec::new();
    if settings.tls13 {
        versions.push(&TLS13);
    }
    let suites_left = provider.cipher_suites.iter().any(|suite| suite.tls13().is_none());
    if settings.tls12 && suites_left {
        versions.push(&TLS12);
    }
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .map_err(|e| mistake(&settings.cert, format!("these TLS settings leave nothing to agree on: {e}")))?;
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|e| match e {
        rustls::Error::InconsistentKeys(_) => mistake(
            &settings.key,
            format!("{}expected the private key of the certificate, found another", place(&settings.key)),
        ),
        other => mistake(&settings.cert, format!("{}cannot be used: {other}", place(&settings.cert))),
    })?;
    config.ignore_client_order = settings.prefer_server_order;
    config.alpn_protocols = if http2 { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
    Ok(Arc::new(config))
}

fn provider(settings: &TlsSettings) -> CryptoProvider {
    let mut provider = ring::default_provider();
    if let Some(names) = &settings.cipher_suites {
        // rustls spells TLS_ECDHE_..., as IANA does; TLS 1.3 suites are not ours to choose, as in Go.
        let name_of = |suite: &rustls::SupportedCipherSuite| suite.suite().as_str().unwrap_or_default().to_owned();
        provider.cipher_suites.retain(|suite| suite.tls13().is_some() || names.contains(&name_of(suite).as_str()));
        provider.cipher_suites.sort_by_key(|suite| names.iter().position(|name| *name == name_of(suite)));
    }
    if let Some(curves) = &settings.curves {
        provider.kx_groups = curves
            .iter()
            .map(|curve| match curve {
                Curve::P256 => ring::kx_group::SECP256R1,
                Curve::P384 => ring::kx_group::SECP384R1,
                Curve::X25519 => ring::kx_group::X25519,
            })
            .collect();
    }
    provider
}

fn certificates(pem: &Pem) -> Result<Vec<CertificateDer<'static>>, String> {
    let place = place(pem);
    parse_certificates(&read(pem)?).map_err(|what| format!("{place}{what}"))
}

fn private_key(pem: &Pem) -> Result<PrivateKeyDer<'static>, String> {
    let place = place(pem);
    parse_private_key(&read(pem)?).map_err(|what| format!("{place}{what}"))
}

/// The certificates of a PEM text, at least one.
///
/// # Errors
/// What was expected and what was found.
pub fn parse_certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain = CertificateDer::pem_slice_iter(text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| format!("expected PEM certificates, found {}", what_is_wrong(&e)))?;
    if chain.is_empty() {
        return Err("expected a PEM certificate, found no BEGIN CERTIFICATE".into());
    }
    Ok(chain)
}

/// The first private key of a PEM text.
///
/// # Errors
/// What was expected and what was found.
pub fn parse_private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    let encrypted = b"BEGIN ENCRYPTED PRIVATE KEY";
    if text.windows(encrypted.len()).any(|window| window == encrypted) {
        return Err("expected a private key without a password, found an encrypted one".into());
    }
    PrivateKeyDer::from_pem_slice(text).map_err(|e| match e {
        pem::Error::NoItemsFound => "expected a PEM private key, found no BEGIN PRIVATE KEY".into(),
        other => format!("expected a PEM private key, found {}", what_is_wrong(&other)),
    })
}

/// The library's own words quote the line that failed, which may be part of a key.
fn what_is_wrong(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "no END line",
        pem::Error::IllegalSectionStart { .. } => "a malformed BEGIN line",
        pem::Error::Base64Decode(_) => "malformed base64",
        pem::Error::SectionTooLarge => "a section that is too large",
        pem::Error::NoItemsFound => "nothing",
        _ => "something else",
    }
}

/// The file in front of a message; nothing for inline text, whose key is in the message already.
fn place(pem: &Pem) -> String {
    match &pem.source {
        PemSource::Inline(_) => String::new(),
        PemSource::File(path) => format!("{}: ", path.display()),
    }
}

fn read(pem: &Pem) -> Result<Vec<u8>, String> {
    match &pem.source {
        PemSource::Inline(text) => Ok(text.clone().into_bytes()),
        PemSource::File(path) => read_bounded(path, MAX_PEM_BYTES).map_err(|e| format!("{}: {e}", path.display())),
    }
}
