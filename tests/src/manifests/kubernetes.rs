//! A stand-in for a Kubernetes cluster, as a Prometheus inside of it sees it.
//!
//! An API server lists and watches [`Cluster::apply`]'s objects over TLS, and each node has a kubelet. Both want the token
//! that is mounted where a pod finds it, and both refuse what the ClusterRoles of our own manifests do not allow. All of
//! it lives in a network and mount namespace of its own ([`crate::namespace::entered_alone`]), whose loopback has the
//! addresses of nodes and pods, so that everything listens where the objects say.
//!
//! Prometheus itself is the real one, with our configuration: [`Cluster::prometheus`].

mod api;
mod authority;
mod discovery;
mod gate;
mod objects;
mod rbac;
mod server;
mod store;

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::body::Incoming;
use hyper::{Request, Uri};
use rustix::mount::{MountFlags, mount};
use serde_json::{Value, json};

use crate::fixture::Fixture;
use crate::manifests;
use crate::prometheus::Prometheus;
use crate::tools::{run, tool};
pub use authority::Authority;
pub use gate::Gate;
pub use objects::{pod, service, slice, template};
pub use rbac::{Rights, Wants};
use server::{Handler, Reply, Said, Server};
use store::Store;

/// Where the API is found by its Service, and the certificate says so.
const API: &str = "10.96.0.1:443";
/// Where the API server is, which its certificate does not mention.
const API_SERVER: &str = "10.0.0.2:6443";
/// Discovery for a Prometheus without Kubernetes.
const DISCOVERY: &str = "127.0.0.1:8001";

const KUBELET_PORT: u16 = 10250;
const TOKEN: &str = "the.prometheus.token";
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// What the pages of the control plane say.
const PAGES: &[(&str, &str)] = &[
    ("apiserver", include_str!("kubernetes/pages/apiserver.prom")),
    ("/metrics", include_str!("kubernetes/pages/kubelet.prom")),
    ("/metrics/cadvisor", include_str!("kubernetes/pages/cadvisor.prom")),
    ("/metrics/probes", include_str!("kubernetes/pages/probes.prom")),
];

/// The page of a kube-state-metrics.
pub const KUBE_STATE_METRICS: &str = include_str!("kubernetes/pages/kube-state-metrics.prom");

/// A running cluster; everything of it ends when it is dropped.
pub struct Cluster {
    shared: Arc<Shared>,
    servers: Vec<Server>,
}

struct Shared {
    store: Store,
    rights: Rights,
    authority: Authority,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    allowed: BTreeSet<String>,
    refused: BTreeSet<String>,
    /// Paths and queries about resources, in their order.
    asked: Vec<String>,
}

impl Cluster {
    /// Starts the API with itself in it, for an account with these rights in the namespace `monitoring`.
    #[track_caller]
    pub fn start(rights: Rights) -> Self {
        mount("run", "/run", "tmpfs", MountFlags::NODEV, None).expect("the mount namespace is ours");
        let authority = Authority::new("cluster");
        fs::create_dir_all(ACCOUNT).expect("/run is ours");
        for (file, content) in [("token", TOKEN), ("ca.crt", &authority.pem()), ("namespace", "monitoring")] {
            fs::write(Path::new(ACCOUNT).join(file), content).expect("/run is ours");
        }
        run(Command::new(tool("ip")).args(["link", "set", "lo", "up"]));
        let shared = Arc::new(Shared { store: Store::default(), rights, authority, seen: Mutex::default() });
        let mut cluster = Self { shared, servers: Vec::new() };
        for address in [API, API_SERVER] {
            let address: SocketAddr = address.parse().expect("an address");
            add_address(address.ip());
            let tls = cluster.shared.authority.server(&["kubernetes.default.svc", "10.96.0.1"]);
            cluster.serve(address, Some(tls), |shared, request| shared.api(request));
        }
        cluster.serve(DISCOVERY.parse().expect("an address"), None, |shared, request| shared.discovery(request));
        let api_server: SocketAddr = API_SERVER.parse().expect("an address");
        cluster.apply(service("default", "kubernetes", &[], &[]));
        cluster.apply(slice(("default", "kubernetes"), &[(api_server.ip(), None)], &[("https", api_server.port())]));
        cluster
    }

    /// Adds a node with its kubelet, whose certificate nobody but itself has signed, as it is in most clusters.
    #[track_caller]
    pub fn add_node(&mut self, name: &str, ip: &str) {
        let at: IpAddr = ip.parse().expect("an address");
        add_address(at);
        let tls = Authority::new(name).server(&[name]);
        self.serve(SocketAddr::new(at, KUBELET_PORT), Some(tls), |shared, request| shared.kubelet(request));
        self.apply(objects::node(name, at));
    }

    /// Adds an object, or replaces the one of the same name.
    #[track_caller]
    pub fn apply(&self, object: Value) {
        self.shared.store.apply(object);
    }

    /// Replaces an object by what `change` makes of it.
    #[track_caller]
    pub fn change(&self, kind: &str, namespace: &str, name: &str, change: impl FnOnce(&mut Value)) {
        let mut object = self.shared.store.get(kind, namespace, name);
        change(&mut object);
        self.apply(object);
    }

    /// Removes an object.
    #[track_caller]
    pub fn delete(&self, kind: &str, namespace: &str, name: &str) {
        self.shared.store.delete(kind, namespace, name);
    }

    /// Serves a page over TLS under any path, with a certificate that nobody knows.
    #[track_caller]
    pub fn serve_tls(&mut self, address: SocketAddr, page: &'static str) {
        let tls = Authority::new("nobody").server(&["localhost"]);
        self.serve(address, Some(tls), move |_, _| metrics(page));
    }

    /// Ends all watches, as an API server does after some minutes: not without a last bookmark for who wants them.
    pub fn end_watches(&self) {
        self.shared.store.end_watches(true);
    }

    /// Ends all watches without a word, as an API server does that goes down.
    pub fn cut_watches(&self) {
        self.shared.store.end_watches(false);
    }

    /// Forgets what changed so far, as an API server does after some minutes: who watches from before has to list anew.
    pub fn forget(&self) {
        self.shared.store.forget();
    }

    /// Paths and queries that were allowed and about resources, in their order.
    pub fn asked(&self) -> Vec<String> {
        self.shared.seen().asked.clone()
    }

    /// What was allowed so far: verb and resource or path.
    pub fn allowed(&self) -> BTreeSet<String> {
        self.shared.seen().allowed.clone()
    }

    /// What was refused so far.
    pub fn refused(&self) -> BTreeSet<String> {
        self.shared.seen().refused.clone()
    }

    /// Starts Prometheus as the StatefulSet does, with the configuration of the manifests, in the cluster `cluster`.
    ///
    /// What is different: paths, one second between scrapes, and what this Prometheus is too old for.
    #[track_caller]
    pub fn prometheus(&self, cluster: &str) -> Prometheus {
        let text = manifests::text("base/prometheus/prometheus.yml");
        let files = Fixture::new()
            .file("prometheus.yml", configuration(&text))
            .file("rules.yml", manifests::text("base/prometheus/rules.yml"));
        self.start_prometheus(&manifests::document("base/prometheus/statefulset.yaml"), files, cluster)
    }

    /// The same with another configuration, taken as it is.
    #[track_caller]
    pub fn prometheus_with(&self, configuration: &str) -> Prometheus {
        let files = Fixture::new().file("prometheus.yml", configuration);
        self.start_prometheus(&manifests::document("base/prometheus/statefulset.yaml"), files, "test")
    }

    /// Starts the first container of a StatefulSet of Prometheus; `files` are what it has in /etc/prometheus.
    #[track_caller]
    pub fn start_prometheus(&self, stateful_set: &Value, files: Fixture, cluster: &str) -> Prometheus {
        let mut command = Command::new(tool("prometheus"));
        command
            .args(prometheus_args(stateful_set).iter().map(|arg| match arg.split_once('=') {
                Some((flag @ "--config.file", _)) => files.flag(flag, "prometheus.yml"),
                Some((flag @ ("--storage.tsdb.path" | "--storage.agent.path"), _)) => files.flag(flag, "data"),
                _ => arg.clone(),
            }))
            .env("CLUSTER", cluster);
        Prometheus::started_by(in_pod(&mut command), files, Vec::new())
    }

    /// kubectl in the place of Prometheus: how to reach the API and who it is, it finds in the same way. `home` is for
    /// what it keeps.
    #[track_caller]
    pub fn kubectl(&self, home: &Fixture) -> Command {
        let mut command = Command::new(tool("kubectl"));
        command.env_clear().env("HOME", home.root());
        in_pod(&mut command);
        command
    }

    /// What a Prometheus without Kubernetes is told of a role: the labels of each target before relabelling.
    pub fn discovered(&self, role: &str, namespace: Option<&str>) -> Vec<std::collections::BTreeMap<String, String>> {
        discovery::targets(&self.shared.store, role, namespace)
    }

    #[track_caller]
    fn serve(
        &mut self,
        address: SocketAddr,
        tls: Option<Arc<rustls::ServerConfig>>,
        answer: impl Fn(&Shared, &Request<Incoming>) -> Reply + Send + Sync + 'static,
    ) {
        let shared = Arc::clone(&self.shared);
        let handler: Handler = Arc::new(move |request| answer(&shared, request));
        self.servers.push(Server::start(address, tls, handler));
    }
}

impl Shared {
    fn kubelet(&self, request: &Request<Incoming>) -> Reply {
        if !has_token(request) {
            return refusal(401);
        }
        let path = request.uri().path();
        // What a kubelet asks the API server about the path.
        let resource = if path.starts_with("/metrics") { "nodes/metrics" } else { "nodes/proxy" };
        if !self.may(Wants::Resource("get", "", resource)) {
            return refusal(403);
        }
        if PAGES.iter().any(|(known, _)| *known == path) { metrics(page(path)) } else { refusal(404) }
    }

    fn discovery(&self, request: &Request<Incoming>) -> Reply {
        let query = request.uri().query().unwrap_or_default();
        let parameter = |name: &str| {
            query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .find(|(known, _)| *known == name)
                .map(|(_, value)| value)
        };
        json(&discovery::groups(&self.store, parameter("role").unwrap_or_default(), parameter("namespace")))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // A poisoned lock means that a test already failed.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, asked: &Uri) {
        self.seen().asked.push(asked.to_string());
    }

    fn may(&self, wants: Wants<'_>) -> bool {
        let allowed = self.rights.allow(wants);
        let said = match wants {
            Wants::Resource(verb, _, what) | Wants::Path(verb, what) => format!("{verb} {what}"),
        };
        let mut seen = self.seen();
        if allowed {
            seen.allowed.insert(said)
        } else {
            seen.refused.insert(said)
        };
        allowed
    }
}

/// What a kubelet puts into the environment of each container.
fn in_pod(command: &mut Command) -> &mut Command {
    let (host, port) = API.split_once(':').expect("an address");
    command.env("KUBERNETES_SERVICE_HOST", host).env("KUBERNETES_SERVICE_PORT", port)
}

/// Whether the installed Prometheus was built with discovery in Kubernetes; Debian's was not.
#[track_caller]
pub fn prometheus_knows_kubernetes() -> bool {
    let nonsense = "scrape_configs: [{job_name: a, kubernetes_sd_configs: [{role: nobody}]}]\n";
    let folder = Fixture::new().file("prometheus.yml", nonsense);
    let output = Command::new(tool("prometheus")).arg(folder.flag("--config.file", "prometheus.yml")).output();
    let output = output.expect("prometheus starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("parsing YAML file"), "prometheus takes a role that does not exist:\n{said}");
    !said.contains("field kubernetes_sd_configs not found")
}

/// A configuration of ours as the installed Prometheus can run it against a [`Cluster`], once a second.
#[track_caller]
pub fn configuration(text: &str) -> String {
    let quick = text.replacen("\n  scrape_interval: 30s\n", "\n  scrape_interval: 1s\n", 1);
    assert_ne!(text, quick, "the interval is not where it was");
    let quick = manifests::for_this_prometheus(&quick);
    if prometheus_knows_kubernetes() { quick } else { without_kubernetes(&quick) }
}

/// The same with discovery by HTTP in place of discovery in Kubernetes.
#[track_caller]
pub fn without_kubernetes(text: &str) -> String {
    let parsed = manifests::documents("prometheus.yml", text);
    let [mut config] = <[Value; 1]>::try_from(parsed).expect("one document");
    for job in config["scrape_configs"].as_array_mut().into_iter().flatten() {
        let Some(discoveries) = job.as_object_mut().and_then(|job| job.remove("kubernetes_sd_configs")) else {
            continue;
        };
        let by_http = rbac::items(&discoveries).map(|discovery| {
            let role = discovery["role"].as_str().expect("a role");
            let own = (discovery["namespaces"]["own_namespace"] == true).then_some("monitoring");
            let namespace = discovery["namespaces"]["names"][0].as_str().or(own);
            let namespace = namespace.map_or(String::new(), |namespace| format!("&namespace={namespace}"));
            json!({"url": format!("http://{DISCOVERY}/?role={role}{namespace}"), "refresh_interval": "1s"})
        });
        job["http_sd_configs"] = by_http.collect();
    }
    // JSON is YAML.
    config.to_string()
}

/// The arguments of a StatefulSet's Prometheus, less what the installed one is too old for.
#[track_caller]
fn prometheus_args(stateful_set: &Value) -> Vec<String> {
    let container = &stateful_set["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["name"], "prometheus");
    let mut args: Vec<String> =
        rbac::items(&container["args"]).filter_map(Value::as_str).map(ToOwned::to_owned).collect();
    if manifests::prometheus_version() < (3, 0) {
        args.retain(|arg| !arg.contains("auto-reload"));
        // What every release does as of 3.0.
        args.push("--enable-feature=expand-external-labels".to_owned());
        for arg in &mut args {
            *arg = arg.replace("--agent", "--enable-feature=agent");
        }
    }
    args
}

/// Gives this network an address more, unless it has it.
#[track_caller]
pub fn add_address(ip: IpAddr) {
    let bits = if ip.is_ipv6() { 128 } else { 32 };
    // `replace` of what is there already changes nothing.
    run(Command::new(tool("ip")).args(["address", "replace", &format!("{ip}/{bits}"), "dev", "lo"]).args(
        // Otherwise it would first have to be found out that nobody else has it.
        ip.is_ipv6().then_some("nodad"),
    ));
}

fn page(name: &str) -> &'static str {
    PAGES.iter().find(|(known, _)| *known == name).map_or("", |(_, page)| page)
}

fn has_token(request: &Request<Incoming>) -> bool {
    request.headers().get("authorization").is_some_and(|said| said.as_bytes() == format!("Bearer {TOKEN}").as_bytes())
}

fn metrics(page: &'static str) -> Reply {
    Reply(200, "text/plain; version=0.0.4", Said::text(page))
}

fn json(value: &Value) -> Reply {
    Reply(200, "application/json", Said::text(value.to_string()))
}

fn refusal(code: u16) -> Reply {
    Reply(code, "text/plain", Said::text(""))
}
