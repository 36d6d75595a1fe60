//! Label values that are hard to print.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use exporter_tests::fixture::Fixture;
use exporter_tests::page::metric;
use exporter_tests::prometheus::{Job, Prometheus, check_metrics};
use exporter_tests::running::Running;

const QUOTES: &str = r#"she said "no""#;
const BACKSLASH: &str = r"C:\new\";
const LINES: &str = "one\ntwo";
const EMOJI: &str = "🦀 Größe";

fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n")
}

#[test]
fn from_text_files() {
    let text: String = [QUOTES, BACKSLASH, LINES, EMOJI, ""]
        .map(|value| format!("hostile{{kind=\"x\",value=\"{}\"}} 1\n", escaped(value)))
        .concat();
    let folder = Fixture::of(&[("hostile.prom", &format!("# HELP hostile A \\\\ and\\na line.\n{text}"))]);
    let exporter = Running::start("node-exporter", &[folder.flag("--collector.textfile.directory", "")]);

    let page = exporter.scrape();
    for value in [QUOTES, BACKSLASH, LINES, EMOJI, ""] {
        page.has(metric("hostile").label("value", value).value(1.0));
    }
    assert_eq!(page.family("hostile").unwrap().help, "A \\ and\na line.");
    page.has(metric("node_textfile_scrape_error").value(0.0));
    check_metrics(&exporter.get("/metrics").text());

    let prometheus = Prometheus::start(&[Job::new("node", exporter.address())]);
    prometheus.wait_until_up();
    let stored = prometheus.wait_until("hostile", |found| !found.is_empty());
    let mut stored: Vec<&str> = stored.iter().map(|(labels, _)| labels.get("value").map_or("", |v| v)).collect();
    stored.sort_unstable();
    let mut written = [QUOTES, BACKSLASH, LINES, EMOJI, ""];
    written.sort_unstable();
    assert_eq!(stored, written);
    prometheus.has_no_complaints();
}

/// As the kernel writes a mount point into mountinfo (seq_path with " \t\n\\"), plus `#`, which it escapes since 6.2.
fn mangled(path: &Path) -> Vec<u8> {
    let mangle = |byte: &u8| match byte {
        b' ' | b'\t' | b'\n' | b'\\' | b'#' => format!("\\{byte:03o}").into_bytes(),
        other => vec![*other],
    };
    path.as_os_str().as_bytes().iter().flat_map(mangle).collect()
}

#[test]
fn from_mount_points() {
    let folder = Fixture::new()
        .folder("m/a \"quoted\" crab 🦀")
        .folder("m/a\ttab")
        .folder(Path::new("m").join(OsStr::from_bytes(b"latin1-\xe9-end")));
    let mount = |n: usize, name: &[u8]| {
        let point = mangled(&folder.path("m").join(OsStr::from_bytes(name)));
        [format!("{n} 1 8:{n} / ").as_bytes(), &point, b" rw,relatime shared:1 - ext4 /dev/sd\xff rw\n"].concat()
    };
    let names = ["a \"quoted\" crab 🦀".as_bytes(), b"a\ttab", b"latin1-\xe9-end"];
    let mountinfo: Vec<u8> = names.iter().enumerate().flat_map(|(n, name)| mount(n + 20, name)).collect();
    let proc = Fixture::new().file("1/mountinfo", mountinfo);
    let exporter = Running::start(
        "node-exporter",
        &[
            &proc.flag("--path.procfs", ""),
            "--collector.disable-defaults",
            "--collector.filesystem",
            "--collector.filesystem.mount-points-exclude=^/sys($|/)",
        ],
    );

    let page = exporter.scrape();
    let readable = |name: &str| {
        let point = folder.path("m").join(name).display().to_string();
        // Absent when statfs went to another path than the kernel meant.
        page.has(metric("node_filesystem_size_bytes").label("mountpoint", &point).label("device", "/dev/sd\u{fffd}"));
    };
    readable("a \"quoted\" crab 🦀");
    readable("a\ttab");
    let replaced = folder.path("m").join("latin1-\u{fffd}-end").display().to_string();
    page.has(metric("node_filesystem_readonly").label("mountpoint", &replaced).value(0.0));
    page.has(metric("node_scrape_collector_success").label("collector", "filesystem").value(1.0));
    check_metrics(&exporter.get("/metrics").text());

    let prometheus = Prometheus::start(&[Job::new("node", exporter.address())]);
    prometheus.wait_until_up();
    let stored = prometheus.wait_until("node_filesystem_readonly", |found| found.len() == names.len());
    assert!(stored.iter().any(|(labels, _)| labels["mountpoint"] == replaced), "{stored:?}");
    prometheus.has_no_complaints();
}
