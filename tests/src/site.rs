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

use crate::blackbox::Blackbox;
use crate::fixture::Fixture;
use crate::httpd::{Httpd, Mpm, Options};
use crate::logstash::{Logstash, Version};
use crate::manifests;
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
    http: {tls_config: {insecure_skip_verify: true}, fail_if_body_matches_regexp: [fatal error]}
  ping: {prober: icmp, timeout: 1s}
";

/// Everything that runs; stopped when dropped.
#[derive(Debug)]
pub struct Site {
    /// Scrapes all of it every second.
    pub prometheus: Prometheus,
    /// Probed by the blackbox exporter, and read by the apache exporter.
    pub httpd: Httpd,
    /// Read by the logstash exporter.
    pub logstash: Logstash,
    programs: Vec<Running>,
    blackbox: Blackbox,
    pages: Vec<Upstream>,
    // Refuses probes for as long as anybody might send one.
    _dead: DeadPort,
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

        let httpd = Httpd::start(Mpm::Event, &Options::default().balancer(2).tls());
        httpd.load(50, 4);
        let logstash = Logstash::start(Version::V9_4);
        let apache = Running::start("apache-exporter", &[format!("--scrape_uri={}", httpd.status_url())]);
        let beside = Running::start("logstash-exporter", &[format!("--logstash.url={}", logstash.url())]);
        jobs.push(Scraped {
            name: "kubernetes-pods",
            targets: vec![
                (apache.address(), pod("web", "apache", "living")),
                (beside.address(), pod("logs", "logstash", "living")),
            ],
            further: String::new(),
        });
        programs.extend([apache, beside]);

        let blackbox = Blackbox::start(MODULES);
        let prober = blackbox.program().address();
        jobs.push(Scraped::one("blackbox-exporter", prober, ""));
        let dead = DeadPort::new();
        jobs.extend(probes(prober, &httpd, dead.address()));

        let mut pages = Vec::new();
        for (name, file, labels) in [
            ("kube-state-metrics", "kube-state-metrics.prom", "cluster: test"),
            ("kubernetes-nodes", "kubelet.prom", "cluster: test, node: living"),
            ("kubernetes-cadvisor", "cadvisor.prom", "cluster: test, node: living"),
            ("kubernetes-apiservers", "apiserver.prom", "cluster: test"),
            ("federate", "federate.prom", "cluster: test"),
            ("grafana", "grafana.prom", ""),
        ] {
            let page = Upstream::start(page(file));
            let job = Scraped::one(name, page.address(), labels);
            jobs.push(if name == "kube-state-metrics" { job.honouring() } else { job });
            pages.push(page);
        }

        let prometheus = Prometheus::configured(configuration(&jobs), counted(&jobs));
        prometheus.wait_until_up();
        Self { prometheus, httpd, logstash, programs, blackbox, pages, _dead: dead }
    }

    /// The pages of all our programs, one after the other.
    #[track_caller]
    pub fn own_pages(&self) -> String {
        let programs = self.programs.iter().chain([self.blackbox.program()]);
        programs.map(|program| program.get("/metrics").text()).collect()
    }

    /// How many pages stand for other people's programs.
    pub fn composed_pages(&self) -> usize {
        self.pages.len()
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
    let page = format!("http://{}/", httpd.address());
    let secure = format!("https://{}/", httpd.secure_address());
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

#[track_caller]
fn page(file: &str) -> Answer {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/site").join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Answer::ok("text/plain; version=0.0.4", text)
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
    for path in manifests::files("monitoring-server/prometheus/rules", &["yml"]) {
        let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
        storage = storage.file(format!("rules/{name}"), fs::read(&path).expect("a listed file can be read"));
    }
    storage
}
