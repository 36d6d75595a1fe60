//! Settings of the kernel from `/proc/sys`, those that flags name.
//!
//! * Source: kernel Documentation/admin-guide/sysctl.
//! * Units: as the kernel has them, so the type is untyped.
//! * Absent when: nothing is asked for: no samples, no error. A setting that is asked for and not there is an error.
//! * Differs from the Go exporter: a setting that fails costs itself, and a value among several that is no number itself;
//!   numbers may go up to 2^64-1, one key may name one value, and texts are read whole. A name that has a slash before any
//!   dot keeps its dots, as with sysctl(8): `net/ipv4/conf/eth0.5/forwarding`.

use std::path::PathBuf;

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError};
use common::exposition::{Desc, Page};
use common::fields::{Words, parse_auto, parse_u64};
use common::flags::{Args, Flag};
use common::fuzzing::{Parser, eat};

use crate::fs::{KeptFile, proc_path};
use crate::kernel::metric_names::sanitize;

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row::off("sysctl", "chosen settings, /proc/sys", FLAGS, |args| {
    let settings = |flag, kind| args.list(flag).into_iter().map(move |text| Setting::new(args, &text, kind));
    let numbers = settings("collector.sysctl.include", Kind::Numbers);
    Ok(Box::new(Sysctl { settings: numbers.chain(settings("collector.sysctl.include-info", Kind::Words)).collect() }))
});

const FLAGS: &[Flag] = &[
    Flag::text("collector.sysctl.include", "", "Setting that is a number, or several as name:a,b. Repeatable.")
        .repeatable(),
    Flag::text("collector.sysctl.include-info", "", "Setting that is words. Repeatable.").repeatable(),
];

const INFO: Desc = Desc::gauge(
    "node_sysctl_info",
    "Always 1; the labels give a word of the setting and its place, from 0.",
    &["index", "name", "value"],
);

/// Values of one setting that are shown; no setting of Linux has a hundred.
const MOST_VALUES: usize = 1024;

struct Sysctl {
    settings: Vec<Setting>,
}

struct Setting {
    /// As it was given, without keys.
    name: String,
    kind: Kind,
    file: KeptFile,
    /// Of one value, or of several with their place as label.
    family: Family,
    /// A family for each value, if there are keys.
    keyed: Vec<Family>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Numbers,
    Words,
}

/// Name and help of a family, made once.
struct Family {
    name: String,
    help: String,
}

impl Collector for Sysctl {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        for setting in &mut self.settings {
            setting.update(cx, page);
        }
        Ok(())
    }
}

impl Setting {
    fn new(args: &Args, text: &str, kind: Kind) -> Self {
        let (name, keys) = text.split_once(':').map_or((text, None), |(name, keys)| (name, Some(keys)));
        let base = format!("node_sysctl_{}", sanitize(name.as_bytes()));
        let keyed = keys.into_iter().flat_map(|keys| keys.split(',')).map(|key| Family {
            name: format!("{base}_{}", sanitize(key.as_bytes())),
            help: format!("Value {key} of the setting {name}."),
        });
        Self {
            name: name.to_owned(),
            kind,
            file: KeptFile::new(path_of(args, name)),
            keyed: keyed.collect(),
            family: Family { help: format!("The setting {name}."), name: base },
        }
    }

    fn update(&mut self, cx: &mut Scrape, page: &mut Page) {
        let text = match self.file.read() {
            Ok(text) => text,
            Err(e) => return cx.fault(e),
        };
        let n_values = Words::of(text).take(MOST_VALUES).count();
        let keys_fit = self.keyed.is_empty() || (self.kind == Kind::Numbers && self.keyed.len() == n_values);
        if n_values == 0 || !keys_fit {
            let found = format!("{n_values} values for {} keys", self.keyed.len());
            return cx.fault(
                BadField::new(1, "values", "as many as there are keys", found.as_bytes()).in_file(self.file.path()),
            );
        }
        let mut bad_values = Vec::new();
        let mut index = itoa::Buffer::new();
        for (place, word) in Words::of(text).take(MOST_VALUES).enumerate() {
            if self.kind == Kind::Words {
                page.sample(&INFO, &[index.format(place).as_bytes(), self.name.as_bytes(), word], 1.0);
                continue;
            }
            let Some(value) = number(word) else {
                bad_values.push(BadField::new(1, "value", "a whole number", word));
                bad_values.truncate(MOST_FAULTS);
                continue;
            };
            let family = self.keyed.get(place).unwrap_or(&self.family);
            let labelled = n_values > 1 && self.keyed.is_empty();
            let (keys, values) = (["index"], [index.format(place)]);
            let desc = Desc::untyped(&family.name, &family.help, if labelled { &keys } else { &[] });
            page.sample(&desc, if labelled { &values } else { &[] }, value);
        }
        for bad in bad_values {
            cx.fault(bad.in_file(self.file.path()));
        }
    }
}

/// Values of one setting that are reported in one scrape.
const MOST_FAULTS: usize = 8;

/// The first separator tells which of the two is one.
fn path_of(args: &Args, name: &str) -> PathBuf {
    let dotted = name.find(['.', '/']).is_some_and(|at| name.get(at..).is_some_and(|rest| rest.starts_with('.')));
    let rel = if dotted {
        name.chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                c => c,
            })
            .collect()
    } else {
        name.to_owned()
    };
    proc_path(args, &format!("sys/{rel}"))
}

fn number(word: &[u8]) -> Option<f64> {
    parse_auto(word).map(|n| n as f64).or_else(|| parse_u64(word).map(|n| n as f64))
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser = Parser::new(
    "sysctl",
    |bytes| Words::of(bytes).map(number).for_each(eat),
    b"4096\t131072\t-1 0x10 18446744073709551615\n",
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    const INCLUDE: &str = "collector.sysctl.include";
    const TREE: &[(&str, &str)] = &[
        ("proc/sys/fs/file-nr", "1024\t0\t9223372036854775807\n"),
        ("proc/sys/kernel/pid_max", "4194304\n"),
        ("proc/sys/kernel/shmmax", "18446744073692774399"),
        ("proc/sys/kernel/seccomp/actions_avail", "kill_process \"errno\" allow\n"),
        ("proc/sys/net/ipv4/conf/eth0.5/forwarding", "1\n"),
        ("proc/sys/kernel/mixed", "7 x 0x10\n"),
        ("proc/sys/kernel/empty", "\n"),
    ];

    #[track_caller]
    fn check(flag: &'static str, value: &str, want: &str) {
        assert_eq!(Rig::new(&ROW, TREE, &[(flag, value)]).samples(), want);
    }

    #[test]
    fn numbers() {
        assert_eq!(Rig::new(&ROW, TREE, &[]).samples(), "");
        check(INCLUDE, "kernel.pid_max", "node_sysctl_kernel_pid_max 4.194304e+06\n");
        check(INCLUDE, "kernel/pid_max", "node_sysctl_kernel_pid_max 4.194304e+06\n");
        check(INCLUDE, "kernel.pid_max:most", "node_sysctl_kernel_pid_max_most 4.194304e+06\n");
        check(INCLUDE, "kernel.shmmax", "node_sysctl_kernel_shmmax 1.8446744073692774e+19\n");
        check(
            INCLUDE,
            "fs.file-nr",
            "node_sysctl_fs_file_nr{index=\"0\"} 1024\nnode_sysctl_fs_file_nr{index=\"1\"} 0\n\
             node_sysctl_fs_file_nr{index=\"2\"} 9.223372036854776e+18\n",
        );
        check(
            INCLUDE,
            "fs.file-nr:total,current,max-x",
            "node_sysctl_fs_file_nr_current 0\nnode_sysctl_fs_file_nr_max_x 9.223372036854776e+18\n\
             node_sysctl_fs_file_nr_total 1024\n",
        );
        let forwarding = "node_sysctl_net_ipv4_conf_eth0_5_forwarding 1\n";
        check(INCLUDE, "net/ipv4/conf/eth0.5/forwarding", forwarding);
        check(INCLUDE, "net.ipv4.conf.eth0/5.forwarding", forwarding);
    }

    #[test]
    fn words() {
        check(
            "collector.sysctl.include-info",
            "kernel.seccomp.actions_avail",
            "node_sysctl_info{index=\"0\",name=\"kernel.seccomp.actions_avail\",value=\"kill_process\"} 1\n\
             node_sysctl_info{index=\"1\",name=\"kernel.seccomp.actions_avail\",value=\"\\\"errno\\\"\"} 1\n\
             node_sysctl_info{index=\"2\",name=\"kernel.seccomp.actions_avail\",value=\"allow\"} 1\n",
        );
        let problem = "values: expected as many as there are keys, found \"1 values for 1 keys\"";
        check(
            "collector.sysctl.include-info",
            "kernel.pid_max:a",
            &format!("! proc/sys/kernel/pid_max:1: {problem}\n"),
        );
    }

    #[test]
    fn cut_short_and_garbage() {
        check(
            INCLUDE,
            "kernel.mixed",
            "node_sysctl_kernel_mixed{index=\"0\"} 7\nnode_sysctl_kernel_mixed{index=\"2\"} 16\n\
             ! proc/sys/kernel/mixed:1: value: expected a whole number, found \"x\"\n",
        );
        let problem = |found: &str| format!("values: expected as many as there are keys, found \"{found}\"\n");
        check(INCLUDE, "kernel.mixed:a,b", &format!("! proc/sys/kernel/mixed:1: {}", problem("3 values for 2 keys")));
        check(INCLUDE, "kernel.empty", &format!("! proc/sys/kernel/empty:1: {}", problem("0 values for 0 keys")));
        check(INCLUDE, "kernel.gone", "! proc/sys/kernel/gone: No such file or directory (os error 2)\n");
        check(INCLUDE, "", "! proc/sys/: Is a directory (os error 21)\n");
        check(INCLUDE, "kernel", "! proc/sys/kernel: Is a directory (os error 21)\n");
    }
}
