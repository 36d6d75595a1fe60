//! What a page costs: numbers, samples, joining and compressing.

use std::hint::black_box;

use common::exposition::{Desc, Format, Merge, Page, push_number};
use common::gzip::Gzip;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

const SECONDS: Desc = Desc::counter("node_cpu_seconds_total", "Seconds the CPUs spent in each mode.", &["cpu", "mode"]);
const MODES: [&str; 8] = ["idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"];

fn samples(c: &mut Criterion) {
    let cpus: Vec<String> = (0..125).map(|cpu| format!("{cpu:03}")).collect();
    let mut page = Page::default();
    let mut group = c.benchmark_group("page");
    group.throughput(Throughput::Elements(1000));
    group.bench_function("1000 samples of 2 labels", |b| {
        b.iter(|| {
            page.clear();
            for (n, cpu) in cpus.iter().enumerate() {
                for mode in MODES {
                    page.sample(&SECONDS, &[cpu.as_str(), mode], n as f64 * 1234.56);
                }
            }
            page.finish();
            page.samples()
        });
    });
    group.finish();
    assert_eq!(page.samples(), 1000, "{:?}", page.duplicates());
}

/// A name, and the n-th number.
type Kind = (&'static str, fn(u32) -> f64);

fn numbers(c: &mut Criterion) {
    let kinds: [Kind; 4] = [
        ("small whole", |n| f64::from(n % 1000)),
        ("large whole", |n| f64::from(n) * 1_234_567.0),
        ("hundredths", |n| f64::from(n) * 12_345.0 / 100.0),
        ("any", |n| 1.0 / f64::from(n + 3)),
    ];
    let mut group = c.benchmark_group("1000 numbers");
    group.throughput(Throughput::Elements(1000));
    for (name, number) in kinds {
        let numbers: Vec<f64> = (0..1000).map(number).collect();
        let mut out = Vec::with_capacity(64 << 10);
        group.bench_function(name, |b| {
            b.iter(|| {
                out.clear();
                for &number in &numbers {
                    push_number(&mut out, black_box(number));
                }
                out.len()
            });
        });
    }
    group.finish();
}

/// Pages such as those of a few collectors, about 100 KB in all.
fn pages() -> Vec<Page> {
    let names: Vec<String> =
        (0..90).map(|family| format!("node_family_{:02}_seconds_total", family * 37 % 90)).collect();
    let devices: Vec<String> = (0..20).map(|device| format!("device{device:02}")).collect();
    let mut pages = Vec::new();
    for chunk in names.chunks(9) {
        let mut page = Page::default();
        for (f, name) in chunk.iter().enumerate() {
            let desc = Desc::counter(name, "What this family of many numbers tells about a device.", &["device"]);
            for (d, device) in devices.iter().enumerate() {
                page.sample(&desc, &[device], (f * 7919 + d * 104_729) as f64 / 100.0);
            }
        }
        page.finish();
        pages.push(page);
    }
    pages
}

fn join(c: &mut Criterion) {
    let pages = pages();
    let pages: Vec<&Page> = pages.iter().collect();
    let mut merge = Merge::default();
    let mut plain = Vec::new();
    merge.write(&pages, Format::Text, &mut |piece| plain.extend_from_slice(piece));
    assert!((90_000..130_000).contains(&plain.len()), "{} bytes", plain.len());
    let mut group = c.benchmark_group("join 100 KB");
    group.throughput(Throughput::Bytes(plain.len() as u64));
    for (name, format) in [("text", Format::Text), ("OpenMetrics", Format::OpenMetrics)] {
        let fresh = || Vec::with_capacity(128 << 10);
        group.bench_function(name, |b| {
            b.iter_batched(
                fresh,
                |mut out| {
                    merge.write(&pages, format, &mut |piece| out.extend_from_slice(piece));
                    out
                },
                BatchSize::SmallInput,
            );
        });
    }
    let mut gzip = Gzip::default();
    group.bench_function("text, gzip", |b| {
        b.iter_batched(
            || Vec::with_capacity(32 << 10),
            |mut out| {
                merge.write(&pages, Format::Text, &mut |piece| gzip.push(piece, &mut out));
                gzip.finish(&mut out);
                out
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, samples, numbers, join);
criterion_main!(benches);
