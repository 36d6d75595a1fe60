//! A pipeline's inputs, codecs, filters and outputs, in `pipelines.<p>.plugins` of the node statistics.
//!
//! * Units: milliseconds, events, percent of the workers' time.
//! * Absent when: a member did not count anything yet; only `id` is always there.
//!
//! There may be ten thousand of them, each with a few of the many members that exist: the values of all stand in one
//! row, and a plugin knows which of them are its own.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::value::RawValue;

use super::leaf::{number, text};
use super::reader::{Notes, entries, items};
use super::record::{Kind, Shape, Slot, Slots, Window, shape, window_slot};

shape! {
    /// A plugin.
    pub PluginShape;
    numbers PluginNumber {
        EventsIn: Number "events.in",
        EventsOut: Number "events.out",
        EventsMillis: Number "events.duration_in_millis",
        PushMillis: Number "events.queue_push_duration_in_millis",
        DecodeIn: Number "decode.writes_in",
        DecodeOut: Number "decode.out",
        DecodeMillis: Number "decode.duration_in_millis",
        EncodeIn: Number "encode.writes_in",
        EncodeMillis: Number "encode.duration_in_millis",
        Matches: Number "matches",
        Failures: Number "failures",
        Connections: Number "current_connections",
        ConnectionsPeak: Number "peak_connections",
        DocumentsSuccesses: Number "documents.successes",
        DocumentsRetryable: Number "documents.retryable_failures",
        DocumentsNonRetryable: Number "documents.non_retryable_failures",
        DocumentsDlqRouted: Number "documents.dlq_routed",
        BulkSuccesses: Number "bulk_requests.successes",
        BulkWithErrors: Number "bulk_requests.with_errors",
        BulkFailures: Number "bulk_requests.failures",
    }
    flows PluginFlow {
        Throughput: Rate "flow.throughput",
        WorkerUtilization: Rate "flow.worker_utilization",
        MillisPerEvent: Rate "flow.worker_millis_per_event",
    }
    texts PluginText {
        Id: Text "id",
        Name: Text "name",
    }
    raw PluginRaw {
        Responses "bulk_requests.responses",
        Patterns "patterns_per_field",
        Address "address",
        SendTo "send_to",
    }
}

/// Which list a plugin stands in; the order is that of the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PluginKind {
    /// `plugins.codecs`
    Codec,
    /// `plugins.filters`
    Filter,
    /// `plugins.inputs`
    Input,
    /// `plugins.outputs`
    Output,
}

impl PluginKind {
    /// The word in the label `plugin_type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Codec => "codec",
            Self::Filter => "filter",
            Self::Input => "input",
            Self::Output => "output",
        }
    }
}

/// What a plugin has any number of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExtraKind {
    /// `bulk_requests.responses` of an output: status code, answers.
    Response,
    /// `patterns_per_field` of a filter: field, patterns.
    Pattern,
    /// `address` of an input, `send_to` of an output: name of the address, 1.
    Address,
}

/// One of any number.
#[derive(Clone, Debug)]
pub struct Extra<'a> {
    /// What it is about.
    pub kind: ExtraKind,
    /// Status code, field or address.
    pub key: Cow<'a, str>,
    /// The number beside it.
    pub value: f64,
}

/// A plugin; its numbers stand in [`Plugins`].
#[derive(Clone, Debug)]
pub struct Plugin<'a> {
    /// Chosen by the user or made up by Logstash; empty when absent.
    pub id: Cow<'a, str>,
    /// What the plugin is called, `grok`; empty when absent.
    pub name: Cow<'a, str>,
    /// A bit for each slot that has a value.
    present: u64,
    /// Where its values begin, in the order of their slots.
    values_at: u32,
    extras_at: u32,
    n_extras: u32,
    /// Which list it stands in.
    pub kind: PluginKind,
}

impl Plugin<'_> {
    /// The order of series: name, id, type.
    fn order(&self, other: &Self) -> Ordering {
        (&self.name, &self.id, self.kind).cmp(&(&other.name, &other.id, other.kind))
    }
}

/// The plugins of a pipeline, in the order of their names and ids.
#[derive(Clone, Debug, Default)]
pub struct Plugins<'a> {
    rows: Box<[Plugin<'a>]>,
    values: Box<[f64]>,
    extras: Box<[Extra<'a>]>,
}

impl<'a> Plugins<'a> {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Plugin<'a>> {
        self.rows.iter()
    }

    /// A number of `plugin`, in the unit of the API.
    pub fn number(&self, plugin: &Plugin<'_>, number: PluginNumber) -> Option<f64> {
        self.value(plugin, number.index())
    }

    /// One window of a flow of `plugin`, in the unit of the API.
    pub fn window(&self, plugin: &Plugin<'_>, flow: PluginFlow, window: Window) -> Option<f64> {
        self.value(plugin, window_slot::<PluginShape>(flow, window))
    }

    /// What `plugin` has any number of, in order.
    pub fn extras(&self, plugin: &Plugin<'_>, kind: ExtraKind) -> impl Iterator<Item = &Extra<'a>> {
        let all = self.extras.get(plugin.extras_at as usize..).unwrap_or_default().iter();
        all.take(plugin.n_extras as usize).filter(move |extra| extra.kind == kind)
    }

    fn value(&self, plugin: &Plugin<'_>, slot: usize) -> Option<f64> {
        let bit = 1_u64 << slot;
        let before = (plugin.present & (bit - 1)).count_ones();
        (plugin.present & bit != 0).then(|| self.values.get((plugin.values_at + before) as usize).copied()).flatten()
    }
}

// A slot is a bit of `present`.
const _: () = assert!(<PluginShape as Shape>::Number::COUNT + <PluginShape as Shape>::Flow::COUNT * 7 <= 64);

/// The plugins of a pipeline while they are read.
#[derive(Default)]
pub(super) struct Reading<'a> {
    rows: Vec<Plugin<'a>>,
    values: Vec<f64>,
    extras: Vec<Extra<'a>>,
    /// Kept from plugin to plugin.
    pub(super) slots: Option<Slots<'a>>,
}

impl<'a> Reading<'a> {
    pub(super) fn finish(mut self, notes: &mut Notes<'a>) -> Plugins<'a> {
        self.rows.sort_by(Plugin::order);
        notes.drop_doubles(&mut self.rows, |a, b| a.order(b).is_eq());
        Plugins { rows: self.rows.into(), values: self.values.into(), extras: self.extras.into() }
    }
}

impl<'a> Notes<'a> {
    /// Keeps the plugin that was read into `slots`.
    pub(super) fn take_plugin(&mut self, kind: PluginKind, slots: &mut Slots<'a>) {
        let (values_at, extras_at) = (self.plugins.values.len(), self.plugins.extras.len());
        let mut present = 0;
        for (slot, value) in slots.numbers.iter().enumerate().filter(|(_, value)| !value.is_nan()) {
            present |= 1 << slot;
            self.plugins.values.push(*value);
        }
        let mut extras = match kind {
            PluginKind::Output => {
                let mut extras = self.counts(ExtraKind::Response, slots.raw(PluginRaw::Responses));
                let addresses = slots.raw(PluginRaw::SendTo);
                // One address may come without a list around it.
                let addresses = match addresses {
                    Some(one) if one.get().starts_with('"') => vec![one],
                    other => items(other, self),
                };
                extras.extend(addresses.into_iter().filter_map(|raw| self.address(raw)));
                extras
            }
            PluginKind::Filter => self.counts(ExtraKind::Pattern, slots.raw(PluginRaw::Patterns)),
            PluginKind::Input => slots.raw(PluginRaw::Address).and_then(|raw| self.address(raw)).into_iter().collect(),
            PluginKind::Codec => Vec::new(),
        };
        if !extras.is_empty() {
            extras.sort_by(|a, b| (a.kind, &a.key).cmp(&(b.kind, &b.key)));
            self.drop_doubles(&mut extras, |a, b| a.kind == b.kind && a.key == b.key);
        }
        self.plugins.rows.push(Plugin {
            id: slots.text(PluginText::Id),
            name: slots.text(PluginText::Name),
            present,
            values_at: values_at as u32,
            extras_at: extras_at as u32,
            n_extras: extras.len() as u32,
            kind,
        });
        self.plugins.extras.append(&mut extras);
    }

    fn counts(&mut self, kind: ExtraKind, raw: Option<&'a RawValue>) -> Vec<Extra<'a>> {
        let found = entries(raw, self).into_iter();
        found
            .filter_map(|(key, raw)| {
                let value = number(Kind::Number, raw);
                self.malformed += u32::from(value.is_none());
                Some(Extra { kind, key, value: value.filter(|value| !value.is_nan())? })
            })
            .collect()
    }

    fn address(&mut self, raw: &'a RawValue) -> Option<Extra<'a>> {
        let key = text(raw);
        self.malformed += u32::from(key.is_none());
        Some(Extra { kind: ExtraKind::Address, key: key.filter(|key| !key.is_empty())?, value: 1.0 })
    }
}
