//! Objects of the API, as short as discovery lets them be.

use std::net::IpAddr;

use serde_json::{Value, json};

/// A node with an address, whose kubelet listens on 10250.
pub(super) fn node(name: &str, ip: IpAddr) -> Value {
    json!({
        "kind": "Node", "apiVersion": "v1",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}},
        "status": {
            "addresses": [{"type": "InternalIP", "address": ip}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        },
    })
}

/// A running, ready pod that a controller made of its template on a node.
///
/// As `kubectl get -o json` would show it, less what nobody here looks at.
pub fn pod(namespace: &str, name: &str, template: &Value, node: &str, ip: IpAddr) -> Value {
    let mut metadata = template["metadata"].clone();
    metadata["namespace"] = namespace.into();
    metadata["name"] = name.into();
    metadata["uid"] = format!("uid-of-{namespace}-{name}").into();
    let mut spec = template["spec"].clone();
    spec["nodeName"] = node.into();
    json!({
        "kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": spec,
        "status": {
            "phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "hostIP": ip,
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    })
}

/// A template with annotations and one container with ports, for a pod that no manifest of ours is about.
pub fn template(annotations: &[(&str, &str)], ports: &[u16]) -> Value {
    let ports: Vec<Value> =
        ports.iter().map(|port| json!({"name": format!("p{port}"), "containerPort": port})).collect();
    json!({
        "metadata": {"labels": {"app": "theirs"}, "annotations": metadata(annotations)},
        "spec": {"containers": [{"name": "theirs", "image": "theirs:1", "ports": ports}]},
    })
}

/// A Service.
pub fn service(namespace: &str, name: &str, labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> Value {
    json!({
        "kind": "Service", "apiVersion": "v1",
        "metadata": {
            "namespace": namespace, "name": name, "labels": metadata(labels), "annotations": metadata(annotations),
        },
        "spec": {},
    })
}

/// A slice of a Service: ready endpoints of one family, each with the name of the pod that is behind it, if it is one.
pub fn slice((namespace, service): (&str, &str), endpoints: &[(IpAddr, Option<&str>)], ports: &[(&str, u16)]) -> Value {
    let family = if endpoints.iter().all(|(ip, _)| ip.is_ipv6()) { "IPv6" } else { "IPv4" };
    let endpoint = |(ip, pod): &(IpAddr, Option<&str>)| {
        let mut endpoint = json!({"addresses": [ip], "conditions": {"ready": true}});
        if let Some(pod) = pod {
            endpoint["targetRef"] = json!({"kind": "Pod", "name": pod, "namespace": namespace});
        }
        endpoint
    };
    let port = |(name, port): &(&str, u16)| json!({"name": name, "port": port, "protocol": "TCP"});
    json!({
        "kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1",
        "metadata": {
            "namespace": namespace, "name": format!("{service}-{}", family.to_lowercase()),
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": family,
        "endpoints": endpoints.iter().map(endpoint).collect::<Vec<_>>(),
        "ports": ports.iter().map(port).collect::<Vec<_>>(),
    })
}

fn metadata(pairs: &[(&str, &str)]) -> Value {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::from(*value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
