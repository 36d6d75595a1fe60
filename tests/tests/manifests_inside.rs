//! Prometheus in the cluster, with the configuration of `manifests/base/prometheus`: what it finds, what it keeps of it,
//! and what of it can be had from outside.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use exporter_tests::kubernetes::{
    Cluster, KUBE_STATE_METRICS, Rights, add_address, pod, prometheus_knows_kubernetes, service, slice, template,
};
use exporter_tests::manifests;
use exporter_tests::namespace::entered_alone;
use exporter_tests::prometheus::{Prometheus, Vector};
use exporter_tests::running::Running;
use exporter_tests::upstream::{Answer, Upstream};
use serde_json::Value;

/// The rights that the manifests give to Prometheus.
#[track_caller]
fn rights() -> Rights {
    let rbac = manifests::documents("rbac.yaml", &manifests::text("base/prometheus/rbac.yaml"));
    Rights::of(&rbac, "monitoring", "prometheus")
}

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
    let mut cluster = Cluster::start(rights());
    cluster.add_node("node-1", "10.0.0.11");
    cluster.add_node("node-2", "fd00::12");
    let name = [("app.kubernetes.io/name", "kube-state-metrics")];
    let _metrics = page("10.1.0.8:8080", KUBE_STATE_METRICS);
    let _telemetry = page("10.1.0.8:8081", "telemetry 1\n");
    let _false_one = page("10.1.0.9:8080", "kube_node_info{node=\"forged\"} 1\n");
    for (namespace, at) in [("monitoring", "10.1.0.8"), ("tenant", "10.1.0.9")] {
        cluster.apply(service(namespace, "kube-state-metrics", &name, &[]));
        let ports = [("metrics", 8080), ("telemetry", 8081)];
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

    assert_eq!(cluster.refused(), Default::default());
    if prometheus_knows_kubernetes() {
        for resource in ["endpointslices", "nodes", "pods", "services"] {
            assert!(cluster.allowed().contains(&format!("watch {resource}")), "{resource}: {:?}", cluster.allowed());
        }
    }
    prometheus.has_no_complaints();
}
