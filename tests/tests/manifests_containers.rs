//! The images and the pods of `manifests/`, run by podman on a machine that is the test's.

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

use exporter_tests::client::Request;
use exporter_tests::fixture::Fixture;
use exporter_tests::manifests;
use exporter_tests::manifests::podman::{HOST_NAME, Podman, adapted, build_httpd, built_here, local, object, port};
use exporter_tests::manifests::rendering::Rendering;
use exporter_tests::page::{Page, metric};
use exporter_tests::running::Running;
use exporter_tests::tools::{run, tool};
use exporter_tests::wait::until;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use serde_json::{Value, json};

/// What a container may be denied and still work.
const LOCKED: &[&str] = &["--read-only", "--cap-drop=all", "--security-opt=no-new-privileges"];

/// An exporter and the port that is its own.
const EXPORTERS: &[(&str, u16)] = &[
    ("node-exporter", 9100),
    ("blackbox-exporter", 9115),
    ("apache-exporter", 9117),
    ("logstash-exporter", 9198),
    ("log-exporter", 9144),
];

/// Modules for the prober, readable by everybody.
fn modules() -> Fixture {
    Fixture::of(&[("config.yml", "modules:\n  ping: {prober: icmp, timeout: 20s}\n")])
}

/// The volume that puts them where the image has its configuration.
fn configured(modules: &Fixture) -> String {
    format!("--volume={}:/etc/blackbox_exporter/config.yml:ro", modules.path("config.yml").display())
}

/// Starts a container of an exporter's image, with no more than what `LOCKED` leaves it.
#[track_caller]
fn start(podman: &Podman, name: &str, image: &str, options: &[&str]) {
    podman.run(&[&["run", "--detach", "--name", name][..], LOCKED, options, &[image]].concat());
}

/// The user, the capabilities and the rest of what keeps a process in its place.
#[track_caller]
fn assert_unprivileged(podman: &Podman, container: &str, user: u32) {
    let status = podman.status(container);
    let has = |line: String| assert!(status.lines().any(|own| own == line), "{container}: no {line:?} in\n{status}");
    has(format!("Uid:\t{user}\t{user}\t{user}\t{user}"));
    has(format!("Gid:\t{user}\t{user}\t{user}\t{user}"));
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        has(format!("{set}:\t{:016x}", 0));
    }
    has("NoNewPrivs:\t1".to_owned());
    has("Seccomp:\t2".to_owned());
}

#[test]
fn images_hold_a_program_and_say_what_it_is() {
    let Some(podman) = Podman::here("images_hold_a_program_and_say_what_it_is") else { return };
    for (exporter, port) in EXPORTERS {
        let name = podman.build(exporter);
        let image = podman.inspect("image", &name);
        let config = &image["Config"];
        assert_eq!(config["User"], "65534:65534", "{exporter}");
        assert_eq!(config["Entrypoint"], json!([format!("/bin/{exporter}")]));
        assert_eq!(config["ExposedPorts"], json!({ format!("{port}/tcp"): {} }));
        assert_eq!(podman.files(&name), [format!("bin/{exporter}")]);
        let label =
            |key: &str| config["Labels"][format!("org.opencontainers.image.{key}")].as_str().unwrap_or_default();
        assert_eq!(label("title"), *exporter);
        assert!(label("description").starts_with("Prometheus exporter"), "{exporter}: {config}");
        assert_eq!(label("licenses"), "Apache-2.0");
        assert_eq!(label("version"), "0.1.0");
        assert_eq!(label("revision"), "0123456789ab");
        assert_eq!(label("created"), "2023-11-14T22:13:20Z");
        podman.build(exporter);
        let again = podman.inspect("image", &name);
        assert_eq!(image["Id"], again["Id"], "{exporter}: the same program makes the same image");
    }
}

#[test]
fn each_runs_locked_up_and_stops_when_asked() {
    let Some(podman) = Podman::here("each_runs_locked_up_and_stops_when_asked") else { return };
    let modules = modules();
    let volume = configured(&modules);
    for (exporter, port) in EXPORTERS {
        let image = podman.build(exporter);
        let options: &[&str] =
            if *exporter == "blackbox-exporter" { &["--network=host", &volume] } else { &["--network=host"] };
        start(&podman, exporter, &image, options);
        let page = podman.scrape(exporter, local(*port));
        page.has(metric(&format!("{}_build_info", exporter.replace('-', "_"))).label("version", "0.1.0"));
        page.has(metric("process_start_time_seconds"));
        assert_unprivileged(&podman, exporter, 65534);
        assert_eq!(podman.stop(exporter), 0, "{exporter}: {}", podman.log(exporter));
    }
}

/// The DaemonSet's pod on a "node" with mounts, an interface, an address and a name of its own.
#[test]
fn the_daemon_sets_pod_sees_its_node() {
    let Some(podman) = Podman::here("the_daemon_sets_pod_sees_its_node") else { return };
    let node = Node::new();
    let daemon_set = daemon_set();
    node.play(&podman, &daemon_set);

    let container = &daemon_set["spec"]["template"]["spec"]["containers"][0];
    for probe in ["livenessProbe", "readinessProbe"] {
        let get = &container[probe]["httpGet"];
        let at = (NODE, port(container, &get["port"])).into();
        let answer = podman.ask(CONTAINER, at, get["path"].as_str().unwrap());
        assert_eq!(answer.status, 200, "{probe}: {}", answer.text());
    }
    node.is_seen(&podman);

    assert_unprivileged(&podman, CONTAINER, 65534);
    let inspected = podman.inspect("container", CONTAINER);
    assert_eq!(inspected["HostConfig"]["PidMode"], "host");
    assert_eq!(inspected["HostConfig"]["ReadonlyRootfs"], true);
    let mounts = inspected["Mounts"].as_array().unwrap();
    assert!(mounts.iter().all(|mount| mount["RW"] == false), "{mounts:?}");
    // Within its limit of memory, and not by starting over.
    assert!(inspected["HostConfig"]["Memory"].as_u64().is_some_and(|bytes| bytes > 0), "{inspected}");
    assert_eq!(inspected["RestartCount"], 0, "{}", podman.log(CONTAINER));
    let elsewhere = Request::get("/").send(local(9100)).map(|_| ()).unwrap_err();
    assert_eq!(elsewhere.kind(), std::io::ErrorKind::ConnectionRefused, "only the node's address is listened on");
    assert_eq!(podman.stop(CONTAINER), 0, "{}", podman.log(CONTAINER));
}

/// What the folders of the node bring is enough: its processes are not needed, where a cluster does not share them.
#[test]
fn the_daemon_sets_pod_sees_its_node_without_its_processes() {
    let Some(podman) = Podman::here("the_daemon_sets_pod_sees_its_node_without_its_processes") else { return };
    let node = Node::new();
    let mut daemon_set = daemon_set();
    daemon_set["spec"]["template"]["spec"]["hostPID"] = json!(false);
    node.play(&podman, &daemon_set);
    node.is_seen(&podman);
    assert_eq!(podman.inspect("container", CONTAINER)["HostConfig"]["PidMode"], "private");
}

/// As it is applied.
#[track_caller]
fn daemon_set() -> Value {
    object(&Rendering::of("overlays/cluster").objects, "DaemonSet", "node-exporter").clone()
}

/// What podman calls the DaemonSet's container.
const CONTAINER: &str = "node-exporter-node-exporter";
/// The address of the node.
const NODE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

/// What a node has that no container has.
struct Node {
    disks: Fixture,
}

impl Node {
    fn new() -> Self {
        ip(&["link", "add", "uplink0", "type", "veth", "peer", "name", "downlink0"]);
        ip(&["address", "add", &format!("{NODE}/32"), "dev", "uplink0"]);
        let node = Self { disks: Fixture::new().folder("early").folder("late").mode("", 0o755) };
        node.mount("early", c"size=1m");
        node
    }

    fn mount(&self, place: &str, options: &CStr) {
        mount("memory", self.disks.path(place), "tmpfs", MountFlags::NODEV, options).unwrap();
    }

    #[track_caller]
    fn play(&self, podman: &Podman, daemon_set: &Value) {
        podman.build("node-exporter");
        podman.play(&[adapted(daemon_set, &[("status.hostIP", &NODE.to_string())], self.disks.root())]);
    }

    /// Panics unless the pod's page is that of the node.
    #[track_caller]
    fn is_seen(&self, podman: &Podman) {
        let at = (NODE, 9100).into();
        let page = podman.scrape(CONTAINER, at);
        // Confinement costs nothing that the same program has as root outside of any container.
        let free = Running::start("node-exporter", &[] as &[&str]).scrape();
        assert_eq!(delivered(&page), delivered(&free));
        let processors = metric("node_cpu_seconds_total").label("mode", "idle");
        assert_eq!(page.all(&processors).len(), free.all(&processors).len());
        let memory = metric("node_memory_MemTotal_bytes");
        assert_eq!(page.value(&memory), free.value(&memory));
        page.has(metric("node_load1"));
        page.has(metric("node_uname_info").label("nodename", HOST_NAME));
        page.has(metric("node_network_info").label("device", "uplink0"));

        let size = |page: &Page, place: &str| {
            let place = self.disks.path(place).display().to_string();
            page.value(metric("node_filesystem_size_bytes").label("mountpoint", &place))
        };
        assert_eq!(size(&page, "early"), f64::from(1 << 20));
        // Those of the container itself are not the node's.
        let own = &mounted(&page) - &mounted(&free);
        assert!(own.is_empty(), "{own:?}");
        // A mount that did not reach the container would have the size of what is below it.
        self.mount("late", c"size=2m");
        assert_eq!(size(&podman.scrape(CONTAINER, at), "late"), f64::from(2 << 20));

        // Its own process is not the node's first one, although it looks at the node's /proc.
        let started = page.value(metric("process_start_time_seconds"));
        let by_proc = start_time(podman.pid(CONTAINER));
        assert!((started - by_proc).abs() <= 1.0, "{started}, and by /proc {by_proc}");
    }
}

/// The example's pod as clusters without native sidecars have it.
#[test]
fn a_web_server_and_its_sidecar_share_what_nobody_else_sees() {
    let Some(podman) = Podman::here("a_web_server_and_its_sidecar_share_what_nobody_else_sees") else { return };
    podman.build("apache-exporter");
    let mut objects = Rendering::of("examples/apache/plain").objects;
    // Committed renderings hold no contents of files.
    let configuration = build_httpd(&podman, &manifests::text("examples/apache/app/httpd.conf"));
    for object in objects.iter_mut().filter(|object| object["kind"] == "ConfigMap") {
        object["data"] = json!({ "httpd.conf": configuration });
    }
    let volumes = Fixture::new();
    let pod = adapted(object(&objects, "Deployment", "apache"), &[], volumes.root());
    objects.retain(|object| object["kind"] == "ConfigMap");
    objects.push(pod);
    podman.play(&objects);

    let (httpd, exporter) = ("apache-httpd", "apache-apache-exporter");
    let network = podman.connect(exporter);
    let site = podman.ask(httpd, network.address(8080), "/");
    assert_eq!((site.status, site.text().as_str()), (200, "<p>It works.</p>\n"));
    let page = podman.scrape(exporter, network.address(9117));
    page.has(metric("apache_up").value(1.0));
    page.has(metric("apache_workers").label("state", "idle"));
    let accesses = page.value(metric("apache_accesses_total"));
    for _ in 0..5 {
        podman.ask(httpd, network.address(8080), "/");
    }
    // httpd counts an access once it has logged it, which is after its answer.
    until("five visits are five accesses", || {
        let page = podman.scrape(exporter, network.address(9117));
        let later = page.value(metric("apache_accesses_total"));
        if later >= accesses + 5.0 { Ok(()) } else { Err(format!("{accesses}, {later}")) }
    });
    assert_unprivileged(&podman, exporter, 65534);
    assert_unprivileged(&podman, httpd, 33);

    // From outside of the pod the status is nowhere: the site does not have it, and its own port is closed.
    let answer = podman.ask(httpd, network.address(8080), "/server-status?auto");
    assert!([403, 404].contains(&answer.status), "{}", answer.text());
    let refused = Request::get("/server-status?auto").send(network.address(8081)).map(|_| ()).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);

    // httpd gone is a sample, not an end.
    assert_eq!(podman.stop(httpd), 0, "{}", podman.log(httpd));
    podman.scrape(exporter, network.address(9117)).has(metric("apache_up").value(0.0));
    assert_eq!(podman.stop(exporter), 0, "{}", podman.log(exporter));
}

/// The prober as the monitoring server's compose file has it, in a host's network.
#[test]
fn pings_need_a_setting_of_the_host_and_no_capability() {
    let Some(podman) = Podman::here("pings_need_a_setting_of_the_host_and_no_capability") else { return };
    podman.build("blackbox-exporter");
    let service = &manifests::document("monitoring-server/compose.yaml")["services"]["blackbox-exporter"];
    let listed = |key: &str| texts(&service[key]);
    let mut options = vec!["--read-only".to_owned(), format!("--user={}", service["user"].as_str().unwrap())];
    options.extend(service["network_mode"].as_str().map(|mode| format!("--network={mode}")));
    options.extend(listed("cap_drop").into_iter().map(|name| format!("--cap-drop={name}")));
    options.extend(listed("security_opt").into_iter().map(|option| format!("--security-opt={option}")));
    let folder = manifests::path("monitoring-server").display().to_string();
    options.extend(listed("volumes").into_iter().map(|volume| format!("--volume={folder}/{volume}")));
    let image = built_here(service["image"].as_str().unwrap());
    let (options, command) = (options.iter().map(String::as_str), listed("command"));
    let start: Vec<&str> = ["run", "--detach", "--name=prober"]
        .into_iter()
        .chain(options)
        .chain([image.as_str()])
        .chain(command)
        .collect();

    let open = manifests::text("monitoring-server/systemd/50-ping.conf");
    let open = open.lines().find_map(|line| line.strip_prefix("net.ipv4.ping_group_range = ")).unwrap();
    for (range, success) in [(open, 1.0), ("1 0", 0.0)] {
        fs::write("/proc/sys/net/ipv4/ping_group_range", range).unwrap();
        podman.run(&start);
        assert_unprivileged(&podman, "prober", 65534);
        let answer = podman.ask("prober", local(9115), "/probe?module=ping&target=127.0.0.1");
        let page = Page::checked(&answer.text());
        page.has(metric("probe_success").value(success));
        let log = podman.log("prober");
        let told = log.contains("ICMP probes fail: they need a group in net.ipv4.ping_group_range or CAP_NET_RAW");
        assert_eq!(told, success == 0.0, "{log}");
        if told {
            page.has(metric("probe_failure_info").label("phase", "setup").label("reason", "permission"));
        }
        assert_eq!(podman.stop("prober"), 0);
        podman.run(&["rm", "prober"]);
    }
}

/// The texts in a list.
fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().map(|item| item.as_str().unwrap()).collect()
}

impl Drop for Node {
    fn drop(&mut self) {
        // The namespace would take them, but not the folders below them.
        for place in ["early", "late"] {
            let _ = unmount(self.disks.path(place), UnmountFlags::DETACH);
        }
    }
}

/// The collectors that delivered; all but the one whose numbers are for root alone.
fn delivered(page: &Page) -> BTreeSet<&str> {
    let samples = page.all(&metric("node_scrape_collector_success").value(1.0));
    samples.into_iter().map(|sample| sample.label("collector")).filter(|name| *name != "rapl").collect()
}

/// Where a page says that there are file systems.
fn mounted(page: &Page) -> BTreeSet<&str> {
    page.all(&metric("node_filesystem_readonly")).into_iter().map(|sample| sample.label("mountpoint")).collect()
}

#[track_caller]
fn ip(args: &[&str]) {
    run(Command::new(tool("ip")).args(args));
}

/// When a process began, in seconds since 1970.
fn start_time(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let ticks = stat.rsplit(") ").next().unwrap().split(' ').nth(19).unwrap().parse::<f64>().unwrap();
    let boot = fs::read_to_string("/proc/stat").unwrap();
    let boot = boot.lines().find_map(|line| line.strip_prefix("btime ")).unwrap().parse::<f64>().unwrap();
    boot + ticks / rustix::param::clock_ticks_per_second() as f64
}
