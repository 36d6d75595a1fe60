//! Series of one row: the labels of the row, and those that say which Logstash, in one order.

use common::exposition::{FamilyOut, push_label};

use super::Instance;
use super::source::pipelines;
use crate::api::{Pipeline, Plugin, Window};

const WHICH: [&str; 2] = ["hostname", "instance_name"];

/// The most labels a series has, with those that say which Logstash.
const MOST: usize = 10;

/// The labels `pipeline`, `plugin` and `plugin_id` of each plugin of an instance as text, made once: dozens of rows begin
/// their lines with them.
#[derive(Debug, Default)]
pub(super) struct PluginTexts {
    text: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl PluginTexts {
    pub(super) fn of(from: &Instance<'_>) -> Self {
        let (mut text, mut ends, mut one) = (Vec::new(), Vec::new(), Vec::new());
        for pipeline in pipelines(from) {
            for plugin in pipeline.plugins.iter() {
                one.clear();
                push_label(&mut one, "pipeline", &pipeline.id);
                push_label(&mut one, "plugin", &plugin.name);
                push_label(&mut one, "plugin_id", &plugin.id);
                text.extend_from_slice(&one);
                ends.push(text.len());
            }
        }
        text.shrink_to_fit();
        Self { text, ends }
    }

    /// Each plugin of the instance with its text, in the order of the labels.
    fn each<'t, 'p, 'a>(
        &'t self,
        from: &'p Instance<'a>,
    ) -> impl Iterator<Item = (&'t [u8], &'p Pipeline<'a>, &'p Plugin<'a>)> {
        let plugins = pipelines(from).iter().flat_map(|pipeline| pipeline.plugins.iter().map(move |p| (pipeline, p)));
        let mut start = 0;
        self.ends.iter().zip(plugins).map(move |(end, (pipeline, plugin))| {
            let text = self.text.get(start..*end).unwrap_or_default();
            start = *end;
            (text, pipeline, plugin)
        })
    }
}

/// Takes the series of one row.
pub(super) struct Lines<'o, 's, 'i> {
    keys: Vec<&'static str>,
    /// For each key the place of its value: the row's own first, then those of [`WHICH`].
    places: Vec<usize>,
    n_own: usize,
    which: [&'i str; 2],
    /// The labels that say which Logstash as text, with a comma behind them; empty when they are not shown.
    which_text: Vec<u8>,
    plugins: &'i PluginTexts,
    out: &'o mut FamilyOut<'s>,
}

impl<'o, 's, 'i> Lines<'o, 's, 'i> {
    pub(super) fn new(
        labels: &'static [&'static str],
        says_which: bool,
        plugins: &'i PluginTexts,
        out: &'o mut FamilyOut<'s>,
    ) -> Self {
        let more: &[&str] = if says_which { &WHICH } else { &[] };
        let mut keys: Vec<(&str, usize)> = labels.iter().chain(more).copied().zip(0..MOST).collect();
        keys.sort_unstable();
        let (keys, places) = keys.into_iter().unzip();
        Self { keys, places, n_own: labels.len(), which: [""; 2], which_text: Vec::new(), plugins, out }
    }

    /// The next series are of this Logstash.
    pub(super) fn of(&mut self, hostname: &'i str, instance_name: &'i str, plugins: &'i PluginTexts) {
        self.which = [hostname, instance_name];
        self.plugins = plugins;
        self.which_text.clear();
        if self.keys.len() > self.n_own {
            for (key, value) in WHICH.iter().zip(self.which) {
                push_label(&mut self.which_text, key, value);
            }
            self.which_text.push(b',');
        }
    }

    /// Gives `write` each plugin with a sink for its series: more labels, sorted, which all come behind `plugin_id` and whose
    /// values need no escaping, and the number.
    pub(super) fn plugins<'a>(
        &mut self,
        from: &Instance<'a>,
        mut write: impl FnMut(&Pipeline<'a>, &Plugin<'a>, &mut dyn FnMut(&[(&str, &str)], f64)),
    ) {
        let Self { keys, which_text, plugins, out, .. } = self;
        let mut tail = Vec::new();
        for (text, pipeline, plugin) in plugins.each(from) {
            write(pipeline, plugin, &mut |more, value| {
                tail.clear();
                for (key, word) in more {
                    for piece in [b",", key.as_bytes(), b"=\"", word.as_bytes(), b"\""] {
                        tail.extend_from_slice(piece);
                    }
                }
                out.sample_of_text(keys, &[which_text, text, &tail], value);
            });
        }
    }

    /// The values of all labels, in the order of the keys; `values` follow the row's labels.
    fn all<'v>(&self, values: &[&'v str]) -> [&'v str; MOST]
    where
        'i: 'v,
    {
        let mut all = [""; MOST];
        for (slot, place) in all.iter_mut().zip(&self.places) {
            let which = place.checked_sub(self.n_own).and_then(|place| self.which.get(place));
            *slot = which.or_else(|| values.get(*place)).copied().unwrap_or_default();
        }
        all
    }

    /// Writes a series; `values` follow the row's labels.
    pub(super) fn push(&mut self, values: &[&str], value: f64) {
        let all = self.all(values);
        self.out.sample(&self.keys, all.get(..self.keys.len()).unwrap_or_default(), value);
    }

    /// Writes a series for each window that has a value; `values` follow the row's labels but for `window`, which has to
    /// be the last of them, and of all keys.
    pub(super) fn push_windows(&mut self, values: &[&str], value: impl Fn(Window) -> Option<f64>) {
        debug_assert_eq!(self.keys.last(), Some(&"window"));
        let mut all = self.all(values);
        let windows = Window::ALL.into_iter().filter_map(|window| Some((window.as_str(), value(window)?)));
        self.out.samples(&self.keys, all.get_mut(..self.keys.len()).unwrap_or_default(), windows);
    }

    /// Writes a series when there is a value.
    pub(super) fn push_some(&mut self, values: &[&str], value: Option<f64>) {
        if let Some(value) = value {
            self.push(values, value);
        }
    }

    /// Writes a series per word of `states` behind `first`: 1 for the one that is, whatever its case, 0 for the others;
    /// none when nothing is known.
    pub(super) fn push_states(&mut self, first: &str, states: &[&'static str], is: &str) {
        for state in states.iter().filter(|_| !is.is_empty()) {
            self.push(&[first, state], f64::from(state.eq_ignore_ascii_case(is)));
        }
    }
}
