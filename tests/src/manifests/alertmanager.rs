//! A real Alertmanager with the configuration of `manifests/`, and amtool.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::child::Logged;
use crate::client::{Request, Response};
use crate::fixture::Fixture;
use crate::log_line;
use crate::manifests;
use crate::manifests::monitoring_server::{edited, text};
use crate::tools::{run, tool};
use crate::wait::until;

/// Where the configuration says that its files are.
const PLACE: &str = "/etc/alertmanager";
/// The release that reads the address of a webhook from a file.
const READS_ADDRESSES: (u32, u32) = (0, 26);

/// A running Alertmanager; killed when dropped.
#[derive(Debug)]
pub struct Alertmanager {
    child: Logged,
    address: SocketAddr,
    // Last, so that the program is gone before its folder.
    _folder: Fixture,
}

/// The folder that is `/etc/alertmanager` on the server, with these secrets, for the installed Alertmanager.
#[track_caller]
pub fn etc_alertmanager(secrets: &[(&str, &str)], changes: &[(&str, &str)]) -> Fixture {
    let folder = secrets.iter().fold(Fixture::new(), |folder, (name, content)| {
        folder.file(Path::new("secrets").join(name), format!("{content}\n"))
    });
    let templates = manifests::files("monitoring-server/alertmanager/templates", &["tmpl"]);
    let folder = templates.iter().fold(folder, |folder, template| {
        let name = template.file_name().expect("a file has a name");
        folder.file(Path::new("templates").join(name), fs::read(template).expect("a template can be read"))
    });
    let config = edited(&text("alertmanager/alertmanager.yml"), changes);
    let config = edited(&config, &[(PLACE, &folder.root().display().to_string())]);
    let config = for_this_alertmanager(&config);
    folder.file("alertmanager.yml", config)
}

/// A configuration as the installed Alertmanager reads it: an old one is told the addresses that a newer one reads.
#[track_caller]
fn for_this_alertmanager(text: &str) -> String {
    if manifests::version_of("prometheus-alertmanager") >= READS_ADDRESSES {
        return text.to_owned();
    }
    let line = |line: &str| match line.split_once("- url_file: ") {
        Some((indent, file)) if !line.trim_start().starts_with('#') => {
            let address = fs::read_to_string(file).unwrap_or_else(|e| panic!("{file}: {e}"));
            format!("{indent}- url: {}\n", Value::from(address.trim()))
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

impl Alertmanager {
    /// Starts one with a folder as [`etc_alertmanager`] makes it, and waits until it is ready.
    #[track_caller]
    pub fn start(folder: Fixture) -> Self {
        let child = Logged::spawn(
            "alertmanager",
            Command::new(tool("prometheus-alertmanager"))
                .arg(folder.flag("--config.file", "alertmanager.yml"))
                .arg(folder.flag("--storage.path", "data"))
                .args(["--web.listen-address=127.0.0.1:0", "--cluster.listen-address=", "--log.level=debug"]),
        );
        let address = child.wait_for_line("`Listening on`", |line| {
            let listening = log_line::field(line, "msg")? == "Listening on";
            listening.then(|| log_line::field(line, "address")?.parse().ok()).flatten()
        });
        let alertmanager = Self { child, address, _folder: folder };
        until("Alertmanager is ready", || match Request::get("/-/ready").send(address) {
            Ok(Response { status: 200, .. }) => Ok(()),
            other => Err(format!("{other:?}\n{}", alertmanager.log())),
        });
        alertmanager
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Tells it of an alert that fires from now on.
    #[track_caller]
    pub fn tell(&self, labels: &[(&str, &str)]) {
        let mut amtool = Command::new(tool("amtool"));
        amtool.arg(format!("--alertmanager.url=http://{}", self.address)).args(["alert", "add"]);
        run(amtool.args(labels.iter().map(|(name, value)| format!("{name}={value}"))));
    }

    /// What it knows below a path of its API.
    #[track_caller]
    pub fn knows(&self, path: &str) -> Value {
        let answer = Request::get(path).send(self.address).expect("Alertmanager answers").text();
        serde_json::from_str(&answer).unwrap_or_else(|e| panic!("{path}: {e}: {answer}"))
    }

    /// Everything logged so far, with its lines for debugging.
    pub fn log(&self) -> String {
        self.child.log()
    }

    /// Hands it an alert with these labels.
    #[track_caller]
    pub fn hear(&self, labels: &[&str]) {
        run(self.amtool().args(["alert", "add"]).args(labels));
    }

    /// The names of alerts that another one keeps quiet.
    #[track_caller]
    pub fn inhibited(&self) -> BTreeSet<String> {
        let listed = run(self.amtool().args(["alert", "query", "--inhibited", "--output=json"])).stdout;
        let listed: Value = serde_json::from_slice(&listed).expect("amtool writes JSON");
        let name = |alert: &Value| alert["labels"]["alertname"].as_str().map(str::to_owned);
        listed.as_array().into_iter().flatten().filter_map(name).collect()
    }

    fn amtool(&self) -> Command {
        let mut amtool = Command::new(tool("amtool"));
        amtool.arg(format!("--alertmanager.url=http://{}", self.address));
        amtool
    }

    /// What it shows of itself and its configuration.
    #[track_caller]
    pub fn status(&self) -> String {
        Request::get("/api/v2/status").send(self.address).expect("Alertmanager answers").text()
    }
}

/// Panics unless amtool accepts the configuration in a folder.
#[track_caller]
pub fn check_config(folder: &Fixture) {
    run(Command::new(tool("amtool")).arg("check-config").arg(folder.path("alertmanager.yml")));
}

/// Who gets an alert with these labels.
#[track_caller]
pub fn receivers(folder: &Fixture, labels: &[&str]) -> String {
    let mut amtool = Command::new(tool("amtool"));
    amtool.args(["config", "routes", "test"]).arg(folder.flag("--config.file", "alertmanager.yml")).args(labels);
    String::from_utf8(run(&mut amtool).stdout).expect("amtool speaks UTF-8").trim().to_owned()
}

/// What a text becomes with the templates of a folder and the data of a message.
#[track_caller]
pub fn rendered(templates: &Path, data: &Value, text: &str) -> String {
    let file = Fixture::new().file("data.json", data.to_string());
    let mut amtool = Command::new(tool("amtool"));
    amtool.args(["template", "render"]);
    amtool.arg(format!("--template.glob={}/*.tmpl", templates.display()));
    amtool.arg(file.flag("--template.data", "data.json")).arg(format!("--template.text={text}"));
    String::from_utf8(run(&mut amtool).stdout).expect("amtool speaks UTF-8")
}
