//! A Logstash that never ran: its monitoring API in four versions, on the scripted [`crate::upstream`].
//!
//! It answers `/`, `/_node`, `/_node/plugins`, `/_node/stats`, `/_node/hot_threads` and, as of 8.16, `/_health_report`.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::upstream::{Answer, Upstream};

mod documents;

use documents::Node;
pub use documents::{Pipeline, Version};

/// The node itself.
pub const ROOT: &str = "/";
/// Settings of node and pipelines.
pub const NODE: &str = "/_node";
/// Installed plugins.
pub const PLUGINS: &str = "/_node/plugins";
/// The figures.
pub const STATS: &str = "/_node/stats";
/// The busiest threads.
pub const HOT_THREADS: &str = "/_node/hot_threads";
/// Health, as of 8.16.
pub const HEALTH: &str = "/_health_report";

/// What the process calls itself until [`Logstash::set_ephemeral_id`].
const FIRST_LIFE: &str = "0d2e7c52-6a63-4d9c-8c53-1f7b9a3e5d01";

/// A running fake; stopped when dropped.
#[derive(Debug)]
pub struct Logstash {
    upstream: Upstream,
    node: Node,
}

impl Logstash {
    /// Starts one with two pipelines, `main` in memory and `audit` on disk.
    #[track_caller]
    pub fn start(version: Version) -> Self {
        Self::on(Upstream::start(not_found("that")), version)
    }

    /// The same where one was before, or on a port of choice.
    #[track_caller]
    pub fn start_on(address: SocketAddr, version: Version) -> Self {
        Self::on(Upstream::start_on(address, not_found("that")), version)
    }

    /// The same on a server that a test has set up, for example with TLS.
    pub fn on(upstream: Upstream, version: Version) -> Self {
        let pipelines = vec![Pipeline::new("main", 6), Pipeline::new("audit", 4).persisted()];
        let mut logstash = Self { upstream, node: Node { version, ephemeral_id: FIRST_LIFE.to_owned(), pipelines } };
        logstash.changed();
        logstash
    }

    /// Replaces the pipelines.
    pub fn set_pipelines(&mut self, pipelines: Vec<Pipeline>) {
        self.node.pipelines = pipelines;
        self.changed();
    }

    /// Replaces the pipelines by `count`, each with as many plugins.
    pub fn generate_pipelines(&mut self, count: usize, plugins_each: usize) {
        self.set_pipelines((0..count).map(|n| Pipeline::new(&format!("pipeline-{n:03}"), plugins_each)).collect());
    }

    /// Lets it seem restarted: a process gets a new id at its start.
    pub fn set_ephemeral_id(&mut self, id: &str) {
        id.clone_into(&mut self.node.ephemeral_id);
        self.changed();
    }

    /// From now on a request without these credentials gets 401 and no body.
    pub fn demand(&self, user: &str, password: &str) {
        self.upstream.demand(user, password);
    }

    /// From now on every path answers 503, as a proxy before it does while it starts.
    pub fn seem_starting(&self) {
        self.upstream.set(Answer::status(503, "").header("Retry-After", "1"));
    }

    /// From now on the document of a path breaks off in its middle.
    #[track_caller]
    pub fn break_off(&self, path: &str) {
        let body = self.document(path).to_string();
        let half = body.len() / 2;
        self.upstream.set_path(path, Answer::ok("application/json", body).cut_short(half));
    }

    /// From now on a path is asked in vain.
    pub fn fall_silent(&self, path: &str) {
        self.upstream.set_path(path, Answer::silence());
    }

    /// From now on a path answers what a test has made of its document.
    #[track_caller]
    pub fn twist(&self, path: &str, twist: impl FnOnce(&mut Value)) {
        let mut document = self.document(path);
        twist(&mut document);
        self.upstream.set_path(path, Answer::json(&document));
    }

    /// All paths answer as they should again.
    pub fn heal(&mut self) {
        self.changed();
    }

    /// The document of a path; panics where there is none.
    #[track_caller]
    pub fn document(&self, path: &str) -> Value {
        self.documents()
            .into_iter()
            .find_map(|(of, document)| (of == path).then_some(document))
            .unwrap_or_else(|| panic!("Logstash {} has no {path}", self.node.version.as_str()))
    }

    /// The server, for its counts and for answers of other kinds.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.upstream.address()
    }

    /// Its base URL, without a slash at the end.
    pub fn url(&self) -> String {
        self.upstream.url("")
    }

    fn documents(&self) -> Vec<(&'static str, Value)> {
        let node = &self.node;
        let mut documents = vec![
            (ROOT, node.root()),
            (NODE, node.node()),
            (PLUGINS, node.plugins()),
            (STATS, node.stats()),
            (HOT_THREADS, node.hot_threads()),
        ];
        if node.version > Version::V7_17 {
            documents.push((HEALTH, node.health_report()));
        }
        documents
    }

    fn changed(&mut self) {
        let documents = self.documents();
        let answers = documents.iter().map(|(path, document)| (*path, Answer::json(document)));
        self.upstream.set_all(not_found("that"), answers);
    }
}

/// The answer for a path that this version does not know.
fn not_found(path: &str) -> Answer {
    let body = json!({"path": path, "status": 404, "error": {"message": "Not Found"}});
    Answer::status(404, body.to_string()).header("Content-Type", "application/json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Request;

    #[track_caller]
    fn get(logstash: &Logstash, path: &str) -> (u16, Value) {
        let answer = Request::get(path).send(logstash.address()).unwrap();
        (answer.status, serde_json::from_str(&answer.text()).unwrap_or_default())
    }

    #[test]
    fn versions_differ_where_they_should() {
        for version in Version::ALL {
            let logstash = Logstash::start(version);
            for path in [ROOT, NODE, PLUGINS, STATS, HOT_THREADS] {
                let (status, document) = get(&logstash, path);
                assert_eq!((status, document["version"].as_str()), (200, Some(version.as_str())), "{path}");
                assert_eq!(document["status"], "green", "{path}");
            }
            let (_, stats) = get(&logstash, STATS);
            let since = |key: &str| stats["pipelines"]["audit"].get(key).is_some();
            assert_eq!(since("flow"), version >= Version::V8_19, "{version:?}");
            assert_eq!(since("batch"), version >= Version::V9_2, "{version:?}");
            let (status, health) = get(&logstash, HEALTH);
            assert_eq!(status == 200, version >= Version::V8_19, "{version:?}");
            assert_eq!(health["status"].is_string(), status == 200, "in errors it is a number");
        }
    }

    #[test]
    fn a_restart_changes_every_ephemeral_id() {
        let mut logstash = Logstash::start(Version::V9_4);
        let ids = |logstash: &Logstash| {
            let (_, stats) = get(logstash, STATS);
            [&stats["ephemeral_id"], &stats["pipelines"]["main"]["ephemeral_id"]].map(Value::to_string)
        };
        let before = ids(&logstash);
        logstash.set_ephemeral_id("another");
        let after = ids(&logstash);
        assert!(before.iter().zip(&after).all(|(before, after)| before != after), "{before:?} {after:?}");
    }

    #[test]
    fn generates_as_many_as_asked_for() {
        let mut logstash = Logstash::start(Version::V9_4);
        logstash.generate_pipelines(20, 50);
        let (_, stats) = get(&logstash, STATS);
        let pipelines = stats["pipelines"].as_object().unwrap();
        assert_eq!(pipelines.len(), 20);
        let plugins = pipelines["pipeline-007"]["plugins"].as_object().unwrap();
        assert_eq!(plugins.values().map(|kind| kind.as_array().unwrap().len()).sum::<usize>(), 50);
        let ids: std::collections::BTreeSet<&str> = pipelines
            .values()
            .flat_map(|pipeline| pipeline["plugins"].as_object().unwrap().values())
            .flat_map(|kind| kind.as_array().unwrap().iter().map(|plugin| plugin["id"].as_str().unwrap()))
            .collect();
        assert_eq!(ids.len(), 1000);
        assert_eq!(plugins["filters"][0]["flow"]["worker_utilization"].as_object().unwrap().len(), 7);
    }

    #[test]
    fn breaks_and_heals() {
        let mut logstash = Logstash::start(Version::V8_19);
        logstash.break_off(STATS);
        assert!(Request::get(STATS).send(logstash.address()).is_err());
        logstash.seem_starting();
        assert_eq!(get(&logstash, STATS).0, 503);
        logstash.twist(STATS, |stats| stats["jvm"] = json!("none"));
        assert_eq!(get(&logstash, STATS).1["jvm"], "none");
        logstash.heal();
        assert_eq!(get(&logstash, STATS).1, logstash.document(STATS));
    }
}
