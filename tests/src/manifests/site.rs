//! A whole site on one machine: each of our programs at work, what a cluster would add, and a Prometheus over all of it
//! that has the rules of `manifests/` loaded and calls jobs and labels what the monitoring server calls them.
//!
//! node-exporter reads this machine and, for the hardware it lacks, the machines that do not exist of its golden tests.
//! What other people's programs export (kube-state-metrics, kubelet, cAdvisor, API server, Grafana) comes from pages in
//! `tests/fixtures/site`, composed by hand: names and labels are theirs, the figures are made up.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::blackbox::Blackbox;
use crate::fixture::Fixture;
use crate::httpd::{Httpd, Mpm, Options};
use crate::logs::{Log, Node};
use crate::logstash::{HEALTH, Logstash, STATS, Version};
use crate::manifests;
use crate::pki::{Leaf, Pki};
use crate::prometheus::Prometheus;
use crate::running::Running;
use crate::upstream::{Answer, DeadPort, Upstream};

/// The trees that node-exporter's golden tests read.
const MACHINES: [&str; 3] = ["board", "laptop", "node"];

/// What the blackbox exporter does here.
const MODULES: &str = "modules:
  http_2xx:
    prober: http
    timeout: 1s
    http: {preferred_ip_protocol: ip4, tls_config: {ca_file: {ca}}, fail_if_body_matches_regexp: [fatal error]}
  ping: {prober: icmp, timeout: 1s}
";

/// What an operator fills in where `rules/inventory.yml` has examples.
const INVENTORY: &str = "groups:
- name: inventory of the site
  rules:
  - {record: inventory:nodes:expected, expr: vector(4), labels: {cluster: test}}
  - {record: inventory:pods:expected, expr: vector(2), labels: {cluster: test, namespace: web}}
";

/// For the Prometheus that is looked at.
const A_RULE: &str = "groups: [{name: one, interval: 1s, rules: [{record: one, expr: vector(1)}]}]\n";

/// Everything that runs; stopped when dropped.
#[derive(Debug)]
pub struct Site {
    /// Scrapes all of it every second.
    pub prometheus: Prometheus,
    // Stands for the one in the cluster, and for the one outside as it sees itself.
    _inner: Prometheus,
    /// Probed by the blackbox exporter, and read by the apache exporter.
    pub httpd: Httpd,
    /// Read by the logstash exporter.
    pub logstash: Logstash,
    logs: Mutex<Vec<Log>>,
    programs: Vec<Running>,
    blackbox: Blackbox,
    pages: Vec<Page>,
    _pki: Pki,
    // Refuses probes for as long as anybody might send one.
    _dead: DeadPort,
    // The logs that log-exporter counts.
    _node: Node,
}

/// A job of the Prometheus, with the targets it scrapes.
struct Scraped {
    name: &'static str,
    targets: Vec<(SocketAddr, String)>,
    further: String,
}

impl Scraped {
    fn one(name: &'static str, address: SocketAddr, labels: &str) -> Self {
        Self { name, targets: vec![(address, labels.to_owned())], further: String::new() }
    }

    fn honouring(mut self) -> Self {
        self.further = "    honor_labels: true\n".to_owned();
        self
    }
}

impl Site {
    /// Starts everything and waits until each target was scraped with success.
    #[track_caller]
    pub fn start() -> Self {
        let mut jobs = Vec::new();
        let mut programs = Vec::new();
        let mut nodes = Vec::new();
        let (living, args): (_, [&str; 0]) = ("living", []);
        for (name, program) in std::iter::once((living, Running::start("node-exporter", &args)))
            .chain(MACHINES.map(|name| (name, Running::start("node-exporter", &machine_flags(name)))))
        {
            nodes.push((program.address(), pod("node-exporter", "node-exporter", name)));
            programs.push(program);
        }
        jobs.push(Scraped { name: "node-exporter", targets: nodes, further: String::new() });

        let pki = Pki::new();
        let certificate = [Leaf::Good.name(), ".pem"].concat();
        let key = [Leaf::Good.name(), ".key"].concat();
        let httpd =
            Httpd::start(Mpm::Event, &Options::default().balancer(2).site(&pki.path(&certificate), &pki.path(&key)));
        httpd.load(50, 4);
        let dead = DeadPort::new();
        let logstash = Logstash::start(Version::V9_4);
        let apache = Running::start("apache-exporter", &[format!("--scrape_uri={}", httpd.status_url())]);
        let alone = Running::start("apache-exporter", &[format!("--scrape_uri=http://{}/", dead.address())]);
        let beside = Running::start("logstash-exporter", &[format!("--logstash.url={}", logstash.url())]);
        let lonely = Running::start("logstash-exporter", &[format!("--logstash.url=http://{}", dead.address())]);
        jobs.push(Scraped {
            name: "kubernetes-pods",
            targets: vec![
                (apache.address(), pod("web", "apache", "living")),
                (alone.address(), pod("web", "apache", "board")),
                (beside.address(), pod("logs", "logstash", "living")),
                (lonely.address(), pod("logs", "logstash", "board")),
            ],
            further: String::new(),
        });
        programs.extend([apache, alone, beside, lonely]);

        let (node, logs, counting) = logs();
        let labels = "cluster: test, node: living, app: log-exporter";
        jobs.push(Scraped::one("log-exporter", counting.address(), labels).honouring());
        programs.push(counting);

        let blackbox = Blackbox::start(&MODULES.replace("{ca}", &pki.path("root.pem")));
        let prober = blackbox.program().address();
        jobs.push(Scraped::one("blackbox-exporter", prober, ""));
        jobs.extend(probes(prober, &httpd, dead.address()));

        let mut pages = Vec::new();
        for (name, file, labels) in [
            ("kube-state-metrics", "kube-state-metrics.prom", "cluster: test"),
            ("kubernetes-nodes", "kubelet.prom", "cluster: test, node: living"),
            ("kubernetes-cadvisor", "cadvisor.prom", "cluster: test, node: living"),
            ("kubernetes-apiservers", "apiserver.prom", "cluster: test"),
            ("federate", "federate.prom", "cluster: test"),
            ("cluster-autoscaler", "cluster-autoscaler.prom", "cluster: test"),
            ("alertmanager", "alertmanager.prom", ""),
            ("grafana", "grafana.prom", ""),
        ] {
            let page = Page::start(file);
            let job = Scraped::one(name, page.upstream.address(), labels);
            jobs.push(if name == "kube-state-metrics" { job.honouring() } else { job });
            pages.push(page);
        }

        let inner = Prometheus::configured(
            Fixture::of(&[("prometheus.yml", "rule_files: [rules.yml]\n"), ("rules.yml", A_RULE)]),
            Vec::new(),
        );
        let seen = ["cluster: test", ""].map(|labels| (inner.address(), labels.to_owned()));
        jobs.push(Scraped { name: "prometheus", targets: seen.into(), further: String::new() });

        let prometheus = Prometheus::configured(configuration(&jobs), counted(&jobs));
        prometheus.wait_until_up();
        let logs = Mutex::new(logs);
        Self {
            prometheus,
            _inner: inner,
            httpd,
            logstash,
            logs,
            programs,
            blackbox,
            pages,
            _pki: pki,
            _dead: dead,
            _node: node,
        }
    }

    /// Lets the applications have done more since the start: the larger `times`, the more. Of Logstash's pipelines `audit`
    /// passes events on while its queue fills, `main` only takes them.
    #[track_caller]
    pub fn stir(&self, times: u64) {
        self.httpd.load(5, 1);
        for log in self.logs.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            log.say("level=info all is well");
            log.say("level=error an error");
            log.write(format!("no record of {times} messages\n"));
        }
        self.pages.iter().for_each(|page| page.grow(times));
        self.logstash.twist(STATS, |stats| {
            let stalled = stats["pipelines"]["main"]["events"]["out"].take();
            grow(stats, times);
            stats["pipelines"]["main"]["events"]["out"] = stalled;
        });
        self.logstash.twist(HEALTH, |health| {
            let main = &mut health["indicators"]["pipelines"]["indicators"]["main"];
            main["status"] = json!("yellow");
            main["diagnosis"] =
                json!([{"id": "logstash:health:pipeline:flow:worker_utilization:diagnosis:5m-nearly-blocked"}]);
        });
    }

    /// Whether the prober may ping here.
    #[track_caller]
    pub fn may_ping(&self) -> bool {
        self.blackbox.probe("ping", "127.0.0.1").was_permitted()
    }

    /// The pages of all our programs, one after the other.
    #[track_caller]
    pub fn own_pages(&self) -> String {
        let programs = self.programs.iter().chain([self.blackbox.program()]);
        programs.map(|program| program.get("/metrics").text()).collect()
    }
}

/// Two containers that write a log, and what counts them.
#[track_caller]
fn logs() -> (Node, Vec<Log>, Running) {
    let node = Node::new();
    let logs = ["web-0", "web-1"].map(|pod| node.container("web", pod, "0a", "app"));
    let patterns = format!("--config.file={}", manifests::path("base/log-exporter/patterns.yml").display());
    let exporter = node.exporter(&[&node.state_flag(), &patterns]);
    (node, logs.into(), exporter)
}

/// Adds to every counter of a Logstash, and fills its queues.
fn grow(document: &mut Value, times: u64) {
    match document {
        Value::Object(members) => {
            for (name, member) in members {
                let now = member.as_u64();
                match (name.as_str(), now) {
                    ("in" | "out" | "filtered" | "writes_in", Some(now)) => *member = json!(now + 300 * times),
                    (
                        "duration_in_millis" | "queue_push_duration_in_millis" | "collection_time_in_millis",
                        Some(now),
                    ) => {
                        *member = json!(now + 40 * times);
                    }
                    ("queue_size_in_bytes", Some(now)) if now > 0 => *member = json!(400_000_000 + 1_000_000 * times),
                    _ => grow(member, times),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| grow(item, times)),
        _ => {}
    }
}

fn pod(namespace: &str, app: &str, node: &str) -> String {
    format!("cluster: test, namespace: {namespace}, pod: {app}-{node}, node: {node}, app: {app}")
}

/// How the golden tests run node-exporter over a tree.
fn machine_flags(name: &str) -> Vec<String> {
    let tree = repository().join("node-exporter/tests/fixtures").join(name);
    let at = |folder: &str| tree.join(folder).display().to_string();
    let flags = fs::read_to_string(tree.join("flags")).expect("a fixture has flags");
    let own = flags.lines().map(|flag| flag.replace("{tree}", &tree.display().to_string()));
    let paths = [
        format!("--path.procfs={}", at("proc")),
        format!("--path.sysfs={}", at("sys")),
        format!("--path.udev.data={}", at("udev")),
    ];
    paths.into_iter().chain(own).collect()
}

fn repository() -> PathBuf {
    manifests::folder().join("..")
}

/// Probes of each kind, of things that answer and of one that does not.
fn probes(prober: SocketAddr, httpd: &Httpd, dead: SocketAddr) -> Vec<Scraped> {
    let page = format!("http://{}/index.html", httpd.address());
    let secure = format!("https://localhost:{}/index.html", httpd.secure_address().port());
    let job = |name: &'static str, module: &str, targets: &[String]| {
        let further = format!(
            "    metrics_path: /probe\n    params: {{module: [{module}]}}\n    relabel_configs:\n    \
             - {{source_labels: [__param_target], target_label: instance}}\n"
        );
        let labels = |target: &String| format!("__param_target: '{target}', service: shop");
        let targets = targets.iter().map(|target| (prober, labels(target))).collect();
        Scraped { name, targets, further }
    };
    vec![
        job("blackbox-http", "http_2xx", &[page, secure, format!("http://{dead}/")]),
        job("blackbox-ping", "ping", &["127.0.0.1".to_owned()]),
    ]
}

/// A page of `tests/fixtures/site`, whose values may be written `start+step`.
#[derive(Debug)]
struct Page {
    upstream: Upstream,
    text: String,
}

impl Page {
    #[track_caller]
    fn start(file: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/site").join(file);
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let page = Self { upstream: Upstream::start(Answer::text("")), text };
        page.grow(0);
        page
    }

    /// Shows each value `times` steps after its start.
    fn grow(&self, times: u64) {
        let grown = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            let (start, step) = value.split_once('+')?;
            let (start, step): (u64, u64) = (start.parse().ok()?, step.parse().ok()?);
            Some(format!("{series} {}", start + step * times))
        };
        let lines = self.text.lines().map(|line| grown(line).unwrap_or_else(|| line.to_owned()));
        let text: String = lines.flat_map(|line| [line, "\n".to_owned()]).collect();
        self.upstream.set(Answer::ok("text/plain; version=0.0.4", text));
    }
}

fn counted(jobs: &[Scraped]) -> Vec<(String, usize)> {
    jobs.iter().map(|job| (job.name.to_owned(), job.targets.len())).collect()
}

/// `prometheus.yml` beside the rules as they are committed, evaluated each second.
#[track_caller]
fn configuration(jobs: &[Scraped]) -> Fixture {
    let mut text = "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n\
         rule_files: ['rules/*.yml']\nscrape_configs:\n"
        .to_owned();
    for job in jobs {
        let _ = writeln!(text, "  - job_name: {}\n{}    static_configs:", job.name, job.further);
        for (address, labels) in &job.targets {
            let _ = writeln!(text, "    - {{targets: ['{address}'], labels: {{{labels}}}}}");
        }
    }
    let mut storage = Fixture::new().file("prometheus.yml", text);
    storage = storage.file("rules/inventory-of-the-site.yml", INVENTORY);
    for path in manifests::files("monitoring-server/prometheus/rules", &["yml"]) {
        let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
        storage = storage.file(format!("rules/{name}"), fs::read(&path).expect("a listed file can be read"));
    }
    storage
}
