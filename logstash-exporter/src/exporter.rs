//! What Prometheus asks: one page for all instances.
//!
//! * All instances are asked at the same time; one that stalls costs its own series and no other scrape.
//! * `/healthcheck`: 200 when every instance answers at its base URL, else 500 with a line each.
//! * `/version`: which build this is, as JSON. `/-/reload` (POST or PUT): reads the configuration file again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use common::build_info;
use common::error::ConfigError;
use common::exposition::{Desc, Page};
use common::render::Renderer;
use common::source::{Answer, Answering, Asked, Own, Refusal, Source, Standing, inline_or_blocking};
use common::upstream::{Reason, Tally};
use common::watched::Watched;
use common::web::WebConfigFile;
use hyper::StatusCode;
use hyper::header::CONTENT_TYPE;
use tokio::task::JoinSet;

use crate::config::Settings;
use crate::durations::Durations;
use crate::families::{Snapshot, Wanted};
use crate::instance::{Logstash, Questions, Report, Visit};

/// How long `/healthcheck` waits.
const HEALTH_PATIENCE: Duration = Duration::from_secs(5);

const ERRORS: &str = "logstash_exporter_scrape_errors_total";
const ERRORS_HELP: &str = "Questions that failed, or whose answers had to be read in part, by reason.";

/// The instances and what making pages keeps.
pub struct Exporter {
    file: Option<File>,
    current: Mutex<Current>,
    wanted: Wanted,
    questions: Questions,
    pages: Mutex<(Renderer, Page)>,
    durations: Mutex<Durations>,
}

struct File {
    watched: Watched<Settings>,
    web: Arc<WebConfigFile>,
}

/// The instances, and the settings they were made from.
#[derive(Clone)]
struct Current {
    settings: Option<Arc<Settings>>,
    instances: Vec<Arc<Logstash>>,
}

type Visits = Vec<(Arc<Logstash>, Visit)>;

/// What reading the visits came to.
enum Outcome {
    Page(Answer),
    /// Some have to be completed first, by position.
    Outdated(Visits, Vec<usize>),
}

impl Exporter {
    /// For the one instance that the flags describe.
    pub fn of_one(instance: Arc<Logstash>, wanted: Wanted, questions: Questions) -> Self {
        let current = Current { settings: None, instances: vec![instance] };
        Self {
            file: None,
            current: Mutex::new(current),
            wanted,
            questions,
            pages: Mutex::default(),
            durations: Mutex::default(),
        }
    }

    /// For those of a configuration file; `web` is the web face made from it.
    ///
    /// # Errors
    /// Instances whose TLS files or credentials cannot be used.
    pub fn of_file(
        watched: Watched<Settings>,
        web: Arc<WebConfigFile>,
        wanted: Wanted,
        questions: Questions,
    ) -> Result<Self, Vec<ConfigError>> {
        let settings = watched.current();
        let instances = instances(&settings, &[], questions)?;
        let current = Current { settings: Some(settings), instances };
        let file = Some(File { watched, web });
        Ok(Self {
            file,
            current: Mutex::new(current),
            wanted,
            questions,
            pages: Mutex::default(),
            durations: Mutex::default(),
        })
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The instances as the file has them now.
    fn instances(&self) -> Vec<Arc<Logstash>> {
        if let Some(file) = &self.file {
            file.watched.check();
            self.follow(file);
        }
        self.current().instances.clone()
    }

    /// Makes new settings current. Instances that did not change keep their connections.
    fn follow(&self, file: &File) {
        let settings = file.watched.current();
        let mut current = self.current();
        if current.settings.as_ref().is_some_and(|now| Arc::ptr_eq(now, &settings)) {
            return;
        }
        match instances(&settings, &current.instances, self.questions) {
            Ok(instances) => current.instances = instances,
            Err(mistakes) => {
                for mistake in mistakes {
                    tracing::error!("instances stay as they were: {mistake}");
                }
            }
        }
        file.web.replace_settings(settings.server.web.clone());
        if let Some(before) = current.settings.replace(Arc::clone(&settings))
            && before.server.listen != settings.server.listen
        {
            tracing::warn!("server.host and server.port are fixed at start: a restart makes the new ones count");
        }
    }

    /// Reads what came and makes the page of it, unless something has to be asked again and `may_ask`.
    fn page(&self, visits: Visits, asked: &Asked, own: &Own, may_ask: bool) -> Outcome {
        let (parsed, reports): (Vec<_>, Vec<Report>) = visits.iter().map(|(_, visit)| visit.read()).unzip();
        if may_ask {
            let outdated = visits.iter().zip(&reports).enumerate();
            let outdated = outdated.filter(|(_, ((logstash, visit), report))| logstash.is_outdated(visit, report));
            let outdated: Vec<usize> = outdated.map(|(at, _)| at).collect();
            if !outdated.is_empty() {
                drop(parsed);
                return Outcome::Outdated(visits, outdated);
            }
        }
        let mut complete = true;
        for ((logstash, visit), report) in visits.iter().zip(reports) {
            complete &= logstash.conclude(visit, report);
        }
        let snapshot = Snapshot::new(parsed, self.wanted);
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let (renderer, page) = &mut *pages;
        page.clear();
        for (logstash, _) in &visits {
            let labels = (visits.len() > 1).then(|| logstash.labels());
            encode_errors(labels.as_ref(), logstash.tally(), page);
        }
        if let Some(file) = &self.file {
            file.watched.encode("logstash_exporter", page);
        }
        if self.wanted.legacy {
            let mut durations = self.durations.lock().unwrap_or_else(PoisonError::into_inner);
            for (collector, is_good, seconds) in visits.iter().flat_map(|(_, visit)| visit.durations()) {
                durations.observe(collector, is_good, seconds);
            }
            durations.encode(page);
        }
        own.encode(page);
        page.finish();
        let (body, refused) = renderer.body(&[page], Some(&snapshot), asked.format, asked.gzip);
        Outcome::Page(Answer { body, refused, complete })
    }

    /// As [`page`](Self::page), out of the way of others when there is much to read.
    async fn make_page(
        self: &Arc<Self>,
        visits: Visits,
        asked: &Asked,
        own: &Arc<Own>,
        may_ask: bool,
    ) -> Result<Outcome, Refusal> {
        let bytes: usize = visits.iter().map(|(_, visit)| visit.bytes()).sum();
        let (exporter, asked, own) = (Arc::clone(self), asked.clone(), Arc::clone(own));
        inline_or_blocking(bytes, move || exporter.page(visits, &asked, &own, may_ask)).await
    }
}

impl Source for Exporter {
    fn answer(self: Arc<Self>, asked: Asked, own: Arc<Own>) -> Answering {
        Box::pin(async move {
            let instances = self.instances();
            let deadline = asked.deadline;
            let mut visits: Visits = Vec::with_capacity(instances.len());
            if let [one] = instances.as_slice() {
                visits.push((Arc::clone(one), one.visit(deadline).await));
            } else {
                let mut tasks = JoinSet::new();
                for (at, logstash) in instances.into_iter().enumerate() {
                    tasks.spawn(async move {
                        let visit = logstash.visit(deadline).await;
                        (at, logstash, visit)
                    });
                }
                let mut done = Vec::with_capacity(tasks.len());
                while let Some(visit) = tasks.join_next().await {
                    done.extend(visit.map_err(|e| tracing::error!(err = %e, "an instance could not be asked")).ok());
                }
                // The page has the order of the file, not that in which the answers happened to come.
                done.sort_by_key(|(at, ..)| *at);
                visits.extend(done.into_iter().map(|(_, logstash, visit)| (logstash, visit)));
            }
            let mut outcome = self.make_page(visits, &asked, &own, true).await?;
            if let Outcome::Outdated(mut visits, outdated) = outcome {
                for (_, (logstash, visit)) in visits.iter_mut().enumerate().filter(|(at, _)| outdated.contains(at)) {
                    logstash.ask_node_again(visit, deadline).await;
                }
                outcome = self.make_page(visits, &asked, &own, false).await?;
            }
            match outcome {
                Outcome::Page(answer) => Ok(answer),
                Outcome::Outdated(..) => {
                    Err(Refusal::bad_request("the instances change faster than they can be asked"))
                }
            }
        })
    }

    fn standings(&self) -> Vec<Standing> {
        self.current().instances.iter().map(|logstash| logstash.standing()).collect()
    }

    fn routes(self: Arc<Self>) -> Router {
        Router::new()
            .route("/healthcheck", any(healthcheck))
            .route("/version", any(version))
            .route("/-/reload", post(reload).put(reload))
            .with_state(self)
    }

    fn reload(&self) -> Option<Result<(), String>> {
        let file = self.file.as_ref()?;
        let outcome = file.watched.reload();
        self.follow(file);
        Some(outcome)
    }
}

/// The instances of `settings`; those of `before` that are still the same go on.
fn instances(
    settings: &Settings,
    before: &[Arc<Logstash>],
    questions: Questions,
) -> Result<Vec<Arc<Logstash>>, Vec<ConfigError>> {
    let (mut made, mut mistakes) = (Vec::new(), Vec::new());
    for instance in &settings.instances {
        if let Some(same) = before.iter().find(|logstash| logstash.settings() == instance) {
            made.push(Arc::clone(same));
            continue;
        }
        match Logstash::new(instance.clone(), questions, false) {
            Ok(logstash) => made.push(Arc::new(logstash)),
            Err(what) => mistakes.push(ConfigError::new(format!("logstash.instances: {}: {what}", instance.name))),
        }
    }
    if mistakes.is_empty() { Ok(made) } else { Err(mistakes) }
}

fn encode_errors(labels: Option<&(String, String)>, tally: Tally, page: &mut Page) {
    // No status page is asked for here.
    for (reason, count) in tally.iter().filter(|(reason, _)| *reason != Reason::NotStatusPage) {
        let (reason, count) = (reason.as_str(), count as f64);
        match labels {
            Some((hostname, instance_name)) => {
                let keys = &["hostname", "instance_name", "reason"];
                page.sample(&Desc::counter(ERRORS, ERRORS_HELP, keys), &[hostname, instance_name, reason], count);
            }
            None => page.sample(&Desc::counter(ERRORS, ERRORS_HELP, &["reason"]), &[reason], count),
        }
    }
}

async fn healthcheck(State(exporter): State<Arc<Exporter>>) -> Response {
    let deadline = Instant::now() + HEALTH_PATIENCE;
    let mut tasks = JoinSet::new();
    for logstash in exporter.instances() {
        tasks.spawn(async move { logstash.is_healthy(deadline).await });
    }
    let mut ill: Vec<String> = Vec::new();
    while let Some(outcome) = tasks.join_next().await {
        ill.extend(outcome.map_or_else(|e| Some(e.to_string()), Result::err));
    }
    ill.sort();
    match ill.is_empty() {
        true => StatusCode::OK.into_response(),
        false => (StatusCode::INTERNAL_SERVER_ERROR, format!("{}\n", ill.join("\n"))).into_response(),
    }
}

async fn version() -> Response {
    // Our own words: nothing in them needs escaping.
    let version = format!(
        "{{\"Version\":\"{0}\",\"SemanticVersion\":\"v{0}\",\"GitCommit\":\"{1}\",\"GoVersion\":\"{2}\",\"BuildArch\":\"{3}\",\
         \"BuildOS\":\"{4}\",\"BuildDate\":\"unknown\"}}",
        build_info::VERSION,
        build_info::REVISION,
        build_info::COMPILER,
        build_info::arch(),
        std::env::consts::OS,
    );
    ([(CONTENT_TYPE, "application/json")], version).into_response()
}

async fn reload(State(exporter): State<Arc<Exporter>>) -> Response {
    match exporter.reload() {
        Some(Ok(())) => StatusCode::OK.into_response(),
        Some(Err(mistakes)) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{mistakes}\n")).into_response(),
        None => (StatusCode::OK, "there is no configuration file to read again\n").into_response(),
    }
}
