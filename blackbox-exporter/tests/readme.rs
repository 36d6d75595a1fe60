//! The tables of metrics and flags in the README are made from the code.

use std::collections::BTreeMap;

use blackbox_exporter::probers::PROBERS;
use blackbox_exporter::reason::{Phase, Reason};
use blackbox_exporter::{PROGRAM, exporter, network};
use common::exposition::Desc;
use common::readme::{check, flags};

#[test]
fn the_readme_lists_the_metrics_and_the_flags() {
    let mut rows: BTreeMap<&str, (Desc<'static>, Vec<&str>)> = BTreeMap::new();
    let mut note =
        |desc: Desc<'static>, on: &'static str| rows.entry(desc.name).or_insert((desc, Vec::new())).1.push(on);
    for desc in exporter::FAMILIES {
        note(*desc, "all probes");
    }
    for prober in &PROBERS {
        let own = prober.families.iter().copied().flatten().copied();
        for desc in own.chain(prober.tls.into_iter().flat_map(|tls| tls.families())) {
            note(desc, prober.name);
        }
    }
    for desc in network::FAMILIES {
        note(*desc, "`/metrics`");
    }
    let rows = rows.values().map(|(desc, on)| {
        let labels: Vec<String> = desc.labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, kind, about) = (desc.name, desc.kind.as_str(), desc.help.trim_end_matches('.'));
        format!("| `{name}` | {kind} | {} | {} | {about} |\n", labels.join(" "), on.join(", "))
    });
    let head = "| metric | type | labels | on pages of | what |\n|---|---|---|---|---|\n";
    check(env!("CARGO_MANIFEST_DIR"), "blackbox metrics", &format!("{head}{}", rows.collect::<String>())).unwrap();
    let words = |words: Vec<&str>| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let phases = words(Phase::ALL.iter().map(|phase| phase.as_str()).collect());
    let reasons = words(Reason::ALL.iter().map(|reason| reason.as_str()).collect());
    let table = format!("| label | values |\n|---|---|\n| `phase` | {phases} |\n| `reason` | {reasons} |\n");
    check(env!("CARGO_MANIFEST_DIR"), "blackbox reasons", &table).unwrap();
    check(env!("CARGO_MANIFEST_DIR"), "blackbox flags", &flags(&PROGRAM)).unwrap();
}
