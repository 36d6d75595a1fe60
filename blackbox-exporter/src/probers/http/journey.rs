//! From the target over redirects to the last answer.

use std::sync::Arc;

use hyper::header::{self, HeaderValue};

use super::checks;
use super::cookies::Jar;
use super::credentials;
use super::date;
use super::dial::{self, To, Way};
use super::exchange::{self, Body, Head};
use super::facts::{Facts, Seen, Trip};
use super::http3;
use super::oauth2;
use super::origin::Origin;
use super::redirects;
use super::request::{self, Template};
use super::target::{Astray, Url};
use crate::config::{self, Http};
use crate::module::Module;
use crate::network::Network;
use crate::reason::{Failure, Phase, Progress, Reason};
use crate::resolve::{self, Address};
use crate::run::ProbeLog;
use crate::tls;

/// What a journey needs of its run.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) network: &'a Arc<Network>,
    pub(super) progress: &'a Progress,
    /// The request's `hostname`.
    pub(super) hostname: Option<&'a str>,
}

/// The last answer.
pub(super) struct End {
    pub(super) head: Head,
    pub(super) body: Body,
    /// Whether it is a redirect that is not followed.
    pub(super) refused: bool,
}

/// The state that goes from one round trip to the next.
pub(super) struct Journey<'a> {
    module: &'a Module,
    http: &'a Http,
    way: Way<'a>,
    origin: Origin,
    url: Url,
    /// What the `Host` header says as long as it is not that of the URL.
    host: Option<String>,
    /// The server name of the target.
    server_name: String,
    /// Whether the way led to strangers: from then on there are no credentials.
    strayed: bool,
    jar: Jar,
}

const ALPN: &[&[u8]] = &[b"h2", b"http/1.1"];

impl<'a> Journey<'a> {
    /// A journey to `url`. Settings that cannot be used fail here, before anything is sent.
    pub(super) fn new(
        module: &'a Module,
        place: Place<'a>,
        url: Url,
        address: Option<Address>,
    ) -> Result<Self, Failure> {
        let http = &module.config.http;
        let client = &http.client;
        let alpn = match (http.enable_http3, client.enable_http2) {
            (true, _) => http3::ALPN,
            (false, true) => ALPN,
            (false, false) => &[],
        };
        // Without settings nothing can be wrong, and a target without TLS needs no list of authorities.
        if client.tls != config::Tls::default() {
            module.tls.client(&client.tls, alpn)?;
        }
        if !http.enable_http3 {
            credentials::check(client)?;
        }
        let host = place.hostname.or_else(|| request::host_override(&http.headers)).filter(|host| !host.is_empty());
        let server_name = Some(client.tls.server_name.as_str()).filter(|name| !name.is_empty());
        let way = Way {
            network: place.network,
            progress: place.progress,
            ip: &http.ip,
            proxy: &client.proxy,
            tls: &client.tls,
            kept: (&module.tls, &module.proxy_tls),
            alpn,
        };
        Ok(Self {
            module,
            http,
            way,
            origin: Origin::new(&url, address),
            host: host.map(str::to_owned),
            server_name: server_name.or(host).unwrap_or(&url.host).to_owned(),
            url,
            strayed: false,
            jar: Jar::default(),
        })
    }

    /// Goes on until an answer is no redirect, or one that is not followed.
    pub(super) async fn travel(
        &mut self,
        mut template: Template,
        log: &mut ProbeLog,
        facts: &mut Facts,
    ) -> Result<End, Failure> {
        let own_referer = template.headers.get(header::REFERER).cloned();
        let own_cookie = template.headers.get(header::COOKIE).cloned();
        let own_authorization = template.headers.get(header::AUTHORIZATION).cloned();
        // As with the Go exporter, HTTP/3 has no part in the settings of the other versions.
        let oauth2 = self.http.client.oauth2.as_ref().filter(|_| !self.http.enable_http3);
        let mut configured = None;
        // As the Go exporter has it, what cannot be repeated cannot be left out of a later request either.
        let repeatable = template.body.is_repeatable();
        loop {
            let own = own_authorization.clone().filter(|_| !self.strayed);
            let mut authorization = match own.filter(|own| !own.is_empty()) {
                None => credentials::of_url(&self.url)?,
                own => own,
            };
            // A token goes before all else, other credentials are for requests that have none.
            if !self.strayed && (oauth2.is_some() || authorization.is_none()) {
                configured = match (configured, oauth2) {
                    (None, Some(oauth2)) => {
                        let user_agent = template.headers.get(header::USER_AGENT);
                        let Way { network, progress, .. } = self.way;
                        let token = oauth2::authorization(self.module, oauth2, network, progress, user_agent);
                        // What few probes do has its room where it is done.
                        Some(Box::pin(token).await?)
                    }
                    (None, None) if !self.http.enable_http3 => credentials::configured(&self.http.client)?,
                    (known, _) => known,
                };
                authorization = configured.clone().or(authorization);
            }
            let authorization = authorization.or(own_authorization.clone().filter(|_| !self.strayed));
            if let Some(value) = &authorization {
                log.veil().add_authorization(&String::from_utf8_lossy(value.as_bytes()));
            }
            set(&mut template, header::AUTHORIZATION, authorization);
            let cookie = self.cookies(own_cookie.as_ref().filter(|_| !self.strayed));
            set(&mut template, header::COOKIE, cookie);
            let (head, body) = self.round_trip(&template, facts).await?;
            self.jar.store(&head.headers, &self.url, &self.origin.cookie_host(&self.url));
            let Some(location) = redirects::location(&head, repeatable) else {
                return Ok(End { head, body, refused: false });
            };
            let joined = self.url.join(&location);
            if !matches!(joined, Err(Astray::Broken(_))) {
                facts.redirects += 1;
                // Where it leads to does not matter then.
                if !self.http.client.follow_redirects || facts.redirects > redirects::MOST {
                    return Ok(End { head, body, refused: true });
                }
            }
            let (mut next, is_absolute) = joined.map_err(|astray| {
                facts.seen = Seen::default();
                redirects::astray(astray)
            })?;
            // A query is where tokens are: only that there is one is shown.
            log.info("Following redirect", &[("status", &head.status), ("location", &next.without_query())]);
            if next.user.is_none() && self.origin.is_host_of(&next) && self.origin.is_host_of(&self.url) {
                next.user = self.url.user.take();
            }
            redirects::turn(&mut template, head.status);
            redirects::refer(&mut template.headers, own_referer.as_ref(), &self.url, &next);
            if is_absolute {
                self.host = None;
            }
            self.strayed |= !self.origin.covers(&next);
            self.url = next;
        }
    }

    fn cookies(&self, own: Option<&HeaderValue>) -> Option<HeaderValue> {
        let kept = self.jar.header(&self.url, &self.origin.cookie_host(&self.url));
        match (own, kept) {
            (own, None) => own.cloned(),
            (None, Some(kept)) => HeaderValue::from_str(&kept).ok(),
            (Some(own), Some(kept)) => HeaderValue::from_bytes(&[own.as_bytes(), b"; ", kept.as_bytes()].concat()).ok(),
        }
    }

    async fn round_trip(&self, template: &Template, facts: &mut Facts) -> Result<(Head, Body), Failure> {
        facts.seen = Seen::default();
        facts.tls = tls::Facts::default();
        facts.trips.push(Trip::default());
        let seen_of_tls = facts.tls.clone();
        let Some(trip) = facts.trip() else {
            return Err(Failure::new(Phase::Setup, Reason::Internal, "round trip: it was lost"));
        };
        let host = self.host.clone().unwrap_or_else(|| self.url.authority());
        let (tls, (head, body)) = if self.http.enable_http3 {
            (true, Box::pin(self.over_quic(template, &host, trip, &seen_of_tls)).await?)
        } else {
            let server_name = if self.origin.is(&self.url) { &self.server_name } else { &self.url.host };
            let to = To { url: &self.url, address: self.origin.address_of(&self.url), server_name };
            let opened = self.way.open(to, trip, &seen_of_tls).await?;
            let tls = opened.tls;
            (tls, exchange::exchange(opened, template, &self.url, &host, &trip.first, self.way.progress).await?)
        };
        facts.seen = seen(&head, tls);
        Ok((head, body))
    }

    async fn over_quic(
        &self,
        template: &Template,
        host: &str,
        trip: &mut Trip,
        facts: &tls::Facts,
    ) -> Result<(Head, Body), Failure> {
        if !self.url.tls {
            return Err(Failure::new(Phase::Check, Reason::Redirect, "redirect: expected https, which HTTP/3 needs"));
        }
        let known = self.origin.address_of(&self.url).or_else(|| resolve::literal(&self.url.host));
        let address = match known {
            Some(address) => address,
            None => self.way.look_up(&self.url.host, self.way.ip, trip).await?,
        };
        let port = self.url.port().ok_or_else(dial::no_port)?;
        self.way.network.check(address.ip, Some(port))?;
        let times = Arc::clone(trip.quic.get_or_insert_default());
        let client = self.module.tls.client(self.way.tls, http3::ALPN)?;
        // The name of the target goes for all hops.
        let peer = http3::Peer { address: address.with_port(port), name: &self.server_name, tls: &client, facts };
        exchange::exchange_quic(peer, template, &self.url, host, &times, self.way.progress).await
    }
}

fn set(template: &mut Template, name: header::HeaderName, value: Option<HeaderValue>) {
    template.headers.remove(&name);
    if let Some(value) = value {
        template.headers.insert(name, value);
    }
}

#[expect(clippy::cast_precision_loss, reason = "samples are doubles; so is the length in the Go exporter")]
fn seen(head: &Head, tls: bool) -> Seen {
    let modified = head.headers.get(header::LAST_MODIFIED).and_then(|value| value.to_str().ok()).and_then(date::parse);
    Seen {
        status: head.status,
        version: checks::version(head.version).0,
        length: head.length.map_or(-1.0, |length| length as f64),
        tls,
        modified,
        body: 0,
    }
}
