//! The scrape: runs the collectors under one deadline and joins what they wrote.
//!
//! Each collector fails alone. An error costs its samples, a panic costs its samples and its state, and one that does
//! not come back in time costs its samples until it does; it is not started a second time meanwhile.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::collector::{Collector, Row, Scrape};
use crate::crew::{Crew, Job};
use crate::error::{CollectError, ConfigError, Reason};
use crate::exposition::{Desc, Format, Hides, Page};
use crate::flags::{Args, Flag};
use crate::render::Renderer;
use crate::source::{Answer, Standing};

/// How long the other collectors wait behind a slow one before a second thread goes on with them.
const PATIENCE: Duration = Duration::from_millis(100);
/// What a collector gets that was too late the last time.
const SECOND_CHANCE: Duration = Duration::from_secs(1);
/// How many places are told of the faults of one collector.
const MOST_PLACES: usize = 20;

/// Whether the page says why a collector has no samples, and what it could not read.
pub const REASONS: Flag =
    Flag::switch("scrape.reasons", true, "Series that say why a collector failed, and at which devices and files.");

/// What a request wants.
#[derive(Clone, Debug)]
pub struct Request {
    /// Collectors to run, by position in [`Engine::names`]; `None` for all.
    pub only: Option<Vec<usize>>,
    /// When the answer has to be on its way.
    pub deadline: Instant,
    /// The text format.
    pub format: Format,
    /// Whether to compress the body.
    pub gzip: bool,
}

/// The collectors of a program and what is kept between scrapes. Scrapes take turns.
pub struct Engine {
    names: Vec<&'static str>,
    inner: Mutex<Inner>,
    standings: Mutex<Vec<Standing>>,
}

struct Inner {
    crew: Crew<Box<Task>>,
    /// `None` while a collector is out with a late job.
    idle: Vec<Option<Box<Task>>>,
    was_late: Vec<bool>,
    renderer: Renderer,
    /// What is told of the collectors, and what the caller adds.
    tail: Page,
    names_of: Names,
    /// Whether reasons and faults are told, too.
    reasons: bool,
}

/// The families about the collectors.
struct Names {
    duration: String,
    success: String,
    reason: String,
    faults: String,
}

struct Task {
    index: usize,
    row: &'static Row,
    args: Arc<Args>,
    collector: Box<dyn Collector>,
    page: Page,
    deadline: Instant,
    took: Duration,
    result: Result<(), CollectError>,
    faults: Vec<CollectError>,
}

impl Job for Box<Task> {
    fn run(&mut self) {
        self.page.clear();
        let (started, mut cx) = (Instant::now(), Scrape::new(self.deadline));
        self.result = self.collector.update(&mut cx, &mut self.page);
        self.page.finish();
        self.faults = cx.into_faults();
        self.took = started.elapsed();
    }

    fn panicked(&mut self, message: String) {
        // A line may have been cut off in the middle, and the state may be anything: start over.
        self.page = self.page.anew();
        self.faults.clear();
        self.result = Err(CollectError::panicked("", &message));
        match (self.row.new)(&self.args) {
            Ok(collector) => self.collector = collector,
            Err(e) => tracing::error!(collector = self.row.name, "not restarted after a panic: {e}"),
        }
    }
}

impl Engine {
    /// Makes the collectors of `rows`; `prefix` begins the names of the series about them, as in
    /// `node_scrape_collector_success`.
    ///
    /// Fails with every mistake that a constructor found in its flags.
    pub fn new(prefix: &str, rows: &[&'static Row], args: &Arc<Args>) -> Result<Self, Vec<ConfigError>> {
        let (mut idle, mut mistakes) = (Vec::new(), Vec::new());
        for (index, &row) in rows.iter().enumerate() {
            match (row.new)(args) {
                Ok(collector) => idle.push(Some(Box::new(Task {
                    index,
                    row,
                    args: Arc::clone(args),
                    collector,
                    page: if row.yields { Page::yielding() } else { Page::default() },
                    deadline: Instant::now(),
                    took: Duration::ZERO,
                    result: Ok(()),
                    faults: Vec::new(),
                }))),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let names: Vec<&'static str> = rows.iter().map(|row| row.name).collect();
        Ok(Self {
            standings: Mutex::new(names.iter().copied().map(Standing::new).collect()),
            inner: Mutex::new(Inner {
                // One thread per collector is the most that can ever be stuck, and one goes on with the rest.
                crew: Crew::new("collect", PATIENCE, names.len() + 1),
                was_late: vec![false; names.len()],
                idle,
                renderer: Renderer::default(),
                tail: Page::default(),
                names_of: Names {
                    duration: format!("{prefix}_scrape_collector_duration_seconds"),
                    success: format!("{prefix}_scrape_collector_success"),
                    reason: format!("{prefix}_scrape_collector_reason"),
                    faults: format!("{prefix}_scrape_collector_faults"),
                },
                reasons: args.is_on(REASONS.name) == Some(true),
            }),
            names,
        })
    }

    /// The same engine, which leaves out the families for which `hides` holds.
    #[must_use]
    pub fn hiding(mut self, hides: &Hides) -> Self {
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        for page in inner.idle.iter_mut().flatten().map(|task| &mut task.page).chain([&mut inner.tail]) {
            *page = page.anew().hiding(Some(Arc::clone(hides)));
        }
        self
    }

    /// Names of the collectors, in the order of their rows.
    pub fn names(&self) -> &[&'static str] {
        &self.names
    }

    /// How each collector fared the last time.
    pub fn standings(&self) -> Vec<Standing> {
        self.standings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs a scrape on the calling thread, which it blocks until the page is ready, at the latest a moment after the
    /// deadline. `own` adds the program's own series.
    ///
    /// Gives `None` if earlier scrapes took all the time there was.
    pub fn scrape(&self, request: &Request, own: impl FnOnce(&mut Page)) -> Option<Answer> {
        // A panic in here would be our bug; the state it left is no worse than that of a collector that panicked.
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if Instant::now() >= request.deadline {
            return None;
        }
        Some(inner.scrape(request, own, &self.names, &self.standings))
    }
}

impl Inner {
    fn scrape(
        &mut self,
        request: &Request,
        own: impl FnOnce(&mut Page),
        names: &[&'static str],
        standings: &Mutex<Vec<Standing>>,
    ) -> Answer {
        let started = Instant::now();
        let wanted = |index: usize| request.only.as_ref().is_none_or(|only| only.contains(&index));
        let mut ran = vec![false; names.len()];
        for second_chance in [false, true] {
            let deadline = match second_chance {
                true => request.deadline.min(Instant::now() + SECOND_CHANCE),
                false => request.deadline,
            };
            let jobs: Vec<Box<Task>> = (self.idle.iter_mut().zip(&self.was_late).enumerate())
                .filter(|(index, (_, late))| wanted(*index) && **late == second_chance)
                .filter_map(|(_, (slot, _))| slot.take())
                .map(|mut task| {
                    task.deadline = deadline;
                    task
                })
                .collect();
            if jobs.is_empty() && second_chance {
                continue;
            }
            let round = self.crew.run(jobs, deadline);
            for task in round.done {
                if let Some(ran) = ran.get_mut(task.index) {
                    *ran = true;
                }
                self.put_back(task);
            }
            for task in round.returned.into_iter().chain(round.skipped) {
                self.put_back(task);
            }
        }
        self.tail.clear();
        let mut complete = true;
        let mut standings = standings.lock().unwrap_or_else(PoisonError::into_inner);
        let of = &self.names_of;
        let duration = Desc::gauge(&of.duration, "Time the collector took in this scrape.", &["collector"]);
        let success = Desc::gauge(&of.success, "Whether the collector could do all it is there for.", &["collector"]);
        let reason = Desc::gauge(
            &of.reason,
            "What became of the collector: ok, no_data, permission, error, timeout, panic; always 1.",
            &["collector", "reason"],
        );
        let faults = Desc::gauge(
            &of.faults,
            "Devices and files that could not be read in this scrape; without a place, those beyond the first 20.",
            &["collector", "place", "reason"],
        );
        for (index, ((&ran, name), late)) in ran.iter().zip(names).zip(&mut self.was_late).enumerate() {
            if !wanted(index) {
                continue;
            }
            *late = !ran;
            let task = self.idle.get(index).and_then(Option::as_deref).filter(|_| ran);
            let verdict = Verdict::of(task, started);
            self.tail.sample(&duration, &[name], verdict.took.as_secs_f64());
            self.tail.sample(&success, &[name], if verdict.complaint.is_none() { 1.0 } else { 0.0 });
            complete &= verdict.complaint.is_none() || verdict.no_data();
            if self.reasons {
                self.tail.sample(&reason, &[*name, verdict.reason.map_or("ok", Reason::as_str)], 1.0);
                for (place, why, times) in task.map(places).unwrap_or_default() {
                    self.tail.sample(&faults, &[name.as_bytes(), place, why.as_bytes()], f64::from(times));
                }
            }
            if let Some(standing) = standings.get_mut(index) {
                verdict.log_change(standing);
                standing.took = Some(verdict.took);
                standing.no_data = verdict.no_data();
                standing.complaint = verdict.complaint;
            }
        }
        drop(standings);
        own(&mut self.tail);
        self.tail.finish();
        self.render(request, &ran, complete)
    }

    fn put_back(&mut self, task: Box<Task>) {
        if let Some(slot) = self.idle.get_mut(task.index) {
            *slot = Some(task);
        }
    }

    fn render(&mut self, request: &Request, ran: &[bool], complete: bool) -> Answer {
        let tasks = self.idle.iter().zip(ran).filter(|(_, ran)| **ran).filter_map(|(task, _)| task.as_deref());
        let pages: Vec<&Page> = tasks.map(|task| &task.page).chain([&self.tail]).collect();
        let (body, refused) = self.renderer.body(&pages, None, request.format, request.gzip);
        Answer { body, refused, complete }
    }
}

/// The places of a collector's faults with the reason and how often that was so.
fn places(task: &Task) -> Vec<(&[u8], &'static str, u32)> {
    let mut places: Vec<(&[u8], &'static str, u32)> = Vec::new();
    let failure = task.result.as_ref().err().filter(|e| !e.place().is_empty());
    for fault in task.faults.iter().chain(failure) {
        let (place, why) = (fault.place(), fault.reason().as_str());
        let known = |place: &[u8]| places.iter().position(|known| known.0 == place && known.1 == why);
        let full = || places.iter().filter(|known| !known.0.is_empty()).count() >= MOST_PLACES;
        let (place, at) = match known(place) {
            None if full() => (b"".as_slice(), known(b"")),
            at => (place, at),
        };
        match at.and_then(|at| places.get_mut(at)) {
            Some(known) => known.2 += 1,
            None => places.push((place, why, 1)),
        }
    }
    places
}

/// What is to be said of one collector after a scrape.
struct Verdict {
    took: Duration,
    complaint: Option<String>,
    /// `None` when all was well.
    reason: Option<Reason>,
    /// Further faults of the same scrape; the first one is the complaint.
    more: Vec<String>,
}

impl Verdict {
    fn of(task: Option<&Task>, started: Instant) -> Self {
        let Some(task) = task else {
            let complaint = Some("no answer before the deadline of the scrape".to_owned());
            return Self { took: started.elapsed(), complaint, reason: Some(Reason::Timeout), more: Vec::new() };
        };
        let failures = task.faults.iter().chain(task.result.as_ref().err());
        let reason = failures.clone().map(CollectError::reason).max();
        let mut complaints = failures.map(ToString::to_string);
        Self { took: task.took, complaint: complaints.next(), reason, more: complaints.take(9).collect() }
    }

    fn no_data(&self) -> bool {
        self.reason == Some(Reason::NoData)
    }

    /// One line when something changes, not one per scrape.
    fn log_change(&self, before: &Standing) {
        let (name, duration_seconds) = (before.name.as_str(), self.took.as_secs_f64());
        match &self.complaint {
            None if before.complaint.as_ref().is_some_and(|_| !before.no_data) => {
                tracing::info!(name, duration_seconds, "collector is well again");
            }
            None => tracing::debug!(name, duration_seconds, "collector succeeded"),
            Some(err) if self.no_data() => tracing::debug!(name, duration_seconds, err, "collector returned no data"),
            Some(err) if before.complaint.as_ref() == Some(err) => {
                tracing::debug!(name, duration_seconds, err, "collector failed again");
            }
            Some(err) => {
                tracing::error!(name, duration_seconds, err, "collector failed");
                for err in &self.more {
                    tracing::error!(name, err, "collector failed");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Body;
    use crate::flags::Flag;
    use std::sync::atomic::{AtomicU32, Ordering};

    const UP: Desc = Desc::gauge("test_up", "Up.", &[]);
    const BAD: Desc = Desc::gauge("test_bad", "Bad.", &["device"]);

    struct Act(fn(&mut Scrape, &mut Page) -> Result<(), CollectError>);

    impl Collector for Act {
        fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
            (self.0)(cx, page)
        }
    }

    static GOOD: Row = Row::on("good", "", &[], |_| {
        Ok(Box::new(Act(|_, page| {
            page.sample::<&str>(&UP, &[], 1.0);
            Ok(())
        })))
    });
    static PANICS: Row = Row::on("panics", "", &[], |_| {
        Ok(Box::new(Act(|_, page| {
            page.sample(&BAD, &["x"], 1.0);
            panic!("oh no")
        })))
    });
    static PART: Row = Row::on("part", "", &[], |_| {
        Ok(Box::new(Act(|cx, page| {
            page.sample(&BAD, &["kept"], 1.0);
            cx.fault(CollectError::failed("one device is gone"));
            Ok(())
        })))
    });
    static NOTHING: Row =
        Row::on("nothing", "", &[], |_| Ok(Box::new(Act(|_, _| Err(CollectError::no_data("none here"))))));
    static MANY: Row = Row::on("many", "", &[], |_| {
        Ok(Box::new(Act(|cx, _| {
            for device in 0..40 {
                cx.fault(CollectError::timed_out(format!("d{device}")));
            }
            cx.fault(CollectError::failed("d1: broken"));
            cx.fault(CollectError::timed_out("d2"));
            Err(CollectError::no_data("none"))
        })))
    });
    static REFUSES: Row = Row::on("refuses", "", &[], |_| Err(ConfigError::new("--x: no")));

    fn engine(rows: &[&'static Row]) -> Engine {
        Engine::new("test", rows, &Arc::new(Args::defaults(&[] as &[Flag]))).unwrap()
    }

    fn scrape(engine: &Engine, only: Option<Vec<usize>>, within: Duration) -> (String, Answer) {
        let deadline = Instant::now() + within;
        let request = Request { only, deadline, format: Format::Text, gzip: false };
        let answer = engine.scrape(&request, |_| {}).unwrap();
        let Answer { body, refused, complete } = answer;
        let page = String::from_utf8(body.into_bytes()).unwrap();
        (page, Answer { body: Body::Whole(Vec::new()), refused, complete })
    }

    fn success(page: &str, name: &str) -> Option<bool> {
        let line = format!("test_scrape_collector_success{{collector=\"{name}\"}} ");
        page.lines().find_map(|l| l.strip_prefix(&line)).map(|value| value == "1")
    }

    #[test]
    fn each_fails_alone() {
        let engine = engine(&[&GOOD, &PANICS, &PART, &NOTHING]);
        for _ in 0..3 {
            let (page, answer) = scrape(&engine, None, Duration::from_secs(60));
            assert!(page.contains("\ntest_up 1\n"), "{page}");
            assert!(page.contains("test_bad{device=\"kept\"} 1\n"), "{page}");
            assert!(!page.contains("device=\"x\""), "{page}");
            let of = |name| success(&page, name);
            assert_eq!(
                (of("good"), of("panics"), of("part"), of("nothing")),
                (Some(true), Some(false), Some(false), Some(false))
            );
            assert!(!answer.complete && !answer.refused);
        }
        let standings = engine.standings();
        assert_eq!(standings[1].complaint.as_deref(), Some("panicked: oh no"));
        assert!(standings[3].no_data);
    }

    #[test]
    fn the_page_says_why_and_where() {
        let rows: &[&Row] = &[&GOOD, &PANICS, &PART, &NOTHING, &MANY];
        let args = Arc::new(Args::defaults([&REASONS]));
        let engine = Engine::new("test", rows, &args).unwrap();
        let (page, _) = scrape(&engine, None, Duration::from_secs(60));
        for (name, reason) in
            [("good", "ok"), ("panics", "panic"), ("part", "error"), ("nothing", "no_data"), ("many", "timeout")]
        {
            let line = format!("test_scrape_collector_reason{{collector=\"{name}\",reason=\"{reason}\"}} 1\n");
            assert!(page.contains(&line), "{page}");
        }
        let faults: Vec<&str> = page.lines().filter_map(|l| l.strip_prefix("test_scrape_collector_faults")).collect();
        assert_eq!(faults.len(), 1 + 20 + 2, "{page}");
        for fault in [
            "{collector=\"part\",place=\"\",reason=\"error\"} 1",
            "place=\"d2\",reason=\"timeout\"} 2",
            "place=\"\",reason=\"timeout\"} 20",
        ] {
            assert!(faults.iter().any(|line| line.ends_with(fault)), "{fault}: {page}");
        }
        let (page, _) = scrape(&self::engine(rows), None, Duration::from_secs(60));
        assert!(!page.contains("reason=") && !page.contains("faults"), "a switch leaves them out: {page}");
    }

    #[test]
    fn a_selection_runs_alone() {
        let engine = engine(&[&GOOD, &PART]);
        let (page, answer) = scrape(&engine, Some(vec![0]), Duration::from_secs(60));
        assert_eq!((success(&page, "good"), success(&page, "part")), (Some(true), None));
        assert!(answer.complete);
    }

    #[test]
    fn families_may_be_left_out() {
        let engine = engine(&[&GOOD, &PANICS, &PART]).hiding(&(Arc::new(|name: &str| name.ends_with("_bad")) as Hides));
        for _ in 0..3 {
            let (page, _) = scrape(&engine, None, Duration::from_secs(60));
            assert!(page.contains("\ntest_up 1\n") && !page.contains("test_bad"), "{page}");
            assert_eq!(success(&page, "part"), Some(false), "{page}");
        }
    }

    #[test]
    fn mistakes_come_all_at_once() {
        let mistakes = Engine::new("test", &[&REFUSES, &GOOD, &REFUSES], &Arc::default()).err().unwrap();
        assert_eq!(mistakes.len(), 2);
    }

    static GATE: Mutex<()> = Mutex::new(());
    static RUNS: AtomicU32 = AtomicU32::new(0);
    /// The time limit that the stuck collector was given last.
    static LIMIT: Mutex<Option<Instant>> = Mutex::new(None);
    static STUCK: Row = Row::on("stuck", "", &[], |_| {
        Ok(Box::new(Act(|cx, _| {
            RUNS.fetch_add(1, Ordering::SeqCst);
            *LIMIT.lock().unwrap() = Some(cx.deadline);
            drop(GATE.lock());
            Ok(())
        })))
    });

    #[test]
    fn a_stuck_collector_is_left_behind_and_taken_back() {
        let engine = engine(&[&STUCK, &GOOD]);
        let gate = GATE.lock().unwrap();
        for _ in 0..5 {
            let (page, _) = scrape(&engine, None, Duration::from_millis(300));
            assert_eq!((success(&page, "stuck"), success(&page, "good")), (Some(false), Some(true)), "{page}");
        }
        assert_eq!(RUNS.load(Ordering::SeqCst), 1, "it is not started again while it is out");
        drop(gate);
        let far = Duration::from_secs(60);
        while !success(&scrape(&engine, None, far).0, "stuck").unwrap() {}
        assert_eq!(RUNS.load(Ordering::SeqCst), 2);
        let limit = || LIMIT.lock().unwrap().unwrap();
        assert!(limit() < Instant::now() + far / 2, "who was late gets little time at first");
        scrape(&engine, None, far);
        assert!(limit() > Instant::now() + far / 2, "and all of it once it was in time");
    }

    #[test]
    fn no_time_left_is_no_answer() {
        let request = Request { only: None, deadline: Instant::now(), format: Format::Text, gzip: false };
        assert!(engine(&[&GOOD]).scrape(&request, |_| {}).is_none());
    }
}
