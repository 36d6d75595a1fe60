//! The names of the exporter of 2018, and of a fork of it, which many dashboards still ask for.
//!
//! * Whole seconds, cut off, where the name says seconds, but for the time of garbage collections: that one counts
//!   milliseconds under its name, as it always did, because dashboards divide it themselves.
//! * Types as they were, also where the value goes up and down.
//! * Series that were a 0 for what does not exist (filters that match nothing, inputs that take no events) are absent.

use super::Row;
use super::Set::Legacy;
use super::convert::{nonzero, same, whole_seconds};
use super::default_node::{COLLECTION_MILLIS, COLLECTIONS, COMMITTED, MAX, PEAK_MAX, PEAK_USED, USED, Words};
use super::source::Counted;
use super::source::Source::{Custom, Labelled, Persisted, Pipeline, Plugins, Stats};
use crate::api::PluginKind::{self, Filter, Input, Output};
use crate::api::{NodeNumber, NodeText, PipelineNumber, PluginNumber, StatsNumber};

pub(super) static ROWS: &[Row] = &[
    Row::counter(
        Legacy,
        "logstash_info_node",
        "Who this Logstash is; the value is always 1.",
        Custom(&["version"], |from, lines| {
            let version = from.node.as_ref().map_or("", |node| node.record.text(NodeText::Version));
            if !version.is_empty() {
                lines.push(&[version], 1.0);
            }
        }),
    ),
    Row::counter(
        Legacy,
        "logstash_info_os",
        "The operating system; the value is always 1.",
        Custom(&["arch", "available_processors", "name", "version"], |from, lines| {
            let Some(node) = &from.node else { return };
            let processors = node.record.number(NodeNumber::AvailableProcessors);
            let processors = processors.map_or_else(String::new, |processors| processors.to_string());
            let [arch, name, version] =
                [NodeText::OsArch, NodeText::OsName, NodeText::OsVersion].map(|text| node.record.text(text));
            let values = [arch, &processors, name, version];
            if values.iter().any(|value| !value.is_empty()) {
                lines.push(&values, 1.0);
            }
        }),
    ),
    Row::counter(
        Legacy,
        "logstash_info_jvm",
        "The virtual machine that Logstash runs on; the value is always 1.",
        Custom(&["name", "vendor", "version"], |from, lines| {
            let Some(node) = &from.node else { return };
            let values = [NodeText::VmName, NodeText::VmVendor, NodeText::VmVersion].map(|text| node.record.text(text));
            if values.iter().any(|value| !value.is_empty()) {
                lines.push(&values, 1.0);
            }
        }),
    ),
    Row::gauge(
        Legacy,
        "logstash_node_up",
        "Whether the node statistics came and could be read.",
        Custom(&[], |from, lines| lines.push(&[], f64::from(from.stats.is_some()))),
    ),
    stats("logstash_node_jvm_threads_count", "Live threads of the JVM.", StatsNumber::Threads),
    stats("logstash_node_jvm_threads_peak_count", "Most threads that were live at a time.", StatsNumber::ThreadsPeak),
    stats("logstash_node_mem_heap_used_bytes", "Heap in use.", StatsNumber::HeapUsedBytes),
    stats(
        "logstash_node_mem_heap_committed_bytes",
        "Heap that the system has given to the JVM.",
        StatsNumber::HeapCommittedBytes,
    ),
    stats("logstash_node_mem_heap_max_bytes", "Largest size the heap may grow to.", StatsNumber::HeapMaxBytes),
    stats("logstash_node_mem_nonheap_used_bytes", "Memory outside the heap in use.", StatsNumber::NonHeapUsedBytes),
    stats(
        "logstash_node_mem_nonheap_committed_bytes",
        "Memory outside the heap that the system has given to the JVM.",
        StatsNumber::NonHeapCommittedBytes,
    ),
    pools("logstash_node_mem_pool_used_bytes", "Memory pool in use.", USED),
    pools("logstash_node_mem_pool_committed_bytes", "Memory that the system has given to the pool.", COMMITTED),
    pools("logstash_node_mem_pool_max_bytes", "Limit of the memory pool; -1 without limit.", MAX),
    pools("logstash_node_mem_pool_peak_used_bytes", "Most of the memory pool that was in use at a time.", PEAK_USED),
    pools("logstash_node_mem_pool_peak_max_bytes", "Largest limit the memory pool had; -1 without limit.", PEAK_MAX),
    Row::counter(
        Legacy,
        "logstash_node_gc_collection_duration_seconds_total",
        "Time spent on garbage collections, by collector; in milliseconds, whatever the name says.",
        Labelled(&["collector"], COLLECTION_MILLIS),
    ),
    Row::gauge(
        Legacy,
        "logstash_node_gc_collection_total",
        "Garbage collections, by collector.",
        Labelled(&["collector"], COLLECTIONS),
    ),
    stats(
        "logstash_node_process_open_filedescriptors",
        "Open file descriptors; -1 where the platform does not tell.",
        StatsNumber::OpenFds,
    ),
    stats(
        "logstash_node_process_max_filedescriptors",
        "Limit of open file descriptors; -1 where the platform does not tell.",
        StatsNumber::MaxFds,
    ),
    stats("logstash_node_process_mem_total_virtual_bytes", "Virtual memory of the process.", StatsNumber::VirtualBytes),
    Row::counter(
        Legacy,
        "logstash_node_process_cpu_total_seconds_total",
        "Whole seconds of CPU time used.",
        Stats(StatsNumber::CpuMillis, whole_seconds),
    ),
    Row::counter(
        Legacy,
        "logstash_node_pipeline_duration_seconds_total",
        "Whole seconds that the pipeline's workers spent on events.",
        Pipeline(PipelineNumber::EventsMillis, whole_seconds),
    ),
    pipeline("logstash_node_pipeline_events_in_total", "Events that came into the pipeline.", PipelineNumber::EventsIn),
    pipeline(
        "logstash_node_pipeline_events_filtered_total",
        "Events that passed the pipeline's filters.",
        PipelineNumber::EventsFiltered,
    ),
    pipeline("logstash_node_pipeline_events_out_total", "Events that left the pipeline.", PipelineNumber::EventsOut),
    Row::counter(
        Legacy,
        "logstash_node_plugin_duration_seconds_total",
        "Whole seconds that the filter spent on events.",
        Plugins(&[Counted::new(Filter, PluginNumber::EventsMillis)], whole_seconds),
    ),
    plugins(
        "logstash_node_plugin_events_in_total",
        "Events that came into the plugin.",
        &[Counted::new(Filter, PluginNumber::EventsIn), Counted::new(Output, PluginNumber::EventsIn)],
    ),
    plugins(
        "logstash_node_plugin_events_out_total",
        "Events that left the plugin.",
        &[
            Counted::new(Filter, PluginNumber::EventsOut),
            Counted::new(Input, PluginNumber::EventsOut),
            Counted::new(Output, PluginNumber::EventsOut),
        ],
    ),
    plugins(
        "logstash_node_plugin_matches_total",
        "Events that the filter's pattern fitted.",
        &[Counted::new(Filter, PluginNumber::Matches)],
    ),
    plugins(
        "logstash_node_plugin_failures_total",
        "Events that the filter failed on.",
        &[Counted::new(Filter, PluginNumber::Failures)],
    ),
    plugins(
        "logstash_node_plugin_bulk_requests_failures_total",
        "Bulk requests that failed as a whole.",
        &[output(PluginNumber::BulkFailures)],
    ),
    plugins(
        "logstash_node_plugin_bulk_requests_successes_total",
        "Bulk requests without a failed document.",
        &[output(PluginNumber::BulkSuccesses)],
    ),
    plugins(
        "logstash_node_plugin_bulk_requests_with_errors_total",
        "Bulk requests of which some documents failed.",
        &[output(PluginNumber::BulkWithErrors)],
    ),
    plugins(
        "logstash_node_plugin_documents_failures_total",
        "Documents that the output's server refused for good.",
        &[output(PluginNumber::DocumentsNonRetryable)],
    ),
    plugins(
        "logstash_node_plugin_documents_successes_total",
        "Documents that the output's server took.",
        &[output(PluginNumber::DocumentsSuccesses)],
    ),
    Row::gauge(
        Legacy,
        "logstash_node_plugin_current_connections_count",
        "Connections that the input has open.",
        Plugins(&[Counted::new(Input, PluginNumber::Connections)], same),
    ),
    Row::gauge(
        Legacy,
        "logstash_node_plugin_peak_connections_count",
        "Most connections that the input had open at a time.",
        Plugins(&[Counted::new(Input, PluginNumber::ConnectionsPeak)], same),
    ),
    queue("logstash_node_queue_events", "Events in the pipeline's persisted queue now.", PipelineNumber::QueueEvents),
    queue(
        "logstash_node_queue_page_capacity_bytes",
        "Size of a page of the pipeline's persisted queue.",
        PipelineNumber::PageBytes,
    ),
    queue(
        "logstash_node_queue_max_size_bytes",
        "Size that the pipeline's persisted queue may grow to.",
        PipelineNumber::CapacityMaxBytes,
    ),
    queue(
        "logstash_node_queue_max_unread_events",
        "Events that the pipeline's persisted queue may hold; 0 without limit.",
        PipelineNumber::MaxUnreadEvents,
    ),
    Row::gauge(
        Legacy,
        "logstash_node_dead_letter_queue_size_bytes",
        "Size of the dead letter queue, unless it is 0.",
        Pipeline(PipelineNumber::DlqBytes, nonzero),
    ),
];

const fn stats(name: &'static str, help: &'static str, number: StatsNumber) -> Row {
    Row::gauge(Legacy, name, help, Stats(number, same))
}

const fn pools(name: &'static str, help: &'static str, numbers: Words) -> Row {
    Row::gauge(Legacy, name, help, Labelled(&["pool"], numbers))
}

const fn pipeline(name: &'static str, help: &'static str, number: PipelineNumber) -> Row {
    Row::counter(Legacy, name, help, Pipeline(number, same))
}

const fn queue(name: &'static str, help: &'static str, number: PipelineNumber) -> Row {
    Row::counter(Legacy, name, help, Persisted(number))
}

const fn plugins(name: &'static str, help: &'static str, counted: &'static [Counted]) -> Row {
    Row::counter(Legacy, name, help, Plugins(counted, same))
}

const fn output(number: PluginNumber) -> Counted {
    Counted::new(PluginKind::Output, number)
}
