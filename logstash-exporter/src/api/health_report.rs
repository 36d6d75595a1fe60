//! The answer to `GET /_health_report`: what Logstash thinks of itself and of each pipeline.
//!
//! * Since: 8.16; recovery logs since 9.4, the time of the report in 9.6.
//! * Units: severity from 1, the worst, to 10.
//! * Absent when: a pipeline has nothing to say: no diagnosis, no impacts.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::leaf::number;
use super::reader::{Notes, document, entries, items, record};
use super::record::{Kind, Record, shape};
use super::{BadDocument, Parsed};

shape! {
    /// The answer to `GET /_health_report`.
    pub HealthShape;
    numbers HealthNumber {
        Timestamp: Time "timestamp",
    }
    flows HealthFlow {}
    texts HealthText {
        Status: Text "status",
        PipelinesStatus: Text "indicators.pipelines.status",
    }
    raw HealthRaw {
        Pipelines "indicators.pipelines.indicators",
    }
}

shape! {
    /// A pipeline's health.
    pub PipelineHealthShape;
    numbers PipelineHealthNumber {}
    flows PipelineHealthFlow {}
    texts PipelineHealthText {
        Status: Text "status",
        State: Text "details.status.state",
    }
    raw PipelineHealthRaw {
        Diagnosis "diagnosis",
        Impacts "impacts",
        RecoveryLog "details.recovery_log",
    }
}

shape! {
    /// A diagnosis or an impact.
    FindingShape;
    numbers FindingNumber {
        Severity: Number "severity",
    }
    flows FindingFlow {}
    texts FindingText {
        Id: Text "id",
    }
}

/// What all ids of diagnoses and impacts begin with.
const PREFIX: &str = "logstash:health:pipeline:";

/// The health report.
#[derive(Clone, Debug)]
pub struct Health<'a> {
    /// The whole.
    pub record: Record<'a, HealthShape>,
    /// By id, in its order.
    pub pipelines: Vec<PipelineHealth<'a>>,
}

/// A pipeline's health.
#[derive(Clone, Debug)]
pub struct PipelineHealth<'a> {
    /// Its name in `pipelines.yml`: any text.
    pub id: Cow<'a, str>,
    /// Status and state.
    pub record: Record<'a, PipelineHealthShape>,
    /// What was found, without what all ids begin with.
    pub diagnosis: Vec<Cow<'a, str>>,
    /// What that means for the pipeline, by id.
    pub impacts: Vec<Impact<'a>>,
    /// How often it came back from a crash lately; `None` without a recovery log.
    pub recoveries: Option<f64>,
    /// When it last did, in seconds since 1970.
    pub last_recovery: Option<f64>,
}

/// What a finding means for a pipeline.
#[derive(Clone, Debug)]
pub struct Impact<'a> {
    /// Without what all ids begin with.
    pub id: Cow<'a, str>,
    /// From 1, the worst, to 10.
    pub severity: Option<f64>,
}

pub(super) fn parse(body: &[u8]) -> Result<Parsed<Health<'_>>, BadDocument> {
    let mut notes = Notes::default();
    let slots = document::<HealthShape>(body, &mut notes)?;
    let mut pipelines = Vec::new();
    for (id, raw) in entries(slots.raw(HealthRaw::Pipelines), &mut notes) {
        pipelines.extend(pipeline_health(id, raw, &mut notes));
    }
    notes.settle(&mut pipelines, |pipeline| &pipeline.id);
    Ok(notes.parsed(Health { record: slots.into_record(), pipelines }))
}

fn pipeline_health<'a>(id: Cow<'a, str>, raw: &'a RawValue, notes: &mut Notes<'a>) -> Option<PipelineHealth<'a>> {
    let slots = record::<PipelineHealthShape>(raw, notes)?;
    let mut diagnosis: Vec<_> =
        findings(slots.raw(PipelineHealthRaw::Diagnosis), notes).into_iter().map(|finding| finding.id).collect();
    notes.settle(&mut diagnosis, |id| id);
    let mut impacts = findings(slots.raw(PipelineHealthRaw::Impacts), notes);
    notes.settle(&mut impacts, |impact| &impact.id);
    let log = slots.raw(PipelineHealthRaw::RecoveryLog).filter(|raw| raw.get() != "null");
    let before = notes.malformed;
    let times = items(log, notes);
    let recoveries = (log.is_some() && notes.malformed == before).then_some(times.len() as f64);
    let mut last_recovery = None;
    for raw in times {
        match number(Kind::Time, raw) {
            Some(time) if !time.is_nan() => last_recovery = Some(last_recovery.map_or(time, |last| time.max(last))),
            Some(_) => {}
            None => notes.malformed += 1,
        }
    }
    Some(PipelineHealth { id, record: slots.into_record(), diagnosis, impacts, recoveries, last_recovery })
}

fn findings<'a>(list: Option<&'a RawValue>, notes: &mut Notes<'a>) -> Vec<Impact<'a>> {
    let mut found = Vec::new();
    for raw in items(list, notes) {
        let Some(mut slots) = record::<FindingShape>(raw, notes) else { continue };
        let id = match slots.text(FindingText::Id) {
            Cow::Borrowed(id) => Cow::Borrowed(id.strip_prefix(PREFIX).unwrap_or(id)),
            Cow::Owned(id) => Cow::Owned(id.strip_prefix(PREFIX).unwrap_or(&id).to_owned()),
        };
        let severity = slots.number(FindingNumber::Severity);
        if !id.is_empty() {
            found.push(Impact { id, severity });
        }
    }
    found
}
