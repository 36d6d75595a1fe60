//! What a container does not see of its host, told once at the start. Each of the two has kept people busy for days: all
//! numbers look plausible, and are those of the container.
//!
//! Nothing here is an error: the program may be meant to look at a container, or at a recorded tree.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use common::fields::lines;
use common::flags::Args;
use rustix::fs::readlink;

use crate::fs::{proc_path, read_file};
use crate::kernel::mountinfo::Tree;

/// Collectors that ask the network namespace they run in.
const OF_NETWORK: [&str; 8] =
    ["arp", "conntrack", "netclass", "netdev", "netstat", "sockstat", "softnet", "udp_queues"];

/// Sentences for the log; `own` is where the proc file system of this process is.
pub(crate) fn warnings(args: &Args, own: &Path) -> Vec<String> {
    let mut warnings = Vec::new();
    if OF_NETWORK.iter().any(|name| runs(args, name)) && network_differs(args, own) {
        warnings.push(format!(
            "Network: process 1 of --path.procfs={} has other interfaces than this process. netdev, netclass, netstat \
             and the like tell about the network namespace of this container, not about the host: hostNetwork: true \
             (Kubernetes) or --network host (podman, docker) is missing",
            args.text("path.procfs")
        ));
    }
    if runs(args, "filesystem") && root_differs(args, own) {
        warnings.push(format!(
            "File systems: --path.rootfs={} is not the file system that the host has at /. Sizes are those of this \
             container: mount the root of the host with propagation rslave (mountPropagation: HostToContainer) and \
             name that place with --path.rootfs",
            args.text("path.rootfs")
        ));
    }
    warnings
}

fn runs(args: &Args, name: &str) -> bool {
    let switch = format!("collector.{name}");
    match args.is_on(&switch) {
        Some(on) if args.given(&switch) => on,
        Some(on) => on && !args.on("collector.disable-defaults"),
        None => false,
    }
}

/// Whether process 1 has another network than this one; `false` when that cannot be found out.
fn network_differs(args: &Args, own: &Path) -> bool {
    let (host, here) = (proc_path(args, "1"), own.join("self"));
    // The exact answer takes the right to look into process 1.
    if let (Ok(host), Ok(here)) = (readlink(host.join("ns/net"), Vec::new()), readlink(here.join("ns/net"), Vec::new()))
    {
        return host != here;
    }
    match (read_file(&host.join("net/dev")), read_file(&here.join("net/dev"))) {
        (Ok(host), Ok(here)) => interfaces(&host) != interfaces(&here),
        _ => false,
    }
}

/// The names in a `net/dev`; its headings have no colon.
fn interfaces(text: &[u8]) -> BTreeSet<&[u8]> {
    let names = lines(text).filter_map(|(_, line)| line.get(..line.iter().rposition(|&b| b == b':')?));
    names.map(<[u8]>::trim_ascii).collect()
}

/// Whether the root of the host, as process 1 has it, is another file system than the one that is looked at.
fn root_differs(args: &Args, own: &Path) -> bool {
    let (Ok(host), Ok(here)) = (read_file(&proc_path(args, "1/mountinfo")), read_file(&own.join("self/mountinfo")))
    else {
        return false;
    };
    let Ok(rootfs) = std::fs::canonicalize(args.text("path.rootfs")) else { return false };
    match (Tree::new(&host).device_of(b"/"), Tree::new(&here).device_of(rootfs.as_os_str().as_bytes())) {
        (Some(host), Some(here)) => host != here,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::plant;
    use common::flags::Flag;

    const SWITCHES: &[Flag] = &[
        Flag::switch("collector.netdev", true, ""),
        Flag::switch("collector.filesystem", true, ""),
        Flag::switch("collector.disable-defaults", false, ""),
    ];
    const HEADING: &str = "Inter-|   Receive\n face |bytes    packets\n";

    /// How many warnings there are, network first, over the trees `host` and `own` and with the root at `/`.
    #[track_caller]
    fn check(tree: &[(&str, &str)], defaults: bool, want: &[&str]) {
        let dir = tempfile::tempdir().unwrap();
        plant(dir.path(), tree);
        let mut args = Args::defaults(SWITCHES.iter().chain(crate::fs::FLAGS));
        args.set("path.procfs", vec![dir.path().join("host").to_str().unwrap().to_owned()], true);
        args.set("collector.disable-defaults", Vec::new(), !defaults);
        let got = warnings(&args, &dir.path().join("own"));
        assert_eq!(got.iter().filter_map(|text| text.split(':').next()).collect::<Vec<_>>(), want, "{got:?}");
    }

    #[test]
    fn networks_are_told_apart_by_their_interfaces_or_names() {
        let dev = |names: &str| names.split(' ').fold(HEADING.to_owned(), |text, name| text + name + ": 1 2\n");
        let (host, same, other) = (dev("lo eth0 eth0:1"), dev("eth0:1 eth0 lo"), dev("lo eth0"));
        check(&[("host/1/net/dev", &host), ("own/self/net/dev", &same)], true, &[]);
        check(&[("host/1/net/dev", &host), ("own/self/net/dev", &other)], true, &["Network"]);
        check(&[("host/1/net/dev", &host), ("own/self/net/dev", &other)], false, &[]);
        check(&[("host/1/net/dev", &host)], true, &[]);
        check(&[], true, &[]);
        let links = |own: &'static str| {
            [
                ("host/1/ns/net", "-> net:[1]"),
                ("own/self/ns/net", own),
                ("host/1/net/dev", ""),
                ("own/self/net/dev", "x:"),
            ]
        };
        check(&links("-> net:[2]"), true, &["Network"]);
        check(&links("-> net:[1]"), true, &[]);
    }

    #[test]
    fn roots_are_told_apart_by_their_devices() {
        let table = |device: &str| format!("1 0 {device} / / rw - ext4 /dev/sda1 rw\n");
        let (host, other) = (table("8:1"), table("0:50"));
        check(&[("host/1/mountinfo", &host), ("own/self/mountinfo", &other)], true, &["File systems"]);
        check(&[("host/1/mountinfo", &host), ("own/self/mountinfo", &host)], true, &[]);
        check(&[("host/1/mountinfo", &host), ("own/self/mountinfo", &other)], false, &[]);
        check(&[("host/1/mountinfo", "garbage"), ("own/self/mountinfo", &other)], true, &[]);
        check(&[("host/1/mountinfo", &host)], true, &[]);
    }
}
