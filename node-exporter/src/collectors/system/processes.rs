//! How many processes and threads there are, and what they are doing, from `/proc/<pid>`.
//!
//! * Source: proc_pid_stat(5); the limits are in `/proc/sys/kernel`.
//! * Units: processes and threads. States are the letters of the kernel: R running, S sleeping, D waiting for a disk or
//!   the like, T stopped, t traced, Z zombie, I idle thread of the kernel.
//! * Absent when: never on Linux; a state that nothing is in has no sample.
//! * Differs from the Go exporter: a process or thread whose file is malformed costs itself, a limit likewise.
//! * Cost: a file per process and per further thread is opened, read and closed again.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError, is_absent};
use common::exposition::{Desc, Page};
use common::fields::{Words, parse_u64};
use common::fuzzing::{Parser, eat};

use crate::fs::fleeting::{self, Dir};
use crate::fs::{KeptAttr, proc_path};

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::off("processes", "processes and threads by state, /proc/<pid>", &[], |args| {
        Ok(Box::new(Processes {
            max_threads: KeptAttr::new(proc_path(args, "sys/kernel/threads-max")),
            max_processes: KeptAttr::new(proc_path(args, "sys/kernel/pid_max")),
            proc: proc_path(args, ""),
            path: PathBuf::new(),
        }))
    });

const THREADS: Desc = Desc::gauge("node_processes_threads", "Threads of all processes.", &[]);
const MAX_THREADS: Desc = Desc::gauge("node_processes_max_threads", "Threads that there may be at most.", &[]);
const STATE: Desc = Desc::gauge("node_processes_state", "Processes by the state of their first thread.", &["state"]);
const THREADS_STATE: Desc = Desc::gauge("node_processes_threads_state", "Threads by state.", &["thread_state"]);
const PIDS: Desc = Desc::gauge("node_processes_pids", "Processes.", &[]);
const MAX_PROCESSES: Desc =
    Desc::gauge("node_processes_max_processes", "Numbers of processes and threads stay below this.", &[]);

struct Processes {
    max_threads: KeptAttr,
    max_processes: KeptAttr,
    proc: PathBuf,
    /// Room for the path of what is being read.
    path: PathBuf,
}

impl Collector for Processes {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        self.path.clear();
        self.path.push(&self.proc);
        let mut walk = Walk { path: &mut self.path, tally: Tally::new(), has_tasks: None, faults: Vec::new() };
        let walked = Dir::open(&self.proc).and_then(|proc| proc.each_name(|pid| walk.process(pid)));
        let Walk { tally, faults, .. } = walk;
        for fault in faults {
            cx.fault(fault);
        }
        for (desc, file) in [(&MAX_THREADS, &mut self.max_threads), (&MAX_PROCESSES, &mut self.max_processes)] {
            if let Some(n) = cx.ok(file.number("limit", parse_u64)) {
                page.sample::<&str>(desc, &[], n as f64);
            }
        }
        // Numbers of half a walk would look like an exodus.
        walked.map_err(|e| CollectError::io(&self.proc, e))?;
        page.sample::<&str>(&THREADS, &[], tally.threads as f64);
        page.sample::<&str>(&PIDS, &[], tally.processes as f64);
        for (desc, states) in [(&STATE, &tally.states), (&THREADS_STATE, &tally.thread_states)] {
            for (letter, &n) in (0..).zip(states).filter(|(_, n)| **n > 0) {
                page.sample(desc, &[&[letter][..]], n as f64);
            }
        }
        Ok(())
    }
}

/// Counts by letter; all letters of states are ASCII.
type States = [u64; 128];

struct Tally {
    processes: u64,
    threads: u64,
    states: States,
    thread_states: States,
}

impl Tally {
    fn new() -> Self {
        Self { processes: 0, threads: 0, states: [0; 128], thread_states: [0; 128] }
    }
}

fn count(states: &mut States, letter: u8) {
    if let Some(n) = states.get_mut(usize::from(letter)) {
        *n += 1;
    }
}

/// Processes that are reported in one scrape.
const MOST_FAULTS: usize = 8;

/// Longer than the fields up to the number of threads can be, even if every byte of the name is escaped.
const STAT_BYTES: usize = 1024;

struct Walk<'p> {
    /// What is being looked at; each step leaves it as it was.
    path: &'p mut PathBuf,
    tally: Tally,
    has_tasks: Option<bool>,
    faults: Vec<CollectError>,
}

impl Walk<'_> {
    fn process(&mut self, pid: &[u8]) {
        if !pid.iter().all(u8::is_ascii_digit) {
            return;
        }
        self.path.push(OsStr::from_bytes(pid));
        if let Some(stat) = self.read(parse_process) {
            self.tally.processes += 1;
            self.tally.threads = self.tally.threads.saturating_add(stat.n_threads);
            count(&mut self.tally.states, stat.state);
            self.path.push("task");
            if stat.n_threads > 1 {
                self.threads(pid, stat.state);
            } else if *self.has_tasks.get_or_insert_with(|| fleeting::exists(self.path)) {
                // Its only thread is the process itself. A tree that is no /proc may know of no threads; one look tells.
                count(&mut self.tally.thread_states, stat.state);
            }
            self.path.pop();
        }
        self.path.pop();
    }

    fn threads(&mut self, pid: &[u8], first: u8) {
        let listed = Dir::open(self.path).and_then(|tasks| {
            tasks.each_name(|tid| {
                if tid == pid {
                    return count(&mut self.tally.thread_states, first);
                }
                self.path.push(OsStr::from_bytes(tid));
                if let Some(state) = self.read(|text| parse_state(text).map(|(state, _)| state)) {
                    count(&mut self.tally.thread_states, state);
                }
                self.path.pop();
            })
        });
        match listed {
            Err(e) if !is_absent(&e) => self.fault(CollectError::io(self.path, e)),
            _ => {}
        }
    }

    /// The file `stat` of what is being looked at; `None` if that is gone or the file cannot be read.
    fn read<T>(&mut self, parse: impl FnOnce(&[u8]) -> Result<T, BadField>) -> Option<T> {
        self.path.push("stat");
        let mut buffer = [0; STAT_BYTES];
        let result = match fleeting::read_start(self.path, &mut buffer) {
            Ok(text) => parse(text).map_err(|bad| bad.in_file(self.path)).map(Some),
            Err(e) if is_absent(&e) => Ok(None),
            Err(e) => Err(CollectError::io(self.path, e)),
        };
        self.path.pop();
        result.unwrap_or_else(|e| {
            self.fault(e);
            None
        })
    }

    fn fault(&mut self, error: CollectError) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(error);
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    /// A letter.
    state: u8,
    n_threads: u64,
}

/// The state, and the words behind it. The name of a program may hold blanks and parentheses, so its end is the last one
/// that closes.
fn parse_state(text: &[u8]) -> Result<(u8, Words<'_>), BadField> {
    let end = text.iter().rposition(|&b| b == b')').map_or(text.len(), |close| close + 1);
    let mut words = Words::of(text.get(end..).unwrap_or_default());
    match words.word("state")? {
        [letter] if letter.is_ascii_alphabetic() => Ok((*letter, words)),
        other => Err(BadField::new(1, "state", "a letter", other)),
    }
}

/// ```text
/// 4242 (pool) worker) S 1 4242 4242 0 -1 4194560 9061 0 94 0 36 98 0 0 20 0 3 0 …
/// ```
fn parse_process(text: &[u8]) -> Result<Stat, BadField> {
    let (state, words) = parse_state(text)?;
    // Behind the state are 16 fields, then the number of threads.
    let n_threads = words.clone().nth(16).unwrap_or_default();
    let n_threads =
        parse_u64(n_threads).ok_or_else(|| BadField::new(1, "number of threads", "a whole number", n_threads))?;
    Ok(Stat { state, n_threads })
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser = Parser::new(
    "stat of a process",
    |bytes| eat((parse_process(bytes), parse_state(bytes))),
    b"4242 (pool) worker) S 1 4242 4242 0 -1 4194560 9061 9416027 94 2620 36 98 54406 13885 20 0 3 0 29 109604864 2507\n",
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;
    use crate::testing::check;

    const TAIL: &str = "1 1 1 0 -1 4194560 9061 9416027 94 2620 36 98 54406 13885 20 0";

    fn stat(name: &str, state: &str, n_threads: &str) -> String {
        format!("5 ({name}) {state} {TAIL} {n_threads} 0 29 109604864\n")
    }

    const LIMITS: [(&str, &str); 2] =
        [("proc/sys/kernel/threads-max", "7801\n"), ("proc/sys/kernel/pid_max", "4194304")];

    #[test]
    fn good() {
        let (one, many, other) = (stat("a) b (", "S", "1"), stat("x\ny", "R", "3"), stat("x", "D", "3"));
        let tree = [
            LIMITS[0],
            LIMITS[1],
            ("proc/1/stat", &one),
            ("proc/1/task/1/stat", "not looked at"),
            ("proc/20/stat", &many),
            ("proc/20/task/20/stat", "not looked at"),
            ("proc/20/task/21/stat", &other),
            ("proc/20/task/22/stat", &other),
            ("proc/20/task/23/", ""),
            ("proc/31/", ""),
            ("proc/4x/stat", "no process"),
        ];
        let want = [
            "node_processes_max_processes 4.194304e+06",
            "node_processes_max_threads 7801",
            "node_processes_pids 2",
            "node_processes_state{state=\"R\"} 1",
            "node_processes_state{state=\"S\"} 1",
            "node_processes_threads 4",
            "node_processes_threads_state{thread_state=\"D\"} 2",
            "node_processes_threads_state{thread_state=\"R\"} 1",
            "node_processes_threads_state{thread_state=\"S\"} 1",
        ];
        check(&ROW, &tree, &want, &[]);
        let mut rig = Rig::new(&ROW, &tree, &[]);
        assert_eq!(rig.samples(), rig.samples(), "nothing is left of the scrape before");
    }

    #[test]
    fn cut_short_and_garbage() {
        let (letter, number, many) = (stat("x", "Sleeping", "1"), stat("x", "S", "-1"), stat("x", "S", "2"));
        let tree = [
            LIMITS[0],
            ("proc/sys/kernel/pid_max", "many"),
            ("proc/1/stat", "1 (cut"),
            ("proc/2/stat", "2 (cut) S 1"),
            ("proc/3/stat", &letter),
            ("proc/4/stat", &number),
            ("proc/5/stat/", ""),
            ("proc/6/stat", &many),
            ("proc/6/task/6/", ""),
            ("proc/6/task/7/stat", "\u{1}"),
        ];
        let (_, problems) = Rig::new(&ROW, &tree, &[]).scrape();
        let mut sorted = problems;
        sorted.sort();
        let threads = "number of threads: expected a whole number, found";
        assert_eq!(
            sorted,
            [
                "proc/1/stat:1: state: expected a word, found \"\"",
                &format!("proc/2/stat:1: {threads} \"\""),
                "proc/3/stat:1: state: expected a letter, found \"Sleeping\"",
                &format!("proc/4/stat:1: {threads} \"-1\""),
                "proc/5/stat: Is a directory (os error 21)",
                "proc/6/task/7/stat:1: state: expected a word, found \"\"",
                "proc/sys/kernel/pid_max:1: limit: expected a whole number, found \"many\"",
            ]
        );
        let want = "node_processes_max_threads 7801\nnode_processes_pids 1\nnode_processes_state{state=\"S\"} 1\n\
                    node_processes_threads 2\nnode_processes_threads_state{thread_state=\"S\"} 1\n";
        assert!(Rig::new(&ROW, &tree, &[]).samples().starts_with(want));
        let nothing = Rig::new(&ROW, &[], &[]).samples();
        assert!(nothing.ends_with("! proc/: No such file or directory (os error 2)\n"), "{nothing}");
    }
}
