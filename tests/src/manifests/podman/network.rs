//! A pod's network: a namespace with one cable to the host, as container network plugins make it.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use crate::tools::{run, tool};

/// The host's end and the pod's.
const HOST: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 1);
const POD: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 2);

/// The way to the one pod of a test; it is there as long as the test's own network.
#[derive(Debug)]
pub struct Network(());

impl Network {
    /// Lays a cable into the network of a process, which is a container's and has nothing but `lo`.
    #[track_caller]
    pub(super) fn to(pid: u32) -> Self {
        const NAME: &str = "pod";
        ip(&["netns", "attach", NAME, &pid.to_string()]);
        ip(&["link", "add", "veth-pod", "type", "veth", "peer", "name", "eth0", "netns", NAME]);
        ip(&["address", "add", &format!("{HOST}/24"), "dev", "veth-pod"]);
        ip(&["link", "set", "veth-pod", "up"]);
        ip(&["-netns", NAME, "address", "add", &format!("{POD}/24"), "dev", "eth0"]);
        for device in ["eth0", "lo"] {
            ip(&["-netns", NAME, "link", "set", device, "up"]);
        }
        Self(())
    }

    /// The address of a port of the pod, as seen from the host.
    pub fn address(&self, port: u16) -> SocketAddr {
        (POD, port).into()
    }
}

#[track_caller]
fn ip(args: &[&str]) {
    run(Command::new(tool("ip")).args(args));
}
