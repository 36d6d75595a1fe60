//! Sessions of users, from logind over D-Bus.
//!
//! * Source: org.freedesktop.login1(5): ListSeats and ListSessions of the manager; Remote, Type and Class of each session.
//! * Units: sessions.
//! * Absent when: there is no bus, or logind is not on it: an error.
//! * Differs from the Go exporter: one connection is kept; all calls are under way at once, and under a deadline; logind
//!   is not started by being asked. A session that cannot be read because it just ended is left out, as it is there; for
//!   any other reason it is a fault.

use common::collector::{Collector, Row, Scrape};
use common::error::CollectError;
use common::exposition::{Desc, Page};
use zbus::wire::ObjectPath;

use crate::bus::{self, Bus, Call, Value, property, system_bus};

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row {
    needs: |_| bus::needs(&system_bus()),
    ..Row::off("logind", "sessions, logind over D-Bus", &[], |_| Ok(Box::new(Logind::new(system_bus()))))
};

const SESSIONS: Desc = Desc::gauge(
    "node_logind_sessions",
    "Sessions of each kind; those of unknown kinds count as `other`.",
    &["class", "remote", "seat", "type"],
);

const REMOTE: [&str; 2] = ["false", "true"];
const TYPES: [&str; 7] = ["mir", "other", "tty", "unspecified", "wayland", "web", "x11"];
const CLASSES: [&str; 5] = ["background", "greeter", "lock-screen", "other", "user"];

const SERVICE: &str = "org.freedesktop.login1";
const SESSION: &str = "org.freedesktop.login1.Session";
const PROPERTIES: [[&str; 2]; 3] = [[SESSION, "Remote"], [SESSION, "Type"], [SESSION, "Class"]];

pub(super) struct Logind {
    bus: Bus,
    seats: Vec<String>,
    sessions: Vec<Session>,
}

#[derive(Debug, Default)]
struct Session {
    path: String,
    seat: String,
    /// Of the properties as places in the lists above, those that were read.
    remote: Option<usize>,
    kind: Option<usize>,
    class: Option<usize>,
}

impl Logind {
    pub(super) fn new(addresses: String) -> Self {
        Self { bus: Bus::new(addresses), seats: Vec::new(), sessions: Vec::new() }
    }
}

impl Collector for Logind {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let Self { bus, seats, sessions } = self;
        let deadline = bus.connect(cx.deadline)?;
        seats.clear();
        bus.ask(deadline, manager("ListSeats"), |body| {
            body.rows(|(seat, _): (&str, ObjectPath<'_>)| seats.push(seat.to_owned()))
        })?;
        // Sessions from the network have none.
        seats.push(String::new());
        seats.sort_unstable();
        seats.dedup();
        sessions.clear();
        bus.ask(deadline, manager("ListSessions"), |body| {
            type Row<'b> = (&'b str, u32, &'b str, &'b str, ObjectPath<'b>);
            body.rows(|(_, _, _, seat, path): Row<'_>| {
                sessions.push(Session { path: path.to_string(), seat: seat.to_owned(), ..Session::default() });
            })
        })?;
        read(bus, sessions, deadline, cx)?;
        write(seats, sessions, page);
        Ok(())
    }
}

fn manager(member: &str) -> Call<'_> {
    let (path, interface) = ("/org/freedesktop/login1", "org.freedesktop.login1.Manager");
    Call { destination: SERVICE, path, interface, member, texts: &[] }
}

fn read(
    bus: &mut Bus,
    sessions: &mut [Session],
    deadline: std::time::Instant,
    cx: &mut Scrape,
) -> Result<(), CollectError> {
    let paths: Vec<String> = sessions.iter_mut().map(|session| std::mem::take(&mut session.path)).collect();
    let mut calls = paths.iter().flat_map(|path| PROPERTIES.iter().map(|texts| property(SERVICE, path, texts)));
    bus.exchange(deadline, &mut calls, &mut |number, answer| {
        let Some(session) = sessions.get_mut(number / PROPERTIES.len()) else { return };
        let read = match answer {
            Ok(body) => body.value().and_then(|value| session.set(number % PROPERTIES.len(), value)),
            Err(refusal) if refusal.is_absent() => return,
            Err(refusal) => Err(refusal.to_string()),
        };
        if let Err(what) = read {
            let path = paths.get(number / PROPERTIES.len()).map_or("", String::as_str);
            cx.fault(CollectError::failed(format!("{path}: {what}")));
        }
    })
}

impl Session {
    fn set(&mut self, property: usize, value: Value<'_>) -> Result<(), String> {
        match (property, value) {
            (0, Value::Bool(remote)) => self.remote = Some(remote.into()),
            (1, Value::Text(text)) => self.kind = place(&TYPES, text),
            (2, Value::Text(text)) => self.class = place(&CLASSES, text),
            (property, value) => {
                let name = PROPERTIES.get(property).map_or("", |[_, name]| name);
                return Err(format!("{name}: expected another type, found {value:?}"));
            }
        }
        Ok(())
    }
}

fn place(list: &[&str], name: &str) -> Option<usize> {
    let find = |name| list.iter().position(|known| *known == name);
    find(name).or_else(|| find("other"))
}

/// Writes each combination, most of which no session has.
fn write(seats: &[String], sessions: &[Session], page: &mut Page) {
    let each = |list: &'static [&'static str]| list.iter().copied().enumerate();
    for (class, class_name) in each(&CLASSES) {
        for (remote, remote_name) in each(&REMOTE) {
            for seat in seats {
                for (kind, kind_name) in each(&TYPES) {
                    let is = |session: &&Session| {
                        session.class == Some(class)
                            && session.remote == Some(remote)
                            && session.kind == Some(kind)
                            && session.seat == *seat
                    };
                    let count = sessions.iter().filter(is).count();
                    page.sample(&SESSIONS, &[class_name, remote_name, seat, kind_name], count as f64);
                }
            }
        }
    }
}
