//! How fast blocks of a log become counts, by what is in them and what is looked for.

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use log_exporter::config::{self, Settings};
use log_exporter::lines::{Joins, Progress, Reader};
use log_exporter::tally::Tally;
use log_exporter::tree::Id;

const TEN: &str = r"patterns:
- {name: error, regex: '\b(error|fatal|panic|exception)\b', ignore_case: true}
- {name: oom, literal: [OutOfMemoryError, 'Out of memory']}
- {name: refused, literal: 'connection refused', ignore_case: true}
- {name: timeout, regex: '(timed out|timeout) after \d+', ignore_case: true}
- {name: http, regex: 'status=5\d\d'}
- {name: segfault, literal: SIGSEGV}
- {name: disk, literal: 'No space left on device'}
- {name: denied, regex: 'permission denied', ignore_case: true}
- {name: slow, regex: 'slow query: \d{4,} ms'}
- {name: retry, regex: 'giving up after \d+ (retries|attempts)'}
";

/// Sixteen MiB of lines, of which one in `every` has an error; `None`: none has.
fn text(every: Option<usize>, line: &str) -> Vec<u8> {
    let mut text = Vec::new();
    for n in 0.. {
        let what = if every.is_some_and(|every| n % every == 0) { "connection refused, error" } else { "all is well" };
        text.extend_from_slice(format!("2026-11-22T10:00:00.{n:09}Z stdout F {line} {what} id {n}\n").as_bytes());
        if text.len() >= 16 << 20 {
            return text;
        }
    }
    text
}

fn read(settings: &Settings, text: &[u8]) -> u64 {
    let (mut joins, mut progress) = (Joins::default(), Progress::default());
    let mut tally = Tally::new(settings, &Id::new("n", "p", "c"));
    let (now, tally_of) = (Instant::now(), &mut tally);
    while let Some(rest) = text.get(progress.offset as usize..).filter(|rest| !rest.is_empty()) {
        let block = rest.get(..256 << 10).unwrap_or(rest);
        let (tally, joins) = (&mut *tally_of, &mut joins);
        let mut reader = Reader { settings, tally, joins, now, clock: None, takes_plain_lines: false };
        reader.take(&mut progress, block, block.len() == rest.len(), true);
    }
    tally.messages.iter().sum()
}

fn lines(criterion: &mut Criterion) {
    let plain =
        "GET /shop/basket?item=4711&size=xl 200 12ms upstream 10.1.2.3:8080 agent Mozilla/5.0 (X11; Linux x86_64)";
    let json = r#"{"ts":"2026-11-22T10:00:00Z","level":"info","logger":"shop.basket","msg":"item added","user":4711}"#;
    let ten = config::parse(Path::new("ten"), TEN).unwrap_or_default();
    let one = Settings::default();
    let mut group = criterion.benchmark_group("lines");
    for (name, settings, every, line) in [
        ("one pattern, nothing matches", &one, None, plain),
        ("ten patterns, nothing matches", &ten, None, plain),
        ("ten patterns, one in 100 lines matches", &ten, Some(100), plain),
        ("JSON, one in 100 lines matches", &ten, Some(100), json),
        ("ten patterns, every line matches", &ten, Some(1), plain),
    ] {
        let text = text(every, line);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| read(settings, black_box(&text))));
    }
}

criterion_group!(benches, lines);
criterion_main!(benches);
