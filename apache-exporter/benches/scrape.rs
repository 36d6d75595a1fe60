//! What a scrape costs between the bytes of httpd's answer and the bytes of ours, without the network.

#![expect(clippy::unwrap_used, reason = "a bench stops when it cannot go on")]

use std::hint::black_box;

use apache_exporter::metrics::{Groups, encode};
use apache_exporter::status::parse;
use common::exposition::{Format, Page};
use common::render::Renderer;
use criterion::Criterion;

const EVENT: &[u8] = include_bytes!("../tests/fixtures/httpd-2.4.66-event.txt");
const PROXY: &[u8] = include_bytes!("../tests/fixtures/httpd-2.4.62-event-proxy.txt");

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for (name, body) in [("event", EVENT), ("event, balancers", PROXY)] {
        criterion.bench_function(&format!("parse/{name}"), |b| b.iter(|| parse(black_box(body)).unwrap()));
        let (mut renderer, mut page) = (Renderer::default(), Page::default());
        criterion.bench_function(&format!("parse, page, gzip/{name}"), |b| {
            b.iter(|| {
                let status = parse(black_box(body)).unwrap();
                page.clear();
                encode(&status, Groups::NONE, 0.0, &mut page);
                page.finish();
                renderer.body(&[&page], None, Format::Text, true)
            });
        });
    }
    criterion.final_summary();
}
