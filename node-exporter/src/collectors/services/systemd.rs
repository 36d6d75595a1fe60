//! Units of systemd and the state of its manager, over D-Bus.
//!
//! * Source: org.freedesktop.systemd1(5). ListUnits tells name and state of all units in one answer; what else is shown of
//!   a unit is read property by property, since all of a service's would be 300 of which the manager computes many.
//! * Units: seconds since 1970, tasks, connections, restarts.
//! * Absent when: there is no bus, or systemd is not on it: an error. Root asks the manager's own socket then.
//! * Properties that the manager or the unit does not have are left out, and so are limits that are not set.
//! * Differs from the Go exporter: one connection is kept, where there are two for each scrape; calls are many at a time
//!   and under a deadline, where each waits for the one before and for ever; `node_systemd_system_state` is in addition
//!   and tells a degraded system from one that starts. What is refused for another reason than absence, or has another
//!   type than it should, is a fault; the first of them is told.

use std::time::Instant;

use common::collector::{Collector, Row, Scrape};
use common::error::{CollectError, ConfigError};
use common::exposition::{Desc, Page};
use common::filter::Filter;
use common::flags::{Args, Flag};
use common::fuzzing::{Parser, eat};

use crate::bus::{self, Bus, Call, Value, property, system_bus};
use units::{PROPERTIES, Units, Wanted};

mod units;

const INCLUDE: &str = "collector.systemd.unit-include";
const EXCLUDE: &str = "collector.systemd.unit-exclude";
const PRIVATE: &str = "collector.systemd.private";
const TASKS: &str = "collector.systemd.enable-task-metrics";
const RESTARTS: &str = "collector.systemd.enable-restarts-metrics";
const START_TIME: &str = "collector.systemd.enable-start-time-metrics";

pub(super) const FLAGS: &[Flag] = &[
    Flag::text(INCLUDE, ".+", "Pattern for the units to keep; the whole name has to fit."),
    Flag::text(
        EXCLUDE,
        r".+\.(automount|device|mount|scope|slice)",
        "Pattern for the units to leave out; the whole name has to fit.",
    ),
    Flag::alias("collector.systemd.unit-whitelist", INCLUDE),
    Flag::alias("collector.systemd.unit-blacklist", EXCLUDE),
    Flag::switch(PRIVATE, false, "Asks the manager itself instead of the bus; takes root.").hidden(),
    Flag::switch(TASKS, false, "Tasks of each unit."),
    Flag::switch(RESTARTS, false, "Restarts of each service."),
    Flag::switch(START_TIME, false, "When each unit was started."),
];

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row {
    needs: |_| bus::needs(&system_bus()),
    ..Row::off("systemd", "units and state of systemd, over D-Bus", FLAGS, |args| {
        let is_root = rustix::process::geteuid().is_root();
        Ok(Box::new(Systemd::new(args, system_bus(), MANAGER_SOCKET.to_owned(), is_root)?))
    })
};

/// Where the manager listens itself, for root.
const MANAGER_SOCKET: &str = "unix:path=/run/systemd/private";

const SERVICE: &str = "org.freedesktop.systemd1";
const OBJECT: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";

const VERSION: Desc = Desc::gauge(
    "node_systemd_version",
    "The number in the version of systemd, 0 when it does not tell; the label gives all of it.",
    &["version"],
);
const VIRTUALIZATION: Desc = Desc::gauge(
    "node_systemd_virtualization_info",
    "Always 1; the label gives what systemd takes the machine to run in, `none` for bare metal.",
    &["virtualization_type"],
);
const RUNNING: Desc = Desc::gauge(
    "node_systemd_system_running",
    "Whether the system is up and no unit has failed; a degraded one is 0.",
    &[],
);
const STATE: Desc = Desc::gauge("node_systemd_system_state", "Whether this is the state of the system.", &["state"]);

/// The states of the system that the manager knows today.
const STATES: [&str; 6] = ["degraded", "initializing", "maintenance", "running", "starting", "stopping"];

/// Managers older than this tell neither their state nor when a timer ran.
const TELLS_STATE: f64 = 212.0;

pub(super) struct Systemd {
    /// The bus, then the manager itself; which of them there are is for flags and user to say.
    buses: Vec<(Bus, &'static str)>,
    filter: Filter,
    wanted: Wanted,
    units: Units,
}

impl Systemd {
    pub(super) fn new(args: &Args, bus: String, manager: String, is_root: bool) -> Result<Self, ConfigError> {
        let private = args.on(PRIVATE);
        let bus = (!private).then(|| (Bus::new(bus), SERVICE));
        // Without a bus between, nobody reads the name.
        let manager = (private || is_root).then(|| (Bus::direct(manager), ""));
        // The patterns are compiled once as they are, so that a mistake in one is not told with what is put around it.
        Filter::from_args(args, INCLUDE, EXCLUDE)?;
        Ok(Self {
            buses: bus.into_iter().chain(manager).collect(),
            filter: Filter::new(&whole(args.text(INCLUDE)), &whole(args.text(EXCLUDE)))?,
            wanted: Wanted {
                tasks: args.on(TASKS),
                restarts: args.on(RESTARTS),
                start_time: args.on(START_TIME),
                last_trigger: false,
            },
            units: Units::default(),
        })
    }
}

/// A pattern for whole names. An empty one fits the empty name alone, which no unit has.
fn whole(pattern: &str) -> String {
    format!("^(?:{pattern})$")
}

impl Collector for Systemd {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let mut failed = None;
        let mut buses = self.buses.iter_mut();
        while let Some((bus, service)) = buses.next() {
            match bus.connect(cx.deadline) {
                Ok(deadline) => {
                    // What was a way out is none any more.
                    buses.for_each(|(bus, _)| bus.close());
                    let manager = Manager { bus, service, deadline };
                    return manager.collect(&mut self.units, &mut self.filter, &mut self.wanted, cx, page);
                }
                // What is wrong with the bus tells more than that there is no socket either.
                Err(e) => failed = failed.or(Some(e)),
            }
        }
        Err(failed.unwrap_or_else(|| CollectError::failed("nobody to ask")))
    }
}

/// A manager that can be asked until the deadline.
struct Manager<'b> {
    bus: &'b mut Bus,
    service: &'static str,
    deadline: Instant,
}

/// What the manager says of itself: version, virtualization and state, in this order.
const ABOUT: [[&str; 2]; 3] = [[MANAGER, "Version"], [MANAGER, "Virtualization"], [MANAGER, "SystemState"]];

impl Manager<'_> {
    fn collect(
        mut self,
        units: &mut Units,
        filter: &mut Filter,
        wanted: &mut Wanted,
        cx: &mut Scrape,
        page: &mut Page,
    ) -> Result<(), CollectError> {
        let [version, virtualization, state] = self.about()?;
        let version = version.unwrap_or_default();
        let number = version_number(version.as_bytes());
        page.sample(&VERSION, &[&version], number);
        let virtualization = match virtualization.as_deref() {
            Ok("") => "none",
            Ok(kind) => kind,
            Err(_) => "unknown",
        };
        page.sample(&VIRTUALIZATION, &[virtualization], 1.0);
        wanted.last_trigger = number >= TELLS_STATE;
        let listed = self.units(units, filter, *wanted, cx, page);
        if number >= TELLS_STATE && listed.is_ok() {
            write_state(&state?, page);
        }
        listed
    }

    /// Asks the manager about itself; an answer that is none costs itself alone.
    fn about(&mut self) -> Result<[Result<String, CollectError>; 3], CollectError> {
        let mut about = ABOUT.map(|_| Err(CollectError::failed("no answer")));
        let mut calls = ABOUT.iter().map(|texts| property(self.service, OBJECT, texts));
        self.bus.exchange(self.deadline, &mut calls, &mut |number, answer| {
            let (Some(slot), Some([_, name])) = (about.get_mut(number), ABOUT.get(number)) else { return };
            let text = answer.map_err(|refusal| refusal.to_string()).and_then(|body| match body.value()? {
                Value::Text(text) => Ok(text.to_owned()),
                other => Err(format!("expected a text, found {other:?}")),
            });
            *slot = text.map_err(|what| CollectError::failed(format!("{name} of the manager: {what}")));
        })?;
        Ok(about)
    }

    fn units(
        &mut self,
        units: &mut Units,
        filter: &mut Filter,
        wanted: Wanted,
        cx: &mut Scrape,
        page: &mut Page,
    ) -> Result<(), CollectError> {
        units.clear();
        let list =
            Call { destination: self.service, path: OBJECT, interface: MANAGER, member: "ListUnits", texts: &[] };
        self.bus.ask(self.deadline, list, |body| body.rows(|row| units.add(&row, filter)))?;
        units.write_totals(page);
        units.sort();
        let (questions, mut answers) = units.questions(wanted);
        let mut calls = questions.asked().iter().filter_map(|&(unit, at)| {
            let row = PROPERTIES.get(usize::from(at))?;
            Some(property(self.service, questions.path(unit)?, &row.texts))
        });
        let (mut bad, mut first) = (0_u64, None);
        let result = self.bus.exchange(self.deadline, &mut calls, &mut |number, answer| {
            let set = match answer {
                Ok(body) => body.value().and_then(|value| answers.set(number, value)),
                Err(refusal) => {
                    answers.refuse(number);
                    if refusal.is_absent() { Ok(()) } else { Err(refusal.to_string()) }
                }
            };
            if let Err(what) = set {
                bad += 1;
                first.get_or_insert((number, what));
            }
        });
        if let Some((number, what)) = first {
            let (unit, at) = questions.asked().get(number).copied().unwrap_or_default();
            let name = PROPERTIES.get(usize::from(at)).map_or("", |row| row.texts[1]);
            let unit = questions.name(unit).unwrap_or_default();
            let more = if bad > 1 { format!(", and {} more", bad - 1) } else { String::new() };
            cx.fault(CollectError::failed(format!("{unit}: {name}: {what}{more}")));
        }
        units.write(wanted, page);
        result
    }
}

fn write_state(state: &str, page: &mut Page) {
    page.sample(&RUNNING, &[""; 0], f64::from(u8::from(state == "running")));
    for known in STATES {
        page.sample(&STATE, &[known], f64::from(u8::from(state == known)));
    }
    if !STATES.contains(&state) {
        page.sample(&STATE, &[state], 1.0);
    }
}

/// The first number of at least three digits, with what follows its point: 252.19 of `252.19-1~deb12u1`.
fn version_number(text: &[u8]) -> f64 {
    let digits = |text: &[u8]| text.iter().take_while(|b| b.is_ascii_digit()).count();
    let mut rest = text;
    while !rest.is_empty() {
        let whole = digits(rest);
        if whole >= 3 {
            let fraction = rest.get(whole..).and_then(|rest| rest.strip_prefix(b".")).map_or(0, digits);
            let end = if fraction > 0 { whole + 1 + fraction } else { whole };
            let number = rest.get(..end).and_then(|number| std::str::from_utf8(number).ok());
            return number.and_then(|number| number.parse().ok()).unwrap_or(0.0);
        }
        rest = rest.get(whole.max(1)..).unwrap_or_default();
    }
    0.0
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser =
    Parser::new("version of systemd", |bytes| eat(version_number(bytes)), b"systemd 252.19-1~deb12u1");
