//! What neither Go exporter shows of the plugins.

use super::Row;
use super::Set::Extra;
use super::convert::{ratio, same, seconds};
use super::source::Source::{Custom, PluginWindows, PluginsOf, Results};
use super::source::for_each_plugin;
use crate::api::{ExtraKind, PluginFlow, PluginKind, PluginNumber};

pub(super) static ROWS: &[Row] = &[
    Row::gauge(
        Extra,
        "logstash_plugin_flow_throughput_events_per_second",
        "Events per second that the input brought, over each window.",
        PluginWindows(PluginFlow::Throughput, same),
    ),
    Row::gauge(
        Extra,
        "logstash_plugin_flow_worker_utilization_ratio",
        "Share of the pipeline's worker time that the plugin used, over each window.",
        PluginWindows(PluginFlow::WorkerUtilization, ratio),
    ),
    Row::gauge(
        Extra,
        "logstash_plugin_flow_worker_seconds_per_event",
        "Worker time that the plugin spent on an event, over each window; +Inf when it worked and no event came out.",
        PluginWindows(PluginFlow::MillisPerEvent, seconds),
    ),
    Row::counter(
        Extra,
        "logstash_plugin_documents_total",
        "Documents that the output sent, by what became of them.",
        Results(&[
            ("dlq_routed", PluginNumber::DocumentsDlqRouted),
            ("non_retryable_failures", PluginNumber::DocumentsNonRetryable),
            ("retryable_failures", PluginNumber::DocumentsRetryable),
            ("successes", PluginNumber::DocumentsSuccesses),
        ]),
    ),
    Row::counter(
        Extra,
        "logstash_plugin_bulk_requests_total",
        "Bulk requests that the output sent, by what became of them.",
        Results(&[
            ("failures", PluginNumber::BulkFailures),
            ("successes", PluginNumber::BulkSuccesses),
            ("with_errors", PluginNumber::BulkWithErrors),
        ]),
    ),
    Row::counter(
        Extra,
        "logstash_plugin_filter_matches_total",
        "Events that the filter's pattern fitted.",
        PluginsOf(PluginKind::Filter, PluginNumber::Matches),
    ),
    Row::counter(
        Extra,
        "logstash_plugin_filter_failures_total",
        "Events that the filter failed on.",
        PluginsOf(PluginKind::Filter, PluginNumber::Failures),
    ),
    Row::gauge(
        Extra,
        "logstash_plugin_patterns",
        "Patterns that the filter tries on a field.",
        Custom(&["field", "pipeline", "plugin", "plugin_id"], |from, lines| {
            for_each_plugin(from, |pipeline, plugin| {
                for field in pipeline.plugins.extras(plugin, ExtraKind::Pattern) {
                    lines.push(&[&field.key, &pipeline.id, &plugin.name, &plugin.id], field.value);
                }
            });
        }),
    ),
    Row::gauge(
        Extra,
        "logstash_plugin_connections",
        "Connections that the input has open.",
        PluginsOf(PluginKind::Input, PluginNumber::Connections),
    ),
    Row::gauge(
        Extra,
        "logstash_plugin_connections_peak",
        "Most connections that the input had open at a time.",
        PluginsOf(PluginKind::Input, PluginNumber::ConnectionsPeak),
    ),
    Row::gauge(
        Extra,
        "logstash_plugin_pipeline_address_info",
        "An address by which pipelines hand events to each other, and which end of it the plugin is.",
        Custom(&["address", "direction", "pipeline", "plugin", "plugin_id"], |from, lines| {
            for_each_plugin(from, |pipeline, plugin| {
                for address in pipeline.plugins.extras(plugin, ExtraKind::Address) {
                    let values = [&*address.key, plugin.kind.as_str(), &pipeline.id, &plugin.name, &plugin.id];
                    lines.push(&values, 1.0);
                }
            });
        }),
    ),
];
