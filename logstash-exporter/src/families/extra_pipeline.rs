//! What neither Go exporter shows of the pipelines.

use super::Row;
use super::Set::Extra;
use super::convert::{ratio, same, seconds, seconds_of_nanos};
use super::extra_node::STATUSES;
use super::source::Source::{Custom, Persisted, Pipeline, PipelineQuantiles, PipelineWindows, Setting};
use super::source::{Source, for_each_pipeline, pipelines};
use crate::api::{
    NodePipelineNumber, NodePipelineText, PipelineFlow, PipelineHealthText, PipelineNumber, PipelineText,
};

const STATES: &[&str] = &["finished", "loading", "running", "terminated", "unknown"];

/// A number of expanding and one of compressing, by direction.
macro_rules! directions {
    ($decode:expr, $encode:expr) => {
        Custom(&["direction", "pipeline"], |from, lines| {
            for (direction, number) in [("decode", $decode), ("encode", $encode)] {
                for pipeline in pipelines(from) {
                    lines.push_some(&[direction, &pipeline.id], pipeline.record.number(number));
                }
            }
        })
    };
}

pub(super) static ROWS: &[Row] = &[
    Row::gauge(
        Extra,
        "logstash_pipeline_health_status",
        "1 for what the health report says of the pipeline, 0 for what it might have said.",
        Custom(&["pipeline", "status"], |from, lines| {
            for pipeline in from.health.iter().flat_map(|health| &health.pipelines) {
                let is = pipeline.record.text(PipelineHealthText::Status);
                lines.push_states(&pipeline.id, STATUSES, is);
            }
        }),
    ),
    Row::gauge(
        Extra,
        "logstash_pipeline_state",
        "1 for what the pipeline is doing, 0 for what it might be doing.",
        Custom(&["pipeline", "state"], |from, lines| {
            for pipeline in from.health.iter().flat_map(|health| &health.pipelines) {
                let is = pipeline.record.text(PipelineHealthText::State);
                lines.push_states(&pipeline.id, STATES, is);
            }
        }),
    ),
    Row::gauge(
        Extra,
        "logstash_pipeline_health_diagnosis",
        "1 for each thing that the health report finds wrong with the pipeline.",
        Custom(&["diagnosis", "pipeline"], |from, lines| {
            for pipeline in from.health.iter().flat_map(|health| &health.pipelines) {
                for diagnosis in &pipeline.diagnosis {
                    lines.push(&[diagnosis, &pipeline.id], 1.0);
                }
            }
        }),
    ),
    Row::gauge(
        Extra,
        "logstash_pipeline_health_impact_severity",
        "How bad it is what the health report finds, from 1, the worst, to 10.",
        Custom(&["impact", "pipeline"], |from, lines| {
            for pipeline in from.health.iter().flat_map(|health| &health.pipelines) {
                for impact in &pipeline.impacts {
                    lines.push_some(&[&impact.id, &pipeline.id], impact.severity);
                }
            }
        }),
    ),
    Row::gauge(
        Extra,
        "logstash_pipeline_recoveries_recent",
        "How often the pipeline came back from a crash lately.",
        Custom(&["pipeline"], |from, lines| {
            for pipeline in from.health.iter().flat_map(|health| &health.pipelines) {
                lines.push_some(&[&pipeline.id], pipeline.recoveries);
            }
        }),
    ),
    Row::gauge(
        Extra,
        "logstash_pipeline_last_recovery_timestamp_seconds",
        "When the pipeline last came back from a crash, in seconds since 1970.",
        Custom(&["pipeline"], |from, lines| {
            for pipeline in from.health.iter().flat_map(|health| &health.pipelines) {
                lines.push_some(&[&pipeline.id], pipeline.last_recovery);
            }
        }),
    ),
    gauge(
        "logstash_pipeline_flow_input_events_per_second",
        "Events per second that came into the pipeline, over each window.",
        PipelineWindows(PipelineFlow::Input, same),
    ),
    gauge(
        "logstash_pipeline_flow_filter_events_per_second",
        "Events per second that passed the pipeline's filters, over each window.",
        PipelineWindows(PipelineFlow::Filter, same),
    ),
    gauge(
        "logstash_pipeline_flow_output_events_per_second",
        "Events per second that left the pipeline, over each window.",
        PipelineWindows(PipelineFlow::Output, same),
    ),
    gauge(
        "logstash_pipeline_flow_queue_backpressure_ratio",
        "Seconds per second that the pipeline's inputs waited for room in the queue, over each window; more than 1 when several wait.",
        PipelineWindows(PipelineFlow::Backpressure, same),
    ),
    gauge(
        "logstash_pipeline_flow_worker_concurrency",
        "The pipeline's workers that were busy on average, over each window.",
        PipelineWindows(PipelineFlow::Concurrency, same),
    ),
    gauge(
        "logstash_pipeline_flow_worker_utilization_ratio",
        "Share of the workers' time that was used, over each window.",
        PipelineWindows(PipelineFlow::Utilization, ratio),
    ),
    gauge(
        "logstash_pipeline_queue_growth_bytes_per_second",
        "How fast the persisted queue grows, over each window; negative when it shrinks.",
        PipelineWindows(PipelineFlow::GrowthBytes, same),
    ),
    gauge(
        "logstash_pipeline_queue_growth_events_per_second",
        "How many events per second the persisted queue gains, over each window; negative when it shrinks.",
        PipelineWindows(PipelineFlow::GrowthEvents, same),
    ),
    Row::gauge(
        Extra,
        "logstash_pipeline_info",
        "The pipeline's configuration: hash changes with its text, ephemeral_id whenever it is loaded.",
        Custom(&["ephemeral_id", "hash", "pipeline", "queue_type"], |from, lines| {
            for pipeline in pipelines(from) {
                let [id, hash, queue_type] = [PipelineText::EphemeralId, PipelineText::Hash, PipelineText::QueueType]
                    .map(|text| pipeline.record.text(text));
                if [id, hash, queue_type].iter().any(|text| !text.is_empty()) {
                    lines.push(&[id, hash, &pipeline.id, queue_type], 1.0);
                }
            }
        }),
    ),
    gauge(
        "logstash_pipeline_workers",
        "Worker threads of the pipeline.",
        Setting(NodePipelineNumber::Workers, Some(PipelineNumber::Workers), same),
    ),
    gauge(
        "logstash_pipeline_batch_size_events",
        "Most events that the pipeline's workers take at a time.",
        Setting(NodePipelineNumber::BatchSize, Some(PipelineNumber::BatchSize), same),
    ),
    gauge(
        "logstash_pipeline_batch_delay_seconds",
        "How long a batch of the pipeline waits for more events.",
        Setting(NodePipelineNumber::BatchDelayMillis, Some(PipelineNumber::BatchDelayMillis), seconds),
    ),
    gauge(
        "logstash_pipeline_config_reload_automatic",
        "Whether the pipeline is loaded anew when its configuration changes.",
        Setting(NodePipelineNumber::ReloadAutomatic, None, same),
    ),
    gauge(
        "logstash_pipeline_config_reload_interval_seconds",
        "How often Logstash looks for a change of the pipeline's configuration.",
        Setting(NodePipelineNumber::ReloadIntervalNanos, None, seconds_of_nanos),
    ),
    gauge(
        "logstash_pipeline_dead_letter_queue_enabled",
        "Whether the pipeline has a dead letter queue.",
        Setting(NodePipelineNumber::DlqEnabled, None, same),
    ),
    gauge(
        "logstash_pipeline_reloads_last_success_timestamp_seconds",
        "When the pipeline was last loaded anew, in seconds since 1970.",
        Pipeline(PipelineNumber::LastSuccess, same),
    ),
    gauge(
        "logstash_pipeline_reloads_last_failure_timestamp_seconds",
        "When loading the pipeline last failed, in seconds since 1970.",
        Pipeline(PipelineNumber::LastFailure, same),
    ),
    gauge(
        "logstash_pipeline_reloads_last_error",
        "Whether Logstash keeps an error of the pipeline's last loading.",
        Pipeline(PipelineNumber::LastError, same),
    ),
    gauge(
        "logstash_pipeline_queue_events",
        "Events in the persisted queue.",
        Persisted(PipelineNumber::QueueEventsCount),
    ),
    gauge("logstash_pipeline_queue_size_bytes", "Size of the persisted queue.", Persisted(PipelineNumber::QueueBytes)),
    gauge(
        "logstash_pipeline_queue_max_size_bytes",
        "Size that the persisted queue may grow to.",
        Persisted(PipelineNumber::QueueMaxBytes),
    ),
    gauge(
        "logstash_pipeline_queue_max_unread_events",
        "Events that the persisted queue may hold; 0 without limit.",
        Persisted(PipelineNumber::MaxUnreadEvents),
    ),
    gauge(
        "logstash_pipeline_queue_page_capacity_bytes",
        "Size of a page of the persisted queue.",
        Persisted(PipelineNumber::PageBytes),
    ),
    gauge(
        "logstash_pipeline_queue_filesystem_free_bytes",
        "Room on the file system of the persisted queue, with what is reserved for root.",
        Persisted(PipelineNumber::FreeBytes),
    ),
    Row::gauge(
        Extra,
        "logstash_pipeline_queue_data_info",
        "Where the persisted queue is kept, and on what type of file system.",
        Custom(&["path", "pipeline", "storage_type"], |from, lines| {
            for pipeline in pipelines(from) {
                let [path, storage] =
                    [PipelineText::QueuePath, PipelineText::StorageType].map(|text| pipeline.record.text(text));
                if !path.is_empty() || !storage.is_empty() {
                    lines.push(&[path, &pipeline.id, storage], 1.0);
                }
            }
        }),
    ),
    Row::gauge(
        Extra,
        "logstash_pipeline_queue_compression_info",
        "What the compression of the persisted queue aims at.",
        Custom(&["goal", "pipeline"], |from, lines| {
            for pipeline in pipelines(from) {
                let goal = pipeline.record.text(PipelineText::CompressionGoal);
                if !goal.is_empty() {
                    lines.push(&[goal, &pipeline.id], 1.0);
                }
            }
        }),
    ),
    Row::gauge(
        Extra,
        "logstash_pipeline_queue_compression_ratio",
        "Bytes after over bytes before compressing or expanding an event of the persisted queue.",
        directions!(PipelineNumber::DecodeRatio, PipelineNumber::EncodeRatio),
    ),
    Row::gauge(
        Extra,
        "logstash_pipeline_queue_compression_time_ratio",
        "Share of the time that went into compressing or expanding events of the persisted queue.",
        directions!(PipelineNumber::DecodeSpend, PipelineNumber::EncodeSpend),
    ),
    gauge(
        "logstash_pipeline_dead_letter_queue_last_error",
        "Whether the dead letter queue reports an error.",
        Pipeline(PipelineNumber::DlqLastError, same),
    ),
    Row::gauge(
        Extra,
        "logstash_pipeline_dead_letter_queue_info",
        "Where the dead letter queue is kept, and what it drops when it is full.",
        Custom(&["path", "pipeline", "storage_policy"], |from, lines| {
            // With half of what it says there would be another series, under other labels, for one scrape.
            if from.node.is_none() {
                return;
            }
            for_each_pipeline(from, |id, node, stats| {
                let Some(stats) = stats else { return };
                let path = node.map_or("", |pipeline| pipeline.record.text(NodePipelineText::DlqPath));
                let policy = stats.record.text(PipelineText::StoragePolicy);
                if !path.is_empty() || !policy.is_empty() {
                    lines.push(&[path, id, policy], 1.0);
                }
            });
        }),
    ),
    gauge(
        "logstash_pipeline_batch_current_events",
        "Events in the batch that was sampled last.",
        Pipeline(PipelineNumber::BatchEvents, same),
    ),
    gauge(
        "logstash_pipeline_batch_average_events",
        "Average events per sampled batch, over each window.",
        PipelineWindows(PipelineFlow::BatchEventsAverage, same),
    ),
    gauge(
        "logstash_pipeline_batch_quantile_events",
        "Quantiles of the events per sampled batch, over each window.",
        PipelineQuantiles(PipelineFlow::BatchEventsP50, PipelineFlow::BatchEventsP90),
    ),
    gauge(
        "logstash_pipeline_batch_current_bytes",
        "Size in memory of the batch that was sampled last.",
        Pipeline(PipelineNumber::BatchBytes, same),
    ),
    gauge(
        "logstash_pipeline_batch_average_bytes",
        "Average size in memory of the sampled batches, over each window.",
        PipelineWindows(PipelineFlow::BatchBytesAverage, same),
    ),
    gauge(
        "logstash_pipeline_batch_quantile_bytes",
        "Quantiles of the size in memory of the sampled batches, over each window.",
        PipelineQuantiles(PipelineFlow::BatchBytesP50, PipelineFlow::BatchBytesP90),
    ),
    gauge(
        "logstash_pipeline_batch_max_bytes",
        "Largest size in memory of the sampled batches, over each window.",
        PipelineWindows(PipelineFlow::BatchBytesMax, same),
    ),
];

const fn gauge(name: &'static str, help: &'static str, source: Source) -> Row {
    Row::gauge(Extra, name, help, source)
}
