//! Values and names at the edges of what a kernel can say, each planted in a copy of the tree `node`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop; clippy's own exception does not reach helpers outside #[test]"
)]

mod trees;

use std::fmt::Write as _;
use std::fs;

use tempfile::TempDir;

use crate::trees::{copy, engine, recorded, scrape};

struct Host(TempDir);

impl Host {
    fn with(files: &[(&str, &[u8])]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        copy(&recorded("node"), dir.path(), &mut Vec::new());
        for (file, bytes) in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        Self(dir)
    }

    /// The page, a series per line, as `family{label="value"} number`.
    fn series(&self) -> Vec<String> {
        let page = scrape(&engine(self.0.path()), None, &"a host at the edge");
        let mut series = Vec::new();
        for family in page.families {
            for sample in family.samples {
                let labels: Vec<String> = sample.labels.iter().map(|(key, value)| format!("{key}={value:?}")).collect();
                series.push(format!("{}{{{}}} {}", family.name, labels.join(","), sample.value));
            }
        }
        series
    }

    #[track_caller]
    fn shows(&self, want: &[&str]) {
        let series = self.series();
        for want in want {
            assert!(series.iter().any(|one| one == want), "{want}: {:#?}", like(&series, want));
        }
    }

    /// Neither the family nor what else its collector would say about the place.
    #[track_caller]
    fn lacks(&self, family: &str, fault: &str) {
        let series = self.series();
        assert!(!series.iter().any(|one| one.starts_with(&format!("{family}{{"))), "{family}");
        let told = |one: &&String| one.starts_with("node_scrape_collector_faults") && one.contains(fault);
        assert!(series.iter().any(|one| told(&one)), "{fault}: {:#?}", like(&series, "node_scrape_collector_faults{"));
    }
}

/// The series of the same family.
fn like<'s>(series: &'s [String], want: &str) -> Vec<&'s String> {
    let family = want.split('{').next().unwrap();
    series.iter().filter(|one| one.split('{').next() == Some(family)).collect()
}

const COUNT: &str = "proc/sys/net/netfilter/nf_conntrack_count";

#[test]
fn numbers() {
    for (text, want) in [
        (&b"9007199254740991\n"[..], "9007199254740991"),
        // Past 2^53 a page has the nearest number there is.
        (b"9007199254740993\n", "9007199254740992"),
        (b"18446744073709551615\n", "18446744073709552000"),
        (b"18446744073709551615", "18446744073709552000"),
        (b"7\r\n", "7"),
        (b"7 \t \n\n", "7"),
        (b"007", "7"),
    ] {
        Host::with(&[(COUNT, text)]).shows(&[&format!("node_nf_conntrack_entries{{}} {want}")]);
    }
    for text in [&b"18446744073709551616\n"[..], b"-1\n", b"max\n", b"", b"\n", b"\0\0", b"0x", b"1e3\n", b"\xff\n"] {
        Host::with(&[(COUNT, text)]).lacks("node_nf_conntrack_entries", COUNT);
    }
    let settings: &[(&str, &[u8])] = &[
        ("proc/sys/kernel/pid_max", b"-5\n"),
        ("proc/sys/kernel/shmmax", b"0x7fffffffffffffff\n"),
        ("sys/class/thermal/thermal_zone0/temp", b"-40000\r\n"),
    ];
    Host::with(settings).shows(&[
        "node_sysctl_kernel_pid_max{} -5",
        "node_sysctl_kernel_shmmax{} 9223372036854776000",
        "node_thermal_zone_temp{type=\"x86_pkg_temp\",zone=\"0\"} -40",
    ]);
}

#[test]
fn names() {
    let mut interfaces = fs::read(recorded("node").join("proc/net/dev")).unwrap();
    for name in [&b"we\"ird\\"[..], b"\xff\xfe0", b"{}=,", b"caf\xc3\xa9"] {
        interfaces.extend_from_slice(name);
        interfaces.extend_from_slice(b": 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n");
    }
    let disks = b"   8 16 s\"d\\b 1 0 8 4 0 0 0 0 0 8 4\n   8 32 cciss/c0d0 2 0 8 4 0 0 0 0 0 8 4\n";
    let mounts = b"1 1 0:5 / /a\\040b\\011c\\134d rw - nfs4 nas:/x\\040y rw,addr=192.0.2.9\n";
    let stats = b"device nas:/x\\040y mounted on /a\\040b\\011c\\134d with fstype nfs4 statvers=1.1\n\tage:\t9\n\txprt:\ttcp 1 2 3 4 5 6 7 8 9 10\n";
    Host::with(&[
        ("proc/net/dev", &interfaces),
        ("proc/diskstats", disks),
        ("proc/self/mountinfo", mounts),
        ("proc/self/mountstats", stats),
    ])
    .shows(&[
        r#"node_network_receive_bytes_total{device="we\"ird\\"} 1"#,
        "node_network_receive_bytes_total{device=\"\u{fffd}0\"} 1",
        r#"node_network_receive_bytes_total{device="{}=,"} 1"#,
        "node_network_receive_bytes_total{device=\"café\"} 1",
        r#"node_disk_reads_completed_total{device="s\"d\\b"} 1"#,
        r#"node_disk_reads_completed_total{device="cciss/c0d0"} 2"#,
        r#"node_mountstats_nfs_age_seconds_total{export="nas:/x\\040y",mountaddr="192.0.2.9",protocol="tcp"} 9"#,
    ]);
}

#[test]
fn a_million_lines() {
    // Of vmstat the first few thousand count, which no kernel has.
    let mut counters = String::from("oom_kill 3\n");
    let mut sockets = String::from("  sl  local_address rem_address   st tx_queue rx_queue\n");
    for n in 0..1_000_000 {
        let _infallible = writeln!(counters, "made_up_{n} {n}");
        let _infallible = writeln!(sockets, "0: 0 0 7 1:2 0 0 0 0 0 0 0 0");
    }
    Host::with(&[("proc/vmstat", counters.as_bytes()), ("proc/net/udp", sockets.as_bytes())]).shows(&[
        "node_vmstat_oom_kill{} 3",
        r#"node_udp_queues{ip="v4",queue="rx"} 2000000"#,
        r#"node_udp_queues{ip="v4",queue="tx"} 1000000"#,
    ]);
    // Half of a table that has no end is not taken for the whole.
    let endless = sockets.repeat(2);
    let host = Host::with(&[("proc/net/udp", endless.as_bytes())]);
    assert!(!host.series().iter().any(|one| one.starts_with("node_udp_queues{ip=\"v4\"")));
}
