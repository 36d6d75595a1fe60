//! The answer to `GET /_node/hot_threads`: the threads that are busiest, ten unless asked for more.
//!
//! * Units: percent of the process' uptime that the thread was on a CPU.
//! * Threads of one name are one: their shares are added up.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::reader::{Notes, document, items, record};
use super::record::shape;
use super::{BadDocument, Parsed};

shape! {
    /// The answer to `GET /_node/hot_threads`.
    HotThreadsShape;
    numbers HotThreadsNumber {}
    flows HotThreadsFlow {}
    texts HotThreadsText {}
    raw HotThreadsRaw {
        Threads "hot_threads.threads",
    }
}

shape! {
    /// A thread.
    HotThreadShape;
    numbers HotThreadNumber {
        CpuPercent: Number "percent_of_cpu_time",
    }
    flows HotThreadFlow {}
    texts HotThreadText {
        Name: Text "name",
        State: Text "state",
    }
}

/// The busiest threads.
#[derive(Clone, Debug, Default)]
pub struct HotThreads<'a> {
    /// How many threads are in which state, by state.
    pub states: BTreeMap<Cow<'a, str>, f64>,
    /// By name, in its order.
    pub threads: Vec<HotThread<'a>>,
}

/// The threads of one name.
#[derive(Clone, Debug)]
pub struct HotThread<'a> {
    /// `[main]>worker0`
    pub name: Cow<'a, str>,
    /// Share of the uptime on a CPU.
    pub cpu_percent: Option<f64>,
}

pub(super) fn parse(body: &[u8]) -> Result<Parsed<HotThreads<'_>>, BadDocument> {
    let mut notes = Notes::default();
    let slots = document::<HotThreadsShape>(body, &mut notes)?;
    let mut hot = HotThreads::default();
    for raw in items(slots.raw(HotThreadsRaw::Threads), &mut notes) {
        let Some(mut slots) = record::<HotThreadShape>(raw, &mut notes) else { continue };
        let (name, state) = (slots.text(HotThreadText::Name), slots.text(HotThreadText::State));
        let cpu_percent = slots.number(HotThreadNumber::CpuPercent);
        if !state.is_empty() {
            *hot.states.entry(state).or_default() += 1.0;
        }
        if !name.is_empty() {
            hot.threads.push(HotThread { name, cpu_percent });
        }
    }
    hot.threads.sort_by(|a, b| a.name.cmp(&b.name));
    hot.threads.dedup_by(|again, first| {
        let same = again.name == first.name;
        if same {
            let sum = first.cpu_percent.unwrap_or(0.0) + again.cpu_percent.unwrap_or(0.0);
            first.cpu_percent = first.cpu_percent.or(again.cpu_percent).map(|_| sum);
        }
        same
    });
    Ok(notes.parsed(hot))
}
