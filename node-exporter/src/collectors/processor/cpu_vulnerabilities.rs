//! Weaknesses of the processors and what is done about them, from `/sys/devices/system/cpu/vulnerabilities`.
//!
//! * Source: kernel Documentation/ABI/testing/sysfs-devices-system-cpu, "vulnerabilities".
//! * Units: none; the value is 1.
//! * Absent when: the kernel is built without, or does not know a weakness: no samples, no error.
//! * Differs from the Go exporter: a file that cannot be read costs itself alone.

use std::path::Path;

use common::collector::{Collector, Row, Scrape};
use common::error::{CollectError, is_absent};
use common::exposition::{Desc, Page};
use common::fields::Words;
use common::fuzzing::{Parser, eat};

use crate::fs::{Devices, KeptFile, sys_path};

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::off("cpu_vulnerabilities", "weaknesses of processors, /sys/devices/system/cpu/vulnerabilities", &[], |args| {
        Ok(Box::new(Vulnerabilities { files: Devices::new(sys_path(args, "devices/system/cpu/vulnerabilities")) }))
    });

const INFO: Desc = Desc::gauge(
    "node_cpu_vulnerabilities_info",
    "Always 1; the labels give the weakness, whether the processors have it, and what is done about it.",
    &["codename", "mitigation", "state"],
);

struct Vulnerabilities {
    files: Devices<Vulnerability>,
}

struct Vulnerability {
    /// Longer than attributes usually are: some list more measures than fit into what is read of those.
    file: KeptFile,
    text: Vec<u8>,
    verdict: Verdict,
}

#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    state: &'static str,
    mitigation: Vec<u8>,
}

impl Collector for Vulnerabilities {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let files = match self.files.refresh(|_, _| true, Vulnerability::new) {
            Ok(files) => files,
            Err(e) if is_absent(&e) => return Ok(()),
            Err(e) => return Err(CollectError::io(self.files.path(), e)),
        };
        for (codename, vulnerability) in files {
            if let Some(verdict) = cx.ok(vulnerability.verdict()) {
                page.sample(&INFO, &[codename, &verdict.mitigation, verdict.state.as_bytes()], 1.0);
            }
        }
        Ok(())
    }
}

impl Vulnerability {
    fn new(path: &Path, _name: &[u8]) -> Self {
        Self { file: KeptFile::new(path.to_owned()), text: Vec::new(), verdict: Verdict::of(b"") }
    }

    /// What the file says; that changes when microcode is loaded or a switch is set.
    fn verdict(&mut self) -> Result<&Verdict, CollectError> {
        let text = self.file.read()?;
        if text != self.text {
            self.text = text.to_vec();
            self.verdict = Verdict::of(text);
        }
        Ok(&self.verdict)
    }
}

const NOT_AFFECTED: &str = "not affected";
const UNKNOWN: &str = "unknown";

impl Verdict {
    /// `Mitigation: PTI`, `Not affected`; what begins otherwise (`KVM: Mitigation: …`) is unknown, and told in full.
    fn of(text: &[u8]) -> Self {
        let text = text.trim_ascii();
        let begins =
            |word: &&str| text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()));
        match [NOT_AFFECTED, "vulnerable", "mitigation", UNKNOWN].into_iter().find(begins) {
            Some(NOT_AFFECTED) => Self { state: NOT_AFFECTED, mitigation: Vec::new() },
            Some(state) => Self { state, mitigation: Words::of(text).skip(1).collect::<Vec<_>>().join(&b' ') },
            None => Self { state: UNKNOWN, mitigation: text.to_vec() },
        }
    }
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser =
    Parser::new("vulnerability", |bytes| eat(Verdict::of(bytes)), b"Mitigation: Clear CPU buffers; SMT vulnerable\n");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    #[track_caller]
    fn check(text: &str, state: &str, mitigation: &str) {
        let verdict = Verdict::of(text.as_bytes());
        assert_eq!((verdict.state, String::from_utf8_lossy(&verdict.mitigation).as_ref()), (state, mitigation));
    }

    #[test]
    fn good() {
        check("Not affected\n", "not affected", "");
        check("Vulnerable\n", "vulnerable", "");
        check("Vulnerable: No  microcode; SMT vulnerable\n", "vulnerable", "No microcode; SMT vulnerable");
        check("mitigation: PTI", "mitigation", "PTI");
        check("Unknown: No mitigations\n", "unknown", "No mitigations");
        check("KVM: Mitigation: VMX disabled\n", "unknown", "KVM: Mitigation: VMX disabled");
        check("Processor vulnerable\n", "unknown", "Processor vulnerable");
    }

    #[test]
    fn cut_short_and_garbage() {
        check("", "unknown", "");
        check("Mitig", "unknown", "Mitig");
        check("Not affected by x", "not affected", "");
        check("\u{1}\nb\n", "unknown", "\u{1}\nb");
    }

    #[test]
    fn files_are_followed() {
        let dir = "sys/devices/system/cpu/vulnerabilities";
        let file = |name: &str| format!("{dir}/{name}");
        let long = format!("Mitigation: {}\n", "measure ".repeat(40));
        let mut rig =
            Rig::new(&ROW, &[(&file("mds"), "Vulnerable\n"), (&file("spectre_v2"), &long), (&file("x/"), "")], &[]);
        let want = |mds: &str| {
            format!(
                "node_cpu_vulnerabilities_info{{codename=\"mds\",mitigation=\"\",state=\"{mds}\"}} 1\n\
                 node_cpu_vulnerabilities_info{{codename=\"spectre_v2\",mitigation=\"{}\",state=\"mitigation\"}} 1\n\
                 ! {dir}/x: Is a directory (os error 21)\n",
                ["measure"; 40].join(" "),
            )
        };
        assert_eq!(rig.samples(), want("vulnerable"));
        rig.plant(&[(&file("mds"), "Not affected\n")]);
        assert_eq!(rig.samples(), want("not affected"));
        rig.remove(dir);
        assert_eq!(rig.samples(), "");
    }
}
