//! The real programs take what the manifests tell them.

use std::ffi::OsStr;

use exporter_tests::fixture::Fixture;
use exporter_tests::manifests;
use exporter_tests::manifests::rendering::{Container, Rendering, items, text};
use exporter_tests::namespace::entered;
use exporter_tests::page::{Page, metric};
use exporter_tests::running::{Running, run_to_end};
use serde_json::Value;

/// Where the DaemonSet mounts the host.
const HOST: &str = "/host";

/// A file system of each kind of mount that a node of a cluster has; the first word says whether it is to be seen.
const MOUNTS: &[(bool, &str)] = &[
    (true, "/"),
    (true, "/var/lib/containerd"),
    (true, "/var/lib/kubelet"),
    (true, "/mnt/disk1"),
    (true, "/run"),
    (false, "/run/containerd/io.containerd.grpc.v1.cri/sandboxes/1a2b/shm"),
    (false, "/run/k3s/containerd/io.containerd.grpc.v1.cri/sandboxes/1a2b/shm"),
    (false, "/run/credentials/systemd-sysusers.service"),
    (false, "/var/lib/kubelet/pods/0a1b/volumes/kubernetes.io~projected/kube-api-access-x"),
    (false, "/var/lib/kubelet/plugins/kubernetes.io/csi/driver/1a2b/globalmount"),
    (false, "/var/lib/containerd/tmpmounts/containerd-mount1"),
    (false, "/var/lib/containers/storage/overlay-containers/1a2b/userdata/shm"),
    (false, "/var/lib/docker/containers/1a2b/mounts/shm"),
    (false, "/run/k0s/containerd/io.containerd.grpc.v1.cri/sandboxes/1a2b/shm"),
    (false, "/var/lib/k0s/kubelet/pods/0a1b/volumes/kubernetes.io~projected/kube-api-access-x"),
    (false, "/var/snap/microk8s/common/run/containerd/io.containerd.grpc.v1.cri/sandboxes/1a2b/shm"),
    (false, "/var/snap/microk8s/common/var/lib/kubelet/pods/0a1b/volumes/kubernetes.io~projected/kube-api-access-x"),
];

/// Interfaces of nodes, and of pods as network plug-ins name them.
const INTERFACES: &[(bool, &str)] = &[
    (true, "eth0"),
    (true, "eno1"),
    (true, "ens5"),
    (true, "bond0"),
    (true, "cilium_host"),
    (true, "cni0"),
    (true, "docker0"),
    (true, "enp0s31f6"),
    (true, "lxcbr0"),
    (true, "tunl0"),
    (true, "wg0"),
    (false, "0123456789abcde"),
    (false, "azv1a2b3c4d5e"),
    (false, "cali0a1b2c3d4e5"),
    (false, "eni0a1b2c3d4e5"),
    (false, "gke0a1b2c3d4e5"),
    (false, "lxc_health"),
    (false, "lxc0a1b2c3d4e5f"),
    (false, "veth0a1b2c3d"),
    (false, "vethwepl1a2b3c4"),
];

fn container(rendering: &Rendering, name: &str) -> Value {
    let pods = rendering.pods();
    let mut all = pods.iter().flat_map(|pod| pod.containers());
    all.find(|container| container.name() == name).expect("the container is there").value.clone()
}

/// The arguments as the kubelet and the mount make them, on a free port of `ip`, with the host's root at `root`.
fn args(container: &Value, ip: &str, root: &str) -> Vec<String> {
    let port = items(container, "ports").next().expect("it has a port")["containerPort"].to_string();
    let args = Container { value: container, init: false }.args();
    let rewritten = |arg: &str| match arg.split_once('=') {
        Some((flag, path)) if path == HOST => format!("{flag}={}", if root.is_empty() { "/" } else { root }),
        Some((flag, path)) if path.starts_with(&format!("{HOST}/")) => format!("{flag}={root}{}", &path[HOST.len()..]),
        Some((flag @ "--web.listen-address", address)) => {
            let address = address.replace("$(NODE_IP)", ip).replace(&format!(":{port}"), ":0");
            format!("{flag}={address}")
        }
        _ => arg.to_owned(),
    };
    let made: Vec<String> = args.into_iter().map(rewritten).collect();
    assert!(!made.iter().any(|arg| arg.contains("$(") || arg.contains("=/host")), "{made:?}");
    made
}

/// As the user of the pod, without any privilege, where this test may say so.
fn start_as_its_user(args: &[String]) -> Running {
    if !rustix::process::geteuid().is_root() {
        return Running::start("node-exporter", args);
    }
    let user = ["--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", "--no-new-privs"];
    Running::start_under(&[&["setpriv"], &user[..]].concat(), "node-exporter", args)
}

/// Pages that a pod's probes and annotations ask for are there.
#[track_caller]
fn answers(exporter: &Running, container: &Value) {
    for probe in ["livenessProbe", "readinessProbe"].map(|kind| &container[kind]["httpGet"]) {
        if probe.is_object() {
            assert_eq!(exporter.get(text(probe, "path")).status, 200, "{probe}\n{}", exporter.log());
        }
    }
}

#[test]
fn node_exporter_runs_with_the_arguments_of_its_daemonset() {
    for overlay in ["overlays/cluster", "overlays/cluster-everything", "overlays/operator"] {
        let container = container(&Rendering::of(overlay), "node-exporter");
        let textfiles = Fixture::of(&[("some.prom", "from_a_file 1\n")]).mode("", 0o755);
        let mut args = args(&container, "127.0.0.1", "");
        let mut directory = args.iter_mut().filter(|arg| arg.starts_with("--collector.textfile.directory="));
        let has_textfiles =
            directory.next().map(|arg| *arg = textfiles.flag("--collector.textfile.directory", "")).is_some();
        let exporter = start_as_its_user(&args);
        answers(&exporter, &container);
        let page = exporter.scrape();
        for name in ["node_load1", "node_memory_MemTotal_bytes", "node_uname_info", "node_boot_time_seconds"] {
            page.has(metric(name));
        }
        page.has(metric("node_scrape_collector_success").label("collector", "filesystem").value(1.0));
        assert_eq!(has_textfiles, page.names().contains(&"from_a_file"), "{overlay}");
        // A flag that means nothing is taken with a warning.
        assert!(!exporter.log().contains("level=WARN"), "{overlay}: {}", exporter.log());
        assert!(exporter.terminate().0.success());
    }
}

#[test]
fn node_exporter_listens_on_a_node_of_either_family() {
    let container = container(&Rendering::of("overlays/cluster"), "node-exporter");
    for ip in ["127.0.0.1", "::1"] {
        let exporter = Running::start("node-exporter", &args(&container, ip, ""));
        assert_eq!(exporter.address().ip().to_string(), ip);
        exporter.scrape();
    }
}

#[test]
fn nothing_is_lost_without_the_host_s_processes() {
    // In it, everybody may mount a /proc.
    if !entered("programs::nothing_is_lost_without_the_host_s_processes") {
        return;
    }
    let container = container(&Rendering::of("overlays/cluster"), "node-exporter");
    let host = Fixture::new().folder("proc");
    let at = host.path("proc");
    // The /proc of outside, as the mount of / brings it, and inside one in which the exporter is process 1.
    let script = format!("mount --rbind /proc {0} && mount -t proc proc /proc && exec \"$@\"", at.display());
    let wrapper = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", &script, "sh"];
    let mut args = args(&container, "127.0.0.1", "");
    let with = families(&Running::start("node-exporter", &args));
    args.retain(|arg| !arg.starts_with("--path.procfs="));
    args.push(format!("--path.procfs={}", at.display()));
    let without = families(&Running::start_under(&wrapper, "node-exporter", &args));
    assert!(with.len() > 100, "{with:?}");
    assert_eq!(with, without);
}

/// Names on its page, and with them the collectors that worked; a second page, as the first counts no earlier one.
#[track_caller]
fn families(exporter: &Running) -> Vec<String> {
    exporter.scrape();
    let page = exporter.scrape();
    let worked = page.all(&metric("node_scrape_collector_success").value(1.0));
    let worked = worked.into_iter().map(|sample| format!("collector {}", sample.label("collector")));
    let mut found: Vec<String> = page.names().into_iter().map(str::to_owned).chain(worked).collect();
    found.sort();
    found
}

#[test]
fn what_comes_and_goes_with_pods_leaves_no_series() {
    let (mut table, mut traffic) = (String::new(), "Inter-| Receive | Transmit\n face |bytes |bytes\n".to_owned());
    let mut host = Fixture::new();
    for (at, (_, mount)) in MOUNTS.iter().enumerate() {
        table += &format!("{} 1 0:{} / {mount} rw - ext4 /dev/disk{at} rw\n", at + 20, at + 30);
        host = host.folder(mount.trim_start_matches('/'));
    }
    let mut neighbours = "IP address HW type Flags HW address Mask Device\n".to_owned();
    for (at, (_, interface)) in INTERFACES.iter().enumerate() {
        traffic += &format!("{interface}: 1 2 0 0 0 0 0 0 3 4 0 0 0 0 0 0\n");
        neighbours += &format!("10.0.0.{at} 0x1 0x2 02:00:00:00:00:01 * {interface}\n");
        host = host.file(format!("sys/class/net/{interface}/mtu"), "1500\n");
    }
    let host = host.file("proc/1/mountinfo", table).file("proc/net/dev", traffic).file("proc/net/arp", neighbours);
    let root = host.root().to_str().unwrap();
    let container = container(&Rendering::of("overlays/cluster"), "node-exporter");
    let mut args = args(&container, "127.0.0.1", root);
    // The tree is asked rather than the kernel of this machine.
    args.extend(["--no-collector.netdev.netlink", "--no-collector.arp.netlink"].map(str::to_owned));
    let page = Running::start("node-exporter", &args).scrape();
    seen(&page, "node_filesystem_size_bytes", "mountpoint", MOUNTS);
    seen(&page, "node_network_receive_bytes_total", "device", INTERFACES);
    seen(&page, "node_network_mtu_bytes", "device", INTERFACES);
    seen(&page, "node_arp_entries", "device", INTERFACES);
}

#[track_caller]
fn seen(page: &Page, name: &str, label: &str, wanted: &[(bool, &str)]) {
    let mut found: Vec<&str> = page.all(&metric(name)).into_iter().map(|sample| sample.label(label)).collect();
    let mut want: Vec<&str> = wanted.iter().filter(|(seen, _)| *seen).map(|(_, value)| *value).collect();
    found.sort_unstable();
    want.sort_unstable();
    assert_eq!(found, want, "{name}");
}

#[test]
fn sidecars_run_as_their_examples_tell_them() {
    for (example, program, up) in
        [("apache", "apache-exporter", "apache_up"), ("logstash", "logstash-exporter", "logstash_up")]
    {
        let rendering = Rendering::of(&format!("examples/{example}"));
        let container = container(&rendering, program);
        let environment: Vec<(&str, &OsStr)> = items(&container, "env")
            .map(|variable| (text(variable, "name"), OsStr::new(text(variable, "value"))))
            .collect();
        let port = items(&container, "ports").next().unwrap()["containerPort"].to_string();
        let help = run_to_end(program, &["--help"]).stdout;
        assert!(help.contains(&format!("[default: :{port}]")), "{program} listens on another port than {port}");
        for (variable, _) in &environment {
            assert!(help.contains(variable), "{program} does not know {variable}");
        }
        let args = Container { value: &container, init: true }.args();
        let exporter = Running::start_with(program, &args, &environment);
        answers(&exporter, &container);
        // The application is not there: that is a figure, not a failure.
        exporter.scrape().has(metric(up).value(0.0));
        assert!(exporter.terminate().0.success());
    }
}

/// The value of a line `key: value` or `key value`, whichever it is.
fn setting<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let values = text.lines().filter_map(|line| line.trim().strip_prefix(key)?.strip_prefix([':', ' ']));
    values.map(|value| value.trim()).collect()
}

#[test]
fn sidecars_ask_where_their_applications_listen_and_nobody_else_can() {
    let example = |example: &str, program: &str, flag: &str| {
        let rendering = Rendering::of(&format!("examples/{example}"));
        let value = container(&rendering, program);
        Container { value: &value, init: true }.arg(flag).expect("it is told where").to_owned()
    };
    let httpd = manifests::text("examples/apache/app/httpd.conf");
    let own: Vec<&str> = setting(&httpd, "Listen").into_iter().filter(|at| at.starts_with("127.0.0.1:")).collect();
    assert_eq!(own.len(), 1, "one address for the exporter alone");
    assert_eq!(setting(&httpd, "<VirtualHost"), [format!("{}>", own[0])]);
    assert_eq!(setting(&httpd, "<Location"), ["\"/server-status\">"]);
    let asked = example("apache", "apache-exporter", "--scrape_uri");
    assert_eq!(asked, format!("http://{}/server-status?auto", own[0]));

    let logstash = manifests::text("examples/logstash/app/logstash.yml");
    let [host] = setting(&logstash, "api.http.host")[..] else { panic!("{logstash}") };
    let [port] = setting(&logstash, "api.http.port")[..] else { panic!("{logstash}") };
    assert_eq!(host, "127.0.0.1");
    assert_eq!(example("logstash", "logstash-exporter", "--logstash.url"), format!("http://{host}:{port}"));
    let app = container(&Rendering::of("examples/logstash"), "logstash");
    assert!(app["livenessProbe"].to_string().contains(&format!("http://{host}:{port}/")), "{app}");
    let beats = items(&app, "ports").find(|port| port["name"] == "beats").expect("a port for senders");
    let pipeline = manifests::text("examples/logstash/app/pipeline.conf");
    assert!(pipeline.contains(&format!("port => {} ", beats["containerPort"])), "{pipeline}");
}

#[test]
fn programs_of_others_listen_on_the_ports_that_are_named() {
    let rendering = Rendering::of("overlays/cluster");
    let states = container(&rendering, "kube-state-metrics");
    for (flag, name) in [("--port", "metrics"), ("--telemetry-port", "telemetry")] {
        let port = items(&states, "ports").find(|port| port["name"] == name).expect("it is named");
        let told = Container { value: &states, init: false }.arg(flag);
        assert_eq!(told, Some(port["containerPort"].to_string().as_str()), "{flag}");
    }
    for overlay in ["overlays/cluster", "overlays/agent"] {
        let prometheus = container(&Rendering::of(overlay), "prometheus");
        let at = Container { value: &prometheus, init: false }.arg("--web.listen-address").expect("it is told where");
        assert_eq!(at, "127.0.0.1:9090", "the way in is the gate");
        for kind in ["startupProbe", "livenessProbe", "readinessProbe"] {
            let command = items(&prometheus[kind]["exec"], "command").filter_map(Value::as_str);
            assert!(command.into_iter().any(|word| word == format!("--url=http://{at}")), "{overlay}: {kind}");
        }
    }
    let gate = container(&rendering, "gate");
    let conf = manifests::text("base/prometheus/nginx.conf");
    let page = text(&gate["readinessProbe"]["httpGet"], "path");
    assert!(conf.contains(&format!("location = {page} {{")), "no page {page}");
    let port = &gate["ports"][0]["containerPort"];
    assert!(
        conf.contains(&format!("listen {port} ssl;")) && conf.contains(&format!("listen [::]:{port} ssl;")),
        "{port}"
    );
}
