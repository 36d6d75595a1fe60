//! An HTTP/3 server on a free port: it answers every request with status 200 and the same body.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use h3::quic::BidiStream;
use h3::server::RequestStream;
use hyper::body::Bytes;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, VarInt};
use rustls::ServerConfig;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// A running server; stopped when dropped.
#[derive(Debug)]
pub struct Http3 {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<()>>,
}

impl Http3 {
    /// On a free UDP port of 127.0.0.1; the settings allow TLS 1.3 and speak `h3`.
    #[track_caller]
    pub fn start(config: Arc<ServerConfig>, body: &'static str) -> Self {
        let tls = QuicServerConfig::try_from(config).expect("TLS 1.3 is allowed");
        let config = quinn::ServerConfig::with_crypto(Arc::new(tls));
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let endpoint = {
            let _inside = runtime.enter();
            Endpoint::server(config, (Ipv4Addr::LOCALHOST, 0).into()).expect("127.0.0.1 has a free port")
        };
        let address = endpoint.local_addr().expect("a socket knows its address");
        let (stop, stopped) = oneshot::channel();
        let serving = thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(&endpoint, body) => {}
                    // Also when whoever could say so is gone.
                    _ = stopped => endpoint.close(VarInt::from_u32(0), b""),
                }
            });
        });
        Self { address, stop: Some(stop), serving: Some(serving) }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for Http3 {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(serving) = self.serving.take() {
            drop(serving.join());
        }
    }
}

async fn accept(endpoint: &Endpoint, body: &'static str) {
    while let Some(incoming) = endpoint.accept().await {
        tokio::spawn(async move {
            // A client that goes away in the middle is what some tests are about.
            let Ok(quic) = incoming.await else { return };
            let Ok(mut connection) = h3::server::Connection::new(h3_quinn::Connection::new(quic)).await else { return };
            while let Ok(Some(asked)) = connection.accept().await {
                if let Ok((_, stream)) = asked.resolve_request().await {
                    drop(answer(stream, body).await);
                }
            }
        });
    }
}

async fn answer<S>(mut stream: RequestStream<S, Bytes>, body: &'static str) -> Result<(), h3::error::StreamError>
where
    S: BidiStream<Bytes>,
{
    stream.send_response(hyper::Response::new(())).await?;
    stream.send_data(Bytes::from_static(body.as_bytes())).await?;
    stream.finish().await
}
