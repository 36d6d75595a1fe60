//! The answer to `GET /_node`: settings, which change only when a pipeline is loaded anew.
//!
//! * Units: milliseconds but for `config_reload_interval`, which has nanoseconds; bytes.
//! * Absent when: a pipeline that never started has no entry; the reload settings from 9.3 on.

use std::borrow::Cow;

use super::leaf::text;
use super::reader::{Notes, document, entries, items, record};
use super::record::{Record, shape};
use super::{BadDocument, Parsed};

shape! {
    /// The answer to `GET /_node`.
    pub NodeShape;
    numbers NodeNumber {
        AvailableProcessors: Number "os.available_processors",
        StartTimeMillis: Number "jvm.start_time_in_millis",
        HeapInitBytes: Number "jvm.mem.heap_init_in_bytes",
    }
    flows NodeFlow {}
    texts NodeText {
        Version: Text "version",
        OsName: Text "os.name",
        OsArch: Text "os.arch",
        OsVersion: Text "os.version",
        JvmVersion: Text "jvm.version",
        VmVersion: Text "jvm.vm_version",
        VmVendor: Text "jvm.vm_vendor",
        VmName: Text "jvm.vm_name",
    }
    raw NodeRaw {
        Pipelines "pipelines",
        Collectors "jvm.gc_collectors",
    }
}

shape! {
    /// The settings of a pipeline.
    pub NodePipelineShape;
    numbers NodePipelineNumber {
        Workers: Number "workers",
        BatchSize: Number "batch_size",
        BatchDelayMillis: Number "batch_delay",
        ReloadAutomatic: Flag "config_reload_automatic",
        ReloadIntervalNanos: Number "config_reload_interval",
        DlqEnabled: Flag "dead_letter_queue_enabled",
    }
    flows NodePipelineFlow {}
    texts NodePipelineText {
        DlqPath: Text "dead_letter_queue_path",
    }
}

/// The answer to `GET /_node`.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    /// Machine and JVM.
    pub record: Record<'a, NodeShape>,
    /// Names of the garbage collectors, with commas between them; empty when absent.
    pub gc_collectors: Cow<'a, str>,
    /// By id, in its order.
    pub pipelines: Vec<NodePipeline<'a>>,
}

/// The settings of a pipeline.
#[derive(Clone, Debug)]
pub struct NodePipeline<'a> {
    /// Its name in `pipelines.yml`: any text.
    pub id: Cow<'a, str>,
    /// What is known of it.
    pub record: Record<'a, NodePipelineShape>,
}

pub(super) fn parse(body: &[u8]) -> Result<Parsed<Node<'_>>, BadDocument> {
    let mut notes = Notes::default();
    let slots = document::<NodeShape>(body, &mut notes)?;
    let mut names = Vec::new();
    for raw in items(slots.raw(NodeRaw::Collectors), &mut notes) {
        match text(raw) {
            Some(name) => names.push(name),
            None => notes.malformed += 1,
        }
    }
    let mut pipelines = Vec::new();
    for (id, raw) in entries(slots.raw(NodeRaw::Pipelines), &mut notes) {
        if let Some(slots) = record::<NodePipelineShape>(raw, &mut notes) {
            pipelines.push(NodePipeline { id, record: slots.into_record() });
        }
    }
    notes.settle(&mut pipelines, |pipeline| &pipeline.id);
    Ok(notes.parsed(Node { record: slots.into_record(), gc_collectors: names.join(",").into(), pipelines }))
}
