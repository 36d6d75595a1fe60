//! Balancers of mod_proxy and their workers.
//!
//! * Absent when: `ProxyStatus` is off, or a balancer or worker has no name.
//! * A worker that is listed twice under one name has one series, that of the first; the group `balancer` tells them apart
//!   by their places. The Go exporter serves no page at all then.
//! * Bytes: httpd before 2.4.35 rounds to three digits, of which no rate can be made, so the group `base-units` leaves
//!   those out. Its notation is told by its form and by the lack of `Busy`, which came with the exact one. The KiB of
//!   the default families have them all; plain bytes (`973 `), which the Go exporter takes for KiB, are converted.

use std::collections::{BTreeMap, HashMap};

use common::exposition::{Desc, Page};

use super::{Part, open};
use crate::status::{Balancer, Flag, Size, Status, Worker};

const LABELS: &[&str] = &["balancer", "worker"];

static STATUS: Desc<'static> = Desc::gauge(
    "apache_proxy_balancer_status",
    "State of a balancer's worker in httpd's own words; always 1.",
    &["balancer", "status", "worker"],
);
static ACCESSES: Desc<'static> = Desc::counter(
    "apache_proxy_balancer_accesses_total",
    "How often the balancer chose a worker since the last restart.",
    LABELS,
);
static BUSY: Desc<'static> = Desc::gauge("apache_proxy_balancer_busy", "Requests a worker is busy with.", LABELS);
static REQUEST_KIB: Desc<'static> = Desc::counter(
    "apache_proxy_balancer_request_kbytes_total",
    "Data sent to a worker since the last restart, in units of 1024 bytes.",
    LABELS,
);
static RESPONSE_KIB: Desc<'static> = Desc::counter(
    "apache_proxy_balancer_response_kbytes_total",
    "Data received from a worker since the last restart, in units of 1024 bytes.",
    LABELS,
);
static SENT: Desc<'static> =
    Desc::counter("apache_proxy_balancer_sent_bytes_total", "Data sent to a worker since the last restart.", LABELS);
static RECEIVED: Desc<'static> = Desc::counter(
    "apache_proxy_balancer_received_bytes_total",
    "Data received from a worker since the last restart.",
    LABELS,
);
static USABLE: Desc<'static> =
    Desc::gauge("apache_proxy_balancer_worker_usable", "Whether a worker would be sent requests.", LABELS);
static FLAG: Desc<'static> = Desc::gauge(
    "apache_proxy_balancer_worker_flag",
    "Whether a worker's state holds a flag.",
    &["balancer", "flag", "worker"],
);
static COUNT: Desc<'static> = Desc::gauge(
    "apache_proxy_balancer_workers",
    "Workers of a balancer that are usable and that are not.",
    &["balancer", "state"],
);
static INDEX: Desc<'static> = Desc::gauge(
    "apache_proxy_balancer_worker_index",
    "Places of workers that are listed more than once under one name; always 1.",
    &["balancer", "balancer_index", "worker", "worker_index"],
);

pub(super) static BALANCERS: Part = Part {
    families: &[
        open(&STATUS, "1"),
        open(&ACCESSES, "requests"),
        open(&BUSY, "requests"),
        open(&REQUEST_KIB, "KiB"),
        open(&RESPONSE_KIB, "KiB"),
    ],
    rest: encode_balancers,
};

pub(super) static BYTES: Part =
    Part { families: &[open(&SENT, "bytes"), open(&RECEIVED, "bytes")], rest: encode_bytes };

pub(super) static STATES: Part = Part {
    families: &[open(&USABLE, "0 or 1"), open(&FLAG, "0 or 1"), open(&COUNT, "workers"), open(&INDEX, "1")],
    rest: encode_states,
};

/// A worker with the names that make its series, and its places.
struct Named<'s> {
    balancer: &'s str,
    name: &'s str,
    places: [u64; 2],
    worker: &'s Worker,
}

impl Named<'_> {
    fn labels(&self) -> [&str; 2] {
        [self.balancer, self.name]
    }
}

fn named(status: &Status) -> impl Iterator<Item = Named<'_>> {
    let balancers = status.balancers.iter().filter_map(|(at, one)| Some((*at, one.name.as_deref()?, one)));
    balancers.flat_map(|(at, balancer, one)| {
        one.workers.iter().filter_map(move |(worker_at, worker)| {
            Some(Named { balancer, name: worker.name.as_deref()?, places: [at, *worker_at], worker })
        })
    })
}

fn encode_balancers(status: &Status, _now: f64, page: &mut Page) {
    for one in named(status) {
        if let Some(words) = &one.worker.status {
            page.sample(&STATUS, &[one.balancer, words, one.name], 1.0);
        }
        let kib = |size: Option<Size>| size.map(|size| size.kib);
        let values = [
            (&ACCESSES, one.worker.elected),
            (&BUSY, one.worker.busy),
            (&REQUEST_KIB, kib(one.worker.sent)),
            (&RESPONSE_KIB, kib(one.worker.received)),
        ];
        for (desc, value) in values {
            if let Some(value) = value {
                page.sample(desc, &one.labels(), value);
            }
        }
    }
}

fn encode_bytes(status: &Status, _now: f64, page: &mut Page) {
    let mut workers = status.balancers.values().flat_map(|balancer| balancer.workers.values());
    if workers.all(|worker| worker.busy.is_none()) {
        return;
    }
    for one in named(status) {
        for (desc, size) in [(&SENT, one.worker.sent), (&RECEIVED, one.worker.received)] {
            if let Some(size) = size.filter(|size| !size.rounded) {
                page.sample(desc, &one.labels(), size.kib * 1024.0);
            }
        }
    }
}

fn encode_states(status: &Status, _now: f64, page: &mut Page) {
    let mut places: HashMap<[&str; 2], usize> = HashMap::new();
    let mut firsts: Vec<Named<'_>> = Vec::new();
    for one in named(status) {
        let listed = places.entry([one.balancer, one.name]).or_default();
        *listed += 1;
        if *listed == 1 {
            firsts.push(one);
        }
    }
    for one in &firsts {
        if let Some(usable) = one.worker.is_usable() {
            page.sample(&USABLE, &one.labels(), f64::from(u8::from(usable)));
        }
    }
    // In the order of the labels, which spares the page the sorting of twelve series per worker.
    for workers in firsts.chunk_by(|one, next| one.balancer == next.balancer) {
        for (flag, one) in Flag::ALL.iter().flat_map(|flag| workers.iter().map(move |one| (flag, one))) {
            if let Some(set) = one.worker.has_word(flag.word) {
                page.sample(&FLAG, &[one.balancer, flag.name, one.name], f64::from(u8::from(set)));
            }
        }
    }
    for one in named(status).filter(|one| places.get(&one.labels()).is_some_and(|n| *n > 1)) {
        let [at, worker_at] = one.places.map(|place| place.to_string());
        page.sample(&INDEX, &[one.balancer, &at, one.name, &worker_at], 1.0);
    }
    encode_counts(&status.balancers, page);
}

/// Balancers of one name count as one. A worker whose state is not known counts nowhere, and none at all usable is said
/// of no balancer whose states are all unknown.
fn encode_counts(balancers: &BTreeMap<u64, Balancer>, page: &mut Page) {
    let mut counts: BTreeMap<&str, [u64; 2]> = BTreeMap::new();
    for balancer in balancers.values() {
        let Some(name) = balancer.name.as_deref() else { continue };
        if !balancer.workers.is_empty() && balancer.workers.values().all(|worker| worker.status.is_none()) {
            continue;
        }
        let [unusable, usable] = counts.entry(name).or_default();
        for is_usable in balancer.workers.values().filter_map(Worker::is_usable) {
            *(if is_usable { &mut *usable } else { &mut *unusable }) += 1;
        }
    }
    for (name, [unusable, usable]) in counts {
        page.sample(&COUNT, &[name, "unusable"], unusable as f64);
        page.sample(&COUNT, &[name, "usable"], usable as f64);
    }
}
