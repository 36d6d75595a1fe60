//! What the API server says: documents that name its resources, lists in pages, single objects, watches, refusals.
//!
//! As much of it as client-go asks for, which is what Prometheus and kubectl have built in. Nothing can be changed through
//! it, and what it does not understand (selectors of labels, of fields other than names) it refuses rather than ignores.

use hyper::body::Incoming;
use hyper::{Method, Request};
use serde_json::{Value, json};

use super::rbac::Wants;
use super::server::{Reply, Said};
use super::store::{Expired, Kind, Page, Scope, Since};
use super::{Shared, has_token, metrics, page};

/// What a path below `/api` or `/apis` is about.
#[derive(Debug, PartialEq, Eq)]
struct Asked<'a> {
    group: &'a str,
    /// With its sub-resource, if there is one.
    resource: String,
    namespace: Option<&'a str>,
    name: Option<&'a str>,
}

impl Shared {
    /// Answers a request to the API server.
    pub(super) fn api(&self, request: &Request<Incoming>) -> Reply {
        if !has_token(request) {
            return status(401, "Unauthorized", "no token, or not the one of the pod");
        }
        let path = request.uri().path();
        let Some(asked) = asked(path) else { return self.document(request.method(), path) };
        let parameters = Parameters(request.uri().query().unwrap_or_default());
        let verb = match *request.method() {
            Method::GET if parameters.is("watch") => "watch",
            Method::GET if asked.name.is_none() => "list",
            Method::GET => "get",
            Method::POST => "create",
            Method::PUT => "update",
            Method::DELETE => "delete",
            _ => "patch",
        };
        if !self.may(Wants::Resource(verb, asked.group, &asked.resource)) {
            return forbidden(&format!("cannot {verb} {} in the API group {:?}", asked.resource, asked.group));
        }
        self.note(request.uri());
        let Some(kind) = Kind::of(asked.group, &asked.resource) else {
            return status(404, "NotFound", "the server could not find the requested resource");
        };
        let name = match asked.name.map_or_else(|| parameters.name(), |name| Ok(Some(name.to_owned()))) {
            Ok(name) => name,
            Err(why) => return status(400, "BadRequest", &why),
        };
        let scope = Scope { kind, namespace: asked.namespace.map(ToOwned::to_owned), name };
        match verb {
            "watch" => self.watch(scope, &parameters),
            "list" => self.list(&scope, &parameters),
            "get" => match self.store.all(&scope).pop() {
                Some(object) => super::json(&object),
                None => status(404, "NotFound", &format!("{} {:?} not found", asked.resource, scope.name)),
            },
            _ => status(405, "MethodNotAllowed", "nothing can be changed here"),
        }
    }

    fn list(&self, scope: &Scope, parameters: &Parameters<'_>) -> Reply {
        let limit = parameters.number("limit").filter(|limit| *limit > 0);
        let page = Page { limit: limit.and_then(|limit| limit.try_into().ok()), next: parameters.get("continue") };
        match self.store.list(scope, page) {
            Ok(list) => super::json(&list),
            Err(Expired) => Reply(410, "application/json", Said::text(expired().to_string())),
        }
    }

    fn watch(&self, scope: Scope, parameters: &Parameters<'_>) -> Reply {
        let since = match parameters.number("resourceVersion") {
            _ if parameters.get("sendInitialEvents") == Some("true") => Since::EverAndSaySo,
            None | Some(0) => Since::Ever,
            Some(version) => Since::Version(version),
        };
        let watch = self.store.watch(scope, since, parameters.is("allowWatchBookmarks"), &expired());
        Reply(200, "application/json", Said::Pieces(watch))
    }

    /// What is no resource: pages, and the documents by which clients learn of resources.
    fn document(&self, method: &Method, path: &str) -> Reply {
        let verb = if *method == Method::GET { "get" } else { "post" };
        if !self.may(Wants::Path(verb, path)) {
            return forbidden(&format!("cannot {verb} path {path:?}"));
        }
        let version = |group: &str| json!({"groupVersion": group, "version": "v1"});
        match path {
            "/metrics" => metrics(page("apiserver")),
            "/version" => super::json(&json!({"major": "1", "minor": "37", "gitVersion": "v1.37.0"})),
            "/api" => super::json(&json!({"kind": "APIVersions", "versions": ["v1"]})),
            "/apis" => {
                let groups = Kind::ALL.iter().filter(|kind| !kind.group.is_empty()).map(|kind| {
                    let version = version(kind.version);
                    json!({"name": kind.group, "versions": [version], "preferredVersion": version})
                });
                let groups: Vec<Value> = groups.collect();
                super::json(&json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
            }
            _ => {
                let version = path.strip_prefix("/apis/").or_else(|| path.strip_prefix("/api/")).unwrap_or_default();
                let kinds = Kind::ALL.iter().filter(|kind| kind.version == version);
                let resources: Vec<Value> = kinds.map(resource).collect();
                if resources.is_empty() {
                    return status(404, "NotFound", "the server could not find the requested resource");
                }
                super::json(&json!({"kind": "APIResourceList", "groupVersion": version, "resources": resources}))
            }
        }
    }
}

fn resource(kind: &Kind) -> Value {
    json!({
        "name": kind.resource, "singularName": kind.name.to_lowercase(), "namespaced": kind.namespaced,
        "kind": kind.name, "verbs": ["delete", "get", "list", "watch"],
    })
}

/// The parameters of a query.
struct Parameters<'a>(&'a str);

impl<'a> Parameters<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        let pairs = self.0.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(known, _)| *known == name).map(|(_, value)| value).next_back()
    }

    fn is(&self, name: &str) -> bool {
        matches!(self.get(name), Some("true" | "1"))
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    /// The one name that selectors leave, if they leave but one.
    fn name(&self) -> Result<Option<String>, String> {
        if let Some(selector) = self.get("labelSelector").filter(|selector| !selector.is_empty()) {
            return Err(format!("labels cannot be selected by here: {selector}"));
        }
        let Some(selector) = self.get("fieldSelector").filter(|selector| !selector.is_empty()) else { return Ok(None) };
        let name = selector.strip_prefix("metadata.name%3D").or_else(|| selector.strip_prefix("metadata.name="));
        let name = name.filter(|name| !name.contains(['%', ',', '=']));
        name.map(|name| Some(name.to_owned())).ok_or_else(|| format!("field label not supported: {selector}"))
    }
}

/// What a path is about; nothing for what is no resource.
fn asked(path: &str) -> Option<Asked<'_>> {
    let (group, rest) = match path.strip_prefix("/api/v1/") {
        Some(rest) => ("", rest),
        None => {
            let (group, rest) = path.strip_prefix("/apis/")?.split_once('/')?;
            (group, rest.split_once('/')?.1)
        }
    };
    let parts: Vec<&str> = rest.split('/').collect();
    let (namespace, parts) = match parts.as_slice() {
        ["namespaces", namespace, inside @ ..] if !inside.is_empty() => (Some(*namespace), inside),
        all => (None, all),
    };
    let (resource, name) = match parts {
        [resource] => ((*resource).to_owned(), None),
        [resource, name] => ((*resource).to_owned(), Some(*name)),
        [resource, name, part, ..] => (format!("{resource}/{part}"), Some(*name)),
        [] => return None,
    };
    Some(Asked { group, resource, namespace, name })
}

fn forbidden(what: &str) -> Reply {
    status(403, "Forbidden", &format!("User \"system:serviceaccount:monitoring:prometheus\" {what}"))
}

fn status(code: u16, reason: &str, message: &str) -> Reply {
    Reply(code, "application/json", Said::text(failure(code, reason, message).to_string()))
}

/// What a client that asks for what is not known any more is told, as an answer or in the middle of a watch.
fn expired() -> Value {
    failure(410, "Expired", "too old resource version")
}

fn failure(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": reason, "message": message,
        "code": code,
    })
}

#[cfg(test)]
mod tests {
    use super::asked;

    #[test]
    fn paths_name_group_resource_namespace_and_object() {
        for (path, wanted) in [
            ("/api/v1/pods", Some(("", "pods", None, None))),
            ("/api/v1/nodes/a", Some(("", "nodes", None, Some("a")))),
            ("/api/v1/nodes/a/proxy/metrics", Some(("", "nodes/proxy", None, Some("a")))),
            ("/api/v1/namespaces", Some(("", "namespaces", None, None))),
            ("/api/v1/namespaces/n", Some(("", "namespaces", None, Some("n")))),
            ("/api/v1/namespaces/n/pods", Some(("", "pods", Some("n"), None))),
            ("/api/v1/namespaces/n/pods/p/log", Some(("", "pods/log", Some("n"), Some("p")))),
            ("/apis/discovery.k8s.io/v1/endpointslices", Some(("discovery.k8s.io", "endpointslices", None, None))),
            ("/apis/discovery.k8s.io/v1", None),
            ("/api/v1", None),
            ("/metrics", None),
        ] {
            let found = asked(path);
            let found = found.as_ref().map(|asked| (asked.group, asked.resource.as_str(), asked.namespace, asked.name));
            assert_eq!(found, wanted, "{path}");
        }
    }
}
