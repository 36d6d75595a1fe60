//! The first half of a handshake with TLS 1.0 or 1.1 (RFC 2246, RFC 4346): what the server picks and which certificates it
//! shows. All of it is sent in the clear; what would follow needs ciphers that nobody should speak any more.
//!
//! * No proof that the server has the key of its certificate: that comes in the second half.
//! * Bounded: at most 256 KiB are read.

mod wire;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::trust::Expected;
use crate::config::TlsVersion;
use crate::reason::{Failure, Phase, Reason};

pub(super) use wire::Hello;
pub(crate) use wire::feed;

/// Greets, offering the versions from the first to the last, and reads until the server has said everything.
///
/// # Errors
/// No agreement.
pub(super) async fn hello<S>(
    stream: &mut S,
    expected: &Expected,
    (first, last): (TlsVersion, TlsVersion),
) -> Result<Hello, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let handshake = |what: String| Failure::new(Phase::Tls, Reason::TlsHandshake, what);
    let closed = |e: std::io::Error| Failure::new(Phase::Tls, Reason::Closed, format!("in the handshake: {e}"));
    let name = match expected.name() {
        Some(ServerName::DnsName(name)) => Some(name.as_ref().trim_end_matches('.').to_owned()),
        _ => None,
    };
    let mut random = [0; 32];
    let filled = super::provider().secure_random.fill(&mut random);
    filled.map_err(|_| Failure::new(Phase::Tls, Reason::Internal, "there are no random numbers"))?;
    stream.write_all(&wire::client_hello(number(last), random, name.as_deref())).await.map_err(closed)?;
    stream.flush().await.map_err(closed)?;
    let mut reader = wire::Reader::default();
    let mut bytes = [0; 4096];
    let hello = loop {
        let n = stream.read(&mut bytes).await.map_err(closed)?;
        if n == 0 {
            return Err(Failure::new(Phase::Tls, Reason::Closed, "the server closed the connection in the handshake"));
        }
        match reader.feed(bytes.get(..n).unwrap_or_default()) {
            Ok(None) => {}
            Ok(Some(hello)) => break hello,
            Err(e) => return Err(handshake(e.to_string())),
        }
    };
    let picked = u16::from(hello.version);
    if !(number(first)..=number(last)).contains(&picked) {
        return Err(handshake(format!("the server picked version {picked:#06x}, which was not offered")));
    }
    // Said as it should be, so that the server's log does not speak of a lost connection; nobody waits for it.
    let _said = stream.write_all(&wire::cancelled(picked)).await;
    Ok(hello)
}

/// As it stands in a hello.
fn number(version: TlsVersion) -> u16 {
    match version {
        TlsVersion::Tls10 => 0x0301,
        TlsVersion::Tls11 => 0x0302,
        TlsVersion::Tls12 => 0x0303,
        TlsVersion::Tls13 => 0x0304,
    }
}
