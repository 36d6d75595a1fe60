//! The monitoring server at work: what it fetches out of a cluster, what it probes, and an alert on its way to people.

use std::collections::BTreeSet;
use std::fs;

use exporter_tests::blackbox::Blackbox;
use exporter_tests::fixture::Fixture;
use exporter_tests::manifests;
use exporter_tests::manifests::alertmanager::{Alertmanager, check_config, etc_alertmanager, receivers};
use exporter_tests::manifests::gate::Gate;
use exporter_tests::manifests::monitoring_server::{Credentials, FOLDER, QUICK, etc_prometheus, text};
use exporter_tests::manifests::panels::query;
use exporter_tests::prometheus::{Prometheus, Vector};
use exporter_tests::running::Running;
use exporter_tests::upstream::{Answer, Upstream};
use exporter_tests::wait::until;
use serde_json::Value;

/// What Alertmanager is told of receivers where none is asked for.
const NOWHERE: [(&str, &str); 3] =
    [("mattermost-url", "http://127.0.0.1:9/hooks/x"), ("gitlab-url", "http://127.0.0.1:9/x"), ("gitlab-key", "x")];

/// The lines that an operator without Grafana takes out.
const SWITCH: &str = "    - matchers: ['alertname=~\".+\"']\n      receiver: nobody\n";

/// The patterns of names that are fetched by federation, and the names among them.
fn fetched() -> Vec<String> {
    let config = manifests::document(&format!("{FOLDER}/prometheus/prometheus.yml"));
    let jobs = config["scrape_configs"].as_array().unwrap();
    let job = jobs.iter().find(|job| job["job_name"] == "federate").unwrap();
    job["params"]["match[]"].as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}

/// All queries of rules and dashboards, and the names of records among the rules.
fn queries() -> (Vec<String>, BTreeSet<String>) {
    let mut queries = Vec::new();
    let mut records = BTreeSet::new();
    for file in manifests::files(&format!("{FOLDER}/prometheus/rules"), &["yml"]) {
        let read = fs::read_to_string(&file).unwrap();
        for document in manifests::documents(&file.display().to_string(), &read) {
            let groups = document["groups"].as_array().into_iter().flatten();
            for rule in groups.flat_map(|group| group["rules"].as_array().into_iter().flatten()) {
                queries.extend(rule["expr"].as_str().map(str::to_owned));
                records.extend(rule["record"].as_str().map(str::to_owned));
            }
        }
    }
    for file in manifests::files(&format!("{FOLDER}/grafana/dashboards"), &["json"]) {
        let dashboard: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        for panel in dashboard["panels"].as_array().into_iter().flatten() {
            let targets = panel["targets"].as_array().into_iter().flatten();
            queries.extend(targets.filter_map(|target| target["expr"].as_str().map(str::to_owned)));
        }
    }
    (queries, records)
}

#[test]
fn what_dashboards_and_rules_ask_for_is_fetched_or_is_this_servers_own() {
    // Prometheus itself says which of the names its selectors take.
    let (queries, records) = queries();
    let names: BTreeSet<String> = queries.iter().flat_map(|query| query::metrics(query)).collect();
    assert!(names.len() > 100, "{names:?}");
    let page: String = names.iter().map(|name| format!("{name} 1\n")).collect();
    let page = Upstream::start(Answer::ok("text/plain; version=0.0.4", page));
    let config = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n  - job_name: all\n    honor_labels: true\n    \
         static_configs: [{{targets: ['{}']}}]\n",
        page.address()
    );
    let prometheus = Prometheus::configured(Fixture::new().file("prometheus.yml", config), vec![("all".to_owned(), 1)]);
    prometheus.wait_until_up();
    let taken: BTreeSet<String> = fetched()
        .iter()
        .flat_map(|selector| {
            prometheus
                .query(&format!("count by (name) (label_replace({selector}, 'name', '$1', '__name__', '(.*)'))"))
                .unwrap()
        })
        .filter_map(|(labels, _)| labels.get("name").cloned())
        .collect();
    // ALERTS is made by whoever evaluates rules.
    let own = ["probe_", "blackbox_", "grafana_", "alertmanager_", "ALERTS"];
    let is_own = |name: &str| own.iter().any(|prefix| name.starts_with(prefix));
    let missing: Vec<&String> =
        names.iter().filter(|name| !taken.contains(*name) && !is_own(name) && !records.contains(*name)).collect();
    assert!(missing.is_empty(), "nothing brings {missing:?}: add them to match[] in prometheus.yml");
    for selector in fetched() {
        // A line that nobody's query needs is traffic for nothing; records of a cluster are for whoever writes them.
        let used = !prometheus.query(&selector).unwrap().is_empty();
        assert!(used || selector == "{__name__=~\".+:.+\"}", "nobody asks for {selector}");
    }
}

#[test]
fn a_cluster_is_fetched_through_its_gate_with_labels_of_its_own() {
    let node = Running::start::<&str>("node-exporter", &[]);
    let inner = format!(
        "global: {{scrape_interval: 1s, external_labels: {{cluster: east}}}}\nscrape_configs:\n  - job_name: node-exporter\n    \
         static_configs: [{{targets: ['{}'], labels: {{node: n1}}}}]\n",
        node.address()
    );
    let inner = Fixture::new().file("prometheus.yml", inner);
    let inner = Prometheus::configured(inner, vec![("node-exporter".to_owned(), 1)]);
    inner.wait_until_up();

    let credentials = Credentials::new();
    let made = credentials.make(&[]);
    assert!(made.status.success(), "{made:?}");
    let gate = Gate::start(inner.address(), credentials.cluster("tls.crt").parent().unwrap());

    let targets = format!("- targets: ['{}']\n  labels: {{__job: federate, cluster: east}}\n", gate.address());
    let folder = etc_prometheus(&targets, QUICK);
    for name in ["federation-ca.crt", "federation-password"] {
        fs::copy(credentials.server(name), folder.path("secrets").join(name)).unwrap();
    }
    let outer = Prometheus::configured(folder, vec![("federate".to_owned(), 1)]);
    outer.wait_until_up();
    // The gate as a target, and what it leads to.
    outer.wait_until("up{job=\"federate\",cluster=\"east\"} == 1", |found| found.len() == 1);
    let node_load = "node_load1{job=\"node-exporter\",cluster=\"east\",node=\"n1\"}";
    let found = outer.wait_until(node_load, |found| found.len() == 1);
    assert_eq!(found[0].0["instance"], node.address().to_string());
    outer.wait_until("up{job=\"node-exporter\",cluster=\"east\"} == 1", |found| found.len() == 1);
    outer.wait_until("process_open_fds{job=\"node-exporter\"}", |found| found.len() == 1);
    // Not everything that is there: neither what nobody asks for, nor the labels of a scrape made twice.
    inner.wait_until("prometheus_build_info or promhttp_metric_handler_requests_in_flight", |found| !found.is_empty());
    for unwanted in ["promhttp_metric_handler_requests_in_flight", "{exported_job!=\"\"}", "{exported_instance!=\"\"}"]
    {
        assert_eq!(outer.query(unwanted).unwrap(), Vector::new(), "{unwanted}");
    }
    // A node that is gone is seen as gone.
    drop(node);
    outer.wait_until("up{job=\"node-exporter\",cluster=\"east\"} == 0", |found| found.len() == 1);
    let password = fs::read_to_string(credentials.server("federation-password")).unwrap();
    let shown = outer.api("/api/v1/status/config").unwrap().to_string();
    assert!(!shown.contains(&password) && !outer.log().contains(&password) && !gate.log().contains(&password));
}

#[test]
fn alertmanager_takes_its_configuration() {
    check_config(&etc_alertmanager(&NOWHERE, &[]));
}

#[test]
fn as_shipped_alertmanager_tells_of_grafana_alone() {
    let folder = etc_alertmanager(&NOWHERE, &[]);
    for (labels, who) in [
        (["alertname=ProbeFailed", "severity=critical"], "nobody"),
        (["alertname=CpuSteal", "severity=warning"], "nobody"),
        (["alertname=Watchdog", "severity=none"], "watchdog"),
        (["alertname=GrafanaDown", "severity=critical"], "mattermost-and-gitlab"),
        (["alertname=GrafanaRulesFail", "severity=warning"], "mattermost"),
    ] {
        assert_eq!(receivers(&folder, &labels), who, "{labels:?}");
    }
}

#[test]
fn without_grafana_alertmanager_tells_of_everything() {
    let folder = etc_alertmanager(&NOWHERE, &[(SWITCH, "")]);
    for (labels, who) in [
        (["alertname=ProbeFailed", "severity=critical"], "mattermost-and-gitlab"),
        (["alertname=CpuSteal", "severity=warning"], "mattermost"),
        (["alertname=CpuBusy", "severity=info"], "nobody"),
        (["alertname=Watchdog", "severity=none"], "watchdog"),
        (["alertname=Unheard", "severity=of"], "mattermost"),
    ] {
        assert_eq!(receivers(&folder, &labels), who, "{labels:?}");
    }
}

/// Alerts that fire together, each with whether another one explains it.
const TOGETHER: &[(&[(&str, &str)], bool)] = &[
    (&[("alertname", "EverythingUnreachable"), ("severity", "critical")], false),
    (&[("alertname", "ProbeFailed"), ("severity", "critical"), ("instance", "a")], true),
    (&[("alertname", "CertificateExpiring"), ("severity", "warning"), ("instance", "a")], false),
    (&[("alertname", "FederationDown"), ("severity", "critical"), ("cluster", "east")], true),
    (&[("alertname", "JobVanished"), ("severity", "warning"), ("cluster", "east")], true),
    (&[("alertname", "NodesMissing"), ("severity", "critical"), ("cluster", "east")], true),
    (&[("alertname", "NodesMissing"), ("severity", "critical"), ("cluster", "west")], false),
    (&[("alertname", "FilesystemFull"), ("severity", "critical"), ("cluster", "east"), ("instance", "n1")], false),
    (&[("alertname", "FilesystemAlmostFull"), ("severity", "warning"), ("cluster", "east"), ("instance", "n1")], true),
    (&[("alertname", "FilesystemAlmostFull"), ("severity", "warning"), ("cluster", "east"), ("instance", "n2")], false),
    (&[("alertname", "FilesystemAlmostFull"), ("severity", "warning"), ("cluster", "west"), ("instance", "n1")], false),
];

#[test]
fn an_alert_hides_what_it_explains_and_nothing_else() {
    let alertmanager = Alertmanager::start(etc_alertmanager(&NOWHERE, &[]));
    let labels = |pairs: &[(&str, &str)]| -> Value {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Value::from(*value)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    TOGETHER.iter().for_each(|(labels, _)| alertmanager.tell(labels));
    until("each is hidden or told of", || {
        let known = alertmanager.knows("/api/v2/alerts");
        let known = known.as_array().expect("a list of alerts");
        let wrong: Vec<Value> = TOGETHER
            .iter()
            .filter(|(pairs, hidden)| {
                let alert = known.iter().find(|alert| alert["labels"] == labels(pairs));
                let state = alert.map(|alert| alert["status"]["inhibitedBy"] != serde_json::json!([]));
                state != Some(*hidden)
            })
            .map(|(pairs, _)| labels(pairs))
            .collect();
        if wrong.is_empty() { Ok(()) } else { Err(format!("{wrong:#?}\nin {known:#?}")) }
    });
    // A message is about one alert in one cluster.
    let groups = alertmanager.knows("/api/v2/alerts/groups");
    for group in groups.as_array().expect("a list of groups") {
        for alert in group["alerts"].as_array().expect("a list of alerts") {
            for label in ["alertname", "cluster"] {
                assert_eq!(group["labels"][label], alert["labels"][label], "{group}");
            }
        }
    }
}

#[test]
fn the_worse_of_two_alerts_keeps_the_other_quiet() {
    let alertmanager = Alertmanager::start(etc_alertmanager(&NOWHERE, &[]));
    let (cluster, instance) = ("cluster=east", "instance=10.0.0.1:9100");
    for (worse, quiet, what) in [
        ("FilesystemFull", "FilesystemAlmostFull", "mountpoint=/"),
        ("FilesystemFillingUpFast", "FilesystemFillingUp", "mountpoint=/"),
        ("InodesGone", "InodesAlmostGone", "mountpoint=/"),
        ("FileDescriptorsGone", "FileDescriptors", "node=n1"),
        ("ApacheWorkersExhausted", "ApacheWorkersBusy", "pod=web-0"),
        ("QueueAlmostFull", "QueueFilling", "pipeline=main"),
        ("DlqDropping", "DlqAlmostFull", "pipeline=main"),
        ("CertificateAlmostExpired", "CertificateExpiring", "module=http_2xx"),
    ] {
        alertmanager.hear(&[&format!("alertname={worse}"), "severity=critical", cluster, instance, what]);
        alertmanager.hear(&[&format!("alertname={quiet}"), "severity=warning", cluster, instance, what]);
        until(worse, || {
            let found = alertmanager.inhibited();
            if found.contains(quiet) { Ok(()) } else { Err(format!("{quiet} is told beside {worse}: {found:?}")) }
        });
    }
    // Another queue is another thing.
    alertmanager.hear(&["alertname=QueueFullSoon", "severity=warning", cluster, instance, "pipeline=audit"]);
    assert!(!alertmanager.inhibited().contains("QueueFullSoon"));
}

#[test]
fn alertmanager_names_alerts_that_there_are() {
    let mut known = BTreeSet::new();
    for file in manifests::files(&format!("{FOLDER}/prometheus/rules"), &["yml"]) {
        let read = fs::read_to_string(file).unwrap();
        known.extend(read.lines().filter_map(|line| Some(line.trim().strip_prefix("- alert: ")?.to_owned())));
    }
    let config = text("alertmanager/alertmanager.yml");
    let named: Vec<&str> = config
        .lines()
        .flat_map(|line| line.split("alertname=").skip(1))
        .filter_map(|named| named.trim_start_matches('~').split('"').nth(1))
        .flat_map(|names| names.split('|'))
        .filter(|name| *name != ".+")
        .collect();
    assert!(named.len() > 5, "{named:?}");
    for name in named {
        assert!(known.contains(name), "no alert is called {name}");
    }
}

/// The attachment of the last message in Mattermost.
fn attachment(mattermost: &Upstream) -> Value {
    let received = mattermost.last("/hooks/secret-hook");
    let message: Value = serde_json::from_slice(&received.body).expect("a message is JSON");
    message["attachments"][0].clone()
}

/// The last body that GitLab got, if its status is this.
fn body(gitlab: &Upstream, status: &str) -> Result<Value, String> {
    if gitlab.requests() == 0 {
        return Err("GitLab got nothing".to_owned());
    }
    let received = gitlab.last("/group/project/prometheus/alerts/notify.json");
    assert_eq!(received.header("authorization"), Some("Bearer secret-key"));
    let body: Value = serde_json::from_slice(&received.body).expect("a body is JSON");
    if body["status"] == status { Ok(body) } else { Err(body.to_string()) }
}

#[test]
fn an_alert_reaches_people_and_ends() {
    let website = Upstream::start(Answer::text("hello"));
    let blackbox = Blackbox::start(&text("blackbox-exporter/blackbox.yml"));
    let mattermost = Upstream::start(Answer::text("ok"));
    let gitlab = Upstream::start(Answer::status(200, ""));

    let hook = mattermost.url("/hooks/secret-hook");
    let endpoint = gitlab.url("/group/project/prometheus/alerts/notify.json");
    let secrets = [("mattermost-url", hook.as_str()), ("gitlab-url", &endpoint), ("gitlab-key", "secret-key")];
    let quick = [("group_wait: 30s", "group_wait: 0s"), ("group_interval: 5m", "group_interval: 1s"), (SWITCH, "")];
    let alertmanager = Alertmanager::start(etc_alertmanager(&secrets, &quick));

    let prober = blackbox.program().address();
    let targets = format!(
        "- targets: ['{}']\n  labels: {{__job: blackbox-http, __prober: '{prober}', service: website}}\n\
         - targets: ['{prober}']\n  labels: {{__job: blackbox-exporter}}\n\
         - targets: ['{}']\n  labels: {{__job: alertmanager}}\n",
        website.url("/"),
        alertmanager.address()
    );
    let folder = etc_prometheus(&targets, QUICK);
    // The rule as it is, but for how long it waits. What else there is to say of the site comes later and is muted on some
    // days only.
    let rules = folder.path("rules/probes.yml");
    let read = fs::read_to_string(&rules).unwrap();
    let (before, rule) = read.split_once("alert: ProbeFailed\n").expect("there is such an alert");
    let rule = rule.replacen("for: 2m\n", "for: 0s\n", 1);
    let at = rule.find("for: 0s");
    assert!(at.is_some() && at < rule.find("alert: "), "{read}");
    fs::write(&rules, format!("{before}alert: ProbeFailed\n{rule}")).unwrap();
    let jobs = ["blackbox-http", "blackbox-exporter", "alertmanager"].map(|job| (job.to_owned(), 1));
    let prometheus = Prometheus::configured(folder, jobs.to_vec());
    prometheus.wait_until_up();
    let instance = website.url("/");
    let labels = format!("job=\"blackbox-http\",module=\"http_2xx\",service=\"website\",instance={instance:?}");
    prometheus.wait_until(&format!("probe_success{{{labels}}} == 1"), |found| found.len() == 1);

    website.set(Answer::status(503, "broken"));
    let firing = until("GitLab has an alert", || body(&gitlab, "firing"));
    // What GitLab wants to see before it takes a body.
    assert_eq!(firing["version"], "4");
    for key in ["groupKey", "receiver", "groupLabels", "commonLabels", "commonAnnotations", "externalURL", "alerts"] {
        assert!(!firing[key].is_null(), "no {key} in {firing}");
    }
    let alert = &firing["alerts"][0];
    assert_eq!(
        (&alert["labels"]["alertname"], &alert["labels"]["severity"]),
        (&"ProbeFailed".into(), &"critical".into())
    );
    assert_eq!(
        (&alert["labels"]["instance"], &alert["labels"]["service"]),
        (&instance.as_str().into(), &"website".into())
    );
    assert_eq!(alert["status"], "firing");
    let fingerprint = alert["fingerprint"].clone();

    mattermost.wait_for_requests("/hooks/secret-hook", 1);
    let message = attachment(&mattermost);
    let (title, said) = (message["title"].as_str().unwrap(), message["text"].as_str().unwrap());
    assert_eq!(title, ":red_circle: 1 firing: ProbeFailed");
    for part in [
        &format!("**{instance} fails its probes"),
        "[Panel](http://localhost:3000/d/exporters-probes?viewPanel=",
        "/runbooks/ProbeFailed.md)",
        "\n```\ncurl ",
        "[New issue](https://gitlab.example.org/operations/incidents/-/issues/new?issue%5Btitle%5D=ProbeFailed&",
    ] {
        assert!(said.contains(part), "no {part:?} in\n{said}");
    }

    website.set(Answer::text("hello"));
    let over = until("GitLab's alert is over", || body(&gitlab, "resolved"));
    assert_eq!(over["alerts"][0]["fingerprint"], fingerprint);
    assert!(over["alerts"][0]["endsAt"].as_str().is_some_and(|ends| ends > "2000"), "{over}");
    until("Mattermost is told, too", || match attachment(&mattermost) {
        message if message["title"] == ":large_green_circle: Resolved: ProbeFailed" => Ok(()),
        message => Err(message.to_string()),
    });

    let shown = prometheus.api("/api/v1/status/config").unwrap().to_string();
    for seen in [prometheus.log(), shown, alertmanager.log(), alertmanager.status()] {
        for secret in ["secret-hook", "secret-key"] {
            assert!(!seen.contains(secret), "{secret} is shown:\n{seen}");
        }
    }
    prometheus.has_no_complaints();
}
