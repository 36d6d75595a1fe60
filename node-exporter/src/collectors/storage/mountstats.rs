//! What the NFS client counts for each mount, from `/proc/self/mountstats`.
//!
//! * Source: kernel fs/nfs/super.c (`nfs_show_stats`) and net/sunrpc/stats.c; enum `nfs_stat_eventcounters` in
//!   include/linux/nfs_iostat.h.
//! * Units: bytes, pages, calls, events; the file has milliseconds for calls, we export seconds.
//! * Absent when: nothing is mounted by NFS: no samples, no error. What a version or protocol does not count has no samples.
//! * Differs from the Go exporter: a line that is malformed or of a protocol that is not known costs its own samples, where
//!   it ends the collector; a mount is looked up in `/proc/self/mountinfo` by what it is called, not by the number of its
//!   line. As there, mounts with the same export, protocol and server are shown once.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError};
use common::exposition::{Desc, Page};

use crate::fs::KeptFile;
use crate::kernel::mountinfo;

mod text;

use text::Mount;
pub(in crate::collectors) use text::PARSER;

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::off("mountstats", "calls of the NFS client for each mount, /proc/self/mountstats", &[], |args| {
        Ok(Box::new(Mountstats {
            stats: KeptFile::of_proc(args, "self/mountstats"),
            table: KeptFile::of_proc(args, "self/mountinfo"),
            seen: HashSet::new(),
            numbers: Vec::new(),
        }))
    });

const MOUNT: &[&str] = &["export", "mountaddr", "protocol"];
const CONNECTION: &[&str] = &["export", "mountaddr", "protocol", "transport"];
const PROCEDURE: &[&str] = &["export", "mountaddr", "operation", "protocol"];

const fn of_mount(name: &'static str, help: &'static str) -> Desc<'static> {
    Desc::counter(name, help, MOUNT)
}

const fn of_connection(name: &'static str, help: &'static str) -> Desc<'static> {
    Desc::counter(name, help, CONNECTION)
}

const fn of_procedure(name: &'static str, help: &'static str) -> Desc<'static> {
    Desc::counter(name, help, PROCEDURE)
}

const POINT: Desc = Desc::gauge(
    "node_mountstats_nfs_mountpoint_info",
    "Always 1; the labels give where the export is mounted.",
    &["export", "mountaddr", "mountpoint", "protocol"],
);
const AGE: Desc = of_mount("node_mountstats_nfs_age_seconds_total", "Seconds since it was mounted.");

#[rustfmt::skip] // One number, one line: this is a table.
static BYTES: [Desc<'static>; 8] = [
    of_mount("node_mountstats_nfs_read_bytes_total", "Bytes read by read calls, without direct ones."),
    of_mount("node_mountstats_nfs_write_bytes_total", "Bytes written by write calls, without direct ones."),
    of_mount("node_mountstats_nfs_direct_read_bytes_total", "Bytes read past the cache."),
    of_mount("node_mountstats_nfs_direct_write_bytes_total", "Bytes written past the cache."),
    of_mount("node_mountstats_nfs_total_read_bytes_total", "Bytes that were read from the server."),
    of_mount("node_mountstats_nfs_total_write_bytes_total", "Bytes that were written to the server."),
    of_mount("node_mountstats_nfs_read_pages_total", "Pages read through a mapping or ahead."),
    of_mount("node_mountstats_nfs_write_pages_total", "Pages written through a mapping or later."),
];

/// The one without a family is no longer counted.
#[rustfmt::skip] // One number, one line: this is a table.
static EVENTS: [Option<Desc<'static>>; 27] = [
    Some(of_mount("node_mountstats_nfs_event_inode_revalidate_total", "Times that the attributes of a file were checked.")),
    Some(of_mount("node_mountstats_nfs_event_dnode_revalidate_total", "Times that a name was checked.")),
    Some(of_mount("node_mountstats_nfs_event_data_invalidate_total", "Times that the cached pages of a file were thrown away.")),
    Some(of_mount("node_mountstats_nfs_event_attribute_invalidate_total", "Times that the cached attributes of a file were thrown away.")),
    Some(of_mount("node_mountstats_nfs_event_vfs_open_total", "Files opened.")),
    Some(of_mount("node_mountstats_nfs_event_vfs_lookup_total", "Names looked up.")),
    Some(of_mount("node_mountstats_nfs_event_vfs_access_total", "Checks of permissions.")),
    Some(of_mount("node_mountstats_nfs_event_vfs_update_page_total", "Pages updated by a write, or by a write through a mapping.")),
    Some(of_mount("node_mountstats_nfs_event_vfs_read_page_total", "Calls to read a page.")),
    Some(of_mount("node_mountstats_nfs_event_vfs_read_pages_total", "Calls to read several pages.")),
    Some(of_mount("node_mountstats_nfs_event_vfs_write_page_total", "Calls to write a page.")),
    Some(of_mount("node_mountstats_nfs_event_vfs_write_pages_total", "Calls to write several pages.")),
    Some(of_mount("node_mountstats_nfs_event_vfs_getdents_total", "Readings of directories.")),
    Some(of_mount("node_mountstats_nfs_event_vfs_setattr_total", "Changes of attributes.")),
    Some(of_mount("node_mountstats_nfs_event_vfs_flush_total", "Flushes of a file.")),
    Some(of_mount("node_mountstats_nfs_event_vfs_fsync_total", "Calls of fsync.")),
    Some(of_mount("node_mountstats_nfs_event_vfs_lock_total", "Calls to lock or unlock.")),
    Some(of_mount("node_mountstats_nfs_event_vfs_file_release_total", "Files closed.")),
    None,
    Some(of_mount("node_mountstats_nfs_event_truncation_total", "Files that were made shorter.")),
    Some(of_mount("node_mountstats_nfs_event_write_extension_total", "Files that grew by a write past their end.")),
    Some(of_mount("node_mountstats_nfs_event_silly_rename_total", "Files renamed instead of removed, because they were open.")),
    Some(of_mount("node_mountstats_nfs_event_short_read_total", "Reads that the server answered with less than was asked for.")),
    Some(of_mount("node_mountstats_nfs_event_short_write_total", "Writes of which the server took less than it was sent.")),
    Some(of_mount("node_mountstats_nfs_event_jukebox_delay_total", "Times that the server asked to come again later.")),
    Some(of_mount("node_mountstats_nfs_event_pnfs_read_total", "Reads that went to a data server.")),
    Some(of_mount("node_mountstats_nfs_event_pnfs_write_total", "Writes that went to a data server.")),
];

/// Families of a procedure, and what their number is divided by.
#[rustfmt::skip] // One number, one line: this is a table.
static OPERATIONS: [(Desc<'static>, f64); 8] = [
    (of_procedure("node_mountstats_nfs_operations_requests_total", "Calls made."), 1.0),
    (of_procedure("node_mountstats_nfs_operations_transmissions_total", "Times that calls were sent, again or not."), 1.0),
    (of_procedure("node_mountstats_nfs_operations_major_timeouts_total", "Calls that took longer than the longest wait."), 1.0),
    (of_procedure("node_mountstats_nfs_operations_sent_bytes_total", "Bytes sent for calls."), 1.0),
    (of_procedure("node_mountstats_nfs_operations_received_bytes_total", "Bytes received in answer."), 1.0),
    (of_procedure("node_mountstats_nfs_operations_queue_time_seconds_total", "Seconds that calls waited to be sent."), MILLISECONDS),
    (of_procedure("node_mountstats_nfs_operations_response_time_seconds_total", "Seconds until the server answered."), MILLISECONDS),
    (of_procedure("node_mountstats_nfs_operations_request_time_seconds_total", "Seconds that calls took in all."), MILLISECONDS),
];

const MILLISECONDS: f64 = 1000.0;

const BINDS: Desc = of_connection("node_mountstats_nfs_transport_bind_total", "Times that a port was asked for.");
const CONNECTS: Desc = of_connection("node_mountstats_nfs_transport_connect_total", "Times that it was connected.");
const IDLE: Desc = Desc::gauge(
    "node_mountstats_nfs_transport_idle_time_seconds",
    "Seconds since anything was sent or received.",
    CONNECTION,
);
const SENDS: Desc = of_connection("node_mountstats_nfs_transport_sends_total", "Calls sent.");
const RECEIVES: Desc = of_connection("node_mountstats_nfs_transport_receives_total", "Answers received.");
const BAD_IDS: Desc =
    of_connection("node_mountstats_nfs_transport_bad_transaction_ids_total", "Answers to a call that nobody had made.");
const BACKLOG: Desc = of_connection(
    "node_mountstats_nfs_transport_backlog_queue_total",
    "Calls that waited for a slot, added up at each call.",
);
const SLOTS: Desc = Desc::gauge(
    "node_mountstats_nfs_transport_maximum_rpc_slots",
    "Most calls that were under way at the same time.",
    CONNECTION,
);
const SENDING: Desc = of_connection(
    "node_mountstats_nfs_transport_sending_queue_total",
    "Calls that waited to be sent, added up at each call.",
);
const PENDING: Desc = of_connection(
    "node_mountstats_nfs_transport_pending_queue_total",
    "Calls that waited for an answer, added up at each call.",
);

struct Mountstats {
    stats: KeptFile,
    table: KeptFile,
    /// What was shown in this scrape: mount points, and what they share.
    seen: HashSet<u64>,
    /// Labels for the connections of a mount.
    numbers: Vec<String>,
}

impl Collector for Mountstats {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let stats = self.stats.read()?;
        // Without the table there are no addresses, which are empty for some mounts as well.
        let table = cx.ok(self.table.read()).unwrap_or_default();
        let mut addresses = Addresses::of(table);
        let mut problems = Vec::new();
        self.seen.clear();
        for mount in text::mounts(stats) {
            let address = addresses.find(&mount).unwrap_or_default();
            for protocol in mount.protocols() {
                let values = [mount.export, address, protocol];
                if self.seen.insert(print_of(&(values, Some(mount.point)))) {
                    page.sample(&POINT, &[mount.export, address, mount.point, protocol], 1.0);
                }
                if self.seen.insert(print_of(&(values, None))) {
                    encode(&mount, values, &mut self.numbers, page, &mut problems);
                } else {
                    // The other connections are of the mount that was shown.
                    break;
                }
            }
        }
        for bad in problems {
            cx.fault(bad.in_file(self.stats.path()));
        }
        Ok(())
    }
}

fn print_of(labels: &([&[u8]; 3], Option<&[u8]>)) -> u64 {
    let mut hasher = DefaultHasher::new();
    labels.hash(&mut hasher);
    hasher.finish()
}

/// The addresses of servers, from the options in the table of mounts.
struct Addresses<'t> {
    table: &'t [u8],
    /// What follows the mount that was found last: the next one stands there, as both files have the same order.
    from: usize,
}

impl<'t> Addresses<'t> {
    fn of(table: &'t [u8]) -> Self {
        Self { table, from: 0 }
    }

    fn find(&mut self, mount: &Mount<'_>) -> Option<&'t [u8]> {
        let (before, after) = self.table.split_at_checked(self.from)?;
        let found = find(after, mount).map(|(options, end)| (options, self.from + end));
        let (options, end) = found.or_else(|| find(before, mount))?;
        self.from = end;
        options.split(|&b| b == b',').find_map(|option| option.strip_prefix(b"addr="))
    }
}

/// The options of the file system of a mount, and where its line ends.
fn find<'t>(table: &'t [u8], mount: &Mount<'_>) -> Option<(&'t [u8], usize)> {
    let mut end = 0;
    table.split_inclusive(|&b| b == b'\n').find_map(|line| {
        end += line.len();
        let found = mountinfo::parse(line).flatten().next()?;
        (found.point == mount.point && found.source == mount.export).then_some((found.super_options, end))
    })
}

fn encode(
    mount: &Mount<'_>,
    values @ [export, address, protocol]: [&[u8]; 3],
    labels: &mut Vec<String>,
    page: &mut Page,
    problems: &mut Vec<BadField>,
) {
    match mount.numbers::<1>("age:") {
        Some(Ok([seconds])) => page.sample(&AGE, &values, seconds),
        other => problems.extend(other.and_then(Result::err)),
    }
    match mount.numbers::<8>("bytes:") {
        Some(Ok(numbers)) => {
            for (desc, n) in BYTES.iter().zip(numbers) {
                page.sample(desc, &values, n);
            }
        }
        other => problems.extend(other.and_then(Result::err)),
    }
    match mount.numbers::<27>("events:") {
        Some(Ok(numbers)) => {
            for (desc, n) in EVENTS.iter().zip(numbers) {
                if let Some(desc) = desc {
                    page.sample(desc, &values, n);
                }
            }
        }
        other => problems.extend(other.and_then(Result::err)),
    }
    for (at, transport) in mount.transports().enumerate() {
        let transport = match transport {
            Ok(transport) => transport,
            Err(bad) => {
                problems.push(bad);
                continue;
            }
        };
        while labels.len() <= at {
            labels.push(labels.len().to_string());
        }
        let values = [export, address, protocol, labels.get(at).map_or(&b""[..], String::as_bytes)];
        page.sample(&BINDS, &values, transport.binds);
        page.sample(&CONNECTS, &values, transport.connects);
        page.sample(&IDLE, &values, transport.idle_seconds);
        page.sample(&SENDS, &values, transport.sends);
        page.sample(&RECEIVES, &values, transport.receives);
        page.sample(&BAD_IDS, &values, transport.bad_ids);
        page.sample(&BACKLOG, &values, transport.backlog);
        if let Some([slots, sending, pending]) = transport.slots {
            page.sample(&SLOTS, &values, slots);
            page.sample(&SENDING, &values, sending);
            page.sample(&PENDING, &values, pending);
        }
    }
    for operation in mount.operations() {
        match operation {
            Ok((name, numbers)) => {
                for ((desc, divisor), n) in OPERATIONS.iter().zip(numbers) {
                    page.sample(desc, &[export, address, name, protocol], n / divisor);
                }
            }
            Err(bad) => problems.push(bad),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    const TABLE: &str = "20 1 0:5 / / rw - rootfs rootfs rw\n\
        30 20 0:42 / /mnt rw - nfs4 nas:/srv rw,vers=4.2,addr=192.0.2.9,local_lock=none\n\
        31 20 0:43 / /too rw - nfs4 nas:/srv rw,addr=192.0.2.9\n";

    #[track_caller]
    fn check(stats: &str, n: usize, some: &[&str], problems: &str) {
        let tree = [("proc/self/mountstats", stats), ("proc/self/mountinfo", TABLE)];
        let samples = Rig::new(&ROW, &tree, &[]).samples();
        let (page, found) = samples.split_at(samples.find("! ").unwrap_or(samples.len()));
        assert_eq!(page.lines().count(), n, "{page}");
        for line in some {
            assert!(page.contains(&format!("{line}\n")), "{line}: {page}");
        }
        assert_eq!(found, problems);
    }

    const ADDRESS: &str = "export=\"nas:/srv\",mountaddr=\"192.0.2.9\"";

    #[test]
    fn mounts_of_one_export_are_shown_once() {
        let mount = |point: &str| {
            format!(
                "device nas:/srv mounted on {point} with fstype nfs4 statvers=1.1\n\tage:\t9\n\
                 \txprt:\ttcp 1 2 3 4 5 6 7 8 9 10 11 12 13\n\txprt:\ttcp 1 0 3 4 5 6 7 8 9 10 11 12 13\n\
                 \tper-op statistics\n\t  READ: 1 2 3 4 5 6 7 8\n\n"
            )
        };
        let text = format!("device rootfs mounted on / with fstype rootfs\n{}{}", mount("/mnt"), mount("/too"));
        let info = |point| {
            format!("node_mountstats_nfs_mountpoint_info{{{ADDRESS},mountpoint=\"{point}\",protocol=\"tcp\"}} 1")
        };
        let binds = format!("node_mountstats_nfs_transport_bind_total{{{ADDRESS},protocol=\"tcp\",transport=\"1\"}} 0");
        let name = "node_mountstats_nfs_operations_request_time_seconds_total";
        let time = format!("{name}{{{ADDRESS},operation=\"READ\",protocol=\"tcp\"}} 0.008");
        check(&text, 2 + 1 + 20 + 8, &[&info("/mnt"), &info("/too"), &binds, &time], "");
    }

    #[test]
    fn mounts_are_found_in_any_order() {
        let mount = |export: &str, point: &str| format!("device {export} mounted on {point} with fstype nfs\n");
        let text =
            [mount("nas:/srv", "/too"), mount("b:/", "/b"), mount("nas:/srv", "/mnt"), mount("nas:/srv", "/too")];
        let text = text.concat();
        let mut addresses = Addresses::of(TABLE.as_bytes());
        let found: Vec<_> = text::mounts(text.as_bytes()).map(|mount| addresses.find(&mount)).collect();
        let known = Some(&b"192.0.2.9"[..]);
        assert_eq!(found, [known, None, known, known]);
    }

    #[test]
    fn cut_short_and_garbage() {
        let text = "device nas:/else mounted on /mnt with fstype nfs\n\tage:\n\tbytes: 1 2 3\n\
                    \txprt: udp 1 2 3 4 5 6 7\n\txprt: vsock 1\n\tper-op\n\tREAD: x\n\tGETATTR: 1 1 1 1 1 1 1 1";
        let age = "node_mountstats_nfs_operations_requests_total{export=\"nas:/else\",mountaddr=\"\",operation=\"GETATTR\",protocol=\"udp\"} 1";
        let at = "proc/self/mountstats";
        let problems = format!(
            "! {at}:2: age: expected a whole number, found \"\"\n\
             ! {at}:3: bytes: expected a whole number, found \"\"\n\
             ! {at}:5: protocol: expected tcp, udp or rdma, found \"vsock\"\n\
             ! {at}:7: statistic of a procedure: expected a whole number, found \"x\"\n"
        );
        check(text, 1 + 7 + 8, &[age], &problems);
        check("", 0, &[], "");
    }

    #[test]
    fn without_the_table_there_are_no_addresses() {
        let text = "device a:/b mounted on /mnt with fstype nfs4\n\txprt: rdma 1 2 3 4 5 6 7 8 9 10 11 12 13\n";
        let samples = Rig::new(&ROW, &[("proc/self/mountstats", text)], &[]).samples();
        assert!(samples.contains("node_mountstats_nfs_transport_sends_total{export=\"a:/b\",mountaddr=\"\",protocol=\"rdma\",transport=\"0\"} 6\n"), "{samples}");
        assert!(samples.ends_with("! proc/self/mountinfo: No such file or directory (os error 2)\n"));
        let alone = Rig::new(&ROW, &[("proc/self/mountinfo", "")], &[]).samples();
        assert_eq!(alone, "! proc/self/mountstats: No such file or directory (os error 2)\n");
    }
}
