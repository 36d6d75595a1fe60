//! The monitoring server's files: each program takes its own, and they fit together.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::thread;

use exporter_tests::blackbox::Blackbox;
use exporter_tests::dns::{self, NameServer};
use exporter_tests::fixture::Fixture;
use exporter_tests::manifests;
use exporter_tests::manifests::kubernetes::Authority;
use exporter_tests::manifests::monitoring_server::{Credentials, FOLDER, etc_prometheus, path, text};
use exporter_tests::prometheus::Prometheus;
use exporter_tests::running::run_to_end;
use exporter_tests::skip::skip;
use exporter_tests::tools::{run, tool};
use exporter_tests::upstream::{Answer, DeadPort, Upstream};
use exporter_tests::wait::until;
use serde_json::Value;

#[test]
fn prometheus_takes_its_configuration_and_every_file_it_names() {
    let folder = etc_prometheus(&text("targets.yml"), &[]);
    let mut promtool = Command::new(tool("promtool"));
    run(promtool.args(["check", "config", "--lint=all", "--lint-fatal"]).arg(folder.path("prometheus.yml")));
}

#[test]
fn rules_are_sound() {
    let rules = manifests::files(&format!("{FOLDER}/prometheus/rules"), &["yml"]);
    if !rules.is_empty() {
        run(Command::new(tool("promtool")).args(["check", "rules", "--lint=all", "--lint-fatal"]).args(rules));
    }
}

#[test]
fn rules_do_what_their_tests_say() {
    let tests = manifests::files(&format!("{FOLDER}/prometheus/tests"), &["yml"]);
    // Days of a dashboard's series take promtool a while, and it uses one processor.
    thread::scope(|scope| {
        for test in &tests {
            scope.spawn(move || run(Command::new(tool("promtool")).args(["test", "rules"]).arg(test)));
        }
    });
}

/// The labels of every entry of targets.yml.
fn targets() -> Vec<Value> {
    let document = manifests::document(&format!("{FOLDER}/targets.yml"));
    let entries = document.as_array().expect("a list of entries").iter();
    entries.map(|entry| entry["labels"].clone()).collect()
}

#[test]
fn each_target_has_a_job_and_each_job_is_chosen_by_its_name() {
    let config = manifests::document(&format!("{FOLDER}/prometheus/prometheus.yml"));
    let jobs: Vec<&Value> = config["scrape_configs"].as_array().unwrap().iter().collect();
    for job in &jobs {
        assert_eq!(job["file_sd_configs"][0]["files"][0], "targets.yml", "{}", job["job_name"]);
        let chosen = &job["relabel_configs"][0];
        assert_eq!((&chosen["source_labels"][0], &chosen["action"]), (&"__job".into(), &"keep".into()));
        assert_eq!(chosen["regex"], job["job_name"]);
    }
    for job in &jobs {
        // What is an example or an option may be a comment, and is right as one.
        let named = format!("__job: {},", job["job_name"].as_str().unwrap());
        let all = text("targets.yml").replace(" }", ",");
        assert!(all.contains(&named), "targets.yml shows no target of {}", job["job_name"]);
    }
    // By these, this server's own alerts know that something is down.
    for own in ["prometheus", "blackbox-exporter", "grafana"] {
        assert!(targets().iter().any(|labels| labels["__job"] == own), "{own} is not looked at");
    }
    for labels in targets() {
        let job = &labels["__job"];
        assert!(jobs.iter().any(|known| known["job_name"] == *job), "no job is called {job}");
    }
}

/// An entry of targets.yml, and what Prometheus makes of it: its job, whom it asks, and labels besides `job`.
struct Entry(&'static str, &'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

const ENTRIES: &[Entry] = &[
    Entry(
        "127.0.0.1:1",
        "federate, cluster: east",
        "federate",
        "https://127.0.0.1:1/federate",
        &[("cluster", "east"), ("instance", "127.0.0.1:1")],
    ),
    Entry(
        "http://a/",
        "blackbox-http, service: shop",
        "blackbox-http",
        "http://127.0.0.1:9115/probe?module=http_2xx&target=http%3A%2F%2Fa%2F",
        &[("instance", "http://a/"), ("module", "http_2xx"), ("service", "shop")],
    ),
    Entry(
        "https://192.0.2.1/",
        "blackbox-http, __hostname: a.example, __module: http_2xx_ipv4, __prober: 'far:9115'",
        "blackbox-http",
        "http://far:9115/probe?hostname=a.example&module=http_2xx_ipv4&target=https%3A%2F%2F192.0.2.1%2F",
        &[("instance", "https://192.0.2.1/"), ("module", "http_2xx_ipv4")],
    ),
    Entry(
        "a",
        "blackbox-ping",
        "blackbox-ping",
        "http://127.0.0.1:9115/probe?module=ping&target=a",
        &[("instance", "a"), ("module", "ping")],
    ),
    Entry(
        "a:25",
        "blackbox-tcp",
        "blackbox-tcp",
        "http://127.0.0.1:9115/probe?module=tcp_connect&target=a%3A25",
        &[("instance", "a:25"), ("module", "tcp_connect")],
    ),
    Entry(
        "a:443",
        "blackbox-tcp, __module: tls, __prober: 'far:9115'",
        "blackbox-tcp",
        "http://far:9115/probe?module=tls&target=a%3A443",
        &[("instance", "a:443"), ("module", "tls")],
    ),
    Entry(
        "192.0.2.53",
        "blackbox-dns",
        "blackbox-dns",
        "http://127.0.0.1:9115/probe?module=dns&target=192.0.2.53",
        &[("instance", "192.0.2.53"), ("module", "dns")],
    ),
    Entry("127.0.0.1:2", "prometheus", "prometheus", "http://127.0.0.1:2/metrics", &[("instance", "127.0.0.1:2")]),
    Entry("127.0.0.1:3", "grafana", "grafana", "http://127.0.0.1:3/metrics", &[("instance", "127.0.0.1:3")]),
    Entry(
        "127.0.0.1:4",
        "blackbox-exporter",
        "blackbox-exporter",
        "http://127.0.0.1:4/metrics",
        &[("instance", "127.0.0.1:4")],
    ),
    Entry("127.0.0.1:5", "alertmanager", "alertmanager", "http://127.0.0.1:5/metrics", &[("instance", "127.0.0.1:5")]),
];

#[test]
fn each_kind_of_target_is_asked_for_in_its_way() {
    let entry = |Entry(target, labels, ..): &Entry| format!("- targets: ['{target}']\n  labels: {{__job: {labels}}}\n");
    // Nobody is asked within the time of the test.
    let slow = [("  scrape_interval: 30s", "  scrape_interval: 1h"), ("scrape_timeout: 25s", "scrape_timeout: 1h")];
    let targets: String = ENTRIES.iter().map(entry).collect();
    let folder = etc_prometheus(&targets, &slow);
    // Without an authority to trust, Prometheus has no such job.
    fs::write(folder.path("secrets/federation-ca.crt"), Authority::new("nobody").pem()).unwrap();
    let prometheus = Prometheus::configured(folder, Vec::new());
    let found = until("all targets are known", || {
        let found = prometheus.api("/api/v1/targets?state=active")?["activeTargets"].clone();
        if found.as_array().is_some_and(|all| all.len() == ENTRIES.len()) { Ok(found) } else { Err(found.to_string()) }
    });
    let found: Vec<(String, Value)> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|target| {
            let url = target["scrapeUrl"].as_str().unwrap();
            // The list of what is fetched is long, and looked at elsewhere.
            (url.split("?match").next().unwrap().to_owned(), target["labels"].clone())
        })
        .collect();
    for Entry(_, _, job, url, labels) in ENTRIES {
        let job = [("job", *job)];
        let all = labels.iter().chain(&job).map(|(name, value)| ((*name).to_owned(), Value::from(*value)));
        let wanted = (url.to_string(), all.collect::<serde_json::Map<_, _>>().into());
        assert!(found.contains(&wanted), "no {wanted:?} in {found:#?}");
    }
    let told = prometheus.api("/api/v1/alertmanagers").unwrap();
    assert_eq!(told["activeAlertmanagers"][0]["url"], "http://127.0.0.1:5/api/v2/alerts");
    assert_eq!(told["activeAlertmanagers"].as_array().map(Vec::len), Some(1), "{told}");
}

#[test]
fn every_module_named_is_there() {
    let modules = manifests::document(&format!("{FOLDER}/blackbox-exporter/blackbox.yml"));
    let config = text("prometheus/prometheus.yml");
    let defaults = config.lines().filter_map(|line| line.split_once("target_label: __param_module, replacement: "));
    let defaults: Vec<&str> = defaults.map(|(_, name)| name.trim_end_matches(" }")).collect();
    assert_eq!(defaults.len(), 4);
    let chosen = targets();
    let chosen = chosen.iter().filter_map(|labels| labels["__module"].as_str());
    for name in defaults.into_iter().chain(chosen) {
        assert!(modules["modules"][name].is_object(), "no module is called {name}");
    }
    // A probe ends before Prometheus stops waiting for it, and so can say what it waited for.
    assert!(config.contains("\n  scrape_timeout: 10s\n"));
    for (name, module) in modules["modules"].as_object().unwrap() {
        let seconds = module["timeout"].as_str().and_then(|timeout| timeout.strip_suffix('s')?.parse::<u32>().ok());
        assert!(seconds.is_some_and(|seconds| seconds < 10), "{name}: {}", module["timeout"]);
    }
}

#[test]
fn our_prober_takes_its_modules() {
    let file = path("blackbox-exporter/blackbox.yml");
    let ended =
        run_to_end("blackbox-exporter", &["--config.check".to_owned(), format!("--config.file={}", file.display())]);
    assert!(ended.status.success(), "{}{}", ended.stdout, ended.stderr);
}

#[test]
fn modules_probe_what_they_are_for() {
    let blackbox = Blackbox::start(&text("blackbox-exporter/blackbox.yml"));
    let page = Upstream::start(Answer::text("hello"));
    let dead = DeadPort::new().address();
    for module in ["http_2xx", "http_2xx_ipv4"] {
        blackbox.probe(module, &page.url("/")).holds(&["probe_success 1", "probe_http_status_code 200"]);
    }
    // The other family is no way out.
    blackbox.probe("http_2xx_ipv6", &page.url("/")).failed("resolve", "resolve");
    page.set(Answer::status(503, ""));
    blackbox.probe("http_2xx", &page.url("/")).failed("check", "status");
    blackbox.probe("tcp_connect", &page.address().to_string()).holds(&["probe_success 1"]);
    blackbox.probe("tcp_connect", &dead.to_string()).failed("connect", "connect_refused");
    let folder = Fixture::new();
    let secure = Upstream::start_tls(folder.root(), Answer::text("hello"));
    // Nobody has vouched for it; that it ends is told all the same.
    let told = blackbox.probe("tls", &secure.address().to_string());
    told.failed("tls", "certificate_untrusted").holds(&["probe_ssl_earliest_cert_expiry > 0"]);
    let names = NameServer::fixed(dns::Answer::of(vec![dns::record(2, b"\x01a\x00")]));
    blackbox.probe("dns", &names.target()).holds(&["probe_success 1"]);
    let (_, query) = names.heard().remove(0);
    // After the header: the root, NS, IN.
    assert_eq!(query.get(12..17), Some(&[0, 0, 2, 0, 1][..]));
    let ping = blackbox.probe("ping", "127.0.0.1");
    if !ping.was_permitted() {
        return skip("modules_probe_what_they_are_for", "this process may not ping; all but that was tried");
    }
    ping.holds(&["probe_success 1", "probe_ip_protocol 4"]);
    blackbox.probe("ping_ipv4", "127.0.0.1").holds(&["probe_success 1"]);
    blackbox.probe("ping_ipv6", "127.0.0.1").failed("resolve", "resolve");
}

/// Who may do what with a file.
fn mode(file: &Path) -> u32 {
    fs::metadata(file).unwrap().permissions().mode() & 0o777
}

#[test]
fn credentials_are_made_once_and_fit() {
    let credentials = Credentials::new();
    let made = credentials.make(&["prometheus.example.org", "k8s1.rack2.dc3.n4", "192.0.2.1", "fd00::1"]);
    assert!(made.status.success(), "{made:?}");
    let files = ["tls.crt", "tls.key", "htpasswd"].map(|name| credentials.cluster(name));
    let files: Vec<_> = files
        .into_iter()
        .chain(["federation-ca.crt", "federation-password"].map(|name| credentials.server(name)))
        .collect();
    let read = || -> Vec<_> { files.iter().map(|file| fs::read(file).unwrap()).collect() };
    let first = read();

    let [ca, certificate, key] = [&files[3], &files[0], &files[1]].map(|file| file.to_str().unwrap());
    for name in ["federation", "prometheus.example.org", "k8s1.rack2.dc3.n4"] {
        run(&mut credentials.openssl(&["verify", "-CAfile", ca, "-verify_hostname", name, certificate]));
    }
    for address in ["192.0.2.1", "fd00::1"] {
        run(&mut credentials.openssl(&["verify", "-CAfile", ca, "-verify_ip", address, certificate]));
    }
    let other =
        credentials.openssl(&["verify", "-CAfile", ca, "-verify_hostname", "example.org", certificate]).output();
    assert!(!other.unwrap().status.success(), "a name that nobody asked for");
    // For a server, and not for a month.
    run(&mut credentials.openssl(&["verify", "-CAfile", ca, "-purpose", "sslserver", certificate]));
    let five_years = (5 * 365 * 24 * 3600).to_string();
    for certificate in [ca, certificate] {
        run(&mut credentials.openssl(&["x509", "-in", certificate, "-noout", "-checkend", &five_years]));
    }
    let public = |arguments: &[&str]| run(&mut credentials.openssl(arguments)).stdout;
    assert_eq!(public(&["x509", "-in", certificate, "-noout", "-pubkey"]), public(&["pkey", "-in", key, "-pubout"]));
    let password = fs::read_to_string(&files[4]).unwrap();
    let grafanas = fs::read_to_string(credentials.server("grafana-password")).unwrap();
    for password in [&password, &grafanas] {
        assert!(password.len() >= 32 && !password.contains(char::is_whitespace), "{password:?}");
    }
    assert_ne!(password, grafanas);
    // `-b` shows it to whoever lists processes, which doesn't matter here.
    run(Command::new(tool("htpasswd")).arg("-vb").arg(&files[2]).args(["federation", &password]));

    // Nobody else gets into the folders. In them, what containers read as somebody else is open, keys are not; and nothing
    // else is left, above all not the authority's key.
    for (folder, wanted) in [
        (credentials.cluster(""), &["600 htpasswd", "600 tls.crt", "600 tls.key"][..]),
        (credentials.server(""), &["644 federation-ca.crt", "644 federation-password", "644 grafana-password"]),
    ] {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
        let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let mut found: Vec<String> =
            files.map(|file| format!("{:o} {}", mode(&file), file.file_name().unwrap().display())).collect();
        found.sort();
        assert_eq!(found, wanted);
    }

    let again = credentials.make(&[]);
    assert!(again.status.success(), "{again:?}");
    assert_eq!(read(), first, "nothing is overwritten");
    fs::remove_file(&files[1]).unwrap();
    let half = credentials.make(&[]);
    assert!(!half.status.success());
    let said = String::from_utf8(half.stderr).unwrap();
    assert!(said.contains("half of it is there") && said.contains("Missing: ") && said.lines().count() == 1, "{said}");
    assert!(!files[1].exists(), "nothing is added to a half");
}

#[test]
fn a_gate_with_a_nonsensical_name_is_refused_before_anything_is_made() {
    let credentials = Credentials::new();
    let made = credentials.make(&["a,IP:1.2.3.4"]);
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(!made.status.success() && said.contains("neither a name nor an address"), "{made:?}");
    assert!(!credentials.cluster("tls.crt").exists() && !credentials.server("federation-password").exists());
}
