//! Who works: workers, processes, connections, and the slots of the scoreboard.
//!
//! * Absent when: the answer lacks the key. Processes and connections come with the MPM event alone.
//! * `apache_scoreboard` has all eleven states, 0 included, once there is a scoreboard; a character nobody knows is a
//!   state of that name.

use common::exposition::{Desc, Page};

use super::{Part, labelled, open, several, single, value};
use crate::status::{State, Status};

static WORKERS_DESC: Desc<'static> = Desc::gauge("apache_workers", "Workers by state.", &["state"]);
static PROCESSES: Desc<'static> =
    Desc::gauge("apache_processes", "Processes, and those of them that stop.", &["state"]);
static CONNECTIONS: Desc<'static> = Desc::gauge(
    "apache_connections",
    "Connections in all, and those that wait without a worker, by state.",
    &["state"],
);
static SCOREBOARD: Desc<'static> = Desc::gauge("apache_scoreboard", "Slots for workers by state.", &["state"]);
static EXTENDED: Desc<'static> =
    Desc::gauge("apache_extended_status", "Whether ExtendedStatus is on; without it there are no totals.", &[]);
static SLOTS: Desc<'static> = Desc::gauge("apache_scoreboard_slots", "Slots for workers, free ones included.", &[]);
static UTILIZATION: Desc<'static> =
    Desc::gauge("apache_workers_utilization_ratio", "Busy workers per worker that runs.", &[]);

pub(super) static WORKERS: Part = Part {
    families: &[
        several(
            &WORKERS_DESC,
            "workers",
            &[labelled(&["busy"], |status| status.busy_workers), labelled(&["idle"], |status| status.idle_workers)],
        ),
        several(
            &PROCESSES,
            "processes",
            &[
                labelled(&["all"], |status| status.processes),
                labelled(&["stopping"], |status| status.processes_stopping),
            ],
        ),
        several(
            &CONNECTIONS,
            "connections",
            &[
                labelled(&["closing"], |status| status.connections_closing),
                labelled(&["keepalive"], |status| status.connections_keep_alive),
                labelled(&["total"], |status| status.connections),
                labelled(&["writing"], |status| status.connections_writing),
            ],
        ),
        open(&SCOREBOARD, "slots"),
    ],
    rest: encode_scoreboard,
};

pub(super) static GRACEFUL_WORKERS: Part =
    Part::of_rows(&[several(&WORKERS_DESC, "workers", &[labelled(&["graceful"], |status| status.graceful_workers)])]);

pub(super) static WAITING_CONNECTIONS: Part = Part::of_rows(&[several(
    &CONNECTIONS,
    "connections",
    &[labelled(&["wait_io"], |status| status.connections_wait_io)],
)]);

pub(super) static CAPACITY: Part = Part::of_rows(&[
    single(&EXTENDED, "0 or 1", &[value(|status| Some(f64::from(u8::from(status.extended))))]),
    single(&SLOTS, "slots", &[value(|status| Some(status.scoreboard.as_ref()?.slots() as f64))]),
    single(&UTILIZATION, "ratio", &[value(utilization)]),
]);

fn encode_scoreboard(status: &Status, _now: f64, page: &mut Page) {
    let Some(scoreboard) = &status.scoreboard else { return };
    for state in State::ALL {
        page.sample(&SCOREBOARD, &[state.name], scoreboard.count(state.sign) as f64);
    }
    for (sign, count) in scoreboard.strangers() {
        page.sample(&SCOREBOARD, &[sign.encode_utf8(&mut [0; 4])], count as f64);
    }
}

/// Up to 2.4.57 the graceful ones are among the busy; after that they have a line of their own.
fn utilization(status: &Status) -> Option<f64> {
    let (busy, idle) = (status.busy_workers?, status.idle_workers?);
    if status.graceful_workers.is_none() && status.is_faulty("GracefulWorkers") {
        return None;
    }
    let running = busy + idle + status.graceful_workers.unwrap_or(0.0);
    (running > 0.0).then_some(busy / running)
}
