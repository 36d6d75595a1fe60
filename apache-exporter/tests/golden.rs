//! The page over each answer in `tests/fixtures`, compared with a committed one: as it is without flags, and below that
//! what all groups add.
//!
//! * Faults and series that stood twice are written under the samples; a fixture was made to cause them.
//! * `UPDATE_GOLDEN=1` rewrites the pages; the difference is the review.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop; clippy's own exception does not reach helpers outside #[test]"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

use apache_exporter::metrics::{Groups, Scrape, encode, encode_outcome, encode_scrape, families as listed_families};
use apache_exporter::status;
use common::exposition::{Format, Merge, Page, parse_text};
use common::upstream::{Reason, Tally};

/// When the fixtures were asked, seconds since the epoch.
const NOW: f64 = 1_772_000_000.25;

const ANSWERS: &[&str] = &[
    "httpd-2.2-prefork",
    "httpd-2.4.25-event-proxy",
    "httpd-2.4.41-event",
    "httpd-2.4.58-worker",
    "httpd-2.4.6-event",
    "httpd-2.4.62-event-extended-off",
    "httpd-2.4.62-event-proxy",
    "httpd-2.4.62-prefork",
    "httpd-2.4.66-event",
    "lighttpd",
    "strange",
];

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn text(page: &Page) -> String {
    let mut text = Vec::new();
    Merge::default().write(&[page], Format::Text, &mut |piece| text.extend_from_slice(piece));
    String::from_utf8(text).unwrap()
}

/// The page of one answer, as the program puts it together.
fn page(name: &str, groups: Groups) -> (String, String) {
    let body = fs::read(tests().join("fixtures").join(format!("{name}.txt"))).unwrap();
    let status = status::parse(&body).unwrap();
    let mut page = Page::default();
    encode_outcome(true, &Tally::default(), &mut page);
    encode_scrape(&Scrape { valid: true, duration_seconds: 0.25, http_status: Some(200) }, groups, &mut page);
    encode(&status, groups, NOW, &mut page);
    page.finish();
    let faults = status.faults.iter().map(|bad| format!("# fault: {bad}\n"));
    let twice = page.duplicates().iter().map(|series| format!("# twice: {series}\n"));
    let remarks = faults.chain(twice).collect();
    (text(&page), remarks)
}

/// The first line that differs, and how to accept it.
#[track_caller]
fn same(file: &Path, got: &str) {
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        return fs::write(file, got).unwrap();
    }
    let want = fs::read_to_string(file).unwrap_or_default();
    if want != got {
        let at = want.lines().zip(got.lines()).take_while(|(want, got)| want == got).count();
        let line = |text: &str| text.lines().nth(at).unwrap_or("(end)").to_owned();
        let (want, now) = (line(&want), line(got));
        panic!("{}:{}: `make golden` rewrites it\n- {want}\n+ {now}", file.display(), at + 1);
    }
}

#[test]
fn every_answer_is_in_the_list() {
    let files = fs::read_dir(tests().join("fixtures")).unwrap().map(|entry| entry.unwrap().path());
    let texts = files.filter(|file| file.extension().is_some_and(|extension| extension == "txt"));
    let mut names: Vec<_> = texts.map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    assert_eq!(names, ANSWERS);
}

#[test]
fn pages() {
    for name in ANSWERS {
        let folder = tests().join("golden");
        let (plain, remarks) = page(name, Groups::NONE);
        same(&folder.join(format!("{name}.prom")), &format!("{plain}{remarks}"));
        let (full, remarks) = page(name, Groups::all());
        same(&folder.join(format!("{name}.all.prom")), &format!("{full}{remarks}"));
        let full: BTreeSet<&str> = full.lines().collect();
        let lost: Vec<&str> = plain.lines().filter(|line| !full.contains(line)).collect();
        assert_eq!(lost, [""; 0], "{name}: groups add, and take nothing away");
    }
}

#[test]
fn the_rows_name_every_family() {
    let mut written = BTreeSet::new();
    for name in ANSWERS {
        let (page, _) = page(name, Groups::all());
        for family in parse_text(page.as_bytes()).unwrap().families {
            let desc = listed_families().map(|(_, listed)| listed.desc).find(|desc| desc.name == family.name);
            let desc = desc.unwrap_or_else(|| panic!("{} is in no row", family.name));
            for sample in &family.samples {
                let keys: Vec<&str> = sample.labels.iter().map(|(key, _)| key.as_str()).collect();
                assert_eq!(keys, desc.labels, "{}", family.name);
            }
            written.insert(family.name);
        }
    }
    for (_, family) in listed_families() {
        assert!(written.contains(family.desc.name), "no fixture has {}", family.desc.name);
    }
}

#[test]
fn each_group_adds_its_own_families_alone() {
    let chosen = |name: &str| Groups::choose(|group| group.flag.name == name);
    for group in chosen("").iter().chain(Groups::all().iter()) {
        let own: BTreeSet<&str> = group.families().map(|family| family.desc.name).collect();
        for name in ANSWERS {
            let ((plain, _), (more, _)) = (page(name, Groups::NONE), page(name, chosen(group.flag.name)));
            let plain: BTreeSet<&str> = plain.lines().collect();
            for line in more.lines().filter(|line| !line.starts_with('#') && !plain.contains(line)) {
                let family = line.split(['{', ' ']).next().unwrap();
                assert!(own.contains(family), "{}: {line}", group.flag.name);
            }
        }
    }
}

#[test]
fn the_outcome_is_there_without_an_answer() {
    let mut tally = Tally::default();
    for reason in Reason::ALL {
        tally.count(reason);
    }
    tally.count(Reason::Timeout);
    let (mut page, groups) = (Page::default(), Groups::all());
    encode_outcome(false, &tally, &mut page);
    encode_scrape(&Scrape { valid: false, duration_seconds: 0.5, http_status: None }, groups, &mut page);
    page.finish();
    let text = text(&page);
    let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let want = [
        "apache_exporter_scrape_failures_total 7",
        "apache_scrape_duration_seconds 0.5",
        "apache_scrape_errors_total{reason=\"connect\"} 1",
        "apache_scrape_errors_total{reason=\"http_status\"} 1",
        "apache_scrape_errors_total{reason=\"not_status_page\"} 1",
        "apache_scrape_errors_total{reason=\"parse\"} 1",
        "apache_scrape_errors_total{reason=\"timeout\"} 2",
        "apache_scrape_errors_total{reason=\"tls\"} 1",
        "apache_scrape_valid 0",
        "apache_up 0",
    ];
    assert_eq!(samples, want);
}
