//! What Prometheus asks for: a probe, and the program's own page.
//!
//! * A probe that runs keeps the configuration it began with.
//! * A client that goes away ends its probe, which is kept as a failure.
//! * At most `--probe.max-concurrent` probes run at a time; one more is answered with 503 and a sentence.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use common::exposition::{Desc, Format, Page, copy_registry};
use common::gzip::Gzip;
use common::log::Layout;
use common::render::Renderer;
use common::source::{Answer, Answering, Asked, Endpoint, Own, Refusal, Source, Standing};
use common::watched::Watched;
use hyper::StatusCode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::Level;

use crate::config::{self, show_settings};
use crate::history::{History, Record};
use crate::module::Module;
use crate::network::Network;
use crate::probers::Probing;
use crate::reason::{Failure, Phase, Progress, Reason};
use crate::request;
use crate::run::{ProbeLog, Run};

const SUCCESS: Desc<'static> = Desc::gauge("probe_success", "Whether the probe passed every check.", &[]);
const DURATION: Desc<'static> = Desc::gauge("probe_duration_seconds", "Time the whole probe took.", &[]);
const TIMEOUT: Desc<'static> = Desc::gauge("probe_timeout_seconds", "Time the probe was allowed to take.", &[]);

/// The families that every probe has.
pub const FAMILIES: &[Desc<'static>] = &[SUCCESS, DURATION, TIMEOUT, crate::reason::FAILURE];

/// Where a probe that nobody bounded ends all the same.
const MOST_SECONDS: f64 = 86_400.0;

/// A configuration in force.
#[derive(Debug)]
pub struct Loaded {
    /// Modules by name.
    pub modules: BTreeMap<String, Arc<Module>>,
    /// As `/config` shows it.
    pub shown: String,
}

impl Loaded {
    /// Reads a configuration; `file` is its name in messages.
    ///
    /// # Errors
    /// A line per mistake.
    pub fn parse(text: &str, file: &str) -> Result<Self, String> {
        let settings = config::parse(text, file)?;
        for warning in &settings.warnings {
            tracing::warn!("{warning}");
        }
        let shown = show_settings(&settings);
        let modules = settings.modules.into_iter().map(|(name, config)| {
            let module = Arc::new(Module::new(&name, config));
            (name, module)
        });
        Ok(Self { modules: modules.collect(), shown })
    }
}

/// What the flags say.
#[derive(Debug)]
pub struct Options {
    /// `--timeout-offset` in seconds.
    pub timeout_offset: f64,
    /// `--probe.max-concurrent`.
    pub most_probes: usize,
    /// `--history.limit`.
    pub history_limit: usize,
    /// `--log.prober`.
    pub log_level: Level,
    /// `--log.format`.
    pub layout: Layout,
}

/// Counted over the life of the program.
struct Counted {
    unknown_modules: Counter,
    running: Gauge,
    refused: Counter,
    registry: Mutex<(Registry, String)>,
}

impl Default for Counted {
    fn default() -> Self {
        let mut registry = Registry::default();
        let (unknown_modules, refused, running) = (Counter::default(), Counter::default(), Gauge::default());
        registry.register(
            "blackbox_module_unknown",
            "Requests for a module that is not there",
            unknown_modules.clone(),
        );
        registry.register(
            "blackbox_exporter_probes_refused",
            "Requests refused because too many probes were running",
            refused.clone(),
        );
        registry.register("blackbox_exporter_probes_running", "Probes that are running", running.clone());
        Self { unknown_modules, running, refused, registry: Mutex::new((registry, String::new())) }
    }
}

/// The exporter.
pub struct Exporter {
    settings: Watched<Loaded>,
    network: Arc<Network>,
    options: Options,
    history: History,
    slots: Semaphore,
    counted: Counted,
    own_page: Mutex<(Renderer, Page)>,
    probe_pages: Mutex<Renderer>,
    gzip: Mutex<Gzip>,
}

/// A request to `/probe`.
#[derive(Debug)]
pub struct ProbeRequest<'r> {
    /// The query, still encoded.
    pub query: &'r str,
    /// `X-Prometheus-Scrape-Timeout-Seconds`, if it is there.
    pub timeout: Option<&'r str>,
}

impl Exporter {
    /// An exporter that has not probed yet.
    pub fn new(settings: Watched<Loaded>, network: Network, options: Options) -> Self {
        let slots = options.most_probes.min(Semaphore::MAX_PERMITS);
        Self {
            settings,
            network: Arc::new(network),
            history: History::new(options.history_limit),
            slots: Semaphore::new(slots),
            options,
            counted: Counted::default(),
            own_page: Mutex::default(),
            probe_pages: Mutex::default(),
            gzip: Mutex::default(),
        }
    }

    /// The configuration in force.
    pub fn settings(&self) -> &Watched<Loaded> {
        &self.settings
    }

    /// Probes that are over.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// A page, compressed.
    pub fn packed(&self, page: &str) -> Vec<u8> {
        let mut packed = Vec::with_capacity(page.len() / 2);
        // Its tables are larger than the page: they are kept, and not made for each.
        let mut gzip = self.gzip.lock().unwrap_or_else(PoisonError::into_inner);
        gzip.push(page.as_bytes(), &mut packed);
        gzip.finish(&mut packed);
        packed
    }

    /// Probes; gives what came of it.
    ///
    /// # Errors
    /// The request makes no sense, or there is no room for it.
    pub async fn probe(self: &Arc<Self>, request: ProbeRequest<'_>) -> Result<Arc<Record>, Refusal> {
        let refuse = |status, reason: String| Refusal { status, reason: reason + "\n" };
        let bad = |reason: String| refuse(StatusCode::BAD_REQUEST, reason);
        let name = request::first(request.query, "module").filter(|name| !name.is_empty());
        let name = name.as_deref().unwrap_or("http_2xx");
        let loaded = self.settings.current();
        let Some(module) = loaded.modules.get(name) else {
            tracing::debug!(module = name, "Unknown module");
            self.counted.unknown_modules.inc();
            return Err(bad(format!("Unknown module {name:?}")));
        };
        let limit = request::time_limit(request.timeout, self.options.timeout_offset, module.config.timeout).map_err(
            |what| {
                let reason = format!("Failed to parse timeout from Prometheus header: {what}");
                refuse(StatusCode::INTERNAL_SERVER_ERROR, reason)
            },
        )?;
        let Some(target) = request::first(request.query, "target").filter(|target| !target.is_empty()) else {
            return Err(bad("Target parameter is missing".to_owned()));
        };
        let Some(prober) = module.prober() else {
            return Err(bad(format!("Unknown prober {:?}", module.config.prober)));
        };
        let hostname = request::first(request.query, "hostname").filter(|hostname| !hostname.is_empty());
        if let Some(hostname) = &hostname
            && prober.name == "http"
            && let Some((_, host)) = module.config.http.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case("host"))
            && host != hostname
        {
            return Err(bad(format!("the module asks for host {host:?} and the hostname parameter for {hostname:?}")));
        }
        let Ok(slot) = self.slots.try_acquire() else {
            self.counted.refused.inc();
            let most = self.options.most_probes;
            let reason = format!("{most} probes are running already, the most that --probe.max-concurrent allows");
            return Err(refuse(StatusCode::SERVICE_UNAVAILABLE, reason));
        };
        let mut attempt = Attempt::begin(self, slot, Arc::clone(module), target, hostname, limit);
        let verdict = match &mut attempt.run {
            Some(run) => caught((prober.probe)(module, run)).await,
            None => Ok(()),
        };
        attempt.end(verdict.err()).ok_or_else(|| refuse(StatusCode::INTERNAL_SERVER_ERROR, "no page".to_owned()))
    }

    fn metrics(&self, asked: &Asked, own: &Own) -> Answer {
        let mut pages = self.own_page.lock().unwrap_or_else(PoisonError::into_inner);
        let (renderer, page) = &mut *pages;
        page.clear();
        self.settings.encode("blackbox_exporter", page);
        let mut counted = self.counted.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let (registry, text) = &mut *counted;
        copy_registry(registry, text, page);
        self.network.dialed.encode(page);
        own.encode(page);
        page.finish();
        let (body, refused) = renderer.body(&[page], None, asked.format, asked.gzip);
        Answer { body, refused, complete: true }
    }
}

/// A fault of a prober costs its own probe.
async fn caught(mut probing: Probing<'_>) -> Result<(), Failure> {
    poll_fn(|context| {
        catch_unwind(AssertUnwindSafe(|| probing.as_mut().poll(context))).unwrap_or_else(|_| {
            let what = "a fault of this program stopped the probe, the log says where";
            Poll::Ready(Err(Failure::new(Phase::Check, Reason::Internal, what)))
        })
    })
    .await
}

/// A probe that runs; when its client goes away before it ends, it ends as cancelled.
struct Attempt<'e> {
    exporter: &'e Exporter,
    _slot: SemaphorePermit<'e>,
    module: Arc<Module>,
    progress: Arc<Progress>,
    started: Instant,
    limit: f64,
    /// `None` once it is over.
    run: Option<Run>,
}

impl<'e> Attempt<'e> {
    fn begin(
        exporter: &'e Exporter,
        slot: SemaphorePermit<'e>,
        module: Arc<Module>,
        target: String,
        hostname: Option<String>,
        limit: f64,
    ) -> Self {
        let Options { layout, log_level, .. } = exporter.options;
        let time = Duration::try_from_secs_f64(limit.min(MOST_SECONDS)).unwrap_or_default();
        let progress = Arc::<Progress>::default();
        let mut log = ProbeLog::new(layout, log_level, &module.name, &target).under(Arc::clone(&module.veil));
        if log.keeps(Level::DEBUG) {
            log.debug("Beginning probe", &[("probe", &module.config.prober), ("timeout_seconds", &limit)]);
        }
        exporter.counted.running.inc();
        let run = Run {
            target,
            hostname,
            deadline: tokio::time::Instant::now() + time,
            page: Page::default(),
            log,
            progress: Arc::clone(&progress),
            network: Arc::clone(&exporter.network),
        };
        Self { exporter, _slot: slot, module, progress, started: Instant::now(), limit, run: Some(run) }
    }

    /// Finishes the page and the log and keeps both; nothing when that was done before.
    fn end(&mut self, failure: Option<Failure>) -> Option<Arc<Record>> {
        let Run { target, hostname, mut page, mut log, .. } = self.run.take()?;
        let took = self.started.elapsed();
        self.exporter.counted.running.dec();
        page.sample::<&str>(&SUCCESS, &[], if failure.is_none() { 1.0 } else { 0.0 });
        page.sample::<&str>(&DURATION, &[], took.as_secs_f64());
        page.sample::<&str>(&TIMEOUT, &[], self.limit);
        let seconds = took.as_secs_f64();
        let failure = failure.map(|failure| Failure { what: log.shown(&failure.what), ..failure });
        match &failure {
            Some(failure) => {
                failure.write(&mut page);
                log.error(
                    "Probe failed",
                    &[
                        ("phase", &failure.phase.as_str()),
                        ("reason", &failure.reason.as_str()),
                        ("err", failure),
                        ("duration_seconds", &seconds),
                    ],
                );
            }
            None if log.keeps(Level::DEBUG) => log.debug("Probe succeeded", &[("duration_seconds", &seconds)]),
            None => {}
        }
        page.finish();
        let mut renderer = self.exporter.probe_pages.lock().unwrap_or_else(PoisonError::into_inner);
        let (body, _) = renderer.body(&[&page], None, Format::Text, false);
        drop(renderer);
        let page = String::from_utf8(body.into_bytes()).unwrap_or_default();
        Some(self.exporter.history.add(Record {
            id: 0,
            at: SystemTime::now(),
            module: Arc::clone(&self.module),
            target,
            hostname,
            took,
            failure,
            log: log.into_lines(),
            page,
        }))
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let phase = self.progress.phase();
        drop(self.end(Some(Failure::new(phase, Reason::Cancelled, "the client that asked went away"))));
    }
}

impl Source for Exporter {
    fn answer(self: Arc<Self>, asked: Asked, own: Arc<Own>) -> Answering {
        Box::pin(async move {
            match asked.endpoint {
                Endpoint::Metrics => Ok(self.metrics(&asked, &own)),
                Endpoint::Probe => Err(Refusal::bad_request("probes have a route of their own")),
            }
        })
    }

    fn standings(&self) -> Vec<Standing> {
        Vec::new()
    }

    fn reload(&self) -> Option<Result<(), String>> {
        Some(self.settings.reload())
    }
}
