//! Memory errors that the controllers corrected, and those they could not, from `/sys/devices/system/edac`.
//!
//! * Source: kernel Documentation/admin-guide/RAS/main.rst.
//! * Units: errors since the driver was loaded or the counters were reset.
//! * Absent when: no memory controller reports errors: no samples, no error.
//! * Differs from the Go exporter: a file that cannot be read costs itself alone.

use std::path::Path;

use common::collector::{Collector, Row, Scrape};
use common::error::{CollectError, is_absent};
use common::exposition::{Desc, Page};
use common::fields::parse_u64;
use common::fuzzing::{Parser, eat};

use crate::fs::{Devices, EntryKind, KeptAttr, KeptDir, sys_path};

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row::on("edac", "memory errors, /sys/devices/system/edac", &[], |args| {
    Ok(Box::new(Edac { controllers: Devices::new(sys_path(args, "devices/system/edac/mc")) }))
});

const CE: Desc = Desc::counter(
    "node_edac_correctable_errors_total",
    "Memory errors that the controller corrected.",
    &["controller"],
);
const UE: Desc = Desc::counter(
    "node_edac_uncorrectable_errors_total",
    "Memory errors that the controller could not correct.",
    &["controller"],
);
const ROW_CE: Desc = Desc::counter(
    "node_edac_csrow_correctable_errors_total",
    "Memory errors in the row that the controller corrected.",
    &["controller", "csrow"],
);
const ROW_UE: Desc = Desc::counter(
    "node_edac_csrow_uncorrectable_errors_total",
    "Memory errors in the row that the controller could not correct.",
    &["controller", "csrow"],
);
const CHANNEL_CE: Desc = Desc::counter(
    "node_edac_channel_correctable_errors_total",
    "Memory errors in the channel of the row that the controller corrected.",
    &["channel", "controller", "csrow", "dimm_label"],
);
const CHANNEL_UE: Desc = Desc::counter(
    "node_edac_channel_uncorrectable_errors_total",
    "Memory errors in the channel of the row that the controller could not correct.",
    &["channel", "controller", "csrow", "dimm_label"],
);

struct Edac {
    controllers: Devices<Controller>,
}

struct Controller {
    number: Vec<u8>,
    ce: KeptAttr,
    ue: KeptAttr,
    ce_noinfo: KeptAttr,
    ue_noinfo: KeptAttr,
    rows: Devices<Csrow>,
}

struct Csrow {
    number: Vec<u8>,
    ce: KeptAttr,
    ue: KeptAttr,
    dir: KeptDir,
    channels: Vec<Channel>,
}

struct Channel {
    number: Vec<u8>,
    ce: KeptAttr,
    /// Not every controller counts them by channel.
    ue: Option<KeptAttr>,
    dimm_label: KeptAttr,
    /// The text the label was made of, and the label.
    dimm: (Vec<u8>, Vec<u8>),
}

impl Collector for Edac {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let is_controller = |name: &[u8], kind| kind != EntryKind::File && number_of(name, b"mc").is_some();
        match self.controllers.refresh(is_controller, Controller::new) {
            Ok(controllers) => {
                for (_, controller) in controllers {
                    controller.update(cx, page);
                }
                Ok(())
            }
            Err(e) if is_absent(&e) => Ok(()),
            Err(e) => Err(CollectError::io(self.controllers.path(), e)),
        }
    }
}

impl Controller {
    fn new(path: &Path, name: &[u8]) -> Self {
        Self {
            number: number_of(name, b"mc").unwrap_or_default().to_vec(),
            ce: KeptAttr::new(path.join("ce_count")),
            ue: KeptAttr::new(path.join("ue_count")),
            ce_noinfo: KeptAttr::new(path.join("ce_noinfo_count")),
            ue_noinfo: KeptAttr::new(path.join("ue_noinfo_count")),
            rows: Devices::new(path.to_owned()),
        }
    }

    fn update(&mut self, cx: &mut Scrape, page: &mut Page) {
        let controller = self.number.as_slice();
        count(&mut self.ce, cx, |n| page.sample(&CE, &[controller], n));
        count(&mut self.ue, cx, |n| page.sample(&UE, &[controller], n));
        let is_row = |name: &[u8], kind| kind != EntryKind::File && number_of(name, b"csrow").is_some();
        // A controller that has gone since it was listed has no rows.
        for (_, row) in self.rows.refresh(is_row, Csrow::new).unwrap_or_default() {
            row.update(controller, cx, page);
        }
        count(&mut self.ce_noinfo, cx, |n| page.sample(&ROW_CE, &[controller, b"unknown"], n));
        count(&mut self.ue_noinfo, cx, |n| page.sample(&ROW_UE, &[controller, b"unknown"], n));
    }
}

impl Csrow {
    fn new(path: &Path, name: &[u8]) -> Self {
        Self {
            number: number_of(name, b"csrow").unwrap_or_default().to_vec(),
            ce: KeptAttr::new(path.join("ce_count")),
            ue: KeptAttr::new(path.join("ue_count")),
            dir: KeptDir::new(path.to_owned()),
            channels: Vec::new(),
        }
    }

    fn update(&mut self, controller: &[u8], cx: &mut Scrape, page: &mut Page) {
        let csrow = self.number.as_slice();
        count(&mut self.ce, cx, |n| page.sample(&ROW_CE, &[controller, csrow], n));
        count(&mut self.ue, cx, |n| page.sample(&ROW_UE, &[controller, csrow], n));
        match self.dir.changed() {
            Ok(true) => self.channels = channels(&self.dir),
            Ok(false) => {}
            Err(_) => self.channels.clear(),
        }
        for channel in &mut self.channels {
            channel.label();
            let values = [&channel.number, controller, csrow, &channel.dimm.1];
            count(&mut channel.ce, cx, |n| page.sample(&CHANNEL_CE, &values, n));
            if let Some(ue) = &mut channel.ue {
                count(ue, cx, |n| page.sample(&CHANNEL_UE, &values, n));
            }
        }
    }
}

/// The channels of a row, from the names of their counters.
fn channels(dir: &KeptDir) -> Vec<Channel> {
    let has = |file: &str| dir.entries().iter().any(|(name, _)| name == file.as_bytes());
    let channel = |(name, _): &(Vec<u8>, EntryKind)| {
        let number = number_of(name.strip_suffix(b"_ce_count")?, b"ch")?;
        let file = |what: &str| format!("ch{}_{what}", String::from_utf8_lossy(number));
        let attr = |file: String| KeptAttr::new(dir.path().join(file));
        Some(Channel {
            number: number.to_vec(),
            ce: attr(file("ce_count")),
            ue: Some(file("ue_count")).filter(|file| has(file)).map(attr),
            dimm_label: attr(file("dimm_label")),
            dimm: (Vec::new(), UNKNOWN.to_vec()),
        })
    };
    dir.entries().iter().filter_map(channel).collect()
}

const UNKNOWN: &[u8] = b"unknown";

impl Channel {
    /// Follows the label, which the administrator's tools write some time after the start.
    fn label(&mut self) {
        match self.dimm_label.read() {
            Ok(text) => {
                if text.text() != self.dimm.0 || self.dimm.1 == UNKNOWN {
                    self.dimm = (text.text().to_vec(), dimm_label(text.text()));
                }
            }
            Err(_) => self.dimm = (Vec::new(), UNKNOWN.to_vec()),
        }
    }
}

/// `mc#0csrow#1channel#0` becomes `mc0_csrow1_channel0`.
fn dimm_label(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    let mut rest: Vec<u8> = text.iter().copied().filter(|&b| b != b'#').collect();
    while let Some(&b) = rest.first() {
        let word = [&b"csrow"[..], b"channel"].into_iter().find(|word| rest.starts_with(word));
        let n = word.map_or(1, <[u8]>::len);
        if word.is_some() {
            out.push(b'_');
        }
        out.extend(word.unwrap_or(&[b]));
        rest.drain(..n);
    }
    out
}

/// The digits after `prefix`, if that is all there is.
fn number_of<'n>(name: &'n [u8], prefix: &[u8]) -> Option<&'n [u8]> {
    name.strip_prefix(prefix).filter(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
}

/// Hands a counter to `sample`, or notes why it cannot.
fn count(file: &mut KeptAttr, cx: &mut Scrape, sample: impl FnOnce(f64)) {
    if let Some(n) = cx.ok(file.number("errors", parse_u64)) {
        sample(n as f64);
    }
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser =
    Parser::new("dimm_label", |bytes| eat(dimm_label(bytes)), b"CPU_SrcID#0_MC#0_Chan#0_DIMM#0");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    #[test]
    fn labels_of_modules() {
        for (text, want) in [
            ("CPU_SrcID#0_MC#0_Chan#0_DIMM#0", "CPU_SrcID0_MC0_Chan0_DIMM0"),
            ("mc#0csrow#0channel#1", "mc0_csrow0_channel1"),
            ("", ""),
            ("csrow", "_csrow"),
        ] {
            assert_eq!(String::from_utf8(dimm_label(text.as_bytes())).unwrap(), want);
        }
    }

    #[test]
    fn only_numbered_entries_count() {
        assert_eq!(number_of(b"mc10", b"mc"), Some(&b"10"[..]));
        for other in ["mc", "mcx", "mc1x", "power"] {
            assert_eq!(number_of(other.as_bytes(), b"mc"), None);
        }
    }

    #[test]
    fn a_broken_counter_costs_itself_alone() {
        assert_eq!(Rig::new(&ROW, &[], &[]).samples(), "");
        let mc = "sys/devices/system/edac/mc/mc0";
        let tree: Vec<(String, &str)> = [
            ("ce_count", "7\n"),
            ("ue_count", "many\n"),
            ("ce_noinfo_count", "1\n"),
            ("csrow0/ce_count", "6\n"),
            ("csrow0/ue_count", "0\n"),
            ("csrow0/ch0_ce_count", "6\n"),
            ("csrow0/ch0_dimm_label", "DIMM#A1\n"),
            ("csrow0/ch1_ce_count", "0\n"),
        ]
        .map(|(file, text)| (format!("{mc}/{file}"), text))
        .to_vec();
        let tree: Vec<(&str, &str)> = tree.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let want = "node_edac_channel_correctable_errors_total{channel=\"0\",controller=\"0\",csrow=\"0\",dimm_label=\"DIMMA1\"} 6\n\
                    node_edac_channel_correctable_errors_total{channel=\"1\",controller=\"0\",csrow=\"0\",dimm_label=\"unknown\"} 0\n\
                    node_edac_correctable_errors_total{controller=\"0\"} 7\n\
                    node_edac_csrow_correctable_errors_total{controller=\"0\",csrow=\"0\"} 6\n\
                    node_edac_csrow_correctable_errors_total{controller=\"0\",csrow=\"unknown\"} 1\n\
                    node_edac_csrow_uncorrectable_errors_total{controller=\"0\",csrow=\"0\"} 0\n\
                    ! sys/devices/system/edac/mc/mc0/ue_count:1: errors: expected a whole number, found \"many\"\n\
                    ! sys/devices/system/edac/mc/mc0/ue_noinfo_count: No such file or directory (os error 2)\n";
        let mut rig = Rig::new(&ROW, &tree, &[]);
        assert_eq!(rig.samples(), want);
        rig.plant(&[("sys/devices/system/edac/mc/mc0/csrow0/ch1_dimm_label", "B2\n")]);
        assert!(rig.samples().contains("csrow=\"0\",dimm_label=\"B2\"} 0\n"));
    }
}
