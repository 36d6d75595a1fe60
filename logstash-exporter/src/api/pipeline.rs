//! A pipeline, in `pipelines.<p>` of the node statistics.
//!
//! * Units: milliseconds, events, bytes, percent of the workers' time.
//! * Absent when: `flow` before 8.5, its windows until there is history; `batch` before 9.2; `dead_letter_queue` where it
//!   is off; `events`, `flow` and the flat figures of `queue` when the pipeline does not run.

use std::borrow::Cow;

use super::plugin::{PluginKind, Plugins};
use super::record::{Place, Record, Slots, shape};

shape! {
    /// A pipeline.
    pub PipelineShape;
    numbers PipelineNumber {
        EventsIn: Number "events.in",
        EventsFiltered: Number "events.filtered",
        EventsOut: Number "events.out",
        EventsMillis: Number "events.duration_in_millis",
        PushMillis: Number "events.queue_push_duration_in_millis",
        ReloadSuccesses: Number "reloads.successes",
        ReloadFailures: Number "reloads.failures",
        LastSuccess: Time "reloads.last_success_timestamp",
        LastFailure: Time "reloads.last_failure_timestamp",
        LastError: Fault "reloads.last_error",
        QueueEventsCount: Number "queue.events_count",
        QueueBytes: Number "queue.queue_size_in_bytes",
        QueueMaxBytes: Number "queue.max_queue_size_in_bytes",
        QueueEvents: Number "queue.events",
        PageBytes: Number "queue.capacity.page_capacity_in_bytes",
        CapacityMaxBytes: Number "queue.capacity.max_queue_size_in_bytes",
        MaxUnreadEvents: Number "queue.capacity.max_unread_events",
        FreeBytes: Number "queue.data.free_space_in_bytes",
        DecodeRatio: Rate "queue.compression.decode.ratio.lifetime",
        DecodeSpend: Rate "queue.compression.decode.spend.lifetime",
        EncodeRatio: Rate "queue.compression.encode.ratio.lifetime",
        EncodeSpend: Rate "queue.compression.encode.spend.lifetime",
        DlqBytes: Number "dead_letter_queue.queue_size_in_bytes",
        DlqMaxBytes: Number "dead_letter_queue.max_queue_size_in_bytes",
        DlqDropped: Number "dead_letter_queue.dropped_events",
        DlqExpired: Number "dead_letter_queue.expired_events",
        DlqLastError: FaultText "dead_letter_queue.last_error",
        Workers: Number "pipeline.workers",
        BatchSize: Number "pipeline.batch_size",
        BatchDelayMillis: Number "pipeline.batch_delay",
        BatchEvents: Number "batch.event_count.current",
        BatchBytes: Number "batch.byte_size.current",
    }
    flows PipelineFlow {
        Input: Rate "flow.input_throughput",
        Filter: Rate "flow.filter_throughput",
        Output: Rate "flow.output_throughput",
        Backpressure: Rate "flow.queue_backpressure",
        Concurrency: Rate "flow.worker_concurrency",
        Utilization: Rate "flow.worker_utilization",
        GrowthBytes: Rate "flow.queue_persisted_growth_bytes",
        GrowthEvents: Rate "flow.queue_persisted_growth_events",
        BatchEventsAverage: Rate "batch.event_count.average",
        BatchEventsP50: Rate "batch.event_count.p50",
        BatchEventsP90: Rate "batch.event_count.p90",
        BatchBytesAverage: Rate "batch.byte_size.average",
        BatchBytesP50: Rate "batch.byte_size.p50",
        BatchBytesP90: Rate "batch.byte_size.p90",
        BatchBytesMax: Rate "batch.byte_size.max",
    }
    texts PipelineText {
        Hash: Text "hash",
        EphemeralId: Text "ephemeral_id",
        QueueType: Text "queue.type",
        QueuePath: Text "queue.data.path",
        StorageType: Text "queue.data.storage_type",
        CompressionGoal: Text "queue.compression.encode.goal",
        StoragePolicy: Text "dead_letter_queue.storage_policy",
    }
    lists {
        "plugins.codecs": Place::Plugins(PluginKind::Codec),
        "plugins.filters": Place::Plugins(PluginKind::Filter),
        "plugins.inputs": Place::Plugins(PluginKind::Input),
        "plugins.outputs": Place::Plugins(PluginKind::Output),
    }
}

/// A pipeline.
#[derive(Clone, Debug)]
pub struct Pipeline<'a> {
    /// Its name in `pipelines.yml`: any text.
    pub id: Cow<'a, str>,
    /// What is known of it.
    pub record: Record<'a, PipelineShape>,
    /// Its plugins.
    pub plugins: Plugins<'a>,
}

impl<'a> Pipeline<'a> {
    pub(super) fn new(id: Cow<'a, str>, slots: Slots<'a>, plugins: Plugins<'a>) -> Self {
        Self { id, record: slots.into_record(), plugins }
    }
}
