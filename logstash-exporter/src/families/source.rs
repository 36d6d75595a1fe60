//! Where the series of a row come from.

use std::cmp::Ordering;

use super::Instance;
use super::lines::Lines;
use crate::api::{
    NodeNumber, NodePipeline, NodePipelineNumber, Pipeline, PipelineFlow, PipelineNumber, PipelineText, Plugin,
    PluginFlow, PluginKind, PluginNumber, RootNumber, StatsFlow, StatsNumber, Window,
};

/// From the unit of the API to that of the family, or to nothing.
pub(super) type Convert = fn(f64) -> Option<f64>;

/// Writes what no other source describes.
pub(super) type Custom = fn(&Instance<'_>, &mut Lines<'_, '_, '_>);

/// A number of some plugins, under a word for the label `plugin_type`: their own kind where there is none.
pub(super) struct Counted {
    kind: PluginKind,
    word: Option<&'static str>,
    number: PluginNumber,
}

impl Counted {
    pub(super) const fn new(kind: PluginKind, number: PluginNumber) -> Self {
        Self { kind, word: None, number }
    }

    pub(super) const fn codec(word: &'static str, number: PluginNumber) -> Self {
        Self { kind: PluginKind::Codec, word: Some(word), number }
    }
}

/// Where the series of a row come from. Each has the labels that [`Source::labels`] gives.
pub(super) enum Source {
    /// A number of `/`.
    Root(RootNumber),
    /// A number of `/_node`.
    Node(NodeNumber, Convert),
    /// A number of the statistics.
    Stats(StatsNumber, Convert),
    /// A label with a word for each of some numbers of the statistics; words in byte order.
    Labelled(&'static [&'static str; 1], &'static [(&'static str, StatsNumber)]),
    /// One window of a flow of the node.
    StatsWindow(StatsFlow, Window),
    /// All windows of a flow of the node.
    StatsWindows(StatsFlow),
    /// A number of each pipeline.
    Pipeline(PipelineNumber, Convert),
    /// A number of each pipeline whose queue is not in memory, where the figures are always 0.
    Persisted(PipelineNumber),
    /// One window of a flow of each pipeline.
    PipelineWindow(PipelineFlow, Window),
    /// All windows of a flow of each pipeline.
    PipelineWindows(PipelineFlow, Convert),
    /// All windows of the median and of the 90th percentile.
    PipelineQuantiles(PipelineFlow, PipelineFlow),
    /// A setting of each pipeline, from `/_node`, or else from the statistics.
    Setting(NodePipelineNumber, Option<PipelineNumber>, Convert),
    /// Numbers of plugins, with the type of the plugin.
    Plugins(&'static [Counted], Convert),
    /// A number of plugins of one kind, which their type is no label of.
    PluginsOf(PluginKind, PluginNumber),
    /// Numbers of output plugins, with a word for each; words in byte order.
    Results(&'static [(&'static str, PluginNumber)]),
    /// All windows of a flow of each plugin.
    PluginWindows(PluginFlow, Convert),
    /// Anything else, with these labels.
    Custom(&'static [&'static str], Custom),
}

impl Source {
    /// Sorted; without those that say which Logstash.
    pub(super) const fn labels(&self) -> &'static [&'static str] {
        match self {
            Self::Root(_) | Self::Node(..) | Self::Stats(..) | Self::StatsWindow(..) => &[],
            Self::Labelled(label, _) => *label,
            Self::StatsWindows(_) => &["window"],
            Self::Pipeline(..) | Self::Persisted(_) | Self::PipelineWindow(..) | Self::Setting(..) => &["pipeline"],
            Self::PipelineWindows(..) => &["pipeline", "window"],
            Self::PipelineQuantiles(..) => &["pipeline", "quantile", "window"],
            Self::Plugins(..) => &["pipeline", "plugin", "plugin_id", "plugin_type"],
            Self::PluginsOf(..) => &["pipeline", "plugin", "plugin_id"],
            Self::Results(_) => &["pipeline", "plugin", "plugin_id", "result"],
            Self::PluginWindows(..) => &["pipeline", "plugin", "plugin_id", "plugin_type", "window"],
            Self::Custom(labels, _) => labels,
        }
    }

    pub(super) fn write(&self, from: &Instance<'_>, lines: &mut Lines<'_, '_, '_>) {
        let stats = from.stats.as_ref().map(|stats| &stats.record);
        match self {
            Self::Root(number) => lines.push_some(&[], from.root.as_ref().and_then(|root| root.number(*number))),
            Self::Node(number, convert) => {
                lines.push_some(&[], from.node.as_ref().and_then(|node| node.record.number(*number)).and_then(convert));
            }
            Self::Stats(number, convert) => {
                lines.push_some(&[], stats.and_then(|stats| stats.number(*number)).and_then(convert));
            }
            Self::Labelled(_, numbers) => {
                for (word, number) in *numbers {
                    lines.push_some(&[word], stats.and_then(|stats| stats.number(*number)));
                }
            }
            Self::StatsWindow(flow, window) => {
                lines.push_some(&[], stats.and_then(|stats| stats.window(*flow, *window)));
            }
            Self::StatsWindows(flow) => {
                lines.push_windows(&[], |window| stats.and_then(|stats| stats.window(*flow, window)));
            }
            Self::Pipeline(number, convert) => {
                for pipeline in pipelines(from) {
                    lines.push_some(&[&pipeline.id], pipeline.record.number(*number).and_then(convert));
                }
            }
            Self::Persisted(number) => {
                for pipeline in pipelines(from).iter().filter(|pipeline| is_persisted(pipeline)) {
                    lines.push_some(&[&pipeline.id], pipeline.record.number(*number));
                }
            }
            Self::PipelineWindow(flow, window) => {
                for pipeline in pipelines(from) {
                    lines.push_some(&[&pipeline.id], pipeline.record.window(*flow, *window));
                }
            }
            Self::PipelineWindows(flow, convert) => {
                for pipeline in pipelines(from) {
                    lines.push_windows(&[&pipeline.id], |window| {
                        pipeline.record.window(*flow, window).and_then(convert)
                    });
                }
            }
            Self::PipelineQuantiles(median, ninety) => {
                for pipeline in pipelines(from) {
                    for (quantile, flow) in [("0.5", median), ("0.9", ninety)] {
                        lines.push_windows(&[&pipeline.id, quantile], |window| pipeline.record.window(*flow, window));
                    }
                }
            }
            Self::Setting(in_node, in_stats, convert) => {
                for_each_pipeline(from, |id, node, stats| {
                    let of_node = node.and_then(|pipeline| pipeline.record.number(*in_node));
                    let of_stats = || in_stats.and_then(|number| stats?.record.number(number));
                    lines.push_some(&[id], of_node.or_else(of_stats).and_then(convert));
                });
            }
            Self::Plugins(counted, convert) => lines.plugins(from, |pipeline, plugin, push| {
                for counted in counted.iter().filter(|counted| counted.kind == plugin.kind) {
                    let word = counted.word.unwrap_or(plugin.kind.as_str());
                    if let Some(value) = pipeline.plugins.number(plugin, counted.number).and_then(convert) {
                        push(&[("plugin_type", word)], value);
                    }
                }
            }),
            Self::PluginsOf(kind, number) => lines.plugins(from, |pipeline, plugin, push| {
                if let Some(value) = pipeline.plugins.number(plugin, *number).filter(|_| plugin.kind == *kind) {
                    push(&[], value);
                }
            }),
            Self::Results(results) => lines.plugins(from, |pipeline, plugin, push| {
                for (word, number) in results.iter().filter(|_| plugin.kind == PluginKind::Output) {
                    if let Some(value) = pipeline.plugins.number(plugin, *number) {
                        push(&[("result", word)], value);
                    }
                }
            }),
            Self::PluginWindows(flow, convert) => lines.plugins(from, |pipeline, plugin, push| {
                for window in Window::ALL {
                    if let Some(value) = pipeline.plugins.window(plugin, *flow, window).and_then(convert) {
                        push(&[("plugin_type", plugin.kind.as_str()), ("window", window.as_str())], value);
                    }
                }
            }),
            Self::Custom(_, custom) => custom(from, lines),
        }
    }
}

/// In the order of their ids.
pub(super) fn pipelines<'i, 'a>(from: &'i Instance<'a>) -> &'i [Pipeline<'a>] {
    from.stats.as_ref().map_or(&[], |stats| &stats.pipelines)
}

/// A queue in memory has figures, but they are always 0.
pub(super) fn is_persisted(pipeline: &Pipeline<'_>) -> bool {
    pipeline.record.text(PipelineText::QueueType) != "memory"
}

/// Pipeline by pipeline, each in the order of its plugins' names and ids.
pub(super) fn for_each_plugin<'a>(from: &Instance<'a>, mut with: impl FnMut(&Pipeline<'a>, &Plugin<'a>)) {
    for pipeline in pipelines(from) {
        for plugin in pipeline.plugins.iter() {
            with(pipeline, plugin);
        }
    }
}

/// Every pipeline that `/_node` or the statistics know, in the order of the ids: one that never started is missing in the
/// first, and either answer may be.
pub(super) fn for_each_pipeline<'a>(
    from: &Instance<'a>,
    mut with: impl FnMut(&str, Option<&NodePipeline<'a>>, Option<&Pipeline<'a>>),
) {
    let mut of_node = from.node.as_ref().map_or(&[][..], |node| &node.pipelines).iter().peekable();
    let mut of_stats = pipelines(from).iter().peekable();
    loop {
        let order = match (of_node.peek(), of_stats.peek()) {
            (Some(node), Some(stats)) => node.id.cmp(&stats.id),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return,
        };
        let node = if order.is_le() { of_node.next() } else { None };
        let stats = if order.is_ge() { of_stats.next() } else { None };
        let id = node.map(|node| &node.id).or(stats.map(|stats| &stats.id));
        with(id.map_or("", |id| id), node, stats);
    }
}
