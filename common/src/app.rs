//! The life of a program: command line, log, collectors, sockets, service, end.
//!
//! A start that cannot succeed says why in one line per mistake and ends with status 1; everything after the start is
//! survived.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;

use crate::cli::{self, Group, Parsed};
use crate::collector::Row;
use crate::error::ConfigError;
use crate::exposition::{Format, Hides};
use crate::filter::{self, Pattern};
use crate::flags::{Args, Flag};
use crate::host::Host;
use crate::http::{Service, router};
use crate::instruments::Instruments;
use crate::sandbox::{self, InForce, Need};
use crate::scrape::{Engine, REASONS};
use crate::source::{Asked, Endpoint, Own, Source};
use crate::turns::Turns;
use crate::web::reload::OpenError;
use crate::web::{self, Bound, Limits, WebConfigFile, systemd};
use crate::{build_info, log, memory, process};

/// What makes a program this one.
pub struct Program {
    /// Name of the binary, and of the program in its messages.
    pub name: &'static str,
    /// Name in `<exporter>_build_info` and in the version block.
    pub exporter: &'static str,
    /// Heading of the landing page.
    pub title: &'static str,
    /// One sentence about it.
    pub about: &'static str,
    /// The web flags; [`web_flags`] makes them for a port.
    pub web_flags: &'static [Flag],
    /// Flags of the program itself, with their heading.
    pub flags: fn() -> Vec<Group<'static>>,
    /// The collectors.
    pub rows: &'static [&'static Row],
    /// Flag with the path of the metrics: the Go exporters do not agree on its name.
    pub path_flag: &'static str,
    /// Fills in what was not typed from a configuration file, before anything else is looked at, or does all there is
    /// to do.
    pub preset: fn(&mut Args) -> Result<Next, Vec<ConfigError>>,
    /// Sentences for the log about where it runs, found out while it still has all rights.
    pub surroundings: fn(&Args) -> Vec<String>,
    /// What it needs besides what its collectors need; `None` for a program without a sandbox.
    pub needs: Option<fn(&Args) -> Vec<Need>>,
    /// Makes what answers the scrapes; fails with every mistake in the flags.
    pub source: fn(&Arc<Args>) -> Result<Made, Vec<ConfigError>>,
}

/// What comes after the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The program serves.
    Serve,
    /// All is done: the text is for standard output, and the program ends well.
    End(String),
}

/// Makes all routes of a program, within the runtime.
pub type MakeRouter = Box<dyn FnOnce(&Arc<Service>) -> Router>;

/// What answers the scrapes of a program, and what its configuration file says about the web face.
pub struct Made {
    /// The source.
    pub source: Arc<dyn Source>,
    /// The web face as the program's own configuration has it, for programs that have one and no `--web.config.file`.
    pub web: Option<Arc<WebConfigFile>>,
    /// Limits of the web face.
    pub limits: Limits,
    /// The routes, for programs that do not have [the usual ones](crate::http::router).
    pub router: Option<MakeRouter>,
}

impl Made {
    /// A source whose program has no configuration file.
    pub fn from_source(source: Arc<dyn Source>) -> Self {
        Self { source, web: None, limits: Limits::default(), router: None }
    }
}

/// For programs whose flags are all there is.
pub const NO_PRESET: fn(&mut Args) -> Result<Next, Vec<ConfigError>> = |_| Ok(Next::Serve);

/// How many web flags there are.
pub const WEB_FLAGS: usize = 10;

/// The web flags of a program whose default address is `listen`, for example `:9100`, and whose [path
/// flag](Program::path_flag) is `path_flag`, with `path_env` in its place in the environment, if not empty.
pub const fn web_flags(listen: &'static str, path_flag: &'static str, path_env: &'static str) -> [Flag; WEB_FLAGS] {
    [
        Flag::text("web.listen-address", listen, "Address to listen on: host:port, :port, vsock://:port. Repeatable.")
            .repeatable(),
        Flag::switch("web.systemd-socket", false, "Take the sockets from the service manager instead of binding them."),
        Flag::text("web.config.file", "", "YAML file with TLS, users, headers and rate limit, as for all exporters."),
        match path_env.is_empty() {
            true => Flag::text(path_flag, "/metrics", "Path of the metrics."),
            false => Flag::text(path_flag, "/metrics", "Path of the metrics.").env(path_env),
        },
        Flag::switch("web.disable-exporter-metrics", false, "Leave out promhttp_* and process_*."),
        Flag::integer("web.max-requests", "40", "Scrapes answered at a time; 0 for any number."),
        Flag::duration("scrape.timeout-offset", "500ms", "Kept back from the time limit that Prometheus sends."),
        Flag::duration("scrape.default-timeout", "10s", "Time limit of a client that sends none."),
        Flag::switch("once", false, "Print the page to standard output and end: 0, or 1 when a collector failed."),
        Flag::integer("runtime.gomaxprocs", "1", "Accepted for old unit files, of no effect here.").hidden(),
    ]
}

const COLLECTOR_FLAGS: &[Flag] = &[
    Flag::switch("collector.disable-defaults", false, "Run only the collectors that are switched on by name."),
    REASONS,
    Flag::text(EXCLUDE, "", "Pattern for names of families to leave out of the page. Repeatable.").repeatable(),
];

const EXCLUDE: &str = "metrics.exclude";

/// Runs `program` with the command line of this process.
pub fn main(program: &'static Program) -> ExitCode {
    memory::one_arena();
    memory::cut_code();
    match run(program, std::env::args_os().map(|word| word.to_string_lossy().into_owned())) {
        Ok(code) => code,
        Err(mistakes) => {
            let mut stderr = std::io::stderr().lock();
            for mistake in mistakes {
                let _reader_gone = writeln!(stderr, "{}: error: {mistake}", program.name);
            }
            ExitCode::FAILURE
        }
    }
}

fn run(program: &'static Program, line: impl Iterator<Item = String>) -> Result<ExitCode, Vec<ConfigError>> {
    let groups = groups(program);
    let (mut args, warnings) = match cli::parse(program.name, program.about, &groups, line, cli::environment) {
        Ok(Parsed::Run { args, warnings }) => (args, warnings),
        Ok(Parsed::Help(text)) => return Ok(print(text.as_bytes())),
        Ok(Parsed::Version) => {
            return Ok(print(build_info::version_text(program.exporter, &Host::read().line()).as_bytes()));
        }
        Err(mistakes) => {
            return Err(mistakes.into_iter().map(|e| ConfigError::new(format!("{e}, try --help"))).collect());
        }
    };
    drop(groups);
    if let Next::End(said) = (program.preset)(&mut args)? {
        return Ok(print(said.as_bytes()));
    }
    let args = Arc::new(args);
    log::init(&args);
    let mut mistakes = Vec::new();
    let path = args.text(program.path_flag);
    if !path.starts_with('/') || path.contains(['{', '}', '?', '#']) {
        let flag = program.path_flag;
        mistakes.push(ConfigError::new(format!("--{flag}: expected a path such as /metrics, found {path:?}")));
    }
    let surroundings = (program.surroundings)(&args);
    let config = web_config(&args);
    // Here everything that is to be known is known, and there is no other thread yet.
    let sandbox = enter_sandbox(program, &args, config.as_ref());
    let made = match (program.source)(&args) {
        Ok(made) if mistakes.is_empty() => made,
        Ok(_) => return Err(mistakes),
        Err(more) => {
            mistakes.extend(more);
            return Err(mistakes);
        }
    };
    for warning in warnings.into_iter().chain(surroundings) {
        tracing::warn!("{warning}");
    }
    let Made { source, web, limits, router } = made;
    let service = service(program, &args, source);
    if args.on("once") {
        return once(&service);
    }
    let web = match config {
        Some(config) => Some(Arc::new(config.map_err(|e| vec![ConfigError::new(e.to_string())])?)),
        None => web,
    };
    serve(&service, &args, web, limits, router, sandbox.as_ref())
}

/// The `--web.config.file`, if there is one that will be needed.
fn web_config(args: &Args) -> Option<Result<WebConfigFile, OpenError>> {
    match args.text("web.config.file") {
        "" => None,
        _ if args.on("once") => None,
        path => Some(WebConfigFile::open(Path::new(path))),
    }
}

/// Gives away the rights that neither the program nor one of its collectors that are switched on needs.
fn enter_sandbox(
    program: &'static Program,
    args: &Args,
    config: Option<&Result<WebConfigFile, OpenError>>,
) -> Option<InForce> {
    let mut needs = program.needs.filter(|_| args.on(sandbox::FLAG))?(args);
    needs.extend(process::needs());
    needs.extend(
        program.rows.iter().filter(|row| is_on(args, switch_name(row.name), row.on)).flat_map(|row| (row.needs)(args)),
    );
    if let Some(Ok(config)) = config {
        needs.extend(config.needs());
    }
    if !args.on("once") && !args.on("web.systemd-socket") {
        needs.extend(args.list("web.listen-address").iter().filter_map(|text| web::listen::need(text)));
    }
    Some(sandbox::enter(&needs))
}

/// An engine for the collectors of `rows` that are switched on, on a thread of its own; `prefix` begins the names of
/// the series about them.
pub fn collectors(prefix: &str, rows: &[&'static Row], args: &Arc<Args>) -> Result<Made, Vec<ConfigError>> {
    let running: Vec<&'static Row> =
        rows.iter().copied().filter(|row| is_on(args, switch_name(row.name), row.on)).collect();
    let mut engine = Engine::new(prefix, &running, args)?;
    let excludes: Vec<Option<Pattern>> = args
        .list(EXCLUDE)
        .iter()
        .map(|pattern| filter::compile(EXCLUDE, pattern))
        .collect::<Result<_, _>>()
        .map_err(|e| vec![e])?;
    let excludes: Vec<Pattern> = excludes.into_iter().flatten().collect();
    if !excludes.is_empty() {
        let hides: Hides = Arc::new(move |name| excludes.iter().any(|pattern| pattern.is_match(name.as_bytes())));
        engine = engine.hiding(&hides);
    }
    let switched_off = rows.iter().map(|row| row.name).filter(|name| !engine.names().contains(name)).collect();
    let turns = Turns::start(engine, switched_off)
        .map_err(|e| vec![ConfigError::new(format!("cannot start the thread that scrapes: {e}"))])?;
    Ok(Made::from_source(Arc::new(turns)))
}

/// `collector.<name>`, made once per collector for the life of the process, which reads its command line once.
fn switch_name(name: &'static str) -> &'static str {
    use std::collections::HashMap;
    use std::sync::{LazyLock, Mutex, PoisonError};
    static NAMES: LazyLock<Mutex<HashMap<&'static str, &'static str>>> = LazyLock::new(Mutex::default);
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    names.entry(name).or_insert_with(|| Box::leak(format!("collector.{name}").into_boxed_str()))
}

fn is_on(args: &Args, switch: &str, default: bool) -> bool {
    if args.given(switch) { args.on(switch) } else { default && !args.on("collector.disable-defaults") }
}

/// All flags of a program, as they stand in its help.
pub fn groups(program: &'static Program) -> Vec<Group<'static>> {
    let switch = |name: &'static str, on: bool, about: &'static str, hidden: bool| -> &'static Flag {
        let flag = Flag::switch(switch_name(name), on, about);
        // Once per collector and process: the table itself is static, its switches follow from it.
        Box::leak(Box::new(if hidden { flag.hidden() } else { flag }))
    };
    let mut groups = vec![Group::new("Web", program.web_flags), Group::new("Log", log::FLAGS)];
    groups.extend((program.flags)());
    if program.rows.is_empty() {
        return groups;
    }
    let mut switches = Group::new("Collectors", COLLECTOR_FLAGS);
    switches.flags.extend(program.rows.iter().map(|row| switch(row.name, row.on, row.about, false)));
    groups.push(switches);
    for row in program.rows.iter().filter(|row| !row.flags.is_empty()) {
        groups.push(Group::new(&format!("Collector {}", row.name), row.flags));
    }
    groups
}

fn service(program: &'static Program, args: &Args, source: Arc<dyn Source>) -> Arc<Service> {
    let most = usize::try_from(args.integer("web.max-requests")).unwrap_or(0).min(Semaphore::MAX_PERMITS);
    Arc::new(Service {
        title: program.title,
        about: program.about,
        metrics_path: args.text(program.path_flag).to_owned(),
        source,
        own: Arc::new(Own {
            exporter: program.exporter,
            instruments: (!args.on("web.disable-exporter-metrics")).then(Instruments::default),
        }),
        slots: (most > 0).then(|| Semaphore::new(most)),
        most_requests: most,
        timeout_offset: args.duration("scrape.timeout-offset"),
        default_timeout: args.duration("scrape.default-timeout"),
    })
}

fn print(text: &[u8]) -> ExitCode {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Prints one page; fails when something could not do what it is there for.
fn once(service: &Service) -> Result<ExitCode, Vec<ConfigError>> {
    let runtime = runtime()?;
    let deadline = Instant::now() + service.default_timeout;
    let asked = Asked {
        endpoint: Endpoint::Metrics,
        query: String::new(),
        deadline,
        format: Format::Text,
        gzip: false,
        is_seen: true,
    };
    let answer = runtime.block_on(Arc::clone(&service.source).answer(asked, Arc::clone(&service.own)));
    runtime.shutdown_background();
    let answer = answer.map_err(|refusal| vec![ConfigError::new(refusal.reason)])?;
    let printed = print(&answer.body.into_bytes());
    Ok(if answer.complete { printed } else { ExitCode::FAILURE })
}

fn runtime() -> Result<Runtime, Vec<ConfigError>> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // The blocking threads compare passwords and take apart large documents; scrapes of the kernel have a thread of
        // their own.
        .thread_name("blocking")
        .max_blocking_threads(4)
        .build()
        .map_err(|e| vec![ConfigError::new(e.to_string())])
}

fn serve(
    service: &Arc<Service>,
    args: &Args,
    config: Option<Arc<WebConfigFile>>,
    limits: Limits,
    make_router: Option<MakeRouter>,
    sandbox: Option<&InForce>,
) -> Result<ExitCode, Vec<ConfigError>> {
    let fail = |e: &dyn std::fmt::Display| vec![ConfigError::new(e.to_string())];
    let bound: Vec<Bound> = match args.on("web.systemd-socket") {
        true => systemd::sockets(),
        false => web::bind(&args.list("web.listen-address")),
    }
    .map_err(|e| fail(&e))?;
    let names: Vec<String> = service.source.standings().into_iter().map(|part| part.name).collect();
    tracing::info!(
        version = build_info::VERSION,
        revision = build_info::REVISION,
        host = Host::read().line(),
        collectors = names.join(","),
        "Starting {}",
        service.own.exporter
    );
    if let Some(sandbox) = sandbox {
        sandbox.log();
    }
    if rustix::process::geteuid().is_root() && !service.source.is_for_root() {
        tracing::warn!("Running as root: an unprivileged user is enough, the README says what each capability buys");
    }
    let runtime = runtime()?;
    let served = runtime.block_on(async {
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        // Unhandled it would end the program with a memory dump; some of the Go exporters stop in order as well.
        let mut quit = signal(SignalKind::quit())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let source = Arc::clone(&service.source);
        tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                if source.reload().is_none() {
                    tracing::info!("SIGHUP: there is no configuration to read again");
                }
            }
        });
        let stop = async move {
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {}, _ = quit.recv() => {} }
            tracing::info!("Stopping: running scrapes are finished first");
        };
        let router = make_router.map_or_else(|| router(service), |make| make(service));
        memory::settle();
        web::serve(bound, router, config, limits, stop).await
    });
    // A collector that is stuck in the kernel does not hold up the end.
    runtime.shutdown_background();
    service.source.end();
    served.map_err(|e| fail(&e))?;
    Ok(ExitCode::SUCCESS)
}
