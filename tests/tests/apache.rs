//! The apache exporter beside a real httpd, and what it sends to one.

use exporter_tests::client::{Request, percent_encoded};
use exporter_tests::fixture::Fixture;
use exporter_tests::httpd::{Httpd, Mpm, Options, STATUS_PAGE};
use exporter_tests::page::{Page, metric};
use exporter_tests::running::Running;
use exporter_tests::upstream::{Answer, DeadPort, Upstream};
use exporter_tests::wait::until;

/// Every group of figures that is off unless asked for.
const GROUPS: [&str; 10] = [
    "worker-states",
    "connections",
    "base-units",
    "server-info",
    "capacity",
    "balancer",
    "tls-session-cache",
    "socache",
    "md",
    "scrape",
];

const STATUS: &str = "/server-status";

fn start(url: &str, more: &[&str]) -> Running {
    let url = format!("--scrape_uri={url}");
    Running::start("apache-exporter", &[&[url.as_str()], more].concat())
}

/// An exporter beside a scripted httpd that is well.
fn beside_a_script(more: &[&str]) -> (Upstream, Running) {
    let upstream = Upstream::start(Answer::text(STATUS_PAGE));
    let exporter = start(&upstream.url("/server-status?auto"), more);
    (upstream, exporter)
}

#[track_caller]
fn scrape(exporter: &Running) -> Page {
    exporter.page(&Request::get("/metrics"))
}

/// A number of the status page.
#[track_caller]
fn number(status: &str, key: &str) -> f64 {
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no number {key} in\n{status}"))
}

#[test]
fn each_mpm_under_load() {
    for mpm in Mpm::ALL {
        let httpd = Httpd::start(mpm, &Options::default());
        httpd.load(60, 4);
        let exporter = start(&httpd.status_url(), &[]);
        let page = scrape(&exporter);
        page.has(metric("apache_up").value(1.0));
        page.has(metric("apache_info").label("mpm", mpm.as_str()).value(1.0));
        assert!(page.value(metric("apache_version")) > 2.04);
        let accesses = |page: &Page| page.value(metric("apache_accesses_total"));
        assert!(accesses(&page) >= 60.0);
        assert!(page.value(metric("apache_workers").label("state", "busy")) >= 1.0, "the scrape itself is one");
        let slots: f64 = page.all(&metric("apache_scoreboard")).iter().map(|sample| sample.value).sum();
        assert_eq!(page.all(&metric("apache_scoreboard")).len(), 11);
        assert!(slots >= 8.0, "{slots}");
        for family in ["apache_connections", "apache_processes"] {
            assert_eq!(page.family(family).is_some(), mpm == Mpm::Event, "{family} of {}", mpm.as_str());
        }
        httpd.load(40, 4);
        let status = httpd.status();
        let later = scrape(&exporter);
        assert!(accesses(&later) >= accesses(&page) + 40.0);
        assert!(accesses(&later) >= number(&status, "Total Accesses"));
        for (family, label, value, key) in [
            ("apache_generation", "type", "config", "ParentServerConfigGeneration"),
            ("apache_generation", "type", "mpm", "ParentServerMPMGeneration"),
        ] {
            later.has(metric(family).label(label, value).value(number(&status, key)));
        }
    }
}

#[test]
fn extended_status_off() {
    let httpd = Httpd::start(Mpm::Event, &Options::default().without_extended_status());
    let exporter = start(&httpd.status_url(), &["--metrics.capacity"]);
    let page = scrape(&exporter);
    page.has(metric("apache_up").value(1.0));
    page.has(metric("apache_cpuload").value(0.0));
    page.has(metric("apache_extended_status").value(0.0));
    assert!(page.family("apache_scoreboard").is_some());
    for absent in ["apache_accesses_total", "apache_sent_kilobytes_total", "apache_cpu_time_ms_total"] {
        page.lacks(metric(absent));
    }
}

#[test]
fn balancers() {
    let httpd = Httpd::start(Mpm::Event, &Options::default().balancer(3));
    httpd.load(20, 2);
    let exporter = start(&httpd.status_url(), &["--metrics.balancer"]);
    let page = scrape(&exporter);
    let of = |name: &str| page.all(&metric(name).label("balancer", "balancer://app"));
    let mut states: Vec<&str> =
        of("apache_proxy_balancer_status").iter().map(|sample| sample.label("status")).collect();
    states.sort_unstable();
    assert_eq!(states, ["Init Err", "Init Ok", "Init Ok"]);
    // Those that went to the dead one first count twice.
    let elected: f64 = of("apache_proxy_balancer_accesses_total").iter().map(|sample| sample.value).sum();
    assert!(elected >= 20.0, "{elected}");
    let usable: f64 = of("apache_proxy_balancer_worker_usable").iter().map(|sample| sample.value).sum();
    assert_eq!(usable, 2.0);
}

#[test]
fn tls_with_and_without_trust() {
    let httpd = Httpd::start(Mpm::Event, &Options::default().tls());
    let blind = start(&httpd.tls_status_url(), &["--insecure", "--metrics.tls-session-cache"]);
    let page = scrape(&blind);
    page.has(metric("apache_up").value(1.0));
    assert!(page.family("apache_tls_session_cache_entries").is_some());
    let strict = start(&httpd.tls_status_url(), &[]);
    let page = scrape(&strict);
    page.has(metric("apache_up").value(0.0));
    page.has(metric("apache_scrape_errors_total").label("reason", "tls").value(1.0));
    page.lacks(metric("apache_accesses_total"));
    // Self-signed, and by `openssl req -x509` an authority as well: named by a flag, or in the system's bundle.
    let cert = httpd.folder().path("cert.pem");
    let by_flag = start(&httpd.tls_status_url(), &[&format!("--tls.ca-file={}", cert.display())]);
    let url = format!("--scrape_uri={}", httpd.tls_status_url());
    let by_bundle = Running::start_with("apache-exporter", &[url], &[("SSL_CERT_FILE", cert.as_os_str())]);
    for trusting in [by_flag, by_bundle] {
        scrape(&trusting).has(metric("apache_up").value(1.0));
    }
}

#[test]
fn an_old_certificate_for_who_takes_any() {
    let httpd = Httpd::start(Mpm::Event, &Options::default().tls_with_old_certificate());
    let exporter = start(&httpd.tls_status_url(), &["--insecure"]);
    scrape(&exporter).has(metric("apache_up").value(1.0));
}

#[test]
fn credentials_in_the_url_are_sent_and_not_shown() {
    let (user, password) = ("watch", "not: öpen/@");
    let httpd = Httpd::start(Mpm::Event, &Options::default().basic_auth(user, password));
    let exporter = start(&httpd.status_url(), &["--log.level=debug"]);
    scrape(&exporter).has(metric("apache_up").value(1.0));
    assert!(!exporter.get("/").text().contains(&percent_encoded(password)), "the password is on the landing page");
    let (_, log) = exporter.terminate();
    for secret in [password.to_owned(), percent_encoded(password)] {
        assert!(!log.contains(&secret), "the password is in the log:\n{log}");
    }
}

#[test]
fn a_graceful_restart_is_seen_and_leaves_nothing_stale() {
    let httpd = Httpd::start(Mpm::Event, &Options::default());
    httpd.load(10, 1);
    let exporter = start(&httpd.status_url(), &[]);
    let before = scrape(&exporter);
    httpd.restart_gracefully();
    let generation = metric("apache_generation").label("type", "mpm");
    let after = until("the new generation answers", || {
        let page = scrape(&exporter);
        if page.value(&generation) > before.value(&generation) { Ok(page) } else { Err(format!("{page:?}")) }
    });
    after.has(metric("apache_up").value(1.0));
    assert_eq!(after.names(), before.names());
    let accesses = metric("apache_accesses_total");
    assert!(after.value(&accesses) > before.value(&accesses), "a graceful restart keeps the totals");
}

#[test]
fn all_groups_at_once() {
    let httpd = Httpd::start(Mpm::Event, &Options::default().tls().balancer(2));
    httpd.load(5, 1);
    let groups = GROUPS.map(|group| format!("--metrics.{group}"));
    let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
    let (all, few) = (start(&httpd.status_url(), &groups), start(&httpd.status_url(), &[]));
    let (all, few) = (scrape(&all), scrape(&few));
    for page in [&all, &few] {
        page.has(metric("apache_up").value(1.0));
        page.has(metric("apache_exporter_scrape_failures_total").value(0.0));
    }
    for name in few.names() {
        assert!(all.family(name).is_some(), "{name} vanishes with more groups");
    }
    for name in ["apache_start_time_seconds", "apache_server_info", "apache_scoreboard_slots", "apache_scrape_valid"] {
        assert!(all.family(name).is_some() && few.family(name).is_none(), "{name}");
    }
}

#[test]
fn what_is_sent() {
    let more =
        ["--host_override=status.example.org", "--custom_headers=X-One=1", "--custom_headers=Authorization=Bearer a=b"];
    let (upstream, exporter) = beside_a_script(&more);
    scrape(&exporter).has(metric("apache_up").value(1.0));
    let asked = upstream.last(STATUS);
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("GET", "/server-status?auto"));
    for (name, value) in [("host", "status.example.org"), ("x-one", "1"), ("authorization", "Bearer a=b")] {
        assert_eq!(asked.header(name), Some(value), "{name}");
    }
    let agent = asked.header("user-agent").unwrap_or_default().to_lowercase();
    assert!(agent.contains("apache") && agent.contains("exporter"), "{agent}");
}

#[test]
fn the_page_may_be_elsewhere() {
    let (_upstream, exporter) = beside_a_script(&["--telemetry.endpoint=/numbers"]);
    exporter.page(&Request::get("/numbers")).has(metric("apache_accesses_total").value(1234.0));
    assert_eq!(exporter.get("/metrics").status, 404);
    assert!(exporter.get("/").text().contains("/numbers"));
}

#[test]
fn over_a_unix_socket() {
    let folder = Fixture::new();
    let socket = folder.path("httpd.sock");
    let upstream = Upstream::start_unix(&socket, Answer::text(STATUS_PAGE));
    let exporter = start(&format!("unix:{}:/server-status?auto", socket.display()), &[]);
    let page = scrape(&exporter);
    page.has(metric("apache_up").value(1.0));
    page.has(metric("apache_accesses_total").value(1234.0));
    assert_eq!(upstream.last(STATUS).target, "/server-status?auto");
    drop(upstream);
    scrape(&exporter).has(metric("apache_up").value(0.0));
}

#[test]
fn one_connection_is_kept_and_none_leaks() {
    let (upstream, exporter) = beside_a_script(&[]);
    for _ in 0..5 {
        scrape(&exporter).has(metric("apache_up").value(1.0));
    }
    assert_eq!((upstream.requests_for(STATUS), upstream.connections(), upstream.open()), (5, 1, 1));
    let quiet = exporter.descriptors();
    for rude in [Answer::hang_up(), Answer::text("x").cut_short(0), Answer::text(STATUS_PAGE).closing()] {
        upstream.set(rude);
        for _ in 0..3 {
            scrape(&exporter);
        }
    }
    upstream.wait_until_open_at_most(0);
    // Our own connection to the exporter may take a moment to be closed on its side.
    until("no descriptor is left behind", || match exporter.descriptors() {
        now if now <= quiet => Ok(()),
        now => Err(format!("{now} instead of {quiet}")),
    });
}

#[test]
fn a_connection_that_was_closed_meanwhile_is_replaced() {
    let upstream = Upstream::start(Answer::text(STATUS_PAGE));
    let address = upstream.address();
    let exporter = start(&upstream.url("/server-status?auto"), &[]);
    scrape(&exporter).has(metric("apache_up").value(1.0));
    drop(upstream);
    let _upstream = Upstream::start_on(address, Answer::text(STATUS_PAGE));
    let page = scrape(&exporter);
    page.has(metric("apache_up").value(1.0));
    page.has(metric("apache_exporter_scrape_failures_total").value(0.0));
}

fn probe(target: &str) -> Request {
    Request::get(&format!("/probe?target={}", percent_encoded(target)))
}

#[test]
fn probes_of_what_is_allowed() {
    let other = Upstream::start(Answer::text(STATUS_PAGE));
    let dead = DeadPort::new();
    let (upstream, exporter) = beside_a_script(&["--probe.allow=^http://127\\.0\\.0\\.1:[0-9]+/server-status\\?auto$"]);
    let page = exporter.page(&probe(&other.url("/server-status?auto")));
    page.has(metric("apache_up").value(1.0));
    page.has(metric("apache_accesses_total").value(1234.0));
    assert_eq!((other.requests(), upstream.requests()), (1, 0));
    let page = exporter.page(&probe(&format!("http://{}/server-status?auto", dead.address())));
    page.has(metric("apache_up").value(0.0));
    page.lacks(metric("apache_accesses_total"));
}

#[test]
fn probes_of_anything_else_are_refused() {
    let (upstream, exporter) = beside_a_script(&["--probe.allow=^http://192\\.0\\.2\\.1/"]);
    assert_eq!(exporter.ask(&probe(&upstream.url("/server-status?auto"))).status, 403);
    for without in ["/probe", "/probe?target=", "/probe?other=1"] {
        assert_eq!(exporter.get(without).status, 400, "{without}");
    }
    assert_eq!(upstream.requests(), 0);
    // A pattern holds from end to end, whoever wrote it without saying so.
    let (upstream, exporter) = beside_a_script(&["--probe.allow=http://127\\.0\\.0\\.1:[0-9]+/server-status"]);
    assert_eq!(exporter.ask(&probe(&upstream.url("/server-status"))).status, 200);
    upstream.forget_requests();
    for target in
        [upstream.url("/server-status/../secret"), format!("http://192.0.2.1/?{}", upstream.url("/server-status"))]
    {
        assert_eq!(exporter.ask(&probe(&target)).status, 403, "{target}");
    }
    assert_eq!(upstream.requests(), 0);

    // Unless allowed, nothing may be probed at all.
    let (upstream, exporter) = beside_a_script(&[]);
    let status = exporter.ask(&probe(&upstream.url("/server-status?auto"))).status;
    assert!(matches!(status, 403 | 404), "{status}");
    assert_eq!(upstream.requests(), 0);
}

#[test]
fn a_hang_up_does_not_end_it() {
    let (_upstream, exporter) = beside_a_script(&[]);
    for _ in 0..3 {
        exporter.hang_up();
        scrape(&exporter).has(metric("apache_up").value(1.0));
    }
    let (status, log) = exporter.terminate();
    assert!(status.success(), "{status}\n{log}");
}

#[test]
fn a_quit_ends_it_in_order() {
    let (_upstream, exporter) = beside_a_script(&[]);
    exporter.quit();
    let (status, log) = exporter.wait();
    assert!(status.success(), "{status}\n{log}");
}
