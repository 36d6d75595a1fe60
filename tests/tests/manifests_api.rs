//! The cluster's API: what Prometheus may ask it, and that the stand-in for it speaks as client-go does, which Prometheus
//! and kubectl have built in.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::process::Command;

use exporter_tests::child::Logged;
use exporter_tests::fixture::Fixture;
use exporter_tests::manifests::kubernetes::{
    Cluster, Rights, Wants, pod, prometheus_knows_kubernetes, service, slice, template,
};
use exporter_tests::manifests::rendering::{Rendering, items, strings};
use exporter_tests::namespace::entered_alone;
use exporter_tests::skip::skip;
use exporter_tests::tools::{installed, run};
use exporter_tests::wait::until;
use serde_json::{Value, json};

/// The cluster for a test inside of its namespaces; nothing outside of them, or where there is no kubectl.
#[track_caller]
fn cluster(test: &str) -> Option<(Cluster, Fixture)> {
    if installed("kubectl").is_none() {
        skip(test, "no kubectl here");
        return None;
    }
    if !entered_alone(test) {
        return None;
    }
    Some((Cluster::start(Rights::of_prometheus()), Fixture::new()))
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn a_pod(namespace: &str, name: &str) -> Value {
    pod(namespace, name, &template(&[], &[8000]), "node-1", ip("10.1.0.1"))
}

/// kubectl's answer to the end.
#[track_caller]
fn said(command: &mut Command) -> String {
    String::from_utf8(run(command).stdout).expect("kubectl speaks UTF-8")
}

/// kubectl with what it prints in its log.
#[track_caller]
fn watching(kubectl: &Command, args: &[&str]) -> Logged {
    let mut shell = Command::new("sh");
    shell.env_clear().args(["-c", "exec \"$0\" \"$@\" >&2"]).arg(kubectl.get_program()).args(args);
    shell.envs(kubectl.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Logged::spawn("kubectl", &mut shell)
}

#[test]
fn what_is_there_is_listed_in_pages_and_one_by_one() {
    let Some((cluster, home)) = cluster("what_is_there_is_listed_in_pages_and_one_by_one") else { return };
    for name in ["a", "b", "c", "d", "e"] {
        cluster.apply(a_pod("theirs", name));
    }
    cluster.apply(a_pod("ours", "f"));
    cluster.apply(service("theirs", "web", &[], &[]));
    let names = |args: &[&str]| {
        let mut kubectl = cluster.kubectl(&home);
        said(kubectl.arg("get").args(args).arg("--output=jsonpath={range .items[*]}{.metadata.name}\n{end}"))
    };
    assert_eq!(names(&["pods", "--all-namespaces", "--chunk-size=4"]), "f\na\nb\nc\nd\ne\n");
    let pages = cluster.asked().iter().filter(|asked| asked.starts_with("/api/v1/pods?")).count();
    assert_eq!(pages, 2, "{:?}", cluster.asked());
    assert_eq!(names(&["pods", "--namespace=ours"]), "f\n");
    assert_eq!(names(&["pods", "--namespace=theirs", "--field-selector=metadata.name=c"]), "c\n");
    assert_eq!(names(&["nodes"]), "");
    assert_eq!(
        names(&["services,endpointslices.discovery.k8s.io", "--all-namespaces"]),
        "kubernetes\nweb\nkubernetes-ipv4\n"
    );
    let one = said(cluster.kubectl(&home).args([
        "get",
        "pod",
        "a",
        "--namespace=theirs",
        "--output=jsonpath={.status.phase}",
    ]));
    assert_eq!(one, "Running");
}

#[test]
fn a_watch_tells_what_changes_in_its_scope() {
    let Some((cluster, home)) = cluster("a_watch_tells_what_changes_in_its_scope") else { return };
    cluster.apply(a_pod("ours", "early"));
    let print =
        "--output=jsonpath={.type} {.object.metadata.namespace}/{.object.metadata.name} {.object.status.phase}\n";
    let kubectl = cluster.kubectl(&home);
    let follow =
        |args: &[&str]| watching(&kubectl, &[&["get", "--watch", "--output-watch-events", print], args].concat());
    let all = follow(&["pods", "--all-namespaces"]);
    let one = follow(&["pods", "--namespace=ours"]);
    let slices = follow(&["endpointslices.discovery.k8s.io", "--namespace=ours"]);
    let has = |log: &Logged, line: &str| log.wait_for_line(line, |said| (said.trim_end() == line).then_some(()));
    // Each is past its list and waits for news.
    has(&all, "ADDED ours/early Running");
    has(&one, "ADDED ours/early Running");
    until("three watches", || {
        let asked = cluster.asked();
        if asked.iter().filter(|asked| asked.contains("watch=")).count() == 3 {
            Ok(())
        } else {
            Err(format!("{asked:?}"))
        }
    });

    cluster.apply(a_pod("theirs", "elsewhere"));
    cluster.apply(a_pod("ours", "late"));
    cluster.change("Pod", "ours", "early", |pod| pod["status"]["phase"] = "Failed".into());
    cluster.delete("Pod", "ours", "early");
    cluster.apply(slice(("ours", "web"), &[(ip("10.1.0.1"), Some("late"))], &[("http", 8000)]));
    for line in ["ADDED ours/late Running", "MODIFIED ours/early Failed", "DELETED ours/early Failed"] {
        has(&all, line);
        has(&one, line);
    }
    has(&all, "ADDED theirs/elsewhere Running");
    has(&slices, "ADDED ours/web-ipv4");
    assert!(!one.log().contains("elsewhere"), "{}", one.log());
}

/// What waits is the part of client-go that Prometheus stands on: it lists, watches, watches again, and lists again.
#[test]
fn a_watch_goes_on_after_its_end_and_begins_anew_where_that_is_too_late() {
    let this = "a_watch_goes_on_after_its_end_and_begins_anew_where_that_is_too_late";
    let Some((cluster, home)) = cluster(this) else { return };
    cluster.apply(a_pod("ours", "waited-for"));
    let kubectl = cluster.kubectl(&home);
    let args =
        ["wait", "pod/waited-for", "--namespace=ours", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=10m"];
    let mut waiting = watching(&kubectl, &args);
    let count = |what: &dyn Fn(&str) -> bool| cluster.asked().iter().filter(|asked| what(asked)).count();
    let watches = || count(&|asked| asked.contains("watch=true"));
    let lists = || count(&|asked| asked.contains("/pods?") && !asked.contains("watch=true"));
    let come = |what: &str, asked: &dyn Fn() -> usize, least: usize| {
        until(what, || {
            let all = cluster.asked();
            if asked() >= least { Ok(()) } else { Err(format!("{all:#?}\n{}", waiting.log())) }
        });
    };
    come("it watches", &watches, 1);
    let listed = lists();

    // Others changed, and those changes are forgotten: the bookmark at the end of a watch says that it missed nothing.
    cluster.apply(a_pod("ours", "other"));
    cluster.forget();
    cluster.end_watches();
    come("it watches again", &watches, 2);
    assert_eq!(lists(), listed, "{:#?}", cluster.asked());

    // Without it, there is nothing to go on from.
    cluster.apply(a_pod("ours", "another"));
    cluster.forget();
    cluster.cut_watches();
    come("it lists again", &lists, listed + 1);
    cluster.change("Pod", "ours", "waited-for", |pod| pod["status"]["phase"] = json!("Succeeded"));
    assert!(waiting.wait().success(), "{}", waiting.log());
    assert!(waiting.log().contains("condition met"), "{}", waiting.log());
}

#[test]
fn what_the_role_does_not_give_is_refused() {
    let Some((cluster, home)) = cluster("what_the_role_does_not_give_is_refused") else { return };
    cluster.apply(a_pod("ours", "a"));
    for args in [
        &["delete", "pod", "a", "--namespace=ours"][..],
        &["get", "--raw=/api/v1/secrets"],
        &["get", "--raw=/api/v1/namespaces/ours/secrets/x"],
        &["get", "--raw=/api/v1/namespaces"],
        &["get", "--raw=/api/v1/nodes/node-1/proxy/metrics"],
        &["get", "--raw=/api/v1/namespaces/ours/pods/a/log"],
        &["get", "--raw=/logs"],
    ] {
        let output = cluster.kubectl(&home).args(args).output().expect("kubectl starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("Forbidden"), "{args:?}: {said}");
    }
    // Who has no token is not even told that.
    std::fs::write("/var/run/secrets/kubernetes.io/serviceaccount/token", "another").expect("/run is ours");
    let output = cluster.kubectl(&home).args(["get", "pods"]).output().expect("kubectl starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("You must be logged in"), "{said}");
}

#[test]
fn the_role_allows_what_is_needed_and_no_more() {
    let needed = ["nodes", "pods", "services"]
        .iter()
        .flat_map(|resource| ["list", "watch"].map(|verb| Wants::Resource(verb, "", resource)));
    let slices = ["list", "watch"].map(|verb| Wants::Resource(verb, "discovery.k8s.io", "endpointslices"));
    let pages = [Wants::Resource("get", "", "nodes/metrics"), Wants::Path("get", "/metrics")];
    let needed: Vec<Wants<'_>> = needed.chain(slices).chain(pages).collect();
    let rights = Rights::of_prometheus();
    for wants in &needed {
        assert!(rights.allow(*wants), "{wants:?}");
    }
    for place in 0..rights.count() {
        let (fewer, rule) = rights.without(place);
        assert!(needed.iter().any(|wants| !fewer.allow(*wants)), "not needed: {rule}");
    }
    // `get` comes with the others, as everywhere; what is not named here is a right too many.
    let mut wanted = vec!["get /nodes/metrics".to_owned(), "get /metrics".to_owned()];
    for resource in ["/nodes", "/pods", "/services", "discovery.k8s.io/endpointslices"] {
        wanted.extend(["get", "list", "watch"].map(|verb| format!("{verb} {resource}")));
    }
    wanted.sort();
    assert_eq!(rights.each(), wanted);
}

#[test]
fn who_is_told_of_targets_is_told_what_others_find() {
    let this = "who_is_told_of_targets_is_told_what_others_find";
    if !prometheus_knows_kubernetes() {
        // Elsewhere it proves that discovery by HTTP, which the other tests then stand on, is like the real one.
        return skip(this, "this Prometheus was built without Kubernetes");
    }
    if !entered_alone(this) {
        return;
    }
    let mut cluster = Cluster::start(Rights::of_prometheus());
    cluster.add_node("node-1", "10.0.0.11");
    cluster.add_node("node-2", "fd00::12");
    let example = Rendering::of("examples/apache");
    let apache = example.of_kind("Deployment").next().expect("there is one")["spec"]["template"].clone();
    cluster.apply(pod("apache", "apache-0", &apache, "node-1", ip("10.1.0.21")));
    cluster.apply(pod("theirs", "bare", &template(&[("prometheus.io/port", "1")], &[]), "node-1", ip("fd00:1::37")));
    cluster.apply(pod("theirs", "web-0", &template(&[], &[8000, 9000]), "node-1", ip("10.1.0.41")));
    cluster.apply(service("theirs", "web", &[("app", "shop")], &[("prometheus.io/scrape", "true")]));
    for at in ["10.1.0.41", "fd00:1::41"] {
        cluster.apply(slice(("theirs", "web"), &[(ip(at), Some("web-0"))], &[("http", 8000)]));
    }
    cluster.apply(slice(("theirs", "nameless"), &[(ip("fd00:2::42"), None)], &[("sql", 5432)]));

    // Dropped, each is kept as it was found.
    let roles = ["node", "pod", "endpointslice"];
    let job = |role: &&str| {
        format!(
            "- {{job_name: {role}, kubernetes_sd_configs: [{{role: {role}}}], relabel_configs: [{{action: drop, regex: '.*'}}]}}\n"
        )
    };
    let jobs: String = roles.iter().map(job).collect();
    let prometheus = cluster.prometheus_with(&format!("scrape_configs:\n{jobs}"));
    for role in roles {
        let told: BTreeSet<_> = cluster.discovered(role, None).into_iter().collect();
        until(&format!("{role}: the same"), || {
            let targets = prometheus.api("/api/v1/targets?state=dropped")?;
            let found = items(&targets, "droppedTargets").map(|target| strings(&target["discoveredLabels"]));
            let found: Vec<_> = found.filter(|labels| labels["job"] == role).collect();
            let unknown = told.iter().find(|labels| {
                !found
                    .iter()
                    .any(|found| labels.iter().all(|(name, value)| found.get(name.as_str()) == Some(&value.as_str())))
            });
            match unknown {
                None if found.len() == told.len() => Ok(()),
                unknown => Err(format!("{} of {}; not found: {unknown:#?}\nin {found:#?}", found.len(), told.len())),
            }
        });
    }
}
