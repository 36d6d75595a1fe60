//! What a Prometheus finds in the cluster's objects: its target groups with their `__meta_kubernetes_…` labels.
//!
//! For a Prometheus that was built without Kubernetes, as Debian's is: it gets by HTTP what it would have found by itself.
//! That this is the same is shown wherever a Prometheus with Kubernetes is at hand.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::rbac::items;
use super::store::{Kind, Scope, Store};

type Labels = BTreeMap<String, String>;

/// The targets of a role in one namespace or in all, each a group of its own.
pub(super) fn targets(store: &Store, role: &str, namespace: Option<&str>) -> Vec<Labels> {
    let all = |resource: &str| {
        let kind = Kind::ALL.iter().find(|kind| kind.resource == resource).expect("it is kept");
        store.all(&Scope { kind, namespace: namespace.map(ToOwned::to_owned), name: None })
    };
    match role {
        "node" => all("nodes").iter().map(node).collect(),
        "pod" => all("pods").iter().flat_map(pod).collect(),
        "endpointslice" => {
            let (services, pods) = (all("services"), all("pods"));
            all("endpointslices").iter().flat_map(|found| slice(found, &services, &pods)).collect()
        }
        other => panic!("no discovery of role {other:?} here"),
    }
}

/// The same in the form of discovery by HTTP.
pub(super) fn groups(store: &Store, role: &str, namespace: Option<&str>) -> Value {
    let group = |mut labels: Labels| {
        let address = labels.remove("__address__");
        json!({"targets": [address], "labels": labels})
    };
    targets(store, role, namespace).into_iter().map(group).collect()
}

fn node(node: &Value) -> Labels {
    let name = text(&node["metadata"]["name"]);
    let mut labels = Labels::from([
        // The kubelet's port comes from the node's status.
        (
            "__address__".to_owned(),
            address(&node_address(node), &node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]),
        ),
        ("__meta_kubernetes_node_name".to_owned(), name.clone()),
        ("instance".to_owned(), name),
    ]);
    add_metadata(&mut labels, "node", node);
    labels
}

fn node_address(node: &Value) -> String {
    let internal = items(&node["status"]["addresses"]).find(|address| address["type"] == "InternalIP");
    text(&internal.expect("each node has an internal address")["address"])
}

fn pod(pod: &Value) -> Vec<Labels> {
    if text(&pod["status"]["podIP"]).is_empty() {
        return Vec::new();
    }
    let of_pod = pod_labels(pod, true);
    let ip = text(&pod["status"]["podIP"]);
    let of_container = |(container, init): (&Value, bool)| {
        let mut labels = of_pod.clone();
        labels.insert("__meta_kubernetes_pod_container_name".to_owned(), text(&container["name"]));
        labels.insert("__meta_kubernetes_pod_container_init".to_owned(), init.to_string());
        let portless = || {
            let mut labels = labels.clone();
            labels.insert("__address__".to_owned(), ip.clone());
            labels
        };
        let with_port = |port: &Value| {
            let mut labels = labels.clone();
            labels.insert("__address__".to_owned(), address(&ip, &port["containerPort"]));
            add_port(&mut labels, port);
            labels
        };
        let with_ports: Vec<Labels> = items(&container["ports"]).map(with_port).collect();
        if with_ports.is_empty() { vec![portless()] } else { with_ports }
    };
    containers(pod).flat_map(of_container).collect()
}

fn slice(slice: &Value, services: &[Value], pods: &[Value]) -> Vec<Labels> {
    let namespace = &slice["metadata"]["namespace"];
    let mut of_slice = Labels::from([
        ("__meta_kubernetes_namespace".to_owned(), text(namespace)),
        ("__meta_kubernetes_endpointslice_address_type".to_owned(), text(&slice["addressType"])),
    ]);
    let its_service = &slice["metadata"]["labels"]["kubernetes.io/service-name"];
    let named = |service: &&Value| {
        service["metadata"]["name"] == *its_service && service["metadata"]["namespace"] == *namespace
    };
    if let Some(service) = services.iter().find(named) {
        of_slice.insert("__meta_kubernetes_service_name".to_owned(), text(its_service));
        add_metadata(&mut of_slice, "service", service);
    }
    let mut found = Vec::new();
    let mut behind: Vec<(&Value, Vec<&Value>)> = Vec::new();
    for port in items(&slice["ports"]) {
        for endpoint in items(&slice["endpoints"]) {
            for ip in items(&endpoint["addresses"]) {
                let mut labels = of_slice.clone();
                labels.insert("__address__".to_owned(), address(&text(ip), &port["port"]));
                labels.insert("__meta_kubernetes_endpointslice_port".to_owned(), port["port"].to_string());
                labels.insert("__meta_kubernetes_endpointslice_port_name".to_owned(), text(&port["name"]));
                let ready = endpoint["conditions"]["ready"].to_string();
                labels.insert("__meta_kubernetes_endpointslice_endpoint_conditions_ready".to_owned(), ready);
                let target = &endpoint["targetRef"]["name"];
                let named =
                    |pod: &&Value| pod["metadata"]["name"] == *target && pod["metadata"]["namespace"] == *namespace;
                if let Some(pod) = pods.iter().find(named) {
                    labels.extend(pod_labels(pod, false));
                    match behind.iter_mut().find(|(seen, _)| seen["metadata"]["uid"] == pod["metadata"]["uid"]) {
                        Some((_, ports)) => ports.push(&port["port"]),
                        None => behind.push((pod, vec![&port["port"]])),
                    }
                }
                found.push(labels);
            }
        }
    }
    // The other ports of the pods behind it.
    for (pod, seen) in behind {
        let ip = text(&pod["status"]["podIP"]);
        for (container, _) in containers(pod) {
            for port in items(&container["ports"]).filter(|port| !seen.contains(&&port["containerPort"])) {
                let mut labels = of_slice.clone();
                labels.extend(pod_labels(pod, false));
                labels.insert("__address__".to_owned(), address(&ip, &port["containerPort"]));
                labels.insert("__meta_kubernetes_pod_container_name".to_owned(), text(&container["name"]));
                add_port(&mut labels, port);
                found.push(labels);
            }
        }
    }
    found
}

fn containers(pod: &Value) -> impl Iterator<Item = (&Value, bool)> {
    let ordinary = items(&pod["spec"]["containers"]).map(|container| (container, false));
    ordinary.chain(items(&pod["spec"]["initContainers"]).map(|container| (container, true)))
}

fn pod_labels(pod: &Value, with_namespace: bool) -> Labels {
    let (spec, status) = (&pod["spec"], &pod["status"]);
    let ready = items(&status["conditions"]).find(|condition| condition["type"] == "Ready");
    let ready = ready.map_or("unknown".to_owned(), |ready| text(&ready["status"]).to_lowercase());
    let label = |name: &str, value: String| (format!("__meta_kubernetes_pod_{name}"), value);
    let mut labels = Labels::from([
        label("name", text(&pod["metadata"]["name"])),
        label("ip", text(&status["podIP"])),
        label("ready", ready),
        label("phase", text(&status["phase"])),
        label("node_name", text(&spec["nodeName"])),
        label("host_ip", text(&status["hostIP"])),
        label("uid", text(&pod["metadata"]["uid"])),
    ]);
    if with_namespace {
        labels.insert("__meta_kubernetes_namespace".to_owned(), text(&pod["metadata"]["namespace"]));
    }
    add_metadata(&mut labels, "pod", pod);
    labels
}

fn add_port(labels: &mut Labels, port: &Value) {
    labels.insert("__meta_kubernetes_pod_container_port_name".to_owned(), text(&port["name"]));
    labels.insert("__meta_kubernetes_pod_container_port_number".to_owned(), port["containerPort"].to_string());
}

fn add_metadata(labels: &mut Labels, of: &str, object: &Value) {
    for (kind, field) in [("label", "labels"), ("annotation", "annotations")] {
        for (name, value) in object["metadata"][field].as_object().into_iter().flatten() {
            let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
            labels.insert(format!("__meta_kubernetes_{of}_{kind}_{name}"), text(value));
            labels.insert(format!("__meta_kubernetes_{of}_{kind}present_{name}"), "true".to_owned());
        }
    }
}

fn address(ip: &str, port: &Value) -> String {
    match ip.parse() {
        Ok(IpAddr::V6(ip)) => format!("[{ip}]:{port}"),
        _ => format!("{ip}:{port}"),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
