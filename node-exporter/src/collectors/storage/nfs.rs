//! What the NFS client asked servers for, from `/proc/net/rpc/nfs`.
//!
//! * Source: kernel net/sunrpc/stats.c (`rpc_proc_show`); the order of the procedures from fs/nfs/nfs{2,3,4}xdr.c.
//! * Units: packets, connections, calls.
//! * Absent when: the NFS client is not loaded: no data. Calls of a version that the kernel does not speak are 0.
//! * Differs from the Go exporter: a line that is malformed costs its own samples and one that is not known nothing,
//!   where either costs all.

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError};
use common::exposition::{Desc, Page};
use common::fuzzing::{Parser, eat};

use crate::fs::KeptFile;
use crate::kernel::sunrpc::{self, Line, Told, Version};

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row::on("nfs", "calls of the NFS client, /proc/net/rpc/nfs", &[], |args| {
    Ok(Box::new(Nfs { file: KeptFile::of_proc(args, "net/rpc/nfs") }))
});

const PACKETS: Desc = Desc::counter("node_nfs_packets_total", "Packets of the NFS client by transport.", &["protocol"]);
const CONNECTIONS: Desc =
    Desc::counter("node_nfs_connections_total", "TCP connections that the NFS client opened.", &[]);
const RPCS: Desc = Desc::counter("node_nfs_rpcs_total", "Calls that the NFS client made.", &[]);
const RETRANSMISSIONS: Desc =
    Desc::counter("node_nfs_rpc_retransmissions_total", "Calls that the NFS client had to send again.", &[]);
const REFRESHES: Desc = Desc::counter(
    "node_nfs_rpc_authentication_refreshes_total",
    "Times that the NFS client had to renew its credentials for a call.",
    &[],
);
const REQUESTS: Desc = Desc::counter(
    "node_nfs_requests_total",
    "Calls that the NFS client made, by procedure and version of the protocol.",
    &["method", "proto"],
);

#[rustfmt::skip] // In the order of their numbers.
const PROCEDURES_2: [&str; 18] = [
    "Null", "GetAttr", "SetAttr", "Root", "Lookup", "ReadLink", "Read", "WrCache", "Write", "Create", "Remove", "Rename",
    "Link", "SymLink", "MkDir", "RmDir", "ReadDir", "FsStat",
];
#[rustfmt::skip] // In the order of their numbers.
const PROCEDURES_3: [&str; 22] = [
    "Null", "GetAttr", "SetAttr", "Lookup", "Access", "ReadLink", "Read", "Write", "Create", "MkDir", "SymLink", "MkNod",
    "Remove", "RmDir", "Rename", "Link", "ReadDir", "ReadDirPlus", "FsStat", "FsInfo", "PathConf", "Commit",
];
#[rustfmt::skip] // In the order of their numbers.
const OPERATIONS_4: [&str; 59] = [
    "Null", "Read", "Write", "Commit", "Open", "OpenConfirm", "OpenNoattr", "OpenDowngrade", "Close", "Setattr", "FsInfo",
    "Renew", "SetClientID", "SetClientIDConfirm", "Lock", "Lockt", "Locku", "Access", "Getattr", "Lookup", "LookupRoot",
    "Remove", "Rename", "Link", "Symlink", "Create", "Pathconf", "StatFs", "ReadLink", "ReadDir", "ServerCaps",
    "DelegReturn", "GetACL", "SetACL", "FsLocations", "ReleaseLockowner", "Secinfo", "FsidPresent", "ExchangeID",
    "CreateSession", "DestroySession", "Sequence", "GetLeaseTime", "ReclaimComplete", "GetDeviceInfo", "LayoutGet",
    "LayoutCommit", "LayoutReturn", "SecinfoNoName", "TestStateID", "FreeStateID", "GetDeviceList", "BindConnToSession",
    "DestroyClientID", "Seek", "Allocate", "DeAllocate", "LayoutStats", "Clone",
];

/// Version 4 has gained operations ever since.
const VERSIONS: [Version; 3] = [
    Version { key: "proc2", label: "2", procedures: &PROCEDURES_2, least: Some(PROCEDURES_2.len()) },
    Version { key: "proc3", label: "3", procedures: &PROCEDURES_3, least: Some(PROCEDURES_3.len()) },
    Version { key: "proc4", label: "4", procedures: &OPERATIONS_4, least: Some(0) },
];

struct Nfs {
    file: KeptFile,
}

impl Collector for Nfs {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let Some(text) = self.file.read_if_present()? else {
            return Err(CollectError::no_data("the NFS client is not loaded"));
        };
        let problems = sunrpc::tell(text, &VERSIONS, &mut |told| match told {
            Told::Line(line) => encode(line, page),
            Told::Calls { version, procedure, calls } => {
                page.sample(&REQUESTS, &[procedure, version], calls);
                Ok(true)
            }
        });
        for bad in problems {
            cx.fault(bad.in_file(self.file.path()));
        }
        Ok(())
    }
}

const NONE: &[&str] = &[];

/// Writes what a line tells; gives whether the line is known.
fn encode(line: &Line<'_>, page: &mut Page) -> Result<bool, BadField> {
    match line.key {
        b"net" => {
            let [_, udp, tcp, connections] = line.numbers("packets and connections")?;
            page.sample(&PACKETS, &["tcp"], tcp);
            page.sample(&PACKETS, &["udp"], udp);
            page.sample(&CONNECTIONS, NONE, connections);
        }
        b"rpc" => {
            let [calls, retransmissions, refreshes] = line.numbers("calls")?;
            page.sample(&RPCS, NONE, calls);
            page.sample(&RETRANSMISSIONS, NONE, retransmissions);
            page.sample(&REFRESHES, NONE, refreshes);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser = Parser::new(
    "RPC statistics",
    |bytes| {
        for line in sunrpc::parse(bytes) {
            eat((line.numbers::<4>("numbers"), line.calls(18).map(Iterator::count)));
        }
    },
    b"net 5 2 3 1\nrpc 700 4 701\nproc2 18 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\nproc4 3 0 77 12\n",
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::samples_of;

    #[track_caller]
    fn check(text: &str, lines: usize, some: &[&str], problems: &[&str]) {
        let (page, found) = samples_of(&ROW, &[("proc/net/rpc/nfs", text)], &[]);
        assert_eq!(page.lines().count(), lines, "{page}");
        for line in some {
            assert!(page.contains(&format!("{line}\n")), "{line}: {page}");
        }
        assert_eq!(found, problems);
    }

    #[test]
    fn good() {
        let all = [
            "node_nfs_connections_total 1",
            "node_nfs_packets_total{protocol=\"tcp\"} 3",
            "node_nfs_packets_total{protocol=\"udp\"} 2",
            "node_nfs_rpc_authentication_refreshes_total 701",
            "node_nfs_rpc_retransmissions_total 4",
            "node_nfs_rpcs_total 1.8446744073709552e+19",
        ];
        check("net 5 2 3 1\nrpc 18446744073709551615 4 701", 6 + 99, &all, &[]);
        check(
            "proc2 18 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18\n",
            99,
            &[
                "node_nfs_requests_total{method=\"Null\",proto=\"2\"} 1",
                "node_nfs_requests_total{method=\"FsStat\",proto=\"2\"} 18",
            ],
            &[],
        );
        check(
            "proc4 2 9 8\n",
            99,
            &[
                "node_nfs_requests_total{method=\"Read\",proto=\"4\"} 8",
                "node_nfs_requests_total{method=\"Clone\",proto=\"4\"} 0",
            ],
            &[],
        );
    }

    #[test]
    fn cut_short() {
        let at = "proc/net/rpc/nfs";
        check(
            "rpc 1 2\nnet 5 2 3 1\nproc3 22 1 2",
            3 + 18 + 59,
            &[],
            &[
                &format!("{at}:1: calls: expected a whole number, found \"\""),
                &format!("{at}:3: calls: expected a whole number, found \"\""),
            ],
        );
        check("", 0, &[], &[]);
        assert_eq!(samples_of(&ROW, &[], &[]).1, ["no data: the NFS client is not loaded"]);
    }

    #[test]
    fn garbage() {
        check(
            "\u{1}\nproc9 1 2\nnet a b c d\nrpc 1 2 3\n",
            3 + 99,
            &["node_nfs_rpcs_total 1"],
            &["proc/net/rpc/nfs:3: packets and connections: expected a whole number, found \"a\""],
        );
    }
}
