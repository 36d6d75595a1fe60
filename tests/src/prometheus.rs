//! A real Prometheus beside the program under test, and promtool.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::child::Logged;
use crate::client::{Request, Response, percent_encoded};
use crate::fixture::Fixture;
use crate::log_line;
use crate::tools::{run, tool};
use crate::wait::until;

/// Something for a Prometheus to scrape.
#[derive(Debug, Clone)]
pub struct Job {
    name: String,
    targets: Vec<String>,
    extra: String,
}

impl Job {
    /// Plain HTTP on the default path.
    pub fn new(name: &str, target: SocketAddr) -> Self {
        Self { name: name.to_owned(), targets: vec![target.to_string()], extra: String::new() }
    }

    /// Targets that `prober` probes with a module, relabelled the way everybody does it: the target becomes a parameter
    /// and the label `instance`, and what is scraped is the prober.
    pub fn probing(name: &str, prober: SocketAddr, module: &str, targets: &[&str]) -> Self {
        let extra = format!(
            "    metrics_path: /probe\n    params: {{module: [{module}]}}\n    relabel_configs:\n    \
             - {{source_labels: [__address__], target_label: __param_target}}\n    \
             - {{source_labels: [__param_target], target_label: instance}}\n    \
             - {{target_label: __address__, replacement: '{prober}'}}\n"
        );
        Self { name: name.to_owned(), targets: targets.iter().map(ToString::to_string).collect(), extra }
    }

    /// TLS with basic auth; `ca` is the certificate to trust.
    #[must_use]
    pub fn over_tls(mut self, ca: &Path, (user, password): (&str, &str)) -> Self {
        // JSON strings are YAML strings, so nothing needs escaping twice.
        self.extra = format!(
            "    scheme: https\n    tls_config: {{ca_file: {}, server_name: localhost}}\n    \
             basic_auth: {{username: {}, password: {}}}\n",
            Value::from(ca.to_string_lossy()),
            Value::from(user),
            Value::from(password)
        );
        self
    }
}

/// A running Prometheus with storage of its own; killed when dropped.
#[derive(Debug)]
pub struct Prometheus {
    child: Logged,
    address: SocketAddr,
    /// Names, and how many targets each has.
    jobs: Vec<(String, usize)>,
    // Last, so that the program is gone before its storage.
    _storage: Fixture,
}

/// A query's answer: labels (without `__name__`) and value, one entry per series.
pub type Vector = Vec<(BTreeMap<String, String>, f64)>;

impl Prometheus {
    /// Starts one that scrapes the jobs every second, and waits until it is ready.
    #[track_caller]
    pub fn start(jobs: &[Job]) -> Self {
        let names = jobs.iter().map(|job| (job.name.clone(), job.targets.len())).collect();
        Self::configured(Fixture::new().file("prometheus.yml", config(jobs)), names)
    }

    /// Starts one with a folder that holds its `prometheus.yml` and the files this names, and waits until it is ready;
    /// `jobs` are the names of its jobs and the number of targets of each, for [`Prometheus::wait_until_up`].
    #[track_caller]
    pub fn configured(storage: Fixture, jobs: Vec<(String, usize)>) -> Self {
        let mut command = Command::new(tool("prometheus"));
        command
            .arg(storage.flag("--config.file", "prometheus.yml"))
            .arg(storage.flag("--storage.tsdb.path", "data"))
            .arg("--web.listen-address=127.0.0.1:0");
        Self::started_by(&mut command, storage, jobs)
    }

    /// Starts one by a whole command, whose files are in `storage`, and waits until it is ready.
    #[track_caller]
    pub fn started_by(command: &mut Command, storage: Fixture, jobs: Vec<(String, usize)>) -> Self {
        let child = Logged::spawn("prometheus", command);
        // It logs the address as configured first and, with this message, as bound.
        let address = child.wait_for_line("`Listening on`", |line| {
            let listening = log_line::field(line, "msg")? == "Listening on";
            listening.then(|| log_line::field(line, "address")?.parse().ok()).flatten()
        });
        let prometheus = Self { child, address, jobs, _storage: storage };
        until("Prometheus is ready", || match Request::get("/-/ready").send(address) {
            Ok(Response { status: 200, .. }) => Ok(()),
            other => Err(format!("{other:?}\n{}", prometheus.log())),
        });
        prometheus
    }

    /// Everything logged so far.
    pub fn log(&self) -> String {
        self.child.log()
    }

    /// Its own metrics page; never checked for our order.
    #[track_caller]
    pub fn own_value(&self, name: &str) -> f64 {
        let page = Request::get("/metrics").send(self.address).expect("Prometheus answers").text();
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("Prometheus has no metric {name}"))
    }

    /// Waits until every job was scraped with success, and its samples can be queried.
    #[track_caller]
    pub fn wait_until_up(&self) {
        until("all targets are up", || {
            let targets = self.api("/api/v1/targets?state=active")?;
            let targets = targets["activeTargets"].as_array().cloned().unwrap_or_default();
            let up = targets.iter().filter(|target| target["health"] == "up").count();
            if up == self.jobs.iter().map(|(_, targets)| targets).sum::<usize>() {
                Ok(())
            } else {
                Err(format!("{targets:#?}"))
            }
        });
        for (job, targets) in &self.jobs {
            self.wait_until(&format!("up{{job={job:?}}}"), |found| {
                found.len() == *targets && found.iter().all(|(_, up)| *up == 1.0)
            });
        }
    }

    /// Waits until a query's answer is as wanted, and returns it.
    #[track_caller]
    pub fn wait_until(&self, query: &str, mut wanted: impl FnMut(&Vector) -> bool) -> Vector {
        until(query, || match self.query(query)? {
            found if wanted(&found) => Ok(found),
            found => Err(format!("{found:?}\n{}", self.log())),
        })
    }

    /// The single value of a query, waiting for it to appear.
    #[track_caller]
    pub fn value(&self, query: &str) -> f64 {
        self.wait_until(query, |found| found.len() == 1)[0].1
    }

    /// Panics when Prometheus complained about what it scraped.
    #[track_caller]
    pub fn has_no_complaints(&self) {
        let log = self.log();
        let complaint = |line: &&str| {
            let line = line.to_lowercase();
            ["duplicate", "out of order", "out-of-order", "append failed", "error on ingesting", "scrape manager error"]
                .iter()
                .any(|words| line.contains(words))
        };
        let complaints: Vec<&str> = log.lines().filter(complaint).collect();
        assert!(complaints.is_empty(), "Prometheus complains:\n{}", complaints.join("\n"));
        for name in [
            "prometheus_target_scrapes_sample_duplicate_timestamp_total",
            "prometheus_target_scrapes_sample_out_of_order_total",
        ] {
            assert_eq!(self.own_value(name), 0.0, "{name}\n{log}");
        }
    }

    /// The answer to a query now, which may be empty.
    ///
    /// # Errors
    ///
    /// What Prometheus says of a query that it cannot answer.
    pub fn query(&self, query: &str) -> Result<Vector, String> {
        let data = self.api(&format!("/api/v1/query?query={}", percent_encoded(query)))?;
        let series = data["result"].as_array().cloned().unwrap_or_default();
        Ok(series.iter().filter_map(series_of).collect())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The `data` of an answer of its API.
    ///
    /// # Errors
    ///
    /// The whole answer when it is no success.
    pub fn api(&self, path: &str) -> Result<Value, String> {
        let answer = Request::get(path).send(self.address).map_err(|e| e.to_string())?;
        let body: Value = serde_json::from_str(&answer.text()).map_err(|e| e.to_string())?;
        if body["status"] == "success" { Ok(body["data"].clone()) } else { Err(body.to_string()) }
    }
}

fn series_of(series: &Value) -> Option<(BTreeMap<String, String>, f64)> {
    let value = series["value"][1].as_str()?.parse().ok()?;
    let labels = series["metric"].as_object()?.iter().filter(|(name, _)| *name != "__name__");
    Some((labels.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect(), value))
}

fn config(jobs: &[Job]) -> String {
    let job = |job: &Job| {
        let Job { name, targets, extra } = job;
        format!("  - job_name: {name}\n{extra}    static_configs: [{{targets: ['{}']}}]\n", targets.join("', '"))
    };
    // A timeout of one interval is the most Prometheus allows.
    let jobs: String = jobs.iter().map(job).collect();
    format!("global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n{jobs}")
}

/// Panics unless `promtool check config` accepts the file.
#[track_caller]
pub fn check_config(file: &Path) {
    run(Command::new(tool("promtool")).args(["check", "config", "--syntax-only"]).arg(file));
}

/// Panics unless `promtool check metrics` can parse the page; returns its remarks on style.
///
/// It ends with 1 when the page cannot be parsed and with 3 for remarks only. Remarks are accepted: names are the
/// reference's, and promtool dislikes many of them (a gauge that ends in `_total`, abbreviated units).
#[track_caller]
pub fn check_metrics(text: &str) -> String {
    let mut promtool = Command::new(tool("promtool"));
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = promtool.spawn().expect("promtool starts");
    // It reads everything before it writes, so one pipe after the other is safe; dropping stdin ends the page.
    child.stdin.take().expect("stdin is piped").write_all(text.as_bytes()).expect("promtool reads its input");
    let output = child.wait_with_output().expect("promtool ends");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(matches!(output.status.code(), Some(0 | 3)), "promtool: {}\n{said}", output.status);
    said
}

/// Writes the configuration for jobs to a file, for [`check_config`].
#[track_caller]
pub fn write_config(file: &Path, jobs: &[Job]) {
    fs::write(file, config(jobs)).expect("the file is writable");
}
