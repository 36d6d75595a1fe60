//! What Grafana is given besides dashboards and rules, as far as it can be judged without one; and its messages, made by the
//! templates of another program that has the same language.

use std::fs;
use std::path::{Path, PathBuf};

use exporter_tests::fixture::Fixture;
use exporter_tests::manifests;
use exporter_tests::manifests::alertmanager::rendered;
use exporter_tests::manifests::monitoring_server::{FOLDER, edited, path, text};
use exporter_tests::manifests::provisioning::Provisioning;
use serde_json::{Value, json};

#[test]
fn everything_provisioned_is_known_and_leads_somewhere() {
    assert_eq!(Provisioning::read().faults(), Vec::<String>::new());
}

#[test]
fn rules_belong_to_panels_that_are_there_and_land_beside_their_dashboards() {
    let provisioning = Provisioning::read();
    let providers = provisioning.all("dashboards", "providers");
    let dashboards: Vec<Value> = manifests::files(&format!("{FOLDER}/grafana/dashboards"), &["json"])
        .iter()
        .map(|file| serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap())
        .collect();
    for (folder, rule) in provisioning.rules() {
        assert_eq!(folder, providers[0]["folder"], "{}", rule["title"]);
        let dashboard = dashboards.iter().find(|dashboard| dashboard["uid"] == rule["dashboardUid"]);
        let dashboard = dashboard.unwrap_or_else(|| panic!("{}: no dashboard {}", rule["title"], rule["dashboardUid"]));
        let panels = dashboard["panels"].as_array().unwrap().iter();
        let panel = panels.clone().find(|panel| panel["id"] == rule["panelId"]);
        assert!(panel.is_some(), "{}: no panel {} in {}", rule["title"], rule["panelId"], rule["dashboardUid"]);
    }
}

/// The values of a key of grafana.ini, in a section.
fn ini<'a>(file: &'a str, section: &str, key: &str) -> Vec<&'a str> {
    let own = file.split_once(&format!("[{section}]\n")).map_or("", |(_, rest)| rest);
    let own = own.split_once("\n[").map_or(own, |(own, _)| own);
    own.lines()
        .filter_map(|line| line.split_once(" = "))
        .filter(|(own, _)| *own == key)
        .map(|(_, value)| value)
        .collect()
}

#[test]
fn grafana_lets_nobody_in_unasked_and_shows_what_is_brought() {
    let file = text("grafana/grafana.ini");
    assert_eq!(ini(&file, "security", "admin_password"), ["$__file{/etc/grafana/secrets/grafana-password}"]);
    assert_eq!(ini(&file, "users", "allow_sign_up"), ["false"]);
    assert!(!file.contains("[auth.anonymous]"));
    assert_eq!(ini(&file, "metrics", "enabled"), ["true"], "GrafanaDown needs its page");
    let provisioning = Provisioning::read();
    let [provider] = provisioning.all("dashboards", "providers")[..] else { panic!("one provider") };
    let place = provider["options"]["path"].as_str().unwrap();
    assert!(text("compose.yaml").contains(&format!("- ./grafana/dashboards:{place}:ro\n")), "{place}");
}

#[test]
fn who_is_told_of_an_alert_is_who_can_act() {
    let provisioning = Provisioning::read();
    for (labels, who, muted) in [
        (&[("alertname", "ProbeFailed"), ("severity", "critical")][..], "mattermost-and-gitlab", &[][..]),
        (&[("alertname", "CpuSteal"), ("severity", "warning")], "mattermost", &["maintenance", "weekend"]),
        (&[("alertname", "CpuBusy"), ("severity", "info")], "mattermost", &["always"]),
        (&[("alertname", "Watchdog"), ("severity", "none")], "mattermost", &["always"]),
        // Those that Grafana makes itself, for an error or for want of data, have the labels of the query or none.
        (&[("alertname", "DatasourceError")], "mattermost", &[]),
    ] {
        assert_eq!(provisioning.told(labels), [(who, muted.to_vec())], "{labels:?}");
    }
    let times = provisioning.all("alerting", "muteTimes");
    let always = times.iter().find(|time| time["name"] == "always").expect("it is named");
    assert_eq!(always["time_intervals"], json!([{"times": [{"start_time": "00:00", "end_time": "24:00"}]}]));
}

#[test]
fn a_prometheus_that_does_not_answer_is_one_alert_and_no_call_of_the_watchdog() {
    let provisioning = Provisioning::read();
    for (_, rule) in provisioning.rules() {
        let state = match rule["title"].as_str().unwrap() {
            "PrometheusDown" => "Alerting",
            "Watchdog" => "OK",
            _ => "KeepLast",
        };
        assert_eq!(rule["execErrState"], state, "{}", rule["title"]);
    }
    let down = provisioning.rules().into_iter().find(|(_, rule)| rule["title"] == "PrometheusDown").unwrap().1;
    assert_eq!((&down["noDataState"], &down["labels"]["severity"]), (&"Alerting".into(), &"critical".into()));
    // There are no labels then, and no value.
    let summary = down["annotations"]["summary"].as_str().unwrap();
    assert!(!summary.contains('$'), "{summary}");
}

#[test]
fn the_data_source_is_the_prometheus_of_this_server() {
    let provisioning = Provisioning::read();
    let [source] = provisioning.all("datasources", "datasources")[..] else { panic!("one data source") };
    let listens = "--web.listen-address=127.0.0.1:9090";
    assert!(text("compose.yaml").contains(listens) && source["url"] == "http://127.0.0.1:9090", "{source}");
    let interval = source["jsonData"]["timeInterval"].as_str().unwrap();
    assert!(text("prometheus/prometheus.yml").contains(&format!("scrape_interval: {interval}")), "{source}");
}

/// A template of Grafana's by its name.
fn template(name: &str) -> String {
    let provisioning = Provisioning::read();
    let found = provisioning.all("alerting", "templates").into_iter().find(|template| template["name"] == name);
    found.unwrap_or_else(|| panic!("no template is called {name}"))["template"].as_str().unwrap().to_owned()
}

/// A folder with the templates of Grafana's messages, in words that Alertmanager knows: it has no links to panels and to
/// the form for silences, but it has the same field for a link to where the alert comes from.
fn grafanas() -> Fixture {
    let changes = [(".PanelURL", ".GeneratorURL"), (".SilenceURL", ".GeneratorURL")];
    Fixture::new().file("exporters.tmpl", edited(&template("exporters"), &changes))
}

fn alertmanagers() -> PathBuf {
    path("alertmanager/templates")
}

fn alert(n: usize, status: &str, labels: &Value) -> Value {
    json!({
        "status": status,
        "labels": labels,
        "annotations": {
            "summary": format!("https://{n}.example.org/: does not answer & more"),
            "description": "Users see nothing.",
            "dashboard_url": "/d/exporters-probes?viewPanel=101",
            "runbook_url": "https://example.org/runbooks/ProbeFailed.md",
            "commands": format!("curl -v https://{n}.example.org/"),
        },
        "startsAt": "2026-01-01T00:00:00Z",
        "endsAt": "2026-01-01T00:10:00Z",
        "generatorURL": "http://localhost:3000/d/exporters-probes?viewPanel=101",
        "fingerprint": format!("{n:016x}"),
    })
}

fn message(status: &str, firing: usize, resolved: usize, labels: &Value) -> Value {
    let alerts = (0..firing).map(|n| alert(n, "firing", labels));
    let alerts: Vec<Value> = alerts.chain((firing..firing + resolved).map(|n| alert(n, "resolved", labels))).collect();
    json!({
        "receiver": "mattermost",
        "status": status,
        "alerts": alerts,
        "groupLabels": {"alertname": "ProbeFailed", "cluster": "east"},
        "commonLabels": labels,
        "commonAnnotations": {},
        "externalURL": "http://localhost:9093",
    })
}

fn critical() -> Value {
    json!({"alertname": "ProbeFailed", "severity": "critical", "cluster": "east"})
}

fn template_text(templates: &Path, data: &Value, name: &str) -> String {
    rendered(templates, data, &format!("{{{{ template \"exporters.{name}\" . }}}}"))
}

#[test]
fn titles_and_colours_tell_how_bad_it_is() {
    let grafanas = grafanas();
    let warning = json!({"alertname": "ProbeFailed", "severity": "warning"});
    for (data, title, color) in [
        (message("firing", 2, 1, &critical()), ":red_circle: 2 firing: ProbeFailed in east", "#c62828"),
        (message("firing", 1, 0, &warning), ":large_orange_circle: 1 firing: ProbeFailed in east", "#ef6c00"),
        // An alert without a severity is one that Grafana makes itself, for an error or for want of data.
        (message("firing", 1, 0, &json!({})), ":large_orange_circle: 1 firing: ProbeFailed in east", "#ef6c00"),
        (message("resolved", 0, 2, &critical()), ":large_green_circle: Resolved: ProbeFailed in east", "#2e7d32"),
    ] {
        for templates in [alertmanagers().as_path(), grafanas.root()] {
            assert_eq!(template_text(templates, &data, "title"), title);
            assert_eq!(template_text(templates, &data, "color"), color);
        }
    }
    let mut alone = message("firing", 1, 0, &critical());
    alone["groupLabels"] = json!({"alertname": "ProbeFailed"});
    assert_eq!(template_text(&alertmanagers(), &alone, "title"), ":red_circle: 1 firing: ProbeFailed");
}

#[test]
fn texts_lead_to_panel_and_runbook_and_say_what_to_type() {
    let data = message("firing", 1, 1, &critical());
    let said = template_text(&alertmanagers(), &data, "text");
    let firing = "**https://0.example.org/: does not answer & more**\nUsers see nothing.\n\
         [Panel](http://localhost:3000/d/exporters-probes?viewPanel=101)\n[Runbook](https://example.org/runbooks/ProbeFailed.md)\n\
         ```\ncurl -v https://0.example.org/\n```\n";
    assert!(said.starts_with(firing), "{said}");
    assert!(said.contains("\n:white_check_mark: **https://1.example.org/: does not answer & more**\n"), "{said}");
    let issue = "[New issue](https://gitlab.example.org/operations/incidents/-/issues/new?issue%5Btitle%5D=ProbeFailed+east\
         &issue%5Bdescription%5D=%2A+https%3A%2F%2F0.example.org%2F%3A+does+not+answer+%26+more%0A";
    assert!(said.contains(issue), "{said}");
    let over = template_text(&alertmanagers(), &message("resolved", 0, 1, &critical()), "text");
    assert!(!over.contains("New issue"), "{over}");
}

#[test]
fn a_hundred_alerts_are_a_message_that_can_be_read() {
    let said = template_text(&alertmanagers(), &message("firing", 100, 0, &critical()), "text");
    assert_eq!(said.matches("[Runbook]").count(), 10);
    assert!(said.contains("… and more: 100 in all."), "{said}");
    // What Mattermost takes in one post.
    assert!(said.len() < 16_383, "{}", said.len());
}

/// A message without the lines that one side alone has.
fn common(said: &str) -> Vec<&str> {
    let own = ["[Silence]", "[New issue]"];
    said.lines().filter(|line| !line.is_empty() && !own.iter().any(|start| line.starts_with(start))).collect()
}

#[test]
fn grafana_says_what_alertmanager_says() {
    let grafanas = grafanas();
    for data in [message("firing", 12, 3, &critical()), message("resolved", 0, 2, &critical())] {
        let theirs = template_text(grafanas.root(), &data, "text");
        assert_eq!(common(&theirs), common(&template_text(&alertmanagers(), &data, "text")));
        let silences = if data["status"] == "firing" { 10 } else { 0 };
        assert_eq!(theirs.matches("[Silence](").count(), silences, "{theirs}");
    }
}

#[test]
fn grafanas_contact_point_adds_the_form_for_a_new_issue() {
    let provisioning = Provisioning::read();
    let points = provisioning.all("alerting", "contactPoints");
    let address = text("secrets/gitlab-url.example");
    for point in points {
        for receiver in point["receivers"].as_array().unwrap().iter().filter(|receiver| receiver["type"] == "slack") {
            let setting = receiver["settings"]["text"].as_str().unwrap();
            let setting = edited(setting, &[("$__file{/etc/grafana/secrets/gitlab-url}", address.trim())]);
            let grafanas = grafanas();
            let said = rendered(grafanas.root(), &message("firing", 1, 0, &critical()), &setting);
            let link = "\n[New issue](https://gitlab.example.org/operations/incidents/-/issues/new?issue%5Btitle%5D=ProbeFailed+east&";
            assert!(said.contains(link), "{said}");
            let over = rendered(grafanas.root(), &message("resolved", 0, 1, &critical()), &setting);
            assert!(!over.contains("New issue"), "{over}");
        }
    }
}

#[test]
fn gitlab_gets_the_body_that_alertmanager_sends() {
    let text = template("gitlab");
    let body = text.split_once("{{ coll.Dict").and_then(|(_, rest)| rest.split_once("| data.ToJSON }}"));
    let (body, _) = body.expect("one dictionary, written as JSON");
    let pairs: Vec<(&str, &str)> = body.lines().filter_map(|line| line.trim().split_once(' ')).collect();
    let mut keys: Vec<&str> = pairs.iter().map(|(key, _)| key.trim_matches('"')).collect();
    for (key, value) in &pairs {
        let key = key.trim_matches('"');
        let field = format!(".{}{}", key[..1].to_uppercase(), &key[1..]);
        assert!(*value == field || (key == "version" && *value == "\"4\""), "{key}: {value}");
    }
    keys.sort_unstable();
    let wanted = [
        "alerts",
        "commonAnnotations",
        "commonLabels",
        "externalURL",
        "groupKey",
        "groupLabels",
        "receiver",
        "status",
        "version",
    ];
    assert_eq!(keys, wanted);
}
