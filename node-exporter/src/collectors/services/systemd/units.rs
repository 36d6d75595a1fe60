//! The units of one scrape and what was read of them. The buffers are kept for the next.

use std::ops::Range;

use common::exposition::{Desc, Page};
use common::filter::Filter;
use zbus::wire::ObjectPath;

use crate::bus::Value;

const UNITS: Desc = Desc::gauge("node_systemd_units", "Units in each state.", &["state"]);
const UNIT_STATE: Desc =
    Desc::gauge("node_systemd_unit_state", "Whether the unit is in this state.", &["name", "state", "type"]);
const START_TIME: Desc = Desc::gauge(
    "node_systemd_unit_start_time_seconds",
    "When the unit became active, in seconds since 1970; 0 for one that is not.",
    &["name"],
);

/// The states that every unit is told for. There are more, which pass: a unit that reloads is in none of these.
const STATES: [&str; 5] = ["activating", "active", "deactivating", "failed", "inactive"];
const ACTIVE: Option<u8> = Some(1);

/// A row of ListUnits: name, description, load state, active state, sub state, followed unit, object, job, its type, its
/// object.
pub(super) type Row<'b> =
    (&'b str, &'b str, &'b str, &'b str, &'b str, &'b str, ObjectPath<'b>, u32, &'b str, ObjectPath<'b>);

/// What is to be read beyond what is always.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) tasks: bool,
    pub(super) restarts: bool,
    pub(super) start_time: bool,
    pub(super) last_trigger: bool,
}

/// A property of units of a kind.
pub(super) struct Property {
    /// The end of the names of the units that have it.
    suffix: &'static str,
    /// Interface and name.
    pub(super) texts: [&'static str; 2],
    wanted: fn(Wanted) -> bool,
    shows: Shows,
}

enum Shows {
    /// The type of the unit, a label.
    Kind,
    /// A number, 2^64-1 being none.
    Count(Desc<'static>),
    /// Microseconds since 1970.
    Micros(Desc<'static>),
}

const fn kind(suffix: &'static str, interface: &'static str) -> Property {
    Property { suffix, texts: [interface, "Type"], wanted: |_| true, shows: Shows::Kind }
}

const fn count(
    suffix: &'static str,
    texts: [&'static str; 2],
    wanted: fn(Wanted) -> bool,
    desc: Desc<'static>,
) -> Property {
    Property { suffix, texts, wanted, shows: Shows::Count(desc) }
}

const SERVICE: &str = "org.freedesktop.systemd1.Service";
const SOCKET: &str = "org.freedesktop.systemd1.Socket";
const NAME: &[&str] = &["name"];

/// All properties that are read.
pub(super) static PROPERTIES: &[Property] = &[
    kind(".service", SERVICE),
    kind(".mount", "org.freedesktop.systemd1.Mount"),
    Property {
        suffix: "",
        texts: ["org.freedesktop.systemd1.Unit", "ActiveEnterTimestamp"],
        wanted: |wanted| wanted.start_time,
        shows: Shows::Micros(START_TIME),
    },
    count(
        ".service",
        [SERVICE, "NRestarts"],
        |wanted| wanted.restarts,
        Desc::counter("node_systemd_service_restart_total", "Restarts of the service by systemd itself.", NAME),
    ),
    count(
        ".service",
        [SERVICE, "TasksCurrent"],
        |wanted| wanted.tasks,
        Desc::gauge("node_systemd_unit_tasks_current", "Tasks that the service has.", NAME),
    ),
    count(
        ".service",
        [SERVICE, "TasksMax"],
        |wanted| wanted.tasks,
        Desc::gauge("node_systemd_unit_tasks_max", "The most tasks that the service may have.", NAME),
    ),
    Property {
        suffix: ".timer",
        texts: ["org.freedesktop.systemd1.Timer", "LastTriggerUSec"],
        wanted: |wanted| wanted.last_trigger,
        shows: Shows::Micros(Desc::gauge(
            "node_systemd_timer_last_trigger_seconds",
            "When the timer last elapsed, in seconds since 1970; 0 for one that never did.",
            NAME,
        )),
    },
    count(
        ".socket",
        [SOCKET, "NAccepted"],
        |_| true,
        Desc::counter("node_systemd_socket_accepted_connections_total", "Connections accepted on the socket.", NAME),
    ),
    count(
        ".socket",
        [SOCKET, "NConnections"],
        |_| true,
        Desc::gauge("node_systemd_socket_current_connections", "Connections of the socket that are open.", NAME),
    ),
    count(
        ".socket",
        [SOCKET, "NRefused"],
        |_| true,
        Desc::gauge("node_systemd_socket_refused_connections_total", "Connections refused on the socket.", NAME),
    ),
];

/// Units, in the order of their names.
#[derive(Default)]
pub(super) struct Units {
    /// Names and paths, one after the other.
    text: String,
    list: Vec<Unit>,
    /// What is asked: unit, and place among the properties. The answers have the same places.
    asked: Vec<(u32, u8)>,
    answers: Vec<Answer>,
    /// The types there are, each once.
    kinds: Vec<String>,
    /// Of each unit; set from the answers.
    kind_of: Vec<Kind>,
    totals: [u64; STATES.len()],
    /// States that are rare, with the number of units in each.
    other_totals: Vec<(String, u64)>,
}

struct Unit {
    name: Range<usize>,
    path: Range<usize>,
    /// Among the states, if it is one of them.
    active: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    /// None came, or one that says that there is none.
    None,
    Number(u64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Units of this sort have no type, or this one does not tell.
    None,
    /// Not answered yet.
    Awaited,
    /// Among the kinds.
    Known(u16),
}

/// What the calls are made of.
#[derive(Clone, Copy)]
pub(super) struct Questions<'u> {
    text: &'u str,
    list: &'u [Unit],
    asked: &'u [(u32, u8)],
}

impl<'u> Questions<'u> {
    pub(super) fn asked(self) -> &'u [(u32, u8)] {
        self.asked
    }

    pub(super) fn path(self, unit: u32) -> Option<&'u str> {
        self.text.get(self.list.get(unit as usize)?.path.clone())
    }

    pub(super) fn name(self, unit: u32) -> Option<&'u str> {
        self.text.get(self.list.get(unit as usize)?.name.clone())
    }
}

/// Where the answers go.
pub(super) struct Answers<'u> {
    asked: &'u [(u32, u8)],
    answers: &'u mut [Answer],
    kinds: &'u mut Vec<String>,
    kind_of: &'u mut [Kind],
}

impl Answers<'_> {
    /// Takes the answer to a question.
    pub(super) fn set(&mut self, question: usize, value: Value<'_>) -> Result<(), String> {
        let Some(&(unit, at)) = self.asked.get(question) else { return Ok(()) };
        let Some(property) = PROPERTIES.get(usize::from(at)) else { return Ok(()) };
        match (&property.shows, value) {
            (Shows::Kind, Value::Text(text)) => self.set_kind(unit, text),
            (Shows::Count(_) | Shows::Micros(_), Value::Number(n)) => {
                if let Some(answer) = self.answers.get_mut(question) {
                    *answer = Answer::Number(n);
                }
            }
            (Shows::Kind, other) => {
                self.refuse(question);
                return Err(format!("expected a text, found {other:?}"));
            }
            (_, other) => return Err(format!("expected a whole number, found {other:?}")),
        }
        Ok(())
    }

    /// There is no answer to a question, and none will come.
    pub(super) fn refuse(&mut self, question: usize) {
        let Some(&(unit, at)) = self.asked.get(question) else { return };
        let is_kind = PROPERTIES.get(usize::from(at)).is_some_and(|row| matches!(row.shows, Shows::Kind));
        if is_kind && let Some(kind) = self.kind_of.get_mut(unit as usize) {
            *kind = Kind::None;
        }
    }

    fn set_kind(&mut self, unit: u32, text: &str) {
        let known = self.kinds.iter().position(|kind| kind == text).unwrap_or_else(|| {
            self.kinds.push(text.to_owned());
            self.kinds.len() - 1
        });
        if let Some(kind) = self.kind_of.get_mut(unit as usize) {
            *kind = u16::try_from(known).map_or(Kind::None, Kind::Known);
        }
    }
}

impl Units {
    /// Forgets the units of the last scrape.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.list.clear();
        self.asked.clear();
        self.answers.clear();
        self.kind_of.clear();
        self.totals = Default::default();
        self.other_totals.clear();
    }

    /// Counts a unit, and keeps it if it is loaded and the filter lets it pass.
    pub(super) fn add(&mut self, row: &Row<'_>, filter: &mut Filter) {
        let (name, _, load, active, _, _, path, ..) = row;
        let state = STATES.iter().position(|state| state == active).and_then(|at| u8::try_from(at).ok());
        match state.and_then(|at| self.totals.get_mut(usize::from(at))) {
            Some(total) => *total += 1,
            None => match self.other_totals.iter_mut().find(|(state, _)| state == active) {
                Some((_, total)) => *total += 1,
                None => self.other_totals.push(((*active).to_owned(), 1)),
            },
        }
        if *load == "loaded" && filter.keeps(name.as_bytes()) {
            let (name, path) = (self.push(name), self.push(path.as_str()));
            self.list.push(Unit { name, path, active: state });
        }
    }

    fn push(&mut self, text: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(text);
        start..self.text.len()
    }

    /// Puts the units into the order of the page; the manager's is that of a hash table.
    pub(super) fn sort(&mut self) {
        let Self { text, list, .. } = self;
        list.sort_unstable_by_key(|unit| text.get(unit.name.clone()));
    }

    /// What is to be asked, and where the answers go.
    pub(super) fn questions(&mut self, wanted: Wanted) -> (Questions<'_>, Answers<'_>) {
        self.kind_of.resize(self.list.len(), Kind::None);
        for ((number, unit), kind) in (0..).zip(&self.list).zip(&mut self.kind_of) {
            let name = self.text.get(unit.name.clone()).unwrap_or_default();
            for (at, property) in (0..).zip(PROPERTIES) {
                let has = name.ends_with(property.suffix) && (property.wanted)(wanted);
                // Of these it is clear when they were started.
                let idle = property.suffix.is_empty() && unit.active != ACTIVE;
                if has && !idle {
                    self.asked.push((number, at));
                    if matches!(property.shows, Shows::Kind) {
                        *kind = Kind::Awaited;
                    }
                }
            }
        }
        self.answers.resize(self.asked.len(), Answer::None);
        let Self { text, list, asked, answers, kinds, kind_of, .. } = self;
        (Questions { text, list, asked }, Answers { asked, answers, kinds, kind_of })
    }

    /// Writes how many units are in each state.
    pub(super) fn write_totals(&self, page: &mut Page) {
        for (state, total) in STATES.iter().zip(self.totals) {
            page.sample(&UNITS, &[state], total as f64);
        }
        for (state, total) in &self.other_totals {
            page.sample(&UNITS, &[state], *total as f64);
        }
    }

    /// Writes what is known of each unit.
    pub(super) fn write(&self, wanted: Wanted, page: &mut Page) {
        for (unit, kind) in self.list.iter().zip(&self.kind_of) {
            let kind = match kind {
                Kind::Known(at) => self.kinds.get(usize::from(*at)).map_or("", String::as_str),
                Kind::None => "",
                // Without its type it would be another series.
                Kind::Awaited => continue,
            };
            let name = self.text.get(unit.name.clone()).unwrap_or_default();
            for (at, state) in (0..).zip(STATES) {
                page.sample(&UNIT_STATE, &[name, state, kind], f64::from(u8::from(unit.active == Some(at))));
            }
        }
        if wanted.start_time {
            for unit in self.list.iter().filter(|unit| unit.active != ACTIVE) {
                page.sample(&START_TIME, &[self.text.get(unit.name.clone()).unwrap_or_default()], 0.0);
            }
        }
        for (&(unit, at), answer) in self.asked.iter().zip(&self.answers) {
            let (Some(unit), Some(property)) = (self.list.get(unit as usize), PROPERTIES.get(usize::from(at))) else {
                continue;
            };
            let name = self.text.get(unit.name.clone()).unwrap_or_default();
            match (&property.shows, answer) {
                (Shows::Count(desc), Answer::Number(n)) if *n != u64::MAX => page.sample(desc, &[name], *n as f64),
                (Shows::Micros(desc), Answer::Number(n)) => page.sample(desc, &[name], *n as f64 / 1e6),
                _ => {}
            }
        }
    }
}
