//! Pods: what is mounted, allowed, probed and budgeted.

use std::collections::BTreeSet;

use exporter_tests::manifests;
use exporter_tests::manifests::rendering::{Container, Pod, Rendering, items, strings, text, title};
use serde_json::{Value, json};

/// Containers that may not be told everything that the strictest level of pod security asks for, and why.
const LOOSER: &[(&str, &str, &str)] = &[
    // Where all optional parts are taken, components/rapl-and-serials is.
    ("overlays/cluster-everything", "node-exporter", "runAsNonRoot"),
    ("overlays/cluster-everything", "node-exporter", "capabilities"),
    // Logs belong to root and are closed to all others, and a capability is of no use to another user.
    ("overlays/*", "log-exporter", "runAsNonRoot"),
    ("overlays/*", "log-exporter", "capabilities"),
    // It writes below its own folder.
    ("examples/logstash", "logstash", "readOnlyRootFilesystem"),
    ("examples/logstash/plain", "logstash", "readOnlyRootFilesystem"),
];

/// What Kubernetes itself puts into every namespace.
const GIVEN: &[(&str, &str)] = &[("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")];

/// Calls `check` for every pod of every rendering, and panics with all it found.
#[track_caller]
fn each_pod(mut check: impl FnMut(&Rendering, &Pod<'_>, &mut Vec<String>)) {
    let mut wrong = Vec::new();
    for rendering in Rendering::all() {
        for pod in rendering.pods() {
            let mut found = Vec::new();
            check(&rendering, &pod, &mut found);
            wrong.extend(found.into_iter().map(|what| format!("{}: {}: {what}", rendering.name, pod.title())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// As [`each_pod`], for every container.
#[track_caller]
fn each_container(mut check: impl FnMut(&Rendering, &Pod<'_>, &Container<'_>, &mut Vec<String>)) {
    each_pod(|rendering, pod, wrong| {
        for container in pod.containers() {
            let mut found = Vec::new();
            check(rendering, pod, &container, &mut found);
            wrong.extend(found.into_iter().map(|what| format!("{}: {what}", container.name())));
        }
    });
}

#[test]
fn selectors_take_their_own_pods_by_name_alone() {
    each_pod(|_, pod, wrong| {
        let selector = strings(&pod.owner["spec"]["selector"]["matchLabels"]);
        if selector.keys().ne(["app.kubernetes.io/name"].iter()) {
            wrong.push(format!("the selector cannot be changed later; a name is enough: {selector:?}"));
        }
        if selector.iter().any(|(key, value)| pod.labels().get(key) != Some(value)) {
            wrong.push(format!("the selector {selector:?} does not take {:?}", pod.labels()));
        }
        let service = text(&pod.owner["spec"], "serviceName");
        let kind = text(pod.owner, "kind");
        if kind == "StatefulSet" && service.is_empty() {
            wrong.push("a StatefulSet names its Service".into());
        }
    });
}

/// Kubernetes refuses to change anything else of a StatefulSet.
const CHANGEABLE: &[&str] = &["replicas", "template", "updateStrategy", "minReadySeconds", "revisionHistoryLimit"];

#[test]
fn a_stateful_set_can_be_changed_from_overlay_to_overlay_and_mended() {
    let all = Rendering::all();
    let sets: Vec<&Value> = all.iter().flat_map(|rendering| rendering.of_kind("StatefulSet")).collect();
    assert!(sets.len() > 2);
    for set in sets.iter().map(|set| &set["spec"]) {
        // In order, one that crashes is never replaced by the one that mends it: the controller waits until it is ready.
        assert_eq!(set["podManagementPolicy"], "Parallel");
        let fixed = |set: &Value| {
            let mut set = set.clone();
            set.as_object_mut().unwrap().retain(|key, _| !CHANGEABLE.contains(&key.as_str()));
            set
        };
        assert_eq!(fixed(set), fixed(&sets[0]["spec"]));
    }
}

#[test]
fn ports_have_names_that_kubernetes_takes() {
    each_pod(|_, pod, wrong| {
        let mut seen = BTreeSet::new();
        for container in pod.containers() {
            for port in items(container.value, "ports") {
                let name = text(port, "name");
                let fits = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
                if !fits || name.is_empty() || name.len() > 15 {
                    wrong.push(format!("{name:?} is no name of a port"));
                }
                for key in [format!("name {name}"), format!("number {}", port["containerPort"])] {
                    if !seen.insert(key.clone()) {
                        wrong.push(format!("two ports have the {key}"));
                    }
                }
            }
        }
    });
}

#[test]
fn probes_ask_ports_that_are_there_and_have_patience() {
    each_container(|_, pod, container, wrong| {
        for kind in ["startupProbe", "livenessProbe", "readinessProbe"] {
            let probe = &container.value[kind];
            let asked = ["httpGet", "tcpSocket"].into_iter().map(|way| &probe[way]).find(|way| way.is_object());
            if let Some(asked) = asked {
                if !container.has_port(&asked["port"]) {
                    wrong.push(format!("{kind}: no port {}", asked["port"]));
                }
                if asked.get("host").is_some() {
                    wrong.push(format!("{kind}: the level baseline forbids `host`"));
                }
                if container.is_ours() && !text(asked, "path").starts_with("/-/") {
                    wrong.push(format!("{kind}: {} is no page that is the same whatever happens", asked["path"]));
                }
            }
            let number = |key: &str, default| probe[key].as_u64().unwrap_or(default);
            let patience = number("periodSeconds", 10) * number("failureThreshold", 3);
            if kind == "livenessProbe" && probe.is_object() && (patience < 60 || number("timeoutSeconds", 1) < 2) {
                // tcpSocket answers from the kernel, however busy the program.
                if !(patience >= 60 && probe["tcpSocket"].is_object()) {
                    wrong.push(format!("{kind}: restarted after {patience} s, or for one slow answer"));
                }
            }
        }
        let sidecar = container.is_ours() && pod.containers().len() > 1;
        if sidecar && (container.value["readinessProbe"].is_object() || container.value["startupProbe"].is_object()) {
            wrong.push("the application would depend on its exporter".into());
        }
    });
}

#[test]
fn images_have_a_tag_that_stays() {
    let outside = manifests::document("monitoring-server/compose.yaml");
    let outside = text(&outside["services"]["prometheus"], "image").to_owned();
    each_container(|rendering, _, container, wrong| {
        let (name, tag) = container.image();
        // Not the tag that `make image` gives, and no image is there to be pulled.
        if container.is_ours() && tag != env!("CARGO_PKG_VERSION") {
            wrong.push(format!("{name} with the tag {tag:?} of another version"));
        }
        if name == "prometheus" && text(container.value, "image") != outside {
            wrong.push(format!("{name}:{tag}, and {outside} on the monitoring server"));
        }
        if ["", "latest", "main", "stable"].contains(&tag) {
            wrong.push(format!("{name} with the tag {tag:?}"));
        }
        let image = text(container.value, "image");
        if !image.split('/').next().is_some_and(|host| host.contains('.') && image.contains('/')) {
            wrong.push(format!("{image} is on no registry in {}", rendering.name));
        }
    });
}

#[test]
fn containers_may_do_as_little_as_can_be() {
    each_container(|rendering, pod, container, wrong| {
        let (own, whole) = (&container.value["securityContext"], &pod.spec()["securityContext"]);
        let either = |key: &str| own.get(key).or_else(|| whole.get(key)).cloned().unwrap_or_default();
        let holds = [
            ("runAsNonRoot", either("runAsNonRoot") == true && either("runAsUser").as_u64().is_some_and(|id| id > 0)),
            ("seccompProfile", either("seccompProfile")["type"] == "RuntimeDefault"),
            ("allowPrivilegeEscalation", own["allowPrivilegeEscalation"] == false),
            ("readOnlyRootFilesystem", own["readOnlyRootFilesystem"] == true),
            ("capabilities", own["capabilities"] == json!({ "drop": ["ALL"] })),
            // Where there is one, it is this: Kubernetes takes any word, and only the runtime falls over it.
            ("a capability", [json!(["DAC_READ_SEARCH"]), Value::Null].contains(&own["capabilities"]["add"])),
            ("privileged", own.get("privileged").is_none()),
        ];
        for (what, holds) in holds {
            let may = LOOSER.iter().any(|(where_, who, which)| {
                let there = where_
                    .strip_suffix('*')
                    .map_or(rendering.name == *where_, |begin| rendering.name.starts_with(begin));
                there && *who == container.name() && *which == what
            });
            if holds == may {
                wrong.push(format!("{what}: {}", if may { "needs no exception any more" } else { "not restricted" }));
            }
        }
    });
}

#[test]
fn what_pods_have_of_the_host_their_namespace_admits() {
    each_pod(|rendering, pod, wrong| {
        let spec = pod.spec();
        let shares = ["hostNetwork", "hostPID", "hostIPC"].iter().any(|key| spec[*key] == true);
        let paths = items(spec, "volumes").any(|volume| volume["hostPath"].is_object());
        let level = rendering.enforced(pod.namespace());
        if (shares || paths) != (level == "privileged") || (level != "privileged" && level != "restricted") {
            wrong.push(format!("of the host: {}, the namespace enforces {level:?}", shares || paths));
        }
    });
}

#[test]
fn the_host_is_mounted_to_be_read() {
    each_container(|_, pod, container, wrong| {
        for mount in items(container.value, "volumeMounts") {
            let volume = items(pod.spec(), "volumes").find(|volume| volume["name"] == mount["name"]);
            let claims = items(&pod.owner["spec"], "volumeClaimTemplates");
            let claimed = claims.map(|claim| &claim["metadata"]["name"]).any(|name| *name == mount["name"]);
            let Some(volume) = volume else {
                if !claimed {
                    wrong.push(format!("no volume {}", mount["name"]));
                }
                continue;
            };
            let data = ["hostPath", "configMap", "secret", "projected"].iter().any(|kind| volume[*kind].is_object());
            let state = volume["hostPath"]["path"] == format!("/var/lib/{}", container.name());
            if data && mount["readOnly"] != true && !state {
                wrong.push(format!("{} can be written to", mount["mountPath"]));
            }
            let host = &volume["hostPath"];
            if host.is_object()
                && !["/", "/proc", "/sys"].contains(&text(host, "path"))
                && host["type"] != "DirectoryOrCreate"
            {
                wrong.push(format!("{host}: a node without it has no pod"));
            }
            if volume["hostPath"]["path"] == "/" && mount["mountPropagation"] != "HostToContainer" {
                wrong.push("what is mounted later is not seen".into());
            }
        }
    });
}

#[test]
fn node_exporter_looks_where_the_host_is() {
    let mut seen = 0;
    each_container(|_, pod, container, wrong| {
        let Some(rootfs) = container.arg("--path.rootfs") else { return };
        seen += 1;
        let mounted = |path: &str| {
            let mut mounts = items(container.value, "volumeMounts").filter(|mount| text(mount, "mountPath") == path);
            let volume = mounts.next().map(|mount| &mount["name"]);
            let mut volumes = items(pod.spec(), "volumes").filter(|own| Some(&own["name"]) == volume);
            volumes.next().map(|volume| text(&volume["hostPath"], "path"))
        };
        if mounted(rootfs) != Some("/") {
            wrong.push(format!("{rootfs} is not the host's root"));
        }
        for (flag, below) in [("procfs", "/proc"), ("sysfs", "/sys"), ("udev.data", "/run/udev/data")] {
            let path = container.arg(&format!("--path.{flag}"));
            if path.and_then(|path| path.strip_prefix(rootfs)) != Some(below) {
                wrong.push(format!("--path.{flag}={path:?}"));
            }
            if path.and_then(mounted).is_some_and(|host| host != below) {
                wrong.push(format!("{path:?} is another path of the host"));
            }
        }
        let textfile = container.arg("--collector.textfile.directory");
        if textfile.is_some_and(|path| mounted(path) != path.strip_prefix(rootfs)) {
            wrong.push(format!("{textfile:?} is not mounted from there"));
        }
    });
    assert!(seen > 1, "node-exporter is in more than one rendering");
}

#[test]
fn what_is_for_every_node_is_on_every_node() {
    let mut seen = 0;
    for rendering in Rendering::all() {
        for daemon_set in rendering.of_kind("DaemonSet") {
            let spec = &daemon_set["spec"]["template"]["spec"];
            assert_eq!(spec["nodeSelector"], json!({ "kubernetes.io/os": "linux" }), "{}", rendering.name);
            assert_eq!(spec["tolerations"], json!([{ "operator": "Exists" }]), "{}: any taint", rendering.name);
            // Anywhere else its address is not there to be listened on, and the interfaces are the pod's. Who reads files alone
            // has no need of it.
            let name = &daemon_set["metadata"]["name"];
            assert_eq!(spec["hostNetwork"] == true, name == "node-exporter", "{}: {name}", rendering.name);
            // The port is the node's: the new pod cannot start before the old one has ended.
            let update = &daemon_set["spec"]["updateStrategy"]["rollingUpdate"];
            let unavailable =
                update["maxUnavailable"].as_str().map_or(update["maxUnavailable"].to_string(), str::to_owned);
            let goes = unavailable.trim_end_matches('%').parse::<u32>().is_ok_and(|goes| goes > 0);
            assert!(goes && update["maxSurge"].is_null(), "{}: {update}", rendering.name);
            seen += 1;
        }
    }
    assert!(seen > 3);
}

#[test]
fn what_would_count_everything_twice_is_there_once() {
    for rendering in Rendering::all() {
        for pod in rendering.pods() {
            let name = pod.labels().get("app.kubernetes.io/name").copied();
            if ["prometheus", "kube-state-metrics"].map(Some).contains(&name) {
                assert_eq!(pod.owner["spec"]["replicas"], 1, "{}: {}", rendering.name, pod.title());
            }
        }
    }
}

#[test]
fn budgets_are_complete_and_leave_the_processor_free() {
    each_container(|_, _, container, wrong| {
        let resources = &container.value["resources"];
        let [request, limit] = ["requests", "limits"].map(|key| bytes(text(&resources[key], "memory")));
        if request == 0 || limit < request {
            wrong.push(format!("memory: {request} requested, {limit} allowed"));
        }
        if resources["requests"]["cpu"].is_null() || !resources["limits"]["cpu"].is_null() {
            wrong.push("CPU is to be requested and not to be limited".into());
        }
    });
}

/// `64Mi` in bytes; 0 for anything that is none.
fn bytes(quantity: &str) -> u64 {
    let units = [("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30)];
    let number = |(unit, factor)| Some(quantity.strip_suffix(unit)?.parse::<u64>().ok()? * factor);
    units.into_iter().find_map(number).unwrap_or_default()
}

#[test]
fn what_pods_name_is_there() {
    each_pod(|rendering, pod, wrong| {
        let spec = pod.spec();
        let mut named = Vec::new();
        named.extend(spec["serviceAccountName"].as_str().map(|name| ("ServiceAccount", name)));
        let volumes: Vec<&Value> = items(spec, "volumes").collect();
        let projected = volumes.iter().flat_map(|volume| items(&volume["projected"], "sources"));
        for source in volumes.iter().copied().chain(projected) {
            for (key, field, kind) in [
                ("configMap", "name", "ConfigMap"),
                ("secret", "name", "Secret"),
                ("secret", "secretName", "Secret"),
                ("persistentVolumeClaim", "claimName", "PersistentVolumeClaim"),
            ] {
                named.extend(source[key][field].as_str().map(|name| (kind, name)));
            }
        }
        for container in pod.containers() {
            for variable in items(container.value, "env") {
                for (key, kind) in [("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")] {
                    named.extend(variable["valueFrom"][key]["name"].as_str().map(|name| (kind, name)));
                }
            }
        }
        for (kind, name) in named {
            if !GIVEN.contains(&(kind, name)) && !rendering.has(kind, pod.namespace(), name) {
                wrong.push(format!("no {kind} {name}"));
            }
        }
    });
}

#[test]
fn only_who_may_ask_the_api_has_a_token() {
    each_pod(|rendering, pod, wrong| {
        let spec = pod.spec();
        let projected = items(spec, "volumes")
            .flat_map(|volume| items(&volume["projected"], "sources"))
            .any(|source| source["serviceAccountToken"].is_object());
        let Some(mounted) = spec["automountServiceAccountToken"].as_bool() else {
            return wrong.push("automountServiceAccountToken is not said".into());
        };
        let account = text(spec, "serviceAccountName");
        let bindings = rendering.of_kind("ClusterRoleBinding").chain(rendering.of_kind("RoleBinding"));
        let bound = bindings
            .flat_map(|binding| items(binding, "subjects"))
            .any(|subject| text(subject, "name") == account && text(subject, "namespace") == pod.namespace());
        if (projected || mounted) != (bound && !account.is_empty()) {
            wrong.push(format!("a token: {}, rights: {bound}", projected || mounted));
        }
    });
}

#[test]
fn accounts_and_roles_are_the_build_s_own_and_only_read() {
    for rendering in Rendering::all() {
        for binding in rendering.of_kind("ClusterRoleBinding").chain(rendering.of_kind("RoleBinding")) {
            let role = &binding["roleRef"];
            let known = rendering.of_kind(text(role, "kind")).any(|own| own["metadata"]["name"] == role["name"]);
            assert!(known, "{}: {}: no {role}", rendering.name, title(binding));
            for subject in items(binding, "subjects") {
                let (namespace, name) = (text(subject, "namespace"), text(subject, "name"));
                assert!(rendering.has("ServiceAccount", namespace, name), "{}: no {subject}", rendering.name);
            }
        }
        for account in rendering.of_kind("ServiceAccount") {
            assert_eq!(account["automountServiceAccountToken"], false, "{}: {}", rendering.name, title(account));
        }
        for role in rendering.of_kind("ClusterRole").chain(rendering.of_kind("Role")) {
            for rule in items(role, "rules") {
                let reads = |verb: &Value| ["get", "list", "watch"].iter().any(|read| verb == read);
                assert!(items(rule, "verbs").all(reads), "{}: {}: {rule}", rendering.name, title(role));
                let wide = |what: &Value| ["*", "secrets", "configmaps", "nodes/proxy"].iter().any(|wide| what == wide);
                assert!(!items(rule, "resources").any(wide), "{}: {}: {rule}", rendering.name, title(role));
            }
        }
    }
}
