//! The names of the maintained Go exporter that are about the Logstash as a whole.

use super::Set::Default;
use super::convert::{known, same};
use super::lines::Lines;
use super::source::Source::{Custom, Labelled, Root, Stats, StatsWindow};
use super::{Instance, Row};
use crate::api::{RootNumber, RootText, StatsFlow, StatsNumber, Window};

pub(super) static ROWS: &[Row] = &[
    Row::gauge(
        Default,
        "logstash_info_up",
        "Whether the root of the API answered and could be read.",
        Custom(&[], |from, lines| {
            lines.push(&[], f64::from(from.root.is_some()));
        }),
    ),
    Row::counter(
        Default,
        "logstash_info_node",
        "Who this Logstash is; the value is always 1.",
        Custom(&["host", "http_address", "id", "name", "version"], |from, lines| {
            info(from, lines, [RootText::Host, RootText::HttpAddress, RootText::Id, RootText::Name, RootText::Version]);
        }),
    ),
    Row::counter(
        Default,
        "logstash_info_build",
        "Which build of Logstash runs; the value is always 1.",
        Custom(&["date", "sha", "snapshot"], |from, lines| {
            info(from, lines, [RootText::BuildDate, RootText::BuildSha, RootText::BuildSnapshot]);
        }),
    ),
    Row::counter(
        Default,
        "logstash_info_status",
        "What Logstash says of its own health, in the label; the value is always 1.",
        Custom(&["status"], |from, lines| info(from, lines, [RootText::Status])),
    ),
    Row::gauge(
        Default,
        "logstash_info_pipeline_workers",
        "Worker threads of a pipeline that sets no number.",
        Root(RootNumber::Workers),
    ),
    Row::gauge(
        Default,
        "logstash_info_pipeline_batch_size",
        "Events per batch of a pipeline that sets no number.",
        Root(RootNumber::BatchSize),
    ),
    Row::gauge(
        Default,
        "logstash_info_pipeline_batch_delay",
        "Milliseconds a batch waits for more events where the pipeline sets no number.",
        Root(RootNumber::BatchDelayMillis),
    ),
    stats("logstash_stats_jvm_threads_count", "Live threads of the JVM.", StatsNumber::Threads),
    stats("logstash_stats_jvm_threads_peak_count", "Most threads that were live at a time.", StatsNumber::ThreadsPeak),
    stats(
        "logstash_stats_jvm_mem_heap_used_percent",
        "Share of the heap in use, in percent.",
        StatsNumber::HeapUsedPercent,
    ),
    stats(
        "logstash_stats_jvm_mem_heap_committed_bytes",
        "Heap that the system has given to the JVM.",
        StatsNumber::HeapCommittedBytes,
    ),
    stats("logstash_stats_jvm_mem_heap_max_bytes", "Largest size the heap may grow to.", StatsNumber::HeapMaxBytes),
    stats("logstash_stats_jvm_mem_heap_used_bytes", "Heap in use.", StatsNumber::HeapUsedBytes),
    stats(
        "logstash_stats_jvm_mem_non_heap_committed_bytes",
        "Memory outside the heap that the system has given to the JVM.",
        StatsNumber::NonHeapCommittedBytes,
    ),
    pools(
        "logstash_stats_jvm_mem_pool_peak_used_bytes",
        "Most of the memory pool that was in use at a time.",
        PEAK_USED,
    ),
    pools("logstash_stats_jvm_mem_pool_used_bytes", "Memory pool in use.", USED),
    pools(
        "logstash_stats_jvm_mem_pool_peak_max_bytes",
        "Largest limit the memory pool had; -1 without limit.",
        PEAK_MAX,
    ),
    pools("logstash_stats_jvm_mem_pool_max_bytes", "Limit of the memory pool; -1 without limit.", MAX),
    pools("logstash_stats_jvm_mem_pool_committed_bytes", "Memory that the system has given to the pool.", COMMITTED),
    Row::counter(
        Default,
        "logstash_stats_jvm_gc_collection_count",
        "Garbage collections, by collector.",
        Labelled(&["pool"], COLLECTIONS),
    ),
    Row::counter(
        Default,
        "logstash_stats_jvm_gc_collection_time_millis_total",
        "Milliseconds spent on garbage collections, by collector.",
        Labelled(&["pool"], COLLECTION_MILLIS),
    ),
    stats("logstash_stats_jvm_uptime_millis", "Milliseconds since the JVM started.", StatsNumber::UptimeMillis),
    stats(
        "logstash_stats_process_open_file_descriptors",
        "Open file descriptors; -1 where the platform does not tell.",
        StatsNumber::OpenFds,
    ),
    stats(
        "logstash_stats_process_max_file_descriptors",
        "Limit of open file descriptors; -1 where the platform does not tell.",
        StatsNumber::MaxFds,
    ),
    stats(
        "logstash_stats_process_cpu_percent",
        "Load of the process on all CPUs together, in percent; -1 when unknown.",
        StatsNumber::CpuPercent,
    ),
    Row::counter(
        Default,
        "logstash_stats_process_cpu_total_millis",
        "Milliseconds of CPU time used.",
        Stats(StatsNumber::CpuMillis, known),
    ),
    stats(
        "logstash_stats_process_cpu_load_average_1m",
        "Load average of the machine over one minute.",
        StatsNumber::Load1,
    ),
    stats(
        "logstash_stats_process_cpu_load_average_5m",
        "Load average of the machine over five minutes.",
        StatsNumber::Load5,
    ),
    stats(
        "logstash_stats_process_cpu_load_average_15m",
        "Load average of the machine over fifteen minutes.",
        StatsNumber::Load15,
    ),
    stats(
        "logstash_stats_process_mem_total_virtual",
        "Virtual memory of the process in bytes.",
        StatsNumber::VirtualBytes,
    ),
    Row::counter(
        Default,
        "logstash_stats_reload_successes",
        "Pipelines that were loaded anew.",
        Stats(StatsNumber::ReloadSuccesses, same),
    ),
    Row::counter(
        Default,
        "logstash_stats_reload_failures",
        "Attempts to load a pipeline anew that failed.",
        Stats(StatsNumber::ReloadFailures, same),
    ),
    stats("logstash_stats_queue_events_count", "Events in all persisted queues.", StatsNumber::QueueEvents),
    stats("logstash_stats_events_in", "Events that came in, over all pipelines.", StatsNumber::EventsIn),
    stats(
        "logstash_stats_events_filtered",
        "Events that passed the filters, over all pipelines.",
        StatsNumber::EventsFiltered,
    ),
    stats("logstash_stats_events_out", "Events that went out, over all pipelines.", StatsNumber::EventsOut),
    stats(
        "logstash_stats_events_duration_millis",
        "Milliseconds that workers spent on events, over all pipelines.",
        StatsNumber::EventsMillis,
    ),
    stats(
        "logstash_stats_events_queue_push_duration_millis",
        "Milliseconds that inputs waited for room in a queue, over all pipelines.",
        StatsNumber::PushMillis,
    ),
    flow(
        "logstash_stats_flow_input_current",
        "Events per second that came in, of late.",
        StatsFlow::Input,
        Window::Current,
    ),
    flow(
        "logstash_stats_flow_input_lifetime",
        "Events per second that came in, since the start.",
        StatsFlow::Input,
        Window::Lifetime,
    ),
    flow(
        "logstash_stats_flow_filter_current",
        "Events per second that passed the filters, of late.",
        StatsFlow::Filter,
        Window::Current,
    ),
    flow(
        "logstash_stats_flow_filter_lifetime",
        "Events per second that passed the filters, since the start.",
        StatsFlow::Filter,
        Window::Lifetime,
    ),
    flow(
        "logstash_stats_flow_output_current",
        "Events per second that went out, of late.",
        StatsFlow::Output,
        Window::Current,
    ),
    flow(
        "logstash_stats_flow_output_lifetime",
        "Events per second that went out, since the start.",
        StatsFlow::Output,
        Window::Lifetime,
    ),
    flow(
        "logstash_stats_flow_queue_backpressure_current",
        "Seconds per second that inputs waited for room in a queue, of late.",
        StatsFlow::Backpressure,
        Window::Current,
    ),
    flow(
        "logstash_stats_flow_queue_backpressure_lifetime",
        "Seconds per second that inputs waited for room in a queue, since the start.",
        StatsFlow::Backpressure,
        Window::Lifetime,
    ),
    flow(
        "logstash_stats_flow_worker_concurrency_current",
        "Workers that were busy on average, of late.",
        StatsFlow::Concurrency,
        Window::Current,
    ),
    flow(
        "logstash_stats_flow_worker_concurrency_lifetime",
        "Workers that were busy on average, since the start.",
        StatsFlow::Concurrency,
        Window::Lifetime,
    ),
];

const fn stats(name: &'static str, help: &'static str, number: StatsNumber) -> Row {
    Row::gauge(Default, name, help, Stats(number, same))
}

const fn pools(name: &'static str, help: &'static str, numbers: Words) -> Row {
    Row::gauge(Default, name, help, Labelled(&["pool"], numbers))
}

const fn flow(name: &'static str, help: &'static str, flow: StatsFlow, window: Window) -> Row {
    Row::gauge(Default, name, help, StatsWindow(flow, window))
}

/// A word for a label, and a number.
pub(super) type Words = &'static [(&'static str, StatsNumber)];

pub(super) const USED: Words = &[
    ("old", StatsNumber::OldUsedBytes),
    ("survivor", StatsNumber::SurvivorUsedBytes),
    ("young", StatsNumber::YoungUsedBytes),
];
pub(super) const COMMITTED: Words = &[
    ("old", StatsNumber::OldCommittedBytes),
    ("survivor", StatsNumber::SurvivorCommittedBytes),
    ("young", StatsNumber::YoungCommittedBytes),
];
pub(super) const MAX: Words = &[
    ("old", StatsNumber::OldMaxBytes),
    ("survivor", StatsNumber::SurvivorMaxBytes),
    ("young", StatsNumber::YoungMaxBytes),
];
pub(super) const PEAK_USED: Words = &[
    ("old", StatsNumber::OldPeakUsedBytes),
    ("survivor", StatsNumber::SurvivorPeakUsedBytes),
    ("young", StatsNumber::YoungPeakUsedBytes),
];
pub(super) const PEAK_MAX: Words = &[
    ("old", StatsNumber::OldPeakMaxBytes),
    ("survivor", StatsNumber::SurvivorPeakMaxBytes),
    ("young", StatsNumber::YoungPeakMaxBytes),
];
pub(super) const COLLECTIONS: Words = &[("old", StatsNumber::OldCollections), ("young", StatsNumber::YoungCollections)];
pub(super) const COLLECTION_MILLIS: Words =
    &[("old", StatsNumber::OldCollectionMillis), ("young", StatsNumber::YoungCollectionMillis)];

/// A series of 1 with texts of `/` as labels, unless all of them are absent.
fn info<const N: usize>(from: &Instance<'_>, lines: &mut Lines<'_, '_, '_>, texts: [RootText; N]) {
    let Some(root) = &from.root else { return };
    let values = texts.map(|text| root.text(text));
    if values.iter().any(|value| !value.is_empty()) {
        lines.push(&values, 1.0);
    }
}
