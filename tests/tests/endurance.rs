//! A node's exporter runs for years: what a scrape leaves behind, even a byte, shows after a hundred thousand.

use std::collections::BTreeSet;
use std::time::Instant;

use exporter_tests::kept_alive::KeptAlive;
use exporter_tests::page::{Page, metric};
use exporter_tests::running::Running;

/// A scrape every 15 s for 17 days.
const SCRAPES: u32 = 100_000;
/// By then every buffer has had its largest page.
const WARM: u32 = 2_000;
/// How often a page is read, and the program looked at.
const LOOK: u32 = 2_000;
/// Pages differ by the digits of their numbers; 1 byte per scrape would be as much.
const SLACK_KIB: u64 = 96;

/// Collectors that delivered.
fn succeeded(page: &Page) -> BTreeSet<String> {
    let samples = page.all(&metric("node_scrape_collector_success").value(1.0));
    samples.iter().map(|sample| sample.label("collector").to_owned()).collect()
}

#[test]
fn a_hundred_thousand_scrapes_leave_nothing_behind() {
    let exporter = Running::start_release("node-exporter", &[] as &[&str]);
    let mut client = KeptAlive::new(exporter.address()).unwrap();
    let requests = [false, true].map(|gzip| KeptAlive::request("/metrics", gzip));
    let whole = succeeded(&Page::checked(&client.answer(&requests[0]).unwrap().text()));
    assert!(whole.len() > 10, "{whole:?}");
    let (mut first, mut seen) = (None, Vec::new());
    let started = Instant::now();
    for scrape in 1..=SCRAPES {
        let request = &requests[usize::from(scrape % 2 == 0)];
        if let Err(e) = client.ask(request) {
            panic!("scrape {scrape}: {e}\n{}", exporter.log());
        }
        if scrape % LOOK != 0 {
            continue;
        }
        let gzip = scrape % (2 * LOOK) == 0;
        let answer = client.answer(&requests[usize::from(gzip)]).unwrap();
        assert_eq!(answer.is_gzip(), gzip, "scrape {scrape}");
        assert_eq!(succeeded(&Page::checked(&answer.text())), whole, "scrape {scrape}\n{}", exporter.log());
        let now = exporter.footprint();
        seen.push(format!("{scrape:>6}: {now}"));
        if scrape == WARM {
            first = Some(now);
        }
        let first = first.unwrap();
        let flat = (now.threads, now.descriptors) == (first.threads, first.descriptors)
            && now.anonymous_kib <= first.anonymous_kib + SLACK_KIB;
        assert!(flat, "after {scrape} scrapes: {now}\nafter the first {WARM}: {first}\n{}", seen.join("\n"));
    }
    let (first, last) = (seen.first().unwrap(), seen.last().unwrap());
    eprintln!("{SCRAPES} scrapes in {:.0?}\n{first}\n{last}", started.elapsed());
    let (status, log) = exporter.terminate();
    assert!(status.success() && !log.contains("level=ERROR"), "{status}\n{log}");
}
