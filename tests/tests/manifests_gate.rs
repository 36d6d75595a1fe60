//! What of the cluster's Prometheus can be had from outside, and what it sends by itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use exporter_tests::client::percent_encoded;
use exporter_tests::fixture::Fixture;
use exporter_tests::manifests;
use exporter_tests::manifests::kubernetes::{Authority, Cluster, Gate, Rights, add_address, configuration};
use exporter_tests::manifests::monitoring_server::{Credentials, QUICK, etc_prometheus};
use exporter_tests::manifests::rendering::Rendering;
use exporter_tests::namespace::entered_alone;
use exporter_tests::prometheus::Prometheus;
use exporter_tests::tools::{run, tool};
use exporter_tests::upstream::{Answer, Upstream};
use serde_json::Value;

const USER: &str = "federation";
/// What the gate's Secret holds.
const SECRET: [&str; 3] = ["tls.crt", "tls.key", "htpasswd"];
/// Where an overlay's own part of the configuration begins.
const OWN_PART: &str = "\n# ---- Where it is sent to -";

/// Another Secret for the gate, by an authority and with a password.
#[track_caller]
fn secret(authority: &Authority, password: &str) -> [(&'static str, String); 3] {
    let (certificate, key) = authority.pair(&["federation"]);
    // The least cost: what is tested is not how long it takes.
    let hash = bcrypt::hash(password, 4).expect("bcrypt hashes any password");
    let [tls, tls_key, htpasswd] = SECRET;
    [(tls, certificate), (tls_key, key), (htpasswd, format!("{USER}:{hash}\n"))]
}

fn borrowed<'a>(secret: &'a [(&'static str, String); 3]) -> [(&'static str, &'a str); 3] {
    secret.each_ref().map(|(name, content)| (*name, content.as_str()))
}

/// The codes that curl gets for paths of the gate.
#[track_caller]
fn codes(ca: &Path, args: &[&str], paths: &[&str]) -> Vec<u16> {
    let mut curl = Command::new(tool("curl"));
    curl.args(["--silent", "--show-error", "--path-as-is", "--globoff", "--write-out", "%{http_code}\n"]);
    curl.args(["--resolve", "federation:9443:127.0.0.1", "--cacert"]).arg(ca).args(args);
    for path in paths {
        curl.args(["--output", "/dev/null"]).arg(format!("https://federation:9443{path}"));
    }
    let output = run(&mut curl);
    String::from_utf8_lossy(&output.stdout).lines().map(|code| code.parse().expect("a code")).collect()
}

#[test]
fn outside_there_is_federation_and_nothing_else() {
    if !entered_alone("outside_there_is_federation_and_nothing_else") {
        return;
    }
    let mut cluster = Cluster::start(Rights::of_prometheus());
    cluster.add_node("node-1", "10.0.0.11");
    let inside = cluster.prometheus("test");
    let credentials = Credentials::new();
    assert!(credentials.make(&[]).status.success());
    let made = |path: PathBuf| fs::read_to_string(path).expect("it was made");
    let ca = credentials.server("federation-ca.crt");
    let password = made(credentials.server("federation-password"));
    let gate = Gate::start(&borrowed(&SECRET.map(|name| (name, made(credentials.cluster(name))))));
    let user = format!("{USER}:{password}");
    let auth = ["--user", user.as_str()];
    exporter_tests::wait::until("the gate is open", || {
        let open = std::net::TcpStream::connect("127.0.0.1:9443");
        open.map(drop).map_err(|e| format!("{e}\n{}", gate.log()))
    });

    // Who may what.
    let federate = "/federate?match[]=up";
    assert_eq!(codes(&ca, &auth, &[federate]), [200]);
    assert_eq!(codes(&ca, &[], &[federate]), [401]);
    assert_eq!(codes(&ca, &["--user", "federation:guessed"], &[federate]), [401]);
    assert_eq!(codes(&ca, &[], &["/-/healthy", "/-/ready"]), [200, 200]);
    let by_ipv6 = ["--connect-to", "federation:9443:[::1]:9443"];
    assert_eq!(codes(&ca, &by_ipv6, &["/-/ready"]), [200]);
    let closed = [
        "/",
        "/graph",
        "/query",
        "/metrics",
        "/federate/",
        "/federate/../api/v1/status/config",
        "/federate%2f..%2fapi/v1/query?query=up",
        "/-/healthy/../../api/v1/query?query=up",
        "/api/v1/query?query=up",
        "/api/v1/targets",
        "/api/v1/write",
        "/-/reload",
        "/-/quit",
        "/debug/pprof/",
    ];
    assert_eq!(codes(&ca, &auth, &closed), [404; 14]);
    for method in ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"] {
        let how = if method == "HEAD" { vec!["--head"] } else { vec!["--request", method] };
        let args = [&auth[..], &how].concat();
        assert_eq!(codes(&ca, &args, &[federate, "/-/reload", "/-/ready"]), [405; 3], "{method}");
    }
    // Only this pod reaches it without the gate.
    assert!(inside.address().ip().is_loopback());
    assert!(std::net::TcpStream::connect(("10.0.0.11", 9090)).is_err());

    // The monitoring server outside: labels as inside, and whose they are.
    let targets = "- targets: ['127.0.0.1:9443']\n  labels: {__job: federate, cluster: test}\n";
    let files = etc_prometheus(targets, QUICK);
    for (name, content) in [("federation-ca.crt", made(ca.clone())), ("federation-password", password)] {
        fs::write(files.path("secrets").join(name), content).expect("the folder is writable");
    }
    let outside = Prometheus::configured(files, Vec::new());
    for (job, at) in
        [("kubernetes-nodes", "node-1"), ("kubernetes-apiservers", "10.0.0.2:6443"), ("prometheus", "prometheus")]
    {
        let query = format!("up{{job={job:?}}} == 1");
        let (mut labels, _) = outside.wait_until(&query, |found| found.len() == 1).remove(0);
        assert_eq!(labels.remove("cluster").as_deref(), Some("test"));
        assert_eq!(labels["instance"], at);
        let (inner, _) = inside.query(&query).expect("a query").remove(0);
        assert_eq!(labels, inner);
    }
    outside.has_no_complaints();
    drop(outside);

    // A new Secret is in use without a restart, and the old one is not.
    let renewed = Authority::new("renewed");
    fs::write(&ca, renewed.pem()).expect("the folder is writable");
    Gate::set_secret(&borrowed(&secret(&renewed, "another")));
    assert_eq!(codes(&ca, &["--user", "federation:another"], &[federate]), [200]);
    assert_eq!(codes(&ca, &auth, &[federate]), [401]);

    // Guessing is slow.
    let guesses = codes(&ca, &[], &[federate; 200]);
    assert_eq!(guesses.iter().collect::<BTreeSet<_>>(), BTreeSet::from([&401, &429]));
    // Nothing that it could not open, and no line for each guess.
    let log = gate.log();
    assert!(!log.contains("[crit]") && !log.contains("limiting") && !log.contains(" 429 "), "{log}");
    assert!(log.contains("\" 401 "), "who guesses is in the log:\n{log}");
}

#[test]
fn prometheus_never_sees_the_password_of_who_asks() {
    let prometheus = Upstream::start(Answer::text("up 1\n"));
    let credentials = Credentials::new();
    assert!(credentials.make(&[]).status.success());
    let gate =
        manifests::gate::Gate::start(prometheus.address(), credentials.cluster("tls.crt").parent().expect("a folder"));
    let password = fs::read_to_string(credentials.server("federation-password")).expect("it was made");
    let mut curl = Command::new(tool("curl"));
    curl.args(["--silent", "--show-error", "--fail", "--user", &format!("{USER}:{password}"), "--cacert"]);
    curl.arg(credentials.server("federation-ca.crt"));
    curl.args([
        "--connect-to",
        &format!("federation:443:{}", gate.address()),
        "https://federation/federate?match[]=up",
    ]);
    assert_eq!(run(curl.arg("--globoff")).stdout, b"up 1\n");
    assert_eq!(prometheus.last("/federate").header("authorization"), None);
}

/// Everybody with a namespace can add targets to these, and a page of theirs may be as long as they like.
#[test]
fn jobs_for_annotations_have_bounds() {
    let config = manifests::document("base/prometheus/prometheus.yml");
    let jobs = config["scrape_configs"].as_array().expect("there are jobs").iter();
    let mut seen = 0;
    for job in jobs.filter(|job| job["relabel_configs"].to_string().contains("_annotation_prometheus_io_scrape")) {
        for bound in
            ["sample_limit", "target_limit", "label_limit", "label_name_length_limit", "label_value_length_limit"]
        {
            assert!(job[bound].as_u64().is_some_and(|bound| bound > 0), "{}: {bound}", job["job_name"]);
        }
        assert!(job["body_size_limit"].is_string() && job["honor_labels"].is_null(), "{}", job["job_name"]);
        seen += 1;
    }
    assert_eq!(seen, 2);
}

#[test]
fn an_agent_sends_what_it_scrapes() {
    if !entered_alone("an_agent_sends_what_it_scrapes") {
        return;
    }
    let mut cluster = Cluster::start(Rights::of_prometheus());
    cluster.add_node("node-1", "10.0.0.11");
    add_address("10.9.0.1".parse().expect("an address"));
    let storage = Fixture::new().file("prometheus.yml", "global: {}\n").file("password", "secret");
    let mut command = Command::new(tool("prometheus"));
    command
        .args([storage.flag("--config.file", "prometheus.yml"), storage.flag("--storage.tsdb.path", "data")])
        .args(["--web.listen-address=10.9.0.1:9090", "--web.enable-remote-write-receiver"]);
    let password = Value::from(storage.path("password").to_string_lossy()).to_string();
    let receiver = Prometheus::started_by(&mut command, storage, Vec::new());

    let text = manifests::text("overlays/agent/prometheus.yml");
    let sent = text.replace("https://metrics.example.org/", "http://10.9.0.1:9090/");
    let sent = sent.replace("/etc/remote-write/password", &password);
    assert!(sent.matches("10.9.0.1").count() == 1 && sent.contains(&password), "{sent}");
    let files = Fixture::new().file("prometheus.yml", configuration(&sent));
    let rendering = Rendering::of("overlays/agent");
    let stateful_set = rendering.of_kind("StatefulSet").next().expect("one StatefulSet");
    let agent = cluster.start_prometheus(stateful_set, files, "test");
    let query = "up{job='kubernetes-nodes', node='node-1', cluster='test'} == 1";
    receiver.wait_until(query, |found| found.len() == 1);
    receiver.wait_until("container_memory_working_set_bytes{pod='apache-0'}", |found| found.len() == 1);
    let path = format!("/api/v1/query?query={}", percent_encoded("up"));
    assert!(agent.api(&path).is_err(), "an agent has nothing to ask");
}

#[test]
fn overlays_have_the_configuration_of_the_base() {
    let base = manifests::text("base/prometheus/prometheus.yml");
    let without_rules = base.replace("rule_files:\n  - rules.yml\n\n", "");
    assert_ne!(base, without_rules);
    for (overlay, common) in [("remote-write", base), ("agent", without_rules)] {
        let relative = format!("overlays/{overlay}/prometheus.yml");
        let text = manifests::text(&relative);
        let own = &text[text.find(OWN_PART).unwrap_or_else(|| panic!("{relative}: no {OWN_PART:?}"))..];
        let wanted = common + own;
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(manifests::path(&relative), &wanted).expect("manifests/ is writable");
        } else {
            assert_eq!(text, wanted, "{relative} is not the base's any more; UPDATE_GOLDEN=1 rewrites it");
        }
    }
}

/// Two API servers, of which each answers a request a second of either kind; what others count under these names is not meant.
const RULES_TEST: &str = r#"
rule_files: [RULES]
tests:
  - interval: 30s
    input_series:
      - {series: 'apiserver_request_total{job="kubernetes-apiservers",instance="a",resource="pods",verb="GET",code="200"}', values: '0+30x20'}
      - {series: 'apiserver_request_total{job="kubernetes-apiservers",instance="b",resource="nodes",verb="GET",code="200"}', values: '0+30x20'}
      - {series: 'apiserver_request_total{job="kubernetes-pods",verb="GET",code="200"}', values: '0+30x20'}
      - {series: 'apiserver_request_duration_seconds_bucket{job="kubernetes-apiservers",instance="a",verb="GET",le="1"}', values: '0+15x20'}
      - {series: 'apiserver_request_duration_seconds_bucket{job="kubernetes-apiservers",instance="a",verb="GET",le="+Inf"}', values: '0+30x20'}
    promql_expr_test:
      - expr: verb_code:apiserver_request_total:rate5m
        eval_time: 10m
        exp_samples: [{labels: 'verb_code:apiserver_request_total:rate5m{verb="GET",code="200"}', value: 2}]
      - expr: histogram_quantile(0.5, verb_le:apiserver_request_duration_seconds_bucket:rate5m)
        eval_time: 10m
        exp_samples: [{labels: '{verb="GET"}', value: 1}]
"#;

#[test]
fn configurations_and_rules_are_valid() {
    let rules = manifests::path("base/prometheus/rules.yml");
    run(Command::new(tool("promtool")).args(["check", "rules", "--lint=all", "--lint-fatal"]).arg(&rules));
    let folder = Fixture::new().file("rules.yml", "");
    let test = folder.path("test.yml");
    fs::write(&test, RULES_TEST.replace("RULES", &rules.to_string_lossy())).expect("the folder is writable");
    run(Command::new(tool("promtool")).args(["test", "rules"]).arg(test));
    for (relative, agent) in [
        ("base/prometheus/prometheus.yml", false),
        ("overlays/remote-write/prometheus.yml", false),
        ("overlays/agent/prometheus.yml", true),
    ] {
        // Debian's knows no Kubernetes either.
        let text = manifests::for_this_promtool(&manifests::text(relative));
        let file = folder.path("prometheus.yml");
        fs::write(&file, exporter_tests::manifests::kubernetes::without_kubernetes(&text))
            .expect("the folder is writable");
        let mut promtool = Command::new(tool("promtool"));
        run(promtool.args(["check", "config", "--syntax-only"]).args(agent.then_some("--agent")).arg(file));
    }
}
