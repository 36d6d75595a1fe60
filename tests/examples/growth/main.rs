//! How the cost of a scrape grows with the host, for two programs side by side:
//! `cargo run -p exporter-tests --example growth -- OURS NODE_EXPORTER growth.svg [1,10,100,1000]`
//!
//! Hosts with as many disks, chips, mounts and network interfaces each are written one after the other; both programs read
//! them, compressed pages are fetched as Prometheus does. It prints a table in Markdown and draws the picture.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use exporter_tests::big_host::{COMMON_DEFAULTS, Counts, flags, temporary};

mod chart;
mod measure;

use chart::{Curve, Panel};
use measure::{Cost, Program};

const USAGE: &str = "growth OURS OTHER PICTURE.svg [NUMBERS OF DEVICES, such as 1,10,100,1000]";

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            // Nobody is there to be told of a closed stderr.
            let _ = writeln!(io::stderr(), "growth: error: {e}\nusage: {USAGE}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> Result<(), String> {
    let (ours, other, picture, sizes) = match words {
        [ours, other, picture] => (ours, other, picture, "1,10,100,1000"),
        [ours, other, picture, sizes] => (ours, other, picture, sizes.as_str()),
        _ => return Err("expected two programs and a file for the picture".to_owned()),
    };
    let sizes: Result<Vec<usize>, _> = sizes.split(',').map(str::parse).collect();
    let sizes = sizes.map_err(|_| "expected numbers of devices with commas between them")?;
    let mut costs: Vec<(usize, [Cost; 2])> = Vec::new();
    for size in sizes {
        costs.push((size, costs_of([ours, other], size).map_err(|e| format!("{size} devices: {e}"))?));
    }
    let text = table(&costs);
    io::stdout().write_all(text.as_bytes()).map_err(|e| e.to_string())?;
    fs::write(picture, chart::drawn(&panels(&costs))).map_err(|e| format!("{picture}: {e}"))
}

fn costs_of(programs: [&str; 2], size: usize) -> io::Result<[Cost; 2]> {
    let host = temporary(&Counts::devices(size))?;
    let mut all = flags(host.path());
    all.extend(COMMON_DEFAULTS.iter().map(|flag| (*flag).to_owned()));
    let [ours, other] = programs.map(|program| Program::start(Path::new(program), &all)?.cost());
    Ok([ours?, other?])
}

fn table(costs: &[(usize, [Cost; 2])]) -> String {
    let mut text =
        "| devices of each kind | page | CPU ours | CPU node_exporter | ratio | peak memory ours | node_exporter \
                    | ratio | anonymous memory ours | node_exporter |\n|---|---|---|---|---|---|---|---|---|---|\n"
            .to_owned();
    for (size, [ours, other]) in costs {
        let cells = [
            size.to_string(),
            format!("{} kB", ours.page_bytes / 1000),
            milliseconds(ours.cpu_seconds),
            milliseconds(other.cpu_seconds),
            format!("{:.3}", ours.cpu_seconds / other.cpu_seconds),
            megabytes(ours.peak_bytes),
            megabytes(other.peak_bytes),
            format!("{:.2}", ours.peak_bytes / other.peak_bytes),
            megabytes(ours.anonymous_bytes),
            megabytes(other.anonymous_bytes),
        ];
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    text
}

fn milliseconds(seconds: f64) -> String {
    let digits = if seconds < 0.01 { 2 } else { usize::from(seconds < 0.1) };
    format!("{:.digits$} ms", seconds * 1e3)
}

fn megabytes(bytes: f64) -> String {
    format!("{:.1} MB", bytes / 1e6)
}

fn panels(costs: &[(usize, [Cost; 2])]) -> [Panel; 2] {
    let curves = |of: fn(&Cost) -> f64, shown: fn(f64) -> String| {
        ["node-exporter", "node_exporter (Go)"].into_iter().enumerate().map(move |(at, name)| Curve {
            name,
            points: costs.iter().map(|(size, costs)| (*size as f64, of(&costs[at]))).collect(),
            last: costs.last().map(|(_, costs)| shown(of(&costs[at]))).unwrap_or_default(),
        })
    };
    [
        Panel {
            title: "CPU per scrape, ms",
            curves: curves(|cost| cost.cpu_seconds * 1e3, |value| milliseconds(value / 1e3)).collect(),
        },
        Panel {
            title: "Peak memory, MB",
            curves: curves(|cost| cost.peak_bytes / 1e6, |value| megabytes(value * 1e6)).collect(),
        },
    ]
}
