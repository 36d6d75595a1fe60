//! Prometheus in the cluster, with the configuration of `manifests/base/prometheus`: what it finds, what it keeps of it,
//! and what of it can be had from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::net::{IpAddr, SocketAddr};

use exporter_tests::logs::Node;
use exporter_tests::manifests;
use exporter_tests::manifests::kubernetes::{
    Cluster, KUBE_STATE_METRICS, Rights, add_address, pod, prometheus_knows_kubernetes, service, slice, template,
};
use exporter_tests::manifests::rendering::{Rendering, items, strings, text};
use exporter_tests::namespace::entered_alone;
use exporter_tests::prometheus::{Prometheus, Vector};
use exporter_tests::running::Running;
use exporter_tests::upstream::{Answer, Upstream};
use serde_json::Value;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// An HTTP server with one page, on an address that is added to this network.
#[track_caller]
fn page(address: &str, page: &str) -> Upstream {
    let address: SocketAddr = address.parse().expect("an address");
    add_address(address.ip());
    Upstream::start_on(address, Answer::text(page))
}

/// The template of a workload of our manifests.
#[track_caller]
fn template_of(rendering: &str, kind: &str, name: &str) -> Value {
    let rendering = Rendering::of(rendering);
    let workload = rendering.of_kind(kind).find(|object| object["metadata"]["name"] == name);
    workload.unwrap_or_else(|| panic!("no {kind} {name} in {}", rendering.name))["spec"]["template"].clone()
}

/// Runs an exporter of ours as its container says, at the address of its pod.
#[track_caller]
fn exporter(name: &str, pod: &Value) -> Running {
    let containers = items(&pod["spec"], "initContainers").chain(items(&pod["spec"], "containers"));
    let container = containers.into_iter().find(|container| text(container, "name") == name).expect("it is in the pod");
    let at = ip(text(&pod["status"], "podIP"));
    add_address(at);
    let mut args: Vec<String> = items(container, "args").filter_map(Value::as_str).map(ToOwned::to_owned).collect();
    for arg in &mut args {
        // The host is not mounted anywhere: this is it.
        *arg = arg.replace("$(NODE_IP)", &at.to_string()).replace("=/host/", "=/").replace("=/host", "=/");
    }
    if !args.iter().any(|arg| arg.starts_with("--web.listen-address")) {
        // By default it is everywhere; in this network that is in every pod. The brackets do no harm to IPv4.
        args.push(format!("--web.listen-address=[{at}]:{}", container["ports"][0]["containerPort"]));
    }
    let environment: Vec<(&str, &OsStr)> = items(container, "env")
        .filter_map(|variable| Some((text(variable, "name"), OsStr::new(variable["value"].as_str()?))))
        .collect();
    Running::start_with(name, &args, &environment)
}

/// Panics when a URL is scraped under two names.
#[track_caller]
fn nothing_is_scraped_twice(prometheus: &Prometheus) {
    let targets = prometheus.api("/api/v1/targets?state=active").expect("targets");
    let mut urls: Vec<&str> = items(&targets, "activeTargets").map(|target| text(target, "scrapeUrl")).collect();
    urls.sort_unstable();
    let all = urls.clone();
    urls.dedup();
    assert_eq!(urls, all);
}

/// The single series of a query, once it is there.
#[track_caller]
fn one(prometheus: &Prometheus, query: &str) -> BTreeMap<String, String> {
    prometheus.wait_until(query, |found| found.len() == 1).remove(0).0
}

/// Waits until the query's series have these values of a label, sorted and with repetitions.
#[track_caller]
fn becomes(prometheus: &Prometheus, query: &str, label: &str, wanted: &[&str]) -> Vector {
    prometheus.wait_until(query, |found| values(found, label) == wanted)
}

fn values<'a>(found: &'a Vector, label: &str) -> Vec<&'a str> {
    let mut values: Vec<&str> = found.iter().map(|(labels, _)| labels.get(label).map_or("", String::as_str)).collect();
    values.sort_unstable();
    values
}

/// Panics unless the labels are these and no others.
#[track_caller]
fn has_labels(found: &BTreeMap<String, String>, wanted: &[(&str, &str)]) {
    let found: Vec<(&str, &str)> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(found, wanted);
}

#[test]
fn the_control_plane_and_the_nodes_are_found() {
    if !entered_alone("the_control_plane_and_the_nodes_are_found") {
        return;
    }
    let mut cluster = Cluster::start(Rights::of_prometheus());
    cluster.add_node("node-1", "10.0.0.11");
    cluster.add_node("node-2", "fd00::12");
    let ours = manifests::document("base/kube-state-metrics/service.yaml");
    let labels: Vec<(&str, &str)> = strings(&ours["metadata"]["labels"]).into_iter().collect();
    let ports = items(&ours["spec"], "ports").map(|port| (text(port, "name"), port["port"].as_u64()));
    let ports: Vec<(&str, u16)> = ports.filter_map(|(name, port)| Some((name, u16::try_from(port?).ok()?))).collect();
    let _metrics = page("10.1.0.8:8080", KUBE_STATE_METRICS);
    let _telemetry = page("10.1.0.8:8081", "telemetry 1\n");
    let _false_one = page("10.1.0.9:8080", "kube_node_info{node=\"forged\"} 1\n");
    for (namespace, at) in [("monitoring", "10.1.0.8"), ("tenant", "10.1.0.9")] {
        cluster.apply(service(namespace, "kube-state-metrics", &labels, &[]));
        cluster.apply(slice((namespace, "kube-state-metrics"), &[(ip(at), None)], &ports));
    }
    let prometheus = cluster.prometheus("test");

    // Everything that has to be there, once, with the labels that dashboards go by.
    for job in ["kubernetes-nodes", "kubernetes-cadvisor", "kubernetes-probes"] {
        for label in ["node", "instance"] {
            becomes(&prometheus, &format!("up{{job={job:?}}} == 1"), label, &["node-1", "node-2"]);
        }
    }
    becomes(&prometheus, "up{job='kubernetes-apiservers'} == 1", "instance", &["10.0.0.2:6443"]);
    becomes(&prometheus, "up{job='kube-state-metrics'} == 1", "instance", &["10.1.0.8:8080"]);
    let own = one(&prometheus, "up{job='prometheus'} == 1");
    has_labels(&own, &[("instance", "prometheus"), ("job", "prometheus")]);
    prometheus.wait_until("count(up)", |found| found.len() == 1 && found[0].1 == 9.0);

    // What is kept of their pages.
    let kept = |job: &str| {
        let query = format!("count by (__name__) ({{job={job:?}, __name__!~'up|scrape_.*'}})");
        // `__name__` is no label of what the harness reads, so the names are asked for by another.
        let query = format!("label_replace({query}, 'family', '$1', '__name__', '(.*)')");
        let found = prometheus.query(&query).expect("a query");
        values(&found, "family").into_iter().map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        kept("kubernetes-apiservers"),
        [
            "apiserver_current_inflight_requests",
            "apiserver_request_duration_seconds_bucket",
            "apiserver_request_duration_seconds_count",
            "apiserver_request_duration_seconds_sum",
            "apiserver_request_total",
            "process_cpu_seconds_total"
        ]
    );
    let buckets = prometheus.query("apiserver_request_duration_seconds_bucket").expect("a query");
    assert_eq!(values(&buckets, "verb"), ["LIST"; 3]);
    assert_eq!(
        kept("kubernetes-nodes"),
        [
            "kubelet_node_name",
            "kubelet_pleg_relist_duration_seconds_count",
            "kubelet_pleg_relist_duration_seconds_sum",
            "kubelet_running_pods",
            "kubelet_volume_stats_available_bytes",
            "kubelet_volume_stats_capacity_bytes",
            "process_resident_memory_bytes"
        ]
    );
    assert_eq!(kept("kubernetes-probes"), ["prober_probe_total"]);
    assert_eq!(
        kept("kubernetes-cadvisor"),
        [
            "container_cpu_usage_seconds_total",
            "container_memory_working_set_bytes",
            "container_network_receive_bytes_total",
            "machine_cpu_cores"
        ]
    );
    // The time on cAdvisor's page is years ago: with it, nothing would be found now.
    let usage = prometheus.query("container_cpu_usage_seconds_total{node='node-1'}").expect("a query");
    assert_eq!(values(&usage, "pod"), ["apache-0"]);

    // The labels of kube-state-metrics are about what it describes.
    let ready = one(&prometheus, "kube_pod_status_ready{job='kube-state-metrics'}");
    assert_eq!((ready["namespace"].as_str(), ready["pod"].as_str()), ("apache", "apache-0"));
    let info = one(&prometheus, "kube_node_info");
    assert!(!info.contains_key("namespace") && info["node"] == "node-1", "{info:?}");

    // A node that goes takes its targets along.
    cluster.delete("Node", "", "node-1");
    becomes(&prometheus, "up{job=~'kubernetes-(nodes|cadvisor|probes)'}", "node", &["node-2"; 3]);

    assert_eq!(cluster.refused(), BTreeSet::default());
    if prometheus_knows_kubernetes() {
        for resource in ["endpointslices", "nodes", "pods", "services"] {
            assert!(cluster.allowed().contains(&format!("watch {resource}")), "{resource}: {:?}", cluster.allowed());
        }
    }
    prometheus.has_no_complaints();
}

#[test]
fn annotated_pods_are_scraped_as_they_ask() {
    if !entered_alone("annotated_pods_are_scraped_as_they_ask") {
        return;
    }
    let mut cluster = Cluster::start(Rights::of_prometheus());
    // Ours, as the manifests make them: in the host's network, beside an application, in both families.
    let daemon = template_of("overlays/cluster", "DaemonSet", "node-exporter");
    let ours = [
        ("node-exporter", pod("node-exporter", "node-exporter-1", &daemon, "node-1", ip("10.0.0.11"))),
        ("node-exporter", pod("node-exporter", "node-exporter-2", &daemon, "node-2", ip("fd00::12"))),
        (
            "apache-exporter",
            pod(
                "apache",
                "apache-0",
                &template_of("examples/apache", "Deployment", "apache"),
                "node-1",
                ip("10.1.0.21"),
            ),
        ),
        (
            "logstash-exporter",
            pod(
                "logstash",
                "logstash-0",
                &template_of("examples/logstash", "Deployment", "logstash"),
                "node-2",
                ip("fd00:1::22"),
            ),
        ),
    ];
    let _programs: Vec<Running> = ours.iter().map(|(name, pod)| exporter(name, pod)).collect();
    for (_, pod) in ours {
        cluster.apply(pod);
    }

    // Theirs, in every way in which one can ask.
    let scrape = ("prometheus.io/scrape", "true");
    let theirs = |name: &str, at: &str, annotations: &[(&str, &str)], ports: &[u16]| {
        let all: Vec<_> = [scrape].iter().chain(annotations).copied().collect();
        pod("theirs", name, &template(&all, ports), "node-1", ip(at))
    };
    let _plain = page("10.1.0.31:8000", "plain 1\n");
    cluster.apply(pod("theirs", "silent", &template(&[], &[8000]), "node-1", ip("10.1.0.31")));
    let _other = page("10.1.0.32:8000", "somebody_else 1\n");
    let mut finished = theirs("finished", "10.1.0.32", &[], &[8000]);
    finished["status"]["phase"] = "Succeeded".into();
    cluster.apply(finished);
    // Its port is not declared, and it is not ready.
    let unready_at = page("10.1.0.33:9999", "first 1\n");
    let annotations =
        [("prometheus.io/port", "9999"), ("prometheus.io/path", "/custom"), ("prometheus.io/param-which", "all")];
    let mut unready = theirs("unready", "10.1.0.33", &annotations, &[8080, 8081]);
    unready["status"]["conditions"][0]["status"] = "False".into();
    cluster.apply(unready);
    add_address(ip("10.1.0.34"));
    cluster.serve_tls("10.1.0.34:8443".parse().expect("an address"), "secure 1\n");
    cluster.apply(theirs("secure", "10.1.0.34", &[("prometheus.io/scheme", "https")], &[8443]));
    let _claims = page("10.1.0.35:8000", "claim{job=\"node-exporter\",namespace=\"kube-system\",pod=\"x\"} 1\n");
    cluster.apply(theirs("claims", "10.1.0.35", &[], &[8000]));
    let _two = [page("10.1.0.36:8001", "one 1\n"), page("10.1.0.36:8002", "two 1\n")];
    cluster.apply(theirs("two-ports", "10.1.0.36", &[], &[8001, 8002]));
    // The end of its address could be a port, and it declares none.
    let _bare = page("[fd00:1::37]:9304", "bare 1\n");
    cluster.apply(theirs("bare", "fd00:1::37", &[("prometheus.io/port", "9304")], &[]));
    // A node exporter of somebody else's, or what says so.
    let _impostor = page("10.1.0.38:9100", "imposed 1\n");
    cluster.apply(pod("theirs", "impostor", &daemon, "node-1", ip("10.1.0.38")));
    let prometheus = cluster.prometheus("test");

    let up = "up{job=~'kubernetes-pods|node-exporter'} == 1";
    let all = [
        "apache-0",
        "bare",
        "claims",
        "impostor",
        "logstash-0",
        "node-exporter-1",
        "node-exporter-2",
        "secure",
        "two-ports",
        "two-ports",
        "unready",
    ];
    becomes(&prometheus, up, "pod", &all);
    assert_eq!(prometheus.query("up{job=~'kubernetes-pods|node-exporter'}").expect("a query").len(), all.len());
    nothing_is_scraped_twice(&prometheus);

    let labels_of = |pod: &str| one(&prometheus, &format!("up{{pod={pod:?}}}"));
    let with = |app, instance, job, namespace, node, pod| {
        [("app", app), ("instance", instance), ("job", job), ("namespace", namespace), ("node", node), ("pod", pod)]
    };
    has_labels(
        &labels_of("node-exporter-1"),
        &with("node-exporter", "10.0.0.11:9100", "node-exporter", "node-exporter", "node-1", "node-exporter-1"),
    );
    assert_eq!(labels_of("node-exporter-2")["instance"], "[fd00::12]:9100");
    has_labels(
        &labels_of("apache-0"),
        &with("apache", "10.1.0.21:9117", "kubernetes-pods", "apache", "node-1", "apache-0"),
    );
    has_labels(
        &labels_of("logstash-0"),
        &with("logstash", "[fd00:1::22]:9198", "kubernetes-pods", "logstash", "node-2", "logstash-0"),
    );
    has_labels(&labels_of("bare"), &with("theirs", "[fd00:1::37]:9304", "kubernetes-pods", "theirs", "node-1", "bare"));
    becomes(&prometheus, "{__name__=~'apache_up|logstash_up'}", "app", &["apache", "logstash"]);
    becomes(&prometheus, "node_uname_info{job='node-exporter'}", "node", &["node-1", "node-2"]);
    one(&prometheus, "secure{instance='10.1.0.34:8443'}");
    assert_eq!(unready_at.last("/custom").target, "/custom?which=all");
    let claim = one(&prometheus, "claim");
    let kept = ["job", "namespace", "pod", "exported_job", "exported_namespace"].map(|name| claim[name].as_str());
    assert_eq!(kept, ["kubernetes-pods", "theirs", "claims", "node-exporter", "kube-system"]);
    assert_eq!(labels_of("impostor")["job"], "kubernetes-pods");

    // What a pod asks for can change, and it ends with the pod.
    let _moved = page("10.1.0.33:9998", "second 1\n");
    cluster.change("Pod", "theirs", "unready", |pod| {
        pod["metadata"]["annotations"]["prometheus.io/port"] = "9998".into();
        pod["metadata"]["annotations"]["prometheus.io/path"] = "/other".into();
    });
    becomes(&prometheus, "up{pod='unready'} == 1", "instance", &["10.1.0.33:9998"]);
    one(&prometheus, "second");
    cluster.delete("Pod", "apache", "apache-0");
    cluster.change("Pod", "logstash", "logstash-0", |pod| pod["status"]["phase"] = "Failed".into());
    cluster.change("Pod", "theirs", "two-ports", |pod| {
        pod["metadata"]["annotations"]["prometheus.io/scrape"] = "false".into();
    });
    let left = ["bare", "claims", "impostor", "node-exporter-1", "node-exporter-2", "secure", "unready"];
    becomes(&prometheus, up, "pod", &left);
    assert_eq!(cluster.refused(), BTreeSet::default());
    prometheus.has_no_complaints();
}

#[test]
fn counts_of_logs_have_the_labels_of_whose_logs_they_are() {
    if !entered_alone("counts_of_logs_have_the_labels_of_whose_logs_they_are") {
        return;
    }
    let mut cluster = Cluster::start(Rights::of_prometheus());
    let daemon = template_of("overlays/cluster", "DaemonSet", "log-exporter");
    let pod_of = |namespace: &str, at: &str| pod(namespace, "log-exporter-1", &daemon, "node-1", ip(at));
    let node = Node::new();
    let mut log = node.container("shop", "web-0", "0a", "app");
    add_address(ip("10.1.0.41"));
    let exporter = node.exporter(&["--web.listen-address=10.1.0.41:9144"]);
    log.say("an error");
    cluster.apply(pod_of("log-exporter", "10.1.0.41"));
    // Whoever says the same in another namespace is not believed.
    let _impostor = page("10.1.0.42:9144", "log_messages_total{namespace=\"kube-system\",pod=\"x\"} 1\n");
    cluster.apply(pod_of("theirs", "10.1.0.42"));
    let prometheus = cluster.prometheus("test");
    let up = [("app", "log-exporter"), ("instance", "10.1.0.41:9144"), ("job", "log-exporter"), ("node", "node-1")];
    has_labels(&one(&prometheus, "up{app='log-exporter'} == 1"), &up);
    let errors = one(&prometheus, "log_pattern_matches_total == 1");
    let of = ["namespace", "pod", "container", "pattern", "node", "job"].map(|name| errors[name].as_str());
    assert_eq!(of, ["shop", "web-0", "app", "error", "node-1", "log-exporter"]);
    assert_eq!(prometheus.query("log_messages_total{namespace='kube-system'}").expect("a query"), Vector::new());
    prometheus.has_no_complaints();
    drop(exporter);
}

#[test]
fn annotated_services_are_scraped_once() {
    if !entered_alone("annotated_services_are_scraped_once") {
        return;
    }
    let mut cluster = Cluster::start(Rights::of_prometheus());
    let scrape = ("prometheus.io/scrape", "true");
    let web = [scrape, ("prometheus.io/path", "/stats"), ("prometheus.io/param-which", "all")];
    // In two families, over a pod that has a port which is no business of the Service.
    let web_at = page("10.1.0.41:8000", "web 1\n");
    let _private = page("10.1.0.41:9000", "private 1\n");
    cluster.apply(pod("theirs", "web-0", &template(&[], &[8000, 9000]), "node-1", ip("10.1.0.41")));
    cluster.apply(service("theirs", "web", &[("app", "shop")], &web));
    for at in ["10.1.0.41", "fd00:1::41"] {
        cluster.apply(slice(("theirs", "web"), &[(ip(at), Some("web-0"))], &[("http", 8000)]));
    }
    // Over nothing that runs in the cluster, with another port than the users'.
    let _outside = page("[fd00:2::42]:9001", "outside 1\n");
    cluster.apply(service("theirs", "outside", &[], &[scrape, ("prometheus.io/port", "9001")]));
    cluster.apply(slice(("theirs", "outside"), &[(ip("fd00:2::42"), None)], &[("sql", 5432)]));
    // Annotated like its pod.
    let _both = page("10.1.0.43:8000", "both 1\n");
    cluster.apply(pod("theirs", "both-0", &template(&[scrape], &[8000]), "node-1", ip("10.1.0.43")));
    cluster.apply(service("theirs", "both", &[], &[scrape]));
    cluster.apply(slice(("theirs", "both"), &[(ip("10.1.0.43"), Some("both-0"))], &[("http", 8000)]));
    // Over pods of the other family alone, behind TLS, and over one that has finished and whose address is another's.
    let _six = page("[fd00:1::45]:8000", "six 1\n");
    add_address(ip("10.1.0.46"));
    cluster.serve_tls("10.1.0.46:8443".parse().expect("an address"), "secure 1\n");
    let _others = page("10.1.0.47:8000", "somebody_else 1\n");
    let https = ("prometheus.io/scheme", "https");
    for (name, at, port, further, phase) in [
        ("six", "fd00:1::45", 8000, None, "Running"),
        ("secure", "10.1.0.46", 8443, Some(https), "Running"),
        ("finished", "10.1.0.47", 8000, None, "Succeeded"),
    ] {
        let name_of_pod = format!("{name}-0");
        let mut behind = pod("theirs", &name_of_pod, &template(&[], &[port]), "node-1", ip(at));
        behind["status"]["phase"] = phase.into();
        cluster.apply(behind);
        let annotations: Vec<_> = [scrape].into_iter().chain(further).collect();
        cluster.apply(service("theirs", name, &[], &annotations));
        cluster.apply(slice(("theirs", name), &[(ip(at), Some(&name_of_pod))], &[("any", port)]));
    }
    // Not annotated.
    let _silent = page("10.1.0.44:8000", "silent 1\n");
    cluster.apply(service("theirs", "silent", &[], &[]));
    cluster.apply(slice(("theirs", "silent"), &[(ip("10.1.0.44"), None)], &[("http", 8000)]));
    // A second kube-state-metrics, as the chart of many makes it: with it every object would count twice.
    let _second = page("10.1.0.45:8080", KUBE_STATE_METRICS);
    cluster.apply(service("theirs", "second", &[("app.kubernetes.io/name", "kube-state-metrics")], &[scrape]));
    cluster.apply(slice(("theirs", "second"), &[(ip("10.1.0.45"), None)], &[("http", 8080)]));
    let prometheus = cluster.prometheus("test");

    let up = "up{job='kubernetes-service-endpoints'} == 1";
    becomes(&prometheus, up, "service", &["outside", "secure", "six", "web"]);
    becomes(&prometheus, "up{job='kubernetes-service-endpoints'}", "service", &["outside", "secure", "six", "web"]);
    has_labels(
        &one(&prometheus, "up{service='web'}"),
        &[
            ("app", "shop"),
            ("instance", "10.1.0.41:8000"),
            ("job", "kubernetes-service-endpoints"),
            ("namespace", "theirs"),
            ("node", "node-1"),
            ("pod", "web-0"),
            ("service", "web"),
        ],
    );
    assert_eq!(web_at.requests_for("/stats"), web_at.requests());
    assert_eq!(web_at.last("/stats").target, "/stats?which=all");
    assert_eq!(one(&prometheus, "six")["instance"], "[fd00:1::45]:8000");
    assert_eq!(one(&prometheus, "up{service='outside'}")["instance"], "[fd00:2::42]:9001");
    assert_eq!(one(&prometheus, "up{pod='both-0'}")["job"], "kubernetes-pods");
    nothing_is_scraped_twice(&prometheus);

    cluster.change("Service", "theirs", "silent", |service| {
        service["metadata"]["annotations"]["prometheus.io/scrape"] = "true".into();
    });
    cluster.delete("EndpointSlice", "theirs", "outside-ipv6");
    becomes(&prometheus, up, "service", &["secure", "silent", "six", "web"]);
    prometheus.has_no_complaints();
}
