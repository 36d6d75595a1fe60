//! Whether SELinux is on, and how strict it is.
//!
//! * Source: selinuxfs, `/proc/self/attr/current` and `/etc/selinux/config`; selinux(8). These paths are literal: they
//!   describe the kernel the exporter runs on, whatever `--path.*` says.
//! * Units: 1 enforcing, 0 permissive, -1 disabled.
//! * Absent when: SELinux is off: the two modes are missing, no error.
//! * Differs from the Go exporter: a file system mounted at its usual place after the start is noticed.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use common::collector::{Collector, Row, Scrape};
use common::error::CollectError;
use common::exposition::{Desc, Page};
use common::fields::{Words, lines};
use common::fuzzing::{Parser, eat};
use common::sandbox::Need;

use crate::fs::{KeptAttr, read_attr, read_file};

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row {
    needs: |_| vec![Need::File(CONFIG.into())],
    ..Row::on("selinux", "state of SELinux, selinuxfs", &[], |_| Ok(Box::new(Selinux { enforce: find_elsewhere() })))
};

const ENABLED: Desc = Desc::gauge("node_selinux_enabled", "1 if SELinux is on, else 0.", &[]);
const CONFIG_MODE: Desc = Desc::gauge(
    "node_selinux_config_mode",
    "Mode the configuration asks for: 1 enforcing, 0 permissive, -1 disabled.",
    &[],
);
const CURRENT_MODE: Desc =
    Desc::gauge("node_selinux_current_mode", "Mode now: 1 enforcing, 0 permissive, -1 disabled.", &[]);

const USUAL_MOUNT: &str = "/sys/fs/selinux";
const CONFIG: &str = "/etc/selinux/config";
/// `SELINUX_MAGIC` (kernel: include/uapi/linux/magic.h).
const SELINUX_MAGIC: u64 = 0xf97c_ff8c;
/// `ST_RDONLY` (kernel: include/linux/statfs.h).
const READ_ONLY: u64 = 1;

struct Selinux {
    /// `enforce` of the selinuxfs that was found.
    enforce: Option<KeptAttr>,
}

impl Collector for Selinux {
    fn update(&mut self, _cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        if self.enforce.is_none() {
            self.enforce = is_selinuxfs(Path::new(USUAL_MOUNT)).then(|| enforce_of(Path::new(USUAL_MOUNT)));
        }
        // Before a policy is loaded, every process runs in the context `kernel`.
        let has_policy = || {
            let context = read_attr(Path::new("/proc/self/attr/current"));
            // Some kernels end the text with a zero byte.
            !context.is_ok_and(|context| matches!(context.text(), b"kernel" | b"kernel\0"))
        };
        let modes = self.enforce.as_mut().filter(|_| has_policy()).map(|enforce| {
            let config = read_file(Path::new(CONFIG)).map_or(DISABLED, |text| config_mode(&text));
            (config, enforce.read().map_or(DISABLED, |text| current_mode(text.text())))
        });
        encode(modes, page);
        Ok(())
    }
}

const DISABLED: f64 = -1.0;

fn encode(modes: Option<(f64, f64)>, page: &mut Page) {
    page.sample::<&str>(&ENABLED, &[], if modes.is_some() { 1.0 } else { 0.0 });
    if let Some((config, current)) = modes {
        page.sample::<&str>(&CONFIG_MODE, &[], config);
        page.sample::<&str>(&CURRENT_MODE, &[], current);
    }
}

fn enforce_of(mount: &Path) -> KeptAttr {
    KeptAttr::new(mount.join("enforce"))
}

fn is_selinuxfs(path: &Path) -> bool {
    rustix::fs::statfs(path)
        .is_ok_and(|stat| stat.f_type as u64 & 0xffff_ffff == SELINUX_MAGIC && stat.f_flags as u64 & READ_ONLY == 0)
}

/// Looks through the mount table, once: it may be long, and few kernels have selinuxfs at all.
fn find_elsewhere() -> Option<KeptAttr> {
    let known = read_file(Path::new("/proc/filesystems")).ok()?;
    lines(&known).find(|(number, line)| Words::new(*number, line).last() == Some(b"selinuxfs"))?;
    let mounts = read_file(Path::new("/proc/self/mountinfo")).ok()?;
    mount_points(&mounts).into_iter().find(|path| is_selinuxfs(path)).map(|path| enforce_of(&path))
}

/// Where selinuxfs is mounted, from a mount table as in proc(5), `/proc/<pid>/mountinfo`.
fn mount_points(mounts: &[u8]) -> Vec<PathBuf> {
    let of_line = |(number, line)| {
        let mut words = Words::new(number, line);
        let path = words.nth(4)?;
        let kind = words.skip_while(|word| *word != b"-").nth(1)?;
        // The kernel writes blanks as octal numbers; such a path is not looked for.
        (kind == b"selinuxfs").then(|| PathBuf::from(OsStr::from_bytes(path)))
    };
    lines(mounts).filter_map(of_line).collect()
}

/// The value of `SELINUX=`; what is not understood means disabled, as it does to the library.
fn config_mode(text: &[u8]) -> f64 {
    let value =
        |line: &[u8]| Some(line.trim_ascii().strip_prefix(b"SELINUX")?.trim_ascii().strip_prefix(b"=")?.to_vec());
    match lines(text).find_map(|(_, line)| value(line)).unwrap_or_default().trim_ascii() {
        b"enforcing" => 1.0,
        b"permissive" => 0.0,
        _ => DISABLED,
    }
}

fn current_mode(text: &[u8]) -> f64 {
    match text {
        b"1" => 1.0,
        b"0" => 0.0,
        _ => DISABLED,
    }
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser = Parser::new(
    "mounts and configuration of selinux",
    |bytes| eat((mount_points(bytes), config_mode(bytes), current_mode(bytes))),
    b"selinuxfs /sys/fs/selinux selinuxfs rw 0 0\nSELINUX=enforcing\n1",
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::text_of;

    #[test]
    fn good() {
        assert_eq!(config_mode(b"# SELINUX=disabled\n\nSELINUXTYPE=targeted\nSELINUX=enforcing\n"), 1.0);
        assert_eq!(config_mode(b" SELINUX = permissive "), 0.0);
        assert_eq!((current_mode(b"1"), current_mode(b"0")), (1.0, 0.0));
        let mounts = b"22 1 0:21 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n\
            24 22 0:22 / /selinux rw shared:8 master:1 - selinuxfs none rw\n";
        assert_eq!(mount_points(mounts), [PathBuf::from("/selinux")]);
    }

    #[test]
    fn cut_short_and_garbage() {
        for text in ["", "SELINUX", "SELINUX=", "SELINUX=yes", "\u{1}\u{2}"] {
            assert_eq!(config_mode(text.as_bytes()), DISABLED, "{text}");
            assert_eq!(current_mode(text.as_bytes()), DISABLED, "{text}");
        }
        assert!(mount_points(b"24 22 0:22 / /selinux rw -\n\xff - selinuxfs\n\n").is_empty());
    }

    #[test]
    fn modes_only_when_on() {
        let text = |modes| {
            let mut page = Page::default();
            encode(modes, &mut page);
            text_of(&page).lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join(",")
        };
        assert_eq!(text(None), "node_selinux_enabled 0");
        let on = "node_selinux_config_mode 1,node_selinux_current_mode 0,node_selinux_enabled 1";
        assert_eq!(text(Some((1.0, 0.0))), on);
    }
}
