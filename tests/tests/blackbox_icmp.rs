//! ICMP probes of this machine, where it lets this process ping at all.

use std::process::Command;

use exporter_tests::blackbox::Blackbox;
use exporter_tests::namespace::entered_alone;
use exporter_tests::skip::skip;
use exporter_tests::tools::{run, tool};
use exporter_tests::wait::DEADLINE;

const MODULES: &str = "
modules:
  icmp: {prober: icmp, timeout: 20s}
  waits: {prober: icmp, timeout: 1s}
  one: {prober: icmp, timeout: 20s, icmp: {payload_size: 1}}
  ten: {prober: icmp, timeout: 20s, icmp: {payload_size: 10}}
  hundred: {prober: icmp, timeout: 20s, icmp: {payload_size: 100}}
  most: {prober: icmp, timeout: 20s, icmp: {payload_size: 65507}}
  more: {prober: icmp, timeout: 20s, icmp: {payload_size: 70000}}
  negative: {prober: icmp, timeout: 20s, icmp: {payload_size: -1}}
  whole: {prober: icmp, timeout: 20s, icmp: {dont_fragment: true}}
  near: {prober: icmp, timeout: 20s, icmp: {ttl: 5}}
  system: {prober: icmp, timeout: 20s, icmp: {ttl: 0}}
  other: {prober: icmp, timeout: 20s, icmp: {source_ip_address: '::1'}}
  text: {prober: icmp, timeout: 20s, icmp: {source_ip_address: here}}
  several: {prober: icmp, timeout: 20s, icmp: {packets: 3, packet_interval: 10ms}}
  lost: {prober: icmp, timeout: 1s, icmp: {packets: 2, packet_interval: 10ms}}
  lossy: {prober: icmp, timeout: 1s, icmp: {packets: 2, packet_interval: 10ms, max_loss_ratio: 1}}
";

/// The exporter, unless it may not ping here.
#[track_caller]
fn exporter(test: &str) -> Option<Blackbox> {
    let blackbox = Blackbox::start(MODULES);
    let probed = blackbox.probe("icmp", "127.0.0.1");
    if !probed.was_permitted() {
        skip(test, "this process may not ping");
        return None;
    }
    Some(blackbox)
}

#[test]
fn replies_of_this_machine() {
    let Some(blackbox) = exporter("replies_of_this_machine") else { return };
    let good = [
        "probe_success 1",
        "probe_icmp_reply_hop_limit 64",
        "probe_icmp_duration_seconds{phase=\"resolve\"}",
        "probe_icmp_duration_seconds{phase=\"setup\"} > 0",
        "probe_icmp_duration_seconds{phase=\"rtt\"} > 0",
        "!probe_icmp_packets_sent",
        "!probe_icmp_rtt_seconds",
        "!probe_icmp_jitter_seconds",
        "!probe_icmp_loss_ratio",
    ];
    for module in ["icmp", "one", "most", "near", "system"] {
        blackbox.probe(module, "127.0.0.1").holds(&good).holds(&["probe_ip_protocol 4"]);
    }
    let six = blackbox.probe("icmp", "::1");
    if six.text.contains("reason=\"unreachable\"") {
        return skip("replies_of_this_machine", "no IPv6 here");
    }
    six.holds(&good).holds(&["probe_ip_protocol 6"]);
    let whole = blackbox.probe("whole", "127.0.0.1");
    if !whole.was_permitted() {
        return skip("replies_of_this_machine", "no raw sockets");
    }
    whole.holds(&good);
}

#[test]
fn what_cannot_be_pinged() {
    let Some(blackbox) = exporter("what_cannot_be_pinged") else { return };
    let bad = ["probe_icmp_duration_seconds{phase=\"rtt\"} 0", "!probe_icmp_reply_hop_limit"];
    for (module, target, phase, reason) in [
        ("icmp", "[::1]", "resolve", "resolve"),
        ("icmp", "127.0.0.1:80", "resolve", "resolve"),
        ("icmp", "http://127.0.0.1", "resolve", "resolve"),
        // The reply comes from another address.
        ("waits", "0.0.0.0", "request", "deadline"),
        ("negative", "127.0.0.1", "setup", "module"),
        ("more", "127.0.0.1", "setup", "module"),
        ("other", "127.0.0.1", "setup", "module"),
        ("text", "127.0.0.1", "setup", "module"),
    ] {
        blackbox.probe(module, target).holds(&bad).failed(phase, reason);
    }
}

#[test]
fn several_packets() {
    let Some(blackbox) = exporter("several_packets") else { return };
    blackbox.probe("several", "127.0.0.1").holds(&[
        "probe_success 1",
        "probe_icmp_packets_sent 3",
        "probe_icmp_packets_received 3",
        "probe_icmp_loss_ratio 0",
        "probe_icmp_rtt_seconds{stat=\"min\"} > 0",
        "probe_icmp_rtt_seconds{stat=\"mean\"} > 0",
        "probe_icmp_rtt_seconds{stat=\"max\"} > 0",
        "probe_icmp_jitter_seconds",
        "probe_icmp_reply_hop_limit 64",
    ]);
    let none = [
        "probe_icmp_packets_sent 2",
        "probe_icmp_packets_received 0",
        "probe_icmp_loss_ratio 1",
        "!probe_icmp_rtt_seconds",
    ];
    blackbox.probe("lost", "0.0.0.0").holds(&none).failed("request", "packet_loss");
    blackbox.probe("lossy", "0.0.0.0").holds(&none).holds(&["probe_success 1"]);
}

/// What is sent, as a socket that sees all of it does: a packet of IPv4 from its header on.
#[test]
fn packets_are_as_the_module_wants_them() {
    use rustix::net::sockopt::{Timeout, set_socket_timeout};
    use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, ipproto, recv, socket_with};
    let test = "packets_are_as_the_module_wants_them";
    let Some(blackbox) = exporter(test) else { return };
    let watching = socket_with(AddressFamily::INET, SocketType::RAW, SocketFlags::CLOEXEC, Some(ipproto::ICMP));
    let Ok(watching) = watching else { return skip(test, "no raw sockets") };
    set_socket_timeout(&watching, Timeout::Recv, Some(DEADLINE)).unwrap();
    // Nobody else pings this address of the machine itself.
    let [.., a, b] = std::process::id().to_be_bytes();
    let to = [127, a, b, 77];
    let target = std::net::Ipv4Addr::from(to).to_string();
    let text = b"Prometheus Blackbox Exporter";
    let long = [&text[..], &[0; 72]].concat();
    for (module, ttl, whole, payload) in [
        ("icmp", 64, false, &text[..]),
        ("one", 64, false, b"P"),
        ("ten", 64, false, b"Prometheus"),
        ("hundred", 64, false, &long),
        ("near", 5, false, text),
        ("system", 64, false, text),
        ("whole", 64, true, text),
    ] {
        blackbox.probe(module, &target).holds(&["probe_success 1"]);
        let packet = loop {
            let mut buffer = vec![0; 2048];
            let (length, _) = recv(&watching, &mut *buffer, RecvFlags::empty()).unwrap();
            buffer.truncate(length);
            // An echo request, behind a header without options.
            if buffer[16..20] == to && buffer[20] == 8 {
                break buffer;
            }
        };
        assert_eq!((packet[8], &packet[28..]), (ttl, payload), "{module}");
        // Without the wish it is the system's choice.
        assert!(!whole || packet[6] & 0x40 != 0, "{module}");
    }
}

#[test]
fn without_the_privilege_the_range_of_groups_decides_and_the_log_says_so() {
    let test = "without_the_privilege_the_range_of_groups_decides_and_the_log_says_so";
    if !entered_alone(test) {
        return;
    }
    run(Command::new(tool("ip")).args(["link", "set", "lo", "up"]));
    let groups = "/proc/sys/net/ipv4/ping_group_range";
    let start = |range: &str| {
        std::fs::write(groups, range).map_err(|e| format!("{groups}: {e}"))?;
        Ok::<_, String>(Blackbox::start_under(&["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"], MODULES))
    };
    let allowed = match start("0 0") {
        Ok(allowed) => allowed,
        Err(what) => return skip(test, &what),
    };
    allowed.probe("icmp", "127.0.0.1").holds(&["probe_success 1", "probe_icmp_reply_hop_limit 64"]);
    allowed.probe("whole", "127.0.0.1").failed("setup", "permission");
    let log = allowed.program().log();
    assert!(log.contains("datagram sockets; dont_fragment needs CAP_NET_RAW"), "{log}");
    let refused = start("1 0").unwrap();
    refused.probe("icmp", "127.0.0.1").failed("setup", "permission");
    let log = refused.program().log();
    assert!(log.contains("ICMP probes fail: they need a group in net.ipv4.ping_group_range or CAP_NET_RAW"), "{log}");
}
