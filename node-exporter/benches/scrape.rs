//! What a scrape costs, over the fixture tree `node` and over this machine, beside the least it could cost.
//!
//! * `scrape`: the engine with all collectors that are on by default, and the program's own series: all that happens
//!   between the request and the body of the answer.
//! * `floor`: the system calls that the scrape makes for its data, made again by one thread, into one buffer that nobody
//!   reads. What a scrape takes beyond them is ours.
//! * Allocations: counted over whole scrapes after the buffers have grown.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a bench stops when it cannot go on, and prints"
)]

mod floor;

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::app;
use common::cli::{self, Parsed};
use common::collector::Row;
use common::exposition::{Format, Page};
use common::instruments::Instruments;
use common::scrape::{Engine, Request};
use common::source::Answer;
use criterion::Criterion;
use node_exporter::PROGRAM;
use rustix::time::{ClockId, clock_gettime};

use crate::floor::Floor;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

/// The system's allocator, counted.
struct Counting;

#[expect(unsafe_code, reason = "the only way to count allocations is to be the allocator; a bench's alone")]
// SAFETY: every call is passed on to the system's allocator as it came; the counters allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the promises that `alloc` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller got `pointer` from `alloc` above, thus from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: as for `dealloc`; the caller answers for `size`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn count(bytes: usize) {
    ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    BYTES.fetch_add(bytes as u64, Ordering::Relaxed);
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// An engine over a place, and the program's own instruments.
struct Scraped {
    engine: Engine,
    instruments: Instruments,
}

impl Scraped {
    /// `flags` as on the command line.
    fn new(flags: &[String]) -> Self {
        let line = std::iter::once("node-exporter".to_owned()).chain(flags.iter().cloned());
        let parsed = cli::parse(PROGRAM.name, PROGRAM.about, &app::groups(&PROGRAM), line, |_| None);
        let Ok(Parsed::Run { args, .. }) = parsed else { unreachable!("bad flags: {flags:?}") };
        let rows: Vec<&'static Row> = PROGRAM.rows.iter().copied().filter(|row| row.on).collect();
        Self {
            engine: Engine::new(node_exporter::PREFIX, &rows, &Arc::new(args)).unwrap(),
            instruments: Instruments::default(),
        }
    }

    fn scrape(&self, gzip: bool) -> Answer {
        let deadline = Instant::now() + Duration::from_secs(30);
        let request = Request { only: None, deadline, format: Format::Text, gzip };
        let own = |page: &mut Page| {
            common::build_info::encode(PROGRAM.exporter, page);
            self.instruments.encode(page);
        };
        self.engine.scrape(&request, own).unwrap()
    }
}

/// CPU time of `work` in this whole process, per round.
fn cpu_time(mut work: impl FnMut()) -> Duration {
    const ROUNDS: u32 = 50;
    let now = || Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap();
    let before = now();
    for _ in 0..ROUNDS {
        work();
    }
    (now() - before) / ROUNDS
}

/// How far a scrape is from its floor: medians of rounds that alternate, so that both see the same machine.
fn compare(place: &str, scraped: &Scraped, floor: &mut Floor) {
    let (mut plain, mut gzip, mut least) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..21 {
        plain.push(cpu_time(|| drop(scraped.scrape(false))));
        gzip.push(cpu_time(|| drop(scraped.scrape(true))));
        least.push(cpu_time(|| _ = floor.replay()));
    }
    let [plain, gzip, least] = [plain, gzip, least].map(|mut times| {
        times.sort();
        times[times.len() / 2]
    });
    let times = |of: Duration| of.as_secs_f64() / least.as_secs_f64();
    println!(
        "{place}: CPU time {plain:?} plain, {gzip:?} gzip, {least:?} floor: {:.2} and {:.2} times the floor",
        times(plain),
        times(gzip)
    );
}

fn measure(c: &mut Criterion, place: &str, flags: &[String]) {
    let scraped = Scraped::new(flags);
    for _ in 0..20 {
        scraped.scrape(false);
        scraped.scrape(true);
    }
    let sizes = (scraped.scrape(false).body.into_bytes().len(), scraped.scrape(true).body.into_bytes().len());
    println!("{place}: {} bytes, {} compressed", sizes.0, sizes.1);
    for (name, gzip) in [("plain", false), ("gzip", true)] {
        const ROUNDS: u64 = 50;
        let before = (ALLOCATIONS.load(Ordering::Relaxed), BYTES.load(Ordering::Relaxed));
        for _ in 0..ROUNDS {
            scraped.scrape(gzip);
        }
        let after = (ALLOCATIONS.load(Ordering::Relaxed), BYTES.load(Ordering::Relaxed));
        let (allocations, bytes) = ((after.0 - before.0) / ROUNDS, (after.1 - before.1) / ROUNDS);
        println!("{place}: {allocations} allocations of {bytes} bytes in all per {name} scrape");
    }
    let mut group = c.benchmark_group(place);
    group.bench_function("scrape", |b| b.iter(|| scraped.scrape(false)));
    group.bench_function("scrape, gzip", |b| b.iter(|| scraped.scrape(true)));
    match floor::record(|| drop(scraped.scrape(true))) {
        Ok(mut floor) => {
            println!("{place}: the floor is {:?}", floor.counts);
            if !floor.missing.is_empty() {
                println!("{place}: and not {:?}", floor.missing);
            }
            let succeeded = floor.replay();
            if succeeded != floor.succeeded {
                println!("{place}: {succeeded} calls of the floor succeed, and {} did in the scrape", floor.succeeded);
            }
            group.bench_function("floor", |b| b.iter(|| floor.replay()));
            group.finish();
            compare(place, &scraped, &mut floor);
        }
        Err(e) => println!("{place}: no floor, which takes strace and its permission to look at this process: {e}"),
    }
}

fn main() {
    common::process::raise_descriptor_limit();
    let mut criterion = Criterion::default().configure_from_args();
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/node");
    let tree_name = tree.to_str().unwrap();
    let mut flags: Vec<String> =
        [("path.procfs", "proc"), ("path.sysfs", "sys"), ("path.udev.data", "udev"), ("path.rootfs", "root")]
            .iter()
            .map(|(flag, folder)| format!("--{flag}={tree_name}/{folder}"))
            .collect();
    let more = fs::read_to_string(tree.join("flags")).unwrap();
    flags.extend(more.lines().map(|flag| flag.replace("{tree}", tree_name)));
    measure(&mut criterion, "node", &flags);
    measure(&mut criterion, "live", &[]);
    criterion.final_summary();
}
