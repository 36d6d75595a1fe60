//! What the program counts over its own life, in one prometheus-client registry, and what the kernel knows about it.
//!
//! The names are those of the Go client library's metric handler, which dashboards and alerts know.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::exposition::{Page, copy_registry};
use crate::process::Process;

type Label = [(&'static str, &'static str); 1];

/// The program's own instruments.
pub struct Instruments {
    requests: Family<Label, Counter>,
    in_flight: Gauge,
    errors: Family<Label, Counter>,
    durations: Histogram,
    registry: Mutex<(Registry, String)>,
    process: Mutex<Process>,
}

impl Default for Instruments {
    fn default() -> Self {
        let mut registry = Registry::default();
        let requests = Family::<Label, Counter>::default();
        let errors = Family::<Label, Counter>::default();
        for code in ["200", "500", "503"] {
            drop(requests.get_or_create(&[("code", code)]));
        }
        for cause in ["encoding", "gathering"] {
            drop(errors.get_or_create(&[("cause", cause)]));
        }
        let (in_flight, durations) = (Gauge::default(), Histogram::new([0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0]));
        let name = |what: &str| format!("promhttp_metric_handler_{what}");
        registry.register(name("requests"), "Scrapes answered, by HTTP status", requests.clone());
        registry.register(name("requests_in_flight"), "Scrapes being answered, this one included", in_flight.clone());
        registry.register(name("errors"), "Scrapes from whose page something had to be left out", errors.clone());
        registry.register(name("request_duration_seconds"), "Time scrapes took, without sending", durations.clone());
        Self {
            requests,
            in_flight,
            errors,
            durations,
            registry: Mutex::new((registry, String::new())),
            process: Mutex::default(),
        }
    }
}

/// A scrape that is being answered; counts as in flight until it is dropped.
pub struct InFlight<'i>(&'i Instruments);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.dec();
    }
}

impl Instruments {
    /// A scrape begins.
    pub fn begin(&self) -> InFlight<'_> {
        self.in_flight.inc();
        InFlight(self)
    }

    /// A scrape was answered with `code`; only 200, 500 and 503 are counted.
    pub fn answered(&self, code: u16) {
        let code = match code {
            200 => "200",
            500 => "500",
            503 => "503",
            _ => return,
        };
        self.requests.get_or_create(&[("code", code)]).inc();
    }

    /// A page had to leave something out.
    pub fn left_out(&self) {
        self.errors.get_or_create(&[("cause", "gathering")]).inc();
    }

    /// A page was made in `took`.
    pub fn scraped(&self, took: Duration) {
        self.durations.observe(took.as_secs_f64());
    }

    /// Adds all of this to a page.
    pub fn encode(&self, page: &mut Page) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let (registry, text) = &mut *registry;
        copy_registry(registry, text, page);
        self.process.lock().unwrap_or_else(PoisonError::into_inner).encode(page);
    }
}
