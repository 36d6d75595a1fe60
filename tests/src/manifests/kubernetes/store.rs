//! The objects of the cluster, what became of them in which order, and who is told of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// A kind of objects that is kept.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) group: &'static str,
    /// With the group, as objects say it.
    pub(super) version: &'static str,
    /// What paths call it.
    pub(super) resource: &'static str,
    pub(super) namespaced: bool,
}

impl Kind {
    pub(super) const ALL: &'static [Self] = &[
        Self::core("Node", "nodes", false),
        Self::core("Pod", "pods", true),
        Self::core("Service", "services", true),
        Self {
            name: "EndpointSlice",
            group: "discovery.k8s.io",
            version: "discovery.k8s.io/v1",
            resource: "endpointslices",
            namespaced: true,
        },
    ];

    const fn core(name: &'static str, resource: &'static str, namespaced: bool) -> Self {
        Self { name, group: "", version: "v1", resource, namespaced }
    }

    /// The one that a path means.
    pub(super) fn of(group: &str, resource: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|kind| kind.group == group && kind.resource == resource)
    }

    #[track_caller]
    fn named(name: &str) -> &'static Self {
        Self::ALL.iter().find(|kind| kind.name == name).unwrap_or_else(|| panic!("no objects of kind {name:?} here"))
    }
}

/// All objects; a handle to share.
#[derive(Clone, Debug, Default)]
pub(super) struct Store(Arc<Mutex<Objects>>);

/// Kind, namespace and name.
type Key = (&'static Kind, String, String);

#[derive(Debug, Default)]
struct Objects {
    version: u64,
    now: BTreeMap<Key, Value>,
    changes: Vec<Change>,
    /// Changes up to this version are not known any more.
    forgotten: u64,
    watches: Vec<Watch>,
}

#[derive(Debug)]
struct Change {
    version: u64,
    key: Key,
    line: Bytes,
}

#[derive(Debug)]
struct Watch {
    scope: Scope,
    bookmarks: bool,
    told: mpsc::UnboundedSender<Bytes>,
}

/// Which objects: all of a kind, or those in one namespace, or of one name.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub(super) kind: &'static Kind,
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
}

/// Which part of a list: so many, and after the page that said so.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Page<'a> {
    pub(super) limit: Option<usize>,
    pub(super) next: Option<&'a str>,
}

/// What was asked for is not known any more; the client has to begin anew.
#[derive(Debug)]
pub(super) struct Expired;

/// Where a watch begins.
#[derive(Clone, Copy, Debug)]
pub(super) enum Since {
    /// After a list of this version.
    Version(u64),
    /// With all there is.
    Ever,
    /// As newer clients want it in place of a list: with a word where that ends.
    EverAndSaySo,
}

impl Scope {
    fn holds(&self, (kind, namespace, name): &Key) -> bool {
        self.kind == *kind
            && self.namespace.as_deref().is_none_or(|only| only == namespace)
            && self.name.as_deref().is_none_or(|only| only == name)
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
        let key = (Kind::named(kind), namespace.to_owned(), name.to_owned());
        let gone = objects.now.remove(&key);
        let mut gone = gone.unwrap_or_else(|| panic!("there is no {kind} {namespace}/{name}"));
        objects.version += 1;
        gone["metadata"]["resourceVersion"] = objects.version.to_string().into();
        objects.tell("DELETED", key, &gone);
    }

    /// One object.
    #[track_caller]
    pub(super) fn get(&self, kind: &str, namespace: &str, name: &str) -> Value {
        let key = (Kind::named(kind), namespace.to_owned(), name.to_owned());
        self.lock().now.get(&key).cloned().unwrap_or_else(|| panic!("there is no {kind} {namespace}/{name}"))
    }

    /// All objects of a scope.
    pub(super) fn all(&self, scope: &Scope) -> Vec<Value> {
        self.lock().all(scope)
    }

    /// Objects of a scope as the API lists them. A page that follows another is of the same version, or there is none.
    pub(super) fn list(&self, scope: &Scope, page: Page<'_>) -> Result<Value, Expired> {
        let objects = self.lock();
        let version = objects.version;
        let from: usize = match page.next.map(|next| next.split_once('-')) {
            None => 0,
            Some(Some((at, from))) if at == version.to_string() => from.parse().map_err(|_| Expired)?,
            Some(_) => return Err(Expired),
        };
        let all = objects.all(scope);
        let until = page.limit.map_or(all.len(), |limit| all.len().min(from + limit));
        let mut meta = json!({"resourceVersion": version.to_string()});
        if until < all.len() {
            meta["continue"] = format!("{version}-{until}").into();
            meta["remainingItemCount"] = (all.len() - until).into();
        }
        let items = all.get(from..until).ok_or(Expired)?;
        let Kind { name, version, .. } = scope.kind;
        Ok(json!({"kind": format!("{name}List"), "apiVersion": version, "metadata": meta, "items": items}))
    }

    /// What changed in a scope since then, and what will, a line each; nothing but `expired` if that is not known any more.
    pub(super) fn watch(
        &self,
        scope: Scope,
        since: Since,
        bookmarks: bool,
        expired: &Value,
    ) -> mpsc::UnboundedReceiver<Bytes> {
        let (told, receiver) = mpsc::unbounded_channel();
        let mut objects = self.lock();
        let all = || objects.all(&scope).iter().map(|object| line("ADDED", object)).collect::<Vec<_>>();
        let first: Vec<Bytes> = match since {
            Since::Version(since) if since < objects.forgotten => {
                // The receiver is ours until we return; the watch ends with this line.
                let _ = told.send(line("ERROR", expired));
                return receiver;
            }
            Since::Version(since) => {
                let later = objects.changes.iter().filter(|change| change.version > since);
                later.filter(|change| scope.holds(&change.key)).map(|change| change.line.clone()).collect()
            }
            Since::Ever => all(),
            Since::EverAndSaySo => {
                let end = objects.bookmark(scope.kind, json!({"k8s.io/initial-events-end": "true"}));
                all().into_iter().chain([end]).collect()
            }
        };
        for line in first {
            let _ = told.send(line);
        }
        objects.watches.push(Watch { scope, bookmarks, told });
        receiver
    }

    /// Ends all watches; who wants bookmarks may be told first how far it is.
    pub(super) fn end_watches(&self, tell: bool) {
        let mut objects = self.lock();
        for watch in std::mem::take(&mut objects.watches).into_iter().filter(|watch| tell && watch.bookmarks) {
            let _ = watch.told.send(objects.bookmark(watch.scope.kind, json!({})));
        }
    }

    /// Forgets what changed so far, as an API server does after some minutes.
    pub(super) fn forget(&self) {
        let mut objects = self.lock();
        objects.forgotten = objects.version;
        objects.changes.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Objects> {
        // A poisoned lock means that a test already failed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Objects {
    fn all(&self, scope: &Scope) -> Vec<Value> {
        self.now.iter().filter(|(key, _)| scope.holds(key)).map(|(_, object)| object.clone()).collect()
    }

    fn tell(&mut self, what: &str, key: Key, object: &Value) {
        let line = line(what, object);
        // Who does not listen any more is forgotten.
        self.watches.retain(|watch| {
            !watch.told.is_closed() && (!watch.scope.holds(&key) || watch.told.send(line.clone()).is_ok())
        });
        self.changes.push(Change { version: self.version, key, line });
    }

    fn bookmark(&self, kind: &Kind, annotations: Value) -> Bytes {
        let metadata = json!({"resourceVersion": self.version.to_string(), "annotations": annotations});
        line("BOOKMARK", &json!({"kind": kind.name, "apiVersion": kind.version, "metadata": metadata}))
    }
}

fn line(what: &str, object: &Value) -> Bytes {
    Bytes::from(json!({"type": what, "object": object}).to_string() + "\n")
}

#[track_caller]
fn key(object: &Value) -> Key {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let kind = Kind::named(&text(&object["kind"]));
    assert_eq!(object["apiVersion"], *kind.version, "{object}");
    let meta = &object["metadata"];
    (kind, text(&meta["namespace"]), text(&meta["name"]))
}
