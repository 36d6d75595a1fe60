//! Whole pages from whole answers: `fixtures` has a folder per Logstash, with the answers it gave.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop; clippy's own exception does not reach helpers outside #[test]"
)]

mod golden;
mod mutations;
mod rules;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use common::exposition::{Format, Merge};
use logstash_exporter::api::{self, BadDocument};
use logstash_exporter::families::{Instance, Snapshot, Wanted};

/// Everything.
const ALL: Wanted = Wanted { default_set: true, legacy: true, package_info: true };

/// The answers of one Logstash by the names of their files.
type Answers = BTreeMap<String, Vec<u8>>;

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn folders() -> Vec<String> {
    let entries = fs::read_dir(here().join("fixtures")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn answers(folder: &str) -> Answers {
    let entries = fs::read_dir(here().join("fixtures").join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let named = entries.map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap()));
    named.collect()
}

/// What was wrong with the answers, beside what they say.
struct Read<'a> {
    instance: Instance<'a>,
    malformed: u32,
    doubles: u32,
}

fn read<'a>(name: &'a str, answers: &'a Answers) -> Result<Read<'a>, BadDocument> {
    let mut read = Read {
        instance: Instance { hostname: name, instance_name: name, ..Instance::default() },
        malformed: 0,
        doubles: 0,
    };
    macro_rules! take {
        ($file:literal, $parse:ident, $to:ident) => {
            if let Some(body) = answers.get($file) {
                let parsed = api::$parse(body)?;
                read.malformed += parsed.malformed;
                read.doubles += parsed.doubles;
                read.instance.$to = Some(parsed.document);
            }
        };
    }
    take!("root", parse_root, root);
    take!("node", parse_node, node);
    take!("plugins", parse_plugins, plugins);
    take!("node_stats", parse_node_stats, stats);
    take!("health_report", parse_health_report, health);
    take!("hot_threads", parse_hot_threads, hot_threads);
    Ok(read)
}

/// The page; no series of it came twice.
fn page(instances: Vec<Instance<'_>>, wanted: Wanted) -> String {
    let snapshot = Snapshot::new(instances, wanted);
    let mut page = Vec::new();
    let refused = Merge::default().write_with(&[], &snapshot, Format::Text, &mut |piece| page.extend_from_slice(piece));
    assert_eq!(refused, [""; 0]);
    String::from_utf8(page).unwrap()
}
