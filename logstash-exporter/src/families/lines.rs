//! Series of one row: the labels of the row, and those that say which Logstash, in one order.

use common::exposition::FamilyOut;

use crate::api::Window;

const WHICH: [&str; 2] = ["hostname", "instance_name"];

/// The most labels a series has, with those that say which Logstash.
const MOST: usize = 10;

/// Takes the series of one row.
pub(super) struct Lines<'o, 's, 'i> {
    keys: Vec<&'static str>,
    /// For each key the place of its value: the row's own first, then those of [`WHICH`].
    places: Vec<usize>,
    n_own: usize,
    which: [&'i str; 2],
    out: &'o mut FamilyOut<'s>,
}

impl<'o, 's, 'i> Lines<'o, 's, 'i> {
    pub(super) fn new(labels: &'static [&'static str], says_which: bool, out: &'o mut FamilyOut<'s>) -> Self {
        let more: &[&str] = if says_which { &WHICH } else { &[] };
        let mut keys: Vec<(&str, usize)> = labels.iter().chain(more).copied().zip(0..MOST).collect();
        keys.sort_unstable();
        let (keys, places) = keys.into_iter().unzip();
        Self { keys, places, n_own: labels.len(), which: [""; 2], out }
    }

    /// The next series are of this Logstash.
    pub(super) fn of(&mut self, hostname: &'i str, instance_name: &'i str) {
        self.which = [hostname, instance_name];
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
