//! Who finds whom: Services, annotations, monitors, policies, namespaces.

use std::collections::BTreeSet;

use exporter_tests::manifests;
use exporter_tests::manifests::rendering::{Pod, Rendering, items, selects, strings, text, title};
use exporter_tests::tools::{run, tool};
use serde_json::{Value, json};

/// Kinds that are in no namespace.
const CLUSTER_WIDE: &[&str] = &["ClusterRole", "ClusterRoleBinding", "Namespace", "PriorityClass"];

/// Pods that a selector of an object takes, in the object's namespace or, for a monitor, where it looks.
fn taken<'a>(rendering: &'a Rendering, object: &Value, selector: &Value) -> Vec<Pod<'a>> {
    let looks = &object["spec"]["namespaceSelector"];
    let own = text(&object["metadata"], "namespace");
    let in_reach = |pod: &Pod<'_>| {
        let named = items(looks, "matchNames").any(|name| name == pod.namespace());
        looks["any"] == true || named || (looks.is_null() && pod.namespace() == own)
    };
    rendering.pods().into_iter().filter(|pod| in_reach(pod) && selects(selector, &pod.labels())).collect()
}

#[test]
fn objects_are_in_namespaces_of_the_build() {
    for rendering in Rendering::all() {
        let made = rendering.namespaces();
        for object in &rendering.objects {
            let namespace = text(&object["metadata"], "namespace");
            let wide = CLUSTER_WIDE.contains(&text(object, "kind"));
            assert_eq!(wide, namespace.is_empty(), "{}: {}", rendering.name, title(object));
            assert!(wide || made.contains(namespace), "{}: {}", rendering.name, title(object));
            let labelled = strings(&object["metadata"]["labels"]);
            let generated = ["ConfigMap", "Secret"].contains(&text(object, "kind"));
            let named =
                ["app.kubernetes.io/name", "app.kubernetes.io/part-of"].iter().any(|key| labelled.contains_key(key));
            assert!(generated || named, "{}: {} has no label", rendering.name, title(object));
        }
    }
}

#[test]
fn services_lead_to_ports_of_pods() {
    let mut seen = 0;
    for rendering in Rendering::all() {
        for service in rendering.of_kind("Service") {
            let pods = taken(&rendering, service, &json!({ "matchLabels": service["spec"]["selector"] }));
            assert!(!pods.is_empty(), "{}: {} takes no pod", rendering.name, title(service));
            for port in items(&service["spec"], "ports") {
                let target = if port["targetPort"].is_null() { &port["port"] } else { &port["targetPort"] };
                assert!(pods.iter().all(|pod| pod.has_port(target)), "{}: {}: {port}", rendering.name, title(service));
                seen += 1;
            }
        }
    }
    assert!(seen > 5);
}

/// How many jobs of the Prometheus in a rendering, if there is one, look for pods in this namespace by its name. Each has the jobs of
/// the base.
fn jobs_for(rendering: &Rendering, namespace: &str) -> usize {
    if !rendering.of_kind("StatefulSet").any(|set| set["metadata"]["name"] == "prometheus") {
        return 0;
    }
    let config = manifests::document("base/prometheus/prometheus.yml");
    let found = items(&config, "scrape_configs").flat_map(|job| items(job, "kubernetes_sd_configs"));
    found.filter(|found| found["role"] == "pod" && found["namespaces"]["names"] == json!([namespace])).count()
}

#[test]
fn every_exporter_is_found_once() {
    for rendering in Rendering::all() {
        for pod in rendering.pods() {
            let exporters: Vec<_> = pod.containers().into_iter().filter(|container| container.is_ours()).collect();
            let monitors = rendering.of_kind("PodMonitor").filter(|monitor| {
                taken(&rendering, monitor, &monitor["spec"]["selector"]).iter().any(|own| own.title() == pod.title())
            });
            let ways = monitors.count() + usize::from(pod.is_annotated()) + jobs_for(&rendering, pod.namespace());
            assert_eq!(ways, usize::from(!exporters.is_empty()), "{}: {}", rendering.name, pod.title());
            if !pod.is_annotated() {
                continue;
            }
            let annotations = pod.annotations();
            let port: u16 = annotations["prometheus.io/port"].parse().expect("a port is a number");
            assert!(exporters[0].has_port(&json!(port)), "{}: {}: {port}", rendering.name, pod.title());
            assert_eq!(annotations["prometheus.io/scrape"], "true", "no other text counts");
            assert_eq!(annotations["prometheus.io/path"], "/metrics");
        }
        for service in rendering.of_kind("Service") {
            let annotations = strings(&service["metadata"]["annotations"]);
            let scraped = annotations.keys().any(|key| key.starts_with("prometheus.io/"));
            assert!(!scraped, "{}: {}: pods are annotated, Services never", rendering.name, title(service));
        }
    }
}

#[test]
fn monitors_find_ports_by_their_names() {
    let rendering = Rendering::of("overlays/operator-everything");
    let release: BTreeSet<_> = rendering
        .objects
        .iter()
        .filter(|object| text(object, "apiVersion") == "monitoring.coreos.com/v1")
        .map(|object| strings(&object["metadata"]["labels"]).get("release").copied())
        .collect();
    assert!(release.len() == 1 && release.first().is_some_and(Option::is_some), "{release:?}");
    // Exporters beside applications are in the applications' renderings.
    let examples = ["examples/apache", "examples/logstash"].map(Rendering::of);
    for monitor in rendering.of_kind("PodMonitor") {
        let everywhere = [&rendering, &examples[0], &examples[1]];
        let pods: Vec<Pod<'_>> =
            everywhere.iter().flat_map(|rendering| taken(rendering, monitor, &monitor["spec"]["selector"])).collect();
        assert!(!pods.is_empty(), "{} finds nothing", title(monitor));
        for endpoint in items(&monitor["spec"], "podMetricsEndpoints") {
            assert!(pods.iter().all(|pod| pod.has_port(&endpoint["port"])), "{}: {endpoint}", title(monitor));
        }
    }
    for monitor in rendering.of_kind("ServiceMonitor") {
        let mut services = rendering.of_kind("Service");
        let service = services
            .find(|service| selects(&monitor["spec"]["selector"], &strings(&service["metadata"]["labels"])))
            .unwrap_or_else(|| panic!("{} finds nothing", title(monitor)));
        for endpoint in items(&monitor["spec"], "endpoints") {
            let there = items(&service["spec"], "ports").any(|port| port["name"] == endpoint["port"]);
            assert!(there, "{}: {endpoint}", title(monitor));
        }
    }
    let rules = rendering.of_kind("PrometheusRule").next().expect("there are rules");
    let file = tempfile::Builder::new().suffix(".yml").tempfile().unwrap();
    std::fs::write(file.path(), rules["spec"].to_string()).unwrap();
    run(std::process::Command::new(tool("promtool")).args(["check", "rules", "--lint-fatal"]).arg(file.path()));
}

#[test]
fn policies_take_pods_and_open_ports_that_are_there() {
    let all = Rendering::all();
    let namespaces: BTreeSet<&str> = all.iter().flat_map(Rendering::namespaces).collect();
    let prometheus = Rendering::of("overlays/cluster");
    let mut seen = 0;
    for rendering in &all {
        for policy in rendering.of_kind("NetworkPolicy") {
            let spec = &policy["spec"];
            let what = format!("{}: {}", rendering.name, title(policy));
            let pods = taken(rendering, policy, &spec["podSelector"]);
            assert!(!pods.is_empty(), "{what} takes no pod");
            for rule in items(spec, "ingress") {
                for port in items(rule, "ports") {
                    assert!(pods.iter().any(|pod| pod.has_port(&port["port"])), "{what}: {port}");
                    // Not every network plug-in looks up names among init containers.
                    let in_init = |pod: &Pod<'_>| {
                        pod.containers()
                            .iter()
                            .any(|own| own.init && port["port"].is_string() && own.has_port(&port["port"]))
                    };
                    assert!(!pods.iter().any(in_init), "{what}: {port} by name");
                }
                for from in items(rule, "from") {
                    seen += 1;
                    let wanted = &from["namespaceSelector"];
                    let named = text(&wanted["matchLabels"], "kubernetes.io/metadata.name");
                    assert!(wanted.is_null() || *wanted == json!({}) || namespaces.contains(named), "{what}: {from}");
                    let known = prometheus.pods();
                    let senders = known.iter().filter(|pod| selects(&from["podSelector"], &pod.labels()));
                    assert_eq!(senders.count(), 1, "{what}: Prometheus is who may ask: {from}");
                }
            }
        }
    }
    assert!(seen > 4);
}

/// Where API servers are in the distributions, kubelets, pods in the host's network with ports of their own (Cilium), and
/// where stores take what is sent to them: none of them a pod that a policy could select.
const OUTSIDE: &[u64] = &[443, 6443, 8443, 16443, 10250, 9100, 9962, 9009, 8428, 19291];

/// Rules of a direction in the policies that hold for a pod; nothing where none does, and all is allowed.
fn rules<'a>(rendering: &'a Rendering, pod: &Pod<'_>, direction: &str) -> Option<Vec<&'a Value>> {
    let holds = |policy: &&Value| {
        let spec = &policy["spec"];
        text(&policy["metadata"], "namespace") == pod.namespace()
            && selects(&spec["podSelector"], &pod.labels())
            && items(spec, "policyTypes").any(|kind| kind == direction)
    };
    let policies: Vec<&Value> = rendering.of_kind("NetworkPolicy").filter(holds).collect();
    let key = direction.to_lowercase();
    (!policies.is_empty()).then(|| policies.iter().flat_map(|policy| items(&policy["spec"], &key)).collect())
}

/// Whether a rule is about a port, by its number or, among the pod's own, by its name.
fn is_about(rule: &Value, pod: Option<&Pod<'_>>, protocol: &str, number: u64) -> bool {
    let named = |name: &Value| {
        let containers = pod.into_iter().flat_map(Pod::containers);
        let mut ports = containers.flat_map(|container| items(container.value, "ports").collect::<Vec<_>>());
        ports.any(|port| port["name"] == *name && port["containerPort"] == number)
    };
    let is = |port: &Value| {
        let from = port["port"].as_u64();
        let within = from.is_some_and(|from| (from..=port["endPort"].as_u64().unwrap_or(from)).contains(&number));
        port["protocol"].as_str().unwrap_or("TCP") == protocol
            && (port["port"].is_null() || within || named(&port["port"]))
    };
    rule["ports"].is_null() || items(rule, "ports").any(is)
}

#[test]
fn policies_let_in_whom_services_and_annotations_call() {
    let mut seen = 0;
    for rendering in Rendering::all() {
        for service in rendering.of_kind("Service") {
            for pod in taken(&rendering, service, &json!({ "matchLabels": service["spec"]["selector"] })) {
                let Some(rules) = rules(&rendering, &pod, "Ingress") else { continue };
                for port in items(&service["spec"], "ports") {
                    let target = if port["targetPort"].is_null() { &port["port"] } else { &port["targetPort"] };
                    let containers = pod.containers();
                    let mut ports = containers.iter().flat_map(|container| items(container.value, "ports"));
                    let own = ports.find(|own| own["name"] == *target || own["containerPort"] == *target);
                    let number = own.and_then(|own| own["containerPort"].as_u64()).expect("a Service leads to a port");
                    let open = rules.iter().any(|rule| is_about(rule, Some(&pod), "TCP", number));
                    assert!(open, "{}: {}: {port} is closed", rendering.name, title(service));
                    seen += 1;
                }
            }
        }
        for pod in rendering.pods().iter().filter(|pod| pod.is_annotated()) {
            let Some(rules) = rules(&rendering, pod, "Ingress") else { continue };
            let number: u64 = pod.annotations()["prometheus.io/port"].parse().expect("a port is a number");
            let wanted = json!({
                "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "monitoring" } },
                "podSelector": { "matchLabels": { "app.kubernetes.io/name": "prometheus" } },
            });
            let open = |rule: &&&Value| is_about(rule, Some(pod), "TCP", number);
            let open = rules.iter().filter(open).any(|rule| items(rule, "from").any(|from| *from == wanted));
            assert!(open, "{}: {}: {number} is closed to Prometheus", rendering.name, pod.title());
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen} ports only");
}

#[test]
fn policies_let_out_who_has_to_ask() {
    let mut seen = 0;
    for rendering in Rendering::all() {
        let bound: Vec<&str> = rendering
            .of_kind("ClusterRoleBinding")
            .flat_map(|binding| items(binding, "subjects"))
            .map(|subject| text(subject, "name"))
            .collect();
        for pod in rendering.pods() {
            let Some(rules) = rules(&rendering, &pod, "Egress") else { continue };
            let anywhere = |protocol: &str, port: u64| {
                rules.iter().any(|rule| rule["to"].is_null() && is_about(rule, None, protocol, port))
            };
            if !bound.contains(&text(pod.spec(), "serviceAccountName")) {
                continue;
            }
            for port in OUTSIDE {
                assert!(anywhere("TCP", *port), "{}: {} cannot reach port {port}", rendering.name, pod.title());
            }
            // kube-state-metrics is told the address of the API server, Prometheus is told names as well.
            let names = pod.labels().get("app.kubernetes.io/name") != Some(&"prometheus") || anywhere("UDP", 53);
            assert!(names, "{}: {} cannot ask for names", rendering.name, pod.title());
            seen += 1;
        }
    }
    assert!(seen > 4);
}

#[test]
fn the_gate_is_where_the_monitoring_server_looks_for_it() {
    let rendering = Rendering::of("overlays/cluster");
    let mut ports = rendering.of_kind("Service").flat_map(|service| items(&service["spec"], "ports"));
    let port = ports.find_map(|port| port["nodePort"].as_u64()).expect("a port of the nodes");
    let targets = manifests::document("monitoring-server/targets.yml");
    let entries = targets.as_array().expect("a list of entries").iter();
    let gates = entries.filter(|entry| entry["labels"]["__job"] == "federate");
    let gates: Vec<&str> = gates.flat_map(|entry| items(entry, "targets")).filter_map(Value::as_str).collect();
    assert!(!gates.is_empty() && gates.iter().all(|gate| gate.ends_with(&format!(":{port}"))), "{port}: {gates:?}");
}

#[test]
fn monitors_make_the_labels_that_dashboards_go_by() {
    let rendering = Rendering::of("overlays/operator-everything");
    let one = |kind: &str, name: &str| {
        let mut found = rendering.of_kind(kind).filter(|object| object["metadata"]["name"] == name);
        found.next().unwrap_or_else(|| panic!("no {kind} {name}"))["spec"].clone()
    };
    let makes = |endpoint: &Value, target: &str, wanted: &Value| {
        let made = items(endpoint, "relabelings").find(|rule| rule["targetLabel"] == target);
        assert_eq!(
            made.map(|rule| if rule["replacement"].is_null() {
                &rule["sourceLabels"][0]
            } else {
                &rule["replacement"]
            }),
            Some(wanted),
            "{endpoint}"
        );
    };
    let node = json!("__meta_kubernetes_pod_node_name");
    let app = json!("__meta_kubernetes_pod_label_app_kubernetes_io_name");
    let nodes = one("PodMonitor", "node-exporter");
    assert_eq!(nodes["jobLabel"], "app.kubernetes.io/name");
    let sidecars = one("PodMonitor", "exporter-sidecars");
    makes(&sidecars["podMetricsEndpoints"][0], "job", &json!("kubernetes-pods"));
    for endpoint in [&nodes["podMetricsEndpoints"][0], &sidecars["podMetricsEndpoints"][0]] {
        makes(endpoint, "node", &node);
        makes(endpoint, "app", &app);
    }
    // What it describes is not where it runs.
    let states = one("ServiceMonitor", "kube-state-metrics");
    assert_eq!(states["jobLabel"], "app.kubernetes.io/name");
    let endpoint = &states["endpoints"][0];
    assert_eq!(endpoint["honorLabels"], true);
    let dropped = items(endpoint, "relabelings").find(|rule| rule["action"] == "labeldrop");
    assert_eq!(dropped.map(|rule| &rule["regex"]), Some(&json!("container|endpoint|namespace|pod|service")));
    assert_eq!(one("Probe", "websites")["jobName"], "blackbox-http");
}

#[test]
fn budgets_and_quotas_mean_what_is_there() {
    for rendering in Rendering::all() {
        for budget in rendering.of_kind("PodDisruptionBudget") {
            let pods = taken(&rendering, budget, &budget["spec"]["selector"]);
            assert!(!pods.is_empty(), "{}: {} takes no pod", rendering.name, title(budget));
            let single = |pod: &Pod<'_>| pod.owner["spec"]["replicas"].as_u64().is_some_and(|replicas| replicas < 2);
            assert!(!pods.iter().any(single), "{}: {} forbids to drain a node", rendering.name, title(budget));
        }
        // Where quotas guard these classes (GKE), a pod that has one without a quota in its namespace is never made.
        for pod in rendering.pods() {
            let class = text(pod.spec(), "priorityClassName");
            let admits = |quota: &Value| {
                let scopes = items(&quota["spec"]["scopeSelector"], "matchExpressions");
                let named = scopes.flat_map(|own| items(own, "values")).any(|value| value == class);
                named && text(&quota["metadata"], "namespace") == pod.namespace()
            };
            let admitted = !class.starts_with("system-") || rendering.of_kind("ResourceQuota").any(admits);
            assert!(admitted, "{}: {}: {class} without a quota", rendering.name, pod.title());
        }
        for quota in rendering.of_kind("ResourceQuota") {
            let expressions = &quota["spec"]["scopeSelector"];
            let admitted: Vec<&Value> =
                items(expressions, "matchExpressions").flat_map(|own| items(own, "values")).collect();
            let inside = |pod: &&Pod<'_>| pod.namespace() == text(&quota["metadata"], "namespace");
            let pods = rendering.pods();
            let mut classes = pods.iter().filter(inside).map(|pod| &pod.spec()["priorityClassName"]);
            assert!(
                classes.any(|class| admitted.contains(&class)),
                "{}: {} is for nobody",
                rendering.name,
                title(quota)
            );
        }
    }
}

/// A cluster has one of each name: with the name that everybody gives, somebody else's would be overwritten.
#[test]
fn what_is_in_no_namespace_has_a_name_of_ours() {
    for rendering in Rendering::all() {
        for object in rendering.objects.iter().filter(|object| CLUSTER_WIDE.contains(&text(object, "kind"))) {
            let name = text(&object["metadata"], "name");
            let own = object["kind"] == "Namespace" || name.starts_with("exporters-");
            assert!(own, "{}: {}", rendering.name, title(object));
        }
    }
}

#[test]
fn a_probe_asks_for_a_module_of_ours() {
    let rendering = Rendering::of("overlays/operator-everything");
    let probe = rendering.of_kind("Probe").next().expect("there is a probe");
    let configuration = "monitoring-server/blackbox-exporter/blackbox.yml";
    if manifests::path(configuration).exists() {
        let modules = &manifests::document(configuration)["modules"];
        assert!(modules[text(&probe["spec"], "module")].is_object(), "{}: {modules}", probe["spec"]["module"]);
    }
}

#[test]
fn kube_state_metrics_may_read_what_it_is_told_to_and_shows_what_is_asked_for() {
    let rendering = Rendering::of("overlays/cluster");
    let pods = rendering.pods();
    let pod =
        pods.iter().find(|pod| pod.labels().get("app.kubernetes.io/name") == Some(&"kube-state-metrics")).unwrap();
    let container = pod.containers()[0];
    let told: BTreeSet<&str> = container.arg("--resources").unwrap().split(',').collect();
    let role = "exporters-kube-state-metrics";
    let role = rendering.of_kind("ClusterRole").find(|own| own["metadata"]["name"] == role).unwrap();
    let may: BTreeSet<&str> =
        items(role, "rules").flat_map(|rule| items(rule, "resources")).filter_map(Value::as_str).collect();
    assert_eq!(told, may);
    for rule in items(role, "rules") {
        assert_eq!(rule["verbs"], json!(["list", "watch"]));
    }
    let lists = container.args().into_iter().filter_map(|arg| arg.strip_prefix("--metric-allowlist="));
    let shown: BTreeSet<&str> = lists.flat_map(|list| list.split(',')).map(str::trim).collect();
    assert!(shown.len() > 50 && shown.iter().all(|name| name.starts_with("kube_")), "{shown:?}");
    let mut missing = BTreeSet::new();
    for file in manifests::files("", &["yml", "yaml", "json"]) {
        // What we show is no question.
        if file.ends_with("base/kube-state-metrics/deployment.yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        for name in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            // Patterns such as kube_.+ are no names.
            if name.starts_with("kube_") && !name.ends_with('_') && !shown.contains(name) {
                missing.insert(format!("{}: {name}", file.display()));
            }
        }
    }
    assert!(missing.is_empty(), "asked for, but not shown by kube-state-metrics: {missing:#?}");
}
