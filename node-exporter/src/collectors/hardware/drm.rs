//! Graphics cards of AMD: load and memory, from `/sys/class/drm/card<N>/device`.
//!
//! * Source: kernel Documentation/gpu/amdgpu, "Driver Misc Info" and "GPU Power/Thermal Controls and Monitoring".
//! * Units: bytes and percent.
//! * Absent when: no card is driven by amdgpu: no samples, no error. Not every card has a meter of its load or memory
//!   that the processor does not see.
//! * Differs from the Go exporter: what a card does not have is 0 there and left out here; a file that is no
//!   number costs itself, where the Go exporter ends; cards are found beyond `card9`.

use std::path::Path;

use common::collector::{Collector, Row, Scrape};
use common::error::{CollectError, is_absent};
use common::exposition::{Desc, Page};
use common::fields::{lines, parse_u64};
use common::fuzzing::{Parser, eat};

use crate::fs::{Attr, Devices, EntryKind, KeptAttr, is_silence, read_optional, sys_path};

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::off("drm", "load and memory of AMD graphics cards, /sys/class/drm", &[], |args| {
        Ok(Box::new(Drm { cards: Devices::new(sys_path(args, "class/drm")) }))
    });

const INFO: Desc = Desc::gauge(
    "node_drm_card_info",
    "Always 1; the labels tell what the card is and which performance level it is held at.",
    &["card", "memory_vendor", "power_performance_level", "unique_id", "vendor"],
);

const fn gauge(name: &'static str, help: &'static str) -> Desc<'static> {
    Desc::gauge(name, help, &["card"])
}

/// Files with a number.
const NUMBERS: [(&str, Desc); 7] = [
    ("gpu_busy_percent", gauge("node_drm_gpu_busy_percent", "Percent of the time that the GPU was busy.")),
    (
        "mem_info_gtt_total",
        gauge("node_drm_memory_gtt_size_bytes", "Bytes of main memory that the card may map (GTT)."),
    ),
    (
        "mem_info_gtt_used",
        gauge("node_drm_memory_gtt_used_bytes", "Bytes of main memory that the card has mapped (GTT)."),
    ),
    ("mem_info_vram_total", gauge("node_drm_memory_vram_size_bytes", "Bytes of memory on the card (VRAM).")),
    (
        "mem_info_vram_used",
        gauge("node_drm_memory_vram_used_bytes", "Bytes of memory on the card that are in use (VRAM)."),
    ),
    (
        "mem_info_vis_vram_total",
        gauge("node_drm_memory_vis_vram_size_bytes", "Bytes of memory on the card that the processor can see."),
    ),
    (
        "mem_info_vis_vram_used",
        gauge(
            "node_drm_memory_vis_vram_used_bytes",
            "Bytes of memory on the card that the processor can see and that are in use.",
        ),
    ),
];

struct Drm {
    cards: Devices<Card>,
}

struct Card {
    uevent: KeptAttr,
    memory_vendor: KeptAttr,
    performance_level: KeptAttr,
    unique_id: KeptAttr,
    numbers: [KeptAttr; NUMBERS.len()],
}

impl Collector for Drm {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        match self.cards.refresh(|name, kind| kind != EntryKind::File && is_card(name), Card::new) {
            Ok(cards) => {
                for (name, card) in cards {
                    card.update(name, cx, page);
                }
                Ok(())
            }
            Err(e) if is_absent(&e) => Ok(()),
            Err(e) => Err(CollectError::io(self.cards.path(), e)),
        }
    }
}

impl Card {
    fn new(path: &Path, _name: &[u8]) -> Self {
        let attr = |name: &str| KeptAttr::new(path.join("device").join(name));
        Self {
            uevent: attr("uevent"),
            memory_vendor: attr("mem_info_vram_vendor"),
            performance_level: attr("power_dpm_force_performance_level"),
            unique_id: attr("unique_id"),
            numbers: NUMBERS.map(|(file, _)| attr(file)),
        }
    }

    fn update(&mut self, card: &[u8], cx: &mut Scrape, page: &mut Page) {
        match self.uevent.read() {
            Ok(text) if is_amdgpu(text.text()) => {}
            Ok(_) => return,
            // A card without a device is none of theirs.
            Err(e) if is_silence(&e) => return,
            Err(e) => return cx.fault(CollectError::io(self.uevent.path(), e)),
        }
        let texts = [&mut self.memory_vendor, &mut self.performance_level, &mut self.unique_id];
        let texts = texts.map(|file| read_optional(file, |e| cx.fault(e)));
        let [vendor, level, unique_id] = texts.each_ref().map(|text| text.as_ref().map_or(&b""[..], Attr::text));
        page.sample(&INFO, &[card, vendor, level, unique_id, b"amd"], 1.0);
        for ((_, desc), file) in NUMBERS.iter().zip(&mut self.numbers) {
            match file.read() {
                Ok(text) => {
                    if let Some(n) = cx.ok(text.number(file.path(), "bytes or percent", parse_u64)) {
                        page.sample(desc, &[card], n as f64);
                    }
                }
                Err(e) if is_silence(&e) => {}
                Err(e) => cx.fault(CollectError::io(file.path(), e)),
            }
        }
    }
}

/// `card0`, but not its connectors (`card0-DP-1`).
fn is_card(name: &[u8]) -> bool {
    name.strip_prefix(b"card").is_some_and(|n| !n.is_empty() && n.iter().all(u8::is_ascii_digit))
}

/// Whether the device is driven by amdgpu; the driver stands in the first line.
fn is_amdgpu(uevent: &[u8]) -> bool {
    lines(uevent).any(|(_, line)| line.trim_ascii() == b"DRIVER=amdgpu")
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser =
    Parser::new("drm", |bytes| eat((is_card(bytes), is_amdgpu(bytes))), b"DRIVER=amdgpu\nPCI_CLASS=30000\n");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;
    use crate::testing::check;

    const AMD: &str = "DRIVER=amdgpu\nPCI_CLASS=38000\n";

    #[test]
    fn cards() {
        assert!(is_card(b"card0") && is_card(b"card12"));
        for other in ["card", "card0-DP-1", "renderD128", "version", "xcard0"] {
            assert!(!is_card(other.as_bytes()), "{other}");
        }
        assert!(is_amdgpu(AMD.as_bytes()) && is_amdgpu(b"DRIVER=amdgpu") && is_amdgpu(b"DRIVER=amdgpu\r\n"));
        assert!(!is_amdgpu(b"") && !is_amdgpu(b"DRIVER=amdg") && !is_amdgpu(b"DRIVER=amdgpu2\n\xff"));
    }

    #[test]
    fn cards_of_amd_and_others() {
        let tree = [
            ("sys/class/drm/card0/device/uevent", "DRIVER=i915\n"),
            ("sys/class/drm/card0/device/gpu_busy_percent", "1\n"),
            ("sys/class/drm/card10/device/uevent", AMD),
            ("sys/class/drm/card10/device/mem_info_vram_vendor", "samsung\n"),
            ("sys/class/drm/card10/device/unique_id", "0a\"b\n"),
            ("sys/class/drm/card10/device/gpu_busy_percent", "99"),
            ("sys/class/drm/card10/device/mem_info_vram_total", "18446744073709551615\n"),
            ("sys/class/drm/card2/", ""),
            ("sys/class/drm/card10-DP-1/device/uevent", AMD),
            ("sys/class/drm/version", "drm 1.1.0 20060810\n"),
        ];
        let want = [
            r#"node_drm_card_info{card="card10",memory_vendor="samsung",power_performance_level="",unique_id="0a\"b",vendor="amd"} 1"#,
            r#"node_drm_gpu_busy_percent{card="card10"} 99"#,
            r#"node_drm_memory_vram_size_bytes{card="card10"} 1.8446744073709552e+19"#,
        ];
        check(&ROW, &tree, &want, &[]);
        check(&ROW, &[], &[], &[]);
    }

    #[test]
    fn a_bad_file_costs_itself() {
        let mut rig = Rig::new(&ROW, &[("sys/class/drm/card0/device/uevent", AMD)], &[]);
        rig.plant(&[
            ("sys/class/drm/card0/device/gpu_busy_percent", "-1\n"),
            ("sys/class/drm/card0/device/mem_info_gtt_used", "\n"),
            ("sys/class/drm/card0/device/mem_info_gtt_total", "4096\n"),
            ("sys/class/drm/card0/device/unique_id/", ""),
            ("sys/class/drm/card1/device/uevent/", ""),
        ]);
        let want = "node_drm_card_info{card=\"card0\",memory_vendor=\"\",power_performance_level=\"\",unique_id=\"\",vendor=\"amd\"} 1\n\
                    node_drm_memory_gtt_size_bytes{card=\"card0\"} 4096\n\
                    ! sys/class/drm/card0/device/unique_id: Is a directory (os error 21)\n\
                    ! sys/class/drm/card0/device/gpu_busy_percent:1: bytes or percent: expected a whole number, found \"-1\"\n\
                    ! sys/class/drm/card0/device/mem_info_gtt_used:1: bytes or percent: expected a whole number, found \"\"\n\
                    ! sys/class/drm/card1/device/uevent: Is a directory (os error 21)\n";
        assert_eq!(rig.samples(), want);
        rig.remove("sys/class/drm/card1");
        rig.remove("sys/class/drm/card0/device/unique_id");
        rig.plant(&[("sys/class/drm/card0/device/uevent", "PCI_CLASS=38000\n")]);
        assert_eq!(rig.samples(), "", "the driver was taken from it");
    }
}
