//! What a scrape costs between the bytes of Logstash's answer and the bytes of ours.
//!
//! * `small`: 2 pipelines of 8 plugins; `large`: 200 pipelines of 50 plugins, all with seven flow windows.
//! * `ignored` is serde_json finding the ends of everything and keeping nothing; `value` is its own tree of the document.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench stops when it cannot go on, and prints")]

use std::fmt::Write as _;
use std::hint::black_box;

use common::exposition::{Format, Merge};
use common::gzip::Gzip;
use criterion::Criterion;
use logstash_exporter::api::parse_node_stats;
use logstash_exporter::families::{Instance, Snapshot, Wanted};
use serde::de::IgnoredAny;

const WINDOWS: [&str; 7] =
    ["current", "last_1_minute", "last_5_minutes", "last_15_minutes", "last_1_hour", "last_24_hours", "lifetime"];

/// A flow metric of four digits in each window.
fn flow(name: &str, seed: usize) -> String {
    let mut text = format!("\"{name}\":{{");
    for (at, window) in WINDOWS.iter().enumerate() {
        let n = (seed * 7919 + at * 104_729) % 9000 + 1000;
        let comma = if at == 0 { "" } else { "," };
        write!(text, "{comma}\"{window}\":{}.{}", n / 10, n % 10).unwrap();
    }
    text + "}"
}

fn plugin(kind: &str, seed: usize) -> String {
    let n = seed * 1_000_003 % 90_000_000;
    let id = format!("{:040x}", seed as u128 * 0x9E37_79B9_7F4A_7C15);
    match kind {
        "inputs" => format!(
            "{{\"id\":\"{id}\",\"flow\":{{{}}},\"name\":\"beats\",\"events\":{{\"out\":{n},\"queue_push_duration_in_millis\":{n}}},\
             \"current_connections\":12,\"peak_connections\":40}}",
            flow("throughput", seed)
        ),
        "codecs" => format!(
            "{{\"id\":\"{id}\",\"decode\":{{\"writes_in\":{n},\"out\":{n},\"duration_in_millis\":7}},\"name\":\"plain\",\
             \"encode\":{{\"writes_in\":0,\"duration_in_millis\":0}}}}"
        ),
        _ => format!(
            "{{\"id\":\"{id}\",\"flow\":{{{},{}}},\"name\":\"mutate\",\"events\":{{\"in\":{n},\"out\":{n},\"duration_in_millis\":{}}}}}",
            flow("worker_utilization", seed),
            flow("worker_millis_per_event", seed + 1),
            n / 3
        ),
    }
}

fn pipeline(at: usize, plugins: usize) -> String {
    let kind = |n: usize| match n {
        0 => "inputs",
        1 | 2 => "codecs",
        _ if n + 2 >= plugins => "outputs",
        _ => "filters",
    };
    let list = |wanted: &str| {
        let found = (0..plugins).filter(|n| kind(*n) == wanted).map(|n| plugin(wanted, at * plugins + n));
        format!("\"{wanted}\":[{}]", found.collect::<Vec<_>>().join(","))
    };
    let lists = ["inputs", "codecs", "filters", "outputs"].map(list).join(",");
    let flows = [
        "input_throughput",
        "filter_throughput",
        "output_throughput",
        "queue_backpressure",
        "worker_concurrency",
        "worker_utilization",
    ];
    let flows = flows.map(|name| flow(name, at)).join(",");
    format!(
        "\"pipeline-{at:03}\":{{\"events\":{{\"in\":1{at}812211,\"filtered\":812211,\"out\":812210,\"duration_in_millis\":99812,\
         \"queue_push_duration_in_millis\":1102}},\"flow\":{{{flows}}},\"plugins\":{{{lists}}},\"reloads\":{{\"successes\":1,\
         \"failures\":0,\"last_success_timestamp\":\"2026-02-03T04:05:06.123456789Z\",\"last_failure_timestamp\":null,\
         \"last_error\":null}},\"queue\":{{\"type\":\"memory\",\"events_count\":0,\"queue_size_in_bytes\":0,\
         \"max_queue_size_in_bytes\":0}},\"pipeline\":{{\"workers\":4,\"batch_size\":125,\"batch_delay\":50}},\
         \"hash\":\"{at:064x}\",\"ephemeral_id\":\"0d6f2a51-7f2c-4f0a-9d5b-{at:012x}\"}}"
    )
}

fn document(pipelines: usize, plugins: usize) -> Vec<u8> {
    let head = "{\"host\":\"bench\",\"version\":\"9.4.0\",\"status\":\"green\",\"jvm\":{\"threads\":{\"count\":60,\"peak_count\":61},\
        \"mem\":{\"heap_used_percent\":40,\"heap_used_in_bytes\":1073741824}},\"events\":{\"in\":5,\"out\":5}";
    let pipelines: Vec<String> = (0..pipelines).map(|at| pipeline(at, plugins)).collect();
    format!("{head},\"pipelines\":{{{}}}}}", pipelines.join(",")).into_bytes()
}

/// All that happens between the two; gives the length of what was written.
fn scrape(body: &[u8], mut sink: impl FnMut(&[u8])) -> usize {
    let stats = parse_node_stats(body).unwrap().document;
    let instance = Instance {
        hostname: "http://localhost:9600",
        instance_name: "main",
        stats: Some(stats),
        ..Instance::default()
    };
    let snapshot = Snapshot::new(vec![instance], Wanted::default());
    let mut written = 0;
    Merge::default().write_with(&[], &snapshot, Format::Text, &mut |piece| {
        written += piece.len();
        sink(piece);
    });
    written
}

fn measure(c: &mut Criterion, name: &str, body: &[u8]) {
    let (mut gzip, mut packed) = (Gzip::default(), Vec::new());
    let mut compressed = |body: &[u8]| {
        packed.clear();
        let written = scrape(body, |piece| gzip.push(piece, &mut packed));
        gzip.finish(&mut packed);
        (written, packed.len())
    };
    let (written, small) = compressed(body);
    println!("{name}: {} bytes of answer, {written} of page, {small} compressed", body.len());
    let mut group = c.benchmark_group(name);
    group.bench_function("ignored", |b| b.iter(|| serde_json::from_slice::<IgnoredAny>(black_box(body)).unwrap()));
    group.bench_function("value", |b| b.iter(|| serde_json::from_slice::<serde_json::Value>(black_box(body)).unwrap()));
    group.bench_function("parse", |b| b.iter(|| parse_node_stats(black_box(body)).unwrap()));
    group.bench_function("parse and write", |b| {
        b.iter(|| {
            scrape(black_box(body), |piece| {
                black_box(piece);
            })
        })
    });
    group.bench_function("parse, write, gzip", |b| b.iter(|| compressed(black_box(body))));
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    measure(&mut criterion, "small", &document(2, 8));
    measure(&mut criterion, "large", &document(200, 50));
    criterion.final_summary();
}
