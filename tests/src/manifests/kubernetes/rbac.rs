//! Who may do what, as the ClusterRoles of our own manifests say.

use serde_json::Value;

use crate::manifests;

/// What everybody with a token may ask, in any cluster (`system:public-info-viewer`, `system:discovery`).
const PUBLIC: &[&str] = &["/api", "/apis", "/healthz", "/livez", "/readyz", "/version"];

/// The same, with all below: what the server's resources are called.
const DOCUMENTS: &[&str] = &["/api/", "/apis/"];

/// What somebody wants to do.
#[derive(Clone, Copy, Debug)]
pub enum Wants<'a> {
    /// A verb on a resource of an API group; `""` is the core group, a sub-resource comes after a slash.
    Resource(&'a str, &'a str, &'a str),
    /// A verb on a path that is no resource.
    Path(&'a str, &'a str),
}

/// The rights of one service account in the whole cluster.
#[derive(Clone, Debug)]
pub struct Rights {
    rules: Vec<Value>,
}

impl Rights {
    /// Those that the manifests give to Prometheus.
    #[track_caller]
    pub fn of_prometheus() -> Self {
        let file = "base/prometheus/rbac.yaml";
        Self::of(&manifests::documents(file, &manifests::text(file)), "monitoring", "prometheus")
    }

    /// Those that the ClusterRoleBindings among `documents` give to an account; panics when there are none.
    #[track_caller]
    pub fn of(documents: &[Value], namespace: &str, account: &str) -> Self {
        let of_kind = |kind: &'static str| documents.iter().filter(move |document| document["kind"] == kind);
        let bound = of_kind("ClusterRoleBinding").filter(|binding| {
            items(&binding["subjects"]).any(|subject| {
                subject["kind"] == "ServiceAccount" && subject["namespace"] == namespace && subject["name"] == account
            })
        });
        let role = |binding: &Value| {
            let name = &binding["roleRef"]["name"];
            let role = of_kind("ClusterRole").find(|role| role["metadata"]["name"] == *name);
            items(&role.unwrap_or_else(|| panic!("there is no ClusterRole {name}"))["rules"])
                .cloned()
                .collect::<Vec<_>>()
        };
        let rules: Vec<Value> = bound.flat_map(role).collect();
        assert!(!rules.is_empty(), "nothing is bound to {namespace}/{account}");
        Self { rules }
    }

    /// Whether they suffice.
    pub fn allow(&self, wants: Wants<'_>) -> bool {
        let has = |rule: &Value, field: &str, wanted: &str| {
            items(&rule[field]).filter_map(Value::as_str).any(|said| said == "*" || said == wanted)
        };
        match wants {
            Wants::Resource(verb, group, resource) => self.rules.iter().any(|rule| {
                has(rule, "verbs", verb) && has(rule, "apiGroups", group) && has(rule, "resources", resource)
            }),
            Wants::Path("get", path) if PUBLIC.contains(&path) => true,
            Wants::Path("get", path) if DOCUMENTS.iter().any(|above| path.starts_with(above)) => true,
            Wants::Path(verb, path) => {
                self.rules.iter().any(|rule| has(rule, "verbs", verb) && has(rule, "nonResourceURLs", path))
            }
        }
    }

    /// The same without the rule at a place, and that rule.
    #[track_caller]
    pub fn without(&self, place: usize) -> (Self, Value) {
        let mut fewer = self.clone();
        let rule = fewer.rules.remove(place);
        (fewer, rule)
    }

    /// Each right by itself: verb, group and resource, or verb and path.
    pub fn each(&self) -> Vec<String> {
        let texts = |rule: &Value, field: &str| -> Vec<String> {
            items(&rule[field]).map(|text| text.as_str().unwrap_or_default().to_owned()).collect()
        };
        let mut found = Vec::new();
        for rule in &self.rules {
            for verb in texts(rule, "verbs") {
                found.extend(texts(rule, "nonResourceURLs").iter().map(|path| format!("{verb} {path}")));
                for group in texts(rule, "apiGroups") {
                    found.extend(texts(rule, "resources").iter().map(|resource| format!("{verb} {group}/{resource}")));
                }
            }
        }
        found.sort();
        found
    }

    /// How many rules there are.
    pub fn count(&self) -> usize {
        self.rules.len()
    }
}

/// The entries of a list; none of anything else.
pub(super) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::{Rights, Wants};
    use crate::manifests::documents;

    const ROLE: &str = "
kind: ClusterRole
metadata: {name: reading}
rules:
  - {apiGroups: [''], resources: [pods, nodes/metrics], verbs: [get]}
  - {nonResourceURLs: [/metrics], verbs: [get]}
---
kind: ClusterRoleBinding
roleRef: {name: reading}
subjects: [{kind: ServiceAccount, namespace: ours, name: reader}]
";

    #[track_caller]
    fn check(wants: Wants<'_>, allowed: bool) {
        assert_eq!(Rights::of(&documents("inline", ROLE), "ours", "reader").allow(wants), allowed, "{wants:?}");
    }

    #[test]
    fn what_is_said_is_allowed_and_nothing_else() {
        check(Wants::Resource("get", "", "pods"), true);
        check(Wants::Resource("list", "", "pods"), false);
        check(Wants::Resource("get", "apps", "pods"), false);
        check(Wants::Resource("get", "", "nodes/metrics"), true);
        check(Wants::Resource("get", "", "nodes"), false);
        check(Wants::Path("get", "/metrics"), true);
        check(Wants::Path("get", "/metrics/slis"), false);
        check(Wants::Path("get", "/version"), true);
        check(Wants::Path("get", "/api/v1"), true);
        check(Wants::Path("post", "/version"), false);
    }

    #[test]
    #[should_panic(expected = "nothing is bound")]
    fn another_account_has_no_rights() {
        Rights::of(&documents("inline", ROLE), "ours", "other");
    }
}
