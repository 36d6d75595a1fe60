//! From a URL to a connection that takes a request: names, TCP, proxies, TLS.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::facts::Trip;
use super::proxy::{self, Kind, Proxy};
use super::stream::{Counted, Stream};
use super::target::Url;
use super::tunnel;
use crate::config::{self, IpSelection};
use crate::network::Network;
use crate::reason::{Failure, Phase, Progress, Reason};
use crate::resolve::{self, Address};
use crate::tls;

/// How connections are made; the same for all round trips of a probe.
#[derive(Clone, Copy)]
pub(super) struct Way<'a> {
    pub(super) network: &'a Arc<Network>,
    pub(super) progress: &'a Progress,
    /// Which family is wanted of names that are looked up on the way.
    pub(super) ip: &'a IpSelection,
    pub(super) proxy: &'a config::Proxy,
    pub(super) tls: &'a config::Tls,
    /// Settings towards the target, and towards a proxy that speaks TLS.
    pub(super) kept: (&'a tls::Kept, &'a tls::Kept),
    pub(super) alpn: &'a [&'a [u8]],
}

/// Where to.
#[derive(Clone, Copy)]
pub(super) struct To<'a> {
    pub(super) url: &'a Url,
    /// Its address, where it was chosen before.
    pub(super) address: Option<Address>,
    /// Name for SNI and the check.
    pub(super) server_name: &'a str,
}

/// A connection that takes a request.
pub(super) struct Opened {
    pub(super) stream: Stream,
    /// Whether HTTP/2 was agreed on.
    pub(super) http2: bool,
    /// The HTTP proxy that the request itself goes to.
    pub(super) through: Option<Proxy>,
    /// Whether whoever takes the request takes it over TLS.
    pub(super) tls: bool,
}

impl Way<'_> {
    /// Opens a connection, and notes in `trip` what took how long; `facts` gets what TLS tells.
    pub(super) async fn open(&self, to: To<'_>, trip: &mut Trip, facts: &tls::Facts) -> Result<Opened, Failure> {
        let port = to.url.port().ok_or_else(no_port)?;
        let known = to.address.or_else(|| resolve::literal(&to.url.host));
        let through = proxy::choose(self.proxy, to.url, known.map(|address| address.ip))
            .map_err(|e| Failure::new(Phase::Proxy, Reason::Module, e))?;
        let Some(proxy) = through else {
            let address = match known {
                Some(address) => address,
                None => self.look_up(&to.url.host, self.ip, trip).await?,
            };
            let stream = self.tcp(address, port, trip).await?;
            return self.dress(stream, to, Some((address, port)), trip, facts).await;
        };
        // What may not be probed may not be probed through a proxy either.
        match known {
            Some(address) => self.network.check(address.ip, Some(port))?,
            None => self.check_unknown(&to.url.host, port).await?,
        }
        let any_family = IpSelection { fallback: true, ..self.ip.clone() };
        let address = self.look_up(&proxy.url.host, &any_family, &mut Trip::default()).await?;
        let mut stream = self.tcp(address, proxy.port, trip).await?;
        let host = known.map_or_else(|| to.url.host.clone(), |address| address.ip.to_string());
        if proxy.url.tls {
            self.progress.enter(Phase::Proxy);
            let name = Some(self.tls.server_name.as_str()).filter(|name| !name.is_empty()).unwrap_or(&proxy.url.host);
            let client = self.kept.1.client(self.tls, &[])?;
            // Its certificates are those of the probe where there are no others.
            let own = tls::Facts::default();
            let facts = if to.url.tls { &own } else { facts };
            stream = Box::new(Box::pin(client.connect(stream, name, facts)).await.map_err(|e| in_proxy(&e))?);
        }
        self.progress.enter(Phase::Proxy);
        match proxy.kind {
            Kind::Http if !to.url.tls => {
                trip.ready = Some(Instant::now());
                let tls = proxy.url.tls;
                return Ok(Opened { stream, http2: false, through: Some(proxy), tls });
            }
            Kind::Http => {
                Box::pin(tunnel::connect(&mut stream, &proxy, &host, port, &self.proxy.connect_headers)).await?;
            }
            Kind::Socks => stream = Box::pin(tunnel::socks(stream, &proxy, &host, port)).await?,
        }
        self.dress(stream, to, None, trip, facts).await
    }

    /// Checks a place that the proxy looks up: whatever its name leads to from here has to be allowed.
    async fn check_unknown(&self, host: &str, port: u16) -> Result<(), Failure> {
        if self.network.policy().allows_all() {
            return Ok(());
        }
        self.progress.enter(Phase::Resolve);
        let any_family = IpSelection { fallback: true, ..self.ip.clone() };
        let address = resolve::address(host, &any_family).await.map_err(|e| {
            let what = format!("probing {host} through a proxy is not allowed here: its address is not known: {e}");
            Failure::new(Phase::Proxy, Reason::Forbidden, what)
        })?;
        self.network.check(address.ip, Some(port))
    }

    pub(super) async fn look_up(&self, host: &str, ip: &IpSelection, trip: &mut Trip) -> Result<Address, Failure> {
        self.progress.enter(Phase::Resolve);
        let started = Instant::now();
        let found = resolve::address(host, ip).await;
        trip.resolve = started.elapsed().as_secs_f64();
        if found.is_err() {
            self.network.dialed.attempted.fetch_add(1, Ordering::Relaxed);
            self.network.dialed.resolution.fetch_add(1, Ordering::Relaxed);
        }
        found
    }

    async fn tcp(&self, address: Address, port: u16, trip: &mut Trip) -> Result<Stream, Failure> {
        self.progress.enter(Phase::Connect);
        let started = Instant::now();
        let stream = self.network.connect_http(address.with_port(port)).await?;
        trip.connect = started.elapsed().as_secs_f64();
        Ok(Box::new(Counted::new(stream, Arc::clone(self.network))))
    }

    /// Puts TLS around a connection if the URL asks for it; `directly` is where another one like it can be had.
    async fn dress(
        &self,
        stream: Stream,
        to: To<'_>,
        directly: Option<(Address, u16)>,
        trip: &mut Trip,
        facts: &tls::Facts,
    ) -> Result<Opened, Failure> {
        let mut opened = Opened { stream, http2: false, through: None, tls: to.url.tls };
        if to.url.tls {
            self.progress.enter(Phase::Tls);
            let client = self.kept.0.client(self.tls, self.alpn)?;
            let started = Instant::now();
            let stream = match directly {
                Some((address, port)) => {
                    let again = || async move {
                        let stream = self.network.connect_http(address.with_port(port)).await?;
                        Ok(Box::new(Counted::new(stream, Arc::clone(self.network))) as Stream)
                    };
                    Box::pin(client.connect_any(opened.stream, to.server_name, facts, again)).await?
                }
                None => Some(Box::pin(client.connect(opened.stream, to.server_name, facts)).await?),
            };
            let stream = stream.ok_or_else(|| tls::too_old(facts))?;
            trip.tls = started.elapsed().as_secs_f64();
            opened.http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            opened.stream = Box::new(stream);
        }
        trip.ready = Some(Instant::now());
        Ok(opened)
    }
}

/// What a port with too large a number means.
pub(super) fn no_port() -> Failure {
    Failure::new(Phase::Connect, Reason::Target, "expected a port up to 65535, found a larger one")
}

/// A handshake with a proxy that failed says nothing about the target.
fn in_proxy(failure: &Failure) -> Failure {
    Failure::new(Phase::Proxy, Reason::Proxy, format!("TLS with the proxy: {failure}"))
}
