//! Probes that are over: kept for the landing page, `/logs` and whoever wants to know why one failed.
//!
//! The newest `--history.limit` are kept; of those that fall out, the failures go to a second list of the same length, so
//! that a target that fails once a day is still there in the evening.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::module::Module;
use crate::reason::Failure;

/// A probe that is over.
#[derive(Debug)]
pub struct Record {
    /// Number from 0, in the order of their ends.
    pub id: u64,
    /// When it ended.
    pub at: SystemTime,
    /// How it probed.
    pub module: Arc<Module>,
    /// What was probed.
    pub target: String,
    /// The name that the request gave it.
    pub hostname: Option<String>,
    /// How long it took.
    pub took: Duration,
    /// Why it failed; `None` when it did not.
    pub failure: Option<Failure>,
    /// Its log, a line per event.
    pub log: String,
    /// Its page, in the text format.
    pub page: String,
}

impl Record {
    /// The answer to `debug=true`: log, page and module.
    pub fn debug_text(&self) -> String {
        format!(
            "Logs for the probe:\n{}\n\n\nMetrics that would have been returned:\n{}\n\n\nModule configuration:\n{}",
            self.log,
            self.page,
            self.module.shown_with(self.hostname.as_deref())
        )
    }
}

/// Both lists, oldest first.
#[derive(Debug)]
pub struct History {
    limit: usize,
    lists: Mutex<Lists>,
}

#[derive(Debug, Default)]
struct Lists {
    next: u64,
    recent: VecDeque<Arc<Record>>,
    failed: VecDeque<Arc<Record>>,
}

impl History {
    /// Keeps `limit` in each list.
    pub fn new(limit: usize) -> Self {
        Self { limit, lists: Mutex::default() }
    }

    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a probe and gives it its number.
    pub fn add(&self, mut record: Record) -> Arc<Record> {
        let mut lists = self.lists();
        record.id = lists.next;
        lists.next += 1;
        let record = Arc::new(record);
        lists.recent.push_back(Arc::clone(&record));
        while lists.recent.len() > self.limit {
            let Some(oldest) = lists.recent.pop_front() else { break };
            if oldest.failure.is_some() {
                lists.failed.push_back(oldest);
            }
        }
        while lists.failed.len() > self.limit {
            drop(lists.failed.pop_front());
        }
        record
    }

    /// All that are kept: the recent ones, newest first, then the failures that fell out of them, newest first.
    pub fn all(&self) -> Vec<Arc<Record>> {
        let lists = self.lists();
        lists.recent.iter().rev().chain(lists.failed.iter().rev()).cloned().collect()
    }

    /// The probe with a number.
    pub fn by_id(&self, id: u64) -> Option<Arc<Record>> {
        self.all().into_iter().find(|record| record.id == id)
    }

    /// The newest probe of a target, by a module if that is said.
    pub fn newest_of(&self, target: &str, module: Option<&str>) -> Option<Arc<Record>> {
        self.all()
            .into_iter()
            .find(|record| record.target == target && module.is_none_or(|module| record.module.name == module))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::reason::{Phase, Reason};

    fn add(history: &History, target: &str, failed: bool) {
        history.add(Record {
            id: 0,
            at: SystemTime::UNIX_EPOCH,
            module: Arc::new(Module::new("m", config::Module::default())),
            target: target.to_owned(),
            hostname: None,
            took: Duration::ZERO,
            failure: failed.then(|| Failure::new(Phase::Check, Reason::Status, "503")),
            log: String::new(),
            page: String::new(),
        });
    }

    #[test]
    fn failures_outlive_successes() {
        let history = History::new(3);
        for n in 0..8 {
            add(&history, &format!("bad{n}"), true);
        }
        for n in 8..13 {
            add(&history, &format!("good{n}"), false);
        }
        let ids: Vec<u64> = history.all().iter().map(|record| record.id).collect();
        assert_eq!(ids, [12, 11, 10, 7, 6, 5]);
        assert!(history.by_id(12).is_some() && history.by_id(6).is_some() && history.by_id(8).is_none());
    }

    #[test]
    fn the_newest_of_a_target_is_found() {
        let history = History::new(10);
        for target in ["a", "b", "a"] {
            add(&history, target, false);
        }
        assert_eq!(history.newest_of("a", None).map(|record| record.id), Some(2));
        assert_eq!(history.newest_of("b", Some("m")).map(|record| record.id), Some(1));
        assert!(history.newest_of("b", Some("n")).is_none() && history.newest_of("c", None).is_none());
    }

    #[test]
    fn no_limit_keeps_nothing() {
        let history = History::new(0);
        add(&history, "a", true);
        assert!(history.all().is_empty());
    }
}
