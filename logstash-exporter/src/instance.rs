//! One Logstash: asked for all its answers at once, remembered only as far as that saves questions.
//!
//! * Every scrape asks for `/`, `/_node/stats` and `/_health_report`, and for the hot threads where that was switched on: one
//!   request each, at the same time, over kept connections.
//! * `/_node` and `/_node/plugins` change with a restart, which shows in the ephemeral id (of `/`, or of the statistics where
//!   `/` failed), and the first also when a pipeline is loaded anew, which shows in the pipelines' ids: they are asked again
//!   then and not before.
//! * What a Logstash answers 404 for (the health report before 8.16) is asked for once per restart, and is no failure.
//! * Differs from the Go exporter: an answer counts when its status is 200, whatever its body holds otherwise.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use common::source::Standing;
use common::upstream::{Failure, Kind, Place, Reason, Tally, Upstream, Url, basic};
use hyper::StatusCode;
use hyper::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, USER_AGENT};

use crate::api::{self, BadDocument, Parsed, PipelineText, RootText, Stats};
use crate::config;
use crate::families::{self, Endpoint};

/// A node with 200 pipelines of 50 plugins answers with some 8 MB.
const MOST_BYTES: usize = 64 << 20;
/// As many as are asked at the same time once everything else is known.
const KEPT_CONNECTIONS: usize = 4;
/// Where Logstash listens when nobody says where: the first free one.
const PORTS: std::ops::RangeInclusive<u16> = 9600..=9700;
/// What a port that accepts has to prove itself in.
const PORT_PATIENCE: Duration = Duration::from_millis(500);
/// How often a Logstash that is not where it was is looked for.
const SEARCH_INTERVAL: Duration = Duration::from_secs(15);

/// Which of the answers are wanted beside those that always are.
#[derive(Clone, Copy, Debug)]
pub struct Questions {
    /// `/_health_report`.
    pub health: bool,
    /// `/_node/hot_threads`.
    pub hot_threads: bool,
}

/// One Logstash and what is known of it across scrapes.
pub struct Logstash {
    settings: config::Instance,
    questions: Questions,
    /// Whether it may be looked for on the other ports.
    search: bool,
    target: Mutex<Arc<Target>>,
    memory: Mutex<Memory>,
}

/// Where it is, and under which labels.
struct Target {
    hostname: String,
    instance_name: String,
    prefix: String,
    upstream: Upstream,
}

#[derive(Default)]
struct Memory {
    ephemeral_id: String,
    /// Stands for the pipelines that `node` tells about.
    pipelines: u64,
    node: Option<Arc<Exchange>>,
    plugins: Option<Arc<Exchange>>,
    /// Answered 404 by the Logstash of this id.
    no_plugins: bool,
    no_health: bool,
    tally: Tally,
    standing: Option<Standing>,
    searched: Option<Instant>,
}

/// Which of the answers that are not asked for at every scrape are wanted.
#[derive(Clone, Copy)]
struct Further {
    node: bool,
    plugins: bool,
    health: bool,
}

/// A question and its answer.
struct Exchange {
    endpoint: &'static str,
    path: &'static str,
    body: Result<Vec<u8>, (Reason, String)>,
    /// The status of the answer, when there was one.
    status: Option<StatusCode>,
    took: Duration,
}

/// What came of one scrape, not yet read.
pub struct Visit {
    target: Arc<Target>,
    root: Exchange,
    stats: Exchange,
    health: Option<Exchange>,
    hot_threads: Option<Exchange>,
    node: Option<Arc<Exchange>>,
    plugins: Option<Arc<Exchange>>,
    /// Whether `node` is of this visit.
    node_is_new: bool,
    took: Duration,
}

/// What a visit comes to when it is read.
pub struct Report {
    troubles: Vec<(Reason, String)>,
    /// Stands for the pipelines as the statistics have them; `None` without statistics.
    pipelines: Option<u64>,
    complete: bool,
}

impl Logstash {
    /// An instance; nothing is opened yet. `search` is whether other ports of its host may be tried.
    ///
    /// Fails when its TLS files or credentials cannot be used, with one sentence.
    pub fn new(settings: config::Instance, questions: Questions, search: bool) -> Result<Self, String> {
        let target = Target::new(&settings, settings.url.clone(), settings.name.clone())?;
        Ok(Self { settings, questions, search, target: Mutex::new(Arc::new(target)), memory: Mutex::default() })
    }

    /// The settings it was made from.
    pub fn settings(&self) -> &config::Instance {
        &self.settings
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn target(&self) -> Arc<Target> {
        Arc::clone(&self.target.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The labels `hostname` and `instance_name`, in that order.
    pub fn labels(&self) -> (String, String) {
        let target = self.target();
        (target.hostname.clone(), target.instance_name.clone())
    }

    /// How it fared last.
    pub fn standing(&self) -> Standing {
        let standing = self.memory().standing.clone();
        standing.unwrap_or_else(|| Standing::new(self.target().hostname.clone()))
    }

    /// Failures since the start.
    pub fn tally(&self) -> Tally {
        self.memory().tally
    }

    /// Whether its base URL answers 200; else one sentence.
    pub async fn is_healthy(&self, deadline: Instant) -> Result<(), String> {
        let target = self.target();
        let asked = target.ask("root", "/", deadline.min(Instant::now() + self.settings.timeout)).await;
        asked.body.map(drop).map_err(|(_, what)| format!("{}: {what}", target.hostname))
    }

    /// Asks all there is to ask.
    pub async fn visit(&self, deadline: Instant) -> Visit {
        let started = Instant::now();
        let deadline = deadline.min(started + self.settings.timeout);
        let mut target = self.target();
        let unknown = {
            let memory = self.memory();
            Further {
                node: memory.node.is_none(),
                plugins: memory.plugins.is_none() && !memory.no_plugins,
                health: self.questions.health && !memory.no_health,
            }
        };
        let mut visit = self.ask(&target, unknown, deadline).await;
        if self.search
            && matches!(visit.root.body, Err((Reason::Connect, _)))
            && let Some(found) = self.find(deadline).await
        {
            target = found;
            visit =
                self.ask(&target, Further { node: true, plugins: true, health: self.questions.health }, deadline).await;
        }
        self.settle(&mut visit, deadline).await;
        visit.took = started.elapsed();
        visit
    }

    async fn ask(&self, target: &Arc<Target>, further: Further, deadline: Instant) -> Visit {
        let hot_threads = target.ask_if(self.questions.hot_threads, "hot_threads", "/_node/hot_threads", deadline);
        let (root, stats, hot_threads, (node, plugins, health)) = tokio::join!(
            target.ask("root", "/", deadline),
            target.ask("node_stats", "/_node/stats", deadline),
            hot_threads,
            target.ask_further(further, deadline),
        );
        Visit {
            target: Arc::clone(target),
            root,
            stats,
            health,
            hot_threads,
            node: node.map(Arc::new),
            plugins: plugins.map(Arc::new),
            node_is_new: further.node,
            took: Duration::ZERO,
        }
    }

    /// Decides what is still true of what was remembered, and asks again for what is not.
    async fn settle(&self, visit: &mut Visit, deadline: Instant) {
        // Every answer begins with what `/` says. Without its id nothing remembered can be trusted to be of this Logstash.
        let Some(ephemeral_id) = [&visit.root, &visit.stats].into_iter().find_map(Exchange::ephemeral_id) else {
            return;
        };
        let further = {
            let memory = self.memory();
            let is_same = memory.ephemeral_id == ephemeral_id;
            if is_same {
                visit.node = visit.node.take().or_else(|| memory.node.clone());
                visit.plugins = visit.plugins.take().or_else(|| memory.plugins.clone());
            }
            Further {
                node: visit.node.is_none(),
                plugins: visit.plugins.is_none() && !(is_same && memory.no_plugins),
                health: self.questions.health && visit.health.is_none() && !(is_same && memory.no_health),
            }
        };
        let (node, plugins, health) = visit.target.ask_further(further, deadline).await;
        visit.node_is_new |= node.is_some();
        visit.node = visit.node.take().or(node.map(Arc::new));
        visit.plugins = visit.plugins.take().or(plugins.map(Arc::new));
        visit.health = visit.health.take().or(health);

        // Not there in this version: no failure, and not asked for again before a restart.
        let is_unknown =
            |asked: Option<&Exchange>| asked.is_some_and(|asked| asked.status == Some(StatusCode::NOT_FOUND));
        let (no_plugins, no_health) = (is_unknown(visit.plugins.as_deref()), is_unknown(visit.health.as_ref()));
        visit.plugins = visit.plugins.take().filter(|_| !no_plugins);
        visit.health = visit.health.take().filter(|_| !no_health);
        let good = |asked: &Option<Arc<Exchange>>| asked.clone().filter(|asked| asked.body.is_ok());
        let mut memory = self.memory();
        if memory.ephemeral_id != ephemeral_id {
            (memory.no_plugins, memory.no_health) = (false, false);
            memory.ephemeral_id = ephemeral_id;
        }
        memory.no_plugins |= no_plugins;
        memory.no_health |= no_health;
        memory.node = good(&visit.node);
        memory.plugins = good(&visit.plugins);
    }

    /// Asks again for what belongs to the pipelines: they are not those that `/_node` was asked for.
    pub async fn ask_node_again(&self, visit: &mut Visit, deadline: Instant) {
        let deadline = deadline.min(Instant::now() + self.settings.timeout);
        let node = Arc::new(visit.target.ask("node", "/_node", deadline).await);
        self.memory().node = Some(Arc::clone(&node)).filter(|node| node.body.is_ok());
        (visit.node, visit.node_is_new) = (Some(node), true);
    }

    /// Looks for a Logstash on the other ports, now and then; takes the first that is one.
    async fn find(&self, deadline: Instant) -> Option<Arc<Target>> {
        {
            let mut memory = self.memory();
            if memory.searched.is_some_and(|last| last.elapsed() < SEARCH_INTERVAL) {
                return None;
            }
            memory.searched = Some(Instant::now());
        }
        let Place::Host { host, .. } = &self.settings.url.place else { return None };
        for port in PORTS {
            let text = format!("http://{host}:{port}");
            // A name that somebody chose stays; one that was made of the URL moves with it.
            let was_chosen = self.settings.name != config::usual_name(&self.settings.url.to_string());
            let name = if was_chosen { self.settings.name.clone() } else { config::usual_name(&text) };
            let Ok(target) = Url::parse(&text, "").and_then(|url| Target::new(&self.settings, url, name)) else {
                continue;
            };
            let asked = target.ask("root", "/", deadline.min(Instant::now() + PORT_PATIENCE)).await;
            if asked.ephemeral_id().is_some() {
                tracing::info!(url = text, "found Logstash");
                let target = Arc::new(target);
                *self.target.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&target);
                return Some(target);
            }
        }
        None
    }

    /// Whether a visit has to be completed by [`ask_node_again`](Self::ask_node_again) before it is shown.
    pub fn is_outdated(&self, visit: &Visit, report: &Report) -> bool {
        !visit.node_is_new && visit.node.is_some() && report.pipelines.is_some_and(|now| now != self.memory().pipelines)
    }

    /// Counts, remembers and logs what came of a visit; gives whether Logstash told all it was asked.
    pub fn conclude(&self, visit: &Visit, report: Report) -> bool {
        let mut memory = self.memory();
        if let Some(pipelines) = report.pipelines.filter(|_| visit.node_is_new) {
            memory.pipelines = pipelines;
        }
        for (reason, _) in &report.troubles {
            memory.tally.count(*reason);
        }
        let standing = memory.standing.get_or_insert_with(|| Standing::new(String::new()));
        standing.name.clone_from(&visit.target.hostname);
        standing.note(visit.took, report.troubles.into_iter().next());
        report.complete
    }
}

impl Target {
    fn new(settings: &config::Instance, mut url: Url, instance_name: String) -> Result<Self, String> {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("logstash-exporter/", env!("CARGO_PKG_VERSION"))));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(credentials) = &settings.credentials {
            headers.insert(AUTHORIZATION, basic(&credentials.username, credentials.password.text())?);
        }
        let (hostname, prefix) = (url.to_string(), std::mem::take(&mut url.path));
        let upstream = Upstream::new(url, headers, &settings.tls, KEPT_CONNECTIONS, MOST_BYTES)?;
        Ok(Self { hostname, instance_name, prefix, upstream })
    }

    async fn ask_if(
        &self,
        wanted: bool,
        endpoint: &'static str,
        path: &'static str,
        deadline: Instant,
    ) -> Option<Exchange> {
        if wanted { Some(self.ask(endpoint, path, deadline).await) } else { None }
    }

    /// `/_node`, `/_node/plugins` and the health report, those that are wanted, at the same time.
    async fn ask_further(
        &self,
        wanted: Further,
        deadline: Instant,
    ) -> (Option<Exchange>, Option<Exchange>, Option<Exchange>) {
        tokio::join!(
            self.ask_if(wanted.node, "node", "/_node", deadline),
            self.ask_if(wanted.plugins, "plugins", "/_node/plugins", deadline),
            self.ask_if(wanted.health, "health_report", "/_health_report", deadline),
        )
    }

    async fn ask(&self, endpoint: &'static str, path: &'static str, deadline: Instant) -> Exchange {
        let started = Instant::now();
        let fetched = self.upstream.get(&format!("{}{path}", self.prefix), deadline).await;
        let status = fetched.as_ref().ok().map(|fetched| fetched.status);
        let body = match fetched {
            Ok(fetched) if fetched.status == StatusCode::OK => Ok(api::mended(fetched.body)),
            Ok(fetched) => {
                let what = format!("GET {path}: expected HTTP status 200, found {}", fetched.status);
                Err((Reason::HttpStatus, what))
            }
            Err(Failure { kind: Kind::TooLarge, what }) => Err((Reason::Parse, format!("GET {path}: {what}"))),
            Err(failure) => Err((failure.kind.into(), format!("GET {path}: {failure}"))),
        };
        Exchange { endpoint, path, body, status, took: started.elapsed() }
    }
}

impl Exchange {
    /// The id of the process that answered; no other program has one.
    fn ephemeral_id(&self) -> Option<String> {
        let root = api::parse_root(self.body.as_deref().ok()?).ok()?;
        Some(root.document.text(RootText::EphemeralId).to_owned()).filter(|id| !id.is_empty())
    }
}

impl Visit {
    /// What the exporter of 2018 counts: collector, whether it went well, seconds.
    pub fn durations(&self) -> [(&'static str, bool, f64); 2] {
        let of = |collector, asked: &Exchange| (collector, asked.body.is_ok(), asked.took.as_secs_f64());
        [of("info", &self.root), of("node", &self.stats)]
    }

    /// Bytes there are to read.
    pub fn bytes(&self) -> usize {
        let further = [&self.health, &self.hot_threads].into_iter().flatten().chain(self.node.as_deref());
        let all = [&self.root, &self.stats].into_iter().chain(further);
        all.filter_map(|asked| asked.body.as_ref().ok()).map(Vec::len).sum()
    }

    /// Reads the answers.
    pub fn read(&self) -> (families::Instance<'_>, Report) {
        let mut reader = Reader { endpoints: Vec::new(), troubles: Vec::new() };
        let root = reader.read(Some(&self.root), api::parse_root);
        let stats = reader.read(Some(&self.stats), api::parse_node_stats);
        let node = reader.read(self.node.as_deref(), api::parse_node);
        let health = reader.read(self.health.as_ref(), api::parse_health_report);
        let plugins = reader.read(self.plugins.as_deref(), api::parse_plugins);
        let hot_threads = reader.read(self.hot_threads.as_ref(), api::parse_hot_threads);
        let report = Report {
            troubles: reader.troubles,
            pipelines: stats.as_ref().map(pipelines),
            complete: root.is_some() && stats.is_some(),
        };
        let instance = families::Instance {
            hostname: &self.target.hostname,
            instance_name: &self.target.instance_name,
            endpoints: reader.endpoints,
            root,
            node,
            plugins,
            stats,
            health,
            hot_threads,
        };
        (instance, report)
    }
}

/// What is found on the way through the answers.
struct Reader {
    endpoints: Vec<Endpoint<'static>>,
    troubles: Vec<(Reason, String)>,
}

impl Reader {
    fn read<'b, T>(
        &mut self,
        asked: Option<&'b Exchange>,
        parse: fn(&'b [u8]) -> Result<Parsed<T>, BadDocument>,
    ) -> Option<T> {
        let asked = asked?;
        let path = asked.path;
        let outcome = match &asked.body {
            Ok(body) => parse(body).map_err(|e| (Reason::Parse, format!("GET {path}: {e}"))),
            Err(trouble) => Err(trouble.clone()),
        };
        self.endpoints.push(Endpoint {
            name: asked.endpoint,
            up: outcome.is_ok(),
            seconds: asked.body.is_ok().then_some(asked.took.as_secs_f64()),
        });
        match outcome {
            Ok(Parsed { document, malformed, doubles }) => {
                if malformed + doubles > 0 {
                    let what =
                        format!("GET {path}: {malformed} members of an unknown kind, {doubles} doubled, left out");
                    self.troubles.push((Reason::Parse, what));
                }
                Some(document)
            }
            Err(trouble) => {
                self.troubles.push(trouble);
                None
            }
        }
    }
}

/// Stands for the pipelines and which load of each is running.
fn pipelines(stats: &Stats<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for pipeline in &stats.pipelines {
        (pipeline.id.as_ref(), pipeline.record.text(PipelineText::EphemeralId)).hash(&mut hasher);
    }
    hasher.finish()
}
