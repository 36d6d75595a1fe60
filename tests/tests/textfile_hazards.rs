//! What may lie in the directory of text files: each thing costs its own samples, and is named.

use std::fs;
use std::io::{Seek, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use exporter_tests::fixture::Fixture;
use exporter_tests::fuse::{Answer, Call, Mounted, Tree};
use exporter_tests::namespace;
use exporter_tests::page::{Metric, Page, metric};
use exporter_tests::running::Running;
use exporter_tests::skip::skip;
use exporter_tests::wait::until;
use rustix::fs::{CWD, FileType, Mode, mknodat};

/// What Prometheus waits for a page, in seconds.
const WAITS: f64 = 4.0;

fn start(folders: &[String]) -> Running {
    let folders = folders.iter().map(|folder| format!("--collector.textfile.directory={folder}"));
    let args = ["--collector.disable-defaults", "--collector.textfile", "--collector.loadavg"].map(str::to_owned);
    Running::start("node-exporter", &args.into_iter().chain(folders).collect::<Vec<_>>())
}

fn flawed(file: &str, value: f64) -> Metric {
    metric("node_textfile_file_error").label("file", file).value(value)
}

fn error(value: f64) -> Metric {
    metric("node_textfile_scrape_error").value(value)
}

fn success(collector: &str) -> Metric {
    metric("node_scrape_collector_success").label("collector", collector).value(1.0)
}

#[test]
fn what_is_no_text_file_costs_itself() {
    let folder = Fixture::of(&[
        ("good.prom", "# HELP good A file.\n# TYPE good gauge\ngood 1\n"),
        ("broken.prom", "broken 1\nbroken{a=\"2\" 3\n"),
        ("secret.prom", "secret 1\n"),
        ("elsewhere.txt", "linked 1\n"),
    ]);
    let folder = folder.folder("folder.prom").link("loop.prom", "loop.prom").link("nowhere.prom", "nowhere");
    let folder = folder.link("link.prom", "elsewhere.txt").mode("secret.prom", 0);
    mknodat(CWD, folder.path("pipe.prom"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    fs::File::create(folder.path("huge.prom")).unwrap().set_len(1 << 30).unwrap();
    let root_reads_all = fs::read(folder.path("secret.prom")).is_ok();

    let exporter = start(&[folder.root().display().to_string()]);
    let place = |name: &str| folder.path(name).display().to_string();
    let mut blamed = vec![
        ("broken", "line 2"),
        ("folder", "expected a regular file"),
        ("huge", "expected at most"),
        ("loop", "symbolic links"),
        ("nowhere", "No such file"),
        ("pipe", "expected a regular file"),
    ];
    if root_reads_all {
        skip("what_is_no_text_file_costs_itself", "a file that may not be read: this user reads all files");
    } else {
        blamed.push(("secret", "Permission denied"));
    }
    let check = |page: &Page| {
        page.has(metric("good").value(1.0));
        page.has(metric("linked").value(1.0));
        page.lacks(metric("broken"));
        page.has(error(1.0));
        for (name, _) in &blamed {
            page.has(flawed(&place(&format!("{name}.prom")), 1.0));
        }
        let blameless = page.all(&metric("node_textfile_file_error").value(0.0));
        assert_eq!(blameless.len(), if root_reads_all { 3 } else { 2 }, "{blameless:?}");
        page.has(success("textfile"));
        page.has(success("loadavg"));
    };
    check(&exporter.scrape_in_time("/metrics", WAITS));
    let (threads, descriptors) = (exporter.threads(), exporter.descriptors());
    for _ in 0..50 {
        check(&exporter.scrape_in_time("/metrics", WAITS));
    }
    exporter.wait_until_at_most(threads, descriptors);
    // What is refused for its size is not even begun.
    assert!(exporter.peak_memory() < 256 << 20, "{} bytes", exporter.peak_memory());
    for (name, why) in blamed {
        let place = place(&format!("{name}.prom"));
        let told = exporter.log().lines().filter(|line| line.contains(&place) && line.contains(why)).count();
        assert_eq!(told, 1, "{place} and {why:?}, told once and not at each scrape:\n{}", exporter.log());
    }
}

/// A writer that renames is never seen half done; one that writes in place may be, and costs its own file for a moment.
#[test]
fn files_that_are_always_being_written() {
    const ROUNDS: usize = 300;
    let folder = Fixture::of(&[("good.prom", "good 1\n"), ("renamed.prom", ""), ("in_place.prom", "")]);
    let text = |name: &str, round: usize| -> String {
        (0..200).map(|line| format!("{name}{{line=\"{line}\"}} {round}\n")).collect()
    };
    fs::write(folder.path("renamed.prom"), text("renamed", 0)).unwrap();
    let mut in_place = fs::File::create(folder.path("in_place.prom")).unwrap();
    let exporter = start(&[folder.root().display().to_string()]);
    let stop = AtomicBool::new(false);
    let mut descriptors = 0;
    std::thread::scope(|scope| {
        let rounds = || (1..).take_while(|_| !stop.load(Ordering::Relaxed));
        let (first, second) = (rounds(), rounds());
        scope.spawn(|| {
            for round in first {
                fs::write(folder.path("next"), text("renamed", round)).unwrap();
                fs::rename(folder.path("next"), folder.path("renamed.prom")).unwrap();
            }
        });
        scope.spawn(|| {
            for round in second {
                in_place.set_len(0).unwrap();
                in_place.rewind().unwrap();
                in_place.write_all(text("in_place", round).as_bytes()).unwrap();
            }
        });
        let scrapes = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut last = 0.0;
            for round in 0..ROUNDS {
                let page = exporter.scrape_in_time("/metrics", WAITS);
                page.has(metric("good").value(1.0));
                page.has(flawed(&folder.path("good.prom").display().to_string(), 0.0));
                page.has(flawed(&folder.path("renamed.prom").display().to_string(), 0.0));
                let renamed = page.all(&metric("renamed"));
                assert_eq!(renamed.len(), 200, "a whole file");
                assert!(renamed.iter().all(|sample| sample.value == renamed[0].value), "of one moment");
                assert!(renamed[0].value >= last, "and none older than before");
                last = renamed[0].value;
                if round == 10 {
                    descriptors = exporter.descriptors();
                }
            }
            assert!(last > 0.0, "the file was rewritten meanwhile");
        }));
        stop.store(true, Ordering::Relaxed);
        scrapes.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    exporter.wait_until_at_most(exporter.threads(), descriptors);
    let page = exporter.scrape();
    page.has(error(0.0));
    assert_eq!(page.all(&metric("in_place")).len(), 200);
}

/// A mount in this test's own namespace, beside a folder that answers.
struct Folders {
    // Fields are dropped in this order: the mount is gone before its folder is removed.
    mounted: Mounted,
    folder: Fixture,
}

impl Folders {
    fn new(test: &str) -> Option<Self> {
        let folder = Fixture::of(&[("near/good.prom", "good 1\n")]).folder("far");
        let files = [("a.prom", "a 1\n"), ("b.prom", "b 1\n"), ("c.prom", "c 1\n")];
        match Mounted::new("far", Tree::new().files(&files), &folder.path("far")) {
            Ok(mounted) => Some(Self { mounted, folder }),
            Err(e) => {
                skip(test, &format!("no FUSE mount here: {e}"));
                None
            }
        }
    }

    fn start(&self) -> Running {
        start(&["near", "far"].map(|name| self.folder.path(name).display().to_string()))
    }

    fn file(&self, name: &str) -> String {
        self.folder.path("far").join(name).display().to_string()
    }
}

#[test]
fn a_file_that_hangs_costs_itself() {
    let test = "a_file_that_hangs_costs_itself";
    if !namespace::entered(test) {
        return;
    }
    let Some(folders) = Folders::new(test) else { return };
    for call in [Call::Read, Call::Open, Call::Getattr] {
        let exporter = folders.start();
        folders.mounted.set("b.prom", call, Answer::Never);
        let before = folders.mounted.calls("b.prom", call);
        let check = |page: &Page| {
            for name in ["a", "c", "good"] {
                page.has(metric(name).value(1.0));
            }
            page.lacks(metric("b"));
            page.has(error(1.0));
            page.has(flawed(&folders.file("b.prom"), 1.0));
            page.has(flawed(&folders.file("a.prom"), 0.0));
            page.has(success("loadavg"));
            assert_eq!(folders.mounted.waiting(), 1, "one call hangs, and never a second");
        };
        check(&exporter.scrape_in_time("/metrics", WAITS));
        check(&exporter.scrape_in_time("/metrics", WAITS));
        let (threads, descriptors) = (exporter.threads(), exporter.descriptors());
        for _ in 0..50 {
            check(&exporter.scrape_in_time("/metrics", WAITS));
        }
        exporter.wait_until_at_most(threads, descriptors);
        assert_eq!(folders.mounted.calls("b.prom", call) - before, 1);
        let told = |line: &&str| line.contains("b.prom: no answer in time");
        assert_eq!(exporter.log().lines().filter(told).count(), 1, "{}", exporter.log());

        folders.mounted.set("b.prom", call, Answer::Truth);
        until("the file to be read", || {
            let page = exporter.scrape_in_time("/metrics", WAITS);
            let well = page.all(&metric("b").value(1.0)).len() == 1 && page.all(&error(0.0)).len() == 1;
            if well { Ok(()) } else { Err("it is not".to_owned()) }
        });
    }
    let exporter = folders.start();
    folders.mounted.set("b.prom", Call::Read, Answer::Never);
    exporter.scrape_in_time("/metrics", WAITS).lacks(metric("b"));
    assert_eq!(folders.mounted.waiting(), 1);
    let (status, log) = exporter.terminate();
    assert!(status.success(), "{status}\n{log}");
}

/// All files may be stuck at once, and come back one by one.
#[test]
fn files_that_hang_come_back_one_by_one() {
    let test = "files_that_hang_come_back_one_by_one";
    if !namespace::entered(test) {
        return;
    }
    let Some(folders) = Folders::new(test) else { return };
    let files = ["a", "b", "c"];
    for file in files {
        folders.mounted.set(&format!("{file}.prom"), Call::Read, Answer::Never);
    }
    let exporter = folders.start();
    for _ in 0..5 {
        let page = exporter.scrape_in_time("/metrics", WAITS);
        page.has(metric("good").value(1.0));
        assert_eq!(page.all(&metric("node_textfile_file_error").value(1.0)).len(), 3);
        assert_eq!(folders.mounted.waiting(), 3);
    }
    for (back, file) in files.iter().enumerate() {
        folders.mounted.set(&format!("{file}.prom"), Call::Read, Answer::Truth);
        until("the next file to be read", || {
            let page = exporter.scrape_in_time("/metrics", WAITS);
            assert!(page.all(&metric("node_textfile_file_error").value(1.0)).len() <= 3 - back);
            if page.all(&metric(file).value(1.0)).len() == 1 { Ok(()) } else { Err((*file).to_owned()) }
        });
        assert_eq!(folders.mounted.waiting(), 2 - back);
    }
    exporter.scrape_in_time("/metrics", WAITS).has(error(0.0));
}

/// A directory that cannot even be listed costs what is in it, and no other.
#[test]
fn a_folder_that_hangs_costs_its_files() {
    let test = "a_folder_that_hangs_costs_its_files";
    if !namespace::entered(test) {
        return;
    }
    let Some(folders) = Folders::new(test) else { return };
    let exporter = folders.start();
    exporter.scrape_in_time("/metrics", WAITS).has(metric("a").value(1.0));
    folders.mounted.set("", Call::Open, Answer::Never);
    for _ in 0..5 {
        let page = exporter.scrape_in_time("/metrics", WAITS);
        page.has(success("loadavg"));
        page.has(success("textfile"));
        page.has(metric("good").value(1.0));
        page.has(error(1.0));
        for name in ["a.prom", "b.prom", "c.prom"] {
            page.has(flawed(&folders.file(name), 1.0));
        }
        page.lacks(metric("a"));
        assert_eq!(folders.mounted.waiting(), 1, "one call hangs, and never a second");
    }
    exporter.wait_for_line("which it is", |line| line.contains("far: no answer in time").then_some(()));
    folders.mounted.set("", Call::Open, Answer::Truth);
    until("the files to be read", || {
        let page = exporter.scrape_in_time("/metrics", WAITS);
        let well = page.all(&metric("a").value(1.0)).len() == 1 && page.all(&error(0.0)).len() == 1;
        if well { Ok(()) } else { Err("they are not".to_owned()) }
    });
}
