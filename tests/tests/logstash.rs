//! The logstash exporter beside a Logstash of four versions, well and ill.

use std::fs;

use exporter_tests::client::{Request, percent_encoded};
use exporter_tests::fixture::Fixture;
use exporter_tests::log_line::field;
use exporter_tests::logstash::{HEALTH, HOT_THREADS, Logstash, NODE, PLUGINS, Pipeline, ROOT, STATS, Version};
use exporter_tests::page::{Metric, Page, metric};
use exporter_tests::prometheus::check_metrics;
use exporter_tests::running::Running;
use exporter_tests::upstream::{Answer, DeadPort, Upstream};
use exporter_tests::wait::until;

fn start(url: &str, more: &[&str]) -> Running {
    let url = format!("--logstash.url={url}");
    Running::start("logstash-exporter", &[&[url.as_str()], more].concat())
}

#[track_caller]
fn scrape(exporter: &Running) -> Page {
    exporter.page(&Request::get("/metrics"))
}

/// As [`scrape`], by someone who waits only a second.
#[track_caller]
fn hurried_scrape(exporter: &Running) -> Page {
    exporter.page(&Request::scrape_within("/metrics", 1.0))
}

fn info_up(value: f64) -> Metric {
    metric("logstash_info_up").value(value)
}

fn up(value: f64) -> Metric {
    metric("logstash_up").value(value)
}

/// Lines in which the program complains.
fn complaints(log: &str) -> Vec<&str> {
    let complains = |line: &&str| matches!(field(line, "level").as_deref(), Some("WARN" | "ERROR"));
    log.lines().filter(|line| complains(line) && !line.contains("Running as root")).collect()
}

/// Beginnings of names that only the figures of `/_node/stats` have.
const FIGURES: [&str; 4] = ["logstash_stats_", "logstash_flow_", "logstash_pipeline_flow_", "logstash_plugin_"];

/// None of the figures that could not be read.
#[track_caller]
fn is_bare(page: &Page) {
    let is_figure = |name: &&str| FIGURES.iter().any(|beginning| name.starts_with(beginning));
    let stale: Vec<&str> = page.names().into_iter().filter(is_figure).collect();
    assert_eq!(stale, [""; 0], "stale series");
}

#[test]
fn each_version() {
    for version in Version::ALL {
        let logstash = Logstash::start(version);
        let exporter = start(&logstash.url(), &[]);
        let page = scrape(&exporter);
        page.has(info_up(1.0).label("hostname", &logstash.url()));
        page.has(up(1.0));
        page.has(metric("logstash_info_node").label("version", version.as_str()).value(1.0));
        for pipeline in ["main", "audit"] {
            page.has(metric("logstash_stats_pipeline_events_in").label("pipeline", pipeline).value(1_000_000.0));
        }
        page.has(metric("logstash_stats_jvm_mem_heap_used_bytes").value(429_000_000.0));
        let since = |name: &str, first: Version| {
            assert_eq!(page.family(name).is_some(), version >= first, "{name} in {}", version.as_str());
        };
        since("logstash_stats_flow_input_current", Version::V8_19);
        since("logstash_flow_worker_concurrency", Version::V8_19);
        since("logstash_health_status", Version::V8_19);
        since("logstash_pipeline_queue_compression_ratio", Version::V9_2);
        since("logstash_pipeline_batch_current_events", Version::V9_2);
        since("logstash_pipeline_recoveries_recent", Version::V9_4);
        // A version without a health report is not ill.
        let (_, log) = exporter.terminate();
        assert_eq!(complaints(&log), [""; 0]);
    }
}

#[test]
fn absent_is_not_zero() {
    let page = scrape(&start(&Logstash::start(Version::V7_17).url(), &[]));
    // A memory queue has no figures, and 7.17 says little of a dead letter queue.
    page.lacks(metric("logstash_pipeline_queue_events").label("pipeline", "main"));
    page.has(metric("logstash_pipeline_queue_events").label("pipeline", "audit").value(12.0));
    page.lacks(metric("logstash_stats_pipeline_dead_letter_queue_dropped_events"));
    let page = scrape(&start(&Logstash::start(Version::V9_2).url(), &[]));
    // `NaN` is no figure.
    page.lacks(metric("logstash_pipeline_queue_compression_time_ratio").label("direction", "decode"));
    page.has(metric("logstash_pipeline_queue_compression_ratio").label("direction", "decode").value(4.0));
}

#[test]
fn each_endpoint_is_asked_once() {
    let mut logstash = Logstash::start(Version::V9_4);
    let exporter = start(&logstash.url(), &[]);
    let asked = |logstash: &Logstash| {
        [ROOT, STATS, HEALTH, NODE, PLUGINS, HOT_THREADS].map(|path| logstash.upstream().requests_for(path))
    };
    for _ in 0..3 {
        scrape(&exporter);
    }
    let [root, stats, health, node, plugins, hot_threads] = asked(&logstash);
    assert_eq!((stats, health, node, hot_threads), (3, 3, 1, 0));
    assert!(root <= 3 && plugins <= 1, "{root} {plugins}");
    assert_eq!(logstash.upstream().requests(), root + stats + health + node + plugins);

    // A restart brings another version, other settings and other plugins.
    logstash.upstream().forget_requests();
    logstash.set_ephemeral_id("11111111-2222-4333-8444-555555555555");
    for _ in 0..3 {
        scrape(&exporter).has(up(1.0));
    }
    let [_, stats, _, node, again, _] = asked(&logstash);
    assert_eq!((stats, node, again), (3, 1, plugins));
    // Connections are kept, at most one per question asked at the same time.
    assert!(logstash.upstream().connections() <= 5, "{}", logstash.upstream().connections());
}

#[test]
fn a_pipeline_that_was_loaded_anew_shows_its_new_settings_at_once() {
    let logstash = Logstash::start(Version::V9_4);
    let exporter = start(&logstash.url(), &[]);
    let workers = |value: f64| metric("logstash_pipeline_workers").label("pipeline", "main").value(value);
    let before = scrape(&exporter).value(metric("logstash_pipeline_workers").label("pipeline", "main"));
    logstash.twist(STATS, |stats| stats["pipelines"]["main"]["ephemeral_id"] = "another".into());
    logstash.twist(NODE, |node| node["pipelines"]["main"]["workers"] = 77.into());
    assert_ne!(before, 77.0);
    logstash.upstream().forget_requests();
    scrape(&exporter).has(workers(77.0));
    scrape(&exporter).has(workers(77.0));
    assert_eq!([STATS, NODE].map(|path| logstash.upstream().requests_for(path)), [2, 1]);
}

#[test]
fn what_is_not_there_is_asked_for_once_and_no_failure() {
    let mut logstash = Logstash::start(Version::V9_4);
    for path in [PLUGINS, HEALTH] {
        logstash.upstream().set_path(path, Answer::status(404, "{}"));
    }
    let exporter = start(&logstash.url(), &[]);
    for id in ["11111111-2222-4333-8444-555555555555", "22222222-2222-4333-8444-555555555555"] {
        logstash.set_ephemeral_id(id);
        for path in [PLUGINS, HEALTH] {
            logstash.upstream().set_path(path, Answer::status(404, "{}"));
        }
        logstash.upstream().forget_requests();
        for _ in 0..3 {
            let page = scrape(&exporter);
            page.has(up(1.0));
            page.has(metric("logstash_jvm_info"));
            page.lacks(metric("logstash_exporter_endpoint_up").label("endpoint", "plugins"));
        }
        let asked = [STATS, NODE, PLUGINS, HEALTH].map(|path| logstash.upstream().requests_for(path));
        assert_eq!(asked, [3, 1, 1, 1], "{id}");
    }
    let (_, log) = exporter.terminate();
    assert_eq!(complaints(&log), [""; 0]);
}

#[test]
fn two_scrapes_at_once_are_two_answers() {
    let logstash = Logstash::start(Version::V9_4);
    let exporter = start(&logstash.url(), &[]);
    let alone = scrape(&exporter);
    std::thread::scope(|scope| {
        for scrape in (0..8).map(|_| scope.spawn(|| scrape(&exporter))).collect::<Vec<_>>() {
            assert_eq!(scrape.join().unwrap().names(), alone.names());
        }
    });
}

#[test]
fn optional_sets() {
    let logstash = Logstash::start(Version::V9_4);
    let plain = scrape(&start(&logstash.url(), &[]));
    let legacy = scrape(&start(&logstash.url(), &["--metrics.legacy"]));
    let threads = scrape(&start(&logstash.url(), &["--metrics.hot-threads"]));
    for (page, name) in [
        (&legacy, "logstash_node_jvm_threads_count"),
        (&legacy, "logstash_info_os"),
        (&legacy, "logstash_exporter_scrape_duration_seconds"),
        (&threads, "logstash_hot_threads"),
    ] {
        assert!(page.family(name).is_some() && plain.family(name).is_none(), "{name}");
        for name in plain.names() {
            assert!(page.family(name).is_some(), "{name} vanishes with more");
        }
    }
    threads.has(metric("logstash_hot_threads").label("state", "runnable").value(1.0));
    legacy.has(metric("logstash_node_pipeline_events_in_total").label("pipeline", "main").value(1_000_000.0));
}

#[test]
fn ids_that_are_hard_to_print() {
    let ids = [r#"she said "no""#, "two\nlines", r"C:\new\", "🦀 Größe", " "];
    let mut logstash = Logstash::start(Version::V9_4);
    logstash.set_pipelines(ids.iter().map(|id| Pipeline::new(id, 5)).collect());
    let exporter = start(&logstash.url(), &["--metrics.legacy"]);
    let page = scrape(&exporter);
    for id in ids {
        for name in
            ["logstash_stats_pipeline_up", "logstash_pipeline_workers", "logstash_node_pipeline_events_in_total"]
        {
            page.has(metric(name).label("pipeline", id));
        }
    }
}

#[test]
fn two_hundred_pipelines() {
    let mut logstash = Logstash::start(Version::V9_4);
    logstash.generate_pipelines(200, 50);
    let page = scrape(&start(&logstash.url(), &[]));
    let count = |name: &str| page.family(name).map_or(0, |family| family.samples.len());
    assert_eq!(count("logstash_stats_pipeline_events_in"), 200);
    // All but the input take events in, the codec on either side; filters and outputs each have seven windows.
    assert_eq!(count("logstash_stats_pipeline_plugin_events_in"), 200 * 50);
    assert_eq!(count("logstash_plugin_flow_worker_utilization_ratio"), 200 * 48 * 7);
}

/// From well to ill and back; `ill` makes it so, and `info` says whether the node itself can still be read.
#[track_caller]
fn check(ill: impl FnOnce(&Logstash), info: bool) {
    let mut logstash = Logstash::start(Version::V9_4);
    let exporter = start(&logstash.url(), &[]);
    let well = hurried_scrape(&exporter);
    well.has(up(1.0));
    ill(&logstash);
    let page = hurried_scrape(&exporter);
    page.has(up(0.0));
    page.has(info_up(f64::from(u8::from(info))));
    is_bare(&page);
    assert!(!complaints(&exporter.log()).is_empty(), "{}", exporter.log());
    logstash.heal();
    let healed = hurried_scrape(&exporter);
    healed.has(up(1.0));
    healed.has(info_up(1.0));
    assert_eq!(healed.names(), well.names());
}

#[test]
fn starting() {
    check(Logstash::seem_starting, false);
}

#[test]
fn half_an_answer() {
    check(|logstash| logstash.break_off(STATS), true);
    check(|logstash| logstash.upstream().set_path(STATS, Answer::ok("application/json", "{\"jvm\":")), true);
}

#[test]
fn no_answer_within_the_deadline() {
    check(|logstash| logstash.fall_silent(STATS), true);
    check(|logstash| logstash.upstream().set(Answer::silence()), false);
}

#[test]
fn errors_in_json() {
    let error = r#"{"status": 500, "error": "Unexpected Internal Error", "backtrace": []}"#;
    check(|logstash| logstash.upstream().set_path(STATS, Answer::status(500, error)), true);
    check(|logstash| logstash.upstream().set_path(STATS, Answer::ok("text/html", "<html></html>")), true);
}

#[test]
fn dead() {
    let dead = DeadPort::new();
    let exporter = start(&format!("http://{}", dead.address()), &[]);
    let page = scrape(&exporter);
    page.has(up(0.0));
    page.has(info_up(0.0));
    is_bare(&page);
}

#[test]
fn a_deadline_of_its_own() {
    let logstash = Logstash::start(Version::V9_4);
    logstash.fall_silent(STATS);
    // Nobody says how long the scrape may take.
    let exporter = start(&logstash.url(), &["--logstash.timeout=500ms"]);
    scrape(&exporter).has(up(0.0));
}

#[test]
fn health_alone_is_no_failure() {
    let logstash = Logstash::start(Version::V9_4);
    let exporter = start(&logstash.url(), &[]);
    for answer in [Answer::status(404, ""), Answer::status(500, "{}"), Answer::hang_up(), Answer::json(&"no".into())] {
        logstash.upstream().set_path(HEALTH, answer);
        let page = scrape(&exporter);
        page.has(up(1.0));
        page.has(metric("logstash_stats_pipeline_events_in").label("pipeline", "main"));
        page.lacks(metric("logstash_health_status"));
    }
}

#[test]
fn one_wrong_type_costs_itself() {
    let logstash = Logstash::start(Version::V9_4);
    let exporter = start(&logstash.url(), &[]);
    let well = scrape(&exporter);
    logstash.twist(STATS, |stats| {
        stats["jvm"]["threads"]["count"] = "many".into();
        stats["flow"]["input_throughput"]["current"] = "Infinity".into();
        stats["pipelines"]["main"]["events"] = 7.into();
        stats["process"]["cpu"]["load_average"] = Vec::<u8>::new().into();
    });
    let page = scrape(&exporter);
    page.has(up(1.0));
    page.has(metric("logstash_exporter_scrape_errors_total").label("reason", "parse").value(1.0));
    page.lacks(metric("logstash_stats_jvm_threads_count"));
    page.has(metric("logstash_stats_jvm_threads_peak_count"));
    page.has(metric("logstash_stats_flow_input_current").value(f64::INFINITY));
    page.lacks(metric("logstash_stats_pipeline_events_in").label("pipeline", "main"));
    page.has(metric("logstash_stats_pipeline_events_in").label("pipeline", "audit"));
    let lost = |name: &&str| page.family(name).is_none();
    let lost: Vec<&str> = well.names().into_iter().filter(lost).collect();
    assert_eq!(
        lost,
        [
            "logstash_stats_jvm_threads_count",
            "logstash_stats_process_cpu_load_average_15m",
            "logstash_stats_process_cpu_load_average_1m",
            "logstash_stats_process_cpu_load_average_5m",
        ]
    );
}

#[test]
fn credentials() {
    let (user, password) = ("watch", "not: öpen/@");
    let logstash = Logstash::start(Version::V9_4);
    logstash.demand(user, password);
    let stranger = start(&logstash.url(), &[]);
    let page = scrape(&stranger);
    page.has(up(0.0));
    page.has(info_up(0.0));
    is_bare(&page);

    let [name, word] = [user, password].map(percent_encoded);
    let known = start(&logstash.url().replace("://", &format!("://{name}:{word}@")), &["--log.level=debug"]);
    let text = known.get("/metrics").text();
    check_metrics(&text);
    Page::checked(&text).has(up(1.0));
    let (_, log) = known.terminate();
    for secret in [password, &word] {
        assert!(!log.contains(secret) && !text.contains(secret), "the password is shown");
    }
}

/// A configuration of as many instances.
fn config(instances: &[(&str, &str)]) -> String {
    let instance = |(name, url): &(&str, &str)| format!("    - url: {url:?}\n      name: {name:?}\n");
    format!("logstash:\n  httpTimeout: 5s\n  instances:\n{}", instances.iter().map(instance).collect::<String>())
}

fn start_with(file: &Fixture) -> Running {
    Running::start("logstash-exporter", &[file.flag("--config", "config.yml")])
}

fn of(metric: Metric, instance: &str) -> Metric {
    metric.label("instance_name", instance)
}

#[test]
fn two_instances_and_one_is_dead() {
    let (logstash, dead) = (Logstash::start(Version::V9_4), DeadPort::new());
    let gone = format!("http://{}", dead.address());
    let file = Fixture::of(&[("config.yml", &config(&[("one", &logstash.url()), ("two", &gone)]))]);
    let exporter = start_with(&file);
    let page = scrape(&exporter);
    page.has(of(info_up(1.0), "one").label("hostname", &logstash.url()));
    page.has(of(info_up(0.0), "two").label("hostname", &gone));
    page.has(of(up(1.0), "one"));
    page.has(of(up(0.0), "two"));
    page.has(of(metric("logstash_stats_jvm_threads_count"), "one"));
    page.lacks(of(metric("logstash_stats_jvm_threads_count"), "two"));
}

#[test]
fn credentials_and_trust_in_the_file() {
    let folder = Fixture::of(&[("password", "öpen\n")]);
    let upstream = Upstream::start_tls(folder.root(), Answer::status(404, ""));
    let logstash = Logstash::on(upstream, Version::V9_4);
    logstash.demand("watch", "öpen");
    let yaml = format!(
        "logstash:\n  instances:\n    - url: {}\n      name: safe\n      tls_config: {{ca_file: {:?}}}\n      \
         basic_auth: {{username: watch, password_file: {:?}}}\n    - url: {}\n      name: blind\n      \
         tls_config: {{insecure_skip_verify: true}}\n      basic_auth: {{username: watch, password: öpen}}\n    \
         - url: {}\n      name: strict\n      basic_auth: {{username: watch, password: öpen}}\n",
        logstash.url(),
        folder.path("cert.pem"),
        folder.path("password"),
        logstash.url(),
        logstash.url(),
    );
    let file = Fixture::of(&[("config.yml", &yaml)]);
    let page = scrape(&start_with(&file));
    page.has(of(up(1.0), "safe"));
    page.has(of(up(1.0), "blind"));
    page.has(of(up(0.0), "strict"));
}

#[test]
fn a_hang_up_reads_the_file_again_and_a_broken_one_changes_nothing() {
    let (one, two) = (Logstash::start(Version::V9_4), Logstash::start(Version::V8_19));
    let file = Fixture::of(&[("config.yml", &config(&[("one", &one.url())]))]);
    let exporter = start_with(&file);
    scrape(&exporter).has(of(info_up(1.0), "one"));

    let place = file.path("config.yml");
    fs::write(&place, config(&[("two", &two.url())])).unwrap();
    exporter.hang_up();
    let page = until("the new instance is asked", || match scrape(&exporter) {
        page if !page.all(&of(info_up(1.0), "two")).is_empty() => Ok(page),
        page => Err(format!("{page:?}")),
    });
    page.lacks(of(metric("logstash_info_up"), "one"));
    page.has(metric("logstash_info_node").label("version", Version::V8_19.as_str()));

    fs::write(&place, "logstash:\n  instances:\n    - url: [\n").unwrap();
    exporter.hang_up();
    exporter.wait_for_line("that complains of config.yml", |line| {
        let complains = matches!(field(line, "level")?.as_str(), "WARN" | "ERROR");
        (complains && line.contains("config.yml")).then_some(())
    });
    let page = scrape(&exporter);
    page.has(of(info_up(1.0), "two"));
    let reload = page.samples().find(|sample| sample.name.ends_with("_config_last_reload_successful"));
    assert_eq!(reload.map(|sample| sample.value), Some(0.0));
    let (status, log) = exporter.terminate();
    assert!(status.success(), "{status}\n{log}");
}
