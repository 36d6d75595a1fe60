//! What is to be asked, from the flags and the environment for a sidecar, or from a configuration file for several.
//!
//! * The file is the one that `--config` names (or `EXPORTER_CONFIG_LOCATION`), else `config.yml` of the working directory if
//!   it is there, as with the Go exporter. It and `--logstash.url` exclude each other.
//! * `server` and `logging` of the file stand for the flags of the web face and the log that were not typed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use common::app::{Made, Next};
use common::error::ConfigError;
use common::flags::{Args, Flag};
use common::upstream::{Pem, TlsOptions};
use common::web::{Limits, WebConfigFile};

use crate::config::{self, Credentials, Instance, Secret};
use crate::exporter::Exporter;
use crate::families::Wanted;
use crate::instance::{Logstash, Questions};

/// Taken when it is there and nothing else is said.
const USUAL_FILE: &str = "config.yml";

/// Flags about what is asked.
pub const FLAGS: &[Flag] = &[
    Flag::text("config", "", "YAML file with several instances, as of the Go exporter.")
        .env("EXPORTER_CONFIG_LOCATION"),
    Flag::switch("watch", false, "Follow changes of the configuration file by itself; SIGHUP always does."),
    Flag::text("logstash.url", "http://localhost:9600", "Base URL of the Logstash to ask.").env("LOGSTASH_URL"),
    Flag::text("logstash.name", "", "Label instance_name; made from the URL if empty.").env("LOGSTASH_NAME"),
    Flag::switch(
        "logstash.find-port",
        true,
        "Look on ports 9600 to 9700 when neither URL nor user was given and nobody listens on the first.",
    ),
    Flag::duration("logstash.timeout", "0s", "Most that asking may take; 0s is what the scrape allows.")
        .env("LOGSTASH_TIMEOUT"),
    Flag::text("logstash.username", "", "User for basic auth.").env("LOGSTASH_USERNAME"),
    Flag::text("logstash.password", "", "Password; the environment shows less than a command line.")
        .env("LOGSTASH_PASSWORD"),
    Flag::text("logstash.password-file", "", "File with the password."),
    Flag::text("logstash.ca-file", "", "PEM file with the only authorities to trust."),
    Flag::text("logstash.server-name", "", "Name to look for in the certificate, instead of the URL's host."),
    Flag::switch("logstash.insecure", false, "Take any certificate.").env("LOGSTASH_INSECURE"),
    Flag::alias("logstash.endpoint", "logstash.url"),
];

/// Flags about what is shown.
pub const METRICS_FLAGS: &[Flag] = &[
    Flag::switch("metrics.default", true, "The names of the Go exporter: logstash_info_* and logstash_stats_*."),
    Flag::switch("metrics.legacy", false, "The names of the exporter of 2018 as well: logstash_node_*."),
    Flag::switch("metrics.health", true, "Ask for the health report (Logstash 8.16 and later)."),
    Flag::switch("metrics.hot-threads", false, "Ask for the hot threads, which costs Logstash a thread dump."),
    Flag::switch("metrics.plugin-packages", false, "A series for each installed plugin and its version."),
];

/// The configuration file, if there is to be one.
fn file(args: &Args) -> Result<Option<PathBuf>, ConfigError> {
    match (args.text("config"), args.given("logstash.url")) {
        ("", true) => Ok(None),
        ("", false) => Ok(Some(PathBuf::from(USUAL_FILE)).filter(|file| file.is_file())),
        (_, true) => {
            let what = "--config and --logstash.url: give one of them, the file names the instances";
            Err(ConfigError::new(what))
        }
        (file, false) => Ok(Some(PathBuf::from(file))),
    }
}

/// Lets the file say what the flags for the web face and the log do not.
///
/// # Errors
/// Every mistake in the file.
pub fn preset(args: &mut Args) -> Result<Next, Vec<ConfigError>> {
    let Some(file) = file(args).map_err(|e| vec![e])? else { return Ok(Next::Serve) };
    let settings = config::open(&file, false)?.current();
    let listen = Some(settings.server.listen.as_str());
    for (flag, value) in [
        ("log.level", settings.logging.level),
        ("log.format", settings.logging.format),
        ("web.listen-address", listen.filter(|_| !args.on("web.systemd-socket"))),
    ] {
        if let Some(value) = value.filter(|_| !args.given(flag)) {
            args.set(flag, vec![value.to_owned()], true);
        }
    }
    Ok(Next::Serve)
}

/// Makes what answers.
///
/// # Errors
/// Every mistake in the flags or the file.
pub fn source(args: &Arc<Args>) -> Result<Made, Vec<ConfigError>> {
    let wanted = Wanted {
        default_set: args.on("metrics.default"),
        legacy: args.on("metrics.legacy"),
        package_info: args.on("metrics.plugin-packages"),
    };
    let questions = Questions { health: args.on("metrics.health"), hot_threads: args.on("metrics.hot-threads") };
    let Some(file) = file(args).map_err(|e| vec![e])? else {
        let instance = instance(args).and_then(|instance| {
            // Whoever listens on the other ports must not be shown a password.
            let search = args.on("logstash.find-port") && !args.given("logstash.url") && instance.credentials.is_none();
            Logstash::new(instance, questions, search)
                .map_err(|what| ConfigError::new(format!("--logstash.url: {what}")))
        });
        let instance = Arc::new(instance.map_err(|e| vec![e])?);
        return Ok(Made::from_source(Arc::new(Exporter::of_one(instance, wanted, questions))));
    };
    let watched = config::open(&file, args.on("watch"))?;
    let settings = watched.current();
    settings.log_warnings();
    // With no TLS and no users in it, it still has to be able to get users later.
    let web = WebConfigFile::from_settings(&file, settings.server.web.clone());
    let web = Arc::new(web.map_err(|e| vec![ConfigError::new(e.to_string())])?);
    let limits: Limits = settings.server.limits();
    let exporter = Exporter::of_file(watched, Arc::clone(&web), wanted, questions)?;
    Ok(Made { source: Arc::new(exporter), web: Some(web), limits, router: None })
}

/// The one instance that the flags describe.
fn instance(args: &Args) -> Result<Instance, ConfigError> {
    let mistake = |flag: &str, what: String| ConfigError::new(format!("--{flag}: {what}"));
    let mut url = config::base_url(args.text("logstash.url")).map_err(|what| mistake("logstash.url", what))?;
    let inside = url.credentials.take();
    let name = match args.text("logstash.name") {
        "" => config::usual_name(&url.to_string()),
        name => name.to_owned(),
    };
    let password = match args.text("logstash.password-file") {
        "" => args.text("logstash.password").to_owned(),
        file => std::fs::read_to_string(file)
            .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
            .map_err(|e| mistake("logstash.password-file", format!("{file}: {e}")))?,
    };
    let credentials = match args.text("logstash.username") {
        "" if !password.is_empty() => {
            return Err(mistake("logstash.password", "expected --logstash.username beside it".to_owned()));
        }
        "" => inside.map(|(username, password)| Credentials { username, password: password.into() }),
        username => Some(Credentials { username: username.to_owned(), password: Secret::from(password) }),
    };
    let ca = match args.text("logstash.ca-file") {
        "" => None,
        file => Some(Pem::read(Path::new(file)).map_err(|what| mistake("logstash.ca-file", what))?),
    };
    let tls = TlsOptions {
        ca,
        server_name: Some(args.text("logstash.server-name")).filter(|name| !name.is_empty()).map(str::to_owned),
        insecure: args.on("logstash.insecure"),
        ..TlsOptions::default()
    };
    // As long as the scrape allows is as good as for ever.
    let timeout = Some(args.duration("logstash.timeout")).filter(|timeout| !timeout.is_zero());
    Ok(Instance { name, url, timeout: timeout.unwrap_or(Duration::from_secs(3600)), tls, credentials })
}
