//! The answer to `GET /_node/stats`: everything that moves.
//!
//! * Units: bytes, milliseconds, percent; `usage_nanos`, `cfs_*_micros` as their names say.
//! * Absent when: `flow` before 8.5, `os.cgroup` without control groups, `geoip_download_manager` until a database was
//!   checked; a collector of garbage that Logstash does not know; load averages off Linux.
//! * What is unknown may be −1 (descriptors on Windows, pool sizes without limit, cgroup files): it is kept here.

use std::borrow::Cow;

use super::pipeline::Pipeline;
use super::reader::{Notes, document, entries, record};
use super::record::{Place, Record, shape};
use super::{BadDocument, Parsed};

shape! {
    /// The answer to `GET /_node/stats`.
    pub StatsShape;
    numbers StatsNumber {
        Threads: Number "jvm.threads.count",
        ThreadsPeak: Number "jvm.threads.peak_count",
        HeapUsedPercent: Number "jvm.mem.heap_used_percent",
        HeapCommittedBytes: Number "jvm.mem.heap_committed_in_bytes",
        HeapMaxBytes: Number "jvm.mem.heap_max_in_bytes",
        HeapUsedBytes: Number "jvm.mem.heap_used_in_bytes",
        NonHeapUsedBytes: Number "jvm.mem.non_heap_used_in_bytes",
        NonHeapCommittedBytes: Number "jvm.mem.non_heap_committed_in_bytes",
        OldUsedBytes: Number "jvm.mem.pools.old.used_in_bytes",
        OldCommittedBytes: Number "jvm.mem.pools.old.committed_in_bytes",
        OldMaxBytes: Number "jvm.mem.pools.old.max_in_bytes",
        OldPeakUsedBytes: Number "jvm.mem.pools.old.peak_used_in_bytes",
        OldPeakMaxBytes: Number "jvm.mem.pools.old.peak_max_in_bytes",
        SurvivorUsedBytes: Number "jvm.mem.pools.survivor.used_in_bytes",
        SurvivorCommittedBytes: Number "jvm.mem.pools.survivor.committed_in_bytes",
        SurvivorMaxBytes: Number "jvm.mem.pools.survivor.max_in_bytes",
        SurvivorPeakUsedBytes: Number "jvm.mem.pools.survivor.peak_used_in_bytes",
        SurvivorPeakMaxBytes: Number "jvm.mem.pools.survivor.peak_max_in_bytes",
        YoungUsedBytes: Number "jvm.mem.pools.young.used_in_bytes",
        YoungCommittedBytes: Number "jvm.mem.pools.young.committed_in_bytes",
        YoungMaxBytes: Number "jvm.mem.pools.young.max_in_bytes",
        YoungPeakUsedBytes: Number "jvm.mem.pools.young.peak_used_in_bytes",
        YoungPeakMaxBytes: Number "jvm.mem.pools.young.peak_max_in_bytes",
        OldCollections: Number "jvm.gc.collectors.old.collection_count",
        OldCollectionMillis: Number "jvm.gc.collectors.old.collection_time_in_millis",
        YoungCollections: Number "jvm.gc.collectors.young.collection_count",
        YoungCollectionMillis: Number "jvm.gc.collectors.young.collection_time_in_millis",
        UptimeMillis: Number "jvm.uptime_in_millis",
        OpenFds: Number "process.open_file_descriptors",
        OpenFdsPeak: Number "process.peak_open_file_descriptors",
        MaxFds: Number "process.max_file_descriptors",
        VirtualBytes: Number "process.mem.total_virtual_in_bytes",
        CpuMillis: Number "process.cpu.total_in_millis",
        CpuPercent: Number "process.cpu.percent",
        Load1: Number "process.cpu.load_average.1m",
        Load5: Number "process.cpu.load_average.5m",
        Load15: Number "process.cpu.load_average.15m",
        EventsIn: Number "events.in",
        EventsFiltered: Number "events.filtered",
        EventsOut: Number "events.out",
        EventsMillis: Number "events.duration_in_millis",
        PushMillis: Number "events.queue_push_duration_in_millis",
        ReloadSuccesses: Number "reloads.successes",
        ReloadFailures: Number "reloads.failures",
        QueueEvents: Number "queue.events_count",
        CgroupUsageNanos: Number "os.cgroup.cpuacct.usage_nanos",
        CgroupPeriodMicros: Number "os.cgroup.cpu.cfs_period_micros",
        CgroupQuotaMicros: Number "os.cgroup.cpu.cfs_quota_micros",
        CgroupPeriods: Number "os.cgroup.cpu.stat.number_of_elapsed_periods",
        CgroupThrottled: Number "os.cgroup.cpu.stat.number_of_times_throttled",
        CgroupThrottledNanos: Number "os.cgroup.cpu.stat.time_throttled_nanos",
        GeoipSuccesses: Number "geoip_download_manager.download_stats.successes",
        GeoipFailures: Number "geoip_download_manager.download_stats.failures",
        GeoipLastCheck: Time "geoip_download_manager.download_stats.last_checked_at",
    }
    flows StatsFlow {
        Input: Rate "flow.input_throughput",
        Filter: Rate "flow.filter_throughput",
        Output: Rate "flow.output_throughput",
        Backpressure: Rate "flow.queue_backpressure",
        Concurrency: Rate "flow.worker_concurrency",
    }
    texts StatsText {}
    raw StatsRaw {
        Databases "geoip_download_manager.database",
    }
    lists {
        "pipelines": Place::Pipelines,
    }
}

shape! {
    /// A GeoIP database.
    pub DatabaseShape;
    numbers DatabaseNumber {
        LastUpdate: Time "last_updated_at",
        FailCheckDays: Number "fail_check_in_days",
    }
    flows DatabaseFlow {}
    texts DatabaseText {
        Status: Text "status",
    }
}

/// The answer to `GET /_node/stats`.
#[derive(Clone, Debug)]
pub struct Stats<'a> {
    /// JVM, process, totals.
    pub record: Record<'a, StatsShape>,
    /// By id, in its order.
    pub pipelines: Vec<Pipeline<'a>>,
    /// By name, in its order.
    pub databases: Vec<Database<'a>>,
}

/// A GeoIP database that Logstash keeps up to date.
#[derive(Clone, Debug)]
pub struct Database<'a> {
    /// `ASN`, `City`.
    pub name: Cow<'a, str>,
    /// What is known of it.
    pub record: Record<'a, DatabaseShape>,
}

pub(super) fn parse(body: &[u8]) -> Result<Parsed<Stats<'_>>, BadDocument> {
    let mut notes = Notes::default();
    let slots = document::<StatsShape>(body, &mut notes)?;
    let mut pipelines = std::mem::take(&mut notes.pipelines);
    notes.settle(&mut pipelines, |pipeline| &pipeline.id);
    let mut databases = Vec::new();
    for (name, raw) in entries(slots.raw(StatsRaw::Databases), &mut notes) {
        if let Some(slots) = record::<DatabaseShape>(raw, &mut notes) {
            databases.push(Database { name, record: slots.into_record() });
        }
    }
    notes.settle(&mut databases, |database| &database.name);
    Ok(notes.parsed(Stats { record: slots.into_record(), pipelines, databases }))
}
