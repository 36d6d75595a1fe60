//! A child process whose stderr is read while it runs.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait::DEADLINE;

/// A started program; killed when dropped.
#[derive(Debug)]
pub struct Logged {
    name: String,
    child: Child,
    log: Arc<Log>,
}

#[derive(Debug, Default)]
struct Log {
    seen: Mutex<Seen>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Seen {
    lines: Vec<String>,
    closed: bool,
}

impl Log {
    fn add(&self, change: impl FnOnce(&mut Seen)) {
        // A poisoned lock means that a test already failed; its log is still worth showing.
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    /// Blocks until `look` finds something, the log ends or the deadline passes; the last look decides.
    fn look_until<T>(&self, mut look: impl FnMut(&Seen) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + DEADLINE;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let found = look(&seen);
            let left = deadline.saturating_duration_since(Instant::now());
            if found.is_some() || seen.closed || left.is_zero() {
                return found;
            }
            seen = self.changed.wait_timeout(seen, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Logged {
    /// Starts the command with its stderr read line by line; `name` is for messages.
    #[track_caller]
    pub fn spawn(name: &str, command: &mut Command) -> Self {
        let started = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = started.unwrap_or_else(|e| panic!("{name}: cannot start {command:?}: {e}"));
        let stderr = child.stderr.take().expect("stderr is piped");
        let log = Arc::new(Log::default());
        let writer = Arc::clone(&log);
        thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n') {
                let Ok(line) = line else { break };
                writer.add(|seen| seen.lines.push(String::from_utf8_lossy(&line).into_owned()));
            }
            writer.add(|seen| seen.closed = true);
        });
        Self { name: name.to_owned(), child, log }
    }

    /// Blocks until a log line satisfies `look`; panics with the whole log when the program ends or hangs before.
    #[track_caller]
    pub fn wait_for_line<T>(&self, what: &str, mut look: impl FnMut(&str) -> Option<T>) -> T {
        let found = self.log.look_until(|seen| seen.lines.iter().find_map(|line| look(line)));
        found.unwrap_or_else(|| panic!("{}: no line {what} in its log:\n{}", self.name, self.log()))
    }

    /// Everything logged so far.
    pub fn log(&self) -> String {
        self.log.seen.lock().unwrap_or_else(PoisonError::into_inner).lines.join("\n")
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks the program to stop.
    pub fn ask_to_stop(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("the child has not been waited for");
    }

    /// Sends SIGQUIT, which asks the program to end as well.
    pub fn quit(&self) {
        kill_process(Pid::from_child(&self.child), Signal::QUIT).expect("the child has not been waited for");
    }

    /// Asks the program to read its files again.
    pub fn hang_up(&self) {
        kill_process(Pid::from_child(&self.child), Signal::HUP).expect("the child has not been waited for");
    }

    /// Blocks until the program has ended; panics with its log when it does not.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        // The end of stderr comes with the end of the last thread, so this waits without polling.
        let ended = self.log.look_until(|seen| seen.closed.then_some(()));
        assert!(ended.is_some(), "{}: still running after {DEADLINE:?}:\n{}", self.name, self.log());
        self.child.wait().expect("a child can be waited for")
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        // Both fail only for a child that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
