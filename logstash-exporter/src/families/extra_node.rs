//! What neither Go exporter shows of the Logstash as a whole.

use super::Row;
use super::Set::{Extra, Packages};
use super::convert::{known, ratio, same, seconds, seconds_of_micros, seconds_of_nanos};
use super::source::Source::{Custom, Labelled, Node, Stats, StatsWindows};
use crate::api::{
    DatabaseNumber, DatabaseText, HealthNumber, HealthText, NodeNumber, NodeText, RootText, StatsFlow, StatsNumber,
};

/// What Logstash may say of its health, and of a pipeline's.
pub(super) const STATUSES: &[&str] = &["green", "red", "unknown", "yellow"];

const DATABASE_STATUSES: &[&str] = &["expired", "init", "to_be_expired", "up_to_date"];

pub(super) static ROWS: &[Row] = &[
    Row::gauge(
        Extra,
        "logstash_up",
        "Whether the node statistics came and could be read.",
        Custom(&[], |from, lines| lines.push(&[], f64::from(from.stats.is_some()))),
    ),
    Row::gauge(
        Extra,
        "logstash_exporter_endpoint_up",
        "Whether the last question to this part of the API was answered and could be read.",
        Custom(&["endpoint"], |from, lines| {
            for endpoint in &from.endpoints {
                lines.push(&[endpoint.name], f64::from(endpoint.up));
            }
        }),
    ),
    Row::gauge(
        Extra,
        "logstash_exporter_endpoint_duration_seconds",
        "How long the last answer of this part of the API took.",
        Custom(&["endpoint"], |from, lines| {
            for endpoint in &from.endpoints {
                lines.push_some(&[endpoint.name], endpoint.seconds);
            }
        }),
    ),
    Row::gauge(
        Extra,
        "logstash_node_info",
        "Who this Logstash is; ephemeral_id changes with each start.",
        Custom(&["cluster_uuid", "ephemeral_id", "host", "http_address", "id", "name", "version"], |from, lines| {
            let Some(root) = &from.root else { return };
            let values = [
                RootText::ClusterUuid,
                RootText::EphemeralId,
                RootText::Host,
                RootText::HttpAddress,
                RootText::Id,
                RootText::Name,
                RootText::Version,
            ];
            let values = values.map(|text| root.text(text));
            if values.iter().any(|value| !value.is_empty()) {
                lines.push(&values, 1.0);
            }
        }),
    ),
    Row::gauge(
        Extra,
        "logstash_jvm_info",
        "The virtual machine that Logstash runs on.",
        Custom(&["gc_collectors", "version", "vm_name", "vm_vendor"], |from, lines| {
            let Some(node) = &from.node else { return };
            let [version, name, vendor] =
                [NodeText::JvmVersion, NodeText::VmName, NodeText::VmVendor].map(|text| node.record.text(text));
            let values = [&*node.gc_collectors, version, name, vendor];
            if values.iter().any(|value| !value.is_empty()) {
                lines.push(&values, 1.0);
            }
        }),
    ),
    Row::gauge(
        Extra,
        "logstash_jvm_start_time_seconds",
        "When Logstash started, in seconds since 1970.",
        Node(NodeNumber::StartTimeMillis, seconds),
    ),
    Row::gauge(
        Extra,
        "logstash_jvm_memory_non_heap_used_bytes",
        "Memory outside the heap in use.",
        Stats(StatsNumber::NonHeapUsedBytes, same),
    ),
    Row::gauge(
        Extra,
        "logstash_jvm_memory_heap_init_bytes",
        "Size that the heap starts with.",
        Node(NodeNumber::HeapInitBytes, same),
    ),
    Row::gauge(
        Extra,
        "logstash_process_open_fds_peak",
        "Most file descriptors that were open at a time.",
        Stats(StatsNumber::OpenFdsPeak, known),
    ),
    Row::gauge(
        Extra,
        "logstash_os_available_processors",
        "CPUs that the JVM may use.",
        Node(NodeNumber::AvailableProcessors, same),
    ),
    Row::gauge(
        Extra,
        "logstash_health_status",
        "1 for what the health report says of the whole and of the pipelines together, 0 for what it might have said.",
        Custom(&["indicator", "status"], |from, lines| {
            let Some(health) = &from.health else { return };
            for (indicator, text) in [("overall", HealthText::Status), ("pipelines", HealthText::PipelinesStatus)] {
                lines.push_states(indicator, STATUSES, health.record.text(text));
            }
        }),
    ),
    Row::gauge(
        Extra,
        "logstash_health_report_timestamp_seconds",
        "When the health report was made, in seconds since 1970.",
        Custom(&[], |from, lines| {
            let time = from.health.as_ref().and_then(|health| health.record.number(HealthNumber::Timestamp));
            lines.push_some(&[], time);
        }),
    ),
    Row::gauge(
        Extra,
        "logstash_flow_input_events_per_second",
        "Events per second that came in, over each window.",
        StatsWindows(StatsFlow::Input),
    ),
    Row::gauge(
        Extra,
        "logstash_flow_filter_events_per_second",
        "Events per second that passed the filters, over each window.",
        StatsWindows(StatsFlow::Filter),
    ),
    Row::gauge(
        Extra,
        "logstash_flow_output_events_per_second",
        "Events per second that went out, over each window.",
        StatsWindows(StatsFlow::Output),
    ),
    Row::gauge(
        Extra,
        "logstash_flow_queue_backpressure_ratio",
        "Seconds per second that inputs waited for room in a queue, over each window; more than 1 when several wait.",
        StatsWindows(StatsFlow::Backpressure),
    ),
    Row::gauge(
        Extra,
        "logstash_flow_worker_concurrency",
        "Workers that were busy on average, over each window.",
        StatsWindows(StatsFlow::Concurrency),
    ),
    Row::counter(
        Extra,
        "logstash_cgroup_cpu_usage_seconds_total",
        "CPU time used by the control group.",
        Stats(StatsNumber::CgroupUsageNanos, seconds_of_nanos),
    ),
    Row::gauge(
        Extra,
        "logstash_cgroup_cpu_cfs_quota_seconds",
        "CPU time that the control group may use per period; absent without limit.",
        Stats(StatsNumber::CgroupQuotaMicros, seconds_of_micros),
    ),
    Row::gauge(
        Extra,
        "logstash_cgroup_cpu_cfs_period_seconds",
        "Length of a period of the control group's quota.",
        Stats(StatsNumber::CgroupPeriodMicros, seconds_of_micros),
    ),
    Row::counter(
        Extra,
        "logstash_cgroup_cpu_periods_total",
        "Periods of the quota in which the control group ran.",
        Stats(StatsNumber::CgroupPeriods, known),
    ),
    Row::counter(
        Extra,
        "logstash_cgroup_cpu_throttled_periods_total",
        "Periods in which the control group had used up its quota.",
        Stats(StatsNumber::CgroupThrottled, known),
    ),
    Row::counter(
        Extra,
        "logstash_cgroup_cpu_throttled_seconds_total",
        "How long the control group waited for its next period.",
        Stats(StatsNumber::CgroupThrottledNanos, seconds_of_nanos),
    ),
    Row::gauge(
        Extra,
        "logstash_geoip_database_status",
        "1 for the state of the GeoIP database, 0 for the states it might be in.",
        Custom(&["database", "status"], |from, lines| {
            for database in from.stats.iter().flat_map(|stats| &stats.databases) {
                let is = database.record.text(DatabaseText::Status);
                lines.push_states(&database.name, DATABASE_STATUSES, is);
            }
        }),
    ),
    Row::gauge(
        Extra,
        "logstash_geoip_database_last_update_timestamp_seconds",
        "When the GeoIP database was updated, in seconds since 1970.",
        Custom(&["database"], |from, lines| {
            for database in from.stats.iter().flat_map(|stats| &stats.databases) {
                lines.push_some(&[&database.name], database.record.number(DatabaseNumber::LastUpdate));
            }
        }),
    ),
    Row::gauge(
        Extra,
        "logstash_geoip_database_fail_check_days",
        "For how many days the GeoIP database could not be checked.",
        Custom(&["database"], |from, lines| {
            for database in from.stats.iter().flat_map(|stats| &stats.databases) {
                lines.push_some(&[&database.name], database.record.number(DatabaseNumber::FailCheckDays));
            }
        }),
    ),
    Row::counter(
        Extra,
        "logstash_geoip_downloads_total",
        "Attempts to download a GeoIP database, by result.",
        Labelled(&["result"], &[("failures", StatsNumber::GeoipFailures), ("successes", StatsNumber::GeoipSuccesses)]),
    ),
    Row::gauge(
        Extra,
        "logstash_geoip_last_check_timestamp_seconds",
        "When Logstash last looked for newer GeoIP databases, in seconds since 1970.",
        Stats(StatsNumber::GeoipLastCheck, same),
    ),
    Row::gauge(
        Extra,
        "logstash_plugins_installed",
        "Plugins that are installed.",
        Custom(&[], |from, lines| lines.push_some(&[], from.plugins.as_ref().and_then(|plugins| plugins.total))),
    ),
    Row::gauge(
        Packages,
        "logstash_plugin_package_info",
        "A plugin that is installed, and its version.",
        Custom(&["name", "version"], |from, lines| {
            for package in from.plugins.iter().flat_map(|plugins| &plugins.packages) {
                lines.push(&[&package.name, &package.version], 1.0);
            }
        }),
    ),
    Row::gauge(
        Extra,
        "logstash_hot_threads",
        "The busiest threads, by state.",
        Custom(&["state"], |from, lines| {
            for (state, count) in from.hot_threads.iter().flat_map(|hot| &hot.states) {
                lines.push(&[state], *count);
            }
        }),
    ),
    Row::gauge(
        Extra,
        "logstash_hot_thread_cpu_ratio",
        "Share of the uptime that a busy thread was on a CPU.",
        Custom(&["thread"], |from, lines| {
            for thread in from.hot_threads.iter().flat_map(|hot| &hot.threads) {
                lines.push_some(&[&thread.name], thread.cpu_percent.and_then(ratio));
            }
        }),
    ),
];
