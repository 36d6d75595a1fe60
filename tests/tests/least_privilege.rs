//! node-exporter with next to no rights: those it gives away itself, and those it is started without.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use exporter_tests::client::Request;
use exporter_tests::fixture::Fixture;
use exporter_tests::log_line::field;
use exporter_tests::manifests;
use exporter_tests::manifests::podman::{Podman, local};
use exporter_tests::namespace;
use exporter_tests::page::{Page, metric};
use exporter_tests::readme::{Row, Table, table};
use exporter_tests::running::{Running, program};
use exporter_tests::skip::skip;
use exporter_tests::tools::tool;
use exporter_tests::wait::until;
use rustix::mount::{MountFlags, mount, mount_remount};

const NODE_EXPORTER: &str = "node-exporter";

/// An ordinary user without any capability, and no way to get one.
const NOBODY: &[&str] = &[
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    "--no-new-privs",
    "--inh-caps=-all",
    "--bounding-set=-all",
];

/// All collectors there are, as the README lists them.
fn all_collectors() -> Vec<String> {
    let collectors = table("collectors");
    collectors.rows.iter().flat_map(|row| row.names()).map(|name| format!("--collector.{name}")).collect()
}

/// The line about the sandbox, and what it says of a part.
#[track_caller]
fn said(exporter: &Running, part: &str) -> String {
    exporter.wait_for_line("about the sandbox", |line| {
        (field(line, "msg")? == "Sandbox").then(|| field(line, part).unwrap_or_default().to_owned())
    })
}

/// Whether Landlock is in force; where it is not, the test says why.
#[track_caller]
fn has_landlock(test: &str, exporter: &Running) -> bool {
    let landlock = said(exporter, "landlock");
    let on = landlock.starts_with("on: ABI ");
    if !on {
        assert!(landlock.starts_with("off: "), "{landlock}");
        skip(test, &format!("no Landlock here, {landlock}"));
    }
    on
}

/// A line of the status of each thread.
fn status(exporter: &Running, name: &str) -> BTreeSet<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", exporter.pid())).unwrap();
    let of = |task: PathBuf| {
        let status = fs::read_to_string(task.join("status")).unwrap();
        status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t")).unwrap().to_owned()
    };
    tasks.map(|task| of(task.unwrap().path())).collect()
}

fn one(text: &str) -> BTreeSet<String> {
    BTreeSet::from([text.to_owned()])
}

#[test]
fn every_thread_has_given_its_rights_away() {
    let exporter = Running::start(NODE_EXPORTER, &[] as &[&str]);
    // Also the threads that come with the first scrape.
    exporter.scrape();
    assert_eq!(status(&exporter, "NoNewPrivs"), one("1"));
    assert_eq!(status(&exporter, "Seccomp"), one("2"), "{}", exporter.log());
    assert_eq!((said(&exporter, "seccomp").as_str(), said(&exporter, "no_new_privs").as_str()), ("on", "on"));
    if has_landlock("every_thread_has_given_its_rights_away", &exporter) {
        assert_eq!(said(&exporter, "readable"), "/", "by default the root of the host is /");
    }
}

#[test]
fn without_the_sandbox_it_is_as_it_was_started() {
    let exporter = Running::start(NODE_EXPORTER, &["--no-sandbox"]);
    exporter.scrape();
    let own = fs::read_to_string("/proc/self/status").unwrap();
    let own = own.lines().find_map(|line| line.strip_prefix("Seccomp:\t")).unwrap();
    assert_eq!(status(&exporter, "Seccomp"), one(own));
    assert!(!exporter.log().contains("msg=Sandbox"), "{}", exporter.log());
}

/// A root with nothing in it, and text files beside it.
fn narrow() -> Fixture {
    Fixture::of(&[("metrics/own.prom", "own 1\n"), ("elsewhere/other.prom", "other 1\n")]).folder("root")
}

#[test]
fn a_link_that_leads_out_of_the_trees_is_refused_as_that_file() {
    let test = "a_link_that_leads_out_of_the_trees_is_refused_as_that_file";
    let folder = narrow();
    symlink(folder.path("elsewhere/other.prom"), folder.path("metrics/link.prom")).unwrap();
    let link = folder.path("metrics/link.prom").display().to_string();
    let flags = [folder.flag("--path.rootfs", "root"), folder.flag("--collector.textfile.directory", "metrics")];
    let [root, metrics] = &flags;

    let exporter = Running::start(NODE_EXPORTER, &flags);
    if !has_landlock(test, &exporter) {
        return;
    }
    let page = exporter.scrape();
    page.has(metric("own").value(1.0));
    page.lacks(metric("other"));
    page.has(metric("node_textfile_file_error").label("file", &link).value(1.0));
    page.has(metric("node_textfile_scrape_error").value(1.0));
    exporter.wait_for_line("about the link", |line| {
        (line.contains("link.prom") && line.contains("Permission denied")).then_some(())
    });

    let outside = Running::start(NODE_EXPORTER, &[root, metrics, "--no-sandbox"]).scrape();
    outside.has(metric("other").value(1.0));
    // With the root of the host at / the link leads to a place below it.
    Running::start(NODE_EXPORTER, &[metrics]).scrape().has(metric("other").value(1.0));
}

#[test]
fn what_comes_later_is_read() {
    let folder = narrow();
    let pattern = format!("--collector.textfile.directory={}/later/*/metrics", folder.root().display());
    let exporter = Running::start(NODE_EXPORTER, &[folder.flag("--path.rootfs", "root"), pattern]);
    exporter.scrape().lacks(metric("late"));
    let folder = folder.file("later/a/metrics/late.prom", "late 1\n");
    exporter.scrape().has(metric("late").value(1.0));
    drop(folder);
}

/// As Kubernetes has a ConfigMap: a link to a link, of which the latter is replaced.
#[test]
fn a_web_configuration_is_read_again_where_it_is() {
    let user = |password: &str| {
        let hash = bcrypt::hash(password, 4).unwrap();
        format!("basic_auth_users:\n  me: {hash}\n")
    };
    let folder = Fixture::of(&[("web/..1/web.yml", &user("first")), ("web/..2/web.yml", &user("second"))])
        .folder("root")
        .link("web/..data", "..1")
        .link("web/web.yml", "..data/web.yml");
    let flags = [folder.flag("--path.rootfs", "root"), folder.flag("--web.config.file", "web/web.yml")];
    let exporter = Running::start(NODE_EXPORTER, &flags);
    let status = |password: &str| exporter.ask(&Request::get("/metrics").basic("me", password)).status;
    assert_eq!((status("first"), status("second")), (200, 401));

    symlink("..2", folder.path("web/..new")).unwrap();
    fs::rename(folder.path("web/..new"), folder.path("web/..data")).unwrap();
    until("the second password is the one", || match (status("first"), status("second")) {
        (401, 200) => Ok(()),
        other => Err(format!("{other:?}\n{}", exporter.log())),
    });
}

/// Root sees hidden processes by its right to trace them, which Landlock would take.
#[test]
fn processes_that_are_hidden_from_others_stay_in_sight() {
    let test = "processes_that_are_hidden_from_others_stay_in_sight";
    if !namespace::entered(test) {
        return;
    }
    let folder = Fixture::new().folder("proc");
    if let Err(e) = mount("proc", folder.path("proc"), "proc", MountFlags::empty(), c"hidepid=invisible") {
        skip(test, &format!("no proc with hidepid here: {e}"));
        return;
    }
    let flags = [folder.flag("--path.procfs", "proc"), "--collector.processes".to_owned()];
    let exporter = Running::start(NODE_EXPORTER, &flags);
    let landlock = said(&exporter, "landlock");
    let seen = exporter.scrape().value(metric("node_processes_pids"));
    // The mount is gone with the namespace; the folder is not removed with the host's processes in it.
    rustix::mount::unmount(folder.path("proc"), rustix::mount::UnmountFlags::DETACH).unwrap();
    assert!(seen >= 2.0, "this test and the exporter: {seen}");
    assert!(landlock.starts_with("off: ") && landlock.contains("hidepid"), "{landlock}");
}

/// Makes everything that is mounted read-only, and makes sure of it.
fn lock_files() {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    for point in mounts.lines().filter_map(|line| line.split(' ').nth(4)) {
        // What is mounted over cannot be reached, nor changed.
        let _hidden = mount_remount(point, MountFlags::BIND | MountFlags::RDONLY, "");
    }
    for place in ["/", "/tmp", "/dev/shm", "/run"].map(Path::new).iter().filter(|place| place.is_dir()) {
        let written = fs::write(place.join("not-to-be-written"), "");
        assert_eq!(written.unwrap_err().kind(), ErrorKind::ReadOnlyFilesystem, "{}", place.display());
    }
}

fn is_like(name: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        Some((begin, end)) => name.starts_with(begin) && name.ends_with(end),
        None => name == pattern,
    }
}

/// The reasons of collectors that are not well.
fn unwell(page: &Page) -> BTreeMap<String, String> {
    let reasons = page.all(&metric("node_scrape_collector_reason"));
    let pair = |name: &str, reason: &str| (name.to_owned(), reason.to_owned());
    let all = reasons.iter().map(|sample| pair(sample.label("collector"), sample.label("reason")));
    all.filter(|(_, reason)| !["ok", "no_data"].contains(&reason.as_str())).collect()
}

fn names(page: &Page) -> BTreeSet<String> {
    page.names().into_iter().map(ToOwned::to_owned).collect()
}

/// What a page lacks or complains about, for want of a capability, and the README does not list.
fn unlisted(root: &Page, nobody: &Page, listed: &Table) -> Vec<String> {
    // The other rows are about mounts and networks.
    let rows: Vec<&Row> =
        listed.rows.iter().filter(|row| ["CAP_", "user"].iter().any(|it| row.cell(2).contains(it))).collect();
    let patterns: Vec<&str> = rows.iter().flat_map(|row| row.quoted(1)).collect();
    let (all, left) = (names(root), names(nobody));
    let lost = all.difference(&left).filter(|name| !patterns.iter().any(|pattern| is_like(name, pattern)));
    let (before, now) = (unwell(root), unwell(nobody));
    let worse = now.iter().filter(|(name, _)| !before.contains_key(*name));
    let worse = worse.filter(|(name, _)| rows.iter().all(|row| !row.names().contains(&name.as_str())));
    lost.cloned().chain(worse.map(|(name, reason)| format!("{name}: {reason}"))).collect()
}

#[test]
fn nobody_on_a_read_only_root_loses_what_the_readme_lists() {
    let test = "nobody_on_a_read_only_root_loses_what_the_readme_lists";
    if !rustix::process::geteuid().is_root() {
        skip(test, "to compare with what root sees takes root");
        return;
    }
    if !namespace::entered(test) {
        return;
    }
    let probe = Command::new(tool("setpriv")).args(&NOBODY[1..]).arg(program(NODE_EXPORTER)).arg("--version").output();
    if !probe.unwrap().status.success() {
        skip(test, "nobody may not enter the directory of the program");
        return;
    }
    lock_files();
    let flags = all_collectors();
    let root = Running::start(NODE_EXPORTER, &[&flags[..], &["--no-sandbox".to_owned()]].concat());
    let nobody = Running::start_under(NOBODY, NODE_EXPORTER, &flags);
    assert_eq!(status(&nobody, "CapEff"), one("0000000000000000"));
    let (of_root, of_nobody) = (root.scrape(), nobody.scrape());

    let listed = table("privileges");
    assert_eq!(unlisted(&of_root, &of_nobody, &listed), Vec::<String>::new());
    // The other way around, where this machine can show it: what is listed is lost.
    if of_root.family("node_slabinfo_objects").is_some_and(|family| !family.samples.is_empty()) {
        of_nobody.lacks(metric("node_slabinfo_objects"));
    }
}

/// Samples without their values.
fn series(page: &Page) -> BTreeSet<String> {
    let series = page.samples().map(|sample| sample.to_string());
    series.filter_map(|sample| Some(sample.rsplit_once(' ')?.0.to_owned())).collect()
}

#[test]
fn the_sandbox_costs_no_series() {
    let flags = all_collectors();
    let inside = Running::start(NODE_EXPORTER, &flags);
    let outside = Running::start(NODE_EXPORTER, &[&flags[..], &["--no-sandbox".to_owned()]].concat());
    // What comes and goes on a living machine is no loss: it is not there before and after, or not the next time.
    until("a page has everything", || {
        let (before, within, after) = (series(&outside.scrape()), series(&inside.scrape()), series(&outside.scrape()));
        let lost: Vec<&String> = before.intersection(&after).filter(|name| !within.contains(*name)).collect();
        if lost.is_empty() { Ok(()) } else { Err(format!("{lost:?}")) }
    });
}

/// What systemd would refuse before the program can use it: older ones do not count these calls among those of a service.
#[test]
fn the_systemd_unit_lets_the_sandbox_through() {
    let unit = fs::read_to_string(manifests::path("systemd/node-exporter.service")).unwrap();
    let filters: Vec<&str> = unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")).collect();
    let allowed: BTreeSet<&str> =
        filters.iter().filter(|filter| !filter.starts_with('~')).flat_map(|filter| filter.split(' ')).collect();
    for call in ["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "seccomp"] {
        assert!(allowed.contains(call), "{call}: {filters:?}");
    }
}

/// What kernels without Landlock answer, in the words of container runtimes.
const NO_LANDLOCK: &str = r#"{
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [{
        "names": ["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"],
        "action": "SCMP_ACT_ERRNO",
        "errnoRet": 38
    }]
}"#;

/// As a DaemonSet has it, with the runtime's own filter of system calls; then where there is no Landlock.
#[test]
fn containers_get_what_their_runtime_lets_through() {
    let Some(podman) = Podman::here("containers_get_what_their_runtime_lets_through") else { return };
    let image = podman.build(NODE_EXPORTER);
    let profile = Fixture::of(&[("seccomp.json", NO_LANDLOCK)]);
    let option = format!("--security-opt=seccomp={}", profile.path("seccomp.json").display());
    let here = said(&Running::start(NODE_EXPORTER, &[] as &[&str]), "landlock");
    let without = "off: this kernel has no Landlock, or who started this forbids it";
    for (name, options, landlock) in [("usual", &[][..], here.as_str()), ("without", &[option.as_str()], without)] {
        let locked = ["--network=host", "--read-only", "--cap-drop=all", "--volume=/:/host:ro,rslave"];
        let flags = ["--path.procfs=/host/proc", "--path.sysfs=/host/sys", "--path.rootfs=/host"];
        podman.run(&[&["run", "--detach", "--name", name][..], &locked, options, &[&image], &flags].concat());
        let page = podman.scrape(name, local(9100));
        page.has(metric("node_os_info"));
        assert_eq!(unwell(&page), BTreeMap::new(), "{}", podman.log(name));
        let log = podman.log(name);
        let line = log.lines().find(|line| field(line, "msg").as_deref() == Some("Sandbox"));
        let line = line.unwrap_or_else(|| panic!("{name}: no line about the sandbox in\n{log}"));
        assert_eq!(field(line, "landlock").as_deref(), Some(landlock), "{name}");
        assert_eq!(field(line, "seccomp").as_deref(), Some("on"), "{name}");
        // Its own root is out of sight, the host's is not.
        let readable = field(line, "readable").unwrap_or_default().split(',').any(|place| place == "/");
        assert!(!readable, "{name}: {line}");
        assert_eq!(podman.stop(name), 0, "{name}: {log}");
    }
}
