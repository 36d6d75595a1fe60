//! What the NFS server of the kernel did, from `/proc/net/rpc/nfsd`.
//!
//! * Source: kernel fs/nfsd/stats.c and net/sunrpc/stats.c (`svc_seq_show`); operations of version 4 by their numbers in
//!   RFC 7530, up to 39.
//! * Units: bytes, packets, connections, calls, threads, blocks.
//! * Absent when: the NFS server is not loaded: no data. Calls of a version that the kernel does not speak are 0; any other
//!   line that it does not write has no samples.
//! * Differs from the Go exporter: a line that is malformed costs its own samples and one that is not known nothing,
//!   where either costs all.

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError};
use common::exposition::{Desc, Page};

use crate::fs::KeptFile;
use crate::kernel::sunrpc::{self, Line, Told, Version};

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::on("nfsd", "calls to the NFS server, /proc/net/rpc/nfsd", &[], |args| {
        Ok(Box::new(Nfsd { file: KeptFile::of_proc(args, "net/rpc/nfsd") }))
    });

const HITS: Desc = Desc::counter(
    "node_nfsd_reply_cache_hits_total",
    "Calls that were answered from the reply cache, because the client had missed the answer.",
    &[],
);
const MISSES: Desc = Desc::counter(
    "node_nfsd_reply_cache_misses_total",
    "Calls that belong in the reply cache and were not in it.",
    &[],
);
const NOCACHE: Desc = Desc::counter(
    "node_nfsd_reply_cache_nocache_total",
    "Calls that can be answered twice and need no reply cache.",
    &[],
);
const STALE: Desc =
    Desc::counter("node_nfsd_file_handles_stale_total", "Calls with a handle of a file that is no more.", &[]);
const READ: Desc = Desc::counter("node_nfsd_disk_bytes_read_total", "Bytes that clients read.", &[]);
const WRITTEN: Desc = Desc::counter("node_nfsd_disk_bytes_written_total", "Bytes that clients wrote.", &[]);
const THREADS: Desc = Desc::gauge("node_nfsd_server_threads", "Threads of the NFS server.", &[]);
const READ_AHEAD_SIZE: Desc =
    Desc::gauge("node_nfsd_read_ahead_cache_size_blocks", "Size of the read-ahead cache in blocks.", &[]);
const READ_AHEAD_MISSES: Desc =
    Desc::counter("node_nfsd_read_ahead_cache_not_found_total", "Reads that the read-ahead cache did not have.", &[]);
const PACKETS: Desc = Desc::counter("node_nfsd_packets_total", "Packets of the NFS server by transport.", &["proto"]);
const CONNECTIONS: Desc =
    Desc::counter("node_nfsd_connections_total", "TCP connections that the NFS server accepted.", &[]);
const RPCS: Desc = Desc::counter("node_nfsd_server_rpcs_total", "Calls that the NFS server received.", &[]);
const ERRORS: Desc = Desc::counter(
    "node_nfsd_rpc_errors_total",
    "Calls that the NFS server refused: bad format, bad credentials, client unknown.",
    &["error"],
);
const REQUESTS: Desc = Desc::counter(
    "node_nfsd_requests_total",
    "Calls to the NFS server, by procedure and version of the protocol.",
    &["method", "proto"],
);

/// The procedures; those without a name are not exported.
#[rustfmt::skip] // In the order of their numbers.
const PROCEDURES_2: [&str; 18] = [
    "", "GetAttr", "SetAttr", "Root", "Lookup", "ReadLink", "Read", "WrCache", "Write", "Create", "Remove", "Rename", "Link",
    "SymLink", "MkDir", "RmDir", "ReadDir", "FsStat",
];
#[rustfmt::skip] // In the order of their numbers.
const PROCEDURES_3: [&str; 22] = [
    "", "GetAttr", "SetAttr", "Lookup", "Access", "ReadLink", "Read", "Write", "Create", "MkDir", "SymLink", "MkNod",
    "Remove", "RmDir", "Rename", "Link", "ReadDir", "ReadDirPlus", "FsStat", "FsInfo", "PathConf", "Commit",
];
#[rustfmt::skip] // In the order of their numbers.
const OPERATIONS_4: [&str; 40] = [
    "", "", "", "Access", "Close", "Commit", "Create", "DelegPurge", "DelegReturn", "GetAttr", "GetFH", "Link", "Lock",
    "Lockt", "Locku", "Lookup", "LookupRoot", "Nverify", "Open", "OpenAttr", "OpenConfirm", "OpenDgrd", "PutFH", "", "",
    "Read", "ReadDir", "ReadLink", "Remove", "Rename", "Renew", "RestoreFH", "SaveFH", "SecInfo", "SetAttr",
    "SetClientID", "SetClientIDConfirm", "Verify", "Write", "RelLockOwner",
];

/// Of version 4 there are operations up to and with Write on kernels of long ago.
const VERSIONS: [Version; 4] = [
    Version { key: "proc2", label: "2", procedures: &PROCEDURES_2, least: Some(PROCEDURES_2.len()) },
    Version { key: "proc3", label: "3", procedures: &PROCEDURES_3, least: Some(PROCEDURES_3.len()) },
    Version { key: "proc4ops", label: "4", procedures: &OPERATIONS_4, least: Some(39) },
    Version { key: "wdeleg_getattr", label: "4", procedures: &["WdelegGetattr"], least: None },
];

struct Nfsd {
    file: KeptFile,
}

impl Collector for Nfsd {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let Some(text) = self.file.read_if_present()? else {
            return Err(CollectError::no_data("the NFS server is not loaded"));
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
        b"rc" => {
            let [hits, misses, nocache] = line.numbers("calls")?;
            page.sample(&HITS, NONE, hits);
            page.sample(&MISSES, NONE, misses);
            page.sample(&NOCACHE, NONE, nocache);
        }
        b"fh" => {
            let [stale] = line.numbers("handles")?;
            page.sample(&STALE, NONE, stale);
        }
        b"io" => {
            let [read, written] = line.numbers("bytes")?;
            page.sample(&READ, NONE, read);
            page.sample(&WRITTEN, NONE, written);
        }
        b"th" => {
            let [threads] = line.numbers("threads")?;
            page.sample(&THREADS, NONE, threads);
        }
        b"ra" => {
            let [size, _, _, _, _, _, _, _, _, _, _, misses] = line.numbers("blocks and reads")?;
            page.sample(&READ_AHEAD_SIZE, NONE, size);
            page.sample(&READ_AHEAD_MISSES, NONE, misses);
        }
        b"net" => {
            let [_, udp, tcp, connections] = line.numbers("packets and connections")?;
            page.sample(&PACKETS, &["tcp"], tcp);
            page.sample(&PACKETS, &["udp"], udp);
            page.sample(&CONNECTIONS, NONE, connections);
        }
        b"rpc" => {
            let [calls, _, format, auth, client] = line.numbers("calls")?;
            page.sample(&RPCS, NONE, calls);
            page.sample(&ERRORS, &["auth"], auth);
            page.sample(&ERRORS, &["cInt"], client);
            page.sample(&ERRORS, &["fmt"], format);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::samples_of;

    #[track_caller]
    fn check(text: &str, lines: usize, some: &[&str], problems: &[&str]) {
        let (page, found) = samples_of(&ROW, &[("proc/net/rpc/nfsd", text)], &[]);
        assert_eq!(page.lines().count(), lines, "{page}");
        for line in some {
            assert!(page.contains(&format!("{line}\n")), "{line}: {page}");
        }
        assert_eq!(found, problems);
    }

    #[test]
    fn good() {
        let text = "rc 1 2 3\nfh 4 0 0 0 0\nio 5 6\nth 8 0 0.000 0.000\nra 32 0 0 0 0 0 0 0 0 0 0 9\nnet 5 2 3 1\n\
                    rpc 18 4 1 2 3\nproc4 2 1 2\nwdeleg_getattr 15";
        check(
            text,
            17 + 17 + 21 + 35,
            &[
                "node_nfsd_reply_cache_nocache_total 3",
                "node_nfsd_server_threads 8",
                "node_nfsd_read_ahead_cache_not_found_total 9",
                "node_nfsd_rpc_errors_total{error=\"fmt\"} 1",
                "node_nfsd_rpc_errors_total{error=\"cInt\"} 3",
                "node_nfsd_requests_total{method=\"WdelegGetattr\",proto=\"4\"} 15",
            ],
            &[],
        );
    }

    #[test]
    fn procedures_by_their_number() {
        let numbers = |n: usize| (0..n).map(|n| format!(" {n}")).collect::<String>();
        check(
            &format!("proc3 22{}\n", numbers(22)),
            17 + 21 + 35 + 1,
            &[
                "node_nfsd_requests_total{method=\"GetAttr\",proto=\"3\"} 1",
                "node_nfsd_requests_total{method=\"Commit\",proto=\"3\"} 21",
            ],
            &[],
        );
        check(
            &format!("proc4ops 72{}\n", numbers(72)),
            17 + 21 + 35 + 1,
            &[
                "node_nfsd_requests_total{method=\"Access\",proto=\"4\"} 3",
                "node_nfsd_requests_total{method=\"RelLockOwner\",proto=\"4\"} 39",
            ],
            &[],
        );
        check(&format!("proc4ops 39{}\n", numbers(39)), 17 + 21 + 35 + 1, &[], &[]);
    }

    #[test]
    fn cut_short() {
        check(
            "io 5\nth",
            0,
            &[],
            &[
                "proc/net/rpc/nfsd:1: bytes: expected a whole number, found \"\"",
                "proc/net/rpc/nfsd:2: threads: expected a whole number, found \"\"",
            ],
        );
        assert_eq!(samples_of(&ROW, &[], &[]).1, ["no data: the NFS server is not loaded"]);
    }

    #[test]
    fn garbage() {
        check(
            "\u{1}\nproc9 x\nproc2 18 a\nfh -1\nio 1 2\n",
            2 + 21 + 35 + 1,
            &[],
            &[
                "proc/net/rpc/nfsd:3: calls: expected a whole number, found \"a\"",
                "proc/net/rpc/nfsd:4: handles: expected a whole number, found \"-1\"",
            ],
        );
    }
}
