//! The names of the maintained Go exporter that are about pipelines and their plugins.

use std::borrow::Cow;

use super::Row;
use super::Set::Default;
use super::convert::{one, same};
use super::source::Source::{Custom, Pipeline, PipelineWindow, Plugins};
use super::source::{Counted, for_each_plugin, pipelines};
use crate::api::PluginKind::{Filter, Input, Output};
use crate::api::{ExtraKind, PipelineFlow, PipelineNumber, PluginNumber, Window};

/// HTTP knows some sixty codes; an answer with more of them is sorted in one go.
const MOST_CODES: usize = 64;

const DECODE: &str = "codec:decode";
const ENCODE: &str = "codec:encode";

pub(super) static ROWS: &[Row] = &[
    Row::gauge(
        Default,
        "logstash_stats_pipeline_up",
        "0 when the last attempt to load the pipeline failed; a crash does not show here, see logstash_pipeline_state.",
        Custom(&["pipeline"], |from, lines| {
            for pipeline in pipelines(from) {
                let time = |number| pipeline.record.number(number);
                // Without a success, any failure is newer.
                let is_up = match (time(PipelineNumber::LastFailure), time(PipelineNumber::LastSuccess)) {
                    (Some(failure), Some(success)) => failure <= success,
                    (failure, _) => failure.is_none(),
                };
                lines.push(&[&pipeline.id], f64::from(is_up));
            }
        }),
    ),
    counter("logstash_stats_pipeline_events_out", "Events that left the pipeline.", PipelineNumber::EventsOut),
    counter(
        "logstash_stats_pipeline_events_filtered",
        "Events that passed the pipeline's filters.",
        PipelineNumber::EventsFiltered,
    ),
    counter("logstash_stats_pipeline_events_in", "Events that came into the pipeline.", PipelineNumber::EventsIn),
    gauge(
        "logstash_stats_pipeline_events_duration",
        "Milliseconds that the pipeline's workers spent on events.",
        PipelineNumber::EventsMillis,
    ),
    gauge(
        "logstash_stats_pipeline_events_queue_push_duration",
        "Milliseconds that the pipeline's inputs waited for room in the queue.",
        PipelineNumber::PushMillis,
    ),
    counter(
        "logstash_stats_pipeline_reloads_successes",
        "How often the pipeline was loaded anew.",
        PipelineNumber::ReloadSuccesses,
    ),
    counter(
        "logstash_stats_pipeline_reloads_failures",
        "How often loading the pipeline failed.",
        PipelineNumber::ReloadFailures,
    ),
    Row::gauge(
        Default,
        "logstash_stats_pipeline_reloads_last_success_timestamp",
        "1 when the pipeline was ever loaded anew; the time is in logstash_pipeline_reloads_last_success_timestamp_seconds.",
        Pipeline(PipelineNumber::LastSuccess, one),
    ),
    Row::gauge(
        Default,
        "logstash_stats_pipeline_reloads_last_failure_timestamp",
        "1 when loading the pipeline ever failed; the time is in logstash_pipeline_reloads_last_failure_timestamp_seconds.",
        Pipeline(PipelineNumber::LastFailure, one),
    ),
    counter(
        "logstash_stats_pipeline_queue_events_count",
        "Events in the pipeline's queue now; always 0 for a queue in memory.",
        PipelineNumber::QueueEventsCount,
    ),
    gauge(
        "logstash_stats_pipeline_queue_events_queue_size",
        "Size of the pipeline's queue in bytes; always 0 for a queue in memory.",
        PipelineNumber::QueueBytes,
    ),
    gauge(
        "logstash_stats_pipeline_queue_max_size_in_bytes",
        "Size that the pipeline's queue may grow to; always 0 for a queue in memory.",
        PipelineNumber::QueueMaxBytes,
    ),
    flow(
        "logstash_stats_pipeline_flow_input_current",
        "Events per second that came into the pipeline, of late.",
        PipelineFlow::Input,
        Window::Current,
    ),
    flow(
        "logstash_stats_pipeline_flow_input_lifetime",
        "Events per second that came into the pipeline, since it was loaded.",
        PipelineFlow::Input,
        Window::Lifetime,
    ),
    flow(
        "logstash_stats_pipeline_flow_filter_current",
        "Events per second that passed the pipeline's filters, of late.",
        PipelineFlow::Filter,
        Window::Current,
    ),
    flow(
        "logstash_stats_pipeline_flow_filter_lifetime",
        "Events per second that passed the pipeline's filters, since it was loaded.",
        PipelineFlow::Filter,
        Window::Lifetime,
    ),
    flow(
        "logstash_stats_pipeline_flow_output_current",
        "Events per second that left the pipeline, of late.",
        PipelineFlow::Output,
        Window::Current,
    ),
    flow(
        "logstash_stats_pipeline_flow_output_lifetime",
        "Events per second that left the pipeline, since it was loaded.",
        PipelineFlow::Output,
        Window::Lifetime,
    ),
    flow(
        "logstash_stats_pipeline_flow_queue_backpressure_current",
        "Seconds per second that the pipeline's inputs waited for room in the queue, of late.",
        PipelineFlow::Backpressure,
        Window::Current,
    ),
    flow(
        "logstash_stats_pipeline_flow_queue_backpressure_lifetime",
        "Seconds per second that the pipeline's inputs waited for room in the queue, since it was loaded.",
        PipelineFlow::Backpressure,
        Window::Lifetime,
    ),
    flow(
        "logstash_stats_pipeline_flow_worker_concurrency_current",
        "The pipeline's workers that were busy on average, of late.",
        PipelineFlow::Concurrency,
        Window::Current,
    ),
    flow(
        "logstash_stats_pipeline_flow_worker_concurrency_lifetime",
        "The pipeline's workers that were busy on average, since it was loaded.",
        PipelineFlow::Concurrency,
        Window::Lifetime,
    ),
    flow(
        "logstash_stats_pipeline_flow_worker_utilization_current",
        "Share of the workers' time that was used, in percent, of late.",
        PipelineFlow::Utilization,
        Window::Current,
    ),
    flow(
        "logstash_stats_pipeline_flow_worker_utilization_lifetime",
        "Share of the workers' time that was used, in percent, since the pipeline was loaded.",
        PipelineFlow::Utilization,
        Window::Lifetime,
    ),
    gauge(
        "logstash_stats_pipeline_dead_letter_queue_max_size_in_bytes",
        "Size that the dead letter queue may grow to.",
        PipelineNumber::DlqMaxBytes,
    ),
    gauge(
        "logstash_stats_pipeline_dead_letter_queue_size_in_bytes",
        "Size of the dead letter queue.",
        PipelineNumber::DlqBytes,
    ),
    counter(
        "logstash_stats_pipeline_dead_letter_queue_dropped_events",
        "Events for which the dead letter queue had no room.",
        PipelineNumber::DlqDropped,
    ),
    counter(
        "logstash_stats_pipeline_dead_letter_queue_expired_events",
        "Events that were removed from the dead letter queue because of their age.",
        PipelineNumber::DlqExpired,
    ),
    plugins(
        "logstash_stats_pipeline_plugin_events_in",
        "Events that came into the plugin.",
        &[
            Counted::codec(DECODE, PluginNumber::DecodeIn),
            Counted::codec(ENCODE, PluginNumber::EncodeIn),
            Counted::new(Filter, PluginNumber::EventsIn),
            Counted::new(Output, PluginNumber::EventsIn),
        ],
    ),
    plugins(
        "logstash_stats_pipeline_plugin_events_out",
        "Events that left the plugin.",
        &[
            Counted::codec(DECODE, PluginNumber::DecodeOut),
            Counted::new(Filter, PluginNumber::EventsOut),
            Counted::new(Input, PluginNumber::EventsOut),
            Counted::new(Output, PluginNumber::EventsOut),
        ],
    ),
    plugins(
        "logstash_stats_pipeline_plugin_events_duration",
        "Milliseconds that the plugin spent on events.",
        &[
            Counted::codec(DECODE, PluginNumber::DecodeMillis),
            Counted::codec(ENCODE, PluginNumber::EncodeMillis),
            Counted::new(Filter, PluginNumber::EventsMillis),
            Counted::new(Output, PluginNumber::EventsMillis),
        ],
    ),
    Row::gauge(
        Default,
        "logstash_stats_pipeline_plugin_events_queue_push_duration",
        "Milliseconds that the input waited for room in the queue.",
        Plugins(&[Counted::new(Input, PluginNumber::PushMillis)], same),
    ),
    plugins(
        "logstash_stats_pipeline_plugin_documents_successes",
        "Documents that the output's server took.",
        &[Counted::new(Output, PluginNumber::DocumentsSuccesses)],
    ),
    plugins(
        "logstash_stats_pipeline_plugin_documents_non_retryable_failures",
        "Documents that the output's server refused for good.",
        &[Counted::new(Output, PluginNumber::DocumentsNonRetryable)],
    ),
    plugins(
        "logstash_stats_pipeline_plugin_bulk_requests_errors",
        "Bulk requests of which some documents failed.",
        &[Counted::new(Output, PluginNumber::BulkWithErrors)],
    ),
    Row::counter(
        Default,
        "logstash_stats_pipeline_plugin_bulk_requests_responses",
        "Answers to bulk requests, by HTTP status.",
        Custom(&["code", "pipeline", "plugin", "plugin_id", "plugin_type"], |from, lines| {
            // The code is the first label, so code by code: thousands of series need not be sorted then.
            let mut codes: Vec<Cow<'_, str>> = Vec::new();
            for_each_plugin(from, |pipeline, plugin| {
                for answer in pipeline.plugins.extras(plugin, ExtraKind::Response) {
                    if codes.len() <= MOST_CODES && !codes.contains(&answer.key) {
                        codes.push(answer.key.clone());
                    }
                }
            });
            codes.sort_unstable();
            let in_one_go = codes.len() > MOST_CODES;
            for code in codes.iter().take(if in_one_go { 1 } else { MOST_CODES }) {
                for_each_plugin(from, |pipeline, plugin| {
                    for answer in pipeline.plugins.extras(plugin, ExtraKind::Response) {
                        if in_one_go || answer.key == *code {
                            let values = [&*answer.key, &pipeline.id, &plugin.name, &plugin.id, plugin.kind.as_str()];
                            lines.push(&values, answer.value);
                        }
                    }
                });
            }
        }),
    ),
];

const fn counter(name: &'static str, help: &'static str, number: PipelineNumber) -> Row {
    Row::counter(Default, name, help, Pipeline(number, same))
}

const fn gauge(name: &'static str, help: &'static str, number: PipelineNumber) -> Row {
    Row::gauge(Default, name, help, Pipeline(number, same))
}

const fn flow(name: &'static str, help: &'static str, flow: PipelineFlow, window: Window) -> Row {
    Row::gauge(Default, name, help, PipelineWindow(flow, window))
}

const fn plugins(name: &'static str, help: &'static str, counted: &'static [Counted]) -> Row {
    Row::counter(Default, name, help, Plugins(counted, same))
}
