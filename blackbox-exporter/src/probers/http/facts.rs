//! What an HTTP probe measures, kept outside of its work, so that it is there as well when the deadline ended it.

use std::sync::Arc;
use std::time::Instant;

use common::exposition::{Desc, Page};

use super::http3;
use super::stream::FirstByte;
use crate::tls;

const DURATION: Desc<'static> = Desc::gauge(
    "probe_http_duration_seconds",
    "Time per phase, summed over all round trips but for transfer, which is of the last one.",
    &["phase"],
);
const LENGTH: Desc<'static> =
    Desc::gauge("probe_http_content_length", "Declared length of the body; -1 when it was not declared.", &[]);
const BODY: Desc<'static> =
    Desc::gauge("probe_http_uncompressed_body_length", "Bytes of the body that were read, after unpacking.", &[]);
const REDIRECTS: Desc<'static> = Desc::gauge("probe_http_redirects", "Redirects that were answered.", &[]);
const SSL: Desc<'static> = Desc::gauge("probe_http_ssl", "Whether the last response came over TLS.", &[]);
const STATUS: Desc<'static> = Desc::gauge("probe_http_status_code", "Status of the last response; 0 without one.", &[]);
const VERSION: Desc<'static> =
    Desc::gauge("probe_http_version", "HTTP version of the last response; 0 without one.", &[]);
const REGEX: Desc<'static> =
    Desc::gauge("probe_failed_due_to_regex", "Whether a rule about headers or the body failed the probe.", &[]);
const CEL: Desc<'static> =
    Desc::gauge("probe_failed_due_to_cel", "Whether a CEL rule about the body failed the probe.", &[]);
const MODIFIED: Desc<'static> = Desc::gauge(
    "probe_http_last_modified_timestamp_seconds",
    "Last-Modified header of the last response, in seconds since 1970.",
    &[],
);

/// The families of TLS that it has.
pub(in crate::probers) const TLS: tls::With = tls::With { last_chain: true, cipher: true };

/// The families of this prober alone.
pub(in crate::probers) const FAMILIES: &[Desc<'static>] =
    &[DURATION, LENGTH, BODY, REDIRECTS, SSL, STATUS, VERSION, REGEX, CEL, MODIFIED];

/// One round trip.
#[derive(Debug, Default)]
pub(super) struct Trip {
    /// Seconds it took to look up the name, when that was not done before.
    pub(super) resolve: f64,
    /// Seconds until TCP was connected.
    pub(super) connect: f64,
    /// Seconds of the TLS handshake.
    pub(super) tls: f64,
    /// When the request could be sent.
    pub(super) ready: Option<Instant>,
    /// When the answer began.
    pub(super) first: FirstByte,
    /// The same of a round trip over QUIC, where connecting and TLS are one.
    pub(super) quic: Option<Arc<http3::Times>>,
}

impl Trip {
    /// Seconds until TCP was connected, and of TLS; when the request could be sent. `None` when it never could.
    fn opened(&self) -> Option<(f64, f64, Instant)> {
        let Some(times) = &self.quic else { return Some((self.connect, self.tls, self.ready?)) };
        let shaken = *times.shaken.get()?;
        let took = shaken.saturating_duration_since(*times.started.get()?).as_secs_f64();
        Some((took, took, shaken))
    }

    /// When the answer began.
    fn first(&self) -> Option<Instant> {
        match &self.quic {
            Some(times) => times.first.get().copied(),
            None => self.first.get().copied(),
        }
    }
}

/// What is known of the last response.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Its status; 0 as long as there is none.
    pub(super) status: u16,
    /// Its version.
    pub(super) version: f64,
    /// Declared length, -1 for none.
    pub(super) length: f64,
    /// Whether it came over TLS.
    pub(super) tls: bool,
    /// `Last-Modified`.
    pub(super) modified: Option<i64>,
    /// Bytes of the body so far, unpacked.
    pub(super) body: u64,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Seconds it took to look up the target; `None` when that is left to a proxy.
    pub(super) resolve: Option<f64>,
    /// Whether a request was about to be sent: phases other than resolve are there.
    pub(super) sent: bool,
    /// Round trips.
    pub(super) trips: Vec<Trip>,
    /// Redirects that were answered.
    pub(super) redirects: u32,
    /// The last response.
    pub(super) seen: Seen,
    /// Whether the last body was read to its end, or failed to be.
    pub(super) ended: Option<Instant>,
    /// Whether a rule about headers or the body failed.
    pub(super) regex: bool,
    /// Whether a CEL rule failed.
    pub(super) cel: bool,
    /// TLS of the last round trip.
    pub(super) tls: tls::Facts,
}

impl Facts {
    /// The round trip under way.
    pub(super) fn trip(&mut self) -> Option<&mut Trip> {
        self.trips.last_mut()
    }

    /// Puts it on the page; `cel` says whether there are CEL rules.
    pub(super) fn write(&self, page: &mut Page, cel: bool) {
        let mut plain = |desc: &Desc<'_>, value: f64| page.sample::<&str>(desc, &[], value);
        plain(&LENGTH, self.seen.length);
        plain(&BODY, counted(self.seen.body));
        plain(&REDIRECTS, f64::from(self.redirects));
        plain(&SSL, f64::from(u8::from(self.seen.tls)));
        plain(&STATUS, f64::from(self.seen.status));
        plain(&VERSION, self.seen.version);
        plain(&REGEX, f64::from(u8::from(self.regex)));
        if cel {
            plain(&CEL, f64::from(u8::from(self.cel)));
        }
        if let Some(modified) = self.seen.modified {
            plain(&MODIFIED, signed(modified));
        }
        self.write_phases(page);
        self.tls.write(page, TLS);
    }

    fn write_phases(&self, page: &mut Page) {
        let mut phase = |name: &str, value: f64| page.sample(&DURATION, &[name], value);
        let looked_up: f64 = self.trips.iter().map(|trip| trip.resolve).sum();
        if let Some(resolve) = self.resolve {
            phase("resolve", resolve + looked_up);
        }
        if !self.sent {
            return;
        }
        let (mut connect, mut tls, mut processing) = (0.0, 0.0, 0.0);
        for trip in &self.trips {
            let Some((connected, shaken, ready)) = trip.opened() else { continue };
            connect += connected;
            tls += shaken;
            if let Some(first) = trip.first() {
                processing += first.saturating_duration_since(ready).as_secs_f64();
            }
        }
        let answered = (self.seen.status != 0).then(|| self.trips.last()).flatten();
        let transfer = answered.and_then(Trip::first).map_or(0.0, |first| {
            self.ended.unwrap_or_else(Instant::now).saturating_duration_since(first).as_secs_f64()
        });
        phase("connect", connect);
        phase("processing", processing);
        phase("tls", tls);
        phase("transfer", transfer);
    }
}

#[expect(clippy::cast_precision_loss, reason = "samples are doubles; 2^53 bytes are never read")]
fn counted(n: u64) -> f64 {
    n as f64
}

#[expect(clippy::cast_precision_loss, reason = "samples are doubles; years have four digits")]
fn signed(n: i64) -> f64 {
    n as f64
}
