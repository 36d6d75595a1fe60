//! How many instructions a scrape takes, by what they are for; compared with committed figures, as time on a shared machine
//! says little and instructions hardly vary.
//!
//! * The program of the profile `measure` runs under callgrind and is scraped over the fixture tree `node` as Prometheus does:
//!   compressed, on one connection.
//! * What start and warm-up cost falls out: it runs twice, with more scrapes the second time, and the difference is shared out.
//! * valgrind shows the program the same processor wherever the real one has AVX2, so the figures are those of any machine.
//! * `make counts` rewrites the figures; the difference is the review.

use std::fmt::Write as _;
use std::io::{BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::{env, fs, thread};

use exporter_tests::callgrind::{Profile, Split};
use exporter_tests::client::{Response, connect};
use exporter_tests::running::Running;
use exporter_tests::skip::skip;

/// Scrapes of the short run and of the long one.
const SCRAPES: [u32; 2] = [10, 60];

/// How far a part may be from its figure, as a share of that; and all parts together. Ten runs, half of them on a machine with
/// too much to do, were within 1.1 % and 0.15 %; what differs is how threads meet, hash seeds and the digits of times.
const PART_TOLERANCE: f64 = 0.03;
const TOTAL_TOLERANCE: f64 = 0.015;
/// A share of all instructions: less is not worth a word. In the smallest part, that is a tenth.
const LEAST: f64 = 0.002;
/// Functions shown for each part.
const LARGEST: usize = 30;
/// A change is one that is there in so many measurements.
const ATTEMPTS: u32 = 3;

const HEADER: &str = "\
# Instructions that one compressed scrape of the default collectors over the fixture tree `node` takes outside of the kernel.
# Made by `make counts`, held by tests/tests/instructions.rs.
";

/// What instructions are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// System calls that get data.
    Read,
    /// From texts to numbers, and which devices are wanted.
    Parse,
    /// From numbers to a page.
    Encode,
    /// gzip.
    Compress,
    /// HTTP, the threads and what passes between them.
    Serve,
}

const PARTS: &[(Part, &str)] = &[
    (Part::Read, "read"),
    (Part::Parse, "parse"),
    (Part::Encode, "encode"),
    (Part::Compress, "compress"),
    (Part::Serve, "serve"),
];

/// The part that a source file belongs to: the first row with a beginning of its path. What is not here works for its callers.
const FILES: &[(&str, Part)] = &[
    ("common/exposition/", Part::Encode),
    ("common/src/render.rs", Part::Encode),
    ("common/src/body.rs", Part::Encode),
    ("common/src/gzip.rs", Part::Compress),
    ("common/src/fields.rs", Part::Parse),
    ("common/src/filter.rs", Part::Parse),
    ("common/src/process.rs", Part::Parse),
    ("common/src/", Part::Serve),
    ("node-exporter/src/fs.rs", Part::Read),
    ("node-exporter/src/fs/", Part::Read),
    ("node-exporter/src/", Part::Parse),
];

/// The same for the libraries that have a purpose of their own.
const LIBRARIES: &[(&str, Part)] = &[
    ("rustix", Part::Read),
    ("linux-raw-sys", Part::Read),
    ("regex-lite", Part::Parse),
    ("itoa", Part::Encode),
    ("zmij", Part::Encode),
    ("flate2", Part::Compress),
    ("zlib-rs", Part::Compress),
    ("axum", Part::Serve),
    ("axum-core", Part::Serve),
    ("http", Part::Serve),
    ("httparse", Part::Serve),
    ("hyper", Part::Serve),
    ("hyper-util", Part::Serve),
    ("mio", Part::Serve),
    ("tokio", Part::Serve),
    ("tracing", Part::Serve),
    ("tracing-core", Part::Serve),
];

fn part_of(file: &str) -> Option<Part> {
    if let Some((_, path)) = file.split_once("/registry/src/") {
        // <registry>/itoa-1.0.15/src/lib.rs
        let (name, _version) = path.split('/').nth(1)?.rsplit_once('-')?;
        return LIBRARIES.iter().find(|(library, _)| *library == name).map(|(_, part)| *part);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let file = Path::new(file).strip_prefix(root).unwrap_or(Path::new(file)).to_str()?;
    FILES.iter().find(|(start, _)| file.starts_with(start)).map(|(_, part)| *part)
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Flags for the fixture tree.
fn flags() -> Vec<String> {
    let tree = repository().join("node-exporter/tests/fixtures/node");
    let tree = tree.to_str().unwrap();
    let roots = [("path.procfs", "proc"), ("path.sysfs", "sys"), ("path.udev.data", "udev"), ("path.rootfs", "root")];
    let roots = roots.iter().map(|(flag, folder)| format!("--{flag}={tree}/{folder}"));
    let more = fs::read_to_string(Path::new(tree).join("flags")).unwrap();
    roots.chain(more.lines().map(|flag| flag.replace("{tree}", tree))).collect()
}

/// Where callgrind writes what a run with as many scrapes cost.
fn costs(scrapes: u32) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("callgrind.{scrapes}.out"))
}

/// The split of a run with as many scrapes.
fn run(scrapes: u32) -> Split<Part> {
    let out = format!("--callgrind-out-file={}", costs(scrapes).display());
    let wrapper = ["valgrind", "--quiet", "--tool=callgrind", &out];
    let exporter = Running::start_release_under(&wrapper, "node-exporter", &flags());
    let mut socket = connect(exporter.address()).unwrap();
    let mut answers = BufReader::new(socket.try_clone().unwrap());
    for _ in 0..scrapes {
        socket.write_all(b"GET /metrics HTTP/1.1\r\nHost: exporter\r\nAccept-Encoding: gzip\r\n\r\n").unwrap();
        let answer = Response::read(&mut answers, false).unwrap();
        assert!(answer.status == 200 && answer.is_gzip(), "{answer:?}");
    }
    let (status, log) = exporter.terminate();
    assert!(status.success(), "{status}: {log}");
    let costs = fs::read_to_string(costs(scrapes)).unwrap();
    Profile::parse(&costs).unwrap().split(part_of)
}

/// The split of one scrape; what both runs did once falls out.
fn per_scrape() -> Split<Part> {
    let [few, many] =
        thread::scope(|scope| SCRAPES.map(|scrapes| scope.spawn(move || run(scrapes))).map(|run| run.join().unwrap()));
    let scrapes = f64::from(SCRAPES[1] - SCRAPES[0]);
    let of = |(what, many): (_, f64)| {
        let few = few.get(&what).copied().unwrap_or_default();
        (what, (many - few) / scrapes)
    };
    many.into_iter().map(of).collect()
}

/// Instructions by name of the part, in the order of the committed file.
fn figures(split: &Split<Part>) -> Vec<(String, f64)> {
    // What only the start did differs by a few instructions from run to run; the difference may be less than nothing.
    let sum = |part| split.iter().filter(|((of, _), _)| *of == part).map(|(_, n)| n).sum::<f64>().max(0.0);
    let parts = PARTS.iter().map(|(part, name)| ((*name).to_owned(), sum(Some(*part))));
    let mut figures: Vec<_> = parts.chain([("rest".to_owned(), sum(None))]).collect();
    figures.push(("total".to_owned(), figures.iter().map(|(_, instructions)| instructions).sum()));
    figures
}

fn written(figures: &[(String, f64)]) -> String {
    let mut text = HEADER.to_owned();
    for (name, instructions) in figures {
        writeln!(text, "{name:9}{instructions:>9.0}").unwrap();
    }
    text
}

fn read(text: &str) -> Vec<(String, f64)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let figure = |line: &str| {
        let (name, instructions) = line.split_once(' ')?;
        Some((name.to_owned(), instructions.trim().parse().ok()?))
    };
    lines.map(|line| figure(line).unwrap_or_else(|| panic!("no figure: {line:?}"))).collect()
}

/// The parts that take clearly more or less than they did.
fn changes(was: &[(String, f64)], is: &[(String, f64)]) -> Vec<String> {
    let all = is.last().map_or(0.0, |(_, instructions)| *instructions);
    let change = |(name, is): &(String, f64)| {
        let Some((_, was)) = was.iter().find(|(of, _)| of == name) else { return Some(format!("{name} is new")) };
        let tolerated = if name == "total" { TOTAL_TOLERANCE * was } else { (PART_TOLERANCE * was).max(LEAST * all) };
        let percent = (is - was) / was * 100.0;
        let more = if is > was { "more" } else { "less" };
        ((is - was).abs() > tolerated)
            .then(|| format!("{name}: {percent:+.1} %, {is:.0} instructions per scrape and thus {more} than {was:.0}"))
    };
    is.iter().filter_map(change).collect()
}

/// The functions that a part mostly consists of.
fn largest(split: &Split<Part>, part: Option<Part>) -> Vec<(&str, f64)> {
    let of = split.iter().filter(|((of, _), _)| *of == part);
    let mut functions: Vec<_> = of.map(|((_, name), instructions)| (name.as_str(), *instructions)).collect();
    functions.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    functions.truncate(LARGEST);
    functions
}

#[test]
fn a_scrape_takes_the_instructions_it_took() {
    if !cfg!(target_arch = "x86_64") || !has_avx2() {
        return skip("a_scrape_takes_the_instructions_it_took", "the figures are those of x86-64 with AVX2");
    }
    let split = per_scrape();
    let mut is = figures(&split);
    let file = repository().join("node-exporter/benches/instructions.txt");
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&file, written(&is)).unwrap();
        for (part, name) in PARTS.iter().map(|(part, name)| (Some(*part), *name)).chain([(None, "rest")]) {
            println!("\n{name}");
            for (function, instructions) in largest(&split, part) {
                println!("{instructions:>9.0} {function}");
            }
        }
        println!("\n{}", written(&is));
        return;
    }
    let was = read(&fs::read_to_string(&file).unwrap());
    let mut found = changes(&was, &is);
    // On a busy machine threads may be woken once more per scrape; a change of the program is there each time.
    for _ in 1..ATTEMPTS {
        if found.is_empty() {
            break;
        }
        is = figures(&per_scrape());
        found = changes(&was, &is);
    }
    assert!(
        found.is_empty(),
        "a scrape takes other numbers of instructions than {} says:\n{}\n\n{}\n`callgrind_annotate --auto=no {}` has the \
         functions. If it has to be so, run `make counts` and commit the figures.",
        file.display(),
        found.join("\n"),
        written(&is),
        costs(SCRAPES[1]).display()
    );
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx2() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_files() {
        let root = repository().display();
        for (file, want) in [
            (format!("{root}/common/exposition/src/page.rs"), Some(Part::Encode)),
            ("common/src/turns.rs".to_owned(), Some(Part::Serve)),
            ("node-exporter/src/collectors/system/loadavg.rs".to_owned(), Some(Part::Parse)),
            ("/home/x/.cargo/registry/src/any/linux-raw-sys-0.12.1/src/lib.rs".to_owned(), Some(Part::Read)),
            ("/home/x/.cargo/registry/src/any/memchr-2.7.5/src/lib.rs".to_owned(), None),
            ("/rustc/59807616e/library/core/src/num/mod.rs".to_owned(), None),
            ("???".to_owned(), None),
        ] {
            assert_eq!(part_of(&file), want, "{file}");
        }
    }

    #[test]
    fn small_changes_are_tolerated_large_ones_named() {
        let figures = |encode: f64, rest: f64| {
            let all = [("parse", 50_000.0), ("encode", encode), ("rest", rest), ("total", 50_000.0 + encode + rest)];
            all.map(|(name, instructions)| (name.to_owned(), instructions)).to_vec()
        };
        let was = read(&written(&figures(40_000.0, 100.0)));
        assert_eq!(was, figures(40_000.0, 100.0));
        assert!(changes(&was, &figures(41_000.0, 280.0)).is_empty());
        assert!(changes(&was, &figures(39_000.0, 0.0)).is_empty());
        let [encode, total] = &changes(&was, &figures(46_000.0, 100.0))[..] else { panic!() };
        assert!(
            encode.starts_with("encode: +15.0 %, 46000 instructions per scrape and thus more than 40000"),
            "{encode}"
        );
        assert!(total.starts_with("total: +6.7 %"), "{total}");
        let [encode, total] = &changes(&was, &figures(30_000.0, 100.0))[..] else { panic!() };
        assert!(encode.starts_with("encode: -25.0 %") && total.starts_with("total: -11.1 %"), "{encode} {total}");
        assert_eq!(changes(&was[1..], &was), ["parse is new"]);
    }
}
