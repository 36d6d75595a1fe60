//! The objects of the cluster, and what became of them in which order.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// The kinds that are kept: their name, their API group and version, and what the path calls them.
const KINDS: &[(&str, &str, &str)] = &[
    ("Node", "v1", "nodes"),
    ("Pod", "v1", "pods"),
    ("Service", "v1", "services"),
    ("EndpointSlice", "discovery.k8s.io/v1", "endpointslices"),
];

/// All objects; a handle to share.
#[derive(Clone, Debug, Default)]
pub(super) struct Store(Arc<Mutex<Objects>>);

#[derive(Debug, Default)]
struct Objects {
    version: u64,
    /// By what the path calls their kind, namespace and name.
    now: BTreeMap<(&'static str, String, String), Value>,
    changes: Vec<Change>,
    watches: Vec<(Scope, mpsc::UnboundedSender<Bytes>)>,
}

#[derive(Debug)]
struct Change {
    version: u64,
    resource: &'static str,
    namespace: String,
    line: Bytes,
}

/// Which objects: all of a kind, in one namespace or in all.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub(super) resource: String,
    pub(super) namespace: Option<String>,
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug)]
pub(super) enum Since {
    /// After a list of this version.
    Version(u64),
    /// With all there is, as newer clients want it in place of a list.
    Ever,
}

impl Scope {
    fn holds(&self, resource: &str, namespace: &str) -> bool {
        self.resource == resource && self.namespace.as_deref().is_none_or(|only| only == namespace)
    }
}

impl Store {
    /// Adds an object, or replaces the one of the same name.
    #[track_caller]
    pub(super) fn apply(&self, mut object: Value) {
        let mut objects = self.lock();
        objects.version += 1;
        let key = key(&object);
        object["metadata"]["resourceVersion"] = objects.version.to_string().into();
        let before = objects.now.insert(key.clone(), object.clone());
        objects.tell(if before.is_some() { "MODIFIED" } else { "ADDED" }, key, &object);
    }

    /// Removes an object; panics when there is none like it.
    #[track_caller]
    pub(super) fn delete(&self, kind: &str, namespace: &str, name: &str) {
        let mut objects = self.lock();
        let resource = kind_of(kind).2;
        let key = (resource, namespace.to_owned(), name.to_owned());
        let gone = objects.now.remove(&key);
        let mut gone = gone.unwrap_or_else(|| panic!("there is no {kind} {namespace}/{name}"));
        objects.version += 1;
        gone["metadata"]["resourceVersion"] = objects.version.to_string().into();
        objects.tell("DELETED", key, &gone);
    }

    /// One object.
    #[track_caller]
    pub(super) fn get(&self, kind: &str, namespace: &str, name: &str) -> Value {
        let key = (kind_of(kind).2, namespace.to_owned(), name.to_owned());
        self.lock().now.get(&key).cloned().unwrap_or_else(|| panic!("there is no {kind} {namespace}/{name}"))
    }

    /// All objects of a scope.
    pub(super) fn all(&self, scope: &Scope) -> Vec<Value> {
        self.lock().all(scope)
    }

    /// All objects of a scope as the API lists them; nothing for a kind that is not kept.
    pub(super) fn list(&self, scope: &Scope) -> Option<Value> {
        let (kind, version, _) = KINDS.iter().find(|(_, _, resource)| *resource == scope.resource)?;
        let objects = self.lock();
        let at = objects.version.to_string();
        Some(json!({
            "kind": format!("{kind}List"), "apiVersion": version, "metadata": {"resourceVersion": at},
            "items": objects.all(scope),
        }))
    }

    /// What changed in a scope since a version, and what will, a line each; nothing for a kind that is not kept.
    pub(super) fn watch(&self, scope: Scope, since: Since) -> Option<mpsc::UnboundedReceiver<Bytes>> {
        let (kind, version, _) = KINDS.iter().find(|(_, _, resource)| *resource == scope.resource)?;
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut objects = self.lock();
        let first: Vec<Bytes> = match since {
            Since::Version(since) => {
                let later = objects.changes.iter().filter(|change| change.version > since);
                let mine = later.filter(|change| scope.holds(change.resource, &change.namespace));
                mine.map(|change| change.line.clone()).collect()
            }
            Since::Ever => {
                let end = json!({
                    "kind": kind, "apiVersion": version,
                    "metadata": {
                        "resourceVersion": objects.version.to_string(),
                        "annotations": {"k8s.io/initial-events-end": "true"},
                    },
                });
                let all = objects.all(&scope);
                all.iter().map(|object| line("ADDED", object)).chain([line("BOOKMARK", &end)]).collect()
            }
        };
        for line in first {
            // The receiver is ours until we return.
            let _ = sender.send(line);
        }
        objects.watches.push((scope, sender));
        Some(receiver)
    }

    fn lock(&self) -> MutexGuard<'_, Objects> {
        // A poisoned lock means that a test already failed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Objects {
    fn all(&self, scope: &Scope) -> Vec<Value> {
        let inside = self.now.iter().filter(|((resource, namespace, _), _)| scope.holds(resource, namespace));
        inside.map(|(_, object)| object.clone()).collect()
    }

    fn tell(&mut self, what: &str, (resource, namespace, _): (&'static str, String, String), object: &Value) {
        let line = line(what, object);
        // Who does not listen any more is forgotten.
        self.watches.retain(|(scope, watch)| {
            !watch.is_closed() && (!scope.holds(resource, &namespace) || watch.send(line.clone()).is_ok())
        });
        self.changes.push(Change { version: self.version, resource, namespace, line });
    }
}

fn line(what: &str, object: &Value) -> Bytes {
    Bytes::from(json!({"type": what, "object": object}).to_string() + "\n")
}

#[track_caller]
fn kind_of(kind: &str) -> &'static (&'static str, &'static str, &'static str) {
    KINDS.iter().find(|(known, _, _)| *known == kind).unwrap_or_else(|| panic!("no objects of kind {kind:?} here"))
}

#[track_caller]
fn key(object: &Value) -> (&'static str, String, String) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (_, version, resource) = kind_of(&text(&object["kind"]));
    assert_eq!(object["apiVersion"], *version, "{object}");
    let meta = &object["metadata"];
    (*resource, text(&meta["namespace"]), text(&meta["name"]))
}
