//! Whether an object is one that a certain Kubernetes takes: `tests/fixtures/kubernetes/`, strictly.

use std::fs;
use std::path::Path;

use jsonschema::Validator;
use serde_json::{Value, json};

/// Versions with a schema: the oldest that is supported, the first with native sidecars, the newest.
pub const VERSIONS: [&str; 3] = ["1.25", "1.29", "1.37"];

/// The first of [`VERSIONS`] with native sidecars.
pub const NATIVE_SIDECARS: &str = "1.29";

/// The objects of one Kubernetes version, and those of the Prometheus Operator.
#[derive(Debug)]
pub struct Schemas {
    version: String,
    kinds: Vec<(String, Validator)>,
}

impl Schemas {
    /// Those of a version in [`VERSIONS`].
    #[track_caller]
    pub fn of(version: &str) -> Self {
        let kinds = [version, "operator"].into_iter().flat_map(kinds).collect();
        Self { version: version.to_owned(), kinds }
    }

    /// What is wrong with an object, one text per mistake.
    pub fn mistakes(&self, object: &Value) -> Vec<String> {
        let text = |key: &str| object[key].as_str().unwrap_or_default();
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let kind = format!("{}/{}", text("apiVersion"), text("kind"));
        let Some((_, validator)) = self.kinds.iter().find(|(known, _)| *known == kind) else {
            return vec![format!("{kind} {name}: no schema; add it to tests/fixtures/kubernetes/reduce.py")];
        };
        let place = |e: &jsonschema::ValidationError<'_>| e.instance_path().to_string();
        validator
            .iter_errors(object)
            .map(|e| format!("{kind} {name}, Kubernetes {}: {}: {e}", self.version, place(&e)))
            .collect()
    }
}

#[track_caller]
fn kinds(file: &str) -> Vec<(String, Validator)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/kubernetes").join(format!("{file}.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let whole: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let kinds = whole["kinds"].as_object().expect("a file of schemas says which kinds it has");
    let compile = |definition: &Value| {
        let name = definition.as_str().expect("a kind names its definition");
        let schema = json!({
            "$schema": whole["$schema"],
            "$ref": format!("#/$defs/{name}"),
            "$defs": whole["$defs"],
        });
        jsonschema::validator_for(&schema).unwrap_or_else(|e| panic!("{}: {name}: {e}", path.display()))
    };
    kinds.iter().map(|(kind, definition)| (kind.clone(), compile(definition))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Schemas;

    fn sidecar() -> Value {
        let containers = json!([{ "name": "app", "image": "app:1" }]);
        let sidecars = json!([{ "name": "exporter", "image": "exporter:1", "restartPolicy": "Always" }]);
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "app" },
            "spec": {
                "selector": {},
                "template": { "spec": { "containers": containers, "initContainers": sidecars } },
            },
        })
    }

    #[test]
    fn a_field_is_a_mistake_before_it_exists() {
        let [old, new] = ["1.25", "1.29"].map(|version| Schemas::of(version).mistakes(&sidecar()));
        assert!(old.len() == 1 && old[0].contains("restartPolicy"), "{old:?}");
        assert!(new.is_empty(), "{new:?}");
    }

    #[test]
    fn all_mistakes_are_told() {
        let object = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web", "labels": { "port": 1 } },
            "spec": { "ports": [{ "port": "80" }], "selektor": {} },
        });
        assert_eq!(Schemas::of("1.37").mistakes(&object).len(), 3);
        assert_eq!(Schemas::of("1.37").mistakes(&json!({ "kind": "Teapot" })).len(), 1);
    }
}
