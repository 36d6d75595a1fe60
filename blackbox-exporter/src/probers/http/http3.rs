//! One round trip over HTTP/3 (RFC 9114): QUIC, a request, the head of the answer; then its body, piece by piece.
//!
//! * One attempt at one address: no other version, nothing of earlier connections. Whoever drops the answer closes the
//!   connection, and nobody waits for that. There is no limit of time: the deadline of the probe is one.
//! * Nobody listening cannot be told from silence: QUIC waits.
//! * Bounded: a peer may send 256 KiB ahead of what is read, and beside the body no more than [`MOST_BESIDE_BYTES`].

use std::future::poll_fn;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use h3::client::{RequestStream, SendRequest};
use h3::error::StreamError;
use h3_quinn::{BidiStream, OpenStreams};
use hyper::body::{Buf as _, Bytes};
use hyper::{Request, Response};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{
    ClientConfig, ConnectError, ConnectionError, Endpoint, EndpointConfig, TokioRuntime, TransportConfig, VarInt,
};

use crate::reason::{Failure, Phase, Progress, Reason};
use crate::tls;

/// What the settings of TLS have to offer.
pub(in crate::probers) const ALPN: &[&[u8]] = &[b"h3"];

/// Bytes of the head of an answer.
const MOST_HEAD_BYTES: u64 = 10 << 20;
/// Bytes that a peer may send beside the body, the head among them.
const MOST_BESIDE_BYTES: u64 = 12 << 20;
/// What a peer may send ahead.
const WINDOW_BYTES: u32 = 256 << 10;

/// When things happened; kept outside of the work, so that it is there as well when the deadline ended it.
#[derive(Debug, Default)]
pub(super) struct Times {
    /// The handshake began.
    pub(super) started: OnceLock<Instant>,
    /// The handshake was over.
    pub(super) shaken: OnceLock<Instant>,
    /// The request was sent.
    pub(super) sent: OnceLock<Instant>,
    /// The head of the answer was there.
    pub(super) first: OnceLock<Instant>,
}

/// Who is asked.
#[derive(Clone, Copy)]
pub(super) struct Peer<'a> {
    /// Where; the caller has asked whether it is allowed.
    pub(super) address: SocketAddr,
    /// Name for SNI and the check.
    pub(super) name: &'a str,
    /// Settings for [`ALPN`], and what the handshake tells.
    pub(super) tls: &'a tls::Client,
    pub(super) facts: &'a tls::Facts,
}

/// The body of an answer, and the connection it comes over.
pub(super) struct Answer {
    stream: RequestStream<BidiStream<Bytes>, Bytes>,
    wire: Wire,
    n_bytes: u64,
}

/// A connection; closed when dropped.
struct Wire {
    working: Option<h3::client::Connection<h3_quinn::Connection, Bytes>>,
    /// The library takes the last of these for the end of the connection.
    _sender: SendRequest<OpenStreams, Bytes>,
    quic: quinn::Connection,
}

impl Drop for Wire {
    fn drop(&mut self) {
        const NO_ERROR: u32 = 0x100;
        self.quic.close(VarInt::from_u32(NO_ERROR), b"");
    }
}

impl Wire {
    /// Does `work` and that of the connection; fails when the peer sends too much beside the `n_body` bytes of a body.
    async fn during<T>(
        &mut self,
        n_body: u64,
        work: impl Future<Output = Result<T, StreamError>>,
    ) -> Result<Result<T, StreamError>, Failure> {
        let most = n_body.saturating_mul(2).saturating_add(MOST_BESIDE_BYTES);
        let Self { working, quic, .. } = self;
        let mut work = std::pin::pin!(work);
        poll_fn(|cx| {
            if let Some(connection) = working
                && connection.poll_close(cx).is_ready()
            {
                *working = None;
            }
            if quic.stats().udp_rx.bytes > most {
                let what = format!("answer: expected at most {MOST_BESIDE_BYTES} bytes beside the body, found more");
                return std::task::Poll::Ready(Err(Failure::new(Phase::Request, Reason::Protocol, what)));
            }
            work.as_mut().poll(cx).map(Ok)
        })
        .await
    }
}

impl Answer {
    /// The next bytes; `None` is the end.
    pub(super) async fn piece(&mut self) -> Option<Result<Bytes, Failure>> {
        let Self { stream, wire, n_bytes } = self;
        let read = async {
            let piece = stream.recv_data().await?;
            Ok(piece.map(|mut piece| piece.copy_to_bytes(piece.remaining())))
        };
        match wire.during(*n_bytes, read).await {
            Ok(Ok(None)) => None,
            Ok(Ok(Some(bytes))) => {
                *n_bytes += bytes.len() as u64;
                Some(Ok(bytes))
            }
            Ok(Err(e)) => Some(Err(broken(&wire.quic, &e, Phase::Transfer))),
            Err(failure) => Some(Err(failure)),
        }
    }
}

/// Opens a connection, sends a request and waits for the head of the answer. The URI of the request has scheme and
/// authority, and no header speaks of connections or hosts.
///
/// # Errors
/// What went wrong, and where.
pub(super) async fn exchange(
    peer: Peer<'_>,
    request: Request<Bytes>,
    times: &Times,
    progress: &Progress,
) -> Result<(Response<()>, Answer), Failure> {
    progress.enter(Phase::Connect);
    let quic = connect(peer, times).await?;
    progress.enter(Phase::Request);
    let mut builder = h3::client::builder();
    builder.max_field_section_size(MOST_HEAD_BYTES).send_grease(false);
    let built = builder.build(h3_quinn::Connection::new(quic.clone())).await;
    let (working, sender) = built.map_err(|e| lost(&quic, &e, Phase::Request))?;
    let mut opener = sender.clone();
    let mut wire = Wire { working: Some(working), _sender: sender, quic };
    let (head, body) = request.into_parts();
    let ask = async {
        let mut stream = opener.send_request(Request::from_parts(head, ())).await?;
        if !body.is_empty() {
            stream.send_data(body).await?;
        }
        stream.finish().await?;
        // The first to be set counts.
        times.sent.get_or_init(Instant::now);
        let mut response = stream.recv_response().await?;
        times.first.get_or_init(Instant::now);
        while response.status().is_informational() {
            response = stream.recv_response().await?;
        }
        Ok((response, stream))
    };
    match wire.during(0, ask).await? {
        Ok((response, stream)) => Ok((response, Answer { stream, wire, n_bytes: 0 })),
        Err(e) => Err(broken(&wire.quic, &e, Phase::Request)),
    }
}

async fn connect(peer: Peer<'_>, times: &Times) -> Result<quinn::Connection, Failure> {
    let network =
        |e: std::io::Error| Failure::new(Phase::Connect, Reason::Unreachable, format!("{}: {e}", peer.address));
    let tls = QuicClientConfig::try_from(peer.tls.for_quic(peer.facts)?)
        .map_err(|e| Failure::new(Phase::Setup, Reason::Internal, format!("QUIC: {e}")))?;
    let mut config = ClientConfig::new(Arc::new(tls));
    config.transport_config(transport());
    let from = match peer.address.is_ipv4() {
        true => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        false => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(from).map_err(network)?;
    let endpoint = Endpoint::new(EndpointConfig::default(), None, socket, Arc::new(TokioRuntime)).map_err(network)?;
    let name = tls::server_name(peer.name);
    times.started.get_or_init(Instant::now);
    let connecting = endpoint.connect_with(config, peer.address, &name).map_err(|e| {
        let reason = match e {
            ConnectError::InvalidServerName(_) => Reason::CertificateName,
            ConnectError::InvalidRemoteAddress(_) => Reason::Unreachable,
            _ => Reason::Internal,
        };
        Failure::new(Phase::Connect, reason, format!("{}: {e}", peer.address))
    })?;
    let connected = connecting.await;
    let quic = connected.map_err(|e| peer.facts.failure().unwrap_or_else(|| ended(&e, Phase::Tls)))?;
    times.shaken.get_or_init(Instant::now);
    Ok(quic)
}

/// Made once: it is the same for everybody.
fn transport() -> Arc<TransportConfig> {
    static TRANSPORT: OnceLock<Arc<TransportConfig>> = OnceLock::new();
    Arc::clone(TRANSPORT.get_or_init(|| {
        let mut transport = TransportConfig::default();
        transport
            .max_idle_timeout(None)
            .max_concurrent_bidi_streams(VarInt::from_u32(0))
            // Its control stream and the two of QPACK, and one more for what we do not know.
            .max_concurrent_uni_streams(VarInt::from_u32(4))
            .stream_receive_window(VarInt::from_u32(WINDOW_BYTES))
            .receive_window(VarInt::from_u32(2 * WINDOW_BYTES))
            .send_window(u64::from(WINDOW_BYTES))
            .datagram_receive_buffer_size(None);
        Arc::new(transport)
    }))
}

/// What an error of a stream means; the connection knows more.
fn broken(quic: &quinn::Connection, e: &StreamError, phase: Phase) -> Failure {
    match (quic.close_reason(), e) {
        (Some(ConnectionError::LocallyClosed) | None, StreamError::RemoteTerminate { code, .. }) => {
            Failure::new(phase, Reason::Closed, format!("the server gave up the request: {code}"))
        }
        (Some(ConnectionError::LocallyClosed) | None, StreamError::HeaderTooBig { .. }) => {
            Failure::new(phase, Reason::Protocol, format!("head: it is too large: {e}"))
        }
        (Some(ConnectionError::LocallyClosed) | None, e) => {
            Failure::new(phase, Reason::Protocol, format!("answer: expected HTTP/3, found: {e}"))
        }
        (Some(reason), _) => ended(&reason, phase),
    }
}

fn lost(quic: &quinn::Connection, e: &h3::error::ConnectionError, phase: Phase) -> Failure {
    match quic.close_reason() {
        Some(reason) => ended(&reason, phase),
        None => Failure::new(phase, Reason::Protocol, format!("expected HTTP/3, found: {e}")),
    }
}

/// What the end of a connection means.
fn ended(e: &ConnectionError, phase: Phase) -> Failure {
    /// Codes of QUIC that carry a TLS alert in their last byte (RFC 9001, section 4.8).
    const ALERTS: std::ops::Range<u64> = 0x100..0x200;
    let code = match e {
        ConnectionError::TransportError(e) => Some(u64::from(e.code)),
        ConnectionError::ConnectionClosed(frame) => Some(u64::from(frame.error_code)),
        _ => None,
    };
    match (code.filter(|code| ALERTS.contains(code)), e) {
        (Some(code), ConnectionError::ConnectionClosed(_)) => {
            tls::alert_failure(rustls::AlertDescription::from(code.to_le_bytes()[0]), phase)
        }
        (Some(_), e) => Failure::new(phase, Reason::TlsHandshake, format!("no agreement with the server: {e}")),
        (None, ConnectionError::VersionMismatch | ConnectionError::TransportError(_)) => {
            Failure::new(phase, Reason::Protocol, format!("QUIC: {e}"))
        }
        (None, e) => Failure::new(phase, Reason::Closed, format!("QUIC: {e}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use rcgen::{CertificateParams, KeyPair};
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};

    /// What a server answers to its one request: heads by status, and a body; `None` closes instead.
    type Script = Option<(&'static [u16], usize)>;

    /// A server with a certificate of its own for localhost, and the PEM text of that.
    fn server(script: Script) -> (SocketAddr, String) {
        let key = KeyPair::generate().unwrap();
        let made = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        let chain: Vec<CertificateDer<'static>> = vec![made.der().clone()];
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap();
        tls.alpn_protocols = vec![b"h3".to_vec()];
        let tls = quinn::crypto::rustls::QuicServerConfig::try_from(tls).unwrap();
        let config = quinn::ServerConfig::with_crypto(Arc::new(tls));
        let endpoint = Endpoint::server(config, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = endpoint.local_addr().unwrap();
        tokio::spawn(async move {
            let quic = endpoint.accept().await?.await.ok()?;
            let mut connection =
                h3::server::Connection::<_, Bytes>::new(h3_quinn::Connection::new(quic.clone())).await.ok()?;
            let (request, mut stream) = connection.accept().await.ok()??.resolve_request().await.ok()?;
            assert_eq!(request.uri().path(), "/p");
            let Some((statuses, n_body)) = script else {
                quic.close(VarInt::from_u32(0x102), b"");
                return None;
            };
            for status in statuses {
                stream.send_response(Response::builder().status(*status).body(()).unwrap()).await.ok()?;
            }
            stream.send_data(Bytes::from(vec![b'x'; n_body])).await.ok()?;
            stream.finish().await.ok()?;
            // Until the client has gone.
            connection.accept().await.ok()?;
            Some(())
        });
        (address, made.pem())
    }

    async fn ask(script: Script, name: &str) -> (Result<(u16, usize), Failure>, tls::Facts, Times) {
        let (address, pem) = server(script);
        let config = config::Tls { ca: Some(config::Given::Inline(config::Secret(pem))), ..config::Tls::default() };
        let tls = tls::Kept::default().client(&config, ALPN).unwrap();
        let (facts, times) = (tls::Facts::default(), Times::default());
        let peer = Peer { address, name, tls: &tls, facts: &facts };
        let request = Request::get(format!("https://{name}:{}/p", address.port())).body(Bytes::new()).unwrap();
        let asked = async {
            let (response, mut answer) = exchange(peer, request, &times, &Progress::default()).await?;
            let mut n_bytes = 0;
            while let Some(piece) = answer.piece().await {
                n_bytes += piece?.len();
            }
            Ok((response.status().as_u16(), n_bytes))
        };
        (asked.await, facts, times)
    }

    #[tokio::test]
    async fn an_answer_with_its_body() {
        for n_body in [0, 5, 3 << 20] {
            let (answer, facts, times) = ask(Some((&[103, 200], n_body)), "localhost").await;
            assert_eq!(answer, Ok((200, n_body)));
            assert_eq!((facts.version(), facts.has_certificate()), (Some("TLS 1.3"), true));
            let Times { started, shaken, sent, first } = times;
            assert!([started, shaken, sent, first].map(|time| time.get().copied().unwrap()).is_sorted());
        }
    }

    #[tokio::test]
    async fn why_it_fails() {
        let (answer, facts, times) = ask(Some((&[200], 0)), "other.test").await;
        let failure = answer.unwrap_err();
        assert_eq!((failure.phase, failure.reason), (Phase::Tls, Reason::CertificateName), "{failure}");
        assert!(facts.has_certificate() && times.started.get().is_some() && times.shaken.get().is_none());
        let (answer, ..) = ask(None, "localhost").await;
        let failure = answer.unwrap_err();
        assert_eq!((failure.phase, failure.reason), (Phase::Request, Reason::Closed), "{failure}");
    }
}
