//! Pods of our manifests, in the words that Debian 12's podman has for them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

/// The object of a kind and a name among `objects`.
#[track_caller]
pub fn object<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let wanted = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == name;
    objects.iter().find(wanted).unwrap_or_else(|| panic!("no {kind} is named {name}"))
}

/// A pod of a DaemonSet or Deployment, as `podman kube play` of release 4.3 takes it. `facts` are what the cluster knows
/// of the pod, by the `fieldPath` that asks for it; in `scratch` there is room for a folder per volume.
///
/// Everything else is played as it is written. These are not, because podman
///
/// * plays no DaemonSet, and gives a Deployment's pods other names: the template becomes a pod named as its owner;
/// * publishes each `containerPort`, and refuses to where the network is not its own: ports are left out;
/// * makes of a probe a command inside the container, run by systemd: probes are left out, the tests ask instead;
/// * knows other fields of the pod than Kubernetes in `valueFrom`, and variables in `args` not at all: both are filled in;
/// * would pull images of a registry: ours are named as they were built here, whatever the registry and tag;
/// * knows no `emptyDir`: it becomes a folder that is as empty, and as open to everybody;
/// * ends with init containers before it starts the others: a native sidecar is refused here (its plain variant is for
///   old clusters and for podman).
///
/// `hostPID` stays and is [`super::Podman::play`]'s to see to.
#[track_caller]
pub fn adapted(workload: &Value, facts: &[(&str, &str)], scratch: &Path) -> Value {
    let mut pod = json!({ "apiVersion": "v1", "kind": "Pod" });
    let template = &workload["spec"]["template"];
    pod["metadata"] = template["metadata"].clone();
    pod["metadata"]["name"] = workload["metadata"]["name"].clone();
    pod["spec"] = template["spec"].clone();
    let spec = &mut pod["spec"];
    let sidecars = list(spec, "initContainers").iter().any(|container| container["restartPolicy"] == "Always");
    assert!(!sidecars, "native sidecars are not for podman: {spec}");
    for volume in list_mut(spec, "volumes") {
        let fields = volume.as_object_mut().expect("a volume is an object");
        if fields.remove("emptyDir").is_some() {
            let place = scratch.join(text(&fields["name"]));
            let made =
                fs::create_dir(&place).and_then(|()| fs::set_permissions(&place, fs::Permissions::from_mode(0o777)));
            made.unwrap_or_else(|e| panic!("{}: {e}", place.display()));
            fields.insert("hostPath".to_owned(), json!({ "path": place.display().to_string() }));
        }
    }
    for container in list_mut(spec, "containers") {
        let fields = container.as_object_mut().expect("a container is an object");
        for unknown in ["ports", "livenessProbe", "readinessProbe", "startupProbe"] {
            fields.remove(unknown);
        }
        fields["image"] = json!(built_here(text(&fields["image"])));
        let mut variables = Vec::new();
        for variable in fields.get_mut("env").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(path) = variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
                let fact = facts.iter().find(|(known, _)| *known == path);
                let value = fact.unwrap_or_else(|| panic!("the test does not say what {path} is")).1;
                *variable = json!({ "name": variable["name"], "value": value });
            }
            variables.push((format!("$({})", text(&variable["name"])), text(&variable["value"]).to_owned()));
        }
        for arg in fields.get_mut("args").and_then(Value::as_array_mut).into_iter().flatten() {
            let filled = variables.iter().fold(text(arg).to_owned(), |arg, (name, value)| arg.replace(name, value));
            *arg = json!(filled);
        }
    }
    pod
}

/// The port of a container that `port` names, as probes do: by a number or a name.
#[track_caller]
pub fn port(container: &Value, port: &Value) -> u16 {
    let named = list(container, "ports").iter().find(|known| known["name"] == *port);
    let number = named.map_or(port, |known| &known["containerPort"]).as_u64();
    number.and_then(|number| number.try_into().ok()).unwrap_or_else(|| panic!("{container} has no port {port}"))
}

/// The image of that name as it is built here, wherever a manifest has it from.
pub fn built_here(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or_default();
    format!("localhost/{}:{}", name.split([':', '@']).next().unwrap_or_default(), super::TAG)
}

fn list<'a>(of: &'a Value, key: &str) -> &'a [Value] {
    of[key].as_array().map_or(&[], Vec::as_slice)
}

fn list_mut<'a>(of: &'a mut Value, key: &str) -> &'a mut [Value] {
    of.get_mut(key).and_then(Value::as_array_mut).map_or(&mut [], Vec::as_mut_slice)
}

#[track_caller]
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_podman_does_not_know_is_filled_in() {
        let workload = json!({
            "metadata": { "name": "agent" },
            "spec": { "template": { "metadata": { "labels": { "a": "b" } }, "spec": {
                "hostPID": true,
                "containers": [{
                    "image": "registry.example.org:5000/team/node-exporter:9@sha256:0",
                    "args": ["--at=$(IP):1", "$(OTHER)"],
                    "env": [{ "name": "IP", "valueFrom": { "fieldRef": { "fieldPath": "status.hostIP" } } }],
                    "ports": [{ "name": "metrics", "containerPort": 1 }],
                    "livenessProbe": {},
                }],
                "volumes": [{ "name": "tmp", "emptyDir": {} }],
            }}},
        });
        let scratch = tempfile::tempdir().unwrap();
        let pod = adapted(&workload, &[("status.hostIP", "192.0.2.1")], scratch.path());
        let container = &pod["spec"]["containers"][0];
        assert_eq!(pod["metadata"], json!({ "name": "agent", "labels": { "a": "b" } }));
        assert_eq!(container["image"], "localhost/node-exporter:0.1.0");
        assert_eq!(container["args"], json!(["--at=192.0.2.1:1", "$(OTHER)"]));
        assert_eq!(container["env"], json!([{ "name": "IP", "value": "192.0.2.1" }]));
        assert!(container.get("ports").is_none() && container.get("livenessProbe").is_none());
        let place = scratch.path().join("tmp");
        assert_eq!(
            pod["spec"]["volumes"],
            json!([{ "name": "tmp", "hostPath": { "path": place.display().to_string() } }])
        );
        assert_eq!(fs::metadata(place).unwrap().permissions().mode() & 0o777, 0o777);
        assert_eq!(pod["spec"]["hostPID"], true);
        assert_eq!(port(&workload["spec"]["template"]["spec"]["containers"][0], &json!("metrics")), 1);
    }
}
