//! TLS towards a target, and what it tells: version, cipher, certificates, and whether they are trusted.

use std::sync::Arc;

use common::exposition::Page;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::client::TlsStream;

use crate::config;
use crate::reason::{Failure, Phase, Reason};

/// What a handshake told. Shared with the handshake, so that it is there as well when the probe was stopped in the middle.
#[derive(Clone, Debug, Default)]
pub struct Facts {}

impl Facts {
    /// Puts it on the page; nothing as long as the server showed no certificate.
    pub fn write(&self, _page: &mut Page, _with: With) {}
}

/// Which of the TLS families a prober has.
#[derive(Clone, Copy, Debug)]
pub struct With {
    /// `probe_ssl_last_chain_expiry_timestamp_seconds`.
    pub last_chain: bool,
    /// `probe_tls_cipher_info`.
    pub cipher: bool,
}

/// Settings for handshakes, made once for a module and again when a file that it names has changed.
#[derive(Debug, Default)]
pub struct Kept {}

impl Kept {
    /// The settings of a module; reads its files when that is needed. A module always asks with the same `alpn`.
    ///
    /// # Errors
    /// A file cannot be used, or no version is left.
    pub fn client(&self, _config: &config::Tls, _alpn: &[&[u8]]) -> Result<Arc<Client>, Failure> {
        Err(Failure::module("not built"))
    }
}

/// Settings for handshakes.
#[derive(Debug)]
pub struct Client {}

impl Client {
    /// Shakes hands. `name` is a DNS name or an address, for SNI and for the check.
    ///
    /// # Errors
    /// No agreement, or a certificate that is not trusted; `facts` has what was seen.
    pub async fn connect<S>(&self, _stream: S, _name: &str, _facts: &Facts) -> Result<TlsStream<S>, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        Err(Failure::new(Phase::Tls, Reason::TlsHandshake, "not built"))
    }

    /// The same settings for QUIC, or any other user of rustls.
    ///
    /// # Errors
    /// TLS 1.3 is not allowed.
    pub fn for_quic(&self, _facts: &Facts) -> Result<Arc<rustls::ClientConfig>, Failure> {
        Err(Failure::module("not built"))
    }
}
