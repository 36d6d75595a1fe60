//! What the flags say.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::app::{Made, Next};
use common::error::ConfigError;
use common::flags::{Args, Flag};
use common::log::Layout;
use common::watched::Watched;
use common::web::Limits;
use ipnet::IpNet;
use tracing::Level;

use crate::exporter::{Exporter, Loaded, Options};
use crate::network::{Network, Policy};
use crate::probers::icmp;
use crate::routes::{Prefix, router};

/// The flags of the Go exporter.
pub const FLAGS: &[Flag] = &[
    Flag::text("config.file", "blackbox.yml", "YAML file with the modules."),
    Flag::switch("config.check", false, "Read the configuration file, say whether it is fine, and end."),
    Flag::switch("config.enable-auto-reload", false, "Read the configuration file again when it has changed."),
    Flag::integer("config.auto-reload-interval", "30", "Seconds between two looks at the configuration file."),
    Flag::text("timeout-offset", "0.5", "Seconds kept back from the time limit that Prometheus sends."),
    Flag::text("log.prober", "info", "Least severe level of the probes' own lines: debug, info, warn or error."),
    Flag::integer("history.limit", "100", "Probes that are kept, and failures beside them."),
    Flag::text(
        "web.external-url",
        "",
        "URL under which users reach this program; its path is the prefix of all routes.",
    ),
    Flag::text("web.route-prefix", "", "Prefix of all routes, if it is not the path of --web.external-url."),
];

/// Who may be probed, and how much at a time: not of the Go exporter.
pub const LIMIT_FLAGS: &[Flag] = &[
    Flag::integer("probe.max-concurrent", "4096", "Probes that run at a time; one more is answered with 503."),
    Flag::text(
        "probe.allow-network",
        "",
        "Network that may be probed, as 10.0.0.0/8; all if none is given. Repeatable.",
    )
    .repeatable(),
    Flag::text("probe.deny-network", "", "Network that may not be probed, stronger than the others. Repeatable.")
        .repeatable(),
    Flag::text(
        "probe.allow-port",
        "",
        "Port, or range as 8000-8999, that may be probed; all if none is given. Repeatable.",
    )
    .repeatable(),
    Flag::text("probe.deny-port", "", "Port, or range, that may not be probed. Repeatable.").repeatable(),
];

/// Room for those who only want the page of the program, beside all probes.
const FURTHER_CONNECTIONS: usize = 256;

fn open(args: &Args) -> Result<Watched<Loaded>, Vec<ConfigError>> {
    let watched = Watched::open(Path::new(args.text("config.file")), |text, path| {
        Loaded::parse(text, &path.display().to_string())
    })?;
    Ok(watched.automatic(args.on("config.enable-auto-reload")))
}

/// Does what `--config.check` asks for.
///
/// # Errors
/// Every mistake in the file.
pub fn preset(args: &mut Args) -> Result<Next, Vec<ConfigError>> {
    if !args.on("config.check") {
        return Ok(Next::Serve);
    }
    let loaded = open(args)?.current();
    Ok(Next::End(format!("{}: fine, {} modules\n", args.text("config.file"), loaded.modules.len())))
}

/// Makes what answers.
///
/// # Errors
/// Every mistake in the flags and the configuration.
pub fn source(args: &Arc<Args>) -> Result<Made, Vec<ConfigError>> {
    common::process::raise_descriptor_limit();
    let mut mistakes = Vec::new();
    let mut note = |flag: &str, what: String| mistakes.push(ConfigError::new(format!("--{flag}: {what}")));
    let count = |flag: &str| usize::try_from(args.integer(flag)).map_err(|_| "expected 0 or more".to_owned());
    let mut counts = [0; 3];
    for (at, flag) in ["history.limit", "probe.max-concurrent", "config.auto-reload-interval"].into_iter().enumerate() {
        match (count(flag), counts.get_mut(at)) {
            (Ok(n), Some(count)) => *count = n,
            (Err(what), _) => note(flag, what),
            _ => {}
        }
    }
    let [history_limit, most_probes, interval] = counts;
    let timeout_offset = args.text("timeout-offset");
    let timeout_offset = timeout_offset.parse::<f64>().ok().filter(|offset| offset.is_finite()).unwrap_or_else(|| {
        note("timeout-offset", format!("expected a number of seconds, found {timeout_offset:?}"));
        0.0
    });
    let route_prefix = args.given("web.route-prefix").then(|| args.text("web.route-prefix"));
    let prefix = Prefix::new(route_prefix.filter(|prefix| !prefix.is_empty()), args.text("web.external-url"))
        .map_err(|what| note("web.external-url", what));
    let policy = policy(args, &mut note);
    let settings = open(args).map_err(|more| mistakes.extend(more));
    let (Ok(prefix), Ok(settings), true) = (prefix, settings, mistakes.is_empty()) else { return Err(mistakes) };

    tracing::info!("{}", icmp::ability().sentence());
    let log_level = level(args.text("log.prober"));
    let options = Options { timeout_offset, most_probes, history_limit, log_level, layout: Layout::of(args) };
    let exporter = Arc::new(Exporter::new(settings, Network::new(policy), options));
    let arranged = Arc::clone(&exporter);
    let automatic = args.on("config.enable-auto-reload") && interval > 0;
    let limits = Limits { connections: most_probes.saturating_add(FURTHER_CONNECTIONS), ..Limits::default() };
    Ok(Made {
        source: exporter,
        web: None,
        limits,
        router: Some(Box::new(move |service| {
            if automatic {
                tokio::spawn(watch(Arc::clone(&arranged), Duration::from_secs(interval as u64)));
            }
            router(arranged, service, prefix)
        })),
    })
}

/// Looks at the configuration file now and then.
async fn watch(exporter: Arc<Exporter>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        exporter.settings().check();
    }
}

fn level(text: &str) -> Level {
    match text.to_ascii_lowercase().as_str() {
        "debug" => Level::DEBUG,
        "info" => Level::INFO,
        "warn" => Level::WARN,
        "error" => Level::ERROR,
        _ => {
            tracing::warn!(level = text, "--log.prober: expected debug, info, warn or error; info it is");
            Level::INFO
        }
    }
}

fn policy(args: &Args, note: &mut impl FnMut(&str, String)) -> Policy {
    let mut networks = |flag: &str| -> Vec<IpNet> {
        let texts = args.list(flag);
        let parsed = texts.iter().filter_map(|text| {
            // An address alone is a network of one.
            let network = text.parse().or_else(|e| text.parse::<std::net::IpAddr>().map(IpNet::from).map_err(|_| e));
            network.map_err(|_| note(flag, format!("expected a network such as 10.0.0.0/8, found {text:?}"))).ok()
        });
        parsed.collect()
    };
    let (allow_networks, deny_networks) = (networks("probe.allow-network"), networks("probe.deny-network"));
    let mut ports = |flag: &str| -> Vec<(u16, u16)> {
        let texts = args.list(flag);
        let parsed = texts.iter().filter_map(|text| {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            let range = first.parse().ok().zip(last.parse().ok()).filter(|(first, last)| first <= last);
            if range.is_none() {
                note(flag, format!("expected a port or a range such as 8000-8999, found {text:?}"));
            }
            range
        });
        parsed.collect()
    };
    Policy {
        allow_networks,
        deny_networks,
        allow_ports: ports("probe.allow-port"),
        deny_ports: ports("probe.deny-port"),
    }
}
