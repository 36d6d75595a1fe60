//! The committed renderings of `manifests/`, and the ways through their objects.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::manifests;

/// Prefixes of what Prometheus reads from annotations.
const SCRAPE: &str = "prometheus.io/scrape";

/// All objects of one overlay or example.
#[derive(Debug)]
pub struct Rendering {
    /// The folder it is of, relative to `manifests/`; for one with all optional parts, with `-everything` behind.
    pub name: String,
    /// Its objects.
    pub objects: Vec<Value>,
}

/// A pod as a workload makes it.
#[derive(Debug, Clone, Copy)]
pub struct Pod<'a> {
    /// The workload.
    pub owner: &'a Value,
    /// Its template.
    pub template: &'a Value,
}

/// A container of a pod.
#[derive(Debug, Clone, Copy)]
pub struct Container<'a> {
    /// As it is written.
    pub value: &'a Value,
    /// Whether it stands among the init containers.
    pub init: bool,
}

/// Where renderings are committed.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/manifests")
}

/// The text at a key, empty when there is none.
pub fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// The items at a key, none when there is no list.
pub fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value[key].as_array().into_iter().flatten()
}

/// A map from text to text, empty when there is none.
pub fn strings(value: &Value) -> BTreeMap<&str, &str> {
    let pairs = value.as_object().into_iter().flatten();
    pairs.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))).collect()
}

/// `kind namespace/name`, for messages.
pub fn title(object: &Value) -> String {
    let metadata = &object["metadata"];
    format!("{} {}/{}", text(object, "kind"), text(metadata, "namespace"), text(metadata, "name"))
}

/// Whether labels satisfy a selector with `matchLabels` and `matchExpressions`; an empty one takes everything.
pub fn selects(selector: &Value, labels: &BTreeMap<&str, &str>) -> bool {
    let equal = strings(&selector["matchLabels"]).iter().all(|(key, value)| labels.get(key) == Some(value));
    let expressed = items(selector, "matchExpressions").all(|expression| {
        let value = labels.get(text(expression, "key"));
        let listed = || items(expression, "values").any(|item| item.as_str() == value.copied());
        match text(expression, "operator") {
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            "In" => value.is_some() && listed(),
            "NotIn" => value.is_none() || !listed(),
            other => panic!("no operator of a selector: {other:?}"),
        }
    });
    equal && expressed
}

impl Rendering {
    /// All that are committed.
    #[track_caller]
    pub fn all() -> Vec<Self> {
        let mut found = Vec::new();
        let mut waiting = vec![folder()];
        while let Some(next) = waiting.pop() {
            for entry in fs::read_dir(&next).unwrap_or_else(|e| panic!("{}: {e}", next.display())) {
                let path = entry.expect("a folder can be listed").path();
                if path.is_dir() { waiting.push(path) } else { found.push(Self::read(&path)) }
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        assert!(!found.is_empty(), "no rendering is committed");
        found
    }

    /// One that is committed.
    #[track_caller]
    pub fn of(name: &str) -> Self {
        Self::read(&folder().join(format!("{name}.yaml")))
    }

    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let relative = path.strip_prefix(folder()).expect("renderings are in their folder").with_extension("");
        let name = relative.to_str().expect("names are UTF-8").to_owned();
        Self { objects: manifests::documents(&name, &text), name }
    }

    /// Objects of a kind.
    pub fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.objects.iter().filter(move |object| object["kind"] == *kind)
    }

    /// Whether there is such an object.
    pub fn has(&self, kind: &str, namespace: &str, name: &str) -> bool {
        self.of_kind(kind).any(|object| {
            text(&object["metadata"], "name") == name && text(&object["metadata"], "namespace") == namespace
        })
    }

    /// Pods of all workloads.
    pub fn pods(&self) -> Vec<Pod<'_>> {
        let workloads = self.objects.iter().filter(|object| object["spec"]["template"]["spec"].is_object());
        workloads.map(|owner| Pod { owner, template: &owner["spec"]["template"] }).collect()
    }

    /// Names of the namespaces that it makes.
    pub fn namespaces(&self) -> BTreeSet<&str> {
        self.of_kind("Namespace").map(|object| text(&object["metadata"], "name")).collect()
    }

    /// What pod security enforces in a namespace.
    pub fn enforced(&self, namespace: &str) -> &str {
        let found = self.of_kind("Namespace").find(|object| text(&object["metadata"], "name") == namespace);
        found.map_or("", |object| text(&object["metadata"]["labels"], "pod-security.kubernetes.io/enforce"))
    }
}

impl<'a> Pod<'a> {
    /// The template's specification.
    pub fn spec(&self) -> &'a Value {
        &self.template["spec"]
    }

    /// The namespace of its workload.
    pub fn namespace(&self) -> &'a str {
        text(&self.owner["metadata"], "namespace")
    }

    /// Its labels.
    pub fn labels(&self) -> BTreeMap<&'a str, &'a str> {
        strings(&self.template["metadata"]["labels"])
    }

    /// Its annotations.
    pub fn annotations(&self) -> BTreeMap<&'a str, &'a str> {
        strings(&self.template["metadata"]["annotations"])
    }

    /// Whether it asks to be scraped.
    pub fn is_annotated(&self) -> bool {
        self.annotations().contains_key(SCRAPE)
    }

    /// Containers and init containers.
    pub fn containers(&self) -> Vec<Container<'a>> {
        let of = |key: &str, init| items(self.spec(), key).map(move |value| Container { value, init });
        of("initContainers", true).chain(of("containers", false)).collect()
    }

    /// Whether a port, by name or by number, is one of its containers'.
    pub fn has_port(&self, port: &Value) -> bool {
        self.containers().iter().any(|container| container.has_port(port))
    }

    /// For messages.
    pub fn title(&self) -> String {
        title(self.owner)
    }
}

impl<'a> Container<'a> {
    /// Its name.
    pub fn name(&self) -> &'a str {
        text(self.value, "name")
    }

    /// Its image without registry, and the tag.
    pub fn image(&self) -> (&'a str, &'a str) {
        let last = text(self.value, "image").rsplit('/').next().unwrap_or_default();
        last.split_once(':').unwrap_or((last, ""))
    }

    /// Whether its program is one of ours.
    pub fn is_ours(&self) -> bool {
        ["node-exporter", "apache-exporter", "logstash-exporter", "log-exporter", "blackbox-exporter"]
            .contains(&self.image().0)
    }

    /// Its arguments.
    pub fn args(&self) -> Vec<&'a str> {
        items(self.value, "args").filter_map(Value::as_str).collect()
    }

    /// The value of its argument `--flag=value`.
    pub fn arg(&self, flag: &str) -> Option<&'a str> {
        self.args().into_iter().find_map(|arg| arg.strip_prefix(flag)?.strip_prefix('='))
    }

    /// Whether it declares a port, by name or by number.
    pub fn has_port(&self, port: &Value) -> bool {
        items(self.value, "ports").any(|own| own["name"] == *port || own["containerPort"] == *port)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::selects;

    #[test]
    fn selectors() {
        let labels = BTreeMap::from([("app", "web"), ("tier", "front")]);
        let expression = |operator: &str| json!({ "key": "app", "operator": operator, "values": ["web"] });
        for (selector, want) in [
            (json!({}), true),
            (json!({ "matchLabels": { "app": "web" } }), true),
            (json!({ "matchLabels": { "app": "web", "tier": "back" } }), false),
            (json!({ "matchExpressions": [expression("In")] }), true),
            (json!({ "matchExpressions": [expression("NotIn")] }), false),
            (json!({ "matchExpressions": [expression("Exists")] }), true),
            (json!({ "matchExpressions": [expression("DoesNotExist")] }), false),
        ] {
            assert_eq!(selects(&selector, &labels), want, "{selector}");
        }
    }
}
