//! Podman with images, containers and state of its own, in namespaces that stand for a machine of their own.
//!
//! A test with it runs as [`namespace::entered_as_machine`] has it, so the "host" that a container looks at is the test's:
//! its mounts, its interfaces, its name, its processes. Nothing of the user's own podman is seen or changed, and nothing
//! is downloaded: every image is made here, FROM scratch.
//!
//! What containers need and not every machine gives (root, namespaces, control groups that crun takes) is tried with an
//! empty pod first; where that fails, the test is skipped with podman's words.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive, mount_change, unmount,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::client::{Request, Response};
use crate::manifests;
use crate::namespace;
use crate::page::Page;
use crate::running;
use crate::skip::skip;
use crate::tools::{installed, run, tool};
use crate::wait::until;

mod httpd;
mod network;
mod pod;

pub use httpd::build_httpd;
pub use network::Network;
pub use pod::{adapted, built_here, object, port};

/// The name of the machine that containers see as theirs.
pub const HOST_NAME: &str = "node-of-the-test";

/// Like every tag: what is built here is nobody's release.
const TAG: &str = "0.1.0";

/// The file with what holds for containers, in the folder of a test's podman.
const CONFIGURATION: &str = "containers.conf";

/// Where Linux machines have their control groups.
const GROUPS: &str = "/sys/fs/cgroup";

/// The time that images are said to be from, so that two builds are the same.
const EPOCH: &str = "1700000000";

/// Podman in namespaces of this test.
#[derive(Debug)]
pub struct Podman {
    folder: TempDir,
}

impl Podman {
    /// Podman for the named test, once that runs inside its namespaces. Outside of them the test is run inside, and
    /// there is nothing to do; where containers cannot be run, this prints so.
    #[track_caller]
    pub fn here(test: &str) -> Option<Self> {
        let missing = ["podman", "buildah", "crun", "catatonit", "ip"].iter().find(|name| installed(name).is_none());
        if let Some(name) = missing {
            skip(test, &format!("no {name} here (`make deps` installs it)"));
            return None;
        }
        if !rustix::process::geteuid().is_root() {
            skip(test, "containers with users of their own are run as root");
            return None;
        }
        if !namespace::entered_as_machine(test) {
            return None;
        }
        match Self::start() {
            Ok(podman) => Some(podman),
            Err(why) => {
                skip(test, &format!("no containers here: {why}"));
                None
            }
        }
    }

    fn start() -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        settle_in(folder.path()).map_err(|e| format!("a machine of its own: {e}"))?;
        let podman = Self { folder };
        podman.configure().map_err(|e| e.to_string())?;
        for args in [
            &["pod", "create", "--network=none", "trial"][..],
            &["pod", "start", "trial"],
            &["pod", "rm", "--force", "trial"],
        ] {
            let output = podman.command(args).output().map_err(|e| e.to_string())?;
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr);
                return Err(format!("podman {}: {}", args.join(" "), said.lines().last().unwrap_or_default()));
            }
        }
        Ok(podman)
    }

    /// Tells podman and buildah where everything is.
    fn configure(&self) -> io::Result<()> {
        let place = |name: &str| self.folder.path().join(name).display().to_string();
        fs::create_dir(place("tmp"))?;
        // Layers are plain copies: whatever file system the temporary folder is on can hold them.
        let (run, graph) = (place("run"), place("graph"));
        let storage = format!("[storage]\ndriver = \"vfs\"\nrunroot = \"{run}\"\ngraphroot = \"{graph}\"\n");
        fs::write(place("storage.conf"), storage)?;
        self.configure_containers(CONFIGURATION, "")
    }

    /// Writes what holds for containers; `shared` is what they share with the host without a word of their own.
    fn configure_containers(&self, file: &str, shared: &str) -> io::Result<()> {
        let state = self.folder.path().join("libpod");
        let text = format!(
            // No limits of the distribution's choice: a sandbox may not be allowed to raise its own so far.
            "[containers]\ndefault_ulimits = []\n{shared}\n\
             [engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"none\"\nruntime = \"crun\"\ntmp_dir = \"{}\"\n",
            state.display()
        );
        fs::write(self.folder.path().join(file), text)
    }

    fn command(&self, args: &[&str]) -> Command {
        self.peer("podman", CONFIGURATION, args)
    }

    fn peer(&self, name: &str, configuration: &str, args: &[&str]) -> Command {
        let root = self.folder.path();
        let mut command = Command::new(tool(name));
        // None of the user's settings: they may name other storage, or a podman on another machine.
        command.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("HOME", root).env("TMPDIR", root.join("tmp"));
        command.env("CONTAINERS_CONF", root.join(configuration));
        command.env("CONTAINERS_STORAGE_CONF", root.join("storage.conf"));
        command.args(args);
        command
    }

    /// Runs podman to its end; panics with its output when it fails.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Output {
        run(&mut self.command(args))
    }

    /// Builds an exporter's image from our own file and the program built beside the tests; its name.
    #[track_caller]
    pub fn build(&self, exporter: &str) -> String {
        let context = tempfile::tempdir_in(self.folder.path()).expect("the folder is writable");
        let programs = context.path().join(architecture());
        fs::create_dir(&programs).expect("the folder is writable");
        let copied = fs::copy(running::program(exporter), programs.join(exporter));
        copied.expect("a program can be copied");
        let name = format!("localhost/{exporter}:{TAG}");
        let file = manifests::path("Containerfile").display().to_string();
        let context = context.path().display().to_string();
        let arguments = ["VERSION=0.1.0", "REVISION=0123456789ab", "CREATED=2023-11-14T22:13:20Z"];
        let mut args = vec!["build", "--isolation=chroot", "--timestamp", EPOCH, "--target", exporter, "--tag", &name];
        args.extend(arguments.iter().flat_map(|argument| ["--build-arg", argument]));
        args.extend(["--file", &file, &context]);
        run(&mut self.peer("buildah", CONFIGURATION, &args));
        name
    }

    /// Makes an image of a folder's content; `further` are more lines of its file.
    #[track_caller]
    pub fn build_from(&self, name: &str, content: &Path, further: &str) -> String {
        let name = format!("localhost/{name}:{TAG}");
        let file = self.folder.path().join("Containerfile");
        fs::write(&file, format!("FROM scratch\nCOPY . /\n{further}")).expect("the folder is writable");
        let (file, content) = (file.display().to_string(), content.display().to_string());
        let args = ["build", "--isolation=chroot", "--tag", &name, "--file", &file, &content];
        run(&mut self.peer("buildah", CONFIGURATION, &args));
        name
    }

    /// Starts the containers of a pod that [`adapted`] has made of a template, with the ConfigMaps it names.
    #[track_caller]
    pub fn play(&self, objects: &[Value]) {
        let file = self.folder.path().join("play.yaml");
        // JSON is YAML.
        let text: String = objects.iter().map(|object| format!("---\n{object}\n")).collect();
        fs::write(&file, text).expect("the folder is writable");
        // What podman does not take from a pod, it takes from here. A node's name goes with its network.
        let host = |field: &str| objects.iter().any(|object| object["spec"][field] == true);
        let (name, processes) = (host("hostNetwork"), host("hostPID"));
        let shared = [(name, "utsns = \"host\"\n"), (processes, "pidns = \"host\"\n")];
        let shared: String = shared.into_iter().filter_map(|(shares, line)| shares.then_some(line)).collect();
        self.configure_containers("play.conf", &shared).expect("the folder is writable");
        // Without a word podman would set up a bridge with a firewall, for which the test has no use.
        let network = if name { "--network=host" } else { "--network=none" };
        run(&mut self.peer("podman", "play.conf", &["kube", "play", network, &file.display().to_string()]));
    }

    /// Connects a container's network, which is its pod's as well, with the host's.
    #[track_caller]
    pub fn connect(&self, container: &str) -> Network {
        Network::to(self.pid(container))
    }

    /// The first process of a running container.
    #[track_caller]
    pub fn pid(&self, container: &str) -> u32 {
        let pid = self.inspect("container", container)["State"]["Pid"].as_u64().filter(|pid| *pid > 0);
        let pid = pid.unwrap_or_else(|| panic!("{container} does not run:\n{}", self.log(container)));
        pid.try_into().expect("process ids are small")
    }

    /// The files in an image, sorted.
    #[track_caller]
    pub fn files(&self, image: &str) -> Vec<String> {
        let mounted = self.run(&["image", "mount", image]).stdout;
        let root = PathBuf::from(String::from_utf8_lossy(&mounted).trim());
        let relative = |path: &PathBuf| path.strip_prefix(&root).map(|path| path.display().to_string());
        let found = manifests::all_files(&root).iter().map(relative).collect::<Result<_, _>>();
        self.run(&["image", "unmount", image]);
        found.expect("what is found in a folder is below it")
    }

    /// What podman knows of a container or, with another noun, of something else.
    #[track_caller]
    pub fn inspect(&self, noun: &str, name: &str) -> Value {
        let output = self.run(&[noun, "inspect", name]);
        let all: Value = serde_json::from_slice(&output.stdout).expect("podman prints JSON");
        // A pod comes alone, everything else in a list of one.
        if all.is_array() { all[0].clone() } else { all }
    }

    /// The lines of /proc/PID/status of a running container's first process.
    #[track_caller]
    pub fn status(&self, container: &str) -> String {
        let pid = self.pid(container);
        fs::read_to_string(format!("/proc/{pid}/status"))
            .unwrap_or_else(|e| panic!("{container}: {e}\n{}", self.log(container)))
    }

    /// All a container has logged.
    #[track_caller]
    pub fn log(&self, container: &str) -> String {
        let output = self.run(&["logs", container]);
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    /// Waits for an answer of whoever listens at `address`; panics with a container's log when there is none.
    #[track_caller]
    pub fn ask(&self, container: &str, address: SocketAddr, path: &str) -> Response {
        until("the container answers", || {
            Request::get(path).send(address).map_err(|e| format!("{address}{path}: {e}\n{}", self.log(container)))
        })
    }

    /// One scrape of a container.
    #[track_caller]
    pub fn scrape(&self, container: &str, address: SocketAddr) -> Page {
        let answer = self.ask(container, address, "/metrics");
        assert_eq!(answer.status, 200, "{}\n{}", answer.text(), self.log(container));
        Page::checked(&answer.text())
    }

    /// Asks a container to end, as a kubelet does; its exit status, which is 137 if it had to be killed.
    #[track_caller]
    pub fn stop(&self, container: &str) -> i64 {
        self.run(&["stop", "--time=30", container]);
        let state = self.inspect("container", container)["State"].clone();
        state["ExitCode"].as_i64().unwrap_or_else(|| panic!("{container}: {state}"))
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        // What is left ends with the namespaces; this also takes the control groups and the folder away.
        for args in [["pod", "rm"], ["container", "rm"]] {
            let _ = self.command(&[&args[..], &["--all", "--force", "--time=0"]].concat()).output();
        }
        let _ = unmount(self.folder.path(), UnmountFlags::DETACH);
    }
}

/// Makes the namespaces a machine of their own as far as containers touch one.
fn settle_in(folder: &Path) -> io::Result<()> {
    // The interfaces in /sys are those of the network namespace it was mounted in; the control groups in it stay.
    mount_bind_recursive(GROUPS, folder)?;
    mount("sysfs", "/sys", "sysfs", MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC, None)?;
    mount_bind_recursive(folder, GROUPS)?;
    unmount(folder, UnmountFlags::DETACH)?;
    // Of two kinds of control groups side by side crun wants the older one alone. Of that one, the hierarchy that is
    // systemd's goes as well: podman leaves pods' groups behind there. What was in /sys before is listed, too.
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let mounted =
        mounts.lines().filter_map(|line| <[&str; 4]>::try_from(line.split(' ').take(4).collect::<Vec<_>>()).ok());
    let groups: Vec<[&str; 4]> = mounted.filter(|[_, place, ..]| place.starts_with(GROUPS)).collect();
    if groups.iter().any(|[_, _, kind, _]| *kind == "cgroup") {
        let others =
            groups.iter().filter(|[_, _, kind, options]| *kind == "cgroup2" || options.contains("name=systemd"));
        let others: BTreeSet<&str> = others.map(|[_, place, ..]| *place).collect();
        others.into_iter().try_for_each(|place| unmount(place, UnmountFlags::DETACH))?;
    }
    // As systemd has it on real machines, so that a mount made later reaches those who follow.
    mount_change("/", MountPropagationFlags::SHARED | MountPropagationFlags::REC)?;
    // A mount of its own, as a container's root is on real machines: crun makes the mount that a root is in private, and
    // if that were the host's root, no later mount would reach a container that is to see them.
    mount_bind(folder, folder)?;
    // State and locks of other podmans of this machine stay out of sight, and ours out of theirs.
    for place in ["/run", "/dev/shm"] {
        mount("tmpfs", place, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, None)?;
    }
    rustix::system::sethostname(HOST_NAME.as_bytes())?;
    run(Command::new(tool("ip")).args(["link", "set", "lo", "up"]));
    Ok(())
}

/// This machine's architecture as images name it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The address of a port on this machine.
pub fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
