//! How many instructions a scrape takes, by what they are for; compared with committed figures, as time on a shared machine
//! says little and instructions hardly vary.
//!
//! * The program of the profile `measure` runs under callgrind and is scraped over the fixture tree `node` as Prometheus does:
//!   compressed, on one connection.
//! * What start and warm-up cost falls out: it runs twice, with more scrapes the second time, and the difference is shared out.
//! * `make counts` rewrites the figures; the difference is the review.

use std::fmt::Write as _;
use std::io::{BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::{env, fs, thread};

use exporter_tests::callgrind::{Profile, Split};
use exporter_tests::client::{Request, Response, connect};
use exporter_tests::running::Running;
use exporter_tests::skip::skip;

/// Scrapes of the short run and of the long one.
const SCRAPES: [u32; 2] = [10, 60];

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
    ("node-exporter/src/kernel/netlink.rs", Part::Read),
    ("node-exporter/src/kernel/ethtool_ioctl.rs", Part::Read),
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
        // index.crates.io-1949cf8c6b5b557f/itoa-1.0.15/src/lib.rs
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

/// The file of costs of a run with as many scrapes.
fn run(scrapes: u32) -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("callgrind.{scrapes}.out"));
    let out = format!("--callgrind-out-file={}", file.display());
    let exporter =
        Running::start_release_under(&["valgrind", "--quiet", "--tool=callgrind", &out], "node-exporter", &flags());
    let mut socket = connect(exporter.address()).unwrap();
    let mut answers = BufReader::new(socket.try_clone().unwrap());
    for _ in 0..scrapes {
        socket.write_all(b"GET /metrics HTTP/1.1\r\nHost: exporter\r\nAccept-Encoding: gzip\r\n\r\n").unwrap();
        let answer = Response::read(&mut answers, false).unwrap();
        assert!(answer.status == 200 && answer.is_gzip(), "{answer:?}");
    }
    let (status, log) = exporter.terminate();
    assert!(status.success(), "{status}: {log}");
    file
}
